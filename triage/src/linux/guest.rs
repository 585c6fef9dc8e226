//! The guest: a QEMU process that boots the judge's kernel.
//!
//! The judge does not trust the guest. Each step has a deadline, whatever the guest sends
//! meanwhile, and a reply must name the job that it answers.

use super::console::Console;
use super::known::{self, Version};
use crate::names::shown;
use mm_core::KernelVersion;
use mm_linux_calls::CallsReply;
use mm_linux_protocol::{HELLO, Reply, receive, send};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Time limits of a guest.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a boot.
    pub boot: Duration,
    /// For a program, and for the guest to accept one.
    pub program: Duration,
    /// From boot to end, for guests that end by themselves: the upstream tests and C programs.
    pub whole: Duration,
    /// For the rest of the console, once the guest has ended or broken the protocol.
    pub last_words: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            boot: Duration::from_secs(60),
            program: Duration::from_secs(40),
            whole: Duration::from_secs(300),
            last_words: Duration::from_millis(200),
        }
    }
}

/// How many characters of a console line are kept as the reason for a guest's end.
const LONGEST_LINE: usize = 500;
/// How long to wait for the rest of the console after a kill. Children of QEMU may keep the console
/// open.
const SETTLE: Duration = Duration::from_secs(1);

/// What the guest boots.
#[derive(Clone, Debug)]
pub struct Image {
    /// The kernel's version.
    pub version: String,
    kernel: PathBuf,
    initramfs: PathBuf,
    qemu: PathBuf,
    /// What the agent is told on the kernel's command line.
    told: &'static str,
    patience: Patience,
    /// The image's folder, locked. While this is open, no other build removes the image.
    _in_use: Arc<File>,
}

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

impl Image {
    /// Finds the image, or builds it with `triage/linux/image` of the repository at `root`.
    ///
    /// # Errors
    ///
    /// A sentence. The script itself has said on standard error what is missing.
    pub fn ensure(root: &Path) -> Result<Self, String> {
        Self::made(root, &[])
    }

    /// Like [`Image::ensure`], for a kernel that reports which places a program reaches.
    ///
    /// # Errors
    ///
    /// A sentence. The script itself has said on standard error what is missing.
    pub fn that_follows_coverage(root: &Path) -> Result<Self, String> {
        let image = Self::made(root, &[("COVER", "1")])?;
        Ok(Self {
            told: "mmfuzz=cover",
            ..image
        })
    }

    /// The image for programs of plain system calls. If `follows_coverage`, its kernel reports
    /// which places the programs reach.
    ///
    /// # Errors
    ///
    /// A sentence. The script itself has said on standard error what is missing.
    pub fn for_calls(root: &Path, follows_coverage: bool) -> Result<Self, String> {
        let (image, told) = if follows_coverage {
            (
                Self::that_follows_coverage(root)?,
                "mmfuzz=cover mmfuzz_runs=calls mmfuzz_sync_swap numa=fake=2",
            )
        } else {
            (
                Self::ensure(root)?,
                "mmfuzz_runs=calls mmfuzz_sync_swap numa=fake=2",
            )
        };
        Ok(Self { told, ..image })
    }

    fn made(root: &Path, settings: &[(&str, &str)]) -> Result<Self, String> {
        let script = root.join("triage/linux/image");
        let mut child = Command::new(&script)
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: cannot be run: {error}", shown(&script)))?;
        let lines = child.stdout.take().map(BufReader::new);
        let last = lines.and_then(|lines| lines.lines().map_while(Result::ok).last());
        let status = child.wait().map_err(|error| error.to_string())?;
        let line = last.filter(|_| status.success());
        let line = line
            .ok_or_else(|| format!("there is no guest: triage/linux/image ended with {status}"))?;
        let field = |name: &str| {
            let words = line.split(' ');
            let mut values = words.filter_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            values.next().map(str::to_owned).unwrap_or_default()
        };
        let kernel = PathBuf::from(field("kernel"));
        let in_use = kernel.parent().unwrap_or(&kernel);
        let in_use = File::open(in_use).and_then(|folder| folder.lock_shared().map(|()| folder));
        let in_use =
            in_use.map_err(|error| format!("{}: cannot be locked: {error}", shown(&kernel)))?;
        Ok(Self {
            version: field("linux"),
            kernel,
            initramfs: field("initramfs").into(),
            qemu: field("qemu").into(),
            told: "",
            patience: Patience::default(),
            _in_use: Arc::new(in_use),
        })
    }
}

