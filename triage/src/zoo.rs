//! `zoo`: every historical bug against its witness. With the bug on, the oracle of the table must
//! speak; with it off, none.

use crate::Status;
use crate::args::Zoo;
use std::io::{self, Write};

/// Why a build has no bugs.
#[cfg(not(feature = "zoo"))]
pub const ABSENT: &str = "this build has no historical bugs; build it with --features zoo";

/// Says that this build has no zoo.
#[cfg(not(feature = "zoo"))]
pub fn command(_: &Zoo, _: &mut dyn Write) -> io::Result<Status> {
    Ok(Status::unusable(format_args!("zoo: {ABSENT}")))
}

#[cfg(feature = "zoo")]
pub use names::parse;
#[cfg(feature = "zoo")]
pub use table::command;

#[cfg(feature = "zoo")]
mod names {
    use mm_fuzz::zoo::{self, TABLE, Zoo};

    /// Switches for a list of names, with commas between them.
    ///
    /// # Errors
    /// A sentence that names the unknown one and those that are like it.
    pub fn parse(names: &str) -> Result<Zoo, String> {
        let mut each = names.split(',').map(str::trim);
        match each.find(|name| !name.is_empty() && zoo::find(name).is_none()) {
            Some(unknown) => Err(refusal(unknown)),
            None => zoo::parse(names),
        }
    }

    fn refusal(unknown: &str) -> String {
        let hint = match &like(unknown)[..] {
            [] => String::new(),
            [one] => format!("did you mean {one}? "),
            [others @ .., last] => format!("did you mean {} or {last}? ", others.join(", ")),
        };
        format!("no bug is called \"{unknown}\"; {hint}mm-triage zoo lists all of them")
    }

    /// At most three names, those with this one in them before others that are like it.
    fn like(unknown: &str) -> Vec<&'static str> {
        let likeness = |slug: &str| {
            if slug.contains(unknown) {
                1.0
            } else {
                strsim::jaro_winkler(slug, unknown)
            }
        };
        let slugs = TABLE.iter().map(|entry| entry.slug);
        let mut like: Vec<_> = slugs
            .map(|slug| (likeness(slug), slug))
            .filter(|(likeness, _)| *likeness > 0.75)
            .collect();
        // stable: of those that are equally like it, the first in the table
        like.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        like.into_iter().take(3).map(|(_, slug)| slug).collect()
    }

    #[cfg(test)]
    mod tests {
        use super::parse;

        fn refused(names: &str) -> String {
            parse(names).expect_err("no bug has this name")
        }

        #[test]
        fn a_name_with_a_slip_is_recognized() {
            let said = refused("dirty-cow,ttu-subpage-from-swp-pte");
            assert!(
                said.starts_with(
                    "no bug is called \"ttu-subpage-from-swp-pte\"; did you mean ttu-subpage-from-swap-pte"
                ),
                "{said}"
            );
        }

        #[test]
        fn a_part_of_a_name_is_recognized() {
            assert!(refused("subpage").contains("mean ttu-subpage-from-swap-pte"));
        }

        #[test]
        fn what_is_like_none_gets_no_suggestion() {
            let said = refused("0123456789");
            assert_eq!(
                said,
                "no bug is called \"0123456789\"; mm-triage zoo lists all of them"
            );
        }

        #[test]
        fn blanks_and_empty_names_count_for_nothing() {
            parse(" dirty-cow , ,").expect("one bug");
        }
    }
}

#[cfg(feature = "zoo")]
mod table {
    use super::{Status, Write, Zoo, io};
    use crate::names::shown;
    use crate::run::{self, Bugs, Ended};
    use crate::style::Style;
    use crate::{corpus, input};
    use mm_fuzz::program::Program;
    use mm_fuzz::zoo::{self, Entry, TABLE};
    use serde::Serialize;
    use std::path::Path;

    /// What a run of a witness says.
    const PASS: &str = "pass";
    /// Nothing to run.
    const NOTHING: &str = "-";

    /// A bug and its witness.
    struct Row {
        entry: &'static Entry,
        /// The oracle that speaks with the bug on.
        found: String,
        /// The oracle that speaks with the bug off.
        off: String,
    }

    impl Row {
        fn is_ok(&self) -> bool {
            self.found == self.entry.oracle && self.off == PASS
        }
    }

    /// Runs every bug of the table and prints a row for each.
    pub fn command(args: &Zoo, out: &mut dyn Write) -> io::Result<Status> {
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

    fn row(entry: &'static Entry, dir: &Path) -> Row {
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
        // in the order of a person's interest, which a map would not keep
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
