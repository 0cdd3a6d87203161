//! eksctl's ClusterConfig. It refers to roles by ARN: given policies instead, eksctl would create a second role.

use serde_json::{Map, Value, json};

use super::{State, own_tags, put};
use crate::model::text;

pub(super) fn config(state: &State<'_>, notes: &mut Vec<String>) -> Value {
    let mut config = Map::new();
    put(&mut config, "apiVersion", "eksctl.io/v1alpha5");
    put(&mut config, "kind", "ClusterConfig");
    put(&mut config, "metadata", json!({"name": state.cluster.name, "region": state.cluster.arn.region}));
    let mut iam = Map::new();
    let associations: Vec<Value> = state
        .associations
        .iter()
        .map(|association| {
            let subject = &association.summary.subject;
            let mut fields = Map::new();
            put(&mut fields, "namespace", subject.namespace.as_str());
            put(&mut fields, "serviceAccountName", subject.name.as_str());
            put(&mut fields, "roleARN", association.role_arn.as_str());
            put(&mut fields, "targetRoleARN", association.target_role_arn.clone());
            put(&mut fields, "disableSessionTags", association.disable_session_tags.then_some(true));
            put(&mut fields, "policy", association.policy.clone());
            put(&mut fields, "tags", json!(own_tags(&association.tags)));
            Value::Object(fields)
        })
        .collect();
    put(&mut iam, "podIdentityAssociations", associations);
    put(&mut config, "iam", iam);
    if let Some(agent) = state.agent {
        let mut fields = Map::new();
        put(&mut fields, "name", agent.name.as_str());
        put(&mut fields, "version", agent.version.as_str());
        put(&mut fields, "configurationValues", agent.configuration.clone());
        put(&mut config, "addons", vec![Value::Object(fields)]);
    }
    if !state.roles.is_empty() {
        let names: Vec<&str> = state.roles.iter().map(|held| held.role.name.as_str()).collect();
        notes.push(format!(
            "trust policies and permissions of roles are omitted, because eksctl references roles by ARN: {}",
            text::listed(&names, 5)
        ));
    }
    Value::Object(config)
}
