//! Custom resources of the ACK controllers: they adopt what exists, and retain it when they are deleted.

use serde_json::{Map, Value, json};

use super::{Names, State, compact, object, own_tags, put, tag_list};

const EKS: &str = "eks.services.k8s.aws/v1alpha1";
const IAM: &str = "iam.services.k8s.aws/v1alpha1";

/// `adopt-or-create` keeps what the resource says; without it the controller would try to create what exists.
fn adopting(fields: &Value) -> Value {
    json!({
        "services.k8s.aws/adoption-policy": "adopt-or-create",
        "services.k8s.aws/adoption-fields": fields.to_string(),
        "services.k8s.aws/deletion-policy": "retain",
    })
}

/// The same in the cluster's region; IAM has none.
fn in_region(state: &State<'_>, fields: &Value) -> Value {
    let mut annotations = adopting(fields);
    annotations["services.k8s.aws/region"] = json!(state.cluster.arn.region);
    annotations
}

pub(super) fn resources(state: &State<'_>) -> Vec<Value> {
    let cluster = &state.cluster.name;
    let mut all = Vec::new();
    if let Some(agent) = state.agent {
        let mut spec = Map::new();
        put(&mut spec, "name", agent.name.as_str());
        put(&mut spec, "clusterName", cluster.as_str());
        put(&mut spec, "addonVersion", agent.version.as_str());
        put(&mut spec, "configurationValues", agent.configuration.clone());
        let annotations = in_region(state, &json!({"name": agent.name, "clusterName": cluster}));
        all.push(object(EKS, "Addon", &agent.name, annotations, spec));
    }
    let mut names = Names::default();
    for held in &state.roles {
        let role = held.role;
        // The list and the map are the whole: what is not in them would be taken away.
        let inline: Map<String, Value> =
            held.inline.iter().map(|(name, document)| (name.clone(), compact(document).into())).collect();
        let mut spec = Map::new();
        put(&mut spec, "name", role.name.as_str());
        put(&mut spec, "path", role.path.as_str());
        put(&mut spec, "description", role.description.clone());
        put(&mut spec, "maxSessionDuration", role.max_session);
        put(&mut spec, "permissionsBoundary", role.permissions_boundary.clone());
        put(&mut spec, "assumeRolePolicyDocument", compact(&role.trust));
        put(&mut spec, "policies", held.attached.to_vec());
        put(&mut spec, "inlinePolicies", inline);
        put(&mut spec, "tags", tag_list(&role.tags, ("key", "value")));
        let annotations = adopting(&json!({"name": role.name}));
        all.push(object(IAM, "Role", &names.object(&[&role.name]), annotations, spec));
    }
    let mut names = Names::default();
    for association in &state.associations {
        let subject = &association.summary.subject;
        let mut spec = Map::new();
        put(&mut spec, "clusterName", cluster.as_str());
        put(&mut spec, "namespace", subject.namespace.as_str());
        put(&mut spec, "serviceAccount", subject.name.as_str());
        put(&mut spec, "roleARN", association.role_arn.as_str());
        put(&mut spec, "targetRoleARN", association.target_role_arn.clone());
        put(&mut spec, "disableSessionTags", association.disable_session_tags.then_some(true));
        put(&mut spec, "policy", association.policy.clone());
        put(&mut spec, "tags", json!(own_tags(&association.tags)));
        let fields = json!({"clusterName": cluster, "associationID": association.summary.association_id});
        let name = names.object(&[&subject.namespace, &subject.name]);
        all.push(object(EKS, "PodIdentityAssociation", &name, in_region(state, &fields), spec));
    }
    all
}
