//! The reverse map: the entries that it finds, and the anon_vmas that it goes through.

use super::shadow::EntryLoc;
use super::{Check, View};
use crate::finding::describe;
use crate::invariant::{Invariant, Way};
use mm_core::{AnonVmaId, AvcId, MmId, Page, Pfn, Vma, VmaId};

/// The VMA that covers an address: the one in the address space or, while the address space is
/// being torn down, the one that was there.
fn area<'a>(view: &View<'a>, mm: MmId, addr: u64) -> Option<&'a Vma> {
    if let Some(vma) = view.s.find_vma(mm, addr) {
        return Some(view.s.vma(vma));
    }
    let covers = |vma: &&Vma| vma.mm == mm && vma.range().contains(&addr);
    view.s.vmas().iter().map(|(_, vma)| vma).find(covers)
}

/// At most one entry names a `PageAnonExclusive` page.
#[inline(never)]
pub fn check_exclusive(view: &View<'_>, pfn: Pfn) -> Check {
    let named = view.shadow.named(pfn);
    let entries = named.mappings.len() + named.migrations.len();
    if entries <= 1 || !view.exclusive(pfn) {
        return Ok(());
    }
    let detail = format!("exclusive, but {entries} entries name it");
    view.page_finding(Invariant::Exclusive, pfn, detail)
}

/// The reverse map leads back to each entry that names the page: the page's anon_vma is alive, the
/// VMA is linked to it, and index and address match.
#[inline(never)]
pub fn check_reachable(view: &View<'_>, pfn: Pfn) -> Check {
    let named = view.shadow.named(pfn);
    for place in named.mappings.iter().chain(&named.migrations) {
        let page = &identity(view, pfn);
        if let Some(way) = unreachable(view, place, page) {
            let detail = format!(
                "{} maps it, but {way}: {}",
                view.place(place.mm, place.addr),
                describe(pfn, page),
                way = way.words()
            );
            return view.page_finding(Invariant::Reachable.by(way), pfn, detail);
        }
    }
    Ok(())
}

/// A copy of the head page of the folio that `pfn` belongs to, with the index of `pfn` instead of
/// that of the head.
pub(super) fn identity(view: &View<'_>, pfn: Pfn) -> Page {
    let folio = view.s.folio(pfn);
    let mut identity = *view.s.head(folio);
    identity.index += u64::from(pfn.0 - folio.head().0);
    identity
}

/// The reason why the reverse map of `page` does not lead to an entry; `None` if it does.
pub(super) fn unreachable(view: &View<'_>, place: &EntryLoc, page: &Page) -> Option<Way> {
    let s = view.s;
    let Some(anon_vma) = page.anon_vma() else {
        return Some(Way::NoMapping);
    };
    if !s.anon_vmas().is_live(anon_vma.0) {
        return Some(Way::AnonVmaFreed);
    }
    let Some(vma) = area(view, place.mm, place.addr) else {
        return Some(Way::NoArea);
    };
    if vma.index(place.addr) != page.index {
        return Some(Way::OtherIndex);
    }
    let linked = vma.chain.iter().any(|avc| s.avc(*avc).anon_vma == anon_vma);
    (!linked).then_some(Way::NotLinked)
}

/// An rmap walk goes through allocated anon_vmas only.
#[inline(never)]
pub fn check_anon_vma_alive(
    view: &View<'_>,
    folio: Pfn,
    anon_vma: AnonVmaId,
    alive: bool,
) -> Check {
    if alive {
        return Ok(());
    }
    let detail = format!("an rmap walk goes through {anon_vma:?}, which was freed");
    let broken = Invariant::AnonVmaAlive.by(Way::WalkOfFreed);
    view.page_finding(broken, folio, detail)
}

