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
    /// A service control policy does not allow it.
    NoOrganization,
}

impl Why {
    /// ` because no identity-based policy allows the ACTION action` and its siblings.
    pub(super) fn text(&self, action: &str) -> String {
        match self {
            Self::NoIdentityPolicy => format!(" because no identity-based policy allows the {action} action"),
            Self::ExplicitDeny(kind) => format!(" with an explicit deny in {kind}"),
            Self::NoBoundary => format!(" because no permissions boundary allows the {action} action"),
            Self::NoOrganization => format!(" because no service control policy allows the {action} action"),
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
    /// Service control policies, one for each level.
    pub organization: Vec<Value>,
    /// The policy of the resource, and the role whose session asks for it.
    pub resource: Option<(Value, String)>,
}

/// What policies of one kind come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ruling {
    Allow,
    Deny,
    Silent,
}

/// What documents come to for a caller.
pub(super) fn ruling(documents: &[Value], who: &str, action: &str, resource: &str, facts: &Facts) -> Ruling {
    match decide(documents, &aws(who), action, Some(resource), facts) {
        Decision::Allow => Ruling::Allow,
        Decision::Deny => Ruling::Deny,
        Decision::NotApplicable => Ruling::Silent,
    }
}

/// What service control policies come to: each level has to allow it.
pub(super) fn organization(levels: &[Value], who: &str, action: &str, resource: &str, facts: &Facts) -> Ruling {
    let each: Vec<Ruling> =
        levels.iter().map(|level| ruling(std::slice::from_ref(level), who, action, resource, facts)).collect();
    let worst = [Ruling::Deny, Ruling::Silent].into_iter().find(|worst| each.contains(worst));
    worst.unwrap_or(Ruling::Allow)
}

impl Speaking {
    /// Whether together they allow `action` on `resource`.
    pub(super) fn allow(&self, who: &str, action: &str, resource: &str, facts: &Facts) -> Result<(), Why> {
        let ask = |documents: &[Value]| decide(documents, &aws(who), action, Some(resource), facts);
        match organization(&self.organization, who, action, resource, facts) {
            Ruling::Deny => return Err(Why::ExplicitDeny("a service control policy")),
            Ruling::Silent => return Err(Why::NoOrganization),
            Ruling::Allow => {}
        }
        let of_resource = self.resource_ruling(who, action, resource, facts);
        if of_resource == Ruling::Deny {
            return Err(Why::ExplicitDeny("a resource-based policy"));
        }
        match ask(&self.identity) {
            Decision::Deny => return Err(Why::ExplicitDeny("an identity-based policy")),
            // What a resource's policy allows to a role of its account needs no policy of the role.
            Decision::NotApplicable if of_resource == Ruling::Allow => {}
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

impl Speaking {
    /// What the resource's policy says to the session, its role, and, where it denies, its account.
    fn resource_ruling(&self, who: &str, action: &str, resource: &str, facts: &Facts) -> Ruling {
        let Some((policy, role)) = &self.resource else { return Ruling::Silent };
        let ask = |who: &str| ruling(std::slice::from_ref(policy), who, action, resource, facts);
        let mut parts = role.split(':');
        let (partition, account) = (parts.nth(1).unwrap_or_default(), parts.nth(2).unwrap_or_default());
        let named = [ask(who), ask(role)];
        if named.contains(&Ruling::Deny) || ask(&format!("arn:{partition}:iam::{account}:root")) == Ruling::Deny {
            Ruling::Deny
        } else if named.contains(&Ruling::Allow) {
            Ruling::Allow
        } else {
            Ruling::Silent
        }
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

/// Whether a trust policy lets the tokens of an OIDC provider do `action`.
pub(super) fn trust_allows_provider(trust: &Value, provider: &str, action: &str, facts: &Facts) -> bool {
    let principal = Principal::Federated(PrincipalId::String(provider.to_owned()));
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
    let resource = resource.map(owned_by_number);
    let Ok(arn) = Arn::parse(resource.as_deref().unwrap_or("arn:aws:none:::*")) else {
        return Decision::NotApplicable;
    };
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
        for key in ["Resource", "NotResource"] {
            if let Some(resources) = statement.get_mut(key) {
                let all: Vec<Value> = one_or_many(resources);
                *resources = all
                    .iter()
                    .map(|one| one.as_str().map_or_else(|| one.clone(), |text| json!(owned_by_number(text))))
                    .collect();
            }
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

/// `iam-rs` takes accounts by their number only; AWS's own policies are owned by `aws`.
fn owned_by_number(arn: &str) -> String {
    arn.replacen(":iam::aws:", ":iam::000000000000:", 1)
}

fn stringify(condition: &mut Value) {
    match condition {
        Value::Object(map) => map.values_mut().for_each(stringify),
        Value::Array(list) => list.iter_mut().for_each(stringify),
        Value::Bool(_) | Value::Number(_) => *condition = Value::String(condition.to_string()),
        _ => {}
    }
}

/// The context keys that a document asks for: in its conditions and its variables.
pub(super) fn keys_of(document: &Value) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for statement in document.get("Statement").map(one_or_many).unwrap_or_default() {
        let operators = statement.get("Condition").and_then(Value::as_object);
        for asked in operators.into_iter().flatten().filter_map(|(_, keys)| keys.as_object()) {
            keys.extend(asked.keys().cloned());
        }
        let text = statement.to_string();
        let variables = text.split("${").skip(1).filter_map(|rest| rest.split(['}', ',']).next());
        keys.extend(variables.map(str::trim).filter(|key| key.contains(':')).map(ToOwned::to_owned));
    }
    keys.sort();
    keys.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
    keys
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
