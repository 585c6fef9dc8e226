//! `report`: the four forms are made from one report, and no name or byte of a file becomes markup.
//!
//! The tests that run the program are about its command line: output, statuses, files. The others
//! call functions.
#![cfg(feature = "zoo")]

use crate::common::{Bench, json_schema, repository};
use mm_triage::bugs::Bugs;
use mm_triage::cluster::Sources;
use mm_triage::report;
use mm_triage::stop::Stop;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

const BUGS: &str = "dup-anon-vma-no-lock,gup-pin-zero-page,slowpath-ro-migent";
const FORMS: [&str; 4] = ["report.html", "report.json", "report.md", "report.sarif"];

/// The witnesses of the bugs, a text with a typing error, and an empty file.
fn night() -> Bench {
    let bench = Bench::new();
    for bug in BUGS.split(',') {
        let witness = repository().join(format!("corpus/zoo/{bug}.mm"));
        let witness = fs::read(witness).expect("a witness");
        bench.write(&format!("night/{bug}.mm"), witness);
    }
    bench.write("night/typing.mm", "wrte p0 0\n");
    bench.write("night/empty", "");
    bench
}

fn read(bench: &Bench, form: &str) -> String {
    fs::read_to_string(bench.path("out").join(form)).expect("the report is written")
}

fn json(bench: &Bench, form: &str) -> Value {
    serde_json::from_str(&read(bench, form)).expect("JSON")
}

/// Reports on a folder, and returns the title of the report.
fn reported(bench: &Bench, folder: &str, output: &str, jobs: usize) -> String {
    let sources = Sources {
        zoo: Some(Bugs::parse(BUGS).expect("bugs")),
        target: None,
        baseline: None,
        jobs: Some(jobs),
        files: vec![bench.path(folder)],
    };
    let written = report::write(&sources, &bench.path(output), &Stop::default());
    written.expect("it is written").0.title()
}

#[track_caller]
fn golden(name: &str, text: &str) {
    let path = repository().join("triage/tests/golden").join(name);
    if std::env::var_os("MMFUZZ_BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, text).expect("the file is written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text, expected,
        "{name} has drifted; MMFUZZ_BLESS=1 cargo test -p mm-triage --test it report writes it"
    );
}

#[test]
fn the_report_says_what_it_always_said() {
    let bench = night();
    let ran = bench.run(&["report", "night", "-o", "out", "--zoo", BUGS]);
    assert_eq!(
        (ran.status, &*ran.err),
        (2, ""),
        "one file has a typing error: {ran:?}"
    );
    assert_eq!(
        ran.out,
        "report: 3 clusters in 5 files: 3 with a finding, 0 passed, 1 unusable, 1 empty; 3 clusters new\n  \
         out/report.html, and .md, .json, .sarif beside it\n"
    );
    golden("report.md", &read(&bench, "report.md"));
    golden("report.json", &read(&bench, "report.json"));
    golden("report.sarif", &read(&bench, "report.sarif"));
    let printed = bench.run(&["report", "night", "-o", "out", "--zoo", BUGS, "--json"]);
    assert_eq!(printed.out, read(&bench, "report.json"));
}

#[test]
fn the_command_of_a_cluster_replays_its_finding() {
    let bench = night();
    bench.run(&["report", "night", "-o", "out", "--zoo", BUGS]);
    let report = json(&bench, "report.json");
    for cluster in report["clusters"].as_array().expect("clusters") {
        let command = cluster["replay"].as_str().expect("a command");
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        let ran = crate::common::run_in(&bench.path("out"), &words);
        assert_eq!((ran.status, &*ran.err), (1, ""), "{command}: {ran:?}");
        let signature = cluster["signature"].as_str().expect("a signature");
        ran.prints(&["finding: ", signature]);
    }
}

#[test]
fn the_json_is_what_its_schema_says() {
    let bench = night();
    reported(&bench, "night", "out", 2);
    let schema = fs::read_to_string(repository().join("docs/report.schema.json"));
    let schema: Value = serde_json::from_str(&schema.expect("the schema")).expect("JSON");
    let report = json(&bench, "report.json");
    assert_eq!(json_schema::errors(&schema, &report), Vec::<String>::new());
    for (path, value, why) in [
        ("/clusters/0/race", "1".into(), "/clusters/0/race: is no"),
        (
            "/clusters/0/picture/steps/0/points",
            0.into(),
            "/points: is no",
        ),
        (
            "/clusters/0/picture/groups/0/rows/0/spans/0/state",
            "x".into(),
            "/state: \"x\" is none of",
        ),
        ("/version", Value::from(2), "/version: is not 1"),
    ] {
        let mut other = report.clone();
        *other.pointer_mut(path).expect("it is there") = value;
        let errors = json_schema::errors(&schema, &other).join("\n");
        assert!(errors.contains(why), "{path}: {errors}");
    }
}

