//! Refusals as services write them.

use super::*;

const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/carts/eks-eks-worksh-carts-7d9f-0b1c";

/// The only refusal in a text.
#[track_caller]
fn only(text: &str) -> Refusal {
    let mut found = refusals(text);
    assert_eq!(found.len(), 1, "{text}: {found:?}");
    found.remove(0)
}

#[test]
fn action_and_resource_are_read_in_every_form() {
    let bucket = Some("arn:aws:s3:::orders");
    for (rest, action, resource) in [
        (
            ": s3:ListBucket on resource: arn:aws:s3:::orders because no identity-based policy allows it",
            "s3:ListBucket",
            bucket,
        ),
        (
            ": s3:ListBucket on resource: \"arn:aws:s3:::orders\" because no identity-based policy",
            "s3:ListBucket",
            bucket,
        ),
        (": s3:ListBucket on resource: \\\"arn:aws:s3:::orders\\\" because", "s3:ListBucket", bucket),
        (": s3:ListBucket on resource: 'arn:aws:s3:::orders'.", "s3:ListBucket", bucket),
        (": S3:ListBucket on resource: arn:aws:s3:::orders.", "s3:ListBucket", bucket),
        (": s3:ListBucket\\non resource: arn:aws:s3:::orders\\n\\tstatus code: 403", "s3:ListBucket", bucket),
        (":\ns3:ListBucket on resource:\narn:aws:s3:::orders\n", "s3:ListBucket", bucket),
        (" s3:ListBucket on resource arn:aws:s3:::orders (Service: S3, Status Code: 403)", "s3:ListBucket", bucket),
        (" 's3:ListBucket' on resource: arn:aws:s3:::orders)", "s3:ListBucket", bucket),
        (" action s3:ListBucket on resource: arn:aws:s3:::orders\"}", "s3:ListBucket", bucket),
        (
            ": ec2:DescribeVpcs because no identity-based policy allows the ec2:DescribeVpcs action",
            "ec2:DescribeVpcs",
            None,
        ),
        (": ec2:DescribeVpcs. Encoded authorization failure message: abc", "ec2:DescribeVpcs", None),
        (
            ": elasticfilesystem:DescribeMountTargets on the specified resource",
            "elasticfilesystem:DescribeMountTargets",
            None,
        ),
        (": kms:Decrypt on this resource because the resource does not exist in this Region", "kms:Decrypt", None),
        (": dynamodb:ListTables on resource: * because", "dynamodb:ListTables", Some("*")),
        (
            ": secretsmanager:GetSecretValue on resource: shop/db because",
            "secretsmanager:GetSecretValue",
            Some("shop/db"),
        ),
        (
            ": iam:GetInstanceProfile on resource: instance profile shop_1 because no identity-based policy allows it",
            "iam:GetInstanceProfile",
            Some("instance profile shop_1"),
        ),
    ] {
        let found = only(&format!("AccessDenied: User: {SESSION} is not authorized to perform{rest}"));
        assert_eq!((found.action.as_str(), found.resource.as_deref()), (action, resource), "{rest}");
        assert_eq!(found.caller, Caller::PodIdentity { role: "carts".into() }, "{rest}");
    }
}

#[test]
fn the_reason_names_the_layer() {
    let line = |action: &str, reason: &str| {
        format!("User: {SESSION} is not authorized to perform: {action} on resource: arn:aws:s3:::orders {reason}")
    };
    for (action, reason, layer, explicit) in [
        ("s3:PutObject", "because no identity-based policy allows the s3:PutObject action", Layer::Identity, false),
        ("s3:PutObject", "with an explicit deny in an identity-based policy", Layer::Identity, true),
        ("s3:PutObject", "because no permissions boundary allows the s3:PutObject action", Layer::Boundary, false),
        ("s3:PutObject", "with an explicit deny in a permissions boundary", Layer::Boundary, true),
        ("s3:PutObject", "because no service control policy allows the s3:PutObject action", Layer::Scp, false),
        ("s3:PutObject", "with an explicit deny in a service control policy", Layer::Scp, true),
        ("s3:PutObject", "with an explicit deny in a resource control policy", Layer::Rcp, true),
        ("s3:PutObject", "because no session policy allows the s3:PutObject action", Layer::Session, false),
        ("s3:PutObject", "with an explicit deny in a session policy", Layer::Session, true),
        ("s3:PutObject", "because no resource-based policy allows the s3:PutObject action", Layer::Resource, false),
        ("s3:PutObject", "with an explicit deny in a resource-based policy", Layer::Resource, true),
        ("s3:PutObject", "because no VPC endpoint policy allows the s3:PutObject action", Layer::Endpoint, false),
        ("s3:PutObject", "with an explicit deny in a VPC endpoint policy", Layer::Endpoint, true),
        ("sts:AssumeRole", "because no resource-based policy allows the sts:AssumeRole action", Layer::Trust, false),
        ("kms:Decrypt", "because no resource-based policy allows the kms:Decrypt action", Layer::Key, false),
        (
            "kms:Decrypt",
            "because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access",
            Layer::Key,
            false,
        ),
        ("s3:PutObject", "", Layer::Unknown, false),
        ("s3:PutObject", "with an explicit deny", Layer::Unknown, true),
    ] {
        let found = only(&line(action, reason));
        assert_eq!((found.layer, found.explicit), (layer, explicit), "{reason}");
    }
    let scp = "arn:aws:organizations::111122223333:policy/o-1/service_control_policy/p-1";
    let named = only(&line("s3:PutObject", &format!("with an explicit deny in a service control policy: {scp}.")));
    assert_eq!((named.layer, named.policy.as_deref()), (Layer::Scp, Some(scp)));
    // No policy, though the resource is one.
    assert_eq!(only(&line("s3:PutObject", "because no identity-based policy")).policy, None);
}

