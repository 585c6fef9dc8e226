//! `exhaust`: runs every program up to a length. The bound is part of the result.

use crate::bugs::Bugs;
use crate::page::counted;
use crate::progress::Progress;
use crate::run::{Ended, Runner};
use crate::stop::Stop;
use crate::style::Style;
use crate::{Status, pool};
use mm_fuzz::exec::{Observer, Options};
use mm_fuzz::exhaust::alphabet::{Alphabet, NamedPages, Size};
use mm_fuzz::exhaust::{self, Bound, ExhaustiveSearch, Machine, Ran};
use mm_fuzz::invariant::Invariant;
use mm_fuzz::program::{OpKind, Program};
use serde::Serialize;
use std::io::{self, Write};

/// The end of the command's help.
pub const HELP: &str = "\
The search covers everything within the bound, which it prints: all kinds of operations with few
operands, and, with two threads, every schedule up to the number of preemptions. Programs that differ
only in names count as one, and programs that reach the same state are continued once. The result
does not depend on --jobs.
Exit status: 0 no finding, or a table of all bugs; 1 a finding; 2 unusable command line; 3 interrupted,
after printing what was covered until then.";

/// Arguments of `exhaust`.
#[derive(Debug, clap::Args)]
pub struct ExhaustArgs {
    /// The most operations of a program [default: 4 with one thread, 3 with two]
    #[arg(long, value_name = "N", value_parser = depth)]
    pub depth: Option<usize>,
    /// Put this historical bug back and search until it is found; all: do so for many bugs, one
    /// after the other, and print a table. With all, --threads selects the bugs that need one
    /// thread (1) or more (2). --huge selects the bugs that need huge pages; without --huge, the
    /// search is for those that need none
    #[arg(long, value_name = "SLUG|all")]
    pub zoo: Option<String>,
    /// With --zoo: search until this invariant breaks, named as in docs/zoo.md
    #[arg(long, value_name = "FAMILY/INVARIANT", requires = "zoo", value_parser = invariant)]
    pub oracle: Option<Invariant>,
    /// Threads of the programs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub threads: u8,
    /// The most preemptions of a program of two threads
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=4))]
    pub preemptions: u8,
    /// The greatest number of consecutive operations that overlap, in programs of two threads
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = overlap)]
    pub overlap: usize,
    /// Neighbouring pages that programs name [default: 2 with one thread, 1 with two]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=4))]
    pub pages: Option<u8>,
    /// Programs have huge pages (thp always): operations name a huge page, its first page and its
    /// second half
    #[arg(long, conflicts_with = "pages")]
    pub huge: bool,
    /// Threads that search [default: one for each processor]
    #[arg(long, short, value_name = "N", value_parser = pool::jobs)]
    pub jobs: Option<usize>,
    /// Print one JSON object and nothing else; one for each bug with --zoo all
    #[arg(long)]
    pub json: bool,
}

/// The defaults of the command line.
impl Default for ExhaustArgs {
    fn default() -> Self {
        Self {
            depth: None,
            zoo: None,
            oracle: None,
            threads: 1,
            preemptions: 2,
            overlap: 2,
            pages: None,
            huge: false,
            jobs: None,
            json: false,
        }
    }
}

impl ExhaustArgs {
    /// The most operations of a program.
    pub fn depth(&self) -> usize {
        self.depth.unwrap_or(if self.threads > 1 { 3 } else { 4 })
    }

    /// The pages that programs name.
    pub fn pages(&self) -> NamedPages {
        match self.pages {
            _ if self.huge => NamedPages::Huge,
            Some(pages) => NamedPages::Small(pages),
            None if self.threads > 1 => NamedPages::Small(1),
            None => NamedPages::Small(2),
        }
    }
}

/// Looks up the name of an invariant.
fn invariant(name: &str) -> Result<Invariant, String> {
    Invariant::named(name).ok_or_else(|| "not an invariant of docs/invariants.md".to_owned())
}

/// Parses the number of operations that overlap.
fn overlap(word: &str) -> Result<usize, String> {
    match word.parse() {
        Ok(number @ 2..=16) => Ok(number),
        _ => Err("from 2 to 16".to_owned()),
    }
}

/// Parses the length of programs.
fn depth(word: &str) -> Result<usize, String> {
    match word.parse() {
        Ok(number @ 1..=16) => Ok(number),
        _ => Err("from 1 to 16".to_owned()),
    }
}

