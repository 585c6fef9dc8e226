//! The operands of the system calls.

use crate::PAGES;
use crate::range::Range;
use serde::{Deserialize, Serialize};

/// The protection of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Prot {
    /// `PROT_NONE`.
    None,
    /// `PROT_READ`.
    Read,
    /// `PROT_READ | PROT_WRITE`.
    Write,
    /// `PROT_READ | PROT_EXEC`.
    Exec,
    /// `PROT_READ | PROT_WRITE | PROT_EXEC`.
    All,
}

impl Prot {
    /// All protections.
    pub const ALL: [Self; 5] = [Self::None, Self::Read, Self::Write, Self::Exec, Self::All];

    /// It has `PROT_WRITE`.
    pub const fn writes(self) -> bool {
        matches!(self, Self::Write | Self::All)
    }

    /// It has `PROT_EXEC`.
    pub const fn executes(self) -> bool {
        matches!(self, Self::Exec | Self::All)
    }
}

/// What a limit of the process is about (`setrlimit`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Resource {
    /// `RLIMIT_DATA`.
    Data,
    /// `RLIMIT_AS`.
    Space,
    /// `RLIMIT_MEMLOCK`, and the process loses CAP_IPC_LOCK, with which the limit does not hold.
    Locked,
    /// `RLIMIT_STACK`.
    Stack,
    /// `RLIMIT_MEMLOCK` of 0 bytes. The process keeps CAP_IPC_LOCK, so the limit does not hold
    /// for it.
    LockedByRoot,
}

impl Resource {
    /// All of them. [`OverLimit`](crate::BreachKind::OverLimit) names one by its index.
    pub const ALL: [Self; 5] = [
        Self::Data,
        Self::Space,
        Self::Locked,
        Self::Stack,
        Self::LockedByRoot,
    ];
    /// A limit is this much above what the process has when the limit is set, in kB. The limit of a
    /// stack is this much in all.
    pub const ROOM_KB: u64 = 1024;

    /// Its word in a program.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Space => "as",
            Self::Locked => "memlock",
            Self::LockedByRoot => "memlock-root",
            Self::Stack => "stack",
        }
    }

    /// Its name in C.
    pub const fn c(self) -> &'static str {
        match self {
            Self::Data => "RLIMIT_DATA",
            Self::Space => "RLIMIT_AS",
            Self::Locked | Self::LockedByRoot => "RLIMIT_MEMLOCK",
            Self::Stack => "RLIMIT_STACK",
        }
    }

    /// The field of `/proc/self/status` that the limit bounds. The limit of a stack bounds each
    /// stack by itself.
    pub const fn field(self) -> Option<&'static str> {
        match self {
            Self::Data => Some("VmData:"),
            Self::Space => Some("VmSize:"),
            Self::Locked => Some("VmLck:"),
            Self::Stack | Self::LockedByRoot => None,
        }
    }
}

/// A policy of memory on two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Policy {
    /// `MPOL_DEFAULT`.
    Default,
    /// `MPOL_PREFERRED`.
    Preferred,
    /// `MPOL_BIND`.
    Bind,
    /// `MPOL_INTERLEAVE`.
    Interleave,
    /// `MPOL_LOCAL`.
    Local,
    /// `MPOL_PREFERRED_MANY`.
    PreferredMany,
}

impl Policy {
    /// All policies, in the order of their numbers in Linux.
    pub const ALL: [Self; 6] = [
        Self::Default,
        Self::Preferred,
        Self::Bind,
        Self::Interleave,
        Self::Local,
        Self::PreferredMany,
    ];

    /// Its word in a program.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Preferred => "preferred",
            Self::Bind => "bind",
            Self::Interleave => "interleave",
            Self::Local => "local",
            Self::PreferredMany => "preferred-many",
        }
    }

    /// The mask of nodes that belongs to it.
    pub const fn mask(self, node: u8) -> u64 {
        match self {
            Self::Default | Self::Local => 0,
            _ => 1 << node,
        }
    }
}

