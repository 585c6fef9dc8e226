//! AFL++'s custom mutator library: `AFL_CUSTOM_MUTATOR_LIBRARY` of `make afl`.
//!
//! AFL++'s `docs/custom_mutators.md` describes the C ABI. Outside this file, the fuzzing crates
//! have `unsafe` code only in `fuzz/fast/src/raw.rs`, in a link section of two targets, and in
//! `fuzz/src/bin/distil.rs`, which reads counters. `afl-fuzz` calls all functions from one thread.
//! It passes the pointer that [`afl_custom_init`] returned to every other function, and calls
//! [`afl_custom_deinit`] last. Results belong to the mutator and stay valid until the next call of
//! the same kind.
//!
//! `MMFUZZ_TARGET` names the target (`ops` if not set). `MMFUZZ_MAX_LEN` is the maximum size of an
//! input in bytes (322 if not set).

mod mutator;

use mm_fuzz::program::wire::MAX_INPUT_BYTES;
use mm_fuzz::target;
use mutator::Mutator;
use std::ffi::{c_int, c_uint, c_void};

fn configured(seed: u32) -> Option<Mutator> {
    let name = std::env::var("MMFUZZ_TARGET").unwrap_or_else(|_| "ops".to_owned());
    let max_len = std::env::var("MMFUZZ_MAX_LEN").map_or(Ok(MAX_INPUT_BYTES), |text| text.parse());
    let (Some(limits), Ok(max_len)) = (target::limits(&name), max_len) else {
        eprintln!("mm-afl-mutator: MMFUZZ_TARGET or MMFUZZ_MAX_LEN is not valid");
        return None;
    };
    Some(Mutator::new(limits, max_len, seed))
}

/// Makes a mutator. Returns null if `MMFUZZ_TARGET` or `MMFUZZ_MAX_LEN` is not valid; then
/// `afl-fuzz` exits.
#[unsafe(no_mangle)]
pub extern "C" fn afl_custom_init(_afl: *mut c_void, seed: c_uint) -> *mut Mutator {
    configured(seed).map_or(std::ptr::null_mut(), |mutator| {
        Box::into_raw(Box::new(mutator))
    })
}

/// Frees a mutator.
///
/// # Safety
/// `data` is what [`afl_custom_init`] returned, and nothing uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn afl_custom_deinit(data: *mut Mutator) {
    // SAFETY: `data` is the box that `afl_custom_init` leaked.
    drop(unsafe { Box::from_raw(data) });
}

/// Mutates an input. Returns the mutant through `out`, and its size.
///
/// # Safety
/// `data` is what [`afl_custom_init`] returned; `buf` has `buf_size` bytes; `add_buf` has
/// `add_buf_size` bytes, or is null and the size is 0; `out` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn afl_custom_fuzz(
    data: *mut Mutator,
    buf: *const u8,
    buf_size: usize,
    out: *mut *const u8,
    add_buf: *const u8,
    add_buf_size: usize,
    max_size: usize,
) -> usize {
    // SAFETY: the caller guarantees it, see above.
    let (mutator, input, other) = unsafe {
        (
            &mut *data,
            bytes(buf, buf_size),
            bytes(add_buf, add_buf_size),
        )
    };
    // SAFETY: the caller guarantees it, see above.
    unsafe { give(mutator.mutate(input, other, max_size), out) }
}

/// Starts trimming. Returns 1 if there is a candidate to run, otherwise 0.
///
/// # Safety
/// `data` is what [`afl_custom_init`] returned; `buf` has `buf_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn afl_custom_init_trim(
    data: *mut Mutator,
    buf: *const u8,
    buf_size: usize,
) -> c_int {
    // SAFETY: the caller guarantees it, see above.
    let (mutator, input) = unsafe { (&mut *data, bytes(buf, buf_size)) };
    mutator.start_trim(input)
}

/// Returns the next candidate of trimming through `out`, and its size.
///
/// # Safety
/// `data` is what [`afl_custom_init`] returned; `out` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn afl_custom_trim(data: *mut Mutator, out: *mut *const u8) -> usize {
    // SAFETY: the caller guarantees it, see above.
    unsafe { give((&mut *data).trim(), out) }
}

/// Records whether the candidate had the same coverage as the input. Returns 0 if there is another
/// candidate, otherwise 1.
///
/// # Safety
/// `data` is what [`afl_custom_init`] returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn afl_custom_post_trim(data: *mut Mutator, success: u8) -> c_int {
    // SAFETY: the caller guarantees it, see above.
    unsafe { &mut *data }.trimmed(success != 0)
}

/// The bytes at `buf`.
///
/// # Safety
/// `buf` is null or has `size` bytes that nobody writes to while the result is used.
unsafe fn bytes<'a>(buf: *const u8, size: usize) -> &'a [u8] {
    if buf.is_null() {
        return &[];
    }
    // SAFETY: the caller guarantees it, see above.
    unsafe { std::slice::from_raw_parts(buf, size) }
}

/// Returns a result through `out`, and its size.
///
/// # Safety
/// `out` can be written.
unsafe fn give(result: &[u8], out: *mut *const u8) -> usize {
    // SAFETY: the caller guarantees it, see above.
    unsafe { *out = result.as_ptr() };
    result.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mm_fuzz::program::generate::random_program;
    use mm_fuzz::program::{Program, wire};

    /// Makes the calls of `afl-fuzz`: init, fuzz, trim, deinit.
    #[test]
    fn the_abi_mutates_and_trims() {
        let data = afl_custom_init(std::ptr::null_mut(), 7);
        let mut out = std::ptr::null();
        for seed in 0..2_000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let limits = target::limits("ops").expect("a target");
            let [one, other] = [0, 1].map(|_| wire::encode(&random_program(limits, &mut rng)));
            let other: &[u8] = if seed % 2 == 0 { &other } else { &[] };
            // SAFETY: these are the calls of afl-fuzz, with slices.
            let mutant = unsafe {
                let (a, b) = (one.as_ptr(), other.as_ptr());
                let size = afl_custom_fuzz(data, a, one.len(), &mut out, b, other.len(), 1 << 20);
                bytes(out, size).to_vec()
            };
            assert_eq!(wire::check(&mutant), Ok(()));
            assert!(mutant.len() <= MAX_INPUT_BYTES);
            assert_eq!(
                trim(data, &one),
                0,
                "with every candidate accepted, one operation is left"
            );
        }
        // SAFETY: `data` is what `afl_custom_init` returned.
        unsafe { afl_custom_deinit(data) };
    }

    /// Trims with every candidate accepted. Returns the number of operations that are left, not
    /// counting the one that must stay.
    fn trim(data: *mut Mutator, input: &[u8]) -> usize {
        let (mut program, mut out): (Program, _) = (wire::decode(input), std::ptr::null());
        // SAFETY: these are the calls of afl-fuzz, with a slice.
        unsafe {
            let steps = afl_custom_init_trim(data, input.as_ptr(), input.len());
            let mut done = 0;
            while done < steps {
                let size = afl_custom_trim(data, &mut out);
                program = wire::decode(bytes(out, size));
                done = afl_custom_post_trim(data, 1);
            }
        }
        program.ops.len().saturating_sub(1)
    }
}
