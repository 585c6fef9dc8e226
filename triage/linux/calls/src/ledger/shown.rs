//! What Linux must show of a page.

use super::page::*;
use super::{AccessPromise, BrokenPromise, Ledger};
use crate::breach::BreachKind;
use crate::call::Call;
use crate::range::Range;

// bits of an entry of pagemap
const PM_SOFT_DIRTY: u64 = 1 << 55;
const PM_UFFD_WP: u64 = 1 << 57;
const PM_SWAP: u64 = 1 << 62;
const PM_PRESENT: u64 = 1 << 63;
const PM_FILE: u64 = 1 << 61;
const PM_EXCLUSIVE: u64 = 1 << 56;

impl Ledger {
    /// Checks an entry of pagemap.
    pub fn check_shown(&self, process: usize, at: usize, entry: u64) -> Option<BrokenPromise> {
        let page = &self.pages[process][at];
        if page.has(VAGUE) {
            return None;
        }
        if !page.has(MAPPED) {
            let shows = entry & (PM_PRESENT | PM_SWAP | PM_UFFD_WP) != 0;
            return shows.then_some((BreachKind::ShownUnmapped, entry, 0));
        }
        if page.any(GUARD | POISON) {
            return None;
        }
        if page.has(DIRTY) && entry & PM_SOFT_DIRTY == 0 {
            return Some((BreachKind::NotSoftDirty, entry, PM_SOFT_DIRTY));
        }
        if page.has(CLEAN) && entry & PM_SOFT_DIRTY != 0 {
            return Some((BreachKind::SoftDirty, entry, 0));
        }
        if page.has(PROTECTED) && entry & PM_UFFD_WP == 0 {
            return Some((BreachKind::NotProtected, entry, PM_UFFD_WP));
        }
        let is_registered = page.any(REG_WP | REG_RWP | HUGETLB);
        if !is_registered && entry & PM_UFFD_WP != 0 {
            return Some((BreachKind::ShownProtected, entry, 0));
        }
        if page.has(RWP) && entry & PM_UFFD_WP == 0 {
            return Some((BreachKind::NotRwProtected, entry, PM_UFFD_WP));
        }
        if page.has(LOCKED) && !page.any(SHARED | FILE) && entry & PM_PRESENT == 0 {
            return Some((BreachKind::NotLocked, entry, PM_PRESENT));
        }
        if page.has(WRITTEN) && entry & PM_UFFD_WP != 0 {
            return Some((BreachKind::StillProtected, entry, 0));
        }
        None
    }

    /// True if only this process maps the page, but `entry` does not say so. That is a breach
    /// unless the page is a zero page or one of KSM.
    pub fn is_sole(&self, process: usize, at: usize, entry: u64) -> bool {
        let page = &self.pages[process][at];
        !self.has_forked
            && page.has(MAPPED)
            && !page.any(VAGUE | SHARED | FILE | HUGETLB | GUARD | POISON)
            && entry & PM_PRESENT != 0
            && entry & (PM_FILE | PM_EXCLUSIVE) == 0
    }

    /// True if mincore must show the page as resident: it is locked, but belongs to an object, so
    /// it may be in memory without an entry.
    pub fn is_resident(&self, process: usize, at: usize, entry: u64) -> bool {
        let page = &self.pages[process][at];
        page.has(MAPPED | LOCKED)
            && page.any(SHARED | FILE)
            && !page.has(VAGUE)
            && entry & PM_PRESENT == 0
    }

    /// The page that a call has given to somebody else, although it is secret memory. `got` says
    /// whether the call has got what it asked for.
    pub fn exposed(&self, process: usize, call: &Call, got: bool) -> Option<usize> {
        let range = match *call {
            // it takes the first pages if it cannot take all
            Call::Splice(range) => Range::new(range.first, 1),
            Call::Pin(range)
            | Call::PinRead(range)
            | Call::UringRead(range)
            | Call::DirectRead(range)
            | Call::DeviceRead(range)
            | Call::DeviceWrite(range)
            | Call::MemRead(range)
            | Call::FarRead(range)
            | Call::MemWrite(range)
            | Call::VmRead(range)
            | Call::VmWrite(range) => range,
            _ => return None,
        };
        let is_secret = |at: &usize| {
            let page = &self.pages[process][*at];
            page.has(SECRET) && !page.has(VAGUE)
        };
        range.pages().find(is_secret).filter(|_| got)
    }

    /// True if the page is one of memfd_secret.
    pub(super) fn is_secret(&self, process: usize, at: usize) -> bool {
        self.pages[process][at].has(SECRET)
    }

    /// True if mlock of the range must succeed: the process can access all of it, and nothing has
    /// to resolve page faults.
    pub fn is_lockable(&self, process: usize, range: Range) -> bool {
        !self.limits_locks
            && range.pages().all(|at| {
                let page = &self.pages[process][at];
                let other = VAGUE | GUARD | POISON | HUGETLB | DROPPABLE | REGISTERED | UNSURE;
                page.has(MAPPED | READABLE)
                    && !page.any(other)
                    && self.access(process, at, false) == AccessPromise::Allowed
            })
    }

