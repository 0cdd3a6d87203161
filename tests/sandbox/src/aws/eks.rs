//! EKS: routes, clusters and tags.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::SignedDuration;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Aws, Ctx,
    policy::{Fact, Facts, fact},
    wire::{Answer, AwsError, Reply, epoch, err, page},
};
use crate::scenario::Cluster;

/// The operation of a method and path; empty when there is none.
pub(super) fn operation(method: &str, path: &[String]) -> &'static str {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (method, &path[..]) {
        ("GET", ["clusters"]) => "ListClusters",
        ("GET", ["clusters", _]) => "DescribeCluster",
        ("POST", ["clusters", _, "pod-identity-associations"]) => "CreatePodIdentityAssociation",
        ("GET", ["clusters", _, "pod-identity-associations"]) => "ListPodIdentityAssociations",
        ("GET", ["clusters", _, "pod-identity-associations", _]) => "DescribePodIdentityAssociation",
        ("POST", ["clusters", _, "pod-identity-associations", _]) => "UpdatePodIdentityAssociation",
        ("DELETE", ["clusters", _, "pod-identity-associations", _]) => "DeletePodIdentityAssociation",
        ("POST", ["clusters", _, "addons"]) => "CreateAddon",
        ("GET", ["clusters", _, "addons"]) => "ListAddons",
        ("GET", ["clusters", _, "addons", _]) => "DescribeAddon",
        ("DELETE", ["clusters", _, "addons", _]) => "DeleteAddon",
        ("POST", ["clusters", _, "addons", _, "update"]) => "UpdateAddon",
        ("GET", ["clusters", _, "updates", _]) => "DescribeUpdate",
        ("GET", ["clusters", _, "node-groups", _]) => "DescribeNodegroup",
        ("GET", ["addons", "supported-versions"]) => "DescribeAddonVersions",
        ("GET", ["addons", "configuration-schemas"]) => "DescribeAddonConfiguration",
        ("GET", ["tags", ..]) => "ListTagsForResource",
        ("POST", ["tags", ..]) => "TagResource",
        ("DELETE", ["tags", ..]) => "UntagResource",
        _ => "",
    }
}

/// `InvalidParameterException`.
pub(super) fn invalid(message: impl Into<String>) -> AwsError {
    err(400, "InvalidParameterException", message)
}

/// `ResourceNotFoundException`.
pub(super) fn not_found(message: impl Into<String>) -> AwsError {
    err(404, "ResourceNotFoundException", message)
}

/// `ResourceInUseException`.
pub(super) fn in_use(message: impl Into<String>) -> AwsError {
    err(409, "ResourceInUseException", message)
}

/// The facts of tags in a request.
pub(super) fn tag_facts(tags: &BTreeMap<String, String>) -> Facts {
    let mut facts: Facts = tags.iter().map(|(key, value)| fact(&format!("aws:RequestTag/{key}"), value)).collect();
    if !tags.is_empty() {
        facts.push(("aws:TagKeys".to_owned(), Fact::Many(tags.keys().cloned().collect())));
    }
    facts
}

/// The facts of tags on a resource.
pub(super) fn resource_facts(tags: &BTreeMap<String, String>) -> Facts {
    tags.iter().map(|(key, value)| fact(&format!("aws:ResourceTag/{key}"), value)).collect()
}

/// The rules of EKS tags.
pub(super) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), AwsError> {
    if tags.len() > 50 {
        return Err(invalid("Number of tags exceeds the limit of 50."));
    }
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > 128 {
            return Err(invalid(format!("Tag key must be between 1 and 128 characters: {key}")));
        }
        if value.chars().count() > 256 {
            return Err(invalid(format!("Tag value must be at most 256 characters: {key}")));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid(format!("Tag keys can't begin with aws: {key}")));
        }
    }
    Ok(())
}

