//! Which cluster, and where that came from: flag, then `PODID_*`, then the kube context, then the AWS configuration.
//!
//! Pure but for the values it is given; reading kubeconfig files is the `k8s` room's.

use std::fmt;

use crate::{
    failure::{Failure, Result},
    model::arn::Arn,
};

/// A setting and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub from: Origin,
}

/// Where a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag, `--cluster`.
    Flag(&'static str),
    /// An environment variable.
    Env(&'static str),
    /// The file of `apply` and `diff`.
    File,
    /// A kube context of that name.
    KubeContext(String),
    /// The AWS configuration.
    Aws,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Env(name) => write!(f, "from {name}"),
            Self::File => f.write_str("from the manifest"),
            Self::KubeContext(name) => write!(f, "from kube context {name}"),
            Self::Aws => f.write_str("from the AWS configuration"),
        }
    }
}

/// What a kube context says about an EKS cluster: one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextUnit {
    /// Name of the context.
    pub context: String,
    /// Cluster name.
    pub cluster: String,
    /// Region, when the context tells it.
    pub region: Option<String>,
    /// Account, when the context tells it.
    pub account: Option<String>,
}

/// What the user gave.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// The flag, `--cluster`, and its value.
    pub cluster_flag: Option<(&'static str, String)>,
    /// `PODID_CLUSTER`.
    pub cluster_env: Option<String>,
    /// `--region`.
    pub region_flag: Option<String>,
    /// True when `--context` was given: the unit was asked for by name.
    pub context_flag: bool,
    /// Cluster and region that a file names.
    pub file: (Option<String>, Option<String>),
}

/// The resolved cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Cluster name.
    pub cluster: Sourced<String>,
    /// Region, unless the AWS configuration is to tell it.
    pub region: Option<Sourced<String>>,
    /// Account, when an ARN or a context named it.
    pub account: Option<Sourced<String>>,
}

impl Target {
    /// True when the user named the cluster in this command, its file, or by PODID_CLUSTER.
    pub fn named(&self) -> bool {
        matches!(self.cluster.from, Origin::Flag(_) | Origin::Env(_) | Origin::File)
    }
}

/// Resolves the cluster from what was given and the kube context.
///
/// # Errors
/// When no cluster is named, or two sources contradict each other.
pub fn resolve(given: &Given, unit: Option<&ContextUnit>) -> Result<Target> {
    let named = match (&given.cluster_flag, &given.cluster_env) {
        (Some((flag, value)), _) => Some(Sourced { value: value.clone(), from: Origin::Flag(flag) }),
        (None, Some(env)) => Some(Sourced { value: env.clone(), from: Origin::Env("PODID_CLUSTER") }),
        (None, None) => given.file.0.clone().map(|value| Sourced { value, from: Origin::File }),
    };
    let target = match (named, unit) {
        (Some(cluster), Some(unit)) if given.context_flag => {
            let target = from_name(cluster, None)?;
            if target.cluster.value != unit.cluster {
                return Err(Failure::usage(format!(
                    "cluster `{}` ({}) is not the cluster `{}` of kube context `{}` (from --context)",
                    target.cluster.value, target.cluster.from, unit.cluster, unit.context
                ))
                .hint("pass `--cluster` or `--context`, not both"));
            }
            from_unit(unit)?
        }
        (Some(cluster), _) => from_name(cluster, given.region_flag.as_deref())?,
        (None, Some(unit)) => from_unit(unit)?,
        (None, None) => {
            return Err(Failure::usage("no cluster specified, and the current kube context is not an EKS cluster")
                .hint("pass `--cluster NAME`, or set PODID_CLUSTER")
                .hint("or create its kube context: `aws eks update-kubeconfig --name NAME`"));
        }
    };
    let target = of_file(given, target)?;
    match (&target.region, &given.region_flag) {
        (Some(region), Some(flag)) if region.value != *flag => Err(Failure::usage(format!(
            "region `{flag}` (from --region) conflicts with region `{}` ({})",
            region.value, region.from
        ))
        .hint("omit `--region`, or name the cluster with `--cluster`")),
        (None, Some(flag)) => {
            Ok(Target { region: Some(Sourced { value: flag.clone(), from: Origin::Flag("--region") }), ..target })
        }
        _ => Ok(target),
    }
}

