//! The tests of IAM's grammar: each broken document differs from a healthy one in one field.

use serde_json::json;

use super::{super::issue::in_words, *};

fn healthy() -> Value {
    json!({"Version": "2012-10-17", "Id": "x y", "Statement": [
        {"Sid": "A1", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${aws:username}"},
        {"Sid": "", "Effect": "Deny", "NotAction": ["iam:*", "*"], "NotResource": ["*", "arn:aws-cn:s3:::<B>"],
         "Condition": {"ForAnyValue:StringLikeIfExists": {"aws:TagKeys": ["a", 1, true]}, "bool": {"aws:x": true}}},
    ]})
}

#[test]
fn incomplete_arns_are_for_roles_only() {
    let of = |resource: &str| {
        let mut document = healthy();
        document["Statement"][0]["Resource"] = json!(resource);
        Document(document)
    };
    for (text, whole) in [
        ("arn:aws", false),
        ("arn:aws:sqs", false),
        ("arn:aws:s3::b", false),
        ("arn:*:s3:::b", true),
        ("arn:aws:s3:::", true),
        ("arn:aws:iam:*:*:role/x", true),
        ("*", true),
    ] {
        assert_eq!(faults(&of(text)), [], "{text}");
        assert_eq!(session_faults(&of(text)).is_empty(), whole, "{text}");
    }
}

#[test]
fn what_iam_takes() {
    for fine in [
        healthy(),
        json!({"Statement": healthy()["Statement"][0]}),
        json!({"Version": "2008-10-17", "Statement": healthy()["Statement"]}),
    ] {
        assert_eq!(faults(&Document(fine)), []);
    }
}

/// Each differs from the healthy one in one field.
#[test]
fn what_iam_refuses() {
    for (at, value, says) in [
        ("/_comment", json!("x"), "unknown key `_comment`; IAM knows only `Version`"),
        ("/statement", json!([]), "unknown key `statement`; did you mean `Statement`?"),
        ("/Version", json!("2012-10-18"), "`Version` must be"),
        ("/Version", json!(5), "`Version` must be"),
        ("/Id", json!(5), "`Id` must be a string"),
        ("/Statement", json!([]), "it has no Statement"),
        ("/Statement", json!("x"), "`Statement` must be an object or a list"),
        ("/Statement/0", json!("x"), "statement 1: a statement must be an object"),
        (
            "/Statement/0/Sid",
            json!("Read orders-1"),
            "statement 1 (Read orders-1): the Sid `Read orders-1` may have only letters and digits",
        ),
        ("/Statement/1/Sid", json!("A1"), "statement 2 (A1): the Sid `A1` is used twice"),
        ("/Statement/0/Sid", json!(7), "statement 1: `Sid` must be a string"),
        ("/Statement/0/Principal", json!("*"), "`Principal` is not allowed in a policy of a role"),
        ("/Statement/0/NotPrincipal", json!("*"), "`NotPrincipal` is not allowed"),
        ("/Statement/0/Actions", json!("s3:*"), "unknown key `Actions`; did you mean `Action`?"),
        ("/Statement/0/Effect", json!("allow"), "`Effect` must be"),
        ("/Statement/0/Effect", Value::Null, "`Effect` is missing"),
        ("/Statement/0/Action", Value::Null, "`Action` is missing"),
        ("/Statement/0/NotAction", json!("s3:*"), "both `Action` and `NotAction`"),
        ("/Statement/0/Action", json!("GetObject"), "action `GetObject` has no service prefix"),
        ("/Statement/0/Action", json!("s3:Get Object"), "is not an action"),
        ("/Statement/0/Action", json!([]), "`Action` is an empty list"),
        ("/Statement/0/Action", json!(5), "`Action` must be a string or a list of strings"),
        ("/Statement/0/Resource", Value::Null, "`Resource` is missing"),
        ("/Statement/0/NotResource", json!("*"), "both `Resource` and `NotResource`"),
        ("/Statement/0/Resource", json!(5), "`Resource` must be a string or a list of strings"),
        ("/Statement/0/Resource", json!([]), "`Resource` is an empty list"),
        ("/Statement/0/Resource", json!("my-bucket"), "resource `my-bucket` is neither an ARN"),
        ("/Statement/0/Resource", json!("arn:aws::::b"), "names no service"),
        ("/Statement/0/Resource", json!("arn:${AWS::Partition}:s3:::b"), "unknown partition `${AWS`"),
        ("/Statement/0/Resource", json!("arn:awz:s3:::b"), "unknown partition `awz`"),
        ("/Statement/0/Resource", json!("arn:aws:iam:us-west-2:111122223333:role/x"), "has a region"),
        ("/Statement/0/Condition", json!("x"), "`Condition` must be an object"),
        ("/Statement/0/Condition", json!({"StringEqual": {"aws:x": "y"}}), "unknown condition operator `StringEqual`"),
        ("/Statement/0/Condition", json!({"StringEquals": "y"}), "`StringEquals` must be an object"),
        ("/Statement/0/Condition", json!({"StringEquals": {"x": "y"}}), "the condition key `x` has no prefix"),
        ("/Statement/0/Condition", json!({"StringEquals": {"aws:x": {"y": "z"}}}), "must be strings, numbers"),
        ("/Statement/0/Resource", json!("arn:aws:s3:::\u{4e16}"), "does not accept the character '世'"),
    ] {
        let mut broken = healthy();
        let (parent, key) = at.rsplit_once('/').unwrap();
        match broken.pointer_mut(parent).unwrap() {
            Value::Object(fields) if value.is_null() => {
                fields.shift_remove(key);
            }
            Value::Object(fields) => {
                fields.insert(key.to_owned(), value.clone());
            }
            list => list[key.parse::<usize>().unwrap()] = value.clone(),
        }
        let found = faults(&Document(broken));
        assert!(in_words(&found).contains(says), "{at} {value}: {found:?}");
        assert_eq!(found.len(), 1, "{at} {value}: {found:?}");
    }
}
