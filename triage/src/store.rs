//! Writing files so that nobody ever sees half of one: a temporary file beside it, then a rename.
//!
//! A process that is killed leaves at most a file called `.mm-triage-*.tmp`; a full disk leaves what was
//! there before.

use crate::Status;
use crate::names::shown;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes `contents` to `path`: all of it, or nothing.
///
/// # Errors
/// The file cannot be made, written or renamed; what was at `path` is still there.
pub fn write(path: &Path, contents: impl AsRef<[u8]>) -> io::Result<()> {
    let folder = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".mm-triage-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // as any file that is created, less what the umask takes away
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(contents.as_ref())?;
    file.persist(path)?;
    Ok(())
}

/// Where the result for the file at `path` goes: `NAME` or `NAME.mm` becomes `NAME` and the suffix; in
/// another folder if there is one.
pub fn beside(folder: Option<&Path>, path: &Path, suffix: &str) -> PathBuf {
    let is_text = path.extension().is_some_and(|extension| extension == "mm");
    let stem = if is_text {
        path.file_stem()
    } else {
        path.file_name()
    };
    let mut name = stem.unwrap_or_default().to_owned();
    name.push(suffix);
    match folder {
        Some(folder) => folder.join(name),
        None => path.with_file_name(name),
    }
}

/// The first of these paths that an earlier one is equal to.
pub fn first_collision(paths: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    let mut seen = BTreeSet::new();
    paths.into_iter().find(|path| !seen.insert(path.clone()))
}

/// Two results would be written to `path`.
pub fn refuse_collision(path: &Path) -> Status {
    let path = shown(path);
    Status::unusable(format_args!(
        "{path}: two files have this result, and one would replace the other; do them apart"
    ))
}

/// A result cannot be written to `path`.
pub fn refuse_write(path: &Path, error: &io::Error) -> Status {
    let path = shown(path);
    Status::unusable(format_args!(
        "{path}: cannot be written: {error}; give a folder that can"
    ))
}

/// Makes the folder that results go to.
///
/// # Errors
/// It cannot be made, and a sentence says why.
pub fn make_folder(dir: &Path) -> Result<(), Status> {
    std::fs::create_dir_all(dir).map_err(|error| {
        let dir = shown(dir);
        Status::unusable(format_args!(
            "{dir}: cannot be made: {error}; give a folder that can be written to"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a");
        for contents in ["first", "second"] {
            write(&path, contents).expect("it is written");
            assert_eq!(
                std::fs::read(&path).expect("it is there"),
                contents.as_bytes()
            );
        }
        assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn what_cannot_be_replaced_stays() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a");
        std::fs::create_dir(&path).expect("a folder");
        write(&path, "text").expect_err("a folder is in the way");
        assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 1);
    }
}
