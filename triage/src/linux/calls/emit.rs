//! C for a program of plain system calls: alone, by stock interfaces, with the check that fails.
//!
//! The program says `ok`, or `BROKEN` and how. It contains only the helpers that it uses.

use mm_linux_calls::{Breach, BreachKind, COUNTERS, Call, Modes, Program, Prot, Range, Step};
use std::fmt::Write;

/// The helpers, by the word that calls for each. A helper stands behind those that it uses.
const HELPERS: [(&str, &str); 14] = [
    (
        "at(",
        "static char *at(long page) { return (char *)0x700000000000 + page * P; }\n",
    ),
    (
        "put(",
        "static void put(const char *path, const char *text)\n{\n\tint fd = open(path, O_WRONLY);\n\tif (fd < 0 || \
         write(fd, text, strlen(text)) < 0)\n\t\tperror(path);\n\tclose(fd);\n}\n",
    ),
    (
        "number(",
        "static long number(const char *path, const char *name)\n{\n\tchar text[65536] = \"\\n\", *at;\n\tint fd = \
         open(path, O_RDONLY);\n\tread(fd, text + 1, sizeof(text) - 2);\n\tclose(fd);\n\tat = strstr(text, name);\n\treturn at \
         ? atol(at + strlen(name)) : 0;\n}\n",
    ),
    (
        "write_to(",
        "static void write_to(long page, long pages, long word)\n{\n\tfor (long i = 0; i < pages; i++)\n\t\t*(volatile long \
         *)at(page + i) = word + WORD(page + i);\n}\n",
    ),
    (
        "try_to_write(",
        "static sigjmp_buf fault;\nstatic void on_fault(int signal) { siglongjmp(fault, signal); }\nstatic void \
         try_to_write(long page, long pages, long word)\n{\n\tsignal(SIGSEGV, on_fault), signal(SIGBUS, on_fault);\n\tfor \
         (volatile long i = 0; i < pages; i++)\n\t\tif (!sigsetjmp(fault, 1))\n\t\t\t*(volatile long *)at(page + i) = word \
         + WORD(page + i);\n}\n",
    ),
    (
        "pagemap(",
        "static uint64_t pagemap(long page)\n{\n\tuint64_t entry = 0;\n\tint fd = open(\"/proc/self/pagemap\", \
         O_RDONLY);\n\tpread(fd, &entry, 8, (long)at(page) / P * 8);\n\tclose(fd);\n\treturn entry;\n}\n",
    ),
    (
        "ksm(",
        "static void ksm(void)\n{\n\tput(KSM \"pages_to_scan\", \"100000\"), put(KSM \"sleep_millisecs\", \"0\"), put(KSM \
         \"smart_scan\", \"0\");\n\tput(KSM \"use_zero_pages\", \"1\"), put(KSM \"run\", \"1\");\n\tsleep(2);\n\tput(KSM \
         \"run\", \"0\");\n}\n",
    ),
    (
        "device(",
        "struct dmirror { uint64_t addr, ptr, pages, done, faults; };\nstatic long device(int command, long page, long \
         pages, long word)\n{\n\tstatic char mirror[2048 * 4096];\n\tstatic int fd, owner;\n\tstruct dmirror cmd = { \
         (long)at(page), (long)mirror, pages, 0, 0 };\n\tif (owner != getpid())\n\t\tfd = open(\"/dev/hmm_dmirror0\", O_RDWR), \
         owner = getpid();\n\tfor (long i = 0; i < pages; i++)\n\t\t*(long *)(mirror + i * P) = word + WORD(page + i);\n\treturn ioctl(fd, \
         _IOWR('H', command, struct dmirror), &cmd);\n}\n",
    ),
    (
        "uffd(",
        "static int uffd(void)\n{\n\tstatic int fd, owner;\n\tstruct uffdio_api api = { UFFD_API, FEATURES, 0 };\n\tif (owner != \
         getpid()) {\n\t\tfd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), owner = getpid();\n\t\tif (ioctl(fd, \
         UFFDIO_API, &api))\n\t\t\tperror(\"userfaultfd\");\n\t}\n\treturn fd;\n}\n",
    ),
    (
        "copy(",
        "static void copy(long page, long pages, long word, int mode)\n{\n\tstatic char from[2048 * 4096] \
         __attribute__((aligned(4096)));\n\tfor (long i = 0; i < pages; i++)\n\t\t*(long *)(from + i * P) = word + \
         WORD(page + i);\n\tioctl(uffd(), UFFDIO_COPY, &(struct uffdio_copy){ (long)at(page), (long)from, pages * P, mode, 0 });\n}\n",
    ),
    (
        "scan(",
        "// the number of the pages that have all these categories: PAGEMAP_SCAN\nstatic long scan(long page, long pages, \
         long categories, long flags)\n{\n\tuint64_t found[2048][3], arg[12] = { 96, flags, (long)at(page), (long)at(page + \
         pages), 0, (long)found, 2048, 0, 0, categories, 0, -1 & 0xff };\n\tint fd = open(\"/proc/self/pagemap\", \
         O_RDONLY);\n\tlong regions = ioctl(fd, _IOWR('f', 16, char[96]), arg), sum = 0;\n\tclose(fd);\n\tfor (long i = 0; i \
         < regions; i++)\n\t\tsum += (found[i][1] - found[i][0]) / P;\n\treturn regions < 0 ? regions : sum;\n}\n",
    ),
    (
        "oversized(",
        "// the first line of smaps that counts more than the size of its mapping in the window\nstatic int \
         oversized(char *line)\n{\n\tunsigned long start = 0, end, size = 0, kb;\n\tFILE *smaps = fopen(\"/proc/self/smaps\", \
         \"r\");\n\twhile (fgets(line, 256, smaps)) {\n\t\tif (sscanf(line, \"%lx-%lx \", &start, &end) == 2)\n\t\t\tcontinue;\n\t\tif \
         (start < (long)at(0) || start >= (long)at(2048) || sscanf(line, \"%*[^:]: %lu kB\", &kb) != 1)\n\t\t\tcontinue;\n\t\tif \
         (!strncmp(line, \"Size:\", 5))\n\t\t\tsize = kb;\n\t\telse if (kb > size && strncmp(line, \"KernelPageSize\", 14) && \
         strncmp(line, \"MMUPageSize\", 11))\n\t\t\treturn 1;\n\t}\n\treturn 0;\n}\n",
    ),
    (
        "until(",
        "static volatile int *turn;\nstatic void until(int step)\n{\n\twhile (*turn < step)\n\t\tsched_yield();\n}\n",
    ),
    (
        "say(",
        "static void say(int broken, const char *what)\n{\n\tprintf(broken ? \"BROKEN: %s\\n\" : \"ok\\n\", \
         what);\n\tfflush(stdout);\n}\n",
    ),
];

