//! The ledger: what user space may rely on, page by page.
//!
//! An entry of the ledger is a promise of Linux to the process that owns the page. A call changes
//! the entries of the pages on which it has a documented effect, and no others. Where the
//! documentation leaves a choice, or a call failed halfway, the ledger gives up the claim: it never
//! guesses. It is plain data without pointers, so that the processes of a program can share it.
//!
//! What it does not claim, and why:
//! - soft-dirty of shared memory, which is lost when the page is reclaimed;
//! - soft-dirty of a child's pages, and of pages that a device writes: Linux promises neither;
//! - anything that a call which failed may have done.

use crate::breach::BreachKind;
use crate::call::{Advice, Call, Modes, Prot, Range};
use crate::{PAGES, PROCESSES};

const MAPPED: u32 = 1 << 0;
/// Nothing is claimed of the page.
const VAGUE: u32 = 1 << 1;
const READABLE: u32 = 1 << 2;
const WRITABLE: u32 = 1 << 3;
const SHARED: u32 = 1 << 4;
/// Registered with userfaultfd for write protection.
const REG_WP: u32 = 1 << 5;
/// Registered with userfaultfd for missing pages.
const REG_MISSING: u32 = 1 << 6;
const GUARD: u32 = 1 << 7;
const POISON: u32 = 1 << 8;
/// An access succeeded, and nothing dropped the page since.
const POPULATED: u32 = 1 << 9;
const DONT_FORK: u32 = 1 << 10;
const WIPE: u32 = 1 << 11;
/// The contents are known.
const KNOWN: u32 = 1 << 12;
/// The contents may also be zero.
const OR_ZERO: u32 = 1 << 13;
/// pagemap must show it as soft-dirty.
const DIRTY: u32 = 1 << 14;
/// It is write-protected for userfaultfd.
const PROTECTED: u32 = 1 << 15;
/// It was written to since it was protected.
const WRITTEN: u32 = 1 << 16;

/// It was shared when the claims were given up, so nothing is known of the shared word either.
const WAS_SHARED: u32 = 1 << 17;

/// The number of words of shared memory.
const CELLS: usize = 4 * PAGES as usize;

// bits of an entry of pagemap
const PM_SOFT_DIRTY: u64 = 1 << 55;
const PM_UFFD_WP: u64 = 1 << 57;
const PM_SWAP: u64 = 1 << 62;
const PM_PRESENT: u64 = 1 << 63;

/// What the ledger says of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It succeeds.
    Allowed,
    /// It raises a signal.
    Faults,
    /// Either.
    Either,
}

/// A broken promise: the kind, what Linux says, and what it should say.
pub type Shown = (BreachKind, u64, u64);

#[derive(Clone, Copy, Debug)]
struct Page {
    flags: u32,
    /// In shared memory, the index of its word in `Ledger::cells`.
    cell: u32,
    /// Its word, in private memory.
    word: u64,
}

const HOLE: Page = Page {
    flags: 0,
    cell: 0,
    word: 0,
};

impl Page {
    const fn has(&self, flags: u32) -> bool {
        self.flags & flags == flags
    }

    const fn any(&self, flags: u32) -> bool {
        self.flags & flags != 0
    }

    const fn set(&mut self, flags: u32, on: bool) {
        if on {
            self.flags |= flags;
        } else {
            self.flags &= !flags;
        }
    }

    /// Nothing is claimed of it until it is mapped or unmapped.
    const fn give_up(&mut self) {
        let shared = self.flags & (SHARED | WAS_SHARED) != 0;
        self.flags = MAPPED | VAGUE | if shared { WAS_SHARED } else { 0 };
    }

    /// The page is gone. The next access finds zero, or in shared memory what the object contains.
    const fn drop_page(&mut self) {
        self.set(POPULATED | OR_ZERO | DIRTY | WRITTEN, false);
        if !self.has(SHARED) {
            self.word = 0;
            self.set(KNOWN, true);
            self.set(PROTECTED, false);
        }
    }
}

