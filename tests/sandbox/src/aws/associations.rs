//! EKS pod identity associations, and when each API server learns of them.

use std::{collections::BTreeMap, io};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    Aws, Ctx, LOWER,
    eks::{bad_token, check_tags, in_use, invalid, max_results, not_found, resource_facts, tag_facts},
    ms,
    policy::{fact, trust_names_service},
    wire::{Answer, AwsError, Reply, epoch, err, page},
};
use crate::scenario::{self, Scenario};

/// The service that assumes the roles.
pub(super) const SERVICE: &str = "pods.eks.amazonaws.com";

/// The quota of associations.
const PER_CLUSTER: usize = 5000;

/// A pod identity association.
#[derive(Debug, Clone)]
pub struct Association {
    /// `a-` and 17 letters or digits.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// Cluster name.
    pub cluster: String,
    /// Namespace.
    pub namespace: String,
    /// Service account.
    pub service_account: String,
    /// Role ARN.
    pub role_arn: String,
    /// Target role ARN.
    pub target_role_arn: Option<String>,
    /// Session tags off.
    pub disable_session_tags: bool,
    /// Session policy.
    pub policy: Option<String>,
    /// The add-on that owns it.
    pub owner_arn: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub modified_at: Timestamp,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
}

impl Association {
    /// What EKS sends to the target role as the external id.
    pub(super) fn external_id(&self, aws: &Aws) -> Option<String> {
        self.target_role_arn.as_ref()?;
        let (cluster, namespace, account) = (&self.cluster, &self.namespace, &self.service_account);
        Some(format!("{}/{}/{cluster}/{namespace}/{account}", aws.region_of(cluster), aws.account))
    }

    fn whole(&self, aws: &Aws) -> Value {
        let mut map = Map::new();
        map.insert("clusterName".into(), json!(self.cluster));
        map.insert("namespace".into(), json!(self.namespace));
        map.insert("serviceAccount".into(), json!(self.service_account));
        map.insert("roleArn".into(), json!(self.role_arn));
        map.insert("associationArn".into(), json!(self.arn));
        map.insert("associationId".into(), json!(self.id));
        map.insert("tags".into(), json!(self.tags));
        map.insert("createdAt".into(), epoch(self.created_at));
        map.insert("modifiedAt".into(), epoch(self.modified_at));
        map.insert("disableSessionTags".into(), json!(self.disable_session_tags));
        let optional = [
            ("ownerArn", self.owner_arn.clone()),
            ("targetRoleArn", self.target_role_arn.clone()),
            ("externalId", self.external_id(aws)),
            ("policy", self.policy.clone()),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                map.insert(name.into(), json!(value));
            }
        }
        Value::Object(map)
    }

    fn summary(&self) -> Value {
        let mut map = json!({
            "clusterName": self.cluster,
            "namespace": self.namespace,
            "serviceAccount": self.service_account,
            "associationArn": self.arn,
            "associationId": self.id,
        });
        if let Some(owner) = &self.owner_arn {
            map["ownerArn"] = json!(owner);
        }
        map
    }
}

impl Aws {
    /// Whether API server `server` injects new pods of this service account at `now`.
    pub(crate) fn injects(&self, server: usize, namespace: &str, service_account: &str, now: Timestamp) -> bool {
        let delay = ms(self.delays.association.get(server).copied().unwrap_or_default());
        let cluster = self.first_cluster.as_str();
        self.associations.values().chain(&self.gone).any(|a| {
            a.cluster == cluster
                && a.namespace == namespace
                && a.service_account == service_account
                && a.created_at + delay <= now
                && a.deleted_at.is_none_or(|deleted| now < deleted + delay)
        })
    }

    /// Forgets deleted associations that no API server knows any more.
    pub(super) fn forget(&mut self, now: Timestamp) {
        let longest = ms(self.delays.association.iter().copied().max().unwrap_or_default());
        self.gone.retain(|a| a.deleted_at.is_none_or(|deleted| now < deleted + longest));
    }

