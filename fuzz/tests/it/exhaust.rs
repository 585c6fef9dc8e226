//! The exhaustive search leaves nothing out, and its counts are right.
//!
//! Most tests compare it with a simpler search, which runs every sequence of operations, including
//! those that differ only by a renaming.
#![cfg(feature = "zoo")]

use mm_fuzz::exec::{Executor, Observer, Options, Verdict};
use mm_fuzz::exhaust::alphabet::{Alphabet, NamedPages, Size};
use mm_fuzz::exhaust::{self, Bound, ExhaustiveSearch, Machine, Ran};
use mm_fuzz::program::operand::{Addr, Dev, Len, OperandKind, Proc, Skip};
use mm_fuzz::program::{MAX_PREEMPTIONS, Op, OpKind, Preemption, Program, Step, Thp};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Runs programs and counts them.
struct Counting {
    executor: Executor,
    runs: u64,
}

impl Counting {
    fn new(bugs: &str) -> Self {
        let options = Options {
            identity: true,
            ..Options::default()
        };
        let mut executor = Executor::new(options);
        executor.set_zoo(mm_fuzz::zoo::parse(bugs).expect("bugs of the zoo"));
        Self { executor, runs: 0 }
    }
}

impl Machine for Counting {
    fn run(&mut self, program: &Program, identity: bool, observer: &mut dyn Observer) -> Ran {
        self.runs += 1;
        let verdict = self.executor.run_observed(program, observer);
        let identity = self.executor.identity().filter(|_| identity);
        match verdict {
            Verdict::Pass { .. } => Ran {
                found: None,
                invariant: None,
                is_whole: true,
                identity,
            },
            Verdict::Finding(finding) => Ran {
                found: Some(finding.signature()),
                invariant: Some(finding.invariant),
                is_whole: finding.step >= program.ops.len(),
                identity,
            },
        }
    }
}

fn bound(kinds: &[OpKind], pages: u8, threads: u8, depth: usize, merge: bool) -> Bound {
    Bound {
        alphabet: Alphabet::new(
            Size {
                pages: NamedPages::Small(pages),
                threads,
            },
            kinds,
        ),
        depth,
        preemptions: if threads > 1 { 2 } else { 0 },
        overlap: 3,
        merge,
    }
}

fn search(bound: &Bound, machine: &mut Counting) -> ExhaustiveSearch {
    let mut search = ExhaustiveSearch::new(bound);
    for length in 0..bound.depth {
        for task in search.layer(bound, length) {
            let expansion = exhaust::expand(bound, &task, machine).expect("nobody stops it");
            search.absorb(bound, expansion);
        }
    }
    search
}

fn signatures(search: &ExhaustiveSearch) -> BTreeSet<String> {
    search.found.keys().cloned().collect()
}

/// All sequences of `length` operations of the alphabet on its threads.
fn sequences(bound: &Bound, length: usize) -> Vec<Vec<Step>> {
    let threads = 0..bound.alphabet.threads();
    let ops: Vec<Op> = bound.alphabet.ops().collect();
    let steps = threads.flat_map(|thread| ops.iter().map(move |op| Step { thread, op: *op }));
    let steps: Vec<Step> = steps.collect();
    let mut all = vec![Vec::new()];
    for _ in 0..length {
        let longer = |program: Vec<Step>| {
            let with = move |step: &Step| [&*program, &[*step]].concat();
            steps.iter().map(with).collect::<Vec<_>>()
        };
        all = all.into_iter().flat_map(longer).collect();
    }
    all
}

/// Changes the operands of one type.
fn rename(op: Op, kind: OperandKind, new: impl Fn(u8) -> u8) -> Op {
    let mut bytes = op.operand_bytes();
    for (param, byte) in op.kind().params().iter().zip(&mut bytes) {
        if param.kind == kind {
            *byte = new(*byte);
        }
    }
    Op::from_operand_bytes(op.kind(), bytes)
}

fn operands(program: &[Step], kind: OperandKind) -> Vec<u8> {
    let of_step = |step: &Step| {
        let params = step.op.kind().params().iter().zip(step.op.operand_bytes());
        let wanted = params.filter(move |(param, _)| param.kind == kind);
        wanted.map(|(_, byte)| byte).collect::<Vec<_>>()
    };
    program.iter().flat_map(of_step).collect()
}