/// The promises to the processes of a program.
#[derive(Debug)]
pub struct Ledger {
    wp_async: bool,
    alive: [bool; PROCESSES],
    pages: [[Page; PAGES as usize]; PROCESSES],
    cells: [u64; CELLS],
    used: u32,
    /// The pages that the program has named lie between these two.
    named: (usize, usize),
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            wp_async: false,
            alive: [true, false],
            pages: [[HOLE; PAGES as usize]; PROCESSES],
            cells: [0; CELLS],
            used: 0,
            named: (PAGES.into(), 0),
        }
    }
}

impl Ledger {
    /// Begins a program.
    pub fn reset(&mut self, wp_async: bool) {
        self.wp_async = wp_async;
        self.alive = [true, false];
        self.pages = [[HOLE; PAGES as usize]; PROCESSES];
        self.used = 0;
        self.named = (PAGES.into(), 0);
    }

    /// The pages that the program may have changed.
    pub fn named(&self) -> std::ops::Range<usize> {
        self.named.0..self.named.1.max(self.named.0)
    }

    /// True if the process runs.
    pub fn is_alive(&self, process: usize) -> bool {
        self.alive[process]
    }

    /// True if the page lies in a mapping.
    pub fn is_mapped(&self, process: usize, page: usize) -> bool {
        let page = &self.pages[process][page];
        page.has(MAPPED) && !page.has(VAGUE)
    }

    /// What an access to a page does.
    pub fn access(&self, process: usize, page: usize, writes: bool) -> Access {
        let page = &self.pages[process][page];
        let needed = if writes { WRITABLE } else { READABLE };
        if page.has(VAGUE) {
            Access::Either
        } else if !page.has(MAPPED | needed) || page.any(GUARD | POISON) {
            Access::Faults
        } else if page.has(REG_MISSING) && (page.has(SHARED) || !page.has(POPULATED)) {
            Access::Either
        } else if writes && page.has(PROTECTED) && !self.wp_async {
            Access::Faults
        } else {
            Access::Allowed
        }
    }

    fn word(&self, page: &Page) -> u64 {
        if page.has(SHARED) {
            self.cells[page.cell as usize]
        } else {
            page.word
        }
    }

    /// Notes that a read of a page has ended: `got` is the word, or `None` after a signal. Returns
    /// the promise that is broken, if one is.
    pub fn has_read(&mut self, process: usize, at: usize, got: Option<u64>) -> Option<Shown> {
        let page = self.pages[process][at];
        let wanted = self.word(&page);
        match (self.access(process, at, false), got) {
            (Access::Allowed, None) => return Some((BreachKind::Denied, 0, wanted)),
            (Access::Faults, Some(got)) => return Some((BreachKind::Allowed, got, 0)),
            (_, None) => return None,
            (_, Some(_)) if page.has(VAGUE) => return None,
            (_, Some(got)) => {
                let is_zero = page.has(OR_ZERO) && got == 0;
                if page.has(KNOWN) && got != wanted && !is_zero {
                    return Some((BreachKind::Contents, got, wanted));
                }
            }
        }
        // the next read of a page that was freed lazily may find it gone
        self.pages[process][at].set(POPULATED, !page.has(OR_ZERO));
        None
    }

    /// The same for a write of `word`. `forced` writes (`/proc/self/mem`) need no permission.
    pub fn has_written(
        &mut self,
        process: usize,
        at: usize,
        word: u64,
        succeeded: bool,
        forced: bool,
    ) -> Option<Shown> {
        let expected = self.access(process, at, true);
        let page = &mut self.pages[process][at];
        if page.has(VAGUE) {
            return None;
        }
        if !succeeded {
            let denied = expected == Access::Allowed && !forced;
            return denied.then_some((BreachKind::Denied, 0, word));
        }
        if page.has(PROTECTED) && !self.wp_async {
            return Some((BreachKind::WrittenThrough, word, 0));
        }
        if expected == Access::Faults && !(forced && page.has(MAPPED) && !page.any(GUARD | POISON))
        {
            return Some((BreachKind::Allowed, word, 0));
        }
        let is_tracked = page.has(REG_WP);
        page.set(OR_ZERO | PROTECTED, false);
        page.set(KNOWN | POPULATED, true);
        page.set(DIRTY, !page.has(SHARED));
        page.set(WRITTEN, is_tracked && self.wp_async);
        if page.has(SHARED) {
            self.cells[page.cell as usize] = word;
        } else {
            page.word = word;
        }
        None
    }

