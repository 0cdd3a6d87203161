//! What a trust policy says of IRSA: which of its statements are for the OIDC issuer of a cluster, in which form, whether they
//! allow a service account, and who else is allowed.

mod without;

use std::{collections::BTreeSet, fmt};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

pub use self::without::{Kept, without};
use super::{
    Cause, Reason, Verdict,
    admits::{allows, conditions, others},
    conditions::{Context, Keys, Truth, holds, texts},
    evaluate::{covers, names_everyone, who},
    operator::Operator,
};
use crate::model::{
    arn::Arn,
    document::{Document, strings},
    names::ServiceAccount,
};

/// The call by which a web identity becomes a role.
const ACTION: &str = "sts:AssumeRoleWithWebIdentity";

/// The audience of the tokens of IRSA, unless the service account names another one (amazon-eks-pod-identity-webhook, README).
pub const AUDIENCE: &str = "sts.amazonaws.com";

/// How the issuers of EKS clusters begin.
const EKS: &str = "oidc.eks.";

/// A form in which trust policies allow IRSA, as they are found in the wild. A policy may have several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IrsaForm {
    /// `StringEquals` on one service account.
    Exact,
    /// A list of service accounts.
    List,
    /// `StringLike` without a wildcard, which is the same as `StringEquals`.
    LikeWithoutWildcard,
    /// A pattern of service accounts.
    Pattern,
    /// No condition on `sub`: every service account of the cluster.
    AudienceOnly,
    /// No condition at all: every service account of the cluster, with a token for whatever audience.
    Unconditional,
    /// Statements for the issuers of other clusters too.
    OtherIssuers,
    /// One statement names several OIDC providers.
    SeveralProviders,
    /// Set operators, negations and other conditions on the claims that no tool writes.
    UnusualOperator,
    /// Principals beside the issuers of clusters: services, accounts, GitHub.
    OtherPrincipals,
    /// A statement allows other actions too.
    OtherActions,
    /// The role is in another account than the cluster.
    OtherAccount,
    /// No statement allows this service account: a deleted cluster's issuer, a typo, another service account.
    Dead,
}

impl IrsaForm {
    /// A few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Exact => "one service account",
            Self::List => "a list of service accounts",
            Self::LikeWithoutWildcard => "one service account, by StringLike",
            Self::Pattern => "a pattern of service accounts",
            Self::AudienceOnly => "every service account of the cluster",
            Self::Unconditional => "every service account of the cluster, without any condition",
            Self::OtherIssuers => "other clusters too",
            Self::SeveralProviders => "several OIDC providers in one statement",
            Self::UnusualOperator => "unusual condition operators",
            Self::OtherPrincipals => "other principals too",
            Self::OtherActions => "other actions in the same statement",
            Self::OtherAccount => "a role of another account",
            Self::Dead => "does not allow this service account",
        }
    }

    /// Service accounts that nobody named are allowed.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pattern | Self::AudienceOnly | Self::Unconditional)
    }
}

impl fmt::Display for IrsaForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// A cluster's issuer as ARNs and condition keys have it.
fn host(issuer: &str) -> &str {
    issuer.strip_prefix("https://").unwrap_or(issuer)
}

/// What the tokens of a service account name it by, in their claim `sub`.
fn sub(subject: &ServiceAccount) -> String {
    format!("system:serviceaccount:{}:{}", subject.namespace, subject.name)
}

/// Whom STS is asked to assume a role for, by a token of the cluster.
#[derive(Debug, Clone, Copy)]
pub struct WebIdentity<'a> {
    /// The cluster's issuer as DescribeCluster gives it, with or without `https://`.
    pub issuer: &'a str,
    /// Account of the cluster.
    pub account: &'a str,
    /// Whose token.
    pub subject: &'a ServiceAccount,
    /// The token's audience.
    pub audience: &'a str,
}

impl<'a> WebIdentity<'a> {
    fn host(&self) -> &'a str {
        host(self.issuer)
    }
}

