//! What is left over or too open: associations without a service account, roles without users, trust and permissions that are wider
//! than they need to be. Nothing here is part of `verify`'s chain.

mod catalog;
mod fix;
mod last_use;
mod several;
mod state;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use self::catalog::{
    ADMIN, AGENT_OLD, ALL_ACTIONS, DEFAULT_ACCOUNT, IRSA, NAMESPACE, NO_PODS, OPEN, PRINCIPAL, REFUSED, ROLE_MISSING,
    SERVICE_ACCOUNT, SHARED, TAGS_OFF,
};
pub use self::{
    catalog::{CHECKS, LEFT, UNREAD, UNUSED_ROLE},
    fix::{Contents, FIXABLE, Fixes, Key, fixes, key},
    last_use::{RoleUse, unused},
    several::{Part, several},
    state::State,
};
use super::Finding;
use crate::model::{
    access::{Answer, Holder, Level, reach},
    addon::{AGENT, Versions},
    arn::{account, last},
    document::Document,
    have::Observed,
    irsa::ROLE_ARN,
    names::ServiceAccount,
    role,
    role_users::{LeftStatement, Trusting},
    text::listed,
    trust,
};

/// All that is looked at.
#[derive(Debug, Default)]
pub struct Estate<'a> {
    /// Service accounts with an association, and their roles.
    pub holders: Vec<Holder<'a>>,
    /// Namespaces in Kubernetes.
    pub namespaces: Observed<BTreeSet<String>>,
    /// Service accounts in Kubernetes.
    pub accounts: Observed<BTreeSet<ServiceAccount>>,
    /// Service accounts that pods, workloads or CronJobs run as.
    pub used: Observed<BTreeSet<ServiceAccount>>,
    /// Service accounts of the templates of Argo Rollouts.
    pub by_rollouts: Observed<BTreeSet<ServiceAccount>>,
    /// The roles that annotations of IRSA name.
    pub annotated: Observed<BTreeMap<ServiceAccount, String>>,
    /// Versions of the agent add-on, where the agent is one.
    pub agent: Observed<Option<Versions>>,
    /// Roles of the account that trust Pod Identity.
    pub roles: Observed<Vec<Trusting>>,
}

/// Every finding, the worst first.
pub fn audit(estate: &Estate<'_>) -> Vec<Finding> {
    let mut found = in_cluster(estate);
    found.extend(unread_roles(&estate.roles));
    found.extend(merged(estate.holders.iter().flat_map(permissions)));
    found.extend(shared(estate.holders.iter().map(|holder| (holder, String::new()))));
    found.extend(roles(&estate.roles));
    sort(&mut found);
    found.dedup();
    found
}

/// What is about the cluster and its associations.
fn in_cluster(estate: &Estate<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (what, unread) in [
        ("namespaces", estate.namespaces.unreadable()),
        ("service accounts", estate.accounts.unreadable()),
        ("pods and workloads", estate.used.unreadable()),
        ("versions of the agent add-on", estate.agent.unreadable()),
    ] {
        found.extend(unread.map(|why| UNREAD.skips(what, why)));
    }
    found.extend(agent(&estate.agent));
    for holder in &estate.holders {
        let own = association(estate, holder);
        // Where nothing can use it, it is to be deleted, whatever its role.
        let gone = own.iter().any(|it| [NAMESPACE.id, SERVICE_ACCOUNT.id].contains(&it.check.id));
        found.extend(own);
        found.extend(credentials(holder).filter(|_| !gone));
        found.extend(session_tags(holder));
    }
    // Who is used anyway needs no Rollout.
    if estate.holders.iter().any(|holder| estate.in_use(&subject(holder)).is_none()) {
        found.extend(estate.by_rollouts.unreadable().map(|why| UNREAD.skips("Rollouts", why)));
    }
    found
}

fn unread_roles(roles: &Observed<Vec<Trusting>>) -> Option<Finding> {
    roles.unreadable().map(|why| UNREAD.skips("roles of the account", why))
}

fn roles(roles: &Observed<Vec<Trusting>>) -> impl Iterator<Item = Finding> {
    roles.known().into_iter().flatten().flat_map(trusting)
}

