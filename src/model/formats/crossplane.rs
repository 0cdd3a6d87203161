//! Managed resources of Crossplane's AWS provider, of the cluster's scope. They take over what exists, and never delete it.

use serde_json::{Map, Value, json};

use super::{Names, State, compact, object, own_tags, put};
use crate::model::arn::last;

const EKS: &str = "eks.aws.upbound.io/v1beta1";
const IAM: &str = "iam.aws.upbound.io/v1beta1";

fn named(name: &str) -> Value {
    json!({"crossplane.io/external-name": name})
}

fn spec(fields: Map<String, Value>) -> Map<String, Value> {
    let mut spec = Map::new();
    put(&mut spec, "managementPolicies", json!(["Observe", "Create", "Update", "LateInitialize"]));
    put(&mut spec, "forProvider", fields);
    spec
}

pub(super) fn resources(state: &State<'_>, notes: &mut Vec<String>) -> Vec<Value> {
    let (cluster, region) = (&state.cluster.name, &state.cluster.arn.region);
    let mut all = Vec::new();
    if let Some(agent) = state.agent {
        let mut fields = Map::new();
        put(&mut fields, "region", region.as_str());
        put(&mut fields, "clusterName", cluster.as_str());
        put(&mut fields, "addonName", agent.name.as_str());
        put(&mut fields, "addonVersion", agent.version.as_str());
        put(&mut fields, "configurationValues", agent.configuration.clone());
        let id = format!("{cluster}:{}", agent.name);
        all.push(object(EKS, "Addon", &agent.name, named(&id), spec(fields)));
    }
    let (mut roles, mut inline, mut attached) = (Names::default(), Names::default(), Names::default());
    for held in &state.roles {
        let role = held.role;
        let mut fields = Map::new();
        put(&mut fields, "path", role.path.as_str());
        put(&mut fields, "description", role.description.clone());
        put(&mut fields, "maxSessionDuration", role.max_session);
        put(&mut fields, "permissionsBoundary", role.permissions_boundary.clone());
        put(&mut fields, "assumeRolePolicy", compact(&role.trust));
        put(&mut fields, "tags", json!(own_tags(&role.tags)));
        all.push(object(IAM, "Role", &roles.object(&[&role.name]), named(&role.name), spec(fields)));
        for (name, document) in held.inline {
            let mut fields = Map::new();
            put(&mut fields, "role", role.name.as_str());
            put(&mut fields, "policy", compact(document));
            all.push(object(IAM, "RolePolicy", &inline.object(&[&role.name, name]), named(name), spec(fields)));
        }
        for arn in held.attached {
            let mut fields = Map::new();
            put(&mut fields, "role", role.name.as_str());
            put(&mut fields, "policyArn", arn.as_str());
            let name = attached.object(&[&role.name, last(arn)]);
            all.push(object(IAM, "RolePolicyAttachment", &name, named(&format!("{}/{arn}", role.name)), spec(fields)));
        }
    }
    let mut names = Names::default();
    for association in &state.associations {
        let subject = &association.summary.subject;
        if association.policy.is_some() {
            notes
                .push(format!("the session policy of {subject} is omitted: Crossplane's resource has no field for it"));
        }
        let mut fields = Map::new();
        put(&mut fields, "region", region.as_str());
        put(&mut fields, "clusterName", cluster.as_str());
        put(&mut fields, "namespace", subject.namespace.as_str());
        put(&mut fields, "serviceAccount", subject.name.as_str());
        put(&mut fields, "roleArn", association.role_arn.as_str());
        put(&mut fields, "targetRoleArn", association.target_role_arn.clone());
        put(&mut fields, "disableSessionTags", association.disable_session_tags.then_some(true));
        put(&mut fields, "tags", json!(own_tags(&association.tags)));
        let name = names.object(&[&subject.namespace, &subject.name]);
        let id = named(&association.summary.association_id);
        all.push(object(EKS, "PodIdentityAssociation", &name, id, spec(fields)));
    }
    all
}
