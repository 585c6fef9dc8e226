//! Mutation for engines: of byte strings, as libFuzzer's custom mutator and custom crossover, and
//! of programs.
//!
//! The result is always the canonical wire form of a program within the limits of the target. So a
//! corpus contains each program once, and no mutation is wasted on bytes that nothing reads.

use fastrand::Rng;

use super::generate::random_program;
use super::mutate::{Limits, crossover, mutate};
use super::wire::{self, HEADER_BYTES, RECORD_BYTES};
use super::{MAX_PREEMPTIONS, Op, OperandKind, Program};

/// One in this many mutations changes bytes instead of the program.
const BYTE_MUTATIONS: u8 = 8;
/// One in this many of all other mutations starts from a new random program instead of the input.
/// Random programs find some bugs long before mutation does.
const FRESH: u8 = 8;
/// Maximum number of mutations of a program in one call.
const MOST_MUTATIONS: u8 = 4;

/// Mutates the program that the first `size` bytes of `data` decode to, in place.
///
/// - `max_size`: the maximum size of the result; capped at the length of `data`.
/// - `seed`: the result depends on nothing but the arguments and the results of `byte_mutate`.
/// - `byte_mutate`: the engine's mutator of byte strings, used for one in eight seeds.
///   `byte_mutate` gets `data`, `size` and `max_size`, and returns the new size (libFuzzer:
///   `libfuzzer_sys::fuzzer_mutate`).
///
/// Returns the new size. The size is 0, and `data` is unchanged, only if `max_size` is below
/// [`HEADER_BYTES`], the length of the empty program.
pub fn mutate_wire(
    data: &mut [u8],
    size: usize,
    max_size: usize,
    seed: u32,
    limits: Limits,
    byte_mutate: impl FnOnce(&mut [u8], usize, usize) -> usize,
) -> usize {
    let max_size = max_size.min(data.len());
    let size = size.min(data.len());
    if max_size < HEADER_BYTES {
        return 0;
    }
    let mut rng = Rng::with_seed(u64::from(seed));
    let mut program = wire::decode(&data[..size]);
    let limits = limits.with_max_ops((max_size - HEADER_BYTES) / RECORD_BYTES);
    limits.apply(&mut program);
    let before = program.clone();
    if rng.u8(0..BYTE_MUTATIONS) == 0 {
        let size = byte_mutate(data, size, max_size).min(data.len());
        wire::decode_into(&data[..size], &mut program);
        limits.apply(&mut program);
        if program != before {
            return store(program, &mut data[..max_size]);
        }
        // The byte mutation changed only bytes without a meaning, so mutate the structure instead.
    }
    change(&before, &mut program, limits, &mut rng);
    store(program, &mut data[..max_size])
}

/// Mutates a program, for engines that keep programs instead of bytes: `child` becomes a mutant of
/// `parent`, in canonical form. Its wire form has at most `max_size` bytes. `max_size` must be at
/// least [`HEADER_BYTES`], and `parent` must be within `limits`. The memory of `child` is reused.
///
/// For one mutant in eight, bytes of the wire form are changed instead. ([`mutate_wire`] lets its
/// engine do this.) The result depends on nothing but the arguments.
pub fn mutate_program(
    parent: &Program,
    child: &mut Program,
    max_size: usize,
    limits: Limits,
    rng: &mut Rng,
) {
    let limits = limits.with_max_ops(records(max_size));
    copy(parent, child);
    if rng.u8(0..BYTE_MUTATIONS) == 0 {
        change_bytes(child, rng);
        limits.apply(child);
        fit(child, max_size);
        if child != parent {
            return;
        }
    }
    change(parent, child, limits, rng);
    fit(child, max_size);
}

/// The number of records for which this many bytes have room.
fn records(max_size: usize) -> usize {
    max_size.saturating_sub(HEADER_BYTES) / RECORD_BYTES
}

/// Copies a program into the memory of another.
fn copy(from: &Program, to: &mut Program) {
    (to.geometry, to.thp, to.threads) = (from.geometry, from.thp, from.threads);
    to.ops.clone_from(&from.ops);
    to.preemptions.clone_from(&from.preemptions);
}

/// Changes a few bytes of the wire form: a bit is flipped, a number moves by a little, or a byte is
/// random.
fn change_bytes(program: &mut Program, rng: &mut Rng) {
    const MOST_BYTES: u8 = 4;
    const FAR: u8 = 16;
    let mut bytes = wire::encode(program);
    for _ in 0..rng.u8(1..=MOST_BYTES) {
        let at = rng.usize(1..bytes.len());
        let byte = bytes[at];
        bytes[at] = match rng.u8(0..4) {
            0 => byte ^ (1 << rng.u8(0..8)),
            1 => byte.wrapping_add(rng.u8(1..=FAR)),
            2 => byte.wrapping_sub(rng.u8(1..=FAR)),
            _ => rng.u8(..),
        };
    }
    wire::decode_into(&bytes, program);
}

