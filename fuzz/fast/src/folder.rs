//! The folder of a run, in the form that `fuzz/keep` describes.
//!
//! - `seeds`: inputs to start with
//! - `corpus`: what the engine keeps; all workers of a run, and `fuzz/run`, write there
//! - `found`: inputs with findings
//!
//! Inputs have the names that libFuzzer would give them: the SHA-1 of the content. Each is written
//! beside the three folders and then renamed, so that nobody reads a part of it.

use crate::corpus::{Corpus, CorpusChanges};
use mm_fuzz::file::{self, MAX_PROGRAM, ReadError};
use mm_fuzz::names::shown;
use mm_fuzz::program::{Program, wire};
use sha1::{Digest, Sha1};
use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, String>;

/// The folder of a run, as one worker sees it.
#[derive(Debug)]
pub struct Folder {
    dir: PathBuf,
    /// The file that this worker writes before it renames it.
    scratch: PathBuf,
    /// The names in `corpus` that this worker has read or written.
    known: HashSet<OsString>,
}

/// The SHA-1 of an input, in hexadecimal.
fn sha1(input: &[u8]) -> String {
    let hash = Sha1::digest(input);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn fail(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", shown(path))
}

impl Folder {
    /// The folder `dir`, for the worker with this number. Missing folders are made.
    ///
    /// # Errors
    /// A sentence: a folder cannot be made.
    pub fn open(dir: &Path, worker: u64) -> Result<Self> {
        for name in ["corpus", "found"] {
            let folder = dir.join(name);
            std::fs::create_dir_all(&folder).map_err(|error| fail(&folder, &error))?;
        }
        Ok(Self {
            dir: dir.to_owned(),
            scratch: dir.join(format!("scratch.{worker}")),
            known: HashSet::new(),
        })
    }

    /// The programs to start with, from short to long.
    ///
    /// # Errors
    /// A sentence: a folder or a file cannot be read.
    pub fn seeds(&self) -> Result<Vec<Program>> {
        let folder = self.dir.join("seeds");
        match names(&folder) {
            Ok(names) => read(&folder, names.iter()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(fail(&folder, &error)),
        }
    }

    /// The programs that others have put into the corpus since the last call, from short to long.
    ///
    /// # Errors
    /// A sentence: a folder or a file cannot be read.
    pub fn news(&mut self) -> Result<Vec<Program>> {
        let folder = self.dir.join("corpus");
        let names = names(&folder).map_err(|error| fail(&folder, &error))?;
        let news: Vec<OsString> = names
            .into_iter()
            .filter(|name| self.known.insert(name.clone()))
            .collect();
        read(&folder, news.iter())
    }

    /// Writes the programs that the corpus has added, and removes those that it has dropped since
    /// the last call.
    ///
    /// # Errors
    /// A sentence: a file cannot be written.
    pub fn save(&mut self, corpus: &mut Corpus) -> Result<()> {
        let CorpusChanges { added, dropped } = corpus.take_changes();
        for index in added {
            let Some(kept) = corpus.get_mut(index) else {
                continue;
            };
            if kept.is_on_disk {
                continue;
            }
            kept.is_on_disk = true;
            let input = wire::encode(&kept.program);
            let name = sha1(&input);
            self.write(&input, &self.dir.join("corpus").join(&name))?;
            self.known.insert(name.into());
        }
        // written first, removed last: at no moment is a feature without a file
        for program in dropped {
            let name = sha1(&wire::encode(&program));
            if self.known.contains(&OsString::from(&name)) {
                // another worker may have removed it, and a file too many does no harm
                let _ = std::fs::remove_file(self.dir.join("corpus").join(name));
            }
        }
        Ok(())
    }

    /// Saves an input with a finding. `kind` is crash, timeout or oom.
    ///
    /// # Errors
    /// A sentence: the file cannot be written.
    pub fn found(&self, kind: &str, input: &[u8]) -> Result<()> {
        let name = format!("{kind}-{}", sha1(input));
        self.write(input, &self.dir.join("found").join(name))
    }

    /// Saves an input with a finding, unless another worker has saved one with the same signature.
    ///
    /// # Errors
    /// As for [`Folder::found`].
    pub fn found_once(&self, input: &[u8], signature: &str) -> Result<()> {
        let known = self.dir.join("signatures");
        std::fs::create_dir_all(&known).map_err(|error| fail(&known, &error))?;
        let mark = known.join(sha1(signature.as_bytes()));
        if mark.exists() {
            return Ok(());
        }
        // the input first: a kill between the two must not lose it. Two workers that do this at the
        // same moment save an input each.
        self.found("crash", input)?;
        std::fs::write(&mark, signature).map_err(|error| fail(&mark, &error))
    }

    fn write(&self, input: &[u8], path: &Path) -> Result<()> {
        std::fs::write(&self.scratch, input).map_err(|error| fail(&self.scratch, &error))?;
        std::fs::rename(&self.scratch, path).map_err(|error| fail(path, &error))
    }
}

/// The names of the files in a folder.
fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        if !name.as_encoded_bytes().starts_with(b".") {
            names.push(name);
        }
    }
    Ok(names)
}

