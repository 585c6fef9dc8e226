//! The console of a guest.
//!
//! A thread reads it all the time, so the guest never waits for us. It keeps only the beginning and
//! the end, so a guest that never stops printing fills neither memory nor disk.

use crate::names::shown_text;
use std::collections::VecDeque;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes kept of the beginning, and as many of the end. That is many times what the upstream tests
/// print, and what a dying kernel prints.
pub const KEPT: usize = 1 << 20;

/// The console of a guest.
#[derive(Debug)]
pub struct Console {
    said: Arc<Mutex<Said>>,
    /// The `Console` is gone, so the reader stops.
    closed: Arc<AtomicBool>,
    /// Disconnects when the reader has reached the end.
    end: Receiver<()>,
}

#[derive(Debug, Default)]
struct Said {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
}

impl Said {
    fn add(&mut self, bytes: &[u8], kept: usize) {
        let (head, tail) = bytes.split_at(bytes.len().min(kept - self.head.len()));
        self.head.extend_from_slice(head);
        self.tail.extend(tail);
        let surplus = self.tail.len().saturating_sub(kept);
        self.tail.drain(..surplus);
        self.left_out += surplus as u64;
    }
}

impl Console {
    /// Reads `from` to its end, in its own thread.
    pub fn of(from: impl Read + Send + 'static) -> Self {
        Self::keeping(from, KEPT)
    }

    fn keeping(mut from: impl Read + Send + 'static, kept: usize) -> Self {
        let said = Arc::new(Mutex::new(Said::default()));
        let closed = Arc::new(AtomicBool::new(false));
        let (hangs_up, end) = mpsc::channel();
        let console = Self {
            said: Arc::clone(&said),
            closed: Arc::clone(&closed),
            end,
        };
        std::thread::spawn(move || {
            let _hangs_up: mpsc::Sender<()> = hangs_up;
            let mut bytes = [0; 1 << 14];
            while let Ok(count) = from.read(&mut bytes)
                && count > 0
                && !closed.load(Ordering::Relaxed)
            {
                lock(&said).add(&bytes[..count], kept);
            }
        });
        console
    }

    /// Waits until the reader has reached the end, but at most `patience`.
    pub fn settle(&self, patience: Duration) {
        // The reader sends nothing: this times out, or the channel disconnects.
        let _ = self.end.recv_timeout(patience);
    }

    /// What the console has said so far, with a note if something is left out. Control characters
    /// are escaped, so no terminal obeys them.
    pub fn text(&self) -> String {
        let said = &mut *lock(&self.said);
        let text = |bytes: &[u8]| shown_text(&String::from_utf8_lossy(bytes));
        if said.left_out == 0 {
            let all = [&*said.head, said.tail.make_contiguous()].concat();
            return text(&all);
        }
        let left_out = said.left_out;
        let head = text(&said.head);
        let tail = text(said.tail.make_contiguous());
        format!("{head}\n[{left_out} bytes of the console are left out]\n{tail}")
    }
}

impl Drop for Console {
    /// Stops the reader even if another process keeps the other end open.
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

fn lock(said: &Mutex<Said>) -> MutexGuard<'_, Said> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_short_is_kept_and_shown_without_control_characters() {
        let console = Console::keeping(&b"one\r\n\x1b[2Jtwo\n\xffthree"[..], 8);
        console.settle(LONG);
        let left_out = "[3 bytes of the console are left out]";
        let shown = format!("one\n\\x1b[2\n{left_out}\no\n\u{fffd}three");
        assert_eq!(console.text(), shown);
        let console = Console::keeping(&b"one\r\n\x1b[2Jtwo\n"[..], 7);
        console.settle(LONG);
        assert_eq!(console.text(), "one\n\\x1b[2Jtwo\n");
    }

    #[test]
    fn a_flood_is_read_to_its_end_and_kept_in_part() {
        let flood = b"first\n".chain(std::io::repeat(b'x').take(100 << 20));
        let console = Console::keeping(flood.chain(&b"\nlast"[..]), 1000);
        console.settle(LONG);
        let text = console.text();
        assert!(text.len() < 2100, "{}", text.len());
        assert!(text.starts_with("first\nxxx") && text.ends_with("xxx\nlast"));
        assert!(
            text.contains("[104855611 bytes of the console are left out]"),
            "{text}"
        );
    }
}
