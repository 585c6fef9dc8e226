//! Where no package source can be reached, CI says that it leaves the judge out, and passes.

use std::path::Path;
use std::process::Command;

#[test]
fn ci_leaves_the_judge_out_where_no_package_source_can_be_reached() {
    // without them the judge is not left out: that they are missing is an error
    for tool in ["apt-get", "dpkg", "gcc", "bc", "perl", "xz"] {
        let mut sh = Command::new("sh");
        let found = sh.args(["-c", &format!("command -v {tool} >/dev/null")]);
        if !found.status().is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: {tool} is missing");
            return;
        }
    }
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
