//! A role with podid's generated name and tags is podid's only as far as it is what podid creates: whatever else it has
//! would go to the pods, so it is refused with what differs, before any write, until `--adopt` accepts it.

use serde_json::{Value, json};

use crate::{
    calls::tally,
    file::CARTS,
    kill::ready,
    role::{set_trust, trust_of},
    support::{Env, Run, denying},
};

const NAME: &str = "eks-workshop-carts-carts-8233eca5";
const BOUNDARY: &str = "arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess";
const ADMIN: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
const TARGET: &str = "arn:aws:iam::222233334444:role/target";
const LINE: &str = "associate carts/carts --create-role --dynamodb eks-workshop-carts --no-wait --yes";

/// A change of a role.
type Change = Box<dyn Fn(&Env, &str)>;

fn role(env: &Env, name: &str, change: impl FnOnce(&mut podid_sandbox::aws::Role)) {
    env.world.with(|state| change(state.aws.roles.get_mut(name).unwrap()));
}

fn trusts(statement: &Value) -> Change {
    let statement = statement.clone();
    Box::new(move |env, name| {
        let mut document = trust_of(env, name);
        document["Statement"].as_array_mut().unwrap().push(statement.clone());
        set_trust(env, name, &document);
    })
}

fn inline(policy: &'static str, document: &Value) -> Change {
    let text = document.to_string();
    Box::new(move |env, name| role(env, name, |role| drop(role.inline.insert(policy.to_owned(), text.clone()))))
}

fn attached(arn: &'static str) -> Change {
    Box::new(move |env, name| role(env, name, |role| role.attached.push(arn.to_owned())))
}

/// As a role of a file is: podid's for no service account alone.
fn for_anyone(env: &Env, name: &str) {
    role(env, name, |role| {
        role.tags.retain(|key, _| !key.ends_with("/namespace") && !key.ends_with("/service-account"));
    });
}

fn nothing() -> Change {
    Box::new(|_, _| {})
}

/// What others may have put on a role, and how it is named.
fn foreign() -> Vec<(Change, &'static str)> {
    let any = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    let lets = |principal: Value| json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"});
    let pods = |sid: &str, condition: Value| {
        json!({"Sid": sid, "Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"], "Condition": condition})
    };
    let cluster = |name: &str| {
        let arn = format!("arn:aws:eks:us-west-2:111122223333:cluster/{name}");
        json!({"StringEquals": {"aws:RequestTag/eks-cluster-arn": arn}})
    };
    vec![
        (
            trusts(&lets(json!({"Service": "lambda.amazonaws.com"}))),
            "its trust policy allows Service lambda.amazonaws.com",
        ),
        (trusts(&lets(json!({"AWS": "arn:aws:iam::999988887777:root"}))), "allows AWS arn:aws:iam::999988887777:root"),
        (
            trusts(&pods("Podid0123456789abcdef", cluster("far"))),
            "its trust policy allows cluster arn:aws:eks:us-west-2:111122223333:cluster/far too",
        ),
        (trusts(&pods("Open", json!({}))), "in its trust policy statement Open names no cluster"),
        (trusts(&pods("Podid0123456789abcdef", json!({}))), "statement Podid0123456789abcdef names no cluster"),
        (trusts(&pods("Mine", cluster("eks-workshop"))), "podid did not create statement Mine of its trust policy"),
        (attached(ADMIN), "arn:aws:iam::aws:policy/AdministratorAccess is attached to it"),
        (inline("backdoor", &any), "it has the inline policy backdoor"),
        (inline("podid-dynamodb", &any), "its inline policy podid-dynamodb has statements that podid did not create"),
        (inline("podid-target", &any), "its inline policy podid-target has statements that podid did not create"),
        (
            inline("podid-add-on-velero", &any),
            "its inline policy podid-add-on-velero has statements that podid did not create",
        ),
    ]
}

/// What podid leaves when it is interrupted, or wrote for another service account: none of it is foreign.
fn own() -> Vec<(&'static str, Change)> {
    vec![
        ("whole", nothing()),
        ("no policies yet", Box::new(|env, name| role(env, name, |role| role.inline.clear()))),
        (
            "another service account",
            trusts(&json!({
            "Sid": "Podid0123456789abcdef", "Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {"StringEquals": {
                "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop",
                "aws:RequestTag/kubernetes-namespace": "orders",
            }}})),
        ),
        (
            "a table of before",
            Box::new(|env, name| {
                let _ = env.podid(&format!("policy attach {name} --dynamodb eks-workshop-carts=write --yes")).ok();
            }),
        ),
    ]
}

/// A world with a role as podid creates it, which nobody uses.
fn unused(line: &str) -> Env {
    unused_where(line, &[])
}

fn unused_where(line: &str, set: &[(&str, Value)]) -> Env {
    let env = ready(set);
    let _ = env.podid(line).ok();
    env.world.with(|state| state.aws.associations.clear());
    env.world.journal().clear();
    env
}

