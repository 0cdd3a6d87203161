//! What AWS answers, in the form of each SDK, and what the agent says of itself: worlds that are healthy but for one line of a log.

use serde_json::{Value, json};

use super::ids;
use crate::support::{APP, Env, Run};

fn verify(fields: &[(&'static str, Value)], code: i32) -> Run {
    Env::with("carts-verified", fields).podid("verify carts/carts -o json").code(code)
}

/// What runs on and is refused by AWS is not sound, whatever program says it.
#[test]
fn a_refusal_is_known_by_its_code_in_every_form() {
    for (text, id) in [
        (
            "ClientError: An error occurred (403) when calling the HeadObject operation: Forbidden",
            "app.unnamed-refusal",
        ),
        (
            "operation error S3: HeadObject, https response error StatusCode: 403, RequestID: A, api error Forbidden: Forbidden",
            "app.unnamed-refusal",
        ),
        (
            "AmazonS3Exception: Forbidden (Service: Amazon S3; Status Code: 403; Error Code: 403 Forbidden; Request ID: A)",
            "app.unnamed-refusal",
        ),
        (
            "AccessDenied: Access Denied\n    at throwDefaultError (/app/index.js:8:1) {\n  '$metadata': { httpStatusCode: 403 }",
            "app.unnamed-refusal",
        ),
        ("PutObject API responded with error='AccessDenied', message='Access Denied'", "app.unnamed-refusal"),
        ("Aws::SQS::Errors::InvalidClientTokenId (no)", "app.unknown-keys"),
        (
            "api error ExpiredToken: x, operation error S3: GetObject, https response error StatusCode: 400, RequestID: A",
            "app.expired",
        ),
        ("An error occurred (400) when calling the HeadBucket operation: Bad Request", "app.rejected"),
    ] {
        let run = verify(&[(APP, json!(format!("log {text}")))], 3);
        assert_eq!(ids(&run, "failed"), [id], "{text}: {run}");
    }
    // The same forms, of callers whom AWS lets in, and the same words, of others.
    for text in [
        "ClientError: An error occurred (404) when calling the HeadObject operation: Not Found",
        "operation error S3: PutObject, https response error StatusCode: 503, RequestID: A, api error SlowDown: reduce",
        "ConditionalCheckFailedException: failed (Service: DynamoDb, Status Code: 400, Request ID: 1)",
        "java.nio.file.AccessDeniedException: /data/orders",
        "WARN upstream https://api.partner.example/v1/orders returned 403 Forbidden",
    ] {
        let run = verify(&[(APP, json!(format!("log {text}")))], 0);
        assert_eq!((ids(&run, "failed"), ids(&run, "warning")), (vec![], vec![]), "{text}: {run}");
    }
}

/// A code that podid does not know is a remark in what runs, and leaves open what is the matter with what does not.
#[test]
fn a_code_that_is_not_known_is_told() {
    let text = "An error occurred (KMSInvalidStateException) when calling the Decrypt operation: pending deletion";
    let runs = verify(&[(APP, json!(format!("log {text}")))], 0);
    assert_eq!(ids(&runs, "warning"), ["app.rejected"], "{runs}");
    let crashes = verify(&[(APP, json!(format!("crash {text}")))], 3);
    assert_eq!(
        (ids(&crashes, "failed"), ids(&crashes, "unknown")),
        (vec![], vec!["app.rejected".to_owned()]),
        "{crashes}"
    );
}

/// What crashes for want of access to something else.
#[test]
fn what_others_refuse_is_no_fault_of_the_credentials() {
    for (text, failed) in [
        (
            "pods is forbidden: User \"system:serviceaccount:carts:carts\" cannot list resource \"pods\" in API group \"\"",
            false,
        ),
        ("invalid_grant: Invalid user credentials", false),
        ("ERROR https://api.partner.example/v1/orders returned 403 Forbidden", false),
        ("ERROR https://orders.s3.us-west-2.amazonaws.com/x returned status: 403 Forbidden", true),
    ] {
        let run = verify(&[(APP, json!(format!("crash {text}")))], if failed { 3 } else { 0 });
        assert_eq!(ids(&run, "failed").is_empty(), !failed, "{text}: {run}");
    }
}

/// The application only lacks credentials; the log of the agent says why.
#[test]
fn what_keeps_the_agent_from_eks_auth_is_told_from_its_log() {
    let call =
        "operation error EKS Auth: AssumeRoleForPodIdentity, https response error StatusCode: 400, RequestID: 1, ";
    let nodes = "User: arn:aws:sts::111122223333:assumed-role/eks-workshop-nodes/i-0a11b22c33d44e551 is not authorized to perform: \
                 eks-auth:AssumeRoleForPodIdentity on resource: arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop with an explicit deny in a service control policy";
    for (line, id) in [
        (String::new(), "app.no-credentials"),
        (format!("{call}AccessDeniedException: {nodes}"), "network.node-refused"),
        (
            format!("{call}api error InvalidSignatureException: Signature expired: 1 is now earlier than 2"),
            "network.agent-fails",
        ),
        (
            "dial tcp: lookup eks-auth.us-west-2.api.aws on 10.0.0.2:53: no such host".to_owned(),
            "network.eks-auth-unreachable",
        ),
        (format!("{call}ResourceNotFoundException: Cluster does not exist"), "network.agent-fails"),
    ] {
        let log = || json!({ "sandbox.podid.dev/agent-log": line });
        let run = verify(
            &[
                ("/manifests/3/metadata/annotations", log()),
                ("/manifests/4/metadata/annotations", log()),
                ("/manifests/5/metadata/annotations", log()),
                (APP, json!("crash Unable to load credentials from any of the providers in the chain")),
            ],
            3,
        );
        assert_eq!(ids(&run, "failed").first().map(String::as_str), Some(id), "{line}: {run}");
    }
}

/// What podid cannot evaluate is the cause where EKS is refused and nothing else of the policy is in its way.
#[test]
fn a_condition_that_nobody_can_evaluate_is_the_cause_where_eks_is_refused() {
    let trust = |condition: Value| {
        json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "pods.eks.amazonaws.com" },
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": condition,
        }] })
    };
    let healthy = trust(json!({ "StringEquals": { "aws:SourceAccount": "111122223333" } }));
    assert_eq!(ids(&verify(&[("/roles/1/trust", healthy)], 0), "failed"), [""; 0]);
    let run = verify(&[("/roles/1/trust", trust(json!({ "StringEquals": { "aws:ResourceTag/team": "carts" } })))], 3);
    assert_eq!(ids(&run, "failed"), ["trust.condition"], "{run}");
}

