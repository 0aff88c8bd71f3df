//! Prose on a terminal: broken between words, so that no line of a stranger's text begins where this program's own lines do.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write};

/// Where prose is broken, in columns; earlier in a terminal that is narrower. Places and commands are not: they are copied.
const WIDTH: usize = 100;
/// The most that stands before it.
const INDENT: usize = 6;
/// However narrow a terminal is, prose has as much.
const MIN_WIDTH: usize = 40;

/// Breaks a line of prose between words; a path stays whole.
#[must_use]
pub fn wrap(line: &str) -> Vec<Cow<'_, str>> {
    let terminal = terminal_size::terminal_size_of(io::stdout());
    let width = terminal.map_or(WIDTH, |(width, _)| usize::from(width.0).saturating_sub(INDENT));
    let options = textwrap::Options::new(width.clamp(MIN_WIDTH, WIDTH))
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    textwrap::wrap(line, options)
}

/// The same where a terminal would break it; a line that a program reads stays one.
#[must_use]
pub fn on_terminal(line: &str) -> Vec<Cow<'_, str>> {
    if io::stdout().is_terminal() { wrap(line) } else { vec![Cow::Borrowed(line)] }
}

/// Writes a text as one paragraph, each of its lines behind the indent.
///
/// # Errors
/// What the writer says.
pub fn paragraph(indent: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
    wrap(text).iter().try_for_each(|line| writeln!(out, "{indent}{line}"))
}
