//! The check of a promise, as C.

use super::emitted_check::{EmittedCheck, entry};
use super::fails::{Fails, failing};
use super::functions::{CODE, FIELD, FLAGS, WRITABLE};
use super::monitor::watched;
use super::needs::{Needs, needs};
use super::parts::{read, written};
use super::report::{
    account, attaches, exposed, move_status, pinned, reported, walk_end, will_need,
};
use super::statement::{limit, statement, with_personality};
use mm_linux_calls::{Advice, Breach, BreachKind, Call, FIELDS, Program, Range, Resource, Step};

fn of_entry(page: u16, broken: &str) -> EmittedCheck {
    EmittedCheck {
        after: entry(page),
        broken: broken.to_owned(),
        ..EmittedCheck::default()
    }
}

/// Checks the access to the breach's page. If `succeeds`, the access must succeed; otherwise it
/// must fail. The access raises no signal. The other accesses of the step come before.
fn access(call: Option<&Call>, breach: &Breach, succeeds: bool) -> EmittedCheck {
    let page = breach.page;
    let before = |range: Range| {
        let len = page.saturating_sub(range.first);
        (len > 0).then(|| Range::new(range.first, len))
    };
    let step = usize::from(breach.step);
    let (instead, access) = match call {
        Some(Call::Write(range)) => (
            before(*range).map(|range| written(range, step, true)),
            "pread",
        ),
        Some(Call::Read(range)) => (before(*range).map(|range| read(range, true)), "pwrite"),
        _ => (None, "pwrite"),
    };
    let is_access = matches!(call, Some(Call::Write(_) | Call::Read(_)));
    let mut instead = instead.unwrap_or_default();
    if access == "pread" {
        let word = Range::word(step, page.into());
        instead.push_str(&format!("\npwrite(word, &(long){{ {word:#x} }}, 8, 0);"));
    }
    EmittedCheck {
        instead: is_access.then(|| instead.trim_start().to_owned()),
        broken: format!(
            "{access}(word, AT({page}), 8, 0) {}= 8",
            if succeeds { '!' } else { '=' }
        ),
        needs: Some(Needs::Word),
        ..EmittedCheck::default()
    }
}

const fn is_registration(call: &Call) -> bool {
    matches!(
        call,
        Call::Register(..) | Call::Unregister(_) | Call::WriteProtect(..) | Call::RwProtect(..)
    )
}

const fn is_start(step: &Step) -> bool {
    matches!(step.call, Call::Start { .. })
}

/// True for `brk`, and for a step with an allocation that fails, unless it is a fork or an exit.
/// Then the check of mappings puts statements before and after the call.
const fn may_fail(step: &Step) -> bool {
    matches!(step.call, Call::Brk(..))
        || step.fail > 0 && !matches!(step.call, Call::Fork | Call::Exit)
}

/// True if a monitor reads the userfaultfd of the breach's process when the promise is broken.
fn is_watched(program: &Program, breach: &Breach) -> bool {
    let mut steps = program.steps.iter().take(usize::from(breach.step) + 1);
    let opens = |step: &Step| {
        step.process == breach.process && needs(&step.call, false) == Some(Needs::Uffd)
    };
    program.monitor && steps.any(opens)
}

/// The step at which a promise is broken, as a statement.
fn made(program: &Program, step: &Step, breach: &Breach) -> String {
    let text = statement(&step.call, breach.step.into(), false, "getpid()");
    let text = with_personality(program, &step.call, text);
    failing(
        text,
        if step.fail > 0 {
            Fails::AtN
        } else {
            Fails::Never
        },
    )
}

/// Makes the call, and looks at its outcome.
fn outcome(program: &Program, breach: &Breach, broken: &str) -> EmittedCheck {
    let step = program.steps.get(usize::from(breach.step));
    let step = step.map(|step| made(program, step, breach));
    EmittedCheck {
        instead: Some(format!("errno = 0;\n{}", step.unwrap_or_default())),
        broken: broken.to_owned(),
        ..EmittedCheck::default()
    }
}

fn is_mapped(page: u16) -> EmittedCheck {
    EmittedCheck {
        after: "unsigned char resident;".to_owned(),
        broken: format!("!mincore(AT({page}), 4096, &resident)"),
        ..EmittedCheck::default()
    }
}

