//! The system calls.

mod disk;
mod file;
mod limits;
mod make;
mod objects;
mod odd;
mod scan;
mod smaps;
mod system;

pub use file::FileState;
pub use file::mount;
use limits::Limited;
pub use limits::status;
pub use scan::{SHOWN_CATEGORIES, Scan, categories};
pub use smaps::Counted;
pub use system::{free_hugetlb, free_maps, join_group, read_from_swap, set_headers, set_up};

use super::monitor::{Mailbox, Monitor};
use super::poisoned::Poisoned;
use super::shared::Shared;
use crate::access;
use crate::cover::Trace;
use mm_linux_calls::{
    BASE, Call, FileKind, PAGE_BYTES, PAGES, Performed, Program, Range, UffdEvent,
};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

/// Bits of an entry of pagemap.
pub const PRESENT: u64 = 1 << 63;
pub const UFFD_WP: u64 = 1 << 57;
const SWAPPED: u64 = 1 << 62;
/// The page is somewhere: in memory, or in swap.
pub const ANY: u64 = PRESENT | SWAPPED;
pub const EXCLUSIVE: u64 = 1 << 56;
/// Bits of kpageflags.
pub const ZERO_PAGE: u64 = 1 << 24;
pub const KSM_PAGE: u64 = 1 << 21;
pub const LOCKED_PAGE: u64 = 1 << 33;
/// What cannot be locked as one page: parts of larger folios, pages of KSM, and the zero page.
pub const NOT_ONE: u64 = 1 << 15 | 1 << 16 | 1 << 17 | 1 << 22 | KSM_PAGE | ZERO_PAGE;

/// The negative error number of the last call.
pub fn errno() -> i32 {
    -io::Error::last_os_error().raw_os_error().unwrap_or(1)
}

/// The frame of a page that is present.
pub fn frame(entry: u64) -> Option<u64> {
    (entry & PRESENT != 0).then_some(entry & ((1 << 55) - 1))
}

pub fn addr(page: u16) -> u64 {
    BASE + u64::from(page) * PAGE_BYTES
}

fn bytes(pages: u16) -> u64 {
    u64::from(pages) * PAGE_BYTES
}

fn told(result: io::Result<()>) -> i32 {
    result.map_or_else(|error| -error.raw_os_error().unwrap_or(1), |()| 0)
}

