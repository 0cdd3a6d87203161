//! Pod specs, ConfigMaps and Secrets in the model's words: what decides about credentials, and no value that may be one.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ConfigMap, Container as ApiContainer, EnvFromSource, EnvVar, Pod as ApiPod, Secret, Volume as ApiVolume,
};
use kube::{Api, Client};

use crate::model::pod_spec::{
    ContainerSpec, EnvFrom, EnvValue, JAVA_KEYS, KeyRef, Mount, PodSpec, ProjectedToken, Settings, Variable, Volume,
    VolumeSource, may_keep,
};

/// Annotations that are kept.
const PREFIXES: [&str; 2] = ["eks.amazonaws.com/", "vpc.amazonaws.com/"];

/// The spec of a pod.
pub(super) fn spec(it: &ApiPod) -> PodSpec {
    let Some(spec) = &it.spec else { return PodSpec::default() };
    let annotations = it.metadata.annotations.iter().flatten();
    let inits = spec.init_containers.iter().flatten().map(|c| container(c, true));
    PodSpec {
        host_network: spec.host_network.unwrap_or_default(),
        annotations: annotations
            .filter(|(key, _)| PREFIXES.iter().any(|prefix| key.starts_with(prefix)))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        containers: inits.chain(spec.containers.iter().map(|c| container(c, false))).collect(),
        volumes: spec.volumes.iter().flatten().map(volume).collect(),
    }
}

fn container(it: &ApiContainer, init: bool) -> ContainerSpec {
    let mut words = it.command.iter().flatten().chain(it.args.iter().flatten());
    ContainerSpec {
        name: it.name.clone(),
        init,
        image: it.image.clone().unwrap_or_default(),
        env: it.env.iter().flatten().map(variable).collect(),
        env_from: it.env_from.iter().flatten().filter_map(env_from).collect(),
        mounts: it
            .volume_mounts
            .iter()
            .flatten()
            .map(|m| Mount { volume: m.name.clone(), path: m.mount_path.clone() })
            .collect(),
        java_keys: words.any(|word| word.contains(JAVA_KEYS)),
    }
}

fn variable(it: &EnvVar) -> Variable {
    let from = it.value_from.as_ref();
    let config_map = from.and_then(|from| from.config_map_key_ref.as_ref());
    let secret = from.and_then(|from| from.secret_key_ref.as_ref());
    let value = match (config_map, secret) {
        (Some(it), _) => EnvValue::ConfigMap(key(&it.name, &it.key, it.optional)),
        (_, Some(it)) => EnvValue::Secret(key(&it.name, &it.key, it.optional)),
        _ if from.is_some() => EnvValue::Elsewhere,
        _ => EnvValue::Text(may_keep(&it.name, it.value.as_deref().unwrap_or_default())),
    };
    Variable { name: it.name.clone(), value }
}

fn key(name: &str, key: &str, optional: Option<bool>) -> KeyRef {
    KeyRef { name: name.to_owned(), key: key.to_owned(), optional: optional.unwrap_or_default() }
}

fn env_from(it: &EnvFromSource) -> Option<EnvFrom> {
    let prefix = it.prefix.clone().unwrap_or_default();
    match (&it.config_map_ref, &it.secret_ref) {
        (Some(map), _) => Some(from(prefix, false, &map.name, map.optional)),
        (_, Some(secret)) => Some(from(prefix, true, &secret.name, secret.optional)),
        (None, None) => None,
    }
}

fn from(prefix: String, secret: bool, name: &str, optional: Option<bool>) -> EnvFrom {
    EnvFrom { prefix, secret, name: name.to_owned(), optional: optional.unwrap_or_default() }
}

fn volume(it: &ApiVolume) -> Volume {
    let projected = it.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
    let tokens: Vec<ProjectedToken> = projected
        .filter_map(|source| source.service_account_token.as_ref())
        .map(|token| ProjectedToken { audience: token.audience.clone().unwrap_or_default(), path: token.path.clone() })
        .collect();
    let source = if let Some(secret) = &it.secret {
        VolumeSource::Secret(secret.secret_name.clone().unwrap_or_default())
    } else if let Some(map) = &it.config_map {
        VolumeSource::ConfigMap(map.name.clone())
    } else if let Some(csi) = &it.csi {
        VolumeSource::Csi(csi.driver.clone())
    } else if !tokens.is_empty() {
        VolumeSource::Tokens(tokens)
    } else {
        let objects = objects(it);
        if objects.is_empty() { VolumeSource::Other } else { VolumeSource::Projected(objects) }
    };
    Volume { name: it.name.clone(), source }
}

/// The Secrets and ConfigMaps of a projected volume.
fn objects(it: &ApiVolume) -> Vec<String> {
    let sources = it.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
    let named = sources.filter_map(|source| {
        let secret = source.secret.as_ref().map(|secret| format!("Secret {}", secret.name));
        secret.or_else(|| source.config_map.as_ref().map(|map| format!("ConfigMap {}", map.name)))
    });
    named.collect()
}

/// A ConfigMap, if it exists.
pub(super) async fn config_map(client: &Client, namespace: &str, name: &str) -> Result<Option<Settings>, kube::Error> {
    let found = Api::<ConfigMap>::namespaced(client.clone(), namespace).get_opt(name).await?;
    Ok(found.map(|map| {
        let data = map.data.unwrap_or_default().into_iter();
        data.map(|(key, value)| (key.clone(), may_keep(&key, &value))).collect::<BTreeMap<_, _>>()
    }))
}

/// The names of a Secret's keys that are not empty, if it exists. Its values are dropped here.
pub(super) async fn secret_keys(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<Vec<String>>, kube::Error> {
    let found = Api::<Secret>::namespaced(client.clone(), namespace).get_opt(name).await?;
    Ok(found.map(|secret| {
        let data = secret.data.unwrap_or_default().into_iter();
        data.filter(|(_, value)| !value.0.is_empty()).map(|(key, _)| key).collect()
    }))
}
