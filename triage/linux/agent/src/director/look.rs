//! Converts the driver's observations into the terms of the protocol.

use crate::driver::{self, Observe};
use mm_fuzz::window::Window;
use mm_linux_protocol::{EntryKind, SeenEntry, SeenProcess};

const KINDS: [EntryKind; 10] = [
    EntryKind::Present,
    EntryKind::MigrationRead,
    EntryKind::MigrationReadExclusive,
    EntryKind::MigrationWrite,
    EntryKind::DeviceRead,
    EntryKind::DeviceWrite,
    EntryKind::Exclusive,
    EntryKind::Swap,
    EntryKind::Marker,
    EntryKind::Other,
];

/// The process in `slot`.
pub fn process_of(
    slot: usize,
    window: Window,
    sums: &Observe,
    entries: &[driver::Entry],
) -> SeenProcess {
    let mapped = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.kind != 0);
    SeenProcess {
        slot: slot as u8,
        entries: mapped
            .map(|(page, entry)| (page as u8, entry_of(entry, window)))
            .collect(),
        anon_rss: sums.anon_rss,
        swap_ents: sums.swap_ents,
        areas: sums.areas as u32,
    }
}

fn entry_of(entry: &driver::Entry, window: Window) -> SeenEntry {
    let kind = KINDS
        .get(usize::from(entry.kind) - 1)
        .copied()
        .unwrap_or(EntryKind::Other);
    let in_swap = kind == EntryKind::Swap;
    let identity = if entry.device > 0 || in_swap {
        entry.frame.into()
    } else {
        entry.pfn
    };
    SeenEntry {
        kind,
        device: entry.device,
        flags: entry.pte,
        page: entry.page as u16,
        refs: entry.refs,
        maps: entry.maps,
        identity,
        // A folio in the swap cache may have no index yet.
        index: match in_swap {
            true => 0,
            false => window.offset(entry.index),
        },
        word: entry.word,
        level: entry.level,
        // in pages of the program
        order: (entry.order as u8).saturating_sub(window.scale().ilog2() as u8),
        entire: entry.entire,
        uneven: entry.uneven as u8,
    }
}
