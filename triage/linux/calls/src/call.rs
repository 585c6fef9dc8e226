//! The system calls.

use crate::operand::{Advice, MapKind, Modes, Odd, Policy, Prot, Resource};
use crate::range::Range;
use serde::{Deserialize, Serialize};

/// A system call, or a few that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Call {
    /// `mmap` with `MAP_FIXED`.
    Map {
        /// Where.
        range: Range,
        /// What is mapped.
        kind: MapKind,
        /// The protection.
        prot: Prot,
    },
    /// `munmap`.
    Unmap(Range),
    /// `mseal`.
    Seal(Range),
    /// `remap_file_pages`: the range maps other pages of its object, beginning with this page of
    /// the object.
    RemapFile(Range, u16),
    /// `mprotect`.
    Protect(Range, Prot),
    /// `mremap` to another place (`MREMAP_FIXED`), with `MREMAP_DONTUNMAP` if `keep`.
    Move {
        /// What moves.
        range: Range,
        /// The first page of the new place.
        to: u16,
        /// The old mapping stays, empty.
        keep: bool,
    },
    /// `mremap` in place to another number of pages.
    Resize(Range, u16),
    /// `brk`, after the heap was placed at this range (`PR_SET_MM`): to another number of pages.
    Brk(Range, u16),
    /// Writes a word to each page.
    Write(Range),
    /// Writes a word to every other page.
    WriteAlternate(Range),
    /// Reads the word of each page.
    Read(Range),
    /// Writes through `/proc/self/mem`.
    MemWrite(Range),
    /// Writes with `process_vm_writev`, which pins the pages.
    VmWrite(Range),
    /// Writes zero to each page.
    WriteZero(Range),
    /// Reads through `/proc/self/mem`.
    MemRead(Range),
    /// Reads with `process_vm_readv`, which pins the pages.
    VmRead(Range),
    /// Reads the memory of the other process through `/proc/PID/mem`.
    FarRead(Range),
    /// A call with odd arguments, at the first page of the range.
    Odd(Range, Odd),
    /// Writes a word to each page of the memfd, by `pwrite`.
    FileWrite(Range),
    /// Reads the word of each page of the memfd, by `pread`.
    FileRead(Range),
    /// Writes these pages of the memfd, each with its word, past the page cache (`O_DIRECT`).
    DirectWrite(Range),
    /// Reads another file past the page cache (`O_DIRECT`) into the range: a word for each page.
    DirectRead(Range),
    /// `fsync` of the memfd, and `POSIX_FADV_DONTNEED`: its pages leave the page cache.
    DropCache,
    /// `fallocate` of these pages of the memfd, with `FALLOC_FL_KEEP_SIZE` if the flag is set.
    Allocate(Range, bool),
    /// Puts the pages, at most 16, into a pipe (`vmsplice`), which has references to them.
    Splice(Range),
    /// Closes the pipe.
    Unsplice,
    /// Gives the range a name (`PR_SET_VMA_ANON_NAME`).
    Name(Range),
    /// Pins pages for writing, as a driver does for DMA (`PIN_LONGTERM_TEST_START` of
    /// `/sys/kernel/debug/gup_test`).
    Pin(Range),
    /// Pins pages for reading, as a driver does for DMA.
    PinRead(Range),
    /// Ends the pins.
    Unpin,
    /// io_uring reads a word for each page into a registered buffer (`IORING_OP_READ_FIXED`).
    UringRead(Range),
    /// `shmdt` at the first page of the range.
    Detach(Range),
    /// `fallocate` with `FALLOC_FL_PUNCH_HOLE` of these pages of the memfd.
    Punch(Range),
    /// `ftruncate` of the memfd to the first page of the range, and back to its size.
    Truncate(Range),
    /// `madvise`.
    Advise(Range, Advice),
    /// `mlock`, or `mlock2` with `MLOCK_ONFAULT`.
    Lock {
        /// What is locked.
        range: Range,
        /// `MLOCK_ONFAULT`.
        on_fault: bool,
    },
    /// `munlock`.
    Unlock(Range),
    /// `mlockall` with these flags: 1 current, 2 future, 4 on fault.
    LockAll(u8),
    /// `munlockall`.
    UnlockAll,
    /// `msync`.
    Sync(Range),
    /// `mbind`, with this node.
    Bind(Range, Policy, u8),
    /// `set_mempolicy_home_node`.
    HomeNode(Range, u8),
    /// `F_ADD_SEALS` of the memfd.
    SealFile(u8),
    /// `ftruncate` of the memfd to a number of pages.
    FileSize(u16),
    /// `fchmod` of the memfd, which would make it executable.
    FileMode,
    /// `setrlimit`: the process may get [`Resource::ROOM_KB`] more of this resource than it has. A
    /// stack may have that much in all.
    Limit(Resource),
    /// `PR_SET_MDWE`.
    Mdwe,
    /// `PR_SET_MEMORY_MERGE`: KSM may merge all pages of the process, or none.
    MergeAll(bool),
    /// `PR_SET_THP_DISABLE`: with 1, the process gets no huge pages; with 2, only where it asks for
    /// them (`PR_THP_DISABLE_EXCEPT_ADVISED`); with 0, it gets them again.
    HugeOff(u8),
    /// Clears the soft-dirty bits (4 to `/proc/self/clear_refs`).
    ClearSoftDirty,
    /// KSM scans all memory.
    Ksm,
    /// khugepaged scans all memory.
    Khugepaged,
    /// Compaction of all memory.
    Compact,
    /// Reclaim of all memory of the control group of the programs (`memory.reclaim`).
    Reclaim,
    /// `move_pages` to the other node.
    Migrate(Range),
    /// `swapoff`, and `swapon`.
    SwapOff,
    /// `UFFDIO_REGISTER`.
    Register(Range, Modes),
    /// `UFFDIO_UNREGISTER`.
    Unregister(Range),
    /// `UFFDIO_WRITEPROTECT`, on or off.
    WriteProtect(Range, bool),
    /// `UFFDIO_RWPROTECT`, on or off.
    RwProtect(Range, bool),
    /// `UFFDIO_COPY`, write-protected if the flag is set.
    Copy(Range, bool),
    /// `UFFDIO_ZEROPAGE`.
    Zero(Range),
    /// `UFFDIO_MOVE` to the place that begins at this page.
    UffdMove(Range, u16),
    /// `UFFDIO_POISON`.
    Poison(Range),
    /// `UFFDIO_CONTINUE`.
    Continue(Range),
    /// `UFFDIO_WAKE`.
    Wake(Range),
    /// The process may have no more mappings than it has now (`vm.max_map_count`).
    MapLimit,
    /// hugetlb may have no more huge pages than are in use or reserved now (`vm.nr_hugepages`).
    HugetlbLimit,
    /// The userfaultfd is closed.
    CloseUffd,
    /// A thread begins to access the first page of the range. If it waits for the userfaultfd, the
    /// monitor leaves it alone, and the program goes on.
    Start {
        /// The range. Only its first page is accessed.
        range: Range,
        /// It writes.
        writes: bool,
    },
    /// `PAGEMAP_SCAN`: the categories that must all be set, and whether matching pages are
    /// write-protected.
    Scan {
        /// What is scanned.
        range: Range,
        /// Bits 0 to 6 stand for present, swapped, file, soft-dirty, guard, written and huge.
        categories: u8,
        /// `PM_SCAN_WP_MATCHING`.
        protect: bool,
        /// There is no vector for what is found.
        blind: bool,
        /// The most pages that one call may report; 0 if there is no limit. Calls follow each
        /// other until all is scanned.
        limit: u16,
    },
    /// `fork`: the second process begins.
    Fork,
    /// The second process ends.
    Exit,
    /// Migration to the memory of `/dev/hmm_dmirror0`.
    ToDevice(Range),
    /// Migration back.
    ToSystem(Range),
    /// The device driver's next allocation for a migration fails, whatever its size.
    DeviceLacksHuge,
    /// The device reads.
    DeviceRead(Range),
    /// The device writes a word to each page.
    DeviceWrite(Range),
    /// The device gets exclusive access.
    Exclusive(Range),
}

