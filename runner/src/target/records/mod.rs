//! Rows of the tables that a target keeps: in its database, and in the files that older releases keep such rows in. A table
//! has the name and the columns that it has in the database. A column with credentials is no column here, and what else a
//! cell holds of them is hidden.

mod hide;

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::de::IgnoredAny;
use serde_json::Value;

pub use self::hide::Mask;
use super::database::{Pair, at_one_moment};
use super::listing::Listing;
use super::snapshot::{Kind, LookError, Snapshot};
use crate::target::js_trim;

/// Where the database lies below the state directory.
const DATABASE: &str = "state/openclaw.sqlite";

/// Who was let in by pairing, and may write to an account of a channel.
const PAIRING: &str = "channel_pairing_allow_entries";
/// The ending of the files that hold it.
const PAIRING_FILES: &str = "-allowFrom.json";
/// The account of a channel that has none by name.
const DEFAULT_ACCOUNT: &str = "default";
/// Channels whose key has a dash, which also stands between channel and account in the name of a file.
const DASHED_CHANNELS: [&str; 1] = ["nextcloud-talk"];

/// What may be run on the host.
const APPROVALS: &str = "exec_approvals_config";
/// The key of the document that counts.
const CURRENT: &str = "current";
/// The key of the file's document where the database has one that counts.
const LEGACY: &str = "legacy";
/// The file that holds it in older releases, and its name while a newer one takes it over (reference: 2026.9-delta 2.8).
const APPROVALS_FILES: [&str; 2] = ["exec-approvals.json", "exec-approvals.json.doctor-importing"];

/// What the gateway remembers by itself.
const MACHINE_STATE: &str = "config_machine_state";
/// The key of the index of plugins.
const INDEX: &str = "plugins.installedIndex";
/// The key of the hooks that were installed.
const HOOKS: &str = "hooks.internal.installs";

/// The file that holds the index in 2026.4.29 to 2026.5.28, and the key of its row (reference: releases/changes).
const INDEX_FILE: &str = "plugins/installs.json";

/// The index of plugins as releases before 2026.8.1 keep it.
const OLD_INDEX: &str = "installed_plugin_index";

/// The tables and their columns, as they are asked for in the database.
const TABLES: [Request; 5] = [
    Request { table: PAIRING, columns: &["channel_key", "account_id", "entry", "sort_order"], only: None },
    Request { table: APPROVALS, columns: &["config_key", "raw_json"], only: Some(&[CURRENT]) },
    Request { table: MACHINE_STATE, columns: &["state_key", "value_json"], only: Some(&[INDEX, HOOKS]) },
    Request {
        table: "secret_store_entries",
        columns: &["scope_kind", "scope_id", "name", "kind"],
        only: None,
    },
    Request { table: OLD_INDEX, columns: &["install_records_json"], only: None },
];

/// Most rows of a table.
const MAX_ROWS: usize = 100_000;
/// Longest file of rows, in bytes: a list of people has kilobytes.
const MAX_FILE_BYTES: usize = 1 << 20;

/// Rows of a table that are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The table.
    pub table: &'static str,
    /// Its columns.
    pub columns: &'static [&'static str],
    /// Only rows with one of these texts in the first of the columns.
    pub only: Option<&'static [&'static str]>,
}

/// A cell of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Real(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Cell {
    fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// A cell for each column of the table.
pub type Row = Vec<Cell>;

/// Rows for each request, or why there are none of any.
pub type FoundRows = Result<Vec<Result<Vec<Row>, RecordsError>>, RecordsError>;

/// Understands a database, and gives rows for each request.
pub type ReadDatabase<'o> = dyn Fn(&Arc<Pair>, &[Request]) -> Option<FoundRows> + 'o;

/// Where rows come from.
pub struct Origin<'o> {
    /// The target.
    pub snapshot: &'o Snapshot,
    /// Understands a database; none where it was to end before it had done so.
    pub read: &'o ReadDatabase<'o>,
    /// Asked between files. What was stopped by it is not remembered.
    pub go_on: &'o dyn Fn() -> bool,
}

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

/// What was made of a table.
type Rows = Result<Vec<Row>, RecordsError>;

/// What was made of all tables of the database; none where there is none.
type Database = Result<Option<Vec<Rows>>, RecordsError>;

/// The tables of one target; each is read once.
pub struct Tables {
    /// The views of the state directory and of the credentials directory.
    state: usize,
    credentials: usize,
    mask: Mask,
    /// What the database says; it is read once for all tables.
    database: Mutex<Option<Database>>,
    known: [OnceLock<Rows>; TABLES.len()],
}

