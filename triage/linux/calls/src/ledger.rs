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
//! - soft-dirty of hugetlb, which does not have it, and success of accesses to it, since its pages
//!   may run out;
//! - read-write protection of a file's pages in a private mapping, which may or may not be copies;
//! - anything that a call which failed may have done.

use crate::breach::BreachKind;
use crate::call::{Advice, Call, Kind, Modes, Prot, Range};
use crate::{HUGE, PAGES, PROCESSES};

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

/// A private mapping of the memfd.
const FILE: u32 = 1 << 18;
/// The same, and the process has no copy of its own of this page.
const UNCOPIED: u32 = 1 << 19;
/// Whether the process has a copy of its own is not known. The copy would have the same contents
/// as the page of the memfd.
const PERHAPS_COPIED: u32 = 1 << 20;
/// A huge page of hugetlb.
const HUGETLB: u32 = 1 << 21;
/// Registered with userfaultfd for read-write protection.
const REG_RWP: u32 = 1 << 22;
/// It is read-write-protected for userfaultfd.
const RWP: u32 = 1 << 23;
/// Whether it is protected for userfaultfd is not known.
const UNSURE: u32 = 1 << 24;
/// It is pinned, and nothing dropped the page since.
const PINNED: u32 = 1 << 25;
/// The kernel may drop the page at any time.
const DROPPABLE: u32 = 1 << 26;

/// When its claims were given up, its word lay in the object that it maps: shared memory, or the
/// memfd. So nothing is known of that word either.
const WAS_SHARED: u32 = 1 << 17;

/// The index of the memfd's first word among the cells. The cells before it are the words of shared
/// anonymous memory.
const FILE_CELLS: usize = 4 * PAGES as usize;
const CELLS: usize = FILE_CELLS + PAGES as usize;

// bits of an entry of pagemap
const PM_SOFT_DIRTY: u64 = 1 << 55;
const PM_UFFD_WP: u64 = 1 << 57;
const PM_SWAP: u64 = 1 << 62;
const PM_PRESENT: u64 = 1 << 63;
const PM_FILE: u64 = 1 << 61;
const PM_EXCLUSIVE: u64 = 1 << 56;

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
    /// In a mapping of shared memory or of the memfd, the index of the object's word in
    /// `Ledger::cells`.
    cell: u32,
    /// Its word, if that does not lie in the object.
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
        let shared = self.flags & (SHARED | WAS_SHARED | UNCOPIED) != 0;
        self.flags = MAPPED | VAGUE | if shared { WAS_SHARED } else { 0 };
    }

    /// The page is gone. The next access finds zero, or in shared memory what the object contains.
    const fn drop_page(&mut self) {
        self.set(UNSURE, self.any(UNSURE | PROTECTED) && self.any(FILE));
        self.set(POPULATED | OR_ZERO | DIRTY | WRITTEN | RWP | PINNED, false);
        if !self.has(SHARED) {
            self.word = 0;
            self.set(KNOWN, true);
            self.set(PROTECTED | PERHAPS_COPIED, false);
            self.set(UNCOPIED, self.has(FILE));
        }
    }

    /// What it maps becomes zero. Write protection may stay.
    const fn is_punched(&mut self) {
        let is_unsure = self.any(UNSURE | PROTECTED | REG_WP | REG_RWP);
        self.set(PROTECTED | RWP, false);
        self.drop_page();
        self.set(KNOWN, true);
        self.set(UNSURE, is_unsure);
    }

    /// Its word lies in the object that is mapped.
    const fn is_in_object(&self) -> bool {
        self.any(SHARED | UNCOPIED)
    }

    /// Something may have read from it or, if `writes`, written to it, as a page fault does. Its
    /// contents stay the same.
    const fn is_touched(&mut self, writes: bool, wp_async: bool) {
        let ends = if writes { PROTECTED | RWP } else { RWP };
        if writes {
            self.set(PERHAPS_COPIED, self.any(UNCOPIED | PERHAPS_COPIED));
        }
        if wp_async {
            self.set(UNSURE, self.any(UNSURE | ends));
            self.set(ends, false);
        }
        self.set(WRITTEN, false);
    }
}

