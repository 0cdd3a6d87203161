//! The regions with EKS, by partition (AWS General Reference, "Amazon EKS endpoints and quotas"). A region that is newer than
//! this list is reached by naming it.

/// A region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// `us-west-2`.
    pub name: &'static str,
    /// An account has it only once someone enabled it.
    pub opt_in: bool,
}

/// Enabled in every account, and to be enabled.
type Regions = (&'static [&'static str], &'static [&'static str]);

const AWS: Regions = (
    &[
        "us-east-1",
        "us-east-2",
        "us-west-1",
        "us-west-2",
        "ca-central-1",
        "sa-east-1",
        "eu-central-1",
        "eu-north-1",
        "eu-west-1",
        "eu-west-2",
        "eu-west-3",
        "ap-northeast-1",
        "ap-northeast-2",
        "ap-northeast-3",
        "ap-south-1",
        "ap-southeast-1",
        "ap-southeast-2",
    ],
    &[
        "af-south-1",
        "ap-east-1",
        "ap-east-2",
        "ap-south-2",
        "ap-southeast-3",
        "ap-southeast-4",
        "ap-southeast-5",
        "ap-southeast-6",
        "ap-southeast-7",
        "ca-west-1",
        "eu-central-2",
        "eu-south-1",
        "eu-south-2",
        "il-central-1",
        "me-central-1",
        "me-south-1",
        "mx-central-1",
    ],
);

/// First letters of a partition's regions, and its regions. The commercial ones are the rest.
const OTHERS: &[(&str, Regions)] = &[
    ("cn-", (&["cn-north-1", "cn-northwest-1"], &[])),
    ("us-gov-", (&["us-gov-east-1", "us-gov-west-1"], &[])),
    ("eusc-", (&["eusc-de-east-1"], &[])),
    ("us-iso-", (&["us-iso-east-1", "us-iso-west-1"], &[])),
    ("us-isob-", (&["us-isob-east-1", "us-isob-west-1"], &[])),
    ("eu-isoe-", (&["eu-isoe-west-1"], &[])),
    ("us-isof-", (&["us-isof-east-1", "us-isof-south-1"], &[])),
];

/// The regions of every partition, the commercial ones first.
pub fn all() -> Vec<Region> {
    let firsts = std::iter::once("").chain(OTHERS.iter().map(|(first, _)| *first));
    firsts.flat_map(beside).collect()
}

/// The regions of the partition that `region` is in: credentials are of one partition.
pub fn beside(region: &str) -> Vec<Region> {
    let found = OTHERS.iter().find(|(first, _)| region.starts_with(first));
    let (always, opt_in) = found.map_or(AWS, |(_, regions)| *regions);
    let mut all: Vec<Region> = always.iter().map(|name| Region { name, opt_in: false }).collect();
    all.extend(opt_in.iter().map(|name| Region { name, opt_in: true }));
    all.sort_by_key(|region| region.name);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_of_one_partition() {
        let names = |region: &str| beside(region).iter().map(|r| r.name).collect::<Vec<_>>();
        assert_eq!(names("cn-north-1"), ["cn-north-1", "cn-northwest-1"]);
        assert_eq!(names("us-gov-west-1"), ["us-gov-east-1", "us-gov-west-1"]);
        assert_eq!(names("us-iso-east-1"), ["us-iso-east-1", "us-iso-west-1"]);
        let all = names("us-west-2");
        assert!(all.contains(&"us-west-2") && all.contains(&"me-south-1") && all.is_sorted(), "{all:?}");
        assert!(!all.iter().any(|name| name.contains("iso") || name.contains("gov") || name.starts_with("cn-")));
        let mut unique = all.clone();
        unique.dedup();
        assert_eq!(unique, all);
    }

    #[test]
    fn regions_of_all_partitions() {
        let names: Vec<&str> = all().iter().map(|region| region.name).collect();
        assert!(["us-west-2", "cn-north-1", "us-isof-south-1"].iter().all(|name| names.contains(name)), "{names:?}");
        let unique: std::collections::BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(unique.len(), names.len());
    }

    #[test]
    fn some_must_be_enabled() {
        let opt_in = |name: &str| beside("eu-west-1").into_iter().find(|r| r.name == name).unwrap().opt_in;
        assert!(opt_in("eu-south-2") && !opt_in("eu-west-1"));
    }
}
