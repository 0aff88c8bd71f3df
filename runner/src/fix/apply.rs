//! Carries a proven plan out, and takes a run back. One run at a time; the journal first, then the files, then the modes.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::guard::Refusal;
use super::journal::{Entry, Journal, JournalError, Outcome, Record};
use super::object::{ChangeError, Checkpoint, Replacement, Spot};
use super::prove::{FileChange, Proven};
use crate::audit::visible;
use crate::target::snapshot::Identity;

/// What came of a run.
#[derive(Debug, Default)]
pub struct Applied {
    /// The run in the journal; none where there was nothing to do.
    pub run: Option<String>,
    /// What could not be changed, and why.
    pub failed: Vec<Failed>,
}

/// A change that was not made.
#[derive(Debug)]
pub struct Failed {
    /// The path of the object.
    pub path: std::path::PathBuf,
    /// Why.
    pub error: ChangeError,
}

/// Why nothing was changed at all.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Another run is at work.
    #[error("another fix is at work on {0}")]
    Busy(String),
    /// The lock cannot be taken.
    #[error("{} cannot be locked: {error}", .folder)]
    Lock {
        /// The directory.
        folder: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The journal cannot be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A name that the journal cannot hold.
    #[error("{0} has a name that is not UTF-8; the journal cannot hold it")]
    Name(String),
}

/// Holds the lock of a target as long as it lives.
pub struct Lock {
    _directory: OwnedFd,
}

impl Lock {
    /// Takes the lock: on the state directory itself, so that no file is left behind.
    pub fn take(state_dir: &Path) -> Result<Self, ApplyError> {
        let folder = || visible::path(state_dir);
        let lock = |error: Errno| ApplyError::Lock { folder: folder(), error: error.into() };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(state_dir, flags, Mode::empty()).map_err(lock)?;
        match rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _directory: directory }),
            Err(Errno::WOULDBLOCK) => Err(ApplyError::Busy(folder())),
            Err(errno) => Err(lock(errno)),
        }
    }
}

/// Carries the plan out. One change that fails does not keep the others back. The caller holds the [`Lock`] since
/// before it read the target.
///
/// # Errors
/// Where the journal cannot be written: then nothing is changed.
pub fn apply(
    proven: &Proven,
    state_dir: &Path,
    journal: &Journal,
    step: Checkpoint<'_>,
) -> Result<Applied, ApplyError> {
    if proven.plan.is_empty() {
        return Ok(Applied::default());
    }
    let mut entries = entries(proven)?;
    let name = |run: &str| {
        for entry in &mut entries {
            if let Entry::Text { rel, temporary, .. } = entry {
                *temporary = temporary_name(rel, run);
            }
        }
        entries
    };
    let texts: Vec<(&[u8], &[u8])> =
        proven.files.iter().map(|file| (file.before.as_slice(), file.after.as_slice())).collect();
    let mut record = journal.begin(state_dir, name, &texts)?;
    let mut applied = Applied { run: Some(record.run.clone()), failed: Vec::new() };
    let mut files = proven.files.iter();
    for entry in &record.entries {
        let done = match entry {
            Entry::Text { temporary, .. } => files.next().map_or(Ok(()), |file| write(file, temporary, step)),
            Entry::Mode { root, rel, device, inode, before, after } => {
                Spot::find(Path::new(root), Path::new(rel))
                    .and_then(|spot| spot.set_mode(Identity::of(*device, *inode), *before, *after, step))
            }
        };
        if let Err(error) = done {
            applied.failed.push(Failed { path: entry.path(), error });
        }
    }
    record.outcome = Some(if applied.failed.is_empty() { Outcome::Complete } else { Outcome::Partial });
    // Where this cannot be written any more, the run counts as broken off, and can be taken back all the same.
    let _ = journal.save(&record);
    journal.prune();
    Ok(applied)
}

fn write(file: &FileChange, temporary: &str, step: Checkpoint<'_>) -> Result<(), ChangeError> {
    let change = Replacement {
        before: &file.before,
        after: &file.after,
        mode: file.mode_after,
        temporary: OsStr::new(temporary),
    };
    Spot::find(&file.root, &file.rel)?.replace(&change, step)
}

/// The name of the new file beside the old one; hidden, and of one run only.
fn temporary_name(rel: &str, run: &str) -> String {
    let name = rel.rsplit('/').next().unwrap_or(rel);
    format!(".{name}.chitin-{run}")
}

