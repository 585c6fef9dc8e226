//! Progress: locks are released, waiting ends, and retries get further.

use super::{At, Check, View, page_of};
use crate::describe;
use crate::finding::PageState;
use crate::invariant::{Invariant, Standstill, Way};
use mm_core::{Lock, LockClasses, MmId, PageFlags, State, TaskId, Wait};

/// An operation that has ended holds no lock, no reference and no pin, and owes no flush.
#[inline(never)]
pub fn check_nothing_held(view: &View<'_>, task: TaskId) -> Check {
    let t = &view.s.tasks()[task.ix()];
    let flushed = t.gather.mm.is_none() && t.batch.mms.is_empty();
    let pages = t.refs.is_empty() && t.pins.is_empty() && flushed;
    if t.held.is_empty() && pages && t.anon_vma_refs.is_empty() {
        return Ok(());
    }
    let way = match () {
        () if !t.held.is_empty() => Way::HoldsLock,
        () if !t.refs.is_empty() => Way::HoldsReference,
        () if !t.pins.is_empty() => Way::HoldsPin,
        () if !t.anon_vma_refs.is_empty() => Way::HoldsAnonVma,
        () => Way::OwesFlush,
    };
    let detail = format!(
        "task {} returns with {}, references {:?}, pins {:?}, anon_vma references {:?}, flushes \
         owed to {:?} and {:?}",
        task.0,
        describe::locks(&t.held),
        t.refs,
        t.pins,
        t.anon_vma_refs,
        t.gather.mm,
        t.batch.mms
    );
    view.finding(Invariant::LocksHeld.by(way), detail)
}

/// A task that waits for a migration to end holds no reference to the page: the migration would
/// count that reference and fail. The lock order holds for such a task as if it took the folio
/// lock.
#[inline(never)]
pub fn check_waiters(view: &View<'_>) -> Check {
    for (id, task) in view.s.tasks().iter().enumerate() {
        let Some(Wait::Unlock(folio)) = task.waiting else {
            continue;
        };
        let held = task.held.iter().map(|lock| lock.class());
        let held = held.fold(LockClasses::empty(), LockClasses::union);
        check_lock_order(view, TaskId(id as u8), Lock::Folio(folio), held)?;
        if task.refs.contains(&folio) {
            let detail =
                format!("task {id} waits for the migration of a page that it holds a reference to");
            let broken = Invariant::WaiterReference.by(Way::WaitsWithReference);
            return view.page_finding(broken, folio.head(), detail);
        }
    }
    Ok(())
}

/// A task takes sleeping locks in the order `mmap_lock`, folio lock, anon_vma lock, at most one of
/// each. This order rules out deadlocks. The check runs where a lock is taken, whether or not
/// another task wants it. A trylock never waits, so it is exempt.
#[inline(never)]
pub fn check_lock_order(view: &View<'_>, task: TaskId, lock: Lock, held: LockClasses) -> Check {
    // dup_mmap: no other task knows the child yet
    let nested = view.at.op.forks && matches!(lock, Lock::MmapWrite(_));
    let inner = match lock.class() {
        LockClasses::MMAP if nested => LockClasses::all() - LockClasses::MMAP,
        LockClasses::MMAP => LockClasses::all(),
        LockClasses::FOLIO => LockClasses::FOLIO | LockClasses::ANON_VMA,
        class => class,
    };
    if !held.intersects(inner) {
        return Ok(());
    }
    let detail = format!(
        "task {} takes the {} while it holds {}",
        task.0,
        describe::lock(lock),
        describe::lock_classes(held)
    );
    let way = Way::Takes(lock.into(), held);
    view.finding(Invariant::LockOrder.by(way), detail)
}

/// All tasks wait for each other: reports the deadlock.
#[inline(never)]
pub fn check_deadlock(s: &State, at: At) -> Check {
    let waits: Vec<String> = s
        .tasks()
        .iter()
        .enumerate()
        .filter_map(|(id, task)| {
            let wait = task.waiting?;
            Some(format!(
                "task {id} (holding {}) waits for {}",
                describe::locks(&task.held),
                describe::wait(wait)
            ))
        })
        .collect();
    let waiting = s
        .tasks()
        .iter()
        .filter_map(|task| Some((task, task.waiting?)));
    let standstill = waiting.fold(Standstill::default(), |all, (task, wait)| {
        let held = task.held.iter().map(|lock| lock.class());
        all.and(
            held.fold(LockClasses::empty(), LockClasses::union),
            wait.into(),
        )
    });
    at.report(
        Invariant::Deadlock.by(Way::Waits(standstill)),
        None,
        PageState::default(),
        waits.join("; "),
    )
}

/// A task has retried a fault without sleeping and without a change in between: reports the
/// livelock.
#[inline(never)]
pub fn check_livelock(view: &View<'_>, task: TaskId, mm: MmId, addr: u64) -> Check {
    let site = view.s.tasks()[task.ix()].site;
    let page = page_of(view.entry_at(mm, addr));
    let is_locked = |page| view.head(page).has(PageFlags::LOCKED);
    let locked = page.is_some_and(is_locked);
    let detail = format!(
        "task {} repeats the same fault{} while nothing changes, in {}",
        task.0,
        if locked { " on a locked page" } else { "" },
        describe::site(site)
    );
    let broken = Invariant::Livelock.by(Way::Repeats(locked, site));
    view.page_finding(broken, page, detail)
}

/// A run has exceeded its budget of scheduling points: reports that.
#[inline(never)]
pub fn check_step_budget(at: At, budget: u32) -> Check {
    let detail = format!("not finished after {budget} scheduling points");
    at.report(
        Invariant::StepBudget.by(Way::OverBudget),
        None,
        PageState::default(),
        detail,
    )
}
