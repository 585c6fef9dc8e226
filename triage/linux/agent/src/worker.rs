//! A process of a program: does what it is told, by the driver here and by [`system`] calls.

use crate::channel::{Item, ItemResult, Request, Response, Shared, THREADS};
use crate::driver::{self, Command, Driver, Fail, Observe, Range};
use crate::system::{self, PAGE, clipped, done, errno, failed, forget_uffd, span, window};
use mm_fuzz::exec::Digest;
use mm_fuzz::program::{self, Op, OpKind};
use mm_linux_protocol::{ALLOC_KINDS, Outcome, WINDOW};
use std::io;

/// All that a worker needs.
#[derive(Clone, Copy, Debug)]
pub struct Worker {
    pub shared: &'static Shared,
    pub driver: &'static Driver,
}

/// Makes the stack around here this process's own: after a fork, copying it would take pages that an operation is
/// to be refused.
fn own_stack() {
    let here = 0;
    let around = (&raw const here as u64 & !(PAGE - 1)) - 8 * PAGE;
    // SAFETY: the stack of a thread is larger than that, and nothing is changed.
    unsafe {
        libc::madvise(
            around as *mut _,
            9 * PAGE as usize,
            libc::MADV_POPULATE_WRITE,
        )
    };
}

impl Worker {
    /// Serves the threads of process `slot`, for ever.
    pub fn serve(self, slot: usize, threads: u8) -> ! {
        let _ = self.driver.call(Command::Attach, &mut ());
        for thread in 1..usize::from(threads).min(THREADS) {
            std::thread::spawn(move || {
                self.shared.channels[slot][thread].serve(|request| self.perform(request))
            });
        }
        self.shared.channels[slot][0].serve(|request| self.perform(request))
    }

    fn range(addr: program::Addr, len: program::Len, dev: program::Dev) -> Range {
        Range {
            addr: span(addr, len).0 as u64,
            len: clipped(addr, len),
            dev: dev.get().into(),
            ..Range::default()
        }
    }

    fn page(addr: program::Addr) -> Range {
        Self::range(addr, program::Len::new(1), program::Dev::new(0))
    }

    fn call(self, command: Command, mut range: Range, result: impl Fn(u64) -> Outcome) -> Response {
        match self.driver.call(command, &mut range) {
            Ok(()) => Response {
                outcome: result(range.result),
                pid: 0,
                open: range.word != 0,
            },
            Err(error) => failed(&error).into(),
        }
    }

    fn slot_call(self, command: Command, slot: u8, skip: u8) -> Response {
        let mut argument = driver::Slot {
            slot: slot.into(),
            skip: skip.into(),
            ..driver::Slot::default()
        };
        match self.driver.call(command, &mut argument) {
            Ok(()) => Response {
                outcome: Outcome::Done,
                pid: 0,
                open: argument.open != 0,
            },
            Err(error) => failed(&error).into(),
        }
    }

    /// Looks at the window of a process. False if a writer waits for its `mmap_lock`.
    pub fn observe(
        self,
        pid: i32,
        sums: &mut Observe,
        entries: &mut [driver::Entry; WINDOW as usize],
    ) -> bool {
        *sums = Observe {
            pid: pid as u32,
            len: WINDOW,
            addr: window(),
            entries: entries.as_mut_ptr() as u64,
            ..Observe::default()
        };
        self.driver.call(Command::Observe, sums).is_ok()
    }

    fn perform_item(self, item: Item, result: &mut ItemResult) {
        if let Some(request) = item.request {
            let response = self.perform(request);
            (result.outcome, result.open) = (response.outcome, response.open);
        }
        if item.observe {
            // SAFETY: a plain call.
            let pid = unsafe { libc::getpid() };
            result.seen = self.observe(pid, &mut result.sums, &mut result.entries);
        }
    }

    fn perform(self, request: Request) -> Response {
        if request.kind == Request::BATCH {
            self.shared
                .batch
                .run(|item, result| self.perform_item(item, result));
            return Outcome::Done.into();
        }
        if request.kind == Request::CLEAN {
            forget_uffd();
            let len = u64::from(WINDOW) * PAGE;
            // SAFETY: nothing of ours lies in the window.
            return done(unsafe { libc::munmap(window() as *mut _, len as usize) }).into();
        }
        let op = Op::from_operand_bytes(OpKind::from_number(request.kind), request.operands);
        if request.fail == [0; ALLOC_KINDS] {
            return self.operation(op, request);
        }
        own_stack();
        let armed = self.fail(request.fail);
        let response = self.operation(op, request);
        match armed.and(self.fail([0; ALLOC_KINDS])) {
            Ok(()) => response,
            Err(error) => failed(&error).into(),
        }
    }

    /// Has allocations of this thread, and of the migrations held open, fail.
    fn fail(self, nth: [u8; ALLOC_KINDS]) -> io::Result<()> {
        let mut argument = Fail {
            nth: nth.map(u32::from),
        };
        self.driver.call(Command::Fail, &mut argument)
    }

