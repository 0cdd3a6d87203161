//! A grant as users write it, on the command line or in a file. What it leaves open is the cluster's.

use super::{Access, Grant, Removal, Resource, Service, custom};
use crate::model::arn::{Arn, ArnError, is_region};

/// Why a text is no grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Not a name.
    #[error("`{name}` {why}")]
    Name {
        /// As given.
        name: String,
        /// The broken rule.
        why: &'static str,
    },
    /// Not a region.
    #[error("`{0}` is not a region; {1} is written as `name`, `region:name` or ARN")]
    Region(String, &'static str),
    /// Not a level of the service.
    #[error("`{level}` is not an access level of {what} ({levels})")]
    Level {
        /// As given.
        level: String,
        /// What was named.
        what: &'static str,
        /// Those that there are.
        levels: String,
    },
    /// No level at all.
    #[error("`{text}` has no access level: {text}={levels}")]
    NoLevel {
        /// As given.
        text: String,
        /// Those that there are.
        levels: String,
    },
    /// No actions, or nothing that they work on.
    #[error(
        "`{0}` is not ACTION@ARN, such as states:StartExecution@arn:aws:states:us-west-2:111122223333:stateMachine:s"
    )]
    Form(String),
    /// Not an ARN of such a resource.
    #[error(transparent)]
    Arn(#[from] ArnError),
}

/// A grant as it was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantText {
    /// The service's row.
    pub service: &'static Service,
    named: Named,
    /// How much; not named only where all is taken away.
    pub access: Option<Access>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    Whole(Resource),
    /// The last part of its ARN, and the region that was named.
    Open {
        region: Option<String>,
        part: String,
    },
}

impl GrantText {
    /// Reads `RESOURCE[=LEVEL]`, or `ACTION[,ACTION]@RESOURCE`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(service: &'static Service, text: &str) -> Result<Self, GrantError> {
        if service.levels.is_empty() {
            let (actions, resource) = text.split_once('@').ok_or_else(|| GrantError::Form(text.to_owned()))?;
            let actions: Vec<String> = actions.split(',').map(|action| action.trim().to_owned()).collect();
            return Self::allowing(service, &actions, resource);
        }
        match text.rsplit_once('=') {
            Some((resource, level)) => Self::of(service, resource, Some(level)),
            None => Self::of(service, text, None),
        }
    }

    /// The same, with an access level; one that is the only one may be left out.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn granting(service: &'static Service, text: &str) -> Result<Self, GrantError> {
        let mut grant = Self::parse(service, text)?;
        match (&grant.access, service.levels) {
            (None, [only]) => grant.access = Some(Access::Level(only)),
            (None, levels) => {
                let levels = levels.iter().map(|level| level.name).collect::<Vec<_>>().join("|");
                return Err(GrantError::NoLevel { text: text.to_owned(), levels });
            }
            (Some(_), _) => {}
        }
        Ok(grant)
    }

    /// Of its parts, as a file has them.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn of(service: &'static Service, resource: &str, level: Option<&str>) -> Result<Self, GrantError> {
        let read = |name: &str| {
            let found = service.level(name).map(Access::Level);
            let what = service.what;
            found.ok_or_else(|| GrantError::Level { level: name.to_owned(), what, levels: service.level_names() })
        };
        let access = level.map(read).transpose()?;
        Ok(Self { service, named: named(service, resource)?, access })
    }

    /// These actions on a resource.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn allowing(service: &'static Service, actions: &[String], resource: &str) -> Result<Self, GrantError> {
        let mut actions = actions.to_vec();
        for action in &actions {
            custom::check_action(action).map_err(|why| GrantError::Name { name: action.clone(), why })?;
        }
        actions.sort_unstable();
        actions.dedup();
        if actions.is_empty() {
            return Err(GrantError::Form(resource.to_owned()));
        }
        Ok(Self { service, named: named(service, resource)?, access: Some(Access::Actions(actions)) })
    }

    /// The resource, as it was named.
    pub(super) fn name(&self) -> String {
        match &self.named {
            Named::Whole(resource) => resource.to_string(),
            Named::Open { region, part } => {
                let name = (self.service.name)(part).unwrap_or(part);
                region.as_ref().map_or_else(|| name.to_owned(), |region| format!("{region}:{name}"))
            }
        }
    }

    /// The resource; what was not said is taken from the ARN of the cluster. `None` where that is needed and not there.
    pub fn resource(&self, home: Option<&Arn>) -> Option<Resource> {
        match &self.named {
            Named::Whole(resource) => Some(resource.clone()),
            Named::Open { region, part } => Some(self.service.at(home?, region.as_deref(), part.clone())),
        }
    }

    /// The grant; `None` without an access level, or where a cluster is needed and not there.
    pub fn at(&self, home: Option<&Arn>) -> Option<Grant> {
        Some(Grant { service: self.service, resource: self.resource(home)?, access: self.access.clone()? })
    }

    /// What is to be taken away; `None` where a cluster is needed and not there.
    pub fn removal(&self, home: Option<&Arn>) -> Option<Removal> {
        Some(Removal { service: self.service, resource: self.resource(home)?, access: self.access.clone() })
    }
}

fn named(service: &'static Service, text: &str) -> Result<Named, GrantError> {
    if text.starts_with("arn:") && (!service.in_arns.is_empty() || service.levels.is_empty()) {
        return Ok(Named::Whole(service.arn(text)?));
    }
    let (region, name) = match text.split_once(':') {
        Some((region, name)) if service.regional && is_region(region) => (Some(region.to_owned()), name),
        _ => (None, text),
    };
    match (service.by_name)(name) {
        Ok(part) if service.in_arns.is_empty() => Ok(Named::Whole(Resource::Name(part))),
        Ok(part) => Ok(Named::Open { region, part }),
        Err(why) => match text.split_once(':') {
            Some((region, _)) if service.regional && !is_region(region) => {
                Err(GrantError::Region(region.to_owned(), service.what))
            }
            _ => Err(GrantError::Name { name: name.to_owned(), why }),
        },
    }
}
