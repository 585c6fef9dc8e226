//! `inputs N DIR`: writes N random programs of one thread as wire files, the same ones each time.
//! `fuzz/compare-cmin` distils them.

use mm_fuzz::program::generate::random_program;
use mm_fuzz::program::mutate::Limits;
use mm_fuzz::program::wire;
use std::path::Path;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, count, dir] = &args[..] else {
        eprintln!("inputs: give N DIR");
        std::process::exit(2);
    };
    let count: u64 = count.parse().expect("a number");
    let limits = Limits::OPS.with_max_ops(64);
    for seed in 0..count {
        let program = random_program(limits, &mut fastrand::Rng::with_seed(seed));
        let file = Path::new(dir).join(format!("{seed:06}"));
        std::fs::write(file, wire::encode(&program)).expect("the folder can be written to");
    }
}
