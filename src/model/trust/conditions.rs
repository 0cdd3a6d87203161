//! Condition blocks of a trust policy against what EKS sends, in three values: true, false, cannot be known.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Cause, PRINCIPAL, Reason, Request,
    operator::{Operator, truth},
};
use crate::model::{cluster::Cluster, names::ServiceAccount, text::wildcard};

/// What a condition block says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::model) enum Truth {
    /// It holds.
    Yes,
    /// It does not; why.
    No(Vec<Reason>),
    /// It depends on what podid cannot know; on what.
    Maybe(Vec<String>),
}

/// What a key holds in the request's context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::model) enum Context {
    /// One value.
    One(String),
    /// Several values.
    Many(Vec<String>),
    /// It is there, with a value of which podid knows only how it begins.
    Begins(&'static str),
    /// It is there, with a value that podid cannot know.
    Present,
    /// EKS does not send it.
    Absent,
    /// Whether it is there cannot be known.
    Unknown,
}

/// Where the keys of a condition are looked up: the request that it is asked about.
pub(in crate::model) trait Keys {
    /// What a key holds; its case does not matter.
    fn context(&self, key: &str) -> Context;
    /// Why a key that `who` asks for is not there.
    fn missing(&self, key: &str, who: &str) -> String;
    /// What kind of reason that is.
    fn cause(&self, key: &str) -> Cause {
        Cause::Condition(key.to_ascii_lowercase())
    }
}

/// How EKS begins the names of the pods' sessions (EKS API reference, AssumeRoleForPodIdentity).
pub(in crate::model) const SESSION: &str = "eks-";

/// The session tags that EKS sends (EKS User Guide, pod-id-abac).
pub const TAGS: [&str; 6] = [
    "eks-cluster-arn",
    "eks-cluster-name",
    "kubernetes-namespace",
    "kubernetes-service-account",
    "kubernetes-pod-name",
    "kubernetes-pod-uid",
];

/// Keys that a call by a service principal does not have (IAM User Guide, global condition keys). The last four tell where
/// a call comes from: it comes from AWS itself, over no endpoint of a VPC.
const ABSENT: [&str; 13] = [
    "sts:externalid",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principalarn",
    "aws:principalaccount",
    "aws:multifactorauthpresent",
    "aws:multifactorauthage",
    "aws:userid",
    "aws:username",
    "aws:sourceip",
    "aws:vpcsourceip",
    "aws:sourcevpc",
    "aws:sourcevpce",
];

/// Whether EKS never sends this key, given in lower case.
pub(super) fn is_absent(key: &str) -> bool {
    // The last ones are the claims of an OIDC provider: `oidc.eks.…:sub`.
    ABSENT.contains(&key)
        || key.starts_with("aws:principaltag/")
        || key.ends_with(":sub")
        || key.ends_with(":aud")
        || key.ends_with(":amr")
}

/// A session tag, given in lower case, when they are sent.
pub(super) fn session_tag(cluster: &Cluster, subject: &ServiceAccount, tag: &str) -> Context {
    match tag {
        "eks-cluster-arn" => Context::One(cluster.arn.to_string()),
        "eks-cluster-name" => Context::One(cluster.name.clone()),
        "kubernetes-namespace" => Context::One(subject.namespace.clone()),
        "kubernetes-service-account" => Context::One(subject.name.clone()),
        "kubernetes-pod-name" | "kubernetes-pod-uid" => Context::Present,
        _ => Context::Absent,
    }
}

/// What is the same in each call that EKS makes for a pod, whoever it makes it as: the session tags and the time.
pub(super) fn shared(
    cluster: &Cluster,
    subject: &ServiceAccount,
    session_tags: bool,
    now: Option<Timestamp>,
    key: &str,
) -> Option<Context> {
    if let Some(tag) = key.strip_prefix("aws:requesttag/") {
        return Some(if session_tags { session_tag(cluster, subject, tag) } else { Context::Absent });
    }
    let time = |text: fn(Timestamp) -> String| now.map_or(Context::Present, |now| Context::One(text(now)));
    match key {
        "aws:tagkeys" | "sts:transitivetagkeys" if session_tags => {
            Some(Context::Many(TAGS.iter().map(|tag| (*tag).to_owned()).collect()))
        }
        "aws:tagkeys" | "sts:transitivetagkeys" => Some(Context::Absent),
        "sts:rolesessionname" => Some(Context::Begins(SESSION)),
        "aws:currenttime" => Some(time(|now| now.to_string())),
        "aws:epochtime" => Some(time(|now| now.as_second().to_string())),
        _ => None,
    }
}

