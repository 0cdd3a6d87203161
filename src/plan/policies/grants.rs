//! The grants of a role: what podid's own policy for them is to become.

use std::collections::BTreeMap;

use super::{Plan, Policies};
use crate::model::{
    document::Document,
    grant::{self, Access, Grant, POLICY, Removal},
    want::Wanted,
};

pub(super) fn grants(
    ask: &Policies<'_>,
    before: Option<&Document>,
    after: &mut BTreeMap<String, Document>,
    plan: &mut Plan,
) {
    if let Wanted::AtLeast(grants) | Wanted::Exactly(grants) = ask.grants {
        for warning in grant::warnings(grants) {
            plan.warn(warning);
        }
    }
    let document = match ask.grants {
        Wanted::Keep | Wanted::AtLeast([]) => return,
        Wanted::AtLeast(grants) => {
            if ask.exact {
                Some(grant::reduced(before, grants))
            } else {
                more_than_asked(ask.role, before, grants, plan);
                Some(grant::merged(before, grants))
            }
        }
        Wanted::Exactly(grants) => grant::exactly(before, ask.services, grants),
        Wanted::Without(gone) => {
            let mut left = after.get(POLICY).cloned();
            // The policy as a whole may have been named too.
            if left.is_none() && before.is_some() {
                return;
            }
            for removal in gone {
                let without = left.as_ref().and_then(|document| grant::without(document, removal));
                if without == left {
                    not_granted(ask.role, removal, plan);
                }
                left = without;
            }
            left
        }
    };
    match document {
        Some(document) => after.insert(POLICY.to_owned(), document),
        None => after.remove(POLICY),
    };
}

/// Least privilege is told of: what an earlier run granted stays, and is more than what is asked for now.
fn more_than_asked(role: &str, before: Option<&Document>, grants: &[Grant], plan: &mut Plan) {
    for one in grants {
        let asked =
            |access: &Access| grants.iter().any(|other| other.resource == one.resource && other.access == *access);
        for wider in grant::wider(before, one).into_iter().filter(|wider| !asked(wider)) {
            plan.warn(format!(
                "role `{role}` already grants {wider} on {} {}: pass `--exact` to reduce it to {}",
                one.service.noun(),
                one.resource,
                one.access
            ));
        }
    }
}

fn not_granted(role: &str, gone: &Removal, plan: &mut Plan) {
    let access = gone.access.as_ref().map_or(String::new(), |access| format!(" of access `{access}`"));
    let (noun, resource) = (gone.service.noun(), &gone.resource);
    plan.warn(format!("role `{role}` has no statement{access} from podid for {noun} {resource}"));
}