    pub(super) fn add_association(
        &mut self,
        from: &scenario::Association,
        world: &Scenario,
        now: Timestamp,
    ) -> io::Result<()> {
        let cluster = from.cluster.clone().unwrap_or_else(|| world.cluster().name.clone());
        if !world.clusters.iter().any(|c| c.name == cluster) {
            return Err(io::Error::other(format!("association of an unknown cluster `{cluster}`")));
        }
        // The webhook knew it before the world began.
        let at = now - SignedDuration::from_secs(from.age_s.max(0)) - SignedDuration::from_secs(1);
        let association = Association {
            tags: from.tags.clone(),
            owner_arn: from.owner.clone(),
            target_role_arn: from.target_role.clone(),
            policy: from.policy.clone(),
            disable_session_tags: from.disable_session_tags,
            ..self.new_association(&cluster, &from.namespace, &from.service_account, &from.role, at)
        };
        let changed = from.changed_s.map(|seconds| now - SignedDuration::from_secs(seconds));
        let association = Association { modified_at: changed.unwrap_or(association.modified_at), ..association };
        self.associations.insert(association.id.clone(), association);
        Ok(())
    }

    /// Takes away what the scenario says was deleted right before the world began: new pods get nothing of it any more.
    pub(crate) fn forget_deleted(&mut self, world: &Scenario) {
        for from in world.associations.iter().filter(|from| from.deleted) {
            self.associations
                .retain(|_, a| !(a.namespace == from.namespace && a.service_account == from.service_account));
        }
    }

    pub(super) fn new_association(
        &mut self,
        cluster: &str,
        namespace: &str,
        account: &str,
        role: &str,
        at: Timestamp,
    ) -> Association {
        let id = format!("a-{}", self.mint(LOWER, 17));
        Association {
            arn: self.association_arn(cluster, &id),
            id,
            cluster: cluster.to_owned(),
            namespace: namespace.to_owned(),
            service_account: account.to_owned(),
            role_arn: role.to_owned(),
            target_role_arn: None,
            disable_session_tags: false,
            policy: None,
            owner_arn: None,
            tags: BTreeMap::new(),
            created_at: at,
            modified_at: at,
            deleted_at: None,
        }
    }

    fn association_arn(&self, cluster: &str, id: &str) -> String {
        self.regional("eks", self.region_of(cluster), &format!("podidentityassociation/{cluster}/{id}"))
    }

    /// The association of a service account of the first cluster.
    pub fn association(&self, namespace: &str, service_account: &str) -> Option<&Association> {
        self.association_of(&self.first_cluster, namespace, service_account)
    }

    /// The association of a service account.
    pub(super) fn association_of(&self, cluster: &str, namespace: &str, account: &str) -> Option<&Association> {
        self.associations
            .values()
            .find(|a| a.cluster == cluster && a.namespace == namespace && a.service_account == account)
    }

    fn found(&self, ctx: &Ctx<'_>) -> Result<&Association, AwsError> {
        let (cluster, id) = (ctx.call.segment(1), ctx.call.segment(3));
        Self::cluster(ctx, cluster)?;
        let association = self.associations.get(id).filter(|a| a.cluster == cluster);
        association.ok_or_else(|| not_found(format!("Association not found: {id}")))
    }

    fn permit_association(&self, ctx: &Ctx<'_>) -> Result<(), AwsError> {
        let (cluster, id) = (ctx.call.segment(1), ctx.call.segment(3));
        let facts = self.associations.get(id).map(|a| resource_facts(&a.tags)).unwrap_or_default();
        let action = format!("eks:{}", ctx.call.operation);
        ctx.permit(self, &action, &self.association_arn(cluster, id), &facts)
    }

    fn permit_pass(&self, ctx: &Ctx<'_>, role: &str) -> Result<(), AwsError> {
        ctx.permit(self, "iam:PassRole", role, &vec![fact("iam:PassedToService", SERVICE)])
    }

