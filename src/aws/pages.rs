//! Lists in pages, read in one way for every operation. The SDK's own readers end without a word where a token repeats: what
//! follows would be missing, and nobody would know.

use std::{collections::HashSet, error::Error, future::Future};

use aws_sdk_eks::operation::{
    describe_addon_versions::DescribeAddonVersionsOutput, list_addons::ListAddonsOutput,
    list_clusters::ListClustersOutput, list_pod_identity_associations::ListPodIdentityAssociationsOutput,
};
use aws_sdk_iam::operation::{
    get_service_last_accessed_details::GetServiceLastAccessedDetailsOutput,
    list_attached_role_policies::ListAttachedRolePoliciesOutput,
    list_instance_profiles_for_role::ListInstanceProfilesForRoleOutput, list_role_policies::ListRolePoliciesOutput,
    list_roles::ListRolesOutput, simulate_principal_policy::SimulatePrincipalPolicyOutput,
};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures::stream::{self, Stream, TryStreamExt};

use super::ErrorContext;
use crate::failure::{Failure, Result};

/// What a page says about the next one.
pub(super) trait Page {
    /// The token to ask for it with.
    fn token(&self) -> Option<&str>;

    /// Whether the page itself says that there is more.
    fn truncated(&self) -> bool;

    /// Whether the list is in it at all: an answer without one is none, and not an empty list.
    fn listed(&self) -> bool {
        true
    }
}

macro_rules! page {
    ($token:ident, $truncated:expr => $($output:ty $(: $list:ident)?),+) => {$(
        impl Page for $output {
            fn token(&self) -> Option<&str> {
                // An empty token is none, as the SDK has it.
                self.$token().filter(|token| !token.is_empty())
            }

            fn truncated(&self) -> bool {
                let truncated: fn(&Self) -> bool = $truncated;
                truncated(self)
            }

            $(fn listed(&self) -> bool {
                self.$list.is_some()
            })?
        }
    )+};
}

page!(next_token, |_| false =>
    ListClustersOutput: clusters, ListPodIdentityAssociationsOutput: associations,
    DescribeAddonVersionsOutput: addons, ListAddonsOutput: addons);
page!(marker, |page| page.is_truncated() =>
    ListRolesOutput, ListAttachedRolePoliciesOutput, ListRolePoliciesOutput, ListInstanceProfilesForRoleOutput,
    SimulatePrincipalPolicyOutput, GetServiceLastAccessedDetailsOutput);

impl ErrorContext {
    /// The pages of a list, each asked for when it is wanted; `ask` sends one call with a token.
    pub(super) fn pages<P, E, F>(
        &self,
        operation: &'static str,
        what: String,
        ask: impl FnMut(Option<String>) -> F,
    ) -> impl Stream<Item = Result<P>>
    where
        P: Page,
        E: Error + ProvideErrorMetadata + 'static,
        F: Future<Output = Result<P, SdkError<E, HttpResponse>>>,
    {
        let first: Option<Option<String>> = Some(None);
        stream::try_unfold((first, HashSet::new(), ask, what), move |(next, mut seen, mut ask, what)| async move {
            let Some(token) = next else { return Ok(None) };
            let page = ask(token).await.map_err(|error| self.failure(operation, &what, &error))?;
            let next = following(operation, &page, &mut seen).map_err(|failure| failure.context(&what))?;
            Ok(Some((page, (next.map(Some), seen, ask, what))))
        })
    }

    /// All pages of a list.
    pub(super) async fn all<P, E, F>(
        &self,
        operation: &'static str,
        what: &str,
        ask: impl FnMut(Option<String>) -> F,
    ) -> Result<Vec<P>>
    where
        P: Page,
        E: Error + ProvideErrorMetadata + 'static,
        F: Future<Output = Result<P, SdkError<E, HttpResponse>>>,
    {
        self.pages(operation, what.to_owned(), ask).try_collect().await
    }
}

/// The token of the next page, if there is one.
fn following(operation: &str, page: &impl Page, seen: &mut HashSet<String>) -> Result<Option<String>> {
    if !page.listed() {
        return Err(Failure::failed(format!("the response to {operation} has no list: it does not come from AWS"))
            .hint("check `AWS_ENDPOINT_URL`, and whether a proxy answered instead of AWS"));
    }
    match page.token() {
        Some(token) if !seen.insert(token.to_owned()) => {
            Err(Failure::failed(format!("{operation} returned the same page token twice: the list does not end")))
        }
        None if page.truncated() => {
            Err(Failure::failed(format!("{operation} returned a truncated list without a marker for the rest")))
        }
        token => Ok(token.map(str::to_owned)),
    }
}
