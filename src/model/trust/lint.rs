//! Mistakes in a trust policy that keep Pod Identity from working. The document without them is `fix`'s.
//!
//! The rules: EKS User Guide, pod-id-role and pod-id-abac; what EKS does not send, IAM User Guide, global condition keys;
//! the form of `aws:SourceArn`, awslabs/mountpoint-s3-csi-driver#781.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{
    ACTIONS, Cause, PRINCIPAL, Request, Verdict,
    admits::{allows, conditions, for_pods, is_session_tag, services, trusts_pods},
    evaluate,
    evaluate::covers,
    operator::Operator,
    principals::is_typo,
};
use crate::model::{
    arn::Arn,
    document::{Document, strings},
    text::wildcard,
};

/// A mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "TrustFinding")]
pub struct Finding {
    /// Stable id of the rule: principal, assume-role, tag-session, web-identity, wildcard, case, account, source-arn,
    /// absent-key, deny, session-tags or not-allowed.
    pub id: &'static str,
    /// The statement, by its Sid or its number; null for the whole document.
    pub statement: Option<String>,
    /// What is wrong.
    pub message: String,
}

/// What a document is linted for.
#[derive(Debug, Clone, Copy)]
pub struct Lint<'a> {
    /// The role that has it.
    pub role: &'a Arn,
    /// Whom it has to admit, when that was asked.
    pub request: Option<&'a Request<'a>>,
}

/// The mistakes of a document, in the order of its statements.
pub fn lint(document: &Document, ask: &Lint<'_>) -> Vec<Finding> {
    let statements = document.statements();
    let mut found = Vec::new();
    let elsewhere = Elsewhere::of(&statements);
    for (at, statement) in statements.iter().enumerate() {
        let mut add = |id, message: String| found.push(Finding { id, statement: Some(name(statement, at)), message });
        if allows(statement) {
            for service in services(statement).into_iter().filter(|service| is_typo(service)) {
                add(
                    "principal",
                    format!("service `{service}` does not exist: the name is {PRINCIPAL} in every partition"),
                );
            }
        }
        if for_pods(statement) {
            actions(statement, elsewhere, &mut add);
            for (operator, key, value) in conditions(statement) {
                condition(ask, operator, key, &strings(Some(value)), &mut add);
            }
        }
    }
    if !trusts_pods(document) && found.is_empty() {
        found.push(Finding { id: "principal", statement: None, message: nobody(&statements) });
    }
    if let Some(request) = ask.request {
        admission(document, request, &mut found);
    }
    found
}

/// Whether the request is admitted, where the rules of form have not told already why not.
fn admission(document: &Document, request: &Request<'_>, found: &mut Vec<Finding>) {
    if let Verdict::Refuses(reasons) = evaluate(document, request) {
        for reason in reasons {
            let id = match reason.cause {
                Cause::Denied => "deny",
                Cause::SessionTagsOff => "session-tags",
                Cause::Principal | Cause::MissingAction(_) | Cause::Condition(_) => "not-allowed",
            };
            let message = format!("does not allow {}: {reason}", request.subject);
            found.push(Finding { id, statement: None, message });
        }
    }
}

/// Which of [`ACTIONS`] any statement for pods allows: one statement may complete another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Elsewhere {
    pub(super) assumes: bool,
    pub(super) tags: bool,
}

impl Elsewhere {
    pub(super) fn of(statements: &[&Value]) -> Self {
        let any = |action: &str| statements.iter().any(|s| for_pods(s) && covers(s, action));
        Self { assumes: any(ACTIONS[0]), tags: any(ACTIONS[1]) }
    }
}

/// As a finding names it: the Sid, else the number, from 1.
fn name(statement: &Value, at: usize) -> String {
    let sid = statement.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty());
    sid.map_or_else(|| (at + 1).to_string(), str::to_owned)
}

