//! The places in the kernel that a program reaches (KCOV).
//!
//! Each thread traces its own operations and notes the places in memory that all processes share: a
//! bit for each place that this guest has reached, and a list of the places that are new since the
//! director last took it. So a guest reports a place once, with the first program that reached it,
//! and the host keeps the union over the guests. In programs of system calls, a place counts anew
//! for each call that reaches it. (Rarely, two such pairs share a bit. The second is then not
//! reported.)
//!
//! The driver then takes the call of KCOV for the place out of the kernel's text, so later programs
//! pay nothing for it. In programs of system calls it does so when several calls have reached the
//! place: code that many calls share says little of the next one.
//!
//! Exits, interrupts and kernel threads are not traced. Each migration that is held open has a
//! kernel thread of its own.

use crate::driver::Driver;
use crate::system;
use mm_linux_protocol::{MAX_REACHED, PLACE_BITS};
use std::collections::HashMap;
use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// `KCOV_INIT_TRACE`, `KCOV_ENABLE` and the mode of program counters, of `linux/kcov.h`.
const INIT_TRACE: libc::c_ulong = 0x8008_6301;
const ENABLE: libc::c_ulong = 0x6364;
const TRACE_PC: libc::c_ulong = 0;
/// Length of a thread's trace, in 64-bit words. The first word counts the places in the others. The
/// kernel drops places for which there is no room.
const WORDS: usize = 1 << 15;
/// The first address of the kernel's text, which is not randomized here.
const TEXT: u64 = 0xffff_ffff_8100_0000;
/// Bytes of text that share a bit. Two places are at least five bytes apart, because each is a call
/// of five bytes.
const GRAIN: u64 = 4;
/// The number of bits, enough for 16 MiB of text.
const BITS: usize = 1 << PLACE_BITS;
/// A place that so many calls have reached is no longer traced.
const COMMON: u8 = 4;
/// For the same place, the bits of two calls with successive numbers are this far apart. The number
/// is odd, so that the calls spread over all bits.
const SPREAD: usize = 0x9_e377;

/// The number of a place by its address.
fn number(address: u64) -> u32 {
    (address.wrapping_sub(TEXT) / GRAIN % BITS as u64) as u32
}

/// The places that were reached.
#[derive(Debug)]
pub struct Cover {
    seen: [AtomicU64; BITS / 64],
    /// For each new place the low half of its address, and above it the number of the call.
    fresh: [AtomicU64; MAX_REACHED],
    /// The number of new places. It exceeds the length of `fresh` if some places found no room.
    count: AtomicU32,
}

