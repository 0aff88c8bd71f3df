//! Reads rows of a SQLite database: the database file and its write-ahead log as they are, without a lock, and without
//! writing anything. The file is a stranger's: every number in it is checked, every loop reads on in it, and of both files
//! together only so much is read. No policy: the runner runs it in the sandbox, for what policies ask of `records`.

mod bytes;
#[cfg(target_family = "wasm")]
mod component;
mod error;
mod log;
mod pages;
mod record;
mod schema;
mod tree;

use std::collections::BTreeMap;

pub use error::Error;
pub use pages::{File, MAX_READ_BYTES, Source};
pub use record::Cell;

use pages::Pages;
use schema::Column;
use tree::{Row, Tree};

/// Most rows of a table.
pub const MAX_ROWS: usize = 100_000;
/// What all cells that a table gives may take.
pub const MAX_CELLS_BYTES: usize = 8 << 20;
/// Longest words that made a table.
const MAX_SQL_BYTES: usize = 1 << 20;
/// The columns of the table that names all others, on the first page: of what kind, name, whose, root, words.
const SCHEMA_COLUMNS: usize = 5;

/// Rows that are asked for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The table.
    pub table: String,
    /// Its columns, in the order that they are wanted in.
    pub columns: Vec<String>,
    /// Only rows whose cell of the first of these columns is one of these texts.
    pub only: Option<Vec<String>>,
}

/// A cell for each column that was asked for.
pub type Cells = Vec<Cell>;

/// Rows for each request.
///
/// # Errors
/// Where nothing of the database is understood. Each table has its own error besides.
pub fn rows(source: &mut dyn Source, requests: &[Request]) -> Result<Vec<Result<Vec<Cells>, Error>>, Error> {
    let Some(mut pages) = Pages::open(source)? else {
        return Ok(requests.iter().map(|_| Err(Error::NoTable)).collect());
    };
    let tables = tables(&mut pages, requests)?;
    let one = |request: &Request| {
        let (root, sql) = tables.get(&request.table.to_ascii_lowercase()).ok_or(Error::NoTable)?;
        of_table(&mut pages, *root, &schema::columns(sql)?, request)
    };
    Ok(requests.iter().map(one).collect())
}

/// The roots of the tables that are asked for, and the words that made them.
fn tables(pages: &mut Pages<'_>, requests: &[Request]) -> Result<BTreeMap<String, (u32, String)>, Error> {
    let mut tables = BTreeMap::new();
    let mut tree = Tree::new(pages, 1)?;
    while let Some(row) = tree.next(pages)? {
        let mut reading = Reading::new(pages, &mut tree, row, SCHEMA_COLUMNS)?;
        let kind = reading.text(0, 16)?;
        let kind = kind.as_deref().filter(|kind| KINDS.contains(kind));
        let kind = kind.ok_or_else(|| Error::damaged("it lists what it has by kinds that there are not"))?;
        // No table that is asked for has a longer name.
        let Some(name) = reading.text(1, 256)?.map(|name| name.to_ascii_lowercase()) else { continue };
        let is_asked = requests.iter().any(|request| request.table.eq_ignore_ascii_case(&name));
        if is_asked && kind == "view" {
            return Err(Error::unknown("a view stands where a table should be"));
        }
        if kind != "table" {
            continue;
        }
        // A table that is listed by another name than it was made by would count as one that is not there.
        let made = reading.text(4, MAX_SQL_BYTES)?.and_then(|sql| schema::made(&sql));
        if made.is_some_and(|made| !made.eq_ignore_ascii_case(&name)) {
            return Err(Error::damaged("a table is listed by another name than it was made by"));
        }
        if tables.contains_key(&name) || !is_asked {
            continue;
        }
        let Cell::Integer(root) = reading.cell(3, false)? else {
            return Err(Error::damaged("a table has no root"));
        };
        let root = u32::try_from(root).map_err(|_| Error::damaged("a table has no root"))?;
        let Some(sql) = reading.text(4, MAX_SQL_BYTES)? else {
            return Err(Error::damaged("nothing says how a table was made"));
        };
        tables.insert(name, (root, sql));
    }
    Ok(tables)
}

