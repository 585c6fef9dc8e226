//! The state that operations leave behind, compared with the reference model.
//!
//! The machine is at rest while no operation that changes a range or forks is under way. Then each
//! page has the word that was written to it last, wherever the page is, and each VMA is as the
//! calls made it. An access would show a lost word only later. This check needs no access, so it
//! reports a loss as soon as the operation has ended.

use super::{Check, Shadow, View, entry_at, page_of};
use crate::describe;
use crate::invariant::Invariant;
use crate::reference::{Pid, Reference};
use mm_core::{Entry, MigrationKind, MmId, PageFlags, Pfn, Pte, Softleaf, State, VmFlags};

/// The changes since the last check.
#[derive(Debug, Default)]
pub(super) struct Changed {
    pages: Vec<(MmId, u64)>,
    topology: u32,
}

impl Changed {
    pub(super) fn reset(&mut self) {
        self.pages.clear();
        self.topology = 0;
    }

    /// The entry for `addr` was written.
    pub(super) fn entry(&mut self, mm: MmId, addr: u64) {
        self.pages.push((mm, addr));
    }

    /// The page that `mm` maps at `addr` was written to. Every process that maps it sees that.
    pub(super) fn page(&mut self, s: &State, shadow: &Shadow, mm: MmId, addr: u64) {
        let pfn = page_of(entry_at(s, mm, addr));
        let mappings = pfn.map_or(&[][..], |pfn| &shadow.named(pfn).mappings);
        self.pages.extend(mappings.iter().map(|p| (p.mm, p.addr)));
    }

    /// Checks what has changed.
    pub(super) fn check(
        &mut self,
        view: &View<'_>,
        model: &Reference,
        pid_of: impl Fn(MmId) -> Option<Pid>,
    ) -> Check {
        for (mm, addr) in self.pages.drain(..) {
            if let Some(pid) = pid_of(mm) {
                check_page(view, model, mm, pid, addr)?;
            }
        }
        if self.topology != view.s.topology() {
            self.topology = view.s.topology();
            check_fork_sequence(view)?;
            check_areas(view, model, pid_of)?;
        }
        Ok(())
    }
}

/// Checks all pages and VMAs.
pub(super) fn check_everything(
    view: &View<'_>,
    model: &Reference,
    pid_of: impl Fn(MmId) -> Option<Pid>,
) -> Check {
    for (mm, _) in view.s.mms().iter() {
        let mm = MmId(mm as u16);
        let Some(pid) = pid_of(mm) else { continue };
        for addr in model.addresses(pid) {
            check_page(view, model, mm, pid, addr)?;
        }
    }
    check_fork_sequence(view)?;
    check_areas(view, model, pid_of)
}

#[inline(never)]
fn check_fork_sequence(view: &View<'_>) -> Check {
    let mut spaces = view.s.mms().iter();
    let Some((mm, space)) = spaces.find(|(_, space)| space.write_protect_seq % 2 != 0) else {
        return Ok(());
    };
    let seq = space.write_protect_seq;
    let detail = format!("write_protect_seq of mm{mm} is {seq}, but no fork is under way");
    view.finding(Invariant::ForkSequence, detail)
}

fn check_page(view: &View<'_>, model: &Reference, mm: MmId, pid: Pid, addr: u64) -> Check {
    let Some(vma) = view.s.find_vma(mm, addr) else {
        return Ok(());
    };
    let pte = view.entry_at(mm, addr);
    check_word(view, model, pid, addr, pte)?;
    let flags = view.s.vma(vma).flags;
    check_permission(view, pid, addr, pte, flags)?;
    let is_registered = flags.contains(VmFlags::UFFD_WP);
    check_write_protection(view, model, pid, addr, pte, is_registered)
}

