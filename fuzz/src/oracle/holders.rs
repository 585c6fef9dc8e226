//! References and folio locks that the program holds, besides mappings and operations under way.

use crate::limits::MAX_HELD;
use crate::reference::Pid;
use mm_core::{Folio, Identity, Pfn, State};
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

    /// The number of references to `folio` that its refcount must include.
    pub fn references(&self, s: &State, folio: Folio) -> i32 {
        let locks = self.locks.iter().flatten();
        let locks = locks.filter(|locked| **locked == folio).count() as i32;
        let held = self.held(s, folio).map(|held| match held.pin {
            // a pin of the zero page does not count
            true if folio == Folio::ZERO => 0,
            true => s.head(folio).pin_refs(),
            false => 1,
        });
        locks + held.sum::<i32>()
    }

    /// The number of pins of pages of `folio`.
    pub fn pins(&self, s: &State, folio: Folio) -> i32 {
        self.held(s, folio).filter(|held| held.pin).count() as i32
    }

    fn held(&self, s: &State, folio: Folio) -> impl Iterator<Item = &HeldRef> {
        let held = self.refs.iter().flatten();
        held.filter(move |held| s.folio(held.pfn) == folio)
    }
}
