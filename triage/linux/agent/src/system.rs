//! Errors, and the userfaultfd of a process.

use mm_linux_protocol::GuestOutcome;
use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicI32, Ordering};

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

/// New zeroed memory for a `T`, shared by all processes that are forked from now on. It is never
/// unmapped.
pub fn shared<T>() -> io::Result<*mut T> {
    // SAFETY: new memory.
    let memory = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            size_of::<T>(),
            libc::PROT_READ | libc::PROT_WRITE,
            // a counter counts the pages, so none may come later
            libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_POPULATE,
            -1,
            0,
        )
    };
    if memory == libc::MAP_FAILED {
        Err(io::Error::last_os_error())
    } else {
        Ok(memory.cast())
    }
}

thread_local! {
    /// What [`run_uninterrupted`] has set for this thread.
    static UNINTERRUPTED: Cell<bool> = const { Cell::new(false) };
}

/// Sets whether this thread runs until it waits, whoever else becomes able to run. Then no other
/// thread runs between a page fault and the access that it is for, as in the model.
pub fn run_uninterrupted(on: bool) {
    if UNINTERRUPTED.replace(on) == on {
        return;
    }
    let (policy, priority) = match on {
        true => (libc::SCHED_FIFO, 1),
        false => (libc::SCHED_OTHER, 0),
    };
    let parameter = libc::sched_param {
        sched_priority: priority,
    };
    // SAFETY: a plain call.
    unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) };
}

/// The file descriptor of each process's userfaultfd, fixed so that the director can find it.
pub const UFFD_NUMBER: i32 = 100;

/// The userfaultfd, opened on first use. It raises SIGBUS instead of sending events.
pub fn uffd() -> i32 {
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

/// Closes the userfaultfd. A child inherits its parent's, and a clean process must have none.
pub fn forget_uffd() {
    let fd = UFFD.swap(-1, Ordering::Relaxed);
    if fd >= 0 {
        // SAFETY: ours, and closed once.
        unsafe { libc::close(fd) };
    }
}
