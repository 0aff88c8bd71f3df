//! Holds the reader against SQLite itself, over databases that a fixed sequence of numbers makes: what SQLite gives, the
//! reader gives. And damages them: whatever the bytes are, the reader ends, and says so.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test makes its databases, and stops where it cannot"
)]

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::Value;
use sqlite_reader::{Cell, Error, File, MAX_READ_BYTES, Request, Source, rows};

/// The two files in memory.
#[derive(Clone)]
struct Bytes {
    database: Vec<u8>,
    log: Vec<u8>,
    read: u64,
}

impl Bytes {
    fn of(path: &Path) -> Self {
        let read = |end: &str| std::fs::read(format!("{}{end}", path.display())).unwrap_or_default();
        Self { database: read(""), log: read("-wal"), read: 0 }
    }

    /// The same as files of their own.
    fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join("copy.sqlite");
        for (end, bytes) in [("", &self.database), ("-wal", &self.log)] {
            std::fs::write(format!("{}{end}", path.display()), bytes).unwrap();
        }
        let _ = std::fs::remove_file(format!("{}-shm", path.display()));
        path
    }

    fn file(&mut self, file: File) -> &mut Vec<u8> {
        if file == File::Database { &mut self.database } else { &mut self.log }
    }
}

impl Source for Bytes {
    fn size(&mut self, file: File) -> u64 {
        self.file(file).len() as u64
    }

    fn read(&mut self, file: File, offset: u64, length: usize) -> Vec<u8> {
        self.read += length as u64;
        assert!(length <= 1 << 20 && self.read <= MAX_READ_BYTES);
        let begin = usize::try_from(offset).unwrap();
        self.file(file).iter().skip(begin).take(length).copied().collect()
    }
}

/// A fixed sequence of numbers (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_of<T: Copy>(&mut self, things: &[T]) -> T {
        things[usize::try_from(self.below(things.len() as u64)).unwrap()]
    }

    fn value(&mut self) -> Value {
        let length = self.one_of(&[0_u64, 5, 30, 200, 2000, 70_000]);
        let length = self.below(length + 1);
        match self.below(7) {
            0 => Value::Null,
            1 => Value::Integer(self.next().cast_signed() >> self.below(64)),
            2 => Value::Integer(self.below(3).cast_signed()),
            3 => Value::Real(f64::from_bits(self.next())),
            4 => Value::Blob((0..length).map(|n| u8::try_from(n % 251).unwrap()).collect()),
            _ => Value::Text(
                (0..length / 2)
                    .map(|n| {
                        self.one_of(&[
                            'a',
                            '\u{e9}',
                            '\u{1f600}',
                            char::from(u8::try_from(65 + n % 26).unwrap()),
                        ])
                    })
                    .collect(),
            ),
        }
    }
}

const COLUMNS: [&str; 6] = ["id", "Plain", "whole", "real number", "text", "late"];

fn request(table: &str) -> Request {
    Request { table: table.to_owned(), columns: COLUMNS.map(str::to_owned).to_vec(), only: None }
}

/// What SQLite gives.
fn expected(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Vec<Cell>>> {
    select(connection, table, &COLUMNS)
}

fn select(connection: &Connection, table: &str, columns: &[&str]) -> rusqlite::Result<Vec<Vec<Cell>>> {
    let names: Vec<String> = columns.iter().map(|name| format!("[{name}]")).collect();
    let names = names.join(", ");
    let mut query = connection.prepare(&format!("SELECT {names} FROM {table} ORDER BY rowid"))?;
    let mut rows = query.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let cell = |number: usize| {
            Ok(match row.get(number)? {
                Value::Null => Cell::Null,
                Value::Integer(number) => Cell::Integer(number),
                Value::Real(number) => Cell::Real(number),
                Value::Text(text) => Cell::Text(text),
                Value::Blob(bytes) => Cell::Blob(bytes),
            })
        };
        all.push((0..columns.len()).map(cell).collect::<rusqlite::Result<_>>()?);
    }
    Ok(all)
}

