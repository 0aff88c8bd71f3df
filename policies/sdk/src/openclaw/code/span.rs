//! How far a run of bytes of one kind goes. Eight bytes at a time, because a hostile text is nothing but such runs.

/// A kind of bytes.
#[derive(Clone, Copy)]
pub(super) enum Set {
    /// ASCII's white space on a line.
    Blank,
    /// The same and LF.
    Space,
    Base64,
    /// All that a URL in quotes may hold.
    Url,
    /// All but LF.
    Line,
    /// What a word is made of.
    Word,
    /// What a name that is called may be followed by: a parenthesis, white space, the rest of its name, or the end of the quotes
    /// that it stands in.
    Called,
}

/// For each byte the sets that it is in, a bit for each.
const SETS: [u8; 256] = {
    let mut sets = [0; 256];
    let mut rest: &mut [u8] = &mut sets;
    let mut byte = 0_u8;
    while let [set, tail @ ..] = rest {
        let blank = matches!(byte, b' ' | b'\t' | 0x0b | 0x0c | b'\r');
        let base64 = byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        *set = bit(Set::Blank, blank)
            | bit(Set::Space, blank || byte == b'\n')
            | bit(Set::Base64, base64)
            | bit(Set::Url, !matches!(byte, b'"' | b'\'' | b'\n'))
            | bit(Set::Line, byte != b'\n')
            | bit(Set::Word, byte.is_ascii_alphanumeric() || byte == b'_')
            | bit(
                Set::Called,
                blank || byte >= 0x80 || matches!(byte, b'\n' | b'(' | b'F' | b'S' | b'"' | b'\''),
            );
        byte = byte.wrapping_add(1);
        rest = tail;
    }
    sets
};

pub(super) const fn bit(set: Set, is_in: bool) -> u8 {
    (is_in as u8) << set as u8
}

#[inline]
pub(super) fn sets(byte: u8) -> u8 {
    SETS.get(usize::from(byte)).copied().unwrap_or(0)
}

/// The byte is in the set.
#[inline]
pub(super) fn is_in(byte: u8, set: Set) -> bool {
    sets(byte) & bit(set, true) != 0
}

/// How many bytes at the beginning are in the set.
pub(super) fn span(text: &[u8], set: Set) -> usize {
    let (start, rest) = text.split_at_checked(8).unwrap_or((text, &[]));
    // A run is short as a rule.
    if let Some(end) = start.iter().position(|byte| !is_in(*byte, set)) {
        return end;
    }
    let (blocks, _) = rest.as_chunks::<8>();
    let long = start.len() + 8 * blocks.iter().take_while(|block| are_in(**block, set)).count();
    let end = text.get(long..).unwrap_or_default();
    long + end.iter().take_while(|byte| is_in(**byte, set)).count()
}

/// How many bytes at the end are in the set.
pub(super) fn span_back(text: &[u8], set: Set) -> usize {
    let (rest, end) = text.split_at_checked(text.len().saturating_sub(8)).unwrap_or((&[], text));
    if let Some(last) = end.iter().rposition(|byte| !is_in(*byte, set)) {
        return end.len() - last - 1;
    }
    let (_, blocks) = rest.as_rchunks::<8>();
    let long = end.len() + 8 * blocks.iter().rev().take_while(|block| are_in(**block, set)).count();
    let start = text.get(..text.len() - long).unwrap_or_default();
    long + start.iter().rev().take_while(|byte| is_in(**byte, set)).count()
}

#[inline]
fn are_in(block: [u8; 8], set: Set) -> bool {
    block.iter().fold(bit(set, true), |all, byte| all & sets(*byte)) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_all_lengths() {
        for length in 0..40 {
            for rest in 0..20 {
                let text = [vec![b' '; length], vec![b'x'; rest]].concat();
                assert_eq!(span(&text, Set::Blank), length);
                assert_eq!(span_back(&text, Set::Base64), rest);
                assert_eq!(span(&text, Set::Line), length + rest);
            }
        }
    }
}
