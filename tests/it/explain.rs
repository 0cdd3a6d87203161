//! `podid explain`: pasted texts, without asking anyone.

use std::{fs, process::Stdio};

use serde_json::json;

use crate::support::{Env, finish, forbidding};

const REFUSED: &str = "An error occurred (AccessDenied) when calling the ListBucket operation: User: \
                       arn:aws:sts::111122223333:assumed-role/carts/eks-c-carts-1 is not authorized to perform: s3:ListBucket on \
                       resource: \"arn:aws:s3:::orders\" ";

#[test]
fn a_refusal_is_explained_offline() {
    let env = Env::new("carts-before");
    let text = format!("{REFUSED}because no identity-based policy allows the s3:ListBucket action");
    let run = env.run(&["explain", &text]).ok();
    for wanted in [
        "Pod Identity session of role carts",
        "s3:ListBucket on arn:aws:s3:::orders",
        "an identity-based policy (nothing allows it)",
        "allow `s3:ListBucket` on `arn:aws:s3:::orders` in a policy of the role",
        "`podid verify NS/SA --needs s3:ListBucket@arn:aws:s3:::orders`",
    ] {
        assert!(run.stdout.contains(wanted), "{wanted}\n{run}");
    }
    let json = env.run(&["explain", &text, "-o", "json"]).ok().json();
    let told = &json["explanations"][0];
    assert_eq!(told["identity"]["kind"], "pod-identity");
    assert_eq!(told["identity"]["role"], "carts");
    assert_eq!(told["refusal"]["layer"], "identity");
    assert_eq!(told["refusal"]["explicit"], false);
    assert!(env.world.journal().calls().is_empty());
}

/// Nothing is widened where it cannot help.
#[test]
fn no_permission_is_proposed_against_a_deny_a_boundary_or_an_organization() {
    let env = Env::new("carts-before");
    for (reason, layer) in [
        ("with an explicit deny in a service control policy", "service-control"),
        ("because no permissions boundary allows the s3:ListBucket action", "permissions-boundary"),
        ("with an explicit deny in an identity-based policy", "identity"),
    ] {
        let run = env.run(&["explain", &format!("{REFUSED}{reason}"), "-o", "json"]).ok();
        let told = run.json()["explanations"][0].clone();
        assert_eq!(told["refusal"]["layer"], layer, "{run}");
        let remedies = told["remedies"].to_string();
        assert!(!remedies.contains("podid associate") && !remedies.contains("\"allow "), "{run}");
    }
}

#[test]
fn a_known_message_names_who_prints_it_and_where_it_is_reported() {
    let env = Env::new("carts-before");
    let run = env.run(&["explain", "error: NoCredentialProviders: no valid providers in chain. Deprecated."]).ok();
    for wanted in [
        "AWS SDK for Go v1",
        "upgrade AWS SDK for Go v1 to 1.47.11 or later",
        "https://github.com/helm/chartmuseum/issues/764",
    ] {
        assert!(run.stdout.contains(wanted), "{wanted}\n{run}");
    }
    // Words without quotes are one text.
    let run = env.podid("explain Unable to locate credentials -o name").ok();
    assert_eq!(run.stdout, "botocore-none\n");
}

#[test]
fn whose_an_arn_is() {
    let env = Env::new("carts-before");
    let kind = |arn: &str| env.run(&["explain", arn, "-o", "name"]).ok().stdout.trim().to_owned();
    assert_eq!(kind("arn:aws:sts::111122223333:assumed-role/carts/eks-c-carts-1"), "pod-identity");
    assert_eq!(kind("arn:aws:sts::111122223333:assumed-role/nodes/i-0a11b22c33d44e551"), "node");
    assert_eq!(kind("arn:aws:sts::111122223333:assumed-role/app/botocore-session-1700000000"), "sdk-session");
    assert_eq!(kind("arn:aws:iam::111122223333:user/ci"), "user");
}

#[test]
fn what_is_not_known_is_an_error() {
    let env = Env::new("carts-before");
    let run = env.run(&["explain", "the widget is broken"]).code(1);
    assert!(run.stderr.contains("no known message about AWS credentials"), "{run}");
    assert!(env.run(&["explain", " "]).code(2).stderr.contains("TEXT is empty"));
}

/// A refusal of a session with this name.
fn refused(role: &str, session: &str) -> String {
    format!(
        "User: arn:aws:sts::111122223333:assumed-role/{role}/{session} is not authorized to perform: s3:GetObject on \
         resource: \"arn:aws:s3:::orders/a\" because no identity-based policy allows the s3:GetObject action"
    )
}

const ROLE: &str = "eks-workshop-carts-dynamo";

