//! The dictionary says what its comments say, and has a token for every operation.

use mm_fuzz::program::{OpKind, Program, text, wire};
use std::collections::BTreeSet;

/// The bytes of a token such as `"\x00\x01"`.
fn bytes(token: &str) -> Vec<u8> {
    let hex = token.trim().trim_matches('"').split("\\x").skip(1);
    hex.map(|byte| u8::from_str_radix(byte, 16).expect("two hexadecimal digits"))
        .collect()
}

#[test]
fn every_token_is_the_record_of_the_text_above_it() {
    let lines = include_str!("../mm.dict").lines().collect::<Vec<_>>();
    let mut kinds = BTreeSet::new();
    let mut tokens = 0;
    for pair in lines.windows(2).filter(|pair| pair[1].starts_with('"')) {
        let source = pair[0].trim_start_matches("# ");
        let header = "threads 4\n";
        let program: Program =
            text::parse(&format!("{header}{source}\n")).unwrap_or_else(|e| panic!("{source}: {e}"));
        let record = &wire::encode(&program)[wire::HEADER_BYTES..];
        assert_eq!(bytes(pair[1]), record, "{source}");
        kinds.extend(program.ops.iter().map(|step| step.op.kind()));
        tokens += 1;
    }
    assert!(tokens > OpKind::ALL.len(), "only {tokens} tokens were read");
    assert_eq!(kinds.len(), OpKind::ALL.len(), "an operation has no token");
}
