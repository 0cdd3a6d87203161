//! One need: whether the credentials may, and what is in the way when not.

use super::{
    BOUNDARY, Check, EXPLICIT_DENY, INDEX, KMS, MISSING, RESOURCE_POLICY, SCP, SESSION_POLICY, SESSION_TAGS, WRONG_ARN,
    role,
};
use crate::model::{
    access::{self, Decision, Effect, Need, RoleDocuments, Session, Verdict},
    arn::{self, Arn},
    refusal::{Layer, refusals},
    snapshot::Snapshot,
    text::nearest,
};

/// A need and how it came out.
#[derive(Debug)]
pub(super) struct Judged<'a> {
    pub need: &'a Need,
    pub outcome: Outcome,
    /// `allowed`, `implicitDeny`, … as IAM says it.
    pub decided: &'static str,
}

/// How a need came out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Allowed,
    Broken(Cause),
    /// It depends on what podid cannot know; on what.
    Unknown(Vec<String>),
}

/// What is in the way.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Nothing allows it.
    Missing,
    /// It is allowed on the table alone.
    Index,
    /// It is allowed on something else.
    WrongArn { policy: String, names: String, differs: &'static str },
    /// It would be allowed to a caller with other tags; why not to this one.
    Tags(String),
    /// The policies of these names deny it.
    Denied(Vec<String>),
    /// The boundary, by its ARN.
    Boundary(Option<String>),
    /// Service control policies; one that denies may have a condition that lets the pods through.
    Organization { maybe: bool },
    /// The session policy.
    Session { denied: bool },
    /// The table's own policy.
    Table { denied: bool },
    /// No policy of the role allows the use of a KMS key.
    Key,
}

impl Judged<'_> {
    pub(super) fn cause(&self) -> Option<&Cause> {
        match &self.outcome {
            Outcome::Broken(cause) => Some(cause),
            Outcome::Allowed | Outcome::Unknown(_) => None,
        }
    }

    pub(super) fn check(&self) -> Option<&'static Check> {
        Some(match self.cause()? {
            Cause::Missing => &MISSING,
            Cause::Index => &INDEX,
            Cause::WrongArn { .. } => &WRONG_ARN,
            Cause::Tags(_) => &SESSION_TAGS,
            Cause::Denied(_) => &EXPLICIT_DENY,
            Cause::Boundary(_) => &BOUNDARY,
            Cause::Organization { .. } => &SCP,
            Cause::Session { .. } => &SESSION_POLICY,
            Cause::Table { .. } => &RESOURCE_POLICY,
            Cause::Key => &KMS,
        })
    }

    pub(super) fn unknown(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Unknown(reasons) => Some(format!("{}: {}", super::shown(self.need), reasons.join(", "))),
            Outcome::Allowed | Outcome::Broken(_) => None,
        }
    }
}

pub(super) fn judge<'a>(need: &'a Need, session: &Session, snapshot: &Snapshot) -> Judged<'a> {
    let documents = role(snapshot).documents.known();
    let answer = snapshot.access.simulated.known().map(|all| all.iter().find(|one| one.is_of(need)));
    let decision = match (answer, documents) {
        (Some(Some(decision)), _) => Ok(decision.clone()),
        (Some(None), _) => Err(vec!["IAM returned no result".to_owned()]),
        (None, Some(documents)) => access::predict(documents, session, need),
        (None, None) => Err(vec!["neither IAM's result nor the policies could be read".to_owned()]),
    };
    let (outcome, decided) = match decision {
        Err(reasons) => (Outcome::Unknown(reasons), "unknown"),
        Ok(decision) => (weigh(need, &decision, documents, session, snapshot), decision.effect.as_str()),
    };
    Judged { need, outcome, decided }
}

