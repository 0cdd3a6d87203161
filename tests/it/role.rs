//! `podid role`.

mod create;
mod delete;
mod killed;
mod list;
mod show;
mod trust;

use serde_json::{Value, json};

use crate::support::Env;

pub(crate) const ROLE: &str = "eks-workshop-carts-dynamo";

/// A trust policy for Pod Identity, with this condition.
pub(crate) fn trusting(condition: &Value) -> Value {
    let mut statement = json!({
        "Effect": "Allow",
        "Principal": { "Service": "pods.eks.amazonaws.com" },
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    });
    if !condition.is_null() {
        statement["Condition"] = condition.clone();
    }
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}

/// Changes a role's trust policy behind podid's back.
pub(crate) fn set_trust(env: &Env, role: &str, document: &Value) {
    env.world.with(|state| state.aws.roles.get_mut(role).unwrap().set_trust(document));
}

/// A role's trust policy.
pub(crate) fn trust_of(env: &Env, role: &str) -> Value {
    env.world.with(|state| serde_json::from_str(&state.aws.roles[role].trust).unwrap())
}
