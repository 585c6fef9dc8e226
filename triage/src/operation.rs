//! An operation of a run, and its outcome, in one line.

use mm_core::MmId;
use mm_fuzz::describe;
use mm_fuzz::exec::{Outcome, Resolved, Shown, ShownPage};
use mm_fuzz::program::{Program, Step};
use mm_fuzz::window::Window;

/// Makes the lines of one run. The run's observer calls [`begins`](Self::begins) and
/// [`shown`](Self::shown).
#[derive(Debug)]
pub struct OperationLines {
    window: Window,
    is_threaded: bool,
    /// For each operation that has begun, the slots that its names stand for.
    names: Vec<Resolved>,
    shown: Vec<ShownPage>,
}

impl OperationLines {
    /// Nothing has run yet.
    pub fn new(program: &Program) -> Self {
        Self {
            window: Window::of(program),
            is_threaded: program.threads > 1,
            names: vec![Resolved::default(); program.ops.len()],
            shown: Vec::new(),
        }
    }

    /// An operation begins.
    pub fn begins(&mut self, step: usize, names: Resolved) {
        if let Some(known) = self.names.get_mut(step) {
            *known = names;
        }
    }

    /// An operation that has just ended showed these pages.
    pub fn shown(&mut self, pages: &[ShownPage]) {
        self.shown = pages.to_vec();
    }

    /// What the names of an operation stand for.
    pub fn names(&self, step: usize) -> Resolved {
        self.names.get(step).copied().unwrap_or_default()
    }

    /// The operation: its number, its thread if there are several, its words.
    pub fn line(&self, index: usize, step: &Step) -> String {
        let thread = if self.is_threaded {
            format!("t{}  ", step.thread)
        } else {
            String::new()
        };
        let words = describe::operation(&step.op, self.names(index));
        format!("{index:>4}  {thread}{words:<36}")
    }

    /// The outcome of the operation that has just ended. For `pagemap` and `snapshot`, this is what
    /// they showed: one entry for each range of neighbouring pages that look the same.
    pub fn outcome(&self, outcome: Outcome) -> String {
        if !matches!(outcome, Outcome::Seen(_)) || self.shown.is_empty() {
            return outcome.to_string();
        }
        let mut groups: Vec<(MmId, std::ops::Range<u64>, String)> = Vec::new();
        for (mm, addr, shown) in &self.shown {
            let words = describe::shown(*shown);
            match groups.last_mut() {
                Some((_, range, same)) if range.end == *addr && *same == words => range.end += 1,
                _ => groups.push((*mm, *addr..*addr + 1, words)),
            }
        }
        let group =
            |(_, range, words)| format!("{}: {words}", describe::range(self.window, &range));
        let groups: Vec<String> = groups.into_iter().map(group).collect();
        groups.join("; ")
    }

    /// What the operation that has just ended showed, page by page.
    pub fn pages(&self) -> impl Iterator<Item = (u64, Shown)> {
        self.shown.iter().map(|(_, addr, shown)| (*addr, *shown))
    }
}
