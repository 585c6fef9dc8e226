//! Writes the text in C: a line for each step, and the parts that these lines use.

use super::parts::{self, Parts};
use super::watch::{Done, Watched};
use crate::emit::operation::argument;
use crate::linux::known::Version;
use mm_fuzz::call::{Constant, Flags, Invocation, Ioctl, RangeCall};
use mm_fuzz::exec::Outcome;
use mm_fuzz::limits::WINDOW_PAGES;
use mm_fuzz::program::{Op, Program};
use mm_fuzz::window::{Pages, Window};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// The program in C. The operations from number `own` on show what the operations before have left.
pub fn text(program: &Program, own: usize, right: &Watched, kernel: Version) -> String {
    let mut writer = Writer {
        several: program.ops.iter().zip(&right.steps).any(several),
        main_is_p0: !program.ops.iter().zip(&right.steps).any(ends_p0),
        faults: program.ops.iter().zip(&right.steps).any(faults),
        last: -1,
        live: BTreeSet::from([0]),
        ..Writer::default()
    };
    if writer.several {
        writer.parts.need(&parts::PROCESSES);
    }
    writer.parts.need(&parts::EXPECT);
    for (number, (step, done)) in program.ops.iter().zip(&right.steps).enumerate() {
        if number == own {
            writer.steps += "\t/* what the program has left */\n";
        }
        writer.step(number, step.op, done);
    }
    writer.finish(program, kernel)
}

fn several((_, done): (&mm_fuzz::program::Step, &Done)) -> bool {
    matches!(done.outcome, Outcome::Child(_))
        || done
            .place
            .is_some_and(|place| place.proc.is_some_and(|proc| proc > 0))
}

fn faults((step, done): (&mm_fuzz::program::Step, &Done)) -> bool {
    by_cpu(step.op) && done.place.is_some() && !matches!(done.outcome, Outcome::Word(_))
}

fn by_cpu(op: Op) -> bool {
    matches!(op, Op::Read { .. } | Op::Write { .. })
}

fn ends_p0((step, done): (&mm_fuzz::program::Step, &Done)) -> bool {
    let proc = done.place.and_then(|place| place.proc);
    matches!(step.op, Op::Exit { .. }) && proc == Some(0)
}

/// Commands of `lib/test_hmm.c`, by their numbers.
const COMMANDS: [(&str, u8); 7] = [
    ("READ", 0),
    ("WRITE", 1),
    ("MIGRATE_TO_DEV", 2),
    ("MIGRATE_TO_SYS", 3),
    ("SNAPSHOT", 4),
    ("EXCLUSIVE", 5),
    ("RELEASE", 7),
];

#[derive(Default)]
struct Writer {
    parts: Parts,
    steps: String,
    /// Constants that headers of libc do not have, with their values in C.
    defines: BTreeMap<&'static str, String>,
    /// More than one process runs.
    several: bool,
    /// A read or write of the CPU raises a signal.
    faults: bool,
    /// True if `main` runs as p0. False if p0 exits in the program: then p0 is a child of `main`.
    main_is_p0: bool,
    /// The last step that was written, or -1.
    last: i64,
    /// The processes that live after that step.
    live: BTreeSet<usize>,
    /// A step calls `mlock`.
    locks: bool,
}

impl Writer {
    fn step(&mut self, number: usize, op: Op, done: &Done) {
        let Some(place) = done.place else {
            return;
        };
        let Some(proc) = place.proc.or_else(|| self.live.first().copied()) else {
            return;
        };
        if matches!(op, Op::Exit { .. }) {
            self.live.remove(&proc);
            if self.several || proc != 0 {
                self.parts.need(&parts::LEAVE);
                let _ = writeln!(self.steps, "\tleave({}, {proc}, {number});", self.last);
                self.last = number as i64;
            }
            return;
        }
        if let Outcome::Child(child) = done.outcome {
            self.live.insert(child);
        }
        let does = self.does(number, op, place.slot, done);
        if self.several {
            let last = self.last;
            let _ = writeln!(
                self.steps,
                "\tif (after({last}, {proc}))\n\t\t{does}, passed({number}, {proc});"
            );
        } else {
            let _ = writeln!(self.steps, "\t{does};");
        }
        self.last = number as i64;
    }

