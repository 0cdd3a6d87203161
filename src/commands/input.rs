//! Reading what users give: files, tags, ARNs. Bad input is told with the argument's name before any call.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use crate::{
    failure::{Failure, Result},
    model::{arn::Arn, document::Document, policy, want::InlinePolicy},
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

/// Reads a policy document; the inline policy takes the file's name.
///
/// # Errors
/// Usage, with line and column when it is not JSON.
pub fn policy_file(path: &Path) -> Result<InlinePolicy> {
    let shown = path.display();
    let text = read("--policy-file", path)?;
    let value = json("--policy-file", &format!("`{shown}`"), &text)?;
    let document = Document(value);
    if document.statements().is_empty() {
        return Err(Failure::usage(format!("--policy-file: `{shown}` is not a policy document: it has no Statement")));
    }
    let name = policy::inline_name(&path.to_string_lossy())
        .map_err(|e| Failure::usage(format!("--policy-file: {e}")).hint("rename the file"))?;
    Ok(InlinePolicy { name, document })
}

/// Reads a session policy and checks what EKS would refuse.
///
/// # Errors
/// Usage, naming the rule.
pub fn session_policy(path: &Path) -> Result<Document> {
    let flag = "--session-policy";
    let shown = path.display();
    let text = read(flag, path)?;
    let document = Document(json(flag, &format!("`{shown}`"), &text)?);
    policy::check_session(&document).map_err(|why| {
        let failure = Failure::usage(format!("{flag}: `{shown}` {why}"));
        if matches!(why, policy::SessionError::Size(_)) {
            failure.hint("limit the role's own policies instead")
        } else {
            failure
        }
    })?;
    Ok(document)
}

/// Refuses a name that occurs twice.
///
/// # Errors
/// What `refuse` makes of the name.
pub fn distinct<'a>(names: impl Iterator<Item = &'a str>, refuse: impl Fn(&str) -> Failure) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(refuse(name));
        }
    }
    Ok(())
}

/// Reads a file.
///
/// # Errors
/// Usage, naming the flag.
pub fn read(flag: &str, path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|e| Failure::usage(format!("{flag}: cannot read `{}`", path.display())).because(e.to_string()))
}

/// Reads JSON; `from` says where it stands.
///
/// # Errors
/// Usage, naming the flag, with line and column.
pub fn json(flag: &str, from: &str, text: &str) -> Result<Value> {
    serde_json::from_str(text.strip_prefix('\u{feff}').unwrap_or(text)).map_err(|e| {
        Failure::usage(format!("{flag}: {from} is not JSON, line {} column {}", e.line(), e.column()))
            .because(e.to_string().split(" at line ").next().unwrap_or_default())
    })
}
