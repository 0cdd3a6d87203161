//! CloudFormation templates, also as the CDK writes them. Literals, defaults of parameters, and references within the template
//! are resolved; everything else is listed.

use serde_json::{Map, Value};

use super::{At, Draft, Problem, agent, permissions, tag_list, tags};
use crate::model::{
    addon::AGENT,
    document::Document,
    manifest::{Association, Role, Source},
    want::Field,
};

pub(super) fn is_one(document: &Value) -> bool {
    let resources = document.get("Resources").and_then(Value::as_object);
    resources.is_some_and(|all| all.values().any(|one| one.get("Type").is_some_and(Value::is_string)))
}

pub(super) fn read(template: &At<'_>) -> Result<Draft, Problem> {
    let mut draft = Draft::default();
    let Some(resources) = template.get("Resources") else { return Ok(draft) };
    let file = Template { whole: template.value };
    for (_, resource) in resources.fields() {
        let Some(properties) = resource.get("Properties") else { continue };
        match resource.text("Type") {
            Some("AWS::EKS::PodIdentityAssociation") => file.association(&mut draft, &properties)?,
            Some("AWS::EKS::Addon") if file.text(&properties, "AddonName").as_deref() == Some(AGENT) => {
                let (version, configuration) =
                    (file.text(&properties, "AddonVersion"), file.text(&properties, "ConfigurationValues"));
                let found = agent(version.as_deref(), configuration.as_deref(), &properties, &mut draft);
                draft.agent = Some(found);
            }
            Some("AWS::EKS::Addon") if !properties.items("PodIdentityAssociations").is_empty() => {
                draft.leave(&properties, "the associations of an add-on belong to the add-on: change them there");
            }
            _ => {}
        }
    }
    Ok(draft)
}

struct Template<'a> {
    whole: &'a Value,
}

impl Template<'_> {
    fn resource(&self, id: &str) -> Option<&Value> {
        self.whole.get("Resources")?.get(id)
    }

    /// A text, as far as the template alone tells it.
    fn resolved(&self, value: &Value) -> Option<String> {
        if let Value::String(text) = value {
            return Some(text.clone());
        }
        if let Some(name) = value.get("Ref").and_then(Value::as_str) {
            if let Some(default) = self.whole.get("Parameters").and_then(|all| all.get(name)?.get("Default")) {
                return default.as_str().map(str::to_owned);
            }
            // A cluster's reference is its name.
            let cluster = self.resource(name).filter(|one| one["Type"] == "AWS::EKS::Cluster")?;
            return cluster.get("Properties")?.get("Name").and_then(Value::as_str).map(str::to_owned);
        }
        let text = value.get("Fn::Sub").and_then(Value::as_str)?;
        (!text.contains("${")).then(|| text.to_owned())
    }

    fn text(&self, properties: &At<'_>, key: &str) -> Option<String> {
        self.resolved(properties.value.get(key)?)
    }

    /// The logical name of a role whose ARN is asked for.
    fn arn_of(value: &Value) -> Option<String> {
        let parts = match value.get("Fn::GetAtt")? {
            Value::String(text) => text.split('.').map(str::to_owned).collect(),
            Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>(),
            _ => return None,
        };
        match &parts[..] {
            [id, attribute] if attribute == "Arn" => Some(id.clone()),
            _ => None,
        }
    }

    fn association(&self, draft: &mut Draft, properties: &At<'_>) -> Result<(), Problem> {
        let (Some(namespace), Some(account)) =
            (self.text(properties, "Namespace"), self.text(properties, "ServiceAccount"))
        else {
            draft.leave(properties, "Namespace or ServiceAccount is not a literal: it is left out");
            return Ok(());
        };
        let subject = format!("{namespace}/{account}");
        let cluster = self.text(properties, "ClusterName");
        if cluster.is_none() {
            draft.leave(
                properties,
                format!("ClusterName of {subject} is not a literal: name the cluster with `--cluster`"),
            );
        }
        let Some(value) = properties.get("RoleArn") else { return Err(properties.wrong("key `RoleArn` is missing")) };
        let role = match (self.resolved(value.value), Self::arn_of(value.value)) {
            (Some(arn), _) => arn,
            (None, Some(id)) => match self.role(draft, properties, &id)? {
                Some(name) => name,
                None => return Ok(()),
            },
            (None, None) => {
                draft.leave(&value, format!("the role of {subject} is not a literal: it is left out"));
                return Ok(());
            }
        };
        let policy = properties.policy("Policy")?;
        for key in ["TargetRoleArn"] {
            if properties.get(key).is_some() && self.text(properties, key).is_none() {
                draft.leave(properties, format!("{key} of {subject} is not a literal"));
            }
        }
        draft.associations.push((
            cluster,
            Association {
                service_account: subject,
                role,
                target_role: Field::from(self.text(properties, "TargetRoleArn")),
                disable_session_tags: if properties.flag("DisableSessionTags") {
                    Field::Set(true)
                } else {
                    Field::Unmanaged
                },
                session_policy: Field::from(policy.map(Source::Document)),
                tags: tags(tag_list(properties, "Tags", ("Key", "Value"))),
                create_service_account: None,
            },
        ));
        Ok(())
    }

    /// A role of the template; its name.
    fn role(&self, draft: &mut Draft, user: &At<'_>, id: &str) -> Result<Option<String>, Problem> {
        let Some(resource) = self.resource(id).filter(|one| one["Type"] == "AWS::IAM::Role") else {
            draft.leave(user, format!("`{id}` is no role of this template"));
            return Ok(None);
        };
        let nothing = Value::Object(Map::new());
        let mut at = At::document(0, resource.get("Properties").unwrap_or(&nothing));
        at.path = ["Resources", id, "Properties"].map(str::to_owned).to_vec();
        let name = self.text(&at, "RoleName").unwrap_or_else(|| {
            draft.leave(&at, format!("CloudFormation makes up the name of the role: podid creates role `{id}`"));
            id.to_owned()
        });
        let mut managed = Vec::new();
        for item in at.items("ManagedPolicyArns") {
            match self.resolved(item.value) {
                Some(arn) => managed.push(arn),
                None => draft.leave(&item, "not a literal: the policy is left out"),
            }
        }
        let mut inline = Vec::new();
        for item in at.items("Policies") {
            let document: Option<Document> = item.policy("PolicyDocument")?;
            match (self.text(&item, "PolicyName"), document) {
                (Some(name), Some(document)) if !has_function(&document.0) => inline.push((name, document)),
                _ => draft.leave(&item, "the policy has references: it is left out"),
            }
        }
        draft.describe(Role {
            name: name.clone(),
            path: self.text(&at, "Path").or_else(|| Some("/".to_owned())),
            permissions_boundary: Field::from(self.text(&at, "PermissionsBoundary")),
            tags: tags(tag_list(&at, "Tags", ("Key", "Value"))),
            policies: permissions(managed, inline),
            ..Role::default()
        });
        Ok(Some(name))
    }
}

/// Whether anything in a document is left to CloudFormation.
fn has_function(value: &Value) -> bool {
    match value {
        Value::Object(fields) => {
            fields.iter().any(|(key, value)| key == "Ref" || key.starts_with("Fn::") || has_function(value))
        }
        Value::Array(list) => list.iter().any(has_function),
        _ => false,
    }
}
