//! The trust policy without its mistakes. Two rules:
//!
//! - For one service account, nobody else is allowed more than before: a statement is completed only where its own
//!   conditions keep it to whom podid's own statement would allow; otherwise podid's statement is added.
//! - For none, each statement is corrected as it was written: it then allows those whom its own conditions name. No
//!   condition is removed, and no other statement is made to allow more.
//!
//! In both, a principal that could be another service's stays, and so do the statements and their order. IAM takes no
//! document with a principal that does not exist: for one service account a misspelled one goes, which allowed nobody.

use std::fmt;

use serde_json::{Map, Value, json};

use super::{
    ACTIONS, PRINCIPAL, Request, SidTaken, TooLong, Verdict,
    admits::{allows, conditions, services},
    default_scope, evaluate,
    evaluate::covers,
    lint::{Elsewhere, Lint},
    may_be_too_long,
    operator::Operator,
    principals::is_typo,
    statement, too_long, with_statement,
};
use crate::model::{
    arn::Arn,
    cluster::Cluster,
    document::{Document, strings},
    names::ServiceAccount,
    text::wildcard,
    want::Scope,
};

/// Why podid has no corrected trust policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfixable {
    /// A statement denies it, and no added statement overrules a Deny.
    Denied,
    /// The Sid of podid's statement is on one that podid did not write.
    SidTaken(SidTaken),
    /// IAM would refuse the corrected document for its length.
    TooLong(TooLong),
    /// There is nothing that podid may change.
    Nothing,
}

impl fmt::Display for Unfixable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied => f.write_str("a statement denies it, and no added statement overrules a Deny"),
            Self::SidTaken(taken) => write!(f, "podid cannot add its statement: {taken}"),
            Self::TooLong(long) => write!(f, "the corrected trust policy {long}"),
            Self::Nothing => f.write_str("it has no statement that podid may change"),
        }
    }
}

/// The corrected document: for the service account that was asked about, or for nobody in particular.
///
/// # Errors
/// Why there is none.
pub fn corrected(document: &Document, ask: &Lint<'_>) -> Result<Document, Unfixable> {
    let after = match ask.request {
        None => spelled(document, ask, &|_| true),
        Some(request) => {
            let only = |statement: &Value| confined(statement, request, Scope::ServiceAccount);
            let after = spelled(document, ask, &only);
            if matches!(evaluate(&after, request), Verdict::Refuses(_)) {
                correction(&after, request, default_scope(request.session_tags))?
            } else {
                after
            }
        }
    };
    if after == *document {
        return Err(Unfixable::Nothing);
    }
    too_long(Some(document), &after).map_or(Ok(after), |long| Err(Unfixable::TooLong(long)))
}

/// The document as it has to be to admit the request, and nobody but whom podid's statement of this scope allows: a missing
/// action is added where that does it, otherwise podid's statement.
///
/// # Errors
/// Why there is none. Its length is for the caller to look at, who knows what is there now.
pub fn correction(document: &Document, request: &Request<'_>, scope: Scope) -> Result<Document, Unfixable> {
    let document = &without_misspelled(document);
    let admits = |after: &Document| !matches!(evaluate(after, request), Verdict::Refuses(_));
    if let Some(after) = completed(document, request, scope).filter(admits) {
        return Ok(after);
    }
    let own = statement(request.cluster, request.subject, scope, request.session_tags);
    let after = with_statement(document, request.cluster, request.subject, own).map_err(Unfixable::SidTaken)?;
    if admits(&after) { Ok(after) } else { Err(Unfixable::Denied) }
}

/// Whether no statement of podid's for one service account can be added: the trust policy that it would make, at the least.
pub fn no_room(document: &Document, role: &Arn) -> Option<TooLong> {
    let arn = Arn {
        service: "eks".to_owned(),
        region: "eu-west-1".to_owned(),
        resource: "cluster/c".to_owned(),
        ..role.clone()
    };
    let subject = ServiceAccount { namespace: "n".to_owned(), name: "s".to_owned() };
    let cluster = Cluster::named(arn);
    let own = statement(&cluster, &subject, Scope::ServiceAccount, true);
    let after = with_statement(document, &cluster, &subject, own).ok()?;
    may_be_too_long(document, &after)
}

