//! The documentation agrees with the code.
//!
//! The pages of the zoo and of the invariants, the table of make targets, and the tables of the
//! judge are generated. With `MMFUZZ_BLESS=1` these tests write them. The other tests check that
//! the examples of the pages run, and that the commands and paths on the pages exist.
#![cfg(feature = "zoo")]

use crate::common::{Bench, repository, run_in};
use mm_fuzz::invariant::{self, Exemption, Family, Invariant};
use mm_fuzz::zoo::{BugInfo, TABLE};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

/// The README and all pages of docs/.
fn pages() -> Vec<String> {
    let docs = fs::read_dir(repository().join("docs")).expect("the pages");
    let docs = docs.map(|entry| {
        entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("a name")
    });
    let docs = docs.filter(|name| name.ends_with(".md"));
    let mut pages: Vec<String> = docs.map(|name| format!("docs/{name}")).collect();
    pages.extend(["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(str::to_owned));
    pages.sort();
    pages
}

/// The width of prose, in characters; `wrapping.rs` checks it.
const WIDTH: usize = 100;

/// Breaks a text into lines of at most `WIDTH` characters. The first line begins with `first`, and
/// the other lines are indented by the length of `first`.
fn wrapped(first: &str, text: &str) -> String {
    let indent = " ".repeat(first.len());
    let (mut page, mut line) = (String::new(), first.to_owned());
    let mut is_empty = true;
    for word in text.split(' ') {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            page += &format!("{line}\n");
            line.clone_from(&indent);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line += word;
        is_empty = false;
    }
    page + &line + "\n"
}

/// The page with all commands.
const COMMANDS: &str = "docs/commands.md";

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Compares a page with its expected text, or writes it with `MMFUZZ_BLESS`.
fn compare(path: &str, expected: &str) {
    let file = repository().join(path);
    let differs = || fs::read_to_string(&file).ok().as_deref() != Some(expected);
    if std::env::var_os("MMFUZZ_BLESS").is_some() && differs() {
        fs::write(&file, expected).expect("the page is written");
    }
    assert!(
        !differs(),
        "{path} has drifted; MMFUZZ_BLESS=1 cargo test -p mm-triage --test it docs writes it"
    );
}

/// The root-cause classes of the zoo.
const CLASSES: [(&str, &str); 14] = [
    (
        "K1",
        "Format confusion: an accessor of present entries is applied to a non-present one, or the reverse.",
    ),
    (
        "K2",
        "A walk of the reverse map finds other entries than a scan of all page tables.",
    ),
    (
        "K3",
        "A bit (write, dirty, young, soft-dirty, uffd-wp, exclusive) is lost or invented when an entry is rewritten.",
    ),
    (
        "K4",
        "A reference, count or lock is taken and not released on one path.",
    ),
    (
        "K5",
        "A page's own fields (mapping, index, owner, charge) are stale when it is reused.",
    ),
    (
        "K6",
        "Something is used after the lock or reference that kept it valid has gone.",
    ),
    (
        "K7",
        "The order of locks, or of a TLB flush and a lock, is wrong.",
    ),
    (
        "K8",
        "The contract of mmu notifiers is broken: a device may map only what the CPU maps.",
    ),
    ("K9", "The counters or chains of anon_vmas are wrong."),
    (
        "K10",
        "An operation that fails does not leave the state as it was.",
    ),
    (
        "K11",
        "No progress: a retry without sleeping, or a wait for something that the waiter itself blocks.",
    ),
    (
        "K12",
        "Copy-on-write and exclusivity: a page that is written is not the writer's own, or a pin loses its page.",
    ),
    (
        "K13",
        "The zero page is treated as an ordinary page, or its contents are not kept.",
    ),
    ("K14", "A reader of page tables forgets a kind of entry."),
];

/// Bugs of this part of Linux that are not in the table, and why.
const LEFT_OUT: [(&str, &str, &str); 16] = [
    (
        "mremap-rmap-lock-normal-pmd",
        "97113eb39fa7, 6fa1066fc5d0",
        "`move_page_tables` moves entry by entry; a table never moves as a whole",
    ),
    ("mseal-merge-end", "2697dd8ae721", "there is no `mseal`"),
    (
        "numa-hint-cow",
        "80d47f5de5e3",
        "there is one node and no NUMA balancing",
    ),
    (
        "uffd-move-pinned",
        "d7a08838ab74, c0205eaf3af9",
        "there is no `UFFDIO_MOVE`",
    ),
    (
        "unmap-nr-pages-stale",
        "3f8968e9cbf9",
        "the bug needs a device-exclusive entry that follows a batch of entries of the same folio; only a clean, lazily freed folio is unmapped in batches, and a folio with a device-exclusive entry is dirty",
    ),
    (
        "excl-folio-walk",
        "438354724f69",
        "`make_device_exclusive` follows the newer version, which walks no reverse map",
    ),
    (
        "zap-warn-vma-anon",
        "be3f38d05cc5",
        "there are no file mappings, so no file mapping has anonymous pages",
    ),
    (
        "testhmm-close-dangling",
        "744dd97752ef",
        "device and driver live as long as the machine; `release` evicts pages as a driver should",
    ),
    (
        "uffd-mustwait-nonpresent",
        "8e80af52db65",
        "a fault that meets write protection ends the access with an outcome of its own; nobody waits for a userfaultfd",
    ),
    (
        "migwait-no-pageref",
        "ffa65753c431",
        "a waiter drops its reference when it goes to sleep, so the missing reference would show at one scheduling point only; `migwait-holds-ref` has the opposite mistake",
    ),
    (
        "s390-unused-bit",
        "d4bb00704a66",
        "the entries are those of x86-64",
    ),
    (
        "latent-exclusive-referenced",
        "no fix known",
        "pages are not aged: there is no `folio_referenced`",
    ),
    (
        "notifier-end-invalidate",
        "ec8832d007cb",
        "a device has a page table, but no TLB of its own",
    ),
    (
        "gup-migrate-lru-check",
        "98c6d259319e",
        "LRU batches hold references only during a fault: one to a page that was just read from swap; if the VMA is mlocked, one to a page from the swap cache",
    ),
    (
        "interval-notifier-remove-race",
        "319561669a59",
        "interval notifiers live as long as the address space",
    ),
    (
        "hmm-notifier-uaf",
        "6d7c3cde93c1",
        "the model has no `struct hmm`, which Linux had in 2019; a mirror lives as long as the address space",
    ),
];

fn zoo_page() -> String {
    let row = |entry: &BugInfo| {
        format!(
            "| `{0}` | {1} | {2} | {3} | `{4}` | {5} | [program](../corpus/zoo/{0}.mm) |\n",
            entry.slug, entry.commit, entry.class, entry.threads, entry.oracle, entry.what
        )
    };
    let used = |class: &&(&str, &str)| TABLE.iter().any(|entry| entry.class == class.0);
    let classes = CLASSES.iter().filter(used);
    let classes: String = classes
        .map(|(class, rule)| format!("| {class} | {rule} |\n"))
        .collect();
    let rows: String = TABLE.iter().map(row).collect();
    let left_out = LEFT_OUT.iter();
    let left_out: String = left_out
        .map(|(slug, commit, why)| format!("| `{slug}` | {commit} | {why} |\n"))
        .collect();
    format!(
        "# The zoo\n\
        \n\
        <!-- Generated from core/src/zoo/table.rs and fuzz/src/zoo.rs by triage/tests/it/docs.rs: MMFUZZ_BLESS=1 cargo test -p mm-triage --test it docs -->\n\
        \n\
        Each of these {} bugs can be switched on, at the place in `core` that corresponds to its place in\n\
        Linux. `make fuzz ZOO=bug` fuzzes with a bug. `make zoo` runs each bug's witness, a short program in\n\
        `corpus/zoo/`, twice. With the bug on, the oracle of this table must object. With the bug off, no\n\
        oracle may object.\n\
        \n\
        \"Here\" in a row says how the model's form of the bug differs from Linux's. \"At the lowest level\"\n\
        means in a page-table entry, not in a huge one.\n\
        \n\
        *Fixed by* is the kernel commit that fixed the bug, or whatever else is known. *Threads* is the\n\
        number of threads that a program needs to show the bug.\n\
        \n\
        | bug | fixed by | class | threads | oracle | what is broken | witness |\n\
        |---|---|---|---|---|---|---|\n\
        {rows}\n\
        ## Classes\n\
        \n\
        | class | what goes wrong |\n\
        |---|---|\n\
        {classes}\n\
        ## What the model cannot express\n\
        \n\
        | bug | fixed by | why it is not above |\n\
        |---|---|---|\n\
        {left_out}",
        TABLE.len()
    )
}

#[test]
fn the_page_of_the_zoo_is_the_table() {
    for entry in TABLE {
        assert!(
            CLASSES.iter().any(|(class, _)| *class == entry.class),
            "{}",
            entry.slug
        );
    }
    for (slug, ..) in LEFT_OUT {
        assert!(TABLE.iter().all(|entry| entry.slug != slug), "{slug}");
    }
    compare("docs/zoo.md", &zoo_page());
}

/// The targets and what they do, as `make help` prints them.
fn make_help() -> Vec<(String, String)> {
    let output = Command::new("make")
        .args(["--no-print-directory", "help"])
        .current_dir(repository())
        .env_remove("MAKEFLAGS")
        .env_remove("MFLAGS")
        .env_remove("MAKELEVEL")
        .output()
        .expect("make runs");
    assert!(output.status.success(), "{output:?}");
    let help = String::from_utf8(output.stdout).expect("help is text");
    let targets = help.lines().map(|line| {
        let rest = line.strip_prefix("make ").expect("a target");
        let (name, what) = rest.split_once(' ').expect("what it does");
        (name.to_owned(), what.trim_start().to_owned())
    });
    targets.collect()
}

/// The page has the same commands as the program.
#[test]
fn every_command_of_mm_triage_has_a_row() {
    let page = read(COMMANDS);
    let (_, rows, _) = between(&page, "## mm-triage\n", "\n## ");
    let rows = rows.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows: BTreeSet<&str> = rows.filter_map(|line| line.split('`').next()).collect();
    let help = Bench::new().run(&["--help"]);
    let (_, commands, _) = between(&help.out, "Commands:\n", "\n\n");
    let commands = commands
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let commands: BTreeSet<&str> = commands.filter(|name| *name != "help").collect();
    assert_eq!(rows, commands);
}

/// The part of a page between two lines, and the parts before and after it.
fn between<'a>(page: &'a str, begin: &str, end: &str) -> (&'a str, &'a str, &'a str) {
    let from = page.find(begin).unwrap_or_else(|| panic!("no {begin}")) + begin.len();
    let len = page[from..]
        .find(end)
        .unwrap_or_else(|| panic!("no {end} after {begin}"));
    (&page[..from], &page[from..from + len], &page[from + len..])
}

#[test]
fn the_table_of_make_targets_is_make_help() {
    let page = read(COMMANDS);
    let (before, _, after) = between(&page, "<!-- make help -->\n", "<!-- end -->");
    let row = |(name, what): &(String, String)| {
        format!("| `make {name}` | {} |\n", what.replace('|', "\\|"))
    };
    let rows: String = make_help().iter().map(row).collect();
    let expected = format!("{before}| command | what it does |\n|---|---|\n{rows}{after}");
    compare(COMMANDS, &expected);
}

#[allow(dead_code, reason = "only its table is for the page")]
#[path = "../../src/linux/known.rs"]
mod known;

#[test]
fn the_tables_of_the_judge_are_those_of_the_code() {
    let path = "docs/linux.md";
    let page = read(path);
    let rule = |rule: &mm_core::Rule| {
        let mm_core::Rule {
            name,
            since,
            function,
            what,
        } = rule;
        format!("| `{name}` | {} | `{function}` | {what} |\n", since.name())
    };
    let rules: String = mm_core::RULES.iter().map(rule).collect();
    let kernels = |bug: &known::KnownBug| match (bug.kernels.start, bug.kernels.end) {
        (known::FIRST, known::OPEN) => "all".to_owned(),
        (known::FIRST, (major, minor)) => format!("before {major}.{minor}"),
        ((major, minor), known::OPEN) => format!("since {major}.{minor}"),
        (from, to) => format!("{}.{} to before {}.{}", from.0, from.1, to.0, to.1),
    };
    let bug = |bug: &known::KnownBug| {
        format!("| `{}` | {} | {} |\n", bug.name, kernels(bug), bug.evidence)
    };
    let bugs: String = known::KNOWN_BUGS.iter().map(bug).collect();
    let with = |page: &str, mark: &str, table: String| {
        let (before, _, after) = between(page, &format!("<!-- {mark} -->\n"), "<!-- end -->");
        format!("{before}{table}{after}")
    };
    let rules = format!("| rule | since | kernel function | what |\n|---|---|---|---|\n{rules}");
    let bugs = format!("| bug of the zoo | kernels | evidence |\n|---|---|---|\n{bugs}");
    compare(
        path,
        &with(&with(&page, "rules", rules), "known bugs", bugs),
    );
}

/// The text in backquotes outside of blocks, and the lines of the blocks.
fn code(page: &str) -> (Vec<&str>, Vec<&str>) {
    let (mut spans, mut lines, mut inside) = (Vec::new(), Vec::new(), false);
    for line in page.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside {
            lines.push(line);
        } else {
            spans.extend(line.split('`').skip(1).step_by(2));
        }
    }
    assert!(!inside, "a block has no end");
    (spans, lines)
}

