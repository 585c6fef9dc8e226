//! Entries with wrong bits.

use super::cases::Case;
use super::lab::{Lab, poll};
use mm_core::{
    DevId, Entry, GUP_PIN_COUNTING_BIAS, MigrationEntry, MigrationKind, PageFlags, Pfn, PresentPte,
    Pte, PteFlags, Softleaf, SwapFlags, SwapPte, TaskId, Thp, VmFlags, dmirror,
};
use mm_fuzz::oracle::Check;
use mm_fuzz::program::OpKind;
use std::pin::pin;

const WORKER: TaskId = TaskId(4);

/// All cases.
pub const CASES: &[Case] = &[
    ("entries/place", zero_page_is_writable),
    ("entries/place", present_entry_names_a_device_page),
    ("entries/place", device_entry_names_a_system_page),
    ("entries/place", device_entry_names_no_device),
    ("entries/place", migration_entry_names_the_zero_page),
    ("entries/update", update_loses_soft_dirty),
    ("entries/update", update_loses_dirty),
    ("entries/update", pinned_page_loses_soft_dirty),
    ("entries/update", update_invents_uffd_wp),
    ("entries/update", update_makes_a_device_entry_writable),
    ("entries/update", update_loses_soft_dirty_of_a_device_entry),
    ("entries/write-exclusive", writable_but_not_exclusive),
    (
        "entries/migration-entry",
        migration_entry_of_an_unlocked_page,
    ),
    ("entries/exclusive-entry", a_device_has_a_shared_page_alone),
    ("entries/huge", huge_entry_names_a_tail_page),
    ("entries/huge", huge_entry_names_a_small_folio),
    ("counting/page-tables", huge_entry_goes_without_its_table),
    ("entries/place", exclusive_entry_names_a_device_page),
    ("coherence/device-mapping", two_devices_have_a_page_alone),
    ("entries/untracked-write", write_permission_comes_untracked),
    ("entries/inherited", child_forgets_soft_dirty),
    ("entries/round-trip", migration_entry_forgets_exclusive),
];

fn pinned_page_loses_soft_dirty(lab: &mut Lab<'_>) -> Check {
    let pfn = lab.write(0);
    lab.tamper(|t| t.page(pfn).refcount += GUP_PIN_COUNTING_BIAS);
    lab.at.op = OpKind::ClearSoftDirty.contract();
    let clean = lab.present(0).wrprotect().set(PteFlags::SOFT_DIRTY, false);
    lab.set_pte(0, clean.pte());
    lab.slice()
}

/// Maps a huge page at page 8. Returns its head page.
fn huge(lab: &mut Lab<'_>) -> Pfn {
    let mm = lab.mm;
    lab.kernel.state().thp = Thp::Always;
    lab.run(OpKind::Mmap, async |cur| {
        let access = VmFlags::READ | VmFlags::WRITE;
        cur.mmap(mm, 8..16, access).await.unwrap();
    });
    lab.write(8)
}

/// The huge entry at page 8, with another frame.
fn huge_entry(lab: &Lab<'_>, pfn: Pfn) -> Pte {
    let small = lab.present(8);
    let flags = PteFlags::RW | PteFlags::DIRTY | PteFlags::ACCESSED | PteFlags::SOFT_DIRTY;
    assert!(small.has(flags));
    let huge = PresentPte::new(pfn).set(flags | PteFlags::PSE, true);
    huge.pte()
}

fn huge_entry_names_a_tail_page(lab: &mut Lab<'_>) -> Check {
    let pfn = huge(lab);
    lab.set_pte(8, huge_entry(lab, Pfn(pfn.0 + 1)));
    lab.slice()
}

fn huge_entry_names_a_small_folio(lab: &mut Lab<'_>) -> Check {
    huge(lab);
    let small = lab.write(0);
    lab.set_pte(8, huge_entry(lab, small));
    lab.slice()
}

