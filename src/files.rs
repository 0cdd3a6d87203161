//! Reading what users name: files, pipes and stdin, never more than a limit. And writing a file, whole or not at all. The only place
//! that opens a user's file.
//!
//! All of it blocks: a pipe may have no writer. Commands read on a thread of its own, see [`crate::wait::Deadline::blocking`].

use std::{
    fs::{File, Metadata},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// The system's own words.
    #[error("{0}")]
    System(#[from] io::Error),
    /// Neither a file nor a pipe.
    #[error("it is {0}, not a file")]
    Kind(&'static str),
    /// Past the limit.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    /// Another encoding.
    #[error("it is UTF-16, not UTF-8")]
    Utf16,
    /// No text, from this line on.
    #[error("line {0}: this is not UTF-8 text")]
    Encoding(usize),
}

/// The text of a file or pipe, at most `most` bytes of it.
///
/// # Errors
/// When it cannot be read, is a directory or device, too large, or no UTF-8.
pub fn text(path: &Path, most: u64) -> Result<String, Unread> {
    stream(&mut open(path)?, most)
}

/// What a program printed, at most `most` bytes of it: bytes that are no text are replaced, since programs print what they were
/// given. PowerShell redirects as UTF-16.
///
/// # Errors
/// When it cannot be read, is a directory or device, or too large.
pub fn log(path: &Path, most: u64) -> Result<String, Unread> {
    let bytes = bytes(&mut open(path)?, most)?;
    let units = |of: fn([u8; 2]) -> u16| {
        let pairs: Vec<u16> = bytes[2..].chunks_exact(2).map(|pair| of([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&pairs)
    };
    Ok(match bytes {
        _ if bytes.starts_with(&[0xff, 0xfe]) => units(u16::from_le_bytes),
        _ if bytes.starts_with(&[0xfe, 0xff]) => units(u16::from_be_bytes),
        _ => String::from_utf8_lossy(&bytes).into_owned(),
    })
}

fn open(path: &Path) -> Result<File, Unread> {
    // Opening a device can already do something: it is not opened to find out.
    refuse_other_kinds(&std::fs::metadata(path)?)?;
    let file = File::open(path)?;
    refuse_other_kinds(&file.metadata()?)?;
    Ok(file)
}

fn bytes(stream: &mut dyn Read, most: u64) -> Result<Vec<u8>, Unread> {
    let mut bytes = Vec::new();
    stream.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(Unread::TooLarge(most)) } else { Ok(bytes) }
}

/// The text of a stream, at most `most` bytes of it, without a byte order mark.
///
/// # Errors
/// When it cannot be read, is too large, or no UTF-8.
pub fn stream(stream: &mut dyn Read, most: u64) -> Result<String, Unread> {
    let text = String::from_utf8(bytes(stream, most)?).map_err(|error| {
        let (valid, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            return Unread::Utf16;
        }
        Unread::Encoding(bytes[..valid].split(|b| *b == b'\n').count())
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Writes a file that its owner alone may read: all of it, or none. One that exists is only replaced when asked to.
///
/// # Errors
/// The system's; `AlreadyExists` where there is one.
pub fn create(path: &Path, text: &str, replace: bool) -> io::Result<()> {
    // Beside it: only within one file system is it put there at once.
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    // In containers every process has the same number: the name is random, so that what a killed one left is in nobody's way.
    let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), std::process::id());
    let part: PathBuf = path.with_file_name(format!(".{}.{random:016x}.part", name.to_string_lossy()));
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&part)?;
    let done = file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| {
        match std::fs::symlink_metadata(path) {
            Ok(found) if replace && !found.is_file() => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"))
            }
            Ok(_) if replace => std::fs::rename(&part, path),
            // Unlike a rename, a link takes no other file's place. Some file systems have none.
            Ok(_) | Err(_) => match std::fs::hard_link(&part, path) {
                Err(error) if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) => {
                    match std::fs::symlink_metadata(path) {
                        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                        Err(_) => std::fs::rename(&part, path),
                    }
                }
                linked => linked,
            },
        }
    });
    // After a rename it is not there any more.
    let _ = std::fs::remove_file(&part);
    done
}

/// Refuses what is neither a file nor a pipe, and a file that is larger than `most`, for readers that open it themselves.
///
/// # Errors
/// As [`text`].
pub fn check(path: &Path, most: u64) -> Result<(), Unread> {
    let found = std::fs::metadata(path)?;
    refuse_other_kinds(&found)?;
    if found.is_file() && found.len() > most { Err(Unread::TooLarge(most)) } else { Ok(()) }
}

fn refuse_other_kinds(found: &Metadata) -> Result<(), Unread> {
    if found.is_dir() {
        return Err(Unread::Kind("a directory"));
    }
    if is_device(found) { Err(Unread::Kind("a device")) } else { Ok(()) }
}

/// A device other than the terminal that podid itself reads from, and `/dev/null`, which is an empty file to everyone.
#[cfg(unix)]
fn is_device(found: &Metadata) -> bool {
    use std::{
        io::IsTerminal,
        os::unix::fs::{FileTypeExt, MetadataExt},
    };
    let kind = found.file_type();
    let is = |path: &str| std::fs::metadata(path).is_ok_and(|other| other.rdev() == found.rdev());
    let ends = || is("/dev/null") || io::stdin().is_terminal() && is("/dev/stdin");
    kind.is_block_device() || kind.is_char_device() && !ends()
}

#[cfg(not(unix))]
fn is_device(_: &Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "\u{feff}abc").unwrap();
        assert_eq!(text(&path, 6).unwrap(), "abc");
        assert!(check(&path, 6).is_ok());
        assert!(matches!(text(&path, 5), Err(Unread::TooLarge(5))));
        assert!(matches!(check(&path, 5), Err(Unread::TooLarge(5))));
        assert!(matches!(text(folder.path(), 5), Err(Unread::Kind("a directory"))));
        assert!(matches!(text(&folder.path().join("none"), 5), Err(Unread::System(_))));
    }

    #[test]
    fn a_file_is_written_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        create(&path, "one", false).unwrap();
        assert_eq!(create(&path, "two", false).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one");
        create(&path, "three", true).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three");
        assert!(create(&folder.path().join("none/file"), "x", false).is_err());
        assert!(create(folder.path(), "x", true).is_err(), "a folder stays");
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["file"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[cfg(unix)]
    #[test]
    fn devices_are_not_read() {
        for device in ["/dev/zero", "/dev/urandom", "/dev/full"] {
            assert!(matches!(text(Path::new(device), 5), Err(Unread::Kind("a device"))), "{device}");
        }
        assert_eq!(text(Path::new("/dev/null"), 5).unwrap(), "");
        assert!(check(Path::new("/dev/null"), 5).is_ok());
    }

    #[test]
    fn encodings() {
        assert!(matches!(stream(&mut &[0xff, 0xfe, b'a', 0][..], 9), Err(Unread::Utf16)));
        assert!(matches!(stream(&mut &b"a\nb\xff"[..], 9), Err(Unread::Encoding(2))));
        let file = tempfile::NamedTempFile::new().unwrap();
        for (printed, read) in [
            (&b"a\nb\xffc"[..], "a\nb\u{fffd}c"),
            (&[0xff, 0xfe, b'a', 0, b'\n', 0][..], "a\n"),
            (&[0xfe, 0xff, 0, b'a', 0, b'\n'][..], "a\n"),
        ] {
            std::fs::write(file.path(), printed).unwrap();
            assert_eq!(log(file.path(), 9).unwrap(), read);
        }
        assert!(matches!(log(file.path(), 2), Err(Unread::TooLarge(2))));
    }
}
