//! Entries: which bits a rewrite must keep, and which combinations of bits an entry may have.
//!
//! Most rules are about one write: the entry before, the entry after, and the operation that ran.
//! [`check_moved`] compares two writes, and [`check_entries`] compares the entries of a page with
//! its struct page.

use super::meaning::{Form, Meaning, meaning};
use super::shadow::{EntryLoc, Named};
use super::{Check, View};
use crate::describe;
use crate::invariant::Invariant;
use mm_core::{PageFlags, Pfn, Pte, PteWrite, SwapId, VmFlags};

/// Checks one write of the entry of a page. `before` is the entry that it replaces. If the
/// previous write cleared the same entry, `before` is the entry as it was before that clear.
pub fn check_write(view: &View<'_>, write: &PteWrite, before: Pte) -> Check {
    check_locked_area(view, write, before)?;
    let Some(new) = meaning(write.new) else {
        return Ok(());
    };
    check_place(view, write, &new)?;
    check_write_uffd_wp(view, write, &new)?;
    check_uffd_wp_registered(view, write, &new)?;
    let old = meaning(before);
    check_untracked_write(view, write, old.as_ref(), &new)?;
    let Some(old) = old else {
        return check_inherited(view, write, &new);
    };
    match (old.form, new.form) {
        (Form::Present | Form::Device | Form::Exclusive, Form::Migration)
        | (Form::Migration, Form::Present | Form::Device)
        | (Form::Present, Form::Exclusive)
        | (Form::Exclusive, Form::Present) => {
            check_round_trip(view, write, &old, &new)?;
            check_dirty_lost(view, write, &old, &new)
        }
        (Form::Zero | Form::Present, Form::Present) if old.pfn != new.pfn => {
            check_copied(view, write, &old, &new)
        }
        (Form::Migration, Form::Zero) => check_copied(view, write, &old, &new),
        (Form::Present | Form::Exclusive, Form::Swap) | (Form::Swap, Form::Present) => {
            check_swap_round_trip(view, write, &old, &new)
        }
        (old_form, new_form)
            if old_form == new_form && (old.pfn, old.slot) == (new.pfn, new.slot) =>
        {
            check_update(view, write, &old, &new)
        }
        _ => Ok(()),
    }
}

/// A huge entry lies in one VMA, and names the head page of a folio of its size, or the zero page.
/// It is present, device-private or a migration entry. An entry that was overwritten before the
/// slice ended is not checked.
#[inline(never)]
pub fn check_huge_entry(view: &View<'_>, write: &PteWrite) -> Check {
    let Some(new) = meaning(write.new) else {
        return Ok(());
    };
    let pfn = new.pfn.unwrap_or(Pfn::NOWHERE);
    let stands = view.s.tables().get(write.at) == write.new;
    let order = view.s.geometry().order(write.level);
    let vma = view.s.find_vma(write.mm, write.addr);
    // a VMA that has left its address space is being torn down
    let inside = vma.is_none_or(|vma| {
        let area = view.s.vma(vma);
        area.start <= write.addr && write.addr + (1 << order) <= area.end
    });
    let page = view.s.page(pfn);
    let whole = match new.form {
        Form::Zero => true,
        Form::Present | Form::Device | Form::Migration => {
            page.order == order && page.tail_offset == 0
        }
        Form::Exclusive | Form::Swap => false,
    };
    if !stands || inside && whole {
        return Ok(());
    }
    let detail = format!(
        "the huge entry at {:?} page {} is {new}, of order {}; inside one VMA: {inside}",
        write.mm, write.addr, page.order
    );
    view.page_finding(Invariant::HugeEntry, new.pfn, detail)
}

