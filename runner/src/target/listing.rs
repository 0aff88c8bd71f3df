//! The entries of one directory, held so that a directory of a million files takes no more than it must: one text for all
//! names, one row for each entry. What all listings take together is counted as long as anybody holds them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::snapshot::Metadata;

/// An object of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'l> {
    /// Its name, as the file system has it.
    pub name: &'l OsStr,
    /// Facts about the object itself.
    pub metadata: &'l Metadata,
}

/// The entries of a directory, in byte order of their names.
#[derive(Debug, Default)]
pub struct Listing {
    names: Vec<u8>,
    rows: Vec<Row>,
    held: Held,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    /// Where the name begins in `names`.
    start: u32,
    length: u16,
    metadata: Metadata,
}

/// What a listing takes of the memory that all share; given back when nobody holds it any more.
#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    of: Arc<AtomicUsize>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.of.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// There is no more room for listings.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Listing {
    /// An empty one, whose bytes are counted in `of`.
    pub(super) fn new(of: &Arc<AtomicUsize>) -> Self {
        Self { held: Held { bytes: 0, of: Arc::clone(of) }, ..Self::default() }
    }

    /// Adds an entry. All listings together may hold `most` bytes.
    pub(super) fn push(&mut self, name: &[u8], metadata: Metadata, most: usize) -> Result<(), Full> {
        let (Ok(start), Ok(length)) = (u32::try_from(self.names.len()), u16::try_from(name.len())) else {
            return Err(Full);
        };
        let bytes = name.len() + size_of::<Row>();
        self.held.bytes += bytes;
        if self.held.of.fetch_add(bytes, Ordering::Relaxed) + bytes > most {
            return Err(Full);
        }
        self.names.extend_from_slice(name);
        self.rows.push(Row { start, length, metadata });
        Ok(())
    }

    /// Puts the entries in order, once all are there.
    pub(super) fn sort(&mut self) {
        let names = &self.names;
        self.rows.sort_unstable_by(|one, other| one.name(names).cmp(other.name(names)));
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.held.bytes
    }

    /// The entry at a place in the order.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<Entry<'_>> {
        self.rows.get(at).map(|row| self.entry(row))
    }

    /// The entries, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Entry<'_>> + ExactSizeIterator {
        self.rows.iter().map(|row| self.entry(row))
    }

    /// The entry of this name.
    #[must_use]
    pub fn find(&self, name: &OsStr) -> Option<Entry<'_>> {
        self.position(name).and_then(|at| self.get(at))
    }

    /// Tells other facts about the entry of this name.
    pub(super) fn tell(&mut self, name: &OsStr, metadata: Metadata) {
        if let Some(at) = self.position(name)
            && let Some(row) = self.rows.get_mut(at)
        {
            row.metadata = metadata;
        }
    }

    /// Tells other facts about every entry for which there are some.
    pub(super) fn tell_each(&mut self, facts: impl Fn(&OsStr) -> Option<Metadata>) {
        let names = &self.names;
        for row in &mut self.rows {
            if let Some(metadata) = facts(OsStr::from_bytes(row.name(names))) {
                row.metadata = metadata;
            }
        }
    }

    fn position(&self, name: &OsStr) -> Option<usize> {
        self.rows.binary_search_by(|row| row.name(&self.names).cmp(name.as_bytes())).ok()
    }

    fn entry<'l>(&'l self, row: &'l Row) -> Entry<'l> {
        Entry { name: OsStr::from_bytes(row.name(&self.names)), metadata: &row.metadata }
    }
}

impl Row {
    fn name<'n>(&self, names: &'n [u8]) -> &'n [u8] {
        let start = self.start as usize;
        names.get(start..start + usize::from(self.length)).unwrap_or_default()
    }
}

impl PartialEq for Listing {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Listing {}

impl AsRef<Path> for Entry<'_> {
    fn as_ref(&self) -> &Path {
        Path::new(self.name)
    }
}
