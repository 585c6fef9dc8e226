//! The ways in which an invariant can be broken.

use mm_core::{Lock, LockClasses, Site, Wait};

/// The way in which an invariant is broken, for invariants that have several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A count is too high.
    TooMany,
    /// A count is too low.
    TooFew,
    /// A folio on the LRU is not charged, or is device memory.
    OnLru,
    /// A folio in use is not on the LRU.
    NotOnLru,
    /// An uncharged folio was put on the LRU, and entries map it.
    UnchargedAndMapped,
    /// An uncharged folio was put on the LRU, and no entry maps it.
    UnchargedAndNotMapped,
    /// The page has no `mapping`, so no anon_vma.
    NoMapping,
    /// The anon_vma of the page was freed.
    AnonVmaFreed,
    /// No VMA covers the address.
    NoArea,
    /// The `index` of the page belongs to another address.
    OtherIndex,
    /// The VMA has no anon_vma_chain to the anon_vma of the page.
    NotLinked,
    /// A page was unmapped for migration despite references from outside.
    UnmappedThoughHeld,
    /// A page moved despite references from outside.
    MovedThoughHeld,
    /// A driver callback gets a page without a reference.
    NoReference,
    /// An rmap walk goes through a freed anon_vma.
    WalkOfFreed,
    /// A free page has an anon_vma.
    FreeWithMapping,
    /// A free page has a negative refcount.
    FreeWithFewerReferences,
    /// A free page has a positive refcount.
    FreeWithReferences,
    /// A free page has a mapcount.
    FreeWithMapcount,
    /// A free page has flags besides FREE.
    FreeWithFlags,
    /// Entries name a free page.
    FreeWithEntries,
    /// An operation returns with a lock held.
    HoldsLock,
    /// An operation returns with a page reference.
    HoldsReference,
    /// An operation returns with a pin.
    HoldsPin,
    /// An operation returns with an anon_vma reference.
    HoldsAnonVma,
    /// An operation returns without a TLB flush that it owes.
    OwesFlush,
    /// A task waits for a migration to end while it holds a reference to the page.
    WaitsWithReference,
    /// A task takes a lock while it holds locks of these classes.
    Takes(Awaited, LockClasses),
    /// Tasks wait for each other.
    Waits(Standstill),
    /// A task repeats a fault. The data is whether the page is locked, and the site of the last
    /// retry.
    Repeats(bool, Site),
    /// A run exceeds its budget of scheduling points.
    OverBudget,
}

