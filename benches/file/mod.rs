//! A file of many associations and its plan: what the benches of `apply`, `diff` and the pure parts share.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use ::podid::{
    manifest,
    model::{
        cluster::Cluster,
        have::Observed,
        manifest::{ClusterState, Entries, RoleState},
    },
    plan::{self, Converge, Expanded, Plan},
};

/// Service accounts of one role.
pub(crate) const PER_ROLE: usize = 10;

/// A file of so many associations.
pub(crate) fn text(count: usize) -> String {
    let mut text = "apiVersion: podid.dev/v1\nkind: PodIdentity\nmetadata: {name: scale}\nroles:\n".to_owned();
    for n in 0..count.div_ceil(PER_ROLE) {
        let _ = writeln!(
            text,
            "- name: role-{n}\n  scope: namespace\n  policies:\n    dynamodb: [{{table: table-{n}, access: read-write}}]"
        );
    }
    text += "associations:\n";
    for n in 0..count {
        let role = n / PER_ROLE;
        let _ = writeln!(text, "- serviceAccount: team-{role}/app-{n}\n  role: role-{role}");
    }
    text
}

/// What it says.
pub(crate) fn read(text: &str) -> Entries {
    manifest::read(&[PathBuf::from("-")], &mut text.as_bytes()).unwrap().entries
}

/// What a plan for it is made of.
pub(crate) struct Wanted<'e> {
    cluster: Cluster,
    entries: &'e Entries,
    associations: Vec<Expanded<'e>>,
}

impl<'e> Wanted<'e> {
    pub(crate) fn new(entries: &'e Entries) -> Self {
        let cluster = Cluster::named("arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop".parse().unwrap());
        let associations = entries.associations.iter();
        let associations = associations.map(|entry| (entry.value.service_account.parse().unwrap(), entry)).collect();
        Self { cluster, entries, associations }
    }

    pub(crate) fn plan(&self, have: &ClusterState) -> Plan {
        let ask = Converge {
            adopt: false,
            copied_from: None,
            cluster: &self.cluster,
            entries: self.entries,
            associations: &self.associations,
            have,
            agent_version: None,
            allow_missing_agent: true,
            allow: podid::model::want::Allowed::default(),
            recycle: false,
        };
        plan::converge(&ask).unwrap()
    }

    /// What is there before anything was applied.
    pub(crate) fn nothing(&self) -> ClusterState {
        let none = || RoleState {
            role: Observed::Known(None),
            attached: Observed::Known(Vec::new()),
            inline: Observed::Known(BTreeMap::new()),
        };
        let roles = self.entries.roles.iter().map(|role| (role.value.name.clone(), none()));
        ClusterState { roles: roles.collect(), ..ClusterState::default() }
    }

    /// What is there when it was.
    pub(crate) fn applied(&self) -> ClusterState {
        plan::simulate(self.nothing(), &self.plan(&self.nothing()).steps)
    }
}
