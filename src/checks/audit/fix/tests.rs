//! What podid fixes, beside what it leaves alone: each differs in one field.

use serde_json::{Value, json};

use super::*;
use crate::model::{
    access::RoleDocuments,
    document::Document,
    fixtures::{association as associated, at, cluster, role, subject as named},
    role::Role,
    role_users::{AccountRoles, ClusterRead, Reads},
    snapshot::RoleView,
    tags::association_tags,
    trust::statement,
    want::Scope,
};

const ROLE: &str = "arn:aws:iam::111122223333:role/app";

fn trusts(scope: Scope) -> Document {
    trust::document(statement(&cluster(), &named("carts/carts"), scope, true))
}

/// A role that podid created for carts/carts.
fn own(trust: Document) -> Role {
    Role { tags: association_tags(&cluster(), &named("carts/carts")), ..role("app", trust) }
}

/// carts/carts and its association, as podid created them; each cluster was read.
fn healthy() -> State {
    let account: ServiceAccount = named("carts/carts");
    let mut association = associated(ROLE);
    association.tags = association_tags(&cluster(), &account);
    let mut state = State {
        cluster: cluster(),
        associations: vec![association],
        roles: BTreeMap::new(),
        namespaces: Observed::Known(BTreeSet::from(["carts".to_owned()])),
        accounts: Observed::Known(BTreeSet::from([account.clone(), named("carts/other")])),
        used: Observed::Known(BTreeSet::from([account, named("carts/other")])),
        by_rollouts: Observed::Known(BTreeSet::new()),
        annotated: Observed::Known(BTreeMap::new()),
        agent: Observed::Known(None),
        account: Observed::NotRequested,
        now: at(0),
    };
    trust_of(&mut state, trusts(Scope::ServiceAccount));
    state
}

/// Every service account with an association has a role that trusts it so.
fn trust_of(state: &mut State, trust: Document) {
    let mut reads = Reads::default();
    reads.regions = Some(BTreeMap::new());
    reads.clusters.insert(cluster().arn, ClusterRead::Read);
    for association in &state.associations {
        reads.add(association, None);
    }
    let documents = Observed::Known(RoleDocuments::default());
    let view = RoleView { role: Observed::Known(Some(own(trust.clone()))), documents, ..RoleView::default() };
    state.roles = BTreeMap::from([(ROLE.to_owned(), view)]);
    state.account = Observed::Known(AccountRoles { roles: vec![(ROLE.parse().unwrap(), trust)], reads });
}

fn role_mut(state: &mut State) -> &mut Role {
    match &mut state.roles.get_mut(ROLE).unwrap().role {
        Observed::Known(Some(role)) => role,
        _ => unreachable!(),
    }
}

fn contents(state: &State) -> Contents {
    let role = state.roles[ROLE].role.known().unwrap().clone();
    let found = role.map(|role| RoleContents {
        role,
        attached: vec!["arn:aws:iam::aws:policy/A".to_owned()],
        inline: vec!["own".to_owned()],
        instance_profiles: Vec::new(),
    });
    BTreeMap::from([("app".to_owned(), Observed::Known(found))])
}

fn fixed(state: &State) -> Fixes {
    fixes(state, &contents(state), &|_| true)
}

fn actions(fixes: &Fixes) -> Vec<&'static str> {
    fixes.plan.steps.iter().map(plan::Step::action).collect()
}

fn ids(fixes: &Fixes) -> Vec<&'static str> {
    fixes.closed.iter().map(|(id, _)| *id).collect()
}

#[track_caller]
fn kept(state: &State, id: &str, why: &str) {
    let fixes = fixed(state);
    assert_eq!(actions(&fixes), [""; 0], "{id}: {why}");
    let found = fixes.kept.iter().find(|((of, _), _)| *of == id);
    assert!(found.is_some_and(|(_, said)| said.contains(why)), "{:?}", fixes.kept);
}

fn orphan() -> State {
    let mut state = healthy();
    state.accounts = Observed::Known(BTreeSet::new());
    state
}

