//! `MADV_COLLAPSE`: what it makes huge, and what it refuses.

use crate::film::{Film, Shot};
use mm_fuzz::exec::Outcome;

const SEED: &str = include_str!("../../../corpus/seeds/collapse.mm");

#[test]
fn a_collapse_copies_pages_and_fills_holes() {
    let film = Film::of(SEED);
    let before = film.after("write p0 9");
    assert_eq!(before.rss[0], 3);
    let huge = film.after("collapse p0 0 16");
    assert_eq!(huge.outcome, Outcome::Done);
    assert_eq!(huge.rss[0], 16, "the holes are pages now");
    for page in 0..16 {
        let shown = huge.show(0, page);
        assert!(shown.starts_with("system W"), "page {page}: {shown}");
        assert!(shown.contains("soft-dirty"), "page {page}: {shown}");
    }
    let pages: Vec<_> = (0..8).map(|page| huge.pfn(0, page).0).collect();
    let first = pages[0];
    assert_eq!(pages, (first..first + 8).collect::<Vec<_>>());
    assert_eq!(film.outcome("read p0 3"), Outcome::Word(4));
    assert_eq!(film.outcome("read p0 5"), Outcome::Word(0));
}

#[test]
fn a_collapse_brings_pages_home_from_swap_and_from_a_device() {
    let film = Film::of(SEED);
    let away = film.after("migrate p0 18 1 d0");
    assert_eq!(&away.show(0, 17)[..4], "swap");
    assert_eq!(&away.show(0, 18)[..7], "device0");
    let huge = film.after("collapse p0 16 8");
    assert_eq!(huge.outcome, Outcome::Done);
    assert_eq!(huge.in_use[1], 0, "the device page is free");
    for (read, word) in [("read p0 17", 0x11), ("read p0 18", 0x12)] {
        assert_eq!(film.outcome(read), Outcome::Word(word));
    }
}

#[test]
fn a_child_keeps_the_pages_that_its_parent_collapses() {
    let film = Film::of(
        "thp madvise\nmmap p0 0 8 rw\nwrite p0 0\nfork p0\ncollapse p0 0 8\nwrite p0 0\n\
         read p1 0\nread p0 1",
    );
    assert_eq!(film.outcome("collapse p0 0 8"), Outcome::Done);
    assert_eq!(film.outcome("read p1 0"), Outcome::Word(2));
    let shots = &film.shots;
    assert_eq!(
        shots[4].show(1, 0),
        "system soft-dirty 1/1",
        "the child has the small page alone"
    );
}

#[test]
fn a_collapse_says_why_it_refuses() {
    let on_one_page = |ops: &str| {
        let film = Film::of(&format!(
            "thp madvise\nmmap p0 0 8 rw\nwrite p0 0\n{ops}\ncollapse p0 0 8"
        ));
        let [.., before, last] = &film.shots[..] else {
            panic!("at least two operations");
        };
        let shown = |shot: &Shot| (0..8).map(|page| shot.show(0, page).to_owned()).collect();
        let (before, after): (Vec<_>, Vec<_>) = (shown(before), shown(last));
        assert_eq!(before, after, "{ops}");
        last.outcome
    };
    assert_eq!(on_one_page("pin p0 0 w"), Outcome::Eagain);
    assert_eq!(on_one_page("lock p0 0"), Outcome::Eagain);
    assert_eq!(on_one_page("hugepage p0 0 8 off"), Outcome::Einval);
    assert_eq!(on_one_page("munmap p0 7 1"), Outcome::Einval);
    assert_eq!(on_one_page("uffd-register p0 0 8"), Outcome::Ebusy);
    assert_eq!(on_one_page("fail page 1"), Outcome::Enomem);
    let protected = "uffd-register p0 0 8\npopulate p0 0 8 w\nuffd-wp p0 3 1 on";
    let film = Film::of(&format!(
        "thp madvise\nmmap p0 0 8 rw\n{protected}\ncollapse p0 0 8"
    ));
    assert_eq!(film.last().outcome, Outcome::Einval);
    assert!(film.last().show(0, 3).contains("uffd-wp"));
}

#[test]
fn a_collapse_leaves_what_two_vmas_share_of_a_huge_page() {
    let film = Film::of(
        "thp madvise\nmmap p0 0 24 rw\nwrite p0 0\nwrite p0 16\nmprotect p0 12 12 r\n\
         collapse p0 0 24",
    );
    assert_eq!(film.last().outcome, Outcome::Done);
    assert_eq!(film.last().rss[0], 16);
}

#[test]
fn a_collapse_leaves_what_was_split_off_while_it_waited() {
    let film = Film::of(
        "thp madvise\nthreads 2\nmmap p0 0 24 rw\nwrite p0 0\nwrite p0 8\nwrite p0 16\n\
         exclusive d0 p0 0 1\nlock p0 0\nt1: collapse p0 0 24\nmprotect p0 16 8 r\nunlock l0",
    );
    assert_eq!(film.outcome("collapse p0 0 24"), Outcome::Eagain);
    assert_eq!(film.last().rss[0], 1 + 8 + 1);
}

#[test]
fn a_collapse_passes_over_a_gap_and_stops_at_a_vma_that_refuses() {
    let three = "thp madvise\nmmap p0 0 24 rw\nwrite p0 0\nwrite p0 8\nwrite p0 16";
    let gap = Film::of(&format!("{three}\nmunmap p0 8 8\ncollapse p0 0 24"));
    assert_eq!(gap.last().outcome, Outcome::Enomem);
    assert_eq!(gap.last().rss[0], 16, "both sides of the gap are huge");
    let refused = Film::of(&format!("{three}\nhugepage p0 8 8 off\ncollapse p0 0 24"));
    assert_eq!(refused.last().outcome, Outcome::Einval);
    assert_eq!(
        refused.last().rss[0],
        10,
        "only the first VMA has a huge page"
    );
}
