//! Calls that make, move and drop mappings.

use super::page::*;
use super::{BrokenPromise, FILE_CELLS, Ledger};
use crate::PAGES;
use crate::breach::BreachKind;
use crate::operand::{Advice, FileKind, MapKind, Policy, Prot, Resource};
use crate::range::Range;

/// The pages before a stack that must be free (`stack_guard_gap`).
const GAP: usize = 256;
/// How many pages a stack may grow by once it is limited.
const STACK_PAGES: usize = (Resource::ROOM_KB / 4) as usize;
/// The index of the stack among [`Resource::ALL`].
const STACK_INDEX: u64 = 3;

impl Ledger {
    pub(super) fn map(
        &mut self,
        process: usize,
        range: Range,
        kind: MapKind,
        prot: Prot,
        failed: bool,
    ) {
        let is_huge_file = self.file == FileKind::Hugetlb && kind.is_file();
        self.has_blocks |= kind.is_hugetlb() || is_huge_file;
        let mut flags = MAPPED | KNOWN;
        if is_huge_file {
            flags |= HUGETLB;
        }
        if self.huge_off[process] && matches!(kind, MapKind::Private | MapKind::Stack) {
            flags |= NO_HUGE;
        }
        flags |= match kind {
            MapKind::Private | MapKind::DevZero => DIRTY,
            MapKind::Stack => DIRTY | STACK,
            MapKind::Droppable => DROPPABLE | WIPE,
            MapKind::Shared | MapKind::SharedFile | MapKind::SharedTwin | MapKind::Shm => SHARED,
            MapKind::Secret => SHARED | SECRET,
            MapKind::File => FILE | UNCOPIED | DIRTY,
            MapKind::Hugetlb => HUGETLB | RESERVED,
            MapKind::SharedHugetlb => SHARED | HUGETLB,
        };
        if prot != Prot::None {
            flags |= READABLE;
        }
        if prot.writes() {
            flags |= WRITABLE;
        }
        let first = self.used;
        let is_new = kind.is_shared() && !kind.is_file();
        let is_full = is_new && first as usize + usize::from(range.len) > FILE_CELLS;
        let file_page = kind.file_page(range).unwrap_or_default();
        let policy = (!kind.is_shared() && !kind.is_file()).then_some((Policy::Default, 0));
        if failed || is_full {
            return self.each(process, range, Page::give_up);
        }
        for (i, at) in range.pages().enumerate() {
            let cell = match kind {
                _ if kind.is_file() => FILE_CELLS + usize::from(file_page) + i,
                _ if is_new => first as usize + i,
                _ => 0,
            };
            let page = &mut self.pages[process][at];
            *page = Page {
                flags,
                cell: cell as u32,
                word: 0,
                policy,
            };
            page.set(ATTACH, kind == MapKind::Shm && i == 0);
            if is_new {
                self.cells[cell] = 0;
                self.used = cell as u32 + 1;
            } else if kind.is_file() && self.lost[cell / 64] >> (cell % 64) & 1 != 0 {
                page.give_up();
                page.set(WAS_SHARED, false);
                page.set(BEYOND, true);
            }
        }
    }

    /// shmdt detaches the whole first attach at or behind the address.
    pub(super) fn detach(&mut self, process: usize, range: Range, failed: bool) {
        let first = usize::from(range.first);
        let is_attach = self.pages[process][first].has(ATTACH);
        let pages = self.pages[process][first..].iter_mut();
        let pages = pages.filter(|page| {
            page.any(SHARED | WAS_SHARED | VAGUE) && (page.cell as usize) < FILE_CELLS
        });
        pages.for_each(Page::give_up);
        self.name(Range::new(range.first, PAGES));
        if is_attach && !failed {
            let page = &mut self.pages[process][first];
            self.lost[page.cell as usize / 64] |= 1 << (page.cell % 64);
            *page = HOLE;
        }
    }

