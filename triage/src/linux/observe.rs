//! The comparable state of the model's processes, in the terms of the protocol.

use mm_core::{
    DevId, Entry as Decoded, MigrationEntry, MigrationKind, MmId, Page, PageFlags, Pfn, PresentPte,
    PteFlags, Softleaf, State, SwapId, SwapPte, Walk,
};
use mm_fuzz::limits::MAX_PROCS;
use mm_fuzz::window::Window;
use mm_linux_protocol::{EntryKind, SeenEntry, SeenProcess, entry, page as flag};
use std::iter::Sum;

/// All processes of the model. A page of the program stands for `unit` pages of the guest, and the
/// charges are in the guest's pages.
pub fn processes(
    s: &State,
    mms: &[Option<MmId>; MAX_PROCS],
    window: Window,
    unit: u64,
) -> Vec<SeenProcess> {
    let live = mms.iter().enumerate();
    live.filter_map(|(slot, mm)| Some(process(s, slot as u8, (*mm)?, window, unit as i64)))
        .collect()
}

fn process(s: &State, slot: u8, mm: MmId, window: Window, unit: i64) -> SeenProcess {
    let pgd = s.mm(mm).pgd;
    let entries = window.each().filter_map(|(page, addr)| {
        let level = match s.tables().walk(pgd, addr) {
            Walk::Huge(_, level) => level as u8,
            Walk::Pte(_) | Walk::Hole(..) => 0,
        };
        let entry = match s.tables().entry_for(pgd, addr).decode() {
            Decoded::None => return None,
            Decoded::Present(pte) => present(s, pte, level, window),
            Decoded::Leaf(swap) => leaf(s, swap, level, window),
        };
        Some((page, SeenEntry { level, ..entry }))
    });
    SeenProcess {
        slot,
        entries: entries.collect(),
        anon_rss: s.mm(mm).anon_rss * unit,
        swap_ents: s.mm(mm).swap_ents * unit,
        areas: s.mm(mm).vmas.len() as u32,
    }
}

fn flags<T: Copy + Sum>(pairs: &[(bool, T)]) -> T {
    let on = pairs.iter().filter(|(on, _)| *on);
    on.map(|(_, flag)| *flag).sum()
}

fn present(s: &State, pte: PresentPte, level: u8, window: Window) -> SeenEntry {
    let zero = pte.pfn() == Pfn::ZERO;
    let flags = flags(&[
        (pte.write(), entry::WRITE),
        (pte.soft_dirty(), entry::SOFT_DIRTY),
        (pte.uffd_wp(), entry::UFFD_WP),
        (pte.young(), entry::YOUNG),
        (pte.has(PteFlags::DIRTY), entry::DIRTY),
        (pte.protnone(), entry::PROTNONE),
        (zero, entry::ZERO),
    ]);
    let mut entry = of_page(s, pte.pfn(), level, window);
    entry.flags = flags;
    entry
}

fn leaf(s: &State, swap: SwapPte, level: u8, window: Window) -> SeenEntry {
    let Some(leaf) = swap.softleaf() else {
        return SeenEntry {
            kind: EntryKind::Other,
            ..SeenEntry::default()
        };
    };
    let mut entry = match leaf {
        Softleaf::Swap(slot) => of_slot(s, slot, window),
        Softleaf::Migration(MigrationEntry { pfn, .. })
        | Softleaf::DevicePrivate { pfn, .. }
        | Softleaf::DeviceExclusive { pfn, .. } => of_page(s, pfn, level, window),
    };
    entry.flags = flags(&[
        (swap.soft_dirty(), entry::SOFT_DIRTY),
        (swap.uffd_wp(), entry::UFFD_WP),
    ]);
    entry.kind = match leaf {
        Softleaf::Swap(_) => {
            entry.flags |= flags(&[(swap.exclusive(), entry::EXCLUSIVE)]);
            EntryKind::Swap
        }
        Softleaf::DevicePrivate { write: true, .. } => EntryKind::DeviceWrite,
        Softleaf::DevicePrivate { write: false, .. } => EntryKind::DeviceRead,
        Softleaf::DeviceExclusive { .. } => EntryKind::Exclusive,
        Softleaf::Migration(migration) => {
            entry.flags |= flags(&[
                (migration.young, entry::YOUNG),
                (migration.dirty, entry::DIRTY),
            ]);
            match migration.kind {
                MigrationKind::Read => EntryKind::MigrationRead,
                MigrationKind::ReadExclusive => EntryKind::MigrationReadExclusive,
                MigrationKind::Write => EntryKind::MigrationWrite,
            }
        }
    };
    entry
}

/// A swap slot, and the folio in the swap cache if there is one.
fn of_slot(s: &State, id: SwapId, window: Window) -> SeenEntry {
    let slot = s.swap().slot(id);
    let page = s.swap_cache_page(id);
    let page = page.map(|page| of_page(s, page, 0, window));
    SeenEntry {
        maps: slot.count as i32,
        identity: id.0.into(),
        // The index is not compared: a folio in the swap cache may have no index yet, or the one
        // that another entry gave it.
        index: 0,
        ..page.unwrap_or_default()
    }
}

/// A page that an entry of this level names. The head page has the exclusive flag of a huge entry.
fn of_page(s: &State, pfn: Pfn, level: u8, window: Window) -> SeenEntry {
    let page: &Page = s.page(pfn);
    let of: &Page = s.head(s.folio(pfn));
    let exclusive = if level > 0 { of } else { page }.anon_exclusive();
    let large = of.order > 0;
    let counted = match large {
        true if of.has(PageFlags::SWAPCACHE) => of.large_mapcount + of.nr_pages(),
        true => of.large_mapcount,
        false => 0,
    };
    let device = pfn.device();
    SeenEntry {
        device: device.map_or(0, |DevId(dev)| dev + 1),
        page: flags(&[
            (of.has(PageFlags::LOCKED), flag::LOCKED),
            (of.has(PageFlags::DIRTY), flag::DIRTY),
            (of.has(PageFlags::LRU), flag::LRU),
            (of.has(PageFlags::SWAPBACKED), flag::SWAPBACKED),
            (exclusive, flag::EXCLUSIVE),
            (of.anon_vma().is_some(), flag::ANON | flag::MAPPING),
            (of.has(PageFlags::SWAPCACHE), flag::SWAPCACHE),
            (of.has(PageFlags::MLOCKED), flag::MLOCKED),
            (
                device.is_none() && of.has(PageFlags::UNEVICTABLE),
                flag::UNEVICTABLE,
            ),
            (of.has(PageFlags::PARTIALLY_MAPPED), flag::PARTIAL),
            (s.deferred_splits().contains(&s.folio(pfn)), flag::QUEUED),
        ]),
        refs: of.refcount - counted,
        maps: page.mapcount,
        identity: if device.is_some() {
            pfn.index() as u64
        } else {
            pfn.0.into()
        },
        index: window.offset(of.index + u64::from(page.tail_offset)),
        word: page.word,
        order: of.order,
        entire: of.entire_mapcount,
        ..SeenEntry::default()
    }
}
