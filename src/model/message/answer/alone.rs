//! Codes of AWS that stand alone in a line.

use std::cell::LazyCell;

use super::super::super::log_line::reports_an_error;

/// Codes that are no other program's when they stand alone, as JavaScript and Java print them: `ExpiredToken: …`.
pub(super) const ALONE: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "AuthFailure",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "IncompleteSignature",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "AuthorizationHeaderMalformed",
    "PermanentRedirect",
];

/// Those (lower case) that are names of other things too: a colon follows them, or the line reports an error besides.
const WEAK: &[&str] = &["expiredtoken", "authfailure", "requestexpired"];

/// A code that stands alone before a colon, a bracket or the line's end. A class of another package is none: that of a file system, or
/// of a framework that guards its own pages.
pub(super) fn alone(line: &str, lower: &str) -> Option<&'static str> {
    const OF_SPRING: &str = "access is denied";
    let besides =
        LazyCell::new(|| reports_an_error(&WEAK.iter().fold(lower.to_owned(), |text, code| text.replace(code, ""))));
    // Java's for files, and those of Spring.
    let of_others = |rest: &str| {
        rest.starts_with('/') || rest.get(..OF_SPRING.len()).is_some_and(|start| start.eq_ignore_ascii_case(OF_SPRING))
    };
    let in_word = |c: char| c.is_ascii_alphanumeric() || "._$/".contains(c);
    let first = |code: &'static str| {
        let certain =
            |tail: &str| tail.starts_with(':') || !WEAK.iter().any(|it| it.eq_ignore_ascii_case(code)) || *besides;
        let is_alone = |at: usize| {
            let tail = &line[at + code.len()..];
            (tail.is_empty() || tail.starts_with([':', ')', '\'', '"', ',']))
                && !line[..at].ends_with(in_word)
                && !of_others(tail.get(1..).unwrap_or_default().trim_start())
                && certain(tail)
        };
        line.match_indices(code).map(|(at, _)| at).find(|at| is_alone(*at)).map(|at| (at, code))
    };
    ALONE.iter().copied().filter_map(first).min().map(|(_, code)| code)
}
