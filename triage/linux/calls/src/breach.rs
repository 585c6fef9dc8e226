//! Breaches: the promises that Linux does not keep.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! kinds {
    ($($variant:ident, $name:literal, $says:literal;)*) => {
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

            /// The sentence.
            pub const fn says(self) -> &'static str {
                match self { $(Self::$variant => $says),* }
            }
        }
    };
}

kinds! {
    NotSoftDirty, "not-soft-dirty", "a page that changed since soft-dirty was cleared is not soft-dirty";
    NotProtected, "not-protected", "a page has lost its write protection for userfaultfd";
    WrittenThrough, "written-through", "a write to a page that is write-protected for userfaultfd goes through unnoticed";
    StillProtected, "still-protected", "a page that was written to still counts as not written";
    Contents, "contents", "a page does not contain what was written to it last";
    Denied, "denied", "an access that the mapping allows fails";
    Allowed, "allowed", "an access that the mapping forbids succeeds";
    ShownUnmapped, "shown-unmapped", "pagemap shows a page where nothing is mapped";
    Smaps, "smaps", "a count of smaps exceeds the size of the mapping";
    NotPopulated, "not-populated", "a page is not there after a call that says it has populated it";
    Accounting, "accounting", "a count of /proc/self/status is not the sum of smaps";
    Scan, "scan", "PAGEMAP_SCAN does not report the pages that pagemap shows";
    Counter, "counter", "a counter of the system does not return to its earlier value after all processes have ended";
    Hang, "hang", "a system call does not return";
    Unkillable, "unkillable", "a system call does not return, and its process cannot be killed";
}

impl BreachKind {
    /// One kind for all the kinds as which the same bug can show.
    pub const fn group(self) -> Self {
        match self {
            Self::ShownUnmapped => Self::Allowed,
            Self::WrittenThrough => Self::NotProtected,
            other => other,
        }
    }
}

/// A counter of the system.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    /// Its name in `/proc/vmstat`, or its path.
    pub name: &'static str,
    /// A difference up to this is no breach, because the counter also moves by itself.
    pub slack: i64,
}

/// The counters that must return to the values that they had before the program.
pub const COUNTERS: [Counter; 11] = [
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
];

/// The fields of `/proc/self/status` that are compared with the sums of smaps, and how far they may
/// differ, in kB: the kernel adds counts of each CPU late.
pub const ACCOUNTS: [(&str, u64); 4] = [
    ("VmSize:", 0),
    ("VmLck:", 0),
    ("VmSwap:", 512),
    ("RssAnon:", 512),
];

/// A broken promise, where it was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breach {
    /// The promise.
    pub kind: BreachKind,
    /// The index of the step after which it was noticed; the number of steps if at the end.
    pub step: u16,
    /// The process.
    pub process: u8,
    /// The first page; for a counter, its index in [`COUNTERS`].
    pub page: u16,
    /// How many pages of the process break the promise after this step.
    pub count: u16,
    /// What Linux says.
    pub got: u64,
    /// What it should say.
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
            BreachKind::Hang | BreachKind::Unkillable => Ok(()),
            BreachKind::Accounting => write!(
                f,
                ": {} {} kB, smaps {} kB",
                ACCOUNTS[usize::from(self.page) % ACCOUNTS.len()].0,
                self.got,
                self.wanted
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
