//! Service accounts: whether one is there, what was probably meant when it is not, which there are, and creating one.

use std::fmt::Debug;

use k8s_openapi::{
    api::{
        authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
        core::v1::{Namespace, ServiceAccount as ApiServiceAccount},
    },
    apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Kube, list::list, wire::repeated};
use crate::{
    failure::{Failure, Result},
    model::{
        have::ServiceAccountState,
        irsa::{self, Annotation},
        names::ServiceAccount,
    },
};

/// Whether it exists. Not allowed to look for near names: none.
pub(super) async fn state(client: &Client, subject: &ServiceAccount) -> Result<ServiceAccountState, kube::Error> {
    let api: Api<ApiServiceAccount> = Api::namespaced(client.clone(), &subject.namespace);
    if let Some(found) = api.get_opt(&subject.name).await? {
        return Ok(ServiceAccountState::Exists { irsa_role: annotation(&found).map(|it| it.role) });
    }
    // The same 404 is given for a service account of a namespace that is not there.
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = !matches!(namespaces.get_opt(&subject.namespace).await, Ok(None));
    let own = if namespace { all(client, Some(&subject.namespace)).await.unwrap_or_default() } else { Vec::new() };
    let near = |found: &[(ServiceAccount, Option<Annotation>)], namespaces: &[String]| {
        let existing: Vec<ServiceAccount> = found.iter().map(|(one, _)| one.clone()).collect();
        ServiceAccountState::absent(subject, namespace, &existing, namespaces)
    };
    let state = near(&own, &[]);
    if !state.near().is_empty() {
        return Ok(state);
    }
    let everywhere = all(client, None).await.unwrap_or_default();
    let namespaces = if namespace { Vec::new() } else { names(&namespaces).await.unwrap_or_default() };
    Ok(near(&everywhere, &namespaces))
}

/// Service accounts of a namespace, or of all, each with its IRSA annotation.
pub(super) async fn all(
    client: &Client,
    namespace: Option<&str>,
) -> Result<Vec<(ServiceAccount, Option<Annotation>)>, kube::Error> {
    let api: Api<ApiServiceAccount> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let found = list(&api, &ListParams::default()).await?;
    let named = |one: &ApiServiceAccount| {
        let (namespace, name) = (one.metadata.namespace.clone()?, one.metadata.name.clone()?);
        Some((ServiceAccount { namespace, name }, annotation(one)))
    };
    Ok(found.items.iter().filter_map(named).collect())
}

/// The annotation, when it names a role, with what tells who keeps it.
fn annotation(account: &ApiServiceAccount) -> Option<Annotation> {
    let (labels, annotations) = (account.labels(), account.annotations());
    let role = annotations.get(irsa::ROLE_ARN).filter(|role| !role.is_empty())?.clone();
    let mark = |key: &str| Some((key.to_owned(), labels.get(key).or_else(|| annotations.get(key))?.clone()));
    // In a field set, the key of a field begins with `f:` (Kubernetes API, "FieldsV1").
    let field = format!("f:{}", irsa::ROLE_ARN);
    let wrote = |entry: &&ManagedFieldsEntry| {
        let fields = entry.fields_v1.as_ref().and_then(|fields| fields.0.get("f:metadata")?.get("f:annotations"));
        fields.is_some_and(|fields| fields.get(&field).is_some())
    };
    Some(Annotation {
        role,
        audience: annotations.get(irsa::AUDIENCE).filter(|audience| !audience.is_empty()).cloned(),
        marks: irsa::MARKS.iter().filter_map(|key| mark(key)).collect(),
        managers: account.managed_fields().iter().filter(wrote).filter_map(|entry| entry.manager.clone()).collect(),
    })
}

async fn names<K>(api: &Api<K>) -> Result<Vec<String>, kube::Error>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let found = list(api, &ListParams::default()).await?;
    Ok(found.items.iter().filter_map(|item| item.meta().name.clone()).collect())
}

