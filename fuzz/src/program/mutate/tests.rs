//! Mutated programs stay canonical and within limits, and each mutation has an effect.

use std::collections::HashSet;

use super::super::generate::random_program;
use super::*;
use crate::program::MAX_OPS;

#[test]
fn mutants_are_canonical_within_limits_and_different() {
    let mut rng = Rng::with_seed(11);
    for limits in [
        Limits::OPS,
        Limits::RACES,
        Limits::new(5, 1, 3),
        Limits::new(1, 4, 4),
    ] {
        let mut same = 0;
        for _ in 0..4_000 {
            let mut program = random_program(Limits::new(64, 1, 4), &mut rng);
            limits.apply(&mut program);
            let before = program.clone();
            mutate(&mut program, limits, &mut rng);
            assert!(program.is_canonical());
            assert!(program.ops.len() <= limits.max_ops());
            assert!(limits.thread_range().contains(&program.threads));
            same += usize::from(program == before);
        }
        assert!(same < 40, "a mutation changes something: {same} did not");
    }
}

#[test]
fn no_room_is_no_trouble() {
    let mut rng = Rng::with_seed(12);
    let mut program = random_program(Limits::RACES, &mut rng);
    for _ in 0..200 {
        mutate(&mut program, Limits::new(0, 1, 1), &mut rng);
        assert!(program.ops.is_empty() && program.preemptions.is_empty() && program.threads == 1);
    }
}

#[test]
fn each_mutation_applies_and_keeps_its_word() {
    let mut rng = Rng::with_seed(13);
    let limits = Limits::new(40, 1, 4);
    for (number, (weight, mutation)) in MUTATIONS.iter().enumerate() {
        assert!(*weight > 0);
        let mut applied = 0;
        for _ in 0..600 {
            let mut program = random_program(limits, &mut rng);
            let before = program.clone();
            if mutation(&mut program, &limits, &mut rng) {
                applied += 1;
                assert!(program.ops.len() <= limits.max_ops());
            } else if program.preemptions == before.preemptions {
                assert_eq!(
                    program, before,
                    "mutation {number} did something and said that it did not"
                );
            }
            assert!(program.is_canonical(), "mutation {number}");
        }
        assert!(applied > 60, "mutation {number} applied {applied} times");
    }
}

#[test]
fn a_seed_repeats_a_mutation() {
    let start = random_program(Limits::RACES, &mut Rng::with_seed(14));
    for seed in 0..200 {
        let [one, other] = [0, 1].map(|_| {
            let mut program = start.clone();
            mutate(&mut program, Limits::RACES, &mut Rng::with_seed(seed));
            program
        });
        assert_eq!(one, other);
    }
}

#[test]
fn change_of_kind_keeps_shared_operands() {
    let mut rng = Rng::with_seed(15);
    for _ in 0..2_000 {
        let mut program = Program::default();
        insert::insert_op(&mut program, &Limits::OPS, &mut rng);
        let old = program.ops[0].op;
        change_kind(&mut program, &Limits::OPS, &mut rng);
        let new = program.ops[0].op;
        let of = |op: Op, kind: OperandKind| {
            let index = op
                .kind()
                .params()
                .iter()
                .position(|param| param.kind == kind)?;
            Some(op.operand_bytes()[index])
        };
        for &kind in OperandKind::ALL {
            if let (Some(old), Some(new)) = (of(old, kind), of(new, kind)) {
                assert_eq!(old, new, "{kind:?}");
            }
        }
    }
}

#[test]
fn children_of_two_are_canonical_and_made_of_both() {
    let mut rng = Rng::with_seed(16);
    let (mut from_both, mut most) = (0, 0);
    for _ in 0..2_000 {
        let [a, b] = [0, 1].map(|_| random_program(Limits::new(200, 1, 4), &mut rng));
        let child = crossover(&a, &b, Limits::RACES, &mut rng);
        assert!(child.is_canonical() && child.ops.len() <= MAX_OPS);
        let ops = |program: &Program| {
            program
                .ops
                .iter()
                .map(|step| step.op)
                .collect::<HashSet<Op>>()
        };
        let (a, b, child) = (ops(&a), ops(&b), ops(&child));
        assert!(child.iter().all(|op| a.contains(op) || b.contains(op)));
        from_both += usize::from(!child.is_subset(&a) && !child.is_subset(&b));
        most = most.max(child.len());
    }
    assert!(from_both > 500 && most > 100, "{from_both} {most}");
}
