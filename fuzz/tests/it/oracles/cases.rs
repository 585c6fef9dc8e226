//! The wrong states, a function for each, with the invariant that must report it. Other files have
//! the wrong states of entries, invalidations and mlock, and those that show only at rest.

use super::at_rest;
use super::lab::{Lab, READ_WRITE, poll};
use mm_core::tamper::Leak;
use mm_core::{
    Advice, DevId, Entry, Event, HmmPfn, Lock, LockClasses, MmId, PageFlags, Pfn, PresentPte, Pte,
    PteFlags, Softleaf, SwapFlags, SwapId, TaskId, Thp, VmFlags, dmirror,
};
use mm_fuzz::oracle::contents;
use mm_fuzz::oracle::{self, Check, HeldRef, View};
use mm_fuzz::program::OpKind;
use mm_fuzz::reference::AccessEnd;
use mm_fuzz::shown::Shown;

/// The invariant that must report a case, and the case.
pub type Case = (&'static str, fn(&mut Lab<'_>) -> Check);

/// All cases.
pub const CASES: &[Case] = &[
    ("counting/mapcount", mapcount),
    ("counting/mapcount", large_mapcount),
    ("counting/refcount", pincount),
    ("counting/tail", tail_with_a_reference),
    ("counting/split-queue", small_folio_is_queued),
    ("counting/split-queue", marked_folio_is_not_queued),
    ("counting/split-queue", partially_mapped_folio_is_not_marked),
    ("counting/lru", lru_without_charge),
    ("counting/charge", mapped_without_charge),
    ("counting/mlock", new_page_of_a_locked_area_is_not_mlocked),
    ("counting/unmap-references", held_page_moves),
    ("counting/charge", moved_folio_keeps_its_charge),
    ("counting/free-list", free_list_has_a_used_frame),
    ("counting/free-list", free_list_has_a_frame_twice),
    ("counting/rss", rss_of_a_changed_process),
    ("counting/rss", rss_of_any_process),
    ("counting/shadow", shadow_missed_a_write),
    ("counting/shadow", shadow_missed_a_new_entry),
    ("counting/page-tables", page_table_outlives_its_process),
    ("counting/page-tables", page_table_counts_an_entry_too_many),
    ("counting/leak", leak),
    ("counting/address-space-alive", lock_of_a_dead_process),
    ("reverse-map/exclusive", exclusive_but_shared),
    ("reverse-map/walk", walk_misses_a_mapping),
    (
        "reverse-map/anon-vma-counters",
        anon_vma_lost_its_references,
    ),
    ("reverse-map/layout", areas_overlap),
    ("reverse-map/layout", area_is_empty),
    ("counting/rss", swap_entries_of_a_process),
    ("swap/count", slot_counts_an_entry_too_many),
    ("swap/count", entry_names_a_free_slot),
    ("swap/cache", slot_caches_a_folio_that_is_elsewhere),
    ("swap/cache", folio_names_a_slot_that_has_it_not),
    ("swap/exclusive", slot_of_two_is_exclusive),
    ("swap/exclusive", cached_folio_is_exclusive),
    ("swap/reachable", cached_folio_belongs_elsewhere),
    ("swap/given-up", unmapped_folio_stays_in_the_swap_cache),
    ("swap/contents", clean_folio_differs_from_its_slot),
    ("entries/swap-round-trip", swap_entry_loses_soft_dirty),
    (
        "entries/swap-round-trip",
        exclusive_slot_becomes_a_shared_page,
    ),
    ("entries/place", swap_entry_names_the_header),
    ("coherence/tlb", translation_may_do_more_than_the_entry),
    ("progress/lock-order", folio_lock_inside_an_anon_vma),
    ("progress/lock-order", second_address_space_locked),
    ("progress/deadlock", deadlock),
    ("progress/step-budget", step_budget),
    ("contents/write-protection", write_protection_is_ignored),
    ("contents/outcome", outcome),
    ("contents/pinned-page", pinned_page_is_gone),
    ("contents/outcome", page_stays_soft_dirty),
    ("contents/outcome", device_writes_unnoticed),
    ("contents/outcome", locked_page_is_not_there),
    ("contents/longterm-pin", zero_page_is_pinned_for_long),
    ("contents/snapshot", snapshot_shows_nothing),
    ("counting/lru", isolated_page_does_not_come_back),
];

