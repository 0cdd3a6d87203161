//! The variables of a container, as far as they are known: `env` over `envFrom`. What they mean is the links' own to say.

use std::collections::BTreeMap;

use crate::model::{
    have::Seen,
    pod_spec::{ContainerSpec, EnvValue},
    snapshot::Snapshot,
    workload::{Container, Pod},
};

/// A variable that is set, and not to the empty value, which is none to the SDKs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    /// Its value, where that may be kept and is known.
    pub value: Option<String>,
    /// `env`, `ConfigMap carts`, `Secret keys`.
    pub source: String,
}

/// The environment of one container.
#[derive(Debug, Default)]
pub(super) struct Environment {
    set: BTreeMap<String, Variable>,
    /// ConfigMaps and Secrets that could not be looked into, and why.
    pub unread: Vec<(String, String)>,
}

/// The containers that are meant to have Pod Identity's credentials: those that are not left out on purpose.
pub(super) fn meant(pod: &Pod) -> impl Iterator<Item = (&ContainerSpec, &Container)> {
    pod.spec.containers.iter().zip(&pod.containers).filter(|(_, container)| !container.skipped)
}

impl Environment {
    /// Of a container of the snapshot's pods.
    pub(super) fn of(snapshot: &Snapshot, container: &ContainerSpec) -> Self {
        let mut it = Self::default();
        for from in &container.env_from {
            if from.secret {
                let source = format!("Secret {}", from.name);
                match snapshot.secrets.get(&from.name) {
                    Some(Seen::Read(keys)) => {
                        for key in keys.iter().flatten() {
                            it.put(format!("{}{key}", from.prefix), None, &source);
                        }
                    }
                    Some(Seen::Unreadable(why)) => it.unread.push((source, why.clone())),
                    Some(Seen::NotAsked) | None => {
                        let why = "not read; `--read-secrets` looks at the names of its keys";
                        it.unread.push((source, why.to_owned()));
                    }
                }
                continue;
            }
            let source = format!("ConfigMap {}", from.name);
            match snapshot.config_maps.get(&from.name) {
                Some(Seen::Read(settings)) => {
                    for (key, value) in settings.iter().flatten() {
                        it.put(format!("{}{key}", from.prefix), value.clone(), &source);
                    }
                }
                Some(Seen::Unreadable(why)) => it.unread.push((source, why.clone())),
                Some(Seen::NotAsked) | None => it.unread.push((source, "not read".to_owned())),
            }
        }
        for variable in &container.env {
            let name = variable.name.clone();
            match &variable.value {
                EnvValue::Text(value) => it.put(name, value.clone(), "env"),
                EnvValue::ConfigMap(key) => {
                    let source = format!("ConfigMap {}", key.name);
                    match snapshot.config_maps.get(&key.name) {
                        // A key that is not there can only be an optional one: the variable is not set.
                        Some(Seen::Read(settings)) => {
                            if let Some(value) = settings.as_ref().and_then(|settings| settings.get(&key.key)) {
                                it.put(name, value.clone(), &source);
                            }
                        }
                        _ => it.put(name, None, &source),
                    }
                }
                EnvValue::Secret(key) => {
                    let gone = matches!(snapshot.secrets.get(&key.name), Some(Seen::Read(keys))
                        if !keys.iter().flatten().any(|known| *known == key.key));
                    if !gone {
                        it.put(name, None, &format!("Secret {}", key.name));
                    }
                }
                EnvValue::Elsewhere => it.put(name, None, "env"),
            }
        }
        it
    }

    fn put(&mut self, name: String, value: Option<String>, source: &str) {
        if value.as_deref() == Some("") {
            self.set.remove(&name);
        } else {
            self.set.insert(name, Variable { value, source: source.to_owned() });
        }
    }

    /// A variable, if it is set.
    pub(super) fn get(&self, name: &str) -> Option<&Variable> {
        self.set.get(name)
    }

    /// Every variable that is set, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Variable)> {
        self.set.iter().map(|(name, variable)| (name.as_str(), variable))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{
        fixtures::{at, subject},
        pod_spec::{EnvFrom, KeyRef, Variable as Entry},
    };

    fn entry(name: &str, value: EnvValue) -> Entry {
        Entry { name: name.to_owned(), value }
    }

    #[test]
    fn env_goes_over_env_from_and_nothing_is_none() {
        let mut snapshot = Snapshot::unread(subject("carts/carts"), at(0), Arc::default());
        let map = [("AWS_REGION", Some("eu-west-1")), ("AWS_PROFILE", Some("")), ("AWS_ACCESS_KEY_ID", None)];
        let map = map.map(|(key, value)| (key.to_owned(), value.map(str::to_owned))).into();
        snapshot.config_maps.insert("carts".to_owned(), Seen::Read(Some(map)));
        snapshot.config_maps.insert("gone".to_owned(), Seen::Read(None));
        snapshot.secrets.insert("keys".to_owned(), Seen::Read(Some(vec!["TOKEN".to_owned()])));
        let from =
            |secret, name: &str| EnvFrom { prefix: "X_".repeat(usize::from(secret)), secret, name: name.to_owned() };
        let key = |name: &str, key: &str| KeyRef { name: name.to_owned(), key: key.to_owned() };
        let container = ContainerSpec {
            env_from: vec![from(false, "carts"), from(true, "keys"), from(true, "closed")],
            env: vec![
                entry("AWS_REGION", EnvValue::Text(Some("us-west-2".to_owned()))),
                entry("AWS_ACCESS_KEY_ID", EnvValue::Text(Some(String::new()))),
                entry("FROM_MAP", EnvValue::ConfigMap(key("gone", "A"))),
                entry("FROM_SECRET", EnvValue::Secret(key("keys", "OTHER"))),
                entry("FROM_TOKEN", EnvValue::Secret(key("keys", "TOKEN"))),
            ],
            ..ContainerSpec::default()
        };
        let environment = Environment::of(&snapshot, &container);
        let set: Vec<(&str, &str)> = environment.iter().map(|(name, it)| (name, it.source.as_str())).collect();
        assert_eq!(set, [("AWS_REGION", "env"), ("FROM_TOKEN", "Secret keys"), ("X_TOKEN", "Secret keys")]);
        assert_eq!(environment.get("AWS_REGION").and_then(|it| it.value.as_deref()), Some("us-west-2"));
        assert_eq!(environment.unread.len(), 1, "{:?}", environment.unread);
        assert!(environment.unread[0].1.contains("--read-secrets"));
    }
}
