//! Tags: podid's own, and the rules for those that users give.

use std::collections::BTreeMap;

use super::{cluster::Cluster, names::ServiceAccount, role::tags};

/// Prefix of podid's own tag keys.
pub const PREFIX: &str = "podid.dev/";

/// Tags that IAM and EKS take on one thing (IAM User Guide, tags; EKS API reference, TagResource).
const MAX: usize = 50;

/// Why a `--tag` is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// Not of the form `K=V`.
    #[error("`{0}` is not KEY=VALUE")]
    Form(String),
    /// Breaks a rule.
    #[error("tag `{key}` {why}")]
    Rule {
        /// Key.
        key: String,
        /// The broken rule.
        why: &'static str,
    },
    /// Too many.
    #[error("{0} tags are too many: podid adds 4 of its own, and AWS allows 50")]
    Many(usize),
}

/// The tags that podid puts on what it creates for a service account.
pub fn association_tags(cluster: &Cluster, subject: &ServiceAccount) -> BTreeMap<String, String> {
    BTreeMap::from([
        (tags::MANAGED_BY.to_owned(), "podid".to_owned()),
        (tags::CLUSTER.to_owned(), cluster.arn.to_string()),
        (tags::NAMESPACE.to_owned(), subject.namespace.clone()),
        (tags::SERVICE_ACCOUNT.to_owned(), subject.name.clone()),
    ])
}

/// Reads `K=V` texts.
///
/// # Errors
/// When one breaks AWS's rules, comes twice, or is podid's own.
pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<BTreeMap<String, String>, TagError> {
    let mut found = BTreeMap::new();
    for text in texts {
        let (key, value) = text.split_once('=').ok_or_else(|| TagError::Form(text.to_owned()))?;
        check(key, value)?;
        if found.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(TagError::Rule { key: key.to_owned(), why: "is set twice" });
        }
    }
    if found.len() > MAX - 4 {
        return Err(TagError::Many(found.len()));
    }
    Ok(found)
}

/// Whether a tag can be set: those of AWS cannot.
pub fn is_settable(key: &str) -> bool {
    !key.starts_with("aws:")
}

/// Whether a tag is the user's own: neither AWS's nor podid's.
pub fn is_custom(key: &str) -> bool {
    is_settable(key) && !key.starts_with(PREFIX)
}

/// Checks a key alone, whoever's it is.
///
/// # Errors
/// When it breaks AWS's rules.
pub fn check_key(key: &str) -> Result<(), TagError> {
    let rule = |why| Err(TagError::Rule { key: key.to_owned(), why });
    if key.is_empty() {
        return rule("has no key");
    }
    if key.chars().count() > 128 {
        return rule("has a key longer than 128 characters");
    }
    if !key.chars().all(|c| c.is_alphanumeric() || " _.:/=+-@".contains(c)) {
        return rule("may have only letters, digits, spaces and `_.:/=+-@`");
    }
    Ok(())
}

/// Checks a tag of the user's.
///
/// # Errors
/// When it breaks AWS's rules, or is podid's own.
pub fn check(key: &str, value: &str) -> Result<(), TagError> {
    let rule = |why| Err(TagError::Rule { key: key.to_owned(), why });
    let lower = key.to_ascii_lowercase();
    if key.is_empty() {
        return rule("has no key");
    }
    if lower.starts_with("aws:") {
        return rule("begins with `aws:`, which is reserved by AWS");
    }
    if lower.starts_with(PREFIX) {
        return rule("begins with `podid.dev/`, which is reserved by podid");
    }
    if key.chars().count() > 128 {
        return rule("has a key longer than 128 characters");
    }
    if value.chars().count() > 256 {
        return rule("has a value longer than 256 characters");
    }
    // The rule of IAM, the stricter of the two: letters, digits, spaces and `_.:/=+-@`.
    if !(key.chars().chain(value.chars())).all(|c| c.is_alphanumeric() || " _.:/=+-@".contains(c)) {
        return rule("may have only letters, digits, spaces and `_.:/=+-@`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_follow_the_rules_of_aws() {
        let good = parse(["team=store", "cost centre=1=2", "empty="]).unwrap();
        assert_eq!(good["cost centre"], "1=2");
        assert_eq!(good["empty"], "");
        let (long_key, long_value) = (format!("{}=v", "k".repeat(129)), format!("k={}", "v".repeat(257)));
        for (texts, why) in [
            (vec!["team"], "`team` is not KEY=VALUE"),
            (vec!["=x"], "tag `` has no key"),
            (vec!["AWS:x=y"], "tag `AWS:x` begins with `aws:`, which is reserved by AWS"),
            (vec!["podid.dev/x=y"], "tag `podid.dev/x` begins with `podid.dev/`, which is reserved by podid"),
            (vec!["a=1", "a=2"], "tag `a` is set twice"),
            (vec!["a=<b>"], "tag `a` may have only letters, digits, spaces and `_.:/=+-@`"),
        ] {
            assert_eq!(parse(texts).unwrap_err().to_string(), why);
        }
        assert!(parse([long_key.as_str()]).is_err() && parse([long_value.as_str()]).is_err());
        let many: Vec<String> = (0..47).map(|n| format!("k{n}=v")).collect();
        assert_eq!(parse(many.iter().map(String::as_str)), Err(TagError::Many(47)));
    }
}