/// Whether the conditions of a statement keep it to whom podid's own statement of this scope allows, whatever else it asks.
fn confined(statement: &Value, request: &Request<'_>, scope: Scope) -> bool {
    let only = |key: &str, wanted: &str| {
        conditions(statement).into_iter().any(|(operator, name, value)| {
            let operator = Operator::parse(operator);
            let compares = ["stringequals", "stringlike", "arnequals", "arnlike"].contains(&operator.base.as_str());
            let plain = compares && !operator.negated && !operator.if_exists && operator.set.is_none();
            let values = match value {
                Value::Array(list) => list.iter().collect(),
                one => vec![one],
            };
            let same = !values.is_empty() && values.iter().all(|value| value.as_str() == Some(wanted));
            plain && same && name.eq_ignore_ascii_case(key)
        })
    };
    let tag = |tag: &str, wanted: &str| only(&format!("aws:RequestTag/{tag}"), wanted);
    let arn = request.cluster.arn.to_string();
    let cluster = tag("eks-cluster-arn", &arn) || only("aws:SourceArn", &arn);
    let namespace = tag("kubernetes-namespace", &request.subject.namespace);
    match scope {
        Scope::ServiceAccount => cluster && namespace && tag("kubernetes-service-account", &request.subject.name),
        Scope::Namespace => cluster && namespace,
        Scope::Cluster => cluster,
        Scope::None => true,
    }
}

/// Whether a statement is for Pod Identity and nobody else: what is added to it is added for no other principal.
fn pods_alone(statement: &Value) -> bool {
    let kinds = statement.get("Principal").and_then(Value::as_object);
    let services = services(statement);
    kinds.is_some_and(|kinds| kinds.len() == 1)
        && !services.is_empty()
        && services.iter().all(|service| *service == PRINCIPAL)
}

/// The document with the missing actions added to the first statement of others that admits the request but for them, and
/// that is kept to the scope.
fn completed(document: &Document, request: &Request<'_>, scope: Scope) -> Option<Document> {
    let count = document.statements().len();
    (0..count).find_map(|index| {
        let mut after = document.clone();
        let target = match after.0.get_mut("Statement") {
            Some(Value::Array(list)) => list.get_mut(index)?,
            Some(one) => one,
            None => return None,
        };
        if !allows(target) || !pods_alone(target) || !confined(target, request, scope) {
            return None;
        }
        let has: Vec<String> = strings(target.get("Action")).into_iter().map(str::to_owned).collect();
        // A statement for web identities is another door; adding actions to it would not make sense of it.
        if !has.iter().any(|a| ACTIONS.iter().any(|wanted| wanted.eq_ignore_ascii_case(a))) {
            return None;
        }
        let mut actions = has.clone();
        let missing = ACTIONS.iter().filter(|wanted| !has.iter().any(|a| a.eq_ignore_ascii_case(wanted)));
        actions.extend(missing.map(|wanted| (*wanted).to_owned()));
        target["Action"] = json!(actions);
        // Judged alone, so that it is this statement that fits and not another one.
        let alone = super::document(target.clone());
        (actions.len() > has.len() && evaluate(&alone, request) == Verdict::Admits).then_some(after)
    })
}

/// The document with its statements as they were meant, where `may` says so of the corrected one.
fn spelled(document: &Document, ask: &Lint<'_>, may: &dyn Fn(&Value) -> bool) -> Document {
    let mut after = document.clone();
    let elsewhere = Elsewhere::of(&document.statements());
    let list: Vec<&mut Value> = match after.0.get_mut("Statement") {
        Some(Value::Array(list)) => list.iter_mut().collect(),
        Some(one @ Value::Object(_)) => vec![one],
        _ => Vec::new(),
    };
    for statement in list.into_iter().filter(|s| allows(s)) {
        let mut meant = statement.clone();
        mend(&mut meant, elsewhere, ask);
        if may(&meant) {
            *statement = meant;
        }
    }
    after
}

/// The document without misspelled principals, and without the statements that name nobody else. They allow nobody.
fn without_misspelled(document: &Document) -> Document {
    let mut after = document.clone();
    let goes = |statement: &mut Value| {
        let named = services(statement);
        let (count, wrong) = (named.len(), named.into_iter().filter(|service| is_typo(service)).count());
        if !allows(statement) || wrong == 0 {
            return false;
        }
        let Some(kinds) = statement.get_mut("Principal").and_then(Value::as_object_mut) else { return false };
        if wrong < count {
            if let Some(Value::Array(list)) = kinds.get_mut("Service") {
                list.retain(|service| !service.as_str().is_some_and(is_typo));
            }
            return false;
        }
        kinds.shift_remove("Service");
        kinds.is_empty()
    };
    match after.0.get_mut("Statement") {
        Some(Value::Array(list)) => list.retain_mut(|statement| !goes(statement)),
        Some(one) => {
            let gone = one.is_object() && goes(one);
            if gone {
                *one = json!([]);
            }
        }
        None => {}
    }
    after
}

