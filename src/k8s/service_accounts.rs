//! Service accounts: whether one is there, what was probably meant when it is not, and creating one.

use std::fmt::Debug;

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount as ApiServiceAccount};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ListParams, PostParams},
};
use serde::de::DeserializeOwned;

use super::list::list;
use crate::model::{have::ServiceAccountState, names::ServiceAccount};

const IRSA: &str = "eks.amazonaws.com/role-arn";

/// Whether it exists. Not allowed to look for near names: none.
pub(super) async fn state(client: &Client, subject: &ServiceAccount) -> Result<ServiceAccountState, kube::Error> {
    let api: Api<ApiServiceAccount> = Api::namespaced(client.clone(), &subject.namespace);
    if let Some(found) = api.get_opt(&subject.name).await? {
        let irsa_role = found.annotations().get(IRSA).filter(|role| !role.is_empty()).cloned();
        return Ok(ServiceAccountState::Exists { irsa_role });
    }
    // The same 404 is given for a service account of a namespace that is not there.
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = namespaces.get_opt(&subject.namespace).await;
    if matches!(namespace, Ok(None)) {
        return Ok(ServiceAccountState::NoNamespace { near: near(&namespaces, &subject.namespace).await });
    }
    Ok(ServiceAccountState::Missing { near: near(&api, &subject.name).await })
}

async fn near<K>(api: &Api<K>, wanted: &str) -> Vec<String>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let Ok(found) = list(api, &ListParams::default()).await else { return Vec::new() };
    let names: Vec<String> = found.items.iter().map(ResourceExt::name_any).collect();
    nearest(wanted, &names)
}

/// The names within a third of the length in edits, or that contain or are contained, best first.
fn nearest(wanted: &str, names: &[String]) -> Vec<String> {
    let within = (wanted.len() / 3).clamp(1, 4);
    let mut scored: Vec<(usize, &String)> = names
        .iter()
        .filter_map(|name| {
            let distance = distance(wanted, name);
            let contains =
                wanted.len() >= 3 && name.contains(wanted) || name.len() >= 3 && wanted.contains(name.as_str());
            (distance <= within || contains).then_some((distance, name))
        })
        .collect();
    scored.sort();
    scored.into_iter().take(3).map(|(_, name)| name.clone()).collect()
}

fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let change = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

/// Creates it; one that is there already is as good.
pub(super) async fn create(client: &Client, subject: &ServiceAccount) -> Result<(), kube::Error> {
    let api: Api<ApiServiceAccount> = Api::namespaced(client.clone(), &subject.namespace);
    let mut new = ApiServiceAccount::default();
    new.metadata.name = Some(subject.name.clone());
    new.metadata.namespace = Some(subject.namespace.clone());
    let params = PostParams { field_manager: Some("podid".to_owned()), ..PostParams::default() };
    match api.create(&params, &new).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 409 && status.reason == "AlreadyExists" => Ok(()),
        Err(error) => Err(error),
    }
}
