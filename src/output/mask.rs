//! Masks secrets and makes control characters visible in text that others wrote: log lines, errors, tag values.

use std::{
    borrow::Cow,
    fmt::Write as _,
    sync::{LazyLock, OnceLock},
};

use regex::{Captures, Regex};

const STARS: &str = "***";

/// Masks whatever may be a secret and escapes control characters: for log lines and everything else that pods say.
///
/// It errs on the side of masking, and masking twice changes nothing.
pub fn mask(text: &str) -> String {
    apply(text, |_| true)
}

/// Masks credentials and escapes control characters in podid's own words and those of services, where unique ids
/// (`AROA…` in a trust policy) and `token: …` in prose are the very thing to be told.
pub fn credentials(text: &str) -> String {
    apply(text, |rule| rule.place == Place::Everywhere)
}

fn apply(text: &str, wanted: fn(&Rule) -> bool) -> String {
    let mut text = visible(text);
    for _ in 0..PASSES {
        let masked = pass(&text, wanted);
        if masked == text {
            break;
        }
        text = masked;
    }
    text
}

/// Each rule once, in order.
fn pass(text: &str, wanted: fn(&Rule) -> bool) -> String {
    let folded = fold(text);
    // What one rule leaves has no sign in it that was not there before.
    let rules = RULES.iter().filter(|rule| wanted(rule) && rule.may_apply(&folded));
    rules.fold(text.to_owned(), |text, rule| rule.apply(text))
}

/// What stood in one rule's way may be what another one masks: all look again until nothing changes. So often at most, that no
/// line keeps podid busy.
const PASSES: usize = 8;

/// Lower case, as far as the signs go: these two are letters of theirs to a regex that folds case.
fn fold(text: &str) -> String {
    text.replace('\u{17f}', "s").replace('\u{212a}', "k").to_ascii_lowercase()
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
pub fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Where a rule is used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Everywhere,
    Logs,
}

/// What it finds becomes stars; its groups `keep` and `tail` stay around them.
struct Rule {
    pattern: String,
    place: Place,
    /// Of each of these something stands in every text that it applies to, folded; none has a star in it. Most texts have nothing of
    /// the kind, and a run that shows none needs no regex.
    signs: &'static [&'static [&'static str]],
    regex: OnceLock<Option<Regex>>,
}

impl Rule {
    /// `text` is folded.
    fn may_apply(&self, text: &str) -> bool {
        self.signs.iter().all(|any| any.iter().any(|sign| text.contains(sign)))
    }

    fn apply(&self, text: String) -> String {
        // One that does not compile would be caught by a test of this file.
        let Some(regex) = self.regex.get_or_init(|| Regex::new(&self.pattern).ok()) else { return text };
        let masked = regex.replace_all(&text, |found: &Captures| {
            let group = |name| found.name(name).map_or("", |m| m.as_str());
            let (keep, tail) = (group("keep"), group("tail"));
            let secret = &found[0][keep.len()..found[0].len() - tail.len()];
            let shown = if is_mounted_path(secret) { secret } else { STARS };
            format!("{keep}{shown}{tail}")
        });
        match masked {
            Cow::Borrowed(_) => text,
            Cow::Owned(masked) => masked,
        }
    }
}

/// `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/var/run/secrets/…` names a file, and that is what a diagnosis needs.
fn is_mounted_path(text: &str) -> bool {
    text.starts_with("/var/run/secrets/")
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '/' | '.' | '-'))
}

/// What makes a name one of a secret, as environment variables, JSON, YAML and Go fields write them. Here and below case is folded in
/// words alone, and no class is of Unicode's words: a rule with either throughout takes a millisecond and more to compile.
const SECRET: &str = "(?i:secret|token|passw(?:or)?d|passphrase|credential|api_?key|private_?key)";
const SECRETS: &[&str] =
    &["secret", "token", "passw", "passphrase", "credential", "apikey", "api_key", "privatekey", "private_key"];

/// How such a name begins and goes on: letters, and of what is not ASCII all but spaces and punctuation.
const NAME: &str = r"[0-9A-Za-z_.\x{A1}-\x{1FFF}\x{2070}-\x{2FFF}\x{3040}-\x{FEFF}\x{FF10}-\x{10FFFF}-]*";

/// Of what a JSON Web Token's parts are made, and then some.
const PART: &str = r"[0-9A-Za-z_=\x{80}-\x{10FFFF}-]";