impl Way {
    /// The name of the way without its data, as the table lists it.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::TooMany => "TooMany",
            Self::TooFew => "TooFew",
            Self::OnLru => "OnLru",
            Self::NotOnLru => "NotOnLru",
            Self::UnchargedAndMapped => "UnchargedAndMapped",
            Self::UnchargedAndNotMapped => "UnchargedAndNotMapped",
            Self::NoMapping => "NoMapping",
            Self::AnonVmaFreed => "AnonVmaFreed",
            Self::NoArea => "NoArea",
            Self::OtherIndex => "OtherIndex",
            Self::NotLinked => "NotLinked",
            Self::UnmappedThoughHeld => "UnmappedThoughHeld",
            Self::MovedThoughHeld => "MovedThoughHeld",
            Self::NoReference => "NoReference",
            Self::WalkOfFreed => "WalkOfFreed",
            Self::FreeWithMapping => "FreeWithMapping",
            Self::FreeWithFewerReferences => "FreeWithFewerReferences",
            Self::FreeWithReferences => "FreeWithReferences",
            Self::FreeWithMapcount => "FreeWithMapcount",
            Self::FreeWithFlags => "FreeWithFlags",
            Self::FreeWithEntries => "FreeWithEntries",
            Self::HoldsLock => "HoldsLock",
            Self::HoldsReference => "HoldsReference",
            Self::HoldsPin => "HoldsPin",
            Self::HoldsAnonVma => "HoldsAnonVma",
            Self::OwesFlush => "OwesFlush",
            Self::WaitsWithReference => "WaitsWithReference",
            Self::Takes(..) => "Takes",
            Self::Waits(..) => "Waits",
            Self::Repeats(..) => "Repeats",
            Self::OverBudget => "OverBudget",
        }
    }

    /// The name of the way with its data, as keys of clusters have it. It does not depend on the
    /// words for people.
    pub fn name(self) -> String {
        let kind = self.kind();
        match self {
            Self::Takes(lock, held) => format!("{kind} {lock:?} with {}", class_names(held)),
            Self::Waits(standstill) => format!("{kind} {}", standstill.name()),
            Self::Repeats(on_locked, site) => {
                let page = if on_locked { "locked" } else { "unlocked" };
                format!("{kind} {page} in {}", crate::describe::site(site))
            }
            _ => kind.to_owned(),
        }
    }

    /// The way in words, for messages. Other crates cannot see them, so nothing but the text of a
    /// message depends on them.
    pub(crate) fn words(self) -> String {
        let words = match self {
            Self::TooMany => "too many",
            Self::TooFew => "too few",
            Self::OnLru => "on the LRU",
            Self::NotOnLru => "not on the LRU",
            Self::UnchargedAndMapped => "put on the LRU without a charge, mapped",
            Self::UnchargedAndNotMapped => "put on the LRU without a charge, not mapped",
            Self::NoMapping => "it has no mapping",
            Self::AnonVmaFreed => "its anon_vma was freed",
            Self::NoArea => "no VMA covers the address",
            Self::OtherIndex => "its index belongs to another address",
            Self::NotLinked => "the VMA is not linked to its anon_vma",
            Self::UnmappedThoughHeld => "unmapped for migration despite references",
            Self::MovedThoughHeld => "moved despite references",
            Self::NoReference => "migrate_to_ram gets a page without a reference",
            Self::WalkOfFreed => "a walk goes through a freed anon_vma",
            Self::FreeWithMapping => "a free page has an anon_vma",
            Self::FreeWithFewerReferences => "a free page has a negative refcount",
            Self::FreeWithReferences => "a free page has references",
            Self::FreeWithMapcount => "a free page has a mapcount",
            Self::FreeWithFlags => "a free page has flags",
            Self::FreeWithEntries => "entries name a free page",
            Self::HoldsLock => "returns with a lock",
            Self::HoldsReference => "returns with a reference",
            Self::HoldsPin => "returns with a pin",
            Self::HoldsAnonVma => "returns with an anon_vma reference",
            Self::OwesFlush => "returns without doing a flush that it owes",
            Self::WaitsWithReference => {
                "holds a reference to the page of the migration that it waits for"
            }
            Self::OverBudget => "exceeds its budget of scheduling points",
            Self::Takes(lock, held) => {
                return format!(
                    "takes {} while it holds {}",
                    lock.words(),
                    crate::describe::lock_classes(held)
                );
            }
            Self::Waits(standstill) => return standstill.words(),
            Self::Repeats(on_locked, site) => {
                let page = if on_locked { " on a locked page" } else { "" };
                return format!("repeats a fault{page} in {}", crate::describe::site(site));
            }
        };
        words.to_owned()
    }
}

/// The names of lock classes; `none` if there are none.
fn class_names(classes: LockClasses) -> String {
    let names: Vec<&str> = classes.iter_names().map(|(name, _)| name).collect();
    match names[..] {
        [] => "none".to_owned(),
        _ => names.join("+"),
    }
}

/// What a task waits for or takes, without the number of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// `mmap_lock` for reading.
    MmapRead,
    /// `mmap_lock` for writing.
    MmapWrite,
    /// An anon_vma lock for reading.
    AnonVmaRead,
    /// An anon_vma lock for writing.
    AnonVmaWrite,
    /// A folio lock.
    Folio,
    /// The end of a migration.
    Migration,
    /// The end of invalidations.
    Invalidation,
    /// Progress of another task, or a gate.
    Progress,
}

impl Awaited {
    const ALL: [Self; 8] = [
        Self::MmapRead,
        Self::MmapWrite,
        Self::AnonVmaRead,
        Self::AnonVmaWrite,
        Self::Folio,
        Self::Migration,
        Self::Invalidation,
        Self::Progress,
    ];
}

