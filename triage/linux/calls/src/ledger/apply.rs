//! Calls that have ended: what each changes.

use super::page::*;
use super::{FILE_CELLS, Ledger};
use crate::PAGES;
use crate::call::Call;
use crate::operand::{Advice, FileKind, Modes, Prot, Resource};
use crate::range::Range;

/// The error number of a call whose arguments are not valid.
const EINVAL: i32 = 22;

impl Ledger {
    /// Notes that a call has ended with `result`: 0, or a negative error number. `done` is the
    /// number of pages that it says it has handled. [`has_read`](Self::has_read) and
    /// [`has_written`](Self::has_written) note the accesses.
    pub fn apply(&mut self, process: usize, call: &Call, result: i32, step: usize, done: u16) {
        if let Some(range) = call.range() {
            self.name(range);
        }
        let failed = result != 0;
        // a new mapping is soft-dirty, and an old one may merge with it
        let maps = matches!(
            call,
            Call::Map { .. }
                | Call::Move { .. }
                | Call::Resize(..)
                | Call::RemapFile(..)
                | Call::Brk(..)
        );
        let is_soiled = matches!(
            call,
            Call::PinRead(_)
                | Call::DeviceRead(_)
                | Call::Copy(..)
                | Call::Zero(_)
                | Call::UffdMove(..)
                | Call::Poison(_)
                | Call::Advise(_, Advice::Mergeable | Advice::Unmergeable)
                | Call::MergeAll(_)
        );
        if maps || is_soiled {
            self.may_all_be_dirty(process);
        }
        match *call {
            Call::Map { range, kind, prot } => self.map(process, range, kind, prot, failed),
            Call::Unmap(range) => self.each(process, range, |page| {
                if failed {
                    page.give_up();
                } else {
                    *page = HOLE;
                }
            }),
            Call::Seal(range) if !failed => {
                self.each_mapped(process, range, |page| page.set(SEALED, true));
            }
            Call::RemapFile(range, page) => self.remap_file(process, range, page, failed),
            Call::Protect(range, prot) => self.each_mapped(process, range, |page| {
                if failed {
                    page.give_up();
                }
                page.set(READABLE, prot != Prot::None);
                page.set(WRITABLE, prot.writes());
            }),
            Call::Move { range, to, keep } => self.remap(process, range, to, keep, failed),
            Call::Resize(range, len) => self.resize(process, range, len, failed),
            Call::Brk(range, len) => self.brk(process, range, len, failed),
            Call::Bind(range, policy, node) => self.bind(process, range, (policy, node), failed),
            Call::FileSize(pages) => self.set_end(pages, failed),
            Call::Allocate(_, true) => {}
            Call::Allocate(_, false) if failed => self.is_end_known = false,
            Call::Allocate(range, false) => self.lengthen(range.pages().end),
            Call::Detach(range) => self.detach(process, range, failed),
            Call::Limit(Resource::Locked) => self.limits_locks = true,
            Call::Limit(Resource::Stack) => {
                self.limits_stack[process] = true;
                let pages = self.pages[process].iter_mut();
                pages.for_each(|page| page.set(GROWN, false));
            }
            Call::Advise(range, advice) => self.advise(process, range, advice, failed),
            Call::Lock { range, on_fault } => self.lock(process, range, !failed && !on_fault),
            Call::LockAll(flags) => {
                if flags & 1 != 0 {
                    self.lock(process, Range::new(0, PAGES), !failed && flags & 4 == 0);
                }
                self.locks_future[process] |= flags & 2 != 0;
                self.must_lock_future[process] = !failed && flags & 6 == 2;
            }
            Call::UnlockAll => {
                self.must_lock_future[process] = false;
                self.each_mapped(process, Range::new(0, PAGES), |page| {
                    page.set(LOCKED, false);
                });
            }
            Call::MergeAll(on) => {
                for page in &mut self.pages[process] {
                    let is_unmerged = !on && !failed && !page.any(HUGETLB);
                    page.set(UNMERGED, page.has(MAPPED) && is_unmerged);
                }
            }
            Call::HugeOff(mode) if !failed => {
                self.huge_off[process] = mode == 1;
                for page in &mut self.pages[process] {
                    page.set(NO_HUGE, page.has(NO_HUGE) && mode == 1);
                }
            }
            Call::Unlock(range) => self.each_mapped(process, range, |page| page.set(LOCKED, false)),
            // a page on a device is not in memory
            Call::ToDevice(range) => {
                self.each_mapped(process, range, |page| page.set(LOCKED, false));
            }
            // these may fault pages in, as a write or a read does
            Call::Exclusive(range) => {
                self.has_exclusive = true;
                self.touch(process, range, true);
                self.each_mapped(process, range, |page| page.set(LOCKED, false));
            }
            Call::DeviceRead(range) => {
                self.touch(process, range, false);
            }
            Call::Pin(range) => {
                self.touch(process, range, true);
                self.each_mapped(process, range, |page| page.set(PINNED, !failed));
                if !failed {
                    self.pin = Some((process, range));
                    self.pin_writes = true;
                }
            }
            // such a pin breaks copy-on-write, as a write does, and ends no write protection
            Call::PinRead(range) => {
                self.touch(process, range, false);
                self.each_mapped(process, range, |page| {
                    page.set(PERHAPS_COPIED, page.any(UNCOPIED | PERHAPS_COPIED));
                    page.set(PINNED, !failed);
                });
                if !failed {
                    self.pin = Some((process, range));
                    self.pin_writes = false;
                }
            }
            Call::Unpin => self.end_pin(),
            Call::MemRead(range)
            | Call::FarRead(range)
            | Call::VmRead(range)
            | Call::Splice(range) => {
                self.touch(process, range, false);
                // what is shared with another process may have been copied
                self.each_mapped(process, range, |page| {
                    page.set(PERHAPS_COPIED, page.any(UNCOPIED | PERHAPS_COPIED));
                });
            }
            Call::FileWrite(range) => self.write_file(range, step, failed),
            // open(2) warns of mixing such a write with mappings: what it writes, it drops from the
            // page cache, so that a pin of the page and the file may differ
            Call::DirectWrite(range) => {
                self.write_file(range, step, failed);
                let first = (FILE_CELLS + usize::from(range.first)) as u32;
                let hit = first..first + u32::from(range.len);
                let pages = self.pages.iter_mut().flatten();
                pages
                    .filter(|page| page.is_in_object() && hit.contains(&page.cell))
                    .for_each(|page| page.set(PINNED, false));
            }
            // an error of the disk: what was not written is lost
            Call::DropCache | Call::Sync(_) if failed && self.file == FileKind::Ext4 => {
                self.lose_file();
            }
            Call::Punch(range) => self.zero(range, false, failed),
            Call::Truncate(range) => {
                if !failed {
                    self.set_end(PAGES, false);
                }
                self.zero(Range::new(range.first, PAGES), true, failed);
                if failed {
                    self.shorten(range.first);
                }
            }
            Call::ClearSoftDirty if !failed => {
                let is_unpinned = self.pin.is_none();
                for page in &mut self.pages[process] {
                    let other = VAGUE | SHARED | FILE | HUGETLB | DROPPABLE | GUARD | POISON;
                    let is_plain = page.has(MAPPED | POPULATED | KNOWN) && !page.any(other);
                    // a device may write to a pinned page at any time
                    let stays = page.has(DIRTY | PINNED) && self.pin_writes;
                    page.set(DIRTY, stays && !page.any(other));
                    page.set(CLEAN, is_plain && is_unpinned);
                }
            }
            Call::Register(range, modes) if !failed => self.each_mapped(process, range, |page| {
                // Linux ignores a second registration for fewer modes. Nobody documents what
                // becomes of the protection then
                page.set(PROTECTED, page.has(PROTECTED) && modes.wp());
                page.set(REG_WP, page.has(REG_WP) || modes.wp());
                page.set(REG_MISSING, modes.missing());
                page.set(REG_MINOR, modes == Modes::Minor);
                page.set(REG_RWP, page.has(REG_RWP) || modes == Modes::Rwp);
                page.set(UNSURE, page.any(UNSURE | RWP) && modes != Modes::Rwp);
                page.set(RWP, page.has(RWP) && modes == Modes::Rwp);
            }),
            Call::CloseUffd => {
                for page in &mut self.pages[process] {
                    page.set(REGISTERED | PROTECTED | WRITTEN | RWP | UNSURE, false);
                }
            }
            Call::Unregister(range) => self.each_mapped(process, range, |page| {
                // a call that fails because of its arguments has done nothing
                if result == -EINVAL {
                    return;
                }
                page.set(PROTECTED | WRITTEN | RWP | UNSURE, false);
                page.set(REGISTERED, failed && page.any(REGISTERED));
                if failed {
                    page.give_up();
                }
            }),
            // it may have protected a part
            Call::WriteProtect(range, true) if failed => self.each_mapped(process, range, |page| {
                if page.has(REG_WP) {
                    page.give_up();
                }
            }),
            Call::WriteProtect(range, on) => self.each_mapped(process, range, |page| {
                let protects = on && !failed && page.has(REG_WP) && !page.any(GUARD | POISON);
                page.set(PROTECTED, protects);
                page.set(WRITTEN, false);
                page.set(UNSURE, page.has(UNSURE) && !protects && !page.has(REG_WP));
            }),
            // the agent notes which pages it has protected
            Call::RwProtect(range, on) => self.each_mapped(process, range, |page| {
                if !page.has(REG_RWP) {
                    return;
                }
                if failed {
                    page.give_up();
                } else if !on {
                    page.set(RWP | UNSURE | WRITTEN, false);
                }
            }),
            Call::Copy(range, protect) => {
                let filled = Range::new(range.first, done);
                for at in filled.pages().take(done.into()) {
                    let word = Range::word(step, at);
                    if self.pages[process][at].has(VAGUE) {
                        self.loses(process, at);
                        continue;
                    }
                    let page = &mut self.pages[process][at];
                    page.set(KNOWN | POPULATED, true);
                    page.set(
                        OR_ZERO | WRITTEN | UNCOPIED | PERHAPS_COPIED | POISON,
                        false,
                    );
                    page.set(DIRTY, !page.any(SHARED | HUGETLB));
                    page.set(PROTECTED, protect && page.has(REG_WP));
                    page.set(UNSURE, page.has(REG_RWP));
                    page.word = word;
                    if page.has(SHARED) {
                        let cell = page.cell as usize;
                        self.cells[cell] = word;
                        self.object_changes(cell);
                    }
                }
            }
            Call::Zero(range) => {
                let filled = Range::new(range.first, done);
                for at in filled.pages().take(done.into()) {
                    if self.pages[process][at].has(VAGUE) {
                        self.loses(process, at);
                        continue;
                    }
                    let page = &mut self.pages[process][at];
                    page.set(PROTECTED | OR_ZERO | WRITTEN | POISON, false);
                    page.set(UNCOPIED | PERHAPS_COPIED, false);
                    page.set(UNSURE, page.has(REG_RWP));
                    page.set(KNOWN | POPULATED, true);
                    page.word = 0;
                    if page.has(SHARED) {
                        let cell = page.cell as usize;
                        self.cells[cell] = 0;
                        self.object_changes(cell);
                    }
                }
            }
            Call::Continue(range) => {
                // the page of the file is mapped, so protection and poison are gone
                for page in self.pages[process][range.pages()]
                    .iter_mut()
                    .take(done.into())
                {
                    page.set(PROTECTED | POISON | WRITTEN, false);
                    page.set(UNSURE, page.has(REG_RWP));
                }
            }
            Call::UffdMove(range, to) => self.uffd_move(process, range, to, done),
            Call::Poison(range) => {
                let range = Range::new(range.first, done);
                for at in range.pages().take(done.into()) {
                    let page = &mut self.pages[process][at];
                    page.set(POISON, true);
                    page.set(PINNED, false);
                }
            }
            Call::Fork if !failed => self.fork(),
            Call::Exit => {
                self.alive[1] = false;
                if self.pin.is_some_and(|(process, _)| process == 1) {
                    self.end_pin();
                }
            }
            _ => {}
        }
        // what is mapped or becomes accessible is faulted in
        if self.locks_future[process] && call.changes_mappings() {
            self.touch(process, Range::new(0, PAGES), true);
        }
        self.give_up_shared();
    }

