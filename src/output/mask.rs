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
pub(super) fn hidden(c: char) -> bool {
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
    /// Of each of these something stands in every text that it applies to. Most texts have nothing of the kind, and a run that shows
    /// none needs no regex.
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

/// What makes a name one of a secret, as environment variables, JSON, YAML and Go fields write them. Only this folds case, and no
/// class is of Unicode's words: those rules take milliseconds to compile.
const SECRET: &str = "(?i:secret|token|passw(?:or)?d|passphrase|credential|api_?key|private_?key)";
const SECRETS: &[&str] =
    &["secret", "token", "passw", "passphrase", "credential", "apikey", "api_key", "privatekey", "private_key"];

/// How such a name begins and goes on.
const NAME: &str = r"[0-9A-Za-z_.\x{80}-\x{10FFFF}-]*";

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
        rule(Everywhere, &[&["k8s-aws-v1."]], r"k8s-aws-v1\.[0-9A-Za-z_.=-]+".to_owned()),
        rule(Everywhere, &[&["eyj"]], r"eyJ[0-9A-Za-z_=-]+\.[0-9A-Za-z_=-]+\.?[0-9A-Za-z_=-]*".to_owned()),
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const JWT: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJhdWQiOlsicG9kcy5la3MiXX0.c2lnbmF0dXJl-_x";

    #[test]
    fn every_rule_compiles() {
        for rule in RULES.iter() {
            assert!(Regex::new(&rule.pattern).is_ok(), "{}", rule.pattern);
        }
    }

    #[test]
    fn masks() {
        for (text, masked) in [
            ("key AKIAIOSFODNN7EXAMPLE used", "key AKIA*** used"),
            ("ASIAIOSFODNN7EXAMPLEX:AROAJQABLZS4A3QDU576Q:session", "ASIA***:AROA***:session"),
            ("\u{1b}[31mAKIAIOSFODNN7EXAMPLE", "\\u{1b}[31mAKIA***"),
            (&format!("got {JWT}, then"), "got ***, then"),
            ("AWS_SECRET_ACCESS_KEY=wJalr/XUtnFEMI+K7MDENG", "AWS_SECRET_ACCESS_KEY=***"),
            ("DB_PASSWORD='a b c' next", "DB_PASSWORD='***' next"),
            ("export GITHUB_TOKEN=\"ghp x\" next", "export GITHUB_TOKEN=\"***\" next"),
            (
                r#"{"secretAccessKey": "abc/def","sessionToken":"xyz","n":1}"#,
                r#"{"secretAccessKey": "***","sessionToken":"***","n":1}"#,
            ),
            (r#""{\"sessionToken\":\"xyz\",\"n\":1}""#, r#""{\"sessionToken\":\"***\",\"n\":1}""#),
            (r#"{"password": "a\"b", "n": 1}"#, r#"{"password": "***", "n": 1}"#),
            ("TOKEN=\"cut off\nnext", "TOKEN=\"***\nnext"),
            ("PASSWORD=a,b;c next", "PASSWORD=*** next"),
            (r#"{"name":"DB_PASSWORD","value":"hunter2"}"#, r#"{"name":"DB_PASSWORD","value":"***"}"#),
            (r#"{"name":"DB_PASSWORD","value":"a\"b\\","n":1}"#, r#"{"name":"DB_PASSWORD","value":"***","n":1}"#),
            (
                r#""{\"name\":\"A_TOKEN\",\"value\":\"x\\\"y\",\"n\":1}""#,
                r#""{\"name\":\"A_TOKEN\",\"value\":\"***\",\"n\":1}""#,
            ),
            ("Authorization: Bearer abc def", "Authorization: ***"),
            ("> authorization: AWS4-HMAC-SHA256 Credential=x, Signature=y\nnext", "> authorization: ***\nnext"),
            ("using Bearer abc.def", "using Bearer ***"),
            (
                "https://sts.us-west-2.amazonaws.com/?X-Amz-Security-Token=IQoJ%2F&X-Amz-Signature=0a1b&x=1",
                "https://sts.us-west-2.amazonaws.com/?X-Amz-Security-Token=***&X-Amz-Signature=***&x=1",
            ),
            ("TOKEN_FILE=/var/run/secrets/a/b-c", "TOKEN_FILE=/var/run/secrets/a/b-c"),
            ("TOKEN=/var/run/secrets/a,PASSWORD=b", "TOKEN=***"),
            ("amqp://u:p@ss@host/", "amqp://u:***@host/"),
            ("k8s-aws-v1.aHR0cHM6Ly9zdHM", "***"),
            ("postgres://carts:hunter2@db:5432/carts", "postgres://carts:***@db:5432/carts"),
            ("session_token: IQoJb3JpZ2luX2VjEXAMPLE", "session_token: ***"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----",
                "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----",
            ),
            // What a diagnosis lives from stays.
            ("error: the security token: expired", "error: the security token: expired"),
            (
                "User: arn:aws:sts::111122223333:assumed-role/carts/eks-x is not authorized",
                "User: arn:aws:sts::111122223333:assumed-role/carts/eks-x is not authorized",
            ),
            ("\tat com.amazonaws.Foo(Foo.java:12)\r\n", "\tat com.amazonaws.Foo(Foo.java:12)\n"),
            ("exec \u{202e}gpj\u{0}", "exec \\u{202e}gpj\\u{0}"),
        ] {
            assert_eq!(mask(text), masked, "{text:?}");
            assert_eq!(mask(masked), masked, "twice: {text:?}");
        }
    }

    #[test]
    fn what_podid_says_keeps_ids_and_prose() {
        for text in [
            "principal AROAJQABLZS4A3QDU576Q was deleted",
            "volume eks-pod-identity-token: not-mounted-in-container",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token",
            "secrets \"carts\" is forbidden: User \"x\" cannot get resource \"secrets\"",
        ] {
            assert_eq!(credentials(text), text);
        }
        assert_eq!(credentials("ASIAIOSFODNN7EXAMPLE TOKEN=abc \u{1b}"), "ASIA*** TOKEN=*** \\u{1b}");
    }

    /// Ways in which a secret gets into a log.
    fn plant(way: usize, secret: &str) -> String {
        match way {
            0 => format!("AWS_SECRET_ACCESS_KEY={secret}"),
            1 => format!("{{\"secretAccessKey\": \"{secret}\"}}"),
            2 => format!("Authorization: {secret}"),
            3 => format!("k8s-aws-v1.{secret}"),
            4 => format!("X-Amz-Signature={secret}&a=b"),
            5 => format!("eyJ{secret}.eyJ{secret}.{secret}"),
            6 => format!("DB_PASSWORD: \"{secret}\""),
            7 => format!("{{\\\"sessionToken\\\":\\\"{secret}\\\"}}"),
            8 => format!("{{\"name\": \"API_TOKEN\", \"value\": \"{secret}\"}}"),
            9 => format!("https://user:{secret}@host/"),
            _ => format!("authorizationToken={secret}"),
        }
    }

    /// What the rules are about, and letters that a regex takes for others.
    const PIECES: &[&str] = &[
        "secret",
        "SECRET",
        "\u{17f}ecret",
        "to\u{212a}en",
        "Token",
        "passwd",
        "password",
        "passphrase",
        "credential",
        "apikey",
        "API_KEY",
        "private_key",
        "authorization",
        "Cookie",
        "coo\u{212a}ie",
        "bearer ",
        "Authorization: Bearer ",
        "name",
        "value",
        "\"",
        "\\\"",
        "'",
        "\\",
        "=",
        ":",
        ": ",
        " ",
        "\n",
        ",",
        "AKIAIOSFODNN7EXAMPLE",
        "ASIA",
        "AROAJQABLZS4A3QDU576Q",
        "AIDA",
        "ABCDEFGHIJKLMN",
        "eyJhbGciOiJSUzI1NiIs",
        ".",
        "k8s-aws-v1.",
        "signature=",
        "X-Amz-\u{17f}ignature=",
        "https://",
        "@",
        "u:p",
        "/var/run/secrets/a",
        "a",
        "_",
        "-",
        "\u{e9}",
        "abcdefghijklmnop",
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----END",
        "{\"name\":\"",
        "\",\"value\":\"",
    ];

    proptest! {
        #[test]
        fn no_planted_secret_survives(
            before in "[ -~\u{1b}\n\t\u{202e}]{0,40}",
            after in "[ -~\u{1b}\n\t]{0,40}",
            secret in "[A-Za-z0-9_]{20,40}",
            way in 0_usize..11,
        ) {
            let text = format!("{before} {} {after}", plant(way, &secret));
            let masked = mask(&text);
            prop_assert!(!masked.contains(&secret), "{text:?} became {masked:?}");
            prop_assert!(masked.chars().all(|c| c == '\n' || c == '\t' || !hidden(c)));
        }

        #[test]
        fn no_part_of_a_quoted_secret_survives(
            parts in prop::collection::vec("[A-Za-z0-9]{8}", 1..4),
            between in prop::collection::vec("[\"\\\\ ,:='{}\n\t]{1,3}", 3),
            pair in any::<bool>(),
            depth in 1..4,
        ) {
            let secret: String = parts.iter().zip(&between).flat_map(|(part, between)| [&part[..], between]).collect();
            let mut text = match pair {
                true => serde_json::json!({"env": [{"name": "DB_PASSWORD", "value": secret}], "n": 1}),
                false => serde_json::json!({"sessionToken": secret, "n": 1}),
            }
            .to_string();
            for _ in 1..depth {
                text = serde_json::json!({ "message": text }).to_string();
            }
            let masked = mask(&text);
            for part in &parts {
                prop_assert!(!masked.contains(part), "{text} became {masked}");
            }
        }

        #[test]
        fn no_rule_is_left_out_that_applies(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..12)) {
            let text = visible(&pieces.concat());
            let all = RULES.iter().fold(text.clone(), |text, rule| rule.apply(text));
            prop_assert_eq!(pass(&text, |_| true), all);
        }

        #[test]
        fn masking_twice_changes_nothing(text in "[ -~\u{1b}\n\t]{0,80}|([a-zA-Z_]{0,5}(TOKEN|secret|Authorization|eyJa.b)[\"'\\\\]{0,2}[:=] ?[\"'\\\\]{0,2}[!-~ ]{0,20}){1,3}") {
            let once = mask(&text);
            prop_assert_eq!(mask(&once), once);
        }
    }
}