impl From<Lock> for Awaited {
    fn from(lock: Lock) -> Self {
        match lock {
            Lock::MmapRead(_) => Self::MmapRead,
            Lock::MmapWrite(_) => Self::MmapWrite,
            Lock::AnonVmaRead(_) => Self::AnonVmaRead,
            Lock::AnonVmaWrite(_) => Self::AnonVmaWrite,
            Lock::Folio(_) => Self::Folio,
        }
    }
}

impl From<Wait> for Awaited {
    fn from(wait: Wait) -> Self {
        match wait {
            Wait::Lock(lock) => lock.into(),
            Wait::Unlock(_) => Self::Migration,
            Wait::Invalidation(_) => Self::Invalidation,
            Wait::Progress { .. } | Wait::Gate => Self::Progress,
        }
    }
}

impl Awaited {
    const fn words(self) -> &'static str {
        match self {
            Self::MmapRead => "an mmap_lock for reading",
            Self::MmapWrite => "an mmap_lock for writing",
            Self::AnonVmaRead => "an anon_vma lock for reading",
            Self::AnonVmaWrite => "an anon_vma lock for writing",
            Self::Folio => "a folio lock",
            Self::Migration => "the end of a migration",
            Self::Invalidation => "the end of invalidations",
            Self::Progress => "progress",
        }
    }
}

/// The tasks that wait for each other, as a set of pairs: the lock classes that a task holds, and
/// what it waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standstill(u64);

impl Standstill {
    /// Adds the pair of one more task.
    #[must_use]
    pub fn and(self, held: LockClasses, waits: Awaited) -> Self {
        Self(self.0 | 1 << (u32::from(held.bits()) * 8 + waits as u32))
    }
}

impl Standstill {
    /// The pairs, in a fixed order.
    fn pairs(self) -> impl Iterator<Item = (LockClasses, Awaited)> {
        let bits = (0..64).filter(move |bit| self.0 >> bit & 1 == 1);
        bits.map(|bit| {
            let held = LockClasses::from_bits_truncate(bit / 8);
            (held, Awaited::ALL[usize::from(bit % 8)])
        })
    }

    fn name(self) -> String {
        let pairs = self
            .pairs()
            .map(|(held, waits)| format!("{waits:?} with {}", class_names(held)));
        pairs.collect::<Vec<_>>().join(", ")
    }

    fn words(self) -> String {
        let pairs = self.pairs().map(|(held, waits)| {
            format!(
                "holds {}, waits for {}",
                crate::describe::lock_classes(held),
                waits.words()
            )
        });
        pairs.collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standstill_has_each_pair_once() {
        let held = LockClasses::FOLIO;
        let one = Standstill::default().and(held, Awaited::MmapWrite);
        assert_eq!(one, one.and(held, Awaited::MmapWrite));
        assert_eq!(
            one.and(LockClasses::empty(), Awaited::Folio).words(),
            "holds no lock, waits for a folio lock; holds a folio lock, waits for an mmap_lock for \
             writing"
        );
        let two = one.and(LockClasses::empty(), Awaited::Folio);
        let name = Way::Waits(two).name();
        assert_eq!(name, "Waits Folio with none, MmapWrite with FOLIO");
    }

    /// A name consists of identifiers, "with", "in" and "none". It contains no text of
    /// [`Way::words`].
    #[test]
    fn the_names_of_ways_are_no_words() {
        let site = Site::DoSwapPage;
        let takes = Way::Takes(
            Awaited::AnonVmaWrite,
            LockClasses::MMAP | LockClasses::FOLIO,
        );
        assert_eq!(takes.name(), "Takes AnonVmaWrite with MMAP+FOLIO");
        let repeats = [true, false].map(|locked| Way::Repeats(locked, site).name());
        let [locked, unlocked] = repeats;
        assert_eq!(locked, "Repeats locked in do_swap_page");
        assert_eq!(unlocked, "Repeats unlocked in do_swap_page");
        assert_eq!(Way::TooMany.name(), "TooMany");
    }
}
