//! Who asks, and what they may do.

use serde_json::{Value, json};

use super::json::text;
use crate::{
    scenario::{Caller, Rbac},
    state::World,
};

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) enum User<'w> {
    Caller(&'w Caller),
    /// `system:serviceaccount:NAMESPACE:NAME`: no role is bound to any.
    ServiceAccount(String),
}

/// What is asked for; an empty namespace is all of them, an empty name any.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) verb: &'a str,
    pub(crate) group: &'a str,
    /// May hold a subresource: `pods/log`.
    pub(crate) resource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

impl Ask<'_> {
    /// Whether one of the bindings gives this to the user.
    fn granted(&self, user: &str, rbac: &Rbac) -> bool {
        let field = |object: &Value, path: &str| text(object, path).to_owned();
        let subject = |subject: &Value| match text(subject, "/kind") {
            "Group" => rbac.groups.iter().any(|group| group == text(subject, "/name")),
            "User" => text(subject, "/name") == user,
            _ => false,
        };
        let bindings = rbac.objects.iter().filter(|object| match text(object, "/kind") {
            "ClusterRoleBinding" => true,
            // What a namespace grants is not for a request over all of them.
            "RoleBinding" => text(object, "/metadata/namespace") == self.namespace,
            _ => false,
        });
        bindings.filter(|binding| list(binding, "subjects").any(subject)).any(|binding| {
            let (kind, name) = (field(binding, "/roleRef/kind"), field(binding, "/roleRef/name"));
            let role = rbac.objects.iter().find(|object| {
                text(object, "/kind") == kind
                    && text(object, "/metadata/name") == name
                    && (kind == "ClusterRole"
                        || text(object, "/metadata/namespace") == text(binding, "/metadata/namespace"))
            });
            role.is_some_and(|role| list(role, "rules").any(|rule| self.ruled(rule)))
        })
    }

    fn ruled(&self, rule: &Value) -> bool {
        let has = |key: &str, wanted: &str| list(rule, key).any(|item| item == "*" || item == wanted);
        let named = list(rule, "resourceNames").count() == 0 || list(rule, "resourceNames").any(|n| n == self.name);
        has("apiGroups", self.group) && has("resources", self.resource) && has("verbs", self.verb) && named
    }
}

fn list<'v>(object: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    object.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// Prefix of the kubeconfig's tokens.
pub(crate) const STATIC: &str = "sandbox-";

impl User<'_> {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Caller(caller) => &caller.arn,
            Self::ServiceAccount(name) => name,
        }
    }

    /// What RBAC says.
    pub(crate) fn may(&self, ask: Ask<'_>) -> bool {
        let Ask { verb, resource, .. } = ask;
        let own_rights = resource.starts_with("selfsubject");
        match self {
            Self::ServiceAccount(_) => own_rights,
            Self::Caller(caller) => {
                own_rights
                    || (!caller.rbac_denies.iter().any(|rule| {
                        let (v, r) = rule.split_once(' ').unwrap_or((rule, "*"));
                        let r = r.trim();
                        (v == "*" || v == verb) && (r == "*" || r == resource)
                    }) && caller.rbac.as_ref().is_none_or(|rbac| ask.granted(&caller.arn, rbac)))
            }
        }
    }

    /// The words of a refusal.
    pub(crate) fn refusal(&self, verb: &str, resource: &str, group: &str, namespace: &str) -> String {
        let place = if namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace \"{namespace}\"")
        };
        format!("User \"{}\" cannot {verb} resource \"{resource}\" in API group \"{group}\" {place}", self.name())
    }

    /// Answers a SelfSubjectAccessReview.
    pub(crate) fn review(&self, body: &Value) -> Value {
        let allowed = match body.pointer("/spec/resourceAttributes") {
            Some(asked) => {
                let (resource, sub) = (text(asked, "/resource"), text(asked, "/subresource"));
                let resource = if sub.is_empty() { resource.to_owned() } else { format!("{resource}/{sub}") };
                self.may(Ask {
                    verb: text(asked, "/verb"),
                    group: text(asked, "/group"),
                    resource: &resource,
                    namespace: text(asked, "/namespace"),
                    name: text(asked, "/name"),
                })
            }
            None => true,
        };
        json!({
            "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {},
            "spec": body.get("spec").cloned().unwrap_or_default(), "status": {"allowed": allowed},
        })
    }
}

/// The caller behind a token that needs no look at the state.
pub(crate) fn caller<'w>(world: &'w World, token: &str) -> Option<User<'w>> {
    let caller = if token.starts_with("k8s-aws-v1.") {
        crate::aws::caller_of_eks_token(world, token)?
    } else {
        let id = token.strip_prefix(STATIC)?;
        world.scenario.callers.iter().find(|c| c.access_key_id == id)?
    };
    caller.access_entry.then_some(User::Caller(caller))
}

/// A kubeconfig as `aws eks update-kubeconfig` names things, with a static token instead of an exec plugin.
pub(crate) fn kubeconfig(world: &World, url: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let scenario = &world.scenario;
    let name = scenario.cluster_arn(&scenario.cluster().name);
    let ca = STANDARD.encode(&world.ca_pem);
    let token = format!("{STATIC}{}", scenario.callers[0].access_key_id);
    format!(
        "apiVersion: v1\nkind: Config\npreferences: {{}}\ncurrent-context: {name}\nclusters:\n- name: {name}\n  cluster:\n    server: {url}\n    certificate-authority-data: {ca}\ncontexts:\n- name: {name}\n  context:\n    cluster: {name}\n    user: {name}\nusers:\n- name: {name}\n  user:\n    token: {token}\n"
    )
}
