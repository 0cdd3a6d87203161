//! The port [`Iam`] on the AWS SDK.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_iam::{
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        get_service_last_accessed_details::GetServiceLastAccessedDetailsOutput,
        list_attached_role_policies::ListAttachedRolePoliciesOutput,
        list_instance_profiles_for_role::ListInstanceProfilesForRoleOutput, list_role_policies::ListRolePoliciesOutput,
        list_roles::ListRolesOutput, simulate_principal_policy::SimulatePrincipalPolicyOutput,
    },
    types::{ContextEntry, ContextKeyTypeEnum as Kind, JobStatusType},
};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::{Aws, convert};
use crate::{
    failure::{Failure, Result},
    model::{
        access::{Decision, Simulation},
        arn::{Arn, last},
        document::Document,
        last_use::ServiceUse,
        role::{ListedRole, NewRole, Role},
    },
    ports::{Caller, Iam},
};

/// What IAM answers where something is not there.
const ABSENT: &str = "NoSuchEntity";

fn absent<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.code() == Some(ABSENT)
}

fn gone(failure: &Failure) -> bool {
    failure.service.as_ref().is_some_and(|service| service.code == ABSENT)
}

#[async_trait]
impl Iam for Aws {
    async fn caller(&self) -> Result<Caller> {
        let what = "cannot determine the caller's identity";
        let sts = self.sts(what).await?;
        let answer = sts.api.get_caller_identity().send().await;
        let answer = answer.map_err(|error| sts.errors.failure("GetCallerIdentity", what, &error))?;
        let fields = || -> Result<Caller> {
            Ok(Caller {
                account: convert::need(answer.account(), "Account")?.to_owned(),
                arn: convert::need(answer.arn(), "Arn")?.to_owned(),
            })
        };
        fields().map_err(|failure| failure.context(what))
    }

    async fn role(&self, name: &str) -> Result<Option<Role>> {
        let what = format!("cannot read role `{name}`");
        let iam = self.iam(&what).await?;
        match iam.api.get_role().role_name(name).send().await {
            Ok(answer) => convert::need(answer.role(), "Role")
                .and_then(convert::role)
                .map(Some)
                .map_err(|failure| failure.context(what)),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(iam.errors.failure("GetRole", &what, &error)),
        }
    }

