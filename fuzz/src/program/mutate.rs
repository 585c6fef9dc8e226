//! Structure-aware mutation of programs.
//!
//! A mutation is a small function that changes a canonical program, or reports that it does not
//! apply. [`mutate`] draws one by weight. The result depends only on the program, the limits and
//! the random numbers, so a seed repeats a mutation.

use std::convert::Infallible;
use std::ops::Range;

use fastrand::Rng;

use super::generate::{pick, random_op, random_operand, random_preemption, used_operand};
pub use super::limits::Limits;
use super::op::{MAX_PARAMS, Op, OpKind, Source};
use super::operand::{Operand, OperandKind};
use super::{Geometry, MAX_PREEMPTIONS, Preemption, Program, Step, Thp, insert_preemption};

/// Changes a program. Returns true if the mutation applied; the program stays canonical and within
/// `limits`.
type Mutation = fn(&mut Program, &Limits, &mut Rng) -> bool;

/// The mutations and their weights.
const MUTATIONS: [(u32, Mutation); 22] = [
    (60, insert::insert_op),
    (15, insert::insert_failure),
    (10, insert::insert_move_back),
    (40, delete_op),
    (15, delete_run),
    (15, duplicate_op),
    (8, duplicate_run),
    (20, swap_ops),
    (15, move_op),
    (120, change_operand),
    (40, change_kind),
    (20, replace_op),
    (30, change_thread),
    (25, add_preemption),
    (25, add_detour),
    (30, move_preemption),
    (20, shift_preemptions),
    (15, retarget_preemption),
    (15, delete_preemption),
    (3, toggle_geometry),
    (6, change_thp),
    (4, change_thread_count),
];

/// Brings a program into `limits` and makes one change. The result is canonical, and almost always
/// differs from the program unless `limits` leave hardly any choice.
pub fn mutate(program: &mut Program, limits: Limits, rng: &mut Rng) {
    const TRIES: usize = 24;
    const TOTAL: u32 = {
        let (mut total, mut index) = (0, 0);
        while index < MUTATIONS.len() {
            total += MUTATIONS[index].0;
            index += 1;
        }
        total
    };
    limits.apply(program);
    for _ in 0..TRIES {
        let mut draw = rng.u32(0..TOTAL);
        let drawn = MUTATIONS
            .iter()
            .find(|(weight, _)| match draw.checked_sub(*weight) {
                Some(rest) => {
                    draw = rest;
                    false
                }
                None => true,
            });
        if drawn.is_some_and(|(_, mutation)| mutation(program, &limits, rng)) {
            return;
        }
    }
}

/// Makes a program out of two. The result is canonical and within `limits`.
#[must_use]
pub fn crossover(a: &Program, b: &Program, limits: Limits, rng: &mut Rng) -> Program {
    let (head, cut) = (random_run(a.ops.len(), rng), random_run(b.ops.len(), rng));
    let mut child = a.clone();
    match rng.u8(0..4) {
        // The start of one program and the end of the other.
        0 => drop(
            child
                .ops
                .splice(head.start.., b.ops[cut.start..].iter().copied()),
        ),
        // A part of the other program is inserted, or (next case) replaces a part.
        1 => drop(
            child
                .ops
                .splice(head.start..head.start, b.ops[cut].iter().copied()),
        ),
        2 => drop(child.ops.splice(head, b.ops[cut].iter().copied())),
        // Both programs interleaved; each keeps its order.
        _ => child.ops = interleave(&a.ops, &b.ops, rng),
    }
    child.threads = if rng.bool() { a.threads } else { b.threads };
    for &preemption in &b.preemptions {
        if rng.bool() {
            insert_preemption(&mut child.preemptions, preemption);
        }
    }
    limits.apply(&mut child);
    child
}

fn interleave(a: &[Step], b: &[Step], rng: &mut Rng) -> Vec<Step> {
    let (mut a, mut b) = (a.iter(), b.iter());
    let mut steps = Vec::with_capacity(a.len() + b.len());
    while !(a.as_slice().is_empty() && b.as_slice().is_empty()) {
        let source = if rng.bool() { &mut a } else { &mut b };
        steps.extend(source.next());
    }
    steps
}

/// A part of a list, more often short than long, and empty only if the list is.
fn random_run(len: usize, rng: &mut Rng) -> Range<usize> {
    if len == 0 {
        return 0..0;
    }
    let start = rng.usize(..len);
    let most = rng.usize(1..=len - start);
    start..start + rng.usize(1..=most)
}

fn delete_op(program: &mut Program, _: &Limits, rng: &mut Rng) -> bool {
    pick(program, rng)
        .map(|at| program.ops.remove(at))
        .is_some()
}