    /// remap_file_pages maps other pages of the same object.
    pub(super) fn remap_file(&mut self, process: usize, range: Range, page: u16, failed: bool) {
        // the ledger does not know which pages of shared anonymous memory a mapping has
        let is_unnamed =
            |page: &Page| page.any(SHARED | WAS_SHARED) && (page.cell as usize) < FILE_CELLS;
        if self.pages[process][range.pages()].iter().any(is_unnamed) {
            for page in self.pages.iter_mut().flatten() {
                if is_unnamed(page) {
                    page.give_up();
                }
            }
        }
        for (i, at) in range.pages().enumerate() {
            let place = FILE_CELLS + usize::from(page) + i;
            let page = &mut self.pages[process][at];
            let is_file =
                page.cell as usize >= FILE_CELLS && page.has(SHARED) && !page.has(HUGETLB);
            if failed || !is_file || place >= self.cells.len() || page.has(VAGUE) {
                page.give_up();
                continue;
            }
            *page = Page {
                flags: page.flags & (MAPPED | READABLE | WRITABLE | SHARED | DONT_FORK) | KNOWN,
                cell: place as u32,
                ..HOLE
            };
            if self.lost[place / 64] >> (place % 64) & 1 != 0 {
                page.give_up();
                page.set(WAS_SHARED, false);
                page.set(BEYOND, true);
            }
        }
    }

    /// Whether Linux rounds a range, because huge pages of hugetlb are mapped there.
    pub(super) fn is_rounded(&self, process: usize, range: Range) -> bool {
        let mut pages = self.pages[process][range.pages()].iter();
        !range.is_huge() && pages.any(|page| page.has(HUGETLB))
    }

    pub(super) fn remap(
        &mut self,
        process: usize,
        range: Range,
        to: u16,
        keep: bool,
        failed: bool,
    ) {
        let target = range.moved(to);
        let range = Range::new(range.first, target.len);
        self.name(target);
        if self.is_rounded(process, range) || self.is_rounded(process, target) {
            self.each(process, range.rounded(), Page::give_up);
            return self.each(process, target.rounded(), Page::give_up);
        }
        if failed {
            self.each(process, range, Page::give_up);
            return self.each(process, target, Page::give_up);
        }
        for (from, to) in range.pages().zip(target.pages()) {
            let mut page = self.pages[process][from];
            let left = &mut self.pages[process][from];
            if keep && page.has(MAPPED) {
                left.drop_page();
                // the entries move, and nothing says that the protection stays behind
                left.set(GUARD | POISON | PROTECTED, false);
                left.set(VAGUE, page.any(VAGUE | POISON | GUARD));
            } else {
                *left = HOLE;
            }
            // without UFFD_FEATURE_EVENT_REMAP, mremap ends the registration; only the monitor asks
            // for that feature
            if !self.monitor {
                page.set(REGISTERED, false);
                page.set(PROTECTED | WRITTEN | RWP | UNSURE, false);
            }
            page.set(PINNED | LOCKED | UNMERGED, false);
            page.set(
                DIRTY,
                page.has(DIRTY) || page.has(POPULATED) && !page.any(SHARED | HUGETLB | DROPPABLE),
            );
            self.pages[process][to] = page;
        }
    }

    /// Gives a range another number of pages. What a smaller range loses becomes a hole. Returns
    /// the pages that a larger range gains, for the caller to fill.
    fn gained(&mut self, process: usize, range: Range, len: u16, failed: bool) -> Option<Range> {
        let wanted = Range::new(range.first, len);
        self.name(wanted);
        if self.is_rounded(process, range) || self.is_rounded(process, wanted) {
            // a call that shrinks a range does not touch the small pages after the old end of the
            // range
            let ends = range.pages().end.max(wanted.pages().end);
            let shrinks = wanted.len <= range.len;
            for rounded in [range.rounded(), wanted.rounded()] {
                for at in rounded.pages() {
                    let page = &mut self.pages[process][at];
                    if at < ends || !shrinks || page.has(HUGETLB) {
                        page.give_up();
                    }
                }
            }
            return None;
        }
        if failed {
            return None;
        }
        if wanted.len < range.len {
            let lost = Range::new(range.first + wanted.len, range.len - wanted.len);
            self.each(process, lost, |page| *page = HOLE);
        }
        let gained = wanted.len.checked_sub(range.len).filter(|len| *len > 0)?;
        Some(Range::new(range.first + range.len, gained))
    }

