//! What others change between the plan and the write is not overwritten: each step against services that are not as they were
//! planned from, beside its quiet twin.

use std::sync::Mutex as Lock;

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde_json::{Value, json};

use super::*;
use crate::{
    model::{
        access::{Decision, Simulation},
        addon::{Addon, AddonChange, AddonIdentity, AddonOffer, AddonUpdate, Settings},
        arn::Arn,
        association::{AssociationChange, AssociationFilter, AssociationSpec, AssociationSummary, NewAssociation},
        cluster::Cluster,
        document::Document,
        fixtures::{self, association, subject},
        last_use::ServiceUse,
        role::{ListedRole, NewRole, Role},
        trust,
        want::Scope,
    },
    plan::LastLook,
    ports::Caller,
};

const OLD: &str = "arn:aws:iam::111122223333:role/app";
const OTHER: &str = "arn:aws:iam::111122223333:role/theirs";
const BOUNDARY: &str = "arn:aws:iam::111122223333:policy/boundary";

/// What is there.
#[derive(Debug, Clone)]
struct World {
    role: Option<Role>,
    inline: Option<Document>,
    association: Option<Association>,
    addon: Option<Addon>,
}

/// EKS and IAM, with what was written.
struct Services {
    world: World,
    writes: Lock<Vec<&'static str>>,
}

impl Services {
    fn wrote(&self, operation: &'static str) {
        self.writes.lock().unwrap().push(operation);
    }
}

#[async_trait]
impl Eks for Services {
    fn elsewhere(&self, _: &str) -> Box<dyn Eks> {
        unreachable!()
    }
    async fn cluster(&self, _: &str) -> Result<Cluster> {
        unreachable!()
    }
    async fn clusters(&self) -> Result<Vec<String>> {
        unreachable!()
    }
    fn association_pages(&self, _: &str, _: &AssociationFilter) -> BoxStream<'_, Result<Vec<AssociationSummary>>> {
        Box::pin(stream::empty())
    }
    async fn association(&self, _: &str, _: &str) -> Result<Option<Association>> {
        Ok(self.world.association.clone())
    }
    async fn create_association(&self, _: &str, _: &NewAssociation, _: &str) -> Result<Association> {
        self.wrote("create association");
        Ok(association(OTHER))
    }
    async fn update_association(&self, _: &str, _: &str, _: &AssociationChange, _: &str) -> Result<Association> {
        self.wrote("update association");
        Ok(association(OTHER))
    }
    async fn delete_association(&self, _: &str, _: &str) -> Result<bool> {
        self.wrote("delete association");
        Ok(true)
    }
    async fn tag(&self, _: &str, _: &BTreeMap<String, String>) -> Result<()> {
        unreachable!()
    }
    async fn untag(&self, _: &str, _: &[String]) -> Result<()> {
        unreachable!()
    }
    async fn node_role(&self, _: &str, _: &str) -> Result<Option<String>> {
        unreachable!()
    }
    async fn addons(&self, _: &str) -> Result<Vec<Addon>> {
        unreachable!()
    }
    async fn addon(&self, _: &str, _: &str) -> Result<Option<Addon>> {
        Ok(self.world.addon.clone())
    }
    async fn addon_offer(&self, _: &str, _: &str) -> Result<AddonOffer> {
        unreachable!()
    }
    async fn create_addon(&self, _: &str, _: &str, _: &str, _: &Settings) -> Result<Addon> {
        unreachable!()
    }
    async fn update_addon(&self, _: &str, _: &str, _: &str, _: &Settings, _: &str) -> Result<AddonUpdate> {
        self.wrote("update add-on");
        Ok(AddonUpdate { id: "u-1".to_owned(), status: "InProgress".to_owned(), errors: Vec::new() })
    }
    async fn set_addon_associations(&self, _: &str, _: &str, _: &AddonChange, _: &str) -> Result<AddonUpdate> {
        unreachable!()
    }
    async fn addon_update(&self, _: &str, _: &str, _: &str) -> Result<AddonUpdate> {
        unreachable!()
    }
    async fn delete_addon(&self, _: &str, _: &str) -> Result<bool> {
        unreachable!()
    }
    async fn addon_schema(&self, _: &str, _: &str) -> Result<Value> {
        unreachable!()
    }
    async fn addon_identities(&self, _: &str, _: &str) -> Result<Vec<AddonIdentity>> {
        unreachable!()
    }
}