#[track_caller]
fn refused(env: &Env, line: &str, why: &str) -> Run {
    let run = env.podid(line).code(2).says("has podid's tags, but differs from what podid creates: ").says(why);
    let run = run.says("to accept it unchanged, pass `--adopt`");
    assert!(env.writes().is_empty(), "{run}");
    run
}

fn associated(env: &Env) -> bool {
    env.world.with(|state| state.aws.association("carts", "carts").is_some())
}

#[test]
fn associate_refuses_what_others_put_on_a_role() {
    for (change, why) in foreign() {
        let env = unused(LINE);
        change(&env, NAME);
        let run = refused(&env, LINE, why);
        assert_eq!(run.stderr.matches("; ").count(), 0, "nothing else differs: {run}");
        let _ = refused(&env, &format!("{LINE} --dry-run"), why);
        let run = env.podid(&format!("{LINE} --adopt")).ok();
        assert!(associated(&env), "{run}");
        // A service account that acts as the role already gets nothing new by it.
        let run = env.podid(LINE).ok();
        assert!(associated(&env), "{run}");
    }
    for (what, change) in own() {
        let env = unused(LINE);
        change(&env, NAME);
        env.world.journal().clear();
        let run = env.podid(LINE).ok();
        assert!(associated(&env), "{what}: {run}");
    }
}

#[test]
fn every_difference_is_shown() {
    let env = unused(LINE);
    for (change, _) in foreign() {
        change(&env, NAME);
    }
    let run = env.podid(LINE).code(2);
    for (_, why) in foreign().into_iter().filter(|(_, why)| !why.contains("Podid0123456789abcdef")) {
        assert!(run.stderr.contains(why), "{why}: {run}");
    }
}

#[test]
fn a_role_without_the_boundary_that_is_asked_for_is_refused() {
    let line = format!("{LINE} --permissions-boundary {BOUNDARY}");
    for (boundary, why) in [
        (None, format!("it lacks the permissions boundary {BOUNDARY}")),
        (Some(ADMIN), format!("its permissions boundary is {ADMIN}, not {BOUNDARY}")),
    ] {
        let env = unused(&line);
        role(&env, NAME, |role| role.boundary = boundary.map(str::to_owned));
        let _ = refused(&env, &line, &why);
        let run = env.podid(&format!("{line} --adopt")).ok().says("permissions boundary stays");
        assert!(associated(&env), "{run}");
    }
    let env = unused(&line);
    let run = env.podid(&line).ok();
    assert!(associated(&env), "{run}");
}

/// podid's own policies are of its form whatever they allow: for one service account they allow what it asks for.
#[test]
fn a_role_of_one_service_account_has_no_other_tables() {
    let orders = format!("{LINE} --dynamodb orders=write --allow-missing-resources");
    let target = format!("{LINE} --target-role {TARGET}");
    for (line, why) in [
        (&orders, "its inline policy podid-dynamodb allows arn:aws:dynamodb:us-west-2:111122223333:table/orders"),
        (&target, "its inline policy podid-target allows arn:aws:iam::222233334444:role/target"),
    ] {
        let env = unused(line);
        let run = refused(&env, LINE, why).says("which was not requested");
        assert_eq!(run.stderr.matches("its inline policy").count(), 1, "{run}");
        let _ = refused(&env, &format!("{LINE} --dry-run"), why);
        // The name alone says whose it is.
        for_anyone(&env, NAME);
        let _ = refused(&env, LINE, why);
        // Asked for, it is nothing foreign; nor is it where the service account acts as the role already.
        let run = env.podid(line).ok();
        assert!(associated(&env), "{run}");
        let _ = env.podid(LINE).ok();
        let _ = env.podid(&format!("{LINE} --dynamodb payments --allow-missing-resources")).ok();
        let env = unused(line);
        let run = env.podid(&format!("{LINE} --adopt")).ok();
        assert!(associated(&env), "{run}");
        // Another role before this one is no use of it.
        let env = unused(line);
        let _ = env.podid(&LINE.replace("--create-role", "--create-role --role first")).ok();
        env.world.journal().clear();
        let _ = refused(&env, LINE, why);
    }
    // A role that has its name from the user may be shared: each that uses it has its own tables there.
    let shared = |line: &str| line.replace("--create-role", "--create-role --role shared");
    let env = unused(&shared(&orders));
    for_anyone(&env, "shared");
    let run = env.podid(&shared(LINE)).ok();
    assert!(associated(&env), "{run}");
}

/// Whoever asks for no scope is not given a role that every cluster may use; whoever asked for that goes on.
#[test]
fn a_role_that_is_open_to_every_cluster_is_refused_unless_that_was_asked_for() {
    let open = format!("{LINE} --scope none");
    let env = unused(&open);
    let _ = refused(&env, LINE, "names no cluster");
    let run = env.podid(&open).ok();
    assert!(associated(&env), "{run}");
}

