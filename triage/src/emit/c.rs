//! Writes a program in C, for a real Linux with our driver.
//!
//! The model's run gives the order in which operations start and end, and the expected outcome of
//! each. The judge uses the same order and outcomes. The C has one function for each operation, and
//! one process for each process of the program.

use super::operation::{body, in_c};
use super::refused::Refused;
use crate::bugs::Bugs;
use crate::linux::known::Version;
use crate::linux::plan::{self, Expected, Plan};
use mm_core::KernelVersion;
use mm_fuzz::exec::{Executor, OpSlots, Options, Outcome, Slots};
use mm_fuzz::limits::MAX_PROCS;
use mm_fuzz::program::{Op, Program, Step, Thp};
use mm_fuzz::window::Window;
use mm_linux_protocol::Action;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const RUNTIME: &str = include_str!("runtime.c");
/// The driver's interface.
pub const DRIVER: &str = include_str!("../../linux/driver/mmfuzz_dev.h");

const INCLUDES: &str = "\
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
";

/// The program in C. It expects what a kernel of this version does, with the known bugs of that
/// kernel.
///
/// # Errors
///
/// User space cannot do an operation, or the judge would not run the program.
pub fn to_c(program: &Program, kernel: Version) -> Result<String, Refused> {
    let mut executor = Executor::new(Options {
        unchecked: true,
        release: KernelVersion::of(kernel.0, kernel.1),
        ..Options::default()
    });
    // A build without the zoo cannot switch on the kernel's bugs.
    if let Ok(bugs) = Bugs::of_kernel("", kernel) {
        bugs.set(&mut executor);
    }
    let cannot: Vec<String> = program
        .ops
        .iter()
        .enumerate()
        .filter_map(impossible)
        .collect();
    if !cannot.is_empty() {
        return Err(refused(cannot));
    }
    if !program.preemptions.is_empty() {
        let text = "preempt a thread inside the kernel".to_owned();
        return Err(refused(vec![text]));
    }
    if program.thp != Thp::Never {
        return Err(refused(vec!["map huge pages by faults".to_owned()]));
    }
    let plan = plan::plan(0, program, &mut executor)
        .map_err(|refusal| refused(vec![refusal.to_string()]))?;
    let mut writer = Writer::default();
    writer.main(program, &plan)?;
    let mut text = String::new();
    for line in program.to_string().lines() {
        let _ = writeln!(text, "// {line}");
    }
    let Writer {
        functions, main, ..
    } = writer;
    let constants = constants();
    let _ = write!(
        text,
        "{INCLUDES}\n{DRIVER}\n{constants}{RUNTIME}\n{functions}int main(void)\n{{\n\tbegin();\n{main}\treturn finish();\n}}\n"
    );
    Ok(text)
}

/// Definitions for the runtime: the size of a page in bytes, the address of the window's first
/// page, and the greatest number of processes of a program.
pub fn constants() -> String {
    let (page, start) = (Window::GUEST.bytes(1), Window::GUEST.start_byte());
    format!(
        "#define PAGE {page}ul\n#define WINDOW ((char *){start:#x}ul)\n#define PROCS {MAX_PROCS}\n"
    )
}

fn refused(reasons: Vec<String>) -> Refused {
    Refused {
        who: "user space",
        reasons,
    }
}

/// What only the model or the judge's agent can do in an operation; `None` if user space can do
/// the operation.
fn impossible((i, step): (usize, &Step)) -> Option<String> {
    match step.op {
        Op::Fail { .. } => Some(format!(
            "operation {i}: {}: make an allocation fail",
            step.op
        )),
        Op::Snapshot { .. } | Op::Pagemap { .. } => Some(format!(
            "operation {i}: {}: compare what is seen, page by page",
            step.op
        )),
        Op::Split { .. } | Op::SplitQueue { .. } => Some(format!(
            "operation {i}: {}: write to files that only root can write",
            step.op
        )),
        _ => None,
    }
}

/// The text so far. Also follows the program's slots, because the C is written with their numbers.
#[derive(Default)]
struct Writer {
    functions: String,
    main: String,
    slots: Slots<()>,
    /// For each running operation, its process, and the slot that the operation works on.
    runs: BTreeMap<u16, (usize, usize)>,
}

