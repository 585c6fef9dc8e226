//! What the reference model says of `fork`.

use super::{Model, READ};
use mm_fuzz::reference::{Change, End, Violation};

#[test]
fn a_fork_copies_words_and_access_but_no_registration() {
    let mut model = Model::new();
    model.done(0..8, Change::Register);
    assert_eq!(model.write(0, 5), None);
    model.done(0..8, Change::WriteProtect);
    model.done(1..2, Change::Protect(READ));
    let parent = model.pid;
    let ticket = model.reference.begin_fork(parent);
    let child = model.reference.end_fork(ticket).expect("a child");
    model.pid = child;
    model.assert_reads(0, 5);
    assert_eq!(model.write(1, 9), Some(Violation::Protection));
    assert_eq!(model.write_protected(0), Some(Violation::WriteProtection));
    assert_eq!(model.write(0, 6), None);
    model.pid = parent;
    assert_eq!(model.read(0, 6), Some(Violation::Word), "the child's word");
    assert_eq!(model.write(0, 7), Some(Violation::WriteProtection));
    model.change(0..8, Change::WriteUnprotect, End::UpToObstacle);
    assert_eq!(model.write(0, 7), None);
    model.pid = child;
    assert_eq!(model.read(0, 7), Some(Violation::Word), "the parent's word");
    model.assert_reads(0, 6);
}

#[test]
fn a_write_during_a_fork_is_copied_or_not() {
    for copied in [5, 6] {
        let mut model = Model::new();
        assert_eq!(model.write(0, 5), None);
        let ticket = model.reference.begin_fork(model.pid);
        assert_eq!(model.write(0, 6), None);
        assert_eq!(model.write_denied(0), Some(Violation::Protection));
        let child = model.reference.end_fork(ticket).expect("a child");
        model.assert_reads(0, 6);
        model.pid = child;
        assert_eq!(model.read(0, 7), Some(Violation::Word));
        assert_eq!(model.read(0, copied), None);
        let other = 11 - copied;
        assert_eq!(model.read(0, other), Some(Violation::Word), "decided");
    }
}

#[test]
fn a_fork_that_failed_leaves_nothing() {
    let mut model = Model::new();
    let ticket = model.reference.begin_fork(model.pid);
    assert_eq!(model.write(0, 5), None);
    model.reference.abort(ticket);
    model.assert_reads(0, 5);
    assert_eq!(model.reference.end_fork(ticket), None);
}

#[test]
fn a_fork_leaves_out_what_it_is_told_to() {
    let mut model = Model::new();
    model.done(0..4, Change::LeaveOut(true));
    model.done(1..2, Change::LeaveOut(false));
    model.change(3..4, Change::LeaveOut(false), End::OutOfMemory);
    let ticket = model.reference.begin_fork(model.pid);
    model.pid = model.reference.end_fork(ticket).expect("a child");
    assert_eq!(model.read(0, 0), Some(Violation::Protection));
    model.assert_reads(1, 0);
    assert_eq!((model.read(3, 0), model.read_denied(3)), (None, None));
    model.assert_reads(4, 0);
}
