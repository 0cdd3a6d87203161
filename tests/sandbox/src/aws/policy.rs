//! What policies allow: documents made ready for `iam-rs`, and the order in which AWS asks them.

use iam_rs::{
    Arn, Context, ContextValue, Decision, EvaluationOptions, IAMPolicy, IAMRequest, PolicyEvaluator, Principal,
    PrincipalId,
};
use serde_json::{Map, Value, json};

/// Facts of a request that conditions ask for.
pub(super) type Facts = Vec<(String, Fact)>;

/// The value of a condition key.
#[derive(Debug, Clone)]
pub(super) enum Fact {
    One(String),
    Many(Vec<String>),
    Flag(bool),
}

/// One condition key with one value.
pub(super) fn fact(key: &str, value: impl Into<String>) -> (String, Fact) {
    (key.to_owned(), Fact::One(value.into()))
}

/// Why something is not allowed, as AWS ends its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    /// No statement of an identity policy allows it.
    NoIdentityPolicy,
    /// A statement of a policy of this kind denies it.
    ExplicitDeny(&'static str),
    /// The boundary does not allow it.
    NoBoundary,
    /// The session policy does not allow it.
    NoSessionPolicy,
}

impl Why {
    /// ` because no identity-based policy allows the ACTION action` and its siblings.
    pub(super) fn text(&self, action: &str) -> String {
        match self {
            Self::NoIdentityPolicy => format!(" because no identity-based policy allows the {action} action"),
            Self::ExplicitDeny(kind) => format!(" with an explicit deny in {kind}"),
            Self::NoBoundary => format!(" because no permissions boundary allows the {action} action"),
            Self::NoSessionPolicy => format!(" because no session policy allows the {action} action"),
        }
    }
}

/// The policies that speak about a caller.
#[derive(Debug, Default)]
pub(super) struct Speaking {
    pub identity: Vec<Value>,
    pub boundary: Option<Value>,
    pub session: Option<Value>,
}

impl Speaking {
    /// Whether together they allow `action` on `resource`.
    pub(super) fn allow(&self, who: &str, action: &str, resource: &str, facts: &Facts) -> Result<(), Why> {
        let ask = |documents: &[Value]| decide(documents, &aws(who), action, Some(resource), facts);
        match ask(&self.identity) {
            Decision::Deny => return Err(Why::ExplicitDeny("an identity-based policy")),
            Decision::NotApplicable => return Err(Why::NoIdentityPolicy),
            Decision::Allow => {}
        }
        if let Some(boundary) = &self.boundary {
            match ask(std::slice::from_ref(boundary)) {
                Decision::Deny => return Err(Why::ExplicitDeny("a permissions boundary")),
                Decision::NotApplicable => return Err(Why::NoBoundary),
                Decision::Allow => {}
            }
        }
        if let Some(session) = &self.session {
            match ask(std::slice::from_ref(session)) {
                Decision::Deny => return Err(Why::ExplicitDeny("a session policy")),
                Decision::NotApplicable => return Err(Why::NoSessionPolicy),
                Decision::Allow => {}
            }
        }
        Ok(())
    }
}

fn aws(arn: &str) -> Principal {
    Principal::Aws(PrincipalId::String(arn.to_owned()))
}

/// Whether a trust policy lets a service do `action`.
pub(super) fn trust_allows_service(trust: &Value, service: &str, action: &str, facts: &Facts) -> bool {
    let principal = Principal::Service(PrincipalId::String(service.to_owned()));
    decide(std::slice::from_ref(trust), &principal, action, None, facts) == Decision::Allow
}

/// Whether a trust policy lets a role do `action`: by its name or through its account.
pub(super) fn trust_allows_role(trust: &Value, role_arn: &str, action: &str, facts: &Facts) -> bool {
    let mut parts = role_arn.split(':');
    let (partition, account) = (parts.nth(1).unwrap_or_default(), parts.nth(2).unwrap_or_default());
    let root = format!("arn:{partition}:iam::{account}:root");
    let answers = [role_arn, &root].map(|who| decide(std::slice::from_ref(trust), &aws(who), action, None, facts));
    !answers.contains(&Decision::Deny) && answers.contains(&Decision::Allow)
}

/// What EKS looks at when an association is written: an Allow for the service and the action, whatever its conditions.
pub(super) fn trust_names_service(trust: &Value, service: &str, action: &str) -> bool {
    let mut bare = trust.clone();
    if let Some(statement) = bare.get_mut("Statement") {
        let mut statements = one_or_many(statement);
        statements.retain(|s| s["Effect"] == "Allow");
        for statement in &mut statements {
            if let Some(map) = statement.as_object_mut() {
                map.shift_remove("Condition");
            }
        }
        *statement = Value::Array(statements);
    }
    trust_allows_service(&bare, service, action, &Facts::new())
}

