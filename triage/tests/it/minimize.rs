//! `minimize`: the result has the same signature, is 1-minimal, and does not depend on the number
//! of threads. No partial file is left.
//!
//! The tests that run the program are about its command line: output, statuses, files. The others
//! call functions.
#![cfg(feature = "zoo")]

use crate::common::{Bench, repository};
use mm_fuzz::exec::{Executor, Options, Verdict};
use mm_fuzz::program::generate::random_step;
use mm_fuzz::program::{Op, Program, text, wire};
use mm_fuzz::zoo::{self, TABLE};
use mm_triage::bugs::Bugs;
use mm_triage::minimize::{Minimized, PassStatistics, Same, minimize};
use mm_triage::stop::Stop;
use std::process::{Command, Stdio};

fn witness(slug: &str) -> Program {
    let path = repository().join(format!("corpus/zoo/{slug}.mm"));
    let text = std::fs::read_to_string(path).expect("a witness");
    text::parse(&text).expect("a program")
}

fn executor(slug: &str) -> Executor {
    let mut executor = Executor::new(Options::default());
    executor.set_zoo(zoo::parse(slug).expect("a bug"));
    executor
}

fn signature(executor: &mut Executor, program: &Program) -> Option<String> {
    match executor.run(program) {
        Verdict::Pass { .. } => None,
        Verdict::Finding(finding) => Some(finding.signature()),
    }
}

/// A long program with a finding: the witness of a bug among random operations.
fn artifact(slug: &str, seed: u64) -> Program {
    let (mut executor, mut rng) = (executor(slug), fastrand::Rng::with_seed(seed));
    loop {
        let mut program = witness(slug);
        let length = rng.usize(20..=60);
        while program.ops.len() < length {
            let at = rng.usize(0..=program.ops.len());
            let step = random_step(&program, at, &mut rng);
            program.ops.insert(at, step);
        }
        if signature(&mut executor, &program).is_some() {
            return program;
        }
    }
}

/// All programs that are one step simpler.
fn simpler(program: &Program) -> Vec<Program> {
    let mut all = Vec::new();
    let mut push = |change: &dyn Fn(&mut Program)| {
        let mut copy = program.clone();
        change(&mut copy);
        copy.normalize();
        all.push(copy);
    };
    for i in 0..program.ops.len() {
        push(&|p| {
            p.ops.remove(i);
        });
        let op = program.ops[i].op;
        for operand in 0..op.kind().params().len() {
            let mut bytes = op.operand_bytes();
            if let Some(byte) = bytes[operand].checked_sub(1) {
                bytes[operand] = byte;
                push(&|p| p.ops[i].op = Op::from_operand_bytes(op.kind(), bytes));
            }
        }
    }
    for i in 0..program.preemptions.len() {
        push(&|p| {
            p.preemptions.remove(i);
        });
    }
    if program.threads > 1 {
        push(&|p| p.threads -= 1);
    }
    all
}

fn minimized(bugs: &str, program: &Program, jobs: usize) -> Minimized {
    let bugs = Bugs::parse(bugs).expect("bugs");
    let small = minimize(program, &bugs, Same::Signature, jobs, &Stop::default());
    small.expect("it has a finding")
}

#[test]
fn every_bug_of_the_zoo_gets_a_1_minimal_program_with_the_same_signature() {
    for entry in TABLE {
        let program = artifact(entry.slug, 7);
        let minimized = minimized(entry.slug, &program, 2);
        let small = &minimized.program;
        let mut executor = executor(entry.slug);
        let wanted = signature(&mut executor, &program);
        assert_eq!(signature(&mut executor, small), wanted, "{}", entry.slug);
        // If the artifact has another signature than the witness, its shortest program may be
        // longer than the witness.
        let enough = witness(entry.slug).ops.len() + 3;
        assert!(small.ops.len() <= enough, "{}: {small}", entry.slug);
        for simpler in simpler(small) {
            let found = signature(&mut executor, &simpler);
            assert_ne!(found, wanted, "{}:\n{small}\n{simpler}", entry.slug);
        }
        assert_eq!(Some(minimized.found.signature), wanted);
        assert!(minimized.last_round.is_some(), "{}", entry.slug);
    }
}

