//! Who holds pages on the program's behalf, besides mappings and operations under way.

use crate::reference::Pid;
use mm_core::{GUP_PIN_COUNTING_BIAS, Identity, Pfn};
use std::hash::Hash;

/// References, and folio locks, at a time.
pub const MAX_HELD: usize = 8;

/// A reference that the program holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HeldRef {
    /// The page.
    pub pfn: Pfn,
    /// It is a FOLL_PIN.
    pub pin: bool,
    /// It was taken without an access check, by a walker of frame numbers.
    pub speculative: bool,
    /// The process through which it was taken …
    pub pid: Pid,
    /// … and the address.
    pub addr: u64,
    /// The page's contents when last looked at.
    pub word: u64,
    /// The page was exclusive to that process, which has not given it up since: what it maps there
    /// must stay this page.
    pub identity: bool,
}

/// Everything that the program holds.
#[derive(Debug, Default)]
pub struct Holders {
    /// References, by slot.
    pub refs: [Option<HeldRef>; MAX_HELD],
    /// Folio locks, each with a reference, by slot.
    pub locks: [Option<Pfn>; MAX_HELD],
}

impl Holders {
    /// Nothing is held.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Gives everything to `id`.
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

    /// References to `pfn` that the counts must show.
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
                    .filter(|locked| **locked == pfn)
                    .map(|_| 1),
            )
            .sum()
    }
}
