//! Entries, places, locks and waits in words, as findings and all pages of triage name them.

use crate::program::{Addr, Len, Op, OpKind, Operand, OperandKind};
use crate::shown::Shown;
use crate::slots::Resolved;
use crate::window::Window;
use mm_core::{
    DEVICES, Entry, HmmPfn, Lock, LockClasses, MigrationKind, MmId, Pagemap, Pfn, PresentPte, Pte,
    Site, Softleaf, SwapPte, VmFlags, Wait,
};
use std::ops::Range;

/// The place of an entry in terms of the core and of a program: `mm0 page 52 (window page 4)`.
#[must_use]
pub fn place(window: Window, mm: MmId, addr: u64) -> String {
    format!("{mm:?} {}", page_at(window, addr))
}

/// A page, without its address space, which the message names elsewhere: `page 52 (window page 4)`.
#[must_use]
pub fn page_at(window: Window, addr: u64) -> String {
    match window.page(addr) {
        Some(page) => format!("page {addr} (window page {page})"),
        None => format!("page {addr} (outside the window)"),
    }
}

/// An operation as a program writes it. If a name stands for another slot, the slot follows:
/// `write p5 (= p0) 0`.
#[must_use]
pub fn operation(op: &Op, names: Resolved) -> String {
    let named = |kind, prefix: char, slot: Option<usize>| {
        let (name, slot) = (op.operand(kind)?, slot?);
        let word = format!("{prefix}{name}");
        (usize::from(name) != slot).then(|| (word, format!("(= {prefix}{slot})")))
    };
    let others = [
        named(OperandKind::Proc, 'p', names.proc),
        named(OperandKind::MigrationSlot, 'm', names.object),
        named(OperandKind::RefSlot, 'r', names.object),
        named(OperandKind::LockSlot, 'l', names.object),
    ];
    let mut line = String::new();
    for word in op.to_string().split(' ') {
        let other = others.iter().flatten().find(|(name, _)| name == word);
        let words = std::iter::once(word).chain(other.map(|(_, slot)| slot.as_str()));
        for word in words {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    line
}

/// A page as pagemap showed it to user space, or a snapshot to a device.
#[must_use]
pub fn shown(shown: Shown) -> String {
    match shown {
        Shown::Pagemap(shown) => pagemap(shown),
        Shown::Snapshot(_, shown) => hmm_pfn(shown),
    }
}

/// A range of addresses, in pages of the window.
#[must_use]
pub fn range(window: Window, range: &Range<u64>) -> String {
    let last = range.end.saturating_sub(1).max(range.start);
    match (window.page(range.start), window.page(last)) {
        (Some(first), Some(last)) if first == last => format!("window page {first}"),
        (Some(first), Some(last)) => format!("window pages {first} to {last}"),
        _ => format!("pages {} to {last}", range.start),
    }
}

/// The flags of a VMA: its access as in a program, then the others.
#[must_use]
pub fn vma_flags(flags: VmFlags) -> String {
    let access = match (
        flags.contains(VmFlags::READ),
        flags.contains(VmFlags::WRITE),
    ) {
        (true, true) => "rw",
        (true, false) => "r",
        (false, true) => "w",
        (false, false) => "none",
    };
    let others = (flags - (VmFlags::READ | VmFlags::WRITE)).iter_names();
    let others = others.map(|(name, _)| match name {
        "SOFTDIRTY" => "soft-dirty".to_owned(),
        name => name.to_lowercase().replace('_', "-"),
    });
    let words: Vec<String> = std::iter::once(access.to_owned()).chain(others).collect();
    words.join(", ")
}

/// A page as pagemap shows it.
#[must_use]
pub fn pagemap(shown: Pagemap) -> String {
    let words = [
        (Pagemap::PRESENT, "present"),
        (Pagemap::SWAP, "swap"),
        (Pagemap::MMAP_EXCLUSIVE, "exclusive"),
        (Pagemap::SOFT_DIRTY, "soft-dirty"),
        (Pagemap::UFFD_WP, "uffd-wp"),
    ]
    .map(|(bit, word)| (shown.contains(bit), word));
    let words: Vec<String> = chosen(&words).collect();
    if words.is_empty() {
        return "nothing".to_owned();
    }
    words.join(", ")
}

/// A page as a snapshot shows it to a device.
#[must_use]
pub fn hmm_pfn(shown: HmmPfn) -> String {
    match shown {
        HmmPfn::Error => "error".to_owned(),
        HmmPfn::Nothing => "nothing".to_owned(),
        HmmPfn::Valid { pfn, write, order } => {
            let page = if pfn == Pfn::ZERO {
                "zero page".to_owned()
            } else {
                format!("{pfn:?}")
            };
            let access = if write { "write" } else { "read-only" };
            match order {
                0 => format!("{page}, {access}"),
                order => format!("{page}, {access}, order {order}"),
            }
        }
    }
}

/// A page-table entry: its kind, the page that it names, and its bits.
#[must_use]
pub fn entry(pte: Pte) -> String {
    match pte.decode() {
        Entry::None => "none".to_owned(),
        Entry::Present(present) => present_entry(present),
        Entry::Leaf(leaf) => swap_entry(leaf),
    }
}

fn present_entry(pte: PresentPte) -> String {
    let mut words = vec![format!("present {:?}", pte.pfn())];
    words.extend(chosen(&[
        (pte.write(), "write"),
        (pte.dirty(), "dirty"),
        (pte.young(), "young"),
        (pte.soft_dirty(), "soft-dirty"),
        (pte.uffd_wp(), "uffd-wp"),
        (pte.special(), "special"),
        (pte.protnone(), "no access"),
    ]));
    words.join(", ")
}

fn swap_entry(pte: SwapPte) -> String {
    let mut words = match pte.softleaf() {
        None => vec![format!(
            "swap-type entry {:#018x} of no known kind",
            pte.pte().0
        )],
        Some(Softleaf::Swap(slot)) => {
            let mut words = vec![format!("{slot:?}")];
            words.extend(chosen(&[(pte.exclusive(), "exclusive")]));
            words
        }
        Some(Softleaf::DevicePrivate { write, pfn }) => {
            let mut words = vec![format!("device-private {pfn:?}")];
            words.extend(chosen(&[(write, "write")]));
            words
        }
        Some(Softleaf::DeviceExclusive { write, pfn }) => {
            let mut words = vec![format!("device-exclusive {pfn:?}")];
            words.extend(chosen(&[(!write, "read-only")]));
            words
        }
        Some(Softleaf::Migration(migration)) => {
            let mut words = vec![format!("migration {:?}", migration.pfn)];
            words.extend(chosen(&[
                (migration.kind == MigrationKind::Write, "write"),
                (migration.kind == MigrationKind::ReadExclusive, "exclusive"),
                (migration.dirty, "dirty"),
                (migration.young, "young"),
            ]));
            words
        }
    };
    words.extend(chosen(&[
        (pte.soft_dirty(), "soft-dirty"),
        (pte.uffd_wp(), "uffd-wp"),
    ]));
    words.join(", ")
}

fn chosen<'w>(words: &[(bool, &'w str)]) -> impl Iterator<Item = String> + use<'w> {
    let on = words.iter().filter(|(on, _)| *on);
    on.map(|(_, word)| (*word).to_owned())
        .collect::<Vec<_>>()
        .into_iter()
}

