//! The runs that `make coverage` measures. Each program of `corpus/` runs with the rules of the
//! newest kernel, and again with those of 6.12. The runs with the rules of 6.12 also compute the
//! state identity that the exhaustive search uses. Each witness runs with its bug as well, because
//! nothing else reaches the code of the bug.
//!
//! Status 1 if a program cannot be read, or has a finding with the newest rules and without a bug.
//! Findings in the other runs are ignored.

use mm_core::KernelVersion;
use mm_fuzz::exec::{Executor, Options, Verdict};
use mm_fuzz::{digest_lock as lock, zoo};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(programs) => {
            println!("reach: {programs} programs");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprint!("{why}");
            ExitCode::from(1)
        }
    }
}

fn run() -> Result<usize, String> {
    let mut executor = Executor::new(Options {
        digest: true,
        ..Options::default()
    });
    let mut older = Executor::new(Options {
        identity: true,
        release: KernelVersion::V6_12,
        ..Options::default()
    });
    let corpus = lock::corpus()?;
    for (name, program) in &corpus {
        if let Verdict::Finding(finding) = executor.run(program) {
            return Err(format!("{name}: {finding}\n"));
        }
        older.run(program);
        let slug = name
            .strip_prefix("zoo/")
            .and_then(|file| file.strip_suffix(".mm"));
        if let Some(entry) = slug.and_then(zoo::find) {
            executor.set_zoo(zoo::only(entry.bug));
            executor.run(program);
            executor.set_zoo(zoo::Zoo::default());
        }
    }
    Ok(corpus.len())
}
