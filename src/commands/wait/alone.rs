//! `podid wait --kubernetes-only`: dry-run pods are injected. No AWS call is made, and so nothing else is known.

use super::Look;
use crate::{
    context::Context,
    failure::{Code, Failure, Result},
    model::names::ServiceAccount,
    output::Progress,
    ports::Probe,
    prove::effective::{self, Effect},
};

/// One look. Where no dry-run pod can be created, that is a failure: nothing else would tell.
pub(super) async fn injected(ctx: &Context, line: &Progress, subject: &ServiceAccount) -> Result<Look> {
    let kube = ctx.kube_alone().await?;
    let first = ctx.deadline.within("checking whether new pods are injected", kube.probe(subject, None)).await;
    if let Ok(Probe::Unprobeable(why)) = first {
        return Err(unknown(subject, &why));
    }
    let proved = effective::injected(kube, &ctx.deadline, line, subject).await?;
    Ok(match proved.effect {
        Effect::Observed => Look::Holds(format!(
            "{}; the role, its permissions and the agent were not checked (--kubernetes-only)",
            proved.how
        )),
        Effect::No | Effect::NoAgent => Look::missing(vec![proved.how]),
        Effect::Blocked => Look::missing(vec![format!("no new pods can be created now: {}", proved.how)]),
        // Time that has passed is no proof where no association was seen.
        Effect::Assumed => return Err(unknown(subject, &proved.how)),
        Effect::Never => {
            let never = Failure::failed(format!("no new pods of {subject} can be created"));
            return Err(proved.failure(subject).unwrap_or(never));
        }
    })
}

fn unknown(subject: &ServiceAccount, why: &str) -> Failure {
    let namespace = &subject.namespace;
    Failure::new(Code::Denied, format!("unknown whether new pods of {subject} are injected"))
        .because(format!("cannot create a dry-run pod: {why}"))
        .hint(format!("check the permission: `kubectl auth can-i create pods -n {namespace}`"))
        .hint(format!("or check the association in AWS: `podid wait {subject} --for ready`"))
}
