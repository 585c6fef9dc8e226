//! `get_user_pages_unlocked`, `pin_user_pages_unlocked` and their `_fast` forms, for one page.
//!
//! The fast form takes no lock. It reads an entry and takes a reference to the page that the entry
//! named, which may have been freed and reused by then. It keeps the reference only if the entry is
//! unchanged. If the fast form cannot get the page, the slow form does.
//!
//! Corresponds to `mm/gup.c`.

use crate::fault::{Fault, FaultError};
use crate::ids::{MmId, Pfn, TaskId};
use crate::lock::{Lock, Site};
use crate::pte::PresentPte;
use crate::state::{Current, State};
use bitflags::bitflags;

bitflags! {
    /// The purpose of a reference (`FOLL_*`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Foll: u8 {
        /// The holder may write to the page.
        const WRITE = 1 << 0;
        /// A pin.
        const PIN = 1 << 1;
        /// A pin that may last. It must see later writes of the process, so it cannot be on the
        /// zero page.
        const LONGTERM = 1 << 2;
        /// A plain reference. With neither this nor `PIN`, the page is only faulted in.
        const GET = 1 << 3;
    }
}

impl Foll {
    const fn write(self) -> bool {
        self.contains(Self::WRITE)
    }

    const fn pin(self) -> bool {
        self.contains(Self::PIN)
    }
}

/// The result of looking up an entry for GUP.
enum Follow {
    Page(PresentPte),
    NeedsFault,
    /// The page is shared: the process would write to a copy, and the holder of the pin would not
    /// see that write (`gup_must_unshare`).
    NeedsUnshare,
}

impl State {
    fn follow_page_pte(&self, mm: MmId, addr: u64, foll: Foll) -> Follow {
        let entry = self.tables().entry_for(self.mm(mm).pgd, addr);
        let Some(pte) = entry.present() else {
            return Follow::NeedsFault;
        };
        if pte.protnone() || foll.write() && !pte.write() {
            return Follow::NeedsFault;
        }
        if self.gup_must_unshare(foll, pte) {
            return Follow::NeedsUnshare;
        }
        Follow::Page(pte)
    }

    fn gup_must_unshare(&self, foll: Foll, pte: PresentPte) -> bool {
        if !foll.pin() || foll.write() || pte.write() {
            return false;
        }
        match pte.pfn() {
            Pfn::ZERO => foll.contains(Foll::LONGTERM),
            page => !self.page_anon_exclusive(page),
        }
    }

    /// Reads the entry for `addr` without a lock (the loop body of `gup_fast_pte_range`, up to the
    /// reference). Special pages are left to the slow form.
    fn gup_fast_pte(&self, mm: MmId, addr: u64, foll: Foll) -> Option<PresentPte> {
        let pte = self.tables().entry_for(self.mm(mm).pgd, addr).present()?;
        let permitted = !pte.protnone() && (!foll.write() || pte.write());
        (permitted && !pte.special()).then_some(pte)
    }

    /// Takes a reference for `task` to the page unless it is free; the page may have been reused
    /// (`try_grab_folio_fast`).
    fn try_grab_folio_fast(&mut self, task: TaskId, page: Pfn, pin: bool) -> bool {
        let folio = self.folio(page);
        if !pin {
            return self.folio_try_get(task, folio);
        }
        let live = self.head(folio).refcount > 0;
        if live {
            self.folio_pin(folio);
            self.tasks[task.ix()].pins.push(folio);
        }
        live
    }

    /// Hands the reference to the caller if `keep`, or else drops it (`gup_put_folio`).
    fn end_grab(&mut self, task: TaskId, page: Pfn, pin: bool, keep: bool) {
        if pin {
            let folio = self.folio(page);
            self.tasks[task.ix()].pins.retain(|f| *f != folio);
        } else {
            self.disown(task, self.folio(page));
        }
        if !keep {
            self.put_external(page, pin);
        }
    }

    /// Takes the reference, under the page-table lock (`try_grab_folio`). A pin of the zero page is
    /// not counted.
    fn try_grab_folio(&mut self, page: Pfn, foll: Foll) {
        let pin = foll.pin();
        if !foll.intersects(Foll::GET | Foll::PIN) {
            return;
        }
        let counts = !pin || page != Pfn::ZERO;
        zoo!(self, Bug::GupPinZeroPage => let counts = true);
        if counts {
            self.hold_external(page, pin);
        }
    }
}

