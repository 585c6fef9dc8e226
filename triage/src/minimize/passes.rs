//! The passes of the minimizer: ways to simplify a program, tried until none works.
//!
//! The caller gives the [`Predicate`] that must keep holding, such as "the run ends with this
//! signature". A pass is a function from a program to a list of changes, in the order in which they
//! are tried. The first change that the predicate accepts is made, and the pass goes on at the same
//! place in the list of the new program. So a pass need not know which of its changes succeed. The
//! next round tries the whole list of each pass again, also if the pass had no success before.
//!
//! Removal goes from large to small: the whole program, then halves, quarters, and at last single
//! operations. So a large part that is not needed goes in few tests. Cheap passes run until a whole
//! round of them changes nothing. Then costly passes make two or three changes at once, at least
//! one of them a removal: for example, one operation is removed while another is replaced. After a
//! success the cheap passes begin again.
//!
//! The end is certified: in the last round every pass has tried its whole list, and the predicate
//! held for no change. That round always comes, because every accepted change makes the program
//! smaller in the order of [`compare`](super::draft::compare).

use super::draft::{Best, recast, smaller_geometry};
use super::edit::Edit;
use super::predicate::Predicate;
use super::search::Search;
use mm_fuzz::program::{Op, OpKind, OperandKind, Preemption, Program, Thp};
use serde::Serialize;
use std::collections::BTreeSet;
use std::ops::Range;

/// The longest program, in operations, for the pass that removes any two operations.
const MAX_OPS_PAIRS: usize = 32;
/// The longest program for the passes that remove any three operations, or remove one while
/// something else changes.
const MAX_OPS_COSTLY: usize = 14;
/// The longest program for the pass that removes two operations while a third is replaced.
const MAX_OPS_COSTLIEST: usize = 8;

type Changes = Vec<Vec<Edit>>;

/// A pass and its name.
struct Pass {
    name: &'static str,
    changes: fn(&Best) -> Changes,
}

/// Makes passes named like their functions.
macro_rules! passes {
    ($($pass:ident),* $(,)?) => {
        &[$(Pass { name: stringify!($pass), changes: $pass }),*]
    };
}

/// Passes whose lists are about as long as the program.
const CHEAP: &[Pass] = passes![
    never_started,
    preemption_chunks,
    operation_chunks,
    threads,
    geometry,
    values,
    operands,
    kinds,
    thread_names,
    preemption_points,
];

/// Passes whose lists are much longer.
const COSTLY: &[Pass] = passes![
    two_operations,
    operation_and_preemption,
    three_operations,
    operation_and_operand,
    operation_and_kind,
    two_operations_and_kind,
];

/// What a pass did, over all rounds in which it ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PassStatistics {
    /// The name of the pass.
    pub pass: &'static str,
    /// The number of changes that the pass tried, counted as if one thread had tried them in order.
    /// If the search was stopped, the rest of the current list counts as tried.
    pub tried: u64,
    /// The number of changes that were made.
    pub accepted: u64,
    /// The number of operations of the program when the pass first began.
    pub operations_before: usize,
    /// The number of operations of the program when the pass last ended. Other passes may have
    /// removed operations in between.
    pub operations_after: usize,
    /// The number of operations that the pass itself removed.
    pub operations_removed: usize,
}

/// How a search ended.
#[derive(Debug, Default)]
pub struct PassesEnded {
    /// The number of changes tried in the last round, in which none was accepted; `None` if the
    /// search was stopped.
    pub last_round: Option<u64>,
    /// The passes that ran, in the order in which they first ran.
    pub passes: Vec<PassStatistics>,
}

/// Makes `best` as small as possible.
pub fn minimize<P: Predicate, F: Fn() -> P + Sync>(
    search: &mut Search<'_, P, F>,
    best: &mut Best,
) -> PassesEnded {
    let mut ended = PassesEnded::default();
    'again: loop {
        let start = search.tests;
        let mut changed = false;
        for pass in CHEAP {
            changed |= exhaust(search, best, pass, &mut ended.passes);
        }
        if search.is_stopped() {
            return ended;
        }
        if changed {
            continue;
        }
        for pass in COSTLY {
            if exhaust(search, best, pass, &mut ended.passes) {
                continue 'again;
            }
        }
        ended.last_round = (!search.is_stopped()).then_some(search.tests - start);
        return ended;
    }
}

