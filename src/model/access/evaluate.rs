//! What policies say of a call, in three values, where IAM is not asked: identity policies, a boundary, a session policy, a
//! table's own policy (IAM User Guide, policy evaluation logic). What an organization's policies say, nobody can read here.

use serde_json::Value;

use super::{
    Decision, Effect, Need, RoleDocuments,
    session::{Call, Session},
};
use crate::model::{
    document::{Document, strings},
    text::wildcard,
    trust::conditions::{self, Context, Keys, Truth},
};

/// What documents together come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They come to this, by the policies of these names.
    Is(Effect, Vec<String>),
    /// It depends on what podid cannot know; on what.
    Unknown(Vec<String>),
}

/// What an identity policy and a boundary come to. The reasons of what cannot be known otherwise.
///
/// # Errors
/// When it depends on what podid cannot know; on what.
pub fn predict(documents: &RoleDocuments, session: &Session, need: &Need) -> Result<Decision, Vec<String>> {
    let call = call(session, need);
    let identity = evaluate(&documents.identity, &call, Whom::Caller);
    let boundary = documents.boundary.as_ref().map(|one| evaluate(std::slice::from_ref(one), &call, Whom::Caller));
    let decide = |effect, boundary, policies: &[String]| Decision {
        action: need.action.clone(),
        resource: need.resource.clone(),
        context: need.context.clone(),
        effect,
        boundary,
        organization: None,
        missing: Vec::new(),
        policies: policies.to_vec(),
    };
    let within = boundary.as_ref().map(|_| true);
    match (identity, boundary) {
        (_, Some(Verdict::Is(Effect::Explicit, by))) => Ok(decide(Effect::Explicit, Some(false), &by)),
        (Verdict::Is(Effect::Explicit, by), _) => Ok(decide(Effect::Explicit, within, &by)),
        (_, Some(Verdict::Is(Effect::Implicit, by))) => Ok(decide(Effect::Implicit, Some(false), &by)),
        (Verdict::Is(Effect::Implicit, by), _) => Ok(decide(Effect::Implicit, within, &by)),
        (Verdict::Unknown(reasons), _) | (_, Some(Verdict::Unknown(reasons))) => Err(reasons),
        (Verdict::Is(Effect::Allowed, by), _) => Ok(decide(Effect::Allowed, within, &by)),
    }
}

/// What a session policy, given as its text, comes to.
pub fn session_allows(policy: &str, session: &Session, need: &Need) -> Verdict {
    match serde_json::from_str(policy) {
        Ok(value) => {
            evaluate(&[("the session policy".to_owned(), Document(value))], &call(session, need), Whom::Caller)
        }
        Err(error) => Verdict::Unknown(vec![format!("the session policy is not JSON: {error}")]),
    }
}

/// What a table's own policy comes to. To its own account it gives nothing by naming that: the role's policies decide then.
/// Another account (`foreign`) it lets hand on what it allows to it.
pub fn table_says(policy: &Document, session: &Session, need: &Need, foreign: bool) -> Verdict {
    let whom = if foreign { Whom::Foreign } else { Whom::Own };
    evaluate(&[("the table's policy".to_owned(), policy.clone())], &call(session, need), whom)
}

/// Whether identity policies would allow it if the caller's tags were other ones.
pub(crate) fn but_for_tags(documents: &RoleDocuments, session: &Session, need: &Need) -> bool {
    let call = Call { any_tag: true, ..call(session, need) };
    !matches!(evaluate(&documents.identity, &call, Whom::Caller), Verdict::Is(Effect::Implicit | Effect::Explicit, _))
}

/// What the statements that allow an action name as its resources, each with its policy.
pub fn resources_for(documents: &RoleDocuments, action: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, document) in &documents.identity {
        for statement in document.statements() {
            if statement.get("Effect").and_then(Value::as_str) == Some("Allow") && covers_action(statement, action) {
                found.extend(strings(statement.get("Resource")).into_iter().map(|r| (name.clone(), r.to_owned())));
                // All but what it names.
                if statement.get("NotResource").is_some() {
                    found.push((name.clone(), "*".to_owned()));
                }
            }
        }
    }
    found
}

/// The keys of the caller's tags that policies ask for, as far as they speak of an action.
pub(crate) fn tags_asked(documents: &RoleDocuments, action: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (_, document) in &documents.identity {
        for statement in document.statements().into_iter().filter(|statement| covers_action(statement, action)) {
            let text = statement.to_string();
            for part in text.split("aws:PrincipalTag/").skip(1) {
                let key = part.split(['"', '}', ',', ' ']).next().unwrap_or_default().to_owned();
                if !key.is_empty() && !found.contains(&key) {
                    found.push(key);
                }
            }
        }
    }
    found
}