/// Reads inputs, from short to long. One that is gone was replaced by a shorter one.
fn read<'a>(folder: &Path, names: impl Iterator<Item = &'a OsString>) -> Result<Vec<Program>> {
    let mut inputs = Vec::new();
    for name in names {
        let path = folder.join(name);
        match file::read(&path, MAX_PROGRAM) {
            Ok(input) => inputs.push(input),
            Err(ReadError::Unreadable(error)) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(fail(&path, &error)),
        }
    }
    inputs.sort_unstable_by(|one, other| (one.len(), one).cmp(&(other.len(), other)));
    inputs.dedup();
    Ok(inputs
        .iter()
        .map(|input| wire::decode_any_version(input))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(text: &str) -> Program {
        text.parse().expect("a program")
    }

    fn files(dir: &Path, folder: &str) -> Vec<String> {
        let names = names(&dir.join(folder)).expect("a folder");
        let mut names: Vec<String> = names
            .iter()
            .map(|n| shown(Path::new(n)).to_string())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_corpus_is_on_disk_and_what_it_drops_is_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut folder = Folder::open(dir.path(), 0).expect("a folder");
        let mut other = Folder::open(dir.path(), 1).expect("a folder");
        let mut corpus = Corpus::new(2);
        let (long, short) = (program("fork p0\nfork p0\n"), program("fork p0\n"));
        assert!(corpus.count(&long, &[0, 1]));
        corpus.keep(&long, &[0, 1], false);
        folder.save(&mut corpus).expect("saved");
        assert_eq!(files(dir.path(), "corpus"), [sha1(&wire::encode(&long))]);
        assert_eq!(folder.news().expect("read"), [], "its own file is no news");
        assert_eq!(other.news().expect("read"), [long]);
        assert_eq!(other.news().expect("read"), []);
        corpus.keep(&short, &[0, 1], false);
        folder.save(&mut corpus).expect("saved");
        assert_eq!(files(dir.path(), "corpus"), [sha1(&wire::encode(&short))]);
        assert_eq!(other.news().expect("read"), [short]);
        assert!(!dir.path().join("scratch.0").exists());
    }

    #[test]
    fn a_program_from_a_file_is_not_written_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut folder = Folder::open(dir.path(), 0).expect("a folder");
        let mut corpus = Corpus::new(1);
        corpus.keep(&program("fork p0\n"), &[0], true);
        folder.save(&mut corpus).expect("saved");
        assert!(files(dir.path(), "corpus").is_empty());
    }

    #[test]
    fn seeds_come_from_short_to_long_and_need_not_exist() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(dir.path(), 0).expect("a folder");
        assert_eq!(folder.seeds().expect("read"), []);
        let (long, short) = (program("fork p0\nfork p0\n"), program("fork p0\n"));
        std::fs::create_dir(dir.path().join("seeds")).expect("a folder");
        for (name, program) in [("a", &long), ("b", &short), ("c", &long)] {
            let path = dir.path().join("seeds").join(name);
            std::fs::write(path, wire::encode(program)).expect("a seed");
        }
        assert_eq!(folder.seeds().expect("read"), [short, long]);
    }

    #[test]
    fn each_signature_is_saved_once_by_all_workers() {
        let dir = tempfile::tempdir().expect("a folder");
        for (worker, input) in [(0, b"abc"), (1, b"abd")] {
            let folder = Folder::open(dir.path(), worker).expect("a folder");
            folder
                .found_once(input, "some/thing:read:-")
                .expect("saved");
        }
        let abc = "crash-a9993e364706816aba3e25717850c26c9cd0d89d";
        assert_eq!(files(dir.path(), "found"), [abc]);
    }
}
