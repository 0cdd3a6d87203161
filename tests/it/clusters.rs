//! Commands over several clusters: the fleet has three, in two regions, and a fourth one is in another account.

use serde_json::{Value, json};

use crate::support::{Env, denying};

const ROLE: &str = "eks-workshop-carts-dynamo";

fn fleet() -> Env {
    Env::new("carts-fleet")
}

/// Green cannot be read, and nothing else differs.
fn without_green(action: &str) -> Env {
    let (field, mut policies) = denying(action);
    policies[0]["Statement"][1]["Condition"] = json!({ "StringEquals": { "aws:RequestedRegion": "eu-west-1" } });
    Env::with("carts-fleet", &[(field, policies)])
}

fn arn(name: &str, region: &str) -> String {
    format!("arn:aws:eks:{region}:111122223333:cluster/{name}")
}

/// The same fleet by each way of naming it.
const ALL: [&str; 2] = ["--all-regions", "-c eks-workshop -c blue -c arn:aws:eks:eu-west-1:111122223333:cluster/green"];

#[test]
fn role_list_counts_the_users_of_every_cluster() {
    for flags in ALL {
        let run = fleet().podid(&format!("role list {flags} -o json")).ok().json();
        let users = |name: &str| {
            let role = run["roles"].as_array().unwrap().iter().find(|role| role["roleName"] == name).unwrap();
            let user = |user: &Value| user["clusterName"].as_str().unwrap().to_owned();
            let mut users: Vec<String> = role["associations"].as_array().unwrap().iter().map(user).collect();
            users.sort();
            users
        };
        assert_eq!(users(ROLE), ["blue", "eks-workshop", "green"], "{flags}");
        assert_eq!(users("green-api"), ["green"], "{flags}");
        assert_eq!(run["unread"], json!([]));
    }
    let run = fleet().podid("role list --all-regions --unused").ok();
    let _ = run.says(
        "no unused roles that trust Pod Identity in clusters eu-west-1/green, us-west-2/blue, us-west-2/eks-workshop",
    );
}

