//! What lines say of access to something that is not of AWS, and the words that such lines share with those about AWS.

/// Words (lower case) of refusals, of credentials and of where they come from, each of which is bad news by itself.
pub const REFUSALS: &[&str] = &[
    "accessdenied",
    "access denied",
    "access is denied",
    "accessdeniedexception",
    "not authorized to perform",
    "unauthorizedoperation",
    "unrecognizedclient",
    "invalidclienttokenid",
    "invalidaccesskeyid",
    "invalidsignatureexception",
    "signaturedoesnotmatch",
    "expiredtoken",
    "security token included in the request",
    "nocredentialproviders",
    "nocredentialserror",
    "credentialsprovidererror",
    "credentialsnotloaded",
    "unable to locate credentials",
    "unable to load credentials",
    "unable to load aws credentials",
    "missing credentials",
    "missingauthenticationtoken",
    "status code: 403",
    "403 forbidden",
];

/// Words (lower case) about credentials that occur in good news too: they count in a line that reports an error.
pub const SUBJECTS: &[&str] = &[
    "credential",
    "assumerole",
    "assume role",
    "assumed-role",
    "access key",
    "access_key",
    "accesskey",
    "secret key",
    "security token",
    "session token",
    "web identity",
    "webidentity",
    "169.254.",
    "fd00:ec2",
    "imds",
    "instance metadata",
    "instance-metadata",
    "pod identity",
    "pod-identity",
    "aws_",
    "amazonaws.com",
    "not authorized",
    "unauthorized",
    "forbidden",
];

/// Words (lower case), all of which are in a line about access to something that is not of AWS.
const FOREIGN: &[&[&str]] = &[
    &["system:serviceaccount:", "cannot "],
    &["is forbidden", "api group"],
    &["access denied for user"],
    &["google.auth"],
    &["googleapis.com"],
    &["application default credentials"],
    &["azure.core"],
    &["authorizationfailed"],
    &["invalid_grant"],
    &["invalid_client"],
    &["invalid user credentials"],
    &["could not read username for"],
    &["springframework.security"],
    &["error_description"],
    &["x-vault"],
    &["vault", "permission denied"],
];

/// Words (lower case) of systems that check either their own users or IAM.
const FOREIGN_WITHOUT_IAM: &[&[&str]] = &[
    &["not authorized to access topics"],
    &["not authorized to access group"],
    &["authorizationexception", "kafka"],
    &["security_exception"],
];

/// Words (lower case) that any server over HTTP may answer.
const OF_ANY_SERVER: &[&str] = &["forbidden", "unauthorized", "not authorized", "status code: 403", "access denied"];

/// Hosts of AWS, and words (lower case) of its SDKs, by which a line is about AWS whatever other address is in it.
const OWN: &[&str] = &[
    "amazonaws.com",
    ".api.aws",
    "169.254.",
    "fd00:ec2",
    "s3.",
    "an error occurred (",
    "https response error statuscode: ",
    "(service: ",
    "$metadata",
    "$fault",
];

/// Whether a line (lower case) tells that Kafka or OpenSearch checks IAM in this log: Amazon MSK with IAM, Amazon OpenSearch.
pub fn names_iam(lower: &str) -> bool {
    ["aws_msk_iam", "iamloginmodule", "es.amazonaws.com", "aoss.amazonaws.com", "arn:aws"]
        .iter()
        .any(|word| lower.contains(word))
}

/// Whether a line (lower case) is about access to something else than AWS: by its words, or as it names another host's address and
/// says only what any server may answer. `with_iam`: what `names_iam` tells of its log.
pub fn is_foreign(lower: &str, with_iam: bool) -> bool {
    let has = |lists: &[&[&str]]| lists.iter().any(|words| words.iter().all(|word| lower.contains(word)));
    let own = || OWN.iter().any(|word| lower.contains(word));
    let addressed = || lower.contains("http://") || lower.contains("https://") || lower.contains("http/1.1\"");
    let only_general = || {
        let mut told = REFUSALS.iter().chain(SUBJECTS).filter(|word| lower.contains(**word));
        told.all(|word| OF_ANY_SERVER.iter().any(|general| word.contains(general)))
    };
    has(FOREIGN) || !with_iam && has(FOREIGN_WITHOUT_IAM) || addressed() && !own() && only_general()
}
