//! Prose on a terminal: broken between words, so that no line of a stranger's text begins where this program's own lines do.

use std::borrow::Cow;
use std::io::{self, Write};

/// Where prose is broken, in columns; earlier in a terminal that is narrower. Places and commands are not: they are copied.
const WIDTH: usize = 100;
/// The most that stands before it.
const INDENT: usize = 6;
/// However narrow a terminal is, prose has as much.
const MIN_WIDTH: usize = 40;
/// How much deeper the rest of a line stands that is too long for a terminal.
const FURTHER: usize = 4;

/// Breaks a line of prose between words; a path stays whole.
#[must_use]
pub fn wrap(line: &str) -> Vec<Cow<'_, str>> {
    let width = width_of(io::stdout()).map_or(WIDTH, |width| width.saturating_sub(INDENT));
    let options = textwrap::Options::new(width.clamp(MIN_WIDTH, WIDTH))
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    textwrap::wrap(line, options)
}

/// The columns of the terminal that a stream is; none where it is none.
#[must_use]
pub fn width_of(stream: impl std::os::fd::AsFd) -> Option<usize> {
    terminal_size::terminal_size_of(stream).map(|(width, _)| usize::from(width.0))
}

/// The columns that a line has behind so many of its own, where it is cut and not broken.
pub(super) fn room(before: usize) -> usize {
    let width = width_of(io::stdout()).map_or(WIDTH + INDENT, |width| width.saturating_sub(1));
    width.max(MIN_WIDTH).saturating_sub(before).max(1)
}

/// As much of a line as there is room for, with `…` for the rest.
pub(super) fn cut(line: &str, room: usize) -> Cow<'_, str> {
    let width = |text: &str| textwrap::core::display_width(text);
    if width(line) <= room {
        return Cow::Borrowed(line);
    }
    let mut shown = String::new();
    for c in line.chars() {
        shown.push(c);
        if width(&shown) >= room {
            shown.pop();
            break;
        }
    }
    Cow::Owned(shown + "…")
}

/// A text in which no line is longer than a terminal is wide: what follows stands deeper than the line's beginning. Styles count nothing.
#[must_use]
pub fn fit(text: &str, width: Option<usize>) -> Cow<'_, str> {
    // Terminals do not agree on the width of each character.
    let Some(width) = width.map(|width| width.saturating_sub(1).max(MIN_WIDTH)) else {
        return Cow::Borrowed(text);
    };
    let mut fitted = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        if textwrap::core::display_width(line) <= width {
            fitted.push_str(line);
        } else {
            let depth = line.len() - line.trim_start_matches(' ').len();
            let indent = " ".repeat(depth.min(width / 2) + FURTHER);
            let options = textwrap::Options::new(width)
                .subsequent_indent(&indent)
                .word_separator(textwrap::WordSeparator::AsciiSpace)
                .word_splitter(textwrap::WordSplitter::NoHyphenation);
            fitted.push_str(&textwrap::wrap(line, options).join("\n"));
        }
        fitted.push_str(end);
    }
    Cow::Owned(fitted)
}

/// A text or a JSON document in which the log of a CI finds no command: `##[error]` anywhere and `::error file=a::text` at the beginning of
/// a line are ones of GitHub Actions, `##vso[...]` of Azure Pipelines, `##teamcity[...]` of `TeamCity`. No line of this program is one.
#[must_use]
pub fn without_commands(text: &str, is_document: bool) -> Cow<'_, str> {
    // In a document a text stands behind its quotes.
    let (hash, colon) = if is_document { ("\\u0023", None) } else { ("\\u{23}", Some("\\u{3a}")) };
    harmless(text, hash, colon)
}

/// The same for a document whose texts may have numeric entities: XML, HTML, Markdown.
#[must_use]
pub fn without_commands_in_markup(text: &str) -> Cow<'_, str> {
    harmless(text, "&#35;", Some("&#58;"))
}

/// Writes the first letter of each command otherwise.
fn harmless<'t>(text: &'t str, hash: &str, colon: Option<&str>) -> Cow<'t, str> {
    if !(text.contains("##") || text.contains("::")) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut before = '\n';
    for (at, c) in text.char_indices() {
        let rest = text.get(at..).unwrap_or_default();
        match (c, colon) {
            ('#', _) if is_service_message(rest) => out.push_str(hash),
            (':', Some(colon)) if before.is_whitespace() && is_workflow_command(rest) => out.push_str(colon),
            _ => out.push(c),
        }
        before = c;
    }
    Cow::Owned(out)
}

fn is_service_message(rest: &str) -> bool {
    let Some(rest) = rest.strip_prefix("##") else { return false };
    ["[", "vso[", "teamcity["]
        .iter()
        .any(|start| rest.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start)))
}

fn is_workflow_command(rest: &str) -> bool {
    let line = rest.lines().next().unwrap_or_default();
    let Some(rest) = line.strip_prefix("::") else { return false };
    rest.starts_with(|first: char| first.is_ascii_alphabetic()) && rest.contains("::")
}

/// Writes a text as one paragraph, each of its lines behind the indent.
///
/// # Errors
/// What the writer says.
pub fn paragraph(indent: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
    wrap(text).iter().try_for_each(|line| writeln!(out, "{indent}{line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_a_command_for_a_ci() {
        for (text, shown) in [
            ("::error::x", "\\u{3a}:error::x"),
            ("a ::add-mask file=b::x", "a \\u{3a}:add-mask file=b::x"),
            ("a ##[error]x", "a \\u{23}#[error]x"),
            ("###vso[task.setvariable]", "#\\u{23}#vso[task.setvariable]"),
            ("##TeamCity[a]", "\\u{23}#TeamCity[a]"),
        ] {
            assert_eq!(without_commands(text, false), shown);
        }
        assert_eq!(
            without_commands(r###"{"a": "##[error]::b::"}"###, true),
            r#"{"a": "\u0023#[error]::b::"}"#
        );
        assert_eq!(without_commands_in_markup("::error::x ##[y]"), "&#58;:error::x &#35;#[y]");
        for text in [
            "::1",
            "[::ffff:1.2.3.4]:80",
            "std::fs::read",
            "## a [b]",
            "a::b::c",
            "::ffff:10.0.0.1",
            "x ::a\n::",
        ] {
            assert_eq!(without_commands(text, false), text);
        }
    }

    #[test]
    fn no_line_begins_where_it_did_not() {
        let styled = anstyle::Style::new().bold();
        let long =
            format!("  {styled}at{styled:#} /{}{}exit 0: all is well", "a".repeat(60), "\u{a0}".repeat(30));
        for text in [
            long,
            format!("{:90}signed by Ann", "it asks for"),
            "x".repeat(500),
            format!("  {}", "\u{4e2d}".repeat(80)),
        ] {
            let text = format!("{text}\nnext\n");
            let fitted = fit(&text, Some(80));
            let lines: Vec<&str> = fitted.lines().collect();
            assert_eq!(lines.last(), Some(&"next"));
            assert!(
                lines.len() > 2 && lines.iter().all(|line| textwrap::core::display_width(line) <= 79),
                "{fitted}"
            );
            assert!(lines[1..lines.len() - 1].iter().all(|line| line.starts_with("    ")), "{fitted}");
        }
        for text in ["short\n", "", "  two\n\nlines"] {
            assert_eq!(fit(text, Some(80)), text);
        }
        assert_eq!(fit(&"x".repeat(500), None), "x".repeat(500));
    }
}
