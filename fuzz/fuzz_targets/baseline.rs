//! libFuzzer target `baseline`: libFuzzer with a derived `Arbitrary`, and with no mutator,
//! dictionary or state feedback of ours. `make campaign` compares our targets with this one.
//! `MMFUZZ_TARGET` names the target whose limits apply, `ops` or `races`.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
mod plain {
    use libfuzzer_sys::arbitrary::{self, Arbitrary};
    use mm_fuzz::program::{Geometry, MAX_PARAMS, Op, OpKind, Preemption, Program, Step, Thp};

    #[derive(Debug, Arbitrary)]
    pub struct Input {
        x86_64: bool,
        threads: u8,
        preemptions: Vec<(u16, u8)>,
        ops: Vec<(u8, u8, [u8; MAX_PARAMS])>,
    }

    impl From<Input> for Program {
        fn from(input: Input) -> Self {
            let kind = |number: u8| OpKind::ALL[usize::from(number) % OpKind::COUNT];
            let step = |(thread, number, operands)| Step {
                thread,
                op: Op::from_operand_bytes(kind(number), operands),
            };
            Self {
                thp: Thp::Never,
                geometry: if input.x86_64 {
                    Geometry::X86_64
                } else {
                    Geometry::Tiny
                },
                threads: input.threads,
                ops: input.ops.into_iter().map(step).collect(),
                preemptions: input
                    .preemptions
                    .into_iter()
                    .map(|(at, to)| Preemption { at, to })
                    .collect(),
            }
        }
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(init: mm_fuzz::target::init(None), |input: plain::Input| {
    let name = std::env::var("MMFUZZ_TARGET").unwrap_or_default();
    let limits = mm_fuzz::target::limits(&name).expect("MMFUZZ_TARGET is ops or races");
    mm_fuzz::target::run_program(input.into(), limits);
});

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("baseline: built without libFuzzer; `make campaign` runs it");
    std::process::exit(2);
}
