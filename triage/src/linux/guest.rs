//! The guest: a QEMU with the judge's kernel.

use super::known::{self, Version};
use mm_core::Release;
use mm_linux_protocol::{Job, Reply, receive, send};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a boot may take.
const BOOT: Duration = Duration::from_secs(60);
/// How long one program may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long the upstream tests may take.
const SELFTEST: Duration = Duration::from_secs(300);

/// What the guest is made of.
#[derive(Clone, Debug)]
pub struct Image {
    /// The kernel's version.
    pub version: String,
    kernel: PathBuf,
    initramfs: PathBuf,
    qemu: PathBuf,
    /// Its folder, locked: while this is open, nobody who builds another image removes it.
    _in_use: Arc<File>,
}

/// A guest that runs.
#[derive(Debug)]
pub struct Guest {
    qemu: Child,
    port: BufReader<UnixStream>,
    dir: tempfile::TempDir,
    /// From the start to the agent's first sign of life.
    pub boot: Duration,
}

/// A guest that runs no more.
#[derive(Debug)]
pub struct Death {
    /// Why: the line of the console that says so, or that it hung.
    pub why: String,
    /// All that the console said.
    pub console: String,
}

impl Image {
    /// The image, built if need be by `triage/linux/image` below `root`.
    ///
    /// # Errors
    ///
    /// A sentence; what is missing, the script has said on standard error.
    pub fn ensure(root: &Path) -> Result<Self, String> {
        let script = root.join("triage/linux/image");
        let mut child = Command::new(&script)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: cannot be run: {error}", script.display()))?;
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
            in_use.map_err(|error| format!("{}: cannot be locked: {error}", kernel.display()))?;
        Ok(Self {
            version: field("linux"),
            kernel,
            initramfs: field("initramfs").into(),
            qemu: field("qemu").into(),
            _in_use: Arc::new(in_use),
        })
    }
}

impl Image {
    /// The first two numbers of its version; the newest that are known if it says none.
    #[must_use]
    pub fn kernel(&self) -> Version {
        known::version(&self.version).unwrap_or(known::OPEN)
    }

    /// The release whose rules the model is to follow.
    #[must_use]
    pub fn release(&self) -> Release {
        let (major, minor) = self.kernel();
        Release::of(major, minor)
    }

    /// Runs the upstream tests of `lib/test_hmm.c` in a guest, and returns what the console said.
    ///
    /// # Errors
    ///
    /// A sentence.
    pub fn selftest(&self) -> Result<String, String> {
        self.console("mmfuzz=selftest")
    }

    /// Runs static programs (names and contents) in a guest, and returns what the console said.
    ///
    /// # Errors
    ///
    /// A sentence.
    pub fn run(&self, programs: &[(String, Vec<u8>)]) -> Result<String, String> {
        let failed =
            |error: io::Error| format!("the programs cannot be put into an initramfs: {error}");
        let dir = tempfile::tempdir().map_err(failed)?;
        let mut initramfs = std::fs::read(&self.initramfs).map_err(failed)?;
        // one archive behind the other: each begins 4-byte aligned
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
        image.console("mmfuzz=programs")
    }

