//! EKS and IAM that are as a test says, refuse what it says, and tell what was written.

use std::{collections::BTreeMap, sync::Mutex as Lock};

use async_trait::async_trait;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use serde_json::Value;

use crate::{
    failure::{Failure, Kind, Result, ServiceError},
    model::{
        access::{Decision, Simulation},
        addon::{Addon, AddonChange, AddonIdentity, AddonOffer, AddonUpdate, Settings},
        arn::Arn,
        association::{Association, AssociationChange, AssociationFilter, AssociationSummary, NewAssociation},
        cluster::Cluster,
        document::Document,
        fixtures::{self, association},
        last_use::ServiceUse,
        role::{ListedRole, NewRole, Role},
    },
    ports::{Caller, Eks, Iam},
};

/// What is there.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) role: Option<Role>,
    pub(super) inline: Option<Document>,
    pub(super) association: Option<Association>,
    pub(super) addon: Option<Addon>,
    /// A List shows the association.
    pub(super) listed: bool,
}

/// What somebody does.
pub(super) type Change = fn(&mut World);

/// Refuses an operation so often; at each, something else happens.
pub(super) struct Refusal {
    operation: &'static str,
    times: usize,
    kind: Kind,
    meanwhile: Change,
}

/// EKS and IAM, with what was written.
pub(super) struct Services {
    pub(super) world: Lock<World>,
    pub(super) writes: Lock<Vec<&'static str>>,
    /// The idempotency tokens of all attempts.
    pub(super) tokens: Lock<Vec<String>>,
    refusals: Lock<Vec<Refusal>>,
    /// So many reads still show what was there before a document was written.
    lag: usize,
    late: Lock<Option<(usize, Document)>>,
    /// What happens right after podid's write of a document, in its place.
    overwritten: Option<Change>,
    /// What never answers.
    hangs: Option<&'static str>,
    /// Updates are accepted, and clear nothing.
    keeps: bool,
}

/// A service's refusal.
fn refused(operation: &'static str, kind: Kind) -> Failure {
    let service = ServiceError {
        service: "IAM",
        operation: operation.to_owned(),
        code: String::new(),
        kind,
        message: String::new(),
        request_id: None,
        status: Some(400),
    };
    Failure { service: Some(Box::new(service)), ..Failure::failed(format!("{operation} was refused")) }
}

impl Services {
    pub(super) fn new(world: World) -> Self {
        Self {
            world: Lock::new(world),
            writes: Lock::default(),
            tokens: Lock::default(),
            refusals: Lock::default(),
            lag: 0,
            late: Lock::default(),
            overwritten: None,
            hangs: None,
            keeps: false,
        }
    }

    /// Refuses an operation so often.
    pub(super) fn refusing(self, operation: &'static str, times: usize, kind: Kind) -> Self {
        self.refusing_while(operation, times, kind, |_| {})
    }

    /// The same, while somebody does something.
    pub(super) fn refusing_while(self, operation: &'static str, times: usize, kind: Kind, meanwhile: Change) -> Self {
        self.refusals.lock().unwrap().push(Refusal { operation, times, kind, meanwhile });
        self
    }

    /// Shows a document only after so many reads.
    pub(super) fn late_by(self, lag: usize) -> Self {
        Self { lag, ..self }
    }

    /// Somebody writes right after podid.
    pub(super) fn overwritten(self, by: Change) -> Self {
        Self { overwritten: Some(by), ..self }
    }

    /// Accepts updates, and clears nothing.
    pub(super) fn keeping(self) -> Self {
        Self { keeps: true, ..self }
    }

    /// Never answers an operation.
    pub(super) fn hanging(self, operation: &'static str) -> Self {
        Self { hangs: Some(operation), ..self }
    }

    async fn answers(&self, operation: &'static str) -> Result<()> {
        if self.hangs == Some(operation) {
            std::future::pending::<()>().await;
        }
        let mut refusals = self.refusals.lock().unwrap();
        let Some(refusal) = refusals.iter_mut().find(|one| one.operation == operation && one.times > 0) else {
            return Ok(());
        };
        refusal.times -= 1;
        (refusal.meanwhile)(&mut self.world.lock().unwrap());
        Err(refused(operation, refusal.kind))
    }

    async fn write(&self, operation: &'static str) -> Result<()> {
        self.answers(operation).await?;
        self.writes.lock().unwrap().push(operation);
        Ok(())
    }

    fn wrote_document(&self, document: &Document) {
        match self.overwritten {
            Some(by) => by(&mut self.world.lock().unwrap()),
            None => *self.late.lock().unwrap() = Some((self.lag, document.clone())),
        }
    }

    /// The document that was written, once reads show it.
    fn shown(&self) -> Option<Document> {
        let mut late = self.late.lock().unwrap();
        match late.as_mut() {
            Some((0, _)) => late.take().map(|(_, document)| document),
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        }
    }

