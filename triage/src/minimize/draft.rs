//! A program that is being changed, and its schedule, which has to follow.
//!
//! A program gives the place of a preemption as the number of a scheduling point, counted over the
//! whole run. But a preemption matters at one point of *one operation*. If an operation before this
//! point is removed, the same number names another point. A draft therefore keeps its preemptions
//! in terms of the original program, and places them in one of two ways:
//!
//! - It subtracts the points that the removed operations had passed. This costs nothing, and is
//!   right if the other operations pass as many points as before.
//! - It runs the draft up to each preemption in turn. This is exact.

use super::edit::Edit;
use super::predicate::{Predicate, Slice};
use mm_fuzz::program::{Geometry, MAX_PARAMS, Op, OpKind, OperandKind, Preemption, Program, Step};
use std::cmp::Ordering;

/// A program for which the predicate holds, and its run.
#[derive(Clone, Debug)]
pub struct Best {
    /// The program.
    pub program: Program,
    /// The turns of its run.
    pub slices: Vec<Slice>,
}

impl Best {
    /// The operation that passes point `at`, and how many points this operation had passed before.
    fn place_of(&self, at: u16) -> Option<(usize, u32)> {
        let at = u32::from(at);
        let slice = self.slices.iter().find(|s| (s.from..s.to).contains(&at))?;
        let before = self.slices.iter().take_while(|s| s.from < slice.from);
        let before: u32 = before
            .filter(|s| s.step == slice.step)
            .map(|s| s.to - s.from)
            .sum();
        Some((slice.step, before + at - slice.from))
    }

    /// The number of points of the run.
    pub fn points(&self) -> u32 {
        self.slices.iter().map(|slice| slice.to).max().unwrap_or(0)
    }

    /// The number of operations up to the last one that was started.
    pub fn started(&self) -> usize {
        let last = self.slices.iter().map(|slice| slice.step + 1).max();
        last.unwrap_or(0).min(self.program.ops.len())
    }
}

/// Defines "smaller". The first of these that differs decides:
///
/// 1. fewer operations, then fewer preemptions, then fewer threads, then the smaller geometry, then
///    `thp`: `never` before the others;
/// 2. at the first operation that differs: an earlier row of the table of operations, then smaller
///    operands, then an earlier thread;
/// 3. earlier preemptions.
///
/// Every accepted change makes the program smaller in this order, so the search ends.
pub fn compare(a: &Program, b: &Program) -> Ordering {
    let size = |p: &Program| {
        (
            p.ops.len(),
            p.preemptions.len(),
            p.threads,
            p.geometry as u8,
            p.thp as u8,
        )
    };
    let step = |s: &Step| (s.op.kind(), s.op.operand_bytes(), s.thread);
    let preemption = |p: &Preemption| (p.at, p.to);
    size(a)
        .cmp(&size(b))
        .then_with(|| a.ops.iter().map(step).cmp(b.ops.iter().map(step)))
        .then_with(|| {
            let b = b.preemptions.iter().map(preemption);
            a.preemptions.iter().map(preemption).cmp(b)
        })
}

/// Where a preemption goes.
#[derive(Clone, Copy, Debug)]
enum Planned {
    /// At this point of the original program.
    Kept { at: u16, to: u8 },
    /// At this point of the draft.
    At { at: u16, to: u8 },
    /// Nowhere: the preemption is removed.
    Dropped,
}

/// A changed program, reused from candidate to candidate.
#[derive(Debug, Default)]
pub struct Draft {
    /// The program. Its preemptions are missing until they have been placed.
    program: Program,
    /// For each operation, its number in the original program.
    origin: Vec<usize>,
    planned: Vec<Planned>,
    removed: Vec<bool>,
    slices: Vec<Slice>,
}

impl Draft {
    /// Changes `best`, runs the result, and says whether it is smaller and the predicate holds.
    pub fn holds(&mut self, best: &Best, change: &[Edit], predicate: &mut impl Predicate) -> bool {
        self.make(&best.program, change);
        self.shift(best);
        if self.is_smaller_and_holds(best, predicate) {
            return true;
        }
        let kept = |p: &Planned| matches!(p, Planned::Kept { .. });
        if !self.planned.iter().any(kept) || self.program.ops == best.program.ops {
            return false;
        }
        let shifted = self.program.preemptions.clone();
        self.run_up_to_each(best, predicate);
        self.program.preemptions != shifted && self.is_smaller_and_holds(best, predicate)
    }

    /// The program for which the predicate has just held, and its run.
    pub fn take(&mut self) -> Best {
        Best {
            program: self.program.clone(),
            slices: std::mem::take(&mut self.slices),
        }
    }

    fn is_smaller_and_holds(&mut self, best: &Best, predicate: &mut impl Predicate) -> bool {
        self.program.normalize();
        compare(&self.program, &best.program).is_lt()
            && predicate.holds(&self.program, &mut self.slices)
    }

    /// Makes the changed program, without its preemptions.
    fn make(&mut self, original: &Program, change: &[Edit]) {
        self.program.geometry = original.geometry;
        self.program.thp = original.thp;
        self.program.threads = original.threads;
        self.program.ops.clone_from(&original.ops);
        self.planned.clear();
        self.planned.extend(
            original
                .preemptions
                .iter()
                .map(|p| Planned::Kept { at: p.at, to: p.to }),
        );
        self.removed.clear();
        self.removed.resize(original.ops.len(), false);
        change.iter().for_each(|edit| self.edit(edit));
        self.origin.clear();
        self.origin
            .extend((0..original.ops.len()).filter(|i| !self.removed[*i]));
        let mut removed = self.removed.iter();
        self.program
            .ops
            .retain(|_| removed.next().is_none_or(|removed| !removed));
    }

