//! The promise of an operation that removes mappings or permissions: once it returns, nobody can
//! use them any more.
//!
//! Another operation may have cleared an entry and not flushed it yet. Then nothing is left to
//! remove, but the promise holds all the same. A translation that breaks the promise was stale when
//! the operation began, and has been cached ever since.

use super::coherence::is_backed;
use super::{Check, View};
use crate::contract::{Promise, Takes};
use crate::describe;
use crate::invariant::Invariant;
use mm_core::{MmId, PresentPte, Pte, TaskId};

/// True if a stale translation breaks the promise, now that the table has `entry`.
fn is_broken(promise: &Promise, stale: &Stale, entry: Pte) -> bool {
    let takes = match promise.takes {
        Takes::Pages => true,
        Takes::Write => stale.remembered.write(),
        Takes::Entries => !stale.entry.is_none() && entry.is_none(),
    };
    let mut ranges = promise.ranges.iter();
    takes && stale.mm == promise.mm && ranges.any(|range| range.contains(&stale.addr))
}

/// A TLB entry that the page tables no longer back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stale {
    cpu: TaskId,
    mm: MmId,
    addr: u64,
    remembered: PresentPte,
    /// The page-table entry when the operation began.
    entry: Pte,
}

impl Stale {
    /// All stale TLB entries.
    pub(super) fn all<'a>(view: &'a View<'_>) -> impl Iterator<Item = Self> + use<'a> {
        let all = view
            .s
            .tlbs()
            .iter()
            .map(|(cpu, mm, addr, remembered)| Self {
                cpu,
                mm,
                addr,
                remembered,
                entry: view.entry_at(mm, addr),
            });
        all.filter(|stale| !is_backed(stale.remembered, stale.entry))
    }

    /// True if the TLB entry is still cached, and still not backed.
    pub(super) fn persists(&self, view: &View<'_>) -> bool {
        view.s.tlbs().lookup(self.cpu, self.mm, self.addr) == Some(self.remembered)
            && !is_backed(self.remembered, view.entry_at(self.mm, self.addr))
    }
}

/// An operation that removes mappings or permissions has returned. No CPU still uses a translation
/// that was already stale when the operation began, whichever task owed the flush.
#[inline(never)]
pub(super) fn check_promise(view: &View<'_>, promise: &Promise, stale: &[Stale]) -> Check {
    let broken = |stale: &&Stale| is_broken(promise, stale, view.entry_at(stale.mm, stale.addr));
    let Some(stale) = stale.iter().find(broken) else {
        return Ok(());
    };
    let Stale {
        cpu,
        mm,
        addr,
        remembered,
        ..
    } = stale;
    let detail = format!(
        "the operation returns, but CPU {} still translates {} by {}, which was stale when the \
         operation began",
        cpu.0,
        view.place(*mm, *addr),
        describe::entry(remembered.pte())
    );
    view.page_finding(Invariant::Promise, remembered.pfn(), detail)
}

/// For tests: which stale translations of a page break a promise.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromisedOf {
    /// A read-only translation whose entry was gone when the operation began.
    pub read: bool,
    /// A writable translation.
    pub write: bool,
    /// A translation whose entry was removed while the operation ran.
    pub entry: bool,
}

#[cfg(test)]
impl PromisedOf {
    /// All of them.
    pub const ALL: Self = Self {
        read: true,
        write: true,
        entry: true,
    };
    /// None of them.
    pub const NONE: Self = Self {
        read: false,
        write: false,
        entry: false,
    };

    /// Which translations of the page of `mm` at `addr` break `promise`.
    pub fn page(promise: Option<&Promise>, mm: MmId, addr: u64) -> Self {
        let page = PresentPte::new(mm_core::Pfn(1));
        let broken_by = |write, entry| {
            let stale = Stale {
                cpu: TaskId(0),
                mm,
                addr,
                remembered: page.set(mm_core::PteFlags::RW, write),
                entry,
            };
            promise.is_some_and(|promise| is_broken(promise, &stale, Pte::NONE))
        };
        Self {
            read: broken_by(false, Pte::NONE),
            write: broken_by(true, Pte::NONE),
            entry: broken_by(false, page.pte()),
        }
    }
}
