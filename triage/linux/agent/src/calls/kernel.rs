//! The system calls.

use crate::access;
use crate::cover::Trace;
use mm_linux_calls::{
    ACCOUNTS, Advice, BASE, Call, FIELDS, Kind, Modes, PAGE_BYTES, PAGES, Program, Prot, Range,
    Step,
};
use std::ffi::{c_int, c_ulong};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

const KSM: &str = "/sys/kernel/mm/ksm/";
const KHUGEPAGED: &str = "/sys/kernel/mm/transparent_hugepage/khugepaged/";
/// khugepaged sleeps this long, unless it is woken.
const NEVER_MS: &str = "1000000000";
/// How long KSM may take for a scan. It does not scan if no memory is MADV_MERGEABLE.
const KSM_TIME: Duration = Duration::from_millis(60);

/// Features of userfaultfd: SIGBUS, missing and write-protected shared memory, unpopulated pages,
/// poison, move; and asynchronous write protection.
const FEATURES: u64 = 1 | 1 << 5 | 1 << 7 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 16;
const WP_ASYNC: u64 = 1 << 15;
/// `UFFD_FEATURE_RWP`, and with asynchronous protection `UFFD_FEATURE_RWP_ASYNC`.
const RWP: u64 = 1 << 17;
const RWP_ASYNC: u64 = 1 << 18;
const API: c_ulong = 0xc018_aa3f;
const REGISTER: c_ulong = 0xc020_aa00;
const UNREGISTER: c_ulong = 0x8010_aa01;
const COPY: c_ulong = 0xc028_aa03;
const ZEROPAGE: c_ulong = 0xc020_aa04;
const MOVE: c_ulong = 0xc028_aa05;
const WRITEPROTECT: c_ulong = 0xc018_aa06;
const POISON: c_ulong = 0xc020_aa08;
const RWPROTECT: c_ulong = 0xc018_aa09;
/// `PIN_LONGTERM_TEST_START`, `_STOP` and `_READ` of `/sys/kernel/debug/gup_test`.
const PIN_START: c_ulong = 0x4018_6707;
const PIN_STOP: c_ulong = 0x6708;
const PIN_READ: c_ulong = 0x4008_6709;
/// Huge pages of hugetlb that the guest has.
const HUGETLB: &str = "16";
/// The sizes of folios, in kB, that memory with MADV_HUGEPAGE may get.
const SIZES: [u32; 3] = [16, 64, 256];
const PAGEMAP_SCAN: c_ulong = 0xc060_6610;
const MAP_DROPPABLE: c_int = 8;
const MPOL_MF_MOVE: c_int = 2;

/// `PAGE_IS_PRESENT`, `_SWAPPED`, `_FILE`, `_SOFT_DIRTY` and `_GUARD`. Element `i` stands for bit
/// `i` of a program's categories.
const CATEGORIES: [u64; 5] = [1 << 3, 1 << 4, 1 << 2, 1 << 7, 1 << 8];
/// The bits of an entry of pagemap for the same categories.
const SHOWN: [u64; 5] = [1 << 63, 1 << 62, 1 << 61, 1 << 55, 1 << 58];

/// Bits of an entry of pagemap.
pub const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const EXCLUSIVE: u64 = 1 << 56;
/// Bits of kpageflags.
pub const ZERO_PAGE: u64 = 1 << 24;
pub const KSM_PAGE: u64 = 1 << 21;

/// The bits of a program's categories that an entry of pagemap shows.
pub fn categories(entry: u64) -> u8 {
    let bits = SHOWN.iter().enumerate();
    bits.map(|(bit, shown)| u8::from(entry & shown != 0) << bit)
        .sum()
}

/// The negative error number of the last call.
pub fn errno() -> i32 {
    -io::Error::last_os_error().raw_os_error().unwrap_or(1)
}