    pub(super) fn resize(&mut self, process: usize, range: Range, len: u16, failed: bool) {
        let Some(tail) = self.gained(process, range, len, failed) else {
            return;
        };
        let like = self.pages[process][usize::from(range.first + range.len - 1)];
        self.each(process, tail, |page| {
            *page = like;
            page.drop_page();
            page.set(GUARD | POISON | PROTECTED, false);
            page.set(KNOWN, true);
            page.set(DIRTY, !like.has(DROPPABLE));
            // the object of shared memory may end before the mapping does
            if like.any(SHARED | VAGUE | FILE) {
                page.set(SHARED | UNCOPIED, false);
                page.give_up();
            }
        });
    }

    /// The heap, which lies at this range, gets another number of pages.
    pub(super) fn brk(&mut self, process: usize, range: Range, len: u16, failed: bool) {
        let Some(tail) = self.gained(process, range, len, failed) else {
            return;
        };
        self.map(process, tail, MapKind::Private, Prot::Write, false);
    }

    /// The first page of the stack that grows if a process accesses this page, where nothing, or
    /// perhaps nothing, is mapped.
    pub(super) fn stack_above(&self, process: usize, at: usize) -> Option<usize> {
        let pages = &self.pages[process];
        let is_mapped = |page: usize| pages[page].has(MAPPED) && !pages[page].has(VAGUE);
        if is_mapped(at) || pages[at].has(STACK) {
            return None;
        }
        let mut above = at + 1..pages.len();
        above
            .find(|page| is_mapped(*page) || pages[*page].has(STACK))
            .filter(|page| pages[*page].has(STACK))
    }

    /// An access to a page has succeeded. If nothing was mapped there, but a stack lies behind it,
    /// the stack has grown. Returns the promise that is broken, if the stack is larger now than it
    /// may be.
    pub fn grow(&mut self, process: usize, at: usize) -> Option<BrokenPromise> {
        let first = self.stack_above(process, at)?;
        let like = self.pages[process][first];
        self.name(Range::new(at as u16, 1));
        self.may_all_be_dirty(process);
        let is_vague = (at..=first).any(|page| self.pages[process][page].has(VAGUE));
        let kept = MAPPED | READABLE | WRITABLE | STACK | DONT_FORK | WIPE | REGISTERED;
        for page in &mut self.pages[process][at..first] {
            *page = Page {
                flags: like.flags & kept | KNOWN | DIRTY | GROWN,
                policy: like.policy,
                ..HOLE
            };
            if is_vague {
                page.give_up();
            }
        }
        let page = &mut self.pages[process][at];
        let is_plain = !page.any(VAGUE | REGISTERED);
        page.set(LOCKED, self.must_lock_future[process] && is_plain);
        let grown = self.pages[process][at..].iter();
        let grown = grown.take_while(|page| page.has(STACK | GROWN)).count();
        let is_broken = self.limits_stack[process] && grown > STACK_PAGES;
        is_broken.then_some((BreachKind::OverLimit, grown as u64, STACK_INDEX))
    }

    /// An access to a page has failed. If nothing was mapped there, but a stack lies behind it, the
    /// stack may have grown before the access failed.
    pub(super) fn may_grow(&mut self, process: usize, at: usize) {
        if let Some(first) = self.stack_above(process, at) {
            self.name(Range::new(at as u16, 1));
            self.may_all_be_dirty(process);
            let pages = self.pages[process][at..first].iter_mut();
            pages.for_each(Page::give_up);
        }
    }

    /// True if a mapping that has just grown up to this page reaches into the gap before a stack.
    pub fn is_in_gap(&self, process: usize, last: usize) -> bool {
        let pages = &self.pages[process];
        let behind = pages.iter().skip(last + 1).take(GAP);
        let next = behind.into_iter().find(|page| page.has(MAPPED));
        !pages[last].any(STACK | VAGUE)
            && next.is_some_and(|page| page.has(STACK) && !page.has(VAGUE))
    }

