//! `minimize`: finds the shortest program with the same signature.

mod draft;
mod edit;
mod passes;
mod predicate;
mod search;

use crate::bugs::Bugs;
use crate::input::{self, Target};
use crate::linux::{Image, Lab};
use crate::names::shown;
use crate::page::counted;
use crate::progress::Progress;
use crate::run::{Ended, Found, Runner};
use crate::stop::Stop;
use crate::style::Style;
use crate::{Status, corpus, pool, store};
use draft::Best;
pub use draft::compare;
use mm_core::State;
use mm_fuzz::exec::{Observer, Options};
use mm_fuzz::program::Program;
pub use passes::PassStatistics;
use predicate::{Predicate, Slice};
use search::Search;
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
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

/// What a smaller program must have in common with the larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Same {
    /// The invariant, the operation and the state of the page
    Signature,
    /// The invariant
    Invariant,
    /// That there is a finding
    Finding,
}

/// Holds if a program has a finding that is the same as that of the original program, `found`. The
/// field `same` says what must be the same.
struct Alike<'a> {
    runner: Runner,
    same: Same,
    found: &'a Found,
}

impl Predicate for Alike<'_> {
    fn holds(&mut self, program: &Program, slices: &mut Vec<Slice>) -> bool {
        slices.clear();
        let ended = self.runner.run(program, &mut Turns(slices));
        let Ended::Found(found) = ended else {
            return false;
        };
        match self.same {
            Same::Signature => found.signature == self.found.signature,
            Same::Invariant => found.oracle == self.found.oracle,
            Same::Finding => true,
        }
    }
}

/// Records the turns of a run.
struct Turns<'a>(&'a mut Vec<Slice>);

impl Observer for Turns<'_> {
    fn slice(&mut self, step: usize, s: &State) {
        let (from, to) = (s.points(), s.points());
        self.0.push(Slice { step, from, to });
    }

    fn ran(&mut self, step: usize, s: &State) {
        if let Some(last) = self.0.last_mut().filter(|last| last.step == step) {
            last.to = s.points();
        }
    }
}

/// Holds if the kernel and the model differ, or the kernel dies, in the same way as with the larger
/// program.
struct AlikeOnLinux<'a> {
    lab: Lab,
    kind: &'a str,
    /// The reason why a guest did not come up. From then on the predicate holds for no program.
    failed: &'a Mutex<Option<String>>,
}

impl Predicate for AlikeOnLinux<'_> {
    fn holds(&mut self, program: &Program, slices: &mut Vec<Slice>) -> bool {
        slices.clear();
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.is_some() {
            return false;
        }
        match self.lab.run(program, &mut Turns(slices)) {
            Ok(found) => found.as_deref() == Some(self.kind),
            Err(death) => {
                *failed = Some(death.why);
                false
            }
        }
    }
}

/// The result of a minimization.
#[derive(Clone, Debug)]
pub struct Minimized<F = Found> {
    /// The smaller program.
    pub program: Program,
    /// The finding of the smaller program; on Linux, the kind of the finding.
    pub found: F,
    /// The number of changes that were tried.
    pub tests: u64,
    /// The number of changes that were tried in the last round, in which none could be made; `None`
    /// if the search was stopped.
    pub last_round: Option<u64>,
    /// What each pass did.
    pub passes: Vec<PassStatistics>,
}

impl Minimized {
    /// The same result, with the signature instead of the finding.
    fn signed(self) -> Minimized<String> {
        Minimized {
            program: self.program,
            found: self.found.signature,
            tests: self.tests,
            last_round: self.last_round,
            passes: self.passes,
        }
    }
}

/// Makes `program` as small as possible while its finding stays the same; `None` if the program has
/// no finding.
pub fn minimize(
    program: &Program,
    bugs: &Bugs,
    same: Same,
    jobs: usize,
    stop: &Stop,
) -> Option<Minimized> {
    let mut slices = Vec::new();
    let mut runner = Runner::new(bugs, Options::default());
    let Ended::Found(found) = runner.run(program, &mut Turns(&mut slices)) else {
        return None;
    };
    let new_predicate = || Alike {
        runner: Runner::new(bugs, Options::default()),
        same,
        found: &found,
    };
    let mut search = Search::new(new_predicate, jobs, stop);
    let mut best = Best {
        program: program.clone(),
        slices,
    };
    let passes::PassesEnded { last_round, passes } = passes::minimize(&mut search, &mut best);
    let tests = search.tests;
    let Ended::Found(found) = runner.run(&best.program, &mut ()) else {
        unreachable!("the predicate held for it, and runs are deterministic");
    };
    Some(Minimized {
        program: best.program,
        found,
        tests,
        last_round,
        passes,
    })
}

