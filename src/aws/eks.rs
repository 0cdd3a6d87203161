//! The port [`Eks`] on the AWS SDK.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_eks::{
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        describe_addon_versions::DescribeAddonVersionsOutput, list_addons::ListAddonsOutput,
        list_clusters::ListClustersOutput, list_pod_identity_associations::ListPodIdentityAssociationsOutput,
    },
    types::PodIdentityAssociation,
};
use futures::{
    StreamExt, TryStreamExt, future,
    stream::{self, BoxStream},
};
use serde_json::Value;

use super::{Aws, convert};
use crate::{
    failure::{Failure, Result},
    model::{
        addon::{Addon, AddonChange, AddonIdentity, AddonOffer, AddonUpdate, Conflicts, Settings},
        association::{Association, AssociationChange, AssociationFilter, AssociationSummary, NewAssociation},
        cluster::Cluster,
    },
    ports::Eks,
};

/// The thing itself is missing. A missing cluster has the same code, but is no "nothing there".
fn absent<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.code() == Some("ResourceNotFoundException")
        && !error.message().is_some_and(|text| text.to_lowercase().contains("cluster found"))
}

fn read(what: &str, from: Option<&PodIdentityAssociation>) -> Result<Association> {
    convert::association(from).map_err(|failure| failure.context(what))
}

#[async_trait]
impl Eks for Aws {
    fn elsewhere(&self, region: &str) -> Box<dyn Eks> {
        Box::new(self.in_region(region))
    }

    async fn cluster(&self, name: &str) -> Result<Cluster> {
        let what = format!("cannot read cluster `{name}`");
        let eks = self.eks(&what).await?;
        let answer = eks.api.describe_cluster().name(name).send().await;
        let answer = answer.map_err(|error| eks.errors.failure("DescribeCluster", &what, &error))?;
        convert::need(answer.cluster(), "cluster").and_then(convert::cluster).map_err(|failure| failure.context(what))
    }

    async fn clusters(&self) -> Result<Vec<String>> {
        let what = "cannot list clusters";
        let eks = self.eks(what).await?;
        let call = eks.api.list_clusters().max_results(100);
        let ask = |token| call.clone().set_next_token(token).send();
        let pages: Vec<ListClustersOutput> = eks.errors.all("ListClusters", what, ask).await?;
        Ok(pages.into_iter().flat_map(|page| page.clusters.unwrap_or_default()).collect())
    }

