//! What a program holds while it runs: processes, references, locks, open migrations.
//!
//! Everything has a [slot](super::slots).

use super::slots::resolve;
use crate::contract::Promise;
use crate::oracle::Holders;
use crate::oracle::contents::Shown;
use crate::reference::{Pid, Reference};
use mm_core::{MAX_TASKS, MmId, Pfn, TaskId};
use std::future::Future;
use std::pin::Pin;

/// Processes at a time.
pub const MAX_PROCS: usize = 8;
/// The first task of those that hold a migration open.
pub const FIRST_WORKER: usize = 4;
/// Migrations open at a time.
pub const MAX_WORKERS: usize = MAX_TASKS - FIRST_WORKER;

/// A process.
#[derive(Clone, Copy, Debug, Hash)]
pub struct Process {
    /// Its address space.
    pub mm: MmId,
    /// What the reference model calls it.
    pub pid: Pid,
}

/// A migration that is held open.
pub type Worker<'k> = Pin<Box<dyn Future<Output = ()> + 'k>>;

/// All that a program holds.
#[derive(Default)]
pub struct World<'k> {
    /// Processes, by slot.
    pub procs: [Option<Process>; MAX_PROCS],
    /// References and locks.
    pub holders: Holders,
    /// Open migrations, by slot; the task is the slot plus [`FIRST_WORKER`].
    pub workers: [Option<Worker<'k>>; MAX_WORKERS],
    /// The open migration that each thread runs for the moment.
    pub driven: [Option<TaskId>; FIRST_WORKER],
    /// What the operation of each thread promises if it ends well.
    pub promises: [Option<Promise>; FIRST_WORKER],
    /// The reference model.
    pub model: Reference,
    /// Who wrote, and where, since an oracle last looked.
    pub writers: Vec<(Process, u64)>,
    /// What the operation that has just ended, alone, was shown of pages.
    pub shown: Vec<(MmId, u64, Shown)>,
}

impl World<'_> {
    /// The process that `name` stands for.
    pub fn process(&self, name: u8) -> Option<Process> {
        self.procs[resolve(&self.procs, name.into())?]
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

    /// What a process maps in `range` is its own no longer: pins there lose what they stood for.
    pub fn forget_identity(&mut self, pid: Pid, range: &std::ops::Range<u64>) {
        for held in self.holders.refs.iter_mut().flatten() {
            held.identity &= held.pid != pid || !range.contains(&held.addr);
        }
    }

    /// The contents of a page have been looked at.
    pub fn note_words(&mut self, word_of: impl Fn(Pfn) -> u64) {
        for held in self.holders.refs.iter_mut().flatten() {
            held.word = word_of(held.pfn);
        }
        self.writers.clear();
    }
}
