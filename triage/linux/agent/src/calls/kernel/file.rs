//! The memfd of the program, or what stands for it: its size, its space, and its seals.

use super::limits::told;
use super::{Kernel, bytes, disk, errno};
use mm_linux_calls::{Call, FileKind, PAGES, Program};
use std::ffi::{CStr, c_int};
use std::fs::File;
use std::os::fd::IntoRawFd;

const F_ADD_SEALS: c_int = 1033;
const F_GET_SEALS: c_int = 1034;
const SEAL_SHRINK: c_int = 2;
const SEAL_GROW: c_int = 4;
const SEAL_WRITE: c_int = 8;
const SEAL_FUTURE_WRITE: c_int = 0x10;
const SEAL_EXEC: c_int = 0x20;
/// Two tmpfs: one in which memory with MADV_HUGEPAGE may have huge pages, and one in which all
/// memory may have them.
const MOUNTS: [(&CStr, &str); 2] = [(c"/file", "advise"), (c"/file-always", "always")];

/// What the memfd is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileState {
    seals: c_int,
    size: i64,
    /// In bytes.
    space: i64,
    mode: u32,
}

impl FileState {
    /// What a failed call has changed: 0 (the size) or 1 (the space that the file takes), the new
    /// value, and the old one.
    pub fn changed(&self, before: &Self) -> Option<(usize, u64, u64)> {
        if self.size != before.size {
            return Some((0, self.size as u64, before.size as u64));
        }
        // reclaim may take pages away at any time
        (self.space > before.space).then_some((1, self.space as u64, before.space as u64))
    }
}

/// Mounts the file systems.
pub fn mount() {
    disk::mount();
    for (path, huge) in MOUNTS {
        let options = format!("size={},huge={huge}\0", bytes(FileKind::ROOM));
        // SAFETY: strings that end with a zero byte. If this fails, there is no file later.
        unsafe {
            libc::mkdir(path.as_ptr(), 0o700);
            let kind = c"tmpfs".as_ptr();
            libc::mount(kind, path.as_ptr(), kind, 0, options.as_ptr().cast());
        }
    }
}

/// Shared anonymous memory as a file; -1 if that cannot be had.
fn anonymous() -> c_int {
    // SAFETY: new memory, which is unmapped when the file is open.
    unsafe {
        let len = bytes(PAGES) as usize;
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        let at = libc::mmap(std::ptr::null_mut(), len, rights, flags, -1, 0);
        let path = format!(
            "/proc/self/map_files/{:x}-{:x}",
            at as usize,
            at as usize + len
        );
        let file = File::options().read(true).write(true).open(path);
        libc::munmap(at, len);
        file.map_or(-1, IntoRawFd::into_raw_fd)
    }
}

/// Makes the memfd of a program.
pub(super) fn create(program: &Program) -> c_int {
    let flags = program.file_flags();
    // SAFETY: strings that end with a zero byte, and a file of ours.
    unsafe {
        let file = match program.file {
            FileKind::Plain | FileKind::Hugetlb => libc::memfd_create(c"mmfuzz".as_ptr(), flags),
            FileKind::Tmpfs => {
                let (path, _) = MOUNTS[usize::from(program.always)];
                libc::open(path.as_ptr(), libc::O_TMPFILE | libc::O_RDWR, 0o600)
            }
            FileKind::Anonymous => anonymous(),
            FileKind::Ext4 => disk::file(0),
        };
        libc::ftruncate(file, bytes(PAGES) as i64);
        file
    }
}

impl Kernel {
    pub(super) fn seal_file(&self, seals: u8) -> i32 {
        // SAFETY: a file of ours.
        told(unsafe { libc::fcntl(self.file, F_ADD_SEALS, c_int::from(seals)) }.into())
    }

    pub(super) fn file_size(&self, pages: u16) -> i32 {
        // SAFETY: no memory of ours lies in the file.
        match unsafe { libc::ftruncate(self.file, bytes(pages) as i64) } {
            0 => 0,
            _ => errno(),
        }
    }

    pub(super) fn file_mode(&self) -> i32 {
        // SAFETY: a file of ours.
        told(unsafe { libc::fchmod(self.file, 0o777) }.into())
    }

    /// What the memfd is like; `None` if the program has none.
    fn file_state(&self) -> Option<FileState> {
        if self.file <= 0 {
            return None;
        }
        // SAFETY: a struct stat is all integers, and the file is ours.
        unsafe {
            let mut stat: libc::stat = std::mem::zeroed();
            libc::fstat(self.file, &raw mut stat);
            Some(FileState {
                seals: libc::fcntl(self.file, F_GET_SEALS).max(0),
                size: stat.st_size,
                // ext4 chooses blocks when it writes them
                space: match self.file_kind {
                    FileKind::Ext4 => 0,
                    _ => stat.st_blocks * 512,
                },
                mode: stat.st_mode & 0o111,
            })
        }
    }

