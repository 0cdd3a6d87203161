//! Pod identity associations, with the API's own field names in JSON.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{arn::last, document::Document, names::ServiceAccount, policy::same_meaning};

/// An association as ListPodIdentityAssociations gives it: no role, no times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssociationSummary {
    /// Name of the cluster.
    pub cluster_name: String,
    /// Namespace and service account.
    #[serde(flatten)]
    pub subject: ServiceAccount,
    /// ARN; do not parse it.
    pub association_arn: String,
    /// Id of the association.
    pub association_id: String,
    /// ARN of the EKS add-on that owns the association; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_arn: Option<String>,
}

/// An association as DescribePodIdentityAssociation gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Association {
    /// What List gives too.
    #[serde(flatten)]
    pub summary: AssociationSummary,
    /// The role that the pods act as.
    pub role_arn: String,
    /// The role that is assumed from there, whose credentials the pods get; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_role_arn: Option<String>,
    /// What EKS sends as sts:ExternalId to the target role; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// True when no session tags are enabled.
    pub disable_session_tags: bool,
    /// The session policy, as JSON text; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// When it was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<Timestamp>,
}

/// The name of the add-on that owns an association, from its ARN: `…:addon/CLUSTER/NAME/UUID`.
pub fn add_on(owner_arn: &str) -> Option<&str> {
    owner_arn.split('/').nth(2)
}

impl Association {
    /// Names of the roles whose sessions its pods get: its role, and its target role.
    pub fn role_names(&self) -> Vec<&str> {
        [Some(&self.role_arn), self.target_role_arn.as_ref()].into_iter().flatten().map(|arn| last(arn)).collect()
    }

    /// The role whose credentials its pods get.
    pub fn acts_as(&self) -> &str {
        self.target_role_arn.as_ref().unwrap_or(&self.role_arn)
    }

    /// What it says.
    pub fn spec(&self) -> AssociationSpec {
        AssociationSpec {
            role_arn: self.role_arn.clone(),
            disable_session_tags: self.disable_session_tags,
            target_role_arn: self.target_role_arn.clone(),
            policy: self.policy.clone(),
            tags: self.tags.clone(),
        }
    }

    /// The same association, saying something else.
    #[must_use]
    pub fn with(self, spec: AssociationSpec) -> Self {
        let AssociationSpec { role_arn, disable_session_tags, target_role_arn, policy, tags } = spec;
        Self { role_arn, target_role_arn, disable_session_tags, policy, tags, ..self }
    }
}

/// What an association says, beyond whose it is and what EKS adds: planned, sent, compared and given back as one value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssociationSpec {
    /// Role ARN.
    pub role_arn: String,
    /// True: no session tags.
    pub disable_session_tags: bool,
    /// Role to assume from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_role_arn: Option<String>,
    /// Session policy, as JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

impl AssociationSpec {
    /// What an update sends so that this says what another one does; nothing where both mean the same. Tags are no part of
    /// an update, but have calls of their own.
    pub fn diff(&self, wanted: &Self) -> AssociationChange {
        let text = |wanted: &Option<String>| wanted.clone().unwrap_or_default();
        AssociationChange {
            role_arn: (self.role_arn != wanted.role_arn).then(|| wanted.role_arn.clone()),
            disable_session_tags: (self.disable_session_tags != wanted.disable_session_tags)
                .then_some(wanted.disable_session_tags),
            target_role_arn: (self.target_role_arn != wanted.target_role_arn).then(|| text(&wanted.target_role_arn)),
            policy: (!same_policy(self.policy.as_deref(), wanted.policy.as_deref())).then(|| text(&wanted.policy)),
        }
    }

