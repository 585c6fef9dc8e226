//! Threads of a process that access a page and may wait for the userfaultfd.

use super::Process;
use super::monitor::Mailbox;
use crate::access;
use mm_linux_calls::{BreachKind, Call, Range, wakes};
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a thread that runs may take until it waits or ends.
const PATIENCE: Duration = Duration::from_millis(40);

/// What the thread says.
#[derive(Default)]
struct Said {
    id: AtomicI32,
    /// 1 when the access begins, 2 when it has ended.
    state: AtomicU32,
    word: AtomicU64,
    /// The signal that the access raised.
    signal: AtomicI32,
}

/// A thread and its access.
pub struct Waiter {
    page: usize,
    writes: bool,
    word: u64,
    said: &'static Said,
}

impl Waiter {
    /// Begins the access.
    fn start(page: usize, write: Option<u64>, mailbox: &'static Mailbox) -> Option<Self> {
        let said: &'static Said = Box::leak(Box::default());
        let at = super::kernel::addr(page as u16);
        let thread = std::thread::Builder::new().stack_size(64 << 10);
        let access = move || {
            // SAFETY: no arguments.
            let id = unsafe { libc::gettid() };
            mailbox.leave_alone(id);
            said.id.store(id, Ordering::SeqCst);
            said.state.store(1, Ordering::SeqCst);
            let result = match write {
                Some(word) => access::write(at, word).map(|()| word),
                None => access::read(at),
            };
            match result {
                Ok(word) => said.word.store(word, Ordering::SeqCst),
                Err(signal) => said.signal.store(signal, Ordering::SeqCst),
            }
            said.state.store(2, Ordering::SeqCst);
        };
        thread.spawn(access).ok()?;
        Some(Self {
            page,
            writes: write.is_some(),
            word: write.unwrap_or_default(),
            said,
        })
    }

    /// Waits until the thread has ended its access, or sleeps in it. Returns true if it has ended.
    fn has_ended(&self) -> bool {
        let began = Instant::now();
        loop {
            let state = self.said.state.load(Ordering::SeqCst);
            if state == 2 {
                return true;
            }
            let sleeps = state == 1 && self.sleeps();
            if self.said.state.load(Ordering::SeqCst) != 2 && (sleeps || began.elapsed() > PATIENCE)
            {
                return false;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    fn sleeps(&self) -> bool {
        let id = self.said.id.load(Ordering::SeqCst);
        let stat = std::fs::read_to_string(format!("/proc/self/task/{id}/stat"));
        let stat = stat.unwrap_or_default();
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
        state.is_some_and(|state| state.starts_with(['S', 'D']))
    }
}

impl Process<'_> {
    /// A thread begins to access a page.
    pub(super) fn start(&mut self, at: usize, range: Range, writes: bool) {
        let page = usize::from(range.first);
        let word = writes.then(|| Range::word(at, page));
        let waiter = Waiter::start(page, word, &self.shared.mailbox);
        self.waiters.extend(waiter);
    }

    /// Notes the accesses that have ended, and those that should have ended after a call. `call` is
    /// the call, its result, and the number of pages that it has handled.
    pub(super) fn look_at_waiters(&mut self, step: usize, call: Option<(&Call, i32, u16)>) {
        for waiter in std::mem::take(&mut self.waiters) {
            let Waiter { page, writes, .. } = waiter;
            let ledger = &mut self.shared.board().ledger;
            if !waiter.has_ended() {
                let is_woken =
                    call.is_some_and(|(call, result, done)| wakes(call, result, done, page));
                if is_woken && ledger.is_free(self.me, page, writes) {
                    self.note(step, page, (BreachKind::Waits, 0, 0));
                } else {
                    self.waiters.push(waiter);
                }
                continue;
            }
            let has_faulted = waiter.said.signal.load(Ordering::SeqCst) != 0;
            let shown = if writes {
                ledger.has_written(self.me, page, waiter.word, !has_faulted, false)
            } else {
                let word = waiter.said.word.load(Ordering::SeqCst);
                ledger.has_read(self.me, page, (!has_faulted).then_some(word))
            };
            let steps = &self.job.program.steps;
            if writes && steps.get(step).is_some_and(|step| step.call.writes()) {
                // the call of this step may have written to the page, too, and the order of the two
                // writes is not known
                ledger.has_raced(self.me, page);
            }
            if let Some(shown) = shown {
                self.note(step, page, shown);
            }
        }
    }
}
