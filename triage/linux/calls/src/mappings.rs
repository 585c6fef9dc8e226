//! The mappings of the window, and what a call that fails may change of them.

use crate::call::Call;
use crate::operand::Advice;
use crate::range::Range;
use crate::{BASE, PAGE_BYTES, PAGES};

/// The words of `VmFlags:` in smaps that are compared.
const WORDS: [&str; 17] = [
    "rd", "wr", "sh", "lo", "lf", "dc", "wf", "hg", "nh", "mg", "um", "uw", "ui", "ur", "sl", "ht",
    "ex",
];
const PROTECTION: u64 = 0b11 | 1 << 16;
const LOCKS: u64 = 0b11 << 3;
const HUGETLB: u64 = 1 << 15;
const ALL: u64 = u64::MAX;

/// A mapping, as far as it lies in the window.
#[derive(Clone, Copy, Debug)]
struct Mapping {
    /// The number of its first page.
    first: usize,
    /// Bit `i` is set if `VmFlags:` has word `i` of [`WORDS`]. The highest bit is always set, so a
    /// mapping without any of these words differs from a hole.
    bits: u64,
}

/// The mapping of each page of the window.
#[derive(Debug)]
pub struct Mappings(Vec<Option<Mapping>>);

impl Mappings {
    /// Reads a file smaps; `None` if the text is not such a file.
    pub fn parse(smaps: &str) -> Option<Self> {
        let mut pages = vec![None; PAGES.into()];
        let mut range = 0..0;
        for line in smaps.lines() {
            let mut words = line.split_whitespace();
            let first = words.next()?;
            if let Some((start, end)) = first.split_once('-') {
                let page = |word: &str| {
                    let at = u64::from_str_radix(word, 16).unwrap_or(0).max(BASE);
                    (((at - BASE) / PAGE_BYTES) as usize).min(PAGES.into())
                };
                range = page(start)..page(end);
            } else if first == "VmFlags:" {
                let known = words.filter_map(|word| WORDS.iter().position(|known| *known == word));
                let bits = known.map(|bit| 1 << bit).sum::<u64>() | 1 << 63;
                let first = range.start;
                pages[range.clone()].fill(Some(Mapping { first, bits }));
            }
        }
        Some(Self(pages))
    }

    /// The first page whose mapping a failed call has changed in a way that it may not.
    pub fn changed(&self, after: &Self, call: &Call) -> Option<usize> {
        let bits = |mapping: &Option<Mapping>| mapping.map_or(0, |mapping| mapping.bits);
        let pages = self.0.iter().zip(&after.0).enumerate();
        let mut changed = pages.filter(|(_, (before, after))| bits(before) != bits(after));
        changed
            .find(|(page, (before, after))| {
                let change = bits(before) ^ bits(after);
                change & !self.may_change(call, *page) != 0
            })
            .map(|(page, _)| page)
    }

    /// The bits of the page's mapping that a failed call may change.
    fn may_change(&self, call: &Call, page: usize) -> u64 {
        let within = |range: Range, bits| {
            // Linux rounds a range of hugetlb to huge pages
            let is_hugetlb = self.any(range, HUGETLB);
            let range = if is_hugetlb { range.rounded() } else { range };
            let bits = if is_hugetlb { ALL } else { bits };
            if range.pages().contains(&page) {
                bits
            } else {
                0
            }
        };
        match *call {
            // the old mapping is gone, and the new one is not there
            Call::Map { range, .. } | Call::RemapFile(range, _) => within(range, ALL),
            Call::Unmap(range) => within(range, 0),
            Call::Protect(range, _) => within(range, PROTECTION),
            Call::Lock { range, .. } | Call::Unlock(range) => within(range, LOCKS),
            Call::Move { range, to, .. } => {
                let target = range.moved(to);
                let from = Range::new(range.first, target.len);
                // what lies in more than one mapping moves piece by piece
                let pieces = if self.is_one(from) { 0 } else { ALL };
                within(from, pieces) | within(target, ALL)
            }
            Call::Resize(range, len) | Call::Brk(range, len) => {
                within(range, 0) | within(Range::new(range.first, len), 0)
            }
            Call::Advise(range, advice) => {
                let words: &[&str] = match advice {
                    Advice::HugePage | Advice::NoHugePage => &["hg", "nh"],
                    Advice::Mergeable | Advice::Unmergeable => &["mg"],
                    Advice::DontFork | Advice::DoFork => &["dc"],
                    Advice::WipeOnFork | Advice::KeepOnFork => &["wf"],
                    _ => &[],
                };
                let bits = WORDS.iter().enumerate();
                let bits = bits.filter(|(_, word)| words.contains(word));
                within(range, bits.map(|(bit, _)| 1 << bit).sum())
            }
            _ => 0,
        }
    }

    fn any(&self, range: Range, bits: u64) -> bool {
        let mut pages = self.0[range.pages()].iter().flatten();
        pages.any(|mapping| mapping.bits & bits != 0)
    }

    /// True if the range lies in one mapping.
    fn is_one(&self, range: Range) -> bool {
        let first = |mapping: &Option<Mapping>| mapping.map(|mapping| mapping.first);
        let pages = &self.0[range.pages()];
        pages[0].is_some() && pages.iter().all(|page| first(page) == first(&pages[0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operand::Prot;

    /// A file smaps whose mappings have these first pages, numbers of pages, and flags.
    fn smaps(mappings: &[(u64, u64, &str)]) -> Mappings {
        let mapping = |&(first, len, flags): &(u64, u64, &str)| {
            let (start, end) = (BASE + first * PAGE_BYTES, BASE + (first + len) * PAGE_BYTES);
            format!("{start:x}-{end:x} rw-p 00000000 00:00 0\nSize: 4 kB\nVmFlags: {flags}\n")
        };
        let text: String = mappings.iter().map(mapping).collect();
        Mappings::parse(&text).expect("mappings")
    }

    #[test]
    fn a_call_that_fails_may_change_what_it_is_for_within_its_range() {
        let before = smaps(&[(0, 4, "rd wr"), (4, 4, "rd wr lo")]);
        let changed = |after: &[(u64, u64, &str)], call| before.changed(&smaps(after), &call);
        let range = Range::new(0, 4);
        let shorter = [(0, 2, "rd wr"), (4, 4, "rd wr lo")];
        assert_eq!(changed(&shorter, Call::Unmap(range)), Some(2));
        assert_eq!(changed(&shorter, Call::Fork), Some(2));
        let (to, keep) = (100, false);
        assert_eq!(changed(&shorter, Call::Move { range, to, keep }), Some(2));
        let both = Range::new(0, 8);
        let range = both;
        assert_eq!(changed(&shorter, Call::Move { range, to, keep }), None);
        let read = [(0, 4, "rd"), (4, 4, "rd wr lo")];
        assert_eq!(changed(&read, Call::Protect(both, Prot::Read)), None);
        let second = Range::new(4, 4);
        assert_eq!(changed(&read, Call::Protect(second, Prot::Read)), Some(0));
        assert_eq!(changed(&read, Call::Unlock(both)), Some(0));
        let unlocked = [(0, 8, "rd wr")];
        assert_eq!(changed(&unlocked, Call::Unlock(both)), None);
        assert_eq!(
            changed(&unlocked, Call::Advise(both, Advice::DontFork)),
            Some(4)
        );
        // other flags are not compared
        let dirty = [(0, 4, "rd wr sd ac"), (4, 4, "rd wr lo")];
        assert_eq!(changed(&dirty, Call::Fork), None);
    }
}