/// Makes a few mutations of `program`, or of a new random program. `before` is the program that the
/// result should differ from.
fn change(before: &Program, program: &mut Program, limits: Limits, rng: &mut Rng) {
    if rng.u8(0..FRESH) == 0 {
        *program = random_program(limits, rng);
    }
    for _ in 0..rng.u8(1..=MOST_MUTATIONS) {
        mutate(program, limits, rng);
    }
    // Two mutations can undo each other. A single mutation almost always changes the program.
    if program == before {
        mutate(program, limits, rng);
    }
    shorten_ranges(program, rng);
}

/// Shortens most long ranges. Long ranges make a program slow, and an engine that counts how often
/// code ran keeps every program with longer ranges. Eight pages are enough: the bugs show on a page
/// or two, and a table of the tiny geometry has eight entries.
fn shorten_ranges(program: &mut Program, rng: &mut Rng) {
    const SHORT: u8 = 8;
    const KEEP_ONE_IN: u8 = 64;
    for step in &mut program.ops {
        let kind = step.op.kind();
        let len = kind
            .params()
            .iter()
            .position(|param| param.kind == OperandKind::Len);
        let Some(len) = len else { continue };
        let mut bytes = step.op.operand_bytes();
        if bytes[len] >= SHORT && rng.u8(0..KEEP_ONE_IN) != 0 {
            bytes[len] %= SHORT;
            step.op = Op::from_operand_bytes(kind, bytes);
        }
    }
}

/// Decodes `a` and `b`, crosses the two programs, writes the result to `out`, and returns its size.
/// The result depends on the arguments alone. The size is 0 only if `out` is shorter than
/// [`HEADER_BYTES`].
pub fn crossover_wire(a: &[u8], b: &[u8], out: &mut [u8], seed: u32, limits: Limits) -> usize {
    if out.len() < HEADER_BYTES {
        return 0;
    }
    let mut rng = Rng::with_seed(u64::from(seed));
    let limits = limits.with_max_ops((out.len() - HEADER_BYTES) / RECORD_BYTES);
    store(
        crossover(&wire::decode(a), &wire::decode(b), limits, &mut rng),
        out,
    )
}

/// Encodes a canonical program into `out`, which has at least room for the header, and returns the
/// size. If the room does not suffice, operations at the end are dropped, then preemptions.
pub(crate) fn store(mut program: Program, out: &mut [u8]) -> usize {
    fit(&mut program, out.len());
    let bytes = wire::encode(&program);
    out[..bytes.len()].copy_from_slice(&bytes);
    bytes.len()
}

