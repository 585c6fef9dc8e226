//! Named scenarios: the exact states of a page on its way to a device and back.
//!
//! The three worries of the 2019 thread on `try_to_unmap_one` come first: the zero page, a device
//! page of several processes, and a device page that is reused. Then come the effects of a round
//! trip, `mprotect`, `fork`, references, eviction and failed allocations on the entries, counts and
//! contents of a page. A test runs a program and compares the state after the operations that it
//! names by their text, in a [film](crate::film) of the run.

use crate::film::{Film, Shot};
use mm_core::{KernelVersion, Wait};
use mm_fuzz::exec::Outcome;
use std::ops::Range;

/// The word that operation `n` writes.
const fn word(n: u64) -> Outcome {
    Outcome::Word(n + 1)
}

/// Asserts that nothing is left: all processes have exited, and all frames are free.
fn assert_all_free(shot: &Shot) {
    assert_eq!(shot.in_use, [1, 0, 0], "after {}", shot.op);
    assert_eq!((shot.zero, shot.anon_vmas), ((1, 0), 0));
}

#[test]
fn zero_page_over_and_back_repeatedly() {
    for back in ["read p0 0", "migrate-back p0 0 1 d0", "evict d0 0 32"] {
        let round = format!("read p0 0\nmigrate p0 0 1 d0\n{back}\ndontneed p0 0 1\n");
        let film = Film::of(&format!("mmap p0 0 4 rw\n{}exit p0", round.repeat(8)));
        for round in film.shots[1..33].chunks(4) {
            let shown: Vec<_> = round.iter().map(|shot| shot.show(0, 0)).collect();
            // a page that a device fills counts as written: the device may write to it without a
            // fault
            let device = "device0 W exclusive soft-dirty 1/1";
            assert_eq!(
                shown,
                ["zero 1/0", device, "system W exclusive soft-dirty 1/1", "-"]
            );
            let word = |shot: usize| round[shot].mapped(0, 0).page.word;
            assert_eq!([word(1), word(2)], [0, 0]);
            let rss: Vec<_> = round.iter().map(|shot| shot.rss[0]).collect();
            assert_eq!(rss, [0, 1, 1, 0], "the zero page is not counted");
        }
        assert!(film.shots.iter().all(|shot| shot.zero == (1, 0)));
        assert_all_free(film.last());
    }
}

#[test]
fn device_page_of_several_processes_comes_back() {
    for back in ["read p1 0", "migrate-back p2 0 1 d0", "evict d0 0 1"] {
        let film = Film::of(&format!(
            "mmap p0 0 4 rw\nwrite p0 0\nmigrate p0 0 1 d0\nfork p0\nfork p1\n\
             {back}\nwrite p1 0\nread p0 0\nread p2 0"
        ));
        let (away, home) = (film.after("fork p1"), film.after(back));
        for p in 0..3 {
            assert_eq!(away.show(p, 0), "device0 3/3");
            assert_eq!(home.show(p, 0), "system 3/3");
            assert_eq!(home.pfn(p, 0), home.pfn(0, 0));
        }
        assert_eq!((home.in_use, &home.rss[..]), ([2, 0, 0], &[1, 1, 1][..]));
        let parted = film.after("write p1 0");
        assert_eq!(parted.show(1, 0), "system W exclusive soft-dirty 1/1");
        assert_eq!(parted.show(0, 0), "system 2/2");
        assert_eq!(film.outcome("read p0 0"), word(1));
        assert_eq!(film.outcome("read p2 0"), word(1));
    }
}

