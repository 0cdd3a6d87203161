//! Finds a command as a shell does, so that one that cannot be run is refused before anybody is asked for credentials.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
};

use crate::failure::{Code, Failure, Result};

/// Where exec looks when PATH is not set.
const USUAL: &str = "/usr/bin:/bin";

/// The file that a command's name stands for.
///
/// # Errors
/// [`Code::NotFound`], or [`Code::NotExecutable`] for what is there and cannot be run.
pub fn find(name: &OsStr, path: Option<OsString>) -> Result<PathBuf> {
    let shown = name.to_string_lossy();
    let missing = || Failure::new(Code::NotFound, format!("command not found: `{shown}`"));
    if name.is_empty() {
        return Err(missing());
    }
    if Path::new(name).components().count() > 1 || shown.ends_with(std::path::MAIN_SEPARATOR) {
        return match state(Path::new(name)) {
            State::Runs => Ok(PathBuf::from(name)),
            State::Missing => Err(missing()),
            State::Refused(why) => Err(not_executable(name, why)),
        };
    }
    let mut refused = None;
    for folder in std::env::split_paths(&path.unwrap_or_else(|| USUAL.into())) {
        // An empty part is the present folder.
        let file = if folder.as_os_str().is_empty() { Path::new(".").join(name) } else { folder.join(name) };
        let file = if cfg!(windows) && file.extension().is_none() { file.with_extension("exe") } else { file };
        match state(&file) {
            State::Runs => return Ok(file),
            State::Refused(why) => refused = refused.or(Some((file, why))),
            State::Missing => {}
        }
    }
    match refused {
        Some((file, why)) => Err(not_executable(file.as_os_str(), why)),
        None => {
            Err(missing().hint("check its name and `PATH`; shell functions and aliases need a shell: `-- sh -c '…'`"))
        }
    }
}

/// What the system says when a command that was found does not start.
pub fn not_started(name: &OsStr, error: &io::Error) -> Failure {
    let code = if error.kind() == io::ErrorKind::NotFound { Code::NotFound } else { Code::NotExecutable };
    Failure::new(code, format!("cannot run `{}`", name.to_string_lossy())).because(error.to_string())
}

fn not_executable(file: &OsStr, why: &str) -> Failure {
    Failure::new(Code::NotExecutable, format!("cannot run `{}`", file.to_string_lossy())).because(why)
}

enum State {
    Runs,
    Missing,
    Refused(&'static str),
}

fn state(file: &Path) -> State {
    match file.metadata() {
        Ok(found) if found.is_dir() => State::Refused("it is a directory"),
        Ok(found) if !may_run(file, &found) => State::Refused("it is not executable"),
        Ok(_) => State::Runs,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => State::Refused("permission denied"),
        Err(_) => State::Missing,
    }
}

#[cfg(unix)]
fn may_run(file: &Path, found: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    // Root may do anything but run what nobody may.
    found.permissions().mode() & 0o111 != 0 && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(not(unix))]
fn may_run(_: &Path, _: &std::fs::Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_a_shell_finds_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = |parts: &[&Path]| Some(std::env::join_paths(parts).unwrap());
        let plain = folder.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        let code = |name: &OsStr, path: Option<OsString>| find(name, path).map_err(|failure| failure.code);
        assert!(code("sh".as_ref(), path(&[folder.path(), Path::new("/bin")])).unwrap().starts_with("/bin"));
        assert!(code("sh".as_ref(), None).is_ok(), "the usual folders without PATH");
        assert_eq!(code("sh".as_ref(), path(&[folder.path()])), Err(Code::NotFound));
        assert_eq!(code("".as_ref(), None), Err(Code::NotFound));
        assert_eq!(code("plain".as_ref(), path(&[folder.path()])), Err(Code::NotExecutable));
        assert_eq!(code(plain.as_ref(), None), Err(Code::NotExecutable));
        assert_eq!(code(folder.path().as_ref(), None), Err(Code::NotExecutable));
        assert_eq!(code(folder.path().join("none").as_ref(), None), Err(Code::NotFound));
        assert_eq!(code("/bin/sh".as_ref(), None), Ok("/bin/sh".into()));
    }
}
