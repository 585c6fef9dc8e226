//! Where a finding comes from: the function in which the state first was wrong.
//!
//! The oracles look after each slice, and without preemptions a slice is a whole operation. Here the
//! operation is cut at every scheduling point, which changes nothing else, so that they look after each
//! section; the first to which one objects is a section of a known function.

use crate::run::{Bugs, Ended, Found, Runner};
use mm_core::{MAX_TASKS, Site, State};
use mm_fuzz::exec::{Observer, Options};
use mm_fuzz::program::{MAX_PREEMPTIONS, Preemption, Program};

/// The first objection.
#[derive(Clone, Debug)]
pub struct Objection {
    /// What is wrong, at that moment.
    pub found: Found,
    /// The function whose section did it: that of the last scheduling point before.
    pub site: Site,
}

/// Notes where the last slice began.
#[derive(Default)]
struct Last {
    /// Scheduling points when each operation was first on.
    began: Vec<(usize, u32)>,
    before: [Site; MAX_TASKS],
    after: [Site; MAX_TASKS],
    from: u32,
    to: u32,
    thread: usize,
    threads: Vec<usize>,
}

impl Observer for Last {
    fn slice(&mut self, step: usize, s: &State) {
        if !self.began.iter().any(|(other, _)| *other == step) {
            self.began.push((step, s.points()));
        }
        self.thread = self.threads.get(step).copied().unwrap_or(0);
        self.from = s.points();
        self.to = s.points();
        self.before = s.tasks().each_ref().map(|task| task.site);
        // a new operation starts with its task renewed
        if self.began.last() == Some(&(step, s.points())) {
            self.before[self.thread] = Site::Start;
        }
    }

    fn ran(&mut self, _: usize, s: &State) {
        self.to = s.points();
        self.after = s.tasks().each_ref().map(|task| task.site);
    }
}

impl Last {
    fn of(program: &Program) -> Self {
        let threads = program.ops.iter().map(|step| usize::from(step.thread));
        Self {
            threads: threads.collect(),
            ..Self::default()
        }
    }

    /// The function that the section is in: the task that moved, a worker before the thread that drives it.
    fn site(&self) -> Site {
        let moved = |task: &usize| self.before[*task] != self.after[*task];
        let task = (0..MAX_TASKS).rev().find(moved).unwrap_or(self.thread);
        match self.before[task] {
            // what an open migration does first, its thread has said
            Site::Start if task != self.thread => self.after[task],
            site => site,
        }
    }
}

/// The first objection to a run of `program`; `None` if there is none.
pub fn first(program: &Program, bugs: &Bugs) -> Option<Objection> {
    let options = Options {
        thorough: true,
        ..Options::default()
    };
    let mut runner = Runner::new(bugs, options);
    let mut last = Last::of(program);
    let Ended::Found(found) = runner.run(program, &mut last) else {
        return None;
    };
    let step = found
        .step
        .unwrap_or(last.began.last().map_or(0, |(step, _)| *step));
    let began = last.began.iter().find(|(other, _)| *other == step);
    let mut best = Objection {
        found,
        site: last.site(),
    };
    let (Some((_, began)), room) = (began, MAX_PREEMPTIONS - program.preemptions.len()) else {
        return Some(best);
    };
    let points: Vec<u32> = (*began..last.to).collect();
    // a window begins with the last cut of the one before, or the section between them would not be one
    for start in (0..points.len()).step_by(room.saturating_sub(1).max(1)) {
        let window = &points[start..points.len().min(start + room)];
        let mut cut = program.clone();
        cut.threads = cut.threads.max(2);
        let to = program.ops.get(step).map_or(0, |step| step.thread);
        // those of the program come first: of two at a point the first one counts
        let cuts = window.iter().filter_map(|at| u16::try_from(*at).ok());
        cut.preemptions.extend(cuts.map(|at| Preemption { at, to }));
        cut.normalize();
        let mut last = Last::of(&cut);
        let Ended::Found(found) = runner.run(&cut, &mut last) else {
            continue;
        };
        let is_in_window = last.to <= window.last().map_or(0, |at| at + 1);
        best = Objection {
            found,
            site: last.site(),
        };
        if is_in_window {
            break;
        }
    }
    Some(best)
}

/// The text with its numbers made the same: what two findings of a bug agree on.
pub fn wording(detail: &str) -> String {
    let mut out = String::new();
    let mut in_number = false;
    for c in detail.chars() {
        let is_number = c.is_ascii_digit() || in_number && (c.is_ascii_hexdigit() || c == 'x');
        if !is_number {
            out.push(c);
        } else if !in_number {
            out.push('#');
        }
        in_number = is_number;
    }
    out
}

#[cfg(test)]
#[cfg(feature = "zoo")]
mod tests {
    use super::*;

    fn site(bug: &str, program: &str) -> Site {
        let program = mm_fuzz::program::text::parse(program).expect("a program");
        let bugs = Bugs::parse(bug).expect("a bug");
        first(&program, &bugs).expect("a finding").site
    }

    /// Whatever operation the bug is met in, the function is the one that has it.
    #[test]
    fn the_function_does_not_depend_on_the_operation() {
        for last in ["munmap p0 0 1", "dontneed p0 0 1", "mmap p0 0 1 none"] {
            let program = format!("mmap p0 0 1 r\ndev-read d0 p0 0\n{last}\n");
            let found = site("collapse-no-notifier", &program);
            assert_eq!(found, Site::ZapPteRange, "{last}");
        }
    }

    #[test]
    fn an_operation_longer_than_the_room_for_cuts_is_cut_in_parts() {
        // the last page of many is the only one with a write entry
        let program = "mmap p0 0 32 rw\nmigrate p0 0 31 d0\nwrite p0 31\nmigrate p0 31 1 d0\n\
                       mprotect p0 0 31 r\nevict d0 0 32\n";
        assert_eq!(site("slowpath-ro-migent", program), Site::TryToMigrate);
    }

    #[test]
    fn a_race_stays_one() {
        let witness = include_str!("../../corpus/zoo/dup-anon-vma-no-lock.mm");
        assert_eq!(site("dup-anon-vma-no-lock", witness), Site::AnonVmaPrepare);
    }

    #[test]
    fn wordings_have_no_numbers() {
        assert_eq!(
            wording("frame 0x1fe0 of dev1:12, 3 maps"),
            "frame # of dev#:#, # maps"
        );
    }
}