#[test]
fn device_page_reused_under_another_owner() {
    let film = Film::of(
        "mmap p0 0 2 rw\nfork p0\nmmap p1 4 4 rw\nwrite p0 0\nmigrate p0 0 1 d0\n\
         dontneed p0 0 1\nmigrate p1 6 1 d0\nread p1 6\nread p0 0\nexit p0\nexit p1",
    );
    let first = film.after("migrate p0 0 1 d0").mapped(0, 0);
    let free = film.after("dontneed p0 0 1");
    assert_eq!((free.show(0, 0), free.in_use), ("-", [1, 0, 0]));
    let second = film.after("migrate p1 6 1 d0").mapped(1, 6);
    assert_eq!(
        second.pfn, first.pfn,
        "the last page freed is the next used"
    );
    assert_ne!(second.page.anon_vma(), first.page.anon_vma());
    assert_eq!(second.page.index, first.page.index + 6);
    assert_eq!((first.page.word, second.page.word), (4, 0));
    assert_eq!(
        film.after("read p1 6").show(1, 6),
        "system W exclusive soft-dirty 1/1"
    );
    assert_eq!(film.outcome("read p1 6"), Outcome::Word(0));
    assert_eq!(film.after("read p0 0").show(0, 0), "zero 1/0");
    assert_all_free(film.last());
}

#[test]
fn write_permission_and_tracking_survive_a_round_trip() {
    for back in ["migrate-back p0 0 4 d0", "evict d0 0 32"] {
        let film = Film::of(&format!(
            "mmap p0 0 4 rw\nuffd-register p0 0 4\nwrite p0 0\nwrite p0 1\nwrite p0 2\n\
             clear-soft-dirty p0\nwrite p0 1\nuffd-wp p0 2 1 on\nmigrate p0 0 3 d0\n{back}\n\
             write p0 2\nwrite p0 0"
        ));
        let flags = [
            " exclusive",
            " W exclusive soft-dirty",
            " exclusive uffd-wp",
        ];
        for (n, flags) in flags.iter().enumerate() {
            let before = film.after("uffd-wp p0 2 1 on").show(0, n);
            assert_eq!(before, format!("system{flags} 1/1"));
            let away = film.after("migrate p0 0 3 d0").show(0, n);
            assert_eq!(away, format!("device0{flags} 1/1"));
            assert_eq!(film.after(back).show(0, n), before);
        }
        assert_eq!(film.shots[10].outcome, Outcome::WriteProtected);
        assert_eq!(film.last().show(0, 0), "system W exclusive soft-dirty 1/1");
    }
}

#[test]
fn mprotect_takes_write_from_a_device_page() {
    let film = Film::of(
        "mmap p0 0 4 rw\nwrite p0 0\nwrite p0 1\nmigrate p0 0 2 d0\nmprotect p0 0 4 r\n\
         write p0 0\nmprotect p0 0 4 rw\nread p0 0\nwrite p0 1\nread p0 1",
    );
    let before = film.after("migrate p0 0 2 d0");
    assert_eq!(before.show(0, 0), "device0 W exclusive soft-dirty 1/1");
    assert_eq!(film.shots[5].outcome, Outcome::Segv);
    for step in ["mprotect p0 0 4 r", "mprotect p0 0 4 rw"] {
        // the entry's write bit does not come back with the permission
        assert_eq!(film.after(step).show(0, 0), "device0 exclusive 1/1");
    }
    let read = film.after("read p0 0");
    assert_eq!(
        (read.outcome, read.show(0, 0)),
        (word(1), "system exclusive 1/1")
    );
    assert_eq!(film.last().outcome, word(8));
    assert_eq!(film.last().show(0, 1), "system W exclusive soft-dirty 1/1");
}

#[test]
fn fork_of_a_device_page_shares_it() {
    let film = Film::of(
        "mmap p0 0 4 rw\nwrite p0 0\nmigrate p0 0 1 d0\nfork p0\nread p1 0\nwrite p0 0\n\
         exit p0\nwrite p1 0",
    );
    let shared = film.after("fork p0");
    assert_eq!([shared.show(0, 0), shared.show(1, 0)], ["device0 2/2"; 2]);
    let home = film.after("read p1 0");
    assert_eq!(home.outcome, word(1));
    assert_eq!([home.show(0, 0), home.show(1, 0)], ["system 2/2"; 2]);
    assert_eq!(home.in_use[1], 0);
    let (copied, reused) = (&film.shots[5], film.last());
    assert_ne!(copied.pfn(0, 0), home.pfn(0, 0));
    assert_eq!(copied.show(1, 0), "system 1/1");
    assert_eq!(reused.pfn(1, 0), home.pfn(1, 0));
}

