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
        ("power", unsupported("the agent does not support the architecture ppc64le")),
        ("gone", missing("the node is unknown")),
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

#[test]
fn only_what_can_come_is_waited_for() {
    let hybrid = labelled("hybrid", COMPUTE_TYPE, "hybrid");
    let mut down = node("down");
    down.ready = false;
    let mut state =
        agent(&[node("ready"), node("late"), down, hybrid, labelled("fargate", COMPUTE_TYPE, "fargate")], &["ready"]);
    state.daemon_sets[0].placement.affinity = vec![vec![super::super::workload::Expression {
        key: COMPUTE_TYPE.to_owned(),
        operator: "NotIn".to_owned(),
        values: vec!["hybrid".to_owned()],
    }]];
    let names = |list: &[(String, String)]| list.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let lack = state.lack(None);
    assert_eq!(
        (names(&lack.coming), names(&lack.never)),
        (vec!["late".to_owned()], vec!["down".to_owned(), "hybrid".to_owned()])
    );
    assert!(state.holds_up(), "the DaemonSet wants a pod on the node that is down");
    let only = BTreeSet::from(["ready".to_owned()]);
    assert_eq!(state.lack(Some(&only)), Lack::default());
    // The add-on will bring its DaemonSet; nobody else will.
    state.daemon_sets.clear();
    assert_eq!(names(&state.lack(None).coming), ["ready", "late"]);
    state.addon = None;
    assert_eq!(state.lack(None).coming, []);
    assert!(!state.holds_up());
}

#[test]
fn pods_of_a_node_that_is_down_do_not_count() {
    let carts = workload(WorkloadKind::Deployment, "carts");
    let on = |name: &str| {
        let mut pod = pod(&carts, name, true);
        pod.node = Some(name.to_owned());
        pod
    };
    let mut state = agent(&[node("n1"), node("n2")], &["n1"]);
    let pods = [on("n1"), on("n2")];
    assert!(matches!(state.reach(&pods, &[]), Reach::Lacking(_)));
    state.nodes[1].ready = false;
    assert_eq!(state.reach(&pods, &[]), Reach::Everywhere(1));
    assert_eq!(state.nodes_for(&pods, &[]), Some(BTreeSet::from(["n1".to_owned()])));
    assert_eq!(state.nodes_for(&[], &[]), None);
}