fn protection(prot: Prot) -> &'static str {
    match prot {
        Prot::None => "PROT_NONE",
        Prot::Read => "PROT_READ",
        Prot::Write => "PROT_READ | PROT_WRITE",
    }
}

fn on(range: Range) -> String {
    format!("at({}), {} * P", range.first, range.len)
}

fn uffd_range(range: Range) -> String {
    format!("{{ (long)at({}), {} * P }}", range.first, range.len)
}

/// A step as a statement. `faulted` says that one of its accesses raised a signal.
fn statement(step: &Step, number: usize, faulted: bool) -> String {
    let device = |range: Range, command: u8| {
        let word = Range::base(number);
        format!(
            "device({command}, {}, {}, {word:#x});",
            range.first, range.len
        )
    };
    match step.call {
        Call::Map {
            range,
            shared,
            prot,
        } => format!(
            "mmap({}, {}, MAP_FIXED | {} | MAP_ANONYMOUS, -1, 0);",
            on(range),
            protection(prot),
            if shared { "MAP_SHARED" } else { "MAP_PRIVATE" }
        ),
        Call::Unmap(range) => format!("munmap({});", on(range)),
        Call::Protect(range, prot) => format!("mprotect({}, {});", on(range), protection(prot)),
        Call::Move { range, to, keep } => {
            let target = range.moved(to);
            format!(
                "mremap(at({}), {} * P, {} * P, MREMAP_MAYMOVE | MREMAP_FIXED{}, at({}));",
                range.first,
                target.len,
                target.len,
                if keep { " | MREMAP_DONTUNMAP" } else { "" },
                target.first
            )
        }
        Call::Resize(range, len) => {
            let wanted = Range::new(range.first, len);
            format!("mremap({}, {} * P, 0);", on(range), wanted.len)
        }
        Call::Write(range) => {
            let word = Range::base(number);
            let name = if faulted { "try_to_write" } else { "write_to" };
            format!("{name}({}, {}, {word:#x});", range.first, range.len)
        }
        Call::MemWrite(range) => {
            let word = Range::base(number);
            format!(
                "for (long i = 0, fd = open(\"/proc/self/mem\", O_RDWR); i < {}; i++)\n\t\tpwrite(fd, &(long){{ {word:#x} + WORD({} + i) \
                 }}, 8, (long)at({} + i));",
                range.len, range.first, range.first
            )
        }
        Call::Read(range) => format!(
            "for (long i = 0; i < {}; i++)\n\t\t(void)*(volatile long *)at({} + i);",
            range.len, range.first
        ),
        Call::Advise(range, advice) => format!("madvise({}, {});", on(range), advice.c()),
        Call::Lock { range, on_fault } => {
            format!(
                "syscall(SYS_mlock2, {}, {});",
                on(range),
                u8::from(on_fault)
            )
        }
        Call::Unlock(range) => format!("munlock({});", on(range)),
        Call::ClearSoftDirty => "put(\"/proc/self/clear_refs\", \"4\");".to_owned(),
        Call::Ksm => "ksm();".to_owned(),
        Call::Compact => "put(\"/proc/sys/vm/compact_memory\", \"1\");".to_owned(),
        Call::Register(range, modes) => format!(
            "ioctl(uffd(), UFFDIO_REGISTER, &(struct uffdio_register){{ {}, {} }});",
            uffd_range(range),
            match modes {
                Modes::Wp => "UFFDIO_REGISTER_MODE_WP",
                Modes::Missing => "UFFDIO_REGISTER_MODE_MISSING",
                Modes::Both => "UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP",
            }
        ),
        Call::Unregister(range) => format!(
            "ioctl(uffd(), UFFDIO_UNREGISTER, &(struct uffdio_range){});",
            uffd_range(range)
        ),
        Call::WriteProtect(range, protects) => format!(
            "ioctl(uffd(), UFFDIO_WRITEPROTECT, &(struct uffdio_writeprotect){{ {}, {} }});",
            uffd_range(range),
            if protects {
                "UFFDIO_WRITEPROTECT_MODE_WP"
            } else {
                "0"
            }
        ),
        Call::Copy(range, protects) => {
            let word = Range::base(number);
            format!(
                "copy({}, {}, {word:#x}, {});",
                range.first,
                range.len,
                u8::from(protects) * 2
            )
        }
        Call::Zero(range) => format!(
            "ioctl(uffd(), UFFDIO_ZEROPAGE, &(struct uffdio_zeropage){{ {}, 0, 0 }});",
            uffd_range(range)
        ),
        Call::UffdMove(range, to) => {
            let target = range.moved(to);
            format!(
                "ioctl(uffd(), _IOWR(UFFDIO, 5, uint64_t[5]), (uint64_t[5]){{ (long)at({}), (long)at({}), {} * P, 2 }}); // \
                 UFFDIO_MOVE, holes allowed",
                target.first, range.first, target.len
            )
        }
        Call::Poison(range) => format!(
            "ioctl(uffd(), _IOWR(UFFDIO, 8, uint64_t[4]), (uint64_t[4]){{ (long)at({}), {} * P }}); // UFFDIO_POISON",
            range.first, range.len
        ),
        Call::Scan {
            range,
            categories,
            protect,
        } => format!(
            "scan({}, {}, {}, {});",
            range.first,
            range.len,
            mask(categories),
            u8::from(protect)
        ),
        Call::Fork | Call::Exit => String::new(),
        Call::DeviceRead(range) => device(range, 0),
        Call::DeviceWrite(range) => device(range, 1),
        Call::ToDevice(range) => device(range, 2),
        Call::ToSystem(range) => device(range, 3),
        Call::Exclusive(range) => device(range, 5),
    }
}

