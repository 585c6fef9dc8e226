//! Slots: each object that a program holds has a slot, the lowest slot that was free when the
//! object was made. A program names a slot. If that slot is empty, the name, modulo the number of
//! objects, is an index into the slots that are taken.
//!
//! [`Slots`] is for running a program on a real kernel: it gives objects the same slots as the
//! executor's own `World` does in the model.

use crate::contract::{RefKind, Slot};
use crate::limits::{MAX_HELD, MAX_PROCS, MAX_WORKERS};
use crate::program::{Op, OperandKind};

/// The slot that `name` stands for; `None` if all slots are free, or if `name` is beyond the last
/// slot.
pub fn resolve<T>(slots: &[Option<T>], name: usize) -> Option<usize> {
    if slots.get(name)?.is_some() {
        return Some(name);
    }
    let taken = slots.iter().filter(|slot| slot.is_some()).count();
    let nth = name.checked_rem(taken)?;
    slots
        .iter()
        .enumerate()
        .filter(|(_, slot)| slot.is_some())
        .map(|(i, _)| i)
        .nth(nth)
}

/// The lowest free slot.
pub fn free_slot<T>(slots: &[Option<T>]) -> Option<usize> {
    slots.iter().position(Option::is_none)
}

/// The objects that a program holds, by slot; `P` stands for a process.
#[derive(Clone, Copy, Debug)]
pub struct Slots<P> {
    /// Processes.
    pub procs: [Option<P>; MAX_PROCS],
    /// References.
    pub refs: [Option<RefKind>; MAX_HELD],
    /// Folio locks.
    pub locks: [Option<()>; MAX_HELD],
    /// Open migrations.
    pub migrations: [Option<()>; MAX_WORKERS],
}

impl<P> Default for Slots<P> {
    fn default() -> Self {
        Self {
            procs: [const { None }; MAX_PROCS],
            refs: [None; MAX_HELD],
            locks: [None; MAX_HELD],
            migrations: [None; MAX_WORKERS],
        }
    }
}

/// The slots that the names in an operation stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The slot of the process; `None` if the operation names none, or none exists.
    pub proc: Option<usize>,
    /// The slot of the reference, the lock or the open migration; `None` likewise.
    pub object: Option<usize>,
}

/// The slots that an operation works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpSlots {
    /// The slot of the process that the operation names; `None` if it names none.
    pub proc: Option<usize>,
    /// The slot that the operation takes, frees or continues; 0 if it works on none.
    pub slot: usize,
}

impl<P> Slots<P> {
    /// The slots that an operation works on; `None` if the object that it needs does not exist.
    pub fn of(&self, op: Op) -> Option<OpSlots> {
        let named = |kind| op.operand(kind).unwrap_or_default().into();
        let slot = match op.kind().contract().slot {
            Slot::None => 0,
            Slot::NewProcess => free_slot(&self.procs)?,
            Slot::NewMigration => free_slot(&self.migrations)?,
            Slot::Migration => resolve(&self.migrations, named(OperandKind::MigrationSlot))?,
            Slot::NewReference(_) => free_slot(&self.refs)?,
            Slot::Reference => resolve(&self.refs, named(OperandKind::RefSlot))?,
            Slot::NewLock => free_slot(&self.locks)?,
            Slot::Lock => resolve(&self.locks, named(OperandKind::LockSlot))?,
        };
        let proc = match op.proc() {
            Some(name) => Some(resolve(&self.procs, name.get().into())?),
            None => None,
        };
        Some(OpSlots { proc, slot })
    }

    /// An operation on `slot` succeeded: records the reference or lock that it took or gave back.
    /// The caller records processes and migrations itself.
    pub fn done(&mut self, op: Op, slot: usize) {
        match op.kind().contract().slot {
            Slot::NewReference(kind) => self.refs[slot] = Some(kind),
            Slot::Reference => self.refs[slot] = None,
            Slot::NewLock => self.locks[slot] = Some(()),
            Slot::Lock => self.locks[slot] = None,
            Slot::None | Slot::NewProcess | Slot::NewMigration | Slot::Migration => {}
        }
    }

    /// Sets which migrations are open, one bit each.
    pub fn set_open(&mut self, open: u8) {
        for (slot, migration) in self.migrations.iter_mut().enumerate() {
            *migration = (open >> slot & 1 != 0).then_some(());
        }
    }

    /// Frees all slots with folio locks, and returns them.
    pub fn take_locks(&mut self) -> impl Iterator<Item = usize> {
        let locks = self.locks.iter_mut().enumerate();
        locks.filter_map(|(slot, lock)| lock.take().map(|()| slot))
    }

    /// Frees all slots with references of pfn walkers, and returns them.
    pub fn take_walkers(&mut self) -> impl Iterator<Item = usize> {
        let refs = self.refs.iter_mut().enumerate();
        refs.filter_map(|(slot, held)| held.take_if(|kind| *kind == RefKind::Walker).map(|_| slot))
    }
}
