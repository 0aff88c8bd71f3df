//! Runs the reader of databases: the runner gives it pages, and it gives rows. A database is a stranger's bytes, so that
//! whatever understands them runs under the same limits as a policy, and has nothing but these pages.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker};

use super::bindings::reader::chitin::sqlite_reader::{pages, tables};
use super::bindings::reader::{Reader, ReaderPre};
use super::host::{HostState, Shared};
use super::limits::Limits;
use super::run::{Failure, Sandbox, explain};
use super::view::Grants;
use crate::budget::{self, Budget};
use crate::policy::manifest::Capabilities;
use crate::target::database::{Pair, Part};
use crate::target::records::{Cell, FoundRows, RecordsError, Request, Row};

/// The reader, mapped and linked.
pub type Ready = ReaderPre<HostState>;

/// Most bytes that one call gives.
const MAX_PAGES_BYTES: u32 = 1 << 20;

/// Most bytes of all rows that the reader gives: each of its tables has 8 MiB.
const MAX_ROWS_BYTES: usize = 48 << 20;

/// Links what the reader imports.
pub fn link(linker: &mut Linker<HostState>) -> Result<()> {
    Reader::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

impl pages::Host for HostState {
    fn size(&mut self, file: pages::File) -> Result<u64> {
        self.count_call()?;
        Ok(self.pair().map_or(0, |pair| pair.size(file.into())))
    }

    fn read(&mut self, file: pages::File, offset: u64, length: u32) -> Result<Vec<u8>> {
        self.count_call()?;
        let length = length.min(MAX_PAGES_BYTES);
        self.count_bytes(u64::from(length))?;
        Ok(self.pair().map(|pair| pair.read(file.into(), offset, length as usize)).unwrap_or_default())
    }
}

impl From<pages::File> for Part {
    fn from(file: pages::File) -> Self {
        match file {
            pages::File::Database => Self::Database,
            pages::File::Log => Self::Log,
        }
    }
}

impl tables::Host for HostState {}

impl Sandbox {
    /// Rows of a database, as it is in this pair of files. None where the audit ended before the reader did.
    pub(super) fn rows(
        &self,
        shared: &Arc<Shared>,
        pair: &Arc<Pair>,
        requests: &[Request],
        budget: &Budget,
    ) -> Option<FoundRows> {
        let limits = Limits { call_bytes: MAX_ROWS_BYTES, ..Limits::default() };
        // It has its own time: what it takes does not depend on who asks first.
        let budget = budget.share(budget::TIME, limits.time);
        let grants = Grants::new(Capabilities::default(), BTreeMap::new());
        let state = HostState::new(self.clone(), Arc::clone(shared), grants, limits.clone(), budget.clone());
        let mut store = self.reader_store(state.with_pair(Arc::clone(pair)), &limits);
        let requests: Vec<tables::Request> = requests.iter().map(asked).collect();
        let answer = store.set_fuel(limits.fuel).and_then(|()| {
            let reader = self.reader()?.instantiate(&mut store)?;
            reader.call_rows(&mut store, &requests)
        });
        match answer {
            Ok(tables) => {
                Some(tables.map_err(Into::into).map(|tables| tables.into_iter().map(given).collect()))
            }
            Err(error) => match explain(&error, &limits) {
                Failure::Interrupted => None,
                Failure::Limit(limit) if limit.what == budget::WALL => None,
                Failure::Limit(limit) => Some(Err(RecordsError::Limit(limit.to_string()))),
                other => Some(Err(RecordsError::NotUnderstood(format!("its reader stopped: {other}")))),
            },
        }
    }
}

fn asked(request: &Request) -> tables::Request {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    tables::Request {
        table: request.table.to_owned(),
        columns: texts(request.columns),
        only: request.only.map(texts),
    }
}

fn given(rows: Result<Vec<Vec<tables::Cell>>, tables::Error>) -> Result<Vec<Row>, RecordsError> {
    Ok(rows?.into_iter().map(|row| row.into_iter().map(Into::into).collect()).collect())
}

impl From<tables::Cell> for Cell {
    fn from(cell: tables::Cell) -> Self {
        match cell {
            tables::Cell::Null => Self::Null,
            tables::Cell::Integer(number) => Self::Integer(number),
            tables::Cell::Real(number) => Self::Real(number),
            tables::Cell::Text(text) => Self::Text(text),
            tables::Cell::Blob(bytes) => Self::Blob(bytes),
        }
    }
}

impl From<tables::Error> for RecordsError {
    fn from(error: tables::Error) -> Self {
        match error {
            tables::Error::NoTable => Self::NoTable,
            tables::Error::NoColumn(name) => Self::NoColumn(name),
            tables::Error::Limit(name) => Self::Limit(name),
            tables::Error::NotUnderstood(what) => Self::NotUnderstood(what),
            tables::Error::Changed => Self::Changed,
        }
    }
}
