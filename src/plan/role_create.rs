//! Plans a role by its own name: created, or completed where podid made it, or taken over where that was asked for.

use std::collections::BTreeMap;

use super::{
    Plan, Refusal, RoleOwnership, Step,
    policies::{self, Policies},
    role::{as_created, opening},
};
use crate::model::{
    add_on_policy::AddOnGrant,
    adoption::Asked,
    arn::Arn,
    cluster::Cluster,
    document::Document,
    grant::Grant,
    have::Observed,
    names::ServiceAccount,
    ownership, policy,
    role::{NewRole, PATH, Role, tags as keys},
    tags,
    trust::{self, Request, Verdict},
    want::{InlinePolicy, Provenance, Scope, TableGrant, Wanted},
};

/// The wanted role, and what is there.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Debug, Clone, Copy)]
pub struct CreateRole<'a> {
    /// The cluster that it trusts.
    pub cluster: &'a Cluster,
    /// The service account that it is for; `None` for the cluster's.
    pub subject: Option<&'a ServiceAccount>,
    /// Name.
    pub name: &'a str,
    /// Path; `/podid/` for a new one unless told.
    pub path: Option<&'a str>,
    /// Whom it trusts.
    pub scope: Option<Scope>,
    /// Whether its associations send session tags.
    pub session_tags: bool,
    /// Permissions boundary.
    pub boundary: Option<&'a str>,
    /// Tags of the user's.
    pub tags: &'a BTreeMap<String, String>,
    /// Take over a role that podid did not create.
    pub adopt: bool,
    /// Access to tables.
    pub tables: &'a [TableGrant],
    /// Access to resources of other services.
    pub grants: &'a [Grant],
    /// What add-ons need, as far as it is podid's own statements.
    pub add_ons: &'a [AddOnGrant],
    /// Managed policies.
    pub policy_arns: &'a [String],
    /// Inline policies.
    pub files: &'a [InlinePolicy],
    /// No more access to these resources than asked for.
    pub exact: bool,
    /// Grant access to tables that do not exist.
    pub allow_missing: bool,
    /// The role of that name.
    pub role: Option<&'a Role>,
    /// What is attached to it.
    pub attached: &'a Observed<Vec<String>>,
    /// Its inline policies.
    pub inline: &'a Observed<BTreeMap<String, Document>>,
}

impl CreateRole<'_> {
    /// What podid's Sid and statement are made for: the cluster alone has no service account's names.
    fn subject(&self) -> ServiceAccount {
        self.subject.cloned().unwrap_or_else(|| ServiceAccount { namespace: String::new(), name: String::new() })
    }

    fn own_tags(&self) -> BTreeMap<String, String> {
        let mut own = tags::association_tags(self.cluster, &self.subject());
        own.retain(|_, value| !value.is_empty());
        own
    }

    fn who(&self) -> String {
        match self.subject {
            Some(subject) => format!("{subject} of cluster {}", self.cluster.name),
            None => format!("cluster {}", self.cluster.name),
        }
    }
}

/// Plans the role.
///
/// # Errors
/// When another one has its name, or it would break IAM's limits.
pub fn create_role(ask: &CreateRole<'_>) -> Result<Plan, Refusal> {
    let scope = match (ask.scope, ask.subject) {
        (Some(narrow @ (Scope::ServiceAccount | Scope::Namespace)), None) => {
            return Err(Refusal::new(format!("scope `{}` needs a service account", narrow.as_str()))
                .hint("name it with `--service-account NAMESPACE/SERVICE_ACCOUNT`"));
        }
        (Some(narrow @ (Scope::ServiceAccount | Scope::Namespace)), _) if !ask.session_tags => {
            return Err(Refusal::new(format!("scope `{}` needs session tags, and they are disabled", narrow.as_str()))
                .hint("pass `--scope cluster`, or keep session tags enabled"));
        }
        (Some(scope), _) => scope,
        (None, Some(_)) => trust::default_scope(ask.session_tags),
        (None, None) => Scope::Cluster,
    };
    let statement = trust::statement(ask.cluster, &ask.subject(), scope, ask.session_tags);
    let mut plan = Plan::default();
    let holder = match ask.role {
        None => {
            new(ask, trust::document(statement), &mut plan)?;
            RoleOwnership::New
        }
        Some(role) => {
            // An interrupted run goes on without asking anew: nobody else acts under it.
            let alone =
                is_podids_own(ask, role) && policy::same_meaning(&role.trust, &trust::document(statement.clone()));
            existing(ask, role, statement, &mut plan)?;
            if alone { RoleOwnership::Own } else { RoleOwnership::Shared }
        }
    };
    plan.merge(policies::policies(&Policies {
        managed: Wanted::AtLeast(ask.policy_arns),
        tables: Wanted::AtLeast(ask.tables),
        grants: Wanted::AtLeast(ask.grants),
        add_ons: Wanted::AtLeast(ask.add_ons),
        documents: Wanted::AtLeast(ask.files),
        exact: ask.exact,
        allow_missing: ask.allow_missing,
        ..Policies::keep(ask.name, holder, (ask.attached, ask.inline), Provenance::Flags)
    })?);
    if let Some(role) = ask.role {
        foreign(ask, role, &mut plan)?;
    }
    plan.finish();
    Ok(plan)
}

