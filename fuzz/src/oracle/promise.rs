//! What an operation promises when it returns: nobody can use any more what it takes away.
//!
//! Another operation may have cleared an entry and not flushed it yet, so that there is nothing left to take; the promise
//! holds all the same. A translation that breaks it was stale when the operation began, and has been remembered ever since.

use super::coherence::is_backed;
use super::{Check, View};
use crate::contract::{Promise, Takes};
use crate::describe;
use crate::invariant::Invariant;
use mm_core::{MmId, PresentPte, Pte, TaskId};

/// Does a stale translation break the promise, now that the table has `entry`?
fn is_broken(promise: &Promise, stale: &Stale, entry: Pte) -> bool {
    let takes = match promise.takes {
        Takes::Pages => true,
        Takes::Write => stale.remembered.write(),
        Takes::Entries => !stale.entry.is_none() && entry.is_none(),
    };
    let mut ranges = promise.ranges.iter();
    takes && stale.mm == promise.mm && ranges.any(|range| range.contains(&stale.addr))
}

/// A translation that the tables do not back any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stale {
    cpu: TaskId,
    mm: MmId,
    addr: u64,
    remembered: PresentPte,
    /// What the table had when the operation began.
    entry: Pte,
}

impl Stale {
    /// All there are.
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

    /// It is still remembered, and still not backed.
    pub(super) fn persists(&self, view: &View<'_>) -> bool {
        view.s.tlbs().lookup(self.cpu, self.mm, self.addr) == Some(self.remembered)
            && !is_backed(self.remembered, view.entry_at(self.mm, self.addr))
    }
}

/// When an operation that takes pages or rights away has ended, no CPU translates by what was gone when it began, whoever
/// owes the flush.
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
        "it returns, and CPU {} still translates {mm:?} page {addr} by {}, which was gone when it began",
        cpu.0,
        describe::entry(remembered.pte())
    );
    view.page_finding(Invariant::Promise, remembered.pfn(), detail)
}

/// What a promise says of a page, for tests: which stale translations of it break the promise.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromisedOf {
    /// One that reads, whose entry was gone when the operation began.
    pub read: bool,
    /// One that writes.
    pub write: bool,
    /// One whose entry went meanwhile.
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

    /// Of the page of `mm` at `addr`.
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
