//! A migration's plan: one write of each trust policy, what IRSA needs untouched, and what is done already left out.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::model::{
    document::Document,
    fixtures::{agent, association, at, cluster, node, pod, subject, workload},
    irsa::Annotation,
    migration::Candidate,
    snapshot::{ClusterView, RoleView, Snapshot},
    trust::{document, statement},
    want::Scope,
    workload::WorkloadKind,
};

const HOST: &str = "oidc.eks.us-west-2.amazonaws.com/id/2E81";

fn irsa(names: &[&str]) -> Value {
    let subjects: Vec<String> =
        names.iter().map(|name| format!("system:serviceaccount:{}", name.replace('/', ":"))).collect();
    json!({
        "Effect": "Allow",
        "Principal": { "Federated": format!("arn:aws:iam::111122223333:oidc-provider/{HOST}") },
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": { "StringEquals": { format!("{HOST}:sub"): subjects } },
    })
}

/// A service account with a pod of IRSA, whose role trusts these by IRSA.
fn candidate(name: &str, role: &str, trust: &Document) -> Candidate {
    let account = subject(name);
    let nodes = [node("n")];
    let view = ClusterView { agent: Observed::Known(agent(&nodes, &["n"])), ..ClusterView::default() };
    let mut snapshot = Snapshot::unread(account.clone(), at(100), Arc::new(view));
    let mut deployment = workload(WorkloadKind::Deployment, &account.name);
    deployment.id.namespace.clone_from(&account.namespace);
    deployment.service_account.clone_from(&account.name);
    let mut running = pod(&deployment, &format!("{}-a", account.name), false);
    (running.namespace, running.service_account) = (account.namespace.clone(), account.name.clone());
    running.node = Some("n".to_owned());
    snapshot.pods = Observed::Known(vec![running]);
    snapshot.workloads = Observed::Known(vec![deployment]);
    snapshot.association = Observed::Known(None);
    let role = fixtures::role(role, trust.clone());
    Candidate {
        annotation: Annotation { role: role.arn.to_string(), ..Annotation::default() },
        snapshot,
        role: RoleView { role: Observed::Known(Some(role)), ..RoleView::default() },
    }
}

fn run(candidates: &[&Candidate], install_agent: Option<&str>) -> Migrated {
    migrate(&Migrate { cluster: &cluster(), candidates, install_agent })
        .unwrap_or_else(|refusal| panic!("{refusal:#?}"))
}

fn all(migrated: &Migrated) -> Vec<String> {
    migrated.whole().steps.iter().map(Step::describe).collect()
}

#[test]
fn service_accounts_of_one_role_need_one_write() {
    let trust = document(irsa(&["carts/carts", "carts/worker"]));
    let (carts, worker) = (candidate("carts/carts", "shared", &trust), candidate("carts/worker", "shared", &trust));
    let (dns, orders) = (candidate("kube-system/dns", "a", &trust), candidate("orders/orders", "z", &trust));
    let migrated = run(&[&dns, &carts, &orders, &worker], None);
    let groups: Vec<(&str, usize)> = migrated.groups.iter().map(|it| (it.role.name(), it.subjects.len())).collect();
    assert_eq!(groups, [("shared", 2), ("z", 1), ("a", 1)]);
    let steps = &migrated.groups[0].plan.steps;
    let Step::PutTrust { before, after, .. } = &steps[0] else { panic!("{steps:#?}") };
    assert_eq!(*before, trust);
    let statements = after.0["Statement"].as_array().unwrap();
    assert_eq!((statements.len(), &statements[0]), (3, &trust.0["Statement"][0]));
    let told: Vec<String> = steps.iter().map(Step::describe).collect();
    assert_eq!(
        told,
        [
            "update the trust policy of role shared",
            "associate carts/carts with role shared",
            "associate carts/worker with role shared",
            "restart carts/deployment/carts (2 replicas, RollingUpdate)",
            "restart carts/deployment/worker (2 replicas, RollingUpdate)",
        ]
    );
    assert!(migrated.whole().changes());
}

/// Two writes of one trust policy would both start from the same document.
#[test]
fn a_role_that_kube_system_shares_is_written_once_and_last() {
    let trust = document(irsa(&["kube-system/dns", "carts/carts"]));
    let (dns, carts) = (candidate("kube-system/dns", "a", &trust), candidate("carts/carts", "a", &trust));
    let orders = candidate("orders/orders", "z", &document(irsa(&["orders/orders"])));
    let migrated = run(&[&dns, &carts, &orders], None);
    let groups: Vec<(&str, usize)> = migrated.groups.iter().map(|it| (it.role.name(), it.subjects.len())).collect();
    assert_eq!(groups, [("z", 1), ("a", 2)]);
}

