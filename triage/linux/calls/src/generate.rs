//! Random programs and mutations. The same seed gives the same ones.

use crate::call::{Call, Step};
use crate::operand::{Advice, FileKind, MapKind, Modes, Odd, Policy, Prot, Resource};
use crate::range::Range;
use crate::{HUGE, MAX_STEPS, PAGES, Program};
use fastrand::Rng;

const PROTS: [Prot; 10] = [
    Prot::Write,
    Prot::Write,
    Prot::Write,
    Prot::Write,
    Prot::Write,
    Prot::Exec,
    Prot::All,
    Prot::Write,
    Prot::Read,
    Prot::None,
];
/// One new call in this many begins while the one before it runs, if it can.
const BESIDE: u8 = 8;
const MODES: [Modes; 7] = [
    Modes::Wp,
    Modes::Wp,
    Modes::Missing,
    Modes::Both,
    Modes::Rwp,
    Modes::Rwp,
    Modes::Minor,
];
const KINDS: [MapKind; 20] = [
    MapKind::Private,
    MapKind::Private,
    MapKind::Private,
    MapKind::Private,
    MapKind::Private,
    MapKind::Private,
    MapKind::Shared,
    MapKind::File,
    MapKind::File,
    MapKind::SharedFile,
    MapKind::SharedFile,
    MapKind::SharedTwin,
    MapKind::Hugetlb,
    MapKind::SharedHugetlb,
    MapKind::DevZero,
    MapKind::Droppable,
    MapKind::Stack,
    MapKind::Stack,
    MapKind::Shm,
    MapKind::Secret,
];
/// Offsets and lengths, many of them near the edges of huge pages, where the kernel takes different
/// paths.
const OFFSETS: [u16; 12] = [0, 0, 0, 0, 1, 2, 4, 8, 16, 256, 510, 511];
/// Limits of a scan.
const LIMITS: [u16; 4] = [1, 3, 100, HUGE];
const LENS: [u16; 11] = [1, 1, 1, 2, 4, 8, 16, 16, HUGE, 2 * HUGE, PAGES];

/// A random program.
pub fn random_program(rng: &mut Rng) -> Program {
    let mut program = Program {
        wp_async: rng.u8(0..4) == 0,
        monitor: rng.u8(0..4) == 0,
        file: file(rng),
        mthp: rng.u8(0..3) == 0,
        always: rng.u8(0..8) == 0,
        zswap: rng.u8(0..8) == 0,
        implies_exec: rng.u8(0..16) == 0,
        steps: Vec::new(),
    };
    let steps = rng.usize(4..20);
    while program.steps.len() < steps {
        insert(&mut program, rng);
    }
    mend(&mut program);
    program
}

/// The thread of a monitor needs mappings of its own, so a program with a monitor does not limit
/// them. Calls that cannot be made at once are made one after the other.
fn mend(program: &mut Program) {
    if program.monitor {
        program.steps.retain(|step| step.call != Call::MapLimit);
    }
    program.separate();
}

/// Changes a program a little. It may get steps of `other`.
pub fn mutate(program: &mut Program, other: &Program, rng: &mut Rng) {
    for _ in 0..rng.usize(1..4) {
        let len = program.steps.len();
        match rng.u8(0..16) {
            0..=6 => insert(program, rng),
            7 | 8 if len > 1 => drop(program.steps.remove(rng.usize(..len))),
            9 if len > 1 => {
                let (a, b) = (rng.usize(..len), rng.usize(..len));
                program.steps.swap(a, b);
            }
            10 if len > 0 => {
                let step = program.steps[rng.usize(..len)];
                program.steps.insert(rng.usize(..=len), step);
            }
            11 if len > 0 && !other.steps.is_empty() => {
                let from = rng.usize(..other.steps.len());
                let count = rng.usize(1..=4).min(other.steps.len() - from);
                let at = rng.usize(..=len);
                let given = other.steps[from..from + count].iter().copied();
                program.steps.splice(at..at, given);
            }
            12 if rng.u8(0..3) == 0 => program.monitor ^= true,
            12 if rng.u8(0..6) == 0 => program.file = file(rng),
            12 if rng.u8(0..6) == 0 => program.always ^= true,
            12 if rng.u8(0..6) == 0 => program.zswap ^= true,
            12 if rng.u8(0..8) == 0 => program.implies_exec ^= true,
            12 if rng.bool() => program.mthp ^= true,
            12 => program.wp_async ^= true,
            13 if len > 0 && rng.u8(0..3) == 0 => program.steps[rng.usize(..len)].beside ^= true,
            13 if len > 0 && rng.bool() => {
                let step = &mut program.steps[rng.usize(..len)];
                step.fail = if step.fail == 0 { fail(rng) } else { 0 };
            }
            13 if len > 0 => program.steps[rng.usize(..len)].process ^= 1,
            _ if len > 0 => {
                let known = ranges(program);
                let step = rng.usize(..len);
                if let Some(range) = program.steps[step].call.range_mut() {
                    *range = self::range(&known, rng);
                }
            }
            _ => insert(program, rng),
        }
    }
    program.steps.truncate(MAX_STEPS);
    mend(program);
}

