//! Asks a trust policy whether EKS may assume the role for a service account, and says precisely why not.

use serde_json::Value;

use super::{
    ACTIONS, PRINCIPAL, Request, Verdict,
    conditions::{self, Truth},
    is_podid_sid, sid,
};
use crate::model::{
    document::{Document, strings},
    text::wildcard,
};

/// A statement as far as its form goes: which of the two actions it covers, for the service principal or not.
struct Reading<'a> {
    /// `statement `X`` or `statement 2`.
    who: String,
    /// Sid, when it has one.
    sid: Option<&'a str>,
    /// It denies.
    deny: bool,
    /// It speaks of the service principal.
    principal: bool,
    /// For each of [`ACTIONS`]: it covers it.
    covers: [bool; 2],
    /// Its actions as written, for the reason.
    actions: Vec<&'a str>,
    /// The services it names.
    services: Vec<&'a str>,
    /// Whether its conditions hold.
    truth: Truth,
}

/// Asks a trust policy about a request. Both actions must be allowed and neither denied.
pub fn evaluate(document: &Document, request: &Request<'_>) -> Verdict {
    let readings: Vec<Reading<'_>> =
        document.statements().into_iter().enumerate().map(|(at, value)| read(value, at, request)).collect();
    let (mut refused, mut unknown) = (Vec::new(), Vec::new());
    for reading in readings.iter().filter(|r| r.deny && r.principal && r.covers.contains(&true)) {
        match &reading.truth {
            Truth::Yes => refused.push(format!("{} denies {}", reading.who, covered(reading.covers).join(" and "))),
            Truth::Maybe(reasons) => unknown.extend(reasons.iter().cloned()),
            Truth::No(_) => {}
        }
    }
    let allowing: Vec<&Reading<'_>> = readings.iter().filter(|r| !r.deny && r.principal).collect();
    let mut lacking = Vec::new();
    for (at, action) in ACTIONS.iter().enumerate() {
        let mut maybe = Vec::new();
        let mut allowed = false;
        for reading in allowing.iter().filter(|r| r.covers[at]) {
            match &reading.truth {
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
    if !lacking.is_empty() {
        refused.extend(why_not(&readings, &allowing, &lacking, request));
    }
    dedup(&mut refused);
    dedup(&mut unknown);
    if !refused.is_empty() {
        Verdict::Refuses(refused)
    } else if unknown.is_empty() {
        Verdict::Admits
    } else {
        Verdict::Unknown(unknown)
    }
}

/// Reads one statement.
fn read<'a>(value: &'a Value, at: usize, request: &Request<'_>) -> Reading<'a> {
    let sid = value.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty());
    let who = sid.map_or_else(|| format!("statement {}", at + 1), |sid| format!("statement `{sid}`"));
    let actions = strings(value.get("Action"));
    let not_actions = strings(value.get("NotAction"));
    let hits = |list: &[&str], action: &str| {
        list.iter().any(|one| wildcard(&one.to_ascii_lowercase(), &action.to_ascii_lowercase()))
    };
    let covers = ACTIONS.map(|action| {
        if value.get("NotAction").is_some() { !hits(&not_actions, action) } else { hits(&actions, action) }
    });
    let principal = match (value.get("Principal"), value.get("NotPrincipal")) {
        (Some(principal), _) => names_service(principal),
        (None, Some(others)) => !names_service(others),
        (None, None) => false,
    };
    let truth = conditions::holds(value.get("Condition"), request, &who);
    let deny = value.get("Effect").and_then(Value::as_str) == Some("Deny");
    let services = strings(value.get("Principal").and_then(|principal| principal.get("Service")));
    Reading { who, sid, deny, principal, covers, actions, services, truth }
}

/// Whether a Principal element covers the service: by name, or by everyone (`"*"` and `{"AWS": "*"}` are the same,
/// IAM reference, Principal element).
fn names_service(principal: &Value) -> bool {
    principal.as_str() == Some("*")
        || strings(principal.get("AWS")).contains(&"*")
        || strings(principal.get("Service")).contains(&PRINCIPAL)
}

fn covered(covers: [bool; 2]) -> Vec<&'static str> {
    ACTIONS.iter().zip(covers).filter(|(_, hit)| *hit).map(|(action, _)| *action).collect()
}

/// The reasons for which actions are lacking, most telling first.
fn why_not(
    readings: &[Reading<'_>],
    allowing: &[&Reading<'_>],
    lacking: &[(usize, &str)],
    request: &Request<'_>,
) -> Vec<String> {
    let own = sid(request.cluster, request.subject);
    let mut reasons = Vec::new();
    let mut others = 0;
    for reading in allowing {
        let Truth::No(why) = &reading.truth else { continue };
        if !lacking.iter().any(|(at, _)| reading.covers[*at]) {
            continue;
        }
        // A shared role has one statement of podid's per service account: each one's mismatch would say nothing new.
        if reading.sid.is_some_and(|sid| is_podid_sid(sid) && sid != own) {
            others += 1;
        } else {
            reasons.extend(why.iter().cloned());
        }
    }
    let fitting: Vec<&&Reading<'_>> = allowing.iter().filter(|r| !matches!(r.truth, Truth::No(_))).collect();
    for (_, action) in lacking {
        if fitting.is_empty() {
            break;
        }
        let has: Vec<String> = fitting.iter().map(|r| format!("{} allows only {}", r.who, list(&r.actions))).collect();
        reasons.push(format!("{action} is not allowed ({})", has.join(", ")));
    }
    if allowing.is_empty() {
        reasons.push(stranger(readings));
    } else if others > 0 && reasons.is_empty() {
        reasons.push(format!(
            "podid's {} other service accounts only",
            if others == 1 { "statement admits".to_owned() } else { format!("{others} statements admit") }
        ));
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

fn dedup(lines: &mut Vec<String>) {
    let mut seen = std::collections::BTreeSet::new();
    lines.retain(|line| seen.insert(line.clone()));
}