#[test]
fn what_is_done_is_not_done_again() {
    let account = subject("carts/carts");
    let both = Document(json!({ "Version": "2012-10-17", "Statement": [
        irsa(&["carts/carts"]), statement(&cluster(), &account, Scope::ServiceAccount, true),
    ] }));
    let mut carts = candidate("carts/carts", "carts", &both);
    assert_eq!(
        all(&run(&[&carts], None)),
        ["associate carts/carts with role carts", "restart deployment/carts (2 replicas, RollingUpdate)"]
    );
    let associated = association(&carts.annotation.role);
    carts.snapshot.association = Observed::Known(Some(associated));
    assert_eq!(all(&run(&[&carts], None)), ["restart deployment/carts (2 replicas, RollingUpdate)"]);
    let deployment = carts.snapshot.workloads.known().unwrap()[0].clone();
    let mut injected = pod(&deployment, "carts-b", true);
    (injected.created_at, injected.node) = (Some(at(1000)), Some("n".to_owned()));
    carts.snapshot.pods = Observed::Known(vec![injected]);
    assert_eq!(run(&[&carts], None), Migrated::default());
}

#[test]
fn the_agent_comes_first_and_once() {
    let trust = document(irsa(&["carts/carts", "carts/worker"]));
    let without = |name: &str| {
        let mut it = candidate(name, "shared", &trust);
        let mut state = agent(&[node("n")], &[]);
        (state.addon, state.daemon_sets) = (None, Vec::new());
        it.snapshot.cluster = Arc::new(ClusterView { agent: Observed::Known(state), ..ClusterView::default() });
        it
    };
    let (carts, worker) = (without("carts/carts"), without("carts/worker"));
    let migrated = run(&[&carts, &worker], Some("v1"));
    assert!(matches!(migrated.agent, Some(Step::InstallAgent { .. })));
    assert_eq!(all(&migrated).iter().filter(|step| step.starts_with("install")).count(), 1);
    // Without the word for it, nothing goes.
    let cluster = cluster();
    assert!(migrate(&Migrate { cluster: &cluster, candidates: &[&carts], install_agent: None }).is_err());
}

#[test]
fn a_role_that_was_not_read_is_refused() {
    let mut carts = candidate("carts/carts", "carts", &document(irsa(&["carts/carts"])));
    for (role, denied) in [
        (Observed::Known(None), false),
        (Observed::Unreadable("not allowed: iam:GetRole".to_owned()), true),
        (Observed::NotRequested, false),
    ] {
        carts.role.role = role;
        let ask = Migrate { cluster: &cluster(), candidates: &[&carts], install_agent: None };
        assert_eq!(migrate(&ask).unwrap_err().denied, denied);
    }
}

#[test]
fn the_end_takes_the_annotation_first_and_only_its_own_name() {
    let (carts, worker) = (subject("carts/carts"), subject("carts/worker"));
    let own = |account| statement(&cluster(), account, Scope::ServiceAccount, true);
    let trust = Document(json!({ "Version": "2012-10-17", "Statement": [
        irsa(&["carts/carts", "carts/worker"]), own(&carts), own(&worker),
    ] }));
    let it = candidate("carts/carts", "shared", &trust);
    let finished = Finished { candidate: &it, annotated: true };
    assert!(finished.is_due(HOST));
    let plan = finish(&cluster(), HOST, &[finished]).unwrap();
    assert_eq!(ids(&plan), ["remove-annotation/carts/carts", "put-trust"]);
    let Step::PutTrust { after, .. } = &plan.steps[1] else { panic!("{plan:#?}") };
    let wanted = json!([irsa(&["carts/worker"]), own(&carts), own(&worker)]);
    assert_eq!(after.0["Statement"], wanted);
    // Its annotation is gone already: the rest goes.
    let rest = finish(&cluster(), HOST, &[Finished { annotated: false, ..finished }]).unwrap();
    assert_eq!(ids(&rest), ["put-trust"]);
    // Nothing is left of it.
    let done = candidate("carts/carts", "shared", after);
    assert!(!Finished { candidate: &done, annotated: false }.is_due(HOST));
    // Where Pod Identity is not allowed, IRSA stays.
    let only = candidate("carts/carts", "shared", &document(irsa(&["carts/carts"])));
    assert!(finish(&cluster(), HOST, &[Finished { candidate: &only, annotated: true }]).is_err());
}
