//! Carries a proven plan out. One run at a time; the journal first, then the files, then the modes.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::journal::{Entry, Journal, JournalError, Outcome, Record};
use super::object::{ChangeError, Checkpoint, Folders, Known, Mark, Replacement, Spot};
use super::plan::ModeChange;
use super::prove::{FileChange, Proven};
use crate::audit::visible;
use crate::target::snapshot::Identity;

/// What came of a run.
#[derive(Debug, Default)]
pub struct Applied {
    /// The run in the journal; none where nothing was changed.
    pub run: Option<String>,
    /// Config values that were changed.
    pub values: usize,
    /// Modes that were changed.
    pub modes: usize,
    /// What could not be changed, and why.
    pub failed: Vec<Failed>,
}

impl Applied {
    /// How many changes were made.
    #[must_use]
    pub fn made(&self) -> usize {
        self.values + self.modes
    }
}

/// A change that was not made, or not in full.
#[derive(Debug)]
pub struct Failed {
    /// The path of the object.
    pub path: PathBuf,
    /// What about it.
    pub what: What,
    /// Why.
    pub error: ChangeError,
}

/// What about an object failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Its content.
    Text,
    /// Its mode.
    Mode,
    /// Its content, and then its mode too.
    Both,
    /// Nothing but a last step behind the change, such as to flush it to the disk.
    Afterwards,
}

/// Why nothing was changed at all.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Another run is at work.
    #[error("another fix is at work on {0}")]
    Busy(String),
    /// The journal cannot be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Holds the lock of a target as long as it lives.
pub struct Lock {
    _file: OwnedFd,
}

impl Lock {
    /// Takes the lock of a target: beside the journal, so that no file is left in the target and no other account can
    /// hold it.
    pub fn take(journal: &Journal, state_dir: &Path) -> Result<Self, ApplyError> {
        let file = journal.lock(state_dir)?;
        file.map(|file| Self { _file: file }).ok_or_else(|| ApplyError::Busy(visible::path(state_dir)))
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
    let mut applied = Applied::default();
    if proven.plan.is_empty() {
        return Ok(applied);
    }
    let mut folders = Folders::default();
    let mut entries: Vec<Entry> = proven.files.iter().map(|file| text_entry(proven, file)).collect();
    for change in &proven.plan.modes {
        let known = folders.find(&change.root, &change.rel).and_then(|spot| spot.known(change.identity));
        match known {
            Ok(known) => entries.push(mode_entry(proven, change, known)),
            Err(error) => applied.failed.push(Failed { path: change.path(), what: What::Mode, error }),
        }
    }
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
    let mut run = Run { journal, step, folders, applied };
    // Files whose text is in place.
    let mut written = Vec::new();
    for (number, file) in proven.files.iter().enumerate() {
        if run.text(&record, number, file) {
            written.push(file.path());
            run.applied.values += values(proven, file);
        }
    }
    for entry in &mut record.entries {
        run.mode(entry, &written);
    }
    let mut applied = run.applied;
    if applied.made() == 0 && written.is_empty() {
        journal.remove(&record.run);
        return Ok(applied);
    }
    record.outcome = Some(if applied.failed.is_empty() { Outcome::Complete } else { Outcome::Partial });
    // Where this cannot be written any more, the run counts as broken off, and can be taken back all the same.
    let _ = journal.save(&record);
    journal.prune();
    applied.run = Some(record.run);
    Ok(applied)
}

/// A run that is under way.
struct Run<'r> {
    journal: &'r Journal,
    step: Checkpoint<'r>,
    folders: Folders,
    applied: Applied,
}

impl Run<'_> {
    /// Writes a file anew. True where the new one is in place.
    fn text(&mut self, record: &Record, number: usize, file: &FileChange) -> bool {
        let Some(Entry::Text { temporary, .. }) = record.entries.get(number) else { return false };
        let mut new = None;
        let written = self.folders.find(&file.root, &file.rel).and_then(|spot| {
            let mut note = |mark| {
                new = Some(mark);
                self.journal.note(record, number, mark).map_err(std::io::Error::other)
            };
            let mut change = Replacement {
                old: mark(file.identity),
                before: &file.before,
                after: &file.after,
                mode: file.mode_after,
                temporary: OsStr::new(temporary),
                note: &mut note,
            };
            spot.replace(&mut change, self.step)
        });
        let Err(error) = written else { return true };
        let now = Spot::find(&file.root, &file.rel).and_then(|spot| spot.mark());
        let is_in_place = matches!((new, now), (Some(new), Ok(now)) if new.is(&now));
        let what = if is_in_place { What::Afterwards } else { What::Text };
        self.applied.failed.push(Failed { path: file.path(), what, error });
        is_in_place
    }

    /// Sets the mode of an object. Where it came with a text, nothing is left to do.
    fn mode(&mut self, entry: &mut Entry, written: &[PathBuf]) {
        let path = entry.path();
        let Entry::Mode { root, rel, mark, before, after, access, changed, with_text, .. } = entry else {
            return;
        };
        if *with_text && written.contains(&path) {
            self.applied.modes += 1;
            return;
        }
        let known = Known { mark: *mark, access: access.clone() };
        let done =
            self.folders.find(root, rel).and_then(|spot| spot.set_mode(&known, *before, *after, self.step));
        match done {
            Ok(when) => {
                *changed = mark.birth.is_none().then_some(when);
                self.applied.modes += 1;
            }
            Err(error) => {
                let text = self.applied.failed.iter_mut().find(|failed| *with_text && failed.path == path);
                match text {
                    Some(failed) => failed.what = What::Both,
                    None => self.applied.failed.push(Failed { path, what: What::Mode, error }),
                }
            }
        }
        // It did not come with the text.
        *with_text = false;
    }
}

fn mark(identity: Identity) -> Mark {
    Mark { device: identity.device, inode: identity.inode, birth: None }
}

fn values(proven: &Proven, file: &FileChange) -> usize {
    proven.plan.values.iter().filter(|change| change.file == file.file).count()
}

/// The name of the new file beside the old one; hidden, and of one run only.
fn temporary_name(rel: &Path, run: &str) -> String {
    let name = rel.file_name().unwrap_or_default().to_string_lossy();
    format!(".{name}.chitin-{run}")
}

fn text_entry(proven: &Proven, file: &FileChange) -> Entry {
    let changes = proven.plan.values.iter().filter(|change| change.file == file.file);
    Entry::Text {
        root: file.root.clone(),
        rel: file.rel.clone(),
        mode_before: file.mode_before,
        mode_after: file.mode_after,
        temporary: String::new(),
        pointers: changes.map(|change| change.pointer.clone()).collect(),
    }
}

fn mode_entry(proven: &Proven, change: &ModeChange, known: Known) -> Entry {
    Entry::Mode {
        root: change.root.clone(),
        rel: change.rel.clone(),
        mark: known.mark,
        before: change.before,
        after: change.after,
        access: known.access,
        changed: None,
        with_text: proven.files.iter().any(|file| file.identity.is(change.identity)),
    }
}