#[test]
fn the_caller_is_told_by_its_session() {
    let who = |arn: &str| only(&format!("User: {arn} is not authorized to perform: s3:PutObject")).caller;
    let role = || "app".to_owned();
    let session = |name: &str| who(&format!("arn:aws:sts::111122223333:assumed-role/app/{name}"));
    assert_eq!(session("eks-c-pod-uuid"), Caller::PodIdentity { role: role() });
    assert_eq!(session("i-0a11b22c33d44e551"), Caller::Node { role: role() });
    assert_eq!(session("mi-0a11b22c33d44e551"), Caller::Node { role: role() });
    assert_eq!(session("botocore-session-1700000000"), Caller::Sdk { role: role() });
    assert_eq!(session("1675610660182694283"), Caller::Sdk { role: role() });
    assert_eq!(session("i-am-a-person"), Caller::Session { role: role() });
    assert_eq!(who("arn:aws:iam::111122223333:user/team/ci"), Caller::User { name: "ci".into() });
    assert_eq!(who("arn:aws:iam::111122223333:root"), Caller::Root);
    assert_eq!(who("anonymous"), Caller::Anonymous);
    assert_eq!(who("someone"), Caller::Unknown);
}

#[test]
fn a_presigned_url_has_no_key_in_its_name() {
    let text = "User: arn:aws:sts::111122223333:assumed-role/a/eks-c-p-1 is not authorized to perform: s3:GetObject on resource: \"arn:aws:s3:::b/k?X-Amz-Credential=AKIAIOSFODNN7EXAMPLE\" because";
    assert_eq!(refusals(text)[0].resource.as_deref(), Some("arn:aws:s3:::b/k"));
}

#[test]
fn what_follows_far_below_is_no_reason() {
    let refused = "User: arn:aws:sts::111122223333:assumed-role/a/eks-c-p-1 is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::b/x";
    let reason = "retried because no permissions boundary allows it";
    let near = refusals(&format!("{refused} {reason}"));
    assert_eq!(near[0].layer, Layer::Boundary);
    let far = refusals(&format!("{refused} {} {reason}", "ä GET /carts 200 ".repeat(400)));
    assert_eq!(far[0].layer, Layer::Unknown);
}

#[test]
fn each_of_several_has_its_own_reason() {
    let text = format!(
        "User: {SESSION} is not authorized to perform: s3:GetObject on resource: \"arn:aws:s3:::a/x\" because no identity-based policy allows the s3:GetObject action\n\
         User: arn:aws:sts::111122223333:assumed-role/nodes/i-0a is not authorized to perform: s3:PutObject on resource: \"arn:aws:s3:::b/x\" with an explicit deny in a service control policy"
    );
    let found = refusals(&text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!((found[0].layer, found[0].explicit), (Layer::Identity, false));
    assert_eq!((found[1].layer, found[1].explicit), (Layer::Scp, true));
    assert_eq!(found[1].caller, Caller::Node { role: "nodes".into() });
    assert_eq!(found[1].resource.as_deref(), Some("arn:aws:s3:::b/x"));
    assert!(refusals("the widget is not authorized to perform").is_empty());
    assert!(refusals("is not authorized to perform: nothing in particular").is_empty());
}

#[test]
fn a_role_that_is_assumed_by_itself_is_no_need() {
    let assume = |resource: &str| {
        only(&format!("User: {SESSION} is not authorized to perform: sts:AssumeRole on resource: {resource}"))
    };
    let own = assume("arn:aws:iam::111122223333:role/team/carts");
    assert!(own.assumes_itself());
    assert_eq!(own.need(None), None);
    for other in ["arn:aws:iam::111122223333:role/deployer", "arn:aws:iam::444455556666:role/carts"] {
        assert!(!assume(other).assumes_itself(), "{other}");
        assert!(assume(other).need(None).is_some());
    }
}

#[test]
fn a_need_is_an_arn() {
    let cluster: Arn = "arn:aws:eks:us-west-2:999900001111:cluster/c".parse().unwrap();
    let need = |rest: &str| {
        only(&format!("User: {SESSION} is not authorized to perform: {rest}")).need(Some(&cluster)).map(|need| need.1)
    };
    assert_eq!(need("ec2:DescribeVpcs because no identity-based policy allows it").as_deref(), Some("*"));
    assert_eq!(
        need("secretsmanager:GetSecretValue on resource: shop/db because").as_deref(),
        Some("arn:aws:secretsmanager:us-west-2:111122223333:secret:shop/db-??????")
    );
    for (thing, wanted) in [
        ("group shop", Some("arn:aws:iam::111122223333:group/shop")),
        ("instance profile shop_1", Some("arn:aws:iam::111122223333:instance-profile/shop_1")),
        // A name that only begins as a kind.
        ("group-x", None),
    ] {
        assert_eq!(need(&format!("iam:Get on resource: {thing} because")).as_deref(), wanted, "{thing}");
    }
    assert_eq!(need("foo:Bar on resource: thing because"), None);
    assert_eq!(need("kms:Decrypt on this resource because no resource-based policies allow access"), None);
    assert_eq!(need("eks-auth:AssumeRoleForPodIdentity on resource: arn:aws:eks:us-west-2:1:cluster/c"), None);
}
