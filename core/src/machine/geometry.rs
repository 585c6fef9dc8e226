//! The shape of the machine: the sizes of page tables, huge pages and memories.
//!
//! All code works with these numbers. So the same state machine runs with tables of eight entries,
//! where every boundary is near and a full check is cheap, and with the tables of x86-64. Addresses
//! count pages throughout the crate; there is no offset within a page.

use crate::ids::Pfn;
use core::error::Error;
use core::fmt;
use core::ops::Range;

/// Sizes of page tables, huge pages, and of the system's and the devices' memory.
///
/// ```
/// use mm_core::{Geometry, MemorySizes};
///
/// let memory = MemorySizes { system_frames: 64, device_frames: 16, swap_slots: 64 };
/// let geometry = Geometry::new(2, 4, memory)?;
/// assert_eq!((geometry.entries(), geometry.task_size()), (4, 256));
///
/// let error = Geometry::new(2, 1, memory).unwrap_err();
/// assert_eq!(error.to_string(), "1 level of page tables: a huge page needs 2 or more");
/// # Ok::<(), mm_core::GeometryError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    table_bits: u32,
    levels: u32,
    memory: MemorySizes,
}

/// The size of each kind of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySizes {
    /// Frames of system memory, the zero page included.
    pub system_frames: u32,
    /// Frames of each device's memory.
    pub device_frames: u32,
    /// Slots of the swap device.
    pub swap_slots: u32,
}

/// Why [`Geometry::new`] refuses its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GeometryError {
    /// An index has no bits, or more than [`Geometry::MAX_TABLE_BITS`].
    TableBits(u32),
    /// There are fewer than two levels, so no table can hold huge pages.
    Levels(u32),
    /// An address would have more bits than [`Geometry::MAX_ADDRESS_BITS`].
    AddressBits {
        /// The bits of an index.
        table_bits: u32,
        /// The levels.
        levels: u32,
    },
    /// System memory has no frame besides the zero page, or more than [`Pfn::FRAMES`].
    SystemFrames(u32),
    /// A device has more frames than [`Pfn::FRAMES`].
    DeviceFrames(u32),
}

impl fmt::Display for GeometryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = Pfn::FRAMES;
        match self {
            Self::TableBits(bits) => write!(
                f,
                "an index of {bits} bits into a page table: use 1 to {}",
                Geometry::MAX_TABLE_BITS
            ),
            Self::Levels(levels) => {
                let s = if *levels == 1 { "" } else { "s" };
                write!(
                    f,
                    "{levels} level{s} of page tables: a huge page needs 2 or more"
                )
            }
            Self::AddressBits { table_bits, levels } => write!(
                f,
                "{levels} levels of {table_bits} bits: an address, in pages, has at most {} bits",
                Geometry::MAX_ADDRESS_BITS
            ),
            Self::SystemFrames(frames) => write!(
                f,
                "{frames} frames of system memory: use 2 (one is the zero page) to {most}"
            ),
            Self::DeviceFrames(frames) => {
                write!(f, "{frames} frames of device memory: use at most {most}")
            }
        }
    }
}

impl Error for GeometryError {}

impl Geometry {
    /// The most bits of an index into one table.
    pub const MAX_TABLE_BITS: u32 = 12;
    /// The most bits of an address. An address counts pages: 52 bits, and the 12 bits of an offset
    /// in a page of 4096 bytes, make a 64-bit byte address.
    pub const MAX_ADDRESS_BITS: u32 = 52;

    /// Tables of eight entries, three levels, tens of frames.
    pub const TINY: Self = Self::known(
        3,
        3,
        MemorySizes {
            system_frames: 96,
            device_frames: 32,
            swap_slots: 1 << 10,
        },
    );

    /// Four levels of 512 entries, 2^22 system frames (16 GiB) and 2^20 frames a device.
    pub const X86_64: Self = Self::known(
        9,
        4,
        MemorySizes {
            system_frames: 1 << 22,
            device_frames: 1 << 20,
            swap_slots: 1 << 22,
        },
    );

    /// A machine with `levels` of page tables, 2^`table_bits` entries in each, and `memory`.
    ///
    /// # Errors
    ///
    /// The first argument that is out of range.
    pub const fn new(
        table_bits: u32,
        levels: u32,
        memory: MemorySizes,
    ) -> Result<Self, GeometryError> {
        if table_bits == 0 || table_bits > Self::MAX_TABLE_BITS {
            return Err(GeometryError::TableBits(table_bits));
        }
        if levels < 2 {
            return Err(GeometryError::Levels(levels));
        }
        if levels > Self::MAX_ADDRESS_BITS / table_bits {
            return Err(GeometryError::AddressBits { table_bits, levels });
        }
        if memory.system_frames < 2 || memory.system_frames > Pfn::FRAMES {
            return Err(GeometryError::SystemFrames(memory.system_frames));
        }
        if memory.device_frames > Pfn::FRAMES {
            return Err(GeometryError::DeviceFrames(memory.device_frames));
        }
        Ok(Self {
            table_bits,
            levels,
            memory,
        })
    }

    /// A geometry of this crate; a wrong one does not compile.
    const fn known(table_bits: u32, levels: u32, memory: MemorySizes) -> Self {
        match Self::new(table_bits, levels, memory) {
            Ok(geometry) => geometry,
            Err(_) => panic!("no machine has this geometry"),
        }
    }

    /// log2 of the entries in one page table.
    pub const fn table_bits(&self) -> u32 {
        self.table_bits
    }

    /// Levels of page tables; level 0 holds the base-page entries.
    pub const fn levels(&self) -> u32 {
        self.levels
    }

    /// Frames of system memory, the zero page included.
    pub const fn system_frames(&self) -> u32 {
        self.memory.system_frames
    }

    /// Frames of each device's memory.
    pub const fn device_frames(&self) -> u32 {
        self.memory.device_frames
    }

    /// Slots of the swap device.
    pub const fn swap_slots(&self) -> u32 {
        self.memory.swap_slots
    }

    /// Entries in one page table.
    pub const fn entries(&self) -> usize {
        1 << self.table_bits
    }

    /// Number of pages that one table of `level` spans.
    pub const fn span(&self, level: u32) -> u64 {
        1 << (self.table_bits * (level + 1))
    }

    /// The end of the table of `level` that spans `addr`.
    pub const fn end_of(&self, addr: u64, level: u32) -> u64 {
        (addr | (self.span(level) - 1)) + 1
    }

    /// The parts of `range` that lie in one lowest-level table each.
    pub fn tables(self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let mut rest = range;
        core::iter::from_fn(move || {
            let end = rest.end.min(self.end_of(rest.start, 0));
            let part = rest.start..end;
            rest.start = end.max(rest.start);
            (!part.is_empty()).then_some(part)
        })
    }

    /// log2 of the pages that a huge entry in a table of `level` stands for.
    pub const fn order(&self, level: u32) -> u8 {
        (self.table_bits * level) as u8
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
