//! The nouns of the EKS workshop, for the unit tests of the pure rooms.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::{
    prelude::{any, prop},
    sample::Index,
};

use super::{
    addon::Addon,
    agent::{AgentDaemonSet, AgentState, Node},
    arn::Arn,
    association::{Association, AssociationSummary},
    cluster::Cluster,
    document::Document,
    have::{Have, Observed, ServiceAccountState},
    names::ServiceAccount,
    pod_spec::PodSpec,
    role::Role,
    selector::Selector,
    want::{Field, Want, WantRole},
    workload::{Argo, Container, Owner, Placement, Pod, RolloutStatus, Strategy, Workload, WorkloadKind, WorkloadRef},
};

/// The workshop's cluster.
pub(crate) fn cluster() -> Cluster {
    Cluster {
        version: "1.33".to_owned(),
        platform_version: "eks.9".to_owned(),
        status: "ACTIVE".to_owned(),
        endpoint: "https://example.invalid".to_owned(),
        ..Cluster::named("arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop".parse().unwrap())
    }
}

/// A service account from `NS/SA`.
pub(crate) fn subject(text: &str) -> ServiceAccount {
    text.parse().unwrap()
}

/// A time so many seconds after noon.
pub(crate) fn at(seconds: i64) -> Timestamp {
    "2026-11-23T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

/// A ready Linux node.
pub(crate) fn node(name: &str) -> Node {
    let labels = [("kubernetes.io/os", "linux"), ("kubernetes.io/arch", "amd64")];
    Node {
        name: name.to_owned(),
        labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        taints: Vec::new(),
        ready: true,
        unschedulable: false,
    }
}

/// The agent, ready on these nodes and nowhere else.
pub(crate) fn agent(nodes: &[Node], ready: &[&str]) -> AgentState {
    let set = AgentDaemonSet {
        namespace: "kube-system".to_owned(),
        name: "eks-pod-identity-agent".to_owned(),
        desired: nodes.len() as u64,
        ready: ready.len() as u64,
        observed: true,
        placement: Placement::default(),
        startups: BTreeMap::new(),
        ready_nodes: ready
            .iter()
            .map(|name| ((*name).to_owned(), (format!("agent-{name}"), "agent".to_owned())))
            .collect(),
        unready: BTreeMap::new(),
    };
    let addon = Addon {
        name: "eks-pod-identity-agent".to_owned(),
        version: "v1.3.10-eksbuild.1".to_owned(),
        status: "ACTIVE".to_owned(),
        issues: Vec::new(),
        configuration: None,
        service_account_role: None,
        namespace: None,
        associations: Vec::new(),
    };
    AgentState {
        auto_mode: false,
        addon: Some(addon),
        addon_unread: None,
        daemon_sets: vec![set],
        nodes: nodes.to_vec(),
    }
}

/// A complete workload `carts/<name>` with two pods.
pub(crate) fn workload(kind: WorkloadKind, name: &str) -> Workload {
    Workload {
        id: WorkloadRef { kind, namespace: "carts".to_owned(), name: name.to_owned() },
        uid: format!("uid-{name}"),
        service_account: "carts".to_owned(),
        replicas: 2,
        strategy: Strategy::RollingUpdate,
        paused: false,
        partition: 0,
        ordered: kind == WorkloadKind::StatefulSet,
        generation: 1,
        restarted_at: None,
        selector: Selector { labels: BTreeMap::from([("app".to_owned(), name.to_owned())]), ..Selector::default() },
        template: 1,
        status: RolloutStatus {
            observed_generation: 1,
            total: 2,
            updated: 2,
            ready: 2,
            available: 2,
            ..RolloutStatus::default()
        },
        placement: Placement::default(),
        web_identity: Vec::new(),
        sets_aws: false,
        argo: None,
    }
}

/// The same of an Argo Rollout.
pub(crate) fn rollout(name: &str) -> Workload {
    Workload {
        strategy: Strategy::Eviction,
        argo: Some(Argo { phase: ("Healthy".to_owned(), String::new()), ..Argo::default() }),
        ..workload(WorkloadKind::Rollout, name)
    }
}

/// A running pod of a workload on node `n1`, made at noon, injected or not.
pub(crate) fn pod(workload: &Workload, name: &str, injected: bool) -> Pod {
    let mut labels = workload.selector.labels.clone();
    let (kind, owner) = match workload.id.kind {
        WorkloadKind::Deployment => {
            labels.insert("pod-template-hash".to_owned(), "5d8f7c9b6d".to_owned());
            ("ReplicaSet", format!("{}-5d8f7c9b6d", workload.id.name))
        }
        WorkloadKind::Rollout => {
            labels.insert("rollouts-pod-template-hash".to_owned(), "6f7d8c9b5d".to_owned());
            ("ReplicaSet", format!("{}-6f7d8c9b5d", workload.id.name))
        }
        other => (other.as_str(), workload.id.name.clone()),
    };
    Pod {
        namespace: workload.id.namespace.clone(),
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        service_account: workload.service_account.clone(),
        node: Some("n1".to_owned()),
        created_at: Some(at(0)),
        deleting: false,
        phase: "Running".to_owned(),
        ready: true,
        ready_since: None,
        unschedulable: None,
        unready: None,
        owner: Some(Owner { kind: kind.to_owned(), name: owner, uid: workload.uid.clone() }),
        revision: None,
        labels,
        token_volume: injected,
        containers: vec![Container {
            name: "app".to_owned(),
            init: false,
            injected,
            skipped: false,
            restarts: 0,
            waiting: None,
            running: true,
            started_at: None,
            terminated: None,
        }],
        spec: PodSpec::default(),
    }
}

/// An association of `carts/carts` made at noon.
pub(crate) fn association(role_arn: &str) -> Association {
    Association {
        summary: AssociationSummary {
            cluster_name: "eks-workshop".to_owned(),
            subject: subject("carts/carts"),
            association_arn: "arn:aws:eks:us-west-2:111122223333:podidentityassociation/eks-workshop/a-1".to_owned(),
            association_id: "a-1".to_owned(),
            owner_arn: None,
        },
        role_arn: role_arn.to_owned(),
        target_role_arn: None,
        external_id: None,
        disable_session_tags: false,
        policy: None,
        tags: BTreeMap::new(),
        created_at: Some(at(0)),
        modified_at: Some(at(0)),
    }
}

/// A role of the workshop's account without tags.
pub(crate) fn role(name: &str, trust: Document) -> Role {
    Role {
        name: name.to_owned(),
        path: "/".to_owned(),
        arn: Arn::iam("aws", "111122223333", "role", "/", name),
        trust,
        tags: BTreeMap::new(),
        permissions_boundary: None,
        description: None,
        max_session: None,
        created_at: None,
        template: None,
    }
}

/// `podid associate carts/carts --role <name>`.
pub(crate) fn want(role: &str) -> Want {
    Want {
        cluster: cluster(),
        subject: subject("carts/carts"),
        addon: None,
        role: WantRole {
            role: role.parse().unwrap(),
            create: false,
            adopt: false,
            derived: false,
            path: None,
            scope: None,
            boundary: None,
            tables: Vec::new(),
            grants: Vec::new(),
            policy_arns: Vec::new(),
            add_ons: Vec::new(),
            policy_files: Vec::new(),
            exact: false,
        },
        disable_session_tags: Field::Unmanaged,
        target_role: Field::Unmanaged,
        fix_target_trust: false,
        session_policy: Field::Unmanaged,
        replace: false,
        tags: BTreeMap::new(),
        create_service_account: false,
        allow: crate::model::want::Allowed::default(),
        install_agent: None,
        allow_missing_agent: false,
        recycle: false,
    }
}

/// A healthy cluster with the Deployment `carts` and two pods that are not injected; no role and no association.
pub(crate) fn have() -> Have {
    let carts = workload(WorkloadKind::Deployment, "carts");
    Have {
        target: Observed::NotRequested,
        association: Observed::Known(None),
        role: Observed::Known(None),
        attached: Observed::Known(Vec::new()),
        inline: Observed::Known(BTreeMap::new()),
        agent: Observed::Known(agent(&[node("n1"), node("n2")], &["n1", "n2"])),
        service_account: Observed::Known(ServiceAccountState::Exists { irsa_role: None }),
        pods: Observed::Known(vec![pod(&carts, "carts-a", false), pod(&carts, "carts-b", false)]),
        workloads: Observed::Known(vec![carts]),
    }
}

/// One of these texts, cut, with characters put in, changed or repeated: what a line that fails may bring.
pub(crate) fn spoilt(texts: &'static [&'static str]) -> impl prop::strategy::Strategy<Value = String> {
    use prop::strategy::Strategy as _;

    let edits = prop::collection::vec((any::<Index>(), 0..4_u8, any::<char>()), 0..5);
    (prop::sample::select(texts), edits).prop_map(|(text, edits)| {
        let mut all: Vec<char> = text.chars().collect();
        for (at, how, c) in edits {
            let at = at.index(all.len() + 1);
            match how {
                0 => all.truncate(at),
                1 => all.insert(at, c),
                2 if at < all.len() => all[at] = c,
                _ => all.extend(text.chars().skip(at)),
            }
        }
        all.into_iter().collect()
    })
}
