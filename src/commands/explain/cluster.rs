//! What a cluster tells of a pasted text: the service accounts and pods whose session it names.

use std::{collections::BTreeMap, sync::Arc};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    checks::Remedy,
    context::Context,
    explain::{self, Told},
    failure::Result,
    model::{association::Association, names::ServiceAccount, refusal::Caller, text},
    observe::{
        self,
        whose::{Holder, Session},
    },
    output::Block,
};

/// Who has the role of a session.
pub(super) struct Found {
    holders: Vec<Holder>,
    by: &'static str,
    role: String,
    cluster: String,
    /// Why pods were not read.
    unread: Option<String>,
}

/// Looks each session's role up, once for each session; the remedies then name the service account, where there is but one, and
/// the cluster.
pub(super) async fn look_up(ctx: &Context, told: &mut [Told]) -> Result<Vec<Option<Arc<Found>>>> {
    let mut known: BTreeMap<String, Option<Arc<Found>>> = BTreeMap::new();
    let mut all = Vec::with_capacity(told.len());
    for one in told.iter_mut() {
        if let Some((caller, arn)) = &one.caller
            && !known.contains_key(arn)
        {
            let found = Box::pin(of_caller(ctx, caller, arn)).await?;
            known.insert(arn.clone(), found.map(Arc::new));
        }
        let found = one.caller.as_ref().and_then(|(_, arn)| known[arn].clone());
        let only = found.as_ref().and_then(|found| match &found.holders[..] {
            [holder] => Some(holder.account.to_string()),
            _ => None,
        });
        let cluster = &ctx.target()?.cluster.value;
        for hint in &mut one.hints {
            if let Some(account) = &only {
                *hint = explain::filled(hint, &[("NS/SA", account)]);
            }
            let mut remedy = Remedy::Change(std::mem::take(hint));
            remedy.of_cluster(cluster);
            *hint = remedy.text();
        }
        all.push(found);
    }
    Ok(all)
}

async fn of_caller(ctx: &Context, caller: &Caller, arn: &str) -> Result<Option<Found>> {
    let (Some(session), Some(role)) = (Session::of(arn), caller.role()) else { return Ok(None) };
    let cluster = ctx.target()?.cluster.value.clone();
    let (role, found) = (role.to_owned(), "finding the service account of the session");
    Ok(match caller {
        Caller::PodIdentity { .. } => {
            ctx.cluster().await?;
            let kube = match ctx.kube().await {
                Ok(kube) => Ok(kube as &dyn crate::ports::Kubernetes),
                Err(failure) => Err(ctx.explain_kube(failure, false).await),
            };
            let read = observe::whose::by_association(ctx.eks()?, kube, &cluster, &session);
            let (holders, pods) = ctx.deadline.within(found, read).await?;
            let unread = pods.unreadable().map(str::to_owned);
            Some(Found { holders, by: "association", role, cluster, unread })
        }
        Caller::Sdk { .. } | Caller::Session { .. } => {
            let read = async { observe::whose::by_annotation(ctx.kube().await?, &session).await };
            let holders = match ctx.deadline.within(found, Box::pin(read)).await {
                Ok(holders) => holders,
                Err(failure) => return Err(ctx.explain_kube(failure, false).await),
            };
            if !holders.is_empty() {
                return Ok(Some(Found { holders, by: "IRSA annotation", role, cluster, unread: None }));
            }
            // A program on Pod Identity that assumes a role by itself names the session as its SDK does.
            ctx.cluster().await?;
            let read = observe::whose::by_role(ctx.eks()?, &cluster, &session);
            let holders = ctx.deadline.within(found, read).await?;
            Some(Found { holders, by: "IRSA annotation or association", role, cluster, unread: None })
        }
        _ => None,
    })
}

impl Found {
    pub(super) fn lines(&self, block: Block) -> Block {
        let block = if self.holders.is_empty() {
            let none = format!("none: no {} in cluster {} uses role {}", self.by, self.cluster, self.role);
            block.field("Service account", none)
        } else {
            block.list("Service account", self.holders.iter().map(line))
        };
        block.maybe("Pods", self.unread.as_ref().map(|why| format!("could not be read: {why}")))
    }

    pub(super) fn shown<'a>(&'a self) -> Vec<Shown<'a>> {
        let one = |Holder { account, association, pods }: &'a Holder| Shown {
            account,
            association: association.as_ref(),
            pods,
        };
        self.holders.iter().map(one).collect()
    }
}

/// A service account whose session it is
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SessionHolder")]
pub(super) struct Shown<'a> {
    #[serde(flatten)]
    account: &'a ServiceAccount,
    /// Its association; null where an IRSA annotation names the role
    association: Option<&'a Association>,
    /// Its pods that the session's name fits
    pods: &'a [String],
}

fn line(holder: &Holder) -> String {
    let account = &holder.account;
    let Some(association) = &holder.association else { return format!("{account} (IRSA annotation)") };
    let id = &association.summary.association_id;
    match &holder.pods[..] {
        [] => format!("{account} (association {id})"),
        [pod] => format!("{account} (association {id}), pod {pod}"),
        pods => format!("{account} (association {id}), one of the pods {}", text::listed(pods, 5)),
    }
}
