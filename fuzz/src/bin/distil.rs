//! `distil TARGET OUT FOUND DIR...`: distils the inputs in the folders into OUT; what is a finding goes into FOUND. `make cmin` calls it.
//!
//! A libFuzzer target by its build alone, for the counters of the core; it ends before libFuzzer begins. Prints
//! `distil: files=A->B bytes=A->B features=A->B findings=N`. Status 0, 1 an input is a finding, 2 a sentence says why not.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
mod distil {
    use mm_fuzz::distil::{Coverage, distil};
    use mm_fuzz::feedback::{Counters, no_counters};
    use std::path::Path;
    use std::sync::atomic::AtomicU8;

    static STATES: Counters = no_counters();

    /// Makes that the section is there if nothing is instrumented, as in a build for coverage.
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
        // SAFETY: the counters lie between the two, one byte each, for as long as the process runs, and there is one thread
        unsafe { std::slice::from_raw_parts(start, stop.offset_from_unsigned(start)) }
    }

    /// Distils, and ends the process.
    pub fn run() {
        // libFuzzer's would end the process at the first panic of the core
        std::panic::set_hook(Box::new(|_| {}));
        let args: Vec<String> = std::env::args().skip(1).collect();
        let result = match args.split_at_checked(3) {
            Some(([target, out, found], folders)) if !folders.is_empty() => {
                let coverage = Coverage {
                    edges: edges(),
                    states: &STATES,
                };
                distil(target, Path::new(out), Path::new(found), folders, coverage)
            }
            _ => Err("give TARGET OUT FOUND DIR...".to_owned()),
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
