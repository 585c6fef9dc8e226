//! The comparable state of the model's processes, in the terms of the protocol.

use mm_core::{
    DevId, Entry as Decoded, MigrationEntry, MigrationKind, MmId, Page, PageFlags, Pfn, PresentPte,
    PteFlags, Softleaf, State, SwapId, SwapPte,
};
use mm_fuzz::limits::MAX_PROCS;
use mm_fuzz::window::Window;
use mm_linux_protocol::{Kind, SeenEntry, SeenProcess, entry, page};
use std::iter::Sum;

/// All processes of the model.
pub fn processes(s: &State, mms: &[Option<MmId>; MAX_PROCS], window: Window) -> Vec<SeenProcess> {
    let live = mms.iter().enumerate();
    live.filter_map(|(slot, mm)| Some(process(s, slot as u8, (*mm)?, window)))
        .collect()
}

fn process(s: &State, slot: u8, mm: MmId, window: Window) -> SeenProcess {
    let pgd = s.mm(mm).pgd;
    let entries = window.each().filter_map(|(page, addr)| {
        let entry = match s.tables().entry_for(pgd, addr).decode() {
            Decoded::None => return None,
            Decoded::Present(pte) => present(s, pte, window),
            Decoded::Leaf(swap) => leaf(s, swap, window),
        };
        Some((page, entry))
    });
    SeenProcess {
        slot,
        entries: entries.collect(),
        anon_rss: s.mm(mm).anon_rss,
        swap_ents: s.mm(mm).swap_ents,
        areas: s.mm(mm).vmas.len() as u32,
    }
}

fn flags<T: Copy + Sum>(pairs: &[(bool, T)]) -> T {
    let on = pairs.iter().filter(|(on, _)| *on);
    on.map(|(_, flag)| *flag).sum()
}

fn present(s: &State, pte: PresentPte, window: Window) -> SeenEntry {
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
    let mut entry = of_page(s, pte.pfn(), window);
    entry.flags = flags;
    entry
}

fn leaf(s: &State, swap: SwapPte, window: Window) -> SeenEntry {
    let Some(leaf) = swap.softleaf() else {
        return SeenEntry {
            kind: Kind::Other,
            ..SeenEntry::default()
        };
    };
    let mut entry = match leaf {
        Softleaf::Swap(slot) => of_slot(s, slot, window),
        Softleaf::Migration(MigrationEntry { pfn, .. })
        | Softleaf::DevicePrivate { pfn, .. }
        | Softleaf::DeviceExclusive { pfn, .. } => of_page(s, pfn, window),
    };
    entry.flags = flags(&[
        (swap.soft_dirty(), entry::SOFT_DIRTY),
        (swap.uffd_wp(), entry::UFFD_WP),
    ]);
    entry.kind = match leaf {
        Softleaf::Swap(_) => {
            entry.flags |= flags(&[(swap.exclusive(), entry::EXCLUSIVE)]);
            Kind::Swap
        }
        Softleaf::DevicePrivate { write: true, .. } => Kind::DeviceWrite,
        Softleaf::DevicePrivate { write: false, .. } => Kind::DeviceRead,
        Softleaf::DeviceExclusive { .. } => Kind::Exclusive,
        Softleaf::Migration(migration) => {
            entry.flags |= flags(&[
                (migration.young, entry::YOUNG),
                (migration.dirty, entry::DIRTY),
            ]);
            match migration.kind {
                MigrationKind::Read => Kind::MigrationRead,
                MigrationKind::ReadExclusive => Kind::MigrationReadExclusive,
                MigrationKind::Write => Kind::MigrationWrite,
            }
        }
    };
    entry
}

/// A swap slot, and the folio in the swap cache if there is one.
fn of_slot(s: &State, id: SwapId, window: Window) -> SeenEntry {
    let slot = s.swap().slot(id);
    let folio = slot.cache.map(|folio| of_page(s, folio.head(), window));
    SeenEntry {
        maps: slot.count as i32,
        identity: id.0.into(),
        // The index is not compared: a folio in the swap cache may have no index yet, or the one
        // that another entry gave it.
        index: 0,
        ..folio.unwrap_or_default()
    }
}

fn of_page(s: &State, pfn: Pfn, window: Window) -> SeenEntry {
    let of: &Page = s.page(pfn);
    let device = pfn.device();
    SeenEntry {
        device: device.map_or(0, |DevId(dev)| dev + 1),
        page: flags(&[
            (of.has(PageFlags::LOCKED), page::LOCKED),
            (of.has(PageFlags::DIRTY), page::DIRTY),
            (of.has(PageFlags::LRU), page::LRU),
            (of.has(PageFlags::SWAPBACKED), page::SWAPBACKED),
            (of.anon_exclusive(), page::EXCLUSIVE),
            (of.anon_vma().is_some(), page::ANON | page::MAPPING),
            (of.has(PageFlags::SWAPCACHE), page::SWAPCACHE),
            (of.has(PageFlags::MLOCKED), page::MLOCKED),
            (
                device.is_none() && of.has(PageFlags::UNEVICTABLE),
                page::UNEVICTABLE,
            ),
        ]),
        refs: of.refcount,
        maps: of.mapcount,
        identity: if device.is_some() {
            pfn.index() as u64
        } else {
            pfn.0.into()
        },
        index: window.offset(of.index),
        word: of.word,
        ..SeenEntry::default()
    }
}
