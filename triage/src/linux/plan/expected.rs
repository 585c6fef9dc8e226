//! What a plan expects of the guest, and why a program has no plan.

use mm_fuzz::exec::Outcome;
use mm_linux_protocol::{MAX_STOPS, SeenProcess};

/// What the model expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The operation with this number ends with this outcome.
    End(u16, Outcome),
    /// The state of the processes after the operation with this number.
    Seen(u16, Vec<SeenProcess>),
}

/// Why a real kernel cannot run a program in the way that the model does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// Linux cannot stop an operation at this scheduling point, for this reason.
    Place(String, &'static str),
    /// An operation is preempted at a point that it does not pass with the page tables of x86-64.
    Geometry,
    /// An operation is preempted more often than the driver can stop it.
    Stops,
    /// The model runs out of its few frames; Linux has more.
    OutOfMemory,
    /// An allocation fails, and the plan could not say in which operation, or in which attempt, it
    /// fails. The operation is one that is stopped, that runs beside another operation, that waits
    /// for a held migration which allocates too, or that retries until a reference is dropped.
    FailureAside,
    /// A process exits while another operation runs.
    ExitWhileBusy,
    /// An operation takes an `mmap_lock`, or the lock of an anon_vma, for reading while a writer
    /// waits for it.
    QueuedWriter,
    /// A page of a device leaves an mlocked VMA, and then a page of that device outside of mlocked
    /// VMAs is freed. Linux frees the first page late, when it drains the batch of such pages. From
    /// then on the device hands out its frames in another order.
    LockedDevicePage,
    /// Two operations are woken at once, or a migration wakes one and goes on itself, and the
    /// outcome depends on which runs first.
    Order,
    /// A fault is retried until somebody drops a reference, and the program has preemptions. In
    /// such a program a thread of the guest runs until it waits, so no other would run.
    Retries,
    /// A program with preemptions uses a stale TLB entry. The guest has one CPU, which forgets its
    /// TLB entries when another task runs.
    StaleTranslation,
    /// A fork finds that another fork has taken the last process of the program. Linux has more.
    NoProcess,
    /// An operation ends without `mmap_lock` while `fork` or `clear-soft-dirty` is stopped. These
    /// hold `mmap_lock` and write-protect the agent's own pages too, so the thread that runs the
    /// operation may fault, and then it waits.
    AgentFaults,
    /// Faults map huge pages, and the program does something that the judge cannot do with huge
    /// pages. The text says what.
    HugePages(&'static str),
    /// The model has a finding.
    Finding(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Place(site, why) => write!(f, "it preempts a thread in {site}: {why}"),
            Self::Geometry => f.write_str("its schedule needs the tables of the tiny geometry"),
            Self::Stops => write!(f, "it preempts an operation more than {MAX_STOPS} times"),
            Self::OutOfMemory => f.write_str("the model runs out of frames"),
            Self::FailureAside => f.write_str(
                "an allocation fails while another operation runs, or in an operation that is retried",
            ),
            Self::ExitWhileBusy => f.write_str("a process exits while another operation runs"),
            Self::QueuedWriter => {
                f.write_str("an operation overtakes a writer that waits for mmap_lock or an anon_vma")
            }
            Self::LockedDevicePage => f.write_str(
                "a device page is freed after a page that left an mlocked VMA; Linux frees that earlier page late, when it drains a batch",
            ),
            Self::Order => {
                f.write_str("two operations are woken at once, and either may run first")
            }
            Self::Retries => f.write_str(
                "it preempts a thread, and a fault is retried until a reference is dropped; the guest would run nobody else meanwhile",
            ),
            Self::StaleTranslation => f.write_str(
                "it preempts a thread, and another accesses a page through a stale TLB entry; the CPU of the guest has flushed it",
            ),
            Self::NoProcess => f.write_str("two forks compete for the last process of the program"),
            Self::AgentFaults => f.write_str(
                "an operation ends while a fork or clear-soft-dirty is stopped, and the agent would fault",
            ),
            Self::HugePages(what) => write!(f, "its faults map huge pages, and it {what}"),
            Self::Finding(signature) => write!(f, "the model has a finding: {signature}"),
        }
    }
}