/// The worst first.
pub fn sort(found: &mut [Finding]) {
    found.sort_by(|a, b| (b.status, a.check.id, &a.subject).cmp(&(a.status, b.check.id, &b.subject)));
}

impl Estate<'_> {
    /// Whether anything runs as a service account; `None` where only Rollouts that could not be read might.
    fn in_use(&self, account: &ServiceAccount) -> Option<bool> {
        let has = |read: &Observed<BTreeSet<ServiceAccount>>| read.known().map(|all| all.contains(account));
        match (has(&self.used), has(&self.by_rollouts)) {
            (Some(false), None) if self.by_rollouts.unreadable().is_some() => None,
            (Some(false), Some(true)) => Some(true),
            (used, _) => Some(used.unwrap_or(true)),
        }
    }
}

fn subject(holder: &Holder<'_>) -> ServiceAccount {
    holder.association.summary.subject.clone()
}

/// Whether anything can use an association.
fn association(estate: &Estate<'_>, holder: &Holder<'_>) -> Vec<Finding> {
    let it = subject(holder);
    let summary = &holder.association.summary;
    let told = |finding: Finding| finding.evidence("DescribePodIdentityAssociation", &summary.association_id);
    // Of an add-on, EKS deletes it with the add-on.
    let gone = |finding: Finding| match &summary.owner_arn {
        Some(owner) => {
            told(finding).change(format!("it belongs to the add-on {owner}, which deletes it when it is deleted"))
        }
        None => told(finding).command(format!("podid disassociate {it}")),
    };
    let mut found = Vec::new();
    let namespace = estate.namespaces.known().is_none_or(|all| all.contains(&it.namespace));
    let account = estate.accounts.known().is_none_or(|all| all.contains(&it));
    if !namespace {
        found.push(gone(NAMESPACE.fails(it.to_string(), format!("namespace {} does not exist", it.namespace))));
    } else if !account {
        found.push(gone(SERVICE_ACCOUNT.fails(it.to_string(), "the service account does not exist")));
    } else if estate.in_use(&it) == Some(false) {
        let finding = NO_PODS.warns(it.to_string(), "no pod, workload or CronJob runs as it");
        found.push(match &summary.owner_arn {
            Some(_) => gone(finding),
            // A Job that another system creates is not there between two runs.
            None => told(finding).change(format!("if nothing creates pods as it: `podid disassociate {it}`")),
        });
    }
    if it.name == "default" {
        let said = "every pod of the namespace that names no service account gets its credentials";
        let change = "run the workload as a service account of its own, and associate that one";
        found.push(told(DEFAULT_ACCOUNT.warns(it.to_string(), said)).change(change));
    }
    if let Some(role) = estate.annotated.known().and_then(|all| all.get(&it)) {
        let said = format!("its annotation {ROLE_ARN} names role {}", last(role));
        let finding = IRSA.warns(it.to_string(), said).evidence("the annotations of the service account", role);
        found.push(told(finding).command(format!("podid migrate finish {it}")));
    }
    found
}

/// Whether the agent add-on is as new as EKS would install it.
fn agent(read: &Observed<Option<Versions>>) -> Option<Finding> {
    let versions = read.known()?.as_ref().filter(|versions| versions.is_behind())?;
    let Versions { installed, default } = versions;
    let said = format!("{installed} is older than EKS's default version, {default}");
    let finding = AGENT_OLD.warns(format!("add-on {AGENT}"), said).evidence("DescribeAddon", installed);
    Some(finding.evidence("DescribeAddonVersions", default).command("podid agent upgrade"))
}

