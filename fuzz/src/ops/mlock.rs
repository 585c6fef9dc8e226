//! `mlock`, `munlock`.

use super::bench::{OpResult, Running};
use super::outcome::Outcome;
use super::world::Process;
use crate::call::{Constant, Invocation, Pages};
use crate::contract::Contract;
use crate::program::{OnOff, Op, OpKind};
use crate::reference::Change;

fn call(op: Op) -> Invocation {
    let Op::Mlock {
        addr, len, switch, ..
    } = op
    else {
        return Invocation::Outside;
    };
    let name = match switch {
        OnOff::On => Constant("mlock", 149),
        OnOff::Off => Constant("munlock", 150),
    };
    Invocation::on_range(name, Pages::of(addr, len), &[])
}

pub(super) const MLOCK: Contract = Contract {
    // it populates the VMAs that it locks
    dirties_folios: true,
    ..Contract::of(OpKind::Mlock, call)
};

pub(super) async fn run(on: Running<'_, '_>, process: Process, op: Op) -> OpResult {
    let Op::Mlock {
        addr, len, switch, ..
    } = op
    else {
        return Ok(Outcome::Nothing);
    };
    let range = on.range(addr, len);
    if switch == OnOff::On {
        let ticket = on.begin(process, &range, Change::Lock, false);
        let result = on.cur().mlock(process.mm, range).await;
        on.end(ticket, Change::Lock, result)
    } else {
        let ticket = on.begin(process, &range, Change::Unlock, false);
        let result = on.cur().munlock(process.mm, range).await;
        on.end(ticket, Change::Unlock, result)
    }
}
