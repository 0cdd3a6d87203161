//! What the pods' credentials may do, and what their nodes' roles may: IAM is asked to simulate; where it may not be asked,
//! and where it denies and the policies can tell why, the policies are read.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};

use super::{super::CONCURRENCY, Asking, NODE_GROUP};
use crate::{
    failure::{Failure, Kind, Result},
    model::{
        access::{
            self, AccessView, CallContext, Decision, EKS_AUTH, Effect, Need, NodeRole, RoleDocuments, Session,
            Simulation,
        },
        arn::{Arn, account, last},
        association::Association,
        have::Observed,
        said::{self, Standing},
        snapshot::{PodLog, RoleView, Snapshot},
    },
    observe::seen_or_why as seen,
    output::mask,
};

/// What IAM is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Question<'a> {
    resource: &'a str,
    action: &'a str,
    brings: &'a CallContext,
}

/// What is read once for all service accounts: tables by ARN.
type Tables = BTreeMap<String, TableView>;

/// A table and its own policy.
#[derive(Default, Clone)]
struct TableView {
    table: Observed<Option<crate::model::table::Table>>,
    policy: Observed<Option<crate::model::document::Document>>,
}

impl Asking<'_> {
    /// Finds out what each workload needs, and asks what its credentials may do, and its nodes' roles.
    ///
    /// # Errors
    /// When a read failed for another reason than a missing permission.
    pub(super) async fn access(&self, snapshots: &mut [Snapshot]) -> Result<()> {
        for it in snapshots.iter_mut() {
            it.needs = self.needs_of(it);
        }
        let tables = self.tables_of(snapshots).await?;
        let nodes = self.node_roles_of(snapshots).await?;
        let asked = stream::iter(snapshots.iter().map(|it| self.access_of(it, &tables)))
            .buffered(CONCURRENCY)
            .try_collect::<Vec<_>>()
            .await?;
        for (it, (view, documents)) in snapshots.iter_mut().zip(asked) {
            it.access = view;
            let through_target = it.associated().is_some_and(|association| association.target_role_arn.is_some());
            let role = if through_target { &mut it.target } else { &mut it.role };
            if documents != Observed::NotRequested {
                role.documents = documents;
            }
            if self.looks_at_nodes(it) {
                let groups = groups_of(it);
                let own = nodes.iter().filter(|(group, _)| groups.contains(*group));
                it.node_roles = own.map(|(group, role)| (group.clone(), role.clone())).collect();
            }
        }
        Ok(())
    }

    /// What was named, and what the refusals in the logs tell.
    fn needs_of(&self, it: &Snapshot) -> Vec<Need> {
        let mut needs = self.needs.clone();
        // What a container said and gets on without is no need any more.
        let stands = |log: &&PodLog| {
            let lines = log.lines.known().map_or(&[][..], Vec::as_slice);
            it.is_failing(log) || said::last(lines, it.now).is_some_and(|saying| saying.standing == Standing::Current)
        };
        let own = it.associated().map(Association::role_names).unwrap_or_default();
        for log in it.logs.iter().filter(stands) {
            let cluster = it.cluster.cluster.known().map(|cluster| &cluster.arn);
            let told = access::from_log(&log.pod, log.lines.known().into_iter().flatten(), cluster, &own);
            // A resource may have been named after a secret.
            for need in told.into_iter().filter(|need| mask::credentials(&need.resource) == need.resource) {
                if !needs.iter().any(|known| known.same_call(&need)) {
                    needs.push(need);
                }
            }
        }
        needs
    }

    async fn tables_of(&self, snapshots: &[Snapshot]) -> Result<Tables> {
        let asked = snapshots.iter().filter(|it| it.associated().is_some());
        let wanted: BTreeSet<Arn> =
            asked.flat_map(|it| &it.needs).filter_map(|need| access::table_of(&need.resource)).collect();
        let reads = wanted.into_iter().map(|arn| async move {
            let table = async { seen(self.tables.table(&arn).await, "dynamodb:DescribeTable") };
            let policy = async { seen(self.tables.table_policy(&arn).await, "dynamodb:GetResourcePolicy") };
            let (table, policy) = futures::try_join!(table, policy)?;
            Ok((arn.to_string(), TableView { table, policy }))
        });
        stream::iter(reads).buffered(CONCURRENCY).try_collect().await
    }

    /// IAM's answers to what one service account needs, and the policies of its role where they are of use.
    async fn access_of(&self, it: &Snapshot, tables: &Tables) -> Result<(AccessView, Observed<RoleDocuments>)> {
        let mut view = AccessView::default();
        let Some(session) = Session::of(it).filter(|_| !it.needs.is_empty()) else {
            return Ok((view, Observed::NotRequested));
        };
        let role = if it.associated().is_some_and(|a| a.target_role_arn.is_some()) { &it.target } else { &it.role };
        for need in &it.needs {
            if let Some((arn, table)) =
                access::table_of(&need.resource).and_then(|arn| tables.get_key_value(&arn.to_string()))
            {
                view.tables.insert(arn.clone(), table.table.clone());
                view.table_policies.insert(arn.clone(), table.policy.clone());
            }
        }
        match &role.role {
            Observed::Known(None) | Observed::NotRequested => return Ok((view, Observed::NotRequested)),
            // What is in another account cannot be asked about from here.
            Observed::Unreadable(why) if !same_account(it, &session.role) => {
                view.simulated = Observed::Unreadable(why.clone());
                return Ok((view, Observed::NotRequested));
            }
            Observed::Unreadable(_) | Observed::Known(Some(_)) => {}
        }
        let used = |arn: &str| {
            let of_it = |need: &&Need| access::table_of(&need.resource).is_some_and(|table| table.to_string() == arn);
            it.needs.iter().filter(of_it).any(|need| access::uses_key(&need.action))
        };
        let keys = view.tables.iter().filter(|(arn, _)| used(arn));
        let keys = keys.filter_map(|(_, table)| table.known()?.as_ref()?.key.as_ref());
        let nothing = CallContext::new();
        let mut asked: BTreeSet<Question<'_>> = it
            .needs
            .iter()
            .map(|need| Question { resource: &need.resource, action: &need.action, brings: &need.context })
            .collect();
        asked.extend(keys.map(|key| Question { resource: key, action: "kms:Decrypt", brings: &nothing }));
        view.simulated = self.simulated(&session, &asked).await?;
        // The policies tell why nothing allows it, and whether the answer hangs on what IAM was not told.
        let open = |decision: &Decision| {
            let plain = decision.boundary != Some(false) && decision.organization != Some(false);
            match decision.effect {
                Effect::Implicit if plain => true,
                Effect::Allowed | Effect::Implicit | Effect::Explicit => !decision.hangs_on(&session).is_empty(),
            }
        };
        let of_use = match &view.simulated {
            Observed::Known(decisions) => decisions.iter().any(open),
            Observed::Unreadable(_) => true,
            Observed::NotRequested => false,
        };
        let documents = if of_use { self.documents(&session.role, role).await? } else { Observed::NotRequested };
        Ok((view, documents))
    }

    /// One call for each resource, and for what is brought along: what actions of different services are asked about, IAM wants
    /// to be asked apart.
    async fn simulated(&self, session: &Session, asked: &BTreeSet<Question<'_>>) -> Result<Observed<Vec<Decision>>> {
        let mut by_resource: BTreeMap<(&str, &str, &CallContext), Vec<&str>> = BTreeMap::new();
        for Question { resource, action, brings } in asked {
            let service = action.split(':').next().unwrap_or_default();
            by_resource.entry((resource, service, brings)).or_default().push(action);
        }
        let reads = by_resource.into_iter().map(|((resource, _, brings), actions)| async move {
            let asked = Simulation {
                role: session.role.clone(),
                context: session.context(actions.first().copied().unwrap_or_default(), resource, brings),
                actions: actions.into_iter().map(str::to_owned).collect(),
                resource: resource.to_owned(),
            };
            Ok(self.simulate(&asked).await?.map(|all| all.iter().map(|one| one.with(brings)).collect()))
        });
        let answers: Vec<Observed<Vec<Decision>>> = stream::iter(reads).buffered(CONCURRENCY).try_collect().await?;
        let mut all = Vec::new();
        for answer in answers {
            match answer {
                Observed::Known(decisions) => all.extend(decisions),
                other => return Ok(other),
            }
        }
        Ok(Observed::Known(all))
    }

    async fn simulate(&self, asked: &Simulation) -> Result<Observed<Vec<Decision>>> {
        match self.iam.simulate(asked).await {
            // What IAM does not know how to simulate is no reason to tell nothing else.
            Err(failure) if invalid(&failure) => Ok(Observed::Unreadable(failure.to_string())),
            Err(failure) if failure.is(Kind::NotFound) => Ok(Observed::Unreadable(access::NO_ROLE.to_owned())),
            answer => seen(answer, "iam:SimulatePrincipalPolicy"),
        }
    }

    /// The policies of a role, and its boundary.
    async fn documents(&self, arn: &str, view: &RoleView) -> Result<Observed<RoleDocuments>> {
        let role = match &view.role {
            Observed::Known(role) => Observed::Known(role.clone()),
            Observed::NotRequested => seen(self.iam.role(last(arn)).await, "iam:GetRole")?,
            Observed::Unreadable(why) => return Ok(Observed::Unreadable(why.clone())),
        };
        match role {
            Observed::Known(Some(role)) => self.policies_of(&role).await,
            Observed::Known(None) | Observed::NotRequested => Ok(Observed::NotRequested),
            Observed::Unreadable(why) => Ok(Observed::Unreadable(why)),
        }
    }

    /// A node's role is looked at only where its lack could be what is wrong, or what the workload needs was named.
    fn looks_at_nodes(&self, it: &Snapshot) -> bool {
        let trouble = || it.live_pods().iter().any(|pod| pod.containers.iter().any(|c| pod.troubled(c)));
        it.associated().is_some() && (!self.needs.is_empty() || trouble())
    }

    async fn node_roles_of(&self, snapshots: &[Snapshot]) -> Result<BTreeMap<String, Observed<NodeRole>>> {
        let looked_at = || snapshots.iter().filter(|it| self.looks_at_nodes(it));
        let Some((cluster, agent)) =
            looked_at().next().and_then(|it| Some((it.cluster.cluster.known()?, it.cluster.agent.known()?)))
        else {
            return Ok(BTreeMap::new());
        };
        let nodes: BTreeSet<String> =
            looked_at().flat_map(|it| it.live_pods().into_iter().filter_map(|pod| pod.node.clone())).collect();
        let roles = self.node_roles(&cluster.name, agent, &nodes).await?;
        let arns: BTreeSet<&String> = roles.values().filter_map(Observed::known).collect();
        let cluster = cluster.arn.to_string();
        let nothing = CallContext::new();
        let asked = BTreeSet::from([Question { resource: &cluster, action: EKS_AUTH, brings: &nothing }]);
        let reads = arns.into_iter().map(|arn| {
            let asked = &asked;
            async move {
                let session = Session::plain(arn);
                let simulated = self.simulated(&session, asked).await?;
                let denied = |one: &Decision| one.effect != Effect::Allowed && !one.hangs_on(&session).is_empty();
                let of_use = match &simulated {
                    Observed::Unreadable(_) => true,
                    Observed::Known(decisions) => decisions.iter().any(denied),
                    Observed::NotRequested => false,
                };
                let documents =
                    if of_use { self.documents(arn, &RoleView::default()).await? } else { Observed::NotRequested };
                Ok((arn.clone(), NodeRole { arn: arn.clone(), simulated, documents }))
            }
        });
        let answers: BTreeMap<String, NodeRole> = stream::iter(reads).buffered(CONCURRENCY).try_collect().await?;
        let of = |arn: &String| answers.get(arn).cloned().map_or(Observed::NotRequested, Observed::Known);
        Ok(roles
            .iter()
            .map(|(group, role)| {
                let role = match role {
                    Observed::Known(arn) => of(arn),
                    Observed::Unreadable(why) => Observed::Unreadable(why.clone()),
                    Observed::NotRequested => Observed::NotRequested,
                };
                (group.clone(), role)
            })
            .collect())
    }
}

/// The managed node groups that the pods run on.
fn groups_of(it: &Snapshot) -> BTreeSet<String> {
    let pods = it.live_pods();
    let nodes: BTreeSet<&String> = pods.iter().filter_map(|pod| pod.node.as_ref()).collect();
    let all = it.cluster.agent.known().into_iter().flat_map(|agent| &agent.nodes);
    all.filter(|node| nodes.contains(&node.name)).filter_map(|node| node.labels.get(NODE_GROUP).cloned()).collect()
}

fn same_account(it: &Snapshot, role: &str) -> bool {
    let home = it.cluster.cluster.known().map(|cluster| cluster.arn.account.as_str());
    home == account(role)
}

/// IAM refuses the question itself.
fn invalid(failure: &Failure) -> bool {
    failure.is(Kind::Invalid)
}
