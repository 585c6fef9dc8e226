//! Oracles: each states one invariant, independently of the code that it checks.
//!
//! An oracle is a function `check_*`. It looks at the state and at the [`Shadow`], the replayed log
//! of page-table writes, and returns a finding or nothing. It never repairs anything. In a fuzzing
//! engine a finding is a panic, raised inside the check itself, because crash deduplicators go by
//! the top frames of the stack.
//!
//! [`Oracles::after_slice`] checks what the last slice touched; [`Oracles::everything`] checks the
//! whole state by brute force.

mod at_rest;
mod coherence;
pub mod contents;
mod counting;
mod entries;
mod gates;
mod holders;
mod meaning;
mod notifier;
mod progress;
mod promise;
mod reverse_map;
mod shadow;
mod swap;
mod view;

use crate::contract::Promise;
use crate::finding::Finding;
use crate::invariant::Changes;
use crate::limits::MAX_THREADS;
use crate::reference::{Pid, Reference};
use crate::shown::Shown;
use mm_core::{
    Event, Folio, Identity, MmId, PageFlags, Pfn, Pte, PteWrite, Softleaf, State, TaskId,
};
use std::hash::Hash;

pub use holders::{HeldRef, Holders};
pub use progress::{check_deadlock, check_livelock, check_step_budget};
#[cfg(test)]
pub use promise::PromisedOf;
pub use shadow::Shadow;
pub use view::{At, View};
pub(crate) use view::{entry_at, page_of};

/// The result of a check: no finding, or one.
pub type Check = Result<(), Box<Finding>>;

/// The folio in the swap cache under the slot of a swap entry.
fn cached_at(s: &State, pte: Pte) -> Option<Folio> {
    match pte.leaf() {
        Some(Softleaf::Swap(slot)) => s.swap().slot(slot).cache,
        _ => None,
    }
}

/// The counters of changes at the end of the last slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    topology: u32,
    swap: u32,
    driver: u32,
}

impl Seen {
    fn of(s: &State) -> Self {
        Self {
            topology: s.topology(),
            swap: s.swap().changes(),
            driver: s.driver_changes(),
        }
    }
}

/// All oracles and their state between slices.
#[derive(Debug, Default)]
pub struct Oracles {
    shadow: Shadow,
    seen: Seen,
    /// Run every check after each slice, whatever changed.
    pub asks_all: bool,
    /// A TLB entry may no longer be backed by the page tables.
    stale: bool,
    brackets: notifier::Brackets,
    changed: at_rest::Changed,
    /// Pages that lost entries in this slice, if the last entry that their folio lost was present.
    /// Also the folios in the swap cache that lost a swap entry in this slice, and lost no mapping
    /// afterwards.
    unmapped: Vec<Pfn>,
    /// The TLB entries that were stale when each thread's operation began, as long as they stay so.
    found_stale: [Vec<promise::Stale>; MAX_THREADS as usize],
}

impl Oracles {
    /// Forgets everything.
    pub fn reset(&mut self) {
        self.shadow.reset();
        self.seen = Seen::default();
        self.stale = false;
        self.brackets.reset();
        self.changed.reset();
        self.unmapped.clear();
        self.found_stale.iter_mut().for_each(Vec::clear);
    }

    /// Feeds the state of the oracles into `id`, after a slice.
    pub fn identify(&self, s: &State, id: &mut impl Identity) {
        let Self {
            shadow,
            seen,
            asks_all: _,
            stale,
            brackets,
            // no operation is under way
            changed: _,
            unmapped: _,
            found_stale: _,
        } = self;
        shadow.identify(id);
        (seen.topology == s.topology(), stale).hash(id);
        brackets.identify(s, id);
    }

