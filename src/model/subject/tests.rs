//! Names of subjects, and the objects behind them.

use super::*;
use crate::model::fixtures;

fn meant(text: &str, namespace: Option<&str>) -> Result<String, String> {
    let within = text.parse::<SubjectText>().and_then(|text| text.within(namespace));
    within.map_err(|error| error.to_string()).map(|subject| match subject {
        Subject::Accounts(pattern) => pattern.to_string(),
        Subject::Object(object) => format!("{object} in {}", object.namespace),
    })
}

#[test]
fn names_as_kubectl_takes_them() {
    for (text, namespace, expected) in [
        ("carts/carts", None, "carts/carts"),
        ("carts/carts", Some("carts"), "carts/carts"),
        ("team-*/*", None, "team-*/*"),
        ("carts", Some("carts"), "carts/carts"),
        ("*", Some("carts"), "carts/*"),
        ("sa/carts", Some("shop"), "shop/carts"),
        ("pod/sa/carts", None, "pod/carts"),
        ("pod/carts-1", Some("carts"), "pod/carts-1 in carts"),
        ("carts/pod/carts-1", None, "pod/carts-1 in carts"),
        ("carts/po/carts-1", Some("carts"), "pod/carts-1 in carts"),
        ("deploy/carts", Some("carts"), "deployment/carts in carts"),
        ("carts/deployments.apps/carts", None, "deployment/carts in carts"),
        ("sts/db", Some("carts"), "statefulset/db in carts"),
        ("ds/log", Some("carts"), "daemonset/log in carts"),
        ("ro/carts", Some("carts"), "rollout/carts in carts"),
        ("job/load", Some("carts"), "job/load in carts"),
        ("cj/load", Some("carts"), "cronjob/load in carts"),
        ("rs/carts-5d8f", Some("carts"), "replicaset/carts-5d8f in carts"),
    ] {
        assert_eq!(meant(text, namespace).as_deref(), Ok(expected), "{text} {namespace:?}");
    }
}

#[test]
fn what_is_not_clear_is_refused() {
    for (text, namespace, why) in [
        ("carts", None, "`carts` names no namespace: write NAMESPACE/carts, or pass -n NAMESPACE"),
        ("", None, "`` is not NAMESPACE/SERVICE_ACCOUNT"),
        ("pod/carts-1", None, "`pod/carts-1` names no namespace: pass -n NAMESPACE"),
        ("carts/carts", Some("shop"), "`carts/carts` is not in namespace `shop`"),
        ("carts/pod/carts-1", Some("shop"), "`carts/pod/carts-1` is not in namespace `shop`"),
        ("carts/secret/x", None, "`secret` is not a kind of pod or workload: pod, "),
        ("carts/pod/", None, "`carts/pod/` is not NAMESPACE/SERVICE_ACCOUNT"),
        ("carts/pod/UPPER", None, "pod `UPPER` has upper-case letters"),
        ("a/b/c/d", None, "`a/b/c/d` is not NAMESPACE/SERVICE_ACCOUNT"),
        ("Carts", Some("carts"), "service account `Carts` has upper-case letters"),
    ] {
        let refused = meant(text, namespace).unwrap_err();
        assert!(refused.starts_with(why), "{text} {namespace:?}: {refused}");
    }
    let refused = |text: &str| text.parse::<SubjectText>().unwrap().account(Some("carts")).unwrap_err().to_string();
    assert_eq!(refused("pod/x"), "`pod/x` is not a service account: name the one that it uses");
    assert_eq!(refused("c*"), "`carts/c*` is a pattern: name one service account");
}

fn object(kind: ObjectKind, name: &str) -> ObjectRef {
    ObjectRef { kind, namespace: "carts".to_owned(), name: name.to_owned() }
}

#[test]
fn an_object_knows_its_pods() {
    use ObjectKind::{CronJob, Job, Pod, ReplicaSet, Workload};
    let of = |kind, name: &str, pod: &str| fixtures::pod(&fixtures::workload(kind, name), pod, true);
    let by_job = |job: &str| {
        let mut pod = of(WorkloadKind::StatefulSet, "x", "load-1");
        pod.owner =
            Some(crate::model::workload::Owner { kind: "Job".to_owned(), name: job.to_owned(), uid: String::new() });
        pod
    };
    let deployment = of(WorkloadKind::Deployment, "carts", "carts-a");
    let set = deployment.owner.as_ref().unwrap().name.clone();
    for (kind, name, pod, expected) in [
        (Pod, "carts-a", &deployment, true),
        (Pod, "carts-b", &deployment, false),
        (Workload(WorkloadKind::Deployment), "carts", &deployment, true),
        (Workload(WorkloadKind::Deployment), "cart", &deployment, false),
        (Workload(WorkloadKind::StatefulSet), "carts", &deployment, false),
        (ReplicaSet, set.as_str(), &deployment, true),
        (ReplicaSet, "carts", &deployment, false),
        (Workload(WorkloadKind::StatefulSet), "db", &of(WorkloadKind::StatefulSet, "db", "db-0"), true),
        (Workload(WorkloadKind::Rollout), "carts", &of(WorkloadKind::Rollout, "carts", "carts-r"), true),
        (Workload(WorkloadKind::Rollout), "carts", &deployment, false),
        (Job, "load", &by_job("load"), true),
        (Job, "load", &by_job("load-2"), false),
        (CronJob, "load", &by_job("load-29384756"), true),
        (CronJob, "load", &by_job("load-x"), false),
        (CronJob, "load", &by_job("load"), false),
    ] {
        assert_eq!(object(kind, name).runs(pod), expected, "{}/{name} {}", kind.word(), pod.name);
    }
    let mut elsewhere = deployment.clone();
    elsewhere.namespace = "shop".to_owned();
    assert!(!object(Pod, "carts-a").runs(&elsewhere));
}

#[test]
fn the_account_of_an_object() {
    let mut workload = fixtures::workload(WorkloadKind::Deployment, "carts");
    let pod = fixtures::pod(&workload, "carts-a", true);
    workload.service_account = "newer".to_owned();
    let space = Objects { pods: vec![pod], workloads: vec![workload], ..Objects::default() };
    let account = |kind, name: &str| object(kind, name).account(&space).map(|account| account.to_string());
    let deployment = ObjectKind::Workload(WorkloadKind::Deployment);
    assert_eq!(account(ObjectKind::Pod, "carts-a").as_deref(), Some("carts/carts"));
    // The template goes before the pods of an earlier one.
    assert_eq!(account(deployment, "carts").as_deref(), Some("carts/newer"));
    assert_eq!((account(ObjectKind::Pod, "carts-b"), account(deployment, "cart")), (None, None));
    assert_eq!(
        (space.names(ObjectKind::Pod), space.names(deployment)),
        (vec!["carts-a".to_owned()], vec!["carts".to_owned()])
    );
    assert_eq!(space.names(ObjectKind::ReplicaSet).len(), 1);
}
