//! Two calls at once: a second thread makes its call while the first one runs.
//!
//! The guest has one CPU. The second thread has a real-time priority, so it runs as soon as its
//! timer ends, in the middle of the first call, unless the kernel forbids preemption there. It goes
//! on until its call ends or waits, for a lock of the first call for example. The timer is set to a
//! share of the time that the first call takes; each run of the program has another share.

use super::Process;
use super::kernel::Kernel;
use super::shared::AFTERWARDS;
use mm_linux_calls::{Call, Performed, Step};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What it takes to start the second call, at most.
const START: Duration = Duration::from_micros(100);

/// The share for the run with this number, in thousandths. The shares of successive runs cover the
/// first call ever more densely.
pub const fn share(number: u32) -> u32 {
    (number as u64 * 618 % 1000) as u32
}

/// Waits until a word is no longer `old`.
fn wait(word: &AtomicU32, old: u32) {
    while word.load(Ordering::SeqCst) == old {
        // SAFETY: waits on a word of ours.
        unsafe {
            let none: *const libc::timespec = std::ptr::null();
            libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAIT, old, none);
        }
    }
}

/// Sets a word, and wakes the thread that waits for it.
fn set(word: &AtomicU32, new: u32) {
    word.store(new, Ordering::SeqCst);
    // SAFETY: wakes one that waits on our word.
    unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE, 1) };
}

/// Gives the thread a real-time priority.
fn hurry() {
    let priority: libc::c_int = 1;
    // SAFETY: the structure has one member. Without the privilege, the second call waits longer.
    unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            0,
            libc::SCHED_FIFO,
            &raw const priority,
        )
    };
}

/// A thread that makes a call after a delay.
struct Second {
    thread: JoinHandle<(Performed, Kernel)>,
    goes: &'static AtomicU32,
}

impl Second {
    /// Prepares the thread. `None` if there can be none.
    fn prepare(
        mut kernel: Kernel,
        delay: Duration,
        call: impl FnOnce(&mut Kernel) -> Performed + Send + 'static,
    ) -> Option<Self> {
        let [is_ready, goes]: &'static [AtomicU32; 2] = Box::leak(Box::default());
        let thread = std::thread::Builder::new().stack_size(256 << 10);
        let thread = thread.spawn(move || {
            hurry();
            set(is_ready, 1);
            wait(goes, 0);
            if !delay.is_zero() {
                std::thread::sleep(delay);
            }
            (call(&mut kernel), kernel)
        });
        let thread = thread.ok()?;
        wait(is_ready, 0);
        Some(Self { thread, goes })
    }

    /// The delay begins.
    fn start(&self) {
        set(self.goes, 1);
    }

    /// What the call has done.
    fn join(self) -> Option<(Performed, Kernel)> {
        self.thread.join().ok()
    }
}

impl Process<'_> {
    /// Makes the calls of two steps at once, and tells the ledger. `at` is the number of the second
    /// one.
    pub(super) fn make_both(&mut self, at: usize, first: &Step, second: &Step) {
        if first.call == Call::Fork && self.shared.board().ledger.is_alive(1) {
            return self.make(at, second);
        }
        let share = self.shared.share.load(Ordering::SeqCst);
        let span = &self.shared.spans[at - 1];
        let (target, pid) = self.target(&second.call);
        let call = second.call;
        let make_second = move |kernel: &mut Kernel| kernel.perform(&call, at, pid);
        let thread = if share == AFTERWARDS {
            None
        } else {
            let span = Duration::from_nanos(span.load(Ordering::SeqCst).into());
            let delay = (span + START) * share / 1000;
            Second::prepare(self.kernel.beside(&call), delay, make_second)
        };
        if let Some(thread) = &thread {
            thread.start();
        }
        let began = Instant::now();
        let (first_target, first_pid) = self.target(&first.call);
        let done = if first.call == Call::Fork {
            Performed {
                result: self.fork(at),
                ..Performed::default()
            }
        } else {
            self.kernel.perform(&first.call, at - 1, first_pid)
        };
        let is_alone = thread.is_none();
        let second_done = match thread {
            Some(thread) => {
                let Some((done, kernel)) = thread.join() else {
                    return;
                };
                self.kernel.join(kernel);
                done
            }
            None => {
                let nanos = u32::try_from(began.elapsed().as_nanos()).unwrap_or(u32::MAX);
                span.store(nanos, Ordering::SeqCst);
                make_second(&mut self.kernel)
            }
        };
        for (step, done) in [(at - 1, &done), (at, &second_done)] {
            self.shared.results[step].store(done.result, Ordering::SeqCst);
        }
        let board = self.shared.board();
        let first = (first_target, &first.call, at - 1, &done);
        let second = (target, &call, at, &second_done);
        let broken = if is_alone {
            board.ledger.tell_in_order([first, second])
        } else {
            board.ledger.tell_at_once(first, second, &mut board.other)
        };
        for (_, page, shown) in broken {
            self.note(at, page, shown);
        }
    }
}