fn nobody(statements: &[&Value]) -> String {
    let base = format!("no statement trusts the service {PRINCIPAL}");
    let named: Vec<String> =
        statements.iter().filter(|s| allows(s)).flat_map(|s| services(s)).map(|s| format!("`{s}`")).collect();
    let federated = statements.iter().any(|s| s.get("Principal").is_some_and(|p| p.get("Federated").is_some()));
    match (named.is_empty(), federated) {
        (false, _) => format!("{base}, only {}", named.join(", ")),
        (true, true) => format!("{base}, only an OIDC provider (IRSA)"),
        (true, false) => base,
    }
}

fn actions(statement: &Value, elsewhere: Elsewhere, add: &mut impl FnMut(&'static str, String)) {
    let web = covers(statement, "sts:AssumeRoleWithWebIdentity");
    let assumes = covers(statement, ACTIONS[0]);
    if !assumes && web {
        add(
            "web-identity",
            format!("allows sts:AssumeRoleWithWebIdentity, which is for IRSA; EKS calls {}", ACTIONS[0]),
        );
    } else if !assumes && !elsewhere.assumes && !covers(statement, ACTIONS[1]) && statement.get("NotAction").is_none() {
        add("assume-role", format!("does not allow {}", ACTIONS[0]));
    }
    if assumes && !elsewhere.tags {
        add("tag-session", format!("does not allow {}, so EKS rejects the association", ACTIONS[1]));
    }
}

/// What no request of EKS for a role of this account can meet.
fn condition(ask: &Lint<'_>, operator: &str, key: &str, values: &[&str], add: &mut impl FnMut(&'static str, String)) {
    let parsed = Operator::parse(operator);
    let lower = key.to_ascii_lowercase();
    let shown = || values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(" or ");
    if absent(&lower) {
        if parsed.fails_when_absent(values) {
            add("absent-key", format!("requires {key}, which EKS does not send"));
        }
        return;
    }
    if !parsed.is_plain() {
        return;
    }
    if parsed.is_exact() && values.iter().any(|value| value.contains('*')) {
        add("wildcard", format!("{operator} treats the `*` in {key} = {} literally", shown()));
        return;
    }
    let home = &ask.role.account;
    let account_of = |value: &str| value.parse::<Arn>().ok().map(|arn| (arn.partition, arn.account));
    match lower.as_str() {
        "aws:sourcearn" if values.iter().all(|value| !is_cluster(value)) => {
            add("source-arn", format!("aws:SourceArn is {}, but EKS sends the cluster's ARN", shown()));
        }
        "aws:sourcearn" | "aws:requesttag/eks-cluster-arn"
            if values.iter().all(|value| {
                account_of(value).is_some_and(|(partition, account)| {
                    !wildcard(&account, home) || !wildcard(&partition, &ask.role.partition)
                })
            }) =>
        {
            add(
                "account",
                format!("names cluster {}, but EKS assumes only roles of the cluster's own account", shown()),
            );
        }
        "aws:sourceaccount" if values.iter().all(|value| !wildcard(value, home)) => {
            add(
                "account",
                format!(
                    "requires account {}, but EKS assumes only roles of the cluster's own account ({home})",
                    shown()
                ),
            );
        }
        "aws:requesttag/kubernetes-namespace" | "aws:requesttag/kubernetes-service-account"
            if values.iter().any(|value| value.chars().any(|c| c.is_ascii_uppercase())) =>
        {
            add("case", format!("requires {key} = {}, but Kubernetes names are lower-case", shown()));
        }
        _ => {}
    }
}

fn absent(lower: &str) -> bool {
    let unknown_tag = lower.strip_prefix("aws:requesttag/").is_some_and(|tag| !is_session_tag(tag));
    unknown_tag || super::conditions::is_absent(lower)
}

fn is_cluster(text: &str) -> bool {
    text.parse::<Arn>().map_or_else(
        |_| text.contains('*') && !text.contains("podidentityassociation"),
        |arn| arn.service == "eks" && arn.resource.starts_with("cluster/") || arn.resource == "*",
    )
}

#[cfg(test)]
mod tests;
