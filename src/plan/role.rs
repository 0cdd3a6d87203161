//! Plans the role and its trust policy: which role it is, whether it is podid's own, and whom it has to trust.

use std::collections::BTreeMap;

use super::{Plan, Refusal, RoleOwnership, Step};
use crate::model::{
    adoption::{self, Asked, Requested},
    arn::{Arn, RoleRef},
    document::Document,
    have::{Have, Observed},
    ownership,
    role::{self, NewRole, PATH, Role},
    tags,
    trust::{self, Reason, Request, Unfixable, Verdict},
    want::{Scope, Want},
};

/// The role as it will be when the plan is carried out.
pub(super) struct Planned {
    /// Name.
    pub(super) name: String,
    /// ARN.
    pub(super) arn: Arn,
    /// Whose it is.
    pub(super) holder: RoleOwnership,
}

/// Whether session tags will be sent once the plan is carried out.
pub(super) fn session_tags(want: &Want, have: &Have) -> bool {
    let now = have.association.known().and_then(Option::as_ref).is_some_and(|a| a.disable_session_tags);
    !want.disable_session_tags.over(Some(now)).unwrap_or_default()
}

pub(super) fn plan(want: &Want, have: &Have, plan: &mut Plan) -> Result<Planned, Refusal> {
    let home = &want.cluster.arn;
    if let RoleRef::Arn(arn) = &want.role.role {
        same_account(arn, home)?;
    }
    let session_tags = session_tags(want, have);
    let scope = scope(want, session_tags)?;
    match &have.role {
        Observed::Known(Some(role)) => existing(want, have, role, scope, plan),
        Observed::Known(None) if want.role.create => create(want, scope, session_tags, plan),
        Observed::Known(None) => {
            Err(Refusal::new(format!("role `{}` does not exist in account {}", want.role.role.name(), home.account))
                .hint("to create it, pass `--create-role`"))
        }
        // Whether it is missing, podid's own or somebody else's decides what is written.
        Observed::Unreadable(why) if want.role.create => {
            Err(Refusal::denied(format!("cannot determine whether role `{}` exists: {why}", want.role.role.name()))
                .hint("allow iam:GetRole, or name an existing role with `--role` and omit `--create-role`"))
        }
        Observed::NotRequested => Ok(unread(want, have, "the role was not read", plan)),
        Observed::Unreadable(why) => Ok(unread(want, have, why, plan)),
    }
}

/// iam:PassRole cannot cross accounts (EKS User Guide, pod-id-assign-target-role).
fn same_account(arn: &Arn, home: &Arn) -> Result<(), Refusal> {
    if arn.partition != home.partition {
        return Err(Refusal::new(format!(
            "role {arn} is in partition `{}`, the cluster is in `{}`",
            arn.partition, home.partition
        )));
    }
    if arn.account != home.account {
        return Err(Refusal::new(format!(
            "role {arn} is in account {}, the cluster is in {}: an association's role must be in the cluster's account",
            arn.account, home.account
        ))
        .hint(format!("use a role of account {} that may assume {arn}", home.account)));
    }
    Ok(())
}

fn scope(want: &Want, session_tags: bool) -> Result<Scope, Refusal> {
    match want.role.scope {
        Some(narrow @ (Scope::ServiceAccount | Scope::Namespace)) if !session_tags => Err(Refusal::new(format!(
            "scope `{}` needs session tags, and they are disabled: the trust policy could not distinguish service accounts",
            narrow.as_str()
        ))
        .hint("pass `--scope cluster`, or keep session tags enabled")),
        Some(scope) => Ok(scope),
        None => Ok(trust::default_scope(session_tags)),
    }
}

fn create(want: &Want, scope: Scope, session_tags: bool, plan: &mut Plan) -> Result<Planned, Refusal> {
    let wanted = &want.role;
    let name = wanted.role.name().to_owned();
    let home = &want.cluster.arn;
    let path = match (&wanted.role, &wanted.path) {
        (RoleRef::Arn(arn), path) => {
            let own = path_of(arn);
            if path.as_ref().is_some_and(|path| *path != own) {
                return Err(Refusal::new(format!("`--path` differs from the path of {arn}")));
            }
            own
        }
        (RoleRef::Name(_), Some(path)) => path.clone(),
        (RoleRef::Name(_), None) => PATH.to_owned(),
    };
    let trust = trust::document(trust::statement(&want.cluster, &want.subject, scope, session_tags));
    within_size(&name, &trust, want, session_tags, None)?;
    opening(&name, None, &trust, home, plan);
    let arn = Arn::iam(&home.partition, &home.account, "role", &path, &name);
    let mut all = want.tags.clone();
    all.extend(tags::association_tags(&want.cluster, &want.subject));
    plan.steps.push(Step::CreateRole(Box::new(NewRole {
        name: name.clone(),
        path,
        arn: arn.clone(),
        trust,
        tags: all,
        permissions_boundary: wanted.boundary.clone(),
        description: format!("For {} on EKS cluster {}, created by podid", want.subject, want.cluster.name),
    })));
    Ok(Planned { name, arn, holder: RoleOwnership::New })
}