    /// A range is locked into memory. All of it is faulted in if `locks`.
    fn lock(&mut self, process: usize, range: Range, locks: bool) {
        self.touch(process, range, true);
        self.each_mapped(process, range, |page| {
            let is_there = page.has(READABLE) && !page.any(GUARD | POISON);
            let is_plain = !page.any(HUGETLB | REG_MISSING | RWP | UNSURE | OR_ZERO);
            page.set(LOCKED, locks && is_there && is_plain);
        });
    }

    /// UFFDIO_RWPROTECT has succeeded on a page. Only if the page was present before is it known to
    /// be protected.
    pub fn rw_protected(&mut self, process: usize, at: usize, was_present: bool) {
        let page = &mut self.pages[process][at];
        if page.has(REG_RWP) && !page.any(VAGUE | GUARD | POISON) {
            let is_sure = !page.any(UNCOPIED | PERHAPS_COPIED | HUGETLB | OR_ZERO);
            page.set(RWP, was_present && is_sure && page.has(READABLE));
            page.set(UNSURE, !page.has(RWP));
            page.set(WRITTEN, false);
            self.has_blocks = true;
        }
    }

    /// The page must not become a part of a huge page, and nothing was there when it was excluded
    /// from huge pages.
    pub fn is_never_huge(&mut self, process: usize, at: usize) {
        let page = &mut self.pages[process][at];
        page.set(
            NO_HUGE,
            page.has(MAPPED) && !page.any(VAGUE | SHARED | FILE | HUGETLB),
        );
    }

