//! The parts of a JSON5 text that may hold a secret: strings as they are meant, with the place of each character, comments,
//! and what stands between them. Linear in the text, and at home in any text.

use std::ops::Range;

/// What a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Part {
    /// What stands between the quotes of a string.
    Text,
    /// What a comment says.
    Comment,
    /// Names without quotes, numbers and punctuation.
    Bare,
}

/// The parts of a text, in order, as ranges of bytes.
pub(in crate::config) fn parts(text: &str) -> Vec<(Part, Range<usize>)> {
    let mut parts = Vec::new();
    let (mut at, mut bare) = (0, 0);
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = text.get(at..).unwrap_or_default();
        let (part, range, next) = if matches!(c, '"' | '\'') {
            let end = string_end(text, at + 1, c);
            (Part::Text, at + 1..end, (end + 1).min(text.len()))
        } else if rest.starts_with("//") {
            let end = at + rest.find(['\n', '\r', '\u{2028}', '\u{2029}']).unwrap_or(rest.len());
            (Part::Comment, at + 2..end, end)
        } else if rest.starts_with("/*") {
            let inner = rest.get(2..).unwrap_or_default();
            let end = at + 2 + inner.find("*/").unwrap_or(inner.len());
            (Part::Comment, at + 2..end, (end + 2).min(text.len()))
        } else {
            at += c.len_utf8();
            continue;
        };
        parts.push((Part::Bare, bare..at));
        parts.push((part, range));
        (at, bare) = (next, next);
    }
    parts.push((Part::Bare, bare..text.len()));
    parts.retain(|(_, range)| !range.is_empty());
    parts
}

/// The place of the quote that ends a string, or of the end of the text.
fn string_end(text: &str, start: usize, quote: char) -> usize {
    let mut escaped = false;
    let rest = text.get(start..).unwrap_or_default();
    for (at, c) in rest.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return start + at,
            _ => {}
        }
    }
    text.len()
}

/// A text as it is meant, and where its characters are written.
#[derive(Debug, Default)]
pub(in crate::config) struct Meant {
    /// The text without escapes.
    pub text: String,
    /// For each character: its place in `text`, and where it begins in the source.
    places: Vec<(usize, usize)>,
    /// Where the source ends.
    end: usize,
}

impl Meant {
    /// Reads what is written at a range of a source: escapes as JSON5 and JavaScript have them.
    pub(in crate::config) fn read(source: &str, range: &Range<usize>) -> Self {
        let mut meant = Self { end: range.end, ..Self::default() };
        let written = source.get(range.clone()).unwrap_or_default();
        let mut at = 0;
        let mut high = None;
        while let Some(rest) = written.get(at..).filter(|rest| !rest.is_empty()) {
            let (unit, length) = one(rest);
            let start = range.start + at;
            at += length;
            let unit = match (high.take(), unit) {
                // The second half of a character that is written as two.
                (Some((first, start)), Unit::Half(low @ 0xdc00..=0xdfff)) => {
                    let code = 0x1_0000_u32 + ((first - 0xd800) << 10) + (low - 0xdc00);
                    meant.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), start);
                    continue;
                }
                (Some((_, start)), unit) => {
                    meant.push(char::REPLACEMENT_CHARACTER, start);
                    unit
                }
                (None, unit) => unit,
            };
            match unit {
                Unit::Half(first @ 0xd800..=0xdbff) => high = Some((first, start)),
                Unit::Half(_) => meant.push(char::REPLACEMENT_CHARACTER, start),
                Unit::Char(c) => meant.push(c, start),
                Unit::Nothing => {}
            }
        }
        if let Some((_, start)) = high {
            meant.push(char::REPLACEMENT_CHARACTER, start);
        }
        meant
    }

    fn push(&mut self, c: char, start: usize) {
        self.places.push((self.text.len(), start));
        self.text.push(c);
    }

    /// Where a range of the text is written.
    pub(in crate::config) fn source(&self, range: &Range<usize>) -> Range<usize> {
        let first = self.places.partition_point(|(at, _)| *at <= range.start).saturating_sub(1);
        let last = self.places.partition_point(|(at, _)| *at < range.end);
        let place = |number: usize| self.places.get(number).map_or(self.end, |(_, start)| *start);
        place(first)..place(last)
    }
}

