//! Masks secrets and makes control characters visible in text that others wrote: log lines, errors, tag values.

use std::{
    borrow::Cow,
    fmt::Write as _,
    sync::{LazyLock, OnceLock},
};

use regex::{Captures, Regex};

use crate::secrets;

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
    let mut text = visible(&secrets::without(text));
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
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
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
    /// `keep` ends with the name of what is masked, which may say that it is no secret: see [`harmless`].
    named: bool,
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
            let stays = is_mounted_path(secret) || self.named && harmless(keep, secret);
            format!("{keep}{}{tail}", if stays { secret } else { STARS })
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

/// Whether the end of a name says that the value is about a secret and none itself, and the value looks like that: the path of a
/// `tokenFile`, the name of a `secretName`, the number of `tokenExpirationSeconds`.
fn harmless(keep: &str, value: &str) -> bool {
    let name = keep.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    let name = name.strip_suffix("&quot").unwrap_or(name).to_ascii_lowercase();
    let ends = |words: &[&str]| words.iter().any(|word| name.ends_with(word));
    let all = |more: &[u8]| value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || more.contains(&b));
    if ends(&["file", "path", "dir", "pwd"]) {
        let rooted = ["/", "./", "../", "~/"].iter().any(|root| value.starts_with(root));
        return rooted && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-~".contains(&b));
    }
    if ends(&["arn"]) {
        return value.starts_with("arn:aws") && all(b":/_.-*");
    }
    if ends(&["name", "ref", "type", "provider", "audience", "issuer", "class"]) {
        return value.len() < 64 && all(b"./-");
    }
    ends(&["seconds", "expiration", "expiry", "ttl", "count", "version", "generation", "size"])
        && value.len() < 12
        && all(b".")
}

/// What makes a name one of a secret, as environment variables, JSON, YAML and Go fields write them. Here and below case is folded in
/// words alone, and no class is of Unicode's words: a rule with either throughout takes a millisecond and more to compile.
const SECRET: &str = "(?i:secret|token|passw(?:or)?d|passphrase|credential|api[_-]?key|private[_-]?key|shared_?access_?key|account_?key)";
const SECRETS: &[&str] = &[
    "secret",
    "token",
    "passw",
    "passphrase",
    "credential",
    "apikey",
    "api_key",
    "api-key",
    "privatekey",
    "private_key",
    "private-key",
    "sharedaccesskey",
    "shared_access_key",
    "shared_accesskey",
    "sharedaccess_key",
    "accountkey",
    "account_key",
];

