//! The kinds that this API serves, and what a path names.

use serde_json::{Value, json};

/// One kind and its resource.
#[expect(clippy::struct_field_names, reason = "the API's own words")]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub resource: &'static str,
    pub kind: &'static str,
    pub group: &'static str,
    pub version: &'static str,
    pub namespaced: bool,
    pub short: &'static [&'static str],
    /// `kubectl get all` shows it.
    pub all: bool,
    /// Its spec counts generations.
    pub generations: bool,
    /// Name, kind and verbs of its subresources.
    pub subresources: &'static [(&'static str, &'static str, &'static [&'static str])],
}

const RUW: &[&str] = &["get", "patch", "update"];

const fn core(resource: &'static str, kind: &'static str, short: &'static [&'static str]) -> Kind {
    Kind {
        resource,
        kind,
        group: "",
        version: "v1",
        namespaced: true,
        short,
        all: false,
        generations: false,
        subresources: &[],
    }
}

const fn apps(
    resource: &'static str,
    kind: &'static str,
    short: &'static [&'static str],
    subresources: &'static [(&'static str, &'static str, &'static [&'static str])],
) -> Kind {
    Kind { group: "apps", all: true, generations: true, subresources, ..core(resource, kind, short) }
}

/// Every kind.
pub(crate) static KINDS: &[Kind] = &[
    core("configmaps", "ConfigMap", &["cm"]),
    core("events", "Event", &["ev"]),
    core("limitranges", "LimitRange", &["limits"]),
    Kind {
        namespaced: false,
        subresources: &[("status", "Namespace", RUW)],
        ..core("namespaces", "Namespace", &["ns"])
    },
    Kind { namespaced: false, subresources: &[("status", "Node", RUW)], ..core("nodes", "Node", &["no"]) },
    Kind {
        all: true,
        generations: true,
        subresources: &[("log", "Pod", &["get"]), ("status", "Pod", RUW)],
        ..core("pods", "Pod", &["po"])
    },
    core("resourcequotas", "ResourceQuota", &["quota"]),
    core("secrets", "Secret", &[]),
    Kind {
        subresources: &[("token", "TokenRequest", &["create"])],
        ..core("serviceaccounts", "ServiceAccount", &["sa"])
    },
    Kind { all: true, ..core("services", "Service", &["svc"]) },
    Kind { all: false, generations: false, ..apps("controllerrevisions", "ControllerRevision", &[], &[]) },
    apps("daemonsets", "DaemonSet", &["ds"], &[("status", "DaemonSet", RUW)]),
    apps("deployments", "Deployment", &["deploy"], &[("scale", "Scale", RUW), ("status", "Deployment", RUW)]),
    apps("replicasets", "ReplicaSet", &["rs"], &[("scale", "Scale", RUW), ("status", "ReplicaSet", RUW)]),
    apps("statefulsets", "StatefulSet", &["sts"], &[("scale", "Scale", RUW), ("status", "StatefulSet", RUW)]),
    Kind { group: "batch", ..apps("cronjobs", "CronJob", &["cj"], &[("status", "CronJob", RUW)]) },
    Kind { group: "batch", ..apps("jobs", "Job", &[], &[("status", "Job", RUW)]) },
    Kind { group: "networking.k8s.io", all: false, ..apps("networkpolicies", "NetworkPolicy", &["netpol"], &[]) },
    Kind {
        group: "admissionregistration.k8s.io",
        namespaced: false,
        all: false,
        ..apps("mutatingwebhookconfigurations", "MutatingWebhookConfiguration", &[], &[])
    },
    Kind {
        group: "admissionregistration.k8s.io",
        namespaced: false,
        all: false,
        ..apps("validatingwebhookconfigurations", "ValidatingWebhookConfiguration", &[], &[])
    },
    Kind {
        group: "argoproj.io",
        version: "v1alpha1",
        all: false,
        ..apps("rollouts", "Rollout", &["ro"], &[("scale", "Scale", RUW), ("status", "Rollout", RUW)])
    },
];

/// Answered without being stored.
pub(crate) static REVIEW: Kind = Kind {
    group: "authorization.k8s.io",
    namespaced: false,
    ..core("selfsubjectaccessreviews", "SelfSubjectAccessReview", &[])
};

