//! IAM: inline and attached policies of roles, and managed policies.

use super::{
    Aws, Ctx,
    documents::{check_identity, size},
    iam::{check_name, no_entity, paged},
    policy::{Facts, fact},
    wire::{Answer, AwsError, Reply, err, iso, tag, url_encode},
};

/// Managed policies that a role may have, unless its account asked for more.
const PER_ROLE: usize = 10;

impl Aws {
    pub(super) fn iam_policies(&mut self, ctx: &Ctx<'_>) -> Answer {
        match ctx.call.operation.as_str() {
            "PutRolePolicy" => self.put_inline(ctx),
            "GetRolePolicy" => {
                self.permit_role(ctx, &Facts::new())?;
                let (name, document) = self.inline(ctx)?;
                let role = ctx.call.required("RoleName")?;
                Ok(Reply::Xml(
                    tag("RoleName", role) + &tag("PolicyName", name) + &tag("PolicyDocument", url_encode(&document)),
                ))
            }
            "DeleteRolePolicy" => {
                self.permit_role(ctx, &Facts::new())?;
                let (name, _) = self.inline(ctx)?;
                self.role_named_mut(ctx)?.inline.remove(&name);
                Ok(Reply::Xml(String::new()))
            }
            "ListRolePolicies" => {
                self.permit_role(ctx, &Facts::new())?;
                let names = self.role_named(ctx)?.inline.keys();
                paged(ctx, "PolicyNames", names.map(|name| (name.clone(), name)).collect(), |name| {
                    super::wire::escape(name)
                })
            }
            "AttachRolePolicy" | "DetachRolePolicy" => self.attach(ctx),
            "ListAttachedRolePolicies" => {
                self.permit_role(ctx, &Facts::new())?;
                let attached = self.role_named(ctx)?.attached.iter();
                let prefix = ctx.call.form.get("PathPrefix").map_or("/", String::as_str);
                let mut all: Vec<_> =
                    attached.filter(|arn| path_of(arn).starts_with(prefix)).map(|arn| (arn.clone(), arn)).collect();
                all.sort();
                paged(ctx, "AttachedPolicies", all, |arn| tag("PolicyName", name_of(arn)) + &tag("PolicyArn", arn))
            }
            "GetPolicy" => self.get_policy(ctx),
            "GetPolicyVersion" => self.get_policy_version(ctx),
            other => Err(err(400, "InvalidAction", format!("Could not find operation {other} for version 2010-05-08"))),
        }
    }

    fn inline(&self, ctx: &Ctx<'_>) -> Result<(String, String), AwsError> {
        let role = self.role_named(ctx)?;
        let name = ctx.call.required("PolicyName")?;
        let document = role
            .inline
            .get(name)
            .ok_or_else(|| no_entity(format!("The role policy with name {name} cannot be found.")))?;
        Ok((name.to_owned(), document.clone()))
    }

    fn put_inline(&mut self, ctx: &Ctx<'_>) -> Answer {
        self.permit_role(ctx, &Facts::new())?;
        let name = ctx.call.required("PolicyName")?.to_owned();
        let document = ctx.call.required("PolicyDocument")?.to_owned();
        check_name("policyName", &name, 128)?;
        let role = self.role_named_mut(ctx)?;
        check_identity(&document)?;
        let others: usize = role.inline.iter().filter(|(other, _)| **other != name).map(|(_, text)| size(text)).sum();
        if others + size(&document) > 10_240 {
            let message = format!("Maximum policy size of 10240 bytes exceeded for role {}", role.name);
            return Err(err(409, "LimitExceeded", message));
        }
        role.inline.insert(name, document);
        Ok(Reply::Xml(String::new()))
    }