    /// What the memfd is like before a call that must not change it if the call fails. hugetlb,
    /// like other file systems except tmpfs, keeps what a call has allocated before it fails.
    pub fn file_before(&self, call: &Call) -> Option<FileState> {
        let is_about = match call {
            Call::Allocate(..) => !matches!(self.file_kind, FileKind::Hugetlb | FileKind::Ext4),
            Call::Map { kind, .. } => kind.is_file(),
            Call::Punch(_) | Call::FileSize(_) => true,
            Call::Odd(_, odd) => odd.is_about_file(),
            // one of several writes may have succeeded
            Call::FileWrite(range) => range.len == 1,
            _ => false,
        };
        self.file_state().filter(|_| is_about)
    }

    /// The change that a failed call has made to the memfd: see [`FileState::changed`].
    pub fn file_changed(&self, before: &FileState) -> Option<(usize, u64, u64)> {
        self.file_state()?.changed(before)
    }

    /// Looks at the memfd after a call. If it has changed in spite of its seals, returns what: 0
    /// for its size or mode, 1 for how much of it this process maps for writing, 2 for its
    /// contents; and the new value and the old one. `is_alone` says that no other process can map
    /// it.
    pub fn unsealed(&mut self, call: Option<&Call>, is_alone: bool) -> Option<(usize, u64, u64)> {
        let state = self.file_state()?;
        let writable = self.writable();
        let before = self.state.replace(state)?;
        let is_sealed = |seals: c_int| before.seals & seals != 0;
        let most = self.writable;
        self.writable = writable.max(most);
        let contents = if state.seals & (SEAL_WRITE | SEAL_FUTURE_WRITE) != 0 {
            self.contents(state.size)
        } else {
            None
        };
        let contents_before = std::mem::replace(&mut self.contents, contents);
        let is_broken = is_sealed(SEAL_SHRINK) && state.size < before.size
            || is_sealed(SEAL_GROW) && state.size > before.size;
        if is_broken {
            return Some((0, state.size as u64, before.size as u64));
        }
        if is_sealed(SEAL_EXEC) && state.mode & !before.mode != 0 {
            return Some((0, state.mode.into(), before.mode.into()));
        }
        // F_SEAL_WRITE permits no writable mapping; under F_SEAL_FUTURE_WRITE, as many bytes may be
        // writable as were before the seal
        let most = if is_sealed(SEAL_WRITE) { 0 } else { most };
        if is_sealed(SEAL_WRITE | SEAL_FUTURE_WRITE) && writable > most {
            return Some((1, writable, most));
        }
        let may_write = !is_sealed(SEAL_WRITE) && most > 0
            || matches!(call, Some(Call::FileSize(_) | Call::Truncate(_)));
        match (contents, contents_before) {
            (Some(now), Some(before)) if now != before && is_alone && !may_write => {
                Some((2, now, before))
            }
            _ => None,
        }
    }

    /// How many bytes of the memfd this process maps for writing, with `MAP_SHARED`.
    fn writable(&self) -> u64 {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let shared = maps.lines().filter(|line| line.contains("/memfd:mmfuzz"));
        let sizes = shared.filter_map(|line| {
            let (place, rest) = line.split_once(' ')?;
            let (start, end) = place.split_once('-')?;
            let number = |at: &str| u64::from_str_radix(at, 16).ok();
            let is_writable = rest.as_bytes().get(1) == Some(&b'w');
            let is_shared = rest.as_bytes().get(3) == Some(&b's');
            (is_writable && is_shared).then_some(number(end)? - number(start)?)
        });
        sizes.sum()
    }

    /// A hash of the contents of the memfd.
    fn contents(&self, size: i64) -> Option<u64> {
        let mut words = vec![0u64; (size.max(0) as usize).min(bytes(PAGES) as usize) / 8];
        // SAFETY: reads into our words.
        let read = unsafe { libc::pread(self.file, words.as_mut_ptr().cast(), words.len() * 8, 0) };
        // a longer file with more zeros has the same hash
        let hash = words.iter().zip(1u64..).fold(0u64, |hash, (word, at)| {
            hash.wrapping_add((*word ^ word << 23).wrapping_mul(at | 1 << 40))
        });
        (read == (words.len() * 8) as isize).then_some(hash)
    }
}
