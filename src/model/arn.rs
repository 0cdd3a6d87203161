//! Amazon Resource Names, and the role ARNs and names that users type.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::output_schema;

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

/// `aws`, `aws-cn`, `aws-us-gov`, …: whether it has the form of a partition.
pub fn is_partition(text: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    text == "aws" || text.strip_prefix("aws-").is_some_and(|words| words.split('-').all(is_word))
}

/// `us-west-2`, `us-gov-east-1`, …: words and a number.
pub fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [words @ .., number] = &parts[..] else { return false };
    words.len() >= 2
        && words.iter().all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
        && number.bytes().all(|b| b.is_ascii_digit())
        && !number.is_empty()
}

/// A byte of an IAM name: `[\w+=,.@-]`.
fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b)
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

/// The account of an ARN; empty where it has none.
pub fn account(arn: &str) -> Option<&str> {
    arn.split(':').nth(4)
}

impl Arn {
    /// Whether it is of the partition, region and account of another one, as far as it names them.
    pub fn is_of(&self, home: &Self) -> bool {
        let own = |text: &str, ours: &str| text.is_empty() || text == ours;
        self.partition == home.partition && own(&self.region, &home.region) && own(&self.account, &home.account)
    }

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

    /// Reads the ARN of one thing: no part of it matches several, and none can end the text that it is put into.
    ///
    /// # Errors
    /// When it is no ARN, or a part of it is not valid.
    pub fn strict(text: &str) -> Result<Self, ArnError> {
        let arn: Self = text.parse()?;
        let rule = |why| Err(ArnError::Name { what: "ARN", text: text.to_owned(), why });
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return rule("may have only printable ASCII characters without spaces");
        }
        if text.contains(['*', '?']) {
            return rule("has a wildcard: name one resource");
        }
        if text.contains(['$', '"']) {
            return rule("may not have `$` or `\"`");
        }
        if !arn.service.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return rule("has an invalid service");
        }
        if !is_partition(&arn.partition) {
            return rule("has an invalid partition; partitions are `aws`, `aws-cn`, `aws-us-gov`, ...");
        }
        if !arn.region.is_empty() && !is_region(&arn.region) {
            return rule("has an invalid region");
        }
        let digits = arn.account.len() == 12 && arn.account.bytes().all(|b| b.is_ascii_digit());
        if !arn.account.is_empty() && !digits && (arn.service != "iam" || arn.account != "aws") {
            return rule("has an invalid account; an account ID has 12 digits");
        }
        Ok(arn)
    }

    /// Reads the ARN of an IAM `kind`.
    ///
    /// # Errors
    /// When it is no ARN, one of something else, or breaks a rule of IAM's.
    pub fn parse_iam(text: &str, kind: &str, wanted: &'static str) -> Result<Self, ArnError> {
        let arn = Self::strict(text)?;
        let head = arn.resource.split('/').next().unwrap_or_default();
        if arn.service != "iam" || head != kind || arn.name().is_empty() || !arn.resource.contains('/') {
            return Err(ArnError::Other { text: text.to_owned(), wanted, found: arn.describe() });
        }
        let rule = |why| Err(ArnError::Name { what: "ARN", text: text.to_owned(), why });
        if !arn.region.is_empty() {
            return rule("has a region, but IAM ARNs have none");
        }
        if arn.account.is_empty() || arn.account == "aws" && kind != "policy" {
            return rule("has no account ID");
        }
        let name = arn.name();
        if kind == "role" {
            check_role_name(name)?;
        } else if name.len() > 128 || !name.bytes().all(is_name_byte) {
            return rule("has an invalid policy name");
        }
        check_path(&arn.resource[kind.len()..arn.resource.len() - name.len()])?;
        Ok(arn)
    }

    /// Reads the ARN of what a service has in a region of an account.
    ///
    /// # Errors
    /// When it is no ARN, or a part of it is not valid or missing.
    pub fn regional(text: &str) -> Result<Self, ArnError> {
        Self::strict(text)?.in_region()
    }

    /// The same for one that was read already.
    ///
    /// # Errors
    /// When its region or account is missing.
    pub fn in_region(self) -> Result<Self, ArnError> {
        if self.region.is_empty() || self.account.is_empty() {
            return Err(ArnError::Name { what: "ARN", text: self.to_string(), why: "has no region or no account ID" });
        }
        Ok(self)
    }

    /// Reads the ARN of a KMS key.
    ///
    /// # Errors
    /// When it is no ARN, one of something else, or not one that KMS gives.
    pub fn kms_key(text: &str) -> Result<Self, ArnError> {
        let arn = Self::strict(text)?;
        match arn.resource.strip_prefix("key/").filter(|_| arn.service == "kms") {
            Some(id) if !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => arn.in_region(),
            Some(_) => Err(ArnError::Name { what: "ARN", text: text.to_owned(), why: "has an invalid key ID" }),
            None => Err(ArnError::Other { text: text.to_owned(), wanted: "a KMS key", found: arn.describe() }),
        }
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

impl JsonSchema for Arn {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Arn".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        output_schema::text("An ARN")
    }
}

