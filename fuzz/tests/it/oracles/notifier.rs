//! Invalidations made by hand. Where a case removes an entry, it is one of the zero page: no count
//! includes that, so no other oracle reports first.

use super::cases::Case;
use super::lab::Lab;
use mm_core::{DevId, Event, LockClasses, NotifierEvent, Pte, TaskId};
use mm_fuzz::oracle::Check;
use mm_fuzz::program::OpKind;
use std::ops::Range;

/// All cases.
pub const CASES: &[Case] = &[
    ("notifier/bracket", page_goes_unannounced),
    ("notifier/bracket", another_page_is_announced),
    ("notifier/event", page_goes_where_protection_is_announced),
    ("notifier/event", page_goes_where_a_migration_is_announced),
    ("notifier/range", announced_range_is_empty),
    ("notifier/range", announced_range_ends_outside),
    ("notifier/owner", migration_has_no_owner),
    ("notifier/owner", unmap_has_an_owner),
    ("notifier/sequence", sequence_stays),
    ("notifier/pairing", end_without_a_start),
    ("notifier/pairing", start_without_an_end),
];

fn announced(lab: &Lab<'_>, why: NotifierEvent, whose: Option<DevId>, range: Range<u64>) -> Event {
    Event::Invalidate {
        task: TaskId(0),
        start: true,
        mm: lab.mm,
        first: range.start,
        end: range.end,
        event: why,
        owner: whose,
        seq: [1; 2],
        held: LockClasses::MMAP,
        writes: lab.kernel.state().pte_writes().len(),
    }
}

fn page_goes(
    lab: &mut Lab<'_>,
    event: Option<(NotifierEvent, Option<DevId>, Range<u64>)>,
) -> Check {
    let mm = lab.mm;
    lab.run(OpKind::Read, async |cur| {
        cur.user_access(mm, 0, None).await.unwrap();
    });
    lab.tamper(|t| t.forget_translations());
    if let Some((why, whose, range)) = event {
        let event = announced(lab, why, whose, range);
        lab.tamper(|t| t.event(event));
    }
    lab.set_pte(0, Pte::NONE);
    lab.slice()
}

fn page_goes_unannounced(lab: &mut Lab<'_>) -> Check {
    page_goes(lab, None)
}

fn another_page_is_announced(lab: &mut Lab<'_>) -> Check {
    page_goes(lab, Some((NotifierEvent::Clear, None, 1..2)))
}

fn page_goes_where_protection_is_announced(lab: &mut Lab<'_>) -> Check {
    page_goes(lab, Some((NotifierEvent::ProtectionVma, None, 0..1)))
}

fn page_goes_where_a_migration_is_announced(lab: &mut Lab<'_>) -> Check {
    page_goes(lab, Some((NotifierEvent::Migrate, Some(DevId(0)), 0..1)))
}

fn announce(
    lab: &mut Lab<'_>,
    why: NotifierEvent,
    whose: Option<DevId>,
    range: Range<u64>,
) -> Check {
    let event = announced(lab, why, whose, range);
    lab.tamper(|t| t.event(event));
    lab.slice()
}

fn announced_range_is_empty(lab: &mut Lab<'_>) -> Check {
    announce(lab, NotifierEvent::Unmap, None, 1..1)
}

fn announced_range_ends_outside(lab: &mut Lab<'_>) -> Check {
    let end = lab.kernel.state().geometry().task_size() + 1;
    announce(lab, NotifierEvent::SoftDirty, None, 0..end)
}

fn migration_has_no_owner(lab: &mut Lab<'_>) -> Check {
    announce(lab, NotifierEvent::Migrate, None, 0..1)
}

fn unmap_has_an_owner(lab: &mut Lab<'_>) -> Check {
    announce(lab, NotifierEvent::Unmap, Some(DevId(1)), 0..1)
}

fn sequence_stays(lab: &mut Lab<'_>) -> Check {
    announce(lab, NotifierEvent::Clear, None, 0..1).expect("the sequence has moved");
    announce(lab, NotifierEvent::Clear, None, 0..1)
}

fn end_without_a_start(lab: &mut Lab<'_>) -> Check {
    let mut event = announced(lab, NotifierEvent::Clear, None, 0..1);
    if let Event::Invalidate { start, .. } = &mut event {
        *start = false;
    }
    lab.tamper(|t| t.event(event));
    lab.slice()
}

fn start_without_an_end(lab: &mut Lab<'_>) -> Check {
    announce(lab, NotifierEvent::Clear, None, 0..1).expect("it is under way");
    let state = lab.kernel.state();
    lab.oracles
        .after_operation(&state, &lab.holders, TaskId(0), lab.at)
}
