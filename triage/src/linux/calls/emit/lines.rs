//! Lines of C.

use std::fmt::Write;

/// Adds lines, each with `depth` tabs before it.
pub fn add(text: &mut String, depth: usize, lines: &str) {
    for line in lines.lines() {
        let _ = writeln!(text, "{}{line}", "\t".repeat(depth));
    }
}