/// Checks the rules of the SARIF standard for the parts that we use. `make report-check` validates
/// the file against the schema of SARIF.
#[test]
fn the_sarif_has_a_rule_for_each_invariant() {
    let bench = night();
    reported(&bench, "night", "out", 2);
    let log = json(&bench, "report.sarif");
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    let results = run["results"].as_array().expect("results");
    assert_eq!(results.len(), 3);
    for result in results {
        let index = result["ruleIndex"].as_u64().expect("an index") as usize;
        assert_eq!(rules[index]["id"], result["ruleId"], "{result}");
        let signature = result["properties"]["signature"]
            .as_str()
            .expect("a signature");
        let rule = result["ruleId"].as_str().expect("a rule");
        assert!(signature.starts_with(&format!("{rule}:")), "{signature}");
        let place = &result["locations"][0]["physicalLocation"];
        let file = place["artifactLocation"]["uri"].as_str().expect("a file");
        let line = place["region"]["startLine"].as_u64().expect("a line") as usize;
        let program = fs::read_to_string(bench.path("out").join(file)).expect("the program");
        let operation = program.lines().nth(line - 1).expect("the line is there");
        let word = signature.split(':').nth(1).expect("an operation");
        assert!(operation.contains(word), "{operation} {signature}");
    }
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    let notes = run["invocations"][0]["toolExecutionNotifications"].as_array();
    assert_eq!(notes.map(Vec::len), Some(1), "the unusable file");
}

/// Files whose names or texts are markup in one of the forms.
#[test]
#[cfg(unix)]
fn names_and_bytes_are_no_markup() {
    use std::os::unix::ffi::OsStrExt;
    let names: [&[u8]; 6] = [
        b"<script>alert(1)<!-- ",
        b"\"><img src=x onerror=alert(1)>",
        b"`|[a](javascript:b)\n# head",
        b"not-utf8-\xff\xfe",
        "turned-\u{202e}".as_bytes(),
        b"{0}[a](1)\x1b[31m",
    ];
    let bench = night();
    for name in names {
        let path = bench.path("night").join(std::ffi::OsStr::from_bytes(name));
        fs::copy(bench.path("night/gup-pin-zero-page.mm"), &path).expect("a copy");
        let bad = [name, b".mm"].concat();
        let path = bench.path("night").join(std::ffi::OsStr::from_bytes(&bad));
        fs::write(&path, "</td><b>`wrte` [a](b)|").expect("a text");
    }
    bench.write(
        "night/longer",
        "mmap p0 0 1 r\npin p0 0 r\n# <b>a remark</b>",
    );
    let ran = bench.run(&["report", "night", "-o", "out", "--zoo", BUGS]);
    assert_eq!((ran.status, &*ran.err), (2, ""), "{ran:?}");

    let html = read(&bench, "report.html");
    for smuggled in [
        "<img",
        "<b>`",
        "<!-- ",
        "onerror=alert(1)>",
        "\u{202e}",
        "\u{1b}",
    ] {
        assert!(!html.contains(smuggled), "{smuggled:?}");
    }
    assert_eq!(html.matches("<script>").count(), 1);
    for shown in [
        "&lt;script&gt;alert(1)&lt;!-- ",
        r"not-utf8-\xff\xfe",
        r"\n# head",
        r"turned-\u{202e}",
    ] {
        assert!(html.contains(shown), "{shown}");
    }
    let md = read(&bench, "report.md");
    assert!(!md.contains("\n# head") && !md.contains('\u{1b}'), "{md}");
    // Names are in code spans. If a name has backticks, the fence is longer.
    let outside: String = outside_of_code(&md);
    for smuggled in ["<", "javascript", "alert", "](b)"] {
        assert!(!outside.contains(smuggled), "{smuggled}: {outside}");
    }
    let sarif = json(&bench, "report.sarif");
    let text = sarif.to_string();
    let related = sarif
        .pointer("/runs/0/results/0/relatedLocations")
        .expect("locations");
    let uris: BTreeSet<&str> = related
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|place| {
            place
                .pointer("/physicalLocation/artifactLocation/uri")?
                .as_str()
        })
        .collect();
    assert!(uris.contains("night/not-utf8-%FF%FE"), "{uris:?}");
    assert!(
        uris.contains("night/%3Cscript%3Ealert%281%29%3C%21--%20"),
        "{uris:?}"
    );
    assert!(
        !text.contains("[a](1)") && text.contains(r"\\[a\\](1)"),
        "{text}"
    );
}