#[async_trait]
impl Iam for Services {
    async fn caller(&self) -> Result<Caller> {
        unreachable!()
    }
    async fn role(&self, _: &str) -> Result<Option<Role>> {
        Ok(self.world.role.clone())
    }
    fn roles(&self) -> BoxStream<'_, Result<Vec<ListedRole>>> {
        unreachable!()
    }
    async fn create_role(&self, _: &NewRole) -> Result<Role> {
        unreachable!()
    }
    async fn put_trust(&self, _: &str, _: &Document) -> Result<()> {
        unreachable!()
    }
    async fn tag_role(&self, _: &str, _: &BTreeMap<String, String>) -> Result<()> {
        unreachable!()
    }
    async fn untag_role(&self, _: &str, _: &[String]) -> Result<()> {
        unreachable!()
    }
    async fn put_boundary(&self, _: &str, _: Option<&str>) -> Result<()> {
        self.wrote("put boundary");
        Ok(())
    }
    async fn attached_policies(&self, _: &str) -> Result<Vec<String>> {
        unreachable!()
    }
    async fn attach_policy(&self, _: &str, _: &str) -> Result<()> {
        unreachable!()
    }
    async fn inline_policies(&self, _: &str) -> Result<Vec<String>> {
        unreachable!()
    }
    async fn inline_policy(&self, _: &str, _: &str) -> Result<Option<Document>> {
        Ok(self.world.inline.clone())
    }
    async fn policy_exists(&self, _: &str) -> Result<bool> {
        unreachable!()
    }
    async fn managed_policy(&self, _: &str) -> Result<Option<Document>> {
        unreachable!()
    }
    async fn detach_policy(&self, _: &str, _: &str) -> Result<bool> {
        unreachable!()
    }
    async fn delete_inline_policy(&self, _: &str, _: &str) -> Result<bool> {
        self.wrote("delete policy");
        Ok(true)
    }
    async fn instance_profiles(&self, _: &str) -> Result<Vec<String>> {
        unreachable!()
    }
    async fn delete_role(&self, _: &str) -> Result<bool> {
        self.wrote("delete role");
        Ok(true)
    }
    async fn put_inline_policy(&self, _: &str, _: &str, _: &Document) -> Result<()> {
        unreachable!()
    }
    async fn simulate(&self, _: &Simulation) -> Result<Vec<Decision>> {
        unreachable!()
    }
    async fn ask_for_last_use(&self, _: &Arn) -> Result<String> {
        unreachable!()
    }
    async fn last_use(&self, _: &str) -> Result<Option<Vec<ServiceUse>>> {
        unreachable!()
    }
}

/// A role of podid's, its policy, its association, and the agent's add-on.
fn world() -> World {
    let own = trust::statement(&fixtures::cluster(), &subject("carts/carts"), Scope::ServiceAccount, true);
    World {
        role: Some(fixtures::role("app", trust::document(own))),
        inline: Some(Document(json!({"Statement": []}))),
        association: Some(association(OLD)),
        addon: fixtures::agent(&[], &[]).addon,
    }
}

/// What the step comes to, and what it wrote.
fn carried_out(world: World, step: Step) -> (Report, Vec<&'static str>) {
    let services = Services { world, writes: Lock::default() };
    let ports = Ports { eks: &services, iam: &services, kube: None };
    let (_signal, deadline) = Deadline::unhurried();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let outcome = runtime.block_on(run(&ports, &deadline, vec![step], |_| {}));
    let writes = services.writes.lock().unwrap().clone();
    (outcome.reports.into_iter().next().unwrap(), writes)
}

type Change = fn(&mut World);

