//! Writes files by a temporary file and a rename, so nobody ever sees a partial one.
//!
//! A process that is killed leaves at most a file called `.mm-triage-*.tmp`, which the next process
//! that writes to the folder [removes](sweep). A full disk leaves the old file in place. The writer
//! of a temporary file holds a lock on it, which the system releases however the process ends. If
//! the lock can be taken, the writer is gone.

use crate::Status;
use crate::file;
use crate::names::shown;
use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::NamedTempFile;

/// The start of the first line of a file with a program that has a finding on Linux.
pub const SAVED: &str = "# on Linux: ";

/// The number of further attempts, 20 ms apart, to take a lock. A child that was just forked may
/// still hold the lock.
const FORK_TRIES: u32 = 50;

/// Writes `contents` to `path`: all of it, or nothing.
///
/// # Errors
/// The file cannot be created, written or renamed. The old file at `path` is still there.
pub fn write(path: &Path, contents: impl AsRef<[u8]>) -> io::Result<()> {
    let mut file = temporary(folder_of(path))?;
    file.write_all(contents.as_ref())?;
    file.persist(path)?;
    Ok(())
}

/// A temporary file that nobody removes while it is open.
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    let [prefix, suffix] = file::TEMPORARY;
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).suffix(suffix);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The permissions of any new file, before the umask.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    loop {
        let file = builder.tempfile_in(folder)?;
        match file.as_file().try_lock() {
            // Another process may have swept the file before the lock was taken.
            Ok(()) if file.path().exists() => return Ok(file),
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            // This file system has no locks, so nobody removes the file.
            Err(TryLockError::Error(_)) => return Ok(file),
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Removes the temporary files of killed writers. A command calls it before it writes to a folder.
pub fn sweep(folder: &Path) {
    // A file that cannot be removed does no harm.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if file::is_temporary(&entry.file_name())
            && let Ok(left) = file::open(&path)
            && left.try_lock().is_ok()
        {
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// [Sweeps](sweep) the folders of these files.
pub fn sweep_folders_of<'a>(files: impl Iterator<Item = &'a PathBuf>) {
    let folders: BTreeSet<&Path> = files.map(|file| folder_of(file)).collect();
    folders.into_iter().for_each(sweep);
}

/// A folder of results. One process at a time reads it and adds to it.
#[derive(Debug)]
pub struct Output {
    dir: PathBuf,
    /// The locked folder. The lock lasts until the process ends.
    _lock: File,
}

impl Output {
    /// Creates the folder, and takes its lock.
    ///
    /// # Errors
    /// The folder cannot be created, or another process holds the lock. Standard error then has an
    /// explanation.
    pub fn open(dir: &Path) -> Result<Self, Status> {
        make_folder(dir)?;
        let lock = File::open(dir).map_err(|error| refuse_write(dir, &error))?;
        let mut taken = lock.try_lock();
        // A child that some thread has forked holds a copy of every lock until its exec.
        for _ in 0..FORK_TRIES {
            if !matches!(taken, Err(TryLockError::WouldBlock)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
            taken = lock.try_lock();
        }
        match taken {
            Err(TryLockError::WouldBlock) => {
                let dir = shown(dir);
                Err(Status::unusable(format_args!(
                    "{dir}: another cluster or report is writing there, and the results of one would be lost; \
                     wait for its end, or give another folder"
                )))
            }
            // The error means that this file system has no locks.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Self {
                dir: dir.to_owned(),
                _lock: lock,
            }),
        }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

/// The path of the result for the file at `path`: `NAME` or `NAME.mm` becomes `NAME` and the
/// suffix, in `folder` if one is given.
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

/// The first of these paths that equals an earlier one.
pub fn first_collision(paths: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    let mut seen = BTreeSet::new();
    paths.into_iter().find(|path| !seen.insert(path.clone()))
}

/// Says that two results would be written to `path`.
pub fn refuse_collision(path: &Path) -> Status {
    let path = shown(path);
    Status::unusable(format_args!(
        "{path}: two files have this result, and one would replace the other; run them separately"
    ))
}

/// Says that a result cannot be written to `path`.
pub fn refuse_write(path: &Path, error: &io::Error) -> Status {
    let path = shown(path);
    Status::unusable(format_args!(
        "{path}: cannot be written: {error}; give a folder that can be written to"
    ))
}

/// Creates the folder for results, and [sweeps](sweep) it.
///
/// # Errors
/// The folder cannot be created. Standard error then has an explanation.
pub fn make_folder(dir: &Path) -> Result<(), Status> {
    std::fs::create_dir_all(dir).map_err(|error| {
        let dir = shown(dir);
        Status::unusable(format_args!(
            "{dir}: cannot be made: {error}; give a folder that can be written to"
        ))
    })?;
    sweep(dir);
    Ok(())
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
    fn what_a_killed_writer_left_goes_and_what_a_living_one_writes_stays() {
        let dir = tempfile::tempdir().expect("a folder");
        let left = dir.path().join(".mm-triage-left.tmp");
        std::fs::write(&left, "half a li").expect("a file");
        std::fs::write(dir.path().join("result"), "whole").expect("a file");
        let mut living = temporary(dir.path()).expect("a file");
        let at = living.path().to_owned();
        sweep(dir.path());
        assert!(!left.exists() && at.exists());
        living.write_all(b"new").expect("it is written");
        living.persist(dir.path().join("new")).expect("a rename");
        assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 2);
    }

    #[test]
    #[cfg(unix)]
    fn what_is_only_called_like_a_temporary_file_is_not_waited_for() {
        let dir = tempfile::tempdir().expect("a folder");
        let pipe = dir.path().join(".mm-triage-pipe.tmp");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo runs").success());
        sweep(dir.path());
        assert!(pipe.exists());
        sweep(Path::new("/not/there"));
    }

    /// A sweep may open a temporary file before its writer has locked it.
    #[test]
    fn writers_and_sweepers_side_by_side_lose_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = |name: usize| dir.path().join(name.to_string());
        std::thread::scope(|scope| {
            let sweeper = scope.spawn(|| (0..2_000).for_each(|_| sweep(dir.path())));
            for writer in 0..2 {
                scope.spawn(move || {
                    for file in (writer..400).step_by(2) {
                        write(&path(file), file.to_string()).expect("it is written");
                    }
                });
            }
            sweeper.join().expect("it ends");
        });
        for file in 0..400 {
            let contents = std::fs::read_to_string(path(file)).expect("it is there");
            assert_eq!(contents, file.to_string());
        }
        assert_eq!(
            std::fs::read_dir(dir.path()).expect("a folder").count(),
            400
        );
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
