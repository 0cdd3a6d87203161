//! How long a trust policy may be. IAM refuses a longer one, so podid neither writes nor proposes it.

use std::fmt;

use crate::model::document::Document;

/// Characters of a trust policy, white space not counted, before the quota is raised (IAM User Guide, IAM quotas).
const MAX_SIZE: usize = 2048;

/// What the quota can be raised to (the same page).
const MAX_RAISED: usize = 4096;

/// A trust policy that IAM would refuse for its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong {
    /// Characters that count.
    pub size: usize,
    /// How many IAM takes, as far as is known.
    pub quota: usize,
    /// Characters of the present one, where they show that the quota was raised.
    pub present: Option<usize>,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, quota, present } = self;
        write!(f, "would have {size} characters; the IAM limit is {quota}")?;
        match present {
            Some(present) => write!(
                f,
                " by default (the current one has {present}, so this account's quota was raised, to {MAX_RAISED} at most: `aws iam get-account-summary --query SummaryMap.AssumeRolePolicySizeQuota` shows it)"
            ),
            None => Ok(()),
        }
    }
}

/// What shortens a trust policy.
pub const SHORTEN: &str = "remove unused statements (such as those for OIDC providers of deleted clusters), or create a separate role: `podid associate NS/SA --create-role`";

/// Whether IAM would refuse a document for its length. One that is there already, and is longer than the default quota,
/// shows that the quota was raised: how far only IAM knows, and it says so when it is asked to write.
pub fn too_long(before: Option<&Document>, after: &Document) -> Option<TooLong> {
    let there = before.map_or(0, Document::size);
    let quota = if there > MAX_SIZE { MAX_RAISED } else { MAX_SIZE };
    let size = after.size();
    (size > quota && size > there).then_some(TooLong { size, quota, present: None })
}

/// Whether IAM might refuse a document for its length: what others are to write is proposed only where it is known to fit.
pub fn may_be_too_long(before: &Document, after: &Document) -> Option<TooLong> {
    let (there, size) = (before.size(), after.size());
    let present = (there > MAX_SIZE).then_some(there);
    (size > MAX_SIZE.max(there)).then_some(TooLong { size, quota: MAX_SIZE, present })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn long(size: usize) -> Document {
        let mut document = Document(json!({"Statement": ""}));
        let rest = size - document.size();
        document.0["Statement"] = json!("x".repeat(rest));
        document
    }

    #[test]
    fn a_document_that_is_there_shows_a_raised_quota() {
        for (before, after, quota) in [
            (None, 2048, None),
            (None, 2049, Some(2048)),
            (Some(2048), 2049, Some(2048)),
            (Some(2049), 4096, None),
            (Some(2049), 4097, Some(4096)),
            (Some(4000), 2100, None),
            (Some(5000), 4999, None),
            (Some(5000), 5000, None),
        ] {
            let found = too_long(before.map(long).as_ref(), &long(after));
            assert_eq!(found.map(|too| too.quota), quota, "{before:?} {after}");
            assert!(found.is_none_or(|too| too.size == after));
        }
    }

    #[test]
    fn nothing_is_proposed_that_may_not_fit() {
        for (before, after, refused, raised) in [
            (2000, 2048, false, false),
            (2000, 2049, true, false),
            (2048, 2049, true, false),
            (2066, 2429, true, true),
            (2429, 2429, false, false),
            (2429, 2066, false, false),
        ] {
            let found = may_be_too_long(&long(before), &long(after));
            assert_eq!(found.is_some(), refused, "{before} {after}");
            assert_eq!(found.is_some_and(|too| too.present.is_some()), raised, "{before} {after}");
        }
    }
}
