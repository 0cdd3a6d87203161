//! Plans the end of a role: whether it may go, what hangs on it first, itself last.

use super::{LastLook, Refusal, Step};
use crate::model::{
    arn::Arn,
    role::RoleContents,
    role_users::{Usage, User},
    text::first_of,
};

/// Most users or doubts that a message names.
const NAMED: usize = 4;

/// Whether a role may go: nobody may use it. Where a doubt is left it takes `force`, and the doubt becomes a warning.
///
/// # Errors
/// When an association uses it, or may use it and nothing is forced. `end` is how its associations are ended.
pub fn unused(
    role: &str,
    usage: &Usage,
    force: bool,
    end: impl FnOnce(&User) -> String,
) -> Result<Option<String>, Refusal> {
    if let Some(first) = usage.users.first() {
        let users: Vec<String> = usage.users.iter().map(User::placed).collect();
        return Err(
            Refusal::new(format!("role `{role}` is still used by {}", first_of(&users, NAMED))).hint(end(first))
        );
    }
    if usage.doubts.is_empty() {
        return Ok(None);
    }
    let message = format!("role `{role}` is possibly in use: {}", first_of(&usage.doubts, NAMED));
    if force {
        return Ok(Some(message));
    }
    let refusal = if usage.denied { Refusal::denied(message) } else { Refusal::new(message) };
    Err(refusal.hint("to delete it anyway, pass `--force`"))
}

/// Deletes a role: managed policies are detached and inline ones deleted before it, as IAM demands (IAM API reference,
/// DeleteRole).
///
/// # Errors
/// When an instance profile holds it: machines may run as this role.
pub fn delete_role(doomed: &RoleContents, cluster: &Arn, force: bool) -> Result<Vec<Step>, Refusal> {
    let role = &doomed.role.name;
    if let Some(first) = doomed.instance_profiles.first() {
        let s = if doomed.instance_profiles.len() == 1 { "" } else { "s" };
        return Err(Refusal::new(format!(
            "role `{role}` is in instance profile{s} {}: EC2 instances may run as it",
            doomed.instance_profiles.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        ))
        .hint(format!(
            "if none does, remove it: `aws iam remove-role-from-instance-profile --instance-profile-name {first} --role-name {role}`"
        )));
    }
    let detach = doomed
        .attached
        .iter()
        .map(|policy_arn| Step::DetachPolicy { role: role.clone(), policy_arn: policy_arn.clone() });
    let delete =
        doomed.inline.iter().map(|name| Step::DeletePolicy { role: role.clone(), name: name.clone(), before: None });
    let look = LastLook { arn: doomed.role.arn.clone(), cluster: cluster.clone(), force };
    let last = Step::DeleteRole { role: role.clone(), trust: doomed.role.trust.clone(), last: Box::new(look) };
    Ok(detach.chain(delete).chain([last]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        fixtures::{cluster, role},
        trust,
    };

    fn doomed() -> RoleContents {
        RoleContents {
            role: role("app", trust::document(serde_json::json!({}))),
            attached: vec!["arn:aws:iam::aws:policy/A".to_owned(), "arn:aws:iam::111122223333:policy/b/B".to_owned()],
            inline: vec!["podid-dynamodb".to_owned()],
            instance_profiles: Vec::new(),
        }
    }

    #[test]
    fn the_role_goes_last() {
        let steps = delete_role(&doomed(), &cluster().arn, false).unwrap();
        let ids: Vec<String> = steps.iter().map(Step::id).collect();
        assert_eq!(ids[3], "delete-role", "{ids:?}");
        assert_eq!(ids.len(), 4, "{ids:?}");
        assert!(steps[..3].iter().all(|step| step.stage() < steps[3].stage()));
        assert!(steps.iter().all(|step| step.kind() == super::super::Kind::Delete));
    }

    #[test]
    fn a_role_of_machines_stays() {
        let with = RoleContents { instance_profiles: vec!["nodes".to_owned()], ..doomed() };
        let refusal = delete_role(&with, &cluster().arn, true).unwrap_err();
        assert_eq!(refusal.message, "role `app` is in instance profile `nodes`: EC2 instances may run as it");
    }

    #[test]
    fn users_keep_a_role_and_doubts_take_force() {
        let end = |user: &User| format!("end {}", user.shown(false));
        assert_eq!(unused("app", &Usage::default(), false, end), Ok(None));
        let doubtful = Usage { doubts: vec!["a".to_owned(), "b".to_owned()], ..Usage::default() };
        let refusal = unused("app", &doubtful, false, end).unwrap_err();
        assert_eq!(refusal.message, "role `app` is possibly in use: a; b");
        assert!(refusal.hints[0].contains("`--force`") && !refusal.denied);
        assert_eq!(unused("app", &doubtful, true, end), Ok(Some(refusal.message)));
        assert!(unused("app", &Usage { denied: true, ..doubtful.clone() }, false, end).unwrap_err().denied);
        let user = User {
            cluster_name: "blue".to_owned(),
            region: None,
            namespace: "carts".to_owned(),
            service_account: "carts".to_owned(),
            association_id: "a-1".to_owned(),
            as_target: false,
        };
        let in_use = Usage { users: vec![user], ..doubtful };
        for force in [false, true] {
            let refusal = unused("app", &in_use, force, end).unwrap_err();
            assert_eq!(refusal.message, "role `app` is still used by carts/carts in cluster blue");
            assert_eq!(refusal.hints, ["end carts/carts"]);
        }
    }
}
