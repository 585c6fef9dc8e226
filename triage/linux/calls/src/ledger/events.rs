//! Which events a call must bring, and which it must not.

use super::page::*;
use super::{BrokenPromise, Ledger};
use crate::breach::BreachKind;
use crate::call::Call;
use crate::event::UffdEvent;
use crate::operand::Advice;
use crate::range::Range;

impl Ledger {
    /// Checks the events of a call that has ended with `result`, before [`apply`](Self::apply).
    /// `stays` says whether a page still has the frame that it had before the call. Returns a
    /// page for which a promise is broken, and the promise.
    pub fn check_events(
        &self,
        process: usize,
        call: &Call,
        result: i32,
        events: &[UffdEvent],
        stays: impl Fn(usize) -> bool,
    ) -> Option<(usize, BrokenPromise)> {
        let missing = (result == 0).then(|| self.missing_event(process, call, events));
        if let Some((page, number)) = missing.flatten() {
            return Some((page, (BreachKind::NoEvent, number.into(), 0)));
        }
        let may_stay = |page: usize| match call {
            // MADV_FREE drops private pages later, so they may stay. On shared memory or a file, it
            // fails and drops nothing, so an event there is false
            Call::Advise(_, Advice::Free) => {
                result == 0 || !self.pages[process][page].any(SHARED | FILE)
            }
            // the call may map the same page again
            Call::RemapFile(..) => true,
            _ => false,
        };
        for event in events {
            let (UffdEvent::Remove(range) | UffdEvent::Unmap(range)) = event else {
                continue;
            };
            let mut pages = range.pages();
            if let Some(page) = pages.find(|page| stays(*page) && !may_stay(*page)) {
                let number = event.number().into();
                return Some((page, (BreachKind::FalseEvent, number, 0)));
            }
        }
        None
    }

    /// The first page for which an event is missing, and the number of the event.
    fn missing_event(
        &self,
        process: usize,
        call: &Call,
        events: &[UffdEvent],
    ) -> Option<(usize, u8)> {
        let unmap = |range| (range, UffdEvent::Unmap(range));
        let wanted = match *call {
            Call::Unmap(range) | Call::Map { range, .. } | Call::RemapFile(range, _) => {
                vec![unmap(range)]
            }
            Call::Move { range, to, .. } => {
                let target = range.moved(to);
                let from = Range::new(range.first, target.len);
                vec![(from, UffdEvent::Remap(from)), unmap(target)]
            }
            Call::Resize(range, len) | Call::Brk(range, len) if len < range.len => {
                let left = Range::new(range.first, len).len;
                vec![unmap(Range::new(range.first + left, range.len - left))]
            }
            Call::Advise(
                range,
                Advice::DontNeed
                | Advice::DontNeedLocked
                | Advice::Free
                | Advice::Remove
                | Advice::GuardInstall,
            ) => vec![(range, UffdEvent::Remove(range))],
            Call::Fork => vec![(self.whole(), UffdEvent::Fork)],
            _ => return None,
        };
        let is_told = |page: usize, number: u8| {
            let mut of_kind = events.iter().filter(|event| event.number() == number);
            of_kind.any(|event| event.covers(page))
        };
        let counts = |page: usize, number: u8| {
            let page = &self.pages[process][page];
            let is_inherited = number != UffdEvent::Fork.number() || !page.has(DONT_FORK);
            page.has(MAPPED) && page.any(REGISTERED) && !page.any(VAGUE | HUGETLB) && is_inherited
        };
        wanted.into_iter().find_map(|(range, event)| {
            let number = event.number();
            let mut pages = range.pages();
            let page = pages.find(|page| counts(*page, number) && !is_told(*page, number));
            page.map(|page| (page, number))
        })
    }

    fn whole(&self) -> Range {
        Range::new(0, crate::PAGES)
    }
}
