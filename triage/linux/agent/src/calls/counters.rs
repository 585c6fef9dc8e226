//! Counters of the system. Once the processes of a program have ended, the counters must return to
//! their values from before the program.

use mm_linux_calls::{Breach, BreachKind, COUNTERS, CallsJob};
use std::time::Duration;

/// The names of the counters of hugetlb contain one of these.
const HUGETLB: [&str; 2] = ["/mm/hugepages/", "/hugetlb."];

/// The values of [`COUNTERS`].
#[derive(Clone, Debug)]
pub struct Counters([i64; COUNTERS.len()]);

impl Counters {
    /// Reads all of them, after the counts of each CPU have been added. One that this kernel lacks
    /// is zero.
    pub fn folded() -> Self {
        // a kernel without this file adds them later
        let _ = std::fs::write("/proc/sys/vm/stat_refresh", "1");
        Self::read()
    }

    fn read() -> Self {
        let vmstat = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
        Self(COUNTERS.map(|counter| {
            let said = if let Some((path, field)) = counter.name.split_once(' ') {
                let said = std::fs::read_to_string(path).unwrap_or_default();
                let mut lines = said.lines();
                let line = lines.find_map(|line| line.strip_prefix(field)?.strip_prefix(' '));
                line.unwrap_or_default().to_owned()
            } else if counter.name.ends_with(':') {
                let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
                let mut lines = meminfo.lines();
                let line = lines.find_map(|line| line.strip_prefix(counter.name));
                let line = line.unwrap_or_default().trim();
                line.trim_end_matches(" kB").to_owned()
            } else if counter.name == "/proc/swaps" {
                let said = std::fs::read_to_string(counter.name).unwrap_or_default();
                let line = said.lines().nth(1).unwrap_or_default();
                line.split_whitespace()
                    .nth(3)
                    .unwrap_or_default()
                    .to_owned()
            } else if counter.name.starts_with('/') {
                std::fs::read_to_string(counter.name).unwrap_or_default()
            } else {
                let mut lines = vmstat.lines();
                let line =
                    lines.find_map(|line| line.strip_prefix(counter.name)?.strip_prefix(' '));
                line.unwrap_or_default().to_owned()
            };
            let said = said.trim();
            let unsigned = said.parse::<u64>().map(u64::cast_signed);
            unsigned.or_else(|_| said.parse()).unwrap_or(0)
        }))
    }

    /// A counter that is below 0, and its value. Linux prints most counters as unsigned numbers, so
    /// one that is below 0 reads as a number near 2^64.
    pub fn below_zero() -> Option<(usize, i64)> {
        let now = Self::read().0.into_iter().enumerate();
        now.into_iter().find(|(_, value)| *value < 0)
    }

    /// The first counter that has not returned to its value. If `is_healed`, those of hugetlb do
    /// not count.
    fn moved(&self, now: &Self, is_healed: bool) -> Option<usize> {
        let is_hugetlb = |name: &str| HUGETLB.iter().any(|part| name.contains(part));
        let counts = |i: &usize| !is_healed || !is_hugetlb(COUNTERS[*i].name);
        let mut counters = (0..COUNTERS.len()).filter(counts);
        counters.find(|i| (now.0[*i] - self.0[*i]).abs() > COUNTERS[*i].slack)
    }

    /// Compares the counters with their values before the program. If one has moved, reads them
    /// again, the last time after more than a tenth of a second, because the kernel adds batches
    /// and the counts of each CPU late. The next program is compared with the values read last.
    /// `is_healed` says that broken frames were given back. The counters of hugetlb then need not
    /// return to their values.
    pub fn check(&mut self, steps: usize, job: &CallsJob, is_healed: bool) -> Option<Breach> {
        let mut now = Self::read();
        let mut moved = self.moved(&now, is_healed);
        if moved.is_some() {
            now = Self::folded();
            moved = self.moved(&now, is_healed);
        }
        for pause in [1, 10, 100] {
            if moved.is_none() {
                break;
            }
            // drains the batches of the LRU
            let _ = std::fs::write("/proc/sys/vm/drop_caches", "1");
            std::thread::sleep(Duration::from_millis(pause));
            now = Self::folded();
            moved = self.moved(&now, is_healed);
        }
        let before = std::mem::replace(self, now);
        let counter = moved?;
        let (got, wanted) = (self.0[counter], before.0[counter]);
        let is_known = |(kind, name): &(BreachKind, String)| {
            *kind == BreachKind::Counter && *name == COUNTERS[counter].name
        };
        (!job.known.iter().any(is_known)).then_some(Breach {
            kind: BreachKind::Counter,
            step: steps as u16,
            process: 0,
            page: counter as u16,
            memory: 0,
            count: 1,
            got: got as u64,
            wanted: wanted as u64,
        })
    }
}
