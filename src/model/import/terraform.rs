//! Terraform: a state file of version 4, and what `terraform show -json` prints of a state or a plan. Roles stay Terraform's.

use serde_json::Value;

use super::{At, Draft, Problem, agent, tag_list};
use crate::model::{
    addon::AGENT,
    manifest::{Association, Source, custom_tags},
    want::Field,
};

pub(super) fn is_one(document: &Value) -> bool {
    let has = |key: &str| document.get(key).is_some();
    has("terraform_version") && (has("resources") || has("values") || has("planned_values"))
        || has("format_version") && (has("values") || has("planned_values"))
}

pub(super) fn read(file: &At<'_>) -> Result<Draft, Problem> {
    let mut draft = Draft::default();
    for resource in file.items("resources") {
        if resource.text("mode") == Some("managed") {
            for instance in resource.items("instances").iter().filter(|it| it.get("deposed").is_none()) {
                if let Some(values) = instance.get("attributes") {
                    one(&mut draft, resource.text("type").unwrap_or_default(), &values)?;
                }
            }
        }
    }
    // A plan has both: what will be counts.
    let shown = file.at(&["planned_values", "root_module"]).or_else(|| file.at(&["values", "root_module"]));
    if let Some(module) = shown {
        of_module(&mut draft, &module)?;
    }
    Ok(draft)
}

fn of_module(draft: &mut Draft, module: &At<'_>) -> Result<(), Problem> {
    for resource in module.items("resources") {
        if resource.text("mode") == Some("managed")
            && let Some(values) = resource.get("values")
        {
            one(draft, resource.text("type").unwrap_or_default(), &values)?;
        }
    }
    module.items("child_modules").iter().try_for_each(|child| of_module(draft, child))
}

fn one(draft: &mut Draft, kind: &str, values: &At<'_>) -> Result<(), Problem> {
    match kind {
        "aws_eks_pod_identity_association" | "awscc_eks_pod_identity_association" => {
            let subject = format!("{}/{}", values.need("namespace")?, values.need("service_account")?);
            let Some(role) = values.text("role_arn") else {
                draft.leave(values, format!("{subject} is omitted: role_arn is known only after `terraform apply`"));
                return Ok(());
            };
            let policy = values.policy("policy")?;
            let region = values.text("region").or_else(|| values.text("association_arn")?.split(':').nth(3));
            draft.region = draft.region.take().or_else(|| region.map(str::to_owned));
            let cluster = values.text("cluster_name").map(str::to_owned);
            if cluster.is_none() {
                draft.leave(
                    values,
                    format!("cluster_name of {subject} is known only after `terraform apply`: pass `--cluster`"),
                );
            }
            let mut own = values.map("tags");
            own.extend(tag_list(values, "tags", ("key", "value")));
            draft.associations.push((
                cluster,
                Association {
                    service_account: subject,
                    role: role.to_owned(),
                    target_role: Field::from(values.text("target_role_arn").map(str::to_owned)),
                    disable_session_tags: Field::switch(values.flag("disable_session_tags")),
                    session_policy: Field::from(policy.map(Source::Document)),
                    tags: custom_tags(&own),
                    create_service_account: None,
                },
            ));
        }
        "aws_eks_addon" if values.text("addon_name") == Some(AGENT) => {
            let found = agent(values.text("addon_version"), values.text("configuration_values"), values, draft);
            draft.agent = Some(found);
        }
        "aws_eks_addon" if !values.items("pod_identity_association").is_empty() => {
            let name = values.text("addon_name").unwrap_or_default();
            draft.leave(
                values,
                format!("the associations of add-on `{name}` are omitted: change them through the add-on"),
            );
        }
        _ => {}
    }
    Ok(())
}
