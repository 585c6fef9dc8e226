//! What an operation promises when it returns: nobody can use any more what it takes away.
//!
//! Another operation may have cleared an entry and not flushed it yet, so that there is nothing left to take; the promise
//! holds all the same. A translation that breaks it was stale when the operation began, and has been remembered ever since.

use super::coherence::is_backed;
use super::{Check, View};
use crate::describe;
use crate::invariant::Invariant;
use mm_core::{MmId, PresentPte, Pte, TaskId};
use std::ops::Range;

/// What nobody can do any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    /// Use the pages.
    Pages,
    /// Write to them.
    Write,
    /// Use the pages whose entries are gone now, and were not before.
    Entries,
}

/// What an operation promises.
#[derive(Clone, Debug)]
pub struct Promise {
    mm: MmId,
    ranges: [Range<u64>; 2],
    takes: Takes,
}

impl Promise {
    /// Nobody uses the pages of `range`.
    pub const fn pages(mm: MmId, range: Range<u64>) -> Self {
        Self::new(mm, range, Takes::Pages)
    }

    /// Nobody writes to the pages of `range` without a fault.
    pub const fn writes(mm: MmId, range: Range<u64>) -> Self {
        Self::new(mm, range, Takes::Write)
    }

    /// Nobody uses the pages of `range` whose entries go.
    pub const fn entries(mm: MmId, range: Range<u64>) -> Self {
        Self::new(mm, range, Takes::Entries)
    }

    const fn new(mm: MmId, range: Range<u64>, takes: Takes) -> Self {
        let ranges = [range, 0..0];
        Self { mm, ranges, takes }
    }

    /// The same of another range.
    #[must_use]
    pub fn and(mut self, range: Range<u64>) -> Self {
        self.ranges[1] = range;
        self
    }

    fn is_broken(&self, stale: &Stale, entry: Pte) -> bool {
        let takes = match self.takes {
            Takes::Pages => true,
            Takes::Write => stale.remembered.write(),
            Takes::Entries => !stale.entry.is_none() && entry.is_none(),
        };
        takes && stale.mm == self.mm && self.ranges.iter().any(|range| range.contains(&stale.addr))
    }
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
    let broken = |stale: &&Stale| promise.is_broken(stale, view.entry_at(stale.mm, stale.addr));
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
        let is_broken = |write, entry| {
            let stale = Stale {
                cpu: TaskId(0),
                mm,
                addr,
                remembered: page.set(mm_core::PteFlags::RW, write),
                entry,
            };
            promise.is_some_and(|promise| promise.is_broken(&stale, Pte::NONE))
        };
        Self {
            read: is_broken(false, Pte::NONE),
            write: is_broken(true, Pte::NONE),
            entry: is_broken(false, page.pte()),
        }
    }
}