impl Image {
    /// An image whose QEMU is another program.
    #[cfg(test)]
    pub fn fake(qemu: PathBuf, patience: Patience) -> Self {
        Self {
            version: "6.12".to_owned(),
            kernel: PathBuf::new(),
            initramfs: PathBuf::new(),
            qemu,
            told: "",
            patience,
            _in_use: Arc::new(File::open("/dev/null").expect("the device")),
        }
    }

    /// The first two numbers of its version, or [`known::OPEN`] if it names none.
    #[must_use]
    pub fn kernel(&self) -> Version {
        known::version(&self.version).unwrap_or(known::OPEN)
    }

    /// The release whose rules the model follows for this kernel.
    #[must_use]
    pub fn release(&self) -> KernelVersion {
        let (major, minor) = self.kernel();
        KernelVersion::of(major, minor)
    }

    /// Runs the upstream tests of `lib/test_hmm.c` in a guest, and returns its console.
    ///
    /// # Errors
    ///
    /// A sentence.
    pub fn selftest(&self) -> Result<String, String> {
        // The upstream tests of 7.3 move huge pages.
        self.console("mmfuzz=selftest", "1024")
    }

    /// Runs static programs (names and contents) in a guest, and returns its console.
    ///
    /// # Errors
    ///
    /// A sentence.
    pub fn run(&self, programs: &[(String, Vec<u8>)]) -> Result<String, String> {
        self.run_with(programs, "mmfuzz=programs")
    }

    /// Like [`Image::run`], but the guest survives a warning.
    ///
    /// # Errors
    ///
    /// A sentence.
    pub fn run_on(&self, programs: &[(String, Vec<u8>)]) -> Result<String, String> {
        self.run_with(
            programs,
            "mmfuzz=programs panic_on_warn=0 mmfuzz_sync_swap numa=fake=2",
        )
    }

    /// Like [`Image::run_on`], in a guest without our driver. The driver's swap disk stays.
    ///
    /// # Errors
    ///
    /// A sentence.
    pub fn run_stock(&self, programs: &[(String, Vec<u8>)]) -> Result<String, String> {
        let append = "mmfuzz=programs panic_on_warn=0 initcall_blacklist=mmfuzz_init mmfuzz_sync_swap numa=fake=2";
        self.run_with(programs, append)
    }

    fn run_with(&self, programs: &[(String, Vec<u8>)], append: &str) -> Result<String, String> {
        let failed =
            |error: io::Error| format!("the programs cannot be put into an initramfs: {error}");
        let dir = tempfile::tempdir().map_err(failed)?;
        let mut initramfs = std::fs::read(&self.initramfs).map_err(failed)?;
        // The kernel accepts several archives in a row if each begins 4-byte aligned.
        initramfs.resize(initramfs.len().next_multiple_of(4), 0);
        cpio_entry(&mut initramfs, "programs", 0o040_755, &[]);
        for (name, contents) in programs {
            cpio_entry(
                &mut initramfs,
                &format!("programs/{name}"),
                0o100_755,
                contents,
            );
        }
        cpio_entry(&mut initramfs, "TRAILER!!!", 0, &[]);
        let path = dir.path().join("initramfs");
        std::fs::write(&path, initramfs).map_err(failed)?;
        let image = Self {
            initramfs: path,
            ..self.clone()
        };
        // Some of the programs fragment the guest's memory, so it must not have too much.
        image.console(append, "600")
    }