    pub(super) fn create_association(&mut self, ctx: &Ctx<'_>) -> Answer {
        let call = &ctx.call;
        let cluster = call.segment(1);
        let tags = call.tags();
        ctx.permit(self, "eks:CreatePodIdentityAssociation", &self.cluster_arn(cluster), &tag_facts(&tags))?;
        if !tags.is_empty() {
            ctx.permit(self, "eks:TagResource", &self.association_arn(cluster, "*"), &tag_facts(&tags))?;
        }
        let required = |name: &str| {
            call.text(name)
                .filter(|text| !text.is_empty())
                .ok_or_else(|| invalid(format!("The parameter {name} is required.")))
        };
        let (namespace, account, role) = (required("namespace")?, required("serviceAccount")?, required("roleArn")?);
        self.permit_pass(ctx, role)?;
        Self::cluster(ctx, cluster)?;
        check_tags(&tags)?;
        let fingerprint = Value::Object(call.json.clone()).to_string();
        if let Some((before, id)) = call.text("clientRequestToken").and_then(|token| self.tokens.get(token)) {
            if *before != fingerprint {
                return Err(invalid(
                    "The request uses the same client token as a previous, but non-identical request.",
                ));
            }
            if let Some(association) = self.associations.get(id) {
                return Ok(Reply::Json(json!({"association": association.whole(self)})));
            }
        }
        if let Some(association) = self.association_of(cluster, namespace, account) {
            return Err(in_use(format!("Association already exists: {}", association.id)));
        }
        if self.associations.values().filter(|a| a.cluster == cluster).count() >= PER_CLUSTER {
            let message = format!("You've reached the quota of {PER_CLUSTER} pod identity associations per cluster.");
            return Err(err(400, "ResourceLimitExceededException", message));
        }
        let wanted = Wanted::read(&call.json, None, false)?;
        self.check_role(ctx, role)?;
        wanted.check()?;
        let mut association = self.new_association(cluster, namespace, account, role, ctx.now);
        association.tags = tags;
        wanted.apply(&mut association);
        let answer = association.whole(self);
        if let Some(token) = call.text("clientRequestToken") {
            self.tokens.insert(token.to_owned(), (fingerprint, association.id.clone()));
        }
        self.associations.insert(association.id.clone(), association);
        Ok(Reply::Json(json!({"association": answer})))
    }

    /// What EKS demands of a role: it exists (as far as EKS has heard), is of the cluster's account, and trusts the service.
    pub(super) fn check_role(&self, ctx: &Ctx<'_>, arn: &str) -> Result<(), AwsError> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", _, "iam", "", account, resource] = parts[..] else {
            return Err(invalid("Role ARN is invalid."));
        };
        if !resource.starts_with("role/") {
            return Err(invalid("Role ARN is invalid."));
        }
        if account != self.account {
            return Err(invalid("Cross-account pass role is not allowed."));
        }
        let trust = self.role_by_arn(arn).and_then(|role| role.trust_seen(ctx.now));
        let trust = trust.ok_or_else(|| invalid("Role provided in the request does not exist"))?;
        let names = |action| trust_names_service(&trust, SERVICE, action);
        if names("sts:AssumeRole") && names("sts:TagSession") {
            Ok(())
        } else {
            Err(invalid("Trust policy of the role provided is invalid."))
        }
    }

    pub(super) fn describe_association(&self, ctx: &Ctx<'_>) -> Answer {
        self.permit_association(ctx)?;
        Ok(Reply::Json(json!({"association": self.found(ctx)?.whole(self)})))
    }

    pub(super) fn list_associations(&self, ctx: &Ctx<'_>) -> Answer {
        let cluster = ctx.call.segment(1);
        self.permit_on(ctx, &self.cluster_arn(cluster))?;
        Self::cluster(ctx, cluster)?;
        let matches = |name: &str, value: &str| ctx.call.param(name).is_none_or(|wanted| wanted == value);
        let all = self
            .associations
            .values()
            .filter(|a| {
                a.cluster == cluster
                    && matches("namespace", &a.namespace)
                    && matches("serviceAccount", &a.service_account)
            })
            .map(|a| (a.id.clone(), a))
            .collect();
        let (chosen, next) = page(all, max_results(ctx)?, ctx.call.param("nextToken"), bad_token)?;
        let associations: Vec<Value> = chosen.into_iter().map(Association::summary).collect();
        let mut answer = json!({"associations": associations});
        if let Some(next) = next {
            answer["nextToken"] = json!(next);
        }
        Ok(Reply::Json(answer))
    }

    pub(super) fn update_association(&mut self, ctx: &Ctx<'_>) -> Answer {
        self.permit_association(ctx)?;
        if let Some(role) = ctx.call.text("roleArn") {
            self.permit_pass(ctx, role)?;
        }
        let mut association = self.found(ctx)?.clone();
        if !["roleArn", "disableSessionTags", "targetRoleArn", "policy"]
            .iter()
            .any(|field| ctx.call.json.contains_key(*field))
        {
            return Err(invalid(
                "At least one of roleArn, targetRoleArn, disableSessionTags or policy must be provided.",
            ));
        }
        if let Some(role) = ctx.call.text("roleArn") {
            self.check_role(ctx, role)?;
            role.clone_into(&mut association.role_arn);
        }
        let wanted = Wanted::read(&ctx.call.json, Some(&association), self.keeps_cleared)?;
        wanted.check()?;
        wanted.apply(&mut association);
        association.modified_at = ctx.now;
        let answer = association.whole(self);
        self.associations.insert(association.id.clone(), association);
        Ok(Reply::Json(json!({"association": answer})))
    }

    pub(super) fn delete_association(&mut self, ctx: &Ctx<'_>) -> Answer {
        self.permit_association(ctx)?;
        let id = self.found(ctx)?.id.clone();
        let answer = self.remove_association(&id, ctx.now);
        Ok(Reply::Json(json!({"association": answer})))
    }

    /// Deletes an association; the API servers learn of it in their time.
    pub(super) fn remove_association(&mut self, id: &str, now: Timestamp) -> Option<Value> {
        let mut association = self.associations.remove(id)?;
        let answer = association.whole(self);
        association.deleted_at = Some(now);
        self.gone.push(association);
        Some(answer)
    }
}

