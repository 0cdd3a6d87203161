//! The objects, with resource versions, and the history that watches read.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    json::{list, object, stamp, text},
    kinds::Kind,
};

/// Changes kept for watches and paged lists.
const KEPT: usize = 20_000;

/// What happened to an object.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub rv: u64,
    pub resource: &'static str,
    /// As it was; `None` for a new object.
    pub before: Option<Arc<Value>>,
    /// As it is; after a deletion, as it was last, with the deletion's resource version.
    pub after: Arc<Value>,
    pub deleted: bool,
}

type Key = (&'static str, String, String);

/// All objects of the cluster.
pub(crate) struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    /// Keys by the uid of their controller.
    children: BTreeMap<String, BTreeSet<Key>>,
    /// Removals so far, and the resource version at which a node last changed.
    removals: u64,
    nodes: u64,
    history: VecDeque<Change>,
    rv: u64,
    floor: u64,
    serial: u64,
    salt: String,
    changed: tokio::sync::watch::Sender<u64>,
}

impl Store {
    pub(crate) fn new(salt: &str) -> Self {
        Self {
            objects: BTreeMap::new(),
            children: BTreeMap::new(),
            removals: 0,
            nodes: 0,
            history: VecDeque::new(),
            rv: 1,
            floor: 0,
            serial: 0,
            salt: salt.to_owned(),
            changed: tokio::sync::watch::Sender::new(1),
        }
    }

    /// The newest resource version.
    pub(crate) fn rv(&self) -> u64 {
        self.rv
    }

    /// The oldest resource version that can still be watched from.
    pub(crate) fn floor(&self) -> u64 {
        self.floor
    }

    /// Forgets the history, as etcd's compaction does.
    pub(crate) fn compact(&mut self) {
        self.history.clear();
        self.floor = self.rv;
    }

    /// Tells of every change.
    pub(crate) fn subscribe(&self) -> tokio::sync::watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(crate) fn get(&self, resource: &'static str, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        self.objects.get(&(resource, namespace.to_owned(), name.to_owned()))
    }

