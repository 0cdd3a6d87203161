//! An EKS cluster.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::arn::Arn;

/// A cluster as DescribeCluster gives it, as far as podid needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// Name.
    pub name: String,
    /// ARN: partition, region and account of everything in it.
    pub arn: Arn,
    /// Kubernetes version, `1.33`.
    pub version: String,
    /// `eks.9`.
    pub platform_version: String,
    /// `ACTIVE`, `CREATING`, …
    pub status: String,
    /// URL of the Kubernetes API.
    pub endpoint: String,
    /// Base64 of the PEM of the API's CA.
    pub certificate_authority: String,
    /// OIDC issuer URL.
    pub oidc_issuer: Option<String>,
    /// EKS Auto Mode: `computeConfig.enabled`. Its nodes have the agent built in.
    pub auto_mode: bool,
    /// It runs on an AWS Outpost.
    pub on_outpost: bool,
    /// When it was made.
    pub created_at: Option<Timestamp>,
}

impl Cluster {
    /// One of which nothing but the ARN is known.
    pub fn named(arn: Arn) -> Self {
        Self {
            name: arn.name().to_owned(),
            arn,
            version: String::new(),
            platform_version: String::new(),
            status: String::new(),
            endpoint: String::new(),
            certificate_authority: String::new(),
            oidc_issuer: None,
            auto_mode: false,
            on_outpost: false,
            created_at: None,
        }
    }
}
