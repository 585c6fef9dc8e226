use crate::fault::{FaultResult, VmFault};
use crate::ids::{Pfn, SwapId};
use crate::lock::Site;
use crate::state::Current;
use crate::swap::SwapSlot;

impl Current<'_> {
    /// Reads a slot that one entry names into a folio that nobody else can find, as kernels up to 6.18
    /// do from fast devices; the folio stays locked. `None` if that is not the way to read it.
    pub(crate) async fn swapin_past_cache(self, slot: SwapId) -> Option<Pfn> {
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

    /// Maps such a folio if the entry looks as before.
    pub(crate) async fn map_past_cache(
        self,
        vmf: VmFault,
        slot: SwapId,
        folio: Pfn,
    ) -> FaultResult {
        self.preempt(Site::FolioLockOrRetry).await;
        self.map_locked_folio(vmf, slot, folio, true, false).await
    }
}
