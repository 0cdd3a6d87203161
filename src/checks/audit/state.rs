//! All that an audit read, to be kept: the audit runs on it, and on what a plan's steps would leave of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Estate, audit};
use crate::{
    checks::Finding,
    model::{
        access, addon::Versions, association::Association, cluster::Cluster, have::Observed, names::ServiceAccount,
        role_users::AccountRoles, snapshot::RoleView,
    },
    plan::Step,
};

/// What was read.
#[derive(Debug, Clone)]
pub struct State {
    /// The cluster.
    pub cluster: Cluster,
    /// Its associations.
    pub associations: Vec<Association>,
    /// Their roles and target roles, by ARN.
    pub roles: BTreeMap<String, RoleView>,
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
    /// Roles of the account that trust Pod Identity, and their users.
    pub account: Observed<AccountRoles>,
    /// When.
    pub now: Timestamp,
}

impl State {
    /// Every finding, the worst first.
    pub fn audit(&self) -> Vec<Finding> {
        audit(&Estate {
            holders: access::holders(&self.cluster, &self.associations, &self.roles, self.now).collect(),
            namespaces: self.namespaces.clone(),
            accounts: self.accounts.clone(),
            used: self.used.clone(),
            by_rollouts: self.by_rollouts.clone(),
            annotated: self.annotated.clone(),
            agent: self.agent.clone(),
            roles: self.account.map(AccountRoles::trusting),
        })
    }

    /// What is there once the steps are carried out.
    #[must_use]
    pub fn after(&self, steps: &[Step]) -> Self {
        let mut after = self.clone();
        for step in steps {
            after.carry(step);
        }
        after
    }

    fn carry(&mut self, step: &Step) {
        let account = if let Observed::Known(account) = &mut self.account { Some(account) } else { None };
        if let Step::DeleteAssociation { association_id, .. } = step {
            self.associations.retain(|it| it.summary.association_id != *association_id);
            if let Some(account) = account {
                account.reads.forget(association_id);
            }
            return;
        }
        let Some(name) = step.role() else { return };
        for view in self.roles.values_mut() {
            let Observed::Known(Some(role)) = &mut view.role else { continue };
            if role.name != name {
                continue;
            }
            if matches!(step, Step::DeleteRole { .. }) {
                view.role = Observed::Known(None);
            } else {
                step.carry_into(role);
            }
        }
        let Some(account) = account else { return };
        match step {
            Step::DeleteRole { .. } => account.roles.retain(|(arn, _)| arn.name() != name),
            Step::PutTrust { after, .. } => {
                for (_, trust) in account.roles.iter_mut().filter(|(arn, _)| arn.name() == name) {
                    *trust = after.clone();
                }
            }
            _ => {}
        }
    }
}
