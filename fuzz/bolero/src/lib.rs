//! Nothing but a place for the properties in `tests/`, which bolero's engines run: a crate of its own, since bolero sets
//! `--cfg fuzzing`, as cargo-fuzz does, and must not build libFuzzer's targets.