/// Runs programs with bugs. `identifying` computes the identity of the state that a program
/// reaches. `plain` does not, because this takes time.
struct Machines<'a> {
    plain: Runner,
    identifying: Runner,
    stop: &'a Stop,
}

impl<'a> Machines<'a> {
    fn new(bugs: &Bugs, stop: &'a Stop) -> Self {
        let runner = |identity| {
            let options = Options {
                identity,
                ..Options::default()
            };
            Runner::new(bugs, options)
        };
        Self {
            plain: runner(false),
            identifying: runner(true),
            stop,
        }
    }
}

impl Machine for Machines<'_> {
    fn run(&mut self, program: &Program, identity: bool, observer: &mut dyn Observer) -> Ran {
        let runner = if identity {
            &mut self.identifying
        } else {
            &mut self.plain
        };
        let ended = runner.run(program, observer);
        let identity = runner.identity();
        match ended {
            Ended::Pass { .. } => Ran {
                found: None,
                invariant: None,
                is_whole: true,
                identity,
            },
            Ended::Found(found) => Ran {
                invariant: found.invariant,
                found: Some(found.signature),
                is_whole: found.step.is_some_and(|step| step >= program.ops.len()),
                identity,
            },
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.is_set()
    }
}

/// The result of a search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SearchReport {
    /// The bug that was put back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bug: Option<String>,
    /// What the search had to cover.
    pub bound: SearchBound,
    /// The user stopped the search before it had covered the bound.
    pub interrupted: bool,
    /// The search was for a bug, and stopped when it had found the bug.
    pub stopped_at_finding: bool,
    /// The number of programs covered, of 0, 1, 2 … operations.
    pub programs: Vec<u128>,
    /// The number of programs that were run.
    pub runs: u64,
    /// The number of states that were continued, by the length of the program that reaches them
    /// first.
    pub states: Vec<u64>,
    /// The search tries the lengths in order. For the last length tried, this is the share of its
    /// work that is done, in thousandths.
    pub last_length_done: u64,
    /// The findings, shortest program first.
    pub findings: Vec<FirstFinding>,
}

/// The bound, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SearchBound {
    /// The most operations of a program.
    pub operations: usize,
    /// The threads of each program.
    pub threads: u8,
    /// The most preemptions of a program.
    pub preemptions: u8,
    /// Neighbouring pages, or the eight pages of a huge page.
    pub pages: u8,
    /// Programs have huge pages.
    pub huge: bool,
    /// The number of operations to choose from.
    pub alphabet: usize,
    /// The greatest number of consecutive operations that overlap.
    pub overlap: usize,
}

/// The first program that shows a signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FirstFinding {
    /// The signature.
    pub signature: String,
    /// The invariant, `family/name`; `None` for a panic.
    #[serde(skip)]
    pub oracle: Option<String>,
    /// The number of operations of the program.
    pub operations: usize,
    /// The number of programs run up to and including this one.
    pub runs: u64,
    /// The program, as text.
    pub program: String,
}

/// Searches once, or once for every bug.
pub fn command(args: &ExhaustArgs, out: &mut dyn Write) -> io::Result<Status> {
    let stop = match Stop::on_signals() {
        Ok(stop) => stop,
        Err(status) => return Ok(status),
    };
    match args.zoo.as_deref() {
        None => search(args, None, &Bugs::default(), &stop).and_then(|r| one(args, r, out)),
        Some("all") => all(args, &stop, out),
        Some(names) => match Bugs::parse(names) {
            Ok(bugs) => {
                warn_of_threads(&bugs, args.threads);
                search(args, Some(names), &bugs, &stop).and_then(|r| one(args, r, out))
            }
            Err(why) => Ok(Status::unusable(why)),
        },
    }
}

/// Warns of bugs that no program with this many threads can show.
fn warn_of_threads(bugs: &Bugs, threads: u8) {
    for (slug, needed) in bugs.threads() {
        if needed > threads {
            let have = counted(threads.into(), "thread");
            let advice = match needed {
                2 => "give --threads 2",
                _ => "it is out of reach of this search",
            };
            crate::say(format_args!(
                "{slug} needs {needed} threads, and the programs have {have}: {advice}"
            ));
        }
    }
}

fn bound(args: &ExhaustArgs) -> Bound {
    let size = Size {
        pages: args.pages(),
        threads: args.threads,
    };
    Bound {
        alphabet: Alphabet::new(size, OpKind::ALL),
        depth: args.depth(),
        preemptions: if args.threads > 1 {
            args.preemptions
        } else {
            0
        },
        overlap: if args.threads > 1 { args.overlap } else { 1 },
        merge: true,
    }
}

