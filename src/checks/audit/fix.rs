//! `audit --fix`: the findings that podid can close itself, one plan for them, and whether the audit of what that plan leaves
//! agrees. Only what podid created is deleted or changed; what is left to doubt stays, with the reason.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    State,
    catalog::{LEFT, NAMESPACE, OPEN, SERVICE_ACCOUNT, UNREAD, UNUSED_ROLE},
};
use crate::{
    checks::{Check, Finding, Status},
    model::{
        arn::last,
        association::Association,
        have::Observed,
        names::ServiceAccount,
        ownership,
        role::{RoleContents, tags as keys},
        role_users::{Trusting, Usage},
        trust,
    },
    plan::{self, Disassociate, IdleRoles, Plan, Refusal, RoleUse, Target},
};

/// The checks whose findings podid can close.
pub static FIXABLE: [&Check; 5] = [&NAMESPACE, &SERVICE_ACCOUNT, &UNUSED_ROLE, &LEFT, &OPEN];

/// A finding, by its check and what it is about.
pub type Key = (&'static str, String);

/// What hangs on the roles that may have to go, by name; why it is not known, where it could not be read.
pub type Contents = BTreeMap<String, Observed<Option<RoleContents>>>;

/// What podid can do about findings.
#[derive(Debug, Clone)]
pub struct Fixes {
    /// The writes.
    pub plan: Plan,
    /// Findings that they close, in order.
    pub closed: Vec<Key>,
    /// Why others stay.
    pub kept: BTreeMap<Key, String>,
    /// What the audit finds once the plan is carried out.
    pub left: Vec<Finding>,
}

/// Of which finding.
pub fn key(finding: &Finding) -> Key {
    (finding.check.id, finding.subject.clone())
}

/// Plans the end of the findings that are wanted. A fix that does not close its finding, or brings about another problem, is left
/// out, with the reason.
pub fn fixes(state: &State, contents: &Contents, wanted: &dyn Fn(&Finding) -> bool) -> Fixes {
    let before: BTreeSet<Key> = state.audit().iter().map(key).collect();
    let mut refused = BTreeMap::new();
    loop {
        let tried = attempt(state, contents, wanted, &refused);
        let unsound = unsound(&tried, &before, |one| attempt(state, contents, &|it| key(it) == *one, &BTreeMap::new()));
        if unsound.is_empty() {
            return tried.explained(wanted);
        }
        refused.extend(unsound);
    }
}

/// Plans in rounds: the end of an association may leave a role without users.
fn attempt(
    state: &State,
    contents: &Contents,
    wanted: &dyn Fn(&Finding) -> bool,
    refused: &BTreeMap<Key, String>,
) -> Fixes {
    let (mut plan, mut closed, mut kept) = (Plan::default(), Vec::new(), refused.clone());
    let mut now = state.clone();
    loop {
        let left = now.audit();
        let mut due: Vec<&Finding> = Vec::new();
        for finding in left.iter().filter(|it| can(it) && wanted(it)) {
            let new = |it: &&Finding| key(it) != key(finding);
            if !kept.contains_key(&key(finding)) && !closed.contains(&key(finding)) && due.iter().all(new) {
                due.push(finding);
            }
        }
        let more = round(&now, contents, &due, &mut closed, &mut kept);
        if more.is_empty() {
            return Fixes { plan, closed, kept, left };
        }
        now = now.after(&more.steps);
        plan.continue_with(more);
    }
}

/// Of a check that has a fix, and no guess.
fn can(finding: &Finding) -> bool {
    FIXABLE.contains(&finding.check) && matches!(finding.status, Status::Failed | Status::Warning)
}

fn round(
    now: &State,
    contents: &Contents,
    due: &[&Finding],
    closed: &mut Vec<Key>,
    kept: &mut BTreeMap<Key, String>,
) -> Plan {
    let mut plan = Plan::default();
    let (mut targets, mut of) = (Vec::new(), Vec::new());
    for finding in due {
        let planned = if finding.check == &UNUSED_ROLE {
            unused(now, contents, finding)
        } else if finding.check == &OPEN {
            narrowed(now, finding)
        } else if finding.check == &LEFT {
            without_left(now, finding)
        } else {
            match left_over(now, finding) {
                Ok(association) => {
                    targets.push(association.clone());
                    of.push(key(finding));
                }
                Err(why) => drop(kept.insert(key(finding), why)),
            }
            continue;
        };
        match planned {
            Ok(one) => {
                plan.continue_with(one);
                closed.push(key(finding));
            }
            Err(why) => drop(kept.insert(key(finding), why)),
        }
    }
    match disassociated(now, targets) {
        Ok(one) => {
            plan.continue_with(one);
            closed.extend(of);
        }
        Err(refusal) => kept.extend(of.into_iter().map(|key| (key, refusal.message.clone()))),
    }
    plan
}

/// What a manifest keeps is changed there: the next apply would bring it back.
fn of_manifest(tags: &BTreeMap<String, String>) -> Option<String> {
    let name = tags.get(keys::MANIFEST)?;
    Some(format!("it belongs to the manifest named `{name}`: change it there and apply that"))
}

/// The association of a service account that is gone, where it is podid's to delete.
fn left_over<'a>(now: &'a State, finding: &Finding) -> Result<&'a Association, String> {
    let mut all = now.associations.iter();
    let Some(found) = all.find(|it| it.summary.subject.to_string() == finding.subject) else {
        return Err("its association was not read".to_owned());
    };
    if let Some(owner) = &found.summary.owner_arn {
        return Err(format!("the association belongs to the add-on {owner}"));
    }
    if let Some(why) = ownership::not_created_for(&found.tags, &now.cluster.arn) {
        return Err(format!("podid did not create the association ({why})"));
    }
    of_manifest(&found.tags).map_or(Ok(found), Err)
}

