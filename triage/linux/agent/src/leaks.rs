//! What programs leave behind in the kernel: counters and slab caches that do not return to their
//! earlier values.

use mm_linux_protocol::LEAKS;
use std::time::Duration;

/// The values of all counters.
type Values = [i64; LEAKS.len()];

/// The values that were read last; `None` before the first reading.
#[derive(Debug, Default)]
pub struct Leaks(Option<Values>);

/// Reads all counters. One that this kernel lacks is zero.
fn values() -> Values {
    // adds the counts of each CPU; a kernel without this file adds them later
    let _ = std::fs::write("/proc/sys/vm/stat_refresh", "1");
    let vmstat = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
    LEAKS.map(|(name, _)| {
        let said = if name.starts_with('/') {
            // frees the objects that each CPU keeps
            let _ = std::fs::write(format!("{name}/shrink"), "1");
            std::fs::read_to_string(format!("{name}/objects")).unwrap_or_default()
        } else {
            let mut lines = vmstat.lines();
            let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_default().to_owned()
        };
        let first = said.split_whitespace().next().unwrap_or_default();
        first.parse().unwrap_or(0)
    })
}

impl Leaks {
    /// Reads the first values, unless that was done before. Returns true if it reads them.
    pub fn begin(&mut self) -> bool {
        let begins = self.0.is_none();
        self.0.get_or_insert_with(values);
        begins
    }

    /// The counters that have grown by more than [`LEAKS`] allows: number, value at the last check,
    /// value now. The kernel adds the counts of each CPU late, and frees some memory only after a
    /// grace period, so the counters are read several times.
    pub fn check(&mut self) -> Vec<(u8, i64, i64)> {
        let before = self.0.unwrap_or_else(values);
        let mut leaked = Vec::new();
        let mut now = before;
        for pause in [0, 1, 10, 100] {
            if pause > 0 {
                // drains the batches of the LRU
                let _ = std::fs::write("/proc/sys/vm/drop_caches", "1");
                std::thread::sleep(Duration::from_millis(pause));
            }
            now = values();
            let all = (0..LEAKS.len()).filter(|i| now[*i] - before[*i] > LEAKS[*i].1);
            leaked = all.map(|i| (i as u8, before[i], now[i])).collect();
            if leaked.is_empty() {
                break;
            }
        }
        self.0 = Some(now);
        leaked
    }
}
