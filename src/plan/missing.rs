//! Names that do not exist: a name typed wrong must not become a role, a policy or an association. Refused before any write,
//! with what may have been meant, unless a flag says that the name is right.

use super::{Plan, Refusal, Step};
use crate::model::{
    document::Document,
    have::{Observed, ServiceAccountState},
    names::ServiceAccount,
    want::TableGrant,
};

/// The service account of an association.
#[derive(Debug, Clone)]
pub(super) struct Account<'a> {
    pub subject: &'a ServiceAccount,
    pub state: &'a Observed<ServiceAccountState>,
    /// It is associated already, so that nothing new comes of its name.
    pub associated: bool,
    /// Create it where it is missing.
    pub create: bool,
    /// Go on where it is missing.
    pub allow: bool,
    /// How to have it created, for a hint.
    pub creating: String,
}

/// The service account itself: created, refused, or warned of.
pub(super) fn service_account(ask: &Account<'_>, plan: &mut Plan) -> Result<(), Refusal> {
    let subject = ask.subject;
    let state = match ask.state {
        Observed::NotRequested => return Ok(()),
        Observed::Known(state) => state,
        Observed::Unreadable(why) => {
            plan.warn(format!("service account {subject} not checked: {why}"));
            if ask.create {
                // Creating one that exists is no error, so that not knowing does no harm.
                plan.steps.push(Step::CreateServiceAccount { subject: subject.clone() });
            }
            return Ok(());
        }
    };
    let Some(missing) = state.missing(subject) else { return Ok(()) };
    let message = format!("{missing}{}", state.did_you_mean());
    let namespaced = matches!(state, ServiceAccountState::Missing { .. });
    if ask.create && namespaced {
        plan.steps.push(Step::CreateServiceAccount { subject: subject.clone() });
        return Ok(());
    }
    if ask.allow || ask.associated && !ask.create {
        plan.warn(message);
        return Ok(());
    }
    let mut refusal = Refusal::new(message);
    if namespaced {
        refusal = refusal.hint(format!("to create it, {}", ask.creating));
    } else if state.did_you_mean().is_empty() {
        refusal = refusal.hint(format!("create it: `kubectl create namespace {}`", subject.namespace));
    }
    Err(refusal.hint("to associate it before it exists, pass `--allow-missing-service-account`"))
}

/// Tables that access is granted to. `before` is podid's own policy: what it grants already is not new.
pub(super) fn tables(
    grants: &[TableGrant],
    before: Option<&Document>,
    allow: bool,
    plan: &mut Plan,
) -> Result<(), Refusal> {
    let granted = |grant: &TableGrant| before.is_some_and(|before| before.names(&grant.table.to_string()));
    let mut refused: Vec<String> = Vec::new();
    for grant in grants {
        let Some(missing) = grant.not_there() else { continue };
        if allow || granted(grant) {
            plan.warn(missing);
        } else if !refused.contains(&missing) {
            refused.push(missing);
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(refused.join("; "))
        .hint("to grant access to a table before it exists, pass `--allow-missing-resources`"))
}

/// All that is missing, as one refusal.
pub(super) fn all<const N: usize>(results: [Result<(), Refusal>; N]) -> Result<(), Refusal> {
    results.into_iter().filter_map(Result::err).reduce(joined).map_or(Ok(()), Err)
}

fn joined(first: Refusal, second: Refusal) -> Refusal {
    let Refusal { message, hints, denied } = second;
    let message = format!("{}; {message}", first.message);
    Refusal { message, hints: [first.hints, hints].concat(), denied: first.denied && denied }
}
