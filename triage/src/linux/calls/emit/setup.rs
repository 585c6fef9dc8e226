//! What a C program sets up before its first call: settings of the kernel, and the memfd.

use super::functions::{FAILURES, JOIN_GROUP, MAKE_GROUP};
use super::lines::add;
use super::parts::told;
use mm_linux_calls::{Advice, Call, FileKind, Program};

/// The statements that make the memfd, or what stands for it.
fn file(program: &Program) -> String {
    let size = 4 * FileKind::ROOM / 1024;
    let huge = if program.always { "always" } else { "advise" };
    match program.file {
        FileKind::Plain | FileKind::Hugetlb => {
            let flags = memfd_flags(program);
            format!("int file = memfd_create(\"file\", {flags});")
        }
        FileKind::Tmpfs => format!(
            "mkdir(\"/mnt\", 0755), mount(\"tmpfs\", \"/mnt\", \"tmpfs\", 0, \"size={size}m,huge={huge}\");\n\
             int file = open(\"/mnt\", O_TMPFILE | O_RDWR, 0600);"
        ),
        FileKind::Ext4 => "int file = open(\"/mnt\", O_TMPFILE | O_RDWR, 0600);".to_owned(),
        FileKind::Anonymous => "\
char *object = mmap(0, 2048 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), path[64];
sprintf(path, \"/proc/self/map_files/%lx-%lx\", (long)object, (long)object + 2048 * 4096);
int file = open(path, O_RDWR);
munmap(object, 2048 * 4096);"
            .to_owned(),
    }
}

/// The flags of `memfd_create`.
fn memfd_flags(program: &Program) -> String {
    let flags = program.file_flags();
    let names = [
        (2, "MFD_ALLOW_SEALING"),
        (4, "MFD_HUGETLB"),
        (8, "8 /* MFD_NOEXEC_SEAL */"),
    ];
    let set = names.iter().filter(|(bit, _)| flags & bit != 0);
    let set: Vec<_> = set.map(|(_, name)| *name).collect();
    if set.is_empty() {
        "0".to_owned()
    } else {
        set.join(" | ")
    }
}

/// The statements, one after the other.
pub fn setup(program: &Program) -> String {
    let mut text = String::new();
    let mut say = |lines: &str| add(&mut text, 0, lines);
    let calls = || program.steps.iter().map(|step| &step.call);
    let kinds = || {
        calls().filter_map(|call| match call {
            Call::Map { kind, .. } => Some(*kind),
            _ => None,
        })
    };
    if program.always || calls().any(|call| call.family() == "hugepage") {
        let (anonymous, shmem) = match program.always {
            true => ("always", "always"),
            false => ("madvise", "advise"),
        };
        const HUGE: &str = "/sys/kernel/mm/transparent_hugepage";
        say(&told(&format!("{HUGE}/enabled"), anonymous));
        let shared = kinds().any(|kind| kind.is_shared() || kind.is_file());
        if shared {
            say(&told(&format!("{HUGE}/shmem_enabled"), shmem));
        }
        if program.mthp {
            for size in [16, 64, 256] {
                let path = format!("{HUGE}/hugepages-{size}kB");
                say(&told(&format!("{path}/enabled"), "madvise"));
                if shared {
                    say(&told(&format!("{path}/shmem_enabled"), "advise"));
                }
            }
        }
    }
    if program.zswap {
        for name in ["enabled", "shrinker_enabled"] {
            say(&told(&format!("/sys/module/zswap/parameters/{name}"), "Y"));
        }
    }
    if calls().any(|call| *call == Call::Reclaim) {
        say(MAKE_GROUP);
        say(JOIN_GROUP);
    }
    if program.steps.iter().any(|step| step.fail > 0) {
        say(FAILURES);
    }
    // pages that KSM may replace by the zero page
    let may_be_zero = |call: &Call| {
        matches!(
            call,
            Call::Zero(_)
                | Call::Lock { .. }
                | Call::Pin(_)
                | Call::PinRead(_)
                | Call::Advise(_, Advice::PopulateRead | Advice::PopulateWrite)
        )
    };
    if calls().any(|call| *call == Call::Ksm) && calls().any(may_be_zero) {
        say(&told("/sys/kernel/mm/ksm/use_zero_pages", "1"));
    }
    if kinds().any(|kind| program.is_hugetlb(kind)) {
        say(&told("/proc/sys/vm/nr_hugepages", "16"));
    }
    let is_direct = |call: &Call| matches!(call, Call::DirectRead(_));
    if program.uses_file() && program.file == FileKind::Ext4 || calls().any(is_direct) {
        say(&told("/sys/block/zram0/disksize", "32M"));
        say("mkfs(), mkdir(\"/mnt\", 0755), mount(\"/dev/zram0\", \"/mnt\", \"ext4\", 0, \"\");");
    }
    if program.uses_file() {
        say(&file(program));
        say("ftruncate(file, 2048 * 4096);");
    }
    text
}
