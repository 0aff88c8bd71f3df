//! Makes what cannot be seen visible, so that text from a target or a policy cannot change what a terminal shows.

use std::path::Path;

use crate::config::segments;

/// The text with control, bidirectional and zero-width characters written out as `\u{...}`.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_invisible(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// A path as text: bytes that are not UTF-8 are replaced.
#[must_use]
pub fn path(path: &Path) -> String {
    visible(&path.to_string_lossy())
}

/// A config pointer as people write it: `gateway.auth.mode`.
#[must_use]
pub fn key(pointer: &str) -> String {
    visible(&segments(pointer).unwrap_or_default().join("."))
}

/// Control, bidirectional and zero-width characters.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        assert_eq!(visible("a\u{1b}[31m\u{202e}\u{200d}é\n"), "a\\u{1b}[31m\\u{202e}\\u{200d}é\\u{a}");
    }
}
