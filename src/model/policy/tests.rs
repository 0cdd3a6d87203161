//! The tests of permission policies.

use proptest::prelude::*;

use super::*;
use crate::model::{
    arn::Arn,
    document::strings,
    have::Observed,
    table::Table,
    trust::target,
    want::{Access, Indexes, TableGrant},
};

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
            "arn:aws:dynamodb:us-east-1:111122223333:table/carts/index/x",
            "`arn:aws:dynamodb:us-east-1:111122223333:table/carts/index/x` names an index or a stream: \
             pass the table's ARN; access covers its indexes, and `stream` its streams",
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
        for statement in statements(&TableGrant { access, ..grant("carts") }) {
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
fn tenants_see_only_their_own_items() {
    let table = "arn:aws:dynamodb:us-west-2:111122223333:table/carts";
    let tenant = |access: &str| {
        let grant = grant(&format!("carts={access}"));
        TableGrant { leading_keys: Some("kubernetes-namespace".to_owned()), ..grant }
    };
    let condition = json!({"ForAllValues:StringEquals": {
        "dynamodb:LeadingKeys": ["${aws:PrincipalTag/kubernetes-namespace}"]}});
    for (access, held) in [("read", 2), ("write", 1), ("read-write", 2)] {
        let all = statements(&tenant(access));
        let (inside, outside): (Vec<_>, Vec<_>) = all.iter().partition(|s| s.get("Condition") == Some(&condition));
        assert_eq!(inside.len(), held, "{access}");
        let free: Vec<_> = outside.iter().flat_map(|s| strings(s.get("Action"))).collect();
        assert_eq!(free, ["dynamodb:DescribeTable"], "{access}");
        assert!(!all.iter().any(|s| strings(s.get("Action")).contains(&"dynamodb:Scan")), "{access}");
    }
    // The same access in the other form replaces it, both ways.
    let (plain, held) = (grant("carts"), tenant("read"));
    let narrowed = merged(Some(&dynamodb(std::slice::from_ref(&plain))), std::slice::from_ref(&held));
    assert!(same_meaning(&narrowed, &dynamodb(std::slice::from_ref(&held))), "{narrowed:?}");
    let widened = merged(Some(&narrowed), std::slice::from_ref(&plain));
    assert!(same_meaning(&widened, &dynamodb(&[plain])), "{widened:?}");
    assert!(statements(&held)[1]["Resource"].as_array().unwrap().contains(&json!(format!("{table}/index/*"))));
}

#[test]
fn indexes_can_be_named() {
    let table = "arn:aws:dynamodb:us-west-2:111122223333:table/carts";
    let of = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        statements(&TableGrant { indexes: Indexes::These(names), ..grant("carts") })[1]["Resource"].clone()
    };
    assert_eq!(of(&["a", "b"]), json!([table, format!("{table}/index/a"), format!("{table}/index/b")]));
    assert_eq!(of(&[]), json!(table));
}

#[test]
fn a_key_is_used_through_dynamodb_alone() {
    for (partition, region, condition) in [
        ("aws", "us-west-2", json!({"StringEquals": {"kms:ViaService": "dynamodb.us-west-2.amazonaws.com"}})),
        (
            "aws-us-gov",
            "us-gov-west-1",
            json!({"StringEquals": {"kms:ViaService": "dynamodb.us-gov-west-1.amazonaws.com"}}),
        ),
        ("aws-cn", "cn-north-1", json!({"StringLike": {"kms:ViaService": "dynamodb.cn-north-1.amazonaws.*"}})),
        (
            "aws-eusc",
            "eusc-de-east-1",
            json!({"StringLike": {"kms:ViaService": "dynamodb.eusc-de-east-1.amazonaws.*"}}),
        ),
    ] {
        for access in Access::ALL {
            let mut grant = parse_table("carts", partition, region, "111122223333").unwrap();
            grant.access = access;
            let before = dynamodb(std::slice::from_ref(&grant));
            let key = format!("arn:{partition}:kms:{region}:111122223333:key/k");
            let there = Table {
                arn: grant.table.clone(),
                status: "ACTIVE".to_owned(),
                key: Some(key.clone()),
                indexes: Vec::new(),
                stream: true,
            };
            assert!(remarks(&mut grant, &Observed::Known(Some(there))).is_empty());
            let after = merged(Some(&before), std::slice::from_ref(&grant));
            let added = (*after.statements().last().unwrap()).clone();
            assert_eq!(added["Action"], json!(["kms:Decrypt", "kms:DescribeKey"]));
            assert_eq!((&added["Resource"], &added["Condition"]), (&json!(key), &condition));
            assert_eq!(after.statements().len(), before.statements().len() + 1);
            // A later run that cannot see the key leaves its statement.
            grant.key = None;
            assert_eq!(merged(Some(&after), &[grant]), after);
        }
    }
}

