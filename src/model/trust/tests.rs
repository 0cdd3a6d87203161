//! The tests of trust policies.

mod edges;

use serde_json::json;

use super::*;
use crate::model::fixtures::{at, cluster, subject};

/// Evaluates a policy with these statements for carts/carts, session tags on.
fn ask(statements: Value) -> Verdict {
    ask_with(statements, true)
}

#[expect(clippy::needless_pass_by_value, reason = "the tables read better without borrows")]
fn ask_with(statements: Value, session_tags: bool) -> Verdict {
    let (cluster, subject) = (cluster(), subject("carts/carts"));
    let document = Document(json!({"Version": "2012-10-17", "Statement": statements}));
    evaluate(&document, &Request { cluster: &cluster, subject: &subject, session_tags, now: Some(at(0)), pod: None })
}

/// The documented minimum, with changes on top.
#[expect(clippy::needless_pass_by_value, reason = "the tables read better without borrows")]
fn minimum(changes: Value) -> Value {
    let mut statement = json!({
        "Sid": "X", "Effect": "Allow", "Principal": {"Service": PRINCIPAL}, "Action": ["sts:AssumeRole", "sts:TagSession"],
    });
    for (key, value) in changes.as_object().unwrap() {
        statement[key] = value.clone();
    }
    statement
}

fn refuses(verdict: &Verdict, wanted: &str) {
    match verdict {
        Verdict::Refuses(reasons) => assert!(reasons.iter().any(|r| r.text == wanted), "{reasons:#?}\nlacks {wanted}"),
        other => panic!("{other:?} where {wanted}"),
    }
}

#[test]
fn forms_that_admit() {
    for statements in [
        minimum(json!({})),
        json!([minimum(json!({}))]),
        json!([minimum(json!({"Action": "sts:*"}))]),
        json!([minimum(json!({"Action": "*"}))]),
        json!([minimum(json!({"Action": ["STS:assumerole", "sts:Tag*"]}))]),
        json!([minimum(json!({"Action": "sts:AssumeRole"})), minimum(json!({"Action": "sts:TagSession"}))]),
        json!([{"Effect": "Allow", "Principal": "*", "NotAction": "sts:SetSourceIdentity"}]),
        json!([minimum(json!({"Principal": {"AWS": "*"}}))]),
        json!([minimum(json!({"Principal": {"Service": ["ec2.amazonaws.com", PRINCIPAL]}}))]),
        json!([{"Effect": "Allow", "NotPrincipal": {"AWS": "arn:aws:iam::111122223333:user/x"}, "Action": "sts:*"}]),
        json!([minimum(json!({})), {"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::1:root"}, "Action": "*"}]),
        json!([minimum(json!({})), {"Effect": "Deny", "NotPrincipal": {"Service": PRINCIPAL}, "Action": "*"}]),
        json!([minimum(json!({})), {"Effect": "Deny", "Principal": "*", "NotAction": "sts:*"}]),
    ] {
        assert_eq!(ask(statements.clone()), Verdict::Admits, "{statements}");
    }
}

