//! The way from workloads to AWS resources as far as it was read: workload → service account → association → role → target role →
//! resource. What was not read is a part of it too, with the reason.

mod dot;
mod graph;
mod mermaid;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use self::graph::{Edge, Graph, Kind, MOST_NODES, Node};
use super::{
    access::{Answer, Holder, Level, Reached, Ruling, in_words, reach, resource_like},
    arn::{Arn, RoleRef, last},
    association::add_on,
    have::Observed,
    names::ServiceAccount,
    role,
    text::{overlap, wildcard},
};

/// Everything that runs as each service account: `deployment/carts`, `cronjob/report`, `pod/shell`.
pub type Runners = BTreeMap<ServiceAccount, BTreeSet<String>>;

/// Without the Jobs of CronJobs that are there too: `cronjob/report` stands for `job/report-29312`.
pub fn without_runs(names: &mut BTreeSet<String>) {
    let jobs: BTreeSet<String> =
        names.iter().filter_map(|name| Some(name.strip_prefix("cronjob/")?.to_owned())).collect();
    names.retain(|name| {
        let run = name.strip_prefix("job/").and_then(|name| name.rsplit_once('-'));
        run.is_none_or(|(job, at)| !(jobs.contains(job) && at.bytes().all(|b| b.is_ascii_digit())))
    });
}

/// What a map is limited to.
#[derive(Debug, Default)]
pub struct Selection {
    /// Service accounts that get the credentials of this role, directly or as their target role.
    pub role: Option<RoleRef>,
    /// Those whose policies allow something on this resource.
    pub resource: Option<Arn>,
}

/// A role on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedRole {
    /// ARN.
    pub arn: String,
    /// Why there is none.
    pub missing: Option<String>,
    /// Why it was not read.
    pub unread: Option<String>,
}

/// What a statement allows on a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// How much harm can be done with it.
    pub level: Level,
    /// Its actions; all but those where `all_but_actions` says so.
    pub actions: Vec<String>,
    /// The actions are those that it leaves out.
    pub all_but_actions: bool,
    /// What it depends on, and what limits it.
    pub limited_by: Vec<String>,
    /// Where it stands: `AmazonDynamoDBFullAccess/1`.
    pub statement: String,
}

impl MappedRole {
    /// What is wrong with it, in words.
    pub fn state(&self) -> Option<String> {
        let unread = self.unread.as_ref().map(|why| format!("not read: {why}"));
        self.missing.as_ref().map(|_| "does not exist".to_owned()).or(unread)
    }
}

impl Grant {
    /// Its actions in words, so many of them at most.
    pub fn words(&self, most: usize) -> String {
        in_words(&self.actions, self.all_but_actions, most)
    }
}

/// A resource, and what is allowed on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The service of it or, where that is `*`, of the actions.
    pub service: String,
    /// ARN or pattern, with the variables that are known filled in.
    pub name: String,
    /// It stands for all resources but this one.
    pub all_but: bool,
    /// By statement, the most sensitive first.
    pub grants: Vec<Grant>,
}

/// Between the names of a resource that is all except these; in no ARN.
const EXCEPTIONS: &str = ", ";

impl Resource {
    /// The most sensitive level.
    pub fn level(&self) -> Level {
        self.grants.iter().map(|grant| grant.level).min().unwrap_or(Level::Read)
    }

    /// As it is shown: without the parts of its ARN that every resource of this cluster has.
    pub fn short(&self, home: &Arn) -> String {
        if self.all_but {
            return format!("all except {}", self.name);
        }
        let name = match self.name.parse::<Arn>() {
            Ok(arn) if arn.is_of(home) => arn.resource,
            _ => self.name.clone(),
        };
        if name == "*" { "every resource".to_owned() } else { name }
    }

    fn may_be(&self, wanted: &Arn) -> bool {
        let text = wanted.to_string();
        let service = wildcard(&self.service, &wanted.service) || self.service == wanted.service;
        let meets = resource_like(&self.name, &text) || resource_like(&text, &self.name) || overlap(&self.name, &text);
        let excepted = || self.name.split(EXCEPTIONS).any(|name| wildcard(name, &text));
        service && (if self.all_but { !excepted() } else { meets })
    }
}

/// One association with the way before and behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The service account.
    pub subject: ServiceAccount,
    /// Whether it is there; `None` where that was not read.
    pub exists: Option<bool>,
    /// What runs as it.
    pub workloads: Observed<Vec<String>>,
    /// The association.
    pub association: String,
    /// What is special about the association, in words.
    pub traits: Vec<String>,
    /// Its role.
    pub role: MappedRole,
    /// Its target role.
    pub target: Option<MappedRole>,
    /// Why its pods get no credentials, or why that is unknown.
    pub without_credentials: Option<Ruling>,
    /// What its policies allow, by resource.
    pub resources: Vec<Resource>,
    /// What they deny, one line each.
    pub denied: Vec<String>,
    /// What is not known about its permissions, one line each.
    pub unread: Vec<String>,
}