/// A step that reads right before it writes, as planned from [`world`]; what it writes, and what may have changed since, with what
/// podid says of it.
struct Row {
    step: Step,
    writes: Vec<&'static str>,
    changes: Vec<(Change, &'static str)>,
}

impl Row {
    fn new(step: Step, writes: &[&'static str]) -> Self {
        Self { step, writes: writes.to_vec(), changes: Vec::new() }
    }

    fn unless(mut self, change: Change, why: &'static str) -> Self {
        self.changes.push((change, why));
        self
    }
}

fn rows() -> [Row; 7] {
    let (cluster, id, role) = ("eks-workshop".to_owned(), "a-1".to_owned(), "app".to_owned());
    let (there, carts) = (world(), subject("carts/carts"));
    let trust = there.role.unwrap().trust;
    let spec = AssociationSpec { role_arn: OTHER.to_owned(), ..association(OLD).spec() };
    let new = NewAssociation { subject: carts.clone(), spec };
    let last = LastLook { arn: OLD.parse().unwrap(), cluster: fixtures::cluster().arn, force: false };
    let change = AssociationChange { role_arn: Some(OTHER.to_owned()), ..AssociationChange::default() };
    let from_role = OLD.to_owned();
    let theirs: Change = |world| world.association = Some(association(OTHER));
    let gone: Change = |world| world.association = None;
    let boundary = Step::PutBoundary { role: role.clone(), before: None, after: Some(BOUNDARY.to_owned()) };
    let policy = Step::DeletePolicy { role: role.clone(), name: "own".to_owned(), before: there.inline };
    let delete = Step::DeleteRole { role, trust, last: Box::new(last) };
    let update = Step::UpdateAssociation {
        cluster: cluster.clone(),
        association_id: id.clone(),
        subject: carts.clone(),
        from_role: from_role.clone(),
        change,
    };
    let replace = Step::ReplaceAssociation {
        cluster: cluster.clone(),
        association_id: id.clone(),
        from_role: from_role.clone(),
        association: Box::new(new),
    };
    let end =
        Step::DeleteAssociation { cluster: cluster.clone(), association_id: id, subject: carts, role_arn: from_role };
    let from = Box::new(there.addon.unwrap());
    let agent = Step::UpdateAgent { cluster, from, version: "v2".to_owned(), settings: Settings::default() };
    [
        Row::new(boundary, &["put boundary"])
            .unless(|world| world.role.as_mut().unwrap().permissions_boundary = Some("theirs".to_owned()), "theirs")
            .unless(|world| world.role = None, "the role was deleted"),
        Row::new(policy, &["delete policy"])
            .unless(|world| world.inline = Some(Document(json!({"Statement": [{}]}))), "its document was changed"),
        Row::new(delete, &["delete role"])
            .unless(
                |world| world.role.as_mut().unwrap().arn = "arn:aws:iam::111122223333:role/new/app".parse().unwrap(),
                "it was deleted and created again",
            )
            .unless(
                |world| world.role.as_mut().unwrap().trust = trust::document(json!({"Effect": "Deny"})),
                "its trust policy was changed",
            ),
        Row::new(update, &["update association"]).unless(theirs, OTHER).unless(gone, "deleted"),
        Row::new(replace, &["delete association", "create association"]).unless(theirs, OTHER).unless(gone, "deleted"),
        Row::new(end, &["delete association"]).unless(theirs, OTHER),
        Row::new(agent, &["update add-on"])
            .unless(|world| "v3".clone_into(&mut world.addon.as_mut().unwrap().version), "its version is v3 now")
            .unless(
                |world| world.addon.as_mut().unwrap().configuration = Some("{}".to_owned()),
                "its configuration was changed",
            )
            .unless(|world| world.addon = None, "it was deleted"),
    ]
}

#[test]
fn what_changed_since_the_plan_is_not_overwritten() {
    for Row { step, writes, changes } in rows() {
        let (report, wrote) = carried_out(world(), step.clone());
        assert_eq!((report.status, wrote), (Status::Done, writes), "{step:?}: {:?}", report.failure);
        for (change, why) in changes {
            let mut changed = world();
            change(&mut changed);
            let (report, wrote) = carried_out(changed, step.clone());
            assert_eq!((report.status, wrote.len()), (Status::Failed, 0), "{step:?}: {why}");
            let failure = report.failure.unwrap();
            assert!(failure.message.ends_with("was modified concurrently"), "{failure:?}");
            assert_eq!(failure.causes, [why], "{step:?}");
        }
    }
}

/// What is as it was wanted, or gone where it was to go, is no failure and no write.
#[test]
fn what_is_done_already_is_skipped() {
    let changes: [(&str, Change); 4] = [
        ("put-boundary", |world| world.role.as_mut().unwrap().permissions_boundary = Some(BOUNDARY.to_owned())),
        ("delete-policy/own", |world| world.inline = None),
        ("delete-role", |world| world.role = None),
        ("delete-association/carts/carts", |world| world.association = None),
    ];
    for (id, change) in changes {
        let row = rows().into_iter().find(|row| row.step.id() == id).unwrap();
        let mut found = world();
        change(&mut found);
        let (report, wrote) = carried_out(found, row.step);
        assert_eq!((report.status, wrote.len()), (Status::Skipped, 0), "{id}: {:?}", report.failure);
    }
}
