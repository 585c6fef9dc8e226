//! State feedback for AFL++: a part of its coverage map that no edge of the code uses.
//!
//! What IJON_SET does, without what it needs of the compiler: the guards below lie among those of the edges, so AFL++'s
//! runtime numbers them as it numbers edges, and makes the map that much longer.

use mm_fuzz::feedback::{COUNTERS, Counters};
use std::sync::atomic::{AtomicU32, Ordering};

#[unsafe(link_section = "__sancov_guards")]
static GUARDS: [AtomicU32; COUNTERS] = [const { AtomicU32::new(0) }; COUNTERS];

unsafe extern "C" {
    /// The map; the runtime changes it as runs begin and end.
    static __afl_area_ptr: *mut u8;
}

/// The part of the map that the guards have; none if they do not follow one another.
pub fn of_this_run() -> Option<&'static Counters> {
    let number = |guard: &AtomicU32| guard.load(Ordering::Relaxed);
    let (first, last) = (number(&GUARDS[0]), number(&GUARDS[COUNTERS - 1]));
    let whole = first != 0 && last.wrapping_sub(first) == COUNTERS as u32 - 1;
    // SAFETY: the runtime gave these numbers, in this order, so the map has them all; bytes that are written by one
    // thread are atomics as well.
    whole.then(|| unsafe { &*__afl_area_ptr.add(first as usize).cast() })
}