/// A role whose users could not be read is not unused, and the others are told.
#[test]
fn role_list_with_a_cluster_that_cannot_be_read() {
    let env = without_green("eks:ListPodIdentityAssociations");
    insta::assert_snapshot!(env.podid("role list --all-regions -q").code(1).steady(), @"
    exit 1
    --- stdout
    eks-workshop-carts-dynamo	blue:carts/carts +1	carts/carts of cluster arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop or arn:aws:eks:us-west-2:111122223333:cluster/blue or arn:aws:eks:eu-west-1:111122223333:cluster/green	[time]
    green-api	?	every service account of cluster green	[time]
    --- stderr
    error: cluster green in eu-west-1 could not be read
      caused by: not allowed: eks:ListPodIdentityAssociations
    ");
    let run = env.podid("role list --all-regions -o json").code(1).json();
    let known: Vec<(&str, bool)> = run["roles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|role| (role["roleName"].as_str().unwrap(), role["associations"].is_array()))
        .collect();
    assert_eq!(known, [(ROLE, true), ("green-api", false)]);
    assert_eq!(run["unread"][0]["what"], "cluster green in eu-west-1");
    let run = env.podid("role list --all-regions --unused").code(1);
    let _ = run.says("role green-api is possibly in use");
    assert_eq!(env.podid("role list --all-regions --unused -o name").code(1).stdout, "");
    let run = env.podid("role show green-api --all-regions -o json").code(1).json();
    let unread = json!("associations of cluster green in eu-west-1");
    assert_eq!((&run["associations"], &run["unread"][0]["what"]), (&Value::Null, &unread));
}

#[test]
fn verify_names_the_region_where_there_are_several() {
    let run = fleet().podid("verify carts/carts --all-regions -o json").json();
    let found: Vec<&str> =
        run["clusters"].as_array().unwrap().iter().map(|one| one["cluster"].as_str().unwrap()).collect();
    assert_eq!(found, [arn("green", "eu-west-1"), arn("blue", "us-west-2"), arn("eks-workshop", "us-west-2")]);
    let _ = fleet().podid("verify carts/carts --all-regions").says("carts/carts in cluster eu-west-1/green");
    let env = without_green("eks:DescribeCluster");
    let run = env.podid("verify carts/carts --all-regions").code(1);
    let _ = run.says("cluster green in eu-west-1 could not be checked").says("carts/carts in cluster us-west-2/blue");
}

#[test]
fn export_writes_a_document_for_each() {
    for flags in ALL {
        let run = fleet().podid(&format!("export {flags}")).ok();
        let documents: Vec<&str> = run.stdout.split("---\n").collect();
        assert_eq!(documents.len(), 3, "{run}");
        for name in ["eks-workshop", "blue", "green"] {
            let own = documents.iter().filter(|it| it.contains(&format!("cluster: {name}\n"))).count();
            assert_eq!(own, 1, "{run}");
        }
    }
    // Each of them changes nothing where it comes from.
    let run = fleet().podid("export --all-regions -q").ok();
    for document in run.stdout.split("---\n").filter(|it| !it.contains("cluster: green\n")) {
        let env = fleet();
        let file = env.file("podid.yaml", document);
        let name = if document.contains("cluster: blue\n") { "blue" } else { "eks-workshop" };
        let _ = env.podid(&format!("apply -f {file} -c {name} --dry-run --exit-code --no-wait")).ok();
    }
    let names = fleet().podid("export --all-regions -o name -q").ok().stdout;
    assert!(names.lines().any(|line| line == "eu-west-1/green/association/orders/api"), "{names}");
    let _ = fleet()
        .podid("export --all-regions --format terraform")
        .code(2)
        .says("`--format` writes a file of one cluster");
}

#[test]
fn export_with_a_cluster_that_cannot_be_read() {
    let env = without_green("eks:ListPodIdentityAssociations");
    let run = env.podid("export --all-regions -o json -q").code(1);
    let found = run.json();
    let clusters: Vec<&str> =
        found["clusters"].as_array().unwrap().iter().map(|it| it["cluster"].as_str().unwrap()).collect();
    assert_eq!(clusters, ["blue", "eks-workshop"]);
    assert_eq!(found["unread"][0]["what"], "cluster green in eu-west-1");
}

/// The roles of the account are listed once, whatever the number of clusters.
#[test]
fn what_export_costs() {
    let env = fleet();
    let _ = env.podid("export --all-regions").ok();
    let journal = env.world.journal();
    assert_eq!((journal.count("iam", "ListRoles"), journal.count("eks", "ListPodIdentityAssociations")), (1, 3));
}

/// Ids, subjects and clusters of what was found.
fn found(run: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = |value: &Value| text(value).rsplit('/').next().unwrap_or_default().to_owned();
    let all = run["findings"].as_array().unwrap().iter();
    let all = all.filter(|it| it["id"] != "audit.unread");
    all.map(|it| (text(&it["id"]), text(&it["subject"]), name(&it["cluster"]))).collect()
}

/// The first of this id: what could not be read comes before all.
fn finding<'a>(run: &'a Value, id: &str) -> &'a Value {
    run["findings"].as_array().unwrap().iter().find(|it| it["id"] == id).unwrap()
}

fn triple(id: &str, subject: &str, cluster: &str) -> (String, String, String) {
    (id.to_owned(), subject.to_owned(), cluster.to_owned())
}