/// What the file names must be what everything else names; its region stands in where nothing else has one.
fn of_file(given: &Given, target: Target) -> Result<Target> {
    let (cluster, region) = &given.file;
    let contradicts = |what: &str, file: &str, other: &Sourced<String>| {
        Failure::usage(format!(
            "{what} `{}` ({}) conflicts with {what} `{file}` of the manifest",
            other.value, other.from
        ))
        .hint(format!("the manifest is for {what} `{file}`: omit the other, or use a manifest without it"))
    };
    // An ARN was taken apart already, wherever it came from.
    if let Some(cluster) = cluster.as_deref().map(|c| c.rsplit('/').next().unwrap_or(c))
        && cluster != target.cluster.value
    {
        return Err(contradicts("cluster", cluster, &target.cluster));
    }
    match (region, &target.region) {
        (Some(file), Some(other)) if file != &other.value => Err(contradicts("region", file, other)),
        (Some(file), None) => {
            Ok(Target { region: Some(Sourced { value: file.clone(), from: Origin::File }), ..target })
        }
        _ => Ok(target),
    }
}

fn from_unit(unit: &ContextUnit) -> Result<Target> {
    let from = Origin::KubeContext(unit.context.clone());
    let sourced = |value: &str| Sourced { value: value.to_owned(), from: from.clone() };
    let cluster = sourced(&unit.cluster);
    check_cluster_name(&cluster)?;
    Ok(Target { cluster, region: unit.region.as_deref().map(sourced), account: unit.account.as_deref().map(sourced) })
}

/// A name stands for itself; an ARN names region and account too.
fn from_name(cluster: Sourced<String>, region: Option<&str>) -> Result<Target> {
    if !cluster.value.starts_with("arn:") {
        check_cluster_name(&cluster)?;
        let region = region.map(|r| Sourced { value: r.to_owned(), from: Origin::Flag("--region") });
        return Ok(Target { cluster, region, account: None });
    }
    let wrong = |e| Failure::usage(format!("{e} ({})", cluster.from));
    let arn = Arn::strict(&cluster.value).map_err(wrong)?;
    let name = match arn.resource.strip_prefix("cluster/") {
        Some(name) if arn.service == "eks" && !name.is_empty() => name.to_owned(),
        _ => {
            return Err(Failure::usage(format!(
                "`{}` ({}) is not the ARN of an EKS cluster",
                cluster.value, cluster.from
            )));
        }
    };
    let arn = arn.in_region().map_err(wrong)?;
    let sourced = |value: &str| Sourced { value: value.to_owned(), from: cluster.from.clone() };
    check_cluster_name(&sourced(&name))?;
    Ok(Target { cluster: sourced(&name), region: Some(sourced(&arn.region)), account: Some(sourced(&arn.account)) })
}

