//! Calls that must fail, and calls that must succeed.

use super::page::*;
use super::{AccessPromise, BrokenPromise, Ledger};
use crate::breach::BreachKind;
use crate::call::Call;
use crate::operand::Advice;
use crate::range::Range;

impl Ledger {
    /// The promise that the outcome of a call breaks, and a page for which it does. To be asked
    /// before [`apply`](Self::apply). `is_excused` says that the call may fail for a reason that
    /// the ledger does not know.
    pub fn check_outcome(
        &self,
        process: usize,
        call: &Call,
        result: i32,
        is_excused: bool,
    ) -> Option<(usize, BrokenPromise)> {
        if result == 0 {
            if let Call::Odd(range, odd) = *call
                && odd.must_fail()
            {
                return Some((range.first.into(), (BreachKind::Accepted, 0, 0)));
            }
            let page = self.sealed_against(process, call)?;
            return Some((page, (BreachKind::SealIgnored, 0, 0)));
        }
        let range = call.range().filter(|_| !is_excused)?;
        let error = result.unsigned_abs().into();
        let kind = if self.is_taken_back(process, call) {
            BreachKind::NotUndone
        } else if self.is_device_able(process, call) && result != -EBUSY {
            BreachKind::Denied
        } else {
            return None;
        };
        Some((range.first.into(), (kind, error, 0)))
    }

    /// A page that mseal protects from this call.
    fn sealed_against(&self, process: usize, call: &Call) -> Option<usize> {
        let sealed = |range: Range, also: fn(&Page) -> bool| {
            let mut pages = range.pages();
            pages.find(|at| {
                let page = &self.pages[process][*at];
                page.has(SEALED) && !page.has(VAGUE) && also(page)
            })
        };
        let any = |range| sealed(range, |_| true);
        match *call {
            Call::Unmap(range)
            | Call::Map { range, .. }
            | Call::Protect(range, _)
            | Call::RemapFile(range, _) => any(range),
            Call::Move { range, to, .. } => {
                let target = range.moved(to);
                any(Range::new(range.first, target.len)).or_else(|| any(target))
            }
            Call::Resize(range, len) | Call::Brk(range, len) if len < range.len => {
                let left = Range::new(range.first, len).len;
                any(Range::new(range.first + left, range.len - left))
            }
            // what cannot be written to cannot be discarded either
            Call::Advise(
                range,
                Advice::DontNeed
                | Advice::DontNeedLocked
                | Advice::Free
                | Advice::DontFork
                | Advice::WipeOnFork,
            ) => {
                // Linux rounds a range of hugetlb, perhaps to nothing
                let is_huge = range.is_huge();
                let is_sure = |page: &Page| !page.any(SHARED | FILE | WRITABLE | HUGETLB);
                let is_sure_huge = |page: &Page| !page.any(SHARED | FILE | WRITABLE);
                sealed(range, if is_huge { is_sure_huge } else { is_sure })
            }
            _ => None,
        }
    }

    /// True if the call takes back what an earlier call has done to all of its range.
    fn is_taken_back(&self, process: usize, call: &Call) -> bool {
        let Call::Advise(range, advice) = *call else {
            return false;
        };
        let (done, other) = match advice {
            Advice::DoFork => (DONT_FORK, VAGUE),
            Advice::KeepOnFork => (WIPE, VAGUE | DROPPABLE),
            Advice::GuardRemove => (GUARD, VAGUE),
            _ => return false,
        };
        let mut pages = self.pages[process][range.pages()].iter();
        // a huge page of hugetlb cannot be divided
        let is_whole = range.is_huge() || !pages.clone().any(|page| page.has(HUGETLB));
        is_whole && pages.all(|page| page.has(MAPPED | done) && !page.any(other))
    }

    /// True if UFFDIO_MOVE has no reason to say ENOENT: both places are mapped, and a hole at the
    /// source counts as moved.
    pub fn can_move(&self, process: usize, call: &Call) -> bool {
        let Call::UffdMove(range, to) = *call else {
            return false;
        };
        let target = range.moved(to);
        let from = Range::new(range.first, target.len);
        let mut pages = from.pages().chain(target.pages());
        pages.all(|at| self.is_mapped(process, at))
    }

    /// True if a device must be able to make this access: the process may make it, and nothing has
    /// to resolve page faults.
    fn is_device_able(&self, process: usize, call: &Call) -> bool {
        let (range, writes) = match *call {
            Call::DeviceRead(range) => (range, false),
            Call::DeviceWrite(range) => (range, true),
            _ => return false,
        };
        let other = VAGUE | SHARED | FILE | HUGETLB | SECRET | REGISTERED | UNSURE;
        range.pages().all(|at| {
            let page = &self.pages[process][at];
            page.has(MAPPED)
                && !page.any(other)
                && self.access(process, at, writes) == AccessPromise::Allowed
        })
    }
}

/// The error number of a device that gave up because other calls were faster.
const EBUSY: i32 = 16;
