//! userfaultfd: registration and write protection.

use super::bench::{OpResult, Running};
use super::outcome::Outcome;
use super::world::Process;
use crate::call::{Constant, Invocation, Pages};
use crate::contract::{Contract, Promise};
use crate::program::{OnOff, Op, OpKind};
use crate::reference::Change;

fn call(op: Op) -> Invocation {
    match op {
        Op::UffdRegister { addr, len, .. } => Invocation::Uffd {
            request: Constant("UFFDIO_REGISTER", 0xc020_aa00),
            argument: "uffdio_register",
            pages: Pages::of(addr, len),
            mode: Some(Constant("UFFDIO_REGISTER_MODE_WP", 1 << 1)),
        },
        Op::UffdUnregister { addr, len, .. } => Invocation::Uffd {
            request: Constant("UFFDIO_UNREGISTER", 0x8010_aa01),
            argument: "uffdio_range",
            pages: Pages::of(addr, len),
            mode: None,
        },
        Op::UffdWp {
            addr, len, switch, ..
        } => Invocation::Uffd {
            request: Constant("UFFDIO_WRITEPROTECT", 0xc018_aa06),
            argument: "uffdio_writeprotect",
            pages: Pages::of(addr, len),
            mode: Some(match switch {
                OnOff::On => Constant("UFFDIO_WRITEPROTECT_MODE_WP", 1 << 0),
                OnOff::Off => Constant("0", 0),
            }),
        },
        _ => Invocation::Outside,
    }
}

pub(super) const REGISTER: Contract = Contract::of(OpKind::UffdRegister, call);

pub(super) const UNREGISTER: Contract = Contract {
    moves_areas: true,
    changes_uffd_wp: true,
    ..Contract::of(OpKind::UffdUnregister, call)
};

pub(super) const WRITE_PROTECT: Contract = Contract {
    removes: |window, op, mm| match op {
        Op::UffdWp {
            addr,
            len,
            switch: OnOff::On,
            ..
        } => Some(Promise::writes(mm, window.range(addr, len))),
        _ => None,
    },
    changes_uffd_wp: true,
    ..Contract::of(OpKind::UffdWp, call)
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
