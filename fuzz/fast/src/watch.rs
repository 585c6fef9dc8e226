//! A second thread watches a worker, for a run that hangs and for memory that grows.
//!
//! The executor ends a run after a number of scheduling points, and reports it. So only a loop
//! without a scheduling point hangs. Neither a hang nor a lack of memory can be survived in the
//! same process: the input is saved and the process ends, with libFuzzer's statuses.

use crate::folder::Folder;
use crate::raw::Journal;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The status of a worker whose input hangs.
pub const STATUS_TIMEOUT: i32 = 70;
/// The status of a worker that needs too much memory.
pub const STATUS_OOM: i32 = 71;
/// An input may run for this number of seconds, as with `make fuzz` under libFuzzer.
const MAX_SECONDS: u32 = 10;
/// The worker may have this much memory, which is libFuzzer's limit.
const MAX_RESIDENT: u64 = 2 << 30;

/// Number of runs that have begun; the watch reads it once a second.
pub static RUNS: AtomicU64 = AtomicU64::new(0);

/// Starts the watch. `journal` is the worker's journal, and findings go to the folder `dir`.
///
/// # Errors
/// The thread cannot be started.
pub fn start(dir: &Path, worker: u64, journal: PathBuf) -> Result<(), String> {
    let folder = Folder::open(dir, u64::MAX - worker)?;
    let watch = move || {
        let (mut last, mut seconds) = (0, 0);
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let runs = RUNS.load(Ordering::Relaxed);
            seconds = if runs == last { seconds + 1 } else { 0 };
            last = runs;
            if resident().is_some_and(|bytes| bytes > MAX_RESIDENT) {
                end(&folder, &journal, "oom", STATUS_OOM);
            }
            if seconds >= MAX_SECONDS {
                end(&folder, &journal, "timeout", STATUS_TIMEOUT);
            }
        }
    };
    let thread = std::thread::Builder::new().name("watch".to_owned());
    thread
        .spawn(watch)
        .map_err(|e| format!("no thread can be started: {e}"))?;
    Ok(())
}

/// Saves the input that runs, if one runs, and ends the process.
fn end(folder: &Folder, journal: &Path, kind: &str, status: i32) {
    match Journal::read(journal) {
        // the worker reads or writes files
        Ok(None) => return,
        Ok(Some(input)) => match folder.found(kind, &input) {
            Ok(()) => println!("finding: {kind}"),
            Err(why) => eprintln!("mm-fast: {why}"),
        },
        Err(error) => eprintln!("mm-fast: {}: {error}", journal.display()),
    }
    std::process::exit(status);
}

/// The memory of this process that is not swapped out, in bytes.
fn resident() -> Option<u64> {
    const PAGE: u64 = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * PAGE)
}