    /// Runs a guest to its end, and returns its console.
    fn console(&self, append: &str, megabytes: &str) -> Result<String, String> {
        let failed = |error: io::Error| self.cannot_be_run(&error);
        let mut qemu = self.qemu(append);
        let (mut qemu, console) = spawn(qemu.args(["-m", megabytes])).map_err(failed)?;
        let began = Instant::now();
        loop {
            match qemu.try_wait() {
                Ok(Some(_)) => break,
                Ok(None) if began.elapsed() <= self.patience.whole => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                ended => {
                    end(&mut qemu);
                    ended.map_err(failed)?;
                    console.settle(SETTLE);
                    return Err(format!(
                        "the guest did not end within {} s:\n{}",
                        self.patience.whole.as_secs(),
                        console.text()
                    ));
                }
            }
        }
        console.settle(SETTLE);
        Ok(console.text())
    }

    fn cannot_be_run(&self, error: &io::Error) -> String {
        format!("{}: cannot be run: {error}", shown(&self.qemu))
    }

    /// The machine without a port. The console goes to standard output, because a guest could make
    /// a file grow without limit.
    fn qemu(&self, append: &str) -> Command {
        let mut qemu = Command::new(&self.qemu);
        qemu.args(["-accel", "tcg", "-cpu", "qemu64", "-m", "512", "-nodefaults", "-no-reboot"])
            .args(["-display", "none", "-append"])
            .arg(format!(
                "console=ttyS0 reboot=t panic=-1 panic_on_warn=1 oops=panic hung_task_panic=1 no_timer_check \
                 loglevel=5 {append}"
            ))
            .args(["-serial", "stdio", "-kernel"])
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(&self.initramfs)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        qemu
    }
}

/// Starts QEMU, and reads its console.
fn spawn(qemu: &mut Command) -> io::Result<(Child, Console)> {
    let mut child = qemu.spawn()?;
    let Some(stdout) = child.stdout.take() else {
        end(&mut child);
        return Err(io::Error::other("it has no console"));
    };
    Ok((child, Console::of(stdout)))
}

fn end(qemu: &mut Child) {
    let _ = qemu.kill();
    let _ = qemu.wait();
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

/// Appends an entry of a newc archive, the format of an initramfs.
fn cpio_entry(archive: &mut Vec<u8>, name: &str, mode: u32, contents: &[u8]) {
    let size = contents.len();
    // magic, inode, mode, uid, gid, links, mtime, size, four device numbers, length of the name,
    // check
    let fields = [
        0,
        mode as usize,
        0,
        0,
        1,
        0,
        size,
        0,
        0,
        0,
        0,
        name.len() + 1,
        0,
    ];
    archive.extend_from_slice(b"070701");
    for field in fields {
        archive.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    archive.extend_from_slice(name.as_bytes());
    archive.push(0);
    archive.resize(archive.len().next_multiple_of(4), 0);
    archive.extend_from_slice(contents);
    archive.resize(archive.len().next_multiple_of(4), 0);
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
        let mut qemu = image.qemu(image.told);
        qemu.args(["-device", "virtio-serial-pci"])
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
        if self.is_broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let port = self.port.get_mut();
        port.deadline = Instant::now() + self.patience.program;
        let sent = send(port, job);
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
        let answered = reply.answers();
        if answered != id {
            let why = format!("a reply to job {answered}, where one to {id} is due");
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
                "the guest does not keep to the protocol: a reply to job 0, where one to ",
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

    #[test]
    fn what_a_run_to_its_end_prints_is_kept_in_part() {
        let dir = tempfile::tempdir().expect("a folder");
        let image = fake::image(dir.path(), "chatty", patience(LONG, LONG));
        let console = image.selftest().expect("it ends");
        assert!(console.contains("ok 1 first\n"));
        assert!(console.ends_with("\nok 2 \\x1b[2Jlast\n"));
        assert!(console.contains(" bytes of the console are left out]"));
        assert!(console.len() < 2_200_000, "{}", console.len());
    }

    #[test]
    fn a_run_that_does_not_end_is_ended() {
        let dir = tempfile::tempdir().expect("a folder");
        let patience = Patience {
            whole: Duration::from_secs(3),
            ..patience(LONG, LONG)
        };
        let image = fake::image(dir.path(), "endless", patience);
        let why = image.selftest().expect_err("it does not end");
        assert!(
            why.starts_with("the guest did not end within 3 s:\n"),
            "{why}"
        );
        assert!(why.ends_with("ok 1 first\n"), "{why}");
    }
}
