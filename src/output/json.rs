//! JSON and YAML as text. What others wrote into a value cannot reach the terminal as a control character.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    gate::{command, has_command},
    mask::hidden,
};
use crate::failure::{Failure, Result};

/// Pretty JSON with a line end.
pub fn pretty(document: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(document).map_err(|e| unprintable(&e))?;
    Ok(escape(&text) + "\n")
}

/// JSON on one line with a line end.
pub fn line(document: &impl Serialize) -> String {
    escape(&serde_json::to_string(document).unwrap_or_default()) + "\n"
}

/// YAML with a line end.
///
/// serde_yaml leaves some controls as they are, and breaks lines at some that are no line ends (U+0085, U+2028, U+2029: YAML
/// 1.1, 5.4; not so in YAML 1.2). A document with any of them is written in YAML's flow style, as JSON, with escapes.
pub fn yaml(document: &impl Serialize) -> Result<String> {
    let text = serde_yaml::to_string(document).map_err(|e| unprintable(&e))?;
    if !text.chars().any(raw) && !has_command(&text) {
        return Ok(text);
    }
    let text = serde_json::to_string_pretty(document).map_err(|e| unprintable(&e))?;
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if raw(c) || c == '#' && command(&text[at..], false) {
            let _ = write!(out, "\\U{:08x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    Ok(out + "\n")
}

fn unprintable(error: &dyn std::fmt::Display) -> Failure {
    Failure::failed("cannot write the result").because(error.to_string())
}

/// What neither may stand in a document as it is, nor reach a terminal.
fn raw(c: char) -> bool {
    c != '\n' && hidden(c)
}

/// serde_json escapes the controls below U+0020 only; all others stand inside strings, where an escape means the same. So does
/// `##[error]`, which a CI system's runner would carry out.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if raw(c) || c == '#' && command(&text[at..], false) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_keep_the_value() {
        let value = serde_json::json!({"a": "x\u{9b}31m\u{202e}y\u{e0001}é\n"});
        let text = pretty(&value).unwrap();
        assert_eq!(text, "{\n  \"a\": \"x\\u009b31m\\u202ey\\udb40\\udc01é\\n\"\n}\n");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line(&value)).unwrap(), value);
    }

    #[test]
    fn commands_keep_the_value() {
        let value = serde_json::json!({"a": "x ##[error]y\n::error::z\n ##vso[task] # a ## b"});
        for text in [pretty(&value).unwrap(), line(&value), yaml(&value).unwrap()] {
            assert!(!has_command(&text), "{text}");
            assert_eq!(serde_yaml::from_str::<serde_json::Value>(&text).unwrap(), value, "{text}");
        }
    }

    #[test]
    fn yaml_keeps_the_value() {
        let value = serde_json::json!({"account": "012345678901", "no": "no", "b": ["x\u{1b}y"]});
        let text = yaml(&value).unwrap();
        assert!(text.ends_with('\n') && !text.contains('\u{1b}'), "{text:?}");
        assert_eq!(serde_yaml::from_str::<serde_json::Value>(&text).unwrap(), value);
        for c in ['\r', '\u{7f}', '\u{85}', '\u{2028}', '\u{2029}', '\u{202e}', '\u{e0001}'] {
            let value = serde_json::json!({"a": [format!("{c}"), format!("x\n{c}y  {c}\n")]});
            let text = yaml(&value).unwrap();
            assert!(!text.contains(c), "{text:?}");
            assert_eq!(serde_yaml::from_str::<serde_json::Value>(&text).unwrap(), value, "{text}");
        }
    }
}