#[test]
fn every_make_command_exists() {
    let targets: BTreeSet<String> = make_help().into_iter().map(|(name, _)| name).collect();
    for path in pages() {
        let page = read(&path);
        let (spans, lines) = code(&page);
        for text in spans.iter().chain(&lines) {
            let command = text.trim_start_matches("$ ").strip_prefix("make ");
            let words = command.into_iter().flat_map(str::split_whitespace);
            let words = words.take_while(|word| !word.starts_with(['#', ';']));
            for target in words.filter(|word| !word.contains('=')) {
                assert!(targets.contains(target), "{path}: make {target}");
            }
        }
    }
}

/// Whether a page may mention this name with a slash although it is no file of the repository. This
/// holds for ignored files, for paths of Linux's sources, of `/proc`, `/sys` and `/dev`, for
/// invariants, and for the text of EIO.
fn is_elsewhere(name: &str) -> bool {
    let invariants = || Invariant::named(name).is_some();
    let ignored = read(".gitignore");
    let mut ignored = ignored.lines().map(|line| line.trim_start_matches('/'));
    ignored.any(|folder| name.starts_with(folder))
        || [
            "mm/",
            "arch/",
            "block/",
            "drivers/",
            "lib/",
            "fs/",
            "net/",
            "include/linux/",
            "kernel/",
            "ipc/",
            "io_uring/",
            "/proc/",
            "/sys/",
            "/dev/",
        ]
        .iter()
        .any(|dir| name.starts_with(dir))
        || invariants()
        || name == "Input/output"
}