/// What a task waits for, as a phrase that a message puts after the words "waits for".
#[must_use]
pub fn wait(wait: Wait) -> String {
    match wait {
        Wait::Lock(lock) => format!("the {}", self::lock(lock)),
        Wait::Unlock(folio) => format!("the end of the migration of {folio:?}"),
        Wait::Invalidation(mm) => format!("the end of the invalidations of {mm:?}"),
        Wait::Progress { .. } => {
            "something to change, after too many retries of a fault".to_owned()
        }
        Wait::Gate => "the program to open its next phase".to_owned(),
    }
}

/// What a task waits for, in a few characters: the kind of lock, and its owner.
#[must_use]
pub fn wait_briefly(wait: Wait) -> String {
    match wait {
        Wait::Lock(Lock::MmapRead(mm) | Lock::MmapWrite(mm)) => format!("mmap {mm:?}"),
        Wait::Lock(Lock::AnonVmaRead(root) | Lock::AnonVmaWrite(root)) => format!("rmap {root:?}"),
        Wait::Lock(Lock::Folio(folio)) | Wait::Unlock(folio) => format!("{folio:?}"),
        Wait::Invalidation(mm) => format!("inval {mm:?}"),
        Wait::Progress { .. } => "progress".to_owned(),
        Wait::Gate => "gate".to_owned(),
    }
}

/// A lock, and how it is held.
#[must_use]
pub fn lock(lock: Lock) -> String {
    match lock {
        Lock::MmapRead(mm) => format!("mmap_lock of {mm:?} for reading"),
        Lock::MmapWrite(mm) => format!("mmap_lock of {mm:?} for writing"),
        Lock::AnonVmaRead(root) => format!("anon_vma lock of {root:?} for reading"),
        Lock::AnonVmaWrite(root) => format!("anon_vma lock of {root:?} for writing"),
        Lock::Folio(folio) => format!("folio lock of {folio:?}"),
    }
}