/// With a cluster the session's service account and pod are named, and the remedies are about it.
#[test]
fn a_cluster_tells_whose_session_it_is() {
    let env = Env::new("carts-associated");
    let pods = env.run(&["show", "carts/carts", "-o", "json"]).ok().json()["pods"].clone();
    let pod = pods[0]["name"].as_str().unwrap().to_owned();
    let session = format!("eks-eks-worksh-{}-c1857ccc-86be-4bd6-9c6d-0b90748341b4", &pod[..10]);
    let explain = |text: &str| env.run(&["explain", "--cluster", "eks-workshop", text, "-o", "json"]).ok().json();
    let told = explain(&refused(ROLE, &session))["explanations"][0].clone();
    let found = &told["serviceAccounts"][0];
    assert_eq!((&found["namespace"], &found["serviceAccount"]), (&json!("carts"), &json!("carts")));
    assert!(found["pods"].as_array().unwrap().contains(&json!(pod)), "{found}");
    assert!(found["association"]["associationId"].as_str().unwrap().starts_with("a-"));
    let remedies = told["remedies"].to_string();
    assert!(remedies.contains("podid verify carts/carts --needs"), "{remedies}");
    assert!(remedies.contains("--cluster eks-workshop`") && !remedies.contains("NS/SA"), "{remedies}");
    // A pod that is gone leaves the role; another role leaves nobody.
    let gone = &explain(&refused(ROLE, "eks-eks-worksh-other-abcd-c1857ccc-86be-4bd6-9c6d-0b90748341b4"));
    assert_eq!(gone["explanations"][0]["serviceAccounts"][0]["pods"], json!([]));
    let nobody = explain(&refused("other", &session))["explanations"][0].clone();
    assert_eq!(nobody["serviceAccounts"], json!([]));
    assert!(nobody["remedies"].to_string().contains("NS/SA"));
    let table = env.run(&["explain", "--cluster", "eks-workshop", &refused("other", &session)]).ok();
    assert!(table.stdout.contains("none: no association in cluster eks-workshop uses role other"), "{table}");
}

/// A log has many refusals of few sessions: each session is looked up once.
#[test]
fn one_session_is_looked_up_once() {
    let env = Env::new("carts-associated");
    let one = refused(ROLE, "eks-eks-worksh-carts");
    let text = format!("{one}\n{}", one.replace("s3:GetObject", "s3:PutObject"));
    let run = env.run(&["explain", "--cluster", "eks-workshop", &text, "-o", "json"]).ok();
    let told = run.json()["explanations"].clone();
    assert_eq!(told.as_array().unwrap().len(), 2, "{run}");
    assert_eq!(told[0]["serviceAccounts"], told[1]["serviceAccounts"]);
    assert_eq!(told[1]["serviceAccounts"][0]["serviceAccount"], "carts");
    assert_eq!(env.world.journal().count("eks", "ListPodIdentityAssociations"), 1);
    assert_eq!(env.world.journal().count("kubernetes", "list pods"), 1);
}

/// PODID_CLUSTER is for other commands: without the flag nobody is asked.
#[test]
fn only_the_flag_asks_a_cluster() {
    let env = Env::new("carts-associated");
    let told = env.run(&["explain", &refused(ROLE, "eks-eks-worksh-carts"), "-o", "json"]).ok().json();
    assert!(told["explanations"][0].get("serviceAccounts").is_none());
    assert!(env.world.journal().calls().is_empty());
}

#[test]
fn a_session_of_irsa_leads_to_the_annotation() {
    let env = Env::new("carts-irsa");
    let text = refused(ROLE, "botocore-session-1700000000");
    let run = env.run(&["explain", "--cluster", "eks-workshop", &text]).ok();
    assert!(run.stdout.contains("carts/carts (IRSA annotation)"), "{run}");
    let other = env.run(&["explain", "--cluster", "eks-workshop", &text.replace(ROLE, "other")]).ok();
    assert!(
        other.stdout.contains("none: no IRSA annotation or association in cluster eks-workshop uses role other"),
        "{other}"
    );
}

/// A program on Pod Identity that assumes a role by itself names the session as its SDK does.
#[test]
fn a_session_of_an_sdk_leads_to_the_association_too() {
    let env = Env::new("carts-associated");
    let text = refused(ROLE, "botocore-session-1700000000");
    let run = env.run(&["explain", "--cluster", "eks-workshop", &text]).ok();
    assert!(run.stdout.contains("carts/carts (association a-"), "{run}");
}

/// Logs are piped in as they are: large, and with bytes that are no text.
#[test]
fn a_log_is_read_whole() {
    let env = Env::new("carts-before");
    let mut log = "2026-01-01T00:00:00Z GET /carts/7 200 in 3 ms\n".repeat(40_000).into_bytes();
    log.extend(b"\xff\xfe\n");
    log.extend(refused(ROLE, "eks-eks-worksh-carts").as_bytes());
    let path = env.file("app.log", "");
    fs::write(&path, &log).unwrap();
    let mut command = env.command(&["explain", "-"]);
    command.stdin(fs::File::open(&path).unwrap()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = finish(command.spawn().unwrap()).ok();
    assert!(run.stdout.contains("Pod Identity session of role"), "{run}");
}

/// What a text does not name is not proposed as everything.
#[test]
fn no_resource_is_not_every_resource() {
    let env = Env::new("carts-before");
    let text =
        "User: arn:aws:sts::111122223333:assumed-role/carts/eks-c-carts-1 is not authorized to perform: s3:ListBucket";
    let run = env.run(&["explain", text]).ok();
    assert!(!run.stdout.contains('*') && run.stdout.contains("--needs s3:ListBucket@RESOURCE"), "{run}");
    let named = env.run(&["explain", &format!("{text} on resource: arn:aws:s3:::orders")]).ok();
    assert!(named.stdout.contains("--needs s3:ListBucket@arn:aws:s3:::orders"), "{named}");
}

/// Pods that may not be read are said, and the role still leads to the service account.
#[test]
fn what_could_not_be_read_of_pods_is_said() {
    let env = Env::with("carts-associated", &[forbidding(&["list pods"])]);
    let run = env.run(&["explain", "--cluster", "eks-workshop", &refused(ROLE, "eks-eks-worksh-carts")]).ok();
    assert!(run.stdout.contains("carts/carts (association a-"), "{run}");
    assert!(run.stdout.contains("not allowed: list pods"), "{run}");
}
