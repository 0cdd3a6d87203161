//! What the caller of each command needs: which IAM actions and Kubernetes verbs each call of the ports takes, and which
//! calls each command makes. What only makes a message better (near names, who the caller is) is not asked for.
//!
//! Actions, their resources and condition keys: Service Authorization Reference (Amazon EKS, IAM, DynamoDB); what reads
//! Kubernetes' own discovery and reviews itself needs nothing (Kubernetes documentation, "Default roles and role bindings").

mod grants;
mod table;

use std::collections::BTreeSet;

pub use self::{
    grants::{Rbac, Scope, iam_policy, rbac},
    table::{COMMANDS, Row},
};

/// On what IAM checks an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum On {
    /// Actions without a resource.
    Everything,
    /// The cluster.
    Cluster,
    /// The cluster's associations.
    Associations,
    /// The agent add-on of the cluster.
    Agent,
    /// All add-ons of the cluster.
    AddOns,
    /// The managed node groups of the cluster.
    NodeGroups,
    /// Managed policies.
    Policy,
    /// Any role that the caller may name.
    Role,
    /// Roles below the path that podid writes to.
    OwnRole,
    /// Roles that are handed to EKS.
    PassedRole,
    /// Tables.
    Table,
}

/// Where Kubernetes checks a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Within {
    /// The whole cluster: nodes.
    Cluster,
    /// The namespace of the service accounts.
    Namespace,
    /// Where the agent is.
    System,
}