#[test]
fn a_pinned_page_refuses_migration_and_fork_copies_it() {
    let film = Film::of(
        "mmap p0 0 4 rw\nwrite p0 0\npin p0 0 w\nmigrate p0 0 1 d0\nfork p0\nwrite p0 0\n\
         read p1 0\nput r0\nmigrate-back p1 0 1 d0",
    );
    let pinned = film.after("pin p0 0 w").mapped(0, 0);
    assert_eq!(pinned.shown, "system W exclusive soft-dirty 1025/1");
    let migrate = film.after("migrate p0 0 1 d0");
    assert_eq!(migrate.outcome, Outcome::Moved(0));
    assert_eq!(migrate.mapped(0, 0), pinned, "nothing of it has changed");
    let fork = film.after("fork p0");
    assert_eq!(fork.pfn(0, 0), pinned.pfn, "the parent keeps its page");
    assert_eq!(fork.show(0, 0), pinned.shown);
    assert_eq!(fork.show(1, 0), "system W exclusive soft-dirty 1/1");
    assert_eq!(film.shots[5].pfn(0, 0), pinned.pfn);
    assert_eq!(film.outcome("read p1 0"), word(1));
}

#[test]
fn a_reference_refuses_migration_until_it_is_gone() {
    let film = Film::of(
        "mmap p0 0 4 rw\nwrite p0 0\nget p0 0 r\nmigrate p0 0 1 d0\nput r0\nmigrate p0 0 1 d1\n\
         hold p0 0\nevict d1 0 32\nput r0\nmigrate-back p0 0 1 d1",
    );
    let refused = film.after("migrate p0 0 1 d0");
    assert_eq!(refused.outcome, Outcome::Moved(0));
    assert_eq!(refused.show(0, 0), "system W exclusive soft-dirty 2/1");
    assert_eq!(refused.pfn(0, 0), film.after("get p0 0 r").pfn(0, 0));
    assert_eq!(refused.in_use[1], 0, "the device page was given back");
    assert_eq!(film.outcome("migrate p0 0 1 d1"), Outcome::Moved(1));
    let held = film.after("evict d1 0 32");
    let device = "device1 W exclusive soft-dirty 2/1";
    assert_eq!((held.outcome, held.show(0, 0)), (Outcome::Moved(0), device));
    assert_eq!(film.last().outcome, Outcome::Moved(1));
    assert_eq!(film.last().in_use, [2, 0, 0]);
}

#[test]
fn skipped_pages_stay_where_they_are() {
    let film = Film::of(
        "mmap p0 0 8 rw\nwrite p0 0\nwrite p0 1\nread p0 2\nread p0 3\n\
         migrate p0 0 6 d0 skip=0x15\nmigrate-back p0 0 6 d0 skip=0x02",
    );
    let away = film.after("migrate p0 0 6 d0 skip=0x15");
    assert_eq!(away.outcome, Outcome::Moved(3));
    let device = "device0 W exclusive soft-dirty 1/1";
    let shown = [0, 2, 3, 4, 5].map(|n| away.show(0, n));
    let kept = "system W exclusive soft-dirty 1/1";
    assert_eq!(shown, [kept, "zero 1/0", device, "-", device]);
    let written = "device0 W exclusive soft-dirty 1/1";
    assert_eq!(away.show(0, 1), written);
    assert_eq!(film.last().outcome, Outcome::Moved(2));
    assert_eq!(film.last().show(0, 1), written);
    assert_eq!(film.last().in_use, [4, 1, 0]);
}

