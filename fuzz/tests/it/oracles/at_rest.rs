//! States at rest that differ from what the calls made, and must be reported.

use super::cases::Case;
use super::lab::{Lab, READ_WRITE};
use mm_core::{Pfn, PteFlags, VmFlags};
use mm_fuzz::oracle::Check;
use mm_fuzz::program::OpKind;
use mm_fuzz::reference::{AccessEnd, Change, End, Reference};

/// All cases.
pub const CASES: &[Case] = &[
    ("contents/kept", word_changes_by_itself),
    ("contents/kept", others_see_a_write),
    ("contents/kept-protection", protection_is_lifted),
    ("contents/kept-protection", page_is_protected),
    (
        "entries/permission",
        entry_is_writable_in_an_area_that_is_not,
    ),
    ("progress/fork-sequence", fork_leaves_the_sequence_odd),
    ("contents/area", area_is_left_out_of_forks),
    ("contents/area", area_is_missing),
    ("contents/area", area_is_too_long),
];

/// The reference model after some calls: page 0 is written and write-protected.
pub fn model() -> Reference {
    let mut model = Reference::default();
    let pid = model.create();
    for change in [Change::Map(READ_WRITE), Change::Register] {
        let ticket = model.begin(pid, 0..4, change);
        model.end(ticket, change, End::Done);
    }
    model.access(pid, 0, Some(7), AccessEnd::Word(7)).unwrap();
    let ticket = model.begin(pid, 0..1, Change::WriteProtect);
    model.end(ticket, Change::WriteProtect, End::Done);
    model
}

/// Makes the same calls in the kernel.
fn protect(lab: &mut Lab<'_>) -> Pfn {
    let (mm, pfn) = (lab.mm, lab.write(0));
    lab.run(OpKind::UffdRegister, async |cur| {
        cur.uffd_register(mm, 0..4).await.unwrap();
    });
    lab.run(OpKind::UffdWp, async |cur| {
        cur.uffd_writeprotect(mm, 0..1, true).await.unwrap();
    });
    at_rest(lab).expect("as the calls made it");
    pfn
}

fn at_rest(lab: &mut Lab<'_>) -> Check {
    look(lab, false)
}

fn all_at_rest(lab: &mut Lab<'_>) -> Check {
    look(lab, true)
}

fn look(lab: &mut Lab<'_>, all: bool) -> Check {
    against(lab, &model(), all)
}

fn against(lab: &mut Lab<'_>, model: &Reference, all: bool) -> Check {
    let (s, mm) = (&lab.kernel.state(), lab.mm);
    let pid_of = |other| (other == mm).then_some(0);
    lab.oracles
        .at_rest(s, &lab.holders, model, pid_of, all, lab.at)
}

fn word_changes_by_itself(lab: &mut Lab<'_>) -> Check {
    let pfn = protect(lab);
    lab.tamper(|t| t.page(pfn).word = 8);
    lab.slice()
        .expect("the checks of a slice do not compare words");
    at_rest(lab).expect("no entry was written, and nobody wrote");
    all_at_rest(lab)
}

fn others_see_a_write(lab: &mut Lab<'_>) -> Check {
    let pfn = protect(lab);
    let child = lab.fork();
    at_rest(lab).expect("a fork changes nothing of the parent");
    lab.tamper(|t| t.page(pfn).word = 8);
    lab.oracles.wrote(&lab.kernel.state(), child, 0);
    at_rest(lab)
}

fn entry_is_writable_in_an_area_that_is_not(lab: &mut Lab<'_>) -> Check {
    protect(lab);
    lab.mprotect(0..4, VmFlags::READ);
    let mut model = model();
    let change = Change::Protect(VmFlags::READ);
    let ticket = model.begin(0, 0..4, change);
    model.end(ticket, change, End::Done);
    against(lab, &model, true).expect("as the calls made it");
    lab.set_pte(0, lab.present(0).set(PteFlags::RW, true).pte());
    against(lab, &model, true)
}

fn protection_is_lifted(lab: &mut Lab<'_>) -> Check {
    protect(lab);
    let unprotected = lab.present(0).set(PteFlags::UFFD_WP, false);
    lab.set_pte(0, unprotected.pte());
    lab.slice().expect("userfaultfd may have lifted it");
    at_rest(lab)
}

fn page_is_protected(lab: &mut Lab<'_>) -> Check {
    protect(lab);
    let mm = lab.mm;
    lab.run(OpKind::Read, async |cur| {
        cur.user_access(mm, 1, None).await.unwrap();
    });
    let protected = lab.present(1).set(PteFlags::UFFD_WP, true);
    lab.set_pte(1, protected.pte());
    all_at_rest(lab)
}

fn fork_leaves_the_sequence_odd(lab: &mut Lab<'_>) -> Check {
    protect(lab);
    lab.fork();
    at_rest(lab).expect("the fork has ended");
    let mm = lab.mm;
    lab.tamper(|t| t.mm(mm).write_protect_seq += 1);
    all_at_rest(lab)
}

fn area_is_left_out_of_forks(lab: &mut Lab<'_>) -> Check {
    protect(lab);
    let area = lab.kernel.state().mm(lab.mm).vmas[0];
    lab.tamper(|t| t.vma(area).flags.insert(VmFlags::DONTCOPY));
    at_rest(lab)
}

fn area_is_missing(lab: &mut Lab<'_>) -> Check {
    protect(lab);
    let area = lab.kernel.state().mm(lab.mm).vmas[0];
    lab.tamper(|t| t.vma(area).end = 3);
    at_rest(lab)
}

fn area_is_too_long(lab: &mut Lab<'_>) -> Check {
    protect(lab);
    let area = lab.kernel.state().mm(lab.mm).vmas[0];
    lab.tamper(|t| t.vma(area).end = 5);
    at_rest(lab)
}
