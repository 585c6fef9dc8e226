//! Shared memory through which the director hands an operation to a thread of a process, and gets
//! the result.

use crate::driver::{Entry, Observe, Stops};
use crate::system;
use mm_fuzz::limits::{MAX_OPS, MAX_PROCS, MAX_THREADS, WINDOW_PAGES};
use mm_linux_protocol::{ALLOC_KINDS, GuestOutcome};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const IDLE: u32 = 0;
const REQUESTED: u32 = 1;
const DONE: u32 = 2;

/// The most threads of a process.
pub const THREADS: usize = MAX_THREADS as usize;
/// The most processes of a program, and one more for work that belongs to no process of the
/// program.
pub const PROCS: usize = MAX_PROCS + 1;

/// What a thread is to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request {
    /// The number of the operation, or one of the constants below.
    pub kind: u8,
    /// Its operands.
    pub operands: [u8; mm_fuzz::program::MAX_PARAMS],
    /// The slot of the child, reference, lock or migration that it works on.
    pub slot: u8,
    /// The number of threads that a new child needs.
    pub threads: u8,
    /// The word that it writes.
    pub word: u64,
    /// The allocations that fail in it, by kind.
    pub fail: [u8; ALLOC_KINDS],
    /// Where it stops inside the kernel.
    pub stops: Stops,
    /// It runs until it waits, whoever else becomes able to run.
    pub uninterrupted: bool,
    /// The program is one with huge pages.
    pub huge: bool,
}

impl Request {
    /// Unmap the window and close the userfaultfd.
    pub const CLEAN: u8 = 0xff;
    /// Run the batch.
    pub const BATCH: u8 = 0xfe;
    /// Run the batch, which is a whole program. Then release all that the session holds, unmap the
    /// window, and close the userfaultfd.
    pub const WHOLE: u8 = 0xfd;
}

/// The most operations in a batch.
pub const BATCH: usize = MAX_OPS;

/// One operation of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// What to do; `None` if the outcome is already known.
    pub request: Option<Request>,
    /// Observe the window afterwards.
    pub observe: bool,
    /// The program is one with huge pages.
    pub huge: bool,
}

/// The result of one operation.
#[derive(Clone, Copy, Debug)]
pub struct ItemResult {
    /// The outcome as user space sees it.
    pub outcome: GuestOutcome,
    /// The operation opened or drove a migration that has not ended.
    pub open: bool,
    /// The window was observed.
    pub seen: bool,
    /// The sums of the observation.
    pub sums: Observe,
    /// The observed entries.
    pub entries: [Entry; WINDOW_PAGES as usize],
}

/// Operations that the first process runs in a row, without asking the director after each.
#[derive(Debug)]
pub struct Batch {
    items: UnsafeCell<[Item; BATCH]>,
    len: AtomicU32,
    results: UnsafeCell<[ItemResult; BATCH]>,
    done: AtomicU32,
}

// SAFETY: items are written before the request that names the batch, and results before `done`
// counts them.
unsafe impl Sync for Batch {}

impl Batch {
    /// Fills in the batch. No worker may be running it.
    pub fn fill(&self, items: &[Item]) {
        let items = &items[..items.len().min(BATCH)];
        // SAFETY: the worker waits.
        unsafe { (&mut *self.items.get())[..items.len()].copy_from_slice(items) };
        self.len.store(items.len() as u32, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
    }

    /// Runs the batch.
    pub fn run(&self, mut perform: impl FnMut(Item, &mut ItemResult)) {
        for i in 0..self.len.load(Ordering::Relaxed) as usize {
            // SAFETY: it is the worker's turn, and only one worker runs batches.
            unsafe { perform((&*self.items.get())[i], &mut (&mut *self.results.get())[i]) };
            self.done.store(i as u32 + 1, Ordering::Release);
        }
    }

    /// How many operations have ended.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Acquire) as usize
    }

