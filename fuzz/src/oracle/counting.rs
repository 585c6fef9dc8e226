//! Counting: references, mappings, statistics, free lists, leaks.

use super::shadow::{EntryLoc, Rss};
use super::{Check, View};
use crate::finding::describe;
use crate::invariant::{Invariant, Way};
use mm_core::{
    DevId, Entry, Event, Folio, Lock, Mapping, MmId, Page, PageFlags, Pfn, PresentPte, Pte,
    PteWrite, TaskId, VmFlags,
};

/// No struct page outside the memory map is changed.
#[inline(never)]
pub fn check_wild_page(view: &View<'_>, pfn: Pfn) -> Check {
    let detail = format!(
        "frame {:#x} is outside all memory, but its struct page was changed",
        pfn.0
    );
    view.page_finding(Invariant::WildPage, pfn, detail)
}

/// The direction in which a count is wrong.
const fn excess(is_more: bool) -> Way {
    if is_more { Way::TooMany } else { Way::TooFew }
}

/// `mapcount` equals the number of entries of the lowest level that map the page.
#[inline(never)]
pub fn check_mapcount(view: &View<'_>, pfn: Pfn, page: &Page) -> Check {
    let mapped = view.shadow.named(pfn).small() as i32;
    if page.mapcount == mapped {
        return Ok(());
    }
    let way = excess(page.mapcount > mapped);
    let detail = format!(
        "{mapped} entries map it, mapcount is {}: {way}",
        page.mapcount,
        way = way.words()
    );
    view.page_finding(Invariant::Mapcount.by(way), pfn, detail)
}

/// A large folio counts the entries that map any part of it, and those that map all of it.
#[inline(never)]
pub fn check_large_mapcount(view: &View<'_>, folio: Folio, head: &Page) -> Check {
    let (all, entire) = (view.folio_mappings(folio), view.huge_mappings(folio));
    if (head.large_mapcount, head.entire_mapcount) == (all, entire) {
        return Ok(());
    }
    let way = excess(head.large_mapcount + head.entire_mapcount > all + entire);
    let detail = format!(
        "{all} entries map pages of the folio, and {entire} of these entries map all of it; the folio counts {} and {}: {way}",
        head.large_mapcount,
        head.entire_mapcount,
        way = way.words()
    );
    view.page_finding(Invariant::Mapcount.by(way), folio.head(), detail)
}

/// A tail page has no reference, lock, mapping, order or flag of its own, except that it may be
/// exclusive.
#[inline(never)]
pub fn check_tail(view: &View<'_>, pfn: Pfn, page: &Page) -> Check {
    let flags = page.flags - PageFlags::ANON_EXCLUSIVE;
    let bare = page.refcount == 0 && page.pincount == 0 && page.mapping() == Mapping::None;
    if bare && flags.is_empty() && page.order == 0 {
        return Ok(());
    }
    let detail = format!("a tail page: {}", describe(pfn, page));
    view.page_finding(Invariant::Tail, pfn, detail)
}

/// `refcount` equals the number of entries that map the folio, plus the references of the swap
/// cache, of operations under way and of other holders. A large folio counts its pins.
#[inline(never)]
pub fn check_refcount(view: &View<'_>, folio: Folio, page: &Page) -> Check {
    let pfn = folio.head();
    let mapped = view.folio_mappings(folio);
    let tasks = references_of_tasks(view, folio);
    let held = view.holders.references(view.s, folio);
    let cached = i32::from(page.has(PageFlags::SWAPCACHE)) * page.nr_pages();
    if page.order > 0 {
        check_pincount(view, folio, page)?;
    }
    let expected = mapped + tasks + held + cached;
    if page.refcount == expected {
        return Ok(());
    }
    let way = excess(page.refcount > expected);
    let detail = format!(
        "refcount is {}, but {mapped} entries map it, operations under way hold {tasks}, the swap \
         cache holds {cached}, and the program holds {held}: {way}",
        page.refcount,
        way = way.words()
    );
    view.page_finding(Invariant::Refcount.by(way), pfn, detail)
}

