//! References, pins and folio locks that a program holds.

use super::bench::{OpResult, Running};
use super::outcome::Outcome;
use super::world::Process;
use crate::call::{Flags, Invocation, Ioctl, Pages, RangeCall, RangeResult};
use crate::contract::{Contract, RefKind, Slot};
use crate::oracle::{HeldRef, contents};
use crate::program::{self, Addr, Op, OpKind};
use crate::reference::AccessEnd;
use crate::slots::{free_slot, resolve};
use mm_core::{FaultError, Foll, Pfn};

fn call(op: Op) -> Invocation {
    let (command, addr, flags) = match op {
        Op::Put { .. } => return Invocation::Slot(Ioctl::Put, 0),
        Op::Unlock { .. } => return Invocation::Slot(Ioctl::Unlock, 0),
        Op::Hold { addr, .. } => (Ioctl::Hold, addr, Flags::default()),
        Op::Lock { addr, .. } => (Ioctl::Lock, addr, Flags::default()),
        _ => {
            let Some((addr, access, how, fast)) = gup_of(op) else {
                return Invocation::Outside;
            };
            let chosen = [
                (access == program::Access::Write, Flags::WRITE),
                (how.contains(Foll::PIN), Flags::PIN),
                (fast, Flags::FAST),
                (how.contains(Foll::LONGTERM), Flags::LONGTERM),
            ];
            let chosen = chosen.iter().filter(|(on, _)| *on);
            let flags = chosen.fold(Flags::default(), |all, (_, flag)| all.or(*flag));
            (Ioctl::Get, addr, flags)
        }
    };
    Invocation::Range(RangeCall {
        flags,
        ..RangeCall::new(command, Pages::one(addr), RangeResult::Slot)
    })
}

/// The address, the access, the kind of reference, and whether the operation tries without a lock
/// first.
fn gup_of(op: Op) -> Option<(Addr, program::Access, Foll, bool)> {
    Some(match op {
        Op::Get { addr, access, .. } => (addr, access, Foll::GET, false),
        Op::Pin { addr, access, .. } => (addr, access, Foll::PIN, false),
        Op::GetFast { addr, access, .. } => (addr, access, Foll::GET, true),
        Op::PinFast { addr, access, .. } => (addr, access, Foll::PIN, true),
        Op::PinLongterm { addr, access, .. } => (addr, access, Foll::PIN | Foll::LONGTERM, false),
        _ => return None,
    })
}

const fn gup(kind: OpKind) -> Contract {
    Contract {
        slot: Slot::NewReference(RefKind::Gup),
        dirties_folios: true,
        ..Contract::of(kind, call)
    }
}

pub(super) const GET: Contract = gup(OpKind::Get);
pub(super) const PIN: Contract = gup(OpKind::Pin);
pub(super) const GET_FAST: Contract = gup(OpKind::GetFast);
pub(super) const PIN_FAST: Contract = gup(OpKind::PinFast);
pub(super) const PIN_LONGTERM: Contract = gup(OpKind::PinLongterm);

pub(super) const HOLD: Contract = Contract {
    slot: Slot::NewReference(RefKind::Walker),
    ..Contract::of(OpKind::Hold, call)
};

pub(super) const PUT: Contract = Contract {
    slot: Slot::Reference,
    ..Contract::of(OpKind::Put, call)
};

pub(super) const LOCK: Contract = Contract {
    slot: Slot::NewLock,
    ..Contract::of(OpKind::Lock, call)
};

pub(super) const UNLOCK: Contract = Contract {
    slot: Slot::Lock,
    ..Contract::of(OpKind::Unlock, call)
};

pub(super) async fn run(on: Running<'_, '_>, process: Process, op: Op) -> OpResult {
    match op {
        Op::Hold { addr, .. } => return Ok(on.hold(process, on.addr(addr))),
        Op::Lock { addr, .. } => return Ok(on.lock(process, on.addr(addr))),
        _ => {}
    }
    let Some((addr, access, how, fast)) = gup_of(op) else {
        return Ok(Outcome::Nothing);
    };
    let write = match access {
        program::Access::Read => Foll::empty(),
        program::Access::Write => Foll::WRITE,
    };
    on.get(process, on.addr(addr), how | write, fast).await
}

/// Drops a reference, or releases a folio lock.
pub(super) fn give_back(on: Running<'_, '_>, op: Op) -> Outcome {
    match op {
        Op::Put { held } => on.put(held.get().into()),
        Op::Unlock { lock } => on.unlock(lock.get().into()),
        _ => Outcome::Nothing,
    }
}

impl Running<'_, '_> {
    async fn get(self, process: Process, addr: u64, foll: Foll, fast: bool) -> OpResult {
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
                self.accessed(process, addr, Some(0), AccessEnd::WriteProtected)?;
                return Ok(Outcome::WriteProtected);
            }
            Err(FaultError::Sigsegv) => {
                let write = foll.contains(Foll::WRITE).then_some(0);
                self.accessed(process, addr, write, AccessEnd::Denied)?;
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
        self.accessed(process, addr, None, AccessEnd::Word(word))?;
        if foll.contains(Foll::LONGTERM) {
            contents::check_longterm_pin(self.at, pfn)?;
        }
        if foll.contains(Foll::WRITE) {
            self.postcondition(|at, _, world| {
                let granted = world.model.granted(process.pid, addr);
                granted.or_else(|violation| contents::check_access(at, addr, violation))
            })?;
        }
        Ok(outcome)
    }

    fn still_mapped(self, process: Process, addr: u64) -> bool {
        let world = &mut *self.bench.world.borrow_mut();
        world.mm_of(process.pid).is_some() && world.model.is_mapped(process.pid, addr)
    }

    /// Puts a reference into a slot, or drops it if another thread has taken the last slot.
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

    fn put(self, name: usize) -> Outcome {
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

    fn hold(self, process: Process, addr: u64) -> Outcome {
        if free_slot(&self.bench.world.borrow().holders.refs).is_none() {
            return Outcome::Nothing;
        }
        let Some(folio) = self.named_folio(process, addr) else {
            return Outcome::Nothing;
        };
        let pfn = folio.head();
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

    fn lock(self, process: Process, addr: u64) -> Outcome {
        let world = &mut *self.bench.world.borrow_mut();
        let Some(slot) = free_slot(&world.holders.locks) else {
            return Outcome::Nothing;
        };
        let Some(folio) = self.named_folio(process, addr) else {
            return Outcome::Nothing;
        };
        if !self.bench.kernel.state().lock_external(folio) {
            return Outcome::Nothing;
        }
        world.holders.locks[slot] = Some(folio);
        Outcome::Slot(slot)
    }

    fn unlock(self, name: usize) -> Outcome {
        let world = &mut *self.bench.world.borrow_mut();
        let Some(slot) = resolve(&world.holders.locks, name) else {
            return Outcome::Nothing;
        };
        let Some(folio) = world.holders.locks[slot].take() else {
            return Outcome::Nothing;
        };
        self.bench.kernel.state().unlock_external(folio);
        Outcome::Done
    }
}