/// Memory for what a device or userfaultfd copies, with a page for each page of the window.
fn new_buffer() -> u64 {
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
    buffer as u64
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

/// Reads a word of a file.
fn read_at(file: io::Result<&File>, at: u64) -> Result<u64, i32> {
    let mut word = [0; 8];
    let read = file.and_then(|file| file.read_exact_at(&mut word, at));
    match read {
        Ok(()) => Ok(u64::from_le_bytes(word)),
        Err(error) => Err(-error.raw_os_error().unwrap_or(1)),
    }
}

/// What a process needs for its calls.
pub struct Kernel {
    wp_async: bool,
    /// What the memfd is.
    file_kind: FileKind,
    uffd: Option<i32>,
    /// Where the monitor leaves what it reads, if the program has one.
    mailbox: Option<&'static Mailbox>,
    /// Where the process notes the frames that it declares broken or takes out of use.
    poisoned: &'static Poisoned,
    /// The monitor, once there is a userfaultfd.
    monitor: Option<Monitor>,
    device: Option<File>,
    pagemap: Option<File>,
    memory: Option<File>,
    pins: Option<File>,
    /// `/proc/self/fail-nth`, once a call has needed it.
    failures: Option<File>,
    /// The ends of the pipe that has references to pages.
    pipe: Option<[i32; 2]>,
    /// The number of the next call's allocation that fails; 0 if none does.
    fail: u8,
    /// The memfd of the program; 0 if it maps none.
    file: i32,
    /// `/dev/zero`, once it is open.
    zero: Option<File>,
    /// Memory for what a device or userfaultfd copies.
    buffer: u64,
    /// The kernel adds the counts of all CPUs for `/proc/self/status`.
    adds_all: bool,
    trace: Option<&'static Trace>,
    /// The number of the call that the process makes; 0 while it only looks.
    number: u16,
    /// The program has asked KSM to merge pages.
    merges: bool,
    /// The program has asked for huge pages.
    collapses: bool,
    /// Calls that change mappings have the personality READ_IMPLIES_EXEC.
    implies_exec: bool,
    /// The segments of shared memory that were attached: the step, and the number of the segment.
    segments: Vec<(usize, i32)>,
    /// A page whose status of the last move_pages was wrong: its index in the range, the status,
    /// and the node.
    pub misplaced: Option<(usize, i32, i32)>,
    /// What is limited.
    limits: Vec<Limited>,
    /// PR_SET_MDWE.
    refuses_exec: bool,
    /// What the memfd was like when somebody last looked.
    state: Option<FileState>,
    /// The largest part of the memfd that this process ever had mapped for writing, in bytes.
    writable: u64,
    /// A hash of the contents of the memfd when somebody last looked, if they were sealed then.
    contents: Option<u64>,
}

impl Kernel {
    /// For a process that has just begun.
    pub fn new(program: &Program, shared: &'static Shared, trace: Option<&'static Trace>) -> Self {
        let file = if program.uses_file() {
            file::create(program)
        } else {
            0
        };
        Self {
            wp_async: program.wp_async,
            file_kind: program.file,
            uffd: None,
            mailbox: program.monitor.then_some(&shared.mailbox),
            poisoned: &shared.poisoned,
            monitor: None,
            device: None,
            pagemap: None,
            memory: None,
            pins: None,
            failures: None,
            pipe: None,
            fail: 0,
            file,
            zero: None,
            buffer: new_buffer(),
            adds_all: system::version() >= (6, 17),
            trace,
            number: 0,
            merges: false,
            collapses: false,
            implies_exec: program.implies_exec,
            segments: Vec::new(),
            misplaced: None,
            limits: Vec::new(),
            refuses_exec: false,
            state: None,
            writable: 0,
            contents: None,
        }
    }

    /// What a second thread of the process needs to make this call.
    pub fn beside(&mut self, call: &Call) -> Self {
        self.prepare(call);
        let copied = |file: &Option<File>| file.as_ref().and_then(|file| file.try_clone().ok());
        Self {
            mailbox: None,
            monitor: None,
            device: copied(&self.device),
            pagemap: None,
            memory: copied(&self.memory),
            pins: None,
            failures: None,
            pipe: None,
            fail: 0,
            zero: None,
            buffer: new_buffer(),
            trace: None,
            misplaced: None,
            segments: Vec::new(),
            limits: Vec::new(),
            state: None,
            ..*self
        }
    }

    /// Ends what [`beside`](Self::beside) began.
    pub fn join(&mut self, other: Self) {
        self.merges |= other.merges;
        self.collapses |= other.collapses;
        // SAFETY: the other thread has ended, and nobody else uses its buffer.
        unsafe { libc::munmap(other.buffer as *mut _, bytes(PAGES) as usize) };
    }

    /// Called in the child of a fork. Drops the files that belong to the parent.
    pub fn forked(&mut self, trace: Option<&'static Trace>) {
        if let Some(uffd) = self.uffd.take() {
            // SAFETY: the child's copy.
            unsafe { libc::close(uffd) };
        }
        self.uffd = self.monitor.as_mut().and_then(Monitor::inherited);
        if self.uffd.is_none() {
            self.monitor = None;
        }
        self.device = None;
        self.pagemap = None;
        self.memory = None;
        self.pins = None;
        self.failures = None;
        self.fail = 0;
        self.trace = trace;
    }

    /// True if a monitor reads the userfaultfd.
    pub fn is_watched(&self) -> bool {
        self.monitor.is_some()
    }

    /// The page of a fault that the monitor could not resolve.
    pub fn stuck_at(&self) -> Option<usize> {
        self.monitor.as_ref()?.stuck_at()
    }

    /// The events since the last time; `None` without a monitor, or if it does not answer.
    pub fn events(&self) -> Option<Vec<UffdEvent>> {
        self.monitor.as_ref()?.events()
    }

    /// The file of the device, if it is open.
    pub fn device_file(&self) -> Option<i32> {
        self.device.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// From now on, places are noted as reached by this call, or, if `None`, by no call.
    pub fn begin(&mut self, call: Option<&Call>) {
        self.number = call.map_or(0, Call::number);
    }

    /// Makes the allocation with this number fail in the next call, and in no later one.
    pub fn fail_next(&mut self, call: &Call, number: u8) {
        if number > 0 {
            // the files are opened first, so that the count begins with the call's own allocations
            self.prepare(call);
        }
        self.fail = number;
    }

    /// Makes an allocation of this thread fail: the next one if `number` is 1, the one after it if
    /// 2, and so on; none if 0.
    fn set_failure(&mut self, number: u8) {
        if let Ok(file) = open(&mut self.failures, "/proc/self/fail-nth") {
            // on a kernel that cannot make allocations fail, the call runs without a failure
            let _ = file.write_all_at(number.to_string().as_bytes(), 0);
        }
    }

    /// Makes a call of the program, or one of the accesses or scans that it consists of. The
    /// allocation that [`fail_next`](Self::fail_next) chose fails in the first of these.
    pub fn failing<T>(&mut self, call: impl FnOnce(&mut Self) -> T) -> T {
        let number = std::mem::take(&mut self.fail);
        if number == 0 {
            return call(self);
        }
        self.set_failure(number);
        let result = call(self);
        self.set_failure(0);
        result
    }

    /// Makes a call that changes mappings, with the personality of the program.
    fn with_personality<T>(&mut self, call: impl FnOnce(&mut Self) -> T) -> T {
        const READ_IMPLIES_EXEC: std::ffi::c_ulong = 0x40_0000;
        if !self.implies_exec {
            return call(self);
        }
        // SAFETY: plain calls. The personality affects only calls that are made while it is set.
        unsafe { libc::personality(READ_IMPLIES_EXEC) };
        let result = call(self);
        // SAFETY: as above.
        unsafe { libc::personality(0) };
        result
    }

    fn traced<T>(&mut self, call: impl FnOnce(&mut Self) -> T) -> T {
        if let Some(trace) = &self.trace {
            trace.begin();
        }
        let result = self.failing(call);
        if let Some(trace) = &self.trace {
            trace.end(self.number);
        }
        result
    }

    /// Makes a call as step `step`. If it accesses another process, that is `pid`.
    pub fn perform(&mut self, call: &Call, step: usize, pid: i32) -> Performed {
        if !call.is_access() {
            let (result, pages) = self.call(call, step);
            let accesses = Vec::new();
            return Performed {
                result,
                pages,
                accesses,
            };
        }
        let access = |page: usize| {
            let word = call.word(step, page);
            let result = match call {
                Call::Read(_) => self.read(page),
                Call::MemRead(_) => self.read_memory(page),
                Call::VmRead(_) => self.read_from(pid, page),
                Call::FarRead(_) => self.read_far(pid, page),
                Call::FileRead(_) => self.read_file(page),
                Call::VmWrite(_) => self.write_into(pid, page, word).map(|()| word),
                Call::MemWrite(_) => self.write(page, word, true).map(|()| word),
                _ => self.write(page, word, false).map(|()| word),
            };
            (page, result)
        };
        let accesses: Vec<_> = call.accessed().map(access).collect();
        let failure = accesses.iter().find_map(|(_, access)| access.err());
        Performed {
            result: failure.unwrap_or(0),
            pages: 0,
            accesses,
        }
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

    /// Reads a page's word through /proc/self/mem.
    pub fn read_memory(&mut self, page: usize) -> Result<u64, i32> {
        self.traced(|kernel| {
            let memory = open(&mut kernel.memory, "/proc/self/mem");
            read_at(memory, addr(page as u16))
        })
    }

    /// Reads the word of a page of the memfd.
    pub fn read_file(&mut self, page: usize) -> Result<u64, i32> {
        let mut word = 0u64;
        let at = bytes(page as u16) as i64;
        // SAFETY: reads into our word.
        let read = self
            .traced(|kernel| unsafe { libc::pread(kernel.file, (&raw mut word).cast(), 8, at) });
        if read == 8 { Ok(word) } else { Err(errno()) }
    }

    /// Reads a page's word of process `pid` with process_vm_readv.
    pub fn read_from(&mut self, pid: i32, page: usize) -> Result<u64, i32> {
        let mut word = 0u64;
        let local = libc::iovec {
            iov_base: (&raw mut word).cast(),
            iov_len: 8,
        };
        let remote = libc::iovec {
            iov_base: addr(page as u16) as *mut _,
            iov_len: 8,
        };
        // SAFETY: reads into our word.
        let read = self.traced(|_| unsafe {
            libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0)
        });
        if read == 8 { Ok(word) } else { Err(errno()) }
    }

    /// Reads a page's word through the file mem of process `pid`.
    pub fn read_far(&mut self, pid: i32, page: usize) -> Result<u64, i32> {
        let file = File::open(format!("/proc/{pid}/mem"));
        let file = file.map_err(|error| -error.raw_os_error().unwrap_or(1))?;
        self.traced(|_| read_at(Ok(&file), addr(page as u16)))
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
        static FILE: OnceLock<Option<File>> = OnceLock::new();
        let file = FILE.get_or_init(|| File::open("/proc/kpageflags").ok());
        let mut flags = [0; 8];
        let at = (entry & ((1 << 55) - 1)) * 8;
        match file.as_ref().map(|file| file.read_exact_at(&mut flags, at)) {
            Some(Ok(())) => u64::from_le_bytes(flags),
            _ => u64::MAX,
        }
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
}
