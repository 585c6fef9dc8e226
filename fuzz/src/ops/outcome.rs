//! How an operation of a program ended.

use mm_core::{HmmPfn, Pfn};
use std::fmt;

/// An outcome, as user space or the driver's caller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It succeeded.
    Done,
    /// It read, or wrote, this word.
    Word(u64),
    /// So many pages moved.
    Moved(u32),
    /// A child process, by its slot.
    Child(usize),
    /// A reference, a lock or an open migration, by its slot.
    Slot(usize),
    /// What the device sees, or pagemap shows, a digest of it.
    Seen(u64),
    /// So many pages are the device's alone.
    Exclusive(u32),
    /// SIGSEGV, or -EFAULT of a device's access.
    Segv,
    /// SIGBUS.
    Sigbus,
    /// The write waits for userfaultfd.
    WriteProtected,
    /// Out of memory; of `mprotect` and `madvise`, part of the range is not mapped; of `mremap`, there is
    /// no room.
    Enomem,
    /// Out of memory, as `madvise` and `mlock` say it.
    Eagain,
    /// Nothing in the range is mapped, or fit for the call.
    Einval,
    /// Part of the range is not registered with userfaultfd.
    Enoent,
    /// No area covers the range that is to be remapped.
    Efault,
    /// There was nothing to do it to.
    Nothing,
}

impl Outcome {
    /// A digest of what is seen of each page.
    pub fn seen(pages: impl Iterator<Item = u64>) -> Self {
        let mut digest = crate::digest::Digest::default();
        pages.for_each(|page| digest.mix(page));
        Self::Seen(digest.value())
    }

    /// The outcome as a word, for a digest.
    pub const fn code(self) -> u64 {
        let (kind, value) = match self {
            Self::Done => (0, 0),
            Self::Word(word) => (1, word),
            Self::Moved(pages) => (2, pages as u64),
            Self::Child(slot) => (3, slot as u64),
            Self::Slot(slot) => (4, slot as u64),
            Self::Seen(digest) => (5, digest),
            Self::Segv => (6, 0),
            Self::Sigbus => (7, 0),
            Self::WriteProtected => (8, 0),
            Self::Enomem => (9, 0),
            Self::Einval => (10, 0),
            Self::Nothing => (11, 0),
            Self::Enoent => (12, 0),
            Self::Efault => (13, 0),
            Self::Exclusive(pages) => (14, pages as u64),
            Self::Eagain => (15, 0),
        };
        value.wrapping_mul(16) + kind
    }
}

/// What a device sees of a page, as a word: which frame of the system's memory it is does not show.
/// The judge's driver has the same bits (`MMFUZZ_SEEN_*`).
pub(super) fn seen(pfn: HmmPfn) -> u32 {
    match pfn {
        HmmPfn::Error => 1 << 31,
        HmmPfn::Nothing => 0,
        HmmPfn::Valid { pfn, write } => {
            let zero = u32::from(pfn == Pfn::ZERO) << 28;
            let device = pfn
                .device()
                .map_or(0, |dev| (u32::from(dev.0) + 1) << 24 | pfn.index() as u32);
            1 << 30 | u32::from(write) << 29 | zero | device
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("ok"),
            Self::Word(word) => write!(f, "{word:#x}"),
            Self::Moved(pages) => write!(f, "{pages} moved"),
            Self::Child(slot) => write!(f, "child p{slot}"),
            Self::Slot(slot) => write!(f, "slot {slot}"),
            Self::Seen(digest) => write!(f, "seen {digest:016x}"),
            Self::Exclusive(pages) => write!(f, "{pages} exclusive"),
            Self::Segv => f.write_str("SIGSEGV"),
            Self::Sigbus => f.write_str("SIGBUS"),
            Self::WriteProtected => f.write_str("waits for userfaultfd"),
            Self::Enomem => f.write_str("ENOMEM"),
            Self::Eagain => f.write_str("EAGAIN"),
            Self::Einval => f.write_str("EINVAL"),
            Self::Enoent => f.write_str("ENOENT"),
            Self::Efault => f.write_str("EFAULT"),
            Self::Nothing => f.write_str("nothing there"),
        }
    }
}
