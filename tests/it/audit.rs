//! `podid audit`: each finding beside the healthy world, its fix tried where that is a command, and exceptions.

use serde_json::{Value, json};

use crate::support::{Env, Run, denying};

const ROLE: &str = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";

const AGENT: &str = "add-on eks-pod-identity-agent";

/// Ids and subjects of what was found.
fn found(run: &Run) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = run.json()["findings"].as_array().unwrap().clone();
    all.iter().map(|it| (text(&it["id"]), text(&it["subject"]))).collect()
}

fn pair(id: &str, subject: &str) -> (String, String) {
    (id.to_owned(), subject.to_owned())
}

fn associated(namespace: &str, name: &str, role: &str) -> Value {
    json!({"namespace": namespace, "service_account": name, "role": role})
}

/// The role allows everything.
fn wide() -> (&'static str, Value) {
    let statement = json!([{"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}]);
    ("/roles/1/inline/carts/Statement", statement)
}

/// A role of podid's that trusts Pod Identity, and does nothing.
fn spare() -> Value {
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {"StringEquals": {"aws:RequestTag/eks-cluster-arn": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop"}}}]});
    let tags = json!({"podid.dev/managed-by": "podid",
        "podid.dev/cluster": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop"});
    json!({"name": "spare", "path": "/podid/", "trust": trust, "tags": tags})
}

/// podid's statement for a service account that is gone.
fn for_gone() -> Value {
    json!({"Sid": "Podidc16411d9d1441b2f", "Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"], "Condition": {"StringEquals": {
            "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop",
            "aws:RequestTag/kubernetes-namespace": "carts", "aws:RequestTag/kubernetes-service-account": "gone"}}})
}

#[test]
fn a_healthy_cluster_has_no_finding() {
    let run = Env::new("carts-verified").podid("audit");
    insta::assert_snapshot!(run.steady(), @r"
    exit 0
    --- stdout
    cluster eks-workshop: 0 problems, 0 warnings
    ");
}

#[test]
fn each_finding_beside_the_healthy_world() {
    let trust = |key: &str, value: Value| (format!("/roles/1/trust/Statement/0/{key}"), value);
    let inline = |action: &str| {
        let statement = json!([{"Effect": "Allow", "Action": action, "Resource": "*"}]);
        ("/roles/1/inline/carts/Statement".to_owned(), statement)
    };
    let one = |namespace: &str, name: &str| {
        (
            "/associations/-".to_owned(),
            associated(namespace, name, &ROLE.replace("eks-workshop-carts-dynamo", "podid/spare")),
        )
    };
    let role = "role eks-workshop-carts-dynamo";
    for (set, code, id, subject) in [
        (vec![("/roles/-".to_owned(), spare()), one("gone", "app")], 3, "audit.namespace-missing", "gone/app"),
        (vec![("/roles/-".to_owned(), spare()), one("carts", "app")], 3, "audit.service-account-missing", "carts/app"),
        (vec![("/roles/-".to_owned(), spare())], 0, "audit.role-unused", "role spare"),
        (vec![("/roles/1/trust/Statement/-".to_owned(), for_gone())], 0, "audit.statement-unused", role),
        (vec![("/addons/0/version".to_owned(), json!("v1.3.9-eksbuild.3"))], 0, "audit.agent-outdated", AGENT),
        (
            vec![("/manifests/6/metadata/annotations".to_owned(), json!({"eks.amazonaws.com/role-arn": ROLE}))],
            0,
            "audit.irsa-annotation",
            "carts/carts",
        ),
        (vec![trust("Condition", json!({}))], 0, "audit.role-open", role),
        (vec![trust("Principal", json!({"Service": "ec2.amazonaws.com"}))], 3, "audit.no-credentials", "carts/carts"),
        (vec![inline("dynamodb:*")], 0, "audit.all-actions", role),
        (vec![inline("*")], 3, "audit.admin", role),
        (
            vec![("/manifests/8/spec/template/spec/serviceAccountName".to_owned(), json!("default"))],
            0,
            "audit.association-unused",
            "carts/carts",
        ),
    ] {
        let fields: Vec<(&str, Value)> = set.iter().map(|(path, value)| (path.as_str(), value.clone())).collect();
        let env = Env::with("carts-verified", &fields);
        let run = env.podid("audit -o json").code(code);
        assert_eq!(found(&run), [pair(id, subject)], "{set:?}");
        let strict = env.podid("audit --strict -o name").code(3);
        assert_eq!(strict.stdout.lines().collect::<Vec<_>>(), [id]);
    }
}

#[test]
fn an_association_whose_role_was_deleted_is_a_problem() {
    let gone = json!(ROLE.replace("eks-workshop-carts-dynamo", "deleted"));
    let run = Env::with("carts-verified", &[("/associations/0/role", gone)]).podid("audit -o json").code(3);
    assert_eq!(found(&run)[0], pair("audit.role-missing", "carts/carts"));
}

/// A fix that is a command of podid's makes its finding go.
#[test]
fn the_fixes_work() {
    let gone = associated("gone", "app", "arn:aws:iam::111122223333:role/podid/spare");
    let env = Env::with("carts-verified", &[("/roles/-", spare()), ("/associations/-", gone)]);
    for _ in 0..2 {
        let all = env.podid("audit --strict -o json").code(3).json();
        let fix = all["findings"][0]["remedies"][0]["command"].as_str().unwrap().to_owned();
        let words = fix.strip_prefix("podid ").unwrap();
        let _ = env.podid(&format!("{words} --yes")).ok();
    }
    let _ = env.podid("audit --strict").ok();
}

/// An association that podid created for a service account of a namespace that is gone, with a role of podid's that does nothing.
fn left_over() -> Env {
    let mut gone = associated("gone", "app", "arn:aws:iam::111122223333:role/podid/spare");
    gone["tags"] = spare()["tags"].clone();
    Env::with("carts-verified", &[("/roles/-", spare()), ("/associations/-", gone)])
}

fn texts(document: &Value, pointer: &str) -> Vec<String> {
    let all = document.pointer(pointer).unwrap().as_array().unwrap();
    all.iter().map(|it| it.as_str().or(it["action"].as_str()).or(it["id"].as_str()).unwrap().to_owned()).collect()
}

#[test]
fn fix_closes_what_podid_left_over() {
    let env = left_over();
    insta::assert_snapshot!(env.podid("audit --fix --dry-run").ok().steady(), @r"
    exit 0
    --- stdout
    cluster eks-workshop: 0 problems, 0 warnings, 1 would be fixed
    --- stderr
    Plan for cluster eks-workshop (111122223333, us-west-2):
      - delete the association of gone/app (role spare)
      - delete role spare
    Plan: 0 to create, 0 to change, 2 to delete
    ");
    let _ = env.podid("audit --fix --dry-run --exit-code").code(3);
    let _ = env.podid("audit --fix").code(2).says("confirmation required");
    assert_eq!(env.writes(), [""; 0]);
    let run = env.podid("audit --fix --yes -o json").ok();
    let document = run.json();
    assert_eq!(found(&run), []);
    assert_eq!(texts(&document, "/steps"), ["deleteAssociation", "deleteRole"]);
    assert!(document["steps"].as_array().unwrap().iter().all(|step| step["status"] == "done"), "{run}");
    assert_eq!(texts(&document, "/fixed"), ["audit.namespace-missing"]);
    assert_eq!(texts(&document, "/notFixed"), [""; 0]);
    let _ = env.podid("audit --strict").ok();
    let again = env.podid("audit --fix --yes").ok().says("podid cannot fix any finding");
    assert_eq!(again.stdout, "cluster eks-workshop: 0 problems, 0 warnings\n");
}

/// The statement for carts/gone goes, and no other; the role stays in use.
#[test]
fn fix_removes_the_statement_of_a_service_account_that_is_gone() {
    let env = Env::with("carts-verified", &[("/roles/1/trust/Statement/-", for_gone())]);
    insta::assert_snapshot!(env.podid("audit").ok().steady(), @"
    exit 0
    --- stdout
    cluster eks-workshop: 0 problems, 1 warning

    Warnings:
      1. role eks-workshop-carts-dynamo: podid's statement allows carts/gone in cluster eks-workshop,
         which has no association with the role (audit.statement-unused)
         seen: the trust policy of role eks-workshop-carts-dynamo: statement Podidc16411d9d1441b2f
         fix: if it is to get none, remove the statement: `podid audit --fix=audit.statement-unused`
    ");
    let run = env.podid("audit --fix=audit.statement-unused --yes -o json").ok();
    assert_eq!(texts(&run.json(), "/fixed"), ["audit.statement-unused"]);
    assert_eq!(env.writes(), ["iam UpdateAssumeRolePolicy"]);
    let _ = env.podid("verify carts/carts").ok();
    let there =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "gone", "namespace": "carts"}});
    let env = Env::with("carts-verified", &[("/roles/1/trust/Statement/-", for_gone()), ("/manifests/-", there)]);
    let _ = env.podid("audit --fix --yes").ok().says("carts/gone exists, and may be about to get its association");
    assert_eq!(env.writes(), [""; 0]);
}

/// Each twin differs in one field; nothing is written.
#[test]
fn fix_leaves_what_is_not_podids_or_in_doubt() {
    let mut gone = associated("gone", "app", "arn:aws:iam::111122223333:role/podid/spare");
    let unowned = gone.clone();
    gone["tags"] = spare()["tags"].clone();
    let mut theirs = spare();
    theirs["tags"] = json!({});
    let mut kept = spare();
    kept["tags"]["podid.dev/manifest"] = json!("shop");
    let open = ("/roles/1/trust/Statement/0/Condition", json!({}));
    for (set, code, why) in [
        (vec![("/roles/-", spare()), ("/associations/-", unowned)], 3, "podid did not create the association"),
        (vec![("/roles/-", theirs)], 0, "podid did not create the role for cluster eks-workshop"),
        (vec![("/roles/-", kept)], 0, "it belongs to the manifest named `shop`"),
        (vec![("/roles/-", spare()), denying("iam:ListInstanceProfilesForRole")], 0, "iam:ListInstanceProfilesForRole"),
        (vec![open], 0, "podid did not create role `eks-workshop-carts-dynamo`"),
        (vec![wide()], 3, "podid has no fix for this check"),
    ] {
        let env = Env::with("carts-verified", &set);
        let run = env.podid("audit --fix --yes -o json").code(code);
        let reasons = run.json()["notFixed"].to_string();
        assert!(reasons.contains(why), "{why}: {run}");
        assert_eq!(env.writes(), [""; 0], "{why}");
        let text = env.podid("audit --fix --yes").code(code);
        assert!(text.stdout.contains("not fixed by podid: "), "{text}");
    }
    let known = "exceptions:\n- { id: audit.role-unused, subject: role spare, reason: known }\n";
    let env = Env::with("carts-verified", &[("/roles/-", spare())]);
    let _ = env.podid(&format!("audit --fix --yes --exceptions {}", env.file("accepted.yaml", known))).ok();
    assert_eq!(env.writes(), [""; 0]);
}

#[test]
fn fix_of_some_checks_only() {
    let env = left_over();
    let run = env.podid("audit --fix=audit.namespace-missing --yes -o json").ok();
    assert_eq!(texts(&run.json(), "/steps"), ["deleteAssociation"]);
    assert_eq!(found(&run), [pair("audit.role-unused", "role spare")]);
    for (ids, said) in [
        ("audit.admin", "podid has no fix for `audit.admin`; it has one for audit.namespace-missing, "),
        ("audit.role-unusde", "did you mean `audit.role-unused`?"),
    ] {
        let _ = env.podid(&format!("audit --fix={ids}")).code(2).says(said);
    }
    let _ = env.podid("audit --dry-run").code(2).says("--fix");
}

/// A write that is refused: what was done before it is said, and the rest stays.
#[test]
fn fix_that_ends_midway() {
    let mut gone = associated("gone", "app", "arn:aws:iam::111122223333:role/podid/spare");
    gone["tags"] = spare()["tags"].clone();
    let set = [("/roles/-", spare()), ("/associations/-", gone), denying("iam:DeleteRole")];
    let run = Env::with("carts-verified", &set).podid("audit --fix --yes -o json").code(6);
    let states: Vec<Value> =
        run.json()["steps"].as_array().unwrap().iter().map(|step| step["status"].clone()).collect();
    assert_eq!(states, ["done", "failed"]);
    assert_eq!(texts(&run.json(), "/fixed"), [""; 0]);
}

#[test]
fn exceptions_accept_what_is_known() {
    let env = Env::with("carts-verified", &[wide()]);
    let file = |text: &str| env.file("accepted.yaml", &format!("exceptions:\n{text}"));
    let admin = "- id: audit.admin\n  subject: role eks-workshop-carts-dynamo\n  reason: known\n";
    let run = env.podid(&format!("audit -o json --exceptions {}", file(admin))).ok();
    assert_eq!(run.json()["accepted"][0]["reason"], "known");
    assert_eq!(run.stderr, "");
    let sarif = env.podid(&format!("audit -o sarif --exceptions {}", file(admin))).ok().json();
    let results = &sarif["runs"][0]["results"];
    assert_eq!(results.as_array().map(Vec::len), Some(1), "{sarif}");
    assert_eq!(results[0]["suppressions"], json!([{ "kind": "external", "justification": "known" }]));
    let over = format!("{admin}  expires: 2020-01-01\n");
    let _ = env.podid(&format!("audit --exceptions {}", file(&over))).code(3).says("has expired");
    let other = "- { id: audit.admin, subject: role other, reason: known }\n";
    let _ = env.podid(&format!("audit --exceptions {}", file(other))).code(3).says("no finding matches");
    for (text, said) in [
        (
            "- { id: audit.admin, subject: x, reasons: y }\n",
            "accepted.yaml:2:34: exceptions[0].reasons: unknown key; did you mean `reason`?",
        ),
        ("- { id: audit.amin, subject: x, reason: y }\n", "did you mean `audit.admin`?"),
        ("- { id: audit.admin, subject: x }\n", "key `reason` is missing"),
        ("- { id: audit.admin, subject: x, reason: y, expires: soon }\n", "this is not a day"),
    ] {
        let _ = env.podid(&format!("audit --exceptions {}", file(text))).code(2).says(said);
    }
}

#[test]
fn blind_is_not_clean() {
    for action in ["iam:ListRoles", "iam:GetRole"] {
        let env = Env::with("carts-verified", &[denying(action)]);
        let _ = env.podid("audit").code(4).says("incomplete: not everything could be checked").says(action);
        let _ = env.podid("audit --allow-incomplete").ok().says("--allow-incomplete is set").says(action);
    }
    let kube = Env::with("carts-verified", &[("/callers/0/rbac_denies", json!(["list namespaces"]))]);
    let _ = kube.podid("audit").code(4).says("list namespaces");
}

#[test]
fn reports() {
    let env = Env::with("carts-verified", &[wide()]);
    let sarif = env.podid("audit -o sarif").code(3).json();
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!((&result["ruleId"], &result["level"]), (&json!("audit.admin"), &json!("error")));
    let _ = env.podid("audit -o junit").code(2).says("this command prints");
    let markdown = env.podid("audit -o markdown").code(3);
    for part in ["# podid audit", "- Found: 1 problem, 0 warnings", "(`audit.admin`)", "   - fix: allow only what"] {
        assert!(markdown.stdout.contains(part), "{markdown}");
    }
    insta::assert_snapshot!(env.podid("audit").code(3).steady(), @r"
    exit 3
    --- stdout
    cluster eks-workshop: 1 problem, 0 warnings

    Problems:
      1. role eks-workshop-carts-dynamo: statement `All` of policy carts allows * on * (audit.admin)
         seen: used by: carts/carts
         fix: allow only what the workload needs: `podid access carts/carts` shows what it has
    ");
}

/// A world whose role exists for a year, and used these services so many days ago.
fn used(days: &Value) -> Vec<(&'static str, Value)> {
    let seconds = |days: &Value| json!(days.as_i64().unwrap() * 24 * 60 * 60);
    let used = days.as_object().unwrap().iter().map(|(service, days)| (service.clone(), seconds(days)));
    let statements = json!([{"Effect": "Allow", "Action": ["dynamodb:Query", "s3:GetObject"], "Resource": "*"}]);
    vec![
        ("/roles/1/age_s", json!(365 * 24 * 60 * 60)),
        ("/roles/1/attached", json!([])),
        ("/roles/1/inline/carts", json!({"Version": "2012-10-17", "Statement": statements})),
        ("/roles/1/last_used_s", used.collect()),
    ]
}

#[test]
fn services_that_a_role_does_not_use_are_found() {
    let line = "audit --last-accessed";
    let env = Env::with("carts-verified", &used(&json!({"dynamodb": 1, "s3": 89})));
    let run = env.podid(&format!("{line} -o json")).ok();
    assert_eq!(found(&run), []);
    let asked = |name: &str| env.world.journal().calls().iter().filter(|call| call.operation == name).count();
    assert_eq!(asked("GenerateServiceLastAccessedDetails"), 1);
    // The report is not there at once.
    assert!(asked("GetServiceLastAccessedDetails") > 1);

    let env = Env::with("carts-verified", &used(&json!({"dynamodb": 1, "s3": 91})));
    let unused = [pair("audit.permission-unused", "role eks-workshop-carts-dynamo")];
    let run = env.podid(&format!("{line} -o json")).ok();
    assert_eq!(found(&run), unused);
    let finding = &run.json()["findings"][0];
    assert_eq!(finding["status"], "warning");
    assert_eq!(finding["message"], "1 of 2 services that its policies allow was not used for 90 days: s3");
    assert!(finding["evidence"][0]["text"].as_str().unwrap().starts_with("s3: last used on "), "{finding}");
    assert_eq!(found(&env.podid(&format!("{line} --strict -o json")).code(3)), unused);
    assert_eq!(found(&env.podid(&format!("{line} --unused-for 92 -o json")).ok()), []);
    // Nobody asked for it.
    assert_eq!(found(&env.podid("audit -o json").ok()), []);
    assert!(env.podid("audit --unused-for 30").code(2).stderr.contains("--last-accessed"));
}

#[test]
fn a_report_that_cannot_be_read_is_unknown() {
    let line = "audit --last-accessed -o json";
    for action in ["iam:GenerateServiceLastAccessedDetails", "iam:GetServiceLastAccessedDetails"] {
        let set = [used(&json!({"dynamodb": 1, "s3": 1})), vec![denying(action)]].concat();
        let run = Env::with("carts-verified", &set).podid(line).code(4);
        assert_eq!(found(&run), [pair("audit.unread", "last use of role eks-workshop-carts-dynamo")], "{run}");
    }
    // IAM takes longer than there is time.
    let set = [used(&json!({"dynamodb": 1, "s3": 1})), vec![("/delays", json!({ "iam": 60_000 }))]].concat();
    let run = Env::with("carts-verified", &set).podid(&format!("{line} --timeout 5s")).code(5);
    assert!(run.stderr.contains("reading the last use of role eks-workshop-carts-dynamo"), "{run}");
}
