//! One page of a process, as user space sees it.

use mm_core::{Identity, VmFlags};
use std::hash::Hash;

/// Is userfaultfd asked about a write?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Protection {
    No,
    /// If the page was there when it was protected.
    Maybe,
    Must,
}

#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) addr: u64,
    pub(super) access: VmFlags,
    pub(super) word: u64,
    /// Words that it may hold instead, after operations that overlapped.
    pub(super) others: Vec<u64>,
    /// Written since it was mapped or dropped: certainly there.
    pub(super) written: bool,
    /// Read since then: there, be it the zero page.
    pub(super) read: bool,
    pub(super) protection: Protection,
    pub(super) registered: bool,
    /// An operation that failed may have changed the registration.
    pub(super) registration_uncertain: bool,
    /// An operation that failed may have changed the access, or unmapped the page.
    pub(super) uncertain: bool,
    /// The word may become 0 at any time, until the next write.
    pub(super) lazy: bool,
    /// Locked in memory: it refuses advice. `None` after a call that failed.
    pub(super) locked: Option<bool>,
    /// A fork leaves it out; `None` if that is not certain.
    pub(super) left_out: Option<bool>,
    /// Certainly mapped since soft-dirty was cleared last: its area is soft-dirty.
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
            fresh,
        } = self;
        (addr, access, id.word(*word), others.len()).hash(id);
        for other in others {
            id.word(*other).hash(id);
        }
        (written, read, protection).hash(id);
        (registered, registration_uncertain).hash(id);
        (uncertain, lazy, locked, left_out, fresh).hash(id);
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
            fresh: false,
        }
    }

    /// Can the page be faulted in, for writing if it may be written? `None` if that is not certain.
    pub(super) fn can_populate(&self) -> Option<bool> {
        let writes = self.access.contains(VmFlags::WRITE);
        match self.protection {
            _ if self.uncertain => None,
            Protection::Maybe if writes => None,
            Protection::Must if writes => Some(false),
            _ => Some(!self.access.is_empty()),
        }
    }

    /// The page may be gone, and with it what was kept of it.
    pub(super) fn may_be_gone(&mut self) {
        self.written = false;
        self.read = false;
        if self.protection == Protection::Must {
            self.protection = Protection::Maybe;
        }
    }

    pub(super) fn read(
        &mut self,
        addr: u64,
        word: u64,
        dropping: bool,
        either: bool,
    ) -> Result<(), String> {
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
        Err(format!("page {addr} reads {word:#x}, {expected}"))
    }

    pub(super) fn may_hold(&self, word: u64) -> bool {
        word == self.word || self.others.contains(&word) || self.lazy && word == 0
    }

    /// What it may hold, in words.
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
            // it was not there when it was protected, and now it is not protected
            self.protection = Protection::No;
        }
    }
}
