//! What policies say of a call, in three values, where IAM is not asked: identity policies, a boundary, a session policy, a
//! table's own policy (IAM User Guide, policy evaluation logic). What an organization's policies say, nobody can read here.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{
    Decision, Effect, Need, RoleDocuments,
    session::{Call, Session},
};
use crate::model::{
    arn::last,
    document::{Document, strings},
    text::wildcard,
    trust::{
        admits::allows,
        conditions::{self, Context, Keys, Truth},
    },
};

/// What documents together come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They come to this, by the policies of these names.
    Is(Effect, Vec<String>),
    /// It depends on what podid cannot know; on what.
    Unknown(Vec<String>),
}

/// A statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The policy that has the statement, by ARN, or by name for an inline one.
    pub policy: String,
    /// Number of the statement, from 1.
    pub statement: usize,
    /// Its Sid; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
}

impl Place {
    /// `AmazonDynamoDBFullAccess/1`, `carts/Table`.
    pub fn short(&self) -> String {
        let statement = self.sid.clone().unwrap_or_else(|| self.statement.to_string());
        format!("{}/{statement}", last(&self.policy))
    }
}

/// `statement `Table` of policy carts`, `statement 2 of policy AmazonS3FullAccess`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sid {
            Some(sid) => write!(f, "statement `{sid}` of ")?,
            None => write!(f, "statement {} of ", self.statement)?,
        }
        let policy = last(&self.policy);
        if policy == SESSION_POLICY { f.write_str(policy) } else { write!(f, "policy {policy}") }
    }
}

/// What stands for the name of an association's own policy.
const SESSION_POLICY: &str = "the session policy";

/// What documents come to, and by which statements.
pub(super) struct Weighed {
    pub verdict: Verdict,
    /// The statements that decide it; none where nothing allows it.
    pub by: Vec<Place>,
}

/// What an identity policy and a boundary come to. The reasons of what cannot be known otherwise.
///
/// # Errors
/// When it depends on what podid cannot know; on what.
pub fn predict(documents: &RoleDocuments, session: &Session, need: &Need) -> Result<Decision, Vec<String>> {
    let call = call(session, need);
    let identity = weigh(&documents.identity, &call, Whom::Caller).verdict;
    let boundary = documents.boundary.as_ref().map(|one| weigh(std::slice::from_ref(one), &call, Whom::Caller).verdict);
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
    match session_policy(policy) {
        Ok(policy) => weigh(&[policy], &call(session, need), Whom::Caller).verdict,
        Err(why) => Verdict::Unknown(vec![why]),
    }
}

/// A session policy, given as its text, with what stands for its name.
///
/// # Errors
/// Why it cannot be read.
pub(super) fn session_policy(text: &str) -> Result<(String, Document), String> {
    let read = serde_json::from_str(text).map(|value| (SESSION_POLICY.to_owned(), Document(value)));
    read.map_err(|error| format!("the session policy is not JSON: {error}"))
}

/// What a table's own policy comes to. To its own account it gives nothing by naming that: the role's policies decide then.
/// Another account (`foreign`) it lets hand on what it allows to it.
pub fn table_says(policy: &Document, session: &Session, need: &Need, foreign: bool) -> Verdict {
    let whom = if foreign { Whom::Foreign } else { Whom::Own };
    weigh(&[("the table's policy".to_owned(), policy.clone())], &call(session, need), whom).verdict
}

/// Whether identity policies would allow it if the caller's tags were other ones.
pub(crate) fn but_for_tags(documents: &RoleDocuments, session: &Session, need: &Need) -> bool {
    let call = Call { any_tag: true, ..call(session, need) };
    let verdict = weigh(&documents.identity, &call, Whom::Caller).verdict;
    !matches!(verdict, Verdict::Is(Effect::Implicit | Effect::Explicit, _))
}

fn call<'a>(session: &'a Session, need: &'a Need) -> Call<'a> {
    Call {
        session,
        action: &need.action,
        resource: &need.resource,
        brings: &need.context,
        any_tag: false,
        any_way: false,
    }
}

/// Whom statements speak of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    /// The caller: they are the policies of its role or session.
    Caller,
    /// Whom they name, in the resource's account.
    Own,
    /// Whom they name, the caller being of another account.
    Foreign,
}

