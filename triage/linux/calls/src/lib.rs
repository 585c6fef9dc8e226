//! Programs of plain system calls, and the ledger of what Linux promises to them.
//!
//! The model of `mm-core` follows the kernel's algorithm, so it knows the operations that it models
//! and no others. This crate asks less and covers more. A program is a list of system calls on a
//! window of pages, by one or two processes. The [`Ledger`] holds what user space may rely on,
//! whatever the kernel does inside: what a page contains, that a written page is soft-dirty, that a
//! page write-protected for userfaultfd stays so, and which accesses are allowed. Swap, compaction,
//! KSM, huge pages and devices must not change any of that.
//!
//! Two calls of a process can run at once: see [`Program::why_not_beside`].
//!
//! The agent in the guest runs the program and asks the ledger after each call; the host generates,
//! reduces and prints programs.
#![forbid(unsafe_code)]

mod beside;
mod breach;
mod call;
mod event;
mod generate;
mod ledger;
mod mappings;
mod operand;
mod range;
mod text;

pub use breach::{
    ACCOUNTS, Breach, BreachKind, COUNTERS, Counter, FIELDS, GROUP, memory, place, without_numbers,
};
pub use call::{Call, Step};
pub use event::UffdEvent;
pub use generate::{mutate, random_program};
pub use ledger::{AccessPromise, BrokenPromise, Ledger, Performed, wakes};
pub use mappings::Mappings;
pub use operand::{Advice, FileKind, MapKind, Modes, Odd, Policy, Prot, Resource};
pub use range::Range;
pub use text::{ParseError, parse};

use serde::{Deserialize, Serialize};

/// Pages of a huge page.
pub const HUGE: u16 = 512;
/// Pages of the window.
pub const PAGES: u16 = 4 * HUGE;
/// Bytes of a page.
pub const PAGE_BYTES: u64 = 4096;
/// The address of the window's first page. A huge page can lie there.
pub const BASE: u64 = 0x7000_0000_0000;
/// The highest value of [`Step::fail`]. Only the allocations of a call up to this number can be
/// made to fail.
pub const MOST_FAIL: u8 = 99;
/// Most steps of a program.
pub const MAX_STEPS: usize = 32;
/// Most processes of a program: the first one, and a child.
pub const PROCESSES: usize = 2;

/// A program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Program {
    /// userfaultfd resolves write-protection faults by itself (`UFFD_FEATURE_WP_ASYNC`). Otherwise
    /// the monitor resolves them. Without a monitor, a write to a protected page raises SIGBUS
    /// (`UFFD_FEATURE_SIGBUS`).
    pub wp_async: bool,
    /// A thread reads the userfaultfd of each process: one thread for both if the child inherits a
    /// registration, else one in each process. It resolves page faults, and notes events.
    pub monitor: bool,
    /// What the memfd is.
    pub file: FileKind,
    /// MADV_HUGEPAGE also gives folios of 16, 64 and 256 kB; otherwise huge pages of 2 MiB only.
    pub mthp: bool,
    /// All memory may have huge pages, also the memfd; otherwise memory with MADV_HUGEPAGE only.
    pub always: bool,
    /// zswap keeps compressed pages in memory before they go to the disk.
    pub zswap: bool,
    /// Calls that change mappings have the personality READ_IMPLIES_EXEC.
    pub implies_exec: bool,
    /// The calls, in order. Each ends before the next one starts, unless the next one is
    /// [`beside`](Step::beside).
    pub steps: Vec<Step>,
}

impl Program {
    /// Mappings of this kind have huge pages of hugetlb.
    pub const fn is_hugetlb(&self, kind: MapKind) -> bool {
        kind.is_hugetlb() || matches!(self.file, FileKind::Hugetlb) && kind.is_file()
    }

    /// The program has a memfd.
    pub fn uses_file(&self) -> bool {
        self.steps.iter().any(|step| match step.call {
            Call::Map { kind, .. } => kind.is_file(),
            ref call => call.is_about_file(),
        })
    }

    /// The program needs a kernel with `WHOLE=1`.
    pub fn needs_whole(&self) -> bool {
        let is_on_disk = self.file == FileKind::Ext4 && self.uses_file();
        let mut calls = self.steps.iter().map(|step| &step.call);
        is_on_disk || self.zswap || calls.any(Call::needs_whole)
    }

    /// Takes out what needs a kernel with `WHOLE=1`.
    pub fn do_without_whole(&mut self) {
        if self.file == FileKind::Ext4 {
            self.file = FileKind::Plain;
        }
        self.zswap = false;
        self.steps.retain(|step| !step.call.needs_whole());
        self.separate();
    }

    /// The flags of `memfd_create` for the memfd: `MFD_HUGETLB`, and `MFD_ALLOW_SEALING` or
    /// `MFD_NOEXEC_SEAL`.
    pub fn file_flags(&self) -> u32 {
        let has = |wanted: fn(&Call) -> bool| self.steps.iter().any(|step| wanted(&step.call));
        let seals = if has(|call| *call == Call::FileMode) {
            8
        } else if has(|call| matches!(call, Call::SealFile(_))) {
            2
        } else {
            0
        };
        seals | if self.file == FileKind::Hugetlb { 4 } else { 0 }
    }
}

/// What the guest is asked to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallsJob {
    /// The number that the reply repeats.
    pub id: u32,
    /// The program.
    pub program: Program,
    /// Whether smaps and the status of the processes are compared at the end, which takes time.
    pub closely: bool,
    /// Seconds that a call may take.
    pub patience: u8,
    /// The most runs of a program that makes two calls at once. It runs at least once. In the first
    /// run, the second call begins after the first one has ended; in the second run, before the
    /// first one begins. In each other run it begins at another moment of the first one. The runs
    /// end with the first breach.
    pub tries: u16,
    /// Known breaches, each with its kind and the place where it shows. For a counter, the place is
    /// the counter's name; for [`BreachKind::Alert`], the kernel's words without their numbers. For
    /// other breaches, the place is what [`place`] returns for the name of the call before the
    /// breach (`end` at the end of the program) and the kind of memory. If one of these breaches
    /// shows, the ledger gives up the claim, and the program goes on.
    pub known: Vec<(BreachKind, String)>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallsReply {
    /// The job's number.
    pub id: u32,
    /// The first breach that is not known.
    pub breach: Option<Breach>,
    /// For each step: 0 (also if it did not run), or a negative error number or signal.
    pub results: Vec<i32>,
    /// For [`BreachKind::Alert`], the kernel's words.
    pub said: String,
    /// The number of known breaches that were passed over.
    pub passed_over: u32,
    /// How often the program ran for this reply.
    pub runs: u16,
    /// A process could not be killed, so the guest is of no more use.
    pub stuck: bool,
    /// Places of the kernel that a call of this program was the first to reach in this guest, or
    /// reached by a call of another name than before. Each number also has the number of the call.
    pub reached: Vec<u32>,
}