/// The promises to the processes of a program.
#[derive(Debug)]
pub struct Ledger {
    wp_async: bool,
    alive: [bool; PROCESSES],
    pages: [[Page; PAGES as usize]; PROCESSES],
    cells: [u64; CELLS],
    /// The cells whose contents are not known, one bit each.
    lost: [u64; CELLS / 64],
    used: u32,
    /// A huge page may be protected as a whole.
    has_blocks: bool,
    /// There was a second process.
    has_forked: bool,
    /// The process that pins pages, and the range.
    pin: Option<(usize, Range)>,
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
            lost: [0; CELLS / 64],
            used: 0,
            has_blocks: false,
            has_forked: false,
            pin: None,
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
        self.cells[FILE_CELLS..].fill(0);
        self.lost.fill(0);
        self.used = 0;
        self.has_blocks = false;
        self.has_forked = false;
        self.pin = None;
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
        let is_shut = !page.has(MAPPED | needed) || page.any(GUARD | POISON);
        let may_be_missing = page.has(REG_MISSING) && (page.has(SHARED) || !page.has(POPULATED));
        let may_be_protected = page.has(UNSURE) && (writes || page.has(REG_RWP));
        let is_protected = !self.wp_async && writes && page.has(PROTECTED);
        if page.has(VAGUE) {
            Access::Either
        } else if is_shut || page.has(RWP) && !self.wp_async {
            Access::Faults
        } else if page.has(HUGETLB) || may_be_missing || may_be_protected {
            Access::Either
        } else if is_protected {
            Access::Faults
        } else {
            Access::Allowed
        }
    }

    fn word(&self, page: &Page) -> u64 {
        if page.is_in_object() {
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
            (Access::Faults, Some(got)) if page.has(RWP) => {
                return Some((BreachKind::AccessedThrough, got, 0));
            }
            (Access::Faults, Some(got)) => return Some((BreachKind::Allowed, got, 0)),
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
        let page = &mut self.pages[process][at];
        // the next read of a page that was freed lazily may find it gone
        page.set(POPULATED, !page.has(OR_ZERO));
        page.set(WRITTEN, page.any(WRITTEN | RWP));
        page.set(RWP, false);
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
        if self.pages[process][at].has(VAGUE) {
            self.loosen(process, at);
            return None;
        }
        let page = &mut self.pages[process][at];
        if forced {
            // such a write need not do what a page fault of the process does
            page.set(UNSURE, page.any(UNSURE | RWP));
            page.set(RWP, false);
        }
        if !succeeded {
            let denied = expected == Access::Allowed && !forced;
            return denied.then_some((BreachKind::Denied, 0, word));
        }
        if page.has(PROTECTED) && !self.wp_async {
            return Some((BreachKind::WrittenThrough, word, 0));
        }
        if page.has(RWP) && !self.wp_async {
            return Some((BreachKind::AccessedThrough, word, 0));
        }
        if expected == Access::Faults && !(forced && page.has(MAPPED) && !page.any(GUARD | POISON))
        {
            return Some((BreachKind::Allowed, word, 0));
        }
        self.loosen(process, at);
        let page = &mut self.pages[process][at];
        let is_tracked = page.has(REG_WP) || page.has(RWP) || page.has(REG_RWP | WRITTEN);
        // whether a write through /proc/self/mem ends the protection is not known
        let is_unsure = page.has(UNSURE | REG_RWP) && forced;
        page.set(OR_ZERO | PROTECTED | UNCOPIED | PERHAPS_COPIED | RWP, false);
        page.set(UNSURE, is_unsure);
        page.set(KNOWN | POPULATED, true);
        page.set(DIRTY, !page.any(SHARED | HUGETLB | DROPPABLE));
        page.set(WRITTEN, is_tracked && self.wp_async && !is_unsure);
        if page.has(SHARED) {
            let cell = page.cell as usize;
            self.cells[cell] = word;
            self.object_changes(cell);
        } else {
            page.word = word;
        }
        None
    }

    /// An access to a page ends its protection. A huge page may be protected as a whole, so the
    /// other pages of the same huge page may lose theirs.
    fn loosen(&mut self, process: usize, at: usize) {
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
    fn touch(&mut self, process: usize, range: Range, writes: bool) {
        let wp_async = self.wp_async;
        self.each_mapped(process, range, |page| page.is_touched(writes, wp_async));
        if wp_async {
            self.loosen(process, range.first.into());
            self.loosen(process, usize::from(range.first + range.len) - 1);
        }
    }

    /// The contents of a page of the memfd change. Gives up each page of a process that may or may
    /// not be a copy of it.
    fn object_changes(&mut self, cell: usize) {
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
    ) -> Option<(usize, Shown)> {
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
        let is_registered = page.any(REG_WP | REG_RWP | HUGETLB);
        if !is_registered && entry & PM_UFFD_WP != 0 {
            return Some((BreachKind::ShownProtected, entry, 0));
        }
        if page.has(RWP) && entry & PM_UFFD_WP == 0 {
            return Some((BreachKind::NotRwProtected, entry, PM_UFFD_WP));
        }
        if page.has(WRITTEN) && entry & PM_UFFD_WP != 0 {
            return Some((BreachKind::StillProtected, entry, 0));
        }
        None
    }

    /// True if pagemap must show the page as mapped by this process alone, unless it is a zero page
    /// or one of KSM.
    pub fn is_sole(&self, process: usize, at: usize, entry: u64) -> bool {
        let page = &self.pages[process][at];
        !self.has_forked
            && page.has(MAPPED)
            && !page.any(VAGUE | SHARED | FILE | HUGETLB | GUARD | POISON)
            && entry & PM_PRESENT != 0
            && entry & (PM_FILE | PM_EXCLUSIVE) == 0
    }

    /// True if pagemap and smaps must count the page alike: it is private anonymous memory, and its
    /// entry cannot be a marker.
    pub fn is_plain(&self, process: usize, at: usize) -> bool {
        let page = &self.pages[process][at];
        let other = VAGUE | SHARED | FILE | HUGETLB | GUARD | POISON | REG_WP | REG_RWP;
        page.has(MAPPED) && !page.any(other)
    }

    /// The range that a process pins, and what its pages contain, where that is known.
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

    /// Checks an entry of pagemap after a call that says it has populated the page.
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

    /// True if PAGEMAP_SCAN must report the page where it matches. A scan that protects skips
    /// memory that is not registered for asynchronous write protection.
    pub fn is_scanned(&self, process: usize, at: usize, protect: bool) -> bool {
        let page = &self.pages[process][at];
        self.is_mapped(process, at) && (!protect || self.wp_async && page.has(REG_WP))
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

    /// Notes that a call has ended with `result`: 0, or a negative error number. `done` is the
    /// number of pages that it says it has handled. The functions above note the accesses.
    pub fn apply(&mut self, process: usize, call: &Call, result: i32, step: usize, done: u16) {
        if let Some(range) = call.range() {
            self.name(range);
        }
        let failed = result != 0;
        match *call {
            Call::Map { range, kind, prot } => self.map(process, range, kind, prot, failed),
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
            // these may fault pages in, as a write or a read does
            Call::Lock { range, .. } | Call::Exclusive(range) => {
                self.touch(process, range, true);
            }
            Call::DeviceRead(range) => {
                self.touch(process, range, false);
            }
            Call::Pin(range) => {
                self.touch(process, range, true);
                self.each_mapped(process, range, |page| page.set(PINNED, !failed));
                if !failed {
                    self.pin = Some((process, range));
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
                }
            }
            Call::Unpin => self.end_pin(),
            Call::Punch(range) => self.zero(range, false, failed),
            Call::Truncate(range) => {
                self.zero(Range::new(range.first, PAGES), true, failed);
            }
            Call::ClearSoftDirty if !failed => {
                for page in &mut self.pages[process] {
                    page.set(DIRTY, false);
                }
            }
            Call::Register(range, modes) if !failed => self.each_mapped(process, range, |page| {
                // Linux ignores a second registration for fewer modes, which nobody documents
                page.set(PROTECTED, page.has(PROTECTED) && modes.wp());
                page.set(REG_WP, page.has(REG_WP) || modes.wp());
                page.set(REG_MISSING, page.has(REG_MISSING) || modes.missing());
                page.set(REG_RWP, page.has(REG_RWP) || modes == Modes::Rwp);
                page.set(UNSURE, page.any(UNSURE | RWP) && modes != Modes::Rwp);
                page.set(RWP, page.has(RWP) && modes == Modes::Rwp);
            }),
            Call::Unregister(range) => self.each_mapped(process, range, |page| {
                page.set(PROTECTED | WRITTEN | RWP | UNSURE, false);
                page.set(
                    REG_WP | REG_MISSING | REG_RWP,
                    failed && page.any(REG_WP | REG_MISSING | REG_RWP),
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
                    let page = &mut self.pages[process][at];
                    page.set(KNOWN | POPULATED, true);
                    page.set(OR_ZERO | WRITTEN | UNCOPIED | PERHAPS_COPIED, false);
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
                    let page = &mut self.pages[process][at];
                    page.set(PROTECTED | OR_ZERO | WRITTEN, false);
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
        self.give_up_shared();
    }

    fn end_pin(&mut self) {
        if let Some((process, range)) = self.pin.take() {
            self.each(process, range, |page| page.set(PINNED, false));
        }
    }

    /// Pages of the memfd become zero. A truncation drops copies of them, too.
    fn zero(&mut self, range: Range, truncates: bool, failed: bool) {
        let first = (FILE_CELLS + usize::from(range.first)) as u32;
        let hit = first..first + u32::from(range.len);
        for cell in hit.clone() {
            let cell = cell as usize;
            self.cells[cell] = 0;
            self.lost[cell / 64] &= !(1 << (cell % 64));
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

    /// Gives up each page that shares its word with one that was given up.
    fn give_up_shared(&mut self) {
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

    fn map(&mut self, process: usize, range: Range, kind: Kind, prot: Prot, failed: bool) {
        self.has_blocks |= kind.is_hugetlb();
        let mut flags = MAPPED | KNOWN;
        flags |= match kind {
            Kind::Private | Kind::DevZero => DIRTY,
            Kind::Droppable => DROPPABLE | WIPE,
            Kind::Shared | Kind::SharedFile => SHARED,
            Kind::File => FILE | UNCOPIED | DIRTY,
            Kind::Hugetlb => HUGETLB,
            Kind::SharedHugetlb => SHARED | HUGETLB,
        };
        if prot != Prot::None {
            flags |= READABLE;
        }
        if prot == Prot::Write {
            flags |= WRITABLE;
        }
        let first = self.used;
        let is_new = kind.is_shared() && !kind.is_file();
        let is_full = is_new && first as usize + usize::from(range.len) > FILE_CELLS;
        if failed || is_full {
            return self.each(process, range, Page::give_up);
        }
        for (i, at) in range.pages().enumerate() {
            let cell = match kind {
                _ if kind.is_file() => FILE_CELLS + at,
                _ if is_new => first as usize + i,
                _ => 0,
            };
            let page = &mut self.pages[process][at];
            *page = Page {
                flags,
                cell: cell as u32,
                word: 0,
            };
            if is_new {
                self.cells[cell] = 0;
                self.used = cell as u32 + 1;
            } else if kind.is_file() && self.lost[cell / 64] >> (cell % 64) & 1 != 0 {
                page.give_up();
                page.set(WAS_SHARED, false);
            }
        }
    }

    /// Whether Linux rounds a range, because huge pages of hugetlb are mapped there.
    fn is_rounded(&self, process: usize, range: Range) -> bool {
        let mut pages = self.pages[process][range.pages()].iter();
        !range.is_huge() && pages.any(|page| page.has(HUGETLB))
    }

    fn remap(&mut self, process: usize, range: Range, to: u16, keep: bool, failed: bool) {
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
            // without UFFD_FEATURE_EVENT_REMAP, mremap ends the registration; we do not ask for
            // that feature
            page.set(REG_WP | REG_MISSING | REG_RWP, false);
            page.set(PROTECTED | WRITTEN | RWP | UNSURE | PINNED, false);
            page.set(
                DIRTY,
                page.has(DIRTY) || page.has(POPULATED) && !page.any(SHARED | HUGETLB | DROPPABLE),
            );
            self.pages[process][to] = page;
        }
    }

    fn resize(&mut self, process: usize, range: Range, len: u16, failed: bool) {
        let wanted = Range::new(range.first, len);
        self.name(wanted);
        if self.is_rounded(process, range) || self.is_rounded(process, wanted) {
            self.each(process, range.rounded(), Page::give_up);
            return self.each(process, wanted.rounded(), Page::give_up);
        }
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
            page.set(KNOWN, true);
            page.set(DIRTY, !like.has(DROPPABLE));
            // the object of shared memory may end before the mapping does
            if like.any(SHARED | VAGUE | FILE) {
                page.set(SHARED | UNCOPIED, false);
                page.give_up();
            }
        });
    }

    fn advise(&mut self, process: usize, range: Range, advice: Advice, failed: bool) {
        if advice == Advice::Remove {
            return self.remove(process, range, failed);
        }
        if matches!(advice, Advice::PopulateRead | Advice::PopulateWrite) {
            return self.touch(process, range, advice == Advice::PopulateWrite);
        }
        let is_huge = range.is_huge();
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
                if !page.has(SHARED) {
                    page.set(OR_ZERO, true);
                    page.set(UNSURE, page.any(UNSURE | PROTECTED));
                    page.set(PROTECTED, false);
                }
            }
            Advice::DontNeed | Advice::DontNeedLocked if !page.has(GUARD) => page.drop_page(),
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
            _ => {}
        });
    }

    /// MADV_REMOVE punches a hole into what is mapped.
    fn remove(&mut self, process: usize, range: Range, failed: bool) {
        for at in range.pages() {
            let page = self.pages[process][at];
            if !page.has(MAPPED) || page.has(VAGUE) {
                continue;
            }
            if failed {
                if page.any(SHARED | FILE) {
                    self.pages[process][at].give_up();
                }
            } else if page.cell as usize >= FILE_CELLS {
                self.zero(
                    Range::new((page.cell as usize - FILE_CELLS) as u16, 1),
                    false,
                    false,
                );
            } else if page.has(SHARED) {
                self.cells[page.cell as usize] = 0;
                let pages = self.pages.iter_mut().flatten();
                let pages = pages.filter(|other| other.has(SHARED) && other.cell == page.cell);
                for page in pages.filter(|page| !page.has(VAGUE)) {
                    page.is_punched();
                }
            }
        }
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
            page.set(PROTECTED | WRITTEN | RWP | PINNED, false);
            page.set(UNSURE, page.has(REG_RWP));
            // a page of zeros may be a hole, and then the target need not be soft-dirty
            page.set(DIRTY, moved.has(POPULATED | KNOWN) && moved.word != 0);
        }
    }

    fn fork(&mut self) {
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
            page.set(REG_WP | REG_MISSING | REG_RWP | RWP | UNSURE, false);
            page.set(PROTECTED | WRITTEN | DIRTY | PINNED, false);
        }
    }
}
