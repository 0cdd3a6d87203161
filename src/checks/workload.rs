//! What uses the service account: workloads and pods.

use std::collections::BTreeMap;

use super::{Check, Finding, Follows, Link};
use crate::model::{
    have::Observed,
    snapshot::Snapshot,
    text::{count, listed, nearest},
    workload::{CronJob, Injection, Pod, Workload},
};

/// Pods that the evidence names.
const SHOWN: usize = 5;

pub(super) static CHECKS: &[&Check] = &[&PASSED, &NONE, &OTHER, &CHILDREN];

const POD: &str = "https://docs.aws.amazon.com/eks/latest/userguide/pod-configuration.html";

static PASSED: Check = Check {
    id: "workload.ok",
    link: Link::Workload,
    title: "something uses the service account",
    background: "Pods get only the credentials of their own service account's association.",
    sources: &[POD],
    follows: Follows::Nothing,
};

static NONE: Check = Check {
    id: "workload.none",
    link: Link::Workload,
    title: "nothing uses the service account",
    background: "No pod, Deployment, StatefulSet, DaemonSet or CronJob uses it.",
    sources: &[POD],
    follows: Follows::Anything,
};

static OTHER: Check = Check {
    id: "workload.other-service-account",
    link: Link::Workload,
    title: "the intended workload runs as another service account",
    background: "A pod whose spec names no service account runs as `default` of its namespace, and gets no credentials from another service account's association.",
    sources: &[POD],
    follows: Follows::Anything,
};

static CHILDREN: Check = Check {
    id: "workload.child-pods",
    link: Link::Workload,
    title: "a pod of the service account created pods that run as another one",
    background: "Spark drivers, runners and workflow engines create pods of their own. Each pod gets the credentials of its own service \
                 account, not those of the pod that created it; one whose spec names none runs as `default`.",
    sources: &[POD, "https://spark.apache.org/docs/latest/running-on-kubernetes.html#rbac"],
    follows: Follows::Nothing,
};

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let subject = format!("service account {}", snapshot.subject);
    match (&snapshot.workloads, &snapshot.pods) {
        (Observed::Unreadable(why), _) | (_, Observed::Unreadable(why)) => return vec![PASSED.skips(subject, why)],
        (Observed::NotRequested, _) | (_, Observed::NotRequested) => return Vec::new(),
        (Observed::Known(_), Observed::Known(_)) => {}
    }
    let (pods, own) = (snapshot.live_pods(), snapshot.own_workloads());
    if pods.is_empty() && own.is_empty() {
        return vec![by_cron_jobs(snapshot, &subject).unwrap_or_else(|| unused(snapshot, &subject))];
    }
    let names: Vec<String> = own.iter().map(|workload| workload.id.to_string()).collect();
    let by = if names.is_empty() { String::new() } else { format!(" of {}", names.join(", ")) };
    let used = PASSED
        .ok(&subject, format!("{}{by}", count(pods.len(), "pod")))
        .evidence("the pods and workloads of its namespace", names.join(", "));
    std::iter::once(used).chain(children(snapshot)).collect()
}

/// Pods that were created by its pods and run as `default` or another account, without credentials settings: one finding for each
/// service account that they run as.
fn children(snapshot: &Snapshot) -> Vec<Finding> {
    let mut by_account: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
    for pod in snapshot.children.known().into_iter().flatten() {
        if pod.injection() == Injection::No && pod.irsa_role().is_none() {
            by_account.entry(&pod.service_account).or_default().push(pod);
        }
    }
    let finding = |(account, pods): (&str, Vec<&Pod>)| {
        let names: Vec<&str> = pods.iter().map(|pod| pod.name.as_str()).collect();
        let (first, owner) = (pods[0], pods[0].owner.as_ref().map_or("", |owner| &owner.name));
        let and = if pods.len() > 1 { format!(" (and {} more)", pods.len() - 1) } else { String::new() };
        let said = format!(
            "it was created by pod {owner} and runs as service account {account}{and}: it gets no credentials from this association"
        );
        let change = if first.labels.get("spark-role").is_some_and(|role| role == "executor") {
            format!(
                "set the service account of the executors to {} (`spec.executor.serviceAccount` of a SparkApplication, \
                 `spark.kubernetes.authenticate.executor.serviceAccountName` of spark-submit)",
                snapshot.subject.name
            )
        } else {
            format!("set `serviceAccountName: {}` in the pods that {owner} creates", snapshot.subject.name)
        };
        CHILDREN
            .warns(format!("pod {}", first.full_name()), said)
            .evidence("the pods of its namespace", listed(&names, SHOWN))
            .change(change)
    };
    by_account.into_iter().map(finding).collect()
}

/// CronJobs use it, whose pods are there now and then.
fn by_cron_jobs(snapshot: &Snapshot, subject: &str) -> Option<Finding> {
    let jobs = snapshot.cron_jobs.known().filter(|jobs| !jobs.is_empty())?;
    let shown = |job: &CronJob| format!("cronjob/{}{}", job.name, if job.suspended { " (suspended)" } else { "" });
    let names: Vec<String> = jobs.iter().map(shown).collect();
    let said = format!("used by {}, which has no pods now", names.join(", "));
    Some(PASSED.ok(subject, said).evidence("the CronJobs of its namespace", names.join(", ")))
}

/// Two names of which one may be a slip for the other: a part of it, or a letter or two off.
fn alike(one: &str, other: &str) -> bool {
    !nearest(other, std::iter::once(one)).is_empty()
}

/// A workload is called like the service account.
fn meant_for(workload: &str, account: &str) -> bool {
    workload == account || alike(workload, account)
}

/// Nothing uses it. Whether another was meant, only names tell: one that runs as `default` and is called like it.
fn unused(snapshot: &Snapshot, subject: &str) -> Finding {
    let who = &snapshot.subject;
    let place = format!("the workloads of namespace {}", who.namespace);
    let strays: Vec<&Workload> = snapshot
        .workloads
        .known()
        .into_iter()
        .flatten()
        .filter(|workload| workload.service_account == "default" || alike(&workload.service_account, &who.name))
        .collect();
    let Some(meant) = strays.iter().find(|workload| meant_for(&workload.id.name, &who.name)) else {
        if let Some(ended) = snapshot.pods.known().into_iter().flatten().find(|pod| !pod.deleting) {
            let said = format!("no pod runs as it now; {} has ended", ended.runner());
            return PASSED.ok(subject, said).evidence(format!("pod {}", ended.full_name()), &ended.phase);
        }
        let finding = NONE.warns(subject, "no pod or workload uses it").evidence(place, "none names it");
        return match &snapshot.cron_jobs {
            Observed::Unreadable(why) => finding.evidence("the CronJobs of its namespace", why),
            Observed::Known(_) | Observed::NotRequested => finding,
        };
    };
    OTHER
        .fails(
            meant.id.full(),
            format!("it runs as service account {}, and no pod runs as {}", meant.service_account, who.name),
        )
        .evidence(place, format!("{} names serviceAccountName {}", meant.id, meant.service_account))
        .change(format!(
            "set its service account: `kubectl set serviceaccount {} {} -n {}`",
            meant.id, who.name, who.namespace
        ))
}