fn ranges(program: &Program) -> Vec<Range> {
    let steps = program.steps.iter();
    steps.filter_map(|step| step.call.range()).collect()
}

/// A range: mostly one of `known`, a part of one, or the pages after one.
fn range(known: &[Range], rng: &mut Rng) -> Range {
    if known.is_empty() || rng.u8(0..6) == 0 {
        let first = rng.u16(..PAGES / HUGE) * HUGE + pick(&OFFSETS, rng);
        return Range::new(first, pick(&LENS, rng));
    }
    let base = pick(known, rng);
    match rng.u8(0..8) {
        0..=4 => base,
        5 => Range::new(base.first + pick(&OFFSETS, rng).min(base.len - 1), 1),
        6 => Range::new(base.first, (base.len / 2).max(1)),
        _ => Range::new((base.first + base.len) % PAGES, pick(&LENS, rng)),
    }
}

/// The range at which [`MapKind::SharedTwin`] maps the pages of the memfd that other kinds map at
/// `range`.
fn twin(range: Range) -> Range {
    range.moved((range.first + PAGES / 2) % PAGES)
}

fn pick<T: Copy>(from: &[T], rng: &mut Rng) -> T {
    from[rng.usize(..from.len())]
}

/// A range for calls that touch each page of it: mostly 16 pages at most.
fn few(known: &[Range], rng: &mut Rng) -> Range {
    let range = range(known, rng);
    if range.len > 16 && rng.u8(0..8) > 0 {
        return Range::new(range.first, pick(&[1, 2, 16], rng));
    }
    range
}

/// What to map at a range: huge pages of hugetlb only where they fit.
fn kind(range: Range, rng: &mut Rng) -> MapKind {
    let kind = pick(&KINDS, rng);
    if kind.is_hugetlb() && !range.is_huge() {
        return MapKind::Private;
    }
    kind
}

fn insert(program: &mut Program, rng: &mut Rng) {
    let known = ranges(program);
    let len = program.steps.len();
    let forked = program.steps.iter().any(|step| step.call == Call::Fork);
    let process = u8::from(forked && rng.u8(0..3) == 0);
    if known.is_empty() {
        let range = range(&known, rng);
        let map = Call::Map {
            range,
            kind: kind(range, rng),
            prot: Prot::Write,
        };
        let mut calls = vec![map];
        if range.len >= HUGE && rng.bool() {
            calls.push(Call::Advise(range, Advice::HugePage));
        }
        calls.push(Call::Write(if range.len >= HUGE && rng.bool() {
            Range::new(range.first, 1)
        } else {
            range
        }));
        let steps = calls.into_iter().map(|call| Step::new(process, call));
        program.steps.splice(0..0, steps);
        return;
    }
    let call = random_call(&known, rng);
    let at = if rng.u8(0..3) == 0 {
        rng.usize(..=len)
    } else {
        len
    };
    // protection often follows the registration for it
    if let Call::Register(range, modes) = call
        && !matches!(modes, Modes::Missing | Modes::Minor)
        && rng.bool()
    {
        let call = if modes == Modes::Rwp {
            Call::RwProtect(range, true)
        } else {
            Call::WriteProtect(range, true)
        };
        program.steps.insert(at, Step::new(process, call));
    }
    let fail = if rng.u8(0..16) == 0 { fail(rng) } else { 0 };
    let step = Step {
        process,
        call,
        fail,
        beside: rng.u8(0..BESIDE) == 0,
    };
    program.steps.insert(at, step);
}

/// Categories of PAGEMAP_SCAN: mostly few of them, because a page must have all.
fn categories(rng: &mut Rng) -> u8 {
    1 << rng.u8(0..7) | if rng.bool() { 1 << rng.u8(0..7) } else { 0 }
}

/// What the memfd is.
fn file(rng: &mut Rng) -> FileKind {
    if rng.u8(0..4) > 0 {
        return FileKind::Plain;
    }
    pick(&FileKind::HEADERS, rng).0
}

/// The number of an allocation that fails. Most calls make few.
fn fail(rng: &mut Rng) -> u8 {
    let most = pick(&[3, 8, 20], rng);
    rng.u8(1..=most)
}