/// Answered without being stored.
pub(crate) static SELF: Kind =
    Kind { group: "authentication.k8s.io", namespaced: false, ..core("selfsubjectreviews", "SelfSubjectReview", &[]) };

impl Kind {
    /// `v1` or `apps/v1`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `pods` or `deployments.apps`.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() { self.resource.to_owned() } else { format!("{}.{}", self.resource, self.group) }
    }

    /// `Pod` or `Deployment.apps`.
    pub(crate) fn qualified_kind(&self) -> String {
        if self.group.is_empty() { self.kind.to_owned() } else { format!("{}.{}", self.kind, self.group) }
    }

    /// `details` of a Status about one object.
    pub(crate) fn details(&self, name: &str) -> Value {
        let mut details = serde_json::Map::new();
        for (key, value) in [("name", name), ("group", self.group), ("kind", self.resource)] {
            if !value.is_empty() {
                details.insert(key.to_owned(), json!(value));
            }
        }
        Value::Object(details)
    }
}

/// The kind of a resource that surely exists.
pub(crate) fn of(resource: &str) -> &'static Kind {
    KINDS.iter().find(|k| k.resource == resource).unwrap_or(&KINDS[0])
}

/// The kind of an object, by its `apiVersion` and `kind`.
pub(crate) fn of_object(object: &Value) -> Option<&'static Kind> {
    let (version, kind) = (object.get("apiVersion")?.as_str()?, object.get("kind")?.as_str()?);
    KINDS.iter().find(|k| k.kind == kind && k.api_version() == version)
}

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Version,
    /// `/api`, `/apis`, `/api/v1`, `/apis/apps`, `/apis/apps/v1`, OpenAPI.
    Discovery,
    /// `/healthz`, `/livez`, `/readyz`.
    Health,
    Issuer,
    Resource(Place),
    Unknown,
}

/// A collection, an object or a subresource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub kind: &'static Kind,
    pub namespace: String,
    pub name: String,
    pub subresource: String,
}

impl Target {
    /// Reads a path.
    pub(crate) fn of(path: &str) -> Self {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match parts.as_slice() {
            ["version"] => return Self::Version,
            ["healthz" | "livez" | "readyz", ..] => return Self::Health,
            [".well-known", "openid-configuration"] => return Self::Issuer,
            ["api" | "apis" | ""] | ["api", "v1"] | ["openapi", ..] => return Self::Discovery,
            ["apis", group] if known(group, None) => return Self::Discovery,
            ["apis", group, version] if known(group, Some(version)) => return Self::Discovery,
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Self::Unknown,
        };
        // `/namespaces/NAME/…` is both a namespace's own path and the way to what is in it.
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() && !matches!(rest, ["status" | "finalize"]) => {
                (*namespace, rest)
            }
            rest => ("", rest),
        };
        let Some((resource, rest)) = rest.split_first() else { return Self::Unknown };
        let found = KINDS
            .iter()
            .chain([&REVIEW, &SELF])
            .find(|k| k.group == group && k.version == version && k.resource == *resource);
        let Some(kind) = found.filter(|k| k.namespaced || namespace.is_empty()) else { return Self::Unknown };
        let (name, subresource) = match rest {
            [] => ("", ""),
            [name] => (*name, ""),
            [name, subresource] if kind.subresources.iter().any(|(known, ..)| known == subresource) => {
                (*name, *subresource)
            }
            _ => return Self::Unknown,
        };
        Self::Resource(Place {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource: subresource.to_owned(),
        })
    }
}

impl Place {
    /// `pods` or `pods/log`.
    pub(crate) fn resource(&self) -> String {
        if self.subresource.is_empty() {
            self.kind.resource.to_owned()
        } else {
            format!("{}/{}", self.kind.resource, self.subresource)
        }
    }
}

/// Whether a group (and version) is served.
pub(crate) fn known(group: &str, version: Option<&str>) -> bool {
    KINDS
        .iter()
        .chain([&REVIEW, &SELF])
        .any(|k| !k.group.is_empty() && k.group == group && version.is_none_or(|v| v == k.version))
}
