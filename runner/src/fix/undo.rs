//! Takes a run back: the very objects that it changed, as long as they are as it left them, and no wider than the guard
//! had allowed to narrow them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde_json::Value;

use super::apply::ApplyError;
use super::guard::{self, Refusal};
use super::journal::{Entry, Journal, JournalError, Outcome, Record};
use super::object::{ChangeError, Checkpoint, Folders, Known, Mark, Replacement, Spot};
use super::prove::differences;
use crate::config::value_of;
use crate::target::attributes;

/// Clocks of file systems are up to so many nanoseconds behind the system's.
const CLOCK: i64 = 2_000_000_000;

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
/// [`Lock`](super::Lock).
///
/// # Errors
/// Where the journal cannot be read or written; where it cannot be read, nothing is changed.
pub fn undo(
    journal: &Journal,
    record: &mut Record,
    step: Checkpoint<'_>,
) -> Result<Vec<(Entry, Undone)>, ApplyError> {
    // All that the journal has is read first, so that one that is damaged changes nothing.
    let texts = (0..record.texts().count())
        .map(|number| Ok((journal.texts(record, number)?, journal.noted(record, number)?)))
        .collect::<Result<Vec<_>, JournalError>>()?;
    let mut left = texts.iter().rev();
    let mut back = Back { record, folders: Folders::default(), step };
    let mut all = Vec::with_capacity(record.entries.len());
    for entry in record.entries.iter().rev() {
        let done = match entry {
            Entry::Mode { .. } => back.mode(entry),
            Entry::Text { .. } => {
                left.next().map_or(Ok(Undone::NothingToDo), |(texts, new)| back.text(entry, texts, *new))
            }
        };
        all.push((entry.clone(), done.unwrap_or_else(Undone::Kept)));
    }
    let kept = all.iter().any(|(_, done)| matches!(done, Undone::Kept(_)));
    record.outcome = Some(if kept { Outcome::Partial } else { Outcome::Undone });
    journal.save(record)?;
    Ok(all)
}

/// Removes what runs that were killed left beside the files of a target. The caller holds the [`Lock`](super::Lock).
pub fn clean_up(journal: &Journal, state_dir: &Path) -> Result<(), JournalError> {
    for mut record in journal.broken_off()? {
        if record.state_dir != state_dir {
            continue;
        }
        for (number, entry) in record.texts().enumerate() {
            // One whose texts are damaged is left for somebody to look at.
            let (Ok(texts), (root, rel)) = (journal.texts(&record, number), entry.place()) else { continue };
            if let (Entry::Text { temporary, .. }, Ok(spot)) = (entry, Spot::find(root, rel)) {
                clean(&spot, temporary, &texts);
            }
        }
        record.outcome = Some(Outcome::Partial);
        journal.save(&record)?;
    }
    Ok(())
}

fn clean(spot: &Spot, temporary: &str, (before, after): &(Vec<u8>, Vec<u8>)) {
    spot.clean(OsStr::new(temporary), |left| left == before || after.starts_with(left));
}

fn changed(what: &str) -> ChangeError {
    Refusal::Changed(what.to_owned()).into()
}

struct Back<'b> {
    record: &'b Record,
    folders: Folders,
    step: Checkpoint<'b>,
}