/// Evaluates documents statement by statement: one that cannot be evaluated says nothing, and does not silence the others.
fn decide(documents: &[Value], who: &Principal, action: &str, resource: Option<&str>, facts: &Facts) -> Decision {
    let options = EvaluationOptions { ignore_resource_constraints: resource.is_none(), ..EvaluationOptions::default() };
    let Ok(arn) = Arn::parse(resource.unwrap_or("arn:aws:none:::*")) else { return Decision::NotApplicable };
    let mut context = Context::new();
    for (key, value) in facts {
        let value = match value {
            Fact::One(text) => ContextValue::String(text.clone()),
            Fact::Many(list) => ContextValue::StringList(list.clone()),
            Fact::Flag(flag) => ContextValue::Boolean(*flag),
        };
        context.insert(key.clone(), value);
    }
    let request = IAMRequest::new_with_context(who.clone(), action, arn, context);
    let mut allowed = false;
    for policy in documents.iter().flat_map(statements) {
        let evaluator = PolicyEvaluator::with_policies(vec![policy]).with_options(options.clone());
        match evaluator.evaluate(&request).map(|result| result.decision) {
            Ok(Decision::Deny) => return Decision::Deny,
            Ok(Decision::Allow) => allowed = true,
            _ => {}
        }
    }
    if allowed { Decision::Allow } else { Decision::NotApplicable }
}

/// A document as policies of one statement each, as far as they can be read.
fn statements(document: &Value) -> Vec<IAMPolicy> {
    prepare(document).into_iter().filter_map(|policy| serde_json::from_value(policy).ok()).collect()
}

/// Writes a document the one way that `iam-rs` reads: one kind of principal per statement, condition values as text, and
/// `ArnLike` for `ArnEquals`, which it takes for a comparison of texts though both are the same (IAM reference, ARN condition
/// operators).
fn prepare(document: &Value) -> Vec<Value> {
    let mut statements = Vec::new();
    for statement in document.get("Statement").map(one_or_many).unwrap_or_default() {
        let Value::Object(mut statement) = statement else { continue };
        if let Some(condition) = statement.get_mut("Condition") {
            stringify(condition);
            like(condition);
        }
        // `{"AWS": "*"}` and `"*"` mean the same here too.
        if statement.get("NotPrincipal").is_some_and(|others| many(others, "AWS").iter().any(|id| id == "*")) {
            statement.insert("NotPrincipal".to_owned(), json!("*"));
        }
        match statement.get("Principal").cloned() {
            Some(Value::Object(kinds)) => {
                for (kind, ids) in kinds {
                    let mut one = statement.clone();
                    // `{"AWS": "*"}` and `"*"` mean the same.
                    let everyone = kind == "AWS" && one_or_many(&ids).iter().any(|id| id == "*");
                    one.insert("Principal".to_owned(), if everyone { json!("*") } else { json!({ kind: ids }) });
                    statements.push(Value::Object(one));
                }
            }
            _ => statements.push(Value::Object(statement)),
        }
    }
    let version = document.get("Version").cloned().unwrap_or_else(|| json!("2008-10-17"));
    statements.into_iter().map(|statement| json!({"Version": version, "Statement": [statement]})).collect()
}

fn many(principal: &Value, kind: &str) -> Vec<Value> {
    principal.get(kind).map(one_or_many).unwrap_or_default()
}

fn like(condition: &mut Value) {
    let Value::Object(operators) = condition else { return };
    let mut all = Map::new();
    for (operator, keys) in std::mem::take(operators) {
        let name = operator.replace("ArnEquals", "ArnLike").replace("ArnNotEquals", "ArnNotLike");
        match (all.get_mut(&name).and_then(Value::as_object_mut), keys) {
            // Both have to hold; a key that stands in both would need two statements.
            (Some(there), Value::Object(more)) if !more.keys().any(|key| there.contains_key(key)) => there.extend(more),
            (Some(_), keys) => {
                all.insert(operator, keys);
            }
            (None, keys) => {
                all.insert(name, keys);
            }
        }
    }
    *operators = all;
}

fn stringify(condition: &mut Value) {
    match condition {
        Value::Object(map) => map.values_mut().for_each(stringify),
        Value::Array(list) => list.iter_mut().for_each(stringify),
        Value::Bool(_) | Value::Number(_) => *condition = Value::String(condition.to_string()),
        _ => {}
    }
}

/// A value that may be a list or stand alone.
pub(super) fn one_or_many(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list.clone(),
        Value::Null => Vec::new(),
        other => vec![other.clone()],
    }
}

/// An object's key, or an empty list.
pub(super) fn many_of(object: &Map<String, Value>, key: &str) -> Vec<Value> {
    object.get(key).map(one_or_many).unwrap_or_default()
}
