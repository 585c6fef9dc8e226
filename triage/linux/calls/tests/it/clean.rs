//! When the ledger claims that a page is not soft-dirty.

use crate::common::{PRESENT, SOFT_DIRTY, kind_of, ran};
use mm_linux_calls::BreachKind;

/// What the ledger says of page 0 if pagemap shows it as soft-dirty after a program.
fn dirty(text: &str) -> Option<BreachKind> {
    let ledger = ran(text);
    kind_of(ledger.check_shown(0, 0, PRESENT | SOFT_DIRTY))
}

const CLEARED: &str = "mmap p0 0 1024 rw\nwrite p0 0 2\nclear-soft-dirty p0\n";

#[test]
fn a_page_is_clean_until_something_may_write_to_it() {
    assert_eq!(dirty(CLEARED), Some(BreachKind::SoftDirty));
    for call in [
        "mprotect p0 0 1024 r",
        "move-pages p0 0 2",
        "collapse p0 0 512",
        "pageout p0 0 2",
        "write p0 600 1",
        "fork p0",
        "uffd-register p0 0 1 wp",
        "munmap p0 600 1",
    ] {
        let after = dirty(&format!("{CLEARED}{call}\n"));
        assert_eq!(after, Some(BreachKind::SoftDirty), "{call}");
    }
    for call in [
        "write p0 0 1",
        // it may belong to the same huge page
        "write p0 9 1",
        "populate-write p0 0 2",
        "mlock p0 0 2",
        "pin p0 0 1",
        // the mapping may merge with a new one
        "mmap p0 1024 1 rw",
        "mremap p0 600 1 700",
        "dontneed p0 0 2",
        "device-read p0 0 1",
        "unmergeable p0 0 2",
    ] {
        assert_eq!(dirty(&format!("{CLEARED}{call}\n")), None, "{call}");
    }
}

#[test]
fn nothing_is_claimed_of_pages_that_soft_dirty_does_not_track() {
    for kind in ["shared", "file", "shared-file", "hugetlb", "droppable"] {
        let text = CLEARED.replace("rw\n", &format!("rw {kind}\n"));
        assert_eq!(dirty(&text), None, "{kind}");
    }
    let pinned = CLEARED.replace("clear", "pin p0 0 1\nclear");
    assert_eq!(
        dirty(&pinned),
        None,
        "clear_refs leaves a pinned page as it is"
    );
}
