//! Progress: locks come back, waiting ends, retries change something.

use super::{At, Check, View};
use crate::finding::{Family, PageState};
use mm_core::{State, TaskId, Wait};

const FAMILY: Family = Family::Progress;

/// An operation that has ended holds no lock and no reference.
#[inline(never)]
pub fn check_nothing_held(view: &View<'_>, task: TaskId) -> Check {
    let t = &view.s.tasks()[task.ix()];
    if t.held.is_empty() && t.refs.is_empty() && t.anon_vma_refs.is_empty() {
        return Ok(());
    }
    let detail = format!(
        "task {} returns with locks {:?}, references {:?}, anon_vma references {:?}",
        task.0, t.held, t.refs, t.anon_vma_refs
    );
    view.finding(FAMILY, "locks-held", detail)
}

/// A task that waits for the end of a migration holds no reference to the page: the migration would
/// count it, and fail.
#[inline(never)]
pub fn check_waiters(view: &View<'_>) -> Check {
    for (id, task) in view.s.tasks().iter().enumerate() {
        let Some(Wait::Unlock(pfn)) = task.waiting else {
            continue;
        };
        if task.refs.contains(&pfn) {
            let detail = format!("task {id} holds a reference to the page that it waits for");
            return view.page_finding(FAMILY, "waiter-reference", pfn, detail);
        }
    }
    Ok(())
}

/// Not all tasks wait for each other.
#[inline(never)]
pub fn check_deadlock(s: &State, at: At) -> Check {
    let waits: Vec<String> = s
        .tasks()
        .iter()
        .enumerate()
        .filter_map(|(id, task)| {
            let wait = task.waiting?;
            Some(format!(
                "task {id} (holding {:?}) waits for {wait:?}",
                task.held
            ))
        })
        .collect();
    at.report(
        FAMILY,
        "deadlock",
        None,
        PageState::default(),
        waits.join("; "),
    )
}

/// A fault that is retried has slept or changed something.
#[inline(never)]
pub fn check_livelock(s: &State, task: TaskId, at: At) -> Check {
    let site = s.tasks()[task.ix()].site;
    let detail = format!(
        "task {} repeats the same fault and nothing changes ({site:?})",
        task.0
    );
    at.report(FAMILY, "livelock", None, PageState::default(), detail)
}

/// A run ends within its budget of steps.
#[inline(never)]
pub fn check_step_budget(at: At, budget: u32) -> Check {
    let detail = format!("not finished after {budget} scheduling points");
    at.report(FAMILY, "step-budget", None, PageState::default(), detail)
}