/// The categories of PAGEMAP_SCAN.
fn mask(categories: u8) -> String {
    let names = [
        "8 /* present */",
        "16 /* swapped */",
        "4 /* file */",
        "128 /* soft-dirty */",
    ];
    let set = names.iter().enumerate();
    let set: Vec<_> = set
        .filter(|(bit, _)| categories >> bit & 1 != 0)
        .map(|(_, name)| *name)
        .collect();
    if set.is_empty() {
        "0".to_owned()
    } else {
        set.join(" | ")
    }
}

/// The check of the broken promise.
fn check(program: &Program, breach: &Breach) -> String {
    let page = breach.page;
    let says = breach.kind.says();
    match breach.kind {
        BreachKind::NotSoftDirty => format!("say(!(pagemap({page}) >> 55 & 1), \"{says}\");"),
        BreachKind::NotProtected => format!("say(!(pagemap({page}) >> 57 & 1), \"{says}\");"),
        BreachKind::StillProtected => format!("say(pagemap({page}) >> 57 & 1, \"{says}\");"),
        BreachKind::ShownUnmapped => format!("say(pagemap({page}) & 13ULL << 60, \"{says}\");"),
        BreachKind::Contents => {
            format!(
                "say(*(volatile long *)at({page}) != {:#x}, \"{says}\");",
                breach.wanted
            )
        }
        BreachKind::WrittenThrough | BreachKind::Allowed => format!("say(1, \"{says}\");"),
        BreachKind::Denied => "say(0, \"\");".to_owned(),
        BreachKind::Smaps => format!("char line[256];\n\tsay(oversized(line), \"{says}\");"),
        BreachKind::Scan => {
            let call = program
                .steps
                .get(usize::from(breach.step))
                .map(|step| step.call);
            let Some(Call::Scan { categories, .. }) = call else {
                return String::new();
            };
            format!(
                "say((scan({page}, 1, {mask}, 0) == 1) != ((pagemap({page}) & {shown:#x}) == {shown:#x}), \"{says}\");",
                mask = mask(categories),
                shown = [63, 62, 61, 55]
                    .iter()
                    .enumerate()
                    .filter(|(bit, _)| categories >> bit & 1 != 0)
                    .map(|(_, shown)| 1u64 << shown)
                    .sum::<u64>()
            )
        }
        BreachKind::Counter | BreachKind::Hang | BreachKind::Unkillable => String::new(),
    }
}

