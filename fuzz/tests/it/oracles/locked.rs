//! Wrong states of mlocked VMAs.

use super::cases::Case;
use super::lab::Lab;
use mm_core::{PageFlags, Pfn, Pte, Softleaf, SwapFlags, SwapId};
use mm_fuzz::oracle::Check;
use mm_fuzz::program::OpKind;

pub const CASES: &[Case] = &[
    ("entries/locked-area", page_of_a_locked_area_is_swapped),
    ("entries/locked-area", page_of_a_locked_area_is_dropped),
    ("counting/mlock", mlocked_without_a_locked_area),
    ("counting/mlock", unevictable_without_a_locked_area),
    ("counting/mlock", counted_twice),
    ("counting/mlock", mlocked_but_evictable),
    ("counting/mlock", free_page_is_mlocked),
];

/// The page at 0, in an mlocked VMA.
fn locked(lab: &mut Lab<'_>) -> Pfn {
    let mm = lab.mm;
    let page = lab.write(0);
    let done = lab.run(OpKind::Mlock, async |cur| cur.mlock(mm, 0..1).await);
    assert_eq!(done, Ok(()));
    page
}

fn page_of_a_locked_area_is_swapped(lab: &mut Lab<'_>) -> Check {
    locked(lab);
    let entry = Softleaf::Swap(SwapId(1)).to_swap();
    let kept = SwapFlags::EXCLUSIVE | SwapFlags::SOFT_DIRTY;
    lab.set_pte(0, entry.set(kept, true).pte());
    lab.slice()
}

fn page_of_a_locked_area_is_dropped(lab: &mut Lab<'_>) -> Check {
    let page = locked(lab);
    let folio = lab.folio(page);
    lab.run(OpKind::Reclaim, async |cur| cur.reclaim_folio(folio).await);
    lab.set_pte(0, Pte::NONE);
    lab.slice()
}

fn mlocked_without_a_locked_area(lab: &mut Lab<'_>) -> Check {
    let page = lab.write(0);
    lab.flags(page, PageFlags::MLOCKED, true);
    lab.slice()
}

fn unevictable_without_a_locked_area(lab: &mut Lab<'_>) -> Check {
    let page = lab.write(0);
    lab.flags(page, PageFlags::UNEVICTABLE, true);
    lab.slice()
}

fn counted_twice(lab: &mut Lab<'_>) -> Check {
    let page = locked(lab);
    lab.tamper(|t| t.page(page).mlock_count += 1);
    lab.slice()
}

fn mlocked_but_evictable(lab: &mut Lab<'_>) -> Check {
    let page = locked(lab);
    lab.flags(page, PageFlags::UNEVICTABLE, false);
    lab.slice()
}

fn free_page_is_mlocked(lab: &mut Lab<'_>) -> Check {
    let mm = lab.mm;
    let page = lab.write(0);
    let done = lab.run(OpKind::Munmap, async |cur| cur.munmap(mm, 0..1).await);
    assert_eq!(done, Ok(()));
    lab.flags(page, PageFlags::MLOCKED, true);
    lab.slice()
}
