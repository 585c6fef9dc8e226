//! The command: minimizes files, writes the results beside them, and prints a line for each.

use super::minimizer::{Minimized, Same, minimize, minimize_on_linux};
use super::passes::PassStatistics;
use crate::bugs::Bugs;
use crate::input::{self, Target};
use crate::linux::Image;
use crate::names::shown;
use crate::page::counted;
use crate::progress::Progress;
use crate::stop::Stop;
use crate::style::Style;
use crate::{Status, corpus, pool, store};
use mm_fuzz::program::Program;
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The end of the command's help.
pub const HELP: &str = "\
The result is 1-minimal: if any operation, preemption or thread is removed, or any operand gets a step
smaller, the signature of the finding changes. The result does not depend on --jobs.
Exit status: 0 every file was minimized, 2 a file was unusable or has no finding, 3 interrupted: the
smallest programs so far have been written.";

/// Arguments of `minimize`.
#[derive(Debug, clap::Args)]
pub struct MinimizeArgs {
    /// Historical bugs to put back, separated by commas
    #[arg(long, value_name = "SLUG[,SLUG]", value_parser = Bugs::parse)]
    pub zoo: Option<Bugs>,
    /// The files are inputs of this fuzz target
    #[arg(long, value_name = "TARGET")]
    pub target: Option<Target>,
    /// What the smaller program must have in common with the larger one
    #[arg(long, value_name = "WHAT", default_value = "signature")]
    pub same: Same,
    /// Minimize a finding of `linux`: a guest and the model run each smaller program, and its
    /// finding must be of the same kind
    #[arg(long, conflicts_with_all = ["zoo", "same", "jobs"])]
    pub linux: bool,
    /// Write the programs to this folder [default: that of each file], as NAME.min.mm
    #[arg(long, short, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Threads [default: one for each processor]
    #[arg(long, short, value_name = "N", value_parser = pool::jobs)]
    pub jobs: Option<usize>,
    /// Also print what each pass tried and achieved; --json always does
    #[arg(long)]
    pub stats: bool,
    /// Print one JSON object for each file and nothing else
    #[arg(long)]
    pub json: bool,
    /// Text programs (.mm), wire files, or artifacts of a fuzzing engine
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// What is printed about a file.
#[derive(Debug, Serialize)]
struct Line {
    file: String,
    verdict: &'static str,
    signature: Option<String>,
    output: Option<String>,
    operations_before: Option<usize>,
    operations: Option<usize>,
    threads: Option<u8>,
    preemptions: Option<usize>,
    tests: Option<u64>,
    certified_by: Option<u64>,
    passes: Option<Vec<PassStatistics>>,
    seconds: Option<f64>,
    detail: Option<String>,
}

/// A file after the work on it.
struct Done {
    line: Line,
    program: Option<Program>,
    status: Status,
}

/// Minimizes every file, and returns the worst status.
pub fn command(args: &MinimizeArgs, out: &mut dyn Write) -> io::Result<Status> {
    let bugs = args.zoo.clone().unwrap_or_default();
    let jobs = args.jobs.unwrap_or_else(pool::default_jobs);
    let stop = match Stop::on_signals() {
        Ok(stop) => stop,
        Err(status) => return Ok(status),
    };
    if let Some(dir) = &args.output
        && let Err(status) = store::make_folder(dir)
    {
        return Ok(status);
    }
    if args.output.is_none() {
        store::sweep_folders_of(args.files.iter());
    }
    let outputs = args
        .files
        .iter()
        .map(|path| output_path(args.output.as_deref(), path));
    if let Some(path) = store::first_collision(outputs) {
        return Ok(store::refuse_collision(&path));
    }
    let image = if args.linux {
        match image() {
            Ok(image) => Some(image),
            Err(why) => return Ok(Status::unusable(why)),
        }
    } else {
        None
    };
    // If there is one file, all threads work on it. If there are several, each has one thread.
    let (outer, inner) = if args.files.len() == 1 {
        (1, jobs)
    } else {
        (jobs, 1)
    };
    let mut worst = Status::Pass;
    let (mut progress, mut count) = (Progress::new("files minimized"), 0);
    let work = |(): &mut (), path: &PathBuf| {
        let is_wanted = !stop.is_set();
        is_wanted.then(|| one(args, path, &bugs, image.as_ref(), inner, &stop))
    };
    pool::ordered(
        outer,
        args.files.iter(),
        || (),
        work,
        |done| {
            let Some(done) = done else { return Ok(()) };
            worst = worst.max(done.status);
            if args.json {
                serde_json::to_writer(&mut *out, &done.line)?;
                writeln!(out)?;
            } else {
                people(&done, args, out)?;
            }
            count += 1;
            // On a terminal, the lines of output already show progress.
            if !io::stdout().is_terminal() {
                progress.tick(count, || format!("of {}", args.files.len()));
            }
            out.flush()
        },
    )?;
    progress.end();
    Ok(if stop.is_set() {
        worst.max(Status::Interrupted)
    } else {
        worst
    })
}

/// The image that the guests boot. The environment variable `KERNEL` chooses it.
fn image() -> Result<Image, String> {
    let corpus = corpus::find(None).map_err(|error| error.to_string())?;
    Image::ensure(corpus.parent().unwrap_or(&corpus))
}

/// Minimizes one file and writes the result.
fn one(
    args: &MinimizeArgs,
    path: &Path,
    bugs: &Bugs,
    image: Option<&Image>,
    jobs: usize,
    stop: &Stop,
) -> Done {
    let start = Instant::now();
    let mut line = Line {
        file: shown(path),
        verdict: "unusable",
        signature: None,
        output: None,
        operations_before: None,
        operations: None,
        threads: None,
        preemptions: None,
        tests: None,
        certified_by: None,
        passes: None,
        seconds: None,
        detail: None,
    };
    let unusable = |mut line: Line, why: String| {
        line.detail = Some(why);
        Done {
            line,
            program: None,
            status: Status::Unusable,
        }
    };
    let program = match input::load(path, args.target) {
        Ok(input) => input.program,
        Err(error) => return unusable(line, error.to_string()),
    };
    line.operations_before = Some(program.ops.len());
    let small = match image {
        Some(image) => match minimize_on_linux(&program, image, stop) {
            Ok(small) => small,
            Err(why) => {
                let why = format!("{}: {why}", line.file);
                return unusable(line, why);
            }
        },
        None => minimize(&program, bugs, args.same, jobs, stop).map(Minimized::signed),
    };
    let Some(small) = small else {
        line.verdict = "pass";
        let (file, hint) = match image {
            Some(_) => (&line.file, "is KERNEL right?"),
            None => (&line.file, "is --zoo right?"),
        };
        let why = format!("{file}: passes, so there is nothing to minimize; {hint}");
        return unusable(line, why);
    };
    let output = output_path(args.output.as_deref(), path);
    let text = format!("# {}\n{}", small.found, small.program);
    if let Err(error) = store::write(&output, text) {
        let output = shown(&output);
        let why = format!("{output}: cannot be written: {error}; give a folder with --output");
        return unusable(line, why);
    }
    let seconds = start.elapsed().as_secs_f64();
    let Minimized { program, .. } = small;
    line = Line {
        verdict: if small.last_round.is_some() {
            "minimal"
        } else {
            "interrupted"
        },
        signature: Some(small.found),
        output: Some(shown(&output)),
        operations: Some(program.ops.len()),
        threads: Some(program.threads),
        preemptions: Some(program.preemptions.len()),
        tests: Some(small.tests),
        certified_by: small.last_round,
        passes: Some(small.passes),
        seconds: Some((seconds * 1e6).round() / 1e6),
        ..line
    };
    Done {
        line,
        program: Some(program),
        status: Status::Pass,
    }
}

/// `crash-5f` becomes `crash-5f.min.mm`, and so does `crash-5f.mm`; in `folder` if one is given.
fn output_path(folder: Option<&Path>, path: &Path) -> PathBuf {
    store::beside(folder, path, ".min.mm")
}

fn people(done: &Done, args: &MinimizeArgs, out: &mut dyn Write) -> io::Result<()> {
    let line = &done.line;
    let (Some(program), Some(signature)) = (&done.program, &line.signature) else {
        // Flush, so that a terminal shows both streams in order.
        out.flush()?;
        Status::unusable(line.detail.as_deref().unwrap_or_default());
        return Ok(());
    };
    let style = Style::of_stdout();
    let before = line.operations_before.unwrap_or_default();
    let heading = format!("{}: {signature}", line.file);
    writeln!(out, "{}", style.heading(heading))?;
    writeln!(
        out,
        "  {before} -> {}, {}, {}, {} geometry",
        counted(program.ops.len(), "operation"),
        counted(program.threads.into(), "thread"),
        counted(program.preemptions.len(), "preemption"),
        program.geometry
    )?;
    let (tests, seconds) = (line.tests.unwrap_or(0), line.seconds.unwrap_or(0.0));
    let certificate = match line.certified_by {
        Some(last) => format!("1-minimal: the last {last} tests all lost the finding"),
        None => "interrupted: the smallest so far".to_owned(),
    };
    writeln!(out, "  {tests} tests in {seconds:.3} s; {certificate}")?;
    writeln!(out, "  {}", line.output.as_deref().unwrap_or_default())?;
    if args.stats {
        statistics(line.passes.as_deref().unwrap_or_default(), out)?;
    }
    if args.files.len() == 1 {
        write!(out, "\n{program}")?;
    }
    Ok(())
}

/// Prints a row for each pass: the number of changes tried and accepted, the number of operations
/// before the pass first ran and after it last ran, and the number of operations that it removed.
fn statistics(passes: &[PassStatistics], out: &mut dyn Write) -> io::Result<()> {
    let heading = format!(
        "  {:<26}{:>8} {:>8}  {:<12} removed",
        "pass", "tried", "accepted", "operations"
    );
    writeln!(out, "{}", Style::of_stdout().heading(heading))?;
    for pass in passes {
        let operations = format!("{} -> {}", pass.operations_before, pass.operations_after);
        writeln!(
            out,
            "  {:<26}{:>8} {:>8}  {operations:<12} {}",
            pass.pass, pass.tried, pass.accepted, pass.operations_removed
        )?;
    }
    Ok(())
}
