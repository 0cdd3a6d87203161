//! A trust policy without what it says of IRSA for service accounts that no longer use it. All other statements, and all that a
//! statement says of others, stay as they are.

use serde_json::Value;

use super::{ACTION, host, issuers, sub};
use crate::model::{
    arn::Arn,
    document::{Document, strings},
    names::ServiceAccount,
    trust::{
        admits::{allows, conditions},
        conditions::texts,
        evaluate::who,
        operator::Operator,
    },
};

/// A statement that allows these service accounts by IRSA, and stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What it is called.
    pub statement: String,
    /// Why podid does not change it.
    pub why: &'static str,
}

/// The document without the statements of the issuer for `finished` service accounts, and the statements that may go on to allow
/// them: podid takes out names, and never narrows what names nobody.
pub fn without(role: &Arn, document: &Document, issuer: &str, finished: &[&ServiceAccount]) -> (Document, Vec<Kept>) {
    let host = host(issuer);
    let names: Vec<String> = finished.iter().map(|it| sub(it)).collect();
    let mut after = document.clone();
    let mut kept = Vec::new();
    let mut at = 0;
    let mut goes = |statement: &mut Value| {
        at += 1;
        if !allows(statement) || !issuers(statement, role).contains(&host) {
            return false;
        }
        match leave(statement, host, &names) {
            Left::Gone => true,
            Left::Shortened | Left::Others => false,
            Left::Kept(why) => {
                kept.push(Kept { statement: who(statement, at - 1), why });
                false
            }
        }
    };
    match after.0.get_mut("Statement") {
        Some(Value::Array(list)) => list.retain_mut(|statement| !goes(statement)),
        // IAM takes no document without statements: the last one stays, and its caller knows by that.
        Some(one @ Value::Object(_)) => _ = goes(one),
        _ => {}
    }
    (after, kept)
}

