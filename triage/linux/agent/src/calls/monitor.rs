//! The monitor: a thread that reads the userfaultfd of its process.
//!
//! It resolves page faults as soon as it reads them, except those of threads that a program starts.
//! It notes all other events. The child of a fork has a userfaultfd of its own, and the thread of
//! the parent reads that one, too. So the events of both processes are read, and every call that
//! waits for a reader goes on.

use super::kernel::errno;
use mm_linux_calls::{BASE, PAGE_BYTES, PAGES, Range, UffdEvent};
use std::ffi::{c_int, c_ulong, c_void};
use std::io;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The most events of a call.
const MOST: usize = 64;
/// The most threads of a program whose faults are not resolved.
const ALONE: usize = 32;
/// How often the monitor tries again to resolve a fault.
const RETRIES: u32 = 8;
/// How long the thread may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);
const HUGE_BYTES: u64 = 2 << 20;

// requests
const SYNC: u8 = 0;
const CLOSE: u8 = 1;
const CLOSE_CHILD: u8 = 2;

const UNREGISTER: c_ulong = 0x8010_aa01;
const WAKE: c_ulong = 0x8010_aa02;
const COPY: c_ulong = 0xc028_aa03;
const ZEROPAGE: c_ulong = 0xc020_aa04;
const WRITEPROTECT: c_ulong = 0xc018_aa06;
const CONTINUE: c_ulong = 0xc020_aa07;
const RWPROTECT: c_ulong = 0xc018_aa09;

// events
const PAGEFAULT: u8 = 0x12;
const FORK: u8 = 0x13;
const REMAP: u8 = 0x14;
const REMOVE: u8 = 0x15;
const UNMAP: u8 = 0x16;
// flags of a page fault
const FAULT_WP: u64 = 1 << 1;
const FAULT_MINOR: u64 = 1 << 2;
const FAULT_RWP: u64 = 1 << 3;

/// Where the thread leaves what it has read. All processes of a program share it.
pub struct Mailbox {
    /// The number of requests that were answered.
    answers: AtomicU32,
    count: AtomicU32,
    events: [[AtomicU64; 3]; MOST],
    /// The userfaultfd that the last fork has made: a descriptor of the process that the thread
    /// belongs to. 0 if there is none.
    child: AtomicI32,
    /// The address of the last fault that could not be resolved, and how often that happened.
    failed_at: AtomicU64,
    failures: AtomicU32,
    /// One more than the page of a fault that could not be resolved, or for which UFFDIO_ZEROPAGE
    /// said that the page exists.
    stuck: AtomicU32,
    /// Threads whose faults are not resolved.
    alone: [AtomicI32; ALONE],
    alone_count: AtomicU32,
}

impl Mailbox {
    /// Begins a program.
    pub fn clear(&self) {
        self.count.store(0, Ordering::SeqCst);
        self.child.store(0, Ordering::SeqCst);
        self.stuck.store(0, Ordering::SeqCst);
        self.alone_count.store(0, Ordering::SeqCst);
        let alone = self.alone.iter();
        alone.for_each(|thread| thread.store(0, Ordering::SeqCst));
    }

    /// The faults of this thread are not resolved.
    pub fn leave_alone(&self, thread: i32) {
        let at = self.alone_count.fetch_add(1, Ordering::SeqCst) as usize;
        if let Some(slot) = self.alone.get(at) {
            slot.store(thread, Ordering::SeqCst);
        }
    }

    fn leaves_alone(&self, thread: i32) -> bool {
        let mut alone = self.alone.iter();
        alone.any(|alone| alone.load(Ordering::SeqCst) == thread)
    }

    /// Notes a fault that could not be resolved. Returns false if the last [`RETRIES`] such faults
    /// were at this address, too.
    fn may_retry(&self, at: u64) -> bool {
        if self.failed_at.swap(at, Ordering::SeqCst) != at {
            self.failures.store(0, Ordering::SeqCst);
        }
        self.failures.fetch_add(1, Ordering::SeqCst) < RETRIES
    }

    fn is_stuck_at(&self, at: u64) {
        let page = pages(at, at + PAGE_BYTES).first;
        self.stuck.store(u32::from(page) + 1, Ordering::SeqCst);
    }

    fn note(&self, words: [u64; 3]) {
        let at = self.count.fetch_add(1, Ordering::SeqCst) as usize;
        for (to, word) in self.events.get(at).into_iter().flatten().zip(words) {
            to.store(word, Ordering::SeqCst);
        }
    }

