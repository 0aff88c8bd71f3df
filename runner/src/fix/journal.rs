//! The journal: what each run is about to change is on the disk before it changes anything, so that a run that was
//! killed at any point can be taken back. It lies outside the target and is its owner's alone.

use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::object::Mark;
use super::record::{self, START_BYTES, digest};
pub use super::record::{Entry, Outcome, Record};
use crate::target::Environment;
use crate::target::private::{self, Unfit, is_ours};
use crate::target::snapshot::{Identity, Kind, Metadata};

/// Runs that are kept; the oldest go first, and with them the texts that they saved, which may hold secrets.
const KEPT_RUNS: usize = 20;
/// The largest record that is read: one of a million objects has about 120 bytes for each.
const MAX_RECORD_BYTES: u64 = 256 << 20;
/// An edit can make a text a little longer than what may be read of a config.
const MAX_TEXT_BYTES: u64 = 2 * crate::config::MAX_CONFIG_BYTES;
/// The file of a run that tells what it does.
const RECORD: &str = "run.json";
/// A run that is not written down in full yet has this before its name.
const UNFINISHED: &str = ".";

/// Where journals lie.
#[derive(Clone, Debug)]
pub struct Journal {
    /// What the operator chose.
    base: PathBuf,
    /// The folder of runs below it.
    runs: PathBuf,
}

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// There is no place for it.
    #[error("there is no place for the journal: neither XDG_STATE_HOME nor HOME is set")]
    Homeless,
    /// Others could change it.
    #[error("{} is not a directory of yours alone, so that the journal in it is not used", .0.display())]
    NotPrivate(PathBuf),
    /// It would lie in the target.
    #[error("the journal in {} would lie in the target", .0.display())]
    InTarget(PathBuf),
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
    /// The record cannot be understood, or is not trusted.
    #[error("the record of run \"{run}\" cannot be used: {reason}")]
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
        Ok(Self { base, runs: PathBuf::from("chitin/runs") })
    }

    /// A journal in a folder, for tests.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        let base = folder.parent().unwrap_or(Path::new("/")).to_owned();
        Self { base, runs: folder.file_name().unwrap_or_default().into() }
    }

    /// Where it lies.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.base.join(&self.runs)
    }

    fn system(&self, error: impl Into<std::io::Error>) -> JournalError {
        JournalError::System { folder: self.folder(), error: error.into() }
    }

    fn unfit(&self, unfit: Unfit) -> JournalError {
        match unfit {
            Unfit::Open(path) => JournalError::NotPrivate(path),
            Unfit::InTarget => JournalError::InTarget(self.folder()),
            Unfit::Missing => self.system(Errno::NOENT),
            Unfit::System(errno) => self.system(errno),
        }
    }

    /// The folder of runs; none where there is none yet.
    fn open(&self) -> Result<Option<OwnedFd>, JournalError> {
        match private::open(&self.base, &self.runs, false, None) {
            Ok(folder) => Ok(Some(folder)),
            Err(Unfit::Missing) => Ok(None),
            Err(other) => Err(self.unfit(other)),
        }
    }

    fn make(&self, target: Option<Identity>) -> Result<OwnedFd, JournalError> {
        private::open(&self.base, &self.runs, true, target).map_err(|unfit| self.unfit(unfit))
    }

    /// Takes the lock of a target. It lies beside the runs, where no other account can open it, and is named by the
    /// target's state directory. None where somebody holds it.
    pub fn lock(&self, state_dir: &Path) -> Result<Option<OwnedFd>, JournalError> {
        let target = Metadata::from(&rustix::fs::stat(state_dir).map_err(|errno| self.system(errno))?);
        let Identity { device, inode, .. } = target.identity;
        let locks = self.runs.parent().unwrap_or(Path::new("")).join("locks");
        let folder = private::open(&self.base, &locks, true, Some(target.identity));
        let folder = folder.map_err(|unfit| self.unfit(unfit))?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let private = Mode::RUSR | Mode::WUSR;
        let file = rustix::fs::openat(&folder, format!("{device}-{inode}"), flags, private)
            .map_err(|errno| self.system(errno))?;
        let object = Metadata::from(&rustix::fs::fstat(&file).map_err(|errno| self.system(errno))?);
        if !is_ours(&object, Kind::File) {
            return Err(JournalError::NotPrivate(self.base.join(locks)));
        }
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(self.system(errno)),
        }
    }

    /// Writes down what is about to change, with the old and the new content of each file (in the order of the text
    /// entries). When this returns it is on the disk.
    pub fn begin(
        &self,
        state_dir: &Path,
        entries: impl FnOnce(&str) -> Vec<Entry>,
        texts: &[(&[u8], &[u8])],
    ) -> Result<Record, JournalError> {
        let target = rustix::fs::stat(state_dir).ok().map(|stat| Metadata::from(&stat).identity);
        let runs = self.make(target)?;
        let mut random = [0; 4];
        crate::random::fill(&mut random).map_err(|errno| self.system(errno))?;
        let started = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let plain: String = started.chars().filter(char::is_ascii_alphanumeric).collect();
        let run = format!("{plain}-{:08x}", u32::from_ne_bytes(random));
        let entries = entries(&run);
        let digests = texts.iter().map(|(before, after)| [digest(before), digest(after)]).collect();
        let state_dir = state_dir.to_owned();
        let record = Record { run, started, state_dir, entries, outcome: None, old: false, digests };
        // It gets its name when it is whole: a run without a record is one that somebody damaged.
        let unfinished = format!("{UNFINISHED}{}", record.run);
        rustix::fs::mkdirat(&runs, &unfinished, Mode::RWXU).map_err(|errno| self.system(errno))?;
        let folder = self.run_folder(&runs, &unfinished)?;
        for (number, (before, after)) in texts.iter().enumerate() {
            self.write(&folder, &format!("{number}.before"), before)?;
            self.write(&folder, &format!("{number}.after"), after)?;
        }
        self.save_in(&folder, &record)?;
        rustix::fs::renameat(&runs, &unfinished, &runs, &record.run).map_err(|errno| self.system(errno))?;
        rustix::fs::fsync(&runs).map_err(|errno| self.system(errno))?;
        Ok(record)
    }

    /// Writes the record anew.
    pub fn save(&self, record: &Record) -> Result<(), JournalError> {
        let runs = self.make(None)?;
        let folder = self.run_folder(&runs, &record.run)?;
        self.save_in(&folder, record)
    }

    fn save_in(&self, folder: &OwnedFd, record: &Record) -> Result<(), JournalError> {
        let text = record::write(record).map_err(|error| self.system(error))?;
        self.replace(folder, RECORD, &text)
    }

    /// Writes down which object a text is about to be put in place with.
    pub fn note(&self, record: &Record, number: usize, mark: Mark) -> Result<(), JournalError> {
        let runs = self.make(None)?;
        let folder = self.run_folder(&runs, &record.run)?;
        let text = serde_json::to_vec(&mark).map_err(|error| self.system(error))?;
        self.replace(&folder, &format!("{number}.new"), &text)
    }

    /// Which object a text was put in place with; none where it never came so far.
    pub fn noted(&self, record: &Record, number: usize) -> Result<Option<Mark>, JournalError> {
        let text = match self.read(&record.run, &format!("{number}.new"), MAX_TEXT_BYTES) {
            Err(JournalError::NoRun(_)) => return Ok(None),
            other => other?,
        };
        let mark = serde_json::from_slice(&text).map_err(|error| damaged(&record.run, error.to_string()))?;
        Ok(Some(mark))
    }

    /// The runs, the newest first. One whose record is damaged is left out.
    pub fn runs(&self) -> Result<Vec<Record>, JournalError> {
        Ok(self.all()?.filter_map(|(_, record)| record.ok()).collect())
    }

    /// The runs, the newest first, each with its record or what is wrong with it.
    pub fn all(&self) -> Result<impl Iterator<Item = (String, Result<Record, JournalError>)>, JournalError> {
        let names = self.names()?;
        Ok(names.into_iter().rev().map(|name| {
            let record = self.load(&name);
            (name, record)
        }))
    }

    /// The runs that did not come to an end and can be read.
    pub fn broken_off(&self) -> Result<Vec<Record>, JournalError> {
        let names = self.names()?;
        let is_open = |name: &&String| {
            self.start(name, RECORD, START_BYTES as u64).is_ok_and(|start| record::is_open(&start))
        };
        let open = names.iter().filter(is_open).filter_map(|name| self.load(name).ok());
        Ok(open.filter(|record| record.outcome.is_none()).collect())
    }

    /// One run.
    pub fn load(&self, run: &str) -> Result<Record, JournalError> {
        let bytes = self.read(run, RECORD, MAX_RECORD_BYTES).map_err(|error| match error {
            // The folder is there, or it would not have been opened.
            JournalError::NoRun(file) if file == RECORD => damaged(run, "its record is missing".to_owned()),
            other => other,
        })?;
        let record = record::read(&bytes).map_err(|reason| damaged(run, reason))?;
        if record.run == run { Ok(record) } else { Err(damaged(run, "it tells of another run".to_owned())) }
    }

    /// The old and the new content of a file, by the number of its text entry.
    pub fn texts(&self, record: &Record, number: usize) -> Result<(Vec<u8>, Vec<u8>), JournalError> {
        let read = |which: &str| {
            let name = format!("{number}.{which}");
            self.read(&record.run, &name, MAX_TEXT_BYTES).map_err(|error| match error {
                JournalError::NoRun(name) => damaged(&record.run, format!("{name} is missing")),
                other => other,
            })
        };
        let (before, after) = (read("before")?, read("after")?);
        let known = record.digests.get(number);
        if known.is_some_and(|known| *known != [digest(&before), digest(&after)]) {
            return Err(damaged(&record.run, "a text in it is not as chitin wrote it".to_owned()));
        }
        Ok((before, after))
    }

    /// Removes a run.
    pub fn remove(&self, run: &str) {
        let Ok(Some(runs)) = self.open() else { return };
        if let Ok(folder) = rustix::fs::openat(&runs, run, DIRECTORY, Mode::empty()) {
            for file in list(&folder).unwrap_or_default() {
                let _ = rustix::fs::unlinkat(&folder, file, AtFlags::empty());
            }
        }
        let _ = rustix::fs::unlinkat(&runs, run, AtFlags::REMOVEDIR);
    }

    /// Removes the oldest runs, and what is left of runs that were killed before them.
    pub fn prune(&self) {
        let names = self.names().unwrap_or_default();
        let old = names.len().saturating_sub(KEPT_RUNS);
        names.iter().take(old).for_each(|name| self.remove(name));
        let oldest = names.get(old).map_or("", String::as_str);
        let Ok(Some(runs)) = self.open() else { return };
        for name in list(&runs).unwrap_or_default() {
            let unfinished = name.to_str().and_then(|name| name.strip_prefix(UNFINISHED));
            if unfinished.is_some_and(|run| run < oldest) {
                self.remove(&name.to_string_lossy());
            }
        }
    }

    /// The names of the runs, the oldest first.
    fn names(&self) -> Result<Vec<String>, JournalError> {
        let Some(runs) = self.open()? else { return Ok(Vec::new()) };
        let names = list(&runs).map_err(|errno| self.system(errno))?;
        let mut names: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
        names.retain(|name| is_plain(name));
        names.sort();
        Ok(names)
    }

    fn run_folder(&self, runs: &OwnedFd, name: &str) -> Result<OwnedFd, JournalError> {
        let folder = match rustix::fs::openat(runs, name, DIRECTORY, Mode::empty()) {
            Ok(folder) => folder,
            Err(Errno::NOENT) => return Err(JournalError::NoRun(name.to_owned())),
            Err(Errno::LOOP | Errno::NOTDIR) => return Err(damaged(name, "it is no directory".to_owned())),
            Err(errno) => return Err(self.system(errno)),
        };
        let object = Metadata::from(&rustix::fs::fstat(&folder).map_err(|errno| self.system(errno))?);
        if is_ours(&object, Kind::Directory) {
            Ok(folder)
        } else {
            Err(damaged(name, "others can write to its folder".to_owned()))
        }
    }

    /// The content of a file of a run. Where the file is missing the error names it instead of the run.
    fn read(&self, run: &str, name: &str, most: u64) -> Result<Vec<u8>, JournalError> {
        let bytes = self.start(run, name, most + 1)?;
        if bytes.len() as u64 > most {
            return Err(damaged(run, format!("{name} has more than {most} bytes")));
        }
        Ok(bytes)
    }

    fn start(&self, run: &str, name: &str, most: u64) -> Result<Vec<u8>, JournalError> {
        let runs =
            self.open()?.filter(|_| is_plain(run)).ok_or_else(|| JournalError::NoRun(run.to_owned()))?;
        let folder = self.run_folder(&runs, run)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let handle = match rustix::fs::openat(&folder, name, flags, Mode::empty()) {
            Ok(handle) => handle,
            Err(Errno::NOENT) => return Err(JournalError::NoRun(name.to_owned())),
            Err(Errno::LOOP) => return Err(damaged(run, format!("{name} is a symbolic link"))),
            Err(errno) => return Err(damaged(run, std::io::Error::from(errno).to_string())),
        };
        let object = Metadata::from(&rustix::fs::fstat(&handle).map_err(|errno| self.system(errno))?);
        if !is_ours(&object, Kind::File) {
            return Err(damaged(run, format!("{name} is not a file of yours alone")));
        }
        let mut bytes = Vec::new();
        #[expect(clippy::disallowed_types, reason = "a file of the journal, held by its handle")]
        let file = std::fs::File::from(handle);
        file.take(most).read_to_end(&mut bytes).map_err(|error| damaged(run, error.to_string()))?;
        Ok(bytes)
    }

    /// Puts a file in place of the one that is there, in one step.
    fn replace(&self, folder: &OwnedFd, name: &str, content: &[u8]) -> Result<(), JournalError> {
        let new = format!("{name}.write");
        let _ = rustix::fs::unlinkat(folder, &new, AtFlags::empty()); // of a run that was killed here
        self.write(folder, &new, content)?;
        rustix::fs::renameat(folder, &new, folder, name).map_err(|errno| self.system(errno))?;
        rustix::fs::fsync(folder).map_err(|errno| self.system(errno))
    }

    fn write(&self, folder: &OwnedFd, name: &str, content: &[u8]) -> Result<(), JournalError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let private = Mode::RUSR | Mode::WUSR;
        let handle = rustix::fs::openat(folder, name, flags, private).map_err(|errno| self.system(errno))?;
        #[expect(clippy::disallowed_types, reason = "a file of the journal, held by its handle")]
        let mut file = std::fs::File::from(handle);
        file.write_all(content).and_then(|()| file.sync_all()).map_err(|error| self.system(error))
    }
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn damaged(run: &str, reason: String) -> JournalError {
    JournalError::Damaged { run: run.to_owned(), reason }
}

fn is_plain(run: &str) -> bool {
    !run.is_empty() && run.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn list(folder: &OwnedFd) -> Result<Vec<OsString>, Errno> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(folder)? {
        let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    Ok(names)
}
