//! `mremap`.

use super::bench::{OpResult, Running};
use super::outcome::Outcome;
use super::world::Process;
use crate::call::{Argument, Call, Constant, Pages};
use crate::contract::{Contract, Moves, Promise};
use crate::oracle::contents;
use crate::program::{How, Op, OpKind};
use crate::reference::{RemapCall, RemapEnd};
use mm_core::RemapError;

fn call(op: Op) -> Call {
    let Op::Mremap {
        addr,
        len,
        to,
        newlen,
        how,
        ..
    } = op
    else {
        return Call::Outside;
    };
    let (to, flags) = match how {
        How::Stay => (addr, Constant("0", 0)),
        How::Fixed => (to, Constant("MREMAP_MAYMOVE | MREMAP_FIXED", 3)),
        How::Dontunmap => (
            to,
            Constant("MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP", 7),
        ),
    };
    let (old, new) = (Pages::of(addr, len), Pages::of(to, newlen));
    let arguments = vec![
        Argument::At(old.first),
        Argument::Bytes(old.count),
        Argument::Bytes(new.count),
        Argument::Is(flags),
        Argument::At(new.first),
    ];
    Call::System(Constant("mremap", 25), arguments)
}

pub(super) const MREMAP: Contract = Contract {
    removes: |window, op, mm| {
        let Op::Mremap {
            addr,
            len,
            to,
            newlen,
            how,
            ..
        } = op
        else {
            return None;
        };
        let old = window.range(addr, len);
        Some(match how {
            How::Stay => {
                let end = window.range(addr, newlen).end;
                Promise::pages(mm, end.min(old.end)..old.end)
            }
            How::Fixed | How::Dontunmap => Promise::pages(mm, old).and(window.range(to, newlen)),
        })
    },
    moves: |window, op| {
        let Op::Mremap {
            addr, len, to, how, ..
        } = op
        else {
            return None;
        };
        let from = window.range(addr, len);
        (how != How::Stay).then(|| Moves {
            from: from.start,
            pages: from.end - from.start,
            to: window.addr(to),
        })
    },
    // it populates the part by which an mlocked VMA has grown
    dirties_folios: true,
    ..Contract::of(OpKind::Mremap, call)
};

pub(super) async fn run(on: Running<'_, '_>, process: Process, op: Op) -> OpResult {
    let Op::Mremap {
        addr,
        len,
        to,
        newlen,
        how,
        ..
    } = op
    else {
        return Ok(Outcome::Nothing);
    };
    let new = match how {
        How::Stay => on.range(addr, newlen),
        How::Fixed | How::Dontunmap => on.range(to, newlen),
    };
    let call = match how {
        How::Stay => mm_core::Remap::Stay,
        How::Fixed => mm_core::Remap::Fixed(new.start),
        How::Dontunmap => mm_core::Remap::Dontunmap(new.start),
    };
    let remap = RemapCall {
        pid: process.pid,
        old: on.range(addr, len),
        new,
        stay: how == How::Stay,
        keep_source: how == How::Dontunmap,
        rules: on.bench.kernel.state().rules(),
    };
    let (old, new_len) = (remap.old.clone(), remap.new.end - remap.new.start);
    let ticket = {
        let world = &mut *on.bench.world.borrow_mut();
        world.forget_identity(process.pid, &remap.old);
        world.forget_identity(process.pid, &remap.new);
        world.model.begin_remap(remap.clone())
    };
    let result = on.cur().mremap(process.mm, old, new_len, call).await;
    let failures = on.failed_allocations();
    let (end, outcome) = match result {
        Ok(()) => (RemapEnd::Done, Outcome::Done),
        Err(RemapError::Fault) => (RemapEnd::Fault, Outcome::Efault),
        Err(RemapError::Inval) => (RemapEnd::Inval, Outcome::Einval),
        Err(RemapError::NoRoom) => (RemapEnd::NoRoom, Outcome::Enomem),
        Err(RemapError::Enomem) => (RemapEnd::OutOfMemory, Outcome::Enomem),
    };
    let allowed = {
        let model = &mut on.bench.world.borrow_mut().model;
        model.end_remap(ticket, end, failures)
    };
    if end == RemapEnd::OutOfMemory {
        on.check_out_of_memory()?;
    }
    if !allowed {
        let detail = format!("{remap:?} ended with {end:?}, which the reference model rules out");
        contents::check_outcome(on.at, detail)?;
    }
    if end == RemapEnd::Done && failures == 0 {
        let grown = remap.new.start + (remap.old.end - remap.old.start)..remap.new.end;
        on.postcondition(|at, s, _| contents::check_resident(at, s, process.mm, grown))?;
    }
    Ok(outcome)
}
