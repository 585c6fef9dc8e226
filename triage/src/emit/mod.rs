//! `emit`: a program as source; in Rust see [`rust`], in C here, for a real Linux with our driver.
//!
//! The order of starts and ends, and what each operation must say, are those of the model's run, as
//! for the judge. One function for each operation, one process for each process.

use crate::args::Emit;
use crate::linux;
use crate::linux::plan::{self, Expected, Plan};
use crate::names::shown;
use crate::{Status, input};
use mm_core::Release;
use mm_fuzz::exec::{Executor, MAX_PROCS, Options, Outcome, Place, Slots};
use mm_fuzz::program::{How, OnOff, Op, Program, Prot, Toward};
use mm_linux_protocol::{Action, WINDOW};
use std::fmt::Write as _;
use std::io::{self, Write};

mod rust;

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
";

/// Why a program cannot be written in C.
#[derive(Debug)]
pub struct Refused(Vec<String>);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("user space cannot do this:")?;
        self.0.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// `emit --c FILE`, `emit --rust FILE`.
///
/// # Errors
///
/// Those of `out`.
pub fn command(args: &Emit, out: &mut dyn Write) -> io::Result<Status> {
    let input = match input::load(&args.file, None) {
        Ok(input) => input,
        Err(error) => return Ok(Status::unusable(error)),
    };
    if args.rust {
        let bugs = args.zoo.clone().unwrap_or_default();
        out.write_all(rust::test(&input.program, &bugs).as_bytes())?;
        return Ok(Status::Pass);
    }
    match to_c(&input.program) {
        Ok(text) => {
            out.write_all(text.as_bytes())?;
            Ok(Status::Pass)
        }
        Err(refused) => Ok(Status::unusable(format_args!(
            "{}: {refused}",
            shown(&args.file)
        ))),
    }
}

/// The program in C.
///
/// # Errors
///
/// What it does that user space cannot.
pub fn to_c(program: &Program) -> Result<String, Refused> {
    let mut executor = Executor::new(Options {
        unchecked: true,
        release: Release::V6_12,
        ..Options::default()
    });
    // a build without the zoo has none of the kernel's bugs
    if let Ok(bugs) = linux::bugs_of("", Release::V6_12) {
        bugs.set(&mut executor);
    }
    let cannot: Vec<String> = program
        .ops
        .iter()
        .enumerate()
        .filter_map(impossible)
        .collect();
    if !cannot.is_empty() {
        return Err(Refused(cannot));
    }
    let plan = plan::plan(0, program, &mut executor)
        .map_err(|refusal| Refused(vec![refusal.to_string()]))?;
    let mut writer = Writer::default();
    writer.main(program, &plan)?;
    let mut text = String::new();
    for line in program.to_string().lines() {
        let _ = writeln!(text, "// {line}");
    }
    let Writer {
        functions, main, ..
    } = writer;
    let _ = write!(
        text,
        "{INCLUDES}\n{DRIVER}\n{RUNTIME}\n{functions}int main(void)\n{{\n\tbegin();\n{main}\treturn finish();\n}}\n"
    );
    Ok(text)
}

/// What only the model or the judge's agent can do.
fn impossible((i, step): (usize, &mm_fuzz::program::Step)) -> Option<String> {
    match step.op {
        Op::Fail { .. } => Some(format!(
            "operation {i}: {}: make an allocation fail",
            step.op
        )),
        Op::Snapshot { .. } | Op::Pagemap { .. } => Some(format!(
            "operation {i}: {}: compare what is seen, page by page",
            step.op
        )),
        _ => None,
    }
}