/// Reclaim takes no page from an mlocked VMA. The split of a large folio takes no page either, and
/// maps no zero page there. It clears an entry, but then writes a migration entry, so the entry is
/// not empty when the slice ends.
#[inline(never)]
fn check_locked_area(view: &View<'_>, write: &PteWrite, before: Pte) -> Check {
    let form = |pte| meaning(pte).map(|meaning| meaning.form);
    let taken = match (form(before), form(write.new)) {
        (Some(Form::Present | Form::Exclusive), Some(Form::Swap))
        | (Some(Form::Migration), Some(Form::Zero)) => true,
        (Some(Form::Present | Form::Exclusive), None) if view.at.op.reclaims => {
            view.entry_at(write.mm, write.addr).is_none()
        }
        _ => false,
    };
    // an address space without users is torn down, whatever operation is running
    let taken = taken && view.s.mm(write.mm).users > 0;
    let vma = taken.then(|| view.s.find_vma(write.mm, write.addr));
    let locked = |vma| view.s.vma(vma).flags.contains(VmFlags::LOCKED);
    if !vma.flatten().is_some_and(locked) {
        return Ok(());
    }
    let was = describe::entry(before);
    let detail = format!(
        "{was} was taken from an mlocked VMA, at {}",
        view.place(write.mm, write.addr)
    );
    view.page_finding(
        Invariant::LockedArea,
        meaning(before).and_then(|old| old.pfn),
        detail,
    )
}

/// Present and device-exclusive entries name system memory, device-private entries device memory. A
/// mapping of the zero page is never writable, and no migration or device-exclusive entry names it.
/// No swap entry names slot 0.
#[inline(never)]
fn check_place(view: &View<'_>, write: &PteWrite, new: &Meaning) -> Check {
    let device = new.pfn.and_then(Pfn::device);
    let good = match new.form {
        Form::Zero => !new.write,
        Form::Present => device.is_none(),
        Form::Device => device.is_some_and(|d| d.ix() < mm_core::DEVICES),
        Form::Migration => new.pfn != Some(Pfn::ZERO),
        Form::Swap => new.slot != Some(SwapId(0)),
        Form::Exclusive => new.pfn != Some(Pfn::ZERO) && device.is_none(),
    };
    if good {
        return Ok(());
    }
    view.page_finding(Invariant::EntryPlace, new.pfn, describe(view, write, new))
}

/// No entry is both writable and write-protected for userfaultfd.
#[inline(never)]
fn check_write_uffd_wp(view: &View<'_>, write: &PteWrite, new: &Meaning) -> Check {
    if !(new.write && new.uffd_wp) {
        return Ok(());
    }
    view.page_finding(Invariant::WriteUffdWp, new.pfn, describe(view, write, new))
}

/// Only entries of registered VMAs are write-protected for userfaultfd.
#[inline(never)]
fn check_uffd_wp_registered(view: &View<'_>, write: &PteWrite, new: &Meaning) -> Check {
    let registered = || {
        // a VMA that has left its address space is being torn down
        let vma = view.s.find_vma(write.mm, write.addr);
        vma.is_none_or(|vma| view.s.vma(vma).flags.contains(VmFlags::UFFD_WP))
    };
    // the split of a huge entry makes entries that may be removed before the slice ends
    let stands = view.s.tables().part(write.at, write.addr) == write.new;
    if !new.uffd_wp || view.at.op.moves_areas || !stands || registered() {
        return Ok(());
    }
    view.page_finding(
        Invariant::UffdWpUnregistered,
        new.pfn,
        describe(view, write, new),
    )
}

/// Where soft-dirty tracks writes, an entry with write permission is soft-dirty, whether it is
/// present, device-private or a migration entry. A migration entry gives its permission to the
/// entry that replaces it. An entry that was writable and not soft-dirty before may stay so: its
/// VMA may have lost the soft-dirty flag in a merge.
#[inline(never)]
fn check_untracked_write(
    view: &View<'_>,
    write: &PteWrite,
    old: Option<&Meaning>,
    new: &Meaning,
) -> Check {
    let untracked = |m: &Meaning| m.write && !m.soft_dirty;
    let may_be_written = matches!(new.form, Form::Present | Form::Device | Form::Migration);
    if !may_be_written || !untracked(new) || old.is_some_and(untracked) {
        return Ok(());
    }
    let vma = view.s.find_vma(write.mm, write.addr);
    if vma.is_none_or(|vma| view.s.vma(vma).flags.contains(VmFlags::SOFTDIRTY)) {
        return Ok(());
    }
    view.page_finding(
        Invariant::UntrackedWrite,
        new.pfn,
        describe(view, write, new),
    )
}

