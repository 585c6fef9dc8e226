//! What a process does by system calls alone.

use crate::access;
use mm_fuzz::call::{Argument, Call, Constant, Pages};
use mm_fuzz::exec::Digest;
use mm_fuzz::window::Window;
use mm_linux_protocol::GuestOutcome;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicI32, Ordering};

const GUEST: Window = Window::GUEST;

/// The userfaultfd of this process; -1 if it has none yet.
static UFFD: AtomicI32 = AtomicI32::new(-1);

/// The error of the last call.
pub fn errno() -> GuestOutcome {
    GuestOutcome::Errno(io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// The outcome of a call that returns a negative value and sets `errno` if it fails.
pub fn done(result: i32) -> GuestOutcome {
    if result < 0 {
        errno()
    } else {
        GuestOutcome::Done
    }
}

/// The outcome of a call that has failed. ENOENT and ENOSPC mean that there is nothing to work on;
/// they are no errors of the program.
pub fn failed(error: &io::Error) -> GuestOutcome {
    match error.raw_os_error().unwrap_or(0) {
        libc::ENOENT | libc::ENOSPC => GuestOutcome::Nothing,
        number => GuestOutcome::Errno(number),
    }
}

/// The file descriptor of each process's userfaultfd, fixed so that the director can find it.
pub const UFFD_NUMBER: i32 = 100;

/// The userfaultfd, opened on first use. It raises SIGBUS instead of sending events.
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

fn uffd_call(request: u64, pages: Pages, mode: u64) -> GuestOutcome {
    let (start, len) = (GUEST.byte(pages.first), GUEST.bytes(pages.count));
    let mut argument = [start, len, mode, 0];
    // SAFETY: the argument is at least as long as the request number says.
    done(unsafe { libc::ioctl(uffd(), request as _, &raw mut argument) })
}

/// A system call that returns -1 and sets `errno` if it fails.
fn system_call(number: u64, arguments: &[Argument]) -> GuestOutcome {
    let mut values = [0; 6];
    for (value, argument) in values.iter_mut().zip(arguments) {
        *value = match *argument {
            Argument::At(addr) => GUEST.byte(addr),
            Argument::Bytes(pages) => GUEST.bytes(pages),
            Argument::Is(Constant(_, value)) => value,
        };
    }
    let [a, b, c, d, e, f] = values;
    // SAFETY: it changes memory in the window, where nothing of ours lies.
    let result = unsafe { libc::syscall(number as libc::c_long, a, b, c, d, e, f) };
    if result == -1 {
        errno()
    } else {
        GuestOutcome::Done
    }
}

/// Closes the userfaultfd. A child inherits its parent's, and a clean process must have none.
pub fn forget_uffd() {
    let fd = UFFD.swap(-1, Ordering::Relaxed);
    if fd >= 0 {
        // SAFETY: ours, and closed once.
        unsafe { libc::close(fd) };
    }
}

fn clear_refs() -> GuestOutcome {
    match std::fs::write("/proc/self/clear_refs", "4") {
        Ok(()) => GuestOutcome::Done,
        Err(error) => failed(&error),
    }
}

/// A digest of what `/proc/self/pagemap` shows of a range, without frame numbers.
fn pagemap(pages: Pages) -> io::Result<GuestOutcome> {
    const SHOWN: u64 = 7 << 55 | 7 << 61;
    let pages = GUEST.pages(pages);
    let mut entries = vec![0; (pages.end - pages.start) as usize * size_of::<u64>()];
    let file = File::open("/proc/self/pagemap")?;
    file.read_exact_at(&mut entries, pages.start * size_of::<u64>() as u64)?;
    let mut digest = Digest::default();
    let (entries, _) = entries.as_chunks();
    for entry in entries {
        digest.mix(u64::from_le_bytes(*entry) & SHOWN);
    }
    Ok(GuestOutcome::Seen(digest.value()))
}

/// Runs a call that needs no driver.
pub fn call(call: &Call, word: u64) -> GuestOutcome {
    match call {
        Call::System(Constant(_, number), arguments) => system_call(*number, arguments),
        Call::Read(addr) => match access::read(GUEST.byte(*addr)) {
            Ok(word) => GuestOutcome::Word(word),
            Err(signal) => GuestOutcome::Signal(signal),
        },
        Call::Write(addr) => match access::write(GUEST.byte(*addr), word) {
            Ok(()) => GuestOutcome::Word(word),
            Err(signal) => GuestOutcome::Signal(signal),
        },
        Call::ClearRefs => clear_refs(),
        Call::Pagemap(pages) => pagemap(*pages).unwrap_or_else(|e| failed(&e)),
        Call::Uffd {
            request: Constant(_, request),
            pages,
            mode,
            ..
        } => uffd_call(*request, *pages, mode.map_or(0, |mode| mode.1)),
        _ => GuestOutcome::Nothing,
    }
}