/// Searches with `bugs`. If `name` is given, the search ends when that bug is found.
///
/// # Errors
/// A thread cannot be started.
pub fn search(
    args: &ExhaustArgs,
    name: Option<&str>,
    bugs: &Bugs,
    stop: &Stop,
) -> io::Result<SearchReport> {
    let bound = bound(args);
    let mut search = ExhaustiveSearch::new(&bound);
    let mut progress = Progress::new("runs");
    let (mut covered, mut done, mut stopped) = (0, 0, false);
    for length in 0..bound.depth {
        // True if there is a wanted finding, and no later program is shorter.
        let is_over = |search: &ExhaustiveSearch| {
            let mut found = search.found.values();
            name.is_some()
                && found.any(|first| {
                    is_wanted(args, first.invariant) && first.program.ops.len() <= length + 1
                })
        };
        let tasks = search.layer(&bound, length);
        let total = tasks.len();
        let mut last_layer = 0;
        let wanted = tasks.into_iter().take_while(|_| !stop.is_set());
        let ended = pool::ordered(
            args.jobs.unwrap_or_else(pool::default_jobs),
            wanted,
            || Machines::new(bugs, stop),
            |machine, task| exhaust::expand(&bound, &task, machine),
            |expansion| {
                let Some(expansion) = expansion else {
                    return Ok(());
                };
                search.absorb(&bound, expansion);
                last_layer += 1;
                progress.tick(search.runs, || {
                    let percent = 100 * last_layer / total as u64;
                    format!(
                        "programs of {}: {percent} %",
                        counted(length + 1, "operation")
                    )
                });
                // This error only ends the work; it is not reported.
                if is_over(&search) {
                    Err(io::ErrorKind::Interrupted.into())
                } else {
                    Ok(())
                }
            },
        );
        if let Err(error) = ended
            && !is_over(&search)
        {
            return Err(error);
        }
        stopped = is_over(&search);
        done = 1000 * last_layer / (total as u64).max(1);
        if stopped || last_layer < total as u64 {
            break;
        }
        covered = length + 1;
    }
    progress.end();
    Ok(SearchReport {
        bug: name.map(str::to_owned),
        bound: SearchBound {
            operations: bound.depth,
            threads: args.threads,
            preemptions: bound.preemptions,
            pages: match args.pages() {
                NamedPages::Small(pages) => pages,
                NamedPages::Huge => 8,
            },
            huge: args.huge,
            alphabet: bound.alphabet.len(),
            overlap: bound.overlap,
        },
        interrupted: covered < bound.depth && !stopped,
        stopped_at_finding: stopped,
        programs: bound.alphabet.count(covered),
        runs: search.runs,
        states: std::mem::take(&mut search.states),
        last_length_done: done,
        findings: findings(search),
    })
}

/// Whether this invariant of a finding is the one given with `--oracle`; without `--oracle`, always
/// true.
fn is_wanted(args: &ExhaustArgs, invariant: Option<Invariant>) -> bool {
    args.oracle.is_none() || args.oracle == invariant
}

/// The findings, shortest program first. Of programs of the same length, the one found first comes
/// first.
fn findings(search: ExhaustiveSearch) -> Vec<FirstFinding> {
    let mut findings: Vec<_> = search.found.into_iter().collect();
    findings.sort_by_key(|(_, first)| (first.program.ops.len(), first.runs));
    let finding = |(signature, first): (String, exhaust::FirstProgram)| FirstFinding {
        signature,
        oracle: first.invariant.map(|invariant| invariant.to_string()),
        operations: first.program.ops.len(),
        runs: first.runs,
        program: first.program.to_string(),
    };
    findings.into_iter().map(finding).collect()
}

fn one(args: &ExhaustArgs, report: SearchReport, out: &mut dyn Write) -> io::Result<Status> {
    let status = match () {
        () if report.interrupted => Status::Interrupted,
        () if report.findings.is_empty() => Status::Pass,
        () => Status::Finding,
    };
    if args.json {
        serde_json::to_writer(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        people(&report, out)?;
    }
    Ok(status)
}

impl std::fmt::Display for SearchBound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            operations,
            threads,
            preemptions,
            pages,
            huge,
            alphabet,
            overlap,
        } = self;
        let pages = match huge {
            false => counted((*pages).into(), "page"),
            true => "a huge page".to_owned(),
        };
        write!(
            f,
            "programs of up to {}, chosen from {alphabet} (the same kind of operation with other operands counts as another operation), {}, {}",
            counted(*operations, "operation"),
            pages,
            counted((*threads).into(), "thread"),
        )?;
        if *threads > 1 {
            write!(
                f,
                ", every schedule of up to {} in which at most {overlap} consecutive operations overlap",
                counted((*preemptions).into(), "preemption"),
            )?;
        }
        Ok(())
    }
}

