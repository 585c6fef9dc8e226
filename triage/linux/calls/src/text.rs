//! The text of a program: a line for each step.

use crate::call::{Call, Step};
use crate::operand::{Advice, FileKind, MapKind, Modes, Odd, Policy, Prot, Resource};
use crate::range::Range;
use crate::{MAX_STEPS, MOST_FAIL, PAGES, Program};
use std::fmt::{self, Display};

/// A line that is no step, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The number of the line, from 1.
    pub line: usize,
    /// Why.
    pub why: String,
}

impl Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

impl std::error::Error for ParseError {}

impl Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.first, self.len)
    }
}

impl Prot {
    const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "r",
            Self::Write => "rw",
            Self::Exec => "rx",
            Self::All => "rwx",
        }
    }
}

impl MapKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Private => "",
            Self::Shared => "shared",
            Self::File => "file",
            Self::SharedFile => "shared-file",
            Self::SharedTwin => "shared-twin",
            Self::Hugetlb => "hugetlb",
            Self::SharedHugetlb => "shared-hugetlb",
            Self::DevZero => "dev-zero",
            Self::Droppable => "droppable",
            Self::Stack => "stack",
            Self::Shm => "shm",
            Self::Secret => "secret",
        }
    }
}

impl Modes {
    const fn name(self) -> &'static str {
        match self {
            Self::Rwp => "rwp",
            Self::Minor => "minor",
            Self::Wp => "wp",
            Self::Missing => "missing",
            Self::Both => "missing+wp",
        }
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flag = |set: bool, word| if set { word } else { "" };
        if self.beside {
            f.write_str("beside ")?;
        }
        if self.fail > 0 {
            write!(f, "fail {} ", self.fail)?;
        }
        write!(f, "{} p{}", self.call.name(), self.process)?;
        if let Some(range) = self.call.range() {
            write!(f, " {range}")?;
        }
        match self.call {
            Call::Map { kind, prot, .. } => {
                let said = format!("{} {}", prot.name(), kind.name());
                write!(f, " {}", said.trim_end())
            }
            Call::Protect(_, prot) => write!(f, " {}", prot.name()),
            Call::Move { to, keep, .. } => write!(f, " {to}{}", flag(keep, " dontunmap")),
            Call::Resize(_, number)
            | Call::Brk(_, number)
            | Call::RemapFile(_, number)
            | Call::FileSize(number) => write!(f, " {number}"),
            Call::LockAll(flags) | Call::SealFile(flags) => write!(f, " {flags:#x}"),
            Call::Bind(_, policy, node) => write!(f, " {} {node}", policy.name()),
            Call::HomeNode(_, number) | Call::HugeOff(number) => write!(f, " {number}"),
            Call::Limit(resource) => write!(f, " {}", resource.name()),
            Call::Lock { on_fault, .. } => f.write_str(flag(on_fault, " onfault")),
            Call::Register(_, modes) => write!(f, " {}", modes.name()),
            Call::WriteProtect(_, on) | Call::RwProtect(_, on) | Call::MergeAll(on) => {
                f.write_str(if on { " on" } else { " off" })
            }
            Call::Copy(_, protect) => f.write_str(flag(protect, " wp")),
            Call::Allocate(_, keeps) => f.write_str(flag(keeps, " keep-size")),
            Call::UffdMove(_, to) => write!(f, " {to}"),
            Call::Scan {
                categories,
                protect,
                blind,
                limit,
                ..
            } => {
                let protect = flag(protect, " wp");
                write!(f, " {categories:#x}{protect}{}", flag(blind, " blind"))?;
                if limit > 0 {
                    write!(f, " limit {limit}")?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wp_async {
            f.write_str("wp-async\n")?;
        }
        if self.monitor {
            f.write_str("monitor\n")?;
        }
        let file = FileKind::HEADERS
            .iter()
            .find(|(kind, _)| *kind == self.file);
        if let Some((_, word)) = file {
            writeln!(f, "{word}")?;
        }
        if self.mthp {
            f.write_str("mthp\n")?;
        }
        if self.always {
            f.write_str("always\n")?;
        }
        if self.zswap {
            f.write_str("zswap\n")?;
        }
        if self.implies_exec {
            f.write_str("implies-exec\n")?;
        }
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

/// Reads a program. A `#` begins a comment.
///
/// # Errors
///
/// The first line that is no step, that is one step too many, that asks for `beside` where that
/// is not possible, or that limits the mappings of a program with a monitor.
pub fn parse(text: &str) -> Result<Program, ParseError> {
    let mut program = Program::default();
    for (at, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        let failed = |why: String| ParseError { line: at + 1, why };
        let (beside, words) = match words[..] {
            ["beside", ref rest @ ..] => (true, rest),
            ref words => (false, words),
        };
        let (fail, words) = match *words {
            ["fail", ref rest @ ..] => {
                let fail = number(rest.first(), MOST_FAIL.into()).map_err(failed)?;
                (fail as u8, rest.get(1..).unwrap_or_default())
            }
            ref words => (0, words),
        };
        match words[..] {
            [] if fail > 0 => return Err(failed("fail has no call".to_owned())),
            [] if beside => return Err(failed("beside has no call".to_owned())),
            [] => {}
            ["wp-async"] => program.wp_async = true,
            ["monitor"] => program.monitor = true,
            ["mthp"] => program.mthp = true,
            ["always"] => program.always = true,
            ["zswap"] => program.zswap = true,
            ["implies-exec"] => program.implies_exec = true,
            [name, process, ref operands @ ..] => {
                if program.steps.len() == MAX_STEPS {
                    return Err(failed(format!("a program has at most {MAX_STEPS} steps")));
                }
                let process = match process {
                    "p0" => 0,
                    "p1" => 1,
                    other => return Err(failed(format!("'{other}' is no process: give p0 or p1"))),
                };
                let call = call(name, operands).map_err(failed)?;
                program.steps.push(Step {
                    process,
                    call,
                    fail,
                    beside,
                });
                let last = program.steps.len() - 1;
                if beside && let Some(why) = program.why_not_beside(last) {
                    return Err(failed(format!("{name} cannot be beside: {why}")));
                }
            }
            [name] => {
                let mut kinds = FileKind::HEADERS.iter();
                let Some((kind, _)) = kinds.find(|(_, word)| *word == name) else {
                    return Err(failed(format!("'{name}' has no process: give p0 or p1")));
                };
                program.file = *kind;
            }
        }
    }
    let limit = text
        .lines()
        .position(|line| line.trim_start().starts_with("map-limit"));
    let limits = program.steps.iter().any(|step| step.call == Call::MapLimit);
    match limit.filter(|_| program.monitor && limits) {
        Some(at) => Err(ParseError {
            line: at + 1,
            why: "a program with a monitor cannot have map-limit: the monitor needs mappings of \
                  its own"
                .to_owned(),
        }),
        None => Ok(program),
    }
}

fn number(word: Option<&&str>, most: u16) -> Result<u16, String> {
    let word = word.ok_or("a number is missing")?;
    let number = match word.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    };
    let fits = number.filter(|number| *number <= most);
    fits.ok_or_else(|| format!("'{word}' is no number from 0 to {most}"))
}

fn call(name: &str, operands: &[&str]) -> Result<Call, String> {
    let alone = match name {
        "clear-soft-dirty" => Some(Call::ClearSoftDirty),
        "ksm" => Some(Call::Ksm),
        "khugepaged" => Some(Call::Khugepaged),
        "compact" => Some(Call::Compact),
        "reclaim" => Some(Call::Reclaim),
        "swapoff" => Some(Call::SwapOff),
        "drop-cache" => Some(Call::DropCache),
        "device-lacks-huge" => Some(Call::DeviceLacksHuge),
        "unpin" => Some(Call::Unpin),
        "unsplice" => Some(Call::Unsplice),
        "map-limit" => Some(Call::MapLimit),
        "hugetlb-limit" => Some(Call::HugetlbLimit),
        "uffd-close" => Some(Call::CloseUffd),
        "fork" => Some(Call::Fork),
        "exit" => Some(Call::Exit),
        "munlockall" => Some(Call::UnlockAll),
        "chmod" => Some(Call::FileMode),
        "mdwe" => Some(Call::Mdwe),
        _ => None,
    };
    if let Some(call) = alone {
        return match operands {
            [] => Ok(call),
            [other, ..] => Err(format!("'{other}' is too much: {name} has no operands")),
        };
    }
    let without_range = match name {
        "mlockall" => Some(Call::LockAll(number(operands.first(), 7)? as u8)),
        "seal-file" => Some(Call::SealFile(number(operands.first(), 63)? as u8)),
        "thp-disable" => Some(Call::HugeOff(number(operands.first(), 2)? as u8)),
        "memory-merge" => match operands.first() {
            Some(&"on") => Some(Call::MergeAll(true)),
            Some(&"off") => Some(Call::MergeAll(false)),
            _ => return Err("memory-merge needs on or off".to_owned()),
        },
        "file-size" => Some(Call::FileSize(number(operands.first(), PAGES)?)),
        "limit" => {
            let word = operands.first().copied().unwrap_or_default();
            let resource = Resource::ALL.into_iter().find(|it| it.name() == word);
            Some(Call::Limit(resource.ok_or_else(|| {
                format!("'{word}' is not known: give one of data, as, memlock, stack, memlock-root")
            })?))
        }
        _ => None,
    };
    if let Some(call) = without_range {
        return Ok(call);
    }
    let first = number(operands.first(), PAGES - 1)?;
    let range = Range::new(first, number(operands.get(1), PAGES)?);
    let rest = operands.get(2..).unwrap_or_default();
    let word = rest.first().copied().unwrap_or_default();
    let flag = |at: usize, wanted: &str| match rest.get(at) {
        None => Ok(false),
        Some(word) if *word == wanted => Ok(true),
        Some(word) => Err(format!("'{word}' is not known: give {wanted} or nothing")),
    };
    let one_of = |names: &[&str]| {
        let found = names.iter().position(|name| *name == word);
        found.ok_or_else(|| format!("'{word}' is not known: give one of {}", names.join(", ")))
    };
    let prot = || Ok::<_, String>(Prot::ALL[one_of(&Prot::ALL.map(Prot::name))?]);
    Ok(match name {
        "mmap" => Call::Map {
            range,
            prot: prot()?,
            kind: {
                let word = rest.get(1).copied().unwrap_or_default();
                let kind = MapKind::ALL.into_iter().find(|kind| kind.name() == word);
                kind.ok_or_else(|| {
                    let names = MapKind::ALL.map(MapKind::name).join(", ");
                    format!(
                        "'{word}' is not known: give nothing or one of {}",
                        &names[2..]
                    )
                })?
            },
        },
        "munmap" => Call::Unmap(range),
        "mseal" => Call::Seal(range),
        "remap-file-pages" => Call::RemapFile(range, number(rest.first(), PAGES - 1)?),
        "mprotect" => Call::Protect(range, prot()?),
        "mremap" => Call::Move {
            range,
            to: number(rest.first(), PAGES - 1)?,
            keep: flag(1, "dontunmap")?,
        },
        "resize" => Call::Resize(range, number(rest.first(), PAGES)?),
        "brk" => Call::Brk(range, number(rest.first(), PAGES)?),
        "msync" => Call::Sync(range),
        "mbind" => Call::Bind(
            range,
            Policy::ALL[one_of(&Policy::ALL.map(Policy::name))?],
            number(rest.get(1), 1)? as u8,
        ),
        "home-node" => Call::HomeNode(range, number(rest.first(), 1)? as u8),
        "write" => Call::Write(range),
        "write-alternate" => Call::WriteAlternate(range),
        "read" => Call::Read(range),
        "mem-write" => Call::MemWrite(range),
        "vm-write" => Call::VmWrite(range),
        "write-zero" => Call::WriteZero(range),
        "mem-read" => Call::MemRead(range),
        "vm-read" => Call::VmRead(range),
        "far-read" => Call::FarRead(range),
        "file-write" => Call::FileWrite(range),
        "file-read" => Call::FileRead(range),
        "direct-write" => Call::DirectWrite(range),
        "direct-read" => Call::DirectRead(range),
        "fallocate" => Call::Allocate(range, flag(0, "keep-size")?),
        "splice" => Call::Splice(range),
        "name" => Call::Name(range),
        "pin" => Call::Pin(range),
        "pin-read" => Call::PinRead(range),
        "uring-read" => Call::UringRead(range),
        "shmdt" => Call::Detach(range),
        "move-pages" => Call::Migrate(range),
        "punch" => Call::Punch(range),
        "truncate" => Call::Truncate(range),
        "mlock" => Call::Lock {
            range,
            on_fault: flag(0, "onfault")?,
        },
        "munlock" => Call::Unlock(range),
        "uffd-register" => {
            let modes = [
                Modes::Wp,
                Modes::Missing,
                Modes::Both,
                Modes::Rwp,
                Modes::Minor,
            ];
            Call::Register(
                range,
                modes[one_of(&["wp", "missing", "missing+wp", "rwp", "minor"])?],
            )
        }
        "uffd-unregister" => Call::Unregister(range),
        "uffd-writeprotect" => Call::WriteProtect(range, one_of(&["off", "on"])? == 1),
        "uffd-rwprotect" => Call::RwProtect(range, one_of(&["off", "on"])? == 1),
        "uffd-copy" => Call::Copy(range, flag(0, "wp")?),
        "uffd-zeropage" => Call::Zero(range),
        "uffd-move" => Call::UffdMove(range, number(rest.first(), PAGES - 1)?),
        "uffd-poison" => Call::Poison(range),
        "uffd-continue" => Call::Continue(range),
        "uffd-wake" => Call::Wake(range),
        "start-write" | "start-read" => Call::Start {
            range,
            writes: name == "start-write",
        },
        "pagemap-scan" => scan(range, rest)?,
        "to-device" => Call::ToDevice(range),
        "to-system" => Call::ToSystem(range),
        "device-read" => Call::DeviceRead(range),
        "device-write" => Call::DeviceWrite(range),
        "device-exclusive" => Call::Exclusive(range),
        _ => {
            if let Some(odd) = Odd::ALL.iter().find(|odd| odd.name() == name) {
                return Ok(Call::Odd(range, *odd));
            }
            let advice = Advice::ALL.iter().find(|advice| advice.name() == name);
            let advice = advice.ok_or_else(|| format!("'{name}' is no call"))?;
            Call::Advise(range, *advice)
        }
    })
}

/// The operands of `pagemap-scan` behind the range.
fn scan(range: Range, words: &[&str]) -> Result<Call, String> {
    let categories = number(words.first(), 127)? as u8;
    let (mut protect, mut blind, mut limit) = (false, false, 0);
    let mut rest = words.iter().skip(1);
    while let Some(word) = rest.next() {
        match *word {
            "wp" => protect = true,
            "blind" => blind = true,
            "limit" => limit = number(rest.next(), PAGES)?,
            other => {
                return Err(format!("'{other}' is not known: give wp, blind or limit"));
            }
        }
    }
    Ok(Call::Scan {
        range,
        categories,
        protect,
        blind,
        limit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{mutate, random_program};

    #[test]
    fn a_program_is_read_as_it_was_written() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut last = Program::default();
        for _ in 0..2000 {
            let mut program = random_program(&mut rng);
            mutate(&mut program, &last, &mut rng);
            assert_eq!(parse(&program.to_string()).as_ref(), Ok(&program));
            last = program;
        }
    }

    #[test]
    fn what_is_no_step_is_refused_with_its_line() {
        let refused = |text: &str| parse(text).expect_err("no program").to_string();
        assert_eq!(
            refused("# a\nmmap p0 0 1 x"),
            "line 2: 'x' is not known: give one of none, r, rw, rx, rwx"
        );
        assert_eq!(
            refused("write p2 0 1"),
            "line 1: 'p2' is no process: give p0 or p1"
        );
        assert_eq!(refused("leap p0 0 1"), "line 1: 'leap' is no call");
        assert_eq!(
            refused("ksm"),
            "line 1: 'ksm' has no process: give p0 or p1"
        );
        assert_eq!(
            refused("ksm p0 1"),
            "line 1: '1' is too much: ksm has no operands"
        );
        assert_eq!(refused("fail 3"), "line 1: fail has no call");
        assert_eq!(refused("beside"), "line 1: beside has no call");
        assert_eq!(
            refused("ksm p0\nbeside exit p0"),
            "line 2: exit cannot be beside: it must be made alone"
        );
        assert_eq!(
            refused("beside ksm p0"),
            "line 1: ksm cannot be beside: there is no call before it"
        );
        assert_eq!(
            refused("ksm p0\nmap-limit p0\nmonitor"),
            "line 2: a program with a monitor cannot have map-limit: the monitor needs mappings of \
             its own"
        );
        assert_eq!(
            refused("fail 100 fork p0"),
            "line 1: '100' is no number from 0 to 99"
        );
        assert_eq!(
            refused("write p0 4096 1"),
            "line 1: '4096' is no number from 0 to 2047"
        );
    }
}
