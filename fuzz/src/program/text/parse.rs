//! The parser of the text form: line by line, word by word, without backtracking.

use super::super::op::{Op, OpKind, Source};
use super::super::operand::{Operand, OperandFault, parse_number};
use super::super::{
    Geometry, MAX_OPS, MAX_PREEMPTIONS, MAX_THREADS, Preemption, Program, Step, Thp,
    insert_preemption,
};
use super::{Fault, GEOMETRY, PREEMPT, THP, THREADS, TextError, quote};

/// Maximum length of a text, in bytes. A program of [`MAX_OPS`] operations takes a tenth of it.
pub const MAX_BYTES: usize = 128 * 1024;

/// The byte order mark that some editors put before a text. One mark is skipped, and columns count
/// from the character after it, as in these editors.
pub const BOM: &str = "\u{feff}";

/// Parses a text.
///
/// # Errors
///
/// The first mistake, with its line and column.
pub fn parse(text: &str) -> Result<Program, TextError> {
    let text = text.strip_prefix(BOM).unwrap_or(text);
    if text.len() > MAX_BYTES {
        return Err(TextError {
            line: 1,
            column: 1,
            fault: Fault::TooLong { bytes: text.len() },
        });
    }
    let mut parser = Parser::default();
    for (index, line) in text.lines().enumerate() {
        let mut words = Words::new(line);
        parser
            .line(&mut words)
            .map_err(|Misfit { column, fault }| TextError {
                line: index + 1,
                column,
                fault,
            })?;
    }
    Ok(parser.program)
}

/// A fault and its column; [`parse()`] adds the line.
struct Misfit {
    column: usize,
    fault: Fault,
}

/// The program so far.
#[derive(Default)]
struct Parser {
    program: Program,
    has_geometry: bool,
    has_thp: bool,
    has_threads: bool,
}

impl Parser {
    /// Parses a line.
    fn line(&mut self, words: &mut Words<'_>) -> Result<(), Misfit> {
        let Some(first) = words.next() else {
            return Ok(());
        };
        match first.text {
            GEOMETRY => self.geometry(first, words),
            THP => self.thp(first, words),
            THREADS => self.threads(first, words),
            PREEMPT => self.preemption(first, words),
            _ => self.step(first, words),
        }
    }

    fn geometry(&mut self, first: Word<'_>, words: &mut Words<'_>) -> Result<(), Misfit> {
        const ACCEPTS: &str = "tiny or x86-64";
        self.check_header(first, GEOMETRY, self.has_geometry)?;
        let word = words.required(GEOMETRY, ACCEPTS, || "geometry tiny".into())?;
        self.program.geometry = match word.text {
            "tiny" => Geometry::Tiny,
            "x86-64" => Geometry::X86_64,
            _ => return Err(word.misfit(GEOMETRY, OperandFault::Malformed, "", ACCEPTS)),
        };
        self.has_geometry = true;
        words.end(|| "geometry tiny|x86-64".into())
    }

    fn thp(&mut self, first: Word<'_>, words: &mut Words<'_>) -> Result<(), Misfit> {
        const ACCEPTS: &str = "never, always or madvise";
        self.check_header(first, THP, self.has_thp)?;
        let word = words.required(THP, ACCEPTS, || "thp always".into())?;
        self.program.thp = match word.text {
            "never" => Thp::Never,
            "always" => Thp::Always,
            "madvise" => Thp::Madvise,
            _ => return Err(word.misfit(THP, OperandFault::Malformed, "", ACCEPTS)),
        };
        self.has_thp = true;
        words.end(|| "thp never|always|madvise".into())
    }

    fn threads(&mut self, first: Word<'_>, words: &mut Words<'_>) -> Result<(), Misfit> {
        const WHAT: &str = "number of threads";
        const ACCEPTS: &str = "1 to 4";
        self.check_header(first, THREADS, self.has_threads)?;
        let word = words.required(WHAT, ACCEPTS, || "threads 2".into())?;
        self.program.threads = word.number(WHAT, "", 1, u64::from(MAX_THREADS), ACCEPTS)? as u8;
        self.has_threads = true;
        words.end(|| "threads number".into())
    }

