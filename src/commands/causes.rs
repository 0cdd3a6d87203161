//! Findings by their cause: what several service accounts have in common is one problem.

use crate::{checks::Finding, model::text::listed};

/// Service accounts that are named with a problem of several.
const SHOWN: usize = 3;

/// A finding, and the service accounts that have it.
pub struct Cause<'a> {
    /// The finding, as the first of them has it.
    pub finding: &'a Finding,
    accounts: Vec<String>,
}

impl Cause<'_> {
    /// `affects carts/carts, orders/orders and 4 more`.
    pub fn affects(&self) -> String {
        format!("affects {}", listed(&self.accounts, SHOWN))
    }
}

/// The findings of service accounts that count, in the order of the links, equal ones once.
pub fn of<'a>(
    all: impl IntoIterator<Item = (String, &'a [Finding])>,
    counts: impl Fn(&Finding) -> bool,
) -> Vec<Cause<'a>> {
    let mut causes: Vec<Cause<'a>> = Vec::new();
    for (title, findings) in all {
        for finding in findings.iter().filter(|finding| counts(finding)) {
            let known = causes.iter_mut().find(|cause| {
                let (one, other) = (cause.finding, finding);
                one.check.id == other.check.id
                    && one.subject == other.subject
                    && one.message == other.message
                    && one.remedies == other.remedies
            });
            match known {
                Some(cause) if cause.accounts.contains(&title) => {}
                Some(cause) => cause.accounts.push(title.clone()),
                None => causes.push(Cause { finding, accounts: vec![title.clone()] }),
            }
        }
    }
    // What breaks more comes first among equals: a missing agent before one role of many.
    causes.sort_by_key(|cause| (cause.finding.check.link, std::cmp::Reverse(cause.accounts.len())));
    causes
}
