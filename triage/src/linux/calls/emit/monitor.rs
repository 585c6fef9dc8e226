//! The monitor of a program, as C: a thread that reads its userfaultfd.

use mm_linux_calls::{BreachKind, Call, Program, Range};

/// The start of the monitor. It counts the events that it reads.
const READS: &str = "\
static int uffd, events[32];
static void *monitor(void *unused)
{
	for (struct uffd_msg msg; read(uffd, &msg, sizeof(msg)) > 0; events[msg.event]++)
";
/// The part of the monitor that resolves page faults.
const RESOLVES: &str = "\
		if (msg.event == UFFD_EVENT_PAGEFAULT) {
			struct uffdio_range page = { msg.arg.pagefault.address & -4096L, 4096 };
			ioctl(uffd, UFFDIO_ZEROPAGE, &(struct uffdio_zeropage){ page, 0, 0 });
			ioctl(uffd, UFFDIO_WRITEPROTECT, &(struct uffdio_writeprotect){ page, 0 });
		}
";

/// The functions that the threads of the program run.
pub fn threads(program: &Program, main: &str) -> String {
    let mut text = String::new();
    let starts: Vec<_> = program
        .steps
        .iter()
        .enumerate()
        .filter_map(|(at, step)| match step.call {
            Call::Start { range, writes } => Some((writes, Range::word(at, range.first.into()))),
            _ => None,
        })
        .collect();
    if main.contains(", monitor, 0)") {
        text.push_str(READS);
        // with a thread of `Start`, a call of the program resolves the faults, not the monitor
        text.push_str(if starts.is_empty() {
            RESOLVES
        } else {
            "\t\t;\n"
        });
        text.push_str("\treturn unused;\n}\n");
    }
    if !starts.is_empty() {
        text.push_str("static volatile int done;\n");
    }
    for writes in [true, false] {
        let name = if writes { "start_write" } else { "start_read" };
        let Some((_, word)) = starts.iter().rfind(|start| start.0 == writes) else {
            continue;
        };
        let access = if writes {
            format!("*(volatile long *)at = {word:#x}")
        } else {
            "(void)*(volatile long *)at".to_owned()
        };
        text.push_str(&format!(
            "static void *{name}(void *at)\n{{\n\t{access};\n\tdone++;\n\treturn at;\n}}\n"
        ));
    }
    text
}

/// The features that the program's userfaultfd has, and their names.
pub fn features(program: &Program) -> (u32, String) {
    let is_rwp = |call: &Call| {
        matches!(
            call,
            Call::Register(_, mm_linux_calls::Modes::Rwp) | Call::RwProtect(..)
        )
    };
    let has_rwp = program.steps.iter().any(|step| is_rwp(&step.call));
    let all = [
        (program.wp_async, 1 << 15, "WP_ASYNC, "),
        (has_rwp, 1 << 17, "RWP, "),
        (program.wp_async && has_rwp, 1 << 18, "RWP_ASYNC, "),
        (program.monitor, 0x15e, "events, "),
        (!program.monitor, 0x80, "SIGBUS, "),
        (true, 0x1_7621, "shmem, WP_UNPOPULATED, POISON, MOVE"),
    ];
    let all = all.iter().filter(|(has, ..)| *has);
    all.fold((0, String::new()), |(bits, names), (_, bit, name)| {
        (bits | bit, names + name)
    })
}

/// The statements that declare the file of userfaultfd.
pub fn declaration(program: &Program) -> String {
    let (features, names) = features(program);
    let (target, flags, thread) = if program.monitor {
        (
            "uffd",
            "0",
            "\npthread_create(&(pthread_t){ 0 }, 0, monitor, 0);",
        )
    } else {
        ("int uffd", "O_NONBLOCK", "")
    };
    format!(
        "{target} = ioctl(open(\"/dev/userfaultfd\", O_RDWR), USERFAULTFD_IOC_NEW, {flags});\n\
         ioctl(uffd, UFFDIO_API, &(struct uffdio_api){{ UFFD_API, {features:#x}, 0 }}); // {names}{thread}"
    )
}

/// The statements of a step that is watched for an event, and the expression that is true if the
/// promise is broken.
pub fn watched(kind: BreachKind, call: Option<&Call>, event: u64, step: &str) -> (String, String) {
    let missing = if kind == BreachKind::NoEvent { "!" } else { "" };
    let broken = format!("{missing}events[{event:#x}]");
    let is_fork = matches!(call, Some(Call::Fork));
    let clear = if is_fork {
        String::new()
    } else {
        format!("events[{event:#x}] = 0;\n{step}\nsleep(1);")
    };
    (clear, broken)
}
