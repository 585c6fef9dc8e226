//! A comparison names each thing that differs, and accepts what is known.

use super::*;
use mm_fuzz::exec::{Executor, Options};

/// A plan, and the reply of a kernel that does what the model does.
fn same() -> (Plan, Reply) {
    let text = "mmap p0 0 2 rw\nwrite p0 0\nread p0 1\nmigrate p0 0 1 d0";
    let mut executor = Executor::new(Options::default());
    let plan = super::super::plan::plan(1, &text.parse().expect("a program"), &mut executor);
    let plan = plan.expect("a plan");
    let events = plan.expected.iter().map(|expected| match expected {
        Expected::End(step, Model::Word(word)) => GuestEvent::Ended(*step, Linux::Word(*word)),
        Expected::End(step, Model::Moved(pages)) => GuestEvent::Ended(*step, Linux::Moved(*pages)),
        Expected::End(step, _) => GuestEvent::Ended(*step, Linux::Done),
        Expected::Seen(_, processes) => GuestEvent::Seen(processes.clone()),
    });
    let reply = Reply {
        id: 1,
        events: events.collect(),
        leaked: [0, 0],
        stuck: false,
        leaks: Vec::new(),
        words: Vec::new(),
        reached: Vec::new(),
    };
    (plan, reply)
}

/// The differences after `change` was made to the kernel's last observation.
fn seen(change: impl FnOnce(&mut SeenProcess)) -> Vec<String> {
    let (plan, mut reply) = same();
    if let Some(GuestEvent::Seen(processes)) = reply.events.last_mut() {
        change(&mut processes[0]);
    }
    let all = compare(&plan, &reply, &[]);
    all.into_iter().map(|difference| difference.what).collect()
}

#[test]
fn the_same_is_the_same_whatever_the_frames_are_called() {
    assert!(seen(|_| {}).is_empty());
    let renamed = seen(|p| {
        p.entries
            .iter_mut()
            .filter(|(_, e)| e.device == 0)
            .for_each(|(_, e)| e.identity += 1000)
    });
    assert!(renamed.is_empty(), "{renamed:?}");
}

#[test]
fn each_thing_that_differs_is_named() {
    let entry = |change: fn(&mut SeenEntry)| seen(|p| change(&mut p.entries[0].1));
    assert_eq!(entry(|e| e.refs += 1), ["entry DeviceWrite: refs"]);
    assert_eq!(
        entry(|e| e.kind = EntryKind::DeviceRead),
        ["entry DeviceWrite/DeviceRead:"]
    );
    assert_eq!(
        entry(|e| e.flags ^= entry::SOFT_DIRTY),
        ["entry DeviceWrite: -soft-dirty"]
    );
    assert_eq!(
        entry(|e| e.page ^= page::LOCKED),
        ["entry DeviceWrite: +locked"]
    );
    assert_eq!(entry(|e| e.identity += 1), ["entry DeviceWrite: identity"]);
    assert_eq!(entry(|e| e.word = 9), ["entry DeviceWrite: word"]);
    assert_eq!(seen(|p| p.entries.truncate(1)), ["entry Present/none"]);
    assert_eq!(seen(|p| p.anon_rss += 1), ["rss"]);
    assert_eq!(seen(|p| p.areas += 1), ["areas"]);
    assert_eq!(seen(|p| p.slot = 3), ["processes"]);
}

#[test]
fn a_look_that_was_not_possible_stands_for_no_end_of_an_operation() {
    let (plan, reply) = same();
    let changed = |change: fn(&mut Vec<GuestEvent>)| {
        let mut reply = reply.clone();
        change(&mut reply.events);
        let all = compare(&plan, &reply, &[]).into_iter();
        all.map(|difference| difference.what).collect::<Vec<_>>()
    };
    let blind = changed(|events| {
        let looks = events
            .iter_mut()
            .filter(|e| matches!(e, GuestEvent::Seen(_)));
        looks.for_each(|event| *event = GuestEvent::NotSeen);
    });
    assert!(blind.is_empty(), "{blind:?}");
    let all = changed(|events| {
        events
            .iter_mut()
            .for_each(|event| *event = GuestEvent::NotSeen)
    });
    assert_eq!(all, ["order"]);
    assert_eq!(changed(|events| events.push(GuestEvent::NotSeen)), ["long"]);
}

#[test]
fn what_is_accepted_is_named_and_the_comparison_goes_on() {
    let known = accepted::tests::ONE_MORE;
    let (plan, mut reply) = same();
    let looks = reply.events.iter_mut().filter_map(|event| match event {
        GuestEvent::Seen(processes) => Some(processes),
        _ => None,
    });
    let pages = looks.flat_map(|processes| &mut processes[0].entries);
    let written = pages.filter(|(n, _)| *n == 0);
    let touched = written.map(|(_, e)| e.refs += 1).count();
    let all = compare(&plan, &reply, known);
    assert!(touched > 1 && all.len() == touched, "{all:?}");
    assert!(
        all.iter().all(|d| d.accepted == Some("one-more")),
        "{all:?}"
    );
    assert_eq!(
        compare(&plan, &reply, &[]).len(),
        1,
        "the first is reported"
    );
    reply.leaked = [1, 0];
    let last = compare(&plan, &reply, known).pop().expect("a leak");
    assert_eq!((last.what.as_str(), last.accepted), ("leak", None));
}

#[test]
fn outcomes_leaks_and_ends_count() {
    let (plan, mut reply) = same();
    reply.leaked = [0, 1];
    let leak = compare(&plan, &reply, &[]).remove(0);
    assert_eq!(leak.what, "leak");
    assert_eq!(
        leak.to_string(),
        "at the end, device pages left: model [0, 0], Linux [0, 1]"
    );
    reply.events[2] = GuestEvent::Ended(1, Linux::Signal(11));
    let first = compare(&plan, &reply, &[]).remove(0);
    assert_eq!(
        (first.step, first.what.as_str()),
        (Some(1), "outcome Word Signal(11)")
    );
    reply.events[2] = GuestEvent::Hangs(1);
    assert_eq!(compare(&plan, &reply, &[])[0].what, "hang");
    reply.events.truncate(2);
    reply.stuck = true;
    assert_eq!(compare(&plan, &reply, &[])[0].what, "stuck");
}

#[test]
fn a_page_that_stays_mlocked_in_the_model_is_no_leak() {
    let number = |name| LEAKS.iter().position(|(other, _)| *other == name);
    let number = |name| number(name).expect("a counter") as u8;
    let named = |name, now, stay| -> Vec<String> {
        let all = leaks(&[(number(name), 3, now)], stay);
        all.into_iter().map(|leak| leak.what).collect()
    };
    assert!(named("nr_mlock", 5, 2).is_empty());
    assert_eq!(named("nr_mlock", 6, 2), ["leak nr_mlock"]);
    assert_eq!(named("nr_unevictable", 4, 2), ["leak nr_unevictable"]);
}
