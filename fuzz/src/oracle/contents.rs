//! Contents and outcomes: what user space sees, compared with the reference model.

use super::{At, Check, View, entry_at, page_of};
use crate::describe;
use crate::finding::{PageState, describe};
use crate::invariant::Invariant;
use crate::reference::{Pid, Violation};
use crate::shown::Shown;
use mm_core::{DEVICES, DevId, Entry, HmmPfn, MmId, Pagemap, Pfn, Softleaf, State, VmFlags};

/// An access of a CPU or of a device reads the word that was written last, is allowed or denied as
/// the protection says, and goes to userfaultfd when it must.
pub fn check_access(at: At, addr: u64, (rule, text): (Violation, String)) -> Check {
    let detail = format!("{} {text}", describe::page_at(at.window, addr));
    match rule {
        Violation::Word => check_read(at, detail),
        Violation::Protection => check_protection(at, detail),
        Violation::WriteProtection => check_write_protection(at, detail),
    }
}

#[inline(never)]
fn check_read(at: At, detail: String) -> Check {
    at.report(Invariant::Read, None, PageState::default(), detail)
}

#[inline(never)]
fn check_protection(at: At, detail: String) -> Check {
    at.report(Invariant::Protection, None, PageState::default(), detail)
}

#[inline(never)]
fn check_write_protection(at: At, detail: String) -> Check {
    at.report(
        Invariant::WriteProtection,
        None,
        PageState::default(),
        detail,
    )
}

/// An operation fails only for a reason that user space can know. Its effect matches its result.
#[inline(never)]
pub fn check_outcome(at: At, detail: String) -> Check {
    at.report(Invariant::Outcome, None, PageState::default(), detail)
}

/// A process that pinned a page keeps mapping that page exclusively, until it unmaps it. So the pin
/// and the process see the same contents.
pub fn check_pins(view: &View<'_>, mm_of: impl Fn(Pid) -> Option<MmId>) -> Check {
    for held in view
        .holders
        .refs
        .iter()
        .flatten()
        .filter(|held| held.identity)
    {
        let Some(mm) = mm_of(held.pid) else { continue };
        let entry = view.entry_at(mm, held.addr).decode();
        check_pinned_page(view, held.pfn, entry)?;
        check_pinned_exclusive(view, held.pfn)?;
    }
    Ok(())
}

#[inline(never)]
fn check_pinned_page(view: &View<'_>, pfn: Pfn, entry: Entry) -> Check {
    let mapped = match entry {
        Entry::Present(p) => Some(p.pfn()),
        Entry::Leaf(leaf) => match leaf.softleaf() {
            Some(Softleaf::DeviceExclusive { pfn, .. }) => Some(pfn),
            _ => None,
        },
        Entry::None => None,
    };
    if mapped == Some(pfn) {
        return Ok(());
    }
    let detail =
        format!("pinned, but the process that pinned it now has {entry:x?} at that address");
    view.page_finding(Invariant::PinnedPage, pfn, detail)
}

#[inline(never)]
fn check_pinned_exclusive(view: &View<'_>, pfn: Pfn) -> Check {
    let page = view.s.page(pfn);
    if view.exclusive(pfn) {
        return Ok(());
    }
    let detail = format!("pinned, but not exclusive: {}", describe(pfn, page));
    view.page_finding(Invariant::PinnedExclusive, pfn, detail)
}

/// After a clear that ran alone, nothing is soft-dirty except pinned pages, and no device keeps
/// atomic access, by which it could write without setting the bit.
pub fn check_cleared(at: At, s: &State, mm: MmId) -> Check {
    let is_soft_dirty = |addr| match entry_at(s, mm, addr).decode() {
        Entry::None => false,
        Entry::Present(p) if s.head(s.folio(p.pfn())).maybe_dma_pinned() => false,
        Entry::Present(p) => p.soft_dirty(),
        Entry::Leaf(leaf) => leaf.soft_dirty(),
    };
    let is_written = |addr| {
        let mut devices = (0..DEVICES as u8).map(DevId);
        devices.any(|dev| {
            s.driver()
                .lookup((dev, mm, addr))
                .is_some_and(|pte| pte.atomic)
        })
    };
    for area in s.mm(mm).vmas.iter().map(|vma| s.vma(*vma)) {
        let all = area.flags.contains(VmFlags::SOFTDIRTY);
        let remains = |addr: &u64| all || is_soft_dirty(*addr) || is_written(*addr);
        if let Some(addr) = area.range().find(remains) {
            let detail = format!(
                "{} is soft-dirty after a clear, or a device can still write to it untracked",
                describe::page_at(at.window, addr)
            );
            check_outcome(at, detail)?;
        }
    }
    Ok(())
}

/// After an operation that ran alone, each page that it had to populate has an entry, if the page
/// is in a readable mlocked VMA.
pub fn check_resident(
    at: At,
    s: &State,
    mm: MmId,
    mut populated: impl Iterator<Item = u64>,
) -> Check {
    let lacks = |addr: &u64| {
        let area = s.find_vma(mm, *addr).map(|vma| s.vma(vma).flags);
        let must = area.is_some_and(|flags| flags.contains(VmFlags::LOCKED | VmFlags::READ));
        must && entry_at(s, mm, *addr).is_none()
    };
    match populated.find(lacks) {
        Some(addr) => check_outcome(
            at,
            format!(
                "{} is in an mlocked VMA, but has no entry",
                describe::page_at(at.window, addr)
            ),
        ),
        None => Ok(()),
    }
}

