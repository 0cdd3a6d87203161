//! Error messages of services and their meaning: one row per message, with the next command.

mod command;
mod log;
#[cfg(test)]
mod tests;

pub use log::{MOST, Told, identity, layer, log_line, told};

use crate::failure::{Failure, KUBERNETES, ServiceError};

/// What lies behind a service's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Why, in one line.
    pub cause: String,
    /// Next commands or changes, best first.
    pub hints: Vec<String>,
}

impl Explanation {
    /// The failure with this said after its other causes and hints.
    #[must_use]
    pub fn added_to(self, failure: Failure) -> Failure {
        self.hints.into_iter().fold(failure.because(self.cause), Failure::hint)
    }
}

/// The failure with the names that stand in its hints' commands filled in: `NS/SA`, `ROLE`.
#[must_use]
pub fn addressed(failure: Failure, names: &[(&str, &str)]) -> Failure {
    Failure { hints: failure.hints.iter().map(|hint| filled(hint, names)).collect(), ..failure }
}

/// The same for one text.
#[must_use]
pub fn filled(text: &str, names: &[(&str, &str)]) -> String {
    let ends = [' ', '`', '"'];
    let word = |part: &str| {
        let bare = part.trim_end_matches(ends);
        let (_, value) = names.iter().find(|(name, _)| *name == bare)?;
        Some(format!("{value}{}", &part[bare.len()..]))
    };
    text.split_inclusive(ends).map(|part| word(part).unwrap_or_else(|| part.to_owned())).collect()
}

/// A row: the first that fits explains. `{action}`, `{resource}`, `{id}` and `{quota}` stand for what the message names.
struct Row {
    /// By which tests know it.
    name: &'static str,
    /// Codes it is for; empty: any.
    codes: &'static [&'static str],
    /// Words of the message, lower-case; empty: any.
    words: &'static str,
    cause: &'static str,
    hints: &'static [&'static str],
    /// A real answer: code and message.
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests' data, kept beside what it shows"))]
    example: (&'static str, &'static str),
}

const DENIED: &[&str] = &["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"];

