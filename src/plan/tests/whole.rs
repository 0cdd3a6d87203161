//! Plans as a whole: what two come to together, what is warned of in all that is created, and when an open statement may be narrowed.

use super::*;
use crate::{
    model::{
        association::{AssociationSpec, NewAssociation},
        document::Document,
        fixtures::{association, cluster, pod, role, rollout, subject, workload},
        role::{NewRole, tags},
        role_users::{Usage, User},
        trust,
        want::Scope,
        workload::WorkloadKind,
    },
    plan::{
        narrow::{narrow, without_own},
        restart,
    },
};

const ROLE: &str = "arn:aws:iam::111122223333:role/app";

fn policy(role: &str) -> Step {
    Step::AttachPolicy { role: role.to_owned(), policy_arn: "p".to_owned(), holder: RoleOwnership::New }
}

fn put_trust(role: &str, after: &str) -> Step {
    let document = |sid: &str| trust::document(serde_json::json!({"Sid": sid}));
    Step::PutTrust { role: role.to_owned(), before: document("Before"), after: document(after) }
}

fn delete_role(role: &str) -> Step {
    let last = LastLook { arn: ROLE.parse().unwrap(), cluster: cluster().arn, force: false };
    Step::DeleteRole { role: role.to_owned(), trust: Document(serde_json::json!({})), last: Box::new(last) }
}

fn create_role(name: &str) -> Step {
    Step::CreateRole(Box::new(NewRole {
        name: name.to_owned(),
        path: "/".to_owned(),
        arn: ROLE.parse().unwrap(),
        trust: trust::document(serde_json::json!({})),
        tags: BTreeMap::new(),
        permissions_boundary: None,
        description: String::new(),
    }))
}

fn create_association(of: &str) -> Step {
    let spec = AssociationSpec { role_arn: ROLE.to_owned(), ..AssociationSpec::default() };
    Step::CreateAssociation {
        cluster: "eks-workshop".to_owned(),
        association: NewAssociation { subject: subject(of), spec },
    }
}

fn of(steps: Vec<Step>) -> Plan {
    Plan { steps, ..Plan::default() }
}

/// A role that two plans change has one trust policy in the end, the later; one that goes has none.
#[test]
fn a_later_plan_has_the_last_word_on_a_trust_policy() {
    let mut plan = of(vec![put_trust("app", "First"), put_trust("other", "Theirs"), create_association("a/b")]);
    plan.continue_with(of(vec![policy("app"), put_trust("app", "Last"), put_trust("third", "Third")]));
    let written: Vec<(&str, &Document)> = plan
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::PutTrust { role, after, .. } => Some((role.as_str(), after)),
            _ => None,
        })
        .collect();
    let sid = |sid: &str| trust::document(serde_json::json!({"Sid": sid}));
    assert_eq!(written, [("app", &sid("Last")), ("other", &sid("Theirs")), ("third", &sid("Third"))]);
    assert_eq!(plan.steps.last().map(Step::stage), Some(2), "in the order of execution: {:?}", ids(&plan));

    let mut plan = of(vec![put_trust("app", "First"), put_trust("other", "Theirs")]);
    plan.continue_with(of(vec![delete_role("app")]));
    assert_eq!(plan.steps, [put_trust("other", "Theirs"), delete_role("app")]);
}

#[test]
fn two_plans_come_to_what_each_comes_to() {
    let watched = workload(WorkloadKind::Deployment, "carts").id;
    let one = || Plan { warnings: vec!["w".to_owned()], ..of(vec![policy("app")]) };
    let two = || Plan { updates: true, warnings: vec!["w".to_owned(), "v".to_owned()], ..Plan::default() };
    for (mut plan, other) in [(one(), two()), (two(), one())] {
        plan.merge(other);
        assert!(plan.updates && plan.changes());
        assert_eq!((plan.steps.len(), plan.warnings.len()), (1, 2));
    }
    assert!(!one().restarts() && !one().changes());
    let skipped = |needed| crate::plan::restart::Skipped {
        resource: "job/x".to_owned(),
        namespace: "carts".to_owned(),
        pods: Vec::new(),
        reason: String::new(),
        needed,
    };
    let needs = |needed| Plan { skipped: vec![skipped(false), skipped(needed)], ..Plan::default() };
    assert!(needs(true).restarts_nothing_of_need());
    assert!(!needs(false).restarts_nothing_of_need() && !Plan::default().restarts_nothing_of_need());
    assert!(!Plan { watch: vec![watched], ..needs(true) }.restarts_nothing_of_need());
    assert!(!Plan { steps: vec![policy("app")], ..needs(true) }.restarts_nothing_of_need());
}