#[test]
fn every_path_exists() {
    for path in pages() {
        let page = read(&path);
        let folder = repository().join(&path);
        let folder = folder.parent().expect("a page is in a folder");
        let links = page.split("](").skip(1);
        let links = links.filter_map(|rest| rest.split([')', '#']).next());
        for link in links.filter(|link| !link.is_empty() && !link.contains("://")) {
            assert!(folder.join(link).exists(), "{path}: link to {link}");
        }
        let is_path = |word: &&str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
            let suffix = [".rs", ".md", ".mm", ".toml", ".dict"];
            word.chars().all(plain)
                && (word.contains('/') || suffix.iter().any(|s| word.ends_with(s)))
                && !suffix.contains(word)
        };
        let (spans, lines) = code(&page);
        let words = spans.iter().chain(&lines);
        let words = words.flat_map(|text| text.split_whitespace());
        for word in words.filter(is_path) {
            let exists = repository().join(word).exists() || folder.join(word).exists();
            assert!(exists || is_elsewhere(word), "{path}: {word}");
        }
    }
}

#[test]
fn no_page_knows_this_machine() {
    for path in pages() {
        let page = read(&path);
        let here = env!("CARGO_MANIFEST_DIR").trim_end_matches("triage");
        for place in ["/home/", "/tmp/", here] {
            assert!(!page.contains(place), "{path}: {place}");
        }
    }
}

