//! Every byte string decodes, and the encoder is canonical.

use super::super::operand::*;
use super::*;

fn random_bytes(rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..rng.usize(0..2_000)).map(|_| rng.u8(..)).collect();
    if rng.bool() && bytes.len() > 2 {
        // A valid header, and sometimes preemptions at the same scheduling point.
        bytes[..2].copy_from_slice(&[VERSION, rng.u8(0..8)]);
        for record in bytes[2..].chunks_exact_mut(RECORD_BYTES) {
            if rng.u8(0..8) == 0 {
                record.copy_from_slice(&[rng.u8(0xf0..), rng.u8(..), rng.u8(0..40), 0, rng.u8(..)]);
            }
        }
    }
    bytes
}

#[test]
fn every_byte_string_decodes_to_a_canonical_program() {
    let mut rng = fastrand::Rng::with_seed(5);
    let mut reused = Program::default();
    for _ in 0..3_000 {
        let bytes = random_bytes(&mut rng);
        let program = decode(&bytes);
        assert!(program.is_canonical());
        decode_into(&bytes, &mut reused);
        assert_eq!(
            reused, program,
            "what was in the program before leaves no trace"
        );
        let encoded = encode(&program);
        assert!(encoded.len() <= MAX_BYTES && encoded.len() == encoded_len(&program));
        assert_eq!(decode(&encoded), program);
        assert_eq!(encode(&decode(&encoded)), encoded);
        assert_eq!(check(&encoded), Ok(()));
        assert_eq!(check(&bytes).is_ok(), encoded == bytes);
    }
}

#[test]
fn every_single_record_decodes() {
    for kind in 0..=u8::MAX {
        for fill in [0x00, 0x5a, 0xa5, 0xff] {
            let program = decode(&[VERSION, 7, kind, fill, fill, fill, fill]);
            assert_eq!(program.preemptions.len(), usize::from(kind >= 0xf0));
            assert_eq!(program.ops.len(), usize::from(kind < 0xf0));
            assert_eq!(decode(&encode(&program)), program);
        }
    }
}

#[test]
fn short_strings() {
    for bytes in [
        &[][..],
        &[0],
        &[1],
        &[99],
        &[1, 0],
        &[7, 0],
        &[1, 0, 6, 0, 4, 0],
    ] {
        assert_eq!(decode(bytes), Program::default(), "{bytes:?}");
    }
    assert_eq!(encode(&Program::default()), [VERSION, 0]);
}

#[test]
fn two_bits_of_the_header_say_when_faults_map_huge_pages() {
    let thp = |header| decode(&[VERSION, header]).thp;
    let read = [0, 8, 16, 24].map(thp);
    assert_eq!(read, [Thp::Never, Thp::Always, Thp::Madvise, Thp::Always]);
    for thp in read {
        let program = Program {
            thp,
            ..Program::default()
        };
        assert_eq!(decode(&encode(&program)), program);
    }
}

#[test]
fn bytes_of_a_known_program() {
    let program = Program {
        geometry: Geometry::X86_64,
        thp: Thp::Always,
        threads: 3,
        ops: vec![
            Step {
                thread: 2,
                op: Op::Migrate {
                    proc: Proc::new(5),
                    addr: Addr::new(4),
                    len: Len::new(8),
                    dev: Dev::new(1),
                    skip: Skip::new(5),
                },
            },
            Step {
                thread: 0,
                op: Op::Put {
                    held: RefSlot::new(3),
                },
            },
        ],
        preemptions: vec![Preemption { at: 0x0102, to: 1 }],
    };
    let bytes = [
        1,
        0b1101,
        0xf0,
        1,
        0x02,
        0x01,
        0,
        8,
        0x80 | 1 << 3 | 5, // thread 2, device 1, process 5
        4,
        7,
        5,
        20,
        0,
        3,
        0,
        0,
    ];
    assert_eq!(encode(&program), bytes);
    assert_eq!(decode(&bytes), program);
}

#[test]
fn excess_records_are_ignored() {
    let op = [6, 0, 4, 0, 0];
    let mut bytes = vec![VERSION, 0b010];
    bytes.extend(op.repeat(MAX_OPS + 3));
    for at in 0..=MAX_PREEMPTIONS as u8 {
        bytes.extend([0xff, 1, 200 - at, 0, 0]);
    }
    let program = decode(&bytes);
    assert_eq!(
        (program.ops.len(), program.preemptions.len()),
        (MAX_OPS, MAX_PREEMPTIONS)
    );
    assert_eq!(
        program.preemptions.last().map(|last| last.at),
        Some(200),
        "the first ones stay"
    );
    assert_eq!(encode(&program).len(), MAX_BYTES);
    assert_eq!(
        check(&bytes),
        Err(WireError::TooManyOps {
            offset: 2 + 5 * MAX_OPS
        })
    );
}