impl Aws {
    pub(super) fn eks(&mut self, ctx: &Ctx<'_>) -> Answer {
        if !ctx.call.well_formed {
            return Err(err(400, "SerializationException", "Unexpected token in the request body."));
        }
        match ctx.call.operation.as_str() {
            "ListClusters" => self.list_clusters(ctx),
            "DescribeCluster" => self.describe_cluster(ctx),
            "CreatePodIdentityAssociation" => self.create_association(ctx),
            "ListPodIdentityAssociations" => self.list_associations(ctx),
            "DescribePodIdentityAssociation" => self.describe_association(ctx),
            "UpdatePodIdentityAssociation" => self.update_association(ctx),
            "DeletePodIdentityAssociation" => self.delete_association(ctx),
            "CreateAddon" => self.create_addon(ctx),
            "ListAddons" => self.list_addons(ctx),
            "DescribeAddon" => self.describe_addon(ctx),
            "UpdateAddon" => self.update_addon(ctx),
            "DeleteAddon" => self.delete_addon(ctx),
            "DescribeNodegroup" => self.describe_node_group(ctx),
            "DescribeUpdate" => self.describe_update(ctx),
            "DescribeAddonVersions" => self.describe_addon_versions(ctx),
            "DescribeAddonConfiguration" => self.describe_addon_configuration(ctx),
            "ListTagsForResource" | "TagResource" | "UntagResource" => self.tags(ctx),
            _ => Err(err(404, "UnknownOperationException", "The requested operation is not known.")),
        }
    }

    pub(super) fn cluster_arn(&self, name: &str) -> String {
        self.regional("eks", self.region_of(name), &format!("cluster/{name}"))
    }

