//! Terraform and OpenTofu: each resource with the `import` block that takes it over.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Names, State,
    hcl::{Expr, block, quoted},
    own_tags,
};
use crate::model::{arn::last, document::Document};

pub(super) fn file(state: &State<'_>) -> String {
    let cluster = state.cluster;
    let mut out = format!(
        "# Exported by `podid export --format terraform`: cluster {} in {}, account {}.\n\
         # Needs Terraform 1.5 or OpenTofu 1.6, and version 6 of the AWS provider, set to this region and account.\n\
         # `terraform plan` should show imports only.\n",
        cluster.name, cluster.arn.region, cluster.arn.account
    );
    if let Some(agent) = state.agent {
        let arguments = [
            ("cluster_name", Expr::from(cluster.name.as_str())),
            ("addon_name", agent.name.as_str().into()),
            ("addon_version", agent.version.as_str().into()),
            ("configuration_values", agent.configuration.clone().into()),
        ];
        let id = format!("{}:{}", cluster.name, agent.name);
        resource(&mut out, "aws_eks_addon", &agent.name.replace('-', "_"), &id, arguments);
    }
    let mut names = Names::default();
    let mut roles: Vec<(String, String)> = Vec::new();
    let (mut inline, mut attached) = (Names::default(), Names::default());
    for held in &state.roles {
        let role = held.role;
        let name = names.label(&[&role.name]);
        let arguments = [
            ("name", Expr::from(role.name.as_str())),
            ("path", Some(role.path.as_str()).filter(|path| *path != "/").into()),
            ("description", role.description.clone().into()),
            ("max_session_duration", role.max_session.filter(|seconds| *seconds != DEFAULT_SESSION).into()),
            ("permissions_boundary", role.permissions_boundary.clone().into()),
            ("assume_role_policy", Expr::Encoded(role.trust.0.clone())),
            ("tags", tags(&role.tags)),
        ];
        resource(&mut out, "aws_iam_role", &name, &role.name, arguments);
        for (policy, Document(document)) in held.inline {
            let arguments = [
                ("name", Expr::from(policy.as_str())),
                ("role", Expr::Reference(format!("aws_iam_role.{name}.name"))),
                ("policy", Expr::Encoded(document.clone())),
            ];
            let label = inline.label(&[&role.name, policy]);
            resource(&mut out, "aws_iam_role_policy", &label, &format!("{}:{policy}", role.name), arguments);
        }
        for arn in held.attached {
            let arguments =
                [("role", Expr::Reference(format!("aws_iam_role.{name}.name"))), ("policy_arn", arn.as_str().into())];
            let label = attached.label(&[&role.name, last(arn)]);
            let id = format!("{}/{arn}", role.name);
            resource(&mut out, "aws_iam_role_policy_attachment", &label, &id, arguments);
        }
        roles.push((role.arn.to_string(), name));
    }
    let mut names = Names::default();
    for association in &state.associations {
        let subject = &association.summary.subject;
        let role = roles.iter().find(|(arn, _)| *arn == association.role_arn);
        let role = match role {
            Some((_, name)) => Expr::Reference(format!("aws_iam_role.{name}.arn")),
            None => association.role_arn.as_str().into(),
        };
        let session = association.policy.as_ref().map(|text| match serde_json::from_str::<Value>(text) {
            Ok(document) => Expr::Encoded(document),
            Err(_) => Expr::from(text.as_str()),
        });
        let arguments = [
            ("cluster_name", Expr::from(cluster.name.as_str())),
            ("namespace", subject.namespace.as_str().into()),
            ("service_account", subject.name.as_str().into()),
            ("role_arn", role),
            ("target_role_arn", association.target_role_arn.clone().into()),
            ("disable_session_tags", association.disable_session_tags.then_some(true).into()),
            ("policy", session.unwrap_or(Expr::Plain(Value::Null))),
            ("tags", tags(&association.tags)),
        ];
        let name = names.label(&[&subject.namespace, &subject.name]);
        let id = format!("{},{}", cluster.name, association.summary.association_id);
        resource(&mut out, "aws_eks_pod_identity_association", &name, &id, arguments);
    }
    out
}

/// The session duration of a role that names none, in seconds (IAM, CreateRole).
const DEFAULT_SESSION: i32 = 3600;

fn tags(tags: &BTreeMap<String, String>) -> Expr {
    let own = own_tags(tags);
    if own.is_empty() { Expr::Plain(Value::Null) } else { Expr::Plain(json!(own)) }
}

/// The import and the resource; arguments without a value are left away.
fn resource<const N: usize>(out: &mut String, kind: &str, name: &str, id: &str, arguments: [(&str, Expr); N]) {
    block(out, "import", &[("to", Expr::Reference(format!("{kind}.{name}"))), ("id", id.into())]);
    let set: Vec<(&str, Expr)> =
        arguments.into_iter().filter(|(_, expr)| !matches!(expr, Expr::Plain(Value::Null))).collect();
    block(out, &format!("resource {} {}", quoted(kind), quoted(name)), &set);
}
