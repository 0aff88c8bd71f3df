//! Rows of the tables that a target keeps. In releases before 2026.6.1 they lie in files of JSON; a table has the name and
//! the columns that it has in the databases of later releases. A column with credentials is no column here.

use std::path::Path;
use std::sync::OnceLock;

use serde::de::IgnoredAny;
use serde_json::Value;

use super::listing::Listing;
use super::snapshot::{Kind, LookError, Snapshot};
use crate::target::js_trim;

/// Who was let in by pairing, and may write to an account of a channel.
const PAIRING: &str = "channel_pairing_allow_entries";
/// Its columns.
const PAIRING_COLUMNS: [&str; 4] = ["channel_key", "account_id", "entry", "sort_order"];
/// The ending of the files that hold it.
const PAIRING_FILES: &str = "-allowFrom.json";
/// The account of a channel that has none by name.
const DEFAULT_ACCOUNT: &str = "default";
/// Channels whose key has a dash, which also stands between channel and account in the name of a file.
const DASHED_CHANNELS: [&str; 1] = ["nextcloud-talk"];

/// Most rows of a table.
const MAX_ROWS: usize = 100_000;
/// Longest file of rows, in bytes: a list of people has kilobytes.
const MAX_FILE_BYTES: usize = 1 << 20;

/// A cell of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
}

/// A cell for each column of the table.
pub type Row = Vec<Cell>;

/// Why there are no rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordsError {
    /// This installation has no such table.
    NoTable,
    /// The table has no such column.
    NoColumn(String),
    /// The operating system refused, or the file is not the owner's own.
    Denied,
    /// It changed while it was read.
    Changed,
    /// It is larger than is read: the name of the limit.
    Limit(String),
    /// What it is kept in is not understood.
    NotUnderstood(String),
}

impl From<LookError> for RecordsError {
    fn from(error: LookError) -> Self {
        match error {
            LookError::NotFound => Self::NoTable,
            LookError::Changed => Self::Changed,
            LookError::TooMuch(text) => Self::Limit(text),
            LookError::Io(text) => Self::NotUnderstood(text),
            LookError::ThroughLink | LookError::WrongKind => Self::NotUnderstood(
                "a link or another kind of object stands where the file should be".to_owned(),
            ),
            LookError::Denied | LookError::Foreign(_) | LookError::Secret | LookError::Stopped => {
                Self::Denied
            }
        }
    }
}

/// The tables of one target; each is read once.
pub struct Tables {
    /// The view of the credentials directory.
    credentials: usize,
    pairing: OnceLock<Result<Vec<Row>, RecordsError>>,
}

impl Tables {
    /// The tables of a target with this view of its credentials directory.
    #[must_use]
    pub fn new(credentials: usize) -> Self {
        Self { credentials, pairing: OnceLock::new() }
    }

    /// The rows of a table, and where in them the cells of these columns stand. `go_on` is asked between files; what was
    /// stopped by it is not remembered.
    pub fn get(
        &self,
        snapshot: &Snapshot,
        table: &str,
        columns: &[String],
        go_on: &dyn Fn() -> bool,
    ) -> Result<(&[Row], Vec<usize>), RecordsError> {
        if table != PAIRING {
            return Err(RecordsError::NoTable);
        }
        let place = |column: &String| {
            let place = PAIRING_COLUMNS.iter().position(|known| known == column);
            place.ok_or_else(|| RecordsError::NoColumn(column.clone()))
        };
        let places = columns.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        if self.pairing.get().is_none() {
            let rows = self.pairing_rows(snapshot, go_on);
            if !go_on() {
                return Err(RecordsError::Denied);
            }
            // Another thread may have been faster; both read the same snapshot.
            let _ = self.pairing.set(rows);
        }
        let rows = self.pairing.get().ok_or(RecordsError::Denied)?;
        Ok((rows.as_ref().map_err(Clone::clone)?.as_slice(), places))
    }

