//! Where a rule ends: what looks alike and is not, and what podid says then.

use super::*;
use crate::model::{
    arn::Arn,
    trust::target::{EXTERNAL_ID, grants, with_external_id},
};

fn condition(condition: &Value) -> Value {
    minimum(json!({"Condition": condition}))
}

fn role() -> Arn {
    "arn:aws:iam::111122223333:role/app".parse().unwrap()
}

#[test]
fn operators_are_those_that_iam_has() {
    for known in [
        "StringEquals",
        "StringNotEqualsIgnoreCase",
        "ForAnyValue:StringLikeIfExists",
        "ForAllValues:ArnNotLike",
        "NumericLessThan",
        "NumericNotEquals",
        "DateGreaterThanEquals",
        "Bool",
        "BoolIfExists",
        "Null",
        "NotIpAddress",
    ] {
        assert!(is_operator(known), "{known}");
    }
    for unknown in [
        "Equals",
        "StringLess",
        "NumericLike",
        "NumericNotLessThan",
        "DateBefore",
        "NullIfExists",
        "ForAnyValue:Null",
        "ForSomeValue:StringEquals",
        "",
    ] {
        assert!(!is_operator(unknown), "{unknown}");
    }
}

/// A negated condition holds on a key that EKS never sends.
#[test]
fn keys_that_eks_never_sends_are_absent() {
    for key in ["aws:PrincipalTag/team", "sts:ExternalId", "accounts.example:sub", "accounts.example:aud", "x:amr"] {
        assert_eq!(ask(condition(&json!({"StringNotEquals": {key: "x"}}))), Verdict::Admits, "{key}");
    }
}

/// Turning session tags on helps only where a condition asks for one of them.
#[test]
fn the_tags_that_are_off_are_the_cause_only_of_what_asks_for_them() {
    let cause = |key: &str| match ask_with(condition(&json!({"StringEquals": {key: "x"}})), false) {
        Verdict::Refuses(reasons) => reasons[0].cause.clone(),
        other => panic!("{other:?}"),
    };
    for key in ["aws:RequestTag/kubernetes-namespace", "aws:TagKeys"] {
        assert_eq!(cause(key), Cause::SessionTagsOff, "{key}");
    }
    for key in ["sts:ExternalId", "aws:PrincipalTag/team", "aws:RequestTag/team"] {
        assert_eq!(cause(key), Cause::Condition(key.to_ascii_lowercase()), "{key}");
    }
}

/// Of a session's name only the start is known.
#[test]
fn what_begins_otherwise_is_refused_and_what_may_follow_is_not_known() {
    let ask = |operator: &str, wanted: &str| ask(condition(&json!({operator: {"sts:RoleSessionName": wanted}})));
    for (operator, wanted) in [("StringEquals", "EKS-x"), ("StringEquals", "ek"), ("StringLike", "ek")] {
        assert!(matches!(ask(operator, wanted), Verdict::Refuses(_)), "{operator} {wanted}");
    }
    for (operator, wanted) in [("StringEqualsIgnoreCase", "EKS-x"), ("StringLike", "ek*x"), ("StringEquals", "eks-x")] {
        assert!(matches!(ask(operator, wanted), Verdict::Unknown(_)), "{operator} {wanted}");
    }
    assert_eq!(ask("StringLike", "ek*"), Verdict::Admits);
}

#[test]
fn a_condition_on_nothing_is_not_told() {
    for key in ["aws:RequestTag/kubernetes-namespace", "sts:ExternalId"] {
        assert!(matches!(ask(condition(&json!({"Null": {key: []}}))), Verdict::Unknown(_)), "{key}");
    }
    let absent = condition(&json!({"Null": {"aws:RequestTag/kubernetes-namespace": "true"}}));
    refuses(&ask(absent), "statement `X` requires aws:RequestTag/kubernetes-namespace to be absent, but EKS sends it");
    let there = condition(&json!({"Null": {"sts:ExternalId": "false"}}));
    refuses(&ask(there), "statement `X` requires sts:ExternalId, which EKS does not send");
}

/// A variable is filled in where the policy's Version has them: that it does not match is no matter of the Version.
#[test]
fn a_variable_that_does_not_match_is_just_another_value() {
    let other = condition(&json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "${aws:SourceAccount}"}}));
    refuses(
        &ask(other),
        "statement `X` requires aws:RequestTag/kubernetes-namespace = `${aws:SourceAccount}`, but EKS sends `carts`",
    );
}