/// An operation that ran alone showed the page as it is.
pub fn check_shown(view: &View<'_>, mm: MmId, addr: u64, shown: Shown) -> Check {
    match shown {
        Shown::Pagemap(shown) => check_pagemap(view, mm, addr, shown),
        Shown::Snapshot(dev, shown) => check_snapshot(view, mm, addr, dev, shown),
    }
}

/// A snapshot shows a device what it could map without a fault: present pages, and pages in its own
/// memory. It also shows how many pages the entry stands for.
#[inline(never)]
fn check_snapshot(view: &View<'_>, mm: MmId, addr: u64, dev: DevId, shown: HmmPfn) -> Check {
    let pte = view.entry_at(mm, addr);
    let area = view.s.find_vma(mm, addr).map(|vma| view.s.vma(vma).flags);
    let order = view.order_at(mm, addr);
    let valid = |pfn, write| HmmPfn::Valid { pfn, write, order };
    let expected = match pte.decode() {
        _ if !area.is_some_and(|flags| flags.contains(VmFlags::READ)) => HmmPfn::Error,
        Entry::Present(present) if !present.protnone() => valid(present.pfn(), present.write()),
        Entry::Leaf(leaf) => match leaf.softleaf() {
            Some(Softleaf::DevicePrivate { write, pfn }) if pfn.device() == Some(dev) => {
                valid(pfn, write)
            }
            _ => HmmPfn::Nothing,
        },
        _ => HmmPfn::Nothing,
    };
    if shown == expected {
        return Ok(());
    }
    let detail = format!(
        "{} is {}: {dev:?} sees {}, expected {}",
        view.place(mm, addr),
        describe::entry(pte),
        describe::hmm_pfn(shown),
        describe::hmm_pfn(expected)
    );
    view.page_finding(Invariant::Snapshot, page_of(pte), detail)
}

/// A long-term pin never gets device memory or the zero page. If it got the zero page, a write of
/// the process would not reach the pinned page.
#[inline(never)]
pub fn check_longterm_pin(at: At, pfn: Pfn) -> Check {
    if pfn != Pfn::ZERO && pfn.device().is_none() {
        return Ok(());
    }
    let detail = format!("a long-term pin got {pfn:?}, which is the zero page or device memory");
    at.report(
        Invariant::LongtermPin,
        pfn.into(),
        PageState::default(),
        detail,
    )
}

/// pagemap shows what the entry and the VMA of a page say, whatever the kind of entry.
#[inline(never)]
pub fn check_pagemap(view: &View<'_>, mm: MmId, addr: u64, shown: Pagemap) -> Check {
    // the reader may have been the last user, and may have torn the address space down since
    if !view.s.mms().is_live(mm.0.into()) || view.s.mm(mm).notifier.released {
        return Ok(());
    }
    let pte = view.entry_at(mm, addr);
    let alone = |pfn: Pfn| pfn != Pfn::ZERO && view.shadow.named(pfn).mappings.len() == 1;
    let (present, swap, alone, soft_dirty, uffd_wp) = match pte.decode() {
        Entry::None => (false, false, false, false, false),
        Entry::Present(p) => (true, false, alone(p.pfn()), p.soft_dirty(), p.uffd_wp()),
        Entry::Leaf(swap) => (false, true, false, swap.soft_dirty(), swap.uffd_wp()),
    };
    let area = view.s.find_vma(mm, addr).map(|vma| view.s.vma(vma).flags);
    let untracked = area.is_some_and(|flags| flags.contains(VmFlags::SOFTDIRTY));
    let bits = [
        (Pagemap::PRESENT, present),
        (Pagemap::SWAP, swap),
        (Pagemap::MMAP_EXCLUSIVE, alone),
        (Pagemap::SOFT_DIRTY, soft_dirty || untracked),
        (Pagemap::UFFD_WP, uffd_wp),
    ];
    let set = bits.into_iter().filter(|(_, on)| *on).map(|(bit, _)| bit);
    let expected: Pagemap = set.collect();
    if shown == expected {
        return Ok(());
    }
    let detail = format!(
        "{} is {}: pagemap shows {}, expected {}",
        view.place(mm, addr),
        describe::entry(pte),
        describe::pagemap(shown),
        describe::pagemap(expected)
    );
    view.page_finding(Invariant::Pagemap, page_of(pte), detail)
}

/// The contents seen through a reference of `get` or `pin` change only when the process that took
/// it writes: a write of another process goes to a copy. `wrote` says whether a process wrote since
/// the last call.
#[inline(never)]
pub fn check_held_pages(view: &View<'_>, wrote: impl Fn(Pid) -> bool) -> Check {
    for held in view
        .holders
        .refs
        .iter()
        .flatten()
        .filter(|held| !held.speculative)
    {
        let word = view.s.page(held.pfn).word;
        if word != held.word && !wrote(held.pid) {
            let detail = format!(
                "process {} holds it and has not written to it, but {:#x} became {word:#x}",
                held.pid, held.word
            );
            return view.page_finding(Invariant::HeldPage, held.pfn, detail);
        }
    }
    Ok(())
}
