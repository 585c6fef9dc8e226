//! Reading files that a user names or that lie in a folder: only regular files, up to a limit, and
//! without waiting.
//!
//! Opening a pipe waits for its other end, and `/dev/zero` has no end. So nothing is opened unless
//! it is a regular file, whatever its name.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

/// Maximum size of a file that is read as a program, in bytes.
pub const MAX_PROGRAM: u64 = 1 << 20;

/// The prefix and suffix of the name of a file that is being written: `.mm-triage-*.tmp`.
pub const TEMPORARY: [&str; 2] = [".mm-triage-", ".tmp"];

/// True if this is the name of a file that is being written, or that a killed process left.
#[must_use]
pub fn is_temporary(name: &OsStr) -> bool {
    let [prefix, suffix] = TEMPORARY.map(str::as_bytes);
    let name = name.as_encoded_bytes();
    name.strip_prefix(prefix)
        .is_some_and(|rest| rest.ends_with(suffix))
}

/// Why nothing was read. As text, it is the rest of a sentence that begins with the path.
#[derive(Debug)]
pub enum ReadError {
    /// The system refuses to read it.
    Unreadable(io::Error),
    /// It is a folder.
    Folder,
    /// It is something else than a regular file.
    NoFile(&'static str),
    /// It has more bytes than this limit.
    TooLong(u64),
    /// It has a byte that is not UTF-8.
    NotText,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Self::Folder => f.write_str("is a folder"),
            Self::NoFile(what) => write!(f, "is {what}"),
            Self::TooLong(limit) => {
                write!(f, "is too long: at most {limit} bytes are read")
            }
            Self::NotText => f.write_str("is not UTF-8"),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// Opens a regular file, or one that a link leads to.
///
/// # Errors
/// It is not a regular file, or cannot be opened.
pub fn open(path: &Path) -> Result<File, ReadError> {
    // check first: opening a device may have effects
    check(path, &std::fs::metadata(path)?)?;
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    }
    let file = options.open(path)?;
    // another file may have taken its place
    check(path, &file.metadata()?)?;
    Ok(file)
}

fn check(path: &Path, metadata: &Metadata) -> Result<(), ReadError> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    if kind.is_dir() {
        let is_link = std::fs::symlink_metadata(path).is_ok_and(|named| named.is_symlink());
        return Err(match is_link {
            true => ReadError::NoFile("a link to a folder"),
            false => ReadError::Folder,
        });
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return Err(ReadError::NoFile("a pipe"));
        }
        if kind.is_socket() {
            return Err(ReadError::NoFile("a socket"));
        }
    }
    Err(ReadError::NoFile("a device"))
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// It is not a regular file, is longer, or cannot be read.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::with_capacity(1024);
    // a file may grow, and files in /proc do not report their length
    open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(ReadError::TooLong(limit));
    }
    Ok(bytes)
}

/// Reads a regular file of at most `limit` bytes as text.
///
/// # Errors
/// As for [`read`], or the file is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> Result<String, ReadError> {
    String::from_utf8(read(path, limit)?).map_err(|_| ReadError::NotText)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    /// The pipe makes a naive reader wait, and the device makes it read without end.
    #[test]
    fn only_regular_files_are_read_and_nothing_waits() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = |name: &str| dir.path().join(name);
        let why = |path: &Path| read(path, 8).expect_err("it is no file").to_string();
        let made = std::process::Command::new("mkfifo")
            .arg(path("pipe"))
            .status();
        assert!(made.expect("mkfifo runs").success());
        symlink("pipe", path("link-to-pipe")).expect("a link");
        symlink(".", path("link-to-folder")).expect("a link");
        let _socket = UnixListener::bind(path("socket")).expect("a socket");
        assert_eq!(why(&path("pipe")), "is a pipe");
        assert_eq!(why(&path("link-to-pipe")), "is a pipe");
        assert_eq!(why(&path("link-to-folder")), "is a link to a folder");
        assert_eq!(why(&path("socket")), "is a socket");
        assert_eq!(why(dir.path()), "is a folder");
        assert_eq!(why(Path::new("/dev/zero")), "is a device");
        assert!(why(&path("gone")).starts_with("cannot be read: "));
        std::fs::write(path("file"), "12345678").expect("a file");
        symlink("file", path("link")).expect("a link");
        assert_eq!(read(&path("link"), 8).expect("a file"), b"12345678");
        let more = read(&path("file"), 7).expect_err("it is longer");
        let said = "is too long: at most 7 bytes are read";
        assert_eq!(more.to_string(), said);
    }

    #[test]
    fn names_of_temporary_files_are_told_from_others() {
        for (name, is) in [
            (".mm-triage-aB3x.tmp", true),
            (".mm-triage-.tmp", true),
            (".mm-triage-x", false),
            ("x.tmp", false),
            ("a.mm-triage-x.tmp", false),
        ] {
            assert_eq!(is_temporary(OsStr::new(name)), is, "{name}");
        }
    }
}
