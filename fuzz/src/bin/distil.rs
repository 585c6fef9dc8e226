//! `distil TARGET WORK DIR...`: distils the inputs in the folders DIR into WORK/kept, and puts
//! inputs with a finding into WORK/found. `make cmin` calls this program.
//!
//! It is built as a libFuzzer target, but only to get the counters of the core: it exits before
//! libFuzzer starts. A process has one set of counters, so `distil` starts a child for each CPU.
//! Each child sieves a share of the files (`distil --share K/N TARGET WORK DIR...`), and the parent
//! distils the inputs that the children keep. The last line is `distil: files=A->B bytes=A->B
//! features=A->B findings=N`. Status: 0; 1 if an input has a finding; 2 with a sentence that says
//! what went wrong.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
mod distil {
    use mm_fuzz::distil::{Coverage, DistilPaths, Share, Summary, distil, sieve};
    use mm_fuzz::feedback::{Counters, no_counters};
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};
    use std::sync::atomic::AtomicU8;

    type Result<T> = std::result::Result<T, String>;

    static STATES: Counters = no_counters();

    /// Makes the section exist even if nothing is instrumented, as in a build for coverage.
    #[used]
    #[unsafe(link_section = "__sancov_cntrs")]
    static NEVER: AtomicU8 = AtomicU8::new(0);

    unsafe extern "C" {
        // the linker's names for the section of `-sanitizer-coverage-inline-8bit-counters`
        #[link_name = "__start___sancov_cntrs"]
        static START: AtomicU8;
        #[link_name = "__stop___sancov_cntrs"]
        static STOP: AtomicU8;
    }

    fn edges() -> &'static [AtomicU8] {
        let (start, stop) = (&raw const START, &raw const STOP);
        // SAFETY: the counters lie between the two symbols, one byte each, for as long as the
        // process runs, and there is one thread
        unsafe { std::slice::from_raw_parts(start, stop.offset_from_unsigned(start)) }
    }

    const USAGE: &str = "give TARGET WORK DIR...";

    fn coverage() -> Coverage<'static> {
        Coverage {
            edges: edges(),
            states: &STATES,
        }
    }

    fn share(text: &str) -> Option<Share> {
        let (number, of) = text.split_once('/')?;
        Some(Share {
            number: number.parse().ok()?,
            of: of.parse().ok().filter(|of| *of > 0)?,
        })
    }

    fn folder(work: &Path, name: &str) -> Result<PathBuf> {
        let folder = work.join(name);
        std::fs::create_dir_all(&folder)
            .map_err(|e| format!("{}: {e}", mm_fuzz::names::shown(&folder)))?;
        Ok(folder)
    }

    /// The folder for the inputs that the process with this number keeps.
    fn sieved(work: &Path, number: u64) -> Result<PathBuf> {
        folder(work, &format!("share.{number}"))
    }

    /// Sieves a share, and prints the features of all its inputs.
    fn run_share(number: &str, args: &[String]) -> Result<Summary> {
        let ([target, work], folders) = args.split_first_chunk().ok_or(USAGE)?;
        let share = share(number).ok_or_else(|| format!("{number} is no share: give K/N"))?;
        let work = Path::new(work);
        let folders: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
        let place = DistilPaths {
            target,
            folders: &folders,
            kept: &sieved(work, share.number)?,
            found: &folder(work, "found")?,
        };
        let (summary, features) = sieve(place, share, coverage())?;
        let features: Vec<String> = features.iter().map(u32::to_string).collect();
        println!("{}", features.join(" "));
        Ok(summary)
    }

    fn run_all(args: &[String]) -> Result<Summary> {
        let [target, work] = args.first_chunk().ok_or(USAGE)?;
        let own = std::env::current_exe().map_err(|e| e.to_string())?;
        let work = Path::new(work);
        let of = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        let children = (0..of).map(|number| {
            let mut command = Command::new(&own);
            command
                .arg("--share")
                .arg(format!("{number}/{of}"))
                .args(args);
            command
                .stdout(Stdio::piped())
                .spawn()
                .map_err(|e| e.to_string())
        });
        let children: Vec<_> = children.collect();
        let mut before = Summary::default();
        let mut seen = BTreeSet::new();
        for child in children {
            let output = child?.wait_with_output().map_err(|e| e.to_string())?;
            let text = String::from_utf8_lossy(&output.stdout);
            let summary = text
                .trim()
                .split_once("\ndistil: ")
                .and_then(|(features, line)| {
                    for feature in features.split_whitespace() {
                        seen.insert(feature.parse::<u32>().ok()?);
                    }
                    line.parse::<Summary>().ok()
                });
            let Some(summary) = summary else {
                return Err(format!(
                    "the process for a share of the files failed: {}",
                    output.status
                ));
            };
            before.files[0] += summary.files[0];
            before.bytes[0] += summary.bytes[0];
            before.findings += summary.findings;
        }
        let folders = (0..of).map(|number| sieved(work, number));
        let place = DistilPaths {
            target,
            folders: &folders.collect::<Result<Vec<_>>>()?,
            kept: &folder(work, "kept")?,
            found: &folder(work, "found")?,
        };
        let after = distil(place, coverage())?;
        Ok(Summary {
            files: [before.files[0], after.files[1]],
            bytes: [before.bytes[0], after.bytes[1]],
            // the features of all inputs: if a share lost one, the two numbers differ
            features: [seen.len(), after.features[1]],
            findings: before.findings + after.findings,
        })
    }

    /// Distils or, with `--share`, sieves; then exits.
    pub fn run() {
        // libFuzzer's hook would end the process at the first panic of the core
        std::panic::set_hook(Box::new(|_| {}));
        let args: Vec<String> = std::env::args().skip(1).collect();
        let result = match &*args {
            [flag, share, args @ ..] if flag == "--share" => run_share(share, args),
            args => run_all(args),
        };
        std::process::exit(match result {
            Ok(summary) => {
                println!("distil: {summary}");
                i32::from(summary.findings > 0)
            }
            Err(why) => {
                eprintln!("distil: {why}");
                2
            }
        });
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(init: distil::run(), |_data: &[u8]| {});

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("distil: built without libFuzzer; `make cmin` builds and runs it");
    std::process::exit(2);
}
