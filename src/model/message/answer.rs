//! What AWS answered, by the form in which each SDK prints an error of a service: its code and its HTTP status. The texts of the
//! services are many and change; the codes are few.

mod alone;
mod reason;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use self::alone::{ALONE, alone};
use super::{
    super::foreign::{is_foreign, names_iam},
    Meaning, Row, row,
};

/// An error of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Answer {
    /// In lower case, without what SDKs add: `accessdenied` for `AccessDeniedException` and `ACCESS_DENIED`. Empty where the answer
    /// has none, as one to HEAD.
    code: String,
    status: Option<u16>,
}

/// How an SDK prints an error.
struct Form {
    /// All of these are in the line (lower case). `^` stands for the line's beginning, `=` for a line with nothing else but a value.
    marks: &'static [&'static str],
    /// Each stands before the code.
    codes: &'static [&'static str],
    /// Each stands before the HTTP status.
    statuses: &'static [&'static str],
    /// None of these is in the line.
    unless: &'static [&'static str],
    /// Others have such a form too: only codes that are known count, and exceptions.
    shared: bool,
}

const fn form(
    marks: &'static [&'static str],
    codes: &'static [&'static str],
    statuses: &'static [&'static str],
) -> Form {
    Form { marks, codes, statuses, unless: &[], shared: false }
}

impl Form {
    const fn unless(mut self, words: &'static [&'static str]) -> Self {
        self.unless = words;
        self
    }

    const fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    fn is_of(&self, lower: &str) -> bool {
        let has = |mark: &&str| match mark.split_at(1) {
            ("^", start) => lower.trim_start().starts_with(start),
            ("=", only) => {
                lower.trim_matches(|c: char| c.is_whitespace() || c.is_ascii_digit() || "\"',:".contains(c)) == only
            }
            _ => lower.contains(*mark),
        };
        self.marks.iter().all(has) && !self.unless.iter().any(|word| lower.contains(word))
    }
}

static FORMS: &[Form] = &[
    // botocore and the AWS CLI.
    form(&["an error occurred (", " when calling the "], &["an error occurred ("], &[]),
    // Go v2: a modeled error stands behind the request's ID.
    form(
        &["https response error statuscode: "],
        &["api error ", "statuscode: ", "requestid: ", "hostid: "],
        &["statuscode: "],
    ),
    // Go v1 writes the code in the line before.
    form(&["request id: ", "^status code: "], &[], GO_STATUS),
    form(&["request id: ", "\tstatus code: "], &[], GO_STATUS),
    form(&["request id: ", "\\tstatus code: "], &[], GO_STATUS),
    form(&["request id: ", "status code: ", "host id: "], &[], GO_STATUS),
    form(&["request id: ", "status code: ", "awserr"], &[], GO_STATUS),
    // Java v2 and v1.
    form(&["(service: ", "status code: "], &["error code: "], &["status code: "]),
    // JavaScript v3, also as JSON.
    form(&["httpstatuscode", "$metadata"], JS_CODES, JS_STATUS),
    form(&["httpstatuscode", "$fault"], JS_CODES, JS_STATUS),
    form(&["httpstatuscode", "requestid", "attempts"], JS_CODES, JS_STATUS),
    // A block has a line for each key.
    form(&["httpstatuscode", "=httpstatuscode"], &[], JS_STATUS),
    form(&["$fault"], &["\"code\":\"", "code: '"], &[]),
    form(&["amazon.", "http status code "], &["error code "], &["http status code "]),
    form(&["aws http error: "], &["<code>"], &["resulted in a `"]),
    form(&["aws::", "::errors::"], &["::errors::"], &[]),
    // C++, and Arrow, which uses it.
    form(&["aws error ", " during "], &["aws error "], &["(http status "]),
    form(&["awsxmlclient", "http response code: "], &[], &["http response code: "]),
    form(&["awsclient", "http response code: "], &[], &["http response code: "]),
    form(&["awserrormarshaller", "error code"], &["error code: ", "encountered "], &[]),
    // Rust.
    form(&["errormetadata"], &["code: some(\""], &["status: statuscode("]),
    form(&["s3error {"], &["code: \""], &[]),
    // The object_store of Rust, which DataFusion and Polars use.
    form(&["generic s3 error"], &["<code>"], &["status "]),
    // Fluent Bit.
    form(&["api responded with error="], &["responded with error='"], &[]),
    // What the services send.
    form(&["\"__type\""], &["\"__type\":\"", "\"__type\": \""], &[]).shared(),
    form(&["<error>", "<code>"], &["<code>"], &[]).shared(),
    // Any client that tells where its request went.
    form(&["amazonaws.com"], &[], URL_STATUSES).unless(OF_USERS),
    form(&[".api.aws"], &[], URL_STATUSES).unless(OF_USERS),
];

