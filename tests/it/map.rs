//! `podid map`: what is drawn, what was not read, hostile names, and maps that are too large to draw whole.

use serde_json::{Value, json};

use crate::support::{Env, denying};

const ROLE: &str = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";
const HOSTILE: &str = "arn:aws:sqs:us-west-2:111122223333:<img src=x onerror=alert(1)>\"'&`]-->";

/// The role's only statement speaks of this resource.
fn naming(resource: &str) -> (&'static str, Value) {
    let statement = json!([{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": resource}]);
    ("/roles/1/inline/carts/Statement", statement)
}

/// So many more associations with the same role.
fn many(n: usize) -> Env {
    let one = |at: usize| json!({"namespace": format!("team-{}", at % 3), "service_account": format!("app-{at}"), "role": ROLE});
    let all: Vec<Value> = (0..n).map(one).collect();
    Env::with("carts-verified", &[("/associations", json!(all))])
}

#[test]
fn the_way_of_a_workload() {
    insta::assert_snapshot!(Env::new("carts-verified").podid("map").ok().steady(), @r"
    exit 0
    --- stdout
    cluster eks-workshop (111122223333, us-west-2)
    └─ namespace carts
       └─ service account carts/carts, used by deployment/carts
          └─ association a-[id]
             └─ role eks-workshop-carts-dynamo
                ├─ dynamodb table/eks-workshop-carts
                │  ├─ write: dynamodb:GetItem, dynamodb:PutItem, dynamodb:UpdateItem and 2 more
                │  └─ read: dynamodb:Query, dynamodb:Scan
                └─ dynamodb table/eks-workshop-carts/index/* (read): dynamodb:Query, dynamodb:Scan
    --- stderr
    note: resource policies, service control policies and VPC endpoint policies were not read: they may allow or deny more
    ");
}

#[test]
fn nodes_and_edges() {
    let map = Env::new("carts-verified").podid("map -o json").ok().json();
    let kinds: Vec<&str> = map["nodes"].as_array().unwrap().iter().map(|node| node["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["workload", "service-account", "association", "role", "resource", "resource"]);
    assert_eq!(map["edges"].as_array().unwrap().len(), 5);
    assert_eq!(map["unread"], json!([]));
}

/// The same cluster with one permission less: what is missing is on the map.
#[test]
fn what_was_not_read_is_a_node() {
    for (action, said) in [("iam:GetRolePolicy", "permissions not read"), ("iam:GetRole", "permissions not read")] {
        let run =
            Env::with("carts-verified", &[denying(action)]).podid("map -o json").ok().says("incomplete: ").says(action);
        let nodes = run.json()["nodes"].to_string();
        assert!(nodes.contains(said) && nodes.contains("\"not-read\""), "{nodes}");
    }
    let denied = Env::with("carts-verified", &[("/callers/0/rbac_denies", json!(["list pods"]))]);
    let run = denied.podid("map").ok().says("incomplete: ");
    assert!(run.stdout.contains("workloads not read: not allowed: list pods"), "{run}");
    for format in ["mermaid", "dot", "svg", "html"] {
        let run = denied.podid(&format!("map --format {format}")).ok();
        assert!(run.stdout.contains("not read"), "{run}");
    }
}

#[test]
fn names_are_text_in_every_format() {
    let env = Env::with("carts-verified", &[naming(HOSTILE)]);
    for format in ["mermaid", "dot", "svg", "html"] {
        let run = env.podid(&format!("map --format {format}")).ok();
        assert!(!run.stdout.contains("<img") && !run.stdout.contains("]-->"), "{run}");
        assert!(run.stdout.contains("onerror"), "{run}");
    }
}

/// Nothing is loaded, and no script runs but the one whose hash the page names.
#[test]
fn the_page_needs_nothing_else() {
    let page = Env::new("carts-verified").podid("map --format html").ok().stdout;
    assert!(page.contains("default-src &#x27;none&#x27;; style-src &#x27;sha256-"), "{page}");
    for tag in ["<link", "<img", "<iframe", "src=", "@import", "url(http", "style=\"", "onclick"] {
        assert!(!page.contains(tag), "{tag}");
    }
    assert_eq!(page.matches("<script").count(), 1);
    assert_eq!(page.matches("<style").count(), 1);
}

#[test]
fn large_maps_are_collapsed() {
    let (small, large) = (many(20), many(30));
    let run = large.podid("map").ok().says("nodes are collapsed by namespace");
    assert!(
        run.stdout.contains("namespace team-0: 10 service accounts, 1 role") && !run.stdout.contains("app-0"),
        "{run}"
    );
    for whole in [small.podid("map").ok(), large.podid("map --expand").ok(), large.podid("map team-0/*").ok()] {
        assert!(
            whole.stdout.contains("service account team-0/app-0") && !whole.stderr.contains("collapsed"),
            "{whole}"
        );
    }
    let mermaid = large.podid("map --format mermaid").ok();
    assert!(mermaid.stdout.contains("10 service accounts") && mermaid.stderr.contains("collapsed"), "{mermaid}");
}

#[test]
fn selections() {
    let env = Env::new("carts-verified");
    for line in [
        "map carts/carts",
        "map 'car*/*'",
        "map --role eks-workshop-carts-dynamo",
        "map --resource arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts",
    ] {
        assert_eq!(env.podid(&format!("{} -o name", line.replace('\'', ""))).ok().stdout, "carts/carts\n", "{line}");
    }
    let _ = env.podid("map --role other").ok().says("no association of cluster eks-workshop uses role other");
    let _ = env.podid("map --resource arn:aws:s3:::other").ok().says("no policy that was read allows");
    let _ = env.podid("map carts/other").code(1).says("service account carts/other has no association");
    let _ = env.podid("map none/*").ok().says("no association in cluster eks-workshop matches none/*");
    let _ = env.podid("map --resource images").code(2).says("--resource");
    let _ = env.podid("map --format svg -o json").code(2).says("`--format` conflicts with `-o`");
}

/// A statement that excepts resources reaches all others, of whatever service its actions are.
#[test]
fn what_a_statement_does_not_except_is_on_the_map() {
    let (private, other) = ("arn:aws:s3:::private", "arn:aws:s3:::other");
    let statement = json!([{"Effect": "Allow", "Action": "*", "NotResource": [private, other]}]);
    let env = Env::with("carts-verified", &[("/roles/1/inline/carts/Statement", statement)]);
    let on = |resource: &str| env.podid(&format!("map --resource {resource} -o name")).ok().stdout;
    for reached in ["arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts", "arn:aws:s3:::images"] {
        assert_eq!(on(reached), "carts/carts\n", "{reached}");
    }
    assert_eq!((on(private), on(other)), (String::new(), String::new()));
    let _ = env.podid("map").ok().says(&format!("all except {private}, {other}"));
}

/// Each problem of verify is at the node that it is about; without one, nothing differs.
#[test]
fn problems_of_verify_are_at_their_nodes() {
    let healthy = Env::new("carts-verified");
    let plain = healthy.podid("map -o json").ok().json();
    let verified = healthy.podid("map --verify -o json").ok().json();
    assert_eq!((&verified["problems"], &plain["problems"]), (&json!([]), &Value::Null));
    assert_eq!(verified["nodes"], plain["nodes"]);
    let role = format!("role:{ROLE}");
    let account = "service-account:carts/carts";
    for (path, value, id, nodes) in [
        (
            "/roles/1/trust/Statement/0/Action",
            json!("sts:AssumeRole"),
            "trust.missing-tag-session",
            vec![role.as_str()],
        ),
        ("/addons", json!([]), "agent.missing", vec![]),
        (
            "/manifests/8/spec/template/metadata/labels/eks.amazonaws.com~1skip-pod-identity-webhook",
            json!("true"),
            "pod-spec.skip-label",
            vec![account],
        ),
    ] {
        let env = Env::with("carts-verified", &[(path, value)]);
        let run = env.podid("map --verify -o json").ok();
        let problems = run.json()["problems"].as_array().unwrap().clone();
        let found = problems.iter().find(|it| it["finding"]["id"] == id).unwrap_or_else(|| panic!("{id}: {run}"));
        assert_eq!(found["nodes"], json!(nodes), "{run}");
        let marked = |node: &Value| node["details"].to_string().contains(&format!("problem: {id}"));
        let all: Vec<String> = run.json()["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| marked(it))
            .map(|it| it["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(all, nodes, "{run}");
        for format in ["tree", "html"] {
            let _ = env.podid(&format!("map --verify --format {format}")).ok().says(id);
            let without = env.podid(&format!("map --format {format}")).ok();
            assert!(!without.stdout.contains(id), "{without}");
        }
    }
}

/// A role of two service accounts has its problem once; what verify may not read is said.
#[test]
fn a_shared_problem_is_one() {
    let other = json!({"namespace": "carts", "service_account": "default", "role": ROLE});
    let open = ("/roles/1/trust/Statement/0/Action", json!("sts:AssumeRole"));
    let env = Env::with("carts-verified", &[open, ("/associations/-", other)]);
    let run = env.podid("map --verify -o json").ok();
    let problems = run.json()["problems"].as_array().unwrap().clone();
    let same = problems.iter().filter(|it| it["finding"]["id"] == "trust.missing-tag-session");
    assert_eq!(same.count(), 1, "{run}");
    let denied = Env::with(
        "carts-verified",
        &[denying("eks:DescribeAddon"), ("/callers/0/rbac_denies", json!(["list daemonsets"]))],
    );
    let _ = denied.podid("map --verify").ok().says("incomplete: verify carts/carts: ");
}

/// What an exception accepts is not on the map; what it does not stays.
#[test]
fn exceptions_leave_out_what_they_accept() {
    let wide = json!([{"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}]);
    let env = Env::with("carts-verified", &[("/roles/1/inline/carts/Statement", wide)]);
    let file = |subject: &str, more: &str| {
        let text = format!("exceptions:\n- {{id: audit.admin, subject: {subject}, reason: known{more}}}\n");
        env.file("accepted.yaml", &text)
    };
    let _ = env.podid("map").ok().says("audit.admin");
    let own = file("role eks-workshop-carts-dynamo", "");
    let run = env.podid(&format!("map --exceptions {own}")).ok();
    assert!(!run.stdout.contains("audit.admin"), "{run}");
    let _ = run.says("not shown, because exceptions accept them: 1 finding");
    let page = env.podid(&format!("map --format html --exceptions {own}")).ok();
    assert!(!page.stdout.contains("audit.admin"), "{page}");
    let json = env.podid(&format!("map -o json --exceptions {own}")).ok().json();
    assert_eq!((&json["findings"], &json["accepted"][0]["reason"]), (&json!([]), &json!("known")));
    let other = file("role other", "");
    let run = env.podid(&format!("map --exceptions {other}")).ok().says("audit.admin");
    // It may be about what is not on this map.
    assert!(!run.stderr.contains("no finding matches"), "{run}");
    let over = file("role eks-workshop-carts-dynamo", ", expires: 2020-01-01");
    let _ = env.podid(&format!("map --exceptions {over}")).ok().says("audit.admin").says("has expired");
}
