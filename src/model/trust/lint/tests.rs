//! The tests of the linter: each mistake is one field away from the healthy document.

use serde_json::json;

use super::*;
use crate::model::{
    fixtures::{cluster, subject},
    trust::{Unfixable, corrected, document, statement},
    want::Scope,
};

fn role() -> Arn {
    "arn:aws:iam::111122223333:role/app".parse().unwrap()
}

fn healthy() -> Document {
    Document(json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "Theirs", "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
        {"Sid": "Pods", "Effect": "Allow", "Principal": {"Service": PRINCIPAL}, "Action": ["sts:AssumeRole", "sts:TagSession"],
         "Condition": {
            "StringEquals": {
                "aws:RequestTag/kubernetes-namespace": "carts",
                "aws:SourceAccount": "111122223333",
            },
            "ArnLike": {"aws:SourceArn": "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop"},
         }},
    ]}))
}

/// The healthy document with one field changed; `null` takes it away.
fn with(pointer: &str, value: Value) -> Document {
    let mut document = healthy();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/");
    let parent = document.0.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    if value.is_null() {
        parent.shift_remove(&key).unwrap();
    } else {
        parent.insert(key, value);
    }
    document
}

fn found(document: &Document) -> Vec<(&'static str, Option<String>)> {
    let role = role();
    lint(document, &Lint { role: &role, request: None }).into_iter().map(|f| (f.id, f.statement)).collect()
}

#[test]
fn healthy_documents() {
    assert_eq!(found(&healthy()), []);
    let role = role();
    let (cluster, subject) = (cluster(), subject("carts/carts"));
    for (scope, session_tags) in [
        (Scope::ServiceAccount, true),
        (Scope::Namespace, true),
        (Scope::Cluster, true),
        (Scope::Cluster, false),
        (Scope::None, true),
    ] {
        let own = document(statement(&cluster, &subject, scope, session_tags));
        let request = Request { cluster: &cluster, subject: &subject, session_tags, now: None, pod: None };
        let ask = Lint { role: &role, request: Some(&request) };
        assert_eq!(lint(&own, &ask), [], "{scope:?}");
        assert_eq!(corrected(&own, &ask), Err(Unfixable::Nothing), "{scope:?}");
    }
    // AssumeRole and TagSession may stand in two statements.
    let mut two = healthy();
    let mut tag = two.0["Statement"][1].clone();
    two.0["Statement"][1]["Action"] = json!("sts:AssumeRole");
    tag["Action"] = json!("sts:TagSession");
    two.0["Statement"].as_array_mut().unwrap().push(tag);
    assert_eq!(found(&two), []);
}

#[test]
fn each_mistake_is_found_at_its_statement_and_mended_where_that_is_safe() {
    let pods = "/Statement/1";
    let equals = "/Statement/1/Condition/StringEquals";
    let request_tag = |tag: &str| format!("{equals}/aws:RequestTag~1{tag}");
    let source = "/Statement/1/Condition/ArnLike/aws:SourceArn".to_owned();
    for (pointer, value, id, mended) in [
        (format!("{pods}/Principal/Service"), json!("eks-pods.amazonaws.com"), "principal", true),
        (format!("{pods}/Principal/Service"), json!("pods.eks.amazonaws.com.cn"), "principal", true),
        (format!("{pods}/Action"), json!("sts:AssumeRole"), "tag-session", true),
        (format!("{pods}/Action"), json!(["sts:AssumeRoleWithWebIdentity", "sts:TagSession"]), "web-identity", true),
        (format!("{pods}/Action"), json!("sts:GetCallerIdentity"), "assume-role", true),
        (request_tag("kubernetes-namespace"), json!("team-*"), "wildcard", true),
        (request_tag("kubernetes-namespace"), json!("Carts"), "case", false),
        (request_tag("eks-cluster-arn"), json!("arn:aws:eks:us-west-2:999999999999:cluster/c"), "account", false),
        (request_tag("eks-cluster-arn"), json!("arn:aws-cn:eks:cn-north-1:111122223333:cluster/c"), "account", false),
        (request_tag("kubernetes-serviceaccount"), json!("carts"), "absent-key", false),
        (format!("{equals}/aws:SourceAccount"), json!("999999999999"), "account", false),
        (format!("{equals}/sts:ExternalId"), json!("x"), "absent-key", false),
        (format!("{equals}/aws:PrincipalOrgID"), json!("o-1"), "absent-key", false),
        (format!("{pods}/Condition/IpAddress"), json!({"aws:SourceIp": "10.0.0.0/8"}), "absent-key", false),
        (format!("{pods}/Condition/Bool"), json!({"aws:MultiFactorAuthPresent": "true"}), "absent-key", false),
        (
            source.clone(),
            json!("arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/*"),
            "source-arn",
            true,
        ),
        (source, json!("arn:aws:iam::111122223333:role/app"), "source-arn", false),
    ] {
        let broken = with(&pointer, value.clone());
        assert_eq!(found(&broken)[0], (id, Some("Pods".to_owned())), "{pointer} {value}");
        let role = role();
        let ask = Lint { role: &role, request: None };
        match corrected(&broken, &ask) {
            Ok(after) => {
                assert!(mended, "{pointer} {value}: {after:?}");
                let actions = strings(after.0["Statement"][1].get("Action"));
                assert!(ACTIONS.iter().all(|action| actions.contains(action)), "{pointer} {value}: {after:?}");
                assert_eq!(lint(&after, &ask), [], "{pointer} {value}: {after:?}");
                assert_eq!(after.statements()[0], broken.statements()[0], "others' statements stay");
            }
            Err(why) => assert!(!mended && why == Unfixable::Nothing, "{pointer} {value}: {why}"),
        }
    }
}