    /// The same for a device's write to a range, with the page. If it failed, the words of writable
    /// pages are not known any more.
    pub fn device_has_written(
        &mut self,
        process: usize,
        range: Range,
        step: usize,
        succeeded: bool,
    ) -> Option<(usize, Shown)> {
        for at in range.pages() {
            let word = Range::word(step, at);
            if succeeded {
                let breach = self.has_written(process, at, word, true, false);
                if let Some(breach) = breach {
                    return Some((at, breach));
                }
            }
            let page = &mut self.pages[process][at];
            page.set(DIRTY | WRITTEN, false);
            if !succeeded {
                page.set(KNOWN, page.has(KNOWN) && !page.has(WRITABLE));
                if page.has(SHARED) && page.has(WRITABLE) {
                    page.give_up();
                }
                page.set(PROTECTED, page.has(PROTECTED) && !self.wp_async);
            }
        }
        None
    }

    /// Checks an entry of pagemap.
    pub fn check_shown(&self, process: usize, at: usize, entry: u64) -> Option<Shown> {
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
        if page.has(PROTECTED) && entry & PM_UFFD_WP == 0 {
            return Some((BreachKind::NotProtected, entry, PM_UFFD_WP));
        }
        if page.has(WRITTEN) && entry & PM_UFFD_WP != 0 {
            return Some((BreachKind::StillProtected, entry, 0));
        }
        None
    }

    /// Checks an entry of pagemap behind a call that says it has populated the page.
    pub fn check_populated(&self, process: usize, at: usize, entry: u64) -> Option<Shown> {
        let page = &self.pages[process][at];
        let counts = page.has(MAPPED) && !page.any(VAGUE | GUARD | POISON);
        let is_there = entry & (PM_PRESENT | PM_SWAP) != 0;
        (counts && !is_there).then_some((BreachKind::NotPopulated, entry, PM_PRESENT))
    }

    /// Gives up what is claimed of a page, so that a known breach does not hide others.
    pub fn forgive(&mut self, process: usize, page: usize) {
        self.pages[process][page].give_up();
    }

    /// PAGEMAP_SCAN has write-protected a page.
    pub fn scanned(&mut self, process: usize, page: usize) {
        let page = &mut self.pages[process][page];
        if page.has(REG_WP) && !page.any(GUARD | POISON | VAGUE) {
            page.set(PROTECTED, true);
            page.set(WRITTEN, false);
        }
    }

