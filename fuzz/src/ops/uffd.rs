//! userfaultfd: registration and write protection.

use super::bench::{OpResult, Running};
use super::outcome::Outcome;
use super::world::Process;
use crate::contract::{Contract, Promise};
use crate::program::{OnOff, Op, OpKind};
use crate::reference::Change;

pub(super) const REGISTER: Contract = Contract::of(OpKind::UffdRegister);

pub(super) const UNREGISTER: Contract = Contract {
    moves_areas: true,
    changes_uffd_wp: true,
    ..Contract::of(OpKind::UffdUnregister)
};

pub(super) const WRITE_PROTECT: Contract = Contract {
    removes: |base, op, mm| match op {
        Op::UffdWp {
            addr,
            len,
            switch: OnOff::On,
            ..
        } => Some(Promise::writes(mm, base.range(addr, len))),
        _ => None,
    },
    changes_uffd_wp: true,
    ..Contract::of(OpKind::UffdWp)
};

pub(super) async fn run(on: Running<'_, '_>, process: Process, op: Op) -> OpResult {
    let (cur, mm) = (on.cur(), process.mm);
    match op {
        Op::UffdRegister { addr, len, .. } => {
            let range = on.range(addr, len);
            let ticket = on.begin(process, &range, Change::Register, false);
            let result = cur.uffd_register(mm, range).await;
            on.end(ticket, Change::Register, result)
        }
        Op::UffdUnregister { addr, len, .. } => {
            let range = on.range(addr, len);
            let ticket = on.begin(process, &range, Change::Unregister, false);
            let result = cur.uffd_unregister(mm, range).await;
            on.end(ticket, Change::Unregister, result)
        }
        Op::UffdWp {
            addr, len, switch, ..
        } => {
            let (range, protects) = (on.range(addr, len), switch == OnOff::On);
            let change = if protects {
                Change::WriteProtect
            } else {
                Change::WriteUnprotect
            };
            let ticket = on.begin(process, &range, change, false);
            let result = cur.uffd_writeprotect(mm, range, protects).await;
            on.end(ticket, change, result)
        }
        _ => Ok(Outcome::Nothing),
    }
}
