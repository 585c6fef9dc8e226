//! Finds the corpus and its programs.

use crate::names::shown;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no corpus to read.
#[derive(Debug)]
pub enum CorpusError {
    /// Neither the working folder nor a folder above it has both corpus/ and Cargo.toml.
    NotFound,
    /// A folder cannot be read.
    Unreadable(PathBuf, io::Error),
}

impl fmt::Display for CorpusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str(
                "no corpus found: neither the working folder nor one above it has both corpus/ and \
                 Cargo.toml; run this inside the repository, or give --corpus DIR",
            ),
            Self::Unreadable(path, error) => write!(
                f,
                "{}: cannot be read: {error}; give the folder of a corpus with --corpus DIR",
                shown(path)
            ),
        }
    }
}

impl std::error::Error for CorpusError {}

/// The corpus: `given`, or the corpus of the repository in which the working folder lies.
pub fn find(given: Option<&Path>) -> Result<PathBuf, CorpusError> {
    if let Some(dir) = given {
        let unreadable = |error| CorpusError::Unreadable(dir.to_owned(), error);
        std::fs::read_dir(dir).map_err(unreadable)?;
        return Ok(dir.to_owned());
    }
    let here =
        std::env::current_dir().map_err(|error| CorpusError::Unreadable(".".into(), error))?;
    here.ancestors()
        .find(|dir| dir.join("Cargo.toml").is_file() && dir.join("corpus").is_dir())
        .map(|dir| dir.join("corpus"))
        .ok_or(CorpusError::NotFound)
}

/// The text programs in a folder, sorted by name; none if the folder does not exist.
pub fn programs(dir: &Path) -> Result<Vec<PathBuf>, CorpusError> {
    let unreadable = |error| CorpusError::Unreadable(dir.to_owned(), error);
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unreadable)?,
    };
    let paths: Result<Vec<PathBuf>, io::Error> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(unreadable)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "mm"));
    paths.sort();
    Ok(paths)
}