/// Sets what does not change from program to program.
pub fn set_up() -> io::Result<()> {
    for (name, value) in [
        ("pages_to_scan", "100000"),
        ("sleep_millisecs", "0"),
        ("smart_scan", "0"),
        ("use_zero_pages", "1"),
    ] {
        // an older kernel lacks smart_scan
        let _ = std::fs::write(format!("{KSM}{name}"), value);
    }
    for (name, value) in [
        ("pages_to_scan", "1000000"),
        ("alloc_sleep_millisecs", "1"),
        ("scan_sleep_millisecs", NEVER_MS),
    ] {
        std::fs::write(format!("{KHUGEPAGED}{name}"), value)?;
    }
    let _ = std::fs::write("/proc/sys/vm/nr_hugepages", HUGETLB);
    // the end of a process that used the device waits for a grace period
    let _ = std::fs::write("/sys/kernel/rcu_expedited", "1");
    std::fs::write("/sys/kernel/mm/transparent_hugepage/enabled", "madvise")?;
    std::fs::write(
        "/sys/kernel/mm/transparent_hugepage/shmem_enabled",
        "advise",
    )
}

/// Turns the sizes of folios below 2 MiB on or off.
pub fn set_sizes(on: bool) {
    for size in SIZES {
        let path = format!("/sys/kernel/mm/transparent_hugepage/hugepages-{size}kB/");
        // an older kernel lacks them
        let _ = std::fs::write(
            format!("{path}enabled"),
            if on { "madvise" } else { "never" },
        );
        let _ = std::fs::write(
            format!("{path}shmem_enabled"),
            if on { "advise" } else { "never" },
        );
    }
}