    /// Tags of another one that this has not, or with another value.
    pub fn missing_tags(&self, wanted: &Self) -> BTreeMap<String, String> {
        let missing = wanted.tags.iter().filter(|(key, value)| self.tags.get(*key) != Some(value));
        missing.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Says all that another one says; tags that others added are no difference.
    pub fn covers(&self, wanted: &Self) -> bool {
        self.diff(wanted) == AssociationChange::default() && self.missing_tags(wanted).is_empty()
    }

    /// As an update leaves it.
    #[must_use]
    pub fn changed(self, change: &AssociationChange) -> Self {
        let text = |new: &Option<String>, old: Option<String>| match new {
            Some(new) => Some(new.clone()).filter(|new| !new.is_empty()),
            None => old,
        };
        Self {
            role_arn: change.role_arn.clone().unwrap_or(self.role_arn),
            disable_session_tags: change.disable_session_tags.unwrap_or(self.disable_session_tags),
            target_role_arn: text(&change.target_role_arn, self.target_role_arn),
            policy: text(&change.policy, self.policy),
            tags: self.tags,
        }
    }
}

/// Whether two session policies mean the same; what cannot be read as JSON has to be the same text.
fn same_policy(a: Option<&str>, b: Option<&str>) -> bool {
    let read = |text: &str| serde_json::from_str(text).ok().map(Document);
    match (a, b) {
        (Some(a), Some(b)) => a == b || read(a).zip(read(b)).is_some_and(|(a, b)| same_meaning(&a, &b)),
        (a, b) => a == b,
    }
}

/// What CreatePodIdentityAssociation is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NewAssociation {
    /// Namespace and service account.
    #[serde(flatten)]
    pub subject: ServiceAccount,
    /// What it says.
    #[serde(flatten)]
    pub spec: AssociationSpec,
}

/// What UpdatePodIdentityAssociation is given: only what changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssociationChange {
    /// New role ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// Session tags on or off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_session_tags: Option<bool>,
    /// New target role ARN; empty to have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_role_arn: Option<String>,
    /// New session policy, as JSON text; empty to have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

/// Which associations to list; both filters are the API's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssociationFilter {
    /// Only this namespace.
    pub namespace: Option<String>,
    /// Only this service account.
    pub service_account: Option<String>,
}

impl From<&ServiceAccount> for AssociationFilter {
    fn from(subject: &ServiceAccount) -> Self {
        Self { namespace: Some(subject.namespace.clone()), service_account: Some(subject.name.clone()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> AssociationSpec {
        AssociationSpec {
            role_arn: "arn:aws:iam::111122223333:role/a".to_owned(),
            disable_session_tags: true,
            target_role_arn: Some("arn:aws:iam::444455556666:role/t".to_owned()),
            policy: Some(r#"{"Statement": [{"Effect": "Allow", "Action": ["s3:Get*"], "Resource": "*"}]}"#.to_owned()),
            tags: BTreeMap::from([("team".to_owned(), "store".to_owned())]),
        }
    }

    /// Each field makes a difference, and an update brings every one but the tags about.
    #[test]
    fn every_field_counts() {
        let others: [fn(&mut AssociationSpec); 7] = [
            |spec| spec.role_arn.push('b'),
            |spec| spec.disable_session_tags = false,
            |spec| spec.target_role_arn = None,
            |spec| spec.target_role_arn = Some("arn:aws:iam::444455556666:role/u".to_owned()),
            |spec| spec.policy = None,
            |spec| spec.policy = Some(r#"{"Statement": []}"#.to_owned()),
            |spec| drop(spec.tags.insert("team".to_owned(), "web".to_owned())),
        ];
        assert!(full().covers(&full()));
        for other in others {
            let mut wanted = full();
            other(&mut wanted);
            assert!(!full().covers(&wanted), "{wanted:?}");
            let mut after = full().changed(&full().diff(&wanted));
            after.tags.extend(full().missing_tags(&wanted));
            assert_eq!(after, wanted);
            assert_eq!(wanted.diff(&wanted), AssociationChange::default());
        }
    }

    #[test]
    fn what_means_the_same_is_no_difference() {
        let mut same = full();
        same.policy = Some(r#"{"Statement":{"Action":"s3:Get*","Effect":"Allow","Resource":["*"]}}"#.to_owned());
        same.tags.insert("aws:cloudformation:stack-name".to_owned(), "x".to_owned());
        assert!(same.covers(&full()));
        assert!(!full().covers(&same), "a tag that is wanted is missing");
    }
}