/// One permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// An IAM action.
    Iam(&'static str, On),
    /// A verb of an API group's resource.
    Kube(&'static str, &'static str, &'static str, Within),
}

use Need::{Iam, Kube};

/// A port's method and what it needs.
pub type Port = (&'static str, &'static [Need]);

/// Every method of the ports.
pub const PORTS: &[Port] = &[
    // A client of another region: no call.
    ("Eks::elsewhere", &[]),
    ("Eks::cluster", &[Iam("eks:DescribeCluster", On::Cluster)]),
    ("Eks::clusters", &[Iam("eks:ListClusters", On::Everything)]),
    ("Eks::associations", &[Iam("eks:ListPodIdentityAssociations", On::Cluster)]),
    ("Eks::association_pages", &[Iam("eks:ListPodIdentityAssociations", On::Cluster)]),
    ("Eks::association", &[Iam("eks:DescribePodIdentityAssociation", On::Associations)]),
    (
        "Eks::create_association",
        &[
            Iam("eks:CreatePodIdentityAssociation", On::Cluster),
            Iam("eks:TagResource", On::Associations),
            Iam("iam:PassRole", On::PassedRole),
        ],
    ),
    (
        "Eks::update_association",
        &[Iam("eks:UpdatePodIdentityAssociation", On::Associations), Iam("iam:PassRole", On::PassedRole)],
    ),
    ("Eks::delete_association", &[Iam("eks:DeletePodIdentityAssociation", On::Associations)]),
    ("Eks::tag", &[Iam("eks:TagResource", On::Associations)]),
    ("Eks::untag", &[Iam("eks:UntagResource", On::Associations)]),
    ("Eks::node_role", &[Iam("eks:DescribeNodegroup", On::NodeGroups)]),
    ("Eks::addons", &[Iam("eks:ListAddons", On::Cluster), Iam("eks:DescribeAddon", On::AddOns)]),
    ("Eks::addon", &[Iam("eks:DescribeAddon", On::Agent)]),
    ("Eks::addon_versions", &[Iam("eks:DescribeAddonVersions", On::Everything)]),
    ("Eks::addon_offer", &[Iam("eks:DescribeAddonVersions", On::Everything)]),
    ("Eks::create_addon", &[Iam("eks:CreateAddon", On::Cluster)]),
    ("Eks::update_addon", &[Iam("eks:UpdateAddon", On::Agent)]),
    ("Eks::set_addon_associations", &[Iam("eks:UpdateAddon", On::AddOns), Iam("iam:PassRole", On::PassedRole)]),
    ("Eks::addon_update", &[Iam("eks:DescribeUpdate", On::Cluster), Iam("eks:DescribeUpdate", On::Agent)]),
    ("Eks::delete_addon", &[Iam("eks:DeleteAddon", On::Agent)]),
    ("Eks::addon_schema", &[Iam("eks:DescribeAddonConfiguration", On::Everything)]),
    ("Eks::addon_identities", &[Iam("eks:DescribeAddonConfiguration", On::Everything)]),
    ("Iam::caller", &[]),
    ("Iam::role", &[Iam("iam:GetRole", On::Role)]),
    ("Iam::roles", &[Iam("iam:ListRoles", On::Everything)]),
    ("Iam::create_role", &[Iam("iam:CreateRole", On::OwnRole), Iam("iam:TagRole", On::OwnRole)]),
    ("Iam::put_trust", &[Iam("iam:UpdateAssumeRolePolicy", On::Role)]),
    ("Iam::tag_role", &[Iam("iam:TagRole", On::Role)]),
    ("Iam::untag_role", &[Iam("iam:UntagRole", On::Role)]),
    (
        "Iam::put_boundary",
        &[Iam("iam:PutRolePermissionsBoundary", On::Role), Iam("iam:DeleteRolePermissionsBoundary", On::Role)],
    ),
    ("Iam::attached_policies", &[Iam("iam:ListAttachedRolePolicies", On::Role)]),
    ("Iam::attach_policy", &[Iam("iam:AttachRolePolicy", On::Role)]),
    ("Iam::inline_policies", &[Iam("iam:ListRolePolicies", On::Role)]),
    ("Iam::inline_policy", &[Iam("iam:GetRolePolicy", On::Role)]),
    ("Iam::policy_exists", &[Iam("iam:GetPolicy", On::Policy)]),
    ("Iam::managed_policy", &[Iam("iam:GetPolicy", On::Policy), Iam("iam:GetPolicyVersion", On::Policy)]),
    ("Iam::simulate", &[Iam("iam:SimulatePrincipalPolicy", On::Role)]),
    ("Iam::ask_for_last_use", &[Iam("iam:GenerateServiceLastAccessedDetails", On::Role)]),
    ("Iam::last_use", &[Iam("iam:GetServiceLastAccessedDetails", On::Everything)]),
    ("Iam::detach_policy", &[Iam("iam:DetachRolePolicy", On::Role)]),
    ("Iam::delete_inline_policy", &[Iam("iam:DeleteRolePolicy", On::Role)]),
    ("Iam::instance_profiles", &[Iam("iam:ListInstanceProfilesForRole", On::Role)]),
    ("Iam::delete_role", &[Iam("iam:DeleteRole", On::Role)]),
    ("Iam::put_inline_policy", &[Iam("iam:PutRolePolicy", On::Role)]),
    ("EksAuth::as_pod", &[Iam("eks-auth:AssumeRoleForPodIdentity", On::Cluster)]),
    // With the pod's credentials, not the caller's.
    ("AsPod::session", &[]),
    ("AsPod::credentials", &[]),
    ("AsPod::caller", &[]),
    ("AsPod::table", &[]),
    ("AsPod::query", &[]),
    ("Tables::table", &[Iam("dynamodb:DescribeTable", On::Table)]),
    ("Tables::names", &[Iam("dynamodb:ListTables", On::Everything)]),
    ("Tables::table_policy", &[Iam("dynamodb:GetResourcePolicy", On::Table)]),
    ("Kubernetes::reach", &[]),
    ("Kubernetes::service_account", &[Kube("get", "", "serviceaccounts", Within::Namespace)]),
    ("Kubernetes::namespaces", &[Kube("list", "", "namespaces", Within::Cluster)]),
    ("Kubernetes::service_accounts", &[Kube("list", "", "serviceaccounts", Within::Namespace)]),
    ("Kubernetes::all_service_accounts", &[Kube("list", "", "serviceaccounts", Within::Namespace)]),
    ("Kubernetes::create_service_account", &[Kube("create", "", "serviceaccounts", Within::Namespace)]),
    (
        "Kubernetes::remove_irsa_annotation",
        &[
            Kube("get", "", "serviceaccounts", Within::Namespace),
            Kube("patch", "", "serviceaccounts", Within::Namespace),
        ],
    ),
    ("Kubernetes::pods", &[Kube("list", "", "pods", Within::Namespace)]),
    ("Kubernetes::all_pods", &[Kube("list", "", "pods", Within::Namespace)]),
    ("Kubernetes::all_workloads", WORKLOADS),
    ("Kubernetes::every_workload", WORKLOADS),
    ("Kubernetes::rollouts", &[Kube("list", "argoproj.io", "rollouts", Within::Namespace)]),
    ("Kubernetes::cron_jobs", &[Kube("list", "batch", "cronjobs", Within::Namespace)]),
    (
        "Kubernetes::workload",
        &[
            Kube("get", "apps", "deployments", Within::Namespace),
            Kube("get", "apps", "statefulsets", Within::Namespace),
            Kube("get", "apps", "daemonsets", Within::Namespace),
            Kube("get", "argoproj.io", "rollouts", Within::Namespace),
        ],
    ),
    (
        "Kubernetes::restart",
        &[
            Kube("patch", "apps", "deployments", Within::Namespace),
            Kube("patch", "apps", "statefulsets", Within::Namespace),
            Kube("patch", "apps", "daemonsets", Within::Namespace),
            Kube("patch", "argoproj.io", "rollouts", Within::Namespace),
            // The controller of an Argo Rollout waits for pods that are not ready until they are deleted.
            Kube("list", "", "pods", Within::Namespace),
            Kube("delete", "", "pods", Within::Namespace),
        ],
    ),
    (
        "Kubernetes::roll_back",
        &[
            Kube("get", "apps", "deployments", Within::Namespace),
            Kube("get", "apps", "statefulsets", Within::Namespace),
            Kube("get", "apps", "daemonsets", Within::Namespace),
            Kube("patch", "apps", "deployments", Within::Namespace),
            Kube("patch", "apps", "statefulsets", Within::Namespace),
            Kube("patch", "apps", "daemonsets", Within::Namespace),
            Kube("list", "apps", "replicasets", Within::Namespace),
            Kube("list", "apps", "controllerrevisions", Within::Namespace),
            // A StatefulSet waits for its failed pod until that is deleted.
            Kube("list", "", "pods", Within::Namespace),
            Kube("delete", "", "pods", Within::Namespace),
        ],
    ),
    (
        "Kubernetes::follow",
        &[
            Kube("list", "apps", "deployments", Within::Namespace),
            Kube("list", "apps", "statefulsets", Within::Namespace),
            Kube("list", "apps", "daemonsets", Within::Namespace),
            Kube("list", "argoproj.io", "rollouts", Within::Namespace),
            Kube("watch", "apps", "deployments", Within::Namespace),
            Kube("watch", "apps", "statefulsets", Within::Namespace),
            Kube("watch", "apps", "daemonsets", Within::Namespace),
            Kube("watch", "argoproj.io", "rollouts", Within::Namespace),
            Kube("list", "", "pods", Within::Namespace),
            Kube("watch", "", "pods", Within::Namespace),
            Kube("list", "apps", "replicasets", Within::Namespace),
            Kube("list", "apps", "controllerrevisions", Within::Namespace),
        ],
    ),
    // Only tells why a rollout is stuck; without it that is told without events.
    ("Kubernetes::warning", &[Kube("list", "", "events", Within::Namespace)]),
    ("Kubernetes::nodes", &[Kube("list", "", "nodes", Within::Cluster)]),
    (
        "Kubernetes::agents",
        &[Kube("list", "apps", "daemonsets", Within::System), Kube("list", "", "pods", Within::System)],
    ),
    ("Kubernetes::pod_token", &[Kube("create", "", "serviceaccounts/token", Within::Namespace)]),
    ("Kubernetes::config_map", &[Kube("get", "", "configmaps", Within::Namespace)]),
    ("Kubernetes::secret_keys", &[Kube("get", "", "secrets", Within::Namespace)]),
    ("Kubernetes::network_policies", &[Kube("list", "networking.k8s.io", "networkpolicies", Within::Namespace)]),
    (
        "Kubernetes::webhooks",
        &[Kube("list", "admissionregistration.k8s.io", "mutatingwebhookconfigurations", Within::Cluster)],
    ),
    ("Kubernetes::addresses", &[]),
    ("Kubernetes::probe", &[Kube("create", "", "pods", Within::Namespace)]),
    ("Kubernetes::log", &[Kube("get", "", "pods/log", Within::Namespace)]),
    ("Kubernetes::may", &[]),
];

const WORKLOADS: &[Need] = &[
    Kube("list", "apps", "deployments", Within::Namespace),
    Kube("list", "apps", "statefulsets", Within::Namespace),
    Kube("list", "apps", "daemonsets", Within::Namespace),
];

/// The commands that the words name: `list`, `agent install`, or `agent` for all of that name; all, when there are none.
///
/// # Errors
/// The words that name no command.
pub fn commands(words: &[String]) -> Result<Vec<&'static Row>, String> {
    if words.is_empty() {
        return Ok(COMMANDS.iter().collect());
    }
    let mut found: Vec<&'static Row> = Vec::new();
    let words: Vec<&str> = words.iter().flat_map(|word| word.split_whitespace()).collect();
    let mut rest = words.as_slice();
    while let [first, after @ ..] = rest {
        let both = after.first().map(|second| format!("{first} {second}"));
        let whole = |name: &str| COMMANDS.iter().find(|(command, _)| *command == name);
        if let Some(row) = both.as_deref().and_then(whole) {
            found.push(row);
            rest = &after[1..];
        } else if let Some(row) = whole(first) {
            found.push(row);
            rest = after;
        } else {
            let group = format!("{first} ");
            let below: Vec<_> = COMMANDS.iter().filter(|(command, _)| command.starts_with(&group)).collect();
            if below.is_empty() {
                return Err((*first).to_owned());
            }
            found.extend(below);
            rest = after;
        }
    }
    Ok(found)
}

/// What these commands need.
pub fn needs(rows: &[&Row]) -> BTreeSet<Need> {
    let of = |(command, ports): &Row| {
        let called: BTreeSet<&str> = ports.iter().copied().flatten().copied().collect();
        let needs = PORTS.iter().filter(|(name, _)| called.contains(name)).flat_map(|(_, needs)| needs.iter().copied());
        // These name any add-on; others only ever the agent's.
        let any = command.starts_with("addon ");
        let widened = needs.map(|need| match need {
            Iam(action, On::Agent) if any => Iam(action, On::AddOns),
            need => need,
        });
        widened.collect::<Vec<_>>()
    };
    rows.iter().flat_map(|row| of(row)).collect()
}

#[cfg(test)]
mod tests;
