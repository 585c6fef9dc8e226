//! Builds commits, and asks each for its verdict on a program.
//!
//! The cache folder has:
//!
//! - `builds/COMMIT/mm-triage`: the programs that were built;
//! - `target`: the folder that cargo builds in;
//! - `tree-*`: the worktree of a build under way;
//! - `lock`: the file that a run locks until it ends.

use super::git::{Commit, Repository};
use crate::input::Target;
use crate::names::shown;
use crate::stop::Stop;
use crate::{Status, file, store};
use clap::ValueEnum;
use serde::Deserialize;
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

/// Time between two looks at whether the process has ended or Ctrl-C has been pressed.
const PERIOD: Duration = Duration::from_millis(20);

/// The command that every commit runs on the program.
#[derive(Debug)]
pub struct Question {
    /// The arguments of `mm-triage`.
    args: Vec<OsString>,
}

impl Question {
    /// Asks for the verdict of `replay --json` on the file at `path`, with these options.
    ///
    /// # Errors
    /// The path is no regular file, or the file cannot be read or is too long.
    pub fn new(path: &Path, zoo: Option<&str>, target: Option<Target>) -> Result<Self, Status> {
        // Check the file here, because the `mm-triage` of an old commit does not check it. An old
        // commit would wait for a pipe, or read a device without end.
        let file =
            file::read(path, file::MAX_PROGRAM).and_then(|_| Ok(std::fs::canonicalize(path)?));
        let file = file.map_err(|error| {
            let path = shown(path);
            Status::unusable(format_args!("{path}: {error}; give a program"))
        })?;
        let mut words: Vec<OsString> = vec!["replay".into(), "--json".into()];
        if let Some(zoo) = zoo {
            words.extend(["--zoo".into(), zoo.into()]);
        }
        if let Some(target) = target.as_ref().and_then(Target::to_possible_value) {
            words.extend(["--target".into(), target.get_name().into()]);
        }
        words.extend(["--".into(), file.into()]);
        Ok(Self { args: words })
    }
}

/// A commit's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The signature if there is a finding, otherwise `pass` or `unusable`.
    Verdict(String),
    /// The commit cannot be built or asked, for this reason.
    Skip(String),
    /// The user interrupted the run.
    Stopped,
}

/// The line that `replay --json` prints.
#[derive(Deserialize)]
struct Line {
    verdict: String,
    signature: Option<String>,
}

/// Builds commits, and keeps the results.
pub struct Builder<'a> {
    repository: &'a Repository,
    cache: PathBuf,
    stop: &'a Stop,
    /// The lock, held until the process ends.
    _lock: File,
}

/// How a process ended.
struct Ended {
    status: ExitStatus,
    out: String,
    err: String,
}

impl Ended {
    /// The last line of standard error that begins with `error`. Without such a line, the last line
    /// that is not blank.
    fn reason(&self) -> String {
        let lines = || {
            self.err
                .lines()
                .rev()
                .filter(|line| !line.trim().is_empty())
        };
        let error = lines()
            .find(|line| line.starts_with("error"))
            .or(lines().next());
        let reason = error.unwrap_or("it does not say why");
        reason.trim().escape_debug().to_string()
    }
}

