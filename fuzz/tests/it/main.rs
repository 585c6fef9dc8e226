//! The tests of programs, executor, oracles and reference model.
//!
//! They are one program, which links faster than one for each file.

mod collapse;
mod determinism;
mod dictionary;
mod exclusive;
mod exhaust;
mod film;
mod limits;
mod masks;
mod oracles;
mod panic_frames;
mod random;
mod reference;
mod regress;
mod scenarios;
mod seeds;
mod states;
mod wanted;
mod without_zoo;
mod zoo;