static ROWS: &[Row] = &[
    Row {
        name: "cross-account",
        codes: &[],
        words: "cross-account pass role is not allowed",
        cause: "EKS accepts only roles of the cluster's account, and this role ARN names another account (or none)",
        hints: &["name a role of the cluster's account: `podid associate NS/SA --role NAME`"],
        example: ("AccessDeniedException", "Cross-account pass role is not allowed."),
    },
    Row {
        name: "pass-role",
        codes: &[],
        words: "not authorized to perform: iam:passrole",
        cause: "the caller may not pass this role to EKS",
        hints: &[
            "allow `iam:PassRole` on `{resource}`, with the condition `iam:PassedToService` = `pods.eks.amazonaws.com`",
        ],
        example: (
            "AccessDeniedException",
            "User: arn:aws:iam::111122223333:user/dev is not authorized to perform: iam:PassRole on resource: \
             arn:aws:iam::111122223333:role/carts because no identity-based policy allows the iam:PassRole action",
        ),
    },
    Row {
        name: "trust-invalid",
        codes: &[],
        words: "trust policy of the role provided is invalid",
        cause: "the role does not trust `pods.eks.amazonaws.com` for both `sts:AssumeRole` and `sts:TagSession`, or was changed seconds ago",
        hints: &[
            "check its trust policy: `aws iam get-role --role-name ROLE --query Role.AssumeRolePolicyDocument`",
            "or let podid create a role: `podid associate NS/SA --create-role`",
        ],
        example: ("InvalidParameterException", "Trust policy of the role provided is invalid."),
    },
    Row {
        name: "role-missing",
        codes: &[],
        words: "role provided in the request does not exist",
        cause: "the role does not exist, or was created seconds ago and EKS does not see it yet",
        hints: &[
            "check the name: `aws iam get-role --role-name ROLE`",
            "or create it: `podid associate NS/SA --role ROLE --create-role`",
        ],
        example: ("InvalidParameterException", "Role provided in the request does not exist."),
    },
    Row {
        name: "association-exists",
        codes: &[],
        words: "association already exists",
        cause: "a service account can have one association, and this one has `{id}`, created by another user or just deleted",
        hints: &["show it: `podid show NS/SA`", "change its role: `podid associate NS/SA --role ROLE`"],
        example: ("ResourceInUseException", "Association already exists: a-4wvljrezsukshq1bv"),
    },
    Row {
        name: "packed-policy",
        codes: &[],
        words: "packedpolicytoolarge",
        cause: PACKED,
        hints: PACKED_HINTS,
        example: ("InvalidParameterException", "PackedPolicyTooLarge: the session policy and tags are too large"),
    },
    Row {
        name: "packed-policy-code",
        codes: &["PackedPolicyTooLarge", "PackedPolicyTooLargeException"],
        words: "",
        cause: PACKED,
        hints: PACKED_HINTS,
        example: ("PackedPolicyTooLarge", "Packed size of session tags consumes 112% of allotted space."),
    },
    Row {
        name: "addon-exists",
        codes: &[],
        words: "addon already exists",
        cause: "the add-on is already installed, or is being installed",
        hints: &["show it: `podid agent status`"],
        example: ("ResourceInUseException", "Addon already exists."),
    },
    Row {
        name: "addon-conflict",
        codes: &[],
        words: "conflicts found when trying to apply",
        cause: CONFLICT,
        hints: CONFLICT_HINTS,
        example: (
            "InvalidRequestException",
            "ConfigurationConflict: Conflicts found when trying to apply. Will not continue due to resolve conflicts \
             mode. Conflicts: DaemonSet.apps eks-pod-identity-agent - .spec.template",
        ),
    },
    Row {
        name: "addon-conflict-code",
        codes: &["ConfigurationConflict"],
        words: "",
        cause: CONFLICT,
        hints: CONFLICT_HINTS,
        example: ("ConfigurationConflict", "Apply failed with 1 conflict: conflict with helm: .spec.template"),
    },
    Row {
        name: "addon-version",
        codes: &[],
        words: "pod identity feature is not supported for addon version",
        cause: "this version of the add-on does not support Pod Identity yet",
        hints: &["list newer versions: `aws eks describe-addon-versions --addon-name ADDON`"],
        example: (
            "InvalidParameterException",
            "Pod Identity feature is not supported for addon version v1.25.0-eksbuild.1",
        ),
    },
    Row {
        name: "association-id",
        codes: &[],
        words: "parameter associationid should be 19 characters long",
        cause: "this is not an association ID; scripts pass `None` when a list was empty",
        hints: &["find it by name: `podid show NS/SA`, `podid list`"],
        example: ("InvalidParameterException", "The parameter associationId should be 19 characters long"),
    },
    Row {
        name: "no-cluster",
        codes: &[],
        words: "no cluster found for name",
        cause: "the cluster does not exist in this account and region",
        hints: &["list the clusters: `aws eks list-clusters`", "check `--cluster`, `--region` and `--profile`"],
        example: ("ResourceNotFoundException", "No cluster found for name: eks-workshp."),
    },
    Row {
        name: "expired",
        codes: &["ExpiredToken", "ExpiredTokenException", "RequestExpired"],
        words: "",
        cause: "the AWS credentials have expired",
        hints: &["sign in again: `aws sso login`", "or use other credentials: `--profile NAME`"],
        example: ("ExpiredTokenException", "The security token included in the request is expired"),
    },
    Row {
        name: "unknown-key",
        codes: &["InvalidClientTokenId", "UnrecognizedClientException"],
        words: "",
        cause: "AWS does not know these credentials: they are deleted, mistyped or of another partition, or the region is not enabled",
        hints: &["check whose they are: `aws sts get-caller-identity`", "use others: `--profile NAME`"],
        example: ("UnrecognizedClientException", "The security token included in the request is invalid."),
    },
    Row {
        name: "wrong-signature",
        codes: &["SignatureDoesNotMatch", "InvalidSignatureException"],
        words: "",
        cause: "the secret access key is wrong, or this machine's clock is off by more than five minutes",
        hints: &["check the clock, then `aws configure`"],
        example: (
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided.",
        ),
    },
    Row {
        name: "eks-quota",
        codes: &["ResourceLimitExceededException"],
        words: "",
        cause: "an EKS quota is exhausted (5,000 associations per cluster)",
        hints: &[
            "list the associations: `podid list`",
            "list the quotas: `aws service-quotas list-service-quotas --service-code eks`",
        ],
        example: ("ResourceLimitExceededException", "Pod identity associations limit exceeded for cluster."),
    },
    Row {
        name: "malformed-policy",
        codes: &["MalformedPolicyDocument", "MalformedPolicyDocumentException"],
        words: "",
        cause: "IAM rejects the policy document: its syntax, or a principal or service in it that does not exist",
        hints: &[
            "check it: `aws accessanalyzer validate-policy --policy-type IDENTITY_POLICY --policy-document file://FILE`",
        ],
        example: ("MalformedPolicyDocument", "Syntax errors in policy."),
    },
    Row {
        name: "role-exists",
        codes: &["EntityAlreadyExists"],
        words: "",
        cause: "IAM already has one of that name, possibly under another path",
        hints: &["use the existing one: `podid associate NS/SA --role ROLE`"],
        example: ("EntityAlreadyExists", "Role with name carts already exists."),
    },
    Row {
        name: "trust-size",
        codes: &["LimitExceeded"],
        words: "aclsizeperrole",
        cause: "the role's trust policy would be longer than this account's quota of {quota} characters",
        hints: &[
            "use one statement for several service accounts: `podid associate NS/SA --create-role --scope namespace` (or `cluster`)",
            "or another role: `podid associate NS/SA --create-role`",
        ],
        example: ("LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048"),
    },
    Row {
        name: "inline-size",
        codes: &["LimitExceeded"],
        words: "maximum policy size",
        cause: "the role's inline policies together would exceed IAM's size limit",
        hints: &["move permissions to a managed policy: `podid associate NS/SA --role ROLE --policy-arn ARN`"],
        example: ("LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role carts"),
    },
    Row {
        name: "iam-quota",
        codes: &["LimitExceeded"],
        words: "",
        cause: "an IAM quota is exhausted",
        hints: &["check usage and quotas: `aws iam get-account-summary`"],
        example: ("LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1000"),
    },
    Row {
        name: "unauthorized",
        codes: &["Unauthorized"],
        words: "",
        cause: "the cluster does not know the caller",
        hints: &[
            "check the caller: `aws sts get-caller-identity`",
            "create an access entry, if it has none: `aws eks create-access-entry --cluster-name CLUSTER --principal-arn ARN`",
            "or make the AWS changes only: `podid associate NS/SA --role ROLE --no-wait`",
        ],
        example: ("Unauthorized", "Unauthorized"),
    },
    Row {
        name: "explicit-deny",
        codes: DENIED,
        words: "with an explicit deny",
        cause: "a policy denies `{action}` to the caller, whatever else allows it",
        hints: &[
            "ask the owner of that policy (identity policy, permissions boundary, or a policy of the organization), or use another `--profile`",
        ],
        example: (
            "AccessDenied",
            "User: arn:aws:iam::111122223333:user/dev is not authorized to perform: iam:CreateRole on resource: \
             arn:aws:iam::111122223333:role/carts with an explicit deny in a service control policy",
        ),
    },
    Row {
        name: "denied",
        codes: DENIED,
        words: "not authorized to perform: ",
        cause: "the caller lacks the permission `{action}`",
        hints: &["allow `{action}` on `{resource}`, or use another `--profile`"],
        example: (
            "AccessDeniedException",
            "User: arn:aws:iam::111122223333:user/dev is not authorized to perform: eks:DescribeCluster on resource: \
             arn:aws:eks:us-west-2:111122223333:cluster/eks-workshop",
        ),
    },
    Row {
        name: "throttled",
        codes: THROTTLED,
        words: "",
        cause: "throttled: the account makes too many calls, and every attempt was rejected",
        hints: &["run the same command again in a minute", "or allow more attempts: `AWS_MAX_ATTEMPTS=20`"],
        example: ("ThrottlingException", "Rate exceeded"),
    },
];