/// EKS's rule for cluster names: 1 to 100 of letters, digits, `-` and `_`, beginning with a letter or digit (EKS API, CreateCluster).
fn check_cluster_name(cluster: &Sourced<String>) -> Result<()> {
    let bytes = cluster.value.as_bytes();
    let right = (1..=100).contains(&bytes.len())
        && bytes[0].is_ascii_alphanumeric()
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if right {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "cluster name `{}` ({}) may have only letters, digits, `-` and `_`, at most 100, and begins with a letter or digit",
        cluster.value, cluster.from
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit() -> ContextUnit {
        ContextUnit {
            context: "work".into(),
            cluster: "shop".into(),
            region: Some("eu-west-1".into()),
            account: Some("111122223333".into()),
        }
    }

    fn given(flag: Option<&str>, env: Option<&str>, region: Option<&str>) -> Given {
        Given {
            cluster_flag: flag.map(|value| ("--cluster", value.to_owned())),
            cluster_env: env.map(str::to_owned),
            region_flag: region.map(str::to_owned),
            context_flag: false,
            file: (None, None),
        }
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_the_context() {
        let target = resolve(&given(Some("a"), Some("b"), None), Some(&unit())).unwrap();
        assert_eq!(target.cluster, Sourced { value: "a".into(), from: Origin::Flag("--cluster") });
        assert_eq!((target.region.clone(), target.account.clone(), target.named()), (None, None, true));
        let target = resolve(&given(None, Some("b"), None), Some(&unit())).unwrap();
        assert_eq!(target.cluster.from, Origin::Env("PODID_CLUSTER"));
    }

    #[test]
    fn a_context_is_one_unit() {
        let target = resolve(&given(None, None, None), Some(&unit())).unwrap();
        assert_eq!(target.cluster.value, "shop");
        assert_eq!(target.region.clone().unwrap().value, "eu-west-1");
        assert!(!target.named());
        let failure = resolve(&given(None, None, Some("us-east-1")), Some(&unit())).unwrap_err();
        assert!(failure.message.contains("conflicts with region `eu-west-1` (from kube context work)"), "{failure}");
    }

    #[test]
    fn an_arn_names_region_and_account() {
        let arn = "arn:aws-cn:eks:cn-north-1:999900001111:cluster/big";
        let target = resolve(&given(Some(arn), None, None), None).unwrap();
        assert_eq!((target.cluster.value.as_str(), target.account.unwrap().value.as_str()), ("big", "999900001111"));
        assert!(resolve(&given(Some(arn), None, Some("us-east-1")), None).is_err());
        for wrong in [
            "arn:aws:iam::111122223333:role/x",
            "arn:aws:eks:us-west-2:*:cluster/big",
            "arn:aws:eks:*:999900001111:cluster/big",
            "arn:aws:eks:us-west-2:999900001111:cluster/*",
            "arn:aws:eks:us-west-2:999900001111:cluster/big/x",
            "arn:aws:eks:us-west-2::cluster/big",
        ] {
            assert!(resolve(&given(Some(wrong), None, None), None).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_cluster_and_wrong_names_are_usage() {
        for wrong in [given(None, None, None), given(Some("-a"), None, None), given(Some("a b"), None, None)] {
            assert_eq!(resolve(&wrong, None).unwrap_err().code, crate::failure::Code::Usage);
        }
    }

    #[test]
    fn a_file_names_a_cluster_too() {
        let file = |given: Given| Given { file: (Some("shop".into()), Some("eu-west-1".into())), ..given };
        let target = resolve(&file(given(None, None, None)), None).unwrap();
        assert_eq!(target.cluster, Sourced { value: "shop".into(), from: Origin::File });
        assert_eq!((target.region.clone().unwrap().from, target.named()), (Origin::File, true));
        assert_eq!(resolve(&file(given(Some("shop"), None, None)), None).unwrap().region.unwrap().value, "eu-west-1");
        for (wrong, words) in [
            (
                given(Some("other"), None, None),
                "cluster `other` (from --cluster) conflicts with cluster `shop` of the manifest",
            ),
            (given(None, Some("other"), None), "cluster `other` (from PODID_CLUSTER) conflicts with"),
            (
                given(None, None, Some("us-east-1")),
                "region `us-east-1` (from --region) conflicts with region `eu-west-1`",
            ),
        ] {
            let failure = resolve(&file(wrong), None).unwrap_err();
            assert!(failure.message.contains(words), "{failure}");
        }
    }

    #[test]
    fn a_context_flag_and_another_cluster_contradict() {
        let given = Given { context_flag: true, ..given(Some("other"), None, None) };
        assert!(resolve(&given, Some(&unit())).unwrap_err().message.contains("is not the cluster `shop`"));
        let same = Given { cluster_flag: Some(("--cluster", "shop".into())), ..given };
        assert_eq!(resolve(&same, Some(&unit())).unwrap().region.unwrap().value, "eu-west-1");
    }
}
