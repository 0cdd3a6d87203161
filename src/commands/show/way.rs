//! The way from the pods to the role, as far as `podid show` reads it. Whether the agent and the policies do their part, only
//! `podid verify` tells.

use super::{View, pods};
use crate::{
    checks::Status,
    commands::{causes::Look, way},
    model::{arn::last, association::Association, have::Observed, trust::Verdict},
};

/// The picture, for a service account that has an association.
pub(super) fn picture(view: &View, association: &Association, unicode: bool, look: Look) -> String {
    let account = format!("service account {}", view.account);
    let role = format!("role {}", last(&association.role_arn));
    let target = association.target_role_arn.as_ref().map(|arn| format!("target role {}", last(arn)));
    let mut steps = vec![
        (of_pods(view, association), account.as_str()),
        (Some(Status::Ok), "association"),
        (of_role(view), role.as_str()),
    ];
    steps.extend(target.as_deref().map(|target| (None, target)));
    way::drawn(&steps, unicode, look)
}

/// Whether the pods that run use the association.
fn of_pods(view: &View, association: &Association) -> Option<Status> {
    let identities = view.identities();
    let live = view.subject.pods.known()?.iter().filter(|pod| pod.live());
    let uses: Vec<bool> = live.map(|pod| pods::uses_only(pod, association, &identities)).collect();
    match (uses.contains(&true), uses.contains(&false)) {
        (true, false) => Some(Status::Ok),
        (true, true) => Some(Status::Warning),
        (false, true) => Some(Status::Failed),
        (false, false) => None,
    }
}

/// Whether EKS may hand out the role's credentials.
fn of_role(view: &View) -> Option<Status> {
    match (&view.role, &view.verdict) {
        (Observed::Known(None), _) | (_, Some(Verdict::Refuses(_))) => Some(Status::Failed),
        (_, Some(Verdict::Admits)) => Some(Status::Ok),
        (_, Some(Verdict::Unknown(_))) => Some(Status::Unknown),
        (_, None) => None,
    }
}
