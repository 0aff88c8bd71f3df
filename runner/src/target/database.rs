//! A database and its write-ahead log, as the gateway that writes them leaves them at one moment: opened for reading only,
//! through no link, without a lock and without any file of our own beside them. Whether both stayed as they were while they
//! were read is told by their sizes, their times and the log's salts.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::snapshot::{Look, LookError, Metadata, Snapshot};

/// Bytes at the beginning of each file that tell one moment from another: the database's header, which counts its changes,
/// and the log's, which has its salts.
const HEAD_BYTES: usize = 100;

/// How often they are read, and how long is waited before each: a gateway that writes all the time rests in between.
const PAUSES: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(30), Duration::from_millis(100), Duration::from_millis(300)];

/// How long is waited where a file changed so short a time ago that its next change might have the same time.
const SETTLE: Duration = Duration::from_millis(20);

/// One of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The database.
    Database,
    /// Its log.
    Log,
}

/// An open file, and what it was when it was opened.
struct Opened {
    handle: OwnedFd,
    metadata: Metadata,
    head: Vec<u8>,
}

impl Opened {
    /// Opens a file; none where there is none.
    fn new(snapshot: &Snapshot, view: usize, path: &Path) -> Look<Option<Self>> {
        let (handle, metadata) = match snapshot.open(view, path) {
            Ok(opened) => opened,
            Err(LookError::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        };
        let head = read_at(&handle, 0, HEAD_BYTES).map_err(|error| LookError::Io(error.to_string()))?;
        Ok(Some(Self { handle, metadata, head }))
    }

    /// Nothing was written between this and the other.
    fn is_same(&self, other: &Self) -> bool {
        (self.metadata, &self.head) == (other.metadata, &other.head)
    }
}

/// The two files.
pub struct Pair {
    database: Opened,
    log: Option<Opened>,
}

impl Pair {
    /// Opens a database and its log; none where there is no database.
    fn new(snapshot: &Snapshot, view: usize, path: &Path) -> Look<Option<Self>> {
        let beside = |end: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            Opened::new(snapshot, view, Path::new(&name))
        };
        let Some(database) = Opened::new(snapshot, view, path)? else { return Ok(None) };
        // What a transaction changes stands there until it ends. One of zeros, or of no bytes, is of none.
        if beside("-journal")?.is_some_and(|journal| journal.head.iter().take(8).any(|byte| *byte != 0)) {
            return Err(LookError::Io("it is being written: it has a rollback journal".to_owned()));
        }
        Ok(Some(Self { database, log: beside("-wal")? }))
    }

    fn opened(&self, part: Part) -> Option<&Opened> {
        match part {
            Part::Database => Some(&self.database),
            Part::Log => self.log.as_ref(),
        }
    }

    /// The size of a file, 0 where there is none.
    #[must_use]
    pub fn size(&self, part: Part) -> u64 {
        self.opened(part).map_or(0, |opened| opened.metadata.size)
    }

    /// Bytes of a file; fewer where it ends, and none where it cannot be read.
    #[must_use]
    pub fn read(&self, part: Part, offset: u64, length: usize) -> Vec<u8> {
        let bytes = self.opened(part).map(|opened| read_at(&opened.handle, offset, length));
        bytes.and_then(Result::ok).unwrap_or_default()
    }

    fn is_fresh(&self) -> bool {
        [Part::Database, Part::Log]
            .into_iter()
            .filter_map(|part| self.opened(part))
            .any(|opened| opened.metadata.identity.is_fresh())
    }

    fn is_same(&self, other: &Self) -> bool {
        let logs = match (&self.log, &other.log) {
            (Some(one), Some(other)) => one.is_same(other),
            (None, None) => true,
            _ => false,
        };
        logs && self.database.is_same(&other.database)
    }
}

/// Bytes of a file from an offset on.
fn read_at(handle: &OwnedFd, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let (mut bytes, mut filled) = (vec![0; length], 0);
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match rustix::io::pread(handle, rest, offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Works on a database as it was at one moment: the work is done again where a file changed meanwhile, a few times. None
/// where there is no database. `go_on` is asked before each time.
///
/// # Errors
/// [`LookError::Changed`] where it changes each time, [`LookError::Stopped`] where the work was not to go on.
pub fn at_one_moment<T>(
    snapshot: &Snapshot,
    view: usize,
    path: &Path,
    go_on: &dyn Fn() -> bool,
    work: &dyn Fn(&Arc<Pair>) -> T,
) -> Look<Option<T>> {
    let mut last = LookError::Changed;
    for pause in PAUSES {
        std::thread::sleep(pause);
        if !go_on() {
            return Err(LookError::Stopped);
        }
        let pair = match Pair::new(snapshot, view, path) {
            Ok(Some(pair)) if pair.is_fresh() => {
                std::thread::sleep(SETTLE);
                Pair::new(snapshot, view, path)
            }
            other => other,
        };
        let pair = match pair {
            Ok(Some(pair)) => Arc::new(pair),
            Ok(None) => return Ok(None),
            // A transaction may end, and a file that is replaced may be there in a moment.
            Err(error @ (LookError::Io(_) | LookError::Changed)) => {
                last = error;
                continue;
            }
            Err(error) => return Err(error),
        };
        let done = work(&pair);
        if matches!(Pair::new(snapshot, view, path), Ok(Some(after)) if pair.is_same(&after)) {
            return Ok(Some(done));
        }
        last = LookError::Changed;
    }
    Err(last)
}