/// Names of all namespaces.
pub(super) async fn namespaces(client: &Client) -> Result<Vec<String>, kube::Error> {
    names::<Namespace>(&Api::all(client.clone())).await
}

/// Names of a namespace's service accounts.
pub(super) async fn names_in(client: &Client, namespace: &str) -> Result<Vec<String>, kube::Error> {
    names::<ApiServiceAccount>(&Api::namespaced(client.clone(), namespace)).await
}

/// Creates it; one that is there already is as good.
pub(super) async fn create(client: &Client, subject: &ServiceAccount) -> Result<(), kube::Error> {
    let api: Api<ApiServiceAccount> = Api::namespaced(client.clone(), &subject.namespace);
    let mut new = ApiServiceAccount::default();
    new.metadata.name = Some(subject.name.clone());
    new.metadata.namespace = Some(subject.namespace.clone());
    let params = PostParams { field_manager: Some("podid".to_owned()), ..PostParams::default() };
    match repeated(|| api.create(&params, &new)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 409 && status.reason == "AlreadyExists" => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes the annotation of IRSA where it names `role`: a merge patch of that one key, so that no other field is touched.
pub(super) async fn remove_annotation(kube: &Kube, subject: &ServiceAccount, role: &str) -> Result<bool> {
    let connection = kube.connection().await?;
    let api: Api<ApiServiceAccount> = Api::namespaced(connection.client.clone(), &subject.namespace);
    let failed = |error| kube.failed(&format!("remove the annotation {} of `{subject}`", irsa::ROLE_ARN), error);
    let Some(found) = api.get_opt(&subject.name).await.map_err(failed)? else { return Ok(false) };
    match found.annotations().get(irsa::ROLE_ARN) {
        None => return Ok(false),
        Some(other) if other != role => {
            return Err(Failure::failed(format!(
                "the annotation {} of {subject} was modified concurrently",
                irsa::ROLE_ARN
            ))
            .because(format!("it names {other} now"))
            .hint("run the same command again: it makes a new plan from the current state"));
        }
        Some(_) => {}
    }
    let mut metadata = json!({ "annotations": { irsa::ROLE_ARN: null } });
    // Whoever changed it meanwhile has the API server refuse the patch.
    metadata["resourceVersion"] = json!(found.metadata.resource_version);
    let params = PatchParams { field_manager: Some("podid".to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({ "metadata": metadata }));
    match repeated(|| api.patch(&subject.name, &params, &patch)).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        // A patch whose answer was lost is in the way of its own repetition.
        Err(error @ kube::Error::Api(_)) => match api.get_opt(&subject.name).await {
            Ok(Some(now)) if now.annotations().contains_key(irsa::ROLE_ARN) => Err(failed(error)),
            Ok(_) => Ok(true),
            Err(_) => Err(failed(error)),
        },
        Err(error) => Err(failed(error)),
    }
}

/// A token as the kubelet asks for one, bound to a pod: it ends with the pod, or after the shortest time there is.
pub(super) async fn token(
    client: &Client,
    subject: &ServiceAccount,
    (pod, uid): (&str, &str),
    audience: &str,
) -> Result<SecretString, kube::Error> {
    let api: Api<ApiServiceAccount> = Api::namespaced(client.clone(), &subject.namespace);
    let bound = BoundObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: Some(pod.to_owned()),
        uid: Some(uid.to_owned()),
    };
    let spec = TokenRequestSpec {
        audiences: vec![audience.to_owned()],
        bound_object_ref: Some(bound),
        expiration_seconds: Some(TOKEN_SECONDS),
    };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    // One more token does no harm: each ends by itself.
    let params = PostParams::default();
    let answer = repeated(|| api.create_token_request(&subject.name, &params, &request)).await?;
    Ok(SecretString::from(answer.status.map(|status| status.token).unwrap_or_default()))
}

/// The shortest that the API server gives (kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1).
const TOKEN_SECONDS: i64 = 600;