/// A namespace has no capitals: who wrote them meant this one.
#[test]
fn an_association_of_a_namespace_in_capitals_is_the_one_that_was_meant() {
    let run = verify(&[("/associations/0/namespace", json!("Carts"))], 3);
    assert_eq!(ids(&run, "failed").first().map(String::as_str), Some("association.missing"), "{run}");
    assert!(run.stdout.contains("podid associate carts/carts --role eks-workshop-carts-dynamo"), "{run}");
}

/// No permission of the role overrules an explicit Deny: it follows from nothing that the role lacks.
#[test]
fn a_deny_of_the_organization_is_a_problem_of_its_own() {
    let refused = |end: &str| {
        format!(
            "crash User: arn:aws:sts::111122223333:assumed-role/eks-workshop-carts-dynamo/eks-eks-worksh-carts-7d9f-0b1c is not authorized to perform: s3:GetObject on resource: \"arn:aws:s3:::b/k\" {end}"
        )
    };
    let run = verify(&[(APP, json!(refused("with an explicit deny in a service control policy")))], 3);
    assert!(ids(&run, "failed").contains(&"app.access-denied".to_owned()), "{run}");
    let run = verify(&[(APP, json!(refused("because no identity-based policy allows the s3:GetObject action")))], 3);
    assert_eq!(ids(&run, "failed"), ["permissions.missing"], "{run}");
}

/// A pod that runs on and logs a text as information has no problem with it.
#[test]
fn what_is_logged_as_information_is_no_failure() {
    let text = "Unable to locate credentials. You can configure credentials by running \"aws configure\".";
    let run = verify(&[(APP, json!(format!("log ERROR {text}")))], 3);
    assert_eq!(ids(&run, "failed"), ["app.no-credentials"], "{run}");
    let run = verify(&[(APP, json!(format!("log INFO {text}")))], 0);
    assert_eq!(ids(&run, "warning"), ["app.no-credentials"], "{run}");
}

/// One of the keys alone is an error in some SDKs: they are removed together.
#[test]
fn static_keys_are_removed_together() {
    let env = json!([{ "name": "AWS_ACCESS_KEY_ID", "value": "k" }, { "name": "AWS_SECRET_ACCESS_KEY", "value": "s" }]);
    let run = verify(&[("/manifests/8/spec/template/spec/containers/0/env", env)], 3);
    let keys = "set env deployment/carts AWS_ACCESS_KEY_ID- AWS_SECRET_ACCESS_KEY- AWS_SESSION_TOKEN-";
    assert!(run.stdout.contains(keys), "{run}");
}

