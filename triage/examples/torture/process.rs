//! Starts and disturbs commands, and looks for processes that still run.

use crate::job::{Disturbance, Job};
use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the longest command may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long a process may outlive its command. For a process that [may stay](Process::may_stay),
/// the limit is [`PATIENCE`] instead.
const LAST_MOMENTS: Duration = Duration::from_secs(4);
/// SIGKILL in a mask of signals.
const SIGKILL: u64 = 1 << 8;

/// A running command, the leader of a process group as a shell would make it.
pub struct Running {
    child: Child,
    output: File,
    /// The leader is make, and the script is its child.
    by_make: bool,
}

/// How a command ended.
pub struct Ended {
    /// The exit status: `None` if a signal ended the command, -1 if it took longer than
    /// [`PATIENCE`].
    pub status: Option<i32>,
    /// Standard output and standard error.
    pub said: String,
}

impl Running {
    pub fn start(tree: &Path, job: &Job) -> Self {
        let words = job.words(tree);
        let output = tempfile::tempfile().expect("a temporary file");
        let child = Command::new(&words[0])
            .args(&words[1..])
            .current_dir(tree)
            .env("CARGO_TERM_COLOR", "never")
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a handle"))
            .stderr(output.try_clone().expect("a handle"))
            .process_group(0)
            .spawn()
            .expect("the command starts");
        let by_make = words[0] == "make";
        Self {
            child,
            output,
            by_make,
        }
    }

    /// Waits for the time `after`, and disturbs the command unless the command has ended by then.
    /// Returns the moment in words, such as ` after 120 ms`.
    pub fn disturb(&mut self, disturbance: Disturbance, after: Duration) -> String {
        if matches!(disturbance, Disturbance::None | Disturbance::FullDisk(_)) {
            return String::new();
        }
        let began = Instant::now();
        while began.elapsed() < after {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return " after its end".to_owned();
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        let leader = self.child.id();
        let group = format!("-{leader}");
        match disturbance {
            Disturbance::Interrupt(times) => {
                for _ in 0..times {
                    kill("INT", &group);
                    std::thread::sleep(Duration::from_millis(u64::from(times) * 20));
                }
            }
            Disturbance::Signal(name) => kill(name, &group),
            Disturbance::KillGroup => kill("KILL", &group),
            Disturbance::KillMake => kill("KILL", &leader.to_string()),
            Disturbance::KillScript => {
                let script = if self.by_make {
                    script_of(leader)
                } else {
                    None
                };
                kill("KILL", &script.unwrap_or(leader).to_string());
            }
            Disturbance::None | Disturbance::FullDisk(_) => {}
        }
        format!(" after {} ms", after.as_millis())
    }

    /// Waits until the command ends. Kills its process group if this takes longer than
    /// [`PATIENCE`].
    pub fn wait(&mut self) -> Ended {
        let began = Instant::now();
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status.code(),
                Ok(None) if began.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                _ => {
                    kill("KILL", &format!("-{}", self.child.id()));
                    let _ = self.child.wait();
                    break Some(-1);
                }
            }
        };
        let mut said = Vec::new();
        let read = self
            .output
            .rewind()
            .and_then(|()| self.output.read_to_end(&mut said));
        read.expect("what it said");
        Ended {
            status,
            said: String::from_utf8_lossy(&said).into_owned(),
        }
    }
}

/// Sends a signal with the `kill` that is built into the shell, which is the same everywhere.
fn kill(signal: &str, process: &str) {
    let command = format!("kill -s {signal} -- {process} 2>/dev/null");
    let _ = Command::new("sh").args(["-c", &command]).status();
}

