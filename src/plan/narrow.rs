//! Plans the end of podid's own statements that let every cluster assume a role: each is replaced by the narrowest that its
//! service account can use. Whether others lived on the open ones is for the caller to find out.

use super::{Plan, Refusal, sid_taken};
use crate::model::{
    association::Association,
    cluster::Cluster,
    ownership,
    role::Role,
    role_users::{Usage, User},
    text::first_of,
    trust,
    want::Scope,
};

/// Most users or doubts that a message names.
const NAMED: usize = 4;

/// Plans a role's trust policy without podid's statements of these Sids.
///
/// # Errors
/// When they are all that it has: IAM accepts no trust policy without statements.
pub fn without_own(role: &Role, sids: &[&str]) -> Result<Plan, Refusal> {
    let after = trust::without_own(&role.trust, sids);
    if after.statements().is_empty() {
        return Err(Refusal::new("its trust policy has no other statement"));
    }
    let mut plan = Plan::default();
    plan.put_trust(role, after);
    plan.leave_out_deleted();
    Ok(plan)
}

/// Plans a narrower trust policy for a role. `users` are the associations of the cluster that use it, `usage` is who else does.
///
/// # Errors
/// When podid did not create the role, no open statement is podid's, or others use the role or may do so.
pub fn narrow(cluster: &Cluster, role: &Role, users: &[&Association], usage: &Usage) -> Result<Plan, Refusal> {
    let name = &role.name;
    if let Some(why) = ownership::not_created_for(&role.tags, &cluster.arn) {
        return Err(Refusal::new(format!("podid did not create role `{name}` for cluster {} ({why})", cluster.name)));
    }
    let mut after = role.trust.clone();
    for association in users {
        let (subject, tags) = (&association.summary.subject, !association.disable_session_tags);
        if trust::own_scope(&after, cluster, subject, tags) == Some(Scope::None) {
            let narrow = trust::statement(cluster, subject, trust::default_scope(tags), tags);
            after = trust::with_statement(&after, cluster, subject, narrow).map_err(|taken| sid_taken(name, &taken))?;
        }
    }
    if after == role.trust {
        return Err(Refusal::new(
            "no association of this cluster has an open statement of podid's in its trust policy",
        ));
    }
    let here = |user: &&User| user.region.is_none() && user.cluster_name == cluster.name;
    let elsewhere = usage.users.iter().filter(|user| !here(user) && !user.as_target);
    let others: Vec<String> =
        elsewhere.map(|user| format!("{} uses it", user.placed())).chain(usage.doubts.clone()).collect();
    if !others.is_empty() {
        return Err(Refusal::new(format!("others may need the open statement: {}", first_of(&others, NAMED))));
    }
    if let Some(long) = trust::too_long(Some(&role.trust), &after) {
        return Err(Refusal::new(format!("the narrower trust policy {long}")));
    }
    let mut plan = Plan::default();
    plan.put_trust(role, after);
    plan.leave_out_deleted();
    Ok(plan)
}
