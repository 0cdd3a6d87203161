//! `podid explain`: pasted texts, without asking anyone.

use crate::support::Env;

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