const PACKED: &str = "session tags and session policy together exceed the size limit of STS";
const PACKED_HINTS: &[&str] = &["disable session tags: `podid associate NS/SA --role ROLE --disable-session-tags`"];
const CONFLICT: &str = "the agent was installed by other means, and the add-on does not overwrite it";
const CONFLICT_HINTS: &[&str] =
    &["check the agent: `podid agent status`", "keep it, or remove it (`helm list -A`) and run `podid agent install`"];
/// Codes of answers to calls that came too often, in every service.
pub const THROTTLED: &[&str] = &[
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequests",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "SlowDown",
];

/// The rows' names.
pub fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.name)
}

/// The failure with a next command where a service failed and nothing more is known of it: servers recover, and what answers
/// in words that are not the service's is often a proxy.
pub fn with_default_hint(failure: Failure) -> Failure {
    let Some(service) = failure.service.as_deref().filter(|_| failure.hints.is_empty()) else { return failure };
    match (service.status, service.code.as_str()) {
        (Some(500..=599), _) => failure.hint(AGAIN),
        (_, "") => failure
            .hint(AGAIN)
            .hint("if it fails again, check the proxy (`HTTPS_PROXY`, `NO_PROXY`) and `AWS_ENDPOINT_URL`"),
        (_, code) if DENIED.contains(&code) && service.service != KUBERNETES => {
            let action = format!("{}:{}", service.service.to_lowercase().replace(' ', "-"), service.operation);
            failure.hint(format!("allow `{action}`, or use another `--profile`"))
        }
        _ => failure,
    }
}

