//! Each finding beside its healthy twin, which differs in one field.

use serde_json::{Value, json};

use super::*;
pub(super) use crate::model::fixtures::subject as named;
use crate::{
    checks::Status,
    model::{
        access::RoleDocuments,
        association::Association,
        cluster::Cluster,
        fixtures::{association as associated, at, cluster, role},
        role_users::{ClusterRead, Usage},
        snapshot::RoleView,
        trust::{document, statement},
        want::Scope,
    },
};

const ROLE: &str = "arn:aws:iam::111122223333:role/app";

/// A world that is as it should be.
pub(super) struct World {
    cluster: Cluster,
    pub(super) associations: Vec<Association>,
    roles: BTreeMap<String, RoleView>,
    namespaces: Observed<BTreeSet<String>>,
    pub(super) accounts: Observed<BTreeSet<ServiceAccount>>,
    used: Observed<BTreeSet<ServiceAccount>>,
    by_rollouts: Observed<BTreeSet<ServiceAccount>>,
    annotated: Observed<BTreeMap<ServiceAccount, String>>,
    agent: Observed<Option<Versions>>,
    pub(super) trusting: Observed<Vec<Trusting>>,
}

fn trusts(scope: Scope) -> Document {
    document(statement(&cluster(), &named("carts/carts"), scope, true))
}

fn view(action: &Value) -> RoleView {
    let policy = Document::of([json!({"Sid": "Own", "Effect": "Allow", "Action": action, "Resource": "*"})]);
    let documents = RoleDocuments { identity: vec![("own".to_owned(), policy)], boundary: None };
    RoleView {
        role: Observed::Known(Some(role("app", trusts(Scope::Cluster)))),
        documents: Observed::Known(documents),
        ..RoleView::default()
    }
}

fn trusting_role(trust: Document, unused: Option<Usage>) -> Trusting {
    Trusting { arn: ROLE.parse().unwrap(), trust, unused, left: Vec::new() }
}

fn left() -> LeftStatement {
    LeftStatement { sid: "Podid0".to_owned(), cluster: cluster().arn, subject: Some(named("carts/old")) }
}

fn versions(installed: &str) -> Versions {
    Versions { installed: installed.to_owned(), default: "v1.3.10-eksbuild.1".to_owned() }
}

pub(super) fn healthy() -> World {
    let it = named("carts/carts");
    World {
        cluster: cluster(),
        associations: vec![associated(ROLE)],
        roles: BTreeMap::from([(ROLE.to_owned(), view(&json!("s3:GetObject")))]),
        namespaces: Observed::Known(BTreeSet::from(["carts".to_owned(), "orders".to_owned()])),
        accounts: Observed::Known(BTreeSet::from([it.clone(), named("carts/default"), named("orders/orders")])),
        used: Observed::Known(BTreeSet::from([it, named("carts/default"), named("orders/orders")])),
        by_rollouts: Observed::Known(BTreeSet::new()),
        annotated: Observed::Known(BTreeMap::from([(named("orders/api"), ROLE.to_owned())])),
        agent: Observed::Known(Some(versions("v1.3.10-eksbuild.1"))),
        trusting: Observed::Known(vec![trusting_role(trusts(Scope::Cluster), None)]),
    }
}

fn findings(world: &World) -> Vec<Finding> {
    audit(&estate(world))
}

pub(super) fn estate(world: &World) -> Estate<'_> {
    let holders = world.associations.iter().map(|association| Holder {
        cluster: &world.cluster,
        association,
        role: &world.roles[&association.role_arn],
        target: None,
        now: at(0),
    });
    Estate {
        holders: holders.collect(),
        namespaces: world.namespaces.clone(),
        accounts: world.accounts.clone(),
        used: world.used.clone(),
        by_rollouts: world.by_rollouts.clone(),
        annotated: world.annotated.clone(),
        agent: world.agent.clone(),
        roles: world.trusting.clone(),
    }
}

pub(super) fn known<T>(read: &mut Observed<T>) -> &mut T {
    match read {
        Observed::Known(value) => value,
        _ => unreachable!(),
    }
}

pub(super) fn forget<T: Ord>(read: &mut Observed<BTreeSet<T>>, one: &T) {
    known(read).remove(one);
}

pub(super) fn allow(world: &mut World, action: &str) {
    world.roles.insert(ROLE.to_owned(), view(&json!(action)));
}

