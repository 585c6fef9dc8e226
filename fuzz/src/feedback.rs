//! State feedback: what edges of the code do not tell an engine about a run.
//!
//! A migration is held open, a thread is preempted or waits; meanwhile another operation changes
//! page-table entries. Each combination of *where the first one stands*, *which operation runs in
//! between* and *what an entry was and becomes* is a feature. An engine keeps an input that has one that
//! it has not seen, as it keeps one that takes a new edge of the code.
//!
//! Features are counted in an array that belongs to the target: libFuzzer's extra counters, AFL's map.

use crate::exec::{Observer, Outcome};
use crate::program::{Program, Step};
use mm_core::{Entry, MAX_TASKS, Pfn, Pte, Softleaf, State};
use std::sync::atomic::{AtomicU8, Ordering};

/// How many counters a target provides. Features share them by their hash: a corpus grows with the
/// number of counters, and a run slows down with it.
pub const COUNTERS: usize = 2048;

/// The counters of a target.
pub type Counters = [AtomicU8; COUNTERS];

/// Counters that are all zero.
pub const NO_COUNTERS: Counters = [const { AtomicU8::new(0) }; COUNTERS];

/// Counts the features of a run.
#[derive(Debug)]
pub struct Feedback<'a> {
    program: &'a Program,
    counters: &'a Counters,
    /// Threads that were preempted within an operation.
    preempted: [bool; MAX_TASKS],
}

impl<'a> Feedback<'a> {
    /// For a run of `program`.
    pub fn new(program: &'a Program, counters: &'a Counters) -> Self {
        Self {
            program,
            counters,
            preempted: [false; MAX_TASKS],
        }
    }

    fn count(&self, parts: [u8; 4]) {
        let hash = u32::from_le_bytes(parts).wrapping_mul(0x9e37_79b1);
        self.counters[hash as usize >> 21].store(1, Ordering::Relaxed);
    }
}

impl Observer for Feedback<'_> {
    fn ran(&mut self, step: usize, s: &State) {
        let Some(Step { thread, op }) = self.program.ops.get(step) else {
            return;
        };
        let kind = op.kind();
        let stands = s.tasks().iter().enumerate().filter(|(number, task)| {
            *number != usize::from(*thread) && (task.waiting.is_some() || self.preempted[*number])
        });
        let mut alone = true;
        for (_, task) in stands {
            alone = false;
            let site = task.site as u8;
            self.count([site, kind as u8, 0, 0]);
            for write in s.pte_writes() {
                self.count([site, kind as u8, class(write.old), class(write.new)]);
            }
        }
        if alone {
            for write in s.pte_writes() {
                self.count([!0, kind as u8, class(write.old), class(write.new)]);
            }
        }
    }

    fn preempted(&mut self, _point: u32, from: u8, _to: u8, _s: &State) {
        self.preempted[usize::from(from)] = true;
    }

    fn operation(&mut self, _step: usize, op: &Step, _outcome: Outcome, _s: &State) {
        self.preempted[usize::from(op.thread)] = false;
    }
}

/// What an entry is, without numbers.
fn class(pte: Pte) -> u8 {
    match pte.decode() {
        Entry::None => 1,
        Entry::Present(pte) if pte.pfn() == Pfn::ZERO => 2,
        Entry::Present(pte) => 3 + u8::from(pte.write()),
        Entry::Leaf(leaf) => match leaf.softleaf() {
            Some(Softleaf::Swap(_)) => 5,
            Some(Softleaf::Migration(_)) => 6,
            Some(Softleaf::DevicePrivate { .. }) => 7,
            Some(Softleaf::DeviceExclusive { .. }) => 8,
            None => 9,
        },
    }
}
