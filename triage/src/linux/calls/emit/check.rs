//! The check of a promise, as C.

use super::monitor::watched;
use super::statement::{
    Fails, Needs, SCAN, failing, limit, needs, read, scanned, statement, with_personality, written,
};
use mm_linux_calls::{
    ACCOUNTS, Advice, Breach, BreachKind, Call, FIELDS, Program, Range, Resource, Step,
};

/// A check.
#[derive(Clone, Debug, Default)]
pub struct EmittedCheck {
    /// Statements before the program.
    pub before: String,
    /// Statements that replace the step at which the promise is broken.
    pub instead: Option<String>,
    /// Statements after it.
    pub after: String,
    /// An expression that is true if the promise is broken.
    pub broken: String,
    /// A function that the statements call.
    pub helper: &'static str,
    /// What the statements use.
    pub needs: Option<Needs>,
}

/// Sums up a field of a file of /proc.
pub const TOTAL: &str = "\
static long total(const char *path, const char *field)
{
	char line[256];
	long kb, sum = 0;
	for (FILE *file = fopen(path, \"r\"); fgets(line, sizeof(line), file);)
		sum += sscanf(line, field, &kb) == 1 ? kb : 0;
	return sum;
}
";

/// By how much VmLck exceeds the sizes of locked mappings.
const LOCKED: &str = "\
static long locked(void)
{
	char line[256];
	long size, status = 0, smaps = 0;
	for (FILE *file = fopen(\"/proc/self/smaps\", \"r\"); fgets(line, sizeof(line), file);)
		smaps += sscanf(line, \"Size: %ld\", &size) != 1 && strstr(line, \" lo \") ? size : 0;
	for (FILE *file = fopen(\"/proc/self/status\", \"r\"); fgets(line, sizeof(line), file);)
		sscanf(line, \"VmLck: %ld\", &status);
	return status - smaps;
}
";

/// VmData, less the total size of the private writable mappings other than the stack.
const DATA: &str = "\
static long data(void)
{
	char line[256], rights[5] = \"\";
	long size, status = 0, smaps = 0;
	for (FILE *file = fopen(\"/proc/self/smaps\", \"r\"); fgets(line, sizeof(line), file);)
		if (sscanf(line, \"%*lx-%*lx %4s\", rights) != 1 && sscanf(line, \"Size: %ld\", &size) != 1)
			smaps += strstr(line, \"VmFlags\") && rights[1] == 'w' && rights[3] == 'p' && !strstr(line, \" gd \") ? size : 0;
	for (FILE *file = fopen(\"/proc/self/status\", \"r\"); fgets(line, sizeof(line), file);)
		sscanf(line, \"VmData: %ld\", &status);
	return status - smaps;
}
";

/// A field of the mapping at an address.
const FIELD: &str = "\
static long smaps(char *at, const char *field)
{
	char line[256];
	long from, to, here = 0, kb;
	for (FILE *file = fopen(\"/proc/self/smaps\", \"r\"); fgets(line, sizeof(line), file);)
		if (sscanf(line, \"%lx-%lx\", &from, &to) == 2)
			here = from <= (long)at && (long)at < to;
		else if (here && sscanf(line, field, &kb) == 1)
			return kb;
	return 0;
}
";

/// Whether the mapping at an address is writable and executable.
const CODE: &str = "\
static int writable_code(char *at)
{
	char line[256], rights[5];
	long from, to, found = 0;
	for (FILE *file = fopen(\"/proc/self/maps\", \"r\"); fgets(line, sizeof(line), file);)
		if (sscanf(line, \"%lx-%lx %4s\", &from, &to, rights) == 3 && from <= (long)at && (long)at < to)
			found = rights[1] == 'w' && rights[2] == 'x';
	return found;
}
";

/// A hash of the flags of the mapping at an address. The soft-dirty flag is left out.
const FLAGS: &str = "\
static long flags(char *at)
{
	char line[256];
	long from, to, here = 0, sum = 0;
	for (FILE *file = fopen(\"/proc/self/smaps\", \"r\"); fgets(line, sizeof(line), file);)
		if (sscanf(line, \"%lx-%lx\", &from, &to) == 2)
			here = from <= (long)at && (long)at < to;
		else if (here && !strncmp(line, \"VmFlags:\", 8))
			for (char *word = strtok(line + 8, \" \\n\"); word; word = strtok(0, \" \\n\"))
				sum = strcmp(word, \"sd\") ? sum * 31 + *word * 256 + word[1] : sum;
	return sum;
}
";

/// How much of a memfd is mapped for writing.
const WRITABLE: &str = "\
static long writable(void)
{
	char line[256], rights[5];
	long from, to, sum = 0;
	for (FILE *file = fopen(\"/proc/self/maps\", \"r\"); fgets(line, sizeof(line), file);)
		if (sscanf(line, \"%lx-%lx %4s\", &from, &to, rights) == 3 && rights[1] == 'w' && rights[3] == 's' && strstr(line, \"/memfd:\"))
			sum += to - from;
	return sum;
}
";

/// Checks that a call gets nothing of a page of secret memory.
fn exposed(call: Option<&Call>, page: u16) -> EmittedCheck {
    let one = Range::new(page, 1);
    let far = |name: &str| {
        format!(
            "{name}(getpid(), &(struct iovec){{ &(long){{ 0 }}, 8 }}, 1, &(struct iovec){{ AT({page}), 8 }}, 1, 0) == 8"
        )
    };
    let (of, broken) = match call {
        Some(Call::VmRead(_)) => (None, far("process_vm_readv")),
        Some(Call::VmWrite(_)) => (None, far("process_vm_writev")),
        Some(Call::MemRead(_)) => (
            Some(Needs::Memory),
            format!("pread(memory, &(long){{ 0 }}, 8, (long)AT({page})) == 8"),
        ),
        Some(Call::MemWrite(_)) => (
            Some(Needs::Memory),
            format!("pwrite(memory, &(long){{ 1 }}, 8, (long)AT({page})) == 8"),
        ),
        // these calls say whether they have got the page
        Some(call @ (Call::Pin(_) | Call::PinRead(_) | Call::DeviceRead(_) | Call::Splice(_))) => {
            let mut call = *call;
            if let Some(range) = call.range_mut() {
                *range = one;
            }
            let made = statement(&call, 0, false, "getpid()");
            let made = made.split("; //").next().unwrap_or_default();
            (
                needs(&call, false),
                format!("{} >= 0", made.trim_end_matches(';')),
            )
        }
        _ => (None, String::new()),
    };
    EmittedCheck {
        broken,
        needs: of,
        ..EmittedCheck::default()
    }
}

/// The entry of pagemap of a page.
fn entry(page: u16) -> String {
    format!(
        "long entry;\npread(open(\"/proc/self/pagemap\", O_RDONLY), &entry, 8, (long)AT({page}) / 512);"
    )
}

fn of_entry(page: u16, broken: &str) -> EmittedCheck {
    EmittedCheck {
        after: entry(page),
        broken: broken.to_owned(),
        ..EmittedCheck::default()
    }
}

/// Checks that the access to the breach's page succeeds, or that it fails if `succeeds` is false.
/// The access raises no signal. The other accesses of the step come before.
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

fn account(field: usize) -> EmittedCheck {
    let (name, _) = ACCOUNTS[field % ACCOUNTS.len()];
    let total = |file: &str, field: &str| format!("total(\"/proc/self/{file}\", \"{field} %ld\")");
    let own = match name {
        "VmLck:" => Some(("locked() != 0", LOCKED)),
        "VmData:" => Some(("data() != 0", DATA)),
        _ => None,
    };
    if let Some((broken, helper)) = own {
        return EmittedCheck {
            broken: broken.to_owned(),
            helper,
            ..EmittedCheck::default()
        };
    }
    let smaps = match name {
        "VmSize:" => total("smaps", "Size:"),
        "HugetlbPages:" => format!(
            "{} - {}",
            total("smaps", "Private_Hugetlb:"),
            total("smaps", "Shared_Hugetlb:")
        ),
        "VmSwap:" => total("smaps", "Swap:"),
        "RssAnon:" => total("smaps", "Anonymous:"),
        _ => format!(
            "{}\n\t+ {} + {}",
            total("smaps", "Rss:"),
            total("smaps", "Anonymous:"),
            total("status", "RssFile:")
        ),
    };
    let differs = format!("{} - {smaps}", total("status", name));
    EmittedCheck {
        // the first reads need memory of their own
        before: format!("{differs};\nlong before = {differs};"),
        broken: format!("{differs} != before"),
        helper: TOTAL,
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
    match breach.kind {
        BreachKind::NotSoftDirty => of_entry(page, "!(entry >> 55 & 1)"),
        BreachKind::SoftDirty => of_entry(page, "entry >> 55 & 1"),
        BreachKind::FailedChange if call.is_some_and(is_registration) => {
            let step = step.map(|step| made(program, step, breach));
            EmittedCheck {
                instead: Some(format!("{}\n{}", entry(page), step.unwrap_or_default())),
                after: format!(
                    "long after;\npread(open(\"/proc/self/pagemap\", O_RDONLY), &after, 8, (long)AT({page}) / 512);"
                ),
                broken: "(entry ^ after) >> 57 & 1".to_owned(),
                ..EmittedCheck::default()
            }
        }
        BreachKind::FailedMapping if step.is_some_and(may_fail) => {
            let step = step.map(|step| made(program, step, breach));
            EmittedCheck {
                instead: Some(format!(
                    "long before = flags(AT({page}));\n{}",
                    step.unwrap_or_default()
                )),
                broken: format!("flags(AT({page})) != before"),
                helper: FLAGS,
                ..EmittedCheck::default()
            }
        }
        BreachKind::FailedFile if program.uses_file() && is_replaced => {
            let step = step.map(|step| made(program, step, breach));
            EmittedCheck {
                instead: Some(format!(
                    "struct stat before, after;\nfstat(file, &before), errno = 0;\n{}\nint error = errno;",
                    step.unwrap_or_default()
                )),
                after: "fstat(file, &after);".to_owned(),
                broken: "error && (before.st_size != after.st_size || before.st_blocks < after.st_blocks)"
                    .to_owned(),
                ..EmittedCheck::default()
            }
        }
        BreachKind::SmapsShared => EmittedCheck {
            broken: format!(
                "smaps(AT({page}), \"Shared_Clean: %ld\") + smaps(AT({page}), \"Shared_Dirty: %ld\") > 0"
            ),
            helper: FIELD,
            ..EmittedCheck::default()
        },
        BreachKind::WalkEnd => {
            let Some(scan @ Call::Scan { .. }) = call else {
                return EmittedCheck::default();
            };
            EmittedCheck {
                instead: Some(format!(
                    "static long regions[2048][3], scan[12];\n\
                     memcpy(scan, (long[12]){}, sizeof(scan));\n\
                     long n = {SCAN}scan); // PAGEMAP_SCAN",
                    scanned(scan, "regions").replace(", 512,", ", 2048,"),
                )),
                broken: "n > 0 && regions[n - 1][1] > scan[4]".to_owned(),
                ..EmittedCheck::default()
            }
        }
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
        BreachKind::Denied => access(call, breach, true),
        BreachKind::Pinned => {
            let pinned = program.steps.iter().rev().find_map(|step| match step.call {
                Call::Pin(range) | Call::PinRead(range) if range.pages().contains(&page.into()) => {
                    Some(range)
                }
                _ => None,
            });
            let at = pinned.map_or(0, |range| page - range.first);
            EmittedCheck {
                after: "ioctl(pins, _IOW('g', 9, long), &(long){ (long)buffer }); // read the pinned pages"
                    .to_owned(),
                broken: format!(
                    "*(volatile long *)(buffer + {at} * 4096) != *(volatile long *)AT({page})"
                ),
                needs: Some(Needs::Pins),
                ..EmittedCheck::default()
            }
        }
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
        BreachKind::Scan => {
            let Some(scan @ Call::Scan { categories, .. }) = call else {
                return EmittedCheck::default();
            };
            let shown = [63, 62, 61, 55, 58].iter().enumerate();
            let shown = shown.filter(|(bit, _)| categories >> bit & 1 != 0);
            let shown: u64 = shown.map(|(_, shown)| 1u64 << shown).sum();
            EmittedCheck {
                instead: Some(format!(
                    "{}\nlong regions[512][3], reported = 0, scan[12] = {};\n\
                     for (long n = 0; n >= 0 && scan[2] < scan[3]; scan[2] = scan[4]) {{ // PAGEMAP_SCAN\n\t\
                     n = {SCAN}scan);\n\t\
                     for (long i = 0; i < n; i++)\n\t\t\
                     reported |= regions[i][0] <= (long)AT({page}) && (long)AT({page}) < regions[i][1];\n}}",
                    entry(page),
                    scanned(scan, "regions"),
                )),
                broken: format!("reported != ((entry & {shown:#x}) == {shown:#x})"),
                ..EmittedCheck::default()
            }
        }
        BreachKind::NoEvent | BreachKind::FalseEvent if is_watched(program, breach) => {
            let step = step.map(|step| made(program, step, breach));
            let (instead, broken) =
                watched(breach.kind, call, breach.got, &step.unwrap_or_default());
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
        BreachKind::NotFilled if call.is_some_and(Call::fills) => {
            let step = step.map(|step| made(program, step, breach));
            EmittedCheck {
                instead: Some(format!("errno = 0;\n{}", step.unwrap_or_default())),
                broken: format!(
                    "errno == {} && pwrite(word, AT({page}), 8, 0) != 8",
                    breach.wanted
                ),
                needs: Some(Needs::Word),
                ..EmittedCheck::default()
            }
        }
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
            let Some(Call::Migrate(range)) = call else {
                return EmittedCheck::default();
            };
            let (len, i) = (range.len, page.saturating_sub(range.first));
            let moved = |nodes: &str, status: &str| {
                format!("syscall(SYS_move_pages, 0L, {len}L, pages, {nodes}, {status}, 2L);")
            };
            EmittedCheck {
                instead: Some(format!(
                    "void *pages[{len}];\nint nodes[{len}], status[{len}], now[{len}];\n\
                     for (int i = 0; i < {len}; i++)\n\tpages[i] = AT({} + i);\n{}\n\
                     for (int i = 0; i < {len}; i++)\n\tnodes[i] = !nodes[i];\n{}\n{}",
                    range.first,
                    moved("0L", "nodes"),
                    moved("nodes", "status"),
                    moved("0L", "now"),
                )),
                broken: format!(
                    "now[{i}] >= 0 && (status[{i}] < 0 ? now[{i}] == nodes[{i}] : now[{i}] != status[{i}])"
                ),
                ..EmittedCheck::default()
            }
        }
        BreachKind::Resident => match call {
            Some(Call::Advise(range, Advice::WillNeed)) if is_replaced => {
                let (first, len) = (range.first, range.len);
                let count = |into: &str| {
                    format!(
                        "mincore(AT({first}), {len} * 4096, resident);\n\
                         for (int i = 0; i < {len}; i++)\n\t{into} += resident[i] & 1;"
                    )
                };
                let step = step.map(|step| made(program, step, breach));
                EmittedCheck {
                    instead: Some(format!(
                        "unsigned char resident[{len}];\nlong before = 0, after = 0, reads;\n{}\n\
                         reads = total(\"/proc/vmstat\", \"pswpin %ld\");\n{}\n\
                         reads = total(\"/proc/vmstat\", \"pswpin %ld\") - reads;\n{}",
                        count("before"),
                        step.unwrap_or_default(),
                        count("after"),
                    )),
                    broken: "after - before > reads".to_owned(),
                    ..EmittedCheck::default()
                }
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
        BreachKind::Sealed if page == 1 && program.uses_file() && is_replaced => {
            let step = step.map(|step| made(program, step, breach));
            EmittedCheck {
                instead: Some(format!(
                    "long before = writable();\n{}",
                    step.unwrap_or_default()
                )),
                broken: "writable() > before".to_owned(),
                helper: WRITABLE,
                ..EmittedCheck::default()
            }
        }
        BreachKind::Sealed if page == 2 && program.uses_file() && is_replaced => {
            let step = step.map(|step| made(program, step, breach));
            EmittedCheck {
                instead: Some(format!(
                    "static char before[2048 * 4096], after[2048 * 4096];\n\
                     pread(file, before, sizeof(before), 0);\n{}",
                    step.unwrap_or_default()
                )),
                after: "pread(file, after, sizeof(after), 0);".to_owned(),
                broken: "memcmp(before, after, sizeof(after))".to_owned(),
                ..EmittedCheck::default()
            }
        }
        BreachKind::Sealed if program.file_flags() & !4 != 0 && is_replaced => {
            let step = step.map(|step| made(program, step, breach));
            EmittedCheck {
                instead: Some(format!(
                    "struct stat before, after;\nfstat(file, &before);\n{}",
                    step.unwrap_or_default()
                )),
                after: "fstat(file, &after);".to_owned(),
                broken: "before.st_size != after.st_size || before.st_mode != after.st_mode"
                    .to_owned(),
                ..EmittedCheck::default()
            }
        }
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
        BreachKind::Attaches => {
            let calls = program.steps.iter().map(|step| &step.call);
            let lives = calls.fold(1, |lives, call| match call {
                Call::Fork => 2,
                Call::Exit => 1,
                _ => lives,
            });
            EmittedCheck {
                after: format!(
                    "struct shmid_ds segment;\nshmctl(shm[{}], IPC_STAT, &segment);",
                    breach.wanted
                ),
                broken: format!("segment.shm_nattch > {lives}"),
                ..EmittedCheck::default()
            }
        }
        BreachKind::NoEvent
        | BreachKind::FalseEvent
        | BreachKind::FailedMapping
        | BreachKind::FailedChange
        | BreachKind::Waits
        | BreachKind::FailedFile
        | BreachKind::NotLockable
        | BreachKind::MoveStatus
        | BreachKind::Sealed
        | BreachKind::NotFilled => EmittedCheck::default(),
        BreachKind::Alert | BreachKind::Counter | BreachKind::Hang | BreachKind::Unkillable => {
            EmittedCheck::default()
        }
    }
}
