//! The command line.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use mm_fuzz::program::MAX_THREADS;
use mm_fuzz::program::mutate::Limits;
use std::path::PathBuf;

use crate::input::Form;
use crate::linux::known::{self, Version};
use crate::minimize::Same;
use crate::run::Bugs;

const AFTER_HELP: &str = "\
Exit status: 0 all is well, 1 a finding, 2 unusable input or command line, 3 interrupted.
The grammar of programs is in docs/grammar.md.";

const MINIMIZE_HELP: &str = "\
The result is 1-minimal: no operation, preemption or thread can go, and no operand can be a step smaller,
so that the finding keeps its signature. It does not depend on --jobs.
Exit status: 0 every file was minimized, 2 one was unusable or has no finding, 3 interrupted; then the
smallest programs so far have been written.";

const CLUSTER_HELP: &str = "\
Each program is minimized with its signature and cut at every scheduling point, so that the first
objection names a function. A cluster is an invariant, that function, and whether it takes a race; invariants
about the same thing count as one. Of sums and of progress, where the cause is long past, the wording counts
instead of the function.
The name of a cluster comes from these and stays the same from run to run.
OUT gets clusters.json and each cluster's shortest program; a second run with the same OUT adds to it, and
does not read again the files that are there.
Exit status: 0 no finding, 1 clusters, 2 an unusable file, 3 interrupted; the partial result is written.";

const REPORT_HELP: &str = "\
Does what cluster -o OUT does, and writes to the same folder report.html, which needs nothing but itself,
report.md, report.json (docs/report.schema.json) and report.sarif (SARIF 2.1.0).
Exit status: 0 no finding, 1 clusters, 2 an unusable file, 3 interrupted; the partial report is written.";

const COLLECT_HELP: &str = "\
A file whose name ends in 40 hexadecimal digits, as libFuzzer's do, and says the SHA-1 of another content is damaged, or
not written to its end: it is named and not copied. Each copy comes about by a rename, so that nobody sees half of one.
Exit status: 0 all were copied or were there, 2 some were damaged or could not be read or written.";

const BISECT_HELP: &str = "\
The verdict is the signature of the finding, pass, or unusable. Each commit is checked out in a worktree of its
own under the cache folder, built with cargo build --release -p mm-triage, and asked with replay --json; its
program is kept for the next time, the worktree goes. A commit that does not build is skipped.
Exit status: 0 the commit is found, 1 only commits that do not build are left, 2 unusable input or command
line, or the same verdict at both ends, 3 interrupted.";

const EXHAUST_HELP: &str = "\
Nothing is left out within the bound, which is printed: all kinds of operations, few operands, and of programs that
differ in names only one. Programs that reach the same state are continued once. With two threads, every schedule
up to the number of preemptions. The result does not depend on --jobs.
Exit status: 0 no finding, or a table of all bugs; 1 a finding; 2 unusable command line; 3 interrupted: what was
covered until then has been printed.";

const CAMPAIGN_HELP: &str = "\
Reads DIR/runs.csv and DIR/about.txt, whether all runs are there or not, and writes DIR/index.html, which needs
nothing but itself. The same runs give the same page.
Exit status: 0 the page is written, 2 unusable input.";

const DIFF_HELP: &str = "\
Exit status: 0 the runs are the same, 1 they differ, 2 unusable input or command line.";

