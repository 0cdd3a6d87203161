//! Custom resources of the ACK controllers and of Crossplane's AWS provider.

use serde_json::Value;

use super::{At, Draft, Problem, agent, permissions, tag_list};
use crate::model::{
    addon::AGENT,
    document::Document,
    manifest::{Association, Role, Source, custom_tags},
    want::Field,
};

/// Of whom an object is, by its API group.
fn of(document: &Value) -> Option<Tool> {
    let version = document.get("apiVersion")?.as_str()?;
    let group = version.split('/').next()?;
    match group {
        "eks.services.k8s.aws" | "iam.services.k8s.aws" => Some(Tool::Ack),
        "eks.aws.upbound.io" | "iam.aws.upbound.io" | "eks.aws.m.upbound.io" | "iam.aws.m.upbound.io" => {
            Some(Tool::Crossplane)
        }
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tool {
    Ack,
    Crossplane,
}

pub(super) fn is_one(document: &Value) -> bool {
    of(document).is_some()
}

/// What an object says, and how its tool names the fields.
struct Object<'a> {
    tool: Tool,
    whole: At<'a>,
    fields: At<'a>,
}

impl<'a> Object<'a> {
    fn read(whole: &At<'a>) -> Option<Self> {
        let (tool, whole) = (of(whole.value)?, whole.clone());
        let keys: &[&str] = if tool == Tool::Ack { &["spec"] } else { &["spec", "forProvider"] };
        Some(Self { tool, fields: whole.at(keys)?, whole })
    }

    fn name(&self) -> Option<&'a str> {
        self.whole.get("metadata")?.text("name")
    }

    fn external_name(&self) -> Option<&'a str> {
        self.whole.at(&["metadata", "annotations"])?.text("crossplane.io/external-name")
    }

    /// `roleARN` of ACK is `roleArn` of Crossplane.
    fn arn(&self, ack: &str, crossplane: &str) -> Option<String> {
        self.fields.text(if self.tool == Tool::Ack { ack } else { crossplane }).map(str::to_owned)
    }

    /// The object that another one's field refers to.
    fn reference(&self, ack: &str, crossplane: &str) -> Option<&'a str> {
        match self.tool {
            Tool::Ack => self.fields.at(&[ack, "from"])?.text("name"),
            Tool::Crossplane => self.fields.get(crossplane)?.text("name"),
        }
    }
}

pub(super) fn read(all: &[At<'_>]) -> Result<Draft, Problem> {
    let objects: Vec<(&str, Object<'_>)> =
        all.iter().filter_map(|at| Some((at.text("kind")?, Object::read(at)?))).collect();
    let mut draft = Draft::default();
    for (kind, object) in &objects {
        match *kind {
            "PodIdentityAssociation" => association(&mut draft, object, &objects)?,
            "Addon" if addon_name(object).as_deref() == Some(AGENT) => {
                let fields = &object.fields;
                let found = agent(fields.text("addonVersion"), fields.text("configurationValues"), fields, &mut draft);
                draft.agent = Some(found);
            }
            _ => {}
        }
    }
    Ok(draft)
}

fn addon_name(object: &Object<'_>) -> Option<String> {
    object.arn("name", "addonName")
}

fn association(draft: &mut Draft, object: &Object<'_>, all: &[(&str, Object<'_>)]) -> Result<(), Problem> {
    let fields = &object.fields;
    let subject = format!("{}/{}", fields.need("namespace")?, fields.need("serviceAccount")?);
    let role = match (object.arn("roleARN", "roleArn"), object.reference("roleRef", "roleArnRef")) {
        (Some(arn), _) => arn,
        (None, Some(name)) => {
            let found = all.iter().find(|(kind, other)| *kind == "Role" && other.name() == Some(name));
            let Some((_, found)) = found else {
                draft.leave(fields, format!("{subject} is omitted: its role, object `{name}`, is not in this file"));
                return Ok(());
            };
            match role(draft, found, all)? {
                Some(name) => name,
                None => return Ok(()),
            }
        }
        (None, None) => {
            draft.leave(fields, format!("{subject} is omitted: its role is neither an ARN nor a reference"));
            return Ok(());
        }
    };
    let target = if object.tool == Tool::Ack { "targetRoleRef" } else { "targetRoleArnRef" };
    if let Some(at) = fields.get(target) {
        draft.leave(&at, format!("{subject} is omitted: its target role is a reference"));
        return Ok(());
    }
    if fields.text("clusterName").is_none() {
        draft.leave(fields, format!("the cluster of {subject} is a reference: pass `--cluster`"));
    }
    let policy = fields.policy("policy")?;
    let region = fields
        .text("region")
        .or_else(|| object.whole.at(&["metadata", "annotations"])?.text("services.k8s.aws/region"));
    draft.region = draft.region.take().or_else(|| region.map(str::to_owned));
    draft.associations.push((
        fields.text("clusterName").map(str::to_owned),
        Association {
            service_account: subject,
            role,
            target_role: Field::from(object.arn("targetRoleARN", "targetRoleArn")),
            disable_session_tags: Field::switch(fields.flag("disableSessionTags")),
            session_policy: Field::from(policy.map(Source::Document)),
            tags: custom_tags(&fields.map("tags")),
            create_service_account: None,
        },
    ));
    Ok(())
}

