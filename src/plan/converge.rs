//! Plans a file: the agent, its roles, its associations, and with `prune` what carries its name and is in it no more.
//! `associate` is this with one entry and flags for keys; the rules of trust, policies and associations are the same code.

mod agent;
mod association;
mod carried;
mod policies;
mod prune;
mod role;

use std::collections::{BTreeMap, BTreeSet};

pub use self::carried::simulate;
use super::{Plan, Refusal, Step, role::Planned};
use crate::model::{
    arn::Arn,
    cluster::Cluster,
    document::Document,
    manifest::{Association, ClusterState, Entries, Entry, Role},
    names::ServiceAccount,
    role::tags as keys,
    tags,
    want::{Allowed, Field},
};

/// One service account of a file: patterns are expanded.
pub type Expanded<'a> = (ServiceAccount, &'a Entry<Association>);

/// What a file wants, and what is there.
#[derive(Debug, Clone, Copy)]
pub struct Converge<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// What the file wants.
    pub entries: &'a Entries,
    /// Its associations, each service account once.
    pub associations: &'a [Expanded<'a>],
    /// What is there.
    pub have: &'a ClusterState,
    /// Version of the agent to install where there is none.
    pub agent_version: Option<&'a str>,
    /// Go on where pods would be without an agent.
    pub allow_missing_agent: bool,
    /// What may be missing.
    pub allow: Allowed,
    /// Restart workloads whose pods are stale then.
    pub recycle: bool,
    /// Accept roles of podid's that others changed before an association used them.
    pub adopt: bool,
    /// The entries are those of this cluster: roles that they name by their ARN get podid's statement beside those that they have,
    /// whoever created them, and go on serving it.
    pub copied_from: Option<&'a Cluster>,
}

impl<'a> Converge<'a> {
    /// The role of the file that an association names, by name or by ARN.
    fn defined(&self, named: &str) -> Option<&'a Entry<Role>> {
        let Ok(arn) = named.parse::<Arn>() else { return self.entries.role(named) };
        let home = &self.cluster.arn;
        self.entries.role(arn.name()).filter(|_| arn.account == home.account && arn.partition == home.partition)
    }

    /// Whether session tags will be sent for an association once the plan is carried out.
    fn session_tags(&self, (subject, entry): &Expanded<'_>) -> bool {
        let now = self.have.associations.get(subject).is_some_and(|a| a.disable_session_tags);
        !entry.value.disable_session_tags.over(Some(now)).unwrap_or_default()
    }

    /// The associations that act as a role of the file, by the role's name.
    fn users(&self) -> BTreeMap<&'a str, Vec<&'a Expanded<'a>>> {
        let mut users: BTreeMap<&str, Vec<&Expanded<'_>>> = BTreeMap::new();
        for expanded in self.associations {
            if let Some(role) = self.defined(&expanded.1.value.role) {
                users.entry(&role.value.name).or_default().push(expanded);
            }
        }
        users
    }

    /// Associations that the file does not name and that stay, with whether session tags are sent, by the role's name.
    fn other_users(&self) -> BTreeMap<&'a str, Vec<(&'a ServiceAccount, bool)>> {
        let named: BTreeSet<&ServiceAccount> = self.associations.iter().map(|(subject, _)| subject).collect();
        let leaving = &self.have.leftover.associations;
        let mut other_users: BTreeMap<&str, Vec<(&ServiceAccount, bool)>> = BTreeMap::new();
        for (subject, association) in &self.have.associations {
            if named.contains(subject) || leaving.contains(subject) {
                continue;
            }
            if let Some(role) = self.defined(&association.role_arn) {
                let tags = !association.disable_session_tags;
                other_users.entry(&role.value.name).or_default().push((subject, tags));
            }
        }
        other_users
    }
}

