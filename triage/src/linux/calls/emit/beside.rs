//! Two calls at once, as C: a thread that makes the second call after a delay.
//!
//! On a machine with one CPU the thread needs a real-time priority to run in the middle of the
//! first call. On a machine with more CPUs, it runs on another CPU. The program tries one delay
//! after the other.

use super::lines::add;
use super::statement::{other, statement};
use mm_linux_calls::Program;
use std::fmt::Write;

/// How many delays a program tries. They cover 2 ms ever more densely.
pub const DELAYS: u16 = 500;

/// Variables that the thread and the rest of the program may share, with their types.
const SHARED: [(&str, &str); 6] = [
    ("int", "file"),
    ("int", "uffd"),
    ("int", "word"),
    ("int", "memory"),
    ("int", "dmirror"),
    ("pid_t", "child"),
];

/// The functions of the threads that `main` starts. `faults` says of a step whether one of its
/// accesses may raise a signal.
pub fn threads(program: &Program, main: &str, faults: impl Fn(usize) -> bool) -> String {
    let mut text = String::new();
    for (at, step) in program
        .steps
        .iter()
        .enumerate()
        .filter(|(at, step)| step.beside && main.contains(&format!("beside{at},")))
    {
        let second = statement(&step.call, at, faults(at), other(program, at));
        let _ = write!(
            text,
            "static void *beside{at}(void *delay)\n{{\n\
             \tsyscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &(int){{ 1 }});\n\tusleep((long)delay * 1237 % 2000);\n"
        );
        add(&mut text, 1, &second);
        text.push_str("\treturn 0;\n}\n");
    }
    text
}

/// The statements that start the thread of step `at`.
pub fn start(at: usize) -> String {
    format!("pthread_t thread{at};\npthread_create(&thread{at}, 0, beside{at}, (void *)(long)n);")
}

/// The statement that waits until the thread of step `at` has made its call.
pub fn join(at: usize) -> String {
    format!("pthread_join(thread{at}, 0);")
}

/// Makes global the variables that `main` declares and a thread may use. Returns their
/// declarations, and what is left of `main`.
pub fn share(threads: &str, main: &str) -> (String, String) {
    let (mut globals, mut main) = (String::new(), main.to_owned());
    for (kind, name) in SHARED {
        let local = format!("\t{kind} {name} = ");
        if threads.contains(name) && main.contains(&local) {
            main = main.replace(&local, &format!("\t{name} = "));
            let _ = writeln!(globals, "static {kind} {name};");
        }
    }
    (globals, main)
}
