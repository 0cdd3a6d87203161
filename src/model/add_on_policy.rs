//! What add-ons and controllers need of AWS, as `--add-on NAME` grants it: managed policies of AWS's where there are some, else
//! statements of podid's own, from the requirements that the project publishes. EKS's add-ons themselves are in `model::addon`.

mod document;
mod named;
mod statements;
mod table;

pub use self::{
    document::{granted, merged, reduced, without},
    named::{AddOnError, AddOnText},
    statements::AddOnGrant,
    table::ADD_ONS,
};
use super::arn::Arn;

/// What the names of podid's inline policies for add-ons begin with.
pub const PREFIX: &str = "podid-add-on-";

/// An add-on and what it needs.
#[derive(Debug)]
pub struct AddOnPolicy {
    /// Name, as `--add-on` takes it.
    pub name: &'static str,
    /// What the add-on is for.
    pub what: &'static str,
    /// The service account that it has unless configured otherwise: `namespace/name`.
    pub account: &'static str,
    /// What it has to be told.
    pub argument: Option<Argument>,
    /// What it needs.
    pub permits: Permits,
    /// What the Sids of podid's statements begin with.
    pub sid: &'static str,
    /// Where its requirements are published.
    pub source: &'static str,
    /// Month in which podid's row was compared with them.
    pub as_of: &'static str,
    /// What to know before it is used.
    pub notes: &'static [&'static str],
}

/// What an add-on has to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// A hosted zone of Route 53.
    Zone,
    /// An S3 bucket.
    Bucket,
    /// An S3 bucket, or what is below a prefix in it.
    Folder,
}

impl Argument {
    /// As help names it.
    pub fn value(self) -> &'static str {
        match self {
            Self::Zone => "ZONE",
            Self::Bucket => "BUCKET",
            Self::Folder => "BUCKET[/PREFIX]",
        }
    }
}

/// Where the permissions of an add-on come from.
#[derive(Debug)]
pub enum Permits {
    /// Managed policies of AWS's.
    Managed(&'static [Managed]),
    /// podid's own statements.
    Statements(&'static [Part]),
    /// A file of each release, found here: a copy would be outdated with the next one.
    Release(&'static str),
}

/// A managed policy of AWS's.
#[derive(Debug)]
pub struct Managed {
    /// Path and name.
    pub name: &'static str,
    /// The one in partitions other than `aws`, where that differs.
    pub elsewhere: Option<&'static str>,
}

impl Managed {
    /// Its ARN.
    pub fn arn(&self, partition: &str) -> String {
        let name = self.elsewhere.filter(|_| partition != "aws").unwrap_or(self.name);
        format!("arn:{partition}:iam::aws:policy/{name}")
    }
}

/// A statement of podid's. Its texts have places to be filled in: `{partition}`, `{region}`, `{account}`, `{cluster}` and `{dns}` of
/// the cluster; `{argument}`, `{bucket}` and `{prefix}` of the argument.
#[derive(Debug)]
pub struct Part {
    /// What its Sid ends with.
    pub suffix: &'static str,
    /// Actions.
    pub actions: &'static [&'static str],
    /// Resources.
    pub on: &'static [&'static str],
    /// Conditions: operator, key and values. One whose values cannot be filled in is left out.
    pub when: &'static [(&'static str, &'static str, &'static [&'static str])],
}

impl Part {
    fn texts(&self) -> impl Iterator<Item = &'static str> {
        let conditions =
            self.when.iter().flat_map(|(_, key, values)| std::iter::once(*key).chain(values.iter().copied()));
        self.on.iter().copied().chain(conditions)
    }

    fn has(&self, places: &[&str]) -> bool {
        self.texts().any(|text| places.iter().any(|place| text.contains(place)))
    }
}

impl AddOnPolicy {
    /// Name of podid's inline policy for it.
    pub fn inline(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    /// podid's statements for it; none where the policy is AWS's or the project's.
    pub fn parts(&self) -> &'static [Part] {
        match self.permits {
            Permits::Statements(parts) => parts,
            Permits::Managed(_) | Permits::Release(_) => &[],
        }
    }

    /// ARNs of the managed policies that it needs.
    pub fn managed(&self, partition: &str) -> Vec<String> {
        match self.permits {
            Permits::Managed(all) => all.iter().map(|one| one.arn(partition)).collect(),
            Permits::Statements(_) | Permits::Release(_) => Vec::new(),
        }
    }

    /// As `--add-on` takes it.
    pub fn usage(&self) -> String {
        self.argument.map_or_else(|| self.name.to_owned(), |argument| format!("{}={}", self.name, argument.value()))
    }

    /// Whether the cluster's region, account or name is in its statements.
    fn is_regional(&self) -> bool {
        self.parts().iter().any(|part| part.has(&["{region}", "{account}", "{cluster}", "{dns}"]))
    }
}

// There is one row of each name.
impl PartialEq for AddOnPolicy {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for AddOnPolicy {}

/// The add-on of a name.
pub fn add_on(name: &str) -> Option<&'static AddOnPolicy> {
    ADD_ONS.iter().find(|policy| policy.name == name)
}

/// Whether an inline policy of this name is podid's for an add-on, in whatever letter case.
pub fn is_inline(name: &str) -> bool {
    name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// The add-on that an inline policy of this name is for.
pub fn of_inline(name: &str) -> Option<&'static AddOnPolicy> {
    add_on(name.strip_prefix(PREFIX)?)
}

/// What is taken away: all that was granted to an add-on, or what was for one argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddOnRemoval {
    /// The add-on.
    pub policy: &'static AddOnPolicy,
    /// Its argument; `None` for all.
    pub argument: Option<Arn>,
}

#[cfg(test)]
mod tests;
