//! Completion of `kubectl podid`: kubectl runs `kubectl_complete-podid` with the words after `podid`, and reads what cobra's programs
//! print: a candidate with its description on each line, and last a line with directives.

use std::{env, ffi::OsString, path::Path};

/// Name under which kubectl looks for it.
const NAME: &str = "kubectl_complete-podid";

/// The shell whose protocol has the same lines.
pub(super) const SHELL: &str = "fish";

/// Cobra's directive to offer no files.
pub(super) const NO_FILES: &str = ":4\n";

/// The words to complete, `podid` first; `None` when podid was not called by this name.
pub(super) fn words() -> Option<Vec<OsString>> {
    let mut args = env::args_os();
    let name = args.next()?;
    let asked = Path::new(&name).file_stem().is_some_and(|name| name == NAME);
    asked.then(|| std::iter::once("podid".into()).chain(args).collect())
}
