//! Ranges of pages, and the words that are written to them.

use crate::{HUGE, PAGES};
use serde::{Deserialize, Serialize};

/// Consecutive pages of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Range {
    /// The first page.
    pub first: u16,
    /// The number of pages, at least one.
    pub len: u16,
}

impl Range {
    /// The pages of the window from `first`, at most `len` of them.
    pub fn new(first: u16, len: u16) -> Self {
        let first = first.min(PAGES - 1);
        let len = len.clamp(1, PAGES - first);
        Self { first, len }
    }

    /// The numbers of the pages.
    pub fn pages(self) -> std::ops::Range<usize> {
        usize::from(self.first)..usize::from(self.first + self.len)
    }

    /// A range of the same length that begins at `first`, cut at the end of the window.
    pub fn moved(self, first: u16) -> Self {
        Self::new(first, self.len)
    }

    /// The range, extended to whole huge pages. The result may have one more huge page at its end
    /// than the range needs.
    pub fn rounded(self) -> Self {
        let pages = self.len.next_multiple_of(HUGE) + HUGE;
        Self::new(self.first / HUGE * HUGE, pages)
    }

    /// True if the range consists of whole huge pages.
    pub const fn is_huge(self) -> bool {
        self.first.is_multiple_of(HUGE) && self.len.is_multiple_of(HUGE)
    }

    /// The word that step `step` writes to `page`. Neighbouring pages get different words, and so
    /// do different huge pages. Within a huge page, every other page gets the same word, so that
    /// KSM can merge them.
    pub const fn word(step: usize, page: usize) -> u64 {
        Self::base(step) + (page as u64 & 1) + page as u64 / HUGE as u64 * 2
    }

    /// The word that step `step` writes to page 0.
    pub const fn base(step: usize) -> u64 {
        (step as u64 + 1) << 8
    }
}
