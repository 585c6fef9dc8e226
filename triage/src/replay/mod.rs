//! `replay`: runs programs and shows what happens.

mod folders;
mod line;

use crate::Status;
use crate::bugs::Bugs;
use crate::input::{self, Input, Target};
use crate::names::shown;
use crate::page::counted;
use crate::run::{self, Ended};
use crate::style::Style;
use crate::watch::{Seen, Watch};
use crate::{finding, pool};
use folders::Folders;
use line::Line;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Arguments of `replay`.
#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    /// Historical bugs to put back, separated by commas; `mm-triage zoo` lists them
    #[arg(long, value_name = "SLUG[,SLUG]", value_parser = Bugs::parse)]
    pub zoo: Option<Bugs>,
    /// The files are inputs of this fuzz target: run them within its limits, and read any file not
    /// called .mm as wire
    #[arg(long, value_name = "TARGET")]
    pub target: Option<Target>,
    /// Check everything after every slice, by brute force
    #[arg(long)]
    pub thorough: bool,
    /// Print no operations, only verdicts and findings
    #[arg(long, short)]
    pub quiet: bool,
    /// Print nothing but one JSON object for each file, and one with the sums for folders
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
    /// Threads for files in folders [default: one for each processor]
    #[arg(long, short, value_name = "N", value_parser = pool::jobs)]
    pub jobs: Option<usize>,
    /// Text programs (.mm), wire files, or artifacts of a fuzzing engine; a folder stands for all
    /// files in it and in its subfolders, with a summary; links to folders are not followed
    #[arg(required = true, value_name = "FILE|DIR")]
    pub files: Vec<PathBuf>,
}

/// Runs every file, then all files in folders, and returns the worst status.
pub fn command(args: &ReplayArgs, out: &mut dyn Write) -> io::Result<Status> {
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
        let work = Folders {
            folders: &folders,
            bugs: &bugs,
            target: args.target,
            thorough: args.thorough,
            json: args.json,
            jobs: args.jobs.unwrap_or_else(pool::default_jobs),
        };
        worst = worst.max(work.replay(out)?);
    }
    Ok(worst)
}

/// Reads a file, and says on standard error what is wrong or odd with it.
fn load(args: &ReplayArgs, file: &Path) -> Result<Input, String> {
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

fn people(args: &ReplayArgs, bugs: &Bugs, file: &Path, out: &mut dyn Write) -> io::Result<Status> {
    let style = Style::of_stdout();
    // Flush, so that a terminal shows both streams in order.
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

fn json(args: &ReplayArgs, bugs: &Bugs, file: &Path, out: &mut dyn Write) -> io::Result<Status> {
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