impl Tables {
    /// The tables of a target with these views of its state directory and its credentials directory, and what makes a text
    /// fit to be shown.
    #[must_use]
    pub fn new(state: usize, credentials: usize, mask: Mask) -> Self {
        Self { state, credentials, mask, database: Mutex::default(), known: Default::default() }
    }

    /// The rows of a table, and where in them the cells of these columns stand.
    pub fn get(
        &self,
        origin: &Origin<'_>,
        table: &str,
        columns: &[String],
    ) -> Result<(&[Row], Vec<usize>), RecordsError> {
        let request =
            TABLES.iter().filter(|request| request.table != OLD_INDEX).find(|request| request.table == table);
        let request = request.ok_or(RecordsError::NoTable)?;
        let place = |column: &String| {
            let place = request.columns.iter().position(|known| known == column);
            place.ok_or_else(|| RecordsError::NoColumn(column.clone()))
        };
        let places = columns.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        let number = TABLES.iter().position(|request| request.table == table);
        let known = number.and_then(|number| self.known.get(number)).ok_or(RecordsError::NoTable)?;
        if known.get().is_none() {
            let rows = match request.table {
                PAIRING => self.pairing(origin),
                APPROVALS => self.approvals(origin),
                MACHINE_STATE => self.machine_state(origin),
                other => self.database_rows(origin, other)?.ok_or(RecordsError::NoTable),
            };
            if !(origin.go_on)() {
                return Err(RecordsError::Denied);
            }
            // Another thread may have been faster; both read the same.
            let _ = known.set(rows);
        }
        let rows = known.get().ok_or(RecordsError::Denied)?;
        Ok((rows.as_ref().map_err(Clone::clone)?.as_slice(), places))
    }

    /// The rows that the database has of a table; none where it has no such table, or there is no database.
    fn database_rows(&self, origin: &Origin<'_>, table: &str) -> Result<Option<Vec<Row>>, RecordsError> {
        // Whoever needs what another thread reads at this moment waits for it.
        let mut known = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() {
            let work = |pair: &Arc<Pair>| (origin.read)(pair, &TABLES);
            let found = at_one_moment(origin.snapshot, self.state, Path::new(DATABASE), origin.go_on, &work);
            *known = Some(match found {
                Ok(None) => Ok(None),
                Ok(Some(Some(found))) => found.map(Some),
                Ok(Some(None)) | Err(LookError::Stopped) => return Err(RecordsError::Denied),
                Err(error) => Err(error.into()),
            });
        }
        let Some(Ok(Some(tables))) = &*known else {
            return known
                .as_ref()
                .map_or(Ok(None), |known| known.as_ref().map(|_| None).map_err(Clone::clone));
        };
        let number = TABLES.iter().position(|request| request.table == table);
        match number.and_then(|number| tables.get(number)) {
            Some(Ok(rows)) => Ok(Some(rows.clone())),
            Some(Err(RecordsError::NoTable)) | None => Ok(None),
            Some(Err(error)) => Err(error.clone()),
        }
    }

    /// Those who were let in, whether the database says so or a file: what was not carried over yet still is there.
    fn pairing(&self, origin: &Origin<'_>) -> Rows {
        let own = self.database_rows(origin, PAIRING)?;
        let files = match (self.pairing_rows(origin.snapshot, origin.go_on), &own) {
            (Err(RecordsError::NoTable), Some(_)) => Vec::new(),
            (files, _) => files?,
        };
        let mut rows = own.unwrap_or_default();
        // Their places in their lists say nothing of who they are.
        let of =
            |row: &Row| row.iter().take(3).map(|cell| cell.text().map(str::to_owned)).collect::<Vec<_>>();
        let known: HashSet<_> = rows.iter().map(of).collect();
        rows.extend(files.into_iter().filter(|row| !known.contains(&of(row))));
        Ok(rows)
    }

    /// The document of the database, and those of the files behind it.
    fn approvals(&self, origin: &Origin<'_>) -> Rows {
        let own = self.database_rows(origin, APPROVALS)?;
        let (mut has_table, mut rows) = (own.is_some(), Vec::new());
        for row in own.into_iter().flatten() {
            let text = row.get(1).and_then(Cell::text).unwrap_or_default();
            rows.push([CURRENT.to_owned(), hide::approvals(text, &self.mask)?].map(Cell::Text).to_vec());
        }
        for name in APPROVALS_FILES {
            let Some(text) = self.file(origin.snapshot, name)? else { continue };
            has_table = true;
            let key = if rows.is_empty() { CURRENT } else { LEGACY };
            rows.push([key.to_owned(), hide::approvals(&text, &self.mask)?].map(Cell::Text).to_vec());
        }
        if has_table { Ok(rows) } else { Err(RecordsError::NoTable) }
    }

