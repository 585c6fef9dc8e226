//! Mutating and trimming, without the ABI.

use mm_fuzz::program::engine::crossover_wire;
use mm_fuzz::program::mutate::Limits;
use mm_fuzz::program::trim::Trimmer;
use mm_fuzz::program::wire;
use mm_fuzz::target;

/// One in this many mutants is a crossover with another input of the queue.
const CROSSOVERS: u32 = 8;

/// The mutator that an `afl-fuzz` has loaded. Results stay valid until the next call.
pub struct Mutator {
    limits: Limits,
    max_len: usize,
    seed: u32,
    out: Vec<u8>,
    trimmer: Option<Trimmer>,
    trimmed: Vec<u8>,
}

impl Mutator {
    /// Makes a mutator. `max_len` is the maximum size of a result.
    pub fn new(limits: Limits, max_len: usize, seed: u32) -> Self {
        Self {
            limits,
            max_len,
            seed,
            out: Vec::new(),
            trimmer: None,
            trimmed: Vec::new(),
        }
    }

    /// A mutant of `input`, or a child of it and `other`; empty if there is no room for a program.
    pub fn mutate(&mut self, input: &[u8], other: &[u8], max_size: usize) -> &[u8] {
        let room = self.max_len.min(max_size);
        self.seed = self.seed.wrapping_add(1);
        // an engine's seed may be small, and neighbouring seeds must give different results
        let seed = self.seed.wrapping_mul(0x9e37_79b9);
        self.out.clear();
        self.out.resize(room, 0);
        let size = if !other.is_empty() && seed >> 16 & (CROSSOVERS - 1) == 0 {
            crossover_wire(input, other, &mut self.out, seed, self.limits)
        } else {
            let size = input.len().min(room);
            self.out[..size].copy_from_slice(&input[..size]);
            // this closure mutates no bytes, because AFL++ runs its own mutation of bytes (havoc)
            // as well
            target::mutate(
                &mut self.out,
                size,
                room,
                seed,
                self.limits,
                |_, size, _| size,
            )
        };
        &self.out[..size]
    }

    /// Starts trimming. Returns the number of steps for AFL++: 1 if there is a candidate to run,
    /// otherwise 0. The real number is not known in advance.
    pub fn start_trim(&mut self, input: &[u8]) -> i32 {
        let mut program = wire::decode(input);
        self.limits.apply(&mut program);
        self.trimmer = Some(Trimmer::new(program));
        i32::from(self.candidate().is_some())
    }

    /// Returns the candidate that AFL++ is to run; empty if there is none.
    pub fn trim(&mut self) -> &[u8] {
        self.trimmed.clear();
        if let Some(candidate) = self.candidate() {
            self.trimmed = wire::encode(candidate);
        }
        &self.trimmed
    }

    /// Records whether the candidate had the same coverage as the input. Returns 0 if there is
    /// another candidate, otherwise 1: then all steps that [`Mutator::start_trim`] named are done.
    pub fn trimmed(&mut self, is_same: bool) -> i32 {
        if let Some(trimmer) = &mut self.trimmer {
            trimmer.judge(is_same);
        }
        i32::from(self.candidate().is_none())
    }

    fn candidate(&self) -> Option<&mm_fuzz::program::Program> {
        self.trimmer.as_ref()?.candidate()
    }
}
