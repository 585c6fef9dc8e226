//! Two calls at once: the ledger claims what is true in both orders.

use crate::common::{PRESENT, SOFT_DIRTY, written};
use mm_linux_calls::{BreachKind, Call, Ledger, MapKind, Performed, Prot, Range, parse};

const PAGES: Range = Range { first: 0, len: 2 };

/// Tells the ledger what two calls have done at once: step 1 and step 2. Returns the promises that
/// are broken.
fn both(
    ledger: &mut Ledger,
    first: (Call, &Performed),
    second: (Call, &Performed),
) -> Vec<BreachKind> {
    let mut other = Ledger::default();
    let broken = ledger.tell_at_once(
        (0, &first.0, 1, first.1),
        (0, &second.0, 2, second.1),
        &mut other,
    );
    broken.into_iter().map(|(_, _, shown)| shown.0).collect()
}

/// An access to page 0.
fn access(result: Result<u64, i32>) -> Performed {
    Performed {
        accesses: vec![(0, result)],
        ..Performed::default()
    }
}

fn reads(ledger: &mut Ledger, page: usize, word: u64) -> Option<BreachKind> {
    ledger.has_read(0, page, Some(word)).map(|shown| shown.0)
}

#[test]
fn a_write_is_not_lost_in_a_call_that_keeps_contents() {
    let mut ledger = written(MapKind::Private, 2, false);
    let write = Call::Write(Range::new(0, 1));
    let word = write.word(2, 0);
    let broken = both(
        &mut ledger,
        (Call::Compact, &Performed::default()),
        (write, &access(Ok(word))),
    );
    assert_eq!(broken, []);
    assert_eq!(reads(&mut ledger, 0, 7), Some(BreachKind::Contents));
    assert_eq!(reads(&mut ledger, 0, word), None);
    assert_eq!(reads(&mut ledger, 1, 7), None);
}

#[test]
fn what_depends_on_the_order_is_not_claimed() {
    let clear = Call::ClearSoftDirty;
    let write = Call::Write(Range::new(0, 1));
    let word = write.word(2, 0);
    let mut ledger = written(MapKind::Private, 2, false);
    let broken = both(
        &mut ledger,
        (clear, &Performed::default()),
        (write, &access(Ok(word))),
    );
    assert_eq!(broken, []);
    for entry in [PRESENT, PRESENT | SOFT_DIRTY] {
        assert_eq!(ledger.check_shown(0, 0, entry), None);
    }
    assert_eq!(reads(&mut ledger, 0, 7), Some(BreachKind::Contents));
    // two writes: either word
    let mut ledger = written(MapKind::Private, 2, false);
    let first = write.word(1, 0);
    let broken = both(
        &mut ledger,
        (write, &access(Ok(first))),
        (write, &access(Ok(word))),
    );
    assert_eq!(broken, []);
    for got in [first, word] {
        assert_eq!(reads(&mut ledger, 0, got), None);
    }
}

#[test]
fn the_result_of_an_access_says_which_came_first() {
    let protect = Call::Protect(Range::new(0, 1), Prot::None);
    let write = Call::Write(Range::new(0, 1));
    let word = write.word(2, 0);
    for (result, contents) in [(Ok(word), word), (Err(-11), 7)] {
        let mut ledger = written(MapKind::Private, 2, false);
        let broken = both(
            &mut ledger,
            (protect, &Performed::default()),
            (write, &access(result)),
        );
        assert_eq!(broken, []);
        ledger.apply(0, &Call::Protect(PAGES, Prot::Write), 0, 3, 0);
        assert_eq!(reads(&mut ledger, 0, 1), Some(BreachKind::Contents));
        assert_eq!(reads(&mut ledger, 0, contents), None);
    }
}

#[test]
fn what_is_true_in_no_order_is_a_breach() {
    let mut ledger = written(MapKind::Private, 2, false);
    let read = Call::Read(Range::new(0, 1));
    let write = Call::Write(Range::new(0, 1));
    let word = write.word(1, 0);
    let broken = both(
        &mut ledger,
        (write, &access(Ok(word))),
        (read, &access(Ok(9))),
    );
    assert_eq!(broken, [BreachKind::Contents]);
    let mut ledger = written(MapKind::Private, 2, false);
    let advise = Call::Advise(PAGES, mm_linux_calls::Advice::PageOut);
    let broken = both(
        &mut ledger,
        (advise, &Performed::default()),
        (read, &access(Err(-11))),
    );
    assert_eq!(broken, [BreachKind::Denied]);
}

#[test]
fn a_page_that_may_or_may_not_have_moved_is_vague() {
    let mut ledger = written(MapKind::Private, 2, false);
    let moves = Call::Move {
        range: Range::new(0, 1),
        to: 8,
        keep: false,
    };
    let unmap = Call::Unmap(Range::new(8, 1));
    let done = Performed::default();
    assert_eq!(both(&mut ledger, (moves, &done), (unmap, &done)), []);
    for shows in [0, PRESENT] {
        assert_eq!(ledger.check_shown(0, 8, shows), None);
    }
    let shown = ledger.check_shown(0, 0, PRESENT).map(|shown| shown.0);
    assert_eq!(shown, Some(BreachKind::ShownUnmapped));
}

#[test]
fn calls_that_cannot_be_made_at_once_are_separated() {
    let text = "mmap p0 0 4 rw\nwrite p0 0 4\nbeside compact p0\n";
    let mut program = parse(text).expect("a program");
    assert!(program.makes_two_at_once() && program.has_beside(1));
    program.steps.remove(1);
    program.separate();
    assert!(program.has_beside(0), "compact can be beside mmap");
    program.steps[0].fail = 1;
    program.separate();
    assert!(!program.makes_two_at_once());
}