    fn view<'a>(&'a self, s: &'a State, holders: &'a Holders, at: At) -> View<'a> {
        View {
            s,
            shadow: &self.shadow,
            holders,
            at,
        }
    }

    /// The replayed log up to now.
    pub fn shadow(&self) -> &Shadow {
        &self.shadow
    }

    /// The kinds of change in the last slice.
    fn changes(&self, s: &State) -> Changes {
        if self.asks_all {
            return Changes::ALL;
        }
        let (seen, now) = (self.seen, Seen::of(s));
        let memmap = s.memmap();
        Changes::NONE
            .or(Changes::ENTRY.when(!s.pte_writes().is_empty()))
            .or(Changes::PAGE.when(!memmap.touched().is_empty() || memmap.wild().is_some()))
            .or(Changes::AREA.when(now.topology != seen.topology))
            .or(Changes::TLB.when(self.stale))
            .or(Changes::DEVICE.when(now.driver != seen.driver))
            .or(Changes::SWAP.when(now.swap != seen.swap))
            .or(Changes::EVENT.when(!s.events().is_empty()))
            .or(Changes::TASK.when(s.tasks().iter().any(|task| task.waiting.is_some())))
    }

    /// Adds to the kinds of change of a slice those that show only after its log has been replayed.
    fn all_changes(&self, changes: Changes) -> Changes {
        changes
            .or(Changes::PAGE.when(!self.shadow.changed().is_empty()))
            .or(Changes::TLB.when(self.stale))
    }

    /// Checks what changed since the last call, then empties the log. A check runs only after a
    /// kind of change that can break an invariant that the check reports: `gates` takes the kinds
    /// from the table.
    ///
    /// The first breach found is the finding, so the order of the checks is a priority: first
    /// single writes and events, which name a culprit, then pages, then whole structures.
    /// Invalidations come before device mappings: if a device was never told of a change, that is
    /// the bug, not the mapping that the device keeps.
    pub fn after_slice(&mut self, s: &mut State, holders: &Holders, at: At) -> Check {
        let changes = self.changes(s);
        if changes == Changes::NONE {
            return Ok(());
        }
        if let Err(finding) = self.check_slice(s, holders, at, changes) {
            let row = finding.invariant.row();
            debug_assert!(
                self.all_changes(changes).intersects(row.concerned),
                "{} is broken by a change that its row does not name",
                finding.invariant
            );
            return Err(finding);
        }
        self.brackets.forget_dead(s);
        for pfn in s.memmap().touched() {
            let head = s.head(s.folio(*pfn));
            // each page of a large folio has the flags of the folio, and keeps them in a split
            for i in 0..1 << s.page(*pfn).order {
                let page = Pfn(pfn.0.wrapping_add(i));
                self.shadow.note(page, s.page(page), head);
            }
        }
        self.shadow.settle();
        self.seen = Seen::of(s);
        s.observed();
        Ok(())
    }

    /// Replays the log of a slice with these kinds of change, and checks what changed.
    fn check_slice(&mut self, s: &State, holders: &Holders, at: At, changes: Changes) -> Check {
        let concern = |kinds| changes.intersects(kinds);
        if concern(gates::WILD)
            && let Some(pfn) = s.memmap().wild()
        {
            counting::check_wild_page(&self.view(s, holders, at), pfn)?;
        }
        if concern(gates::WRITES) {
            self.replay_writes(s, holders, at)?;
        }
        if concern(gates::EVENTS) {
            self.replay_events(s, holders, at)?;
        }
        let changes = self.all_changes(changes);
        self.check_structures(s, holders, at, changes)
    }

    /// Applies the log of page-table writes to the shadow, and checks each write.
    fn replay_writes(&mut self, s: &State, holders: &Holders, at: At) -> Check {
        let mut cleared: Option<PteWrite> = None;
        for write in s.pte_writes().iter().filter_map(|write| write.of_leaf()) {
            if write.level > 0 {
                entries::check_huge_entry(&self.view(s, holders, at), &write)?;
            }
            let taken = cleared.filter(|_| write.old.is_none());
            cleared = write.new.is_none().then_some(write);
            for page in write.by_page(s.geometry()) {
                let taken = taken.map(|from| from.page(page.addr - write.addr));
                self.replay_write(s, holders, at, &page, taken)?;
            }
        }
        Ok(())
    }

    /// Applies the write of the entry of one page to the shadow, and checks it. `taken` is the
    /// previous write, if that write cleared an entry and this write fills an empty one.
    fn replay_write(
        &mut self,
        s: &State,
        holders: &Holders,
        at: At,
        write: &PteWrite,
        taken: Option<PteWrite>,
    ) -> Check {
        self.shadow.apply(write);
        self.changed.entry(write.mm, write.addr);
        if let Some(pfn) = page_of(write.old).filter(|pfn| page_of(write.new) != Some(*pfn)) {
            // the last entry that the folio lost counts
            let folio = s.folio(pfn);
            self.unmapped.retain(|unmapped| s.folio(*unmapped) != folio);
            self.unmapped.extend(write.old.present().map(|_| pfn));
        }
        self.unmapped
            .extend(cached_at(s, write.old).map(Folio::head));
        let before = match taken.filter(|c| c.at == write.at) {
            Some(cleared) => cleared.old,
            None => write.old,
        };
        let view = self.view(s, holders, at);
        entries::check_write(&view, write, before)?;
        counting::check_new_is_mlocked(&view, write, before)?;
        if let Some(from) = taken.filter(|from| from.mm == write.mm && from.at != write.at) {
            entries::check_moved(&view, &from, write)?;
        }
        self.stale = self.stale || coherence::is_remembered(&view, write);
        Ok(())
    }

    /// Applies the tracepoints to the shadow, then checks each.
    fn replay_events(&mut self, s: &State, holders: &Holders, at: At) -> Check {
        for event in s.events() {
            match *event {
                Event::SwapCache { folio } => {
                    let large = s.head(folio).order > 0;
                    self.shadow.cached(folio.head(), large);
                }
                Event::Migrated { src, dst } => self.shadow.migrated(src.head(), dst.head()),
                Event::FolioSplit { folio, pages } => self.shadow.split(folio.head(), pages),
                _ => {}
            }
        }
        let view = self.view(s, holders, at);
        let mut events = s.events().iter();
        events.try_for_each(|event| counting::check_event(&view, event))
    }

    /// Checks the pages that changed, then the structures that these kinds of change concern.
    fn check_structures(
        &mut self,
        s: &State,
        holders: &Holders,
        at: At,
        changes: Changes,
    ) -> Check {
        let concern = |kinds| changes.intersects(kinds);
        let view = View {
            s,
            shadow: &self.shadow,
            holders,
            at,
        };
        if concern(gates::PAGES) {
            let touched = s.memmap().touched().iter();
            let named = self.shadow.changed().iter();
            let only_named = named.filter(|pfn| !s.memmap().is_touched(**pfn));
            for pfn in touched.chain(only_named) {
                check_page(&view, *pfn)?;
            }
        }
        if concern(gates::SPLIT_QUEUE) {
            counting::check_split_queue(&view)?;
        }
        if concern(gates::COUNTERS) {
            for mm in self.shadow.changed_mms() {
                counting::check_rss(&view, mm)?;
            }
        }
        if concern(gates::TOPOLOGY) {
            reverse_map::check_topology(&view)?;
        }
        if concern(gates::PGMAP) {
            counting::check_pgmap_refs(&view)?;
        }
        if concern(gates::SLOTS) {
            swap::check_slots(&view)?;
        }
        if concern(gates::GIVEN_UP) {
            for pfn in self.unmapped.drain(..).filter(|pfn| *pfn != Pfn::ZERO) {
                swap::check_given_up(&view, pfn)?;
            }
        }
        if concern(gates::TRANSLATIONS) {
            self.stale = coherence::check_translations(&view)?;
            for stale in &mut self.found_stale {
                stale.retain(|stale| stale.persists(&view));
            }
        }
        if concern(gates::BRACKETS) {
            self.brackets.replay(&view)?;
        }
        if concern(gates::MAPPINGS) {
            coherence::check_device_mappings(&view)?;
        }
        if concern(gates::WAITERS) {
            progress::check_waiters(&view)?;
        }
        Ok(())
    }

    /// Checks everything by brute force. Call [`Oracles::after_slice`] first: it replays the log.
    pub fn everything(&self, s: &State, holders: &Holders, at: At) -> Check {
        let view = self.view(s, holders, at);
        counting::check_shadow(&view)?;
        for (pfn, _) in s.memmap().iter() {
            check_page(&view, pfn)?;
        }
        for (mm, _) in s.mms().iter() {
            counting::check_rss(&view, mm_core::MmId(mm as u16))?;
        }
        counting::check_free_lists(&view)?;
        counting::check_split_queue(&view)?;
        counting::check_page_tables(&view)?;
        swap::check_slots(&view)?;
        reverse_map::check_topology(&view)?;
        reverse_map::check_walks(&view)?;
        coherence::check_device_mappings(&view)?;
        coherence::check_translations(&view)?;
        Ok(())
    }

    /// Checks what must hold once no operation and no migration is under way.
    pub fn settled(&self, s: &State, holders: &Holders, at: At) -> Check {
        let view = self.view(s, holders, at);
        for (pfn, page) in s.memmap().iter() {
            counting::check_on_lru(&view, pfn, page)?;
        }
        Ok(())
    }

    /// Notes the TLB entries that are stale when an operation begins. Programs of several threads
    /// only.
    pub fn before_operation(&mut self, s: &State, holders: &Holders, task: TaskId, at: At) {
        let found = &mut self.found_stale[task.ix()];
        found.clear();
        if self.stale {
            found.extend(promise::Stale::all(&View {
                s,
                shadow: &self.shadow,
                holders,
                at,
            }));
        }
    }

    /// Checks the promise of an operation that has succeeded.
    pub fn after_promise(
        &self,
        s: &State,
        holders: &Holders,
        task: TaskId,
        promise: &Promise,
        at: At,
    ) -> Check {
        let view = self.view(s, holders, at);
        promise::check_promise(&view, promise, &self.found_stale[task.ix()])
    }

    /// Checks that an operation that has ended holds nothing and has ended its invalidations.
    pub fn after_operation(&self, s: &State, holders: &Holders, task: TaskId, at: At) -> Check {
        let view = self.view(s, holders, at);
        progress::check_nothing_held(&view, task)?;
        self.brackets.check_over(&view, task)
    }

    /// Checks what pagemap or a snapshot showed of pages, after the slice that ended an operation
    /// which ran alone.
    pub fn shown(
        &self,
        s: &State,
        holders: &Holders,
        shown: impl Iterator<Item = (MmId, u64, Shown)>,
        at: At,
    ) -> Check {
        let view = self.view(s, holders, at);
        for (mm, addr, shown) in shown {
            contents::check_shown(&view, mm, addr, shown)?;
        }
        Ok(())
    }

    /// A process has written to its page at `addr`.
    pub fn wrote(&mut self, s: &State, mm: MmId, addr: u64) {
        self.changed.page(s, &self.shadow, mm, addr);
    }

    /// At rest, checks the pages and VMAs that changed since the last call; with `all`, checks all
    /// pages and VMAs.
    pub fn at_rest(
        &mut self,
        s: &State,
        holders: &Holders,
        model: &Reference,
        pid_of: impl Fn(MmId) -> Option<Pid>,
        all: bool,
        at: At,
    ) -> Check {
        let view = View {
            s,
            shadow: &self.shadow,
            holders,
            at,
        };
        self.changed.check(&view, model, &pid_of)?;
        if all {
            at_rest::check_everything(&view, model, &pid_of)?;
        }
        Ok(())
    }

    /// Checks that nothing is left when all processes are gone.
    pub fn after_exit(&self, s: &State, holders: &Holders, at: At) -> Check {
        counting::check_leaks(&self.view(s, holders, at))
    }
}

fn check_page(view: &View<'_>, pfn: Pfn) -> Check {
    if pfn == Pfn::ZERO {
        return counting::check_zero_page(view);
    }
    let page = view.s.page(pfn);
    let folio = view.s.folio(pfn);
    let head = view.s.head(folio);
    counting::check_mlock(view, folio.head(), head)?;
    if page.has(PageFlags::FREE) {
        counting::check_free_page(view, pfn, page)?;
        return coherence::check_freed_translation(view, pfn);
    }
    counting::check_mapcount(view, pfn, page)?;
    if head.order > 0 {
        counting::check_large_mapcount(view, folio, head)?;
        counting::check_partially_mapped(view, folio, head)?;
    }
    if folio.head() != pfn {
        counting::check_tail(view, pfn, page)?;
    }
    counting::check_refcount(view, folio, head)?;
    counting::check_lru(view, folio.head(), head)?;
    counting::check_charge(view, folio.head(), head)?;
    swap::check_cached_page(view, folio.head(), head)?;
    reverse_map::check_exclusive(view, pfn)?;
    reverse_map::check_reachable(view, pfn)?;
    entries::check_entries(view, pfn)
}