/// The canonical form of a program: renames its two devices, two threads and two processes, and
/// shifts its neighbouring pages.
fn canonical(mut program: Vec<Step>) -> Vec<Step> {
    if operands(&program, OperandKind::Dev).first() == Some(&1) {
        for step in &mut program {
            step.op = rename(step.op, OperandKind::Dev, |dev| 1 - dev);
        }
    }
    let lowest = operands(&program, OperandKind::Addr)
        .into_iter()
        .min()
        .unwrap_or(0);
    let mut forked = false;
    let first_thread = program[0].thread;
    for step in &mut program {
        step.thread ^= first_thread;
        step.op = rename(step.op, OperandKind::Addr, |page| page - lowest);
        if !forked {
            step.op = rename(step.op, OperandKind::Proc, |_| 0);
        }
        forked |= step.op.kind() == OpKind::Fork;
    }
    program
}

/// True if the program names page 8, which the alphabet has only after an `mremap` to it.
fn names_far(program: &[Step]) -> bool {
    operands(program, OperandKind::Addr).contains(&8)
}

const KINDS: [OpKind; 5] = [
    OpKind::Mmap,
    OpKind::Fork,
    OpKind::Write,
    OpKind::DevRead,
    OpKind::Dontneed,
];

#[test]
fn programs_are_counted_as_by_listing_them_all() {
    for (pages, threads, depth) in [(1, 1, 3), (2, 1, 3), (3, 1, 2), (1, 2, 3), (2, 2, 2)] {
        let bound = bound(&KINDS, pages, threads, depth, true);
        let counts = bound.alphabet.count(depth);
        assert_eq!(counts[0], 1, "the empty program");
        for (length, count) in counts.iter().enumerate().skip(1) {
            let all = sequences(&bound, length).into_iter();
            let near = all.filter(|program| !names_far(program));
            let different: HashSet<Vec<Step>> = near.map(canonical).collect();
            assert_eq!(
                *count,
                different.len() as u128,
                "{pages} {threads} {length}"
            );
        }
    }
}

#[test]
fn without_merging_every_program_is_run_once() {
    let bound = bound(&KINDS, 1, 1, 3, false);
    let mut machine = Counting::new("");
    let search = search(&bound, &mut machine);
    assert!(search.found.is_empty());
    let programs: u128 = bound.alphabet.count(3).iter().skip(1).sum();
    assert_eq!(u128::from(machine.runs), programs);
    assert_eq!(machine.runs, search.runs);
}

#[test]
fn merging_runs_less_and_finds_the_same() {
    const BUGS: &str = "pmd-devpriv-softdirty-as-write,collapse-no-notifier,cow-wp-simplification,\
        hmm-release-callback,fork-pinned-early-cow,excl-mapcount-dropped,mremap-dontunmap-anon-vma";
    for (pages, depth) in [(1, 3), (2, 2)] {
        let [merged, plain] = [true, false].map(|merge| {
            let bound = bound(OpKind::ALL, pages, 1, depth, merge);
            search(&bound, &mut Counting::new(BUGS))
        });
        assert!(
            merged.runs < plain.runs / 4,
            "{} of {}",
            merged.runs,
            plain.runs
        );
        assert_eq!(signatures(&merged), signatures(&plain));
        assert!(!merged.found.is_empty());
        for (signature, first) in &merged.found {
            let shortest = plain.found[signature].program.ops.len();
            assert_eq!(first.program.ops.len(), shortest, "{signature}");
        }
    }
}

/// Runs every sequence, including those that differ only by a renaming.
#[test]
fn renamed_programs_find_nothing_else() {
    const BUGS: &str = "collapse-no-notifier,hmm-release-callback,vm-normal-page-special,\
        mremap-dontunmap-anon-vma,fork-link-after-copy,hmm-nonowner-devpriv-not-faulted";
    let mut kinds = KINDS.to_vec();
    kinds.push(OpKind::Migrate);
    let bound = bound(&kinds, 2, 1, 3, true);
    let mut machine = Counting::new(BUGS);
    let search = search(&bound, &mut machine);
    let mut naive = BTreeSet::new();
    for ops in (1..=3).flat_map(|length| sequences(&bound, length)) {
        if names_far(&ops) {
            continue;
        }
        let program = Program {
            ops,
            ..Program::default()
        };
        if let Some(signature) = machine.run(&program, false, &mut ()).found {
            naive.insert(signature);
        }
    }
    assert!(naive.len() > 5, "{naive:?}");
    assert_eq!(signatures(&search), naive);
}

