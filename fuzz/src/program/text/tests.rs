//! Round trips of the text form, and the messages for the mistakes that people make.

use super::super::wire;
use super::*;

const SAMPLE: &str = "\
geometry x86-64
threads 2
preempt 17 t1
preempt 40 t0
mmap p0 4 8 rw
write p0 4
fork p0
t1: migrate p1 4 8 d0 skip=0x05
evict d1 0 32
t1: setup p0 4 2 d0 to-dev
pages m0
finalize m0
get p0 4 w
put r0
uffd-wp p0 4 1 on
fail page-table 3
dev-read d1 p0 5
";

#[test]
fn canonical_text_is_kept() {
    let program = parse(SAMPLE).expect("the sample is good");
    assert_eq!(print(&program), SAMPLE);
    assert_eq!(wire::decode(&wire::encode(&program)), program);
    assert_eq!(print(&Program::default()), "");
    assert_eq!(parse(""), Ok(Program::default()));
}

#[test]
fn blanks_comments_and_defaults_are_accepted() {
    let text = "# a witness\r\n\r\n  geometry\ttiny # the default\r\nthreads 1\r\n\
                t0: read p0 4#x\nt0:write p00 04\n\
                pages m1 skip=0\n  # done";
    let program = parse(text).expect("all of this is allowed");
    assert_eq!(print(&program), "read p0 4\nwrite p0 4\npages m1\n");
}

#[test]
fn a_byte_order_mark_at_the_beginning_is_passed_over() {
    let marked = format!("\u{feff}{SAMPLE}");
    assert_eq!(parse(&marked), parse(SAMPLE));
    assert_eq!(print(&parse(&marked).expect("the sample")), SAMPLE);
    let column = |text: &str| parse(text).expect_err(text).to_string();
    assert!(column("\u{feff}mmap p9 0 1 rw").starts_with("line 1, column 6: process p9"));
    // only one mark is passed over, and only at the beginning
    assert!(column("\u{feff}\u{feff}fork p0").starts_with("line 1, column 1: "));
    assert!(column("fork p0\n\u{feff}fork p0").starts_with("line 2, column 1: "));
    let longest = format!("\u{feff}{}", "#".repeat(MAX_BYTES));
    assert_eq!(parse(&longest), Ok(Program::default()));
}

#[test]
fn any_program_survives_the_text() {
    let mut rng = fastrand::Rng::with_seed(6);
    for _ in 0..2_000 {
        let bytes: Vec<u8> = (0..rng.usize(0..600)).map(|_| rng.u8(..)).collect();
        let program = wire::decode(&bytes);
        let text = print(&program);
        assert_eq!(parse(&text).as_ref(), Ok(&program), "{text}");
        assert_eq!(text.parse().as_ref(), Ok(&program));
        assert!(text.is_empty() || text.ends_with('\n'));
    }
}

#[test]
fn damaged_text_never_panics() {
    const SPLICES: [&str; 16] = [
        "#",
        ":",
        "\t",
        "\r",
        "\0",
        "t9:",
        "é",
        "\u{2028}",
        "skip=",
        "0x",
        "99999999999999999999",
        "-",
        "t1:",
        " ",
        "\n",
        "m",
    ];
    let mut rng = fastrand::Rng::with_seed(7);
    let mut accepted = 0;
    for _ in 0..20_000 {
        let mut text: Vec<char> = SAMPLE.chars().collect();
        for _ in 0..rng.usize(1..4) {
            let at = rng.usize(..text.len());
            match rng.u8(0..4) {
                0 if text.len() > 1 => drop(text.remove(at)),
                1 => drop(text.splice(at..at, SPLICES[rng.usize(..SPLICES.len())].chars())),
                2 => text[at] = rng.char(..),
                _ => text.truncate(at + 1),
            }
        }
        let text: String = text.into_iter().collect();
        match parse(&text) {
            Ok(program) => {
                accepted += 1;
                assert!(program.is_canonical());
                assert_eq!(parse(&print(&program)), Ok(program));
            }
            Err(error) => {
                let line = text.lines().nth(error.line - 1).expect("the line is there");
                assert!(
                    (1..=line.chars().count() + 1).contains(&error.column),
                    "{error}\n{text}"
                );
                assert!(
                    error
                        .to_string()
                        .chars()
                        .all(|character| !character.is_control()),
                    "{error:?}"
                );
            }
        }
    }
    assert!(accepted > 500, "some damage is harmless: {accepted}");
}