/// True if an entry is one of those that a fork copies with the soft-dirty bit of another entry.
fn copies_in_batches(view: &View<'_>, write: &PteWrite, new: &Meaning) -> bool {
    let vma = view.s.find_vma(write.mm, write.addr);
    let soft_dirty = vma.is_some_and(|vma| view.s.vma(vma).flags.contains(VmFlags::SOFTDIRTY));
    let large = |page| view.head(page).order > 0;
    soft_dirty && new.form == Form::Present && new.pfn.is_some_and(large)
}

/// A fork copies the soft-dirty bit of an entry.
#[inline(never)]
fn check_inherited(view: &View<'_>, write: &PteWrite, new: &Meaning) -> Check {
    if !view.at.op.forks || copies_in_batches(view, write, new) {
        return Ok(());
    }
    let copied = match new.slot {
        Some(slot) => [view.shadow.named_slot(slot), &[]],
        None => {
            let named = view.shadow.named(new.pfn.unwrap_or(Pfn::NOWHERE));
            [&named.mappings[..], &named.migrations]
        }
    };
    let others = copied.into_iter().flatten();
    let others = others.filter(|place| place.mm != write.mm && place.addr == write.addr);
    let mut others = others.map(|place| meaning(place.entry(view.s))).peekable();
    // the parent's entry may be gone by now, with its process
    let agrees = |other: Option<Meaning>| other.is_none_or(|m| m.soft_dirty == new.soft_dirty);
    if others.peek().is_none() || others.any(agrees) {
        return Ok(());
    }
    let detail = format!(
        "{}: its soft-dirty bit differs from that of every process that shares the page",
        describe(view, write, new)
    );
    view.page_finding(Invariant::Inherited, new.pfn, detail)
}

/// A migration entry and the entry that replaces it keep write permission, exclusivity, soft-dirty,
/// uffd-wp and, where the format has room, young. A device-exclusive entry replaces only a writable
/// mapping. It keeps soft-dirty and uffd-wp, and so does the entry that replaces it. There is one
/// exception: a writable entry may become soft-dirty in a VMA whose writes are not tracked.
#[inline(never)]
fn check_round_trip(view: &View<'_>, write: &PteWrite, old: &Meaning, new: &Meaning) -> Check {
    let young = old.young.zip(new.young).is_none_or(|(a, b)| a == b);
    let writable = match (old.form, new.form) {
        (Form::Present, Form::Exclusive) => old.write,
        (Form::Exclusive, Form::Migration) => !new.write,
        // other checks require that a writable entry is exclusive and not write-protected
        (Form::Exclusive, _) => true,
        _ => old.write == new.write,
    };
    let untracked = || {
        let vma = view.s.find_vma(write.mm, write.addr);
        vma.is_none_or(|vma| view.s.vma(vma).flags.contains(VmFlags::SOFTDIRTY))
    };
    let dirtied = old.form == Form::Exclusive && new.write && new.soft_dirty;
    let soft_dirty = old.soft_dirty == new.soft_dirty || dirtied && untracked();
    let exclusive = is_still_exclusive(view, write, old, new);
    if writable && exclusive && soft_dirty && old.uffd_wp == new.uffd_wp && young {
        return Ok(());
    }
    let detail = format!(
        "was {old}, became {new} at {}",
        view.place(write.mm, write.addr)
    );
    view.page_finding(Invariant::RoundTrip, new.pfn, detail)
}

/// True if exclusivity survived: a swap or migration entry says that its page was exclusive, and
/// the page is exclusive again once such an entry has been replaced.
fn is_still_exclusive(view: &View<'_>, write: &PteWrite, old: &Meaning, new: &Meaning) -> bool {
    let page = |m: &Meaning| m.pfn.unwrap_or(Pfn::NOWHERE);
    match (old.exclusive, new.exclusive) {
        (_, Some(exclusive)) => {
            // a fork shares pages that were exclusive
            let noted = view.shadow.named(page(old)).exclusive && !view.at.op.forks;
            exclusive || !(old.write || old.form == Form::Exclusive || noted)
        }
        (Some(true), None) => {
            // the process may have exited since, in the same slice
            let stands = view.s.tables().part(write.at, write.addr) == write.new;
            !stands || view.exclusive(page(new))
        }
        _ => true,
    }
}

