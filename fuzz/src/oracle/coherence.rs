//! Coherence: no mapping of a device outlives what it was made from.

use super::{Check, View};
use crate::finding::Family;
use mm_core::{DevicePte, Entry, Mirror, MmId, PageFlags, Pte, Softleaf};

/// What a device maps is what the CPU's entry names, with no more access: the same page, present or
/// in the device's own memory. While the driver's own migration holds the page locked, a migration
/// entry may stand there.
#[inline(never)]
pub fn check_device_mappings(view: &View<'_>) -> Check {
    let mut stale: Option<(Mirror, DevicePte, Pte)> = None;
    view.s.driver().for_each_mapping(&mut |at, pte| {
        let entry = entry_at(view, at);
        let first = stale.is_none_or(|(seen, ..)| at < seen);
        if first && !is_coherent(view, at, pte, entry) {
            stale = Some((at, pte, entry));
        }
    });
    let Some(((dev, mm, addr), pte, entry)) = stale else {
        return Ok(());
    };
    let detail = format!(
        "{dev:?} maps {:?} ({}) at {mm:?} page {addr}, where the CPU has {:x?}",
        pte.pfn,
        if pte.write { "write" } else { "read" },
        entry.decode()
    );
    view.page_finding(Family::Coherence, "device-mapping", pte.pfn, detail)
}

/// What subscribers are told about is a range of addresses of user space, with something in it.
#[inline(never)]
pub fn check_notifier_range(view: &View<'_>, mm: MmId, start: u64, end: u64) -> Check {
    if start < end && end <= view.s.geometry().task_size() {
        return Ok(());
    }
    let detail = format!("{mm:?} announces a change of pages {start} to {end}");
    view.finding(Family::Coherence, "notifier-range", detail)
}

fn entry_at(view: &View<'_>, (_, mm, addr): Mirror) -> Pte {
    if !view.s.mms().is_live(mm.0.into()) {
        return Pte::NONE;
    }
    let at = view.s.tables().pte_offset(view.s.mm(mm).pgd, addr);
    at.map_or(Pte::NONE, |at| view.s.tables().get(at))
}

fn is_coherent(view: &View<'_>, (dev, ..): Mirror, pte: DevicePte, entry: Pte) -> bool {
    match (entry.decode(), entry.leaf()) {
        (Entry::Present(p), _) => p.pfn() == pte.pfn && (p.write() || !pte.write),
        (_, Some(Softleaf::DevicePrivate { write, pfn })) => {
            pfn == pte.pfn && pfn.device() == Some(dev) && (write || !pte.write)
        }
        (_, Some(Softleaf::Migration(_))) => {
            pte.pfn.device() == Some(dev) && view.s.page(pte.pfn).has(PageFlags::LOCKED)
        }
        _ => false,
    }
}