    /// The expression of a step.
    fn does(&mut self, number: usize, op: Op, slot: usize, done: &Done) -> String {
        let word = number + 1;
        let wanted = wanted(op, done.outcome, slot);
        let expect = |call: String| format!("expect({number}, \"{op}\", {call}, {wanted})");
        match (op.kind().contract().call)(op) {
            Invocation::Fork => expect(format!("spawn({slot})")),
            Invocation::Read(addr) => expect(self.touch(addr.get(), 0)),
            Invocation::Write(addr) => expect(self.touch(addr.get(), word)),
            Invocation::ClearRefs => {
                self.parts.need_header("fcntl.h");
                let call = "write(open(\"/proc/self/clear_refs\", O_WRONLY), \"4\", 1)";
                format!("expect({number}, \"{op}\", {call}, 1)")
            }
            Invocation::Pagemap(pages) => {
                self.parts.need(&parts::PAGEMAP);
                let shown = done.pagemap.iter().map(|shown| shown.bits() >> 55);
                let shown: Vec<String> = shown.map(|bits| format!("{bits:#x}")).collect();
                format!(
                    "pagemap({number}, {}, {}, (unsigned long[]){{ {} }})",
                    pages.first.get(),
                    pages.count,
                    shown.join(", ")
                )
            }
            Invocation::System(Constant(name, _), arguments) => {
                self.result();
                self.locks |= name == "mlock";
                let arguments: Vec<String> = arguments.into_iter().map(argument).collect();
                if arguments.iter().any(|argument| argument == "MADV_COLLAPSE") {
                    // glibc has it since 2.37
                    self.defines.insert("MADV_COLLAPSE", "25".to_owned());
                }
                expect(format!("result({name}({}))", arguments.join(", ")))
            }
            Invocation::Uffd {
                request,
                pages,
                mode,
                ..
            } => {
                self.result();
                self.parts.need(&parts::UFFD);
                self.define(request);
                let mode = mode.filter(|mode| mode.1 != 0);
                if let Some(mode) = mode {
                    self.define(mode);
                }
                let mode = mode.map_or("0", |mode| mode.0);
                let (first, count) = (pages.first.get(), pages.count);
                expect(format!("uffd({}, {first}, {count}, {mode})", request.0))
            }
            Invocation::Range(range) => self.range(number, op, &range, done, &wanted),
            Invocation::Evict(Ioctl::Release, dev, _) => {
                let call = self.device(dev.get(), "RELEASE", None);
                format!("expect({number}, \"{op}\", {call}, 0)")
            }
            Invocation::Snapshot(dev, pages) => self.snapshot(number, dev.get(), pages, done),
            // sayable.rs has refused them
            Invocation::Outside
            | Invocation::Slot(..)
            | Invocation::Evict(..)
            | Invocation::SplitHugePages(_)
            | Invocation::ShrinkSplitQueue(_) => format!("(void)\"{op}\""),
        }
    }

    fn touch(&mut self, page: u8, word: usize) -> String {
        let load = "(*(volatile long *)at(page))";
        if self.faults || word == 0 {
            self.defines.insert("load(page)", load.to_owned());
        }
        if self.faults || word != 0 {
            let store = format!("({load} = (word))");
            self.defines.insert("store(page, word)", store);
        }
        self.parts.need(self.touches());
        match word {
            _ if self.faults => format!("touch({page}, {word})"),
            0 => format!("load({page})"),
            word => format!("store({page}, {word})"),
        }
    }

