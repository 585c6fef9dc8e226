//! Swap: slots, their contents, and the swap cache.

use super::shadow::EntryLoc;
use super::{Check, View, counting, reverse_map};
use crate::finding::describe;
use crate::invariant::Invariant;
use mm_core::{Entry, Event, Page, PageFlags, Pfn, SwapId, SwapSlot};

/// Checks all slots that were ever used.
pub fn check_slots(view: &View<'_>) -> Check {
    for (id, slot) in view.s.swap().iter() {
        check_count(view, id, slot)?;
        check_cache(view, id, slot)?;
        check_exclusive(view, id)?;
        check_reachable(view, id)?;
    }
    check_named(view)
}

/// Checks a page that has changed.
pub fn check_cached_page(view: &View<'_>, pfn: Pfn, page: &Page) -> Check {
    if !page.has(PageFlags::SWAPCACHE) {
        return Ok(());
    }
    for i in 0..1 << page.order {
        let part = Pfn(pfn.0 + i);
        check_in_slot(view, part)?;
        check_contents(view, part, page)?;
    }
    Ok(())
}

/// A folio leaves the swap cache when the last entry that maps it or names its slot goes, unless it
/// is locked or held, or was the first page of a folio that was just split. The caller passes a
/// page only if the last entry that its folio lost was present or a swap entry: a folio that lost a
/// device-exclusive entry may stay in the swap cache until it is reclaimed.
#[inline(never)]
pub fn check_given_up(view: &View<'_>, pfn: Pfn) -> Check {
    let page = view.head(pfn);
    let folio = view.s.folio(pfn);
    let mut pages = view.named_pages(folio);
    let is_mapped = pages.any(|named| !named.mappings.is_empty() || !named.migrations.is_empty());
    // a task that holds it may still drop it from the cache
    let is_held = view.holders.references(view.s, folio) > 0
        || counting::references_of_tasks(view, folio) > 0;
    // a split leaves only its first page in the cache
    let was_split =
        |event: &Event| matches!(event, Event::FolioSplit { folio, .. } if folio.head() == pfn);
    let is_kept = view.s.events().iter().any(was_split);
    let excused = is_mapped || is_held || is_kept || page.has(PageFlags::LOCKED);
    if excused || !page.has(PageFlags::SWAPCACHE) {
        return Ok(());
    }
    let mut slots = (page.swap.0..).take(1 << page.order).map(SwapId);
    if slots.any(|slot| !view.shadow.named_slot(slot).is_empty()) {
        return Ok(());
    }
    let detail = format!(
        "no entry maps it or names its slot, but it is still in the swap cache: {}",
        describe(pfn, page)
    );
    view.page_finding(Invariant::GivenUp, pfn, detail)
}

/// The count of a slot equals the number of entries that name it.
#[inline(never)]
fn check_count(view: &View<'_>, id: SwapId, slot: &SwapSlot) -> Check {
    let named = view.shadow.named_slot(id).len();
    if slot.count as usize == named {
        return Ok(());
    }
    let detail = format!("{named} entries name {id:?}, but it counts {}", slot.count);
    view.finding(Invariant::SlotCount, detail)
}

/// A slot that an entry names is not free.
#[inline(never)]
fn check_named(view: &View<'_>) -> Check {
    for (id, places) in view.shadow.named_slots() {
        if let Some(place) = places.first().filter(|_| view.s.swap().slot(id).is_free()) {
            let detail = format!(
                "{} names {id:?}, which is free",
                view.place(place.mm, place.addr)
            );
            return view.finding(Invariant::SlotCount, detail);
        }
    }
    Ok(())
}

