//! What `podid show` prints as JSON.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{View, pods::ShownPod};
use crate::{
    commands::unread::NotRead,
    model::{
        association::Association,
        names::ServiceAccount,
        role::Role,
        subject::ObjectRef,
        trust::{Verdict, VerdictWord},
        workload::Workload,
    },
};

/// The service account
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    #[serde(flatten)]
    account: &'a ServiceAccount,
    /// Its association, or null
    association: Option<&'a Association>,
    /// The association's role; null when it was not read
    #[schemars(with = "Option<Role>")]
    role: Option<Value>,
    /// What the role's trust policy says
    trust: Trust,
    /// ARNs of the role's managed policies; null when they were not read
    attached_policies: Option<&'a [String]>,
    /// Names of the role's inline policies; null when they were not read
    inline_policies: Option<&'a [String]>,
    /// Workloads that use the service account; null when they were not read
    #[schemars(with = "Option<Vec<Workload>>")]
    workloads: Option<Vec<Value>>,
    /// Pods that use the service account; null when they were not read
    pods: Option<Vec<ShownPod>>,
    /// What could not be read; its field is null then
    unread: Vec<NotRead>,
    /// The pod or workload that was named; absent for a service account
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<&'a ObjectRef>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TrustVerdict")]
struct Trust {
    /// Whether it allows the service account; null when it was not read
    verdict: Option<VerdictWord>,
    /// Why not
    reasons: Vec<String>,
}

impl<'a> Document<'a> {
    pub(super) fn of(view: &'a View) -> Self {
        let identities = view.identities();
        let shown = |pod| ShownPod::of(pod, view.association.as_ref(), &identities);
        let reasons = match &view.verdict {
            Some(Verdict::Refuses(why)) => why.iter().map(ToString::to_string).collect(),
            Some(Verdict::Unknown(why)) => why.clone(),
            Some(Verdict::Admits) | None => Vec::new(),
        };
        let unread = [
            ("role", view.role.unreadable()),
            ("attachedPolicies", view.attached.unreadable()),
            ("inlinePolicies", view.inline.unreadable()),
            ("serviceAccount", view.subject.service_account.unreadable()),
            ("workloads", view.subject.workloads.unreadable()),
            ("pods", view.subject.pods.unreadable()),
        ];
        Self {
            account: &view.account,
            association: view.association.as_ref(),
            role: view.role.known().and_then(Option::as_ref).map(Role::shown),
            trust: Trust { verdict: view.verdict.as_ref().map(Verdict::word), reasons },
            attached_policies: view.attached.known().map(Vec::as_slice),
            inline_policies: view.inline.known().map(Vec::as_slice),
            workloads: view.subject.workloads.known().map(|all| all.iter().map(Workload::shown).collect()),
            pods: view.subject.pods.known().map(|pods| pods.iter().map(shown).collect()),
            unread: unread.into_iter().filter_map(|(what, why)| Some(NotRead::new(what, why?))).collect(),
            object: view.object.as_ref(),
        }
    }
}
