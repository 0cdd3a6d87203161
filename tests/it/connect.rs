//! Which cluster, by which credentials, over which way; and what is refused before anything is written.

mod aws;
mod cluster;
mod proxy;
mod way;

use std::process::Stdio;

use crate::support::{Env, Run, finish};

/// Something that would be written, if podid got that far.
pub(super) const WRITES: &str = "associate carts/carts --create-role --yes";

/// A run with other variables than usual; `None` takes one away.
pub(crate) fn with(env: &Env, line: &str, vars: &[(&str, Option<&str>)]) -> Run {
    let mut command = env.command(&line.split_whitespace().collect::<Vec<_>>());
    for (name, value) in vars {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// Nothing was written.
#[track_caller]
pub(super) fn untouched(env: &Env, run: &Run) {
    assert_eq!(env.world.journal().writes(), Vec::<String>::new(), "{run}");
}

/// A file in the home directory.
pub(super) fn file(env: &Env, name: &str, text: &str) -> String {
    let path = env.home.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}
