//! The repository: its commits, and worktrees that are removed when they are dropped.

use crate::Status;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Two commits, as the user names them.
#[derive(Clone, Debug)]
pub struct CommitRange {
    /// The older commit.
    pub from: String,
    /// The newer commit.
    pub to: String,
}

impl CommitRange {
    /// Parses `A..B`.
    ///
    /// # Errors
    /// The words do not have that form.
    pub fn parse(words: &str) -> Result<Self, String> {
        match words.split_once("..") {
            Some((from, to)) if !from.is_empty() && !to.is_empty() && !to.starts_with('.') => {
                Ok(Self {
                    from: from.to_owned(),
                    to: to.to_owned(),
                })
            }
            _ => Err("give two commits as A..B, A an ancestor of B".to_owned()),
        }
    }
}

/// A commit.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Its hash.
    pub hash: String,
    /// The first line of its message.
    pub subject: String,
}

/// The first digits of a hash.
pub fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

impl Commit {
    /// The first digits of its hash.
    pub fn short(&self) -> &str {
        short(&self.hash)
    }
}

/// The repository that the working folder is in.
#[derive(Debug)]
pub struct Repository {
    root: PathBuf,
}

impl Repository {
    /// Finds the repository.
    ///
    /// # Errors
    /// There is no repository, or git is missing.
    pub fn here() -> Result<Self, Status> {
        let output = Command::new("git")
            .args(["rev-parse", "--show-toplevel"])
            .output();
        let output = output.map_err(|error| {
            Status::unusable(format_args!("git cannot be run: {error}; install it"))
        })?;
        if !output.status.success() {
            return Err(Status::unusable(
                "the working folder is in no git repository; run this inside the repository of mmfuzz",
            ));
        }
        Ok(Self {
            root: path_of(&output.stdout),
        })
    }

    fn git(&self, args: &[&OsStr]) -> Result<Output, Status> {
        let output = Command::new("git")
            .arg("-C")
            .arg(&self.root)
            .args(args)
            .output();
        output.map_err(|error| Status::unusable(format_args!("git cannot be run: {error}")))
    }

    fn read(&self, args: &[&str]) -> Result<Option<String>, Status> {
        let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
        let output = self.git(&args)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(output.status.success().then_some(text))
    }

    /// The commit that the user calls `name`.
    ///
    /// # Errors
    /// There is no such commit.
    pub fn commit(&self, name: &str) -> Result<Commit, Status> {
        let commit = format!("{name}^{{commit}}");
        let hash = self.read(&[
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &commit,
        ])?;
        let line = match hash {
            Some(hash) => self.read(&["log", "-1", "--format=%H %s", hash.trim()])?,
            None => None,
        };
        line.as_deref()
            .and_then(|line| line.lines().next())
            .map(parse)
            .ok_or_else(|| {
                Status::unusable(format_args!(
                    "{}: no such commit in this repository; git log names them",
                    name.escape_debug()
                ))
            })
    }

    /// The commits after `from` up to `to`, by first parents, oldest first.
    ///
    /// # Errors
    /// `from` is not an ancestor of `to`, or they are the same.
    pub fn line(
        &self,
        from: &Commit,
        to: &Commit,
        names: &CommitRange,
    ) -> Result<Vec<Commit>, Status> {
        let CommitRange { from: a, to: b } = names;
        if self
            .read(&["merge-base", "--is-ancestor", &from.hash, &to.hash])?
            .is_none()
        {
            let why = format_args!("{a} is not an ancestor of {b}; give the older commit first");
            return Err(Status::unusable(why));
        }
        let range = format!("{}..{}", from.hash, to.hash);
        let log = self.read(&[
            "log",
            "--first-parent",
            "--reverse",
            "--format=%H %s",
            &range,
        ])?;
        let commits: Vec<Commit> = log.unwrap_or_default().lines().map(parse).collect();
        if commits.is_empty() {
            let why = format_args!("{a} and {b} are the same commit; give two");
            return Err(Status::unusable(why));
        }
        Ok(commits)
    }

    /// Adds a worktree of `commit` at `path`.
    ///
    /// # Errors
    /// Git cannot add the worktree.
    pub fn add_worktree(&self, path: &Path, commit: &Commit) -> Result<Worktree<'_>, Status> {
        let words = ["worktree", "add", "--quiet", "--detach", "--force"].map(OsStr::new);
        let mut args = words.to_vec();
        args.extend([path.as_os_str(), OsStr::new(&commit.hash)]);
        let output = self.git(&args)?;
        let worktree = Worktree {
            repository: self,
            path: path.to_owned(),
        };
        if output.status.success() {
            return Ok(worktree);
        }
        let why = String::from_utf8_lossy(&output.stderr)
            .trim()
            .escape_debug()
            .to_string();
        Err(Status::unusable(format_args!(
            "{} cannot be checked out: {why}",
            commit.short()
        )))
    }
}

/// Parses `HASH SUBJECT`.
fn parse(line: &str) -> Commit {
    let (hash, subject) = line.split_once(' ').unwrap_or((line, ""));
    Commit {
        hash: hash.to_owned(),
        // The author may have put control characters into the subject.
        subject: subject.escape_debug().to_string(),
    }
}

/// The path that git printed.
fn path_of(line: &[u8]) -> PathBuf {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    #[cfg(unix)]
    return PathBuf::from(<OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(line));
    #[cfg(not(unix))]
    PathBuf::from(String::from_utf8_lossy(line).into_owned())
}

/// A worktree, which is removed when this is dropped.
#[derive(Debug)]
pub struct Worktree<'a> {
    repository: &'a Repository,
    path: PathBuf,
}

impl Worktree<'_> {
    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Worktree<'_> {
    fn drop(&mut self) {
        let words = ["worktree", "remove", "--force"].map(OsStr::new);
        let mut args = words.to_vec();
        args.push(self.path.as_os_str());
        let removed = self.repository.git(&args);
        if !removed.is_ok_and(|output| output.status.success()) {
            // Git does not know the path as a worktree, so remove the folder.
            let _ = std::fs::remove_dir_all(&self.path);
            let _ = self.repository.git(&["worktree", "prune"].map(OsStr::new));
        }
    }
}
