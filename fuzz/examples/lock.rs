//! Compares the digests with `corpus/digests.lock`, or rewrites it with `--bless`. The Makefile
//! calls it.
//!
//! Status 1 if a digest differs, a program is not in the lock or has a finding, or a line of the
//! lock has no program.

use mm_fuzz::digest_lock as lock;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run(std::env::args().nth(1).as_deref() == Some("--bless")) {
        Ok(digests) => {
            println!("lock: {digests} digests");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}lock: if the change was intended, run make bless");
            ExitCode::from(1)
        }
    }
}

fn run(bless: bool) -> Result<usize, String> {
    let digests = lock::digests()?;
    if bless {
        lock::bless(&digests)?;
    } else {
        lock::check(&digests)?;
    }
    Ok(digests.len())
}
