//! A process makes a call, and tells the ledger.

use super::{Process, kernel, trace_of};
use mm_linux_calls::{BreachKind, Call, PAGES, Range, Step};
use std::sync::atomic::Ordering;

impl Process<'_> {
    /// Makes a call, and tells the ledger.
    pub(super) fn make(&mut self, at: usize, step: &Step) {
        let board = self.shared.board();
        let call = &step.call;
        let mut result = 0;
        let mappings = Self::mappings_before(step);
        let fresh = std::mem::take(&mut self.fresh);
        if at == 0 && self.job.program.file_flags() & !4 != 0 {
            // what the memfd is like at first
            let _ = self.kernel.unsealed();
        }
        self.kernel.fail_next(call, step.fail);
        match *call {
            Call::Write(range)
            | Call::WriteZero(range)
            | Call::MemWrite(range)
            | Call::WriteAlternate(range) => {
                board.ledger.apply(self.me, call, 0, at, 0);
                let forced = matches!(call, Call::MemWrite(_));
                let mut may_fail = step.fail > 0;
                let is_alternate = matches!(call, Call::WriteAlternate(_));
                for page in range.pages().step_by(1 + usize::from(is_alternate)) {
                    let word = match call {
                        Call::WriteZero(_) => 0,
                        _ => Range::word(at, page),
                    };
                    let wrote = self.kernel.write(page, word, forced);
                    let ok = wrote.is_ok();
                    let excused = forced || std::mem::take(&mut may_fail) && !ok;
                    let shown = board.ledger.has_written(self.me, page, word, ok, excused);
                    result = wrote.err().filter(|_| result == 0).unwrap_or(result);
                    if let Some(shown) = shown {
                        self.note(at, page, shown);
                    }
                }
            }
            Call::VmWrite(range) => {
                let target = if board.ledger.is_alive(1) {
                    1 - self.me
                } else {
                    self.me
                };
                let pid = self.shared.pids[target].load(Ordering::SeqCst);
                board.ledger.apply(target, call, 0, at, 0);
                let mut may_fail = step.fail > 0;
                for page in range.pages() {
                    let word = Range::word(at, page);
                    let wrote = self.kernel.write_into(pid, page, word);
                    let ok = wrote.is_ok();
                    let excused = std::mem::take(&mut may_fail) && !ok;
                    let shown = board.ledger.has_written(target, page, word, ok, excused);
                    result = wrote.err().filter(|_| result == 0).unwrap_or(result);
                    if let Some(shown) = shown {
                        self.note(at, page, shown);
                    }
                }
            }
            Call::MemRead(range) | Call::VmRead(range) => {
                let is_other = matches!(call, Call::VmRead(_)) && board.ledger.is_alive(1);
                let target = if is_other { 1 - self.me } else { self.me };
                let pid = self.shared.pids[target].load(Ordering::SeqCst);
                board.ledger.apply(target, call, 0, at, 0);
                for page in range.pages() {
                    let read = match call {
                        Call::VmRead(_) => self.kernel.read_from(pid, page),
                        _ => self.kernel.read_memory(page),
                    };
                    result = read.err().filter(|_| result == 0).unwrap_or(result);
                    let read = read.ok();
                    // only this way of reading makes a stack grow
                    let grows = read.is_some() && matches!(call, Call::MemRead(_));
                    let grown = grows.then(|| board.ledger.grow(target, page)).flatten();
                    let shown = read.and_then(|got| board.ledger.check_word(target, page, got));
                    if let Some(shown) = grown.or(shown) {
                        self.note(at, page, shown);
                    }
                }
            }
            Call::FileRead(range) => {
                for page in range.pages() {
                    let read = self.kernel.read_file(page);
                    result = read.err().filter(|_| result == 0).unwrap_or(result);
                    let read = read.ok();
                    let shown = read.and_then(|got| board.ledger.check_file_word(page, got));
                    if let Some(shown) = shown {
                        self.note(at, page, shown);
                    }
                }
                board.ledger.apply(self.me, call, 0, at, 0);
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
            Call::Read(range) => {
                board.ledger.apply(self.me, call, 0, at, 0);
                let mut may_fail = step.fail > 0;
                for page in range.pages() {
                    let read = self.kernel.read(page);
                    result = read.err().filter(|_| result == 0).unwrap_or(result);
                    if std::mem::take(&mut may_fail) && read.is_err() {
                        continue;
                    }
                    let shown = board.ledger.has_read(self.me, page, read.ok());
                    if let Some(shown) = shown {
                        self.note(at, page, shown);
                    }
                }
            }
            Call::DeviceWrite(range) => {
                result = self.kernel.device(call, at);
                board.ledger.apply(self.me, call, result, at, 0);
                let breach = board
                    .ledger
                    .device_has_written(self.me, range, at, result == 0);
                if let Some((page, shown)) = breach {
                    self.note(at, page, shown);
                }
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
                // SAFETY: only this thread goes on in the child, where libc's allocator works.
                match self.kernel.failing(|_| unsafe { libc::fork() }) {
                    -1 => result = kernel::errno(),
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
                self.look_at_events(at, call, result, &[]);
                board.ledger.apply(self.me, call, result, at, 0);
            }
            _ => {
                let done;
                let before = self.entries_before(call);
                let protection = self.protection_before(call);
                let empty = self.empty_before(call);
                (result, done) = self.kernel.call(call, at);
                self.look_at_events(at, call, result, &before);
                self.look_for_change(at, call, result, &protection);
                board.ledger.apply(self.me, call, result, at, done);
                self.look_for_filled(at, call, result);
                self.look_for_pages(at, call, result);
                self.look_at_waiters(at, Some((call, result, done)));
                self.fresh = if result == 0 { empty } else { Vec::new() };
            }
        }
        self.look_at_nodes(at, call, &fresh);
        self.look_at_limits(at, call, result);
        // a failure that did not happen must not reach a later call
        self.kernel.fail_next(call, 0);
        self.look_at_mappings(at, call, result, mappings.as_ref());
        self.shared.results[at].store(result, Ordering::SeqCst);
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
        let (result, found, behind) = self.kernel.scan(kernel::Scan {
            range,
            categories,
            protect,
            blind,
            limit,
        });
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
            let matches = categories != 0 && has & categories == categories;
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