    fn take(&self) -> Vec<UffdEvent> {
        let count = self.count.swap(0, Ordering::SeqCst) as usize;
        let events = self.events.iter().take(count);
        let events = events.map(|words| {
            let [number, from, end] = words.each_ref().map(|word| word.load(Ordering::SeqCst));
            match number as u8 {
                REMAP => UffdEvent::Remap(pages(from, end)),
                REMOVE => UffdEvent::Remove(pages(from, end)),
                UNMAP => UffdEvent::Unmap(pages(from, end)),
                _ => UffdEvent::Fork,
            }
        });
        events.collect()
    }
}

/// The pages of the window in a range of addresses.
fn pages(from: u64, end: u64) -> Range {
    let page = |at: u64| (at.saturating_sub(BASE) / PAGE_BYTES).min(PAGES.into()) as u16;
    Range::new(page(from), page(end).saturating_sub(page(from)))
}

/// The connection to the thread.
pub struct Monitor {
    /// The end of a pipe. The thread answers each byte.
    door: c_int,
    mailbox: &'static Mailbox,
    /// It is the monitor of the parent.
    is_parents: bool,
}

impl Monitor {
    /// Begins to read a userfaultfd, which must not block.
    pub fn begin(uffd: c_int, mailbox: &'static Mailbox) -> io::Result<Self> {
        let mut ends = [0; 2];
        // SAFETY: the array has room for two files.
        if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let [inside, door] = ends;
        let thread = std::thread::Builder::new().stack_size(128 << 10);
        thread.spawn(move || watch(uffd, inside, mailbox))?;
        let monitor = Self {
            door,
            mailbox,
            is_parents: false,
        };
        // Waits until the thread runs. A thread allocates memory when it starts. During a fork of
        // this process, libc holds the locks of the allocator, so a starting thread would wait for
        // the fork, and the fork would wait until the thread has read the event of the fork.
        monitor.is_current();
        Ok(monitor)
    }

    /// Waits until the thread has noted all that has happened. Returns false if it does not answer.
    fn is_current(&self) -> bool {
        self.asks(SYNC)
    }

    /// Makes the thread close its descriptor of the userfaultfd. Returns true if the thread belongs
    /// to this process, so that the process has no descriptor left to close.
    pub fn close(self) -> bool {
        self.asks(if self.is_parents { CLOSE_CHILD } else { CLOSE });
        !self.is_parents
    }

    /// Asks the thread, and waits for its answer. Returns false if there is none.
    fn asks(&self, what: u8) -> bool {
        let before = self.mailbox.answers.load(Ordering::SeqCst);
        let time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 20_000_000,
        };
        // SAFETY: a byte of ours.
        if unsafe { libc::write(self.door, [what].as_ptr().cast(), 1) } != 1 {
            return false;
        }
        let began = Instant::now();
        while self.mailbox.answers.load(Ordering::SeqCst) == before {
            if began.elapsed() > PATIENCE {
                return false;
            }
            // SAFETY: waits on a shared word, at most for the time.
            unsafe {
                libc::syscall(
                    libc::SYS_futex,
                    &raw const self.mailbox.answers,
                    libc::FUTEX_WAIT,
                    before,
                    &raw const time,
                )
            };
        }
        true
    }

    /// The events since the last time; `None` if the thread does not answer.
    pub fn events(&self) -> Option<Vec<UffdEvent>> {
        self.is_current().then(|| self.mailbox.take())
    }

    /// The page of a fault that could not be resolved.
    pub fn stuck_at(&self) -> Option<usize> {
        let stuck = self.mailbox.stuck.swap(0, Ordering::SeqCst);
        (stuck as usize).checked_sub(1)
    }

    /// In the child of a fork, a userfaultfd for its memory, if it inherits a registration.
    pub fn inherited(&mut self) -> Option<c_int> {
        self.is_parents = true;
        if !self.is_current() {
            return None;
        }
        let theirs = self.mailbox.child.swap(0, Ordering::SeqCst);
        // SAFETY: takes a file of the parent, which waits for this process.
        let ours = unsafe {
            let parent = libc::syscall(libc::SYS_pidfd_open, libc::getppid(), 0) as c_int;
            let ours = libc::syscall(libc::SYS_pidfd_getfd, parent, theirs, 0) as c_int;
            libc::close(parent);
            ours
        };
        (theirs != 0 && ours >= 0).then_some(ours)
    }
}

