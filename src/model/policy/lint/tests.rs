//! The tests of all that is said of a policy document: each differs from a healthy one in one field.

use serde_json::json;

use super::*;

const HEALTHY: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "Objects",
      "Effect": "Allow",
      "Action": ["s3:GetObject", "s3:PutObject"],
      "Resource": "arn:aws:s3:::orders/${aws:PrincipalTag/kubernetes-namespace}/*"
    },
    {
      "Effect": "Allow",
      "Action": "ec2:Describe*",
      "Resource": "*"
    }
  ]
}
"#;

fn words(checked: &Checked) -> Vec<String> {
    checked
        .issues
        .iter()
        .map(|issue| format!("{}: {}: {issue}", issue.line.unwrap_or_default(), issue.severity))
        .collect()
}

#[test]
fn a_healthy_document() {
    let checked = check_text(HEALTHY);
    assert_eq!((words(&checked), checked.note), (Vec::new(), None));
    assert_eq!(checked.document.unwrap().statements().len(), 2);
}

#[test]
fn what_is_said_and_where() {
    for (from, to, says) in [
        // What is no JSON, or no policy.
        (
            "\"Effect\": \"Allow\",\n      \"Action\": [",
            "\"Effect\": \"Allow\"\n      \"Action\": [",
            "7: error: not JSON: expected `,` or `}` (column 7)",
        ),
        ("\"Sid\"", "\"Effect\": \"Deny\", \"Sid\"", "6: error: the key `Effect` is used twice in one object"),
        ("\"Statement\"", "\"Statements\"", "1: error: not a policy document: it has no Statement"),
        // What IAM refuses.
        (
            "\"Objects\"",
            "\"Read objects\"",
            "5: error: statement 1 (Read objects): the Sid `Read objects` may have only letters and digits",
        ),
        ("\"Sid\": \"Objects\"", "\"_comment\": \"x\"", "5: error: statement 1: unknown key `_comment`"),
        ("\"Sid\": \"Objects\"", "\"Principal\": \"*\"", "5: error: statement 1: `Principal` is not allowed"),
        (
            "\"Allow\",\n      \"Action\": [",
            "\"Permit\",\n      \"Action\": [",
            "6: error: statement 1 (Objects): `Effect` must be",
        ),
        (
            "\"ec2:Describe*\"",
            "[\n \"ec2:Describe*\",\n \"DescribeVpcs\"]",
            "14: error: statement 2: action `DescribeVpcs` has no service prefix",
        ),
        ("\"Resource\": \"*\"", "\"NotPrincipal\": \"*\"", "10: error: statement 2: `Resource` is missing"),
        ("2012-10-17", "2012-10-18", "2: error: `Version` must be"),
        // What it accepts, and what cannot have been meant.
        (
            "  \"Version\": \"2012-10-17\",\n",
            "",
            "1: warning: `Version` is missing, so IAM reads it as of 2008-10-17: add \"Version\": \"2012-10-17\"",
        ),
        (
            "orders/",
            "<BUCKET>/",
            "8: error: statement 1 (Objects): `<BUCKET>` looks like a placeholder that was not replaced",
        ),
        (
            "aws:PrincipalTag/kubernetes-namespace",
            "NAMESPACE",
            "8: error: statement 1 (Objects): `${NAMESPACE}` looks like a placeholder",
        ),
        (
            "arn:aws:s3:::orders",
            "arn:aws:sqs:us-west2:111122223333:orders",
            "8: error: statement 1 (Objects): resource `arn:aws:sqs:us-west2:111122223333:orders",
        ),
        (
            "arn:aws:s3:::orders",
            "arn:aws:sqs:us-west-2:11112222333:orders",
            "has the invalid account `11112222333`: an account ID has 12 digits",
        ),
        ("arn:aws:s3:::orders", "arn:aws:sqs:us-west-2:ACCOUNT-ID:orders", "has the invalid account `ACCOUNT-ID`"),
        // What may not have been meant.
        ("2012-10-17", "2008-10-17", "2: warning: `Version` is \"2008-10-17\": policy variables"),
        (
            "s3:PutObject",
            "s3:PutObjekt",
            "7: warning: statement 1 (Objects): `s3:PutObjekt` is not a known action; did you mean `s3:PutObject`",
        ),
        (
            "ec2:Describe*",
            "ec22:Describe*",
            "12: warning: statement 2: `ec22:Describe*`: `ec22` is not a known service prefix",
        ),
        (
            "ec2:Describe*",
            "ec2:*",
            "12: warning: statement 2: allows every action of ec2 (`ec2:*`) on every resource (`*`)",
        ),
        ("ec2:Describe*", "ec2:RunInstances", "13: warning: statement 2: applies to every resource (`*`)"),
    ] {
        assert!(HEALTHY.contains(from), "{from}");
        let found = words(&check_text(&HEALTHY.replacen(from, to, 1)));
        assert!(found.iter().any(|line| line.contains(says)), "{to}: {found:?}");
        // A statement without Resource has another key too many here.
        assert!(found.len() == 1 || to.contains("NotPrincipal"), "{to}: {found:?}");
    }
}

#[test]
fn accounts_and_regions_that_are_fine() {
    for fine in [
        "arn:aws:s3:::b/*",
        "arn:aws:iam::aws:policy/ReadOnlyAccess",
        "arn:aws:dynamodb:*:*:table/t",
        "arn:aws:dynamodb:us-gov-west-1:111122223333:table/t",
        "arn:aws:ssm:us-west-2::parameter/aws/service/*",
        "arn:aws:dynamodb:us-*:1111*:table/t",
        "arn:aws:imagebuilder:us-west-2:aws-marketplace:component/x",
        "arn:*:s3:::*/*",
        "*",
    ] {
        assert_eq!(placed_arn(fine), Ok(()), "{fine}");
    }
}

#[test]
fn lines_of_a_document_that_was_wrapped() {
    let broken = HEALTHY.replace("\"Objects\"", "\"Read objects\"");
    let wrapped = format!("{{\n\"PolicyVersion\": {{\n\"Document\": {broken}, \"VersionId\": \"v1\"}}}}");
    let checked = check_text(&wrapped);
    assert_eq!(checked.note.as_deref(), Some("the policy document was read from `PolicyVersion.Document`"));
    assert!(words(&checked)[0].starts_with("7: error: statement 1 (Read objects): "), "{checked:?}");
    // In a string all is on one line.
    let checked = check_text(&json!({"RoleName": "r", "PolicyDocument": broken}).to_string());
    assert!(words(&checked)[0].starts_with("1: error: statement 1 (Read objects): "), "{checked:?}");
}

#[test]
fn the_size_is_counted_without_white_space() {
    let filled = |len: usize| {
        let document = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject",
            "Resource": format!("arn:aws:s3:::{}", "x".repeat(len))}]});
        check_text(&serde_json::to_string_pretty(&document).unwrap())
    };
    let rest = filled(0).document.unwrap().size();
    assert_eq!(words(&filled(MAX_INLINE - rest)), Vec::<String>::new());
    let found = words(&filled(MAX_INLINE - rest + 1));
    assert_eq!(
        found,
        ["1: error: it has 10241 characters without white space; IAM accepts 10240 in a role's inline policies"]
    );
}