/// The core's own rmap walk finds each entry that names a page.
#[inline(never)]
pub fn check_walks(view: &View<'_>) -> Check {
    for (pfn, _) in view.s.memmap().iter() {
        let page = identity(view, pfn);
        let Some(anon_vma) = page.anon_vma() else {
            continue;
        };
        let named = view.shadow.named(pfn);
        for place in named.mappings.iter().chain(&named.migrations) {
            let index = page.index..page.index + 1;
            let found = (0..).map_while(|n| view.s.rmap_walk_nth(anon_vma, &index, n));
            let mut here = found.map(|(vma, addrs)| (view.s.vma(vma).mm, addrs));
            if !here.any(|(mm, addrs)| mm == place.mm && addrs.contains(&place.addr)) {
                let detail = format!("the rmap walk misses {}", view.place(place.mm, place.addr));
                return view.page_finding(Invariant::Walk, pfn, detail);
            }
        }
    }
    Ok(())
}

/// All checks of VMAs, anon_vma_chains and anon_vmas that are not about a page.
pub fn check_topology(view: &View<'_>) -> Check {
    check_chain(view)?;
    check_chain_order(view)?;
    check_anon_vma_counters(view)?;
    check_anon_vma_reuse(view)?;
    check_shared_anon_vma(view)?;
    check_unfaulted_offset(view)?;
    check_layout(view)
}

/// An anon_vma_chain belongs to a live VMA and a live anon_vma and is in both lists. A VMA has a
/// link to its anon_vma.
#[inline(never)]
fn check_chain(view: &View<'_>) -> Check {
    let s = view.s;
    for (id, avc) in s.avcs().iter() {
        // an anon_vma_chain that is allocated and not linked yet is in neither list
        let in_chain = s.vma(avc.vma).chain.contains(&AvcId(id));
        let in_tree = s.anon_vma(avc.anon_vma).tree.contains(&AvcId(id));
        let alive = s.vmas().is_live(avc.vma.0) && s.anon_vmas().is_live(avc.anon_vma.0);
        if (in_chain || in_tree) && !(in_chain && in_tree && alive) {
            let detail = format!(
                "link {id} of {:?} to {:?}: in the VMA's chain {in_chain}, in the tree {in_tree}, \
                 both alive {alive}",
                avc.vma, avc.anon_vma
            );
            return view.finding(Invariant::Chain, detail);
        }
    }
    for (id, vma) in s.vmas().iter() {
        let Some(anon_vma) = vma.anon_vma else {
            continue;
        };
        if !vma.chain.iter().any(|avc| s.avc(*avc).anon_vma == anon_vma) {
            let detail = format!("{:?} uses {anon_vma:?} without a link to it", VmaId(id));
            return view.finding(Invariant::Chain, detail);
        }
    }
    Ok(())
}

/// In a VMA's chain, no anon_vma precedes its parent.
#[inline(never)]
fn check_chain_order(view: &View<'_>) -> Check {
    let s = view.s;
    for (id, vma) in s.vmas().iter() {
        let links = || vma.chain.iter().map(|avc| s.avc(*avc).anon_vma);
        for (i, anon_vma) in links().enumerate() {
            let parent = s.anon_vma(anon_vma).parent;
            if links().skip(i + 1).any(|behind| behind == parent) {
                let detail = format!(
                    "in the chain of {:?}, {anon_vma:?} precedes its parent {parent:?}",
                    VmaId(id)
                );
                return view.finding(Invariant::ChainOrder, detail);
            }
        }
    }
    Ok(())
}

/// A VMA without an anon_vma has no page that needs another offset, so its offset equals its start
/// address and it can merge with its neighbours.
#[inline(never)]
fn check_unfaulted_offset(view: &View<'_>) -> Check {
    for vma in view.s.mms().iter().flat_map(|(_, mm)| &mm.vmas) {
        let area = view.s.vma(*vma);
        if area.anon_vma.is_none() && area.pgoff != area.start {
            let detail = format!(
                "{vma:?} has no anon_vma, but starts at {} with offset {}",
                view.page_at(area.start),
                area.pgoff
            );
            return view.finding(Invariant::UnfaultedOffset, detail);
        }
    }
    Ok(())
}

