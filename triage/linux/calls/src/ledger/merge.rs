//! Two ledgers, of which either may be true.

use super::page::*;
use super::{CELLS, Ledger};

/// What Linux is held to only if it is true in both ledgers.
const CLAIMS: u64 = POPULATED
    | KNOWN
    | DIRTY
    | WRITTEN
    | PINNED
    | LOCKED
    | UNMERGED
    | CLEAN
    | SEALED
    | NO_HUGE
    | RESERVED;
/// What weakens other claims if it is true in one of the ledgers.
const DOUBTS: u64 = OR_ZERO | PERHAPS_COPIED | UNSURE;
/// Protection of userfaultfd. If the ledgers differ, nobody knows whether the page is protected.
const PROTECTIONS: u64 = PROTECTED | RWP;

impl Page {
    /// Keeps what is true of both pages. `is_same_word` says that the objects that they map have
    /// the same word.
    fn merge(&mut self, other: &Self, is_same_word: bool) {
        let differs = self.flags ^ other.flags;
        let may_differ = CLAIMS | DOUBTS | PROTECTIONS;
        let is_other =
            differs & !may_differ != 0 || self.any(SHARED | FILE) && self.cell != other.cell;
        if is_other {
            let was_shared = (self.flags | other.flags) & (SHARED | UNCOPIED | WAS_SHARED);
            let is_stack = (self.flags | other.flags) & STACK;
            self.give_up();
            self.set(WAS_SHARED, was_shared != 0);
            self.set(STACK, is_stack != 0);
            return;
        }
        self.flags &= other.flags | !(CLAIMS | PROTECTIONS);
        self.flags |= other.flags & DOUBTS;
        self.set(UNSURE, self.has(UNSURE) || differs & PROTECTIONS != 0);
        let is_known = if self.is_in_object() {
            is_same_word
        } else {
            self.word == other.word
        };
        self.set(KNOWN, self.has(KNOWN) && is_known);
        if self.policy != other.policy {
            self.policy = None;
        }
    }
}

impl Ledger {
    /// Keeps what is true in both ledgers: two calls ran at once, and nobody knows which came first
    /// to a page. `denies` is true for a page of a process if the results of accesses to that page
    /// contradict the order of calls that `self` has noted. `other_denies` says the same of
    /// `other`.
    pub fn merge(
        &mut self,
        other: &Self,
        denies: impl Fn(usize, usize) -> bool,
        other_denies: impl Fn(usize, usize) -> bool,
    ) {
        let mut is_same = [0u64; CELLS / 64];
        for cell in 0..CELLS {
            let bit = 1 << (cell % 64);
            if self.cells[cell] == other.cells[cell] {
                is_same[cell / 64] |= bit;
            } else {
                self.lost[cell / 64] |= bit;
            }
        }
        for (lost, also) in self.lost.iter_mut().zip(other.lost) {
            *lost |= also;
        }
        for (process, pages) in self.pages.iter_mut().enumerate() {
            for (at, (page, other)) in pages.iter_mut().zip(&other.pages[process]).enumerate() {
                let cell = page.cell as usize;
                let is_same_word = is_same[cell / 64] >> (cell % 64) & 1 != 0;
                match (denies(process, at), other_denies(process, at)) {
                    (true, false) if is_same_word || !other.is_in_object() => *page = *other,
                    (false, true) if is_same_word || !page.is_in_object() => {}
                    _ => page.merge(other, is_same_word),
                }
            }
        }
        self.used = self.used.max(other.used);
        self.has_blocks |= other.has_blocks;
        self.limits_locks |= other.limits_locks;
        self.has_exclusive |= other.has_exclusive;
        self.named = (
            self.named.0.min(other.named.0),
            self.named.1.max(other.named.1),
        );
        self.is_end_known =
            self.is_end_known && other.is_end_known && self.file_end == other.file_end;
        self.file_end = self.file_end.min(other.file_end);
        if self.pin != other.pin {
            self.pin = None;
        }
        self.give_up_shared();
    }
}
