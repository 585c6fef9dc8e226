//! Runs the binary in a folder of its own.
#![allow(dead_code, reason = "no test file uses all of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// What a run of the binary printed.
#[derive(Debug)]
pub struct Ran {
    /// The exit status.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// A folder for the files of a test.
pub struct Bench {
    dir: TempDir,
}

impl Bench {
    /// An empty folder.
    pub fn new() -> Self {
        Self {
            dir: TempDir::new().expect("a temporary folder"),
        }
    }

    /// The path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file, making the folders on the way to it.
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder is made");
        std::fs::write(path, contents).expect("a file is written");
    }

    /// Runs the binary in the folder.
    pub fn run(&self, args: &[&str]) -> Ran {
        run_in(self.dir.path(), args)
    }
}

/// Runs the binary in `dir`.
pub fn run_in(dir: &Path, args: &[&str]) -> Ran {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_mm-triage"))
        .args(args)
        .current_dir(dir)
        .output()
        .expect("mm-triage runs");
    Ran {
        status: status.code().expect("mm-triage ends by itself"),
        out: String::from_utf8(stdout).expect("the output is text"),
        err: String::from_utf8(stderr).expect("the messages are text"),
    }
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

impl Ran {
    /// Checks the status, and that there is one message, which has all of `parts` in this order.
    #[track_caller]
    pub fn is_unusable(&self, parts: &[&str]) {
        assert_eq!(self.status, 2, "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "one sentence: {self:?}");
        self.says(&self.err, parts);
    }

    /// Checks that the output has all of `parts` in this order.
    #[track_caller]
    pub fn prints(&self, parts: &[&str]) {
        self.says(&self.out, parts);
    }

    #[track_caller]
    fn says(&self, text: &str, parts: &[&str]) {
        let mut rest = text;
        for part in parts {
            let Some(at) = rest.find(part) else {
                panic!("{part:?} is missing, or comes too early, in {self:?}");
            };
            rest = &rest[at + part.len()..];
        }
    }
}