/// A database of many shapes. The connection stays open, so that its log is not carried over.
fn make(numbers: &mut Numbers, folder: &Path) -> (PathBuf, Connection, Vec<&'static str>) {
    let path = folder.join("made.sqlite");
    let connection = Connection::open(&path).unwrap();
    let pragma = |name: &str, value: &str| {
        connection.query_row(&format!("PRAGMA {name} = {value}"), [], |_| Ok(())).ok();
    };
    pragma("page_size", numbers.one_of(&["512", "1024", "4096", "32768", "65536"]));
    pragma("auto_vacuum", numbers.one_of(&["NONE", "FULL", "INCREMENTAL"]));
    pragma("encoding", numbers.one_of(&["'UTF-8'", "'UTF-8'", "'UTF-16le'", "'UTF-16be'"]));
    pragma("journal_mode", numbers.one_of(&["DELETE", "WAL", "WAL", "WAL", "TRUNCATE"]));
    pragma("wal_autocheckpoint", numbers.one_of(&["0", "3", "100"]));
    pragma("synchronous", "OFF");
    let tables = ["one", "Two"];
    for table in tables {
        let key = numbers.one_of(&[
            "INTEGER PRIMARY KEY",
            "INTEGER PRIMARY KEY AUTOINCREMENT",
            "INT",
            "INTEGER PRIMARY KEY DESC",
        ]);
        let sql = format!(
            "CREATE TABLE {table} (id {key}, Plain, -- a note, with a comma\n whole BIGINT, [real number] DOUBLE PRECISION, text VARCHAR(9), \
             CHECK (1))"
        );
        connection.execute_batch(&sql).unwrap();
        connection.execute_batch(&format!("CREATE INDEX i_{table} ON {table} (Plain)")).unwrap();
    }
    let steps = numbers.below(60);
    let (late, mut is_late) = (numbers.below(steps.max(1)), false);
    for step in 0..steps {
        connection.execute_batch("BEGIN").unwrap();
        for _ in 0..=numbers.below(6) {
            let table = numbers.one_of(&tables);
            let mut values: Vec<Value> = (0..4).map(|_| numbers.value()).collect();
            values.insert(0, Value::Integer(numbers.below(300).cast_signed()));
            let changed = match numbers.below(8) {
                0 => connection.execute(&format!("DELETE FROM {table} WHERE rowid % 7 = ?1"), [numbers.below(7)]),
                1 => connection.execute(&format!("UPDATE {table} SET text = ?1 WHERE rowid % 5 = 2"), [numbers.value()]),
                _ => connection.execute(
                    &format!("INSERT OR REPLACE INTO {table}(rowid, Plain, whole, \"real number\", text) VALUES (?1, ?2, ?3, ?4, ?5)"),
                    rusqlite::params_from_iter(values),
                ),
            };
            changed.unwrap();
        }
        let end = if numbers.below(5) == 0 { "ROLLBACK" } else { "COMMIT" };
        connection.execute_batch(end).unwrap();
        if step == late {
            is_late = true;
            let default = numbers.one_of(&[
                "late INT DEFAULT 7",
                "late",
                "late TEXT NOT NULL DEFAULT 'it''s'",
                "late TEXT DEFAULT NULL",
            ]);
            for table in tables {
                connection.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {default}")).unwrap();
            }
        }
        if numbers.below(20) == 0 {
            pragma("wal_checkpoint", numbers.one_of(&["PASSIVE", "RESTART", "TRUNCATE"]));
        }
    }
    if !is_late {
        for table in tables {
            connection.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN late")).unwrap();
        }
    }
    (path, connection, tables.to_vec())
}

fn compare(bytes: &Bytes, connection: &Connection, tables: &[&str], what: &str) {
    let requests: Vec<Request> = tables.iter().map(|table| request(table)).collect();
    let read = rows(&mut bytes.clone(), &requests).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    for (table, read) in tables.iter().zip(read) {
        match read {
            Ok(read) => assert!(read == expected(connection, table).unwrap(), "{what}: {table}"),
            Err(Error::Limit(_)) => {}
            Err(error) => panic!("{what}: {table}: {error:?}"),
        }
    }
}

#[test]
fn it_gives_what_sqlite_gives() {
    for seed in 0..60 {
        let folder = tempfile::tempdir().unwrap();
        let (path, connection, tables) = make(&mut Numbers(seed), folder.path());
        compare(&Bytes::of(&path), &connection, &tables, &format!("seed {seed}"));
        // Closing carries the log over.
        drop(connection);
        let bytes = Bytes::of(&path);
        compare(&bytes, &Connection::open(&path).unwrap(), &tables, &format!("seed {seed}, closed"));
    }
}