#[test]
fn eviction_brings_the_pages_of_all_processes_home() {
    let film = Film::of(
        "mmap p0 0 4 rw\nwrite p0 0\nfork p0\nwrite p1 0\nwrite p1 1\nwrite p0 2\n\
         migrate p0 0 3 d0\nmigrate p1 0 2 d0\nmigrate p1 3 1 d1\nevict d0 0 32\nread p0 0\nread p1 0",
    );
    assert_eq!(film.after("migrate p1 0 2 d0").in_use[1], 5);
    let evicted = film.after("evict d0 0 32");
    assert_eq!(evicted.outcome, Outcome::Moved(5));
    assert_eq!(evicted.in_use, [6, 0, 1], "the other device is left alone");
    assert_eq!(evicted.show(0, 0), "system soft-dirty 1/1");
    assert_eq!(evicted.show(0, 1), "system W exclusive soft-dirty 1/1");
    assert_eq!(evicted.show(1, 3), "device1 W exclusive soft-dirty 1/1");
    assert_eq!(film.outcome("read p0 0"), word(1));
    assert_eq!(film.outcome("read p1 0"), word(3));
}

#[test]
fn a_device_write_to_a_shared_device_page_copies() {
    let film = Film::of(
        "mmap p0 0 4 rw\nwrite p0 0\nmigrate p0 0 1 d0\nfork p0\ndev-write d0 p1 0\n\
         read p0 0\nread p1 0",
    );
    let written = film.after("dev-write d0 p1 0");
    assert_eq!(written.outcome, word(4));
    assert_eq!(written.show(0, 0), "system 1/1");
    assert_eq!(written.show(1, 0), "system W exclusive soft-dirty 1/1");
    assert_eq!(written.in_use, [3, 0, 0]);
    assert_eq!(film.outcome("read p0 0"), word(1));
    assert_eq!(film.outcome("read p1 0"), word(4));
}

#[test]
fn a_second_device_brings_a_page_of_the_first_home() {
    let film = Film::of(
        "mmap p0 0 4 rw\nwrite p0 0\nmigrate p0 0 1 d0\nmigrate p0 0 1 d1\ndev-read d0 p0 0\n\
         dev-read d1 p0 0",
    );
    let refused = film.after("migrate p0 0 1 d1");
    assert_eq!(
        (refused.outcome, refused.in_use),
        (Outcome::Moved(0), [1, 1, 0])
    );
    let own = film.after("dev-read d0 p0 0");
    assert_eq!((own.outcome, own.in_use), (word(1), [1, 1, 0]));
    assert_eq!(
        (film.last().outcome, film.last().in_use),
        (word(1), [2, 0, 0])
    );
    assert_eq!(film.last().show(0, 0), "system W exclusive soft-dirty 1/1");
}

#[test]
fn a_reader_waits_for_an_open_migration() {
    let film = Film::of(
        "threads 2\nmmap p0 0 4 rw\nwrite p0 0\nsetup p0 0 1 d0 to-dev\nt1: read p0 0\n\
         pages m0\nfinalize m0\ndev-read d0 p0 0",
    );
    let order: Vec<_> = film.shots[2..].iter().map(|shot| &shot.op[..4]).collect();
    // the read starts before the second phase and ends after the third
    assert_eq!(order, ["setu", "page", "fina", "read", "dev-"]);
    let open = film.after("pages m0");
    assert_eq!(open.show(0, 0), "migration soft-dirty 1/0");
    let Some(Wait::Unlock(folio)) = open.waiting[1] else {
        panic!("the reader does not wait for the migration");
    };
    assert_eq!(folio.head(), open.pfn(0, 0));
    let device = "device0 W exclusive soft-dirty 1/1";
    assert_eq!(film.after("finalize m0").show(0, 0), device);
    assert_eq!(film.outcome("read p0 0"), word(1));
    assert_eq!(film.after("read p0 0").in_use, [2, 0, 0]);
}

