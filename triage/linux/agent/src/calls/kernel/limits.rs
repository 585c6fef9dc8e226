//! Limits of the process, policies of memory, and other states that a call sets
//! and later calls must not exceed or change.

use super::{Kernel, addr, bytes, errno};
use mm_linux_calls::{BASE, PAGE_BYTES, Policy, Range, Resource};
use std::ffi::{c_int, c_long, c_ulong};

const PR_SET_MM: c_int = 35;
const PR_SET_MM_START_BRK: c_ulong = 6;
const PR_SET_MM_BRK: c_ulong = 7;
const PR_SET_MDWE: c_int = 65;
const PR_SET_MEMORY_MERGE: c_int = 67;
const SET_MEMPOLICY_HOME_NODE: c_long = 450;
const MPOL_F_ADDR: c_ulong = 2;
/// Version 3 of `capset`, and all capabilities but CAP_IPC_LOCK.
const CAP_VERSION: u32 = 0x2008_0522;
const CAPS: [u32; 6] = [!(1 << 14), !(1 << 14), 0, 0x1ff, 0x1ff, 0];

/// A limit that the program has set.
#[derive(Clone, Copy, Debug)]
pub struct Limited {
    resource: Resource,
    limit: u64,
    last: u64,
}

/// A field of /proc/self/status, in kB.
pub fn status(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

pub(super) fn told(result: c_long) -> i32 {
    if result == -1 { errno() } else { 0 }
}

impl Kernel {
    /// Places the heap at a range, and asks for another number of pages.
    pub(super) fn brk(range: Range, len: u16) -> i32 {
        let wanted = Range::new(range.first, len);
        let end = |range: Range| addr(range.first) + bytes(range.len);
        // SAFETY: the window belongs to the program. At the end the break of libc is back in place.
        let now = unsafe {
            let own = libc::syscall(libc::SYS_brk, 0);
            libc::prctl(PR_SET_MM, PR_SET_MM_BRK, end(range), 0, 0);
            libc::prctl(PR_SET_MM, PR_SET_MM_START_BRK, addr(range.first), 0, 0);
            let now = libc::syscall(libc::SYS_brk, end(wanted));
            // the start first: it must not lie behind the end
            libc::prctl(PR_SET_MM, PR_SET_MM_START_BRK, own, 0, 0);
            libc::prctl(PR_SET_MM, PR_SET_MM_BRK, own, 0, 0);
            now
        };
        if now as u64 == end(wanted) {
            0
        } else {
            -libc::ENOMEM
        }
    }

    pub(super) fn bind(range: Range, policy: Policy, node: u8) -> i32 {
        let mask = policy.mask(node);
        let mode = Policy::ALL.iter().position(|known| *known == policy);
        // SAFETY: reads our mask.
        told(unsafe {
            libc::syscall(
                libc::SYS_mbind,
                addr(range.first),
                bytes(range.len),
                mode.unwrap_or(0),
                &raw const mask,
                64,
                0,
            )
        })
    }

    pub(super) fn home_node(range: Range, node: u8) -> i32 {
        // SAFETY: plain numbers.
        told(unsafe {
            let node = c_ulong::from(node);
            let (at, len) = (addr(range.first), bytes(range.len));
            libc::syscall(SET_MEMPOLICY_HOME_NODE, at, len, node, 0)
        })
    }

    /// The policy of a page: its number and its mask.
    pub fn policy(&self, page: usize) -> Option<(u64, u64)> {
        let (mut mode, mut mask): (c_int, u64) = (0, 0);
        // SAFETY: the kernel writes to our words.
        let failed = unsafe {
            libc::syscall(
                libc::SYS_get_mempolicy,
                &raw mut mode,
                &raw mut mask,
                64,
                addr(page as u16),
                MPOL_F_ADDR,
            )
        };
        (failed == 0).then_some((mode as u64, mask))
    }

    /// The node of a page that is there.
    pub fn node(&self, page: usize) -> Option<u8> {
        let (at, mut status) = (addr(page as u16), -1 as c_int);
        // SAFETY: the kernel writes to our word.
        unsafe {
            let none = std::ptr::null::<c_int>();
            libc::syscall(
                libc::SYS_move_pages,
                0,
                1,
                &raw const at,
                none,
                &raw mut status,
                0,
            );
        }
        u8::try_from(status).ok()
    }

    pub(super) fn lock_all(flags: u8) -> i32 {
        // SAFETY: plain numbers.
        told(unsafe { libc::mlockall(flags.into()) }.into())
    }

    pub(super) fn limit(&mut self, resource: Resource) -> i32 {
        let number = match resource {
            Resource::Data => libc::RLIMIT_DATA,
            Resource::Space => libc::RLIMIT_AS,
            Resource::Locked | Resource::LockedByRoot => libc::RLIMIT_MEMLOCK,
            Resource::Stack => libc::RLIMIT_STACK,
        };
        let now = match resource.field().map(status) {
            Some(Some(now)) => now,
            None => 0,
            // memory was lacking
            Some(None) => return -libc::ENOMEM,
        };
        let limit = match resource {
            Resource::LockedByRoot => 0,
            _ => now + Resource::ROOM_KB,
        };
        let wanted = libc::rlimit {
            rlim_cur: limit * 1024,
            rlim_max: libc::RLIM_INFINITY,
        };
        // SAFETY: structures of our own.
        let result = unsafe {
            if resource == Resource::Locked {
                let head = [CAP_VERSION, 0];
                libc::syscall(libc::SYS_capset, head.as_ptr(), CAPS.as_ptr());
            }
            libc::setrlimit(number, &raw const wanted)
        };
        if result != 0 {
            return errno();
        }
        self.limits.retain(|limited| limited.resource != resource);
        if resource.field().is_some() {
            self.limits.push(Limited {
                resource,
                limit,
                last: now,
            });
        }
        0
    }

    /// What has grown beyond its limit since the last look: the index among [`Resource::ALL`] and
    /// the size, in kB.
    pub fn beyond_limit(&mut self) -> Option<(u64, u64)> {
        let mut found = None;
        for limited in &mut self.limits {
            let Some(now) = limited.resource.field().and_then(status) else {
                continue;
            };
            let last = std::mem::replace(&mut limited.last, now);
            if now > limited.limit && now > last {
                let index = Resource::ALL.iter().position(|it| *it == limited.resource);
                found = Some((index.unwrap_or(0) as u64, now));
            }
        }
        found
    }

    pub(super) fn refuse_exec(&mut self) -> i32 {
        // SAFETY: plain numbers.
        let result = told(unsafe { libc::prctl(PR_SET_MDWE, 1, 0, 0, 0) }.into());
        self.refuses_exec |= result == 0;
        result
    }

    pub(super) fn merge_all(&mut self, on: bool) -> i32 {
        self.merges |= on;
        // SAFETY: plain numbers.
        told(unsafe { libc::prctl(PR_SET_MEMORY_MERGE, c_int::from(on), 0, 0, 0) }.into())
    }

    pub(super) fn huge_off(mode: u8) -> i32 {
        let (off, except_advised) = (c_int::from(mode > 0), c_int::from(mode & 2));
        // SAFETY: plain numbers.
        told(unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, off, except_advised, 0, 0) }.into())
    }

    /// A page of a range that is writable and executable, in a process that refuses that.
    pub fn writable_code(&self, range: Range) -> Option<usize> {
        if !self.refuses_exec {
            return None;
        }
        let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
        let found = maps.lines().filter_map(|line| {
            let (place, rest) = line.split_once(' ')?;
            let (start, end) = place.split_once('-')?;
            let page = |at: &str| {
                let at = u64::from_str_radix(at, 16).unwrap_or(0).max(BASE);
                ((at - BASE) / PAGE_BYTES) as usize
            };
            let first = page(start).max(range.pages().start);
            (rest[1..3] == *"wx" && first < page(end).min(range.pages().end)).then_some(first)
        });
        found.into_iter().next()
    }
}