#[inline(never)]
fn check_word(view: &View<'_>, model: &Reference, pid: Pid, addr: u64, pte: Pte) -> Check {
    let Some(word) = word(view.s, pte) else {
        return Ok(());
    };
    let Err(expected) = model.may_hold(pid, addr, word) else {
        return Ok(());
    };
    let is = describe::entry(pte);
    let detail = format!(
        "{} of process {pid}, {is}, holds {word:#x}: {expected}",
        view.page_at(addr)
    );
    view.page_finding(Invariant::Kept, page_of(pte), detail)
}

/// An entry permits no more access than its VMA.
#[inline(never)]
fn check_permission(view: &View<'_>, pid: Pid, addr: u64, pte: Pte, flags: VmFlags) -> Check {
    let (access, write) = match pte.decode() {
        Entry::None => return Ok(()),
        Entry::Present(present) => (!present.protnone(), present.write()),
        Entry::Leaf(leaf) => match leaf.softleaf() {
            Some(Softleaf::DevicePrivate { write, .. }) => (false, write),
            Some(Softleaf::Migration(entry)) => (false, entry.kind == MigrationKind::Write),
            _ => return Ok(()),
        },
    };
    let readable = flags.intersects(VmFlags::READ | VmFlags::WRITE);
    if (readable || !access) && (flags.contains(VmFlags::WRITE) || !write) {
        return Ok(());
    }
    let is = describe::entry(pte);
    let detail = format!(
        "{} of process {pid} is {is}, in a VMA with the flags {}",
        view.page_at(addr),
        describe::vma_flags(flags)
    );
    view.page_finding(Invariant::Permission, page_of(pte), detail)
}

/// The word that a read through an entry would return; `None` if that is not certain.
fn word(s: &State, pte: Pte) -> Option<u64> {
    let of = |pfn: Pfn| s.page(pfn).word;
    match pte.decode() {
        Entry::None => Some(0),
        Entry::Present(present) => Some(of(present.pfn())),
        Entry::Leaf(leaf) => match leaf.softleaf()? {
            Softleaf::Swap(slot) => match s.swap_cache_page(slot) {
                // a fault may still be reading it in
                Some(page) if s.head(s.folio(page)).has(PageFlags::LOCKED) => None,
                Some(page) => Some(of(page)),
                None => Some(s.swap().slot(slot).word),
            },
            leaf => leaf.pfn().map(of),
        },
    }
}

#[inline(never)]
fn check_write_protection(
    view: &View<'_>,
    model: &Reference,
    pid: Pid,
    addr: u64,
    pte: Pte,
    is_registered: bool,
) -> Check {
    let marked = match pte.decode() {
        Entry::None => return Ok(()),
        Entry::Present(present) => present.uffd_wp(),
        Entry::Leaf(leaf) => leaf.uffd_wp(),
    };
    let Some(must) = model.write_protected(pid, addr) else {
        return Ok(());
    };
    if must == (marked && is_registered) {
        return Ok(());
    }
    let is = describe::entry(pte);
    let expected = if must { "" } else { "no " };
    let detail = format!(
        "{} of process {pid} is {is}: expected {expected}uffd write protection",
        view.page_at(addr)
    );
    view.page_finding(Invariant::KeptProtection, page_of(pte), detail)
}

fn check_areas(view: &View<'_>, model: &Reference, pid_of: impl Fn(MmId) -> Option<Pid>) -> Check {
    for (number, mm) in view.s.mms().iter() {
        if let Some(pid) = pid_of(MmId(number as u16)) {
            let areas = mm.vmas.iter().map(|vma| view.s.vma(*vma));
            let sticky = view.s.rules().merging_keeps_soft_dirty;
            check_area(view, pid, model.areas_differ(pid, areas, sticky))?;
        }
    }
    Ok(())
}

#[inline(never)]
fn check_area(view: &View<'_>, pid: Pid, differ: Option<(u64, String)>) -> Check {
    let Some((addr, differ)) = differ else {
        return Ok(());
    };
    let detail = format!("{} of process {pid} {differ}", view.page_at(addr));
    view.finding(Invariant::Area, detail)
}