    pub(super) fn bind(&mut self, process: usize, range: Range, set: (Policy, u8), failed: bool) {
        let in_object = |page: &Page| page.any(SHARED | FILE);
        if self.pages[process][range.pages()].iter().any(in_object) {
            // the policy belongs to the object, which others may map
            let pages = self.pages.iter_mut().flatten();
            pages
                .filter(|page| in_object(page))
                .for_each(|page| page.policy = None);
        }
        self.each_mapped(process, range, |page| {
            page.policy = (!failed).then_some(set);
        });
    }

    /// The policy that get_mempolicy must show for a page.
    pub fn policy(&self, process: usize, at: usize) -> Option<(Policy, u8)> {
        let page = &self.pages[process][at];
        page.policy.filter(|_| page.has(MAPPED) && !page.has(VAGUE))
    }

    /// The memfd may now end before this page. So nothing is known of this page and those after it.
    pub(super) fn shorten(&mut self, pages: u16) {
        self.file_end = self.file_end.min(pages.into());
        let end = FILE_CELLS + self.file_end;
        for cell in end..self.cells.len() {
            self.lost[cell / 64] |= 1 << (cell % 64);
        }
        let pages = self.pages.iter_mut().flatten();
        let beyond = pages.filter(|page| page.any(SHARED | FILE) && page.cell as usize >= end);
        for page in beyond.filter(|page| !page.has(VAGUE)) {
            page.give_up();
            page.set(WAS_SHARED, false);
            page.set(BEYOND, true);
        }
        self.is_end_known = false;
    }

    /// ftruncate of the memfd. If it has succeeded, what the memfd gains is zero.
    pub(super) fn set_end(&mut self, pages: u16, failed: bool) {
        let is_shorter = usize::from(pages) < self.file_end;
        if failed || is_shorter || self.file == FileKind::Hugetlb {
            self.shorten(pages);
        } else {
            self.lengthen(pages.into());
            self.file_end = pages.into();
        }
        // mmap makes a file of hugetlb longer
        self.is_end_known = !failed && self.file != FileKind::Hugetlb;
    }

    /// Makes the memfd at least this long, if its end is known. What it gains is zero.
    pub(super) fn lengthen(&mut self, end: usize) {
        if !self.is_end_known {
            return;
        }
        for cell in (FILE_CELLS..).take(end).skip(self.file_end) {
            self.cells[cell] = 0;
            self.lost[cell / 64] &= !(1 << (cell % 64));
        }
        self.file_end = self.file_end.max(end);
    }

    /// A page without promises was written to. Forgets the word of the memfd that it maps, or all
    /// words of the memfd if it is not known which.
    pub(super) fn loses(&mut self, process: usize, at: usize) {
        let page = self.pages[process][at];
        let cell = page.cell as usize;
        let end = FILE_CELLS + self.file_end;
        let lost = match page.has(BEYOND) {
            // what is written behind the end of the memfd is gone when the memfd gets longer
            true if cell >= end && self.is_end_known => return,
            true => cell..cell + 1,
            false => FILE_CELLS..end,
        };
        self.lose_cells(lost);
    }

    /// Nothing is known of the contents of the memfd any more.
    pub(super) fn lose_file(&mut self) {
        self.lose_cells(FILE_CELLS..self.cells.len());
    }

    /// Forgets words of the memfd.
    fn lose_cells(&mut self, lost: std::ops::Range<usize>) {
        for cell in lost.clone() {
            self.lost[cell / 64] |= 1 << (cell % 64);
        }
        let pages = self.pages.iter_mut().flatten();
        let pages =
            pages.filter(|page| page.is_in_object() && lost.contains(&(page.cell as usize)));
        for page in pages.filter(|page| !page.has(VAGUE)) {
            page.give_up();
            page.set(WAS_SHARED, false);
        }
    }

