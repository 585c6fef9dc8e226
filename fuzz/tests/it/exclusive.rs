//! Device-exclusive entries: what makes, keeps and removes them, and which entry the CPU gets back.
//!
//! A run is recorded as the entry of page 0 of the window in the first process, after each
//! operation. An entry is shown as `kind[ W][ soft-dirty][ uffd-wp] refcount/mapcount`, a swap
//! entry as `swap`, and no entry as `-`.

use mm_core::{Entry, KernelVersion, MmId, Softleaf, State};
use mm_fuzz::exec::{Executor, Observer, Options, Outcome, Verdict};
use mm_fuzz::program::{Geometry, Step};
use mm_fuzz::window::Window;

#[derive(Default)]
struct Story(Vec<(String, Outcome)>);

fn page_0(s: &State) -> String {
    let at = s.tables().pte_offset(
        s.mm(MmId(0)).pgd,
        Window::of_geometry(Geometry::Tiny).all().start,
    );
    let entry = at.map_or(Entry::None, |at| s.tables().get(at).decode());
    let (kind, pfn, flags) = match entry {
        Entry::None => return "-".to_owned(),
        Entry::Present(p) => {
            let flags = [(p.write(), " W"), (p.soft_dirty(), " soft-dirty")];
            (
                "present",
                p.pfn(),
                [flags[0], flags[1], (p.uffd_wp(), " uffd-wp")],
            )
        }
        Entry::Leaf(leaf) => {
            let (kind, pfn) = match leaf.softleaf().expect("a known type") {
                Softleaf::DeviceExclusive { pfn, .. } => ("exclusive", pfn),
                Softleaf::DevicePrivate { pfn, .. } => ("device", pfn),
                Softleaf::Migration(m) => ("migration", m.pfn),
                Softleaf::Swap(_) => return "swap".to_owned(),
            };
            let flags = [
                (leaf.soft_dirty(), " soft-dirty"),
                (leaf.uffd_wp(), " uffd-wp"),
            ];
            (kind, pfn, [(false, ""), flags[0], flags[1]])
        }
    };
    let flags: String = flags.iter().filter(|f| f.0).map(|f| f.1).collect();
    let page = s.page(pfn);
    format!("{kind}{flags} {}/{}", page.refcount, page.mapcount)
}

impl Observer for Story {
    fn operation(&mut self, _: usize, _: &Step, outcome: Outcome, s: &State) {
        self.0.push((page_0(s), outcome));
    }
}

fn story(release: KernelVersion, text: &str) -> Vec<(String, Outcome)> {
    let mut story = Story::default();
    let options = Options {
        thorough: true,
        release,
        ..Options::default()
    };
    let program = text.parse().unwrap_or_else(|e| panic!("{e}:\n{text}"));
    match Executor::new(options).run_observed(&program, &mut story) {
        Verdict::Pass { .. } => story.0,
        Verdict::Finding(finding) => panic!("{text}\n{finding}"),
    }
}

/// The entry of page 0 after each operation, once it is device-exclusive.
fn after_exclusive(release: KernelVersion, operations: &str) -> Vec<(String, Outcome)> {
    let text = format!("mmap p0 0 2 rw\nwrite p0 0\nexclusive d0 p0 0 1\n{operations}");
    let mut all = story(release, &text);
    let (entry, outcome) = all.remove(2);
    assert_eq!(
        (entry.as_str(), outcome),
        ("exclusive soft-dirty 1/1", Outcome::Exclusive(1))
    );
    all.split_off(2)
}

/// The entries of [`after_exclusive`] with the newest kernel's rules, without the outcomes.
fn entries(operations: &str) -> Vec<String> {
    let all = after_exclusive(KernelVersion::V7_3, operations);
    all.into_iter().map(|(entry, _)| entry).collect()
}

#[test]
fn the_cpu_gets_it_back_by_touching_it() {
    let all = after_exclusive(
        KernelVersion::V7_3,
        "dev-write d0 p0 0\nread p0 0\ndev-read d1 p0 0",
    );
    assert_eq!(
        all[0],
        ("exclusive soft-dirty 1/1".to_owned(), Outcome::Word(4))
    );
    assert_eq!(
        all[1],
        ("present W soft-dirty 1/1".to_owned(), Outcome::Word(4))
    );
    assert_eq!(all[2].1, Outcome::Word(4));
}

