//! The thirteen forms of IRSA's trust policies, one row each, and what they come to.

use serde_json::json;

use super::*;
use crate::model::fixtures::subject;

const ISSUER: &str = "oidc.eks.us-west-2.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF";
const FAR: &str = "oidc.eks.eu-west-1.amazonaws.com/id/FEDCBA9876543210FEDCBA9876543210";
const CARTS: &str = "system:serviceaccount:carts:carts";

fn provider(issuer: &str) -> String {
    format!("arn:aws:iam::111122223333:oidc-provider/{issuer}")
}

fn statement(condition: Value) -> Value {
    let mut one = json!({"Effect": "Allow", "Principal": {"Federated": provider(ISSUER)}, "Action": "sts:AssumeRoleWithWebIdentity"});
    if !condition.is_null() {
        one["Condition"] = condition;
    }
    one
}

fn of(statements: Value) -> Document {
    let mut document = json!({"Version": "2012-10-17"});
    document["Statement"] = statements;
    Document(document)
}

fn read_in(account: &str, document: &Document) -> IrsaTrust {
    let carts = subject("carts/carts");
    let issuer = format!("https://{ISSUER}");
    let identity = WebIdentity { issuer: &issuer, account, subject: &carts, audience: AUDIENCE };
    irsa(&"arn:aws:iam::111122223333:role/team/carts".parse().unwrap(), document, &identity)
}

fn read(document: &Document) -> IrsaTrust {
    read_in("111122223333", document)
}

fn exact() -> Value {
    let (sub, aud) = (format!("{ISSUER}:sub"), format!("{ISSUER}:aud"));
    statement(json!({"StringEquals": {sub: CARTS, aud: AUDIENCE}}))
}