impl<'a> Builder<'a> {
    /// Takes the lock of the cache folder, which may hold builds of earlier runs.
    ///
    /// # Errors
    /// Another run holds the lock, or the folder cannot be written to.
    pub fn new(repository: &'a Repository, cache: PathBuf, stop: &'a Stop) -> Result<Self, Status> {
        let path = cache.join("lock");
        let lock = File::create(&path).map_err(|error| store::refuse_write(&path, &error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                repository,
                cache,
                stop,
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(Status::unusable(format_args!(
                "{}: another bisect is using it; wait, or give another --cache DIR",
                shown(&cache)
            ))),
            Err(TryLockError::Error(error)) => Err(store::refuse_write(&path, &error)),
        }
    }

    /// The status for an error that no commit caused.
    pub fn refuse(&self, error: &io::Error) -> Status {
        Status::unusable(format_args!(
            "{}: a commit cannot be built or run there: {error}; make room, or give another --cache DIR",
            shown(&self.cache)
        ))
    }

    /// Asks a commit. Meanwhile calls `tick` with the word `building` or `asking`, again and again.
    ///
    /// # Errors
    /// The cache folder cannot be used.
    pub fn ask(
        &self,
        commit: &Commit,
        question: &Question,
        tick: &mut dyn FnMut(&str),
    ) -> io::Result<Answer> {
        let program = self
            .cache
            .join("builds")
            .join(&commit.hash)
            .join("mm-triage");
        if !program.is_file()
            && let Some(instead) = self.build(commit, &program, tick)?
        {
            return Ok(instead);
        }
        let mut command = Command::new(&program);
        command.args(&question.args);
        let Some(ended) = self.run(command, "asking", tick)? else {
            return Ok(Answer::Stopped);
        };
        let line = ended.out.lines().next().unwrap_or_default();
        Ok(match serde_json::from_str::<Line>(line) {
            Ok(line) => Answer::Verdict(line.signature.unwrap_or(line.verdict)),
            Err(_) => Answer::Skip(format!("its replay gives no verdict: {}", ended.reason())),
        })
    }

    /// Builds the commit's `mm-triage` and keeps it as `program`. If there is no such program
    /// afterwards, returns the answer: the commit is skipped, or the user has interrupted the run.
    fn build(
        &self,
        commit: &Commit,
        program: &Path,
        tick: &mut dyn FnMut(&str),
    ) -> io::Result<Option<Answer>> {
        let tree = tempfile::Builder::new()
            .prefix("tree-")
            .tempdir_in(&self.cache)?;
        let Ok(worktree) = self.repository.add_worktree(tree.path(), commit) else {
            return Ok(Some(Answer::Skip("it cannot be checked out".to_owned())));
        };
        let target = self.cache.join("target");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .args([
                "build",
                "--release",
                "--quiet",
                "--package",
                "mm-triage",
                "--target-dir",
            ])
            .arg(&target)
            .current_dir(worktree.path());
        let Some(ended) = self.run(command, "building", tick)? else {
            return Ok(Some(Answer::Stopped));
        };
        if !ended.status.success() {
            // The build may have failed because Ctrl-C reached cargo as well.
            let answer = match self.stop.is_set() {
                true => Answer::Stopped,
                false => Answer::Skip(format!("it does not build: {}", ended.reason())),
            };
            return Ok(Some(answer));
        }
        self.keep(&target.join("release/mm-triage"), program)?;
        Ok(None)
    }

    /// Copies the built program to `program`. A rename makes the whole copy appear at once.
    fn keep(&self, built: &Path, program: &Path) -> io::Result<()> {
        let builds = self.cache.join("builds");
        std::fs::create_dir_all(&builds)?;
        let new = tempfile::Builder::new()
            .prefix("new-")
            .tempdir_in(&builds)?;
        std::fs::copy(built, new.path().join("mm-triage"))?;
        std::fs::rename(new.keep(), program.parent().unwrap_or(&builds))
    }

    /// Runs a process to its end. Returns `None` if the user interrupts.
    fn run(
        &self,
        mut command: Command,
        what: &str,
        tick: &mut dyn FnMut(&str),
    ) -> io::Result<Option<Ended>> {
        // The output goes to files. A pipe would fill up, because nobody reads while we wait.
        let (mut out, mut err) = (tempfile::tempfile()?, tempfile::tempfile()?);
        command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(err.try_clone()?);
        let mut child = command.spawn()?;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if self.stop.is_set() {
                child.kill()?;
                child.wait()?;
                return Ok(None);
            }
            tick(what);
            std::thread::sleep(PERIOD);
        };
        let read = |file: &mut File| {
            let mut bytes = Vec::new();
            file.rewind()?;
            file.read_to_end(&mut bytes)?;
            io::Result::Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let (out, err) = (read(&mut out)?, read(&mut err)?);
        Ok(Some(Ended { status, out, err }))
    }
}
