//! White space as JavaScript's patterns see it, in bytes. Every sequence begins with a byte that never continues
//! another, so that broken UTF-8 around it changes nothing.

use super::span::{Set, span, span_back};

/// Which white space a pattern may contain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    /// All but LF: the pattern is for one line.
    Line,
    /// All.
    Any,
}

/// The text without the white space that it begins with.
#[inline]
pub(super) fn skip(text: &[u8], space: Space) -> &[u8] {
    match text {
        // Most names are followed by something else, and by one space at most.
        [b'!'..=b'~', ..] => text,
        [b' ', b'!'..=b'~', ..] => text.get(1..).unwrap_or_default(),
        _ => skip_more(text, space),
    }
}

fn skip_more(mut text: &[u8], space: Space) -> &[u8] {
    loop {
        text = match text {
            [b' ' | b'\t' | 0x0b | 0x0c | b'\r', rest @ ..] => {
                rest.get(span(rest, Set::Blank)..).unwrap_or_default()
            }
            [b'\n', rest @ ..] if space == Space::Any => {
                rest.get(span(rest, Set::Space)..).unwrap_or_default()
            }
            [0xc2, 0xa0, rest @ ..]
            | [0xe1, 0x9a, 0x80, rest @ ..]
            | [0xe2, 0x80, 0x80..=0x8a | 0xa8 | 0xa9 | 0xaf, rest @ ..]
            | [0xe2, 0x81, 0x9f, rest @ ..]
            | [0xe3, 0x80, 0x80, rest @ ..]
            | [0xef, 0xbb, 0xbf, rest @ ..] => rest,
            _ => return text,
        }
    }
}

/// The text without the white space of a line that it ends with.
pub(super) fn skip_back(mut text: &[u8]) -> &[u8] {
    loop {
        text = match text {
            [rest @ .., b' ' | b'\t' | 0x0b | 0x0c | b'\r'] => {
                rest.get(..rest.len() - span_back(rest, Set::Blank)).unwrap_or_default()
            }
            [rest @ .., 0xc2, 0xa0]
            | [rest @ .., 0xe1, 0x9a, 0x80]
            | [rest @ .., 0xe2, 0x80, 0x80..=0x8a | 0xa8 | 0xa9 | 0xaf]
            | [rest @ .., 0xe2, 0x81, 0x9f]
            | [rest @ .., 0xe3, 0x80, 0x80]
            | [rest @ .., 0xef, 0xbb, 0xbf] => rest,
            _ => return text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::js::is_space;

    #[test]
    fn the_set_is_that_of_trim() {
        for c in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
            let mut buffer = [0; 4];
            let bytes = c.encode_utf8(&mut buffer).as_bytes();
            assert_eq!(skip(bytes, Space::Any).is_empty(), is_space(c), "{c:?}");
            assert_eq!(skip(bytes, Space::Line).is_empty(), is_space(c) && c != '\n', "{c:?}");
            assert_eq!(skip_back(bytes).is_empty(), is_space(c) && c != '\n', "{c:?}");
        }
    }

    #[test]
    fn only_the_ends_are_cut() {
        assert_eq!(skip(b" \x0c\xef\xbb\xbf\xe2\x80x ", Space::Line), b"\xe2\x80x ");
        assert_eq!(skip_back(b" a\x80\xa0\xe2\x80\xa8\xc2\xa0"), b" a\x80\xa0");
    }
}
