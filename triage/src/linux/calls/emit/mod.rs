//! C for a program of plain system calls. The C needs nothing of ours: it uses stock interfaces,
//! and has the check that fails.
//!
//! The program says `ok`, or `BROKEN` and how, and then ends with status 1. It has one statement
//! for each step where it can, and declares what it uses where it first uses it.

mod assemble;
mod beside;
mod check;
mod emitted_check;
mod fails;
mod functions;
mod lines;
mod monitor;
mod needs;
mod parts;
mod report;
mod setup;
mod statement;
mod writer;

use assemble::assemble;
use check::waits_for_ever;
use functions::{COUNTER, JOIN_GROUP, MAKE_GROUP};
use lines::add;
use mm_linux_calls::{Breach, BreachKind, COUNTERS, Call, GROUP, MapKind, Program};
use writer::Writer;

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

/// The name of the counter of a breach, and a function that reads it.
fn counter(breach: &Breach) -> (&'static str, String) {
    let name = COUNTERS[usize::from(breach.page) % COUNTERS.len()].name;
    let (path, format) = if let Some((path, field)) = name.split_once(' ') {
        (path, format!("{field} %lu"))
    } else if name == "/proc/swaps" {
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
            let mut body = writer.body(1);
            if has_stack(program) {
                // the agent, too, reads all pages at the end, and that makes a stack grow
                body += &read_all(program);
            }
            let (mut make, mut join) = (String::new(), String::new());
            if name.starts_with(GROUP) {
                add(&mut make, 1, MAKE_GROUP);
                add(&mut join, 1, JOIN_GROUP);
            }
            let main = format!(
                "{make}\tlong before = counter();\n{begin}\t\twrite(open(\"/proc/sys/vm/drop_caches\", O_WRONLY), \"1\", 1);\n\
                 \t\tint broken = {moved};\n\
                 \t\treturn puts(broken ? \"BROKEN: {name} does not return to its earlier value\" : \"ok\"), broken;\n\t}}\n{join}{body}"
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
    let threads = beside::threads(program, &main, faults);
    let (shared, main) = beside::share(&threads, &main);
    assemble(
        program,
        &format!("{shared}{threads}{helper}"),
        &main,
        comment,
    )
}

/// True if the program maps a stack.
fn has_stack(program: &Program) -> bool {
    let mut calls = program.steps.iter().map(|step| step.call);
    calls.any(|call| matches!(call, Call::Map { kind, .. } if kind == MapKind::Stack))
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

#[cfg(test)]
mod tests;
