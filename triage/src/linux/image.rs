//! The image that guests boot: a kernel and an initramfs, found or built by `triage/linux/image`.
//!
//! This file also runs guests that end by themselves: the upstream tests and C programs.
//! `guest.rs` runs those that take jobs.

use super::console::Console;
use super::known::{self, Version};
use crate::names::shown;
use mm_core::KernelVersion;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
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

impl Patience {
    /// For a kernel with KASAN, under which programs take several times as long.
    fn with_kasan() -> Self {
        let usual = Self::default();
        Self {
            boot: usual.boot * 4,
            program: usual.program * 4,
            whole: usual.whole * 4,
            ..usual
        }
    }
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

/// How long to wait for the rest of the console after a kill. Children of QEMU may keep the console
/// open.
pub(super) const SETTLE: Duration = Duration::from_secs(1);

/// The CPU of most guests.
const CPU: &str = "qemu64";
/// A CPU with protection keys, which makes switches between tasks slower. Page tables have four
/// levels, as with [`CPU`]. (Linux hangs on `qemu64,+xsave`.)
const CPU_WITH_KEYS: &str = "max,la57=off";

/// Why there is no console of a guest that ran to its end.
#[derive(Debug)]
pub enum NoConsole {
    /// A sentence.
    CannotRun(String),
    /// The guest ran for too long, and was ended.
    DoesNotEnd {
        /// How long it ran.
        seconds: u64,
        /// Its console.
        console: String,
    },
}

impl From<NoConsole> for String {
    fn from(error: NoConsole) -> Self {
        match error {
            NoConsole::CannotRun(why) => why,
            NoConsole::DoesNotEnd { seconds, console } => {
                format!("the guest did not end within {seconds} s:\n{console}")
            }
        }
    }
}

/// What the guest boots.
#[derive(Clone, Debug)]
pub struct Image {
    /// The kernel's version.
    pub version: String,
    kernel: PathBuf,
    initramfs: PathBuf,
    qemu: PathBuf,
    /// What the agent is told on the kernel's command line.
    pub(super) told: &'static str,
    pub(super) patience: Patience,
    /// Its kernel has KASAN, which needs an eighth of all memory, and keeps freed memory for a
    /// while.
    has_kasan: bool,
    /// Its kernel has what `triage/linux/config/whole` adds.
    pub(super) is_whole: bool,
    /// QEMU's name for the guest's CPU.
    cpu: &'static str,
    /// The image's folder, locked. While this is open, no other build removes the image.
    _in_use: Arc<File>,
}

/// The frequency of this machine's TSC, in kHz. It is taken to be the frequency of the CPU. QEMU's
/// guests read this TSC, and have no other timer by which they could measure its frequency. If the
/// frequency is not known, time in the guest is wrong by a factor.
fn tsc_khz() -> u32 {
    const USUAL: u32 = 2_000_000;
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut fields = info.lines().filter_map(|line| line.split_once(':'));
    let megahertz = fields.find(|(name, _)| name.trim_end() == "cpu MHz");
    let megahertz: Option<f64> = megahertz.and_then(|(_, number)| number.trim().parse().ok());
    megahertz.map_or(USUAL, |megahertz| (megahertz * 1000.0) as u32)
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

    /// Like [`Image::ensure`], for the programs of `docs/found`: with protection keys, cgroups and
    /// more (`triage/linux/config/whole`).
    ///
    /// # Errors
    ///
    /// A sentence. The script itself has said on standard error what is missing.
    pub fn whole(root: &Path) -> Result<Self, String> {
        let image = Self::made(root, &[("WHOLE", "1")])?;
        Ok(Self {
            cpu: CPU_WITH_KEYS,
            is_whole: true,
            ..image
        })
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
                "mmfuzz=cover mmfuzz_runs=calls mmfuzz_sync_swap numa=fake=2U",
            )
        } else {
            (
                Self::ensure(root)?,
                "mmfuzz_runs=calls mmfuzz_sync_swap numa=fake=2U",
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
        let has_kasan = field("kasan") == "yes";
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
            patience: if has_kasan {
                Patience::with_kasan()
            } else {
                Patience::default()
            },
            has_kasan,
            is_whole: std::env::var_os("WHOLE").is_some_and(|whole| !whole.is_empty()),
            cpu: CPU,
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
            initramfs: "/dev/null".into(),
            qemu,
            told: "",
            patience,
            has_kasan: false,
            is_whole: false,
            cpu: CPU,
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
        Ok(self.console("mmfuzz=selftest", 1024)?)
    }

    /// Runs static programs (names and contents) in a guest, and returns its console.
    ///
    /// # Errors
    ///
    /// A sentence.
    pub fn run(&self, programs: &[(String, Vec<u8>)]) -> Result<String, String> {
        Ok(self.run_with(programs, "mmfuzz=programs")?)
    }

    /// Like [`Image::run`], but the guest survives a warning.
    ///
    /// # Errors
    ///
    /// The guest cannot be run, or does not end.
    pub fn run_on(&self, programs: &[(String, Vec<u8>)]) -> Result<String, NoConsole> {
        self.run_with(
            programs,
            "mmfuzz=programs panic_on_warn=0 mmfuzz_sync_swap numa=fake=2U",
        )
    }

    /// Like [`Image::run_on`], in a guest without our driver. The driver's swap disk stays.
    ///
    /// # Errors
    ///
    /// A sentence.
    pub fn run_stock(&self, programs: &[(String, Vec<u8>)]) -> Result<String, String> {
        let append = "mmfuzz=programs panic_on_warn=0 initcall_blacklist=mmfuzz_init mmfuzz_sync_swap numa=fake=2U";
        Ok(self.run_with(programs, append)?)
    }

    fn run_with(&self, programs: &[(String, Vec<u8>)], append: &str) -> Result<String, NoConsole> {
        let failed = |error: io::Error| {
            NoConsole::CannotRun(format!(
                "the programs cannot be put into an initramfs: {error}"
            ))
        };
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
        image.console(append, 600)
    }

    /// Runs a guest to its end, and returns its console.
    fn console(&self, append: &str, megabytes: u32) -> Result<String, NoConsole> {
        let failed = |error: io::Error| NoConsole::CannotRun(self.cannot_be_run(&error));
        let mut qemu = self.qemu(append, megabytes);
        let (mut qemu, console) = spawn(&mut qemu).map_err(failed)?;
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
                    return Err(NoConsole::DoesNotEnd {
                        seconds: self.patience.whole.as_secs(),
                        console: console.text(),
                    });
                }
            }
        }
        console.settle(SETTLE);
        Ok(console.text())
    }

    pub(super) fn cannot_be_run(&self, error: &io::Error) -> String {
        format!("{}: cannot be run: {error}", shown(&self.qemu))
    }

    /// The machine without a port, with this memory in MB, or more for KASAN. The console goes to
    /// standard output, because a guest could make a file grow without limit.
    pub(super) fn qemu(&self, append: &str, megabytes: u32) -> Command {
        let megabytes = megabytes * if self.has_kasan { 2 } else { 1 };
        let mut qemu = Command::new(&self.qemu);
        qemu.args(["-machine", "microvm,acpi=off", "-accel", "tcg", "-cpu", self.cpu, "-nodefaults", "-no-reboot"])
            .args(["-m", &megabytes.to_string()])
            .args(["-display", "none", "-append"])
            .arg(format!(
                "console=ttyS0 reboot=t panic=-1 panic_on_warn=1 oops=panic hung_task_panic=1 no_timer_check \
                 tsc=reliable tsc_early_khz={} loglevel=5 {append}",
                tsc_khz()
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
pub(super) fn spawn(qemu: &mut Command) -> io::Result<(Child, Console)> {
    let mut child = qemu.spawn()?;
    let Some(stdout) = child.stdout.take() else {
        end(&mut child);
        return Err(io::Error::other("it has no console"));
    };
    Ok((child, Console::of(stdout)))
}

/// Ends QEMU.
pub(super) fn end(qemu: &mut Child) {
    let _ = qemu.kill();
    let _ = qemu.wait();
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

#[cfg(test)]
mod tests {
    use super::super::fake;
    use super::*;

    const LONG: Duration = Duration::from_secs(50);
    const PATIENCE: Patience = Patience {
        boot: LONG,
        program: LONG,
        whole: LONG,
        last_words: LONG,
    };

    #[test]
    fn what_a_run_to_its_end_prints_is_kept_in_part() {
        let dir = tempfile::tempdir().expect("a folder");
        let image = fake::image(dir.path(), "chatty", PATIENCE);
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
            ..PATIENCE
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
