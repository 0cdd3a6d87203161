//! What a pod's spec says of credentials and of the way to them. Values that could be secrets are not kept: of most variables
//! only the name.

use std::collections::BTreeMap;

/// A pod's spec, as far as it decides which credentials its containers find.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodSpec {
    /// It shares the node's network.
    pub host_network: bool,
    /// Annotations of `eks.amazonaws.com/` and `vpc.amazonaws.com/`.
    pub annotations: BTreeMap<String, String>,
    /// Containers, init containers first: the same as the pod's, in the same order.
    pub containers: Vec<ContainerSpec>,
    /// Volumes.
    pub volumes: Vec<Volume>,
}

/// A container's spec.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerSpec {
    /// Name.
    pub name: String,
    /// An init container (a sidecar too).
    pub init: bool,
    /// Image.
    pub image: String,
    /// `env`, in order.
    pub env: Vec<Variable>,
    /// `envFrom`, in order: later ones win, and `env` wins over all.
    pub env_from: Vec<EnvFrom>,
    /// Volume mounts.
    pub mounts: Vec<Mount>,
    /// Its command, arguments or `JAVA_TOOL_OPTIONS` set `-Daws.accessKeyId`.
    pub java_keys: bool,
}

/// An entry of `env`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Name.
    pub name: String,
    /// Value.
    pub value: EnvValue,
}

/// Where a variable's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvValue {
    /// It stands in the spec; kept only for the names that [`kept`] lists, or when it is empty.
    Text(Option<String>),
    /// A key of a ConfigMap.
    ConfigMap(KeyRef),
    /// A key of a Secret.
    Secret(KeyRef),
    /// A field of the pod, or a resource.
    Elsewhere,
}

/// A key of a ConfigMap or Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRef {
    /// Name of the object.
    pub name: String,
    /// Key.
    pub key: String,
}

/// An entry of `envFrom`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFrom {
    /// Put before every key.
    pub prefix: String,
    /// A Secret, not a ConfigMap.
    pub secret: bool,
    /// Its name.
    pub name: String,
}

/// A volume mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The volume's name.
    pub volume: String,
    /// Where.
    pub path: String,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Name.
    pub name: String,
    /// What is in it.
    pub source: VolumeSource,
}

/// What is in a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeSource {
    /// A Secret of this name.
    Secret(String),
    /// A ConfigMap of this name.
    ConfigMap(String),
    /// Service account tokens, one for each audience, with the file's name.
    Tokens(Vec<ProjectedToken>),
    /// Anything else.
    Other,
}

/// A projected service account token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectedToken {
    /// Audience; empty for the API server's own.
    pub audience: String,
    /// File name.
    pub path: String,
}

/// A ConfigMap: its keys, and the values of those that [`kept`] lists or that are empty.
pub type Settings = BTreeMap<String, Option<String>>;

/// Variables whose values are settings and no secrets. A proxy's address may hold a password: of those only the name is
/// kept, and the value only of who goes without.
const KEPT: &[&str] = &[
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_PROFILE",
    "AWS_DEFAULT_REGION",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_SDK_LOAD_CONFIG",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "NO_PROXY",
    "no_proxy",
];

/// Whether a variable's value may be kept: it is a setting, never a secret.
pub fn kept(name: &str) -> bool {
    KEPT.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_kept() {
        for name in [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "HTTP_PROXY",
            "PASSWORD",
            "AWS_ENDPOINT_URL",
        ] {
            assert!(!kept(name), "{name}");
        }
        assert!(kept("AWS_REGION"));
        assert!(KEPT.is_sorted_by_key(|name| name.to_uppercase()));
    }
}