    /// The result of an operation that has ended.
    pub fn result(&self, i: usize) -> &ItemResult {
        assert!(
            i < self.done(),
            "operation {i} has not ended, so the worker may still write its result"
        );
        // SAFETY: it is done, so it is written and will not be touched again.
        unsafe { &(&*self.results.get())[i] }
    }
}

/// The answer to a request.
#[derive(Clone, Copy, Debug)]
pub struct Response {
    /// The outcome as user space sees it.
    pub outcome: GuestOutcome,
    /// The child of a fork.
    pub pid: i32,
    /// The operation opened or drove a migration that has not ended.
    pub open: bool,
}

impl From<GuestOutcome> for Response {
    fn from(outcome: GuestOutcome) -> Self {
        Self {
            outcome,
            pid: 0,
            open: false,
        }
    }
}

/// The channel to one thread.
#[repr(C, align(128))]
#[derive(Debug)]
pub struct Channel {
    state: AtomicU32,
    request: UnsafeCell<Request>,
    response: UnsafeCell<Response>,
}

// SAFETY: the state says whose turn it is, and only that side touches request and response.
unsafe impl Sync for Channel {}

fn futex(word: &AtomicU32, op: i32, value: u32, timeout: Option<Duration>) {
    let time = timeout.map(|t| libc::timespec {
        tv_sec: t.as_secs() as i64,
        tv_nsec: i64::from(t.subsec_nanos()),
    });
    let time: *const libc::timespec = time.as_ref().map_or(std::ptr::null(), |t| t);
    // SAFETY: a futex on a live word; the timeout outlives the call.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), op, value, time) };
}

impl Channel {
    /// Hands over a request.
    pub fn request(&self, request: Request) {
        // SAFETY: the thread on the other side waits.
        unsafe { *self.request.get() = request };
        self.state.store(REQUESTED, Ordering::Release);
        futex(&self.state, libc::FUTEX_WAKE, 1, None);
    }

    /// The response, if it comes within `timeout`.
    pub fn response(&self, timeout: Duration) -> Option<Response> {
        let end = std::time::Instant::now() + timeout;
        loop {
            let state = self.state.load(Ordering::Acquire);
            if state == DONE {
                break;
            }
            let left = end.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return None;
            }
            futex(&self.state, libc::FUTEX_WAIT, state, Some(left));
        }
        self.state.store(IDLE, Ordering::Relaxed);
        // SAFETY: the thread on the other side has written it and waits.
        Some(unsafe { *self.response.get() })
    }

    /// Resets the channel. No thread may be using it.
    pub fn clear(&self) {
        self.state.store(IDLE, Ordering::Release);
    }

    /// Answers requests forever.
    pub fn serve(&self, mut answer: impl FnMut(Request) -> Response) -> ! {
        loop {
            loop {
                let state = self.state.load(Ordering::Acquire);
                if state == REQUESTED {
                    break;
                }
                futex(&self.state, libc::FUTEX_WAIT, state, None);
            }
            // SAFETY: the director has written it and waits.
            let request = unsafe { *self.request.get() };
            let response = answer(request);
            // SAFETY: it is still our turn.
            unsafe { *self.response.get() = response };
            self.state.store(DONE, Ordering::Release);
            futex(&self.state, libc::FUTEX_WAKE, 1, None);
        }
    }
}

/// What the director and the workers share.
#[derive(Debug)]
pub struct Shared {
    /// A channel for each thread of each process.
    pub channels: [[Channel; THREADS]; PROCS],
    /// The batch of the first process.
    pub batch: Batch,
}

/// Maps it in memory that children share.
pub fn share() -> &'static Shared {
    let memory = system::shared().expect("memory to share");
    // SAFETY: new zeroed memory is a valid value: states are IDLE, counts 0, requests all zeroes;
    // results and items are written before they are read. It is never unmapped.
    unsafe { &*memory }
}
