//! Walks the files in a folder and its subfolders, sorted by name. The walk skips temporary files,
//! whose writers are at work or were killed, and the consoles and C of findings on Linux.
//!
//! Memory is bounded: a limited number of names of each folder is kept, and the folder is read
//! again for the next names. The walk does not follow links to folders, so there are no loops. It
//! returns every link as a file.

use crate::file;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The endings of what lies beside the program of a finding on Linux: a console, and C. A walk
/// skips these files.
const ENDINGS: [&str; 2] = ["console", "c"];
/// The most names of one folder that are kept.
const KEPT: usize = 1 << 16;

/// What a walk finds.
#[derive(Debug)]
pub enum WalkEntry {
    /// A file that the user named. A walk returns no such entry.
    Named(PathBuf),
    /// A file, or anything else that is not a folder.
    File(PathBuf),
    /// A folder that cannot be read, or cannot be read to its end.
    Unreadable(PathBuf, io::Error),
}

/// A walk under way.
#[derive(Debug)]
pub struct FolderWalk {
    kept: usize,
    folders: Vec<Folder>,
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// The next names, in ascending order.
    names: BTreeSet<OsString>,
    /// If the folder may have more names, the greatest name that was kept.
    more_after: Option<OsString>,
}

impl WalkEntry {
    /// The path.
    pub fn path(&self) -> &Path {
        let (Self::Named(path) | Self::File(path) | Self::Unreadable(path, _)) = self;
        path
    }
}

impl FolderWalk {
    /// Walks the files under `root`.
    pub fn new(root: &Path) -> Self {
        Self::keeping(root, KEPT)
    }

    fn keeping(root: &Path, kept: usize) -> Self {
        let root = Folder {
            path: root.to_owned(),
            names: BTreeSet::new(),
            more_after: Some(OsString::new()),
        };
        Self {
            kept,
            folders: vec![root],
        }
    }
}

impl Folder {
    /// Reads the next names in ascending order, after all names that were kept before.
    fn refill(&mut self, kept: usize) -> io::Result<()> {
        let Some(after) = self.more_after.take() else {
            return Ok(());
        };
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let ending = Path::new(&name).extension();
            let is_of_linux =
                ending.is_some_and(|ending| ENDINGS.iter().any(|other| ending == *other));
            if file::is_temporary(&name) || is_of_linux {
                continue;
            }
            if name > after && (self.names.len() < kept || self.names.last() > Some(&name)) {
                self.names.insert(name);
                if self.names.len() > kept {
                    self.names.pop_last();
                }
            }
        }
        if self.names.len() == kept {
            self.more_after = self.names.last().cloned();
        }
        Ok(())
    }
}

impl Iterator for FolderWalk {
    type Item = WalkEntry;

    fn next(&mut self) -> Option<WalkEntry> {
        loop {
            let folder = self.folders.last_mut()?;
            if folder.names.is_empty()
                && let Err(error) = folder.refill(self.kept)
            {
                return Some(WalkEntry::Unreadable(folder.path.clone(), error));
            }
            let Some(name) = folder.names.pop_first() else {
                self.folders.pop();
                continue;
            };
            let path = folder.path.join(name);
            if !fs::symlink_metadata(&path).is_ok_and(|m| m.is_dir()) {
                return Some(WalkEntry::File(path));
            }
            self.folders.push(Folder {
                path,
                names: BTreeSet::new(),
                more_after: Some(OsString::new()),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(root: &Path, kept: usize) -> Vec<String> {
        let files = FolderWalk::keeping(root, kept).map(|found| match found {
            WalkEntry::Named(path) | WalkEntry::File(path) => path
                .strip_prefix(root)
                .expect("under it")
                .display()
                .to_string(),
            WalkEntry::Unreadable(path, error) => format!("{}: {error}", path.display()),
        });
        files.collect()
    }

    #[test]
    fn files_come_by_name_however_few_names_are_kept() {
        let dir = tempfile::tempdir().expect("a folder");
        let files = ["a", "b/1", "b/2", "b/c/x", "d", "e", "f"];
        for name in files.iter().rev() {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, "").expect("a file");
        }
        for unfinished in [
            ".mm-triage-0a.tmp",
            "b/.mm-triage-0b.tmp",
            "a.console",
            "a.c",
        ] {
            fs::write(dir.path().join(unfinished), "x").expect("a file");
        }
        fs::create_dir(dir.path().join("empty")).expect("a folder");
        for kept in [1, 2, 3, 100] {
            assert_eq!(names(dir.path(), kept), files, "{kept}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn links_make_no_loops() {
        let dir = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink(".", dir.path().join("up")).expect("a link");
        std::os::unix::fs::symlink("self", dir.path().join("self")).expect("a link");
        assert_eq!(names(dir.path(), 10), ["self", "up"]);
    }

    #[test]
    fn what_is_not_there_is_said_once() {
        let mut walk = FolderWalk::new(Path::new("/not/there"));
        assert!(matches!(walk.next(), Some(WalkEntry::Unreadable(..))));
        assert!(walk.next().is_none());
    }
}
