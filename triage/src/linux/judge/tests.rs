//! Guests that misbehave do not stop the run.

use super::super::fake;
use super::super::queue::Queue;
use super::*;
use crate::walk::WalkEntry;
use clap::{Args, FromArgMatches};

/// Judges three programs with a fake guest that misbehaves in this way on the second.
fn judged(behaviour: &str) -> Tally {
    let dir = tempfile::tempdir().expect("a folder");
    let programs = ["write p0 0", "fork p0", "read p0 0"].map(|second| {
        let path = dir.path().join(format!("{second}.mm"));
        std::fs::write(&path, format!("mmap p0 0 1 rw\n{second}\n")).expect("a program");
        WalkEntry::Named(path)
    });
    let command = LinuxArgs::augment_args(clap::Command::new("linux"));
    let args = LinuxArgs::from_arg_matches(&command.get_matches_from(["linux"]));
    let args = &args.expect("arguments");
    let image = fake::quick_image(dir.path(), behaviour);
    let judge = Judge {
        args,
        image: &image,
        bugs: Bugs::of_kernel("", image.kernel()).expect("bugs"),
        queue: Mutex::new(Queue::new(args, programs.into())),
        follows: false,
        tally: Mutex::new(Tally::default()),
        stop: Stop::default(),
    };
    judge.run(1).expect("the guest comes up");
    judge.tally.into_inner().expect("nobody panicked")
}

/// Asserts that this behaviour counts as one death with this reason, and that the judge goes on
/// with another guest.
#[track_caller]
fn is_death(behaviour: &str, why: &str) {
    let tally = judged(behaviour);
    let counts = (tally.programs, tally.same, tally.kernel, tally.differ);
    let kinds: Vec<_> = tally.kinds.keys().collect();
    assert_eq!(counts, (3, 2, 1, 0), "{behaviour}: {kinds:?}");
    assert_eq!(kinds, [&format!("kernel: {why}")], "{behaviour}");
}

#[test]
fn a_reply_to_something_else_is_no_reply() {
    let why = "the guest does not keep to the protocol: a reply to another job than the last one";
    is_death("wrong-id", why);
}

#[test]
fn what_is_no_frame_is_not_read() {
    let why = format!(
        "the guest does not keep to the protocol: a frame of {} bytes; the longest that is accepted has {}",
        u32::MAX,
        mm_linux_protocol::MAX_FRAME
    );
    is_death("oversized", &why);
    let why = "the guest does not keep to the protocol: a frame that is no message: ";
    let tally = judged("garbage");
    let kind = tally.kinds.keys().next().expect("a death");
    assert!(kind.starts_with(&format!("kernel: {why}")), "{kind}");
    assert_eq!((tally.same, tally.kernel), (2, 1));
}

#[test]
fn a_guest_that_dies_is_told_of_by_its_console_and_no_terminal_obeys_it() {
    is_death("dies", r"BUG: \x1b[31mred\x1b]0;title\x07");
}

#[test]
fn a_guest_that_hangs_is_given_up() {
    is_death("hangs", "the guest hangs");
}

#[test]
fn a_byte_now_and_then_does_not_keep_a_guest_alive() {
    is_death("trickle", "the guest hangs");
}

#[test]
fn a_guest_that_floods_its_console_is_given_up() {
    is_death("flood", "the guest hangs");
}

#[test]
fn what_a_program_leaves_behind_does_not_count_for_the_next() {
    let tally = judged("leaves-pages");
    assert_eq!((tally.programs, tally.same, tally.differ), (3, 2, 1));
    assert_eq!((tally.guests, tally.boots), (1, 2));
}
