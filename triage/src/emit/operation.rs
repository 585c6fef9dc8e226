//! Writes one operation and its outcome in C, in terms of `runtime.c` and of the driver's
//! interface.

use mm_fuzz::call::{Argument, Constant, Flags, Invocation, RangeCall, RangeResult};
use mm_fuzz::exec::Outcome;
use mm_fuzz::program::{Addr, Op};
use mm_fuzz::window::Window;
use std::fmt::Write as _;

/// An outcome as the runtime has it: a name of `enum kind`, and the value in C.
pub fn in_c(outcome: Outcome, op: Op) -> (&'static str, String) {
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
        Outcome::Ebusy => ("FAILED", "EBUSY".to_owned()),
        Outcome::Enoent => ("FAILED", "ENOENT".to_owned()),
        Outcome::Nothing if matches!(op, Op::Fork { .. }) => ("FAILED", "0".to_owned()),
        Outcome::Nothing => ("NOTHING", "0".to_owned()),
    }
}

/// The C statements of an operation.
pub fn body(op: Op, number: u16, slot: usize) -> String {
    let word = u64::from(number) + 1;
    match (op.kind().contract().call)(op) {
        Invocation::Fork => "op_fork();".to_owned(),
        Invocation::Read(addr) => format!("op_read({});", addr.get()),
        Invocation::Write(addr) => format!("op_write({}, {word});", addr.get()),
        Invocation::ClearRefs => "op_clear_refs();".to_owned(),
        Invocation::System(Constant(name, _), arguments) => {
            let arguments: Vec<String> = arguments.into_iter().map(argument).collect();
            format!("result((long){name}({}));", arguments.join(", "))
        }
        Invocation::Uffd {
            request,
            argument,
            pages,
            mode,
        } => {
            let (start, len) = (address(pages.first), bytes(pages.count));
            let range = format!("(unsigned long){start}, {len}");
            let members = match mode {
                Some(mode) => format!(".range = {{ {range} }}, .mode = {}", mode.0),
                None => range,
            };
            format!(
                "op_uffd({}, &(struct {argument}){{ {members} }});",
                request.0
            )
        }
        Invocation::Range(call) => range(&call, word),
        Invocation::Slot(command, skip) => format!("op_slot({}, {slot}, {skip});", command.name()),
        Invocation::Evict(command, dev, [first, len]) => format!(
            "op_evict({}, (struct mmfuzz_evict){{ .dev = {}, .first = {first}, .len = {len} }});",
            command.name(),
            dev.get()
        ),
        Invocation::Outside
        | Invocation::Pagemap(_)
        | Invocation::Snapshot(..)
        | Invocation::SplitHugePages(_)
        | Invocation::ShrinkSplitQueue(_) => "done(NOTHING, 0);".to_owned(),
    }
}

fn address(addr: Addr) -> String {
    format!("at({})", addr.get())
}

fn bytes(pages: u32) -> String {
    format!("{pages}ul * PAGE")
}

/// An argument of a system call.
pub fn argument(argument: Argument) -> String {
    match argument {
        Argument::At(addr) => address(addr),
        Argument::Bytes(pages) => bytes(pages),
        Argument::Is(Constant(name, _)) => name.to_owned(),
    }
}

fn range(call: &RangeCall, word: u64) -> String {
    let mut members = format!(
        ".addr = (unsigned long){}, .len = {}, .dev = {}",
        address(call.pages.first),
        Window::GUEST.count(call.pages.count),
        call.dev
    );
    if call.skip != 0 {
        let _ = write!(members, ", .skip = {}", call.skip);
    }
    let flags = Flags::NAMES.into_iter();
    let flags = flags.filter(|(flag, _)| call.flags.contains(*flag));
    let flags: Vec<&str> = flags.map(|(_, name)| name).collect();
    if !flags.is_empty() {
        let _ = write!(members, ", .flags = {}", flags.join(" | "));
    }
    if call.takes_word() {
        let _ = write!(members, ", .word = {word}");
    }
    let kind = match call.result {
        RangeResult::Word => "WORD",
        RangeResult::Moved => "MOVED",
        RangeResult::Exclusive => "EXCLUSIVE",
        RangeResult::Slot => "SLOT",
    };
    let command = call.command.name();
    format!("op_range({command}, {kind}, (struct mmfuzz_range){{ {members} }});")
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use mm_fuzz::call::Ioctl;
    use mm_fuzz::program::{MAX_PARAMS, OpKind};
    use std::collections::BTreeMap;

    /// C that compiles only if each constant of `mm_fuzz::call` has the same value in C.
    pub fn assertions() -> String {
        let mut values = BTreeMap::new();
        let all = OpKind::ALL.iter();
        for (kind, byte) in all.flat_map(|kind| (0..4).map(move |byte| (*kind, byte))) {
            let op = Op::from_operand_bytes(kind, [byte; MAX_PARAMS]);
            match (kind.contract().call)(op) {
                Invocation::System(Constant(name, number), arguments) => {
                    values.insert(format!("SYS_{name}"), number);
                    for argument in arguments {
                        if let Argument::Is(Constant(name, value)) = argument {
                            values.insert(name.to_owned(), value);
                        }
                    }
                }
                Invocation::Uffd { request, mode, .. } => {
                    for Constant(name, value) in mode.into_iter().chain([request]) {
                        values.insert(name.to_owned(), value);
                    }
                }
                _ => {}
            }
        }
        for (flag, name) in Flags::NAMES {
            values.insert(name.to_owned(), flag.0.into());
        }
        for command in Ioctl::ALL {
            values.insert(format!("_IOC_NR({})", command.name()), *command as u64);
        }
        values.insert("MMFUZZ_DEVICES".to_owned(), mm_fuzz::limits::DEVICES as u64);
        assert!(values.len() > 50, "only {}", values.len());
        let line = |(name, value): (&String, &u64)| {
            format!("_Static_assert((unsigned long)({name}) == {value}ul, \"{name}\");\n")
        };
        values.iter().map(line).collect()
    }
}
