//! `mremap`.

use super::bench::{OpResult, Running};
use super::outcome::Outcome;
use super::world::Process;
use crate::call::{Argument, Constant, Invocation, Pages};
use crate::contract::{Contract, Moves, Promise};
use crate::oracle::contents;
use crate::program::{Addr, How, Len, Op, OpKind};
use crate::reference::{RemapCall, RemapEnd};
use crate::window::Window;
use mm_core::RemapError;
use std::ops::Range;

/// The operands except the process.
struct Operands {
    /// The range, by its first page and its length.
    old: (Addr, Len),
    /// The range afterwards, by its first page and its length.
    new: (Addr, Len),
    how: How,
}

impl Operands {
    fn of(op: Op) -> Option<Self> {
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
        let to = match how {
            How::Stay => addr,
            How::Fixed | How::Dontunmap => to,
        };
        Some(Self {
            old: (addr, len),
            new: (to, newlen),
            how,
        })
    }

    /// The addresses before and afterwards.
    fn ranges(&self, window: Window) -> [Range<u64>; 2] {
        [self.old, self.new].map(|(addr, len)| window.range(addr, len))
    }
}

fn call(op: Op) -> Invocation {
    let Some(operands) = Operands::of(op) else {
        return Invocation::Outside;
    };
    let flags = match operands.how {
        How::Stay => Constant("0", 0),
        How::Fixed => Constant("MREMAP_MAYMOVE | MREMAP_FIXED", 3),
        How::Dontunmap => Constant("MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP", 7),
    };
    let [old, new] = [operands.old, operands.new].map(|(addr, len)| Pages::of(addr, len));
    let arguments = vec![
        Argument::At(old.first),
        Argument::Bytes(old.count),
        Argument::Bytes(new.count),
        Argument::Is(flags),
        Argument::At(new.first),
    ];
    Invocation::System(Constant("mremap", 25), arguments)
}

pub(super) const MREMAP: Contract = Contract {
    removes: |window, op, mm| {
        let operands = Operands::of(op)?;
        let [old, new] = operands.ranges(window);
        Some(match operands.how {
            How::Stay => Promise::pages(mm, new.end.min(old.end)..old.end),
            How::Fixed | How::Dontunmap => Promise::pages(mm, old).and(new),
        })
    },
    moves: |window, op| {
        let operands = Operands::of(op)?;
        let [old, new] = operands.ranges(window);
        (operands.how != How::Stay).then(|| Moves {
            from: old.start,
            pages: old.end - old.start,
            to: new.start,
        })
    },
    // it populates the part by which an mlocked VMA has grown
    dirties_folios: true,
    ..Contract::of(OpKind::Mremap, call)
};

pub(super) async fn run(on: Running<'_, '_>, process: Process, op: Op) -> OpResult {
    let Some(operands) = Operands::of(op) else {
        return Ok(Outcome::Nothing);
    };
    let [old, new] = operands.ranges(on.bench.window);
    let how = operands.how;
    let call = match how {
        How::Stay => mm_core::Remap::Stay,
        How::Fixed => mm_core::Remap::Fixed(new.start),
        How::Dontunmap => mm_core::Remap::Dontunmap(new.start),
    };
    let remap = RemapCall {
        pid: process.pid,
        old,
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
        let detail = format!("the call ends with {outcome}, which the reference model rules out");
        contents::check_outcome(on.at, detail)?;
    }
    if end == RemapEnd::Done && failures == 0 {
        let grown = remap.new.start + (remap.old.end - remap.old.start)..remap.new.end;
        on.postcondition(|at, s, _| contents::check_resident(at, s, process.mm, grown))?;
    }
    Ok(outcome)
}
