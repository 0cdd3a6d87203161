//! `Status` answers: what the API server says when it refuses.

use http::{Response, StatusCode, header};
use serde_json::{Value, json};

use super::kinds::Kind;
use crate::http::{Body, full};

/// A refusal.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub code: u16,
    pub reason: String,
    pub message: String,
    /// Boxed, so that a refusal is a small `Err`.
    pub details: Option<Box<Value>>,
    /// A fresh `continue` token.
    pub resume: Option<String>,
}

impl Failure {
    pub(crate) fn new(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self { code, reason: reason.to_owned(), message: message.into(), details: None, resume: None }
    }

    fn about(self, kind: &Kind, name: &str) -> Self {
        Self { details: Some(Box::new(kind.details(name))), ..self }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn forbidden(kind: &Kind, name: &str, why: &str) -> Self {
        let subject = if name.is_empty() { kind.qualified() } else { format!("{} \"{name}\"", kind.qualified()) };
        Self::new(403, "Forbidden", format!("{subject} is forbidden: {why}")).about(kind, name)
    }

    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} \"{name}\" not found", kind.qualified())).about(kind, name)
    }

    pub(crate) fn method_not_allowed() -> Self {
        let mut failure =
            Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
        failure.details = Some(Box::new(json!({})));
        failure
    }

    pub(crate) fn exists(kind: &Kind, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} \"{name}\" already exists", kind.qualified())).about(kind, name)
    }

    pub(crate) fn conflict(kind: &Kind, name: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": the object has been modified; please apply your changes to the latest version and try again",
            kind.qualified()
        );
        Self::new(409, "Conflict", message).about(kind, name)
    }

    pub(crate) fn unsupported_media_type() -> Self {
        let mut failure = Self::new(415, "UnsupportedMediaType", "415: Unsupported Media Type");
        failure.details = Some(Box::new(json!({})));
        failure
    }

    /// Causes are (field, reason, message).
    pub(crate) fn invalid(kind: &Kind, name: &str, causes: &[(&str, &str, String)]) -> Self {
        let each: Vec<String> = causes.iter().map(|(field, _, message)| format!("{field}: {message}")).collect();
        let all = if each.len() == 1 { each[0].clone() } else { format!("[{}]", each.join(", ")) };
        let message = format!("{} \"{name}\" is invalid: {all}", kind.qualified_kind());
        let mut failure = Self::new(422, "Invalid", message);
        let mut details = kind.details(name);
        details["kind"] = json!(kind.kind);
        details["causes"] = causes
            .iter()
            .map(|(field, reason, message)| json!({"reason": reason, "message": message, "field": field}))
            .collect();
        failure.details = Some(Box::new(details));
        failure
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// The `Status` object.
    pub(crate) fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason,
        });
        if let Some(resume) = &self.resume {
            status["metadata"]["continue"] = json!(resume);
        }
        if let Some(details) = &self.details {
            status["details"] = Value::clone(details);
        }
        status["code"] = json!(self.code);
        status
    }

    /// The HTTP answer.
    pub(crate) fn answer(&self) -> Response<Body> {
        json_answer(self.code, &self.status())
    }
}

/// A JSON answer.
pub(crate) fn json_answer(status: u16, body: &Value) -> Response<Body> {
    typed_answer(status, "application/json", body.to_string())
}

/// An answer of any content type.
pub(crate) fn typed_answer(status: u16, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache, private"));
    response
}