/// A policy that allows on conditions is not to be widened: the call has to meet them.
#[test]
fn a_refusal_where_the_policy_has_conditions() {
    let (table, action) = ("arn:aws:dynamodb:us-west-2:111122223333:table/eks-workshop-carts", "dynamodb:Query");
    let who = "arn:aws:sts::111122223333:assumed-role/eks-workshop-carts-dynamo/eks-eks-worksh-carts-7d9f-0b1c";
    let text = format!(
        "crash User: {who} is not authorized to perform: {action} on resource: {table} because no identity-based policy allows the {action} action"
    );
    let statement = |tenant: &str| {
        let mut allow = json!({ "Effect": "Allow", "Action": action, "Resource": table });
        if !tenant.is_empty() {
            allow["Condition"] = json!({ "ForAllValues:StringEquals": { "dynamodb:LeadingKeys": [tenant] } });
        }
        ("/roles/1/inline/carts/Statement", json!([allow]))
    };
    let (limited, open) = (statement("tenant-a"), statement(""));
    let run = verify(&[limited.clone(), (APP, json!(text))], 3);
    assert_eq!(ids(&run, "failed"), ["app.access-denied"], "{run}");
    assert!(run.stdout.contains("meets the conditions of the role's policies"), "{run}");
    assert!(run.stdout.contains("dynamodb:LeadingKeys") && !run.stdout.contains("podid policy attach"), "{run}");
    // Where no log tells, the condition leaves it open; IAM's simulation lets the call pass.
    let needs = format!("verify carts/carts -o json --needs {action}@{table}");
    let run = Env::with("carts-verified", &[limited, (APP, json!(""))]).podid(&needs).ok();
    assert_eq!((ids(&run, "failed"), ids(&run, "unknown")), (vec![], vec!["permissions.ok".to_owned()]), "{run}");
    let run = Env::with("carts-verified", &[open, (APP, json!(""))]).podid(&needs).ok();
    assert_eq!(ids(&run, "unknown"), [""; 0], "{run}");
}

/// A text that names no resource does not ask for all of them.
#[test]
fn a_refusal_without_a_resource() {
    let who = "arn:aws:sts::111122223333:assumed-role/eks-workshop-carts-dynamo/eks-eks-worksh-carts-7d9f-0b1c";
    let text = |action: &str| json!(format!("crash User: {who} is not authorized to perform: {action}"));
    let run = verify(&[(APP, text("sqs:SendMessage"))], 3);
    assert!(run.stdout.contains("on the resource that the program uses"), "{run}");
    assert!(!run.stdout.contains("\"Resource\\\":\\\"*"), "{run}");
    // What is allowed on one table may be refused on another.
    let run = verify(&[(APP, text("dynamodb:Query"))], 3);
    assert_eq!(
        (ids(&run, "failed"), ids(&run, "unknown")),
        (vec!["app.access-denied".to_owned()], vec!["permissions.ok".to_owned()]),
        "{run}"
    );
    // This action has no resource.
    let run = verify(&[(APP, text("sqs:ListQueues"))], 3);
    assert!(run.stdout.contains("sqs:ListQueues") && !run.stdout.contains("on the resource that"), "{run}");
}

/// The list of what goes without the proxy is extended where it is, with the values that it has.
#[test]
fn the_agent_is_spared_the_proxy_by_a_command() {
    let env = |list: &str, value: &str| {
        let env = json!([{ "name": "HTTP_PROXY", "value": "http://proxy:3128" }, { "name": list, "value": value }]);
        let run = verify(&[("/manifests/8/spec/template/spec/containers/0/env", env)], 3);
        assert_eq!(ids(&run, "failed"), ["network.proxy"], "{run}");
        run.stdout
    };
    let command = "kubectl -n carts set env deployment/carts -c carts";
    let agent = "169.254.170.23,[fd00:ec2::23]'";
    assert!(env("NO_PROXY", "10.0.0.0/8,.svc").contains(&format!("{command} 'NO_PROXY=10.0.0.0/8,.svc,{agent}")));
    assert!(env("no_proxy", "10.0.0.0/8").contains(&format!("{command} 'no_proxy=10.0.0.0/8,{agent}")));
    assert!(!env("NO_PROXY", "a;id").contains(command), "no command of a value that a shell reads");
}
