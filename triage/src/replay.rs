//! `replay`: runs programs and says what happens.

use crate::Status;
use crate::args::Replay;
use crate::input::{self, Input};
use crate::names::shown;
use crate::page::counted;
use crate::run::{self, Bugs, Ended};
use crate::style::Style;
use crate::watch::{Seen, Watch};
use crate::{finding, summary};
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;

/// Runs every file, and then all that is in folders; the worst status of all.
pub fn command(args: &Replay, out: &mut dyn Write) -> io::Result<Status> {
    let bugs = args.zoo.clone().unwrap_or_default();
    let (folders, files): (Vec<_>, Vec<_>) = args.files.iter().partition(|path| path.is_dir());
    let mut worst = Status::Pass;
    for file in files {
        let status = if args.json {
            json(args, &bugs, file, out)?
        } else {
            people(args, &bugs, file, out)?
        };
        worst = worst.max(status);
    }
    if !folders.is_empty() {
        worst = worst.max(summary::command(args, &bugs, &folders, out)?);
    }
    Ok(worst)
}

/// Reads a file, and says on standard error what is wrong or odd with it.
fn load(args: &Replay, file: &Path) -> Result<Input, String> {
    match input::load(file, args.target) {
        Ok(input) => {
            if let Some(note) = &input.note {
                crate::say(note);
            }
            Ok(input)
        }
        Err(error) => {
            let message = error.to_string();
            Status::unusable(&message);
            Err(message)
        }
    }
}

fn people(args: &Replay, bugs: &Bugs, file: &Path, out: &mut dyn Write) -> io::Result<Status> {
    let style = Style::of_stdout();
    // what a terminal shows of both streams is in order
    out.flush()?;
    let Ok(input) = load(args, file) else {
        return Ok(Status::Unusable);
    };
    let program = &input.program;
    writeln!(out, "{}", style.heading(header(file, &input, bugs)))?;
    let live: Option<&mut dyn Write> = if args.quiet { None } else { Some(&mut *out) };
    let mut watch = Watch::new(program, live);
    let ended = run::run(program, bugs, args.thorough, &mut watch);
    let seen = watch.end()?;
    match ended {
        Ended::Pass { digest } => {
            let line = style.good(format_args!("pass: digest {digest:016x}"));
            writeln!(out, "{line}")?;
            Ok(Status::Pass)
        }
        Ended::Found(found) => {
            finding::print(out, style, program, &found, &seen)?;
            Ok(Status::Finding)
        }
    }
}

/// `x.mm: text, 5 operations, 2 threads, tiny geometry, with ttu-subpage-from-swap-pte`.
fn header(file: &Path, input: &Input, bugs: &Bugs) -> String {
    let program = &input.program;
    let mut header = format!(
        "{}: {}, {}, {}, {} geometry",
        shown(file),
        input.form,
        counted(program.ops.len(), "operation"),
        counted(program.threads.into(), "thread"),
        program.geometry
    );
    if !program.preemptions.is_empty() {
        header += &format!(", {}", counted(program.preemptions.len(), "preemption"));
    }
    if !bugs.names.is_empty() {
        header += &format!(", with {}", bugs.names);
    }
    header
}

fn json(args: &Replay, bugs: &Bugs, file: &Path, out: &mut dyn Write) -> io::Result<Status> {
    let input = match load(args, file) {
        Ok(input) => input,
        Err(message) => {
            Line::unusable(file, message).print(out)?;
            return Ok(Status::Unusable);
        }
    };
    let mut watch = Watch::new(&input.program, None);
    let ended = run::run(&input.program, bugs, args.thorough, &mut watch);
    let Seen { step, .. } = watch.end()?;
    let status = match &ended {
        Ended::Pass { .. } => Status::Pass,
        Ended::Found(_) => Status::Finding,
    };
    Line::ended(file, ended, step).print(out)?;
    Ok(status)
}

/// What `--json` says of a file.
#[derive(Debug, Serialize)]
pub struct Line {
    /// Its name, as [`shown`].
    pub file: String,
    /// `pass`, `finding`, `unusable` or, in a folder, `empty`.
    pub verdict: &'static str,
    /// The signature of the finding.
    pub signature: Option<String>,
    /// The operation of the finding.
    pub step: Option<usize>,
    /// What was found, or what makes the file unusable.
    pub detail: Option<String>,
    /// The digest of a run that passed.
    pub digest: Option<String>,
}

impl Line {
    /// A file that is no program.
    pub fn unusable(file: &Path, why: String) -> Self {
        Self {
            file: shown(file),
            verdict: "unusable",
            signature: None,
            step: None,
            detail: Some(why),
            digest: None,
        }
    }

    /// A file in a folder without a byte.
    pub fn empty(file: &Path) -> Self {
        Self {
            verdict: "empty",
            detail: None,
            ..Self::unusable(file, String::new())
        }
    }

    /// A program after its run; `step` is the last operation that ran, if that is known.
    pub fn ended(file: &Path, ended: Ended, step: Option<usize>) -> Self {
        let line = Self {
            verdict: "pass",
            detail: None,
            ..Self::unusable(file, String::new())
        };
        match ended {
            Ended::Pass { digest } => Self {
                digest: Some(format!("{digest:016x}")),
                ..line
            },
            Ended::Found(found) => Self {
                verdict: "finding",
                signature: Some(found.signature),
                step: found.step.or(step),
                detail: Some(found.detail),
                ..line
            },
        }
    }

    /// Prints it as one line.
    pub fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        writeln!(out)
    }
}