#[test]
fn what_was_not_committed_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let (path, connection, tables) = make(&mut Numbers(1), folder.path());
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    let before = expected(&connection, "one").unwrap();
    connection.execute_batch("PRAGMA cache_size = 1; BEGIN; DELETE FROM one WHERE rowid % 2 = 0").unwrap();
    let text = "x".repeat(5000);
    for _ in 0..200 {
        connection.execute("INSERT INTO one(Plain) VALUES (?1)", [&text]).unwrap();
    }
    let mut bytes = Bytes::of(&path);
    assert!(bytes.log.len() > 200_000, "pages of the open transaction are in the log");
    let read = rows(&mut bytes, &[request(tables[0])]).unwrap();
    assert_eq!(read, [Ok(before)]);
}

#[test]
fn a_log_counts_up_to_where_it_breaks_off() {
    let mut numbers = Numbers(77);
    let mut compared = 0;
    for seed in 0..120 {
        let folder = tempfile::tempdir().unwrap();
        let (path, _connection, tables) = make(&mut Numbers(seed + 1000), folder.path());
        let mut bytes = Bytes::of(&path);
        if bytes.log.is_empty() {
            continue;
        }
        let end = usize::try_from(numbers.below(bytes.log.len() as u64)).unwrap();
        if seed % 2 == 0 {
            bytes.log.truncate(end);
        } else {
            bytes.log[end] ^= 1 << numbers.below(8);
        }
        let copy = Connection::open(bytes.write(folder.path())).unwrap();
        // What the log does not say any more may be missing in the middle of the database.
        let sound = copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0));
        let requests: Vec<Request> = tables.iter().map(|table| request(table)).collect();
        let read = rows(&mut bytes.clone(), &requests);
        if sound.as_deref() != Ok("ok") {
            continue;
        }
        for (number, table) in tables.iter().enumerate() {
            // It may not be there yet.
            let expected = expected(&copy, table);
            match (&read, expected) {
                (Ok(read), Ok(expected)) if !matches!(read[number], Err(Error::Limit(_))) => {
                    assert!(read[number].as_ref() == Ok(&expected), "seed {seed}: {table}");
                    compared += 1;
                }
                (Ok(read), Err(_)) => assert!(read[number].is_err(), "seed {seed}: {table}"),
                (Err(error), Ok(_)) => panic!("seed {seed}: {table}: {error:?}"),
                _ => {}
            }
        }
    }
    assert!(compared > 60, "{compared}");
}

#[test]
fn whatever_the_bytes_are_it_ends() {
    let mut numbers = Numbers(5);
    for seed in 0..40 {
        let folder = tempfile::tempdir().unwrap();
        let (path, connection, tables) = make(&mut Numbers(seed + 5000), folder.path());
        let whole = Bytes::of(&path);
        drop(connection);
        let requests: Vec<Request> = tables.iter().map(|table| request(table)).collect();
        for _ in 0..40 {
            let mut bytes = whole.clone();
            for _ in 0..=numbers.below(8) {
                let file = numbers.one_of(&[File::Database, File::Database, File::Log]);
                let page = numbers.below(4);
                let file = bytes.file(file);
                if file.is_empty() {
                    continue;
                }
                // Headers and the first pages decide most.
                let within = if page == 0 { file.len().min(200) } else { file.len() };
                let at = usize::try_from(numbers.below(within as u64)).unwrap();
                match numbers.below(6) {
                    0 => file.truncate(at),
                    1 => file[at] = 0xff,
                    2 => file[at] = 0,
                    _ => file[at] ^= 1 << numbers.below(8),
                }
            }
            let _ = rows(&mut bytes, &requests);
        }
    }
}

#[test]
fn rows_are_chosen_by_their_first_cell() {
    let connection_folder = tempfile::tempdir().unwrap();
    let path = connection_folder.path().join("made.sqlite");
    let connection = Connection::open(&path).unwrap();
    let long = "v".repeat(9 << 20);
    connection.execute_batch("CREATE TABLE t(k TEXT PRIMARY KEY, v)").unwrap();
    connection
        .execute("INSERT INTO t VALUES ('long', ?1), ('a', 'one'), ('b', 'two'), (NULL, 'none')", [&long])
        .unwrap();
    let mut bytes = Bytes::of(&path);
    let ask = |only: &[&str], columns: &[&str]| Request {
        table: "T".to_owned(),
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        only: Some(only.iter().map(|text| (*text).to_owned()).collect()),
    };
    let read = rows(
        &mut bytes,
        &[ask(&["b", "c"], &["k", "V"]), ask(&["long"], &["k", "v"]), ask(&["a"], &["k", "w"])],
    )
    .unwrap();
    let text = |text: &str| Cell::Text(text.to_owned());
    assert_eq!(read[0], Ok(vec![vec![text("b"), text("two")]]));
    assert_eq!(read[1], Err(Error::Limit("8 MiB of rows".to_owned())));
    assert_eq!(read[2], Err(Error::NoColumn("w".to_owned())));
    assert!(bytes.read < 100 << 10, "what is not asked for is not read: {}", bytes.read);
}

