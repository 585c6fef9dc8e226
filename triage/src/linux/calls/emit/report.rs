//! Checks of what a single call reports, or gives.

use super::emitted_check::{EmittedCheck, entry};
use super::functions::{DATA, LOCKED, TOTAL};
use super::needs::{Needs, needs};
use super::parts::{SCAN, scanned};
use super::statement::statement;
use mm_linux_calls::{ACCOUNTS, Breach, Call, Program, Range};

/// Checks that a call gets nothing of a page of secret memory.
pub fn exposed(call: Option<&Call>, page: u16) -> EmittedCheck {
    let one = Range::new(page, 1);
    let far = |name: &str| {
        format!(
            "{name}(getpid(), &(struct iovec){{ &(long){{ 0 }}, 8 }}, 1, &(struct iovec){{ AT({page}), 8 }}, 1, 0) == 8"
        )
    };
    let (of, broken) = match call {
        Some(Call::VmRead(_)) => (None, far("process_vm_readv")),
        Some(Call::VmWrite(_)) => (None, far("process_vm_writev")),
        Some(Call::MemRead(_)) => (
            Some(Needs::Memory),
            format!("pread(memory, &(long){{ 0 }}, 8, (long)AT({page})) == 8"),
        ),
        Some(Call::MemWrite(_)) => (
            Some(Needs::Memory),
            format!("pwrite(memory, &(long){{ 1 }}, 8, (long)AT({page})) == 8"),
        ),
        // these calls say whether they have got the page
        Some(call @ (Call::Pin(_) | Call::PinRead(_) | Call::DeviceRead(_) | Call::Splice(_))) => {
            let mut call = *call;
            if let Some(range) = call.range_mut() {
                *range = one;
            }
            let made = statement(&call, 0, false, "getpid()");
            let made = made.split("; //").next().unwrap_or_default();
            (
                needs(&call, false),
                format!("{} >= 0", made.trim_end_matches(';')),
            )
        }
        _ => (None, String::new()),
    };
    EmittedCheck {
        broken,
        needs: of,
        ..EmittedCheck::default()
    }
}

/// Checks a field of `/proc/self/status` against `/proc/self/smaps`.
pub fn account(field: usize) -> EmittedCheck {
    let (name, _) = ACCOUNTS[field % ACCOUNTS.len()];
    let total = |file: &str, field: &str| format!("total(\"/proc/self/{file}\", \"{field} %ld\")");
    let own = match name {
        "VmLck:" => Some(("locked() != 0", LOCKED)),
        "VmData:" => Some(("data() != 0", DATA)),
        _ => None,
    };
    if let Some((broken, helper)) = own {
        return EmittedCheck {
            broken: broken.to_owned(),
            helper,
            ..EmittedCheck::default()
        };
    }
    let smaps = match name {
        "VmSize:" => total("smaps", "Size:"),
        "HugetlbPages:" => format!(
            "{} - {}",
            total("smaps", "Private_Hugetlb:"),
            total("smaps", "Shared_Hugetlb:")
        ),
        "VmSwap:" => total("smaps", "Swap:"),
        "RssAnon:" => total("smaps", "Anonymous:"),
        _ => format!(
            "{}\n\t+ {} + {}",
            total("smaps", "Rss:"),
            total("smaps", "Anonymous:"),
            total("status", "RssFile:")
        ),
    };
    let differs = format!("{} - {smaps}", total("status", name));
    EmittedCheck {
        // the first reads need memory of their own
        before: format!("{differs};\nlong before = {differs};"),
        broken: format!("{differs} != before"),
        helper: TOTAL,
        ..EmittedCheck::default()
    }
}

/// Checks whether PAGEMAP_SCAN reports a page as pagemap shows it.
pub fn reported(call: &Call, page: u16) -> EmittedCheck {
    let Call::Scan { categories, .. } = call else {
        return EmittedCheck::default();
    };
    if *categories > 31 {
        return reported_at_once(call, page);
    }
    let shown = [63, 62, 61, 55, 58].iter().enumerate();
    let shown = shown.filter(|(bit, _)| categories >> bit & 1 != 0);
    let shown: u64 = shown.map(|(_, shown)| 1u64 << shown).sum();
    EmittedCheck {
        instead: Some(format!(
            "{}\nlong regions[512][3], reported = 0, scan[12] = {};\n\
             for (long n = 0; n >= 0 && scan[2] < scan[3]; scan[2] = scan[4]) {{ // PAGEMAP_SCAN\n\t\
             n = {SCAN}scan);\n\t\
             for (long i = 0; i < n; i++)\n\t\t\
             reported |= regions[i][0] <= (long)AT({page}) && (long)AT({page}) < regions[i][1];\n}}",
            entry(page),
            scanned(call, "regions"),
        )),
        broken: format!("reported != ((entry & {shown:#x}) == {shown:#x})"),
        ..EmittedCheck::default()
    }
}