/// Whether a key, given in lower case, is there only when session tags are sent.
pub(super) fn is_of_tags(key: &str) -> bool {
    key.starts_with("aws:requesttag/") || key == "aws:tagkeys" || key == "sts:transitivetagkeys"
}

impl Keys for Request<'_> {
    fn context(&self, key: &str) -> Context {
        let key = key.to_ascii_lowercase();
        if let ("aws:requesttag/kubernetes-pod-name", true, Some(pod)) = (key.as_str(), self.session_tags, self.pod) {
            return Context::One(pod.to_owned());
        }
        if let Some(found) = shared(self.cluster, self.subject, self.session_tags, self.now, &key) {
            return found;
        }
        match key.as_str() {
            "aws:sourcearn" => Context::One(self.cluster.arn.to_string()),
            // The role is in the cluster's account: EKS takes no other.
            "aws:sourceaccount" | "aws:resourceaccount" => Context::One(self.cluster.arn.account.clone()),
            key => of_eks(key).unwrap_or(Context::Unknown),
        }
    }

    fn missing(&self, key: &str, who: &str) -> String {
        missing(key, self.session_tags, who)
    }

    fn cause(&self, key: &str) -> Cause {
        cause(key, self.session_tags)
    }
}

/// Whatever pod asks: only what is the same in every call of EKS is known.
pub(super) struct AnyPod;

impl Keys for AnyPod {
    fn context(&self, key: &str) -> Context {
        let key = key.to_ascii_lowercase();
        let foreign = key.strip_prefix("aws:requesttag/").is_some_and(|tag| !TAGS.contains(&tag));
        of_eks(&key).unwrap_or(if foreign { Context::Absent } else { Context::Unknown })
    }

    fn missing(&self, key: &str, who: &str) -> String {
        missing(key, true, who)
    }
}

/// What a key, given in lower case, holds in every call that EKS makes.
fn of_eks(key: &str) -> Option<Context> {
    match key {
        "aws:principalisawsservice" => Some(Context::One("true".to_owned())),
        "aws:principalservicename" => Some(Context::One(PRINCIPAL.to_owned())),
        key if is_absent(key) => Some(Context::Absent),
        _ => None,
    }
}

/// Why a key that is asked for is not there.
pub(super) fn missing(key: &str, session_tags: bool, who: &str) -> String {
    if cause(key, session_tags) == Cause::SessionTagsOff {
        format!("{who} requires {key}, which EKS does not send because session tags are disabled")
    } else {
        format!("{who} requires {key}, which EKS does not send")
    }
}

pub(super) fn cause(key: &str, session_tags: bool) -> Cause {
    let lower = key.to_ascii_lowercase();
    let sent = lower.strip_prefix("aws:requesttag/").is_none_or(|tag| TAGS.contains(&tag));
    if is_of_tags(&lower) && sent && !session_tags { Cause::SessionTagsOff } else { Cause::Condition(lower) }
}

/// The values of a condition key as texts: IAM takes `true` for `"true"`, and numbers too.
pub(super) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Bool(_) | Value::Number(_) => vec![value.to_string()],
        Value::Array(list) => list.iter().flat_map(texts).collect(),
        Value::Null | Value::Object(_) => Vec::new(),
    }
}

/// Stands in a pattern for a literal `*` or `?`, which no value that EKS sends contains.
const LITERAL: char = '\u{f8ff}';

