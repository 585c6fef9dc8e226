//! A guest for tests: this very program, run in place of QEMU. It answers as the model does, except
//! for programs that fork: there it misbehaves as a broken kernel may.

use super::image::{Image, Patience};
use super::plan::{self, Expected};
use crate::bugs::Bugs;
use mm_core::KernelVersion;
use mm_fuzz::exec::{Executor, Options, Outcome as Model};
use mm_fuzz::program::{Op, wire};
use mm_linux_calls::{Call, CallsJob, CallsReply};
use mm_linux_protocol::{GuestEvent, GuestOutcome, HELLO, Job, MAX_FRAME, Reply, receive, send};
use serde::Serialize;
use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a guest may live; a test that waits that long fails.
const LIFE: Duration = Duration::from_secs(60);

/// The image of a guest that behaves in this way. `dir` holds its files.
pub fn image(dir: &Path, behaviour: &str, patience: Patience) -> Image {
    let own = std::env::current_exe().expect("this program");
    let script = format!(
        "#!/bin/sh\nexport FAKE_GUEST={behaviour} FAKE_ARGS=\"$*\"\n\
         exec '{}' --exact linux::fake::guest --nocapture\n",
        own.display()
    );
    let qemu = dir.join("qemu");
    // A shell writes it. If this process had the file open for writing while another test starts a
    // program, that program would inherit the open file, and the script could not be run.
    let written = std::process::Command::new("sh")
        .args(["-c", "printf %s \"$1\" >\"$0\" && chmod 755 \"$0\""])
        .args([qemu.as_os_str(), script.as_ref()])
        .status();
    assert!(written.expect("a shell").success());
    Image::fake(qemu, patience)
}

/// Like [`image`], with short limits for a program and for the last words.
#[cfg(feature = "zoo")]
pub fn quick_image(dir: &Path, behaviour: &str) -> Image {
    let patience = Patience {
        boot: Duration::from_secs(50),
        program: Duration::from_secs(2),
        last_words: Duration::from_millis(200),
        ..Patience::default()
    };
    image(dir, behaviour, patience)
}

/// The guest itself: does nothing unless the environment says that this process is a guest.
#[test]
fn guest() {
    let Ok(behaviour) = std::env::var("FAKE_GUEST") else {
        return;
    };
    let args = std::env::var("FAKE_ARGS").expect("arguments");
    let path = args.split("path=").nth(1);
    match path.and_then(|rest| rest.split(',').next()) {
        Some(path) => with_port(path, &behaviour),
        None => without_port(&behaviour),
    }
    std::process::exit(0);
}

/// A guest that ends by itself, as for the upstream tests and emitted programs.
fn without_port(behaviour: &str) {
    say("ok 1 first\n");
    match behaviour {
        "chatty" => (0..400).for_each(|_| say(&"x".repeat(10_000))),
        "endless" => std::thread::sleep(LIFE),
        other => panic!("{other}"),
    }
    say("\nok 2 \x1b[2Jlast\n");
}

fn say(text: &str) {
    // The host may be gone.
    if std::io::stdout().write_all(text.as_bytes()).is_err() {
        std::process::exit(0);
    }
}

