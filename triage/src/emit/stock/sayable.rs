//! Says which operations are *sayable*: stock interfaces can carry them out. For some other
//! operations there is a substitute. It is used only if it has the same effect in the program.

use super::watch::{Done, Watched};
use crate::emit::refused::Refused;
use mm_fuzz::call::{Invocation, Ioctl};
use mm_fuzz::program::{Addr, Len, Op, OperandKind, Program, Skip, Step, Thp};
use mm_linux_protocol::SeenProcess;

/// What stands for an operation in the emitted program.
pub enum Substitute {
    /// The operation itself, because stock interfaces can carry it out.
    Itself,
    /// Another operation, if it leaves the processes in the same state. If it does not, the
    /// sentence is the reason for refusing the program.
    For(Op, &'static str),
    /// Nothing. The sentence is the reason for refusing the program.
    None(&'static str),
}

/// Finds what stands for an operation.
pub fn stand(op: Op) -> Substitute {
    const HELD: &str = "only a custom driver can hold a migration open";
    const REFERENCE: &str = "only a custom driver can keep a reference to a page";
    match op {
        Op::Setup { .. } | Op::Pages { .. } | Op::Finalize { .. } => Substitute::None(HELD),
        Op::Get { .. }
        | Op::Pin { .. }
        | Op::GetFast { .. }
        | Op::PinFast { .. }
        | Op::PinLongterm { .. }
        | Op::Hold { .. }
        | Op::Put { .. } => Substitute::None(REFERENCE),
        Op::Lock { .. } | Op::Unlock { .. } => {
            Substitute::None("user space cannot keep a folio locked between calls")
        }
        Op::Fail { .. } => Substitute::None("user space cannot choose the allocation that fails"),
        Op::Compact { .. } => Substitute::None("compaction chooses its pages itself"),
        Op::Reclaim { proc, addr } => Substitute::For(
            Op::Pageout {
                proc,
                addr,
                len: Len::MIN,
            },
            "MADV_PAGEOUT does not do the same here: it skips pages that other processes map, and mlocked VMAs",
        ),
        Op::Evict { dev, .. } => Substitute::For(
            Op::Release { dev },
            "the test driver cannot empty a part of a device, only all of it",
        ),
        Op::Migrate { len, skip, .. } | Op::MigrateBack { len, skip, .. }
            if declines(len, skip) =>
        {
            Substitute::None("the test driver cannot decline a page")
        }
        _ if has_command(op) => Substitute::Itself,
        _ => Substitute::None("the test driver has no such command"),
    }
}

/// Whether stock interfaces have a call for the operation.
fn has_command(op: Op) -> bool {
    match (op.kind().contract().call)(op) {
        Invocation::Range(range) => matches!(
            range.command,
            Ioctl::Migrate | Ioctl::Access | Ioctl::Exclusive
        ),
        Invocation::Slot(..) => false,
        Invocation::Evict(command, ..) => command == Ioctl::Release,
        _ => true,
    }
}

/// Whether the driver declines a page of the range.
fn declines(len: Len, skip: Skip) -> bool {
    (0..usize::from(len.get())).any(|page| skip.contains(page))
}

/// The program as stock interfaces can carry it out: one thread, no preemptions, and each operation
/// names the process that it works on.
///
/// # Errors
///
/// The operations that stock interfaces cannot carry out, or what else rules out the program.
pub fn sayable(program: &Program, trace: &Watched) -> Result<Program, Refused> {
    if !program.preemptions.is_empty() {
        let why = "preemptions: user space cannot stop a task inside the kernel";
        return Err(refused(vec![why.to_owned()]));
    }
    let mut reasons = Vec::new();
    let mut ops = Vec::new();
    for (number, (step, done)) in program.ops.iter().zip(&trace.steps).enumerate() {
        let mut op = of_process(step.op, done);
        // an operation that finds nothing to work on does nothing
        if done.place.is_some() {
            match stand(step.op) {
                Substitute::Itself => {}
                Substitute::For(other, _) => op = of_process(other, done),
                Substitute::None(why) => reasons.push(reason(number, step.op, why)),
            }
        }
        ops.push(Step { thread: 0, op });
    }
    if !reasons.is_empty() {
        return Err(refused(reasons));
    }
    let general = [
        (trace.waited, "an operation waits for another one"),
        (trace.ran_out, "the model's few frames run out"),
        (
            program.thp != Thp::Never,
            "the program has huge pages, which have eight pages in the model",
        ),
    ];
    let general = general.iter().filter(|(is_so, _)| *is_so);
    reasons.extend(general.map(|(_, why)| (*why).to_owned()));
    if let Some(finding) = &trace.finding {
        reasons.push(format!("the model has a finding: {finding}"));
    }
    if !reasons.is_empty() {
        return Err(refused(reasons));
    }
    Ok(Program {
        threads: 1,
        ops,
        preemptions: Vec::new(),
        ..*program
    })
}

/// Checks that each step of the program with substitutes leaves the same state as the step of the
/// original program, and that the test driver can carry out the step.
///
/// # Errors
///
/// The steps for which this does not hold.
pub fn check(program: &Program, as_is: &Watched, said: &Watched) -> Result<(), Refused> {
    let steps = as_is.steps.iter().zip(&said.steps).zip(&program.ops);
    let mut reasons = Vec::new();
    for (number, ((as_is, said), step)) in steps.enumerate() {
        if let Some(why) = said.blocked {
            reasons.push(reason(number, step.op, why));
        } else if without_frames(&as_is.seen) != without_frames(&said.seen) {
            let why = match stand(step.op) {
                Substitute::For(_, why) => why,
                _ => "its effect depends on the thread that runs it",
            };
            reasons.push(reason(number, step.op, why));
            // from here on the two programs differ, so their later steps cannot be compared
            break;
        }
    }
    if reasons.is_empty() {
        Ok(())
    } else {
        Err(refused(reasons))
    }
}

/// The processes without the identities of their frames, which may differ between two programs.
fn without_frames(seen: &[SeenProcess]) -> Vec<SeenProcess> {
    let mut seen = seen.to_vec();
    let entries = seen.iter_mut().flat_map(|process| &mut process.entries);
    entries.for_each(|(_, entry)| entry.identity = 0);
    seen
}

fn reason(number: usize, op: Op, why: &str) -> String {
    format!("operation {number}: {op}: {why}")
}

fn refused(reasons: Vec<String>) -> Refused {
    Refused {
        who: "stock interfaces",
        reasons,
    }
}

/// The operation. Its process operand becomes the slot of the process that it worked on.
fn of_process(op: Op, done: &Done) -> Op {
    let Some(proc) = done.place.and_then(|place| place.proc) else {
        return op;
    };
    let mut params = op.kind().params().iter();
    let at = params.position(|param| param.kind == OperandKind::Proc);
    let mut bytes = op.operand_bytes();
    if let Some(byte) = at.and_then(|at| bytes.get_mut(at)) {
        *byte = proc as u8;
    }
    Op::from_operand_bytes(op.kind(), bytes)
}

/// Appends operations that show what the program has left. For each range of neighbouring pages of
/// a process these are pagemap, reads, and writes. If there are writes, pagemap follows again.
///
/// A program that mlocks memory gets only the first pagemap. Its C unmaps everything at the end and
/// then compares the `Mlocked` count of `/proc/meminfo`. A read or write could migrate an mlocked
/// page back from a device, and so change the count.
pub fn with_looks(mut program: Program, trace: &Watched) -> Program {
    let left = &trace.left;
    let mut steps = program.ops.iter();
    let locks = steps.any(|step| matches!(step.op, Op::Mlock { .. }));
    let mut looks = Vec::new();
    let mut at = 0;
    while let Some(first) = left.get(at) {
        let follows = |(n, page): (usize, &super::watch::Left)| {
            page.proc == first.proc && usize::from(page.page) == usize::from(first.page) + n
        };
        let rest = left[at..].iter().enumerate();
        let len = rest.take_while(|(n, page)| follows((*n, page))).count();
        let pages = &left[at..at + len];
        let name = |page: &super::watch::Left| {
            (
                mm_fuzz::program::Proc::new(page.proc as u8),
                Addr::new(page.page),
            )
        };
        let (proc, addr) = name(first);
        let pagemap = Op::Pagemap {
            proc,
            addr,
            len: Len::new(len as u8),
        };
        looks.push(pagemap);
        at += len;
        if locks {
            continue;
        }
        let reads = pages.iter().filter(|page| page.reads).map(name);
        looks.extend(reads.map(|(proc, addr)| Op::Read { proc, addr }));
        let writes: Vec<Op> = pages
            .iter()
            .filter(|page| page.writes)
            .map(name)
            .map(|(proc, addr)| Op::Write { proc, addr })
            .collect();
        if !writes.is_empty() {
            looks.extend(writes);
            looks.push(pagemap);
        }
    }
    let looks = looks.into_iter().map(|op| Step { thread: 0, op });
    program.ops.extend(looks);
    program
}
