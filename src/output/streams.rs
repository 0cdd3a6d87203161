//! What stdin, stdout and stderr are: detected once, or made up for a test.

use std::{
    env,
    io::{self, IsTerminal, Write},
};

use anstream::AutoStream;
use jiff::Timestamp;

use super::ColorChoice;

/// What is known about the three streams.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about a stream")]
pub struct Streams {
    /// stdout is a terminal.
    pub out_tty: bool,
    /// stderr is a terminal.
    pub err_tty: bool,
    /// stdin is a terminal.
    pub in_tty: bool,
    /// Columns; `None` is unlimited.
    pub width: Option<usize>,
    /// The locale is UTF-8 and the terminal not a dumb one.
    pub unicode: bool,
    /// stdout takes colors.
    pub out_color: bool,
    /// stderr takes colors.
    pub err_color: bool,
    /// Nobody is watching, whatever the streams are.
    pub ci: bool,
    /// A CI system reads along, and carries out lines that look like its commands.
    pub commands: bool,
    /// The cursor of stderr can be moved: bars can be drawn.
    pub movable: bool,
    /// A fixed now, for tests.
    pub now: Option<Timestamp>,
}

/// Variables of CI systems: in general, GitHub and Gitea, Azure Pipelines, TeamCity.
const RUNNERS: [&str; 4] = ["CI", "GITHUB_ACTIONS", "TF_BUILD", "TEAMCITY_VERSION"];

impl Streams {
    /// Those of the process, with their writers.
    pub(super) fn detect(color: ColorChoice) -> (Self, Box<dyn Write + Send>, Box<dyn Write + Send>) {
        let choice = match color {
            ColorChoice::Auto => anstream::ColorChoice::Auto,
            ColorChoice::Always => anstream::ColorChoice::Always,
            ColorChoice::Never => anstream::ColorChoice::Never,
        };
        let (out, err) = (io::stdout(), io::stderr());
        let decide = |auto: anstream::ColorChoice| if color == ColorChoice::Auto { auto } else { choice };
        let (out_choice, err_choice) = (decide(AutoStream::choice(&out)), decide(AutoStream::choice(&err)));
        let var = |name: &str| env::var(name).ok();
        let (out_tty, err_tty) = (out.is_terminal(), err.is_terminal());
        let dumb = var("TERM").is_some_and(|term| term == "dumb");
        let streams = Self {
            out_tty,
            err_tty,
            in_tty: io::stdin().is_terminal(),
            width: width(
                var("COLUMNS").as_deref(),
                terminal_size::terminal_size().map(|(w, _)| w.0),
                out_tty || err_tty,
            ),
            unicode: utf8(&var, cfg!(windows)) && !dumb,
            out_color: out_choice != anstream::ColorChoice::Never,
            err_color: err_choice != anstream::ColorChoice::Never,
            ci: ci(var("CI").as_deref()),
            commands: RUNNERS.iter().any(|name| ci(var(name).as_deref())),
            movable: err_tty && !dumb,
            now: None,
        };
        (streams, Box::new(AutoStream::new(out, out_choice)), Box::new(AutoStream::new(err, err_choice)))
    }
}

/// COLUMNS wins, then the terminal's own word, then 80; a pipe is as wide as it needs to be.
fn width(columns: Option<&str>, terminal: Option<u16>, tty: bool) -> Option<usize> {
    let columns = columns.and_then(|c| c.trim().parse().ok()).filter(|&c: &usize| c > 0);
    let terminal = terminal.filter(|&w| w > 0).map(usize::from);
    columns.or_else(|| tty.then(|| terminal.unwrap_or(80)))
}

/// The first of the three that is set decides, as in C.
fn utf8(var: &impl Fn(&str) -> Option<String>, windows: bool) -> bool {
    if windows {
        return var("WT_SESSION").is_some();
    }
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| var(name).filter(|value| !value.is_empty()))
        .is_some_and(|value| value.to_ascii_lowercase().replace('-', "").contains("utf8"))
}

fn ci(value: Option<&str>) -> bool {
    value.is_some_and(|v| !matches!(v.to_ascii_lowercase().as_str(), "" | "0" | "false"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths() {
        assert_eq!(width(Some("100"), Some(200), true), Some(100));
        assert_eq!(width(Some("100"), None, false), Some(100));
        assert_eq!(width(Some("x"), Some(200), true), Some(200));
        assert_eq!(width(Some("0"), Some(0), true), Some(80));
        assert_eq!(width(None, Some(200), false), None);
    }

    #[test]
    fn locales() {
        let with = |vars: &'static [(&str, &str)]| {
            utf8(&|name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()), false)
        };
        assert!(with(&[("LANG", "en_US.UTF-8")]));
        assert!(with(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8")]));
        assert!(!with(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]));
        assert!(!with(&[]));
    }

    #[test]
    fn continuous_integration() {
        assert!(ci(Some("true")) && ci(Some("1")));
        assert!(!ci(Some("false")) && !ci(Some("")) && !ci(None));
    }
}
