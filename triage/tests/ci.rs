//! Where no package source can be reached, CI says that it leaves the judge out, and passes.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// The PATH, and behind it tools that always fail: only that they are there is looked at before packages are downloaded,
/// and an apt-get that fails can reach nothing.
fn with_what_is_missing(bin: &Path) -> OsString {
    std::fs::create_dir_all(bin).expect("a folder");
    for tool in [
        "apt-get", "dpkg", "make", "gcc", "ld", "bc", "perl", "xz", "gzip",
    ] {
        let file = bin.join(tool);
        std::fs::write(&file, "#!/bin/sh\nexit 100\n").expect("a file");
        let runs = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&file, runs).expect("permissions");
    }
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":");
    path.push(bin);
    path
}

#[test]
fn ci_leaves_the_judge_out_where_no_package_source_can_be_reached() {
    let dir = tempfile::tempdir().expect("a folder");
    let lists = dir.path().join("lists/partial");
    std::fs::create_dir_all(&lists).expect("a folder");
    let config = dir.path().join("apt.conf");
    // no package lists, and nobody at the proxy's port
    let text = format!(
        "Dir::State::Lists \"{}/lists\";\n\
         Acquire::http::Proxy \"http://127.0.0.1:9\";\n\
         Acquire::https::Proxy \"http://127.0.0.1:9\";\n",
        dir.path().display()
    );
    std::fs::write(&config, text).expect("a file");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(root.join(".ci/judge"))
        .env("PATH", with_what_is_missing(&dir.path().join("bin")))
        .env("XDG_CACHE_HOME", dir.path())
        .env("APT_CONFIG", &config)
        .env_remove("LINUX_SRC")
        .output()
        .expect("the script");
    let said = String::from_utf8_lossy(&output.stdout);
    let why = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}{why}");
    assert!(said.contains("ci: SKIPPED the judge"), "{said}{why}");
    assert!(
        why.contains("the machine's package lists are too old"),
        "{why}"
    );
}
