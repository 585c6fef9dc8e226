//! C for a program of plain system calls: alone, by stock interfaces, with the check that fails.
//!
//! The program says `ok`, or `BROKEN` and how, and then ends with status 1. It has one statement
//! for each step where it can, and declares what it uses where it first uses it.

mod beside;
mod check;
mod lines;
mod monitor;
mod statement;

use check::{EmittedCheck, check};
use lines::add;
use mm_linux_calls::{Advice, Breach, BreachKind, COUNTERS, Call, FileKind, Program, Step};
use statement::{Fails, Needs, failing, needs, other, statement, told, with_personality};
use std::fmt::Write;

/// A counter of /proc/vmstat or /sys.
const COUNTER: &str = "\
static long counter(void)
{
	char line[128];
	unsigned long value = 0;
	for (FILE *file = fopen(\"PATH\", \"r\"); fgets(line, sizeof(line), file);)
		sscanf(line, \"FORMAT\", &value);
	return value;
}
";

/// Lets any allocation fail.
const FAILURES: &str = "\
SET(\"/sys/kernel/debug/failslab/ignore-gfp-wait\", \"N\");
SET(\"/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait\", \"N\");
SET(\"/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem\", \"N\");
SET(\"/sys/kernel/debug/fail_page_alloc/min-order\", \"0\");
";

/// Places the heap somewhere, calls brk, and sets the start and the end of the heap to where its
/// end was. The start of the heap must never lie behind its end.
const HEAP: &str = "\
#define HEAP(what, at) prctl(PR_SET_MM, PR_SET_MM_##what, at, 0, 0)
#define BRK(from, to, end) ({ \\
	long own = syscall(SYS_brk, 0L); \\
	HEAP(BRK, to), HEAP(START_BRK, from), syscall(SYS_brk, end), HEAP(START_BRK, own), HEAP(BRK, own); })
";

/// Lets io_uring read what is in `buffer` into a registered buffer.
const URING_READ: &str = "\
static void uring_read(char *to, long len)
{
	struct io_uring_params params = { 0 };
	int ring = syscall(SYS_io_uring_setup, 1, &params), source = memfd_create(\"source\", 0);
	char *rings = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	struct io_uring_sqe *sqe = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	pwrite(source, buffer, len, 0);
	syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &(struct iovec){ to, len }, 1);
	*sqe = (struct io_uring_sqe){ .opcode = IORING_OP_READ_FIXED, .fd = source, .addr = (long)to, .len = len };
	__atomic_store_n((unsigned *)(rings + params.sq_off.tail), 1, __ATOMIC_RELEASE);
	syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, 0, 0);
	syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, 0, 0);
	munmap(rings, 4096), munmap(sqe, 4096), close(ring), close(source);
}
";

/// How many allocations of a call are made to fail, one after the other.
const FAILURES_TRIED: u16 = 40;

/// How often the program runs, in a process of its own each time: once for each allocation that
/// fails, or for each delay between two calls that it makes at once.
fn tries(program: &Program) -> u16 {
    if program.makes_two_at_once() {
        beside::DELAYS
    } else {
        FAILURES_TRIED
    }
}

/// The headers, and the words that need them.
const HEADERS: [(&str, &[&str]); 23] = [
    ("errno.h", &["errno"]),
    (
        "fcntl.h",
        &["O_", "FALLOC_", "fallocate(", "fcntl(", "SPLICE_", "SET("],
    ),
    ("linux/io_uring.h", &["IORING_"]),
    ("linux/userfaultfd.h", &["UFFDIO"]),
    ("pthread.h", &["pthread_"]),
    ("sys/prctl.h", &["prctl(", "BRK("]),
    ("sched.h", &["WAIT(", "SCHED_"]),
    ("signal.h", &["kill("]),
    ("stdio.h", &["puts(", "printf(", "fopen(", "scanf("]),
    ("stdlib.h", &["atol(", "exit(b"]),
    (
        "string.h",
        &[
            "memcmp(", "strncmp(", "strstr(", "memcpy(", "strtok(", "SET(",
        ],
    ),
    ("sys/ioctl.h", &["ioctl("]),
    (
        "sys/mman.h",
        &[
            "MAP_",
            "MFD_",
            "PROT_",
            "madvise(",
            "memfd_create(",
            "mincore(",
            "mlock",
            "mprotect(",
            "msync(",
            "munmap(",
            "munlock",
        ],
    ),
    ("sys/personality.h", &["personality("]),
    ("sys/resource.h", &["rlimit("]),
    ("sys/shm.h", &["shmget(", "shmctl(", "shmdt("]),
    ("sys/mount.h", &["mount("]),
    ("sys/stat.h", &["fstat(", "fchmod(", "mkdir("]),
    ("sys/swap.h", &["swapoff("]),
    ("sys/syscall.h", &["SYS_", "BRK("]),
    ("sys/uio.h", &["iovec"]),
    ("sys/wait.h", &["wait(", "waitpid("]),
    ("unistd.h", &[""]),
];

/// What happens, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// A step.
    Step(usize),
    /// The check.
    Check,
}

/// Writes the statements of both processes.
struct Writer<'a> {
    program: &'a Program,
    results: &'a [i32],
    breach: Option<&'a Breach>,
    check: EmittedCheck,
    /// The events, each with its process.
    events: Vec<(u8, Event)>,
    /// For each process, what it has declared.
    declared: [Vec<Needs>; 2],
    /// The step whose allocations fail one after the other, in one run of the program each.
    tried: Option<usize>,
    /// The program runs more than once, each time in a process of its own.
    is_tried: bool,
    /// The statements of a call during which the next call begins.
    first: String,
}

