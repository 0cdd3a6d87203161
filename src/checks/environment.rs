//! The variables of a container, as far as they are known: `env` over `envFrom`. What they mean is the links' own to say.

use std::collections::BTreeMap;

use crate::model::{
    have::Observed,
    pod_spec::{ContainerSpec, EnvValue, KeyRef, matters},
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

/// Why nobody looked into a Secret.
const UNREAD: &str = "not read; `--read-secrets` reads the names of its keys";

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
                    Some(Observed::Known(keys)) => {
                        for key in keys.iter().flatten() {
                            it.put(format!("{}{key}", from.prefix), None, &source);
                        }
                    }
                    Some(Observed::Unreadable(why)) => it.unread.push((source, why.clone())),
                    Some(Observed::NotRequested) | None => {
                        it.unread.push((source, UNREAD.to_owned()));
                    }
                }
                continue;
            }
            let source = format!("ConfigMap {}", from.name);
            match snapshot.config_maps.get(&from.name) {
                Some(Observed::Known(settings)) => {
                    for (key, value) in settings.iter().flatten() {
                        it.put(format!("{}{key}", from.prefix), value.clone(), &source);
                    }
                }
                Some(Observed::Unreadable(why)) => it.unread.push((source, why.clone())),
                Some(Observed::NotRequested) | None => it.unread.push((source, "not read".to_owned())),
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
                        Some(Observed::Known(settings)) => {
                            if let Some(value) = settings.as_ref().and_then(|settings| settings.get(&key.key)) {
                                it.put(name, value.clone(), &source);
                            }
                        }
                        Some(Observed::Unreadable(why)) if key.optional => it.perhaps(&name, key, source, why),
                        _ => it.put(name, None, &source),
                    }
                }
                EnvValue::Secret(key) => {
                    let source = format!("Secret {}", key.name);
                    match snapshot.secrets.get(&key.name) {
                        Some(Observed::Known(keys)) => {
                            if keys.iter().flatten().any(|known| *known == key.key) {
                                it.put(name, None, &source);
                            }
                        }
                        Some(Observed::Unreadable(why)) if key.optional => it.perhaps(&name, key, source, why),
                        _ if key.optional => it.perhaps(&name, key, source, UNREAD),
                        _ => it.put(name, None, &source),
                    }
                }
                EnvValue::Elsewhere => it.put(name, None, "env"),
            }
        }
        it
    }

    /// A variable of an optional key that nobody looked for: it may be set, and may not.
    fn perhaps(&mut self, variable: &str, key: &KeyRef, source: String, why: &str) {
        if matters(variable) {
            self.set.remove(variable);
            self.unread.push((source, format!("{why}; its key {} for {variable} is optional", key.key)));
        }
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
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{
        fixtures::{at, subject},
        pod_spec::{EnvFrom, KeyRef, Variable as Entry},
    };

    /// An environment with these variables.
    pub(in crate::checks) fn environment(names: &[&str]) -> Environment {
        let variable = || super::Variable { value: None, source: "env".to_owned() };
        let set = names.iter().map(|name| ((*name).to_owned(), variable())).collect();
        Environment { set, ..Environment::default() }
    }

    fn entry(name: &str, value: EnvValue) -> Entry {
        Entry { name: name.to_owned(), value }
    }

    #[test]
    fn env_goes_over_env_from_and_nothing_is_none() {
        let mut snapshot = Snapshot::unread(subject("carts/carts"), at(0), Arc::default());
        let map = [("AWS_REGION", Some("eu-west-1")), ("AWS_PROFILE", Some("")), ("AWS_ACCESS_KEY_ID", None)];
        let map = map.map(|(key, value)| (key.to_owned(), value.map(str::to_owned))).into();
        snapshot.config_maps.insert("carts".to_owned(), Observed::Known(Some(map)));
        snapshot.config_maps.insert("gone".to_owned(), Observed::Known(None));
        snapshot.secrets.insert("keys".to_owned(), Observed::Known(Some(vec!["TOKEN".to_owned()])));
        let from = |secret, name: &str| EnvFrom {
            prefix: "X_".repeat(usize::from(secret)),
            secret,
            name: name.to_owned(),
            optional: false,
        };
        let key = |name: &str, key: &str| KeyRef { name: name.to_owned(), key: key.to_owned(), optional: false };
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

    /// A key of a Secret that nobody read is set for sure only where the container does not start without it.
    #[test]
    fn an_optional_key_is_unknown_until_it_is_read() {
        let of = |optional, read: Option<Observed<Option<Vec<String>>>>| {
            let mut snapshot = Snapshot::unread(subject("carts/carts"), at(0), Arc::default());
            snapshot.secrets.extend(read.map(|read| ("keys".to_owned(), read)));
            let key = KeyRef { name: "keys".to_owned(), key: "id".to_owned(), optional };
            let env = vec![entry("AWS_ACCESS_KEY_ID", EnvValue::Secret(key))];
            let environment = Environment::of(&snapshot, &ContainerSpec { env, ..ContainerSpec::default() });
            (environment.get("AWS_ACCESS_KEY_ID").is_some(), environment.unread.len())
        };
        let read = |keys: &[&str]| Some(Observed::Known(Some(keys.iter().map(|key| (*key).to_owned()).collect())));
        assert_eq!(of(false, None), (true, 0));
        assert_eq!(of(true, None), (false, 1));
        assert_eq!(of(true, Some(Observed::NotRequested)), (false, 1));
        assert_eq!(of(true, Some(Observed::Unreadable("not allowed: get secrets".to_owned()))), (false, 1));
        assert_eq!(of(true, Some(Observed::Known(None))), (false, 0));
        assert_eq!(of(true, read(&["other"])), (false, 0));
        assert_eq!(of(true, read(&["id"])), (true, 0));
    }
}