/// The check of a breach. Counters and calls that do not return are checked around the program.
pub fn check(program: &Program, breach: &Breach) -> EmittedCheck {
    let page = breach.page;
    let step = program.steps.get(usize::from(breach.step));
    let call = step.map(|step| &step.call);
    // the check makes the call, with statements before and after it
    let is_replaced =
        step.is_some_and(|step| !step.beside && !matches!(step.call, Call::Fork | Call::Exit));
    let is_sure = step.is_some_and(|step| step.fail == 0);
    let made = || step.map_or_else(String::new, |step| made(program, step, breach));
    match breach.kind {
        BreachKind::NotSoftDirty => of_entry(page, "!(entry >> 55 & 1)"),
        BreachKind::SoftDirty => of_entry(page, "entry >> 55 & 1"),
        BreachKind::FailedChange if call.is_some_and(is_registration) => EmittedCheck {
            instead: Some(format!("{}\n{}", entry(page), made())),
            after: format!(
                "long after;\npread(open(\"/proc/self/pagemap\", O_RDONLY), &after, 8, (long)AT({page}) / 512);"
            ),
            broken: "(entry ^ after) >> 57 & 1".to_owned(),
            ..EmittedCheck::default()
        },
        BreachKind::FailedMapping if step.is_some_and(may_fail) => EmittedCheck {
            instead: Some(format!("long before = flags(AT({page}));\n{}", made())),
            broken: format!("flags(AT({page})) != before"),
            helper: FLAGS,
            ..EmittedCheck::default()
        },
        BreachKind::FailedFile if program.uses_file() && is_replaced => EmittedCheck {
            instead: Some(format!(
                "struct stat before, after;\nfstat(file, &before), errno = 0;\n{}\nint error = errno;",
                made()
            )),
            after: "fstat(file, &after);".to_owned(),
            broken:
                "error && (before.st_size != after.st_size || before.st_blocks < after.st_blocks)"
                    .to_owned(),
            ..EmittedCheck::default()
        },
        BreachKind::SmapsShared => EmittedCheck {
            broken: format!(
                "smaps(AT({page}), \"Shared_Clean: %ld\") + smaps(AT({page}), \"Shared_Dirty: %ld\") > 0"
            ),
            helper: FIELD,
            ..EmittedCheck::default()
        },
        BreachKind::WalkEnd => call.map_or_else(EmittedCheck::default, walk_end),
        BreachKind::NotProtected | BreachKind::NotRwProtected => {
            of_entry(page, "!(entry >> 57 & 1)")
        }
        BreachKind::StillProtected | BreachKind::ShownProtected => {
            of_entry(page, "entry >> 57 & 1")
        }
        BreachKind::NotLocked if breach.wanted == 1 => EmittedCheck {
            after: format!("unsigned char resident;\nmincore(AT({page}), 4096, &resident);"),
            broken: "!(resident & 1)".to_owned(),
            ..EmittedCheck::default()
        },
        BreachKind::NotLocked => of_entry(page, "!(entry >> 63 & 1)"),
        BreachKind::Merged => EmittedCheck {
            after: format!(
                "{}\nlong flags = 0;\n\
                 pread(open(\"/proc/kpageflags\", O_RDONLY), &flags, 8, (entry & ((1L << 55) - 1)) * 8);",
                entry(page)
            ),
            broken: "flags >> 21 & 1 /* KPF_KSM */".to_owned(),
            ..EmittedCheck::default()
        },
        BreachKind::NotExclusive => of_entry(page, "!(entry >> 56 & 1)"),
        BreachKind::ShownUnmapped => of_entry(page, "(entry & 13L << 60) != 0"),
        BreachKind::NotPopulated => of_entry(page, "!(entry >> 62 & 3)"),
        BreachKind::Mincore => EmittedCheck {
            after: format!(
                "{}\nunsigned char resident;\nmincore(AT({page}), 4096, &resident);",
                entry(page)
            ),
            broken: "entry < 0 ? !(resident & 1) : resident & 1".to_owned(),
            ..EmittedCheck::default()
        },
        BreachKind::Contents if matches!(call, Some(Call::FileRead(_))) => EmittedCheck {
            instead: Some(String::new()),
            after: format!("long got = 0;\npread(file, &got, 8, {page} * 4096);"),
            broken: format!("got != {:#x}", breach.wanted),
            ..EmittedCheck::default()
        },
        BreachKind::Contents if is_replaced && matches!(call, Some(Call::DeviceRead(_))) => {
            let first = call.and_then(Call::range).map_or(page, |range| range.first);
            outcome(
                program,
                breach,
                &format!(
                    "*(volatile long *)(buffer + {} * 4096) != {:#x}",
                    page.saturating_sub(first),
                    breach.wanted
                ),
            )
        }
        BreachKind::Contents => {
            let range = Range::new(page, 1);
            // the step itself reads the page
            let instead = match call {
                Some(Call::Read(whole)) if whole.first == page => Some(String::new()),
                Some(Call::Read(whole)) if page > whole.first => {
                    let len = page - whole.first;
                    Some(read(Range::new(whole.first, len), false))
                }
                _ => None,
            };
            EmittedCheck {
                instead,
                broken: format!(
                    "*(volatile long *)AT({}) != {:#x}",
                    range.first, breach.wanted
                ),
                ..EmittedCheck::default()
            }
        }
        BreachKind::WrittenThrough | BreachKind::AccessedThrough | BreachKind::Allowed => {
            access(call, breach, false)
        }
        BreachKind::Denied
            if is_replaced && matches!(call, Some(Call::DeviceRead(_) | Call::DeviceWrite(_))) =>
        {
            outcome(program, breach, "errno")
        }
        BreachKind::Denied => access(call, breach, true),
        BreachKind::Pinned => pinned(program, page),
        BreachKind::BelowZero => EmittedCheck {
            broken: "counter() < 0".to_owned(),
            ..EmittedCheck::default()
        },
        BreachKind::Accounting => account(page.into()),
        BreachKind::Smaps => {
            let field = FIELDS[breach.wanted as usize % FIELDS.len()];
            EmittedCheck {
                broken: format!(
                    "smaps(AT({page}), \"{field} %ld\") > smaps(AT({page}), \"Size: %ld\")"
                ),
                helper: FIELD,
                ..EmittedCheck::default()
            }
        }
        BreachKind::Rss => EmittedCheck {
            broken: format!(
                "smaps(AT({page}), \"Rss: %ld\") + smaps(AT({page}), \"Swap: %ld\") != {} * 4",
                breach.wanted
            ),
            helper: FIELD,
            ..EmittedCheck::default()
        },
        BreachKind::Scan => call.map_or_else(EmittedCheck::default, |call| reported(call, page)),
        BreachKind::NoEvent | BreachKind::FalseEvent if is_watched(program, breach) => {
            let (instead, broken) = watched(breach.kind, call, breach.got, &made());
            EmittedCheck {
                instead: Some(instead),
                broken,
                ..EmittedCheck::default()
            }
        }
        BreachKind::Waits if program.steps.iter().any(is_start) => EmittedCheck {
            after: "sleep(1);".to_owned(),
            broken: "!done".to_owned(),
            ..EmittedCheck::default()
        },
        BreachKind::NotFilled if call.is_some_and(Call::fills) => EmittedCheck {
            instead: Some(format!("errno = 0;\n{}", made())),
            broken: format!(
                "errno == {} && pwrite(word, AT({page}), 8, 0) != 8",
                breach.wanted
            ),
            needs: Some(Needs::Word),
            ..EmittedCheck::default()
        },
        // the page is mapped
        BreachKind::StackGap => is_mapped(page),
        BreachKind::OverLimit => {
            let resource = Resource::ALL[breach.wanted as usize % Resource::ALL.len()];
            let Some(field) = resource.field() else {
                return is_mapped(page);
            };
            EmittedCheck {
                broken: format!(
                    "total(\"/proc/self/status\", \"{field} %ld\") > {}",
                    limit(resource)
                ),
                ..EmittedCheck::default()
            }
        }
        BreachKind::MoveStatus if is_replaced && is_sure => {
            call.map_or_else(EmittedCheck::default, |call| move_status(call, page))
        }
        BreachKind::Resident => match call {
            Some(Call::Advise(range, Advice::WillNeed)) if is_replaced => {
                will_need(*range, &made())
            }
            _ => EmittedCheck {
                after: format!("unsigned char resident;\nmincore(AT({page}), 4096, &resident);"),
                broken: "!(resident & 1)".to_owned(),
                ..EmittedCheck::default()
            },
        },
        BreachKind::StillLocked => EmittedCheck {
            broken: "total(\"/proc/self/status\", \"VmLck: %ld\") > 0".to_owned(),
            ..EmittedCheck::default()
        },
        BreachKind::NotLockable if is_replaced && is_sure => match call {
            Some(call @ Call::Lock { .. }) => EmittedCheck {
                instead: Some(format!(
                    "int failed = {}",
                    statement(call, 0, false, "getpid()")
                )),
                broken: "failed".to_owned(),
                ..EmittedCheck::default()
            },
            _ => EmittedCheck::default(),
        },
        BreachKind::Exposed => exposed(call, page),
        BreachKind::Sealed if page == 1 && program.uses_file() && is_replaced => EmittedCheck {
            instead: Some(format!("long before = writable();\n{}", made())),
            broken: "writable() > before".to_owned(),
            helper: WRITABLE,
            ..EmittedCheck::default()
        },
        BreachKind::Sealed if page == 2 && program.uses_file() && is_replaced => EmittedCheck {
            instead: Some(format!(
                "static char before[2048 * 4096], after[2048 * 4096];\n\
                     pread(file, before, sizeof(before), 0);\n{}",
                made()
            )),
            after: "pread(file, after, sizeof(after), 0);".to_owned(),
            broken: "memcmp(before, after, sizeof(after))".to_owned(),
            ..EmittedCheck::default()
        },
        BreachKind::Sealed if program.file_flags() & !4 != 0 && is_replaced => EmittedCheck {
            instead: Some(format!(
                "struct stat before, after;\nfstat(file, &before);\n{}",
                made()
            )),
            after: "fstat(file, &after);".to_owned(),
            broken: "before.st_size != after.st_size || before.st_mode != after.st_mode".to_owned(),
            ..EmittedCheck::default()
        },
        BreachKind::SealIgnored if matches!(call, Some(Call::Brk(..))) => EmittedCheck {
            after: "unsigned char resident;".to_owned(),
            broken: format!("mincore(AT({page}), 4096, &resident)"),
            ..EmittedCheck::default()
        },
        BreachKind::SealIgnored if is_replaced => outcome(program, breach, "!errno"),
        BreachKind::Accepted if is_replaced => outcome(program, breach, "!errno"),
        BreachKind::NotUndone if is_replaced => outcome(program, breach, "errno"),
        BreachKind::FalseExclusive => of_entry(page, "entry >> 56 & 1"),
        BreachKind::Evictable => EmittedCheck {
            after: format!(
                "write(open(\"/proc/sys/vm/drop_caches\", O_WRONLY), \"1\", 1);\n{}\nlong flags = -1;\n\
                 pread(open(\"/proc/kpageflags\", O_RDONLY), &flags, 8, (entry & ((1L << 55) - 1)) * 8);",
                entry(page)
            ),
            broken: "!(flags >> 33 & 1) /* KPF_MLOCKED */".to_owned(),
            ..EmittedCheck::default()
        },
        BreachKind::FilledIn => of_entry(page, "entry >> 62 & 3"),
        BreachKind::HugePage => EmittedCheck {
            broken: format!("smaps(AT({page}), \"AnonHugePages: %ld\") > 0"),
            helper: FIELD,
            ..EmittedCheck::default()
        },
        BreachKind::WriteExec => EmittedCheck {
            broken: format!("writable_code(AT({page}))"),
            helper: CODE,
            ..EmittedCheck::default()
        },
        BreachKind::Policy => EmittedCheck {
            after: format!(
                "int mode = -1;\nlong mask = 0;\n\
                 syscall(SYS_get_mempolicy, &mode, &mask, 64L, AT({page}), 2L);"
            ),
            broken: format!(
                "mode != {} || mask != {}",
                breach.wanted >> 8,
                breach.wanted & 255
            ),
            ..EmittedCheck::default()
        },
        BreachKind::Node => EmittedCheck {
            after: format!(
                "int node = -1;\n\
                 syscall(SYS_move_pages, 0L, 1L, &(void *){{ AT({page}) }}, 0L, &node, 0L);"
            ),
            broken: format!("node >= 0 && node != {}", breach.wanted),
            ..EmittedCheck::default()
        },
        BreachKind::Attaches => attaches(program, breach),
        BreachKind::NoEvent
        | BreachKind::FalseEvent
        | BreachKind::FailedMapping
        | BreachKind::FailedChange
        | BreachKind::Waits
        | BreachKind::FailedFile
        | BreachKind::SealIgnored
        | BreachKind::Accepted
        | BreachKind::NotUndone
        | BreachKind::NotLockable
        | BreachKind::MoveStatus
        | BreachKind::Sealed
        | BreachKind::NotFilled => EmittedCheck::default(),
        BreachKind::Alert | BreachKind::Counter | BreachKind::Hang | BreachKind::Unkillable => {
            EmittedCheck::default()
        }
    }
}

/// True if a step does not return. If the monitor cannot fill a page in, an access to it waits.
pub fn waits_for_ever(program: &Program, breach: &Breach) -> bool {
    match breach.kind {
        BreachKind::Hang | BreachKind::Unkillable => true,
        BreachKind::NotFilled => {
            let step = program.steps.get(usize::from(breach.step));
            program.monitor && !step.is_some_and(|step| step.call.fills())
        }
        _ => false,
    }
}
