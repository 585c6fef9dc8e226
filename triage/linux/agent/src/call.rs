//! An operation as one call. It is prepared first, so that nothing but the call itself runs while
//! failures of allocations are armed.

use crate::access;
use crate::driver::{self, Driver, Fail, Ioctl};
use crate::system::{failed, uffd};
use mm_fuzz::call::{Argument, Constant, Invocation, RangeResult};
use mm_fuzz::exec::Digest;
use mm_fuzz::limits::WINDOW_PAGES;
use mm_fuzz::window::{Pages, Window};
use mm_linux_protocol::{ALLOC_KINDS, GuestOutcome};
use std::arch::asm;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

const PAGE: u64 = Window::PAGE_BYTES;
/// A huge page is underused if it has more pages of zeroes than this file says. If the file says
/// 511, no huge page is.
const MAX_PTES_NONE: &str = "/sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_none";
/// The bits of a pagemap entry that are compared.
const SHOWN: u64 = 7 << 55 | 7 << 61;

/// What a call does.
#[derive(Clone, Copy)]
enum Act {
    Nothing,
    /// A read of a word from each of several pages, at the same place in each: the address in the
    /// first page, and the number of pages.
    Read(u64, u64),
    /// A write of a word to each of several pages, at the same place in each: the address in the
    /// first page, the number of pages, and the word.
    Write(u64, u64, u64),
    /// A system call.
    System(u64, [u64; 6]),
    /// A system call that takes the address of [`Memory`]. The fields are its number, the file, the
    /// argument before the address if there is one, and the two arguments after it.
    Argument(u64, u64, Option<u64>, [u64; 2]),
}

/// The memory that the call reads and writes.
enum Memory {
    None,
    Range(driver::Range),
    Slot(driver::Slot),
    Evict(driver::Evict),
    Snapshot(driver::Snapshot),
    Uffd([u64; 4]),
    ClearRefs([u8; 1]),
    Pagemap([u64; WINDOW_PAGES as usize]),
    PagemapOfUnits(Vec<u64>),
    Text(Vec<u8>),
}

/// A prepared call.
pub struct Ready {
    act: Act,
    memory: Memory,
    /// Open until the call has ended.
    _file: Option<File>,
}

/// How a call ended.
#[derive(Clone, Copy)]
pub enum Ended {
    /// A system call returned this; a negative value is an error number.
    Returned(i64),
    /// A word was read or written.
    Word(u64),
    /// The access raised this signal.
    Signal(i32),
    /// The accesses did not all end alike. A page of the program stands for several pages, and
    /// these gave different words or signals.
    Uneven,
}

