//! `podid migrate plan`.

mod killed;
mod others;
mod reasons;
mod story;

use serde_json::{Value, json};

use crate::support::{Env, Run, denying, forbidding};

/// The field of the role's trust policy.
pub(super) const TRUST: &str = "/roles/1/trust";

/// The field of the annotations of carts/carts.
pub(super) const ANNOTATIONS: &str = "/manifests/6/metadata/annotations";

pub(super) const ROLE: &str = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";

/// A service account of a plan.
pub(super) fn account(run: &Run, name: &str) -> Value {
    let document = run.json();
    let all = document["serviceAccounts"].as_array().unwrap();
    all.iter().find(|it| it["serviceAccount"] == name).unwrap_or_else(|| panic!("{run}")).clone()
}

/// The ids of what keeps it from being ready.
pub(super) fn reasons(account: &Value) -> Vec<String> {
    let findings = account["findings"].as_array().unwrap().iter().filter(|it| it["status"] != "ok");
    findings.map(|it| it["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn one_that_is_ready() {
    let env = Env::new("carts-irsa");
    insta::assert_snapshot!(env.podid("migrate plan carts/carts").ok().steady(), @"
    exit 0
    --- stdout
    SERVICE ACCOUNT  ROLE                       NOW   READINESS  PODS  OWNER
    carts/carts      eks-workshop-carts-dynamo  IRSA  ready         2  unknown

    1 service account with an IRSA role: 1 ready

    Next:
      podid migrate run carts/carts --cluster eks-workshop

    To go back, for example: `podid migrate rollback carts/carts --cluster eks-workshop`. This is
    possible until `podid migrate finish`, which removes the annotation and the trust policy's statement
    for IRSA.
    ");
    assert!(env.writes().is_empty());
    let run = env.podid("migrate plan --all -o json").ok();
    let carts = account(&run, "carts");
    assert_eq!(carts["pods"], json!({ "total": 2, "irsa": 2, "podIdentity": 0 }), "{run}");
    assert_eq!(carts["trust"]["forms"], json!(["exact"]), "{run}");
    assert_eq!(carts["workloads"], json!(["deployment/carts"]), "{run}");
    assert_eq!(env.podid("migrate plan -n carts -o name").ok().stdout, "carts/carts\n");
}

/// The role's trust policy.
pub(super) fn trust(env: &Env) -> Value {
    let text = env.world.with(|state| state.aws.roles["eks-workshop-carts-dynamo"].trust.clone());
    serde_json::from_str(&text).unwrap()
}

/// The commands that the plan prints, carried out one after the other.
#[test]
fn its_commands_carry_it_out() {
    let env = Env::with("carts-irsa", &[("/addons", json!([]))]);
    let run = env.podid("migrate plan --all -o json").ok();
    assert_eq!(reasons(&account(&run, "carts")), ["migrate.agent"], "{run}");
    let steps: Vec<String> = run.json()["steps"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|step| step["commands"].as_array().unwrap().clone())
        .map(|command| command.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        steps,
        [
            "podid agent install --cluster eks-workshop",
            "podid role trust eks-workshop-carts-dynamo --service-account carts/carts --fix --cluster eks-workshop",
            "podid associate carts/carts --role eks-workshop-carts-dynamo --cluster eks-workshop",
            "podid recycle carts/carts --cluster eks-workshop",
            "podid verify carts/carts --cluster eks-workshop",
        ]
    );
    let before = trust(&env);
    for command in &steps {
        let line = command.strip_prefix("podid ").unwrap();
        let yes = if line.starts_with("verify") { "" } else { " --yes" };
        let _ = env.podid(&format!("{line}{yes}")).ok();
    }
    let after = account(&env.podid("migrate plan --all -o json").ok(), "carts");
    assert_eq!((&after["stage"], &after["readiness"]), (&json!("pod-identity"), &json!("ready")), "{after}");
    assert_eq!(after["pods"], json!({ "total": 2, "irsa": 0, "podIdentity": 2 }));
    // The statement of IRSA stands as it was, with podid's beside it.
    let now = trust(&env);
    assert_eq!(now["Statement"][0], before["Statement"][0]);
    assert_eq!(now["Statement"].as_array().unwrap().len(), 2);
    insta::assert_snapshot!(env.podid("migrate plan carts/carts").ok().steady(), @"
    exit 0
    --- stdout
    SERVICE ACCOUNT  ROLE                       NOW           READINESS  PODS  OWNER
    carts/carts      eks-workshop-carts-dynamo  Pod Identity  moved         2  unknown

    1 service account with an IRSA role: 1 moved
    ");
    // And back.
    let _ = env.podid("disassociate carts/carts --recycle --cluster eks-workshop --yes").ok();
    let back = account(&env.podid("migrate plan --all -o json").ok(), "carts");
    assert_eq!(back["stage"], "irsa", "{back}");
    assert_eq!(back["pods"], json!({ "total": 2, "irsa": 2, "podIdentity": 0 }), "{back}");
}

#[test]
fn on_a_terminal_it_fits() {
    let env = Env::with("carts-irsa", &[("/addons", json!([]))]);
    let run = env.tty(80, &["migrate", "plan", "--all"], "").ok();
    let commands = |line: &&str| !line.trim_start().starts_with("podid ");
    let long: Vec<&str> = run.stdout.lines().filter(commands).filter(|line| line.chars().count() > 80).collect();
    assert!(long.is_empty(), "{long:?}\n{run}");
    insta::assert_snapshot!(run.stdout, @"
    SERVICE ACCOUNT  ROLE                       NOW   READINESS           PODS
    carts/carts      eks-workshop-carts-dynamo  IRSA  ready with changes     2
    1 column is hidden (OWNER); `-o wide` shows all

    1 service account with an IRSA role: 1 ready with changes

    Ready with changes:
      1. the cluster: the agent is not installed (migrate.agent)
         affects carts/carts
         seen: DescribeAddon and the DaemonSets: no add-on and no DaemonSet of the
               agent
         fix: `podid agent install --cluster eks-workshop`

    Next:
      podid migrate run carts/carts --install-agent --cluster eks-workshop

    To go back, for example:
    `podid migrate rollback carts/carts --cluster eks-workshop`. This is possible
    until `podid migrate finish`, which removes the annotation and the trust
    policy's statement for IRSA.
    ");
}

#[test]
fn as_markdown() {
    let env = Env::with("carts-irsa", &[("/addons", json!([]))]);
    let run = env.podid("migrate plan --all -o markdown").ok();
    let told: Vec<&str> = run.stdout.lines().filter(|line| !line.starts_with("- Read: ")).collect();
    insta::assert_snapshot!(told.join("\n"), @"
    # podid migrate plan

    - Cluster: `arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop`
    - Found: 1 service account with an IRSA role: 1 ready with changes

    | Service account | Role | Now | Readiness | Trust policy | Also used by | Owner of the annotation |
    |---|---|---|---|---|---|---|
    | carts/carts | eks-workshop-carts-dynamo | IRSA | ready with changes | one service account |  | unknown |

    ## Ready with changes

    1. the cluster: the agent is not installed (`migrate.agent`)
       - affects carts/carts
       - seen: DescribeAddon and the DaemonSets: `no add-on and no DaemonSet of the agent`
       - fix: `podid agent install --cluster eks-workshop`

    ## Next

    ~~~sh
    podid migrate run carts/carts --install-agent --cluster eks-workshop
    ~~~

    To go back, for example: `podid migrate rollback carts/carts --cluster eks-workshop`. This is possible until `podid migrate finish`, which removes the annotation and the trust policy's statement for IRSA.
    ");
    let _ = env.podid("migrate plan --all -o junit").code(2).says("a report of `podid verify`");
}

#[test]
fn nothing_to_migrate() {
    let env = Env::new("carts-verified");
    let _ = env.podid("migrate plan --all").ok().says("nothing to migrate");
    assert_eq!(env.podid("migrate plan --all -o json").ok().json()["serviceAccounts"], json!([]));
    let _ = env.podid("migrate plan carts/carts").ok().says("carts/carts does not have the annotation");
    let _ = env.podid("migrate plan carts/cart").code(2).says("did you mean `podid migrate plan carts/carts`?");
    let _ = env.podid("migrate plan").code(2);
}

/// The guide names every check.
#[test]
fn the_guide_has_every_check() {
    let guide = include_str!("../../docs/migrate.md");
    for check in podid::checks::migration::CHECKS {
        assert!(guide.contains(&format!("| `{}` | {} |", check.id, check.title)), "{}", check.id);
    }
}

/// One list of each kind, each role once, and nothing of service accounts without the annotation.
#[test]
fn few_calls() {
    let more = |name: &str| json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name, "namespace": "carts", "annotations": { "eks.amazonaws.com/role-arn": ROLE } } });
    let env = Env::with("carts-irsa", &[("/manifests/-", more("worker")), ("/manifests/-", more("batch"))]);
    let run = env.podid("migrate plan --all -o json").code(3);
    assert_eq!(run.json()["serviceAccounts"].as_array().unwrap().len(), 3, "{run}");
    let mut calls = env.operations();
    calls.sort();
    let of = |name: &str| calls.iter().filter(|call| *call == name).count();
    for once in
        ["eks DescribeCluster", "eks ListPodIdentityAssociations", "iam GetRole", "iam ListAttachedRolePolicies"]
    {
        assert_eq!(of(once), 1, "{once}: {calls:?}");
    }
    assert_eq!(of("eks ListAddons"), 0, "{calls:?}");
    assert_eq!(of("kubernetes list serviceaccounts"), 1, "{calls:?}");
}

/// What could not be read is never ready.
#[test]
fn what_may_not_be_read() {
    for (set, says) in [
        (denying("iam:GetRole"), "not allowed: iam:GetRole"),
        (denying("iam:ListRolePolicies"), "iam:ListRolePolicies"),
        (denying("eks:ListPodIdentityAssociations"), "not allowed: eks:ListPodIdentityAssociations"),
        (forbidding(&["list pods"]), "not allowed: list pods"),
        (forbidding(&["list nodes"]), "not allowed: list nodes"),
    ] {
        let run = Env::with("carts-irsa", &[set]).podid("migrate plan carts/carts -o json").code(4).says(says);
        let carts = account(&run, "carts");
        assert_eq!(carts["readiness"], "unknown", "{run}");
        assert_eq!(carts["commands"], json!([]), "{run}");
    }
    let _ = Env::with("carts-irsa", &[forbidding(&["list serviceaccounts"])]).podid("migrate plan --all").code(4);
}
