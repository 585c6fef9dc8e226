//! A step of a program as statements of C.

use super::parts::{
    at, bytes, device, each, filled, joined, on, protection, read, scan, told, uffd_range, word,
    written,
};
use mm_linux_calls::{Call, GROUP, MapKind, Modes, Odd, Policy, Program, Prot, Range, Resource};

const KHUGEPAGED: &str = "/sys/kernel/mm/transparent_hugepage/khugepaged";

/// A step as statements, one a line. `faulted` says that one of its accesses failed. `other` is the
/// other process, or this one if there is none.
pub fn statement(call: &Call, step: usize, faulted: bool, other: &str) -> String {
    match *call {
        Call::Map {
            range,
            kind: MapKind::Shm,
            prot,
        } => format!(
            "shmat(shm[{step}] = shmget(IPC_PRIVATE, {}, 0600), {}, SHM_REMAP{}), shmctl(shm[{step}], IPC_RMID, 0);",
            bytes(range.len),
            at(range.first),
            if prot == Prot::Read {
                " | SHM_RDONLY"
            } else {
                ""
            }
        ),
        Call::Map {
            range,
            kind: MapKind::Secret,
            prot,
        } => format!(
            "ftruncate(secret = syscall(447, 0L), {}), mmap({}, {}, MAP_FIXED | MAP_SHARED, secret, 0); // memfd_secret",
            bytes(range.len),
            on(range),
            protection(prot)
        ),
        Call::Detach(range) => format!("shmdt({});", at(range.first)),
        Call::UringRead(range) => format!("{}\nuring_read({});", filled(range, step), on(range)),
        Call::DirectRead(range) => format!("{}\ndirect_read({});", filled(range, step), on(range)),
        Call::DirectWrite(range) => format!(
            "{}\ndirect_write(file, {}, {} * 4096);",
            filled(range, step),
            bytes(range.len),
            range.first
        ),
        Call::DropCache => {
            "fsync(file), posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);".to_owned()
        }
        Call::Map { range, kind, prot } => {
            let (rest, flag) = if kind.is_file() {
                let offset = match kind.file_page(range) {
                    None | Some(0) => "0".to_owned(),
                    Some(first) => bytes(first),
                };
                (format!("file, {offset}"), "")
            } else if kind == MapKind::DevZero {
                ("open(\"/dev/zero\", O_RDWR), 0".to_owned(), "")
            } else if kind.is_hugetlb() {
                ("-1, 0".to_owned(), " | MAP_ANONYMOUS | MAP_HUGETLB")
            } else {
                ("-1, 0".to_owned(), " | MAP_ANONYMOUS")
            };
            let sharing = match kind {
                MapKind::Droppable => "8 /* MAP_DROPPABLE */",
                MapKind::Stack => "MAP_PRIVATE | MAP_GROWSDOWN",
                _ if kind.is_shared() => "MAP_SHARED",
                _ => "MAP_PRIVATE",
            };
            format!(
                "mmap({}, {}, MAP_FIXED | {sharing}{flag}, {rest});",
                on(range),
                protection(prot)
            )
        }
        Call::Unmap(range) => format!("munmap({});", on(range)),
        Call::Seal(range) => format!("syscall(462, {}, 0); // mseal", on(range)),
        Call::RemapFile(range, page) => format!("remap_file_pages({}, 0, {page}, 0);", on(range)),
        Call::Protect(range, prot) => format!("mprotect({}, {});", on(range), protection(prot)),
        Call::Move { range, to, keep } => {
            let target = range.moved(to);
            let len = bytes(target.len);
            format!(
                "mremap({}, {len}, {len}, MREMAP_MAYMOVE | MREMAP_FIXED{}, {});",
                at(range.first),
                if keep { " | MREMAP_DONTUNMAP" } else { "" },
                at(target.first)
            )
        }
        Call::Resize(range, len) => {
            let wanted = Range::new(range.first, len);
            format!("mremap({}, {}, 0);", on(range), bytes(wanted.len))
        }
        Call::Brk(range, len) => {
            let wanted = Range::new(range.first, len);
            let end = |range: Range| at(range.first + range.len);
            let (first, last) = (at(range.first), end(range));
            format!("BRK({first}, {last}, {});", end(wanted))
        }
        Call::LockAll(flags) => format!("mlockall({flags});"),
        Call::UnlockAll => "munlockall();".to_owned(),
        Call::Sync(range) => format!("msync({}, MS_SYNC | MS_INVALIDATE);", on(range)),
        Call::Bind(range, policy, node) => format!(
            "syscall(SYS_mbind, {}, {}L, &(long){{ {} }}, 64L, 0L); // MPOL_{}",
            on(range),
            Policy::ALL.iter().position(|it| *it == policy).unwrap_or(0),
            policy.mask(node),
            policy.name().to_uppercase().replace('-', "_"),
        ),
        Call::HomeNode(range, node) => format!(
            "syscall(450, {}, {node}L, 0L); // set_mempolicy_home_node",
            on(range)
        ),
        Call::SealFile(seals) => {
            let names = ["SEAL", "SHRINK", "GROW", "WRITE", "FUTURE_WRITE", "EXEC"];
            let set = names.iter().enumerate();
            let set = set.filter(|(bit, _)| seals >> bit & 1 != 0);
            let set: Vec<_> = set.map(|(_, name)| format!("F_SEAL_{name}")).collect();
            let said = if seals == 0 {
                "none".to_owned()
            } else {
                set.join(" | ")
            };
            format!("fcntl(file, F_ADD_SEALS, {seals:#x}); // {said}")
        }
        Call::FileSize(pages) => format!("ftruncate(file, {pages} * 4096);"),
        Call::FileMode => "fchmod(file, 0777);".to_owned(),
        Call::Limit(resource) => {
            let (name, room) = (resource.c(), Resource::ROOM_KB);
            if resource == Resource::LockedByRoot {
                return format!("setrlimit({name}, &(struct rlimit){{ 0, RLIM_INFINITY }});");
            }
            let Some(field) = resource.field() else {
                return format!(
                    "setrlimit({name}, &(struct rlimit){{ {room} * 1024, RLIM_INFINITY }});"
                );
            };
            let limit = limit(resource);
            let drops = if resource == Resource::Locked {
                "\nsyscall(SYS_capset, (int[]){ 0x20080522, 0 }, (int[]){ ~(1 << 14), ~(1 << 14), 0, 511, 511, 0 }); // not CAP_IPC_LOCK"
            } else {
                ""
            };
            format!(
                "{limit} = total(\"/proc/self/status\", \"{field} %ld\") + {room};\n\
                 setrlimit({name}, &(struct rlimit){{ {limit} * 1024, RLIM_INFINITY }});{drops}"
            )
        }
        Call::Mdwe => "prctl(65 /* PR_SET_MDWE */, 1, 0, 0, 0);".to_owned(),
        Call::MergeAll(on) => format!(
            "prctl(67 /* PR_SET_MEMORY_MERGE */, {}, 0, 0, 0);",
            u8::from(on)
        ),
        Call::HugeOff(mode) => format!(
            "prctl(41 /* PR_SET_THP_DISABLE */, {}, {}, 0, 0);",
            u8::from(mode > 0),
            if mode == 2 {
                "2 /* PR_THP_DISABLE_EXCEPT_ADVISED */"
            } else {
                "0"
            }
        ),
        Call::Write(range) => written(range, step, faulted),
        Call::WriteAlternate(range) => {
            let (first, last) = (range.first, range.first + range.len);
            format!(
                "for (long i = {first}; i < {last}; i += 2)\n\t*(volatile long *)AT(i) = {};",
                word(Range::new(first, range.len.max(2)), step)
            )
        }
        Call::Read(range) => read(range, faulted),
        Call::MemWrite(range) => each(range, step, |page, word| {
            format!("pwrite(memory, &(long){{ {word} }}, 8, (long)AT({page}));")
        }),
        Call::VmWrite(range) => each(range, step, |page, word| {
            format!(
                "process_vm_writev({other}, &(struct iovec){{ &(long){{ {word} }}, 8 }}, 1, &(struct iovec){{ AT({page}), 8 }}, 1, 0);"
            )
        }),
        Call::WriteZero(range) => each(range, step, |page, _| {
            if faulted {
                format!("pwrite(word, &(long){{ 0 }}, 8, 0), pread(word, AT({page}), 8, 0);")
            } else {
                format!("*(volatile long *)AT({page}) = 0;")
            }
        }),
        Call::MemRead(range) => each(range, 0, |page, _| {
            format!("pread(memory, &(long){{ 0 }}, 8, (long)AT({page}));")
        }),
        Call::VmRead(range) => each(range, 0, |page, _| {
            format!(
                "process_vm_readv({other}, &(struct iovec){{ &(long){{ 0 }}, 8 }}, 1, &(struct iovec){{ AT({page}), 8 }}, 1, 0);"
            )
        }),
        Call::FarRead(range) => format!(
            "{{\n\tchar path[32];\n\tsprintf(path, \"/proc/%d/mem\", {other});\n\t\
             int far = open(path, O_RDONLY);\n\t{}\n\tclose(far);\n}}",
            each(range, 0, |page, _| {
                format!("pread(far, &(long){{ 0 }}, 8, (long)AT({page}));")
            })
            .replace('\n', "\n\t")
        ),
        Call::Odd(range, odd) => odd_call(range, odd),
        Call::FileWrite(range) => each(range, step, |page, word| {
            format!("pwrite(file, &(long){{ {word} }}, 8, {page} * 4096);")
        }),
        Call::FileRead(range) => each(range, 0, |page, _| {
            format!("pread(file, &(long){{ 0 }}, 8, {page} * 4096);")
        }),
        Call::Allocate(range, keeps) => format!(
            "fallocate(file, {}, {} * 4096, {});",
            if keeps { "FALLOC_FL_KEEP_SIZE" } else { "0" },
            range.first,
            bytes(range.len)
        ),
        Call::Splice(range) => format!(
            "vmsplice(ends[1], &(struct iovec){{ {} }}, 1, SPLICE_F_NONBLOCK);",
            on(range)
        ),
        Call::Unsplice => "close(ends[0]), close(ends[1]), pipe(ends);".to_owned(),
        Call::Name(range) => format!(
            "prctl(0x53564d41 /* PR_SET_VMA */, 0, {}, \"name\");",
            on(range)
        ),
        Call::HugetlbLimit => told("/proc/sys/vm/nr_hugepages", "0"),
        Call::Pin(range) => format!(
            "ioctl(pins, _IOW('g', 7, long[3]), (long[3]){{ (long){}, {}, 1 }}); // pin for writing",
            at(range.first),
            bytes(range.len)
        ),
        Call::PinRead(range) => format!(
            "ioctl(pins, _IOW('g', 7, long[3]), (long[3]){{ (long){}, {}, 0 }}); // pin for reading",
            at(range.first),
            bytes(range.len)
        ),
        Call::Unpin => "ioctl(pins, _IO('g', 8)); // unpin".to_owned(),
        Call::Punch(range) => format!(
            "fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, {} * 4096, {});",
            range.first,
            bytes(range.len)
        ),
        Call::Truncate(range) => format!(
            "ftruncate(file, {} * 4096), ftruncate(file, 2048 * 4096);",
            range.first
        ),
        Call::SwapOff => "{\n\tchar swap[64];\n\t\
             fscanf(fopen(\"/proc/swaps\", \"r\"), \"%*[^\\n] %63s\", swap);\n\t\
             swapoff(swap), swapon(swap, 0);\n}"
            .to_owned(),
        Call::Advise(range, advice) => {
            let name = advice.c();
            // older headers lack these
            let newer = [
                "MADV_COLLAPSE",
                "MADV_SOFT_OFFLINE",
                "MADV_GUARD_INSTALL",
                "MADV_GUARD_REMOVE",
                "MADV_DONTNEED_LOCKED",
            ];
            if newer.contains(&name) {
                let number = advice.number();
                format!("madvise({}, {number}); // {name}", on(range))
            } else {
                format!("madvise({}, {name});", on(range))
            }
        }
        Call::Lock { range, on_fault } => {
            if on_fault {
                format!("mlock2({}, MLOCK_ONFAULT);", on(range))
            } else {
                format!("mlock({});", on(range))
            }
        }
        Call::Unlock(range) => format!("munlock({});", on(range)),
        Call::ClearSoftDirty => told("/proc/self/clear_refs", "4"),
        Call::Ksm => joined(&[
            told("/sys/kernel/mm/ksm/run", "1"),
            "sleep(2)".to_owned(),
            told("/sys/kernel/mm/ksm/run", "0"),
        ]),
        Call::Khugepaged => [
            told(&format!("{KHUGEPAGED}/pages_to_scan"), "1000000"),
            joined(&[
                told(&format!("{KHUGEPAGED}/scan_sleep_millisecs"), "0"),
                "sleep(1)".to_owned(),
                told(&format!("{KHUGEPAGED}/scan_sleep_millisecs"), "99999999"),
            ]),
        ]
        .join("\n"),
        Call::Migrate(range) => format!(
            "for (long i = {}; i < {}; i++)\n\t\
             for (int status, node = 0, tries = 2; tries--; node = !status)\n\t\t\
             syscall(SYS_move_pages, 0, 1, &(void *){{ AT(i) }}, tries ? 0 : &node, &status, 2);",
            range.first,
            range.first + range.len
        ),
        Call::Compact => told("/proc/sys/vm/compact_memory", "1"),
        Call::Reclaim => told(&format!("{GROUP}memory.reclaim"), "64M"),
        Call::Register(range, modes) => format!(
            "ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){{ {}, {} }});",
            uffd_range(range),
            match modes {
                Modes::Wp => "UFFDIO_REGISTER_MODE_WP",
                Modes::Missing => "UFFDIO_REGISTER_MODE_MISSING",
                Modes::Both => "UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP",
                Modes::Minor => "UFFDIO_REGISTER_MODE_MINOR",
                Modes::Rwp => "8 /* UFFDIO_REGISTER_MODE_RWP */",
            }
        ),
        Call::Unregister(range) => format!(
            "ioctl(uffd, UFFDIO_UNREGISTER, &(struct uffdio_range){});",
            uffd_range(range)
        ),
        Call::WriteProtect(range, protects) => format!(
            "ioctl(uffd, UFFDIO_WRITEPROTECT, &(struct uffdio_writeprotect){{ {}, {} }});",
            uffd_range(range),
            if protects {
                "UFFDIO_WRITEPROTECT_MODE_WP"
            } else {
                "0"
            }
        ),
        Call::RwProtect(range, protects) => format!(
            "ioctl(uffd, _IOWR(UFFDIO, 9, long[3]), (long[3]){{ (long){}, {}, {} }}); // UFFDIO_RWPROTECT",
            at(range.first),
            bytes(range.len),
            u8::from(protects)
        ),
        Call::Copy(range, protects) => format!(
            "{}\nioctl(uffd, UFFDIO_COPY, &(struct uffdio_copy){{ (long){}, (long)buffer, {}, {}, 0 }});",
            filled(range, step),
            at(range.first),
            bytes(range.len),
            if protects { "UFFDIO_COPY_MODE_WP" } else { "0" }
        ),
        Call::Zero(range) => format!(
            "ioctl(uffd, UFFDIO_ZEROPAGE, &(struct uffdio_zeropage){{ {}, 0, 0 }});",
            uffd_range(range)
        ),
        Call::UffdMove(range, to) => {
            let target = range.moved(to);
            format!(
                "ioctl(uffd, _IOWR(UFFDIO, 5, long[5]), (long[5]){{ (long){}, (long){}, {}, 2 }}); // UFFDIO_MOVE, holes allowed",
                at(target.first),
                at(range.first),
                bytes(target.len)
            )
        }
        Call::Poison(range) => format!(
            "ioctl(uffd, _IOWR(UFFDIO, 8, long[4]), (long[4]){{ (long){}, {} }}); // UFFDIO_POISON",
            at(range.first),
            bytes(range.len)
        ),
        Call::Continue(range) => format!(
            "ioctl(uffd, UFFDIO_CONTINUE, &(struct uffdio_continue){{ {}, 0, 0 }});",
            uffd_range(range)
        ),
        Call::Wake(range) => format!(
            "ioctl(uffd, UFFDIO_WAKE, &(struct uffdio_range){});",
            uffd_range(range)
        ),
        Call::CloseUffd => "close(uffd);".to_owned(),
        Call::MapLimit => "{\n\tchar line[512];\n\tlong maps = 0;\n\t\
             for (FILE *file = fopen(\"/proc/self/maps\", \"r\"); fgets(line, 512, file);)\n\t\t\
             maps += !strstr(line, \"vsyscall\");\n\t\
             dprintf(open(\"/proc/sys/vm/max_map_count\", O_WRONLY), \"%ld\", maps);\n}"
            .to_owned(),
        Call::Start { range, writes } => format!(
            "pthread_create(&(pthread_t){{ 0 }}, 0, {}, {}), sleep(1);",
            if writes { "start_write" } else { "start_read" },
            at(range.first)
        ),
        Call::Scan { .. } => scan(call),
        Call::DeviceRead(range) => device(range, 0, "the device reads"),
        Call::DeviceWrite(range) => {
            format!(
                "{}\n{}",
                filled(range, step),
                device(range, 1, "the device writes")
            )
        }
        Call::ToDevice(range) => device(range, 2, "migrate to the device"),
        Call::ToSystem(range) => device(range, 3, "migrate back"),
        Call::Exclusive(range) => device(range, 5, "exclusive access for the device"),
        Call::DeviceLacksHuge => "ioctl(dmirror, _IOWR('H', 8, long[5]), (long[5]){ 0, 0, 1 }); \
                                  // the driver's next allocation fails"
            .to_owned(),
        Call::Fork | Call::Exit => String::new(),
    }
}