/// A value with its policy variables filled in; `None` when one has no value that podid knows (IAM reference, policy
/// variables: `${key}`, `${key, 'default'}`, and `${*}`, `${?}`, `${$}` for the characters themselves).
fn filled(text: &str, keys: &dyn Keys, pattern: bool) -> Option<String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("${") {
        let (inside, end) = after.split_once('}')?;
        out.push_str(before);
        rest = end;
        let (key, default) = match inside.split_once(',') {
            Some((key, default)) => (key.trim(), default.trim().strip_prefix('\'').and_then(|d| d.strip_suffix('\''))),
            None => (inside.trim(), None),
        };
        match (key, keys.context(key)) {
            // A pattern would take them for others: a character stands for them that no name and no ARN has.
            ("*" | "?", _) if pattern => out.push(LITERAL),
            ("*" | "?" | "$", _) => out.push_str(key),
            (_, Context::One(value)) => out.push_str(&value),
            (_, Context::Absent) => out.push_str(default?),
            _ => return None,
        }
    }
    out.push_str(rest);
    Some(out)
}

/// Evaluates a statement's `Condition`; `who` names the statement in the reasons. Without `variables`, as in a document of a
/// version before 2012-10-17, they are plain text (IAM reference, Version element).
pub(in crate::model) fn holds(condition: Option<&Value>, keys: &dyn Keys, who: &str, variables: bool) -> Truth {
    let (mut no, mut maybe) = (Vec::new(), Vec::new());
    let operators = match condition {
        None => return Truth::Yes,
        Some(Value::Object(operators)) => operators,
        Some(_) => return Truth::Maybe(vec![format!("{who} has a condition that is not an object")]),
    };
    for (name, wants) in operators {
        let operator = Operator::parse(name);
        let Some(wants) = wants.as_object() else {
            maybe.push(format!("{who} has a condition `{name}` that is not an object"));
            continue;
        };
        for (key, wanted) in wants {
            let test = Test { operator: &operator, name, key, wanted: texts(wanted), who, variables };
            match test.holds(keys) {
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
struct Test<'a> {
    operator: &'a Operator<'a>,
    /// The operator as written.
    name: &'a str,
    key: &'a str,
    wanted: Vec<String>,
    /// The statement.
    who: &'a str,
    variables: bool,
}

impl Test<'_> {
    fn shown(&self) -> String {
        self.wanted.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(" or ")
    }

    fn unknown(&self) -> Truth {
        let (who, key, name) = (self.who, self.key, self.name);
        Truth::Maybe(vec![format!("{who} requires {key} ({name} {}), which podid cannot evaluate", self.shown())])
    }

    fn no(&self, text: String) -> Truth {
        Truth::No(vec![Reason { cause: Cause::Condition(self.key.to_ascii_lowercase()), text }])
    }

    fn missing(&self, keys: &dyn Keys) -> Truth {
        Truth::No(vec![Reason { cause: keys.cause(self.key), text: keys.missing(self.key, self.who) }])
    }

    fn holds(&self, keys: &dyn Keys) -> Truth {
        let (operator, who, key) = (self.operator, self.who, self.key);
        if !operator.is_known() {
            return self.unknown();
        }
        let context = keys.context(key);
        // A service's call may have its name where others have their address: no address matches it, more is not known.
        if key.eq_ignore_ascii_case("aws:SourceIp") && (operator.base == "null" || operator.if_exists) {
            return self.unknown();
        }
        if operator.base == "null" {
            return self.is_null(&context, keys);
        }
        let values = match context {
            Context::Present if operator.base == "stringlike" && self.wanted.iter().any(|one| one == "*") => {
                let excluded = || self.no(format!("{who} excludes every {key}, but EKS sends one"));
                return if operator.negated { excluded() } else { Truth::Yes };
            }
            Context::Begins(start) => return self.begins(start),
            Context::Unknown | Context::Present => return self.unknown(),
            Context::Absent => {
                // An absent key passes a negated test, IfExists and ForAllValues, and fails every other (IAM reference).
                let wanted: Vec<&str> = self.wanted.iter().map(String::as_str).collect();
                return if operator.fails_when_absent(&wanted) { self.missing(keys) } else { Truth::Yes };
            }
            // Without a set operator what a key with several values comes to is nowhere said.
            Context::Many(_) if operator.set.is_none() => return self.unknown(),
            Context::Many(values) => values,
            Context::One(value) => vec![value],
        };
        let fills = self.variables && operator.takes_variables();
        let wanted: Vec<Option<String>> = self
            .wanted
            .iter()
            .map(|one| if fills { filled(one, keys, operator.is_pattern()) } else { Some(one.clone()) })
            .collect();
        let is_time = matches!(key.to_ascii_lowercase().as_str(), "aws:currenttime" | "aws:epochtime");
        let hits: Vec<Option<bool>> = values
            .iter()
            .map(|value| operator.matches(&wanted, value, is_time).map(|hit| hit != operator.negated))
            .collect();
        let decisive = operator.is_set("ForAnyValue");
        if hits.contains(&Some(decisive)) == decisive && (decisive || !hits.contains(&None)) {
            return Truth::Yes;
        }
        if hits.contains(&None) && (decisive || !hits.contains(&Some(false))) {
            return self.unknown();
        }
        let sent = values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
        let verb = if operator.negated { "excludes" } else { "requires" };
        let compared = if is_time { format!(" ({})", self.name) } else { String::new() };
        self.no(format!("{who} {verb} {key} = {}{compared}, but EKS sends {sent}{}", self.shown(), self.note(&values)))
    }

    /// Of the value only the start is known: it decides where every wanted text or pattern agrees, or none can.
    fn begins(&self, start: &str) -> Truth {
        let pattern = match self.operator.base.as_str() {
            "stringlike" => true,
            "stringequals" | "stringequalsignorecase" => false,
            _ => return self.unknown(),
        };
        if self.wanted.iter().any(|one| one.contains("${")) {
            return self.unknown();
        }
        // Whatever follows the start matches, or whatever follows it does not.
        let always = |one: &str| pattern && one.strip_suffix('*').is_some_and(|head| start.starts_with(head));
        let never = |one: &str| {
            let head = one.split(['*', '?']).next().filter(|_| pattern).unwrap_or(one);
            let head =
                if self.operator.base == "stringequalsignorecase" { head.to_lowercase() } else { head.to_owned() };
            let open = pattern && head.len() < one.len();
            !(head.starts_with(start) || open && start.starts_with(&head))
        };
        let hit = if self.wanted.iter().any(|one| always(one)) {
            true
        } else if self.wanted.iter().all(|one| never(one)) {
            false
        } else {
            return self.unknown();
        };
        if hit != self.operator.negated {
            return Truth::Yes;
        }
        let verb = if self.operator.negated { "excludes" } else { "requires" };
        self.no(format!(
            "{} {verb} {} = {}, but EKS sends one that begins with `{start}`",
            self.who,
            self.key,
            self.shown()
        ))
    }

    fn is_null(&self, context: &Context, keys: &dyn Keys) -> Truth {
        let absent = match context {
            Context::One(_) | Context::Many(_) | Context::Begins(_) | Context::Present => false,
            Context::Absent => true,
            Context::Unknown => return self.unknown(),
        };
        let wanted: Option<Vec<bool>> = self.wanted.iter().map(|one| truth(one)).collect();
        match wanted {
            Some(wanted) if wanted.contains(&absent) => Truth::Yes,
            Some(wanted) if !wanted.is_empty() && absent => self.missing(keys),
            Some(wanted) if !wanted.is_empty() => {
                self.no(format!("{} requires {} to be absent, but EKS sends it", self.who, self.key))
            }
            _ => self.unknown(),
        }
    }

    /// What commonly lies behind a value that does not match.
    fn note(&self, values: &[String]) -> &'static str {
        let any = |test: &dyn Fn(&str, &str) -> bool| {
            self.wanted.iter().any(|one| values.iter().any(|value| test(one, value)))
        };
        if self.operator.base == "stringequals" && any(&|one, value| one != value && wildcard(one, value)) {
            " (StringEquals treats `*` literally, StringLike does not)"
        } else if any(&|one, value| one != value && one.eq_ignore_ascii_case(value)) {
            " (the case differs)"
        } else if !self.variables && any(&|one, _| one.contains("${")) {
            " (policy variables need the policy's Version to be 2012-10-17)"
        } else {
            ""
        }
    }
}
