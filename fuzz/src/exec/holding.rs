//! What a program holds of pages: references, pins, locks.

use super::ops::{OpResult, Running};
use super::outcome::Outcome;
use super::slots::{free_slot, resolve};
use super::world::Process;
use crate::oracle::{HeldRef, contents};
use crate::reference::Access;
use mm_core::{FaultError, Foll, Pfn, Softleaf};

impl Running<'_, '_> {
    pub(super) async fn get(self, process: Process, addr: u64, foll: Foll, fast: bool) -> OpResult {
        if free_slot(&self.bench.world.borrow().holders.refs).is_none() {
            return Ok(Outcome::Nothing);
        }
        let (cur, mm) = (self.cur(), process.mm);
        let pin = foll.contains(Foll::PIN);
        let result = if fast {
            cur.get_user_page_fast(mm, addr, foll).await
        } else {
            cur.get_user_page(mm, addr, foll).await
        };
        let pfn = match result {
            Ok(pfn) => pfn,
            Err(FaultError::UffdWp) => {
                self.accessed(process, addr, Some(0), Access::WriteProtected)?;
                return Ok(Outcome::WriteProtected);
            }
            Err(FaultError::Sigsegv) => {
                let write = foll.contains(Foll::WRITE).then_some(0);
                self.accessed(process, addr, write, Access::Denied)?;
                return Ok(Outcome::Segv);
            }
            Err(fault) => return self.fault_failed(fault),
        };
        let word = self.bench.kernel.state().page(pfn).word;
        let identity = pin && pfn != Pfn::ZERO && self.still_mapped(process, addr);
        let pid = process.pid;
        let held = HeldRef {
            pfn,
            pin,
            speculative: false,
            pid,
            addr,
            word,
            identity,
        };
        let outcome = self.keep(held);
        self.accessed(process, addr, None, Access::Word(word))?;
        if foll.contains(Foll::LONGTERM) {
            contents::check_longterm_pin(self.at, pfn)?;
        }
        // beside others, what was permitted may not be any more
        if foll.contains(Foll::WRITE) && self.bench.alone {
            let granted = self
                .bench
                .world
                .borrow_mut()
                .model
                .granted(process.pid, addr);
            granted.or_else(|violation| contents::check_access(self.at, violation))?;
        }
        Ok(outcome)
    }

    fn still_mapped(self, process: Process, addr: u64) -> bool {
        let world = &mut *self.bench.world.borrow_mut();
        world.mm_of(process.pid).is_some() && world.model.is_mapped(process.pid, addr)
    }

    /// Puts a reference into a slot, or gives it back if another thread took the last one.
    fn keep(self, held: HeldRef) -> Outcome {
        let world = &mut *self.bench.world.borrow_mut();
        match free_slot(&world.holders.refs) {
            Some(slot) => {
                world.holders.refs[slot] = Some(held);
                Outcome::Slot(slot)
            }
            None => {
                self.bench.kernel.state().put_external(held.pfn, held.pin);
                Outcome::Nothing
            }
        }
    }

    pub(super) fn put(self, name: usize) -> Outcome {
        let world = &mut *self.bench.world.borrow_mut();
        let Some(slot) = resolve(&world.holders.refs, name) else {
            return Outcome::Nothing;
        };
        let Some(held) = world.holders.refs[slot].take() else {
            return Outcome::Nothing;
        };
        self.bench.kernel.state().put_external(held.pfn, held.pin);
        Outcome::Done
    }

    /// The folio that the entry for an address names, whatever its kind; of a swap entry, the one in the
    /// swap cache.
    pub(super) fn named_folio(self, process: Process, addr: u64) -> Option<Pfn> {
        let s = &*self.bench.kernel.state();
        let pte = s
            .tables()
            .get(s.tables().pte_offset(s.mm(process.mm).pgd, addr)?);
        let pfn = match (pte.present(), pte.leaf()) {
            (Some(present), _) => present.pfn(),
            (_, Some(Softleaf::Swap(slot))) => s.swap().slot(slot).cache?,
            (_, leaf) => leaf?.pfn()?,
        };
        (pfn != Pfn::ZERO).then(|| s.folio(pfn))
    }

    pub(super) fn hold(self, process: Process, addr: u64) -> Outcome {
        if free_slot(&self.bench.world.borrow().holders.refs).is_none() {
            return Outcome::Nothing;
        }
        let Some(pfn) = self.named_folio(process, addr) else {
            return Outcome::Nothing;
        };
        if !self.bench.kernel.state().hold_external(pfn, false) {
            return Outcome::Nothing;
        }
        let word = self.bench.kernel.state().page(pfn).word;
        let pid = process.pid;
        let identity = false;
        self.keep(HeldRef {
            pfn,
            pin: false,
            speculative: true,
            pid,
            addr,
            word,
            identity,
        })
    }

    /// Moves the folio that the entry for an address names, as compaction does.
    pub(super) async fn compact(self, process: Process, addr: u64) -> Outcome {
        let folio = self.named_folio(process, addr);
        match folio.filter(|pfn| pfn.device().is_none()) {
            Some(pfn) => Outcome::Moved(self.cur().migrate_pages(pfn).await.into()),
            None => Outcome::Nothing,
        }
    }

    pub(super) fn lock(self, process: Process, addr: u64) -> Outcome {
        let world = &mut *self.bench.world.borrow_mut();
        let Some(slot) = free_slot(&world.holders.locks) else {
            return Outcome::Nothing;
        };
        let Some(pfn) = self.named_folio(process, addr) else {
            return Outcome::Nothing;
        };
        if !self.bench.kernel.state().lock_external(pfn) {
            return Outcome::Nothing;
        }
        world.holders.locks[slot] = Some(pfn);
        Outcome::Slot(slot)
    }

    pub(super) fn unlock(self, name: usize) -> Outcome {
        let world = &mut *self.bench.world.borrow_mut();
        let Some(slot) = resolve(&world.holders.locks, name) else {
            return Outcome::Nothing;
        };
        let Some(pfn) = world.holders.locks[slot].take() else {
            return Outcome::Nothing;
        };
        self.bench.kernel.state().unlock_external(pfn);
        Outcome::Done
    }
}
