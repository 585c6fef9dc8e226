//! One page of a process, as user space sees it.

use mm_core::{Identity, VmFlags};
use std::hash::Hash;

/// Whether a write goes to userfaultfd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Protection {
    No,
    /// Only if the page had an entry when it was protected.
    Maybe,
    Must,
}

#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) addr: u64,
    pub(super) access: VmFlags,
    pub(super) word: u64,
    /// Other words that the page may hold, after operations that overlapped.
    pub(super) others: Vec<u64>,
    /// Written since it was mapped or dropped: the page certainly has an entry.
    pub(super) written: bool,
    /// Read since it was mapped or dropped: the page has an entry, perhaps of the zero page.
    pub(super) read: bool,
    pub(super) protection: Protection,
    pub(super) registered: bool,
    /// A failed operation may have changed the registration.
    pub(super) registration_uncertain: bool,
    /// A failed operation may have changed the access, or unmapped the page.
    pub(super) uncertain: bool,
    /// The word may become 0 at any time, until the next write.
    pub(super) lazy: bool,
    /// Mlocked, so that it refuses some advice; `None` if that is not certain.
    pub(super) locked: Option<bool>,
    /// A fork leaves the page out; `None` if that is not certain.
    pub(super) left_out: Option<bool>,
    /// The flag that the last advice on huge pages set, empty if there was none; `None` if that is
    /// not certain.
    pub(super) advised: Option<VmFlags>,
    /// Certainly mapped after the last clear of soft-dirty, so that its VMA is soft-dirty.
    pub(super) fresh: bool,
}

impl Page {
    pub(super) fn identify(&self, id: &mut impl Identity) {
        let Self {
            addr,
            access,
            word,
            others,
            written,
            read,
            protection,
            registered,
            registration_uncertain,
            uncertain,
            lazy,
            locked,
            left_out,
            advised,
            fresh,
        } = self;
        (addr, access, id.word(*word), others.len()).hash(id);
        for other in others {
            id.word(*other).hash(id);
        }
        (written, read, protection).hash(id);
        (registered, registration_uncertain).hash(id);
        (uncertain, lazy, locked, left_out, advised, fresh).hash(id);
    }
}

impl Page {
    pub(super) const fn new(addr: u64, access: VmFlags) -> Self {
        Self {
            addr,
            access,
            word: 0,
            others: Vec::new(),
            written: false,
            read: false,
            protection: Protection::No,
            registered: false,
            registration_uncertain: false,
            uncertain: false,
            lazy: false,
            locked: Some(false),
            left_out: Some(false),
            advised: Some(VmFlags::empty()),
            fresh: false,
        }
    }

    /// True if the page can be faulted in, for writing if it is writable; `None` if that is not
    /// certain.
    pub(super) fn can_populate(&self) -> Option<bool> {
        let writes = self.access.contains(VmFlags::WRITE);
        match self.protection {
            _ if self.uncertain => None,
            Protection::Maybe if writes => None,
            Protection::Must if writes => Some(false),
            _ => Some(!self.access.is_empty()),
        }
    }

    /// The page may have lost its entry, and with it any mark on the entry.
    pub(super) fn may_be_gone(&mut self) {
        self.written = false;
        self.read = false;
        if self.protection == Protection::Must {
            self.protection = Protection::Maybe;
        }
    }

    pub(super) fn read(&mut self, word: u64, dropping: bool, either: bool) -> Result<(), String> {
        if self.may_hold(word) {
            let gone = self.lazy && word == 0;
            if !dropping && !either {
                self.word = word;
                self.others.clear();
                self.lazy &= !gone;
                self.read = true;
            }
            return Ok(());
        }
        if dropping && word == 0 {
            return Ok(());
        }
        let expected = self.expected();
        Err(format!("reads {word:#x}, {expected}"))
    }

    pub(super) fn may_hold(&self, word: u64) -> bool {
        word == self.word || self.others.contains(&word) || self.lazy && word == 0
    }

    /// The words that the page may hold, as a message.
    pub(super) fn expected(&self) -> String {
        let mut words = vec![self.word];
        words.extend(&self.others);
        format!("expected one of {words:x?}")
    }

    pub(super) fn write(&mut self, word: u64, dropping: bool) {
        if dropping {
            self.others.push(self.word);
        } else {
            self.others.clear();
        }
        self.word = word;
        self.written = true;
        self.lazy = false;
        if self.protection == Protection::Maybe {
            // it had no entry when it was protected, so it is not protected now
            self.protection = Protection::No;
        }
    }
}