    fn pairing_rows(&self, snapshot: &Snapshot, go_on: &dyn Fn() -> bool) -> Result<Vec<Row>, RecordsError> {
        let listing: std::sync::Arc<Listing> = snapshot.list_while(self.credentials, Path::new(""), go_on)?;
        let mut rows = Vec::new();
        for entry in listing.iter() {
            let Some((channel, account)) = entry.as_ref().to_str().and_then(owner_of) else { continue };
            if entry.metadata.kind == Kind::Directory {
                continue;
            }
            if !go_on() {
                return Err(RecordsError::Denied);
            }
            let content = snapshot.read(self.credentials, entry.as_ref())?;
            if content.len() > MAX_FILE_BYTES {
                return Err(RecordsError::Limit(format!("{MAX_FILE_BYTES} bytes of one file")));
            }
            // The gateway takes what is no JSON for an empty store.
            let store = String::from_utf8_lossy(&content);
            let store: Value = match serde_json::from_str(&store) {
                Ok(store) => store,
                // JSON that cannot be held here, such as half of a surrogate pair, may let somebody in.
                Err(error) if serde_json::from_str::<IgnoredAny>(&store).is_ok() => {
                    return Err(RecordsError::NotUnderstood(error.to_string()));
                }
                Err(_) => Value::Null,
            };
            let list = store.get("allowFrom").and_then(Value::as_array);
            let entries = list.into_iter().flatten().filter_map(text);
            for (number, text) in entries.enumerate() {
                if rows.len() == MAX_ROWS {
                    return Err(RecordsError::Limit(format!("{MAX_ROWS} rows")));
                }
                let order = i64::try_from(number).unwrap_or(i64::MAX);
                let texts = [channel, account].map(|text| Cell::Text(text.to_owned()));
                rows.push([texts.as_slice(), &[Cell::Text(text), Cell::Integer(order)]].concat());
            }
        }
        Ok(rows)
    }
}

/// The channel and the account of a file's name.
fn owner_of(name: &str) -> Option<(&str, &str)> {
    let stem = name.strip_suffix(PAIRING_FILES).filter(|stem| !stem.is_empty())?;
    let dashed = DASHED_CHANNELS.iter().find_map(|channel| Some((*channel, stem.strip_prefix(channel)?)));
    let (channel, rest) = match dashed {
        Some(found) => found,
        None => stem.split_at(stem.find('-').unwrap_or(stem.len())),
    };
    Some((channel, rest.strip_prefix('-').filter(|account| !account.is_empty()).unwrap_or(DEFAULT_ACCOUNT)))
}

/// An entry, which may be written as a number.
fn text(entry: &Value) -> Option<String> {
    match entry {
        Value::Number(number) => Some(number.to_string()),
        _ => entry.as_str().map(js_trim).filter(|text| !text.is_empty()).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::target::Preview;
    use crate::target::snapshot::Root;

    #[test]
    fn the_name_of_a_file_says_whose_it_is() {
        for (name, owner) in [
            ("telegram-allowFrom.json", Some(("telegram", "default"))),
            ("telegram-work-allowFrom.json", Some(("telegram", "work"))),
            ("nextcloud-talk-allowFrom.json", Some(("nextcloud-talk", "default"))),
            ("nextcloud-talk-a-b-allowFrom.json", Some(("nextcloud-talk", "a-b"))),
            ("-allowFrom.json", None),
            ("telegram-pairing.json", None),
        ] {
            assert_eq!(owner_of(name), owner, "{name}");
        }
    }

    #[test]
    fn rows_are_those_of_all_stores_in_the_order_of_their_names() {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(home.path().join(name), text).unwrap();
        write("telegram-allowFrom.json", r#"{"allowFrom": [" 5 ", 7, null, ""]}"#);
        write("slack-work-allowFrom.json", r#"{"allowFrom": ["U1"]}"#);
        write("signal-allowFrom.json", "no JSON");
        let snapshot = Snapshot::new(vec![Root::chosen(home.path().to_owned())], &Preview::default());
        let tables = Tables::new(0);
        let columns = ["entry", "channel_key"].map(str::to_owned);
        let (rows, places) = tables.get(&snapshot, PAIRING, &columns, &|| true).unwrap();
        let seen: Vec<Vec<&Cell>> =
            rows.iter().map(|row| places.iter().filter_map(|place| row.get(*place)).collect()).collect();
        let cells = |entry: &str, channel: &str| [entry, channel].map(|text| Cell::Text(text.to_owned()));
        let expected = [cells("U1", "slack"), cells("5", "telegram"), cells("7", "telegram")];
        assert_eq!(seen, expected.iter().map(|row| row.iter().collect::<Vec<_>>()).collect::<Vec<_>>());
        let error = |table: &str, column: &str| {
            tables.get(&snapshot, table, &[column.to_owned()], &|| true).unwrap_err()
        };
        assert_eq!(error("no_table", "x"), RecordsError::NoTable);
        assert_eq!(error(PAIRING, "token"), RecordsError::NoColumn("token".to_owned()));
    }
}
