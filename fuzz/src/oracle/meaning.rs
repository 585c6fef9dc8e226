//! The meaning of an entry, independent of its format.

use crate::describe;
use mm_core::{Entry, MigrationKind, Pfn, Pte, Softleaf, SwapId};
use std::fmt;

/// The bits of an entry, independent of its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    /// The entry that was decoded.
    pub(super) pte: Pte,
    pub(super) form: Form,
    /// The page; `None` for a swap entry.
    pub(super) pfn: Option<Pfn>,
    /// The slot of a swap entry.
    pub(super) slot: Option<SwapId>,
    pub(super) write: bool,
    /// Swap and migration entries only.
    pub(super) exclusive: Option<bool>,
    /// Present and migration entries only; `None` where the format has no room for it.
    pub(super) young: Option<bool>,
    pub(super) dirty: Option<bool>,
    pub(super) soft_dirty: bool,
    pub(super) uffd_wp: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Zero,
    Present,
    Device,
    Exclusive,
    Migration,
    Swap,
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&describe::entry(self.pte))
    }
}

pub(super) fn meaning(pte: Pte) -> Option<Meaning> {
    match pte.decode() {
        Entry::None => None,
        Entry::Present(p) => Some(Meaning {
            pte,
            form: if p.pfn() == Pfn::ZERO {
                Form::Zero
            } else {
                Form::Present
            },
            pfn: Some(p.pfn()),
            slot: None,
            write: p.write(),
            exclusive: None,
            young: Some(p.young()),
            dirty: Some(p.dirty()),
            soft_dirty: p.soft_dirty(),
            uffd_wp: p.uffd_wp(),
        }),
        Entry::Leaf(swap) => {
            let leaf = swap.softleaf()?;
            let mut meaning = Meaning {
                pte,
                form: Form::Swap,
                pfn: leaf.pfn(),
                slot: None,
                write: false,
                exclusive: None,
                young: None,
                dirty: None,
                soft_dirty: swap.soft_dirty(),
                uffd_wp: swap.uffd_wp(),
            };
            match leaf {
                Softleaf::Swap(slot) => {
                    (meaning.slot, meaning.exclusive) = (Some(slot), Some(swap.exclusive()));
                }
                Softleaf::DevicePrivate { write, .. } => {
                    (meaning.form, meaning.write) = (Form::Device, write);
                }
                // the CPU has no access; the fault that restores the entry decides its permission
                Softleaf::DeviceExclusive { .. } => meaning.form = Form::Exclusive,
                Softleaf::Migration(m) => {
                    meaning.form = Form::Migration;
                    meaning.write = m.kind == MigrationKind::Write;
                    meaning.exclusive = Some(m.kind != MigrationKind::Read);
                    (meaning.young, meaning.dirty) = (Some(m.young), Some(m.dirty));
                }
            }
            Some(meaning)
        }
    }
}