/// The statements of one process, and those of its child where it forks.
struct Writer<'a> {
    program: &'a Program,
    results: &'a [i32],
    breach: Option<&'a Breach>,
    two: bool,
}

impl Writer<'_> {
    fn process(&self, process: u8, first: usize, indent: &str) -> String {
        let mut text = String::new();
        let line = |text: &mut String, said: &str| {
            for said in said.lines() {
                let _ = writeln!(text, "{indent}{said}");
            }
        };
        let steps = &self.program.steps;
        let mut waits = self.two && process == 1;
        for (at, step) in steps.iter().enumerate().skip(first) {
            let is_mine = step.process == process;
            if !is_mine {
                waits = self.two;
                continue;
            }
            if waits {
                line(&mut text, &format!("until({at});"));
                waits = false;
            }
            let result = self.results.get(at).copied().unwrap_or(0);
            let here = self.breach.filter(|breach| usize::from(breach.step) == at);
            let watched = here.filter(|breach| breach.process == process);
            if let Some(breach) = watched {
                line(&mut text, self.handlers(breach));
            }
            if step.call == Call::Fork {
                line(&mut text, "if (!fork()) {");
                text.push_str(&self.process(1, at + 1, &format!("{indent}\t")));
                line(&mut text, "\t_exit(0);\n}");
            } else if step.call == Call::Exit {
                line(&mut text, &format!("*turn = {};\n_exit(0);", at + 1));
                return text;
            } else {
                let faulted = result < 0 && watched.is_none();
                let accesses = matches!(step.call, Call::Write(_));
                line(&mut text, &statement(step, at, faulted && accesses));
            }
            if let Some(breach) = watched {
                line(&mut text, &check(self.program, breach));
            }
            let next = steps.get(at + 1);
            if self.two && next.is_none_or(|next| next.process != process) {
                line(&mut text, &format!("*turn = {};", at + 1));
            }
        }
        let at_end = self
            .breach
            .filter(|breach| usize::from(breach.step) >= steps.len());
        if let Some(breach) = at_end.filter(|breach| breach.process == process) {
            if self.two {
                line(&mut text, &format!("until({});", steps.len()));
            }
            line(&mut text, self.handlers(breach));
            if matches!(breach.kind, BreachKind::Allowed | BreachKind::Denied) {
                line(
                    &mut text,
                    &format!("(void)*(volatile long *)at({});", breach.page),
                );
            }
            line(&mut text, &check(self.program, breach));
        }
        text
    }

    /// What a signal says, where it decides.
    fn handlers(&self, breach: &Breach) -> &'static str {
        match breach.kind {
            BreachKind::WrittenThrough | BreachKind::Allowed => {
                "signal(SIGBUS, right), signal(SIGSEGV, right);"
            }
            BreachKind::Denied => "signal(SIGBUS, wrong), signal(SIGSEGV, wrong);",
            _ => "",
        }
    }
}

