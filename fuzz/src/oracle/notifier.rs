//! The contract of mmu notifiers: whoever mirrors an address space hears of each change before it is
//! made, and until it is over.
//!
//! The oracle keeps the list of announced changes itself, from the tracepoints, and lays the log of
//! page-table writes beside them.

use super::{Check, View, page_of};
use crate::describe;
use crate::invariant::Invariant;
use mm_core::{
    DEVICES, DevId, Entry, Event, Identity, LockClasses, MmId, NotifierEvent, Pfn, Pte, PteWrite,
    Softleaf, State, TaskId,
};
use std::fmt;
use std::hash::Hash;

/// A change that is announced and not over.
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

/// The changes under way, and the sequence that each address space had last.
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

    /// Gives what comes next depends on to `id`: of a sequence, how far it has moved since it was last heard of.
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

    /// Replays the tracepoints since the last call, and checks each and the writes between them.
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
        self.check_writes(view, writes, seen..writes.len())?;
        if !self.seqs.is_empty() {
            // a number may come back with another address space
            self.seqs
                .retain(|(mm, _)| view.s.mms().is_live(mm.0.into()));
        }
        Ok(())
    }

    /// Each announcement moves the sequence of each device, by which a reader of the tables knows of it.
    /// A driver that has asked for a page for itself may leave its own alone.
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
        let detail = format!("{what} is announced, and a sequence stays: {seq:?}");
        view.finding(Invariant::AnnouncedSequence, detail)
    }

    /// What ends has begun.
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
        let detail = format!("{bracket} ends, and had not begun");
        view.finding(Invariant::Pairing, detail)
    }

    /// What an operation has announced is over when the operation is.
    #[inline(never)]
    pub(super) fn check_over(&self, view: &View<'_>, task: TaskId) -> Check {
        let Some((_, open)) = self.active.iter().find(|(t, _)| *t == task) else {
            return Ok(());
        };
        let detail = format!("task {} returns, and {open} has not ended", task.0);
        view.finding(Invariant::Pairing, detail)
    }

    /// The writes of `range`. An entry that is cleared and filled at once is one change.
    fn check_writes(
        &self,
        view: &View<'_>,
        writes: &[PteWrite],
        range: std::ops::Range<usize>,
    ) -> Check {
        let mut writes = writes[range].iter().filter(|w| w.level == 0).peekable();
        while let Some(first) = writes.next() {
            let mut write = *first;
            while let Some(next) = writes.next_if(|next| write.new.is_none() && next.at == write.at)
            {
                write.new = next.new;
            }
            if let Some(loss) = loss(write.old, write.new) {
                self.check_bracket(view, &write, loss)?;
            }
        }
        Ok(())
    }

    /// A change that takes a translation or a permission away lies within an announced one, whose event says what
    /// happens: a driver may pass over its own migrations, and keep what only loses permission.
    #[inline(never)]
    fn check_bracket(&self, view: &View<'_>, write: &PteWrite, loss: Loss) -> Check {
        let covers = |b: &Bracket| b.mm == write.mm && (b.first..b.end).contains(&write.addr);
        let mut covering = self.active.iter().map(|(_, b)| b).filter(|b| covers(b));
        let Some(some) = covering.clone().next() else {
            let detail = format!("{}, and nobody was told", change(write));
            return view.finding(Invariant::Bracket, detail);
        };
        if covering.any(|b| says(b, loss, page_of(write.old))) {
            return Ok(());
        }
        let detail = format!("{}, announced as {some}", change(write));
        view.finding(Invariant::AnnouncedEvent, detail)
    }
}

/// What a device that mirrors an entry loses by a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// Write permission; the page stays.
    Write,
    /// The page, which migrates.
    Migrating,
    /// The page, which a device gets for itself.
    Exclusive,
    /// The page.
    Page,
}

fn loss(old: Pte, new: Pte) -> Option<Loss> {
    // page, and whether it may be written
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

/// Does the announcement say as much as the change takes? Pages of a device migrate by the driver of that device alone.
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

fn change(write: &PteWrite) -> String {
    format!(
        "{:?} page {} was {}, becomes {}",
        write.mm,
        write.addr,
        describe::entry(write.old),
        describe::entry(write.new)
    )
}

/// A change has a range, within the address space.
#[inline(never)]
fn check_range(view: &View<'_>, bracket: &Bracket) -> Check {
    if bracket.first < bracket.end && bracket.end <= view.s.geometry().task_size() {
        return Ok(());
    }
    view.finding(Invariant::AnnouncedRange, format!("{bracket} is announced"))
}

/// A migration by address has an owner, who may pass over it, and so has the making of an exclusive entry;
/// nothing else has one.
#[inline(never)]
fn check_owner(view: &View<'_>, bracket: &Bracket) -> Check {
    let owned = matches!(
        bracket.event,
        NotifierEvent::Migrate | NotifierEvent::Exclusive
    );
    if owned == bracket.owner.is_some() {
        return Ok(());
    }
    view.finding(Invariant::AnnouncedOwner, format!("{bracket} is announced"))
}

/// A change is announced with the areas held still: under `mmap_lock` or, of a walk of the reverse
/// map, under the lock of the anon_vma.
#[inline(never)]
fn check_lock(view: &View<'_>, bracket: &Bracket, held: LockClasses) -> Check {
    if held.intersects(LockClasses::MMAP | LockClasses::ANON_VMA) {
        return Ok(());
    }
    let detail = format!(
        "{bracket} is announced by a task that holds {}",
        describe::lock_classes(held)
    );
    view.finding(Invariant::AnnouncedLock, detail)
}
