//! EKS add-ons: their life from CREATING to gone, and the DaemonSet that the agent's one applies.

use std::{collections::BTreeMap, io};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    Aws, Ctx,
    associations::SERVICE,
    catalog::{AGENT, check_configuration, is_known, versions},
    eks::{bad_token, check_tags, in_use, invalid, max_results, not_found, resource_facts, tag_facts},
    ms,
    policy::fact,
    wire::{Answer, AwsError, Reply, epoch, page, uuid},
};
use crate::{
    State,
    scenario::{self, Scenario},
};

/// An installed add-on.
#[derive(Debug, Clone)]
pub struct Addon {
    /// `eks-pod-identity-agent`.
    pub name: String,
    /// Cluster name.
    pub cluster: String,
    /// `v1.3.10-eksbuild.1`.
    pub version: String,
    /// `CREATING`, `ACTIVE`, …
    pub status: String,
    /// Its ARN.
    pub arn: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub modified_at: Timestamp,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Configuration values.
    pub configuration: Option<String>,
    /// IRSA role ARN.
    pub service_account_role: Option<String>,
    /// Health issues: code, message, resource ids.
    pub issues: Vec<(String, String, Vec<String>)>,
    /// Its updates, in order.
    pub updates: Vec<Update>,
    resolve_conflicts: String,
    preserve: bool,
    /// When the change under way was asked for.
    since: Timestamp,
    /// When its objects were applied to the cluster.
    applied_at: Option<Timestamp>,
}

/// An update of an add-on.
#[derive(Debug, Clone)]
pub struct Update {
    /// A uuid.
    pub id: String,
    /// `InProgress`, `Successful`, `Failed`.
    pub status: String,
    /// What was asked: type and value.
    pub params: Vec<(String, String)>,
    /// When it was asked for.
    pub created_at: Timestamp,
}

impl Update {
    fn json(&self) -> Value {
        let params: Vec<_> = self.params.iter().map(|(kind, value)| json!({"type": kind, "value": value})).collect();
        json!({
            "id": self.id, "status": self.status, "type": "AddonUpdate", "params": params,
            "createdAt": epoch(self.created_at), "errors": [],
        })
    }
}

impl Addon {
    fn json(&self, aws: &Aws) -> Value {
        let issues: Vec<_> = self
            .issues
            .iter()
            .map(|(code, message, ids)| json!({"code": code, "message": message, "resourceIds": ids}))
            .collect();
        let mut out = json!({
            "addonName": self.name,
            "clusterName": self.cluster,
            "status": self.status,
            "addonVersion": self.version,
            "health": {"issues": issues},
            "addonArn": self.arn,
            "createdAt": epoch(self.created_at),
            "modifiedAt": epoch(self.modified_at),
            "tags": self.tags,
        });
        let owned: Vec<_> = aws.owned_by(&self.arn).into_iter().map(|id| aws.associations[&id].arn.clone()).collect();
        if !owned.is_empty() {
            out["podIdentityAssociations"] = json!(owned);
        }
        if let Some(role) = &self.service_account_role {
            out["serviceAccountRoleArn"] = json!(role);
        }
        if let Some(configuration) = &self.configuration {
            out["configurationValues"] = json!(configuration);
        }
        out
    }

    fn finish(&mut self, status: &str, update: &str, now: Timestamp) {
        status.clone_into(&mut self.status);
        self.modified_at = now;
        if let Some(last) = self.updates.last_mut().filter(|last| last.status == "InProgress") {
            update.clone_into(&mut last.status);
        }
    }
}