fn huge_entry_goes_without_its_table(lab: &mut Lab<'_>) -> Check {
    let mm = lab.mm;
    lab.kernel.state().thp = Thp::Always;
    lab.run(OpKind::Mmap, async |cur| {
        cur.mmap(mm, 8..16, VmFlags::READ).await.unwrap();
    });
    lab.run(OpKind::Read, async |cur| {
        cur.user_access(mm, 8, None).await.unwrap();
    });
    // no count depends on the huge zero page
    lab.set_pte(8, Pte::NONE);
    lab.tamper(|t| t.forget_translations());
    lab.tamper(|t| t.forget_pte_writes());
    lab.everything()
}

fn write_permission_comes_untracked(lab: &mut Lab<'_>) -> Check {
    let mm = lab.mm;
    lab.write(0);
    lab.run(OpKind::ClearSoftDirty, async |cur| {
        cur.clear_soft_dirty(mm).await;
    });
    lab.at.op = OpKind::Write.contract();
    lab.set_pte(0, lab.present(0).set(PteFlags::RW, true).pte());
    lab.slice()
}

fn child_forgets_soft_dirty(lab: &mut Lab<'_>) -> Check {
    lab.write(1);
    let child = lab.fork();
    let entry = PresentPte::new(lab.write(0));
    lab.mm = child;
    lab.at.op = OpKind::Fork.contract();
    lab.set_pte(0, entry.pte());
    lab.slice()
}

fn migration_entry_forgets_exclusive(lab: &mut Lab<'_>) -> Check {
    lab.write(0);
    lab.mprotect(0..4, VmFlags::READ);
    let mapped = lab.present(0);
    let leaf = Softleaf::Migration(MigrationEntry {
        kind: MigrationKind::Read,
        pfn: mapped.pfn(),
        young: mapped.young(),
        dirty: mapped.dirty(),
    });
    lab.at.op = OpKind::Compact.contract();
    lab.set_pte(0, leaf.to_swap().set(SwapFlags::SOFT_DIRTY, true).pte());
    lab.slice()
}

fn zero_page_is_writable(lab: &mut Lab<'_>) -> Check {
    let mm = lab.mm;
    lab.run(OpKind::Read, async |cur| {
        cur.user_access(mm, 0, None).await.unwrap();
    });
    let zero = lab.present(0);
    assert_eq!(zero.pfn(), Pfn::ZERO);
    lab.set_pte(0, zero.set(PteFlags::RW, true).pte());
    lab.slice()
}

fn present_entry_names_a_device_page(lab: &mut Lab<'_>) -> Check {
    lab.write(0);
    lab.set_pte(0, PresentPte::new(Pfn::new(1, 0)).pte());
    lab.slice()
}

fn device_entry_names_a_system_page(lab: &mut Lab<'_>) -> Check {
    let pfn = lab.write(0);
    let leaf = Softleaf::DevicePrivate { write: false, pfn };
    lab.set_pte(0, leaf.to_swap().pte());
    lab.slice()
}

fn device_entry_names_no_device(lab: &mut Lab<'_>) -> Check {
    lab.write(0);
    let pfn = Pfn::new(mm_core::DEVICES as u32 + 1, 0);
    let leaf = Softleaf::DevicePrivate { write: false, pfn };
    lab.set_pte(0, leaf.to_swap().pte());
    lab.slice()
}

fn migration_entry_names_the_zero_page(lab: &mut Lab<'_>) -> Check {
    lab.write(0);
    let leaf = Softleaf::Migration(MigrationEntry {
        kind: MigrationKind::Read,
        pfn: Pfn::ZERO,
        young: false,
        dirty: false,
    });
    lab.set_pte(0, leaf.to_swap().pte());
    lab.slice()
}

/// Rewrites the entry of a written page on behalf of an operation that may not do so.
fn rewrite(lab: &mut Lab<'_>, change: impl FnOnce(PresentPte) -> PresentPte) -> Check {
    lab.write(0);
    lab.at.op = OpKind::Read.contract();
    lab.set_pte(0, change(lab.present(0)).pte());
    lab.slice()
}

fn update_loses_soft_dirty(lab: &mut Lab<'_>) -> Check {
    rewrite(lab, |pte| pte.set(PteFlags::SOFT_DIRTY, false))
}

