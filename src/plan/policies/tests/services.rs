//! podid's statements for services and add-ons: what is asked for is in them, what is not named stays, and more than that is told of.

use super::*;
use crate::model::{
    add_on_policy::{AddOnGrant, AddOnRemoval, AddOnText, merged},
    grant::{self, Grant, GrantText, Removal, service},
};

fn home() -> Arn {
    "arn:aws:eks:us-west-2:111122223333:cluster/c".parse().unwrap()
}

fn s3(text: &str) -> Grant {
    GrantText::granting(service("s3").unwrap(), text).unwrap().at(Some(&home())).unwrap()
}

fn add_on(text: &str) -> AddOnGrant {
    AddOnText::granting(text).unwrap().at(Some(&home())).unwrap()
}

/// The policies that a plan leaves.
fn after(plan: &Plan) -> BTreeMap<&str, &Document> {
    let mut all = BTreeMap::new();
    for step in &plan.steps {
        if let Step::PutPolicy { name, after, .. } = step {
            all.insert(name.as_str(), after);
        }
    }
    all
}

#[test]
fn grants_are_added_to_those_that_are_there() {
    let (attached, asked) = (Observed::NotRequested, [s3("b-1=read")]);
    let there = |grants: &[Grant]| inline(&[(grant::POLICY, grant::merged(None, grants))]);
    let plan =
        |there, exact| policies(&Policies { grants: Wanted::AtLeast(&asked), exact, ..of(&attached, &there) }).unwrap();
    let both = [s3("b-2=write"), asked[0].clone()];
    let added = plan(there(&both[..1]), false);
    assert!(policy::same_meaning(after(&added)[grant::POLICY], &grant::merged(None, &both)), "{added:#?}");
    assert!(added.warnings.is_empty(), "what another bucket is granted is no matter: {:?}", added.warnings);
    assert!(plan(there(&both), false).is_empty());
    // More is told of, and reduced only when asked.
    let more = there(&[s3("b-1=read-write")]);
    let told = plan(more.clone(), false);
    assert!(
        told.warnings[0].contains("already grants read-write on S3 bucket arn:aws:s3:::b-1"),
        "{:?}",
        told.warnings
    );
    let reduced = plan(more.clone(), true);
    assert!(policy::same_meaning(after(&reduced)[grant::POLICY], &grant::merged(None, &asked)), "{reduced:#?}");
    // Where both are asked for, the wider is no surprise.
    let asked = [s3("b-1=read"), s3("b-1=read-write")];
    let plan = policies(&Policies { grants: Wanted::AtLeast(&asked), ..of(&attached, &more) }).unwrap();
    assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
}

#[test]
fn only_the_grant_that_is_named_goes() {
    let attached = Observed::NotRequested;
    let grants = [s3("b-1=read"), s3("b-2=write")];
    let there = inline(&[(grant::POLICY, grant::merged(None, &grants))]);
    let plan = |gone: &[Grant]| {
        let gone: Vec<Removal> = gone
            .iter()
            .map(|one| Removal { service: one.service, resource: one.resource.clone(), access: None })
            .collect();
        policies(&Policies { grants: Wanted::Without(&gone), ..of(&attached, &there) }).unwrap()
    };
    let one = plan(&grants[..1]);
    assert!(policy::same_meaning(after(&one)[grant::POLICY], &grant::merged(None, &grants[1..])), "{one:#?}");
    assert!(one.warnings.is_empty());
    assert_eq!(ids(&plan(&grants)), [format!("delete-policy/{}", grant::POLICY)]);
    let none = plan(&[s3("b-3=read")]);
    assert!(
        none.is_empty() && none.warnings[0].contains("has no statement from podid for S3 bucket arn:aws:s3:::b-3"),
        "{none:#?}"
    );
}

#[test]
fn add_ons_are_added_to_those_that_are_there() {
    let (attached, velero) = (Observed::NotRequested, add_on("velero=backups"));
    let (name, asked) = (velero.policy.inline(), [velero.clone(), add_on("external-secrets")]);
    let other = file("s3", "arn:aws:s3:::b/*");
    let there = inline(&[(&name, merged(None, &[&velero])), ("s3", other.document.clone())]);
    let more = [velero.clone(), add_on("velero=archive")];
    let plan = |add_ons, exact| policies(&Policies { add_ons, exact, ..of(&attached, &there) }).unwrap();
    let of_both = plan(Wanted::AtLeast(&more), false);
    let wanted = merged(None, &more.iter().collect::<Vec<_>>());
    assert!(policy::same_meaning(after(&of_both)[name.as_str()], &wanted), "{of_both:#?}");
    assert_eq!(after(&of_both).len(), 1);
    // Exactly these: the others' policies of podid go, and nobody else's.
    assert!(plan(Wanted::Exactly(&asked[..1]), false).is_empty());
    assert_eq!(ids(&plan(Wanted::Exactly(&asked[1..]), false)).len(), 2);
    assert_eq!(ids(&plan(Wanted::Exactly(&[]), false)), [format!("delete-policy/{name}")]);
    let reduced = plan(Wanted::AtLeast(&more[1..]), true);
    assert!(policy::same_meaning(after(&reduced)[name.as_str()], &merged(None, &[&more[1]])), "{reduced:#?}");
}

#[test]
fn only_the_add_on_that_is_named_goes() {
    let (attached, velero) = (Observed::NotRequested, add_on("velero=backups"));
    let name = velero.policy.inline();
    let there = inline(&[(&name, merged(None, &[&velero]))]);
    let plan = |text: &str| {
        let gone: [AddOnRemoval; 1] = [AddOnText::parse(text).unwrap().removal(Some(&home())).unwrap()];
        policies(&Policies { add_ons: Wanted::Without(&gone), ..of(&attached, &there) }).unwrap()
    };
    for all in ["velero", "velero=backups"] {
        assert_eq!(ids(&plan(all)), [format!("delete-policy/{name}")], "{all}");
    }
    let other = plan("velero=archive");
    assert!(other.is_empty() && other.warnings[0].starts_with("podid put no statement for "), "{other:#?}");
    let missing = plan("external-secrets");
    assert!(missing.is_empty() && missing.warnings[0].contains("has no inline policy"), "{missing:#?}");
}
