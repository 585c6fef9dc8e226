//! Coherence: no device mapping and no TLB entry outlives the page-table entry that it was made
//! from.

use super::{Check, View};
use crate::describe;
use crate::finding::Finding;
use crate::invariant::Invariant;
use mm_core::{
    DEVICES, DevId, DevicePte, Entry, Mirror, MmId, PageFlags, Pfn, PresentPte, Pte, PteWrite,
    Softleaf,
};

/// Each mapping of a device names the page that the CPU's entry names, and permits at most the
/// access of that entry; the page is present or in the device's own memory. Under a
/// device-exclusive entry, only one device maps the page. Under a present entry, no mapping is
/// atomic. The CPU's entry may be a migration entry if the device maps a locked page of its own:
/// then the driver's own migration is under way.
#[inline(never)]
pub fn check_device_mappings(view: &View<'_>) -> Check {
    let mut stale: Option<(Mirror, DevicePte, Pte)> = None;
    view.s.driver().for_each_mapping(&mut |at, pte| {
        let entry = view.entry_at(at.1, at.2);
        let first = stale.is_none_or(|(seen, ..)| at < seen);
        if first && !is_coherent(view, at, pte, entry) {
            stale = Some((at, pte, entry));
        }
    });
    let Some(((dev, mm, addr), pte, entry)) = stale else {
        return Ok(());
    };
    let detail = format!(
        "{dev:?} maps {:?} ({}) at {}, where the CPU has {}",
        pte.pfn,
        match pte {
            DevicePte { atomic: true, .. } => "atomic",
            DevicePte { write: true, .. } => "write",
            _ => "read",
        },
        view.place(mm, addr),
        describe::entry(entry)
    );
    view.page_finding(Invariant::DeviceMapping, pte.pfn, detail)
}

/// True if another device maps the address as well.
fn shared(view: &View<'_>, dev: DevId, mm: MmId, addr: u64) -> bool {
    let devices = (0..DEVICES as u8).map(DevId);
    let mut others = devices.filter(|other| *other != dev);
    others.any(|other| view.s.driver().lookup((other, mm, addr)).is_some())
}

fn is_coherent(view: &View<'_>, (dev, mm, addr): Mirror, pte: DevicePte, entry: Pte) -> bool {
    match (entry.decode(), entry.leaf()) {
        (Entry::Present(p), _) => !pte.atomic && p.pfn() == pte.pfn && (p.write() || !pte.write),
        (_, Some(Softleaf::DeviceExclusive { pfn, .. })) => {
            pfn == pte.pfn && !shared(view, dev, mm, addr)
        }
        (_, Some(Softleaf::DevicePrivate { write, pfn })) => {
            pfn == pte.pfn && pfn.device() == Some(dev) && (write || !pte.write)
        }
        (_, Some(Softleaf::Migration(_))) => {
            pte.pfn.device() == Some(dev) && view.head(pte.pfn).has(PageFlags::LOCKED)
        }
        _ => false,
    }
}

/// True if a CPU caches a translation for the address of this write. The write may have made that
/// translation stale.
pub fn is_remembered(view: &View<'_>, write: &PteWrite) -> bool {
    let tlbs = view.s.tlbs();
    tlbs.cpus()
        .any(|cpu| tlbs.lookup(cpu, write.mm, write.addr).is_some())
}

/// The page tables back each TLB entry: they name the same page, permit as much access, and have
/// the dirty bit set if the TLB entry has. Otherwise an operation under way owes the flush. Returns
/// true if an operation owes one.
#[inline(never)]
pub fn check_translations(view: &View<'_>) -> Result<bool, Box<Finding>> {
    let mut owed = false;
    for (cpu, mm, addr, remembered) in view.s.tlbs().iter() {
        let entry = view.entry_at(mm, addr);
        if is_backed(remembered, entry) {
            continue;
        }
        let mut tasks = view.s.tasks().iter();
        if tasks.any(|task| task.owes_flush(mm, addr)) {
            owed = true;
            continue;
        }
        let detail = format!(
            "CPU {} caches {} for {}, where the table has {}, and no task owes the flush",
            cpu.0,
            describe::entry(remembered.pte()),
            view.place(mm, addr),
            describe::entry(entry)
        );
        view.page_finding(Invariant::Tlb, remembered.pfn(), detail)?;
    }
    Ok(owed)
}

pub(super) fn is_backed(remembered: PresentPte, entry: Pte) -> bool {
    let allows =
        |p: &PresentPte| (p.write() || !remembered.write()) && (p.dirty() || !remembered.dirty());
    let accessible = entry.present().filter(|p| !p.protnone());
    accessible.is_some_and(|p| p.pfn() == remembered.pfn() && allows(&p))
}

/// No TLB entry translates to a free page, even if a task owes the flush: the page could be reused
/// next.
#[inline(never)]
pub fn check_freed_translation(view: &View<'_>, pfn: Pfn) -> Check {
    let mut remembered = view.s.tlbs().iter();
    let Some((cpu, mm, addr, _)) = remembered.find(|(.., pte)| pte.pfn() == pfn) else {
        return Ok(());
    };
    let detail = format!(
        "CPU {} still translates {} to this free page",
        cpu.0,
        view.place(mm, addr)
    );
    view.page_finding(Invariant::FreedTranslation, pfn, detail)
}