    /// True if the page is certainly in memory, because it is one of a shared object that is never
    /// swapped, and contains something.
    pub fn is_kept(&self, process: usize, at: usize) -> bool {
        let page = &self.pages[process][at];
        let cell = page.cell as usize;
        page.has(MAPPED | SHARED | HUGETLB | KNOWN)
            && !page.any(VAGUE | GUARD | POISON | OR_ZERO)
            && self.lost[cell / 64] >> (cell % 64) & 1 == 0
            && self.word(page) != 0
    }

    /// True if the page must not be one of KSM.
    pub fn is_unmerged(&self, process: usize, at: usize, entry: u64) -> bool {
        let page = &self.pages[process][at];
        page.has(MAPPED | UNMERGED) && !page.has(VAGUE) && entry & PM_PRESENT != 0
    }

    /// True if pagemap and smaps must count the page alike: it is private anonymous memory, and its
    /// entry cannot be a marker.
    pub fn is_plain(&self, process: usize, at: usize) -> bool {
        let page = &self.pages[process][at];
        let other = VAGUE | SHARED | FILE | HUGETLB | GUARD | POISON | REG_WP | REG_RWP;
        page.has(MAPPED) && !page.any(other)
    }

    /// True if userfaultfd must stop an access to the page when the page is missing. False for
    /// shared memory and files, of which the ledger claims nothing here.
    pub fn is_missing_here(&self, process: usize, at: usize) -> bool {
        let page = &self.pages[process][at];
        page.has(MAPPED | READABLE | REG_MISSING)
            && !page.any(VAGUE | SHARED | FILE | GUARD | POISON)
    }

    /// True if kpageflags must show the page as locked: it is private, and in memory.
    pub fn is_locked(&self, process: usize, at: usize, entry: u64) -> bool {
        let page = &self.pages[process][at];
        page.has(MAPPED | LOCKED) && !page.any(VAGUE | SHARED | FILE) && entry & PM_PRESENT != 0
    }

    /// True if an access to the page must wait until userfaultfd fills the page in or maps it,
    /// provided that the entry of the page is empty.
    pub fn awaits(&self, process: usize, at: usize) -> bool {
        let page = &self.pages[process][at];
        let cell = page.cell as usize;
        let is_in_object = || {
            page.has(SHARED | KNOWN)
                && !page.has(OR_ZERO)
                && self.lost[cell / 64] >> (cell % 64) & 1 == 0
                && self.word(page) != 0
        };
        page.has(MAPPED)
            && !page.any(VAGUE | GUARD | POISON)
            && (page.has(REG_MISSING) && !page.any(SHARED | FILE)
                || page.has(REG_MINOR) && is_in_object())
    }

    /// True if none of these pages may be a part of a huge page.
    pub fn is_without_huge(&self, process: usize, range: Range) -> bool {
        let mut pages = self.pages[process][range.pages()].iter();
        pages.all(|page| page.has(MAPPED | NO_HUGE) && !page.has(VAGUE))
    }

    /// True if no other process can map what this one maps, and smaps can tell. smaps cannot tell
    /// for a page that a device has for itself: it counts the entry as "maybe shared", on purpose
    /// (`smaps_account`).
    pub fn is_alone(&self) -> bool {
        !self.has_forked && !self.has_exclusive
    }

    /// The process that pins pages, and the range.
    pub fn pinned(&self) -> Option<(usize, Range)> {
        self.pin
    }

    /// What a pinned page must contain.
    pub fn pinned_word(&self, process: usize, at: usize) -> Option<u64> {
        let page = &self.pages[process][at];
        let is_known =
            page.has(PINNED | KNOWN) && !page.any(VAGUE | OR_ZERO | PERHAPS_COPIED | DROPPABLE);
        is_known.then(|| self.word(page))
    }

    /// Checks an entry of pagemap after a call that says it has populated the page.
    pub fn check_populated(&self, process: usize, at: usize, entry: u64) -> Option<BrokenPromise> {
        let page = &self.pages[process][at];
        let counts = page.has(MAPPED) && !page.any(VAGUE | GUARD | POISON);
        let is_there = entry & (PM_PRESENT | PM_SWAP) != 0;
        (counts && !is_there).then_some((BreachKind::NotPopulated, entry, PM_PRESENT))
    }

    /// True if PAGEMAP_SCAN must report the page if its categories match. A scan that protects
    /// skips memory that is not registered for asynchronous write protection.
    pub fn is_scanned(&self, process: usize, at: usize, protect: bool) -> bool {
        let page = &self.pages[process][at];
        self.is_mapped(process, at) && (!protect || self.wp_async && page.has(REG_WP))
    }
}