impl Cover {
    /// Zeroed memory for it, shared by all processes that are forked from now on.
    ///
    /// # Errors
    ///
    /// Those of `mmap`; or this kernel has no KCOV.
    pub fn share() -> io::Result<&'static Self> {
        File::open("/sys/kernel/debug/kcov")?;
        // SAFETY: new memory; all fields are valid when zero.
        system::shared().map(|memory| unsafe { &*memory })
    }

    /// Notes a place that a call with this number has reached.
    fn reach(&self, place: u64, call: u16) {
        let spread = usize::from(call).wrapping_mul(SPREAD);
        let bit = (number(place) as usize).wrapping_add(spread) % BITS;
        let (word, mask) = (&self.seen[bit / 64], 1 << (bit % 64));
        if word.load(Ordering::Relaxed) & mask != 0 {
            return;
        }
        let at = self.count.fetch_add(1, Ordering::Relaxed) as usize;
        // a place without room stays unseen, so that the next program that reaches it reports it
        if let Some(fresh) = self.fresh.get(at) {
            word.fetch_or(mask, Ordering::Relaxed);
            let low = place & u64::from(u32::MAX);
            fresh.store(u64::from(call) << 32 | low, Ordering::Relaxed);
        }
    }

    /// The places that are new since they were last taken, each with the number of its call, and
    /// their addresses. No operation may be running.
    pub fn take(&self) -> (Vec<u32>, Vec<u64>) {
        let count = self.count.swap(0, Ordering::Relaxed) as usize;
        let fresh = self.fresh[..count.min(MAX_REACHED)].iter();
        let place = |fresh: &AtomicU64| {
            let fresh = fresh.load(Ordering::Relaxed);
            let address = TEXT & !u64::from(u32::MAX) | fresh & u64::from(u32::MAX);
            let call = (fresh >> 32) as u32;
            (call << PLACE_BITS | number(address), address)
        };
        fresh.map(place).unzip()
    }

    /// Begins to trace this thread; nothing if the kernel refuses.
    pub fn trace(&'static self) -> Option<Trace> {
        self.open().filter(Trace::enable)
    }

    /// Prepares a trace for a thread that enables it later. To prepare one takes longer than a
    /// short program, so threads may take a trace in turn.
    pub fn open(&'static self) -> Option<Trace> {
        let device = File::options()
            .read(true)
            .write(true)
            .open("/sys/kernel/debug/kcov")
            .ok()?;
        let fd = device.as_raw_fd();
        let refused = |result: c_int| result != 0;
        // SAFETY: the calls that the kernel documents, in their order; nobody else uses the memory.
        let area = unsafe {
            if refused(libc::ioctl(fd, INIT_TRACE, WORDS)) {
                return None;
            }
            let area = libc::mmap(
                std::ptr::null_mut(),
                WORDS * 8,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd,
                0,
            );
            if area == libc::MAP_FAILED {
                return None;
            }
            std::slice::from_raw_parts(area.cast::<AtomicU64>(), WORDS)
        };
        Some(Trace {
            cover: self,
            area,
            device,
        })
    }
}

/// The places that are still traced in programs of system calls.
pub struct Common {
    cover: &'static Cover,
    /// If it cannot be opened, all places stay traced.
    driver: Option<Driver>,
    /// How many calls have reached each place.
    calls: HashMap<u32, u8>,
}

impl Common {
    pub fn new(cover: &'static Cover) -> Self {
        Self {
            cover,
            driver: Driver::open().ok(),
            calls: HashMap::new(),
        }
    }

    /// The places that are new since they were last taken, each with the number of its call. Places
    /// that [`COMMON`] calls have reached are no longer traced.
    pub fn take(&mut self) -> Vec<u32> {
        let (places, mut addresses) = self.cover.take();
        addresses.retain(|address| {
            let calls = self.calls.entry(number(*address)).or_default();
            *calls = calls.saturating_add(1);
            *calls == COMMON
        });
        if let Some(driver) = &self.driver
            && !addresses.is_empty()
        {
            let _ = driver.untrace(&addresses);
        }
        places
    }
}

/// A trace. Only one thread may use it at a time.
#[derive(Debug)]
pub struct Trace {
    cover: &'static Cover,
    area: &'static [AtomicU64],
    device: File,
}

impl Trace {
    /// The kernel traces the calling thread from now on. False if it traces another.
    pub fn enable(&self) -> bool {
        // SAFETY: the file belongs to the trace, and the memory is mapped.
        unsafe { libc::ioctl(self.device.as_raw_fd(), ENABLE, TRACE_PC) == 0 }
    }

    /// An operation begins, and what was traced before does not count.
    pub fn begin(&self) {
        self.area[0].store(0, Ordering::Relaxed);
    }

    /// The operation has ended; its places are noted. `call` is the number of the system call that
    /// counts as reaching them, or 0 for none.
    pub fn end(&self, call: u16) {
        let count = self.area[0].load(Ordering::Relaxed) as usize;
        // Noting a place may enter the kernel, and KCOV traces that as well. `count` was read
        // before, so it leaves those places out.
        let places = self.area[1..].iter().take(count);
        places.for_each(|place| self.cover.reach(place.load(Ordering::Relaxed), call));
        self.begin();
    }
}