impl<'a> Writer<'a> {
    fn new(program: &'a Program, results: &'a [i32], breach: Option<&'a Breach>) -> Self {
        let mut events = Vec::new();
        let mut both = false;
        let mut is_checked = false;
        for (at, step) in program.steps.iter().enumerate() {
            let is_void = match step.call {
                Call::Exit => step.process == 0,
                Call::Fork => both,
                _ => step.process == 1 && !both,
            };
            if is_void {
                continue;
            }
            both = both && step.call != Call::Exit || step.call == Call::Fork;
            events.push((step.process, Event::Step(at)));
            if breach.is_some_and(|breach| usize::from(breach.step) == at) {
                is_checked = true;
                break;
            }
        }
        let is_tried = breach.is_none_or(|breach| !waits_for_ever(program, breach));
        let mut made = events.iter().rev().filter_map(|(_, event)| match event {
            Event::Step(at) => Some(*at),
            Event::Check => None,
        });
        let tried = made.find(|at| is_tried && program.steps[*at].fail > 0);
        if let Some(breach) = breach {
            let process = if is_checked || both {
                breach.process
            } else {
                0
            };
            events.push((process, Event::Check));
        }
        Self {
            program,
            results,
            breach,
            check: breach.map_or_else(EmittedCheck::default, |breach| check(program, breach)),
            events,
            declared: [Vec::new(), Vec::new()],
            tried,
            is_tried: tried.is_some() || program.makes_two_at_once(),
            first: String::new(),
        }
    }

    /// Which allocation of a step fails. What the kernel has cached decides which number shows a
    /// bug, so the program tries all numbers for one of its steps.
    fn fails(&self, at: usize) -> Fails {
        match self.program.steps[at].fail {
            0 => Fails::Never,
            _ if self.tried == Some(at) => Fails::AtN,
            number => Fails::At(number),
        }
    }

