//! Reads the policies of a role, where what it may do next to it hangs on them: of one that goes on to a target role.

use futures::stream::{self, StreamExt, TryStreamExt};

use super::Asking;
use crate::{
    failure::Result,
    model::{access::RoleDocuments, document::Document, have::Observed, role::Role},
    observe::{CONCURRENCY, inline_policies, seen_or_why as seen},
};

/// What reading them takes.
const PERMISSIONS: &str =
    "iam:ListRolePolicies, iam:GetRolePolicy, iam:ListAttachedRolePolicies, iam:GetPolicy and iam:GetPolicyVersion";

impl Asking<'_> {
    /// The inline and managed policies of a role, and its boundary.
    ///
    /// # Errors
    /// When a read failed for another reason than a missing permission.
    pub(super) async fn policies_of(&self, role: &Role) -> Result<Observed<RoleDocuments>> {
        let read = async {
            let (inline, attached) =
                futures::try_join!(inline_policies(self.iam, &role.name), self.iam.attached_policies(&role.name))?;
            let managed = attached.into_iter().map(|arn| self.managed(arn));
            let managed: Vec<_> = stream::iter(managed).buffered(CONCURRENCY).try_collect().await?;
            let boundary = match &role.permissions_boundary {
                Some(arn) => Some(self.managed(arn.clone()).await?),
                None => None,
            };
            Ok((inline, managed, boundary))
        };
        let (inline, managed, boundary) = match seen(read.await, PERMISSIONS)? {
            Observed::Known(read) => read,
            Observed::Unreadable(why) => return Ok(Observed::Unreadable(why)),
            Observed::NotRequested => return Ok(Observed::NotRequested),
        };
        // What is left of the role's policies is not what they were.
        if let Some((gone, _)) = managed.iter().chain(&boundary).find(|(_, document)| document.is_none()) {
            return Ok(Observed::Unreadable(format!("policy {gone} was deleted while it was read")));
        }
        let there = |(arn, document): (String, Option<Document>)| Some((arn, document?));
        let identity = inline.into_iter().chain(managed.into_iter().filter_map(there)).collect();
        Ok(Observed::Known(RoleDocuments { identity, boundary: boundary.and_then(there) }))
    }

    /// How many policies a role has, inline and managed.
    ///
    /// # Errors
    /// When a read failed for another reason than a missing permission.
    pub(super) async fn count_policies(&self, role: &str) -> Result<Observed<usize>> {
        let read = async {
            let (inline, attached) =
                futures::try_join!(self.iam.inline_policies(role), self.iam.attached_policies(role))?;
            Ok(inline.len() + attached.len())
        };
        seen(read.await, "iam:ListRolePolicies and iam:ListAttachedRolePolicies")
    }

    /// A managed policy by its ARN; `None` for its document where it is no longer there.
    async fn managed(&self, arn: String) -> Result<(String, Option<Document>)> {
        let document = self.iam.managed_policy(&arn).await?;
        Ok((arn, document))
    }
}
