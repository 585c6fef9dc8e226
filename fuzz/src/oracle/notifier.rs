//! The contract of mmu notifiers: a driver that mirrors an address space is told before a change
//! starts and again when it is over.
//!
//! The oracle keeps its own list of announced invalidations, from the tracepoints, and compares it
//! with the log of page-table writes.

use super::{Check, View, page_of};
use crate::describe;
use crate::invariant::Invariant;
use mm_core::{
    DEVICES, DevId, Entry, Event, Identity, LockClasses, MmId, NotifierEvent, Pfn, Pte, PteWrite,
    Softleaf, State, TaskId,
};
use std::fmt;
use std::hash::Hash;

/// An invalidation that has started and not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bracket {
    mm: MmId,
    first: u64,
    end: u64,
    event: NotifierEvent,
    owner: Option<DevId>,
}

impl fmt::Display for Bracket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            mm,
            first,
            end,
            event,
            owner,
        } = self;
        write!(f, "{event:?} of {mm:?} pages {first} to {end}")?;
        match owner {
            Some(owner) => write!(f, " by {owner:?}"),
            None => Ok(()),
        }
    }
}

/// The invalidations under way, and the last sequence numbers of each address space.
#[derive(Debug, Default)]
pub struct Brackets {
    active: Vec<(TaskId, Bracket)>,
    seqs: Vec<(MmId, [u64; DEVICES])>,
}

impl Brackets {
    pub(super) fn reset(&mut self) {
        self.active.clear();
        self.seqs.clear();
    }

    /// Feeds everything that later checks depend on into `id`: the number of invalidations under
    /// way and, for each sequence number, how far it has moved since the last invalidation that the
    /// oracle saw.
    pub(super) fn identify(&self, s: &State, id: &mut impl Identity) {
        let Self { active, seqs } = self;
        active.len().hash(id);
        for (mm, space) in s.mms().iter() {
            let known = seqs.iter().find(|(known, _)| u32::from(known.0) == mm);
            let last = known.map_or([0; DEVICES], |(_, last)| *last);
            for (seq, last) in space.notifier.seq.into_iter().zip(last) {
                seq.wrapping_sub(last).hash(id);
            }
        }
    }

    /// Replays the tracepoints since the last call, and checks each of them and the writes between
    /// them.
    pub(super) fn replay(&mut self, view: &View<'_>) -> Check {
        let writes = view.s.pte_writes();
        let mut seen = 0;
        for event in view.s.events() {
            let Event::Invalidate {
                task,
                start,
                mm,
                first,
                end,
                event,
                owner,
                seq,
                held,
                writes: until,
            } = *event
            else {
                continue;
            };
            self.check_writes(view, writes, seen..until)?;
            seen = until;
            let bracket = Bracket {
                mm,
                first,
                end,
                event,
                owner,
            };
            if start {
                check_range(view, &bracket)?;
                check_owner(view, &bracket)?;
                check_lock(view, &bracket, held)?;
                self.check_sequence(view, &bracket, seq)?;
                self.active.push((task, bracket));
            } else {
                self.check_end(view, task, &bracket)?;
            }
        }
        self.check_writes(view, writes, seen..writes.len())
    }

    /// Forgets the sequence numbers of address spaces that are gone: another address space may get
    /// the same number.
    pub(super) fn forget_dead(&mut self, s: &State) {
        if !self.seqs.is_empty() {
            self.seqs.retain(|(mm, _)| s.mms().is_live(mm.0.into()));
        }
    }

    /// Each invalidation advances the sequence number of each device, so that a reader of the page
    /// tables notices it. The device that asked for exclusive access may leave its own number
    /// alone.
    #[inline(never)]
    fn check_sequence(&mut self, view: &View<'_>, what: &Bracket, seq: [u64; DEVICES]) -> Check {
        let mm = what.mm;
        let known = self.seqs.iter_mut().find(|(known, _)| *known == mm);
        let last = known.as_ref().map_or([0; DEVICES], |(_, last)| *last);
        match known {
            Some((_, last)) => *last = seq,
            None => self.seqs.push((mm, seq)),
        }
        let asked = what
            .owner
            .filter(|_| what.event == NotifierEvent::Exclusive);
        let moves = |dev: usize| seq[dev] > last[dev] || asked == Some(DevId(dev as u8));
        if (0..DEVICES).all(moves) {
            return Ok(());
        }
        let detail = format!("{what} starts, but a sequence number does not advance: {seq:?}");
        view.finding(Invariant::AnnouncedSequence, detail)
    }

    /// An operation ends only invalidations that it has started.
    #[inline(never)]
    fn check_end(&mut self, view: &View<'_>, task: TaskId, bracket: &Bracket) -> Check {
        let active = self.active.iter();
        if let Some(i) = active
            .clone()
            .rposition(|(t, b)| *t == task && b == bracket)
        {
            self.active.remove(i);
            return Ok(());
        }
        let detail = format!("{bracket} ends, but had not begun");
        view.finding(Invariant::Pairing, detail)
    }

    /// Before an operation returns, it ends each invalidation that it has started.
    #[inline(never)]
    pub(super) fn check_over(&self, view: &View<'_>, task: TaskId) -> Check {
        let Some((_, open)) = self.active.iter().find(|(t, _)| *t == task) else {
            return Ok(());
        };
        let detail = format!("task {} returns, but {open} has not ended", task.0);
        view.finding(Invariant::Pairing, detail)
    }

