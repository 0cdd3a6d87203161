//! Amazon Resource Names, and the role ARNs and names that users type.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// An ARN in its six parts; the resource is kept as written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arn {
    /// `aws`, `aws-cn`, `aws-us-gov`, `aws-eusc`, …
    pub partition: String,
    /// `iam`, `eks`, `dynamodb`, …
    pub service: String,
    /// Empty for IAM.
    pub region: String,
    /// 12 digits, `aws` for AWS's own managed policies, or empty.
    pub account: String,
    /// `role/path/name`, `cluster/name`, …
    pub resource: String,
}

/// Why a text is not the ARN or name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArnError {
    /// Not an ARN at all.
    #[error("`{0}` is not an ARN (arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE)")]
    Form(String),
    /// An ARN of something else.
    #[error("`{text}` is not the ARN of {wanted}, but of {found}")]
    Other {
        /// As given.
        text: String,
        /// What was wanted: `an IAM role`.
        wanted: &'static str,
        /// What it names: `an iam user`.
        found: String,
    },
    /// Not a valid name.
    #[error("{what} `{text}` {why}")]
    Name {
        /// `role name`.
        what: &'static str,
        /// As given.
        text: String,
        /// The broken rule.
        why: &'static str,
    },
}

/// A role as a user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleRef {
    /// By name, without its path.
    Name(String),
    /// By ARN.
    Arn(Arn),
}

/// The name at the end of an ARN, or the text itself.
pub fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

impl Arn {
    /// The name at the end of the resource: `role/a/b/name` gives `name`.
    pub fn name(&self) -> &str {
        last(&self.resource)
    }

    /// ARN of a role or managed policy of an account: `kind` is `role` or `policy`, `path` begins and ends with `/`.
    pub fn iam(partition: &str, account: &str, kind: &str, path: &str, name: &str) -> Self {
        Self {
            partition: partition.to_owned(),
            service: "iam".to_owned(),
            region: String::new(),
            account: account.to_owned(),
            resource: format!("{kind}{path}{name}"),
        }
    }

    /// What kind of thing it is, for messages: `an iam user`.
    fn describe(&self) -> String {
        let kind = self.resource.split(['/', ':']).next().unwrap_or_default();
        format!("{} {kind}", self.service)
    }

    /// Reads the ARN of an IAM `kind`.
    ///
    /// # Errors
    /// When it is no ARN, or one of something else.
    pub fn parse_iam(text: &str, kind: &str, wanted: &'static str) -> Result<Self, ArnError> {
        let arn: Self = text.parse()?;
        let head = arn.resource.split('/').next().unwrap_or_default();
        if arn.service != "iam" || head != kind || arn.name().is_empty() || !arn.resource.contains('/') {
            return Err(ArnError::Other { text: text.to_owned(), wanted, found: arn.describe() });
        }
        Ok(arn)
    }
}

impl FromStr for Arn {
    type Err = ArnError;

    fn from_str(text: &str) -> Result<Self, ArnError> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        match parts[..] {
            ["arn", partition, service, region, account, resource]
                if partition.starts_with("aws") && !service.is_empty() && !resource.is_empty() =>
            {
                Ok(Self {
                    partition: partition.to_owned(),
                    service: service.to_owned(),
                    region: region.to_owned(),
                    account: account.to_owned(),
                    resource: resource.to_owned(),
                })
            }
            _ => Err(ArnError::Form(text.to_owned())),
        }
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arn:{}:{}:{}:{}:{}", self.partition, self.service, self.region, self.account, self.resource)
    }
}

impl Serialize for Arn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl RoleRef {
    /// Name without path.
    pub fn name(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Arn(arn) => arn.name(),
        }
    }
}

impl FromStr for RoleRef {
    type Err = ArnError;

    fn from_str(text: &str) -> Result<Self, ArnError> {
        if text.starts_with("arn:") {
            return Arn::parse_iam(text, "role", "an IAM role").map(Self::Arn);
        }
        check_role_name(text)?;
        Ok(Self::Name(text.to_owned()))
    }
}

/// Checks a role name: 1 to 64 of `[\w+=,.@-]` (IAM API reference, CreateRole).
///
/// # Errors
/// When it breaks the rule.
pub fn check_role_name(text: &str) -> Result<(), ArnError> {
    let rule = |why| Err(ArnError::Name { what: "role name", text: text.to_owned(), why });
    if text.is_empty() {
        return rule("is empty");
    }
    if text.len() > 64 {
        return rule("is longer than 64 characters");
    }
    if text.contains('/') {
        return rule("has a `/`; give the name alone, or the role's ARN");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b)) {
        return rule("may have only letters, digits and `_+=,.@-`");
    }
    Ok(())
}

/// Checks an IAM path: begins and ends with `/`, at most 512 characters (IAM API reference, CreateRole).
///
/// # Errors
/// When it breaks the rule.
pub fn check_path(text: &str) -> Result<(), ArnError> {
    let rule = |why| Err(ArnError::Name { what: "path", text: text.to_owned(), why });
    if !text.starts_with('/') || !text.ends_with('/') {
        return rule("must begin and end with `/`");
    }
    if text.len() > 512 {
        return rule("is longer than 512 characters");
    }
    if !text.bytes().all(|b| (0x21..=0x7f).contains(&b)) {
        return rule("may have only printable ASCII without spaces");
    }
    Ok(())
}