/// With two bugs on, the shortest program shows the same bug as the long one, because the signature
/// contains the state of the page.
#[test]
fn a_program_does_not_slide_into_another_bug() {
    for (slug, other) in [
        ("swapfault-trylock-livelock", "pvmw-devpriv-never-matches"),
        ("smaps-mapcount-migration", "pagemap-pmd-warn"),
    ] {
        let both = format!("{slug},{other}");
        let program = artifact(slug, 3);
        let alone = signature(&mut executor(slug), &program);
        let wanted = signature(&mut executor(&both), &program);
        assert_eq!(alone, wanted, "{slug} is not the first to show");
        let small = minimized(&both, &program, 2).program;
        assert_eq!(signature(&mut executor(slug), &small), wanted, "{small}");
    }
}

#[test]
fn the_result_and_the_number_of_tests_do_not_depend_on_jobs() {
    for slug in ["dup-anon-vma-no-lock", "nouveau-zero-page-migrate"] {
        let program = artifact(slug, 3);
        let [one, two, five] = [1, 2, 5].map(|jobs| {
            let small = minimized(slug, &program, jobs);
            (small.program, small.tests, small.last_round, small.passes)
        });
        assert_eq!(one, two, "{slug}");
        assert_eq!(one, five, "{slug}");
    }
}

#[test]
fn each_pass_says_what_it_did() {
    let slug = "gup-pin-zero-page";
    let program = artifact(slug, 1);
    let small = minimized(slug, &program, 2);
    let sum = |of: fn(&PassStatistics) -> u64| small.passes.iter().map(of).sum::<u64>();
    assert_eq!(sum(|pass| pass.tried), small.tests);
    let removed = sum(|pass| pass.operations_removed as u64);
    assert_eq!(
        removed as usize,
        program.ops.len() - small.program.ops.len()
    );
    let (first, last) = (&small.passes[0], small.passes.last().expect("passes"));
    assert_eq!(first.operations_before, program.ops.len());
    assert_eq!(last.operations_after, small.program.ops.len());
    let chunks = small
        .passes
        .iter()
        .find(|pass| pass.pass == "operation_chunks");
    assert!(chunks.expect("it ran").accepted > 0, "{:?}", small.passes);
}

#[test]
fn a_preemption_follows_its_operation() {
    // The program begins with operations that do not matter. Removing them moves the scheduling
    // points of the race.
    let slug = "dup-anon-vma-no-lock";
    let mut program = witness(slug);
    let before = text::parse(
        "threads 2\nmmap p0 24 8 rw\nwrite p0 24\nwrite p0 25\nmigrate p0 24 8 d0\nread p0 24",
    );
    let before = before.expect("a program").ops;
    let mut executor = executor(slug);
    let wanted = signature(&mut executor, &program);
    program.ops.splice(0..0, before);
    let points = (0..200).find(|points| {
        let mut moved = program.clone();
        moved.preemptions.iter_mut().for_each(|p| p.at += points);
        signature(&mut executor, &moved) == wanted
    });
    let points = points.expect("the preemption can be moved along");
    assert!(points > 10, "{points}");
    program.preemptions.iter_mut().for_each(|p| p.at += points);
    let small = minimized(slug, &program, 1).program;
    assert_eq!(
        (small.ops.len(), small.preemptions.len()),
        (3, 1),
        "{small}"
    );
}

#[test]
fn the_output_is_text_with_the_signature_above_it() {
    let bench = Bench::new();
    let program = "mmap p0 0 1 rw\nwrite p0 0\nmigrate p0 0 1 d0\nevict d0 0 1\n";
    bench.write("w.mm", program);
    let ran = bench.run(&["minimize", "--zoo", "ttu-subpage-from-swap-pte", "w.mm"]);
    assert_eq!((ran.status, &*ran.err), (0, ""), "{ran:?}");
    let text = std::fs::read_to_string(bench.path("w.min.mm")).expect("the result is there");
    assert_eq!(
        text,
        "# counting/wild-page:evict:wild\nmmap p0 0 1 r\nmigrate p0 0 1 d0\nevict d0 0 1\n"
    );
    ran.prints(&[
        "w.mm: counting/wild-page:evict:wild\n",
        "  4 -> 3 operations, 1 thread, 0 preemptions, tiny geometry\n",
        "  w.min.mm\n",
        "\nmmap p0 0 1 r\nmigrate p0 0 1 d0\nevict d0 0 1\n",
    ]);
    assert!(!ran.out.contains("accepted"), "{ran:?}");
    let bug = "ttu-subpage-from-swap-pte";
    let ran = bench.run(&["minimize", "--stats", "--zoo", bug, "w.mm"]);
    ran.prints(&[
        "  w.min.mm\n",
        "  pass                         tried accepted  operations   removed\n",
        "  never_started                    0        0  4 -> 3       0\n",
        "  operation_chunks ",
        "        1  4 -> 3       1\n",
        "  two_operations_and_kind ",
        "        0  3 -> 3       0\n",
        "\nmmap p0 0 1 r\n",
    ]);
}