#[test]
fn each_finding_has_a_healthy_twin() {
    type Change = fn(&mut World);
    assert_eq!(findings(&healthy()), []);
    let rows: &[(Change, &str, Status)] = &[
        (|it| forget(&mut it.namespaces, &"carts".to_owned()), "audit.namespace-missing", Status::Failed),
        (|it| forget(&mut it.accounts, &named("carts/carts")), "audit.service-account-missing", Status::Failed),
        (|it| forget(&mut it.used, &named("carts/carts")), "audit.association-unused", Status::Warning),
        (|it| it.associations[0].summary.subject = named("carts/default"), "audit.default-account", Status::Warning),
        (|it| known(&mut it.trusting)[0].unused = Some(Usage::default()), "audit.role-unused", Status::Warning),
        (
            |it| {
                let doubt = Usage { doubts: vec!["region eu-west-1 could not be read".to_owned()], ..Usage::default() };
                known(&mut it.trusting)[0].unused = Some(doubt);
            },
            "audit.role-unused",
            Status::Unknown,
        ),
        (
            |it| drop(known(&mut it.annotated).insert(named("carts/carts"), ROLE.to_owned())),
            "audit.irsa-annotation",
            Status::Warning,
        ),
        (|it| it.agent = Observed::Known(Some(versions("v1.3.9-eksbuild.3"))), "audit.agent-outdated", Status::Warning),
        (|it| it.agent = Observed::Unreadable("not allowed: x".to_owned()), "audit.unread", Status::Skipped),
        (|it| known(&mut it.trusting)[0].left = vec![left()], "audit.statement-unused", Status::Warning),
        (|it| known(&mut it.trusting)[0].trust = trusts(Scope::None), "audit.role-open", Status::Warning),
        (
            |it| known(&mut it.trusting)[0].trust.0["Statement"][0]["Principal"] = json!("*"),
            "audit.principal-any",
            Status::Failed,
        ),
        (
            |it| {
                let mut other = it.associations[0].clone();
                other.summary.subject = named("orders/orders");
                it.associations.push(other);
            },
            "audit.role-shared",
            Status::Warning,
        ),
        (|it| it.roles.get_mut(ROLE).unwrap().role = Observed::Known(None), "audit.role-missing", Status::Failed),
        (
            |it| {
                let mut other = role("app", trusts(Scope::Cluster));
                other.arn = "arn:aws:iam::111122223333:role/team/app".parse().unwrap();
                it.roles.get_mut(ROLE).unwrap().role = Observed::Known(Some(other));
            },
            "audit.role-missing",
            Status::Failed,
        ),
        (
            |it| {
                let mut closed = trusts(Scope::Cluster);
                closed.0["Statement"][0]["Principal"] = json!({"Service": "ec2.amazonaws.com"});
                it.roles.get_mut(ROLE).unwrap().role = Observed::Known(Some(role("app", closed)));
            },
            "audit.no-credentials",
            Status::Failed,
        ),
        (|it| allow(it, "*"), "audit.admin", Status::Failed),
        (|it| allow(it, "iam:PutRolePolicy"), "audit.admin", Status::Failed),
        (|it| allow(it, "s3:*"), "audit.all-actions", Status::Warning),
        (|it| it.used = Observed::Unreadable("not allowed: list pods".to_owned()), "audit.unread", Status::Skipped),
        (
            |it| it.roles.get_mut(ROLE).unwrap().documents = Observed::Unreadable("not allowed: x".to_owned()),
            "audit.unread",
            Status::Skipped,
        ),
    ];
    for (change, id, status) in rows {
        let mut world = healthy();
        change(&mut world);
        let found: Vec<_> = findings(&world).iter().map(|it| (it.check.id, it.status)).collect();
        assert_eq!(found, [(*id, *status)]);
    }
}

#[test]
fn session_tags_that_are_off_matter_where_a_policy_asks_for_them() {
    let asks = |key: &str, off: bool| {
        let mut world = healthy();
        world.associations[0].disable_session_tags = off;
        let policy = Document::of([json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*",
            "Condition": {"StringEquals": {key: "carts"}}})]);
        let documents = RoleDocuments { identity: vec![("own".to_owned(), policy)], boundary: None };
        let view = world.roles.get_mut(ROLE).unwrap();
        view.documents = Observed::Known(documents);
        let trust = document(statement(&cluster(), &named("carts/carts"), Scope::Cluster, !off));
        view.role = Observed::Known(Some(role("app", trust)));
        findings(&world).iter().map(|it| it.check.id).collect::<Vec<_>>()
    };
    assert_eq!(asks("aws:PrincipalTag/kubernetes-namespace", true), ["audit.session-tags-off"]);
    assert_eq!(asks("aws:PrincipalTag/kubernetes-namespace", false), [""; 0]);
    assert_eq!(asks("aws:PrincipalTag/team", true), [""; 0]);
}