// Counting.

fn mapcount(lab: &mut Lab<'_>) -> Check {
    let pfn = lab.write(0);
    lab.tamper(|t| t.page(pfn).mapcount += 1);
    lab.slice()
}

/// Makes a mapped page the only mapped page of a folio of two.
fn large(lab: &mut Lab<'_>) -> Pfn {
    let pfn = lab.write(0);
    lab.tamper(|t| t.page(Pfn(pfn.0 + 1)).tail_offset = 1);
    lab.tamper(|t| t.page(pfn).order = 1);
    lab.tamper(|t| t.page(pfn).large_mapcount = 1);
    lab.slice().expect("its counts are right");
    pfn
}

fn large_mapcount(lab: &mut Lab<'_>) -> Check {
    let pfn = large(lab);
    lab.tamper(|t| t.page(pfn).entire_mapcount = 1);
    lab.slice()
}

fn pincount(lab: &mut Lab<'_>) -> Check {
    let pfn = large(lab);
    lab.tamper(|t| t.page(pfn).pincount = 1);
    lab.slice()
}

fn tail_with_a_reference(lab: &mut Lab<'_>) -> Check {
    let pfn = large(lab);
    lab.tamper(|t| t.page(Pfn(pfn.0 + 1)).refcount = 1);
    lab.slice()
}

fn small_folio_is_queued(lab: &mut Lab<'_>) -> Check {
    let pfn = lab.write(0);
    let folio = lab.folio(pfn);
    lab.tamper(|t| t.queue_split(folio));
    lab.tamper(|t| t.page(pfn).index += 0);
    lab.slice()
}

fn marked_folio_is_not_queued(lab: &mut Lab<'_>) -> Check {
    let pfn = large(lab);
    lab.flags(pfn, PageFlags::PARTIALLY_MAPPED, true);
    lab.slice()
}

fn partially_mapped_folio_is_not_marked(lab: &mut Lab<'_>) -> Check {
    let mm = lab.mm;
    lab.kernel.state().thp = Thp::Always;
    lab.run(OpKind::Mmap, async |cur| {
        cur.mmap(mm, 0..8, READ_WRITE).await.unwrap();
    });
    let pfn = lab.write(0);
    lab.run(OpKind::Munmap, async |cur| {
        cur.munmap(mm, 4..8).await.unwrap();
    });
    lab.flags(pfn, PageFlags::PARTIALLY_MAPPED, false);
    lab.slice()
}

fn lru_without_charge(lab: &mut Lab<'_>) -> Check {
    let pfn = lab.write(0);
    lab.flags(pfn, PageFlags::CHARGED, false);
    lab.slice()
}

fn new_page_of_a_locked_area_is_not_mlocked(lab: &mut Lab<'_>) -> Check {
    let mm = lab.mm;
    lab.write(1);
    lab.run(OpKind::Mlock, async |cur| {
        cur.mlock(mm, 0..1).await.unwrap();
    });
    lab.set_pte(0, lab.present(1).pte());
    lab.slice()
}

fn held_page_moves(lab: &mut Lab<'_>) -> Check {
    let (src, dst) = (lab.write(0), lab.write(1));
    lab.tamper(|t| t.page(src).refcount += 1);
    lab.holders.refs[0] = Some(HeldRef {
        pfn: src,
        pin: false,
        speculative: false,
        pid: 0,
        addr: 0,
        word: 7,
        identity: false,
    });
    lab.slice().expect("it has moved nowhere");
    let (src, dst) = (lab.folio(src), lab.folio(dst));
    lab.tamper(|t| t.event(Event::Migrated { src, dst }));
    lab.slice()
}