/// A role that many share: not every statement's mismatch is told, but how many there are.
#[test]
fn podids_statements_for_others_are_counted() {
    let own = |text: &str, tags| statement(&cluster(), &subject(text), Scope::ServiceAccount, tags);
    let orders = own("orders/orders", true);
    refuses(&ask(json!([orders])), "podid's statement allows only other service accounts");
    let two = json!([orders, own("web/web", true)]);
    refuses(&ask(two.clone()), "podid's 2 statements allow only other service accounts");
    let verdict = ask_with(json!([orders, own("carts/carts", true)]), false);
    let Verdict::Refuses(reasons) = verdict else { panic!("{verdict:?}") };
    assert!(!reasons.is_empty() && reasons.iter().all(|reason| reason.cause == Cause::SessionTagsOff), "{reasons:?}");
    assert!(reasons[0].to_string().contains("session tags are disabled"), "{reasons:?}");
}

/// Completing a document for one service account lets nobody else in: the ARN of another cluster stays as it is.
#[test]
fn a_correction_keeps_the_clusters_that_were_meant() {
    let other = "arn:aws:eks:us-west-2:111122223333:cluster/other";
    let (cluster, subject) = (cluster(), subject("carts/carts"));
    let request = Request { cluster: &cluster, subject: &subject, session_tags: true, now: Some(at(0)), pod: None };
    let role = role();
    let ask = Lint { role: &role, request: Some(&request) };
    let own_ns =
        json!({"aws:RequestTag/kubernetes-namespace": "carts", "aws:RequestTag/kubernetes-service-account": "carts"});
    let source = |arn: &str| {
        let condition = json!({"StringEquals": own_ns, "ArnEquals": {"aws:SourceArn": arn}});
        document(self::condition(&condition))
    };
    let sources = |document: &Document| document.0.to_string().matches(other).count();
    let after = corrected(&source(other), &ask).unwrap();
    assert_eq!((sources(&after), after.statements().len()), (1, 2), "{after:?}");
    // The role's own ARN can only have been meant to be the cluster's.
    let after = corrected(&source(&role.to_string()), &ask).unwrap();
    assert!(!after.0.to_string().contains(&role.to_string()), "{after:?}");
    assert_eq!(evaluate(&after, &request), Verdict::Admits);
}

#[test]
fn a_statement_that_stands_alone_is_mended_as_one_of_a_list_is() {
    let role = role();
    for service in [json!("eks-pods.amazonaws.com"), json!(["eks-pods.amazonaws.com"])] {
        let mut alone = document(minimum(json!({"Principal": {"Service": service}})));
        let one = alone.0["Statement"][0].take();
        alone.0["Statement"] = one;
        let after = corrected(&alone, &Lint { role: &role, request: None }).unwrap();
        assert!(after.0.to_string().contains(PRINCIPAL) && after.0["Statement"].is_object(), "{after:?}");
    }
}

#[test]
fn why_a_document_is_not_corrected_is_said() {
    let taken = SidTaken("Podid1".to_owned());
    assert_eq!(
        taken.to_string(),
        "its statement `Podid1` has the Sid of podid's statement, but podid did not create it"
    );
    assert!(
        taken.advice("app").contains("give `Podid1` another Sid") && taken.advice("app").contains("--role-name app")
    );
    let long = TooLong { size: 2100, quota: 2048, present: None };
    assert_eq!(long.to_string(), "would have 2100 characters; the IAM limit is 2048");
    let raised = TooLong { present: Some(2050), ..long };
    assert!(raised.to_string().contains("the current one has 2050"));
    for (why, said) in [
        (Unfixable::Denied, "a statement denies it"),
        (Unfixable::SidTaken(taken), "podid cannot add its statement: its statement `Podid1`"),
        (Unfixable::TooLong(long), "the corrected trust policy would have 2100"),
        (Unfixable::Nothing, "no statement that podid may change"),
    ] {
        assert!(why.to_string().contains(said), "{why}");
    }
}

/// Room is left as long as podid's statement for the shortest names there can be fits.
#[test]
fn a_full_trust_policy_has_no_room() {
    let role = role();
    let full = |length: usize| document(minimum(json!({"Condition": {"StringEquals": {"x": "y".repeat(length)}}})));
    let last = (0..2048).rev().find(|length| no_room(&full(*length), &role).is_none()).unwrap();
    let shortest = statement(
        &crate::model::cluster::Cluster::named("arn:aws:eks:eu-west-1:111122223333:cluster/c".parse().unwrap()),
        &subject("n/s"),
        Scope::ServiceAccount,
        true,
    );
    let mut after = full(last);
    after.0["Statement"].as_array_mut().unwrap().push(shortest);
    assert_eq!(after.size(), 2048, "one more would not fit");
    assert!(no_room(&full(last + 1), &role).is_some_and(|long| long.size == 2049));
}

