//! A self-contained page for a browser. Its content security policy lets the browser load nothing,
//! and run only the given script. The page has styles for light, dark and print. The caller adds
//! the style of the body.

use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("page.css");

/// A script of the page.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// The text of the script.
    pub text: &'static str,
    /// The SHA-256 of the text, in base64.
    pub hash: &'static str,
}

/// Renders the page.
pub fn render(title: &str, style: &str, script: Option<Script>, body: &Markup) -> String {
    let scripts = script.map_or(String::new(), |script| {
        format!("script-src 'sha256-{}'; ", script.hash)
    });
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; {scripts}base-uri 'none'; form-action 'none'"
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "mm-triage: " (title) }
                style { (PreEscaped(STYLE)) (PreEscaped(style)) }
            }
            body {
                (body)
                @if let Some(script) = script { script { (PreEscaped(script.text)) } }
            }
        }
    };
    page.into_string() + "\n"
}

/// `1 file`, `2 files`.
pub fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
