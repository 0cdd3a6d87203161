//! SDK shapes to the model's words.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_eks::types as eks;
use aws_sdk_iam::types as iam;
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use crate::{
    failure::{Failure, Result},
    model::{
        access::{Decision, Effect},
        addon::{Addon, AddonAssociation, AddonIdentity, AddonUpdate, AddonVersion, Issue, numbers},
        arn::Arn,
        association::{Association, AssociationSummary},
        cluster::Cluster,
        document::Document,
        names::ServiceAccount,
        role::{ListedRole, Role},
    },
};

/// A field that the service always sends.
pub(super) fn need<T>(field: Option<T>, name: &str) -> Result<T> {
    field.ok_or_else(|| Failure::failed(format!("the response has no `{name}`")))
}

fn text(field: Option<&str>, name: &str) -> Result<String> {
    need(field, name).map(ToOwned::to_owned)
}

fn owned(field: Option<&str>) -> Option<String> {
    field.filter(|value| !value.is_empty()).map(ToOwned::to_owned)
}

/// A timestamp; one out of range counts as absent.
pub(super) fn time(field: Option<&DateTime>) -> Option<Timestamp> {
    let time = field?;
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

/// An ARN that the service sent.
pub(super) fn arn(text: &str) -> Result<Arn> {
    text.parse().map_err(|error| Failure::failed("cannot read the response").because(format!("{error}")))
}

/// The ARN of one thing that the service sent, strict: podid writes it into policies, where a wildcard would match others.
pub(super) fn arn_of_one(text: &str) -> Result<Arn> {
    Arn::regional(text).map_err(|error| Failure::failed("cannot use the response").because(format!("{error}")))
}

fn map(tags: Option<&HashMap<String, String>>) -> BTreeMap<String, String> {
    tags.map(|tags| tags.iter().map(|(k, v)| (k.clone(), v.clone())).collect()).unwrap_or_default()
}

pub(super) fn cluster(from: &eks::Cluster) -> Result<Cluster> {
    Ok(Cluster {
        name: text(from.name(), "name")?,
        arn: arn_of_one(need(from.arn(), "arn")?)?,
        version: text(from.version(), "version")?,
        platform_version: from.platform_version().unwrap_or_default().to_owned(),
        status: from.status().map(|s| s.as_str().to_owned()).unwrap_or_default(),
        // A cluster that is being created has neither endpoint nor CA yet.
        endpoint: from.endpoint().unwrap_or_default().to_owned(),
        certificate_authority: from
            .certificate_authority()
            .and_then(eks::Certificate::data)
            .unwrap_or_default()
            .to_owned(),
        oidc_issuer: owned(from.identity().and_then(eks::Identity::oidc).and_then(eks::Oidc::issuer)),
        auto_mode: from.compute_config().and_then(eks::ComputeConfigResponse::enabled).unwrap_or(false),
        on_outpost: from.outpost_config().is_some(),
        created_at: time(from.created_at()),
    })
}

pub(super) fn summary(from: &eks::PodIdentityAssociationSummary) -> Result<AssociationSummary> {
    Ok(AssociationSummary {
        cluster_name: text(from.cluster_name(), "clusterName")?,
        subject: ServiceAccount {
            namespace: text(from.namespace(), "namespace")?,
            name: text(from.service_account(), "serviceAccount")?,
        },
        association_arn: text(from.association_arn(), "associationArn")?,
        association_id: text(from.association_id(), "associationId")?,
        owner_arn: owned(from.owner_arn()),
    })
}

pub(super) fn association(from: Option<&eks::PodIdentityAssociation>) -> Result<Association> {
    let from = need(from, "association")?;
    Ok(Association {
        summary: AssociationSummary {
            cluster_name: text(from.cluster_name(), "clusterName")?,
            subject: ServiceAccount {
                namespace: text(from.namespace(), "namespace")?,
                name: text(from.service_account(), "serviceAccount")?,
            },
            association_arn: text(from.association_arn(), "associationArn")?,
            association_id: text(from.association_id(), "associationId")?,
            owner_arn: owned(from.owner_arn()),
        },
        role_arn: text(from.role_arn(), "roleArn")?,
        target_role_arn: owned(from.target_role_arn()),
        external_id: owned(from.external_id()),
        disable_session_tags: from.disable_session_tags().unwrap_or(false),
        policy: owned(from.policy()),
        tags: map(from.tags()),
        created_at: time(from.created_at()),
        modified_at: time(from.modified_at()),
    })
}

pub(super) fn addon(from: Option<&eks::Addon>) -> Result<Addon> {
    let from = need(from, "addon")?;
    let issues = from.health().map(eks::AddonHealth::issues).unwrap_or_default();
    Ok(Addon {
        name: text(from.addon_name(), "addonName")?,
        version: text(from.addon_version(), "addonVersion")?,
        status: from.status().map(|s| s.as_str().to_owned()).unwrap_or_default(),
        issues: issues
            .iter()
            .map(|issue| Issue {
                code: issue.code().map(|c| c.as_str().to_owned()).unwrap_or_default(),
                message: issue.message().unwrap_or_default().to_owned(),
            })
            .collect(),
        configuration: owned(from.configuration_values()),
        service_account_role: owned(from.service_account_role_arn()),
        namespace: owned(from.namespace_config().and_then(eks::AddonNamespaceConfigResponse::namespace)),
        associations: from.pod_identity_associations().to_vec(),
    })
}

pub(super) fn addon_update(from: Option<&eks::Update>) -> Result<AddonUpdate> {
    let from = need(from, "update")?;
    Ok(AddonUpdate {
        id: text(from.id(), "id")?,
        status: from.status().map(|s| s.as_str().to_owned()).unwrap_or_default(),
        errors: from
            .errors()
            .iter()
            .map(|error| Issue {
                code: error.error_code().map(|c| c.as_str().to_owned()).unwrap_or_default(),
                message: error.error_message().unwrap_or_default().to_owned(),
            })
            .collect(),
    })
}

pub(super) fn addon_association(from: &AddonAssociation) -> Result<eks::AddonPodIdentityAssociations> {
    let built = eks::AddonPodIdentityAssociations::builder()
        .service_account(&from.service_account)
        .role_arn(&from.role_arn)
        .build();
    built.map_err(|error| Failure::failed(error.to_string()))
}

pub(super) fn addon_identities(from: &[eks::AddonPodIdentityConfiguration]) -> Vec<AddonIdentity> {
    let one = |it: &eks::AddonPodIdentityConfiguration| {
        let service_account = owned(it.service_account())?;
        Some(AddonIdentity { service_account, policies: it.recommended_managed_policies().to_vec() })
    };
    from.iter().filter_map(one).collect()
}

/// Versions that fit a Kubernetes version, newest first.
pub(super) fn addon_versions(from: &[eks::AddonVersionInfo], kubernetes: &str) -> Vec<AddonVersion> {
    let mut versions: Vec<AddonVersion> = from
        .iter()
        .filter_map(|info| {
            let version = info.addon_version()?.to_owned();
            let fitting = info.compatibilities().iter().find(|c| c.cluster_version() == Some(kubernetes))?;
            Some(AddonVersion { version, default: fitting.default_version() })
        })
        .collect();
    versions.sort_by_cached_key(|v| std::cmp::Reverse(numbers(&v.version)));
    versions.dedup();
    versions
}

pub(super) fn role(from: &iam::Role) -> Result<Role> {
    Ok(Role {
        name: from.role_name().to_owned(),
        path: from.path().to_owned(),
        arn: arn(from.arn())?,
        trust: document(need(from.assume_role_policy_document(), "AssumeRolePolicyDocument")?)?,
        tags: from.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect(),
        permissions_boundary: owned(
            from.permissions_boundary().and_then(iam::AttachedPermissionsBoundary::permissions_boundary_arn),
        ),
        description: owned(from.description()),
        max_session: from.max_session_duration(),
        created_at: time(Some(from.create_date())),
        template: from.source_role_template().map(|it| it.template_arn().to_owned()),
    })
}

pub(super) fn listed_role(from: &iam::Role) -> Result<ListedRole> {
    Ok(ListedRole {
        name: from.role_name().to_owned(),
        arn: arn(from.arn())?,
        trust: document(need(from.assume_role_policy_document(), "AssumeRolePolicyDocument")?)?,
        created_at: time(Some(from.create_date())),
    })
}

/// IAM answers documents percent-encoded (RFC 3986).
pub(super) fn document(text: &str) -> Result<Document> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::failed("cannot read a policy document from IAM").because(error.to_string())
    };
    // Servers that imitate IAM answer plain JSON at times, where a `%` means itself.
    let plain = text.trim_start().starts_with('{');
    let decoded =
        if plain { text.into() } else { percent_decode_str(text).decode_utf8().map_err(|error| unreadable(&error))? };
    serde_json::from_str(&decoded).map(Document).map_err(|error| unreadable(&error))
}

