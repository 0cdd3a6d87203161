//! kube's errors as failures that say what failed and why, without the layers between.

use std::{error::Error as StdError, io::ErrorKind};

use kube::core::{Status, response::reason};

use super::{limit::TooLarge, login::User};
use crate::{
    explain,
    failure::{Code, Failure, KUBERNETES, Kind, ServiceError},
};

/// The API server accepted a request and did not answer it.
#[derive(Debug, thiserror::Error)]
#[error("no response")]
pub(super) struct Silent;

impl From<Silent> for kube::Error {
    fn from(silent: Silent) -> Self {
        Self::Service(Box::new(silent))
    }
}

/// The API server, and who podid is there.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// Its URL.
    pub(super) url: String,
    /// The kubeconfig's user; `None` when podid signs its own tokens.
    pub(super) user: Option<User>,
}

/// The failure of `operation` (`list pods of …`) at `server`.
pub(super) fn failure(operation: &str, server: &Server, error: kube::Error) -> Failure {
    let failure = mapped(operation, &server.url, error);
    match &server.user {
        Some(user) if failure.is(Kind::UnknownCaller) || user.anonymous(&failure) => user.refused(failure),
        _ => failure,
    }
}

fn mapped(operation: &str, server: &str, error: kube::Error) -> Failure {
    let failed = |code| Failure::new(code, format!("cannot {operation}"));
    if let Some(large) = too_large(&error) {
        return answered(failed(Code::Failed).because(format!("`{server}` {large}")), operation)
            .hint("this is not a Kubernetes API: check the server address and the proxy");
    }
    let failure = match error {
        kube::Error::Api(status) => api(operation, &status),
        kube::Error::Auth(error) => failed(Code::Denied).because(deepest(&error)),
        // The token source's own failure comes back through kube unharmed.
        kube::Error::Service(error) if error.is::<Silent>() => super::unreachable(server),
        kube::Error::Service(error) => match error.downcast::<Failure>() {
            Ok(failure) => failure.context(format!("cannot {operation}")),
            Err(error) => failed(Code::Failed).because(no_connection(server, error.as_ref())),
        },
        kube::Error::HyperError(error) => failed(Code::Failed).because(no_connection(server, &error)),
        kube::Error::ReadEvents(error) => failed(Code::Failed).because(no_connection(server, &error)),
        kube::Error::SerdeError(error) => {
            failed(Code::Failed).because(format!("the response of `{server}` is not a Kubernetes response: {error}"))
        }
        error => failed(Code::Failed).because(deepest(&error)),
    };
    answered(failure, operation)
}

/// Marks a failure as Kubernetes' even when nothing answered: an empty code.
pub(super) fn answered(mut failure: Failure, operation: &str) -> Failure {
    failure.service.get_or_insert_with(|| Box::new(service(operation, String::new(), String::new(), None)));
    failure
}

fn service(operation: &str, code: String, message: String, status: Option<u16>) -> ServiceError {
    let kind = match (code.as_str(), status) {
        (reason::FORBIDDEN, Some(403)) => Kind::Forbidden,
        (reason::UNAUTHORIZED, _) => Kind::UnknownCaller,
        (reason::NOT_FOUND, _) => Kind::NotFound,
        (reason::ALREADY_EXISTS, _) => Kind::InUse,
        (reason::CONFLICT, _) => Kind::Busy,
        _ => Kind::Other,
    };
    let operation = operation.to_owned();
    ServiceError { service: KUBERNETES, operation, code, kind, message, request_id: None, status }
}

fn api(operation: &str, status: &Status) -> Failure {
    let reason = reason_of(status);
    let message = one_line(&status.message);
    let code = if matches!(status.code, 401 | 403) { Code::Denied } else { Code::Failed };
    let cause = match status.code {
        // The explanation says more than the one word that comes with it.
        401 => None,
        _ if message.is_empty() => Some(format!("the API server answered {} {reason}", status.code)),
        _ => Some(message.clone()),
    };
    let mut failure = Failure::new(code, format!("cannot {operation}"));
    failure.causes.extend(cause);
    failure.service = Some(Box::new(service(operation, reason, message, Some(status.code))));
    explain::explained(failure)
}

/// The reason; for an answer that is no Status (an unknown group's plain text, a proxy's page) by its HTTP status.
fn reason_of(status: &Status) -> String {
    if !status.reason.is_empty() && status.reason != "Failed to parse error data" {
        return status.reason.clone();
    }
    match status.code {
        401 => reason::UNAUTHORIZED,
        403 => reason::FORBIDDEN,
        404 => reason::NOT_FOUND,
        409 => reason::CONFLICT,
        410 => reason::GONE,
        429 => reason::TOO_MANY_REQUESTS,
        503 => reason::SERVICE_UNAVAILABLE,
        504 => reason::TIMEOUT,
        500..=599 => reason::INTERNAL_ERROR,
        _ => "",
    }
    .to_owned()
}

