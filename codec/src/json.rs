//! Texts that are to be JSON: plain ones are told here, the others are left to the one grammar.

use crate::scan::{Scan, Taken};

/// Texts that only the grammar can judge.
#[derive(Default)]
pub struct Doubtful<'a>(pub Vec<&'a str>);

impl<'a> Doubtful<'a> {
    /// Takes a text, and notes it where it is not plainly JSON.
    pub fn take(&mut self, scan: &mut Scan<'a>) -> Taken<()> {
        let text = scan.text()?;
        if !plain(text) {
            self.0.push(text);
        }
        Ok(())
    }
}

/// Whether a text is a JSON string without escapes, or a literal: what needs no grammar.
fn plain(text: &str) -> bool {
    match text.as_bytes() {
        [b'"', inside @ .., b'"'] => inside.iter().all(|&b| b >= 0x20 && b != b'"' && b != b'\\'),
        _ => matches!(text, "true" | "false" | "null"),
    }
}
