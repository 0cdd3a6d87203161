//! Reads the roles of associations with all their policies: each role once, and each managed policy once, whatever it is attached to.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};

use super::{CONCURRENCY, elsewhere, inline_policies, seen_or_why};
use crate::{
    failure::Result,
    model::{
        access::RoleDocuments,
        arn::{Arn, account, last},
        association::Association,
        document::Document,
        have::{Observed, UNREAD},
        role::Role,
        snapshot::RoleView,
    },
    ports::Iam,
};

/// What was read of one role, without the documents of its managed policies.
#[derive(Default)]
struct Bare {
    role: Observed<Option<Role>>,
    inline: Observed<BTreeMap<String, Document>>,
    attached: Observed<Vec<String>>,
}

type Managed = BTreeMap<String, Observed<Option<Document>>>;

/// The roles and target roles of associations, by ARN. One of another account than the cluster's cannot be read from here.
///
/// # Errors
/// When podid was interrupted, time is up, or no service knows the caller: any other read that failed leaves its role unread.
pub async fn of_associations(
    iam: &dyn Iam,
    cluster: &Arn,
    associations: &[Association],
) -> Result<BTreeMap<String, RoleView>> {
    let arns = associations.iter().flat_map(|it| std::iter::once(&it.role_arn).chain(&it.target_role_arn));
    let wanted: BTreeSet<&str> = arns.map(String::as_str).collect();
    let reads = wanted.into_iter().map(|arn| async move {
        let account = account(arn).unwrap_or_default();
        let read = if account == cluster.account {
            bare(iam, last(arn)).await?
        } else {
            Bare { role: elsewhere(account), ..Bare::default() }
        };
        Ok::<_, crate::failure::Failure>((arn.to_owned(), read))
    });
    let roles: Vec<(String, Bare)> = stream::iter(reads).buffered(CONCURRENCY).try_collect().await?;
    let mut named: BTreeSet<String> = BTreeSet::new();
    for (_, bare) in &roles {
        named.extend(bare.attached.known().into_iter().flatten().cloned());
        let role = bare.role.known().and_then(Option::as_ref);
        named.extend(role.and_then(|role| role.permissions_boundary.clone()));
    }
    let reads = named.into_iter().map(|arn| async move {
        let read = seen_or_why(iam.managed_policy(&arn).await, "iam:GetPolicy and iam:GetPolicyVersion")?;
        Ok::<_, crate::failure::Failure>((arn, read))
    });
    let managed: Managed = stream::iter(reads).buffered(CONCURRENCY).try_collect().await?;
    Ok(roles.into_iter().map(|(arn, bare)| (arn, bare.with(&managed))).collect())
}

async fn bare(iam: &dyn Iam, name: &str) -> Result<Bare> {
    let role = async { seen_or_why(iam.role(name).await, "iam:GetRole") };
    let inline = async { seen_or_why(inline_policies(iam, name).await, "iam:ListRolePolicies and iam:GetRolePolicy") };
    let attached = async { seen_or_why(iam.attached_policies(name).await, "iam:ListAttachedRolePolicies") };
    let (role, inline, attached) = futures::try_join!(role, inline, attached)?;
    Ok(Bare { role, inline, attached })
}

impl Bare {
    fn with(self, managed: &Managed) -> RoleView {
        let documents = match self.documents(managed) {
            Ok(documents) => Observed::Known(documents),
            Err(why) => Observed::Unreadable(why),
        };
        RoleView { role: self.role, documents, policies: Observed::NotRequested }
    }

    /// All its policies; why not all of them were read otherwise.
    fn documents(&self, managed: &Managed) -> std::result::Result<RoleDocuments, String> {
        let role = known(&self.role)?.as_ref();
        let (inline, attached) = (known(&self.inline)?, known(&self.attached)?);
        let of = |arn: &String| {
            let read = managed.get(arn).ok_or_else(|| format!("{UNREAD}{arn}"))?;
            let document = known(read)?.clone().ok_or_else(|| format!("policy {arn} was deleted while it was read"))?;
            Ok::<_, String>((arn.clone(), document))
        };
        let mut identity: Vec<(String, Document)> =
            inline.iter().map(|(name, document)| (name.clone(), document.clone())).collect();
        for arn in attached {
            identity.push(of(arn)?);
        }
        let boundary = role.and_then(|role| role.permissions_boundary.as_ref()).map(of).transpose()?;
        Ok(RoleDocuments { identity, boundary })
    }
}

fn known<T>(read: &Observed<T>) -> std::result::Result<&T, String> {
    match read {
        Observed::Known(value) => Ok(value),
        Observed::Unreadable(why) => Err(why.clone()),
        Observed::NotRequested => Err("not read".to_owned()),
    }
}