fn mapped_without_charge(lab: &mut Lab<'_>) -> Check {
    let pfn = lab.write(0);
    lab.flags(pfn, PageFlags::CHARGED | PageFlags::LRU, false);
    lab.slice()
}

fn moved_folio_keeps_its_charge(lab: &mut Lab<'_>) -> Check {
    let (src, dst) = (lab.write(0), lab.write(1));
    lab.set_pte(0, Pte::NONE);
    let (src, dst) = (lab.folio(src), lab.folio(dst));
    lab.tamper(|t| t.event(Event::Migrated { src, dst }));
    lab.slice()
}

fn free_list_has_a_used_frame(lab: &mut Lab<'_>) -> Check {
    let pfn = lab.write(0);
    lab.tamper(|t| t.list_as_free(pfn));
    lab.everything()
}

fn free_list_has_a_frame_twice(lab: &mut Lab<'_>) -> Check {
    let pfn = lab.write(0);
    lab.exit();
    lab.tamper(|t| t.list_as_free(pfn));
    lab.everything()
}

fn rss_of_a_changed_process(lab: &mut Lab<'_>) -> Check {
    lab.write(0);
    let entry = lab.present(0);
    lab.tamper(|t| t.mm(lab.mm).anon_rss += 1);
    lab.set_pte(0, entry.pte());
    lab.slice()
}

fn rss_of_any_process(lab: &mut Lab<'_>) -> Check {
    lab.write(0);
    lab.tamper(|t| t.mm(lab.mm).anon_rss -= 1);
    lab.everything()
}

fn shadow_missed_a_write(lab: &mut Lab<'_>) -> Check {
    lab.write(0);
    lab.set_pte(0, Pte::NONE);
    lab.tamper(|t| t.forget_pte_writes());
    lab.everything()
}

fn shadow_missed_a_new_entry(lab: &mut Lab<'_>) -> Check {
    let pfn = lab.write(0);
    lab.set_pte(1, PresentPte::new(pfn).pte());
    lab.tamper(|t| t.forget_pte_writes());
    lab.everything()
}

fn page_table_outlives_its_process(lab: &mut Lab<'_>) -> Check {
    assert!(lab.tamper(|t| t.leak(Leak::Table(MmId(9)))));
    lab.everything()
}

fn page_table_counts_an_entry_too_many(lab: &mut Lab<'_>) -> Check {
    lab.write(0);
    let mm = lab.mm;
    assert!(lab.tamper(|t| t.miscount_table(mm, 0)));
    lab.everything()
}

fn leak(lab: &mut Lab<'_>) -> Check {
    lab.exit();
    assert!(lab.tamper(|t| t.leak(Leak::Frame)));
    lab.after_exit()
}

/// A reader without a reference to the address space takes its `mmap_lock` again for the next
/// piece, after the address space has been freed.
fn lock_of_a_dead_process(lab: &mut Lab<'_>) -> Check {
    let lock = Lock::MmapRead(lab.mm);
    lab.exit();
    let mut taken = Box::pin(lab.kernel.current(TaskId(0)).lock(lock));
    assert!(poll(taken.as_mut()).is_some(), "nobody has it");
    lab.slice()
}

// The reverse map.

fn exclusive_but_shared(lab: &mut Lab<'_>) -> Check {
    let pfn = lab.write(0);
    lab.fork();
    lab.flags(pfn, PageFlags::ANON_EXCLUSIVE, true);
    lab.slice()
}

/// An interval tree out of order: the walk ends before the VMA that it should find.
fn walk_misses_a_mapping(lab: &mut Lab<'_>) -> Check {
    let pfn = lab.write(0);
    lab.mprotect(2..4, VmFlags::READ);
    let anon_vma = lab.kernel.state().page(pfn).anon_vma().unwrap();
    lab.tamper(|t| t.anon_vma(anon_vma).tree.reverse());
    lab.everything()
}

fn anon_vma_lost_its_references(lab: &mut Lab<'_>) -> Check {
    let pfn = lab.write(0);
    let anon_vma = lab.kernel.state().page(pfn).anon_vma().unwrap();
    lab.tamper(|t| t.anon_vma(anon_vma).refcount = 0);
    lab.everything()
}

