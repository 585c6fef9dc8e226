//! C for a program of plain system calls: alone, by stock interfaces, with the check that fails.
//!
//! The program says `ok`, or `BROKEN` and how. It contains only the helpers that it uses.

use mm_linux_calls::{
    ACCOUNTS, Breach, BreachKind, COUNTERS, Call, Modes, Program, Prot, Range, Step,
};
use std::fmt::Write;

/// The helpers. Each comes after those that it uses. Its first line has a word: code with that word
/// needs the helper.
const HELPERS: &str = include_str!("helpers.c");

fn helpers() -> impl DoubleEndedIterator<Item = (&'static str, &'static str)> {
    let blocks: Vec<_> = HELPERS.split("//: ").skip(1).collect();
    blocks
        .into_iter()
        .filter_map(|block| block.split_once('\n'))
}

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
            "ioctl(UFFD, UFFDIO_REGISTER, &(struct uffdio_register){{ {}, {} }});",
            uffd_range(range),
            match modes {
                Modes::Wp => "UFFDIO_REGISTER_MODE_WP",
                Modes::Missing => "UFFDIO_REGISTER_MODE_MISSING",
                Modes::Both => "UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP",
            }
        ),
        Call::Unregister(range) => format!(
            "ioctl(UFFD, UFFDIO_UNREGISTER, &(struct uffdio_range){});",
            uffd_range(range)
        ),
        Call::WriteProtect(range, protects) => format!(
            "ioctl(UFFD, UFFDIO_WRITEPROTECT, &(struct uffdio_writeprotect){{ {}, {} }});",
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
            "ioctl(UFFD, UFFDIO_ZEROPAGE, &(struct uffdio_zeropage){{ {}, 0, 0 }});",
            uffd_range(range)
        ),
        Call::UffdMove(range, to) => {
            let target = range.moved(to);
            format!(
                "ioctl(UFFD, _IOWR(UFFDIO, 5, uint64_t[5]), (uint64_t[5]){{ (long)at({}), (long)at({}), {} * P, 2 }}); // \
                 UFFDIO_MOVE, holes allowed",
                target.first, range.first, target.len
            )
        }
        Call::Poison(range) => format!(
            "ioctl(UFFD, _IOWR(UFFDIO, 8, uint64_t[4]), (uint64_t[4]){{ (long)at({}), {} * P }}); // UFFDIO_POISON",
            range.first, range.len
        ),
        Call::Scan {
            range,
            categories,
            protect,
            blind,
        } => format!(
            "scan({}, {}, {}, {});",
            range.first,
            range.len,
            mask(categories),
            // in the helper, 2 stands for a scan without a vector
            u8::from(protect) | u8::from(blind) << 1
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
        BreachKind::NotSoftDirty => {
            format!("puts(pagemap({page}) >> 55 & 1 ? \"ok\" : \"BROKEN: {says}\");")
        }
        BreachKind::NotProtected => {
            format!("puts(pagemap({page}) >> 57 & 1 ? \"ok\" : \"BROKEN: {says}\");")
        }
        BreachKind::StillProtected => {
            format!("puts(pagemap({page}) >> 57 & 1 ? \"BROKEN: {says}\" : \"ok\");")
        }
        BreachKind::ShownUnmapped => {
            format!("puts(pagemap({page}) & 13ULL << 60 ? \"BROKEN: {says}\" : \"ok\");")
        }
        BreachKind::Contents => {
            format!(
                "puts(*(volatile long *)at({page}) == {:#x} ? \"ok\" : \"BROKEN: {says}\");",
                breach.wanted
            )
        }
        BreachKind::WrittenThrough | BreachKind::Allowed => format!("puts(\"BROKEN: {says}\");"),
        BreachKind::Denied => "puts(\"ok\");".to_owned(),
        BreachKind::NotPopulated => {
            format!("puts(pagemap({page}) >> 62 ? \"ok\" : \"BROKEN: {says}\");")
        }
        BreachKind::Accounting => {
            let (field, slack) = ACCOUNTS[usize::from(page) % ACCOUNTS.len()];
            let of = ["Size:", "lo", "Swap:", "Anonymous:"][usize::from(page) % ACCOUNTS.len()];
            format!(
                "puts(differs(\"{field}\", \"{of}\") <= {slack} ? \"ok\" : \"BROKEN: {says}\");"
            )
        }
        BreachKind::Smaps => format!("puts(oversized() ? \"BROKEN: {says}\" : \"ok\");"),
        BreachKind::Scan => {
            let call = program
                .steps
                .get(usize::from(breach.step))
                .map(|step| step.call);
            let Some(Call::Scan { categories, .. }) = call else {
                return String::new();
            };
            format!(
                "puts((scan({page}, 1, {mask}, 0) == 1) == ((pagemap({page}) & {shown:#x}) == {shown:#x}) ? \"ok\" : \"BROKEN: \
                 {says}\");",
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

/// Writes the statements of one process, and those of its child where it forks.
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
                line(&mut text, "\texit(0);\n}");
            } else if step.call == Call::Exit && process == 0 {
                continue;
            } else if step.call == Call::Exit {
                line(&mut text, &format!("*turn = {};\nexit(0);", at + 1));
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

    /// Sets the signal handlers, if a signal decides whether the promise is broken.
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

/// C that runs the program and checks the promise. Without a breach, the C only runs the program:
/// the kernel died, and its console shows that.
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
    body.push_str("\tBEGIN;\n");
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
                 after;\n\tif (!fork()) {{\n\t\trun();\n\t\texit(0);\n\t}}\n\twait(0);\n\tput(\"/proc/sys/vm/drop_caches\", \
                 \"1\"), put(\"/proc/sys/vm/stat_refresh\", \"1\");\n\tsleep(2);\n\tafter = number(\"{path}\", \
                 \"{name}\");\n\tprintf(after == before ? \"ok\\n\" : \"BROKEN: {says}: %ld before, %ld after\\n\", before, \
                 after);\n\treturn after != before;\n}}\n"
            )
        }
        (Some(BreachKind::Hang | BreachKind::Unkillable), _) => format!(
            "static void run(void)\n{{\n{body}}}\n\nint main(void)\n{{\n\tint status;\n\tpid_t child = fork();\n\tif (!child) \
             {{\n\t\trun();\n\t\texit(0);\n\t}}\n\tfor (int i = 0; i < 100; i++, usleep(100000))\n\t\tif (waitpid(child, &status, \
             WNOHANG))\n\t\t\treturn puts(\"ok\"), 0;\n\tkill(child, SIGKILL);\n\treturn puts(\"BROKEN: {says}\"), \
             1;\n}}\n"
        ),
        (None, _) => format!("int main(void)\n{{\n{body}\tputs(\"ok\");\n\treturn 0;\n}}\n"),
        _ => format!("int main(void)\n{{\n{body}\treturn 0;\n}}\n"),
    };
    let handlers = match kind {
        Some(BreachKind::WrittenThrough | BreachKind::Allowed) => {
            "static void right(int signal) { puts(\"ok\"), exit(0); }\n".to_owned()
        }
        Some(BreachKind::Denied) => {
            format!("static void wrong(int signal) {{ puts(\"BROKEN: {says}\"), exit(1); }}\n")
        }
        _ => String::new(),
    };
    assemble(&main, &handlers, program.wp_async, comment)
}