/// A swap entry and the entry that replaces it keep soft-dirty, uffd-wp and exclusivity.
#[inline(never)]
fn check_swap_round_trip(view: &View<'_>, write: &PteWrite, old: &Meaning, new: &Meaning) -> Check {
    let kept = (old.soft_dirty, old.uffd_wp) == (new.soft_dirty, new.uffd_wp)
        // the fault may have been a write
        || new.write && new.soft_dirty && old.uffd_wp == new.uffd_wp;
    let exclusive = is_still_exclusive(view, write, old, new);
    if kept && exclusive {
        return Ok(());
    }
    let detail = format!(
        "was {old}, became {new} at {}",
        view.place(write.mm, write.addr)
    );
    view.page_finding(Invariant::SwapRoundTrip, new.pfn, detail)
}

/// When a dirty entry is replaced on a round trip through a migration or device-exclusive entry,
/// the folio is dirty, and the new entry is dirty if its format has room for the bit.
#[inline(never)]
fn check_dirty_lost(view: &View<'_>, write: &PteWrite, old: &Meaning, new: &Meaning) -> Check {
    let in_entry = old.dirty.zip(new.dirty).is_none_or(|(was, is)| was == is);
    let page = view.head(new.pfn.unwrap_or(Pfn::NOWHERE));
    // reclaim splits a large folio, and then may write its pages to their slots
    let is_written = view.at.op.reclaims && page.has(PageFlags::SWAPCACHE);
    // MADV_FREE splits a large folio, and then cleans the entry and its page
    let is_cleaned = view.at.op.cleans && {
        let now = view.entry_at(write.mm, write.addr).present();
        now.is_some_and(|now| !now.dirty())
    };
    let kept = page.has(PageFlags::DIRTY) || page.has(PageFlags::FREE);
    let in_folio = kept || is_written || is_cleaned;
    if old.dirty != Some(true) || in_entry && in_folio {
        return Ok(());
    }
    let detail = format!(
        "was {old}, became {new} at {}; folio dirty: {in_folio}",
        view.place(write.mm, write.addr)
    );
    view.page_finding(Invariant::DirtyLost, new.pfn, detail)
}

/// An entry that gets another page without a migration gets a copy. If the copy is for a write, the
/// entry becomes soft-dirty. If the copy only keeps the page from being shared, or if the zero page
/// replaces a page of zeroes, the entry keeps soft-dirty and uffd-wp.
#[inline(never)]
fn check_copied(view: &View<'_>, write: &PteWrite, old: &Meaning, new: &Meaning) -> Check {
    let written = new.write || new.dirty == Some(true);
    let kept = (old.soft_dirty, old.uffd_wp) == (new.soft_dirty, new.uffd_wp);
    if if written { new.soft_dirty } else { kept } {
        return Ok(());
    }
    let detail = format!(
        "was {old}, became {new} at {}",
        view.place(write.mm, write.addr)
    );
    view.page_finding(Invariant::Copied, new.pfn, detail)
}

/// An update in place keeps the bits that the operation is not meant to change.
#[inline(never)]
fn check_update(view: &View<'_>, write: &PteWrite, old: &Meaning, new: &Meaning) -> Check {
    let op = view.at.op;
    let dirtied = new.dirty == Some(true) && old.dirty == Some(false) || new.write && !old.write;
    let downgraded_device = new.form == Form::Device && old.write && !new.write;
    // the holder of a pin may write to the page at any time
    let pinned = old.form == Form::Present && {
        let page = view.head(old.pfn.unwrap_or(Pfn::NOWHERE));
        page.maybe_dma_pinned()
    };
    let cleared = op.clears_soft_dirty && !pinned;
    let soft_dirty = old.soft_dirty == new.soft_dirty
        || new.soft_dirty && dirtied
        || !new.soft_dirty && (cleared || downgraded_device);
    let uffd_wp = old.uffd_wp == new.uffd_wp
        || op.changes_uffd_wp
        // a write fault, after the VMA was unregistered, drops the bit
        || !new.uffd_wp && new.write;
    // MADV_FREE cleans the entry on purpose
    let dirty = !(old.dirty == Some(true) && new.dirty == Some(false)) || op.cleans;
    let leaf_write = new.form == Form::Present || !new.write || old.write;
    let exclusive = old.exclusive == new.exclusive || op.forks;
    if soft_dirty && uffd_wp && dirty && leaf_write && exclusive {
        return Ok(());
    }
    let detail = format!(
        "was {old}, became {new} at {}",
        view.place(write.mm, write.addr)
    );
    view.page_finding(Invariant::Update, new.pfn, detail)
}