/// A role with podid's tags that is not as podid creates it is not completed unless that was asked for. Where nothing is left
/// to do, what differs is only named.
fn foreign(ask: &CreateRole<'_>, role: &Role, plan: &mut Plan) -> Result<(), Refusal> {
    if ask.adopt {
        return Ok(());
    }
    let inline: Vec<&str> = ask.files.iter().map(|file| file.name.as_str()).collect();
    let subject = ask.subject();
    let scoped = [&subject];
    let asked = Asked {
        cluster: ask.cluster,
        scoped: ask.scope.map_or(&[], |_| &scoped),
        boundary: ask.boundary,
        policy_arns: Some(ask.policy_arns),
        inline: Some(&inline),
        // Nobody comes to use the role by this, and what it is to allow may be named in several runs.
        requested: None,
    };
    match as_created(role, (ask.attached, ask.inline), &asked) {
        Err(refusal) if plan.is_empty() => plan.warn(refusal.message),
        other => other?,
    }
    Ok(())
}

fn within_size(ask: &CreateRole<'_>, before: Option<&Document>, after: &Document) -> Result<(), Refusal> {
    let Some(long) = trust::too_long(before, after) else { return Ok(()) };
    Err(Refusal::new(format!("the trust policy of role `{}` {long}", ask.name))
        .hint("use a wider `--scope` for the service accounts already in it, or use another role"))
}

fn new(ask: &CreateRole<'_>, trust: Document, plan: &mut Plan) -> Result<(), Refusal> {
    within_size(ask, None, &trust)?;
    let home = &ask.cluster.arn;
    opening(ask.name, None, &trust, home, plan);
    let path = ask.path.unwrap_or(PATH);
    let mut all = ask.tags.clone();
    all.extend(ask.own_tags());
    plan.steps.push(Step::CreateRole(Box::new(NewRole {
        name: ask.name.to_owned(),
        path: path.to_owned(),
        arn: Arn::iam(&home.partition, &home.account, "role", path, ask.name),
        trust,
        tags: all,
        permissions_boundary: ask.boundary.map(str::to_owned),
        description: match ask.subject {
            Some(subject) => format!("For {subject} on EKS cluster {}, created by podid", ask.cluster.name),
            None => format!("For EKS cluster {}, created by podid", ask.cluster.name),
        },
    })));
    Ok(())
}

/// podid made it for whom it is asked for.
fn is_podids_own(ask: &CreateRole<'_>, role: &Role) -> bool {
    ask.own_tags().iter().all(|(key, value)| role.tags.get(key) == Some(value))
}