/// `pincount` of a large folio equals the number of its pins.
#[inline(never)]
fn check_pincount(view: &View<'_>, folio: Folio, head: &Page) -> Check {
    let pins = view.holders.pins(view.s, folio) + pins_of_tasks(view, folio);
    if head.pincount == pins {
        return Ok(());
    }
    let way = excess(head.pincount > pins);
    let detail = format!(
        "{pins} pins of its pages, pincount is {}: {way}",
        head.pincount,
        way = way.words()
    );
    view.page_finding(Invariant::Refcount.by(way), folio.head(), detail)
}

pub(super) fn references_of_tasks(view: &View<'_>, folio: Folio) -> i32 {
    let tasks = view.s.tasks().iter();
    let refs = tasks.flat_map(|task| task.refs.iter().chain(&task.gather.folios));
    let pins = pins_of_tasks(view, folio) * view.s.head(folio).pin_refs();
    refs.filter(|held| **held == folio).count() as i32 + pins
}

fn pins_of_tasks(view: &View<'_>, folio: Folio) -> i32 {
    let pins = view.s.tasks().iter().flat_map(|task| &task.pins);
    pins.filter(|pinned| **pinned == folio).count() as i32
}

/// The queue of deferred splits has large folios of system memory, each once.
#[inline(never)]
pub fn check_split_queue(view: &View<'_>) -> Check {
    let queue = view.s.deferred_splits();
    for (i, folio) in queue.iter().enumerate() {
        let head = view.s.head(*folio);
        let fits = head.order > 0 && !head.has(PageFlags::FREE) && folio.device().is_none();
        if !fits || queue[..i].contains(folio) {
            let detail = format!(
                "on the queue of deferred splits twice, or not a large folio in use: {}",
                describe(folio.head(), head)
            );
            return view.page_finding(Invariant::SplitQueue, folio.head(), detail);
        }
    }
    Ok(())
}

/// A large folio of which a part has lost its mappings is marked, and a marked one is queued.
#[inline(never)]
pub fn check_partially_mapped(view: &View<'_>, folio: Folio, head: &Page) -> Check {
    let marked = head.has(PageFlags::PARTIALLY_MAPPED);
    let pages = || view.named_pages(folio);
    let partial = pages().any(|named| named.mappings.is_empty())
        && pages().any(|named| !named.mappings.is_empty());
    let exempt = head.has(PageFlags::LOCKED)
        || head.order <= 1
        || folio.device().is_some()
        || view.shadow.named(folio.head()).was_cached;
    let detail = if marked && !view.s.deferred_splits().contains(&folio) {
        "marked as partially mapped, but not on the queue of deferred splits"
    } else if partial && !marked && !exempt {
        "some of its pages are mapped and others are not, but it is not marked"
    } else {
        return Ok(());
    };
    let detail = format!("{detail}: {}", describe(folio.head(), head));
    view.page_finding(Invariant::SplitQueue, folio.head(), detail)
}

/// A folio on the LRU is charged and in system memory. `check_free_page` covers free folios.
#[inline(never)]
pub fn check_lru(view: &View<'_>, pfn: Pfn, page: &Page) -> Check {
    if !page.has(PageFlags::LRU) || page.has(PageFlags::CHARGED) && pfn.device().is_none() {
        return Ok(());
    }
    let detail = format!("on the LRU: {}", describe(pfn, page));
    view.page_finding(Invariant::Lru.by(Way::OnLru), pfn, detail)
}