/// Runs every schedule: up to two preemptions at all points of the run, to either thread.
#[test]
fn all_schedules_find_nothing_else() {
    let kinds = [OpKind::Mmap, OpKind::Write, OpKind::Dontneed, OpKind::Get];
    for bug in [
        "dup-anon-vma-no-lock",
        "dirty-cow",
        "anon-vma-publish-barrier",
        "madv-tlb-miss",
    ] {
        let bound = bound(&kinds, 1, 2, 3, true);
        let mut machine = Counting::new(bug);
        let found = signatures(&search(&bound, &mut machine));
        let mut naive = BTreeSet::new();
        for ops in (1..=3).flat_map(|length| sequences(&bound, length)) {
            if names_far(&ops) || operands(&ops, OperandKind::Proc).contains(&1) {
                continue;
            }
            let mut program = Program {
                threads: 2,
                ops,
                ..Program::default()
            };
            every_schedule(&mut program, 0, &mut |program| {
                let mut points = Points(0);
                naive.extend(machine.run(program, false, &mut points).found);
                points.0
            });
        }
        assert_eq!(found, naive, "{bug}");
        assert!(!naive.is_empty() || bug == "madv-tlb-miss");
    }
}

struct Points(u32);

impl Observer for Points {
    fn ran(&mut self, _: usize, s: &mm_fuzz::State) {
        self.0 = s.points();
    }
}

fn every_schedule(program: &mut Program, from: u16, run: &mut impl FnMut(&Program) -> u32) {
    let points = run(program) as u16;
    assert!(program.preemptions.len() < MAX_PREEMPTIONS);
    if program.preemptions.len() == 2 {
        return;
    }
    for preemption in (from..points).flat_map(|at| [0, 1].map(|to| Preemption { at, to })) {
        program.preemptions.push(preemption);
        every_schedule(program, preemption.at + 1, run);
        program.preemptions.pop();
    }
}

/// Merging relies on this: programs with the same identity behave alike, whatever comes next.
#[test]
fn programs_with_one_identity_go_on_alike() {
    go_on_alike(NamedPages::Small(2), 30_000, 8);
}

#[test]
fn programs_of_huge_pages_with_one_identity_go_on_alike() {
    go_on_alike(NamedPages::Huge, 40_000, 6);
}

/// Compares the continuations of `count` random programs that name `pages` and have fewer than
/// `longest` operations.
fn go_on_alike(pages: NamedPages, count: usize, longest: usize) {
    const BUGS: &str = "devpriv-mapping-reuse,cow-either-way,anon-vma-degree-ambiguity,mremap-uffdwp-left,\
        stale-mapping-after-free-swap,nouveau-zero-page-migrate,zone-device-extra-ref";
    let mut rng = fastrand::Rng::with_seed(5);
    let alphabet = Alphabet::new(Size { pages, threads: 2 }, OpKind::ALL);
    let ops: Vec<Op> = alphabet.ops().collect();
    let mut machine = Counting::new(BUGS);
    let mut groups: HashMap<u128, Vec<Program>> = HashMap::new();
    // programs of all lengths, so that words and positions differ; an mmap and a write often come
    // first, so that later operations have an effect
    for _ in 0..count {
        let mut program = Program {
            threads: 2,
            thp: pages.thp(),
            ..Program::default()
        };
        for at in 0..rng.usize(1..longest) {
            let kind = [OpKind::Mmap, OpKind::Write][at.min(1)];
            let op = if at < 2 && rng.bool() {
                ops.iter().find(|op| op.kind() == kind)
            } else {
                rng.choice(&ops)
            };
            program.ops.push(Step {
                thread: rng.u8(0..2),
                op: *op.expect("an operation"),
            });
        }
        let ran = machine.run(&program, true, &mut ());
        if let (true, Some(identity)) = (ran.is_whole, ran.identity) {
            groups.entry(identity).or_default().push(program);
        }
    }
    let mut compared = 0;
    for programs in groups.values().filter(|programs| programs.len() > 1) {
        for _ in 0..20 {
            let next: Vec<Step> = (0..rng.usize(1..4))
                .map(|_| Step {
                    thread: rng.u8(0..2),
                    op: *rng.choice(&ops).expect("an operation"),
                })
                .collect();
            let mut ends = programs.iter().take(4).map(|program| {
                let mut program = program.clone();
                program.ops.extend(&next);
                (machine.run(&program, true, &mut ()), program)
            });
            let (first, program) = ends.next().expect("two at least");
            for (end, other) in ends {
                compared += 1;
                assert_eq!(first, end, "\n{program}\n{other}");
            }
        }
    }
    assert!(compared > 10_000, "{compared}");
}