/// Reads until the process ends.
fn watch(uffd: c_int, inside: c_int, mailbox: &Mailbox) {
    let mut files = [uffd, -1];
    loop {
        let mut polled = [files[0], files[1], inside].map(|fd| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        });
        // SAFETY: files of ours; the pipe's byte goes into an array of ours.
        unsafe { libc::poll(polled.as_mut_ptr(), 3, -1) };
        for fd in files {
            read_all(fd, &mut files[1], mailbox);
        }
        let mut byte = [0u8];
        // SAFETY: as above; wakes those that wait on our word.
        unsafe {
            if polled[2].revents != 0 && libc::read(inside, byte.as_mut_ptr().cast(), 1) == 1 {
                if let Some(file) = files.get_mut(usize::from(byte[0]).wrapping_sub(1)) {
                    libc::close(std::mem::replace(file, -1));
                }
                mailbox.answers.fetch_add(1, Ordering::SeqCst);
                let word = &raw const mailbox.answers;
                libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE, i32::MAX);
            }
        }
    }
}

/// Reads all messages of a userfaultfd. A message about a fork sets `child` to the userfaultfd of
/// the child.
fn read_all(fd: c_int, child: &mut c_int, mailbox: &Mailbox) {
    // a struct uffd_msg
    let mut message = [0u64; 4];
    // SAFETY: the array has the size of a message. If there is none, this does not wait.
    while fd >= 0 && unsafe { libc::read(fd, message.as_mut_ptr().cast(), 32) } == 32 {
        let [head, one, two, three] = message;
        match head as u8 {
            PAGEFAULT if mailbox.leaves_alone(three as i32) => {}
            PAGEFAULT => resolve(fd, one, two & !(PAGE_BYTES - 1), mailbox),
            FORK => {
                // SAFETY: ours, and closed once.
                unsafe { libc::close(*child) };
                *child = one as c_int;
                mailbox.child.store(*child, Ordering::SeqCst);
                mailbox.note([FORK.into(), 0, 0]);
            }
            REMAP => mailbox.note([REMAP.into(), one, one.saturating_add(three)]),
            number => mailbox.note([number.into(), one, two]),
        }
    }
}

/// Lets the thread go on that has faulted at a page.
fn resolve(fd: c_int, flags: u64, at: u64, mailbox: &Mailbox) {
    let call = |command: c_ulong, words: &mut [u64]| {
        // SAFETY: the structure has the size that the command says.
        match unsafe { libc::ioctl(fd, command, words.as_mut_ptr()) } {
            -1 => errno(),
            _ => 0,
        }
    };
    let huge = at & !(HUGE_BYTES - 1);
    let both = |command: c_ulong| {
        call(command, &mut [at, PAGE_BYTES, 0, 0]) == 0
            || call(command, &mut [huge, HUGE_BYTES, 0, 0]) == 0
    };
    let is_resolved = if flags & FAULT_WP != 0 {
        both(WRITEPROTECT)
    } else if flags & FAULT_RWP != 0 {
        both(RWPROTECT)
    } else if flags & FAULT_MINOR != 0 {
        both(CONTINUE)
    } else {
        let result = call(ZEROPAGE, &mut [at, PAGE_BYTES, 0, 0]);
        if result == -libc::EEXIST {
            mailbox.is_stuck_at(at);
        }
        result == 0 || {
            let zeros = zeros();
            call(COPY, &mut [at, zeros, PAGE_BYTES, 0, 0]) == 0
                || call(COPY, &mut [huge, zeros, HUGE_BYTES, 0, 0]) == 0
        }
    };
    let woken = is_resolved || call(WAKE, &mut [at, PAGE_BYTES]) != 0;
    if !woken && !mailbox.may_retry(at) {
        mailbox.is_stuck_at(at);
        // the access goes on without us
        call(UNREGISTER, &mut [at, PAGE_BYTES]);
        call(UNREGISTER, &mut [huge, HUGE_BYTES]);
    }
}

/// A huge page of zeros.
fn zeros() -> u64 {
    static ZEROS: AtomicU64 = AtomicU64::new(0);
    if ZEROS.load(Ordering::SeqCst) == 0 {
        // SAFETY: new memory, which is only read.
        let memory: *mut c_void = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                HUGE_BYTES as usize,
                libc::PROT_READ,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        ZEROS.store(memory as u64, Ordering::SeqCst);
    }
    ZEROS.load(Ordering::SeqCst)
}