    fn touches(&self) -> &'static parts::Part {
        if self.faults {
            &parts::TOUCH_OR_FAULT
        } else {
            &parts::TOUCH
        }
    }

    /// Defines the macro for the result of a system call.
    fn result(&mut self) {
        self.parts.need_header("errno.h");
        let value = "((long)(call) == -1 ? -errno : 0)";
        self.defines.insert("result(call)", value.to_owned());
    }

    fn define(&mut self, Constant(name, value): Constant) {
        self.defines.insert(name, format!("{value:#x}"));
    }

    fn command(&mut self, name: &'static str) {
        self.parts.need(&parts::DEVICE);
        let number = COMMANDS.iter().find(|command| command.0 == name);
        let number = number.map_or(0, |command| command.1);
        let value = format!("_IOWR('H', {number}, struct dmirror_cmd)");
        self.defines.insert(name, value);
    }

    fn device(&mut self, dev: u8, name: &'static str, pages: Option<Pages>) -> String {
        self.command(name);
        let (first, count) = pages.map_or((0, 1), |pages| (pages.first.get(), pages.count));
        format!("device({dev}, {name}, {first}, {count})")
    }

    fn range(
        &mut self,
        number: usize,
        op: Op,
        range: &RangeCall,
        done: &Done,
        wanted: &str,
    ) -> String {
        let (dev, pages) = (range.dev, range.pages);
        let call = match range.command {
            Ioctl::Access => {
                let (name, word) = match range.takes_word() {
                    true => ("WRITE", number + 1),
                    false => ("READ", 0),
                };
                self.command(name);
                self.parts.need(&parts::ACCESS);
                format!("device_touch({dev}, {name}, {}, {word})", pages.first.get())
            }
            Ioctl::Exclusive => self.device(dev, "EXCLUSIVE", Some(pages)),
            Ioctl::Migrate if range.flags.contains(Flags::TO_SYSTEM) => {
                self.device(dev, "MIGRATE_TO_SYS", Some(pages))
            }
            Ioctl::Migrate => {
                let call = self.device(dev, "MIGRATE_TO_DEV", Some(pages));
                // if some pages do not migrate, the result depends on whether the test driver maps
                // them, so a snapshot is compared instead
                if matches!(done.outcome, Outcome::Moved(moved) if moved < pages.count) {
                    let snapshot = self.snapshot(number, dev, pages, done);
                    return format!("{call}, {snapshot}");
                }
                call
            }
            // sayable.rs has refused them
            _ => return format!("(void)\"{op}\""),
        };
        format!("expect({number}, \"{op}\", {call}, {wanted})")
    }

    fn snapshot(&mut self, number: usize, dev: u8, pages: Pages, done: &Done) -> String {
        self.command("SNAPSHOT");
        self.parts.need(&parts::SNAPSHOT);
        let bytes: Vec<String> = done
            .snapshot
            .iter()
            .map(|byte| format!("{byte:#x}"))
            .collect();
        format!(
            "snapshot({number}, {dev}, {}, {}, (unsigned char[]){{ {} }})",
            pages.first.get(),
            pages.count,
            bytes.join(", ")
        )
    }

    fn finish(mut self, program: &Program, kernel: Version) -> String {
        let devices = self.parts.has(&parts::DEVICE);
        let userfault = self.parts.has(&parts::UFFD);
        if self.locks {
            self.parts.need(&parts::MLOCKED);
        }
        let mut text = String::new();
        let (major, minor) = kernel;
        let _ = writeln!(
            text,
            "// Prints ok, or BROKEN and the first step at which Linux differs from a Linux {major}.{minor} without bugs. Negative values: -errno or -signal."
        );
        let _ = writeln!(text, "// {}cc -static", self.needs(program));
        text += "#define _GNU_SOURCE\n";
        text += &self.parts.headers();
        text += &window();
        for (name, value) in &self.defines {
            let _ = writeln!(text, "#define {name} {value}");
        }
        if self.several {
            let main = if self.main_is_p0 { "0" } else { "(-1)" };
            let _ = writeln!(text, "#define MAIN {main}\n#define STOPPED (-2)");
        }
        if devices {
            text += "static int devices[2];\n";
        }
        if userfault {
            text += "static int userfault;\n";
        }
        let mut forget = "self = child".to_owned();
        if devices {
            forget += ", devices[0] = devices[1] = 0";
        }
        if userfault {
            forget += ", userfault = 0";
        }
        text += "\n";
        let mut functions = self.parts.functions().replace("FORGET", &forget);
        functions = functions.replace("WINDOW_PAGES", &WINDOW_PAGES.to_string());
        if !self.several {
            functions = functions.replace("stop(", "_exit(");
        }
        text += &functions;
        text += "\nint main(void)\n{\n";
        text += &self.begin();
        text += &self.steps;
        text += &self.end(program.ops.len());
        text += "\tputs(\"ok\");\n}\n";
        text
    }

    /// What the machine must have.
    fn needs(&self, program: &Program) -> String {
        let needs = |found: bool, what: &'static str| found.then_some(what);
        let has = |of: fn(&Op) -> bool| program.ops.iter().any(|step| of(&step.op));
        let all: Vec<&str> = [
            needs(self.parts.has(&parts::DEVICE), "CONFIG_TEST_HMM"),
            needs(
                has(|op| matches!(op, Op::ClearSoftDirty { .. })),
                "CONFIG_MEM_SOFT_DIRTY",
            ),
            needs(self.parts.has(&parts::UFFD), "CONFIG_USERFAULTFD"),
            needs(
                has(|op| matches!(op, Op::Pageout { .. })),
                "swap without readahead",
            ),
        ]
        .into_iter()
        .flatten()
        .collect();
        match all.len() {
            0 => "Needs root. ".to_owned(),
            _ => format!("Needs root, {}. ", all.join(", ")),
        }
    }

    fn begin(&self) -> String {
        let mut text = String::new();
        if self.locks {
            text += "\tcpu_set_t first = { { 1 } };\n";
            text +=
                "\tlong before = sched_setaffinity(0, sizeof(first), &first) ? -1 : mlocked();\n";
        }
        if self.parts.has(self.touches()) {
            text += "\tsignal(SIGSEGV, on_fault), signal(SIGBUS, on_fault);\n";
        }
        if self.several {
            text += "\tall = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);\n";
            text += "\tall->done = -1;\n";
            text += "\tsignal(SIGCHLD, SIG_IGN);\n\tprctl(PR_SET_CHILD_SUBREAPER, 1);\n";
            if !self.main_is_p0 {
                text += "\tspawn(0);\n";
            }
        }
        text
    }

    fn end(&self, steps: usize) -> String {
        let mut text = String::new();
        if self.several {
            let _ = writeln!(text, "\tafter({}, self);", self.last);
            text += "\tif (self != MAIN)\n\t\t_exit(0);\n\twhile (wait(NULL) > 0)\n\t\t;\n";
        }
        if self.locks {
            let _ = writeln!(text, "\tmunmap(at(0), {WINDOW_PAGES} * PAGE);");
            let _ = writeln!(
                text,
                "\texpect({steps}, \"Mlocked of /proc/meminfo, in kB, once all is unmapped\", mlocked(), before);"
            );
        }
        text
    }
}