    pub(super) fn advise(&mut self, process: usize, range: Range, advice: Advice, failed: bool) {
        if advice == Advice::Remove {
            return self.remove(process, range, failed);
        }
        if advice == Advice::HwPoison {
            return self.break_frames(process, range);
        }
        if matches!(advice, Advice::PopulateRead | Advice::PopulateWrite) {
            return self.touch(process, range, advice == Advice::PopulateWrite);
        }
        let is_huge = range.is_huge();
        let wp_async = self.wp_async;
        let is_off = self.huge_off[process];
        self.each_mapped(process, range, |page| match advice {
            // on hugetlb, Linux rounds the range
            Advice::DontNeed | Advice::DontNeedLocked if page.has(HUGETLB) && !is_huge => {
                page.give_up();
            }
            Advice::DontNeed | Advice::DontNeedLocked if page.has(POISON) => page.give_up(),
            Advice::DontNeed | Advice::DontNeedLocked if failed && page.has(FILE) => {
                page.give_up();
            }
            Advice::DontNeed | Advice::DontNeedLocked if failed => {
                page.set(UNSURE, page.any(UNSURE | RWP));
                page.set(POPULATED | DIRTY | WRITTEN | RWP | PINNED, false);
                // MADV_DONTNEED refuses locked pages
                page.set(LOCKED, page.has(LOCKED) && advice == Advice::DontNeed);
                if !page.has(SHARED) {
                    page.set(OR_ZERO, true);
                    page.set(UNSURE, page.any(UNSURE | PROTECTED));
                    page.set(PROTECTED, false);
                }
            }
            Advice::DontNeed | Advice::DontNeedLocked if !page.has(GUARD) => {
                let ends = wp_async && page.has(REG_WP | PROTECTED) && !page.any(SHARED | FILE);
                page.drop_page();
                page.set(WRITTEN, ends);
            }
            Advice::Free if !page.any(SHARED | FILE | HUGETLB) => {
                page.set(OR_ZERO, true);
                page.set(UNSURE, page.any(UNSURE | PROTECTED | RWP));
                page.set(
                    POPULATED | DIRTY | PROTECTED | WRITTEN | RWP | PINNED,
                    false,
                );
            }
            Advice::DontFork | Advice::DoFork if !failed => {
                page.set(DONT_FORK, advice == Advice::DontFork);
            }
            Advice::WipeOnFork | Advice::KeepOnFork if !failed => {
                page.set(WIPE, advice == Advice::WipeOnFork);
            }
            Advice::GuardInstall | Advice::GuardRemove | Advice::DontFork | Advice::WipeOnFork
                if failed =>
            {
                page.give_up();
            }
            Advice::GuardInstall => {
                page.drop_page();
                page.set(POISON | PROTECTED | UNSURE, false);
                page.set(GUARD, true);
            }
            Advice::GuardRemove => page.set(GUARD, false),
            // instead of moving a page of a file, the kernel may drop it
            Advice::SoftOffline => page.set(POPULATED, page.has(POPULATED) && !page.any(FILE)),
            Advice::HugePage => page.set(NO_HUGE, page.has(NO_HUGE) && is_off),
            Advice::Mergeable => page.set(UNMERGED, false),
            Advice::Unmergeable => page.set(UNMERGED, !failed && !page.any(HUGETLB)),
            _ => {}
        });
    }

    /// The frames of these pages are broken. All pages that may have one of these frames are lost.
    /// They are the pages with the same word, because `fork` or KSM may have made them share a
    /// frame.
    fn break_frames(&mut self, process: usize, range: Range) {
        for at in range.pages() {
            let broken = self.pages[process][at];
            if !broken.has(MAPPED) {
                continue;
            }
            // A huge page of hugetlb is lost as a whole, although its pages have different words.
            // Of a page without promises, the ledger does not know the word. Then all is lost.
            // So is a large folio of ext4.
            let is_on_disk = self.file == FileKind::Ext4 && broken.any(SHARED | FILE);
            let is_any = is_on_disk || broken.any(VAGUE | HUGETLB | OR_ZERO);
            let word = self.word(&broken);
            for owner in 0..self.pages.len() {
                for page in self.named() {
                    let other = self.pages[owner][page];
                    if other.has(MAPPED) && (is_any || self.word(&other) == word) {
                        self.pages[owner][page].give_up();
                    }
                }
            }
            for cell in 0..self.cells.len() {
                if is_any || self.cells[cell] == word {
                    self.lost[cell / 64] |= 1 << (cell % 64);
                }
            }
        }
    }

