//! Swap for the guest: the driver's disk, without readahead, because the model has none.

use mm_fuzz::window::Window;
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The disk.
pub const DISK: &CStr = c"/dev/mmfuzz_swap";
const PAGE: usize = Window::PAGE_BYTES as usize;

/// Formats the disk as a swap area, and turns swap on.
pub fn on() -> io::Result<()> {
    std::fs::write("/proc/sys/vm/page-cluster", "0")?;
    let disk = File::options()
        .read(true)
        .write(true)
        .open(DISK.to_string_lossy().as_ref())?;
    let pages = io::Seek::seek(&mut &disk, io::SeekFrom::End(0))? / PAGE as u64;
    disk.write_all_at(&header(pages as u32), 0)?;
    disk.sync_all()?;
    // SAFETY: a path and no flags.
    match unsafe { libc::swapon(DISK.as_ptr(), 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The first page of a swap area: `union swap_header`, version 1.
fn header(pages: u32) -> [u8; PAGE] {
    let mut page = [0; PAGE];
    let info = [1u32, pages - 1, 0];
    for (at, word) in info.into_iter().enumerate() {
        page[1024 + 4 * at..][..4].copy_from_slice(&word.to_le_bytes());
    }
    page[PAGE - 10..].copy_from_slice(b"SWAPSPACE2");
    page
}
