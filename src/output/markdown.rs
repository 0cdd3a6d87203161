//! Text in Markdown: what is foreign in it stays text.

use jiff::Timestamp;

use super::mask;

/// When a report was made, and by what: `2026-03-01 12:00:00 UTC, podid 1.0.0`.
pub fn stamp(at: Timestamp) -> String {
    format!("{}, podid {}", time(at), env!("CARGO_PKG_VERSION"))
}

/// `2026-03-01 12:00:00 UTC`.
pub fn time(at: Timestamp) -> impl std::fmt::Display {
    at.strftime("%Y-%m-%d %H:%M:%S UTC")
}

/// One line of text in which nothing is markup, and nobody is mentioned (CommonMark 2.4: a backslash before any ASCII punctuation).
pub fn text(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    for c in line(words).chars() {
        match c {
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '&' | '!' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// One line of text in which what stands in backticks is code.
pub fn sentence(words: &str) -> String {
    let parts: Vec<&str> = words.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return text(words);
    }
    parts.iter().enumerate().map(|(at, part)| if at % 2 == 0 { text(part) } else { code(part) }).collect()
}

/// One line of code; longer runs of backticks around those that are in it (CommonMark 6.1).
pub fn code(words: &str) -> String {
    let words = line(words);
    let runs = words.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(runs + 1);
    let gap = if words.starts_with('`') || words.ends_with('`') || words.trim().is_empty() { " " } else { "" };
    format!("{fence}{gap}{words}{gap}{fence}")
}

fn line(words: &str) -> String {
    mask::visible(&words.replace(['\n', '\r', '\t'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_foreign_is_markup() {
        for (words, wanted) in [
            ("a*b_c", r"a\*b\_c"),
            ("<script> | @team\n# x", r"\<script\> \| &#64;team \# x"),
            ("[x](http://y)", r"\[x\](http://y)"),
        ] {
            assert_eq!(text(words), wanted);
        }
        assert_eq!(sentence("put `a*b` into a*b"), r"put `a*b` into a\*b");
        assert_eq!(sentence("a ` b"), r"a \` b");
        for (words, wanted) in [("a|b", "`a|b`"), ("a`b", "``a`b``"), ("`x", "`` `x ``"), ("a\nb", "`a b`")] {
            assert_eq!(code(words), wanted);
        }
    }
}