/// A role that is given nothing, and an association of the service account that all pods have who name none.
#[test]
fn what_nobody_may_have_meant_is_warned_of() {
    let warnings = |steps: Vec<Step>| {
        let mut plan = of(steps);
        plan.finish();
        plan.warnings
    };
    assert_eq!(warnings(vec![create_role("app"), policy("app"), create_association("carts/carts")]), [""; 0]);
    let bare = warnings(vec![create_role("app"), policy("other")]);
    assert!(matches!(&bare[..], [one] if one.starts_with("role `app` is created without permissions")), "{bare:?}");
    let shared = warnings(vec![create_association("carts/default")]);
    assert!(
        matches!(&shared[..], [one] if one.starts_with("carts/default: every pod in namespace carts")),
        "{shared:?}"
    );
}

/// IAM rejects a trust policy that names who was deleted.
#[test]
fn a_deleted_principal_is_left_out_and_named() {
    let kept =
        serde_json::json!({"Sid": "Pods", "Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}});
    let gone = serde_json::json!({"Sid": "Gone", "Effect": "Allow", "Principal": {"AWS": "AROAEXAMPLEEXAMPLE12"}});
    let both = Document(serde_json::json!({"Statement": [kept, gone]}));
    let before = both.clone();
    let mut plan = of(vec![Step::PutTrust { role: "app".to_owned(), before, after: both }]);
    plan.finish();
    let Step::PutTrust { before, after, .. } = &plan.steps[0] else { unreachable!() };
    assert_eq!((before.statements().len(), after.statements().len()), (2, 1));
    assert!(plan.warnings[0].contains("removing principal AROAEXAMPLEEXAMPLE12"), "{:?}", plan.warnings);
}

#[test]
fn writes_to_one_role_are_told_apart_from_others() {
    for step in [create_role("app"), put_trust("app", "X"), policy("app"), delete_role("app")] {
        assert_eq!(step.role(), Some("app"), "{step:?}");
        assert!(step.touches_iam_or_association());
    }
    assert_eq!(create_association("a/b").role(), None);
    assert!(create_association("a/b").touches_iam_or_association());
    let account = Step::CreateServiceAccount { subject: subject("a/b") };
    assert_eq!((account.role(), account.touches_iam_or_association()), (None, false));
}

/// podid's role for this cluster, with an open statement for `carts/carts`, and its association.
fn open() -> (Role, Association) {
    let open = trust::statement(&cluster(), &subject("carts/carts"), Scope::None, true);
    let mut role = role("app", trust::document(open));
    role.tags.insert(tags::MANAGED_BY.to_owned(), "podid".to_owned());
    role.tags.insert(tags::CLUSTER.to_owned(), cluster().arn.to_string());
    (role, association(ROLE))
}

#[test]
fn an_open_statement_is_narrowed_to_its_association() {
    let (role, association) = open();
    let plan = narrow(&cluster(), &role, &[&association], &Usage::default()).unwrap();
    let narrow = trust::statement(&cluster(), &subject("carts/carts"), Scope::ServiceAccount, true);
    let Step::PutTrust { before, after, .. } = &plan.steps[0] else { panic!("{plan:#?}") };
    assert_eq!((plan.steps.len(), before, after), (1, &role.trust, &trust::document(narrow)));
}

/// IAM refuses a trust policy without statements.
#[test]
fn the_last_statement_is_not_taken_away() {
    let (mut role, _) = open();
    let sid = role.trust.statements()[0]["Sid"].as_str().unwrap().to_owned();
    assert!(without_own(&role, &[&sid]).is_err());
    let theirs = serde_json::json!({"Sid": "Theirs", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "*"});
    role.trust.0["Statement"].as_array_mut().unwrap().push(theirs.clone());
    let plan = without_own(&role, &[&sid]).unwrap();
    let Step::PutTrust { before, after, .. } = &plan.steps[0] else { panic!("{plan:#?}") };
    assert_eq!((before, after), (&role.trust, &trust::document(theirs)));
}

#[test]
fn what_others_may_need_is_not_narrowed() {
    let (role, association) = open();
    let user = |region: Option<&str>, cluster_name: &str, as_target| User {
        cluster_name: cluster_name.to_owned(),
        region: region.map(str::to_owned),
        namespace: "x".to_owned(),
        service_account: "y".to_owned(),
        association_id: "a-2".to_owned(),
        as_target,
    };
    let using = |user| Usage { users: vec![user], ..Usage::default() };
    for (usage, refused) in [
        (using(user(None, "eks-workshop", false)), false),
        (using(user(None, "other", false)), true),
        (using(user(Some("eu-west-1"), "eks-workshop", false)), true),
        (using(user(None, "other", true)), false),
        (Usage { doubts: vec!["not allowed".to_owned()], ..Usage::default() }, true),
    ] {
        let result = narrow(&cluster(), &role, &[&association], &usage);
        assert_eq!(result.is_err(), refused, "{usage:?}: {result:?}");
    }
    let mut foreign = role.clone();
    foreign.tags.insert(tags::CLUSTER.to_owned(), "arn:aws:eks:us-west-2:111122223333:cluster/other".to_owned());
    assert!(narrow(&cluster(), &foreign, &[&association], &Usage::default()).is_err(), "another cluster's");
    let mut narrow_already = role.clone();
    let own = trust::statement(&cluster(), &subject("carts/carts"), Scope::Cluster, true);
    narrow_already.trust = trust::document(own);
    assert!(narrow(&cluster(), &narrow_already, &[&association], &Usage::default()).is_err(), "it is not open");
    assert!(narrow(&cluster(), &role, &[], &Usage::default()).is_err(), "no association");
}

/// What cannot be restarted is told, and whether anything else can.
#[test]
fn what_is_skipped_is_told_beside_what_is_restarted() {
    let carts = workload(WorkloadKind::Deployment, "carts");
    let mut bare = pod(&carts, "bare", false);
    bare.owner = None;
    bare.labels.clear();
    let needs: &dyn Fn(&crate::model::workload::Pod) -> bool = &|_| true;
    let (skipped, restarts) = restart::skipped(&[], std::slice::from_ref(&bare), needs);
    assert_eq!((skipped.len(), restarts), (1, false), "{skipped:?}");
    let (skipped, restarts) = restart::skipped(std::slice::from_ref(&carts), &[pod(&carts, "carts-a", false)], needs);
    assert_eq!((skipped.len(), restarts), (0, true), "{skipped:?}");
}

#[test]
fn rollouts_that_were_not_read_are_named() {
    let (argo, carts) = (rollout("canary"), workload(WorkloadKind::Deployment, "carts"));
    let pods = [pod(&argo, "canary-a", false), pod(&carts, "carts-a", false)];
    let said = "rollout/canary could not be read: not allowed: list rollouts.argoproj.io";
    assert_eq!(restart::unread_rollouts(&pods, std::slice::from_ref(&carts)).as_deref(), Some(said));
    assert_eq!(restart::unread_rollouts(&pods, &[carts.clone(), argo]), None);
    assert_eq!(restart::unread_rollouts(&pods[1..], &[]), None);
    let mut ended = pods[0].clone();
    "Succeeded".clone_into(&mut ended.phase);
    assert_eq!(restart::unread_rollouts(&[ended], &[carts]), None);
}
