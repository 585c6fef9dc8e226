//! `seeds`: writes the text programs of the corpus as wire files.

use crate::Status;
use crate::names::shown;
use crate::page::counted;
use crate::{corpus, input, store};
use mm_fuzz::exec::Digest;
use mm_fuzz::program::{MAX_THREADS, wire};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Arguments of `seeds`.
#[derive(Debug, clap::Args)]
pub struct SeedsArgs {
    /// The folder to write to; it is created if missing
    pub outdir: PathBuf,
    /// Leave out programs with more than N threads
    #[arg(long, value_name = "N", default_value_t = MAX_THREADS,
          value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_THREADS)))]
    pub max_threads: u8,

    /// Leave out corpus/zoo: the witnesses would give away the bugs that a run is to find
    #[arg(long)]
    pub without_zoo: bool,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub json: bool,
    /// The corpus [default: corpus/ of the repository that the working folder is in]
    #[arg(long, value_name = "DIR")]
    pub corpus: Option<PathBuf>,
}

/// The folders of the corpus that have text programs.
const FOLDERS: [&str; 3] = ["seeds", "zoo", "regress"];

/// Writes the programs of the corpus. If a program is unusable, the next programs are still
/// written.
pub fn command(args: &SeedsArgs, out: &mut dyn Write) -> io::Result<Status> {
    let paths = match find(args) {
        Ok(paths) => paths,
        Err(error) => return Ok(Status::unusable(error)),
    };
    if let Err(status) = store::make_folder(&args.outdir) {
        return Ok(status);
    }
    let (mut status, mut empty) = (Status::Pass, 0);
    let mut written = BTreeSet::new();
    for path in paths {
        let program = match input::load(&path, None) {
            Ok(input) => input.program,
            Err(error) if error.is_empty() => {
                empty += 1;
                continue;
            }
            Err(error) => {
                status = Status::unusable(error);
                continue;
            }
        };
        if program.threads > args.max_threads {
            continue;
        }
        let bytes = wire::encode(&program);
        let file = args.outdir.join(name(&path, &bytes));
        if let Err(error) = store::write(&file, &bytes) {
            return Ok(store::refuse_write(&file, &error));
        }
        written.insert(file);
    }
    if args.json {
        let said =
            json!({ "programs": written.len(), "empty": empty, "folder": shown(&args.outdir) });
        writeln!(out, "{said}")?;
    } else {
        let (programs, dir) = (counted(written.len(), "program"), shown(&args.outdir));
        let empty = match empty {
            0 => String::new(),
            empty => format!("; skipped: {}", counted(empty, "empty file")),
        };
        writeln!(out, "seeds: {programs} in {dir}{empty}")?;
    }
    Ok(status)
}

fn find(args: &SeedsArgs) -> Result<Vec<PathBuf>, corpus::CorpusError> {
    let corpus = corpus::find(args.corpus.as_deref())?;
    let mut paths = Vec::new();
    let wanted = |folder: &&&str| !(args.without_zoo && **folder == "zoo");
    for folder in FOLDERS.iter().filter(wanted) {
        paths.extend(corpus::programs(&corpus.join(folder))?);
    }
    Ok(paths)
}

/// The stem of the text's name and a short hash of the wire.
fn name(path: &Path, bytes: &[u8]) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut digest = Digest::default();
    bytes.iter().for_each(|byte| digest.mix((*byte).into()));
    format!("{stem}-{:08x}", digest.value() as u32)
}