/// An answer of the simulation of one resource: what is told of all resources is told of that one.
pub(super) fn decision(resource: &str, from: &iam::EvaluationResult) -> Result<Decision> {
    let effect = match from.eval_decision().as_str() {
        "allowed" => Effect::Allowed,
        "implicitDeny" => Effect::Implicit,
        "explicitDeny" => Effect::Explicit,
        other => {
            return Err(Failure::failed(format!("IAM returned the decision `{other}`, which podid does not know")));
        }
    };
    let boundary = from.permissions_boundary_decision_detail();
    let organization = from.organizations_decision_detail();
    let own = from.resource_specific_results().iter().filter(|one| one.eval_resource_name() == resource);
    let mut missing: Vec<String> = from.missing_context_values().to_vec();
    missing.extend(own.flat_map(|one| one.missing_context_values().to_vec()));
    missing.sort();
    missing.dedup();
    let mut policies: Vec<String> =
        from.matched_statements().iter().filter_map(|one| owned(one.source_policy_id())).collect();
    policies.dedup();
    Ok(Decision {
        action: from.eval_action_name().to_owned(),
        resource: resource.to_owned(),
        context: Vec::new(),
        effect,
        boundary: boundary.map(iam::PermissionsBoundaryDecisionDetail::allowed_by_permissions_boundary),
        organization: organization.map(iam::OrganizationsDecisionDetail::allowed_by_organizations),
        missing,
        policies,
    })
}

