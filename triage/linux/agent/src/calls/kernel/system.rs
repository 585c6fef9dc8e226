//! What is set for the whole system, and work that the kernel does when it is asked to.

use mm_linux_calls::{GROUP, Program};
use std::io;
use std::time::{Duration, Instant};

const KSM: &str = "/sys/kernel/mm/ksm/";
const THP: &str = "/sys/kernel/mm/transparent_hugepage/";
const KHUGEPAGED: &str = "/sys/kernel/mm/transparent_hugepage/khugepaged/";
/// khugepaged sleeps this long, unless it is woken.
const NEVER_MS: &str = "1000000000";
/// How long KSM may take for a scan. It does not scan if no memory is MADV_MERGEABLE.
const KSM_TIME: Duration = Duration::from_millis(60);
/// How long khugepaged may take for a scan.
const KHUGEPAGED_TIME: Duration = Duration::from_millis(150);
/// Huge pages of hugetlb that the guest has.
const HUGETLB: &str = "16";
/// The sizes of folios, in kB, that memory with MADV_HUGEPAGE may get.
const SIZES: [u32; 3] = [16, 64, 256];

/// Sets what does not change from program to program.
pub fn set_up() -> io::Result<()> {
    for (name, value) in [
        ("pages_to_scan", "100000"),
        ("sleep_millisecs", "0"),
        ("smart_scan", "0"),
        ("use_zero_pages", "1"),
    ] {
        // an older kernel lacks smart_scan
        let _ = std::fs::write(format!("{KSM}{name}"), value);
    }
    for (name, value) in [
        ("pages_to_scan", "1000000"),
        ("alloc_sleep_millisecs", "1"),
        ("scan_sleep_millisecs", NEVER_MS),
    ] {
        std::fs::write(format!("{KHUGEPAGED}{name}"), value)?;
    }
    super::mount();
    make_group();
    let none = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // secret memory is limited by this, also for root
    // SAFETY: a structure of ours.
    unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const none) };
    free_hugetlb();
    for (name, value) in [
        ("failslab/ignore-gfp-wait", "N"),
        ("failslab/verbose", "0"),
        ("fail_page_alloc/ignore-gfp-wait", "N"),
        ("fail_page_alloc/ignore-gfp-highmem", "N"),
        ("fail_page_alloc/min-order", "0"),
        ("fail_page_alloc/verbose", "0"),
    ] {
        // on a kernel without these files, few allocations can fail
        let _ = std::fs::write(format!("/sys/kernel/debug/{name}"), value);
    }
    // the end of a process that used the device waits for a grace period
    let _ = std::fs::write("/sys/kernel/rcu_expedited", "1");
    for (name, value) in [
        ("enabled", "madvise"),
        ("shmem_enabled", "advise"),
        // Linux turns these off in a machine with less than 512 MiB
        ("use_zero_page", "1"),
        ("defrag", "madvise"),
        ("khugepaged/defrag", "1"),
    ] {
        std::fs::write(format!("{THP}{name}"), value)?;
    }
    Ok(())
}

/// Makes the control group of the programs. A kernel without control groups has none.
fn make_group() {
    const TOP: &std::ffi::CStr = c"/sys/fs/cgroup";
    let kind = c"cgroup2".as_ptr();
    // SAFETY: strings that end with a zero byte.
    unsafe { libc::mount(kind, TOP.as_ptr(), kind, 0, std::ptr::null()) };
    for name in ["+memory", "+hugetlb"] {
        let _ = std::fs::write("/sys/fs/cgroup/cgroup.subtree_control", name);
    }
    let _ = std::fs::create_dir(GROUP);
}

/// This process joins the control group of the programs.
pub fn join_group() {
    let _ = std::fs::write(format!("{GROUP}cgroup.procs"), "0");
}

/// Reclaims all memory of the control group. Some of it stays, and then the kernel says EAGAIN.
pub(super) fn reclaim() -> io::Result<()> {
    match std::fs::write(format!("{GROUP}memory.reclaim"), "64M") {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        other => other,
    }
}

/// Lets all memory have huge pages, or only memory with MADV_HUGEPAGE.
fn set_always(on: bool) {
    for (name, otherwise) in [("enabled", "madvise"), ("shmem_enabled", "advise")] {
        let _ = std::fs::write(
            format!("{THP}{name}"),
            if on { "always" } else { otherwise },
        );
    }
}

/// Sets what a program's headers ask for.
pub fn set_headers(program: &Program) {
    set_sizes(program.mthp);
    set_always(program.always);
    set_zswap(program.zswap);
}

