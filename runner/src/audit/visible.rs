//! Makes what cannot be seen visible, so that text from a target or a policy cannot change what a terminal shows.

use std::path::Path;

use crate::config::segments;
pub use crate::wording::visible;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        assert_eq!(visible("a\u{1b}[31m\u{202e}\u{200d}é\n"), "a\\u{1b}[31m\\u{202e}\\u{200d}é\\u{a}");
    }
}
