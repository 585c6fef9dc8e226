use super::*;
use mm_linux_calls::parse;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// The most lines of a C program.
const MOST: usize = 40;

/// The known programs, by name.
fn known() -> Vec<(String, Program)> {
    let dir = mm_fuzz::digest_lock::corpus_dir().join("calls");
    let programs = super::super::files(&[dir]).expect("programs");
    assert!(programs.len() > 10);
    programs.into()
}

fn assert_compiles(name: &str, c: &str) {
    let mut cc = Command::new("cc")
        .args(["-fsyntax-only", "-Wall", "-Wextra", "-Werror"])
        .args([
            "-Wno-unused-result",
            "-Wno-unused-value",
            "-Wno-missing-field-initializers",
            "-x",
            "c",
            "-",
        ])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cc");
    let mut stdin = cc.stdin.take().expect("its input");
    stdin.write_all(c.as_bytes()).expect("it reads");
    drop(stdin);
    let output = cc.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}\n{c}");
}

/// Checks that a text has all of `parts` in this order.
#[track_caller]
fn assert_in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let at = rest.find(part);
        let at = at.unwrap_or_else(|| panic!("no {part} in {rest}\n{text}"));
        rest = &rest[at + part.len()..];
    }
}

/// The breaches that a program may show at its last step or at its end.
fn breaches(program: &Program) -> Vec<Breach> {
    let steps = program.steps.len();
    let mut all = Vec::new();
    for kind in BreachKind::ALL {
        for step in [steps - 1, steps] {
            if *kind == BreachKind::Scan
                && !matches!(program.steps[steps - 1].call, Call::Scan { .. })
            {
                continue;
            }
            all.push(Breach {
                kind: *kind,
                step: step as u16,
                process: program.steps[steps - 1].process,
                page: 1,
                memory: 0,
                count: 1,
                got: 0x16,
                wanted: 1,
            });
        }
    }
    all
}

/// Each C text is short, and it compiles. Only one text in 29 is compiled. The choice shifts by one
/// text from program to program, so each promise is compiled with several programs.
#[test]
fn each_promise_of_each_known_program_is_short_c_that_compiles() {
    for (at, (name, program)) in known().into_iter().enumerate() {
        let results = vec![0; program.steps.len()];
        for (number, breach) in breaches(&program).into_iter().enumerate() {
            let c = c(&program, &results, Some(&breach), "expected\nwhat happens");
            if (at + number).is_multiple_of(29) {
                assert_compiles(&name, &c);
            }
            let lines = c.lines().count();
            // reading counters takes more lines
            let reads = c.contains("fopen(");
            let most = if reads { MOST + 8 } else { MOST };
            // so does a second process that takes turns, or trying which allocation must fail
            let waits = c.contains("WAIT(") || c.contains("n++");
            let most = if waits { most + 14 } else { most };
            // so does the function that reads by io_uring
            let most = if c.contains("uring_read(") {
                most + 15
            } else {
                most
            };
            // the functions and the declaration of a monitor take still more lines
            let most = if program.monitor { 60 } else { most };
            // so do the functions that make a file system, or read and write past the page cache
            let functions = [("mkfs(", 17), ("direct_write(", 8), ("direct_read(", 6)];
            let functions = functions.iter().filter(|(name, _)| c.contains(name));
            let most = most + functions.map(|(_, lines)| lines).sum::<usize>();
            assert!(lines <= most, "{name}: {lines} lines\n{c}");
        }
        assert_compiles(
            &name,
            &c(&program, &results, None, "expected\nwhat happens"),
        );
    }
}

#[test]
fn random_programs_are_c_that_compiles() {
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..60 {
        let program = mm_linux_calls::random_program(&mut rng);
        let results: Vec<i32> = program.steps.iter().map(|_| -rng.i32(0..2)).collect();
        for breach in breaches(&program).iter().step_by(29) {
            assert_compiles("a random program", &c(&program, &results, Some(breach), ""));
        }
    }
}

