//! The messages of `linux` about files and guests. A script that prints a console stands for QEMU.
//!
//! These tests run the program, because they are about its command line: sentences, statuses, and
//! the process of the guest.
#![cfg(all(feature = "zoo", unix))]

use crate::common::{Bench, Ran};
use std::os::unix::fs::PermissionsExt;

/// A repository whose QEMU is a script that prints `says`.
fn with_guest(says: &str) -> Bench {
    let bench = Bench::new();
    let script = |name: &str, text: String| {
        bench.write(name, text);
        let runs = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(bench.path(name), runs).expect("permissions");
    };
    let qemu = bench.path("qemu").display().to_string();
    let kernel = bench.path("kernel").display().to_string();
    script(
        "triage/linux/image",
        format!("#!/bin/sh\necho linux=6.12 kernel={kernel} initramfs=none qemu={qemu}\n"),
    );
    script("qemu", format!("#!/bin/sh\nprintf '{says}'\n"));
    bench.write("corpus/seeds/a.mm", "mmap p0 0 1 rw\n");
    bench
}

fn linux(bench: &Bench, files: &[&str]) -> Ran {
    bench.run(&[&["linux", "--corpus", "corpus"][..], files].concat())
}

#[test]
fn what_is_no_program_is_said_and_nothing_waits() {
    let bench = with_guest("");
    let made = std::process::Command::new("mkfifo")
        .arg(bench.path("pi\x1bpe"))
        .status();
    assert!(made.expect("mkfifo runs").success());
    for (file, why) in [
        ("pi\x1bpe", r"pi\x1bpe: is a pipe; give a file"),
        ("/dev/zero", "/dev/zero: is a device; give a file"),
        ("gone", "gone: cannot be read: "),
        ("kernel", "kernel: has no operation: "),
    ] {
        bench.write("kernel", "");
        let ran = linux(&bench, &[file]);
        ran.is_unusable(&[why]);
        ran.prints(&["linux: version=6.12 programs=0 ", " unusable=1 empty=0 "]);
        let ran = linux(&bench, &["--emitted", file]);
        ran.is_unusable(&[why]);
    }
    bench.write("folder/empty.mm", "");
    bench.write("folder/.mm-triage-x.tmp", "mmap p0 0 1 rw\nwri");
    let ran = linux(&bench, &["folder"]);
    ran.is_unusable(&["there is no program to judge: name programs"]);
    ran.prints(&["linux: version=6.12 programs=0 ", " unusable=0 empty=1 "]);
}

#[test]
fn no_terminal_obeys_the_name_of_a_file_or_the_console_of_a_guest() {
    let bench = with_guest(r"ok 1\n\033]0;title\007\r\nnot ok 2 \033[2Jgone\n");
    bench.write("ev\x1b[31mil.mm", "mmap p0 0 1 rw\n");
    let ran = linux(&bench, &["--jobs", "1", "ev\x1b[31mil.mm"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    let why = "mm-triage: the guest does not boot: QEMU opens no port: ";
    assert!(ran.err.starts_with(why), "{ran:?}");
    assert!(
        ran.err
            .contains("\\x1b]0;title\\x07\nnot ok 2 \\x1b[2Jgone\n")
    );
    assert!(!ran.err.contains('\x1b') && !ran.out.contains('\x1b'));
    // Likewise for the name of a program that is refused.
    bench.write(
        "ev\x1b[31mil.mm",
        "threads 2\npreempt 2 t1\nmmap p0 0 1 rw\nwrite p0 0\nget-fast p0 0 r\nt1: read p0 0\n",
    );
    let ran = linux(&bench, &["--verbose", "ev\x1b[31mil.mm"]);
    assert!(
        ran.err
            .starts_with(r"mm-triage: ev\x1b[31mil.mm: refused: ")
    );
    let ran = linux(&bench, &["--selftest"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    ran.prints(&[
        "not ok 2 \\x1b[2Jgone\n",
        "linux-selftest: version=6.12 pass=1 fail=1",
    ]);
}

/// Programs that need no driver of ours. A `BROKEN` counts as known if a known bug of the kernel
/// explains it in the model, and as a difference if none does.
#[test]
fn a_stock_program_that_is_broken_is_known_or_differs() {
    let says = |words: &str| {
        format!(
            r"mmfuzz-agent: 00000-a: ok\nmmfuzz-agent: 00001-b: {words}\nmmfuzz-agent: all programs have run\n"
        )
    };
    let witness = "mmap p0 0 1 rw\nmigrate p0 0 1 d0\nclear-soft-dirty p0\n";
    let run = |words: &str| {
        let bench = with_guest(&says(words));
        bench.write("none", "");
        bench.write("a.mm", "mmap p0 0 1 rw\n");
        bench.write("b.mm", witness);
        bench.write("c.mm", "fail page 1\n");
        linux(&bench, &["--emitted", "--stock", "a.mm", "b.mm", "c.mm"])
    };
    let summary = "linux-stock: version=6.12 programs=2 ";
    let known = run("BROKEN: step 6: pagemap of page 0: 0x102, not 0x103");
    assert_eq!(known.status, 0, "{known:?}");
    known.prints(&[
        "b: BROKEN: step 6: pagemap of page 0: 0x102, not 0x103; known: latent-softdirty-keeps-write\n",
        summary,
        "same=1 known=1 differ=0 refused=1 empty=0",
    ]);
    for (words, shown) in [
        (
            "BROKEN: step 1: migrate p0 0 1 d0: 0, not 1",
            "; not explained\n",
        ),
        ("BROKEN: signal 11", "b: BROKEN: signal 11; not explained\n"),
        ("", "b: it says nothing; not explained\n"),
    ] {
        let differs = run(words);
        assert_eq!(differs.status, 1, "{differs:?}");
        differs.prints(&[shown, "same=1 known=0 differ=1"]);
    }
}