fn path_of(arn: &Arn) -> String {
    let inner = arn.resource.strip_prefix("role").unwrap_or(&arn.resource);
    inner.rfind('/').map_or("/", |end| &inner[..=end]).to_owned()
}

fn existing(want: &Want, have: &Have, role: &Role, scope: Scope, plan: &mut Plan) -> Result<Planned, Refusal> {
    same_account(&role.arn, &want.cluster.arn)?;
    if let RoleRef::Arn(arn) = &want.role.role
        && *arn != role.arn
    {
        return Err(Refusal::new(format!("role `{}` has the ARN {}, not {arn}", role.name, role.arn))
            .hint(format!("use `--role {}`", role.arn)));
    }
    if want.role.create {
        adopt(want, have, role, plan)?;
        differences(want, role, plan);
    }
    trust(want, role, scope, session_tags(want, have), plan)?;
    let alone = podid_made(want, role) && trust::admits_only(&role.trust, &want.cluster, &want.subject);
    let holder = if alone { RoleOwnership::Own } else { RoleOwnership::Shared };
    Ok(Planned { name: role.name.clone(), arn: role.arn.clone(), holder })
}

/// Whether the role is one that podid made for a service account of this cluster.
fn podid_made(want: &Want, role: &Role) -> bool {
    ownership::is_created_for(&role.tags, &want.cluster.arn)
}

/// `--create-role` finds a role: its own from an earlier, perhaps interrupted run, or somebody else's. What others added to
/// its own is accepted only where it was asked for, or the service account acts as that role already.
fn adopt(want: &Want, have: &Have, role: &Role, plan: &mut Plan) -> Result<(), Refusal> {
    if let Some(refusal) = not_own(want, role) {
        // What podid created for somebody else is never taken from them.
        if !want.role.adopt || ownership::is_managed(&role.tags) {
            return Err(refusal);
        }
        plan.steps.push(Step::TagRole {
            role: role.name.clone(),
            tags: tags::association_tags(&want.cluster, &want.subject),
        });
        return Ok(());
    }
    let associated = have.association.known().and_then(Option::as_ref);
    if want.role.adopt || associated.is_some_and(|a| a.role_arn == role.arn.to_string()) {
        return Ok(());
    }
    let inline: Vec<&str> = want.role.policy_files.iter().map(|file| file.name.as_str()).collect();
    let scoped = [&want.subject];
    // One that is not named stays the association's.
    let present = associated.and_then(|association| association.target_role_arn.clone());
    let target = want.target_role.map(ToString::to_string).over(present);
    as_created(
        role,
        (&have.attached, &have.inline),
        &Asked {
            cluster: &want.cluster,
            scoped: want.role.scope.map_or(&[], |_| &scoped),
            boundary: want.role.boundary.as_deref(),
            policy_arns: Some(&want.role.policy_arns),
            inline: Some(&inline),
            requested: of_one(want, role).then_some(Requested {
                tables: &want.role.tables,
                grants: &want.role.grants,
                add_ons: &want.role.add_ons,
                target: target.as_deref(),
            }),
        },
    )
}

/// Whether a role that podid created is for this service account alone, by its tags or by the name that podid gave it. What a
/// role of any other name allows may have been granted for whoever else uses it.
fn of_one(want: &Want, role: &Role) -> bool {
    want.role.derived || role.tags.contains_key(role::tags::SERVICE_ACCOUNT)
}

