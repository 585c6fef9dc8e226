//! `bisect`: finds the commit of this repository at which the verdict on a program changes.
//!
//! The search follows first parents, so the history is a line. Each commit is built in its own
//! worktree, and its `replay --json` gives the verdict. A commit that cannot be built, or gives no
//! verdict, is skipped, as by `git bisect skip`.

mod build;
mod git;
mod search;

use crate::input::Target;
use crate::names::shown;
use crate::progress::Progress;
use crate::stop::Stop;
use crate::style::Style;
use crate::{Status, store};
use build::{Answer, Builder, Question};
pub use git::CommitRange;
use git::{Commit, Repository};
use search::{FirstChange, search};
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

/// The end of the command's help.
pub const HELP: &str = "\
The verdict is the signature of the finding, pass, or unusable. Each commit is checked out in its own
worktree under the cache folder and built with cargo build --release -p mm-triage; its replay --json gives
the verdict. The built program is kept for later runs; the worktree is removed. A commit that does not
build, or gives no verdict, is skipped.
Exit status: 0 the commit is found, 1 it is one of several because of skipped commits, 2 unusable input or
command line, or the same verdict at both ends, 3 interrupted.";

/// Arguments of `bisect`.
#[derive(Debug, clap::Args)]
pub struct BisectArgs {
    /// Historical bugs to put back, separated by commas; a commit that does not know one is skipped
    #[arg(long, value_name = "SLUG[,SLUG]")]
    pub zoo: Option<String>,
    /// The file is an input of this fuzz target
    #[arg(long, value_name = "TARGET")]
    pub target: Option<Target>,
    /// Two commits of the repository that the working folder is in, A an ancestor of B
    #[arg(long, value_name = "A..B", value_parser = CommitRange::parse)]
    pub commits: CommitRange,
    /// The folder for worktrees and builds [default: mmfuzz/bisect in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
    /// A text program (.mm), a wire file, or an artifact of a fuzzing engine
    pub file: PathBuf,
}

/// A commit and its verdict.
#[derive(Debug, Serialize)]
struct Tested {
    commit: String,
    subject: String,
    /// The signature if there is a finding, otherwise `pass` or `unusable`; `None` if the commit
    /// was skipped.
    verdict: Option<String>,
    /// Why the commit was skipped.
    why: Option<String>,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Outcome {
    interrupted: bool,
    /// The verdict at the older end.
    before: String,
    /// The verdict at the last commit of `first`; after an interrupt, at the newer end.
    after: String,
    /// The first commit whose verdict differs from `before`. Several commits if each of them may be
    /// the first, because commits were skipped or the run was interrupted.
    first: Vec<String>,
    /// The number of commits in the range.
    commits: usize,
    /// The tested commits, in the order of the tests. The skipped commits are among them.
    tested: Vec<Tested>,
}

/// Why there is no outcome.
enum Fault {
    /// The status of the command. The user has been told the reason.
    Told(Status),
    /// The results cannot be written.
    Io(io::Error),
}

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        Self::Told(status)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Finds the commit, and writes it to `out`.
pub fn command(args: &BisectArgs, out: &mut dyn Write) -> io::Result<Status> {
    match run(args, out) {
        Ok(status) | Err(Fault::Told(status)) => Ok(status),
        Err(Fault::Io(error)) => Err(error),
    }
}

fn run(args: &BisectArgs, out: &mut dyn Write) -> Result<Status, Fault> {
    let stop = Stop::on_signals()?;
    let question = Question::new(&args.file, args.zoo.as_deref(), args.target)?;
    let repository = Repository::here()?;
    let range = &args.commits;
    let from = repository.commit(&range.from)?;
    let to = repository.commit(&range.to)?;
    let commits = repository.line(&from, &to, range)?;
    let builder = Builder::new(&repository, cache(args)?, &stop)?;
    let mut asked = Asked {
        builder,
        question,
        progress: Progress::new("commits asked"),
        tested: Vec::new(),
    };
    let ends = (asked.end(&from)?, asked.end(&to)?);
    let (Some(before), Some(after)) = ends else {
        crate::say("interrupted before both ends had a verdict");
        return Ok(Status::Interrupted);
    };
    if before == after {
        return Err(Status::unusable(format_args!(
            "{} and {} have the same verdict, {before}; give commits with different ones",
            range.from, range.to
        ))
        .into());
    }
    let found = search(commits.len(), |i, left| {
        Ok::<_, Status>(match asked.ask(&commits[i], left)? {
            Answer::Verdict(verdict) => search::Probe::Known(verdict != before),
            Answer::Skip(_) => search::Probe::Skip,
            Answer::Stopped => search::Probe::Stop,
        })
    })?;
    let Asked {
        builder,
        progress,
        tested,
        ..
    } = asked;
    progress.end();
    drop(builder);
    let (FirstChange::First(left) | FirstChange::Stopped(left)) = &found;
    let candidates = &commits[left.clone()];
    let after = match (&found, candidates) {
        (FirstChange::First(_), [.., last]) => verdict_at(&tested, last).unwrap_or(after),
        _ => after,
    };
    let outcome = Outcome {
        interrupted: matches!(found, FirstChange::Stopped(_)),
        before,
        after,
        first: candidates
            .iter()
            .map(|commit| commit.hash.clone())
            .collect(),
        commits: commits.len(),
        tested,
    };
    if args.json {
        serde_json::to_writer(&mut *out, &outcome).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        outcome.print(candidates, out)?;
    }
    Ok(match outcome.first.len() {
        _ if outcome.interrupted => Status::Interrupted,
        1 => Status::Pass,
        _ => Status::Finding,
    })
}

fn verdict_at(tested: &[Tested], commit: &Commit) -> Option<String> {
    let found = tested.iter().find(|tested| tested.commit == commit.hash);
    found.and_then(|tested| tested.verdict.clone())
}

/// The folder for builds.
fn cache(args: &BisectArgs) -> Result<PathBuf, Status> {
    let dir = match &args.cache {
        Some(dir) => dir.clone(),
        None => {
            let of = |name, below: &str| {
                let dir = std::env::var_os(name).filter(|dir| !dir.is_empty());
                dir.map(|dir| PathBuf::from(dir).join(below))
            };
            of("XDG_CACHE_HOME", "mmfuzz/bisect")
                .or_else(|| of("HOME", ".cache/mmfuzz/bisect"))
                .ok_or_else(|| {
                    Status::unusable(
                        "there is no cache folder, because HOME is not set; give --cache DIR",
                    )
                })?
        }
    };
    store::make_folder(&dir)?;
    std::fs::canonicalize(&dir).map_err(|error| {
        Status::unusable(format_args!("{}: {error}; give --cache DIR", shown(&dir)))
    })
}

/// Asks commits one after the other, and remembers the answers.
struct Asked<'a> {
    builder: Builder<'a>,
    question: Question,
    progress: Progress,
    tested: Vec<Tested>,
}