const GO_STATUS: &[&str] = &["status code: "];
const JS_CODES: &[&str] = &["\"code\":\"", "\"code\": \"", "code: '", "\"name\":\"", "\"name\": \"", "name: '"];
const JS_STATUS: &[&str] = &["httpstatuscode: ", "httpstatuscode\":"];

/// Hosts of AWS behind which programs of users answer, or that answer to others than the role: a registry asks everybody first.
const OF_USERS: &[&str] = &[".elb.amazonaws.com", ".dkr.ecr.", "cognito-idp.", ".execute-api."];

const URL_STATUSES: &[&str] = &[
    "http status code ",
    "http status ",
    "status code: ",
    "status code ",
    "statuscode: ",
    "status: ",
    "(http ",
    "resulted in a `",
];

/// A row that is known by a code: any one of its `words` is enough.
const fn by_code(
    id: &'static str,
    meaning: Meaning,
    codes: &'static [&'static str],
    example: &'static str,
    source: &'static str,
) -> Row {
    let mut row = row(id, "AWS SDKs", meaning, codes, example, source).rank(-1);
    row.by_code = true;
    row
}

const COMMON: &str = "https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html";
const OF_S3: &str = "https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html";
const OF_EC2: &str = "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html";

/// The codes by which AWS rejects a caller. A status stands for those whose answer has no code.
pub(super) static ROWS: &[Row] = &[
    by_code(
        "code-denied",
        Meaning::UnnamedRefusal,
        &[
            "accessdenied",
            "unauthorizedoperation",
            "unauthorizedaccess",
            "authorizationerror",
            "notauthorized",
            "forbidden",
            "kms.accessdenied",
            "kmsaccessdenied",
            "403",
        ],
        "An error occurred (403) when calling the HeadObject operation: Forbidden",
        COMMON,
    ),
    by_code(
        "code-keys",
        Meaning::UnknownKeys,
        &[
            "unrecognizedclient",
            "invalidclienttokenid",
            "invalidaccesskeyid",
            "authfailure",
            "incompletesignature",
            "signaturedoesnotmatch",
            "invalidsignature",
            "invalidtoken",
            "401",
        ],
        "An error occurred (AuthFailure) when calling the DescribeInstances operation: AWS was not able to validate the provided access credentials",
        OF_EC2,
    ),
    by_code(
        "code-expired",
        Meaning::Expired,
        &["expiredtoken", "requestexpired", "tokenrefreshrequired"],
        "api error ExpiredToken: Token expired: https response error StatusCode: 400, RequestID: 1",
        COMMON,
    ),
    by_code(
        "code-clock",
        Meaning::Clock,
        &["requesttimetooskewed"],
        "Error Code: RequestTimeTooSkewed (Service: Amazon S3; Status Code: 403; Error Code: RequestTimeTooSkewed)",
        OF_S3,
    ),
    by_code(
        "code-unsigned",
        Meaning::Unsigned,
        &["missingauthenticationtoken"],
        "{\"__type\":\"MissingAuthenticationTokenException\"}",
        COMMON,
    ),
    by_code(
        "code-region",
        Meaning::WrongRegion,
        &["permanentredirect", "authorizationheadermalformed", "illegallocationconstraint", "301"],
        "operation error S3: HeadBucket, https response error StatusCode: 301, RequestID: 1, HostID: 2, requested bucket from \"us-west-2\", actual location \"eu-west-1\"",
        OF_S3,
    ),
    by_code(
        "code-not-enabled",
        Meaning::NotEnabled,
        &["regiondisabled", "subscriptionrequired"],
        "An error occurred (SubscriptionRequiredException) when calling the DescribeTrustedAdvisorChecks operation",
        "https://docs.aws.amazon.com/awssupport/latest/APIReference/CommonErrors.html",
    ),
    by_code(
        "code-key",
        Meaning::UnnamedRefusal,
        &["decryptionfailure", "encryptionfailure"],
        "api error DecryptionFailure: Secrets Manager can't decrypt the protected secret text, https response error StatusCode: 400, RequestID: 1",
        "https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html",
    )
    .remedy("allow `kms:Decrypt` on the key in a policy of the role (`podid policy attach ROLE --kms KEY=decrypt`) and in the key's policy"),
    by_code(
        "code-bad-request",
        Meaning::BadRequest,
        &["badrequest", "400"],
        "An error occurred (400) when calling the HeadBucket operation: Bad Request",
        "https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html",
    ),
    by_code(
        "code-other",
        Meaning::Answered,
        &[OTHER],
        "An error occurred (KMSInvalidStateException) when calling the Decrypt operation: the key is pending deletion",
        "https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html",
    )
    // The reason may stand in another line.
    .rank(-2),
];

