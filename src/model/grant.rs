//! Grants: access of one level to one resource of a service, such as `--s3 BUCKET=read`. Each service is a row of a table, with
//! its resources and its levels; what is written, recognized and printed of a grant follows from its row.

mod bedrock;
mod cover;
mod custom;
mod document;
mod entry;
mod kms;
mod logs;
mod messages;
mod s3;
mod secrets;
mod service;
mod streams;
mod text;

use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

pub use self::{
    cover::covering,
    custom::warnings,
    document::{POLICY, exactly, granted, merged, only_podids, policy, reduced, wider, without},
    entry::{ACCESS, ACTIONS},
    service::{Level, Part, Service},
    text::{GrantError, GrantText},
};
use super::{
    access::{CallContext, Need},
    arn::Arn,
    document::strings,
    text::short_hash,
};

/// All services, in the order of help and files.
pub static SERVICES: [&Service; 13] = [
    &s3::S3,
    &messages::SQS,
    &messages::SNS,
    &secrets::SECRET,
    &secrets::SSM,
    &kms::KMS,
    &streams::KINESIS,
    &streams::FIREHOSE,
    &messages::EVENTS,
    &logs::LOGS,
    &logs::CLOUDWATCH,
    &bedrock::BEDROCK,
    &custom::ALLOW,
];

/// The service of a flag, or of a key in a file.
pub fn service(flag: &str) -> Option<&'static Service> {
    SERVICES.iter().copied().find(|service| service.flag == flag)
}

/// What access is granted to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// By its ARN. A secret's ends with `-??????`, and what is below a path with `/*`.
    Arn(Arn),
    /// What has no ARN: a namespace of metrics, or `*`.
    Name(String),
}

impl Resource {
    /// Its ARN.
    pub fn arn(&self) -> Option<&Arn> {
        match self {
            Self::Arn(arn) => Some(arn),
            Self::Name(_) => None,
        }
    }

    /// The last part of its ARN.
    fn part(&self) -> &str {
        match self {
            Self::Arn(arn) => &arn.resource,
            Self::Name(name) => name,
        }
    }

    /// The ARN with another last part.
    fn with(&self, part: &str) -> String {
        match self {
            Self::Arn(arn) => Arn { resource: part.to_owned(), ..arn.clone() }.to_string(),
            Self::Name(name) => name.clone(),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arn(arn) => arn.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// How much is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// A level of the service.
    Level(&'static Level),
    /// These actions, sorted.
    Actions(Vec<String>),
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Level(level) => f.write_str(level.name),
            Self::Actions(actions) => f.write_str(&actions.join(",")),
        }
    }
}

/// Access to one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The service's row.
    pub service: &'static Service,
    /// The resource.
    pub resource: Resource,
    /// How much.
    pub access: Access,
}

/// What is taken away: access to one resource, all of it or one level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The service's row.
    pub service: &'static Service,
    /// The resource.
    pub resource: Resource,
    /// `None` for all.
    pub access: Option<Access>,
}

impl Grant {
    /// podid's statements for it. Their Sids are made from resource and access, so that another resource, or another service
    /// account's access on a shared role, never replaces them.
    pub fn statements(&self) -> Vec<Value> {
        let sid = self.sid();
        let level = match &self.access {
            Access::Level(level) => level,
            Access::Actions(actions) => {
                return vec![statement(&sid, actions, &[self.resource.to_string()], Value::Null)];
            }
        };
        let mut found: Vec<Value> = Vec::new();
        for part in level.parts {
            let resources = (part.on)(&self.resource);
            if resources.is_empty() {
                continue;
            }
            let sid = format!("{sid}{}", part.suffix);
            let made = statement(&sid, part.actions, &resources, (part.condition)(&self.resource));
            let alike =
                |other: &&mut Value| ["Resource", "Condition"].iter().all(|key| other.get(key) == made.get(key));
            match (found.iter_mut().find(alike).and_then(|own| own["Action"].as_array_mut()), made["Action"].as_array())
            {
                (Some(own), Some(more)) => own.extend(more.iter().cloned()),
                _ => found.push(made),
            }
        }
        found
    }

    /// Every action that it allows, and on what: patterns where it is granted on what a pattern stands for.
    pub fn needs(&self) -> Vec<Need> {
        let mut needs = Vec::new();
        for statement in self.statements() {
            for resource in strings(statement.get("Resource")) {
                let from = format!("--{} {}", self.service.flag, self.short(None));
                let need = |action| Need { context: context(&statement), ..Need::new(action, resource, &from) };
                needs.extend(strings(statement.get("Action")).into_iter().map(need));
            }
        }
        needs
    }

    /// It, as the flag takes it: what is the same as in `home` is left out.
    pub fn short(&self, home: Option<&Arn>) -> String {
        let name = self.service.short(&self.resource, home);
        match &self.access {
            Access::Level(level) => format!("{name}={}", level.name),
            Access::Actions(actions) => format!("{}@{name}", actions.join(",")),
        }
    }

    /// Levels that include all of this one and more.
    fn wider(&self) -> Vec<Self> {
        let Access::Level(own) = &self.access else { return Vec::new() };
        let levels = self.service.levels.iter().filter(|level| level.name != own.name);
        let with = |level| Self { access: Access::Level(level), ..self.clone() };
        levels.map(with).filter(|other| other.includes(self)).collect()
    }

    /// Whether all that `other` allows is allowed by it too.
    fn includes(&self, other: &Self) -> bool {
        let own = self.needs();
        other.needs().iter().all(|need| own.iter().any(|o| o.action == need.action && o.resource == need.resource))
    }

    fn sid(&self) -> String {
        sid(self.service, &self.resource, &self.access)
    }
}

/// What a call brings along that a statement of podid's allows: a value of each key of its condition.
fn context(statement: &Value) -> CallContext {
    let operators = statement.get("Condition").and_then(Value::as_object).into_iter().flatten();
    let keys = operators.filter_map(|(_, keys)| keys.as_object()).flatten();
    // Of what is below a folder, the folder itself.
    let one = |value| strings(Some(value)).first().map(|first| first.strip_suffix('*').unwrap_or(first).to_owned());
    let mut context: CallContext = keys.filter_map(|(key, value)| Some((key.clone(), Some(one(value)?)))).collect();
    if strings(statement.get("Action")).iter().any(|action| action.starts_with("kms:")) {
        // The workload calls KMS itself.
        context.push(("kms:ViaService".to_owned(), None));
    }
    context
}

fn sid(service: &Service, resource: &Resource, access: &Access) -> String {
    format!("{}{}", service.sid, short_hash(&[&resource.to_string(), &access.to_string()], 16))
}

fn statement(sid: &str, actions: &[impl Serialize], resources: &[String], condition: Value) -> Value {
    let resources = if let [one] = resources { json!(one) } else { json!(resources) };
    let mut statement = json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources});
    if !condition.is_null() {
        statement["Condition"] = condition;
    }
    statement
}

#[cfg(test)]
mod tests;