/// The macros of C that turn a page of a program into an address, as [`Window::GUEST`] does.
pub fn window() -> String {
    let (page, start) = (Window::GUEST.bytes(1), Window::GUEST.start_byte());
    format!("#define PAGE {page}ul\n#define at(page) ((char *){start:#x} + (page) * PAGE)\n")
}

/// The value that a step must yield, in C.
fn wanted(op: Op, outcome: Outcome, slot: usize) -> String {
    let by_cpu = by_cpu(op);
    let on_device = super::watch::on_device(op).map(|(.., len)| u32::from(len.get()));
    match outcome {
        Outcome::Done | Outcome::Nothing | Outcome::Seen(_) | Outcome::Slot(_) => "0".to_owned(),
        Outcome::Word(word) => word.to_string(),
        Outcome::Moved(pages) => pages.to_string(),
        // the command fails if the device gets exclusive access to fewer pages than it asks for
        Outcome::Exclusive(pages) if on_device != Some(pages) => "-EFAULT".to_owned(),
        Outcome::Exclusive(pages) => pages.to_string(),
        Outcome::Child(_) => slot.to_string(),
        Outcome::Segv if by_cpu => "-SIGSEGV".to_owned(),
        Outcome::Sigbus | Outcome::WriteProtected if by_cpu => "-SIGBUS".to_owned(),
        Outcome::Segv | Outcome::Sigbus | Outcome::WriteProtected | Outcome::Efault => {
            "-EFAULT".to_owned()
        }
        Outcome::Enomem => "-ENOMEM".to_owned(),
        Outcome::Eagain => "-EAGAIN".to_owned(),
        Outcome::Einval => "-EINVAL".to_owned(),
        Outcome::Ebusy => "-EBUSY".to_owned(),
        Outcome::Enoent => "-ENOENT".to_owned(),
    }
}
