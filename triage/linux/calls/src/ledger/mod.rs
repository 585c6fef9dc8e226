//! The ledger: what user space may rely on, page by page.
//!
//! An entry of the ledger is a promise of Linux to the process that owns the page. A call changes
//! the entries of the pages on which it has a documented effect, and no others. Where the
//! documentation leaves a choice, or a call failed halfway, the ledger gives up the claim: it never
//! guesses. It is plain data without pointers, so that the processes of a program can share it.
//!
//! What it does not claim, and why:
//! - soft-dirty of shared memory, which is lost when the page is reclaimed;
//! - soft-dirty of pages that a child inherits, until the child writes to them, and of pages that a
//!   device writes: Linux promises neither;
//! - soft-dirty of hugetlb, which does not have it;
//! - success of accesses to hugetlb pages that the process has not reserved, which may run out, and
//!   to a file of a tmpfs, which may be full;
//! - read-write protection of a page in a private mapping of a file, unless the page is certainly a
//!   copy;
//! - anything that a call which failed may have done;
//! - what depends on the order of two calls that ran at once.

mod access;
mod apply;
mod areas;
mod events;
mod merge;
mod outcome;
mod page;
mod shown;
mod tell;
mod waiters;

pub use tell::Performed;
pub use waiters::wakes;

use crate::breach::{BreachKind, memory};
use crate::operand::FileKind;
use crate::range::Range;
use crate::{PAGES, PROCESSES, Program};
use page::{DROPPABLE, FILE, HOLE, HUGETLB, MAPPED, Page, SHARED, VAGUE};

/// The index of the memfd's first word among the cells. The cells before it are the words of shared
/// anonymous memory.
const FILE_CELLS: usize = 4 * PAGES as usize;
const CELLS: usize = FILE_CELLS + PAGES as usize;

/// What the ledger says of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessPromise {
    /// It succeeds.
    Allowed,
    /// It raises a signal.
    Faults,
    /// Either.
    Either,
}

/// A broken promise: the kind, what Linux says, and what it should say.
pub type BrokenPromise = (BreachKind, u64, u64);

/// The promises to the processes of a program.
#[derive(Clone, Debug)]
pub struct Ledger {
    wp_async: bool,
    /// A monitor resolves page faults.
    monitor: bool,
    /// What the memfd is.
    file: FileKind,
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
    /// The device has had exclusive access to pages.
    has_exclusive: bool,
    /// The process that pins pages, and the range.
    pin: Option<(usize, Range)>,
    /// The pages are pinned for writing.
    pin_writes: bool,
    /// The pages that the program has named lie between these two.
    named: (usize, usize),
    /// The pages of the memfd that are certainly before its end.
    file_end: usize,
    /// True if the memfd ends exactly at `file_end`.
    is_end_known: bool,
    /// The stacks of the process are limited.
    limits_stack: [bool; PROCESSES],
    /// The locked memory of a process is limited.
    limits_locks: bool,
    /// What the process maps may be locked.
    locks_future: [bool; PROCESSES],
    /// What becomes mapped must be locked, and faulted in.
    must_lock_future: [bool; PROCESSES],
    /// The process gets no huge pages.
    huge_off: [bool; PROCESSES],
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            wp_async: false,
            monitor: false,
            file: FileKind::Plain,
            alive: [true, false],
            pages: [[HOLE; PAGES as usize]; PROCESSES],
            cells: [0; CELLS],
            lost: [0; CELLS / 64],
            used: 0,
            has_blocks: false,
            has_forked: false,
            has_exclusive: false,
            pin: None,
            pin_writes: false,
            named: (PAGES.into(), 0),
            file_end: PAGES.into(),
            is_end_known: true,
            limits_stack: [false; PROCESSES],
            limits_locks: false,
            locks_future: [false; PROCESSES],
            must_lock_future: [false; PROCESSES],
            huge_off: [false; PROCESSES],
        }
    }
}

impl Ledger {
    /// Begins a program.
    pub fn reset(&mut self, program: &Program) {
        self.wp_async = program.wp_async;
        self.monitor = program.monitor;
        self.file = program.file;
        self.alive = [true, false];
        self.pages = [[HOLE; PAGES as usize]; PROCESSES];
        self.cells[FILE_CELLS..].fill(0);
        self.lost.fill(0);
        self.used = 0;
        self.has_blocks = false;
        self.has_forked = false;
        self.has_exclusive = false;
        self.pin = None;
        self.pin_writes = false;
        self.named = (PAGES.into(), 0);
        self.file_end = PAGES.into();
        self.is_end_known = true;
        self.limits_stack = [false; PROCESSES];
        self.limits_locks = false;
        self.locks_future = [false; PROCESSES];
        self.must_lock_future = [false; PROCESSES];
        self.huge_off = [false; PROCESSES];
    }

    /// The pages that the program may have changed.
    pub fn named(&self) -> std::ops::Range<usize> {
        self.named.0..self.named.1.max(self.named.0)
    }

    /// True if the process runs.
    pub fn is_alive(&self, process: usize) -> bool {
        self.alive[process]
    }

    /// True if the page is known to lie in a mapping.
    pub fn is_mapped(&self, process: usize, page: usize) -> bool {
        let page = &self.pages[process][page];
        page.has(MAPPED) && !page.has(VAGUE)
    }

    /// What kind of memory a page belongs to: bits of [`memory`].
    pub fn memory(&self, process: usize, page: usize) -> u8 {
        let page = &self.pages[process][page];
        let bits = [
            (SHARED, memory::SHARED),
            (HUGETLB, memory::HUGETLB),
            (FILE, memory::FILE),
            (DROPPABLE, memory::DROPPABLE),
        ];
        let bits = bits.iter().filter(|(flag, _)| page.has(*flag));
        bits.map(|(_, bit)| bit).sum()
    }

    /// Gives up what is claimed of a page, so that a known breach does not hide others.
    pub fn forgive(&mut self, process: usize, page: usize) {
        self.pages[process][page].give_up();
    }

    /// True if an access to a protected page ends the protection and succeeds, because the kernel
    /// or the monitor resolves the page fault.
    const fn resolves(&self) -> bool {
        self.wp_async || self.monitor
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
}
