//! One operation and its outcome in C, in terms of `runtime.c` and of the driver's interface.

use mm_fuzz::exec::Outcome;
use mm_fuzz::program::{Access, Addr, How, Len, OnOff, Op, Prot, Toward};
use mm_linux_protocol::WINDOW;

/// An outcome in the terms of the runtime.
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

/// What an operation does.
pub fn body(op: Op, number: u16, slot: usize) -> String {
    let word = u64::from(number) + 1;
    let clip = |addr: Addr, len: Len| (u32::from(len.get())).min(WINDOW - u32::from(addr.get()));
    let bytes = |addr, len| format!("{}ul * PAGE", clip(addr, len));
    let span = |addr: Addr| format!("at({})", addr.get());
    let range = |command: &str, kind: &str, addr: Addr, len: u32, rest: String| {
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
            let write = if access == Access::Write {
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