    /// The cluster that a request names; in another region there is none.
    pub(super) fn cluster<'w>(ctx: &Ctx<'w>, name: &str) -> Result<&'w Cluster, AwsError> {
        let here = |c: &&Cluster| ctx.region == ctx.scenario.region_of(&c.name);
        let found = ctx.scenario.clusters.iter().find(|c| c.name == name && here(c));
        found.ok_or_else(|| not_found(format!("No cluster found for name: {name}.")))
    }

    fn list_clusters(&self, ctx: &Ctx<'_>) -> Answer {
        self.permit_on(ctx, &self.regional("eks", &ctx.region, "cluster/*"))?;
        let here = |c: &&Cluster| ctx.region == ctx.scenario.region_of(&c.name);
        let mut names: Vec<_> =
            ctx.scenario.clusters.iter().filter(here).map(|c| (c.name.clone(), c.name.clone())).collect();
        names.sort();
        let (clusters, next) = page(names, max_results(ctx)?, ctx.call.param("nextToken"), bad_token)?;
        Ok(Reply::Json(json!({"clusters": clusters, "nextToken": next})))
    }

    /// Checks the operation itself on `resource`.
    pub(super) fn permit_on(&self, ctx: &Ctx<'_>, resource: &str) -> Result<(), AwsError> {
        ctx.permit(self, &format!("eks:{}", ctx.call.operation), resource, &Facts::new())
    }

    fn describe_cluster(&self, ctx: &Ctx<'_>) -> Answer {
        let name = ctx.call.segment(1);
        let empty = BTreeMap::new();
        let tags = self.cluster_tags.get(name).unwrap_or(&empty);
        ctx.permit(self, "eks:DescribeCluster", &self.cluster_arn(name), &resource_facts(tags))?;
        let cluster = Self::cluster(ctx, name)?;
        let first = ctx.scenario.cluster().name == cluster.name;
        let id = hex::encode(Sha256::digest(self.cluster_arn(name))).to_uppercase();
        let region = self.region_of(name);
        let endpoint =
            if first { self.kube_url.clone() } else { format!("https://{}.gr7.{region}.eks.amazonaws.com", &id[..32]) };
        let auto = cluster.auto_mode;
        let mut answer = json!({
            "name": cluster.name,
            "arn": self.cluster_arn(name),
            "createdAt": epoch(self.started - SignedDuration::from_hours(24 * 30)),
            "version": cluster.version,
            "endpoint": endpoint,
            "roleArn": self.arn("iam", false, &format!("role/{name}-cluster")),
            "resourcesVpcConfig": {
                "subnetIds": ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002", "subnet-0a1b2c3d4e5f60003"],
                "securityGroupIds": [],
                "clusterSecurityGroupId": "sg-0a1b2c3d4e5f60001",
                "vpcId": "vpc-0a1b2c3d4e5f60001",
                "endpointPublicAccess": true,
                "endpointPrivateAccess": true,
                "publicAccessCidrs": ["0.0.0.0/0"],
            },
            "kubernetesNetworkConfig": {
                "serviceIpv4Cidr": "172.20.0.0/16", "ipFamily": "ipv4", "elasticLoadBalancing": {"enabled": auto},
            },
            "logging": {"clusterLogging": [
                {"types": ["api", "audit", "authenticator", "controllerManager", "scheduler"], "enabled": false},
            ]},
            "identity": {"oidc": {"issuer": format!("https://oidc.eks.{region}.amazonaws.com/id/{}", &id[32..])}},
            "status": cluster.status,
            "certificateAuthority": {"data": STANDARD.encode(&self.ca_pem)},
            "platformVersion": cluster.platform_version,
            "tags": tags,
            "encryptionConfig": [],
            "health": {"issues": []},
            "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"},
            "upgradePolicy": {"supportType": "EXTENDED"},
            "deletionProtection": false,
        });
        if auto {
            answer["computeConfig"] = json!({
                "enabled": true,
                "nodePools": ["general-purpose", "system"],
                "nodeRoleArn": self.arn("iam", false, &format!("role/{name}-nodes")),
            });
            answer["storageConfig"] = json!({"blockStorage": {"enabled": true}});
        }
        if cluster.outpost {
            let outpost = self.arn("outposts", true, "outpost/op-0a1b2c3d4e5f60001");
            answer["outpostConfig"] = json!({"outpostArns": [outpost], "controlPlaneInstanceType": "m5.large"});
        }
        if cluster.status == "CREATING" {
            for unknown in ["endpoint", "certificateAuthority", "identity"] {
                answer[unknown] = Value::Null;
            }
        }
        Ok(Reply::Json(json!({"cluster": answer})))
    }

    fn tags(&mut self, ctx: &Ctx<'_>) -> Answer {
        let arn = ctx.call.path.get(1..).unwrap_or_default().join("/");
        let new = ctx.call.tags();
        let mut facts = tag_facts(&new);
        let current = self.tags_of(ctx, &arn).cloned();
        facts.extend(current.as_ref().map(resource_facts).unwrap_or_default());
        ctx.permit(self, &format!("eks:{}", ctx.call.operation), &arn, &facts)?;
        if !arn.starts_with("arn:") {
            return Err(err(400, "BadRequestException", "The specified resource ARN is not valid."));
        }
        let none = || err(404, "NotFoundException", format!("Resource not found: {arn}"));
        let Some(tags) = self.tags_of(ctx, &arn) else { return Err(none()) };
        match ctx.call.operation.as_str() {
            "ListTagsForResource" => return Ok(Reply::Json(json!({"tags": tags}))),
            "TagResource" => {
                let bad = |e: AwsError| err(400, "BadRequestException", e.message);
                check_tags(&new).map_err(bad)?;
                if tags.keys().chain(new.keys()).collect::<std::collections::BTreeSet<_>>().len() > 50 {
                    return Err(err(400, "BadRequestException", "Number of tags exceeds the limit of 50."));
                }
                tags.extend(new);
            }
            _ => {
                for (_, key) in ctx.call.query.iter().filter(|(name, _)| name == "tagKeys") {
                    tags.remove(key);
                }
            }
        }
        Ok(Reply::Json(json!({})))
    }

    /// The tags of a cluster, association or add-on.
    fn tags_of(&mut self, ctx: &Ctx<'_>, arn: &str) -> Option<&mut BTreeMap<String, String>> {
        if let Some(association) = self.associations.values().position(|a| a.arn == arn) {
            return self.associations.values_mut().nth(association).map(|a| &mut a.tags);
        }
        if let Some(addon) = self.addons.values().position(|a| a.arn == arn) {
            return self.addons.values_mut().nth(addon).map(|a| &mut a.tags);
        }
        let cluster = ctx.scenario.clusters.iter().find(|c| self.cluster_arn(&c.name) == arn)?;
        Some(self.cluster_tags.entry(cluster.name.clone()).or_default())
    }
}

/// `maxResults`, 1 to 100, 100 unless told.
pub(super) fn max_results(ctx: &Ctx<'_>) -> Result<usize, AwsError> {
    let Some(text) = ctx.call.param("maxResults") else { return Ok(100) };
    match text.parse() {
        Ok(max @ 1..=100) => Ok(max),
        _ => Err(invalid(format!("maxResults must be between 1 and 100: {text}"))),
    }
}

/// A token that was not handed out.
pub(super) fn bad_token() -> AwsError {
    invalid("Invalid nextToken specified.")
}