/// A call with odd arguments.
fn odd_call(range: Range, odd: Odd) -> String {
    let page = at(range.first);
    let number = |name: &str| format!("syscall({name}, {page}, -1L, 0L, 0L, 0L, 0L);");
    match odd {
        Odd::Lock => format!("mlock({page}, -1L);"),
        Odd::Unlock => format!("munlock({page}, -1L);"),
        Odd::Sync => format!("msync({page}, -1L, MS_SYNC);"),
        Odd::Unmap => format!("munmap({page}, -1L);"),
        Odd::Protect => format!("mprotect({page}, -1L, PROT_READ);"),
        Odd::Advise => format!("madvise({page}, -1L, MADV_WILLNEED);"),
        Odd::Bind => number("SYS_mbind"),
        Odd::HomeNode => number("450 /* set_mempolicy_home_node */"),
        Odd::Seal => number("462 /* mseal */"),
        Odd::Move => format!("mremap({page}, -1L, 4096, 0);"),
        Odd::RemapFile => number("SYS_remap_file_pages"),
        Odd::Name => format!("prctl(0x53564d41 /* PR_SET_VMA */, 0, {page}, -1L, \"name\");"),
        Odd::Allocate => "fallocate(file, FALLOC_FL_KEEP_SIZE, LONG_MAX - 1, 1);".to_owned(),
        Odd::Punch => {
            "fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, LONG_MAX - 1, 1);"
                .to_owned()
        }
        Odd::FileWrite => format!("pwrite(file, (void *)8, 8, {} * 4096);", range.first),
    }
}

/// The variable for a limit, in kB.
pub const fn limit(resource: Resource) -> &'static str {
    match resource {
        Resource::Data => "data_limit",
        Resource::Space => "space_limit",
        Resource::Locked | Resource::LockedByRoot => "lock_limit",
        Resource::Stack => "stack_limit",
    }
}

/// Statements with the personality that the program asks for.
pub fn with_personality(program: &Program, call: &Call, text: String) -> String {
    if !program.implies_exec || !call.changes_mappings() {
        return text;
    }
    joined(&[
        "personality(READ_IMPLIES_EXEC)".to_owned(),
        text,
        "personality(0)".to_owned(),
    ])
}

/// The process that a step of [`Call::VmWrite`] or [`Call::VmRead`] accesses, in C.
pub fn other(program: &Program, at: usize) -> &'static str {
    let forks = program.steps[..at]
        .iter()
        .any(|step| step.call == Call::Fork);
    match program.steps[at].process {
        0 if forks => "child",
        0 => "getpid()",
        _ => "getppid()",
    }
}