/// What is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MapKind {
    /// Private anonymous memory.
    Private,
    /// Shared anonymous memory.
    Shared,
    /// The program's memfd, which has a page for each page of the window, with `MAP_PRIVATE`.
    File,
    /// The same with `MAP_SHARED`.
    SharedFile,
    /// The same, but the two halves of the window have each other's pages of the memfd. So two
    /// mappings of a process can have the same pages.
    SharedTwin,
    /// Private huge pages of hugetlb.
    Hugetlb,
    /// Shared huge pages of hugetlb.
    SharedHugetlb,
    /// Private memory of `/dev/zero`.
    DevZero,
    /// Anonymous memory that the kernel may drop at any time (`MAP_DROPPABLE`).
    Droppable,
    /// Private anonymous memory that grows downwards when somebody accesses a page before it
    /// (`MAP_GROWSDOWN`).
    Stack,
    /// A new segment of shared memory of System V, attached with `SHM_REMAP`.
    Shm,
    /// A new file of `memfd_secret`, with `MAP_SHARED`.
    Secret,
}

impl MapKind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::Private,
        Self::Shared,
        Self::File,
        Self::SharedFile,
        Self::SharedTwin,
        Self::Hugetlb,
        Self::SharedHugetlb,
        Self::DevZero,
        Self::Droppable,
        Self::Stack,
        Self::Shm,
        Self::Secret,
    ];

    /// `MAP_SHARED`.
    pub const fn is_shared(self) -> bool {
        matches!(
            self,
            Self::Shared
                | Self::SharedFile
                | Self::SharedTwin
                | Self::SharedHugetlb
                | Self::Shm
                | Self::Secret
        )
    }

    /// The kernel keeps this shared memory in the same way as anonymous shared memory (shmem),
    /// unless the program has huge pages of hugetlb for it.
    pub const fn is_shmem(self) -> bool {
        matches!(
            self,
            Self::Shared | Self::SharedFile | Self::SharedTwin | Self::Shm
        )
    }

    /// Maps the memfd.
    pub const fn is_file(self) -> bool {
        matches!(self, Self::File | Self::SharedFile | Self::SharedTwin)
    }

    /// The page of the memfd that a mapping of `range` begins with. `None` if the pages of the
    /// mapping would not be contiguous in the memfd.
    pub const fn file_page(self, range: Range) -> Option<u16> {
        const HALF: u16 = PAGES / 2;
        let is_low = range.first + range.len <= HALF;
        match self {
            Self::SharedTwin if is_low => Some(range.first + HALF),
            Self::SharedTwin if range.first >= HALF => Some(range.first - HALF),
            Self::SharedTwin => None,
            _ => Some(range.first),
        }
    }

    /// `MAP_HUGETLB`.
    pub const fn is_hugetlb(self) -> bool {
        matches!(self, Self::Hugetlb | Self::SharedHugetlb)
    }
}

/// What the program's memfd is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FileKind {
    /// A memfd.
    #[default]
    Plain,
    /// A memfd that consists of huge pages of hugetlb.
    Hugetlb,
    /// A file of a tmpfs. The tmpfs has room for three quarters of the window: [`FileKind::ROOM`].
    Tmpfs,
    /// Shared anonymous memory, opened by `/proc/self/map_files`.
    Anonymous,
    /// A file of ext4, which is on a disk of its own. Only kernels with `WHOLE=1` have it.
    Ext4,
}