/// A quote, what stands behind it, and its end, which may have been cut off: in JSON; in JSON inside a JSON string; and deeper, where
/// the line goes.
const STRINGS: [[&str; 3]; 3] = [
    [r#"""#, r#"(?:[^"\\\n]|\\.)*\\?"#, r#""|$"#],
    [r#"\\""#, r#"(?:[^"\\\n]|\\[^"\\\n]|\\\\(?:\\.|[^"\\\n]))*"#, r#"\\*"|$"#],
    [r#"\\{2,}""#, r"[^\n]*", "$"],
];

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    use Place::{Everywhere, Logs};
    let named = format!("{SECRET}{NAME}");
    let rule = |place, signs, pattern| Rule { pattern, place, signs, regex: OnceLock::new() };
    // {"name":"DB_PASSWORD","value":"…"}, as Kubernetes writes an environment.
    let pairs = STRINGS.map(|[quote, inner, end]| {
        let (name, value) = (format!("{quote}(?i:name){quote}"), format!("{quote}(?i:value){quote}"));
        let keep = format!(r"{name}\s*:\s*{quote}{NAME}{named}{quote}\s*,\s*{value}\s*:\s*{quote}");
        rule(Everywhere, &[SECRETS, &["\"value"]], format!("(?m)(?P<keep>{keep}){inner}(?P<tail>{end})"))
    });
    // NAME="…", "name": "…".
    let quoted = STRINGS.map(|[quote, inner, end]| {
        let keep = format!(r#"{named}\\*["']?\s*[:=]\s*{quote}"#);
        rule(Everywhere, &[SECRETS, &["\""]], format!("(?m)(?P<keep>{keep}){inner}(?P<tail>{end})"))
    });
    let others = [
        // Private keys, over several lines.
        rule(
            Everywhere,
            &[&["private key-----"]],
            r"(?s)(?P<keep>-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?P<tail>-----END|\z)".to_owned(),
        ),
        // Headers: the scheme says nothing about where the secret ends, so the line goes.
        rule(
            Everywhere,
            &[&["authorization", "cookie"]],
            r"(?m)(?P<keep>(?i:authorization|cookie)\\*[\x22']?\s*[:=]\s*)[^\n]+$".to_owned(),
        ),
        rule(Everywhere, &[&["bearer"]], r"(?P<keep>\b(?i:bearer)\s+)[^\s\x22',;]+".to_owned()),
        rule(
            Everywhere,
            &[SECRETS, &["'"]],
            format!(r#"(?m)(?P<keep>{named}\\*["']?\s*[:=]\s*')[^'\n]*(?P<tail>'|$)"#),
        ),
        // NAME=…, and in a query.
        rule(Everywhere, &[SECRETS, &["="]], format!(r#"(?P<keep>{named}=)[^\s&"']+"#)),
        // Name: …, when it looks like a secret and not like prose.
        rule(Logs, &[SECRETS, &[":"]], format!(r#"(?P<keep>{named}:\s?)[^\s&"']{{12,}}"#)),
        rule(Everywhere, &[&["signature="]], r#"(?P<keep>\b(?i:(?:x-amz-)?signature)=)[^\s&"';,]+"#.to_owned()),
        rule(Everywhere, &[&["://"], &["@"]], r"(?P<keep>://[^\s/:@]*:)[^\s/]+(?P<tail>@)".to_owned()),
        rule(Everywhere, &[&["k8s-aws-v1."]], r"k8s-aws-v1\.[0-9A-Za-z_.=\x{80}-\x{10FFFF}-]+".to_owned()),
        rule(Everywhere, &[&["eyj"]], format!(r"eyJ{PART}+\.{PART}+\.?{PART}*")),
        rule(Everywhere, &[&["akia", "asia"]], r"(?P<keep>A(?:KIA|SIA))[A-Z0-9]{12,}".to_owned()),
        rule(
            Logs,
            &[&["aroa", "aida", "agpa", "anpa", "anva", "aipa", "asca", "abia", "acca", "apka"]],
            r"(?P<keep>A(?:ROA|IDA|GPA|NPA|NVA|IPA|SCA|BIA|CCA|PKA))[A-Z0-9]{12,}".to_owned(),
        ),
    ];
    pairs.into_iter().chain(quoted).chain(others).collect()
});

#[cfg(test)]
mod tests;