/// Replay programs of the migration core's fuzzers, and work with their corpus.
#[derive(Debug, Parser)]
#[command(name = "mm-triage", version, about, after_help = AFTER_HELP)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run programs and say what happens, step by step
    #[command(after_help = AFTER_HELP)]
    Replay(Replay),
    /// Make programs with a finding as short as they get with the same signature
    #[command(after_help = MINIMIZE_HELP)]
    Minimize(Minimize),
    /// Say how many bugs a folder of artifacts has
    #[command(after_help = CLUSTER_HELP)]
    Cluster(Cluster),
    /// Write a page on all bugs of a folder: programs, explanations, pictures; and SARIF
    #[command(after_help = REPORT_HELP)]
    Report(Report),
    /// Find the commit of this repository at which a program's verdict changes
    #[command(after_help = BISECT_HELP)]
    Bisect(Bisect),
    /// Say of each operation what it changed, and in which function the finding comes about
    #[command(after_help = AFTER_HELP)]
    Explain(Explain),
    /// Run two programs side by side, or one with a bug and without
    #[command(after_help = DIFF_HELP)]
    Diff(Diff),
    /// Run every program up to a length
    #[command(after_help = EXHAUST_HELP)]
    Exhaust(Exhaust),
    /// Compare engines by the runs that make campaign has made, and write a page on it
    #[command(after_help = CAMPAIGN_HELP)]
    Campaign(Campaign),
    /// Write every text program of the corpus as a wire file, for a fuzzing engine
    Seeds(Seeds),
    /// Copy inputs of engines into a corpus, whole ones only, each under the name of its content
    #[command(after_help = COLLECT_HELP)]
    Collect(Collect),
    /// Turn programs of any form into text or wire
    Convert(Convert),
    /// Run every historical bug against its witness
    Zoo(Zoo),
    /// Run programs on a real Linux in a virtual machine, and compare it with the model
    #[command(after_help = AFTER_HELP)]
    Linux(Linux),
    /// Write a program as source: in C for a real Linux with our driver, or as a test in Rust
    Emit(Emit),
    /// Print what a shell needs to complete our command lines, for it to source
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Arguments of `replay`.
#[derive(Debug, ClapArgs)]
pub struct Replay {
    /// Historical bugs to put back, with commas between them; `mm-triage zoo` lists them
    #[arg(long, value_name = "SLUG[,SLUG]", value_parser = Bugs::parse)]
    pub zoo: Option<Bugs>,
    /// The files are inputs of this fuzz target: run them within its limits, and take whatever is
    /// not called .mm for wire
    #[arg(long, value_name = "TARGET")]
    pub target: Option<Target>,
    /// Check everything after every slice, by brute force
    #[arg(long)]
    pub thorough: bool,
    /// Print no operations, only verdicts and findings
    #[arg(long, short)]
    pub quiet: bool,
    /// Print one JSON object for each file, for folders one with the sums, and nothing else
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
    /// Threads for what is in folders [default: one for each processor]
    #[arg(long, short, value_name = "N", value_parser = jobs)]
    pub jobs: Option<usize>,
    /// Text programs (.mm), wire files, or artifacts of a fuzzing engine; of a folder, all files in it and in
    /// the folders in it, with a summary; links to folders are not followed
    #[arg(required = true, value_name = "FILE|DIR")]
    pub files: Vec<PathBuf>,
}