/// Stands for any code that is in no other row, and is not ordinary.
const OTHER: &str = "another code";

/// How the codes begin by which AWS answers a caller whom it knows and lets in, or that say nothing of either.
const ORDINARY: &[&str] = &[
    "nosuch",
    "nonexistent",
    "conditional",
    "precondition",
    "validation",
    "invalidparameter",
    "slowdown",
    "toomany",
    "requestlimit",
    "provisionedthroughput",
    "transaction",
    "internal",
    "serviceunavailable",
    "resourceinuse",
    "conflict",
    "queue",
    "bucket",
    "invalidobjectstate",
    "invalidrange",
    "notmodified",
    "requesttimeout",
    "malformed",
    "dryrun",
    "insufficient",
    "priorrequest",
    "dataalready",
    "invalidsequencetoken",
];

/// What is anywhere in other such codes.
const ORDINARY_PARTS: &[&str] = &["notfound", "alreadyexists", "throttl", "limitexceeded"];

/// What AWS answered, where a line tells an error of a service.
fn answer(line: &str, lower: &str) -> Option<Answer> {
    let told = FORMS.iter().filter(|form| form.is_of(lower));
    let mut found = told.filter_map(|form| form.read(lower)).reduce(|first, second| Answer {
        code: if first.code.is_empty() { second.code } else { first.code },
        status: first.status.or(second.status),
    });
    if found.as_ref().is_none_or(|answer| answer.code.is_empty())
        && let Some(code) = exception(line, lower).or_else(|| alone(line, lower)).or_else(|| of_storage(line, lower))
    {
        found.get_or_insert_default().code = normal(&code.to_lowercase());
    }
    found
}

/// Without one of these a line tells no error of a service: most lines of a log do not.
static ANY: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let marks = FORMS.iter().map(|form| form.marks[0].to_owned());
    let alone = ALONE.iter().map(|code| code.to_lowercase());
    let others = ["exception", "access denied"].map(str::to_owned);
    AhoCorasick::new(marks.chain(alone).chain(others)).ok()
});

/// The row of an error of a service.
pub(super) fn find(line: &str, lower: &str) -> Option<&'static Row> {
    if !ANY.as_ref()?.is_match(lower) {
        return None;
    }
    if is_foreign(lower, names_iam(lower)) {
        return None;
    }
    let answer = answer(line, lower)?;
    let of = |code: &str| ROWS.iter().find(|row| row.words.contains(&code));
    let status = answer.status.map(|status| status.to_string()).unwrap_or_default();
    let ordinary = ORDINARY.iter().any(|start| answer.code.starts_with(start))
        || ORDINARY_PARTS.iter().any(|part| answer.code.contains(part));
    let row = of(&answer.code).or_else(|| match status.as_str() {
        _ if ordinary => None,
        // It has a code of its own, which says more than `400`.
        "" | "400" if !answer.code.is_empty() => of(OTHER),
        _ => of(&status),
    })?;
    if row.meaning == Meaning::BadRequest && !reason::is_missing(lower) { of(OTHER) } else { Some(row) }
}

