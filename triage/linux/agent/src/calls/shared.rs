//! The memory that the agent and the processes of a program share.

use super::monitor::Mailbox;
use super::poisoned::Poisoned;
use crate::system;
use mm_linux_calls::{Breach, Ledger, MAX_STEPS, PAGES, PROCESSES, Program};
use std::cell::UnsafeCell;
use std::io;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

/// See [`Shared::share`].
pub const AFTERWARDS: u32 = u32::MAX;

/// What the processes of a program share.
pub struct Shared {
    pub kept: AtomicU32,
    /// Twice the number of the step, plus one while the other process looks.
    pub turn: AtomicU32,
    pub results: [AtomicI32; MAX_STEPS],
    /// When the second of two calls begins: after this share of the time that the first one takes,
    /// in thousandths. [`AFTERWARDS`]: when the first one has ended.
    pub share: AtomicU32,
    /// How long the first of two calls takes, in nanoseconds, by its step.
    pub spans: [AtomicU32; MAX_STEPS],
    pub pids: [AtomicI32; PROCESSES],
    pub mailbox: Mailbox,
    pub poisoned: Poisoned,
    pub passed_over: AtomicU32,
    pub ended: AtomicU32,
    /// Written by the process whose turn it is.
    board: UnsafeCell<Board>,
}

pub struct Board {
    pub breach: Option<Breach>,
    pub ledger: Ledger,
    /// The ledger for the other order of two calls.
    pub other: Ledger,
    /// The entries of each process that were last read, and the number of the step after which
    /// they were read, plus one; 0 before the first read.
    pub seen: [([u64; PAGES as usize], u32); PROCESSES],
}

// SAFETY: the processes take turns; see `Shared::turn`.
unsafe impl Sync for Shared {}

impl Shared {
    pub fn new() -> io::Result<&'static Self> {
        let memory = system::shared::<Self>()?;
        // SAFETY: new memory, which is zero, and all zeros are valid: integers, flags, and `None`,
        // which `begin` writes anew.
        Ok(unsafe { &*memory })
    }

    /// The board, for the process whose turn it is.
    #[allow(clippy::mut_from_ref)]
    pub fn board(&self) -> &mut Board {
        // SAFETY: only one process has its turn.
        unsafe { &mut *self.board.get() }
    }

    /// Waits a little, or until the turn is no longer `now`.
    pub fn rest(&self, now: u32) {
        let time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 20_000_000,
        };
        // SAFETY: waits on our word; a wake-up that is missed costs the time.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                &raw const self.turn,
                libc::FUTEX_WAIT,
                now,
                &raw const time,
            )
        };
    }

    pub fn pass(&self, turn: u32) {
        self.turn.store(turn, Ordering::SeqCst);
        // SAFETY: wakes those that wait on our word.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                &raw const self.turn,
                libc::FUTEX_WAKE,
                i32::MAX,
            )
        };
    }

    pub fn begin(&self, program: &Program) {
        let board = self.board();
        board.breach = None;
        board.seen.iter_mut().for_each(|seen| seen.1 = 0);
        board.ledger.reset(program);
        self.mailbox.clear();
        self.turn.store(0, Ordering::SeqCst);
        self.ended.store(0, Ordering::SeqCst);
        self.passed_over.store(0, Ordering::SeqCst);
        self.pids
            .iter()
            .for_each(|pid| pid.store(0, Ordering::SeqCst));
        self.results
            .iter()
            .for_each(|result| result.store(0, Ordering::SeqCst));
    }
}
