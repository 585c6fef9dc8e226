//! The guest: a QEMU process that boots the judge's kernel.
//!
//! The judge does not trust the guest. Each step has a deadline, whatever the guest sends
//! meanwhile, and a reply must name the job that it answers.

use super::console::Console;
use super::image::{Image, Patience, SETTLE, end, spawn};
use mm_linux_calls::CallsReply;
use mm_linux_protocol::{HELLO, Reply, frame, receive};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::time::{Duration, Instant};

/// How many characters of a console line are kept as the reason for a guest's end.
const LONGEST_LINE: usize = 500;
/// The memory of a guest that takes jobs, in MB.
const MEMORY: u32 = 512;
/// A running guest.
#[derive(Debug)]
pub struct Guest {
    qemu: Child,
    port: BufReader<Port>,
    console: Console,
    patience: Patience,
    /// A job was sent only in part, so no more are sent.
    is_broken: bool,
    /// The folder of its port.
    _dir: tempfile::TempDir,
    /// From the start to the agent's first message.
    pub boot: Duration,
}

/// A reply of the guest.
pub trait JobReply: DeserializeOwned {
    /// The number of the job that it answers.
    fn answers(&self) -> u32;
}

impl JobReply for Reply {
    fn answers(&self) -> u32 {
        self.id
    }
}

impl JobReply for CallsReply {
    fn answers(&self) -> u32 {
        self.id
    }
}

/// A guest that has ended.
#[derive(Debug)]
pub struct Death {
    /// Why: the line of the console that says so, or that it hung.
    pub why: String,
    /// The beginning and the end of its console.
    pub console: String,
}

/// A port, and the deadline for reads and writes.
#[derive(Debug)]
struct Port {
    stream: UnixStream,
    deadline: Instant,
}

impl Port {
    /// The time left until the deadline.
    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        // `UnixStream` refuses a timeout of zero.
        (!left.is_zero())
            .then_some(left)
            .ok_or(io::ErrorKind::TimedOut.into())
    }
}

impl Read for Port {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(bytes)
    }
}

