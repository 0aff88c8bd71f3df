//! The journal: what each run is about to change is on the disk before it changes anything, so that a run that was
//! killed at any point can be taken back. It lies outside the target and is its owner's alone.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use crate::target::snapshot::{Kind, Metadata};
use crate::target::{Environment, read_regular};

/// Version of the record's form.
const VERSION: u32 = 1;
/// Runs that are kept; the oldest go first, and with them the texts that they saved, which may hold secrets.
const KEPT_RUNS: usize = 20;
/// The largest record that is read.
const MAX_RECORD_BYTES: u64 = 16 << 20;
/// The file of a run that tells what it does.
const RECORD: &str = "run.json";

/// Where journals lie.
#[derive(Clone, Debug)]
pub struct Journal {
    folder: PathBuf,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    version: u32,
    /// The name of the run: its time and a random part.
    pub run: String,
    /// When it began, as RFC 3339 has it.
    pub started: String,
    /// The state directory that it is about.
    pub state_dir: String,
    /// What it changes, in this order.
    pub entries: Vec<Entry>,
    /// How it ended; none where it did not come to an end.
    pub outcome: Option<Outcome>,
}

impl Record {
    /// The entries that change a file's content.
    pub fn texts(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| matches!(entry, Entry::Text { .. }))
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything was changed.
    Complete,
    /// Something could not be changed.
    Partial,
    /// It was taken back.
    Undone,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Entry {
    /// A file's content.
    Text {
        /// The directory of the config file.
        root: String,
        /// The file below it.
        rel: String,
        /// The mode before.
        mode_before: u32,
        /// The mode after.
        mode_after: u32,
        /// The name that the new file has before it is put in place.
        temporary: String,
        /// The config keys that change.
        keys: Vec<String>,
    },
    /// An object's mode.
    Mode {
        /// The path of the view.
        root: String,
        /// The object below it; "" for the view itself.
        rel: String,
        /// Its file system.
        device: u64,
        /// Its number there.
        inode: u64,
        /// The mode before.
        before: u32,
        /// The mode after.
        after: u32,
    },
}

impl Entry {
    /// The absolute path of what changes.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        let (Self::Text { root, rel, .. } | Self::Mode { root, rel, .. }) = self;
        if rel.is_empty() { PathBuf::from(root) } else { Path::new(root).join(rel) }
    }
}

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// There is no place for it.
    #[error("there is no place for the journal: neither XDG_STATE_HOME nor HOME is set")]
    Homeless,
    /// Others could change it.
    #[error("{} is not a directory of yours alone", .0.display())]
    NotPrivate(PathBuf),
    /// The system says no.
    #[error("the journal in {} cannot be used: {error}", .folder.display())]
    System {
        /// Where it lies.
        folder: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// There is no such run.
    #[error("there is no run \"{0}\"")]
    NoRun(String),
    /// The record cannot be understood.
    #[error("the record of run \"{run}\" cannot be read: {reason}")]
    Damaged {
        /// The run.
        run: String,
        /// Why.
        reason: String,
    },
}

impl Journal {
    /// The journal of this user: `chitin/runs` in `XDG_STATE_HOME`, by default `~/.local/state`.
    pub fn of(environment: &Environment) -> Result<Self, JournalError> {
        let set = |name: &str| environment.get(name).filter(|value| Path::new(value).is_absolute());
        let base = match (set("XDG_STATE_HOME"), set("HOME")) {
            (Some(state), _) => PathBuf::from(state),
            (None, Some(home)) => Path::new(home).join(".local/state"),
            (None, None) => return Err(JournalError::Homeless),
        };
        Ok(Self { folder: base.join("chitin/runs") })
    }