impl Asked<'_> {
    /// Asks a commit. `left` is the number of commits that may still be the first.
    fn ask(&mut self, commit: &Commit, left: usize) -> Result<Answer, Status> {
        let count = self.tested.len() as u64;
        let progress = &mut self.progress;
        let mut tick = |doing: &str| {
            let what = || format!("{left} left; {doing} {}", commit.short());
            progress.tick(count, what);
        };
        let answer = self.builder.ask(commit, &self.question, &mut tick);
        let answer = answer.map_err(|error| self.builder.refuse(&error))?;
        let (verdict, why) = match &answer {
            Answer::Verdict(verdict) => (Some(verdict.clone()), None),
            Answer::Skip(why) => (None, Some(why.clone())),
            Answer::Stopped => return Ok(answer),
        };
        self.tested.push(Tested {
            commit: commit.hash.clone(),
            subject: commit.subject.clone(),
            verdict,
            why,
        });
        Ok(answer)
    }

    /// The verdict at an end of the range; `None` if the user interrupts. A commit that must be
    /// skipped is an error here.
    fn end(&mut self, commit: &Commit) -> Result<Option<String>, Fault> {
        match self.ask(commit, 0)? {
            Answer::Verdict(verdict) => Ok(Some(verdict)),
            Answer::Stopped => Ok(None),
            Answer::Skip(why) => Err(Status::unusable(format_args!(
                "{} has no verdict: {why}; give another commit",
                commit.short()
            ))
            .into()),
        }
    }
}

impl Outcome {
    fn print(&self, candidates: &[Commit], out: &mut dyn Write) -> io::Result<()> {
        let style = Style::of_stdout();
        for tested in &self.tested {
            let short = git::short(&tested.commit);
            let verdict = match (&tested.verdict, &tested.why) {
                (Some(verdict), _) => verdict.clone(),
                (None, why) => format!("skipped: {}", why.as_deref().unwrap_or_default()),
            };
            writeln!(out, "{short}  {verdict}")?;
        }
        let heading = match candidates {
            _ if self.interrupted => "interrupted; the verdict changes at one of:",
            [_] => "the verdict changes at:",
            _ => "the verdict changes at one of these commits; all but the last were skipped:",
        };
        writeln!(out, "{}", style.heading(heading))?;
        for commit in candidates {
            writeln!(out, "  {}  {}", commit.hash, commit.subject)?;
        }
        writeln!(out, "  before: {}\n  after:  {}", self.before, self.after)
    }
}