fn assemble(main: &str, handlers: &str, wp_async: bool, comment: &str) -> String {
    let mut body = format!("{handlers}\n{main}");
    // a child has files of its own
    let two = body.contains("fork()") && body.contains("until(");
    let uses = |text: &str, word: &str| {
        // after a letter, it is only the end of a longer word
        text.match_indices(word).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            !before.is_some_and(|before| before.is_alphanumeric() || before == '_')
        })
    };
    let mut files = String::new();
    let mut opened = String::new();
    for (name, user, opens) in [
        ("UFFD", "copy(", "open_uffd"),
        ("DMIRROR", "device(", "open_dmirror"),
    ] {
        if !uses(&body, name) && !uses(&body, user) {
            continue;
        }
        let variable = name.to_lowercase();
        if two {
            let _ = writeln!(files, "static int {variable}, {variable}_owner;");
            let _ = writeln!(
                files,
                "#define {name} once(&{variable}, &{variable}_owner, {opens})"
            );
        } else {
            let _ = writeln!(files, "static int {variable};");
            let _ = writeln!(opened, "\t{variable} = {opens}();");
        }
    }
    if wanted_huge(&body) {
        opened.push_str("\tput(\"/sys/kernel/mm/transparent_hugepage/enabled\", \"madvise\");\n");
    }
    body = body.replace("\tBEGIN;\n", &opened);
    let mut wanted = format!("{files}{body}");
    let mut helpers = String::new();
    for (word, helper) in self::helpers().rev() {
        if uses(&wanted, word) {
            wanted.push_str(helper);
            helpers.insert_str(0, helper.trim_end());
            helpers.insert(0, '\n');
        }
    }
    let mut text = String::new();
    for line in comment.lines() {
        let _ = writeln!(text, "// {line}");
    }
    text.push_str("// cc -static\n#define _GNU_SOURCE\n");
    let headers = [
        ("O_", "fcntl.h"),
        ("UFFDIO", "linux/userfaultfd.h"),
        ("sched_yield", "sched.h"),
        ("sigsetjmp", "setjmp.h"),
        ("SIG", "signal.h"),
        ("uint64_t", "stdint.h"),
        ("", "stdio.h"),
        ("ato", "stdlib.h"),
        ("exit(", "stdlib.h"),
        ("str", "string.h"),
        ("ioctl(", "sys/ioctl.h"),
        ("MAP_", "sys/mman.h"),
        ("SYS_", "sys/syscall.h"),
        ("wait", "sys/wait.h"),
    ];
    let mut included: Vec<&str> = headers
        .into_iter()
        .filter(|(word, _)| wanted.contains(word))
        .map(|(_, header)| header)
        .collect();
    included.dedup();
    for header in included {
        let _ = writeln!(text, "#include <{header}>");
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
            let _ = writeln!(text, "#undef {name}\n#define {name} {number}");
        }
    }
    if wanted.contains("KSM") {
        text.push_str("#define KSM \"/sys/kernel/mm/ksm/\"\n");
    }
    if wanted.contains("FEATURES") {
        let (number, said) = if wp_async {
            ("0x1f0a1", ", WP_ASYNC")
        } else {
            ("0x170a1", "")
        };
        let _ = writeln!(
            text,
            "#define FEATURES {number} // SIGBUS, shared memory, WP_UNPOPULATED, POISON, MOVE{said}"
        );
    }
    let mut code = format!("\n{files}{helpers}\n{body}");
    if !two {
        code = code
            .replace("UFFD,", "uffd,")
            .replace("DMIRROR,", "dmirror,");
    }
    text + &code
}

