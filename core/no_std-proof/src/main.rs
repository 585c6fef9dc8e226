//! Links mm-core into a program with its own panic handler and allocator. A program can have only
//! one panic handler, and std brings one. So this builds only while neither mm-core nor its
//! dependencies use std.
//!
//! Exit status 0: the core worked. 1: [`exercise::exercise`] returned false. 134 (SIGABRT): it
//! panicked.
#![no_std]
#![no_main]

#[cfg(feature = "std")]
extern crate std;

mod exercise;

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ffi::c_int;
use core::panic::PanicInfo;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

#[link(name = "c")]
unsafe extern "C" {
    fn abort() -> !;
}

const HEAP_BYTES: usize = 64 << 20;

/// An allocator that hands out the heap from front to back and never frees.
struct Bump {
    heap: UnsafeCell<[u8; HEAP_BYTES]>,
    used: AtomicUsize,
}

// SAFETY: `used` grows atomically, so no two callers get the same bytes.
unsafe impl Sync for Bump {}

// SAFETY: a block lies inside the heap, is aligned, and overlaps no other, because `used` only
// grows.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Takes `align` bytes more than asked for. So the block can be aligned inside its part of
        // the heap, and `used` need not be aligned.
        let Some(room) = layout.size().checked_add(layout.align()) else {
            return ptr::null_mut();
        };
        let start = self.used.fetch_add(room, Ordering::Relaxed);
        if start.checked_add(room).is_none_or(|end| end > HEAP_BYTES) {
            return ptr::null_mut();
        }
        // SAFETY: start + room is inside the heap.
        let block = unsafe { self.heap.get().cast::<u8>().add(start) };
        // SAFETY: aligning skips at most `align` of the `size + align` bytes.
        unsafe { block.add(block.align_offset(layout.align())) }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: Bump = Bump {
    heap: UnsafeCell::new([0; HEAP_BYTES]),
    used: AtomicUsize::new(0),
};

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: abort has no preconditions.
    unsafe { abort() }
}

// The compiled `alloc` of rustup refers to these two, for unwinding. With panic = "abort", nothing
// unwinds.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    // SAFETY: abort has no preconditions.
    unsafe { abort() }
}

/// The entry point, which libc's start files call.
#[unsafe(no_mangle)]
extern "C" fn main(_argc: c_int, _argv: *const *const u8) -> c_int {
    c_int::from(!exercise::exercise())
}