/// The first two numbers of the kernel's version.
fn version() -> (u32, u32) {
    let said = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = said
        .split(['.', '-'])
        .map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn addr(page: u16) -> u64 {
    BASE + u64::from(page) * PAGE_BYTES
}

fn bytes(pages: u16) -> u64 {
    u64::from(pages) * PAGE_BYTES
}

/// An error that smaps shows.
pub enum Counted {
    /// More than the size of the mapping at this page of the window.
    TooMuch { page: usize, kb: u64, field: usize },
    /// A field of status, by its number, is not the sum of smaps.
    Differs { field: usize, kb: u64, sum: u64 },
    /// The mapping at this page counts another number of pages than pagemap shows.
    Miscounts {
        page: usize,
        counted: u64,
        held: u64,
    },
}

/// What a process needs for its calls.
pub struct Kernel {
    wp_async: bool,
    uffd: Option<i32>,
    device: Option<File>,
    pagemap: Option<File>,
    memory: Option<File>,
    pins: Option<File>,
    /// The memfd of the program; 0 if it maps none.
    file: i32,
    /// `/dev/zero`, once it is open.
    zero: Option<File>,
    /// Memory for what a device or userfaultfd copies.
    buffer: u64,
    /// The kernel adds the counts of all CPUs for `/proc/self/status`.
    adds_all: bool,
    trace: Option<&'static Trace>,
    /// The program has asked KSM to merge pages.
    merges: bool,
    /// The program has asked for huge pages.
    collapses: bool,
}

impl Kernel {
    /// For a process that has just begun.
    pub fn new(program: &Program, trace: Option<&'static Trace>) -> Self {
        let maps_file = |step: &Step| matches!(step.call, Call::Map { kind, .. } if kind.is_file());
        let file = if program.steps.iter().any(maps_file) {
            // SAFETY: a name and no flags.
            unsafe {
                let file = libc::memfd_create(c"mmfuzz".as_ptr(), 0);
                libc::ftruncate(file, bytes(PAGES) as i64);
                file
            }
        } else {
            0
        };
        // SAFETY: new memory.
        let buffer = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes(PAGES) as usize,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        Self {
            wp_async: program.wp_async,
            uffd: None,
            device: None,
            pagemap: None,
            memory: None,
            pins: None,
            file,
            zero: None,
            buffer: buffer as u64,
            adds_all: version() >= (6, 17),
            trace,
            merges: false,
            collapses: false,
        }
    }

    /// Called in the child of a fork. Drops the files that belong to the parent.
    pub fn forked(&mut self, trace: Option<&'static Trace>) {
        if let Some(uffd) = self.uffd.take() {
            // SAFETY: the child's copy.
            unsafe { libc::close(uffd) };
        }
        self.device = None;
        self.pagemap = None;
        self.memory = None;
        self.pins = None;
        self.trace = trace;
    }

    /// The file of the device, if it is open.
    pub fn device_file(&self) -> Option<i32> {
        self.device.as_ref().map(AsRawFd::as_raw_fd)
    }

    fn traced<T>(&mut self, call: impl FnOnce(&mut Self) -> T) -> T {
        if let Some(trace) = &self.trace {
            trace.begin();
        }
        let result = call(self);
        if let Some(trace) = &self.trace {
            trace.end();
        }
        result
    }

    /// Reads a page's word; a negative signal if that fails.
    pub fn read(&mut self, page: usize) -> Result<u64, i32> {
        self.traced(|_| access::read(addr(page as u16)).map_err(|signal| -signal))
    }

    /// Writes a page's word, through /proc/self/mem if `forced`.
    pub fn write(&mut self, page: usize, word: u64, forced: bool) -> Result<(), i32> {
        let at = addr(page as u16);
        self.traced(|kernel| {
            if !forced {
                return access::write(at, word).map_err(|signal| -signal);
            }
            let memory = open(&mut kernel.memory, "/proc/self/mem");
            let wrote = memory.and_then(|file| file.write_all_at(&word.to_le_bytes(), at));
            wrote.map_err(|error| -error.raw_os_error().unwrap_or(1))
        })
    }

    /// Reads entries of pagemap from `first` on.
    pub fn pagemap(&mut self, first: usize, entries: &mut [u64]) -> bool {
        let Ok(file) = open(&mut self.pagemap, "/proc/self/pagemap") else {
            return false;
        };
        let at = addr(first as u16) / PAGE_BYTES * 8;
        let len = size_of_val(entries);
        // SAFETY: any bytes are entries.
        let bytes =
            unsafe { std::slice::from_raw_parts_mut(entries.as_mut_ptr().cast::<u8>(), len) };
        file.read_exact_at(bytes, at).is_ok()
    }

    /// Compares smaps with the sizes of the mappings of the window, and its sums with
    /// `/proc/self/status`.
    ///
    /// `held` is called for each mapping of the window. It returns the number of pages that pagemap
    /// shows there, and smaps must count as many. It returns `None` if the two may differ.
    pub fn smaps(
        &mut self,
        mut held: impl FnMut(&mut Self, Range) -> Option<u64>,
    ) -> Option<Counted> {
        let read_status = || std::fs::read_to_string("/proc/self/status").ok();
        let before = read_status()?;
        let smaps = std::fs::read_to_string("/proc/self/smaps").ok()?;
        let (mut page, mut size, mut is_shared, mut sums) = (None, 0, false, [0; ACCOUNTS.len()]);
        let (mut is_memory, mut rss, mut range, mut is_data) = (false, 0, None, false);
        for line in smaps.lines() {
            let mut words = line.split_whitespace();
            let first = words.next()?;
            if let Some((start, end)) = first.split_once('-') {
                // the gate page is no mapping of the process
                let start = u64::from_str_radix(start, 16).unwrap_or(u64::MAX);
                let end = u64::from_str_radix(end, 16).unwrap_or(u64::MAX);
                // all file systems of the guest lie in memory
                is_memory = line.contains('/') && !line.contains("/kcov");
                let in_window = (BASE..BASE + bytes(PAGES)).contains(&start);
                page = in_window.then(|| ((start - BASE) / PAGE_BYTES) as usize);
                range = page.map(|page| {
                    Range::new(
                        page as u16,
                        ((end - start) / PAGE_BYTES).min(PAGES.into()) as u16,
                    )
                });
                let rights = words.next().unwrap_or_default();
                is_shared = rights.ends_with('s');
                is_data = rights.contains('w') && !is_shared;
                size = if line.ends_with("[vsyscall]") {
                    u64::MAX
                } else {
                    0
                };
                continue;
            }
            if first == "VmFlags:" {
                let flags: Vec<&str> = words.collect();
                if size != u64::MAX && flags.contains(&"lo") {
                    sums[1] += size;
                }
                // the stack is no data
                if is_data && !flags.contains(&"gd") {
                    sums[6] += size;
                }
                continue;
            }
            let Some(Ok(kb)) = words.next().map(str::parse::<u64>) else {
                continue;
            };
            match first {
                _ if size == u64::MAX => {}
                "Size:" => (size, sums[0]) = (kb, sums[0] + kb),
                "Private_Hugetlb:" | "Shared_Hugetlb:" => sums[5] += kb,
                field if FIELDS.contains(&field) => {
                    if let Some(page) = page.filter(|_| kb > size) {
                        let field = FIELDS.iter().position(|name| *name == field).unwrap_or(0);
                        return Some(Counted::TooMuch { page, kb, field });
                    }
                    match first {
                        "Rss:" => rss = kb,
                        "Swap:" if range.is_some() => {
                            let held = range.and_then(|range| held(self, range));
                            let counted = (rss + kb) / 4;
                            if let (Some(page), Some(held)) =
                                (page, held.filter(|held| *held != counted))
                            {
                                return Some(Counted::Miscounts {
                                    page,
                                    counted,
                                    held,
                                });
                            }
                        }
                        _ => {}
                    }
                    match first {
                        // swap of shared memory is charged to no process
                        "Swap:" if is_memory && !is_shared => {
                            // swapped pages of the file may be among these, so the sum is
                            // not known
                            sums[2] = if kb > 0 { u64::MAX } else { sums[2] };
                        }
                        "Swap:" if !is_shared => sums[2] = sums[2].saturating_add(kb),
                        "Anonymous:" => {
                            sums[3] += kb;
                            sums[4] += if is_memory { rss - kb.min(rss) } else { 0 };
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        let status = read_status()?;
        for (field, (name, slack)) in ACCOUNTS.iter().enumerate() {
            let in_status = |status: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
            };
            // the reads themselves need memory
            let kb = in_status(&status).filter(|kb| in_status(&before) == Some(*kb));
            let sum = sums[field];
            let slack = if self.adds_all { 0 } else { *slack };
            let is_known = sum != u64::MAX;
            if let Some(kb) = kb.filter(|kb| is_known && kb.abs_diff(sum) > slack) {
                return Some(Counted::Differs { field, kb, sum });
            }
        }
        None
    }

    fn uffd(&mut self) -> i32 {
        if let Some(uffd) = self.uffd {
            return uffd;
        }
        let features = FEATURES | if self.wp_async { WP_ASYNC } else { 0 };
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
        uffd
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

    fn fill(&self, range: Range, step: usize) {
        for (i, page) in range.pages().enumerate() {
            let at = (self.buffer + i as u64 * PAGE_BYTES) as *mut u64;
            // SAFETY: within our buffer, which has a page for each of the window.
            unsafe { at.write_volatile(Range::word(step, page)) };
        }
    }

    /// Writes a page's word into process `pid` with process_vm_writev.
    pub fn write_into(&mut self, pid: i32, page: usize, word: u64) -> Result<(), i32> {
        let local = libc::iovec {
            iov_base: (&raw const word).cast_mut().cast(),
            iov_len: 8,
        };
        let remote = libc::iovec {
            iov_base: addr(page as u16) as *mut _,
            iov_len: 8,
        };
        // SAFETY: reads our word; the other process' window belongs to the program.
        let wrote = self.traced(|_| unsafe {
            libc::process_vm_writev(pid, &raw const local, 1, &raw const remote, 1, 0)
        });
        if wrote == 8 { Ok(()) } else { Err(errno()) }
    }

    /// The words of the pages that are pinned, if they can be read.
    pub fn pinned(&mut self, len: u16) -> Option<Vec<u64>> {
        let pins = self.pins.as_ref()?.as_raw_fd();
        if Self::ioctl(pins, PIN_READ, &mut [self.buffer]) != 0 {
            return None;
        }
        let at = |i: u16| (self.buffer + bytes(i)) as *const u64;
        // SAFETY: within our buffer, which has a page for each of the window.
        Some((0..len).map(|i| unsafe { at(i).read_volatile() }).collect())
    }

    /// Which pages of a range are resident, by mincore; `None` if a part is not mapped.
    pub fn mincore(&mut self, first: usize, len: usize) -> Option<Vec<u8>> {
        let mut resident = vec![0; len];
        let at = addr(first as u16) as *mut _;
        // SAFETY: the vector has a byte for each page.
        let failed = self.traced(|_| unsafe {
            libc::mincore(at, bytes(len as u16) as usize, resident.as_mut_ptr())
        });
        (failed == 0).then_some(resident)
    }

    /// The flags in /proc/kpageflags of the page that an entry of pagemap shows. If they cannot be
    /// read, all flags are set.
    pub fn flags(&self, entry: u64) -> u64 {
        let mut flags = [0; 8];
        let at = (entry & ((1 << 55) - 1)) * 8;
        let file = File::open("/proc/kpageflags");
        let read = file.and_then(|file| file.read_exact_at(&mut flags, at));
        read.map_or(u64::MAX, |()| u64::from_le_bytes(flags))
    }

    /// How many pages pagemap shows in a range. The zero page does not count. `None` if pagemap
    /// cannot be read.
    pub fn held(&mut self, range: Range) -> Option<u64> {
        let mut entries = vec![0; range.len.into()];
        if !self.pagemap(range.first.into(), &mut entries) {
            return None;
        }
        let is_held = |entry: &&u64| {
            let is_present = **entry & PRESENT != 0;
            let may_be_zero = is_present && **entry & EXCLUSIVE == 0;
            (is_present || **entry & SWAPPED != 0)
                && !(may_be_zero && self.flags(**entry) & ZERO_PAGE != 0)
        };
        Some(entries.iter().filter(is_held).count() as u64)
    }

    /// Makes a call that is no access. Returns 0 or a negative error number, and the number of
    /// pages that it says it has handled.
    pub fn call(&mut self, call: &Call, step: usize) -> (i32, u16) {
        // touched first, so that the call itself does not fault on it
        if let Call::Copy(range, _) = call {
            self.fill(*range, step);
        }
        self.traced(|kernel| kernel.make(call))
    }

    fn make(&mut self, call: &Call) -> (i32, u16) {
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
            Call::Map { range, kind, .. } if kind.is_hugetlb() && !range.is_huge() => -libc::EINVAL,
            Call::Map { range, kind, prot } => {
                let mut flags = libc::MAP_FIXED;
                flags |= match kind {
                    Kind::Droppable => MAP_DROPPABLE,
                    _ if kind.is_shared() => libc::MAP_SHARED,
                    _ => libc::MAP_PRIVATE,
                };
                let (fd, offset) = if kind.is_file() {
                    (self.file, bytes(range.first) as i64)
                } else if kind == Kind::DevZero {
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
            Call::Compact => told(std::fs::write("/proc/sys/vm/compact_memory", "1")),
            Call::Register(range, modes) => {
                let modes = match modes {
                    Modes::Missing => 1,
                    Modes::Wp => 2,
                    Modes::Both => 3,
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
            Call::ToDevice(_) | Call::ToSystem(_) | Call::DeviceRead(_) | Call::Exclusive(_) => {
                return (self.command(call), 0);
            }
            // the processes themselves do these
            Call::Write(_)
            | Call::Read(_)
            | Call::MemWrite(_)
            | Call::VmWrite(_)
            | Call::DeviceWrite(_)
            | Call::Scan { .. }
            | Call::Fork
            | Call::Exit => 0,
        };
        (result, 0)
    }

    /// Moves each page of a range to the other node.
    fn migrate(&mut self, range: Range) -> i32 {
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
        // a page that is not there has a negative status
        nodes
            .iter_mut()
            .for_each(|node| *node = c_int::from(*node == 0));
        let mut status = vec![0; pages.len()];
        match moved(nodes.as_ptr(), status.as_mut_ptr()) {
            -1 => errno(),
            _ => 0,
        }
    }

    fn pin_call(&mut self, command: c_ulong, words: &mut [u64]) -> i32 {
        match open(&mut self.pins, "/sys/kernel/debug/gup_test") {
            Ok(pins) => Self::ioctl(pins.as_raw_fd(), command, words),
            Err(error) => -error.raw_os_error().unwrap_or(1),
        }
    }

    /// Makes a command of `/dev/hmm_dmirror0`.
    pub fn device(&mut self, call: &Call, step: usize) -> i32 {
        if let Some(range) = call.range() {
            self.fill(range, step);
        }
        self.traced(|kernel| kernel.command(call))
    }

    fn command(&mut self, call: &Call) -> i32 {
        let number: c_ulong = match call {
            Call::DeviceRead(_) => 0,
            Call::DeviceWrite(_) => 1,
            Call::ToDevice(_) => 2,
            Call::ToSystem(_) => 3,
            _ => 5,
        };
        let Some(range) = call.range() else {
            return 0;
        };
        let buffer = self.buffer;
        let device = match open(&mut self.device, "/dev/hmm_dmirror0") {
            Ok(device) => device.as_raw_fd(),
            Err(error) => return -error.raw_os_error().unwrap_or(1),
        };
        let mut words = [addr(range.first), buffer, range.len.into(), 0, 0];
        Self::ioctl(device, 0xc028_4800 + number, &mut words)
    }

    fn scan_once(&mut self, words: &mut [u64; 12]) -> c_int {
        self.traced(|kernel| {
            let Ok(file) = open(&mut kernel.pagemap, "/proc/self/pagemap") else {
                return -1;
            };
            // SAFETY: a struct pm_scan_arg, whose vector has room for as many regions as it says.
            unsafe { libc::ioctl(file.as_raw_fd(), PAGEMAP_SCAN, words.as_mut_ptr()) }
        })
    }

    /// Scans for pages of all these categories. Returns the result, and for each page of the range
    /// that was scanned whether it was reported.
    pub fn scan(&mut self, scan: Scan) -> (i32, Vec<bool>) {
        let range = scan.range;
        let mut found = vec![false; range.len.into()];
        let mut regions = vec![[0u64; 3]; PAGES.into()];
        let bits = CATEGORIES.iter().enumerate();
        let bits = bits.map(|(bit, category)| u64::from(scan.categories >> bit & 1) * category);
        let mask: u64 = bits.sum();
        let all: u64 = CATEGORIES.iter().sum::<u64>() | 1 << 1;
        let (start, end) = (addr(range.first), addr(range.first) + bytes(range.len));
        let (vec, room) = if scan.blind {
            (0, 0)
        } else {
            (regions.as_mut_ptr() as u64, PAGES.into())
        };
        let mut from = start;
        while from < end {
            let mut words = [
                96,
                scan.protect.into(),
                from,
                end,
                0,
                vec,
                room,
                scan.limit.into(),
                0,
                mask,
                0,
                all,
            ];
            let result = self.scan_once(&mut words);
            if result < 0 {
                return (errno(), found);
            }
            for [first, end, _] in regions.iter().take(result as usize) {
                let at = |addr: u64| (addr.saturating_sub(start) / PAGE_BYTES) as usize;
                let reported = found.get_mut(at(*first)..at(*end).min(range.len.into()));
                reported
                    .into_iter()
                    .flatten()
                    .for_each(|found| *found = true);
            }
            if words[4] <= from {
                // a part of a huge page of hugetlb cannot be protected
                found.truncate(((from - start) / PAGE_BYTES) as usize);
                return (0, found);
            }
            from = words[4];
        }
        (0, found)
    }
}

/// The operands of PAGEMAP_SCAN.
#[derive(Clone, Copy, Debug)]
pub struct Scan {
    /// What is scanned.
    pub range: Range,
    /// Bits of categories.
    pub categories: u8,
    /// `PM_SCAN_WP_MATCHING`.
    pub protect: bool,
    /// Without a vector.
    pub blind: bool,
    /// The most pages that one call may report; 0 if there is no limit.
    pub limit: u16,
}

const fn protection(prot: Prot) -> c_int {
    match prot {
        Prot::None => libc::PROT_NONE,
        Prot::Read => libc::PROT_READ,
        Prot::Write => libc::PROT_READ | libc::PROT_WRITE,
    }
}

fn on(range: Range, call: impl FnOnce(*mut libc::c_void, usize) -> c_int) -> i32 {
    match call(addr(range.first) as *mut _, bytes(range.len) as usize) {
        -1 => errno(),
        _ => 0,
    }
}

fn told(result: io::Result<()>) -> i32 {
    result.map_or_else(|error| -error.raw_os_error().unwrap_or(1), |()| 0)
}

/// Opens a file when it is first needed. It belongs to the address space that opens it.
fn open<'a>(slot: &'a mut Option<File>, path: &str) -> io::Result<&'a File> {
    match slot {
        Some(file) => Ok(file),
        none => {
            let writes = path != "/proc/self/pagemap";
            let file = File::options().read(true).write(writes).open(path)?;
            Ok(none.insert(file))
        }
    }
}

/// Brings all pages back from swap, and turns swap on again.
fn swap_off() -> i32 {
    // SAFETY: a path.
    let failed = unsafe { libc::swapoff(crate::swap::DISK.as_ptr()) };
    let result = if failed == 0 { 0 } else { errno() };
    // SAFETY: a path and no flags. It fails if swap is still on.
    unsafe { libc::swapon(crate::swap::DISK.as_ptr(), 0) };
    result
}

/// Lets KSM scan all memory as often as it takes to merge what is equal.
fn ksm() -> io::Result<()> {
    let scans = || -> u64 {
        let said = std::fs::read_to_string(format!("{KSM}full_scans")).unwrap_or_default();
        said.trim().parse().unwrap_or(0)
    };
    let mut last = scans();
    let wanted = last + 3;
    std::fs::write(format!("{KSM}run"), "1")?;
    let mut began = Instant::now();
    while last < wanted && began.elapsed() < KSM_TIME {
        std::thread::sleep(Duration::from_micros(200));
        let now = scans();
        if now != last {
            (last, began) = (now, Instant::now());
        }
    }
    std::fs::write(format!("{KSM}run"), "0")
}

/// Lets khugepaged scan all memory. A write to this file wakes it, and then it scans everything at
/// most twice.
fn khugepaged() -> io::Result<()> {
    let scans = || -> u64 {
        let said = std::fs::read_to_string(format!("{KHUGEPAGED}full_scans")).unwrap_or_default();
        said.trim().parse().unwrap_or(0)
    };
    let before = scans();
    std::fs::write(format!("{KHUGEPAGED}scan_sleep_millisecs"), NEVER_MS)?;
    let began = Instant::now();
    while scans() < before + 2 && began.elapsed() < KSM_TIME {
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}

// the list of advice is shared with the host
const _: () = assert!(Advice::ALL.len() == 20);