    fn roles(&self) -> BoxStream<'_, Result<Vec<ListedRole>>> {
        let what = "cannot list the roles of the account";
        let pages = async move {
            let iam = self.iam(what).await?;
            // The most that IAM gives at a time: an account has a thousand roles, and often more.
            let call = iam.api.list_roles().max_items(1000);
            let pages =
                iam.errors.pages("ListRoles", what.to_owned(), move |token| call.clone().set_marker(token).send());
            Ok(pages.map(move |page: Result<ListRolesOutput>| {
                let roles = page?.roles().iter().map(convert::listed_role).collect::<Result<Vec<_>>>();
                roles.map_err(|failure| failure.context(what))
            }))
        };
        stream::once(pages).try_flatten().boxed()
    }

    async fn create_role(&self, role: &NewRole) -> Result<Role> {
        let what = format!("cannot create role `{}`", role.name);
        let iam = self.iam(&what).await?;
        let call = iam
            .api
            .create_role()
            .role_name(&role.name)
            .path(&role.path)
            .assume_role_policy_document(role.trust.0.to_string())
            .description(&role.description)
            .set_permissions_boundary(role.permissions_boundary.clone())
            .set_tags(Some(convert::iam_tags(&role.tags)?).filter(|tags| !tags.is_empty()));
        let answer = call.send().await.map_err(|error| iam.errors.failure("CreateRole", &what, &error))?;
        convert::need(answer.role(), "Role").and_then(convert::role).map_err(|failure| failure.context(what))
    }

    async fn put_trust(&self, role: &str, document: &Document) -> Result<()> {
        let what = format!("cannot change the trust policy of role `{role}`");
        let iam = self.iam(&what).await?;
        let call = iam.api.update_assume_role_policy().role_name(role).policy_document(document.0.to_string());
        call.send().await.map_err(|error| iam.errors.failure("UpdateAssumeRolePolicy", &what, &error))?;
        Ok(())
    }

    async fn tag_role(&self, role: &str, tags: &BTreeMap<String, String>) -> Result<()> {
        let what = format!("cannot tag role `{role}`");
        let iam = self.iam(&what).await?;
        let call = iam.api.tag_role().role_name(role).set_tags(Some(convert::iam_tags(tags)?));
        call.send().await.map_err(|error| iam.errors.failure("TagRole", &what, &error))?;
        Ok(())
    }

    async fn untag_role(&self, role: &str, keys: &[String]) -> Result<()> {
        let what = format!("cannot remove tags from role `{role}`");
        let iam = self.iam(&what).await?;
        let call = iam.api.untag_role().role_name(role).set_tag_keys(Some(keys.to_vec()));
        call.send().await.map_err(|error| iam.errors.failure("UntagRole", &what, &error))?;
        Ok(())
    }

    async fn put_boundary(&self, role: &str, policy_arn: Option<&str>) -> Result<()> {
        let what = format!("cannot change the permissions boundary of role `{role}`");
        let iam = self.iam(&what).await?;
        let Some(policy_arn) = policy_arn else {
            return match iam.api.delete_role_permissions_boundary().role_name(role).send().await {
                Ok(_) => Ok(()),
                Err(error) => Err(iam.errors.failure("DeleteRolePermissionsBoundary", &what, &error)),
            };
        };
        let call = iam.api.put_role_permissions_boundary().role_name(role).permissions_boundary(policy_arn);
        call.send().await.map_err(|error| iam.errors.failure("PutRolePermissionsBoundary", &what, &error))?;
        Ok(())
    }

    async fn attached_policies(&self, role: &str) -> Result<Vec<String>> {
        let what = format!("cannot list the policies attached to role `{role}`");
        let iam = self.iam(&what).await?;
        let call = iam.api.list_attached_role_policies().role_name(role);
        let ask = |token| call.clone().set_marker(token).send();
        match iam.errors.all("ListAttachedRolePolicies", &what, ask).await {
            Ok(pages) => pages
                .into_iter()
                .flat_map(|page: ListAttachedRolePoliciesOutput| page.attached_policies.unwrap_or_default())
                .map(|policy| convert::need(policy.policy_arn, "PolicyArn"))
                .collect::<Result<_, Failure>>()
                .map_err(|failure| failure.context(what)),
            Err(failure) if gone(&failure) => Ok(Vec::new()),
            Err(failure) => Err(failure),
        }
    }

    async fn attach_policy(&self, role: &str, policy_arn: &str) -> Result<()> {
        let what = format!("cannot attach `{policy_arn}` to role `{role}`");
        let iam = self.iam(&what).await?;
        let call = iam.api.attach_role_policy().role_name(role).policy_arn(policy_arn);
        call.send().await.map_err(|error| iam.errors.failure("AttachRolePolicy", &what, &error))?;
        Ok(())
    }

    async fn inline_policies(&self, role: &str) -> Result<Vec<String>> {
        let what = format!("cannot list the inline policies of role `{role}`");
        let iam = self.iam(&what).await?;
        let call = iam.api.list_role_policies().role_name(role);
        let ask = |token| call.clone().set_marker(token).send();
        match iam.errors.all("ListRolePolicies", &what, ask).await {
            Ok(pages) => Ok(pages.into_iter().flat_map(|page: ListRolePoliciesOutput| page.policy_names).collect()),
            Err(failure) if gone(&failure) => Ok(Vec::new()),
            Err(failure) => Err(failure),
        }
    }

    async fn inline_policy(&self, role: &str, name: &str) -> Result<Option<Document>> {
        let what = format!("cannot read inline policy `{name}` of role `{role}`");
        let iam = self.iam(&what).await?;
        match iam.api.get_role_policy().role_name(role).policy_name(name).send().await {
            Ok(answer) => {
                convert::document(answer.policy_document()).map(Some).map_err(|failure| failure.context(what))
            }
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(iam.errors.failure("GetRolePolicy", &what, &error)),
        }
    }

    async fn policy_exists(&self, arn: &str) -> Result<bool> {
        let what = format!("cannot read managed policy `{arn}`");
        let iam = self.iam(&what).await?;
        match iam.api.get_policy().policy_arn(arn).send().await {
            Ok(_) => Ok(true),
            Err(error) if absent(&error) => Ok(false),
            Err(error) => Err(iam.errors.failure("GetPolicy", &what, &error)),
        }
    }

    async fn managed_policy(&self, arn: &str) -> Result<Option<Document>> {
        let what = format!("cannot read managed policy `{arn}`");
        let iam = self.iam(&what).await?;
        let version = match iam.api.get_policy().policy_arn(arn).send().await {
            Ok(answer) => {
                let version = answer.policy().and_then(|policy| policy.default_version_id());
                convert::need(version, "DefaultVersionId").map_err(|failure| failure.context(&what))?.to_owned()
            }
            Err(error) if absent(&error) => return Ok(None),
            Err(error) => return Err(iam.errors.failure("GetPolicy", &what, &error)),
        };
        match iam.api.get_policy_version().policy_arn(arn).version_id(version).send().await {
            Ok(answer) => convert::need(answer.policy_version().and_then(|version| version.document()), "Document")
                .and_then(convert::document)
                .map(Some)
                .map_err(|failure| failure.context(what)),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(iam.errors.failure("GetPolicyVersion", &what, &error)),
        }
    }

    async fn put_inline_policy(&self, role: &str, name: &str, document: &Document) -> Result<()> {
        let what = format!("cannot write inline policy `{name}` of role `{role}`");
        let iam = self.iam(&what).await?;
        let call = iam.api.put_role_policy().role_name(role).policy_name(name).policy_document(document.0.to_string());
        call.send().await.map_err(|error| iam.errors.failure("PutRolePolicy", &what, &error))?;
        Ok(())
    }

    async fn simulate(&self, asked: &Simulation) -> Result<Vec<Decision>> {
        let what = format!("cannot simulate the permissions of role `{}` on {}", last(&asked.role), asked.resource);
        let iam = self.iam(&what).await?;
        let context = asked.context.iter().map(|(key, value)| {
            // Tags are text, whatever they say.
            let truth = (value == "true" || value == "false") && !key.contains('/');
            let kind = match key.as_str() {
                // An alias is one of the key's.
                "kms:ResourceAliases" => Kind::StringList,
                _ if truth => Kind::Boolean,
                _ => Kind::String,
            };
            ContextEntry::builder().context_key_name(key).context_key_values(value).context_key_type(kind).build()
        });
        let call = iam
            .api
            .simulate_principal_policy()
            .policy_source_arn(&asked.role)
            .set_action_names(Some(asked.actions.clone()))
            .resource_arns(&asked.resource)
            .set_context_entries(Some(context.collect::<Vec<_>>()).filter(|context| !context.is_empty()));
        let ask = |token| call.clone().set_marker(token).send();
        let pages: Vec<SimulatePrincipalPolicyOutput> = iam.errors.all("SimulatePrincipalPolicy", &what, ask).await?;
        let found = pages.iter().flat_map(SimulatePrincipalPolicyOutput::evaluation_results);
        let read = found.map(|result| convert::decision(&asked.resource, result)).collect::<Result<_>>();
        read.map_err(|failure| failure.context(what))
    }

    async fn ask_for_last_use(&self, role: &Arn) -> Result<String> {
        let what = format!("cannot ask for the last use of role `{}`", role.name());
        let iam = self.iam(&what).await?;
        let call = iam.api.generate_service_last_accessed_details().arn(role.to_string());
        let answer = call.send().await;
        let answer = answer.map_err(|error| iam.errors.failure("GenerateServiceLastAccessedDetails", &what, &error))?;
        let job = convert::need(answer.job_id(), "JobId").map_err(|failure| failure.context(&what))?;
        Ok(job.to_owned())
    }

    async fn last_use(&self, job: &str) -> Result<Option<Vec<ServiceUse>>> {
        let what = "cannot read the last use of a role";
        let iam = self.iam(what).await?;
        let call = iam.api.get_service_last_accessed_details().job_id(job);
        let ask = |token| call.clone().set_marker(token).send();
        let pages: Vec<GetServiceLastAccessedDetailsOutput> =
            iam.errors.all("GetServiceLastAccessedDetails", what, ask).await?;
        match pages.first().map(|page| &page.job_status) {
            Some(JobStatusType::InProgress) => return Ok(None),
            Some(JobStatusType::Completed) => {}
            _ => {
                let why = pages.first().and_then(|page| page.error()).map(|error| error.message().to_owned());
                return Err(Failure::failed(what).because(why.unwrap_or_else(|| "IAM made no report".to_owned())));
            }
        }
        let all = pages.into_iter().flat_map(|page| page.services_last_accessed);
        let one = |it: aws_sdk_iam::types::ServiceLastAccessed| ServiceUse {
            last: convert::time(it.last_authenticated()),
            region: it.last_authenticated_region,
            service: it.service_namespace,
        };
        Ok(Some(all.map(one).collect()))
    }

    async fn detach_policy(&self, role: &str, policy_arn: &str) -> Result<bool> {
        let what = format!("cannot detach `{policy_arn}` from role `{role}`");
        let iam = self.iam(&what).await?;
        match iam.api.detach_role_policy().role_name(role).policy_arn(policy_arn).send().await {
            Ok(_) => Ok(true),
            Err(error) if absent(&error) => Ok(false),
            Err(error) => Err(iam.errors.failure("DetachRolePolicy", &what, &error)),
        }
    }

    async fn delete_inline_policy(&self, role: &str, name: &str) -> Result<bool> {
        let what = format!("cannot delete inline policy `{name}` of role `{role}`");
        let iam = self.iam(&what).await?;
        match iam.api.delete_role_policy().role_name(role).policy_name(name).send().await {
            Ok(_) => Ok(true),
            Err(error) if absent(&error) => Ok(false),
            Err(error) => Err(iam.errors.failure("DeleteRolePolicy", &what, &error)),
        }
    }

    async fn instance_profiles(&self, role: &str) -> Result<Vec<String>> {
        let what = format!("cannot list the instance profiles of role `{role}`");
        let iam = self.iam(&what).await?;
        let call = iam.api.list_instance_profiles_for_role().role_name(role);
        let ask = |token| call.clone().set_marker(token).send();
        match iam.errors.all("ListInstanceProfilesForRole", &what, ask).await {
            Ok(pages) => {
                let profiles =
                    pages.into_iter().flat_map(|page: ListInstanceProfilesForRoleOutput| page.instance_profiles);
                Ok(profiles.map(|profile| profile.instance_profile_name).collect())
            }
            Err(failure) if gone(&failure) => Ok(Vec::new()),
            Err(failure) => Err(failure),
        }
    }

    async fn delete_role(&self, name: &str) -> Result<bool> {
        let what = format!("cannot delete role `{name}`");
        let iam = self.iam(&what).await?;
        match iam.api.delete_role().role_name(name).send().await {
            Ok(_) => Ok(true),
            Err(error) if absent(&error) => Ok(false),
            Err(error) => Err(iam.errors.failure("DeleteRole", &what, &error)),
        }
    }
}
