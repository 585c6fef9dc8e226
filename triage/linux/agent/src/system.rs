//! What a process does by system calls alone.

use crate::access;
use mm_fuzz::exec::{Digest, window_base};
use mm_fuzz::program::{self, Geometry, Op};
use mm_linux_protocol::{Outcome, WINDOW};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicI32, Ordering};

/// Bytes of a page.
pub const PAGE: u64 = 4096;

/// The userfaultfd of this process; -1 if it has none yet.
static UFFD: AtomicI32 = AtomicI32::new(-1);

/// The first address of the window. It lies where that of an x86-64 program does, whatever the
/// geometry, which is not visible from outside.
pub fn window() -> u64 {
    window_base(Geometry::X86_64) * PAGE
}

/// The error of the last call.
pub fn errno() -> Outcome {
    Outcome::Errno(io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// The outcome of a call that returns 0, or less and sets `errno`.
pub fn done(result: i32) -> Outcome {
    if result < 0 { errno() } else { Outcome::Done }
}

fn advise(addr: program::Addr, len: program::Len, advice: i32) -> Outcome {
    let (at, len) = span(addr, len);
    // SAFETY: the range is in the window, where nothing of ours lies.
    done(unsafe { libc::madvise(at, len, advice) })
}

/// The outcome of a call that has failed; what is not there, or has no room, is no error of a program.
pub fn failed(error: &io::Error) -> Outcome {
    match error.raw_os_error().unwrap_or(0) {
        libc::ENOENT | libc::ENOSPC => Outcome::Nothing,
        number => Outcome::Errno(number),
    }
}

/// The pages of a range, which ends with the window at the latest.
pub fn clipped(addr: program::Addr, len: program::Len) -> u32 {
    u32::from(len.get()).min(WINDOW - u32::from(addr.get()))
}

/// A range as address and bytes.
pub fn span(addr: program::Addr, len: program::Len) -> (*mut libc::c_void, usize) {
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

/// Closes the userfaultfd: a child's is the parent's, and a clean process has none.
pub fn forget_uffd() {
    let fd = UFFD.swap(-1, Ordering::Relaxed);
    if fd >= 0 {
        // SAFETY: ours, and closed once.
        unsafe { libc::close(fd) };
    }
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

/// Does what needs no driver.
pub fn call(op: Op, word: u64) -> Outcome {
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
        Op::Read { addr, .. } => match access::read(span(addr, program::Len::new(1)).0 as u64) {
            Ok(word) => Outcome::Word(word),
            Err(signal) => Outcome::Signal(signal),
        },
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