    /// Runs a guest to its end, and returns what the console said.
    fn console(&self, append: &str) -> Result<String, String> {
        let failed = |error: io::Error| format!("{}: cannot be run: {error}", self.qemu.display());
        let dir = tempfile::tempdir().map_err(failed)?;
        let console = dir.path().join("console");
        // the upstream tests of 7.3 move huge pages
        let mut qemu = self.qemu(&console, append);
        let mut qemu = qemu.args(["-m", "1024"]).spawn().map_err(failed)?;
        let began = Instant::now();
        while qemu.try_wait().map_err(failed)?.is_none() {
            if began.elapsed() > SELFTEST {
                let _ = qemu.kill();
                let said = std::fs::read(&console).map_err(failed)?;
                let said = String::from_utf8_lossy(&said);
                return Err(format!(
                    "the guest did not end within {} s:\n{said}",
                    SELFTEST.as_secs()
                ));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let console = std::fs::read(&console).map_err(failed)?;
        Ok(String::from_utf8_lossy(&console).into_owned())
    }

    /// The machine, but for its port.
    fn qemu(&self, console: &Path, append: &str) -> Command {
        let mut qemu = Command::new(&self.qemu);
        qemu.args(["-accel", "tcg", "-cpu", "qemu64", "-m", "512", "-nodefaults", "-no-reboot"])
            .args(["-display", "none", "-append"])
            .arg(format!(
                "console=ttyS0 reboot=t panic=-1 panic_on_warn=1 oops=panic hung_task_panic=1 loglevel=5 {append}"
            ))
            .arg("-serial")
            .arg(format!("file:{}", console.display()))
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(&self.initramfs)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        qemu
    }
}

/// Appends an entry of a newc archive, the kernel's initramfs format.
fn cpio_entry(archive: &mut Vec<u8>, name: &str, mode: u32, contents: &[u8]) {
    let size = contents.len();
    // magic, inode, mode, uid, gid, links, mtime, size, four device numbers, length of the name, check
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
        let (socket, console) = (dir.path().join("port"), dir.path().join("console"));
        let mut qemu = image
            .qemu(&console, "")
            .args(["-device", "virtio-serial-pci"])
            .args([
                "-device",
                "virtserialport,chardev=port,name=mmfuzz",
                "-chardev",
            ])
            .arg(format!(
                "socket,id=port,path={},server=on,wait=off",
                socket.display()
            ))
            .spawn()
            .map_err(|error| failed(format!("{}: cannot be run: {error}", image.qemu.display())))?;
        let port = loop {
            match UnixStream::connect(&socket) {
                Ok(port) => break Ok(port),
                Err(error) if began.elapsed() > BOOT || has_ended(&mut qemu) => break Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let port = port.and_then(|port| port.set_read_timeout(Some(BOOT)).map(|()| port));
        let port = port.map_err(|error| failed(format!("QEMU opens no port: {error}")))?;
        let mut guest = Self {
            qemu,
            port: BufReader::with_capacity(1 << 16, port),
            dir,
            boot: Duration::ZERO,
        };
        if let Err(error) = guest.reply() {
            return Err(guest.death(&error));
        }
        guest.boot = began.elapsed();
        let _ = guest.port.get_ref().set_read_timeout(Some(PATIENCE));
        Ok(guest)
    }

    /// Sends a job.
    ///
    /// # Errors
    ///
    /// Those of the port.
    pub fn send(&mut self, job: &Job) -> io::Result<()> {
        send(self.port.get_mut(), job)
    }

    /// The next reply.
    ///
    /// # Errors
    ///
    /// Those of the port: it closes when the guest ends.
    pub fn reply(&mut self) -> io::Result<Reply> {
        receive(&mut self.port)
    }

    /// Why the guest says nothing more.
    #[must_use]
    pub fn death(mut self, error: &io::Error) -> Death {
        let hung =
            error.kind() == io::ErrorKind::WouldBlock || error.kind() == io::ErrorKind::TimedOut;
        if !hung {
            // it may still be writing its last words
            std::thread::sleep(Duration::from_millis(200));
        }
        let _ = self.qemu.kill();
        let console = std::fs::read(self.dir.path().join("console")).unwrap_or_default();
        let console = String::from_utf8_lossy(&console).into_owned();
        let speaks = |line: &&str| {
            ["BUG:", "WARNING:", "Kernel panic", "Oops", "kernel BUG"]
                .iter()
                .any(|w| line.contains(w))
        };
        let said = console
            .lines()
            .find(speaks)
            .map(|line| line.trim().to_owned());
        let why = match said {
            Some(line) => line,
            None if hung => "the guest hangs".to_owned(),
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
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}