impl Chain {
    /// The way of a service account. `runners` and `accounts` are what Kubernetes has.
    pub fn of(
        holder: &Holder<'_>,
        accounts: &Observed<BTreeSet<ServiceAccount>>,
        runners: &Observed<Runners>,
        rollouts: &Observed<Runners>,
    ) -> Self {
        let association = holder.association;
        let subject = association.summary.subject.clone();
        let found = reach(holder);
        let mut resources = BTreeMap::new();
        for row in found.allowed.iter().filter(|row| row.counts()) {
            put(&mut resources, row);
        }
        let mut resources: Vec<Resource> = resources.into_values().collect();
        for resource in &mut resources {
            resource.grants.sort_by_key(|grant| grant.level);
        }
        resources.sort_by(|a, b| (a.level(), &a.service, &a.name).cmp(&(b.level(), &b.service, &b.name)));
        let mut traits = Vec::new();
        traits.extend(association.policy.as_ref().map(|_| "session policy".to_owned()));
        traits.extend(association.disable_session_tags.then(|| "no session tags".to_owned()));
        traits.extend(
            association.summary.owner_arn.as_ref().map(|owner| format!("of add-on {}", add_on(owner).unwrap_or(owner))),
        );
        let role = |arn: &str, read: &Observed<Option<role::Role>>| MappedRole {
            arn: arn.to_owned(),
            missing: role::missing(arn, read),
            unread: read.unreadable().map(str::to_owned),
        };
        Self {
            exists: accounts.known().map(|all| all.contains(&subject)),
            workloads: workloads(&subject, runners, rollouts),
            association: association.summary.association_id.clone(),
            traits,
            role: role(&association.role_arn, &holder.role.role),
            target: association.target_role_arn.as_deref().zip(holder.target).map(|(arn, view)| role(arn, &view.role)),
            without_credentials: holder.without_credentials(),
            resources,
            denied: found.denied.iter().map(denial).collect(),
            unread: found.unknown,
            subject,
        }
    }

    /// The role whose credentials its pods get.
    pub fn last_role(&self) -> &MappedRole {
        self.target.as_ref().unwrap_or(&self.role)
    }

    /// What is said of its credentials where they are not sure.
    pub fn credentials(&self) -> Option<String> {
        let ruling = self.without_credentials.as_ref()?;
        let what = if ruling.answer == Answer::Cannot { "no credentials" } else { "credentials unknown" };
        Some(format!("{what}: {}", ruling.reasons.join("; ")))
    }

    /// Whether the selection has it; of its resources only those remain that the selection names. A chain of which not everything
    /// was read stays: it may reach the resource.
    pub fn select(&mut self, wanted: &Selection) -> bool {
        let is = |role: &MappedRole, wanted: &RoleRef| match wanted {
            RoleRef::Name(name) => last(&role.arn) == name,
            RoleRef::Arn(arn) => role.arn == arn.to_string(),
        };
        let by_role = wanted
            .role
            .as_ref()
            .is_none_or(|role| [Some(&self.role), self.target.as_ref()].into_iter().flatten().any(|own| is(own, role)));
        if let Some(arn) = &wanted.resource {
            self.resources.retain(|resource| resource.may_be(arn));
            return by_role && (!self.resources.is_empty() || !self.unread.is_empty());
        }
        by_role
    }
}

/// What runs as a service account. Where Rollouts could not be read, nothing is not known to be nothing.
fn workloads(it: &ServiceAccount, runners: &Observed<Runners>, rollouts: &Observed<Runners>) -> Observed<Vec<String>> {
    let of = |all: &Runners| all.get(it).cloned().unwrap_or_default();
    match (runners.map(of), rollouts.map(of)) {
        (Observed::Known(own), Observed::Unreadable(why)) if own.is_empty() => Observed::Unreadable(why),
        (Observed::Known(mut own), rollouts) => {
            own.extend(rollouts.known().into_iter().flatten().cloned());
            Observed::Known(own.into_iter().collect())
        }
        (unknown, _) => unknown.map(|_| Vec::new()),
    }
}

fn denial(row: &Reached) -> String {
    let limits = row.limits();
    let when = if limits.is_empty() { String::new() } else { format!(", if {}", limits.join(" and ")) };
    format!("{} on {}{when}", row.actions_in_words(3), row.resources_in_words(3))
}

/// The service of an action: `dynamodb:Query`, `*`.
fn service_of(action: &str) -> &str {
    action.split_once(':').map_or("*", |(service, _)| service)
}

/// Adds a statement to each resource that it names. One that names `*` allows its actions on every resource of their services.
fn put(found: &mut BTreeMap<(String, String, bool), Resource>, row: &Reached) {
    // What a statement excepts, it excepts together, and it says nothing of the service of the rest.
    let told = if row.all_but_resources { vec![row.resources.join(EXCEPTIONS)] } else { row.resources.clone() };
    for name in &told {
        let named = (!row.all_but_resources).then(|| name.parse::<Arn>().ok().map(|arn| arn.service)).flatten();
        let services: BTreeSet<String> = match named {
            Some(service) => BTreeSet::from([service]),
            None if row.all_but_actions => BTreeSet::from(["*".to_owned()]),
            None => row.actions.iter().map(|action| service_of(action).to_ascii_lowercase()).collect(),
        };
        let several = services.len() > 1;
        for service in services {
            let of = |action: &&String| !several || service_of(action).eq_ignore_ascii_case(&service);
            let grant = Grant {
                level: row.level,
                actions: row.actions.iter().filter(of).cloned().collect(),
                all_but_actions: row.all_but_actions,
                limited_by: row.limits(),
                statement: row.place.short(),
            };
            let key = (service.clone(), name.clone(), row.all_but_resources);
            let empty = || Resource { service, name: name.clone(), all_but: row.all_but_resources, grants: Vec::new() };
            found.entry(key).or_insert_with(empty).grants.push(grant);
        }
    }
}
