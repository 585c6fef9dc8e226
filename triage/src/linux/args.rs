//! The command line of `linux`.

use crate::bugs::Bugs;
use crate::input::Target;
use crate::pool;
use std::path::PathBuf;

/// Arguments of `linux`.
#[derive(Clone, Debug, clap::Args)]
pub struct LinuxArgs {
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
    /// Each FILE is a C program, and a folder stands for its .c files: compile each with cc, run it in a guest of its own, and
    /// print what it and the kernel say
    #[arg(long, conflicts_with_all = ["random", "emitted", "witnesses"])]
    pub programs: bool,
    /// Make the guest panic, warn and hang, and see that each is noticed; nothing else
    #[arg(long, conflicts_with_all = ["files", "random"])]
    pub check_detection: bool,
    /// Run the upstream tests of lib/test_hmm.c; nothing else
    #[arg(long, conflicts_with_all = ["files", "random"])]
    pub selftest: bool,
    /// Guests that work side by side [default: one for each core]
    #[arg(long, short, value_name = "N", value_parser = pool::jobs)]
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

impl LinuxArgs {
    /// Emitted programs are to run, and nothing is to be done that comes before them.
    pub const fn runs_emitted(&self) -> bool {
        self.emitted && !self.selftest && !self.check_detection
    }
}