/// The text, and the slots of the program as it names them; nobody else keeps count there.
#[derive(Default)]
struct Writer {
    functions: String,
    main: String,
    slots: Slots<()>,
    /// The process that runs an operation, and the slot that it works on.
    runs: std::collections::BTreeMap<u16, (usize, usize)>,
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
                Action::Observe | Action::Fail(_) | Action::Crash(_) => {}
            }
        }
        Ok(())
    }

    fn start(&mut self, program: &Program, number: u16, ends: bool) -> Result<(), Refused> {
        let op = program.ops[usize::from(number)].op;
        let Some(Place { proc, slot }) = self.slots.place(op) else {
            return Ok(());
        };
        // what no process does, the last one does
        let proc = proc.unwrap_or(MAX_PROCS);
        if self.runs.values().any(|(busy, _)| *busy == proc) {
            let text = format!(
                "operation {number}: {op}: a second operation at the same time in one process"
            );
            return Err(Refused(vec![text]));
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
            // one that waited may have found a lower slot free than when it started
            Outcome::Slot(slot) => self.slots.done(op, slot),
            Outcome::Done => self.slots.done(op, slot),
            _ => {}
        }
    }
}

/// An outcome in the terms of the runtime.
fn in_c(outcome: Outcome, op: Op) -> (&'static str, String) {
    match outcome {
        Outcome::Done => ("DONE", "0".to_owned()),
        Outcome::Word(word) => ("WORD", format!("{word}")),
        Outcome::Moved(pages) => ("MOVED", pages.to_string()),
        Outcome::Exclusive(pages) => ("EXCLUSIVE", pages.to_string()),
        Outcome::Child(slot) => ("CHILD", slot.to_string()),
        Outcome::Slot(slot) => ("SLOT", slot.to_string()),
        Outcome::Seen(_) => ("DONE", "0".to_owned()),
        Outcome::Segv | Outcome::Sigbus | Outcome::WriteProtected | Outcome::Efault => {
            ("FAULT", "0".to_owned())
        }
        Outcome::Enomem => ("FAILED", "ENOMEM".to_owned()),
        Outcome::Eagain => ("FAILED", "EAGAIN".to_owned()),
        Outcome::Einval => ("FAILED", "EINVAL".to_owned()),
        Outcome::Enoent => ("FAILED", "ENOENT".to_owned()),
        Outcome::Nothing if matches!(op, Op::Fork { .. }) => ("FAILED", "0".to_owned()),
        Outcome::Nothing => ("NOTHING", "0".to_owned()),
    }
}

const fn protection(prot: Prot) -> &'static str {
    match prot {
        Prot::None => "PROT_NONE",
        Prot::Read => "PROT_READ",
        Prot::ReadWrite => "PROT_READ | PROT_WRITE",
    }
}