impl Keys for WebIdentity<'_> {
    fn context(&self, key: &str) -> Context {
        let (key, issuer) = (key.to_ascii_lowercase(), self.host().to_ascii_lowercase());
        match key.strip_prefix(&issuer) {
            Some(":sub") => {
                return Context::One(sub(self.subject));
            }
            Some(":aud") => return Context::One(self.audience.to_owned()),
            _ => {}
        }
        match key.as_str() {
            // Claims of other issuers, and what only calls with credentials have.
            key if [":sub", ":aud", ":amr"].iter().any(|claim| key.ends_with(claim)) => Context::Absent,
            key if key.starts_with("aws:principaltag/") || key.starts_with("aws:requesttag/") => Context::Absent,
            "aws:principalarn" | "aws:principalservicename" | "sts:externalid" | "aws:sourcearn" => Context::Absent,
            "sts:rolesessionname" => Context::Present,
            _ => Context::Unknown,
        }
    }

    fn missing(&self, key: &str, who: &str) -> String {
        format!("{who} requires {key}, which the tokens of this cluster do not have")
    }
}

/// What a trust policy says of IRSA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IrsaTrust {
    /// Its forms, in order.
    pub forms: BTreeSet<IrsaForm>,
    /// The statements for this cluster's issuer: `statement 1`.
    pub statements: Vec<String>,
    /// Whether the service account may assume the role by IRSA, and why not.
    #[serde(skip)]
    pub verdict: Verdict,
    /// Whether the service account may assume the role through IRSA; null if that cannot be determined.
    pub allows_service_account: Option<bool>,
    /// Issuers of other clusters that may.
    pub other_issuers: Vec<String>,
    /// Other principals that may, Pod Identity left out.
    pub other_principals: Vec<String>,
}

/// Reads a role's trust policy for a service account of a cluster.
pub fn irsa(role: &Arn, document: &Document, identity: &WebIdentity<'_>) -> IrsaTrust {
    let mut it = IrsaTrust {
        forms: BTreeSet::new(),
        statements: Vec::new(),
        verdict: verdict(role, document, identity),
        allows_service_account: None,
        other_issuers: Vec::new(),
        other_principals: Vec::new(),
    };
    it.allows_service_account = match it.verdict {
        Verdict::Admits => Some(true),
        Verdict::Refuses(_) => Some(false),
        Verdict::Unknown(_) => None,
    };
    for (at, statement) in document.statements().into_iter().enumerate().filter(|(_, one)| allows(one)) {
        let issuers = issuers(statement, role);
        if issuers.contains(&identity.host()) && covers(statement, ACTION) {
            it.statements.push(who(statement, at));
            it.forms.extend(forms(statement, identity.host(), role));
        }
        for issuer in issuers.into_iter().filter(|issuer| *issuer != identity.host() && issuer.starts_with(EKS)) {
            if !it.other_issuers.iter().any(|known| known == issuer) {
                it.other_issuers.push(issuer.to_owned());
            }
        }
    }
    let of_a_cluster = |other: &String| other.contains(&format!(":oidc-provider/{EKS}"));
    it.other_principals = others(document).into_iter().filter(|other| !of_a_cluster(other)).collect();
    if !it.other_issuers.is_empty() {
        it.forms.insert(IrsaForm::OtherIssuers);
    }
    if !it.other_principals.is_empty() {
        it.forms.insert(IrsaForm::OtherPrincipals);
    }
    if role.account != identity.account {
        it.forms.insert(IrsaForm::OtherAccount);
    }
    if matches!(it.verdict, Verdict::Refuses(_)) {
        it.forms.insert(IrsaForm::Dead);
    }
    it
}

/// The issuers of a statement's OIDC providers. A provider of another account than the role's counts for nothing (IAM User Guide,
/// OIDC federation).
fn issuers<'a>(statement: &'a Value, role: &Arn) -> Vec<&'a str> {
    let federated = strings(statement.get("Principal").and_then(|principal| principal.get("Federated")));
    let own = format!(":iam::{}", role.account);
    let providers = federated.into_iter().filter_map(|arn| arn.split_once(":oidc-provider/"));
    providers.filter(|(account, _)| account.ends_with(&own)).map(|(_, issuer)| issuer).collect()
}

