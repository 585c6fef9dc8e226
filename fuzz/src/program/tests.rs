//! Properties of a program as a value, and helpers that the tests of the forms share.

use super::*;

/// A value with every mistake that public fields allow.
pub(super) fn arbitrary_value(rng: &mut fastrand::Rng) -> Program {
    let bytes: Vec<u8> = (0..rng.usize(0..400)).map(|_| rng.u8(..)).collect();
    let mut program = wire::decode(&bytes);
    program.threads = rng.u8(..);
    for step in &mut program.ops {
        step.thread = rng.u8(..);
    }
    let points = if rng.bool() { 8 } else { u16::MAX };
    program.preemptions = (0..rng.usize(0..64))
        .map(|_| Preemption {
            at: rng.u16(0..points),
            to: rng.u8(..),
        })
        .collect();
    if rng.u8(0..8) == 0 {
        program.ops = program
            .ops
            .iter()
            .cycle()
            .take(program.ops.len() * 16)
            .copied()
            .collect();
    }
    program
}

#[test]
fn normalize_makes_canonical_and_keeps_canonical() {
    let mut rng = fastrand::Rng::with_seed(2);
    for _ in 0..2_000 {
        let mut program = arbitrary_value(&mut rng);
        let was_canonical = program.is_canonical();
        let before = program.clone();
        program.normalize();
        assert!(program.is_canonical());
        assert_eq!(was_canonical, program == before);
        let once = program.clone();
        program.normalize();
        assert_eq!(program, once);
    }
}

#[test]
fn forms_agree_on_any_value() {
    let mut rng = fastrand::Rng::with_seed(3);
    for _ in 0..2_000 {
        let program = arbitrary_value(&mut rng);
        let mut canonical = program.clone();
        canonical.normalize();
        assert_eq!(wire::decode(&wire::encode(&program)), canonical);
        assert_eq!(text::parse(&text::print(&program)), Ok(canonical));
    }
}

#[test]
fn the_first_preemption_of_a_point_wins() {
    let mut program = Program {
        threads: 3,
        ..Program::default()
    };
    program.preemptions = [(7, 1), (2, 5), (7, 2)]
        .map(|(at, to)| Preemption { at, to })
        .to_vec();
    program.normalize();
    assert_eq!(
        program.preemptions,
        [Preemption { at: 2, to: 2 }, Preemption { at: 7, to: 1 }]
    );
    program.threads = 1;
    program.normalize();
    assert!(program.preemptions.is_empty());
}
