//! What pasted texts tell, and what is proposed.

use super::*;

const NODE: &str = "User: arn:aws:sts::111122223333:assumed-role/nodes/i-0a1b is not authorized to perform: \
                    dynamodb:Query on resource: arn:aws:dynamodb:us-west-2:111122223333:table/carts/index/byId \
                    because no identity-based policy allows the dynamodb:Query action";

fn session(end: &str) -> String {
    NODE.replace("/i-0a1b", "/eks-carts-1").split(" because").next().unwrap().to_owned() + " " + end
}

#[test]
fn a_table_is_granted_by_name_or_by_arn() {
    let hints = log_line(NODE).unwrap().hints;
    assert!(hints[0].contains("--dynamodb us-west-2:carts=read`"), "{hints:?}");
    let foreign = NODE.replace("sts::111122223333", "sts::444455556666").replace("Query", "PutItem");
    let hints = log_line(&foreign).unwrap().hints;
    assert!(hints[0].contains("--dynamodb arn:aws:dynamodb:us-west-2:111122223333:table/carts=write`"), "{hints:?}");
}

#[test]
fn what_is_no_table_is_allowed_in_a_policy() {
    let other = NODE.replace("dynamodb:Query", "s3:GetObject").replace("/i-0a1b", "/eks-carts-1");
    let said = log_line(&other).unwrap();
    assert!(said.cause.contains("role `nodes`, which lacks `s3:GetObject`"), "{}", said.cause);
    assert!(said.hints[0].starts_with("allow `s3:GetObject` on"), "{:?}", said.hints);
}

/// Nothing is widened where that cannot help: a Deny, a boundary, an organization's policy.
#[test]
fn no_permission_is_proposed_against_a_deny_or_a_higher_policy() {
    for (end, wanted) in [
        ("with an explicit deny in a service control policy", "(SCP) denies"),
        ("because no service control policy allows the dynamodb:Query action", "(SCP) does not allow"),
        ("with an explicit deny in a resource control policy", "(RCP) denies"),
        ("with an explicit deny in an identity-based policy", "an identity-based policy denies"),
        ("because no permissions boundary allows the dynamodb:Query action", "boundary does not allow"),
        ("because no session policy allows the dynamodb:Query action", "session policy does not allow"),
        ("with an explicit deny in a resource-based policy", "own policy denies"),
        ("with an explicit deny in a VPC endpoint policy", "endpoint policy denies"),
        ("with an explicit deny", "denies"),
    ] {
        let said = log_line(&session(end)).unwrap();
        assert!(said.cause.contains(wanted), "{end}: {}", said.cause);
        for hint in &said.hints {
            assert!(!hint.contains("podid associate") && !hint.contains("policy attach"), "{end}: {hint}");
            assert!(!hint.starts_with("allow `") && !hint.starts_with("grant"), "{end}: {hint}");
        }
    }
    let said = log_line(&session("because no identity-based policy allows the dynamodb:Query action")).unwrap();
    assert!(said.cause.contains("lacks `dynamodb:Query`"), "{}", said.cause);
    assert!(said.hints[0].contains("podid associate NS/SA --role nodes --dynamodb"), "{:?}", said.hints);
}

#[test]
fn several_are_told_each_with_its_own_reason() {
    let text = format!("{}\n{}", session("with an explicit deny in a service control policy"), NODE);
    let all = told(&text);
    assert_eq!(all.len(), 2, "{all:?}");
    assert_eq!(all[0].refusal.as_ref().unwrap().layer, Layer::Scp);
    assert!(matches!(all[1].caller, Some((Caller::Node { .. }, _))));
    // The line that wraps a refusal is no second message.
    let wrapped = format!("{NODE}\nrecords retrieval failed: failed to list hosted zones");
    assert_eq!(told(&wrapped).len(), 1);
}

#[test]
fn a_message_that_wraps_another_says_nothing_more() {
    let text = "WARN an error occurred while loading credentials\nNon-success status from HTTP credential provider: StatusCode(400)";
    let all = told(text);
    assert_eq!(all.iter().map(|told| told.row.unwrap().id).collect::<Vec<_>>(), ["rust-400"]);
}

const POD: &str = "User: arn:aws:sts::111122223333:assumed-role/carts/eks-carts-1 is not authorized to perform: ";

fn hints(text: &str) -> Vec<String> {
    let all = told(text);
    assert_eq!(all.len(), 1, "{text}: {all:?}");
    all[0].hints.clone()
}

/// Both policies have to allow both actions, and EKS can do it for the pod.
#[test]
fn an_assumption_is_allowed_in_both_roles() {
    let other = "arn:aws:iam::444455556666:role/target";
    for (action, end) in [
        ("sts:AssumeRole", ""),
        ("sts:TagSession", ""),
        ("sts:AssumeRole", " because no identity-based policy allows the sts:AssumeRole action"),
        ("sts:AssumeRole", " because no resource-based policy allows the sts:AssumeRole action"),
    ] {
        let hints = hints(&format!("{POD}{action} on resource: {other}{end}"));
        assert_eq!(
            hints[0],
            format!(
                "allow `sts:AssumeRole` and `sts:TagSession` on `{other}` in a policy of role `carts`, and to role `carts` in the trust policy of `{other}`: the session tags of the pod are passed on"
            ),
            "{action}{end}"
        );
    }
    let all = hints(&format!("{POD}sts:AssumeRole on resource: {other}"));
    assert!(all[1].contains(&format!("`podid associate NS/SA --role carts --target-role {other}`")), "{all:?}");
    // What a statement denies is not allowed by others, and other actions need no trust policy.
    let denied =
        hints(&format!("{POD}sts:AssumeRole on resource: {other} with an explicit deny in an identity-based policy"));
    assert!(denied[0].starts_with("find the Deny"), "{denied:?}");
    let call = hints(&format!("{POD}sqs:SendMessage on resource: arn:aws:sqs:us-west-2:111122223333:q"));
    assert_eq!(call[0], "allow `sqs:SendMessage` on `arn:aws:sqs:us-west-2:111122223333:q` in a policy of the role");
}

