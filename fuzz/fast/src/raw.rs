//! Everything that needs `unsafe`: the counters of an instrumented core, a page of memory that
//! outlives the process, and a limit of memory.

use mm_fuzz::program::wire::MAX_BYTES;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering};

static EDGES_START: AtomicPtr<AtomicU8> = AtomicPtr::new(null_mut());
static EDGES_END: AtomicPtr<AtomicU8> = AtomicPtr::new(null_mut());

/// Called before `main` by code that is instrumented by `-sanitizer-coverage-inline-8bit-counters`,
/// once for each object file, with the ends of the section of all counters.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut AtomicU8, end: *mut AtomicU8) {
    EDGES_START.store(start, Ordering::Relaxed);
    EDGES_END.store(end, Ordering::Relaxed);
}

/// The counters of the edges of the core; none if the core is not instrumented.
pub fn edges() -> &'static [AtomicU8] {
    let start = EDGES_START.load(Ordering::Relaxed);
    let end = EDGES_END.load(Ordering::Relaxed);
    if start.is_null() {
        return &[];
    }
    // SAFETY: the counters lie between the two ends, one byte each, for as long as the process
    // runs, and only the thread that runs programs touches them
    unsafe { std::slice::from_raw_parts(start, end.offset_from_unsigned(start)) }
}

/// Counters in words: those before the first whole word, the words, and those after the last one.
pub fn words(counters: &[AtomicU8]) -> (&[AtomicU8], &[AtomicU64], &[AtomicU8]) {
    // SAFETY: every bit pattern is valid for both types, and only the thread that runs programs
    // touches counters, so no two accesses of different sizes happen at once
    unsafe { counters.align_to() }
}

/// The input that a worker runs, in a page that is also a file. Whatever ends the process, the file
/// has the input.
///
/// The first four bytes are the input's length in native order, 0 between two runs. The input
/// follows.
#[derive(Debug)]
pub struct Journal(NonNull<u8>);

impl Journal {
    const LEN: usize = 4096;
    const HEADER: usize = size_of::<u32>();

    /// Creates the file, and maps it.
    ///
    /// # Errors
    /// The file cannot be written or mapped.
    pub fn create(path: &Path) -> io::Result<Self> {
        const { assert!(Self::HEADER + MAX_BYTES <= Self::LEN) };
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(true);
        let file = file.open(path)?;
        file.set_len(Self::LEN as u64)?;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, which nothing else uses and which is never unmapped
        let page = unsafe {
            let file = file.as_raw_fd();
            libc::mmap(null_mut(), Self::LEN, access, libc::MAP_SHARED, file, 0)
        };
        match NonNull::new(page.cast()) {
            Some(first) if page != libc::MAP_FAILED => Ok(Self(first)),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn len(&self) -> &AtomicU32 {
        // SAFETY: the page is mapped for ever, and begins with this number
        unsafe { AtomicU32::from_ptr(self.0.as_ptr().cast()) }
    }

    /// An input is about to run. It has at most [`MAX_BYTES`] bytes.
    pub fn begin(&mut self, input: &[u8]) {
        let input = &input[..input.len().min(MAX_BYTES)];
        // SAFETY: the page has room for it, and nobody else in this process reads it
        unsafe {
            let room = self.0.as_ptr().add(Self::HEADER);
            room.copy_from_nonoverlapping(input.as_ptr(), input.len());
        }
        self.len().store(input.len() as u32, Ordering::Release);
    }

    /// The run has ended.
    pub fn end(&mut self) {
        self.len().store(0, Ordering::Release);
    }

    /// The input that runs or ran, by the file; `None` between two runs.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
        let bytes = std::fs::read(path)?;
        let Some((len, inputs)) = bytes.split_first_chunk() else {
            return Ok(None);
        };
        let len = u32::from_ne_bytes(*len) as usize;
        Ok(inputs.get(..len).filter(|_| len > 0).map(<[u8]>::to_vec))
    }
}

/// Limits the address space of this process to this number of bytes, unless a lower limit holds.
/// Beyond that, an allocation fails and ends the process.
pub fn limit_memory(bytes: u64) {
    // SAFETY: the structure is valid, and the calls only read and write it
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_cur.min(bytes);
            // the limit is a safeguard: without it, the watch still ends a process that grows
            libc::setrlimit(libc::RLIMIT_AS, &raw const limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_has_the_input_that_runs() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("journal");
        let mut journal = Journal::create(&path).expect("a file");
        let now = || Journal::read(&path).expect("a file");
        assert_eq!(now(), None);
        journal.begin(b"abc");
        assert_eq!(now(), Some(b"abc".to_vec()));
        journal.begin(b"de");
        assert_eq!(now(), Some(b"de".to_vec()));
        journal.end();
        assert_eq!(now(), None);
        std::fs::write(&path, [9, 0]).expect("a file");
        assert_eq!(now(), None, "a damaged file");
    }

    #[test]
    fn every_counter_is_in_one_word() {
        let counters: Vec<AtomicU8> = (0..100).map(|number| AtomicU8::new(number + 1)).collect();
        let (head, words, tail) = words(&counters[3..]);
        assert_eq!(head.len() + 8 * words.len() + tail.len(), 97);
        assert!(words.iter().all(|word| word.load(Ordering::Relaxed) != 0));
    }
}