fn spare() -> State {
    let mut state = healthy();
    state.associations.clear();
    state.accounts = Observed::Known(BTreeSet::new());
    let roles = state.roles.clone();
    trust_of(&mut state, trusts(Scope::ServiceAccount));
    state.roles = roles;
    state
}

fn open() -> State {
    let mut state = healthy();
    trust_of(&mut state, trusts(Scope::None));
    state
}

#[test]
fn what_is_as_it_should_be_needs_no_fix() {
    let fixes = fixed(&healthy());
    assert!(fixes.plan.is_empty() && fixes.kept.is_empty() && fixes.left.is_empty(), "{fixes:?}");
}

/// The role goes with the association: nothing else uses it then.
#[test]
fn an_orphan_goes_with_its_role() {
    let fixes = fixed(&orphan());
    assert_eq!(actions(&fixes), ["deleteAssociation", "detachPolicy", "deletePolicy", "deleteRole"]);
    assert_eq!(ids(&fixes), ["audit.service-account-missing", "audit.role-unused"]);
    assert_eq!(fixes.left, []);
}

/// Where only the association is asked for, podid's statement goes, and the role stays for another time.
#[test]
fn only_what_is_wanted() {
    let mut state = orphan();
    let mut two = trusts(Scope::ServiceAccount);
    let other = statement(&cluster(), &named("carts/other"), Scope::ServiceAccount, true);
    two.0["Statement"].as_array_mut().unwrap().push(other);
    trust_of(&mut state, two);
    let fixes = fixes(&state, &contents(&state), &|it| it.check == &SERVICE_ACCOUNT);
    assert_eq!(actions(&fixes), ["putTrust", "deleteAssociation"]);
    assert_eq!(fixes.left.iter().map(|it| it.check.id).collect::<Vec<_>>(), ["audit.role-unused"]);
    assert!(fixes.kept.is_empty(), "{:?}", fixes.kept);
}

#[test]
fn what_podid_did_not_create_stays() {
    let mut state = orphan();
    state.associations[0].tags.clear();
    kept(&state, "audit.service-account-missing", "podid did not create the association");
    let mut state = orphan();
    state.associations[0].summary.owner_arn = Some("arn:aws:eks:us-west-2:1:addon/c/x/1".to_owned());
    kept(&state, "audit.service-account-missing", "belongs to the add-on");
    let mut state = orphan();
    state.associations[0].tags.insert(keys::MANIFEST.to_owned(), "shop".to_owned());
    kept(&state, "audit.service-account-missing", "the manifest named `shop`");
    let mut state = spare();
    role_mut(&mut state).tags.clear();
    kept(&state, "audit.role-unused", "podid did not create the role");
    let mut state = open();
    role_mut(&mut state).tags.clear();
    kept(&state, "audit.role-open", "podid did not create role");
}

#[test]
fn an_unused_role_goes_unless_a_doubt_is_left() {
    let fixes = fixed(&spare());
    assert_eq!(actions(&fixes), ["detachPolicy", "deletePolicy", "deleteRole"]);
    let mut state = spare();
    state.accounts = Observed::Known(BTreeSet::from([named("carts/carts")]));
    kept(&state, "audit.role-unused", "its trust policy allows carts/carts, which may be about to get its association");
    let mut state = spare();
    let Observed::Known(account) = &mut state.account else { unreachable!() };
    account.reads.clusters.insert(cluster().arn, ClusterRead::Unread("no route".to_owned(), false));
    kept(&state, "audit.role-unused", "no route");
    let state = spare();
    let unread = BTreeMap::from([("app".to_owned(), Observed::Unreadable("not allowed: x".to_owned()))]);
    let fixes = super::fixes(&state, &unread, &|_| true);
    assert!(fixes.plan.is_empty() && fixes.kept.values().any(|why| why == "not allowed: x"), "{:?}", fixes.kept);
}

#[test]
fn an_open_statement_of_podids_is_narrowed() {
    let fixes = fixed(&open());
    assert_eq!(actions(&fixes), ["putTrust"]);
    let plan::Step::PutTrust { after, .. } = &fixes.plan.steps[0] else { unreachable!() };
    assert_eq!(*after, trusts(Scope::ServiceAccount));
    assert_eq!(fixes.left, []);
    let mut theirs = open();
    let mut trust = trusts(Scope::None);
    trust.0["Statement"][0]["Sid"] = json!("Theirs");
    trust_of(&mut theirs, trust);
    kept(&theirs, "audit.role-open", "no association of this cluster has an open statement of podid's");
}

