//! A file system of ext4 on a disk of zram, and direct I/O. A kernel without them (`WHOLE=1` has
//! them) has no [`PLACE`], so that all calls that need it fail.

use super::{Kernel, addr, bytes, errno};
use mm_linux_calls::Range;
use std::ffi::{CStr, c_int};
use std::io::{self, Error};
use std::os::unix::fs::FileExt;

/// Where the file system is mounted.
pub const PLACE: &str = "/disk";
const PATH: &CStr = c"/disk";
const DISK: &CStr = c"/dev/zram0";
const BLOCK: usize = 4096;
/// The disk has this many blocks.
const BLOCKS: u32 = 8192;
/// Superblock and groups, two bitmaps, four blocks of inodes, and the root directory.
const USED: u32 = 9;
const INODES: u32 = 128;

/// Puts numbers at a place, four bytes each.
fn put(image: &mut [u8], at: usize, words: &[u32]) {
    for (place, word) in image[at..].chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
}

/// The first blocks of an empty file system without a journal.
fn image() -> Vec<u8> {
    const SUPER: usize = 1024;
    const MAGIC: u32 = 0xef53;
    let mut image = vec![0; USED as usize * BLOCK];
    let free = BLOCKS - USED;
    // inodes, blocks, reserved blocks, free blocks, free inodes, first block, and the sizes of
    // blocks and clusters as powers of two; blocks, clusters and inodes of a group; times
    let counts = [INODES, BLOCKS, 0, free, INODES - 11, 0, 2, 2];
    put(&mut image, SUPER, &counts);
    put(&mut image, SUPER + 32, &[32768, 32768, INODES]);
    // clean; errors do not stop the file system
    put(&mut image, SUPER + 56, &[MAGIC | 1 << 16, 1]);
    // a revision with features; first inode for files, size of an inode; types of files in
    // directories, and extents
    put(&mut image, SUPER + 76, &[1]);
    put(&mut image, SUPER + 84, &[11, 128]);
    put(&mut image, SUPER + 96, &[0x42]);
    // the group: its bitmaps, its inodes, what is free, and its only directory
    put(&mut image, BLOCK, &[2, 3, 4, free | (INODES - 11) << 16, 1]);
    let mut bitmap = |block: usize, used: u32, all: u32| {
        for bit in (0..used).chain(all..8 * BLOCK as u32) {
            image[block * BLOCK + bit as usize / 8] |= 1 << (bit % 8);
        }
    };
    bitmap(2, USED, BLOCKS);
    bitmap(3, 11, INODES);
    // inode 2, the root directory
    let root = [0o40755, BLOCK as u32, 0, 0, 0, 0, 2 << 16, 8, 0, 0, 8];
    put(&mut image, 4 * BLOCK + 128, &root);
    let names = b"\x02\0\0\0\x0c\0\x01\x02.\0\0\0\x02\0\0\0\xf4\x0f\x02\x02..";
    image[8 * BLOCK..][..names.len()].copy_from_slice(names);
    image
}

/// Makes the file system, and mounts it.
pub fn mount() {
    // a kernel without zram has no such file, and then there is no file system
    let _ = try_mount();
}

fn try_mount() -> io::Result<()> {
    let size = BLOCKS as usize * BLOCK;
    std::fs::write("/sys/block/zram0/disksize", size.to_string())?;
    let disk = std::fs::File::options()
        .write(true)
        .open(DISK.to_string_lossy().as_ref())?;
    disk.write_all_at(&image(), 0)?;
    disk.sync_all()?;
    drop(disk);
    // SAFETY: strings that end with a zero byte.
    let failed = unsafe {
        libc::mkdir(PATH.as_ptr(), 0o700);
        libc::mount(
            DISK.as_ptr(),
            PATH.as_ptr(),
            c"ext4".as_ptr(),
            0,
            std::ptr::null(),
        )
    };
    if failed != 0 {
        let error = Error::last_os_error();
        std::fs::remove_dir(PLACE)?;
        return Err(error);
    }
    // the bitmaps and inodes are read now, so that no program is charged for them
    let file = file(0);
    // SAFETY: a file of ours.
    unsafe {
        libc::fallocate(file, 0, 0, size as i64 / 2);
        libc::close(file);
    }
    Ok(())
}

/// A new file of the file system, without a name; -1 if there is none.
pub fn file(flags: c_int) -> c_int {
    // SAFETY: a string that ends with a zero byte.
    unsafe { libc::open(PATH.as_ptr(), libc::O_TMPFILE | libc::O_RDWR | flags, 0o600) }
}

impl Kernel {
    /// Writes our buffer to pages of the memfd, past the page cache.
    pub(super) fn direct_write(&self, range: Range) -> i32 {
        let path = format!("/proc/self/fd/{}\0", self.file);
        let (at, len) = (bytes(range.first) as i64, bytes(range.len) as usize);
        // SAFETY: a string that ends with a zero byte; our buffer has a page for each of the
        // window.
        unsafe {
            let direct = libc::open(path.as_ptr().cast(), libc::O_RDWR | libc::O_DIRECT);
            if direct < 0 {
                return errno();
            }
            let done = libc::pwrite(direct, self.buffer as *const _, len, at);
            let result = transferred(done, len);
            libc::close(direct);
            result
        }
    }

    /// Reads what is in our buffer from a file into a range, past the page cache.
    pub(super) fn direct_read(&self, range: Range) -> i32 {
        let source = file(libc::O_DIRECT);
        if source < 0 {
            return errno();
        }
        let len = bytes(range.len) as usize;
        // SAFETY: our buffer has a page for each of the window, and the window belongs to the
        // program.
        unsafe {
            let done = libc::pwrite(source, self.buffer as *const _, len, 0);
            let mut result = transferred(done, len);
            if result == 0 {
                let done = libc::pread(source, addr(range.first) as *mut _, len, 0);
                result = transferred(done, len);
            }
            libc::close(source);
            result
        }
    }

    /// Writes the memfd to its disk, and drops its pages from the page cache.
    pub(super) fn drop_cache(&self) -> i32 {
        // SAFETY: a file of ours.
        unsafe {
            if libc::fsync(self.file) != 0 {
                return errno();
            }
            -libc::posix_fadvise(self.file, 0, 0, libc::POSIX_FADV_DONTNEED)
        }
    }
}

/// 0 if all bytes were transferred, else a negative error number. The error of a part is not known.
fn transferred(done: isize, len: usize) -> i32 {
    match done {
        -1 => errno(),
        done if done == len as isize => 0,
        _ => -libc::EIO,
    }
}