/// Arguments of `minimize`.
#[derive(Debug, ClapArgs)]
pub struct Minimize {
    /// Historical bugs to put back, with commas between them
    #[arg(long, value_name = "SLUG[,SLUG]", value_parser = Bugs::parse)]
    pub zoo: Option<Bugs>,
    /// The files are inputs of this fuzz target
    #[arg(long, value_name = "TARGET")]
    pub target: Option<Target>,
    /// What the smaller program must have in common with the larger one
    #[arg(long, value_name = "WHAT", default_value = "signature")]
    pub same: Same,
    /// Write the programs to this folder [default: that of each file], as NAME.min.mm
    #[arg(long, short, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Threads [default: one for each processor]
    #[arg(long, short, value_name = "N", value_parser = jobs)]
    pub jobs: Option<usize>,
    /// Print one JSON object for each file and nothing else
    #[arg(long)]
    pub json: bool,
    /// Text programs (.mm), wire files, or artifacts of a fuzzing engine
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// A number of threads.
fn jobs(word: &str) -> Result<usize, String> {
    let number: usize = word.parse().map_err(|_| "not a number".to_owned())?;
    match number {
        1..=256 => Ok(number),
        _ => Err("from 1 to 256".to_owned()),
    }
}

/// Artifacts, and how to read and run them.
#[derive(Debug, ClapArgs)]
pub struct Sources {
    /// Historical bugs to put back, with commas between them
    #[arg(long, value_name = "SLUG[,SLUG]", value_parser = Bugs::parse)]
    pub zoo: Option<Bugs>,
    /// The files are inputs of this fuzz target
    #[arg(long, value_name = "TARGET")]
    pub target: Option<Target>,
    /// The clusters.json of another run: say which clusters it has not
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Threads [default: one for each processor]
    #[arg(long, short, value_name = "N", value_parser = jobs)]
    pub jobs: Option<usize>,
    /// Folders of artifacts, or single files
    #[arg(required = true, value_name = "FILE|DIR")]
    pub files: Vec<PathBuf>,
}

/// Arguments of `cluster`.
#[derive(Debug, ClapArgs)]
pub struct Cluster {
    /// What to cluster.
    #[command(flatten)]
    pub sources: Sources,
    /// The folder to write to; what it has from an earlier run is added to
    #[arg(long, short, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// Print what clusters.json has, and nothing else
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `report`.
#[derive(Debug, ClapArgs)]
pub struct Report {
    /// What to report on.
    #[command(flatten)]
    pub sources: Sources,
    /// The folder to write to; what it has from an earlier run, or one of cluster, is added to
    #[arg(long, short, value_name = "OUT")]
    pub output: PathBuf,
    /// Print what report.json has, and nothing else
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `bisect`.
#[derive(Debug, ClapArgs)]
pub struct Bisect {
    /// Historical bugs to put back, with commas between them; a commit that does not know one is skipped
    #[arg(long, value_name = "SLUG[,SLUG]")]
    pub zoo: Option<String>,
    /// The file is an input of this fuzz target
    #[arg(long, value_name = "TARGET")]
    pub target: Option<Target>,
    /// Two commits of the repository that the working folder is in, A an ancestor of B
    #[arg(long, value_name = "A..B", value_parser = crate::bisect::Range::parse)]
    pub commits: crate::bisect::Range,
    /// The folder for worktrees and builds [default: mmfuzz/bisect in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
    /// A text program (.mm), a wire file, or an artifact of a fuzzing engine
    pub file: PathBuf,
}

/// Arguments of `explain`.
#[derive(Debug, ClapArgs)]
pub struct Explain {
    /// Historical bugs to put back, with commas between them; then the first operation is named at which the
    /// run differs from one without them
    #[arg(long, value_name = "SLUG[,SLUG]", value_parser = Bugs::parse)]
    pub zoo: Option<Bugs>,
    /// The file is an input of this fuzz target
    #[arg(long, value_name = "TARGET")]
    pub target: Option<Target>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
    /// A text program (.mm), a wire file, or an artifact of a fuzzing engine
    pub file: PathBuf,
}

/// Arguments of `diff`.
#[derive(Debug, ClapArgs)]
pub struct Diff {
    /// Historical bugs to put back: for both programs, or for one program in the first of two runs
    #[arg(long, value_name = "SLUG[,SLUG]", value_parser = Bugs::parse, required_unless_present = "b")]
    pub zoo: Option<Bugs>,
    /// The files are inputs of this fuzz target
    #[arg(long, value_name = "TARGET")]
    pub target: Option<Target>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
    /// A program
    pub a: PathBuf,
    /// Another one
    pub b: Option<PathBuf>,
}

/// Arguments of `exhaust`.
#[derive(Debug, ClapArgs)]
pub struct Exhaust {
    /// The most operations of a program [default: 4 with one thread, 3 with two]
    #[arg(long, value_name = "N", value_parser = depth)]
    pub depth: Option<usize>,
    /// A historical bug to put back, and to search for until it is found; all: each one that takes as many
    /// threads, a table
    #[arg(long, value_name = "SLUG|all")]
    pub zoo: Option<String>,
    /// With --zoo: search on until this invariant is found to be broken, as a row of docs/zoo.md names it
    #[arg(long, value_name = "FAMILY/INVARIANT", requires = "zoo")]
    pub oracle: Option<String>,
    /// Threads of the programs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub threads: u8,
    /// The most preemptions of a program of two threads
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=4))]
    pub preemptions: u8,
    /// The most operations in a row that overlap, in programs of two threads
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = overlap)]
    pub overlap: usize,
    /// Neighbouring pages that programs name [default: 2 with one thread, 1 with two]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=4))]
    pub pages: Option<u8>,
    /// Threads that search [default: one for each processor]
    #[arg(long, short, value_name = "N", value_parser = jobs)]
    pub jobs: Option<usize>,
    /// Print one JSON object, for all bugs one each, and nothing else
    #[arg(long)]
    pub json: bool,
}

