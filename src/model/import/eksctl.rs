//! eksctl's ClusterConfig: associations, service accounts with IRSA, and the agent's add-on.

use super::{At, Draft, Problem, agent, permissions};
use crate::model::{
    addon::AGENT,
    document::Document,
    manifest::{Association, Role, Source, custom_tags},
    permissions::Scope,
    want::Field,
};

pub(super) fn read(config: &At<'_>) -> Result<Draft, Problem> {
    let metadata = config.get("metadata").ok_or_else(|| config.wrong("key `metadata` is missing"))?;
    let cluster = metadata.need("name")?;
    let mut draft = Draft {
        cluster: Some(cluster.to_owned()),
        region: metadata.text("region").map(str::to_owned),
        ..Draft::default()
    };
    if let Some(iam) = config.get("iam") {
        for item in iam.items("podIdentityAssociations") {
            let subject = format!("{}/{}", item.need("namespace")?, item.need("serviceAccountName")?);
            let role = match item.text("roleARN") {
                Some(arn) => arn.to_owned(),
                None => described(&mut draft, cluster, &subject, &item, &ASSOCIATION)?,
            };
            let policy = item.policy("policy")?;
            draft.associations.push((
                Some(cluster.to_owned()),
                Association {
                    service_account: subject,
                    role,
                    target_role: Field::from(item.text("targetRoleARN").map(str::to_owned)),
                    disable_session_tags: Field::switch(item.flag("disableSessionTags")),
                    session_policy: Field::from(policy.map(Source::Document)),
                    tags: custom_tags(&item.map("tags")),
                    create_service_account: item.flag("createServiceAccount").then_some(true),
                },
            ));
        }
        for item in iam.items("serviceAccounts") {
            service_account(&mut draft, cluster, &item)?;
        }
    }
    for item in config.items("addons") {
        let name = item.need("name")?;
        if name == AGENT {
            draft.agent = Some(agent(item.text("version"), item.text("configurationValues"), &item, &mut draft));
        } else if item.get("podIdentityAssociations").is_some() || item.flag("useDefaultPodIdentityAssociations") {
            draft.leave(
                &item,
                format!("the associations of add-on `{name}` are omitted: change them through the add-on"),
            );
        } else if ["serviceAccountRoleARN", "attachPolicyARNs", "attachPolicy", "wellKnownPolicies"]
            .iter()
            .any(|key| item.get(key).is_some())
        {
            draft.leave(&item, format!("the IRSA role of add-on `{name}` is omitted: change it through the add-on"));
        }
    }
    Ok(draft)
}

/// A service account with IRSA: the same role by an association.
fn service_account(draft: &mut Draft, cluster: &str, item: &At<'_>) -> Result<(), Problem> {
    let metadata = item.get("metadata").ok_or_else(|| item.wrong("key `metadata` is missing"))?;
    let subject = format!("{}/{}", metadata.text("namespace").unwrap_or("default"), metadata.need("name")?);
    if item.text("subjectPattern").is_some() {
        draft.leave(item, "subjectPattern is not supported: add an association for each service account");
        return Ok(());
    }
    let made = item.at(&["status"]).and_then(|status| status.text("roleARN"));
    let role = if let Some(arn) = item.text("attachRoleARN").or(made) {
        draft.leave(
            item,
            format!(
                "{subject} uses the role through IRSA: its trust policy must also allow Pod Identity (`podid migrate plan {subject}`)"
            ),
        );
        arn.to_owned()
    } else {
        let name = described(draft, cluster, &subject, item, &IRSA)?;
        draft.leave(
            item,
            format!(
                "eksctl creates the role of {subject} for IRSA: if it exists, reference it by its ARN instead of `{name}`"
            ),
        );
        name
    };
    let association = Association { service_account: subject, role, ..Association::default() };
    draft.associations.push((Some(cluster.to_owned()), association));
    Ok(())
}

/// How the two lists name the same.
struct Keys {
    managed: &'static str,
    document: &'static str,
    boundary: &'static str,
}

const ASSOCIATION: Keys =
    Keys { managed: "permissionPolicyARNs", document: "permissionPolicy", boundary: "permissionsBoundaryARN" };
const IRSA: Keys = Keys { managed: "attachPolicyARNs", document: "attachPolicy", boundary: "permissionsBoundary" };

/// eksctl's own names of policies that are one managed policy.
const WELL_KNOWN: [(&str, &str); 2] = [
    ("imageBuilder", "AmazonEC2ContainerRegistryPowerUser"),
    ("ebsCSIController", "service-role/AmazonEBSCSIDriverPolicy"),
];

/// Its names of policies that podid attaches as add-ons.
const ADD_ONS: [(&str, &str); 4] = [
    ("autoScaler", "cluster-autoscaler"),
    ("certManager", "cert-manager"),
    ("efsCSIController", "efs-csi"),
    ("externalDNS", "external-dns"),
];

/// A role that eksctl would create; its name.
fn described(draft: &mut Draft, cluster: &str, subject: &str, item: &At<'_>, keys: &Keys) -> Result<String, Problem> {
    let partition = Scope::partition_of(draft.region.as_deref().unwrap_or_default());
    let mut managed = item.texts(keys.managed);
    let document: Option<Document> = item.policy(keys.document)?;
    let mut policies = usize::from(document.is_some()) + managed.len();
    let mut add_ons = Vec::new();
    if let Some(known) = item.get("wellKnownPolicies") {
        for (name, at) in known.fields().into_iter().filter(|(_, at)| at.value == true) {
            policies += 1;
            match WELL_KNOWN.iter().find(|(known, _)| *known == name) {
                Some((_, policy)) => managed.push(format!("arn:{partition}:iam::aws:policy/{policy}")),
                None => add_ons.push((at, name)),
            }
        }
    }
    if policies == 0 {
        return Err(item.wrong("neither a role nor a policy is set"));
    }
    let name = item.text("roleName").map_or_else(
        || {
            let (namespace, account) = subject.split_once('/').unwrap_or((subject, ""));
            let mut name = format!("{cluster}-{namespace}-{account}");
            name.truncate(64);
            name.trim_end_matches(['-', '.']).to_owned()
        },
        str::to_owned,
    );
    if item.text("roleName").is_none() {
        draft.leave(item, format!("eksctl generates the name of the role: podid uses `{name}`"));
    }
    for (at, known) in add_ons {
        let ours = ADD_ONS.iter().find(|(theirs, _)| *theirs == known);
        let how = ours.map_or_else(
            || "use the policy from the controller's documentation".to_owned(),
            |(_, add_on)| format!("attach it to role `{name}` afterward with `--add-on {add_on}`"),
        );
        draft.leave(&at, format!("manifests do not support policies of add-ons: {how}"));
    }
    let own = item.text("permissionPolicyName").unwrap_or("Policy1").to_owned();
    let inline = document.map(|document| (own, document)).into_iter().collect();
    let policies = permissions(item, managed, inline, draft);
    draft.describe(Role {
        name: name.clone(),
        permissions_boundary: Field::from(item.text(keys.boundary).map(str::to_owned)),
        tags: custom_tags(&item.map("tags")),
        policies,
        ..Role::default()
    });
    Ok(name)
}
