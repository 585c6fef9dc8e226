//! What an operation promises when it returns: nobody can use any more what it takes away.
//!
//! Another operation may have cleared an entry and not flushed it yet, so that there is nothing left to take; the promise
//! holds all the same. A translation that breaks it was stale when the operation began, and has been remembered ever since.

use super::coherence::is_backed;
use super::{Check, View};
use crate::describe;
use crate::finding::Family;
use crate::reference::Change;
use mm_core::{MmId, PresentPte, Pte, TaskId, VmFlags};
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
    range: Range<u64>,
    takes: Takes,
}

impl Promise {
    /// What a change of a range promises, if anything.
    pub fn of(mm: MmId, range: Range<u64>, change: Change) -> Option<Self> {
        let takes = match change {
            Change::Map(_) | Change::Unmap | Change::Drop => Takes::Pages,
            Change::Protect(access) if !access.contains(VmFlags::READ) => Takes::Pages,
            Change::Protect(access) if !access.contains(VmFlags::WRITE) => Takes::Write,
            Change::WriteProtect => Takes::Write,
            Change::LazyFree => Takes::Entries,
            Change::Protect(_)
            | Change::Advise
            | Change::WillNeed
            | Change::Lock
            | Change::Unlock
            | Change::Register
            | Change::Unregister
            | Change::WriteUnprotect
            | Change::LeaveOut(_) => return None,
        };
        Some(Self { mm, range, takes })
    }

    /// The pages of the range are somewhere else, or nowhere.
    pub const fn gone(mm: MmId, range: Range<u64>) -> Self {
        Self {
            mm,
            range,
            takes: Takes::Pages,
        }
    }

    /// Nobody writes to a page of the address space without a fault.
    pub const fn write_protected(mm: MmId) -> Self {
        Self {
            mm,
            range: 0..u64::MAX,
            takes: Takes::Write,
        }
    }

    fn is_broken(&self, stale: &Stale, entry: Pte) -> bool {
        let takes = match self.takes {
            Takes::Pages => true,
            Takes::Write => stale.remembered.write(),
            Takes::Entries => !stale.entry.is_none() && entry.is_none(),
        };
        takes && stale.mm == self.mm && self.range.contains(&stale.addr)
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
    view.page_finding(Family::Coherence, "promise", remembered.pfn(), detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mm_core::{Pfn, PteFlags};

    const MM: MmId = MmId(0);

    /// Whether a promise about pages 2 to 4 is broken by a stale translation of page 3 whose entry is gone.
    fn is_broken(promise: Option<&Promise>, write: bool, was_there: bool) -> bool {
        let page = PresentPte::new(Pfn(1));
        let stale = Stale {
            cpu: TaskId(0),
            mm: MM,
            addr: 3,
            remembered: page.set(PteFlags::RW, write),
            entry: if was_there { page.pte() } else { Pte::NONE },
        };
        promise.is_some_and(|promise| promise.is_broken(&stale, Pte::NONE))
    }

    #[test]
    fn each_change_promises_what_it_takes() {
        let of = |change| Promise::of(MM, 2..5, change);
        let read = VmFlags::READ;
        // by a translation that reads, by one that writes, by one whose entry was there when the operation began
        for (promise, expected) in [
            (of(Change::Map(read)), [true, true, true]),
            (of(Change::Unmap), [true, true, true]),
            (of(Change::Drop), [true, true, true]),
            (of(Change::Protect(VmFlags::empty())), [true, true, true]),
            (of(Change::Protect(read)), [false, true, false]),
            (of(Change::Protect(read | VmFlags::WRITE)), [false; 3]),
            (of(Change::WriteProtect), [false, true, false]),
            (of(Change::WriteUnprotect), [false; 3]),
            (of(Change::LazyFree), [false, false, true]),
            (of(Change::Lock), [false; 3]),
            (Some(Promise::gone(MM, 2..5)), [true, true, true]),
            (Some(Promise::gone(MM, 4..5)), [false; 3]),
            (Some(Promise::gone(MmId(1), 2..5)), [false; 3]),
            (Some(Promise::write_protected(MM)), [false, true, false]),
        ] {
            let broken = [(false, false), (true, false), (false, true)]
                .map(|(write, was_there)| is_broken(promise.as_ref(), write, was_there));
            assert_eq!(broken, expected, "{promise:?}");
        }
    }
}
