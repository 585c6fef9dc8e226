//! Statements around a call whose allocations fail.

use super::parts::joined;

/// Which allocation of a statement fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fails {
    /// None.
    Never,
    /// The one with this number.
    At(u8),
    /// The one with the number `n`, a variable.
    AtN,
}

impl Fails {
    /// The statement before the one that fails.
    pub fn begin(self) -> String {
        match self {
            Self::Never => String::new(),
            Self::At(number) => format!("dprintf(fail, \"{number}\");"),
            Self::AtN => "dprintf(fail, \"%d\", n);".to_owned(),
        }
    }
}

/// Statements of which an allocation fails.
pub fn failing(text: String, fails: Fails) -> String {
    if fails == Fails::Never {
        return text;
    }
    let end = "dprintf(fail, \"0\");".to_owned();
    let is_expression = !["for ", "{", "int ", "long "]
        .iter()
        .any(|word| text.starts_with(word));
    if is_expression && !text.contains('\n') && text.ends_with(';') {
        return joined(&[fails.begin(), text, end]);
    }
    format!("{}\n{text}\n{end}", fails.begin())
}
