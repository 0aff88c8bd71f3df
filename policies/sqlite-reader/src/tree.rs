//! The tree that holds the rows of a table, and the chains of pages that long rows go on in.

use std::collections::BTreeSet;

use crate::bytes::{piece, u8_at, u16_at, u32_at, varint_at};
use crate::error::Error;
use crate::pages::{HEADER, Pages};

/// The kind of a page that leads to others.
const INNER: u8 = 5;
/// The kind of a page of rows.
const LEAF: u8 = 13;
/// Deepest tree: one of this depth would have more pages than a database can have.
const MAX_DEPTH: usize = 20;

/// A row as far as it was read.
pub(crate) struct Row {
    /// Its number.
    pub(crate) number: i64,
    /// Its first bytes.
    pub(crate) bytes: Vec<u8>,
    /// How many it has.
    length: u64,
    /// The page that it goes on in; 0 where it does not.
    next: u32,
}

/// A walk over a tree in the order of its rows.
pub(crate) struct Tree {
    /// The pages from the root to the present one.
    levels: Vec<Level>,
    /// The pages that were met: none belongs to two places.
    seen: BTreeSet<u32>,
}

/// A page that the walk is on.
struct Level {
    page: Vec<u8>,
    is_leaf: bool,
    /// Where the places of its cells begin.
    cells: usize,
    count: usize,
    next: usize,
    /// The page behind the last cell.
    last: u32,
    /// Bytes that no cell was found in yet: cells do not overlap, so that reading them all takes no longer than the page.
    room: usize,
}

impl Tree {
    /// Begins a walk.
    pub(crate) fn new(pages: &mut Pages<'_>, root: u32) -> Result<Self, Error> {
        let mut tree = Self { levels: Vec::new(), seen: BTreeSet::new() };
        tree.enter(pages, root)?;
        Ok(tree)
    }

    /// The next row.
    pub(crate) fn next(&mut self, pages: &mut Pages<'_>) -> Result<Option<Row>, Error> {
        loop {
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            let number = level.next;
            level.next += 1;
            if level.is_leaf && number < level.count {
                return level.row(number, pages.usable).map(Some);
            } else if !level.is_leaf && number <= level.count {
                let child = level.child(number)?;
                self.enter(pages, child)?;
            } else {
                self.levels.pop();
            }
        }
    }

    /// Reads on in a row, until it has so many bytes.
    pub(crate) fn load(&mut self, pages: &mut Pages<'_>, row: &mut Row, length: usize) -> Result<(), Error> {
        if length as u64 > row.length {
            return Err(Error::damaged("a row is too short"));
        }
        while row.bytes.len() < length {
            let page = self.page(pages, row.next)?;
            row.next = u32_at(&page, 0).unwrap_or(0);
            let left = usize::try_from(row.length).unwrap_or(usize::MAX) - row.bytes.len();
            row.bytes.extend(page.iter().skip(4).take(left));
        }
        Ok(())
    }

    /// A page that was not met before.
    fn page(&mut self, pages: &mut Pages<'_>, number: u32) -> Result<Vec<u8>, Error> {
        if !self.seen.insert(number) {
            return Err(Error::damaged("two places lead to the same page"));
        }
        pages.page(number)
    }

    fn enter(&mut self, pages: &mut Pages<'_>, number: u32) -> Result<(), Error> {
        if self.levels.len() == MAX_DEPTH {
            return Err(Error::damaged("a tree is too deep"));
        }
        let page = self.page(pages, number)?;
        let level = Level::new(page, if number == 1 { HEADER } else { 0 });
        self.levels
            .push(level.ok_or_else(|| Error::damaged("a page is not of the kind that belongs there"))?);
        Ok(())
    }
}

impl Level {
    /// A page of a table, whose own header begins here.
    fn new(page: Vec<u8>, start: usize) -> Option<Self> {
        let is_leaf = match u8_at(&page, start)? {
            LEAF => true,
            INNER => false,
            _ => return None,
        };
        let count = usize::from(u16_at(&page, start + 3)?);
        let last = u32_at(&page, start + 8)?;
        let cells = start + if is_leaf { 8 } else { 12 };
        let room = page.len().checked_sub(cells)?.checked_sub(count * 2)?;
        Some(Self { page, is_leaf, cells, count, next: 0, last, room })
    }

    fn offset(&self, number: usize) -> Option<usize> {
        u16_at(&self.page, self.cells + number * 2).map(usize::from)
    }

    /// The page before a cell, or behind the last.
    fn child(&self, number: usize) -> Result<u32, Error> {
        if number == self.count {
            return Ok(self.last);
        }
        let child = self.offset(number).and_then(|offset| u32_at(&self.page, offset));
        child.ok_or_else(|| Error::damaged("a cell lies outside of its page"))
    }

    /// A row, as far as it lies on the page.
    fn row(&mut self, number: usize, usable: usize) -> Result<Row, Error> {
        let (row, size) =
            self.cell(number, usable).ok_or_else(|| Error::damaged("a cell lies outside of its page"))?;
        self.room =
            self.room.checked_sub(size).ok_or_else(|| Error::damaged("the cells of a page overlap"))?;
        Ok(row)
    }

    /// A row, and what it takes of the page.
    fn cell(&self, number: usize, usable: usize) -> Option<(Row, usize)> {
        let offset = self.offset(number)?;
        let (length, first) = varint_at(&self.page, offset)?;
        let (number, second) = varint_at(&self.page, offset + first)?;
        let here = local(length, usable)?;
        let start = offset + first + second;
        let bytes = piece(&self.page, start, here)?.to_vec();
        let goes_on = length > here as u64;
        let next = if goes_on { u32_at(&self.page, start + here)? } else { 0 };
        let size = first + second + here + if goes_on { 4 } else { 0 };
        Some((Row { number: number.cast_signed(), bytes, length, next }, size))
    }
}

/// How much of a row lies on its page.
fn local(length: u64, usable: usize) -> Option<usize> {
    let usable = usable as u64;
    let most = usable.checked_sub(35)?;
    if length <= most {
        return usize::try_from(length).ok();
    }
    let least = (usable.checked_sub(12)? * 32 / 255).checked_sub(23)?;
    let wanted = least + (length.checked_sub(least)?) % usable.checked_sub(4)?;
    usize::try_from(if wanted <= most { wanted } else { least }).ok()
}