impl Serialize for Arn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Arn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
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
        return rule("has a `/`: pass only the name, or the role's ARN");
    }
    if !text.bytes().all(is_name_byte) {
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
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return rule("may have only printable ASCII without spaces");
    }
    // IAM takes them, but a policy that names the role would match others too.
    if text.contains(['*', '?', '$', '"']) {
        return rule("may not have `*`, `?`, `$` or `\"`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_and_regions() {
        for fine in ["aws", "aws-cn", "aws-us-gov", "aws-iso-b"] {
            assert!(is_partition(fine), "{fine}");
        }
        for wrong in ["", "awsx", "aws-", "aws--cn", "aws-CN", "aws\"", "aws-1", "*"] {
            assert!(!is_partition(wrong), "{wrong}");
        }
        for (region, right) in
            [("us-west-2", true), ("us-gov-east-1", true), ("us-2", false), ("*", false), ("us-west-", false)]
        {
            assert_eq!(is_region(region), right, "{region}");
        }
    }

    #[test]
    fn strict_arns_name_one_thing() {
        for fine in [
            "arn:aws:iam::111122223333:role/x",
            "arn:aws:iam::aws:policy/x",
            "arn:aws:s3:::bucket",
            "arn:aws-us-gov:eks:us-gov-west-1:111122223333:cluster/a",
        ] {
            assert_eq!(Arn::strict(fine).unwrap().to_string(), fine);
        }
        for (wrong, why) in [
            ("arn:aws:iam::111122223333:role/*", "wildcard"),
            ("arn:aws:iam::111122223333:role/x?", "wildcard"),
            ("arn:aws:iam::*:role/x", "wildcard"),
            ("arn:aws:iam::111122223333:role/${aws:username}", "`$`"),
            ("arn:aws:iam::111122223333:role/x\"", "`$` or `\"`"),
            ("arn:aws\":iam::111122223333:role/x", "`$` or `\"`"),
            ("arn:aws:iam::111122223333:role/x y", "printable"),
            ("arn:aws:iam::111122223333:role/x\n", "printable"),
            ("arn:aws:iam::111122223333:role/\u{e4}", "printable"),
            ("arn:awsx:iam::111122223333:role/x", "partition"),
            ("arn:aws:IAM::111122223333:role/x", "service"),
            ("arn:aws:i'm::111122223333:role/x", "service"),
            ("arn:aws:dynamodb:west:111122223333:table/x", "region"),
            ("arn:aws:iam::11112222333:role/x", "account"),
            ("arn:aws:iam::11112222333a:role/x", "account"),
            ("arn:aws:eks:us-west-2:aws:cluster/x", "account"),
        ] {
            assert!(Arn::strict(wrong).unwrap_err().to_string().contains(why), "{wrong}: {:?}", Arn::strict(wrong));
        }
        assert!(Arn::strict("role/x").is_err());
    }

    #[test]
    fn arns_of_iam() {
        let role = |text: &str| Arn::parse_iam(text, "role", "an IAM role");
        let policy = |text: &str| Arn::parse_iam(text, "policy", "an IAM policy");
        assert!(role("arn:aws:iam::111122223333:role/a/b+=,.@-_/c").is_ok());
        assert!(policy("arn:aws:iam::aws:policy/service-role/X").is_ok());
        assert!(policy("arn:aws:iam::111122223333:policy/X").is_ok());
        for wrong in [
            "arn:aws:iam::aws:role/x",
            "arn:aws:iam:::role/x",
            "arn:aws:iam:us-west-2:111122223333:role/x",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam::111122223333:role/a:b",
            "arn:aws:iam::111122223333:user/x",
            "arn:aws:sts::111122223333:role/x",
        ] {
            assert!(role(wrong).is_err(), "{wrong}");
        }
        assert!(policy(&format!("arn:aws:iam::aws:policy/{}", "x".repeat(129))).is_err());
    }

    #[test]
    fn arns_of_keys_and_regions() {
        for (key, right) in [
            ("arn:aws:kms:us-west-2:111122223333:key/0d1f-a", true),
            ("arn:aws:kms:us-west-2:111122223333:key/mrk-1234", true),
            ("arn:aws:kms:us-west-2:111122223333:key/", false),
            ("arn:aws:kms:us-west-2:111122223333:key/a/b", false),
            ("arn:aws:kms:us-west-2:111122223333:alias/x", false),
            ("arn:aws:kms::111122223333:key/x", false),
            ("arn:aws:kms:us-west-2::key/x", false),
            ("arn:aws:s3:us-west-2:111122223333:key/x", false),
        ] {
            assert_eq!(Arn::kms_key(key).is_ok(), right, "{key}");
        }
    }

    #[test]
    fn paths() {
        for (path, right) in [("/", true), ("/a/b/", true), ("a/", false), ("/a", false), ("/a b/", false)] {
            assert_eq!(check_path(path).is_ok(), right, "{path}");
        }
        for wild in ["/*/", "/a?/", "/${aws:username}/", "/\"/"] {
            assert!(check_path(wild).is_err(), "{wild}");
        }
    }
}