/// True if huge pages are asked for.
fn wanted_huge(body: &str) -> bool {
    body.contains("MADV_HUGEPAGE") || body.contains("MADV_COLLAPSE")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    /// The known programs, by name.
    fn known() -> Vec<(String, Program)> {
        let dir = mm_fuzz::digest_lock::corpus_dir().join("calls");
        let programs = super::super::files(&[dir]).expect("programs");
        assert!(programs.len() > 10);
        programs.into()
    }

    fn assert_compiles(name: &str, c: &str) {
        let mut cc = Command::new("cc")
            .args([
                "-fsyntax-only",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-Wno-unused-parameter",
            ])
            .args([
                "-Wno-unused-result",
                "-Wno-missing-field-initializers",
                "-Wno-unused-value",
                "-Wno-parentheses",
                "-x",
                "c",
                "-",
            ])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("cc");
        let mut stdin = cc.stdin.take().expect("its input");
        stdin.write_all(c.as_bytes()).expect("it reads");
        drop(stdin);
        let output = cc.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}\n{c}");
    }

    #[test]
    fn each_promise_of_each_known_program_is_c_that_compiles() {
        for (name, program) in known() {
            let steps = program.steps.len();
            let results = vec![-11; steps];
            let scans = program
                .steps
                .iter()
                .position(|step| step.call.name() == "pagemap-scan");
            for kind in BreachKind::ALL {
                let step = if *kind == BreachKind::Scan {
                    scans
                } else {
                    Some(steps - 1)
                };
                let breach = step.map(|step| Breach {
                    kind: *kind,
                    step: step as u16,
                    process: program.steps[step].process,
                    page: 1,
                    count: 1,
                    got: 0,
                    wanted: 1,
                });
                let c = c(&program, &results, breach.as_ref(), "a comment");
                assert_compiles(&name, &c);
            }
        }
    }

    #[test]
    fn a_known_program_is_short_c() {
        for (name, program) in known() {
            let c = c(&program, &vec![0; program.steps.len()], None, &name);
            let lines = c.lines().count();
            assert!(lines <= 75, "{name}: {lines} lines\n{c}");
        }
    }

    #[test]
    fn two_processes_take_turns() {
        let text =
            "mmap p0 0 1 rw\nfork p0\nwrite p1 0 1\nread p0 0 1\nexit p1\nfork p0\nread p1 0 1\n";
        let program = mm_linux_calls::parse(text).expect("a program");
        let c = c(&program, &[0; 7], None, "");
        assert_compiles("two processes", &c);
        let order = [
            "if (!fork()) {",
            "until(2);",
            "*turn = 3;",
            "until(4);",
            "*turn = 5;",
            "until(3);",
        ];
        let mut rest = &c[..];
        for said in order {
            let at = rest
                .find(said)
                .unwrap_or_else(|| panic!("no {said} in {rest}"));
            rest = &rest[at + said.len()..];
        }
    }
}
