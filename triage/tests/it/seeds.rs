//! Wire files that `seeds` has made of text programs decode to the same programs.

use crate::common::Bench;
use mm_fuzz::program::{text, wire};
use mm_triage::seeds::{self, SeedsArgs};
use mm_triage::{Status, input};
use std::fs;
use std::path::{Path, PathBuf};

/// Arguments that write all programs of a corpus into a folder.
fn into(outdir: &Path, corpus: Option<PathBuf>) -> SeedsArgs {
    SeedsArgs {
        outdir: outdir.to_owned(),
        max_threads: 4,
        without_zoo: false,
        json: false,
        corpus,
    }
}

#[test]
fn text_to_seeds_to_text_is_loss_free() {
    let bench = Bench::new();
    let one = "mmap p0 4 8 rw\nmigrate p0 4 8 d1 skip=0x05\n";
    let two = "geometry x86-64\nthreads 2\npreempt 17 t1\nmmap p0 4 8 rw\nt1: write p0 4\n";
    bench.write("corpus/seeds/one.mm", format!("# a comment\n\n{one}"));
    bench.write("corpus/zoo/two.mm", two);
    bench.write("corpus/regress/one.mm", "fork p0\n");
    bench.write("corpus/seeds/README", "not a program");
    bench.write("Cargo.toml", "");
    let ran = bench.run(&["seeds", "out/of/it"]);
    assert_eq!((ran.status, &*ran.err), (0, ""), "{ran:?}");
    assert_eq!(ran.out, "seeds: 3 programs in out/of/it\n");
    let ran = bench.run(&["seeds", "--json", "out/of/it"]);
    assert_eq!(
        ran.out,
        "{\"empty\":0,\"folder\":\"out/of/it\",\"programs\":3}\n"
    );
    let mut names: Vec<String> = fs::read_dir(bench.path("out/of/it"))
        .expect("the folder is there")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .collect();
    names.sort();
    let mut texts = Vec::new();
    for name in &names {
        let path = format!("out/of/it/{name}");
        let bytes = fs::read(bench.path(&path)).expect("a wire file");
        assert_eq!(wire::check(&bytes), Ok(()), "{name}");
        texts.push(wire::decode(&bytes).to_string());
    }
    assert_eq!(names.len(), 3);
    assert!(
        names[0].starts_with("one-") && names[2].starts_with("two-"),
        "{names:?}"
    );
    texts.sort();
    let mut expected = [one, two, "fork p0\n"].map(str::to_owned);
    expected.sort();
    assert_eq!(texts, expected);
}

#[test]
fn programs_of_many_threads_are_left_out() {
    let bench = Bench::new();
    bench.write("corpus/seeds/one.mm", "fork p0\n");
    bench.write("corpus/seeds/two.mm", "threads 2\nfork p0\n");
    bench.write("corpus/seeds/three.mm", "threads 3\nfork p0\n");
    for (max_threads, count) in [(1, "1 program "), (2, "2 programs "), (4, "3 programs ")] {
        let outdir = bench.path(&max_threads.to_string());
        let mut out = Vec::new();
        let args = SeedsArgs {
            max_threads,
            ..into(&outdir, Some(bench.path("corpus")))
        };
        let status = seeds::command(&args, &mut out).expect("it is written");
        let out = String::from_utf8(out).expect("text");
        assert!(status == Status::Pass && out.contains(count), "{out}");
        let written = fs::read_dir(outdir).expect("the folder is there");
        assert!(count.starts_with(&written.count().to_string()));
    }
}

#[test]
fn the_text_of_a_text_is_canonical() {
    let bench = Bench::new();
    bench.write(
        "a.mm",
        "threads 2 # two\n\n  t0:   read p0 4\nt1: fork p0\n",
    );
    let read = input::load(&bench.path("a.mm"), None).expect("a program");
    let text = read.program.to_string();
    assert_eq!(text, "threads 2\nread p0 4\nt1: fork p0\n");
    assert_eq!(text::parse(&text), Ok(read.program));
}

/// The corpus is that of the repository around the working folder, which is triage/.
#[test]
fn the_repository_corpus_is_all_usable() {
    let bench = Bench::new();
    let args = into(&bench.path("out"), None);
    let status = seeds::command(&args, &mut Vec::new()).expect("it is written");
    assert_eq!(status, Status::Pass);
}