/// The optional fields of a create or update, over what was there before.
struct Wanted {
    target: Option<String>,
    disable_session_tags: bool,
    policy: Option<String>,
}

impl Wanted {
    fn read(body: &Map<String, Value>, before: Option<&Association>, keeps: bool) -> Result<Self, AwsError> {
        // What an empty string does to a field that is there is not documented.
        let text = |name: &str, old: Option<String>| match body.get(name) {
            Some(Value::String(new)) if new.is_empty() && before.is_some() => old.filter(|_| keeps),
            Some(Value::String(new)) => Some(new.clone()),
            _ => old,
        };
        let target = text("targetRoleArn", before.and_then(|a| a.target_role_arn.clone()));
        if let Some(arn) = &target {
            let parts: Vec<&str> = arn.splitn(6, ':').collect();
            if parts.len() != 6 || parts[2] != "iam" || !parts[5].starts_with("role/") {
                return Err(invalid("Target role ARN is invalid."));
            }
        }
        let disable = body.get("disableSessionTags").and_then(Value::as_bool);
        Ok(Self {
            target,
            disable_session_tags: disable.or(before.map(|a| a.disable_session_tags)).unwrap_or_default(),
            policy: text("policy", before.and_then(|a| a.policy.clone())),
        })
    }

    fn check(&self) -> Result<(), AwsError> {
        let Some(policy) = &self.policy else { return Ok(()) };
        if !self.disable_session_tags {
            return Err(invalid(
                "PackedPolicyTooLarge: a session policy requires disableSessionTags to be set to true.",
            ));
        }
        if policy.is_empty() || policy.chars().count() > 2048 {
            return Err(invalid("The session policy must be between 1 and 2048 characters."));
        }
        if !policy.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}')) {
            return Err(invalid("The session policy contains characters that are not allowed."));
        }
        super::documents::check_session(policy).map_err(|e| invalid(format!("MalformedPolicyDocument: {}", e.message)))
    }

    fn apply(self, association: &mut Association) {
        association.target_role_arn = self.target;
        association.disable_session_tags = self.disable_session_tags;
        association.policy = self.policy;
    }
}
