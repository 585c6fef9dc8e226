//! A page of the ledger: its flags, and how they change together.

use crate::operand::Policy;

pub const MAPPED: u64 = 1 << 0;
/// Nothing is claimed of the page.
pub const VAGUE: u64 = 1 << 1;
pub const READABLE: u64 = 1 << 2;
pub const WRITABLE: u64 = 1 << 3;
pub const SHARED: u64 = 1 << 4;
/// Registered with userfaultfd for write protection.
pub const REG_WP: u64 = 1 << 5;
/// Registered with userfaultfd for missing pages.
pub const REG_MISSING: u64 = 1 << 6;
pub const GUARD: u64 = 1 << 7;
pub const POISON: u64 = 1 << 8;
/// An access succeeded, and nothing dropped the page since.
pub const POPULATED: u64 = 1 << 9;
pub const DONT_FORK: u64 = 1 << 10;
pub const WIPE: u64 = 1 << 11;
/// The contents are known.
pub const KNOWN: u64 = 1 << 12;
/// The contents may also be zero.
pub const OR_ZERO: u64 = 1 << 13;
/// pagemap must show it as soft-dirty.
pub const DIRTY: u64 = 1 << 14;
/// It is write-protected for userfaultfd.
pub const PROTECTED: u64 = 1 << 15;
/// It was written to since it was protected.
pub const WRITTEN: u64 = 1 << 16;

/// A private mapping of the memfd.
pub const FILE: u64 = 1 << 18;
/// The same, and the process has no copy of its own of this page.
pub const UNCOPIED: u64 = 1 << 19;
/// Whether the process has a copy of its own is not known. The copy would have the same contents
/// as the page of the memfd.
pub const PERHAPS_COPIED: u64 = 1 << 20;
/// A huge page of hugetlb.
pub const HUGETLB: u64 = 1 << 21;
/// Registered with userfaultfd for read-write protection.
pub const REG_RWP: u64 = 1 << 22;
/// It is read-write-protected for userfaultfd.
pub const RWP: u64 = 1 << 23;
/// Whether it is protected for userfaultfd is not known.
pub const UNSURE: u64 = 1 << 24;
/// It is pinned, and nothing dropped the page since.
pub const PINNED: u64 = 1 << 25;
/// The kernel may drop the page at any time.
pub const DROPPABLE: u64 = 1 << 26;

/// It is locked into memory, and was there when it was locked.
pub const LOCKED: u64 = 1 << 27;
/// MADV_UNMERGEABLE has succeeded, so it is no page of KSM.
pub const UNMERGED: u64 = 1 << 28;
/// Registered with userfaultfd for minor faults.
pub const REG_MINOR: u64 = 1 << 29;
/// Nobody has written to it since soft-dirty was cleared.
pub const CLEAN: u64 = 1 << 30;
/// Registered with userfaultfd.
pub const REGISTERED: u64 = REG_WP | REG_MISSING | REG_RWP | REG_MINOR;

/// When its claims were given up, its word lay in the object that it maps: shared memory, or the
/// memfd. So nothing is known of that word either.
pub const WAS_SHARED: u64 = 1 << 17;
/// The mapping grows downwards.
pub const STACK: u64 = 1 << 31;
/// The mapping has grown by this page since the stack was limited.
pub const GROWN: u64 = 1 << 32;

/// Only one thing is known of the page: which word of the memfd it maps (`Page::cell`). The
/// contents of that word were once unknown, or the word lay behind the end of the memfd.
pub const BEYOND: u64 = 1 << 33;

/// Memory of memfd_secret.
pub const SECRET: u64 = 1 << 34;
/// The first page of an attached segment.
pub const ATTACH: u64 = 1 << 35;
/// mseal has sealed its mapping.
pub const SEALED: u64 = 1 << 36;
/// Its mapping has MADV_NOHUGEPAGE, or its process has PR_SET_THP_DISABLE. No page was here when
/// that was set.
pub const NO_HUGE: u64 = 1 << 37;
/// A huge page of hugetlb that this process has reserved.
pub const RESERVED: u64 = 1 << 38;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    pub flags: u64,
    /// In a mapping of shared memory or of the memfd, the index of the object's word in
    /// `Ledger::cells`.
    pub cell: u32,
    /// Its word, if that does not lie in the object.
    pub word: u64,
    /// The policy that `mbind` has set, and its node; `None` if that is not known.
    pub policy: Option<(Policy, u8)>,
}

pub const HOLE: Page = Page {
    flags: 0,
    cell: 0,
    word: 0,
    policy: None,
};

impl Page {
    pub const fn has(&self, flags: u64) -> bool {
        self.flags & flags == flags
    }

    pub const fn any(&self, flags: u64) -> bool {
        self.flags & flags != 0
    }

    pub const fn set(&mut self, flags: u64, on: bool) {
        if on {
            self.flags |= flags;
        } else {
            self.flags &= !flags;
        }
    }

    /// Nothing is claimed of it until it is mapped or unmapped.
    pub const fn give_up(&mut self) {
        let shared = self.flags & (SHARED | WAS_SHARED | UNCOPIED) != 0;
        let stack = self.flags & STACK;
        self.flags = MAPPED | VAGUE | stack | if shared { WAS_SHARED } else { 0 };
        self.policy = None;
    }

    /// The page is gone. The next access finds zero, or what the object contains if shared memory
    /// or the memfd is mapped.
    pub const fn drop_page(&mut self) {
        self.set(UNSURE, self.any(UNSURE | PROTECTED) && self.any(FILE));
        self.set(
            POPULATED | OR_ZERO | DIRTY | WRITTEN | RWP | PINNED | LOCKED | CLEAN,
            false,
        );
        if !self.has(SHARED) {
            self.word = 0;
            self.set(KNOWN, true);
            self.set(PROTECTED | PERHAPS_COPIED, false);
            self.set(UNCOPIED, self.has(FILE));
        }
    }

    /// What it maps becomes zero. Write protection may stay.
    pub const fn is_punched(&mut self) {
        let is_unsure = self.any(UNSURE | PROTECTED | REG_WP | REG_RWP);
        self.set(PROTECTED | RWP, false);
        self.drop_page();
        self.set(KNOWN, true);
        self.set(UNSURE, is_unsure);
    }

    /// An access may wait until userfaultfd fills the page in or maps it.
    pub const fn may_be_missing(&self) -> bool {
        self.has(REG_MISSING) && (self.has(SHARED) || !self.has(POPULATED)) || self.has(REG_MINOR)
    }

    /// Its word lies in the object that is mapped.
    pub const fn is_in_object(&self) -> bool {
        self.any(SHARED | UNCOPIED)
    }

    /// Something may have read from it or, if `writes`, written to it, as a page fault does. Its
    /// contents stay the same.
    pub const fn is_touched(&mut self, writes: bool, resolves: bool) {
        // a page that the monitor fills in has no protection any more
        let ends = if writes || self.may_be_missing() {
            PROTECTED | RWP
        } else {
            RWP
        };
        if writes || self.has(REG_MISSING) {
            self.set(PERHAPS_COPIED, self.any(UNCOPIED | PERHAPS_COPIED));
        }
        if resolves {
            self.set(UNSURE, self.any(UNSURE | ends));
            self.set(ends, false);
        }
        self.set(WRITTEN, false);
    }
}
