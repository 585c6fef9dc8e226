//! The system calls.

use crate::access;
use crate::cover::{Cover, Trace};
use mm_linux_calls::{ACCOUNTS, Advice, BASE, Call, Modes, PAGE_BYTES, PAGES, Prot, Range};
use std::ffi::{c_int, c_ulong};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

const KSM: &str = "/sys/kernel/mm/ksm/";
/// How long KSM may take for a scan. It does not scan if no memory is MADV_MERGEABLE.
const KSM_TIME: Duration = Duration::from_millis(60);

/// Features of userfaultfd: SIGBUS, missing and write-protected shared memory, unpopulated pages,
/// poison, move; and asynchronous write protection.
const FEATURES: u64 = 1 | 1 << 5 | 1 << 7 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 16;
const WP_ASYNC: u64 = 1 << 15;
const API: c_ulong = 0xc018_aa3f;
const REGISTER: c_ulong = 0xc020_aa00;
const UNREGISTER: c_ulong = 0x8010_aa01;
const COPY: c_ulong = 0xc028_aa03;
const ZEROPAGE: c_ulong = 0xc020_aa04;
const MOVE: c_ulong = 0xc028_aa05;
const WRITEPROTECT: c_ulong = 0xc018_aa06;
const POISON: c_ulong = 0xc020_aa08;
const PAGEMAP_SCAN: c_ulong = 0xc060_6610;

/// `PAGE_IS_PRESENT`, `_SWAPPED`, `_FILE` and `_SOFT_DIRTY`: the index is the bit in
/// a program's categories.
const CATEGORIES: [u64; 4] = [1 << 3, 1 << 4, 1 << 2, 1 << 7];
/// The bits of an entry of pagemap for the same categories.
const SHOWN: [u64; 4] = [1 << 63, 1 << 62, 1 << 61, 1 << 55];

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
    std::fs::write("/sys/kernel/mm/transparent_hugepage/enabled", "madvise")?;
    std::fs::write(
        "/sys/kernel/mm/transparent_hugepage/shmem_enabled",
        "advise",
    )
}

fn addr(page: u16) -> u64 {
    BASE + u64::from(page) * PAGE_BYTES
}

fn bytes(pages: u16) -> u64 {
    u64::from(pages) * PAGE_BYTES
}

/// What smaps says and should not.
pub enum Counted {
    /// More than the size of the mapping at this page of the window.
    TooMuch { page: usize, kb: u64 },
    /// A field of status, by its number, is not the sum of smaps.
    Differs { field: usize, kb: u64, sum: u64 },
}

/// What a process needs for its calls.
pub struct Kernel {
    wp_async: bool,
    uffd: Option<i32>,
    device: Option<File>,
    pagemap: Option<File>,
    memory: Option<File>,
    /// Memory for what a device or userfaultfd copies.
    buffer: u64,
    trace: Option<Trace>,
    cover: Option<&'static Cover>,
}