/// The locks that a task holds.
#[must_use]
pub fn locks(locks: &[Lock]) -> String {
    if locks.is_empty() {
        return "no lock".to_owned();
    }
    let each: Vec<String> = locks.iter().map(|lock| self::lock(*lock)).collect();
    each.join(", ")
}

/// Kinds of locks.
#[must_use]
pub fn lock_classes(classes: LockClasses) -> String {
    let kinds = [
        (LockClasses::MMAP, "an mmap_lock"),
        (LockClasses::FOLIO, "a folio lock"),
        (LockClasses::ANON_VMA, "an anon_vma lock"),
    ];
    let held: Vec<&str> = kinds
        .into_iter()
        .filter(|(class, _)| classes.contains(*class))
        .map(|(_, words)| words)
        .collect();
    if held.is_empty() {
        return "no lock".to_owned();
    }
    held.join(", ")
}

/// A scheduling point, by the name of its function.
#[must_use]
pub fn site(site: Site) -> String {
    let mut name = String::new();
    for character in format!("{site:?}").chars() {
        if character.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(character.to_lowercase());
    }
    name
}

/// The addresses that an operation names; an empty range if it names none.
#[must_use]
pub fn range_of(window: Window, op: &Op) -> Range<u64> {
    let kind = op.kind();
    match op.operand(OperandKind::Addr).map(Addr::from_byte) {
        // its address is a page of device memory
        Some(_) if kind == OpKind::Evict => 0..0,
        Some(addr) => {
            let len = op.operand(OperandKind::Len);
            window.range(addr, len.map_or(Len::MIN, Len::from_byte))
        }
        None => 0..0,
    }
}

/// A page, or a frame that is in no memory.
#[must_use]
pub fn page(pfn: Pfn) -> String {
    if pfn.zone() > DEVICES {
        format!("frame {:#x}, which is in no memory,", pfn.0)
    } else {
        format!("page {pfn:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Geometry;
    use mm_core::PteFlags;

    #[test]
    fn places_are_given_in_window_terms() {
        let window = Window::of_geometry(Geometry::Tiny);
        let addr = window.addr(Addr::new(4));
        assert_eq!(place(window, MmId(1), addr), "mm1 page 52 (window page 4)");
        assert_eq!(place(window, MmId(0), 3), "mm0 page 3 (outside the window)");
    }

    #[test]
    fn entries_are_given_in_words() {
        let flags = PteFlags::RW | PteFlags::DIRTY | PteFlags::SOFT_DIRTY;
        let pte = PresentPte::new(Pfn::new(0, 7)).set(flags, true).pte();
        assert_eq!(entry(pte), "present pfn:7, write, dirty, soft-dirty");
        assert_eq!(entry(Pte::NONE), "none");
        let protnone = PresentPte::new(Pfn::new(0, 7)).protect(false).pte();
        assert_eq!(entry(protnone), "present pfn:7, no access");
    }

    #[test]
    fn a_name_that_stands_for_another_slot_says_so() {
        let program = crate::program::text::parse("write p5 0\nput r5\nfork p0").expect("good");
        let line =
            |step: usize, proc, object| operation(&program.ops[step].op, Resolved { proc, object });
        assert_eq!(line(0, Some(0), None), "write p5 (= p0) 0");
        assert_eq!(line(0, Some(5), None), "write p5 0");
        assert_eq!(line(0, None, None), "write p5 0");
        assert_eq!(line(1, None, Some(1)), "put r5 (= r1)");
        assert_eq!(line(2, Some(0), None), "fork p0");
    }

    #[test]
    fn flags_and_what_is_shown_are_given_in_words() {
        assert_eq!(vma_flags(VmFlags::empty()), "none");
        let flags = VmFlags::READ | VmFlags::WRITE | VmFlags::UFFD_WP;
        assert_eq!(vma_flags(flags), "rw, uffd-wp");
        assert_eq!(pagemap(Pagemap::empty()), "nothing");
        assert_eq!(
            pagemap(Pagemap::PRESENT | Pagemap::SOFT_DIRTY),
            "present, soft-dirty"
        );
        let zero = HmmPfn::Valid {
            pfn: Pfn::ZERO,
            write: false,
            order: 0,
        };
        assert_eq!(hmm_pfn(zero), "zero page, read-only");
    }

    #[test]
    fn sites_have_the_names_of_functions() {
        assert_eq!(site(Site::MigrateVmaUnmap), "migrate_vma_unmap");
    }

    #[test]
    fn ranges_come_from_operands() {
        let program = crate::program::text::parse("munmap p0 4 8\nevict d0 0 4\nfork p0")
            .expect("a good program");
        let window = Window::of(&program);
        let ranges: Vec<_> = program
            .ops
            .iter()
            .map(|step| range_of(window, &step.op))
            .collect();
        assert_eq!(ranges, [52..60, 0..0, 0..0]);
    }
}
