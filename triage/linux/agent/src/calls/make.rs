//! A process makes a call, and tells the ledger.

use super::{Process, kernel, trace_of};
use mm_linux_calls::{BreachKind, Call, PAGES, Step};
use std::sync::atomic::Ordering;

impl Process<'_> {
    /// Makes a call, and tells the ledger.
    pub(super) fn make(&mut self, at: usize, step: &Step) {
        let board = self.shared.board();
        let call = &step.call;
        let mut result = 0;
        let mappings = Self::mappings_before(step);
        let file = self.kernel.file_before(call);
        let fresh = std::mem::take(&mut self.fresh);
        let awaiting = self.awaiting_before(call);
        let is_excused = self.is_excused(step);
        if at == 0 && self.job.program.file_flags() & !4 != 0 {
            // what the memfd is like at first
            let _ = self.kernel.unsealed(None, false);
        }
        self.kernel.fail_next(call, step.fail);
        self.kernel.begin(Some(call));
        match *call {
            _ if call.is_access() || call.writes_as_device() => {
                let (target, pid) = self.target(call);
                let done = self.kernel.perform(call, at, pid);
                result = done.result;
                let got = done.accesses.iter().find(|(_, access)| access.is_ok());
                let got = match call {
                    _ if call.writes_as_device() => result == 0,
                    Call::VmRead(_)
                    | Call::FarRead(_)
                    | Call::VmWrite(_)
                    | Call::MemRead(_)
                    | Call::MemWrite(_) => {
                        let ledger = &board.ledger;
                        got.is_some_and(|_| {
                            done.accesses.iter().any(|(page, access)| {
                                let one = Call::Pin(mm_linux_calls::Range::new(*page as u16, 1));
                                ledger.exposed(target, &one, access.is_ok()).is_some()
                            })
                        })
                    }
                    _ => false,
                };
                if let Some(page) = board.ledger.exposed(target, call, got) {
                    self.note(at, page, (BreachKind::Exposed, 0, 0));
                }
                let outcome = (board.ledger).check_outcome(self.me, call, result, is_excused);
                if let Some((page, shown)) = outcome {
                    self.note(at, page, shown);
                }
                for (page, shown) in board.ledger.tell(target, call, at, &done, step.fail > 0) {
                    self.note(at, page, shown);
                }
            }
            Call::RwProtect(range, on) => {
                let mut entries = [0; PAGES as usize];
                let entries = &mut entries[..usize::from(range.len)];
                let is_shown = self.kernel.pagemap(range.first.into(), entries);
                (result, _) = self.kernel.call(call, at);
                self.look_for_change(at, call, result, if is_shown { entries } else { &[] });
                board.ledger.apply(self.me, call, result, at, 0);
                for (page, entry) in range.pages().zip(entries).filter(|_| on && result == 0) {
                    let was_present = is_shown && *entry & kernel::PRESENT != 0;
                    board.ledger.rw_protected(self.me, page, was_present);
                }
                self.look_at_waiters(at, Some((call, result, 0)));
            }
            Call::Start { range, writes } => {
                board.ledger.apply(self.me, call, 0, at, 0);
                self.start(at, range, writes);
            }
            Call::Scan { .. } => {
                board.ledger.apply(self.me, call, 0, at, 0);
                result = self.scan(at, call);
            }
            Call::Fork => {
                if board.ledger.is_alive(1) {
                    return;
                }
                result = self.fork(at);
                self.look_at_events(at, call, result, &[]);
                board.ledger.apply(self.me, call, result, at, 0);
            }
            _ => {
                let done;
                let before = self.entries_before(call);
                let protection = self.protection_before(call);
                let empty = self.empty_before(call);
                let resident = self.resident_before(call);
                (result, done) = self.kernel.call(call, at);
                self.look_at_resident(at, call, resident);
                if let Some(page) = board.ledger.exposed(self.me, call, result == 0) {
                    self.note(at, page, (BreachKind::Exposed, 0, 0));
                }
                self.look_at_locks(at, step, result);
                if let Some((i, status, node)) = self.kernel.misplaced.take() {
                    let first = call.range().map_or(0, |range| usize::from(range.first));
                    let shown = (BreachKind::MoveStatus, status as u64, node as u64);
                    self.note(at, first + i, shown);
                }
                self.look_at_events(at, call, result, &before);
                self.look_for_change(at, call, result, &protection);
                self.look_at_device(at, call, result);
                let outcome = (board.ledger).check_outcome(self.me, call, result, is_excused);
                if let Some((page, shown)) = outcome {
                    self.note(at, page, shown);
                }
                board.ledger.apply(self.me, call, result, at, done);
                self.look_for_filled(at, call, result);
                self.look_for_pages(at, call, result);
                self.look_at_waiters(at, Some((call, result, done)));
                if let Call::Advise(..) | Call::HugeOff(_) = call {
                    for page in empty.into_iter().filter(|_| result == 0) {
                        board.ledger.is_never_huge(self.me, page);
                    }
                } else if result == 0 {
                    self.fresh = empty;
                }
            }
        }
        self.kernel.begin(None);
        self.look_for_intruders(at, &awaiting);
        self.look_at_nodes(at, call, &fresh);
        self.look_at_limits(at, call, result);
        if let Some(file) = file.filter(|_| result < 0)
            && let Some((which, now, before)) = self.kernel.file_changed(&file)
        {
            self.note(at, which, (BreachKind::FailedFile, now, before));
        }
        // a failure that did not happen must not reach a later call
        self.kernel.fail_next(call, 0);
        self.look_at_mappings(at, call, result, mappings.as_ref());
        self.shared.results[at].store(result, Ordering::SeqCst);
    }

    /// Forks. The child begins with the step after `at`. Returns 0 or a negative error number.
    pub(super) fn fork(&mut self, at: usize) -> i32 {
        // SAFETY: only this thread goes on in the child, where libc's allocator works.
        match self.kernel.failing(|_| unsafe { libc::fork() }) {
            -1 => return kernel::errno(),
            0 => {
                self.me = 1;
                self.waiters.clear();
                self.kernel.forked(trace_of(self.traces, 1));
                while self.shared.turn.load(Ordering::SeqCst) <= 2 * at as u32 {
                    self.shared.rest(2 * at as u32);
                }
                self.pass(2 * at as u32 + 2);
                self.run(at + 1);
            }
            pid => self.shared.pids[1].store(pid, Ordering::SeqCst),
        }
        0
    }

    /// The process whose pages a call accesses, and its number.
    pub(super) fn target(&self, call: &Call) -> (usize, i32) {
        let is_far = matches!(call, Call::VmWrite(_) | Call::VmRead(_) | Call::FarRead(_));
        let is_other = is_far && self.shared.board().ledger.is_alive(1);
        let target = if is_other { 1 - self.me } else { self.me };
        (target, self.shared.pids[target].load(Ordering::SeqCst))
    }

    /// PAGEMAP_SCAN must report the pages that pagemap shows.
    fn scan(&mut self, at: usize, call: &Call) -> i32 {
        let Call::Scan {
            range,
            categories,
            protect,
            blind,
            limit,
        } = *call
        else {
            return 0;
        };
        let mut entries = [0; PAGES as usize];
        let entries = &mut entries[..usize::from(range.len)];
        let is_shown = self.kernel.pagemap(range.first.into(), entries);
        let scan = kernel::Scan {
            range,
            categories,
            protect,
            blind,
            limit,
        };
        let is_hidden = categories >> kernel::SHOWN_CATEGORIES != 0;
        let plain = is_hidden.then(|| {
            let plain = kernel::Scan {
                protect: false,
                blind: false,
                limit: 0,
                ..scan
            };
            self.kernel.scan(plain)
        });
        let (result, found, behind) = self.kernel.scan(scan);
        if let Some(behind) = behind {
            self.note(at, behind, (BreachKind::WalkEnd, 0, 0));
        }
        let is_whole = found.len() == usize::from(range.len);
        if protect && (result != 0 || !is_shown || !is_whole) {
            self.shared.board().ledger.may_be_scanned(self.me, range);
        }
        if result != 0 || !is_shown {
            return result;
        }
        for (i, (page, is_found)) in range.pages().zip(found).enumerate() {
            let has = kernel::categories(entries[i]);
            let board = self.shared.board();
            // what pagemap does not show, a scan without a limit and without protection shows
            let matches = match &plain {
                Some((0, plain, _)) => plain.get(i) == Some(&true),
                Some(_) => is_found,
                None => categories != 0 && has & categories == categories,
            };
            if protect {
                // a scan without a vector protects what it would report
                if is_found || blind && matches && self.job.program.wp_async {
                    board.ledger.scanned(self.me, page);
                }
            }
            if !blind
                && board.ledger.is_scanned(self.me, page, protect)
                && categories != 0
                && matches != is_found
            {
                let shown = (BreachKind::Scan, entries[i], u64::from(categories));
                self.note(at, page, shown);
            }
        }
        0
    }
}
