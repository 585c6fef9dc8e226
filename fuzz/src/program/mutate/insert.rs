//! Mutations that insert an operation: a random operation, or one made for the operations that are
//! there.

use fastrand::Rng;

use crate::program::generate::{pick, random_step};
use crate::program::limits::Limits;
use crate::program::operand::{AllocKind, Nth, Operand};
use crate::program::{Op, Program, Step};

pub(super) fn insert_op(program: &mut Program, limits: &Limits, rng: &mut Rng) -> bool {
    if program.ops.len() >= limits.max_ops() {
        return false;
    }
    // At least a quarter of the insertions are at the end, where they act on the state that the
    // program reaches.
    let len = program.ops.len();
    let at = if rng.u8(0..4) == 0 {
        len
    } else {
        rng.usize(..=len)
    };
    let step = random_step(program, at, rng);
    program.ops.insert(at, step);
    true
}

/// Inserts a `fail` before an operation. One of the next four allocations of a kind then fails,
/// mostly of a kind that the operation may make.
pub(super) fn insert_failure(program: &mut Program, limits: &Limits, rng: &mut Rng) -> bool {
    let Some(at) = pick(program, rng).filter(|_| program.ops.len() < limits.max_ops()) else {
        return false;
    };
    let Step { thread, op } = program.ops[at];
    let made = op.kind().allocations();
    let alloc = match rng.u8(0..4) {
        0 => AllocKind::from_byte(rng.u8(..)),
        _ if made.is_empty() => return false,
        _ => made[rng.usize(..made.len())],
    };
    let nth = Nth::from_byte(rng.u8(0..4));
    let op = Op::Fail { alloc, nth };
    program.ops.insert(at, Step { thread, op });
    true
}

/// Inserts an `mremap` that moves a range back, some time after the `mremap` that moved it. The
/// pages keep their offsets, so VMAs can merge.
pub(super) fn insert_move_back(program: &mut Program, limits: &Limits, rng: &mut Rng) -> bool {
    if program.ops.len() >= limits.max_ops() {
        return false;
    }
    let moves = program.ops.iter().enumerate().filter_map(|(at, step)| {
        let Op::Mremap {
            proc,
            addr,
            newlen,
            to,
            how,
            ..
        } = step.op
        else {
            return None;
        };
        let back = Op::Mremap {
            proc,
            addr: to,
            len: newlen,
            to: addr,
            newlen,
            how,
        };
        Some((at, step.thread, back))
    });
    let moves: Vec<_> = moves.collect();
    let Some((at, thread, op)) = rng.choice(moves) else {
        return false;
    };
    let later = rng.usize(at + 1..=program.ops.len());
    program.ops.insert(later, Step { thread, op });
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::{Executor, Observer, Options, Outcome, Released};
    use crate::program::OpKind;
    use crate::program::generate::random_program;
    use mm_core::State;
    use std::collections::BTreeSet;

    /// The kinds of allocation that operations were seen to make. If a failure of a kind is armed
    /// just before an operation, and is used up after it, the operation makes allocations of that
    /// kind.
    #[derive(Default)]
    struct Seen {
        armed: Option<mm_core::AllocKind>,
        made: BTreeSet<(OpKind, String)>,
    }

    impl Observer for Seen {
        fn released(&mut self, what: Released) {
            // the operation waited for an open migration, which makes allocations of its own
            if matches!(what, Released::Migration(_)) {
                self.armed = None;
            }
        }

        fn operation(&mut self, _step: usize, step: &Step, _outcome: Outcome, s: &State) {
            if let Some(alloc) = self.armed.take()
                && s.fail.armed(alloc) == 0
            {
                self.made.insert((step.op.kind(), format!("{alloc:?}")));
            }
            if let Op::Fail { alloc, .. } = step.op {
                self.armed = Some(alloc.into());
            }
        }
    }

    #[test]
    fn what_operations_allocate_is_in_the_table() {
        let mut rng = Rng::with_seed(22);
        let mut executor = Executor::new(Options::default());
        let mut seen = Seen::default();
        for _ in 0..20_000 {
            let mut program = random_program(Limits::OPS.with_max_ops(16), &mut rng);
            for _ in 0..4 {
                insert_failure(&mut program, &Limits::OPS, &mut rng);
            }
            seen.armed = None;
            executor.run_observed(&program, &mut seen);
        }
        assert!(seen.made.len() > 50, "{:?}", seen.made);
        let listed = |(kind, alloc): &&(OpKind, String)| {
            let table = kind.allocations();
            table.iter().any(|listed| format!("{listed:?}") == *alloc)
        };
        let unlisted: Vec<_> = seen.made.iter().filter(|made| !listed(made)).collect();
        assert!(unlisted.is_empty(), "{unlisted:?}");
    }

    #[test]
    fn a_move_back_undoes_a_move() {
        let mut program =
            crate::program::text::parse("mmap p0 1 2 rw\nwrite p0 1\nmremap p0 1 2 9 2 fixed")
                .expect("a good program");
        let mut rng = Rng::with_seed(23);
        assert!(insert_move_back(&mut program, &Limits::OPS, &mut rng));
        assert!(
            program.to_string().ends_with("mremap p0 9 2 1 2 fixed\n"),
            "{program}"
        );
        let mut without = crate::program::text::parse("mmap p0 1 2 rw").expect("a good program");
        assert!(!insert_move_back(&mut without, &Limits::OPS, &mut rng));
    }
}
