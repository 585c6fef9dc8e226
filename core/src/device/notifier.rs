//! mmu notifiers: who mirrors an address space is told before an entry changes.
//!
//! Every change that takes a translation or a permission away is bracketed by [`Current::notifier_start`] and [`State::notifier_end`].
//! A reader of the tables samples the sequence first ([`Current::interval_read_begin`]) and uses what
//! it read only if the sequence is unchanged ([`State::interval_read_retry`]).
//!
//! Corresponds to `mm/mmu_notifier.c`, `include/linux/mmu_notifier.h`.

use crate::ids::{DevId, MmId, TaskId};
use crate::lock::{Site, Wait};
use crate::state::{Current, State};
use crate::trace::Event;
use core::ops::Range;

/// Why entries change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotifierEvent {
    /// The area goes.
    Unmap,
    /// Entries are cleared or replaced.
    Clear,
    /// The protection of the area changes.
    ProtectionVma,
    /// Entries are write-protected for a fork.
    ProtectionPage,
    /// Soft-dirty is cleared.
    SoftDirty,
    /// `migrate_vma`: a driver may ignore its own.
    Migrate,
    /// A device gets a page for itself: its driver, which asked for it, may ignore that.
    Exclusive,
}

/// A change of entries that is announced.
#[derive(Clone, Debug)]
pub struct NotifierRange {
    /// The address space.
    pub mm: MmId,
    /// The addresses.
    pub range: Range<u64>,
    /// Why.
    pub event: NotifierEvent,
    /// On whose behalf.
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
    /// `mmu_notifier_invalidate_range_start`, but for its sleeping.
    fn invalidate_start(&mut self, task: TaskId, range: &NotifierRange) {
        let notifier = &mut self.mm_mut(range.mm).notifier;
        notifier.active += 1;
        // a driver that ignores what it asked for leaves its sequence alone (mmu_interval_set_seq)
        let asked = range
            .owner
            .filter(|_| range.event == NotifierEvent::Exclusive);
        for (dev, seq) in notifier.seq.iter_mut().enumerate() {
            *seq += u64::from(asked.is_none_or(|asked| asked.ix() != dev));
        }
        self.trace_invalidate(task, true, range);
        if !self.mm(range.mm).notifier.released {
            self.driver.invalidate(range);
        }
    }

    /// `mmu_notifier_invalidate_range_end`.
    pub(crate) fn notifier_end(&mut self, task: TaskId, range: &NotifierRange) {
        let mm = range.mm;
        self.trace_invalidate(task, false, range);
        let notifier = &mut self.mm_mut(mm).notifier;
        notifier.active = notifier.active.saturating_sub(1);
        if notifier.active == 0 {
            self.wake(|wait| wait == Wait::Invalidation(mm));
        }
    }

    /// The address space dies: nobody mirrors it any more (`mmu_notifier_release`).
    pub(crate) fn mmu_notifier_release(&mut self, mm: MmId) {
        self.mm_mut(mm).notifier.released = true;
        zoo!(self, Bug::HmmReleaseCallback => return);
        self.driver.release(mm);
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

    /// True if the entries may have changed since `dev` sampled `seq`; called under the driver's lock.
    pub fn interval_read_retry(&self, dev: DevId, mm: MmId, seq: u64) -> bool {
        self.mm(mm).notifier.seq[dev.ix()] != seq
    }
}

impl Current<'_> {
    /// Announces a change; the callbacks may sleep.
    pub(crate) async fn notifier_start(self, range: &NotifierRange) {
        zoo!(self, Bug::XeNotifierFolioLock => self.lock_mirrored(range).await);
        self.state().invalidate_start(self.task, range);
        self.preempt(Site::NotifierStart).await;
    }

    /// Samples the sequence of `dev` when no invalidation is under way (`mmu_interval_read_begin`).
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
