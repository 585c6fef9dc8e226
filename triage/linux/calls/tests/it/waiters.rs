//! When a thread that waits for a userfaultfd must go on.

use crate::common::{PRESENT, ran};
use mm_linux_calls::{AccessPromise, Call, parse, wakes};

fn call(text: &str) -> Call {
    parse(text).expect("a program").steps[0].call
}

#[test]
fn calls_wake_the_threads_of_the_pages_that_they_have_handled() {
    for text in [
        "uffd-copy p0 4 8",
        "uffd-zeropage p0 4 8",
        "uffd-continue p0 4 8",
        "uffd-poison p0 4 8",
        "uffd-move p0 16 8 4",
    ] {
        let call = call(text);
        assert!(wakes(&call, 0, 8, 11), "{text}");
        assert!(!wakes(&call, -11, 2, 6), "{text} has handled two pages");
        assert!(wakes(&call, -11, 2, 5), "{text} has handled two pages");
        assert!(!wakes(&call, 0, 8, 12), "{text}");
    }
    for text in [
        "uffd-unregister p0 4 8",
        "uffd-wake p0 4 8",
        "uffd-writeprotect p0 4 8 off",
        "uffd-rwprotect p0 4 8 off",
    ] {
        let call = call(text);
        assert!(wakes(&call, 0, 0, 4), "{text}");
        assert!(!wakes(&call, 0, 0, 3), "{text}");
        assert!(!wakes(&call, -22, 0, 4), "{text} has failed");
    }
    assert!(wakes(&call("uffd-close p0"), 0, 0, 99));
    for text in [
        "munmap p0 4 8",
        "uffd-writeprotect p0 4 8 on",
        "write p0 4 8",
    ] {
        assert!(!wakes(&call(text), 0, 8, 4), "{text}");
    }
}

#[test]
fn a_thread_is_free_where_nothing_stops_its_access() {
    let protected =
        "monitor\nmmap p0 0 1 rw\nuffd-register p0 0 1 wp\nuffd-writeprotect p0 0 1 on\n";
    assert!(!ran(protected).is_free(0, 0, true));
    assert!(ran(protected).is_free(0, 0, false), "it reads");
    for call in [
        "uffd-unregister p0 0 1",
        "uffd-writeprotect p0 0 1 off",
        "uffd-close p0",
    ] {
        assert!(
            ran(&format!("{protected}{call}\n")).is_free(0, 0, true),
            "{call}"
        );
    }
    for call in ["munmap p0 0 1", "mprotect p0 0 1 r", "guard-install p0 0 1"] {
        let text = format!("{protected}uffd-unregister p0 0 1\n{call}\n");
        assert!(!ran(&text).is_free(0, 0, true), "{call}");
    }
    for modes in ["missing", "minor"] {
        let text = format!("monitor\nmmap p0 0 1 rw shared\nuffd-register p0 0 1 {modes}\n");
        assert!(!ran(&text).is_free(0, 0, false), "{modes}");
    }
}

#[test]
fn the_last_registration_counts_for_missing_pages() {
    let text = "mmap p0 0 1 rw\nuffd-register p0 0 1 missing+wp\n";
    let ledger = ran(text);
    assert_eq!(ledger.access(0, 0, true), AccessPromise::Either);
    assert!(ledger.is_missing_here(0, 0));
    let again = ran(&format!("{text}uffd-register p0 0 1 wp\n"));
    assert_eq!(again.access(0, 0, true), AccessPromise::Allowed);
    assert!(!again.is_missing_here(0, 0));
}

#[test]
fn after_two_writes_in_an_unknown_order_no_contents_are_claimed() {
    let text = "mmap p0 0 2 rw\nwrite p0 0 2\n";
    let shared = "mmap p0 0 2 rw shared\nwrite p0 0 2\nfork p0\n";
    for (text, processes) in [(text, 1), (shared, 2)] {
        let mut ledger = ran(text);
        for process in 0..processes {
            assert!(ledger.check_word(process, 0, 7).is_some(), "{text}");
        }
        ledger.has_raced(0, 0);
        for process in 0..processes {
            assert_eq!(ledger.check_word(process, 0, 7), None, "{text}");
            assert_eq!(ledger.has_read(process, 0, Some(7)), None, "{text}");
            assert!(ledger.check_word(process, 1, 7).is_some(), "{text}");
        }
    }
}

#[test]
fn a_monitor_that_fills_a_page_in_ends_its_protection() {
    let text = "mmap p0 0 1 rw shared\nuffd-register p0 0 1 missing+wp\n\
                uffd-writeprotect p0 0 1 on\n";
    let read = |monitor: &str| {
        let mut ledger = ran(&format!("{monitor}{text}"));
        assert!(ledger.check_shown(0, 0, PRESENT).is_some(), "{monitor}");
        assert_eq!(ledger.has_read(0, 0, Some(0)), None, "{monitor}");
        ledger.check_shown(0, 0, PRESENT)
    };
    assert_eq!(read("monitor\n"), None);
    assert!(read("").is_some());
}

#[test]
fn a_broken_frame_takes_what_may_share_it() {
    let text = "mmap p0 0 4 rw\nwrite p0 0 4\nfork p0\nhwpoison p0 1 1\n";
    let ledger = ran(text);
    for process in [0, 1] {
        assert_eq!(ledger.check_word(process, 1, 7), None);
        assert!(ledger.check_word(process, 2, 7).is_some());
    }
    let offline = ran(&text.replace("hwpoison", "soft-offline"));
    assert!(offline.check_word(0, 1, 7).is_some());
}
