//! The nouns of the EKS workshop, for the unit tests of the pure rooms.

use super::{cluster::Cluster, names::ServiceAccount};

/// The workshop's cluster.
pub(crate) fn cluster() -> Cluster {
    Cluster {
        name: "eks-workshop".to_owned(),
        arn: "arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop".parse().unwrap(),
        version: "1.33".to_owned(),
        platform_version: "eks.9".to_owned(),
        status: "ACTIVE".to_owned(),
        endpoint: "https://example.invalid".to_owned(),
        certificate_authority: String::new(),
        oidc_issuer: None,
        auto_mode: false,
        created_at: None,
    }
}

/// A service account from `NS/SA`.
pub(crate) fn subject(text: &str) -> ServiceAccount {
    text.parse().unwrap()
}
