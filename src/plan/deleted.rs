//! Trust policies that a plan writes name nobody who was deleted: IAM would refuse them.

use super::{Plan, Step};
use crate::model::trust;

impl Plan {
    /// Takes deleted principals out of the trust policies that are written, and says so.
    pub fn leave_out_deleted(&mut self) {
        let mut warnings = Vec::new();
        for step in &mut self.steps {
            let (Step::PutTrust { role, after, .. } | Step::PutTargetTrust { role, after, .. }) = step else {
                continue;
            };
            let (without, gone) = trust::without_deleted(after);
            *after = without;
            warnings.extend(gone.into_iter().map(|id| {
                format!(
                    "trust policy of role `{role}`: removing principal {id}, a deleted role or user (IAM rejects policies that name one)"
                )
            }));
        }
        for warning in warnings {
            self.warn(warning);
        }
    }
}