    /// A scan that protects has failed, or has not ended: each page of the range may be protected.
    pub fn may_be_scanned(&mut self, process: usize, range: Range) {
        self.each_mapped(process, range, |page| {
            if page.has(REG_WP) {
                page.set(UNSURE, true);
                page.set(PROTECTED | WRITTEN, false);
            }
        });
    }

    /// PAGEMAP_SCAN has write-protected a page.
    pub fn scanned(&mut self, process: usize, page: usize) {
        let page = &mut self.pages[process][page];
        if page.has(REG_WP) && !page.any(GUARD | POISON | VAGUE) {
            page.set(PROTECTED, true);
            page.set(WRITTEN, false);
        }
    }

    pub(super) fn end_pin(&mut self) {
        if let Some((process, range)) = self.pin.take() {
            self.each(process, range, |page| page.set(PINNED, false));
        }
    }

    /// Pages of the memfd become zero. A truncation drops copies of them, too.
    pub(super) fn zero(&mut self, range: Range, truncates: bool, failed: bool) {
        let first = (FILE_CELLS + usize::from(range.first)) as u32;
        let hit = first..first + u32::from(range.len);
        let end = FILE_CELLS + self.file_end;
        for cell in hit.clone().filter(|cell| (*cell as usize) < end) {
            let cell = cell as usize;
            let bit = 1 << (cell % 64);
            self.cells[cell] = 0;
            self.lost[cell / 64] &= !bit;
            if failed {
                self.lost[cell / 64] |= bit;
            }
        }
        let pages = self.pages.iter_mut().flatten();
        for page in pages.filter(|page| page.any(SHARED | FILE) && hit.contains(&page.cell)) {
            if page.has(VAGUE) {
                continue;
            }
            if failed || page.has(PERHAPS_COPIED) {
                page.give_up();
            } else if truncates || page.is_in_object() {
                page.is_punched();
            }
        }
    }

