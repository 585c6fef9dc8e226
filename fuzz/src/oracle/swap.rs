//! Swap: slots, the swap cache, and what is written where.

use super::{Check, View, counting, reverse_map};
use crate::finding::describe;
use crate::invariant::Invariant;
use mm_core::{Entry, Page, PageFlags, Pfn, SwapId, SwapSlot};

/// All slots that were ever used.
pub fn check_slots(view: &View<'_>) -> Check {
    for (id, slot) in view.s.swap().iter() {
        check_count(view, id, slot)?;
        check_cache(view, id, slot)?;
        check_exclusive(view, id, slot)?;
        check_reachable(view, id, slot)?;
    }
    check_named(view)
}

/// A page that has changed.
pub fn check_cached_page(view: &View<'_>, pfn: Pfn, page: &Page) -> Check {
    if !page.has(PageFlags::SWAPCACHE) {
        return Ok(());
    }
    check_in_slot(view, pfn, page)?;
    check_contents(view, pfn, page)
}

/// A folio leaves the swap cache with the last entry that maps it or names its slot, unless somebody has it locked.
/// `pfn` has just lost a mapping of the CPU: what a device had for itself stays until it is reclaimed.
#[inline(never)]
pub fn check_given_up(view: &View<'_>, pfn: Pfn) -> Check {
    let page = view.s.page(pfn);
    let named = view.shadow.named(pfn);
    let is_mapped = !named.mappings.is_empty() || !named.migrations.is_empty();
    // whoever unmapped it may not have come to that yet
    let is_held = view.holders.references(pfn) > 0 || counting::references_of_tasks(view, pfn) > 0;
    let excused = is_mapped || is_held || page.has(PageFlags::LOCKED);
    if excused || !page.has(PageFlags::SWAPCACHE) || !view.shadow.named_slot(page.swap).is_empty() {
        return Ok(());
    }
    let detail = format!(
        "unmapped, and left in the swap cache: {}",
        describe(pfn, page)
    );
    view.page_finding(Invariant::GivenUp, pfn, detail)
}

/// The count of a slot is the number of entries that name it.
#[inline(never)]
fn check_count(view: &View<'_>, id: SwapId, slot: &SwapSlot) -> Check {
    let named = view.shadow.named_slot(id).len();
    if slot.count as usize == named {
        return Ok(());
    }
    let detail = format!("{named} entries name {id:?}, which counts {}", slot.count);
    view.finding(Invariant::SlotCount, detail)
}

/// An entry names a slot that is there.
#[inline(never)]
fn check_named(view: &View<'_>) -> Check {
    for (id, places) in view.shadow.named_slots() {
        if let Some(place) = places.first().filter(|_| view.s.swap().slot(id).is_free()) {
            let detail = format!(
                "{:?} page {} names {id:?}, which is free",
                place.mm, place.addr
            );
            return view.finding(Invariant::SlotCount, detail);
        }
    }
    Ok(())
}

/// The folio in a slot's cache knows that it is there.
#[inline(never)]
fn check_cache(view: &View<'_>, id: SwapId, slot: &SwapSlot) -> Check {
    let Some(folio) = slot.cache else {
        return Ok(());
    };
    let page = view.s.page(folio);
    if page.has(PageFlags::SWAPCACHE) && page.swap == id {
        return Ok(());
    }
    let detail = format!(
        "{id:?} caches a folio that is not there: {}",
        describe(folio, page)
    );
    view.page_finding(Invariant::SlotCache, folio, detail)
}

/// A folio in the swap cache is found in its slot.
#[inline(never)]
fn check_in_slot(view: &View<'_>, pfn: Pfn, page: &Page) -> Check {
    let slot = view.s.swap().slot(page.swap);
    if slot.cache == Some(pfn) {
        return Ok(());
    }
    let detail = format!(
        "in the swap cache of {:?}, which has {:?}",
        page.swap, slot.cache
    );
    view.page_finding(Invariant::SlotCache, pfn, detail)
}

/// A slot that one mapping has for itself is named by one entry; a folio that entries find in the swap
/// cache is exclusive to none.
#[inline(never)]
fn check_exclusive(view: &View<'_>, id: SwapId, slot: &SwapSlot) -> Check {
    let places = view.shadow.named_slot(id);
    let exclusive =
        |at| matches!(view.s.tables().get(at).decode(), Entry::Leaf(leaf) if leaf.exclusive());
    if places.len() > 1 && places.iter().any(|place| exclusive(place.at)) {
        let detail = format!(
            "an entry has {id:?} exclusively, and {} name it",
            places.len()
        );
        return view.finding(Invariant::SwapExclusive, detail);
    }
    match slot.cache {
        Some(folio) if !places.is_empty() && view.s.page(folio).anon_exclusive() => {
            let detail = format!(
                "exclusive to a mapping, but {} entries name its slot",
                places.len()
            );
            view.page_finding(Invariant::SwapExclusive, folio, detail)
        }
        _ => Ok(()),
    }
}

/// A folio in the swap cache that has an identity can be mapped again wherever an entry names its slot:
/// its anon_vma and its index lead there.
#[inline(never)]
fn check_reachable(view: &View<'_>, id: SwapId, slot: &SwapSlot) -> Check {
    let Some(folio) = slot.cache else {
        return Ok(());
    };
    let page = view.s.page(folio);
    if page.mapping().is_none() {
        return Ok(());
    }
    for place in view.shadow.named_slot(id) {
        if let Some(problem) = reverse_map::unreachable(view, place, page) {
            let detail = format!(
                "{:?} page {} names {id:?}, and of the folio there {problem}: {}",
                place.mm,
                place.addr,
                describe(folio, page)
            );
            return view.page_finding(Invariant::SwapReachable, folio, detail);
        }
    }
    Ok(())
}

/// What is clean is in the slot: a folio in the swap cache that neither it nor an entry calls dirty, and
/// that nobody is reading and whose write is over, has the contents of its slot, if anybody can still want them.
#[inline(never)]
fn check_contents(view: &View<'_>, pfn: Pfn, page: &Page) -> Check {
    let places = &view.shadow.named(pfn).mappings;
    let dirty = |at| matches!(view.s.tables().get(at).decode(), Entry::Present(p) if p.dirty());
    let under_way = PageFlags::DIRTY | PageFlags::LOCKED | PageFlags::WRITEBACK;
    let settled = !page.flags.intersects(under_way);
    let SwapSlot { word, count, .. } = view.s.swap().slot(page.swap);
    let wanted = count > 0 || !places.is_empty();
    if !settled || !wanted || page.word == word || places.iter().any(|place| dirty(place.at)) {
        return Ok(());
    }
    let detail = format!(
        "clean, but {:?} has {word:#x}: {}",
        page.swap,
        describe(pfn, page)
    );
    view.page_finding(Invariant::SlotContents, pfn, detail)
}
