//! What a process looks at after each call, and at the end.

use super::Process;
use super::counters::Counters;
use super::kernel::{self, Counted, Kernel};
use mm_linux_calls::{
    AccessPromise, Advice, BreachKind, Call, FileKind, Mappings, PAGES, Policy, Range, Step,
};
use std::collections::HashMap;

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
        self.look_at_both(step, &named, entries);
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

    /// Looks whether a page that both processes map is shown as mapped by one of them only.
    fn look_at_both(&self, step: usize, named: &std::ops::Range<usize>, entries: &[u64]) {
        let board = self.shared.board();
        let when = step as u32 + 1;
        let [first, second] = &mut board.seen;
        let (mine, other) = if self.me == 0 {
            (first, second)
        } else {
            (second, first)
        };
        mine.0.fill(0);
        mine.0[named.clone()].copy_from_slice(entries);
        mine.1 = when;
        if other.1 != when || !board.ledger.is_alive(1) {
            return;
        }
        let frames = |entries: &[u64]| -> HashMap<u64, u64> {
            let known = entries.iter();
            known
                .filter_map(|entry| Some((kernel::frame(*entry)?, *entry)))
                .collect()
        };
        let others = frames(&other.0);
        for (page, entry) in named.clone().zip(entries) {
            let both = kernel::frame(*entry).and_then(|frame| others.get(&frame));
            let shown = both.map(|other| *entry | *other);
            let is_exclusive = shown.is_some_and(|shown| shown & kernel::EXCLUSIVE != 0);
            if is_exclusive && board.ledger.is_mapped(self.me, page) {
                self.note(step, page, (BreachKind::FalseExclusive, *entry, 0));
                break;
            }
        }
    }

    /// The pages that wait for userfaultfd to fill them in, before a call that must not do that;
    /// none if there is a monitor, which fills them in at any time.
    pub(super) fn awaiting_before(&mut self, call: &Call) -> Vec<usize> {
        let may_fill = call.fills()
            || call.changes_mappings()
            || matches!(
                call,
                Call::Poison(_)
                    | Call::WriteProtect(..)
                    | Call::RwProtect(..)
                    | Call::Scan { .. }
                    | Call::Unmap(_)
                    | Call::Detach(_)
                    | Call::Register(..)
                    | Call::Unregister(_)
                    | Call::CloseUffd
                    | Call::Fork
                    | Call::Exit
            );
        if may_fill || self.kernel.is_watched() {
            return Vec::new();
        }
        self.awaiting(|entry| entry & kernel::ANY == 0)
    }

    /// The pages that wait for userfaultfd, and whose entry is as `is_wanted` says.
    fn awaiting(&mut self, is_wanted: impl Fn(u64) -> bool) -> Vec<usize> {
        let me = self.me;
        let ledger = &self.shared.board().ledger;
        let pages: Vec<usize> = ledger
            .named()
            .filter(|page| ledger.awaits(me, *page))
            .collect();
        let (Some(first), Some(last)) = (pages.first(), pages.last()) else {
            return Vec::new();
        };
        let mut entries = vec![0; last - first + 1];
        if !self.kernel.pagemap(*first, &mut entries) {
            return Vec::new();
        }
        let is_as_wanted = |page: &usize| is_wanted(entries[page - first]);
        pages.iter().copied().filter(is_as_wanted).collect()
    }

    /// Looks whether a call has filled in a page that waits for userfaultfd.
    pub(super) fn look_for_intruders(&mut self, step: usize, before: &[usize]) {
        if before.is_empty() {
            return;
        }
        let there = self.awaiting(|entry| entry & kernel::ANY != 0);
        if let Some(page) = there.into_iter().find(|page| before.contains(page)) {
            self.note(step, page, (BreachKind::FilledIn, 0, 0));
        }
    }

    /// Looks whether a device has read what the pages contain.
    pub(super) fn look_at_device(&mut self, step: usize, call: &Call, result: i32) {
        let Call::DeviceRead(range) = *call else {
            return;
        };
        if result != 0 {
            return;
        }
        for (page, got) in range.pages().zip(self.kernel.copied(range.len)) {
            let ledger = &self.shared.board().ledger;
            if let Some(shown) = ledger.check_word(self.me, page, got) {
                self.note(step, page, shown);
            }
        }
    }

    /// True if a call may fail although the ledger knows no reason.
    pub(super) fn is_excused(&self, made: &Step) -> bool {
        let mut steps = self.job.program.steps.iter();
        made.fail > 0 || steps.any(|step| step.call == Call::MapLimit)
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

    /// Looks whether locked pages count as locked.
    fn look_for_evictable(&mut self, step: usize) {
        let me = self.me;
        let ledger = &self.shared.board().ledger;
        let named = ledger.named();
        let mut entries = vec![0; named.len()];
        if named.is_empty() || !self.kernel.pagemap(named.start, &mut entries) {
            return;
        }
        let locked = named.zip(entries);
        let locked: Vec<_> = locked
            .filter(|(page, entry)| ledger.is_locked(me, *page, *entry))
            .collect();
        let is_evictable = |kernel: &Kernel, entry: u64| {
            kernel.flags(entry) & (kernel::NOT_ONE | kernel::LOCKED_PAGE) == 0
        };
        let mut evictable = locked.iter();
        let Some(found) = evictable.find(|(_, entry)| is_evictable(&self.kernel, *entry)) else {
            return;
        };
        // the kernel locks pages in batches; this ends them
        let _ = std::fs::write("/proc/sys/vm/drop_caches", "1");
        if is_evictable(&self.kernel, found.1) {
            self.note(step, found.0, (BreachKind::Evictable, found.1, 0));
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
        let shared = self.shared;
        let ledger = &shared.board().ledger;
        let is_mapped = |page: &usize| ledger.is_mapped(self.me, *page);
        let runs: Vec<_> = pages
            .chunk_by(|a, b| is_mapped(a) == is_mapped(b))
            .filter(|run| is_mapped(&run[0]))
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
                let is_shown = resident & 1 != 0;
                let is_plain = ledger.is_plain(self.me, page);
                if is_present && !is_shown || is_plain && is_empty && is_shown {
                    self.note(step, page, (BreachKind::Mincore, entry, resident.into()));
                } else if !is_shown && ledger.is_kept(self.me, page) {
                    self.note(step, page, (BreachKind::Resident, 0, 1));
                }
            }
        }
    }

    /// How many pages of a range mincore shows, and how many were read from swap since boot, before
    /// a call that reads pages from swap. `None` if the call does not, or a part is not mapped.
    pub(super) fn resident_before(&mut self, call: &Call) -> Option<(u64, u64)> {
        let Call::Advise(range, Advice::WillNeed) = *call else {
            return None;
        };
        // the pages may come from another disk
        if self.job.program.file == FileKind::Ext4 {
            return None;
        }
        self.resident(range)
    }

    fn resident(&mut self, range: Range) -> Option<(u64, u64)> {
        let pages = self.kernel.mincore(range.first.into(), range.len.into())?;
        let shown = pages.iter().filter(|page| **page & 1 != 0).count() as u64;
        Some((shown, kernel::read_from_swap()))
    }

    /// Looks whether mincore shows more new pages than were read from swap. `before` is what
    /// [`resident_before`](Self::resident_before) has returned.
    pub(super) fn look_at_resident(
        &mut self,
        step: usize,
        call: &Call,
        before: Option<(u64, u64)>,
    ) {
        let (Some(range), Some(before)) = (call.range(), before) else {
            return;
        };
        if let Some(after) = self.resident(range) {
            let shown = after.0.saturating_sub(before.0);
            let read = after.1.saturating_sub(before.1);
            if shown > read {
                let shown = (BreachKind::Resident, shown, 2 + read);
                self.note(step, range.first.into(), shown);
            }
        }
    }

    /// Looks whether mlock failed without a reason, and whether munlockall has left something
    /// locked.
    pub(super) fn look_at_locks(&mut self, step: usize, made: &Step, result: i32) {
        let may_fail = self.is_excused(made);
        match made.call {
            Call::Lock { range, .. }
                if result < 0
                    && !may_fail
                    && self.shared.board().ledger.is_lockable(self.me, range) =>
            {
                let shown = (BreachKind::NotLockable, result.unsigned_abs().into(), 0);
                self.note(step, range.first.into(), shown);
            }
            Call::UnlockAll if result == 0 => {
                if let Some(kb) = kernel::status("VmLck:").filter(|kb| *kb > 0) {
                    self.note(step, 0, (BreachKind::StillLocked, kb, 0));
                }
            }
            _ => {}
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
            let readable = board.ledger.access(self.me, page, false) == AccessPromise::Allowed;
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
                | Call::Brk(..)
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

    /// The empty pages (neither in memory nor in swap) of the private memory that a call binds to a
    /// node or excludes from huge pages.
    pub(super) fn empty_before(&mut self, call: &Call) -> Vec<usize> {
        let range = match *call {
            Call::Bind(range, Policy::Bind, _) | Call::Advise(range, Advice::NoHugePage) => range,
            Call::HugeOff(1) => Range::new(0, PAGES),
            _ => return Vec::new(),
        };
        let mut entries = vec![0u64; range.len.into()];
        if !self.kernel.pagemap(range.first.into(), &mut entries) {
            return Vec::new();
        }
        let ledger = &self.shared.board().ledger;
        let pages = range.pages().zip(entries);
        let pages = pages
            .filter(|(page, entry)| *entry & kernel::ANY == 0 && ledger.is_plain(self.me, *page));
        pages.map(|(page, _)| page).collect()
    }

    /// Looks whether pages that were just written to for the first time are on the node to which
    /// they are bound.
    pub(super) fn look_at_nodes(&mut self, step: usize, call: &Call, fresh: &[usize]) {
        let Call::Write(range) = *call else {
            return;
        };
        for page in fresh.iter().filter(|page| range.pages().contains(page)) {
            let wanted = self.shared.board().ledger.policy(self.me, *page);
            let Some((Policy::Bind, wanted)) = wanted else {
                continue;
            };
            if let Some(node) = self.kernel.node(*page).filter(|node| *node != wanted) {
                let shown = (BreachKind::Node, node.into(), wanted.into());
                return self.note(step, *page, shown);
            }
        }
    }

    /// Looks at what a call must not exceed or change: limits, seals, PR_SET_MDWE, the gap before a
    /// stack, and policies.
    pub(super) fn look_at_limits(&mut self, step: usize, call: &Call, result: i32) {
        if let Some((index, kb)) = self.kernel.beyond_limit() {
            self.note(step, 0, (BreachKind::OverLimit, kb, index));
        }
        let is_alone = self.shared.board().ledger.is_alone();
        if self.job.program.file_flags() & !4 != 0
            && let Some((which, now, before)) = self.kernel.unsealed(Some(call), is_alone)
        {
            self.note(step, which, (BreachKind::Sealed, now, before));
        }
        if result != 0 {
            return;
        }
        if let Call::Resize(range, len) | Call::Brk(range, len) = *call
            && len > range.len
        {
            let last = Range::new(range.first, len).pages().end - 1;
            if self.shared.board().ledger.is_in_gap(self.me, last) {
                self.note(step, last, (BreachKind::StackGap, 0, 0));
            }
        }
        let made = match *call {
            Call::Map { range, .. } | Call::Protect(range, _) => Some(range),
            Call::Brk(range, len) if len > range.len => {
                Some(Range::new(range.first + range.len, len - range.len))
            }
            _ => None,
        };
        if let Some(page) = made.and_then(|range| self.kernel.writable_code(range)) {
            self.note(step, page, (BreachKind::WriteExec, 0, 0));
        }
        if let Call::Bind(range, ..) | Call::HomeNode(range, _) = *call {
            self.look_at_policies(step, range.pages());
        }
    }

    /// Looks whether get_mempolicy shows what mbind has set.
    fn look_at_policies(&mut self, step: usize, pages: std::ops::Range<usize>) {
        let mut last = None;
        for page in pages {
            let wanted = self.shared.board().ledger.policy(self.me, page);
            let wanted = wanted.filter(|wanted| last.replace(*wanted) != Some(*wanted));
            let Some((policy, node)) = wanted else {
                continue;
            };
            let number = Policy::ALL.iter().position(|known| *known == policy);
            let wanted = (number.unwrap_or(0) as u64, policy.mask(node));
            if let Some(got) = self.kernel.policy(page).filter(|got| *got != wanted) {
                let shown = |(mode, mask): (u64, u64)| mode << 8 | mask;
                return self.note(step, page, (BreachKind::Policy, shown(got), shown(wanted)));
            }
        }
    }

    /// The mappings before a call that is to lack memory, or before `brk`, which reports failure
    /// without an error number.
    pub(super) fn mappings_before(step: &Step) -> Option<Mappings> {
        let lacks_memory = step.fail > 0 && !step.call.is_access();
        // an access that fails may have made a stack grow
        if !lacks_memory && !matches!(step.call, Call::Brk(..)) {
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

    /// Looks whether a call wrongly refused to fill in a page. The error says that the page is
    /// there (EEXIST), that it cannot be filled in (EFAULT) or that it has no source (ENOENT); but
    /// an access finds the page missing.
    pub(super) fn look_for_filled(&mut self, step: usize, call: &Call, result: i32) {
        let page = usize::from(call.filled().first);
        let ledger = &mut self.shared.board().ledger;
        let is_refused = call.fills() && [-libc::EEXIST, -libc::EFAULT].contains(&result)
            || result == -libc::ENOENT && ledger.can_move(self.me, call);
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
            let named = self.shared.board().ledger.named();
            self.look_at_policies(step, named);
            self.look_at_attaches(step);
        }
        self.look_at_contents(step);
    }

    /// Looks whether a segment is said to be attached more often than once for each process.
    fn look_at_attaches(&mut self, step: usize) {
        let most = 1 + u64::from(self.shared.board().ledger.is_alive(1));
        if let Some((made, count)) = self.kernel.attached_too_often(most) {
            let shown = (BreachKind::Attaches, count, made as u64);
            self.note(step, 0, shown);
        }
    }

    fn look_at_counts(&mut self, step: usize) {
        if let Some((counter, value)) = Counters::below_zero() {
            let shown = (BreachKind::BelowZero, value.cast_unsigned(), 0);
            self.note(step, counter, shown);
        }
        self.look_at_mincore(step);
        self.look_for_evictable(step);
        let shared = self.shared;
        let me = self.me;
        let held = |kernel: &mut Kernel, range: Range| {
            let ledger = &shared.board().ledger;
            let is_plain = range.pages().all(|page| ledger.is_plain(me, page));
            is_plain.then(|| kernel.held(range)).flatten()
        };
        let is_alone = shared.board().ledger.is_alone();
        let is_without_huge = |range: Range| {
            let ledger = &shared.board().ledger;
            ledger.is_without_huge(me, range)
        };
        match self.kernel.smaps(is_alone, is_without_huge, held) {
            Some(Counted::Huge { page, kb }) => {
                self.note(step, page, (BreachKind::HugePage, kb, 0));
            }
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
