//! Everything that a running program holds: processes, references, locks, open migrations.
//!
//! Each object has a [slot](crate::slots).

use crate::contract::{Promise, Slot};
use crate::limits::{FIRST_WORKER, MAX_PROCS, MAX_WORKERS};
use crate::oracle::Holders;
use crate::program::{Op, OperandKind};
use crate::reference::{Pid, Reference};
use crate::shown::Shown;
use crate::slots::{Resolved, resolve};
use mm_core::{Folio, MmId, Pfn, TaskId};
use std::future::Future;
use std::pin::Pin;

/// A process.
#[derive(Clone, Copy, Debug, Hash)]
pub struct Process {
    /// Its address space.
    pub mm: MmId,
    /// Its number in the reference model.
    pub pid: Pid,
}

/// An open migration.
pub type Worker<'k> = Pin<Box<dyn Future<Output = ()> + 'k>>;

/// A page of an address space, and what an operation showed of it.
pub type ShownPage = (MmId, u64, Shown);

/// Everything that a program holds.
#[derive(Default)]
pub struct World<'k> {
    /// Processes, by slot.
    pub procs: [Option<Process>; MAX_PROCS],
    /// References and locks.
    pub holders: Holders,
    /// Open migrations, by slot; the task is the slot plus [`FIRST_WORKER`].
    pub workers: [Option<Worker<'k>>; MAX_WORKERS],
    /// The open migration that each thread drives. A thread drives a migration while it runs one of
    /// the migration's phases.
    pub driven: [Option<TaskId>; FIRST_WORKER],
    /// What the operation of each thread promises in case it succeeds.
    pub promises: [Option<Promise>; FIRST_WORKER],
    /// The folios that the operation that has just ended must have freed.
    pub freed: Vec<Folio>,
    /// The reference model.
    pub model: Reference,
    /// The writes since the oracles looked last: the process that wrote, and the address.
    pub writers: Vec<(Process, u64)>,
    /// What the operation that has just ended showed.
    pub shown: Vec<ShownPage>,
}

impl World<'_> {
    /// The process that `name` stands for.
    pub fn process(&self, name: u8) -> Option<Process> {
        self.procs[resolve(&self.procs, name.into())?]
    }

    /// The slots that the names in `op` stand for.
    pub fn resolved(&self, op: Op) -> Resolved {
        let named = |kind| op.operand(kind).unwrap_or_default().into();
        Resolved {
            proc: op
                .proc()
                .and_then(|name| resolve(&self.procs, name.get().into())),
            object: match op.kind().contract().slot {
                Slot::Migration => resolve(&self.workers, named(OperandKind::MigrationSlot)),
                Slot::Reference => resolve(&self.holders.refs, named(OperandKind::RefSlot)),
                Slot::Lock => resolve(&self.holders.locks, named(OperandKind::LockSlot)),
                Slot::None
                | Slot::NewProcess
                | Slot::NewMigration
                | Slot::NewReference(_)
                | Slot::NewLock => None,
            },
        }
    }

    /// The task of the migration in `slot`.
    pub const fn worker_task(slot: usize) -> TaskId {
        TaskId((slot + FIRST_WORKER) as u8)
    }

    /// The address space of a process, if it is alive.
    pub fn mm_of(&self, pid: Pid) -> Option<MmId> {
        self.alive(|process| process.pid == pid).map(|p| p.mm)
    }

    /// The process that an address space belongs to, if it is alive.
    pub fn pid_of(&self, mm: MmId) -> Option<Pid> {
        self.alive(|process| process.mm == mm).map(|p| p.pid)
    }

    fn alive(&self, is: impl Fn(&Process) -> bool) -> Option<Process> {
        self.procs.iter().flatten().copied().find(is)
    }

    /// The process unmaps or moves the pages in `range`, so it need not keep mapping the pages that
    /// it pinned there.
    pub fn forget_identity(&mut self, pid: Pid, range: &std::ops::Range<u64>) {
        for held in self.holders.refs.iter_mut().flatten() {
            held.identity &= held.pid != pid || !range.contains(&held.addr);
        }
    }

    /// Records the contents of the pages that references hold, for the next comparison.
    pub fn note_words(&mut self, word_of: impl Fn(Pfn) -> u64) {
        for held in self.holders.refs.iter_mut().flatten() {
            held.word = word_of(held.pfn);
        }
        self.writers.clear();
    }
}