impl Writer {
    fn main(&mut self, program: &Program, plan: &Plan) -> Result<(), Refused> {
        self.slots.procs[0] = Some(());
        let mut outcomes = plan.expected.iter().filter_map(|expected| match expected {
            Expected::End(step, outcome) => Some((*step, *outcome)),
            Expected::Seen(..) => None,
        });
        let mut hints = plan.job.hints.iter();
        for (i, action) in plan.job.plan.iter().enumerate() {
            match action {
                Action::Start(step) => {
                    let ends = plan.job.plan.get(i + 1) == Some(&Action::End(*step));
                    self.start(program, *step, ends)?;
                }
                Action::End(_) => {
                    let Some((step, outcome)) = outcomes.next() else {
                        break;
                    };
                    let open = hints.next().map_or(0, |(_, hint)| hint.open);
                    self.end(program.ops[usize::from(step)].op, step, outcome, open);
                }
                Action::ReleaseLocks => {
                    for slot in self.slots.take_locks() {
                        let _ = writeln!(self.main, "\trelease(MMFUZZ_IOC_UNLOCK, {slot});");
                    }
                }
                Action::ReleaseWalkers => {
                    for slot in self.slots.take_walkers() {
                        let _ = writeln!(self.main, "\trelease(MMFUZZ_IOC_PUT, {slot});");
                    }
                }
                Action::RunMigration(slot) => {
                    let _ = writeln!(self.main, "\trelease(MMFUZZ_IOC_NEXT, {slot});");
                }
                // programs that have these are refused before
                Action::Stopped(_) | Action::GoOn(_) | Action::Fail(_) => {}
                Action::Observe | Action::Crash(_) => {}
            }
        }
        Ok(())
    }

    fn start(&mut self, program: &Program, number: u16, ends: bool) -> Result<(), Refused> {
        let op = program.ops[usize::from(number)].op;
        let Some(OpSlots { proc, slot }) = self.slots.of(op) else {
            return Ok(());
        };
        // An operation that no process of the program carries out runs in an extra process, which
        // has the last slot.
        let proc = proc.unwrap_or(MAX_PROCS);
        if self.runs.values().any(|(busy, _)| *busy == proc) {
            let text = format!(
                "operation {number}: {op}: run a second operation at the same time in one process"
            );
            return Err(refused(vec![text]));
        }
        if matches!(op, Op::Exit { .. }) {
            self.slots.procs[proc] = None;
            let _ = writeln!(self.main, "\texit_process({proc});");
            return Ok(());
        }
        let body = body(op, number, slot);
        let _ = writeln!(
            self.functions,
            "/* {op} */\nstatic void op_{number}(void)\n{{\n\t{body}\n}}\n"
        );
        let child = if matches!(op, Op::Fork { .. }) {
            slot
        } else {
            0
        };
        let _ = writeln!(self.main, "\tstart({proc}, op_{number}, {child});");
        if !ends {
            let _ = writeln!(self.main, "\twaits({proc}, \"operation {number}: {op}\");");
        }
        self.runs.insert(number, (proc, slot));
        Ok(())
    }