/// Once all isolated folios have been put back, a mapped or swap-cached folio is on the LRU;
/// otherwise nothing would ever reclaim, compact or migrate it.
#[inline(never)]
pub fn check_on_lru(view: &View<'_>, pfn: Pfn, page: &Page) -> Check {
    let folio = view.s.folio(pfn);
    let used = view.folio_mappings(folio) > 0 || page.has(PageFlags::SWAPCACHE);
    let elsewhere = pfn == Pfn::ZERO
        || pfn.device().is_some()
        || page.has(PageFlags::LOCKED)
        || folio.head() != pfn;
    if elsewhere || !used || page.has(PageFlags::LRU) {
        return Ok(());
    }
    let detail = format!("not on the LRU: {}", describe(pfn, page));
    view.page_finding(Invariant::Lru.by(Way::NotOnLru), pfn, detail)
}

/// An mlocked folio is mapped in an mlocked VMA. If a folio is on the LRU, its `mlock_count` is at
/// most the number of such mappings, and it is unevictable if and only if it is mlocked.
#[inline(never)]
pub fn check_mlock(view: &View<'_>, pfn: Pfn, page: &Page) -> Check {
    let on_lru = page.has(PageFlags::LRU);
    let mlocked = page.has(PageFlags::MLOCKED);
    let unevictable = on_lru && page.has(PageFlags::UNEVICTABLE);
    if !mlocked && !unevictable {
        return Ok(());
    }
    let locked = |place: &&EntryLoc| {
        // a VMA that has left its address space is being torn down
        let vma = view.s.find_vma(place.mm, place.addr);
        vma.is_none_or(|vma| view.s.vma(vma).flags.contains(VmFlags::LOCKED))
    };
    let mappings = view.named_pages(view.s.folio(pfn));
    let mappings = mappings.flat_map(|named| &named.mappings);
    let locked = mappings.filter(locked).count();
    let counted = if on_lru { page.mlock_count } else { 0 };
    let detail = if locked == 0 {
        "mlocked, but no mlocked VMA maps it".to_owned()
    } else if counted as usize > locked {
        format!("mlock_count is {counted}, but {locked} entries of mlocked VMAs map it")
    } else if on_lru && mlocked != unevictable {
        "on the LRU, but its mlocked and unevictable flags differ".to_owned()
    } else {
        return Ok(());
    };
    view.page_finding(Invariant::Mlock, pfn, detail)
}

/// A page newly mapped in an mlocked VMA is mlocked. An entry that replaces a non-present entry is
/// not checked: a page that comes from swap is mlocked only by the next mlock of the VMA.
#[inline(never)]
pub fn check_new_is_mlocked(view: &View<'_>, write: &PteWrite, before: Pte) -> Check {
    let new = write.new.present().map(PresentPte::pfn);
    let old = match before.decode() {
        Entry::None => None,
        Entry::Present(present) => Some(present.pfn()),
        Entry::Leaf(_) => return Ok(()),
    };
    let Some(page) = new.filter(|new| *new != Pfn::ZERO && old != Some(*new)) else {
        return Ok(());
    };
    // a moved page keeps its state, and an entry that was overwritten meanwhile is not checked
    let stands = view.s.tables().part(write.at, write.addr) == write.new;
    let vma = view.s.find_vma(write.mm, write.addr);
    let is_locked = vma.is_some_and(|vma| view.s.vma(vma).flags.contains(VmFlags::LOCKED));
    let mlocked = view.head(page).has(PageFlags::MLOCKED);
    if mlocked || !is_locked || !stands || view.at.moves.is_some() {
        return Ok(());
    }
    let detail = format!(
        "newly mapped at {}, in an mlocked VMA, but not mlocked",
        view.place(write.mm, write.addr)
    );
    view.page_finding(Invariant::Mlock, page, detail)
}

/// A mapped folio is charged.
#[inline(never)]
pub fn check_charge(view: &View<'_>, pfn: Pfn, page: &Page) -> Check {
    if page.has(PageFlags::CHARGED) || view.folio_mappings(view.s.folio(pfn)) == 0 {
        return Ok(());
    }
    let detail = format!("mapped but not charged: {}", describe(pfn, page));
    view.page_finding(Invariant::Charge, pfn, detail)
}

