//! What the words before the cursor say: the command, its flags and its arguments, as far as they are typed.
//!
//! clap's own parser wants a whole line; this reads a part of one, and passes over what it does not know.

use clap::{Arg, Command};

/// The words, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Typed {
    /// The command: `role trust`; empty for none.
    pub(super) command: String,
    /// Flags with a value: the argument's id, and the value, in order.
    flags: Vec<(String, String)>,
    /// What is no flag.
    pub(super) arguments: Vec<String>,
}

impl Typed {
    /// Reads the words after the program's name. The command is a built one: there each has the global flags too.
    pub(super) fn read(root: &Command, words: &[String]) -> Self {
        let mut typed = Self::default();
        let mut command = root;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let flag = if word == "--" {
                typed.arguments.extend(words.by_ref().cloned());
                None
            } else if let Some(long) = word.strip_prefix("--") {
                let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
                named(command, |arg| arg.get_long() == Some(name)).map(|arg| (arg, value))
            } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
                short(command, letters)
            } else if let Some(below) = command.find_subcommand(word).filter(|_| typed.arguments.is_empty()) {
                command = below;
                let space = if typed.command.is_empty() { "" } else { " " };
                typed.command.extend([space, below.get_name()]);
                None
            } else {
                typed.arguments.push(word.clone());
                None
            };
            if let Some((arg, value)) = flag
                && let Some(value) = value.map(str::to_owned).or_else(|| words.next().cloned())
            {
                typed.flags.push((arg.get_id().to_string(), value));
            }
        }
        typed
    }

    /// The first value of a flag.
    pub(super) fn flag(&self, id: &str) -> Option<&str> {
        self.flags.iter().find(|(flag, _)| flag == id).map(|(_, value)| value.as_str())
    }

    /// Every value of a flag.
    pub(super) fn values<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a str> {
        self.flags.iter().filter(move |(flag, _)| flag == id).map(|(_, value)| value.as_str())
    }
}

/// A flag that takes a value.
fn named(command: &Command, is: impl Fn(&Arg) -> bool) -> Option<&Arg> {
    command.get_arguments().find(|arg| is(arg) && arg.get_action().takes_values())
}

/// The flag with a value among letters: `-qc blue`, `-cblue`, `-c=blue`.
fn short<'c, 'w>(command: &'c Command, letters: &'w str) -> Option<(&'c Arg, Option<&'w str>)> {
    letters.char_indices().find_map(|(at, letter)| {
        let arg = named(command, |arg| arg.get_short() == Some(letter))?;
        let rest = &letters[at + letter.len_utf8()..];
        let value = (!rest.is_empty()).then(|| rest.strip_prefix('=').unwrap_or(rest));
        Some((arg, value))
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn typed(line: &str) -> Typed {
        let mut root = Cli::command();
        root.build();
        Typed::read(&root, &line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn flags_stand_anywhere() {
        for line in [
            "--cluster blue list -n carts",
            "list --cluster=blue --namespace carts",
            "ls -cblue -n=carts",
            "-vqc blue list -vncarts",
            "list --no-such --cluster blue -n carts -Z",
        ] {
            let typed = typed(line);
            assert_eq!(
                (typed.command.as_str(), typed.flag("cluster"), typed.flag("namespace")),
                ("list", Some("blue"), Some("carts")),
                "{line}"
            );
            assert!(typed.arguments.is_empty(), "{line}: {typed:?}");
        }
    }

    #[test]
    fn arguments_and_values_are_told_apart() {
        let read = typed("recycle a/b --workload deployment/web c/d --stale -y");
        assert_eq!(
            (read.command.as_str(), &read.arguments[..]),
            ("recycle", &["a/b".to_owned(), "c/d".to_owned()][..])
        );
        assert_eq!(read.flag("workload"), Some("deployment/web"));
        assert_eq!(typed("list -c blue -c green").values("cluster").collect::<Vec<_>>(), ["blue", "green"]);
        let read = typed("role trust web --service-account a/b");
        assert_eq!((read.command.as_str(), read.arguments.len()), ("role trust", 1));
        // What follows is no command, and no flag.
        assert_eq!(typed("show list").arguments, ["list"]);
        assert_eq!(typed("list -- -c blue").arguments, ["-c", "blue"]);
        assert_eq!(typed("list --cluster").flag("cluster"), None);
    }
}