#[test]
fn conditions_that_admit() {
    for condition in [
        json!({"StringEquals": {"AWS:requesttag/Kubernetes-Namespace": "carts"}}),
        json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": ["other", "carts"]}}),
        json!({"StringLike": {"aws:RequestTag/kubernetes-service-account": "ca*"}}),
        json!({"StringNotEquals": {"aws:RequestTag/kubernetes-namespace": "other"}}),
        json!({"StringEqualsIgnoreCase": {"aws:RequestTag/eks-cluster-name": "EKS-Workshop"}}),
        json!({"ArnEquals": {"aws:SourceArn": "arn:aws:eks:us-west-2:111122223333:cluster/*"}}),
        json!({"ArnNotLike": {"aws:SourceArn": "arn:aws:eks:us-west-2:999999999999:*"}}),
        json!({"StringEquals": {"aws:SourceAccount": "111122223333"}}),
        json!({"StringEqualsIfExists": {"sts:ExternalId": "x"}}),
        json!({"StringNotEquals": {"sts:ExternalId": "x"}}),
        json!({"Null": {"aws:RequestTag/kubernetes-namespace": "false", "sts:ExternalId": true}}),
        json!({"Bool": {"aws:PrincipalIsAWSService": "true"}}),
        json!({"ForAnyValue:StringEquals": {"aws:TagKeys": ["kubernetes-namespace"]}}),
        json!({"ForAllValues:StringLike": {"aws:TagKeys": ["eks-*", "kubernetes-*"]}}),
        json!({"ForAllValues:StringNotLike": {"aws:TagKeys": "aws:*"}}),
        json!({"StringLikeIfExists": {"aws:RequestTag/kubernetes-namespace": ["x", "car?s"]}}),
        json!({"StringNotEqualsIgnoreCase": {"aws:RequestTag/kubernetes-namespace": "orders"}}),
        json!({"StringLike": {"aws:RequestTag/kubernetes-pod-name": "*"}}),
        json!({"Null": {"aws:RequestTag/kubernetes-pod-uid": [true, false]}}),
        json!({"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}),
        json!({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
        json!({"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}),
        json!({"NumericEquals": {"aws:SourceAccount": 111_122_223_333_u64}}),
        json!({"NumericLessThanEqualsIfExists": {"aws:MultiFactorAuthAge": "3600"}}),
        json!({"StringEquals": {"aws:SourceAccount": "${aws:ResourceAccount}"}}),
        json!({"StringLike": {"aws:SourceArn": "arn:aws:eks:*:${aws:SourceAccount}:cluster/${aws:requesttag/eks-cluster-name}"}}),
        json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "${aws:PrincipalTag/team, 'carts'}"}}),
        json!({"DateLessThan": {"aws:CurrentTime": "2026-11-23T12:00:01Z"}}),
        json!({"DateGreaterThanEquals": {"aws:CurrentTime": "2026-11-23T14:00:00+02:00", "aws:EpochTime": 1_700_000_000}}),
        json!({"DateNotEquals": {"aws:CurrentTime": "2026-11-23"}}),
        json!({"NumericGreaterThan": {"aws:EpochTime": "1700000000"}}),
    ] {
        assert_eq!(ask(minimum(json!({"Condition": condition}))), Verdict::Admits, "{condition}");
    }
}

#[test]
fn refusals_name_the_precise_cause() {
    let wants = |operator: &str, key: &str, value: &str| minimum(json!({"Condition": {operator: {key: value}}}));
    let web = json!([{"Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/x"},
        "Action": "sts:AssumeRoleWithWebIdentity"}]);
    for (statements, reason) in [
        (json!([]), "no statement trusts the service pods.eks.amazonaws.com"),
        (web, "no statement trusts the service pods.eks.amazonaws.com: the role trusts only an OIDC provider (IRSA)"),
        (
            minimum(json!({"Principal": {"Service": "eks.amazonaws.com"}})),
            "no statement trusts the service pods.eks.amazonaws.com, only `eks.amazonaws.com`",
        ),
        (
            minimum(json!({"Action": "sts:AssumeRole"})),
            "sts:TagSession is not allowed (statement `X` allows only sts:AssumeRole)",
        ),
        (
            minimum(json!({"Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"], "Sid": ""})),
            "sts:AssumeRole is not allowed (statement 1 allows only sts:AssumeRoleWithWebIdentity, sts:TagSession)",
        ),
        (
            wants("StringEquals", "aws:RequestTag/kubernetes-namespace", "other"),
            "statement `X` requires aws:RequestTag/kubernetes-namespace = `other`, but EKS sends `carts`",
        ),
        (
            wants("StringEquals", "aws:RequestTag/kubernetes-namespace", "Carts"),
            "statement `X` requires aws:RequestTag/kubernetes-namespace = `Carts`, but EKS sends `carts` (the case differs)",
        ),
        (
            wants("StringEquals", "aws:RequestTag/kubernetes-namespace", "car*"),
            "statement `X` requires aws:RequestTag/kubernetes-namespace = `car*`, but EKS sends `carts` \
             (StringEquals treats `*` literally, StringLike does not)",
        ),
        (
            wants(
                "ArnLike",
                "aws:SourceArn",
                "arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/*",
            ),
            "statement `X` requires aws:SourceArn = `arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/*`, \
             but EKS sends `arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop`",
        ),
        (
            wants("StringEquals", "sts:ExternalId", "x"),
            "statement `X` requires sts:ExternalId, which EKS does not send",
        ),
        (
            wants("NumericLessThan", "aws:MultiFactorAuthAge", "3600"),
            "statement `X` requires aws:MultiFactorAuthAge, which EKS does not send",
        ),
        (
            wants("IpAddress", "aws:SourceIp", "10.0.0.0/8"),
            "statement `X` requires aws:SourceIp, which EKS does not send",
        ),
        (
            wants("DateLessThan", "aws:CurrentTime", "2026-01-01"),
            "statement `X` requires aws:CurrentTime = `2026-01-01` (DateLessThan), but EKS sends `2026-11-23T12:00:00Z`",
        ),
        (
            wants("ForAllValues:StringEquals", "aws:TagKeys", "kubernetes-namespace"),
            "statement `X` requires aws:TagKeys = `kubernetes-namespace`, but EKS sends `eks-cluster-arn`, `eks-cluster-name`, \
             `kubernetes-namespace`, `kubernetes-service-account`, `kubernetes-pod-name`, `kubernetes-pod-uid`",
        ),
        (
            wants("StringNotLike", "aws:RequestTag/kubernetes-pod-name", "*"),
            "statement `X` excludes every aws:RequestTag/kubernetes-pod-name, but EKS sends one",
        ),
        (
            minimum(
                json!({"Action": "sts:SetSourceIdentity", "Condition": {"StringEquals": {"aws:SourceAccount": "1"}}}),
            ),
            "sts:AssumeRole is not allowed by any statement",
        ),
        (
            wants("StringNotLike", "aws:RequestTag/kubernetes-service-account", "c*"),
            "statement `X` excludes aws:RequestTag/kubernetes-service-account = `c*`, but EKS sends `carts`",
        ),
        (
            json!([minimum(json!({})), {"Sid": "No", "Effect": "Deny", "Principal": "*", "Action": "sts:TagSession"}]),
            "statement `No` denies sts:TagSession",
        ),
        (
            json!([minimum(json!({})), {"Effect": "Deny", "NotPrincipal": {"AWS": "arn:aws:iam::1:root"}, "Action": "*"}]),
            "statement 2 denies sts:AssumeRole and sts:TagSession",
        ),
    ] {
        refuses(&ask(statements), reason);
    }
    refuses(
        &ask_with(wants("StringEquals", "aws:RequestTag/kubernetes-namespace", "carts"), false),
        "statement `X` requires aws:RequestTag/kubernetes-namespace, which EKS does not send because session tags are disabled",
    );
}

#[test]
fn what_podid_cannot_know_is_neither_yes_nor_no() {
    for condition in [
        json!({"StringEquals": {"aws:SourceOrgId": "o-1"}}),
        json!({"StringEquals": {"aws:SourceOrgID": "${aws:ResourceOrgID}"}}),
        json!({"ForAnyValue:StringLike": {"aws:SourceOrgPaths": "o-1/*"}}),
        json!({"StringEquals": {"aws:SourceAccount": "${aws:ResourceOrgID}"}}),
        json!({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "${aws:PrincipalTag/team}"}}),
        json!({"StringLike": {"aws:RequestTag/kubernetes-pod-name": "carts-*"}}),
        json!({"StringEquals": {"aws:TagKeys": "kubernetes-namespace"}}),
        json!({"StringEquals": {"aws:CurrentTime": "2026-11-23T12:00:00Z"}}),
        json!({"DateLessThan": {"aws:CurrentTime": "next year"}}),
        json!({"NumericLessThan": {"aws:RequestTag/kubernetes-namespace": "5"}}),
        json!({"ArnLike": {"aws:SourceArn": "arn:aws:eks:*"}}),
        json!({"IpAddressIfExists": {"aws:SourceIp": "10.0.0.0/8"}}),
        json!({"Null": {"aws:SourceIp": "true"}}),
        json!({"Null": {"aws:RequestTag/kubernetes-namespace": "maybe"}}),
        json!({"StringResembles": {"sts:ExternalId": "x"}}),
        json!({"SomeValue:StringEquals": {"sts:ExternalId": "x"}}),
        json!("a text"),
    ] {
        let verdict = ask(minimum(json!({"Condition": condition})));
        assert!(matches!(verdict, Verdict::Unknown(_)), "{condition}: {verdict:?}");
    }
    // A certain no beats an uncertain maybe; an uncertain Deny makes a yes uncertain.
    let both = json!({"StringEquals": {"aws:SourceOrgId": "o-1", "aws:SourceAccount": "1"}});
    assert!(matches!(ask(minimum(json!({"Condition": both}))), Verdict::Refuses(_)));
    let deny = json!({"Effect": "Deny", "Principal": "*", "Action": "sts:*",
        "Condition": {"StringNotEquals": {"aws:SourceOrgId": "o-1"}}});
    assert!(matches!(ask(json!([minimum(json!({})), deny])), Verdict::Unknown(_)));
}

