//! What the reference model says of userfaultfd.

use super::{Model, READ, READ_WRITE};
use mm_fuzz::reference::{Change, End, Violation};

#[test]
fn userfaultfd_is_asked_about_written_pages() {
    let mut model = Model::new();
    assert_eq!(model.write_protected(0), Some(Violation::WriteProtection));
    model.done(0..4, Change::Register);
    assert_eq!(model.write_protected(0), Some(Violation::WriteProtection));
    assert_eq!(model.write(0, 5), None);
    model.change(0..8, Change::WriteProtect, End::UpToObstacle);
    assert_eq!(model.write(0, 6), Some(Violation::WriteProtection));
    assert_eq!(model.write_protected(0), None);
    assert_eq!(model.read(0, 5), None, "reads are free");
    let unregistered = model.write_protected(4);
    assert_eq!(unregistered, Some(Violation::WriteProtection));
    model.change(0..8, Change::WriteUnprotect, End::UpToObstacle);
    assert_eq!(model.write_protected(0), Some(Violation::WriteProtection));
    assert_eq!(model.write(0, 6), None);
}

#[test]
fn a_page_that_may_not_be_there_may_be_protected() {
    for write_first in [false, true] {
        let mut model = Model::new();
        model.done(0..8, Change::Register);
        model.done(0..8, Change::WriteProtect);
        if write_first {
            assert_eq!(model.write(0, 5), None);
            // it had no entry, so it is not protected
            assert_eq!(model.write_protected(0), Some(Violation::WriteProtection));
        } else {
            assert_eq!(model.write_protected(0), None);
        }
    }
}

#[test]
fn the_protection_goes_with_the_registration_and_the_page() {
    let mut model = Model::new();
    model.done(0..8, Change::Register);
    for addr in 0..2 {
        assert_eq!(model.write(addr, 5), None);
    }
    model.done(0..8, Change::WriteProtect);
    model.done(0..1, Change::Unregister);
    assert_eq!(model.write_protected(0), Some(Violation::WriteProtection));
    assert_eq!(model.write(0, 6), None);
    model.done(1..2, Change::Drop);
    assert_eq!(model.write_protected(1), None, "a marker may be left");
    assert_eq!(model.write(1, 6), None, "or not");
}

#[test]
fn userfaultfd_passes_over_gaps_but_not_over_all_of_a_range() {
    let mut model = Model::new();
    model.done(2..4, Change::Unmap);
    assert_eq!(model.must_succeed(1..5, Change::Register), Some(true));
    assert_eq!(model.must_succeed(2..4, Change::Register), Some(false));
    assert_eq!(model.must_succeed(0..5, Change::WriteProtect), Some(false));
    for addr in [1, 4] {
        assert_eq!(model.write(addr, 5), None);
    }
    model.done(1..5, Change::Register);
    assert_eq!(model.must_succeed(1..5, Change::WriteProtect), Some(true));
    assert_eq!(model.must_succeed(2..4, Change::WriteProtect), Some(false));
    assert_eq!(model.must_succeed(0..5, Change::WriteProtect), Some(false));
    model.done(1..5, Change::WriteProtect);
    for addr in [1, 4] {
        assert_eq!(model.write(addr, 6), Some(Violation::WriteProtection));
    }
    // it may or may not be registered still
    model.change(1..2, Change::Unregister, End::OutOfMemory);
    assert_eq!(model.must_succeed(1..5, Change::WriteProtect), None);
    model.change(1..5, Change::WriteUnprotect, End::UpToObstacle);
    for addr in [1, 4] {
        assert_eq!(model.write_protected(addr), None);
        assert_eq!(model.write(addr, 6), None);
    }
    // an open call on the same range makes the result uncertain as well
    let open = model.begin(4..5, Change::Unregister);
    assert_eq!(model.must_succeed(4..5, Change::WriteProtect), None);
    model.reference.end(open, Change::Unregister, End::Done);
    assert_eq!(model.must_succeed(4..5, Change::WriteProtect), Some(false));
}

#[test]
fn write_protection_ends_at_the_first_page_that_is_not_registered() {
    let mut model = Model::new();
    for addr in 0..3 {
        assert_eq!(model.write(addr, 5), None);
    }
    model.done(0..1, Change::Register);
    model.done(2..3, Change::Register);
    model.change(0..3, Change::WriteProtect, End::UpToObstacle);
    assert_eq!(model.write(0, 6), Some(Violation::WriteProtection));
    for addr in 1..3 {
        let asked = model.write_protected(addr);
        assert_eq!(asked, Some(Violation::WriteProtection));
    }
}

#[test]
fn who_gets_a_page_to_write_to_it_may_write() {
    let mut m = Model::new();
    let granted = |m: &mut Model, addr| m.reference.granted(m.pid, addr).err().map(|(is, _)| is);
    assert_eq!(granted(&mut m, 0), None);
    m.done(0..1, Change::Protect(READ));
    assert_eq!(granted(&mut m, 0), Some(Violation::Protection));
    m.done(1..3, Change::Register);
    assert_eq!(m.write(1, 3), None);
    m.done(1..3, Change::WriteProtect);
    assert_eq!(granted(&mut m, 1), Some(Violation::WriteProtection));
    assert_eq!(granted(&mut m, 2), None, "perhaps it had no entry");
    let open = m.begin(0..1, Change::Protect(READ_WRITE));
    assert_eq!(granted(&mut m, 0), None, "either");
    m.reference.abort(open);
}

#[test]
fn a_page_that_was_read_is_there_until_it_is_dropped() {
    let protected = |before: fn(&mut Model)| {
        let mut m = Model::new();
        m.done(0..1, Change::Register);
        assert_eq!(m.read(0, 0), None);
        before(&mut m);
        m.done(0..1, Change::WriteProtect);
        m.reference.write_protected(m.pid, 0)
    };
    assert_eq!(protected(|_| {}), Some(true));
    assert_eq!(protected(|m| m.done(0..1, Change::Drop)), None);
}