#[test]
fn an_area_that_grows_is_soft_dirty_by_release() {
    // the page in between is mapped after the clear, and merges with its neighbours
    let text = "mmap p0 3 5 rw\nuffd-register p0 3 1\nclear-soft-dirty p0\nmmap p0 6 1 rw\n\
                uffd-register p0 2 7\npagemap p0 1 5";
    let [old, new] = [KernelVersion::V6_12, KernelVersion::V7_3].map(|release| {
        let film = Film::on(release, text);
        let merged = film.last().areas[0].iter().eq(std::iter::once(&(3..8)));
        assert!(merged, "{:?}", film.last().areas[0]);
        film.last().outcome
    });
    assert_ne!(
        old, new,
        "{old:?} shows which of pages 3 to 5 are soft-dirty"
    );
}

#[test]
fn a_reference_keeps_a_lazily_freed_page_for_good_only_in_6_12() {
    let text = "mmap p0 0 1 rw\nwrite p0 0\nlazyfree p0 0 1\nget p0 0 r\nreclaim p0 0\nput r0\nreclaim p0 0";
    for (release, after) in [(KernelVersion::V6_12, "swap"), (KernelVersion::V7_3, "-")] {
        let film = Film::on(release, text);
        assert!(film.shots[4].show(0, 0).starts_with("system"), "held");
        let shown = film.last().entries[0][0].as_ref().map(|m| m.shown.as_str());
        assert!(
            shown.unwrap_or("-").starts_with(after),
            "{release:?}: {shown:?}"
        );
    }
}

#[test]
fn mlock_starts_again_behind_what_it_populated() {
    let film =
        Film::of("mmap p0 0 4 rw\nfail page 2\nmlock p0 1 2 on\nfail page 1\nmlock p0 0 1 on");
    assert_eq!(film.outcome("mlock p0 1 2 on"), Outcome::Done);
    assert_eq!(film.after("mlock p0 1 2 on").failures, 1);
    assert_ne!(film.last().show(0, 2), "-");
    // nothing was populated before the allocation failed
    assert_eq!(film.outcome("mlock p0 0 1 on"), Outcome::Eagain);
    assert_eq!(film.last().failures, 2);
}

#[test]
fn populate_faults_in_each_page_and_says_why_it_cannot() {
    let film = Film::of(include_str!("../../../corpus/seeds/populate.mm"));
    let outcomes = film
        .shots
        .iter()
        .filter(|shot| shot.op.starts_with("populate"));
    let outcomes: Vec<_> = outcomes.map(|shot| (&*shot.op, shot.outcome)).collect();
    let expected = [
        ("populate p0 0 2 r", Outcome::Done),
        ("populate p0 0 2 w", Outcome::Efault),
        ("populate p0 1 3 w", Outcome::Done),
        ("populate p1 0 4 w", Outcome::Done),
        ("populate p0 2 2 r", Outcome::Done),
        ("populate p0 2 2 w", Outcome::Einval),
        ("populate p0 3 3 r", Outcome::Enomem),
        ("populate p0 5 1 w", Outcome::Enomem),
        ("populate p1 4 2 w", Outcome::Done),
    ];
    assert_eq!(outcomes, expected);
    assert!(
        film.after("populate p0 0 2 r")
            .show(0, 1)
            .starts_with("zero")
    );
    assert!(
        film.after("populate p0 0 2 w")
            .show(0, 1)
            .starts_with("zero")
    );
    let written = film.after("populate p0 1 3 w");
    assert!(written.show(0, 3).starts_with("system W exclusive"));
    let copied = film.after("populate p1 0 4 w");
    assert_ne!(copied.pfn(0, 2), copied.pfn(1, 2));
    assert!(
        film.after("migrate p0 2 2 d0")
            .show(0, 2)
            .starts_with("device")
    );
    assert!(
        film.after("populate p0 2 2 r")
            .show(0, 2)
            .starts_with("system")
    );
    assert_eq!(
        film.outcome("read p1 2"),
        word(7),
        "the parent's, before the fork"
    );
}

