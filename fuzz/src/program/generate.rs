//! Random operations and random programs.
//!
//! A uniform choice would waste most programs on unmapped addresses. So a program mostly starts
//! with `mmap` and `write`, stays in a small part of the address window, and reuses operands.

use std::convert::Infallible;

use fastrand::Rng;

use super::limits::Limits;
use super::op::{Op, OpKind, Source};
use super::operand::{Operand, OperandKind, Prot};
use super::{Geometry, Preemption, Program, Step, Thp, insert_preemption};

/// Number of steps at the start of a program that are drawn with the early weights.
const EARLY_STEPS: usize = 3;

/// A random operation for position `at` of a program.
#[must_use]
pub fn random_op(program: &Program, at: usize, rng: &mut Rng) -> Op {
    let kind = random_kind(at < EARLY_STEPS, rng);
    let Ok(mut op) = Op::build(kind, &mut RandomOperands { kind, program, rng });
    if let Op::Mremap {
        addr,
        len,
        to,
        newlen,
        ..
    } = &mut op
    {
        if rng.u8(0..4) != 0 {
            // most moves keep the length; MREMAP_DONTUNMAP must
            *newlen = *len;
        }
        if rng.u8(0..4) == 0 {
            // next to pages in use, where VMAs merge
            let near = used_operand(OperandKind::Addr, program, rng).unwrap_or(addr.byte());
            *to = Operand::from_byte(neighbour(near, program, rng));
        }
    }
    op
}

/// A random operation for position `at` of a program, with the thread that runs it.
#[must_use]
pub fn random_step(program: &Program, at: usize, rng: &mut Rng) -> Step {
    Step {
        thread: rng.u8(0..program.threads.max(1)),
        op: random_op(program, at, rng),
    }
}

/// A random canonical program within the limits.
#[must_use]
pub fn random_program(limits: Limits, rng: &mut Rng) -> Program {
    let mut program = Program::default();
    if rng.u8(0..8) == 0 {
        program.geometry = Geometry::X86_64;
    }
    program.threads = rng.u8(limits.thread_range());
    // Short programs are easier to understand and run faster.
    let most = rng.usize(0..=limits.max_ops());
    let len = rng.usize(0..=most);
    for at in 0..len {
        let step = random_step(&program, at, rng);
        program.ops.push(step);
    }
    if program.threads > 1 {
        for _ in 0..rng.usize(0..=4) {
            let preemption = random_preemption(&program, rng);
            insert_preemption(&mut program.preemptions, preemption);
        }
    }
    program
}

/// A random preemption, more often early in the run than late.
#[must_use]
pub fn random_preemption(program: &Program, rng: &mut Rng) -> Preemption {
    let bits = if rng.u8(0..8) == 0 {
        rng.u32(8..=u16::BITS)
    } else {
        rng.u32(2..=8)
    };
    let at = rng.u16(0..=u16::MAX >> (u16::BITS - bits));
    Preemption {
        at,
        to: rng.u8(0..program.threads.max(1)),
    }
}

fn random_kind(is_early: bool, rng: &mut Rng) -> OpKind {
    const TOTALS: (u32, u32) = {
        let (mut totals, mut number) = ((0, 0), 0);
        while number < OpKind::COUNT {
            let (early, late) = OpKind::ALL[number].weights();
            totals = (totals.0 + early, totals.1 + late);
            number += 1;
        }
        totals
    };
    let mut draw = rng.u32(0..if is_early { TOTALS.0 } else { TOTALS.1 });
    for &kind in OpKind::ALL {
        let (early, late) = kind.weights();
        let weight = if is_early { early } else { late };
        if draw < weight {
            return kind;
        }
        draw -= weight;
    }
    OpKind::Mmap
}

/// Random operands for an operation of a program.
struct RandomOperands<'a> {
    kind: OpKind,
    program: &'a Program,
    rng: &'a mut Rng,
}

impl Source for RandomOperands<'_> {
    type Error = Infallible;

    fn operand<T: Operand>(&mut self) -> Result<T, Infallible> {
        Ok(T::from_byte(random_operand(
            self.kind,
            T::KIND,
            self.program,
            self.rng,
        )))
    }
}

/// The index of a random operation, if there is one.
pub(super) fn pick(program: &Program, rng: &mut Rng) -> Option<usize> {
    (!program.ops.is_empty()).then(|| rng.usize(..program.ops.len()))
}

/// The byte of a random operand of type `operand` for an operation. The value is new, or the
/// program uses it already. An address may also lie before or after one that the program uses.
pub(super) fn random_operand(
    kind: OpKind,
    operand: OperandKind,
    program: &Program,
    rng: &mut Rng,
) -> u8 {
    if kind == OpKind::Mmap && operand == OperandKind::Prot && rng.u8(0..8) != 0 {
        return Prot::ReadWrite.byte();
    }
    let used = rng.bool().then(|| used_operand(operand, program, rng));
    match used.flatten() {
        Some(byte) if operand == OperandKind::Addr && rng.u8(0..4) == 0 => {
            neighbour(byte, program, rng)
        }
        Some(byte) => byte,
        None if program.thp != Thp::Never && rng.bool() => huge_operand(operand, rng),
        None => fresh_operand(operand, rng),
    }
}

