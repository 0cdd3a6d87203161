//! Plans what the role may do: managed policies, policy files, DynamoDB presets. Only what is missing or differs is written.

use std::collections::BTreeMap;

use super::{Plan, Refusal, Step, role::Planned};
use crate::model::{
    document::Document,
    have::{Have, Seen},
    policy::{self, MAX_ATTACHED, MAX_INLINE},
    trust::target,
    want::Want,
};

pub(super) fn plan(want: &Want, have: &Have, role: &Planned, plan: &mut Plan) -> Result<(), Refusal> {
    managed(want, have, role, plan);
    inline(want, have, role, plan)
}

fn managed(want: &Want, have: &Have, role: &Planned, plan: &mut Plan) {
    let mut attached: Vec<&String> = have.attached.read().into_iter().flatten().filter(|_| !role.is_new()).collect();
    if let (Seen::Unreadable(why), false, false) = (&have.attached, role.is_new(), want.role.policy_arns.is_empty()) {
        // Attaching twice is no error, so that not knowing does no harm.
        plan.warn(format!("attached policies not checked: {why}"));
    }
    for policy_arn in &want.role.policy_arns {
        if !attached.contains(&policy_arn) {
            attached.push(policy_arn);
            plan.steps.push(Step::AttachPolicy {
                role: role.name.clone(),
                policy_arn: policy_arn.clone(),
                holder: role.holder,
            });
        }
    }
    if attached.len() > MAX_ATTACHED && plan.steps.iter().any(|s| matches!(s, Step::AttachPolicy { .. })) {
        plan.warn(format!(
            "role `{}` would have {} managed policies; the quota is {MAX_ATTACHED} unless it was raised",
            role.name,
            attached.len()
        ));
    }
}

fn inline(want: &Want, have: &Have, role: &Planned, plan: &mut Plan) -> Result<(), Refusal> {
    let wanted = &want.role;
    let target = want.target_role.set().map(ToString::to_string);
    if wanted.tables.is_empty() && wanted.policy_files.is_empty() && target.is_none() {
        return Ok(());
    }
    let none = BTreeMap::new();
    let before = match &have.inline {
        _ if role.is_new() => &none,
        Seen::Read(before) => before,
        Seen::NotAsked | Seen::Unreadable(_) => {
            let why = if let Seen::Unreadable(why) = &have.inline { why } else { "they were not read" };
            return Err(Refusal::denied(format!("cannot read the inline policies of role `{}`: {why}", role.name))
                .hint(
                    "writing them unread could lose what they grant: allow iam:ListRolePolicies and iam:GetRolePolicy",
                ));
        }
    };
    let mut after: Vec<(&str, Document)> = Vec::new();
    if !wanted.tables.is_empty() {
        after.push((policy::DYNAMODB, policy::merged(before.get(policy::DYNAMODB), &wanted.tables)));
    }
    for file in &wanted.policy_files {
        if after.iter().any(|(name, _)| *name == file.name) {
            return Err(Refusal::new(format!("two policies would have the name `{}`", file.name))
                .hint("the name comes from the file's: rename one"));
        }
        for warning in policy::warnings(&file.name, &file.document) {
            plan.warn(warning);
        }
        after.push((&file.name, file.document.clone()));
    }
    if let Some(target) = &target
        && !before.values().chain(after.iter().map(|(_, document)| document)).any(|d| target::grants(d, target))
    {
        after.push((target::POLICY, target::granting(before.get(target::POLICY), target)));
    }
    let size = after.iter().map(|(_, document)| document.size()).sum::<usize>()
        + before.iter().filter(|(name, _)| !after.iter().any(|(a, _)| a == name)).map(|(_, d)| d.size()).sum::<usize>();
    if size > MAX_INLINE {
        return Err(Refusal::new(format!(
            "the inline policies of role `{}` would have {size} characters, IAM takes {MAX_INLINE}",
            role.name
        ))
        .hint("make a managed policy of some of it and give its ARN with `--policy-arn`"));
    }
    for (name, document) in after {
        let before = before.get(name);
        if before.is_some_and(|before| policy::same_meaning(before, &document)) {
            continue;
        }
        plan.steps.push(Step::PutPolicy {
            role: role.name.clone(),
            name: name.to_owned(),
            before: before.cloned(),
            after: document,
            holder: role.holder,
        });
    }
    Ok(())
}
