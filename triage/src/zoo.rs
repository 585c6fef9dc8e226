//! `zoo`: runs the witness of every historical bug. With the bug on, the oracle that the table
//! names must object. With the bug off, no oracle may object.

use crate::Status;
use std::io::{self, Write};
use std::path::PathBuf;

/// Arguments of `zoo`.
#[derive(Debug, clap::Args)]
pub struct ZooArgs {
    /// Print one JSON object for each bug, and one with the sums
    #[arg(long)]
    pub json: bool,
    /// The corpus [default: corpus/ of the repository that the working folder is in]
    #[arg(long, value_name = "DIR")]
    pub corpus: Option<PathBuf>,
}

/// Says that this build has no zoo.
#[cfg(not(feature = "zoo"))]
pub fn command(_: &ZooArgs, _: &mut dyn Write) -> io::Result<Status> {
    Ok(Status::unusable(format_args!(
        "zoo: {}",
        crate::bugs::ABSENT
    )))
}

#[cfg(feature = "zoo")]
pub use table::command;

#[cfg(feature = "zoo")]
mod table {
    use super::{Status, Write, ZooArgs, io};
    use crate::bugs::Bugs;
    use crate::names::shown;
    use crate::run::{self, Ended};
    use crate::style::Style;
    use crate::{corpus, input};
    use mm_fuzz::program::Program;
    use mm_fuzz::zoo::{self, BugInfo, TABLE};
    use serde::Serialize;
    use std::path::Path;

    /// The word for a run that passes.
    const PASS: &str = "pass";
    /// The word if there is no witness to run.
    const NOTHING: &str = "-";

    /// A bug and its witness.
    struct Row {
        entry: &'static BugInfo,
        /// The oracle that objects with the bug on, or [`PASS`], or why there is no witness.
        found: String,
        /// The oracle that objects with the bug off, or [`PASS`], or [`NOTHING`].
        off: String,
    }

    impl Row {
        fn is_ok(&self) -> bool {
            self.found == self.entry.oracle && self.off == PASS
        }
    }

    /// Runs every bug of the table, and prints a row for each.
    pub fn command(args: &ZooArgs, out: &mut dyn Write) -> io::Result<Status> {
        let witnesses = corpus::find(args.corpus.as_deref())
            .map(|corpus| corpus.join("zoo"))
            .and_then(|dir| Ok((corpus::programs(&dir)?, dir)));
        let (files, dir) = match witnesses {
            Ok(witnesses) => witnesses,
            Err(error) => return Ok(Status::unusable(error)),
        };
        let style = Style::of_stdout();
        if !args.json {
            writeln!(out, "{}", style.heading(columns(HEADINGS).trim_end()))?;
        }
        let mut ok = 0;
        for entry in TABLE {
            let row = row(entry, &dir);
            ok += usize::from(row.is_ok());
            writeln!(
                out,
                "{}",
                if args.json {
                    object(&row)
                } else {
                    line(&row, style)
                }
            )?;
        }
        let mut failed = TABLE.len() - ok;
        for file in files.iter().filter(|file| is_stray(file)) {
            failed += 1;
            crate::say(format_args!(
                "{}: no bug has this name; add it to core/src/zoo/table.rs, or move the file",
                shown(file)
            ));
        }
        let bugs = TABLE.len();
        if args.json {
            let sums = format!(r#"{{"bugs":{bugs},"ok":{ok},"failed":{failed}}}"#);
            writeln!(out, "{sums}")?;
        } else {
            writeln!(out, "zoo: bugs={bugs} ok={ok} failed={failed}")?;
        }
        Ok(if failed == 0 {
            Status::Pass
        } else {
            Status::Finding
        })
    }

    fn is_stray(file: &Path) -> bool {
        let slug = file.file_stem().and_then(|stem| stem.to_str());
        slug.is_none_or(|slug| zoo::find(slug).is_none())
    }

    fn row(entry: &'static BugInfo, dir: &Path) -> Row {
        let path = dir.join(format!("{}.mm", entry.slug));
        let (found, off) = match input::load(&path, None) {
            Ok(input) => (
                verdict(&input.program, &Bugs::only(entry.bug), false),
                verdict(&input.program, &Bugs::default(), true),
            ),
            Err(_) if !path.exists() => ("no witness".to_owned(), NOTHING.to_owned()),
            Err(error) => {
                Status::unusable(error);
                ("bad witness".to_owned(), NOTHING.to_owned())
            }
        };
        Row { entry, found, off }
    }

    fn verdict(program: &Program, bugs: &Bugs, thorough: bool) -> String {
        match run::run(program, bugs, thorough, &mut ()) {
            Ended::Pass { .. } => PASS.to_owned(),
            Ended::Found(found) => found.oracle,
        }
    }

    const HEADINGS: [&str; 6] = [
        "bug",
        "class",
        "commit",
        "oracle expected",
        "oracle found",
        "bug off",
    ];

    fn columns([slug, class, commit, expected, found, off]: [&str; 6]) -> String {
        format!("{slug:<32} {class:<5} {commit:<14} {expected:<32} {found:<32} {off:<8}")
    }

    fn line(row: &Row, style: Style) -> String {
        let entry = row.entry;
        let commit = cut(entry.commit, 14);
        let cells = columns([
            entry.slug,
            entry.class,
            &commit,
            entry.oracle,
            &row.found,
            &row.off,
        ]);
        let ok = if row.is_ok() {
            style.good("ok")
        } else {
            style.bad("FAIL")
        };
        format!("{cells} {ok}")
    }

    /// The text, with an ellipsis if it is longer than `width` characters.
    fn cut(text: &str, width: usize) -> String {
        if text.chars().count() <= width {
            return text.to_owned();
        }
        let head: String = text.chars().take(width - 1).collect();
        format!("{head}…")
    }

    fn object(row: &Row) -> String {
        // A struct keeps the order of its fields; a map would not.
        #[derive(Serialize)]
        struct Line<'a> {
            slug: &'a str,
            class: &'a str,
            commit: &'a str,
            threads: u8,
            expected: &'a str,
            found: &'a str,
            off: &'a str,
            ok: bool,
        }
        let entry = row.entry;
        let line = Line {
            slug: entry.slug,
            class: entry.class,
            commit: entry.commit,
            threads: entry.threads,
            expected: entry.oracle,
            found: &row.found,
            off: &row.off,
            ok: row.is_ok(),
        };
        serde_json::to_string(&line).unwrap_or_default()
    }
}
