//! No program that once had a finding without a bug of the zoo has a finding again.

use mm_fuzz::exec::{Executor, Options, Verdict};
use mm_fuzz::program::text;
use std::path::Path;

#[test]
fn regression_programs_have_no_finding() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/regress");
    let mut executor = Executor::new(Options {
        thorough: true,
        ..Options::default()
    });
    let mut programs = 0;
    for entry in std::fs::read_dir(dir).expect("corpus/regress exists") {
        let path = entry.expect("a readable folder").path();
        let source = std::fs::read_to_string(&path).expect("a readable program");
        assert!(
            source.starts_with('#'),
            "{} does not open with a comment that says what the finding was",
            path.display()
        );
        let program = text::parse(&source).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let verdict = executor.run(&program);
        assert!(
            matches!(verdict, Verdict::Pass { .. }),
            "{}: {verdict:?}",
            path.display()
        );
        programs += 1;
    }
    assert!(programs >= 4, "only {programs} programs in corpus/regress");
}
