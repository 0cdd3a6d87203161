//! The last thing before a stream: whatever is printed passes here, whoever wrote it. No secret that podid holds gets out, no character
//! that moves the cursor, cannot be seen or turns the direction, and in a CI system no line that its runner would carry out.
//!
//! Tables, blocks and documents escape by themselves what would break their own form; this is what holds for all of them.

use std::{borrow::Cow, fmt::Write as _};

use super::mask::hidden;
use crate::secrets;

/// What a stream may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gate {
    /// podid's own colors stay.
    pub(super) color: bool,
    /// Which workflow commands of CI systems are left as they are.
    pub(super) commands: Commands,
}

/// Workflow commands that may be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Commands {
    /// All: no CI system reads along.
    Any,
    /// Those that begin a line: podid wrote them. Whatever else is in the line is foreign.
    Own,
    /// None.
    None,
}

impl Commands {
    /// Whether one begins here that may not be printed; `first` as in [`command`].
    fn refuses(self, text: &str, first: bool) -> bool {
        match self {
            Self::Any => false,
            Self::Own => command(text, false),
            Self::None => command(text, first),
        }
    }
}

impl Gate {
    /// The text as it may be printed.
    pub(super) fn pass(self, text: &str) -> Cow<'_, str> {
        let known = secrets::without(text);
        let bad = known.chars().any(raw) || self.commands != Commands::Any && has_command(&known);
        if !bad {
            return known;
        }
        let mut out = String::with_capacity(known.len() + 16);
        let (mut rest, mut first) = (&*known, true);
        while let Some(c) = rest.chars().next() {
            if let Some(length) = color(rest).filter(|_| self.color) {
                out.push_str(&rest[..length]);
                rest = &rest[length..];
                continue;
            }
            if raw(c) || self.commands.refuses(rest, first) {
                let _ = write!(out, "{}", c.escape_unicode());
            } else {
                out.push(c);
            }
            first = c == '\n' || first && (c.is_whitespace() || hidden(c));
            rest = &rest[c.len_utf8()..];
        }
        Cow::Owned(out)
    }
}

fn raw(c: char) -> bool {
    c != '\n' && c != '\t' && hidden(c)
}

/// Length of one of the sequences that [`super::Paint`] and the usage errors are painted with.
fn color(text: &str) -> Option<usize> {
    let (code, _) = text.strip_prefix("\u{1b}[")?.split_once('m')?;
    ["0", "1", "2", "4", "31", "32", "33", "36"].contains(&code).then_some(code.len() + 3)
}

/// Whether a command of a CI system begins here: `::error::` (GitHub, Gitea) at the beginning of a line; `##[error]`,
/// `##vso[task.setvariable]` (Azure Pipelines), `##teamcity[…]` anywhere. `first`: nothing but blanks stands before it in its line.
pub(super) fn command(text: &str, first: bool) -> bool {
    if first && text.starts_with("::") {
        return true;
    }
    let Some(rest) = text.strip_prefix("##") else { return false };
    rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).starts_with('[')
}

/// Whether there may be one.
pub(crate) fn has_command(text: &str) -> bool {
    let hashes = || text.match_indices('#').any(|(at, _)| command(&text[at..], false));
    hashes()
        || text.lines().any(|line| line.trim_start_matches(|c: char| c.is_whitespace() || hidden(c)).starts_with("::"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CI: Gate = Gate { color: false, commands: Commands::None };
    const PLAIN: Gate = Gate { color: false, commands: Commands::Any };

    #[test]
    fn commands() {
        for (text, passed) in [
            ("::error::x", "\\u{3a}:error::x"),
            ("a\n \t::add-mask::x", "a\n \t\\u{3a}:add-mask::x"),
            ("a\u{a0}\n\u{a0}::x", "a\u{a0}\n\u{a0}\\u{3a}:x"),
            ("x ##[error]y", "x \\u{23}#[error]y"),
            ("##vso[task.setvariable]", "\\u{23}#vso[task.setvariable]"),
            ("###[x", "#\\u{23}#[x"),
            ("\u{200b}::x", "\\u{200b}\\u{3a}:x"),
            // No commands.
            ("arn:aws:iam::aws:policy/X, a::b ## Title #[x]", "arn:aws:iam::aws:policy/X, a::b ## Title #[x]"),
        ] {
            assert_eq!(CI.pass(text), passed);
            assert_eq!(CI.pass(passed), passed, "twice");
        }
        assert_eq!(PLAIN.pass("::error::x ##[y]"), "::error::x ##[y]");
        let own = Gate { commands: Commands::Own, ..CI };
        assert_eq!(own.pass("::error::x ##[y]\n"), "::error::x \\u{23}#[y]\n");
    }

    #[test]
    fn colors_of_podids_own() {
        let painted = Gate { color: true, commands: Commands::Any };
        for own in ["\u{1b}[1m\u{1b}[31merror:\u{1b}[0m x", "\u{1b}[36ma\u{1b}[0m"] {
            assert_eq!(painted.pass(own), own);
            assert!(!PLAIN.pass(own).contains('\u{1b}'));
        }
        for other in ["\u{1b}[2J", "\u{1b}[8mhidden", "\u{1b}]0;title\u{7}", "\u{9b}31m", "\u{1b}[1;31m"] {
            assert!(!painted.pass(other).chars().any(raw), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_raw_comes_out(text in "(\\PC|[\u{0}-\u{20}\u{7f}-\u{9f}:#\\[\u{200b}-\u{200f}\u{202a}-\u{202e}\u{2066}-\u{2069}\u{feff}\u{e0001}-\u{e007f}]){0,40}") {
            let passed = CI.pass(&text).into_owned();
            prop_assert!(!passed.chars().any(raw) && !has_command(&passed), "{passed:?}");
            prop_assert_eq!(CI.pass(&passed).into_owned(), passed.clone());
        }
    }
}
