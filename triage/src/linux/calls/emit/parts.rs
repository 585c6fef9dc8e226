//! Parts of statements: addresses, lengths, and loops over pages.

use mm_linux_calls::{Call, HUGE, Prot, Range};

/// An address.
pub fn at(page: u16) -> String {
    format!("AT({page})")
}

/// A number of bytes.
pub fn bytes(pages: u16) -> String {
    if pages == 1 {
        "4096".to_owned()
    } else {
        format!("{pages} * 4096")
    }
}

pub fn on(range: Range) -> String {
    format!("{}, {}", at(range.first), bytes(range.len))
}

pub fn uffd_range(range: Range) -> String {
    format!("{{ (long){}, {} }}", at(range.first), bytes(range.len))
}

pub const fn protection(prot: Prot) -> &'static str {
    match prot {
        Prot::None => "PROT_NONE",
        Prot::Read => "PROT_READ",
        Prot::Write => "PROT_READ | PROT_WRITE",
        Prot::Exec => "PROT_READ | PROT_EXEC",
        Prot::All => "PROT_READ | PROT_WRITE | PROT_EXEC",
    }
}

/// The word that a step writes to page `i`, or to the only page of the range.
pub fn word(range: Range, step: usize) -> String {
    if range.len == 1 {
        return format!("{:#x}", Range::word(step, range.first.into()));
    }
    let (first, last) = (range.first / HUGE, (range.first + range.len - 1) / HUGE);
    if first == last {
        format!("{:#x} + i % 2", Range::base(step) + u64::from(first) * 2)
    } else {
        format!("{:#x} + i % 2 + i / 512 * 2", Range::base(step))
    }
}

/// A statement for each page of a range; `body` gets the page and the word.
pub fn each(range: Range, step: usize, body: impl Fn(&str, &str) -> String) -> String {
    let word = word(range, step);
    if range.len == 1 {
        return body(&range.first.to_string(), &word);
    }
    let end = range.first + range.len;
    format!(
        "for (long i = {}; i < {end}; i++)\n\t{}",
        range.first,
        body("i", &word)
    )
}

/// Fills the buffer with the words of a range.
pub fn filled(range: Range, step: usize) -> String {
    let first = range.first;
    each(range, step, |page, word| {
        let place = match (page, first) {
            ("i", 0) => "buffer + i * 4096".to_owned(),
            ("i", _) => format!("buffer + (i - {first}) * 4096"),
            _ => "buffer".to_owned(),
        };
        format!("*(long *)({place}) = {word};")
    })
}

/// Writes of a process: without a signal if one of them may `fault`.
pub fn written(range: Range, step: usize, fault: bool) -> String {
    each(range, step, |page, word| {
        if fault {
            format!("pwrite(word, &(long){{ {word} }}, 8, 0), pread(word, AT({page}), 8, 0);")
        } else {
            format!("*(volatile long *)AT({page}) = {word};")
        }
    })
}

/// Reads of a process: without a signal if one of them may `fault`.
pub fn read(range: Range, fault: bool) -> String {
    each(range, 0, |page, _| {
        if fault {
            format!("pwrite(word, AT({page}), 8, 0);")
        } else {
            format!("(void)*(volatile long *)AT({page});")
        }
    })
}

/// The categories of PAGEMAP_SCAN.
pub fn mask(categories: u8) -> String {
    let names = [
        "8 /* present */",
        "16 /* swapped */",
        "4 /* file */",
        "128 /* soft-dirty */",
        "256 /* guard */",
        "2 /* written */",
        "64 /* huge */",
    ];
    let set = names.iter().enumerate();
    let set: Vec<_> = set
        .filter(|(bit, _)| categories >> bit & 1 != 0)
        .map(|(_, name)| *name)
        .collect();
    if set.is_empty() {
        "0".to_owned()
    } else {
        set.join(" | ")
    }
}

/// The ioctl of PAGEMAP_SCAN.
pub const SCAN: &str = "ioctl(open(\"/proc/self/pagemap\", O_RDONLY), _IOWR('f', 16, long[12]), ";

/// The operands of PAGEMAP_SCAN, as an array. The kernel writes the regions that it finds to
/// `vector`.
pub fn scanned(call: &Call, vector: &str) -> String {
    let Call::Scan {
        range,
        categories,
        protect,
        blind,
        limit,
    } = *call
    else {
        return String::new();
    };
    format!(
        "{{ 96, {}, (long){}, (long){}, 0, {}, {limit}, [9] = {}, [11] = 511 }}",
        if protect {
            "1 /* PM_SCAN_WP_MATCHING */"
        } else {
            "0"
        },
        at(range.first),
        at(range.first + range.len),
        if blind {
            "0, 0".to_owned()
        } else {
            format!("(long){vector}, 512")
        },
        mask(categories)
    )
}

/// PAGEMAP_SCAN, repeated to the end of the range if there is a limit.
pub fn scan(call: &Call) -> String {
    const VECTOR: &str = "(long[512][3]){ { 0 } }";
    let operands = scanned(call, VECTOR);
    if matches!(call, Call::Scan { limit: 0, .. }) {
        return format!("{SCAN}// PAGEMAP_SCAN\n      (long[12]){operands});");
    }
    format!(
        "for (long scan[12] = {operands}, last = 0; scan[2] < scan[3] && scan[2] != last;)\n\t\
         {SCAN}scan), last = scan[2], scan[2] = scan[4]; // PAGEMAP_SCAN"
    )
}

pub fn device(range: Range, command: u8, what: &str) -> String {
    // these two commands migrate; the test driver copies data out afterwards, so without a buffer
    // only that copy fails
    let buffer = if command == 2 || command == 3 {
        "0"
    } else {
        "(long)buffer"
    };
    format!(
        "ioctl(dmirror, _IOWR('H', {command}, long[5]), (long[5]){{ (long){}, {buffer}, {} }}); // {what}",
        at(range.first),
        range.len
    )
}

/// Writes a text to a file of the kernel.
pub fn told(path: &str, text: &str) -> String {
    format!("SET(\"{path}\", \"{text}\");")
}

/// Statements of one line each, as one statement.
pub fn joined(statements: &[String]) -> String {
    let parts = statements.iter().map(|text| text.trim_end_matches(';'));
    parts.collect::<Vec<_>>().join(", ") + ";"
}