    fn edit(&mut self, edit: &Edit) {
        let ops = &mut self.program.ops;
        match *edit {
            Edit::Remove(ref range) => self.removed[range.clone()].fill(true),
            Edit::Op(i, op) => ops[i].op = op,
            Edit::Thread(i, thread) => ops[i].thread = thread,
            Edit::Everywhere { kind, from, to } => each_operand(ops, kind, |byte| {
                if *byte == from {
                    *byte = to;
                }
            }),
            Edit::Lower { kind, by } => each_operand(ops, kind, |byte| *byte -= by),
            Edit::Geometry(geometry) => self.program.geometry = geometry,
            Edit::Thp(thp) => self.program.thp = thp,
            Edit::DropPreemptions(ref range) => self.planned[range.clone()].fill(Planned::Dropped),
            Edit::Preempt(i, Preemption { at, to }) => self.planned[i] = Planned::At { at, to },
            Edit::RemoveThread { thread, into } => {
                let last = self.program.threads - 1;
                self.rename_threads(|name| {
                    let name = if name == thread { into } else { name };
                    // The last thread takes the free name.
                    if name == last { thread } else { name }
                });
                self.program.threads = last;
            }
            Edit::ExchangeThreads(a, b) => self.rename_threads(|name| match name {
                name if name == a => b,
                name if name == b => a,
                name => name,
            }),
        }
    }

    fn rename_threads(&mut self, rename: impl Fn(u8) -> u8) {
        for step in &mut self.program.ops {
            step.thread = rename(step.thread);
        }
        for planned in &mut self.planned {
            if let Planned::Kept { to, .. } | Planned::At { to, .. } = planned {
                *to = rename(*to);
            }
        }
    }

    /// Places the preemptions as if each remaining operation passed as many points as before.
    fn shift(&mut self, best: &Best) {
        let Self {
            program,
            planned,
            removed,
            ..
        } = self;
        let place = |planned: &Planned| match *planned {
            Planned::Dropped => None,
            Planned::At { at, to } => Some(Preemption { at, to }),
            Planned::Kept { at, to } => {
                if best.place_of(at).is_some_and(|(step, _)| removed[step]) {
                    return None;
                }
                let gone = best
                    .slices
                    .iter()
                    .filter(|s| removed.get(s.step) == Some(&true))
                    .map(|s| s.to.min(at.into()).saturating_sub(s.from))
                    .sum::<u32>();
                let at = at.saturating_sub(gone as u16);
                Some(Preemption { at, to })
            }
        };
        program.preemptions.clear();
        program.preemptions.extend(planned.iter().filter_map(place));
    }

    /// Places one preemption after the other. For each, runs the draft with the preemptions placed
    /// so far, to see where the preempted operation reaches its point.
    fn run_up_to_each(&mut self, best: &Best, predicate: &mut impl Predicate) {
        self.program.preemptions.clear();
        for planned in &self.planned {
            let placed = match *planned {
                Planned::Dropped => continue,
                Planned::At { at, to } => Some(Preemption { at, to }),
                Planned::Kept { at, to } => best.place_of(at).and_then(|(step, nth)| {
                    let step = self.origin.binary_search(&step).ok()?;
                    predicate.holds(&self.program, &mut self.slices);
                    let at = point_of(&self.slices, step, nth)?;
                    u16::try_from(at).ok().map(|at| Preemption { at, to })
                }),
            };
            let last = self.program.preemptions.last().map(|p| p.at);
            let placed = placed.filter(|p| last.is_none_or(|last| p.at > last));
            self.program.preemptions.extend(placed);
        }
    }
}

/// The point of the run that is the `nth` of operation `step`.
fn point_of(slices: &[Slice], step: usize, mut nth: u32) -> Option<u32> {
    for slice in slices.iter().filter(|slice| slice.step == step) {
        let count = slice.to - slice.from;
        if nth < count {
            return Some(slice.from + nth);
        }
        nth -= count;
    }
    None
}

fn each_operand(ops: &mut [Step], kind: OperandKind, change: impl Fn(&mut u8)) {
    for Step { op, .. } in ops {
        let mut bytes = op.operand_bytes();
        for (param, byte) in op.kind().params().iter().zip(&mut bytes) {
            if param.kind == kind {
                change(byte);
            }
        }
        *op = Op::from_operand_bytes(op.kind(), bytes);
    }
}

/// The operation of another kind that is most like `op`: operands of a type that `op` has are
/// copied, and the others are `fill`, or the greatest value of their type if that is less.
pub fn recast(op: Op, kind: OpKind, fill: u8) -> Op {
    let old = op.operand_bytes();
    let mut bytes = [0; MAX_PARAMS];
    for (param, byte) in kind.params().iter().zip(&mut bytes) {
        let same = op.kind().params().iter().position(|p| p.kind == param.kind);
        *byte = same.map_or(fill.min((param.kind.count() - 1) as u8), |i| old[i]);
    }
    Op::from_operand_bytes(kind, bytes)
}

/// The next smaller geometry, if any.
pub const fn smaller_geometry(geometry: Geometry) -> Option<Geometry> {
    match geometry {
        Geometry::Tiny => None,
        Geometry::X86_64 => Some(Geometry::Tiny),
    }
}
