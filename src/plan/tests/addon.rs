//! The associations that an add-on owns: UpdateAddon replaces them as one list, so that the list holds the others as they were, and what
//! would take something away is refused or said.

use super::*;
use crate::{
    model::{
        addon::{AGENT, AddonAssociation, AddonIdentity, OwningAddon},
        fixtures::{agent, association, cluster, have, role, subject, want},
        names::ServiceAccount,
        trust,
        want::Scope,
    },
    plan::addon::{AddonStep, disassociate, identity},
};

const NEW: &str = "arn:aws:iam::111122223333:role/new";
const OLD: &str = "arn:aws:iam::111122223333:role/old";

/// An add-on `csi` that owns the association of `carts/other`, and none of `carts/carts`.
fn owning() -> OwningAddon {
    let mut addon = agent(&[], &[]).addon.unwrap();
    "csi".clone_into(&mut addon.name);
    let other = owned(subject("carts/other"), OLD, "csi");
    OwningAddon { addon, associations: vec![other], policies: Vec::new(), replace_irsa: false }
}

fn owned(subject: ServiceAccount, role: &str, by: &str) -> Association {
    let mut association = association(role);
    association.summary.subject = subject;
    association.summary.owner_arn = Some(format!("arn:aws:eks:us-west-2:111122223333:addon/eks-workshop/{by}/1"));
    association
}

/// `podid addon associate csi --service-account carts --role new`.
fn asked(owning: OwningAddon) -> (Want, Have) {
    let mut have = have();
    let trust = trust::document(trust::statement(&cluster(), &subject("carts/carts"), Scope::ServiceAccount, true));
    have.role = Observed::Known(Some(role("new", trust)));
    (Want { addon: Some(Box::new(owning)), ..want("new") }, have)
}

fn updates(plan: &Plan) -> Vec<&AddonStep> {
    let mut updates = Vec::new();
    for step in &plan.steps {
        if let Step::UpdateAddon(step) = step {
            updates.push(&**step);
        }
    }
    updates
}

fn one(name: &str, role: &str) -> AddonAssociation {
    AddonAssociation { service_account: name.to_owned(), role_arn: role.to_owned() }
}

fn warns(plan: &Plan, of: &str) -> bool {
    plan.warnings.iter().any(|warning| warning.contains(of))
}

#[test]
fn the_list_keeps_the_others() {
    let (want, have) = asked(owning());
    let plan = planned(&want, &have);
    let [step] = updates(&plan)[..] else { panic!("{plan:#?}") };
    assert_eq!(step.present, [one("other", OLD)]);
    assert_eq!(step.wanted, [one("carts", NEW), one("other", OLD)]);
    assert_eq!(step.describe(), "associate carts/carts with role new through add-on csi");
    assert_eq!(step.done(), "asked EKS to associate carts/carts with role new through add-on csi");
    assert!(warns(&plan, "EKS restarts the pods of add-on `csi`"));
    assert!(!warns(&plan, "more than a role"), "{:?}", plan.warnings);
}

/// What the list cannot carry may be lost: it is said of every other association that has it, and of no one else.
#[test]
fn what_an_update_may_reset_is_said() {
    let rows: [fn(&mut Association); 3] = [
        |association| association.target_role_arn = Some(NEW.to_owned()),
        |association| association.policy = Some("{}".to_owned()),
        |association| association.disable_session_tags = true,
    ];
    for more in rows {
        let mut others = owning();
        more(&mut others.associations[0]);
        let (want, have) = asked(others.clone());
        assert!(warns(&planned(&want, &have), "the association of carts/other has more than a role"));
        // Its own is what is changed.
        "carts".clone_into(&mut others.associations[0].summary.subject.name);
        let (want, have) = asked(others);
        assert!(!warns(&planned(&want, &have), "more than a role"));
    }
}

#[test]
fn an_association_is_taken_over_from_nobody() {
    let mut csi = owning();
    let own = owned(subject("carts/carts"), OLD, "csi");
    csi.associations.push(own.clone());
    let (want, mut have) = asked(csi);
    have.association = Observed::Known(Some(own.clone()));
    let plan = planned(&want, &have);
    assert_eq!(updates(&plan)[0].wanted, [one("carts", NEW), one("other", OLD)]);
    assert_eq!(updates(&plan)[0].describe(), "change the role of carts/carts from old to new through add-on csi");
    // With that role already there is nothing to do.
    have.association = Observed::Known(Some(owned(subject("carts/carts"), NEW, "csi")));
    assert!(updates(&planned(&want, &have)).is_empty());

    have.association = Observed::Known(Some(owned(subject("carts/carts"), NEW, "cni")));
    let refusal = refused(&want, &have);
    assert!(refusal.message.ends_with("belongs to add-on `cni`, not to `csi`"), "{refusal:?}");
    have.association = Observed::Known(Some(association(NEW)));
    let refusal = refused(&want, &have);
    assert!(refusal.message.contains("that add-on `csi` does not own"), "{refusal:?}");
}