/// Moves add-ons along their life.
pub(crate) fn step(state: &mut State, scenario: &Scenario, now: Timestamp) {
    state.aws.forget(now);
    let delay = ms(state.aws.delays.addon);
    // EKS reports missing replicas only after it has given them a while.
    let patience = (delay * 10).max(SignedDuration::from_millis(100));
    let first = scenario.cluster().name.as_str();
    let mut gone = Vec::new();
    for (key, addon) in &mut state.aws.addons {
        let agent = addon.name == AGENT && addon.cluster == first;
        let due = now >= addon.since + delay;
        let there = if agent { state.kube.daemon_set("kube-system", AGENT) } else { Some((0, 0)) };
        match addon.status.as_str() {
            "DELETING" if due => {
                if agent && !addon.preserve {
                    state.kube.set_agent(None, now);
                }
                gone.push(key.clone());
            }
            "CREATING" | "UPDATING" if due && addon.applied_at.is_none() => {
                let creating = addon.status == "CREATING";
                if creating && agent && there.is_some() && addon.resolve_conflicts != "OVERWRITE" {
                    addon.issues = vec![(
                        "ConfigurationConflict".to_owned(),
                        format!(
                            "Conflicts found when trying to apply. Will not continue due to resolve conflicts mode. Conflicts: DaemonSet.apps {AGENT} - .spec.template.spec.containers"
                        ),
                        Vec::new(),
                    )];
                    addon.finish("CREATE_FAILED", "Failed", now);
                    continue;
                }
                if agent {
                    state.kube.set_agent(Some(&addon.version), now);
                }
                addon.applied_at = Some(now);
            }
            "CREATING" | "UPDATING" | "DEGRADED" => {
                let Some(applied) = addon.applied_at else { continue };
                if now < applied + delay {
                    continue;
                }
                match there {
                    Some((desired, ready)) if desired == ready => {
                        addon.issues.clear();
                        addon.finish("ACTIVE", "Successful", now);
                    }
                    _ if addon.status != "DEGRADED" && now >= applied + patience => {
                        let issue = match there {
                            Some(_) => (
                                "InsufficientNumberOfReplicas",
                                "The add-on is unhealthy because it doesn't have the desired number of replicas.",
                            ),
                            None => {
                                ("K8sResourceNotFound", "The add-on is unhealthy because its DaemonSet does not exist.")
                            }
                        };
                        addon.issues = vec![(issue.0.to_owned(), issue.1.to_owned(), Vec::new())];
                        addon.finish("DEGRADED", "Successful", now);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    for key in gone {
        if let Some(addon) = state.aws.addons.remove(&key).filter(|addon| !addon.preserve) {
            for id in state.aws.owned_by(&addon.arn) {
                state.aws.remove_association(&id, now);
            }
        }
    }
}

impl Aws {
    pub(super) fn add_addon(&mut self, from: &scenario::Addon, world: &Scenario, now: Timestamp) -> io::Result<()> {
        let cluster = from.cluster.clone().unwrap_or_else(|| world.cluster().name.clone());
        if !world.clusters.iter().any(|c| c.name == cluster) {
            return Err(io::Error::other(format!("add-on of an unknown cluster `{cluster}`")));
        }
        let at = now - SignedDuration::from_hours(24);
        let mut addon = self.new_addon(&cluster, &from.name, &from.version, at);
        addon.status.clone_from(&from.status);
        self.addons.insert((cluster, from.name.clone()), addon);
        Ok(())
    }

    fn new_addon(&mut self, cluster: &str, name: &str, version: &str, at: Timestamp) -> Addon {
        let id = self.mint(b"0123456789abcdef", 32);
        let id = format!("{}-{}-{}-{}-{}", &id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]);
        Addon {
            name: name.to_owned(),
            cluster: cluster.to_owned(),
            version: version.to_owned(),
            status: "CREATING".to_owned(),
            arn: self.arn("eks", true, &format!("addon/{cluster}/{name}/{id}")),
            created_at: at,
            modified_at: at,
            tags: BTreeMap::new(),
            configuration: None,
            service_account_role: None,
            issues: Vec::new(),
            updates: Vec::new(),
            resolve_conflicts: "NONE".to_owned(),
            preserve: false,
            since: at,
            applied_at: None,
        }
    }

    /// Ids of the associations that an add-on owns.
    fn owned_by(&self, arn: &str) -> Vec<String> {
        let owned = self.associations.values().filter(|a| a.owner_arn.as_deref() == Some(arn));
        owned.map(|a| a.id.clone()).collect()
    }

    fn permit_addon(&self, ctx: &Ctx<'_>) -> Result<(), AwsError> {
        let key = (ctx.call.segment(1).to_owned(), ctx.call.segment(3).to_owned());
        let addon = self.addons.get(&key);
        let arn =
            addon.map_or_else(|| self.arn("eks", true, &format!("addon/{}/{}/*", key.0, key.1)), |a| a.arn.clone());
        let facts = addon.map(|a| resource_facts(&a.tags)).unwrap_or_default();
        ctx.permit(self, &format!("eks:{}", ctx.call.operation), &arn, &facts)
    }

    fn addon(&mut self, ctx: &Ctx<'_>) -> Result<&mut Addon, AwsError> {
        let (cluster, name) = (ctx.call.segment(1), ctx.call.segment(3));
        Self::cluster(ctx, cluster)?;
        let found = self.addons.get_mut(&(cluster.to_owned(), name.to_owned()));
        found.ok_or_else(|| not_found(format!("No addon: {name} found in cluster: {cluster}")))
    }

    /// The version that a request names for this cluster, or the default one.
    fn addon_version(ctx: &Ctx<'_>, name: &str) -> Result<String, AwsError> {
        if !is_known(name) {
            return Err(invalid("Addon specified is not supported"));
        }
        let cluster = Self::cluster(ctx, ctx.call.segment(1))?;
        let offered = versions(name, &cluster.version);
        let wanted = ctx.call.text("addonVersion");
        let version = offered.iter().find(|offered| wanted.is_none_or(|wanted| wanted == **offered));
        version.map(|version| (*version).to_owned()).ok_or_else(|| invalid("Addon version specified is not supported"))
    }

    /// The `podIdentityAssociations` of a request, each role checked.
    fn addon_pods(&self, ctx: &Ctx<'_>) -> Result<Option<Vec<(String, String)>>, AwsError> {
        let Some(list) = ctx.call.json.get("podIdentityAssociations").and_then(Value::as_array) else {
            return Ok(None);
        };
        let mut out = Vec::new();
        for entry in list {
            let (Some(account), Some(role)) = (entry["serviceAccount"].as_str(), entry["roleArn"].as_str()) else {
                return Err(invalid("Both serviceAccount and roleArn are required."));
            };
            ctx.permit(self, "iam:PassRole", role, &vec![fact("iam:PassedToService", SERVICE)])?;
            self.check_role(ctx, role)?;
            out.push((account.to_owned(), role.to_owned()));
        }
        Ok(Some(out))
    }

    fn check_addon_request(ctx: &Ctx<'_>, name: &str, modes: &[&str]) -> Result<(), AwsError> {
        if let Some(mode) = ctx.call.text("resolveConflicts").filter(|mode| !modes.contains(mode)) {
            return Err(invalid(format!(
                "Resolve conflicts option {} is not supported for operation {}",
                mode.to_lowercase(),
                ctx.call.operation
            )));
        }
        ctx.call.text("configurationValues").map_or(Ok(()), |text| check_configuration(name, text))
    }

    fn own(&mut self, cluster: &str, owner: &str, pods: Vec<(String, String)>, now: Timestamp) -> Result<(), AwsError> {
        for (account, _) in &pods {
            let there = self.association_of(cluster, "kube-system", account);
            if let Some(other) = there.filter(|a| a.owner_arn.as_deref() != Some(owner)) {
                return Err(in_use(format!("Association already exists: {}", other.id)));
            }
        }
        for id in self.owned_by(owner) {
            self.remove_association(&id, now);
        }
        for (account, role) in pods {
            let mut association = self.new_association(cluster, "kube-system", &account, &role, now);
            association.owner_arn = Some(owner.to_owned());
            self.associations.insert(association.id.clone(), association);
        }
        Ok(())
    }

    pub(super) fn create_addon(&mut self, ctx: &Ctx<'_>) -> Answer {
        let cluster = ctx.call.segment(1);
        let tags = ctx.call.tags();
        ctx.permit(self, "eks:CreateAddon", &self.cluster_arn(cluster), &tag_facts(&tags))?;
        let name = ctx.call.text("addonName").unwrap_or_default();
        if !tags.is_empty() {
            let arn = self.arn("eks", true, &format!("addon/{cluster}/{name}/*"));
            ctx.permit(self, "eks:TagResource", &arn, &tag_facts(&tags))?;
        }
        Self::cluster(ctx, cluster)?;
        let key = (cluster.to_owned(), name.to_owned());
        if self.addons.contains_key(&key) {
            return Err(in_use("Addon already exists."));
        }
        let version = Self::addon_version(ctx, name)?;
        Self::check_addon_request(ctx, name, &["OVERWRITE", "NONE"])?;
        check_tags(&tags)?;
        let pods = self.addon_pods(ctx)?;
        let mut addon = self.new_addon(cluster, name, &version, ctx.now);
        addon.tags = tags;
        addon.configuration = ctx.call.text("configurationValues").map(ToOwned::to_owned);
        addon.service_account_role = ctx.call.text("serviceAccountRoleArn").map(ToOwned::to_owned);
        ctx.call.text("resolveConflicts").unwrap_or("NONE").clone_into(&mut addon.resolve_conflicts);
        self.own(cluster, &addon.arn, pods.unwrap_or_default(), ctx.now)?;
        let answer = addon.json(self);
        self.addons.insert(key, addon);
        Ok(Reply::Json(json!({"addon": answer})))
    }

    pub(super) fn describe_addon(&mut self, ctx: &Ctx<'_>) -> Answer {
        self.permit_addon(ctx)?;
        let addon = self.addon(ctx)?.clone();
        Ok(Reply::Json(json!({"addon": addon.json(self)})))
    }

    pub(super) fn list_addons(&self, ctx: &Ctx<'_>) -> Answer {
        let cluster = ctx.call.segment(1);
        self.permit_on(ctx, &self.cluster_arn(cluster))?;
        Self::cluster(ctx, cluster)?;
        let all =
            self.addons.keys().filter(|(c, _)| c == cluster).map(|(_, name)| (name.clone(), name.clone())).collect();
        let (addons, next) = page(all, max_results(ctx)?, ctx.call.param("nextToken"), bad_token)?;
        let mut answer = json!({"addons": addons});
        if let Some(next) = next {
            answer["nextToken"] = json!(next);
        }
        Ok(Reply::Json(answer))
    }

    pub(super) fn update_addon(&mut self, ctx: &Ctx<'_>) -> Answer {
        self.permit_addon(ctx)?;
        let addon = self.addon(ctx)?;
        let (cluster, name, arn) = (addon.cluster.clone(), addon.name.clone(), addon.arn.clone());
        if ["CREATING", "UPDATING", "DELETING"].contains(&addon.status.as_str()) {
            return Err(in_use(format!("Addon {name} cannot be updated as it is currently in {} state", addon.status)));
        }
        let before = addon.version.clone();
        let version = if ctx.call.text("addonVersion").is_some() { Self::addon_version(ctx, &name)? } else { before };
        Self::check_addon_request(ctx, &name, &["OVERWRITE", "NONE", "PRESERVE"])?;
        if let Some(pods) = self.addon_pods(ctx)? {
            self.own(&cluster, &arn, pods, ctx.now)?;
        }
        let mut params = Vec::new();
        for (field, kind) in [
            ("addonVersion", "AddonVersion"),
            ("serviceAccountRoleArn", "ServiceAccountRoleArn"),
            ("resolveConflicts", "ResolveConflicts"),
            ("configurationValues", "ConfigurationValues"),
        ] {
            if let Some(value) = ctx.call.text(field) {
                params.push((kind.to_owned(), value.to_owned()));
            }
        }
        let update = Update { id: uuid(), status: "InProgress".to_owned(), params, created_at: ctx.now };
        let answer = update.json();
        let addon = self.addon(ctx)?;
        addon.version = version;
        "UPDATING".clone_into(&mut addon.status);
        addon.modified_at = ctx.now;
        addon.since = ctx.now;
        addon.applied_at = None;
        if let Some(text) = ctx.call.text("configurationValues") {
            addon.configuration = Some(text.to_owned());
        }
        if let Some(role) = ctx.call.text("serviceAccountRoleArn") {
            addon.service_account_role = Some(role.to_owned());
        }
        addon.updates.push(update);
        Ok(Reply::Json(json!({"update": answer})))
    }

    pub(super) fn delete_addon(&mut self, ctx: &Ctx<'_>) -> Answer {
        self.permit_addon(ctx)?;
        let addon = self.addon(ctx)?;
        if addon.status == "DELETING" {
            return Err(in_use(format!("Addon {} cannot be deleted as it is currently in DELETING state", addon.name)));
        }
        "DELETING".clone_into(&mut addon.status);
        addon.preserve = ctx.call.param("preserve") == Some("true");
        addon.since = ctx.now;
        addon.modified_at = ctx.now;
        let addon = addon.clone();
        Ok(Reply::Json(json!({"addon": addon.json(self)})))
    }

    pub(super) fn describe_update(&self, ctx: &Ctx<'_>) -> Answer {
        let (cluster, id) = (ctx.call.segment(1), ctx.call.segment(3));
        self.permit_on(ctx, &self.cluster_arn(cluster))?;
        Self::cluster(ctx, cluster)?;
        let addon =
            ctx.call.param("addonName").and_then(|name| self.addons.get(&(cluster.to_owned(), name.to_owned())));
        let update = addon.and_then(|addon| addon.updates.iter().find(|update| update.id == id));
        let update = update.ok_or_else(|| not_found(format!("No update found for ID: {id}")))?;
        Ok(Reply::Json(json!({"update": update.json()})))
    }
}