fn disassociated(now: &State, associations: Vec<Association>) -> Result<Plan, Refusal> {
    let arns: BTreeSet<String> = associations.iter().map(|it| it.role_arn.clone()).collect();
    let of = |arn: String| {
        let name = last(&arn).to_owned();
        let role = now.roles.get(&arn).map(|view| view.role.clone()).unwrap_or_default();
        (arn, RoleUse { name, role, doomed: None, usage: Usage::default() })
    };
    let targets = associations.into_iter().map(|association| Target {
        subject: association.summary.subject.clone(),
        association: Some(association),
        pods: Observed::NotRequested,
        workloads: Observed::NotRequested,
    });
    plan::disassociate(&Disassociate {
        cluster: &now.cluster,
        targets: &targets.collect::<Vec<_>>(),
        roles: &arns.into_iter().map(of).collect(),
        addon: None,
        // The audit finds such a role, and its end is another fix.
        idle_roles: IdleRoles::Kept,
        force: false,
        recycle: false,
    })
}

/// The role that a finding is about.
fn role_of(now: &State, finding: &Finding) -> Option<Trusting> {
    now.account.known()?.named(finding.subject.strip_prefix("role ")?)
}

/// The end of a role without users.
fn unused(now: &State, contents: &Contents, finding: &Finding) -> Result<Plan, String> {
    let Some(role) = role_of(now, finding) else { return Err("the role was not read".to_owned()) };
    let found = match contents.get(role.arn.name()) {
        Some(Observed::Known(Some(found))) if found.role.arn == role.arn => found,
        Some(Observed::Unreadable(why)) => return Err(why.clone()),
        _ => return Err("the role was not read".to_owned()),
    };
    let name = &found.role.name;
    if let Some(why) = ownership::not_created_for(&found.role.tags, &now.cluster.arn) {
        return Err(format!("podid did not create the role for cluster {} ({why})", now.cluster.name));
    }
    if let Some(why) = of_manifest(&found.role.tags) {
        return Err(why);
    }
    if let Some(account) = awaited(now, &role) {
        return Err(format!("its trust policy allows {account}, which may be about to get its association"));
    }
    let Some(usage) = &role.unused else { return Err("it is in use".to_owned()) };
    let said = |refusal: Refusal| refusal.message;
    plan::unused(name, usage, false, |_| String::new()).map_err(said)?;
    let steps = plan::delete_role(found, &now.cluster.arn, false).map_err(said)?;
    Ok(Plan { steps, ..Plan::default() })
}

/// A service account of the cluster that a role without users was made for, as far as is known: a role is created before the
/// association is.
fn awaited(now: &State, role: &Trusting) -> Option<ServiceAccount> {
    let named = trust::allowed(&role.trust).subjects.into_iter().filter(|(cluster, _)| *cluster == now.cluster.arn);
    let mut there = named.filter(|(_, account)| now.accounts.known().is_none_or(|all| all.contains(account)));
    there.next().map(|(_, account)| account)
}

