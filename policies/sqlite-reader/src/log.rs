//! The write-ahead log: which pages it has in place of the database's, up to the last transaction that was committed.

use std::collections::BTreeMap;

use crate::bytes::{piece, u32_at};
use crate::error::Error;
use crate::pages::{File, Files, is_page_size};

/// Bytes before the first frame.
const HEADER: usize = 32;
/// Bytes before the page of a frame.
const FRAME: usize = 24;
/// The first four bytes; the last bit says in which order the words of a checksum stand.
const MAGIC: u32 = 0x377f_0682;
/// The one version there is.
const VERSION: u32 = 3_007_000;
/// What is asked for at once, if it holds a frame.
const CHUNK: usize = 256 << 10;

/// What a log says.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// Where the pages lie in it, by their numbers.
    pages: BTreeMap<u32, u64>,
    /// How many pages the database has after the last commit; none where nothing was committed.
    count: Option<u32>,
    /// Bytes of a page.
    page_size: usize,
}

impl Log {
    /// Reads a log. One that was never begun, or that is from before the last time its pages were carried over, says nothing.
    pub(crate) fn read(files: &mut Files<'_>) -> Result<Self, Error> {
        let mut log = Self::default();
        if files.size(File::Log) < HEADER as u64 {
            return Ok(log);
        }
        let header = files.read(File::Log, 0, HEADER)?;
        let word = |number: usize| u32_at(&header, number * 4).unwrap_or(0);
        let page_size = word(2) as usize;
        if word(0) & !1 != MAGIC || !is_page_size(page_size) {
            return Ok(log);
        }
        let mut sum = Sum { big_endian: word(0) & 1 == 1, words: (0, 0) };
        sum.add(piece(&header, 0, 24).unwrap_or_default());
        if sum.words != (word(6), word(7)) {
            return Ok(log);
        }
        if word(1) != VERSION {
            return Err(Error::unknown("its write-ahead log is of a version that is not known"));
        }
        log.page_size = page_size;
        log.frames(files, sum, (word(4), word(5)))?;
        Ok(log)
    }

    /// Reads frames up to the first that does not follow from those before it.
    fn frames(&mut self, files: &mut Files<'_>, mut sum: Sum, salt: (u32, u32)) -> Result<(), Error> {
        let length = FRAME + self.page_size;
        let at_once = (CHUNK / length).max(1);
        let all = (files.size(File::Log) - HEADER as u64) / length as u64;
        let (mut done, mut open) = (0_u64, Vec::new());
        while done < all {
            let count = at_once.min(usize::try_from(all - done).unwrap_or(at_once));
            let begin = HEADER as u64 + done * length as u64;
            let chunk = files.read(File::Log, begin, count * length)?;
            for (number, frame) in chunk.chunks_exact(length).enumerate() {
                let word = |number: usize| u32_at(frame, number * 4).unwrap_or(0);
                let page = word(0);
                if page == 0 || (word(2), word(3)) != salt {
                    return Ok(());
                }
                sum.add(piece(frame, 0, 8).unwrap_or_default());
                sum.add(frame.get(FRAME..).unwrap_or_default());
                if sum.words != (word(4), word(5)) {
                    return Ok(());
                }
                open.push((page, begin + (number * length + FRAME) as u64));
                if word(1) != 0 {
                    self.pages.extend(open.drain(..));
                    self.count = Some(word(1));
                }
            }
            done += count as u64;
        }
        Ok(())
    }

    /// How many pages the database has, and of how many bytes; none where the log says nothing.
    pub(crate) fn extent(&self) -> Option<(u32, usize)> {
        Some((self.count?, self.page_size))
    }

    /// Where a page lies in the log; none where the database's own counts.
    pub(crate) fn find(&self, page: u32) -> Option<u64> {
        self.pages.get(&page).copied()
    }
}

/// The running checksum over what was written.
struct Sum {
    big_endian: bool,
    words: (u32, u32),
}

impl Sum {
    /// Adds bytes, eight at a time.
    fn add(&mut self, bytes: &[u8]) {
        let (mut first, mut second) = self.words;
        for pair in bytes.chunks_exact(8) {
            let (high, low) = pair.split_at(4);
            let word = |bytes: &[u8]| {
                let bytes = bytes.try_into().unwrap_or_default();
                if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
            };
            first = first.wrapping_add(word(high)).wrapping_add(second);
            second = second.wrapping_add(word(low)).wrapping_add(first);
        }
        self.words = (first, second);
    }
}
