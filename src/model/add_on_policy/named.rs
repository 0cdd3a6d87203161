//! An add-on as users name it: `NAME[=ARGUMENT]`. What its argument leaves open is the cluster's.

use super::{ADD_ONS, AddOnGrant, AddOnPolicy, AddOnRemoval, Argument, Permits, add_on};
use crate::model::{
    arn::Arn,
    grant::{self, GrantError, GrantText},
    text::{did_you_mean, nearest},
};

/// Why a text names no add-on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddOnError {
    /// No such add-on.
    #[error("podid does not know the add-on `{name}`{}; `podid policy show` lists those that it knows", did_you_mean(.near))]
    Unknown {
        /// As given.
        name: String,
        /// Similar names, best first.
        near: Vec<String>,
    },
    /// An argument is missing.
    #[error("`{0}` needs an argument: {1}")]
    NoArgument(&'static str, String),
    /// An argument where none is taken.
    #[error("`{0}` takes no argument")]
    Argument(&'static str),
    /// Its policy belongs to a release.
    #[error(
        "podid has no policy for `{name}`, because it changes with each release; take that of your release from {from}, and pass it \
         with `--policy-file FILE`"
    )]
    Release {
        /// The add-on.
        name: &'static str,
        /// Where the policy is.
        from: &'static str,
    },
    /// Not a hosted zone.
    #[error(
        "`{0}` is not a hosted zone; a zone is an ID such as Z0123456789ABCDEFGHIJ, or an ARN such as arn:aws:route53:::hostedzone/ID"
    )]
    Zone(String),
    /// A part of a bucket where the whole is wanted.
    #[error("`{0}` has a prefix; `{1}` takes a bucket only")]
    Prefix(String, &'static str),
    /// Not a bucket.
    #[error(transparent)]
    Bucket(#[from] GrantError),
}

/// An add-on as it was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddOnText {
    /// The add-on.
    pub policy: &'static AddOnPolicy,
    argument: Option<Named>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    Zone { partition: Option<String>, id: String },
    Bucket(GrantText),
}

impl Named {
    fn at(&self, home: Option<&Arn>) -> Option<Arn> {
        match self {
            Self::Zone { partition, id } => Some(Arn {
                partition: partition.as_ref().or(home.map(|home| &home.partition))?.clone(),
                service: "route53".to_owned(),
                region: String::new(),
                account: String::new(),
                resource: format!("hostedzone/{id}"),
            }),
            Self::Bucket(text) => text.resource(home)?.arn().cloned(),
        }
    }
}

impl AddOnText {
    /// Reads `NAME[=ARGUMENT]`; the argument is optional.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, AddOnError> {
        let (name, argument) = text.split_once('=').map_or((text, None), |(name, argument)| (name, Some(argument)));
        let policy = add_on(name).ok_or_else(|| AddOnError::Unknown {
            name: name.to_owned(),
            near: nearest(name, ADD_ONS.iter().map(|policy| policy.name)),
        })?;
        if let Permits::Release(from) = policy.permits {
            return Err(AddOnError::Release { name: policy.name, from });
        }
        let argument = match (policy.argument, argument) {
            (None, Some(_)) => return Err(AddOnError::Argument(policy.name)),
            (Some(_), Some("")) => return Err(AddOnError::NoArgument(policy.name, policy.usage())),
            (Some(kind), Some(argument)) => Some(read(policy, kind, argument)?),
            (_, None) => None,
        };
        Ok(Self { policy, argument })
    }

    /// The same, with an argument where one is needed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn granting(text: &str) -> Result<Self, AddOnError> {
        let named = Self::parse(text)?;
        if named.policy.argument.is_some() && named.argument.is_none() {
            return Err(AddOnError::NoArgument(named.policy.name, named.policy.usage()));
        }
        Ok(named)
    }

    /// Whether podid has statements for it.
    pub fn has_statements(&self) -> bool {
        !self.policy.parts().is_empty()
    }

    /// Whether the cluster is needed to grant it.
    pub fn needs_cluster(&self) -> bool {
        self.has_statements() && self.at(None).is_none()
    }

    /// What it is granted; `None` where a cluster is needed and not there.
    pub fn at(&self, home: Option<&Arn>) -> Option<AddOnGrant> {
        let AddOnRemoval { policy, argument } = self.removal(home)?;
        if policy.is_regional() && home.is_none() {
            return None;
        }
        Some(AddOnGrant { policy, argument, home: home.cloned() })
    }

    /// What is to be taken away; `None` where a cluster is needed and not there.
    pub fn removal(&self, home: Option<&Arn>) -> Option<AddOnRemoval> {
        let argument = match &self.argument {
            Some(named) => Some(named.at(home)?),
            None => None,
        };
        Some(AddOnRemoval { policy: self.policy, argument })
    }
}

fn read(policy: &AddOnPolicy, kind: Argument, text: &str) -> Result<Named, AddOnError> {
    if kind == Argument::Zone {
        return zone(text);
    }
    let Some(s3) = grant::service("s3") else { return Err(AddOnError::Argument(policy.name)) };
    let bucket = GrantText::of(s3, text, None)?;
    let whole = |arn: &Arn| !arn.resource.contains('/');
    let anywhere = Arn::iam("aws", "", "", "", "");
    if kind == Argument::Bucket && !bucket.resource(Some(&anywhere)).is_some_and(|it| it.arn().is_some_and(whole)) {
        return Err(AddOnError::Prefix(text.to_owned(), policy.name));
    }
    Ok(Named::Bucket(bucket))
}

/// The ID of a zone, also as the AWS CLI prints it (`/hostedzone/ID`), or its ARN.
fn zone(text: &str) -> Result<Named, AddOnError> {
    let wrong = || AddOnError::Zone(text.to_owned());
    let (partition, id) = if text.starts_with("arn:") {
        let arn = Arn::strict(text).map_err(|_| wrong())?;
        if arn.service != "route53" || !arn.region.is_empty() || !arn.account.is_empty() {
            return Err(wrong());
        }
        let id = arn.resource.strip_prefix("hostedzone/").ok_or_else(wrong)?.to_owned();
        (Some(arn.partition), id)
    } else {
        (None, text.strip_prefix("/hostedzone/").unwrap_or(text).to_owned())
    };
    // Zones have IDs of up to 32 characters (Route 53 API reference, ResourceId).
    let fine = id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if id.starts_with('Z') && (2..=32).contains(&id.len()) && fine {
        Ok(Named::Zone { partition, id })
    } else {
        Err(wrong())
    }
}
