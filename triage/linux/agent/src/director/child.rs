//! A process of a program, as the director sees it.

use std::time::Duration;

/// A running process.
#[derive(Clone, Copy, Debug)]
pub struct Child {
    pub pid: i32,
    /// Becomes readable when the process ends.
    pub pidfd: i32,
}

impl Child {
    pub fn new(pid: i32) -> Self {
        // SAFETY: a plain call.
        let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) } as i32;
        Self { pid, pidfd }
    }

    /// Waits for the process to end. Returns false on a timeout.
    pub fn ended(self, timeout: Duration) -> bool {
        let mut poll = libc::pollfd {
            fd: self.pidfd,
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one pollfd. A negative pidfd means that the process ended before it could be
        // opened.
        self.pidfd < 0 || unsafe { libc::poll(&raw mut poll, 1, timeout.as_millis() as i32) } == 1
    }

    /// Releases a process that has ended.
    pub fn forget(self) {
        // SAFETY: ours, and closed once. This reaps our own children; the kernel reaps others.
        unsafe {
            libc::close(self.pidfd);
            libc::waitpid(self.pid, std::ptr::null_mut(), libc::WNOHANG);
        }
    }

    /// Kills the process. Returns false if it does not end within `patience`.
    pub fn kill(self, patience: Duration) -> bool {
        // SAFETY: the number is that of a process of ours. If the process has already gone, the
        // call fails.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
        let ended = self.ended(patience);
        self.forget();
        ended
    }
}
