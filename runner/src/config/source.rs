//! The text of one parsed file, and lines and columns in it.

use std::path::PathBuf;

use crate::target::Place;

/// Byte range of a value in one of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
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
}

impl SourceFile {
    pub(super) fn new(path: PathBuf, text: String, bom: bool, exact: bool) -> Self {
        let line_starts = line_starts(&text);
        Self { path, text, bom, exact, line_starts }
    }

    pub(super) fn place(&self, spot: Spot, exact: bool) -> Option<Place> {
        let (line, column) = self.position(spot.start)?;
        Some(Place { file: spot.file as usize, line, column, exact })
    }

    /// Line and column, both from 1, of a byte offset.
    fn position(&self, offset: u32) -> Option<(u32, u32)> {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = *self.line_starts.get(line.checked_sub(1)?)?;
        let before = self.text.get(start as usize..offset as usize)?;
        Some((u32::try_from(line).ok()?, u32::try_from(before.chars().count()).ok()?.checked_add(1)?))
    }
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
