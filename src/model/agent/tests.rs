//! The tests of whether the agent reaches the pods.

use super::*;
use crate::model::fixtures::{agent, node, pod, workload};

fn labelled(name: &str, key: &str, value: &str) -> Node {
    let mut node = node(name);
    node.labels.insert(key.to_owned(), value.to_owned());
    node
}

#[test]
fn each_kind_of_node() {
    let nodes = [
        node("ready"),
        node("lacks"),
        labelled("auto", COMPUTE_TYPE, "auto"),
        labelled("fargate", COMPUTE_TYPE, "fargate"),
        labelled("hybrid", COMPUTE_TYPE, "hybrid"),
        labelled("windows", "kubernetes.io/os", "windows"),
        labelled("power", "kubernetes.io/arch", "ppc64le"),
    ];
    let mut state = agent(&nodes, &["ready"]);
    state.daemon_sets[0].placement.affinity = vec![vec![super::super::workload::Expression {
        key: COMPUTE_TYPE.to_owned(),
        operator: "NotIn".to_owned(),
        values: ["fargate", "hybrid", "auto"].map(str::to_owned).to_vec(),
    }]];
    let missing = |why: &str| Coverage::Missing(why.to_owned());
    let unsupported = |why: &str| Coverage::NotSupported(why.to_owned());
    for (name, wanted) in [
        ("ready", Coverage::Ready),
        ("lacks", missing("its agent pod is not ready")),
        ("auto", Coverage::BuiltIn),
        ("fargate", unsupported("Pod Identity does not work on Fargate")),
        (
            "hybrid",
            missing(
                "a hybrid node needs the add-on's hybrid DaemonSet (`daemonsets.hybrid.create` in its configuration)",
            ),
        ),
        ("windows", unsupported("Pod Identity does not work on Windows nodes")),
        ("power", unsupported("there is no agent for the architecture ppc64le")),
        ("gone", missing("the node is not known")),
    ] {
        assert_eq!(state.ready_on(name), wanted, "{name}");
    }
    let names: Vec<String> = state.missing().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["lacks", "hybrid"]);
    state.addon = None;
    state.daemon_sets.clear();
    assert_eq!(state.ready_on("lacks"), missing("the agent is not installed"));
}

#[test]
fn the_agent_must_be_where_pods_run_or_could_run() {
    let carts = workload(WorkloadKind::Deployment, "carts");
    let on = |name: &str| {
        let mut pod = pod(&carts, "p", true);
        pod.node = Some(name.to_owned());
        pod
    };
    let windows = labelled("win", "kubernetes.io/os", "windows");
    let state = agent(&[node("n1"), node("n2"), windows], &["n1"]);
    let lacking = |name: &str, why: &str| Reach::Lacking(vec![(name.to_owned(), why.to_owned())]);
    let dead = "its agent pod is not ready";
    // The workload could run on n2 too.
    assert_eq!(state.reach(&[on("n1")], std::slice::from_ref(&carts)), lacking("n2", dead));
    assert_eq!(state.reach(&[on("n1")], &[]), Reach::Everywhere(1));
    assert_eq!(state.reach(&[on("win")], &[]), lacking("win", "Pod Identity does not work on Windows nodes"));
    let mut bound = carts.clone();
    bound.placement.node_selector.insert("pool".to_owned(), "a".to_owned());
    assert_eq!(state.reach(&[on("n1")], std::slice::from_ref(&bound)), Reach::Everywhere(1));
    assert_eq!(state.reach(&[], std::slice::from_ref(&bound)), Reach::NoNodes);
    assert_eq!(state.reach(&[], &[]), Reach::NoPods(vec![("n2".to_owned(), dead.to_owned())]));
    let mut ended = on("n2");
    ended.phase = "Succeeded".to_owned();
    assert!(matches!(state.reach(&[ended], &[]), Reach::NoPods(_)));
    let mut cordoned = agent(&[node("n1"), node("n2")], &["n1"]);
    cordoned.nodes[1].unschedulable = true;
    assert_eq!(cordoned.reach(&[], std::slice::from_ref(&carts)), Reach::Everywhere(1));
}
