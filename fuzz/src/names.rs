//! Untrusted text for a terminal: file names in one line without loss, and the output of a guest in
//! lines.

use std::path::Path;

/// The name of a file. Escapes such as `\n`, `\\`, `\x1b` and `\xff` replace control characters,
/// backslashes, bytes that are not UTF-8, and characters that change the direction of text.
#[must_use]
pub fn shown(path: &Path) -> String {
    let mut out = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => out.push_str(r"\\"),
                '\n' => out.push_str(r"\n"),
                other => push(&mut out, other),
            }
        }
        chunk
            .invalid()
            .iter()
            .for_each(|byte| push_byte(&mut out, *byte));
    }
    out
}

/// Lines of text. Line feeds and tabs stay, other control characters become escapes such as `\x1b`,
/// and the carriage return before a line feed is dropped.
#[must_use]
pub fn shown_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.replace("\r\n", "\n").chars() {
        match character {
            '\n' | '\t' => out.push(character),
            other => push(&mut out, other),
        }
    }
    out
}

/// The bytes of the name from which [`shown`] made this text.
#[must_use]
pub fn bytes(shown: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = shown;
    while let Some((before, escaped)) = rest.split_once('\\') {
        out.extend(before.bytes());
        let hex = |digits: Option<&str>| u32::from_str_radix(digits?, 16).ok();
        let length = match escaped.bytes().next() {
            Some(b'n') => {
                out.push(b'\n');
                1
            }
            Some(b'x') => {
                out.extend(hex(escaped.get(1..3)).and_then(|byte| u8::try_from(byte).ok()));
                3
            }
            Some(b'u') => {
                let end = escaped.find('}').unwrap_or(0);
                let character = hex(escaped.get(2..end)).and_then(char::from_u32);
                out.extend(
                    character
                        .into_iter()
                        .flat_map(|c| c.to_string().into_bytes()),
                );
                end + 1
            }
            _ => {
                out.push(b'\\');
                1
            }
        };
        rest = escaped.get(length..).unwrap_or("");
    }
    out.extend(rest.bytes());
    out
}

/// Writes the character, or its escape if a terminal would obey it.
fn push(out: &mut String, character: char) {
    match character {
        // these change the direction of the text around them
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            out.extend(character.escape_unicode());
        }
        control if control.is_control() => {
            let mut bytes = [0; 4];
            control
                .encode_utf8(&mut bytes)
                .bytes()
                .for_each(|byte| push_byte(out, byte));
        }
        other => out.push(other),
    }
}

fn push_byte(out: &mut String, byte: u8) {
    out.push_str(&format!(r"\x{byte:02x}"));
}

#[cfg(test)]
mod tests {
    use super::shown;
    use std::path::Path;

    #[test]
    fn usual_names_stay() {
        assert_eq!(shown(Path::new("a b/ä–\"'<.mm")), "a b/ä–\"'<.mm");
    }

    #[test]
    #[cfg(unix)]
    fn unusual_names_are_one_line_of_text_without_loss() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"a\nb\\n\x1b[31m\xff\xc3"));
        assert_eq!(shown(path), r"a\nb\\n\x1b[31m\xff\xc3");
        assert_eq!(shown(Path::new("\u{202e}gpj")), r"\u{202e}gpj");
    }

    #[test]
    fn lines_of_text_stay_and_no_terminal_obeys_them() {
        let said = "BUG:\tat 0\r\n\x1b]0;title\x07\u{9b}2J\rover\nend";
        let shown = "BUG:\tat 0\n\\x1b]0;title\\x07\\xc2\\x9b2J\\x0dover\nend";
        assert_eq!(super::shown_text(said), shown);
    }

    #[test]
    #[cfg(unix)]
    fn the_bytes_come_back() {
        use std::os::unix::ffi::OsStrExt;
        let names: [&[u8]; 4] = [
            b"a\nb\\n\x1b[31m\xff\xc3",
            b"\\",
            "\u{202e}ä\u{85}".as_bytes(),
            b"\\x4",
        ];
        for name in names {
            let path = Path::new(std::ffi::OsStr::from_bytes(name));
            assert_eq!(super::bytes(&shown(path)), name);
        }
    }
}