impl Exhaust {
    /// The most operations of a program.
    pub fn depth(&self) -> usize {
        self.depth.unwrap_or(if self.threads > 1 { 3 } else { 4 })
    }

    /// Neighbouring pages that programs name.
    pub fn pages(&self) -> u8 {
        self.pages.unwrap_or(if self.threads > 1 { 1 } else { 2 })
    }
}

/// Arguments of `campaign`.
#[derive(Debug, ClapArgs)]
pub struct Campaign {
    /// The folder that make campaign wrote
    pub dir: PathBuf,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
}

/// A number of operations that overlap.
fn overlap(word: &str) -> Result<usize, String> {
    match word.parse() {
        Ok(number @ 2..=16) => Ok(number),
        _ => Err("from 2 to 16".to_owned()),
    }
}

/// A length of programs.
fn depth(word: &str) -> Result<usize, String> {
    match word.parse() {
        Ok(number @ 1..=16) => Ok(number),
        _ => Err("from 1 to 16".to_owned()),
    }
}

/// Arguments of `seeds`.
#[derive(Debug, ClapArgs)]
pub struct Seeds {
    /// The folder to write to; made if it is not there
    pub outdir: PathBuf,
    /// Leave out programs of more threads
    #[arg(long, value_name = "N", default_value_t = MAX_THREADS,
          value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_THREADS)))]
    pub max_threads: u8,

    /// Leave out corpus/zoo: the witnesses would give away the bugs that a run is to find.
    #[arg(long)]
    pub without_zoo: bool,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
    /// The corpus [default: corpus/ of the repository that the working folder is in]
    #[arg(long, value_name = "DIR")]
    pub corpus: Option<PathBuf>,
}

/// Arguments of `zoo`.
#[derive(Debug, ClapArgs)]
#[cfg_attr(
    not(feature = "zoo"),
    allow(
        dead_code,
        reason = "without a zoo the command only says that there is none"
    )
)]
pub struct Zoo {
    /// Print one JSON object for each bug, and one with the sums
    #[arg(long)]
    pub json: bool,
    /// The corpus [default: corpus/ of the repository that the working folder is in]
    #[arg(long, value_name = "DIR")]
    pub corpus: Option<PathBuf>,
}

/// A fuzz target, of which the limits count: it folds threads before it runs a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// One thread
    Ops,
    /// Two to four threads
    Races,
}

impl Target {
    /// What the target brings its inputs into.
    pub const fn limits(self) -> Limits {
        match self {
            Self::Ops => Limits::OPS,
            Self::Races => Limits::RACES,
        }
    }
}

/// Arguments of `linux`.
#[derive(Debug, ClapArgs)]
pub struct Linux {
    /// Then run this many random programs
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub random: u64,
    /// The random programs are those of this fuzz target; preemptions are left out
    #[arg(long, value_name = "TARGET")]
    pub target: Option<Target>,
    /// The random programs have exactly this many operations
    #[arg(long, value_name = "N")]
    pub ops: Option<usize>,
    /// The random programs have one process: no fork and no exit
    #[arg(long)]
    pub single_process: bool,
    /// The number of the first random program
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Put historical bugs back into the model, so that it differs from the kernel
    #[arg(long, value_name = "SLUG[,SLUG]", value_parser = Bugs::parse)]
    pub zoo: Option<Bugs>,
    /// Each FILE is the witness of the bug that it is named after: put that bug back into the model, and
    /// expect the kernel, which has it not, to differ
    #[arg(long)]
    pub witnesses: bool,
    /// Fail if an accepted difference does not occur
    #[arg(long)]
    pub expect_accepted: bool,
    /// Write each FILE in C, compile it with cc, and run it in the guest; those that user space cannot do are
    /// left out
    #[arg(long, conflicts_with = "random")]
    pub emitted: bool,
    /// Make the guest panic, warn and hang, and see that each is noticed; nothing else
    #[arg(long, conflicts_with_all = ["files", "random"])]
    pub check_detection: bool,
    /// Run the upstream tests of lib/test_hmm.c; nothing else
    #[arg(long, conflicts_with_all = ["files", "random"])]
    pub selftest: bool,
    /// Guests that work side by side [default: one for each core]
    #[arg(long, short, value_name = "N", value_parser = jobs)]
    pub jobs: Option<usize>,
    /// Save programs that differ, and the console of a kernel that died, in this folder
    #[arg(long, value_name = "DIR")]
    pub save: Option<PathBuf>,
    /// Say of each program why it was refused or how it differs
    #[arg(long, short)]
    pub verbose: bool,
    /// Print one JSON object on all programs, and nothing else
    #[arg(long, conflicts_with_all = ["witnesses", "emitted", "check_detection", "selftest"])]
    pub json: bool,
    /// The corpus [default: corpus/ of the repository that the working folder is in]
    #[arg(long, value_name = "DIR")]
    pub corpus: Option<PathBuf>,
    /// Text programs (.mm), wire files, artifacts of a fuzzing engine, or folders of text programs
    #[arg(value_name = "FILE|DIR")]
    pub files: Vec<PathBuf>,
}