fn delete_run(program: &mut Program, _: &Limits, rng: &mut Rng) -> bool {
    let run = random_run(program.ops.len(), rng);
    let is_something = !run.is_empty();
    program.ops.drain(run);
    is_something
}

fn duplicate_op(program: &mut Program, limits: &Limits, rng: &mut Rng) -> bool {
    let Some(from) = pick(program, rng).filter(|_| program.ops.len() < limits.max_ops()) else {
        return false;
    };
    let to = rng.usize(..=program.ops.len());
    program.ops.insert(to, program.ops[from]);
    true
}

fn duplicate_run(program: &mut Program, limits: &Limits, rng: &mut Rng) -> bool {
    let mut run = random_run(program.ops.len(), rng);
    run.end = run
        .end
        .min(run.start + (limits.max_ops() - program.ops.len()));
    let to = rng.usize(..=program.ops.len());
    let is_something = !run.is_empty();
    let copy = program.ops[run].to_vec();
    program.ops.splice(to..to, copy);
    is_something
}

fn swap_ops(program: &mut Program, _: &Limits, rng: &mut Rng) -> bool {
    let (Some(one), Some(other)) = (pick(program, rng), pick(program, rng)) else {
        return false;
    };
    program.ops.swap(one, other);
    program.ops[one] != program.ops[other]
}

fn move_op(program: &mut Program, _: &Limits, rng: &mut Rng) -> bool {
    let (Some(from), Some(to)) = (pick(program, rng), pick(program, rng)) else {
        return false;
    };
    let step = program.ops.remove(from);
    program.ops.insert(to, step);
    from != to
}

fn replace_op(program: &mut Program, _: &Limits, rng: &mut Rng) -> bool {
    let Some(at) = pick(program, rng) else {
        return false;
    };
    let op = random_op(program, at, rng);
    std::mem::replace(&mut program.ops[at].op, op) != op
}

/// Changes an operand: by a step up or down, to an operand of the same type that the program uses,
/// or to a new value.
fn change_operand(program: &mut Program, _: &Limits, rng: &mut Rng) -> bool {
    let Some(at) = pick(program, rng) else {
        return false;
    };
    let old = program.ops[at].op;
    let params = old.kind().params();
    let mut bytes = old.operand_bytes();
    let index = rng.usize(..params.len());
    let operand = params[index].kind;
    bytes[index] = match rng.u8(0..8) {
        0..=2 => step_operand(operand, bytes[index], rng),
        3..=5 => match used_operand(operand, program, rng) {
            Some(byte) => byte,
            None => return false,
        },
        _ => random_operand(old.kind(), operand, program, rng),
    };
    let new = Op::from_operand_bytes(old.kind(), bytes);
    program.ops[at].op = new;
    new != old
}

/// The next or previous value of a type, wrapping around. For a mask, it flips a bit.
fn step_operand(operand: OperandKind, byte: u8, rng: &mut Rng) -> u8 {
    if operand == OperandKind::Skip {
        return byte ^ 1 << rng.u8(0..8);
    }
    let (count, byte) = (operand.count(), u16::from(byte));
    let next = if rng.bool() {
        byte + 1
    } else {
        byte + count - 1
    };
    (next % count) as u8
}

/// Changes the kind of an operation, and keeps the operands that both kinds have.
fn change_kind(program: &mut Program, _: &Limits, rng: &mut Rng) -> bool {
    let Some(at) = pick(program, rng) else {
        return false;
    };
    let old = program.ops[at].op;
    let kind = random_op(program, at, rng).kind();
    let mut source = KeepShared {
        kind,
        kept: old,
        bytes: old.operand_bytes(),
        program,
        rng,
    };
    let Ok(new) = Op::build(kind, &mut source);
    program.ops[at].op = new;
    new != old
}

/// The operands of `kept` for a new operation; random ones of the types that `kept` lacks.
struct KeepShared<'a> {
    kind: OpKind,
    kept: Op,
    bytes: [u8; MAX_PARAMS],
    program: &'a Program,
    rng: &'a mut Rng,
}

impl Source for KeepShared<'_> {
    type Error = Infallible;

    fn operand<T: Operand>(&mut self) -> Result<T, Infallible> {
        let params = self.kept.kind().params().iter();
        let shared = params
            .zip(self.bytes)
            .find(|(param, _)| param.kind == T::KIND);
        Ok(T::from_byte(match shared {
            Some((_, byte)) => byte,
            None => random_operand(self.kind, T::KIND, self.program, self.rng),
        }))
    }
}

