//! Where files of the device go when their process ends.
//!
//! When such a file is closed, `lib/test_hmm.c` walks all memory of the device, which takes longer
//! than a program. So most files are not closed: a process of our own takes them. Such a file keeps
//! a mm_struct, so there is a limit.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{FromRawFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};

/// The most files that are kept.
const MOST: u32 = 3000;

/// The pipe to the process that keeps the files.
#[derive(Debug)]
pub struct Attic {
    door: File,
}

impl Attic {
    /// Begins the process. It adds one to `kept` for each file.
    pub fn new(kept: &'static AtomicU32) -> io::Result<Self> {
        let mut ends = [0; 2];
        // SAFETY: the array has room for two files, which are ours alone.
        unsafe {
            if libc::pipe(ends.as_mut_ptr()) != 0 {
                return Err(io::Error::last_os_error());
            }
            let [inside, door] = ends.map(|end| File::from_raw_fd(end));
            match libc::fork() {
                -1 => Err(io::Error::last_os_error()),
                0 => {
                    drop(door);
                    keep_all(inside, kept)
                }
                _ => Ok(Self { door }),
            }
        }
    }

    /// Gives a file of this process to the process that keeps them, unless `MOST` are kept.
    pub fn keep(&self, file: RawFd, kept: &AtomicU32) {
        let before = kept.load(Ordering::SeqCst);
        // SAFETY: no arguments.
        let pid = unsafe { libc::getpid() };
        let message = [pid.to_ne_bytes(), file.to_ne_bytes()].concat();
        if before >= MOST || (&self.door).write_all(&message).is_err() {
            return;
        }
        let time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 50_000_000,
        };
        // SAFETY: waits on a shared word, at most for the time.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                kept,
                libc::FUTEX_WAIT,
                before,
                &raw const time,
            )
        };
    }
}

fn keep_all(mut inside: File, kept: &AtomicU32) -> ! {
    let limit = libc::rlimit {
        rlim_cur: 2 * u64::from(MOST),
        rlim_max: 2 * u64::from(MOST),
    };
    // SAFETY: plain calls.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    let mut message = [0; 8];
    while inside.read_exact(&mut message).is_ok() {
        let number = |at: usize| i32::from_ne_bytes([0, 1, 2, 3].map(|i| message[at + i]));
        // SAFETY: takes a file of a process of ours, which waits, and keeps it open for good.
        unsafe {
            let process = libc::syscall(libc::SYS_pidfd_open, number(0), 0) as i32;
            libc::syscall(libc::SYS_pidfd_getfd, process, number(4), 0);
            libc::close(process);
            kept.fetch_add(1, Ordering::SeqCst);
            libc::syscall(libc::SYS_futex, kept, libc::FUTEX_WAKE, i32::MAX);
        }
    }
    // SAFETY: the agent has ended.
    unsafe { libc::_exit(0) }
}
