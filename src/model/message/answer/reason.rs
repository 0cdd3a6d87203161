//! Whether an answer with the status 400 shows that AWS gave no reason: a HEAD has no body to tell one.

/// Words (lower case) by which a line shows it.
const SHOWN: &[&str] = &[
    "no response body",
    ": no body",
    "unknownerror",
    "an error occurred (400)",
    "badrequest: bad request",
    "bad request (aws::",
    "errors::badrequest (",
    "errors::badrequest:",
    "no further error information was returned",
    "headobject",
    "headbucket",
    "head https://",
];

/// Whether a line (lower case) shows that no reason was given. What is not shown may stand in another line, or in words that podid
/// does not know.
pub(super) fn is_missing(lower: &str) -> bool {
    SHOWN.iter().any(|words| lower.contains(words)) || in_java(lower) || in_botocore(lower) || in_go(lower)
}

/// Java writes the message before the service, and `null` for none.
fn in_java(lower: &str) -> bool {
    let Some((head, _)) = lower.split_once("(service: ") else { return false };
    let head = head.trim_end().trim_end_matches(':');
    let begins = |rest: &str| rest.is_empty() || rest.trim_end().ends_with([':', '-', '=', ']', '>', '"', '\'']);
    head.is_empty()
        || head.ends_with("exception")
        || ["null", "bad request"].iter().any(|word| head.strip_suffix(word).is_some_and(begins))
}

fn in_botocore(lower: &str) -> bool {
    let message = lower
        .split_once("an error occurred (")
        .and_then(|(_, rest)| rest.split_once("): ").or_else(|| rest.split_once(" operation: ")));
    message.is_some_and(|(_, message)| message.trim_start().starts_with("bad request"))
}

/// Go writes the reason behind the IDs of the request.
fn in_go(lower: &str) -> bool {
    let Some((_, rest)) = lower.split_once("https response error statuscode: 400") else { return false };
    let mut parts = rest.split(", ").skip_while(|part| {
        let part = part.trim();
        part.is_empty() || part.starts_with("requestid:") || part.starts_with("hostid:")
    });
    !parts.next().is_some_and(|part| part.starts_with(|c: char| c.is_ascii_alphabetic()))
}