fn call<'a>(session: &'a Session, need: &'a Need) -> Call<'a> {
    Call { session, action: &need.action, resource: &need.resource, brings: &need.context, any_tag: false }
}

/// Whom statements speak of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whom {
    /// The caller: they are the policies of its role or session.
    Caller,
    /// Whom they name, in the resource's account.
    Own,
    /// Whom they name, the caller being of another account.
    Foreign,
}

/// Asks documents.
fn evaluate(documents: &[(String, Document)], call: &Call<'_>, whom: Whom) -> Verdict {
    let (mut denied, mut allowed) = (Vec::new(), Vec::new());
    let (mut may_deny, mut may_allow) = (Vec::new(), Vec::new());
    for (name, document) in documents {
        // Before this version variables are plain text (IAM reference, Version element).
        let variables = document.0.get("Version").and_then(Value::as_str) == Some("2012-10-17");
        for (at, statement) in document.statements().into_iter().enumerate() {
            let deny = statement.get("Effect").and_then(Value::as_str) == Some("Deny");
            let sid = statement.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty());
            let who = sid.map_or_else(|| format!("statement {}", at + 1), |sid| format!("statement `{sid}`"));
            let who = format!("{who} of {name}");
            let spoken_of = match whom {
                Whom::Caller => Truth::Yes,
                Whom::Own => speaks_of(statement, call.session, deny),
                Whom::Foreign => speaks_of(statement, call.session, true),
            };
            let truth = both(spoken_of, applies(statement, call, variables, &who));
            match (deny, truth) {
                (true, Truth::Yes) => denied.push(name.clone()),
                (false, Truth::Yes) => allowed.push(name.clone()),
                (true, Truth::Maybe(reasons)) => may_deny.extend(reasons),
                (false, Truth::Maybe(reasons)) => may_allow.extend(reasons),
                (_, Truth::No(_)) => {}
            }
        }
    }
    for names in [&mut denied, &mut allowed] {
        names.dedup();
    }
    if !denied.is_empty() {
        Verdict::Is(Effect::Explicit, denied)
    } else if !may_deny.is_empty() && (!allowed.is_empty() || !may_allow.is_empty() || whom != Whom::Caller) {
        Verdict::Unknown(may_deny)
    } else if !allowed.is_empty() {
        Verdict::Is(Effect::Allowed, allowed)
    } else if !may_allow.is_empty() {
        Verdict::Unknown(may_allow)
    } else {
        Verdict::Is(Effect::Implicit, Vec::new())
    }
}

fn both(one: Truth, other: Truth) -> Truth {
    match (one, other) {
        (Truth::No(reasons), _) | (_, Truth::No(reasons)) => Truth::No(reasons),
        (Truth::Maybe(mut reasons), Truth::Maybe(more)) => {
            reasons.extend(more);
            Truth::Maybe(reasons)
        }
        (Truth::Maybe(reasons), Truth::Yes) | (Truth::Yes, Truth::Maybe(reasons)) => Truth::Maybe(reasons),
        (Truth::Yes, Truth::Yes) => Truth::Yes,
    }
}

/// Whether a statement speaks of the call: its action, its resource, its conditions.
fn applies(statement: &Value, call: &Call<'_>, variables: bool, who: &str) -> Truth {
    if !covers_action(statement, call.action) {
        return Truth::No(Vec::new());
    }
    let resource = covers_resource(statement, call, variables, who);
    if matches!(resource, Truth::No(_)) {
        return resource;
    }
    both(resource, conditions::holds(statement.get("Condition"), call, who, variables))
}

/// Actions know no case (IAM reference, Action element).
fn covers_action(statement: &Value, action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    let hits = |key: &str| strings(statement.get(key)).iter().any(|one| wildcard(&one.to_ascii_lowercase(), &action));
    if statement.get("NotAction").is_some() { !hits("NotAction") } else { hits("Action") }
}

