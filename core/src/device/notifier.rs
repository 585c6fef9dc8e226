//! mmu notifiers: a device that mirrors an address space is told before an entry changes.
//!
//! Every change that removes a translation or a permission happens between
//! `Current::notifier_start` and `State::notifier_end`. A driver that reads entries samples the
//! sequence first ([`Current::interval_read_begin`]), and uses the result only if the sequence is
//! unchanged ([`State::interval_read_retry`]).
//!
//! Corresponds to `mm/mmu_notifier.c`, `include/linux/mmu_notifier.h`.

use crate::ids::{DevId, MmId, TaskId};
use crate::lock::{Site, Wait};
use crate::state::{Current, State};
use crate::trace::Event;
use core::ops::Range;

/// The reason for an invalidation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotifierEvent {
    /// A VMA is unmapped or moved.
    Unmap,
    /// Entries are cleared or replaced.
    Clear,
    /// The protection of a VMA changes.
    ProtectionVma,
    /// Entries are write-protected for a fork.
    ProtectionPage,
    /// Soft-dirty bits are cleared.
    SoftDirty,
    /// `migrate_vma` collects pages; a driver may ignore its own migration.
    Migrate,
    /// A device gets a page exclusively; its driver, which asked for this, may ignore it.
    Exclusive,
}

/// An invalidation: a range whose entries change.
#[derive(Clone, Debug)]
pub struct NotifierRange {
    /// The address space.
    pub mm: MmId,
    /// The addresses.
    pub range: Range<u64>,
    /// The reason.
    pub event: NotifierEvent,
    /// The device that caused it, if one did.
    pub owner: Option<DevId>,
}

impl NotifierRange {
    pub(crate) fn new(
        mm: MmId,
        range: Range<u64>,
        event: NotifierEvent,
        owner: Option<DevId>,
    ) -> Self {
        Self {
            mm,
            range,
            event,
            owner,
        }
    }
}

impl State {
    /// The part of `mmu_notifier_invalidate_range_start` that does not sleep.
    pub(crate) fn invalidate_start(&mut self, task: TaskId, range: &NotifierRange) {
        let notifier = &mut self.mm_mut(range.mm).notifier;
        notifier.active += 1;
        // a driver ignores the invalidation for its own request, so its sequence does not advance
        // (mmu_interval_set_seq)
        let asked = range
            .owner
            .filter(|_| range.event == NotifierEvent::Exclusive);
        for (dev, seq) in notifier.seq.iter_mut().enumerate() {
            *seq += u64::from(asked.is_none_or(|asked| asked.ix() != dev));
        }
        self.trace_invalidate(task, true, range);
        if !self.mm(range.mm).notifier.released {
            self.driver_mut().invalidate(range);
        }
    }

    /// Ends an invalidation (`mmu_notifier_invalidate_range_end`).
    pub(crate) fn notifier_end(&mut self, task: TaskId, range: &NotifierRange) {
        let mm = range.mm;
        self.trace_invalidate(task, false, range);
        let notifier = &mut self.mm_mut(mm).notifier;
        notifier.active = notifier.active.saturating_sub(1);
        if notifier.active == 0 {
            self.wake(|wait| wait == Wait::Invalidation(mm));
        }
    }

    /// Tells the driver that the address space dies (`mmu_notifier_release`).
    pub(crate) fn mmu_notifier_release(&mut self, mm: MmId) {
        self.mm_mut(mm).notifier.released = true;
        zoo!(self, Bug::HmmReleaseCallback => return);
        self.driver_mut().release(mm);
    }

    fn trace_invalidate(&mut self, task: TaskId, start: bool, range: &NotifierRange) {
        let NotifierRange {
            mm, event, owner, ..
        } = *range;
        self.events.push(Event::Invalidate {
            task,
            start,
            mm,
            first: range.range.start,
            end: range.range.end,
            event,
            owner,
            seq: self.mm(mm).notifier.seq,
            held: self.held_classes(task),
            writes: self.tables.writes.len(),
        });
    }

    /// True if entries may have changed since `dev` sampled `seq`. The caller holds the driver's
    /// lock.
    pub fn interval_read_retry(&self, dev: DevId, mm: MmId, seq: u64) -> bool {
        self.mm(mm).notifier.seq[dev.ix()] != seq
    }
}

impl Current<'_> {
    /// Starts an invalidation (`mmu_notifier_invalidate_range_start`). The driver's callback runs
    /// in an atomic section. A scheduling point follows, because a callback of the kernel may
    /// sleep.
    pub(crate) async fn notifier_start(self, range: &NotifierRange) {
        zoo!(self, Bug::XeNotifierFolioLock => self.lock_mirrored(range).await);
        self.state().invalidate_start(self.task, range);
        self.preempt(Site::NotifierStart).await;
    }

    /// Waits until no invalidation is under way, and samples the sequence of `dev`
    /// (`mmu_interval_read_begin`).
    pub async fn interval_read_begin(self, dev: DevId, mm: MmId) -> u64 {
        loop {
            {
                let notifier = self.state().mm(mm).notifier;
                if notifier.active == 0 {
                    return notifier.seq[dev.ix()];
                }
            }
            self.sleep_on(Wait::Invalidation(mm)).await;
        }
    }
}
