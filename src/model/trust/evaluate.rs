//! Asks a trust policy whether EKS may assume the role for a service account, and says precisely why not.

use serde_json::Value;

use super::{
    ACTIONS, Cause, PRINCIPAL, Reason, Request, Verdict,
    conditions::{self, Keys, Truth},
    own::{is_podid, sid},
};
use crate::model::{
    document::{Document, strings},
    text::wildcard,
};

/// Who asks, for what.
pub(super) struct Question<'a> {
    /// For each of [`ACTIONS`]: whether it is asked for, and what conditions are asked about then.
    pub(super) actions: [Option<&'a dyn Keys>; 2],
    /// Whether a Principal element covers the one who asks; `None` when that cannot be told.
    pub(super) names: &'a dyn Fn(&Value) -> Option<bool>,
    /// The same for NotPrincipal: whether it leaves the one who asks out.
    pub(super) leaves_out: &'a dyn Fn(&Value) -> Option<bool>,
    /// The Sid of podid's own statement for it.
    pub(super) own: Option<String>,
}

/// A statement as far as its form goes: which of the two actions it covers, for the one who asks or not.
struct Reading<'a> {
    /// `statement `X`` or `statement 2`.
    who: String,
    /// Sid, when it has one.
    sid: Option<&'a str>,
    /// It is podid's own.
    podid: bool,
    /// It denies.
    deny: bool,
    /// It speaks, or may speak, of the one who asks.
    principal: bool,
    /// For each of [`ACTIONS`]: it covers it.
    covers: [bool; 2],
    /// Its actions as written, for the reason.
    actions: Vec<&'a str>,
    /// The services it names.
    services: Vec<&'a str>,
    /// For each of [`ACTIONS`]: whether its conditions hold.
    truth: [Truth; 2],
}

impl Reading<'_> {
    /// Its conditions hold for an action, or may.
    fn fits(&self) -> bool {
        self.truth.iter().any(|truth| !matches!(truth, Truth::No(_)))
    }
}

/// Asks a trust policy about a request. Both actions must be allowed and neither denied: so EKS looks at a role when an
/// association is made, and it is not documented that it asks for less where there are no session tags.
pub fn evaluate(document: &Document, request: &Request<'_>) -> Verdict {
    service(document, request, true)
}

/// Asks a trust policy what STS asks it each time the role is assumed: `sts:TagSession` only where there are tags (IAM
/// User Guide, session tags).
pub fn at_run_time(document: &Document, request: &Request<'_>) -> Verdict {
    service(document, request, request.session_tags)
}

fn service(document: &Document, request: &Request<'_>, tagging: bool) -> Verdict {
    let named = |principal: &Value| Some(names_service(principal));
    let question = Question {
        actions: [Some(request), tagging.then_some(request)],
        names: &named,
        leaves_out: &named,
        own: Some(sid(request.cluster, request.subject)),
    };
    let stranger = |document: &Document| stranger(&readings(document, &question));
    ask(document, &question, &stranger)
}

/// Asks a policy; `stranger` says why no Allow statement speaks of the one who asks at all.
pub(super) fn ask(document: &Document, question: &Question<'_>, stranger: &dyn Fn(&Document) -> String) -> Verdict {
    let readings = readings(document, question);
    let asked = || ACTIONS.iter().enumerate().filter(|(at, _)| question.actions[*at].is_some());
    let (mut refused, mut unknown) = (Vec::new(), Vec::new());
    for reading in readings.iter().filter(|r| r.deny && r.principal) {
        let mut denied = Vec::new();
        for (at, action) in asked().filter(|(at, _)| reading.covers[*at]) {
            match &reading.truth[at] {
                Truth::Yes => denied.push(*action),
                Truth::Maybe(reasons) => unknown.extend(reasons.iter().cloned()),
                Truth::No(_) => {}
            }
        }
        if !denied.is_empty() {
            let text = format!("{} denies {}", reading.who, denied.join(" and "));
            refused.push(Reason { cause: Cause::Denied, text });
        }
    }
    let allowing: Vec<&Reading<'_>> = readings.iter().filter(|r| !r.deny && r.principal).collect();
    let mut lacking = Vec::new();
    for (at, action) in asked() {
        let mut maybe = Vec::new();
        let mut allowed = false;
        for reading in allowing.iter().filter(|r| r.covers[at]) {
            match &reading.truth[at] {
                Truth::Yes => allowed = true,
                Truth::Maybe(reasons) => maybe.extend(reasons.iter().cloned()),
                Truth::No(_) => {}
            }
        }
        if !allowed && maybe.is_empty() {
            lacking.push((at, *action));
        } else if !allowed {
            unknown.extend(maybe);
        }
    }
    if allowing.is_empty() {
        refused.push(Reason { cause: Cause::Principal, text: stranger(document) });
    } else if !lacking.is_empty() {
        refused.extend(why_not(&allowing, &lacking, question.own.as_deref()));
    }
    dedup(&mut refused, |reason| reason.text.clone());
    dedup(&mut unknown, Clone::clone);
    if !refused.is_empty() {
        Verdict::Refuses(refused)
    } else if unknown.is_empty() {
        Verdict::Admits
    } else {
        Verdict::Unknown(unknown)
    }
}

fn readings<'a>(document: &'a Document, question: &Question<'_>) -> Vec<Reading<'a>> {
    let variables = document.takes_variables();
    document.statements().into_iter().enumerate().map(|(at, value)| read(value, at, variables, question)).collect()
}