#[test]
fn what_is_named_without_an_arn_is_checked_as_its_flag_takes_it() {
    let check = |call: &str| hints(&format!("{POD}{call}")).pop().unwrap();
    for (call, wanted) in [
        (
            "secretsmanager:GetSecretValue on resource: prod/db because no identity-based policy allows it",
            "then check it: `podid verify NS/SA --secret 'prod/db=read'`",
        ),
        (
            "secretsmanager:GetSecretValue on resource: arn:aws:secretsmanager:us-west-2:111122223333:secret:prod/db-AbCdEf",
            "then check it: `podid verify NS/SA --needs secretsmanager:GetSecretValue@arn:aws:secretsmanager:us-west-2:111122223333:secret:prod/db-AbCdEf`",
        ),
        (
            "iam:GetRole on resource: role carts",
            "then check it, with its ARN: `podid verify NS/SA --needs iam:GetRole@RESOURCE`",
        ),
        (
            "s3:ListBucket",
            "then check it, with the ARN of the resource: `podid verify NS/SA --needs s3:ListBucket@RESOURCE`",
        ),
        ("dynamodb:ListTables", "then check it: `podid verify NS/SA --needs 'dynamodb:ListTables@*'`"),
        (
            "s3:GetObject on resource: \"arn:aws:s3:::orders/a$b\"",
            "then check it: `podid verify NS/SA --needs 's3:GetObject@arn:aws:s3:::orders/a$b'`",
        ),
        (
            "s3:GetObject on resource: \"arn:aws:s3:::orders/a(b)\"",
            "then check it, with its ARN: `podid verify NS/SA --needs s3:GetObject@RESOURCE`",
        ),
    ] {
        assert_eq!(check(call), wanted, "{call}");
    }
}

/// An ARN with its account blotted out is in no policy.
#[test]
fn a_masked_arn_is_not_copied() {
    for account in ["********3333", "************", "XXXXXXXXXXXX", "xxxxxxxxxxxx", "<account>", "1111-2222-3333"] {
        let text = format!("{POD}dynamodb:Query on resource: arn:aws:dynamodb:us-west-2:{account}:table/carts");
        let hints = hints(&text);
        assert!(!hints.concat().contains("table/carts"), "{account}: {hints:?}");
        assert!(hints[0].contains("on the resource that the program uses"), "{account}: {hints:?}");
    }
    let hints = hints(&format!("{POD}dynamodb:Query on resource: arn:aws:dynamodb:us-west-2:111122223333:table/carts"));
    assert!(hints[0].contains("--dynamodb us-west-2:carts=read"), "{hints:?}");
    // Some ARNs have no account, and some a name in its place.
    for resource in ["arn:aws:s3:::orders", "arn:aws:iam::aws:policy/ReadOnlyAccess"] {
        let hints = super::told(&format!("{POD}s3:ListBucket on resource: {resource}"));
        assert!(hints[0].hints[0].contains(resource), "{hints:?}");
    }
}

/// Static keys have no role.
#[test]
fn a_user_is_told_to_remove_its_keys() {
    let user = POD.replace("sts::111122223333:assumed-role/carts/eks-carts-1", "iam::111122223333:user/ci");
    let all = told(&format!("{user}s3:ListBucket on resource: arn:aws:s3:::orders"));
    assert!(all[0].cause.contains("static access keys of IAM user `ci`"), "{}", all[0].cause);
    assert!(all[0].hints[0].contains("remove these keys"), "{:?}", all[0].hints);
    assert!(!all[0].hints.concat().contains("of the role"), "{:?}", all[0].hints);
}

#[test]
fn a_key_elsewhere_looks_like_one_that_may_not_be_used() {
    for text in [
        format!(
            "{POD}kms:Decrypt on resource: arn:aws:kms:us-west-2:111122223333:key/k because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access"
        ),
        "AccessDeniedException: The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.".to_owned(),
    ] {
        let hints = hints(&text).concat();
        assert!(hints.contains("in the region of the call") && hints.contains("key"), "{hints}");
    }
}

#[test]
fn whose_an_arn_is_can_be_asked_alone() {
    let told = identity("arn:aws:sts::111122223333:assumed-role/carts/eks-eks-worksh-carts-1").unwrap();
    assert!(told.cause.contains("role `carts`"), "{}", told.cause);
    assert_eq!(identity("arn:aws:s3:::orders"), None);
}

#[test]
fn other_lines_say_nothing() {
    assert_eq!(log_line("Started CartApplication in 3.2 seconds"), None);
    assert_eq!(log_line("connect timeout to 10.0.0.1"), None);
}