    /// Objects in the order of their keys; of all namespaces with `""`.
    pub(crate) fn list<'s>(
        &'s self,
        resource: &'static str,
        namespace: &str,
    ) -> impl Iterator<Item = &'s Arc<Value>> + use<'s> {
        let namespace = namespace.to_owned();
        let start = (resource, namespace.clone(), String::new());
        self.objects
            .range(start..)
            .take_while(move |((r, n, _), _)| *r == resource && (namespace.is_empty() || *n == namespace))
            .map(|(_, object)| object)
    }

    /// The objects as they were at `rv`, in the order of their keys.
    pub(crate) fn list_at(&self, resource: &'static str, namespace: &str, rv: u64) -> Vec<Arc<Value>> {
        let mut then: BTreeMap<(String, String), Arc<Value>> =
            self.list(resource, namespace).map(|o| (place(o), o.clone())).collect();
        for change in self.history.iter().rev().take_while(|c| c.rv > rv) {
            let at = place(&change.after);
            if change.resource != resource || !(namespace.is_empty() || at.0 == namespace) {
                continue;
            }
            match &change.before {
                Some(before) => then.insert(at, before.clone()),
                None => then.remove(&at),
            };
        }
        then.into_values().collect()
    }

    /// Changes after `rv`.
    pub(crate) fn since(&self, rv: u64) -> impl Iterator<Item = &Change> {
        let start = self.history.partition_point(|c| c.rv <= rv);
        self.history.range(start..)
    }

    /// Adds an object that is not there yet.
    pub(crate) fn add(&mut self, kind: &'static Kind, mut new: Value, now: Timestamp) -> Arc<Value> {
        self.identify(kind, &mut new, now);
        self.rv += 1;
        object(&mut new, &["metadata"]).insert("resourceVersion".into(), json!(self.rv.to_string()));
        let new = Arc::new(new);
        let (namespace, name) = place(&new);
        let key = (kind.resource, namespace, name);
        self.reindex(&key, None, Some(&new));
        self.objects.insert(key, new.clone());
        self.note(kind.resource, None, new.clone(), false);
        new
    }

    /// What the server fills in at a creation, but for the resource version.
    pub(crate) fn identify(&mut self, kind: &Kind, new: &mut Value, now: Timestamp) {
        let uid = self.uid();
        let metadata = object(new, &["metadata"]);
        metadata.insert("uid".into(), json!(uid));
        metadata.shift_remove("resourceVersion");
        if kind.generations {
            metadata.insert("generation".into(), json!(1));
        }
        metadata.insert("creationTimestamp".into(), json!(stamp(now)));
    }

    /// Changes an object; nothing happens when `change` changes nothing.
    pub(crate) fn update(
        &mut self,
        kind: &'static Kind,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Option<Arc<Value>> {
        let key = (kind.resource, namespace.to_owned(), name.to_owned());
        let before = self.objects.get(&key)?.clone();
        let mut after = Value::clone(&before);
        change(&mut after);
        if after == *before {
            return Some(before);
        }
        // A pod's generation grows with its deletion only: its binding is no change of its spec.
        if kind.generations && kind.resource != "pods" && after.get("spec") != before.get("spec") {
            let generation = before.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(1) + 1;
            object(&mut after, &["metadata"]).insert("generation".into(), json!(generation));
        }
        self.rv += 1;
        object(&mut after, &["metadata"]).insert("resourceVersion".into(), json!(self.rv.to_string()));
        let after = Arc::new(after);
        self.reindex(&key, Some(&before), Some(&after));
        self.objects.insert(key, after.clone());
        self.note(kind.resource, Some(before), after.clone(), false);
        Some(after)
    }

    /// Takes an object away.
    pub(crate) fn remove(&mut self, kind: &'static Kind, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let key = (kind.resource, namespace.to_owned(), name.to_owned());
        let before = self.objects.remove(&key)?;
        self.rv += 1;
        self.removals += 1;
        self.reindex(&key, Some(&before), None);
        let mut last = Value::clone(&before);
        object(&mut last, &["metadata"]).insert("resourceVersion".into(), json!(self.rv.to_string()));
        self.note(kind.resource, Some(before.clone()), Arc::new(last), true);
        Some(before)
    }

    /// What a controller owns of a resource.
    pub(crate) fn owned(&self, resource: &'static str, owner: &Value) -> Vec<Arc<Value>> {
        let keys = self.children.get(text(owner, "/metadata/uid")).into_iter().flatten();
        keys.filter(|(r, ..)| *r == resource).filter_map(|key| self.objects.get(key).cloned()).collect()
    }

    /// A sum over everything that a controller looks at: what it owns, itself, and for daemons the nodes.
    pub(crate) fn fingerprint(&self, owner: &Value) -> Vec<u64> {
        let version = |object: &Value| text(object, "/metadata/resourceVersion").parse().unwrap_or_default();
        let keys = self.children.get(text(owner, "/metadata/uid")).into_iter().flatten();
        let own = keys.filter_map(|key| self.objects.get(key)).map(|o| version(o));
        let nodes = if text(owner, "/kind") == "DaemonSet" { self.nodes } else { 0 };
        [version(owner), nodes].into_iter().chain(own).collect()
    }

    /// Removals so far.
    pub(crate) fn removals(&self) -> u64 {
        self.removals
    }

    /// Keeps the index of owners.
    fn reindex(&mut self, key: &Key, before: Option<&Value>, after: Option<&Value>) {
        let (old, new) = (before.and_then(controller), after.and_then(controller));
        if key.0 == "nodes" {
            self.nodes = self.rv;
        }
        if old == new {
            return;
        }
        if let Some(old) = old
            && let Some(keys) = self.children.get_mut(old)
        {
            keys.remove(key);
            if keys.is_empty() {
                self.children.remove(old);
            }
        }
        if let Some(new) = new {
            self.children.entry(new.to_owned()).or_default().insert(key.clone());
        }
    }

    fn note(&mut self, resource: &'static str, before: Option<Arc<Value>>, after: Arc<Value>, deleted: bool) {
        self.history.push_back(Change { rv: self.rv, resource, before, after, deleted });
        if self.history.len() > KEPT
            && let Some(gone) = self.history.pop_front()
        {
            self.floor = gone.rv;
        }
        self.changed.send_replace(self.rv);
    }

    /// The next of an endless row of random-looking bytes, the same in every run.
    fn entropy(&mut self) -> [u8; 32] {
        self.serial += 1;
        Sha256::digest(format!("{} {}", self.salt, self.serial)).into()
    }

    /// A new UUID.
    pub(crate) fn uid(&mut self) -> String {
        let mut bytes = self.entropy();
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex = hex::encode(&bytes[..16]);
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// Five characters for a generated name.
    pub(crate) fn suffix(&mut self) -> String {
        safe(&self.entropy()[..5])
    }

    /// A random-looking number below `below`.
    pub(crate) fn random(&mut self, below: u32) -> u32 {
        let bytes = self.entropy();
        u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) % below
    }
}

/// The alphabet of generated names: no vowels, nothing that looks like another.
pub(crate) fn safe(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    bytes.iter().map(|b| ALPHABET[usize::from(*b) % ALPHABET.len()] as char).collect()
}

/// The uid of an object's controller.
fn controller(object: &Value) -> Option<&str> {
    list(object, "/metadata/ownerReferences").iter().find(|r| r["controller"] == true).map(|r| text(r, "/uid"))
}

/// Namespace and name.
pub(crate) fn place(object: &Value) -> (String, String) {
    (text(object, "/metadata/namespace").to_owned(), text(object, "/metadata/name").to_owned())
}

impl Store {
    /// Wakes all watches.
    pub(crate) fn touch(&self) {
        self.changed.send_replace(self.rv);
    }
}
