//! The tests of the plan of `disassociate`.

use serde_json::json;

use super::*;
use crate::model::{
    fixtures::{association, cluster, pod, role, subject, workload},
    role::{RoleContents, tags as keys},
    role_users::{Usage, User},
    tags,
    trust::{self, Request, Verdict},
    want::Scope,
    workload::WorkloadKind,
};

const ARN: &str = "arn:aws:iam::111122223333:role/app";

struct World {
    targets: Vec<Target>,
    roles: BTreeMap<String, RoleUse>,
}

/// carts/carts with one injected pod, and a role that podid made for it.
fn world() -> World {
    let carts = workload(WorkloadKind::Deployment, "carts");
    let who = subject("carts/carts");
    let mut role = role("app", trust::document(trust::statement(&cluster(), &who, Scope::ServiceAccount, true)));
    role.tags = tags::association_tags(&cluster(), &who);
    let doomed =
        RoleContents { role: role.clone(), attached: vec![], inline: vec!["x".into()], instance_profiles: vec![] };
    World {
        targets: vec![Target {
            subject: who,
            association: Some(association(ARN)),
            pods: Observed::Known(vec![pod(&carts, "carts-a", true)]),
            workloads: Observed::Known(vec![carts]),
        }],
        roles: BTreeMap::from([(
            ARN.to_owned(),
            RoleUse {
                name: "app".to_owned(),
                role: Observed::Known(Some(role)),
                doomed: Some(doomed),
                usage: Usage::default(),
            },
        )]),
    }
}

impl World {
    fn ask(&self, delete_role: bool, force: bool, recycle: bool) -> Result<Plan, Refusal> {
        let cluster = cluster();
        disassociate(&Disassociate {
            cluster: &cluster,
            targets: &self.targets,
            roles: &self.roles,
            addon: None,
            idle_roles: if delete_role { IdleRoles::Deleted } else { IdleRoles::Reported },
            force,
            recycle,
        })
    }

    fn role(&mut self) -> &mut crate::model::role::Role {
        match &mut self.roles.get_mut(ARN).unwrap().role {
            Observed::Known(Some(role)) => role,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_goes_and_in_which_order() {
    let mut world = world();
    assert_eq!(ids(&world.ask(false, false, false).unwrap()), ["delete-association/carts/carts"]);
    let all = ["delete-association/carts/carts", "delete-policy/x", "delete-role", "restart/carts/deployment/carts"];
    assert_eq!(ids(&world.ask(true, false, true).unwrap()), all);
    // Another's statement in the role: podid's goes, and the document is not empty.
    let theirs = json!({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"});
    let role = world.role();
    role.trust.0["Statement"].as_array_mut().unwrap().push(theirs.clone());
    let plan = world.ask(false, false, false).unwrap();
    assert_eq!(ids(&plan), ["put-trust", "delete-association/carts/carts"]);
    let Step::PutTrust { after, .. } = &plan.steps[0] else { panic!("{plan:?}") };
    assert_eq!(after.0["Statement"], json!([theirs]));
    let request =
        Request { cluster: &cluster(), subject: &subject("carts/carts"), session_tags: true, now: None, pod: None };
    assert!(matches!(trust::evaluate(after, &request), Verdict::Refuses(_)));
    // Nobody lives whom the rest of it names: IAM would refuse that, and takes no empty document.
    let dead = json!({"AWS": "AROAEXAMPLEOLDROLEID1"});
    world.role().trust.0["Statement"][1]["Principal"] = dead;
    assert_eq!(ids(&world.ask(false, false, false).unwrap()), ["delete-association/carts/carts"]);
    // Nothing is there: nothing is planned.
    world.targets[0].association = None;
    world.targets[0].pods = Observed::Known(Vec::new());
    world.roles.clear();
    assert!(world.ask(true, false, true).unwrap().steps.is_empty());
}

#[test]
fn a_role_goes_only_when_it_is_podids_and_nobodys() {
    assert!(world().ask(true, false, false).is_ok());
    let mut foreign = world();
    foreign.role().tags.clear();
    assert!(foreign.ask(true, true, false).unwrap_err().message.contains("did not create"));
    assert!(foreign.ask(false, false, false).is_ok());
    let mut used = world();
    used.roles.get_mut(ARN).unwrap().usage.users.push(User {
        cluster_name: "c".to_owned(),
        region: None,
        namespace: "a".to_owned(),
        service_account: "b".to_owned(),
        association_id: "a-1".to_owned(),
        as_target: false,
    });
    assert!(used.ask(true, true, false).unwrap_err().message.contains("still used by a/b in cluster c"));
    let mut open = world();
    open.roles.get_mut(ARN).unwrap().usage.doubts.push("cluster x".to_owned());
    assert!(open.ask(true, false, false).unwrap_err().hints[0].contains("--force"));
    assert!(open.ask(true, true, false).unwrap().warnings.iter().any(|w| w.contains("cluster x")));
    let mut unread = world();
    unread.roles.get_mut(ARN).unwrap().role = Observed::Unreadable("no".to_owned());
    assert!(unread.ask(true, true, false).unwrap_err().denied);
    assert_eq!(ids(&unread.ask(false, false, false).unwrap()), ["delete-association/carts/carts"]);
}

#[test]
fn a_role_of_podids_needs_both_tags_of_this_cluster() {
    for (key, value) in [
        (keys::MANAGED_BY, None),
        (keys::CLUSTER, None),
        (keys::CLUSTER, Some("arn:aws:eks:us-west-2:111122223333:cluster/b")),
    ] {
        let mut other = world();
        other.role().tags.remove(key);
        other.role().tags.extend(value.map(|value| (key.to_owned(), value.to_owned())));
        let refusal = other.ask(true, true, false).unwrap_err();
        assert!(
            refusal.message.contains("podid did not create role `app` for cluster eks-workshop"),
            "{}",
            refusal.message
        );
        assert!(refusal.message.contains(key), "{}", refusal.message);
    }
}

#[test]
fn whom_the_trust_policy_still_allows_keeps_the_role() {
    let far = {
        let mut far = cluster();
        far.arn.resource = "cluster/far".to_owned();
        far
    };
    for (statement, why) in [
        (
            trust::statement(&cluster(), &subject("carts/other"), Scope::ServiceAccount, true),
            "still allows carts/other",
        ),
        (trust::statement(&far, &subject("carts/carts"), Scope::ServiceAccount, true), "cluster/far too"),
    ] {
        let mut world = world();
        world.role().trust.0["Statement"].as_array_mut().unwrap().push(statement);
        let refusal = world.ask(true, false, false).unwrap_err();
        assert!(refusal.message.contains(why), "{}", refusal.message);
        assert!(world.ask(true, true, false).is_ok());
    }
}

#[test]
fn an_add_ons_association_is_refused() {
    let mut world = world();
    let owner = "arn:aws:eks:us-west-2:111122223333:addon/c/vpc-cni/1";
    world.targets[0].association.as_mut().unwrap().summary.owner_arn = Some(owner.to_owned());
    assert!(world.ask(false, true, false).unwrap_err().message.contains("add-on `vpc-cni`"));
}