fn with_port(path: &str, behaviour: &str) {
    if behaviour == "ends" {
        return say("\x1b]0;no\x07 Kernel panic: \x1b[31mnothing\n");
    }
    if behaviour == "no-port" {
        return std::thread::sleep(LIFE);
    }
    let (mut port, _) = UnixListener::bind(path)
        .and_then(|listener| listener.accept())
        .expect("a host");
    if behaviour == "silent" {
        return std::thread::sleep(LIFE);
    }
    let hello = Reply {
        id: if behaviour == "stranger" { 0 } else { HELLO },
        events: Vec::new(),
        leaked: [0, 0],
        stuck: false,
        leaks: Vec::new(),
        words: Vec::new(),
        reached: Vec::new(),
    };
    send(&mut port, &hello).expect("the host listens");
    if behaviour == "deaf" {
        return std::thread::sleep(LIFE);
    }
    if let Some(behaviour) = behaviour.strip_prefix("calls-") {
        return runs_calls(&mut port, behaviour);
    }
    let release = KernelVersion::V6_12;
    let mut executor = Executor::new(Options {
        unchecked: true,
        release,
        ..Options::default()
    });
    Bugs::of_kernel("", (6, 12))
        .expect("bugs")
        .set(&mut executor);
    let mut left_behind = false;
    while let Ok(job) = receive::<Job>(&mut port) {
        let program = wire::decode(&job.program);
        let mut reply = as_the_model(&job, &mut executor);
        let forks = program.ops.iter().any(|s| matches!(s.op, Op::Fork { .. }));
        if behaviour == "leaks" {
            left_behind |= forks;
            if job.closely && std::mem::take(&mut left_behind) {
                reply.leaks.push((0, 5, 6));
            }
            if send(&mut port, &reply).is_err() {
                return;
            }
        } else if behaviour == "leaves-pages" {
            // pages stay in use, and each later program finds them
            left_behind |= forks;
            reply.leaked = [0, u32::from(left_behind)];
            if send(&mut port, &reply).is_err() {
                return;
            }
        } else if forks {
            reply.id += 1;
            misbehave(&mut port, &reply, behaviour);
        } else if send(&mut port, &reply).is_err() {
            return;
        }
    }
}

/// A guest for programs of plain system calls, in which Linux keeps all promises.
fn runs_calls(port: &mut UnixStream, behaviour: &str) {
    while let Ok(job) = receive::<CallsJob>(port) {
        let steps = &job.program.steps;
        let mut reply = CallsReply {
            id: job.id,
            breach: None,
            results: vec![0; steps.len()],
            said: String::new(),
            passed_over: 0,
            runs: 1,
            stuck: false,
            // a place for each number of steps
            reached: vec![steps.len() as u32],
        };
        if steps.iter().any(|step| step.call == Call::Fork) {
            reply.id += 1;
            misbehave(port, &reply, behaviour);
        } else if send(port, &reply).is_err() {
            return;
        }
    }
}

fn as_the_model(job: &Job, executor: &mut Executor) -> Reply {
    let program = wire::decode(&job.program);
    let plan = plan::plan(job.id, &program, executor).expect("a plan");
    let ops = program.ops.iter();
    let events = plan.expected.into_iter().map(|expected| match expected {
        Expected::End(step, Model::Word(word)) => GuestEvent::Ended(step, GuestOutcome::Word(word)),
        Expected::End(step, Model::Child(slot)) => {
            GuestEvent::Ended(step, GuestOutcome::Child(slot as u8))
        }
        Expected::End(step, _) => GuestEvent::Ended(step, GuestOutcome::Done),
        Expected::Seen(_, processes) => GuestEvent::Seen(processes),
    });
    Reply {
        id: job.id,
        events: events.collect(),
        leaked: [0, 0],
        stuck: false,
        leaks: Vec::new(),
        words: Vec::new(),
        // a place for each kind of operation
        reached: ops.map(|step| step.op.kind() as u32).collect(),
    }
}

/// `wrong` is a reply to another job.
fn misbehave(port: &mut UnixStream, wrong: &impl Serialize, behaviour: &str) {
    let mut write = |bytes: &[u8]| drop(port.write_all(bytes));
    let begun = Instant::now();
    match behaviour {
        "wrong-id" => drop(send(port, wrong)),
        "oversized" => write(&u32::MAX.to_le_bytes()),
        "garbage" => write(&[[8, 0, 0, 0], [0xff; 4], [0xff; 4]].concat()),
        "trickle" => {
            write(&(MAX_FRAME as u32).to_le_bytes());
            while begun.elapsed() < LIFE {
                write(&[0]);
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        "flood" => {
            let line = format!("{}\n", "flood ".repeat(1000));
            while begun.elapsed() < LIFE {
                say(&line);
            }
        }
        "hangs" => std::thread::sleep(LIFE),
        "dies" => {
            say("BUG: \x1b[31mred\x1b]0;title\x07\n");
            std::process::exit(0);
        }
        other => panic!("{other}"),
    }
}
