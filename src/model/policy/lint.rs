//! All that is said of a permission policy before anything is written: what IAM refuses, what cannot have been meant, and what
//! may not have been meant. The one place for documents from files, flags and manifests.

use serde_json::Value;

use super::{
    MAX_INLINE, broad,
    grammar::{self, statement_at},
    issue::{Issue, Severity},
    known, placeholders, wrapped,
};
use crate::model::{
    arn,
    document::{Document, strings},
    json::{self, JsonError, Lines},
};

/// A text that should be a policy document, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The document; `None` where there is none in the text.
    pub document: Option<Document>,
    /// What to tell of how it was read.
    pub note: Option<String>,
    /// What is wrong with it, in the order of the lines.
    pub issues: Vec<Issue>,
}

impl Checked {
    /// The errors.
    pub fn errors(&self) -> impl Iterator<Item = &Issue> {
        self.issues.iter().filter(|issue| issue.is_error())
    }
}

/// Reads and checks a policy document, also one in what other tools print around it.
pub fn check_text(text: &str) -> Checked {
    let at_line = |line: usize, message: String| {
        let issue = Issue { line: Some(line), ..Issue::error(String::new(), message) };
        Checked { document: None, note: None, issues: vec![issue] }
    };
    let value = match json::parse(text) {
        Ok(value) => value,
        Err(JsonError { twice, line, column, why }) => {
            let not = if twice { "" } else { "not JSON: " };
            return at_line(line, format!("{not}{why} (column {column})"));
        }
    };
    let lines = Lines::of(text);
    match wrapped::unwrap(value) {
        Err(why) => at_line(lines.at(""), why),
        Ok(wrapped::Unwrapped { document, pointer, note }) => {
            let mut issues = lint(&document);
            for issue in &mut issues {
                issue.line = Some(lines.at(&format!("{pointer}{}", issue.pointer)));
            }
            issues.sort_by_key(|issue| issue.line);
            Checked { document: Some(document), note, issues }
        }
    }
}

/// The same of a value that was read already.
///
/// # Errors
/// Why there is no policy document in it.
pub fn unwrapped(value: Value) -> Result<Document, String> {
    wrapped::unwrap(value).map(|unwrapped| unwrapped.document)
}

/// Everything that is wrong with a policy of a role, or may be, in the order of its statements.
pub fn lint(document: &Document) -> Vec<Issue> {
    let mut found = grammar::faults(document);
    if found.is_empty() {
        found.extend(whole(document));
    }
    let placeholders = placeholders::all(&document.0);
    for (pointer, text) in &placeholders {
        found.push(placed(document, pointer, placeholders::in_words(std::slice::from_ref(text))));
    }
    let said = |found: &[Issue], at: &str| found.iter().any(|issue| issue.pointer == at);
    for (pointer, text) in texts(document, ["Resource", "NotResource"]) {
        if let Err(why) = placed_arn(text)
            && !said(&found, &pointer)
        {
            found.push(placed(document, &pointer, why));
        }
    }
    for (pointer, text) in texts(document, ["Action", "NotAction"]) {
        if let Some(why) = known::unknown(text)
            && !said(&found, &pointer)
        {
            found.push(Issue { severity: Severity::Warning, ..placed(document, &pointer, why) });
        }
    }
    found.extend(broad::broad(document));
    found.sort_by_key(|issue| issue.statement);
    found
}

/// What concerns the document itself, and IAM accepts.
fn whole(document: &Document) -> Vec<Issue> {
    let mut found = Vec::new();
    let old = "policy variables such as `${aws:username}` have no effect in it";
    match document.0.get("Version").and_then(Value::as_str) {
        None => {
            let missing = "`Version` is missing, so IAM reads it as of 2008-10-17: add \"Version\": \"2012-10-17\"";
            found.push(Issue { severity: Severity::Warning, ..Issue::error(String::new(), missing) });
        }
        Some("2008-10-17") if document.0.to_string().contains("${") => {
            let issue = Issue::error(json::below("", &["Version"]), format!("`Version` is \"2008-10-17\": {old}"));
            found.push(Issue { severity: Severity::Warning, ..issue });
        }
        Some(_) => {}
    }
    let size = document.size();
    if size > MAX_INLINE {
        found.push(Issue::error(
            String::new(),
            format!(
                "it has {size} characters without white space; IAM accepts {MAX_INLINE} in a role's inline policies"
            ),
        ));
    }
    found
}

/// An error at a place, with the statement that it is in.
fn placed(document: &Document, pointer: &str, message: String) -> Issue {
    let statements = document.statements();
    let holds = |index: &usize| {
        let rest = pointer.strip_prefix(&statement_at(document, *index));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let index = (0..statements.len()).find(holds);
    let sid = index.and_then(|index| statements[index].get("Sid")?.as_str());
    let sid = sid.filter(|sid| !sid.is_empty()).map(str::to_owned);
    Issue { statement: index.map(|index| index + 1), sid, ..Issue::error(pointer.to_owned(), message) }
}

/// The texts of these keys in all statements, and where each is.
fn texts<'d>(document: &'d Document, keys: [&'static str; 2]) -> Vec<(String, &'d str)> {
    let mut found = Vec::new();
    for (index, statement) in document.statements().into_iter().enumerate() {
        for key in keys {
            let list = statement.get(key).is_some_and(Value::is_array);
            for (item, text) in strings(statement.get(key)).into_iter().enumerate() {
                let item = item.to_string();
                let keys: &[&str] = if list { &[key, &item] } else { &[key] };
                found.push((json::below(&statement_at(document, index), keys), text));
            }
        }
    }
    found
}

/// The region and the account of an ARN: IAM accepts any text there, and the statement then applies to nothing.
fn placed_arn(text: &str) -> Result<(), String> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", _, _, region, account, _] = parts[..] else { return Ok(()) };
    let open = |part: &str| part.is_empty() || part.contains(['*', '?', '$']);
    if !open(region) && !arn::is_region(region) {
        return Err(format!("resource `{text}` has the invalid region `{region}`"));
    }
    // AWS's own, such as `aws` and `cloudfront`.
    let is_vendor = !account.contains("account") && account.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    let digits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    if open(account) || is_vendor || digits {
        return Ok(());
    }
    Err(format!("resource `{text}` has the invalid account `{account}`: an account ID has 12 digits"))
}

#[cfg(test)]
mod tests;