    fn call(&self, number: usize) -> Option<&'a Call> {
        match self.events.get(number)?.1 {
            Event::Step(at) => Some(&self.program.steps[at].call),
            Event::Check => None,
        }
    }

    /// True if the process of an event must wait until the event before it has ended.
    fn waits(&self, number: usize) -> bool {
        number > 0
            && self.events[number - 1].0 != self.events[number].0
            && !matches!(self.call(number - 1), Some(Call::Fork))
    }

    fn takes_turns(&self) -> bool {
        (0..self.events.len())
            .any(|number| self.waits(number) && self.call(number - 1) != Some(&Call::Exit))
    }

    /// True if the second process is there at the end.
    fn stays(&self) -> bool {
        let mut calls = (0..self.events.len()).filter_map(|number| self.call(number));
        let last = calls.rfind(|call| matches!(call, Call::Fork | Call::Exit));
        last == Some(&Call::Fork)
    }

    /// The statement by which the second process stays for a while after its last step.
    fn rest(&self) -> String {
        let steps = self.program.steps.iter();
        let waits = |step: &&Step| matches!(step.call, Call::Ksm | Call::Khugepaged);
        match steps.filter(waits).count() {
            0 if self.is_tried => "usleep(100000), _exit(0);".to_owned(),
            count => format!("sleep({}), _exit(0);", 5 + 3 * count),
        }
    }

    fn declare(&mut self, text: &mut String, depth: usize, process: u8, needs: Option<Needs>) {
        let declared = &mut self.declared[usize::from(process)];
        if let Some(needs) = needs.filter(|needs| !declared.contains(needs)) {
            declared.push(needs);
            add(text, depth, &needs.declaration(self.program));
        }
    }

    /// The events of a process from `first` on.
    fn process(&mut self, text: &mut String, depth: usize, process: u8, first: usize) {
        for number in first..self.events.len() {
            let (whose, event) = self.events[number];
            if process == 1 && number > first && self.call(number) == Some(&Call::Fork) {
                // the next life of the second process
                break;
            }
            if whose != process {
                continue;
            }
            if self.waits(number) {
                if self.call(number - 1) == Some(&Call::Exit) {
                    add(text, depth, "wait(0);");
                } else {
                    add(text, depth, &format!("WAIT({number});"));
                }
            }
            match event {
                Event::Check => self.checked(text, depth, process),
                Event::Step(at) => self.step(text, depth, number, at),
            }
            let is_over = matches!(self.call(number), Some(Call::Exit)) || event == Event::Check;
            if is_over && process == 1 {
                return;
            }
            let hands_over = number + 1 < self.events.len() && self.waits(number + 1);
            if hands_over && self.call(number) != Some(&Call::Exit) {
                add(text, depth, &format!("*turn = {};", number + 1));
            }
        }
        if process == 1 {
            add(text, depth, &self.rest());
        }
    }

    fn step(&mut self, text: &mut String, depth: usize, number: usize, at: usize) {
        let step = &self.program.steps[at];
        let watched = self.breach.filter(|breach| usize::from(breach.step) == at);
        match step.call {
            _ if step.fail > 0 => {
                self.declare(text, depth, step.process, Some(Needs::Failure));
            }
            _ => {}
        }
        match step.call {
            Call::Exit => return add(text, depth, "_exit(0);"),
            Call::Fork => {
                let mut life = String::new();
                self.declared[1].clear();
                self.process(&mut life, depth + 1, 1, number + 1);
                if step.fail > 0 {
                    add(text, depth, &self.fails(at).begin());
                }
                let is_first = self.program.has_beside(at);
                if is_first {
                    add(text, depth, &beside::start(at + 1));
                }
                let is_short = life.lines().count() == 1;
                let writes = |step: &Step| {
                    step.process == 0 && matches!(step.call, Call::VmWrite(_) | Call::VmRead(_))
                };
                let fork = if self.program.steps[at..].iter().any(writes) {
                    let declares = if text.contains("pid_t child") {
                        ""
                    } else {
                        "pid_t "
                    };
                    add(text, depth, &format!("{declares}child = fork();"));
                    "if (!child)"
                } else {
                    "if (!fork())"
                };
                add(
                    text,
                    depth,
                    &format!("{fork}{}", if is_short { "" } else { " {" }),
                );
                text.push_str(&life);
                if !is_short {
                    add(text, depth, "}");
                }
                if step.fail > 0 {
                    add(text, depth, "dprintf(fail, \"0\");");
                }
                if is_first {
                    add(text, depth, &beside::join(at + 1));
                }
                return;
            }
            _ => {}
        }
        let instead = watched.and_then(|_| self.check.instead.clone());
        if let Some(instead) = instead.filter(|_| !step.beside) {
            self.declare(text, depth, step.process, needs(&step.call, false));
            self.declare(text, depth, step.process, self.check.needs);
            return add(text, depth, &instead);
        }
        let faulted = self.results.get(at).is_some_and(|result| *result < 0);
        self.declare(text, depth, step.process, needs(&step.call, faulted));
        let other = other(self.program, at);
        let made = statement(&step.call, at, faulted, other);
        let made = with_personality(self.program, &step.call, made);
        let made = failing(made, self.fails(at));
        if self.program.has_beside(at) {
            self.first = made;
        } else if step.beside {
            // if the first call is a fork, its statements have made this call, too
            let first = std::mem::take(&mut self.first);
            if !first.is_empty() {
                add(text, depth, &beside::start(at));
                add(text, depth, &first);
                add(text, depth, &beside::join(at));
            }
        } else {
            add(text, depth, &made);
        }
    }

    fn checked(&mut self, text: &mut String, depth: usize, process: u8) {
        let check = self.check.clone();
        if check.broken.is_empty() {
            return;
        }
        self.declare(text, depth, process, check.needs);
        let says = self.breach.map_or("", |breach| breach.kind.says());
        add(text, depth, &check.after);
        add(text, depth, &format!("int broken = {};", check.broken));
        let said = format!("puts(broken ? \"BROKEN: {says}\" : \"ok\")");
        let end = match (process, self.is_tried) {
            // the process that starts each run prints the line
            (0, true) => "return broken;".to_owned(),
            (_, true) => "exit(broken);".to_owned(),
            (0, false) => format!("return {said}, broken;"),
            (_, false) => format!("{said};\nexit(broken);"),
        };
        add(text, depth, &end);
    }

    /// The statements of the whole program.
    fn body(mut self, depth: usize) -> String {
        let mut text = String::new();
        let program = self.program;
        let calls = || program.steps.iter().map(|step| &step.call);
        let kinds = || {
            calls().filter_map(|call| match call {
                Call::Map { kind, .. } => Some(*kind),
                _ => None,
            })
        };
        if program.always || calls().any(|call| call.family() == "hugepage") {
            let (anonymous, shmem) = match program.always {
                true => ("always", "always"),
                false => ("madvise", "advise"),
            };
            const HUGE: &str = "/sys/kernel/mm/transparent_hugepage";
            add(
                &mut text,
                depth,
                &told(&format!("{HUGE}/enabled"), anonymous),
            );
            let shared = kinds().any(|kind| kind.is_shared() || kind.is_file());
            if shared {
                add(
                    &mut text,
                    depth,
                    &told(&format!("{HUGE}/shmem_enabled"), shmem),
                );
            }
            if program.mthp {
                for size in [16, 64, 256] {
                    let path = format!("{HUGE}/hugepages-{size}kB");
                    add(
                        &mut text,
                        depth,
                        &told(&format!("{path}/enabled"), "madvise"),
                    );
                    if shared {
                        add(
                            &mut text,
                            depth,
                            &told(&format!("{path}/shmem_enabled"), "advise"),
                        );
                    }
                }
            }
        }
        if program.steps.iter().any(|step| step.fail > 0) {
            add(&mut text, depth, FAILURES);
        }
        // pages that KSM may replace by the zero page
        let may_be_zero = |call: &Call| {
            matches!(
                call,
                Call::Zero(_) | Call::Lock { .. } | Call::Pin(_) | Call::PinRead(_)
            ) || matches!(
                call,
                Call::Advise(_, Advice::PopulateRead | Advice::PopulateWrite)
            )
        };
        if calls().any(|call| *call == Call::Ksm) && calls().any(may_be_zero) {
            add(
                &mut text,
                depth,
                &told("/sys/kernel/mm/ksm/use_zero_pages", "1"),
            );
        }
        if kinds().any(|kind| program.is_hugetlb(kind)) {
            add(&mut text, depth, &told("/proc/sys/vm/nr_hugepages", "16"));
        }
        if program.uses_file() {
            add(
                &mut text,
                depth,
                &format!("{}\nftruncate(file, 2048 * 4096);", made(program)),
            );
        }
        if self.takes_turns() {
            add(
                &mut text,
                depth,
                "volatile int *turn = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);",
            );
        }
        let before = self.check.before.clone();
        add(&mut text, depth, &before);
        self.process(&mut text, depth, 0, 0);
        let ends = match self.breach {
            Some(_) if self.events.last() == Some(&(0, Event::Check)) => {
                !self.check.broken.is_empty()
            }
            _ => false,
        };
        if !ends {
            let child_checks =
                self.events.last() == Some(&(1, Event::Check)) && !self.check.broken.is_empty();
            if child_checks {
                add(
                    &mut text,
                    depth,
                    "int broken;\nwait(&broken);\nreturn broken != 0;",
                );
            } else if self.stays() {
                add(&mut text, depth, "wait(0);");
            }
        }
        text
    }
}