    fn attach(&mut self, ctx: &Ctx<'_>) -> Answer {
        let arn = ctx.call.required("PolicyArn")?.to_owned();
        self.permit_role(ctx, &vec![fact("iam:PolicyARN", &arn)])?;
        if !arn.starts_with("arn:") {
            return Err(err(400, "InvalidInput", format!("ARN {arn} is not valid.")));
        }
        let exists = self.policies.contains_key(&arn);
        let attach = ctx.call.operation == "AttachRolePolicy";
        let role = self.role_named_mut(ctx)?;
        if attach {
            if !exists {
                return Err(no_entity(format!("Policy {arn} does not exist or is not attachable.")));
            }
            if !role.attached.contains(&arn) {
                if role.attached.len() >= PER_ROLE {
                    return Err(err(
                        409,
                        "LimitExceeded",
                        format!("Cannot exceed quota for PoliciesPerRole: {PER_ROLE}"),
                    ));
                }
                role.attached.push(arn);
            }
        } else {
            let before = role.attached.len();
            role.attached.retain(|other| *other != arn);
            if role.attached.len() == before {
                return Err(no_entity(format!("Policy {arn} was not found.")));
            }
        }
        Ok(Reply::Xml(String::new()))
    }

    fn permit_policy(&self, ctx: &Ctx<'_>) -> Result<String, AwsError> {
        let arn = ctx.call.required("PolicyArn")?.to_owned();
        ctx.permit(self, &format!("iam:{}", ctx.call.operation), &arn, &Facts::new())?;
        if self.policies.contains_key(&arn) { Ok(arn) } else { Err(no_entity(format!("Policy {arn} was not found."))) }
    }

    fn get_policy(&self, ctx: &Ctx<'_>) -> Answer {
        let arn = self.permit_policy(ctx)?;
        let used = self.roles.values().filter(|role| role.attached.contains(&arn)).count();
        let as_boundary = self.roles.values().filter(|role| role.boundary.as_ref() == Some(&arn)).count();
        let inner = tag("PolicyName", name_of(&arn))
            + &tag("PolicyId", policy_id(&arn))
            + &tag("Arn", &arn)
            + &tag("Path", path_of(&arn))
            + &tag("DefaultVersionId", "v1")
            + &tag("AttachmentCount", used.to_string())
            + &tag("PermissionsBoundaryUsageCount", as_boundary.to_string())
            + &tag("IsAttachable", "true")
            + &tag("CreateDate", iso(self.started))
            + &tag("UpdateDate", iso(self.started));
        Ok(Reply::Xml(format!("<Policy>{inner}</Policy>")))
    }

    fn get_policy_version(&self, ctx: &Ctx<'_>) -> Answer {
        let arn = self.permit_policy(ctx)?;
        let version = ctx.call.required("VersionId")?;
        let document =
            self.policies.get(&arn).filter(|_| version == "v1").ok_or_else(|| {
                no_entity(format!("Policy {arn} version {version} does not exist or is not attachable."))
            })?;
        let inner = tag("Document", url_encode(&document.to_string()))
            + &tag("VersionId", "v1")
            + &tag("IsDefaultVersion", "true")
            + &tag("CreateDate", iso(self.started));
        Ok(Reply::Xml(format!("<PolicyVersion>{inner}</PolicyVersion>")))
    }
}

fn name_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}

/// `/` or `/service-role/`, from `…:policy/service-role/NAME`.
fn path_of(arn: &str) -> String {
    let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
    let inner = resource.strip_prefix("policy").unwrap_or_default();
    inner.strip_suffix(name_of(arn)).unwrap_or("/").to_owned()
}

fn policy_id(arn: &str) -> String {
    unique_id("ANPA", arn)
}

/// One of IAM's unique ids: the same for the same thing.
pub(super) fn unique_id(prefix: &str, of: &str) -> String {
    use sha2::{Digest, Sha256};
    let letters = Sha256::digest(of);
    let letters = letters.iter().take(17).map(|byte| char::from(super::UPPER[usize::from(*byte) % super::UPPER.len()]));
    format!("{prefix}{}", letters.collect::<String>())
}