/// Each text has one mistake, and this is its message.
#[test]
fn messages() {
    let cases = [
        (
            "mmap p0 4 1000000 rw",
            "line 1, column 11: length 1000000 is longer than the address window: 1 to 32 pages",
        ),
        (
            "mmap p0 4 0 rw",
            "line 1, column 11: length 0 is too small: 1 to 32 pages",
        ),
        (
            "read p0 32",
            "line 1, column 9: address 32 is outside the address window: page 0 to 31",
        ),
        (
            "read p9 3",
            "line 1, column 6: process p9 is out of range: p0 to p7",
        ),
        (
            "read 0 3",
            "line 1, column 6: bad process \"0\": expected p0 to p7",
        ),
        (
            "\nmmpa p0 4 8 rw",
            "line 2, column 1: unknown operation \"mmpa\"; did you mean \"mmap\"?",
        ),
        (
            "migrate_back p0 4 8 d0",
            "line 1, column 1: unknown operation \"migrate_back\"; did you mean \"migrate-back\"?",
        ),
        (
            "MMAP p0 4 8 rw",
            "line 1, column 1: unknown operation \"MMAP\"; did you mean \"mmap\"?",
        ),
        (
            "thread 2",
            "line 1, column 1: unknown operation \"thread\"; did you mean \"threads\"?",
        ),
        (
            "mmap p0 4 8",
            "line 1, column 12: the protection is missing: expected none, r or rw, as in \
             `mmap proc addr len prot`",
        ),
        (
            "mmap p0 4 8 rwx",
            "line 1, column 13: bad protection \"rwx\": expected none, r or rw",
        ),
        (
            "fork p0 p1",
            "line 1, column 9: unexpected \"p1\": the line is complete with `fork proc`",
        ),
        (
            "pages m0 0x05",
            "line 1, column 10: bad mask of pages to skip \"0x05\": expected \
             skip=0x00 to skip=0xff",
        ),
        (
            "put p0",
            "line 1, column 5: bad reference \"p0\": expected r0 to r7",
        ),
        (
            "t1: read p0 4",
            "line 1, column 1: there is no thread t1: the header says `threads 1` (the default)",
        ),
        (
            "threads 2\nt3: fork p0",
            "line 2, column 1: there is no thread t3: the header says `threads 2`, \
             which is t0 to t1",
        ),
        (
            "t5: fork p0",
            "line 1, column 1: thread t5 is out of range: t0 to t3",
        ),
        (
            "t0: # fork p0",
            "line 1, column 4: no operation after the thread: expected one, as in `t1: read p0 4`",
        ),
        (
            "threads 5",
            "line 1, column 9: number of threads 5 is out of range: 1 to 4",
        ),
        (
            "threads",
            "line 1, column 8: the number of threads is missing: expected 1 to 4, \
             as in `threads 2`",
        ),
        (
            "threads 2\nthreads 2",
            "line 2, column 1: `threads` is given twice: keep one of the lines",
        ),
        (
            "geometry huge",
            "line 1, column 10: bad geometry \"huge\": expected tiny or x86-64",
        ),
        (
            "thp sometimes",
            "line 1, column 5: bad thp \"sometimes\": expected never, always or madvise",
        ),
        (
            "fork p0\nthreads 2",
            "line 2, column 1: `threads` comes too late: the order is `geometry`, `thp` and `threads`, \
             then `preempt` lines, \
             then operations",
        ),
        (
            "preempt 3 t1",
            "line 1, column 1: a program of one thread has no preemptions: say \
             `threads 2` or more, up to 4, above this line",
        ),
        (
            "threads 2\npreempt 3 t2",
            "line 2, column 11: there is no thread t2: the header says `threads 2`, \
             which is t0 to t1",
        ),
        (
            "threads 2\npreempt 3 t1\npreempt 3 t0",
            "line 3, column 9: scheduling point 3 has a preemption already: each can have one",
        ),
        (
            "threads 2\npreempt 65536 t1",
            "line 2, column 9: scheduling point 65536 is out of range: 0 to 65535",
        ),
        (
            "\u{7}é p0",
            "line 1, column 1: unknown operation \"\\u{7}é\": expected one of mmap, munmap,",
        ),
    ];
    for (text, message) in cases {
        let found = parse(text).expect_err(text).to_string();
        assert!(
            found == message || message.ends_with(',') && found.starts_with(message),
            "{text:?}\n{found}\n{message}"
        );
    }
}

/// The examples of docs/grammar.md: the first block, and the bytes of the last one.
#[test]
fn examples_of_the_grammar_page() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/grammar.md");
    let page = std::fs::read_to_string(path).expect("docs/grammar.md is there");
    let blocks: Vec<&str> = page.split("```").skip(1).step_by(2).collect();
    let (first, last) = (blocks[0], blocks[blocks.len() - 1]);
    let program = parse(first).expect("the first example is good");
    assert_eq!((program.ops.len(), program.preemptions.len()), (4, 1));
    let bytes: Vec<String> = wire::encode(&parse(last).expect("the last example is good"))
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let listed = page
        .split("For example, `")
        .nth(1)
        .and_then(|rest| rest.split('`').next());
    assert_eq!(
        listed.map(|listed| listed.replace("| ", "")),
        Some(bytes.join(" "))
    );
}

#[test]
fn a_text_has_limits() {
    let ops = |count| "fork p0\n".repeat(count);
    assert!(parse(&ops(crate::program::MAX_OPS)).is_ok());
    assert_eq!(
        parse(&ops(crate::program::MAX_OPS + 1))
            .expect_err("one too many")
            .to_string(),
        "line 257, column 1: too many operations: a program has at most 256"
    );
    let preemptions: String = (0..33).map(|at| format!("preempt {at} t1\n")).collect();
    assert_eq!(
        parse(&format!("threads 2\n{preemptions}"))
            .expect_err("one too many")
            .to_string(),
        "line 34, column 1: too many preemptions: a program has at most 32"
    );
    let long = "#".repeat(MAX_BYTES + 1);
    assert!(matches!(
        parse(&long),
        Err(TextError {
            fault: Fault::TooLong { .. },
            ..
        })
    ));
    assert!(parse(&long[1..]).is_ok());
    let word = parse(&long.replace('#', "x")[1..])
        .expect_err("no operation")
        .to_string();
    assert!(word.len() < 600, "a long word is cut: {word}");
}