/// A trust policy without podid's statements for service accounts of this cluster that are gone.
fn without_left(now: &State, finding: &Finding) -> Result<Plan, String> {
    let Some(trusting) = role_of(now, finding) else { return Err("the role was not read".to_owned()) };
    let role = now.roles.get(&trusting.arn.to_string()).and_then(|view| view.role.known()?.as_ref());
    let Some(role) = role else {
        return Err(
            "no association of this cluster uses the role: podid changes it from a cluster that does".to_owned()
        );
    };
    if let Some(why) = of_manifest(&role.tags) {
        return Err(why);
    }
    let mut sids = Vec::new();
    for left in &trusting.left {
        if left.cluster != now.cluster.arn {
            return Err(format!("statement {} is for cluster {}", left.sid, left.cluster.name()));
        }
        let Some(account) = &left.subject else {
            return Err(format!("statement {} names no service account", left.sid));
        };
        let Some(accounts) = now.accounts.known() else {
            return Err(format!("whether {account} exists could not be read"));
        };
        if accounts.contains(account) {
            return Err(format!("{account} exists, and may be about to get its association"));
        }
        sids.push(left.sid.as_str());
    }
    plan::without_own(role, &sids).map_err(|refusal| refusal.message)
}

/// podid's own open statements in a role that podid created.
fn narrowed(now: &State, finding: &Finding) -> Result<Plan, String> {
    let read = || {
        let arn = role_of(now, finding)?.arn.to_string();
        let users: Vec<&Association> = now.associations.iter().filter(|it| it.role_arn == arn).collect();
        let role = now.roles.get(&arn)?.role.known()?.as_ref()?;
        Some((role, users, now.account.known()?.reads.usage(&role.arn, &role.trust, |_| false)))
    };
    let Some((role, users, usage)) = read() else {
        return Err("no association of this cluster uses the role: podid has no statement of its own in it".to_owned());
    };
    match of_manifest(&role.tags) {
        Some(why) => Err(why),
        None => plan::narrow(&now.cluster, role, &users, &usage).map_err(|refusal| refusal.message),
    }
}

/// The fixes of a plan that do not do what they are for, and why. `alone` plans the fix of one finding.
fn unsound(tried: &Fixes, before: &BTreeSet<Key>, alone: impl Fn(&Key) -> Fixes) -> BTreeMap<Key, String> {
    let there: BTreeSet<Key> = tried.left.iter().map(key).collect();
    let open = tried.closed.iter().filter(|key| there.contains(*key));
    let open: BTreeMap<Key, String> =
        open.map(|key| (key.clone(), "it would still be found after podid's fix".to_owned())).collect();
    let worse = worse(&tried.left, before);
    if !open.is_empty() || worse.is_empty() {
        return open;
    }
    let said =
        |found: &Finding| format!("its fix would lead to {}: {} ({})", found.subject, found.message, found.check.id);
    let each = tried.closed.iter().filter_map(|key| {
        let left = alone(key).left;
        Some((key.clone(), said(self::worse(&left, before).first()?)))
    });
    let found: BTreeMap<Key, String> = each.collect();
    if found.is_empty() { tried.closed.iter().map(|key| (key.clone(), said(worse[0]))).collect() } else { found }
}

/// Problems that were not there before. A role that nobody seems to use is none.
fn worse<'a>(left: &'a [Finding], before: &BTreeSet<Key>) -> Vec<&'a Finding> {
    let new = left.iter().filter(|it| it.status != Status::Warning && it.check != &UNUSED_ROLE);
    new.filter(|it| !before.contains(&key(it))).collect()
}

impl Fixes {
    /// With a reason for each finding that stays.
    fn explained(mut self, wanted: &dyn Fn(&Finding) -> bool) -> Self {
        for finding in &self.left {
            let why = match finding.check {
                check if !wanted(finding) || check == &UNREAD => continue,
                check if !FIXABLE.contains(&check) => "podid has no fix for this check".to_owned(),
                _ => finding.message.clone(),
            };
            self.kept.entry(key(finding)).or_insert(why);
        }
        let there: BTreeSet<Key> = self.left.iter().map(key).collect();
        self.kept.retain(|key, _| there.contains(key));
        self
    }
}

#[cfg(test)]
mod tests;