/// A call of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Step {
    /// 0 or 1.
    pub process: u8,
    /// The call.
    pub call: Call,
    /// Which of the call's allocations of memory fails, counted from 1; 0 if none fails. If the
    /// call accesses each page of a range, only the allocations for the first page are counted.
    pub fail: u8,
    /// The call begins while the call of the step before it runs, in a second thread.
    pub beside: bool,
}

impl Step {
    /// A call whose allocations succeed, and that begins once the call before it has ended.
    pub const fn new(process: u8, call: Call) -> Self {
        Self {
            process,
            call,
            fail: 0,
            beside: false,
        }
    }
}

impl Call {
    /// The word of the call in a program.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Map { .. } => "mmap",
            Self::Unmap(_) => "munmap",
            Self::Seal(_) => "mseal",
            Self::RemapFile(..) => "remap-file-pages",
            Self::Protect(..) => "mprotect",
            Self::Move { .. } => "mremap",
            Self::Resize(..) => "resize",
            Self::Brk(..) => "brk",
            Self::LockAll(_) => "mlockall",
            Self::UnlockAll => "munlockall",
            Self::Sync(_) => "msync",
            Self::Bind(..) => "mbind",
            Self::HomeNode(..) => "home-node",
            Self::SealFile(_) => "seal-file",
            Self::FileSize(_) => "file-size",
            Self::FileMode => "chmod",
            Self::Limit(_) => "limit",
            Self::Mdwe => "mdwe",
            Self::MergeAll(_) => "memory-merge",
            Self::HugeOff(_) => "thp-disable",
            Self::Write(_) => "write",
            Self::WriteAlternate(_) => "write-alternate",
            Self::Read(_) => "read",
            Self::MemWrite(_) => "mem-write",
            Self::VmWrite(_) => "vm-write",
            Self::WriteZero(_) => "write-zero",
            Self::MemRead(_) => "mem-read",
            Self::VmRead(_) => "vm-read",
            Self::FarRead(_) => "far-read",
            Self::Odd(_, odd) => odd.name(),
            Self::FileWrite(_) => "file-write",
            Self::FileRead(_) => "file-read",
            Self::DirectWrite(_) => "direct-write",
            Self::DirectRead(_) => "direct-read",
            Self::DropCache => "drop-cache",
            Self::Allocate(..) => "fallocate",
            Self::Splice(_) => "splice",
            Self::Unsplice => "unsplice",
            Self::Name(_) => "name",
            Self::Pin(_) => "pin",
            Self::PinRead(_) => "pin-read",
            Self::Unpin => "unpin",
            Self::UringRead(_) => "uring-read",
            Self::Detach(_) => "shmdt",
            Self::Punch(_) => "punch",
            Self::Truncate(_) => "truncate",
            Self::Advise(_, advice) => advice.name(),
            Self::Lock { .. } => "mlock",
            Self::Unlock(_) => "munlock",
            Self::ClearSoftDirty => "clear-soft-dirty",
            Self::Ksm => "ksm",
            Self::Khugepaged => "khugepaged",
            Self::Compact => "compact",
            Self::Reclaim => "reclaim",
            Self::Migrate(_) => "move-pages",
            Self::SwapOff => "swapoff",
            Self::Register(..) => "uffd-register",
            Self::Unregister(_) => "uffd-unregister",
            Self::WriteProtect(..) => "uffd-writeprotect",
            Self::RwProtect(..) => "uffd-rwprotect",
            Self::Copy(..) => "uffd-copy",
            Self::Zero(_) => "uffd-zeropage",
            Self::UffdMove(..) => "uffd-move",
            Self::Poison(_) => "uffd-poison",
            Self::Continue(_) => "uffd-continue",
            Self::Wake(_) => "uffd-wake",
            Self::MapLimit => "map-limit",
            Self::HugetlbLimit => "hugetlb-limit",
            Self::CloseUffd => "uffd-close",
            Self::Start { writes: true, .. } => "start-write",
            Self::Start { writes: false, .. } => "start-read",
            Self::Scan { .. } => "pagemap-scan",
            Self::Fork => "fork",
            Self::Exit => "exit",
            Self::ToDevice(_) => "to-device",
            Self::ToSystem(_) => "to-system",
            Self::DeviceLacksHuge => "device-lacks-huge",
            Self::DeviceRead(_) => "device-read",
            Self::DeviceWrite(_) => "device-write",
            Self::Exclusive(_) => "device-exclusive",
        }
    }

    /// A number for the call, from 1 to 1023, made of its name. Few calls share a number.
    pub fn number(&self) -> u16 {
        let hash = |sum: u32, byte: u8| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        let sum = self.name().bytes().fold(0x811c_9dc5, hash);
        (sum % 1023) as u16 + 1
    }

    /// The name of the call. Calls that touch pages share a name, and so do those that ask for huge
    /// pages, and those whose range wraps around: for a bug, it rarely matters which of them a
    /// program makes.
    pub const fn family(&self) -> &'static str {
        match self {
            Self::Write(_)
            | Self::WriteAlternate(_)
            | Self::Read(_)
            | Self::MemWrite(_)
            | Self::VmWrite(_)
            | Self::WriteZero(_)
            | Self::MemRead(_)
            | Self::VmRead(_)
            | Self::FarRead(_)
            | Self::DeviceRead(_)
            | Self::DeviceWrite(_)
            | Self::Start { .. }
            | Self::Advise(_, Advice::PopulateRead | Advice::PopulateWrite) => "touch",
            Self::Advise(_, Advice::HugePage | Advice::Collapse) => "hugepage",
            Self::Odd(_, odd) if !odd.is_about_file() => "odd",
            other => other.name(),
        }
    }

    /// It needs a kernel with `WHOLE=1`: control groups, or a disk.
    pub const fn needs_whole(&self) -> bool {
        matches!(self, Self::Reclaim | Self::DirectRead(_))
    }

    /// It is about the memfd itself.
    pub const fn is_about_file(&self) -> bool {
        matches!(
            self,
            Self::SealFile(_)
                | Self::FileSize(_)
                | Self::FileMode
                | Self::FileWrite(_)
                | Self::FileRead(_)
                | Self::DirectWrite(_)
                | Self::DropCache
                | Self::Allocate(..)
                | Self::Punch(_)
                | Self::Truncate(_)
        ) || matches!(self, Self::Odd(_, odd) if odd.is_about_file())
    }

    /// It may map memory, or change what may be done with it.
    pub const fn changes_mappings(&self) -> bool {
        matches!(
            self,
            Self::Map { .. }
                | Self::Protect(..)
                | Self::Brk(..)
                | Self::Move { .. }
                | Self::Resize(..)
                | Self::RemapFile(..)
        )
    }

    /// It writes to memory that a process maps, and page faults of these writes may wait for
    /// userfaultfd.
    pub const fn writes(&self) -> bool {
        matches!(
            self,
            Self::Write(_)
                | Self::WriteAlternate(_)
                | Self::WriteZero(_)
                | Self::MemWrite(_)
                | Self::VmWrite(_)
                | Self::DeviceWrite(_)
                | Self::UringRead(_)
                | Self::DirectRead(_)
        )
    }

    /// Something else than the process writes a word to each page of the range, and either all of
    /// the call succeeds or nothing is known of the pages.
    pub const fn writes_as_device(&self) -> bool {
        matches!(
            self,
            Self::DeviceWrite(_) | Self::UringRead(_) | Self::DirectRead(_)
        )
    }

    /// It fills pages in by userfaultfd.
    pub const fn fills(&self) -> bool {
        matches!(
            self,
            Self::Copy(..) | Self::Zero(_) | Self::UffdMove(..) | Self::Continue(_)
        )
    }

    /// The pages that it fills in.
    pub fn filled(&self) -> Range {
        match *self {
            Self::UffdMove(range, to) => range.moved(to),
            _ => self.range().unwrap_or(Range::new(0, 1)),
        }
    }

    /// The range of the call, if it has one.
    pub fn range(&self) -> Option<Range> {
        let mut copy = *self;
        copy.range_mut().copied()
    }

    /// The range of the call, to change it.
    pub const fn range_mut(&mut self) -> Option<&mut Range> {
        match self {
            Self::Map { range, .. }
            | Self::Unmap(range)
            | Self::Seal(range)
            | Self::RemapFile(range, _)
            | Self::Protect(range, _)
            | Self::Move { range, .. }
            | Self::Resize(range, _)
            | Self::Brk(range, _)
            | Self::Sync(range)
            | Self::Bind(range, ..)
            | Self::HomeNode(range, _)
            | Self::Write(range)
            | Self::WriteAlternate(range)
            | Self::Read(range)
            | Self::MemWrite(range)
            | Self::VmWrite(range)
            | Self::WriteZero(range)
            | Self::MemRead(range)
            | Self::VmRead(range)
            | Self::FarRead(range)
            | Self::Odd(range, _)
            | Self::FileWrite(range)
            | Self::FileRead(range)
            | Self::DirectWrite(range)
            | Self::DirectRead(range)
            | Self::Allocate(range, _)
            | Self::Splice(range)
            | Self::Name(range)
            | Self::Pin(range)
            | Self::PinRead(range)
            | Self::UringRead(range)
            | Self::Detach(range)
            | Self::Migrate(range)
            | Self::Punch(range)
            | Self::Truncate(range)
            | Self::Advise(range, _)
            | Self::Lock { range, .. }
            | Self::Unlock(range)
            | Self::Register(range, _)
            | Self::Unregister(range)
            | Self::WriteProtect(range, _)
            | Self::RwProtect(range, _)
            | Self::Copy(range, _)
            | Self::Zero(range)
            | Self::UffdMove(range, _)
            | Self::Poison(range)
            | Self::Continue(range)
            | Self::Wake(range)
            | Self::Start { range, .. }
            | Self::Scan { range, .. }
            | Self::ToDevice(range)
            | Self::ToSystem(range)
            | Self::DeviceRead(range)
            | Self::DeviceWrite(range)
            | Self::Exclusive(range) => Some(range),
            Self::ClearSoftDirty
            | Self::LockAll(_)
            | Self::UnlockAll
            | Self::SealFile(_)
            | Self::FileSize(_)
            | Self::FileMode
            | Self::Limit(_)
            | Self::Mdwe
            | Self::MergeAll(_)
            | Self::HugeOff(_)
            | Self::Ksm
            | Self::Khugepaged
            | Self::Compact
            | Self::Reclaim
            | Self::SwapOff
            | Self::DropCache
            | Self::DeviceLacksHuge
            | Self::Unpin
            | Self::Unsplice
            | Self::MapLimit
            | Self::HugetlbLimit
            | Self::CloseUffd
            | Self::Fork
            | Self::Exit => None,
        }
    }
}