    fn association_pages(
        &self,
        cluster: &str,
        filter: &AssociationFilter,
    ) -> BoxStream<'_, Result<Vec<AssociationSummary>>> {
        let what = match (&filter.namespace, &filter.service_account) {
            (Some(namespace), Some(name)) => {
                format!("cannot list associations of `{namespace}/{name}` in cluster `{cluster}`")
            }
            (Some(namespace), None) => {
                format!("cannot list associations of namespace `{namespace}` in cluster `{cluster}`")
            }
            _ => format!("cannot list associations of cluster `{cluster}`"),
        };
        let (cluster, filter) = (cluster.to_owned(), filter.clone());
        let pages = async move {
            let eks = self.eks(&what).await?;
            let call = eks
                .api
                .list_pod_identity_associations()
                .cluster_name(cluster)
                .set_namespace(filter.namespace)
                .set_service_account(filter.service_account)
                .max_results(100);
            let ask = move |token| call.clone().set_next_token(token).send();
            let pages = eks.errors.pages("ListPodIdentityAssociations", what.clone(), ask);
            Ok::<_, Failure>(pages.map(move |page: Result<ListPodIdentityAssociationsOutput>| {
                let found = page?.associations().iter().map(convert::summary).collect::<Result<_>>();
                found.map_err(|failure| failure.context(&what))
            }))
        };
        stream::once(pages).try_flatten().boxed()
    }

    async fn association(&self, cluster: &str, id: &str) -> Result<Option<Association>> {
        let what = format!("cannot read association `{id}` of cluster `{cluster}`");
        let eks = self.eks(&what).await?;
        let call = eks.api.describe_pod_identity_association().cluster_name(cluster).association_id(id);
        match call.send().await {
            Ok(answer) => read(&what, answer.association()).map(Some),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(eks.errors.failure("DescribePodIdentityAssociation", &what, &error)),
        }
    }

    async fn create_association(&self, cluster: &str, new: &NewAssociation, token: &str) -> Result<Association> {
        let what = format!("cannot create the association of `{}` in cluster `{cluster}`", new.subject);
        let eks = self.eks(&what).await?;
        let mut call = eks
            .api
            .create_pod_identity_association()
            .cluster_name(cluster)
            .namespace(&new.subject.namespace)
            .service_account(&new.subject.name)
            .role_arn(&new.spec.role_arn)
            .client_request_token(token);
        if new.spec.disable_session_tags {
            call = call.disable_session_tags(true);
        }
        call = call.set_target_role_arn(new.spec.target_role_arn.clone()).set_policy(new.spec.policy.clone());
        for (key, value) in &new.spec.tags {
            call = call.tags(key, value);
        }
        let answer = call.send().await;
        let answer = answer.map_err(|error| eks.errors.failure("CreatePodIdentityAssociation", &what, &error))?;
        read(&what, answer.association())
    }

    async fn update_association(
        &self,
        cluster: &str,
        id: &str,
        change: &AssociationChange,
        token: &str,
    ) -> Result<Association> {
        let what = format!("cannot update association `{id}` of cluster `{cluster}`");
        let eks = self.eks(&what).await?;
        let call = eks
            .api
            .update_pod_identity_association()
            .cluster_name(cluster)
            .association_id(id)
            .set_role_arn(change.role_arn.clone())
            .set_disable_session_tags(change.disable_session_tags)
            .set_target_role_arn(change.target_role_arn.clone())
            .set_policy(change.policy.clone())
            .client_request_token(token);
        let answer = call.send().await;
        let answer = answer.map_err(|error| eks.errors.failure("UpdatePodIdentityAssociation", &what, &error))?;
        read(&what, answer.association())
    }

    async fn delete_association(&self, cluster: &str, id: &str) -> Result<bool> {
        let what = format!("cannot delete association `{id}` of cluster `{cluster}`");
        let eks = self.eks(&what).await?;
        let call = eks.api.delete_pod_identity_association().cluster_name(cluster).association_id(id);
        match call.send().await {
            Ok(_) => Ok(true),
            Err(error) if absent(&error) => Ok(false),
            Err(error) => Err(eks.errors.failure("DeletePodIdentityAssociation", &what, &error)),
        }
    }

    async fn tag(&self, arn: &str, tags: &BTreeMap<String, String>) -> Result<()> {
        let what = format!("cannot tag `{arn}`");
        let eks = self.eks(&what).await?;
        let tags = tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        let answer = eks.api.tag_resource().resource_arn(arn).set_tags(Some(tags)).send().await;
        answer.map_err(|error| eks.errors.failure("TagResource", &what, &error))?;
        Ok(())
    }

    async fn untag(&self, arn: &str, keys: &[String]) -> Result<()> {
        let what = format!("cannot remove tags from `{arn}`");
        let eks = self.eks(&what).await?;
        let answer = eks.api.untag_resource().resource_arn(arn).set_tag_keys(Some(keys.to_vec())).send().await;
        answer.map_err(|error| eks.errors.failure("UntagResource", &what, &error))?;
        Ok(())
    }

    async fn node_role(&self, cluster: &str, node_group: &str) -> Result<Option<String>> {
        let what = format!("cannot read node group `{node_group}` of cluster `{cluster}`");
        let eks = self.eks(&what).await?;
        match eks.api.describe_nodegroup().cluster_name(cluster).nodegroup_name(node_group).send().await {
            Ok(answer) => Ok(answer.nodegroup().and_then(|group| group.node_role()).map(str::to_owned)),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(eks.errors.failure("DescribeNodegroup", &what, &error)),
        }
    }

    async fn addons(&self, cluster: &str) -> Result<Vec<Addon>> {
        let what = format!("cannot list the add-ons of cluster `{cluster}`");
        let eks = self.eks(&what).await?;
        let call = eks.api.list_addons().cluster_name(cluster).max_results(100);
        let ask = |token| call.clone().set_next_token(token).send();
        let pages: Vec<ListAddonsOutput> = eks.errors.all("ListAddons", &what, ask).await?;
        let names: Vec<String> = pages.into_iter().flat_map(|page| page.addons.unwrap_or_default()).collect();
        let each = future::try_join_all(names.iter().map(|name| self.addon(cluster, name))).await?;
        Ok(each.into_iter().flatten().collect())
    }

    async fn addon(&self, cluster: &str, name: &str) -> Result<Option<Addon>> {
        let what = format!("cannot read add-on `{name}` of cluster `{cluster}`");
        let eks = self.eks(&what).await?;
        match eks.api.describe_addon().cluster_name(cluster).addon_name(name).send().await {
            Ok(answer) => convert::addon(answer.addon()).map(Some).map_err(|failure| failure.context(what)),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(eks.errors.failure("DescribeAddon", &what, &error)),
        }
    }

    async fn addon_offer(&self, name: &str, kubernetes: &str) -> Result<AddonOffer> {
        let what = format!("cannot list versions of add-on `{name}` for Kubernetes {kubernetes}");
        let eks = self.eks(&what).await?;
        let call = eks.api.describe_addon_versions().addon_name(name).kubernetes_version(kubernetes).max_results(100);
        let ask = |token| call.clone().set_next_token(token).send();
        let pages: Vec<DescribeAddonVersionsOutput> = eks.errors.all("DescribeAddonVersions", &what, ask).await?;
        let infos: Vec<_> = pages
            .iter()
            .flat_map(DescribeAddonVersionsOutput::addons)
            .filter(|addon| addon.addon_name() == Some(name))
            .collect();
        let versions: Vec<_> = infos.iter().flat_map(|addon| addon.addon_versions().iter().cloned()).collect();
        Ok(AddonOffer {
            namespace: infos.iter().find_map(|addon| addon.default_namespace()).map(str::to_owned),
            versions: convert::addon_versions(&versions, kubernetes),
        })
    }

    async fn create_addon(&self, cluster: &str, name: &str, version: &str, settings: &Settings) -> Result<Addon> {
        let what = format!("cannot install add-on `{name}` {version} in cluster `{cluster}`");
        let eks = self.eks(&what).await?;
        let call = eks
            .api
            .create_addon()
            .cluster_name(cluster)
            .addon_name(name)
            .addon_version(version)
            .set_configuration_values(settings.configuration.clone())
            .set_resolve_conflicts(settings.conflicts.map(|mode| mode.as_str().into()));
        let answer = call.send().await.map_err(|error| eks.errors.failure("CreateAddon", &what, &error))?;
        convert::addon(answer.addon()).map_err(|failure| failure.context(what))
    }

    async fn update_addon(
        &self,
        cluster: &str,
        name: &str,
        version: &str,
        settings: &Settings,
        token: &str,
    ) -> Result<AddonUpdate> {
        let what = format!("cannot update add-on `{name}` of cluster `{cluster}`");
        let eks = self.eks(&what).await?;
        let call = eks
            .api
            .update_addon()
            .cluster_name(cluster)
            .addon_name(name)
            .addon_version(version)
            .set_configuration_values(settings.configuration.clone())
            .set_resolve_conflicts(settings.conflicts.map(|mode| mode.as_str().into()))
            .client_request_token(token);
        let answer = call.send().await.map_err(|error| eks.errors.failure("UpdateAddon", &what, &error))?;
        convert::addon_update(answer.update()).map_err(|failure| failure.context(what))
    }

    async fn set_addon_associations(
        &self,
        cluster: &str,
        name: &str,
        change: &AddonChange,
        token: &str,
    ) -> Result<AddonUpdate> {
        let what = format!("cannot update the associations of add-on `{name}` of cluster `{cluster}`");
        let eks = self.eks(&what).await?;
        let list = change.associations.iter().map(convert::addon_association).collect::<Result<Vec<_>>>()?;
        let call = eks
            .api
            .update_addon()
            .cluster_name(cluster)
            .addon_name(name)
            .addon_version(&change.version)
            .set_configuration_values(change.configuration.clone())
            .set_service_account_role_arn(change.service_account_role.clone())
            .resolve_conflicts(Conflicts::Preserve.as_str().into())
            .set_pod_identity_associations(Some(list))
            .client_request_token(token);
        let answer = call.send().await.map_err(|error| eks.errors.failure("UpdateAddon", &what, &error))?;
        convert::addon_update(answer.update()).map_err(|failure| failure.context(what))
    }

    async fn addon_update(&self, cluster: &str, name: &str, id: &str) -> Result<AddonUpdate> {
        let what = format!("cannot read update `{id}` of add-on `{name}` of cluster `{cluster}`");
        let eks = self.eks(&what).await?;
        let call = eks.api.describe_update().name(cluster).addon_name(name).update_id(id);
        let answer = call.send().await.map_err(|error| eks.errors.failure("DescribeUpdate", &what, &error))?;
        convert::addon_update(answer.update()).map_err(|failure| failure.context(what))
    }

    async fn delete_addon(&self, cluster: &str, name: &str) -> Result<bool> {
        let what = format!("cannot delete add-on `{name}` of cluster `{cluster}`");
        let eks = self.eks(&what).await?;
        match eks.api.delete_addon().cluster_name(cluster).addon_name(name).send().await {
            Ok(_) => Ok(true),
            Err(error) if absent(&error) => Ok(false),
            Err(error) => Err(eks.errors.failure("DeleteAddon", &what, &error)),
        }
    }

    async fn addon_schema(&self, name: &str, version: &str) -> Result<Value> {
        let what = format!("cannot read the configuration schema of add-on `{name}` {version}");
        let eks = self.eks(&what).await?;
        let call = eks.api.describe_addon_configuration().addon_name(name).addon_version(version);
        let answer =
            call.send().await.map_err(|error| eks.errors.failure("DescribeAddonConfiguration", &what, &error))?;
        let schema = convert::need(answer.configuration_schema(), "configurationSchema");
        schema
            .and_then(|text| serde_json::from_str(text).map_err(|error| Failure::failed(error.to_string())))
            .map_err(|failure| failure.context(what))
    }
    async fn addon_identities(&self, name: &str, version: &str) -> Result<Vec<AddonIdentity>> {
        let what = format!("cannot read whether add-on `{name}` {version} supports Pod Identity");
        let eks = self.eks(&what).await?;
        let call = eks.api.describe_addon_configuration().addon_name(name).addon_version(version);
        let answer =
            call.send().await.map_err(|error| eks.errors.failure("DescribeAddonConfiguration", &what, &error))?;
        Ok(convert::addon_identities(answer.pod_identity_configuration()))
    }
}