/// The counts of VMAs and children of an anon_vma match a recount. The anon_vma has a reference,
/// and its root is alive.
#[inline(never)]
fn check_anon_vma_counters(view: &View<'_>) -> Check {
    let s = view.s;
    for (id, anon_vma) in s.anon_vmas().iter() {
        let id = AnonVmaId(id);
        if anon_vma.tree.is_empty() {
            // not linked yet, or kept by a reference only
            continue;
        }
        let active = s
            .vmas()
            .iter()
            .filter(|(_, vma)| vma.anon_vma == Some(id))
            .count();
        let linked = |a: &mm_core::AnonVma| !a.tree.is_empty();
        let children = s
            .anon_vmas()
            .iter()
            .filter(|(_, a)| a.parent == id && linked(a))
            .count();
        let counted = (
            anon_vma.num_active_vmas as usize,
            anon_vma.num_children as usize,
        );
        if counted != (active, children) {
            let detail = format!(
                "{id:?} has {active} VMAs and {children} children, but counts {} and {}",
                counted.0, counted.1
            );
            return view.finding(Invariant::AnonVmaCounters, detail);
        }
        if !s.anon_vmas().is_live(anon_vma.root.0) || anon_vma.refcount == 0 {
            return view.finding(
                Invariant::AnonVmaCounters,
                format!("{id:?} has lost its root, or its last reference"),
            );
        }
    }
    Ok(())
}

/// VMAs of different processes never have the same `vma->anon_vma`: a fork reuses an anon_vma only
/// once nobody else has it.
#[inline(never)]
fn check_anon_vma_reuse(view: &View<'_>) -> Check {
    for (id, vma) in view.s.vmas().iter() {
        let Some(anon_vma) = vma.anon_vma else {
            continue;
        };
        let other = |(_, v): &(u32, &Vma)| v.anon_vma == Some(anon_vma) && v.mm != vma.mm;
        if let Some((other, _)) = view.s.vmas().iter().find(other) {
            let detail = format!(
                "{anon_vma:?} is the anon_vma of {:?} and of {:?}, which is in another process",
                VmaId(id),
                VmaId(other)
            );
            return view.finding(Invariant::AnonVmaReuse, detail);
        }
    }
    Ok(())
}

/// Neighbouring VMAs with the same `vma->anon_vma` are linked to the same set of anon_vmas;
/// otherwise a merge would lose pages.
#[inline(never)]
fn check_shared_anon_vma(view: &View<'_>) -> Check {
    let s = view.s;
    let linked_to = |vma: &Vma| -> Vec<AnonVmaId> {
        let mut all: Vec<_> = vma.chain.iter().map(|avc| s.avc(*avc).anon_vma).collect();
        all.sort_unstable();
        all
    };
    for (_, mm) in s.mms().iter() {
        for pair in mm.vmas.windows(2) {
            let (a, b) = (s.vma(pair[0]), s.vma(pair[1]));
            let shared = a.anon_vma.is_some() && a.anon_vma == b.anon_vma;
            if shared && linked_to(a) != linked_to(b) {
                let detail = format!(
                    "{:?} and {:?} share {:?}, but are linked to different sets: {:?} and {:?}",
                    pair[0],
                    pair[1],
                    a.anon_vma,
                    linked_to(a),
                    linked_to(b)
                );
                return view.finding(Invariant::SharedAnonVma, detail);
            }
        }
    }
    Ok(())
}

/// The VMAs of an address space are sorted, disjoint and not empty.
#[inline(never)]
fn check_layout(view: &View<'_>) -> Check {
    for (id, mm) in view.s.mms().iter() {
        let areas = || mm.vmas.iter().map(|vma| view.s.vma(*vma));
        let ordered = areas().zip(areas().skip(1)).all(|(a, b)| a.end <= b.start);
        let own = areas().all(|vma| vma.mm.0 as u32 == id && vma.start < vma.end);
        if !ordered || !own {
            let ranges: Vec<_> = areas().map(Vma::range).collect();
            return view.finding(Invariant::Layout, format!("VMAs of mm{id}: {ranges:?}"));
        }
    }
    Ok(())
}
