//! EKS add-ons: the operations.

use std::{collections::BTreeMap, io};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    Aws, Ctx,
    addon_life::{Addon, Update},
    associations::SERVICE,
    catalog::{check_configuration, identities, is_known, versions},
    eks::{bad_token, check_tags, in_use, invalid, max_results, not_found, resource_facts, tag_facts},
    policy::fact,
    wire::{Answer, AwsError, Reply, page, uuid},
};
use crate::scenario::{self, Scenario};

impl Aws {
    pub(super) fn add_addon(&mut self, from: &scenario::Addon, world: &Scenario, now: Timestamp) -> io::Result<()> {
        let cluster = from.cluster.clone().unwrap_or_else(|| world.cluster().name.clone());
        if !world.clusters.iter().any(|c| c.name == cluster) {
            return Err(io::Error::other(format!("add-on of an unknown cluster `{cluster}`")));
        }
        let at = now - SignedDuration::from_hours(24);
        let mut addon = self.new_addon(&cluster, &from.name, &from.version, at);
        addon.status.clone_from(&from.status);
        addon.configuration.clone_from(&from.configuration);
        addon.service_account_role.clone_from(&from.service_account_role);
        addon.namespace.clone_from(&from.namespace);
        addon.detaches_irsa = from.detaches_irsa;
        addon.issues = from.issues.iter().map(|(code, message)| (code.clone(), message.clone(), Vec::new())).collect();
        self.addons.insert((cluster, from.name.clone()), addon);
        Ok(())
    }

