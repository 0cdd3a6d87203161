//! Plans the end of IRSA for service accounts that use Pod Identity: the annotation, and what the trust policy says of them.

use std::collections::BTreeMap;

use super::{Plan, Refusal, Step};
use crate::model::{
    arn::last,
    cluster::Cluster,
    document::Document,
    have::Observed,
    migration::Candidate,
    names::ServiceAccount,
    role::Role,
    trust::{
        self, Verdict,
        irsa::{Kept, WebIdentity, irsa, without},
    },
};

/// A service account that is to do without IRSA.
#[derive(Debug, Clone, Copy)]
pub struct Finished<'a> {
    /// With all that was read of it.
    pub candidate: &'a Candidate,
    /// It has the annotation.
    pub annotated: bool,
}

impl<'a> Finished<'a> {
    fn subject(&self) -> &'a ServiceAccount {
        &self.candidate.snapshot.subject
    }

    fn role(&self) -> Option<&'a Role> {
        self.candidate.role.role.known()?.as_ref()
    }

    /// Whether anything is left to remove: the annotation, or its name in the trust policy.
    pub fn is_due(&self, issuer: &str) -> bool {
        let named = |role: &Role| without(&role.arn, &role.trust, issuer, &[self.subject()]).0 != role.trust;
        self.annotated || self.role().is_some_and(named)
    }
}

/// Plans the end of IRSA for those that can do without it; `issuer`: the cluster's.
///
/// # Errors
/// When a trust policy would come to allow less than it has to.
pub fn finish(cluster: &Cluster, issuer: &str, finished: &[Finished<'_>]) -> Result<Plan, Refusal> {
    let mut plan = Plan::default();
    let mut roles: BTreeMap<&str, Vec<&Finished<'_>>> = BTreeMap::new();
    for one in finished {
        if one.annotated {
            plan.steps.push(Step::RemoveAnnotation {
                subject: one.subject().clone(),
                role: one.candidate.annotation.role.clone(),
            });
        }
        roles.entry(&one.candidate.annotation.role).or_default().push(one);
    }
    for (arn, of) in roles {
        match of.first().map(|one| &one.candidate.role.role) {
            Some(Observed::Known(Some(role))) => trust(cluster, issuer, role, &of, &mut plan)?,
            Some(Observed::Unreadable(why)) => {
                return Err(Refusal::denied(format!("role `{}` could not be read: {why}", last(arn))));
            }
            _ => return Err(Refusal::new(format!("role `{}` was not read", last(arn)))),
        }
    }
    plan.steps.sort_by_key(Step::stage);
    Ok(plan)
}

fn trust(cluster: &Cluster, issuer: &str, role: &Role, of: &[&Finished<'_>], plan: &mut Plan) -> Result<(), Refusal> {
    let subjects: Vec<&ServiceAccount> = of.iter().map(|one| one.subject()).collect();
    let (after, kept) = without(&role.arn, &role.trust, issuer, &subjects);
    for one in of {
        let request = super::request(cluster, one.candidate);
        if trust::evaluate(&after, &request) != Verdict::Admits {
            return Err(Refusal::new(format!(
                "without the statements for IRSA, the trust policy of role `{}` would not allow {}",
                role.name, request.subject
            )));
        }
        still(cluster, issuer, (role, &after), one, &kept, plan);
    }
    if after == role.trust {
        return Ok(());
    }
    if let Some(stack) = role.tags.get("aws:cloudformation:stack-name") {
        plan.warn(format!(
            "the CloudFormation stack {stack} manages role `{}`, and may restore its trust policy: change its template too",
            role.name
        ));
    }
    plan.put_trust(role, after);
    Ok(())
}

/// Says which statements still allow it by IRSA, and why podid leaves them.
fn still(
    cluster: &Cluster,
    issuer: &str,
    (role, after): (&Role, &Document),
    one: &Finished<'_>,
    kept: &[Kept],
    plan: &mut Plan,
) {
    let audience = one.candidate.annotation.audience.as_deref().unwrap_or(trust::irsa::AUDIENCE);
    let identity = WebIdentity { issuer, account: &cluster.arn.account, subject: one.subject(), audience };
    if matches!(irsa(&role.arn, after, &identity).verdict, Verdict::Refuses(_)) {
        return;
    }
    for Kept { statement, why } in kept {
        plan.warn(format!(
            "the trust policy of role `{}` may still allow {} through IRSA: {statement} stays, because {why}",
            role.name,
            one.subject()
        ));
    }
}
