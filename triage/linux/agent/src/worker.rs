//! A process of a program. It carries out requests, mostly as [`Ready`] calls.

use crate::call::{Ended, Ready};
use crate::channel::{Item, ItemResult, Request, Response, Shared, THREADS};
use crate::cover::{Cover, Trace};
use crate::driver::{self, Driver, Ioctl, Observe};
use crate::system::{self, done, errno, failed, forget_uffd};
use mm_fuzz::call::Invocation;
use mm_fuzz::limits::WINDOW_PAGES;
use mm_fuzz::program::{Op, OpKind};
use mm_fuzz::window::Window;
use mm_linux_protocol::{ALLOC_KINDS, GuestOutcome};
use std::sync::{Arc, Barrier};

/// The window of a program.
fn window(huge: bool) -> Window {
    match huge {
        false => Window::GUEST,
        true => Window::GUEST_HUGE,
    }
}

/// Unmaps the window of this process, and closes its userfaultfd.
fn clean() -> GuestOutcome {
    forget_uffd();
    // the larger window contains the other
    let window = window(true);
    let (start, len) = (window.start_byte(), window.bytes(WINDOW_PAGES));
    // SAFETY: nothing of ours lies in the window.
    done(unsafe { libc::munmap(start as *mut _, len as usize) })
}

/// What a worker needs.
#[derive(Clone, Copy, Debug)]
pub struct Worker {
    pub shared: &'static Shared,
    pub driver: &'static Driver,
    /// Where reached places are noted; `None` unless coverage is followed.
    pub cover: Option<&'static Cover>,
}

impl Worker {
    /// Serves the threads of process `slot` forever.
    pub fn serve(self, slot: usize, threads: u8) -> ! {
        let _ = self.driver.call(Ioctl::Attach, &mut ());
        // A new thread takes mmap_lock, because it maps memory. It must not do that while a stopped
        // operation holds this lock.
        let count = usize::from(threads).clamp(1, THREADS);
        let begun = Arc::new(Barrier::new(count));
        for thread in 1..count {
            let begun = Arc::clone(&begun);
            std::thread::spawn(move || {
                let trace = self.trace();
                begun.wait();
                drop(begun);
                self.shared.channels[slot][thread].serve(|request| self.perform(request, &trace))
            });
        }
        begun.wait();
        drop(begun);
        let trace = self.trace();
        self.shared.channels[slot][0].serve(|request| self.perform(request, &trace))
    }

    /// Begins to trace this thread, if coverage is followed.
    fn trace(self) -> Option<Trace> {
        self.cover.and_then(Cover::trace)
    }

    /// Observes the window of a process. Returns false if the driver cannot observe it, for example
    /// because a writer holds its `mmap_lock` or waits for it.
    pub fn observe(
        self,
        pid: i32,
        window: Window,
        sums: &mut Observe,
        entries: &mut [driver::Entry; WINDOW_PAGES as usize],
    ) -> bool {
        *sums = Observe {
            pid: pid as u32,
            len: window.count(WINDOW_PAGES),
            addr: window.start_byte(),
            unit: window.scale() as u32,
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
            let window = window(item.huge);
            result.seen = self.observe(pid, window, &mut result.sums, &mut result.entries);
        }
    }

    fn perform(self, request: Request, trace: &Option<Trace>) -> Response {
        match request.kind {
            Request::BATCH | Request::WHOLE => {
                let perform = |item, result: &mut _| self.perform_item(item, result, trace);
                self.shared.batch.run(perform);
                if request.kind == Request::BATCH {
                    return GuestOutcome::Done.into();
                }
                driver::reset(self.driver, 0, 1);
                return clean().into();
            }
            Request::CLEAN => return clean().into(),
            _ => {}
        }
        system::run_uninterrupted(request.uninterrupted);
        // What was traced since the last operation, such as an observation, counts for this one.
        // Each place counts once only, and is then no longer traced.
        let response = match request.stops.count {
            0 => self.perform_alone(request),
            _ => self.perform_with_stops(request),
        };
        trace.iter().for_each(|trace| trace.end(0));
        response
    }

    fn perform_with_stops(self, request: Request) -> Response {
        let mut stops = request.stops;
        if let Err(error) = self.driver.call(Ioctl::Arm, &mut stops) {
            return failed(&error).into();
        }
        let response = self.perform_alone(request);
        let _ = self.driver.call(Ioctl::Disarm, &mut ());
        response
    }

    fn perform_alone(self, request: Request) -> Response {
        let op = Op::from_operand_bytes(OpKind::from_number(request.kind), request.operands);
        let call = (op.kind().contract().call)(op);
        let fails = request.fail != [0; ALLOC_KINDS];
        if matches!(call, Invocation::Fork) && !fails {
            return self.fork(request);
        }
        let ran = Ready::of(
            &call,
            window(request.huge),
            request.word,
            request.slot,
            self.driver,
        )
        .and_then(|mut ready| {
            let ended = if fails {
                ready.run_failing(request.fail, self.driver)?
            } else {
                ready.run()
            };
            Ok((ready, ended))
        });
        match ran {
            Ok((_, Ended::Returned(0))) if matches!(call, Invocation::Fork) => self.born(request),
            Ok((_, Ended::Returned(pid @ 1..))) if matches!(call, Invocation::Fork) => Response {
                outcome: GuestOutcome::Child(request.slot),
                pid: pid as i32,
                open: false,
            },
            Ok((ready, ended)) => Response {
                outcome: ready.outcome(&call, ended),
                pid: 0,
                open: ready.open(ended),
            },
            Err(error) => failed(&error).into(),
        }
    }

    fn fork(self, request: Request) -> Response {
        // SAFETY: the child goes on as a worker of its own.
        match unsafe { libc::fork() } {
            0 => self.born(request),
            pid if pid > 0 => Response {
                outcome: GuestOutcome::Child(request.slot),
                pid,
                open: false,
            },
            _ => errno().into(),
        }
    }

    /// A child begins.
    fn born(self, request: Request) -> ! {
        forget_uffd();
        self.serve(request.slot.into(), request.threads)
    }
}
