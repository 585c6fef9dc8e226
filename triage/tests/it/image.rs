//! The script that builds the judge's guests (`triage/linux/image`): what it needs of its
//! environment, where it gets sources, and its cache. The script removes old images, but no image
//! that may be in use.

use std::fs::{File, create_dir_all, read_dir};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// A bash that sources the script and then runs `functions`.
fn bash(functions: &str) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("linux/image");
    let mut bash = Command::new("bash");
    bash.args(["-c", &format!("source \"$1\"; {functions}"), "test"])
        .arg(script)
        .env_remove("KERNEL")
        .env_remove("LINUX_SRC");
    bash
}

/// The message of a command that cannot go on, which must be one line.
fn complaint(command: &mut Command) -> String {
    let output = command.output().expect("bash runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

/// A separate cache, and what `triage/linux/image` does with it.
struct Cache {
    home: TempDir,
}

impl Cache {
    fn new() -> Self {
        Self {
            home: TempDir::new().expect("a folder"),
        }
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("mmfuzz/linux")
    }

    /// Makes a folder that was last used this many hours ago.
    fn used(&self, name: &str, hours: u64) {
        let path = self.folder().join(name);
        create_dir_all(&path).expect("a folder");
        std::fs::write(path.join("contents"), "").expect("a file");
        let then = SystemTime::now() - Duration::from_hours(hours);
        let folder = File::open(path).expect("the folder");
        folder.set_modified(then).expect("a time");
    }

    /// Runs functions of the script.
    fn run(&self, functions: &str) -> Output {
        let output = self.bash(functions).output().expect("bash runs");
        assert!(output.status.success(), "{output:?}");
        output
    }

    /// What functions of the script print.
    fn prints(&self, functions: &str) -> String {
        String::from_utf8(self.run(functions).stdout).expect("text")
    }

    /// What functions of the script say before they give up.
    fn complains(&self, functions: &str) -> String {
        complaint(&mut self.bash(functions))
    }

    fn bash(&self, functions: &str) -> Command {
        let mut bash = bash(functions);
        bash.env("XDG_CACHE_HOME", self.home.path());
        bash
    }

    fn names(&self) -> Vec<String> {
        let entries = read_dir(self.folder()).expect("the cache");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names
            .map(|name| name.into_string().expect("a name"))
            .collect();
        names.sort();
        names
    }
}

#[test]
fn of_old_images_builds_and_targets_the_newest_stay() {
    let cache = Cache::new();
    for (number, hours) in [30, 31, 32, 33, 34, 35, 36, 100].into_iter().enumerate() {
        cache.used(&format!("image-a-{number}"), hours);
        cache.used(&format!("build-a-{number}"), hours);
        cache.used(&format!("target-{number}"), hours);
    }
    for name in ["apt", "qemu", "source-6.12", "tools-1"] {
        cache.used(name, 1000);
    }
    cache.run("prune");
    let stay = [
        "apt",
        "build-a-0",
        "build-a-1",
        "build-a-2",
        "image-a-0",
        "image-a-1",
        "image-a-2",
        "image-a-3",
        "image-a-4",
        "image-a-5",
        "qemu",
        "source-6.12",
        "target-0",
        "target-1",
        "tools-1",
    ];
    assert_eq!(cache.names(), stay);
}

#[test]
fn what_was_used_within_a_day_stays_and_what_was_never_finished_goes() {
    let cache = Cache::new();
    let images: Vec<_> = (0..9).map(|number| format!("image-a-{number}")).collect();
    for image in &images {
        cache.used(image, 2);
    }
    cache.used("image-a-3.part", 1);
    cache.run("prune");
    assert_eq!(cache.names(), images);
}

#[test]
fn an_image_that_a_run_holds_stays() {
    let cache = Cache::new();
    for number in 0..10 {
        cache.used(&format!("image-a-{number}"), 50 + number);
    }
    let held = File::open(cache.folder().join("image-a-8")).expect("the folder");
    held.lock_shared().expect("a lock");
    let output = cache.run("prune");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("image-a-8 is in use, and stays"), "{said}");
    let stay = [0, 1, 2, 3, 4, 5, 8].map(|number| format!("image-a-{number}"));
    assert_eq!(cache.names(), stay);
    drop(held);
    cache.run("prune");
    assert_eq!(cache.names(), stay[..6]);
}

#[test]
fn each_of_several_tools_must_be_there() {
    let said = Cache::new().prints(
        "have bash sha256sum && echo both; have no-such-tool bash || echo not the first; \
         have bash no-such-tool || echo not the last",
    );
    assert_eq!(said, "both\nnot the first\nnot the last\n");
}

#[test]
fn a_missing_tool_is_named_before_anything_is_made() {
    let cache = Cache::new();
    let said = cache.complains("have() { [ \"$1\" != bc ]; }; main");
    assert!(said.contains("missing: bc. "), "{said}");
    let images = cache.names().into_iter().filter(|name| name.contains('-'));
    assert_eq!(images.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn without_a_home_one_sentence_says_what_is_missing() {
    let mut nowhere = bash("main");
    let said = complaint(nowhere.env_remove("HOME").env_remove("XDG_CACHE_HOME"));
    assert!(said.contains("HOME is not set"), "{said}");
    let mut unwritable = bash("main");
    let said = complaint(unwritable.env("XDG_CACHE_HOME", "/proc/none"));
    assert!(
        said.contains("/proc/none/mmfuzz/linux cannot be written"),
        "{said}"
    );
    let mut relative = bash("main");
    let said = complaint(relative.env("XDG_CACHE_HOME", "here"));
    assert!(said.contains("absolute"), "{said}");
}

#[test]
fn an_unknown_kernel_is_refused() {
    let said = complaint(Cache::new().bash("main").env("KERNEL", "5.10"));
    assert!(
        said.contains("KERNEL=5.10 is not known: there are 7.3, 7.2 and 6.12"),
        "{said}"
    );
}

/// A machine whose apt has a mirror with one version of a package.
const MIRROR: &str = "source_lists() { :; }; apt-cache() { echo ' linux-source-7.3 | 7.3.9-1 | a mirror'; }; \
                      fetch_source() { mkdir \"$cache/source-$2\"; echo \"fetched $*\"; }; mkdir -p \"$cache\"; ";

#[test]
fn the_newest_of_a_series_takes_the_place_of_a_version_that_is_gone() {
    let cache = Cache::new();
    let find = format!("{MIRROR} find_source; echo \"${{src##*/}} for $replaced\"");
    let said = cache.prints(&find);
    let (fetched, found) = said.split_once('\n').expect("two lines");
    assert_eq!(fetched, "fetched linux-source-7.3 7.3.9-1 -");
    assert!(found.starts_with("source-7.3.9-1 for 7.3."), "{found}");
    // The second time the source is in the cache, so the script does not ask the mirror.
    assert_eq!(cache.prints(&find), found);
}

#[test]
fn the_pinned_version_is_taken_where_the_mirror_has_it_and_must_be_what_it_was() {
    let cache = Cache::new();
    let pinned = cache
        .prints("pin 7.3")
        .split(' ')
        .take(2)
        .collect::<Vec<_>>()
        .join(" ");
    let version = pinned.split(' ').next().expect("a version");
    let there = MIRROR.replace("7.3.9-1", version);
    let said = cache.prints(&format!("{there} find_source; echo \"for:$replaced\""));
    assert_eq!(said, format!("fetched linux-source-7.3 {pinned}\nfor:\n"));
    let forged = "download() { echo forged >\"$1/a.deb\"; }; mkdir -p \"$cache\"; fetch_source a 1 2 2>&1 | tail -1; exit 2";
    let output = cache.bash(forged).output().expect("bash runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("a 1 has the checksum "), "{said}");
    assert!(!cache.folder().join("source-1").exists());
}

#[test]
fn the_mirror_is_the_one_that_the_machine_uses() {
    let uris = |uris: &str| {
        format!("apt-get() {{ printf '{uris}'; }}; mirror debian; mirror debian-security")
    };
    let cache = Cache::new();
    let one = cache.prints(&uris("http://a/ubuntu/\\nhttp://b/debian/\\n"));
    assert_eq!(one, "http://b/debian\nhttp://b/debian-security\n");
    let both = cache.prints(&uris("http://b/debian/\\nhttp://c/debian-security/\\n"));
    assert_eq!(both, "http://b/debian\nhttp://c/debian-security\n");
    let none = cache
        .bash(&uris("http://a/ubuntu/\\n"))
        .status()
        .expect("bash runs");
    assert!(!none.success());
}
