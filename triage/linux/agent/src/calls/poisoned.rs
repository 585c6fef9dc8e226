//! Frames that a program has declared broken (`MADV_HWPOISON`), or has taken out of use
//! (`MADV_SOFT_OFFLINE`). They must be given back, or the guest runs out of memory.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A program can break at most this many frames, or take them out of use.
const MOST: usize = 64;
/// A frame whose number is written to this file is used again. The file exists with
/// `CONFIG_HWPOISON_INJECT`.
const HEAL: &str = "/sys/kernel/debug/hwpoison/unpoison-pfn";

/// The frames.
pub struct Poisoned {
    count: AtomicU32,
    frames: [AtomicU64; MOST],
}

impl Poisoned {
    /// Notes a frame. Returns false if there is no room.
    pub fn add(&self, frame: u64) -> bool {
        let at = self.count.fetch_add(1, Ordering::SeqCst) as usize;
        let place = self.frames.get(at);
        place.inspect(|place| place.store(frame, Ordering::SeqCst));
        place.is_some()
    }

    /// Gives the frames back. All processes that used them must have ended. Returns false if no
    /// frame was noted.
    pub fn heal(&self) -> bool {
        let count = self.count.swap(0, Ordering::SeqCst) as usize;
        for frame in &self.frames[..count.min(MOST)] {
            let frame = frame.load(Ordering::SeqCst);
            // if MADV_HWPOISON or MADV_SOFT_OFFLINE failed, the frame is not broken, and the write
            // fails
            let _ = std::fs::write(HEAL, frame.to_string());
        }
        count > 0
    }
}