/// Checks whether PAGEMAP_SCAN reports a page as a second scan does that has no limit and does not
/// protect. This is for the categories "written" and "huge", which pagemap does not show.
fn reported_at_once(call: &Call, page: u16) -> EmittedCheck {
    EmittedCheck {
        instead: Some(format!(
            "long regions[512][3], reported[2] = {{ 0 }};\n\
             for (int real = 0; real < 2; real++) {{\n\t\
             long scan[12] = {}, last = 0;\n\t\
             if (!real)\n\t\tscan[1] = scan[7] = 0; // no protection, no limit\n\t\
             for (long n = 0; n >= 0 && scan[2] < scan[3] && scan[2] != last; last = scan[2], scan[2] = scan[4]) {{ // PAGEMAP_SCAN\n\t\t\
             n = {SCAN}scan);\n\t\t\
             for (long i = 0; i < n; i++)\n\t\t\t\
             reported[real] |= regions[i][0] <= (long)AT({page}) && (long)AT({page}) < regions[i][1];\n\t}}\n}}",
            scanned(call, "regions"),
        )),
        broken: "reported[0] != reported[1]".to_owned(),
        ..EmittedCheck::default()
    }
}

/// Checks whether `walk_end` of PAGEMAP_SCAN lies before the end of what the call reports.
pub fn walk_end(call: &Call) -> EmittedCheck {
    if !matches!(call, Call::Scan { .. }) {
        return EmittedCheck::default();
    }
    EmittedCheck {
        instead: Some(format!(
            "static long regions[2048][3], scan[12];\n\
             memcpy(scan, (long[12]){}, sizeof(scan));\n\
             long n = {SCAN}scan); // PAGEMAP_SCAN",
            scanned(call, "regions").replace(", 512,", ", 2048,"),
        )),
        broken: "n > 0 && regions[n - 1][1] > scan[4]".to_owned(),
        ..EmittedCheck::default()
    }
}

/// Checks whether the status that `move_pages` gives for a page says where the page is afterwards.
pub fn move_status(call: &Call, page: u16) -> EmittedCheck {
    let Call::Migrate(range) = call else {
        return EmittedCheck::default();
    };
    let (len, i) = (range.len, page.saturating_sub(range.first));
    let moved = |nodes: &str, status: &str| {
        format!("syscall(SYS_move_pages, 0L, {len}L, pages, {nodes}, {status}, 2L);")
    };
    EmittedCheck {
        instead: Some(format!(
            "void *pages[{len}];\nint nodes[{len}], status[{len}], now[{len}];\n\
             for (int i = 0; i < {len}; i++)\n\tpages[i] = AT({} + i);\n{}\n\
             for (int i = 0; i < {len}; i++)\n\tnodes[i] = !nodes[i];\n{}\n{}",
            range.first,
            moved("0L", "nodes"),
            moved("nodes", "status"),
            moved("0L", "now"),
        )),
        broken: format!(
            "now[{i}] >= 0 && (status[{i}] < 0 ? now[{i}] == nodes[{i}] : now[{i}] != status[{i}])"
        ),
        ..EmittedCheck::default()
    }
}

/// Checks whether MADV_WILLNEED, made by the statement `made`, lets `mincore` show more pages than
/// the call has read.
pub fn will_need(range: Range, made: &str) -> EmittedCheck {
    let (first, len) = (range.first, range.len);
    let count = |into: &str| {
        format!(
            "mincore(AT({first}), {len} * 4096, resident);\n\
             for (int i = 0; i < {len}; i++)\n\t{into} += resident[i] & 1;"
        )
    };
    EmittedCheck {
        instead: Some(format!(
            "unsigned char resident[{len}];\nlong before = 0, after = 0, reads;\n{}\n\
             reads = total(\"/proc/vmstat\", \"pswpin %ld\");\n{made}\n\
             reads = total(\"/proc/vmstat\", \"pswpin %ld\") - reads;\n{}",
            count("before"),
            count("after"),
        )),
        broken: "after - before > reads".to_owned(),
        ..EmittedCheck::default()
    }
}

/// Checks whether a driver that has pinned a page reads what the process reads.
pub fn pinned(program: &Program, page: u16) -> EmittedCheck {
    let pinned = program.steps.iter().rev().find_map(|step| match step.call {
        Call::Pin(range) | Call::PinRead(range) if range.pages().contains(&page.into()) => {
            Some(range)
        }
        _ => None,
    });
    let at = pinned.map_or(0, |range| page - range.first);
    EmittedCheck {
        after: "ioctl(pins, _IOW('g', 9, long), &(long){ (long)buffer }); // read the pinned pages"
            .to_owned(),
        broken: format!("*(volatile long *)(buffer + {at} * 4096) != *(volatile long *)AT({page})"),
        needs: Some(Needs::Pins),
        ..EmittedCheck::default()
    }
}

/// Checks whether a segment of shared memory has more attaches than processes.
pub fn attaches(program: &Program, breach: &Breach) -> EmittedCheck {
    let calls = program.steps.iter().map(|step| &step.call);
    let lives = calls.fold(1, |lives, call| match call {
        Call::Fork => 2,
        Call::Exit => 1,
        _ => lives,
    });
    EmittedCheck {
        after: format!(
            "struct shmid_ds segment;\nshmctl(shm[{}], IPC_STAT, &segment);",
            breach.wanted
        ),
        broken: format!("segment.shm_nattch > {lives}"),
        ..EmittedCheck::default()
    }
}
