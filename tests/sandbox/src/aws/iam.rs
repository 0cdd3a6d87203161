//! IAM: roles and their trust policies.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    Aws, Ctx, UPPER,
    documents::check_trust,
    ms,
    policy::{Facts, fact},
    wire::{Answer, AwsError, Reply, err, iso, list, page, tag, url_encode},
};
use crate::scenario;

/// An IAM role.
#[derive(Debug, Clone)]
pub struct Role {
    /// Name without path.
    pub name: String,
    /// Path, with slashes at both ends.
    pub path: String,
    /// Unique id, `AROA…`.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// Trust policy.
    pub trust: String,
    /// Description.
    pub description: Option<String>,
    /// Longest session, in seconds.
    pub max_session: u32,
    /// Permissions boundary ARN.
    pub boundary: Option<String>,
    /// ARN of the template that it was created from.
    pub template: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Inline policies by name.
    pub inline: BTreeMap<String, String>,
    /// Attached managed policies, in order.
    pub attached: Vec<String>,
    /// Names of the instance profiles that hold it.
    pub instance_profiles: Vec<String>,
    /// The trust policies that other services see, each from its time on.
    seen: Vec<(Timestamp, String)>,
}

impl Role {
    /// The trust policy as other services see it at `now`; `None` when they have not heard of the role yet.
    pub(super) fn trust_seen(&self, now: Timestamp) -> Option<Value> {
        let (_, text) = self.seen.iter().rev().find(|(from, _)| *from <= now)?;
        serde_json::from_str(text).ok()
    }

    /// Replaces the trust policy; other services see it at once. For tests that change the world behind podid's back.
    pub fn set_trust(&mut self, document: &Value) {
        self.trust = document.to_string();
        self.seen = vec![(Timestamp::MIN, self.trust.clone())];
    }

    fn xml(&self, full: bool) -> String {
        let mut out = tag("Path", &self.path)
            + &tag("RoleName", &self.name)
            + &tag("RoleId", &self.id)
            + &tag("Arn", &self.arn)
            + &tag("CreateDate", iso(self.created_at))
            + &tag("AssumeRolePolicyDocument", url_encode(&self.trust));
        if let Some(description) = &self.description {
            out += &tag("Description", description);
        }
        out += &tag("MaxSessionDuration", self.max_session.to_string());
        if full {
            if let Some(boundary) = &self.boundary {
                let inner = tag("PermissionsBoundaryType", "Policy") + &tag("PermissionsBoundaryArn", boundary);
                out = out + "<PermissionsBoundary>" + &inner + "</PermissionsBoundary>";
            }
            if !self.tags.is_empty() {
                out += &list("Tags", self.tags.iter().map(|(key, value)| tag("Key", key) + &tag("Value", value)));
            }
            if let Some(template) = &self.template {
                let inner = tag("TemplateArn", template) + &tag("TemplateMinorVersion", "1");
                out = out + "<SourceRoleTemplate>" + &inner + "</SourceRoleTemplate>";
            }
            out += "<RoleLastUsed/>";
        }
        out
    }
}

/// How IAM's messages name a resource.
pub(super) fn shown(arn: &str) -> String {
    let resource = arn.splitn(6, ':').nth(5).unwrap_or(arn);
    let name = resource.rsplit('/').next().unwrap_or_default();
    match resource.split('/').next() {
        Some("role") if !name.is_empty() => format!("role {name}"),
        Some("policy") => format!("policy {arn}"),
        _ => arn.to_owned(),
    }
}

/// `ValidationError`.
pub(super) fn invalid(message: impl Into<String>) -> AwsError {
    err(400, "ValidationError", message)
}

/// `NoSuchEntity`.
pub(super) fn no_entity(message: impl Into<String>) -> AwsError {
    err(404, "NoSuchEntity", message)
}

/// The rule of every IAM name.
pub(super) fn check_name(field: &str, name: &str, longest: usize) -> Result<(), AwsError> {
    let length = |rule: &str| {
        invalid(format!(
            "1 validation error detected: Value at '{field}' failed to satisfy constraint: Member must have length {rule}"
        ))
    };
    if name.is_empty() {
        return Err(length("greater than or equal to 1"));
    }
    if name.chars().count() > longest {
        return Err(length(&format!("less than or equal to {longest}")));
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)) {
        return Err(invalid(format!(
            "The specified value for {field} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"
        )));
    }
    Ok(())
}