/// Markdown without its code spans and blocks.
fn outside_of_code(md: &str) -> String {
    let mut out = String::new();
    let mut rest = md;
    while let Some(start) = rest.find('`') {
        out.push_str(&rest[..start]);
        let after = &rest[start..];
        let fence = after.len() - after.trim_start_matches('`').len();
        let body = &after[fence..];
        let mut from = 0;
        // A span ends at a run of exactly as many backticks.
        let end = loop {
            let at = from + body[from..].find('`').expect("every span ends");
            let run = body[at..].len() - body[at..].trim_start_matches('`').len();
            if run == fence {
                break at + run;
            }
            from = at + run;
        };
        rest = &body[end..];
    }
    out + rest
}

#[test]
fn the_page_needs_nothing_and_runs_nothing_else() {
    let bench = night();
    reported(&bench, "night", "out", 2);
    let html = read(&bench, "report.html");
    for outside in ["http:", "https:", "src=", "@import", "<link", "url(h"] {
        assert!(!html.contains(outside), "{outside}");
    }
    let (_, script) = html.split_once("<script>").expect("a script");
    let (script, _) = script.split_once("</script>").expect("its end");
    bench.write("script", script);
    let output = std::process::Command::new("sha256sum")
        .arg(bench.path("script"))
        .output();
    let output = String::from_utf8(output.expect("sha256sum runs").stdout).expect("text");
    let hash: Vec<u8> = (0..32)
        .map(|i| u8::from_str_radix(&output[2 * i..2 * i + 2], 16).expect("hex"))
        .collect();
    let policy = format!("script-src 'sha256-{}'", base64(&hash));
    // maud does not escape single quotes.
    assert!(
        html.contains(&policy),
        "SCRIPT_HASH in report/html.rs is to be {}",
        base64(&hash)
    );
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let mut word = [0; 4];
        word[1..=chunk.len()].copy_from_slice(chunk);
        let word = u32::from_be_bytes(word);
        for i in 0..=chunk.len() {
            out.push(char::from(DIGITS[(word >> (18 - 6 * i)) as usize & 63]));
        }
    }
    while !out.len().is_multiple_of(4) {
        out.push('=');
    }
    out
}

#[test]
fn a_second_run_adds_and_marks_what_is_new() {
    let bench = night();
    let bugs = format!("{BUGS},collapse-no-notifier");
    bench.run(&["report", "night", "-o", "out", "--zoo", &bugs]);
    assert!(!read(&bench, "report.html").contains(">new</span>"));
    bench.write(
        "more/a.mm",
        "mmap p0 0 1 r\ndev-read d0 p0 0\nmunmap p0 0 1\n",
    );
    let ran = bench.run(&["report", "more", "-o", "out", "--zoo", &bugs]);
    ran.prints(&["report: 4 clusters in 5 files", "; 1 cluster new\n"]);
    assert_eq!(
        read(&bench, "report.html").matches(">new</span>").count(),
        2
    );
    let states = json(&bench, "report.sarif");
    let states = states
        .pointer("/runs/0/results")
        .expect("results")
        .as_array()
        .expect("a list");
    let new = states
        .iter()
        .filter(|result| result["baselineState"] == "new");
    assert_eq!(new.count(), 1);
    // A program that no longer does what it did must not be shown as a finding. Here no bug is put
    // back, as if the core had been fixed.
    let made = json(&bench, "clusters.json");
    let made_with = made["settings"].as_str().expect("words").to_owned();
    let mended = made.to_string().replace(&made_with, "with bugs []");
    bench.write("out/clusters.json", mended);
    let ran = bench.run(&["report", "more", "-o", "out"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(read(&bench, "report.md").contains("the program passes"));
}

#[test]
fn the_folder_of_the_report_is_not_reported_on() {
    let bench = night();
    for _ in 0..2 {
        let title = reported(&bench, "night", "night/out", 2);
        assert_eq!(title, "3 clusters in 5 files");
    }
}

#[test]
fn the_result_does_not_depend_on_jobs() {
    let bench = night();
    let mut reports = Vec::new();
    for jobs in [1, 3] {
        reported(&bench, "night", "out", jobs);
        reports.push(FORMS.map(|form| read(&bench, form)));
        fs::remove_dir_all(bench.path("out")).expect("it goes");
    }
    assert_eq!(reports[0], reports[1]);
}

#[test]
fn no_findings_are_a_report_too() {
    let bench = Bench::new();
    bench.write("good/a.mm", "mmap p0 0 1 rw\n");
    let ran = bench.run(&["report", "good", "-o", "out"]);
    assert_eq!((ran.status, &*ran.err), (0, ""), "{ran:?}");
    ran.prints(&["report: 0 clusters in 1 file: 0 with a finding, 1 passed, 0 unusable"]);
    for form in FORMS {
        assert!(bench.path("out").join(form).is_file(), "{form}");
    }
}
