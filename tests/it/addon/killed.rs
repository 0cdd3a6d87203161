//! Killed after each request, a second run finishes: no role is left over, and no association of the add-on is lost.

use super::{MADE, associations, made_for_aws_node, owned, world};
use crate::kill::{end, kill_after_each};

#[test]
fn associate_after_each_request() {
    let line = "addon associate vpc-cni --create-role --yes";
    let env = world(&[]);
    let _ = env.podid(line).ok();
    let undisturbed = end(&env);
    let requests = kill_after_each(
        || world(&[]),
        line,
        |n, env, again| {
            assert_eq!(end(env), undisturbed, "killed after request {n}\n{again}");
            assert_eq!(associations(env), [format!("kube-system/aws-node {MADE} vpc-cni")], "{n}: {again}");
            assert!(
                env.world.with(|state| state.aws.addons.values().all(|addon| addon.status == "ACTIVE")),
                "{n}: {again}"
            );
        },
    );
    assert!(requests > 20, "{requests}");
}

#[test]
fn disassociate_after_each_request() {
    let line = "addon disassociate vpc-cni --delete-role --yes";
    let make = || world(&[made_for_aws_node("aws-node"), owned(&format!("podid/{MADE}"))]);
    let env = make();
    let _ = env.podid(line).ok();
    let undisturbed = end(&env);
    assert!(undisturbed_without_role(&env));
    let requests = kill_after_each(make, line, |n, env, again| {
        assert_eq!(end(env), undisturbed, "killed after request {n}\n{again}");
    });
    assert!(requests > 15, "{requests}");
}

fn undisturbed_without_role(env: &crate::support::Env) -> bool {
    associations(env).is_empty() && env.world.with(|state| !state.aws.roles.contains_key(MADE))
}