/// What stands between a name and its value: YAML's, an environment's, Ruby's and Go's.
const IS: &str = r"\s*(?:=>|:=|[:=])\s*";

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
    let rule = |place, signs, pattern| Rule { pattern, place, signs, named: false, regex: OnceLock::new() };
    let by_name = |place, signs, pattern| Rule { named: true, ..rule(place, signs, pattern) };
    // {"name":"DB_PASSWORD","value":"…"}, as Kubernetes writes an environment.
    let pairs = STRINGS.map(|[quote, inner, end]| {
        let (name, value) = (format!("{quote}(?i:name){quote}"), format!("{quote}(?i:value){quote}"));
        let keep = format!(r"{name}\s*:\s*{quote}{NAME}{named}{quote}\s*,\s*{value}\s*:\s*{quote}");
        rule(Everywhere, &[SECRETS, &["\"value"]], format!("(?m)(?P<keep>{keep}){inner}(?P<tail>{end})"))
    });
    // NAME="…", "name": "…".
    let quoted = STRINGS.map(|[quote, inner, end]| {
        let keep = format!(r#"{named}\\*["']?{IS}{quote}"#);
        by_name(Everywhere, &[SECRETS, &["\""]], format!("(?m)(?P<keep>{keep}){inner}(?P<tail>{end})"))
    });
    let others = [
        // Private keys, over several lines.
        rule(
            Everywhere,
            &[&["private key-----"]],
            r"(?s)(?P<keep>-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?P<tail>-----END|\z)".to_owned(),
        ),
        rule(
            Everywhere,
            &[&["private key block-----"]],
            r"(?s)(?P<keep>-----BEGIN [A-Z ]*PRIVATE KEY BLOCK-----).*?(?P<tail>-----END|\z)".to_owned(),
        ),
        // And as base64, as a kubeconfig has them.
        rule(Everywhere, &[&["ls0tls1crudjti"]], r"LS0tLS1CRUdJTi[0-9A-Za-z+/=]+".to_owned()),
        // Headers: the scheme says nothing about where the secret ends, so the line goes.
        rule(
            Everywhere,
            &[&["authorization", "cookie"]],
            r"(?m)(?P<keep>(?i:authorization|cookie)\\*[\x22']?\s*[:=]\s*)[^\n]+$".to_owned(),
        ),
        rule(
            Everywhere,
            &[&["x-"], &["token", "key", "secret"], &[":"]],
            r"(?m)(?P<keep>(?i:\bx-[0-9a-z-]*(?:token|key|secret))\\*[\x22']?\s*:\s*)[^\n]+$".to_owned(),
        ),
        rule(Everywhere, &[&["bearer"]], r"(?P<keep>\b(?i:bearer)\s+)[^\s\x22',;]+".to_owned()),
        // Not "basic authentication".
        rule(
            Everywhere,
            &[&["basic"]],
            r"(?P<keep>\b(?i:basic)\s+)(?:[0-9A-Za-z+/]{4,}={1,2}|[0-9A-Za-z+/]*[0-9+/][0-9A-Za-z+/]{4,})".to_owned(),
        ),
        by_name(
            Everywhere,
            &[SECRETS, &["'"]],
            format!(r#"(?m)(?P<keep>{named}\\*["']?{IS}')[^'\n]*(?P<tail>'|$)"#),
        ),
        // NAME=…, and in a query.
        by_name(Everywhere, &[SECRETS, &["=", "%3d"]], format!(r#"(?P<keep>{named}(?:=|%3[Dd]))[^\s&"']+"#)),
        // name = …, as INI and HCL have it, and name => …
        by_name(
            Everywhere,
            &[SECRETS, &["="]],
            format!(r#"(?P<keep>{named}[ \t]*(?:=>|:=|[ \t]=|=[ \t])[ \t]*)[^\s&"'=~>(]\S*"#),
        ),
        // Those of AWS are never prose.
        rule(
            Everywhere,
            &[&["secret_access_key", "secretaccesskey", "session_token", "sessiontoken"], &[":"]],
            r#"(?P<keep>(?i:secret_?access_?key|session_?token):\s+)[^\s&"']+"#.to_owned(),
        ),
        // A line of its own in YAML.
        by_name(
            Logs,
            &[&["passw", "passphrase", "_key", "key:"], &[":"]],
            r#"(?m)(?P<keep>^[ \t]*(?:- )?[0-9A-Za-z_.-]*(?i:passw(?:or)?d|passphrase|secret_?key|api_?key):[ \t]+)[^\s"']+[ \t]*$"#
                .to_owned(),
        ),
        // Name: …, when it looks like a secret and not like prose.
        by_name(Logs, &[SECRETS, &[":"]], format!(r#"(?P<keep>{named}:\s?)[^\s&"']{{12,}}"#)),
        // Pwd=… of a connection string; the shell's own is a path.
        by_name(Everywhere, &[&["pwd"], &["="]], r#"(?P<keep>\b(?i:pwd)\s*=\s*)[^\s;"']+"#.to_owned()),
        // <SecretAccessKey>…</SecretAccessKey>, <add key="Password" value="…"/>.
        by_name(
            Everywhere,
            &[SECRETS, &["<", "&lt;", "u003c"]],
            format!(
                r"(?P<keep>(?:<|&lt;|\\u003[cC]){NAME}(?:[0-9A-Za-z]+:)?{named}(?:>|&gt;|\\u003[eE]))(?:<!\[CDATA\[)?[^<&\\]+"
            ),
        ),
        rule(
            Everywhere,
            &[SECRETS, &["value"], &["="]],
            format!(
                r#"(?P<keep>\b(?i:key|name)=\\*["']{NAME}{named}\\*["']\s+(?i:value)=\\*["'])[^"'\n]*"#
            ),
        ),
        // --password …, and as a list of arguments.
        by_name(
            Everywhere,
            &[&["--"], SECRETS],
            format!(r#"(?P<keep>--[0-9A-Za-z-]*?{named}(?:[ \t]+|\\?["'],\s*\\?["']))[^\s"'\\`-][^\s"'\\`]*"#),
        ),
        rule(Everywhere, &[&["-u ", "--user "], &[":"]], r"(?P<keep>\s(?:-u|--user) [^\s:]+:)\S+".to_owned()),
        rule(Everywhere, &[&["signature="]], r#"(?P<keep>\b(?i:(?:x-amz-)?signature)=)[^\s&"';,]+"#.to_owned()),
        rule(Everywhere, &[&["://"], &["@"]], r"(?P<keep>://[^\s/:@]*:)[^\s/]+(?P<tail>@)".to_owned()),
        // A token in the user's place. With ssh and databases it is a user, and an image has its digest there.
        rule(
            Everywhere,
            &[&["://"], &["@"]],
            r#"(?P<keep>\b(?i:https?|wss?|git|rediss?|amqps?|nats)://)[^\s/:@*"'<>?#]+(?P<tail>@)"#.to_owned(),
        ),
        rule(
            Everywhere,
            &[&["hooks.slack.com/services/"]],
            r#"(?P<keep>hooks\.slack\.com/services/)[^\s"'*]+"#.to_owned(),
        ),
        // Well-known tokens: GitHub, GitLab, Slack, Docker, Stripe, Google, npm, PyPI, Vault, Anthropic and OpenAI, AWS sessions.
        rule(Everywhere, &[&["gh"]], r"\bgh[pousr]_[0-9A-Za-z]{16,}".to_owned()),
        rule(
            Everywhere,
            &[&["github_pat_", "dckr_pat_", "dckr_oat_", "glpat-", "_live_", "_test_", "xapp-", "sk-ant-", "sk-proj-"]],
            r"\b(?:github_pat_|dckr_[po]at_|glpat-|[sr]k_(?:live|test)_|xapp-|sk-(?:ant|proj)-)[0-9A-Za-z_-]{6,}".to_owned(),
        ),
        rule(Everywhere, &[&["xox"]], r"\bxox[a-z]-[0-9A-Za-z-]{8,}".to_owned()),
        rule(Everywhere, &[&["aiza"]], r"\bAIza[0-9A-Za-z_-]{20,}".to_owned()),
        rule(Everywhere, &[&["npm_"]], r"\bnpm_[0-9A-Za-z]{20,}".to_owned()),
        // A name of Kubernetes has no upper case.
        rule(Everywhere, &[&["pypi-"]], r"\bpypi-[0-9a-z-]*[A-Z_][0-9A-Za-z_-]{8,}".to_owned()),
        rule(Everywhere, &[&["hvs.", "hvb.", "hvr."]], r"\bhv[sbr]\.[0-9A-Za-z_-]{16,}".to_owned()),
        rule(
            Everywhere,
            &[&["iqojb3jpz2lu", "fwogzxivyxdz"]],
            r"(?:IQoJb3JpZ2lu|FwoGZXIvYXdz)[0-9A-Za-z+/=%_-]*".to_owned(),
        ),
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