/// Drops operations at the end, then preemptions, until the wire form of a canonical program has at
/// most `max_size` bytes, or only the header.
pub fn fit(program: &mut Program, max_size: usize) {
    let records = records(max_size);
    program.preemptions.truncate(records.min(MAX_PREEMPTIONS));
    program.ops.truncate(records - program.preemptions.len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// A stand-in for the engine's mutator.
    fn scribble(data: &mut [u8], size: usize, max_size: usize) -> usize {
        let new_size = (size + 3).min(max_size);
        data[..new_size]
            .iter_mut()
            .step_by(3)
            .for_each(|byte| *byte = byte.wrapping_mul(77).wrapping_add(13));
        new_size
    }

    fn check_output(bytes: &[u8], limits: Limits) -> Program {
        assert_eq!(wire::check(bytes), Ok(()));
        let program = wire::decode(bytes);
        assert!(limits.thread_range().contains(&program.threads));
        program
    }

    #[test]
    fn some_mutations_start_anew() {
        let old = Program {
            ops: vec![
                crate::program::text::parse("dev-read d1 p7 31")
                    .expect("a good program")
                    .ops[0];
                40
            ],
            ..Program::default()
        };
        let bytes = wire::encode(&old);
        let anew = (0..2_000).filter(|seed| {
            let mut data = [0; 400];
            data[..bytes.len()].copy_from_slice(&bytes);
            let size = mutate_wire(
                &mut data,
                bytes.len(),
                400,
                *seed,
                Limits::OPS,
                |_, size, _| size,
            );
            let new = wire::decode(&data[..size]);
            !new.ops.is_empty() && !new.ops.contains(&old.ops[0])
        });
        let anew = anew.count();
        assert!((100..600).contains(&anew), "{anew}");
    }

    #[test]
    fn output_is_canonical_and_fits() {
        let mut rng = Rng::with_seed(17);
        for seed in 0..20_000 {
            let limits = if seed % 2 == 0 {
                Limits::OPS
            } else {
                Limits::RACES
            };
            let size = rng.usize(0..200);
            let max_size = rng.usize(0..200);
            let mut data: Vec<u8> = (0..size.max(max_size)).map(|_| rng.u8(..)).collect();
            let new_size = mutate_wire(&mut data, size, max_size, seed, limits, scribble);
            assert!(new_size <= max_size);
            if max_size >= HEADER_BYTES {
                check_output(&data[..new_size], limits);
            } else {
                assert_eq!(new_size, 0);
            }
        }
    }

    #[test]
    fn mutants_of_programs_are_canonical_fit_and_differ() {
        let mut rng = Rng::with_seed(20);
        let (mut parent, mut child) = (Program::default(), Program::default());
        let mut same = 0;
        for seed in 0..20_000 {
            let limits = [Limits::OPS, Limits::RACES][seed % 2];
            let max_size = rng.usize(HEADER_BYTES..200);
            limits.apply(&mut parent);
            mutate_program(&parent, &mut child, max_size, limits, &mut rng);
            let bytes = wire::encode(&child);
            assert!(bytes.len() <= max_size);
            assert_eq!(check_output(&bytes, limits), child);
            same += u32::from(child == parent);
            std::mem::swap(&mut parent, &mut child);
        }
        assert!(same < 1_000, "{same}");
    }

    #[test]
    fn sizes_that_lie_do_not_panic() {
        for (size, max_size) in [
            (0, 0),
            (99, 1),
            (99, 99),
            (usize::MAX, usize::MAX),
            (0, usize::MAX),
        ] {
            for seed in 0..100 {
                let mut data = [1, 6, 0xf0, 1, 2, 3, 4, 8, 0, 0, 0, 0];
                let new_size =
                    mutate_wire(&mut data, size, max_size, seed, Limits::RACES, |_, _, _| {
                        usize::MAX
                    });
                assert!(new_size <= data.len().min(max_size));
            }
        }
        assert_eq!(mutate_wire(&mut [], 0, 0, 1, Limits::OPS, scribble), 0);
        assert_eq!(crossover_wire(&[], &[], &mut [0], 1, Limits::OPS), 0);
    }

    #[test]
    fn a_seed_repeats_itself_and_seeds_differ() {
        let start = wire::encode(&random_program(Limits::RACES, &mut Rng::with_seed(18)));
        let run = |seed| {
            let mut data = start.clone();
            data.resize(wire::MAX_BYTES, 0);
            let size = mutate_wire(
                &mut data,
                start.len(),
                wire::MAX_BYTES,
                seed,
                Limits::RACES,
                scribble,
            );
            data.truncate(size);
            data
        };
        let results: Vec<Vec<u8>> = (0..500).map(run).collect();
        assert!((0..500).all(|seed| results[seed as usize] == run(seed)));
        let distinct: HashSet<&Vec<u8>> = results.iter().collect();
        // An eighth of the seeds go to `scribble`, which always makes the same change.
        assert!(distinct.len() > 400, "{}", distinct.len());
        assert!(!distinct.contains(&start), "the input itself is no mutant");
    }

    #[test]
    fn from_nothing_every_operation_comes_up() {
        let mut data = vec![0; 400];
        let mut size = 0;
        let mut seen = HashSet::new();
        for seed in 0..20_000 {
            size = mutate_wire(&mut data, size, 400, seed, Limits::RACES, scribble);
            let program = check_output(&data[..size], Limits::RACES);
            seen.extend(program.ops.iter().map(|step| step.op.kind()));
        }
        assert_eq!(seen.len(), super::super::OpKind::COUNT);
    }

    #[test]
    fn children_are_canonical_and_fit() {
        let mut rng = Rng::with_seed(19);
        for seed in 0..5_000 {
            let [a, b]: [Vec<u8>; 2] =
                [0, 1].map(|_| (0..rng.usize(0..300)).map(|_| rng.u8(..)).collect());
            let mut out = vec![0; rng.usize(2..300)];
            let size = crossover_wire(&a, &b, &mut out, seed, Limits::OPS);
            check_output(&out[..size], Limits::OPS);
            let mut again = vec![0xff; out.len()];
            assert_eq!(crossover_wire(&a, &b, &mut again, seed, Limits::OPS), size);
            assert_eq!(again[..size], out[..size]);
        }
    }
}
