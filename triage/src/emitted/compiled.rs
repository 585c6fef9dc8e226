//! Programs in C, compiled for the guest.

use std::io;
use std::path::Path;
use std::process::Command;

/// Compiles a C text with `cc`, and returns the static program; `None` if `cc` fails.
///
/// # Errors
/// The folder cannot be written to, or the program cannot be read from it.
pub fn compiled(dir: &Path, name: &str, text: &str) -> io::Result<Option<Vec<u8>>> {
    let (source, binary) = (dir.join(format!("{name}.c")), dir.join(name));
    std::fs::write(&source, text)?;
    let status = Command::new("cc")
        .args(["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror"])
        .args(["-static", "-o"])
        .args([&binary, &source])
        .arg("-lpthread")
        .status();
    if status.is_ok_and(|status| status.success()) {
        return std::fs::read(&binary).map(Some);
    }
    Ok(None)
}
