//! Names that were read are kept for a minute, so that the next press of the key costs nothing. Names only: what they were read
//! with is in the file's name, as a hash, and no credential goes into that.
//!
//! A file that cannot be read or written is no failure: the names are read again.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::folder::Folder;
use crate::output::mask::hidden;

/// How long names are good.
const GOOD_FOR: Duration = Duration::from_mins(1);

/// A name that can be offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Name {
    /// The name.
    pub(super) text: String,
    /// Offered only where nothing else fits.
    #[serde(default)]
    pub(super) aside: bool,
}

impl Name {
    /// A name, unless a shell would stumble over it, or a reader: names of AWS and Kubernetes have neither blanks nor characters that
    /// cannot be seen.
    pub(super) fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let plain = !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || hidden(c));
        plain.then_some(Self { text, aside: false })
    }
}

/// Where the names of one answer are kept: the cache home, and the file's name.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    home: PathBuf,
    file: String,
}

impl Entry {
    /// The entry for what `asked` is read with; `None` where there is no folder for it.
    pub(super) fn of(asked: &str, kubeconfig: Option<&str>) -> Option<Self> {
        let vars: Vec<(String, String)> = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
            .collect();
        let files = files(kubeconfig).into_iter().map(|path| state(&path)).collect::<Vec<_>>();
        Some(Self { home: home()?, file: key(asked, &vars, &files) })
    }

    /// The names, while they are good.
    pub(super) fn read(&self) -> Option<Vec<Name>> {
        self.read_at(SystemTime::now())
    }

    fn read_at(&self, now: SystemTime) -> Option<Vec<Name>> {
        let (bytes, written) = Folder::open(&self.home, false).ok()?.read(&self.file).ok()?;
        let age = now.duration_since(written).ok()?;
        let names: Vec<Name> = serde_json::from_slice(&bytes).ok()?;
        let good = age < GOOD_FOR && names.iter().all(|name| Name::new(name.text.as_str()).is_some());
        good.then_some(names)
    }

    /// Keeps the names, and takes away what is too old.
    pub(super) fn write(&self, names: &[Name]) {
        // Who has no cache waits a little longer the next time; there is nobody to tell.
        let _ = self.try_write(names);
    }

    fn try_write(&self, names: &[Name]) -> io::Result<()> {
        let folder = Folder::open(&self.home, true)?;
        folder.sweep(GOOD_FOR)?;
        folder.write(&self.file, &serde_json::to_vec(names)?)
    }
}

/// Removes all names that are kept: they have changed.
pub fn forget() {
    if let Some(home) = home() {
        // At worst a name is offered for a minute that is not there any more.
        let _ = Folder::open(&home, false).and_then(|folder| folder.sweep(Duration::ZERO));
    }
}

/// `$XDG_CACHE_HOME`, or `~/.cache` (XDG Base Directory Specification: a relative path counts as none).
fn home() -> Option<PathBuf> {
    let named = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = named.or_else(|| Some(env::home_dir()?.join(".cache")))?;
    home.is_absolute().then_some(home)
}

/// The files that decide which cluster, account and region it is, as long as no flag does.
fn files(kubeconfig: Option<&str>) -> Vec<PathBuf> {
    let home = |path: &str| env::home_dir().map(|home| home.join(path));
    let var = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let mut files: Vec<PathBuf> = match (kubeconfig, var("KUBECONFIG")) {
        (Some(path), _) => vec![PathBuf::from(path)],
        (None, Some(paths)) => env::split_paths(&paths).collect(),
        (None, None) => home(".kube/config").into_iter().collect(),
    };
    for (name, path) in [("AWS_CONFIG_FILE", ".aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")] {
        files.extend(var(name).map(PathBuf::from).or_else(|| home(path)));
    }
    files
}

/// Which file, and which state of it.
fn state(path: &Path) -> String {
    let of = |path: &Path| {
        let found = fs::metadata(path).ok()?;
        let since = found.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(format!("{} {} {}", fs::canonicalize(path).ok()?.display(), found.len(), since.as_nanos()))
    };
    of(path).unwrap_or_default()
}