fn existing(ask: &CreateRole<'_>, role: &Role, statement: serde_json::Value, plan: &mut Plan) -> Result<(), Refusal> {
    let name = &role.name;
    if !is_podids_own(ask, role) {
        if ownership::is_managed(&role.tags) {
            let of = |key: &str| role.tags.get(key).map_or("?", String::as_str);
            return Err(Refusal::new(format!(
                "podid created role `{name}` for {}/{} of cluster {}, not for {}",
                of(keys::NAMESPACE),
                of(keys::SERVICE_ACCOUNT),
                of(keys::CLUSTER),
                ask.who()
            ))
            .hint("choose another name"));
        }
        if !ask.adopt {
            return Err(Refusal::new(format!("role `{name}` already exists, and podid did not create it"))
                .hint("to take it over and add podid's tags, pass `--adopt`")
                .hint("or choose another name"));
        }
        plan.steps.push(Step::TagRole { role: name.clone(), tags: ask.own_tags() });
    }
    let mut differs = |what: &str, have: &str, wanted: &str| {
        plan.warn(format!("role `{name}` already exists: its {what} stays {have} (requested: {wanted})"));
    };
    if let Some(path) = ask.path.filter(|path| *path != role.path) {
        differs("path", &role.path, path);
    }
    if let Some(boundary) = ask.boundary.filter(|wanted| role.permissions_boundary.as_deref() != Some(*wanted)) {
        differs("permissions boundary", role.permissions_boundary.as_deref().unwrap_or("unset"), boundary);
    }
    for (key, value) in ask.tags.iter().filter(|(key, value)| role.tags.get(*key) != Some(value)) {
        differs(&format!("tag {key}"), role.tags.get(key).map_or("unset", String::as_str), value);
    }
    let (subject, tagged) = (ask.subject(), ask.session_tags);
    let request = Request { cluster: ask.cluster, subject: &subject, session_tags: tagged, now: None, pod: None };
    let admits = ask.subject.is_some() && trust::evaluate(&role.trust, &request) == Verdict::Admits;
    // A scope that was asked for is written also where another one admits already.
    if admits && ask.scope.is_none() {
        return Ok(());
    }
    let after = trust::with_statement(&role.trust, ask.cluster, &subject, statement)
        .map_err(|taken| super::sid_taken(name, &taken))?;
    if policy::same_meaning(&after, &role.trust) {
        return Ok(());
    }
    if let Verdict::Refuses(reasons) = trust::evaluate(&after, &request) {
        return Err(Refusal::new(format!(
            "the trust policy of role `{name}` would still not allow {}: {}",
            ask.who(),
            trust::in_words(&reasons)
        ))
        .hint("remove the statement that denies it, or choose another name"));
    }
    within_size(ask, Some(&role.trust), &after)?;
    opening(name, Some(&role.trust), &after, &role.arn, plan);
    plan.put_trust(role, after);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::fixtures;

    struct Given {
        cluster: Cluster,
        subject: ServiceAccount,
        attached: Observed<Vec<String>>,
        inline: Observed<BTreeMap<String, Document>>,
        tags: BTreeMap<String, String>,
    }

    fn given() -> Given {
        Given {
            cluster: fixtures::cluster(),
            subject: fixtures::subject("carts/carts"),
            attached: Observed::Known(Vec::new()),
            inline: Observed::Known(BTreeMap::new()),
            tags: BTreeMap::new(),
        }
    }

    impl Given {
        fn ask(&self) -> CreateRole<'_> {
            CreateRole {
                cluster: &self.cluster,
                subject: Some(&self.subject),
                name: "app",
                path: None,
                scope: None,
                session_tags: true,
                boundary: None,
                tags: &self.tags,
                adopt: false,
                tables: &[],
                grants: &[],
                add_ons: &[],
                policy_arns: &[],
                files: &[],
                exact: false,
                allow_missing: false,
                role: None,
                attached: &self.attached,
                inline: &self.inline,
            }
        }
    }

    fn ids(plan: &Plan) -> Vec<String> {
        plan.steps.iter().map(Step::id).collect()
    }

    /// The role that a plan of nothing but its creation makes.
    fn made(plan: &Plan) -> Role {
        let [Step::CreateRole(new)] = &plan.steps[..] else { panic!("{plan:#?}") };
        let mut role = fixtures::role("app", new.trust.clone());
        (role.tags, role.path, role.arn) = (new.tags.clone(), new.path.clone(), new.arn.clone());
        role
    }

    #[test]
    fn for_a_service_account_or_the_cluster() {
        let given = given();
        let one = made(&create_role(&given.ask()).unwrap());
        assert_eq!(trust::admits(&one.trust), ["carts/carts of cluster eks-workshop"]);
        assert_eq!(one.tags.len(), 4);
        let all = CreateRole { subject: None, ..given.ask() };
        let every = made(&create_role(&all).unwrap());
        assert_eq!(trust::admits(&every.trust), ["every service account of cluster eks-workshop"]);
        assert_eq!(every.tags.keys().collect::<Vec<_>>(), [keys::CLUSTER, keys::MANAGED_BY]);
        // Carried out, there is nothing left to do.
        assert!(create_role(&CreateRole { role: Some(&one), ..given.ask() }).unwrap().is_empty());
        assert!(create_role(&CreateRole { role: Some(&every), ..all }).unwrap().is_empty());
        assert!(create_role(&CreateRole { scope: Some(Scope::Namespace), ..all }).is_err());
        let untagged = CreateRole { session_tags: false, ..given.ask() };
        assert!(create_role(&CreateRole { scope: Some(Scope::Namespace), ..untagged }).is_err());
        let open = made(&create_role(&untagged).unwrap());
        assert!(open.trust.0.to_string().contains("aws:SourceArn"));
        assert!(create_role(&CreateRole { role: Some(&open), ..untagged }).unwrap().is_empty());
    }

    #[test]
    fn in_every_partition() {
        for partition in ["aws", "aws-cn", "aws-us-gov", "aws-eusc"] {
            let mut given = given();
            given.cluster.arn.partition = partition.to_owned();
            let role = made(&create_role(&CreateRole { path: Some("/team/"), ..given.ask() }).unwrap());
            assert_eq!(role.arn.to_string(), format!("arn:{partition}:iam::111122223333:role/team/app"));
            assert!(role.trust.0.to_string().contains(&format!("arn:{partition}:eks:")));
        }
    }

    #[test]
    fn a_role_of_others_is_taken_over_only_when_asked() {
        let given = given();
        let open = Document(json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}));
        let theirs = fixtures::role("app", open);
        let ask = CreateRole { role: Some(&theirs), ..given.ask() };
        let refusal = create_role(&ask).unwrap_err();
        assert!(refusal.message.contains("podid did not create it") && refusal.hints[0].contains("--adopt"));
        let plan = create_role(&CreateRole { adopt: true, ..ask }).unwrap();
        assert_eq!(ids(&plan), ["tag-role", "put-trust"]);
        let Step::PutTrust { after, .. } = &plan.steps[1] else { panic!() };
        assert_eq!(after.statements()[0], theirs.trust.statements()[0]);
        // podid's own for somebody else is not, whatever was asked.
        let mut other = theirs.clone();
        other.tags = tags::association_tags(&given.cluster, &fixtures::subject("orders/orders"));
        let refusal = create_role(&CreateRole { role: Some(&other), adopt: true, ..given.ask() }).unwrap_err();
        assert!(refusal.message.contains("podid created role `app` for orders/orders"), "{}", refusal.message);
    }

    #[test]
    fn what_differs_is_said_and_stays() {
        let mut given = given();
        let there = made(&create_role(&given.ask()).unwrap());
        given.tags = BTreeMap::from([("team".to_owned(), "store".to_owned())]);
        let ask = CreateRole { role: Some(&there), ..given.ask() };
        let boundary = Some("arn:aws:iam::111122223333:policy/b");
        let plan = create_role(&CreateRole { path: Some("/x/"), boundary, adopt: true, ..ask }).unwrap();
        assert!(plan.is_empty());
        assert_eq!(plan.warnings.len(), 3, "{:?}", plan.warnings);
        let wider = create_role(&CreateRole { scope: Some(Scope::Cluster), ..ask }).unwrap();
        assert_eq!(ids(&wider), ["put-trust"]);
    }

    #[test]
    fn too_large_a_trust_policy_is_refused() {
        let given = given();
        let mut there = made(&create_role(&given.ask()).unwrap());
        let others: Vec<_> = (0..5)
            .map(|n| {
                let subject = fixtures::subject(&format!("orders-{n}/orders"));
                trust::statement(&given.cluster, &subject, Scope::ServiceAccount, true)
            })
            .collect();
        there.trust = Document(json!({"Version": "2012-10-17", "Statement": others}));
        let refusal = create_role(&CreateRole { role: Some(&there), ..given.ask() }).unwrap_err();
        assert!(refusal.message.contains("the IAM limit is 2048"), "{}", refusal.message);
    }
}