    /// Headers come first, and once, because later lines are checked against them.
    fn check_header(
        &self,
        first: Word<'_>,
        keyword: &'static str,
        is_repeated: bool,
    ) -> Result<(), Misfit> {
        if is_repeated {
            return Err(first.fault(Fault::RepeatedHeader { keyword }));
        }
        if self.program.ops.is_empty() && self.program.preemptions.is_empty() {
            return Ok(());
        }
        Err(first.fault(Fault::LateHeader { keyword }))
    }

    fn preemption(&mut self, first: Word<'_>, words: &mut Words<'_>) -> Result<(), Misfit> {
        const POINT: &str = "scheduling point";
        const POINTS: &str = "0 to 65535";
        const USAGE: &str = "preempt 17 t1";
        if !self.program.ops.is_empty() {
            return Err(first.fault(Fault::LateHeader { keyword: PREEMPT }));
        }
        if self.program.threads == 1 {
            return Err(first.fault(Fault::NothingToPreempt));
        }
        if self.program.preemptions.len() == MAX_PREEMPTIONS {
            return Err(first.fault(Fault::TooManyPreemptions));
        }
        let point = words.required(POINT, POINTS, || USAGE.into())?;
        let at = point.number(POINT, "", 0, u64::from(u16::MAX), POINTS)? as u16;
        let to = words.required("thread", THREAD_NAMES, || USAGE.into())?;
        let to = self.thread(to)?;
        if self
            .program
            .preemptions
            .iter()
            .any(|preemption| preemption.at == at)
        {
            return Err(point.fault(Fault::RepeatedPreemption { at }));
        }
        insert_preemption(&mut self.program.preemptions, Preemption { at, to });
        words.end(|| USAGE.into())
    }

    /// Parses a thread and checks that the program has it.
    fn thread(&self, word: Word<'_>) -> Result<u8, Misfit> {
        let thread = word.number("thread", "t", 0, u64::from(MAX_THREADS - 1), THREAD_NAMES)? as u8;
        let threads = self.program.threads;
        if thread < threads {
            Ok(thread)
        } else {
            Err(word.fault(Fault::NoSuchThread { thread, threads }))
        }
    }

    fn step(&mut self, first: Word<'_>, words: &mut Words<'_>) -> Result<(), Misfit> {
        let (thread, keyword) = match first.text.split_once(':') {
            None => (0, first),
            Some((prefix, rest)) => {
                let thread = self.thread(Word {
                    text: prefix,
                    ..first
                })?;
                let next = if rest.is_empty() {
                    words
                        .next()
                        .ok_or_else(|| words.fault_at_end(Fault::NoOperation))?
                } else {
                    Word {
                        text: rest,
                        column: first.column + prefix.chars().count() + 1,
                    }
                };
                (thread, next)
            }
        };
        let Some(kind) = OpKind::from_keyword(keyword.text) else {
            let fault = Fault::UnknownOperation {
                word: quote(keyword.text),
                nearest: nearest_keyword(keyword.text),
            };
            return Err(keyword.fault(fault));
        };
        if self.program.ops.len() == MAX_OPS {
            return Err(keyword.fault(Fault::TooManyOps));
        }
        let op = Op::build(kind, &mut Operands { kind, words })?;
        words.end(|| kind.usage())?;
        self.program.ops.push(Step { thread, op });
        Ok(())
    }
}

const THREAD_NAMES: &str = "t0 to t3";

/// The operands of an operation, from the rest of a line.
struct Operands<'w, 't> {
    kind: OpKind,
    words: &'w mut Words<'t>,
}

impl Source for Operands<'_, '_> {
    type Error = Misfit;

    fn operand<T: Operand>(&mut self) -> Result<T, Misfit> {
        if let Some(value) = T::IMPLIED
            && self.words.is_at_end()
        {
            return Ok(value);
        }
        let word = self
            .words
            .required(T::WHAT, T::ACCEPTS, || self.kind.usage())?;
        T::parse(word.text).map_err(|fault| word.misfit(T::WHAT, fault, T::OVER, T::ACCEPTS))
    }
}

/// A word and the column of its first character.
#[derive(Clone, Copy)]
struct Word<'t> {
    text: &'t str,
    column: usize,
}