fn random_call(known: &[Range], rng: &mut Rng) -> Call {
    let range = range(known, rng);
    match rng.u8(0..150) {
        146 => Call::DirectWrite(few(known, rng)),
        147 | 148 => Call::DirectRead(few(known, rng)),
        149 => Call::DropCache,
        142 | 143 => Call::Odd(range, pick(Odd::ALL, rng)),
        144 => Call::FarRead(few(known, rng)),
        145 => {
            let first = range.first.saturating_sub(pick(&OFFSETS, rng).max(1));
            Call::FarRead(Range::new(first, 1))
        }
        138..=140 => Call::UringRead(few(known, rng)),
        141 => Call::Detach(range),
        114..=117 => Call::Brk(range, pick(&LENS, rng)),
        118 => Call::LockAll(rng.u8(1..8)),
        119 => Call::UnlockAll,
        120 if rng.bool() => Call::HugeOff(rng.u8(0..3)),
        120 => Call::Sync(range),
        121..=123 => Call::Bind(range, pick(&Policy::ALL, rng), rng.u8(0..2)),
        124 => Call::HomeNode(range, rng.u8(0..2)),
        125 => Call::SealFile(1 << rng.u8(0..6) | 1 << rng.u8(0..6)),
        126 => Call::FileSize(self::range(known, rng).first),
        127 => Call::FileMode,
        128..=130 => Call::Limit(pick(&Resource::ALL, rng)),
        131 if rng.bool() => Call::MergeAll(rng.u8(0..3) > 0),
        131 => Call::Mdwe,
        // the pages before a stack
        132..=137 => {
            let first = range.first.saturating_sub(pick(&OFFSETS, rng).max(1));
            let below = Range::new(first, 1);
            match rng.u8(0..4) {
                0 | 1 => Call::Write(below),
                2 => Call::Read(below),
                _ => Call::MemRead(below),
            }
        }
        99 | 100 => Call::WriteZero(few(known, rng)),
        101 => Call::MemRead(few(known, rng)),
        102 | 103 => Call::VmRead(few(known, rng)),
        104 | 105 => Call::FileWrite(few(known, rng)),
        106 => Call::FileRead(few(known, rng)),
        107 | 108 => Call::Allocate(range, rng.bool()),
        109 => Call::Splice(few(known, rng)),
        110 => Call::Unsplice,
        111 | 112 => Call::Name(range),
        113 => Call::HugetlbLimit,
        96 | 97 => Call::MapLimit,
        98 => Call::WriteAlternate(range),
        88..=91 => Call::Start {
            range: Range::new(range.first, 1),
            writes: rng.u8(0..3) > 0,
        },
        92 | 93 => Call::Continue(range),
        94 => Call::Wake(range),
        95 => Call::CloseUffd,
        86 => Call::Seal(range),
        87 => Call::RemapFile(range, self::range(known, rng).first),
        64 => Call::VmWrite(few(known, rng)),
        65 | 66 => Call::Pin(few(known, rng)),
        67 => Call::Unpin,
        74 | 75 => Call::PinRead(few(known, rng)),
        76..=79 => Call::Khugepaged,
        80..=83 => Call::Migrate(range),
        84 => Call::DeviceLacksHuge,
        85 => Call::Map {
            range: twin(range),
            kind: MapKind::SharedTwin,
            prot: pick(&PROTS, rng),
        },
        68 => Call::Punch(range),
        69 => Call::Truncate(range),
        70 => Call::SwapOff,
        71..=73 => Call::RwProtect(range, rng.u8(0..4) > 0),
        0..=3 => Call::Map {
            range,
            kind: kind(range, rng),
            prot: pick(&PROTS, rng),
        },
        4 => Call::Unmap(range),
        5..=7 => Call::Protect(range, pick(&PROTS, rng)),
        8..=11 => Call::Move {
            range,
            to: self::range(known, rng).first,
            keep: rng.u8(0..4) == 0,
        },
        12 => Call::Resize(range, pick(&LENS, rng)),
        13..=20 => Call::Write(few(known, rng)),
        21 | 22 => Call::Read(few(known, rng)),
        23 => Call::MemWrite(few(known, rng)),
        24..=33 => match pick(Advice::ALL, rng) {
            // only one page, because the guest lacks its frame until the program has ended
            advice @ (Advice::HwPoison | Advice::SoftOffline) => {
                Call::Advise(Range::new(range.first, 1), advice)
            }
            advice => Call::Advise(range, advice),
        },
        34 => Call::Lock {
            range,
            on_fault: rng.bool(),
        },
        35 => Call::Unlock(range),
        36..=38 => Call::ClearSoftDirty,
        39 | 40 => Call::Ksm,
        41 => pick(&[Call::Compact, Call::Reclaim], rng),
        42 | 43 => Call::Register(range, pick(&MODES, rng)),
        44 => Call::Unregister(range),
        45..=47 => Call::WriteProtect(range, rng.u8(0..4) > 0),
        48 => Call::Copy(few(known, rng), rng.bool()),
        49 => Call::Zero(few(known, rng)),
        50 | 51 => Call::UffdMove(range, self::range(known, rng).first),
        52 => Call::Poison(few(known, rng)),
        53 | 54 => Call::Scan {
            range,
            categories: categories(rng),
            protect: rng.bool(),
            blind: rng.u8(0..3) == 0,
            limit: if rng.u8(0..3) == 0 {
                pick(&LIMITS, rng)
            } else {
                0
            },
        },
        55 | 56 => Call::Fork,
        57 => Call::Exit,
        58 | 59 => Call::ToDevice(range),
        60 => Call::ToSystem(range),
        61 => Call::DeviceRead(few(known, rng)),
        62 => Call::DeviceWrite(few(known, rng)),
        _ => Call::Exclusive(few(known, rng)),
    }
}