/// Whether its pods can get credentials: the roles exist, and trust it.
fn credentials(holder: &Holder<'_>) -> Option<Finding> {
    let (it, association) = (subject(holder), holder.association);
    let target = association.target_role_arn.as_deref().zip(holder.target);
    let roles = [(Some((association.role_arn.as_str(), holder.role)), true), (target, false)];
    let roles = || roles.into_iter().filter_map(|(role, first)| role.map(|(arn, view)| (arn, &view.role, first)));
    for (arn, role, first) in roles() {
        let Some(why) = role::missing(arn, role) else { continue };
        let finding = ROLE_MISSING.fails(it.to_string(), why).evidence("DescribePodIdentityAssociation", arn);
        let others = format!("or delete the association: `podid disassociate {it}`");
        return Some(match (&association.summary.owner_arn, first) {
            (Some(owner), _) => finding.change(format!("create the role, or change it at the add-on {owner}")),
            (None, true) => finding.command(format!("podid associate {it} --create-role")).change(others),
            (None, false) => finding.change("create the target role, or associate another one").change(others),
        });
    }
    let ruling = holder.without_credentials()?;
    let why = ruling.reasons.join("; ");
    if ruling.answer == Answer::Cannot {
        return Some(REFUSED.fails(it.to_string(), why).command(format!("podid verify {it}")));
    }
    // Of the last role, what could not be read is told with its permissions.
    holder.last_role().1.role.known()?;
    Some(match holder.role.role.unreadable() {
        Some(why) => UNREAD.skips(format!("role {}", last(&association.role_arn)), why),
        None => REFUSED.cannot_tell(it.to_string(), why),
    })
}

/// Statements that allow more than most workloads need. What could not be read of a role is said.
fn permissions(holder: &Holder<'_>) -> Vec<Finding> {
    let subject = subject(holder);
    let (arn, _) = holder.last_role();
    let role = format!("role {}", last(arn));
    let reach = reach(holder);
    // Nobody can read a role of another account from here: that is no lack of the caller's.
    let foreign = account(arn) != Some(&holder.cluster.arn.account);
    let unread = |why: &String| if foreign { UNREAD.cannot_tell(&role, why) } else { UNREAD.skips(&role, why) };
    let mut found: Vec<Finding> = reach.unknown.iter().map(unread).collect();
    for row in reach.allowed.iter().filter(|row| row.counts()) {
        let check = match row.level {
            Level::Admin => &ADMIN,
            Level::AllActions => &ALL_ACTIONS,
            _ => continue,
        };
        let what = format!("{} allows {} on {}", row.place, row.actions_in_words(3), row.resources_in_words(3));
        let finding = if row.level == Level::Admin { check.fails(&role, what) } else { check.warns(&role, what) };
        found.push(
            finding
                .evidence("used by", subject.to_string())
                .change(format!("allow only what the workload needs: `podid access {subject}` shows what it has")),
        );
    }
    found
}

/// The same statement of a role that several use is one finding.
fn merged(all: impl IntoIterator<Item = Finding>) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    let mut places: BTreeMap<(&str, String, String), usize> = BTreeMap::new();
    for finding in all {
        let key = (finding.check.id, finding.subject.clone(), finding.message.clone());
        if let Some(at) = places.get(&key) {
            found[*at].evidence.extend(finding.evidence);
        } else {
            places.insert(key, found.len());
            found.push(finding);
        }
    }
    for finding in &mut found {
        finding.evidence.dedup();
    }
    found
}

/// Whether policies ask for session tags that the association does not send.
fn session_tags(holder: &Holder<'_>) -> Option<Finding> {
    let association = holder.association;
    if !association.disable_session_tags {
        return None;
    }
    let (arn, view) = holder.last_role();
    let documents = view.documents.known()?;
    let asks = |document: &Document| {
        let text = document.0.to_string().to_ascii_lowercase();
        trust::SESSION_TAGS.iter().find(|tag| text.contains(&format!("aws:principaltag/{tag}"))).copied()
    };
    let mut asked = documents.identity.iter().chain(&documents.boundary);
    let (policy, tag) = asked.find_map(|(name, document)| Some((name, asks(document)?)))?;
    let id = &association.summary.association_id;
    let cluster = &holder.cluster.name;
    Some(
        TAGS_OFF
            .fails(subject(holder).to_string(), format!("session tags are disabled, and policy {} asks for aws:PrincipalTag/{tag}", last(policy)))
            .evidence("DescribePodIdentityAssociation", "disableSessionTags true")
            .evidence(format!("the policies of role {}", last(arn)), format!("aws:PrincipalTag/{tag}"))
            .command(format!(
                "aws eks update-pod-identity-association --cluster-name {cluster} --association-id {id} --no-disable-session-tags"
            )),
    )
}