/// Repeating operations that undo each other does not keep changing the identity. If it did, a
/// search would take known states for new states without end. (Two identities may occur, because
/// free lists may be in another order from the second time on. No case forks, because a fork always
/// leaves a trace: the reference model counts processes.)
#[test]
fn what_is_over_leaves_nothing_in_the_identity() {
    let mut machine = Counting::new("");
    let mut identity = |text: &str| {
        let program = text.parse().expect("a program");
        machine.run(&program, true, &mut ()).identity.expect("one")
    };
    for over in [
        "get p0 0 w\nput r0\n",
        "pin p0 0 w\nput r0\n",
        "mmap p0 4 2 rw\nmunmap p0 4 2\n",
        "migrate p0 0 1 d0\nread p0 0\n",
    ] {
        let mut text = "mmap p0 0 1 rw\nwrite p0 0\n".to_owned();
        let mut identities = BTreeSet::new();
        for _ in 0..8 {
            text += over;
            identities.insert(identity(&text));
        }
        assert!(identities.len() <= 2, "{}: {over}", identities.len());
    }
}

#[test]
fn operands_of_the_alphabet_are_few() {
    let ops = operations(NamedPages::Small(2));
    let read = |proc, addr| Op::Read {
        proc: Proc::new(proc),
        addr: Addr::new(addr),
    };
    assert!(ops.contains(&read(1, 8)) && !ops.contains(&read(0, 2)));
    assert!(ops.contains(&Op::Release { dev: Dev::MAX }));
}

/// The operations of an alphabet of one thread. Each kind is there, each operation is there once,
/// and there are two processes at most.
fn operations(pages: NamedPages) -> HashSet<Op> {
    let alphabet = Alphabet::new(Size { pages, threads: 1 }, OpKind::ALL);
    let kinds: HashSet<OpKind> = alphabet.ops().map(|op| op.kind()).collect();
    assert_eq!(kinds.len(), OpKind::COUNT, "every kind is there");
    let ops: HashSet<Op> = alphabet.ops().collect();
    assert_eq!(ops.len(), alphabet.len(), "each operation is there once");
    let mut procs = ops.iter().filter_map(|op| op.proc());
    assert!(procs.all(|proc| proc <= Proc::new(1)));
    ops
}

#[test]
fn the_alphabet_of_a_huge_page_names_the_whole_page_and_parts() {
    let ops = operations(NamedPages::Huge);
    let migrate = |addr, len| Op::Migrate {
        proc: Proc::new(0),
        addr: Addr::new(addr),
        len: Len::new(len),
        dev: Dev::MIN,
        skip: Skip::NOTHING,
    };
    for (addr, len) in [(0, 8), (0, 1), (4, 4), (8, 8), (8, 1)] {
        assert!(ops.contains(&migrate(addr, len)), "{addr} {len}");
    }
    assert!(!ops.contains(&migrate(0, 4)));
    // each program is canonical: pages of a huge page have no other names
    let alphabet = Alphabet::new(
        Size {
            pages: NamedPages::Huge,
            threads: 1,
        },
        &[OpKind::Read],
    );
    assert_eq!(alphabet.count(1), [1, 2]);
}

/// A program of the search has huge pages.
#[test]
fn a_search_of_huge_pages_finds_a_bug_of_them() {
    let bound = Bound {
        alphabet: Alphabet::new(
            Size {
                pages: NamedPages::Huge,
                threads: 1,
            },
            &[OpKind::Mmap, OpKind::Write, OpKind::Dontneed],
        ),
        depth: 3,
        preemptions: 0,
        overlap: 1,
        merge: true,
    };
    let found = search(&bound, &mut Counting::new("split-head-exclusive")).found;
    let first = found.values().next().expect("a finding");
    assert_eq!(first.program.thp, Thp::Always);
    assert_eq!(first.program.ops.len(), 3);
    assert_eq!(
        search(&bound, &mut Counting::new("")).found,
        BTreeMap::new()
    );
}
