//! What a pod's spec says of credentials and of the way to them. Values that could be secrets are not kept: of most variables
//! only the name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A pod's spec, as far as it decides which credentials its containers find.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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

/// CSI driver of the sockets at which pods get SPIFFE identities (amazon-eks-pod-identity-webhook).
const WORKLOAD_IDENTITY: &str = "spiffe.csi.eks.amazonaws.com";

impl PodSpec {
    /// Its association gives it a SPIFFE workload identity too, which the EKS API does not show.
    pub fn has_workload_identity(&self) -> bool {
        self.volumes
            .iter()
            .any(|volume| matches!(&volume.source, VolumeSource::Csi(driver) if driver == WORKLOAD_IDENTITY))
    }
}

/// A container's spec.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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
    /// Its command or arguments set `-Daws.accessKeyId`.
    pub java_keys: bool,
}

/// An entry of `env`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Variable {
    /// Name.
    pub name: String,
    /// Value.
    pub value: EnvValue,
}

/// Where a variable's value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EnvValue {
    /// It stands in the spec; kept only as far as [`may_keep`] allows.
    Text(Option<String>),
    /// A key of a ConfigMap.
    ConfigMap(KeyRef),
    /// A key of a Secret.
    Secret(KeyRef),
    /// A field of the pod, or a resource.
    Elsewhere,
}

/// A key of a ConfigMap or Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyRef {
    /// Name of the object.
    pub name: String,
    /// Key.
    pub key: String,
    /// The container starts without the object or the key too.
    pub optional: bool,
}

/// An entry of `envFrom`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvFrom {
    /// Put before every key.
    pub prefix: String,
    /// A Secret, not a ConfigMap.
    pub secret: bool,
    /// Its name.
    pub name: String,
    /// The container starts without it too.
    pub optional: bool,
}

/// A volume mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// The volume's name.
    pub volume: String,
    /// Where.
    pub path: String,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// Name.
    pub name: String,
    /// What is in it.
    pub source: VolumeSource,
}

/// What is in a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VolumeSource {
    /// A Secret of this name.
    Secret(String),
    /// A ConfigMap of this name.
    ConfigMap(String),
    /// Service account tokens, one for each audience, with the file's name.
    Tokens(Vec<ProjectedToken>),
    /// Secrets and ConfigMaps, projected into one directory.
    Projected(Vec<String>),
    /// What this CSI driver brings.
    Csi(String),
    /// Anything else.
    Other,
}

/// A projected service account token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectedToken {
    /// Audience; empty for the API server's own.
    pub audience: String,
    /// File name.
    pub path: String,
}

/// A ConfigMap: its keys, and the values that [`may_keep`] allows.
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
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
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

/// Addresses that the webhook sets; clusters with IPv6 get the second.
pub const URIS: [&str; 2] = ["http://169.254.170.23/v1/credentials", "http://[fd00:ec2::23]/v1/credentials"];
/// The token's file, as the webhook sets it.
pub const TOKEN: &str = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token";

/// The variables of a web identity: both together come before the credentials of Pod Identity in every SDK.
pub const WEB_IDENTITY: [&str; 2] = ["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"];

/// What is kept of a value with access keys in it.
pub const KEYS_INSIDE: &str = "(access keys)";
/// The system property that gives a JVM keys.
pub const JAVA_KEYS: &str = "-Daws.accessKeyId";

/// Variables whose content a JVM takes as its options, or a start script hands on to one; the first three it reads itself.
pub const JAVA_OPTIONS: [&str; 8] = [
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "JAVA_OPTS",
    "JAVA_OPTIONS",
    "CATALINA_OPTS",
    "JVM_OPTS",
    "JAVA_ARGS",
];

/// Whether a variable is one of the AWS SDKs'.
pub fn is_of_sdks(name: &str) -> bool {
    name.starts_with("AWS_")
}

/// Whether a variable may decide about credentials or the way to them, so that it matters where its value comes from.
pub fn matters(name: &str) -> bool {
    is_of_sdks(name) || name.to_ascii_uppercase().ends_with("_PROXY") || JAVA_OPTIONS.contains(&name)
}

/// Schemes of connection URIs whose user and password are AWS keys (SQLAlchemy and Celery broker URLs, Airflow, Hadoop).
const SCHEMES: &[&str] = &["s3", "s3a", "s3n", "sqs", "aws", "dynamodb", "kinesis", "bedrock", "cloudwatch"];

/// Whether a variable's value may be kept: it is a setting, never a secret.
fn kept(name: &str) -> bool {
    KEPT.contains(&name)
}

/// What may be kept of a variable's value: a setting, that it is empty (as good as not set), or that there are keys in it.
pub fn may_keep(name: &str, value: &str) -> Option<String> {
    if value.is_empty() || kept(name) || URIS.contains(&value) || value == TOKEN {
        return Some(value.to_owned());
    }
    if value.contains(JAVA_KEYS) {
        return Some(JAVA_KEYS.to_owned());
    }
    holds_keys(value).then(|| KEYS_INSIDE.to_owned())
}

/// A value that is no key itself and has keys in it: a connection URI, or settings of a library.
fn holds_keys(value: &str) -> bool {
    let id = |user: &str| (user.starts_with("AKIA") || user.starts_with("ASIA")) && user.len() >= 16;
    let uri = value.split_once("://").is_some_and(|(scheme, rest)| {
        let scheme = scheme.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let authority = rest.split(['/', '?', ' ', '"', '\'']).next().unwrap_or_default();
        // A secret key may hold a slash: what is before the colon tells.
        let user = authority.split([':', '@']).next().unwrap_or_default();
        let both = authority.contains(':') && rest.contains('@');
        !user.is_empty() && both && (SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) || id(user))
    });
    uri || value.to_ascii_lowercase().contains("aws_access_key_id=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_inside_a_value() {
        for (value, wanted) in [
            ("sqs://AKIAIOSFODNN7EXAMPLE:secret%2Fkey@", Some(KEYS_INSIDE)),
            ("s3://key:secret@bucket/path", Some(KEYS_INSIDE)),
            ("https://AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG@queue.example", Some(KEYS_INSIDE)),
            ("region=eu;aws_access_key_id=key;aws_secret_access_key=secret", Some(KEYS_INSIDE)),
            ("-Xmx1g -Daws.accessKeyId=key -Daws.secretKey=secret", Some(JAVA_KEYS)),
            (URIS[0], Some(URIS[0])),
            ("", Some("")),
            ("s3://bucket/path", None),
            ("sqs://", None),
            ("postgres://orders:secret@db:5432/orders", None),
            ("http://user:secret@proxy:3128", None),
            ("-Xmx1g -Daws.region=us-west-2", None),
            ("wJalrXUtnFEMI", None),
        ] {
            assert_eq!(may_keep("ANY", value).as_deref(), wanted, "{value}");
        }
    }

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