/// The first two numbers of a kernel's version, or why it is none.
fn kernel(word: &str) -> Result<Version, String> {
    let wanted = || "a kernel's version, such as 6.12 or 7.3.4".to_owned();
    let version = known::version(word).ok_or_else(wanted)?;
    (version >= (6, 12))
        .then_some(version)
        .ok_or_else(|| "the model has the rules of 6.12 and newer kernels".to_owned())
}

/// Arguments of `emit`.
#[derive(Debug, ClapArgs)]
pub struct Emit {
    /// In C: it compiles with -Wall -Wextra -Werror, needs /dev/mmfuzz, and says SAME or the first difference
    #[arg(long, required_unless_present = "rust", conflicts_with = "rust")]
    pub c: bool,
    /// The kernel whose behaviour the C expects: 6.12 or newer
    #[arg(long, value_name = "VERSION", value_parser = kernel, default_value = "7.3", conflicts_with = "rust")]
    pub kernel: Version,
    /// In Rust: a test that fails as the finding does, and passes once the bug is mended
    #[arg(long)]
    pub rust: bool,
    /// Historical bugs that the test in Rust puts back
    #[arg(long, value_name = "SLUG[,SLUG]", value_parser = Bugs::parse, conflicts_with = "c")]
    pub zoo: Option<Bugs>,
    /// The file is an input of this fuzz target
    #[arg(long, value_name = "TARGET")]
    pub target: Option<Target>,
    /// Print one JSON object, with the text or with what user space cannot do
    #[arg(long)]
    pub json: bool,
    /// A text program (.mm), a wire file, or an artifact of a fuzzing engine
    pub file: PathBuf,
}

/// Arguments of `collect`.
#[derive(Debug, ClapArgs)]
pub struct Collect {
    /// The folder to copy to; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub into: PathBuf,
    /// Leave the names as they are [default: the SHA-1 of the content]
    #[arg(long)]
    pub keep_names: bool,
    /// Also copy the files that this file names, each name ended by a zero byte; - is standard input
    #[arg(long, value_name = "FILE")]
    pub files0_from: Option<PathBuf>,
    /// Write the names of the files of which the folder has a copy now to this file, each ended by a zero byte
    #[arg(long, value_name = "FILE")]
    pub listed: Option<PathBuf>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
    /// Inputs; of a folder, all files in it and in the folders in it
    #[arg(value_name = "FILE|DIR", required_unless_present = "files0_from")]
    pub files: Vec<PathBuf>,
}

/// Arguments of `convert`.
#[derive(Debug, ClapArgs)]
pub struct Convert {
    /// The form to write: text for people, wire for engines, whose artifacts are wire as well
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub to: Form,
    /// The files are inputs of this fuzz target
    #[arg(long, value_name = "TARGET")]
    pub target: Option<Target>,
    /// Write each program to this folder, as NAME.mm or NAME.wire [default: standard output, for one file]
    #[arg(long, short, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Print one JSON object for each file
    #[arg(long, requires = "output")]
    pub json: bool,
    /// Text programs (.mm), wire files, or artifacts of a fuzzing engine
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}