fn mend(statement: &mut Value, elsewhere: Elsewhere, ask: &Lint<'_>) {
    if let Some(service) = statement.pointer_mut("/Principal/Service") {
        each(service, &mut |one| {
            if is_typo(one) {
                PRINCIPAL.clone_into(one);
            }
        });
    }
    // Another principal of the same statement may rightly use what is not EKS's, and must not be allowed more.
    if !pods_alone(statement) {
        return;
    }
    if statement.get("Action").is_some() {
        complete(statement, elsewhere);
    }
    if let Some(Value::Object(operators)) = statement.get_mut("Condition") {
        source_arns(operators, ask);
        wildcards(operators);
    }
}

/// The actions that no statement for pods has yet.
fn complete(statement: &mut Value, elsewhere: Elsewhere) {
    let mut actions: Vec<String> = strings(statement.get("Action")).into_iter().map(str::to_owned).collect();
    if !covers(statement, ACTIONS[0]) {
        let web = covers(statement, "sts:AssumeRoleWithWebIdentity");
        actions.retain(|action| !action.eq_ignore_ascii_case("sts:AssumeRoleWithWebIdentity"));
        // One that allows TagSession alone completes another.
        if web || !covers(statement, ACTIONS[1]) && !elsewhere.assumes {
            actions.insert(0, ACTIONS[0].to_owned());
        }
    }
    let assumes = actions.iter().any(|a| wildcard(&a.to_ascii_lowercase(), "sts:assumerole"));
    if assumes && !elsewhere.tags && !covers(statement, ACTIONS[1]) {
        actions.push(ACTIONS[1].to_owned());
    }
    if actions != strings(statement.get("Action")) {
        statement["Action"] = json!(actions);
    }
}

/// Does something to a string, or to each of a list.
fn each(value: &mut Value, change: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(one) => change(one),
        Value::Array(list) => list.iter_mut().for_each(|value| each(value, change)),
        _ => {}
    }
}

/// The ARN of an association names its cluster.
fn source_arns(operators: &mut Map<String, Value>, ask: &Lint<'_>) {
    for (_, keys) in operators.iter_mut().filter(|(operator, _)| Operator::parse(operator).is_plain()) {
        let Some(keys) = keys.as_object_mut() else { continue };
        for (_, value) in keys.iter_mut().filter(|(key, _)| key.eq_ignore_ascii_case("aws:SourceArn")) {
            each(value, &mut |one| {
                let Ok(arn) = one.parse::<Arn>() else { return };
                let cluster =
                    arn.resource.strip_prefix("podidentityassociation/").and_then(|rest| rest.split('/').next());
                if let (Some(cluster), "eks") = (cluster, arn.service.as_str()) {
                    *one = Arn { resource: format!("cluster/{cluster}"), ..arn }.to_string();
                } else if let (Some(request), true) = (ask.request, one.as_str() == ask.role.to_string()) {
                    *one = request.cluster.arn.to_string();
                }
            });
        }
    }
}

/// A key whose value has a `*` moves from StringEquals to StringLike.
fn wildcards(operators: &mut Map<String, Value>) {
    let mut moved: Vec<(String, Value)> = Vec::new();
    let mut at = None;
    for (index, (operator, keys)) in operators.iter_mut().enumerate() {
        let Some(keys) = keys.as_object_mut().filter(|_| operator == "StringEquals") else { continue };
        let starred: Vec<String> = keys
            .iter()
            .filter(|(_, value)| {
                let values = strings(Some(value));
                // A `?` that stands for itself would stand for any character there.
                values.iter().any(|one| one.contains('*')) && !values.iter().any(|one| one.contains('?'))
            })
            .map(|(key, _)| key.clone())
            .collect();
        moved.extend(starred.into_iter().filter_map(|key| keys.shift_remove_entry(&key)));
        at = Some((index, keys.is_empty()));
    }
    if moved.is_empty() {
        return;
    }
    let like = operators.get("StringLike").and_then(Value::as_object);
    if like.is_some_and(|like| moved.iter().any(|(key, _)| like.contains_key(key))) {
        // Both would have to hold; one key cannot stand there twice.
        if let Some(Value::Object(equals)) = operators.get_mut("StringEquals") {
            equals.extend(moved);
        }
        return;
    }
    if let Some((_, true)) = at {
        operators.shift_remove("StringEquals");
    }
    if let Value::Object(like) = operators.entry("StringLike").or_insert_with(|| json!({})) {
        like.extend(moved);
    }
}
