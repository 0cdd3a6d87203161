//! The add-on versions that EKS offers.

use serde_json::{Value, json};

use super::{
    Aws, Ctx,
    eks::{bad_token, invalid, max_results, not_found},
    policy::Facts,
    wire::{Answer, Reply, page},
};

/// The agent's add-on.
pub(super) const AGENT: &str = "eks-pod-identity-agent";

/// Kubernetes versions that EKS supports, newest first.
const KUBERNETES: &[&str] = &["1.36", "1.35", "1.34", "1.33", "1.32", "1.31", "1.30"];

/// A version of an add-on, with the oldest and the newest Kubernetes minor version it is for.
type Version = (&'static str, u32, u32);

/// Add-ons: name, type and versions, newest first. The newest for a cluster is its default.
const ADDONS: &[(&str, &str, &[Version])] = &[
    ("adot", "observability", &[("v0.131.0-eksbuild.1", 30, 36)]),
    ("aws-ebs-csi-driver", "storage", &[("v1.44.0-eksbuild.1", 30, 36), ("v1.29.1-eksbuild.1", 30, 34)]),
    ("coredns", "networking", &[("v1.12.4-eksbuild.1", 33, 36), ("v1.11.4-eksbuild.24", 30, 33)]),
    (
        AGENT,
        "security",
        &[
            ("v1.3.10-eksbuild.1", 30, 36),
            ("v1.3.9-eksbuild.3", 30, 35),
            ("v1.3.8-eksbuild.2", 30, 34),
            ("v1.2.0-eksbuild.1", 30, 31),
        ],
    ),
    ("kube-proxy", "networking", &[("v1.33.5-eksbuild.2", 33, 33), ("v1.32.9-eksbuild.2", 32, 32)]),
    ("vpc-cni", "networking", &[("v1.20.4-eksbuild.1", 30, 36), ("v1.19.6-eksbuild.7", 30, 34)]),
];

/// Service accounts that can have an association: add-on, first version that can, service account, and the policy that EKS recommends.
const IDENTITIES: &[(&str, &str, &str, &str)] = &[
    ("adot", "v0.0.0", "adot-col-container-logs", "CloudWatchAgentServerPolicy"),
    ("adot", "v0.0.0", "adot-col-otlp-ingest", "AWSXrayWriteOnlyAccess"),
    ("adot", "v0.0.0", "adot-col-prom-metrics", "AmazonPrometheusRemoteWriteAccess"),
    ("aws-ebs-csi-driver", "v1.31.0", "ebs-csi-controller-sa", "service-role/AmazonEBSCSIDriverPolicy"),
    ("vpc-cni", "v1.19.0", "aws-node", "AmazonEKS_CNI_Policy"),
];

/// Service accounts of a version that can have an association, with the policy that EKS recommends.
pub(super) fn identities(name: &str, version: &str) -> Vec<(&'static str, &'static str)> {
    let can = |(of, since, _, _): &&(&str, &str, &str, &str)| *of == name && numbers(version) >= numbers(since);
    IDENTITIES.iter().filter(can).map(|(_, _, account, policy)| (*account, *policy)).collect()
}

/// Where an add-on is installed when no namespace is named.
pub(super) fn default_namespace(name: &str) -> &'static str {
    if name == "adot" { "opentelemetry-operator-system" } else { "kube-system" }
}

/// The schema of a version's configuration. Labels of pods came with v1.3.10, the DaemonSets for hybrid nodes with v1.3.9.
fn schema(version: &str) -> Value {
    let agent =
        json!({"additionalProperties": false, "properties": {"additionalArgs": {"type": "object"}}, "type": "object"});
    let mut properties = json!({
        "affinity": {"type": "object"}, "agent": agent, "fullnameOverride": {"type": "string"},
        "imagePullSecrets": {"type": "array"}, "priorityClassName": {"type": "string"},
        "resources": {"type": "object"}, "tolerations": {"type": "array"},
    });
    if numbers(version) >= vec![1, 3, 9] {
        properties["daemonsets"] = json!({"type": "object"});
    }
    if numbers(version) >= vec![1, 3, 10] {
        properties["podLabels"] = json!({"type": "object"});
    }
    json!({
        "$ref": "#/definitions/EksPodIdentityAgent", "$schema": "http://json-schema.org/draft-06/schema#",
        "definitions": {"EksPodIdentityAgent": {"additionalProperties": false, "properties": properties, "type": "object"}},
    })
}

fn numbers(version: &str) -> Vec<u32> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

fn minor(version: &str) -> u32 {
    version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or_default()
}

/// Whether EKS knows an add-on of this name.
pub(super) fn is_known(name: &str) -> bool {
    ADDONS.iter().any(|(known, _, _)| *known == name)
}

