//! IAM: the report on when a role last used the services that its policies allow. A job makes it: it is there some time after it
//! was asked for.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    Aws, Ctx,
    iam::{no_entity, paged},
    ms,
    policy::Facts,
    wire::{Answer, Reply, iso, tag, uuid},
};

/// The services that `*` stands for here.
const ALL: &[&str] = &["dynamodb", "ec2", "iam", "s3", "sqs", "sts"];

/// A report that was asked for.
#[derive(Debug)]
pub(super) struct Job {
    role: String,
    asked: Timestamp,
    ready: Timestamp,
}

/// The services of the actions that a document allows.
fn services(document: &Value, found: &mut BTreeSet<String>) {
    let statements = match &document["Statement"] {
        Value::Array(all) => all.iter().collect(),
        one => vec![one],
    };
    for statement in statements.into_iter().filter(|one| one["Effect"] == "Allow") {
        let actions = match &statement["Action"] {
            Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect::<Vec<_>>(),
        };
        for action in actions {
            match action.split_once(':') {
                Some((service, _)) => found.extend([service.to_lowercase()]),
                None => found.extend(ALL.iter().map(ToString::to_string)),
            }
        }
    }
}

impl Aws {
    pub(super) fn ask_for_last_use(&mut self, ctx: &Ctx<'_>) -> Answer {
        let arn = ctx.call.required("Arn")?.to_owned();
        ctx.permit(self, "iam:GenerateServiceLastAccessedDetails", &arn, &Facts::new())?;
        let role = self.role_by_arn(&arn).ok_or_else(|| no_entity(format!("ARN {arn} is not found.")))?.name.clone();
        let id = uuid();
        let ready = ctx.now + ms(self.delays.iam);
        self.last_use_jobs.insert(id.clone(), Job { role, asked: ctx.now, ready });
        Ok(Reply::Xml(tag("JobId", id)))
    }

    pub(super) fn last_use(&self, ctx: &Ctx<'_>) -> Answer {
        let id = ctx.call.required("JobId")?;
        // It works on no resource.
        ctx.permit(self, "iam:GetServiceLastAccessedDetails", "arn:aws:none:::*", &Facts::new())?;
        let job = self.last_use_jobs.get(id).ok_or_else(|| no_entity(format!("Job id {id} is not found.")))?;
        let head = |status: &str| {
            tag("JobStatus", status) + &tag("JobType", "SERVICE_LEVEL") + &tag("JobCreationDate", iso(job.asked))
        };
        if ctx.now < job.ready {
            let rest = tag("IsTruncated", "false") + "<ServicesLastAccessed/>";
            return Ok(Reply::Xml(head("IN_PROGRESS") + &rest));
        }
        let mut allowed = BTreeSet::new();
        let role = self.roles.get(&job.role);
        for text in role.iter().flat_map(|role| role.inline.values()) {
            services(&serde_json::from_str(text).unwrap_or(Value::Null), &mut allowed);
        }
        for arn in role.iter().flat_map(|role| &role.attached) {
            services(self.managed_policy(arn).unwrap_or(&Value::Null), &mut allowed);
        }
        let used = |service: &str| ctx.scenario.roles.iter().find(|it| it.name == job.role)?.last_used_s.get(service);
        let all = allowed.iter().map(|service| (service.clone(), service)).collect();
        let page = paged(ctx, "ServicesLastAccessed", all, |service| {
            let last = used(service).map(|ago| iso(self.started - SignedDuration::from_secs(*ago)));
            let seen = last.map(|last| {
                tag("LastAuthenticated", last)
                    + &tag("LastAuthenticatedEntity", role.map_or("", |role| role.arn.as_str()))
                    + &tag("LastAuthenticatedRegion", &self.region)
            });
            let users = if seen.is_some() { "1" } else { "0" };
            tag("ServiceName", service)
                + &seen.unwrap_or_default()
                + &tag("ServiceNamespace", service)
                + &tag("TotalAuthenticatedEntities", users)
        })?;
        let Reply::Xml(page) = page else { return Ok(page) };
        Ok(Reply::Xml(head("COMPLETED") + &tag("JobCompletionDate", iso(job.ready)) + &page))
    }
}
