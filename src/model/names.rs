//! Names of service accounts, by Kubernetes' rules.

use std::{collections::BTreeSet, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::nearest;

/// A service account, written `NAMESPACE/SERVICE_ACCOUNT` everywhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccount {
    /// Namespace: a DNS label, at most 63 characters.
    pub namespace: String,
    /// Service account: a DNS subdomain, at most 253 characters.
    #[serde(rename = "serviceAccount")]
    pub name: String,
}

/// Why a text is not the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not of the form `NS/SA`.
    #[error("`{0}` is not NAMESPACE/SERVICE_ACCOUNT, for example `carts/carts`")]
    Form(String),
    /// Breaks Kubernetes' rules.
    #[error("{what} `{text}` {why}")]
    Rule {
        /// `namespace` or `service account`.
        what: &'static str,
        /// The offending text.
        text: String,
        /// The broken rule.
        why: &'static str,
    },
}

impl ServiceAccount {
    /// A service account from its two names.
    ///
    /// # Errors
    /// When a name breaks Kubernetes' rules.
    pub fn new(namespace: &str, name: &str) -> Result<Self, NameError> {
        check_namespace(namespace)?;
        check_object("service account", name)?;
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

impl ServiceAccount {
    /// The one that pods of its namespace run as when they name none.
    pub fn is_default(&self) -> bool {
        self.name == "default"
    }

    /// What an association of it means, where it is the namespace's default.
    pub fn shared_by_all(&self) -> Option<String> {
        let namespace = &self.namespace;
        self.is_default()
            .then(|| format!("every pod in namespace {namespace} without a service account of its own gets the role"))
    }
}

/// Checks the name of an object, `what` as kubectl calls its kind: RFC 1123 subdomain, at most 253 characters.
///
/// # Errors
/// When the name breaks the rule.
pub fn check_object(what: &'static str, name: &str) -> Result<(), NameError> {
    check(what, name, 253, true)
}

/// Checks a namespace: RFC 1123 label, at most 63 characters.
///
/// # Errors
/// When the name breaks the rule.
pub fn check_namespace(name: &str) -> Result<(), NameError> {
    check("namespace", name, 63, false)
}

/// RFC 1123 label, or with `dots` subdomain: kubernetes.io/docs/concepts/overview/working-with-objects/names.
fn check(what: &'static str, text: &str, max: usize, dots: bool) -> Result<(), NameError> {
    let rule = |why| Err(NameError::Rule { what, text: text.to_owned(), why });
    if text.is_empty() {
        return rule("is empty");
    }
    if text.len() > max {
        return rule(if max == 63 { "is longer than 63 characters" } else { "is longer than 253 characters" });
    }
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return rule("has upper-case letters; Kubernetes names are lower-case");
    }
    let labels: Vec<&str> = if dots { text.split('.').collect() } else { vec![text] };
    for label in labels {
        let bytes = label.as_bytes();
        let alnum = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if !bytes.iter().all(|b| alnum(b) || *b == b'-') {
            return rule(if dots {
                "may have only lower-case letters, digits, `-` and `.`"
            } else {
                "may have only lower-case letters, digits and `-`"
            });
        }
        if !bytes.first().is_some_and(alnum) || !bytes.last().is_some_and(alnum) {
            return rule("must begin and end with a letter or digit");
        }
    }
    Ok(())
}

/// The service accounts that `wanted` may have meant, best first, at most three: those of its namespace with a similar name, then
/// those of a namespace with a similar name, then those of its own name anywhere.
pub fn near(wanted: &ServiceAccount, existing: &[ServiceAccount]) -> Vec<ServiceAccount> {
    let like = |namespace: &str| -> Vec<ServiceAccount> {
        let own = existing.iter().filter(|one| one.namespace == namespace && *one != wanted);
        let (same, others): (Vec<&ServiceAccount>, Vec<_>) = own.partition(|one| one.name == wanted.name);
        let similar = nearest(&wanted.name, others.iter().map(|one| one.name.as_str()));
        let similar = similar.into_iter().map(|name| ServiceAccount { namespace: namespace.to_owned(), name });
        same.into_iter().cloned().chain(similar).collect()
    };
    let own = like(&wanted.namespace);
    if !own.is_empty() {
        return own;
    }
    let namespaces: BTreeSet<&str> = existing.iter().map(|one| one.namespace.as_str()).collect();
    let mut found: Vec<ServiceAccount> =
        nearest(&wanted.namespace, namespaces).iter().flat_map(|namespace| like(namespace)).collect();
    // Every namespace has a `default`, so that it tells nothing.
    if found.is_empty() && !wanted.is_default() {
        found = existing.iter().filter(|one| one.name == wanted.name && *one != wanted).cloned().collect();
    }
    found.truncate(NEAR);
    found
}

/// The most names that may have been meant.
const NEAR: usize = 3;

impl FromStr for ServiceAccount {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.split_once('/') {
            Some((namespace, name)) if !name.contains('/') => Self::new(namespace, name),
            _ => Err(NameError::Form(text.to_owned())),
        }
    }
}

impl fmt::Display for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those of the own namespace go before those of a similar one, and these before the same name elsewhere.
    #[test]
    fn near_service_accounts_come_best_first() {
        let account = |text: &str| text.parse::<ServiceAccount>().unwrap();
        let existing: Vec<ServiceAccount> =
            ["carts/carts", "carts/default", "carts/worker", "checkout/default", "orders/orders", "shop/worker"]
                .map(account)
                .into();
        for (wanted, found) in [
            ("carts/cartz", &["carts/carts"][..]),
            ("cart/carts", &["carts/carts"]),
            ("cartz/cartz", &["carts/carts"]),
            ("cartz/worker", &["carts/worker"]),
            ("default/carts", &["carts/carts"]),
            ("checkout/worker", &["carts/worker", "shop/worker"]),
            ("orders/default", &[]),
            ("nowhere/default", &[]),
            ("carts/payments", &[]),
            // One that exists is not what was meant by itself.
            ("carts/carts", &[]),
        ] {
            let near: Vec<String> = near(&account(wanted), &existing).iter().map(ToString::to_string).collect();
            assert_eq!(near, found, "{wanted}");
        }
    }
}
