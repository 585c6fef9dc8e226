//! Objects of a kind of their own: segments of shared memory, secret memory, and buffers of
//! io_uring.

use super::limits::told;
use super::{Kernel, addr, bytes, errno};
use mm_linux_calls::Range;
use std::ffi::{c_int, c_long};
use std::sync::atomic::{AtomicU32, Ordering};

const MEMFD_SECRET: c_long = 447;
const URING_SETUP: c_long = 425;
const URING_ENTER: c_long = 426;
const URING_REGISTER: c_long = 427;
const REGISTER_BUFFERS: c_int = 0;
const UNREGISTER_BUFFERS: c_int = 1;
const GETEVENTS: c_int = 1;
/// `IORING_OFF_SQES`.
const OFF_ENTRIES: i64 = 0x1000_0000;
/// `IORING_OP_READ_FIXED`.
const READ_FIXED: u64 = 4;

/// Maps a page of a ring; `None` if that fails.
///
/// # Safety
///
/// The file is a ring of ours.
unsafe fn ring_page(ring: c_int, offset: i64) -> Option<*mut u8> {
    let rights = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: new memory.
    let at = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            4096,
            rights,
            libc::MAP_SHARED,
            ring,
            offset,
        )
    };
    (at != libc::MAP_FAILED).then_some(at.cast())
}

impl Kernel {
    /// Attaches a new segment.
    pub(super) fn attach(&mut self, range: Range, reads_only: bool, step: usize) -> i32 {
        let flags = libc::SHM_REMAP | if reads_only { libc::SHM_RDONLY } else { 0 };
        // SAFETY: the window belongs to the program.
        unsafe {
            let id = libc::shmget(
                libc::IPC_PRIVATE,
                bytes(range.len) as usize,
                libc::IPC_CREAT | 0o600,
            );
            if id < 0 {
                return errno();
            }
            let at = libc::shmat(id, addr(range.first) as *const _, flags);
            let result = if at as isize == -1 { errno() } else { 0 };
            // the segment stays while it is attached
            libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut());
            if result == 0 {
                self.segments.push((step, id));
            }
            result
        }
    }

    /// A segment that is said to be attached more often than `most` times: its step, and how often
    /// it is said to be attached.
    pub fn attached_too_often(&self, most: u64) -> Option<(usize, u64)> {
        let count = |id: i32| {
            // SAFETY: a struct shmid_ds is all integers.
            let mut state: libc::shmid_ds = unsafe { std::mem::zeroed() };
            // SAFETY: as above.
            let failed = unsafe { libc::shmctl(id, libc::IPC_STAT, &raw mut state) } != 0;
            (!failed).then_some(state.shm_nattch as u64)
        };
        let counts = self.segments.iter();
        let mut counts = counts.filter_map(|(step, id)| Some((*step, count(*id)?)));
        counts.find(|(_, count)| *count > most)
    }

    /// Detaches a segment.
    pub(super) fn detach(range: Range) -> i32 {
        // SAFETY: the window belongs to the program.
        told(unsafe { libc::shmdt(addr(range.first) as *const _) }.into())
    }

    /// Maps a new file of memfd_secret.
    pub(super) fn map_secret(range: Range, rights: c_int) -> i32 {
        let len = bytes(range.len) as usize;
        // SAFETY: the window belongs to the program, and the file is ours.
        unsafe {
            let file = libc::syscall(MEMFD_SECRET, libc::O_CLOEXEC) as c_int;
            if file < 0 || libc::ftruncate(file, len as i64) != 0 {
                return errno();
            }
            let at = addr(range.first) as *mut _;
            let flags = libc::MAP_FIXED | libc::MAP_SHARED;
            let at = libc::mmap(at, len, rights, flags, file, 0);
            let result = if at == libc::MAP_FAILED { errno() } else { 0 };
            libc::close(file);
            result
        }
    }

    /// Lets io_uring read what is in our buffer into a range, which is registered for that.
    pub(super) fn uring_read(&mut self, range: Range) -> i32 {
        let len = bytes(range.len) as usize;
        // SAFETY: files of our own; our buffer has a page for each of the window; the window
        // belongs to the program.
        unsafe {
            let source = libc::memfd_create(c"source".as_ptr(), libc::MFD_CLOEXEC);
            let filled = libc::pwrite(source, self.buffer as *const _, len, 0) == len as isize;
            let mut params = [0u32; 30];
            let ring = libc::syscall(URING_SETUP, 1, params.as_mut_ptr()) as c_int;
            let result = if filled && ring >= 0 {
                Self::read_fixed(ring, &params, source, range)
            } else {
                errno()
            };
            libc::close(ring);
            libc::close(source);
            result
        }
    }

    /// Registers a range with a ring of one entry, and reads a file into the range.
    ///
    /// # Safety
    ///
    /// The files are ours, and the window belongs to the program.
    unsafe fn read_fixed(ring: c_int, params: &[u32; 30], source: c_int, range: Range) -> i32 {
        let all = libc::iovec {
            iov_base: addr(range.first) as *mut _,
            iov_len: bytes(range.len) as usize,
        };
        // SAFETY: as above. The offsets into the ring are those that the kernel has given.
        unsafe {
            let (Some(rings), Some(entries)) = (ring_page(ring, 0), ring_page(ring, OFF_ENTRIES))
            else {
                return errno();
            };
            let mut result = 0;
            if libc::syscall(URING_REGISTER, ring, REGISTER_BUFFERS, &raw const all, 1) < 0 {
                result = errno();
            } else {
                let entry = entries.cast::<u64>();
                entry.write_volatile(READ_FIXED | (source as u64) << 32);
                entry.add(2).write_volatile(all.iov_base as u64);
                entry.add(3).write_volatile(all.iov_len as u64);
                // sq_off.tail; the index array holds zero
                let tail = &*rings.add(params[11] as usize).cast::<AtomicU32>();
                tail.store(1, Ordering::Release);
                libc::syscall(URING_ENTER, ring, 1, 1, GETEVENTS, 0, 0);
                // cq_off.cqes; the result follows the user data
                let done = rings
                    .add(params[25] as usize)
                    .cast::<i32>()
                    .add(2)
                    .read_volatile();
                if done != all.iov_len as i32 {
                    result = if done < 0 { done } else { -libc::EIO };
                }
                libc::syscall(URING_REGISTER, ring, UNREGISTER_BUFFERS, 0, 0);
            }
            libc::munmap(rings.cast(), 4096);
            libc::munmap(entries.cast(), 4096);
            result
        }
    }
}
