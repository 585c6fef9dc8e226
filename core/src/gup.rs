//! `get_user_pages_unlocked` and `pin_user_pages_unlocked` of one page.
//!
//! Corresponds to `mm/gup.c`.

use crate::fault::FaultResult;
use crate::ids::{MmId, Pfn};
use crate::lock::{Lock, Site};
use crate::pte::PresentPte;
use crate::state::{Current, State};
use crate::zoo::Bug;

/// How a page is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Grab {
    /// Not at all: it is faulted in, and that is it.
    Nothing,
    /// By a reference (`FOLL_GET`).
    Get,
    /// By a pin (`FOLL_PIN`).
    Pin,
}

/// What a page table offers a pin.
enum Follow {
    Page(PresentPte),
    NeedsFault,
    /// The page is shared, and a pin would see another process's later writes
    /// (`gup_must_unshare`).
    NeedsUnshare,
}

impl State {
    fn follow_page_pte(&self, mm: MmId, addr: u64, write: bool, grab: Grab) -> Follow {
        let at = self.tables().pte_offset(self.mm(mm).pgd, addr);
        let Some(pte) = at.and_then(|at| self.tables().get(at).present()) else {
            return Follow::NeedsFault;
        };
        if pte.protnone() || write && !pte.write() {
            return Follow::NeedsFault;
        }
        if grab == Grab::Pin && !write && self.gup_must_unshare(pte) {
            return Follow::NeedsUnshare;
        }
        Follow::Page(pte)
    }

    fn gup_must_unshare(&self, pte: PresentPte) -> bool {
        let page = pte.pfn();
        page != Pfn::ZERO && !pte.write() && !self.page(page).anon_exclusive()
    }

    /// Takes the reference, under the page-table lock (`try_grab_folio`). A pin on the zero page
    /// does not count.
    fn try_grab_folio(&mut self, folio: Pfn, grab: Grab) {
        let pin = grab == Grab::Pin;
        if grab == Grab::Nothing {
            return;
        }
        if !pin || folio != Pfn::ZERO || self.zoo.on(Bug::GupPinZeroPage) {
            self.hold_external(folio, pin);
        }
    }
}

impl Current<'_> {
    /// Takes a reference to the page at `addr`, or pins it, with as many faults as it takes. The
    /// caller gives it back by [`State::put_external`].
    pub async fn get_user_page(
        self,
        mm: MmId,
        addr: u64,
        write: bool,
        pin: bool,
    ) -> Result<Pfn, FaultResult> {
        let lock = Lock::MmapRead(mm);
        let grab = if pin { Grab::Pin } else { Grab::Get };
        self.lock(lock).await;
        let result = self
            .get_user_page_locked(mm, addr, write, grab, Some(lock))
            .await;
        self.unlock(lock);
        result
    }

    /// Faults the page at `addr` in, with `mmap_lock` held (`faultin_page` of a populated range).
    /// `unlockable` says in which way, if it may be dropped for a while.
    pub(crate) async fn faultin_page(
        self,
        mm: MmId,
        addr: u64,
        write: bool,
        unlockable: Option<Lock>,
    ) -> Result<(), FaultResult> {
        let page = self.get_user_page_locked(mm, addr, write, Grab::Nothing, unlockable);
        page.await?;
        // the next page is another fault
        self.state().tasks[self.task.ix()].retries = 0;
        Ok(())
    }

    async fn get_user_page_locked(
        self,
        mm: MmId,
        addr: u64,
        write: bool,
        grab: Grab,
        unlockable: Option<Lock>,
    ) -> Result<Pfn, FaultResult> {
        loop {
            self.preempt(Site::FollowPage).await;
            let unshare = {
                let s = &mut *self.state();
                match s.follow_page_pte(mm, addr, write, grab) {
                    Follow::Page(pte) => {
                        let page = pte.pfn();
                        s.try_grab_folio(page, grab);
                        // FOLL_TOUCH; what the entry knows goes to the page when it is taken away
                        if write && !pte.dirty() {
                            s.folio_mark_dirty(page);
                        }
                        return Ok(page);
                    }
                    Follow::NeedsFault => None,
                    Follow::NeedsUnshare => s.find_vma(mm, addr),
                }
            };
            let result = match unshare {
                Some(vma) => self.handle_unshare_fault(vma, addr).await,
                None => self.fault_in_area(mm, addr, write).await,
            };
            match (result, unlockable) {
                (FaultResult::Done, _) => self.retry_fault().await,
                (FaultResult::Locked(folio), Some(lock)) => {
                    self.unlock(lock);
                    self.folio_wait_locked(folio).await;
                    self.lock(lock).await;
                }
                (FaultResult::Locked(folio), None) => self.folio_wait_locked(folio).await,
                (error, _) => return Err(error),
            }
        }
    }
}