impl Kernel {
    /// For a process that has just begun.
    pub fn new(wp_async: bool, cover: Option<&'static Cover>) -> Self {
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
            wp_async,
            uffd: None,
            device: None,
            pagemap: None,
            memory: None,
            buffer: buffer as u64,
            trace: cover.and_then(Cover::trace),
            cover,
        }
    }

    /// In the child of a fork: what belongs to the parent is not used.
    pub fn forked(&mut self) {
        if let Some(uffd) = self.uffd.take() {
            // SAFETY: the child's copy.
            unsafe { libc::close(uffd) };
        }
        self.device = None;
        self.pagemap = None;
        self.memory = None;
        self.trace = self.cover.and_then(Cover::trace);
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
    pub fn smaps(&mut self) -> Option<Counted> {
        let smaps = std::fs::read_to_string("/proc/self/smaps").ok()?;
        let (mut page, mut size, mut is_shared, mut sums) = (None, 0, false, [0; ACCOUNTS.len()]);
        for line in smaps.lines() {
            let mut words = line.split_whitespace();
            let first = words.next()?;
            if let Some((start, _)) = first.split_once('-') {
                // the gate page is no mapping of the process
                let start = u64::from_str_radix(start, 16).unwrap_or(u64::MAX);
                let in_window = (BASE..BASE + bytes(PAGES)).contains(&start);
                page = in_window.then(|| ((start - BASE) / PAGE_BYTES) as usize);
                is_shared = words.next().is_some_and(|rights| rights.ends_with('s'));
                size = if line.ends_with("[vsyscall]") {
                    u64::MAX
                } else {
                    0
                };
                continue;
            }
            if first == "VmFlags:" {
                if size != u64::MAX && words.any(|flag| flag == "lo") {
                    sums[1] += size;
                }
                continue;
            }
            let Some(Ok(kb)) = words.next().map(str::parse::<u64>) else {
                continue;
            };
            match first {
                _ if size == u64::MAX => {}
                "Size:" => (size, sums[0]) = (kb, sums[0] + kb),
                "Rss:" | "Pss:" | "Shared_Clean:" | "Shared_Dirty:" | "Private_Clean:"
                | "Private_Dirty:" | "Referenced:" | "Anonymous:" | "AnonHugePages:" | "Swap:"
                | "SwapPss:" | "Locked:" => {
                    if let Some(page) = page.filter(|_| kb > size) {
                        return Some(Counted::TooMuch { page, kb });
                    }
                    match first {
                        // that of shared memory belongs to no process
                        "Swap:" if !is_shared => sums[2] += kb,
                        "Anonymous:" => sums[3] += kb,
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        for (field, (name, slack)) in ACCOUNTS.iter().enumerate() {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kb = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            let sum = sums[field];
            if let Some(kb) = kb.filter(|kb| kb.abs_diff(sum) > *slack) {
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
        let mut api = [0xaa, features, 0];
        // SAFETY: plain calls; `api` is a struct uffdio_api.
        let uffd = unsafe {
            let fd =
                libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | libc::O_NONBLOCK) as i32;
            libc::ioctl(fd, API, &raw mut api);
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
            Call::Map {
                range,
                shared,
                prot,
            } => {
                let kind = if shared {
                    libc::MAP_SHARED
                } else {
                    libc::MAP_PRIVATE
                };
                let flags = kind | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE;
                // SAFETY: the window belongs to the program.
                let at = unsafe {
                    let at = addr(range.first) as *mut _;
                    libc::mmap(
                        at,
                        bytes(range.len) as usize,
                        protection(prot),
                        flags,
                        -1,
                        0,
                    )
                };
                if at == libc::MAP_FAILED { errno() } else { 0 }
            }
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
            Call::Advise(range, advice) => on(range, |at, len| unsafe {
                libc::madvise(at, len, advice.number())
            }),
            Call::Lock { range, on_fault } => on(range, |at, len| unsafe {
                libc::syscall(libc::SYS_mlock2, at, len, c_int::from(on_fault)) as c_int
            }),
            Call::Unlock(range) => on(range, |at, len| unsafe { libc::munlock(at, len) }),
            Call::ClearSoftDirty => told(std::fs::write("/proc/self/clear_refs", "4")),
            Call::Ksm => told(ksm()),
            Call::Compact => told(std::fs::write("/proc/sys/vm/compact_memory", "1")),
            Call::Register(range, modes) => {
                let modes = match modes {
                    Modes::Missing => 1,
                    Modes::Wp => 2,
                    Modes::Both => 3,
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
            | Call::DeviceWrite(_)
            | Call::Scan { .. }
            | Call::Fork
            | Call::Exit => 0,
        };
        (result, 0)
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

    /// Scans for pages of all these categories, without a vector if `blind`. Returns the result,
    /// and which pages of the range were reported.
    pub fn scan(
        &mut self,
        range: Range,
        categories: u8,
        protect: bool,
        blind: bool,
    ) -> (i32, Vec<bool>) {
        let mut found = vec![false; range.len.into()];
        let mut regions = vec![[0u64; 3]; PAGES.into()];
        let bits = CATEGORIES.iter().enumerate();
        let bits = bits.map(|(bit, category)| u64::from(categories >> bit & 1) * category);
        let mask: u64 = bits.sum();
        let all: u64 = CATEGORIES.iter().sum::<u64>() | 1 << 1;
        let (start, end) = (addr(range.first), addr(range.first) + bytes(range.len));
        let (vec, room) = if blind {
            (0, 0)
        } else {
            (regions.as_mut_ptr() as u64, PAGES.into())
        };
        let mut words = [
            96,
            protect.into(),
            start,
            end,
            0,
            vec,
            room,
            0,
            0,
            mask,
            0,
            all,
        ];
        let result = self.traced(
            |kernel| match open(&mut kernel.pagemap, "/proc/self/pagemap") {
                // SAFETY: a struct pm_scan_arg, whose vector has room for this many regions.
                Ok(file) => unsafe {
                    libc::ioctl(file.as_raw_fd(), PAGEMAP_SCAN, words.as_mut_ptr())
                },
                Err(_) => -1,
            },
        );
        if result < 0 {
            return (errno(), found);
        }
        for [first, end, _] in regions.into_iter().take(result as usize) {
            let at = |addr: u64| (addr.saturating_sub(start) / PAGE_BYTES) as usize;
            let reported = found.get_mut(at(first)..at(end).min(range.len.into()));
            reported
                .into_iter()
                .flatten()
                .for_each(|found| *found = true);
        }
        (0, found)
    }
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

// the list of advice is shared with the host
const _: () = assert!(Advice::ALL.len() == 17);
