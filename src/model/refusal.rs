//! A refusal in AWS's own words: who was refused which action, on what, and which policy refused it.
//!
//! Services write it in many forms: with and without a resource, the resource in quotes or escaped in JSON, by name instead of by
//! ARN, and with or without the reason.

mod remedy;
#[cfg(test)]
mod tests;

use super::{
    arn::{self, Arn},
    trust::conditions::SESSION,
};

/// One refused call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Who called, as far as the text names it.
    pub caller: Caller,
    /// The caller's ARN as the text has it.
    pub arn: Option<String>,
    /// `s3:ListBucket`: the service in lower case.
    pub action: String,
    /// What the action was for: an ARN or a name; `None` where the text names nothing.
    pub resource: Option<String>,
    /// Which policy refused it.
    pub layer: Layer,
    /// A statement denies it; otherwise nothing allows it.
    pub explicit: bool,
    /// ARN of the policy, where the text names it.
    pub policy: Option<String>,
}

/// Whose credentials signed the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A session of Pod Identity: `assumed-role/ROLE/eks-…`.
    PodIdentity {
        /// The role.
        role: String,
    },
    /// A node's: `assumed-role/ROLE/i-…`.
    Node {
        /// The role.
        role: String,
    },
    /// A session that an SDK named: IRSA, or a role that the application assumed by itself.
    Sdk {
        /// The role.
        role: String,
    },
    /// Another session of a role.
    Session {
        /// The role.
        role: String,
    },
    /// An IAM user, whose access keys are static.
    User {
        /// Its name.
        name: String,
    },
    /// The account's root user.
    Root,
    /// The call was not signed.
    Anonymous,
    /// The text does not say.
    Unknown,
}

/// The kind of policy that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// A policy of the role or user.
    Identity,
    /// The role's permissions boundary.
    Boundary,
    /// The session policy: the association's, or of the call that took the role.
    Session,
    /// A service control policy of the organization.
    Scp,
    /// A resource control policy of the organization.
    Rcp,
    /// The policy of the resource, such as a bucket's.
    Resource,
    /// The policy of a KMS key.
    Key,
    /// The trust policy of a role that was to be assumed.
    Trust,
    /// The policy of a VPC endpoint.
    Endpoint,
    /// The text does not say.
    Unknown,
}

impl Layer {
    /// Every layer that a text can name.
    pub const NAMED: [Self; 9] = [
        Self::Identity,
        Self::Boundary,
        Self::Session,
        Self::Scp,
        Self::Rcp,
        Self::Resource,
        Self::Key,
        Self::Trust,
        Self::Endpoint,
    ];

    /// As a sentence names it, with its article.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "an identity-based policy",
            Self::Boundary => "the permissions boundary",
            Self::Session => "a session policy",
            Self::Scp => "a service control policy (SCP)",
            Self::Rcp => "a resource control policy (RCP)",
            Self::Resource => "the resource's own policy",
            Self::Key => "the KMS key policy",
            Self::Trust => "the role's trust policy",
            Self::Endpoint => "a VPC endpoint policy",
            Self::Unknown => "an unknown policy",
        }
    }

    /// As `-o json` names it.
    pub fn id(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Boundary => "permissions-boundary",
            Self::Session => "session",
            Self::Scp => "service-control",
            Self::Rcp => "resource-control",
            Self::Resource => "resource",
            Self::Key => "kms-key",
            Self::Trust => "trust",
            Self::Endpoint => "vpc-endpoint",
            Self::Unknown => "unknown",
        }
    }

    /// Whether a permission that is added to the role can help.
    pub fn helped_by_the_role(self) -> bool {
        matches!(self, Self::Identity | Self::Unknown)
    }
}