#[test]
fn another_device_takes_it_over() {
    let last = entries("dev-read d1 p0 0\nexclusive d1 p0 0 2");
    assert_eq!(
        last,
        ["present W soft-dirty 1/1", "exclusive soft-dirty 1/1"]
    );
}

#[test]
fn what_is_tracked_or_protected_comes_back_read_only() {
    let tracked = entries("clear-soft-dirty p0\nread p0 0\nwrite p0 0");
    assert_eq!(
        tracked,
        ["exclusive 1/1", "present 1/1", "present W soft-dirty 1/1"]
    );
    let protected = entries("uffd-register p0 0 1\nuffd-wp p0 0 1 on\nread p0 0");
    assert_eq!(
        protected[1..],
        [
            "exclusive soft-dirty uffd-wp 1/1",
            "present soft-dirty uffd-wp 1/1"
        ]
    );
    assert_eq!(
        entries("mprotect p0 0 1 r\nread p0 0")[1],
        "present soft-dirty 1/1"
    );
}

#[test]
fn only_what_may_be_written_can_be_made_exclusive() {
    let all = story(
        KernelVersion::V7_3,
        "mmap p0 0 2 rw\nmprotect p0 1 1 r\nexclusive d0 p0 1 1\nexclusive d0 p0 0 3\nexclusive d0 p0 5 1",
    );
    let outcomes: Vec<_> = all[2..].iter().map(|(_, outcome)| *outcome).collect();
    assert_eq!(
        outcomes,
        [Outcome::Segv, Outcome::Exclusive(1), Outcome::Segv]
    );
}

#[test]
fn a_fork_takes_it_back_unless_the_folio_is_locked() {
    let all = after_exclusive(
        KernelVersion::V7_3,
        "lock p0 0\nfork p0\nunlock l0\nfork p0",
    );
    assert_eq!(
        all[1],
        ("exclusive soft-dirty 2/1".to_owned(), Outcome::Enomem)
    );
    assert_eq!(
        all[3],
        ("present soft-dirty 2/2".to_owned(), Outcome::Child(1))
    );
}

#[test]
fn mprotect_there_and_back_changes_nothing() {
    let last = entries("mprotect p0 0 1 r\nmprotect p0 0 1 rw\nread p0 0").pop();
    assert_eq!(last.as_deref(), Some("present W soft-dirty 1/1"));
}

/// In 6.12, the entry itself loses write permission when `mprotect` makes the VMA read-only. Newer
/// kernels decide about the permission when they restore the entry (9a914592140e).
#[cfg(feature = "zoo")]
#[test]
fn in_6_12_mprotect_takes_the_write_permission_for_good() {
    let text =
        "mmap p0 0 1 rw\nexclusive d0 p0 0 1\nmprotect p0 0 1 r\nmprotect p0 0 1 rw\nread p0 0";
    let bug = mm_core::zoo::Bug::ExclWritableByVmaFlag;
    for (release, expected) in [
        (KernelVersion::V7_3, "present W soft-dirty 1/1"),
        (KernelVersion::V6_12, "present soft-dirty 1/1"),
    ] {
        let mut story = Story::default();
        let mut executor = Executor::new(Options {
            release,
            ..Options::default()
        });
        executor.set_zoo(mm_fuzz::zoo::only(bug));
        executor.run_observed(&text.parse().expect("a program"), &mut story);
        assert_eq!(
            story.0.last().map(|(entry, _)| entry.as_str()),
            Some(expected)
        );
    }
}

#[test]
fn compaction_and_reclaim_take_it_and_a_pin_keeps_it() {
    assert_eq!(
        entries("compact p0 0\nread p0 0"),
        ["present soft-dirty 1/1"; 2]
    );
    assert_eq!(
        entries("pin p0 0 w\nexclusive d0 p0 0 1\ncompact p0 0")[2],
        "exclusive soft-dirty 1025/1"
    );
    assert_eq!(
        entries("reclaim p0 0\nread p0 0"),
        // the slot is exclusive as well, and the folio stays in the swap cache
        ["swap", "present W soft-dirty 2/1"]
    );
    assert_eq!(
        entries("migrate p0 0 1 d0\ndontneed p0 0 1"),
        ["exclusive soft-dirty 1/1", "-"]
    );
}