impl Current<'_> {
    /// Takes a reference to the page at `addr`, or pins it, with as many faults as it needs. The
    /// caller returns it with [`State::put_external`].
    pub async fn get_user_page(self, mm: MmId, addr: u64, foll: Foll) -> Result<Pfn, FaultError> {
        let lock = Lock::MmapRead(mm);
        self.lock(lock).await;
        let result = self.get_user_page_locked(mm, addr, foll, Some(lock)).await;
        self.unlock(lock);
        self.made_progress();
        result
    }

    /// Like [`Self::get_user_page`], without a lock if possible (`get_user_pages_fast`,
    /// `pin_user_pages_fast`).
    pub async fn get_user_page_fast(
        self,
        mm: MmId,
        addr: u64,
        foll: Foll,
    ) -> Result<Pfn, FaultError> {
        match self.gup_fast(mm, addr, foll).await {
            Some(page) => Ok(page),
            None => self.get_user_page(mm, addr, foll).await,
        }
    }

    /// Takes the reference without a lock (`gup_fast`). A pin fails while a fork write-protects
    /// entries, because the fork may have checked for pins before this one was taken.
    async fn gup_fast(self, mm: MmId, addr: u64, foll: Foll) -> Option<Pfn> {
        let pin = foll.pin();
        let seq = self.state().mm(mm).write_protect_seq;
        let forking = !seq.is_multiple_of(2);
        zoo!(self, Bug::ForkVsGupFast => let forking = false);
        if pin && forking {
            return None;
        }
        let pte = self.state().gup_fast_pte(mm, addr, foll)?;
        let page = pte.pfn();
        self.preempt(Site::GupFast).await;
        if !self.state().try_grab_folio_fast(self.task, page, pin) {
            return None;
        }
        self.preempt(Site::GupFast).await;
        let s = &mut *self.state();
        let same = s.gup_fast_pte(mm, addr, foll) == Some(pte);
        zoo!(s, Bug::ThpSplitGupFast => let same = true);
        let shared = s.gup_must_unshare(foll, pte);
        let forked = pin && s.mm(mm).write_protect_seq != seq;
        zoo!(s, Bug::ForkVsGupFast => let forked = false);
        let keep = same && !shared && !forked;
        s.end_grab(self.task, page, pin, keep);
        keep.then_some(page)
    }

    /// Faults in the page at `addr` (`faultin_page` of a populated range). The caller holds
    /// `mmap_lock`. `unlockable` is that lock if it may be dropped while the task waits for a folio
    /// lock.
    pub(crate) async fn faultin_page(
        self,
        mm: MmId,
        addr: u64,
        write: bool,
        unlockable: Option<Lock>,
    ) -> Result<(), FaultError> {
        let foll = if write { Foll::WRITE } else { Foll::empty() };
        let page = self.get_user_page_locked(mm, addr, foll, unlockable);
        page.await?;
        // the fault of the next page is no retry of this one
        self.made_progress();
        Ok(())
    }

    /// Takes a reference to the page at `addr` for the task, to write to it
    /// (`get_user_pages_remote` with `FOLL_GET | FOLL_WRITE`). `mmap_lock` is held, and stays held.
    pub async fn get_user_page_remote(self, mm: MmId, addr: u64) -> Result<Pfn, FaultError> {
        let page = self.get_user_page_locked(mm, addr, Foll::GET | Foll::WRITE, None);
        let page = page.await?;
        let s = &mut *self.state();
        let folio = s.folio(page);
        s.tasks[self.task.ix()].refs.push(folio);
        Ok(page)
    }

    async fn get_user_page_locked(
        self,
        mm: MmId,
        addr: u64,
        foll: Foll,
        unlockable: Option<Lock>,
    ) -> Result<Pfn, FaultError> {
        zoo!(self, Bug::DirtyCow =>
            return self.get_user_page_dirty_cow(mm, addr, foll, unlockable).await);
        loop {
            if let Some(page) = self.follow_or_fault(mm, addr, foll, unlockable).await? {
                return Ok(page);
            }
        }
    }

    /// Looks at the entry for `addr` once. Takes the page, or handles a fault and returns `None`
    /// for the caller to look again.
    pub(crate) async fn follow_or_fault(
        self,
        mm: MmId,
        addr: u64,
        foll: Foll,
        unlockable: Option<Lock>,
    ) -> Result<Option<Pfn>, FaultError> {
        self.preempt(Site::FollowPage).await;
        let unshare = {
            let s = &mut *self.state();
            match s.follow_page_pte(mm, addr, foll) {
                Follow::Page(pte) => {
                    let page = pte.pfn();
                    s.try_grab_folio(page, foll);
                    // FOLL_TOUCH: if the entry is huge, GUP marks the entry dirty, otherwise the
                    // folio. If a small entry is dirty, marking the folio is left to whoever clears
                    // the entry.
                    if foll.write() && !s.touch_pmd(mm, addr) && !pte.dirty() {
                        s.folio_mark_dirty(s.folio(page));
                    }
                    return Ok(Some(page));
                }
                Follow::NeedsFault => None,
                Follow::NeedsUnshare => s.find_vma(mm, addr),
            }
        };
        let result = match unshare {
            Some(vma) => self.handle_unshare_fault(vma, addr).await,
            None => self.fault_in_area(mm, addr, foll.write()).await,
        };
        match (result?, unlockable) {
            (Fault::Done, _) => self.retry_fault(mm, addr).await,
            (Fault::Locked(folio), Some(lock)) => {
                self.unlock(lock);
                self.folio_wait_locked(folio).await;
                self.lock(lock).await;
            }
            (Fault::Locked(folio), None) => self.folio_wait_locked(folio).await,
        }
        Ok(None)
    }
}
