//! `replay`: runs programs and says what happens.

use crate::Status;
use crate::args::Replay;
use crate::input::{self, Input};
use crate::json::Object;
use crate::report;
use crate::run::{self, Bugs, Ended, Found};
use crate::style::Style;
use crate::watch::{Seen, Watch};
use std::io::{self, Write};
use std::path::Path;

/// Runs every file; the worst status of all.
pub fn command(args: &Replay, out: &mut dyn Write) -> io::Result<Status> {
    let bugs = args.zoo.clone().unwrap_or_default();
    let mut worst = Status::Pass;
    for file in &args.files {
        let status = if args.json {
            json(args, &bugs, file, out)?
        } else {
            people(args, &bugs, file, out)?
        };
        worst = worst.max(status);
    }
    Ok(worst)
}

/// Reads a file, and says on standard error what is wrong or odd with it.
fn load(args: &Replay, file: &Path) -> Result<Input, String> {
    match input::load(file, args.target) {
        Ok(input) => {
            if let Some(note) = &input.note {
                eprintln!("mm-triage: {note}");
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
            report::print(out, style, program, &found, &seen)?;
            Ok(Status::Finding)
        }
    }
}

/// `x.mm: text, 5 operations, 2 threads, tiny geometry, with ttu-subpage-from-swap-pte`.
fn header(file: &Path, input: &Input, bugs: &Bugs) -> String {
    let counted = |count: usize, what: &str| {
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} {what}{plural}")
    };
    let program = &input.program;
    let mut header = format!(
        "{}: {}, {}, {}, {} geometry",
        file.display(),
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
            let line = object(file, "unusable", None, None, Some(&message), None);
            writeln!(out, "{line}")?;
            return Ok(Status::Unusable);
        }
    };
    let mut watch = Watch::new(&input.program, None);
    let ended = run::run(&input.program, bugs, args.thorough, &mut watch);
    let Seen { step, .. } = watch.end()?;
    let (line, status) = match ended {
        Ended::Pass { digest } => {
            let digest = format!("{digest:016x}");
            let line = object(file, "pass", None, None, None, Some(&digest));
            (line, Status::Pass)
        }
        Ended::Found(found) => {
            let step = found.step.or(step);
            let Found { detail, .. } = &found;
            let line = object(file, "finding", Some(&found), step, Some(detail), None);
            (line, Status::Finding)
        }
    };
    writeln!(out, "{line}")?;
    Ok(status)
}

fn object(
    file: &Path,
    verdict: &str,
    found: Option<&Found>,
    step: Option<usize>,
    detail: Option<&str>,
    digest: Option<&str>,
) -> String {
    Object::default()
        .text("file", Some(&file.to_string_lossy()))
        .text("verdict", Some(verdict))
        .text("signature", found.map(|found| &*found.signature))
        .number("step", step)
        .text("detail", detail)
        .text("digest", digest)
        .finish()
}
