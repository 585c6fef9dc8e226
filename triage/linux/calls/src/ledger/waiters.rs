//! Threads that wait for a userfaultfd: when they must go on.

use super::Ledger;
use super::page::*;
use crate::call::Call;
use crate::range::Range;

/// True if the call, which has ended with `result` after `done` pages, wakes a thread that waits
/// for a page.
pub fn wakes(call: &Call, result: i32, done: u16, page: usize) -> bool {
    let is_done = |range: Range| range.pages().take(done.into()).any(|at| at == page);
    match *call {
        Call::Copy(range, _) | Call::Zero(range) | Call::Poison(range) | Call::Continue(range) => {
            is_done(range)
        }
        Call::UffdMove(range, to) => is_done(range.moved(to)),
        Call::Unregister(range)
        | Call::Wake(range)
        | Call::WriteProtect(range, false)
        | Call::RwProtect(range, false) => result == 0 && range.pages().contains(&page),
        Call::CloseUffd => result == 0,
        _ => false,
    }
}

impl Ledger {
    /// Two writes to a page have ended in an order that nobody knows.
    pub fn has_raced(&mut self, process: usize, at: usize) {
        let page = self.pages[process][at];
        self.pages[process][at].give_up();
        if !page.has(SHARED) {
            return;
        }
        self.lost[page.cell as usize / 64] |= 1 << (page.cell % 64);
        let pages = self.pages.iter_mut().flatten();
        for page in pages.filter(|other| other.is_in_object() && other.cell == page.cell) {
            page.give_up();
            page.set(WAS_SHARED, false);
        }
        self.pages[process][at].set(WAS_SHARED, false);
    }

    /// True if nothing stops an access to the page: neither the mapping nor a userfaultfd.
    pub fn is_free(&self, process: usize, at: usize, writes: bool) -> bool {
        let page = &self.pages[process][at];
        let needed = if writes { WRITABLE } else { READABLE };
        let is_protected = page.any(UNSURE | RWP) || writes && page.has(PROTECTED);
        page.has(MAPPED | needed)
            && !page.any(VAGUE | GUARD | POISON | HUGETLB)
            && !is_protected
            && !page.may_be_missing()
    }
}