#[test]
fn the_readme_leads_to_every_page() {
    let readme = read("README.md");
    for path in pages().iter().filter(|path| *path != "README.md") {
        assert!(readme.contains(&format!("]({path})")), "{path}");
    }
}

/// Runs the example program of the page.
#[test]
fn the_example_of_the_commands_runs() {
    let page = read(COMMANDS);
    let (_, program, _) = between(&page, "```mm\n", "```");
    let bench = Bench::new();
    bench.write("example.mm", program);
    let ran = bench.run(&["replay", "example.mm"]);
    assert_eq!((ran.status, &*ran.err), (0, ""), "{ran:?}");
}

/// Each line of the transcript is printed, in this order. A line with an ellipsis stands for a cut.
#[test]
fn the_transcript_of_the_readme_is_what_replay_prints() {
    let readme = read("README.md");
    let command = "$ cargo run --release -p mm-triage -- ";
    let (_, transcript, _) = between(&readme, command, "```");
    let (args, shown) = transcript.split_once('\n').expect("lines");
    let args: Vec<&str> = args.split_whitespace().collect();
    let ran = run_in(repository(), &args);
    assert_eq!((ran.status, &*ran.err), (1, ""), "{ran:?}");
    let mut printed = ran.out.lines();
    for line in shown.lines().filter(|line| line.trim() != "…") {
        assert!(
            printed.any(|p| p == line),
            "replay does not print this line, or prints it at another place: {line:?}\n{}",
            ran.out
        );
    }
}

