//! Reads and writes of a word by a CPU or a device.

use super::bench::{OpResult, Running, dev};
use super::outcome::Outcome;
use super::world::Process;
use crate::call::{Flags, Invocation, Ioctl, Pages, RangeCall, RangeResult};
use crate::contract::Contract;
use crate::program::{Op, OpKind};
use crate::reference::AccessEnd;
use mm_core::{DevId, FaultError, HmmError};

fn call(op: Op) -> Invocation {
    let (dev, addr, flags) = match op {
        Op::Read { addr, .. } => return Invocation::Read(addr),
        Op::Write { addr, .. } => return Invocation::Write(addr),
        Op::DevRead { dev, addr, .. } => (dev, addr, Flags::default()),
        Op::DevWrite { dev, addr, .. } => (dev, addr, Flags::WRITE),
        _ => return Invocation::Outside,
    };
    Invocation::Range(RangeCall {
        dev: dev.get(),
        flags,
        ..RangeCall::new(Ioctl::Access, Pages::one(addr), RangeResult::Word)
    })
}

pub(super) const READ: Contract = Contract::of(OpKind::Read, call);

pub(super) const WRITE: Contract = Contract::of(OpKind::Write, call);

pub(super) const DEV_READ: Contract = Contract::of(OpKind::DevRead, call);

pub(super) const DEV_WRITE: Contract = Contract {
    dirties_folios: true,
    ..Contract::of(OpKind::DevWrite, call)
};

pub(super) async fn run(on: Running<'_, '_>, process: Process, op: Op) -> OpResult {
    match op {
        Op::Read { addr, .. } => by_cpu(on, process, on.addr(addr), None).await,
        Op::Write { addr, .. } => by_cpu(on, process, on.addr(addr), Some(on.word())).await,
        Op::DevRead { dev: by, addr, .. } => {
            by_device(on, process, dev(by), on.addr(addr), None).await
        }
        Op::DevWrite { dev: by, addr, .. } => {
            by_device(on, process, dev(by), on.addr(addr), Some(on.word())).await
        }
        _ => Ok(Outcome::Nothing),
    }
}

async fn by_cpu(on: Running<'_, '_>, process: Process, addr: u64, write: Option<u64>) -> OpResult {
    let result = on.cur().user_access(process.mm, addr, write).await;
    let (access, outcome) = match result {
        Ok(word) => (AccessEnd::Word(word), Outcome::Word(word)),
        Err(FaultError::UffdWp) => (AccessEnd::WriteProtected, Outcome::WriteProtected),
        Err(FaultError::Sigsegv) => (AccessEnd::Denied, Outcome::Segv),
        Err(fault) => return on.fault_failed(fault),
    };
    on.accessed(process, addr, write, access)?;
    Ok(outcome)
}

async fn by_device(
    on: Running<'_, '_>,
    process: Process,
    dev: DevId,
    addr: u64,
    write: Option<u64>,
) -> OpResult {
    let cur = on.cur();
    let result = mm_core::dmirror::access(cur, dev, process.mm, addr, write).await;
    let (access, outcome) = match result {
        Ok(word) => (AccessEnd::Word(word), Outcome::Word(word)),
        Err(HmmError::UffdWp) => (AccessEnd::WriteProtected, Outcome::WriteProtected),
        Err(HmmError::Oom) => return on.fault_failed(FaultError::Oom),
        Err(_) => (AccessEnd::Denied, Outcome::Segv),
    };
    on.accessed(process, addr, write, access)?;
    Ok(outcome)
}