    /// A journal in a folder, for tests.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Where it lies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn system(&self, error: impl Into<std::io::Error>) -> JournalError {
        JournalError::System { folder: self.folder.clone(), error: error.into() }
    }

    /// Writes down what is about to change, with the old and the new content of each file (in the order of the text
    /// entries). When this returns it is on the disk.
    pub fn begin(
        &self,
        state_dir: &Path,
        entries: impl FnOnce(&str) -> Vec<Entry>,
        texts: &[(&[u8], &[u8])],
    ) -> Result<Record, JournalError> {
        self.make_folder()?;
        let mut random = [0; 4];
        crate::random::fill(&mut random).map_err(|errno| self.system(errno))?;
        let started = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let plain: String = started.chars().filter(char::is_ascii_alphanumeric).collect();
        let run = format!("{plain}-{:08x}", u32::from_ne_bytes(random));
        let state_dir = state_dir.to_string_lossy().into_owned();
        let entries = entries(&run);
        let record = Record { version: VERSION, run, started, state_dir, entries, outcome: None };
        let folder = self.folder.join(&record.run);
        rustix::fs::mkdir(&folder, Mode::RWXU).map_err(|errno| self.system(errno))?;
        for (number, (before, after)) in texts.iter().enumerate() {
            self.write(&folder.join(format!("{number}.before")), before)?;
            self.write(&folder.join(format!("{number}.after")), after)?;
        }
        self.save(&record)?;
        self.flush(&self.folder)?;
        Ok(record)
    }

    /// Writes the record anew.
    pub fn save(&self, record: &Record) -> Result<(), JournalError> {
        let folder = self.folder.join(&record.run);
        let text = serde_json::to_vec_pretty(record).map_err(|error| self.system(error))?;
        let new = folder.join("run.json.new");
        let _ = rustix::fs::unlink(&new); // of a run that was killed here
        self.write(&new, &text)?;
        rustix::fs::rename(&new, folder.join(RECORD)).map_err(|errno| self.system(errno))?;
        self.flush(&folder)
    }

    /// The runs, the newest first. One whose record is damaged is left out.
    pub fn runs(&self) -> Result<Vec<Record>, JournalError> {
        let names = self.names()?;
        Ok(names.iter().rev().filter_map(|name| self.load(name).ok()).collect())
    }

    /// One run.
    pub fn load(&self, run: &str) -> Result<Record, JournalError> {
        let plain = !run.is_empty() && run.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let path = self.folder.join(run).join(RECORD);
        if !plain || path.symlink_metadata().is_err() {
            return Err(JournalError::NoRun(run.to_owned()));
        }
        self.check_private(&self.folder)?;
        let damaged = |reason: String| JournalError::Damaged { run: run.to_owned(), reason };
        let bytes = read_regular(&path, MAX_RECORD_BYTES).map_err(|error| damaged(error.to_string()))?;
        let record: Record = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if record.version != VERSION || record.run != run {
            return Err(damaged("another version of chitin wrote it".to_owned()));
        }
        Ok(record)
    }

    /// The old and the new content of a file, by the number of its text entry.
    pub fn texts(&self, record: &Record, number: usize) -> Result<(Vec<u8>, Vec<u8>), JournalError> {
        let damaged = |reason: String| JournalError::Damaged { run: record.run.clone(), reason };
        let read = |which: &str| {
            let path = self.folder.join(&record.run).join(format!("{number}.{which}"));
            // An edit can make a text a little longer than what may be read of a config.
            read_regular(&path, 2 * crate::config::MAX_CONFIG_BYTES)
                .map_err(|error| damaged(error.to_string()))
        };
        Ok((read("before")?, read("after")?))
    }

    /// Removes the oldest runs.
    pub fn prune(&self) {
        let names = self.names().unwrap_or_default();
        let old = names.len().saturating_sub(KEPT_RUNS);
        for name in names.iter().take(old) {
            let folder = self.folder.join(name);
            for file in list(&folder).unwrap_or_default() {
                let _ = rustix::fs::unlink(folder.join(file));
            }
            let _ = rustix::fs::rmdir(&folder);
        }
    }

    /// The names of the runs, the oldest first.
    fn names(&self) -> Result<Vec<String>, JournalError> {
        match list(&self.folder) {
            Ok(names) => {
                let mut names: Vec<String> =
                    names.into_iter().filter_map(|name| name.into_string().ok()).collect();
                names.sort();
                Ok(names)
            }
            Err(rustix::io::Errno::NOENT) => Ok(Vec::new()),
            Err(errno) => Err(self.system(errno)),
        }
    }

    fn make_folder(&self) -> Result<(), JournalError> {
        let mut missing: Vec<&Path> =
            self.folder.ancestors().take_while(|path| path.symlink_metadata().is_err()).collect();
        while let Some(path) = missing.pop() {
            match rustix::fs::mkdir(path, Mode::RWXU) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(errno) => return Err(self.system(errno)),
            }
        }
        self.check_private(&self.folder)
    }

    /// Whoever could write here could make `undo` write what they like.
    fn check_private(&self, folder: &Path) -> Result<(), JournalError> {
        let stat = rustix::fs::lstat(folder).map_err(|errno| self.system(errno))?;
        let object = Metadata::from(&stat);
        let mine = object.kind == Kind::Directory && object.uid == rustix::process::geteuid().as_raw();
        if mine && object.mode & 0o022 == 0 {
            Ok(())
        } else {
            Err(JournalError::NotPrivate(folder.to_owned()))
        }
    }

    fn write(&self, path: &Path, content: &[u8]) -> Result<(), JournalError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle =
            rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR).map_err(|errno| self.system(errno))?;
        #[expect(clippy::disallowed_types, reason = "a file of the journal, held by its handle")]
        let mut file = std::fs::File::from(handle);
        file.write_all(content).and_then(|()| file.sync_all()).map_err(|error| self.system(error))
    }

    fn flush(&self, folder: &Path) -> Result<(), JournalError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(folder, flags, Mode::empty()).map_err(|errno| self.system(errno))?;
        rustix::fs::fsync(handle).map_err(|errno| self.system(errno))
    }
}

fn list(folder: &Path) -> Result<Vec<OsString>, rustix::io::Errno> {
    use std::os::unix::ffi::OsStrExt as _;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = rustix::fs::open(folder, flags, Mode::empty())?;
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(handle)? {
        let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    Ok(names)
}
