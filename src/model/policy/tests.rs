//! The tests of permission policies.

use super::*;

fn grant(text: &str) -> TableGrant {
    parse_table(text, "aws", "us-west-2", "111122223333").unwrap()
}

#[test]
fn tables_are_named_in_three_ways() {
    for (text, arn, access) in [
        ("carts", "arn:aws:dynamodb:us-west-2:111122223333:table/carts", Access::Read),
        ("carts=read-write", "arn:aws:dynamodb:us-west-2:111122223333:table/carts", Access::ReadWrite),
        ("eu-west-1:carts=full", "arn:aws:dynamodb:eu-west-1:111122223333:table/carts", Access::Full),
        (
            "arn:aws:dynamodb:us-east-1:999999999999:table/a.b_c-d=stream",
            "arn:aws:dynamodb:us-east-1:999999999999:table/a.b_c-d",
            Access::Stream,
        ),
    ] {
        let grant = grant(text);
        assert_eq!((grant.table.to_string().as_str(), grant.access), (arn, access), "{text}");
    }
    for (text, why) in [
        ("ab", "table name `ab` is shorter than 3 characters"),
        ("carts table", "table name `carts table` may have only letters, digits, `_`, `.` and `-`"),
        ("carts=admin", "`admin` is not an access level (read, write, read-write, stream, full)"),
        (
            "arn:aws:dynamodb:us-east-1:1:table/carts/index/x",
            "`arn:aws:dynamodb:us-east-1:1:table/carts/index/x` names an index or a stream; \
             give the table's ARN: access covers its indexes, `stream` its streams",
        ),
        ("arn:aws:s3:::bucket", "`arn:aws:s3:::bucket` is not the ARN of a DynamoDB table, but of s3 bucket"),
    ] {
        assert_eq!(parse_table(text, "aws", "us-west-2", "111122223333").unwrap_err().to_string(), why);
    }
    let china = parse_table("carts", "aws-cn", "cn-north-1", "1").unwrap();
    assert_eq!(china.table.to_string(), "arn:aws-cn:dynamodb:cn-north-1:1:table/carts");
}

#[test]
fn presets_grant_each_action_where_it_works() {
    let table = "arn:aws:dynamodb:us-west-2:111122223333:table/carts";
    let grants = |access: &str| -> Vec<(Vec<String>, Vec<String>)> {
        let owned = |value: &Value, key: &str| strings(value.get(key)).into_iter().map(str::to_owned).collect();
        statements(&grant(&format!("carts={access}")))
            .iter()
            .map(|s| (owned(s, "Action"), owned(s, "Resource")))
            .collect()
    };
    let index = vec![table.to_owned(), format!("{table}/index/*")];
    let read = grants("read");
    assert_eq!(read[0].0, ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:DescribeTable"]);
    assert_eq!(read[0].1, [table]);
    assert_eq!(read[1], (vec!["dynamodb:Query".to_owned(), "dynamodb:Scan".to_owned()], index.clone()));
    assert!(grants("write").iter().all(|(actions, _)| !actions.iter().any(|a| a == "dynamodb:GetItem")));
    let both = grants("read-write");
    assert_eq!((both[0].0.len(), &both[1].1), (8, &index));
    assert_eq!(grants("stream")[0].1, [format!("{table}/stream/*")]);
    assert_eq!(grants("stream")[1], (vec!["dynamodb:ListStreams".to_owned()], vec!["*".to_owned()]));
    assert_eq!(grants("full")[0].1.len(), 3);
    for access in Access::ALL {
        for statement in statements(&TableGrant { table: grant("carts").table, access }) {
            let sid = statement["Sid"].as_str().unwrap();
            assert!(sid.bytes().all(|b| b.is_ascii_alphanumeric()), "{sid}");
        }
    }
}

#[test]
fn merging_loses_nothing_and_repeats_nothing() {
    let first = dynamodb(&[grant("carts=read-write")]);
    let second = merged(Some(&first), &[grant("orders")]);
    assert_eq!(second.statements().len(), 4);
    assert!(first.statements().iter().all(|s| second.statements().contains(s)));
    assert_eq!(merged(Some(&second), &[grant("orders"), grant("carts=read-write")]), second);
    assert_eq!(merged(Some(&second), &[grant("carts=read")]), second, "read-write covers read");
    // A foreign statement stays, one of podid's own that was edited is put right in place.
    let mut edited = second.clone();
    edited.0["Statement"][0]["Action"] = json!("dynamodb:*");
    edited.0["Statement"]
        .as_array_mut()
        .unwrap()
        .insert(0, json!({"Sid": "Theirs", "Effect": "Deny", "Action": "*", "Resource": "*"}));
    let healed = merged(Some(&edited), &[grant("carts=read-write")]);
    assert_eq!(healed.statements()[0]["Sid"], "Theirs");
    assert_eq!(healed.statements()[1..], second.statements()[..]);
    assert_eq!(dynamodb(&[grant("carts=stream"), grant("orders=stream")]).statements().len(), 3);
}

#[test]
fn meaning_is_more_than_text() {
    let a = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "S3:getobject", "Resource": ["b", "a"],
        "Condition": {"Bool": {"aws:SecureTransport": true}}}});
    let b = json!({"Statement": [{"Resource": ["a", "b"], "Action": ["s3:GetObject"], "Effect": "Allow",
        "Condition": {"Bool": {"aws:SecureTransport": ["true"]}}}], "Version": "2012-10-17"});
    assert!(same_meaning(&Document(a.clone()), &Document(b)));
    for (pointer, value) in [
        ("/Statement/Effect", json!("Deny")),
        ("/Statement/Resource", json!(["a"])),
        ("/Statement/Resource", json!(["a", "B"])),
        ("/Statement/Condition", json!({})),
        ("/Version", json!("2008-10-17")),
    ] {
        let mut other = a.clone();
        *other.pointer_mut(pointer).unwrap() = value;
        assert!(!same_meaning(&Document(a.clone()), &Document(other)), "{pointer}");
    }
    let (x, y) = (
        json!({"Effect": "Allow", "Action": "a:b", "Resource": "*"}),
        json!({"Effect": "Deny", "Action": "a:c", "Resource": "*"}),
    );
    assert!(same_meaning(&Document(json!({"Statement": [x, y]})), &Document(json!({"Statement": [y, x]}))));
}

#[test]
fn inline_policies_take_the_name_of_their_file() {
    assert_eq!(inline_name("policies/s3-read.json").unwrap(), "s3-read");
    assert_eq!(inline_name("policy.v2.json").unwrap(), "policy.v2");
    assert_eq!(inline_name("plain").unwrap(), "plain");
    assert!(inline_name("a b.json").is_err() && inline_name("").is_err());
    assert!(inline_name(&"x".repeat(129)).is_err());
}
