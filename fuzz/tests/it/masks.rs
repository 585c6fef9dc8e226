//! The check of an invariant runs only after a change that can break the invariant. The other
//! checks would find nothing: a run that makes every check after each slice has the same verdict.
#![cfg(feature = "zoo")]

use mm_fuzz::exec::{Executor, Options, Verdict};
use mm_fuzz::program::mutate::{Limits, mutate};
use mm_fuzz::program::text;
use mm_fuzz::zoo::{self, TABLE};

/// Number of variants of each witness.
const VARIANTS: u64 = 300;

#[test]
fn what_no_change_concerns_cannot_be_broken() {
    let every_check = Options {
        every_check: true,
        ..Options::default()
    };
    let [mut masked, mut whole] = [Options::default(), every_check].map(Executor::new);
    let mut findings = 0;
    for entry in TABLE {
        let file = format!("zoo/{}.mm", entry.slug);
        let witness = std::fs::read_to_string(mm_fuzz::digest_lock::corpus_dir().join(file));
        let witness = text::parse(&witness.expect("a witness")).expect("a program");
        masked.set_zoo(zoo::only(entry.bug));
        whole.set_zoo(zoo::only(entry.bug));
        for seed in 0..VARIANTS {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut program = witness.clone();
            for _ in 0..seed % 8 {
                mutate(&mut program, Limits::RACES, &mut rng);
            }
            let verdict = masked.run(&program);
            assert_eq!(verdict, whole.run(&program), "{}:\n{program}", entry.slug);
            findings += usize::from(matches!(verdict, Verdict::Finding(_)));
        }
    }
    assert!(findings > TABLE.len() * VARIANTS as usize / 4, "{findings}");
}