/// A boundary that leaves nothing of a wide statement leaves no finding.
#[test]
fn a_boundary_counts() {
    let mut world = healthy();
    let mut wide = view(&json!("s3:*"));
    let narrow = Document::of([json!({"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"})]);
    known(&mut wide.documents).boundary = Some(("edge".to_owned(), narrow));
    world.roles.insert(ROLE.to_owned(), wide);
    assert_eq!(findings(&world), []);
}

#[test]
fn an_add_ons_association_is_not_podids_to_delete() {
    let mut world = healthy();
    known(&mut world.accounts).remove(&named("carts/carts"));
    let fix = |world: &World| findings(world)[0].remedies[0].text();
    assert_eq!(fix(&world), "`podid disassociate carts/carts`");
    world.associations[0].summary.owner_arn = Some("arn:aws:eks:us-west-2:1:addon/c/x/1".to_owned());
    assert!(fix(&world).starts_with("it belongs to the add-on "));
}

#[test]
fn usage_of_other_clusters_is_use() {
    let mut reads = crate::model::role_users::Reads::default();
    reads.clusters.insert(cluster().arn, ClusterRead::Read);
    let mut world = healthy();
    let usage = reads.usage(&ROLE.parse().unwrap(), &trusts(Scope::Cluster), |_| false);
    known(&mut world.trusting)[0].unused = Some(usage);
    assert_eq!(findings(&world)[0].check.id, "audit.role-unused");
}

/// Refused Rollouts matter only where they might be what runs as it.
#[test]
fn rollouts_that_could_not_be_read() {
    let mut world = healthy();
    world.by_rollouts = Observed::Unreadable("not allowed: list rollouts".to_owned());
    assert_eq!(findings(&world), []);
    forget(&mut world.used, &named("carts/carts"));
    let found: Vec<_> = findings(&world).iter().map(|it| (it.check.id, it.status)).collect();
    assert_eq!(found, [("audit.unread", Status::Skipped)]);
    world.by_rollouts = Observed::Known(BTreeSet::from([named("carts/carts")]));
    assert_eq!(findings(&world), []);
}

/// A role that nobody uses is left over itself; its statements are not told beside it.
#[test]
fn a_statement_without_an_association_in_a_role_without_users() {
    let mut world = healthy();
    let role = &mut known(&mut world.trusting)[0];
    role.left = vec![left(), LeftStatement { subject: None, ..left() }];
    let said = findings(&world)[0].message.clone();
    assert!(said.contains("podid's statements allow carts/old in cluster eks-workshop, Podid0 in cluster"), "{said}");
    known(&mut world.trusting)[0].unused = Some(Usage::default());
    let found: Vec<_> = findings(&world).iter().map(|it| it.check.id).collect();
    assert_eq!(found, ["audit.role-unused"]);
}

/// A role is told once, with everyone who uses it.
#[test]
fn a_wide_statement_of_a_shared_role_is_one_finding() {
    let mut world = healthy();
    allow(&mut world, "*");
    let mut other = world.associations[0].clone();
    other.summary.subject = named("orders/orders");
    world.associations.push(other);
    let found = findings(&world);
    let admin: Vec<&Finding> = found.iter().filter(|it| it.check.id == "audit.admin").collect();
    let users: Vec<&str> = admin[0].evidence.iter().map(|it| it.text.as_str()).collect();
    assert_eq!((admin.len(), users), (1, vec!["carts/carts", "orders/orders"]));
}

/// Nobody can tell from here that no Job will run as it: the command stands in a sentence that says when.
#[test]
fn an_association_without_pods_is_deleted_only_if_nothing_creates_them() {
    let mut world = healthy();
    forget(&mut world.used, &named("carts/carts"));
    let fix = findings(&world)[0].remedies[0].text();
    assert_eq!(fix, "if nothing creates pods as it: `podid disassociate carts/carts`");
}
