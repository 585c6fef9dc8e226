//! Which events of userfaultfd a call must bring, and which it must not.

use mm_linux_calls::{BreachKind, Call, Ledger, Range, UffdEvent, parse};

const EPERM: i32 = 1;

/// What is wrong with the events of the last call of a program. The calls before it succeed.
fn broken(text: &str, result: i32, events: &[UffdEvent], stays: bool) -> Option<BreachKind> {
    let program = parse(text).expect("a program");
    assert!(program.monitor);
    let mut ledger = Ledger::default();
    ledger.reset(&program);
    let (last, before) = program.steps.split_last().expect("a step");
    for (at, step) in before.iter().enumerate() {
        ledger.apply(step.process.into(), &step.call, 0, at, 0);
    }
    let broken = ledger.check_events(0, &last.call, result, events, |_| stays);
    broken.map(|(_, shown)| shown.0)
}

const REGISTERED: &str = "monitor\nmmap p0 0 4 rw\nuffd-register p0 0 2 missing\n";

#[test]
fn each_way_to_take_registered_memory_away_brings_its_event() {
    let range = Range::new(0, 2);
    let ways = [
        ("munmap p0 0 2", UffdEvent::Unmap(range)),
        ("mmap p0 0 2 rw", UffdEvent::Unmap(range)),
        ("remap-file-pages p0 0 2 8", UffdEvent::Unmap(range)),
        ("resize p0 0 4 1", UffdEvent::Unmap(Range::new(1, 3))),
        ("mremap p0 0 2 512", UffdEvent::Remap(range)),
        ("dontneed p0 0 2", UffdEvent::Remove(range)),
        ("free p0 0 2", UffdEvent::Remove(range)),
        ("remove p0 0 2", UffdEvent::Remove(range)),
        ("guard-install p0 0 2", UffdEvent::Remove(range)),
        ("fork p0", UffdEvent::Fork),
    ];
    for (call, event) in ways {
        let text = format!("{REGISTERED}{call}\n");
        assert_eq!(broken(&text, 0, &[event], false), None, "{call}");
        let missing = broken(&text, 0, &[], false);
        assert_eq!(missing, Some(BreachKind::NoEvent), "{call}");
        assert_eq!(broken(&text, -EPERM, &[], true), None, "{call} has failed");
        let elsewhere = text.replace(" 0 ", " 2 ");
        if elsewhere.contains("uffd-register p0 2") {
            continue;
        }
        assert_eq!(broken(&elsewhere, 0, &[], false), None, "{call} elsewhere");
    }
    let whole = [UffdEvent::Unmap(Range::new(0, 1))];
    let half = broken(&format!("{REGISTERED}munmap p0 0 2\n"), 0, &whole, false);
    assert_eq!(half, Some(BreachKind::NoEvent), "an event for a half");
}

#[test]
fn an_event_for_a_page_that_is_still_there_is_false() {
    let event = [UffdEvent::Unmap(Range::new(0, 2))];
    let text = format!("{REGISTERED}munmap p0 0 2\n");
    let failed = broken(&text, -EPERM, &event, true);
    assert_eq!(failed, Some(BreachKind::FalseEvent));
    assert_eq!(broken(&text, -EPERM, &event, false), None);
    // a page that is freed lazily is still there
    let freed = format!("{REGISTERED}free p0 0 2\n");
    let event = [UffdEvent::Remove(Range::new(0, 2))];
    assert_eq!(broken(&freed, 0, &event, true), None);
    let shared = freed.replace("rw\n", "rw shared\n");
    let failed = broken(&shared, -22, &event, true);
    assert_eq!(failed, Some(BreachKind::FalseEvent), "shared memory");
}

#[test]
fn the_monitor_follows_memory_that_moves_and_is_inherited() {
    let ran = |text: &str| {
        let program = parse(text).expect("a program");
        let mut ledger = Ledger::default();
        ledger.reset(&program);
        for (at, step) in program.steps.iter().enumerate() {
            ledger.apply(step.process.into(), &step.call, 0, at, 0);
        }
        ledger
    };
    let protected = "mmap p0 0 1 rw\nuffd-register p0 0 1 wp\nuffd-writeprotect p0 0 1 on\n";
    let present = 1 << 63 | 1 << 55;
    for (call, process, page) in [("mremap p0 0 1 8", 0, 8), ("fork p0", 1, 0)] {
        let with = ran(&format!("monitor\n{protected}{call}\n"));
        let shown = with.check_shown(process, page, present);
        assert_eq!(shown.map(|shown| shown.0), Some(BreachKind::NotProtected));
        let without = ran(&format!("{protected}{call}\n"));
        assert_eq!(without.check_shown(process, page, present), None, "{call}");
    }
    let mut ledger = ran(&format!("monitor\n{protected}"));
    let through = ledger.has_written(0, 0, 7, true, false);
    assert_eq!(through, None, "the monitor lets the write go on");
    let denied = ledger.has_written(0, 0, 7, false, false);
    assert_eq!(denied.map(|shown| shown.0), Some(BreachKind::Denied));
    let call = Call::Fork;
    assert!(ledger.check_events(0, &call, 0, &[], |_| false).is_some());
}
