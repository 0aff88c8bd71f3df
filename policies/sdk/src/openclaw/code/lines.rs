//! Which line and column an offset is on.

/// Lines and columns of offsets that never go back, so that the text is counted once for all of them.
pub(super) struct Lines<'t> {
    text: &'t [u8],
    at: usize,
    line: u32,
    column: u32,
    start: usize,
}

/// A place in a text. Line and column count from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub line: u32,
    pub column: u32,
    /// Offset of the line.
    pub start: usize,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0, line: 1, column: 1, start: 0 }
    }

    /// The place of an offset, which lies between characters, and not before the last one that was asked for.
    pub(super) fn place(&mut self, at: usize) -> Place {
        let passed = self.text.get(self.at..at).unwrap_or_default();
        let (count, last) = line_feeds(passed);
        let mut tail = passed;
        if let Some(last) = last {
            self.line = self.line.saturating_add(count);
            self.column = 1;
            self.start = self.at + last + 1;
            tail = passed.get(last + 1..).unwrap_or_default();
        }
        self.column = self.column.saturating_add(characters(tail));
        self.at = at;
        Place { line: self.line, column: self.column, start: self.start }
    }
}

/// One in each byte.
const ONES: u64 = u64::MAX / 0xff;

/// How many line feeds there are, and where the last one is. Eight bytes at a time: a text may have one hit, at its end.
fn line_feeds(text: &[u8]) -> (u32, Option<usize>) {
    const LOW: u64 = 0x7f * ONES;
    let (blocks, rest) = text.as_chunks::<8>();
    let (mut count, mut last_block) = (0, None);
    for (number, block) in blocks.iter().enumerate() {
        let other = u64::from_ne_bytes(*block) ^ (u64::from(b'\n') * ONES);
        // The high bit of each byte that is not zero here: that is no line feed.
        let others = (((other & LOW) + LOW) | other) & !LOW;
        if others != !LOW {
            count += 8 - others.count_ones();
            last_block = Some(number);
        }
    }
    let last =
        |bytes: &[u8], start: usize| bytes.iter().rposition(|byte| *byte == b'\n').map(|at| start + at);
    let found = last(rest, text.len() - rest.len()).or_else(|| {
        let number = last_block?;
        last(blocks.get(number)?, number * 8)
    });
    let more = rest.split(|byte| *byte == b'\n').skip(1).count();
    (count + u32::try_from(more).unwrap_or(0), found)
}

/// How many characters begin here: each byte that continues none. Broken UTF-8 is counted by its first bytes.
fn characters(text: &[u8]) -> u32 {
    let (blocks, rest) = text.as_chunks::<8>();
    let continued = |block: &[u8; 8]| {
        let block = u64::from_ne_bytes(*block);
        ((block >> 7) & !(block >> 6) & ONES).count_ones()
    };
    let ends = rest.iter().filter(|byte| (0x80..0xc0).contains(*byte)).count();
    let inside = blocks.iter().map(continued).sum::<u32>() + u32::try_from(ends).unwrap_or(0);
    u32::try_from(text.len()).unwrap_or(u32::MAX).saturating_sub(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_feeds_are_counted_in_and_after_blocks() {
        for length in 0..40 {
            for every in 1..12 {
                let text: Vec<u8> = (1..=length).map(|n| if n % every == 0 { b'\n' } else { 0x8a }).collect();
                let count = text.split(|byte| *byte == b'\n').count() - 1;
                let last = text.iter().rposition(|byte| *byte == b'\n');
                assert_eq!(line_feeds(&text), (u32::try_from(count).unwrap(), last), "{text:?}");
            }
        }
    }

    #[test]
    fn places_count_characters_of_the_decoded_text() {
        let text = "aé\u{1f600}b\n\rc".as_bytes();
        let mut lines = Lines::new(text);
        let place = |line, column, start| Place { line, column, start };
        assert_eq!(lines.place(0), place(1, 1, 0));
        assert_eq!(lines.place(7), place(1, 4, 0));
        assert_eq!(lines.place(7), place(1, 4, 0));
        assert_eq!(lines.place(10), place(2, 2, 9));
        // A stray byte, one that is never valid, a sequence that breaks off, and ten characters.
        assert_eq!(Lines::new(b"\x80\xff\xe2\x80abcdefghij").place(14), place(1, 13, 0));
    }
}
