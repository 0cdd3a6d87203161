//! Condition blocks of a trust policy against what EKS sends, in three values: true, false, cannot be known.

use serde_json::Value;

use super::{PRINCIPAL, Request};
use crate::model::{document::strings, text::wildcard};

/// What a condition block says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Truth {
    /// It holds.
    Yes,
    /// It does not; why.
    No(Vec<String>),
    /// It depends on what podid cannot know; on what.
    Maybe(Vec<String>),
}

/// What a key holds in the request's context.
enum Context {
    /// One value.
    One(String),
    /// Several values.
    Many(Vec<String>),
    /// It is there, with a value that podid cannot know.
    Present,
    /// EKS does not send it.
    Absent,
    /// Whether it is there cannot be known.
    Unknown,
}

/// The session tags that EKS sends (EKS User Guide, pod-id-abac).
pub const TAGS: [&str; 6] = [
    "eks-cluster-arn",
    "eks-cluster-name",
    "kubernetes-namespace",
    "kubernetes-service-account",
    "kubernetes-pod-name",
    "kubernetes-pod-uid",
];

/// Keys that a call by a service principal does not have (IAM User Guide, global condition keys).
const ABSENT: [&str; 9] = [
    "sts:externalid",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principalarn",
    "aws:principalaccount",
    "aws:multifactorauthpresent",
    "aws:multifactorauthage",
    "aws:userid",
    "aws:username",
];

/// Whether EKS never sends this key, given in lower case.
pub(super) fn is_absent(key: &str) -> bool {
    // The last two are the claims of an OIDC provider: `oidc.eks.…:sub`.
    ABSENT.contains(&key) || key.starts_with("aws:principaltag/") || key.ends_with(":sub") || key.ends_with(":aud")
}

/// Looks up a key, whose case does not matter (IAM reference, Condition element).
fn context(request: &Request<'_>, key: &str) -> Context {
    let key = key.to_ascii_lowercase();
    if let Some(tag) = key.strip_prefix("aws:requesttag/") {
        if !request.session_tags {
            return Context::Absent;
        }
        return match tag {
            "eks-cluster-arn" => Context::One(request.cluster.arn.to_string()),
            "eks-cluster-name" => Context::One(request.cluster.name.clone()),
            "kubernetes-namespace" => Context::One(request.subject.namespace.clone()),
            "kubernetes-service-account" => Context::One(request.subject.name.clone()),
            "kubernetes-pod-name" | "kubernetes-pod-uid" => Context::Present,
            _ => Context::Absent,
        };
    }
    match key.as_str() {
        "aws:tagkeys" | "sts:transitivetagkeys" if request.session_tags => {
            Context::Many(TAGS.iter().map(|tag| (*tag).to_owned()).collect())
        }
        "aws:tagkeys" | "sts:transitivetagkeys" => Context::Absent,
        "aws:sourceaccount" => Context::One(request.cluster.arn.account.clone()),
        "aws:sourcearn" => Context::One(request.cluster.arn.to_string()),
        "aws:principalisawsservice" => Context::One("true".to_owned()),
        "aws:principalservicename" => Context::One(PRINCIPAL.to_owned()),
        "sts:rolesessionname" => Context::Present,
        key if is_absent(key) => Context::Absent,
        _ => Context::Unknown,
    }
}

/// A condition operator taken apart.
pub(super) struct Operator<'a> {
    /// `forallvalues`, `foranyvalue` or nothing.
    set: Option<&'a str>,
    /// `stringequals`, …, in lower case, without `Not`.
    base: String,
    /// It is a `Not` operator.
    negated: bool,
    /// It ends in `IfExists`.
    if_exists: bool,
}

impl<'a> Operator<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        let (set, rest) = match text.split_once(':') {
            Some((set, rest)) => (Some(set), rest),
            None => (None, text),
        };
        let mut base = rest.to_ascii_lowercase();
        let if_exists = base.ends_with("ifexists");
        if if_exists {
            base.truncate(base.len() - "ifexists".len());
        }
        // `Null` and `NumericEquals` hold no `not`; `Not` is always in the middle: `StringNotEquals`, `ArnNotLike`, `NotIpAddress`.
        let negated = base.contains("not");
        Self { set, base: base.replacen("not", "", 1), negated, if_exists }
    }

    /// It tests that a value is one of those listed, in whatever way.
    pub(super) fn is_plain(&self) -> bool {
        !self.negated && !self.is_set("ForAllValues") && self.base != "null"
    }

    /// It takes a `*` literally.
    pub(super) fn is_exact(&self) -> bool {
        matches!(self.base.as_str(), "stringequals" | "stringequalsignorecase")
    }

    /// It does not hold where its key is not sent.
    pub(super) fn fails_when_absent(&self, values: &[&str]) -> bool {
        if self.base == "null" {
            return !values.iter().any(|value| value.eq_ignore_ascii_case("true"));
        }
        !(self.if_exists || self.is_set("ForAllValues") || self.negated && self.set.is_none())
    }

    fn is_set(&self, name: &str) -> bool {
        self.set.is_some_and(|set| set.eq_ignore_ascii_case(name))
    }

    /// Whether one value matches one of the policy's, the negation left out; `None` when podid cannot tell.
    fn matches(&self, wanted: &[&str], value: &str) -> Option<bool> {
        // A policy variable stands for a value that podid does not know.
        if wanted.iter().any(|one| one.contains("${")) {
            return None;
        }
        let hit = |test: &dyn Fn(&str) -> bool| Some(wanted.iter().any(|one| test(one)));
        match self.base.as_str() {
            "stringequals" => hit(&|one| one == value),
            "stringequalsignorecase" => hit(&|one| one.to_lowercase() == value.to_lowercase()),
            "bool" => hit(&|one| one.eq_ignore_ascii_case(value)),
            "stringlike" => hit(&|one| wildcard(one, value)),
            // The two are the same: IAM reference, ARN condition operators.
            "arnequals" | "arnlike" => hit(&|one| arn_like(one, value)),
            _ => None,
        }
    }
}