/// Changes the thread of one operation, or of a run of operations.
fn change_thread(program: &mut Program, _: &Limits, rng: &mut Rng) -> bool {
    if program.threads == 1 || program.ops.is_empty() {
        return false;
    }
    let mut run = random_run(program.ops.len(), rng);
    if rng.u8(0..4) != 0 {
        run.end = run.start + 1;
    }
    let thread = other_thread(program.ops[run.start].thread, program.threads, rng);
    for step in &mut program.ops[run] {
        step.thread = thread;
    }
    true
}

/// A thread other than `thread`, out of at least two.
fn other_thread(thread: u8, threads: u8, rng: &mut Rng) -> u8 {
    (thread + rng.u8(1..threads.max(2))) % threads
}

fn add_preemption(program: &mut Program, _: &Limits, rng: &mut Rng) -> bool {
    let before = program.preemptions.len();
    if program.threads == 1 || before == MAX_PREEMPTIONS {
        return false;
    }
    let preemption = random_preemption(program, rng);
    insert_preemption(&mut program.preemptions, preemption);
    program.preemptions.len() > before
}

/// Adds a preemption shortly after another one: the run switches back to the first thread, or on to
/// a third thread.
fn add_detour(program: &mut Program, limits: &Limits, rng: &mut Rng) -> bool {
    if program.preemptions.is_empty() && !add_preemption(program, limits, rng) {
        return false;
    }
    let before = program.preemptions.len();
    if before == MAX_PREEMPTIONS {
        return false;
    }
    let there = program.preemptions[rng.usize(..before)];
    let back = Preemption {
        at: there.at.saturating_add(rng.u16(1..=6)),
        to: other_thread(there.to, program.threads, rng),
    };
    insert_preemption(&mut program.preemptions, back);
    program.preemptions.len() > before
}

/// Moves a preemption to a nearby scheduling point, or to any.
fn move_preemption(program: &mut Program, _: &Limits, rng: &mut Rng) -> bool {
    if program.preemptions.is_empty() {
        return false;
    }
    let mut preemption = program
        .preemptions
        .remove(rng.usize(..program.preemptions.len()));
    let before = preemption;
    preemption.at = match rng.u8(0..4) {
        0 => random_preemption(program, rng).at,
        1 | 2 => preemption.at.saturating_add(rng.u16(1..=4)),
        _ => preemption.at.saturating_sub(rng.u16(1..=4)),
    };
    insert_preemption(&mut program.preemptions, preemption);
    preemption != before
}

/// Moves a preemption and all later preemptions by the same number of scheduling points. Inserting
/// or removing an operation renumbers the scheduling points after it; this mutation can make up for
/// that.
fn shift_preemptions(program: &mut Program, _: &Limits, rng: &mut Rng) -> bool {
    let preemptions = &mut program.preemptions;
    if preemptions.is_empty() {
        return false;
    }
    let first = rng.usize(..preemptions.len());
    let room = match first.checked_sub(1) {
        Some(before) => preemptions[first].at - preemptions[before].at - 1,
        None => preemptions[0].at,
    };
    let by = rng.u16(1..=8);
    let later = rng.bool();
    if later
        && preemptions
            .last()
            .is_some_and(|last| last.at > u16::MAX - by)
        || !later && by > room
    {
        return false;
    }
    for preemption in &mut preemptions[first..] {
        preemption.at = if later {
            preemption.at + by
        } else {
            preemption.at - by
        };
    }
    true
}

fn retarget_preemption(program: &mut Program, _: &Limits, rng: &mut Rng) -> bool {
    if program.preemptions.is_empty() {
        return false;
    }
    let index = rng.usize(..program.preemptions.len());
    let to = &mut program.preemptions[index].to;
    *to = other_thread(*to, program.threads, rng);
    true
}

fn delete_preemption(program: &mut Program, _: &Limits, rng: &mut Rng) -> bool {
    if program.preemptions.is_empty() {
        return false;
    }
    program
        .preemptions
        .remove(rng.usize(..program.preemptions.len()));
    true
}

fn toggle_geometry(program: &mut Program, _: &Limits, _: &mut Rng) -> bool {
    program.geometry = match program.geometry {
        Geometry::Tiny => Geometry::X86_64,
        Geometry::X86_64 => Geometry::Tiny,
    };
    true
}

fn change_thp(program: &mut Program, _: &Limits, rng: &mut Rng) -> bool {
    program.thp = match program.thp {
        Thp::Never if rng.u8(..4) == 0 => Thp::Madvise,
        Thp::Never => Thp::Always,
        Thp::Always | Thp::Madvise => Thp::Never,
    };
    true
}

fn change_thread_count(program: &mut Program, limits: &Limits, rng: &mut Rng) -> bool {
    let before = program.threads;
    program.threads = rng.u8(limits.thread_range());
    program.normalize();
    program.threads != before
}

mod insert;
#[cfg(test)]
mod tests;