/// What a database lists.
const KINDS: [&str; 4] = ["table", "index", "view", "trigger"];

/// The rows of a table.
fn of_table(
    pages: &mut Pages<'_>,
    root: u32,
    known: &[Column],
    request: &Request,
) -> Result<Vec<Cells>, Error> {
    let place = |name: &String| {
        let place = known.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        place.and_then(|place| Some((place, known.get(place)?))).ok_or_else(|| Error::NoColumn(name.clone()))
    };
    let wanted = request.columns.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    let last = wanted.iter().map(|(place, _)| place + 1).max().unwrap_or(0);
    let (mut rows, mut left) = (Vec::new(), MAX_CELLS_BYTES);
    let mut tree = Tree::new(pages, root)?;
    'next: while let Some(row) = tree.next(pages)? {
        let mut reading = Reading::new(pages, &mut tree, row, last)?;
        let mut cells = Vec::with_capacity(wanted.len());
        for (number, (place, column)) in wanted.iter().enumerate() {
            if reading.length(*place) > left {
                if number == 0 && request.only.is_some() {
                    continue 'next;
                }
                return Err(Error::Limit(format!("{} MiB of rows", MAX_CELLS_BYTES >> 20)));
            }
            let cell = reading.of_column(*place, column)?;
            if let (0, Some(only)) = (number, &request.only) {
                // A column may be made to compare without case, or without blanks at the end.
                let Cell::Text(text) = &cell else { continue 'next };
                let same = |key: &&String| key.eq_ignore_ascii_case(text.trim_end());
                let Some(key) = only.iter().find(same) else { continue 'next };
                cells.push(Cell::Text(key.clone()));
                continue;
            }
            cells.push(cell);
        }
        let size = cells.iter().map(Cell::size).sum::<usize>().saturating_add(16);
        let rest = left.checked_sub(size);
        left = rest.ok_or_else(|| Error::Limit(format!("{} MiB of rows", MAX_CELLS_BYTES >> 20)))?;
        if rows.len() == MAX_ROWS {
            return Err(Error::Limit(format!("{MAX_ROWS} rows")));
        }
        rows.push(cells);
    }
    Ok(rows)
}

/// A row whose cells are read as they are needed.
struct Reading<'r, 's> {
    pages: &'r mut Pages<'s>,
    tree: &'r mut Tree,
    row: Row,
    places: Vec<record::Place>,
}

impl<'r, 's> Reading<'r, 's> {
    /// Reads where the first cells of a row lie.
    fn new(pages: &'r mut Pages<'s>, tree: &'r mut Tree, mut row: Row, most: usize) -> Result<Self, Error> {
        let end = record::kinds_end(&row.bytes).filter(|end| *end <= record::MAX_KINDS_BYTES);
        let end = end.ok_or_else(|| Error::damaged("a row is not right"))?;
        tree.load(pages, &mut row, end)?;
        let places = record::places(&row.bytes, most)?;
        Ok(Self { pages, tree, row, places })
    }

    /// Bytes of a cell.
    fn length(&self, place: usize) -> usize {
        self.places.get(place).map_or(0, |place| place.length())
    }

    fn cell(&mut self, place: usize, is_real: bool) -> Result<Cell, Error> {
        let Some(place) = self.places.get(place).copied() else { return Ok(Cell::Null) };
        self.tree.load(self.pages, &mut self.row, place.end())?;
        record::cell(&self.row.bytes, place, self.pages.encoding, is_real)
    }

    /// A cell as its column says.
    fn of_column(&mut self, place: usize, column: &Column) -> Result<Cell, Error> {
        if column.is_number {
            return Ok(Cell::Integer(self.row.number));
        }
        if place >= self.places.len() {
            let unknown = || Error::unknown("a row lacks a cell, and what stands for it is not understood");
            return column.default.clone().ok_or_else(unknown);
        }
        self.cell(place, column.is_real)
    }

    /// A text of at most so many bytes; none where it is longer, or no text.
    fn text(&mut self, place: usize, most: usize) -> Result<Option<String>, Error> {
        if self.length(place) > most {
            return Ok(None);
        }
        Ok(match self.cell(place, false)? {
            Cell::Text(text) => Some(text),
            _ => None,
        })
    }
}
