//! Breaches: the promises that Linux does not keep.

use crate::operand::Resource;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! kinds {
    ($($variant:ident, $name:literal, $says:literal, $promise:literal;)*) => {
        /// A promise that is broken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum BreachKind { $(#[doc = $says] $variant),* }

        impl BreachKind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// A short name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What happens.
            pub const fn says(self) -> &'static str {
                match self { $(Self::$variant => $says),* }
            }

            /// What is promised.
            pub const fn promise(self) -> &'static str {
                match self { $(Self::$variant => $promise),* }
            }
        }
    };
}

kinds! {
    NotSoftDirty, "not-soft-dirty", "a page that changed since soft-dirty was cleared is not soft-dirty",
        "a page that changes after soft-dirty was cleared is soft-dirty";
    NotProtected, "not-protected", "a page has lost its write protection for userfaultfd",
        "a page stays write-protected for userfaultfd until it is written to";
    WrittenThrough, "written-through", "a write to a page that is write-protected for userfaultfd goes through unnoticed",
        "a write to a page that is write-protected for userfaultfd is noticed";
    StillProtected, "still-protected", "a page that was accessed still counts as protected",
        "with asynchronous protection, an access ends the protection of the page";
    NotRwProtected, "not-rw-protected", "a page has lost its read-write protection for userfaultfd",
        "a page stays read-write-protected for userfaultfd until it is accessed";
    AccessedThrough, "accessed-through", "an access to a page that is read-write-protected for userfaultfd goes through unnoticed",
        "an access to a page that is read-write-protected for userfaultfd is noticed";
    ShownProtected, "shown-protected", "pagemap shows a page as protected where nothing is registered with userfaultfd",
        "pagemap shows protection only where memory is registered for it";
    NotExclusive, "not-exclusive", "a page that only one process maps is not shown as exclusively mapped",
        "pagemap shows whether a page is mapped exclusively";
    NotLocked, "not-locked", "a page that is locked into memory is not in memory",
        "a page that is locked stays in memory until it is unlocked or dropped";
    Merged, "merged", "a page is one of KSM after MADV_UNMERGEABLE, or the end of PR_SET_MEMORY_MERGE, has succeeded",
        "MADV_UNMERGEABLE, when it succeeds, has taken back what KSM did to the range";
    Mincore, "mincore", "mincore and pagemap disagree about whether a page is resident",
        "mincore and pagemap agree about which pages are resident";
    Rss, "rss", "smaps counts another number of pages than pagemap shows",
        "smaps counts the pages that pagemap shows";
    Pinned, "pinned", "a pinned page is not the page that the process sees",
        "a page that is pinned for writing stays the page that the process sees";
    Alert, "alert", "the kernel reports an error",
        "the kernel reports no error";
    Contents, "contents", "a page does not contain what was written to it last",
        "a page contains what was written to it last";
    Denied, "denied", "an access that the mapping allows fails",
        "an access that the mapping allows succeeds";
    Allowed, "allowed", "an access that the mapping forbids succeeds",
        "an access that the mapping forbids fails";
    ShownUnmapped, "shown-unmapped", "pagemap shows a page where nothing is mapped",
        "pagemap shows no page where nothing is mapped";
    Smaps, "smaps", "a count of smaps exceeds the size of the mapping",
        "no count of smaps exceeds the size of the mapping";
    NotPopulated, "not-populated", "a page is not there after a call that says it has populated it",
        "a call that populates pages and succeeds has populated them";
    Accounting, "accounting", "a count of /proc/self/status is not the sum of smaps",
        "a count of /proc/self/status is the sum of smaps";
    Scan, "scan", "PAGEMAP_SCAN does not report the pages that pagemap shows",
        "PAGEMAP_SCAN reports the pages that pagemap shows";
    Counter, "counter", "a counter of the system does not return to its earlier value after all processes have ended",
        "a counter of the system returns to its earlier value after all processes have ended";
    BelowZero, "below-zero", "a counter of the system is below 0",
        "no counter of the system falls below 0";
    NoEvent, "no-event", "memory that is registered with userfaultfd is moved, dropped or unmapped without an event",
        "userfaultfd has an event when memory is moved, dropped or unmapped";
    FalseEvent, "false-event", "userfaultfd has an event for a change that has not happened",
        "an event of userfaultfd says what has happened";
    Waits, "waits", "a thread waits for userfaultfd, although nothing stops its access any more",
        "a thread that waits for userfaultfd goes on when nothing stops its access any more";
    NotFilled, "not-filled", "userfaultfd does not fill in a page that is missing",
        "a page that is missing and registered can be filled in";
    SoftDirty, "soft-dirty", "a page to which nobody has written is soft-dirty",
        "a page is soft-dirty only if it was written to";
    FailedChange, "failed-change", "a call of userfaultfd that failed has changed the protection of a page",
        "a call of userfaultfd that fails changes nothing";
    FailedFile, "failed-file", "a call that failed has changed the size of a file, or takes space",
        "a call that fails leaves a file as it was";
    FailedMapping, "failed-mapping", "a call that failed has changed a mapping",
        "a call that fails leaves mappings as they were";
    WalkEnd, "walk-end", "PAGEMAP_SCAN reports pages behind walk_end",
        "walk_end of PAGEMAP_SCAN is the end of what was scanned";
    SmapsShared, "smaps-shared", "smaps counts pages as shared that only one process maps",
        "smaps counts pages as shared only if they are";
    StackGap, "stack-gap", "a mapping reaches into the gap before a stack",
        "mremap and brk let no mapping grow into the gap before a stack";
    Sealed, "sealed", "a file changes in spite of its seals",
        "a sealed file keeps its size, mode and contents, and is not mapped for writing";
    Exposed, "exposed", "secret memory is given to somebody else",
        "memory of memfd_secret is there for its process alone";
    NotLockable, "not-lockable", "mlock of memory that the process can access fails",
        "mlock of memory that the process can access succeeds";
    StillLocked, "still-locked", "memory is still locked after munlockall",
        "munlockall unlocks all memory of the process";
    MoveStatus, "move-status", "the status that move_pages reports is not where the page is",
        "the status that move_pages reports for a page says where it is, or that it was not moved";
    Resident, "resident", "mincore does not show the pages that are in memory",
        "mincore shows the pages that are in memory";
    OverLimit, "over-limit", "a process gets more than its limit allows",
        "a call that would exceed a limit of its process fails";
    WriteExec, "write-exec", "memory becomes writable and executable after PR_SET_MDWE",
        "after PR_SET_MDWE, no memory becomes writable and executable";
    Policy, "policy", "get_mempolicy shows another policy than mbind has set",
        "get_mempolicy shows the policy that mbind has set";
    Node, "node", "a page is not on the node that mbind demands",
        "a page that is faulted in is on the node to which mbind binds it";
    Attaches, "attaches", "shm_nattch exceeds the number of attaches",
        "shm_nattch is the number of current attaches";
    SealIgnored, "seal-ignored", "a call succeeds although mseal forbids it",
        "a call that would unmap, move, protect or discard sealed memory fails";
    Accepted, "accepted", "a call with arguments that cannot be right succeeds",
        "a range that wraps around, and memory that cannot be read, are errors";
    NotUndone, "not-undone", "a call that undoes an earlier call fails",
        "a call can be undone, if there is a call for that";
    FalseExclusive, "false-exclusive", "pagemap shows a page as exclusively mapped that two processes map",
        "pagemap shows a page as exclusively mapped only if one process maps it";
    HugePage, "huge-page", "there is a huge page in memory that had MADV_NOHUGEPAGE or PR_SET_THP_DISABLE from the beginning",
        "memory with MADV_NOHUGEPAGE gets no huge pages";
    Evictable, "evictable", "a page that is locked into memory does not count as locked",
        "a page that is locked into memory counts as locked";
    FilledIn, "filled-in", "a page appears where userfaultfd waits for somebody to fill it in",
        "where memory is registered with userfaultfd, only userfaultfd fills pages in";
    Hang, "hang", "a system call does not return",
        "a system call returns";
    Unkillable, "unkillable", "a system call does not return, and its process cannot be killed",
        "a system call returns";
}

