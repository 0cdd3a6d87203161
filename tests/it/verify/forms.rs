//! How a verification is told: the tree, data, reports for CI, the catalog; and what the exit code says.

use podid_sandbox::faults::{Action, Fault};
use serde_json::{Value, json};

use super::{ids, saved};
use crate::support::{Env, denying, forbidding};

/// The trust policy lacks sts:TagSession.
fn broken() -> (&'static str, Value) {
    ("/roles/1/trust/Statement/0/Action", json!(["sts:AssumeRole"]))
}

/// Another service account of the namespace, with an association and nothing that uses it.
fn second() -> [(&'static str, Value); 2] {
    let account =
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "idle", "namespace": "carts" } });
    let role = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";
    [
        ("/manifests/-", account),
        ("/associations/-", json!({ "namespace": "carts", "service_account": "idle", "role": role })),
    ]
}

#[test]
fn the_tree() {
    let env = Env::with("carts-verified", &[broken()]);
    let run = env.podid("verify carts/carts").code(3);
    insta::assert_snapshot!(run.steady(), @"
    exit 3
    --- stdout
    carts/carts in cluster eks-workshop
      ok       cluster, agent, nodes, association, service account, workload, webhook, pod spec,
               overridden credentials, identity, network, role
      failed   trust: trust policy of role eks-workshop-carts-dynamo: sts:TagSession is not allowed
               (statement `Pods` allows only sts:AssumeRole) (trust.missing-tag-session)
      skipped  permissions: the workload: pass --needs ACTION@RESOURCE, --dynamodb or --s3 to check them
               (permissions.ok)
      ok       restart
      skipped  application: pod carts/carts-[pod], container carts: EKS may not assume the
               associated role: its trust policy, or a policy of the organization, denies it (may follow
               from trust.missing-tag-session) (app.refused)

    1 problem:
      1. trust: trust policy of role eks-workshop-carts-dynamo: sts:TagSession is not allowed (statement
         `Pods` allows only sts:AssumeRole) (trust.missing-tag-session)
         seen: GetRole: AssumeRolePolicyDocument
         seen: DescribePodIdentityAssociation: session tags are enabled
         seen: DescribeCluster: arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop

    fix: `podid role trust eks-workshop-carts-dynamo --service-account carts/carts --fix`
    ");
    // The fix is last, where the eye is, and mends it.
    let remedy = run.stdout.lines().last().unwrap();
    assert_eq!(remedy, "fix: `podid role trust eks-workshop-carts-dynamo --service-account carts/carts --fix`");
    let _ = env.podid("role trust eks-workshop-carts-dynamo --service-account carts/carts --fix --yes").ok();
    let report = saved(&env, "carts/carts").json();
    let trust = report["reports"][0]["findings"].as_array().unwrap().iter().find(|f| f["link"] == "trust").cloned();
    assert_eq!(trust.unwrap()["status"], "ok");
    let sound = Env::new("carts-verified");
    insta::assert_snapshot!(sound.podid("verify carts/carts").ok().steady(), @"
    exit 0
    --- stdout
    carts/carts in cluster eks-workshop
      ok       cluster, agent, nodes, association, service account, workload, webhook, pod spec,
               overridden credentials, identity, network, role, trust
      skipped  permissions: the workload: pass --needs ACTION@RESOURCE, --dynamodb or --s3 to check them
               (permissions.ok)
      ok       restart, application

    All checks passed (15 passed, 1 skipped)
    ");
    let full = sound.podid("verify carts/carts -v --no-logs").ok().stdout;
    assert!(
        full.contains("\n  ok       trust: trust policy of role eks-workshop-carts-dynamo: allows carts/carts"),
        "{full}"
    );
}

#[test]
fn at_a_terminal() {
    let env = Env::with("carts-verified", &[broken()]);
    for width in [80, 200] {
        let run = env.tty(width, &["verify", "carts/carts"], "").code(3);
        // A command stays in one line, to be copied.
        let fix = "fix: `podid role trust eks-workshop-carts-dynamo --service-account carts/carts --fix`";
        let (fixes, lines): (Vec<&str>, Vec<&str>) = run.stdout.lines().partition(|line| *line == fix);
        assert_eq!(fixes.len(), 1, "{run}");
        let longest = lines.into_iter().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= usize::from(width), "{width}: {run}");
        assert!(run.stdout.contains("1. trust: trust policy of role"), "{run}");
    }
}

#[test]
fn reports_for_ci() {
    let env = Env::with("carts-verified", &[broken()]);
    let junit = env.podid("verify carts/carts -o junit").code(3).stdout;
    assert!(junit.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites "), "{junit}");
    assert!(junit.contains("failures=\"1\""), "{junit}");
    assert!(junit.contains("<failure message=\"") && junit.contains("type=\"trust.missing-tag-session\""), "{junit}");
    assert_eq!(junit.matches("<testcase ").count(), junit.matches("</testcase>").count());
    let github = env.podid("verify carts/carts -o github").code(3).stdout;
    let error = github.lines().find(|line| line.starts_with("::error ")).unwrap();
    assert!(error.starts_with("::error title=carts/carts trust.missing-tag-session::trust policy of role"), "{error}");
    assert!(error.contains("%0Aremedy: `podid role trust "), "{error}");
    assert_eq!(env.podid("verify carts/carts -o name").code(3).stdout, "carts/carts trust.missing-tag-session\n");
    let sarif = env.podid("verify carts/carts -o sarif").code(3).json();
    let driver = &sarif["runs"][0]["tool"]["driver"];
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let errors: Vec<&serde_json::Value> = results.iter().filter(|result| result["level"] == "error").collect();
    assert_eq!(errors.len(), 1, "{sarif}");
    assert_eq!(errors[0]["ruleId"], "trust.missing-tag-session");
    let rules = driver["rules"].as_array().unwrap();
    let known = |id: &serde_json::Value| rules.iter().any(|rule| rule["id"] == *id);
    assert!(results.iter().all(|result| known(&result["ruleId"])), "{sarif}");
    let _ = env.podid("list -o junit").code(2).says("is a report of `podid verify`");
}

#[test]
fn several_service_accounts() {
    let env = Env::with("carts-verified", &second());
    let all = env.podid("verify --all").code(3);
    insta::assert_snapshot!(all.steady(), @"
    exit 3
    --- stdout
    SERVICE ACCOUNT  RESULT  AGENT  ASSOC  PODS  CREDS  ROLE  PERMS  APP
    carts/carts      ok      ok     ok     ok    ok     ok    skip   ok
    carts/idle       failed  ok     ok     warn  -      fail  skip   -

    2 service accounts: 1 ok, 1 failed
    warning  workload: service account carts/idle: no pod or workload uses it (workload.none; affects
             carts/idle)

    1 problem:
      1. trust: trust policy of role eks-workshop-carts-dynamo: statement `Pods` requires
         aws:RequestTag/kubernetes-service-account = `carts`, but EKS sends `idle` (trust.condition)
         affects carts/idle
         seen: GetRole: AssumeRolePolicyDocument
         seen: DescribePodIdentityAssociation: session tags are enabled
         seen: DescribeCluster: arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop

    fix: `podid role trust eks-workshop-carts-dynamo --service-account carts/idle --fix`
    --- stderr
    1 service account shows no use of AWS: kube-system/default
    ");
    // The column that failed is there at 80 columns too.
    let narrow = env.tty(80, &["verify", "--all"], "").code(3);
    assert!(narrow.stdout.contains("ROLE  PERMS  APP"), "{narrow}");
    for line in [
        "verify -n carts -o json",
        "verify -n c* -o json",
        "verify carts/* -o json",
        "verify carts/carts carts/idle -o json",
    ] {
        let reports = env.podid(line).code(3).json()["reports"].as_array().unwrap().len();
        assert_eq!(reports, 2, "{line}");
    }
    let _ = env.podid("verify shop/*").code(2).says("no association to check");
    let _ = env.podid("verify carts/carts --all").code(2);
    let _ = env.podid("verify").code(2);
    // What they share is read once.
    env.world.journal().clear();
    let _ = env.podid("verify --all -o name").code(3);
    let count = |operation: &str| env.world.journal().count("kubernetes", operation);
    assert_eq!([count("list pods"), count("list networkpolicies")], [2, 1], "{:?}", env.operations());
    assert_eq!(env.world.journal().count("iam", "GetRole"), 1);
}

#[test]
fn warnings_count_when_strict() {
    let region =
        ("/manifests/8/spec/template/spec/containers/0/env", json!([{ "name": "AWS_REGION", "value": "eu-west-1" }]));
    let env = Env::with("carts-verified", &[region]);
    let _ = env.podid("verify carts/carts").ok();
    let _ = env.podid("verify carts/carts --strict").code(3);
    let strict = env.podid("verify carts/carts --strict -o github").code(3).stdout;
    assert!(strict.contains("::error title=carts/carts override.region::"), "{strict}");
}

#[test]
fn what_was_not_seen_is_not_fine() {
    for (denied, link) in [
        (denying("eks:DescribePodIdentityAssociation"), "association"),
        (denying("iam:GetRole"), "role"),
        (forbidding(&["list nodes"]), "agent"),
        (forbidding(&["list pods"]), "pod spec"),
    ] {
        let env = Env::with("carts-verified", &[denied]);
        let run = env.podid("verify carts/carts").code(4);
        let (_, told) = run.stdout.split_once("incomplete: ").unwrap();
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(&format!("{link}: ")) && told.contains("not allowed: "), "{link}: {run}");
        let _ = env.podid("verify carts/carts --allow-incomplete").ok();
    }
    // A broken link is one, whatever else was not seen.
    let env = Env::with("carts-verified", &[broken(), forbidding(&["list nodes"])]);
    let _ = env.podid("verify carts/carts").code(3);
}

#[test]
fn without_kubernetes() {
    let env = Env::with("carts-verified", &[("/callers/0/access_entry", json!(false))]);
    let run = saved(&env, "carts/carts").code(4);
    assert!(ids(&run, "ok").contains(&"trust.ok".to_owned()), "{run}");
    assert!(run.stdout.contains("has no access entry for"), "{run}");
}

#[test]
fn the_catalog() {
    let env = Env::new("carts-verified");
    let list = env.podid("verify --list-checks").ok();
    assert!(list.stdout.contains("trust.missing-tag-session"), "{list}");
    assert!(list.stderr.contains("no check can detect that the node's firewall drops the agent's address"), "{list}");
    let failures = env.podid("verify --list-checks -o json").ok().json()["failures"].as_array().unwrap().len();
    assert_eq!(failures, 70);
    insta::assert_snapshot!(env.podid("verify --explain association.missing").ok(), @"
    exit 0
    --- stdout
    Check:       association.missing
    Group:       association
    Finds:       the service account has no association
    Background:  Without an association, the webhook does not change the pods, and the SDKs use the next
                 credentials in their order: usually the node's role, so an AccessDenied error names
                 `assumed-role/NODE-ROLE/i-…`.
    Detects:     the service account has no association
    Needs:       none
    Sources:     https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html
    ");
    let _ = env
        .podid("verify --explain trust.missing-tag-sesion")
        .code(2)
        .says("did you mean `podid verify --explain trust.missing-tag-session`");
    assert!(env.operations().is_empty(), "{:?}", env.operations());
}

/// A service that fails is told with the rest of the report, and never taken for a failure or for one that passed.
#[test]
fn a_read_that_fails_is_no_finding() {
    let env = Env::new("carts-verified");
    env.world.faults().add(Fault::always("iam", "GetRole", Action::error(500, "ServiceFailure", "injected")));
    let mut env = env;
    env.var("AWS_MAX_ATTEMPTS", "1");
    let _ = env.podid("verify carts/carts").code(3).says("injected");
}

/// For a ticket: what was checked, when and by which version, what is wrong, and the fixes.
#[test]
fn as_markdown() {
    let env = Env::with("carts-verified", &[broken()]);
    let run = env.podid("verify carts/carts -o markdown").code(3);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines[0], "# podid verify");
    let cluster = "- Cluster: `arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop`";
    assert_eq!(lines[2], cluster);
    assert!(lines[3].starts_with("- Checked: 20") && lines[3].ends_with(env!("CARGO_PKG_VERSION")), "{run}");
    assert!(lines.contains(&"| carts/carts | **failed** |"), "{run}");
    assert!(lines.iter().any(|line| line.ends_with("(`trust.missing-tag-session`)")), "{run}");
    let (_, fixes) = run.stdout.split_once("## Fixes, in this order\n\n").unwrap();
    assert!(fixes.starts_with("1. `podid role trust "), "{run}");
    let healthy = Env::new("carts-verified").podid("verify carts/carts -o markdown").ok();
    assert!(healthy.stdout.contains("| carts/carts | ok |") && !healthy.stdout.contains("## "), "{healthy}");
}
