//! The folder of the cache: `podid/completion` under the user's cache home. Only the user may write to it, and no symbolic link leads
//! to it or out of it: otherwise whoever can put a link, a pipe or a device there decides what podid reads, waits for and deletes.

#[cfg(unix)]
pub(super) use unix::Folder;

/// The form of the names of podid's own files: a hash, and `HASH.PID.part` while it is written.
#[cfg(unix)]
fn is_cache_file(name: &[u8]) -> bool {
    let Some((hash, rest)) = name.split_at_checked(64) else { return false };
    let hex = hash.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let part = rest.strip_prefix(b".").and_then(|rest| rest.strip_suffix(b".part"));
    hex && (rest.is_empty() || part.is_some_and(|pid| !pid.is_empty() && pid.iter().all(u8::is_ascii_digit)))
}

#[cfg(unix)]
mod unix {
    use std::{
        fs::{DirBuilder, File},
        io::{self, Read, Write},
        os::{fd::OwnedFd, unix::fs::DirBuilderExt},
        path::Path,
        time::{Duration, SystemTime},
    };

    use rustix::{
        fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, mkdirat, open, openat, renameat, statat, unlinkat},
        io::Errno,
        process::geteuid,
    };

    use super::is_cache_file;

    /// The largest file that is read or written: many thousands of names.
    const LARGEST: u64 = 4 << 20;

    /// The open folder. Whatever its path leads to later, this is the one that was checked.
    pub(in crate::complete) struct Folder(OwnedFd);

    impl Folder {
        /// Opens the folder under `base`; `create` makes what is missing.
        pub(in crate::complete) fn open(base: &Path, create: bool) -> io::Result<Self> {
            if create {
                DirBuilder::new().recursive(true).mode(0o700).create(base)?;
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            // The base itself may be a link: it is the user's own setting.
            let mut at = open(base, flags, Mode::empty())?;
            for name in ["podid", "completion"] {
                match mkdir(&at, name, create) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
                at = openat(&at, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
                let found = fstat(&at)?;
                let others = Mode::from_raw_mode(found.st_mode).intersects(Mode::WGRP | Mode::WOTH);
                if found.st_uid != geteuid().as_raw() || others {
                    return Err(io::ErrorKind::PermissionDenied.into());
                }
            }
            Ok(Self(at))
        }

        /// What a file of the user's own holds, and when it was written.
        pub(in crate::complete) fn read(&self, name: &str) -> io::Result<(Vec<u8>, SystemTime)> {
            // Without waiting: a pipe in its place has no writer.
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let file = openat(&self.0, name, flags, Mode::empty())?;
            let found = fstat(&file)?;
            let regular = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
            if !regular || found.st_uid != geteuid().as_raw() {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            let file = File::from(file);
            let written = file.metadata()?.modified()?;
            let mut bytes = Vec::new();
            if file.take(LARGEST + 1).read_to_end(&mut bytes)? as u64 > LARGEST {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            Ok((bytes, written))
        }

        /// Puts a file there at once, readable by the user alone.
        pub(in crate::complete) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
            if bytes.len() as u64 > LARGEST {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            let part = format!("{name}.{}.part", std::process::id());
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut file = File::from(openat(&self.0, &part, flags, Mode::RUSR | Mode::WUSR)?);
            let done = file.write_all(bytes).and_then(|()| Ok(renameat(&self.0, &part, &self.0, name)?));
            if done.is_err() {
                let _ = unlinkat(&self.0, &part, AtFlags::empty());
            }
            done
        }

        /// Removes podid's own files that are at least so old. Nothing else is touched, and a link is removed, not followed.
        pub(in crate::complete) fn sweep(&self, age: Duration) -> io::Result<()> {
            let now = SystemTime::now();
            for entry in Dir::read_from(&self.0)? {
                let entry = entry?;
                let name = entry.file_name();
                if !is_cache_file(name.to_bytes()) {
                    continue;
                }
                let seconds = u64::try_from(statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mtime).unwrap_or(0);
                let written = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
                if now.duration_since(written).map_or(true, |is| is >= age) {
                    // A folder of that name is not podid's.
                    let _ = unlinkat(&self.0, name, AtFlags::empty());
                }
            }
            Ok(())
        }
    }

    fn mkdir(at: &OwnedFd, name: &str, create: bool) -> Result<(), Errno> {
        if create { mkdirat(at, name, Mode::RWXU) } else { Ok(()) }
    }
}

/// Elsewhere podid cannot tell who may write to a folder, and keeps nothing.
#[cfg(not(unix))]
pub(super) struct Folder;

#[cfg(not(unix))]
impl Folder {
    pub(super) fn open(_: &std::path::Path, _: bool) -> std::io::Result<Self> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    #[expect(clippy::unused_self, reason = "as on Unix")]
    pub(super) fn read(&self, _: &str) -> std::io::Result<(Vec<u8>, std::time::SystemTime)> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    #[expect(clippy::unused_self, reason = "as on Unix")]
    pub(super) fn write(&self, _: &str, _: &[u8]) -> std::io::Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    #[expect(clippy::unused_self, reason = "as on Unix")]
    pub(super) fn sweep(&self, _: std::time::Duration) -> std::io::Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
        path::PathBuf,
        time::Duration,
    };

    use super::*;

    const NAME: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    /// A folder in which a file of podid's own and one of somebody else lie.
    fn home() -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        Folder::open(home.path(), true).unwrap().write(NAME, b"[]").unwrap();
        let folder = home.path().join("podid/completion");
        fs::write(folder.join("notes"), "mine").unwrap();
        (home, folder)
    }

    #[test]
    fn names_of_its_own() {
        for (name, is) in [
            (NAME.to_owned(), true),
            (format!("{NAME}.17.part"), true),
            (String::new(), false),
            ("notes".to_owned(), false),
            (NAME[1..].to_owned(), false),
            (NAME.to_uppercase(), false),
            (format!("{NAME}0"), false),
            (format!("{NAME}.part"), false),
            (format!("{NAME}..part"), false),
            (format!("{NAME}.x.part"), false),
        ] {
            assert_eq!(is_cache_file(name.as_bytes()), is, "{name}");
        }
    }

    #[test]
    fn only_its_own_files_are_removed() {
        let (home, folder) = home();
        fs::create_dir(folder.join(NAME.replace('0', "a"))).unwrap();
        symlink(folder.join("notes"), folder.join(NAME.replace('0', "b"))).unwrap();
        Folder::open(home.path(), false).unwrap().sweep(Duration::ZERO).unwrap();
        let mut left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [NAME.replace('0', "a").as_str(), "notes"]);
        assert_eq!(fs::read_to_string(folder.join("notes")).unwrap(), "mine");
    }

    /// Each differs from the healthy folder in one thing.
    #[test]
    fn a_folder_that_is_not_the_users_alone() {
        let (home, folder) = home();
        let open = || Folder::open(home.path(), true).map(drop);
        let mode = |path: &PathBuf, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let parent = folder.parent().unwrap().to_owned();
        for path in [&folder, &parent] {
            for wrong in [0o770, 0o707, 0o722, 0o1777] {
                mode(path, wrong);
                assert!(open().is_err(), "{} {wrong:o}", path.display());
                mode(path, 0o755);
                open().unwrap();
            }
            let aside = home.path().join("aside");
            fs::rename(path, &aside).unwrap();
            symlink(&aside, path).unwrap();
            assert!(open().is_err(), "{} is a link", path.display());
            fs::remove_file(path).unwrap();
            fs::write(path, "a file").unwrap();
            assert!(open().is_err(), "{} is a file", path.display());
            fs::remove_file(path).unwrap();
            fs::rename(&aside, path).unwrap();
            open().unwrap();
        }
    }

    #[test]
    fn what_is_no_file_of_the_users_is_not_read() {
        let (home, folder) = home();
        let cache = Folder::open(home.path(), false).unwrap();
        assert_eq!(cache.read(NAME).unwrap().0, b"[]");
        let path = folder.join(NAME);
        let put = |make: &dyn Fn()| {
            fs::remove_file(&path).unwrap();
            make();
            let read = cache.read(NAME);
            assert!(read.is_err(), "{read:?}");
            // It is replaced, and what stood behind it stays.
            cache.write(NAME, b"[]").unwrap();
            assert_eq!(cache.read(NAME).unwrap().0, b"[]");
        };
        put(&|| symlink(folder.join("notes"), &path).unwrap());
        put(&|| rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap());
        put(&|| symlink("/dev/zero", &path).unwrap());
        put(&|| fs::File::create(&path).unwrap().set_len(1 << 40).unwrap());
        assert_eq!(fs::read_to_string(folder.join("notes")).unwrap(), "mine");
    }
}