/// Turns the sizes of folios below 2 MiB on or off.
fn set_sizes(on: bool) {
    for size in SIZES {
        let path = format!("/sys/kernel/mm/transparent_hugepage/hugepages-{size}kB/");
        // an older kernel lacks them
        let _ = std::fs::write(
            format!("{path}enabled"),
            if on { "madvise" } else { "never" },
        );
        let _ = std::fs::write(
            format!("{path}shmem_enabled"),
            if on { "advise" } else { "never" },
        );
    }
}

/// Turns zswap on or off. When it is on, reclaim moves pages from it to the disk.
fn set_zswap(on: bool) {
    for name in ["enabled", "shrinker_enabled"] {
        // a kernel without zswap lacks them
        let path = format!("/sys/module/zswap/parameters/{name}");
        let _ = std::fs::write(path, if on { "Y" } else { "N" });
    }
}

/// The first two numbers of the kernel's version.
pub(super) fn version() -> (u32, u32) {
    let said = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = said
        .split(['.', '-'])
        .map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Brings all pages back from swap, and turns swap on again.
pub(super) fn swap_off() -> i32 {
    // SAFETY: a path.
    let failed = unsafe { libc::swapoff(crate::swap::DISK.as_ptr()) };
    let result = if failed == 0 { 0 } else { super::errno() };
    // SAFETY: a path and no flags. It fails if swap is still on.
    unsafe { libc::swapon(crate::swap::DISK.as_ptr(), 0) };
    result
}

const HUGETLB_PAGES: &str = "/proc/sys/vm/nr_hugepages";
const MAPS: &str = "/proc/sys/vm/max_map_count";

/// From now on, this process can have no more mappings than it has now.
pub(super) fn limit_maps() -> io::Result<()> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    // the gate page is no mapping of the process
    let count = maps.lines().filter(|map| !map.ends_with("[vsyscall]"));
    std::fs::write(MAPS, count.count().to_string())
}

/// Ends the limit.
pub fn free_maps() {
    // if the file cannot be written, `limit_maps` could not set a limit either
    let _ = std::fs::write(MAPS, "65530");
}

/// Leaves hugetlb only the huge pages that are in use or reserved.
pub(super) fn limit_hugetlb() -> io::Result<()> {
    std::fs::write(HUGETLB_PAGES, "0")
}

/// Gives hugetlb back the number of huge pages that it had at first.
pub fn free_hugetlb() {
    // if hugetlb still has that number, the write does nothing; otherwise it needs free memory in
    // large pieces
    let _ = std::fs::write(HUGETLB_PAGES, HUGETLB);
}

/// How many pages came from swap since boot. Pages of zeros, which swap does not store, count too.
pub fn read_from_swap() -> u64 {
    let said = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
    let mut pages = 0;
    for line in said.lines() {
        if let Some(("pswpin" | "swpin_zero", number)) = line.split_once(' ') {
            pages += number.parse::<u64>().unwrap_or(0);
        }
    }
    pages
}

/// Lets KSM scan all memory as often as it takes to merge what is equal.
pub(super) fn ksm() -> io::Result<()> {
    let scans = || -> u64 {
        let said = std::fs::read_to_string(format!("{KSM}full_scans")).unwrap_or_default();
        said.trim().parse().unwrap_or(0)
    };
    let mut last = scans();
    let wanted = last + 3;
    std::fs::write(format!("{KSM}run"), "1")?;
    let mut began = Instant::now();
    while last < wanted && began.elapsed() < KSM_TIME {
        std::thread::sleep(Duration::from_micros(200));
        let now = scans();
        if now != last {
            (last, began) = (now, Instant::now());
        }
    }
    std::fs::write(format!("{KSM}run"), "0")
}

/// Lets khugepaged scan all memory. A write to scan_sleep_millisecs wakes it, and then it scans all
/// memory at most twice.
pub(super) fn khugepaged() -> io::Result<()> {
    let scans = || -> u64 {
        let said = std::fs::read_to_string(format!("{KHUGEPAGED}full_scans")).unwrap_or_default();
        said.trim().parse().unwrap_or(0)
    };
    let mut last = scans();
    let wanted = last + 2;
    std::fs::write(format!("{KHUGEPAGED}scan_sleep_millisecs"), NEVER_MS)?;
    let mut began = Instant::now();
    while last < wanted && began.elapsed() < KHUGEPAGED_TIME {
        std::thread::sleep(Duration::from_micros(200));
        let now = scans();
        if now != last {
            (last, began) = (now, Instant::now());
        }
    }
    Ok(())
}
