use crate::fault::{Fault, FaultResult, VmFault};
use crate::ids::{Folio, SwapId};
use crate::lock::Site;
use crate::state::Current;
use crate::swap::SwapSlot;

impl Current<'_> {
    /// Reads a slot that only one entry names. The folio is not in the swap cache, so no other task
    /// can find it. Kernels before 7.0 do this with fast devices. The folio stays locked. Returns
    /// `None` if several entries name the slot, if it has a cached folio, or if memory runs out.
    pub(crate) async fn swapin_past_cache(self, slot: SwapId) -> Option<Folio> {
        let folio = {
            let s = &mut *self.state();
            let SwapSlot { count, cache, .. } = s.swap().slot(slot);
            let skips = count == 1 && cache.is_none();
            skips.then(|| s.alloc_swap_folio(self).ok()).flatten()?
        };
        self.swap_read_folio(slot, folio).await;
        self.state().folio_add_lru(folio);
        Some(folio)
    }

    /// Maps a folio of [`swapin_past_cache`](Self::swapin_past_cache) if the entry is unchanged
    /// (the end of `do_swap_page`).
    pub(crate) async fn map_past_cache(
        self,
        vmf: VmFault,
        slot: SwapId,
        folio: Folio,
    ) -> FaultResult {
        self.preempt(Site::FolioLockOrRetry).await;
        let (orig, action) = {
            let s = &mut *self.state();
            let Some(vmf) = s.pte_same(&vmf) else {
                s.folio_unlock(self.task, folio);
                s.folio_put(self.task, folio);
                return Ok(Fault::Done);
            };
            let pte = s.map_swap_folio(self, &vmf, slot, folio, false);
            s.folio_unlock(self.task, folio);
            if !vmf.write || pte.write() {
                return Ok(Fault::Done);
            }
            (pte.pte(), s.do_wp_page(self, &vmf, pte))
        };
        self.finish_wp_fault(VmFault { orig, ..vmf }, action).await
    }
}