impl Write for Port {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Guest {
    /// Boots a guest.
    ///
    /// # Errors
    ///
    /// Why it does not come up.
    pub fn boot(image: &Image) -> Result<Self, Death> {
        let began = Instant::now();
        let failed = |why: String| Death {
            why,
            console: String::new(),
        };
        let dir = tempfile::Builder::new().prefix("mmfuzz").tempdir();
        let dir = dir.map_err(|error| failed(format!("no temporary folder: {error}")))?;
        let socket = dir.path().join("port");
        let mut qemu = image.qemu(image.told, MEMORY);
        qemu.args(["-device", "virtio-serial-device"])
            .args([
                "-device",
                "virtserialport,chardev=port,name=mmfuzz",
                "-chardev",
            ])
            .arg(format!(
                "socket,id=port,path={},server=on,wait=off",
                socket.display()
            ));
        let (mut qemu, console) =
            spawn(&mut qemu).map_err(|error| failed(image.cannot_be_run(&error)))?;
        let deadline = began + image.patience.boot;
        let port = loop {
            match UnixStream::connect(&socket) {
                Ok(port) => break Ok(port),
                Err(error) if Instant::now() > deadline || has_ended(&mut qemu) => {
                    break Err(error);
                }
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let stream = match port {
            Ok(stream) => stream,
            Err(error) => {
                end(&mut qemu);
                console.settle(SETTLE);
                return Err(Death {
                    why: format!("QEMU opens no port: {error}"),
                    console: console.text(),
                });
            }
        };
        let mut guest = Self {
            qemu,
            port: BufReader::with_capacity(1 << 16, Port { stream, deadline }),
            console,
            patience: image.patience,
            is_broken: false,
            _dir: dir,
            boot: Duration::ZERO,
        };
        match guest.next_reply::<Reply>(HELLO) {
            Ok(_) => {
                guest.boot = began.elapsed();
                Ok(guest)
            }
            Err(error) => Err(guest.death(&error)),
        }
    }

    /// Sends a job.
    ///
    /// # Errors
    ///
    /// Those of the port, and a guest that does not accept the job in time.
    pub fn send(&mut self, job: &impl Serialize) -> io::Result<()> {
        self.send_all(std::iter::once(job))
    }

    /// Sends jobs in one go, which costs the guest less than one by one.
    ///
    /// # Errors
    ///
    /// Those of [`Self::send`].
    pub fn send_all<'a, J: Serialize + 'a>(
        &mut self,
        jobs: impl Iterator<Item = &'a J>,
    ) -> io::Result<()> {
        if self.is_broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let frames = jobs.map(frame).collect::<io::Result<Vec<_>>>()?.concat();
        let port = self.port.get_mut();
        port.deadline = Instant::now() + self.patience.program;
        let sent = port.write_all(&frames);
        self.is_broken = sent.is_err();
        sent
    }

    /// Reads the reply to the job with this number.
    ///
    /// # Errors
    ///
    /// Those of the port, which closes when the guest ends. The reply is late, malformed, or
    /// answers another job.
    pub fn reply<R: JobReply>(&mut self, id: u32) -> io::Result<R> {
        self.port.get_mut().deadline = Instant::now() + self.patience.program;
        self.next_reply(id)
    }

    fn next_reply<R: JobReply>(&mut self, id: u32) -> io::Result<R> {
        let reply: R = receive(&mut self.port)?;
        if reply.answers() != id {
            // without numbers, so that the same fault is told in the same words
            let why = "a reply to another job than the last one";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(reply)
    }

    /// Ends the guest, and says why it did not answer, or why its answer is not usable.
    #[must_use]
    pub fn death(mut self, error: &io::Error) -> Death {
        let hung = matches!(
            error.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
        );
        if !hung {
            // A guest that has not hung may still be writing to its console.
            self.console.settle(self.patience.last_words);
        }
        end(&mut self.qemu);
        self.console.settle(SETTLE);
        let console = self.console.text();
        let speaks = |line: &&str| {
            ["BUG:", "WARNING:", "Kernel panic", "Oops", "kernel BUG"]
                .iter()
                .any(|w| line.contains(w))
        };
        let said = console
            .lines()
            .find(speaks)
            .map(|line| line.trim().chars().take(LONGEST_LINE).collect());
        let why = match said {
            Some(line) => line,
            None if hung => "the guest hangs".to_owned(),
            None if error.kind() == io::ErrorKind::InvalidData => {
                format!("the guest does not keep to the protocol: {error}")
            }
            None => format!("the guest ended: {error}"),
        };
        Death { why, console }
    }
}

fn has_ended(child: &mut Child) -> bool {
    matches!(child.try_wait(), Ok(Some(_)))
}

impl Drop for Guest {
    fn drop(&mut self) {
        end(&mut self.qemu);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake;
    use super::*;
    use mm_linux_protocol::Job;

    const LONG: Duration = Duration::from_secs(50);
    const SHORT: Duration = Duration::from_millis(500);

    fn patience(boot: Duration, program: Duration) -> Patience {
        Patience {
            boot,
            program,
            whole: LONG,
            last_words: LONG,
        }
    }

    #[test]
    fn a_guest_that_does_not_come_up_is_given_up() {
        for (behaviour, boot, why) in [
            ("no-port", SHORT, "QEMU opens no port: "),
            ("silent", SHORT, "the guest hangs"),
            (
                "stranger",
                LONG,
                "the guest does not keep to the protocol: a reply to another job than the last one",
            ),
            ("ends", LONG, "QEMU opens no port: "),
        ] {
            let dir = tempfile::tempdir().expect("a folder");
            // The "stranger" does not end by itself, so its console stays open: wait only briefly.
            let patience = Patience {
                last_words: SHORT,
                ..patience(boot, LONG)
            };
            let image = fake::image(dir.path(), behaviour, patience);
            let death = Guest::boot(&image).expect_err("it does not come up");
            assert!(death.why.starts_with(why), "{behaviour}: {}", death.why);
            assert!(!death.console.contains('\x1b'), "{}", death.console);
            let said = death
                .console
                .contains(r"\x1b]0;no\x07 Kernel panic: \x1b[31mnothing");
            assert_eq!(said, behaviour == "ends", "{}", death.console);
        }
    }

    #[test]
    fn a_guest_that_takes_no_jobs_is_given_up_and_sent_no_more() {
        let dir = tempfile::tempdir().expect("a folder");
        let image = fake::image(dir.path(), "deaf", patience(LONG, SHORT));
        let mut guest = Guest::boot(&image).expect("it says hello");
        let job = Job {
            id: 1,
            program: vec![0; 60_000],
            plan: Vec::new(),
            device_frames: 0,
            hints: Vec::new(),
            stops: Vec::new(),
            closely: false,
        };
        let refused = (0..1_000).find_map(|_| guest.send(&job).err());
        let refused = refused.expect("60 MB are not taken").kind();
        assert!(matches!(
            refused,
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
        ));
        // Part of a job may have been sent.
        let next = guest.send(&job).expect_err("nothing more is sent");
        assert_eq!(next.kind(), io::ErrorKind::BrokenPipe);
        let error = guest.reply::<Reply>(1).expect_err("there is none");
        assert_eq!(guest.death(&error).why, "the guest hangs");
    }
}