/// A hash of all that decides the answer. Secrets do not: whose they are is told by the key's id, the profile or the role.
fn key(asked: &str, vars: &[(String, String)], files: &[String]) -> String {
    let mut deciding: Vec<&(String, String)> = vars.iter().filter(|(name, _)| decides(name)).collect();
    deciding.sort();
    let mut hash = Sha256::new();
    let parts = std::iter::once(env!("CARGO_PKG_VERSION")).chain([asked]);
    let parts = parts.chain(deciding.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]));
    for part in parts.chain(files.iter().map(String::as_str)) {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

fn decides(name: &str) -> bool {
    let secret = name.contains("SECRET") || name.contains("BEARER") || name.ends_with("_TOKEN");
    name.starts_with("AWS_") && !secret || ["HOME", "KUBECONFIG", "PODID_CLUSTER"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Vec<Name> {
        texts.iter().filter_map(|text| Name::new(*text)).collect()
    }

    fn entry(home: &tempfile::TempDir) -> Entry {
        Entry { home: home.path().to_owned(), file: "abcd".repeat(16) }
    }

    fn path(entry: &Entry) -> PathBuf {
        entry.home.join("podid").join("completion").join(&entry.file)
    }

    #[test]
    fn names_are_good_for_a_minute() {
        let home = tempfile::tempdir().unwrap();
        let entry = entry(&home);
        assert_eq!(entry.read(), None);
        entry.write(&names(&["blue", "green"]));
        assert_eq!(entry.read(), Some(names(&["blue", "green"])));
        let later = |seconds| SystemTime::now() + Duration::from_secs(seconds);
        assert_eq!(entry.read_at(later(58)), Some(names(&["blue", "green"])));
        assert_eq!(entry.read_at(later(61)), None);
        // A clock that was set back.
        assert_eq!(entry.read_at(SystemTime::now() - Duration::from_secs(61)), None);
        entry.write(&names(&["red"]));
        assert_eq!(entry.read(), Some(names(&["red"])));
    }

    #[test]
    fn what_is_broken_is_passed_over() {
        let home = tempfile::tempdir().unwrap();
        let entry = entry(&home);
        entry.write(&names(&["blue"]));
        for broken in
            ["", "[", "{}", "[1]", "[{\"text\":\"blue\"}", "[{\"text\":\"b\\u001b[2J\"}]", "[{\"text\":\"\\u202eb\"}]"]
        {
            fs::write(path(&entry), broken).unwrap();
            assert_eq!(entry.read(), None, "{broken}");
        }
        entry.write(&names(&["blue"]));
        assert_eq!(entry.read(), Some(names(&["blue"])));
        // A file stands where the folder should be.
        let none = Entry { home: path(&entry), ..entry };
        none.write(&names(&["blue"]));
        assert_eq!(none.read(), None);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_reads_them() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let entry = entry(&home);
        entry.write(&names(&["blue"]));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let file = path(&entry);
        let folder = file.parent().unwrap();
        assert_eq!((mode(&file), mode(folder), mode(folder.parent().unwrap())), (0o600, 0o700, 0o700));
        assert_eq!(fs::read_dir(folder).unwrap().count(), 1, "a part is left");
    }

    #[test]
    fn old_files_go() {
        let home = tempfile::tempdir().unwrap();
        let (new, old) = (entry(&home), Entry { file: "01d0".repeat(16), ..entry(&home) });
        old.write(&names(&["blue"]));
        let past = SystemTime::now() - Duration::from_mins(2);
        fs::File::options().write(true).open(path(&old)).unwrap().set_modified(past).unwrap();
        new.write(&names(&["green"]));
        assert!(!path(&old).exists() && path(&new).exists());
    }

    #[test]
    fn all_that_decides_is_in_the_key() {
        let vars = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let base = vars(&[("AWS_REGION", "us-west-2"), ("AWS_PROFILE", "dev")]);
        let of = |asked: &str, vars: &[(String, String)], files: &[&str]| {
            key(asked, vars, &files.iter().map(|file| (*file).to_owned()).collect::<Vec<_>>())
        };
        let first = of("clusters", &base, &["f 1"]);
        assert_eq!(first.len(), 64);
        let reversed: Vec<_> = base.iter().rev().cloned().collect();
        assert_eq!(of("clusters", &reversed, &["f 1"]), first);
        let more = |name: &str, value: &str| [&base[..], &vars(&[(name, value)])].concat();
        for other in [
            of("roles", &base, &["f 1"]),
            of("clusters", &base, &["f 2"]),
            of("clusters", &base, &["f 1", ""]),
            of("clusters", &more("AWS_ENDPOINT_URL_EKS", "http://127.0.0.1:1"), &["f 1"]),
            of("clusters", &more("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), &["f 1"]),
            of("clusters", &more("PODID_CLUSTER", "blue"), &["f 1"]),
        ] {
            assert_ne!(other, first);
        }
        for name in ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK", "PATH"] {
            assert_eq!(of("clusters", &more(name, "x"), &["f 1"]), first, "{name}");
        }
    }

    #[test]
    fn names_that_no_shell_takes() {
        for bad in ["", "a b", "a\tb", "a\nb", "\u{1b}[31m", "a\u{202e}b", "a\u{200b}"] {
            assert_eq!(Name::new(bad), None, "{bad:?}");
        }
        assert!(Name::new("arn:aws:eks:us-west-2:111122223333:cluster/a=b,c").is_some());
    }
}