fn areas_overlap(lab: &mut Lab<'_>) -> Check {
    lab.mprotect(2..4, VmFlags::READ);
    let first = lab.kernel.state().mm(lab.mm).vmas[0];
    lab.tamper(|t| t.vma(first).end += 1);
    lab.slice()
}

fn area_is_empty(lab: &mut Lab<'_>) -> Check {
    let area = lab.kernel.state().mm(lab.mm).vmas[0];
    lab.tamper(|t| t.vma(area).end = 0);
    lab.slice()
}

// Swap.

fn swap_entries_of_a_process(lab: &mut Lab<'_>) -> Check {
    lab.swap_out(0);
    lab.tamper(|t| t.mm(lab.mm).swap_ents += 1);
    lab.everything()
}

fn slot_counts_an_entry_too_many(lab: &mut Lab<'_>) -> Check {
    let slot = lab.swap_out(0);
    lab.tamper(|t| t.slot(slot).expect("used").count += 1);
    lab.slice()
}

fn entry_names_a_free_slot(lab: &mut Lab<'_>) -> Check {
    let slot = lab.swap_out(0);
    lab.tamper(|t| t.slot(slot).expect("used").count = 0);
    lab.set_pte(0, Pte::NONE);
    lab.tamper(|t| t.mm(lab.mm).swap_ents -= 1);
    lab.assert_clean();
    lab.set_pte(1, Softleaf::Swap(SwapId(7)).to_swap().pte());
    lab.tamper(|t| t.mm(lab.mm).swap_ents += 1);
    lab.slice()
}

fn slot_caches_a_folio_that_is_elsewhere(lab: &mut Lab<'_>) -> Check {
    let slot = lab.swap_out(0);
    let pfn = lab.write(1);
    let folio = lab.folio(pfn);
    lab.tamper(|t| t.slot(slot).expect("used").cache = Some(folio));
    lab.slice()
}

fn folio_names_a_slot_that_has_it_not(lab: &mut Lab<'_>) -> Check {
    let slot = lab.swap_out(0);
    let pfn = lab.read_ahead(slot);
    lab.tamper(|t| t.slot(slot).expect("used").cache = None);
    lab.flags(pfn, PageFlags::DIRTY, true);
    lab.slice()
}

fn slot_of_two_is_exclusive(lab: &mut Lab<'_>) -> Check {
    lab.swap_out(0);
    lab.fork();
    let Entry::Leaf(entry) = lab.pte(0).decode() else {
        panic!("not in swap");
    };
    lab.at.op = OpKind::Fork.contract();
    lab.set_pte(0, entry.set(SwapFlags::EXCLUSIVE, true).pte());
    lab.slice()
}

fn cached_folio_is_exclusive(lab: &mut Lab<'_>) -> Check {
    let slot = lab.swap_out(0);
    let pfn = lab.read_ahead(slot);
    lab.flags(pfn, PageFlags::ANON_EXCLUSIVE, true);
    lab.slice()
}

fn cached_folio_belongs_elsewhere(lab: &mut Lab<'_>) -> Check {
    let slot = lab.swap_out(0);
    let pfn = lab.read_ahead(slot);
    let other = lab.write(1);
    let anon_vma = lab.kernel.state().page(other).anon_vma();
    lab.tamper(|t| t.identity(pfn, anon_vma, 3));
    lab.slice()
}

fn clean_folio_differs_from_its_slot(lab: &mut Lab<'_>) -> Check {
    let slot = lab.swap_out(0);
    let pfn = lab.read_ahead(slot);
    lab.tamper(|t| t.page(pfn).word += 1);
    lab.slice()
}

fn swap_entry_loses_soft_dirty(lab: &mut Lab<'_>) -> Check {
    lab.write(0);
    let entry = Softleaf::Swap(SwapId(1)).to_swap();
    lab.set_pte(0, entry.set(SwapFlags::EXCLUSIVE, true).pte());
    lab.slice()
}

