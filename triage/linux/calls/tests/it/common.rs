//! A ledger that is told of calls without a kernel.

use mm_linux_calls::{BreachKind, Call, Ledger, MapKind, Program, Prot, Range, parse};

/// The present bit of an entry of pagemap.
pub const PRESENT: u64 = 1 << 63;
/// The swapped bit of an entry of pagemap.
pub const SWAPPED: u64 = 1 << 62;
/// The uffd-wp bit of an entry of pagemap.
pub const UFFD_WP: u64 = 1 << 57;
/// The exclusive bit of an entry of pagemap.
pub const EXCLUSIVE: u64 = 1 << 56;
/// The soft-dirty bit of an entry of pagemap.
pub const SOFT_DIRTY: u64 = 1 << 55;

/// The ledger of a program that has made no call.
pub fn ledger(program: &Program) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.reset(program);
    ledger
}

/// A ledger in which process 0 has mapped `len` pages from page 0 on, and written 7 to each.
pub fn written(kind: MapKind, len: u16, wp_async: bool) -> Ledger {
    let mut ledger = ledger(&Program {
        wp_async,
        ..Program::default()
    });
    map(&mut ledger, 0, len, kind);
    for page in 0..len.into() {
        assert_eq!(ledger.has_written(0, page, 7, true, false), None);
    }
    ledger
}

/// Process 0 has made a call, and it succeeded.
pub fn apply(ledger: &mut Ledger, call: Call) {
    ledger.apply(0, &call, 0, 9, 0);
}

/// Process 0 has mapped pages for reading and writing.
pub fn map(ledger: &mut Ledger, first: u16, len: u16, kind: MapKind) {
    let range = Range::new(first, len);
    let prot = Prot::Write;
    apply(ledger, Call::Map { range, kind, prot });
}

/// Runs a program. All its calls succeed, on their whole ranges.
pub fn ran(text: &str) -> Ledger {
    let program = parse(text).expect("a program");
    let mut ledger = ledger(&program);
    for (at, step) in program.steps.iter().enumerate() {
        let process = usize::from(step.process);
        let done = step.call.range().map_or(0, |range| range.len);
        ledger.apply(process, &step.call, 0, at, done);
        match step.call {
            Call::Write(range) => {
                for page in range.pages() {
                    let word = Range::word(at, page);
                    let breach = ledger.has_written(process, page, word, true, false);
                    assert_eq!(breach, None, "{text}");
                }
            }
            Call::Read(range) => {
                for page in range.pages() {
                    assert!(ledger.has_read(process, page, Some(0)).is_none(), "{text}");
                }
            }
            _ => {}
        }
    }
    ledger
}

/// The kind of what a check says.
pub fn kind_of(shown: Option<(BreachKind, u64, u64)>) -> Option<BreachKind> {
    shown.map(|(kind, ..)| kind)
}