    /// Gives the associations whose owner is told by its name that add-on's ARN.
    pub(super) fn resolve_owners(&mut self) -> io::Result<()> {
        for association in self.associations.values_mut() {
            let Some(name) = association.owner_arn.as_ref().filter(|owner| !owner.starts_with("arn:")) else {
                continue;
            };
            let addon = self.addons.get(&(association.cluster.clone(), name.clone()));
            let addon = addon.ok_or_else(|| io::Error::other(format!("no add-on `{name}` owns an association")))?;
            association.owner_arn = Some(addon.arn.clone());
        }
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
            namespace: None,
            detaches_irsa: false,
            rolling: Vec::new(),
            issues: Vec::new(),
            updates: Vec::new(),
            resolve_conflicts: "NONE".to_owned(),
            preserve: false,
            since: at,
            applied_at: None,
            missed: 0,
        }
    }

    /// Ids of the associations that an add-on owns.
    pub(super) fn owned_by(&self, arn: &str) -> Vec<String> {
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

    /// The `podIdentityAssociations` of a request for a version of an add-on, each role checked.
    fn addon_pods(&self, ctx: &Ctx<'_>, name: &str, version: &str) -> Result<Option<Vec<(String, String)>>, AwsError> {
        let Some(list) = ctx.call.json.get("podIdentityAssociations").and_then(Value::as_array) else {
            return Ok(None);
        };
        let known: Vec<&str> = identities(name, version).iter().map(|(account, _)| *account).collect();
        if known.is_empty() && !list.is_empty() {
            return Err(invalid(format!("Pod Identity feature is not supported for addon version: {version}")));
        }
        let mut out = Vec::new();
        for entry in list {
            let (Some(account), Some(role)) = (entry["serviceAccount"].as_str(), entry["roleArn"].as_str()) else {
                return Err(invalid("Both serviceAccount and roleArn are required."));
            };
            if !known.contains(&account) {
                return Err(invalid(format!(
                    "Service account {account} in pod identity configuration is not supported for addon {name}"
                )));
            }
            ctx.permit(self, "iam:PassRole", role, &vec![fact("iam:PassedToService", SERVICE)])?;
            self.check_role(ctx, role)?;
            out.push((account.to_owned(), role.to_owned()));
        }
        Ok(Some(out))
    }

    fn check_addon_request(ctx: &Ctx<'_>, name: &str, version: &str, modes: &[&str]) -> Result<(), AwsError> {
        if let Some(mode) = ctx.call.text("resolveConflicts").filter(|mode| !modes.contains(mode)) {
            return Err(invalid(format!(
                "Resolve conflicts option {} is not supported for operation {}",
                mode.to_lowercase(),
                ctx.call.operation
            )));
        }
        ctx.call.text("configurationValues").map_or(Ok(()), |text| check_configuration(name, version, text))
    }

    /// Makes these the associations that the add-on owns, and answers the service accounts for which something changed. One whose
    /// service account and role are the same stays.
    fn own(
        &mut self,
        (cluster, namespace, owner): (&str, &str, &str),
        pods: &[(String, String)],
        now: Timestamp,
    ) -> Result<Vec<String>, AwsError> {
        for (account, _) in pods {
            let there = self.association_of(cluster, namespace, account);
            if let Some(other) = there.filter(|a| a.owner_arn.as_deref() != Some(owner)) {
                return Err(in_use(format!("Association already exists: {}", other.id)));
            }
        }
        let mut changed = Vec::new();
        for id in self.owned_by(owner) {
            let there = &self.associations[&id];
            let stays =
                |(account, role): &(String, String)| *account == there.service_account && *role == there.role_arn;
            if !pods.iter().any(stays) {
                changed.push(there.service_account.clone());
                self.remove_association(&id, now);
            }
        }
        for (account, role) in pods {
            if self.association_of(cluster, namespace, account).is_none() {
                let mut association = self.new_association(cluster, namespace, account, role, now);
                association.owner_arn = Some(owner.to_owned());
                self.associations.insert(association.id.clone(), association);
                changed.push(account.clone());
            }
        }
        Ok(changed)
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
        Self::check_addon_request(ctx, name, &version, &["OVERWRITE", "NONE"])?;
        check_tags(&tags)?;
        let pods = self.addon_pods(ctx, name, &version)?;
        let mut addon = self.new_addon(cluster, name, &version, ctx.now);
        addon.tags = tags;
        addon.configuration = ctx.call.text("configurationValues").map(ToOwned::to_owned);
        addon.service_account_role = ctx.call.text("serviceAccountRoleArn").map(ToOwned::to_owned);
        ctx.call.text("resolveConflicts").unwrap_or("NONE").clone_into(&mut addon.resolve_conflicts);
        addon.namespace =
            ctx.call.json.get("namespaceConfig").and_then(|it| it["namespace"].as_str()).map(str::to_owned);
        let place = addon.place().to_owned();
        self.own((cluster, &place, &addon.arn), &pods.unwrap_or_default(), ctx.now)?;
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
        let place = addon.place().to_owned();
        if ["CREATING", "UPDATING", "DELETING"].contains(&addon.status.as_str()) {
            return Err(in_use(format!("Addon {name} cannot be updated as it is currently in {} state", addon.status)));
        }
        let before = addon.version.clone();
        let version = if ctx.call.text("addonVersion").is_some() { Self::addon_version(ctx, &name)? } else { before };
        Self::check_addon_request(ctx, &name, &version, &["OVERWRITE", "NONE", "PRESERVE"])?;
        let pods = self.addon_pods(ctx, &name, &version)?;
        let changed = match &pods {
            Some(pods) => self.own((&cluster, &place, &arn), pods, ctx.now)?,
            None => Vec::new(),
        };
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
        if let Some(list) = ctx.call.json.get("podIdentityAssociations") {
            params.push(("PodIdentityAssociations".to_owned(), list.to_string()));
        }
        let update =
            Update { id: uuid(), status: "InProgress".to_owned(), params, created_at: ctx.now, errors: Vec::new() };
        let answer = update.json();
        let addon = self.addon(ctx)?;
        addon.version = version;
        "UPDATING".clone_into(&mut addon.status);
        addon.modified_at = ctx.now;
        addon.since = ctx.now;
        addon.applied_at = None;
        addon.issues.clear();
        ctx.call.text("resolveConflicts").unwrap_or("NONE").clone_into(&mut addon.resolve_conflicts);
        if let Some(text) = ctx.call.text("configurationValues") {
            addon.configuration = Some(text.to_owned());
        }
        if let Some(role) = ctx.call.text("serviceAccountRoleArn") {
            addon.service_account_role = Some(role.to_owned());
        } else if addon.detaches_irsa && pods.is_some() {
            addon.service_account_role = None;
        }
        addon.rolling = changed;
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
        let addon =
            ctx.call.param("addonName").and_then(|name| self.addons.get(&(cluster.to_owned(), name.to_owned())));
        // Of an add-on's update, both are asked.
        if let Some(addon) = addon {
            self.permit_on(ctx, &addon.arn)?;
        }
        Self::cluster(ctx, cluster)?;
        let update = addon.and_then(|addon| addon.updates.iter().find(|update| update.id == id));
        let update = update.ok_or_else(|| not_found(format!("No update found for ID: {id}")))?;
        Ok(Reply::Json(json!({"update": update.json()})))
    }
}
