//! mm-triage
fn main() {}
