//! Renders a failure: as text for people, as one line of JSON for machines. It says everything once.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    block::{hanging, hanging_after},
    json,
    mask::credentials,
    styles::{Paint, Tone},
};
use crate::failure::{Code, Failure};

/// The text at a terminal of this width, or in a log. Empty for a failure that has nothing to say but its exit code.
pub fn text(failure: &Failure, paint: Paint, width: Option<usize>) -> String {
    let mut out = String::new();
    let push = |out: &mut String, label, tone, indent, text: &str| {
        self::push(out, (label, tone), indent, text, paint, width);
    };
    if !failure.message.is_empty() {
        push(&mut out, "error", Tone::Bad, "", &failure.message);
        for cause in causes(failure) {
            push(&mut out, "caused by", Tone::Plain, "  ", &cause);
        }
        if let Some(id) = failure.service.as_ref().and_then(|s| s.request_id.as_deref()) {
            push(&mut out, "request id", Tone::Plain, "  ", id);
        }
    }
    let mut hints = String::new();
    for hint in &failure.hints {
        push(&mut hints, "hint", Tone::Accent, "", hint);
    }
    let gap = if out.is_empty() || hints.is_empty() { "" } else { "\n" };
    format!("{out}{gap}{hints}")
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
        Code::NotExecutable => "not-executable",
        Code::NotFound => "not-found",
        Code::OfCommand(_) => "command",
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

/// `label: text`, wrapped below itself, the lines after the first indented under it.
pub(super) fn push(
    out: &mut String,
    (label, tone): (&str, Tone),
    indent: &str,
    text: &str,
    paint: Paint,
    width: Option<usize>,
) {
    let text = credentials(text);
    let mut lines = text.trim_end().lines();
    let under = indent.len() + 2;
    let first = hanging_after(lines.next().unwrap_or_default(), under + label.len(), under, width);
    let _ = writeln!(out, "{indent}{}: {first}", paint.paint(tone, label));
    for line in lines {
        out.push_str(format!("{}{}", " ".repeat(under), hanging(line, under, width)).trim_end());
        out.push('\n');
    }
}
