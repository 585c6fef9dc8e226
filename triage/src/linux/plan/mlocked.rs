//! Pages of devices that stay mlocked when nothing maps them any more
//! (`latent-munlock-nonpresent`).
//!
//! munlock skips entries that are not present. If an mlocked page is on a device then, the page
//! keeps its flag, and the free of a device page does not clear it. So `nr_mlock` counts the page
//! for good.

use super::super::frees::locked_pages;
use mm_core::{PageFlags, Pfn, Softleaf, State};
use std::collections::{BTreeMap, BTreeSet};

/// The mlocked pages of devices in the model's run.
#[derive(Debug, Default)]
pub struct StayMlocked {
    /// The head of each mlocked folio in use, and the number of its pages.
    mlocked: BTreeMap<Pfn, u64>,
    /// Pages that were mlocked when they were freed.
    freed: u64,
    /// Pages in use after the last slice that no end of a process will munlock.
    in_use: u64,
}

impl StayMlocked {
    /// Notes what a slice has changed.
    pub fn slice(&mut self, s: &State) {
        let touched = s.memmap().touched().iter();
        for &pfn in touched.filter(|pfn| pfn.device().is_some()) {
            let page = s.page(pfn);
            if page.has(PageFlags::MLOCKED) && page.refcount > 0 {
                self.mlocked.insert(pfn, 1 << page.order);
            } else {
                let pages = self.mlocked.remove(&pfn).unwrap_or(0);
                self.freed += pages * u64::from(page.has(PageFlags::MLOCKED));
            }
        }
        self.in_use = 0;
        if !self.mlocked.is_empty() {
            let ends = in_locked_vmas(s);
            let stay = self.mlocked.iter().filter(|(head, _)| !ends.contains(head));
            self.in_use = stay.map(|(_, pages)| pages).sum();
        }
    }

    /// The number of pages, of those of the program, by which `nr_mlock` may have grown once all
    /// processes have ended. It is an upper bound: the next user of a page finds the flag set, and
    /// does not count the page again.
    pub fn pages(&self) -> u64 {
        self.freed + self.in_use
    }
}

/// The heads of the folios of devices that mlocked VMAs map.
fn in_locked_vmas(s: &State) -> BTreeSet<Pfn> {
    let entries = locked_pages(s).into_iter();
    let pages =
        entries.filter_map(
            |(mm, addr)| match s.tables().entry_for(s.mm(mm).pgd, addr).leaf() {
                Some(Softleaf::DevicePrivate { pfn, .. }) => Some(s.folio(pfn).head()),
                _ => None,
            },
        );
    pages.collect()
}