/// The byte of an operand for a program with huge pages. Ranges begin where a huge page can begin,
/// and are one huge page, two, or half of one long.
fn huge_operand(operand: OperandKind, rng: &mut Rng) -> u8 {
    const HUGE: u8 = 8;
    match operand {
        OperandKind::Addr => rng.u8(0..3) * HUGE,
        OperandKind::Len => match rng.u8(0..8) {
            0..=5 => HUGE - 1,
            6 => 2 * HUGE - 1,
            _ => HUGE / 2 - 1,
        },
        _ => fresh_operand(operand, rng),
    }
}

/// The byte of a page before or after `addr`. The distance is one page, or the length of a range
/// that the program uses: there VMAs merge, and ranges end.
fn neighbour(addr: u8, program: &Program, rng: &mut Rng) -> u8 {
    let pages = OperandKind::Addr.count();
    let len = match rng.u8(0..4) {
        0 | 1 => 1,
        _ => u16::from(used_operand(OperandKind::Len, program, rng).unwrap_or(0)) + 1,
    };
    let forward = if rng.bool() { len } else { pages - len % pages };
    ((u16::from(addr) + forward) % pages) as u8
}

/// The byte of an operand of type `operand` that the program uses. Looks at eight operations from a
/// random place on; `None` if none of them has such an operand.
pub(super) fn used_operand(operand: OperandKind, program: &Program, rng: &mut Rng) -> Option<u8> {
    const LOOK: usize = 8;
    if program.ops.is_empty() {
        return None;
    }
    let start = rng.usize(..program.ops.len());
    let around = program.ops[start..]
        .iter()
        .chain(&program.ops[..start])
        .take(LOOK);
    for Step { op, .. } in around {
        let params = op.kind().params();
        if let Some(index) = params.iter().position(|param| param.kind == operand) {
            return op.operand_bytes().get(index).copied();
        }
    }
    None
}

/// The byte of an operand, independent of the program.
fn fresh_operand(operand: OperandKind, rng: &mut Rng) -> u8 {
    let any = |rng: &mut Rng| (rng.u16(0..operand.count())) as u8;
    match operand {
        // The first eight pages of the window, which fill a table of the tiny geometry; or the
        // pages from just before the end of that table to just after the middle of the window,
        // where an upper table ends; or any page.
        OperandKind::Addr => match rng.u8(0..8) {
            0..=4 => rng.u8(0..8),
            5..=6 => rng.u8(6..18),
            _ => any(rng),
        },
        OperandKind::Len => match rng.u8(0..8) {
            0..=3 => 0,
            4..=5 => rng.u8(1..4),
            6 => rng.u8(4..9),
            _ => any(rng),
        },
        OperandKind::Proc
        | OperandKind::RefSlot
        | OperandKind::MigrationSlot
        | OperandKind::LockSlot => match rng.u8(0..8) {
            0..=3 => 0,
            4..=6 => rng.u8(0..3),
            _ => any(rng),
        },
        OperandKind::Skip => match rng.u8(0..8) {
            0..=4 => 0,
            5..=6 => 1 << rng.u8(0..8),
            _ => any(rng),
        },
        OperandKind::Nth => {
            let bits = rng.u8(0..=5);
            rng.u8(0..1 << bits)
        }
        OperandKind::Dev
        | OperandKind::Prot
        | OperandKind::Access
        | OperandKind::OnOff
        | OperandKind::Toward
        | OperandKind::How
        | OperandKind::AllocKind => any(rng),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn random_programs_are_canonical_and_within_limits() {
        let mut rng = fastrand::Rng::with_seed(8);
        for limits in [
            Limits::OPS,
            Limits::RACES,
            Limits::new(0, 0, 0),
            Limits::new(9999, 9, 9),
        ] {
            for _ in 0..500 {
                let program = random_program(limits, &mut rng);
                assert!(program.is_canonical());
                assert!(program.ops.len() <= limits.max_ops());
                assert!(limits.thread_range().contains(&program.threads));
            }
        }
    }

    #[test]
    fn every_operation_and_every_operand_byte_comes_up() {
        let mut rng = fastrand::Rng::with_seed(9);
        let empty = Program::default();
        for at in [0, EARLY_STEPS] {
            let kinds: HashSet<OpKind> = (0..5_000)
                .map(|_| random_op(&empty, at, &mut rng).kind())
                .collect();
            assert_eq!(kinds.len(), OpKind::COUNT);
        }
        for &operand in OperandKind::ALL {
            let bytes: HashSet<u8> = (0..20_000)
                .map(|_| fresh_operand(operand, &mut rng))
                .collect();
            assert_eq!(bytes.len(), usize::from(operand.count()), "{operand:?}");
            assert!(
                bytes.iter().all(|&byte| u16::from(byte) < operand.count()),
                "{operand:?}"
            );
        }
    }

    #[test]
    fn operands_in_use_are_taken_up() {
        let mut rng = fastrand::Rng::with_seed(20);
        let program = crate::program::text::parse("write p6 29").expect("a good program");
        let taken = (0..1_000)
            .filter(|_| random_operand(OpKind::Read, OperandKind::Addr, &program, &mut rng) == 29);
        assert!(taken.count() > 300);
    }

    #[test]
    fn programs_start_with_memory() {
        let mut rng = fastrand::Rng::with_seed(10);
        let first = |rng: &mut Rng| random_op(&Program::default(), 0, rng);
        let mapped = (0..1_000)
            .filter(|_| matches!(first(&mut rng), Op::Mmap { .. } | Op::Write { .. }))
            .count();
        assert!(mapped > 500, "{mapped}");
    }
}
