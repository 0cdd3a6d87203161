//! Live completion: candidates for the word under the shell's cursor, with the names that exist now.
//!
//! The shell's stub calls podid with the words typed so far. Names that have to be looked up are read by a second process of
//! podid, the reader: it ends with all that it started once the budget is spent, be it a process for credentials, a plugin of a
//! kubeconfig, or a server that never answers. Whatever fails is silent: nothing is offered then, and the exit code is 0.

mod cache;
mod folder;
mod kubectl;
mod line;
mod nouns;
mod reader;
mod shells;
mod typed;

pub use self::cache::forget;

use std::{
    env,
    ffi::OsString,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::CommandFactory;
use clap_complete::CompleteEnv;

use self::line::Line;
use crate::{
    cli::Cli,
    commands::completions::VARIABLE,
    output::{Term, TermSettings},
};

/// How long an answer may take, all in all.
const BUDGET: Duration = Duration::from_millis(800);

/// Variable by which a user far from the cluster gives it more.
const TIMEOUT: &str = "PODID_COMPLETE_TIMEOUT";

/// The budget; what is no duration counts as none given.
fn budget(given: Option<&str>) -> Duration {
    given.and_then(|text| humantime::parse_duration(text).ok()).unwrap_or(BUDGET)
}

/// Answers a shell, or reads names for an answer; `None` when podid was called for anything else.
pub fn answer() -> Option<ExitCode> {
    let started = Instant::now();
    if let Some(request) = reader::request() {
        return Some(reader::run(&request));
    }
    let until = started + budget(env::var(TIMEOUT).ok().as_deref());
    if let Some(words) = kubectl::words() {
        return Some(offer(&kubectl::SHELL.into(), &words, until, kubectl::NO_FILES));
    }
    let shell = env::var_os(VARIABLE).filter(|shell| !shell.is_empty() && shell != "0")?;
    let words: Vec<OsString> = env::args_os().skip_while(|arg| arg != "--").skip(1).collect();
    if words.is_empty() { register() } else { Some(offer(&shell, &words, until, "")) }
}

/// Prints what makes a shell call podid for candidates.
fn register() -> Option<ExitCode> {
    let complete = CompleteEnv::with_factory(Cli::command).var(VARIABLE).shells(shells::all());
    match complete.try_complete(env::args_os(), env::current_dir().ok().as_deref()) {
        Ok(true) => Some(ExitCode::SUCCESS),
        Ok(false) => None,
        Err(error) => {
            // A closed pipe is not worth a word.
            let _ = error.print();
            Some(ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1)))
        }
    }
}

/// Prints the candidates, and what ends them.
fn offer(shell: &OsString, words: &[OsString], until: Instant, end: &str) -> ExitCode {
    let name = Path::new(shell).file_stem().unwrap_or(shell).to_string_lossy();
    let all = shells::all();
    if let Some(shell) = all.completer(&name) {
        let line = Line::read(shell.name(), words, |name| env::var(name).ok());
        let mut command = Cli::command();
        command.build();
        nouns::attach(&mut command, &line, until);
        let mut out = Vec::new();
        let written = shells::write(shell, &mut command, &line, env::current_dir().ok().as_deref(), &mut out);
        if written.is_ok() {
            out.extend_from_slice(end.as_bytes());
            // Nobody can be told when the shell does not listen.
            let _ = Term::new(TermSettings::default()).emit(&String::from_utf8_lossy(&out));
        }
    }
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget() {
        for none in [None, Some(""), Some("soon"), Some("5")] {
            assert_eq!(budget(none), Duration::from_millis(800), "{none:?}");
        }
        assert_eq!(budget(Some("2s")), Duration::from_secs(2));
    }
}
