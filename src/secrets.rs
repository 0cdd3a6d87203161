//! The secrets that podid holds: every part that receives one registers it here, and the output masks it wherever it appears: in a
//! service's message, a log line, a plugin's error or a tag.

use std::{
    borrow::Cow,
    sync::{PoisonError, RwLock},
};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Longest first, so that of two the one that holds the other goes as a whole.
static HELD: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// What stands in a secret's place.
const STARS: &str = "***";

/// Shorter ones occur in words by chance, and so do plain words that somebody uses as a password.
const SHORTEST: usize = 8;
const PLAIN: usize = 16;

/// All but the unreserved characters of RFC 3986.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// From now on it is not printed: as it is, in a URL, in JSON, or as base64.
pub fn hold(secret: &str) {
    let secret = secret.trim();
    let plain = secret.len() < PLAIN && secret.bytes().all(|byte| byte.is_ascii_lowercase());
    if secret.len() < SHORTEST || plain {
        return;
    }
    let json = serde_json::Value::from(secret).to_string();
    let forms = [
        secret.to_owned(),
        utf8_percent_encode(secret, QUERY).to_string(),
        json.trim_matches('"').to_owned(),
        STANDARD_NO_PAD.encode(secret),
    ];
    let mut held = HELD.write().unwrap_or_else(PoisonError::into_inner);
    for form in forms {
        if !held.contains(&form) {
            held.push(form);
        }
    }
    held.sort_by_key(|form| std::cmp::Reverse(form.len()));
}

/// The text without any of them.
pub fn without(text: &str) -> Cow<'_, str> {
    let held = HELD.read().unwrap_or_else(PoisonError::into_inner);
    held.iter().fold(Cow::Borrowed(text), |text, secret| {
        if text.contains(secret.as_str()) { Cow::Owned(text.replace(secret.as_str(), STARS)) } else { text }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_every_form() {
        let secret = "a+b/\"Zq7xWv0Kp";
        for text in [format!("x {secret} y"), format!("?t={}&", utf8_percent_encode(secret, QUERY))] {
            assert_eq!(without(&text), text, "nobody holds it yet");
        }
        hold(secret);
        assert_eq!(without(&format!("x {secret} y")), "x *** y");
        assert_eq!(without(&format!("?t={}&", utf8_percent_encode(secret, QUERY))), "?t=***&");
        assert_eq!(without(&serde_json::json!({ "a": secret }).to_string()), r#"{"a":"***"}"#);
        assert_eq!(without(&STANDARD_NO_PAD.encode(secret)), "***");
    }

    #[test]
    fn what_occurs_by_chance_stays() {
        for word in ["", "test", "hunter2", "localstack", "kubernetes"] {
            hold(word);
            let text = format!("the {word} of localstack in kubernetes");
            assert_eq!(without(&text), text);
        }
    }
}