#[test]
fn nothing_is_begun_while_the_add_on_changes() {
    for status in ["CREATING", "UPDATING", "DELETING", "ACTIVE", "DEGRADED"] {
        let mut csi = owning();
        status.clone_into(&mut csi.addon.status);
        let (want, have) = asked(csi);
        let refused = associate(&want, &have).is_err_and(|refusal| refusal.message.contains("another change"));
        assert_eq!(refused, status.ends_with("ING"), "{status}");
    }
}

/// An association takes the add-on's pods away from IRSA: only when it is asked for.
#[test]
fn irsa_is_left_only_when_it_is_asked_for() {
    let mut csi = owning();
    csi.addon.service_account_role = Some("arn:aws:iam::111122223333:role/irsa".to_owned());
    let (want, have) = asked(csi.clone());
    assert!(refused(&want, &have).message.contains("role/irsa with IRSA"));
    csi.replace_irsa = true;
    let (want, mut have) = asked(csi.clone());
    let plan = planned(&want, &have);
    assert_eq!(updates(&plan)[0].service_account_role, None);
    assert!(warns(&plan, "leaves IRSA") && warns(&plan, "to go back"));
    // One that has an association left it before: what the add-on states stays as it is.
    csi.replace_irsa = false;
    let own = owned(subject("carts/carts"), OLD, "csi");
    csi.associations.push(own.clone());
    let (want, _) = asked(csi.clone());
    have.association = Observed::Known(Some(own));
    let plan = planned(&want, &have);
    assert_eq!(updates(&plan)[0].service_account_role, csi.addon.service_account_role);
    assert!(!warns(&plan, "leaves IRSA"));
}

#[test]
fn what_eks_recommends_and_the_role_lacks_is_said() {
    let policy = "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy";
    let mut csi = owning();
    csi.policies = vec![policy.to_owned()];
    let (mut want, mut have) = asked(csi);
    assert!(warns(&planned(&want, &have), "does not have the policy that EKS recommends"));
    have.attached = Observed::Known(vec![policy.to_owned()]);
    assert!(!warns(&planned(&want, &have), "EKS recommends"));
    have.attached = Observed::Unreadable("not allowed".to_owned());
    assert!(warns(&planned(&want, &have), "policies of role `new` not checked: not allowed"));
    // The role that podid makes is given what was asked for.
    want.role.create = true;
    (have.role, have.attached) = (Observed::Known(None), Observed::Known(Vec::new()));
    assert!(!warns(&planned(&want, &have), "EKS recommends"));
}

#[test]
fn an_add_ons_association_ends_through_the_add_on() {
    let mut csi = owning();
    let own = owned(subject("carts/carts"), OLD, "csi");
    csi.associations.push(own.clone());
    let carts = subject("carts/carts");
    let ends = |csi: &OwningAddon, association: &Association| {
        let mut plan = Plan::default();
        disassociate(&cluster(), csi, (&carts, association), &mut plan).map(|()| plan)
    };
    let plan = ends(&csi, &own).unwrap();
    assert_eq!(updates(&plan)[0].wanted, [one("other", OLD)]);
    assert_eq!(
        plan.steps[0].describe(),
        "delete the association of carts/carts (role old) through add-on csi",
        "{plan:#?}"
    );
    assert!(warns(&plan, "the role of their node"));
    csi.associations[0].policy = Some("{}".to_owned());
    csi.addon.service_account_role = Some(NEW.to_owned());
    let plan = ends(&csi, &own).unwrap();
    assert!(warns(&plan, "carts/other has more than a role") && warns(&plan, "role new (IRSA)"));
    assert!(ends(&csi, &association(OLD)).is_err(), "it is not the add-on's");
    "UPDATING".clone_into(&mut csi.addon.status);
    assert!(ends(&csi, &own).is_err(), "another change is under way");
}

#[test]
fn the_service_account_is_the_named_one_or_the_only_one() {
    let addon = |name: &str| {
        let mut addon = owning().addon;
        name.clone_into(&mut addon.name);
        addon
    };
    let known = |names: &[&str]| -> Vec<AddonIdentity> {
        let known = |name: &&str| AddonIdentity { service_account: (*name).to_owned(), policies: Vec::new() };
        names.iter().map(known).collect()
    };
    let ask = |name: &str, names: &[&str], named: Option<&str>| {
        let known = known(names);
        identity(&addon(name), &known, named).map(|it| it.service_account.clone()).map_err(|refusal| refusal.message)
    };
    assert_eq!(ask("csi", &["a", "b"], Some("b")), Ok("b".to_owned()));
    assert_eq!(ask("csi", &["a"], None), Ok("a".to_owned()));
    for (name, names, named, said) in [
        (AGENT, &[][..], None, "takes no association"),
        ("csi", &[], None, "does not support Pod Identity"),
        ("csi", &["a"], Some("c"), "has no service account `c`"),
        ("csi", &["a", "b"], None, "has several service accounts: a, b"),
    ] {
        assert!(ask(name, names, named).is_err_and(|message| message.contains(said)), "{name} {names:?} {named:?}");
    }
}