/// An entry that moves keeps its bits and becomes soft-dirty. Only uffd-wp may be dropped.
#[inline(never)]
pub fn check_moved(view: &View<'_>, from: &PteWrite, write: &PteWrite) -> Check {
    // an unmap followed by the mapping of another page is no move
    let moves = view.at.moves;
    if !moves.is_some_and(|moves| moves.joins(from.addr, write.addr)) {
        return Ok(());
    }
    let (Some(old), Some(new)) = (meaning(from.old), meaning(write.new)) else {
        return Ok(());
    };
    let expected = Meaning {
        pte: new.pte,
        soft_dirty: true,
        uffd_wp: old.uffd_wp && new.uffd_wp,
        ..old
    };
    if old.pfn != new.pfn || new == expected {
        return Ok(());
    }
    let detail = format!(
        "was {old}, arrived as {new} at {}",
        view.place(write.mm, write.addr)
    );
    view.page_finding(Invariant::Moved, new.pfn, detail)
}

/// Checks that compare the entries of a page with its struct page.
pub fn check_entries(view: &View<'_>, pfn: Pfn) -> Check {
    check_write_exclusive(view, pfn)?;
    check_exclusive_entry(view, pfn)?;
    check_dirty_invented(view, pfn)?;
    check_migration_entry(view, pfn)
}

/// The page of a device-exclusive entry is exclusive.
#[inline(never)]
fn check_exclusive_entry(view: &View<'_>, pfn: Pfn) -> Check {
    let mappings = &view.shadow.named(pfn).mappings;
    let form = |place: &EntryLoc| meaning(place.entry(view.s)).map(|m| m.form);
    let any = || {
        let mut forms = mappings.iter().map(form);
        forms.any(|form| form == Some(Form::Exclusive))
    };
    if view.s.page(pfn).anon_exclusive() || !any() {
        return Ok(());
    }
    let detail = "a device-exclusive entry names it, but it is not exclusive".to_owned();
    view.page_finding(Invariant::ExclusiveEntry, pfn, detail)
}

/// A folio becomes dirty only through a dirty entry, through an operation that gets pages to write
/// to them, or as the target of a dirty folio's migration. A folio that enters or leaves the swap
/// cache is dirty as well: the slot does not have the folio's contents yet, or no longer belongs to
/// the folio.
#[inline(never)]
fn check_dirty_invented(view: &View<'_>, pfn: Pfn) -> Check {
    let explained = |named: &Named| named.dirty || named.dirtied || named.cached;
    if !view.head(pfn).has(PageFlags::DIRTY)
        || explained(view.shadow.named(pfn))
        || view.at.op.dirties_folios
        || view.named_pages(view.s.folio(pfn)).any(explained)
    {
        return Ok(());
    }
    let detail = "the folio is dirty, but nobody wrote to it".to_owned();
    view.page_finding(Invariant::DirtyInvented, pfn, detail)
}

#[inline(never)]
fn check_write_exclusive(view: &View<'_>, pfn: Pfn) -> Check {
    let mappings = &view.shadow.named(pfn).mappings;
    let writable = |place: &EntryLoc| meaning(place.entry(view.s)).is_some_and(|m| m.write);
    if view.exclusive(pfn) || !mappings.iter().any(writable) {
        return Ok(());
    }
    let detail = format!(
        "writable, but not exclusive; {} entries map it",
        mappings.len()
    );
    view.page_finding(Invariant::WriteExclusive, pfn, detail)
}

#[inline(never)]
fn check_migration_entry(view: &View<'_>, pfn: Pfn) -> Check {
    let head = view.head(pfn);
    let in_flight = head.has(PageFlags::LOCKED) && head.refcount > 0;
    if view.shadow.named(pfn).migrations.is_empty() || in_flight {
        return Ok(());
    }
    let detail = "a migration entry names it, but it is not locked or has no reference".to_owned();
    view.page_finding(Invariant::MigrationEntry, pfn, detail)
}

fn describe(view: &View<'_>, write: &PteWrite, new: &Meaning) -> String {
    format!("{}: {new}", view.place(write.mm, write.addr))
}