/// Refuses a role that has podid's tags and is not as podid creates it: anybody can write tags.
pub(super) fn as_created(
    role: &Role,
    (attached, inline): (&Observed<Vec<String>>, &Observed<BTreeMap<String, Document>>),
    asked: &Asked<'_>,
) -> Result<(), Refusal> {
    let name = &role.name;
    let differences = adoption::differences(role, attached, inline, asked).map_err(|why| {
        Refusal::denied(format!("cannot determine what role `{name}` allows: {why}"))
            .hint("allow iam:ListAttachedRolePolicies, iam:ListRolePolicies and iam:GetRolePolicy")
            .hint("to use it without reading it, pass `--adopt`")
    })?;
    if differences.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(format!(
        "role `{name}` has podid's tags, but differs from what podid creates: {}",
        differences.join(", ")
    ))
    .hint("to accept it unchanged, pass `--adopt`")
    .hint(format!("if the change is unexpected, delete the role: `podid role delete {name}`")))
}

/// Why a role is not the one that podid would have created for the service account.
fn not_own(want: &Want, role: &Role) -> Option<Refusal> {
    let own = tags::association_tags(&want.cluster, &want.subject);
    // A role of a file, or of `role create` for the whole cluster, is podid's for no service account alone.
    let anyone = |key: &str| podid_made(want, role) && !role.tags.contains_key(key);
    let differing: Vec<String> = own
        .iter()
        .filter(|(key, value)| role.tags.get(*key) != Some(value) && !anyone(key))
        .map(|(key, value)| match role.tags.get(key) {
            Some(other) => format!("{key} is `{other}`, not `{value}`"),
            None => format!("{key} is missing"),
        })
        .collect();
    if differing.is_empty() {
        return None;
    }
    let refusal = Refusal::new(format!(
        "role `{}` already exists, and podid did not create it for {} (tags: {})",
        role.name,
        want.subject,
        differing.join(", ")
    ))
    .hint(format!("to use it unchanged, pass `--role {}` without `--create-role`", role.name));
    Some(if ownership::is_managed(&role.tags) {
        refusal
    } else {
        refusal.hint("to take it over and add podid's tags, pass `--adopt`")
    })
}

/// What differs on a role that is there already is named, never changed in passing.
fn differences(want: &Want, role: &Role, plan: &mut Plan) {
    let mut warn = |what: &str, have: &str, wanted: &str| {
        plan.warn(format!("role `{}` already exists: its {what} stays {have} (requested: {wanted})", role.name));
    };
    if let Some(path) = want.role.path.as_ref().filter(|path| **path != role.path) {
        warn("path", &role.path, path);
    }
    if let Some(boundary) = want.role.boundary.as_ref().filter(|b| role.permissions_boundary.as_ref() != Some(b)) {
        warn("permissions boundary", role.permissions_boundary.as_deref().unwrap_or("unset"), boundary);
    }
    for (key, value) in &want.tags {
        let have = role.tags.get(key);
        if have != Some(value) {
            warn(&format!("tag {key}"), have.map_or("unset", String::as_str), value);
        }
    }
}

fn trust(want: &Want, role: &Role, scope: Scope, session_tags: bool, plan: &mut Plan) -> Result<(), Refusal> {
    let request = Request { cluster: &want.cluster, subject: &want.subject, session_tags, now: None, pod: None };
    let statement = trust::statement(&want.cluster, &want.subject, scope, session_tags);
    let ours = podid_made(want, role) || want.role.create && want.role.adopt;
    let own = trust::podid_statement(&role.trust, &want.cluster, &want.subject);
    let verdict = trust::evaluate(&role.trust, &request);
    if !ours && want.role.scope.is_some() {
        plan.warn(format!(
            "`--scope` does not apply: podid did not create role `{}`, its trust policy stays",
            role.name
        ));
    }
    // A scope that was asked for is written also where another one admits already.
    let rescope = ours && want.role.scope.is_some() && own.is_some_and(|own| *own != statement);
    let reasons = match verdict {
        Verdict::Admits if !rescope => return Ok(()),
        Verdict::Unknown(reasons) if !rescope => {
            for reason in reasons {
                plan.warn(format!(
                    "cannot determine whether the trust policy of role `{}` allows it: {reason}",
                    role.name
                ));
            }
            return Ok(());
        }
        Verdict::Admits | Verdict::Unknown(_) => Vec::new(),
        Verdict::Refuses(reasons) => reasons,
    };
    if !ours {
        return Err(broken(want, role, &request, scope, &reasons));
    }
    let after = trust::with_statement(&role.trust, &want.cluster, &want.subject, statement)
        .map_err(|taken| super::sid_taken(&role.name, &taken))?;
    if let Verdict::Refuses(still) = trust::evaluate(&after, &request) {
        return Err(broken(want, role, &request, scope, &still));
    }
    within_size(&role.name, &after, want, session_tags, Some(&role.trust))?;
    opening(&role.name, Some(&role.trust), &after, &role.arn, plan);
    if own.is_some() && want.role.scope.is_none() && scope == Scope::Cluster {
        plan.warn(format!(
            "without session tags role `{}` has to trust every service account of cluster {}",
            role.name, want.cluster.name
        ));
    }
    plan.put_trust(role, after);
    Ok(())
}