const AGAIN: &str = "run the same command again in a minute";

/// What an answer means; `None` when the service's own words say it all.
pub fn explain(error: &ServiceError) -> Option<Explanation> {
    issue(&error.code, &error.message)
}

/// What a code and a message mean, as an answer's or a health issue's.
pub fn issue(code: &str, message: &str) -> Option<Explanation> {
    let lower = message.to_lowercase();
    let row =
        ROWS.iter().find(|row| (row.codes.is_empty() || row.codes.contains(&code)) && lower.contains(row.words))?;
    let fill = |text: &str| fill(text, message);
    Some(Explanation { cause: fill(row.cause), hints: row.hints.iter().map(|hint| fill(hint)).collect() })
}

/// The failure with the explanation of its service's answer added, if there is one.
#[must_use]
pub fn explained(failure: Failure) -> Failure {
    match failure.service.as_deref().and_then(explain) {
        Some(explanation) => explanation.added_to(failure),
        None => failure,
    }
}

/// What the message may name: the placeholder, what stands before it, and what to say when it is not there.
const NAMES: [(&str, &str, &str); 4] = [
    ("{action}", "to perform: ", "the action"),
    ("{resource}", "on resource: ", "*"),
    ("{id}", "exists: ", "another one"),
    ("{quota}", "ACLSizePerRole: ", "2048"),
];

/// Puts what the message names into a text.
fn fill(text: &str, message: &str) -> String {
    NAMES.iter().fold(text.to_owned(), |text, (name, before, otherwise)| {
        let found = message.split_once(before).and_then(|(_, rest)| rest.split([' ', ',', '\n']).next());
        let word = found.map(|word| word.trim_end_matches('.')).filter(|word| !word.is_empty());
        text.replace(name, word.unwrap_or(otherwise))
    })
}