/// The forms of one statement for an issuer.
fn forms(statement: &Value, issuer: &str, role: &Arn) -> BTreeSet<IrsaForm> {
    let mut forms = BTreeSet::new();
    if issuers(statement, role).len() > 1 {
        forms.insert(IrsaForm::SeveralProviders);
    }
    let other = |action: &&str| !action.eq_ignore_ascii_case(ACTION);
    if strings(statement.get("Action")).iter().any(other) || statement.get("NotAction").is_some() {
        forms.insert(IrsaForm::OtherActions);
    }
    let all = conditions(statement);
    if all.is_empty() {
        forms.insert(IrsaForm::Unconditional);
        return forms;
    }
    let claim = |name: &str| format!("{issuer}:{name}");
    let is = |key: &str, name: &str| key.eq_ignore_ascii_case(&claim(name));
    let mut named = false;
    for (operator, key, value) in all {
        let parsed = Operator::parse(operator);
        let usual = parsed.is_known() && parsed.set.is_none() && parsed.is_plain() && !parsed.if_exists;
        let claims = is(key, "sub") || is(key, "aud");
        if claims && !(usual && (parsed.is_exact() || parsed.is_pattern())) {
            forms.insert(IrsaForm::UnusualOperator);
        }
        if !is(key, "sub") {
            continue;
        }
        named = true;
        let values = texts(value);
        forms.insert(if parsed.negated || !(parsed.is_exact() || parsed.is_pattern()) {
            // All but the named ones, or nobody knows which.
            IrsaForm::Pattern
        } else if parsed.is_pattern() && values.iter().any(|one| one.contains(['*', '?'])) {
            IrsaForm::Pattern
        } else if values.len() > 1 {
            IrsaForm::List
        } else if parsed.is_pattern() {
            IrsaForm::LikeWithoutWildcard
        } else {
            IrsaForm::Exact
        });
    }
    if !named {
        forms.insert(IrsaForm::AudienceOnly);
    }
    forms
}

/// Whether the service account may assume the role by its token.
fn verdict(role: &Arn, document: &Document, identity: &WebIdentity<'_>) -> Verdict {
    let variables = document.takes_variables();
    let (mut admits, mut no, mut denied) = (false, Vec::new(), Vec::new());
    let (mut may_allow, mut may_deny) = (Vec::new(), Vec::new());
    let (mut named, mut near) = (false, None);
    for (at, statement) in document.statements().into_iter().enumerate().filter(|(_, one)| covers(one, ACTION)) {
        let who = who(statement, at);
        let own = issuers(statement, role);
        let everyone = statement.get("Principal").is_some_and(names_everyone);
        if !own.contains(&identity.host()) && !everyone {
            near = near.or(own.into_iter().find(|issuer| issuer.eq_ignore_ascii_case(identity.host())));
            continue;
        }
        let truth = holds(statement.get("Condition"), identity, &who, variables);
        match (allows(statement), truth) {
            (true, Truth::Yes) => admits = true,
            (true, Truth::No(reasons)) => no.extend(reasons),
            (true, Truth::Maybe(reasons)) => may_allow.extend(reasons),
            (false, Truth::Maybe(reasons)) => may_deny.extend(reasons),
            (false, Truth::Yes) => denied.push(format!("{who} denies {ACTION}")),
            (false, Truth::No(_)) => {}
        }
        named |= allows(statement);
    }
    let reason = |cause: Cause, text: String| Verdict::Refuses(vec![Reason { cause, text }]);
    if !denied.is_empty() {
        reason(Cause::Denied, denied.join("; "))
    } else if admits && may_deny.is_empty() {
        // What another statement may allow besides makes no difference.
        Verdict::Admits
    } else if admits || !may_allow.is_empty() {
        may_allow.extend(may_deny);
        Verdict::Unknown(may_allow)
    } else if !named {
        let near = near.map(|near| format!("; `{near}` differs from it in its case")).unwrap_or_default();
        reason(Cause::Principal, format!("no statement allows the OIDC issuer of this cluster{near}"))
    } else {
        Verdict::Refuses(no)
    }
}

#[cfg(test)]
mod tests;
