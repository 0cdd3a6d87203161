//! Running pods that still lack their association once a file is applied: named, as `associate` names them.

use std::collections::BTreeSet;

use super::{Planned, carry::Ending};
use crate::{
    commands::shared,
    context::Context,
    failure::{Code, Result},
    model::{have::Observed, names::ServiceAccount, staleness, workload::Pod},
    observe,
};

/// More service accounts than this are not named one by one in a hint.
const NAMED: usize = 5;

/// Finds and names them. Where they cannot be read, that is said: what was applied is applied.
pub(super) async fn find(ctx: &Context, planned: &Planned, ending: &mut Ending) -> Result<()> {
    let associations = ending.associations(planned);
    if associations.is_empty() {
        return Ok(());
    }
    let subjects: BTreeSet<&ServiceAccount> = associations.iter().map(|a| &a.summary.subject).collect();
    let read = async {
        let kube = ctx.kube().await?;
        ctx.deadline.within("reading the pods", observe::file::all_pods(kube, &subjects)).await
    };
    let unknown = |why: &str| ctx.term.warn(format!("cannot check whether pods need a restart: {why}"));
    let pods = match read.await {
        Ok(Observed::Known(pods)) => pods,
        Ok(unread) => {
            unknown(unread.unreadable().unwrap_or("they were not read"));
            return Ok(());
        }
        Err(failure) if matches!(failure.code, Code::Interrupted | Code::Terminated) => return Err(failure),
        Err(failure) => {
            unknown(&failure.to_string());
            return Ok(());
        }
    };
    let mut lacking: Vec<&ServiceAccount> = Vec::new();
    for association in &associations {
        let subject = &association.summary.subject;
        let own = |pod: &&Pod| pod.namespace == subject.namespace && pod.service_account == subject.name;
        let stale: Vec<&Pod> =
            pods.iter().filter(own).filter(|pod| pod.live() && staleness::stale(pod, association).is_some()).collect();
        if !stale.is_empty() {
            ctx.term.warn(shared::stale_pods(&stale, Some(subject)));
            ending.stale.extend(stale.iter().map(|pod| pod.full_name()));
            lacking.push(subject);
        }
    }
    if !lacking.is_empty() {
        let named: Vec<String> = lacking.iter().map(ToString::to_string).collect();
        ctx.term.hint(if named.len() > NAMED && planned.recycles {
            "restart them: run the same command with `--recycle`".to_owned()
        } else {
            format!("restart them with `podid recycle {}`", named.join(" "))
        });
    }
    Ok(())
}
