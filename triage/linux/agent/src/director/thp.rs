//! Huge pages of the guest. Faults map them as the program says, MADV_COLLAPSE makes them, and
//! khugepaged makes none.

use crate::driver::{Driver, Ioctl};
use mm_fuzz::program::Thp;

/// The file that says when faults map huge pages: "never", "madvise" or "always".
const ENABLED: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
/// How often khugepaged may be found running before we go on.
const LOOKS: usize = 8;
/// The size of a huge page.
const HUGE: usize = 2 << 20;

/// Turns huge pages off until a program wants them. A fault that wants one compacts memory first,
/// so that it gets one. khugepaged sleeps.
pub fn never() -> Thp {
    for (file, word) in [
        ("enabled", "never"),
        // Linux turns this off in a machine with less than 512 MiB
        ("use_zero_page", "1"),
        ("defrag", "always"),
        ("khugepaged/defrag", "0"),
        ("khugepaged/scan_sleep_millisecs", "4294967295"),
    ] {
        let _ = std::fs::write(format!("/sys/kernel/mm/transparent_hugepage/{file}"), word);
    }
    Thp::Never
}

/// Sets when faults map huge pages. If they map any, the kernel has just started khugepaged, which
/// scans once before it sleeps; this waits until it sleeps.
pub fn set(thp: Thp, driver: &Driver) {
    let _ = std::fs::write(ENABLED, thp.to_string());
    if thp == Thp::Never {
        return;
    }
    be_scanned();
    for _ in 0..LOOKS {
        if driver.call(Ioctl::Quiet, &mut ()).is_ok() {
            return;
        }
    }
}

/// Enters this process into the list of khugepaged, where it stays. If the list is empty, the first
/// process to enter it wakes khugepaged, which would then scan in the midst of a program.
fn be_scanned() {
    // SAFETY: new memory, which nobody else uses. A process enters with its first huge page.
    unsafe {
        let area = libc::mmap(
            std::ptr::null_mut(),
            2 * HUGE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        if area != libc::MAP_FAILED {
            libc::madvise(area, 2 * HUGE, libc::MADV_HUGEPAGE);
            let start = area as usize;
            std::ptr::write_volatile(start.next_multiple_of(HUGE) as *mut u8, 1);
            libc::munmap(area, 2 * HUGE);
        }
    }
}