#[test]
fn what_hides_a_table_is_told() {
    let read = |sql: &str, from: &[u8], to: &[u8], only: Option<&[&str]>| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made.sqlite");
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let mut bytes = Bytes::of(&path);
        let at = bytes.database.windows(from.len().max(1)).position(|window| window == from);
        if let Some(at) = at.filter(|_| !from.is_empty()) {
            bytes.database[at..at + to.len()].copy_from_slice(to);
        }
        let only = only.map(|only| only.iter().map(|text| (*text).to_owned()).collect());
        rows(&mut bytes, &[Request { table: "t".to_owned(), columns: vec!["k".to_owned()], only }])
    };
    let table = "CREATE TABLE t(k TEXT); INSERT INTO t VALUES ('a')";
    assert_eq!(read(table, b"", b"", None), Ok(vec![Ok(vec![vec![Cell::Text("a".to_owned())]])]));
    let view = "CREATE TABLE u(k TEXT); INSERT INTO u VALUES ('a'); CREATE VIEW t AS SELECT * FROM u";
    assert!(matches!(read(view, b"", b"", None), Err(Error::NotUnderstood(_))));
    // The list says that the table is another one, or no table.
    assert!(read(table, b"tablett", b"tableut", None).is_err());
    assert!(read(table, b"tablett", b"tablxtt", None).is_err());
    let lenient = "CREATE TABLE t(k TEXT COLLATE NOCASE); INSERT INTO t VALUES ('CURRENT'), ('x')";
    let found = vec![Ok(vec![vec![Cell::Text("current".to_owned())]])];
    assert_eq!(read(lenient, b"", b"", Some(&["current"])), Ok(found));
}

#[test]
fn what_is_no_database_is_told() {
    let told = |bytes: &[u8]| {
        let mut bytes = Bytes { database: bytes.to_vec(), log: Vec::new(), read: 0 };
        rows(&mut bytes, &[request("one")])
    };
    assert_eq!(told(b""), Ok(vec![Err(Error::NoTable)]), "a database that nothing was written to yet");
    let no = "it is no SQLite database, or is encrypted";
    assert_eq!(told(b"short"), Err(Error::NotUnderstood(no.to_owned())));
    assert_eq!(told(&[0x5a; 8192]), Err(Error::NotUnderstood(no.to_owned())));
    let folder = tempfile::tempdir().unwrap();
    let (path, connection, _) = make(&mut Numbers(3), folder.path());
    drop(connection);
    let mut newer = Bytes::of(&path).database;
    newer[19] = 3;
    assert_eq!(told(&newer), Err(Error::NotUnderstood("it is of a newer format than is known".to_owned())));
}

#[test]
fn it_gives_what_sqlite_gives_of_the_real_programs_databases() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/databases");
    for name in ["2026.6.11", "2026.8.2", "2026.9.6", "2026.9.6-log"] {
        let unpacked = |end: &str| {
            let Ok(packed) = std::fs::read(corpus.join(format!("{name}.sqlite{end}.gz"))) else {
                return Vec::new();
            };
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed.as_slice()), &mut bytes)
                .unwrap();
            bytes
        };
        let mut bytes = Bytes { database: unpacked(""), log: unpacked("-wal"), read: 0 };
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(bytes.write(folder.path())).unwrap();
        let mut tables = connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").unwrap();
        let names = tables
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<rusqlite::Result<Vec<String>>>()
            .unwrap();
        assert!(names.len() > 50, "{name}");
        let ask = |table: &String| {
            let query = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
            let columns = query.column_names().into_iter().map(str::to_owned).collect();
            Request { table: table.clone(), columns, only: None }
        };
        let requests: Vec<Request> = names.iter().map(ask).collect();
        let read = rows(&mut bytes, &requests).unwrap();
        for (request, read) in requests.iter().zip(read) {
            let columns = &request.columns.iter().map(String::as_str).collect::<Vec<_>>();
            let expected = select(&connection, &request.table, columns).unwrap();
            assert!(read.as_ref() == Ok(&expected), "{name}: {}: {:?}", request.table, read.err());
        }
    }
}
