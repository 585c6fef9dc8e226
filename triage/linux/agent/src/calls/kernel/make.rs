//! Calls that are no accesses.

use super::system::{khugepaged, ksm, limit_hugetlb, limit_maps, reclaim, swap_off};
use super::{Kernel, Monitor, ZERO_PAGE, addr, bytes, errno, frame, open, told};
use mm_linux_calls::{Advice, Call, FileKind, MapKind, Modes, PAGE_BYTES, PAGES, Prot, Range};
use std::ffi::{c_int, c_long, c_ulong};
use std::os::fd::AsRawFd;

/// Features of userfaultfd for every program: missing and write-protected shared memory, minor
/// faults, unpopulated pages, poison, move.
const FEATURES: u64 = 1 | 1 << 5 | 1 << 9 | 1 << 10 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 16;
/// Without a monitor, `UFFD_FEATURE_SIGBUS`.
const ALONE: u64 = 1 << 7;
/// With a monitor: events of fork, mremap, and dropped and unmapped memory; missing pages of
/// hugetlb; the number of the thread that faults.
const WATCHED: u64 = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 6 | 1 << 8;
const WP_ASYNC: u64 = 1 << 15;
/// `UFFD_FEATURE_RWP`, and with asynchronous protection `UFFD_FEATURE_RWP_ASYNC`.
const RWP: u64 = 1 << 17;
const RWP_ASYNC: u64 = 1 << 18;
const API: c_ulong = 0xc018_aa3f;
const REGISTER: c_ulong = 0xc020_aa00;
const UNREGISTER: c_ulong = 0x8010_aa01;
const WAKE: c_ulong = 0x8010_aa02;
const COPY: c_ulong = 0xc028_aa03;
const ZEROPAGE: c_ulong = 0xc020_aa04;
const MOVE: c_ulong = 0xc028_aa05;
const WRITEPROTECT: c_ulong = 0xc018_aa06;
const CONTINUE: c_ulong = 0xc020_aa07;
const POISON: c_ulong = 0xc020_aa08;
const RWPROTECT: c_ulong = 0xc018_aa09;
/// `PIN_LONGTERM_TEST_START`, `_STOP` and `_READ` of `/sys/kernel/debug/gup_test`.
const PIN_START: c_ulong = 0x4018_6707;
const PIN_STOP: c_ulong = 0x6708;
const PIN_READ: c_ulong = 0x4008_6709;
const PR_SET_VMA: c_int = 0x5356_4d41;
const PINS: &str = "/sys/kernel/debug/gup_test";
const DEVICE: &str = "/dev/hmm_dmirror0";
const MAP_DROPPABLE: c_int = 8;
const MSEAL: c_long = 462;
const MPOL_MF_MOVE: c_int = 2;

