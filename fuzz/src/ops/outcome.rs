//! The outcomes of operations.

use mm_core::{HmmPfn, Pfn};
use std::fmt;

/// An outcome, as user space or the caller of the driver sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It succeeded.
    Done,
    /// It read, or wrote, this word.
    Word(u64),
    /// This many pages moved.
    Moved(u32),
    /// It made the child process in this slot.
    Child(usize),
    /// It put a reference, a lock or an open migration into this slot.
    Slot(usize),
    /// A digest of what a device sees or pagemap shows.
    Seen(u64),
    /// This many pages became exclusive to the device.
    Exclusive(u32),
    /// SIGSEGV, or -EFAULT for an access of a device.
    Segv,
    /// SIGBUS.
    Sigbus,
    /// The write goes to userfaultfd.
    WriteProtected,
    /// ENOMEM: out of memory. For `mprotect`, `mlock` and `madvise` also: part of the range is not
    /// mapped. For `mremap` also: there is no room to grow. For `fork` also: the folio of a
    /// device-exclusive entry is locked.
    Enomem,
    /// EAGAIN: how `madvise` and `mlock` report that memory ran out, and `collapse` that a page is
    /// locked or held.
    Eagain,
    /// EINVAL: the call rejects its arguments or its range. For example, nothing in the range is
    /// mapped.
    Einval,
    /// ENOENT: part of the range is not registered with userfaultfd.
    Enoent,
    /// EFAULT: no single VMA covers the old range of `mremap`, or a fault of `populate` failed.
    Efault,
    /// EBUSY: `collapse` leaves a hole to userfaultfd.
    Ebusy,
    /// The object that the operation needs does not exist.
    Nothing,
}

impl Outcome {
    /// Digests what a device sees or pagemap shows of each page.
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
            // there is no kind left, and `Done` has no value
            Self::Ebusy => (0, 1),
        };
        value.wrapping_mul(16) + kind
    }
}

/// What a device sees of a page, as a word. The number of a frame of system memory is left out. The
/// judge's driver uses the same bits (`MMFUZZ_SEEN_*`).
pub(super) fn seen(pfn: HmmPfn) -> u32 {
    match pfn {
        HmmPfn::Error => 1 << 31,
        HmmPfn::Nothing => 0,
        HmmPfn::Valid { pfn, write, .. } => {
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
            Self::WriteProtected => f.write_str("goes to userfaultfd"),
            Self::Enomem => f.write_str("ENOMEM"),
            Self::Eagain => f.write_str("EAGAIN"),
            Self::Einval => f.write_str("EINVAL"),
            Self::Enoent => f.write_str("ENOENT"),
            Self::Efault => f.write_str("EFAULT"),
            Self::Ebusy => f.write_str("EBUSY"),
            Self::Nothing => f.write_str("nothing there"),
        }
    }
}
