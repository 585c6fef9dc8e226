use crate::fork::{Copy, ForkError};
use crate::ids::{MmId, Pfn, VmaId};
use crate::lock::Site;
use crate::page::PageFlags;
use crate::state::{Current, State};
use core::ops::Range;

impl State {
    /// The page at `addr`, if the entry is present.
    fn page_at(&self, mm: MmId, addr: u64) -> Option<Pfn> {
        let at = self.tables().pte_offset(self.mm(mm).pgd, addr)?;
        Some(self.tables().get(at).present()?.pfn())
    }
}

impl Current<'_> {
    /// Copies the entries of a VMA first, and links it to the anon_vmas afterwards.
    pub(crate) async fn link_after_copy(
        self,
        child: VmaId,
        parent: VmaId,
        child_mm: MmId,
    ) -> Result<(), ForkError> {
        self.copy_area(child, parent, child_mm).await?;
        self.anon_vma_fork(child, parent).await?;
        Ok(())
    }

    /// 57efa1fe5957: does what `copy_tables` does, but checks for pins before it takes the
    /// page-table lock, and shares all pages if it saw none.
    pub(crate) async fn copy_tables_unpinned(
        self,
        copy: Copy,
        range: Range<u64>,
    ) -> Result<(), ForkError> {
        let mut addr = range.start;
        loop {
            let unpinned = !self.any_pinned(copy.src_mm, range.clone());
            self.preempt(Site::CopyPteRange).await;
            let blocked = {
                let s = &mut *self.state();
                let pgd = s.mm(copy.src_mm).pgd;
                let Some(part) = s.tables.next_part(pgd, addr..range.end) else {
                    return Ok(());
                };
                let mut blocked = s.copy_pte_range(self, copy, part.range.clone())?;
                while unpinned && let Some(at) = blocked {
                    if let Some(page) = s.page_at(copy.src_mm, at) {
                        s.page_mut(page).flags.remove(PageFlags::ANON_EXCLUSIVE);
                    }
                    blocked = s.copy_pte_range(self, copy, at..part.range.end)?;
                }
                addr = blocked.unwrap_or(part.range.end);
                blocked
            };
            if let Some(addr) = blocked {
                self.copy_pinned_page(copy, addr).await?;
            }
        }
    }

    /// True if a page of `range` is pinned.
    fn any_pinned(self, mm: MmId, mut range: Range<u64>) -> bool {
        let s = &*self.state();
        range.any(|addr| {
            let page = s.page_at(mm, addr);
            page.is_some_and(|page| s.folio_maybe_dma_pinned(s.folio(page)))
        })
    }
}