/// Versions of an add-on for a cluster version, newest first.
pub(super) fn versions(name: &str, kubernetes: &str) -> Vec<&'static str> {
    let minor = minor(kubernetes);
    let all = ADDONS.iter().filter(|(known, _, _)| *known == name).flat_map(|(_, _, versions)| versions.iter());
    all.filter(|(_, oldest, newest)| (*oldest..=*newest).contains(&minor)).map(|(version, _, _)| *version).collect()
}

/// What a configuration does not say rightly, as EKS reports it.
pub(super) fn check_configuration(name: &str, version: &str, text: &str) -> Result<(), super::wire::AwsError> {
    let unsupported = |why: String| invalid(format!("ConfigurationValue provided in request is not supported: {why}"));
    let value: Value = serde_json::from_str(text)
        .or_else(|_| serde_yaml::from_str(text).map_err(|_| ()))
        .map_err(|()| unsupported("the value is neither JSON nor YAML".to_owned()))?;
    let Some(map) = value.as_object() else {
        return Err(unsupported("Json schema validation failed with error: [$: is not an object]".to_owned()));
    };
    if name != AGENT {
        return Ok(());
    }
    let schema = schema(version);
    let known = &schema["definitions"]["EksPodIdentityAgent"]["properties"];
    let unknown: Vec<String> = map
        .keys()
        .filter(|key| known.get(key).is_none())
        .map(|key| format!("$.{key}: is not defined in the schema and the schema does not allow additional properties"))
        .collect();
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(unsupported(format!("Json schema validation failed with error: [{}]", unknown.join(", "))))
    }
}

impl Aws {
    pub(super) fn describe_addon_versions(&self, ctx: &Ctx<'_>) -> Answer {
        ctx.permit(
            self,
            "eks:DescribeAddonVersions",
            &self.arn("eks", true, "/addons/supported-versions"),
            &Facts::new(),
        )?;
        let only = ctx.call.param("addonName");
        let kubernetes = ctx.call.param("kubernetesVersion");
        if let Some(version) = kubernetes.filter(|version| !KUBERNETES.contains(version)) {
            return Err(invalid(format!("Unsupported Kubernetes version: {version}")));
        }
        let mut all = Vec::new();
        for (name, kind, versions_of) in ADDONS.iter().filter(|(name, _, _)| only.is_none_or(|only| only == *name)) {
            let mut listed = Vec::new();
            for (version, oldest, newest) in *versions_of {
                let compatible: Vec<Value> = KUBERNETES
                    .iter()
                    .filter(|k| kubernetes.is_none_or(|only| only == **k) && (*oldest..=*newest).contains(&minor(k)))
                    .map(|k| {
                        let default = versions(name, k).first() == Some(version);
                        json!({"clusterVersion": k, "platformVersions": ["*"], "defaultVersion": default})
                    })
                    .collect();
                if !compatible.is_empty() {
                    listed.push(json!({
                        "addonVersion": version,
                        "architecture": ["amd64", "arm64"],
                        "computeTypes": ["ec2", "auto", "hybrid"],
                        "compatibilities": compatible,
                        "requiresConfiguration": false,
                        "requiresIamPermissions": *name == "vpc-cni",
                    }));
                }
            }
            if !listed.is_empty() {
                let addon = json!({
                    "addonName": name, "type": kind, "addonVersions": listed, "publisher": "eks", "owner": "aws",
                    "defaultNamespace": default_namespace(name),
                });
                all.push(((*name).to_owned(), addon));
            }
        }
        let (addons, next) = page(all, max_results(ctx)?, ctx.call.param("nextToken"), bad_token)?;
        let mut answer = json!({"addons": addons});
        if let Some(next) = next {
            answer["nextToken"] = json!(next);
        }
        Ok(Reply::Json(answer))
    }

    pub(super) fn describe_addon_configuration(&self, ctx: &Ctx<'_>) -> Answer {
        ctx.permit(
            self,
            "eks:DescribeAddonConfiguration",
            &self.arn("eks", true, "/addons/configuration-schemas"),
            &Facts::new(),
        )?;
        let (name, version) =
            (ctx.call.param("addonName").unwrap_or_default(), ctx.call.param("addonVersion").unwrap_or_default());
        let known = ADDONS.iter().any(|(n, _, versions)| *n == name && versions.iter().any(|(v, _, _)| *v == version));
        if !known {
            return Err(not_found(format!("No configuration found for addon {name} version {version}")));
        }
        let schema = if name == AGENT { schema(version).to_string() } else { "{\"type\":\"object\"}".to_owned() };
        let one = |(account, policy): &(&str, &str)| {
            let policy = format!("arn:{}:iam::aws:policy/{policy}", self.partition);
            json!({"serviceAccount": account, "recommendedManagedPolicies": [policy]})
        };
        let pods: Vec<Value> = identities(name, version).iter().map(one).collect();
        Ok(Reply::Json(json!({
            "addonName": name, "addonVersion": version, "configurationSchema": schema, "podIdentityConfiguration": pods,
        })))
    }
}