impl Caller {
    fn of(arn: &str) -> Self {
        if let Some((_, rest)) = arn.split_once(":assumed-role/") {
            let (role, session) = rest.split_once('/').unwrap_or((rest, ""));
            let role = role.to_owned();
            return match session {
                s if s.starts_with(SESSION) => Self::PodIdentity { role },
                s if is_instance(s) => Self::Node { role },
                s if named_by_sdk(s) => Self::Sdk { role },
                _ => Self::Session { role },
            };
        }
        match arn.split_once(":user/") {
            Some((_, name)) => Self::User { name: arn::last(name).to_owned() },
            None if arn.ends_with(":root") => Self::Root,
            None => Self::Unknown,
        }
    }

    /// The role whose session it is.
    pub fn role(&self) -> Option<&str> {
        match self {
            Self::PodIdentity { role } | Self::Node { role } | Self::Sdk { role } | Self::Session { role } => {
                Some(role)
            }
            Self::User { .. } | Self::Root | Self::Anonymous | Self::Unknown => None,
        }
    }

    /// Whether it is who a pod on Pod Identity acts as, or falls back to.
    fn is_of_a_pod(&self) -> bool {
        matches!(self, Self::PodIdentity { .. } | Self::Node { .. })
    }
}

/// `i-0a11…`, and `mi-…` of hybrid nodes.
fn is_instance(session: &str) -> bool {
    let id = session.strip_prefix("i-").or_else(|| session.strip_prefix("mi-"));
    id.is_some_and(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The names that SDKs give to sessions when nobody does: botocore, Java, JavaScript, PHP and .NET with a prefix; Go with the time.
fn named_by_sdk(session: &str) -> bool {
    const PREFIXES: [&str; 8] = [
        "botocore-session-",
        "aws-sdk-java-",
        "aws-sdk-js-",
        "aws-sdk-php-",
        "aws-sdk-kotlin-",
        "aws-dotnet-",
        "token-file-web-identity",
        "web-identity-token-",
    ];
    PREFIXES.iter().any(|prefix| session.starts_with(prefix))
        || session.len() >= 13 && session.bytes().all(|b| b.is_ascii_digit())
}

/// The last caller that a text names, refused or not: `assumed-role/ROLE/eks-…` after a call that worked, for example.
pub fn caller(text: &str) -> Option<(Caller, String)> {
    last_arn(text).map(|arn| (Caller::of(&arn), arn)).filter(|(caller, _)| *caller != Caller::Unknown)
}

const VERB: &str = "is not authorized to perform";

/// Every refusal that a text names, in its order.
pub fn refusals(text: &str) -> Vec<Refusal> {
    // Lines may be broken anywhere, and JSON escapes what it quotes.
    let plain = plain(text);
    let lower = plain.to_ascii_lowercase();
    let starts: Vec<usize> = lower.match_indices(VERB).map(|(at, _)| at).collect();
    let mut found = Vec::new();
    for (i, start) in starts.iter().enumerate() {
        let from = if i == 0 { 0 } else { starts[i - 1] + VERB.len() };
        // The next one's caller stands before its verb.
        let end = starts
            .get(i + 1)
            .map_or(plain.len(), |next| lower[..*next].rfind("user: ").filter(|at| at > start).unwrap_or(*next));
        found.extend(parse_one(&plain[from..*start], &plain[start + VERB.len()..end]));
    }
    found
}

/// Whether a line begins a refusal, which may go on in the next.
pub fn begins(line: &str) -> bool {
    line.to_ascii_lowercase().contains(VERB)
}

/// White space and escapes made plain.
fn plain(text: &str) -> String {
    let text = text.replace("\\n", " ").replace("\\t", " ").replace("&quot;", "\"").replace(['\\', '`'], "");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Bytes in which a refusal says all that it says: an ARN has at most 2,048, and what follows in a log is something else.
const REACH: usize = 4096;

fn parse_one(before: &str, after: &str) -> Option<Refusal> {
    let end = (0..=after.len().min(REACH)).rev().find(|at| after.is_char_boundary(*at)).unwrap_or(0);
    let after = &after[..end];
    let after = after.trim_start_matches([':', ' ', '"', '\'']);
    let after = after.strip_prefix("action ").or_else(|| after.strip_prefix("the action ")).unwrap_or(after);
    let (action, rest) = after.split_once(' ').unwrap_or((after, ""));
    let action = action.trim_matches(QUOTES).trim_end_matches(ENDS);
    let (service, name) = action.split_once(':')?;
    let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !word(service) || !word(name) {
        return None;
    }
    let action = format!("{}:{name}", service.to_ascii_lowercase());
    let arn = last_arn(before);
    let caller = match &arn {
        Some(arn) => Caller::of(arn),
        None if before.to_ascii_lowercase().trim_end().ends_with("anonymous") => Caller::Anonymous,
        None => Caller::Unknown,
    };
    let (layer, explicit) = reason(&action, rest);
    Some(Refusal { caller, arn, resource: resource(rest), policy: policy(rest), layer, explicit, action })
}

/// How IAM names what is its own, and the ARN's word for it.
const KINDS: [(&str, &str); 5] = [
    ("instance profile", "instance-profile"),
    ("role", "role"),
    ("user", "user"),
    ("group", "group"),
    ("policy", "policy"),
];

/// The ARN's word for the kind that a text names first, and what follows it.
fn of_kind(text: &str) -> Option<(&'static str, &str)> {
    KINDS.iter().find_map(|(kind, of)| Some((*of, text.strip_prefix(kind)?.strip_prefix(' ')?)))
}

const QUOTES: [char; 2] = ['"', '\''];
/// What may stand behind a word and is none of it.
const ENDS: [char; 8] = ['.', ',', ')', ';', '"', '\'', '}', ']'];

/// The last ARN of a session or a user in a text.
fn last_arn(text: &str) -> Option<String> {
    let words = text.split(|c: char| c.is_whitespace() || "\"'`<>(),;=".contains(c)).rev();
    let mut arns = words.filter_map(|word| word.find("arn:").map(|at| &word[at..]));
    let who =
        |arn: &&str| [":assumed-role/", ":user/", ":root", ":federated-user/"].iter().any(|kind| arn.contains(kind));
    arns.find(who).map(|arn| arn.trim_end_matches([':', '.', '\\', ']', '}']).to_owned())
}

fn resource(rest: &str) -> Option<String> {
    let lower = rest.to_ascii_lowercase();
    let at = lower.find("on resource").filter(|at| *at < 4)?;
    let value = rest[at + "on resource".len()..].trim_start_matches(['(', 's', ')']).trim_start_matches([':', ' ']);
    let value = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value[1..].split(quote).next().unwrap_or_default(),
        // IAM names some by kind and name: `instance profile NAME`, `role NAME`.
        _ => match of_kind(value) {
            Some((_, name)) => &value[..value.len() - name.len() + name.find([' ', ',']).unwrap_or(name.len())],
            None => value.split([' ', ',']).next().unwrap_or_default(),
        },
    };
    let value = value.trim_matches(QUOTES).trim_end_matches(ENDS);
    // A presigned URL's query is no part of the object's name, and has the access key in it.
    let value = value.split("?X-Amz-").next().unwrap_or(value);
    let none = value.is_empty() || matches!(value, "because" | "with" | "null" | "undefined");
    (!none).then(|| value.to_owned())
}

/// Which policy the rest of the text blames, and whether it denies.
fn reason(action: &str, rest: &str) -> (Layer, bool) {
    const NAMES: [(&str, Layer); 9] = [
        ("identity-based polic", Layer::Identity),
        ("permissions boundary", Layer::Boundary),
        ("session polic", Layer::Session),
        ("service control polic", Layer::Scp),
        ("resource control polic", Layer::Rcp),
        ("vpc endpoint polic", Layer::Endpoint),
        ("key polic", Layer::Key),
        ("trust polic", Layer::Trust),
        ("resource-based polic", Layer::Resource),
    ];
    let lower = rest.to_ascii_lowercase();
    let denied = lower.find("with an explicit deny");
    let Some(at) = denied.or_else(|| lower.find("because")) else { return (Layer::Unknown, false) };
    let named = NAMES.iter().filter_map(|(name, layer)| Some((lower[at..].find(name)?, *layer))).min();
    let layer = match named {
        Some((_, Layer::Resource)) if action.starts_with("kms:") => Layer::Key,
        Some((_, Layer::Resource)) if action.starts_with("sts:") => Layer::Trust,
        Some((_, layer)) => layer,
        None => Layer::Unknown,
    };
    (layer, denied.is_some())
}

/// `… in a service control policy: arn:aws:organizations::…:policy/…`.
fn policy(rest: &str) -> Option<String> {
    let reason = rest.to_ascii_lowercase().find("with an explicit deny")?;
    let word = rest[reason..].split(' ').find(|word| word.starts_with("arn:"))?;
    Some(word.trim_end_matches(ENDS).to_owned())
}

impl Refusal {
    /// The role that it was to assume, when it is the caller's own.
    pub fn assumes_itself(&self) -> bool {
        let own = self.caller.role().zip(self.resource.as_deref());
        let account = |arn: &str| arn::account(arn).map(str::to_owned);
        self.is_assumption()
            && own.is_some_and(|(role, resource)| {
                arn::last(resource) == role && self.arn.as_deref().and_then(account) == account(resource)
            })
    }

    /// It was to assume a role.
    pub fn is_assumption(&self) -> bool {
        matches!(self.action.as_str(), "sts:AssumeRole" | "sts:TagSession" | "sts:SetSourceIdentity")
    }

    /// The agent was refused, which acts as its node: no call of the workload.
    pub fn is_of_the_agent(&self) -> bool {
        self.action.starts_with("eks-auth:")
    }

    /// The resource, unless the text has its ARN with parts blotted out: such a one is in no policy.
    pub fn whole_resource(&self) -> Option<&str> {
        let blotted = |resource: &str| {
            let account = arn::account(resource).filter(|_| resource.starts_with("arn:")).unwrap_or_default();
            let digits = account.bytes().all(|b| b.is_ascii_digit());
            // Some have a name in its place: `aws`.
            let is_account = account.is_empty() || account.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
            resource.contains("**") || !(is_account && !account.starts_with("xx") || digits && account.len() == 12)
        };
        self.resource.as_deref().filter(|resource| !blotted(resource))
    }

    /// Whether a permission that is added to the role can help.
    pub fn may_be_granted(&self) -> bool {
        !self.explicit && self.layer.helped_by_the_role()
    }

    /// What the workload needs by it: the action and an ARN, or `*` where the action has no resource. The text may leave partition,
    /// region and account to the cluster. `None` where no permission of the workload's role is asked for, or on what is not known.
    pub fn need(&self, cluster: Option<&Arn>) -> Option<(String, String)> {
        if !self.caller.is_of_a_pod() || self.is_of_the_agent() || self.assumes_itself() {
            return None;
        }
        if self.resource.is_some() && self.whole_resource().is_none() {
            return None;
        }
        let resource = match self.resource.as_deref() {
            None if self.layer == Layer::Key => return None,
            None | Some("*") => "*".to_owned(),
            Some(text) if text.parse::<Arn>().is_ok() => text.to_owned(),
            Some(name) if self.action.starts_with("secretsmanager:") => {
                let at = cluster?;
                let account = self.arn.as_deref().and_then(arn::account).unwrap_or(&at.account);
                // The name's end is chosen by the service.
                format!("arn:{}:secretsmanager:{}:{account}:secret:{name}-??????", at.partition, at.region)
            }
            Some(name) if self.action.starts_with("iam:") => {
                let at = cluster?;
                let account = self.arn.as_deref().and_then(arn::account).unwrap_or(&at.account);
                let (kind, name) = of_kind(name)?;
                format!("arn:{}:iam::{account}:{kind}/{name}", at.partition)
            }
            Some(_) => return None,
        };
        Some((self.action.clone(), resource))
    }
}
