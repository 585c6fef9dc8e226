//! What the reference model says of pages that a call must bring in.

use super::{Model, READ};
use mm_fuzz::reference::{Change, End};

#[test]
fn populate_fails_where_the_fault_must_and_leaves_pages_behind() {
    let mut model = Model::new();
    let (reads, writes) = (Change::Populate(false), Change::Populate(true));
    model.done(0..1, Change::Protect(READ));
    model.done(7..8, Change::Unmap);
    assert_eq!(model.must_succeed(0..7, reads), Some(true));
    assert_eq!(model.must_succeed(0..7, writes), Some(false), "read-only");
    assert_eq!(model.must_succeed(1..7, writes), Some(true));
    assert_eq!(model.must_succeed(6..8, reads), Some(false), "a hole");
    // a page that had an entry when it was protected is protected
    model.done(0..7, Change::Register);
    model.done(1..2, reads);
    model.done(2..3, writes);
    model.done(1..4, Change::WriteProtect);
    assert_eq!(model.must_succeed(1..2, writes), Some(false));
    assert_eq!(model.must_succeed(2..3, writes), Some(false));
    assert_eq!(
        model.must_succeed(3..4, writes),
        None,
        "did it have an entry?"
    );
    assert_eq!(model.must_succeed(1..4, reads), Some(true));
    // a call that succeeds has met no protection
    model.done(3..4, writes);
    assert_eq!(model.must_succeed(3..4, writes), Some(true));
    // a failed call has populated the pages before the one that stopped it
    model.change(5..8, writes, End::UpToObstacle);
    model.done(5..7, Change::WriteProtect);
    assert_eq!(model.write_protected(6), None);
    assert_eq!(model.must_succeed(6..7, writes), Some(false));
    // a lazily freed page may vanish again
    model.done(4..5, Change::LazyFree);
    model.done(4..5, writes);
    model.done(4..5, Change::WriteProtect);
    assert_eq!(model.must_succeed(4..5, writes), None);
}

#[test]
fn populate_beside_another_call_says_nothing_of_the_pages() {
    let mut model = Model::new();
    model.done(0..8, Change::Register);
    let drops = model.begin(0..2, Change::Drop);
    let populates = model.begin(0..4, Change::Populate(true));
    let ended = model
        .reference
        .must_succeed(populates, Change::Populate(true));
    assert_eq!(ended, None);
    model
        .reference
        .end(populates, Change::Populate(true), End::Done);
    model.reference.end(drops, Change::Drop, End::Done);
    model.done(0..4, Change::WriteProtect);
    assert_eq!(model.must_succeed(0..1, Change::Populate(true)), None);
}
