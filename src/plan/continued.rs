//! A plan in rounds: what is planned for the state that an earlier plan leaves becomes one plan with it.

use super::{Plan, Step};

impl Plan {
    /// Adds a plan for what this one leaves. A role's trust policy is written once, and not at all where the role goes.
    pub fn continue_with(&mut self, mut later: Self) {
        for step in &mut self.steps {
            let Step::PutTrust { role, after, .. } = step else { continue };
            let of = |step: &Step| step.role() == Some(role);
            if let Some(at) = later.steps.iter().position(|it| of(it) && matches!(it, Step::PutTrust { .. }))
                && let Step::PutTrust { after: last, .. } = later.steps.remove(at)
            {
                *after = last;
            }
        }
        let goes =
            |name: &str| later.steps.iter().any(|step| matches!(step, Step::DeleteRole { role, .. } if role == name));
        self.steps.retain(|step| !matches!(step, Step::PutTrust { role, .. } if goes(role)));
        self.merge(later);
        self.steps.sort_by_key(Step::stage);
    }
}
