//! The text of one parsed file, and lines and columns in it.

use std::path::PathBuf;

use crate::target::Place;

/// Byte range of a value in one of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct Spot {
    pub file: u32,
    pub start: u32,
    pub end: u32,
}

/// A file that was parsed.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Absolute path, symbolic links not resolved.
    pub path: PathBuf,
    /// The text without a byte order mark; bytes that are not UTF-8 became U+FFFD.
    pub text: String,
    /// The file begins with a byte order mark.
    pub bom: bool,
    /// `text` is byte for byte the file (but for the mark), and every value in it has a place. Otherwise it must
    /// not be edited.
    pub exact: bool,
    line_starts: Vec<u32>,
    /// How many characters begin before each block of [`BLOCK`] bytes, so that a column in a long line is no long count.
    characters: Vec<u32>,
}

/// Bytes between two counts.
const BLOCK: usize = 1024;

impl SourceFile {
    pub(in crate::config) fn new(path: PathBuf, text: String, bom: bool, exact: bool) -> Self {
        let (line_starts, characters) = (line_starts(&text), characters(&text));
        Self { path, text, bom, exact, line_starts, characters }
    }

    pub(in crate::config) fn place(&self, spot: Spot, exact: bool) -> Option<Place> {
        let (line, column) = self.position(spot.start)?;
        Some(Place { file: spot.file as usize, line, column, exact })
    }

    /// Line and column, both from 1, of a byte offset.
    pub(in crate::config) fn position(&self, offset: u32) -> Option<(u32, u32)> {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = *self.line_starts.get(line.checked_sub(1)?)?;
        let before = self.characters_before(offset)?.checked_sub(self.characters_before(start)?)?;
        Some((u32::try_from(line).ok()?, before.checked_add(1)?))
    }

    fn characters_before(&self, offset: u32) -> Option<u32> {
        let block = offset as usize / BLOCK;
        let rest = self.text.as_bytes().get(block * BLOCK..offset as usize)?;
        self.characters.get(block)?.checked_add(u32::try_from(begins(rest)).ok()?)
    }
}

/// How many characters begin in these bytes of UTF-8.
fn begins(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

fn characters(text: &str) -> Vec<u32> {
    let mut before = 0u32;
    let mut all = vec![0];
    for block in text.as_bytes().chunks(BLOCK) {
        // Files are capped far below 4 GiB, so this never saturates.
        before = before.saturating_add(u32::try_from(begins(block)).unwrap_or(u32::MAX));
        all.push(before);
    }
    all
}

fn line_starts(text: &str) -> Vec<u32> {
    let mut starts = vec![0];
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        let ends = byte == b'\n' || (byte == b'\r' && bytes.peek().is_none_or(|(_, next)| *next != b'\n'));
        if ends {
            // Files are capped far below 4 GiB, so this never saturates.
            starts.push(u32::try_from(at + 1).unwrap_or(u32::MAX));
        }
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_counts_characters_also_in_a_long_line() {
        let text = format!("{}\n{}x\r\ny", "ä".repeat(3000), "a€".repeat(2000));
        let file = SourceFile::new(PathBuf::new(), text.clone(), false, true);
        for (offset, _) in text.char_indices().step_by(7).chain([(text.len(), 'y')]) {
            let before = &text[..offset];
            let line = before.split('\n').count();
            let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
            let expected = Some((u32::try_from(line).unwrap(), u32::try_from(column).unwrap()));
            assert_eq!(file.position(u32::try_from(offset).unwrap()), expected, "{offset}");
        }
    }
}
