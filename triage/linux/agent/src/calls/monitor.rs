//! The monitor: a thread that reads the userfaultfd of its process.
//!
//! It resolves page faults as soon as it reads them, and notes all other events. A process whose
//! memory a fork has copied has a userfaultfd of its own; the thread of the parent reads that one,
//! too. So a call that waits until its event is read goes on.

use super::kernel::errno;
use mm_linux_calls::{BASE, Event, PAGE_BYTES, PAGES, Range};
use std::ffi::{c_int, c_ulong, c_void};
use std::io;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The most events of a call.
const MOST: usize = 64;
/// How long the thread may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);
const HUGE_BYTES: u64 = 2 << 20;

const WAKE: c_ulong = 0x8010_aa02;
const COPY: c_ulong = 0xc028_aa03;
const ZEROPAGE: c_ulong = 0xc020_aa04;
const WRITEPROTECT: c_ulong = 0xc018_aa06;
const RWPROTECT: c_ulong = 0xc018_aa09;

// events
const PAGEFAULT: u8 = 0x12;
const FORK: u8 = 0x13;
const REMAP: u8 = 0x14;
const REMOVE: u8 = 0x15;
const UNMAP: u8 = 0x16;
// flags of a page fault
const FAULT_WP: u64 = 1 << 1;
const FAULT_RWP: u64 = 1 << 3;

/// Where the thread leaves what it has read. All processes of a program share it.
pub struct Mailbox {
    /// The number of requests that were answered.
    answers: AtomicU32,
    count: AtomicU32,
    events: [[AtomicU64; 3]; MOST],
    /// The userfaultfd that the last fork has made, in the process of the thread; 0 if there is
    /// none.
    child: AtomicI32,
}

impl Mailbox {
    /// Begins a program.
    pub fn clear(&self) {
        self.count.store(0, Ordering::SeqCst);
        self.child.store(0, Ordering::SeqCst);
    }

    fn note(&self, words: [u64; 3]) {
        let at = self.count.fetch_add(1, Ordering::SeqCst) as usize;
        for (to, word) in self.events.get(at).into_iter().flatten().zip(words) {
            to.store(word, Ordering::SeqCst);
        }
    }

    fn take(&self) -> Vec<Event> {
        let count = self.count.swap(0, Ordering::SeqCst) as usize;
        let events = self.events.iter().take(count);
        let events = events.map(|words| {
            let [number, from, end] = words.each_ref().map(|word| word.load(Ordering::SeqCst));
            match number as u8 {
                REMAP => Event::Remap(pages(from, end)),
                REMOVE => Event::Remove(pages(from, end)),
                UNMAP => Event::Unmap(pages(from, end)),
                _ => Event::Fork,
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
        let monitor = Self { door, mailbox };
        // A thread that starts allocates memory. libc holds the locks of its allocator during a
        // fork, which waits for the thread.
        monitor.is_current();
        Ok(monitor)
    }

    /// Waits until the thread has noted all that has happened. Returns false if it does not answer.
    fn is_current(&self) -> bool {
        let before = self.mailbox.answers.load(Ordering::SeqCst);
        let time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 20_000_000,
        };
        // SAFETY: a byte of ours.
        if unsafe { libc::write(self.door, [0u8].as_ptr().cast(), 1) } != 1 {
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
    pub fn events(&self) -> Option<Vec<Event>> {
        self.is_current().then(|| self.mailbox.take())
    }

    /// In the child of a fork, a userfaultfd for its memory, if it inherits a registration.
    pub fn inherited(&self) -> Option<c_int> {
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
                mailbox.answers.fetch_add(1, Ordering::SeqCst);
                let word = &raw const mailbox.answers;
                libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE, i32::MAX);
            }
        }
    }
}

/// Reads all messages of a userfaultfd. `child` becomes that of a child.
fn read_all(fd: c_int, child: &mut c_int, mailbox: &Mailbox) {
    // a struct uffd_msg
    let mut message = [0u64; 4];
    // SAFETY: the array has the size of a message. If there is none, this does not wait.
    while fd >= 0 && unsafe { libc::read(fd, message.as_mut_ptr().cast(), 32) } == 32 {
        let [head, one, two, three] = message;
        match head as u8 {
            PAGEFAULT => resolve(fd, one, two & !(PAGE_BYTES - 1)),
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
fn resolve(fd: c_int, flags: u64, at: u64) {
    let call = |command: c_ulong, words: &mut [u64]| {
        // SAFETY: the structure has the size that the command says.
        match unsafe { libc::ioctl(fd, command, words.as_mut_ptr()) } {
            -1 => errno(),
            _ => 0,
        }
    };
    let huge = at & !(HUGE_BYTES - 1);
    let both = |command: c_ulong| {
        call(command, &mut [at, PAGE_BYTES, 0]) == 0
            || call(command, &mut [huge, HUGE_BYTES, 0]) == 0
    };
    let is_resolved = if flags & FAULT_WP != 0 {
        both(WRITEPROTECT)
    } else if flags & FAULT_RWP != 0 {
        both(RWPROTECT)
    } else {
        call(ZEROPAGE, &mut [at, PAGE_BYTES, 0, 0]) == 0 || {
            let zeros = zeros();
            call(COPY, &mut [at, zeros, PAGE_BYTES, 0, 0]) == 0
                || call(COPY, &mut [huge, zeros, HUGE_BYTES, 0, 0]) == 0
        }
    };
    if !is_resolved {
        call(WAKE, &mut [at, PAGE_BYTES]);
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
