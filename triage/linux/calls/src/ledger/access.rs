//! Accesses: what they do, and what they must not do.

use super::page::*;
use super::{AccessPromise, BrokenPromise, FILE_CELLS, Ledger};
use crate::HUGE;
use crate::breach::BreachKind;
use crate::operand::{FileKind, Policy};
use crate::range::Range;

impl Ledger {
    /// What an access to a page does.
    pub fn access(&self, process: usize, at: usize, writes: bool) -> AccessPromise {
        let page = &self.pages[process][at];
        let needed = if writes { WRITABLE } else { READABLE };
        let is_shut = !page.has(MAPPED | needed) || page.any(GUARD | POISON);
        let may_be_missing = !self.monitor && page.may_be_missing();
        let may_be_protected = page.has(UNSURE) && (writes || page.has(REG_RWP));
        let is_protected = !self.resolves() && writes && page.has(PROTECTED);
        if page.has(VAGUE) {
            AccessPromise::Either
        } else if is_shut && self.stack_above(process, at).is_some() {
            // a stack grows, unless there is no room
            AccessPromise::Either
        } else if is_shut || page.has(RWP) && !self.resolves() {
            AccessPromise::Faults
        } else if self.may_lack_huge(page)
            || self.may_be_full(page)
            || may_be_missing
            || may_be_protected
        {
            AccessPromise::Either
        } else if is_protected {
            AccessPromise::Faults
        } else {
            AccessPromise::Allowed
        }
    }

    /// There may be no huge page of hugetlb for the page. If the process has reserved one, it is
    /// there, unless it may be on a node that the policy of the page forbids.
    fn may_lack_huge(&self, page: &Page) -> bool {
        let is_reserved = page.has(RESERVED)
            && !page.any(REGISTERED | UNSURE | PROTECTED)
            && matches!(page.policy, Some((Policy::Default, _)))
            && !self.has_forked;
        page.has(HUGETLB) && !is_reserved
    }

    /// The memfd may have no room for the page, or the limit of locked memory may leave none.
    fn may_be_full(&self, page: &Page) -> bool {
        page.has(SECRET) && self.limits_locks
            || self.file == FileKind::Tmpfs
                && page.any(SHARED | FILE)
                && page.cell as usize >= FILE_CELLS
    }

    pub(super) fn word(&self, page: &Page) -> u64 {
        if page.is_in_object() {
            self.cells[page.cell as usize]
        } else {
            page.word
        }
    }

    /// Notes that a read of a page has ended: `got` is the word, or `None` after a signal. Returns
    /// the promise that is broken, if one is.
    pub fn has_read(
        &mut self,
        process: usize,
        at: usize,
        got: Option<u64>,
    ) -> Option<BrokenPromise> {
        if got.is_some()
            && let Some(shown) = self.grow(process, at)
        {
            return Some(shown);
        }
        if got.is_none() {
            self.may_grow(process, at);
        }
        let page = self.pages[process][at];
        let wanted = self.word(&page);
        match (self.access(process, at, false), got) {
            (AccessPromise::Allowed, None) => return Some((BreachKind::Denied, 0, wanted)),
            (AccessPromise::Faults, Some(got)) if page.has(RWP) => {
                return Some((BreachKind::AccessedThrough, got, 0));
            }
            (AccessPromise::Faults, Some(got)) => return Some((BreachKind::Allowed, got, 0)),
            (_, None) => return None,
            (_, Some(_)) if page.has(VAGUE) => return None,
            (_, Some(got)) => {
                let is_zero = page.any(OR_ZERO | DROPPABLE) && got == 0;
                if page.has(KNOWN) && got != wanted && !is_zero {
                    return Some((BreachKind::Contents, got, wanted));
                }
            }
        }
        self.loosen(process, at);
        let monitor = self.monitor;
        let page = &mut self.pages[process][at];
        // a page that the monitor fills in has no protection any more
        let is_filled = monitor && page.may_be_missing();
        page.set(UNSURE, page.has(UNSURE) || is_filled && page.has(PROTECTED));
        page.set(PROTECTED, page.has(PROTECTED) && !is_filled);
        // the next read of a page that was freed lazily may find it gone
        page.set(POPULATED, !page.has(OR_ZERO));
        page.set(WRITTEN, page.any(WRITTEN | RWP));
        page.set(RWP, false);
        // what the monitor fills in is a copy
        page.set(
            PERHAPS_COPIED,
            page.has(PERHAPS_COPIED) || page.has(UNCOPIED | REG_MISSING),
        );
        None
    }