fn people(report: &SearchReport, out: &mut dyn Write) -> io::Result<()> {
    let style = Style::of_stdout();
    writeln!(out, "bound: {}", report.bound)?;
    let covered = report.programs.len() - 1;
    writeln!(
        out,
        "covered: {} programs, renamings not counted; only {} were run, because the others reach the same states\n",
        report.programs.iter().sum::<u128>(),
        report.runs
    )?;
    writeln!(
        out,
        "| operations | programs | states to continue |\n|--:|--:|--:|"
    )?;
    for (length, (programs, states)) in report.programs.iter().zip(&report.states).enumerate() {
        writeln!(out, "| {length} | {programs} | {states} |")?;
    }
    writeln!(out)?;
    if covered < report.bound.operations {
        let why = if report.interrupted {
            "interrupted"
        } else {
            "stopped at the finding"
        };
        let partial = format!(
            "{why}: for programs of {}, {}.{} % of the work was done",
            counted(covered + 1, "operation"),
            report.last_length_done / 10,
            report.last_length_done % 10,
        );
        writeln!(out, "{}", style.bad(partial))?;
    }
    for finding in &report.findings {
        let heading = format!(
            "finding: {}, {}, run {}",
            finding.signature,
            counted(finding.operations, "operation"),
            finding.runs
        );
        writeln!(out, "\n{}", style.bad(heading))?;
        for line in finding.program.lines() {
            writeln!(out, "  {line}")?;
        }
    }
    if report.findings.is_empty() && !report.interrupted {
        writeln!(out, "{}", style.good("no finding within the bound"))?;
    }
    Ok(())
}

#[cfg(not(feature = "zoo"))]
fn all(_: &ExhaustArgs, _: &Stop, _: &mut dyn Write) -> io::Result<Status> {
    Ok(Status::unusable(format_args!(
        "exhaust: {}",
        crate::bugs::ABSENT
    )))
}

/// Prints a row for each bug that needs one thread or, with `--threads 2`, for each bug that needs
/// more. With `--huge`, these are only bugs that need huge pages; without it, only bugs that need
/// none.
#[cfg(feature = "zoo")]
fn all(args: &ExhaustArgs, stop: &Stop, out: &mut dyn Write) -> io::Result<Status> {
    let table = mm_fuzz::zoo::TABLE.iter();
    let bugs =
        table.filter(|entry| (entry.threads > 1) == (args.threads > 1) && entry.huge == args.huge);
    let (mut found, mut missed) = (0, Vec::new());
    for (index, entry) in bugs.enumerate() {
        let report = search(args, Some(entry.slug), &Bugs::only(entry.bug), stop)?;
        if index == 0 && !args.json {
            writeln!(out, "Bound: {}.\n", report.bound)?;
            writeln!(
                out,
                "| bug | operations | runs | found by |\n|---|---|---|---|"
            )?;
        }
        match report.findings.first() {
            _ if report.interrupted => {}
            Some(first) => {
                found += 1;
                row(args, entry.slug, first, out)?;
            }
            None => missed.push(entry.slug),
        }
        if args.json {
            serde_json::to_writer(&mut *out, &report)?;
            writeln!(out)?;
        }
        out.flush()?;
        if report.interrupted {
            break;
        }
    }
    if !args.json {
        let missed: Vec<_> = missed.iter().map(|slug| format!("`{slug}`")).collect();
        writeln!(
            out,
            "\n{found} found; not found within the bound: {}.",
            missed.len()
        )?;
        writeln!(out, "{}", missed.join(", "))?;
        if stop.is_set() {
            writeln!(out, "\nInterrupted: the other bugs were not searched for.")?;
        }
    }
    Ok(if stop.is_set() {
        Status::Interrupted
    } else {
        Status::Pass
    })
}

#[cfg(feature = "zoo")]
fn row(
    args: &ExhaustArgs,
    slug: &str,
    first: &FirstFinding,
    out: &mut dyn Write,
) -> io::Result<()> {
    if args.json {
        return Ok(());
    }
    let oracle = first.oracle.as_deref().unwrap_or(&first.signature);
    writeln!(
        out,
        "| `{slug}` | {} | {} | {oracle} |",
        first.operations, first.runs
    )
}