pub(super) fn iam_tags(tags: &BTreeMap<String, String>) -> Result<Vec<iam::Tag>> {
    tags.iter()
        .map(|(key, value)| {
            let tag = iam::Tag::builder().key(key).value(value).build();
            tag.map_err(|error| Failure::failed(format!("cannot use tag `{key}`")).because(error.to_string()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_percent_decoded() {
        let encoded = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Sid%22%3A%22a%2Bb%22%7D%5D%7D";
        let document = document(encoded).unwrap();
        assert_eq!(document.0.to_string(), r#"{"Version":"2012-10-17","Statement":[{"Sid":"a+b"}]}"#);
    }

    #[test]
    fn plain_documents_are_taken_as_they_are() {
        assert_eq!(document(r#"{"a":"%41"}"#).unwrap().0.to_string(), r#"{"a":"%41"}"#);
        assert!(document("%7B").is_err());
        assert!(document("%FF").is_err());
    }

    #[test]
    fn versions_are_newest_first() {
        let info = |version: &str, cluster: &str, default: bool| {
            let fits = eks::Compatibility::builder().cluster_version(cluster).default_version(default).build();
            eks::AddonVersionInfo::builder().addon_version(version).compatibilities(fits).build()
        };
        let versions = addon_versions(
            &[
                info("v1.3.9-eksbuild.5", "1.33", true),
                info("v1.3.10-eksbuild.1", "1.33", false),
                info("v1.3.10-eksbuild.2", "1.33", false),
                info("v1.4.0-eksbuild.1", "1.34", true),
            ],
            "1.33",
        );
        let shown: Vec<_> = versions.iter().map(|v| (v.version.as_str(), v.default)).collect();
        assert_eq!(shown, [("v1.3.10-eksbuild.2", false), ("v1.3.10-eksbuild.1", false), ("v1.3.9-eksbuild.5", true)]);
    }

    #[test]
    fn times_keep_their_fraction() {
        let time = time(Some(&DateTime::from_secs_and_nanos(1_795_437_296, 250_000_000))).unwrap();
        assert_eq!(time.as_nanosecond(), 1_795_437_296_250_000_000);
    }

    #[test]
    fn what_becomes_part_of_policies_names_one_thing() {
        let table = "arn:aws:dynamodb:us-west-2:111122223333:table/carts";
        assert_eq!(arn_of_one(table).unwrap().to_string(), table);
        for wild in [table.replace("carts", "*"), table.replace("111122223333", "*"), table.replace("carts", "c\"")] {
            assert!(arn_of_one(&wild).is_err(), "{wild}");
        }
        // A role of any path is listed and shown.
        assert!(arn("arn:aws:iam::111122223333:role/te*ms/$x/app").is_ok());
    }

    #[test]
    fn an_answer_without_a_role_is_no_association() {
        let half = eks::PodIdentityAssociation::builder().cluster_name("c").namespace("n").service_account("s").build();
        assert!(association(Some(&half)).unwrap_err().message.contains("associationArn"));
        assert!(association(None).is_err());
    }
}
