//! Masks secrets and makes control characters visible in text that others wrote: log lines, errors, tag values.

use std::{borrow::Cow, fmt::Write as _, sync::LazyLock};

use regex::{Captures, Regex};

const STARS: &str = "***";

/// Masks credentials and escapes control characters: for log lines and everything else that pods and services say.
///
/// It errs on the side of masking, and masking twice changes nothing.
pub fn mask(text: &str) -> String {
    RULES.iter().fold(visible(text), |text, rule| match rule.apply(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(masked) => masked,
    })
}

/// Escapes control characters, which could rewrite the terminal, and bidirectional overrides, which could make a name
/// look like another. Line ends and tabs stay.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        if c == '\n' || c == '\t' || !hidden(c) {
            out.push(c);
        } else {
            let _ = write!(out, "{}", c.escape_default());
        }
    }
    out
}

/// Characters that move or change others and show nothing themselves.
pub(super) fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

struct Rule {
    regex: Regex,
    /// Groups `keep` and `tail` stay around the stars.
    keep: bool,
}

impl Rule {
    fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.regex.replace_all(text, |found: &Captures| {
            if !self.keep {
                return STARS.to_owned();
            }
            let group = |name| found.name(name).map_or("", |m| m.as_str());
            format!("{}{STARS}{}", group("keep"), group("tail"))
        })
    }
}

/// Names of things that are secret, as environment variables, JSON, YAML and Go fields write them.
const SECRET_NAME: &str = r"[\w.-]*(?:secret|token|passw(?:or)?d|passphrase|credential|api_?key|private_?key)[\w.-]*";

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let rules = [
        // Private keys, over several lines.
        (r"(?s)(?P<keep>-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?P<tail>-----END|\z)".to_owned(), true),
        // Headers: the scheme says nothing about where the secret ends, so the line goes.
        (r"(?im)(?P<keep>(?:authorization|cookie)\\*[\x22']?\s*[:=]\s*)[^\n]+$".to_owned(), true),
        (r"(?i)(?P<keep>\bbearer\s+)[^\s\x22',;]+".to_owned(), true),
        // {"name":"DB_PASSWORD","value":"…"}, as Kubernetes writes an environment.
        (
            format!(
                r#"(?i)(?P<keep>\\*"name\\*"\s*:\s*\\*"{SECRET_NAME}\\*"\s*,\s*\\*"value\\*"\s*:\s*\\*")[^"\\]*(?P<tail>\\*")"#
            ),
            true,
        ),
        // NAME="…", "name": "…", also inside a JSON string; the closing quote may have been cut off.
        (format!(r#"(?i)(?P<keep>{SECRET_NAME}\\*["']?\s*[:=]\s*\\*")[^"\n]*(?P<tail>"|$)"#), true),
        (format!(r#"(?i)(?P<keep>{SECRET_NAME}\\*["']?\s*[:=]\s*')[^'\n]*(?P<tail>'|$)"#), true),
        // NAME=…, and in a query.
        (format!(r#"(?i)(?P<keep>{SECRET_NAME}=)[^\s&"';,]+"#), true),
        // Name: …, when it looks like a secret and not like prose.
        (format!(r#"(?i)(?P<keep>{SECRET_NAME}:\s?)[^\s&"';,]{{12,}}"#), true),
        (r#"(?i)(?P<keep>\b(?:x-amz-)?signature=)[^\s&"';,]+"#.to_owned(), true),
        (r"(?P<keep>://[^\s/:@]*:)[^\s/@]+(?P<tail>@)".to_owned(), true),
        (r"k8s-aws-v1\.[\w.=-]+".to_owned(), false),
        (r"eyJ[\w=-]+\.[\w=-]+\.?[\w=-]*".to_owned(), false),
        (r"(?P<keep>A(?:KIA|SIA|ROA|IDA|GPA|NPA|NVA|IPA|SCA|BIA|CCA|PKA))[A-Z0-9]{12,}".to_owned(), true),
    ];
    // A rule that does not compile would be caught by every test of this file.
    rules.into_iter().filter_map(|(regex, keep)| Regex::new(&regex).ok().map(|regex| Rule { regex, keep })).collect()
});