    /// The text of a file of the state directory; none where there is none.
    fn file(&self, snapshot: &Snapshot, name: &str) -> Result<Option<String>, RecordsError> {
        let content = match snapshot.read(self.state, Path::new(name)) {
            Err(LookError::NotFound) => return Ok(None),
            other => other?,
        };
        if content.len() > MAX_FILE_BYTES {
            return Err(RecordsError::Limit(format!("{MAX_FILE_BYTES} bytes of one file")));
        }
        Ok(Some(String::from_utf8_lossy(&content).into_owned()))
    }

    /// What the gateway remembers of what was installed. The file counts where the database has no index.
    fn machine_state(&self, origin: &Origin<'_>) -> Rows {
        let own = self.own_machine_state(origin)?;
        let has_index =
            own.iter().flatten().any(|row| row.first().and_then(Cell::text).is_some_and(|key| key == INDEX));
        let file = if has_index { None } else { self.file(origin.snapshot, INDEX_FILE)? };
        let Some(text) = file else { return own.ok_or(RecordsError::NoTable) };
        let row = [INDEX_FILE.to_owned(), hide::index_of_file(&text, &self.mask)?].map(Cell::Text);
        Ok(own.into_iter().flatten().chain([row.to_vec()]).collect())
    }

    /// The same by the database alone; none where it does not say.
    fn own_machine_state(&self, origin: &Origin<'_>) -> Result<Option<Vec<Row>>, RecordsError> {
        let of_row = |row: Row| {
            let (key, text) = (row.first().and_then(Cell::text), row.get(1).and_then(Cell::text));
            let (key, text) = (key.unwrap_or_default(), text.unwrap_or_default());
            let text =
                if key == INDEX { hide::index(text, &self.mask) } else { hide::installs(text, &self.mask) };
            Ok([key.to_owned(), text?].map(Cell::Text).to_vec())
        };
        if let Some(rows) = self.database_rows(origin, MACHINE_STATE)? {
            return rows.into_iter().map(of_row).collect::<Rows>().map(Some);
        }
        let Some(rows) = self.database_rows(origin, OLD_INDEX)? else { return Ok(None) };
        let of_row = |row: Row| {
            let text = row.first().and_then(Cell::text).unwrap_or_default();
            Ok([INDEX.to_owned(), hide::index_of_records(text, &self.mask)?].map(Cell::Text).to_vec())
        };
        rows.into_iter().map(of_row).collect::<Rows>().map(Some)
    }

