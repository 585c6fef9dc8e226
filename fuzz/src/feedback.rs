//! State feedback: features of a run that edges of the code do not show to an engine.
//!
//! An operation can change page-table entries while a migration is held open, or while another
//! thread is preempted or waits. Each combination of *where the migration or thread stands*, *which
//! operation runs meanwhile*, *what an entry was and becomes*, and whether a CPU still caches the
//! old translation is a feature. If no migration or other thread is interrupted, the operation and
//! the change of the entry alone are a feature. An engine keeps an input with a new feature, as it
//! keeps one that takes a new edge.
//!
//! Each way in which two VMAs can lie side by side after an operation that changed VMAs is a
//! feature as well: the next operation depends on it, and edges show the difference only once that
//! operation has run.
//!
//! Features are counted in an array: libFuzzer's extra counters in its targets, an array of its own
//! in mm-fast. Other engines go without; docs/experiments/state-feedback.md says why AFL++ does.

use crate::exec::{Observer, Outcome};
use crate::program::{OpKind, Program, Step};
use mm_core::{Entry, MAX_TASKS, Pfn, Pte, PteWrite, Softleaf, State, VmFlags, Vma};
use std::sync::atomic::{AtomicU8, Ordering};

/// Number of counters that a target provides. The hash of a feature selects its counter, so
/// features share counters. With more counters, the corpus is larger and each run slower.
pub const COUNTERS: usize = 2048;

/// The counters of a target.
pub type Counters = [AtomicU8; COUNTERS];

/// Counters that are all zero.
#[must_use]
pub const fn no_counters() -> Counters {
    [const { AtomicU8::new(0) }; COUNTERS]
}

/// Counts the features of a run.
#[derive(Debug)]
pub struct Feedback<'a> {
    program: &'a Program,
    counters: &'a Counters,
    /// The threads that are preempted within an operation.
    preempted: [bool; MAX_TASKS],
    /// `State::topology` when pairs of VMAs were counted last.
    topology: u32,
}

impl<'a> Feedback<'a> {
    /// Feedback for a run of `program`.
    pub fn new(program: &'a Program, counters: &'a Counters) -> Self {
        Self {
            program,
            counters,
            preempted: [false; MAX_TASKS],
            topology: 0,
        }
    }

    /// Counts the pairs of VMAs that touch after an operation.
    fn areas(&self, kind: OpKind, s: &State) {
        for (_, mm) in s.mms().iter() {
            for pair in mm.vmas.windows(2) {
                let (left, right) = (s.vma(pair[0]), s.vma(pair[1]));
                if left.end == right.start {
                    self.count([!1, kind as u8, side_by_side(left, right), 0]);
                }
            }
        }
    }

    fn count(&self, parts: [u8; 4]) {
        let hash = u32::from_le_bytes(parts).wrapping_mul(0x9e37_79b1);
        self.counters[(hash >> (u32::BITS - COUNTERS.ilog2())) as usize]
            .store(1, Ordering::Relaxed);
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
                let stale = u8::from(is_remembered(s, write)) << 7;
                self.count([site, kind as u8, class(write.old), class(write.new) | stale]);
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

    fn operation(&mut self, _step: usize, op: &Step, _outcome: Outcome, s: &State) {
        self.preempted[usize::from(op.thread)] = false;
        if self.topology != s.topology() {
            self.topology = s.topology();
            self.areas(op.op.kind(), s);
        }
    }
}

/// True if a CPU still caches an older translation for the entry.
fn is_remembered(s: &State, write: &PteWrite) -> bool {
    let tlbs = s.tlbs();
    let remembers = |cpu| {
        tlbs.lookup(cpu, write.mm, write.addr)
            .is_some_and(|pte| pte.pte() != write.new)
    };
    tlbs.cpus().any(remembers)
}

/// How two VMAs that touch differ, and which of them have an anon_vma.
fn side_by_side(left: &Vma, right: &Vma) -> u8 {
    let differ = left.flags ^ right.flags;
    let facts = [
        left.anon_vma.is_some(),
        right.anon_vma.is_some(),
        left.anon_vma == right.anon_vma,
        left.last_pgoff() + 1 == right.pgoff,
        left.flags.contains(VmFlags::UFFD_WP),
        differ.contains(VmFlags::UFFD_WP),
        differ.intersects(!VmFlags::UFFD_WP),
    ];
    let bits = facts.iter().zip(0..);
    bits.fold(0, |bits, (&fact, bit)| bits | u8::from(fact) << bit)
}

/// The class of an entry, without numbers.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::{Executor, Options};
    use std::collections::BTreeSet;

    fn features(text: &str) -> BTreeSet<usize> {
        let program = crate::program::text::parse(text).expect("a good program");
        let counters = no_counters();
        let mut executor = Executor::new(Options::default());
        executor.run_observed(&program, &mut Feedback::new(&program, &counters));
        let counters = counters.iter().enumerate();
        let reached = counters.filter(|(_, counter)| counter.load(Ordering::Relaxed) > 0);
        reached.map(|(number, _)| number).collect()
    }

    #[test]
    fn an_operation_within_a_migration_is_another_feature_than_one_behind_it() {
        let open = "mmap p0 0 2 rw\nwrite p0 0\nsetup p0 0 1 d0 to-dev\n";
        let within = features(&format!("{open}write p0 1\npages m0\nfinalize m0"));
        let behind = features(&format!("{open}pages m0\nfinalize m0\nwrite p0 1"));
        assert!(!within.is_subset(&behind));
    }

    #[test]
    fn where_a_thread_is_preempted_is_a_feature() {
        let run = |point| {
            features(&format!(
                "threads 2\npreempt {point} t1\nmmap p0 0 2 rw\nwrite p0 0\nfork p0\nt1: write p0 1"
            ))
        };
        let all: BTreeSet<_> = (1..12).map(run).collect();
        assert!(all.len() > 2, "{all:?}");
    }

    #[test]
    fn how_areas_lie_side_by_side_is_a_feature() {
        let touching = features("mmap p0 0 1 rw\nmmap p0 1 1 r");
        let apart = features("mmap p0 0 1 rw\nmmap p0 2 1 r");
        assert!(apart.is_subset(&touching) && touching != apart);
        let faulted = features("mmap p0 0 1 rw\nwrite p0 0\nmmap p0 1 1 r");
        let behind = features("mmap p0 0 1 rw\nmmap p0 1 1 r\nwrite p0 0");
        assert!(!faulted.is_subset(&behind));
    }

    #[test]
    fn features_are_those_of_the_program_and_stay_few() {
        let mut rng = fastrand::Rng::with_seed(21);
        let limits = crate::program::mutate::Limits::RACES;
        let text = crate::program::generate::random_program(limits, &mut rng).to_string();
        assert_eq!(features(&text), features(&text));
        assert!(features(&text).len() < COUNTERS / 8);
    }
}