    /// MADV_REMOVE punches a hole into what is mapped.
    pub(super) fn remove(&mut self, process: usize, range: Range, failed: bool) {
        for at in range.pages() {
            let page = self.pages[process][at];
            if !page.has(MAPPED) {
                continue;
            }
            if page.has(VAGUE) {
                self.loses(process, at);
            } else if failed {
                if page.any(SHARED | FILE) {
                    self.pages[process][at].give_up();
                }
            } else if page.cell as usize >= FILE_CELLS {
                self.zero(
                    Range::new((page.cell as usize - FILE_CELLS) as u16, 1),
                    false,
                    false,
                );
                self.was_removed(process, at, page.flags);
            } else if page.has(SHARED) {
                self.cells[page.cell as usize] = 0;
                let pages = self.pages.iter_mut().flatten();
                let pages = pages.filter(|other| other.has(SHARED) && other.cell == page.cell);
                for page in pages.filter(|page| !page.has(VAGUE)) {
                    page.is_punched();
                }
                self.was_removed(process, at, page.flags);
            }
        }
    }

    /// MADV_REMOVE counts as a write: userfaultfd.rst says that it drops the asynchronous
    /// protection. `before` are the flags that the page had.
    fn was_removed(&mut self, process: usize, at: usize, before: u64) {
        let needed = SHARED | REG_WP | PROTECTED;
        if self.wp_async && before & needed == needed {
            let page = &mut self.pages[process][at];
            // a part of a huge page of hugetlb becomes zero, and stays protected
            page.set(UNSURE, page.has(HUGETLB));
            page.set(WRITTEN, !page.has(HUGETLB));
        }
    }

    pub(super) fn uffd_move(&mut self, process: usize, range: Range, to: u16, done: u16) {
        let target = range.moved(to);
        self.name(target);
        for (from, to) in range.pages().zip(target.pages()).take(done.into()) {
            let moved = self.pages[process][from];
            if moved.has(VAGUE) {
                self.pages[process][to].give_up();
                continue;
            }
            self.pages[process][from].drop_page();
            let page = &mut self.pages[process][to];
            page.word = moved.word;
            page.set(KNOWN | OR_ZERO | POPULATED, false);
            page.flags |= moved.flags & (KNOWN | OR_ZERO | POPULATED);
            page.set(
                PROTECTED | WRITTEN | RWP | PINNED | LOCKED | UNMERGED | NO_HUGE,
                false,
            );
            page.set(UNSURE, page.has(REG_RWP));
            // where nothing was accessed, there may be a hole, and then the target need not be
            // soft-dirty
            page.set(DIRTY, moved.has(POPULATED | KNOWN));
        }
    }

    pub(super) fn fork(&mut self) {
        self.alive[1] = true;
        self.has_forked = true;
        self.pages[1] = self.pages[0];
        for page in &mut self.pages[1] {
            if page.has(DONT_FORK) {
                *page = HOLE;
                continue;
            }
            if page.has(WIPE) {
                page.drop_page();
                page.set(GUARD | POISON, false);
            }
            if self.monitor {
                page.set(
                    UNSURE,
                    page.any(UNSURE | RWP | WRITTEN) || page.has(WIPE | PROTECTED),
                );
                page.set(PROTECTED, page.has(PROTECTED) && !page.has(UNSURE));
                page.set(RWP | WRITTEN, false);
            } else {
                page.set(REGISTERED | RWP | UNSURE, false);
                page.set(PROTECTED | WRITTEN, false);
            }
            // a child inherits no locks
            page.set(DIRTY | PINNED | LOCKED | CLEAN | SEALED, false);
        }
        self.limits_stack[1] = self.limits_stack[0];
        self.locks_future[1] = false;
        self.must_lock_future[1] = false;
        self.huge_off[1] = self.huge_off[0];
    }
}
