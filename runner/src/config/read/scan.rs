//! A look over JSON5 text before it is parsed: how deep and how many. It knows strings and comments, and nothing
//! else; the JSON5 reader behind it recurses without a limit of its own.

/// What exceeded a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Excess {
    Depth,
    Values,
}

/// Fails when `text` nests deeper than `max_depth` or holds more than `max_values` values; else says how many it holds at
/// most. Never fails for text within the limits, whether it is JSON5 or not.
pub(in crate::config) fn scan(text: &str, max_depth: usize, max_values: usize) -> Result<usize, Excess> {
    let mut depth = 0usize;
    let mut values = 0usize;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\'' => skip_string(&mut chars, c),
            '/' => match chars.peek() {
                Some('/') => skip_line(&mut chars),
                Some('*') => skip_block(&mut chars),
                _ => {}
            },
            '[' | '{' => {
                depth += 1;
                values += 1;
                if depth > max_depth {
                    return Err(Excess::Depth);
                }
            }
            ']' | '}' => depth = depth.saturating_sub(1),
            ',' | ':' => values += 1,
            _ => {}
        }
        if values > max_values {
            return Err(Excess::Values);
        }
    }
    Ok(values)
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn skip_string(chars: &mut Chars<'_>, quote: char) {
    while let Some(c) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == quote {
            return;
        }
    }
}

fn skip_line(chars: &mut Chars<'_>) {
    for c in chars.by_ref() {
        if matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}') {
            return;
        }
    }
}

fn skip_block(chars: &mut Chars<'_>) {
    chars.next();
    let mut star = false;
    for c in chars.by_ref() {
        if star && c == '/' {
            return;
        }
        star = c == '*';
    }
}
