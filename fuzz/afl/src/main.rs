//! The fuzz targets for AFL++, in persistent mode: `mm-afl TARGET`, as `make afl` starts it. Outside of `afl-fuzz` it runs the
//! input on standard input.

#[cfg(afl)]
use mm_fuzz::target;

#[cfg(afl)]
fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    let run = match &*name {
        "ops" => target::run_ops,
        "races" => target::run_races,
        "canary" => target::run_canary,
        _ => {
            eprintln!("mm-afl: there is no target \"{name}\"; give ops, races or canary");
            std::process::exit(2);
        }
    };
    target::init(None);
    afl::fuzz(true, run);
}

#[cfg(not(afl))]
fn main() {
    eprintln!("mm-afl: built without AFL++; run it with `make afl`");
    std::process::exit(2);
}