/// Makes `program` as small as possible while a guest and the model show a finding of the same
/// kind; `None` if there is no finding.
///
/// # Errors
///
/// The reason why a guest does not come up.
pub fn minimize_on_linux(
    program: &Program,
    image: &Image,
    stop: &Stop,
) -> Result<Option<Minimized<String>>, String> {
    let mut slices = Vec::new();
    let bugs = Bugs::of_kernel("", image.kernel())?;
    let mut lab = Lab::new(image, &bugs);
    let program = Program {
        // preemptions are dropped, so a finding that needs one is not minimized
        preemptions: Vec::new(),
        ..program.clone()
    };
    let found = lab.run(&program, &mut Turns(&mut slices));
    let Some(kind) = found.map_err(|death| death.why)? else {
        return Ok(None);
    };
    drop(lab);
    let failed = Mutex::new(None);
    let new_predicate = || AlikeOnLinux {
        lab: Lab::new(image, &bugs),
        kind: &kind,
        failed: &failed,
    };
    // each predicate has a guest of its own: one thread, one guest
    let mut search = Search::new(new_predicate, 1, stop);
    let mut best = Best { program, slices };
    let passes::PassesEnded { last_round, passes } = passes::minimize(&mut search, &mut best);
    let tests = search.tests;
    if let Some(why) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(why);
    }
    Ok(Some(Minimized {
        program: best.program,
        found: kind,
        tests,
        last_round,
        passes,
    }))
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
            Err(why) => return unusable(line, format!("the guest does not boot: {why}")),
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

#[cfg(test)]
mod tests {
    use super::draft::compare;
    use super::*;
    use mm_fuzz::program::generate::random_program;
    use mm_fuzz::program::mutate::Limits;
    use mm_fuzz::program::{Op, OpKind};
    use std::cell::RefCell;
    use std::rc::Rc;

    /// Whether the program has three forks before an eviction of at least five pages. It runs
    /// nothing.
    fn is_wanted(program: &Program) -> bool {
        let ops = || program.ops.iter().map(|step| step.op);
        let evict = ops().position(|op| matches!(op, Op::Evict { len, .. } if len.get() >= 5));
        let forks = ops().take(evict.unwrap_or(0));
        forks.filter(|op| op.kind() == OpKind::Fork).count() >= 3
    }

    /// A predicate that records the programs for which it holds.
    #[derive(Clone, Default)]
    struct Fake(Rc<RefCell<Vec<Program>>>);

    impl Predicate for Fake {
        fn holds(&mut self, program: &Program, slices: &mut Vec<Slice>) -> bool {
            slices.clear();
            slices.extend((0..program.ops.len()).map(|step| Slice {
                step,
                from: 0,
                to: 0,
            }));
            let holds = is_wanted(program);
            if holds {
                self.0.borrow_mut().push(program.clone());
            }
            holds
        }
    }

    fn long_program() -> Program {
        let mut rng = fastrand::Rng::with_seed(1);
        std::iter::repeat_with(|| random_program(Limits::RACES, &mut rng))
            .find(is_wanted)
            .expect("there is no end of them")
    }

    fn best(program: Program) -> Best {
        let slices = (0..program.ops.len()).map(|step| Slice {
            step,
            from: 0,
            to: 0,
        });
        Best {
            slices: slices.collect(),
            program,
        }
    }

    thread_local! {
        static FAKE: Fake = Fake::default();
    }

    #[test]
    fn what_does_not_matter_goes_and_every_step_goes_down() {
        let (stop, mut best) = (Stop::default(), best(long_program()));
        let before = best.program.ops.len();
        let mut search = Search::new(|| FAKE.with(Fake::clone), 1, &stop);
        let ended = passes::minimize(&mut search, &mut best);
        let expected = "fork p0\nfork p0\nfork p0\nevict d0 0 5\n";
        assert_eq!(best.program.to_string(), expected);
        let last = ended.last_round.expect("nobody stopped it");
        assert!(last > 0 && last < search.tests);
        let passes = &ended.passes;
        assert_eq!(passes[0].operations_before, before);
        let sum = |of: fn(&PassStatistics) -> u64| passes.iter().map(of).sum::<u64>();
        assert_eq!(sum(|pass| pass.tried), search.tests);
        let removed = sum(|pass| pass.operations_removed as u64) as usize;
        assert_eq!(removed, before - best.program.ops.len());
        let held = FAKE.with(|fake| fake.0.borrow().clone());
        assert!(held.len() > 5);
        assert_eq!(sum(|pass| pass.accepted), held.len() as u64);
        assert!(held.is_sorted_by(|a, b| compare(a, b).is_gt()));
    }

    #[test]
    fn a_search_that_is_stopped_keeps_what_it_has() {
        let stop = Stop::default();
        stop.set();
        let mut best = best(long_program());
        let mut search = Search::new(|| FAKE.with(Fake::clone), 1, &stop);
        let ended = passes::minimize(&mut search, &mut best);
        assert_eq!(best.program, long_program());
        assert_eq!((search.tests > 0, ended.last_round), (true, None));
    }

    #[cfg(feature = "zoo")]
    #[test]
    fn on_linux_the_guest_says_what_is_the_same() {
        let dir = tempfile::tempdir().expect("a folder");
        let image = crate::linux::fake::quick_image(dir.path(), "dies");
        let text = "mmap p0 0 4 rw\nwrite p0 1\nfork p0\nread p1 1\nwrite p0 2";
        let program: Program = text.parse().expect("a program");
        let small = minimize_on_linux(&program, &image, &Stop::default());
        let small = small.expect("it comes up").expect("it dies");
        assert_eq!(small.program.to_string(), "fork p0\n");
        assert_eq!(small.found, r"kernel: BUG: \x1b[31mred\x1b]0;title\x07");
        let harmless = "mmap p0 0 1 rw".parse().expect("a program");
        let small = minimize_on_linux(&harmless, &image, &Stop::default());
        assert!(small.expect("it comes up").is_none());
    }
}