#[test]
fn two_processes_take_turns() {
    let text =
        "mmap p0 0 1 rw\nfork p0\nwrite p1 0 1\nread p0 0 1\nexit p1\nfork p0\nread p1 0 1\n";
    let program = parse(text).expect("a program");
    let c = c(&program, &[0; 7], None, "");
    let order = [
        "if (!fork()) {",
        "= 0x300;",
        "*turn = 3;",
        "WAIT(4);",
        "_exit(0);",
        "WAIT(3);",
        "(void)",
        "*turn = 4;",
        "wait(0);",
        "if (!fork()) {",
    ];
    assert_in_order(&c, &order);
}

#[test]
fn a_call_without_memory_is_short_c_that_compiles() {
    let text = "mmap p0 0 4 rw\nfork p0\nfail 2 mlock p1 0 4\nfail 3 mremap p0 0 1 8\n";
    let program = parse(text).expect("a program");
    for breach in breaches(&program) {
        let c = c(&program, &[0; 4], Some(&breach), "");
        assert_compiles(breach.kind.name(), &c);
        // the number that shows the bug differs from guest to guest
        let hangs = [BreachKind::Hang, BreachKind::Unkillable].contains(&breach.kind);
        let number = if hangs { "\"3\"" } else { "\"%d\", n" };
        assert!(c.contains(&format!("dprintf(fail, {number})")), "{c}");
        assert!(c.contains("n++ < 40 && fork()") != hangs, "{c}");
        assert!(c.lines().count() <= MOST + 22, "{c}");
    }
}

#[test]
fn two_calls_at_once_are_short_c_that_compiles() {
    let text = "mmap p0 0 4 rw\nwrite p0 0 4\nuffd-register p0 0 4 wp\nfork p0\n\
                uffd-writeprotect p0 0 4 on\nbeside vm-write p0 0 4\nread p0 0 4\n";
    let program = parse(text).expect("a program");
    for breach in breaches(&program) {
        let c = c(&program, &[0; 7], Some(&breach), "");
        assert_compiles(breach.kind.name(), &c);
        let order = [
            "static void *beside5(void *delay)",
            "SCHED_FIFO",
            "usleep((long)delay",
            "process_vm_writev(child",
            "int main(void)",
            "n++ < 500 && ",
            "child = fork()",
            "pthread_create(&thread5",
            "UFFDIO_WRITEPROTECT",
            "pthread_join(thread5, 0);",
        ];
        assert_in_order(&c, &order);
        assert!(c.lines().count() <= MOST + 32, "{c}");
    }
}

/// Reclaim and the counters of the control group need the group, and so does the program before
/// its first call.
#[test]
fn a_program_joins_the_control_group_that_it_needs() {
    let program = parse("zswap\nmmap p0 0 4 rw\nwrite p0 0 4\n").expect("a program");
    let mut breach = breaches(&program)[0];
    breach.kind = BreachKind::Counter;
    for (page, counter) in COUNTERS.iter().enumerate() {
        breach.page = page as u16;
        let c = c(&program, &[0; 2], Some(&breach), "");
        assert_eq!(
            c.contains("cgroup.procs"),
            counter.name.starts_with(GROUP),
            "{c}"
        );
        if counter.name.starts_with(GROUP) {
            let order = ["mount(", "mkdir(", "before = counter()", "cgroup.procs"];
            assert_in_order(&c, &order);
            assert_compiles("counter", &c);
        }
    }
    let program = parse("mmap p0 0 4 rw\nreclaim p0\nread p0 0 4\n").expect("a program");
    let c = c(&program, &[0; 3], None, "");
    assert_in_order(
        &c,
        &["mount(", "mkdir(", "cgroup.procs", "mmap(", "reclaim"],
    );
    assert_compiles("reclaim", &c);
}