/// Makes all changes of one pass that the predicate accepts, in one go through its list. Returns
/// true if a change was made.
fn exhaust<P: Predicate, F: Fn() -> P + Sync>(
    search: &mut Search<'_, P, F>,
    best: &mut Best,
    pass: &Pass,
    all: &mut Vec<PassStatistics>,
) -> bool {
    let (tests, operations) = (search.tests, best.program.ops.len());
    let (mut changes, mut next, mut accepted) = ((pass.changes)(best), 0, 0);
    while let Some((index, better)) = search.first(best, &changes, next) {
        *best = better;
        changes = (pass.changes)(best);
        next = index.min(changes.len());
        accepted += 1;
    }
    let at = all.iter().position(|known| known.pass == pass.name);
    let at = at.unwrap_or_else(|| {
        all.push(PassStatistics {
            pass: pass.name,
            tried: 0,
            accepted: 0,
            operations_before: operations,
            operations_after: operations,
            operations_removed: 0,
        });
        all.len() - 1
    });
    let statistics = &mut all[at];
    statistics.tried += search.tests - tests;
    statistics.accepted += accepted;
    statistics.operations_after = best.program.ops.len();
    statistics.operations_removed += operations - best.program.ops.len();
    accepted > 0
}

/// Removes everything after the last operation that was started.
fn never_started(best: &Best) -> Changes {
    let (started, all) = (best.started(), best.program.ops.len());
    if started < all {
        vec![vec![Edit::Remove(started..all)]]
    } else {
        Vec::new()
    }
}

/// Ranges of `count` items: all, halves, quarters, and so on down to single ones, each from the
/// back.
fn chunks(count: usize) -> impl Iterator<Item = Range<usize>> {
    let sizes = std::iter::successors(Some(count), |size| (*size > 1).then_some(size.div_ceil(2)));
    sizes.filter(|size| *size > 0).flat_map(move |size| {
        let ends = (0..count).rev().step_by(size);
        ends.map(move |last| (last + 1).saturating_sub(size)..last + 1)
    })
}

fn preemption_chunks(best: &Best) -> Changes {
    let ranges = chunks(best.program.preemptions.len());
    ranges
        .map(|range| vec![Edit::DropPreemptions(range)])
        .collect()
}

fn operation_chunks(best: &Best) -> Changes {
    let ranges = chunks(best.program.ops.len());
    ranges.map(|range| vec![Edit::Remove(range)]).collect()
}

/// Removes a thread with its operations, or gives them to another thread.
fn threads(best: &Best) -> Changes {
    let Program { threads, ops, .. } = &best.program;
    let mut changes = Vec::new();
    for thread in (0..*threads).rev().filter(|_| *threads > 1) {
        let into = (0..*threads).filter(|into| *into != thread);
        let mine = (0..ops.len()).filter(|i| ops[*i].thread == thread);
        let mut change: Vec<Edit> = mine.map(|i| Edit::Remove(i..i + 1)).collect();
        change.push(Edit::RemoveThread {
            thread,
            into: u8::from(thread == 0),
        });
        changes.push(change);
        changes.extend(into.map(|into| vec![Edit::RemoveThread { thread, into }]));
    }
    changes
}

fn geometry(best: &Best) -> Changes {
    let smaller = smaller_geometry(best.program.geometry);
    let smaller = smaller.map(|geometry| vec![Edit::Geometry(geometry)]);
    let without = (best.program.thp != Thp::Never).then(|| vec![Edit::Thp(Thp::Never)]);
    smaller.into_iter().chain(without).collect()
}