#[test]
fn a_failed_allocation_leaves_contents_intact_and_nothing_behind() {
    let start = "mmap p0 0 4 rw\nwrite p0 0\nwrite p0 1\nmmap p0 8 4 rw\nmmap p0 16 4 rw\n\
                 read p0 8\nmigrate p0 0 1 d0\nfork p0\n";
    let end = "read p0 0\nread p1 0\nread p0 1\nread p0 8\nexit p0\nexit p1";
    for (kind, op, outcome) in [
        // the CPU retries its access, and memory is available then
        ("page", "read p0 0", word(1)),
        ("page", "write p1 1", word(9)),
        ("page", "get p0 0 r", Outcome::Enomem),
        ("page", "dev-write d1 p1 1", Outcome::Enomem),
        ("page", "migrate-back p1 0 1 d0", Outcome::Moved(0)),
        ("page", "evict d0 0 32", Outcome::Moved(0)),
        ("page-table", "write p0 17", word(9)),
        ("page-table", "pin p0 17 w", Outcome::Enomem),
        ("page-table", "fork p0", Outcome::Enomem),
        ("vma", "mprotect p0 1 1 r", Outcome::Enomem),
        ("vma", "munmap p0 1 1", Outcome::Enomem),
        ("vma", "fork p1", Outcome::Enomem),
        ("anon-vma", "write p0 9", word(9)),
        ("anon-vma", "get p0 9 w", Outcome::Enomem),
        ("anon-vma", "migrate p0 8 1 d0", Outcome::Moved(0)),
        ("anon-vma", "fork p0", Outcome::Enomem),
        ("avc", "mprotect p0 1 1 r", Outcome::Enomem),
        ("avc", "fork p1", Outcome::Enomem),
        ("device-page", "migrate p1 1 1 d0", Outcome::Moved(0)),
        ("device-page", "migrate p0 8 1 d0", Outcome::Moved(0)),
        ("mm", "fork p0", Outcome::Enomem),
    ] {
        let film = Film::of(&format!("{start}fail {kind} 1\n{op}\n{end}"));
        assert_eq!(film.shots[9].outcome, outcome, "{kind}: {op}");
        assert_eq!(film.shots[9].failures, 1, "{kind}: {op}");
        let read: Vec<_> = film.shots[10..14].iter().map(|shot| shot.outcome).collect();
        assert_eq!(
            read,
            [word(1), word(1), word(2), Outcome::Word(0)],
            "{kind}: {op}"
        );
        assert_all_free(film.last());
    }
}

#[test]
fn a_neighbour_grows_before_an_area_is_split_or_made() {
    let film = Film::of(
        "mmap p0 0 8 rw\nwrite p0 0\nwrite p0 5\nmprotect p0 0 4 r\n\
         fail vma 1\nfail avc 1\n\
         mprotect p0 4 1 r\nmprotect p0 3 2 rw\nmmap p0 8 4 rw\nmprotect p0 0 3 rw\n\
         write p0 8\nexit p0",
    );
    let areas = |op| film.after(op).areas[0].clone();
    assert_eq!(areas("mprotect p0 0 4 r"), [0..4, 4..8]);
    assert_eq!(areas("mprotect p0 4 1 r"), [0..5, 5..8]);
    assert_eq!(areas("mprotect p0 3 2 rw"), [0..3, 3..8]);
    assert_eq!(areas("mmap p0 8 4 rw"), [0..3, 3..12]);
    assert_eq!(areas("mprotect p0 0 3 rw"), std::slice::from_ref(&(0..12)));
    assert_eq!(film.after("write p0 8").anon_vmas, 1);
    assert_all_free(film.last());
}