    fn update() -> AddonUpdate {
        AddonUpdate { id: "u-1".to_owned(), status: "InProgress".to_owned(), errors: Vec::new() }
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
        let world = self.world.lock().unwrap();
        let listed = world.association.iter().filter(|_| world.listed).map(|one| one.summary.clone()).collect();
        Box::pin(
            stream::once(async move {
                self.answers("list associations").await?;
                Ok(listed)
            })
            .boxed(),
        )
    }
    async fn association(&self, _: &str, _: &str) -> Result<Option<Association>> {
        Ok(self.world.lock().unwrap().association.clone())
    }
    async fn create_association(&self, _: &str, _: &NewAssociation, token: &str) -> Result<Association> {
        self.tokens.lock().unwrap().push(token.to_owned());
        self.write("create association").await?;
        Ok(association(super::OTHER))
    }
    async fn update_association(
        &self,
        _: &str,
        _: &str,
        change: &AssociationChange,
        token: &str,
    ) -> Result<Association> {
        self.tokens.lock().unwrap().push(token.to_owned());
        self.write("update association").await?;
        let mut world = self.world.lock().unwrap();
        let before = world.association.clone().unwrap();
        let after = before.clone().with(before.spec().changed(change));
        if !self.keeps {
            world.association = Some(after.clone());
        }
        Ok(after)
    }
    async fn delete_association(&self, _: &str, _: &str) -> Result<bool> {
        self.write("delete association").await?;
        Ok(true)
    }
    async fn tag(&self, _: &str, _: &BTreeMap<String, String>) -> Result<()> {
        self.write("tag association").await
    }
    async fn untag(&self, _: &str, _: &[String]) -> Result<()> {
        self.write("untag association").await
    }
    async fn node_role(&self, _: &str, _: &str) -> Result<Option<String>> {
        unreachable!()
    }
    async fn addons(&self, _: &str) -> Result<Vec<Addon>> {
        unreachable!()
    }
    async fn addon(&self, _: &str, _: &str) -> Result<Option<Addon>> {
        Ok(self.world.lock().unwrap().addon.clone())
    }
    async fn addon_offer(&self, _: &str, _: &str) -> Result<AddonOffer> {
        unreachable!()
    }
    async fn create_addon(&self, _: &str, _: &str, _: &str, _: &Settings) -> Result<Addon> {
        self.write("create add-on").await?;
        Ok(fixtures::agent(&[], &[]).addon.unwrap())
    }
    async fn update_addon(&self, _: &str, _: &str, _: &str, _: &Settings, _: &str) -> Result<AddonUpdate> {
        self.write("update add-on").await?;
        Ok(Self::update())
    }
    async fn set_addon_associations(&self, _: &str, _: &str, _: &AddonChange, _: &str) -> Result<AddonUpdate> {
        self.write("set associations").await?;
        Ok(Self::update())
    }
    async fn addon_update(&self, _: &str, _: &str, _: &str) -> Result<AddonUpdate> {
        unreachable!()
    }
    async fn delete_addon(&self, _: &str, _: &str) -> Result<bool> {
        self.write("delete add-on").await?;
        Ok(true)
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
        self.answers("read role").await?;
        let shown = self.shown();
        let mut world = self.world.lock().unwrap();
        if let (Some(role), Some(shown)) = (world.role.as_mut(), shown) {
            role.trust = shown;
        }
        Ok(world.role.clone())
    }
    fn roles(&self) -> BoxStream<'_, Result<Vec<ListedRole>>> {
        unreachable!()
    }
    async fn create_role(&self, new: &NewRole) -> Result<Role> {
        self.write("create role").await?;
        Ok(fixtures::role(&new.name, new.trust.clone()))
    }
    async fn put_trust(&self, _: &str, trust: &Document) -> Result<()> {
        self.write("put trust").await?;
        self.wrote_document(trust);
        Ok(())
    }
    async fn tag_role(&self, _: &str, _: &BTreeMap<String, String>) -> Result<()> {
        self.write("tag role").await
    }
    async fn untag_role(&self, _: &str, _: &[String]) -> Result<()> {
        self.write("untag role").await
    }
    async fn put_boundary(&self, _: &str, _: Option<&str>) -> Result<()> {
        self.write("put boundary").await
    }
    async fn attached_policies(&self, _: &str) -> Result<Vec<String>> {
        unreachable!()
    }
    async fn attach_policy(&self, _: &str, _: &str) -> Result<()> {
        self.write("attach policy").await
    }
    async fn inline_policies(&self, _: &str) -> Result<Vec<String>> {
        unreachable!()
    }
    async fn inline_policy(&self, _: &str, _: &str) -> Result<Option<Document>> {
        if let Some(shown) = self.shown() {
            self.world.lock().unwrap().inline = Some(shown);
        }
        Ok(self.world.lock().unwrap().inline.clone())
    }
    async fn policy_exists(&self, _: &str) -> Result<bool> {
        unreachable!()
    }
    async fn managed_policy(&self, _: &str) -> Result<Option<Document>> {
        unreachable!()
    }
    async fn detach_policy(&self, _: &str, _: &str) -> Result<bool> {
        self.write("detach policy").await?;
        Ok(true)
    }
    async fn delete_inline_policy(&self, _: &str, _: &str) -> Result<bool> {
        self.write("delete policy").await?;
        Ok(true)
    }
    async fn instance_profiles(&self, _: &str) -> Result<Vec<String>> {
        unreachable!()
    }
    async fn delete_role(&self, _: &str) -> Result<bool> {
        self.write("delete role").await?;
        Ok(true)
    }
    async fn put_inline_policy(&self, _: &str, _: &str, policy: &Document) -> Result<()> {
        self.write("put policy").await?;
        self.wrote_document(policy);
        Ok(())
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
