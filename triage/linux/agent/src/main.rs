//! The init of the guest that judges the model.
//!
//! It reads jobs from a virtio-serial port, runs each with one Linux process for each process of
//! the program, and replies with what happened. With `mmfuzz_runs=calls` on the kernel's command
//! line the jobs are programs of plain system calls. With `mmfuzz=selftest` it takes no jobs and
//! runs the upstream tests of `lib/test_hmm.c`, and with `mmfuzz=programs` the programs in
//! /programs.

mod access;
mod call;
mod calls;
mod channel;
mod cover;
mod director;
mod driver;
mod leaks;
mod port;
mod swap;
mod system;
mod words;
mod worker;

use driver::Driver;
use leaks::Leaks;
use mm_linux_protocol::{HELLO, Job, MAX_WORDS, Reply};
use port::Port;
use std::ffi::CString;
use std::io;
use words::Words;

fn mount(kind: &str, at: &str) {
    let (kind, at) = (CString::new(kind), CString::new(at));
    if let (Ok(kind), Ok(at)) = (kind, at) {
        // SAFETY: both are strings, and there is no data.
        unsafe {
            libc::mount(
                kind.as_ptr(),
                at.as_ptr(),
                kind.as_ptr(),
                0,
                std::ptr::null(),
            )
        };
    }
}

/// Ends the machine. It has no ACPI and cannot power off.
fn reboot() -> ! {
    // SAFETY: nothing is left to lose.
    unsafe {
        libc::sync();
        libc::reboot(libc::RB_AUTOBOOT);
        libc::_exit(0)
    }
}

/// What the agent sends first.
const STARTED: Reply = Reply {
    id: HELLO,
    events: Vec::new(),
    leaked: [0, 0],
    stuck: false,
    leaks: Vec::new(),
    words: Vec::new(),
    reached: Vec::new(),
};

fn cover(follows_coverage: bool) -> io::Result<Option<&'static cover::Cover>> {
    if !follows_coverage {
        return Ok(None);
    }
    mount("debugfs", "/sys/kernel/debug");
    cover::Cover::share().map(Some)
}

/// Runs programs of plain system calls.
fn calls(follows_coverage: bool) -> io::Result<()> {
    access::handle_faults();
    // SAFETY: the kernel then reaps the processes of the programs.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    swap::on()?;
    // for gup_test and failing allocations
    mount("debugfs", "/sys/kernel/debug");
    let cover = cover(follows_coverage)?;
    let mut port = Port::open()?;
    port.send(&STARTED)?;
    calls::serve(&mut port, cover)
}

fn judge(follows_coverage: bool) -> io::Result<()> {
    access::handle_faults();
    // SAFETY: the kernel then reaps children that the director does not wait for.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    swap::on()?;
    // for splits of huge pages
    mount("debugfs", "/sys/kernel/debug");
    let driver: &'static Driver = Box::leak(Box::new(Driver::open()?));
    let cover = cover(follows_coverage)?;
    let mut director = director::Director::new(channel::share(), driver, cover);
    let mut leaks = Leaks::default();
    let mut words = Words::open()?;
    let mut port = Port::open()?;
    port.send(&STARTED)?;
    loop {
        let job: Job = port.receive()?;
        let mut reply = director.run(&job);
        if job.closely {
            director.end_all();
            // The counters are first read after a program, because the agent itself grows with its
            // first one. That program then runs once more, to be checked.
            if leaks.begin() {
                let reached = reply.reached;
                reply = director.run(&job);
                reply.reached = reached;
                director.end_all();
            }
            reply.leaks = leaks.check();
        }
        reply.words = words.error(false).unwrap_or_default().into_bytes();
        reply.words.truncate(MAX_WORDS);
        // the host waits before it trusts the guest again
        if reply.stuck {
            port.send(&reply)?;
        } else {
            port.send_later(&reply)?;
        }
    }
}

fn selftest() {
    mount("tmpfs", "/tmp");
    // One test reads through gup_test.
    mount("debugfs", "/sys/kernel/debug");
    let status = std::process::Command::new("/hmm-tests").status();
    match status {
        Ok(status) => println!("mmfuzz-agent: hmm-tests ended: {status}"),
        Err(error) => println!("mmfuzz-agent: hmm-tests cannot run: {error}"),
    }
}

/// Runs the programs of /programs one after the other, and prints what each says.
fn run_programs() -> io::Result<()> {
    // one program pins pages through gup_test
    mount("debugfs", "/sys/kernel/debug");
    swap::on()?;
    let mut programs: Vec<_> = std::fs::read_dir("/programs")?.collect::<io::Result<Vec<_>>>()?;
    programs.sort_by_key(std::fs::DirEntry::path);
    for program in programs {
        let output = std::process::Command::new(program.path()).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let name = program.file_name();
        println!(
            "mmfuzz-agent: {}: {}",
            name.to_string_lossy(),
            said.trim().replace('\n', "; ")
        );
    }
    println!("mmfuzz-agent: all programs have run");
    Ok(())
}

fn main() {
    mount("proc", "/proc");
    mount("sysfs", "/sys");
    mount("devtmpfs", "/dev");
    let line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    if line.contains("mmfuzz=selftest") {
        selftest();
    } else if line.contains("mmfuzz=programs") {
        if let Err(error) = run_programs() {
            println!("mmfuzz-agent: {error}");
        }
    } else {
        let follows_coverage = line.contains("mmfuzz=cover");
        let ended = if line.contains("mmfuzz_runs=calls") {
            calls(follows_coverage)
        } else {
            judge(follows_coverage)
        };
        if let Err(error) = ended {
            println!("mmfuzz-agent: {error}");
        }
    }
    reboot();
}
