//! What a process looks at after each call, and at the end.

use super::Process;
use super::counters::Counters;
use super::kernel::{self, Counted, Kernel};
use mm_linux_calls::{Access, Advice, BreachKind, Call, Mappings, PAGES, Range, Step};

/// The mappings of this process.
fn mappings() -> Option<Mappings> {
    let smaps = std::fs::read_to_string("/proc/self/smaps").ok()?;
    Mappings::parse(&smaps)
}

impl Process<'_> {
    /// Looks at all pages of this process.
    pub(super) fn look(&mut self, step: usize) {
        if let Some(page) = self.kernel.stuck_at() {
            self.note(step, page, (BreachKind::NotFilled, 0, 0));
        }
        self.look_at_waiters(step, None);
        let named = self.shared.board().ledger.named();
        let mut entries = [0; PAGES as usize];
        let entries = &mut entries[named.clone()];
        if named.is_empty() || !self.kernel.pagemap(named.start, entries) {
            return;
        }
        let is_sole = |&(page, ref entry): &(usize, &mut u64)| {
            self.shared.board().ledger.is_sole(self.me, page, **entry)
        };
        let sole = named.clone().zip(entries.iter_mut()).find(is_sole);
        if let Some((page, entry)) = sole
            && self.kernel.flags(*entry) & (kernel::ZERO_PAGE | kernel::KSM_PAGE) == 0
        {
            self.note(step, page, (BreachKind::NotExclusive, *entry, 1 << 56));
        }
        let mut locked = named.clone().zip(entries.iter());
        let gone = locked.find(|(page, entry)| {
            let board = self.shared.board();
            board.ledger.is_resident(self.me, *page, **entry)
                && (self.kernel.mincore(*page, 1)).is_some_and(|resident| resident[0] & 1 == 0)
        });
        if let Some((page, entry)) = gone {
            self.note(step, page, (BreachKind::NotLocked, *entry, 1));
        }
        for (page, entry) in named.clone().zip(entries.iter()) {
            let is_unmerged = self
                .shared
                .board()
                .ledger
                .is_unmerged(self.me, page, *entry);
            if is_unmerged && self.kernel.flags(*entry) & kernel::KSM_PAGE != 0 {
                self.note(step, page, (BreachKind::Merged, *entry, 0));
                break;
            }
        }
        for (page, entry) in named.zip(entries) {
            let shown = self
                .shared
                .board()
                .ledger
                .check_shown(self.me, page, *entry);
            if let Some(shown) = shown {
                self.note(step, page, shown);
            }
        }
    }

    /// Looks whether pinned pages contain what the process sees.
    pub(super) fn look_at_pins(&mut self, step: usize) {
        let pinned = self.shared.board().ledger.pinned();
        let Some((_, range)) = pinned.filter(|(process, _)| *process == self.me) else {
            return;
        };
        let Some(words) = self.kernel.pinned(range.len) else {
            return;
        };
        for (page, got) in range.pages().zip(words) {
            let wanted = self.shared.board().ledger.pinned_word(self.me, page);
            if let Some(wanted) = wanted.filter(|wanted| *wanted != got) {
                self.note(step, page, (BreachKind::Pinned, got, wanted));
            }
        }
    }

    /// Looks whether mincore and pagemap agree.
    fn look_at_mincore(&mut self, step: usize) {
        let named = self.shared.board().ledger.named();
        let mut entries = vec![0; named.len()];
        if named.is_empty() || !self.kernel.pagemap(named.start, &mut entries) {
            return;
        }
        let pages: Vec<usize> = named.clone().collect();
        let is_plain = |page: &usize| self.shared.board().ledger.is_plain(self.me, *page);
        let runs: Vec<_> = pages
            .chunk_by(|a, b| is_plain(a) == is_plain(b))
            .filter(|run| is_plain(&run[0]))
            .map(|run| (run[0], run.len()))
            .collect();
        for (first, len) in runs {
            let Some(resident) = self.kernel.mincore(first, len) else {
                continue;
            };
            for (page, resident) in (first..).zip(resident) {
                let entry = entries[page - named.start];
                let is_empty = entry & (0b111 << 61) == 0;
                let is_present = entry & kernel::PRESENT != 0;
                if is_present && resident & 1 == 0 || is_empty && resident & 1 != 0 {
                    self.note(step, page, (BreachKind::Mincore, entry, resident.into()));
                }
            }
        }
    }

    /// Looks whether a call has populated its range, as it says.
    pub(super) fn look_for_pages(&mut self, step: usize, call: &Call, result: i32) {
        let range = match *call {
            Call::Advise(range, Advice::PopulateRead | Advice::PopulateWrite)
            | Call::Lock {
                range,
                on_fault: false,
            } if result == 0 => range,
            _ => return,
        };
        let mut entries = [0; PAGES as usize];
        let entries = &mut entries[..usize::from(range.len)];
        if !self.kernel.pagemap(range.first.into(), entries) {
            return;
        }
        for (page, entry) in range.pages().zip(entries) {
            let board = self.shared.board();
            // mlock leaves pages out that it may not access
            let readable = board.ledger.access(self.me, page, false) == Access::Allowed;
            let shown = board.ledger.check_populated(self.me, page, *entry);
            if let Some(shown) = shown.filter(|_| readable) {
                self.note(step, page, shown);
            }
        }
    }

    /// The entries of all pages before a call that may bring events; none without a monitor.
    pub(super) fn entries_before(&mut self, call: &Call) -> Vec<u64> {
        let brings_events = matches!(
            call,
            Call::Unmap(_)
                | Call::Map { .. }
                | Call::RemapFile(..)
                | Call::Move { .. }
                | Call::Resize(..)
                | Call::Advise(..)
        );
        let mut entries = Vec::new();
        if brings_events && self.kernel.is_watched() {
            entries.resize(PAGES.into(), 0);
            if !self.kernel.pagemap(0, &mut entries) {
                entries.clear();
            }
        }
        entries
    }

    /// Looks whether a call has brought the events that it must bring. `before` are the entries of
    /// the pages before it.
    pub(super) fn look_at_events(&mut self, step: usize, call: &Call, result: i32, before: &[u64]) {
        if before.is_empty() && *call != Call::Fork {
            return;
        }
        let Some(events) = self.kernel.events() else {
            return;
        };
        let mut after = vec![0; before.len()];
        self.kernel.pagemap(0, &mut after);
        let stays = |page: usize| {
            let frame = |entries: &[u64]| entries.get(page).and_then(|entry| kernel::frame(*entry));
            frame(before).is_some() && frame(before) == frame(&after)
        };
        let ledger = &self.shared.board().ledger;
        let broken = ledger.check_events(self.me, call, result, &events, stays);
        if let Some((page, shown)) = broken {
            self.note(step, page, shown);
        }
    }

    /// The entries of the pages whose protection a call of userfaultfd may change.
    pub(super) fn protection_before(&mut self, call: &Call) -> Vec<u64> {
        let (Call::Register(range, _) | Call::Unregister(range) | Call::WriteProtect(range, _)) =
            *call
        else {
            return Vec::new();
        };
        let mut entries = vec![0; range.len.into()];
        let is_shown = self.kernel.pagemap(range.first.into(), &mut entries);
        if is_shown { entries } else { Vec::new() }
    }

    /// Looks whether a call of userfaultfd that failed has changed the protection of a page.
    /// `before` are the entries before it.
    pub(super) fn look_for_change(
        &mut self,
        step: usize,
        call: &Call,
        result: i32,
        before: &[u64],
    ) {
        let Some(range) = call.range().filter(|_| result != 0 && !before.is_empty()) else {
            return;
        };
        let mut after = vec![0; before.len()];
        if !self.kernel.pagemap(range.first.into(), &mut after) {
            return;
        }
        let mut pages = range.pages().zip(before.iter().zip(after));
        let changed = pages.find(|(_, (before, after))| (**before ^ after) & kernel::UFFD_WP != 0);
        if let Some((page, (_, after))) = changed {
            self.note(step, page, (BreachKind::FailedChange, after, 0));
        }
    }

    /// The mappings before a call that is to lack memory.
    pub(super) fn mappings_before(step: &Step) -> Option<Mappings> {
        if step.fail == 0 {
            return None;
        }
        mappings()
    }

    /// Looks whether a call that failed has changed mappings. `before` are the mappings before it.
    pub(super) fn look_at_mappings(
        &mut self,
        step: usize,
        call: &Call,
        result: i32,
        before: Option<&Mappings>,
    ) {
        let Some(before) = before.filter(|_| result < 0) else {
            return;
        };
        let Some(after) = mappings() else {
            return;
        };
        if let Some(page) = before.changed(&after, call) {
            self.note(step, page, (BreachKind::FailedMapping, 0, 0));
        }
    }

    /// Looks whether a call failed to fill in a page, as if the page were there (EEXIST) or could
    /// not be filled in (EFAULT), although an access finds the page missing.
    pub(super) fn look_for_filled(&mut self, step: usize, call: &Call, result: i32) {
        let page = usize::from(call.filled().first);
        let is_refused = call.fills() && [-libc::EEXIST, -libc::EFAULT].contains(&result);
        let ledger = &mut self.shared.board().ledger;
        // a monitor notices such pages itself
        if !is_refused || self.kernel.is_watched() || !ledger.is_missing_here(self.me, page) {
            return;
        }
        let read = self.kernel.read(page);
        let shown = if read == Err(-libc::SIGBUS) {
            Some((BreachKind::NotFilled, 0, result.unsigned_abs().into()))
        } else {
            ledger.has_read(self.me, page, read.ok())
        };
        if let Some(shown) = shown {
            self.note(step, page, shown);
        }
    }

    /// Looks at the contents and, if the job asks for it, at what the process is charged for.
    pub(super) fn look_closely(&mut self, step: usize) {
        if self.job.closely {
            self.look_at_counts(step);
        }
        self.look_at_contents(step);
    }

    fn look_at_counts(&mut self, step: usize) {
        if let Some((counter, value)) = Counters::below_zero() {
            let shown = (BreachKind::BelowZero, value.cast_unsigned(), 0);
            self.note(step, counter, shown);
        }
        self.look_at_mincore(step);
        let shared = self.shared;
        let me = self.me;
        let held = |kernel: &mut Kernel, range: Range| {
            let ledger = &shared.board().ledger;
            let is_plain = range.pages().all(|page| ledger.is_plain(me, page));
            is_plain.then(|| kernel.held(range)).flatten()
        };
        let is_alone = shared.board().ledger.is_alone();
        match self.kernel.smaps(is_alone, held) {
            Some(Counted::Miscounts {
                page,
                counted,
                held,
            }) => {
                self.note(step, page, (BreachKind::Rss, counted, held));
            }
            Some(Counted::Shared { page, kb }) => {
                self.note(step, page, (BreachKind::SmapsShared, kb, 0));
            }
            Some(Counted::TooMuch { page, kb, field }) => {
                self.note(step, page, (BreachKind::Smaps, kb, field as u64));
            }
            Some(Counted::Differs { field, kb, sum }) => {
                self.note(step, field, (BreachKind::Accounting, kb, sum));
            }
            None => {}
        }
    }

    fn look_at_contents(&mut self, step: usize) {
        for page in self.shared.board().ledger.named() {
            let at = page % 512;
            if self.is_over() || (24..=503).contains(&at) && page % 37 != 0 {
                continue;
            }
            let read = self.kernel.read(page);
            let shown = self
                .shared
                .board()
                .ledger
                .has_read(self.me, page, read.ok());
            if let Some(shown) = shown {
                self.note(step, page, shown);
            }
        }
    }
}
