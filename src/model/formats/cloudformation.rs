//! CloudFormation: a template in which everything is retained, and the list that imports what exists into a stack of it.

use serde_json::{Map, Value, json};

use super::{Names, State, put, tag_list};

/// A resource: its logical name, its type, what identifies it, and its properties.
struct Resource {
    id: String,
    kind: &'static str,
    identifier: Value,
    properties: Map<String, Value>,
}

pub(super) fn template(state: &State<'_>) -> Value {
    let resources = resources(state).into_iter().map(|resource| {
        let body = json!({
            "Type": resource.kind,
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": resource.properties,
        });
        (resource.id, body)
    });
    json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": format!("EKS Pod Identity of cluster {}", state.cluster.name),
        "Resources": resources.collect::<Map<_, _>>(),
    })
}

pub(super) fn imports(state: &State<'_>) -> Value {
    let one = |resource: Resource| {
        json!({
            "ResourceType": resource.kind,
            "LogicalResourceId": resource.id,
            "ResourceIdentifier": resource.identifier,
        })
    };
    resources(state).into_iter().map(one).collect()
}

fn resources(state: &State<'_>) -> Vec<Resource> {
    let cluster = &state.cluster.name;
    let mut names = Names::default();
    let mut all = Vec::new();
    if let Some(agent) = state.agent {
        let mut properties = Map::new();
        put(&mut properties, "ClusterName", cluster.as_str());
        put(&mut properties, "AddonName", agent.name.as_str());
        put(&mut properties, "AddonVersion", agent.version.as_str());
        put(&mut properties, "ConfigurationValues", agent.configuration.clone());
        all.push(Resource {
            id: names.logical(&["agent"]),
            kind: "AWS::EKS::Addon",
            identifier: json!({"ClusterName": cluster, "AddonName": agent.name}),
            properties,
        });
    }
    let mut roles: Vec<(String, String)> = Vec::new();
    for held in &state.roles {
        let role = held.role;
        let id = names.logical(&["role", &role.name]);
        let policies =
            held.inline.iter().map(|(name, document)| json!({"PolicyName": name, "PolicyDocument": document}));
        let mut properties = Map::new();
        put(&mut properties, "RoleName", role.name.as_str());
        put(&mut properties, "Path", role.path.as_str());
        put(&mut properties, "Description", role.description.clone());
        put(&mut properties, "MaxSessionDuration", role.max_session);
        put(&mut properties, "PermissionsBoundary", role.permissions_boundary.clone());
        put(&mut properties, "AssumeRolePolicyDocument", role.trust.0.clone());
        put(&mut properties, "ManagedPolicyArns", held.attached.to_vec());
        put(&mut properties, "Policies", policies.collect::<Value>());
        put(&mut properties, "Tags", tag_list(&role.tags, ("Key", "Value")));
        roles.push((role.arn.to_string(), id.clone()));
        all.push(Resource { id, kind: "AWS::IAM::Role", identifier: json!({"RoleName": role.name}), properties });
    }
    for association in &state.associations {
        let subject = &association.summary.subject;
        let own = roles.iter().find(|(arn, _)| *arn == association.role_arn);
        let role = own.map_or_else(|| json!(association.role_arn), |(_, id)| json!({"Fn::GetAtt": [id, "Arn"]}));
        let mut properties = Map::new();
        put(&mut properties, "ClusterName", cluster.as_str());
        put(&mut properties, "Namespace", subject.namespace.as_str());
        put(&mut properties, "ServiceAccount", subject.name.as_str());
        put(&mut properties, "RoleArn", role);
        put(&mut properties, "TargetRoleArn", association.target_role_arn.clone());
        put(&mut properties, "DisableSessionTags", association.disable_session_tags.then_some(true));
        put(&mut properties, "Policy", association.policy.clone());
        put(&mut properties, "Tags", tag_list(&association.tags, ("Key", "Value")));
        all.push(Resource {
            id: names.logical(&["association", &subject.namespace, &subject.name]),
            kind: "AWS::EKS::PodIdentityAssociation",
            identifier: json!({"AssociationArn": association.summary.association_arn}),
            properties,
        });
    }
    all
}
