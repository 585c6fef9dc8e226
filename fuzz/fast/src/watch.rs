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

/// Number of runs that ended before the present one; the watch reads it once a second.
pub static RUNS: AtomicU64 = AtomicU64::new(0);

/// What the watch knows.
#[derive(Debug)]
struct Watch {
    folder: Folder,
    journal: PathBuf,
    /// The number of runs at the last look.
    runs: u64,
    /// Number of looks in a row that found this number.
    seconds: u32,
}

/// Starts the watch. `journal` is the worker's journal, and findings go to the folder `dir`.
///
/// # Errors
/// The thread cannot be started.
pub fn start(dir: &Path, worker: u64, journal: PathBuf) -> Result<(), String> {
    let mut watch = Watch {
        folder: Folder::open(dir, u64::MAX - worker)?,
        journal,
        runs: 0,
        seconds: 0,
    };
    let watch = move || {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let runs = RUNS.load(Ordering::Relaxed);
            if let Some(status) = watch.look(runs, resident().unwrap_or(0)) {
                std::process::exit(status);
            }
        }
    };
    let thread = std::thread::Builder::new().name("watch".to_owned());
    thread
        .spawn(watch)
        .map_err(|error| format!("no thread can be started: {error}"))?;
    Ok(())
}

impl Watch {
    /// Looks at the worker; the thread calls this once a second. `resident` is the memory of the
    /// process in bytes. Returns the status with which the process should end, if it should.
    fn look(&mut self, runs: u64, resident: u64) -> Option<i32> {
        let is_same = runs == self.runs;
        self.seconds = if is_same { self.seconds + 1 } else { 0 };
        self.runs = runs;
        let (kind, status) = match () {
            () if resident > MAX_RESIDENT => ("oom", STATUS_OOM),
            () if self.seconds >= MAX_SECONDS => ("timeout", STATUS_TIMEOUT),
            () => return None,
        };
        let saved = match Journal::read(&self.journal) {
            // no input runs: the worker reads or writes files
            Ok(None) => return None,
            Ok(Some(input)) => self.folder.found(kind, &input),
            Err(error) => Err(format!("{}: {error}", self.journal.display())),
        };
        match saved {
            Ok(()) => println!("finding: {kind}"),
            Err(why) => eprintln!("mm-fast: {why}"),
        }
        Some(status)
    }
}

/// The memory of this process that is not swapped out, in bytes.
fn resident() -> Option<u64> {
    const PAGE: u64 = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks until the watch ends the process, at most 30 times. Returns the number of looks, the
    /// status, and the names of the files with findings.
    fn watched(input: &[u8], resident: u64) -> (u64, Option<i32>, Vec<String>) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("journal");
        let mut journal = Journal::create(&path).expect("a journal");
        journal.begin(input);
        let mut watch = Watch {
            folder: Folder::open(dir.path(), 0).expect("a folder"),
            journal: path,
            runs: 0,
            seconds: 0,
        };
        // the third run hangs
        let looks = (1..=30).map(|look| (look, watch.look(look.min(3), resident)));
        let ended = { looks }.find(|(_, status)| status.is_some());
        let (look, status) = ended.unwrap_or((30, None));
        let files = std::fs::read_dir(dir.path().join("found")).expect("a folder");
        let name = |file: std::io::Result<std::fs::DirEntry>| {
            let name = file.expect("a file").file_name();
            name.into_string().expect("text")
        };
        (look, status, files.map(name).collect())
    }

    #[test]
    fn a_run_that_hangs_and_one_that_needs_memory_are_saved() {
        let sha1 = "a9993e364706816aba3e25717850c26c9cd0d89d";
        let hung = watched(b"abc", 0);
        let files = vec![format!("timeout-{sha1}")];
        assert_eq!(hung, (13, Some(STATUS_TIMEOUT), files));
        let grown = watched(b"abc", MAX_RESIDENT + 1);
        assert_eq!(grown, (1, Some(STATUS_OOM), vec![format!("oom-{sha1}")]));
    }

    #[test]
    fn a_worker_between_two_inputs_may_take_its_time() {
        assert_eq!(watched(b"", MAX_RESIDENT + 1), (30, None, Vec::new()));
    }
}
