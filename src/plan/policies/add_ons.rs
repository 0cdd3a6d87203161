//! What add-ons need on a role: what podid's own policy for each of them is to become.

use std::collections::BTreeMap;

use super::{Plan, Policies};
use crate::model::{
    add_on_policy::{self, AddOnGrant, AddOnPolicy, AddOnRemoval},
    document::Document,
    want::Wanted,
};

pub(super) fn add_ons(ask: &Policies<'_>, after: &mut BTreeMap<String, Document>, plan: &mut Plan) {
    match ask.add_ons {
        Wanted::Keep => {}
        Wanted::AtLeast(grants) => put(grants, ask.exact, after),
        Wanted::Exactly(grants) => {
            after.retain(|name, _| {
                let of = |grant: &AddOnGrant| grant.policy.inline() == *name;
                !add_on_policy::is_inline(name) || grants.iter().any(of)
            });
            put(grants, true, after);
        }
        Wanted::Without(gone) => {
            for removal in gone {
                remove(ask.role, removal, after, plan);
            }
        }
    }
}

/// All that is wanted for an add-on goes into its policy at once.
fn put(grants: &[AddOnGrant], exact: bool, after: &mut BTreeMap<String, Document>) {
    let mut done: Vec<&AddOnPolicy> = Vec::new();
    for policy in grants.iter().map(|grant| grant.policy) {
        if done.contains(&policy) {
            continue;
        }
        done.push(policy);
        let name = policy.inline();
        let own: Vec<&AddOnGrant> = grants.iter().filter(|grant| grant.policy == policy).collect();
        let before = after.get(&name);
        let document = if exact { add_on_policy::reduced(before, &own) } else { add_on_policy::merged(before, &own) };
        after.insert(name, document);
    }
}

fn remove(role: &str, gone: &AddOnRemoval, after: &mut BTreeMap<String, Document>, plan: &mut Plan) {
    let name = gone.policy.inline();
    let Some(before) = after.get(&name) else {
        plan.warn(format!("role `{role}` has no inline policy `{name}`"));
        return;
    };
    let left = add_on_policy::without(before, gone);
    if left.as_ref() == Some(before) {
        let of = gone.argument.as_ref().map_or(String::new(), |argument| format!(" for {argument}"));
        plan.warn(format!("podid put no statement{of} into inline policy `{name}` of role `{role}`"));
        return;
    }
    match left {
        Some(document) => after.insert(name, document),
        None => after.remove(&name),
    };
}
