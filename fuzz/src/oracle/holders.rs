//! References and folio locks that the program holds, besides mappings and operations under way.

use crate::limits::MAX_HELD;
use crate::reference::Pid;
use mm_core::{Folio, GUP_PIN_COUNTING_BIAS, Identity, Pfn};
use std::hash::Hash;

/// A reference that the program holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HeldRef {
    /// The page.
    pub pfn: Pfn,
    /// True if the reference is a pin (`FOLL_PIN`).
    pub pin: bool,
    /// True if a pfn walker took the reference, without an access check.
    pub speculative: bool,
    /// The process through whose address space the reference was taken.
    pub pid: Pid,
    /// The address in that process.
    pub addr: u64,
    /// The page's contents when the oracles looked last.
    pub word: u64,
    /// True while the process must keep mapping this page at `addr`: it pinned the page there and
    /// has not unmapped it since.
    pub identity: bool,
}

/// All references and locks that the program holds.
#[derive(Debug, Default)]
pub struct Holders {
    /// References, by slot.
    pub refs: [Option<HeldRef>; MAX_HELD],
    /// Folio locks, each with a reference, by slot.
    pub locks: [Option<Folio>; MAX_HELD],
}

impl Holders {
    /// Forgets everything.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Feeds everything into `id`.
    pub fn identify(&self, id: &mut impl Identity) {
        let Self { refs, locks } = self;
        for held in refs {
            let word = held.map(|held| id.word(held.word));
            held.map(|held| HeldRef { word: 0, ..held }).hash(id);
            word.hash(id);
        }
        locks.hash(id);
    }

    /// True if the program holds a reference.
    pub fn any_refs(&self) -> bool {
        self.refs.iter().any(Option::is_some)
    }

    /// The number of references to `pfn` that its refcount must include.
    pub fn references(&self, pfn: Pfn) -> i32 {
        let to_page = self.refs.iter().flatten().filter(|held| held.pfn == pfn);
        to_page
            .map(|held| match held.pin {
                // a pin of the zero page does not count
                true if pfn == Pfn::ZERO => 0,
                true => GUP_PIN_COUNTING_BIAS,
                false => 1,
            })
            .chain(
                self.locks
                    .iter()
                    .flatten()
                    .filter(|locked| locked.head() == pfn)
                    .map(|_| 1),
            )
            .sum()
    }
}
