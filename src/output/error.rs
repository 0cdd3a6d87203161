//! Renders a failure: as text for people, as one line of JSON for machines. It says everything once.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    json,
    mask::credentials,
    styles::{Paint, Tone},
};
use crate::failure::{Code, Failure};

/// The text at a terminal or in a log. Empty for a failure that has nothing to say but its exit code.
pub fn text(failure: &Failure, paint: Paint) -> String {
    let mut out = String::new();
    if !failure.message.is_empty() {
        push(&mut out, &paint.paint(Tone::Bad, "error"), "", &failure.message);
        for cause in causes(failure) {
            push(&mut out, "caused by", "  ", &cause);
        }
        if let Some(id) = failure.service.as_ref().and_then(|s| s.request_id.as_deref()) {
            push(&mut out, "request id", "  ", id);
        }
        if !failure.hints.is_empty() {
            out.push('\n');
        }
    }
    for hint in &failure.hints {
        push(&mut out, &paint.paint(Tone::Accent, "hint"), "", hint);
    }
    out
}

/// `{"error":{"code","message","requestId","hints"}}` on one line, so that it can be told from the lines before it.
pub fn document(failure: &Failure) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Error {
        code: String,
        message: String,
        request_id: Option<String>,
        hints: Vec<String>,
    }
    #[derive(Serialize)]
    struct Document {
        error: Error,
    }
    let service = failure.service.as_ref();
    let message = std::iter::once(failure.message.clone()).chain(causes(failure)).collect::<Vec<_>>().join(": ");
    let document = Document {
        error: Error {
            code: match service {
                Some(service) if !service.code.is_empty() => service.code.clone(),
                _ => name(failure.code).to_owned(),
            },
            message: credentials(&message),
            request_id: service.and_then(|s| s.request_id.clone()),
            hints: failure.hints.iter().map(|hint| credentials(hint)).collect(),
        },
    };
    json::line(&document)
}

/// A stable name for an exit code.
pub fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Failed => "failed",
        Code::Usage => "usage",
        Code::Difference => "difference",
        Code::Denied => "denied",
        Code::TimedOut => "timed-out",
        Code::Partial => "partial",
        Code::HungUp => "hung-up",
        Code::Interrupted => "interrupted",
        Code::Terminated => "terminated",
    }
}

/// The causes, and the service's own words where no line has them yet.
fn causes(failure: &Failure) -> Vec<String> {
    let mut said = vec![failure.message.clone()];
    let mut causes = Vec::new();
    for cause in &failure.causes {
        if !cause.is_empty() && !said.contains(cause) {
            said.push(cause.clone());
            causes.push(cause.clone());
        }
    }
    if let Some(service) = &failure.service
        && !service.message.is_empty()
        // `Unauthorized: Unauthorized` says nothing that the causes do not.
        && service.message != service.code
        && !said.iter().any(|line| line.contains(&service.message))
    {
        let code = if service.code.is_empty() { String::new() } else { format!("{}: ", service.code) };
        causes.push(format!("{} {}: {code}{}", service.service, service.operation, service.message));
    }
    causes
}

/// `label: text`, the lines after the first indented under it.
fn push(out: &mut String, label: &str, indent: &str, text: &str) {
    let text = credentials(text);
    let mut lines = text.trim_end().lines();
    let _ = writeln!(out, "{indent}{label}: {}", lines.next().unwrap_or_default());
    for line in lines {
        out.push_str(format!("{indent}  {line}").trim_end());
        out.push('\n');
    }
}