/// Asks documents.
pub(super) fn weigh(documents: &[(String, Document)], call: &Call<'_>, whom: Whom) -> Weighed {
    let (mut denied, mut allowed) = (Vec::new(), Vec::new());
    let (mut may_deny, mut may_allow) = (Doubt::default(), Doubt::default());
    for (name, document) in documents {
        let variables = document.takes_variables();
        for (at, statement) in document.statements().into_iter().enumerate() {
            let deny = statement.get("Effect").and_then(Value::as_str) == Some("Deny");
            let place = place(name, at, statement);
            let who = match &place.sid {
                Some(sid) => format!("statement `{sid}` of {name}"),
                None => format!("statement {} of {name}", at + 1),
            };
            let spoken_of = match whom {
                Whom::Caller => Truth::Yes,
                Whom::Own => speaks_of(statement, call.session, deny),
                Whom::Foreign => speaks_of(statement, call.session, true),
            };
            let truth = both(spoken_of, applies(statement, call, variables, &who));
            match (deny, truth) {
                (true, Truth::Yes) => denied.push(place),
                (false, Truth::Yes) => allowed.push(place),
                (true, Truth::Maybe(reasons)) => may_deny.add(place, reasons),
                (false, Truth::Maybe(reasons)) => may_allow.add(place, reasons),
                (_, Truth::No(_)) => {}
            }
        }
    }
    let is = |effect, by: Vec<Place>| {
        let mut names: Vec<String> = by.iter().map(|place| place.policy.clone()).collect();
        names.dedup();
        Weighed { verdict: Verdict::Is(effect, names), by }
    };
    if !denied.is_empty() {
        is(Effect::Explicit, denied)
    } else if !may_deny.by.is_empty() && (!allowed.is_empty() || !may_allow.by.is_empty() || whom != Whom::Caller) {
        may_deny.weighed()
    } else if !allowed.is_empty() {
        is(Effect::Allowed, allowed)
    } else if !may_allow.by.is_empty() {
        may_allow.weighed()
    } else {
        is(Effect::Implicit, Vec::new())
    }
}

/// Statements that may apply, and on what that depends.
#[derive(Default)]
struct Doubt {
    by: Vec<Place>,
    reasons: Vec<String>,
}

impl Doubt {
    fn add(&mut self, place: Place, reasons: Vec<String>) {
        self.by.push(place);
        self.reasons.extend(reasons);
    }

    fn weighed(self) -> Weighed {
        Weighed { verdict: Verdict::Unknown(self.reasons), by: self.by }
    }
}

/// Where a statement stands.
pub(super) fn place(policy: &str, at: usize, statement: &Value) -> Place {
    let sid = statement.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty()).map(str::to_owned);
    Place { policy: policy.to_owned(), statement: at + 1, sid }
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

/// The statements that allow a call, but for their conditions.
pub(super) fn allows_but_for_conditions(documents: &[(String, Document)], call: &Call<'_>) -> Vec<Place> {
    let mut found = Vec::new();
    for (name, document) in documents {
        let variables = document.takes_variables();
        for (at, statement) in document.statements().into_iter().enumerate() {
            if allows(statement)
                && covers_action(statement, call.action)
                && !matches!(covers_resource(statement, call, variables, ""), Truth::No(_))
            {
                found.push(place(name, at, statement));
            }
        }
    }
    found
}

/// Actions know no case (IAM reference, Action element).
pub(super) fn covers_action(statement: &Value, action: &str) -> bool {
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

/// Compares resources part by part: a `*` does not reach over a colon, but in the last part, and where it ends its part. Parts that
/// a pattern lacks are `*` (IAM reference, Resource element).
pub(crate) fn resource_like(pattern: &str, resource: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let parts: Vec<&str> = pattern.splitn(PARTS, ':').collect();
    let named: Vec<&str> = resource.splitn(PARTS, ':').collect();
    if named.len() < PARTS || parts[0] != "arn" {
        return pattern == resource;
    }
    if parts.len() == named.len() && parts.iter().zip(&named).all(|(p, r)| wildcard(p, r)) {
        return true;
    }
    // What the last `*` of each part reaches over: tried only where a plain comparison of the texts would match.
    if wildcard(pattern, resource) && reaches(&parts, resource) {
        return true;
    }
    let whole: Vec<&str> = parts.iter().copied().chain(["*"]).collect();
    parts.len() < PARTS && wildcard(&format!("{pattern}:*"), resource) && reaches(&whole, resource)
}

/// The parts of an ARN.
const PARTS: usize = 6;

/// Whether the parts of a pattern match where the `*` at the end of one may stand for further parts.
fn reaches(parts: &[&str], resource: &str) -> bool {
    let [part, rest @ ..] = parts else { return false };
    if rest.is_empty() {
        return wildcard(part, resource);
    }
    let most = if part.ends_with('*') { usize::MAX } else { 1 };
    let mut colons = resource.match_indices(':').take(most).map(|(at, _)| at);
    colons.any(|at| wildcard(part, &resource[..at]) && reaches(rest, &resource[at + 1..]))
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

/// A resource with its variables filled in as far as they are known; `None` where one of them has no value.
pub(super) fn resource_text(text: &str, call: &Call<'_>, variables: bool) -> Option<String> {
    if !variables {
        return Some(text.to_owned());
    }
    match filled(text, call) {
        Filled::Known(filled) => Some(filled),
        Filled::Nothing => None,
        Filled::Unknown(_) => Some(text.to_owned()),
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