/// A system call that does not set `errno`, because writing `errno` after a fork would copy a page.
#[inline(always)]
fn system_call(number: u64, [a, b, c, d, e, f]: [u64; 6]) -> i64 {
    let result;
    // SAFETY: it changes memory in the window, where nothing of ours lies, or `Memory`.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}

fn ioctl(file: u64, number: u64) -> Act {
    Act::Argument(libc::SYS_ioctl as u64, file, Some(number), [0; 2])
}

fn command<T>(driver: &Driver, command: Ioctl) -> Act {
    ioctl(driver.descriptor(), driver::number::<T>(command))
}

impl Ready {
    fn new(act: Act, memory: Memory) -> Self {
        Self {
            act,
            memory,
            _file: None,
        }
    }

    /// Prepares a call of a program in this window. `word` is the word that it writes, and `slot`
    /// the slot that it works on; a call that does neither ignores them.
    ///
    /// # Errors
    ///
    /// The file of the call cannot be opened.
    pub fn of(
        call: &Invocation,
        window: Window,
        word: u64,
        slot: u8,
        driver: &Driver,
    ) -> io::Result<Self> {
        let unit = window.scale();
        Ok(match call {
            Invocation::Outside => Self::new(Act::Nothing, Memory::None),
            Invocation::Fork => Self::new(Act::System(libc::SYS_fork as u64, [0; 6]), Memory::None),
            Invocation::Read(addr) => Self::new(Act::Read(window.byte(*addr), unit), Memory::None),
            Invocation::Write(addr) => {
                Self::new(Act::Write(window.byte(*addr), unit, word), Memory::None)
            }
            Invocation::System(Constant(_, number), arguments) => Self::new(
                Act::System(*number, values(window, arguments)),
                Memory::None,
            ),
            Invocation::ClearRefs => {
                let file = File::options().write(true).open("/proc/self/clear_refs")?;
                let act = Act::Argument(libc::SYS_write as u64, descriptor(&file), None, [1, 0]);
                Self {
                    _file: Some(file),
                    ..Self::new(act, Memory::ClearRefs(*b"4"))
                }
            }
            Invocation::Pagemap(pages) => {
                let file = File::open("/proc/self/pagemap")?;
                let pages = window.pages(*pages);
                let of = |pages: u64| pages * size_of::<u64>() as u64;
                let count = pages.end - pages.start;
                let place = [of(count), of(pages.start)];
                let act = Act::Argument(libc::SYS_pread64 as u64, descriptor(&file), None, place);
                Self {
                    _file: Some(file),
                    ..Self::new(
                        act,
                        match unit {
                            1 => Memory::Pagemap([0; WINDOW_PAGES as usize]),
                            _ => Memory::PagemapOfUnits(vec![0; count as usize]),
                        },
                    )
                }
            }
            Invocation::Uffd {
                request: Constant(_, request),
                pages,
                mode,
                ..
            } => {
                let [addr, len] = range(window, *pages);
                let mode = mode.map_or(0, |mode| mode.1);
                Self::new(
                    ioctl(uffd() as u64, *request),
                    Memory::Uffd([addr, len, mode, 0]),
                )
            }
            Invocation::SplitHugePages(pages) => {
                let [addr, len] = range(window, *pages);
                let pid = std::process::id();
                let text = format!("{pid},{addr:#x},{:#x},0", addr + len);
                Self::told("/sys/kernel/debug/split_huge_pages", &text)?
            }
            Invocation::ShrinkSplitQueue(underused) => {
                std::fs::write(MAX_PTES_NONE, if *underused { "256" } else { "511" })?;
                Self::told("/proc/sys/vm/drop_caches", "2")?
            }
            Invocation::Range(range) => {
                let argument = driver::Range {
                    addr: window.byte(range.pages.first),
                    len: window.count(range.pages.count),
                    unit: unit as u32,
                    dev: range.dev.into(),
                    skip: range.skip.into(),
                    flags: range.flags.0,
                    word: if range.takes_word() { word } else { 0 },
                    ..driver::Range::default()
                };
                let act = command::<driver::Range>(driver, range.command);
                Self::new(act, Memory::Range(argument))
            }
            Invocation::Slot(what, skip) => {
                let argument = driver::Slot {
                    slot: slot.into(),
                    skip: (*skip).into(),
                    ..driver::Slot::default()
                };
                Self::new(
                    command::<driver::Slot>(driver, *what),
                    Memory::Slot(argument),
                )
            }
            Invocation::Evict(what, dev, [first, len]) => {
                let argument = driver::Evict {
                    dev: dev.get().into(),
                    first: (*first).into(),
                    len: (*len).into(),
                    moved: 0,
                };
                Self::new(
                    command::<driver::Evict>(driver, *what),
                    Memory::Evict(argument),
                )
            }
            Invocation::Snapshot(dev, pages) => {
                let argument = driver::Snapshot {
                    addr: window.byte(pages.first),
                    len: window.count(pages.count),
                    dev: dev.get().into(),
                    seen: [0; driver::MAX_SNAPSHOT],
                };
                let act = command::<driver::Snapshot>(driver, Ioctl::Snapshot);
                Self::new(act, Memory::Snapshot(argument))
            }
        })
    }

    /// A write of a text to a file.
    fn told(path: &str, text: &str) -> io::Result<Self> {
        let file = File::options().write(true).open(path)?;
        let (number, len) = (libc::SYS_write as u64, text.len() as u64);
        Ok(Self {
            act: Act::Argument(number, descriptor(&file), None, [len, 0]),
            memory: Memory::Text(text.into()),
            _file: Some(file),
        })
    }

    /// The address of its memory.
    fn argument(&mut self) -> u64 {
        match &mut self.memory {
            Memory::None => 0,
            Memory::Range(argument) => std::ptr::from_mut(argument) as u64,
            Memory::Slot(argument) => std::ptr::from_mut(argument) as u64,
            Memory::Evict(argument) => std::ptr::from_mut(argument) as u64,
            Memory::Snapshot(argument) => std::ptr::from_mut(argument) as u64,
            Memory::Uffd(argument) => std::ptr::from_mut(argument) as u64,
            Memory::ClearRefs(argument) => std::ptr::from_mut(argument) as u64,
            Memory::Pagemap(argument) => std::ptr::from_mut(argument) as u64,
            Memory::PagemapOfUnits(argument) => argument.as_mut_ptr() as u64,
            Memory::Text(argument) => argument.as_mut_ptr() as u64,
        }
    }

    /// Runs the call.
    pub fn run(&mut self) -> Ended {
        perform(self.act, self.argument(), true)
    }

    /// Runs the call while the nth allocation of each kind fails. The count includes allocations of
    /// this thread and of the migrations held open. Of the other tasks, it includes only
    /// allocations of device pages.
    ///
    /// # Errors
    ///
    /// Those of the driver.
    pub fn run_failing(&mut self, nth: [u8; ALLOC_KINDS], driver: &Driver) -> io::Result<Ended> {
        let argument = self.argument();
        own_stack();
        let none = Fail::default();
        let some = Fail {
            nth: nth.map(u32::from),
        };
        let fail = driver::number::<Fail>(Ioctl::Fail);
        let set = |fails: &Fail| {
            let fails = std::ptr::from_ref(fails) as u64;
            system_call(
                libc::SYS_ioctl as u64,
                [driver.descriptor(), fail, fails, 0, 0, 0],
            )
        };
        // The code that runs while failures are armed runs once before, so that its pages are
        // mapped.
        let mut word = 0_u64;
        let here = &raw mut word as u64;
        let mut rehearsed = 0;
        for act in [
            Act::Nothing,
            Act::Read(here, 1),
            Act::Write(here, 1, 0),
            Act::System(libc::SYS_getppid as u64, [0; 6]),
            Act::Argument(libc::SYS_getppid as u64, 0, None, [0; 2]),
        ] {
            rehearsed |= set(&none);
            std::hint::black_box(perform(std::hint::black_box(act), here, false));
        }
        let armed = set(&some);
        // stop at the first signal: no page behind the one whose allocation fails may be faulted in
        let ended = perform(self.act, argument, false);
        let disarmed = set(&none);
        match rehearsed.min(armed).min(disarmed) {
            0 => Ok(ended),
            error => Err(io::Error::from_raw_os_error(-error as i32)),
        }
    }

    /// The outcome.
    pub fn outcome(&self, call: &Invocation, ended: Ended) -> GuestOutcome {
        let result = match ended {
            Ended::Word(word) => return GuestOutcome::Word(word),
            Ended::Signal(signal) => return GuestOutcome::Signal(signal),
            Ended::Uneven => return GuestOutcome::Uneven,
            Ended::Returned(result) => result,
        };
        if result < 0 {
            let error = -result as i32;
            return match call {
                Invocation::System(..) | Invocation::Uffd { .. } | Invocation::Fork => {
                    GuestOutcome::Errno(error)
                }
                _ => failed(&io::Error::from_raw_os_error(error)),
            };
        }
        match (&self.memory, call) {
            (Memory::Range(range), Invocation::Range(asked)) => match asked.result {
                RangeResult::Word => GuestOutcome::Word(range.result),
                RangeResult::Moved => GuestOutcome::Moved(range.result as u32),
                RangeResult::Exclusive => GuestOutcome::Exclusive(range.result as u32),
                RangeResult::Slot => GuestOutcome::Slot(range.result as u8),
            },
            (Memory::Evict(evict), _) => GuestOutcome::Moved(evict.moved),
            (Memory::Snapshot(snapshot), _) => {
                let seen = &snapshot.seen[..snapshot.len as usize];
                digest(seen.iter().map(|seen| (*seen).into()))
            }
            (Memory::Pagemap(entries), Invocation::Pagemap(pages)) => {
                let entries = &entries[..pages.count as usize];
                digest(entries.iter().map(|entry| entry & SHOWN))
            }
            (Memory::PagemapOfUnits(entries), Invocation::Pagemap(pages)) => {
                let mut units = entries.chunks(entries.len() / pages.count as usize);
                let shown = |unit: &[u64]| {
                    let first = unit[0] & SHOWN;
                    unit.iter()
                        .all(|entry| entry & SHOWN == first)
                        .then_some(first)
                };
                units
                    .by_ref()
                    .map(shown)
                    .collect::<Option<Vec<_>>>()
                    .map_or(GuestOutcome::Uneven, |seen| digest(seen.into_iter()))
            }
            (_, Invocation::Outside) => GuestOutcome::Nothing,
            _ => GuestOutcome::Done,
        }
    }

    /// Whether the migration that it opened or drove is still open.
    pub fn open(&self, ended: Ended) -> bool {
        let open = match &self.memory {
            Memory::Range(range) => range.word != 0,
            Memory::Slot(slot) => slot.open != 0,
            _ => false,
        };
        open && matches!(ended, Ended::Returned(0..))
    }
}

/// Carries out the act. If `past_signals`, an access that raises a signal at one page still goes on
/// to the later pages.
#[inline(never)]
fn perform(act: Act, argument: u64, past_signals: bool) -> Ended {
    match act {
        Act::Nothing => Ended::Returned(0),
        Act::Read(addr, unit) => each_page(addr, unit, past_signals, access::read),
        Act::Write(addr, unit, word) => each_page(addr, unit, past_signals, |addr| {
            access::write(addr, word).map(|()| word)
        }),
        Act::System(number, arguments) => Ended::Returned(system_call(number, arguments)),
        Act::Argument(number, file, Some(request), [a, b]) => {
            Ended::Returned(system_call(number, [file, request, argument, a, b, 0]))
        }
        Act::Argument(number, file, None, [a, b]) => {
            Ended::Returned(system_call(number, [file, argument, a, b, 0, 0]))
        }
    }
}

/// Accesses a word in each of `unit` pages, at the same place in each. `addr` is the address in the
/// first page. If the accesses do not all end alike, with the same word or the same signal, the
/// result is [`Ended::Uneven`]. Ends at the first signal unless `past_signals`.
#[inline(always)]
fn each_page(
    addr: u64,
    unit: u64,
    past_signals: bool,
    access: impl Fn(u64) -> Result<u64, i32>,
) -> Ended {
    let first = access(addr);
    if past_signals || first.is_ok() {
        for page in 1..unit {
            match access(addr + page * PAGE) {
                Err(signal) if !past_signals => return Ended::Signal(signal),
                other if other != first => return Ended::Uneven,
                _ => {}
            }
        }
    }
    first.map_or_else(Ended::Signal, Ended::Word)
}

/// Unshares the stack around this frame. Otherwise, after a fork, copy-on-write of the stack would
/// take the page allocation that is armed to fail in the operation.
fn own_stack() {
    let here = 0;
    let around = (&raw const here as u64 & !(PAGE - 1)) - 8 * PAGE;
    // SAFETY: the stack of a thread is larger than that, and nothing is changed.
    unsafe {
        libc::madvise(
            around as *mut _,
            10 * PAGE as usize,
            libc::MADV_POPULATE_WRITE,
        )
    };
}

fn descriptor(file: &File) -> u64 {
    file.as_raw_fd() as u64
}

fn range(window: Window, pages: Pages) -> [u64; 2] {
    [window.byte(pages.first), window.bytes(pages.count)]
}

fn values(window: Window, arguments: &[Argument]) -> [u64; 6] {
    let mut values = [0; 6];
    for (value, argument) in values.iter_mut().zip(arguments) {
        *value = match *argument {
            Argument::At(addr) => window.byte(addr),
            Argument::Bytes(pages) => window.bytes(pages),
            Argument::Is(Constant(_, value)) => value,
        };
    }
    values
}

fn digest(words: impl Iterator<Item = u64>) -> GuestOutcome {
    let mut digest = Digest::default();
    words.for_each(|word| digest.mix(word));
    GuestOutcome::Seen(digest.value())
}
