//! The line as a shell hands it over, and as the shell will read it: without quotes, and with the words put together that bash
//! takes apart at `=` and `:` (`--cluster=blue`, the ARN of a role).

use std::ffi::OsString;

/// What is typed up to the cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// The words, the program's name first.
    pub(super) words: Vec<String>,
    /// Which of them is being completed.
    pub(super) index: usize,
    /// What of that word stays as it is: the shell replaces only the rest.
    pub(super) kept: String,
    /// It stands in quotes, which the shell keeps.
    pub(super) quoted: bool,
}

impl Line {
    /// Reads it from the arguments, and the environment that the shell's script sets.
    pub(super) fn read(shell: &str, words: &[OsString], env: impl Fn(&str) -> Option<String>) -> Self {
        let mut words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let last = words.len().saturating_sub(1);
        let number = |name: &str| env(name).and_then(|text| text.parse().ok());
        match shell {
            "bash" => {
                let index = number("_PODID_INDEX").unwrap_or(last).min(last);
                let current = env("_PODID_CURRENT").unwrap_or_else(|| words[index].clone());
                Self::joined(&words, index, &env("_PODID_LINE").unwrap_or_default(), &current)
            }
            // These give words as they are typed.
            "zsh" | "elvish" => {
                let index = number("_CLAP_COMPLETE_INDEX").unwrap_or(last).min(words.len());
                let mut words: Vec<String> = words.iter().map(|word| unquoted(word)).collect();
                words.resize(words.len().max(index + 1), String::new());
                Self { words, index, ..Self::default() }
            }
            _ => {
                if let Some(current) = words.last_mut().filter(|_| shell == "fish") {
                    // Only this one is as it is typed.
                    *current = unquoted(current);
                }
                Self { words, index: last, ..Self::default() }
            }
        }
    }

    /// The words of bash. What was typed up to the cursor (`line`) tells which of them belong together; `current` is the end of
    /// it that bash replaces.
    fn joined(words: &[String], index: usize, line: &str, current: &str) -> Self {
        let Some(pieces) = pieces(words, index, line) else {
            // Nothing to tell by, in a shell that is not interactive for example.
            let words = words.iter().enumerate().map(|(at, word)| unquoted(if at == index { current } else { word }));
            return Self { words: words.collect(), index, ..Self::default() };
        };
        let (last, before) = pieces.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
        let kept = last.strip_suffix(current).unwrap_or_default();
        let mut joined: Vec<String> = before.iter().map(|word| unquoted(word)).collect();
        joined.push(unquoted(last));
        Self { index: joined.len() - 1, words: joined, kept: unquoted(kept), quoted: last.contains(['\'', '"']) }
    }

    /// The word that is being completed, as far as it is typed.
    pub(super) fn current(&self) -> &str {
        self.words.get(self.index).map_or("", String::as_str)
    }

    /// The words before it, without the program's name.
    pub(super) fn before(&self) -> &[String] {
        self.words.get(1..self.index).unwrap_or_default()
    }
}

/// Words that touch each other in the line, put together; the last one up to the end of the line.
fn pieces(words: &[String], index: usize, line: &str) -> Option<Vec<String>> {
    let mut rest = &line[line.find(words.first()?.as_str())?..];
    let mut pieces: Vec<String> = Vec::new();
    for (at, word) in words.iter().enumerate().take(index + 1) {
        let trimmed = rest.trim_start();
        let touches = trimmed.len() == rest.len() && at > 0;
        let typed = if at == index && word.starts_with(trimmed) { trimmed } else { word.as_str() };
        rest = trimmed.strip_prefix(typed)?;
        match pieces.last_mut().filter(|_| touches) {
            Some(piece) => piece.push_str(typed),
            None => pieces.push(typed.to_owned()),
        }
    }
    Some(pieces)
}

