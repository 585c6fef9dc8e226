//! The port to the host. Replies wait until no job is there, or for a short time, because a write
//! ends in the host: under emulation it costs as much as several system calls.

use mm_linux_protocol::{frame, receive, send};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// How long a reply waits at most while programs run.
const PATIENCE: Duration = Duration::from_millis(50);
/// How many bytes of replies wait at most.
const ENOUGH: usize = 1 << 14;

/// The port.
#[derive(Debug)]
pub struct Port {
    jobs: BufReader<File>,
    /// The replies that wait.
    replies: Vec<u8>,
    /// When the first of them began to wait.
    since: Instant,
}

impl Port {
    /// Opens the port, which may appear a little after the start.
    pub fn open() -> io::Result<Self> {
        let mut last = io::Error::other("no port");
        for _ in 0..200 {
            match File::options().read(true).write(true).open("/dev/vport0p1") {
                Ok(port) => {
                    return Ok(Self {
                        jobs: BufReader::with_capacity(1 << 16, port),
                        replies: Vec::new(),
                        since: Instant::now(),
                    });
                }
                Err(error) => last = error,
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(last)
    }

    /// The next job. If none is there, the replies that wait are sent first.
    pub fn receive<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        if !self.has_job() {
            self.flush()?;
        }
        receive(&mut self.jobs)
    }

    /// Sends a reply, and all that wait.
    pub fn send<T: Serialize>(&mut self, reply: &T) -> io::Result<()> {
        self.flush()?;
        send(self.jobs.get_mut(), reply)
    }

    /// Sends a reply, now or a little later.
    pub fn send_later<T: Serialize>(&mut self, reply: &T) -> io::Result<()> {
        if self.replies.is_empty() {
            self.since = Instant::now();
        }
        self.replies.append(&mut frame(reply)?);
        if self.replies.len() >= ENOUGH || self.since.elapsed() >= PATIENCE {
            self.flush()?;
        }
        Ok(())
    }

    fn has_job(&self) -> bool {
        let mut poll = libc::pollfd {
            fd: self.jobs.get_ref().as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one pollfd.
        !self.jobs.buffer().is_empty() || unsafe { libc::poll(&raw mut poll, 1, 0) } == 1
    }

    fn flush(&mut self) -> io::Result<()> {
        self.jobs.get_mut().write_all(&self.replies)?;
        self.replies.clear();
        Ok(())
    }
}