fn entries(proven: &Proven) -> Result<Vec<Entry>, ApplyError> {
    let text =
        |path: &Path| path.to_str().map(str::to_owned).ok_or_else(|| ApplyError::Name(visible::path(path)));
    let mut entries = Vec::new();
    for file in &proven.files {
        let keys = proven.plan.values.iter().filter(|change| change.file == file.file);
        entries.push(Entry::Text {
            root: text(&file.root)?,
            rel: text(&file.rel)?,
            mode_before: file.mode_before,
            mode_after: file.mode_after,
            temporary: String::new(),
            keys: keys.map(|change| visible::key(&change.pointer)).collect(),
        });
    }
    // A file that is written anew gets its mode with its text.
    let written = |identity: Identity| proven.files.iter().any(|file| file.identity.is(identity));
    for change in proven.plan.modes.iter().filter(|change| !written(change.identity)) {
        entries.push(Entry::Mode {
            root: text(&change.root)?,
            rel: text(&change.rel)?,
            device: change.identity.device,
            inode: change.identity.inode,
            before: change.before,
            after: change.after,
        });
    }
    Ok(entries)
}

/// What became of one change of a run that is taken back.
#[derive(Debug)]
pub enum Undone {
    /// It was taken back.
    Restored,
    /// It was never made, or is taken back already.
    NothingToDo,
    /// Something else is there by now.
    Kept(ChangeError),
}

/// Takes a run back, the last change first. What is not as the run left it stays as it is. The caller holds the
/// [`Lock`].
///
/// # Errors
/// Where the journal cannot be read or written.
pub fn undo(
    journal: &Journal,
    record: &mut Record,
    step: Checkpoint<'_>,
) -> Result<Vec<(Entry, Undone)>, ApplyError> {
    let mut number = record.texts().count();
    let mut all = Vec::new();
    for entry in record.entries.iter().rev() {
        let done = match entry {
            Entry::Mode { .. } => undo_mode(entry, step),
            Entry::Text { .. } => {
                number -= 1;
                let texts = journal.texts(record, number)?;
                undo_text(entry, &texts, step)
            }
        };
        all.push((entry.clone(), done.unwrap_or_else(Undone::Kept)));
    }
    let kept = all.iter().any(|(_, done)| matches!(done, Undone::Kept(_)));
    record.outcome = Some(if kept { Outcome::Partial } else { Outcome::Undone });
    journal.save(record)?;
    Ok(all)
}

/// Removes what runs that were killed left beside the files of a target. The caller holds the [`Lock`].
pub fn clean_up(journal: &Journal, state_dir: &Path) -> Result<(), JournalError> {
    let state_dir = state_dir.to_string_lossy();
    for mut record in journal.runs()? {
        if record.outcome.is_some() || record.state_dir != state_dir {
            continue;
        }
        for (number, entry) in record.texts().enumerate() {
            let texts = journal.texts(&record, number)?;
            if let (Entry::Text { temporary, .. }, Ok(spot)) = (entry, spot(entry)) {
                clean(&spot, temporary, &texts);
            }
        }
        record.outcome = Some(Outcome::Partial);
        journal.save(&record)?;
    }
    Ok(())
}

fn spot(entry: &Entry) -> Result<Spot, ChangeError> {
    let (Entry::Text { root, rel, .. } | Entry::Mode { root, rel, .. }) = entry;
    Spot::find(Path::new(root), Path::new(rel))
}

fn clean(spot: &Spot, temporary: &str, (before, after): &(Vec<u8>, Vec<u8>)) {
    spot.clean(OsStr::new(temporary), |left| left == before || after.starts_with(left));
}

fn undo_mode(entry: &Entry, step: Checkpoint<'_>) -> Result<Undone, ChangeError> {
    let Entry::Mode { device, inode, before, after, .. } = entry else { return Ok(Undone::NothingToDo) };
    let (spot, identity) = (spot(entry)?, Identity::of(*device, *inode));
    let now = spot.look()?;
    if now.identity.is(identity) && now.mode == *before {
        return Ok(Undone::NothingToDo);
    }
    spot.restore_mode(identity, *after, *before, step).map(|()| Undone::Restored)
}

fn undo_text(entry: &Entry, texts: &(Vec<u8>, Vec<u8>), step: Checkpoint<'_>) -> Result<Undone, ChangeError> {
    let Entry::Text { mode_before, temporary, .. } = entry else { return Ok(Undone::NothingToDo) };
    let spot = spot(entry)?;
    clean(&spot, temporary, texts);
    let (before, after) = texts;
    let (_, found) = spot.content()?;
    if found == *before {
        return Ok(Undone::NothingToDo);
    }
    if found != *after {
        return Err(Refusal::Changed("the file was changed since the fix".to_owned()).into());
    }
    let temporary = OsStr::new(temporary);
    let change = Replacement { before: after, after: before, mode: *mode_before, temporary };
    spot.replace(&change, step).map(|()| Undone::Restored)
}