#[test]
fn a_look_at_the_table_says_what_is_wrong() {
    let there = |status: &str, key: Option<&str>, stream: bool| {
        Observed::Known(Some(Table {
            arn: grant("carts").table,
            status: status.to_owned(),
            key: key.map(str::to_owned),
            indexes: vec!["a".to_owned()],
            stream,
        }))
    };
    let of = |mut grant: TableGrant, seen: Observed<Option<Table>>| remarks(&mut grant, &seen).join("\n");
    let named = TableGrant { indexes: Indexes::These(vec!["b".to_owned()]), ..grant("carts") };
    for (grant, seen, part) in [
        (
            grant("carts"),
            Observed::Unreadable("not allowed: dynamodb:DescribeTable".to_owned()),
            "not checked: not allowed",
        ),
        (grant("carts=stream"), there("ACTIVE", None, false), "has no stream"),
        (named, there("ACTIVE", None, false), "has no index `b` (indexes: a)"),
        (grant("carts"), there("INACCESSIBLE_ENCRYPTION_CREDENTIALS", Some("k"), false), "cannot use its key k"),
    ] {
        assert!(of(grant.clone(), seen).contains(part), "{part}");
    }
    assert_eq!(of(grant("carts=stream"), there("ACTIVE", None, true)), "");
    assert_eq!(of(grant("carts"), there("ACTIVE", None, false)), "");
    assert_eq!(of(grant("carts"), Observed::NotRequested), "");
}

#[test]
fn what_was_merged_can_be_taken_out() {
    let all: Vec<TableGrant> = ["carts", "carts=write", "carts=stream", "orders=stream", "orders=full"]
        .iter()
        .map(|text| TableGrant { key: Some("k".to_owned()), ..grant(text) })
        .collect();
    let both = dynamodb(&all);
    let orders = without(&both, &grant("carts").table, None).unwrap();
    assert!(same_meaning(&orders, &dynamodb(&all[3..])), "{orders:?}");
    assert_eq!(without(&orders, &grant("orders").table, None), None);
    // The key and ListStreams stay as long as anything needs them.
    let only_write =
        without(&without(&both, &all[0].table, Some(Access::Read)).unwrap(), &all[0].table, Some(Access::Stream));
    assert!(same_meaning(&only_write.unwrap(), &dynamodb(&[all[1].clone(), all[3].clone(), all[4].clone()])));
    // What others wrote stays, also when it is all that is left.
    let mut theirs = dynamodb(&all[..1]);
    let foreign = json!({"Sid": "Theirs", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/x"});
    theirs.0["Statement"].as_array_mut().unwrap().push(foreign.clone());
    assert_eq!(without(&theirs, &grant("carts").table, None).unwrap().statements(), [&foreign]);
    assert_eq!(without(&theirs, &grant("other").table, None), Some(theirs));
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

#[test]
fn podids_own_names_are_nobody_elses() {
    for taken in ["podid-dynamodb.json", "dir/podid-target", "Podid-DynamoDB.txt", "PODID-TARGET.json"] {
        assert!(own_name(taken).unwrap_err().to_string().contains("is reserved"), "{taken}");
    }
    for free in ["podid-dynamodb2.json", "podid.json", "podid-dynamodb.v2.json"] {
        assert!(own_name(free).is_ok(), "{free}");
    }
}

/// A text as it is, or with something in it that could make it match more.
fn spoiled(text: &'static str) -> impl Strategy<Value = String> {
    let pieces = ["*", "?", "$", "\"", "${aws:username}", "/*", ":*", "\n", " ", "\\", "\u{2a}x"];
    prop_oneof![
        Just(text.to_owned()),
        (0..=text.len(), prop::sample::select(pieces.to_vec()), any::<bool>()).prop_map(
            move |(at, piece, replaces)| {
                let rest = text.get(at + usize::from(replaces)..).unwrap_or_default();
                format!("{}{piece}{rest}", &text[..at])
            }
        ),
    ]
}

/// Resources of statements without the ends that podid itself gives them.
fn named(statements: &[Value]) -> Vec<&str> {
    let named = statements.iter().filter(|s| s["Action"] != json!(["dynamodb:ListStreams"]));
    let all = named.flat_map(|statement| strings(statement.get("Resource")));
    all.map(|one| one.strip_suffix("/index/*").or_else(|| one.strip_suffix("/stream/*")).unwrap_or(one)).collect()
}

proptest! {
    /// Whatever users and services name: what is accepted makes no resource that matches another.
    #[test]
    fn generated_resources_match_what_was_named(
        table in prop_oneof![spoiled("arn:aws:dynamodb:us-west-2:111122223333:table/carts"), spoiled("us-west-2:carts")],
        key in spoiled("arn:aws:kms:us-west-2:111122223333:key/0d1f"),
        index in spoiled("by-name"),
        target in spoiled("arn:aws:iam::222233334444:role/teams/target"),
        access in prop::sample::select(Access::ALL.to_vec()),
    ) {
        let mut made = Vec::new();
        if let Ok(mut grant) = parse_table(&table, "aws", "us-west-2", "111122223333") {
            grant.access = access;
            grant.key = Arn::kms_key(&key).is_ok().then(|| key.clone());
            if check_index_name(&index).is_ok() {
                grant.indexes = Indexes::These(vec![index]);
            }
            made.extend(statements(&grant));
        }
        if let Ok(arn) = Arn::parse_iam(&target, "role", "an IAM role") {
            made.extend(target::granting(None, &arn.to_string()).statements().into_iter().cloned());
        }
        for resource in named(&made) {
            prop_assert!(!resource.contains(['*', '?', '$', '"', ' ', '\n']), "{}", resource);
            prop_assert!(Arn::strict(resource).is_ok(), "{}", resource);
        }
    }
}

#[test]
fn what_is_named_well_is_granted() {
    let mut all = grant("arn:aws:dynamodb:us-west-2:111122223333:table/carts=full");
    all.key = Some("arn:aws:kms:us-west-2:111122223333:key/0d1f".to_owned());
    assert_eq!(named(&statements(&all)).len(), 4);
}