/// A migration moves the charge from the old folio to the new folio: the old folio keeps no charge.
#[inline(never)]
fn check_charge_moved(view: &View<'_>, src: Pfn, dst: Pfn) -> Check {
    let page = view.s.page(src);
    // the old folio may have been freed and reused in the same slice
    let is_mapped = !view.shadow.named(src).mappings.is_empty();
    if is_mapped || !page.has(PageFlags::CHARGED) {
        return Ok(());
    }
    let detail = format!(
        "moved to {dst:?}, but still charged: {}",
        describe(src, page)
    );
    view.page_finding(Invariant::Charge, src, detail)
}

/// A folio is charged when it goes onto the LRU.
#[inline(never)]
fn check_lru_insertion(view: &View<'_>, page: Pfn, charged: bool) -> Check {
    if charged {
        return Ok(());
    }
    let is_mapped = !view.shadow.named(page).mappings.is_empty();
    let (mapped, way) = if is_mapped {
        ("", Way::UnchargedAndMapped)
    } else {
        ("not ", Way::UnchargedAndNotMapped)
    };
    let detail = format!("put on the LRU without a charge; it is {mapped}mapped");
    view.page_finding(Invariant::Lru.by(way), page, detail)
}

/// `migrate_to_ram` is called only with a page that somebody holds a reference to.
#[inline(never)]
fn check_use_without_reference(view: &View<'_>, page: Pfn, referenced: bool) -> Check {
    if referenced {
        return Ok(());
    }
    let detail = "migrate_to_ram is called with a page that nobody holds a reference to".to_owned();
    let broken = Invariant::UseWithoutReference.by(Way::NoReference);
    view.page_finding(broken, page, detail)
}

/// A page that was unmapped for migration has no references except the operation's own: the
/// migration's reference and, for the page of a fault, the fault's reference.
#[inline(never)]
fn check_unmap_references(view: &View<'_>, task: TaskId, page: Pfn, outside: i32) -> Check {
    if outside == 0 {
        return Ok(());
    }
    let detail = format!(
        "task {} unmapped it for migration, although others hold {outside} references",
        task.0
    );
    let broken = Invariant::UnmapReferences.by(Way::UnmappedThoughHeld);
    view.page_finding(broken, page, detail)
}

/// Checks one tracepoint.
pub fn check_event(view: &View<'_>, event: &Event) -> Check {
    match *event {
        Event::MigrateToRam {
            page, referenced, ..
        } => check_use_without_reference(view, page, referenced),
        Event::LruInsertion { folio, charged } => check_lru_insertion(view, folio.head(), charged),
        Event::Unmapped {
            task,
            folio,
            outside,
        } => check_unmap_references(view, task, folio.head(), outside),
        Event::RmapWalk {
            folio,
            anon_vma,
            alive,
        } => super::reverse_map::check_anon_vma_alive(view, folio.head(), anon_vma, alive),
        Event::Lock {
            task,
            lock,
            alive,
            held,
        } => {
            check_address_space_alive(view, task, lock, alive)?;
            super::progress::check_lock_order(view, task, lock, held)
        }
        Event::Pagemap { mm, addr, shown } => super::contents::check_pagemap(view, mm, addr, shown),
        Event::Migrated { src, dst } => {
            check_held_elsewhere(view, src)?;
            check_charge_moved(view, src.head(), dst.head())
        }
        Event::SwapCache { .. }
        | Event::FolioSplit { .. }
        | Event::DeviceAlloc { .. }
        | Event::Invalidate { .. } => Ok(()),
    }
}