fn covers_resource(statement: &Value, call: &Call<'_>, variables: bool, who: &str) -> Truth {
    let not = statement.get("NotResource");
    let mut hit = Truth::No(Vec::new());
    for pattern in strings(not.or_else(|| statement.get("Resource"))) {
        match covers(pattern, call, variables, who) {
            Truth::Yes => hit = Truth::Yes,
            Truth::Maybe(reasons) if matches!(hit, Truth::No(_)) => hit = Truth::Maybe(reasons),
            _ => {}
        }
    }
    match (not, hit) {
        (Some(_), Truth::Yes) => Truth::No(Vec::new()),
        (Some(_), Truth::No(_)) => Truth::Yes,
        (_, hit) => hit,
    }
}

fn covers(pattern: &str, call: &Call<'_>, variables: bool, who: &str) -> Truth {
    let yes = |hit| if hit { Truth::Yes } else { Truth::No(Vec::new()) };
    if !variables || !pattern.contains("${") {
        return yes(resource_like(pattern, call.resource));
    }
    match filled(pattern, call) {
        Filled::Known(text) => yes(resource_like(&text, call.resource)),
        Filled::Unknown(wide) if resource_like(&wide, call.resource) => {
            Truth::Maybe(vec![format!("{who} applies to {pattern}, whose variable podid cannot evaluate")])
        }
        Filled::Nothing | Filled::Unknown(_) => Truth::No(Vec::new()),
    }
}

/// Compares resources part by part: a `*` does not reach over a colon, but in the last part.
pub(crate) fn resource_like(pattern: &str, resource: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let pattern: Vec<&str> = pattern.splitn(6, ':').collect();
    let resource: Vec<&str> = resource.splitn(6, ':').collect();
    pattern.len() == resource.len() && pattern.iter().zip(&resource).all(|(p, r)| wildcard(p, r))
}

/// A text with its variables filled in (IAM User Guide, policy variables).
enum Filled {
    Known(String),
    /// A variable without a value: nothing is equal to it.
    Nothing,
    /// With `*` for what podid cannot know.
    Unknown(String),
}

fn filled(text: &str, call: &Call<'_>) -> Filled {
    let (mut out, mut rest) = (String::new(), text);
    let (mut nothing, mut unknown) = (false, false);
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((inside, end)) = after.split_once('}') else {
            out.push_str("${");
            rest = after;
            continue;
        };
        rest = end;
        let (key, default) = match inside.split_once(',') {
            Some((key, default)) => (key.trim(), Some(default.trim().trim_matches('\''))),
            None => (inside.trim(), None),
        };
        match (key, call.context(key)) {
            ("*" | "?" | "$", _) => out.push_str(key),
            (_, Context::One(value)) => out.push_str(&value),
            (_, Context::Absent) => match default {
                Some(default) => out.push_str(default),
                None => nothing = true,
            },
            _ => {
                unknown = true;
                out.push('*');
            }
        }
    }
    out.push_str(rest);
    match (nothing, unknown) {
        (true, _) => Filled::Nothing,
        (_, true) => Filled::Unknown(out),
        _ => Filled::Known(out),
    }
}

/// Whether a statement of a resource's policy speaks of the session (IAM reference, Principal element).
fn speaks_of(statement: &Value, session: &Session, accounts: bool) -> Truth {
    let named = |principal: &Value| names_principal(principal, &session.role, accounts);
    match (statement.get("Principal"), statement.get("NotPrincipal")) {
        (Some(principal), _) => named(principal),
        (None, Some(others)) => match named(others) {
            Truth::Yes => Truth::No(Vec::new()),
            Truth::No(_) => Truth::Yes,
            maybe @ Truth::Maybe(_) => maybe,
        },
        (None, None) => Truth::No(Vec::new()),
    }
}

/// Whether a Principal element names a role's sessions; with `accounts`, by its account too.
fn names_principal(principal: &Value, role: &str, accounts: bool) -> Truth {
    let names = strings(principal.get("AWS"));
    if principal.as_str() == Some("*") || names.iter().any(|name| *name == "*" || *name == role) {
        return Truth::Yes;
    }
    let mut parts = role.splitn(6, ':');
    let (partition, account) = (parts.nth(1).unwrap_or_default(), parts.nth(2).unwrap_or_default());
    let root = format!("arn:{partition}:iam::{account}:root");
    if accounts && names.iter().any(|name| *name == account || *name == root) {
        return Truth::Yes;
    }
    let sessions = format!("arn:{partition}:sts::{account}:assumed-role/{}/", crate::model::arn::last(role));
    if names.iter().any(|name| name.starts_with(&sessions)) {
        return Truth::Maybe(vec!["the table's policy names a session, which podid cannot evaluate".to_owned()]);
    }
    Truth::No(Vec::new())
}
