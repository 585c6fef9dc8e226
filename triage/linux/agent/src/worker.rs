//! A process of a program. It does what it is told, by the driver (here) and by [`system`] calls.

use crate::channel::{Item, ItemResult, Request, Response, Shared, THREADS};
use crate::cover::{Cover, Trace};
use crate::driver::{self, Driver, Fail, Ioctl, Observe, Range};
use crate::system::{self, done, errno, failed, forget_uffd};
use mm_fuzz::call::{self, Call, Pages, RangeResult};
use mm_fuzz::exec::Digest;
use mm_fuzz::limits::WINDOW_PAGES;
use mm_fuzz::program::{Dev, Op, OpKind};
use mm_fuzz::window::Window;
use mm_linux_protocol::{ALLOC_KINDS, GuestOutcome};
use std::io;

/// What a worker needs.
#[derive(Clone, Copy, Debug)]
pub struct Worker {
    pub shared: &'static Shared,
    pub driver: &'static Driver,
    /// Where what is reached is noted; nowhere unless coverage is followed.
    pub cover: Option<&'static Cover>,
}

/// Unshares the stack around this frame. After a fork, copying it on write would take page
/// allocations that are armed to fail for an operation.
fn own_stack() {
    let here = 0;
    const PAGE: u64 = Window::PAGE_BYTES;
    let around = (&raw const here as u64 & !(PAGE - 1)) - 8 * PAGE;
    // SAFETY: the stack of a thread is larger than that, and its contents do not change.
    unsafe {
        libc::madvise(
            around as *mut _,
            9 * PAGE as usize,
            libc::MADV_POPULATE_WRITE,
        )
    };
}

impl Worker {
    /// Serves the threads of process `slot` forever.
    pub fn serve(self, slot: usize, threads: u8) -> ! {
        let _ = self.driver.call(Ioctl::Attach, &mut ());
        for thread in 1..usize::from(threads).min(THREADS) {
            std::thread::spawn(move || {
                let trace = self.trace();
                self.shared.channels[slot][thread].serve(|request| self.perform(request, &trace))
            });
        }
        let trace = self.trace();
        self.shared.channels[slot][0].serve(|request| self.perform(request, &trace))
    }

    /// What this thread's operations are followed with.
    fn trace(self) -> Option<Trace> {
        self.cover.and_then(Cover::trace)
    }

    fn range_call(self, call: &call::RangeCall, word: u64) -> Response {
        let mut range = Range {
            addr: Window::GUEST.byte(call.pages.first),
            len: Window::GUEST.count(call.pages.count),
            dev: call.dev.into(),
            skip: call.skip.into(),
            flags: call.flags.0,
            word,
            ..Range::default()
        };
        match self.driver.call(call.command, &mut range) {
            Ok(()) => Response {
                outcome: match call.result {
                    RangeResult::Word => GuestOutcome::Word(range.result),
                    RangeResult::Moved => GuestOutcome::Moved(range.result as u32),
                    RangeResult::Exclusive => GuestOutcome::Exclusive(range.result as u32),
                    RangeResult::Slot => GuestOutcome::Slot(range.result as u8),
                },
                pid: 0,
                open: range.word != 0,
            },
            Err(error) => failed(&error).into(),
        }
    }

    fn slot_call(self, command: Ioctl, slot: u8, skip: u8) -> Response {
        let mut argument = driver::Slot {
            slot: slot.into(),
            skip: skip.into(),
            ..driver::Slot::default()
        };
        match self.driver.call(command, &mut argument) {
            Ok(()) => Response {
                outcome: GuestOutcome::Done,
                pid: 0,
                open: argument.open != 0,
            },
            Err(error) => failed(&error).into(),
        }
    }

    /// Observes the window of a process. Returns false if a writer waits for its `mmap_lock`.
    pub fn observe(
        self,
        pid: i32,
        sums: &mut Observe,
        entries: &mut [driver::Entry; WINDOW_PAGES as usize],
    ) -> bool {
        *sums = Observe {
            pid: pid as u32,
            len: Window::GUEST.count(WINDOW_PAGES),
            addr: Window::GUEST.start_byte(),
            entries: entries.as_mut_ptr() as u64,
            ..Observe::default()
        };
        self.driver.call(Ioctl::Observe, sums).is_ok()
    }

