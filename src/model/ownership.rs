//! Whose a role or an association is, told by its tags: the one place that decides whether podid created something.

use std::collections::BTreeMap;

use super::{arn::Arn, role::tags as keys};

/// Tags, as IAM and EKS return them.
type Tags = BTreeMap<String, String>;

/// Whether podid created it, for whatever cluster.
pub fn is_managed(tags: &Tags) -> bool {
    tags.get(keys::MANAGED_BY).is_some_and(|by| by == "podid")
}

/// Whether podid created it for this cluster: one tag of the two proves nothing.
pub fn is_created_for(tags: &Tags, cluster: &Arn) -> bool {
    not_created_for(tags, cluster).is_none()
}

/// Whether podid created it for this cluster from a manifest of one of these names.
pub fn is_kept_by<'a>(tags: &Tags, cluster: &Arn, names: impl IntoIterator<Item = &'a String>) -> bool {
    is_created_for(tags, cluster)
        && tags.get(keys::MANIFEST).is_some_and(|kept_by| names.into_iter().any(|name| name == kept_by))
}

/// Why podid did not create it for this cluster; `None` when it did.
pub fn not_created_for(tags: &Tags, cluster: &Arn) -> Option<String> {
    [(keys::MANAGED_BY, "podid".to_owned()), (keys::CLUSTER, cluster.to_string())].into_iter().find_map(
        |(key, wanted)| match tags.get(key) {
            Some(value) if *value == wanted => None,
            Some(other) => Some(format!("its tag {key} is `{other}`")),
            None => Some(format!("it has no tag {key}")),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        fixtures::{cluster, subject},
        tags,
    };

    #[test]
    fn both_tags_are_needed_and_must_name_this_cluster() {
        let (cluster, own) = (cluster(), tags::association_tags(&cluster(), &subject("carts/carts")));
        assert_eq!(not_created_for(&own, &cluster.arn), None);
        assert!(is_created_for(&own, &cluster.arn) && is_managed(&own));
        for key in [keys::MANAGED_BY, keys::CLUSTER] {
            let mut lacking = own.clone();
            lacking.remove(key);
            assert_eq!(not_created_for(&lacking, &cluster.arn), Some(format!("it has no tag {key}")));
            let mut other = own.clone();
            other.insert(key.to_owned(), "other".to_owned());
            assert_eq!(not_created_for(&other, &cluster.arn), Some(format!("its tag {key} is `other`")));
        }
    }

    #[test]
    fn a_manifest_keeps_only_what_podid_created_here() {
        let (cluster, mut kept) = (cluster(), tags::association_tags(&cluster(), &subject("carts/carts")));
        let names = ["carts".to_owned()];
        assert!(!is_kept_by(&kept, &cluster.arn, &names));
        kept.insert(keys::MANIFEST.to_owned(), "carts".to_owned());
        assert!(is_kept_by(&kept, &cluster.arn, &names));
        assert!(!is_kept_by(&kept, &cluster.arn, &["orders".to_owned()]));
        for key in [keys::MANAGED_BY, keys::CLUSTER] {
            let mut other = kept.clone();
            other.insert(key.to_owned(), "other".to_owned());
            assert!(!is_kept_by(&other, &cluster.arn, &names), "{key}");
        }
    }
}
