use crate::ids::VmaId;
use crate::state::Current;
use core::ops::Range;

impl Current<'_> {
    /// `zap_page_range_single` without an invalidation.
    pub(crate) async fn zap_unannounced(self, vma: VmaId, range: Range<u64>) {
        let mm = self.state().vma(vma).mm;
        self.state().tlb_gather_mmu(self.task, mm);
        self.unmap_page_range(vma, range, true).await;
        self.state().tlb_finish_mmu(self.task);
    }

    /// `unmap_vmas` without an invalidation.
    pub(crate) async fn unmap_vmas_unannounced(self, areas: &[VmaId]) {
        for vma in areas {
            let range = self.state().vma(*vma).range();
            self.unmap_page_range(*vma, range, false).await;
        }
    }
}