/// The statements that make the memfd, or what stands for it.
fn made(program: &Program) -> String {
    let size = 4 * FileKind::ROOM / 1024;
    let huge = if program.always { "always" } else { "advise" };
    match program.file {
        FileKind::Plain | FileKind::Hugetlb => {
            let flags = file_flags(program);
            format!("int file = memfd_create(\"file\", {flags});")
        }
        FileKind::Tmpfs => format!(
            "mkdir(\"/mnt\", 0755), mount(\"tmpfs\", \"/mnt\", \"tmpfs\", 0, \"size={size}m,huge={huge}\");\n\
             int file = open(\"/mnt\", O_TMPFILE | O_RDWR, 0600);"
        ),
        FileKind::Anonymous => "\
char *object = mmap(0, 2048 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), path[64];
sprintf(path, \"/proc/self/map_files/%lx-%lx\", (long)object, (long)object + 2048 * 4096);
int file = open(path, O_RDWR);
munmap(object, 2048 * 4096);"
            .to_owned(),
    }
}

/// The flags of `memfd_create`.
fn file_flags(program: &Program) -> String {
    let flags = program.file_flags();
    let names = [
        (2, "MFD_ALLOW_SEALING"),
        (4, "MFD_HUGETLB"),
        (8, "8 /* MFD_NOEXEC_SEAL */"),
    ];
    let set = names.iter().filter(|(bit, _)| flags & bit != 0);
    let set: Vec<_> = set.map(|(_, name)| *name).collect();
    if set.is_empty() {
        "0".to_owned()
    } else {
        set.join(" | ")
    }
}

/// The name of the counter of a breach, and a function that reads it.
fn counter(breach: &Breach) -> (&'static str, String) {
    let name = COUNTERS[usize::from(breach.page) % COUNTERS.len()].name;
    let (path, format) = if name == "/proc/swaps" {
        (name, "%*s %*s %*d %lu".to_owned())
    } else if name.ends_with(':') {
        ("/proc/meminfo", format!("{name} %lu"))
    } else if name.starts_with('/') {
        (name, "%lu".to_owned())
    } else {
        ("/proc/vmstat", format!("{name} %lu"))
    };
    let read = COUNTER.replace("PATH", path).replace("FORMAT", &format);
    (name, read)
}

/// True if a step does not return. If the monitor cannot fill a page in, an access to it waits.
fn waits_for_ever(program: &Program, breach: &Breach) -> bool {
    match breach.kind {
        BreachKind::Hang | BreachKind::Unkillable => true,
        BreachKind::NotFilled => {
            let step = program.steps.get(usize::from(breach.step));
            program.monitor && !step.is_some_and(|step| step.call.fills())
        }
        _ => false,
    }
}

/// An expression that is true if a counter has not returned to its earlier value.
fn moved(breach: &Breach) -> String {
    match COUNTERS[usize::from(breach.page) % COUNTERS.len()].slack {
        0 => "counter() != before".to_owned(),
        slack if breach.got > breach.wanted => format!("counter() > before + {slack}"),
        slack => format!("counter() < before - {slack}"),
    }
}

/// The beginning of a program that runs again and again until a run shows the bug. A process that
/// dies of a signal shows nothing.
fn begin(tries: u16, says: &str) -> String {
    if tries == 0 {
        return String::new();
    }
    format!(
        "\tint n = 0, status = 0;\n\
         \twhile (!WEXITSTATUS(status) && n++ < {tries} && fork())\n\t\twait(&status);\n\
         \tif (WEXITSTATUS(status) || n > {tries})\n\
         \t\treturn puts(WEXITSTATUS(status) ? \"BROKEN: {says}\" : \"ok\"), WEXITSTATUS(status);\n"
    )
}

/// C that runs the program and checks the promise. Without a breach, the C only runs the program:
/// the kernel died, and its console shows that.
pub fn c(program: &Program, results: &[i32], breach: Option<&Breach>, comment: &str) -> String {
    let kind = breach.map(|breach| breach.kind);
    let writer = Writer::new(program, results, breach);
    let helper = writer.check.helper.to_owned();
    let says = kind.map_or("", BreachKind::says);
    let is_tried = writer.is_tried;
    let tries = if is_tried { tries(program) } else { 0 };
    let hangs = breach.is_some_and(|breach| waits_for_ever(program, breach));
    // the first process makes another one for each try
    let each = |rest: &str| {
        format!(
            "\tint n = 0;\n\twhile (n++ < {tries} && fork())\n\t\twait(0);\n\tif (n > {tries}){rest}"
        )
    };
    let (helper, main) = match (kind, breach) {
        (Some(BreachKind::Counter), Some(breach)) => {
            let (name, helper) = counter(breach);
            let begin = if is_tried {
                each(" {\n\t\tsleep(2);\n")
            } else {
                "\tif (fork()) {\n\t\twait(0), sleep(2);\n".to_owned()
            };
            let moved = moved(breach);
            let body = writer.body(1);
            let main = format!(
                "\tlong before = counter();\n{begin}\t\twrite(open(\"/proc/sys/vm/drop_caches\", O_WRONLY), \"1\", 1);\n\
                 \t\tint broken = {moved};\n\
                 \t\treturn puts(broken ? \"BROKEN: {name} does not return to its earlier value\" : \"ok\"), broken;\n\t}}\n{body}"
            );
            (helper, main)
        }
        _ if hangs && is_tried => {
            let body = writer.body(1);
            let main = format!(
                "\tint n = 0;\n\tfor (pid_t program; n++ < {tries} && (program = fork());)\n\
                 \t\tfor (int ticks = 0; !waitpid(program, 0, WNOHANG); usleep(1000))\n\
                 \t\t\tif (++ticks > 10000)\n\
                 \t\t\t\treturn kill(program, SIGKILL), puts(\"BROKEN: {says}\"), 1;\n\
                 \tif (n > {tries})\n\t\treturn puts(\"ok\"), 0;\n{body}"
            );
            (helper, main)
        }
        _ if hangs => {
            let body = writer.body(1);
            let main = format!(
                "\tpid_t program = fork();\n\tif (program) {{\n\t\tsleep(10);\n\
                 \t\tint broken = !waitpid(program, 0, WNOHANG);\n\
                 \t\tkill(program, SIGKILL);\n\
                 \t\treturn puts(broken ? \"BROKEN: {says}\" : \"ok\"), broken;\n\t}}\n{body}"
            );
            (helper, main)
        }
        (None | Some(BreachKind::Alert), _) => {
            let body = writer.body(1) + &read_all(program);
            const ENDS: &str = "puts(\"ok, unless the kernel says more\")";
            let main = if is_tried {
                let begin = each(&format!("\n\t\treturn {ENDS}, 0;\n"));
                format!("{begin}{body}")
            } else {
                format!("{body}\t{ENDS};\n")
            };
            (helper, main)
        }
        (Some(BreachKind::BelowZero), Some(breach)) => {
            (counter(breach).1, begin(tries, says) + &writer.body(1))
        }
        _ => (helper, begin(tries, says) + &writer.body(1)),
    };
    let faults = |at: usize| results.get(at).is_some_and(|result| *result < 0);
    let threads = beside::threads(program, faults);
    let (shared, main) = beside::share(&threads, &main);
    assemble(
        program,
        &format!("{shared}{threads}{helper}"),
        &main,
        comment,
    )
}

/// Reads each page without a signal, as the agent does at the end of a program.
fn read_all(program: &Program) -> String {
    let target = |call: &Call| match *call {
        Call::Move { range, to, .. } | Call::UffdMove(range, to) => Some(range.moved(to)),
        _ => None,
    };
    let calls = || program.steps.iter().map(|step| &step.call);
    let ranges = calls()
        .filter_map(Call::range)
        .chain(calls().filter_map(target));
    let end = ranges
        .map(|range| range.first + range.len)
        .max()
        .unwrap_or(1);
    format!(
        "\tfor (long i = 0, all = memfd_create(\"all\", 0); i < {end}; i++)\n\t\twrite(all, AT(i), 8);\n"
    )
}

/// What the statements use besides `helper`: a function, and variables.
fn own(program: &Program, code: &str) -> String {
    let mut text = String::new();
    if code.contains("total(") && !code.contains("long total(") {
        text.push_str(check::TOTAL);
    }
    for resource in mm_linux_calls::Resource::ALL {
        let name = statement::limit(resource);
        if code.contains(name) {
            let _ = writeln!(text, "static long {name};");
        }
    }
    if code.contains("secret =") {
        text.push_str("static int secret;\n");
    }
    if code.contains("uring_read(") {
        text.push_str(URING_READ);
    }
    if code.contains("shm[") {
        let _ = writeln!(text, "static int shm[{}];", program.steps.len());
    }
    text
}

fn assemble(program: &Program, helper: &str, main: &str, comment: &str) -> String {
    let threads = monitor::threads(program, main);
    let own = own(program, &format!("{helper}{main}"));
    let helper = &format!("{threads}{own}{helper}");
    let code = format!("{helper}{main}");
    let mut text = String::new();
    for line in comment.lines() {
        let _ = writeln!(text, "// {line}");
    }
    text.push_str("#define _GNU_SOURCE\n");
    for (header, words) in HEADERS {
        if words.iter().any(|word| code.contains(word)) {
            let _ = writeln!(text, "#include <{header}>");
        }
    }
    if code.contains("SET(") {
        text.push_str("#define SET(path, text) write(open(path, O_WRONLY), text, strlen(text))\n");
    }
    if code.contains("BRK(") {
        text.push_str(HEAP);
    }
    if code.contains("WAIT(") {
        text.push_str("#define WAIT(number) while (*turn < (number)) sched_yield()\n");
    }
    if code.contains("AT(") {
        text.push_str("#define AT(page) ((char *)0x700000000000 + (page) * 4096L)\n");
    }
    if code.contains("buffer") {
        let ranges = program.steps.iter().filter_map(|step| step.call.range());
        let pages = ranges.map(|range| range.len).max().unwrap_or(1);
        let _ = writeln!(
            text,
            "static char buffer[{pages} * 4096] __attribute__((aligned(4096)));"
        );
    }
    text.push('\n');
    if !helper.is_empty() {
        let _ = writeln!(text, "{helper}");
    }
    let _ = write!(text, "int main(void)\n{{\n{main}}}\n");
    text
}

#[cfg(test)]
mod tests;