#[test]
fn check_says_what_is_wrong() {
    let good = [1, 0, 6, 0, 4, 0, 0];
    assert_eq!(check(&good), Ok(()));
    let message = |bytes: &[u8]| check(bytes).map_err(|error| error.to_string()).unwrap_err();
    assert_eq!(
        message(&[]),
        "offset 0: the file ends within the header: 0 of 2 bytes"
    );
    assert_eq!(
        message(&good[..5]),
        "offset 2: the last record is truncated: 3 of 5 bytes"
    );
    assert_eq!(
        message(&[9, 0]),
        "offset 0: version 9 is unknown: this build writes version 1"
    );
    assert!(message(&[1, 0x80]).starts_with("offset 1: header byte 0x80 has bits outside 0x1f"));
    assert!(
        message(&[1, 0, 0x77, 0, 0, 0, 0]).starts_with("offset 2: record kind 0x77 is unknown")
    );
    assert!(message(&[1, 0, 6, 0, 40, 0, 0]).starts_with("offset 4: readable, but not canonical"));
    assert!(
        message(&[1, 0, 0xf0, 0, 0, 0, 0]).starts_with("offset 2: readable, but not canonical")
    );
}

/// Four operands in `b`, `c` and `d` have six bits each, lowest first; `how` takes the bits of the
/// device.
#[test]
fn bytes_of_an_operation_with_four_operands() {
    let program: Program = "mremap p5 31 32 1 2 dontunmap".parse().expect("a program");
    let own: u32 = 31 | 31 << 6 | 1 << 12 | 1 << 18;
    let [b, c, d, _] = own.to_le_bytes();
    let bytes = [1, 0, 34, 0b10_101, b, c, d];
    assert_eq!(encode(&program), bytes);
    assert_eq!(decode(&bytes), program);
    // each wraps around on its own
    let wrapped = (31 | 32) | (31 | 32) << 6 | (1 | 32) << 12 | (1 | 32) << 18;
    let [b, c, d, _] = u32::to_le_bytes(wrapped);
    assert_eq!(decode(&[1, 0, 34, 0b10_101, b, c, d]), program);
    let fixed = decode(&[1, 0, 34, 0b01_000, 0, 0, 0]).to_string();
    assert_eq!(fixed, "mremap p0 0 1 0 1 fixed\n");
    assert_eq!(
        decode(&[1, 0, 34, 0b11_000, 0, 0, 0]).to_string(),
        fixed.replace("fixed", "stay")
    );
}

/// A version that never existed: the header follows the records, and each record is reversed.
fn decode_other(bytes: &[u8]) -> Program {
    let (records, header) = bytes[1..].split_at(bytes.len() - 2);
    let mut now = vec![VERSION, header[0]];
    for record in records.chunks(RECORD_BYTES) {
        now.extend(record.iter().rev());
    }
    decode(&now)
}

fn encode_other(program: &Program) -> Vec<u8> {
    let now = encode(program);
    let mut bytes = vec![0xee];
    for record in now[HEADER_BYTES..].chunks(RECORD_BYTES) {
        bytes.extend(record.iter().rev());
    }
    bytes.push(now[1]);
    bytes
}

#[test]
fn a_corpus_survives_a_new_version() {
    let versions = [VERSIONS, &[(0xee, decode_other)]].concat();
    for seed in 0..500 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let limits = super::super::mutate::Limits::RACES;
        let program = super::super::generate::random_program(limits, &mut rng);
        let other = encode_other(&program);
        assert_eq!(decode_by(&other, &versions), program);
        assert_eq!(
            decode_by(&encode(&program), &versions),
            program,
            "and the current one"
        );
        assert_eq!(
            decode_any_version(&other),
            decode(&other),
            "it is no version"
        );
    }
}

#[test]
fn every_version_up_to_the_current_one_can_be_read() {
    let versions: Vec<u8> = VERSIONS.iter().map(|(version, _)| *version).collect();
    assert_eq!(versions, (1..=VERSION).collect::<Vec<u8>>());
}
