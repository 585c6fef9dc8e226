//! Calls with odd arguments.

use super::limits::told;
use super::{Kernel, addr};
use mm_linux_calls::{Odd, PAGE_BYTES, Range};
use std::ffi::{c_int, c_long};

const PR_SET_VMA: c_int = 0x5356_4d41;
const SET_MEMPOLICY_HOME_NODE: c_long = 450;
const MSEAL: c_long = 462;
/// A length whose end wraps around. Rounded up to pages, it is 0.
const LEN: usize = usize::MAX;
/// An address at which nothing is mapped.
const NOWHERE: usize = 8;

impl Kernel {
    pub(super) fn odd(&self, range: Range, odd: Odd) -> i32 {
        let at = addr(range.first) as *mut libc::c_void;
        let call = |number: c_long| {
            // SAFETY: the window belongs to the program, and the other arguments are numbers.
            unsafe { libc::syscall(number, at, LEN, 0, 0, 0, 0) }
        };
        let keeps = libc::FALLOC_FL_KEEP_SIZE;
        // SAFETY: in a correct kernel, each call fails or touches only the window and the file.
        // No memory of ours lies in the file.
        told(unsafe {
            match odd {
                Odd::Lock => libc::mlock(at, LEN).into(),
                Odd::Unlock => libc::munlock(at, LEN).into(),
                Odd::Sync => libc::msync(at, LEN, libc::MS_SYNC).into(),
                Odd::Unmap => libc::munmap(at, LEN).into(),
                Odd::Protect => libc::mprotect(at, LEN, libc::PROT_READ).into(),
                Odd::Advise => libc::madvise(at, LEN, libc::MADV_WILLNEED).into(),
                Odd::Bind => call(libc::SYS_mbind),
                Odd::HomeNode => call(SET_MEMPOLICY_HOME_NODE),
                Odd::Seal => call(MSEAL),
                Odd::Move => libc::mremap(at, LEN, PAGE_BYTES as usize, 0) as c_long,
                Odd::RemapFile => call(libc::SYS_remap_file_pages),
                Odd::Name => libc::prctl(PR_SET_VMA, 0, at, LEN, c"name".as_ptr()).into(),
                Odd::Allocate => libc::fallocate(self.file, keeps, i64::MAX - 1, 1).into(),
                Odd::Punch => {
                    let mode = libc::FALLOC_FL_PUNCH_HOLE | keeps;
                    libc::fallocate(self.file, mode, i64::MAX - 1, 1).into()
                }
                Odd::FileWrite => {
                    let place = u64::from(range.first) * PAGE_BYTES;
                    libc::pwrite(self.file, NOWHERE as *const _, 8, place as i64) as c_long
                }
            }
        })
    }
}
