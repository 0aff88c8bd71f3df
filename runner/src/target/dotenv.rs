//! The `.env` syntax the gateway reads: `NAME=value`, optional `export`, three kinds of quotes, `#` comments,
//! no expansion of variables. Lines that are none of this are passed over, as the gateway does. White space is JavaScript's,
//! line ends among it, wherever the gateway's reader takes it so.

use std::collections::HashMap;

/// The assignments of a `.env` file, each name once: a later value replaces an earlier one.
pub fn parse(text: &str) -> Vec<(String, String)> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut rest = text.as_str();
    let mut found: Vec<(String, String)> = Vec::new();
    let mut index: HashMap<String, usize> = HashMap::new();
    loop {
        // Once for all, so that a text of white space is read once.
        rest = rest.trim_start_matches(is_space);
        if rest.is_empty() {
            return found;
        }
        match assignment(rest) {
            Some((name, value, after)) => {
                if let Some(earlier) = index.get(&name).and_then(|at| found.get_mut(*at)) {
                    earlier.1 = value;
                } else {
                    index.insert(name.clone(), found.len());
                    found.push((name, value));
                }
                rest = after;
            }
            None => rest = next_line(rest),
        }
    }
}

fn next_line(text: &str) -> &str {
    text.split_once('\n').map_or("", |(_, after)| after)
}

/// One assignment at the start of `text`: name, value, and what follows its line.
fn assignment(text: &str) -> Option<(String, String, &str)> {
    let exported = text.strip_prefix("export").filter(|after| after.starts_with(is_space));
    // A variable may be called so itself.
    exported.and_then(|after| named(after.trim_start_matches(is_space))).or_else(|| named(text))
}

/// White space in JavaScript's regular expressions.
fn is_space(c: char) -> bool {
    c == '\u{feff}' || (c.is_whitespace() && c != '\u{85}')
}

/// An assignment without `export` before it.
fn named(text: &str) -> Option<(String, String, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')))?;
    let (name, after) = text.split_at_checked(end)?;
    if name.is_empty() {
        return None;
    }
    // `NAME: value` needs white space behind the colon and has none before it, `NAME = value` is free.
    let value = match after.trim_start_matches(is_space).strip_prefix('=') {
        Some(value) => value,
        None => after.strip_prefix(':')?.strip_prefix(is_space)?,
    };
    // A quoted value may begin on a later line, a bare one may not.
    let (value, after) = quoted(value.trim_start_matches(is_space)).unwrap_or_else(|| bare(value));
    Some((name.to_owned(), value, after))
}

/// A quoted value may span lines. Nothing but white space and a comment may follow it on its last line.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    let body = text.strip_prefix(quote)?;
    let end = closing(body, quote)?;
    let (inner, rest) = body.split_at_checked(end)?;
    let rest = rest.strip_prefix(quote)?;
    let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
    let tail = line.trim();
    if !(tail.is_empty() || tail.starts_with('#')) {
        return None;
    }
    let value = match quote {
        '"' => inner.replace("\\n", "\n").replace("\\r", "\r"),
        _ => inner.to_owned(),
    };
    Some((value, after))
}

/// Byte offset of the quote that closes `body`; a quote behind a backslash does not.
fn closing(body: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return Some(at),
            _ => {}
        }
    }
    None
}

/// A value without quotes ends at the line's end or at `#`.
fn bare(text: &str) -> (String, &str) {
    let (line, after) = text.split_once('\n').unwrap_or((text, ""));
    let value = line.split_once('#').map_or(line, |(value, _)| value).trim_matches(is_space);
    // The gateway's reader also drops one pair of quotes around what it took for a bare value.
    let inner = ['"', '\'', '`'].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    (inner.unwrap_or(value).to_owned(), after)
}