impl BreachKind {
    /// The kind that stands for this one and for the other kinds in which the same bug can show.
    pub const fn group(self) -> Self {
        match self {
            Self::ShownUnmapped => Self::Allowed,
            Self::WrittenThrough => Self::NotProtected,
            Self::AccessedThrough => Self::NotRwProtected,
            other => other,
        }
    }
}

/// A message of the kernel without its numbers and addresses. So messages that differ only in these
/// become equal.
pub fn without_numbers(said: &str) -> String {
    let words = said.split_whitespace().map(|word| {
        let (name, value) = word.split_once([':', '=']).unwrap_or(("", word));
        let is_number = value
            .chars()
            .all(|c| c.is_ascii_hexdigit() || ",-x()".contains(c));
        if is_number && !value.is_empty() {
            name
        } else {
            word
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A counter of the system.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    /// Its name in `/proc/vmstat`; with a colon, its name in `/proc/meminfo`; or its path. A blank
    /// separates the path of a file from the name of a line in the file.
    pub name: &'static str,
    /// A difference up to this is no breach, because the counter also moves by itself.
    pub slack: i64,
}

/// The counters that must return to the values that they had before the program.
pub const COUNTERS: [Counter; 35] = [
    Counter {
        name: "nr_mlock",
        slack: 0,
    },
    Counter {
        name: "nr_unevictable",
        slack: 0,
    },
    Counter {
        name: "nr_anon_transparent_hugepages",
        slack: 0,
    },
    Counter {
        name: "nr_shmem",
        slack: 64,
    },
    Counter {
        name: "nr_shmem_pmdmapped",
        slack: 0,
    },
    Counter {
        name: "nr_isolated_anon",
        slack: 0,
    },
    Counter {
        name: "/sys/kernel/mm/transparent_hugepage/hugepages-2048kB/stats/nr_anon",
        slack: 0,
    },
    Counter {
        name: "/sys/kernel/mm/transparent_hugepage/hugepages-2048kB/stats/nr_anon_partially_mapped",
        slack: 0,
    },
    Counter {
        name: "/sys/kernel/mm/transparent_hugepage/hugepages-16kB/stats/nr_anon",
        slack: 0,
    },
    Counter {
        name: "/sys/kernel/mm/transparent_hugepage/hugepages-16kB/stats/nr_anon_partially_mapped",
        slack: 0,
    },
    Counter {
        name: "/sys/kernel/mm/transparent_hugepage/hugepages-64kB/stats/nr_anon",
        slack: 0,
    },
    Counter {
        name: "/sys/kernel/mm/transparent_hugepage/hugepages-64kB/stats/nr_anon_partially_mapped",
        slack: 0,
    },
    Counter {
        name: "/sys/kernel/mm/transparent_hugepage/hugepages-256kB/stats/nr_anon",
        slack: 0,
    },
    Counter {
        name: "/sys/kernel/mm/transparent_hugepage/hugepages-256kB/stats/nr_anon_partially_mapped",
        slack: 0,
    },
    // in kB; the slack is for what the agent's processes map at the same time
    Counter {
        name: "Committed_AS:",
        slack: 512,
    },
    // slots of swap that are in use
    Counter {
        name: "/proc/swaps",
        slack: 0,
    },
    // pages that zswap stores, in kB
    Counter {
        name: "Zswapped:",
        slack: 0,
    },
    Counter {
        name: "nr_anon_pages",
        slack: 64,
    },
    Counter {
        name: "nr_page_table_pages",
        slack: 64,
    },
    Counter {
        name: "/sys/kernel/mm/ksm/ksm_zero_pages",
        slack: 0,
    },
    Counter {
        name: "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages",
        slack: 0,
    },
    Counter {
        name: "/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages",
        slack: 0,
    },
    Counter {
        name: "/sys/kernel/mm/hugepages/hugepages-2048kB/surplus_hugepages",
        slack: 0,
    },
    // The control group of the programs, in bytes. A kernel without control groups has no such
    // files. Charges and statistics are counted in batches for each CPU. Objects of the kernel that
    // nobody uses may stay.
    Counter {
        name: "/sys/fs/cgroup/mmfuzz/memory.swap.current",
        slack: 0,
    },
    Counter {
        name: "/sys/fs/cgroup/mmfuzz/memory.zswap.current",
        slack: 0,
    },
    Counter {
        name: "/sys/fs/cgroup/mmfuzz/hugetlb.2MB.current",
        slack: 0,
    },
    Counter {
        name: "/sys/fs/cgroup/mmfuzz/hugetlb.2MB.rsvd.current",
        slack: 0,
    },
    Counter {
        name: "/sys/fs/cgroup/mmfuzz/memory.stat anon",
        slack: 256 << 10,
    },
    Counter {
        name: "/sys/fs/cgroup/mmfuzz/memory.stat file",
        slack: 256 << 10,
    },
    Counter {
        name: "/sys/fs/cgroup/mmfuzz/memory.stat shmem",
        slack: 256 << 10,
    },
    Counter {
        name: "/sys/fs/cgroup/mmfuzz/memory.stat anon_thp",
        slack: 256 << 10,
    },
    Counter {
        name: "/sys/fs/cgroup/mmfuzz/memory.stat shmem_thp",
        slack: 256 << 10,
    },
    Counter {
        name: "/sys/fs/cgroup/mmfuzz/memory.stat unevictable",
        slack: 256 << 10,
    },
    Counter {
        name: "/sys/fs/cgroup/mmfuzz/memory.stat pagetables",
        slack: 256 << 10,
    },
    Counter {
        name: "/sys/fs/cgroup/mmfuzz/memory.current",
        slack: 512 << 10,
    },
];

/// The control group of the programs.
pub const GROUP: &str = "/sys/fs/cgroup/mmfuzz/";

/// The fields of `/proc/self/status` that are compared with the sums of smaps, and how far they may
/// differ, in kB, on a kernel before 6.17. Since 6.17 the kernel adds the counts of all CPUs, and
/// the two must be equal.
pub const ACCOUNTS: [(&str, u64); 7] = [
    ("VmSize:", 0),
    ("VmLck:", 0),
    ("VmSwap:", 512),
    ("RssAnon:", 512),
    ("RssShmem:", 512),
    ("HugetlbPages:", 0),
    ("VmData:", 0),
];

/// The fields of smaps that cannot exceed the size of the mapping.
pub const FIELDS: [&str; 12] = [
    "Rss:",
    "Pss:",
    "Shared_Clean:",
    "Shared_Dirty:",
    "Private_Clean:",
    "Private_Dirty:",
    "Referenced:",
    "Anonymous:",
    "AnonHugePages:",
    "Swap:",
    "SwapPss:",
    "Locked:",
];

/// Bits of [`Breach::memory`].
pub mod memory {
    /// Shared memory, without or with a file.
    pub const SHARED: u8 = 1;
    /// Huge pages of hugetlb.
    pub const HUGETLB: u8 = 2;
    /// A private mapping of the memfd.
    pub const FILE: u8 = 4;
    /// Memory that the kernel may drop.
    pub const DROPPABLE: u8 = 8;
}

/// The place of a breach, which tells breaches of one promise apart: the call after which it shows,
/// and what kind of memory it concerns (bits of [`memory`]), unless that is plain private memory.
pub fn place(call: &str, kind: u8) -> String {
    let words = [
        (memory::SHARED, "shared"),
        (memory::FILE, "file"),
        (memory::HUGETLB, "hugetlb"),
        (memory::DROPPABLE, "droppable"),
    ];
    let mut text = call.to_owned();
    for (number, (_, word)) in words.iter().filter(|(bit, _)| kind & bit != 0).enumerate() {
        text.push_str(if number == 0 { " of " } else { " " });
        text.push_str(word);
    }
    text
}

/// A broken promise, where it was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breach {
    /// The promise.
    pub kind: BreachKind,
    /// The index of the step after which it was noticed; the number of steps if at the end.
    pub step: u16,
    /// The process.
    pub process: u8,
    /// The first page. For a counter, its index in [`COUNTERS`]. For [`BreachKind::Accounting`],
    /// the index of the field in [`ACCOUNTS`]. For [`BreachKind::Sealed`] and
    /// [`BreachKind::FailedFile`], a number that says what has changed.
    pub page: u16,
    /// What kind of memory the page belongs to: bits of [`memory`], 0 for plain private memory.
    pub memory: u8,
    /// How many pages of the process break the promise after this step.
    pub count: u16,
    /// What Linux says.
    pub got: u64,
    /// What it should say. For [`BreachKind::Smaps`], the index of the field in [`FIELDS`]. For
    /// [`BreachKind::OverLimit`], the index of the limit in [`Resource::ALL`]. For
    /// [`BreachKind::Attaches`], the step that made the segment. For [`BreachKind::Resident`] after
    /// MADV_WILLNEED, the number of pages that were read from swap, plus 2.
    pub wanted: u64,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.says())?;
        match self.kind {
            BreachKind::Counter => write!(
                f,
                ": {} is {} and was {}",
                COUNTERS[usize::from(self.page) % COUNTERS.len()].name,
                self.got,
                self.wanted
            ),
            BreachKind::BelowZero => write!(
                f,
                ": {} is {}",
                COUNTERS[usize::from(self.page) % COUNTERS.len()].name,
                self.got as i64
            ),
            BreachKind::Hang | BreachKind::Unkillable => Ok(()),
            BreachKind::Accounting => write!(
                f,
                ": {} {} kB, smaps {} kB",
                ACCOUNTS[usize::from(self.page) % ACCOUNTS.len()].0,
                self.got,
                self.wanted
            ),
            BreachKind::Smaps => write!(
                f,
                ": {} {} kB at page {}",
                FIELDS[self.wanted as usize % FIELDS.len()],
                self.got,
                self.page
            ),
            BreachKind::Rss => write!(
                f,
                ": {} pages, not {}, in the mapping at page {}",
                self.got, self.wanted, self.page
            ),
            BreachKind::Alert => Ok(()),
            BreachKind::OverLimit => {
                let resource = Resource::ALL[self.wanted as usize % Resource::ALL.len()];
                match resource.field() {
                    Some(field) => write!(f, ": {field} {} kB", self.got),
                    None => write!(f, ": a stack has grown by {} pages", self.got),
                }
            }
            BreachKind::Sealed => write!(
                f,
                ": {} {:#x} and was {:#x}",
                match self.page {
                    0 => "its size or mode is",
                    1 => "the size that is mapped for writing is",
                    _ => "a hash of its contents is",
                },
                self.got,
                self.wanted
            ),
            BreachKind::StillLocked => write!(f, ": VmLck is {} kB", self.got),
            BreachKind::MoveStatus => write!(
                f,
                ": page {} of process {} has status {} and is on node {}",
                self.page, self.process, self.got as i64, self.wanted
            ),
            BreachKind::Resident if self.wanted > 1 => write!(
                f,
                ": mincore shows {} pages more than before the call, but only {} were read from swap",
                self.got,
                self.wanted - 2
            ),
            BreachKind::FailedFile => write!(
                f,
                ": its {} is {} and was {}",
                if self.page == 0 { "size" } else { "space" },
                self.got,
                self.wanted
            ),
            BreachKind::Attaches => write!(f, ": {}", self.got),
            BreachKind::Node => write!(
                f,
                ": page {} of process {} is on node {}, not {}",
                self.page, self.process, self.got, self.wanted
            ),
            BreachKind::Policy => write!(
                f,
                ": page {} of process {} has mode {} and nodes {:#x}, not {} and {:#x}",
                self.page,
                self.process,
                self.got >> 8,
                self.got & 255,
                self.wanted >> 8,
                self.wanted & 255
            ),
            BreachKind::Contents => write!(
                f,
                ": page {} of process {} has {:#x}, not {:#x}",
                self.page, self.process, self.got, self.wanted
            ),
            _ => write!(
                f,
                ": page {} of process {}, the first of {}; Linux says {:#x}",
                self.page, self.process, self.count, self.got
            ),
        }
    }
}