    fn perform_item(self, item: Item, result: &mut ItemResult, trace: &Option<Trace>) {
        if let Some(request) = item.request {
            let response = self.perform(request, trace);
            (result.outcome, result.open) = (response.outcome, response.open);
        }
        if item.observe {
            // SAFETY: a plain call.
            let pid = unsafe { libc::getpid() };
            result.seen = self.observe(pid, &mut result.sums, &mut result.entries);
        }
    }

    fn perform(self, request: Request, trace: &Option<Trace>) -> Response {
        if request.kind == Request::BATCH {
            self.shared
                .batch
                .run(|item, result| self.perform_item(item, result, trace));
            return GuestOutcome::Done.into();
        }
        if request.kind == Request::CLEAN {
            forget_uffd();
            let (start, len) = (
                Window::GUEST.start_byte(),
                Window::GUEST.bytes(WINDOW_PAGES),
            );
            // SAFETY: nothing of ours lies in the window.
            return done(unsafe { libc::munmap(start as *mut _, len as usize) }).into();
        }
        trace.iter().for_each(Trace::begin);
        let response = self.perform_alone(request);
        trace.iter().for_each(Trace::end);
        response
    }

    fn perform_alone(self, request: Request) -> Response {
        let op = Op::from_operand_bytes(OpKind::from_number(request.kind), request.operands);
        if request.fail == [0; ALLOC_KINDS] {
            return self.operation(op, request);
        }
        own_stack();
        // The arguments of a call are on the heap. This touches their page now, and the same chunk
        // is reused below.
        drop(std::hint::black_box((op.kind().contract().call)(op)));
        let armed = self.fail(request.fail);
        let response = self.operation(op, request);
        match armed.and(self.fail([0; ALLOC_KINDS])) {
            Ok(()) => response,
            Err(error) => failed(&error).into(),
        }
    }

    /// Arms failures of allocations of this thread, and of the migrations held open.
    fn fail(self, nth: [u8; ALLOC_KINDS]) -> io::Result<()> {
        let mut argument = Fail {
            nth: nth.map(u32::from),
        };
        self.driver.call(Ioctl::Fail, &mut argument)
    }

    fn operation(self, op: Op, request: Request) -> Response {
        match (op.kind().contract().call)(op) {
            Call::Fork => self.fork(request),
            Call::Range(range) => {
                let word = if range.takes_word() { request.word } else { 0 };
                self.range_call(&range, word)
            }
            Call::Slot(command, skip) => self.slot_call(command, request.slot, skip),
            Call::Evict(command, dev, frames) => self.evict(command, dev, frames).into(),
            Call::Snapshot(dev, pages) => self.snapshot(dev, pages).into(),
            call => system::call(&call, request.word).into(),
        }
    }

    fn fork(self, request: Request) -> Response {
        // SAFETY: the child goes on as a worker of its own.
        match unsafe { libc::fork() } {
            0 => {
                forget_uffd();
                self.serve(request.slot.into(), request.threads)
            }
            pid if pid > 0 => Response {
                outcome: GuestOutcome::Child(request.slot),
                pid,
                open: false,
            },
            _ => errno().into(),
        }
    }

    fn evict(self, command: Ioctl, dev: Dev, [first, len]: [u8; 2]) -> GuestOutcome {
        let mut argument = driver::Evict {
            dev: dev.get().into(),
            first: first.into(),
            len: len.into(),
            moved: 0,
        };
        match self.driver.call(command, &mut argument) {
            Ok(()) => GuestOutcome::Moved(argument.moved),
            Err(error) => failed(&error),
        }
    }

    fn snapshot(self, dev: Dev, pages: Pages) -> GuestOutcome {
        let mut argument = driver::Snapshot {
            addr: Window::GUEST.byte(pages.first),
            len: Window::GUEST.count(pages.count),
            dev: dev.get().into(),
            seen: [0; driver::MAX_PAGES],
        };
        if let Err(error) = self.driver.call(Ioctl::Snapshot, &mut argument) {
            return failed(&error);
        }
        let mut digest = Digest::default();
        for seen in &argument.seen[..argument.len as usize] {
            digest.mix((*seen).into());
        }
        GuestOutcome::Seen(digest.value())
    }
}