fn exclusive_slot_becomes_a_shared_page(lab: &mut Lab<'_>) -> Check {
    let slot = lab.swap_out(0);
    let pfn = lab.read_ahead(slot);
    let soft_dirty = PresentPte::new(pfn).set(PteFlags::SOFT_DIRTY, true);
    lab.set_pte(0, soft_dirty.pte());
    lab.slice()
}

fn swap_entry_names_the_header(lab: &mut Lab<'_>) -> Check {
    lab.write(1);
    lab.set_pte(0, Softleaf::Swap(SwapId(0)).to_swap().pte());
    lab.slice()
}

// Coherence.

fn translation_may_do_more_than_the_entry(lab: &mut Lab<'_>) -> Check {
    lab.write(0);
    lab.set_pte(0, lab.present(0).wrprotect().pte());
    lab.slice()
}

// Progress.

fn takes(lab: &mut Lab<'_>, lock: Lock, held: LockClasses) -> Check {
    let event = Event::Lock {
        task: TaskId(0),
        lock,
        alive: true,
        held,
    };
    lab.tamper(|t| t.event(event));
    lab.slice()
}

fn folio_lock_inside_an_anon_vma(lab: &mut Lab<'_>) -> Check {
    let pfn = lab.write(0);
    let lock = Lock::Folio(lab.folio(pfn));
    takes(lab, lock, LockClasses::MMAP).expect("the right order");
    takes(lab, lock, LockClasses::ANON_VMA)
}

fn second_address_space_locked(lab: &mut Lab<'_>) -> Check {
    takes(lab, Lock::MmapRead(lab.mm), LockClasses::MMAP)
}

fn deadlock(lab: &mut Lab<'_>) -> Check {
    let other = lab.fork();
    let tasks = [(TaskId(0), lab.mm, other), (TaskId(1), other, lab.mm)];
    for (task, mm, _) in tasks {
        lab.kernel.state().renew_task(task);
        assert!(lab.tamper(|t| t.trylock(task, Lock::MmapWrite(mm))));
    }
    let mut operations =
        tasks.map(|(task, _, wanted)| Box::pin(lab.kernel.current(task).munmap(wanted, 0..1)));
    for operation in &mut operations {
        assert!(poll(operation.as_mut()).is_none(), "they wait");
    }
    let checked = oracle::check_deadlock(&lab.kernel.state(), lab.at);
    let detail = "task 0 (holding mmap_lock of mm0 for writing) waits for the mmap_lock of mm1 for writing; \
                  task 1 (holding mmap_lock of mm1 for writing) waits for the mmap_lock of mm0 for writing";
    assert_eq!(checked.as_ref().unwrap_err().detail, detail);
    checked
}

fn step_budget(lab: &mut Lab<'_>) -> Check {
    oracle::check_step_budget(lab.at, mm_fuzz::exec::STEP_BUDGET)
}

// Contents and outcome. The rules of the reference model have tests of their own.

fn write_protection_is_ignored(lab: &mut Lab<'_>) -> Check {
    let accessed = at_rest::model().access(0, 0, Some(2), AccessEnd::Word(2));
    contents::check_access(lab.at, 0, accessed.unwrap_err())
}

fn outcome(lab: &mut Lab<'_>) -> Check {
    contents::check_outcome(lab.at, "EINVAL without a reason".to_owned())
}

/// `madvise` drops a pinned page, but the holders still expect it to be mapped.
fn pinned_page_is_gone(lab: &mut Lab<'_>) -> Check {
    let (mm, pfn) = (lab.mm, lab.write(0));
    assert!(lab.kernel.state().hold_external(pfn, true));
    lab.holders.refs[0] = Some(HeldRef {
        pfn,
        pin: true,
        speculative: false,
        pid: 0,
        addr: 0,
        word: 7,
        identity: true,
    });
    lab.assert_clean();
    check_pins(lab).expect("still mapped");
    lab.run(OpKind::Dontneed, async |cur| {
        assert_eq!(cur.madvise(mm, 0..1, Advice::DontNeed).await, Ok(()));
    });
    check_pins(lab)
}

