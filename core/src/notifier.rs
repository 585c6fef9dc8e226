//! mmu notifiers: who mirrors an address space is told before an entry changes.
//!
//! Every change that takes a translation or a permission away is bracketed by [`Current::notifier_start`] and [`State::notifier_end`].
//! A reader of the tables samples the sequence first ([`Current::interval_read_begin`]) and uses what
//! it read only if the sequence is unchanged ([`State::interval_read_retry`]).
//!
//! Corresponds to `mm/mmu_notifier.c`, `include/linux/mmu_notifier.h`.

use crate::ids::{DevId, MmId};
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
    fn invalidate_start(&mut self, range: &NotifierRange) {
        let notifier = &mut self.mm_mut(range.mm).notifier;
        notifier.active += 1;
        notifier.seq += 1;
        self.events.push(Event::Invalidate {
            mm: range.mm,
            start: range.range.start,
            end: range.range.end,
        });
        let notifier = &self.mm(range.mm).notifier;
        if !notifier.released {
            self.driver.invalidate(range);
        }
    }

    /// `mmu_notifier_invalidate_range_end`.
    pub(crate) fn notifier_end(&mut self, range: &NotifierRange) {
        let mm = range.mm;
        let notifier = &mut self.mm_mut(mm).notifier;
        notifier.active = notifier.active.saturating_sub(1);
        if notifier.active == 0 {
            self.wake(|wait| wait == Wait::Invalidation(mm));
        }
    }

    /// True if the entries may have changed since `seq` was sampled; called under the driver's lock.
    pub(crate) fn interval_read_retry(&self, mm: MmId, seq: u64) -> bool {
        self.mm(mm).notifier.seq != seq
    }
}

impl Current<'_> {
    /// Announces a change; the callbacks may sleep.
    pub(crate) async fn notifier_start(self, range: &NotifierRange) {
        self.state().invalidate_start(range);
        self.preempt(Site::NotifierStart).await;
    }

    /// Samples the sequence when no invalidation is under way (`mmu_interval_read_begin`).
    pub(crate) async fn interval_read_begin(self, mm: MmId) -> u64 {
        loop {
            {
                let notifier = self.state().mm(mm).notifier;
                if notifier.active == 0 {
                    return notifier.seq;
                }
            }
            self.sleep_on(Wait::Invalidation(mm)).await;
        }
    }
}
