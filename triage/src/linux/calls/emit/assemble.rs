//! The text of a C program: comment, headers, what the statements use, and main.

use super::functions::{DIRECT_READ, DIRECT_WRITE, HEAP, MAKE_DISK, TOTAL, URING_READ};
use super::{monitor, statement};
use mm_linux_calls::Program;
use std::fmt::Write;

/// The headers, and the words that need them.
const HEADERS: [(&str, &[&str]); 24] = [
    ("errno.h", &["errno"]),
    (
        "fcntl.h",
        &["O_", "FALLOC_", "fallocate(", "fcntl(", "SPLICE_", "SET("],
    ),
    ("limits.h", &["LONG_MAX"]),
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
            "memcmp(", "strncmp(", "strstr(", "memcpy(", "memset(", "strtok(", "SET(",
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

/// What the statements use besides `helper`: a function, and variables.
fn own(program: &Program, code: &str) -> String {
    let mut text = String::new();
    if code.contains("total(") && !code.contains("long total(") {
        text.push_str(TOTAL);
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
    for (call, function) in [
        ("mkfs(", MAKE_DISK),
        ("direct_write(", DIRECT_WRITE),
        ("direct_read(", DIRECT_READ),
    ] {
        if code.contains(call) {
            text.push_str(function);
        }
    }
    if code.contains("shm[") {
        let _ = writeln!(text, "static int shm[{}];", program.steps.len());
    }
    text
}

pub fn assemble(program: &Program, helper: &str, main: &str, comment: &str) -> String {
    let threads = monitor::threads(program, main);
    let own = own(program, &format!("{helper}{threads}{main}"));
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
