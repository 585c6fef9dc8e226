//! What smaps and status of a process say.

use super::{Kernel, bytes};
use mm_linux_calls::{ACCOUNTS, BASE, FIELDS, PAGE_BYTES, PAGES, Range};

/// An error that smaps shows.
pub enum Counted {
    /// A field of smaps exceeds the size of the mapping at this page of the window.
    TooMuch { page: usize, kb: u64, field: usize },
    /// Pages that only this process maps count as shared in the mapping at this page.
    Shared { page: usize, kb: u64 },
    /// A huge page in memory that must not have one.
    Huge { page: usize, kb: u64 },
    /// A field of status, by its number, is not the sum of smaps.
    Differs { field: usize, kb: u64, sum: u64 },
    /// The mapping at this page counts another number of pages than pagemap shows.
    Miscounts {
        page: usize,
        counted: u64,
        held: u64,
    },
}

impl Kernel {
    /// Compares smaps with the sizes of the mappings of the window, and its sums with
    /// `/proc/self/status`.
    ///
    /// `held` is called for each mapping of the window. It returns the number of pages that pagemap
    /// shows there, and smaps must count as many. It returns `None` if the two may differ.
    ///
    /// `is_without_huge` says that a mapping must have no huge page.
    ///
    /// `is_alone` says that no other process can map the same private pages.
    pub fn smaps(
        &mut self,
        is_alone: bool,
        is_without_huge: impl Fn(Range) -> bool,
        mut held: impl FnMut(&mut Self, Range) -> Option<u64>,
    ) -> Option<Counted> {
        let read_status = || std::fs::read_to_string("/proc/self/status").ok();
        let before = read_status()?;
        let smaps = std::fs::read_to_string("/proc/self/smaps").ok()?;
        let (mut page, mut size, mut is_shared, mut sums) = (None, 0, false, [0; ACCOUNTS.len()]);
        let is_alone = is_alone && !self.merges;
        let mut shared = 0;
        let (mut is_memory, mut rss, mut range, mut is_data) = (false, 0, None, false);
        for line in smaps.lines() {
            let mut words = line.split_whitespace();
            let first = words.next()?;
            if let Some((start, end)) = first.split_once('-') {
                // the gate page is no mapping of the process
                let start = u64::from_str_radix(start, 16).unwrap_or(u64::MAX);
                let end = u64::from_str_radix(end, 16).unwrap_or(u64::MAX);
                // all other file systems of the guest lie in memory
                let other = ["/kcov", "/secretmem", super::disk::PLACE];
                is_memory = line.contains('/') && !other.iter().any(|name| line.contains(name))
                    || line.contains("[anon_shmem:");
                let in_window = (BASE..BASE + bytes(PAGES)).contains(&start);
                page = in_window.then(|| ((start - BASE) / PAGE_BYTES) as usize);
                range = page.map(|page| {
                    Range::new(
                        page as u16,
                        ((end - start) / PAGE_BYTES).min(PAGES.into()) as u16,
                    )
                });
                let rights = words.next().unwrap_or_default();
                is_shared = rights.ends_with('s');
                is_data = rights.contains('w') && !is_shared;
                size = if line.ends_with("[vsyscall]") {
                    u64::MAX
                } else {
                    0
                };
                continue;
            }
            if first == "VmFlags:" {
                let flags: Vec<&str> = words.collect();
                if size != u64::MAX && flags.contains(&"lo") {
                    sums[1] += size;
                }
                // VmData does not count the stack
                if is_data && !flags.contains(&"gd") {
                    sums[6] += size;
                }
                continue;
            }
            let Some(Ok(kb)) = words.next().map(str::parse::<u64>) else {
                continue;
            };
            match first {
                _ if size == u64::MAX => {}
                "Size:" => (size, sums[0]) = (kb, sums[0] + kb),
                "Private_Hugetlb:" | "Shared_Hugetlb:" => sums[5] += kb,
                field if FIELDS.contains(&field) => {
                    if let Some(page) = page.filter(|_| kb > size) {
                        let field = FIELDS.iter().position(|name| *name == field).unwrap_or(0);
                        return Some(Counted::TooMuch { page, kb, field });
                    }
                    match first {
                        "Rss:" => (rss, shared) = (kb, 0),
                        "Shared_Clean:" | "Shared_Dirty:" => shared += kb,
                        "AnonHugePages:" if kb > 0 => {
                            if let Some(page) = page.filter(|_| range.is_some_and(&is_without_huge))
                            {
                                return Some(Counted::Huge { page, kb });
                            }
                        }
                        "Swap:" if range.is_some() => {
                            let held = range.and_then(|range| held(self, range));
                            let counted = (rss + kb) / 4;
                            if let Some(page) =
                                page.filter(|_| is_alone && held.is_some() && shared > 0)
                            {
                                return Some(Counted::Shared { page, kb: shared });
                            }
                            if let (Some(page), Some(held)) =
                                (page, held.filter(|held| *held != counted))
                            {
                                return Some(Counted::Miscounts {
                                    page,
                                    counted,
                                    held,
                                });
                            }
                        }
                        _ => {}
                    }
                    match first {
                        // swap of shared memory is charged to no process
                        "Swap:" if is_memory && !is_shared => {
                            // swapped pages of the file may be among these, so the sum is
                            // not known
                            sums[2] = if kb > 0 { u64::MAX } else { sums[2] };
                        }
                        "Swap:" if !is_shared => sums[2] = sums[2].saturating_add(kb),
                        "Anonymous:" => {
                            sums[3] += kb;
                            sums[4] += if is_memory { rss - kb.min(rss) } else { 0 };
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        let status = read_status()?;
        for (field, (name, slack)) in ACCOUNTS.iter().enumerate() {
            let in_status = |status: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
            };
            // the reads themselves need memory
            let kb = in_status(&status).filter(|kb| in_status(&before) == Some(*kb));
            let sum = sums[field];
            let slack = if self.adds_all { 0 } else { *slack };
            let is_known = sum != u64::MAX;
            if let Some(kb) = kb.filter(|kb| is_known && kb.abs_diff(sum) > slack) {
                return Some(Counted::Differs { field, kb, sum });
            }
        }
        None
    }
}
