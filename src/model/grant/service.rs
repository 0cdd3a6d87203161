//! A service's row: its flag, its resources, and its levels. What is the same for all services is here.

use serde_json::Value;

use super::Resource;
use crate::model::{
    arn::{Arn, ArnError},
    document::strings,
};

/// A service to whose resources access is granted.
pub struct Service {
    /// Name of the flag, and of the key in files.
    pub flag: &'static str,
    /// One resource: `an S3 bucket`.
    pub what: &'static str,
    /// What the help says after it.
    pub also: &'static str,
    /// Key of the resource in files: `bucket`.
    pub key: &'static str,
    /// Key of what the name has after its first `/`, if that has a key of its own.
    pub below: Option<&'static str>,
    /// What the flag takes: `BUCKET[/PREFIX]=ACCESS`.
    pub value: &'static str,
    /// What the Sids begin with.
    pub sid: &'static str,
    /// Its name in ARNs; empty for what has none.
    pub in_arns: &'static str,
    /// Whether its ARNs have a region.
    pub regional: bool,
    /// Whether the ARN of this last part has an account.
    pub owned: fn(&str) -> bool,
    /// The last part of the ARN of a resource of this name.
    pub by_name: fn(&str) -> Result<String, Refused>,
    /// The last part of an ARN of the user's, as podid writes it; `None` for one of something else.
    pub by_arn: fn(&str) -> Option<Result<String, Refused>>,
    /// The name in the last part of an ARN; `None` where only the ARN tells it.
    pub name: fn(&str) -> Option<&str>,
    /// What the ARN of a resource may end with although it is a pattern.
    pub tails: &'static [&'static str],
    /// The resource of a statement whose Sid has no suffix.
    pub from_statement: fn(&Value) -> Option<Resource>,
    /// The last part of the ARN of the resource to which access is granted, of that of what a call is made on.
    pub holds: fn(&str) -> Option<String>,
    /// The last part of the ARN of what holds it with others of its kind: a bucket.
    pub holder: fn(&str) -> &str,
    /// Its levels, from narrow to wide. None where actions are named instead.
    pub levels: &'static [Level],
}

/// Why a name is none: the rule that it breaks.
pub(super) type Refused = &'static str;

/// How much of a resource.
#[derive(Debug)]
pub struct Level {
    /// As users type it.
    pub name: &'static str,
    /// Its statements.
    pub parts: &'static [Part],
}

/// A statement of a level.
#[derive(Debug)]
pub struct Part {
    /// What its Sid ends with; nothing for the first, by which the grant is recognized.
    pub suffix: &'static str,
    /// Actions.
    pub actions: &'static [&'static str],
    /// What they work on; nothing where the resource has no such part.
    pub on: fn(&Resource) -> Vec<String>,
    /// Its condition; null for none.
    pub condition: fn(&Resource) -> Value,
}

impl Part {
    /// Actions on the resource itself.
    pub(super) const fn itself(actions: &'static [&'static str]) -> Self {
        Self { suffix: "", actions, on: itself, condition: always }
    }
}

/// What is the same for most services: to be completed by the rest.
pub(super) const REGIONAL: Service = Service {
    flag: "",
    what: "",
    also: "",
    key: "",
    below: None,
    value: "",
    sid: "",
    in_arns: "",
    regional: true,
    owned: |_| true,
    by_name: |name| Ok(name.to_owned()),
    by_arn: |_| None,
    name: |part| Some(part),
    tails: &[],
    from_statement: first_resource,
    holds: |part| Some(part.to_owned()),
    holder: |part| part,
    levels: &[],
};

/// No condition.
pub(super) fn always(_: &Resource) -> Value {
    Value::Null
}

pub(super) fn itself(resource: &Resource) -> Vec<String> {
    vec![resource.to_string()]
}

/// The first resource of a statement.
pub(super) fn first_resource(statement: &Value) -> Option<Resource> {
    Some(Resource::Arn(strings(statement.get("Resource")).first()?.parse().ok()?))
}