    /// Checks the writes of `range`. An entry that is cleared and filled at once counts as one
    /// change.
    fn check_writes(
        &self,
        view: &View<'_>,
        writes: &[PteWrite],
        range: std::ops::Range<usize>,
    ) -> Check {
        let mut writes = writes[range].iter().filter_map(|w| w.of_leaf()).peekable();
        while let Some(first) = writes.next() {
            let mut write = first;
            while let Some(next) = writes.next_if(|next| write.new.is_none() && next.at == write.at)
            {
                write.new = next.new;
            }
            for page in write.by_page(view.s.geometry()) {
                if let Some(loss) = loss(page.old, page.new) {
                    self.check_bracket(view, &page, loss)?;
                }
            }
        }
        Ok(())
    }

    /// A change that removes a translation or a permission lies within an announced invalidation,
    /// and the event of that invalidation allows the loss. Drivers rely on the event: they may
    /// ignore their own migrations, and keep a mapping that only loses permission.
    #[inline(never)]
    fn check_bracket(&self, view: &View<'_>, write: &PteWrite, loss: Loss) -> Check {
        let covers = |b: &Bracket| b.mm == write.mm && (b.first..b.end).contains(&write.addr);
        let mut covering = self.active.iter().map(|(_, b)| b).filter(|b| covers(b));
        let Some(some) = covering.clone().next() else {
            let detail = format!("{}, but no invalidation covers it", change(view, write));
            return view.finding(Invariant::Bracket, detail);
        };
        if covering.any(|b| says(b, loss, page_of(write.old))) {
            return Ok(());
        }
        let detail = format!("{}, announced as {some}", change(view, write));
        view.finding(Invariant::AnnouncedEvent, detail)
    }
}

/// What a device that mirrors an entry loses when the entry changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// It loses write permission; the page stays.
    Write,
    /// It loses the page, which migrates.
    Migrating,
    /// It loses the page, because a device gets exclusive access.
    Exclusive,
    /// It loses the page for another reason.
    Page,
}

fn loss(old: Pte, new: Pte) -> Option<Loss> {
    // the page, and whether it is writable
    let mapped = |pte: Pte| match (pte.decode(), pte.leaf()) {
        (Entry::Present(p), _) if !p.protnone() => Some((p.pfn(), p.write())),
        (_, Some(Softleaf::DevicePrivate { write, pfn })) => Some((pfn, write)),
        (_, Some(Softleaf::DeviceExclusive { pfn, .. })) => Some((pfn, true)),
        _ => None,
    };
    let (page, write) = mapped(old)?;
    let is_exclusive = |pte: Pte| matches!(pte.leaf(), Some(Softleaf::DeviceExclusive { .. }));
    match (mapped(new), new.leaf()) {
        _ if is_exclusive(new) && !is_exclusive(old) => Some(Loss::Exclusive),
        (Some((now, writable)), _) if now == page => (write && !writable).then_some(Loss::Write),
        (_, Some(Softleaf::Migration(_) | Softleaf::DevicePrivate { .. })) => Some(Loss::Migrating),
        (None, _) if new.present().is_some_and(|p| p.pfn() == page) => Some(Loss::Write),
        _ => Some(Loss::Page),
    }
}

/// True if the event allows the loss. A device page migrates only under an invalidation owned by
/// its device.
fn says(bracket: &Bracket, loss: Loss, page: Option<Pfn>) -> bool {
    use NotifierEvent::{
        Clear, Exclusive, Migrate, ProtectionPage, ProtectionVma, SoftDirty, Unmap,
    };
    match bracket.event {
        Unmap | Clear => true,
        Migrate => {
            let device = page.and_then(Pfn::device);
            loss == Loss::Migrating && (device.is_none() || device == bracket.owner)
        }
        Exclusive => loss == Loss::Exclusive,
        ProtectionVma | ProtectionPage | SoftDirty => loss == Loss::Write,
    }
}

fn change(view: &View<'_>, write: &PteWrite) -> String {
    format!(
        "{} was {}, becomes {}",
        view.place(write.mm, write.addr),
        describe::entry(write.old),
        describe::entry(write.new)
    )
}

/// An invalidation has a non-empty range within the address space.
#[inline(never)]
fn check_range(view: &View<'_>, bracket: &Bracket) -> Check {
    if bracket.first < bracket.end && bracket.end <= view.s.geometry().task_size() {
        return Ok(());
    }
    let detail = format!("{bracket} starts, but its range is empty or leaves the address space");
    view.finding(Invariant::AnnouncedRange, detail)
}

/// Invalidations for migration by address and for exclusive access have an owner, which may ignore
/// them. No other invalidation has an owner.
#[inline(never)]
fn check_owner(view: &View<'_>, bracket: &Bracket) -> Check {
    let owned = matches!(
        bracket.event,
        NotifierEvent::Migrate | NotifierEvent::Exclusive
    );
    if owned == bracket.owner.is_some() {
        return Ok(());
    }
    let detail = format!(
        "{bracket} starts, but only migration by address and exclusive access have an owner"
    );
    view.finding(Invariant::AnnouncedOwner, detail)
}

/// An invalidation starts with the VMAs held still: under `mmap_lock` or, in an rmap walk, under
/// the anon_vma lock.
#[inline(never)]
fn check_lock(view: &View<'_>, bracket: &Bracket, held: LockClasses) -> Check {
    if held.intersects(LockClasses::MMAP | LockClasses::ANON_VMA) {
        return Ok(());
    }
    let detail = format!(
        "{bracket} starts in a task that holds {}",
        describe::lock_classes(held)
    );
    view.finding(Invariant::AnnouncedLock, detail)
}