/// Work on a plan.
struct Work<'a> {
    ask: &'a Converge<'a>,
    plan: Plan,
    refusals: Vec<Refusal>,
    /// Who acts as a role of the file, by its name.
    users: BTreeMap<&'a str, Vec<&'a Expanded<'a>>>,
    /// Who else does.
    other_users: BTreeMap<&'a str, Vec<(&'a ServiceAccount, bool)>>,
    /// Roles of the file, by name.
    planned: BTreeMap<&'a str, Planned>,
    /// Trust policies of podid's roles outside the file that several associations change together: before and after.
    outside: BTreeMap<String, (Document, Document)>,
}

/// Plans a file.
///
/// # Errors
/// All that is refused before any write.
pub fn converge(ask: &Converge<'_>) -> Result<Plan, Vec<Refusal>> {
    let mut work = Work {
        ask,
        plan: Plan::default(),
        refusals: Vec::new(),
        users: ask.users(),
        other_users: ask.other_users(),
        planned: BTreeMap::new(),
        outside: BTreeMap::new(),
    };
    for unread in &ask.have.unread {
        work.plan.warn(unread);
    }
    let installing = work.agent();
    for role in &ask.entries.roles {
        match work.role(role) {
            Ok(planned) => {
                work.planned.insert(&role.value.name, planned);
            }
            Err(refusal) => work.refuse(role, refusal),
        }
    }
    for expanded in ask.associations {
        match work.association(expanded, installing) {
            Ok(()) => {}
            Err(refusal) if ask.copied_from.is_some() => {
                let message = format!("{}: {}", expanded.0, refusal.message);
                work.refusals.push(Refusal { message, ..refusal });
            }
            Err(refusal) => work.refuse(expanded.1, refusal),
        }
    }
    work.prune();
    let Work { mut plan, refusals, outside, .. } = work;
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let changed = outside.into_iter().filter(|(_, (before, after))| before != after);
    plan.steps.extend(changed.map(|(role, (before, after))| Step::PutTrust { role, before, after }));
    plan.finish();
    Ok(plan)
}

impl Work<'_> {
    fn refuse<T>(&mut self, entry: &Entry<T>, refusal: Refusal) {
        let message = format!("{}: {}: {}", entry.at, entry.path, refusal.message);
        self.refusals.push(Refusal { message, ..refusal });
    }
}

/// The tags by which podid knows what it made from a document.
fn own_tags(cluster: &Cluster, name: Option<&String>) -> BTreeMap<String, String> {
    let nobody = ServiceAccount { namespace: String::new(), name: String::new() };
    let mut own = tags::association_tags(cluster, &nobody);
    own.retain(|_, value| !value.is_empty());
    own.extend(name.map(|name| (keys::MANIFEST.to_owned(), name.clone())));
    own
}

/// Tags to set and keys to take away, so that `have` becomes what is wanted. podid's and AWS's own stay out of it.
fn tag_changes(
    wanted: &Field<crate::model::manifest::Tags>,
    have: &BTreeMap<String, String>,
) -> (BTreeMap<String, String>, Vec<String>) {
    match wanted {
        Field::Unmanaged => Default::default(),
        Field::Cleared => (BTreeMap::new(), have.keys().filter(|key| tags::is_custom(key)).cloned().collect()),
        Field::Set(wanted) => {
            let set = wanted.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
            let gone = wanted.iter().filter(|(key, value)| value.is_none() && have.contains_key(*key));
            (
                set.filter(|(key, value)| have.get(key) != Some(value)).collect(),
                gone.map(|(key, _)| key.clone()).collect(),
            )
        }
    }
}

/// What a document's name has to do with something that podid made: the tag to set, or a warning that it is another's.
fn named(
    name: Option<&String>,
    have: &BTreeMap<String, String>,
    what: &str,
    plan: &mut Plan,
) -> Option<(String, String)> {
    let name = name?;
    match have.get(keys::MANIFEST) {
        Some(other) if other == name => None,
        Some(other) => {
            plan.warn(format!(
                "{what} also belongs to the manifest named `{other}`: `--prune` of `{name}` never deletes it"
            ));
            None
        }
        None => Some((keys::MANIFEST.to_owned(), name.clone())),
    }
}

#[cfg(test)]
mod tests;