fn update_loses_dirty(lab: &mut Lab<'_>) -> Check {
    rewrite(lab, |pte| pte.set(PteFlags::DIRTY, false))
}

fn update_invents_uffd_wp(lab: &mut Lab<'_>) -> Check {
    let mm = lab.mm;
    lab.run(OpKind::UffdRegister, async |cur| {
        cur.uffd_register(mm, 0..4).await.unwrap();
    });
    rewrite(lab, |pte| pte.wrprotect().set(PteFlags::UFFD_WP, true))
}

fn on_device(lab: &mut Lab<'_>) -> SwapPte {
    lab.write(0);
    let request = lab.request(false);
    let moved = lab.run(OpKind::Migrate, async |cur| {
        dmirror::migrate(cur, &request).await
    });
    assert_eq!(moved, Ok(1));
    lab.mprotect(0..4, VmFlags::READ);
    lab.at.op = OpKind::Read.contract();
    let Entry::Leaf(entry) = lab.pte(0).decode() else {
        panic!("not on the device");
    };
    entry
}

fn update_makes_a_device_entry_writable(lab: &mut Lab<'_>) -> Check {
    let entry = on_device(lab);
    let pfn = entry.softleaf().and_then(Softleaf::pfn).unwrap();
    let writable = Softleaf::DevicePrivate { write: true, pfn }.to_swap();
    let writable = writable.set(SwapFlags::SOFT_DIRTY, entry.soft_dirty());
    lab.set_pte(0, writable.pte());
    lab.slice()
}

fn update_loses_soft_dirty_of_a_device_entry(lab: &mut Lab<'_>) -> Check {
    let entry = on_device(lab);
    assert!(!entry.soft_dirty(), "the downgrade drops it");
    lab.set_pte(0, entry.set(SwapFlags::SOFT_DIRTY, true).pte());
    lab.slice()
}

fn writable_but_not_exclusive(lab: &mut Lab<'_>) -> Check {
    let pfn = lab.write(0);
    lab.flags(pfn, PageFlags::ANON_EXCLUSIVE, false);
    lab.slice()
}

fn make_exclusive(lab: &mut Lab<'_>) -> Pfn {
    let mm = lab.mm;
    lab.run(OpKind::Exclusive, async |cur| {
        let made = dmirror::exclusive(cur, DevId(0), mm, 0..1).await;
        assert_eq!(made, (1, Ok(())));
    });
    let leaf = lab.pte(0).leaf().expect("a device-exclusive entry");
    leaf.pfn().expect("a frame")
}

fn a_device_has_a_shared_page_alone(lab: &mut Lab<'_>) -> Check {
    let pfn = make_exclusive(lab);
    lab.flags(pfn, PageFlags::ANON_EXCLUSIVE, false);
    lab.slice()
}

fn exclusive_entry_names_a_device_page(lab: &mut Lab<'_>) -> Check {
    make_exclusive(lab);
    let (write, pfn) = (true, Pfn::new(1, 0));
    let entry = Softleaf::DeviceExclusive { write, pfn };
    lab.set_pte(0, entry.to_swap().pte());
    lab.slice()
}

fn two_devices_have_a_page_alone(lab: &mut Lab<'_>) -> Check {
    let pfn = make_exclusive(lab);
    let mm = lab.mm;
    lab.tamper(|t| t.map_device((DevId(1), mm, 0), pfn));
    lab.slice()
}

fn migration_entry_of_an_unlocked_page(lab: &mut Lab<'_>) -> Check {
    let pfn = lab.write(0);
    let request = lab.request(true);
    let mut migration = pin!(dmirror::migrate(lab.kernel.current(WORKER), &request));
    assert!(poll(migration.as_mut()).is_none(), "it waits at its gate");
    lab.assert_clean();
    assert!(matches!(lab.pte(0).leaf(), Some(Softleaf::Migration(_))));
    lab.flags(pfn, PageFlags::LOCKED, false);
    lab.slice()
}
