//! The cache of the judge's guests: old images go, and none that may be in use.

use std::fs::{File, create_dir_all, read_dir};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// A cache of its own, and what `triage/linux/image` does with it.
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

    /// Makes a folder that was used last so many hours ago.
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
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("linux/image");
        let output = Command::new("bash")
            .args(["-c", &format!("source \"$1\" && {functions}"), "test"])
            .arg(script)
            .env("XDG_CACHE_HOME", self.home.path())
            .output()
            .expect("bash runs");
        assert!(output.status.success(), "{output:?}");
        output
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
    for (number, hours) in [30, 31, 32, 33, 34, 100].into_iter().enumerate() {
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
        "image-a-0",
        "image-a-1",
        "image-a-2",
        "image-a-3",
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
    for number in 0..8 {
        cache.used(&format!("image-a-{number}"), 50 + number);
    }
    let held = File::open(cache.folder().join("image-a-6")).expect("the folder");
    held.lock_shared().expect("a lock");
    let output = cache.run("prune");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("image-a-6 is in use, and stays"), "{said}");
    let stay = [
        "image-a-0",
        "image-a-1",
        "image-a-2",
        "image-a-3",
        "image-a-6",
    ];
    assert_eq!(cache.names(), stay);
    drop(held);
    cache.run("prune");
    assert_eq!(cache.names(), stay[..4]);
}
