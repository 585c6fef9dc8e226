//! Makes a program shorter while it has the same finding on the kernel.

use mm_linux_calls::{Advice, Call, FileKind, HUGE, MapKind, Program, Prot, Range};
use std::collections::HashSet;

/// Simpler programs. The first one makes one call at a time, if the program makes two at once. Then
/// come those without some of the steps, the largest removals first. The last ones have as many
/// steps, and simpler settings, operands or calls.
fn candidates(program: &Program) -> Vec<Program> {
    let len = program.steps.len();
    let mut all = Vec::new();
    // a program that makes one call at a time is cheap: it runs once, the others run many times
    if program.makes_two_at_once() {
        let mut alone = program.clone();
        alone.steps.iter_mut().for_each(|step| step.beside = false);
        all.push(alone);
    }
    let mut without = |range: std::ops::Range<usize>| {
        let mut shorter = program.clone();
        shorter.steps.drain(range);
        shorter.separate();
        all.push(shorter);
    };
    let mut size = len / 2;
    while size > 0 {
        (0..len / size)
            .rev()
            .for_each(|part| without(part * size..(part + 1) * size));
        size /= 2;
    }
    let mut changed = |change: &dyn Fn(&mut Program)| {
        let mut simpler = program.clone();
        change(&mut simpler);
        simpler.separate();
        if simpler != *program {
            all.push(simpler);
        }
    };
    changed(&|program| program.wp_async = false);
    changed(&|program| program.monitor = false);
    changed(&|program| program.file = FileKind::Plain);
    changed(&|program| program.mthp = false);
    changed(&|program| program.always = false);
    changed(&|program| program.zswap = false);
    changed(&|program| program.implies_exec = false);
    changed(&|program| program.steps.iter_mut().for_each(|step| step.process = 0));
    // replace a first page, or a length, everywhere in the program
    let ranges = program.steps.iter().flat_map(|step| {
        let target = match step.call {
            Call::Move { to, .. } | Call::UffdMove(_, to) | Call::RemapFile(_, to) => {
                Some(Range::new(to, 1))
            }
            _ => None,
        };
        step.call.range().into_iter().chain(target)
    });
    for Range { first, len } in ranges {
        for (old, new) in [(first, 0), (first, first / HUGE * HUGE), (first, HUGE)] {
            if new < old {
                changed(&|program| renumber(program, old, new));
            }
        }
        for new in [1, 2, 3, 4, 16, HUGE] {
            if new < len {
                changed(&|program| relength(program, len, new));
            }
        }
    }
    for at in 0..len {
        changed(&|program| program.steps[at].process = 0);
        changed(&|program| program.steps[at].beside = false);
        // one after the other, the second call first
        changed(&|program| {
            if std::mem::take(&mut program.steps[at].beside) {
                program.steps.swap(at - 1, at);
            }
        });
        changed(&|program| program.steps[at].fail = 0);
        changed(&|program| program.steps[at].fail = program.steps[at].fail.min(1));
        changed(&|program| program.steps[at].fail = program.steps[at].fail.saturating_sub(1));
        for new in [1, 3, 16, HUGE] {
            changed(&|program| {
                if let Some(range) = program.steps[at].call.range_mut() {
                    range.len = range.len.min(new);
                }
            });
        }
        changed(&|program| simplify(&mut program.steps[at].call));
        changed(&|program| {
            if let Call::Map { kind, .. } = &mut program.steps[at].call
                && kind.is_shmem()
            {
                *kind = MapKind::Shared;
            }
        });
    }
    all
}

fn renumber(program: &mut Program, old: u16, new: u16) {
    for step in &mut program.steps {
        if let Some(range) = step.call.range_mut().filter(|range| range.first == old) {
            *range = Range::new(new, range.len);
        }
        if let Call::Move { to, .. } | Call::UffdMove(_, to) | Call::RemapFile(_, to) =
            &mut step.call
            && *to == old
        {
            *to = new;
        }
    }
}

fn relength(program: &mut Program, old: u16, new: u16) {
    for step in &mut program.steps {
        if let Some(range) = step.call.range_mut().filter(|range| range.len == old) {
            range.len = new;
        }
    }
}

fn simplify(call: &mut Call) {
    match call {
        Call::Map { kind, prot, .. } => (*kind, *prot) = (MapKind::Private, Prot::Write),
        Call::Move { keep, .. } => *keep = false,
        Call::LockAll(flags) if *flags > 1 => *flags &= flags.wrapping_sub(1),
        Call::SealFile(seals) if seals.count_ones() > 1 => *seals &= seals.wrapping_sub(1),
        Call::Copy(_, protect) => *protect = false,
        Call::Allocate(_, keeps) => *keeps = false,
        Call::Lock { on_fault, .. } => *on_fault = false,
        Call::MemWrite(range) | Call::VmWrite(range) | Call::WriteZero(range) => {
            *call = Call::Write(*range);
        }
        Call::MemRead(range) | Call::VmRead(range) | Call::FarRead(range) => {
            *call = Call::Read(*range)
        }
        Call::Advise(range, Advice::PopulateWrite) => *call = Call::Write(*range),
        Call::Scan {
            categories, limit, ..
        } => {
            if *limit > 0 {
                *limit = 0;
            } else {
                *categories &= categories.wrapping_sub(1);
            }
        }
        Call::PinRead(range) => *call = Call::Pin(*range),
        _ => {}
    }
}

/// Returns the simplest program found in at most `runs` runs for which `is_same` holds.
pub fn reduce<E>(
    mut program: Program,
    runs: u32,
    mut is_same: impl FnMut(&Program) -> Result<bool, E>,
) -> Result<Program, E> {
    let mut left = runs;
    let mut tried = HashSet::from([program.clone()]);
    // After a success there is a new list. The search goes on at the same position in it, because
    // the kinds of changes that failed before mostly fail again. The search ends when all
    // candidates of a list have failed.
    let mut list = candidates(&program);
    let (mut at, mut failed) = (0, 0);
    while failed < list.len() && left > 0 {
        let candidate = &list[at % list.len()];
        (at, failed) = (at + 1, failed + 1);
        if !tried.insert(candidate.clone()) {
            continue;
        }
        left -= 1;
        if is_same(candidate)? {
            program = candidate.clone();
            list = candidates(&program);
            failed = 0;
        }
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mm_linux_calls::parse;

    #[test]
    fn only_what_matters_is_left() {
        let long = "wp-async\nmmap p0 513 16 rw\nwrite p0 513 16\nfork p0\nwrite p1 513 1\nksm p0\n\
                    mremap p0 513 16 1024 dontunmap\npageout p0 1024 16\nread p0 1024 1\n";
        let program = parse(long).expect("a program");
        let is_same = |program: &Program| {
            let moves = program
                .steps
                .iter()
                .any(|step| matches!(step.call, Call::Move { .. }));
            let maps = program
                .steps
                .iter()
                .any(|step| matches!(step.call, Call::Map { .. }));
            Ok::<_, ()>(moves && maps)
        };
        let reduced = reduce(program, 1000, is_same).expect("no error");
        assert_eq!(reduced.to_string(), "mmap p0 0 1 rw\nmremap p0 0 1 0\n");
    }
}