/// The folio that a slot caches has the SWAPCACHE flag, and the slot is that of one of its pages.
#[inline(never)]
fn check_cache(view: &View<'_>, id: SwapId, slot: &SwapSlot) -> Check {
    let Some(folio) = slot.cache else {
        return Ok(());
    };
    let page = view.s.head(folio);
    let slots = page.swap.0..page.swap.0.saturating_add(1 << page.order);
    if page.has(PageFlags::SWAPCACHE) && slots.contains(&id.0) {
        return Ok(());
    }
    let detail = format!(
        "{id:?} caches it, but it is not in the swap cache under that slot: {}",
        describe(folio.head(), page)
    );
    view.page_finding(Invariant::SlotCache, folio.head(), detail)
}

/// The slot of a page in the swap cache caches the folio of that page.
#[inline(never)]
fn check_in_slot(view: &View<'_>, pfn: Pfn) -> Check {
    let id = view.s.page_slot(pfn);
    let slot = view.s.swap().slot(id);
    if slot.cache == Some(view.s.folio(pfn)) && view.s.swap_cache_page(id) == Some(pfn) {
        return Ok(());
    }
    let detail = format!(
        "in the swap cache under {id:?}, but that slot caches {:?}",
        slot.cache
    );
    view.page_finding(Invariant::SlotCache, pfn, detail)
}

/// A slot that an exclusive entry names has no other entry. A cached page is not exclusive while an
/// entry names its slot.
#[inline(never)]
fn check_exclusive(view: &View<'_>, id: SwapId) -> Check {
    let places = view.shadow.named_slot(id);
    let exclusive = |place: &EntryLoc| matches!(place.entry(view.s).decode(), Entry::Leaf(leaf) if leaf.exclusive());
    if places.len() > 1 && places.iter().any(exclusive) {
        let detail = format!(
            "an exclusive entry names {id:?}, but {} entries name it",
            places.len()
        );
        return view.finding(Invariant::SwapExclusive, detail);
    }
    match view.s.swap_cache_page(id) {
        Some(page) if !places.is_empty() && view.s.page(page).anon_exclusive() => {
            let detail = format!("exclusive, but {} entries name its slot", places.len());
            view.page_finding(Invariant::SwapExclusive, page, detail)
        }
        _ => Ok(()),
    }
}

/// If a page in the swap cache has an anon_vma, its anon_vma and its index lead to each entry that
/// names its slot. So the page can be mapped there again.
#[inline(never)]
fn check_reachable(view: &View<'_>, id: SwapId) -> Check {
    let Some(pfn) = view.s.swap_cache_page(id) else {
        return Ok(());
    };
    let page = reverse_map::identity(view, pfn);
    if page.anon_vma().is_none() {
        return Ok(());
    }
    for place in view.shadow.named_slot(id) {
        if let Some(problem) = reverse_map::unreachable(view, place, &page) {
            let detail = format!(
                "{} names {id:?}, but the cached page cannot be mapped there, \
                 {problem}: {}",
                view.place(place.mm, place.addr),
                describe(pfn, &page),
                problem = problem.words()
            );
            return view.page_finding(Invariant::SwapReachable, pfn, detail);
        }
    }
    Ok(())
}

/// A page of a clean folio in the swap cache has the contents of its slot, if anybody can still
/// read them. A folio is clean if neither it nor an entry is dirty, and no read or write of it is
/// under way.
#[inline(never)]
fn check_contents(view: &View<'_>, pfn: Pfn, head: &Page) -> Check {
    let places = &view.shadow.named(pfn).mappings;
    let dirty =
        |place: &EntryLoc| matches!(place.entry(view.s).decode(), Entry::Present(p) if p.dirty());
    let under_way = PageFlags::DIRTY | PageFlags::LOCKED | PageFlags::WRITEBACK;
    let settled = !head.flags.intersects(under_way);
    let (id, page) = (view.s.page_slot(pfn), view.s.page(pfn));
    let SwapSlot { word, count, .. } = view.s.swap().slot(id);
    let wanted = count > 0 || !places.is_empty();
    if !settled || !wanted || page.word == word || places.iter().any(dirty) {
        return Ok(());
    }
    let detail = format!("clean, but {id:?} has {word:#x}: {}", describe(pfn, page));
    view.page_finding(Invariant::SlotContents, pfn, detail)
}
