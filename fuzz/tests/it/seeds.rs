//! The seeds: every text program in `corpus/seeds/`.
//!
//! Each is canonical text that opens with a comment, and runs without a finding in both geometries,
//! with everything checked after every slice. Together they reach every operation, every kind of
//! failed allocation, and every phase of a migration in which a thread can be preempted.

use mm_core::{Site, State};
use mm_fuzz::exec::{Executor, Observer, Options, Outcome, Verdict};
use mm_fuzz::program::operand::Operand;
use mm_fuzz::program::{AllocKind, Geometry, Op, OpKind, Program, Step, text};
use std::collections::BTreeSet;
use std::path::Path;

struct Seed {
    name: String,
    text: String,
    program: Program,
}

fn seeds() -> Vec<Seed> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/seeds");
    let mut seeds: Vec<Seed> = std::fs::read_dir(&dir)
        .unwrap_or_else(|e| panic!("{}: {e}", dir.display()))
        .map(|file| {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(name.ends_with(".mm"), "{name} is no seed");
            let text = std::fs::read_to_string(&path).unwrap();
            let program = text::parse(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            Seed {
                name,
                text,
                program,
            }
        })
        .collect();
    seeds.sort_by(|a, b| a.name.cmp(&b.name));
    seeds
}

fn executor() -> Executor {
    Executor::new(Options {
        thorough: true,
        digest: true,
        ..Options::default()
    })
}

/// The digest of a run. Panics if the run has a finding.
fn pass(
    executor: &mut Executor,
    seed: &Seed,
    program: &Program,
    observer: &mut dyn Observer,
) -> u64 {
    match executor.run_observed(program, observer) {
        Verdict::Pass { digest } => digest,
        Verdict::Finding(finding) => panic!("{} ({}):\n{finding}", seed.name, program.geometry),
    }
}

/// The lines of a text without their comments. A line that becomes empty is left out.
fn without_comments(text: &str) -> String {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim_end())
        .filter(|line| !line.is_empty())
        .flat_map(|line| [line, "\n"])
        .collect()
}

#[test]
fn seeds_are_canonical_and_explain_themselves() {
    for Seed {
        name,
        text,
        program,
    } in seeds()
    {
        let printed = text::print(&program);
        assert_eq!(without_comments(&text), printed, "{name} is not canonical");
        assert_eq!(text::parse(&printed), Ok(program), "{name}");
        let comment = text.strip_prefix("# ").and_then(|t| t.lines().next());
        assert!(
            comment.is_some_and(|c| c.len() > 20),
            "{name} does not say what it exercises"
        );
    }
}

#[test]
fn seeds_have_no_finding_and_repeat_themselves() {
    let mut executor = executor();
    for seed in seeds() {
        for geometry in [Geometry::Tiny, Geometry::X86_64] {
            let program = Program {
                geometry,
                ..seed.program.clone()
            };
            let first = pass(&mut executor, &seed, &program, &mut ());
            let again = pass(&mut executor, &seed, &program, &mut ());
            assert_eq!(first, again, "{} differs from itself", seed.name);
        }
    }
}

#[test]
fn the_set_is_wide_enough() {
    let seeds = seeds();
    let count = |accept: fn(&Program) -> bool| seeds.iter().filter(|s| accept(&s.program)).count();
    assert!(seeds.len() >= 30);
    assert!(count(|p| p.geometry == Geometry::Tiny) >= 10);
    assert!(count(|p| p.geometry == Geometry::X86_64) >= 10);
    assert!(count(|p| p.threads > 1) >= 10);
    assert!(count(|p| p.threads == 4) >= 2);
}

/// The effects of operations over all seeds.
#[derive(Default)]
struct Effects {
    /// Operations that found something to work on.
    done: BTreeSet<OpKind>,
    /// Kinds of allocation that are armed to fail in this run, and have not failed yet.
    armed: BTreeSet<u8>,
    /// Kinds of allocation that failed.
    failed: BTreeSet<u8>,
    failures: u32,
}

impl Observer for Effects {
    fn operation(&mut self, _: usize, step: &Step, outcome: Outcome, s: &State) {
        if outcome != Outcome::Nothing {
            self.done.insert(step.op.kind());
        }
        if s.fail.failures != std::mem::replace(&mut self.failures, s.fail.failures)
            && self.armed.len() == 1
        {
            // with several armed, it would be unclear which one failed
            self.failed.append(&mut self.armed);
        }
        if let Op::Fail { alloc, .. } = step.op {
            self.armed.insert(alloc.byte());
        }
    }
}

#[test]
fn every_operation_works_and_every_allocation_fails_somewhere() {
    let mut executor = executor();
    let mut effects = Effects::default();
    for seed in seeds() {
        pass(&mut executor, &seed, &seed.program, &mut effects);
        effects.armed.clear();
        effects.failures = 0;
    }
    let idle = OpKind::ALL.iter().filter(|k| !effects.done.contains(k));
    assert_eq!(idle.collect::<Vec<_>>(), Vec::<&OpKind>::new());
    assert_eq!(effects.failed.len(), usize::from(AllocKind::COUNT));
}

/// The sites at which threads were switched.
#[derive(Default)]
struct Switches(Vec<Site>);

impl Observer for Switches {
    fn preempted(&mut self, _: u32, from: u8, to: u8, s: &State) {
        if from != to {
            self.0.push(s.tasks()[usize::from(from)].site);
        }
    }
}

#[test]
fn preemptions_hit_between_setup_and_finalize() {
    let mut executor = executor();
    let mut sites = Vec::new();
    for seed in seeds().iter().filter(|s| s.program.threads > 1) {
        let mut switches = Switches::default();
        pass(&mut executor, seed, &seed.program, &mut switches);
        let wanted = seed.program.preemptions.len();
        assert!(wanted > 0, "{} has no preemption", seed.name);
        assert!(
            switches.0.len() * 2 >= wanted,
            "{}: most of its preemptions are never reached, the scheduling points have moved",
            seed.name
        );
        sites.append(&mut switches.0);
    }
    for site in [
        Site::MigrateVmaUnmap,
        Site::MigrateVmaSetup,
        Site::AllocAndCopy,
        Site::MigrateVmaPages,
        Site::MigrateVmaFinalize,
        Site::RemoveMigrationPtes,
    ] {
        assert!(sites.contains(&site), "no thread is switched at {site:?}");
    }
}