fn check_pins(lab: &Lab<'_>) -> Check {
    viewed(lab, |view| contents::check_pins(view, |_| Some(lab.mm)))
}

fn viewed(lab: &Lab<'_>, check: impl FnOnce(&View<'_>) -> Check) -> Check {
    check(&View {
        s: &lab.kernel.state(),
        shadow: lab.oracles.shadow(),
        holders: &lab.holders,
        at: lab.at,
    })
}

fn unmapped_folio_stays_in_the_swap_cache(lab: &mut Lab<'_>) -> Check {
    let mm = lab.mm;
    lab.swap_out(0);
    lab.run(OpKind::Read, async |cur| {
        cur.user_access(mm, 0, None).await.unwrap();
    });
    let pfn = lab.present(0).pfn();
    lab.tamper(|t| t.mm(mm).anon_rss -= 1);
    lab.tamper(|t| t.page(pfn).mapcount = 0);
    lab.tamper(|t| t.page(pfn).refcount = 1);
    lab.set_pte(0, Pte::NONE);
    lab.slice()
}

fn cleared(lab: &mut Lab<'_>) {
    let mm = lab.mm;
    lab.run(OpKind::ClearSoftDirty, async |cur| {
        cur.clear_soft_dirty(mm).await;
    });
    check_cleared(lab).expect("nothing is soft-dirty");
}

fn check_cleared(lab: &Lab<'_>) -> Check {
    contents::check_cleared(lab.at, &lab.kernel.state(), lab.mm)
}

fn page_stays_soft_dirty(lab: &mut Lab<'_>) -> Check {
    lab.write(0);
    cleared(lab);
    lab.set_pte(0, lab.present(0).set(PteFlags::SOFT_DIRTY, true).pte());
    check_cleared(lab)
}

fn device_writes_unnoticed(lab: &mut Lab<'_>) -> Check {
    let mm = lab.mm;
    lab.write(0);
    cleared(lab);
    lab.run(OpKind::Exclusive, async |cur| {
        let made = dmirror::exclusive(cur, DevId(0), mm, 0..1).await;
        assert_eq!(made, (1, Ok(())));
    });
    let Entry::Leaf(entry) = lab.pte(0).decode() else {
        panic!("not exclusive");
    };
    lab.set_pte(0, entry.set(SwapFlags::SOFT_DIRTY, false).pte());
    check_cleared(lab)
}

fn locked_page_is_not_there(lab: &mut Lab<'_>) -> Check {
    let mm = lab.mm;
    lab.run(OpKind::Mlock, async |cur| {
        cur.mlock(mm, 0..1).await.unwrap();
    });
    let check = |lab: &Lab<'_>| contents::check_resident(lab.at, &lab.kernel.state(), lab.mm, 0..2);
    check(lab).expect("page 0 is resident, and page 1 is not in an mlocked VMA");
    lab.set_pte(0, Pte::NONE);
    check(lab)
}

fn zero_page_is_pinned_for_long(lab: &mut Lab<'_>) -> Check {
    contents::check_longterm_pin(lab.at, Pfn::ZERO)
}

fn snapshot_shows_nothing(lab: &mut Lab<'_>) -> Check {
    let pfn = lab.write(0);
    let shown = |shown| Shown::Snapshot(DevId(0), shown);
    let check = |what| {
        viewed(lab, |view| {
            contents::check_shown(view, lab.mm, 0, shown(what))
        })
    };
    let (write, order) = (true, 0);
    check(HmmPfn::Valid { pfn, write, order }).expect("that is there");
    check(HmmPfn::Nothing)
}

fn isolated_page_does_not_come_back(lab: &mut Lab<'_>) -> Check {
    let pfn = lab.write(0);
    lab.flags(pfn, PageFlags::LRU, false);
    lab.everything().expect("somebody may have isolated it");
    let state = lab.kernel.state();
    lab.oracles.settled(&state, &lab.holders, lab.at)
}
