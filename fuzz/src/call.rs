//! How user space invokes an operation. From this one description, `triage` writes C and the agent
//! in the guest makes calls. Constants have their C names and their values on x86-64; a test of the
//! emitter lets a C compiler compare them.

use crate::program::{Addr, Dev};

pub use crate::window::Pages;

/// A C constant, or several joined by `|`, with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constant(pub &'static str, pub u64);

/// An argument of a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// The address of a page of the window.
    At(Addr),
    /// The size of this many pages, in bytes.
    Bytes(u32),
    /// A constant.
    Is(Constant),
}

/// How an operation is invoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// No process invokes the operation: the runner of the program does it itself.
    Outside,
    /// `fork`.
    Fork,
    /// A read of a word.
    Read(Addr),
    /// A write of the operation's word.
    Write(Addr),
    /// A write to `/proc/self/clear_refs`.
    ClearRefs,
    /// A read of `/proc/self/pagemap`.
    Pagemap(Pages),
    /// A system call, by name and number.
    System(Constant, Vec<Argument>),
    /// An ioctl of userfaultfd.
    Uffd {
        /// The name and number of the ioctl.
        request: Constant,
        /// The C type of its argument.
        argument: &'static str,
        /// The range in the argument.
        pages: Pages,
        /// The `mode` that follows the range. `None` if the argument is only a range.
        mode: Option<Constant>,
    },
    /// A write of a range to `/sys/kernel/debug/split_huge_pages`.
    SplitHugePages(Pages),
    /// A write of 2 to `/proc/sys/vm/drop_caches`, which calls all shrinkers. If true, a huge page
    /// of which more than half of the pages have only zeroes is underused (`max_ptes_none` of
    /// khugepaged); otherwise none is.
    ShrinkSplitQueue(bool),
    /// A command of the driver on `struct mmfuzz_range`.
    Range(RangeCall),
    /// A command on `struct mmfuzz_slot`, with the mask of pages to skip. Whoever makes the call
    /// fills in the slot that the operation works on.
    Slot(Ioctl, u8),
    /// A command on `struct mmfuzz_evict`: the device, the first frame and the number of frames.
    Evict(Ioctl, Dev, [u8; 2]),
    /// A command on `struct mmfuzz_snapshot`.
    Snapshot(Dev, Pages),
}

impl Invocation {
    /// A system call on a range, followed by constants.
    pub fn on_range(name: Constant, pages: Pages, rest: &[Constant]) -> Self {
        let range = [Argument::At(pages.first), Argument::Bytes(pages.count)];
        let rest = rest.iter().map(|constant| Argument::Is(*constant));
        Self::System(name, range.into_iter().chain(rest).collect())
    }
}

/// The members of `struct mmfuzz_range`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeCall {
    /// The command.
    pub command: Ioctl,
    /// The pages.
    pub pages: Pages,
    /// The device.
    pub dev: u8,
    /// The pages to skip.
    pub skip: u8,
    /// The flags.
    pub flags: Flags,
    /// The kind of result.
    pub result: RangeResult,
}

impl RangeCall {
    /// A command without a device, pages to skip or flags.
    pub const fn new(command: Ioctl, pages: Pages, result: RangeResult) -> Self {
        Self {
            command,
            pages,
            dev: 0,
            skip: 0,
            flags: Flags(0),
            result,
        }
    }

    /// True if the command takes the word that the operation writes.
    pub fn takes_word(&self) -> bool {
        (self.command, self.flags) == (Ioctl::Access, Flags::WRITE)
    }
}

/// The kind of result of a command on a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeResult {
    /// A word.
    Word,
    /// The number of pages that moved or were reclaimed.
    Moved,
    /// The number of pages that became exclusive to a device.
    Exclusive,
    /// A slot.
    Slot,
}

/// Flags of `struct mmfuzz_range`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    /// Migrate to system memory.
    pub const TO_SYSTEM: Self = Self(1 << 0);
    /// Access for writing.
    pub const WRITE: Self = Self(1 << 1);
    /// Take a pin instead of a reference.
    pub const PIN: Self = Self(1 << 2);
    /// Try without a lock first.
    pub const FAST: Self = Self(1 << 3);
    /// Take a long-term pin.
    pub const LONGTERM: Self = Self(1 << 4);

    /// All flags, with their names in C.
    pub const NAMES: [(Self, &'static str); 5] = [
        (Self::TO_SYSTEM, "MMFUZZ_TO_SYSTEM"),
        (Self::WRITE, "MMFUZZ_WRITE"),
        (Self::PIN, "MMFUZZ_PIN"),
        (Self::FAST, "MMFUZZ_FAST"),
        (Self::LONGTERM, "MMFUZZ_LONGTERM"),
    ];

    /// The union of both.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// True if all flags of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

macro_rules! commands {
    ($($(#[doc = $doc:literal])+ $number:literal $variant:ident $name:literal)*) => {
        /// A command of `/dev/mmfuzz`: `triage/linux/driver/mmfuzz_dev.h`, in Rust.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Ioctl {
            $($(#[doc = $doc])+ $variant = $number,)*
        }

        impl Ioctl {
            /// All commands.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name of the ioctl in C.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => concat!("MMFUZZ_IOC_", $name)),* }
            }
        }
    };
}

commands! {
    /// Attaches the session to the calling process.
    0 Attach "ATTACH"
    /// Migrates a range in one go.
    1 Migrate "MIGRATE"
    /// Opens a migration.
    2 Setup "SETUP"
    /// Runs the next phase of an open migration.
    3 Next "NEXT"
    /// Empties device memory.
    4 Evict "EVICT"
    /// Reads or writes by a device.
    5 Access "ACCESS"
    /// Takes a snapshot for a device.
    6 Snapshot "SNAPSHOT"
    /// Takes a reference by GUP.
    7 Get "GET"
    /// Takes a speculative reference.
    8 Hold "HOLD"
    /// Drops a reference.
    9 Put "PUT"
    /// Locks a folio.
    10 Lock "LOCK"
    /// Unlocks a folio.
    11 Unlock "UNLOCK"
    /// Makes allocations fail.
    12 Fail "FAIL"
    /// Observes a process.
    13 Observe "OBSERVE"
    /// Gives a device exclusive access to pages.
    14 Exclusive "EXCLUSIVE"
    /// Releases everything that the session holds, and resets the devices' memory.
    15 Reset "RESET"
    /// Triggers a kernel warning, for a test.
    16 Warn "WARN"
    /// Migrates all pages of a device to system memory, and resets the device's memory.
    17 Release "RELEASE"
    /// Migrates a folio, as compaction does.
    18 Compact "COMPACT"
    /// Reclaims a folio.
    19 Reclaim "RECLAIM"
    /// Returns once each unfinished operation waits.
    20 Quiet "QUIET"
    /// Begins a program whose operations stop at given places in the kernel.
    21 Schedule "SCHEDULE"
    /// Announces the stops of an operation.
    22 Arm "ARM"
    /// Ends an operation with stops.
    23 Disarm "DISARM"
    /// Waits for the next stop of an operation.
    24 Await "AWAIT"
    /// Lets a stopped operation go on.
    25 GoOn "GO_ON"
    /// Ends the tracing of places in the kernel.
    26 Untrace "UNTRACE"
}