    fn operation(self, op: Op, request: Request) -> Response {
        match op {
            Op::Fork { .. } => self.fork(request),
            Op::Migrate {
                addr,
                len,
                dev,
                skip,
                ..
            }
            | Op::MigrateBack {
                addr,
                len,
                dev,
                skip,
                ..
            } => {
                let back = matches!(op, Op::MigrateBack { .. });
                let range = Range {
                    skip: skip.get().into(),
                    flags: if back { driver::TO_SYSTEM } else { 0 },
                    ..Self::range(addr, len, dev)
                };
                self.call(Command::Migrate, range, |moved| {
                    Outcome::Moved(moved as u32)
                })
            }
            Op::Setup {
                addr,
                len,
                dev,
                toward,
                ..
            } => {
                let back = matches!(toward, program::Toward::System);
                let range = Range {
                    flags: if back { driver::TO_SYSTEM } else { 0 },
                    ..Self::range(addr, len, dev)
                };
                self.call(Command::Setup, range, |slot| Outcome::Slot(slot as u8))
            }
            Op::Pages { skip, .. } => self.slot_call(Command::Next, request.slot, skip.get()),
            Op::Finalize { .. } => self.slot_call(Command::Next, request.slot, 0),
            Op::Put { .. } => self.slot_call(Command::Put, request.slot, 0),
            Op::Unlock { .. } => self.slot_call(Command::Unlock, request.slot, 0),
            Op::Evict { dev, first, len } => {
                let frames = (first.get().into(), len.get().into());
                self.evict(Command::Evict, dev, frames).into()
            }
            Op::Release { dev } => self.evict(Command::Release, dev, (0, 0)).into(),
            Op::DevRead { dev, addr, .. } => {
                let range = Self::range(addr, program::Len::new(1), dev);
                self.call(Command::Access, range, Outcome::Word)
            }
            Op::DevWrite { dev, addr, .. } => {
                let range = Range {
                    flags: driver::WRITE,
                    word: request.word,
                    ..Self::range(addr, program::Len::new(1), dev)
                };
                self.call(Command::Access, range, Outcome::Word)
            }
            Op::Snapshot { dev, addr, len, .. } => self.snapshot(dev, addr, len).into(),
            Op::Exclusive { dev, addr, len, .. } => {
                let range = Self::range(addr, len, dev);
                self.call(Command::Exclusive, range, |pages| {
                    Outcome::Exclusive(pages as u32)
                })
            }
            Op::Reclaim { addr, .. } => self.call(Command::Reclaim, Self::page(addr), |freed| {
                Outcome::Moved(freed as u32)
            }),
            Op::Compact { addr, .. } => self.call(Command::Compact, Self::page(addr), |moved| {
                Outcome::Moved(moved as u32)
            }),
            Op::Get { addr, access, .. } => self.get(addr, access, 0),
            Op::Pin { addr, access, .. } => self.get(addr, access, driver::PIN),
            Op::GetFast { addr, access, .. } => self.get(addr, access, driver::FAST),
            Op::PinFast { addr, access, .. } => self.get(addr, access, driver::PIN | driver::FAST),
            Op::PinLongterm { addr, access, .. } => {
                self.get(addr, access, driver::PIN | driver::LONGTERM)
            }
            Op::Hold { addr, .. } => self.hold(Command::Hold, addr),
            Op::Lock { addr, .. } => self.hold(Command::Lock, addr),
            _ => system::call(op, request.word).into(),
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
                outcome: Outcome::Child(request.slot),
                pid,
                open: false,
            },
            _ => errno().into(),
        }
    }

    fn get(self, addr: program::Addr, access: program::Access, how: u32) -> Response {
        let write = if access == program::Access::Write {
            driver::WRITE
        } else {
            0
        };
        let range = Range {
            flags: write | how,
            ..Self::page(addr)
        };
        self.call(Command::Get, range, |slot| Outcome::Slot(slot as u8))
    }

    fn hold(self, command: Command, addr: program::Addr) -> Response {
        self.call(command, Self::page(addr), |slot| Outcome::Slot(slot as u8))
    }

    fn evict(self, command: Command, dev: program::Dev, (first, len): (u32, u32)) -> Outcome {
        let mut argument = driver::Evict {
            dev: dev.get().into(),
            first,
            len,
            moved: 0,
        };
        match self.driver.call(command, &mut argument) {
            Ok(()) => Outcome::Moved(argument.moved),
            Err(error) => failed(&error),
        }
    }

    fn snapshot(self, dev: program::Dev, addr: program::Addr, len: program::Len) -> Outcome {
        let mut argument = driver::Snapshot {
            addr: span(addr, len).0 as u64,
            len: clipped(addr, len),
            dev: dev.get().into(),
            seen: [0; driver::MAX_PAGES],
        };
        if let Err(error) = self.driver.call(Command::Snapshot, &mut argument) {
            return failed(&error);
        }
        let mut digest = Digest::default();
        for seen in &argument.seen[..clipped(addr, len) as usize] {
            digest.mix((*seen).into());
        }
        Outcome::Seen(digest.value())
    }
}