#[test]
fn a_role_that_podid_did_not_create_is_taken_over_with_adopt() {
    let env = unused(LINE);
    role(&env, NAME, |role| role.tags.clear());
    let run = env.podid(LINE).code(2).says("podid did not create it for carts/carts").says("pass `--adopt`");
    assert!(env.writes().is_empty(), "{run}");
    let run = env.podid(&format!("{LINE} --adopt")).ok();
    let tags = env.world.with(|state| state.aws.roles[NAME].tags.clone());
    assert_eq!(tags["podid.dev/service-account"], "carts", "{run}");
    // What podid created for another service account is taken from it by nobody.
    let env = unused(LINE);
    role(&env, NAME, |role| drop(role.tags.insert("podid.dev/service-account".to_owned(), "other".to_owned())));
    for adopt in ["", " --adopt"] {
        let run = env.podid(&format!("{LINE}{adopt}")).code(2).says("podid did not create it for carts/carts");
        assert!(env.writes().is_empty(), "{run}");
    }
}

#[test]
fn policies_that_may_not_be_read_are_not_taken_for_none() {
    let env = unused_where(LINE, &[denying("iam:ListAttachedRolePolicies")]);
    let run = env.podid(LINE).code(4).says("cannot determine what role").says("iam:ListAttachedRolePolicies");
    assert!(env.writes().is_empty(), "{run}");
    let run = env.podid(&format!("{LINE} --adopt")).ok();
    assert!(associated(&env), "{run}");
}

#[test]
fn role_create_refuses_what_others_put_on_a_role() {
    let line = format!("role create {NAME} --service-account carts/carts --yes");
    for (change, why) in foreign() {
        let env = unused(LINE);
        change(&env, NAME);
        // Nothing is left to do: what differs is named all the same.
        let run = env.podid(&line).ok().says(why);
        assert!(env.writes().is_empty(), "{run}");
        let more = format!("{line} --policy-arn {BOUNDARY}");
        let _ = refused(&env, &more, why);
        let _ = env.podid(&format!("{more} --adopt")).ok();
    }
    for (what, change) in own() {
        let env = unused(LINE);
        change(&env, NAME);
        let run = env.podid(&line);
        assert_eq!(run.code, 0, "{what}: {run}");
    }
}

#[test]
fn apply_and_diff_refuse_what_others_put_on_a_role() {
    let world = |text: &str| {
        let env = ready(&[]);
        let file = env.file("podid.yaml", text);
        let _ = env.podid(&format!("apply -f {file} --no-wait --yes")).ok();
        env.world.with(|state| state.aws.associations.clear());
        env.world.journal().clear();
        (env, file)
    };
    for (change, why) in foreign() {
        let (env, file) = world(CARTS);
        change(&env, "carts-role");
        let _ = refused(&env, &format!("diff -f {file}"), why);
        let line = format!("apply -f {file} --no-wait --yes");
        let _ = refused(&env, &line, why);
        let _ = env.podid(&format!("diff -f {file} --adopt")).code(3);
        let run = env.podid(&format!("{line} --adopt")).ok();
        assert!(associated(&env), "{run}");
        let _ = env.podid(&line).ok();
    }
    for (what, change) in own() {
        let (env, file) = world(CARTS);
        change(&env, "carts-role");
        let run = env.podid(&format!("apply -f {file} --no-wait --yes")).ok();
        assert!(associated(&env), "{what}: {run}");
    }
    // What the file says of a role is brought about: a policy that is not in it goes, and is in the plan.
    let text = CARTS.replace("    policies:\n", "    policies:\n      managed: []\n");
    let (env, file) = world(&text);
    attached(ADMIN)(&env, "carts-role");
    let run = env.podid(&format!("apply -f {file} --no-wait --yes")).ok().says("AdministratorAccess");
    assert!(associated(&env) && env.world.with(|state| state.aws.roles["carts-role"].attached.is_empty()), "{run}");
}

/// The policies are read only of a role that is there and that the service account does not use yet.
#[test]
fn only_a_role_that_is_adopted_costs_more_calls() {
    let reads = |env: &Env, line: &str| {
        env.world.journal().clear();
        let run = env.podid(line).ok();
        let calls = tally(env).into_iter().filter(|call| call.ends_with("RolePolicies")).collect::<Vec<_>>();
        (calls, run)
    };
    let env = ready(&[]);
    for (calls, what) in [(vec!["1 iam ListRolePolicies"], "created"), (vec!["1 iam ListRolePolicies"], "used")] {
        let (found, run) = reads(&env, LINE);
        assert_eq!(found, calls, "{what}: {run}");
    }
    env.world.with(|state| state.aws.associations.clear());
    let (found, run) = reads(&env, LINE);
    assert_eq!(found, ["1 iam ListAttachedRolePolicies", "1 iam ListRolePolicies"], "{run}");
    env.world.with(|state| state.aws.associations.clear());
    let (found, run) = reads(&env, &format!("{LINE} --adopt"));
    assert_eq!(found, ["1 iam ListRolePolicies"], "{run}");
}