impl Form {
    fn read(&self, lower: &str) -> Option<Answer> {
        let behind = |mark: &&str| lower.split_once(*mark).map(|(_, rest)| rest.trim_start());
        let mut answer = Answer::default();
        for rest in self.statuses.iter().filter_map(behind) {
            answer.status = answer.status.or_else(|| status(rest));
        }
        for mark in self.codes {
            let Some(rest) = behind(mark) else { continue };
            // Behind the status and an ID stands another ID, a modeled error with its message, or other words.
            let of_id = mark.ends_with("id: ") || *mark == "statuscode: ";
            // Programs have names too.
            let of_name = mark.contains("name");
            let rest = if of_id { rest.split_once(", ").map_or("", |(_, rest)| rest) } else { rest };
            let word = rest.split(|c: char| c.is_whitespace() || ",;:()'\"<>`".contains(c)).next().unwrap_or_default();
            match word.parse::<u16>() {
                Ok(number) if (300..600).contains(&number) => answer.status = Some(number),
                _ if of_id && (["requestid", "hostid"].contains(&word) || !rest[word.len()..].starts_with(':')) => {}
                _ if of_name && word.ends_with("serviceexception") => {}
                _ if (self.shared || of_name) && !word.ends_with("exception") && !is_known(&normal(word)) => {}
                _ if answer.code.is_empty() && is_code(word) => answer.code = normal(word),
                _ => {}
            }
        }
        (answer != Answer::default()).then_some(answer)
    }
}

/// The status at the start of a text, also by its name, as .NET prints it.
fn status(rest: &str) -> Option<u16> {
    match rest {
        _ if rest.starts_with("forbidden") => Some(403),
        _ if rest.starts_with("unauthorized") => Some(401),
        _ if rest.starts_with("badrequest") => Some(400),
        _ => {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            (digits.len() == 3).then(|| digits.parse().ok()).flatten()
        }
    }
}

/// Whether a word may be a code: letters, dots and `#`, and no ID of a request. Some are `UNKNOWN`, which is none.
fn is_code(word: &str) -> bool {
    word.len() > 5
        && word.chars().all(|c| c.is_ascii_alphabetic() || "._#".contains(c))
        && !["unknown", "unknownerror"].contains(&word)
}

/// Whether a code is in a row.
fn is_known(code: &str) -> bool {
    ROWS.iter().any(|row| row.words.contains(&code))
}

/// A code (lower case) without the names around it and what SDKs add.
fn normal(code: &str) -> String {
    let code = code.rsplit('#').next().unwrap_or_default().replace('_', "");
    let code = code.strip_prefix("client.").unwrap_or(&code);
    ["exception", "error"]
        .iter()
        .find_map(|end| code.strip_suffix(end).filter(|rest| is_known(rest)))
        .unwrap_or(code)
        .to_owned()
}

/// The class of an exception of a service in Java and .NET, which is named as its code, unless it is the one for the whole service.
fn exception<'a>(line: &'a str, lower: &str) -> Option<&'a str> {
    const OF_AMAZON: [&str; 4] = ["software.amazon.awssdk.", "com.amazonaws.", "aws.sdk.kotlin.", "Amazon."];
    if !line.contains("Exception") {
        return None;
    }
    let service = lower.split_once("(service: ").map(|(_, rest)| rest.split([',', ';']).next().unwrap_or_default());
    // Behind it, Java v1 names other classes.
    let head = lower.find("(service: ").and_then(|at| line.get(..at)).unwrap_or(line);
    let mut words = head.split(|c: char| !(c.is_ascii_alphanumeric() || "._$".contains(c)));
    let of_amazon = |class: &str| service.is_some() || OF_AMAZON.iter().any(|of| class.starts_with(of));
    let class = words.rfind(|word| word.ends_with("Exception") && of_amazon(word))?;
    let parts: Vec<&str> = class.split(['.', '$']).collect();
    let name = *parts.last()?;
    let model = parts.iter().rposition(|part| part.eq_ignore_ascii_case("model"));
    let whole = service.or_else(|| parts.get(model?.checked_sub(1)?).copied());
    let short = |text: &str| text.to_lowercase().replace([' ', '_'], "").replace("amazon", "").replace("aws", "");
    if whole.is_some_and(|whole| {
        ![format!("{}exception", short(whole)), "serviceexception".to_owned()].contains(&short(name))
    }) {
        return Some(name);
    }
    // That of a whole service says only in its message what is the matter.
    let denied = lower.contains("exception: access to the resource http")
        || lower.contains("exception: access denied") && !lower.contains("access denied for user");
    denied.then_some("AccessDenied")
}

/// The message of S3, as clients of object storage print it without its code.
fn of_storage(line: &str, lower: &str) -> Option<&'static str> {
    const THINGS: [&str; 7] = ["s3", "bucket", "object", "upload", "download", "put file", "get file"];
    let said = line.contains(": Access Denied.") || line.trim_end().ends_with(": Access Denied");
    (said && THINGS.iter().any(|thing| lower.contains(thing))).then_some("AccessDenied")
}