    /// Notes that a call has ended with `result`: 0, or a negative error number. `done` is the
    /// number of pages that it says it has handled. The functions above note the accesses.
    pub fn apply(&mut self, process: usize, call: &Call, result: i32, step: usize, done: u16) {
        if let Some(range) = call.range() {
            self.name(range);
        }
        let failed = result != 0;
        let wp_async = self.wp_async;
        match *call {
            Call::Map {
                range,
                shared,
                prot,
            } => self.map(process, range, shared, prot, failed),
            Call::Unmap(range) => self.each(process, range, |page| {
                if failed {
                    page.give_up();
                } else {
                    *page = HOLE;
                }
            }),
            Call::Protect(range, prot) => self.each_mapped(process, range, |page| {
                if failed {
                    page.give_up();
                }
                page.set(READABLE, prot != Prot::None);
                page.set(WRITABLE, prot == Prot::Write);
            }),
            Call::Move { range, to, keep } => self.remap(process, range, to, keep, failed),
            Call::Resize(range, len) => self.resize(process, range, len, failed),
            Call::Advise(range, advice) => self.advise(process, range, advice, failed),
            Call::Lock { range, .. } | Call::Exclusive(range) => {
                // it may fault pages in as a write does
                self.each_mapped(process, range, |page| {
                    page.set(PROTECTED, page.has(PROTECTED) && !wp_async);
                    page.set(WRITTEN, false);
                });
            }
            Call::ClearSoftDirty if !failed => {
                for page in &mut self.pages[process] {
                    page.set(DIRTY, false);
                }
            }
            Call::Register(range, modes) if !failed => self.each_mapped(process, range, |page| {
                // Linux ignores a second registration for fewer modes, which nobody documents
                page.set(PROTECTED, page.has(PROTECTED) && modes != Modes::Missing);
                page.set(REG_WP, page.has(REG_WP) || modes != Modes::Missing);
                page.set(REG_MISSING, page.has(REG_MISSING) || modes != Modes::Wp);
            }),
            Call::Unregister(range) => self.each_mapped(process, range, |page| {
                page.set(PROTECTED | WRITTEN, false);
                page.set(
                    REG_WP | REG_MISSING,
                    failed && page.any(REG_WP | REG_MISSING),
                );
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
            }),
            Call::Copy(range, protect) => {
                let filled = Range::new(range.first, done);
                for at in filled.pages().take(done.into()) {
                    let word = Range::word(step, at);
                    let page = &mut self.pages[process][at];
                    page.set(KNOWN | POPULATED, true);
                    page.set(OR_ZERO | WRITTEN, false);
                    page.set(DIRTY, !page.has(SHARED));
                    page.set(PROTECTED, protect && page.has(REG_WP));
                    page.word = word;
                    if page.has(SHARED) {
                        self.cells[page.cell as usize] = word;
                    }
                }
            }
            Call::Zero(range) => {
                let filled = Range::new(range.first, done);
                for at in filled.pages().take(done.into()) {
                    let page = &mut self.pages[process][at];
                    page.set(PROTECTED | OR_ZERO | WRITTEN, false);
                    page.set(KNOWN | POPULATED, true);
                    page.word = 0;
                    if page.has(SHARED) {
                        self.cells[page.cell as usize] = 0;
                    }
                }
            }
            Call::UffdMove(range, to) => self.uffd_move(process, range, to, done),
            Call::Poison(range) => {
                let range = Range::new(range.first, done);
                for at in range.pages().take(done.into()) {
                    self.pages[process][at].set(POISON, true);
                }
            }
            Call::Fork if !failed => self.fork(),
            Call::Exit => self.alive[1] = false,
            _ => {}
        }
        self.give_up_shared();
    }

    /// Gives up each page that shares its word with one that was given up.
    fn give_up_shared(&mut self) {
        let mut lost = [0_u64; CELLS / 64];
        let mut is_any = false;
        for page in self
            .pages
            .iter()
            .flatten()
            .filter(|page| page.has(WAS_SHARED))
        {
            lost[page.cell as usize / 64] |= 1 << (page.cell % 64);
            is_any = true;
        }
        if is_any {
            let pages = self.pages.iter_mut().flatten();
            pages
                .filter(|page| page.has(SHARED))
                .filter(|page| lost[page.cell as usize / 64] >> (page.cell % 64) & 1 != 0)
                .for_each(Page::give_up);
        }
    }

    fn name(&mut self, range: Range) {
        let pages = range.pages();
        self.named = (self.named.0.min(pages.start), self.named.1.max(pages.end));
    }

    fn each(&mut self, process: usize, range: Range, change: impl FnMut(&mut Page)) {
        self.pages[process][range.pages()]
            .iter_mut()
            .for_each(change);
    }

    fn each_mapped(&mut self, process: usize, range: Range, mut change: impl FnMut(&mut Page)) {
        self.each(process, range, |page| {
            if page.has(MAPPED) && !page.has(VAGUE) {
                change(page);
            }
        });
    }