/// Roles whose credentials several service accounts get. Each holder comes with the words for its cluster, where there are several;
/// the same service account in another cluster is the same workload.
fn shared<'a>(holders: impl Iterator<Item = (&'a Holder<'a>, String)>) -> Vec<Finding> {
    let mut by_role: BTreeMap<&str, BTreeSet<(ServiceAccount, String)>> = BTreeMap::new();
    for (holder, place) in holders {
        by_role.entry(holder.last_role().0).or_default().insert((subject(holder), place));
    }
    let several = by_role.into_iter().filter_map(|(arn, users)| {
        let distinct: BTreeSet<&ServiceAccount> = users.iter().map(|(subject, _)| subject).collect();
        let users = || users.iter().map(|(subject, place)| format!("{subject}{place}")).collect::<Vec<_>>();
        (distinct.len() > 1).then(|| (arn, users()))
    });
    let finding = |(arn, users): (&str, Vec<String>)| {
        SHARED
            .warns(
                format!("role {}", last(arn)),
                format!("{} service accounts get its credentials: {}", users.len(), listed(&users, 3)),
            )
            .evidence("DescribePodIdentityAssociation", arn)
            .change("if they need different permissions, give each a role of its own with what it needs (`podid access NS/SA` shows what it has)")
    };
    several.map(finding).collect()
}

/// A role that trusts Pod Identity: who may assume it, and whether anybody does.
fn trusting(role: &Trusting) -> Vec<Finding> {
    let (name, subject) = (role.arn.name(), format!("role {}", role.arn.name()));
    let mut found = Vec::new();
    let source = format!("the trust policy of role {name}");
    for line in trust::everyone(&role.trust) {
        found.push(
            PRINCIPAL
                .fails(&subject, line)
                .evidence(&source, "Principal *")
                .change(format!("name the service principal instead: {}", trust::PRINCIPAL)),
        );
    }
    let allowed = trust::allowed(&role.trust);
    let named = |statement: &Value| statement.get("Principal").and_then(|principal| principal.get("Service")).is_some();
    if role.trust.statements().into_iter().any(named) {
        for line in &allowed.open {
            let who = trust::admits(&role.trust).join(", ");
            found.push(
                OPEN.warns(&subject, format!("{line}: it allows {who}"))
                    .evidence(&source, line)
                    .change("add a condition on aws:SourceArn, or on aws:RequestTag/eks-cluster-arn and the namespace and service account, to that statement"),
            );
        }
    }
    found.extend(left(role, &source));
    match &role.unused {
        Some(usage) if usage.is_unused() => {
            let finding = UNUSED_ROLE
                .warns(&subject, "it trusts Pod Identity, and no association uses it")
                .evidence("ListPodIdentityAssociations", "the clusters that its trust policy allows");
            // podid deletes a role of others only where that is forced.
            found.push(if role.arn.resource.starts_with("role/podid/") {
                finding.command(format!("podid role delete {name}"))
            } else {
                finding.change(format!("if nothing else uses it, delete it: `podid role delete {name} --force`"))
            });
        }
        Some(usage) if usage.users.is_empty() => {
            found.push(UNUSED_ROLE.cannot_tell(&subject, format!("possibly in use: {}", listed(&usage.doubts, 2))));
        }
        _ => {}
    }
    found
}

/// podid's statements in the trust policy of a role that is in use, for service accounts without an association.
fn left(role: &Trusting, source: &str) -> Option<Finding> {
    let of = |left: &LeftStatement| {
        let whom = left.subject.as_ref().map_or_else(|| left.sid.clone(), ToString::to_string);
        format!("{whom} in cluster {}", left.cluster.name())
    };
    let named: Vec<String> = role.left.iter().map(of).collect();
    // Of a role without users, the role is left over.
    if role.unused.is_some() || named.is_empty() {
        return None;
    }
    let (allow, have) = if named.len() == 1 { ("statement allows", "has") } else { ("statements allow", "have") };
    let said = format!("podid's {allow} {}, which {have} no association with the role", listed(&named, 3));
    let change = "if it is to get none, remove the statement: `podid audit --fix=audit.statement-unused`";
    let finding = LEFT.warns(format!("role {}", role.arn.name()), said).change(change);
    Some(role.left.iter().fold(finding, |finding, left| finding.evidence(source, format!("statement {}", left.sid))))
}

#[cfg(test)]
mod several_tests;
#[cfg(test)]
mod tests;