/// The page of the invariants, by family.
fn invariants_page() -> String {
    let mut page = "# Invariants\n\n\
        <!-- Generated from fuzz/src/invariant/table.rs by triage/tests/it/docs.rs: MMFUZZ_BLESS=1 cargo test -p mm-triage --test it docs -->\n\n"
        .to_owned();
    page += &wrapped(
        "",
        "Each oracle states one invariant. A finding names the invariant, the operation that ran, and the \
         state of the page. `fuzz/src/oracle` has the checks, in a file for each family; \
         `fuzz/src/invariant/table.rs` has the table. *Concerns* lists the kinds of change that can break an \
         invariant. *Ways* are the kinds of breach that clusters distinguish. Each exemption has its \
         reason.",
    );
    for family in Family::ALL {
        let (about, not_checked) = family.about();
        page += &format!(
            "\n## {family}\n\n{}\n| invariant | what holds | concerns | ways |\n|---|---|---|---|\n",
            wrapped("", about)
        );
        let rows = || invariant::TABLE.iter().filter(|row| row.family == family);
        for row in rows() {
            let ways = row.ways.iter().map(|way| format!("`{way}`"));
            let ways: Vec<String> = ways.collect();
            page += &format!(
                "| `{}` | {} | {} | {} |\n",
                row.invariant,
                row.holds,
                row.concerned,
                ways.join(", ")
            );
        }
        let exempt = rows().flat_map(|row| row.exempt.iter().map(move |case| (row, case)));
        let exempt: String = exempt
            .map(|(row, Exemption { what, why })| {
                format!("| `{}` | {what} | {why} |\n", row.invariant)
            })
            .collect();
        if !exempt.is_empty() {
            page += &format!("\n| exempt from | what | why |\n|---|---|---|\n{exempt}");
        }
        let not_checked = not_checked.iter().map(|what| wrapped("- ", what));
        let not_checked: String = not_checked.collect();
        page += &format!("\nNot checked:\n\n{not_checked}");
    }
    page
}

#[test]
fn the_page_of_the_invariants_is_the_table() {
    compare("docs/invariants.md", &invariants_page());
    for entry in TABLE {
        assert!(Invariant::named(entry.oracle).is_some(), "{}", entry.oracle);
    }
}

#[test]
fn each_bug_has_its_times() {
    let page = read("docs/times.md");
    let rows: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let slugs: Vec<&str> = TABLE.iter().map(|entry| entry.slug).collect();
    assert_eq!(rows, slugs, "run make times");
}