/// Another service account of the cluster lives on the open statement: without it, it would get no credentials.
#[test]
fn a_fix_that_breaks_another_is_left_out() {
    let mut state = open();
    let mut other = state.associations[0].clone();
    other.summary.subject = named("carts/other");
    other.summary.association_id = "a-2".to_owned();
    state.associations.push(other);
    trust_of(&mut state, trusts(Scope::None));
    kept(&state, "audit.role-open", "its fix would lead to carts/other: ");
    let mut trust = trusts(Scope::None);
    let own: Value = statement(&cluster(), &named("carts/other"), Scope::ServiceAccount, true);
    trust.0["Statement"].as_array_mut().unwrap().push(own);
    trust_of(&mut state, trust);
    assert_eq!(actions(&fixed(&state)), ["putTrust"]);
}

/// A user in another cluster too.
#[test]
fn an_open_statement_that_others_use_stays() {
    let mut state = open();
    let Observed::Known(account) = &mut state.account else { unreachable!() };
    let mut far = associated(ROLE);
    far.summary.cluster_name = "green".to_owned();
    account.reads.add(&far, None);
    kept(&state, "audit.role-open", "carts/carts in cluster green uses it");
}

/// Another open statement keeps the role open, whatever podid's own becomes.
#[test]
fn a_fix_that_does_not_close_its_finding_is_left_out() {
    let mut state = open();
    let mut trust = trusts(Scope::None);
    let mut theirs = trust.0["Statement"][0].clone();
    theirs["Sid"] = json!("Theirs");
    trust.0["Statement"].as_array_mut().unwrap().push(theirs);
    trust_of(&mut state, trust);
    kept(&state, "audit.role-open", "it would still be found after podid's fix");
}

/// carts/carts uses the role, whose trust policy also has podid's statement for another service account.
fn with_left(account: &str, scope: Scope) -> State {
    let mut state = healthy();
    let mut trust = trusts(Scope::ServiceAccount);
    let other = statement(&cluster(), &named(account), scope, true);
    trust.0["Statement"].as_array_mut().unwrap().push(other);
    trust_of(&mut state, trust);
    state
}

/// Only the one for a service account that is gone: another one may be about to get its association.
#[test]
fn a_statement_without_an_association_goes() {
    let state = with_left("carts/gone", Scope::ServiceAccount);
    let fixes = fixed(&state);
    assert_eq!((actions(&fixes), ids(&fixes)), (vec!["putTrust"], vec!["audit.statement-unused"]));
    let plan::Step::PutTrust { after, .. } = &fixes.plan.steps[0] else { unreachable!() };
    assert_eq!(*after, trusts(Scope::ServiceAccount));
    assert_eq!(fixes.left, []);
    // Whether podid created the role does not matter: the statement is podid's own.
    let mut theirs = state;
    role_mut(&mut theirs).tags.clear();
    assert_eq!(actions(&fixed(&theirs)), ["putTrust"]);
    role_mut(&mut theirs).tags.insert(keys::MANIFEST.to_owned(), "shop".to_owned());
    kept(&theirs, "audit.statement-unused", "the manifest named `shop`");
    kept(&with_left("carts/other", Scope::ServiceAccount), "audit.statement-unused", "carts/other exists, and may be");
    kept(&with_left("carts/gone", Scope::Namespace), "audit.statement-unused", "names no service account");
    let mut blind = with_left("carts/gone", Scope::ServiceAccount);
    blind.accounts = Observed::Unreadable("not allowed: x".to_owned());
    kept(&blind, "audit.statement-unused", "whether carts/gone exists could not be read");
}

#[test]
fn checks_without_a_fix_are_said() {
    let mut state = healthy();
    state.used = Observed::Known(BTreeSet::new());
    kept(&state, "audit.association-unused", "podid has no fix for this check");
}