#[test]
fn json_is_one_object_a_file_in_the_order_of_the_files() {
    let bench = Bench::new();
    bench.write("pass.mm", "mmap p0 0 1 rw\n");
    let slug = "gup-pin-zero-page";
    bench.write("find", wire::encode(&artifact(slug, 1)));
    bench.write("a/find", wire::encode(&artifact(slug, 2)));
    let ran = bench.run(&[
        "minimize", "--json", "--zoo", slug, "pass.mm", "find", "nowhere", "a/find",
    ]);
    assert_eq!((ran.status, &*ran.err), (2, ""), "{ran:?}");
    let lines: Vec<serde_json::Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let column = |key: &str| lines.iter().map(|l| l[key].clone()).collect::<Vec<_>>();
    assert_eq!(column("file"), ["pass.mm", "find", "nowhere", "a/find"]);
    assert_eq!(
        column("verdict"),
        ["pass", "minimal", "unusable", "minimal"]
    );
    assert_eq!(lines[1]["operations"], 2);
    assert_eq!(lines[1]["output"], "find.min.mm");
    let passes = lines[1]["passes"].as_array().expect("passes");
    let tried = passes.iter().filter_map(|pass| pass["tried"].as_u64());
    assert_eq!(Some(tried.sum()), lines[1]["tests"].as_u64());
    assert!(lines[0]["passes"].is_null(), "{}", lines[0]);
}

#[test]
fn what_cannot_be_minimized_is_said() {
    let bench = Bench::new();
    bench.write("pass.mm", "mmap p0 0 1 rw\n");
    bench.write("file", "");
    let ran = bench.run(&["minimize", "pass.mm"]);
    ran.is_unusable(&["pass.mm: passes", "is --zoo right?"]);
    let ran = bench.run(&["minimize", "file"]);
    ran.is_unusable(&["file: has no operation"]);
    let ran = bench.run(&["minimize", "pass.mm", "--output", "file"]);
    ran.is_unusable(&["file: cannot be made", "give a folder"]);
    for other in ["a/pass.mm", "pass"] {
        let ran = bench.run(&["minimize", "pass.mm", other, "--output", "out"]);
        ran.is_unusable(&["out/pass.min.mm: two files", "would replace"]);
    }
    for jobs in ["0", "many", "257"] {
        let ran = bench.run(&["minimize", "pass.mm", "--jobs", jobs]);
        assert_eq!(ran.status, 2, "{ran:?}");
    }
}

/// Many files are still to be minimized when the signal comes. The files that have been written are
/// whole, and there are no others.
#[test]
fn an_interrupted_run_leaves_whole_files() {
    let bench = Bench::new();
    let slug = "nouveau-zero-page-migrate";
    let bytes = wire::encode(&artifact(slug, 5));
    let names: Vec<String> = (0..5000).map(|i| format!("{i}")).collect();
    names.iter().for_each(|name| bench.write(name, &bytes));
    let mut child = Command::new(env!("CARGO_BIN_EXE_mm-triage"))
        .args(["minimize", "--zoo", slug, "--output", "out"])
        .args(&names)
        .current_dir(bench.path("."))
        .stdout(Stdio::piped())
        .spawn()
        .expect("mm-triage starts");
    let out = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
    let mut lines = std::io::BufRead::lines(out);
    lines.next().expect("a line").expect("text");
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.expect("kill runs").success());
    assert!(lines.count() < 4 * 4900, "it went on");
    assert_eq!(child.wait().expect("it ends").code(), Some(3));
    let mut count = 0;
    for file in std::fs::read_dir(bench.path("out")).expect("the results") {
        let path = file.expect("a file").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        assert!(name.ends_with(".min.mm"), "{name}");
        let text = std::fs::read_to_string(path).expect("text");
        let program = text::parse(&text).expect("a program");
        assert!(signature(&mut executor(slug), &program).is_some(), "{name}");
        count += 1;
    }
    assert!(count > 0);
}