/// A trust policy that podid may not touch: what is wrong with it, and the whole of what it should be.
fn broken(want: &Want, role: &Role, request: &Request<'_>, scope: Scope, reasons: &[Reason]) -> Refusal {
    let refusal = Refusal::new(format!(
        "the trust policy of role `{}` does not allow {}: {}",
        role.name,
        want.subject,
        trust::in_words(reasons)
    ));
    let after = match trust::correction(&role.trust, request, scope) {
        Ok(after) => after,
        Err(Unfixable::SidTaken(taken)) => {
            return refusal
                .hint(format!("podid cannot propose a corrected one: {taken}"))
                .hint(taken.advice(&role.name));
        }
        Err(_) => {
            return refusal.hint("remove that statement, or use another role: no added statement overrules a Deny");
        }
    };
    if let Some(long) = trust::may_be_too_long(&role.trust, &after) {
        return refusal
            .hint(format!("the corrected trust policy {long}"))
            .hint(format!("shorten the current one: {}", trust::SHORTEN));
    }
    let document = serde_json::to_string_pretty(&after).unwrap_or_default();
    refusal
        .hint(format!(
            "the corrected trust policy (podid itself changes only roles that it created for this cluster):\n{document}"
        ))
        .hint(format!(
            "save it as trust.json and run `aws iam update-assume-role-policy --role-name {} \
             --policy-document file://trust.json`",
            role.name
        ))
}

/// Refuses what IAM would refuse, and names the narrowest wider scope that would fit.
fn within_size(
    name: &str,
    after: &Document,
    want: &Want,
    session_tags: bool,
    before: Option<&Document>,
) -> Result<(), Refusal> {
    let Some(long) = trust::too_long(before, after) else { return Ok(()) };
    let refusal = Refusal::new(format!("the trust policy of role `{name}` {long}"));
    // Every cluster of the account is no advice to give for want of characters.
    let fits = [Scope::Namespace, Scope::Cluster].into_iter().find(|scope| {
        let statement = trust::statement(&want.cluster, &want.subject, *scope, session_tags);
        let wider = match before {
            Some(before) => trust::with_statement(before, &want.cluster, &want.subject, statement).ok(),
            None => Some(trust::document(statement)),
        };
        let fits = wider.is_some_and(|wider| trust::too_long(before, &wider).is_none());
        fits && (session_tags || *scope != Scope::Namespace)
    });
    Err(match fits {
        Some(scope) => refusal.hint(format!("choose `--scope {}`, which is wider and fits", scope.as_str())),
        None => refusal.hint(
            "use a wider scope for a service account already in it (`--scope namespace` or `--scope cluster`), or use another role",
        ),
    })
}

/// A role that is opened to the whole account is opened with a warning, whatever asked for it.
pub(super) fn opening(name: &str, before: Option<&Document>, after: &Document, account: &Arn, plan: &mut Plan) {
    if trust::opens(before, after, account) {
        plan.warn(trust::opens_warning(name, &account.account));
    }
}

/// Nobody may read the role: all that depends on it is said, the rest goes on.
fn unread(want: &Want, have: &Have, why: &str, plan: &mut Plan) -> Planned {
    let name = want.role.role.name().to_owned();
    plan.warn(format!("trust not checked: {why}"));
    let home = &want.cluster.arn;
    let associated = have.association.known().and_then(Option::as_ref).and_then(|a| a.role_arn.parse::<Arn>().ok());
    let arn = match &want.role.role {
        RoleRef::Arn(arn) => arn.clone(),
        // Role names are unique in an account: it is the one that is associated now, whatever its path.
        RoleRef::Name(_) => {
            associated.filter(|arn| arn.name() == name && arn.account == home.account).unwrap_or_else(|| {
                let path = want.role.path.as_deref().unwrap_or(if want.role.derived { PATH } else { "/" });
                plan.warn(format!("assuming path `{path}` for role `{name}`: pass the role's ARN to be sure"));
                Arn::iam(&home.partition, &home.account, "role", path, &name)
            })
        }
    };
    Planned { name, arn, holder: RoleOwnership::Shared }
}