/// A role of the file: its ARN where that is known, else its name, and it is described.
/// `None` where it cannot be described without more permissions than it has.
fn role(draft: &mut Draft, object: &Object<'_>, all: &[(&str, Object<'_>)]) -> Result<Option<String>, Problem> {
    let known: &[&str] =
        if object.tool == Tool::Ack { &["status", "ackResourceMetadata"] } else { &["status", "atProvider"] };
    if let Some(arn) = object.whole.at(known).and_then(|status| status.text("arn")) {
        return Ok(Some(arn.to_owned()));
    }
    let fields = &object.fields;
    for key in ["permissionsBoundaryRef", "permissionsBoundarySelector"] {
        if let Some(at) = fields.get(key) {
            draft.leave(&at, "the role and its associations are omitted: its permissions boundary is a reference");
            return Ok(None);
        }
    }
    for item in fields.items("policyRefs") {
        draft.leave(&item, "the policy is omitted: it is a reference");
    }
    if fields.value.get("maxSessionDuration").is_some_and(|seconds| seconds != 3600) {
        draft.leave(fields, "maxSessionDuration is omitted: manifests do not support it");
    }
    let (name, managed, inline, own) = match object.tool {
        Tool::Ack => {
            let inline = fields.get("inlinePolicies");
            let inline = inline.map(|at| documents(&at)).transpose()?.unwrap_or_default();
            let own = tag_list(fields, "tags", ("key", "value"));
            (fields.need("name")?.to_owned(), fields.texts("policies"), inline, own)
        }
        Tool::Crossplane => {
            let object_name = object.name().unwrap_or_default();
            let name = object.external_name().unwrap_or(object_name).to_owned();
            let (managed, inline) = held(&name, object_name, all)?;
            (name, managed, inline, fields.map("tags"))
        }
    };
    let policies = permissions(fields, managed, inline, draft);
    draft.describe(Role {
        name: name.clone(),
        path: Some(fields.text("path").unwrap_or("/").to_owned()),
        permissions_boundary: Field::from(fields.text("permissionsBoundary").map(str::to_owned)),
        tags: custom_tags(&own),
        policies,
        ..Role::default()
    });
    Ok(Some(name))
}

type Held = (Vec<String>, Vec<(String, Document)>);

/// What other objects of Crossplane give a role.
fn held(name: &str, object_name: &str, all: &[(&str, Object<'_>)]) -> Result<Held, Problem> {
    let (mut managed, mut inline) = (Vec::new(), Vec::new());
    for (kind, other) in all {
        let of_role = other.fields.text("role") == Some(name) || other.reference("", "roleRef") == Some(object_name);
        if !of_role {
            continue;
        }
        match *kind {
            "RolePolicyAttachment" => managed.extend(other.fields.text("policyArn").map(str::to_owned)),
            "RolePolicy" => {
                let own = other.external_name().or_else(|| other.name()).unwrap_or_default().to_owned();
                inline.extend(other.fields.policy("policy")?.map(|document| (own, document)));
            }
            _ => {}
        }
    }
    Ok((managed, inline))
}

/// A mapping of names to documents.
fn documents(at: &At<'_>) -> Result<Vec<(String, Document)>, Problem> {
    let mut all = Vec::new();
    for (name, _) in at.fields() {
        all.extend(at.policy(name)?.map(|document| (name.to_owned(), document)));
    }
    Ok(all)
}
