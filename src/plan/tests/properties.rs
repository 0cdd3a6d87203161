//! Properties of the plan: carried out, it leaves nothing to do.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, strategy::Strategy};
use serde_json::{Value, json};

use super::*;
use crate::model::{
    fixtures::{agent, association, cluster, have, node, subject, want},
    have::ServiceAccountState,
    policy,
    trust::{self, Request, Verdict},
    want::{Access, Scope, TableGrant},
};

fn table(name: &str, access: Access) -> TableGrant {
    let text = format!("{name}={}", access.as_str());
    policy::parse_table(&text, "aws", "us-west-2", "111122223333").unwrap()
}

fn any_want() -> impl Strategy<Value = Want> {
    let tables = proptest::collection::vec((0..3usize, 0..5usize), 0..3);
    (
        any::<[bool; 4]>(),
        proptest::option::of(0..4usize),
        proptest::option::of(any::<bool>()),
        tables,
        0..3usize,
        any::<bool>(),
    )
        .prop_map(|([derived, sa, recycle, install], scope, disable, tables, policies, tagged)| {
            let mut want = if derived { creating() } else { want("app") };
            want.role.create = true;
            want.role.scope = scope.map(|at| Scope::ALL[at]);
            want.disable_session_tags = disable.into();
            want.role.tables =
                tables.into_iter().map(|(t, a)| table(["carts", "orders", "users"][t], Access::ALL[a])).collect();
            want.role.policy_arns = (0..policies).map(|n| format!("arn:aws:iam::aws:policy/P{n}")).collect();
            if tagged {
                want.tags = BTreeMap::from([("team".to_owned(), "store".to_owned())]);
            }
            want.create_service_account = sa;
            want.recycle = recycle;
            want.install_agent = install.then(|| "v1".to_owned());
            want
        })
}

fn any_have() -> impl Strategy<Value = Have> {
    (any::<[bool; 4]>(), 0..3u8).prop_map(|([associated, disabled, installed, injected], account)| {
        let mut have = have();
        if associated {
            let mut old = association("arn:aws:iam::111122223333:role/old");
            old.disable_session_tags = disabled;
            have.association = Observed::Known(Some(old));
        }
        if !installed {
            let mut none = agent(&[node("n1")], &[]);
            (none.addon, none.daemon_sets) = (None, Vec::new());
            have.agent = Observed::Known(none);
        }
        if injected {
            let Observed::Known(pods) = &mut have.pods else { panic!() };
            for pod in pods {
                pod.token_volume = true;
                pod.containers[0].injected = true;
            }
        }
        have.service_account = Observed::Known(match account {
            0 => ServiceAccountState::Missing { near: vec![] },
            1 => ServiceAccountState::Exists { irsa_role: Some("arn:aws:iam::1:role/x".to_owned()) },
            _ => ServiceAccountState::Exists { irsa_role: None },
        });
        have
    })
}

/// Service accounts of two namespaces.
const SUBJECTS: [&str; 5] = ["carts/a", "carts/b", "orders/a", "orders/b", "orders/c"];

/// Statements of other people, none of which admits a pod.
fn foreign() -> impl Strategy<Value = Vec<Value>> {
    let one = prop_oneof![
        Just(
            json!({"Sid": "Root", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::1:root"}, "Action": "sts:AssumeRole"})
        ),
        Just(json!({"Effect": "Allow", "Principal": {"Service": ["ec2.amazonaws.com"]}, "Action": "sts:AssumeRole"})),
        Just(json!({"Effect": "Allow", "Principal": {"Federated": "arn:x"}, "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {"x:sub": "system:serviceaccount:a:b"}}})),
    ];
    proptest::collection::vec(one, 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_carried_out_leaves_nothing_to_do(want in any_want(), have in any_have()) {
        let Ok(plan) = associate(&want, &have) else { return Ok(()) };
        let unique: BTreeSet<String> = ids(&plan).into_iter().collect();
        prop_assert_eq!(unique.len(), plan.steps.len());
        prop_assert!(plan.steps.is_sorted_by_key(Step::stage));
        let mut done = have;
        for step in &plan.steps {
            apply(step, &mut done);
        }
        let again = associate(&want, &done);
        prop_assert_eq!(again.map(|plan| plan.steps), Ok(vec![]));
    }

    #[test]
    fn stopped_anywhere_a_second_run_finishes(want in any_want(), have in any_have(), stop in 0..6usize) {
        let Ok(plan) = associate(&want, &have) else { return Ok(()) };
        let (mut whole, mut part) = (have.clone(), have);
        plan.steps.iter().for_each(|step| apply(step, &mut whole));
        plan.steps.iter().take(stop).for_each(|step| apply(step, &mut part));
        let rest = associate(&want, &part);
        prop_assert!(rest.is_ok(), "{rest:?}");
        rest.iter().flat_map(|plan| &plan.steps).for_each(|step| apply(step, &mut part));
        prop_assert_eq!(part, whole);
    }

    #[test]
    fn a_role_admits_exactly_whom_it_was_asked_for(
        sequence in proptest::collection::vec(0..SUBJECTS.len(), 1..7),
        foreign in foreign(),
        at in 0..3usize,
    ) {
        let cluster = cluster();
        let mut there = have();
        (there.pods, there.workloads) = (Observed::Known(vec![]), Observed::Known(vec![]));
        let mut wanted = BTreeSet::new();
        for (turn, index) in sequence.into_iter().enumerate() {
            let mut want = want("shared");
            want.subject = subject(SUBJECTS[index]);
            want.role.create = turn == 0;
            there.association = Observed::Known(None);
            if turn == at && turn > 0 {
                // Somebody adds statements of their own meanwhile.
                let list = role_mut(&mut there).trust.0["Statement"].as_array_mut().unwrap();
                list.splice(0..0, foreign.iter().cloned());
            }
            let Ok(plan) = associate(&want, &there) else { continue };
            plan.steps.iter().for_each(|step| apply(step, &mut there));
            wanted.insert(SUBJECTS[index]);
        }
        let document = role_mut(&mut there).trust.clone();
        for name in SUBJECTS {
            let subject = subject(name);
            let verdict = trust::evaluate(&document, &Request { cluster: &cluster, subject: &subject, session_tags: true, now: None, pod: None });
            prop_assert_eq!(verdict == Verdict::Admits, wanted.contains(name), "{}: {:?}", name, verdict);
        }
        prop_assert_eq!(trust::too_long(None, &document), None);
    }

    #[test]
    fn editing_a_trust_policy_keeps_the_statements_of_others(foreign in foreign(), order in proptest::collection::vec(0..SUBJECTS.len(), 0..8)) {
        let cluster = cluster();
        let mut document = crate::model::document::Document(json!({"Version": "2012-10-17", "Statement": foreign.clone()}));
        let mut present = BTreeSet::new();
        for index in order {
            let subject = subject(SUBJECTS[index]);
            if present.remove(&index) {
                document = trust::without_statement(&document, &cluster, &subject);
            } else {
                let own = trust::statement(&cluster, &subject, Scope::ServiceAccount, true);
                document = trust::with_statement(&document, &cluster, &subject, own).unwrap();
                present.insert(index);
            }
            let others: Vec<Value> = document
                .statements()
                .into_iter()
                .filter(|s| !trust::is_podid(s))
                .cloned()
                .collect();
            prop_assert_eq!(&others, &foreign);
            prop_assert_eq!(document.statements().len(), foreign.len() + present.len());
        }
    }
}