/// In the order in which AWS asks: whatever denies, the organization, the resource, the role, the session.
fn weigh(
    need: &Need,
    decision: &Decision,
    documents: Option<&RoleDocuments>,
    session: &Session,
    snapshot: &Snapshot,
) -> Outcome {
    let table = access::table_of(&need.resource);
    let policy = table.as_ref().and_then(|arn| snapshot.access.table_policies.get(&arn.to_string())?.known()?.as_ref());
    let home = arn::account(&session.role);
    let foreign = table.as_ref().is_some_and(|arn| Some(arn.account.as_str()) != home);
    let by_table = policy.map(|policy| access::table_says(policy, session, need, foreign));
    if matches!(by_table, Some(Verdict::Is(Effect::Explicit, _))) {
        return Outcome::Broken(Cause::Table { denied: true });
    }
    // IAM names no statement of a service control policy: what it names is the role's own.
    let own_deny = decision.effect == Effect::Explicit && decision.boundary != Some(false);
    if decision.organization == Some(false) && (!own_deny || decision.policies.is_empty()) {
        let maybe = decision.effect == Effect::Explicit && !refused_by_organization(need, snapshot);
        return Outcome::Broken(Cause::Organization { maybe });
    }
    let bounded = decision.boundary == Some(false);
    if (bounded || own_deny)
        && let Some(unknown) = hanging(need, decision, documents, session)
    {
        return unknown;
    }
    if bounded {
        let boundary = role(snapshot).role.known().and_then(Option::as_ref);
        return Outcome::Broken(Cause::Boundary(boundary.and_then(|role| role.permissions_boundary.clone())));
    }
    let given = matches!(by_table, Some(Verdict::Is(Effect::Allowed, _)));
    match decision.effect {
        Effect::Explicit => return Outcome::Broken(Cause::Denied(decision.policies.clone())),
        // What a table's policy allows to a role of its own account needs no policy of the role.
        Effect::Implicit if !given || foreign => return lacking(need, decision, documents, session, snapshot),
        Effect::Implicit | Effect::Allowed => {}
    }
    if foreign && matches!(by_table, Some(Verdict::Is(Effect::Implicit, _))) {
        return Outcome::Broken(Cause::Table { denied: false });
    }
    let own = snapshot.associated().and_then(|association| association.policy.as_deref());
    match own.map(|policy| access::session_allows(policy, session, need)) {
        Some(Verdict::Is(Effect::Explicit, _)) => return Outcome::Broken(Cause::Session { denied: true }),
        Some(Verdict::Is(Effect::Implicit, _)) => return Outcome::Broken(Cause::Session { denied: false }),
        Some(Verdict::Unknown(reasons)) => return Outcome::Unknown(reasons),
        Some(Verdict::Is(Effect::Allowed, _)) | None => {}
    }
    if let Some(Verdict::Unknown(reasons)) = by_table {
        return Outcome::Unknown(reasons);
    }
    // IAM takes a key that it was not told for one that the call does not have, which some operators let pass.
    let told = decision.hangs_on(session).is_empty();
    match documents.filter(|_| !told).map(|documents| access::predict(documents, session, need)) {
        Some(Err(reasons)) => Outcome::Unknown(reasons),
        _ => Outcome::Allowed,
    }
}

/// Why nothing allows it, as far as the role's policies tell.
fn lacking(
    need: &Need,
    decision: &Decision,
    documents: Option<&RoleDocuments>,
    session: &Session,
    snapshot: &Snapshot,
) -> Outcome {
    if let Some(unknown) = hanging(need, decision, documents, session) {
        return unknown;
    }
    let key = need.action.starts_with("kms:");
    let Some(documents) = documents else {
        return Outcome::Broken(if key { Cause::Key } else { Cause::Missing });
    };
    if access::predict(documents, session, need).is_ok_and(|own| own.effect == Effect::Allowed) {
        let why = "IAM denies it, although the policies seem to allow it: they may have been changed seconds ago";
        return Outcome::Unknown(vec![why.to_owned()]);
    }
    if access::but_for_tags(documents, session, need) {
        return Outcome::Broken(Cause::Tags(tags(need, documents, session, snapshot)));
    }
    if key {
        return Outcome::Broken(Cause::Key);
    }
    if let Some(one) = one_of_several(need, documents) {
        return Outcome::Unknown(vec![format!("it is allowed on {one}, which may be the intended resource")]);
    }
    let Some(wanted) = access::table_of(&need.resource) else {
        return Outcome::Broken(on_bucket_alone(need, documents).unwrap_or(Cause::Missing));
    };
    let wrong = access::resources_for(documents, &need.action).into_iter().find_map(|(policy, names)| {
        differs(&names, need, &wanted).map(|differs| Cause::WrongArn { policy, names, differs })
    });
    if let Some(cause) = wrong {
        return Outcome::Broken(cause);
    }
    let on_table = Need { resource: wanted.to_string(), ..need.clone() };
    let index = need.resource.contains("/index/");
    if index && access::predict(documents, session, &on_table).is_ok_and(|d| d.effect == Effect::Allowed) {
        return Outcome::Broken(Cause::Index);
    }
    Outcome::Broken(Cause::Missing)
}