#[test]
fn a_merge_that_runs_out_of_memory_ends_mprotect_but_neither_unregister_nor_mmap() {
    let film = Film::of(
        "mmap p0 4 4 rw\nwrite p0 4\nmprotect p0 4 4 r\nmmap p0 0 4 rw\nfail avc 1\n\
         mprotect p0 4 4 rw\nexit p0",
    );
    let protected = film.after("mprotect p0 4 4 rw");
    assert_eq!(protected.outcome, Outcome::Enomem);
    assert_eq!(protected.areas[0], [0..4, 4..8]);
    let film = Film::of(
        "mmap p0 0 8 rw\nuffd-register p0 4 4\nwrite p0 4\nfail avc 1\nuffd-unregister p0 4 4\n\
         exit p0",
    );
    let unregistered = film.after("uffd-unregister p0 4 4");
    assert_eq!(unregistered.outcome, Outcome::Done);
    assert_eq!(unregistered.areas[0], [0..4, 4..8]);
    let film =
        Film::of("mmap p0 0 4 rw\nmmap p0 8 4 rw\nwrite p0 8\nfail avc 1\nmmap p0 4 4 rw\nexit p0");
    assert_eq!(film.outcome("mmap p0 4 4 rw"), Outcome::Done);
    assert_eq!(film.after("mmap p0 4 4 rw").areas[0], [0..4, 4..8, 8..12]);
}

#[test]
fn userfaultfd_passes_over_gaps_and_stops_where_nothing_is_registered() {
    let film = Film::of(
        "mmap p0 0 2 rw\nmmap p0 4 2 rw\nwrite p0 0\nwrite p0 4\nuffd-register p0 2 2\n\
         uffd-register p0 0 4\nuffd-wp p0 2 2 on\nuffd-wp p0 0 6 on\nuffd-register p0 3 3\n\
         uffd-wp p0 0 8 on\nwrite p0 4\nuffd-unregister p0 1 7\nmprotect p0 0 6 r",
    );
    let outcomes = |op| film.outcome(op);
    assert_eq!(outcomes("uffd-register p0 2 2"), Outcome::Einval);
    assert_eq!(outcomes("uffd-register p0 0 4"), Outcome::Done);
    assert_eq!(outcomes("uffd-wp p0 2 2 on"), Outcome::Enoent);
    let stopped = film.after("uffd-wp p0 0 6 on");
    assert_eq!(stopped.outcome, Outcome::Enoent);
    assert!(stopped.show(0, 0).contains("uffd-wp"));
    assert!(!stopped.show(0, 4).contains("uffd-wp"));
    assert_eq!(outcomes("uffd-wp p0 0 8 on"), Outcome::Done);
    assert_eq!(film.last().outcome, Outcome::Enomem, "mprotect at the gap");
    assert!(film.shots[10].outcome == Outcome::WriteProtected);
    let unregistered = film.after("uffd-unregister p0 1 7");
    assert_eq!(unregistered.outcome, Outcome::Done);
    assert!(unregistered.show(0, 0).contains("uffd-wp"));
    assert!(!unregistered.show(0, 4).contains("uffd-wp"));
}

#[test]
fn others_run_while_munmap_zaps() {
    // the unmapping thread is preempted before its second table; a fault elsewhere goes on
    let at_zap = |point| {
        let text = format!(
            "threads 2\npreempt {point} t1\nmmap p0 0 16 rw\nwrite p0 0\nwrite p0 8\n\
             mmap p0 24 2 rw\nmunmap p0 0 16\nt1: write p0 24"
        );
        let film = Film::of(&text);
        let inside = film.after("write p0 24");
        film.last().op == "munmap p0 0 16"
            && inside.areas[0] == std::slice::from_ref(&(24..26))
            && inside.show(0, 0) == "-"
            && inside.show(0, 8) != "-"
    };
    assert!((0..64).any(at_zap), "no schedule lets the write in");
}

/// The outcomes of these operations on each release, the oldest first.
fn outcomes(text: &str, of: Range<usize>) -> [Vec<Outcome>; 3] {
    KernelVersion::ALL.map(|release| {
        let film = Film::on(release, text);
        film.shots[of.clone()]
            .iter()
            .map(|shot| shot.outcome)
            .collect()
    })
}

