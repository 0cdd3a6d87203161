//! An audit of several clusters: what is in a cluster names it, and what is about a role, which all clusters share, is found once.

use super::{Estate, in_cluster, merged, permissions, roles, shared, sort, unread_roles};
use crate::{
    checks::{Finding, InCluster},
    model::{
        arn::{Arn, last},
        have::Observed,
        role_users::Trusting,
    },
};

/// One of several clusters.
#[derive(Debug)]
pub struct Part<'a> {
    /// How it is told from the others.
    pub label: String,
    /// The cluster.
    pub arn: Arn,
    /// The value of `--cluster` that leads to it.
    pub flag: String,
    /// What is there; the roles of the account are no part of it.
    pub estate: Estate<'a>,
}

/// Every finding, the worst first. `unused`: what IAM's reports say of the roles.
pub fn several(parts: &[Part<'_>], account: &Observed<Vec<Trusting>>, unused: Vec<Finding>) -> Vec<Finding> {
    let mut found: Vec<Finding> = parts.iter().flat_map(Part::findings).collect();
    found.extend(unread_roles(account));
    let each = parts.iter().flat_map(|part| part.estate.holders.iter().map(move |holder| (part, holder)));
    found.extend(merged(
        each.clone().flat_map(|(part, holder)| permissions(holder).into_iter().map(|finding| part.used_here(finding))),
    ));
    found.extend(shared(each.map(|(part, holder)| (holder, format!(" in cluster {}", part.label)))));
    found.extend(roles(account));
    found.extend(unused.into_iter().map(|finding| match parts.iter().find(|part| part.uses(&finding.subject)) {
        Some(part) => part.fixed_here(finding),
        None => finding,
    }));
    sort(&mut found);
    found.dedup();
    found
}

impl Part<'_> {
    /// What is about the cluster itself. What could not be read of a role is the role's.
    fn findings(&self) -> Vec<Finding> {
        let own = |finding: Finding| {
            if finding.subject.starts_with("role ") {
                return finding;
            }
            let cluster = InCluster { label: self.label.clone(), arn: self.arn.clone() };
            Finding { cluster: Some(cluster), ..self.fixed_here(finding) }
        };
        in_cluster(&self.estate).into_iter().map(own).collect()
    }

    /// podid's commands name the cluster.
    fn fixed_here(&self, mut finding: Finding) -> Finding {
        finding.remedies.iter_mut().for_each(|remedy| remedy.of_cluster(&self.flag));
        finding
    }

    /// The service accounts that a role's finding rests on name their cluster.
    fn used_here(&self, finding: Finding) -> Finding {
        let mut finding = self.fixed_here(finding);
        for evidence in &mut finding.evidence {
            evidence.text = format!("{} in cluster {}", evidence.text, self.label);
        }
        finding
    }

    fn uses(&self, subject: &str) -> bool {
        let Some(name) = subject.strip_prefix("role ") else { return false };
        self.estate.holders.iter().map(|holder| holder.association).any(|association| {
            last(&association.role_arn) == name || association.target_role_arn.as_deref().map(last) == Some(name)
        })
    }
}
