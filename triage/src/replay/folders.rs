//! `replay` of folders: how many files pass, which signatures the findings have, and which files
//! are unusable.
//!
//! Memory does not grow with the number of files: the summary keeps only sums, one example for each
//! signature, and the first few unusable files.

use super::line::Line;
use crate::Status;
use crate::bugs::Bugs;
use crate::input::{self, InputError, Target};
use crate::page::counted;
use crate::pool;
use crate::progress::Progress;
use crate::run::{Ended, Runner};
use crate::stop::Stop;
use crate::style::Style;
use crate::walk::{FolderWalk, WalkEntry};
use mm_fuzz::exec::Options;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The most unusable files that are named.
const NAMED: usize = 20;

/// The summary of all files so far.
#[derive(Debug, Default, Serialize)]
struct Summary {
    files: u64,
    passed: u64,
    findings: u64,
    unusable: u64,
    /// Empty files, which are skipped: their writer may have been killed or may still be writing.
    empty: u64,
    /// Files whose names say that they hold no program of the model.
    other: u64,
    interrupted: bool,
    signatures: BTreeMap<String, Group>,
    /// For each of the first few unusable files, a sentence with its name and the reason.
    unusable_files: Vec<String>,
}

/// The files with one signature.
#[derive(Debug, Serialize)]
struct Group {
    files: u64,
    /// The file with the fewest operations; of several, the first.
    example: String,
    /// The number of operations of that file.
    operations: usize,
}

/// A file after its run.
struct Done {
    line: Line,
    operations: usize,
    /// `None` if the file is empty.
    status: Option<Status>,
}

/// The folders to replay, and how.
pub struct Folders<'a> {
    /// The folders.
    pub folders: &'a [&'a PathBuf],
    /// The bugs to put back.
    pub bugs: &'a Bugs,
    /// The files are inputs of this target.
    pub target: Option<Target>,
    /// Check everything after every slice.
    pub thorough: bool,
    /// Print JSON.
    pub json: bool,
    /// Threads.
    pub jobs: usize,
}

impl Folders<'_> {
    /// Replays all files in the folders and prints the summary.
    ///
    /// # Errors
    /// `out` cannot be written to.
    pub fn replay(&self, out: &mut dyn Write) -> io::Result<Status> {
        let stop = match Stop::on_signals() {
            Ok(stop) => stop,
            Err(status) => return Ok(status),
        };
        let options = Options {
            thorough: self.thorough,
            digest: self.json,
            ..Options::default()
        };
        let (mut summary, mut progress) = (Summary::default(), Progress::new("files"));
        let other = AtomicU64::new(0);
        let found = self
            .folders
            .iter()
            .flat_map(|folder| FolderWalk::new(folder));
        let found = found.filter(|found| {
            let is_other = input::is_no_program(found.path());
            other.fetch_add(is_other.into(), Ordering::Relaxed);
            !is_other
        });
        let result = pool::ordered(
            self.jobs,
            found.take_while(|_| !stop.is_set()),
            || Runner::new(self.bugs, options),
            |runner, found| one(self.target, runner, found),
            |done| {
                if self.json {
                    done.line.print(out)?;
                }
                summary.add(done);
                progress.tick(summary.files, || {
                    counted(summary.signatures.len(), "signature")
                });
                Ok(())
            },
        );
        progress.end();
        result?;
        summary.interrupted = stop.is_set();
        summary.other = other.into_inner();
        if self.json {
            serde_json::to_writer(&mut *out, &serde_json::json!({ "summary": summary }))?;
            writeln!(out)?;
        } else {
            summary.print(out)?;
        }
        Ok(summary.status())
    }
}

fn one(target: Option<Target>, runner: &mut Runner, found: WalkEntry) -> Done {
    let unusable = |path: &Path, why: String| Done {
        line: Line::unusable(path, why),
        operations: 0,
        status: Some(Status::Unusable),
    };
    let path = match found {
        WalkEntry::Named(path) | WalkEntry::File(path) => path,
        WalkEntry::Unreadable(path, error) => {
            let why = InputError::unreadable(&path, error).to_string();
            return unusable(&path, why);
        }
    };
    let program = match input::load(&path, target) {
        Ok(input) => input.program,
        Err(error) if error.is_empty() => {
            return Done {
                line: Line::empty(&path),
                operations: 0,
                status: None,
            };
        }
        Err(error) => return unusable(&path, error.to_string()),
    };
    let ended = runner.run(&program, &mut ());
    Done {
        status: Some(match &ended {
            Ended::Pass { .. } => Status::Pass,
            Ended::Found(_) => Status::Finding,
        }),
        line: Line::ended(&path, ended, None),
        operations: program.ops.len(),
    }
}

impl Summary {
    fn add(&mut self, done: Done) {
        let Done {
            line,
            operations,
            status,
        } = done;
        self.files += 1;
        match status {
            None => self.empty += 1,
            Some(Status::Pass) => self.passed += 1,
            Some(Status::Finding) => self.findings += 1,
            Some(Status::Unusable | Status::Interrupted) => {
                self.unusable += 1;
                if self.unusable_files.len() < NAMED {
                    self.unusable_files.extend(line.detail);
                }
            }
        }
        let Some(signature) = line.signature else {
            return;
        };
        match self.signatures.entry(signature) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(Group {
                    files: 1,
                    example: line.file,
                    operations,
                });
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                let group = entry.get_mut();
                group.files += 1;
                if operations < group.operations {
                    (group.example, group.operations) = (line.file, operations);
                }
            }
        }
    }

    fn status(&self) -> Status {
        if self.interrupted {
            Status::Interrupted
        } else if self.unusable > 0 {
            Status::Unusable
        } else if self.findings > 0 {
            Status::Finding
        } else {
            Status::Pass
        }
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let style = Style::of_stdout();
        let Self {
            files,
            passed,
            findings,
            unusable,
            empty,
            signatures,
            ..
        } = self;
        let kinds = signatures.len();
        let line = format!(
            "replay: files={files} passed={passed} findings={findings} signatures={kinds} \
             unusable={unusable} empty={empty}"
        );
        writeln!(out, "{}", style.heading(line))?;
        if self.interrupted {
            writeln!(
                out,
                "{}",
                style.bad("interrupted: not all files were looked at")
            )?;
        }
        if self.other > 0 {
            let files = counted(self.other as usize, "file");
            writeln!(
                out,
                "passed over {files} without a program of the model (digests.lock, *.calls)"
            )?;
        }
        if !signatures.is_empty() {
            let heading = format!(
                "\n{:>8}  {:<60}  shortest (operations)",
                "files", "signature"
            );
            writeln!(out, "{}", style.heading(heading))?;
        }
        let mut groups: Vec<_> = signatures.iter().collect();
        groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.files));
        for (signature, group) in groups {
            let Group {
                files,
                example,
                operations,
            } = group;
            writeln!(out, "{files:>8}  {signature:<60}  {example} ({operations})")?;
        }
        if !self.unusable_files.is_empty() {
            writeln!(out, "\n{}", style.heading("unusable:"))?;
        }
        for why in &self.unusable_files {
            writeln!(out, "  {why}")?;
        }
        let more = unusable - self.unusable_files.len() as u64;
        if more > 0 {
            writeln!(out, "  and {more} more")?;
        }
        Ok(())
    }
}