/// C that runs the program and checks the promise. Without a breach it only runs: the kernel speaks
/// for itself.
pub fn c(program: &Program, results: &[i32], breach: Option<&Breach>, comment: &str) -> String {
    let two = program.steps.iter().any(|step| step.process == 1);
    let writer = Writer {
        program,
        results,
        breach,
        two,
    };
    let kind = breach.map(|breach| breach.kind);
    let mut body = String::new();
    if two {
        body.push_str(
            "\tturn = mmap(0, P, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);\n",
        );
    }
    body.push_str("\tput(\"/sys/kernel/mm/transparent_hugepage/enabled\", \"madvise\");\n");
    body.push_str(&writer.process(0, 0, "\t"));
    if two {
        let _ = writeln!(
            body,
            "\t*turn = {};\n\twhile (wait(0) > 0)\n\t\t;",
            program.steps.len() + 1
        );
    }
    let says = kind.map_or("", BreachKind::says);
    let main = match (kind, breach) {
        (Some(BreachKind::Counter), Some(breach)) => {
            let counter = COUNTERS[usize::from(breach.page) % COUNTERS.len()];
            let (path, name) = if counter.name.starts_with('/') {
                (counter.name, "\\n".to_owned())
            } else {
                ("/proc/vmstat", format!("\\n{} ", counter.name))
            };
            format!(
                "static void run(void)\n{{\n{body}}}\n\nint main(void)\n{{\n\tlong before = number(\"{path}\", \"{name}\"), \
                 after;\n\tif (!fork()) {{\n\t\trun();\n\t\t_exit(0);\n\t}}\n\twait(0);\n\tput(\"/proc/sys/vm/drop_caches\", \
                 \"1\"), put(\"/proc/sys/vm/stat_refresh\", \"1\");\n\tsleep(2);\n\tafter = number(\"{path}\", \
                 \"{name}\");\n\tprintf(after == before ? \"ok\\n\" : \"BROKEN: {says}: %ld before, %ld after\\n\", before, \
                 after);\n\treturn after != before;\n}}\n"
            )
        }
        (Some(BreachKind::Hang | BreachKind::Unkillable), _) => format!(
            "static void run(void)\n{{\n{body}}}\n\nint main(void)\n{{\n\tint status;\n\tpid_t child = fork();\n\tif (!child) \
             {{\n\t\trun();\n\t\t_exit(0);\n\t}}\n\tfor (int i = 0; i < 100; i++, usleep(100000))\n\t\tif (waitpid(child, &status, \
             WNOHANG))\n\t\t\treturn puts(\"ok\"), 0;\n\tkill(child, SIGKILL);\n\treturn puts(\"BROKEN: {says}\"), \
             1;\n}}\n"
        ),
        (None, _) => format!("int main(void)\n{{\n{body}\tputs(\"ok\");\n\treturn 0;\n}}\n"),
        _ => format!("int main(void)\n{{\n{body}\treturn 0;\n}}\n"),
    };
    let handlers = match kind {
        Some(BreachKind::WrittenThrough | BreachKind::Allowed) => {
            "static void right(int signal) { say(0, \"\"), _exit(0); }\n".to_owned()
        }
        Some(BreachKind::Denied) => {
            format!("static void wrong(int signal) {{ say(1, \"{says}\"), _exit(1); }}\n")
        }
        _ => String::new(),
    };
    assemble(&main, &handlers, program.wp_async, comment)
}

