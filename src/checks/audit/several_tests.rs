//! Two clusters whose service accounts get the credentials of one role.

use super::{
    tests::{World, allow, estate, forget, healthy, known, named},
    *,
};

/// Both, each with its label.
fn of_both(blue: &World, green: &World) -> Vec<Finding> {
    let part = |label: &str, world| Part {
        label: label.to_owned(),
        arn: format!("arn:aws:eks:us-west-2:111122223333:cluster/{label}").parse().unwrap(),
        flag: label.to_owned(),
        estate: estate(world),
    };
    several(&[part("blue", blue), part("green", green)], &blue.trusting, Vec::new())
}

fn told(found: &[Finding]) -> Vec<(&str, String)> {
    found.iter().map(|it| (it.check.id, it.title().into_owned())).collect()
}

#[test]
fn one_workload_in_two_clusters_is_no_finding() {
    assert_eq!(of_both(&healthy(), &healthy()), []);
}

#[test]
fn what_is_in_a_cluster_names_it() {
    let mut green = healthy();
    forget(&mut green.accounts, &named("carts/carts"));
    let found = of_both(&healthy(), &green);
    assert_eq!(told(&found), [("audit.service-account-missing", "carts/carts in cluster green".to_owned())]);
    assert_eq!(found[0].remedies[0].text(), "`podid disassociate carts/carts --cluster green`");
}

#[test]
fn what_is_about_a_role_is_found_once() {
    let (mut blue, mut green) = (healthy(), healthy());
    allow(&mut blue, "*");
    allow(&mut green, "*");
    let found = of_both(&blue, &green);
    assert_eq!(told(&found), [("audit.admin", "role app".to_owned())]);
    let used: Vec<&str> = found[0].evidence.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(used, ["carts/carts in cluster blue", "carts/carts in cluster green"]);
}

#[test]
fn other_service_accounts_of_another_cluster_share_the_role() {
    let mut green = healthy();
    green.associations[0].summary.subject = named("orders/orders");
    let found = of_both(&healthy(), &green);
    assert_eq!(told(&found), [("audit.role-shared", "role app".to_owned())]);
    let both = "2 service accounts get its credentials: carts/carts in cluster blue, orders/orders in cluster green";
    assert_eq!(found[0].message, both);
}

#[test]
fn the_roles_of_the_account_are_judged_once() {
    let mut blue = healthy();
    known(&mut blue.trusting)[0].unused = Some(crate::model::role_users::Usage::default());
    assert_eq!(told(&of_both(&blue, &healthy())), [("audit.role-unused", "role app".to_owned())]);
}
