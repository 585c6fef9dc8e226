//! The operations, a file for each family: how each runs, what it tells the reference model, and
//! its [contract](crate::contract).
//!
//! No scheduling point lies between the end of an operation in the core and its end in the
//! reference model.

mod access;
mod advice;
pub mod bench;
mod collapse;
mod device;
mod fail;
mod held;
mod mapping;
mod migrate;
mod mlock;
mod mremap;
pub mod outcome;
mod populate;
mod proc_files;
mod process;
mod reclaim;
mod split;
#[cfg(test)]
mod tests;
mod uffd;
pub mod world;

pub use device::check_evicted;

use crate::contract::Contract;
use crate::program::{Op, OpKind};
use bench::{OpResult, Running};
use outcome::Outcome;
use world::Process;

/// The contracts, indexed by the number of the operation.
static CONTRACTS: [Contract; OpKind::COUNT] = [
    mapping::MMAP,
    mapping::MUNMAP,
    mapping::MPROTECT,
    process::FORK,
    process::EXIT,
    access::READ,
    access::WRITE,
    advice::DONTNEED,
    migrate::MIGRATE,
    migrate::MIGRATE_BACK,
    device::EVICT,
    access::DEV_READ,
    access::DEV_WRITE,
    device::SNAPSHOT,
    migrate::SETUP,
    migrate::PAGES,
    migrate::FINALIZE,
    held::GET,
    held::PIN,
    held::HOLD,
    held::PUT,
    held::LOCK,
    held::UNLOCK,
    proc_files::CLEAR_SOFT_DIRTY,
    uffd::REGISTER,
    uffd::UNREGISTER,
    uffd::WRITE_PROTECT,
    fail::FAIL,
    reclaim::RECLAIM,
    advice::PAGEOUT,
    advice::LAZYFREE,
    advice::COLD,
    advice::WILLNEED,
    mlock::MLOCK,
    mremap::MREMAP,
    advice::DONTFORK,
    held::GET_FAST,
    held::PIN_FAST,
    held::PIN_LONGTERM,
    device::EXCLUSIVE,
    proc_files::PAGEMAP,
    device::RELEASE,
    reclaim::COMPACT,
    populate::POPULATE,
    advice::HUGEPAGE,
    split::SPLIT,
    split::SPLIT_QUEUE,
    collapse::COLLAPSE,
];

const _: () = {
    let mut number = 0;
    while number < OpKind::COUNT {
        assert!(
            CONTRACTS[number].kind as usize == number,
            "each contract stands at the number of its operation"
        );
        number += 1;
    }
};

impl OpKind {
    /// The contract of the operation.
    #[inline]
    #[must_use]
    pub fn contract(self) -> &'static Contract {
        &CONTRACTS[self as usize]
    }
}

impl Running<'_, '_> {
    /// Runs the operation.
    pub async fn run(self, op: Op) -> OpResult {
        match op {
            Op::Fail { alloc, nth } => Ok(fail::run(self, alloc, nth)),
            Op::Evict { dev, first, len } => device::evict(self, dev, first, len).await,
            Op::Release { dev } => device::release(self, dev).await,
            Op::SplitQueue { switch } => Ok(split::queue(self, switch).await),
            Op::Pages { .. } | Op::Finalize { .. } => migrate::go_on(self, op).await,
            Op::Put { .. } | Op::Unlock { .. } => Ok(held::give_back(self, op)),
            _ => self.run_in_process(op).await,
        }
    }

    /// Runs an operation on the process that it names, with a reference to its address space.
    async fn run_in_process(self, op: Op) -> OpResult {
        let Some(name) = op.proc() else {
            return Ok(Outcome::Nothing);
        };
        let Some(process) = self.bench.world.borrow().process(name.get()) else {
            return Ok(Outcome::Nothing);
        };
        let promise = (self.at.op.removes)(self.bench.window, op, process.mm);
        self.bench.world.borrow_mut().promises[self.task.ix()] = promise;
        if self.at.op.keeps_address_space {
            return self.run_kept(process, op).await;
        }
        self.cur().mmget(process.mm);
        let result = self.run_kept(process, op).await;
        self.cur().mmput(process.mm).await;
        result
    }

    /// Runs the operation. The caller, or the operation itself, holds the address space.
    async fn run_kept(self, process: Process, op: Op) -> OpResult {
        match op {
            Op::Mmap { .. } | Op::Munmap { .. } | Op::Mprotect { .. } => {
                mapping::run(self, process, op).await
            }
            Op::Dontneed { .. }
            | Op::Lazyfree { .. }
            | Op::Cold { .. }
            | Op::Pageout { .. }
            | Op::Willneed { .. }
            | Op::Dontfork { .. }
            | Op::Hugepage { .. } => advice::run(self, process, op).await,
            Op::Mlock { .. } => mlock::run(self, process, op).await,
            Op::Mremap { .. } => mremap::run(self, process, op).await,
            Op::Collapse { .. } => collapse::run(self, process, op).await,
            Op::Populate { .. } => populate::run(self, process, op).await,
            Op::UffdRegister { .. } | Op::UffdUnregister { .. } | Op::UffdWp { .. } => {
                uffd::run(self, process, op).await
            }
            Op::ClearSoftDirty { .. } | Op::Pagemap { .. } => {
                proc_files::run(self, process, op).await
            }
            Op::Fork { .. } => process::fork(self, process).await,
            Op::Exit { .. } => process::exit(self, process).await,
            Op::Read { .. } | Op::Write { .. } | Op::DevRead { .. } | Op::DevWrite { .. } => {
                access::run(self, process, op).await
            }
            Op::Migrate { .. } | Op::MigrateBack { .. } | Op::Setup { .. } => {
                migrate::run(self, process, op).await
            }
            Op::Snapshot { .. } | Op::Exclusive { .. } => device::run(self, process, op).await,
            Op::Get { .. }
            | Op::Pin { .. }
            | Op::GetFast { .. }
            | Op::PinFast { .. }
            | Op::PinLongterm { .. }
            | Op::Hold { .. }
            | Op::Lock { .. } => held::run(self, process, op).await,
            Op::Reclaim { .. } | Op::Compact { .. } => reclaim::run(self, process, op).await,
            Op::Split { addr, len, .. } => Ok(split::range(self, process, addr, len).await),
            // they name no process
            Op::Fail { .. }
            | Op::Evict { .. }
            | Op::Release { .. }
            | Op::SplitQueue { .. }
            | Op::Pages { .. }
            | Op::Finalize { .. }
            | Op::Put { .. }
            | Op::Unlock { .. } => Ok(Outcome::Nothing),
        }
    }
}