/// What becomes of a statement for the issuer.
enum Left {
    /// It named nobody else.
    Gone,
    /// It names others, and no longer these.
    Shortened,
    /// It names only others.
    Others,
    /// It may allow them, and stays.
    Kept(&'static str),
}

fn leave(statement: &mut Value, host: &str, names: &[String]) -> Left {
    let sub = format!("{host}:sub");
    let subjects = {
        let own: Vec<_> =
            conditions(statement).into_iter().filter(|(_, key, _)| key.eq_ignore_ascii_case(&sub)).collect();
        let [(operator, key, value)] = own[..] else {
            return Left::Kept(if own.is_empty() {
                "it names no service account"
            } else {
                "it has several conditions on the service account"
            });
        };
        let parsed = Operator::parse(operator);
        let usual = parsed.is_known() && parsed.set.is_none() && parsed.is_plain() && !parsed.if_exists;
        let values = texts(value);
        let exact = parsed.is_exact() || !values.iter().any(|one| one.contains(['*', '?']));
        if !usual || parsed.negated || !(parsed.is_exact() || parsed.is_pattern()) {
            return Left::Kept("its condition on the service account is unusual");
        }
        if !exact {
            return Left::Kept("it allows a pattern of service accounts");
        }
        if !values.iter().any(|one| names.iter().any(|name| name == one)) {
            return Left::Others;
        }
        let others = values.iter().any(|one| !names.iter().any(|name| name == one));
        (operator.to_owned(), key.to_owned(), others)
    };
    let principal = statement.get("Principal").and_then(Value::as_object);
    let providers = strings(statement.pointer("/Principal/Federated"));
    if principal.is_none_or(|kinds| kinds.len() != 1) || providers.len() != 1 {
        return Left::Kept("it has other principals too");
    }
    let actions = strings(statement.get("Action"));
    let of_irsa = |action: &&str| action.eq_ignore_ascii_case(ACTION) || action.eq_ignore_ascii_case("sts:TagSession");
    if statement.get("NotAction").is_some() || !actions.iter().all(of_irsa) {
        return Left::Kept("it allows other actions too");
    }
    let (operator, key, others) = subjects;
    if !others {
        return Left::Gone;
    }
    if let Some(Value::Array(list)) =
        statement.get_mut("Condition").and_then(|all| all.get_mut(&operator)).and_then(|keys| keys.get_mut(&key))
    {
        list.retain(|value| !names.iter().any(|name| value.as_str() == Some(name)));
    }
    Left::Shortened
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::fixtures::subject;

    const HOST: &str = "oidc.eks.us-west-2.amazonaws.com/id/2E81";

    fn role() -> Arn {
        "arn:aws:iam::111122223333:role/carts".parse().unwrap()
    }

    fn statement(principal: &Value, condition: &Value) -> Value {
        json!({ "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition })
    }

    fn provider(host: &str) -> String {
        format!("arn:aws:iam::111122223333:oidc-provider/{host}")
    }

    fn named(operator: &str, subjects: &Value) -> Value {
        let own = json!({ "Federated": provider(HOST) });
        statement(
            &own,
            &json!({ operator: { format!("{HOST}:sub"): subjects, format!("{HOST}:aud"): "sts.amazonaws.com" } }),
        )
    }

    fn left(statements: &Value) -> (Value, Vec<&'static str>) {
        let document = Document(json!({ "Version": "2012-10-17", "Statement": statements }));
        let carts = subject("carts/carts");
        let (after, kept) = without(&role(), &document, &format!("https://{HOST}"), &[&carts]);
        (after.0["Statement"].clone(), kept.into_iter().map(|it| it.why).collect())
    }

    #[test]
    fn what_names_only_it_goes_and_nothing_else() {
        let own = json!("system:serviceaccount:carts:carts");
        let pods = json!({ "Sid": "Pods", "Effect": "Allow", "Principal": { "Service": "pods.eks.amazonaws.com" }, "Action": ["sts:AssumeRole", "sts:TagSession"] });
        let github = statement(
            &json!({ "Federated": provider("token.actions.githubusercontent.com") }),
            &json!({ "StringEquals": { "token.actions.githubusercontent.com:sub": "repo:a/b:ref:refs/heads/main" } }),
        );
        let other = "oidc.eks.us-west-2.amazonaws.com/id/OTHER";
        let elsewhere = statement(
            &json!({ "Federated": provider(other) }),
            &json!({ "StringEquals": { format!("{other}:sub"): own } }),
        );
        for one in [named("StringEquals", &own), named("StringLike", &own), named("StringEquals", &json!([own]))] {
            let (after, kept) = left(&json!([github, one, pods, elsewhere]));
            assert_eq!(after, json!([github, pods, elsewhere]), "{one}");
            assert_eq!(kept, Vec::<&str>::new());
        }
    }

    #[test]
    fn of_a_list_only_its_own_name_goes() {
        let (carts, orders) = ("system:serviceaccount:carts:carts", "system:serviceaccount:orders:orders");
        let (after, kept) = left(&json!([named("StringEquals", &json!([carts, orders]))]));
        assert_eq!((after, kept), (json!([named("StringEquals", &json!([orders]))]), vec![]));
        let only_others = json!([named("StringEquals", &json!(orders))]);
        assert_eq!(left(&only_others), (only_others.clone(), vec![]));
    }

    /// IAM takes no document without statements: a single one stays, without the name where it has others.
    #[test]
    fn a_single_statement_is_shortened_and_never_removed() {
        let (carts, orders) = ("system:serviceaccount:carts:carts", "system:serviceaccount:orders:orders");
        let single = |names: Value| named("StringEquals", &names);
        assert_eq!(left(&single(json!([carts, orders]))), (single(json!([orders])), vec![]));
        assert_eq!(left(&single(json!(carts))), (single(json!(carts)), vec![]));
    }

    #[test]
    fn what_may_serve_others_stays_and_is_named() {
        let own = json!("system:serviceaccount:carts:carts");
        let mut more_actions = named("StringEquals", &own);
        more_actions["Action"] = json!(["sts:AssumeRoleWithWebIdentity", "sts:AssumeRole"]);
        let mut both = named("StringEquals", &own);
        both["Principal"]["AWS"] = json!("arn:aws:iam::111122223333:root");
        let mut several = named("StringEquals", &own);
        several["Principal"]["Federated"] = json!([provider(HOST), provider("oidc.eks.us-west-2.amazonaws.com/id/B")]);
        let mut twice = named("StringEquals", &own);
        twice["Condition"]["StringLike"] = json!({ format!("{HOST}:sub"): "system:serviceaccount:carts:*" });
        let mut open = named("StringEquals", &own);
        open["Condition"] = json!({ "StringEquals": { format!("{HOST}:aud"): "sts.amazonaws.com" } });
        for (one, why) in [
            (named("StringLike", &json!("system:serviceaccount:carts:*")), "it allows a pattern of service accounts"),
            (named("StringNotEquals", &own), "its condition on the service account is unusual"),
            (named("ForAnyValue:StringEquals", &own), "its condition on the service account is unusual"),
            (named("NumericEquals", &own), "its condition on the service account is unusual"),
            (open, "it names no service account"),
            (twice, "it has several conditions on the service account"),
            (more_actions, "it allows other actions too"),
            (both, "it has other principals too"),
            (several, "it has other principals too"),
        ] {
            assert_eq!(left(&json!([one])), (json!([one]), vec![why]));
        }
        let pattern = named("StringLike", &json!("system:serviceaccount:carts:*"));
        let others = named("StringEquals", &json!("system:serviceaccount:orders:orders"));
        let document = Document(json!({ "Statement": [others, pattern] }));
        let (_, kept) = without(&role(), &document, &format!("https://{HOST}"), &[&subject("carts/carts")]);
        assert_eq!(kept[0].statement, "statement 2");
    }
}