fn too_large(error: &kube::Error) -> Option<&TooLarge> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// Whether asking again cannot help: podid's own failure (of a token, of a list), or an answer that is over its limit.
pub(super) fn hopeless(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Service(inner) if inner.is::<Failure>()) || too_large(error).is_some()
}

/// Why there was no answer, in the words of the innermost error.
fn no_connection(server: &str, error: &(dyn StdError + 'static)) -> String {
    let inner = deepest(error);
    let kind = io_kind(error);
    if inner.contains("failed to lookup address") || text_in_chain(error, "dns error") {
        format!("the name of `{server}` cannot be resolved: {inner}")
    } else if let Some(certificate) = inner.strip_prefix("invalid peer certificate: ") {
        format!("the certificate of `{server}` is not trusted: {certificate}")
    } else if kind == Some(ErrorKind::TimedOut) || inner.contains("deadline has elapsed") {
        format!("no connection to `{server}`: timed out")
    } else {
        format!("no connection to `{server}`: {inner}")
    }
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    // Bounded: a source that names itself must not hang podid.
    std::iter::successors(Some(error), |error| (*error).source()).take(16)
}

fn io_kind(error: &(dyn StdError + 'static)) -> Option<ErrorKind> {
    chain(error).filter_map(|e| e.downcast_ref::<std::io::Error>()).map(std::io::Error::kind).last()
}

fn text_in_chain(error: &(dyn StdError + 'static), text: &str) -> bool {
    chain(error).any(|e| e.to_string().contains(text))
}

/// The innermost error's words, as a fragment.
pub(super) fn deepest(error: &(dyn StdError + 'static)) -> String {
    let mut text = chain(error).last().map(ToString::to_string).unwrap_or_default();
    if let Some(at) = text.find(" (os error ") {
        text.truncate(at);
    }
    let fragment = one_line(&text);
    let mut letters = fragment.chars();
    match (letters.next(), fragment.chars().nth(1)) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => fragment,
    }
}

/// The first line, cut where it is longer than anyone reads: a proxy's answer may be a whole page.
pub(super) fn one_line(text: &str) -> String {
    const MOST: usize = 600;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    // A fragment stands in a sentence, and not in columns.
    let line = line.replace('\t', " ");
    match line.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(operation: &str, error: kube::Error) -> Failure {
        let server = Server { url: "https://k8s.example".to_owned(), user: None };
        super::failure(operation, &server, error)
    }

    fn status(code: u16, reason: &str, message: &str) -> kube::Error {
        kube::Error::Api(Status::failure(message, reason).with_code(code).boxed())
    }

    #[test]
    fn answers() {
        let unknown = "Failed to parse error data";
        for (code, reason, message, exit, wanted, cause) in [
            (401, "Unauthorized", "Unauthorized", Code::Denied, "Unauthorized", "the cluster does not know the caller"),
            (403, "Forbidden", "pods is forbidden: no", Code::Denied, "Forbidden", "pods is forbidden: no"),
            (404, unknown, "404 page not found", Code::Failed, "NotFound", "404 page not found"),
            (502, unknown, "<html>\n<body>", Code::Failed, "InternalError", "<html>"),
            (409, unknown, "{\"status\":\t\"Fa\tlure", Code::Failed, "Conflict", "{\"status\": \"Fa lure"),
            (503, unknown, "", Code::Failed, "ServiceUnavailable", "the API server answered 503 ServiceUnavailable"),
        ] {
            let failure = failure("list pods", status(code, reason, message));
            assert_eq!(failure.code, exit);
            assert_eq!(failure.message, "cannot list pods");
            assert_eq!(failure.causes, [cause]);
            assert!(failure.has_code(wanted), "{failure:?}");
            assert_eq!(failure.service.as_ref().and_then(|s| s.status), Some(code));
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("client error (Connect)")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn connections() {
        for (inner, wanted) in [
            (std::io::Error::from_raw_os_error(111), "no connection to `https://k8s.example`: connection refused"),
            (
                std::io::Error::other("failed to lookup address information: Name or service not known"),
                "the name of `https://k8s.example` cannot be resolved: failed to lookup address information: Name or \
                 service not known",
            ),
            (
                std::io::Error::other("invalid peer certificate: UnknownIssuer"),
                "the certificate of `https://k8s.example` is not trusted: UnknownIssuer",
            ),
            (std::io::Error::from(ErrorKind::TimedOut), "no connection to `https://k8s.example`: timed out"),
        ] {
            let failure = failure("list pods", kube::Error::Service(Box::new(Outer(inner))));
            assert_eq!(failure.causes, [wanted]);
            assert_eq!(failure.code, Code::Failed);
            assert!(failure.has_code(""));
        }
    }

    #[test]
    fn the_token_sources_failure_is_kept() {
        let denied = Failure::new(Code::Denied, "no credentials").hint("run `aws sso login`");
        let failure = failure("list pods", kube::Error::Service(Box::new(denied)));
        assert_eq!(failure.code, Code::Denied);
        assert_eq!(failure.to_string(), "cannot list pods: no credentials");
        assert_eq!(failure.hints, ["run `aws sso login`"]);
    }
}
