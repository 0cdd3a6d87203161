//! CloudFormation templates, also as the CDK writes them. Literals, defaults of parameters, and references within the template
//! are resolved; everything else is listed.

use serde_json::{Map, Value};

use super::{At, Draft, Problem, agent, permissions, tag_list};
use crate::model::{
    addon::AGENT,
    document::Document,
    manifest::{Association, Role, Source, custom_tags},
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
    for (name, resource) in resources.fields() {
        if name.starts_with("Fn::") {
            draft.leave(&resource, "not evaluated: the resources that it creates are omitted");
            continue;
        }
        if resource.text("Type") == Some("AWS::CloudFormation::Stack") {
            draft.leave(&resource, "nested stacks are not read: convert this template separately");
        }
        let Some(properties) = resource.get("Properties") else { continue };
        if let (Some(condition), Some("AWS::EKS::PodIdentityAssociation")) =
            (resource.text("Condition"), resource.text("Type"))
        {
            draft.leave(&resource, format!("condition `{condition}` is not evaluated: the association is included"));
        }
        match resource.text("Type") {
            Some("AWS::EKS::PodIdentityAssociation") => file.association(&mut draft, &properties)?,
            Some("AWS::EKS::Addon") if file.text(&properties, "AddonName").as_deref() == Some(AGENT) => {
                let (version, configuration) =
                    (file.text(&properties, "AddonVersion"), file.text(&properties, "ConfigurationValues"));
                let found = agent(version.as_deref(), configuration.as_deref(), &properties, &mut draft);
                draft.agent = Some(found);
            }
            Some("AWS::EKS::Addon") if !properties.items("PodIdentityAssociations").is_empty() => {
                draft.leave(&properties, "the associations of the add-on are omitted: change them through the add-on");
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

    /// A text, as far as the template alone tells it. The partition is taken to be AWS's commercial one.
    fn resolved(&self, value: &Value) -> Option<String> {
        if let Value::String(text) = value {
            return Some(text.clone());
        }
        if let Some(name) = value.get("Ref").and_then(Value::as_str) {
            return self.reference(name);
        }
        if let Some(Value::Array(parts)) = value.get("Fn::Join") {
            let (separator, Value::Array(texts)) = (parts.first()?.as_str()?, parts.get(1)?) else { return None };
            let texts: Option<Vec<String>> = texts.iter().map(|text| self.resolved(text)).collect();
            return Some(texts?.join(separator));
        }
        let mut rest = value.get("Fn::Sub").and_then(Value::as_str)?;
        let mut out = String::new();
        while let Some((before, after)) = rest.split_once("${") {
            let (name, tail) = after.split_once('}')?;
            out.push_str(before);
            match name.strip_prefix('!') {
                // What is escaped here is for IAM.
                Some(literal) => out = format!("{out}${{{literal}}}"),
                None => out.push_str(&self.reference(name.trim())?),
            }
            rest = tail;
        }
        Some(out + rest)
    }

    /// What a name of the template stands for.
    fn reference(&self, name: &str) -> Option<String> {
        if name == "AWS::Partition" {
            return Some("aws".to_owned());
        }
        if let Some(default) = self.whole.get("Parameters").and_then(|all| all.get(name)?.get("Default")) {
            return default.as_str().map(str::to_owned);
        }
        // A cluster's reference is its name.
        let cluster = self.resource(name).filter(|one| one["Type"] == "AWS::EKS::Cluster")?;
        cluster.get("Properties")?.get("Name").and_then(Value::as_str).map(str::to_owned)
    }

    /// A document with its texts resolved; `None` where one is not known.
    fn document(&self, value: &Value) -> Option<Value> {
        Some(match value {
            Value::Object(fields) if fields.keys().any(|key| key == "Ref" || key.starts_with("Fn::")) => {
                Value::String(self.resolved(value)?)
            }
            Value::Object(fields) => {
                let fields = fields.iter().map(|(key, value)| Some((key.clone(), self.document(value)?)));
                Value::Object(fields.collect::<Option<Map<_, _>>>()?)
            }
            Value::Array(list) => Value::Array(list.iter().map(|value| self.document(value)).collect::<Option<_>>()?),
            other => other.clone(),
        })
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
            draft.leave(properties, "the association is omitted: its Namespace or ServiceAccount is not a literal");
            return Ok(());
        };
        let subject = format!("{namespace}/{account}");
        let cluster = self.text(properties, "ClusterName");
        if cluster.is_none() {
            draft.leave(properties, format!("ClusterName of {subject} is not a literal: pass `--cluster`"));
        }
        let Some(value) = properties.get("RoleArn") else { return Err(properties.wrong("key `RoleArn` is missing")) };
        let role = match (self.resolved(value.value), Self::arn_of(value.value)) {
            (Some(arn), _) => arn,
            (None, Some(id)) => match self.role(draft, properties, &id) {
                Some(name) => name,
                None => return Ok(()),
            },
            (None, None) => {
                draft.leave(&value, format!("{subject} is omitted: its role is not a literal"));
                return Ok(());
            }
        };
        let policy = properties.policy("Policy")?;
        if let Some(at) = properties.get("TargetRoleArn").filter(|at| self.resolved(at.value).is_none()) {
            draft.leave(&at, format!("{subject} is omitted: its target role is not a literal"));
            return Ok(());
        }
        draft.associations.push((
            cluster,
            Association {
                service_account: subject,
                role,
                target_role: Field::from(self.text(properties, "TargetRoleArn")),
                disable_session_tags: Field::switch(properties.flag("DisableSessionTags")),
                session_policy: Field::from(policy.map(Source::Document)),
                tags: custom_tags(&tag_list(properties, "Tags", ("Key", "Value"))),
                create_service_account: None,
            },
        ));
        Ok(())
    }

    /// A role of the template; its name.
    fn role(&self, draft: &mut Draft, user: &At<'_>, id: &str) -> Option<String> {
        let Some(resource) = self.resource(id).filter(|one| one["Type"] == "AWS::IAM::Role") else {
            draft.leave(user, format!("the association is omitted: `{id}` is not a role in this template"));
            return None;
        };
        let nothing = Value::Object(Map::new());
        let mut at = At::document(0, resource.get("Properties").unwrap_or(&nothing));
        at.path = ["Resources", id, "Properties"].map(str::to_owned).to_vec();
        for key in ["RoleName", "Path", "PermissionsBoundary"] {
            if let Some(value) = at.get(key).filter(|value| self.resolved(value.value).is_none()) {
                draft.leave(&value, "the role and its associations are omitted: the value is not a literal");
                return None;
            }
        }
        if at.value.get("MaxSessionDuration").is_some_and(|seconds| seconds != 3600) {
            draft.leave(&at, "MaxSessionDuration is omitted: manifests do not support it");
        }
        let name = self.text(&at, "RoleName").unwrap_or_else(|| {
            draft.leave(&at, format!("CloudFormation generates the name of the role: podid uses `{id}`"));
            id.to_owned()
        });
        let mut managed = Vec::new();
        for item in at.items("ManagedPolicyArns") {
            match self.resolved(item.value) {
                Some(arn) => managed.push(arn),
                None => draft.leave(&item, "the policy is omitted: its ARN is not a literal"),
            }
        }
        let mut inline = Vec::new();
        for item in at.items("Policies") {
            self.inline(draft, &item, &mut inline);
        }
        let own = |value: &Value| value.get("Ref").and_then(Value::as_str) == Some(id) || value.as_str() == Some(&name);
        for (_, other) in At::document(user.document, self.whole).get("Resources").iter().flat_map(At::fields) {
            let Some(properties) = other.get("Properties") else { continue };
            let named = properties.items("Roles").iter().any(|role| own(role.value))
                || properties.get("RoleName").is_some_and(|role| own(role.value));
            match other.text("Type") {
                Some("AWS::IAM::Policy" | "AWS::IAM::RolePolicy") if named => {
                    self.inline(draft, &properties, &mut inline);
                }
                Some("AWS::IAM::ManagedPolicy") if named => {
                    draft.leave(
                        &properties,
                        format!("the managed policy of role `{name}` is omitted: its ARN is not known"),
                    );
                }
                _ => {}
            }
        }
        let policies = permissions(&at, managed, inline, draft);
        draft.describe(Role {
            name: name.clone(),
            path: self.text(&at, "Path").or_else(|| Some("/".to_owned())),
            permissions_boundary: Field::from(self.text(&at, "PermissionsBoundary")),
            tags: custom_tags(&tag_list(&at, "Tags", ("Key", "Value"))),
            policies,
            ..Role::default()
        });
        Some(name)
    }

    /// An inline policy, where the template alone tells all of it.
    fn inline(&self, draft: &mut Draft, at: &At<'_>, inline: &mut Vec<(String, Document)>) {
        let document = at.get("PolicyDocument").and_then(|at| match self.document(at.value)? {
            Value::String(text) => serde_json::from_str(&text).ok(),
            document => Some(document),
        });
        match (self.text(at, "PolicyName"), document) {
            (Some(name), Some(document @ Value::Object(_))) => inline.push((name, Document(document))),
            _ => draft.leave(at, "the policy is omitted: it has references that podid cannot resolve"),
        }
    }
}