/// Reads one statement.
fn read<'a>(value: &'a Value, at: usize, variables: bool, question: &Question<'_>) -> Reading<'a> {
    let sid = value.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty());
    let who = who(value, at);
    let principal = match (value.get("Principal"), value.get("NotPrincipal")) {
        (Some(principal), _) => (question.names)(principal),
        (None, Some(others)) => (question.leaves_out)(others).map(|out| !out),
        (None, None) => Some(false),
    };
    let truth = question.actions.map(|keys| {
        let Some(keys) = keys else { return Truth::No(Vec::new()) };
        let truth = conditions::holds(value.get("Condition"), keys, &who, variables);
        match truth {
            Truth::Yes if principal.is_none() => {
                Truth::Maybe(vec![format!("{who} names its principals in a form that podid cannot evaluate")])
            }
            truth => truth,
        }
    });
    Reading {
        sid,
        podid: is_podid(value),
        deny: value.get("Effect").and_then(Value::as_str) == Some("Deny"),
        principal: principal.unwrap_or(true),
        covers: ACTIONS.map(|action| covers(value, action)),
        actions: strings(value.get("Action")),
        services: strings(value.get("Principal").and_then(|principal| principal.get("Service"))),
        truth,
        who,
    }
}

/// As reasons name a statement: by its Sid, else by its number, from 1.
pub(super) fn who(statement: &Value, at: usize) -> String {
    let sid = statement.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty());
    sid.map_or_else(|| format!("statement {}", at + 1), |sid| format!("statement `{sid}`"))
}

/// Whether a statement covers an action; actions know no case (IAM reference, Action element).
pub(super) fn covers(statement: &Value, action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    let hits = |key: &str| strings(statement.get(key)).iter().any(|one| wildcard(&one.to_ascii_lowercase(), &action));
    if statement.get("NotAction").is_some() { !hits("NotAction") } else { hits("Action") }
}

/// Whether a Principal element covers the service: by name, or by everyone (`"*"` and `{"AWS": "*"}` are the same,
/// IAM reference, Principal element).
fn names_service(principal: &Value) -> bool {
    names_everyone(principal) || strings(principal.get("Service")).contains(&PRINCIPAL)
}

/// Whether a Principal element is everyone.
pub(super) fn names_everyone(principal: &Value) -> bool {
    principal.as_str() == Some("*") || strings(principal.get("AWS")).contains(&"*")
}

/// The reasons for which actions are lacking, most telling first.
fn why_not(allowing: &[&Reading<'_>], lacking: &[(usize, &'static str)], own: Option<&str>) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut others = 0;
    for reading in allowing {
        let covered = lacking.iter().filter(|(at, _)| reading.covers[*at]);
        let why = covered.filter_map(|(at, _)| match &reading.truth[*at] {
            Truth::No(why) => Some(why),
            Truth::Yes | Truth::Maybe(_) => None,
        });
        let why: Vec<&Reason> = why.flatten().collect();
        if why.is_empty() {
            continue;
        }
        // A shared role has one statement of podid's per service account: each one's mismatch would say nothing new.
        if reading.podid && reading.sid != own {
            others += 1;
        } else {
            reasons.extend(why.into_iter().cloned());
        }
    }
    for (at, action) in lacking {
        let fitting = allowing.iter().filter(|r| r.fits() && !r.covers[*at]);
        let has: Vec<String> = fitting.map(|r| format!("{} allows only {}", r.who, list(&r.actions))).collect();
        if !has.is_empty() {
            let text = format!("{action} is not allowed ({})", has.join(", "));
            reasons.push(Reason { cause: Cause::MissingAction(action), text });
        }
    }
    if reasons.is_empty() && others > 0 {
        let admit = if others == 1 { "statement allows".to_owned() } else { format!("{others} statements allow") };
        let text = format!("podid's {admit} only other service accounts");
        reasons.push(Reason { cause: Cause::Condition(String::new()), text });
    } else if reasons.is_empty() {
        let lacks = |action: &'static str| Reason {
            cause: Cause::MissingAction(action),
            text: format!("{action} is not allowed by any statement"),
        };
        reasons.extend(lacking.iter().map(|(_, action)| lacks(action)));
    }
    reasons
}

fn list(actions: &[&str]) -> String {
    if actions.is_empty() { "other actions".to_owned() } else { actions.join(", ") }
}

/// Why no Allow statement speaks of the service at all.
fn stranger(readings: &[Reading<'_>]) -> String {
    let web =
        |r: &&Reading<'_>| r.actions.iter().any(|action| action.eq_ignore_ascii_case("sts:AssumeRoleWithWebIdentity"));
    let trusts: Vec<&Reading<'_>> = readings.iter().filter(|r| !r.deny).collect();
    let base = format!("no statement trusts the service {PRINCIPAL}");
    if !trusts.is_empty() && trusts.iter().all(web) {
        format!("{base}: the role trusts only an OIDC provider (IRSA)")
    } else {
        let others: Vec<String> = trusts.iter().flat_map(|r| &r.services).map(|name| format!("`{name}`")).collect();
        if others.is_empty() { base } else { format!("{base}, only {}", others.join(", ")) }
    }
}

fn dedup<T>(lines: &mut Vec<T>, text: impl Fn(&T) -> String) {
    let mut seen = std::collections::BTreeSet::new();
    lines.retain(|line| seen.insert(text(line)));
}
