//! Runs the binary in a temporary folder.
#![allow(dead_code, reason = "no test file uses all of it")]

pub mod json_schema;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A run of the binary that has ended.
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

    /// Writes a file, and creates its folders.
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder is made");
        std::fs::write(path, contents).expect("a file is written");
    }

    /// Fills a folder with 13 files of the kinds that may lie among artifacts. Four have the bytes
    /// of `artifact`. Only root can read one of these four, `secret`. Returns 1 if it can be read,
    /// and 0 if not.
    #[cfg(unix)]
    pub fn odd_folder(&self, folder: &str, artifact: &[u8]) -> u64 {
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::{PermissionsExt, symlink};
        let name = |name: &str| format!("{folder}/{name}");
        let path = |name: &str| self.path(folder).join(name);
        self.write(&name("artifact"), artifact);
        self.write(&name("empty"), "");
        self.write(&name("noise"), [0xff, 0, 0x80, 7].repeat(5000));
        self.write(&name("line\nfeed\x1b[31m"), artifact);
        let bytes = std::ffi::OsStr::from_bytes(b"not-utf8-\xff\xfe");
        fs::write(self.path(folder).join(bytes), "").expect("a file");
        let large = fs::File::create(path("large")).expect("a file");
        large.set_len(100 << 20).expect("100 MB");
        for (target, link) in [
            (".", "loop"),
            ("..", "up"),
            ("itself", "itself"),
            ("gone", "dangling"),
            ("artifact", "link"),
        ] {
            symlink(target, path(link)).expect("a link");
        }
        let pipe = Command::new("mkfifo").arg(path("pipe")).status();
        assert!(pipe.expect("mkfifo runs").success());
        self.write(&name("secret"), artifact);
        let hidden = fs::Permissions::from_mode(0o000);
        fs::set_permissions(path("secret"), hidden).expect("permissions");
        fs::File::open(path("secret")).is_ok().into()
    }

    /// Makes 100,000 files. 100 of them have the bytes `finds`, and the others `passes`.
    pub fn crowd(&self, folder: &str, passes: &[u8], finds: &[u8]) {
        self.write("two", finds);
        fs::create_dir(self.path(folder)).expect("a folder");
        for i in 0..100_000 {
            // The number of links to a file is limited.
            if i % 30_000 == 0 {
                self.write(&format!("one-{i}"), passes);
            }
            let original = match i % 1000 {
                999 => "two".to_owned(),
                _ => format!("one-{}", i - i % 30_000),
            };
            let name = format!("{folder}/{:05}", i * 7919 % 100_000);
            fs::hard_link(self.path(&original), self.path(&name)).expect("a link");
        }
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
