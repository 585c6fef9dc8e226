//! A process of a program: does with its memory what it is told.

use crate::access;
use crate::channel::{Item, ItemResult, Request, Response, Shared, THREADS};
use crate::driver::{self, Command, Driver, Fail, Observe, Range};
use mm_fuzz::exec::{Digest, window_base};
use mm_fuzz::program::{self, Geometry, Op, OpKind};
use mm_linux_protocol::{ALLOC_KINDS, Outcome, WINDOW};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicI32, Ordering};

const PAGE: u64 = 4096;

/// The userfaultfd of this process; -1 if it has none yet.
static UFFD: AtomicI32 = AtomicI32::new(-1);

/// All that a worker needs.
#[derive(Clone, Copy, Debug)]
pub struct Worker {
    pub shared: &'static Shared,
    pub driver: &'static Driver,
}

/// The first address of the window. It lies where that of an x86-64 program does, whatever the
/// geometry, which is not visible from outside.
pub fn window() -> u64 {
    window_base(Geometry::X86_64) * PAGE
}

fn errno() -> Outcome {
    Outcome::Errno(io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

fn done(result: i32) -> Outcome {
    if result < 0 { errno() } else { Outcome::Done }
}

fn advise(addr: program::Addr, len: program::Len, advice: i32) -> Outcome {
    let (at, len) = span(addr, len);
    // SAFETY: the range is in the window, where nothing of ours lies.
    done(unsafe { libc::madvise(at, len, advice) })
}

fn failed(error: &io::Error) -> Outcome {
    match error.raw_os_error().unwrap_or(0) {
        libc::ENOENT | libc::ENOSPC => Outcome::Nothing,
        number => Outcome::Errno(number),
    }
}

/// The pages of a range, which ends with the window at the latest.
fn clipped(addr: program::Addr, len: program::Len) -> u32 {
    u32::from(len.get()).min(WINDOW - u32::from(addr.get()))
}

fn span(addr: program::Addr, len: program::Len) -> (*mut libc::c_void, usize) {
    let start = window() + u64::from(addr.get()) * PAGE;
    (start as *mut _, clipped(addr, len) as usize * PAGE as usize)
}

const fn protection(prot: program::Prot) -> i32 {
    match prot {
        program::Prot::None => libc::PROT_NONE,
        program::Prot::Read => libc::PROT_READ,
        program::Prot::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
    }
}

/// The number that a process gives its userfaultfd, so that the director can find it.
pub const UFFD_NUMBER: i32 = 100;

/// Opens a userfaultfd that answers with SIGBUS, on first use.
fn uffd() -> i32 {
    let fd = UFFD.load(Ordering::Relaxed);
    if fd >= 0 {
        return fd;
    }
    const PAGEFAULT_FLAG_WP: u64 = 1 << 0;
    const SIGBUS: u64 = 1 << 7;
    let mut api = [0xaa, PAGEFAULT_FLAG_WP | SIGBUS, 0];
    // SAFETY: plain calls; `api` is a struct uffdio_api.
    unsafe {
        let fd = libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) as i32;
        libc::ioctl(fd, 0xc018_aa3f, &raw mut api);
        libc::dup2(fd, UFFD_NUMBER);
        libc::close(fd);
    }
    UFFD.store(UFFD_NUMBER, Ordering::Relaxed);
    UFFD_NUMBER
}

fn uffd_call<const N: usize>(number: u64, mut argument: [u64; N]) -> Outcome {
    // SAFETY: the argument has the length that is part of the number.
    done(unsafe { libc::ioctl(uffd(), number as _, &raw mut argument) })
}

fn forget_uffd() {
    let fd = UFFD.swap(-1, Ordering::Relaxed);
    if fd >= 0 {
        // SAFETY: ours, and closed once.
        unsafe { libc::close(fd) };
    }
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

fn clear_refs() -> Outcome {
    match std::fs::write("/proc/self/clear_refs", "4") {
        Ok(()) => Outcome::Done,
        Err(error) => failed(&error),
    }
}

/// What `/proc/self/pagemap` shows of a range, without frame numbers.
fn pagemap(addr: program::Addr, len: program::Len) -> io::Result<Outcome> {
    const SHOWN: u64 = 7 << 55 | 7 << 61;
    let mut entries = vec![0; clipped(addr, len) as usize * size_of::<u64>()];
    let first = window() / PAGE + u64::from(addr.get());
    let file = File::open("/proc/self/pagemap")?;
    file.read_exact_at(&mut entries, first * size_of::<u64>() as u64)?;
    let mut digest = Digest::default();
    let (entries, _) = entries.as_chunks();
    for entry in entries {
        digest.mix(u64::from_le_bytes(*entry) & SHOWN);
    }
    Ok(Outcome::Seen(digest.value()))
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
            _ => Self::system_call(op, request.word).into(),
        }
    }

    /// What needs no driver.
    fn system_call(op: Op, word: u64) -> Outcome {
        const FIXED: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        // SAFETY (of all calls below): they change memory in the window, where nothing of ours lies.
        match op {
            Op::Mmap {
                addr, len, prot, ..
            } => {
                let (at, len) = span(addr, len);
                let result = unsafe { libc::mmap(at, len, protection(prot), FIXED, -1, 0) };
                if result == libc::MAP_FAILED {
                    errno()
                } else {
                    Outcome::Done
                }
            }
            Op::Munmap { addr, len, .. } => {
                let (at, len) = span(addr, len);
                done(unsafe { libc::munmap(at, len) })
            }
            Op::Mprotect {
                addr, len, prot, ..
            } => {
                let (at, len) = span(addr, len);
                done(unsafe { libc::mprotect(at, len, protection(prot)) })
            }
            Op::Dontneed { addr, len, .. } => advise(addr, len, libc::MADV_DONTNEED),
            Op::Lazyfree { addr, len, .. } => advise(addr, len, libc::MADV_FREE),
            Op::Cold { addr, len, .. } => advise(addr, len, libc::MADV_COLD),
            Op::Pageout { addr, len, .. } => advise(addr, len, libc::MADV_PAGEOUT),
            Op::Willneed { addr, len, .. } => advise(addr, len, libc::MADV_WILLNEED),
            Op::Mlock {
                addr, len, switch, ..
            } => {
                let (at, len) = span(addr, len);
                done(match switch {
                    program::OnOff::On => unsafe { libc::mlock(at, len) },
                    program::OnOff::Off => unsafe { libc::munlock(at, len) },
                })
            }
            Op::Dontfork {
                addr, len, switch, ..
            } => {
                let (at, len) = span(addr, len);
                let advice = match switch {
                    program::OnOff::On => libc::MADV_DONTFORK,
                    program::OnOff::Off => libc::MADV_DOFORK,
                };
                done(unsafe { libc::madvise(at, len, advice) })
            }
            Op::Mremap {
                addr,
                len,
                to,
                newlen,
                how,
                ..
            } => {
                const FIXED: i32 = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
                let (to, flags) = match how {
                    program::How::Stay => (addr, 0),
                    program::How::Fixed => (to, FIXED),
                    program::How::Dontunmap => (to, FIXED | libc::MREMAP_DONTUNMAP),
                };
                let ((at, len), (to, newlen)) = (span(addr, len), span(to, newlen));
                let result = unsafe { libc::mremap(at, len, newlen, flags, to) };
                if result == libc::MAP_FAILED {
                    errno()
                } else {
                    Outcome::Done
                }
            }
            Op::Read { addr, .. } => {
                match access::read(span(addr, program::Len::new(1)).0 as u64) {
                    Ok(word) => Outcome::Word(word),
                    Err(signal) => Outcome::Signal(signal),
                }
            }
            Op::Write { addr, .. } => {
                match access::write(span(addr, program::Len::new(1)).0 as u64, word) {
                    Ok(()) => Outcome::Word(word),
                    Err(signal) => Outcome::Signal(signal),
                }
            }
            Op::ClearSoftDirty { .. } => clear_refs(),
            Op::Pagemap { addr, len, .. } => pagemap(addr, len).unwrap_or_else(|e| failed(&e)),
            Op::UffdRegister { addr, len, .. } => {
                let (at, len) = span(addr, len);
                const MODE_WP: u64 = 1 << 1;
                uffd_call(0xc020_aa00, [at as u64, len as u64, MODE_WP, 0])
            }
            Op::UffdUnregister { addr, len, .. } => {
                let (at, len) = span(addr, len);
                uffd_call(0x8010_aa01, [at as u64, len as u64])
            }
            Op::UffdWp {
                addr, len, switch, ..
            } => {
                let (at, len) = span(addr, len);
                let on = matches!(switch, program::OnOff::On);
                uffd_call(0xc018_aa06, [at as u64, len as u64, u64::from(on)])
            }
            // the director carries it out
            Op::Fail { .. } => Outcome::Done,
            _ => Outcome::Nothing,
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
