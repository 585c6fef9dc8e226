//! What the kernel says while programs run: errors that it survives, such as "Bad rss-counter".

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;

/// The level of errors. Smaller ones are worse.
const ERROR: u32 = 3;
/// The longest message that is passed on.
const LONGEST: usize = 160;

/// The kernel's log.
pub struct Words(File);

impl Words {
    /// Begins with the messages that come from now on.
    pub fn open() -> io::Result<Self> {
        let mut log = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/kmsg")?;
        // to the end
        io::Seek::seek(&mut log, io::SeekFrom::End(0))?;
        Ok(Self(log))
    }

    /// The first error since the last call. `starved`: an allocation was made to fail, so a page
    /// may not reach its disk.
    pub fn error(&mut self, starved: bool) -> Option<String> {
        let mut record = [0; 8192];
        let mut found = None;
        loop {
            let len = match self.0.read(&mut record) {
                Ok(0) => return found,
                Ok(len) => len,
                // messages were overwritten
                Err(error) if error.raw_os_error() == Some(libc::EPIPE) => continue,
                Err(_) => return found,
            };
            let text = String::from_utf8_lossy(&record[..len]);
            let Some((head, said)) = text.split_once(';') else {
                continue;
            };
            let level = head
                .split(',')
                .next()
                .and_then(|level| level.parse::<u32>().ok());
            let is_error = level.is_some_and(|level| level & 7 <= ERROR);
            // nothing is wrong if memory runs out, if a page is touched after UFFDIO_POISON, or if
            // a frame is declared broken
            let expected = ["Out of memory", "oom", "MCE: Killing", "Memory failure: "];
            let not_written = [
                "Write-error on swap-device",
                "Buffer I/O error",
                "EXT4-fs",
                "zswap: alloc failed",
            ];
            let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
            let is_expected = has(&expected) || starved && has(&not_written);
            if found.is_none() && is_error && !is_expected {
                let line = said.lines().next().unwrap_or_default();
                found = Some(line.chars().take(LONGEST).collect());
            }
        }
    }
}