/// Nobody takes the `mmap_lock` of an address space that has been freed.
#[inline(never)]
fn check_address_space_alive(view: &View<'_>, task: TaskId, lock: Lock, alive: bool) -> Check {
    if alive {
        return Ok(());
    }
    let detail = format!(
        "task {} takes the {}, which has been freed",
        task.0,
        crate::describe::lock(lock)
    );
    view.finding(Invariant::AddressSpaceAlive, detail)
}

/// A page that the program holds a reference to does not move.
#[inline(never)]
fn check_held_elsewhere(view: &View<'_>, src: Folio) -> Check {
    let held = view.holders.references(view.s, src);
    if held == 0 {
        return Ok(());
    }
    let detail = format!("moved, although the program holds {held} references");
    let broken = Invariant::UnmapReferences.by(Way::MovedThoughHeld);
    view.page_finding(broken, src.head(), detail)
}

/// A free page has no references, no mapcount, no anon_vma, no flag but FREE, and no entries that
/// name it.
#[inline(never)]
pub fn check_free_page(view: &View<'_>, pfn: Pfn, page: &Page) -> Check {
    let named = view.shadow.named(pfn);
    let clean = page.refcount == 0
        && page.mapcount == 0
        && page.mapping() == Mapping::None
        && page.flags == PageFlags::FREE
        && named.mappings.is_empty()
        && named.migrations.is_empty();
    if clean {
        return Ok(());
    }
    let left = [
        (page.mapping() != Mapping::None, Way::FreeWithMapping),
        (page.refcount < 0, Way::FreeWithFewerReferences),
        (page.refcount > 0, Way::FreeWithReferences),
        (page.mapcount != 0, Way::FreeWithMapcount),
        (page.flags != PageFlags::FREE, Way::FreeWithFlags),
    ];
    let way = left.iter().find(|(is, _)| *is);
    let way = way.map_or(Way::FreeWithEntries, |(_, way)| *way);
    let detail = format!("{way}: {}", describe(pfn, page), way = way.words());
    view.page_finding(Invariant::FreePage.by(way), pfn, detail)
}

/// Each frame on a free list is free, and is listed once.
#[inline(never)]
pub fn check_free_lists(view: &View<'_>) -> Check {
    let memories = (0..mm_core::DEVICES).map(|d| view.s.driver().memory(DevId(d as u8)));
    for memory in core::iter::once(view.s.frames()).chain(memories) {
        let mut list: Vec<_> = memory.free_list().collect();
        list.sort_unstable();
        let twice = list.windows(2).find(|w| w[0] == w[1]).map(|w| w[0]);
        let used = list
            .iter()
            .copied()
            .find(|p| !view.s.page(*p).has(PageFlags::FREE));
        if let Some(pfn) = twice.or(used) {
            let detail = format!(
                "on the free list twice, or not free: {}",
                describe(pfn, view.s.page(pfn))
            );
            return view.page_finding(Invariant::FreeList, pfn, detail);
        }
    }
    Ok(())
}

/// The zero page is never written, never counted as mapped, and has no references but its own and
/// those of holders.
#[inline(never)]
pub fn check_zero_page(view: &View<'_>) -> Check {
    let page = view.s.page(Pfn::ZERO);
    let expected = 1 + view.holders.references(view.s, Folio::ZERO);
    let clean = page.refcount == expected
        && page.mapcount == 0
        && page.word == 0
        && page.mapping() == Mapping::None
        && !page
            .flags
            .intersects(PageFlags::ANON_EXCLUSIVE | PageFlags::DIRTY);
    if clean {
        return Ok(());
    }
    let detail = format!(
        "expected {expected} references, the word 0, no mapcount, no anon_vma, and neither exclusive nor dirty: {}",
        describe(Pfn::ZERO, page)
    );
    view.page_finding(Invariant::ZeroPage, Pfn::ZERO, detail)
}