/// What an operation does, in C.
fn body(op: Op, number: u16, slot: usize) -> String {
    let word = u64::from(number) + 1;
    let clip = |addr: mm_fuzz::program::Addr, len: mm_fuzz::program::Len| {
        (u32::from(len.get())).min(WINDOW - u32::from(addr.get()))
    };
    let bytes = |addr, len| format!("{}ul * PAGE", clip(addr, len));
    let span = |addr: mm_fuzz::program::Addr| format!("at({})", addr.get());
    let range = |command: &str,
                 kind: &str,
                 addr: mm_fuzz::program::Addr,
                 len: u32,
                 rest: String| {
        format!(
            "op_range(MMFUZZ_IOC_{command}, {kind}, (struct mmfuzz_range){{ .addr = (unsigned long)at({}), .len = {len}{rest} }});",
            addr.get()
        )
    };
    let advise = |advice: &str, addr, len| {
        format!(
            "result(madvise({}, {}, MADV_{advice}));",
            span(addr),
            bytes(addr, len)
        )
    };
    match op {
        Op::Mmap {
            addr, len, prot, ..
        } => {
            format!(
                "op_mmap({}, {}, {});",
                addr.get(),
                clip(addr, len),
                protection(prot)
            )
        }
        Op::Munmap { addr, len, .. } => {
            format!("result(munmap({}, {}));", span(addr), bytes(addr, len))
        }
        Op::Mprotect {
            addr, len, prot, ..
        } => {
            format!(
                "result(mprotect({}, {}, {}));",
                span(addr),
                bytes(addr, len),
                protection(prot)
            )
        }
        Op::Dontneed { addr, len, .. } => advise("DONTNEED", addr, len),
        Op::Lazyfree { addr, len, .. } => advise("FREE", addr, len),
        Op::Cold { addr, len, .. } => advise("COLD", addr, len),
        Op::Pageout { addr, len, .. } => advise("PAGEOUT", addr, len),
        Op::Willneed { addr, len, .. } => advise("WILLNEED", addr, len),
        Op::Mlock {
            addr, len, switch, ..
        } => {
            let call = if switch == OnOff::On {
                "mlock"
            } else {
                "munlock"
            };
            format!("result({call}({}, {}));", span(addr), bytes(addr, len))
        }
        Op::Reclaim { addr, .. } => range("RECLAIM", "MOVED", addr, 1, String::new()),
        Op::Dontfork {
            addr, len, switch, ..
        } => format!(
            "result(madvise({}, {}, {}));",
            span(addr),
            bytes(addr, len),
            if switch == OnOff::On {
                "MADV_DONTFORK"
            } else {
                "MADV_DOFORK"
            }
        ),
        Op::Mremap {
            addr,
            len,
            to,
            newlen,
            how,
            ..
        } => {
            let (to, flags) = match how {
                How::Stay => (addr, "0"),
                How::Fixed => (to, "MREMAP_MAYMOVE | MREMAP_FIXED"),
                How::Dontunmap => (to, "MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP"),
            };
            format!(
                "op_mremap({}, {}, {}, {}, {flags});",
                addr.get(),
                clip(addr, len),
                to.get(),
                clip(to, newlen)
            )
        }
        Op::Fork { .. } => "op_fork();".to_owned(),
        Op::Read { addr, .. } => format!("op_read({});", addr.get()),
        Op::Write { addr, .. } => format!("op_write({}, {word});", addr.get()),
        Op::Migrate {
            addr,
            len,
            dev,
            skip,
            ..
        } => {
            let rest = format!(", .dev = {}, .skip = {}", dev.get(), skip.get());
            range("MIGRATE", "MOVED", addr, clip(addr, len), rest)
        }
        Op::MigrateBack {
            addr,
            len,
            dev,
            skip,
            ..
        } => {
            let rest = format!(
                ", .dev = {}, .skip = {}, .flags = MMFUZZ_TO_SYSTEM",
                dev.get(),
                skip.get()
            );
            range("MIGRATE", "MOVED", addr, clip(addr, len), rest)
        }
        Op::Setup {
            addr,
            len,
            dev,
            toward,
            ..
        } => {
            let flags = if toward == Toward::System {
                "MMFUZZ_TO_SYSTEM"
            } else {
                "0"
            };
            let rest = format!(", .dev = {}, .flags = {flags}", dev.get());
            range("SETUP", "SLOT", addr, clip(addr, len), rest)
        }
        Op::Pages { skip, .. } => format!("op_slot(MMFUZZ_IOC_NEXT, {slot}, {});", skip.get()),
        Op::Finalize { .. } => format!("op_slot(MMFUZZ_IOC_NEXT, {slot}, 0);"),
        Op::Put { .. } => format!("op_slot(MMFUZZ_IOC_PUT, {slot}, 0);"),
        Op::Unlock { .. } => format!("op_slot(MMFUZZ_IOC_UNLOCK, {slot}, 0);"),
        Op::Release { dev } => format!(
            "op_evict(MMFUZZ_IOC_RELEASE, (struct mmfuzz_evict){{ .dev = {} }});",
            dev.get()
        ),
        Op::Exclusive { dev, addr, len, .. } => {
            let rest = format!(", .dev = {}", dev.get());
            range("EXCLUSIVE", "EXCLUSIVE", addr, clip(addr, len), rest)
        }
        Op::Compact { addr, .. } => range("COMPACT", "MOVED", addr, 1, String::new()),
        Op::Evict { dev, first, len } => format!(
            "op_evict(MMFUZZ_IOC_EVICT, (struct mmfuzz_evict){{ .dev = {}, .first = {}, .len = {} }});",
            dev.get(),
            first.get(),
            len.get()
        ),
        Op::DevRead { dev, addr, .. } => {
            range("ACCESS", "WORD", addr, 1, format!(", .dev = {}", dev.get()))
        }
        Op::DevWrite { dev, addr, .. } => {
            let rest = format!(
                ", .dev = {}, .flags = MMFUZZ_WRITE, .word = {word}",
                dev.get()
            );
            range("ACCESS", "WORD", addr, 1, rest)
        }
        Op::Get { addr, access, .. }
        | Op::Pin { addr, access, .. }
        | Op::GetFast { addr, access, .. }
        | Op::PinFast { addr, access, .. }
        | Op::PinLongterm { addr, access, .. } => {
            let write = if access == mm_fuzz::program::Access::Write {
                "MMFUZZ_WRITE"
            } else {
                "0"
            };
            let how = match op {
                Op::Pin { .. } => " | MMFUZZ_PIN",
                Op::GetFast { .. } => " | MMFUZZ_FAST",
                Op::PinFast { .. } => " | MMFUZZ_PIN | MMFUZZ_FAST",
                Op::PinLongterm { .. } => " | MMFUZZ_PIN | MMFUZZ_LONGTERM",
                _ => "",
            };
            range("GET", "SLOT", addr, 1, format!(", .flags = {write}{how}"))
        }
        Op::Hold { addr, .. } => range("HOLD", "SLOT", addr, 1, String::new()),
        Op::Lock { addr, .. } => range("LOCK", "SLOT", addr, 1, String::new()),
        Op::ClearSoftDirty { .. } => "op_clear_refs();".to_owned(),
        Op::UffdRegister { addr, len, .. } => format!(
            "op_uffd(UFFDIO_REGISTER, &(struct uffdio_register){{ .range = {{ (unsigned long){}, {} }}, .mode = UFFDIO_REGISTER_MODE_WP }});",
            span(addr),
            bytes(addr, len)
        ),
        Op::UffdUnregister { addr, len, .. } => format!(
            "op_uffd(UFFDIO_UNREGISTER, &(struct uffdio_range){{ (unsigned long){}, {} }});",
            span(addr),
            bytes(addr, len)
        ),
        Op::UffdWp {
            addr, len, switch, ..
        } => format!(
            "op_uffd(UFFDIO_WRITEPROTECT, &(struct uffdio_writeprotect){{ .range = {{ (unsigned long){}, {} }}, .mode = {} }});",
            span(addr),
            bytes(addr, len),
            if switch == OnOff::On {
                "UFFDIO_WRITEPROTECT_MODE_WP"
            } else {
                "0"
            }
        ),
        Op::Exit { .. } | Op::Fail { .. } | Op::Snapshot { .. } | Op::Pagemap { .. } => {
            "done(NOTHING, 0);".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn c(text: &str) -> Result<String, String> {
        to_c(&text.parse().expect("a program")).map_err(|refused| refused.to_string())
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
    fn what_user_space_cannot_do_is_listed() {
        let refused = c("mmap p0 0 1 rw\nfail page 1\nsnapshot d0 p0 0 1").expect_err("refused");
        assert!(refused.contains("operation 1: fail page 1"), "{refused}");
        assert!(refused.contains("operation 2: snapshot"), "{refused}");
    }

    #[test]
    fn the_c_of_the_corpus_compiles_without_a_warning() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus/zoo");
        let files = crate::corpus::programs(std::path::Path::new(root)).expect("the corpus");
        let mut compiled = 0;
        for path in files.iter().step_by(6) {
            let input = input::load(path, None).expect("a program");
            let Ok(text) = to_c(&input.program) else {
                continue;
            };
            let file = tempfile::Builder::new()
                .suffix(".c")
                .tempfile()
                .expect("a file");
            std::fs::write(file.path(), text).expect("written");
            let status = std::process::Command::new("cc")
                .args(["-std=gnu11", "-fsyntax-only", "-Wall", "-Wextra", "-Werror"])
                .arg(file.path())
                .status();
            assert!(status.expect("cc").success(), "{}", path.display());
            compiled += 1;
        }
        assert!(compiled >= 5, "only {compiled}");
    }
}