#[test]
fn variables_are_texts_in_old_documents_and_time_is_unknown_without_a_clock() {
    let (cluster, own) = (cluster(), subject("carts/carts"));
    let request = Request { cluster: &cluster, subject: &own, session_tags: true, now: None, pod: None };
    let own_account = minimum(json!({"Condition": {"StringEquals": {"aws:SourceAccount": "${aws:ResourceAccount}"}}}));
    let old = Document(json!({"Version": "2008-10-17", "Statement": own_account}));
    refuses(
        &evaluate(&old, &request),
        "statement `X` requires aws:SourceAccount = `${aws:ResourceAccount}`, but EKS sends `111122223333` \
         (policy variables need the policy's Version to be 2012-10-17)",
    );
    let until = minimum(json!({"Condition": {"DateLessThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}}}));
    let dated = Document(json!({"Version": "2012-10-17", "Statement": until}));
    assert!(matches!(evaluate(&dated, &request), Verdict::Unknown(_)));
    assert_eq!(evaluate(&dated, &Request { now: Some(at(0)), ..request }), Verdict::Admits);
}

#[test]
fn reasons_are_of_a_kind() {
    let cause = |statements: Value, tags| match ask_with(statements, tags) {
        Verdict::Refuses(reasons) => reasons[0].cause.clone(),
        other => panic!("{other:?}"),
    };
    let condition = |value: Value| minimum(json!({"Condition": value}));
    let tag = "aws:RequestTag/kubernetes-namespace";
    let denied = json!([minimum(json!({})), {"Effect": "Deny", "Principal": "*", "Action": "sts:*"}]);
    for (statements, tags, wanted) in [
        (json!([]), true, Cause::Principal),
        (minimum(json!({"Action": "sts:AssumeRole"})), true, Cause::MissingAction("sts:TagSession")),
        (minimum(json!({"Action": "sts:TagSession"})), true, Cause::MissingAction("sts:AssumeRole")),
        (condition(json!({"StringEquals": {tag: "x"}})), true, Cause::Condition(tag.to_ascii_lowercase())),
        (condition(json!({"StringEquals": {tag: "carts"}})), false, Cause::SessionTagsOff),
        (condition(json!({"Null": {"aws:TagKeys": "false"}})), false, Cause::SessionTagsOff),
        (
            condition(json!({"StringEquals": {"aws:RequestTag/team": "x"}})),
            false,
            Cause::Condition("aws:requesttag/team".to_owned()),
        ),
        (denied, true, Cause::Denied),
    ] {
        assert_eq!(cause(statements.clone(), tags), wanted, "{statements}");
    }
}

#[test]
fn without_tags_sts_does_not_ask_for_tag_session() {
    let (cluster, own) = (cluster(), subject("carts/carts"));
    let document = Document(json!({"Statement": minimum(json!({"Action": "sts:AssumeRole"}))}));
    for (session_tags, admits) in [(true, false), (false, true)] {
        let request = Request { cluster: &cluster, subject: &own, session_tags, now: None, pod: None };
        assert_eq!(at_run_time(&document, &request) == Verdict::Admits, admits);
        assert!(matches!(evaluate(&document, &request), Verdict::Refuses(_)), "EKS may ask for it at the creation");
    }
}

#[test]
fn each_scope_admits_what_it_says() {
    use Scope::{Cluster, Namespace, None, ServiceAccount};
    let (home, own) = (cluster(), subject("carts/carts"));
    let mut away = cluster();
    away.arn.resource = "cluster/other".to_owned();
    away.name = "other".to_owned();
    // Own, same namespace, same cluster, other cluster.
    for (scope, tags, wanted) in [
        (ServiceAccount, true, [true, false, false, false]),
        (Namespace, true, [true, true, false, false]),
        (Cluster, true, [true, true, true, false]),
        (Cluster, false, [true, true, true, false]),
        (None, true, [true, true, true, true]),
        (None, false, [true, true, true, true]),
        (ServiceAccount, false, [false; 4]),
    ] {
        let document = document(statement(&home, &own, scope, tags));
        let requests =
            [(&home, "carts/carts"), (&home, "carts/other"), (&home, "orders/carts"), (&away, "carts/carts")];
        for ((cluster, name), admitted) in requests.into_iter().zip(wanted) {
            let subject = subject(name);
            let verdict = evaluate(
                &document,
                &Request { cluster, subject: &subject, session_tags: tags, now: Some(at(0)), pod: Option::None },
            );
            assert_eq!(verdict == Verdict::Admits, admitted, "{scope:?} {tags} {name} {}: {verdict:?}", cluster.name);
        }
    }
}

#[test]
fn editing_keeps_what_others_wrote() {
    let (cluster, own) = (cluster(), subject("carts/carts"));
    let with = |document: &Document, statement: &Value| with_statement(document, &cluster, &own, statement.clone());
    let wanted = statement(&cluster, &own, Scope::ServiceAccount, true);
    let foreign = json!({"Sid": "Theirs", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::1:root"}, "Action": "sts:AssumeRole"});
    let single = Document(json!({"Version": "2008-10-17", "Id": "x", "Statement": foreign}));
    let after = with(&single, &wanted).unwrap();
    assert_eq!(after.0, json!({"Version": "2008-10-17", "Id": "x", "Statement": [foreign, wanted]}));
    assert!(has_podid_statement(&after, &cluster, &own));
    // In place, also when narrower before.
    let wider = statement(&cluster, &own, Scope::Cluster, true);
    assert_eq!(with(&after, &wider).unwrap().statements(), [&foreign, &wider]);
    assert_eq!(without_statement(&after, &cluster, &own).statements(), [&foreign]);
    let one = Document(json!({"Statement": wanted}));
    assert_eq!(with(&one, &wider).unwrap().0, json!({"Statement": wider}));
    assert_eq!(with(&Document(Value::Null), &wanted), Ok(document(wanted)));
}

#[test]
fn a_correction_adds_the_least() {
    let (cluster, own) = (cluster(), subject("carts/carts"));
    let request = Request { cluster: &cluster, subject: &own, session_tags: true, now: None, pod: None };
    let narrow = statement(&cluster, &own, Scope::ServiceAccount, true);
    let mut lacking = minimum(json!({"Action": "sts:AssumeRole", "Condition": narrow["Condition"]}));
    let correct = |statements: &Value, scope| correction(&Document(json!({"Statement": statements})), &request, scope);
    // One that its conditions keep to this service account is completed.
    let mut completed = lacking.clone();
    completed["Action"] = json!(["sts:AssumeRole", "sts:TagSession"]);
    assert_eq!(correct(&lacking, Scope::ServiceAccount).unwrap().statements(), [&completed]);
    // One that would allow others too stays as it is, and podid's comes beside it.
    let tag = |tag: &str| format!("aws:RequestTag/{tag}");
    let arn = cluster.arn.to_string();
    for condition in [
        json!({}),
        json!({"StringEquals": {tag("eks-cluster-arn"): arn, tag("kubernetes-namespace"): "carts"}}),
        json!({"StringEquals": {tag("kubernetes-namespace"): "carts", tag("kubernetes-service-account"): "carts"}}),
        json!({"StringEquals": {
            tag("eks-cluster-arn"): arn,
            tag("kubernetes-namespace"): "carts",
            tag("kubernetes-service-account"): ["carts", "other"],
        }}),
        json!({"StringEqualsIfExists": narrow["Condition"]["StringEquals"]}),
        json!({"ForAllValues:StringEquals": narrow["Condition"]["StringEquals"]}),
        json!({"StringLike": {
            tag("eks-cluster-arn"): arn,
            tag("kubernetes-namespace"): "carts",
            tag("kubernetes-service-account"): "c*",
        }}),
    ] {
        lacking["Condition"] = condition;
        let after = correct(&lacking, Scope::ServiceAccount).unwrap();
        assert_eq!(after.statements(), [&lacking, &narrow], "{lacking}");
    }
    // What was asked for is the whole cluster: so may be completed what is kept to it.
    lacking["Condition"] = json!({"ArnEquals": {"aws:SourceArn": arn}});
    assert_eq!(correct(&lacking, Scope::Cluster).unwrap().statements().len(), 1);
    assert_eq!(correct(&lacking, Scope::Namespace).unwrap().statements().len(), 2);
    // Another principal of a statement is not allowed more.
    let mut mixed = minimum(json!({"Action": "sts:AssumeRole", "Condition": narrow["Condition"]}));
    mixed["Principal"]["AWS"] = json!("arn:aws:iam::111122223333:root");
    assert_eq!(correct(&mixed, Scope::ServiceAccount).unwrap().statements(), [&mixed, &narrow]);
    let denied = json!([{"Effect": "Deny", "Principal": "*", "Action": "sts:*"}]);
    assert_eq!(correct(&denied, Scope::ServiceAccount), Err(Unfixable::Denied));
    let mut theirs = narrow.clone();
    theirs["Principal"] = json!({"AWS": "arn:aws:iam::222233334444:root"});
    let sid = sid(&cluster, &own);
    assert_eq!(correct(&theirs, Scope::ServiceAccount), Err(Unfixable::SidTaken(SidTaken(sid))));
}

#[test]
fn the_start_of_a_session_name_decides() {
    for (condition, wanted) in [
        (json!({"StringLike": {"sts:RoleSessionName": "eks-*"}}), Some(true)),
        (json!({"StringLike": {"sts:RoleSessionName": ["ci-*", "e*"]}}), Some(true)),
        (json!({"StringLike": {"sts:RoleSessionName": "*"}}), Some(true)),
        (json!({"StringLike": {"sts:RoleSessionName": "ci-*"}}), Some(false)),
        (json!({"StringEquals": {"sts:RoleSessionName": "carts"}}), Some(false)),
        (json!({"StringNotLike": {"sts:RoleSessionName": "eks-*"}}), Some(false)),
        (json!({"StringNotEquals": {"sts:RoleSessionName": "carts"}}), Some(true)),
        (json!({"StringNotLike": {"sts:RoleSessionName": "ci-*"}}), Some(true)),
        (json!({"Null": {"sts:RoleSessionName": "true"}}), Some(false)),
        (json!({"StringLike": {"sts:RoleSessionName": "eks-eks-workshop-*"}}), None),
        (json!({"StringLike": {"sts:RoleSessionName": "*-carts-*"}}), None),
        (json!({"StringEquals": {"sts:RoleSessionName": "eks-carts"}}), None),
        (json!({"StringLike": {"sts:RoleSessionName": "${aws:username}"}}), None),
    ] {
        let verdict = ask(minimum(json!({"Condition": condition})));
        let told = match verdict {
            Verdict::Admits => Some(true),
            Verdict::Refuses(_) => Some(false),
            Verdict::Unknown(_) => None,
        };
        assert_eq!(told, wanted, "{condition}: {verdict:?}");
    }
}

#[test]
fn characters_by_their_variable_are_literal() {
    for (wanted, admits) in
        [("${*}", false), ("car${?}s", false), ("carts${$}", false), ("c*", true), ("c${*}*", false)]
    {
        let condition = json!({"StringLike": {"aws:RequestTag/kubernetes-namespace": wanted}});
        let verdict = ask(minimum(json!({"Condition": condition})));
        assert_eq!(verdict == Verdict::Admits, admits, "{wanted}: {verdict:?}");
        assert!(!matches!(verdict, Verdict::Unknown(_)), "{wanted}: {verdict:?}");
    }
}

#[test]
fn the_name_of_a_pod_decides_where_one_is_asked_about() {
    let (cluster, own) = (cluster(), subject("carts/carts"));
    let condition = json!({"StringLike": {"aws:RequestTag/kubernetes-pod-name": "carts-*"}});
    let document = Document(json!({"Version": "2012-10-17", "Statement": minimum(json!({"Condition": condition}))}));
    let of =
        |pod| evaluate(&document, &Request { cluster: &cluster, subject: &own, session_tags: true, now: None, pod });
    assert_eq!(of(Some("carts-5d9c-x")), Verdict::Admits);
    assert!(matches!(of(Some("orders-5d9c-x")), Verdict::Refuses(_)));
    assert!(matches!(of(None), Verdict::Unknown(_)));
}