    fn map(&mut self, process: usize, range: Range, shared: bool, prot: Prot, failed: bool) {
        let mut flags = MAPPED | KNOWN;
        if shared {
            flags |= SHARED;
        } else {
            flags |= DIRTY;
        }
        if prot != Prot::None {
            flags |= READABLE;
        }
        if prot == Prot::Write {
            flags |= WRITABLE;
        }
        let first = self.used;
        let is_full = shared && first as usize + usize::from(range.len) > CELLS;
        if failed || is_full {
            return self.each(process, range, Page::give_up);
        }
        for (i, at) in range.pages().enumerate() {
            let cell = if shared { first + i as u32 } else { 0 };
            self.pages[process][at] = Page {
                flags,
                cell,
                word: 0,
            };
            if shared {
                self.cells[cell as usize] = 0;
                self.used = cell + 1;
            }
        }
    }

    fn remap(&mut self, process: usize, range: Range, to: u16, keep: bool, failed: bool) {
        let target = range.moved(to);
        let range = Range::new(range.first, target.len);
        self.name(target);
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
            // mremap ends a registration without UFFD_FEATURE_EVENT_REMAP, which is not asked for
            page.set(REG_WP | REG_MISSING | PROTECTED | WRITTEN, false);
            page.set(
                DIRTY,
                page.has(DIRTY) || page.has(POPULATED) && !page.has(SHARED),
            );
            self.pages[process][to] = page;
        }
    }

    fn resize(&mut self, process: usize, range: Range, len: u16, failed: bool) {
        let wanted = Range::new(range.first, len);
        self.name(wanted);
        if failed || wanted.len == range.len {
            return;
        }
        if wanted.len < range.len {
            let tail = Range::new(range.first + wanted.len, range.len - wanted.len);
            return self.each(process, tail, |page| *page = HOLE);
        }
        let like = self.pages[process][usize::from(range.first + range.len - 1)];
        let tail = Range::new(range.first + range.len, wanted.len - range.len);
        self.each(process, tail, |page| {
            *page = like;
            page.drop_page();
            page.set(GUARD | POISON | PROTECTED, false);
            page.set(KNOWN | DIRTY, true);
            // the object of shared memory may end before the mapping does
            if like.any(SHARED | VAGUE) {
                page.give_up();
            }
        });
    }

    fn advise(&mut self, process: usize, range: Range, advice: Advice, failed: bool) {
        let wp_async = self.wp_async;
        self.each_mapped(process, range, |page| match advice {
            Advice::DontNeed if page.has(POISON) => page.give_up(),
            Advice::DontNeed if failed => {
                page.set(POPULATED | DIRTY | WRITTEN, false);
                if !page.has(SHARED) {
                    page.set(OR_ZERO, true);
                    page.set(PROTECTED, false);
                }
            }
            Advice::DontNeed if !page.has(GUARD) => page.drop_page(),
            Advice::Free if !page.has(SHARED) => {
                page.set(OR_ZERO, true);
                page.set(POPULATED | DIRTY | PROTECTED | WRITTEN, false);
            }
            Advice::PopulateWrite => {
                page.set(PROTECTED, page.has(PROTECTED) && !wp_async);
                page.set(WRITTEN, false);
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
                page.set(POISON | PROTECTED, false);
                page.set(GUARD, true);
            }
            Advice::GuardRemove => page.set(GUARD, false),
            _ => {}
        });
    }

    fn uffd_move(&mut self, process: usize, range: Range, to: u16, done: u16) {
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
            page.set(PROTECTED | WRITTEN, false);
            // a page of zeros may be a hole, and then the target need not be soft-dirty
            page.set(DIRTY, moved.has(POPULATED | KNOWN) && moved.word != 0);
        }
    }

    fn fork(&mut self) {
        self.alive[1] = true;
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
            page.set(REG_WP | REG_MISSING | PROTECTED | WRITTEN | DIRTY, false);
        }
    }
}
