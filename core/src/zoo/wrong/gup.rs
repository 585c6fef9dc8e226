use crate::fault::FaultError;
use crate::gup::Foll;
use crate::ids::{MmId, Pfn};
use crate::lock::Lock;
use crate::state::Current;

impl Current<'_> {
    /// 19be0eaffa3a: once a fault has broken COW, the next lookup does not require write
    /// permission.
    pub(crate) async fn get_user_page_dirty_cow(
        self,
        mm: MmId,
        addr: u64,
        foll: Foll,
        unlockable: Option<Lock>,
    ) -> Result<Pfn, FaultError> {
        let mut wanted = foll;
        loop {
            let found = self.follow_or_fault(mm, addr, wanted, unlockable).await?;
            if let Some(page) = found {
                let s = &mut *self.state();
                let at = s.tables().pte_offset(s.mm(mm).pgd, addr);
                let pte = at.and_then(|at| s.tables().get(at).present());
                if foll.contains(Foll::WRITE) && !pte.is_some_and(|pte| pte.dirty()) {
                    s.folio_mark_dirty(s.folio(page));
                }
                return Ok(page);
            }
            wanted.remove(Foll::WRITE);
        }
    }
}
