//! State feedback for AFL++: a part of its coverage map that no edge of the code uses.
//!
//! What IJON_SET does, without what it needs of the compiler: the guards below lie among those of the edges, so AFL++'s
//! runtime numbers them as it numbers edges, and makes the map that much longer.

use mm_fuzz::feedback::{COUNTERS, Counters};
use std::sync::atomic::{AtomicU32, Ordering};

// used: nothing that the compiler sees writes them, so it takes them for zeroes otherwise
#[used]
#[unsafe(link_section = "__sancov_guards")]
static GUARDS: [AtomicU32; COUNTERS] = [const { AtomicU32::new(0) }; COUNTERS];

unsafe extern "C" {
    /// The map; the runtime changes it as runs begin and end.
    static __afl_area_ptr: *mut u8;
}

/// Has the runtime numbered the guards, one after the other?
pub fn are_there() -> bool {
    let first = GUARDS[0].load(Ordering::Relaxed);
    let follows = |(guard, number): (&AtomicU32, u32)| guard.load(Ordering::Relaxed) == number;
    first != 0 && GUARDS.iter().zip(first..).all(follows)
}

/// The part of the map that the guards have, if they [are there](are_there).
pub fn of_this_run() -> &'static Counters {
    let first = GUARDS[0].load(Ordering::Relaxed) as usize;
    // SAFETY: the runtime gave these numbers, one after the other, so the map has them all; bytes that one thread writes
    // are atomics as well.
    unsafe { &*__afl_area_ptr.add(first).cast() }
}