impl Kernel {
    fn uffd(&mut self) -> i32 {
        if let Some(uffd) = self.uffd {
            return uffd;
        }
        let watched = if self.mailbox.is_some() {
            WATCHED
        } else {
            ALONE
        };
        let features = FEATURES | watched | if self.wp_async { WP_ASYNC } else { 0 };
        let newer = RWP | if self.wp_async { RWP_ASYNC } else { 0 };
        let mut api = [0xaa, features | newer, 0];
        // SAFETY: plain calls; `api` is a struct uffdio_api.
        let uffd = unsafe {
            let fd =
                libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | libc::O_NONBLOCK) as i32;
            if libc::ioctl(fd, API, &raw mut api) != 0 {
                // a kernel before 7.3
                api = [0xaa, features, 0];
                libc::ioctl(fd, API, &raw mut api);
            }
            fd
        };
        self.uffd = Some(uffd);
        let monitor = self.mailbox.map(|mailbox| Monitor::begin(uffd, mailbox));
        self.monitor = monitor.and_then(Result::ok);
        uffd
    }

    fn close_uffd(&mut self) -> i32 {
        let uffd = self.uffd.take();
        // A monitor thread of this process closes the descriptor. If the thread is the parent's, it
        // cannot close the descriptor of this process.
        let is_closed = self.monitor.take().is_some_and(Monitor::close);
        if let Some(uffd) = uffd.filter(|_| !is_closed) {
            // SAFETY: ours, and closed once.
            unsafe { libc::close(uffd) };
        }
        0
    }

    /// Opens the files that a call needs.
    pub(super) fn prepare(&mut self, call: &Call) {
        // if a file cannot be opened, the call fails
        let _ = match call {
            Call::Register(..)
            | Call::Unregister(_)
            | Call::WriteProtect(..)
            | Call::RwProtect(..)
            | Call::Copy(..)
            | Call::Zero(_)
            | Call::UffdMove(..)
            | Call::Poison(_)
            | Call::Wake(_)
            | Call::Continue(_) => {
                self.uffd();
                return;
            }
            Call::Pin(_) | Call::PinRead(_) => open(&mut self.pins, PINS),
            Call::MemWrite(_) | Call::MemRead(_) => open(&mut self.memory, "/proc/self/mem"),
            Call::Scan { .. } => open(&mut self.pagemap, "/proc/self/pagemap"),
            Call::ToDevice(_)
            | Call::ToSystem(_)
            | Call::DeviceRead(_)
            | Call::DeviceWrite(_)
            | Call::Exclusive(_) => open(&mut self.device, DEVICE),
            _ => return,
        };
    }

    /// Makes an ioctl; its structure's words are changed in place.
    fn ioctl(fd: c_int, command: c_ulong, words: &mut [u64]) -> i32 {
        // SAFETY: the structure has the size that the command says.
        match unsafe { libc::ioctl(fd, command, words.as_mut_ptr()) } {
            -1 => errno(),
            _ => 0,
        }
    }

    fn uffd_call(&mut self, command: c_ulong, words: &mut [u64]) -> i32 {
        let uffd = self.uffd();
        Self::ioctl(uffd, command, words)
    }

    /// Notes the frames of a range that the process is about to declare broken or to take out of
    /// use. Returns false if it must not do so: a page is not present, a page is the zero page,
    /// which all processes share, or there is no room for a note.
    fn may_poison(&mut self, range: Range) -> bool {
        let mut entries = vec![0; range.len.into()];
        let is_shown = self.pagemap(range.first.into(), &mut entries);
        let is_fit = |entry: &u64| frame(*entry).is_some() && self.flags(*entry) & ZERO_PAGE == 0;
        is_shown
            && entries.iter().all(is_fit)
            && entries
                .iter()
                .all(|entry| self.poisoned.add(frame(*entry).unwrap_or_default()))
    }

    fn fill(&self, range: Range, step: usize) {
        for (i, page) in range.pages().enumerate() {
            let at = (self.buffer + i as u64 * PAGE_BYTES) as *mut u64;
            // SAFETY: within our buffer, which has a page for each of the window.
            unsafe { at.write_volatile(Range::word(step, page)) };
        }
    }

    /// Makes a call that is no access. Returns 0 or a negative error number, and the number of
    /// pages that it says it has handled.
    pub fn call(&mut self, call: &Call, step: usize) -> (i32, u16) {
        // the buffer is touched first, so that the call itself does not fault on it
        if let Call::Copy(range, _)
        | Call::FileWrite(range)
        | Call::DirectWrite(range)
        | Call::DirectRead(range)
        | Call::DeviceWrite(range)
        | Call::UringRead(range) = call
        {
            self.fill(*range, step);
        }
        if call.changes_mappings() {
            return self.with_personality(|kernel| kernel.traced(|kernel| kernel.make(call, step)));
        }
        self.traced(|kernel| kernel.make(call, step))
    }

    fn make(&mut self, call: &Call, step: usize) -> (i32, u16) {
        let pages = |handled: u64, result: i32| {
            let handled = handled as i64;
            let handled = if handled < 0 {
                0
            } else {
                handled as u64 / PAGE_BYTES
            };
            (result, handled as u16)
        };
        let result = match *call {
            // the kernel would round the range
            Call::Map { range, kind, .. }
                if (kind.is_hugetlb() || self.file_kind == FileKind::Hugetlb && kind.is_file())
                    && !range.is_huge() =>
            {
                -libc::EINVAL
            }
            Call::Map { range, kind, .. } if kind.file_page(range).is_none() => -libc::EINVAL,
            Call::Map {
                range,
                kind: MapKind::Shm,
                prot,
            } => match prot {
                Prot::Read | Prot::Write => self.attach(range, prot == Prot::Read, step),
                _ => -libc::EINVAL,
            },
            Call::Map {
                range,
                kind: MapKind::Secret,
                prot,
            } => Self::map_secret(range, protection(prot)),
            Call::Detach(range) => Self::detach(range),
            Call::UringRead(range) => self.uring_read(range),
            Call::DirectWrite(range) => self.direct_write(range),
            Call::DirectRead(range) => self.direct_read(range),
            Call::DropCache => self.drop_cache(),
            Call::Map { range, kind, prot } => {
                let mut flags = libc::MAP_FIXED;
                flags |= match kind {
                    MapKind::Droppable => MAP_DROPPABLE,
                    MapKind::Stack => libc::MAP_PRIVATE | libc::MAP_GROWSDOWN,
                    _ if kind.is_shared() => libc::MAP_SHARED,
                    _ => libc::MAP_PRIVATE,
                };
                let (fd, offset) = if kind.is_file() {
                    let first = kind.file_page(range).unwrap_or_default();
                    (self.file, bytes(first) as i64)
                } else if kind == MapKind::DevZero {
                    match open(&mut self.zero, "/dev/zero") {
                        Ok(zero) => (zero.as_raw_fd(), 0),
                        Err(error) => return (-error.raw_os_error().unwrap_or(1), 0),
                    }
                } else {
                    flags |= libc::MAP_ANONYMOUS;
                    (-1, 0)
                };
                if kind.is_hugetlb() {
                    flags |= libc::MAP_HUGETLB;
                }
                // SAFETY: the window belongs to the program.
                let at = unsafe {
                    let at = addr(range.first) as *mut _;
                    libc::mmap(
                        at,
                        bytes(range.len) as usize,
                        protection(prot),
                        flags,
                        fd,
                        offset,
                    )
                };
                if at == libc::MAP_FAILED { errno() } else { 0 }
            }
            Call::Pin(range) => {
                let mut words = [addr(range.first), bytes(range.len), 1];
                self.pin_call(PIN_START, &mut words)
            }
            Call::PinRead(range) => {
                let mut words = [addr(range.first), bytes(range.len), 0];
                self.pin_call(PIN_START, &mut words)
            }
            Call::Unpin => self.pin_call(PIN_STOP, &mut []),
            Call::Allocate(range, keeps) => {
                let (at, len) = (bytes(range.first) as i64, bytes(range.len) as i64);
                let mode = if keeps { libc::FALLOC_FL_KEEP_SIZE } else { 0 };
                // SAFETY: no memory of ours lies in the file.
                match unsafe { libc::fallocate(self.file, mode, at, len) } {
                    0 => 0,
                    _ => errno(),
                }
            }
            Call::FileWrite(range) => {
                let wrote = |(i, page): (usize, usize)| {
                    let (at, place) = (bytes(page as u16) as i64, self.buffer + bytes(i as u16));
                    // SAFETY: within our buffer, which has a page for each of the window.
                    unsafe { libc::pwrite(self.file, place as *const _, 8, at) == 8 }
                };
                if range.pages().enumerate().all(wrote) {
                    0
                } else {
                    errno()
                }
            }
            Call::Splice(range) => self.splice(range),
            Call::Unsplice => {
                for end in self.pipe.take().into_iter().flatten() {
                    // SAFETY: ours, and closed once.
                    unsafe { libc::close(end) };
                }
                0
            }
            // SAFETY: the name is a string that ends with a zero byte.
            Call::Name(range) => on(range, |at, len| unsafe {
                libc::prctl(PR_SET_VMA, 0, at, len, c"name".as_ptr())
            }),
            Call::HugetlbLimit => told(limit_hugetlb()),
            Call::Punch(range) => {
                let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
                let (at, len) = (bytes(range.first) as i64, bytes(range.len) as i64);
                // SAFETY: no memory of ours lies in the file.
                match unsafe { libc::fallocate(self.file, mode, at, len) } {
                    0 => 0,
                    _ => errno(),
                }
            }
            Call::Truncate(range) => {
                // SAFETY: no memory of ours lies in the file.
                let failed = unsafe {
                    libc::ftruncate(self.file, bytes(range.first) as i64) != 0
                        || libc::ftruncate(self.file, bytes(PAGES) as i64) != 0
                };
                if failed { errno() } else { 0 }
            }
            Call::SwapOff => swap_off(),
            Call::Unmap(range) => on(range, |at, len| unsafe { libc::munmap(at, len) }),
            // SAFETY: the window belongs to the program.
            Call::Seal(range) => on(range, |at, len| unsafe {
                libc::syscall(MSEAL, at, len, 0) as c_int
            }),
            // SAFETY: as above.
            Call::RemapFile(range, page) => on(range, |at, len| unsafe {
                let page = c_ulong::from(page);
                libc::syscall(libc::SYS_remap_file_pages, at, len, 0, page, 0) as c_int
            }),
            Call::Protect(range, prot) => on(range, |at, len| unsafe {
                libc::mprotect(at, len, protection(prot))
            }),
            Call::Move { range, to, keep } => {
                let target = range.moved(to);
                let kept = if keep { libc::MREMAP_DONTUNMAP } else { 0 };
                let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED | kept;
                let len = bytes(target.len) as usize;
                // SAFETY: both places are in the window.
                let at = unsafe {
                    let (from, to) = (addr(range.first), addr(target.first));
                    libc::mremap(from as *mut _, len, len, flags, to)
                };
                if at == libc::MAP_FAILED { errno() } else { 0 }
            }
            Call::Resize(range, len) => {
                let wanted = Range::new(range.first, len);
                let (old, new) = (bytes(range.len) as usize, bytes(wanted.len) as usize);
                // SAFETY: stays within the window.
                let at = unsafe { libc::mremap(addr(range.first) as *mut _, old, new, 0) };
                if at == libc::MAP_FAILED { errno() } else { 0 }
            }
            Call::Brk(range, len) => Self::brk(range, len),
            Call::LockAll(flags) => Self::lock_all(flags),
            // SAFETY: no arguments.
            Call::UnlockAll => match unsafe { libc::munlockall() } {
                -1 => errno(),
                _ => 0,
            },
            Call::Sync(range) => on(range, |at, len| unsafe {
                libc::msync(at, len, libc::MS_SYNC | libc::MS_INVALIDATE)
            }),
            Call::Bind(range, policy, node) => Self::bind(range, policy, node),
            Call::HomeNode(range, node) => Self::home_node(range, node),
            Call::Odd(range, odd) => self.odd(range, odd),
            Call::SealFile(seals) => self.seal_file(seals),
            Call::FileSize(pages) => self.file_size(pages),
            Call::FileMode => self.file_mode(),
            Call::Limit(resource) => self.limit(resource),
            Call::Mdwe => self.refuse_exec(),
            Call::MergeAll(on) => self.merge_all(on),
            Call::HugeOff(mode) => Self::huge_off(mode),
            Call::Advise(range, Advice::HwPoison | Advice::SoftOffline)
                if !self.may_poison(range) =>
            {
                -libc::EINVAL
            }
            Call::Advise(range, advice) => {
                self.merges |= advice == Advice::Mergeable;
                self.collapses |= advice == Advice::HugePage;
                on(range, |at, len| unsafe {
                    libc::madvise(at, len, advice.number())
                })
            }
            Call::Lock { range, on_fault } => on(range, |at, len| unsafe {
                libc::syscall(libc::SYS_mlock2, at, len, c_int::from(on_fault)) as c_int
            }),
            Call::Unlock(range) => on(range, |at, len| unsafe { libc::munlock(at, len) }),
            Call::ClearSoftDirty => told(std::fs::write("/proc/self/clear_refs", "4")),
            Call::Ksm if !self.merges => 0,
            Call::Ksm => told(ksm()),
            Call::Khugepaged if !self.collapses => 0,
            Call::Khugepaged => told(khugepaged()),
            Call::Migrate(range) => self.migrate(range),
            Call::Reclaim => told(reclaim()),
            Call::Compact => told(std::fs::write("/proc/sys/vm/compact_memory", "1")),
            Call::Register(range, modes) => {
                let modes = match modes {
                    Modes::Missing => 1,
                    Modes::Wp => 2,
                    Modes::Both => 3,
                    Modes::Minor => 4,
                    Modes::Rwp => 8,
                };
                let mut words = [addr(range.first), bytes(range.len), modes, 0];
                self.uffd_call(REGISTER, &mut words)
            }
            Call::Unregister(range) => {
                self.uffd_call(UNREGISTER, &mut [addr(range.first), bytes(range.len)])
            }
            Call::WriteProtect(range, protects) => {
                let mut words = [addr(range.first), bytes(range.len), protects.into()];
                self.uffd_call(WRITEPROTECT, &mut words)
            }
            Call::RwProtect(range, protects) => {
                let mut words = [addr(range.first), bytes(range.len), protects.into()];
                self.uffd_call(RWPROTECT, &mut words)
            }
            Call::Copy(range, protects) => {
                let mode = u64::from(protects) << 1;
                let mut words = [addr(range.first), self.buffer, bytes(range.len), mode, 0];
                let result = self.uffd_call(COPY, &mut words);
                return pages(words[4], result);
            }
            Call::Zero(range) => {
                let mut words = [addr(range.first), bytes(range.len), 0, 0];
                let result = self.uffd_call(ZEROPAGE, &mut words);
                return pages(words[3], result);
            }
            Call::UffdMove(range, to) => {
                let target = range.moved(to);
                let mut words = [
                    addr(target.first),
                    addr(range.first),
                    bytes(target.len),
                    2,
                    0,
                ];
                let result = self.uffd_call(MOVE, &mut words);
                return pages(words[4], result);
            }
            Call::Poison(range) => {
                let mut words = [addr(range.first), bytes(range.len), 0, 0];
                let result = self.uffd_call(POISON, &mut words);
                return pages(words[3], result);
            }
            Call::Continue(range) => {
                let mut words = [addr(range.first), bytes(range.len), 0, 0];
                let result = self.uffd_call(CONTINUE, &mut words);
                return pages(words[3], result);
            }
            Call::Wake(range) => self.uffd_call(WAKE, &mut [addr(range.first), bytes(range.len)]),
            Call::CloseUffd => self.close_uffd(),
            Call::MapLimit => told(limit_maps()),
            Call::ToDevice(_)
            | Call::ToSystem(_)
            | Call::DeviceRead(_)
            | Call::DeviceWrite(_)
            | Call::DeviceLacksHuge
            | Call::Exclusive(_) => {
                return (self.command(call), 0);
            }
            // the processes themselves do these
            Call::Write(_)
            | Call::WriteAlternate(_)
            | Call::Read(_)
            | Call::MemWrite(_)
            | Call::VmWrite(_)
            | Call::WriteZero(_)
            | Call::MemRead(_)
            | Call::FarRead(_)
            | Call::VmRead(_)
            | Call::FileRead(_)
            | Call::Scan { .. }
            | Call::Start { .. }
            | Call::Fork
            | Call::Exit => 0,
        };
        (result, 0)
    }

    /// Puts the pages of a range into a pipe, at most as many as fit.
    fn splice(&mut self, range: Range) -> i32 {
        let mut ends = [0; 2];
        // SAFETY: the array has room for two files.
        if self.pipe.is_none() && unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } == 0 {
            self.pipe = Some(ends);
        }
        let Some([_, end]) = self.pipe else {
            return errno();
        };
        let memory = libc::iovec {
            iov_base: addr(range.first) as *mut _,
            iov_len: bytes(range.len) as usize,
        };
        // SAFETY: the window belongs to the program.
        match unsafe { libc::vmsplice(end, &raw const memory, 1, libc::SPLICE_F_NONBLOCK) } {
            -1 => errno(),
            _ => 0,
        }
    }

    /// Moves each page of a range to the other node.
    fn migrate(&mut self, range: Range) -> i32 {
        self.misplaced = None;
        let pages: Vec<u64> = (range.first..range.first + range.len).map(addr).collect();
        let mut nodes = vec![0 as c_int; pages.len()];
        // SAFETY: the vectors have an element for each page.
        let moved = |nodes: *const c_int, status: *mut c_int| unsafe {
            libc::syscall(
                libc::SYS_move_pages,
                0,
                pages.len(),
                pages.as_ptr(),
                nodes,
                status,
                MPOL_MF_MOVE,
            )
        };
        if moved(std::ptr::null(), nodes.as_mut_ptr()) != 0 {
            return errno();
        }
        let before = nodes.clone();
        // a page that is not there has a negative status
        nodes
            .iter_mut()
            .for_each(|node| *node = c_int::from(*node == 0));
        let mut status = vec![0; pages.len()];
        if moved(nodes.as_ptr(), status.as_mut_ptr()) == -1 {
            return errno();
        }
        let mut now = vec![0; pages.len()];
        if moved(std::ptr::null(), now.as_mut_ptr()) == 0 {
            let is_wrong = |i: &usize| {
                let was_moved = now[*i] == nodes[*i] && before[*i] >= 0 && before[*i] != now[*i];
                now[*i] >= 0
                    && if status[*i] < 0 {
                        was_moved
                    } else {
                        status[*i] != now[*i]
                    }
            };
            let wrong = (0..pages.len()).find(is_wrong);
            self.misplaced = wrong.map(|i| (i, status[i], now[i]));
        }
        0
    }

    fn pin_call(&mut self, command: c_ulong, words: &mut [u64]) -> i32 {
        match open(&mut self.pins, PINS) {
            Ok(pins) => Self::ioctl(pins.as_raw_fd(), command, words),
            Err(error) => -error.raw_os_error().unwrap_or(1),
        }
    }

    /// The words of the pages that are pinned, if they can be read.
    pub fn pinned(&mut self, len: u16) -> Option<Vec<u64>> {
        let pins = self.pins.as_ref()?.as_raw_fd();
        let is_read = Self::ioctl(pins, PIN_READ, &mut [self.buffer]) == 0;
        is_read.then(|| self.copied(len))
    }

    /// The words of the pages that a device has just read.
    pub fn copied(&self, len: u16) -> Vec<u64> {
        let at = |i: u16| (self.buffer + bytes(i)) as *const u64;
        // SAFETY: within our buffer, which has a page for each page of the window.
        (0..len).map(|i| unsafe { at(i).read_volatile() }).collect()
    }

    /// Makes a command of `/dev/hmm_dmirror0`.
    fn command(&mut self, call: &Call) -> i32 {
        let number: c_ulong = match call {
            Call::DeviceRead(_) => 0,
            Call::DeviceWrite(_) => 1,
            Call::ToDevice(_) => 2,
            Call::ToSystem(_) => 3,
            Call::DeviceLacksHuge => 8,
            _ => 5,
        };
        // `DeviceLacksHuge` has no range. In place of the length, its command has the flag that
        // makes the driver's next allocation fail
        let range = call.range().unwrap_or(Range { first: 0, len: 1 });
        let buffer = self.buffer;
        let device = match open(&mut self.device, DEVICE) {
            Ok(device) => device.as_raw_fd(),
            Err(error) => return -error.raw_os_error().unwrap_or(1),
        };
        let mut words = [addr(range.first), buffer, range.len.into(), 0, 0];
        Self::ioctl(device, 0xc028_4800 + number, &mut words)
    }
}

const fn protection(prot: Prot) -> c_int {
    match prot {
        Prot::None => libc::PROT_NONE,
        Prot::Read => libc::PROT_READ,
        Prot::Write => libc::PROT_READ | libc::PROT_WRITE,
        Prot::Exec => libc::PROT_READ | libc::PROT_EXEC,
        Prot::All => libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
    }
}

fn on(range: Range, call: impl FnOnce(*mut libc::c_void, usize) -> c_int) -> i32 {
    match call(addr(range.first) as *mut _, bytes(range.len) as usize) {
        -1 => errno(),
        _ => 0,
    }
}

// the list of advice is shared with the host
const _: () = assert!(Advice::ALL.len() == 22);
