//! Differences between the model and Linux 6.12 that are understood and stay.
//!
//! Each says in which kernel function it arises and why the model does not follow. `mm-triage linux`
//! counts how often each occurs; one that `make linux-diff` no longer meets fails the run.

use mm_linux_protocol::{Entry, page};

/// An accepted difference.
#[derive(Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its name.
    pub name: &'static str,
    /// The kernel function.
    pub function: &'static str,
    /// Why.
    pub reason: &'static str,
}

static SPURIOUS_DIRTY: Accepted = Accepted {
    name: "try-to-migrate-dirties-device-page",
    function: "try_to_migrate_one",
    reason: "pte_dirty() is asked of a device-private entry, which is not present: since the shadow stacks of 6.6 \
             bit 58 counts as dirty, and there it is a bit of the inverted offset, always set. The folio is marked \
             dirty for nothing (63867c82d0c0 mended the same in migrate_vma_collect_pmd only)",
};

/// All of them.
pub const ACCEPTED: [&Accepted; 1] = [&SPURIOUS_DIRTY];

/// The accepted difference that a pair of entries shows.
pub fn entry(model: &Entry, linux: &Entry) -> Option<&'static Accepted> {
    let clean = Entry {
        page: linux.page & !page::DIRTY,
        ..*linux
    };
    (clean == *model).then_some(&SPURIOUS_DIRTY)
}