impl Service {
    /// One resource, without its article.
    pub fn noun(&self) -> &'static str {
        self.what.split_once(' ').map_or(self.what, |(_, noun)| noun)
    }

    /// Its level of a name.
    pub fn level(&self, name: &str) -> Option<&'static Level> {
        self.levels.iter().find(|level| level.name == name)
    }

    /// Names of its levels.
    pub fn level_names(&self) -> String {
        let names: Vec<&str> = self.levels.iter().map(|level| level.name).collect();
        match &names[..] {
            [names @ .., last] if !names.is_empty() => format!("{} or {last}", names.join(", ")),
            _ => names.concat(),
        }
    }

    /// Whether a Sid is one of its own.
    pub(super) fn owns(&self, sid: &str) -> bool {
        sid.strip_prefix(self.sid).is_some_and(|rest| rest.len() >= 16 && rest.is_ascii())
            && sid[self.sid.len()..][..16].bytes().all(|b| b.is_ascii_hexdigit())
    }

    /// The ARN of a resource of this name; what is not said is taken from `home`.
    pub(super) fn at(&self, home: &Arn, region: Option<&str>, part: String) -> Resource {
        if self.in_arns.is_empty() {
            return Resource::Name(part);
        }
        let region = if self.regional { region.unwrap_or(&home.region) } else { "" };
        Resource::Arn(Arn {
            partition: home.partition.clone(),
            service: self.in_arns.to_owned(),
            region: region.to_owned(),
            account: if (self.owned)(&part) { home.account.clone() } else { String::new() },
            resource: part,
        })
    }

    /// Reads the ARN of one of its resources.
    pub(super) fn arn(&self, text: &str) -> Result<Resource, ArnError> {
        // What is left has to be an ARN still: `arn:aws:s3:::*` is everything, and not what is below something.
        let whole = |tail: &&str| text.strip_suffix(*tail).is_some_and(|rest| rest.parse::<Arn>().is_ok());
        let tail = self.tails.iter().copied().find(whole).unwrap_or_default();
        let arn = Arn::strict(&text[..text.len() - tail.len()])?;
        let other = || ArnError::Other {
            text: text.to_owned(),
            wanted: self.what,
            found: format!("{} {}", arn.service, arn.resource.split(['/', ':']).next().unwrap_or_default()),
        };
        if !self.in_arns.is_empty() && arn.service != self.in_arns {
            return Err(other());
        }
        let rule = |why| ArnError::Name { what: "ARN", text: text.to_owned(), why };
        let part = (self.by_arn)(&format!("{}{tail}", arn.resource)).ok_or_else(other)?.map_err(rule)?;
        let owned = (self.owned)(&part);
        if self.regional && (arn.region.is_empty() || owned && arn.account.is_empty()) {
            return Err(rule("has no region or no account ID"));
        }
        let placed = !arn.region.is_empty() || !arn.account.is_empty();
        if placed && !self.regional && !self.in_arns.is_empty() {
            return Err(rule(
                "has a region or an account ID, like the ARN of an access point: name the bucket, or use `--allow`",
            ));
        }
        Ok(Resource::Arn(Arn { resource: part, ..arn }))
    }

    /// A resource as users name it: as short as can be.
    pub fn short(&self, resource: &Resource, home: Option<&Arn>) -> String {
        let (Resource::Arn(arn), Some(home)) = (resource, home) else { return resource.to_string() };
        let account = if (self.owned)(&arn.resource) { &home.account } else { "" };
        match (self.name)(&arn.resource) {
            Some(name) if arn.partition == home.partition && arn.account == account => {
                if !self.regional || arn.region == home.region {
                    name.to_owned()
                } else {
                    format!("{}:{name}", arn.region)
                }
            }
            _ => resource.to_string(),
        }
    }
}

// There is one row of each flag, and one level of each name.
impl PartialEq for Service {
    fn eq(&self, other: &Self) -> bool {
        self.flag == other.flag
    }
}

impl Eq for Service {}

impl PartialEq for Level {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Level {}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.flag)
    }
}

/// Checks a name: so many characters, letters and digits or one of these.
pub(super) fn check(name: &str, most: usize, others: &[u8], why: Refused) -> Result<(), Refused> {
    if name.is_empty() {
        return Err("is empty");
    }
    let fine = name.len() <= most && name.bytes().all(|b| b.is_ascii_alphanumeric() || others.contains(&b));
    if fine { Ok(()) } else { Err(why) }
}

/// The name behind a prefix in the last part of an ARN, checked; `None` without the prefix.
pub(super) fn prefixed(
    part: &str,
    prefix: &str,
    check: fn(&str) -> Result<(), Refused>,
) -> Option<Result<String, Refused>> {
    let name = part.strip_prefix(prefix)?;
    Some(check(name).map(|()| part.to_owned()))
}