/// The values that operands of one type have.
fn values_of(program: &Program, kind: OperandKind) -> BTreeSet<u8> {
    let ops = program.ops.iter();
    let operands = ops.flat_map(|step| {
        let params = step.op.kind().params().iter();
        params.zip(step.op.operand_bytes())
    });
    let mine = operands.filter(|(param, _)| param.kind == kind);
    mine.map(|(_, byte)| byte).collect()
}

/// Smaller bytes to try instead of `byte`: 0, the half, and one less.
fn smaller(byte: u8) -> impl Iterator<Item = u8> {
    let tries = [
        (byte > 0).then_some(0),
        (byte > 3).then_some(byte / 2),
        (byte > 1).then(|| byte - 1),
    ];
    tries.into_iter().flatten()
}

/// Replaces a value in the whole program by a smaller one, or lowers all values of a type by the
/// same number. So operations that name the same process, address or device still do.
fn values(best: &Best) -> Changes {
    let mut changes = Vec::new();
    for kind in OperandKind::ALL.iter().copied() {
        let values = values_of(&best.program, kind);
        let least = values.first().copied().unwrap_or(0);
        changes.extend(smaller(least).map(|to| {
            let by = least - to;
            vec![Edit::Lower { kind, by }]
        }));
        for from in values.into_iter().rev() {
            changes.extend(smaller(from).map(|to| vec![Edit::Everywhere { kind, from, to }]));
        }
    }
    changes
}

/// Replaces one operand at a time.
fn operands(best: &Best) -> Changes {
    let mut changes = Vec::new();
    for (i, step) in best.program.ops.iter().enumerate() {
        let (kind, bytes) = (step.op.kind(), step.op.operand_bytes());
        for operand in 0..kind.params().len() {
            changes.extend(smaller(bytes[operand]).map(|byte| {
                let mut bytes = bytes;
                bytes[operand] = byte;
                vec![Edit::Op(i, Op::from_operand_bytes(kind, bytes))]
            }));
        }
    }
    changes
}

/// Replaces an operation by an operation of an earlier row of the table.
fn kinds(best: &Best) -> Changes {
    let ops = best.program.ops.iter().enumerate();
    ops.flat_map(|(i, step)| others(i, step.op, step.op.kind().number().into()))
        .collect()
}

/// The changes that replace operation `i`, `op`, by an operation of one of the table's first `rows`
/// rows.
fn others(i: usize, op: Op, rows: usize) -> impl Iterator<Item = Vec<Edit>> {
    let rows = OpKind::ALL.iter().take(rows);
    let kinds = rows.copied().filter(move |kind| *kind != op.kind());
    kinds.flat_map(move |kind| {
        let (least, most) = (recast(op, kind, 0), recast(op, kind, u8::MAX));
        let different = (most != least).then_some(most);
        let ops = std::iter::once(least).chain(different);
        ops.map(move |op| vec![Edit::Op(i, op)])
    })
}

/// Moves an operation to an earlier thread, or exchanges the names of two threads.
fn thread_names(best: &Best) -> Changes {
    let Program { threads, ops, .. } = &best.program;
    let names = (1..*threads).flat_map(|b| (0..b).map(move |a| vec![Edit::ExchangeThreads(a, b)]));
    let ops = ops.iter().enumerate();
    let single = ops.flat_map(|(i, step)| (0..step.thread).map(move |t| vec![Edit::Thread(i, t)]));
    names.chain(single).collect()
}

/// Moves a preemption to an earlier point, or to an earlier thread.
fn preemption_points(best: &Best) -> Changes {
    let mut changes = Vec::new();
    for (i, Preemption { at, to }) in best.program.preemptions.iter().copied().enumerate() {
        let earlier = [0, at / 2, at - at / 4, at.saturating_sub(1)];
        changes.extend(earlier.map(|at| vec![Edit::Preempt(i, Preemption { at, to })]));
        changes.extend((0..to).map(|to| vec![Edit::Preempt(i, Preemption { at, to })]));
    }
    changes
}