/// Only the first cluster of the fleet has a Kubernetes API: what the others lack there cannot be told.
#[test]
fn audit_finds_what_is_about_a_role_once() {
    let wide = json!([{"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}]);
    let env = Env::with("carts-fleet", &[("/roles/1/inline/carts/Statement", wide)]);
    for flags in ALL {
        let run = env.podid(&format!("audit {flags} -o json")).code(3).json();
        assert_eq!(found(&run), [triple("audit.admin", &format!("role {ROLE}"), "")], "{flags}");
        let used: Vec<&str> = finding(&run, "audit.admin")["evidence"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["text"].as_str().unwrap().rsplit(['/', ' ']).next().unwrap())
            .collect();
        assert_eq!(used.len(), 3, "{run:#}");
        assert_eq!(run["clusters"].as_array().map(Vec::len), Some(3));
        assert_eq!((&run["cluster"], &run["unread"]), (&Value::Null, &json!([])));
    }
    let run = env.podid("audit --all-regions").code(3);
    let _ = run.says("clusters eu-west-1/green, us-west-2/blue, us-west-2/eks-workshop: 1 problem");
    // One exception accepts it, as in an audit of one cluster.
    let file = env
        .file("accepted.yaml", &format!("exceptions:\n- {{id: audit.admin, subject: role {ROLE}, reason: known}}\n"));
    let run = env.podid(&format!("audit --all-regions -o json --allow-incomplete --exceptions {file}")).ok().json();
    assert_eq!((found(&run).len(), &run["accepted"][0]["reason"]), (0, &json!("known")));
}

/// Each cluster's own findings name it, and so do their fixes; an exception may be for one of them.
#[test]
fn audit_names_the_cluster_of_what_is_in_one() {
    let gone = json!("arn:aws:iam::111122223333:role/deleted");
    let env = Env::with("carts-fleet", &[("/associations/1/role", gone.clone()), ("/associations/2/role", gone)]);
    let run = env.podid("audit --all-regions -o json").code(3).json();
    let missing = |cluster: &str| triple("audit.role-missing", "carts/carts", cluster);
    assert_eq!(found(&run), [missing("green"), missing("blue")], "{run:#}");
    let fix = finding(&run, "audit.role-missing")["remedies"][0]["command"].as_str().unwrap();
    assert!(fix.ends_with(&format!("--cluster {}", arn("green", "eu-west-1"))), "{fix}");
    for (subject, left) in [
        ("carts/carts in cluster eu-west-1/green", vec![missing("blue")]),
        ("carts/carts", vec![]),
        ("carts/carts in cluster eu-west-1/blue", vec![missing("green"), missing("blue")]),
    ] {
        let text = format!("exceptions:\n- {{id: audit.role-missing, subject: {subject}, reason: known}}\n");
        let file = env.file("accepted.yaml", &text);
        let run = env.podid(&format!("audit --all-regions -o json --allow-incomplete --exceptions {file}"));
        assert_eq!(found(&run.json()), left, "{subject}");
    }
    let sarif = env.podid("audit --all-regions -o sarif").code(3).json();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let prints: std::collections::BTreeSet<String> =
        results.iter().map(|it| it["partialFingerprints"]["podid/v1"].to_string()).collect();
    assert_eq!(prints.len(), results.len(), "{sarif:#}");
    let _ = env.podid("audit --all-regions -o markdown").code(3).says("carts/carts in cluster eu-west-1/green");
}

/// A role that only another cluster uses has users; without that cluster, nobody can tell.
#[test]
fn audit_counts_the_associations_of_every_cluster() {
    let env = fleet();
    let run = env.podid("audit --all-regions -o json --allow-incomplete").ok().json();
    assert_eq!(found(&run), []);
    let journal = env.world.journal();
    let counts = ["GetRole", "ListRoles"].map(|operation| journal.count("iam", operation));
    assert_eq!(counts, [2, 1], "each role is read once");
    assert_eq!(journal.count("eks", "ListPodIdentityAssociations"), 3);
    let env = without_green("eks:ListPodIdentityAssociations");
    let run = env.podid("audit --all-regions -o json --allow-incomplete").code(1);
    assert_eq!(run.json()["unread"][0]["what"], "cluster green in eu-west-1");
    assert_eq!(found(&run.json()), [triple("audit.role-unused", "role green-api", "")]);
    assert_eq!(
        run.json()["findings"].as_array().unwrap().iter().find(|it| it["id"] == "audit.role-unused").unwrap()["status"],
        "unknown"
    );
}

/// The plan of `--fix` is confirmed with the name of its cluster: several are refused before anything is read.
#[test]
fn audit_fixes_one_cluster_at_a_time() {
    let env = fleet();
    for flags in ALL.into_iter().chain(["--all-clusters"]) {
        for fix in ["--fix", "--fix=audit.role-unused --yes", "--fix --dry-run"] {
            let run = env.podid(&format!("audit {fix} {flags}")).code(2).says("`--fix` changes one cluster at a time");
            let run = run.says("its plan is confirmed with the name of the cluster");
            let _ = run.says("`podid audit --fix` once for each cluster");
        }
    }
    assert!(env.world.journal().calls().is_empty());
    let _ = env.podid("audit --fix --dry-run -c eks-workshop").ok();
}

/// A cluster of another account is told, and hides no other; with the profile of that account it is read.
#[test]
fn a_cluster_of_another_account() {
    let account = "444455556666";
    let there = Env::with(
        "carts-verified",
        &[("/account", json!(account)), ("/associations/0/role", json!(format!("arn:aws:iam::{account}:role/{ROLE}")))],
    );
    let far = format!("arn:aws:eks:us-west-2:{account}:cluster/eks-workshop");
    for command in ["list", "role list", "verify carts/carts", "audit", "export"] {
        let run = fleet().podid(&format!("{command} -c blue -c {far}")).code(1);
        let run = run.says("the AWS credentials belong to another").says(account);
        let shown = if command == "audit" { "cluster blue" } else { "carts" };
        assert!(run.stdout.contains(shown), "{run}");
        let run = there.podid(&format!("{command} -c {far} -c blue"));
        assert!(!run.stderr.contains("belong to another"), "{run}");
    }
}