/// Every region, every cluster: a condition on one of them keeps the others out, whoever's account it is.
#[test]
fn a_role_is_open_only_to_whoever_may_come_from_anywhere() {
    for account in [role(), cluster().arn] {
        for (arn, open) in [
            ("arn:aws:eks:*:111122223333:cluster/*", true),
            ("arn:aws:eks:us-west-2:111122223333:cluster/*", false),
            ("arn:aws:eks:*:111122223333:cluster/eks-workshop", false),
            ("arn:aws:eks:*:444455556666:cluster/*", false),
        ] {
            let after = document(condition(&json!({"ArnLike": {"aws:SourceArn": arn}})));
            assert_eq!(opens(None, &after, &account), open, "{account} {arn}");
        }
    }
    let warning = opens_warning("app", "111122223333");
    assert!(warning.starts_with("every pod of every cluster in account 111122223333 may assume role `app`"));
    let none = statement(&cluster(), &subject("carts/carts"), Scope::None, true);
    let sid = none["Sid"].as_str().unwrap().to_owned();
    assert_eq!(reach(&document(none)).open, [format!("statement {sid} allows every cluster of the account")]);
}

#[test]
fn a_name_that_is_no_region_is_part_of_the_service() {
    let lints = |service: &str| {
        let role = role();
        let document = document(minimum(json!({"Principal": {"Service": service}})));
        corrected(&document, &Lint { role: &role, request: None }).is_ok()
    };
    assert!(lints("pods.eks.us-west-2.amazonaws.com"));
    for other in ["pods.eks.my-own-team.amazonaws.com", "pods.eks.a-1.amazonaws.com", "pods.eks.1.amazonaws.com"] {
        assert!(!lints(other), "{other}");
    }
}

#[test]
fn the_external_id_takes_its_own_place_only() {
    let with = |id: &str| {
        document(json!({"Sid": "X", "Condition": {"StringEquals": {"sts:ExternalId": [id], "aws:SourceAccount": "1"}}}))
    };
    assert_eq!(with_external_id(&with(EXTERNAL_ID), "x-1"), with("x-1"));
    assert_eq!(with_external_id(&with("other"), "x-1"), with("other"));
}

/// IAM reads actions without regard to case, and resources with it.
#[test]
fn a_grant_names_the_target_exactly() {
    let target = "arn:aws:iam::222233334444:role/target";
    let grant =
        |action: Value, resource: &str| document(json!({"Effect": "Allow", "Action": action, "Resource": resource}));
    let both = || json!(["STS:assumerole", "sts:tagsession"]);
    assert!(grants(&grant(both(), target), target));
    assert!(grants(&grant(json!("sts:*"), "arn:aws:iam::222233334444:role/*"), target));
    assert!(!grants(&grant(both(), &target.to_uppercase()), target));
    assert!(!grants(&grant(json!("sts:AssumeRole"), target), target));
    assert!(!grants(&grant(both(), "arn:aws:iam::222233334444:role/other"), target));
}

/// By its Sid goes podid's own statement alone: neither one of another Sid, nor somebody's that has such a Sid.
#[test]
fn only_podids_statement_of_that_sid_goes() {
    let own = |of: &str, scope| statement(&cluster(), &subject(of), scope, true);
    let (carts, orders) = (own("carts/carts", Scope::ServiceAccount), own("orders/orders", Scope::Namespace));
    let mut theirs = own("web/web", Scope::ServiceAccount);
    theirs["Action"] = json!("sts:*");
    let document = Document(json!({"Statement": [carts, orders, theirs]}));
    let sid = |statement: &Value| statement["Sid"].as_str().unwrap().to_owned();
    let named = own_statements(&document);
    let arn = cluster().arn;
    let wanted = [(sid(&carts), arn.clone(), Some(subject("carts/carts"))), (sid(&orders), arn, None)];
    assert_eq!(named, wanted);
    let left = |sids: &[&str]| without_own(&document, sids).statements().into_iter().map(sid).collect::<Vec<_>>();
    assert_eq!(left(&[&sid(&carts)]), [sid(&orders), sid(&theirs)]);
    assert_eq!(left(&[&sid(&theirs)]), [sid(&carts), sid(&orders), sid(&theirs)]);
    assert_eq!(left(&[]).len(), 3);
}