/// Removes two operations at once, neighbours or not. Often one of them undoes the other.
fn two_operations(best: &Best) -> Changes {
    let count = best.program.ops.len();
    if count > MAX_OPS_PAIRS {
        return Vec::new();
    }
    let pairs = (1..count).rev().flat_map(|b| (0..b).map(move |a| [a, b]));
    pairs.map(|pair| removed(&pair)).collect()
}

fn three_operations(best: &Best) -> Changes {
    let count = best.program.ops.len();
    if count > MAX_OPS_COSTLY {
        return Vec::new();
    }
    let pairs = (1..count).rev().flat_map(|b| (0..b).map(move |a| (a, b)));
    let triples = pairs.flat_map(|(a, b)| (b + 1..count).map(move |c| [a, b, c]));
    triples.map(|triple| removed(&triple)).collect()
}

fn removed(ops: &[usize]) -> Vec<Edit> {
    ops.iter().map(|i| Edit::Remove(*i..i + 1)).collect()
}

/// Removes an operation and moves a preemption to any point of the run.
fn operation_and_preemption(best: &Best) -> Changes {
    let program = &best.program;
    if program.ops.len() > MAX_OPS_COSTLY {
        return Vec::new();
    }
    let points = u16::try_from(best.points()).unwrap_or(u16::MAX);
    let mut changes = Vec::new();
    for op in (0..program.ops.len()).rev() {
        for (i, Preemption { to, .. }) in program.preemptions.iter().copied().enumerate() {
            changes.extend((0..points).map(|at| {
                let moved = Edit::Preempt(i, Preemption { at, to });
                vec![Edit::Remove(op..op + 1), moved]
            }));
        }
    }
    changes
}

/// Removes an operation while an operand of another operation changes: to the least or the greatest
/// value of its type, or to a value that operands of its type have elsewhere in the program.
fn operation_and_operand(best: &Best) -> Changes {
    let ops = &best.program.ops;
    if ops.len() > MAX_OPS_COSTLY {
        return Vec::new();
    }
    let mut changes = Vec::new();
    for (i, step) in ops.iter().enumerate() {
        let (kind, bytes) = (step.op.kind(), step.op.operand_bytes());
        for (operand, param) in kind.params().iter().enumerate() {
            let mut values = values_of(&best.program, param.kind);
            values.extend([0, (param.kind.count() - 1) as u8]);
            for byte in values.into_iter().filter(|byte| *byte != bytes[operand]) {
                let mut bytes = bytes;
                bytes[operand] = byte;
                let changed = Op::from_operand_bytes(kind, bytes);
                let gone = (0..ops.len()).rev().filter(|gone| *gone != i);
                changes.extend(
                    gone.map(|gone| vec![Edit::Op(i, changed), Edit::Remove(gone..gone + 1)]),
                );
            }
        }
    }
    changes
}

/// Removes an operation while another operation is replaced by one that may serve for both.
fn operation_and_kind(best: &Best) -> Changes {
    let count = best.program.ops.len();
    if count > MAX_OPS_COSTLY {
        return Vec::new();
    }
    with_another_kind(best, (0..count).rev().map(|gone| vec![gone]))
}

/// Removes two operations while a third is replaced by one that may serve for all three.
fn two_operations_and_kind(best: &Best) -> Changes {
    let count = best.program.ops.len();
    if count > MAX_OPS_COSTLIEST {
        return Vec::new();
    }
    let pairs = (1..count)
        .rev()
        .flat_map(|b| (0..b).map(move |a| vec![a, b]));
    with_another_kind(best, pairs)
}

/// Removes operations while another operation is replaced.
fn with_another_kind(best: &Best, gone: impl Iterator<Item = Vec<usize>>) -> Changes {
    let mut changes = Vec::new();
    for gone in gone {
        let ops = best.program.ops.iter().enumerate();
        for (i, step) in ops.filter(|(i, _)| !gone.contains(i)) {
            changes.extend(others(i, step.op, OpKind::COUNT).map(|mut change| {
                change.extend(removed(&gone));
                change
            }));
        }
    }
    changes
}