#[test]
fn keys_that_are_not_sent_do_no_harm_where_they_need_not_be() {
    for (operator, keys) in [
        ("StringEqualsIfExists", json!({"aws:PrincipalOrgID": "o-1"})),
        ("StringNotEquals", json!({"sts:ExternalId": "x"})),
        ("Null", json!({"sts:ExternalId": "true"})),
        ("ForAllValues:StringEquals", json!({"aws:PrincipalTag/a": "x"})),
    ] {
        let fine = with(&format!("/Statement/1/Condition/{operator}"), keys);
        assert_eq!(found(&fine), [], "{operator}");
    }
}

#[test]
fn nobody_is_trusted() {
    for (principal, part) in [
        (json!({"Federated": "arn:aws:iam::111122223333:oidc-provider/x"}), "only an OIDC provider (IRSA)"),
        (json!({"Service": "ec2.amazonaws.com"}), "only `ec2.amazonaws.com`"),
        (json!({"AWS": "arn:aws:iam::111122223333:root"}), "no statement trusts the service"),
    ] {
        let foreign =
            Document(json!({"Statement": {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}}));
        let role = role();
        let (cluster, subject) = (cluster(), subject("carts/carts"));
        let findings = lint(&foreign, &Lint { role: &role, request: None });
        assert!(
            findings.len() == 1 && findings[0].id == "principal" && findings[0].message.contains(part),
            "{findings:?}"
        );
        assert_eq!(corrected(&foreign, &Lint { role: &role, request: None }), Err(Unfixable::Nothing));
        // For a service account it can be mended: podid's statement comes to the others.
        let request = Request { cluster: &cluster, subject: &subject, session_tags: true, now: None, pod: None };
        let ask = Lint { role: &role, request: Some(&request) };
        let after = corrected(&foreign, &ask).unwrap();
        assert_eq!(evaluate(&after, &request), Verdict::Admits);
        assert_eq!(after.statements()[0], &foreign.0["Statement"]);
        assert_eq!(lint(&after, &ask), []);
    }
}

/// IAM takes no principal that does not exist: for one service account it goes, and whoever is named beside it stays.
#[test]
fn a_misspelled_principal_goes_alone() {
    let (role, cluster, subject) = (role(), cluster(), subject("carts/carts"));
    let request = Request { cluster: &cluster, subject: &subject, session_tags: true, now: None, pod: None };
    let ask = Lint { role: &role, request: Some(&request) };
    let own = statement(&cluster, &subject, Scope::ServiceAccount, true);
    let (typo, ec2, root) = ("eks-pods.amazonaws.com", "ec2.amazonaws.com", "arn:aws:iam::111122223333:root");
    let two = json!({"Service": [ec2, "lambda.amazonaws.com"]});
    for (effect, principal, left) in [
        ("Allow", json!({"Service": typo}), None),
        ("Allow", json!({"Service": [typo]}), None),
        ("Allow", json!({"Service": [typo, ec2]}), Some(json!({"Service": [ec2]}))),
        ("Allow", json!({"Service": typo, "AWS": root}), Some(json!({"AWS": root}))),
        ("Allow", two.clone(), Some(two)),
        ("Deny", json!({"Service": typo}), Some(json!({"Service": typo}))),
    ] {
        let of = |principal: &Value| json!({"Effect": effect, "Principal": principal, "Action": "sts:AssumeRole"});
        let wanted: Vec<Value> = left.iter().map(of).chain([own.clone()]).collect();
        let there = of(&principal);
        for statements in [json!([there]), there] {
            let document = Document(json!({"Version": "2012-10-17", "Statement": statements}));
            let after = corrected(&document, &ask).unwrap();
            assert_eq!(after.0["Statement"], json!(wanted), "{effect} {principal}");
        }
    }
}

#[test]
fn for_one_service_account() {
    let role = role();
    let (cluster, other) = (cluster(), subject("orders/orders"));
    let request = Request { cluster: &cluster, subject: &other, session_tags: true, now: None, pod: None };
    let ask = Lint { role: &role, request: Some(&request) };
    let findings = lint(&healthy(), &ask);
    assert!(findings.len() == 1 && findings[0].id == "not-allowed", "{findings:?}");
    assert!(findings[0].message.contains("orders/orders"), "{findings:?}");
    let after = corrected(&healthy(), &ask).unwrap();
    assert_eq!((after.statements().len(), evaluate(&after, &request)), (3, Verdict::Admits));
    assert_eq!(after.statements()[..2], healthy().statements()[..]);

    let untagged = Request { session_tags: false, ..request.clone() };
    let findings = lint(&healthy(), &Lint { role: &role, request: Some(&untagged) });
    assert_eq!(findings[0].id, "session-tags", "{findings:?}");

    let mut denied = healthy();
    let deny = json!({"Effect": "Deny", "Principal": "*", "Action": "sts:TagSession"});
    denied.0["Statement"].as_array_mut().unwrap().push(deny);
    let carts = subject("carts/carts");
    let request = Request { cluster: &cluster, subject: &carts, session_tags: true, now: None, pod: None };
    let ask = Lint { role: &role, request: Some(&request) };
    assert_eq!(lint(&healthy(), &ask), []);
    assert_eq!(lint(&denied, &ask)[0].id, "deny");
    assert_eq!(corrected(&denied, &ask), Err(Unfixable::Denied), "no added statement overrules a Deny");
}