    /// Checks a word that was read from a page in another way than by an access of the process.
    pub fn check_word(&self, process: usize, at: usize, got: u64) -> Option<BrokenPromise> {
        let page = &self.pages[process][at];
        let is_known = page.has(MAPPED | KNOWN) && !page.any(VAGUE | PERHAPS_COPIED | POISON);
        let wanted = self.word(page);
        let may_be_zero = page.any(OR_ZERO | DROPPABLE | GUARD) && got == 0;
        let is_broken = is_known && got != wanted && !may_be_zero;
        is_broken.then_some((BreachKind::Contents, got, wanted))
    }

    /// The same for a page of the memfd.
    pub fn check_file_word(&self, at: usize, got: u64) -> Option<BrokenPromise> {
        let cell = FILE_CELLS + at;
        let wanted = self.cells[cell];
        let is_broken = self.lost[cell / 64] >> (cell % 64) & 1 == 0 && got != wanted;
        is_broken.then_some((BreachKind::Contents, got, wanted))
    }

    /// Notes that a write of `word` to a page has ended. Returns the promise that is broken, if one
    /// is. `forced` writes (`/proc/self/mem`) need no permission.
    pub fn has_written(
        &mut self,
        process: usize,
        at: usize,
        word: u64,
        succeeded: bool,
        forced: bool,
    ) -> Option<BrokenPromise> {
        if succeeded && let Some(shown) = self.grow(process, at) {
            return Some(shown);
        }
        if !succeeded {
            self.may_grow(process, at);
        }
        let expected = self.access(process, at, true);
        let resolves = self.resolves();
        self.soil(process, at);
        if self.pages[process][at].has(VAGUE) {
            self.loosen(process, at);
            if succeeded {
                self.loses(process, at);
            }
            return None;
        }
        let page = &mut self.pages[process][at];
        if forced {
            // such a write need not do what a page fault of the process does
            page.set(UNSURE, page.any(UNSURE | RWP));
            page.set(RWP, false);
        }
        if !succeeded {
            let denied = expected == AccessPromise::Allowed && !forced;
            return denied.then_some((BreachKind::Denied, 0, word));
        }
        if page.has(PROTECTED) && !resolves {
            return Some((BreachKind::WrittenThrough, word, 0));
        }
        if page.has(RWP) && !resolves {
            return Some((BreachKind::AccessedThrough, word, 0));
        }
        if expected == AccessPromise::Faults
            && !(forced && page.has(MAPPED) && !page.any(GUARD | POISON))
        {
            return Some((BreachKind::Allowed, word, 0));
        }
        self.loosen(process, at);
        let page = &mut self.pages[process][at];
        let copies = page.has(HUGETLB | FILE);
        let is_tracked = page.has(REG_WP) || page.has(RWP) || page.has(REG_RWP | WRITTEN);
        // whether a write through /proc/self/mem ends the protection is not known
        let is_unsure = page.has(UNSURE | REG_RWP) && forced;
        page.set(OR_ZERO | PROTECTED | UNCOPIED | PERHAPS_COPIED | RWP, false);
        page.set(UNSURE, is_unsure);
        page.set(KNOWN | POPULATED, true);
        page.set(DIRTY, !page.any(SHARED | HUGETLB | DROPPABLE));
        page.set(WRITTEN, is_tracked && resolves && !is_unsure);
        if page.has(SHARED) {
            let cell = page.cell as usize;
            self.cells[cell] = word;
            self.object_changes(cell);
        } else {
            page.word = word;
        }
        if copies {
            self.copy_huge(process, at);
        }
        None
    }

    /// Something may write to a page. The entry of a huge page has one soft-dirty bit for all its
    /// pages.
    fn soil(&mut self, process: usize, at: usize) {
        let huge = usize::from(HUGE);
        let first = at / huge * huge;
        let pages = self.pages[process][first..first + huge].iter_mut();
        pages.for_each(|page| page.set(CLEAN, false));
    }

