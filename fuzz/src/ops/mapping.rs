//! `mmap`, `munmap`, `mprotect`.

use super::bench::{OpResult, Running, access_flags};
use super::outcome::Outcome;
use super::world::Process;
use crate::call::{Constant, Invocation, Pages};
use crate::contract::{Contract, Promise};
use crate::oracle::contents;
use crate::program::{Op, OpKind, Prot};
use crate::reference::Change;
use mm_core::{ChangeError, VmFlags};
use std::ops::Range;

fn protection(prot: Prot) -> Constant {
    match prot {
        Prot::None => Constant("PROT_NONE", 0),
        Prot::Read => Constant("PROT_READ", 1),
        Prot::ReadWrite => Constant("PROT_READ | PROT_WRITE", 3),
    }
}

fn call(op: Op) -> Invocation {
    match op {
        Op::Mmap {
            addr, len, prot, ..
        } => {
            let flags = Constant("MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED", 0x32);
            let (fd, offset) = (Constant("-1", u64::MAX), Constant("0", 0));
            Invocation::on_range(
                Constant("mmap", 9),
                Pages::of(addr, len),
                &[protection(prot), flags, fd, offset],
            )
        }
        Op::Munmap { addr, len, .. } => {
            Invocation::on_range(Constant("munmap", 11), Pages::of(addr, len), &[])
        }
        Op::Mprotect {
            addr, len, prot, ..
        } => Invocation::on_range(
            Constant("mprotect", 10),
            Pages::of(addr, len),
            &[protection(prot)],
        ),
        _ => Invocation::Outside,
    }
}

pub(super) const MMAP: Contract = Contract {
    removes: |window, op, mm| match op {
        Op::Mmap { addr, len, .. } => Some(Promise::pages(mm, window.range(addr, len))),
        _ => None,
    },
    moves_areas: true,
    ..Contract::of(OpKind::Mmap, call)
};

pub(super) const MUNMAP: Contract = Contract {
    removes: |window, op, mm| match op {
        Op::Munmap { addr, len, .. } => Some(Promise::pages(mm, window.range(addr, len))),
        _ => None,
    },
    moves_areas: true,
    ..Contract::of(OpKind::Munmap, call)
};

pub(super) const MPROTECT: Contract = Contract {
    removes: |window, op, mm| {
        let Op::Mprotect {
            addr, len, prot, ..
        } = op
        else {
            return None;
        };
        let (range, access) = (window.range(addr, len), access_flags(prot));
        let (reads, writes) = (VmFlags::READ, VmFlags::WRITE);
        match (access.contains(reads), access.contains(writes)) {
            (false, _) => Some(Promise::pages(mm, range)),
            (true, false) => Some(Promise::writes(mm, range)),
            (true, true) => None,
        }
    },
    // it populates an mlocked VMA that it makes writable
    dirties_folios: true,
    ..Contract::of(OpKind::Mprotect, call)
};

pub(super) async fn run(on: Running<'_, '_>, process: Process, op: Op) -> OpResult {
    match op {
        Op::Mmap {
            addr, len, prot, ..
        } => {
            let (range, access) = (on.range(addr, len), access_flags(prot));
            let change = Change::Map(access);
            let ticket = on.begin(process, &range, change, true);
            let result = on.cur().mmap(process.mm, range, access).await;
            on.end(ticket, change, result.map_err(ChangeError::from))
        }
        Op::Munmap { addr, len, .. } => {
            let range = on.range(addr, len);
            let ticket = on.begin(process, &range, Change::Unmap, true);
            let result = on.cur().munmap(process.mm, range).await;
            on.end(ticket, Change::Unmap, result.map_err(ChangeError::from))
        }
        Op::Mprotect {
            addr, len, prot, ..
        } => mprotect(on, process, on.range(addr, len), access_flags(prot)).await,
        _ => Ok(Outcome::Nothing),
    }
}

async fn mprotect(
    on: Running<'_, '_>,
    process: Process,
    range: Range<u64>,
    access: VmFlags,
) -> OpResult {
    let change = Change::Protect(access);
    let gains: Vec<u64> = {
        let s = &*on.bench.kernel.state();
        let flags = |addr: u64| Some(s.vma(s.find_vma(process.mm, addr)?).flags);
        let gains = |flags: VmFlags| flags & (VmFlags::LOCKED | VmFlags::WRITE) == VmFlags::LOCKED;
        let pages = range.clone().filter(|_| access.contains(VmFlags::WRITE));
        pages
            .filter(|addr| flags(*addr).is_some_and(gains))
            .collect()
    };
    let ticket = on.begin(process, &range, change, false);
    let result = on.cur().mprotect(process.mm, range, access).await;
    if result.is_ok() && on.failed_allocations() == 0 {
        on.postcondition(|at, s, _| {
            contents::check_resident(at, s, process.mm, gains.into_iter())
        })?;
    }
    on.end(ticket, change, result)
}