enum Unit {
    Char(char),
    /// Half of a character beyond 0xffff.
    Half(u32),
    /// The end of a line that is continued.
    Nothing,
}

/// The first character that is meant, and the bytes that it takes.
fn one(rest: &str) -> (Unit, usize) {
    let mut chars = rest.chars();
    let Some(first) = chars.next() else { return (Unit::Nothing, rest.len()) };
    let Some(c) = chars.next().filter(|_| first == '\\') else {
        return (Unit::Char(first), first.len_utf8());
    };
    let plain = 1 + c.len_utf8();
    let code = |digits: Option<&str>, radix: u32| {
        let digits =
            digits.filter(|digits| !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix)))?;
        u32::from_str_radix(digits, radix).ok()
    };
    let unit = |code: u32| char::from_u32(code).map_or(Unit::Half(code), Unit::Char);
    match c {
        'b' => (Unit::Char('\u{8}'), plain),
        'f' => (Unit::Char('\u{c}'), plain),
        'n' => (Unit::Char('\n'), plain),
        'r' => (Unit::Char('\r'), plain),
        't' => (Unit::Char('\t'), plain),
        'v' => (Unit::Char('\u{b}'), plain),
        '\r' if rest.get(2..).is_some_and(|rest| rest.starts_with('\n')) => (Unit::Nothing, 3),
        '\n' | '\r' | '\u{2028}' | '\u{2029}' => (Unit::Nothing, plain),
        'x' => code(rest.get(2..4), 16).map_or((Unit::Char(c), plain), |code| (unit(code), 4)),
        'u' => code(rest.get(2..6), 16).map_or((Unit::Char(c), plain), |code| (unit(code), 6)),
        // Octal, as JavaScript had it: up to three digits, up to 0o377.
        '0'..='7' => {
            let most = if c <= '3' { 3 } else { 2 };
            let digits =
                rest.bytes().skip(1).take(most).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
            let code = code(rest.get(1..1 + digits), 8);
            code.map_or((Unit::Char(c), plain), |code| (unit(code), 1 + digits))
        }
        c => (Unit::Char(c), plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<(Part, &str)> {
        parts(text).into_iter().map(|(part, range)| (part, &text[range])).collect()
    }

    #[test]
    fn a_text_falls_into_its_parts() {
        let text = "{a: \"b//c\", // d \"e\n 'f\\'/*' : 5 /* g' */ }";
        assert_eq!(
            said(text),
            [
                (Part::Bare, "{a: "),
                (Part::Text, "b//c"),
                (Part::Bare, ", "),
                (Part::Comment, " d \"e"),
                (Part::Bare, "\n "),
                (Part::Text, "f\\'/*"),
                (Part::Bare, " : 5 "),
                (Part::Comment, " g' "),
                (Part::Bare, " }"),
            ]
        );
        for (text, part) in
            [("\"a", Part::Text), ("/*a", Part::Comment), ("//a", Part::Comment), ("'a\\", Part::Text)]
        {
            assert_eq!(said(text), [(part, text.trim_start_matches(['"', '\'', '/', '*']))], "{text}");
        }
        assert_eq!(said(""), []);
    }

    #[test]
    fn a_range_of_what_is_meant_is_found_where_it_is_written() {
        for (written, meant) in [
            ("abc", "abc"),
            ("\\x61\\u0062\\143", "abc"),
            ("a\\\nb\\\r\nc", "abc"),
            ("\\a\\'\\\"\\\\\\/", "a'\"\\/"),
            ("\\ud83d\\ude00\\0\\n", "\u{1f600}\0\n"),
            ("\\ud83d\\ud83dx", "\u{fffd}\u{fffd}x"),
            ("\\udc00\\", "\u{fffd}\\"),
            ("\\x6\\u12", "x6u12"),
            ("é\\é", "éé"),
        ] {
            let read = Meant::read(written, &(0..written.len()));
            assert_eq!(read.text, meant, "{written}");
            assert_eq!(read.source(&(0..meant.len())), 0..written.len(), "{written}");
        }
        let source = "token: 'x\\x61b\\\nc'";
        let read = Meant::read(source, &(8..source.len() - 1));
        assert_eq!(read.text, "xabc");
        assert_eq!(&source[read.source(&(1..3))], "\\x61b\\\n");
        assert_eq!(&source[read.source(&(3..4))], "c");
    }
}
