//! The shells' protocols: clap's own, but for bash, which takes words apart and wants the pieces back.

use std::{
    ffi::OsString,
    io::{self, Write},
    path::Path,
};

use clap::Command;
use clap_complete::{
    engine,
    env::{Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh},
};

use super::line::Line;

/// Every shell.
pub(super) fn all() -> Shells<'static> {
    Shells(&[&Bash, &Elvish, &Fish, &Powershell, &Zsh])
}

/// Writes the candidates as the shell wants them.
pub(super) fn write(
    shell: &dyn EnvCompleter,
    command: &mut Command,
    line: &Line,
    folder: Option<&Path>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let words: Vec<OsString> = line.words.iter().map(OsString::from).collect();
    if !shell.is("bash") {
        return shell.write_complete(command, words, folder, out);
    }
    for candidate in engine::complete(command, words, line.index, folder)? {
        let value = candidate.get_value().to_string_lossy();
        let Some(rest) = value.strip_prefix(line.kept.as_str()) else { continue };
        writeln!(out, "{}", if line.quoted { rest.to_owned() } else { escaped(rest) })?;
    }
    Ok(())
}

/// GNU Bash, from 3.2 on.
struct Bash;

/// `read` instead of `$(…)` into the array: no candidate is taken for a pattern of files. bash 3 has no `compopt`.
const BASH: &str = r#"_podid_complete() {
    local candidate
    COMPREPLY=()
    while IFS= read -r candidate; do
        COMPREPLY+=("$candidate")
    done < <(_PODID_INDEX="$COMP_CWORD" _PODID_CURRENT="$2" _PODID_LINE="${COMP_LINE:0:COMP_POINT}" \
        VARIABLE=bash COMPLETER -- "${COMP_WORDS[@]}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=/:] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
if [[ ${BASH_VERSINFO[0]} -gt 4 || ${BASH_VERSINFO[0]} -eq 4 && ${BASH_VERSINFO[1]} -ge 4 ]]; then
    complete -o bashdefault -o nosort -F _podid_complete PROGRAM
elif [[ ${BASH_VERSINFO[0]} -eq 4 ]]; then
    complete -o bashdefault -F _podid_complete PROGRAM
else
    complete -o bashdefault -o nospace -F _podid_complete PROGRAM
fi
"#;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn is(&self, name: &str) -> bool {
        name == "bash"
    }

    fn write_registration(
        &self,
        variable: &str,
        _name: &str,
        program: &str,
        completer: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let script = BASH.replace("VARIABLE", variable).replace("PROGRAM", &escaped(program));
        out.write_all(script.replace("COMPLETER", &escaped(completer)).as_bytes())
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        folder: Option<&Path>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let line = Line::read(self.name(), &words, |name| std::env::var(name).ok());
        write(self, command, &line, folder, out)
    }
}

/// With a backslash before what bash would take for something else.
fn escaped(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=@,+%~".contains(c);
    word.chars().fold(String::new(), |mut escaped, c| {
        if !plain(c) {
            escaped.push('\\');
        }
        escaped.push(c);
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(line: &Line) -> String {
        let arg = clap::Arg::new("role").long("role").value_parser(["arn:aws:a/one", "arn:aws:a/two", "it's"]);
        let mut out = Vec::new();
        write(&Bash, &mut Command::new("podid").arg(arg), line, None, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn line(words: &[&str], kept: &str, quoted: bool) -> Line {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Line { index: words.len() - 1, words, kept: kept.to_owned(), quoted }
    }

    #[test]
    fn bash_gets_what_it_replaces() {
        assert_eq!(offered(&line(&["podid", "--role", "arn:aws:"], "arn:aws:", false)), "a/one\na/two\n");
        assert_eq!(offered(&line(&["podid", "--role=arn:aws:a/o"], "--role=arn:aws:", false)), "a/one\n");
        assert_eq!(offered(&line(&["podid", "--role", "arn"], "", true)), "arn:aws:a/one\narn:aws:a/two\n");
        assert_eq!(offered(&line(&["podid", "--role", "i"], "", false)), "it\\'s\n");
        assert_eq!(offered(&line(&["podid", "--role", "i"], "", true)), "it's\n");
    }
}
