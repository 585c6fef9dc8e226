//! The fuzz targets for AFL++, in persistent mode: `mm-afl TARGET`, as `make afl` starts it.
//! Outside of `afl-fuzz`, it runs the input on standard input.

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
    // the fork server ends with afl-fuzz, and its children end with the fork server; otherwise a
    // kill of afl-fuzz would leave them behind, stopped
    end_with_parent();
    let mut is_forked = false;
    afl::fuzz(true, |data| {
        if !is_forked {
            is_forked = true;
            end_with_parent();
        }
        run(data);
    });
}

/// Makes the kernel kill this process when its parent ends. A forked child does not inherit this
/// setting.
#[cfg(afl)]
fn end_with_parent() {
    use rustix::process::{Signal, set_parent_process_death_signal};
    // if this fails, a killed afl-fuzz leaves this process behind; an afl-fuzz that ends by itself
    // still ends its children
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
}

#[cfg(not(afl))]
fn main() {
    eprintln!("mm-afl: built without AFL++; run it with `make afl`");
    std::process::exit(2);
}