/// A word without the quotes and backslashes of a shell; a quote may still be open.
fn unquoted(word: &str) -> String {
    let mut plain = String::new();
    let mut quote = None;
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('\\', None | Some('"')) => plain.extend(chars.next()),
            (c, _) => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    /// As bash 4 and later give it: its words, which of them, the line up to the cursor, and what is replaced.
    fn bash(words: &[&str], index: usize, line: &str, current: &str) -> (Vec<String>, String) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let line = Line::joined(&words, index, line, current);
        assert_eq!(line.index, line.words.len() - 1);
        (line.words, line.kept)
    }

    #[test]
    fn bash_takes_words_apart() {
        for (given, index, line, current, wanted, kept) in [
            (&["podid", "show", "ca"][..], 2, "podid show ca", "ca", &["podid", "show", "ca"][..], ""),
            (&["podid", "show", ""], 2, "podid show ", "", &["podid", "show", ""], ""),
            // The cursor stands before `rts`.
            (&["podid", "show", "carts"], 2, "podid show ca", "ca", &["podid", "show", "ca"], ""),
            (
                &["podid", "--cluster", "=", "bl"],
                3,
                "podid --cluster=bl",
                "bl",
                &["podid", "--cluster=bl"],
                "--cluster=",
            ),
            (&["podid", "--cluster", "="], 2, "podid --cluster=", "", &["podid", "--cluster="], "--cluster="),
            (
                &["podid", "-c", "arn", ":", "aws", ":", "eks", "show", "c"],
                8,
                "podid -c arn:aws:eks show c",
                "c",
                &["podid", "-c", "arn:aws:eks", "show", "c"],
                "",
            ),
            (
                &["podid", "--context", "arn", ":", "aws", ":"],
                5,
                "podid --context arn:aws:",
                "",
                &["podid", "--context", "arn:aws:"],
                "arn:aws:",
            ),
            // bash 3 does not, but replaces the end all the same.
            (&["podid", "--cluster=bl"], 1, "podid --cluster=bl", "bl", &["podid", "--cluster=bl"], "--cluster="),
            (&["podid", "show", "'ca"], 2, "podid show 'ca", "ca", &["podid", "show", "ca"], ""),
            (
                &["podid", "list", "'team-*/*'", "c"],
                3,
                "podid list 'team-*/*' c",
                "c",
                &["podid", "list", "team-*/*", "c"],
                "",
            ),
            (&["podid", "show", "c"], 2, "X=1 podid show c", "c", &["podid", "show", "c"], ""),
            // Without a line.
            (&["podid", "show", "'c"], 2, "", "c", &["podid", "show", "c"], ""),
        ] {
            let (words, left) = bash(given, index, line, current);
            assert_eq!(
                (words.iter().map(String::as_str).collect::<Vec<_>>(), left.as_str()),
                (wanted.to_vec(), kept),
                "{line}"
            );
        }
    }

    #[test]
    fn the_others_give_whole_words() {
        let index = |name: &str| (name == "_CLAP_COMPLETE_INDEX").then(|| "2".to_owned());
        let line = Line::read("zsh", &words(&["podid", "show"]), index);
        assert_eq!((line.words.len(), line.current(), line.before()), (3, "", &["show".to_owned()][..]));
        let line = Line::read("zsh", &words(&["podid", "show", "'ca", "--no-pods"]), index);
        assert_eq!((line.current(), line.before()), ("ca", &["show".to_owned()][..]));
        let line = Line::read("fish", &words(&["podid", "it's", "'ca"]), |_| None);
        assert_eq!((line.before(), line.current(), line.index), (&["it's".to_owned()][..], "ca", 2));
    }

    #[test]
    fn quotes() {
        for (typed, wanted) in [
            ("carts", "carts"),
            ("'team-*/*'", "team-*/*"),
            ("'open", "open"),
            ("my\\ profile", "my profile"),
            ("\"a'b\"", "a'b"),
            ("'a\\b'", "a\\b"),
            ("end\\", "end"),
        ] {
            assert_eq!(unquoted(typed), wanted);
        }
    }
}
