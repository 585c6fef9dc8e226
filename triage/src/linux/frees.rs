//! The order in which device pages are freed.
//!
//! A page that leaves an mlocked VMA goes through a batch, and Linux frees it when it drains that
//! batch. The free frames of a device are a stack, so the order counts. The driver drains the batch
//! before it observes, compacts, reclaims or evicts frames, before each phase of a held migration,
//! when a task stops, and before a stopped task goes on. `migrate_device_unmap` drains the batch
//! before a migration allocates.

use mm_core::{DEVICES, MmId, Pte, PteWrite, Softleaf, State, VmFlags};
use std::collections::BTreeSet;

/// What has left the devices since the batch was drained.
#[derive(Debug, Default)]
pub struct Frees {
    /// The pages of mlocked VMAs after the last slice.
    locked: BTreeSet<(MmId, u64)>,
    /// For each device, whether one of its pages has left an mlocked VMA.
    late: [bool; DEVICES],
}

impl Frees {
    /// Notes what a slice has freed. Returns false if Linux may free two pages of a device in
    /// another order than the model.
    pub fn slice(&mut self, s: &State) -> bool {
        let after = locked_pages(s);
        let mut in_order = true;
        let mut writes = s.pte_writes().iter().peekable();
        while let Some(write) = writes.next() {
            let Some(dev) = device_left(write) else {
                continue;
            };
            let goes_on = writes.peek().is_some_and(|next| is_same_entry(write, next));
            let of = (write.mm, write.addr);
            let (was, is) = (self.locked.contains(&of), after.contains(&of));
            let late = (was || is) && !goes_on;
            in_order &= !self.late[dev] || was && late;
            self.late[dev] |= late;
        }
        self.locked = after;
        in_order
    }

    /// The batch is drained.
    pub fn drained(&mut self) {
        self.late = [false; DEVICES];
    }
}

/// The pages of all mlocked VMAs.
pub fn locked_pages(s: &State) -> BTreeSet<(MmId, u64)> {
    let areas = s.vmas().iter().map(|(_, area)| area);
    areas
        .filter(|area| area.flags.contains(VmFlags::LOCKED))
        .flat_map(|area| area.range().map(|addr| (area.mm, addr)))
        .collect()
}

/// The device whose page the entry no longer names.
fn device_left(write: &PteWrite) -> Option<usize> {
    let device = |pte: Pte| match pte.leaf() {
        Some(Softleaf::DevicePrivate { pfn, .. }) => pfn.device(),
        _ => None,
    };
    let left = device(write.old)?;
    (device(write.new) != Some(left)).then_some(usize::from(left.0))
}

/// Whether `next` sets the entry that `write` cleared, as when a page-table entry becomes a
/// migration entry.
fn is_same_entry(write: &PteWrite, next: &PteWrite) -> bool {
    (write.mm, write.addr) == (next.mm, next.addr) && write.new == next.old
}
