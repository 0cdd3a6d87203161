//! Plans the end of a role: what hangs on it first, itself last. Whether it may go is decided by who plans it.

use super::{Refusal, Step};
use crate::model::role::Doomed;

/// Deletes a role: managed policies are detached and inline ones deleted before it, as IAM demands (IAM API reference,
/// DeleteRole).
///
/// # Errors
/// When an instance profile holds it: machines may run as this role.
pub fn delete_role(doomed: &Doomed) -> Result<Vec<Step>, Refusal> {
    let role = &doomed.role.name;
    if let Some(first) = doomed.instance_profiles.first() {
        let s = if doomed.instance_profiles.len() == 1 { "" } else { "s" };
        return Err(Refusal::new(format!(
            "role `{role}` is in instance profile{s} {}: EC2 instances may run as it",
            doomed.instance_profiles.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        ))
        .hint(format!(
            "if none does: `aws iam remove-role-from-instance-profile --instance-profile-name {first} --role-name {role}`"
        )));
    }
    let detach = doomed
        .attached
        .iter()
        .map(|policy_arn| Step::DetachPolicy { role: role.clone(), policy_arn: policy_arn.clone() });
    let delete =
        doomed.inline.iter().map(|name| Step::DeletePolicy { role: role.clone(), name: name.clone(), before: None });
    let last = Step::DeleteRole { role: role.clone(), trust: doomed.role.trust.clone() };
    Ok(detach.chain(delete).chain([last]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{fixtures::role, trust};

    fn doomed() -> Doomed {
        Doomed {
            role: role("app", trust::document(serde_json::json!({}))),
            attached: vec!["arn:aws:iam::aws:policy/A".to_owned(), "arn:aws:iam::111122223333:policy/b/B".to_owned()],
            inline: vec!["podid-dynamodb".to_owned()],
            instance_profiles: Vec::new(),
        }
    }

    #[test]
    fn the_role_goes_last() {
        let steps = delete_role(&doomed()).unwrap();
        let ids: Vec<String> = steps.iter().map(Step::id).collect();
        assert_eq!(ids[3], "delete-role", "{ids:?}");
        assert_eq!(ids.len(), 4, "{ids:?}");
        assert!(steps[..3].iter().all(|step| step.stage() < steps[3].stage()));
        assert!(steps.iter().all(|step| step.kind() == super::super::Kind::Delete));
    }

    #[test]
    fn a_role_of_machines_stays() {
        let with = Doomed { instance_profiles: vec!["nodes".to_owned()], ..doomed() };
        let refusal = delete_role(&with).unwrap_err();
        assert_eq!(refusal.message, "role `app` is in instance profile `nodes`: EC2 instances may run as it");
    }
}