/// `MM_ANONPAGES` equals the number of entries that stand for a page, `MM_SWAPENTS` the number of
/// those that stand for a swap slot.
#[inline(never)]
pub fn check_rss(view: &View<'_>, mm: MmId) -> Check {
    let space = view.s.mm(mm);
    let (anon, swap) = (space.anon_rss, space.swap_ents);
    let counted = Rss { anon, swap };
    let expected = view.shadow.rss(mm);
    if !view.s.mms().is_live(mm.0.into()) || counted == expected {
        return Ok(());
    }
    let is_more = anon + swap > expected.anon + expected.swap;
    let way = excess(is_more);
    let detail = format!(
        "{mm:?} counts {counted:?}, its entries say {expected:?}: {way}",
        way = way.words()
    );
    view.finding(Invariant::Rss.by(way), detail)
}

/// A dev_pagemap has one reference for each live page of its device.
#[inline(never)]
pub fn check_pgmap_refs(view: &View<'_>) -> Check {
    for (dev, refs) in view.s.pgmap_refs().iter().enumerate() {
        let live = view.s.driver().memory(DevId(dev as u8)).in_use();
        if i64::from(live) != *refs {
            let way = excess(*refs > i64::from(live));
            let detail = format!(
                "device {dev} has {live} live pages and {refs} references: {way}",
                way = way.words()
            );
            return view.finding(Invariant::PgmapRefs.by(way), detail);
        }
    }
    Ok(())
}

/// The shadow equals a scan of all page tables. If it does not, the log is wrong, and so is every
/// check that uses it.
#[inline(never)]
pub fn check_shadow(view: &View<'_>) -> Check {
    if view.shadow.agrees_with_scan(view.s) {
        return Ok(());
    }
    let detail = "replaying the log of page-table writes does not give the page tables".to_owned();
    view.finding(Invariant::Shadow, detail)
}

/// A page table belongs to a live address space, and its count of used entries is right. As many
/// tables are deposited in it as it has huge entries.
#[inline(never)]
pub fn check_page_tables(view: &View<'_>) -> Check {
    for (id, table) in view.s.tables().tables() {
        let used = view
            .s
            .tables()
            .entries(id)
            .filter(|(_, pte)| !pte.is_none())
            .count();
        let huge = view.s.tables().huge_entries(id).count();
        let deposited = view.s.tables().deposits(id);
        if huge != deposited {
            let detail = format!(
                "{id:?} of {:?} has {huge} huge entries, but {deposited} tables are deposited there",
                table.mm
            );
            return view.finding(Invariant::PageTables, detail);
        }
        if !view.s.mms().is_live(table.mm.0.into()) {
            let detail = format!("{id:?} belongs to {:?}, which is gone", table.mm);
            return view.finding(Invariant::PageTables, detail);
        }
        if used != table.used as usize {
            let detail = format!("{id:?} has {used} entries, but counts {}", table.used);
            return view.finding(Invariant::PageTables, detail);
        }
    }
    Ok(())
}

/// Nothing is left when all processes have exited.
#[inline(never)]
pub fn check_leaks(view: &View<'_>) -> Check {
    let s = view.s;
    let device = |d: u8| s.driver().memory(DevId(d)).in_use();
    let left = [
        ("pages", s.frames().in_use().saturating_sub(1)),
        ("pages of device 0", device(0)),
        ("pages of device 1", device(1)),
        ("address spaces", s.mms().live()),
        ("VMAs", s.vmas().live()),
        ("anon_vmas", s.anon_vmas().live()),
        ("anon_vma_chains", s.avcs().live()),
        ("page tables", s.tables().tables().count() as u32),
        ("queued folios", s.deferred_splits().len() as u32),
        (
            "swap slots",
            s.swap().iter().filter(|(_, slot)| !slot.is_free()).count() as u32,
        ),
    ];
    match left.iter().find(|(_, count)| *count != 0) {
        None => Ok(()),
        Some((what, count)) => view.finding(
            Invariant::Leak,
            format!("{count} {what} left after all exits"),
        ),
    }
}
