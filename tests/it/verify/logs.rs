//! What applications print, in worlds that are healthy but for that.

use serde_json::json;

use super::{ids, saved};
use crate::support::{APP, Env, Run};

const SESSION: &str = "User: arn:aws:sts::111122223333:assumed-role/eks-workshop-carts-dynamo/eks-eks-worksh-carts-7d9f-0b1c is not \
                       authorized to perform: ";

fn verify(text: &str, fields: &[(&'static str, serde_json::Value)]) -> Run {
    let fields = [&[(APP, json!(format!("crash {text}")))][..], fields].concat();
    saved(&Env::with("carts-verified", &fields), "carts/carts").code(3)
}

/// The check that finds it, first, and all remedies of its finding.
#[track_caller]
fn found(run: &Run, id: &str) -> String {
    assert_eq!(ids(run, "failed").first().map(String::as_str), Some(id), "{run}");
    let findings = run.json()["reports"][0]["findings"].as_array().unwrap().clone();
    let finding = findings.iter().find(|finding| finding["id"] == id).unwrap();
    assert!(finding["evidence"].as_array().is_some_and(|evidence| !evidence.is_empty()), "{run}");
    finding["remedies"].to_string()
}

/// Anything that the role may do but the log says it may not.
fn allowed() -> (&'static str, serde_json::Value) {
    let all = json!({ "Effect": "Allow", "Action": ["s3:*", "sts:*", "kms:*"], "Resource": "*" });
    ("/roles/1/inline/more", json!({ "Version": "2012-10-17", "Statement": [all] }))
}

/// The checks that a message would send its reader to have been made, and an injected pod gains nothing by a restart.
#[test]
fn remedies_that_the_other_checks_rule_out_are_left_out() {
    let text = "botocore.exceptions.NoCredentialsError: Unable to locate credentials";
    let remedies = found(&verify(text, &[]), "app.no-credentials");
    assert!(!remedies.contains("`podid verify carts/carts`") && !remedies.contains("podid recycle"), "{remedies}");
    let offline = Env::new("carts-verified").run(&["explain", text]).ok();
    assert!(offline.stdout.contains("podid verify NS/SA") && offline.stdout.contains("podid recycle"), "{offline}");
}

#[test]
fn messages_are_known_by_the_words_that_programs_print() {
    let healthy = Env::new("carts-verified").podid("verify carts/carts -o json").ok();
    assert_eq!(ids(&healthy, "failed"), [""; 0], "{healthy}");
    for (text, id, remedy) in [
        (
            "Missing credentials in config, if using AWS_CONFIG_FILE, set AWS_SDK_LOAD_CONFIG=1",
            "app.no-credentials",
            "2.1550.0",
        ),
        ("NoCredentialProviders: no valid providers in chain. Deprecated.", "app.no-credentials", "1.47.11"),
        ("botocore.exceptions.NoCredentialsError: Unable to locate credentials", "app.no-credentials", "1.34.41"),
        // Masking takes the host away, by which it is known.
        (
            "CredentialsProviderError: 169.254.170.23 is not a valid container metadata service hostname",
            "app.old-sdk",
            "fromHttp",
        ),
        (
            "Error retrieving credentials from the container provider (400 Bad Request: Service account token cannot be empty)",
            "app.no-token",
            "clear_env",
        ),
        ("Non-success status from HTTP credential provider: StatusCode(400)", "app.no-token", "release-2024-03-13"),
        (
            "(ResourceNotFoundException): The token included in the request has no service account role association for it.",
            "app.no-association",
            "podid recycle carts/carts",
        ),
        (
            "failed to create store: unexpected error from ListObjects on shop: Access Denied",
            "app.unnamed-refusal",
            "7.0.70",
        ),
        (
            "Required AWS_ACCESS_KEY_ID environment variable missing",
            "app.wants-keys",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ),
        (
            "Generic S3 error: Error performing PUT http://169.254.169.254/latest/api/token in 10.4s, after 3 retries: operation timed out",
            "app.metadata",
            "container credentials",
        ),
        (
            "The full URI (http://[fd00:ec2::23]/v1/credentials) contained within environment variable AWS_CONTAINER_CREDENTIALS_FULL_URI has an invalid host.",
            "app.ipv6",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6",
        ),
    ] {
        let remedies = found(&verify(text, &[]), id);
        assert!(remedies.contains(remedy), "{text}: {remedies}");
    }
}

/// Neither the credentials nor a permission is at fault: a warning, with what helps.
#[test]
fn what_is_wrong_beyond_the_credentials_is_told_apart() {
    let region = "AuthorizationHeaderMalformed: The authorization header is malformed; the region 'us-east-1' is wrong; expecting \
                  'eu-west-1'";
    for (text, id, remedy) in [
        (region, "app.wrong-region", "AWS_REGION"),
        ("ResourceNotFoundException: Requested resource not found", "app.not-found", "the table"),
        (
            "EndpointConnectionError: Could not connect to the endpoint URL: https://sqs.us-west-1.amazonaws.com/",
            "app.unreachable",
            "NAT gateway",
        ),
        ("java.net.UnknownHostException: sqs.us-west-1.amazonaws.com", "app.unreachable", "CoreDNS"),
        (
            "SdkClientException: Unable to execute HTTP request: PKIX path building failed",
            "app.unreachable",
            "AWS_CA_BUNDLE",
        ),
    ] {
        let crashes = Env::with("carts-verified", &[(APP, json!(format!("crash {text}")))]);
        let run = crashes.podid("verify carts/carts -o json").ok();
        assert_eq!(ids(&run, "warning"), [id], "{run}");
        assert!(run.stdout.contains(remedy), "{run}");
    }
    // The same words of a host that is not AWS's.
    let own = json!("log java.net.UnknownHostException: shop-db.carts.svc");
    let own = Env::with("carts-verified", &[(APP, own)]).podid("verify carts/carts -o json").ok();
    assert_eq!(ids(&own, "warning"), [""; 0], "{own}");
    for (text, id, remedy) in [
        ("FATAL: PAM authentication failed for user carts", "app.database", "rds-db:connect"),
        (
            "AccessDeniedException: You don't have access to the model with the specified model ID.",
            "app.not-enabled",
            "Bedrock",
        ),
    ] {
        let remedies = found(&verify(text, &[]), id);
        assert!(remedies.contains(remedy), "{text}: {remedies}");
    }
    // A database of its own has nothing to do with AWS.
    let own = json!("crash FATAL: password authentication failed for user carts");
    let own = Env::with("carts-verified", &[(APP, own)]).podid("verify carts/carts -o json").ok();
    assert_eq!(ids(&own, "warning"), ["app.failing"], "{own}");
}

#[test]
fn the_likely_source_of_unknown_keys_is_named() {
    let text = "InvalidAccessKeyId: The AWS Access Key Id you provided does not exist in our records.";
    let own = json!([{ "name": "SHOP_S3_ACCESS_KEY", "value": "placeholder" }]);
    let run = verify(text, &[("/manifests/8/spec/template/spec/containers/0/env", own)]);
    assert!(found(&run, "app.unknown-keys").contains("`SHOP_S3_ACCESS_KEY`"), "{run}");
    assert!(!run.stdout.contains("placeholder"), "{run}");
    assert!(!found(&verify(text, &[]), "app.unknown-keys").contains("SHOP_S3_ACCESS_KEY"));
}

#[test]
fn a_sidecar_that_refuses_is_told_from_a_missing_agent() {
    let text = "Connect error on http://169.254.170.23/v1/credentials: connection refused";
    let mesh = json!([{ "name": "carts", "image": "c:1" }, { "name": "istio-proxy", "image": "istio/proxyv2:1.24" }]);
    let run = verify(text, &[("/manifests/8/spec/template/spec/containers", mesh)]);
    assert!(found(&run, "app.mesh").contains("excludeOutboundIPRanges: 169.254.170.23/32"), "{run}");
    assert!(found(&verify(text, &[]), "app.no-answer").contains("podid agent status"));
}

/// A need is read out of a refusal, however it is written.
#[test]
fn refusals_are_read_in_every_form() {
    for refusal in [
        "s3:ListBucket on resource: \"arn:aws:s3:::orders\" because no identity-based policy allows the s3:ListBucket action",
        "S3:ListBucket on resource: arn:aws:s3:::orders because no identity-based policy allows the s3:ListBucket action",
        "elasticloadbalancing:DescribeLoadBalancers because no identity-based policy allows the elasticloadbalancing:DescribeLoadBalancers action",
        "secretsmanager:GetSecretValue on resource: shop/db because no identity-based policy allows the secretsmanager:GetSecretValue action",
    ] {
        found(&verify(&format!("AccessDenied: {SESSION}{refusal}"), &[]), "permissions.missing");
    }
}

/// The role allows it, and the log proves that it is refused all the same: by whom, the words say.
#[test]
fn the_policy_that_refused_has_to_be_changed() {
    let role = "arn:aws:iam::111122223333:role/eks-workshop-carts-dynamo";
    for (refusal, id, remedy) in [
        (
            "s3:PutObject on resource: \"arn:aws:s3:::orders/x\" with an explicit deny in a resource-based policy"
                .to_owned(),
            "app.access-denied",
            "change the Deny in the policy of arn:aws:s3:::orders/x",
        ),
        (
            "s3:PutObject on resource: \"arn:aws:s3:::orders/x\" with an explicit deny in a VPC endpoint policy"
                .to_owned(),
            "app.access-denied",
            "policy of the VPC endpoint",
        ),
        (
            "sts:TagSession on resource: arn:aws:iam::444455556666:role/deployer".to_owned(),
            "app.second-role",
            "in the trust policy of arn:aws:iam::444455556666:role/deployer",
        ),
        (format!("sts:AssumeRole on resource: {role}"), "app.assumes-itself", "remove the role from its settings"),
    ] {
        let run = verify(&format!("{SESSION}{refusal}"), &[allowed()]);
        let remedies = found(&run, id);
        assert!(remedies.contains(remedy), "{refusal}: {remedies}");
    }
}

/// A world whose pods are ready, and whose application has written this; what `verify` finds first and how it ends.
fn ready(text: &str, fields: &[(&'static str, serde_json::Value)], code: i32) -> Run {
    let fields = [&[(APP, json!(format!("log {text}")))][..], fields].concat();
    Env::with("carts-verified", &fields).podid("verify carts/carts -o json").code(code)
}

/// Controllers stay ready while every call of theirs is refused.
#[test]
fn what_a_ready_container_says_counts() {
    let healthy = ready("listening on 8080", &[allowed()], 0);
    assert_eq!(ids(&healthy, "failed"), [""; 0], "{healthy}");
    let refused = format!(
        "AccessDenied: {SESSION}s3:PutObject on resource: \"arn:aws:s3:::orders/x\" with an explicit deny in a resource-based policy"
    );
    for (text, id) in [
        (refused.as_str(), "app.access-denied"),
        ("NoCredentialProviders: no valid providers in chain. Deprecated.", "app.no-credentials"),
        ("failed to create store: unexpected error from ListObjects on shop: Access Denied", "app.unnamed-refusal"),
    ] {
        let run = ready(&format!("starting\n{text}\nnext try in 10m"), &[allowed()], 3);
        assert_eq!(ids(&run, "failed").first().map(String::as_str), Some(id), "{run}");
        // What is over is no failure.
        let run = ready(&format!("{text}\nsynced\nsynced\nsynced"), &[allowed()], 0);
        assert_eq!(ids(&run, "failed"), [""; 0], "{run}");
    }
}

#[test]
fn a_sidecars_log_is_read_too() {
    let containers = json!([{ "name": "carts", "image": "c:1" }, { "name": "agent", "image": "fluent/fluent-bit:3" }]);
    let world = |text: &str| {
        let annotations = "/manifests/8/spec/template/metadata/annotations";
        let says = json!({ "sandbox.podid.dev/app": "log listening", "sandbox.podid.dev/log.agent": text });
        let fields = [("/manifests/8/spec/template/spec/containers", containers.clone()), (annotations, says)];
        Env::with("carts-verified", &fields)
    };
    let healthy = world("started").podid("verify carts/carts -o json").ok();
    assert_eq!(ids(&healthy, "failed"), [""; 0], "{healthy}");
    let run = world("NoCredentialProviders: no valid providers in chain").podid("verify carts/carts -o json").code(3);
    assert!(found(&run, "app.no-credentials").contains("1.47.11"), "{run}");
}

#[test]
fn how_much_of_a_log_is_read() {
    let text = "NoCredentialProviders: no valid providers in chain\none\ntwo";
    let fields = [(APP, json!(format!("log {text}")))];
    let env = Env::with("carts-verified", &fields);
    for (flags, seen) in
        [("", true), ("--tail 2", false), ("--no-logs", false), ("--since 10000h", true), ("--since 1s", false)]
    {
        let run = env.podid(&format!("verify carts/carts -o json {flags}")).code(if seen { 3 } else { 0 });
        assert_eq!(ids(&run, "failed").contains(&"app.no-credentials".to_owned()), seen, "{flags}: {run}");
    }
    for flags in ["--tail 0", "--since soon", "--no-logs --tail 5"] {
        let run = env.podid(&format!("verify carts/carts {flags}")).code(2);
        assert!(run.stdout.is_empty(), "{run}");
    }
}

/// What the role was allowed since is over, as far as anybody can see: the log of a ready container only grows.
#[test]
fn a_refusal_that_was_mended_is_a_warning() {
    let refused = format!(
        "AccessDenied: {SESSION}s3:PutObject on resource: \"arn:aws:s3:::orders/x\" because no identity-based policy allows the s3:PutObject action"
    );
    let broken = ready(&refused, &[], 3);
    assert_eq!(ids(&broken, "failed"), ["permissions.missing"], "{broken}");
    let mended = ready(&refused, &[allowed()], 0);
    assert_eq!(ids(&mended, "warning"), ["app.access-denied"], "{mended}");
}

/// Nothing is logged by what never started: the kubelet's last Event says why.
#[test]
fn a_volume_that_cannot_be_mounted_is_named() {
    let healthy = Env::with("carts-verified", &[(APP, json!("log up"))]).podid("verify carts/carts -o json").ok();
    assert_eq!(ids(&healthy, "failed"), [""; 0], "{healthy}");
    let stuck = [(APP, json!("mount-error secret \"tls\" not found"))];
    let run = Env::with("carts-verified", &stuck).podid("verify carts/carts -o json").code(3);
    assert!(found(&run, "app.not-started").contains("create the Secret"), "{run}");
    assert!(run.stdout.contains("FailedMount") && run.stdout.contains(r#"secret \"tls\" not found"#), "{run}");
    // Without the Event it is found all the same.
    let hidden = [stuck[0].clone(), crate::support::forbidding(&["list events"])];
    let run = Env::with("carts-verified", &hidden).podid("verify carts/carts -o json").code(3);
    assert!(found(&run, "app.not-started").contains("kubectl -n carts describe pod"), "{run}");
}