/// Compares ARNs part by part: a `*` does not reach over a colon, but in the resource.
fn arn_like(pattern: &str, text: &str) -> bool {
    let pattern: Vec<&str> = pattern.splitn(6, ':').collect();
    let text: Vec<&str> = text.splitn(6, ':').collect();
    pattern.len() == text.len() && pattern.iter().zip(&text).all(|(p, t)| wildcard(p, t))
}

/// Evaluates a statement's `Condition`; `who` names the statement in the reasons.
pub(super) fn holds(condition: Option<&Value>, request: &Request<'_>, who: &str) -> Truth {
    let (mut no, mut maybe) = (Vec::new(), Vec::new());
    let operators = match condition {
        None => return Truth::Yes,
        Some(Value::Object(operators)) => operators,
        Some(_) => return Truth::Maybe(vec![format!("{who} has a condition that is no object")]),
    };
    for (name, keys) in operators {
        let operator = Operator::parse(name);
        let Some(keys) = keys.as_object() else {
            maybe.push(format!("{who} has a condition `{name}` that is no object"));
            continue;
        };
        for (key, wanted) in keys {
            match one(&operator, name, key, wanted, request, who) {
                Truth::Yes => {}
                Truth::No(reasons) => no.extend(reasons),
                Truth::Maybe(reasons) => maybe.extend(reasons),
            }
        }
    }
    if !no.is_empty() {
        Truth::No(no)
    } else if maybe.is_empty() {
        Truth::Yes
    } else {
        Truth::Maybe(maybe)
    }
}

/// One key of one operator.
fn one(operator: &Operator<'_>, name: &str, key: &str, wanted: &Value, request: &Request<'_>, who: &str) -> Truth {
    let truth = wanted.as_bool().map(|b| if b { "true" } else { "false" });
    let wanted: Vec<&str> = truth.map_or_else(|| strings(Some(wanted)), |text| vec![text]);
    let shown = || wanted.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(" or ");
    let unknown = || Truth::Maybe(vec![format!("{who} asks for {key} ({name} {}), which podid cannot know", shown())]);
    let context = context(request, key);
    if operator.base == "null" {
        let absent = match context {
            Context::One(_) | Context::Many(_) | Context::Present => false,
            Context::Absent => true,
            Context::Unknown => return unknown(),
        };
        let want_absent = wanted.iter().any(|one| one.eq_ignore_ascii_case("true"));
        return match (absent, want_absent) {
            (true, true) | (false, false) => Truth::Yes,
            (true, false) => Truth::No(vec![missing(key, request, who)]),
            (false, true) => Truth::No(vec![format!("{who} wants {key} to be absent, EKS sends it")]),
        };
    }
    let values = match context {
        Context::Unknown | Context::Present => return unknown(),
        Context::Absent => {
            // An absent key passes a negated test, IfExists and ForAllValues, and fails every other (IAM reference).
            let fails = operator.fails_when_absent(&wanted);
            return if fails { Truth::No(vec![missing(key, request, who)]) } else { Truth::Yes };
        }
        Context::Many(_) if operator.set.is_none() => return unknown(),
        Context::Many(values) => values,
        Context::One(value) => vec![value],
    };
    let mut hits = Vec::new();
    for value in &values {
        match operator.matches(&wanted, value) {
            Some(hit) => hits.push(hit != operator.negated),
            None => return unknown(),
        }
    }
    let holds = if operator.is_set("ForAnyValue") { hits.contains(&true) } else { !hits.contains(&false) };
    if holds {
        return Truth::Yes;
    }
    let sent = values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    let reason = if operator.negated {
        format!("{who} excludes {key} = {}, EKS sends {sent}", shown())
    } else {
        format!("{who} wants {key} = {}, EKS sends {sent}", shown())
    };
    Truth::No(vec![reason + note(operator, &wanted, &values)])
}

/// What commonly lies behind a value that does not match.
fn note(operator: &Operator<'_>, wanted: &[&str], values: &[String]) -> &'static str {
    if operator.base == "stringequals" && wanted.iter().any(|one| values.iter().any(|value| wildcard(one, value))) {
        " (StringEquals takes `*` literally, StringLike does not)"
    } else if wanted.iter().any(|one| values.iter().any(|value| one.eq_ignore_ascii_case(value))) {
        " (the case differs)"
    } else {
        ""
    }
}

/// Why a key that is asked for is not there.
fn missing(key: &str, request: &Request<'_>, who: &str) -> String {
    let lower = key.to_ascii_lowercase();
    let of_tags = lower.starts_with("aws:requesttag/") || lower == "aws:tagkeys" || lower == "sts:transitivetagkeys";
    if of_tags && !request.session_tags {
        format!("{who} wants {key}, but session tags are disabled, so {key} is never sent")
    } else {
        format!("{who} wants {key}, which EKS does not send")
    }
}