fn check_tags(before: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Result<(), AwsError> {
    for (key, value) in new {
        let fine = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
        if key.is_empty()
            || key.chars().count() > 128
            || value.chars().count() > 256
            || !key.chars().chain(value.chars()).all(fine)
        {
            return Err(invalid(format!(
                "1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\p{{L}}\\p{{Z}}\\p{{N}}_.:/=+\\-@]* (key {key})"
            )));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(err(400, "InvalidInput", "Tag keys prefixed with aws: are reserved and cannot be used."));
        }
    }
    let keys: std::collections::BTreeSet<_> = before.keys().chain(new.keys()).collect();
    if keys.len() > 50 {
        return Err(err(409, "LimitExceeded", "The number of tags has reached the maximum limit of 50."));
    }
    Ok(())
}

/// `MaxItems`, 1 to 1000, 100 unless told.
pub(super) fn max_items(ctx: &Ctx<'_>) -> Result<usize, AwsError> {
    let Some(text) = ctx.call.form.get("MaxItems") else { return Ok(100) };
    match text.parse() {
        Ok(max @ 1..=1000) => Ok(max),
        _ => Err(invalid(format!(
            "1 validation error detected: Value '{text}' at 'maxItems' failed to satisfy constraint: Member must have value between 1 and 1000"
        ))),
    }
}

/// One page as IAM writes it: of the items, which are sorted by their key, only those that are on it.
pub(super) fn paged<T>(ctx: &Ctx<'_>, name: &str, items: Vec<(String, T)>, write: impl Fn(T) -> String) -> Answer {
    let token = ctx.call.form.get("Marker").map(String::as_str);
    let (members, next) = page(items, max_items(ctx)?, token, || invalid("Invalid Marker."))?;
    let mut out = list(name, members.into_iter().map(write)) + &tag("IsTruncated", next.is_some().to_string());
    if let Some(next) = next {
        out += &tag("Marker", next);
    }
    Ok(Reply::Xml(out))
}

impl Aws {
    pub(super) fn iam(&mut self, ctx: &Ctx<'_>) -> Answer {
        match ctx.call.operation.as_str() {
            "CreateRole" => self.create_role(ctx),
            "GetRole" => {
                self.permit_role(ctx, &Facts::new())?;
                let role = self.role_named(ctx)?;
                Ok(Reply::Xml(format!("<Role>{}</Role>", role.xml(true))))
            }
            "ListRoles" => self.list_roles(ctx),
            "DeleteRole" => self.delete_role(ctx),
            "ListInstanceProfilesForRole" => self.list_instance_profiles(ctx),
            "UpdateAssumeRolePolicy" => self.update_trust(ctx),
            "TagRole" | "UntagRole" | "ListRoleTags" => self.role_tags(ctx),
            "PutRolePermissionsBoundary" | "DeleteRolePermissionsBoundary" => self.role_boundary(ctx),
            "GenerateServiceLastAccessedDetails" => self.ask_for_last_use(ctx),
            "GetServiceLastAccessedDetails" => self.last_use(ctx),
            "SimulatePrincipalPolicy" => self.simulate_principal(ctx),
            _ => self.iam_policies(ctx),
        }
    }

    pub(super) fn role_by_arn(&self, arn: &str) -> Option<&Role> {
        self.roles.get(arn.rsplit('/').next()?).filter(|role| role.arn == arn)
    }

    fn role_arn(&self, path: &str, name: &str) -> String {
        self.arn("iam", false, &format!("role{path}{name}"))
    }

    pub(super) fn add_role(&mut self, from: &scenario::Role, now: Timestamp) {
        let trust = from.trust.to_string();
        let role = Role {
            name: from.name.clone(),
            path: from.path.clone(),
            id: format!("AROA{}", self.mint(UPPER, 17)),
            arn: self.role_arn(&from.path, &from.name),
            created_at: now - SignedDuration::from_secs(from.age_s),
            description: None,
            max_session: 3600,
            boundary: from.boundary.clone(),
            template: from.template.clone(),
            tags: from.tags.clone(),
            inline: from.inline.iter().map(|(name, document)| (name.clone(), document.to_string())).collect(),
            attached: from.attached.clone(),
            instance_profiles: from.instance_profiles.clone(),
            seen: vec![(Timestamp::MIN, trust.clone())],
            trust,
        };
        self.roles.insert(role.name.clone(), role);
    }

    /// The role that a request names.
    pub(super) fn role_named(&self, ctx: &Ctx<'_>) -> Result<&Role, AwsError> {
        let name = ctx.call.required("RoleName")?;
        check_name("roleName", name, 64)?;
        self.roles.get(name).ok_or_else(|| no_entity(format!("The role with name {name} cannot be found.")))
    }

    pub(super) fn role_named_mut(&mut self, ctx: &Ctx<'_>) -> Result<&mut Role, AwsError> {
        let name = self.role_named(ctx)?.name.clone();
        self.roles.get_mut(&name).ok_or_else(|| no_entity(format!("The role with name {name} cannot be found.")))
    }

    /// Checks the operation itself on the role that the request names.
    pub(super) fn permit_role(&self, ctx: &Ctx<'_>, more: &Facts) -> Result<(), AwsError> {
        let name = ctx.call.required("RoleName")?;
        let role = self.roles.get(name);
        let path = ctx.call.form.get("Path").map_or("/", String::as_str);
        let arn = role.map_or_else(|| self.role_arn(path, name), |role| role.arn.clone());
        let mut facts = more.clone();
        for (key, value) in role.iter().flat_map(|role| &role.tags) {
            facts.push(fact(&format!("aws:ResourceTag/{key}"), value));
            facts.push(fact(&format!("iam:ResourceTag/{key}"), value));
        }
        if let Some(boundary) =
            ctx.call.form.get("PermissionsBoundary").or(role.and_then(|role| role.boundary.as_ref()))
        {
            facts.push(fact("iam:PermissionsBoundary", boundary));
        }
        ctx.permit(self, &format!("iam:{}", ctx.call.operation), &arn, &facts)
    }

    fn create_role(&mut self, ctx: &Ctx<'_>) -> Answer {
        let form = &ctx.call.form;
        let tags = ctx.call.form_tags();
        self.permit_role(ctx, &super::eks::tag_facts(&tags))?;
        let name = ctx.call.required("RoleName")?;
        let trust = ctx.call.required("AssumeRolePolicyDocument")?;
        check_name("roleName", name, 64)?;
        let path = form.get("Path").map_or("/", String::as_str);
        if !(path.starts_with('/') && path.ends_with('/')) || path.len() > 512 {
            return Err(invalid(format!(
                "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters. ({path})"
            )));
        }
        if !tags.is_empty() {
            // AWS asks for this permission by its own name.
            ctx.permit(self, "iam:TagRole", &self.role_arn(path, name), &super::eks::tag_facts(&tags))?;
        }
        if self.roles.keys().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(err(409, "EntityAlreadyExists", format!("Role with name {name} already exists.")));
        }
        check_trust(self, &callers(ctx), trust)?;
        check_tags(&BTreeMap::new(), &tags)?;
        let max_session = form.get("MaxSessionDuration").map_or(Ok(3600), |text| text.parse::<u32>());
        let max_session = max_session.ok().filter(|seconds| (3600..=43200).contains(seconds)).ok_or_else(|| {
            invalid("1 validation error detected: Value at 'maxSessionDuration' failed to satisfy constraint: Member must have value between 3600 and 43200")
        })?;
        let boundary = form.get("PermissionsBoundary").cloned();
        if let Some(arn) = &boundary {
            self.check_boundary(arn)?;
        }
        let role = Role {
            name: name.to_owned(),
            path: path.to_owned(),
            id: format!("AROA{}", self.mint(UPPER, 17)),
            arn: self.role_arn(path, name),
            created_at: ctx.now,
            trust: trust.to_owned(),
            description: form.get("Description").cloned(),
            max_session,
            boundary,
            template: None,
            tags,
            inline: BTreeMap::new(),
            attached: Vec::new(),
            instance_profiles: Vec::new(),
            seen: vec![(ctx.now + ms(self.delays.iam), trust.to_owned())],
        };
        let answer = format!("<Role>{}</Role>", role.xml(true).replace("<RoleLastUsed/>", ""));
        self.roles.insert(role.name.clone(), role);
        Ok(Reply::Xml(answer))
    }

    fn check_boundary(&self, arn: &str) -> Result<(), AwsError> {
        if self.policies.contains_key(arn) {
            return Ok(());
        }
        Err(no_entity(format!("Scope ARN: {arn} does not exist or is not attachable.")))
    }

    fn list_roles(&self, ctx: &Ctx<'_>) -> Answer {
        ctx.permit(self, "iam:ListRoles", &self.role_arn("/", ""), &Facts::new())?;
        let prefix = ctx.call.form.get("PathPrefix").map_or("/", String::as_str);
        let roles = self.roles.values().filter(|role| role.path.starts_with(prefix));
        paged(ctx, "Roles", roles.map(|role| (role.name.clone(), role)).collect(), |role| role.xml(false))
    }

    fn delete_role(&mut self, ctx: &Ctx<'_>) -> Answer {
        self.permit_role(ctx, &Facts::new())?;
        let role = self.role_named(ctx)?;
        let conflict = |message: &str| Err(err(409, "DeleteConflict", message));
        if !role.attached.is_empty() {
            return conflict("Cannot delete entity, must detach all policies first.");
        }
        if !role.inline.is_empty() {
            return conflict("Cannot delete entity, must delete policies first.");
        }
        if !role.instance_profiles.is_empty() {
            return conflict("Cannot delete entity, must remove roles from instance profile first.");
        }
        let name = role.name.clone();
        self.roles.remove(&name);
        Ok(Reply::Xml(String::new()))
    }

    fn list_instance_profiles(&self, ctx: &Ctx<'_>) -> Answer {
        self.permit_role(ctx, &Facts::new())?;
        let role = self.role_named(ctx)?;
        let mut profiles: Vec<_> = role.instance_profiles.iter().map(|name| (name.clone(), name)).collect();
        profiles.sort();
        paged(ctx, "InstanceProfiles", profiles, |name| {
            tag("Path", "/")
                + &tag("InstanceProfileName", name)
                + &tag("InstanceProfileId", super::iam_policies::unique_id("AIPA", name))
                + &tag("Arn", self.arn("iam", false, &format!("instance-profile/{name}")))
                + &tag("CreateDate", iso(role.created_at))
                + &list("Roles", [role.xml(false)])
        })
    }

    fn update_trust(&mut self, ctx: &Ctx<'_>) -> Answer {
        self.permit_role(ctx, &Facts::new())?;
        self.role_named(ctx)?;
        let document = ctx.call.required("PolicyDocument")?.to_owned();
        check_trust(self, &callers(ctx), &document)?;
        let from = ctx.now + ms(self.delays.iam);
        let role = self.role_named_mut(ctx)?;
        role.trust.clone_from(&document);
        // What is older than the one in force is never asked for again.
        let now = ctx.now;
        let in_force = role.seen.iter().rposition(|(from, _)| *from <= now).unwrap_or(0);
        role.seen.drain(..in_force);
        role.seen.push((from, document));
        Ok(Reply::Xml(String::new()))
    }

    fn role_tags(&mut self, ctx: &Ctx<'_>) -> Answer {
        let new = ctx.call.form_tags();
        self.permit_role(ctx, &super::eks::tag_facts(&new))?;
        match ctx.call.operation.as_str() {
            "ListRoleTags" => {
                let role = self.role_named(ctx)?;
                let tags = role.tags.iter().map(|(key, value)| (key.clone(), (key, value)));
                paged(ctx, "Tags", tags.collect(), |(key, value)| tag("Key", key) + &tag("Value", value))
            }
            "TagRole" => {
                let role = self.role_named_mut(ctx)?;
                check_tags(&role.tags, &new)?;
                role.tags.extend(new);
                Ok(Reply::Xml(String::new()))
            }
            _ => {
                let keys = ctx.call.members("TagKeys");
                self.role_named_mut(ctx)?.tags.retain(|key, _| !keys.contains(key));
                Ok(Reply::Xml(String::new()))
            }
        }
    }

    fn role_boundary(&mut self, ctx: &Ctx<'_>) -> Answer {
        self.permit_role(ctx, &Facts::new())?;
        let mut boundary = None;
        self.role_named(ctx)?;
        if ctx.call.operation == "PutRolePermissionsBoundary" {
            let arn = ctx.call.required("PermissionsBoundary")?;
            self.check_boundary(arn)?;
            boundary = Some(arn.to_owned());
        }
        self.role_named_mut(ctx)?.boundary = boundary;
        Ok(Reply::Xml(String::new()))
    }
}

/// ARNs of the users that exist.
fn callers(ctx: &Ctx<'_>) -> Vec<String> {
    ctx.scenario.callers.iter().map(|caller| caller.arn.clone()).collect()
}