/// A policy that names the bucket where the action is made on its objects.
fn on_bucket_alone(need: &Need, documents: &RoleDocuments) -> Option<Cause> {
    let (bucket, _) = need.resource.split_once('/').filter(|(bucket, _)| bucket.contains(":s3:::"))?;
    let mut grants = access::resources_for(documents, &need.action).into_iter();
    let (policy, names) = grants.find(|(_, names)| access::resource_like(names, bucket))?;
    Some(Cause::WrongArn { policy, names, differs: "its end: objects are `BUCKET/KEY`" })
}

/// What a policy names where the need is a pattern for one of several: the random end of a secret, a region, or what a log leaves out.
fn one_of_several(need: &Need, documents: &RoleDocuments) -> Option<String> {
    let unnamed = need.is_told() && need.names_no_resource();
    let open = unnamed || need.resource.contains('?') || need.resource.split(':').nth(3) == Some("*");
    let named = open.then(|| access::resources_for(documents, &need.action)).into_iter().flatten();
    named.map(|(_, resource)| resource).find(|resource| unnamed || access::resource_like(&need.resource, resource))
}

/// Whether a denial hangs on what IAM was not told since podid does not know it: by the policies where they were read.
fn hanging(need: &Need, decision: &Decision, documents: Option<&RoleDocuments>, session: &Session) -> Option<Outcome> {
    if let Some(documents) = documents {
        return access::predict(documents, session, need).err().map(Outcome::Unknown);
    }
    let keys = decision.hangs_on(session);
    if keys.is_empty() {
        return None;
    }
    Some(Outcome::Unknown(vec![format!(
        "the policies have conditions on {}, which podid cannot evaluate",
        keys.join(", ")
    )]))
}

/// Whether a pod's log tells of a refusal by a service control policy.
fn refused_by_organization(need: &Need, snapshot: &Snapshot) -> bool {
    let mut lines = snapshot.logs.iter().flat_map(|log| log.lines.known().into_iter().flatten());
    lines.any(|line| {
        let mut refused = refusals(line.raw()).into_iter().filter(|refusal| refusal.layer == Layer::Scp);
        refused.any(|refusal| {
            refusal.need(None).is_some_and(|(action, resource)| action == need.action && resource == need.resource)
        })
    })
}

/// In what the resource of a policy differs from what is needed, when it is all but that.
fn differs(names: &str, need: &Need, wanted: &Arn) -> Option<&'static str> {
    let other: Arn = names.parse().ok()?;
    if other.service != "dynamodb" || access::resource_like(names, &need.resource) {
        return None;
    }
    let would = |it: Arn| access::resource_like(&it.to_string(), &need.resource);
    let (region, account) = (wanted.region.clone(), wanted.account.clone());
    if would(Arn { region: region.clone(), ..other.clone() }) {
        return Some("its region");
    }
    if would(Arn { account: account.clone(), ..other.clone() }) {
        return Some("its account");
    }
    if would(Arn { partition: wanted.partition.clone(), ..other.clone() }) {
        return Some("its partition");
    }
    if would(Arn { region, account, ..other.clone() }) {
        return Some("its region and account");
    }
    let (name, rest) = table_name(&other.resource)?;
    let own = wanted.name();
    let close = name.eq_ignore_ascii_case(own) || !nearest(own, [name]).is_empty();
    let renamed = Arn { resource: format!("table/{own}{rest}"), ..other.clone() };
    (name != own && close && would(renamed)).then_some("the table's name")
}

/// The table's name in a resource, and what comes after it.
fn table_name(resource: &str) -> Option<(&str, &str)> {
    let rest = resource.strip_prefix("table/")?;
    Some(rest.find('/').map_or((rest, ""), |at| rest.split_at(at))).filter(|(name, _)| !name.contains('*'))
}

/// Why the caller's tags do not do.
fn tags(need: &Need, documents: &RoleDocuments, session: &Session, snapshot: &Snapshot) -> String {
    let keys = access::tags_asked(documents, &need.action);
    let eks = keys.iter().any(|key| crate::model::trust::SESSION_TAGS.contains(&key.as_str()));
    let disabled = snapshot.associated().is_some_and(|association| association.disable_session_tags);
    let named = keys.iter().map(|key| format!("aws:PrincipalTag/{key}")).collect::<Vec<_>>().join(", ");
    if disabled && eks {
        return format!("the role's policy requires {named}, and the association disables session tags");
    }
    let has: Vec<String> = keys
        .iter()
        .map(|key| match session.tags.iter().find(|(known, _)| known.eq_ignore_ascii_case(key)) {
            Some((key, value)) => format!("{key} = `{value}`"),
            None => format!("no {key}"),
        })
        .collect();
    format!("the role's policy requires other values of {named}: the session has {}", has.join(", "))
}