    /// A write to a private page of a hugetlb file copies the whole huge page.
    fn copy_huge(&mut self, process: usize, at: usize) {
        let huge = usize::from(HUGE);
        let first = at / huge * huge;
        for other in first..first + huge {
            let word = self.word(&self.pages[process][other]);
            let page = &mut self.pages[process][other];
            if page.has(HUGETLB | FILE) && page.any(UNCOPIED | PERHAPS_COPIED) {
                page.word = word;
                page.set(UNCOPIED | PERHAPS_COPIED, false);
            }
        }
    }

    /// If something may have written to a private page of a hugetlb file, all pages of the same
    /// huge page may be copies.
    fn may_copy_huge(&mut self, process: usize, at: usize) {
        let huge = usize::from(HUGE);
        let first = at / huge * huge;
        for page in &mut self.pages[process][first..first + huge] {
            let may_be_copied = page.has(HUGETLB | UNCOPIED);
            page.set(PERHAPS_COPIED, page.has(PERHAPS_COPIED) || may_be_copied);
        }
    }

    /// All pages of a process may be soft-dirty, because their mappings may be.
    pub(super) fn may_all_be_dirty(&mut self, process: usize) {
        let pages = self.pages[process].iter_mut();
        pages.for_each(|page| page.set(CLEAN, false));
    }

    /// An access to a page ends its protection. A huge page may be protected as a whole, so the
    /// other pages of the same huge page may lose theirs.
    pub(super) fn loosen(&mut self, process: usize, at: usize) {
        if !self.has_blocks {
            return;
        }
        let huge = usize::from(HUGE);
        let first = at / huge * huge;
        for other in (first..first + huge).filter(|other| *other != at) {
            let page = &mut self.pages[process][other];
            let kinds = if page.has(HUGETLB) {
                PROTECTED | RWP
            } else {
                RWP
            };
            if page.any(kinds) {
                page.set(kinds, false);
                page.set(UNSURE, true);
            }
        }
    }

    /// Something may have read from the pages of a range or written to them, as page faults do.
    pub(super) fn touch(&mut self, process: usize, range: Range, writes: bool) {
        let resolves = self.resolves();
        if writes {
            let pages = range.pages();
            let blocks = pages.clone().step_by(HUGE.into()).chain([pages.end - 1]);
            blocks.for_each(|at| {
                self.soil(process, at);
                self.may_copy_huge(process, at);
            });
        }
        self.each_mapped(process, range, |page| page.is_touched(writes, resolves));
        if resolves {
            self.loosen(process, range.first.into());
            self.loosen(process, usize::from(range.first + range.len) - 1);
        }
    }

    /// The contents of a page of the memfd change. Gives up each page of a process that may or may
    /// not be a copy of it.
    pub(super) fn object_changes(&mut self, cell: usize) {
        if cell < FILE_CELLS {
            return;
        }
        let pages = self.pages.iter_mut().flatten();
        let copies = pages.filter(|page| page.has(PERHAPS_COPIED) && page.cell as usize == cell);
        copies.for_each(|page| {
            page.set(UNCOPIED, false);
            page.give_up();
        });
    }

    /// Like [`has_written`](Self::has_written), for a device's write to a range. Returns the broken
    /// promise, and the page at which it is broken. If the write failed, the words of writable
    /// pages are not known any more.
    pub fn device_has_written(
        &mut self,
        process: usize,
        range: Range,
        step: usize,
        succeeded: bool,
    ) -> Option<(usize, BrokenPromise)> {
        if !succeeded {
            self.touch(process, range, true);
        }
        for at in range.pages() {
            let word = Range::word(step, at);
            if succeeded {
                let breach = self.has_written(process, at, word, true, false);
                if let Some(breach) = breach {
                    return Some((at, breach));
                }
            } else if self.pages[process][at].has(VAGUE) {
                self.loses(process, at);
            }
            let page = &mut self.pages[process][at];
            page.set(DIRTY | WRITTEN, false);
            if !succeeded {
                page.set(KNOWN, page.has(KNOWN) && !page.has(WRITABLE));
                if page.any(SHARED | FILE) && page.has(WRITABLE) {
                    page.give_up();
                }
            }
        }
        None
    }
}
