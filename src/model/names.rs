//! Names of service accounts, by Kubernetes' rules.

use std::{fmt, str::FromStr};

use serde::Serialize;

/// A service account, written `NAMESPACE/SERVICE_ACCOUNT` everywhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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
        check("service account", name, 253, true)?;
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }
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