impl FileKind {
    /// All kinds but the first, each with its word in the header of a program.
    pub const HEADERS: [(Self, &'static str); 4] = [
        (Self::Hugetlb, "huge-file"),
        (Self::Tmpfs, "tmpfs-file"),
        (Self::Anonymous, "anonymous-file"),
        (Self::Ext4, "ext4-file"),
    ];
    /// How many pages a tmpfs has room for.
    pub const ROOM: u16 = PAGES / 4 * 3;
}

macro_rules! odd_calls {
    ($($variant:ident = $name:literal;)*) => {
        /// A call with arguments that no program needs: a range of memory that is so long that its
        /// end wraps around, a place at the greatest offset that a file can have, or a buffer that
        /// cannot be read.
        #[allow(missing_docs)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Odd { $($variant),* }

        impl Odd {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its word in a program.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

odd_calls! {
    Lock = "odd-mlock";
    Unlock = "odd-munlock";
    Sync = "odd-msync";
    Unmap = "odd-munmap";
    Protect = "odd-mprotect";
    Advise = "odd-madvise";
    Bind = "odd-mbind";
    HomeNode = "odd-home-node";
    Seal = "odd-mseal";
    Move = "odd-mremap";
    RemapFile = "odd-remap-file-pages";
    Name = "odd-name";
    Allocate = "odd-fallocate";
    Punch = "odd-punch";
    FileWrite = "odd-file-write";
}

impl Odd {
    /// It is about the memfd.
    pub const fn is_about_file(self) -> bool {
        matches!(self, Self::Allocate | Self::Punch | Self::FileWrite)
    }

    /// It must fail.
    pub const fn must_fail(self) -> bool {
        !matches!(self, Self::Allocate | Self::Punch)
    }
}

/// The modes of `UFFDIO_REGISTER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Modes {
    /// Write protection.
    Wp,
    /// Missing pages.
    Missing,
    /// Both.
    Both,
    /// Read-write protection, since 7.3.
    Rwp,
    /// Pages that the object has, and that are not mapped.
    Minor,
}

impl Modes {
    /// Missing pages are among them.
    pub const fn missing(self) -> bool {
        matches!(self, Self::Missing | Self::Both)
    }

    /// Write protection is among them.
    pub const fn wp(self) -> bool {
        matches!(self, Self::Wp | Self::Both)
    }
}

macro_rules! advices {
    ($($variant:ident = $number:literal, $name:literal, $c:literal;)*) => {
        /// Advice of `madvise`.
        #[allow(missing_docs)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Advice { $($variant),* }

        impl Advice {
            /// All advice.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its number in Linux.
            pub const fn number(self) -> i32 {
                match self { $(Self::$variant => $number),* }
            }

            /// Its word in a program.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Its name in C.
            pub const fn c(self) -> &'static str {
                match self { $(Self::$variant => $c),* }
            }
        }
    };
}

advices! {
    DontNeed = 4, "dontneed", "MADV_DONTNEED";
    Free = 8, "free", "MADV_FREE";
    Cold = 20, "cold", "MADV_COLD";
    PageOut = 21, "pageout", "MADV_PAGEOUT";
    PopulateRead = 22, "populate-read", "MADV_POPULATE_READ";
    PopulateWrite = 23, "populate-write", "MADV_POPULATE_WRITE";
    Collapse = 25, "collapse", "MADV_COLLAPSE";
    HugePage = 14, "hugepage", "MADV_HUGEPAGE";
    NoHugePage = 15, "nohugepage", "MADV_NOHUGEPAGE";
    Mergeable = 12, "mergeable", "MADV_MERGEABLE";
    Unmergeable = 13, "unmergeable", "MADV_UNMERGEABLE";
    DontFork = 10, "dontfork", "MADV_DONTFORK";
    DoFork = 11, "dofork", "MADV_DOFORK";
    WipeOnFork = 18, "wipeonfork", "MADV_WIPEONFORK";
    KeepOnFork = 19, "keeponfork", "MADV_KEEPONFORK";
    GuardInstall = 102, "guard-install", "MADV_GUARD_INSTALL";
    GuardRemove = 103, "guard-remove", "MADV_GUARD_REMOVE";
    Remove = 9, "remove", "MADV_REMOVE";
    DontNeedLocked = 24, "dontneed-locked", "MADV_DONTNEED_LOCKED";
    WillNeed = 3, "willneed", "MADV_WILLNEED";
    HwPoison = 100, "hwpoison", "MADV_HWPOISON";
    SoftOffline = 101, "soft-offline", "MADV_SOFT_OFFLINE";
}