fn assemble(main: &str, handlers: &str, wp_async: bool, comment: &str) -> String {
    let mut wanted = format!("{handlers}{main}");
    let mut helpers = String::new();
    for (word, helper) in HELPERS.iter().rev() {
        // a word behind a letter is the end of another
        let is_used = wanted.match_indices(word).any(|(at, _)| {
            let before = wanted[..at].chars().next_back();
            !before.is_some_and(|before| before.is_alphanumeric() || before == '_')
        });
        if is_used {
            wanted.push_str(helper);
            helpers.insert_str(0, helper);
        }
    }
    let mut text = String::new();
    for line in comment.lines() {
        let _ = writeln!(text, "// {line}");
    }
    text.push_str("// cc -static\n#define _GNU_SOURCE\n");
    let headers = [
        ("open(", "fcntl.h"),
        ("UFFDIO", "linux/userfaultfd.h"),
        ("sched_yield", "sched.h"),
        ("sigsetjmp", "setjmp.h"),
        ("signal(", "signal.h"),
        ("uint64_t", "stdint.h"),
        ("f(", "stdio.h"),
        ("ato", "stdlib.h"),
        ("str", "string.h"),
        ("ioctl(", "sys/ioctl.h"),
        ("MAP_", "sys/mman.h"),
        ("SYS_", "sys/syscall.h"),
        ("wait", "sys/wait.h"),
    ];
    for (word, header) in headers {
        if wanted.contains(word) || header == "stdio.h" {
            let _ = writeln!(text, "#include <{header}>");
        }
    }
    text.push_str("#include <unistd.h>\n#define P 4096L\n");
    if wanted.contains("WORD(") {
        text.push_str("#define WORD(page) (((page) & 1) + (page) / 512 * 2)\n");
    }
    for (name, number) in [
        ("MADV_COLLAPSE", 25),
        ("MADV_GUARD_INSTALL", 102),
        ("MADV_GUARD_REMOVE", 103),
    ] {
        if wanted.contains(name) {
            let _ = writeln!(text, "#ifndef {name}\n#define {name} {number}\n#endif");
        }
    }
    if wanted.contains("KSM") {
        text.push_str("#define KSM \"/sys/kernel/mm/ksm/\"\n");
    }
    if wanted.contains("FEATURES") {
        let mut names = "1 | 1 << 5 | 1 << 7 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 16".to_owned();
        let mut said = "SIGBUS, shared memory, WP_UNPOPULATED, POISON, MOVE".to_owned();
        if wp_async {
            names.push_str(" | 1 << 15");
            said.push_str(", WP_ASYNC");
        }
        let _ = writeln!(text, "#define FEATURES ({names}) // {said}");
    }
    let _ = write!(text, "\n{helpers}{handlers}\n{main}");
    text
}
