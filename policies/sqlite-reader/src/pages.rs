//! The two files, and the pages of a database that lie in them.

use crate::bytes::{u8_at, u16_at, u32_at};
use crate::error::Error;
use crate::log::Log;

/// The most that is read of both files together. Each step of each loop reads, so that this ends them all.
pub const MAX_READ_BYTES: u64 = 64 << 20;

/// The first bytes of a database.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Bytes of the header, which lies on the first page.
pub(crate) const HEADER: usize = 100;
/// The newest format that is known, in the header's bytes for writers and readers: with a write-ahead log.
const NEWEST: u8 = 2;
/// The newest format of what the header's schema number says.
const NEWEST_SCHEMA: u32 = 4;
/// The least that is left of a page besides what is reserved on it.
const LEAST_USABLE: usize = 480;

/// One of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// The database.
    Database,
    /// Its write-ahead log.
    Log,
}

/// Gives the bytes of the files.
pub trait Source {
    /// The size of a file; 0 where there is none.
    fn size(&mut self, file: File) -> u64;
    /// Bytes of a file; fewer where it ends.
    fn read(&mut self, file: File, offset: u64, length: usize) -> Vec<u8>;
}

/// A page of a database can be of this many bytes.
pub(crate) fn is_page_size(size: usize) -> bool {
    (512..=65536).contains(&size) && size.is_power_of_two()
}

/// The files, and how much of them may still be read.
pub(crate) struct Files<'s> {
    source: &'s mut dyn Source,
    sizes: (u64, u64),
    left: u64,
}

impl<'s> Files<'s> {
    pub(crate) fn new(source: &'s mut dyn Source) -> Self {
        let sizes = (source.size(File::Database), source.size(File::Log));
        Self { source, sizes, left: MAX_READ_BYTES }
    }

    pub(crate) fn size(&self, file: File) -> u64 {
        match file {
            File::Database => self.sizes.0,
            File::Log => self.sizes.1,
        }
    }

    /// Exactly so many bytes.
    pub(crate) fn read(&mut self, file: File, offset: u64, length: usize) -> Result<Vec<u8>, Error> {
        let Some(left) = self.left.checked_sub(length as u64) else {
            return Err(Error::Limit(format!("{} MiB of a database and its log", MAX_READ_BYTES >> 20)));
        };
        self.left = left;
        if offset.checked_add(length as u64).is_none_or(|end| end > self.size(file)) {
            return Err(Error::damaged("it ends before its last page"));
        }
        let bytes = self.source.read(file, offset, length);
        if bytes.len() == length { Ok(bytes) } else { Err(Error::Changed) }
    }
}

/// How texts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    Utf16 { big_endian: bool },
}

/// A database as it was after the last commit.
pub(crate) struct Pages<'s> {
    files: Files<'s>,
    log: Log,
    /// Bytes of a page.
    size: usize,
    /// Bytes of it that are used.
    pub(crate) usable: usize,
    /// How many there are.
    count: u32,
    pub(crate) encoding: Encoding,
}

impl<'s> Pages<'s> {
    /// Opens a database; none where it has no page yet.
    pub(crate) fn open(source: &'s mut dyn Source) -> Result<Option<Self>, Error> {
        let mut files = Files::new(source);
        let size = files.size(File::Database);
        if size == 0 {
            return Ok(None);
        }
        if size < HEADER as u64 {
            return Err(Error::unknown("it is no SQLite database, or is encrypted"));
        }
        let log = Log::read(&mut files)?;
        // With a log that counts, the header on the log's first page counts, too.
        let header = match log.find(1) {
            Some(offset) => files.read(File::Log, offset, HEADER)?,
            None => files.read(File::Database, 0, HEADER)?,
        };
        if !header.starts_with(MAGIC) {
            return Err(Error::unknown("it is no SQLite database, or is encrypted"));
        }
        let byte = |offset: usize| u8_at(&header, offset).unwrap_or(0);
        let word = |offset: usize| u32_at(&header, offset).unwrap_or(0);
        let page_size = match u16_at(&header, 16).unwrap_or(0) {
            1 => 65536,
            other => usize::from(other),
        };
        if byte(19) > NEWEST || word(44) > NEWEST_SCHEMA {
            return Err(Error::unknown("it is of a newer format than is known"));
        }
        let usable = page_size.saturating_sub(usize::from(byte(20)));
        if !is_page_size(page_size) || usable < LEAST_USABLE || (byte(21), byte(22), byte(23)) != (64, 32, 32)
        {
            return Err(Error::damaged("its header is not right"));
        }
        let encoding = match word(56) {
            // A database without any table has none yet.
            0 | 1 => Encoding::Utf8,
            2 => Encoding::Utf16 { big_endian: false },
            3 => Encoding::Utf16 { big_endian: true },
            _ => return Err(Error::damaged("its text encoding is not known")),
        };
        let count = match log.extent() {
            Some((count, of)) if of == page_size => count,
            Some(_) => return Err(Error::damaged("its log has pages of another size")),
            None => {
                let in_file = u32::try_from(size / page_size as u64).unwrap_or(u32::MAX);
                // What the header says counts where the last writer wrote it.
                let said = word(28);
                if said > 0 && word(24) == word(92) {
                    if said > in_file {
                        return Err(Error::damaged("it ends before its last page"));
                    }
                    said
                } else {
                    in_file
                }
            }
        };
        Ok(Some(Self { files, log, size: page_size, usable, count, encoding }))
    }

    /// A page by its number, from 1.
    pub(crate) fn page(&mut self, number: u32) -> Result<Vec<u8>, Error> {
        if number == 0 || number > self.count {
            return Err(Error::damaged("it points to a page that is not there"));
        }
        let (file, offset) = match self.log.find(number) {
            Some(offset) => (File::Log, offset),
            None => (File::Database, u64::from(number - 1) * self.size as u64),
        };
        let mut page = self.files.read(file, offset, self.size)?;
        page.truncate(self.usable);
        Ok(page)
    }
}
