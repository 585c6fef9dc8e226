//! Huge pages of the guest. Faults map them as the program says, MADV_COLLAPSE makes them, and
//! khugepaged makes none.

use mm_fuzz::program::Thp;

/// The file that says when faults map huge pages: "never", "madvise" or "always".
pub const ENABLED: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

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
