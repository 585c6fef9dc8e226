//! JSON objects of one level, one a line: all that a script needs here.

use std::fmt::Write;

/// A JSON object under construction.
#[derive(Debug, Default)]
pub struct Object {
    text: String,
}

impl Object {
    /// Adds a string, or `null`.
    #[must_use]
    pub fn text(mut self, key: &str, value: Option<&str>) -> Self {
        self.key(key);
        match value {
            Some(value) => self.string(value),
            None => self.text.push_str("null"),
        }
        self
    }

    /// Adds a whole number, or `null`.
    #[must_use]
    pub fn number(mut self, key: &str, value: Option<usize>) -> Self {
        self.key(key);
        match value {
            Some(value) => self.push(format_args!("{value}")),
            None => self.text.push_str("null"),
        }
        self
    }

    /// Adds a truth value.
    #[cfg(feature = "zoo")]
    #[must_use]
    pub fn flag(mut self, key: &str, value: bool) -> Self {
        self.key(key);
        self.push(format_args!("{value}"));
        self
    }

    /// The object, in one line.
    #[must_use]
    pub fn finish(self) -> String {
        format!("{{{}}}", self.text)
    }

    fn push(&mut self, what: std::fmt::Arguments<'_>) {
        // writing into a string cannot fail
        let _ = self.text.write_fmt(what);
    }

    fn key(&mut self, key: &str) {
        if !self.text.is_empty() {
            self.text.push(',');
        }
        self.string(key);
        self.text.push(':');
    }

    fn string(&mut self, value: &str) {
        self.text.push('"');
        for character in value.chars() {
            match character {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                control if control.is_control() => {
                    // all control characters are in the basic plane
                    self.push(format_args!("\\u{:04x}", u32::from(control)));
                }
                other => self.text.push(other),
            }
        }
        self.text.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::Object;

    #[test]
    #[cfg(feature = "zoo")]
    fn truth_values_are_words() {
        let object = Object::default().flag("ok", true).flag("bad", false);
        assert_eq!(object.finish(), r#"{"ok":true,"bad":false}"#);
    }

    #[test]
    fn strings_are_escaped() {
        let object = Object::default()
            .text("file", Some("a\"b\\c\n\u{1}\u{85}é"))
            .text("signature", None)
            .number("step", Some(3))
            .finish();
        let expected = r#"{"file":"a\"b\\c\n\u0001\u0085é","signature":null,"step":3}"#;
        assert_eq!(object, expected);
    }
}
