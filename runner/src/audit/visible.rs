//! Makes what cannot be seen visible, so that text from a target or a policy cannot change what a terminal shows.

use std::path::Path;

use crate::config::segments;
use crate::wording::is_invisible;

/// The text with control, bidirectional and zero-width characters written out as `\u{...}`, and with what the log of a CI would take
/// for a command.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let is_command = matches!(c, '#' | ':') && is_ci_command(text.get(at..).unwrap_or_default(), before);
        if is_invisible(c) || is_command {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
        before = c;
    }
    out
}

/// A command of the log of GitHub Actions (`::error file=a::text` at the beginning of a line, `##[error]text` anywhere), of Azure
/// Pipelines (`##vso[...]`) or of `TeamCity` (`##teamcity[...]`) begins here. Where a line begins is not known: it may be wrapped.
fn is_ci_command(rest: &str, before: char) -> bool {
    if let Some(rest) = rest.strip_prefix("##") {
        return ["[", "vso[", "teamcity["].iter().any(|start| rest.starts_with(start));
    }
    let Some(rest) = rest.strip_prefix("::").filter(|_| before.is_whitespace()) else { return false };
    rest.starts_with(|first: char| first.is_ascii_alphabetic()) && rest.contains("::")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        assert_eq!(visible("a\u{1b}[31m\u{202e}\u{200d}é\n"), "a\\u{1b}[31m\\u{202e}\\u{200d}é\\u{a}");
    }

    #[test]
    fn no_text_is_a_command_for_a_ci() {
        for (text, shown) in [
            ("::error::x", "\\u{3a}:error::x"),
            ("a ::add-mask file=b::x", "a \\u{3a}:add-mask file=b::x"),
            ("a ##[error]x", "a \\u{23}#[error]x"),
            ("###vso[task.setvariable]", "#\\u{23}#vso[task.setvariable]"),
            ("##teamcity[a]", "\\u{23}#teamcity[a]"),
        ] {
            assert_eq!(visible(text), shown);
        }
        for text in ["::1", "[::ffff:1.2.3.4]:80", "std::fs::read", "## a [b]", "a::b::c", "::ffff:10.0.0.1"]
        {
            assert_eq!(visible(text), text);
        }
    }
}
