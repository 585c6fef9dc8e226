//! The output and exit statuses of `replay`.
//!
//! These tests run the program, because they are about its command line.

use crate::common::Bench;
use mm_triage::input::{self, Form, Target};

/// Two processes map a device page, and a read by one of them migrates the page back.
const SHARED: &str = "\
mmap p0 0 1 rw
write p0 0
migrate p0 0 1 d0
fork p0
read p1 0
";

const RACE: &str = "\
threads 2
preempt 3 t1
mmap p0 4 2 rw
write p0 4
migrate p0 4 2 d0
t1: read p0 4
t1: write p0 5
";

#[test]
fn a_program_that_passes_is_printed_with_its_outcomes() {
    let bench = Bench::new();
    bench.write("shared.mm", SHARED);
    let ran = bench.run(&["replay", "shared.mm"]);
    assert_eq!((ran.status, &*ran.err), (0, ""), "{ran:?}");
    ran.prints(&[
        "shared.mm: text, 5 operations, 1 thread, tiny geometry\n",
        "   0  mmap p0 0 1 rw ",
        " ok\n   1  write p0 0 ",
        " 0x2\n   2  migrate p0 0 1 d0 ",
        " 1 moved\n   3  fork p0 ",
        " child p1\n   4  read p1 0 ",
        " 0x2\npass: digest ",
    ]);
    assert!(!ran.out.contains('\x1b'), "no colours in a pipe: {ran:?}");
    let quiet = bench.run(&["replay", "--quiet", "--thorough", "shared.mm"]);
    assert_eq!(quiet.status, 0);
    assert_eq!(quiet.out.lines().count(), 2, "{quiet:?}");
}

#[test]
fn threads_and_preemptions_are_shown() {
    let bench = Bench::new();
    bench.write("race.mm", RACE);
    let ran = bench.run(&["replay", "race.mm"]);
    assert_eq!((ran.status, &*ran.err), (0, ""), "{ran:?}");
    ran.prints(&[
        "race.mm: text, 5 operations, 2 threads, tiny geometry, 1 preemption\n",
        "   1  t0  write p0 4 ",
        "point 3: t0 is preempted for t1\n",
        "t1  read p0 4 ",
        "t0  migrate p0 4 2 d0 ",
        "pass",
    ]);
}

#[test]
fn a_target_folds_threads() {
    let bench = Bench::new();
    bench.write("race.mm", RACE);
    let load =
        |name: &str, target| input::load(&bench.path(name), Some(target)).expect("a program");
    let program = load("race.mm", Target::Ops).program;
    assert_eq!((program.ops.len(), program.threads), (5, 1));
    assert!(!program.to_string().contains("t1"), "{program}");
    bench.write("printable", "wrte p0 0");
    let read = load("printable", Target::Races);
    assert_eq!((read.form, read.program.threads), (Form::Wire, 2));
}

#[test]
fn the_worst_of_several_files_counts() {
    let bench = Bench::new();
    bench.write("good.mm", SHARED);
    let ran = bench.run(&["replay", "-q", "missing", "good.mm"]);
    ran.is_unusable(&["missing: cannot be read"]);
    ran.prints(&["good.mm: text", "pass"]);
}

#[test]
fn json_has_one_object_for_each_file() {
    let bench = Bench::new();
    bench.write("a \"good\".mm", SHARED);
    let ran = bench.run(&["replay", "--json", "a \"good\".mm", "missing"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 2, "{ran:?}");
    let start = r#"{"file":"a \"good\".mm","verdict":"pass","signature":null,"step":null,"#;
    assert!(lines[0].starts_with(start), "{ran:?}");
    assert!(
        lines[1].starts_with(r#"{"file":"missing","verdict":"unusable","#),
        "{ran:?}"
    );
}

#[test]
fn help_and_version_are_there() {
    let bench = Bench::new();
    let help = bench.run(&["--help"]);
    assert_eq!(help.status, 0);
    help.prints(&["replay", "seeds", "convert", "zoo", "Exit status: "]);
    let version = bench.run(&["--version"]);
    assert_eq!(version.status, 0);
    assert_eq!(
        version.out,
        format!("mm-triage {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[cfg(feature = "zoo")]
mod with_the_zoo {
    use super::*;

    const ZOO: &str = "--zoo=ttu-subpage-from-swap-pte";

    #[test]
    fn a_finding_names_invariant_operation_and_state() {
        let bench = Bench::new();
        bench.write("shared.mm", SHARED);
        let ran = bench.run(&["replay", ZOO, "shared.mm"]);
        assert_eq!((ran.status, &*ran.err), (1, ""), "{ran:?}");
        ran.prints(&[
            ", with ttu-subpage-from-swap-pte\n",
            "   3  fork p0 ",
            "   4  read p1 0 ",
            " FINDING\n",
            "finding: counting/wild-page:read:wild\n",
            "at operation 4: read p1 0; frame 0x1fe00000",
            "page dev0:0 before the last slice:\n",
            "dev0:0: refs 2 maps 2 mapping av0 index 48 ",
            "mm0 page 48 (window page 0): device-private dev0:0\n",
            "mm1 page 48 (window page 0): device-private dev0:0\n",
            "page dev0:0 after it:\n",
            "dev0:0: refs ",
            "entries of these pages that the last slice wrote:\n",
            "device-private dev0:0 -> none\n",
            "none -> migration dev0:0\n",
            "scheduling steps:\n",
            "t0 3 fork p0: child p1\n",
            "t0 4 read p1 0: t0 in ",
        ]);
    }

    #[test]
    fn the_same_program_passes_without_the_bug() {
        let bench = Bench::new();
        bench.write("shared.mm", SHARED);
        assert_eq!(bench.run(&["replay", "shared.mm"]).status, 0);
        let json = bench.run(&["replay", "--json", ZOO, "shared.mm"]);
        assert_eq!(json.status, 1, "{json:?}");
        json.prints(&[
            r#""verdict":"finding","signature":"counting/wild-page:read:wild","step":4,"#,
            r#""digest":null}"#,
        ]);
    }

    #[test]
    fn a_migration_that_is_open_is_among_the_tasks_that_wait() {
        let bench = Bench::new();
        let program = "mmap p0 6 2 rw\nwrite p0 7\nsetup p0 7 1 d0 to-dev\nget p0 7 r\n";
        bench.write("open.mm", program);
        let ran = bench.run(&["replay", "--zoo", "migwait-holds-ref", "open.mm"]);
        assert_eq!(ran.status, 1, "{ran:?}");
        ran.prints(&[
            "finding: progress/waiter-reference:get:",
            "mm0 page 55 (window page 7): migration pfn:1, write, dirty, young, soft-dirty\n",
            "tasks that wait:\n",
            "t0 in migration_entry_wait, waits for the end of the migration of pfn:1",
            "m0 in ",
            "holds the ",
            "folio lock of pfn:1",
        ]);
    }
}

#[test]
fn shells_can_complete() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = bench.run(&["completions", shell]);
        assert_eq!((ran.status, &*ran.err), (0, ""), "{ran:?}");
        ran.prints(&["minimize"]);
    }
    bench.write("script", bench.run(&["completions", "bash"]).out);
    let bash = std::process::Command::new("bash")
        .arg("-n")
        .arg(bench.path("script"))
        .status();
    assert!(bash.expect("bash runs").success());
}