    /// Words are written to the memfd.
    fn write_file(&mut self, range: Range, step: usize, failed: bool) {
        if failed {
            self.is_end_known = false;
        } else {
            self.lengthen(range.pages().end);
        }
        for at in range.pages() {
            let cell = FILE_CELLS + at;
            self.cells[cell] = Range::word(step, at);
            let bit = 1 << (cell % 64);
            self.lost[cell / 64] &= !bit;
            if failed || at >= self.file_end {
                self.lost[cell / 64] |= bit;
            }
            self.object_changes(cell);
            let pages = self.pages.iter_mut().flatten();
            let pages = pages.filter(|page| page.is_in_object() && page.cell as usize == cell);
            for page in pages.filter(|page| !page.has(VAGUE)) {
                if failed {
                    page.give_up();
                } else {
                    page.set(KNOWN, true);
                    page.set(OR_ZERO, false);
                }
            }
        }
    }

    /// Gives up each page that shares its word with one that was given up.
    pub(super) fn give_up_shared(&mut self) {
        let named = self.named();
        let mut is_any = false;
        for process in &mut self.pages {
            for page in process[named.clone()]
                .iter_mut()
                .filter(|page| page.has(WAS_SHARED))
            {
                self.lost[page.cell as usize / 64] |= 1 << (page.cell % 64);
                page.set(WAS_SHARED, false);
                is_any = true;
            }
        }
        if is_any {
            let pages = self.pages.iter_mut().flatten();
            pages
                .filter(|page| page.is_in_object() && !page.has(VAGUE))
                .filter(|page| self.lost[page.cell as usize / 64] >> (page.cell % 64) & 1 != 0)
                .for_each(|page| {
                    page.give_up();
                    page.set(WAS_SHARED, false);
                });
        }
    }
}
