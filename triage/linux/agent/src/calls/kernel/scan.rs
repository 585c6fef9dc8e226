//! PAGEMAP_SCAN.

use super::{Kernel, addr, bytes, errno, open};
use mm_linux_calls::{BASE, PAGE_BYTES, PAGES, Range};
use std::ffi::{c_int, c_ulong};
use std::os::fd::AsRawFd;

const PAGEMAP_SCAN: c_ulong = 0xc060_6610;
/// `PAGE_IS_PRESENT`, `_SWAPPED`, `_FILE`, `_SOFT_DIRTY`, `_GUARD`, `_WRITTEN` and `_HUGE`. Element
/// `i` stands for bit `i` of a program's categories.
const CATEGORIES: [u64; 7] = [1 << 3, 1 << 4, 1 << 2, 1 << 7, 1 << 8, 1 << 1, 1 << 6];
/// The bits of an entry of pagemap for the first five categories.
const SHOWN: [u64; 5] = [1 << 63, 1 << 62, 1 << 61, 1 << 55, 1 << 58];

/// How many of the categories an entry of pagemap shows.
pub const SHOWN_CATEGORIES: u32 = SHOWN.len() as u32;

/// The bits of a program's categories that an entry of pagemap shows.
pub fn categories(entry: u64) -> u8 {
    let bits = SHOWN.iter().enumerate();
    bits.map(|(bit, shown)| u8::from(entry & shown != 0) << bit)
        .sum()
}

/// The operands of PAGEMAP_SCAN.
#[derive(Clone, Copy, Debug)]
pub struct Scan {
    /// What is scanned.
    pub range: Range,
    /// Bits of categories. pagemap shows the first [`SHOWN_CATEGORIES`] of them.
    pub categories: u8,
    /// `PM_SCAN_WP_MATCHING`.
    pub protect: bool,
    /// Without a vector.
    pub blind: bool,
    /// The most pages that one call may report; 0 if there is no limit.
    pub limit: u16,
}

impl Kernel {
    fn scan_once(&mut self, words: &mut [u64; 12]) -> c_int {
        self.traced(|kernel| {
            let Ok(file) = open(&mut kernel.pagemap, "/proc/self/pagemap") else {
                return -1;
            };
            // SAFETY: a struct pm_scan_arg, whose vector has room for as many regions as it says.
            unsafe { libc::ioctl(file.as_raw_fd(), PAGEMAP_SCAN, words.as_mut_ptr()) }
        })
    }

    /// Scans for pages of all these categories. Returns the result, says for each page that was
    /// scanned whether it was reported, and names a page that was reported although it lies behind
    /// the end of the scan.
    pub fn scan(&mut self, scan: Scan) -> (i32, Vec<bool>, Option<usize>) {
        let range = scan.range;
        let mut found = vec![false; range.len.into()];
        let mut regions = vec![[0u64; 3]; PAGES.into()];
        let bits = CATEGORIES.iter().enumerate();
        let bits = bits.map(|(bit, category)| u64::from(scan.categories >> bit & 1) * category);
        let mask: u64 = bits.sum();
        let all: u64 = CATEGORIES.iter().sum();
        let (start, end) = (addr(range.first), addr(range.first) + bytes(range.len));
        let (vec, room) = if scan.blind {
            (0, 0)
        } else {
            (regions.as_mut_ptr() as u64, PAGES.into())
        };
        let mut from = start;
        while from < end {
            let mut words = [
                96,
                scan.protect.into(),
                from,
                end,
                0,
                vec,
                room,
                scan.limit.into(),
                0,
                mask,
                0,
                all,
            ];
            let result = self.scan_once(&mut words);
            if result < 0 {
                return (errno(), found, None);
            }
            let mut reported = regions.iter().take(result as usize);
            if let Some([_, end, _]) = reported.find(|[_, end, _]| *end > words[4]) {
                let behind = (end.saturating_sub(BASE) / PAGE_BYTES) as usize - 1;
                return (0, found, Some(behind));
            }
            for [first, end, _] in regions.iter().take(result as usize) {
                let at = |addr: u64| (addr.saturating_sub(start) / PAGE_BYTES) as usize;
                let reported = found.get_mut(at(*first)..at(*end).min(range.len.into()));
                reported
                    .into_iter()
                    .flatten()
                    .for_each(|found| *found = true);
            }
            if words[4] <= from {
                // the scan ends here: it cannot protect a part of a huge page of hugetlb
                found.truncate(((from - start) / PAGE_BYTES) as usize);
                return (0, found, None);
            }
            from = words[4];
        }
        (0, found, None)
    }
}