impl Word<'_> {
    fn fault(self, fault: Fault) -> Misfit {
        Misfit {
            column: self.column,
            fault,
        }
    }

    fn number(
        self,
        what: &'static str,
        prefix: &str,
        least: u64,
        last: u64,
        accepts: &'static str,
    ) -> Result<u64, Misfit> {
        parse_number(self.text, prefix, least, last)
            .map_err(|fault| self.misfit(what, fault, "out of range", accepts))
    }

    /// The fault of a word that is not a valid `what`.
    fn misfit(
        self,
        what: &'static str,
        fault: OperandFault,
        over: &'static str,
        accepts: &'static str,
    ) -> Misfit {
        let (word, accepts) = (quote(self.text), String::from(accepts));
        let how = match fault {
            OperandFault::Malformed => {
                return self.fault(Fault::Malformed {
                    what,
                    word,
                    accepts,
                });
            }
            OperandFault::TooSmall => "too small",
            OperandFault::TooLarge => over,
        };
        let word = word.trim_matches('"').into();
        self.fault(Fault::OutOfRange {
            what,
            word,
            how,
            accepts,
        })
    }
}

/// The words of a line, without its comment.
struct Words<'t> {
    rest: &'t str,
    /// The column of the first character of `rest`.
    column: usize,
    /// The column after the last word returned.
    end: usize,
}

impl<'t> Words<'t> {
    fn new(line: &'t str) -> Self {
        let code = line.split_once('#').map_or(line, |(code, _)| code);
        Self {
            rest: code.trim_end(),
            column: 1,
            end: 1,
        }
    }

    fn is_at_end(&self) -> bool {
        self.rest.trim_start().is_empty()
    }

    /// The next word, which the line must have.
    fn required(
        &mut self,
        what: &'static str,
        accepts: &'static str,
        usage: impl Fn() -> String,
    ) -> Result<Word<'t>, Misfit> {
        self.next().ok_or_else(|| {
            self.fault_at_end(Fault::Missing {
                what,
                accepts: accepts.into(),
                usage: usage(),
            })
        })
    }

    /// Checks that nothing is left.
    fn end(&mut self, usage: impl Fn() -> String) -> Result<(), Misfit> {
        match self.next() {
            None => Ok(()),
            Some(word) => Err(word.fault(Fault::Surplus {
                word: quote(word.text),
                usage: usage(),
            })),
        }
    }

    /// A fault just after the last word.
    fn fault_at_end(&self, fault: Fault) -> Misfit {
        Misfit {
            column: self.end,
            fault,
        }
    }
}

impl<'t> Iterator for Words<'t> {
    type Item = Word<'t>;

    fn next(&mut self) -> Option<Word<'t>> {
        let start = self.rest.trim_start();
        let column = self.column + self.rest[..self.rest.len() - start.len()].chars().count();
        let text = start
            .split(char::is_whitespace)
            .next()
            .filter(|text| !text.is_empty())?;
        self.rest = &start[text.len()..];
        self.end = column + text.chars().count();
        self.column = self.end;
        Some(Word { text, column })
    }
}

/// The keyword closest to a word, if one is within a typing error or two.
fn nearest_keyword(word: &str) -> Option<&'static str> {
    const LONGEST: usize = 24;
    if word.len() > LONGEST {
        return None;
    }
    let word = word.to_ascii_lowercase().replace('_', "-");
    let errors = if word.len() <= 3 { 1 } else { 2 };
    OpKind::ALL
        .iter()
        .map(|kind| kind.keyword())
        .chain([GEOMETRY, THREADS, PREEMPT])
        .map(|keyword| (edit_distance(word.as_bytes(), keyword.as_bytes()), keyword))
        .filter(|&(distance, _)| distance <= errors)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, keyword)| keyword)
}

/// Number of insertions, deletions and replacements of a byte that turn `from` into `to`
/// (Levenshtein).
fn edit_distance(from: &[u8], to: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, &have) in from.iter().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (left, &want) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(have != want);
            diagonal = row[left + 1];
            row[left + 1] = replaced.min(diagonal + 1).min(row[left] + 1);
        }
    }
    row[to.len()]
}