/// The first child of make: the script.
fn script_of(make: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{make}/task/{make}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

/// A process whose working folder is in the tree.
struct Process {
    pid: u32,
    parent: u32,
    name: String,
    command: String,
    /// The state in the words of /proc, such as "R (running)".
    state: String,
    /// SIGKILL is pending: the process ends as soon as it gets a CPU.
    is_killed: bool,
}

/// The processes whose working folder is in the tree.
fn processes(tree: &Path) -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let own = std::process::id();
    let is_ours = |pid: &u32| {
        let cwd = fs::read_link(format!("/proc/{pid}/cwd"));
        *pid != own && cwd.is_ok_and(|cwd| cwd.starts_with(tree))
    };
    pids.filter(is_ours)
        .filter_map(|pid: u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // The name is in parentheses, and may have blanks.
            let (_, behind) = stat.rsplit_once(')')?;
            let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let field = |name| {
                let mut lines = status.lines();
                lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"))
            };
            let is_pending = |name| {
                let mask = field(name).and_then(|mask| u64::from_str_radix(mask, 16).ok());
                mask.is_some_and(|mask| mask & SIGKILL != 0)
            };
            Some(Process {
                state: field("State")?.to_owned(),
                is_killed: is_pending("SigPnd") || is_pending("ShdPnd"),
                pid,
                parent: behind.split_whitespace().nth(1)?.parse().ok()?,
                name: stat.split(['(', ')']).nth(1)?.to_owned(),
                command: String::from_utf8_lossy(&command).replace('\0', " "),
            })
        })
        .collect()
}

impl Process {
    /// Whether the process and its children will end by themselves. This holds for a process with a
    /// pending SIGKILL, for a script (its make may have been killed), and for a build.
    fn may_stay(&self) -> bool {
        let builds = [
            "cargo",
            "rustc",
            "cargo-fuzz",
            "cargo-afl",
            "make",
            "ld",
            "cc",
            "flock",
        ];
        self.is_killed
            || builds.contains(&&*self.name)
            || self.name == "bash" && self.command.contains("fuzz/")
    }
}

/// Waits until no process of the tree runs. If some process runs on with nobody to end it, kills
/// all processes of the tree, and returns a line about each.
pub fn orphans(tree: &Path) -> Vec<String> {
    let began = Instant::now();
    loop {
        let left = processes(tree);
        if left.is_empty() {
            return Vec::new();
        }
        let has_parent = |process: &&Process| left.iter().any(|other| other.pid == process.parent);
        let heads = left.iter().filter(|process| !has_parent(process));
        let lost: Vec<_> = heads.filter(|process| !process.may_stay()).collect();
        let is_over = began.elapsed() > LAST_MOMENTS && !lost.is_empty();
        if is_over || began.elapsed() > PATIENCE {
            let describe = |process: &Process| {
                kill("KILL", &process.pid.to_string());
                format!(
                    "process {} ({}, state {}, child of {}) still runs",
                    process.pid, process.name, process.state, process.parent
                )
            };
            return left.iter().map(describe).collect();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Fills the file system of a file, except for this many bytes.
pub fn fill(ballast: &Path, free: u64) {
    let mut file = File::create(ballast).expect("a file");
    let block = vec![1; 1 << 16];
    while file.write_all(&block).is_ok() {}
    while file.write_all(&block[..1024]).is_ok() {}
    let size = file.metadata().expect("its size").len();
    file.set_len(size.saturating_sub(free))
        .expect("a shorter file");
}

/// Saves what killed runs have left, by `fuzz/adopt`. If that fails, returns its output.
pub fn adopt(tree: &Path) -> Option<String> {
    let output = Command::new(PathBuf::from("fuzz/adopt"))
        .current_dir(tree)
        .output();
    let output = output.expect("fuzz/adopt starts");
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines()
        .filter(|line| line.starts_with("took over"))
        .for_each(|line| println!("  {line}"));
    (!output.status.success()).then(|| {
        format!(
            "fuzz/adopt: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// Runs an engine for a second without disturbing it.
pub fn short_run(tree: &Path, target: &str) {
    let mut command = Command::new("fuzz/run");
    command
        .current_dir(tree)
        .env("TARGET", target)
        .env("SECS", "1");
    let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
}
