//! Reading what users give: files, tags, ARNs. Bad input is told with the argument's name before any call.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    args::Permissions,
    context::Context,
    failure::{Failure, Result},
    files,
    model::{
        arn::Arn,
        document::Document,
        json,
        policy::{self, Checked, Issue},
        text::count,
        want::InlinePolicy,
    },
};

/// Checks the ARN of a managed policy.
///
/// # Errors
/// Usage, naming the flag.
pub fn policy_arn(flag: &str, text: &str) -> Result<Arn> {
    Arn::parse_iam(text, "policy", "an IAM policy").map_err(|e| Failure::usage(format!("{flag}: {e}")))
}

/// Reads `K=V` tags.
///
/// # Errors
/// Usage, naming the flag and the rule.
pub fn tags(flag: &str, given: &[String]) -> Result<BTreeMap<String, String>> {
    crate::model::tags::parse(given.iter().map(String::as_str)).map_err(|e| Failure::usage(format!("{flag}: {e}")))
}

/// Checks what a role is to allow as far as that goes without a call, and reads its policy documents.
///
/// # Errors
/// Usage, naming the flag.
pub async fn policies(ctx: &Context, permissions: &Permissions) -> Result<Vec<InlinePolicy>> {
    for arn in &permissions.policy_arn {
        policy_arn("--policy-arn", arn)?;
    }
    policy_files(ctx, &permissions.policy_file).await
}

/// Reads policy documents; each inline policy takes its file's name.
///
/// # Errors
/// Usage, naming the flag, the file and what is wrong: its name, its JSON with line and column, or a rule of IAM's.
async fn policy_files(ctx: &Context, paths: &[PathBuf]) -> Result<Vec<InlinePolicy>> {
    let flag = "--policy-file";
    let mut policies: Vec<InlinePolicy> = Vec::with_capacity(paths.len());
    for path in paths {
        let name = policy::own_name(&path.to_string_lossy()).map_err(|e| {
            Failure::usage(format!("{flag}: {e}")).hint("rename the file: the policy is named after it")
        })?;
        if policies.iter().any(|other| other.name == name) {
            return Err(Failure::usage(format!("two `{flag}` create the same inline policy `{name}`")));
        }
        let shown = path.display();
        let checked = policy_document(ctx, flag, path).await?;
        let errors: Vec<String> = checked.errors().map(with_line).collect();
        let document = match (&errors[..], checked.document) {
            ([], Some(document)) => document,
            ([only], _) => return Err(Failure::usage(format!("{flag}: `{shown}`, {only}"))),
            (several, _) => {
                let (number, lines) = (count(several.len(), "error"), several.join("\n  "));
                return Err(Failure::usage(format!("{flag}: `{shown}` has {number}:\n  {lines}")));
            }
        };
        if let Some(note) = checked.note {
            ctx.term.note(format!("`{shown}`: {note}"));
        }
        policies.push(InlinePolicy { name, document });
    }
    Ok(policies)
}

/// Reads a permission policy, and checks it: the one place for all commands that take the file of one.
///
/// # Errors
/// As [`read`].
pub async fn policy_document(ctx: &Context, flag: &str, path: &Path) -> Result<Checked> {
    Ok(policy::check_text(&read(ctx, flag, path).await?))
}

fn with_line(issue: &Issue) -> String {
    issue.line.map_or_else(|| issue.to_string(), |line| format!("line {line}: {issue}"))
}

/// Reads a session policy and checks what EKS would refuse.
///
/// # Errors
/// Usage, naming the rule.
pub async fn session_policy(ctx: &Context, path: &Path) -> Result<Document> {
    let flag = "--session-policy";
    let shown = path.display();
    let text = read(ctx, flag, path).await?;
    let document = Document(json(flag, &format!("`{shown}`"), &text)?);
    policy::check_session(&document).map_err(|why| {
        let failure = Failure::usage(format!("{flag}: `{shown}` {why}"));
        if matches!(why, policy::SessionError::Size(_)) {
            failure.hint("narrow the role's own policies instead")
        } else {
            failure
        }
    })?;
    Ok(document)
}

/// Bytes of a file that a flag names; AWS takes far less of each.
const LARGEST: u64 = 1 << 20;

/// Reads a file, for as long as the command may wait.
///
/// # Errors
/// Usage, naming the flag; the interruption, or the deadline.
pub async fn read(ctx: &Context, flag: &str, path: &Path) -> Result<String> {
    read_by(ctx, flag, path, |path| files::text(path, LARGEST)).await
}

/// Bytes of a log that is piped in.
const LARGEST_LOG: u64 = 64 << 20;

/// Reads what a program printed, from stdin, for as long as the command may wait.
///
/// # Errors
/// As [`read`].
pub async fn read_log(ctx: &Context, flag: &str) -> Result<String> {
    read_by(ctx, flag, Path::new("/dev/stdin"), |path| files::log(path, LARGEST_LOG)).await
}

async fn read_by(
    ctx: &Context,
    flag: &str,
    path: &Path,
    read: fn(&Path) -> std::result::Result<String, files::Unread>,
) -> Result<String> {
    let what = format!("reading `{}`", path.display());
    let (flag, path) = (flag.to_owned(), path.to_owned());
    let read = move || {
        read(&path).map_err(|e| {
            let failure = Failure::usage(format!("{flag}: cannot read `{}`", path.display())).because(e.to_string());
            let log = matches!(e, files::Unread::TooLarge(LARGEST_LOG));
            if log { failure.hint("pass its end: `kubectl logs POD --tail 10000 | podid explain -`") } else { failure }
        })
    };
    ctx.deadline.blocking(&what, read).await
}

/// Reads JSON; `from` says where it stands.
///
/// # Errors
/// Usage, naming the flag, with line and column.
pub fn json(flag: &str, from: &str, text: &str) -> Result<Value> {
    json::parse(text).map_err(|e| {
        let (line, column) = (e.line, e.column);
        if e.twice {
            return Failure::usage(format!("{flag}: {from}, line {line} column {column}: {}", e.why));
        }
        Failure::usage(format!("{flag}: {from} is not JSON, line {line} column {column}")).because(e.why)
    })
}
