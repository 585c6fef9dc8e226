//! `emit --rust`: writes a test that runs a program and fails with its finding.
//!
//! The test has the program as text, because the text survives changes of the wire form. The
//! failing check itself panics, so the backtrace of the test leads to the oracle.

use crate::bugs::Bugs;
use crate::run::{self, Ended};
use mm_fuzz::program::Program;

/// The test, as a file for `fuzz/tests/`.
pub fn to_rust(program: &Program, bugs: &Bugs) -> String {
    let found = match run::run(program, bugs, false, &mut ()) {
        Ended::Found(found) => Some(found.signature),
        Ended::Pass { .. } => None,
    };
    let name = function_name(found.as_deref().unwrap_or("passes"));
    let expected = found.map_or_else(
        || "No oracle objects.".to_owned(),
        |signature| format!("Fails with `{signature}` until the bug is fixed."),
    );
    let feature = if bugs.names.is_empty() {
        ""
    } else {
        "#![cfg(feature = \"zoo\")]\n"
    };
    let zoo = if bugs.names.is_empty() {
        String::new()
    } else {
        let names = &bugs.names;
        format!("    executor.set_zoo(mm_fuzz::zoo::parse({names:?}).expect(\"known bugs\"));\n")
    };
    format!(
        "//! Written by `mm-triage emit --rust`; a file of `fuzz/tests/`.\n\
        {feature}\
        \n\
        use mm_fuzz::exec::{{Executor, Options}};\n\
        use mm_fuzz::program::text;\n\
        \n\
        /// {expected}\n\
        #[test]\n\
        fn {name}() {{\n    \
            let program = text::parse(\n        \
                \"\\\n{program}\",\n    \
            );\n    \
            let mut executor = Executor::new(Options {{\n        \
                panics: true,\n        \
                ..Options::default()\n    \
            }});\n\
        {zoo}    \
            executor.run(&program.expect(\"a program\"));\n\
        }}\n"
    )
}

/// Turns a signature, or the place of a panic, into a Rust name.
fn function_name(words: &str) -> String {
    let words = words.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.join("_")
}
