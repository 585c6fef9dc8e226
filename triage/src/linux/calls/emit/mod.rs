//! C for a program of plain system calls: alone, by stock interfaces, with the check that fails.
//!
//! The program says `ok`, or `BROKEN` and how, and then ends with status 1. It has one statement
//! for each step where it can, and declares what it uses where it first uses it.

mod check;
mod monitor;
mod statement;

use check::{Check, check};
use mm_linux_calls::{Advice, Breach, BreachKind, COUNTERS, Call, Kind, Program, Step};
use statement::{Needs, failing, needs, statement};
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
int debugfs = open(\"/sys/kernel/debug\", O_PATH);
write(openat(debugfs, \"failslab/ignore-gfp-wait\", O_WRONLY), \"N\", 1);
write(openat(debugfs, \"fail_page_alloc/ignore-gfp-wait\", O_WRONLY), \"N\", 1);
write(openat(debugfs, \"fail_page_alloc/ignore-gfp-highmem\", O_WRONLY), \"N\", 1);
write(openat(debugfs, \"fail_page_alloc/min-order\", O_WRONLY), \"0\", 1);
";

/// The headers, and the words that need them.
const HEADERS: [(&str, &[&str]); 17] = [
    ("errno.h", &["errno"]),
    ("fcntl.h", &["O_", "FALLOC_", "fallocate(", "SPLICE_"]),
    ("linux/userfaultfd.h", &["UFFDIO"]),
    ("pthread.h", &["pthread_"]),
    ("sys/prctl.h", &["prctl("]),
    ("sched.h", &["sched_yield("]),
    ("signal.h", &["kill("]),
    ("stdio.h", &["puts(", "printf(", "fopen(", "scanf("]),
    ("stdlib.h", &["atol(", "exit(b"]),
    ("string.h", &["strncmp(", "strstr(", "memcpy(", "strtok("]),
    ("sys/ioctl.h", &["ioctl("]),
    ("sys/mman.h", &["MAP_", "MFD_", "madvise("]),
    ("sys/swap.h", &["swapoff("]),
    ("sys/syscall.h", &["SYS_"]),
    ("sys/uio.h", &["iovec"]),
    ("sys/wait.h", &["wait(", "waitpid("]),
    ("unistd.h", &[""]),
];

/// Adds lines.
fn add(text: &mut String, depth: usize, lines: &str) {
    for line in lines.lines() {
        let _ = writeln!(text, "{}{line}", "\t".repeat(depth));
    }
}

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
    check: Check,
    /// The events, each with its process.
    events: Vec<(u8, Event)>,
    /// For each process, what it has declared.
    declared: [Vec<Needs>; 2],
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
            check: breach.map_or_else(Check::default, |breach| check(program, breach)),
            events,
            declared: [Vec::new(), Vec::new()],
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

    /// Seconds that the second process stays after its last step.
    fn rest(&self) -> usize {
        let steps = self.program.steps.iter();
        let waits = |step: &&Step| matches!(step.call, Call::Ksm | Call::Khugepaged);
        5 + 3 * steps.filter(waits).count()
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
                    add(
                        text,
                        depth,
                        &format!("while (*turn < {number})\n\tsched_yield();"),
                    );
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
            add(text, depth, &format!("sleep({}), _exit(0);", self.rest()));
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
                    add(text, depth, &format!("dprintf(fail, \"{}\");", step.fail));
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
                return;
            }
            _ => {}
        }
        if let Some(instead) = watched.and_then(|_| self.check.instead.clone()) {
            self.declare(text, depth, step.process, needs(&step.call, false));
            self.declare(text, depth, step.process, self.check.needs);
            return add(text, depth, &instead);
        }
        let faulted = self.results.get(at).is_some_and(|result| *result < 0);
        self.declare(text, depth, step.process, needs(&step.call, faulted));
        let forks = self.events[..number].iter().any(|(_, event)| {
            matches!(event, Event::Step(at) if self.program.steps[*at].call == Call::Fork)
        });
        let other = match step.process {
            0 if forks => "child",
            0 => "getpid()",
            _ => "getppid()",
        };
        let made = statement(&step.call, at, faulted, other);
        add(text, depth, &failing(made, step.fail));
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
        if process == 1 {
            add(text, depth, &format!("{said};\nexit(broken);"));
        } else {
            add(text, depth, &format!("return {said}, broken;"));
        }
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
                &format!(
                    "write(open(\"{HUGE}/enabled\", O_WRONLY), \"{anonymous}\", {});",
                    anonymous.len()
                ),
            );
            let shared = kinds().any(|kind| kind.is_shared() || kind.is_file());
            if shared {
                add(
                    &mut text,
                    depth,
                    &format!(
                        "write(open(\"{HUGE}/shmem_enabled\", O_WRONLY), \"{shmem}\", {});",
                        shmem.len()
                    ),
                );
            }
            if program.mthp {
                for size in [16, 64, 256] {
                    let path = format!("{HUGE}/hugepages-{size}kB");
                    add(
                        &mut text,
                        depth,
                        &format!("write(open(\"{path}/enabled\", O_WRONLY), \"madvise\", 7);"),
                    );
                    if shared {
                        add(
                            &mut text,
                            depth,
                            &format!(
                                "write(open(\"{path}/shmem_enabled\", O_WRONLY), \"advise\", 6);"
                            ),
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
                "write(open(\"/sys/kernel/mm/ksm/use_zero_pages\", O_WRONLY), \"1\", 1);",
            );
        }
        if kinds().any(|kind| program.is_hugetlb(kind)) {
            add(
                &mut text,
                depth,
                "write(open(\"/proc/sys/vm/nr_hugepages\", O_WRONLY), \"16\", 2);",
            );
        }
        let uses_file = |call: &Call| {
            matches!(
                call,
                Call::Punch(_)
                    | Call::Truncate(_)
                    | Call::FileWrite(_)
                    | Call::FileRead(_)
                    | Call::Allocate(_)
            )
        };
        if kinds().any(Kind::is_file) || calls().any(uses_file) {
            add(
                &mut text,
                depth,
                if program.huge_file {
                    "int file = memfd_create(\"file\", MFD_HUGETLB);\nftruncate(file, 2048 * 4096);"
                } else {
                    "int file = memfd_create(\"file\", 0);\nftruncate(file, 2048 * 4096);"
                },
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

/// C that runs the program and checks the promise. Without a breach, the C only runs the program:
/// the kernel died, and its console shows that.
pub fn c(program: &Program, results: &[i32], breach: Option<&Breach>, comment: &str) -> String {
    let kind = breach.map(|breach| breach.kind);
    let writer = Writer::new(program, results, breach);
    let helper = writer.check.helper.to_owned();
    let says = kind.map_or("", BreachKind::says);
    let (helper, main) = match (kind, breach) {
        (Some(BreachKind::Counter), Some(breach)) => {
            let (name, helper) = counter(breach);
            let body = writer.body(1);
            let main = format!(
                "\tlong before = counter();\n\tif (fork()) {{\n\t\twait(0), sleep(2);\n\
                 \t\twrite(open(\"/proc/sys/vm/drop_caches\", O_WRONLY), \"1\", 1);\n\
                 \t\tint broken = counter() != before;\n\
                 \t\treturn puts(broken ? \"BROKEN: {name} does not return to its earlier value\" : \"ok\"), broken;\n\t}}\n{body}"
            );
            (helper, main)
        }
        (Some(BreachKind::Hang | BreachKind::Unkillable), _) => {
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
            (
                helper,
                format!("{body}\tputs(\"ok, unless the kernel says more\");\n"),
            )
        }
        (Some(BreachKind::BelowZero), Some(breach)) => (counter(breach).1, writer.body(1)),
        _ => (helper, writer.body(1)),
    };
    assemble(program, &helper, &main, comment)
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

fn assemble(program: &Program, helper: &str, main: &str, comment: &str) -> String {
    let helper = &format!("{}{helper}", monitor::threads(program, main));
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