    fn pairing_rows(&self, snapshot: &Snapshot, go_on: &dyn Fn() -> bool) -> Result<Vec<Row>, RecordsError> {
        let listing: Arc<Listing> = match snapshot.list_while(self.credentials, Path::new(""), go_on) {
            // No store lies below what is no folder.
            Err(LookError::WrongKind) => return Err(RecordsError::NoTable),
            other => other?,
        };
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

    fn tables() -> Tables {
        Tables::new(0, 1, Box::new(str::to_owned))
    }

    fn snapshot(home: &Path) -> Snapshot {
        let roots = [home.to_owned(), home.join("credentials")].map(Root::chosen);
        Snapshot::new(roots, &Preview::default())
    }

    /// Rows of a table, where the database has these.
    fn rows(tables: &Tables, home: &Path, table: &str, columns: &[&str], found: &FoundRows) -> Rows {
        let snapshot = snapshot(home);
        let read = |_: &Arc<Pair>, _: &[Request]| Some(found.clone());
        let origin = Origin { snapshot: &snapshot, read: &read, go_on: &|| true };
        let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        let (rows, places) = tables.get(&origin, table, &columns)?;
        Ok(rows
            .iter()
            .map(|row| places.iter().filter_map(|place| row.get(*place)).cloned().collect())
            .collect())
    }

    fn texts(texts: &[&str]) -> Row {
        texts.iter().map(|text| Cell::Text((*text).to_owned())).collect()
    }

    fn home() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("credentials")).unwrap();
        fs::create_dir(home.path().join("state")).unwrap();
        home
    }

    /// What the database has, table by table; all others are not there.
    fn database(home: &Path, own: &[(&str, Vec<Row>)]) -> Vec<Rows> {
        fs::write(home.join(DATABASE), "what it is does not matter here").unwrap();
        let of = |request: &Request| {
            let rows = own.iter().find(|(table, _)| *table == request.table);
            rows.map(|(_, rows)| rows.clone()).ok_or(RecordsError::NoTable)
        };
        TABLES.iter().map(of).collect()
    }

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
        let home = home();
        let write =
            |name: &str, text: &str| fs::write(home.path().join("credentials").join(name), text).unwrap();
        write("telegram-allowFrom.json", r#"{"allowFrom": [" 5 ", 7, null, ""]}"#);
        write("slack-work-allowFrom.json", r#"{"allowFrom": ["U1"]}"#);
        write("signal-allowFrom.json", "no JSON");
        let none = Ok(Vec::new());
        let read = |table: &str, columns: &[&str]| rows(&tables(), home.path(), table, columns, &none);
        let expected = [texts(&["U1", "slack"]), texts(&["5", "telegram"]), texts(&["7", "telegram"])];
        assert_eq!(read(PAIRING, &["entry", "channel_key"]), Ok(expected.to_vec()));
        assert_eq!(read("no_table", &["x"]), Err(RecordsError::NoTable));
        assert_eq!(read(OLD_INDEX, &["install_records_json"]), Err(RecordsError::NoTable));
        assert_eq!(read(PAIRING, &["token"]), Err(RecordsError::NoColumn("token".to_owned())));
        assert_eq!(
            read("secret_store_entries", &["value"]),
            Err(RecordsError::NoColumn("value".to_owned())),
            "a secret is no column"
        );
        assert_eq!(read(APPROVALS, &["raw_json"]), Err(RecordsError::NoTable));
        assert_eq!(read(MACHINE_STATE, &["value_json"]), Err(RecordsError::NoTable));
    }

    #[test]
    fn who_is_let_in_by_the_database_or_by_a_file_is_let_in() {
        let home = home();
        let file = home.path().join("credentials/telegram-allowFrom.json");
        fs::write(file, r#"{"allowFrom": ["5", "6"]}"#).unwrap();
        let row = |entry: &str| [texts(&["telegram", "default", entry]), vec![Cell::Integer(3)]].concat();
        let found = Ok(database(home.path(), &[(PAIRING, vec![row("4"), row("5")])]));
        let read = rows(&tables(), home.path(), PAIRING, &["entry"], &found);
        assert_eq!(read, Ok(vec![texts(&["4"]), texts(&["5"]), texts(&["6"])]));
        fs::remove_dir_all(home.path().join("credentials")).unwrap();
        let read = || rows(&tables(), home.path(), PAIRING, &["entry"], &found);
        assert_eq!(read(), Ok(vec![texts(&["4"]), texts(&["5"])]));
        fs::write(home.path().join("credentials"), "no folder").unwrap();
        assert_eq!(read(), Ok(vec![texts(&["4"]), texts(&["5"])]));
    }

    #[test]
    fn the_databases_approvals_lead_and_the_files_follow() {
        let home = home();
        let file = home.path().join(APPROVALS_FILES[0]);
        let columns = ["config_key", "raw_json"];
        fs::write(&file, r#"{"socket": {"token": "t0p"}}"#).unwrap();
        let legacy = r#"{"socket":{"token":{"$hidden":"secret"}}}"#;
        let read = rows(&tables(), home.path(), APPROVALS, &columns, &Ok(Vec::new()));
        assert_eq!(read, Ok(vec![texts(&["current", legacy])]));
        let found = Ok(database(home.path(), &[(APPROVALS, vec![texts(&["current", r#"{"version": 1}"#])])]));
        let read = rows(&tables(), home.path(), APPROVALS, &columns, &found);
        assert_eq!(read, Ok(vec![texts(&["current", r#"{"version":1}"#]), texts(&["legacy", legacy])]));
        fs::rename(file, home.path().join(APPROVALS_FILES[1])).unwrap();
        let read = rows(&tables(), home.path(), APPROVALS, &columns, &Ok(Vec::new()));
        assert_eq!(read, Ok(vec![texts(&["current", legacy])]), "it is being taken over");
        fs::remove_file(home.path().join(APPROVALS_FILES[1])).unwrap();
        let empty = Ok(database(home.path(), &[(APPROVALS, Vec::new())]));
        assert_eq!(rows(&tables(), home.path(), APPROVALS, &columns, &empty), Ok(Vec::new()));
    }

    #[test]
    fn an_older_index_is_given_as_the_newer() {
        let home = home();
        let found = Ok(database(home.path(), &[(OLD_INDEX, vec![texts(&[r#"{"a": {"source": "npm"}}"#])])]));
        let expected = texts(&[INDEX, r#"{"index":{"installRecords":{"a":{"source":"npm"}}}}"#]);
        let read = rows(&tables(), home.path(), MACHINE_STATE, &["state_key", "value_json"], &found);
        assert_eq!(read, Ok(vec![expected]));
    }

    #[test]
    fn the_file_of_the_index_counts_where_the_database_has_none() {
        let home = home();
        fs::create_dir(home.path().join("plugins")).unwrap();
        let write = |text: &str| fs::write(home.path().join(INDEX_FILE), text).unwrap();
        let columns = ["state_key", "value_json"];
        let read = |found: &FoundRows| rows(&tables(), home.path(), MACHINE_STATE, &columns, found);
        let none = Ok(Vec::new());
        write(r#"{"version": 1, "installRecords": {"a": {"source": "npm"}}, "plugins": []}"#);
        let of_file = texts(&[INDEX_FILE, r#"{"index":{"installRecords":{"a":{"source":"npm"}}}}"#]);
        assert_eq!(read(&none), Ok(vec![of_file.clone()]));
        write(
            r#"{"plugins": [{"pluginId": "a", "installRecord": {"source": "npm"}}, {"pluginId": "b"}, 5]}"#,
        );
        assert_eq!(read(&none), Ok(vec![of_file.clone()]), "as its first releases wrote it");
        let hooks = texts(&[HOOKS, "{}"]);
        let found = Ok(database(home.path(), &[(MACHINE_STATE, vec![hooks.clone()])]));
        assert_eq!(read(&found), Ok(vec![hooks, of_file]));
        let index = texts(&[INDEX, r#"{"index":{}}"#]);
        let found = Ok(database(home.path(), &[(MACHINE_STATE, vec![index.clone()])]));
        assert_eq!(read(&found), Ok(vec![index]));
        fs::remove_file(home.path().join(DATABASE)).unwrap();
        write("{nope");
        assert!(matches!(read(&none), Err(RecordsError::NotUnderstood(_))));
        write(&" ".repeat(MAX_FILE_BYTES + 1));
        assert!(matches!(read(&none), Err(RecordsError::Limit(_))));
    }

    #[test]
    fn the_database_is_read_once_and_its_error_is_that_of_all_tables() {
        let home = home();
        database(home.path(), &[]);
        let (snapshot, tables) = (snapshot(home.path()), tables());
        let runs = std::cell::Cell::new(0);
        let read = |_: &Arc<Pair>, _: &[Request]| {
            runs.set(runs.get() + 1);
            Some(Err(RecordsError::NotUnderstood("odd".to_owned())))
        };
        let origin = Origin { snapshot: &snapshot, read: &read, go_on: &|| true };
        for table in [PAIRING, APPROVALS, MACHINE_STATE, PAIRING] {
            let error = tables.get(&origin, table, &[]).unwrap_err();
            assert_eq!(error, RecordsError::NotUnderstood("odd".to_owned()), "{table}");
        }
        assert_eq!(runs.get(), 1);
    }

    #[test]
    fn a_database_that_is_always_written_is_told() {
        let home = home();
        database(home.path(), &[]);
        let snapshot = snapshot(home.path());
        let runs = std::cell::Cell::new(0);
        let read = |_: &Arc<Pair>, _: &[Request]| {
            runs.set(runs.get() + 1);
            fs::write(home.path().join(format!("{DATABASE}-wal")), format!("{}", runs.get())).unwrap();
            Some(Ok(Vec::new()))
        };
        let origin = Origin { snapshot: &snapshot, read: &read, go_on: &|| true };
        assert_eq!(tables().get(&origin, APPROVALS, &[]).unwrap_err(), RecordsError::Changed);
        assert!(runs.get() > 1, "it is read again");
        fs::write(home.path().join(format!("{DATABASE}-journal")), "a transaction").unwrap();
        let error = tables().get(&origin, APPROVALS, &[]).unwrap_err();
        let reason = "it is being written: it has a rollback journal";
        assert_eq!(error, RecordsError::NotUnderstood(reason.to_owned()));
        fs::write(home.path().join(format!("{DATABASE}-journal")), [0; 512]).unwrap();
        assert_eq!(
            tables().get(&origin, APPROVALS, &[]).unwrap_err(),
            RecordsError::Changed,
            "it is of none"
        );
    }
}