    fn end(&mut self, op: Op, number: u16, outcome: Outcome, open: u8) {
        let Some((proc, slot)) = self.runs.remove(&number) else {
            return;
        };
        let (kind, value) = in_c(outcome, op);
        let _ = writeln!(
            self.main,
            "\texpect({proc}, \"operation {number}: {op}\", {kind}, {value});"
        );
        self.slots.set_open(open);
        match outcome {
            Outcome::Child(_) => self.slots.procs[slot] = Some(()),
            // While an operation waits, a lower slot may become free. So take the slot of the
            // outcome, not the one that was free at the start.
            Outcome::Slot(slot) => self.slots.done(op, slot),
            Outcome::Done => self.slots.done(op, slot),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mm_fuzz::program::Addr;

    fn c(text: &str) -> Result<String, String> {
        to_c(&text.parse().expect("a program"), (7, 3)).map_err(|refused| refused.to_string())
    }

    #[test]
    fn each_operation_is_a_function_that_is_started_and_compared() {
        let text = c("mmap p0 0 2 rw\nwrite p0 1\nfork p0\nexit p1").expect("C");
        for line in [
            "static void op_1(void)\n{\n\top_write(1, 2);\n}",
            "\tstart(0, op_2, 1);\n\texpect(0, \"operation 2: fork p0\", CHILD, 1);",
            "\texit_process(1);",
        ] {
            assert!(text.contains(line), "{line}\nis not in\n{text}");
        }
    }

    #[test]
    fn what_is_expected_is_what_the_kernel_does() {
        let program = "mmap p0 0 1 rw\nwrite p0 0\nreclaim p0 0".parse();
        let program = program.expect("a program");
        let freed = [(6, 12), (7, 2), (7, 3)].map(|kernel| {
            let text = to_c(&program, kernel).map_err(|refused| refused.to_string());
            let text = text.expect("C");
            text.contains("expect(0, \"operation 2: reclaim p0 0\", MOVED, 1);")
        });
        assert_eq!(freed, [true, true, false]);
    }

    #[test]
    fn what_user_space_cannot_do_is_listed() {
        let refused = c("mmap p0 0 1 rw\nfail page 1\nsnapshot d0 p0 0 1").expect_err("refused");
        assert!(refused.contains("operation 1: fail page 1"), "{refused}");
        assert!(refused.contains("operation 2: snapshot"), "{refused}");
    }

    fn compiles(text: &str) -> bool {
        let mut file = tempfile::Builder::new();
        let file = file.suffix(".c").tempfile().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        let status = std::process::Command::new("cc")
            .args(["-std=gnu11", "-fsyntax-only", "-Wall", "-Wextra", "-Werror"])
            .arg(file.path())
            .status();
        status.expect("cc").success()
    }

    /// The emitted C maps the pages of a program at the addresses that the guest's agent uses,
    /// whether it needs our driver or not.
    #[test]
    fn pages_are_where_the_window_has_them() {
        let driver = format!("{INCLUDES}\n{DRIVER}\n{}{RUNTIME}\n", constants());
        for head in [driver, crate::emit::stock::window()] {
            let dir = tempfile::tempdir().expect("a folder");
            let (source, program) = (dir.path().join("at.c"), dir.path().join("at"));
            let pages: Vec<u8> = (0..=Addr::MAX.get()).collect();
            let wrong = pages.iter().map(|page| {
                let byte = Window::GUEST.byte(Addr::new(*page));
                format!(
                    "\tif (at({page}) != (char *){byte:#x}ul)\n\t\treturn {};\n",
                    page + 1
                )
            });
            let wrong = wrong.collect::<String>();
            let text = format!("{head}int main(void)\n{{\n{wrong}\treturn 0;\n}}\n");
            std::fs::write(&source, text).expect("written");
            let cc = std::process::Command::new("cc");
            let built = { cc }
                .arg("-pthread")
                .arg("-o")
                .arg(&program)
                .arg(&source)
                .status();
            assert!(built.expect("cc").success());
            let ran = std::process::Command::new(&program)
                .status()
                .expect("it runs");
            assert_eq!(
                ran.code(),
                Some(0),
                "a page is at another address; the status is the number of the page plus one"
            );
        }
    }

    /// The guest's agent uses the values of the constants, and the emitted C uses their names.
    #[test]
    fn constants_are_what_they_are_in_c() {
        let assertions = super::super::operation::tests::assertions();
        let headers = format!("{INCLUDES}\n{DRIVER}\n");
        assert!(compiles(&format!("{headers}{assertions}")));
        let wrong = assertions.replace("(MADV_COLD) == 20", "(MADV_COLD) == 21");
        assert!(!compiles(&format!("{headers}{wrong}")));
    }

    #[test]
    fn the_c_of_the_corpus_compiles_without_a_warning() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus/zoo");
        let files = crate::corpus::programs(std::path::Path::new(root)).expect("the corpus");
        let mut compiled = 0;
        for path in files.iter().step_by(6) {
            let input = crate::input::load(path, None).expect("a program");
            let Ok(text) = to_c(&input.program, (6, 12)) else {
                continue;
            };
            assert!(compiles(&text), "{}", path.display());
            compiled += 1;
        }
        assert!(compiled >= 5, "only {compiled}");
    }
}