#[test]
fn each_form_is_recognized() {
    let (sub, aud) = (format!("{ISSUER}:sub"), format!("{ISSUER}:aud"));
    let far = |mut one: Value| {
        one["Principal"]["Federated"] = json!(provider(FAR));
        one["Condition"] = json!({"StringEquals": {format!("{FAR}:sub"): CARTS}});
        one
    };
    let with = |mut one: Value, key: &str, value: Value| {
        one[key] = value;
        one
    };
    let github = json!({"Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"});
    let rows: Vec<(u8, Value, &[IrsaForm])> = vec![
        (1, exact(), &[IrsaForm::Exact]),
        (
            2,
            json!([statement(
                json!({"StringEquals": {&sub: [CARTS, "system:serviceaccount:carts:worker"], &aud: AUDIENCE}})
            )]),
            &[IrsaForm::List],
        ),
        (
            3,
            json!([statement(json!({"StringLike": {&sub: [CARTS], &aud: AUDIENCE}}))]),
            &[IrsaForm::LikeWithoutWildcard],
        ),
        (
            4,
            json!([statement(
                json!({"StringLike": {&sub: "system:serviceaccount:carts:*"}, "StringEquals": {&aud: AUDIENCE}})
            )]),
            &[IrsaForm::Pattern],
        ),
        (5, json!([statement(json!({"StringEquals": {&aud: AUDIENCE}}))]), &[IrsaForm::AudienceOnly]),
        (6, json!([statement(Value::Null)]), &[IrsaForm::Unconditional]),
        (7, json!([exact(), far(exact())]), &[IrsaForm::Exact, IrsaForm::OtherIssuers]),
        (
            8,
            with(
                statement(json!({"StringEquals": {&sub: CARTS, format!("{FAR}:sub"): CARTS}})),
                "Principal",
                json!({"Federated": [provider(ISSUER), provider(FAR)]}),
            ),
            &[IrsaForm::Exact, IrsaForm::OtherIssuers, IrsaForm::SeveralProviders, IrsaForm::Dead],
        ),
        (
            9,
            json!([statement(json!({"ForAnyValue:StringEquals": {&sub: CARTS, &aud: AUDIENCE}}))]),
            &[IrsaForm::Exact, IrsaForm::UnusualOperator],
        ),
        (
            10,
            json!([exact(), with(exact(), "Principal", github), {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]),
            &[IrsaForm::Exact, IrsaForm::OtherPrincipals],
        ),
        (
            11,
            with(exact(), "Action", json!(["sts:AssumeRoleWithWebIdentity", "sts:TagSession"])),
            &[IrsaForm::Exact, IrsaForm::OtherActions],
        ),
        (
            13,
            json!([statement(json!({"StringEquals": {&sub: "system:serviceaccount:carts:cart"}}))]),
            &[IrsaForm::Exact, IrsaForm::Dead],
        ),
        (13, json!([far(exact())]), &[IrsaForm::OtherIssuers, IrsaForm::Dead]),
    ];
    for (number, statements, forms) in rows {
        let found = read(&of(statements));
        let wanted: BTreeSet<IrsaForm> = forms.iter().copied().collect();
        assert_eq!(found.forms, wanted, "{number}");
        let refuses = matches!(found.verdict, Verdict::Refuses(_));
        assert_eq!(refuses, forms.contains(&IrsaForm::Dead), "{number}: {:?}", found.verdict);
    }
    let far_away = read_in("444455556666", &of(exact()));
    assert_eq!(far_away.forms, BTreeSet::from([IrsaForm::Exact, IrsaForm::OtherAccount]), "12");
}

#[test]
fn who_else_is_allowed() {
    let mut far = exact();
    far["Principal"]["Federated"] = json!(provider(FAR));
    let ec2 = json!({"Effect": "Allow", "Principal": {"Service": ["ec2.amazonaws.com", "pods.eks.amazonaws.com"]}, "Action": "sts:AssumeRole"});
    let found = read(&of(json!([exact(), far, ec2])));
    assert_eq!(found.statements, ["statement 1"]);
    assert_eq!(found.other_issuers, [FAR]);
    assert_eq!(found.other_principals, ["service ec2.amazonaws.com"]);
}

#[test]
fn why_nobody_is_allowed() {
    let reason = |document: &Document| match read(document).verdict {
        Verdict::Refuses(reasons) => super::super::in_words(&reasons),
        other => panic!("{other:?}"),
    };
    let mut lower = exact();
    lower["Principal"]["Federated"] = json!(provider(&ISSUER.to_lowercase()));
    assert_eq!(
        reason(&of(json!([lower]))),
        format!(
            "no statement allows the OIDC issuer of this cluster; `{}` differs from it in its case",
            ISSUER.to_lowercase()
        )
    );
    let denied = json!([exact(), {"Effect": "Deny", "Principal": "*", "Action": "sts:*"}]);
    assert_eq!(reason(&of(denied)), "statement 2 denies sts:AssumeRoleWithWebIdentity");
    assert_eq!(reason(&of(json!([]))), "no statement allows the OIDC issuer of this cluster");
    let unknown = statement(json!({"StringEquals": {"aws:SourceVpc": "vpc-1"}}));
    assert!(matches!(read(&of(unknown)).verdict, Verdict::Unknown(_)));
}

/// What a token cannot bring is absent; what podid does not know of is not told.
#[test]
fn conditions_on_what_a_token_has_not() {
    let asked = |condition: Value| read(&of(statement(condition))).verdict;
    for key in
        ["aws:PrincipalTag/team", "aws:RequestTag/team", "aws:PrincipalArn", "sts:ExternalId", "aws:SourceArn", "x:amr"]
    {
        assert_eq!(asked(json!({"Null": {key: "true"}})), Verdict::Admits, "{key}");
        match asked(json!({"StringEquals": {key: "x"}})) {
            Verdict::Refuses(reasons) => assert_eq!(
                reasons[0].text,
                format!("statement 1 requires {key}, which the tokens of this cluster do not have")
            ),
            other => panic!("{key}: {other:?}"),
        }
    }
    assert_eq!(asked(json!({"Null": {"sts:RoleSessionName": "false"}})), Verdict::Admits);
    assert!(matches!(asked(json!({"Null": {"aws:SourceIp": "false"}})), Verdict::Unknown(_)));
}

#[test]
fn other_clusters_are_told_once_each() {
    let second = FAR.replace("FEDC", "0000");
    let of_cluster = |issuer: &str| {
        let mut one = exact();
        one["Principal"]["Federated"] = json!(provider(issuer));
        one
    };
    let found = read(&of(json!([of_cluster(FAR), exact(), of_cluster(&second), of_cluster(FAR)])));
    assert_eq!(found.other_issuers, [FAR, second.as_str()]);
}

/// The audience alone, by an operator that nobody writes, is as unusual as the subject by one.
#[test]
fn an_unusual_operator_is_found_on_either_claim() {
    for claim in ["sub", "aud"] {
        let key = format!("{ISSUER}:{claim}");
        let found = read(&of(statement(json!({"ForAnyValue:StringEquals": {key: CARTS}}))));
        assert!(found.forms.contains(&IrsaForm::UnusualOperator), "{claim}: {:?}", found.forms);
    }
}

#[test]
fn each_form_has_its_own_words_and_three_are_open() {
    use IrsaForm::*;
    let all = [
        Exact,
        List,
        LikeWithoutWildcard,
        Pattern,
        AudienceOnly,
        Unconditional,
        OtherIssuers,
        SeveralProviders,
        UnusualOperator,
        OtherPrincipals,
        OtherActions,
        OtherAccount,
        Dead,
    ];
    let words: BTreeSet<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(words.len(), all.len());
    assert!(words.iter().all(|words| words.contains(' ')));
    let open: Vec<IrsaForm> = all.into_iter().filter(|form| form.is_open()).collect();
    assert_eq!(open, [Pattern, AudienceOnly, Unconditional]);
}
