//! The command line of `linux`.

use crate::bugs::Bugs;
use crate::input::Target;
use crate::pool;
use std::path::PathBuf;

/// Arguments of `linux`.
#[derive(Clone, Debug, clap::Args)]
pub struct LinuxArgs {
    /// Also run this many random programs
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub random: u64,
    /// Generate the random programs as for this fuzz target; for `races`, they have preemptions
    #[arg(long, value_name = "TARGET")]
    pub target: Option<Target>,
    /// Give each random program exactly this many operations
    #[arg(long, value_name = "N")]
    pub ops: Option<usize>,
    /// Give each random program one process: no fork and no exit
    #[arg(long)]
    pub single_process: bool,
    /// Also compare programs with `thp always` or `thp madvise`, and generate only such random
    /// programs. The model does not yet follow Linux in all that such programs do
    #[arg(long)]
    pub huge: bool,
    /// Number of the first random program
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Put historical bugs back into the model, so that it differs from the kernel
    #[arg(long, value_name = "SLUG[,SLUG]", value_parser = Bugs::parse)]
    pub zoo: Option<Bugs>,
    /// Each FILE is the witness of the bug that it is named after: put that bug back into the
    /// model, and expect a kernel without it to differ
    #[arg(long)]
    pub witnesses: bool,
    /// Fail if an accepted difference does not occur, except those of huge pages
    #[arg(long)]
    pub expect_accepted: bool,
    /// Write each FILE as a C program, compile it with cc, and run it in the guest; skip those that
    /// user space cannot do
    #[arg(long, conflicts_with = "random")]
    pub emitted: bool,
    /// Write the C of `emit --c --stock`, and run it in a guest without our driver
    #[arg(long, requires = "emitted")]
    pub stock: bool,
    /// Each FILE is a C program, and a folder stands for its .c files: compile each with cc, run it
    /// in a guest of its own, and print what it and the kernel say
    #[arg(long, conflicts_with_all = ["random", "emitted", "witnesses"])]
    pub programs: bool,
    /// Fuzz the kernel for this many seconds, beginning with the FILEs; programs that reach a new
    /// place in the kernel, or a new feature of the model, are mutated further
    #[arg(long, value_name = "SECS", conflicts_with_all = ["random", "emitted", "witnesses", "programs", "json", "expect_accepted"])]
    pub fuzz: Option<u64>,
    /// Fuzz the kernel for this many seconds with plain system calls, and hold it to what it
    /// promises to user space; each FILE is a program of calls that shows a known bug. With 0, only
    /// run the FILEs
    #[arg(long, value_name = "SECS", conflicts_with_all = ["random", "emitted", "witnesses", "programs", "json", "expect_accepted", "fuzz"])]
    pub calls: Option<u64>,
    /// With --fuzz or --calls, keep in this folder the programs that reach something new; --calls
    /// also begins with those that are there
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// With --fuzz, programs that show known findings, or folders of them: a finding like theirs
    /// does not count, the comparison goes on after it, and few programs are made that may show it
    #[arg(long, value_name = "FILE|DIR", requires = "fuzz")]
    pub known: Vec<PathBuf>,
    /// With --fuzz or --calls, run the judge's kernel, which does not follow coverage, so that no
    /// second kernel is built
    #[arg(long)]
    pub no_coverage: bool,
    /// Run the kernel of --fuzz, which follows coverage, to measure what this costs
    #[arg(long, conflicts_with_all = ["emitted", "programs", "fuzz", "calls"])]
    pub coverage: bool,
    /// Only check that the judge notices a guest that panics, warns or hangs
    #[arg(long, conflicts_with_all = ["files", "random"])]
    pub check_detection: bool,
    /// Only run the upstream tests of lib/test_hmm.c
    #[arg(long, conflicts_with_all = ["files", "random"])]
    pub selftest: bool,
    /// Number of guests side by side [default: one for each core]
    #[arg(long, short, value_name = "N", value_parser = pool::jobs)]
    pub jobs: Option<usize>,
    /// Save programs that differ, and the console of a kernel that died, in this folder
    #[arg(long, value_name = "DIR")]
    pub save: Option<PathBuf>,
    /// Say for each program why it was refused or how it differs
    #[arg(long, short)]
    pub verbose: bool,
    /// Print nothing but one JSON object about all programs
    #[arg(long, conflicts_with_all = ["witnesses", "emitted", "check_detection", "selftest"])]
    pub json: bool,
    /// The corpus [default: corpus/ of the repository that the working folder is in]
    #[arg(long, value_name = "DIR")]
    pub corpus: Option<PathBuf>,
    /// Text programs (.mm), wire files, artifacts of a fuzzing engine, or folders of text programs
    #[arg(value_name = "FILE|DIR")]
    pub files: Vec<PathBuf>,
}

impl LinuxArgs {
    /// Whether emitted programs are to run: with `--emitted`, but without `--selftest` and
    /// `--check-detection`.
    pub const fn runs_emitted(&self) -> bool {
        self.emitted && !self.selftest && !self.check_detection
    }
}