#[test]
fn a_page_that_is_written_to_swap_is_freed_by_who_comes_next_since_7_3() {
    let text = "mmap p0 0 1 rw\nwrite p0 0\nreclaim p0 0\nreclaim p0 0\nread p0 0";
    let [freed, kept] = [Outcome::Moved(1), Outcome::Moved(0)];
    let gone = vec![freed, Outcome::Nothing];
    assert_eq!(
        outcomes(text, 2..4),
        [gone.clone(), gone, vec![kept, freed]]
    );
    let film = Film::of(text);
    assert_eq!(film.shots[2].show(0, 0), "swap soft-dirty 0/0");
    assert_eq!((film.shots[2].in_use[0], film.shots[3].in_use[0]), (2, 1));
    assert_eq!(film.outcome("read p0 0"), word(1));
}

#[test]
fn a_page_of_zeroes_is_not_written_to_swap() {
    // a hole that was migrated to a device is a page of zeroes
    let text = "mmap p0 0 1 rw\nmigrate p0 0 1 d0\nread p0 0\nreclaim p0 0";
    assert_eq!(
        outcomes(text, 3..4),
        [const { Outcome::Moved(1) }; 3].map(|freed| vec![freed])
    );
}

#[test]
fn pages_of_a_range_are_written_together_and_stay_in_the_swap_cache() {
    let text = "mmap p0 0 4 rw\nwrite p0 0\nwrite p0 1\npageout p0 0 2\npageout p0 0 2";
    let film = Film::of(text);
    let in_use: Vec<_> = film.shots[3..].iter().map(|shot| shot.in_use[0]).collect();
    assert_eq!(
        in_use,
        [3, 3],
        "the advice acts on mapped pages, not on the swap cache"
    );
}

#[test]
fn a_write_that_finds_its_page_in_the_swap_cache_gives_the_slot_up_since_7_3() {
    // 7.3 finds the page in the swap cache, where reclaim left it. The older kernels read the page
    // from swap, and 6.12 gives the slot up before it maps the page.
    let text = "mmap p0 0 1 rw\nwrite p0 0\nreclaim p0 0\nwrite p0 0";
    let [old, middle, new] = KernelVersion::ALL.map(|release| Film::on(release, text));
    let shown = |film: &Film| film.last().show(0, 0).to_owned();
    assert_eq!(shown(&old), "system W exclusive soft-dirty 1/1");
    assert_eq!(
        shown(&middle),
        "system W exclusive soft-dirty 2/1",
        "the cache has a reference"
    );
    assert_eq!(shown(&new), "system W exclusive soft-dirty 1/1");
}

#[test]
fn a_copy_of_a_registered_area_merges_with_nobody_since_7_3() {
    let text = "mmap p0 0 1 rw\nmmap p0 8 1 rw\nuffd-register p0 0 1\nmremap p0 0 1 9 1 fixed\nmremap p0 8 2 0 3 stay";
    let [old, middle, new] = outcomes(text, 4..5);
    assert_eq!(
        (&old, &middle),
        (&vec![Outcome::Done], &vec![Outcome::Done])
    );
    assert_eq!(new, [Outcome::Efault], "there are two VMAs");
    // a VMA of its own needs memory
    let failing = text.replace("mremap p0 0", "fail vma 1\nmremap p0 0");
    let [old, _, new] = outcomes(&failing, 4..5);
    assert_eq!((old, new), (vec![Outcome::Done], vec![Outcome::Enomem]));
}

#[test]
fn a_page_from_the_swap_cache_is_copied_into_a_locked_area_since_7_0() {
    // p0 leaves the page to p1, whose entry is not marked exclusive
    let text = "mmap p0 3 1 rw\nwrite p0 3\nfork p0\nread p1 3\nreclaim p1 3\nread p0 3\nexit p0\nmlock p1 3 1 on";
    let pages = KernelVersion::ALL.map(|release| {
        let film = Film::on(release, text);
        let (before, after) = (&film.shots[5], film.last());
        assert_eq!(after.show(1, 3), "system W exclusive soft-dirty 1/1");
        before.entries[0][3].as_ref().map(|m| m.pfn) == Some(after.pfn(1, 3))
    });
    assert_eq!(pages, [true, false, false], "the same page, or a copy");
}
