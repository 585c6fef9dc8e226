//! The shape of the machine: the sizes of page tables, huge pages and memories.
//!
//! All code works with these numbers. So the same state machine runs with tables of eight entries,
//! where every boundary is near and a full check is cheap, and with the tables of x86-64. Addresses
//! count pages throughout the crate; there is no offset within a page.

/// Sizes of page tables, huge pages, and of the system's and the devices' memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// log2 of the entries in one page table.
    pub table_bits: u32,
    /// Levels of page tables; level 0 holds the base-page entries.
    pub levels: u32,
    /// Frames of system memory, the zero page included.
    pub system_frames: u32,
    /// Frames of each device's memory.
    pub device_frames: u32,
    /// Slots of the swap device.
    pub swap_slots: u32,
}

impl Geometry {
    /// Tables of eight entries, three levels, tens of frames.
    pub const TINY: Self = Self {
        table_bits: 3,
        levels: 3,
        system_frames: 96,
        device_frames: 32,
        swap_slots: 1 << 10,
    };

    /// Four levels of 512 entries, 2^22 system frames (16 GiB) and 2^20 frames a device.
    pub const X86_64: Self = Self {
        table_bits: 9,
        levels: 4,
        system_frames: 1 << 22,
        device_frames: 1 << 20,
        swap_slots: 1 << 22,
    };

    /// Entries in one page table.
    pub const fn entries(&self) -> usize {
        1 << self.table_bits
    }

    /// Number of pages that one table of `level` spans.
    pub const fn span(&self, level: u32) -> u64 {
        1 << (self.table_bits * (level + 1))
    }

    /// First address above user space, in pages.
    pub const fn task_size(&self) -> u64 {
        self.span(self.levels - 1)
    }

    /// Index of `addr` in its table of `level`.
    pub const fn index(&self, addr: u64, level: u32) -> usize {
        ((addr >> (self.table_bits * level)) & ((1 << self.table_bits) - 1)) as usize
    }
}