impl Back<'_> {
    fn mode(&mut self, entry: &Entry) -> Result<Undone, ChangeError> {
        let Entry::Mode { root, rel, mark, before, after, access, changed: since, with_text } = entry else {
            return Ok(Undone::NothingToDo);
        };
        self.may_touch(entry)?;
        let spot = self.folders.find(root, rel)?;
        let now = spot.look()?;
        if !spot.mark()?.is(mark) {
            // The file that had the mode before is gone: the new text came with the new mode.
            return if *with_text {
                Ok(Undone::NothingToDo)
            } else {
                Err(changed("another object is there"))
            };
        }
        if now.mode == *before {
            return Ok(Undone::NothingToDo);
        }
        let mut known = Known { mark: *mark, access: access.clone() };
        if self.record.old {
            // What an earlier program did not write down: the mode brings the access list back as well.
            let born = spot.mark()?.birth;
            if born.is_none_or(|born| born > self.started().saturating_add(CLOCK)) {
                return Err(changed("another object is there, or it cannot be told whether it is the same"));
            }
            let list = spot.known(now.identity)?.access;
            known.access = list.map(|list| attributes::access_with_mode(&list, *before));
        } else if mark.birth.is_none() && since.is_none() {
            return Err(changed("it cannot be told whether it is the same object: the run was broken off"));
        }
        spot.restore_mode(&known, (*before, *after), *since, self.step)?;
        Ok(Undone::Restored)
    }

    fn text(
        &mut self,
        entry: &Entry,
        texts: &(Vec<u8>, Vec<u8>),
        new: Option<Mark>,
    ) -> Result<Undone, ChangeError> {
        let Entry::Text { root, rel, mode_before, mode_after, temporary, pointers } = entry else {
            return Ok(Undone::NothingToDo);
        };
        let spot = self.folders.find(root, rel)?;
        clean(&spot, temporary, texts);
        let (before, after) = texts;
        let (object, found) = spot.content()?;
        if found == *before {
            return Ok(Undone::NothingToDo);
        }
        if found != *after {
            return Err(changed("the file was changed since the fix"));
        }
        let here = spot.mark()?;
        let is_same = match new {
            Some(new) => new.is(&here),
            None if self.record.old => here.birth.is_some_and(|born| born >= self.started() - CLOCK),
            None => false,
        };
        if !is_same {
            return Err(changed("another object is there"));
        }
        if object.mode != *mode_after {
            return Err(changed(&format!("its mode is {:04o}, not {mode_after:04o}", object.mode)));
        }
        if mode_before != mode_after {
            // What comes back is what the guard had allowed to take.
            let was = crate::target::snapshot::Metadata { mode: *mode_before, ..object };
            guard::mode(&was, rustix::process::geteuid().as_raw(), *mode_before, *mode_after)?;
        }
        is_undoing(before, after, pointers, &|_| None, self.record.old)?;
        let mut change = Replacement {
            old: here,
            before: after,
            after: before,
            mode: *mode_before,
            temporary: OsStr::new(temporary),
            note: &mut |_| Ok(()),
        };
        spot.replace(&mut change, self.step).map(|()| Undone::Restored)
    }

    /// When the run began, in nanoseconds since the epoch.
    fn started(&self) -> i64 {
        let time = humantime::parse_rfc3339(&self.record.started).ok();
        let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        since.and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or_default()
    }

    /// An earlier program did not seal its records: what lies elsewhere than in the installation is not taken from one.
    fn may_touch(&self, entry: &Entry) -> Result<(), ChangeError> {
        let path = entry.path();
        let is_config = || self.record.texts().any(|text| text.path() == path);
        if !self.record.old || path.starts_with(&self.record.state_dir) || is_config() {
            Ok(())
        } else {
            Err(Refusal::Outside.into())
        }
    }
}

/// Going from `before` to `after` is what the guard allows at these pointers, and nothing else; going back undoes that. Of a text
/// that variables fill in, `filled` is what they make of it.
pub(super) fn is_undoing(
    before: &[u8],
    after: &[u8],
    pointers: &[String],
    filled: &dyn Fn(&str) -> Option<Value>,
    is_old: bool,
) -> Result<(), ChangeError> {
    let value = |bytes: &[u8]| value_of(std::str::from_utf8(bytes).ok()?);
    let (Some(before), Some(after)) = (value(before), value(after)) else {
        return Err(changed("a text in the journal is no config"));
    };
    let mut different = BTreeSet::new();
    differences(&before, &after, String::new(), &mut different);
    for pointer in &different {
        // An include holds a part of the config, so that a pointer into it is the end of one into the whole.
        let whole =
            pointers.iter().find(|whole| whole.ends_with(pointer.as_str())).or(is_old.then_some(pointer));
        let whole = whole.ok_or_else(|| changed("the journal has a change that the fix did not make"))?;
        let closes = |beside: &str| different.iter().any(|other| beside.ends_with(other.as_str()));
        let new = after.pointer(pointer).unwrap_or(&Value::Null);
        let is_filled = |value: &&Value| value.as_str().is_some_and(|text| text.contains("${"));
        let old = before.pointer(pointer);
        let made = old.filter(is_filled).and_then(|_| filled(whole));
        guard::value(whole, made.as_ref().or(old), new, closes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_guard_had_allowed_is_undone() {
        let pointers = ["/channels/telegram/groupPolicy".to_owned(), "/logging/redactSensitive".to_owned()];
        let is = |before: &str, after: &str| {
            is_undoing(before.as_bytes(), after.as_bytes(), &pointers, &|_| None, false).is_ok()
        };
        assert!(is("{logging: {redactSensitive: 'off'}}", "{logging: {redactSensitive: 'tools'}}"));
        assert!(is("{telegram: {groupPolicy: 'open'}}", "{telegram: {groupPolicy: 'allowlist'}}"));
        assert!(!is("{logging: {redactSensitive: 'tools'}}", "{logging: {redactSensitive: 'off'}}"));
        assert!(!is("{telegram: {groupPolicy: 'open', x: 1}}", "{telegram: {groupPolicy: 'allowlist'}}"));
        assert!(!is("{gateway: {bind: 'lan'}}", "{gateway: {bind: 'loopback'}}"));
        assert!(!is("{", "{}"));
    }
}
