//! Two podids at the same time: what one of them could not do it says, and nothing of either is silently lost.

use podid_sandbox::faults::{Action, Fault};

use super::ready;
use crate::{
    file::CARTS,
    support::{Env, Run, finish},
};

/// Starts both before either has written, and waits for their ends.
fn both(env: &Env, lines: [&str; 2]) -> [Run; 2] {
    lines.map(|line| env.begin(line)).map(finish)
}

/// The role of the association of carts.
fn role(env: &Env) -> String {
    env.world.with(|state| state.aws.association("carts", "carts").unwrap().role_arn.clone())
}

/// Both do the same; whoever is second finds it done, and one of each thing is there.
#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn one_file_is_applied_twice() {
    let env = ready(&[]);
    env.world.faults().add(Fault { times: 2, ..Fault::once("iam", "CreateRole", Action::meet(2)) });
    let file = env.file("podid.yaml", CARTS);
    let apply = format!("apply -f {file} --yes --no-wait");
    for run in both(&env, [&apply, &apply]) {
        // One that stopped midway says what is left, and the next finishes.
        assert!(run.code == 0 || matches!(run.code, 1 | 6) && run.stderr.contains("hint: "), "{run}");
    }
    let _ = env.podid(&apply).ok();
    let _ = env.podid(&format!("diff -f {file}")).ok();
    let (associations, roles) = env.world.with(|state| {
        let made = state.aws.roles.keys().filter(|name| *name == "carts-role").count();
        (state.aws.associations.len(), made)
    });
    assert_eq!((associations, roles), (1, 1));
}

/// Each wants another role: one of them gets it, and the other is told whose it is.
#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn two_roles_for_one_service_account() {
    let env = ready(&[]);
    env.world.faults().add(Fault { times: 2, ..Fault::once("eks", "CreatePodIdentityAssociation", Action::meet(2)) });
    let line = |role: &str| format!("associate carts/carts --create-role --role {role} --no-wait");
    let runs = both(&env, [&line("first"), &line("second")]);
    assert_eq!(env.world.with(|state| state.aws.associations.len()), 1);
    let role = role(&env);
    for (run, own) in runs.into_iter().zip(["first", "second"]) {
        if role.ends_with(own) {
            assert_eq!(run.code, 0, "{run}");
        } else {
            assert_eq!(run.code, 6, "{run}");
            assert!(run.stderr.contains(&role) && run.stderr.contains("concurrently"), "{run}");
        }
    }
}

/// Each adds a service account to one role. IAM replaces a trust policy as a whole and knows no condition on what it replaces:
/// podid reads it right before it writes and right after, and says so when it is not what it wrote.
#[test]
#[ignore = "a proof that takes minutes: `.ci/run proofs`, or `cargo test --test it -- --ignored kill`"]
fn two_service_accounts_for_one_role() {
    let env = ready(&[]);
    let file = env.file("podid.yaml", &CARTS.replace("carts-role", "shared"));
    let _ = env.podid(&format!("apply -f {file} --yes --no-wait")).ok();
    let lines =
        ["carts/a", "carts/b"].map(|who| format!("associate {who} --create-role --role shared --no-wait --yes"));
    env.world.faults().add(Fault { times: 2, ..Fault::once("iam", "UpdateAssumeRolePolicy", Action::meet(2)) });
    let runs = both(&env, [&lines[0], &lines[1]]);
    let trust = env.world.with(|state| state.aws.roles["shared"].trust.clone());
    assert!(trust.contains("\"carts\""), "{trust}");
    for (run, who) in runs.iter().zip(["\"a\"", "\"b\""]) {
        assert!(run.code != 0 || trust.contains(who), "{who} is lost in {trust}, and nobody was told\n{run}");
    }
    // Run again, both are in it.
    for line in lines {
        let _ = env.podid(&line).ok();
    }
    let trust = env.world.with(|state| state.aws.roles["shared"].trust.clone());
    assert!(["\"carts\"", "\"a\"", "\"b\""].iter().all(|who| trust.contains(who)), "{trust}");
}
