//! Each token of the dictionary is the record of its comment, and every operation has a token.
//!
//! With `MMFUZZ_BLESS=1` in the environment, this test adds a token for each operation that lacks
//! one.

use mm_fuzz::program::{MAX_PARAMS, Op, OpKind, Program, text, wire};
use std::collections::BTreeSet;

/// The bytes of a token such as `"\x00\x01"`.
fn bytes(token: &str) -> Vec<u8> {
    let hex = token.trim().trim_matches('"').split("\\x").skip(1);
    hex.map(|byte| u8::from_str_radix(byte, 16).expect("two hexadecimal digits"))
        .collect()
}

/// A line of text as a program, and its record.
fn of_text(source: &str) -> (Program, Vec<u8>) {
    let program = text::parse(&format!("threads 4\n{source}\n"));
    let program = program.unwrap_or_else(|e| panic!("{source}: {e}"));
    let record = wire::encode(&program)[wire::HEADER_BYTES..].to_vec();
    (program, record)
}

#[test]
fn every_token_is_the_record_of_the_text_above_it() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/mm.dict");
    let dictionary = std::fs::read_to_string(path).expect("mm.dict is there");
    let lines = dictionary.lines().collect::<Vec<_>>();
    let mut kinds = BTreeSet::new();
    let mut tokens = 0;
    for pair in lines.windows(2).filter(|pair| pair[1].starts_with('"')) {
        let source = pair[0].trim_start_matches("# ");
        let (program, record) = of_text(source);
        assert_eq!(bytes(pair[1]), record, "{source}");
        kinds.extend(program.ops.iter().map(|step| step.op.kind()));
        tokens += 1;
    }
    if std::env::var_os("MMFUZZ_BLESS").is_some() {
        let missing = OpKind::ALL.iter().filter(|kind| !kinds.contains(kind));
        let tokens = missing.map(|kind| {
            let source = Op::from_operand_bytes(*kind, [0; MAX_PARAMS]).to_string();
            let record = of_text(&source).1;
            let hex: String = record.iter().map(|byte| format!("\\x{byte:02X}")).collect();
            format!("# {source}\n\"{hex}\"\n")
        });
        let blessed = dictionary.clone() + &tokens.collect::<String>();
        std::fs::write(path, blessed).expect("mm.dict can be written");
        return;
    }
    assert!(tokens > OpKind::ALL.len(), "only {tokens} tokens were read");
    assert_eq!(kinds.len(), OpKind::ALL.len(), "an operation has no token");
}
