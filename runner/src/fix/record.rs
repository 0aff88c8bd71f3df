//! The form of a journal's record: one line of JSON, sealed with a digest over itself, so that it is seen where somebody
//! wrote in it. The objects of a folder stand together, because a fix may change the modes of a hundred thousand.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::object::Mark;
use crate::sandbox::view::{decode, encode};

/// Version of the form that is written.
const VERSION: u32 = 2;
/// What stands for the digest while it is made.
const NO_SEAL: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// What a record begins with.
const START: &str = "{\"seal\":\"";
/// Behind the digest of a run that did not come to an end.
const OPEN: &str = "\",\"version\":2,\"outcome\":null,";

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The name of the run: its time and a random part.
    pub run: String,
    /// When it began, as RFC 3339 has it.
    pub started: String,
    /// The state directory that it is about.
    pub state_dir: PathBuf,
    /// What it changes, in this order.
    pub entries: Vec<Entry>,
    /// How it ended; none where it did not come to an end.
    pub outcome: Option<Outcome>,
    /// An earlier program wrote it: it noted neither when the objects were made, nor which one each new text is.
    pub old: bool,
    /// The digests of the old and the new content of each text entry; none of an earlier program.
    pub(super) digests: Vec<[String; 2]>,
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
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// A file's content, and its mode with it.
    Text {
        /// The directory that it is reached from.
        root: PathBuf,
        /// The file below it.
        rel: PathBuf,
        /// The mode before.
        mode_before: u32,
        /// The mode after.
        mode_after: u32,
        /// The name that the new file has before it is put in place.
        temporary: String,
        /// The config values that change, as pointers into the effective config.
        pointers: Vec<String>,
    },
    /// An object's mode.
    Mode {
        /// The directory that it is reached from.
        root: PathBuf,
        /// The object below it; "" for the directory itself.
        rel: PathBuf,
        /// Which object it is.
        mark: Mark,
        /// The mode before.
        before: u32,
        /// The mode after.
        after: u32,
        /// The access list before; none where the mode said it all.
        access: Option<Vec<u8>>,
        /// When the change was made, where the file system does not keep when objects were made.
        changed: Option<i64>,
        /// The object is a file that gets another text, and its mode with that. Only where the text could not be written
        /// the mode was set by itself.
        with_text: bool,
    },
}

impl Entry {
    /// The absolute path of what changes.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        let (root, rel) = self.place();
        if rel.as_os_str().is_empty() { root.to_owned() } else { root.join(rel) }
    }

    /// The directory that it is reached from, and the path below it.
    #[must_use]
    pub fn place(&self) -> (&Path, &Path) {
        let (Self::Text { root, rel, .. } | Self::Mode { root, rel, .. }) = self;
        (root, rel)
    }
}

/// A record as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Stored {
    seal: String,
    version: u32,
    outcome: Option<Outcome>,
    run: String,
    started: String,
    state_dir: String,
    old: bool,
    texts: Vec<StoredText>,
    folders: Vec<StoredFolder>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StoredText {
    root: String,
    rel: String,
    mode_before: u32,
    mode_after: u32,
    temporary: String,
    pointers: Vec<String>,
    /// The digests of the content before and after.
    digests: [String; 2],
}

/// Objects that lie in one directory, on one file system.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredFolder {
    root: String,
    rel: String,
    /// The directory itself is meant, which `root` names.
    itself: bool,
    device: u64,
    objects: Vec<StoredObject>,
}

/// Name, number, birth, mode before, mode after, access list before, time of the change, with a text.
#[derive(Serialize, Deserialize)]
struct StoredObject(String, u64, Option<i64>, u32, u32, Option<String>, Option<i64>, bool);

/// A record of an earlier program, of before it knew access lists.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct First {
    version: u32,
    run: String,
    started: String,
    state_dir: String,
    entries: Vec<FirstEntry>,
    outcome: Option<Outcome>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", rename_all_fields = "camelCase", deny_unknown_fields)]
enum FirstEntry {
    Text {
        root: String,
        rel: String,
        mode_before: u32,
        mode_after: u32,
        temporary: String,
        keys: Vec<String>,
    },
    Mode {
        root: String,
        rel: String,
        device: u64,
        inode: u64,
        before: u32,
        after: u32,
    },
}

/// The digest of a content.
pub(super) fn digest(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// The record as bytes.
pub(super) fn write(record: &Record) -> Result<Vec<u8>, serde_json::Error> {
    let mut stored = Stored {
        seal: NO_SEAL.to_owned(),
        version: VERSION,
        outcome: record.outcome,
        run: record.run.clone(),
        started: record.started.clone(),
        state_dir: encode(&record.state_dir),
        old: record.old,
        texts: Vec::new(),
        folders: Vec::new(),
    };
    let mut digests = record.digests.iter();
    let mut last: Option<(&Path, &Path, u64)> = None;
    for entry in &record.entries {
        match entry {
            Entry::Text { root, rel, mode_before, mode_after, temporary, pointers } => {
                stored.texts.push(StoredText {
                    root: encode(root),
                    rel: encode(rel),
                    mode_before: *mode_before,
                    mode_after: *mode_after,
                    temporary: encode(Path::new(temporary)),
                    pointers: pointers.clone(),
                    digests: digests.next().cloned().unwrap_or_default(),
                });
            }
            Entry::Mode { root, rel, mark, before, after, access, changed, with_text, .. } => {
                let (parent, name) =
                    (rel.parent().unwrap_or(Path::new("")), rel.file_name().unwrap_or_default());
                let itself = name.is_empty();
                let here = (root.as_path(), parent, mark.device);
                if itself || last != Some(here) {
                    let (root, rel, objects) = (encode(root), encode(parent), Vec::new());
                    stored.folders.push(StoredFolder { root, rel, itself, device: mark.device, objects });
                    last = (!itself).then_some(here);
                }
                let access = access.as_deref().map(|list| HEXLOWER.encode(list));
                let name = encode(Path::new(name));
                if let Some(folder) = stored.folders.last_mut() {
                    let (inode, birth) = (mark.inode, mark.birth);
                    folder.objects.push(StoredObject(
                        name, inode, birth, *before, *after, access, *changed, *with_text,
                    ));
                }
            }
        }
    }
    let mut bytes = serde_json::to_vec(&stored)?;
    let seal = digest(&bytes);
    for (place, byte) in bytes.iter_mut().skip(START.len()).zip(seal.bytes()) {
        *place = byte;
    }
    Ok(bytes)
}

/// A record from its bytes.
pub(super) fn read(bytes: &[u8]) -> Result<Record, String> {
    if !bytes.starts_with(START.as_bytes()) {
        return read_first(bytes);
    }
    let mut unsealed = bytes.to_vec();
    let end = START.len() + NO_SEAL.len();
    let sealed = unsealed.get_mut(START.len()..end).ok_or("it ends too early")?;
    let seal = String::from_utf8_lossy(sealed).into_owned();
    sealed.copy_from_slice(NO_SEAL.as_bytes());
    let stored: Stored = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if stored.version != VERSION {
        return Err("another version of chitin wrote it".to_owned());
    }
    if digest(&unsealed) != seal {
        return Err("it is not as chitin wrote it".to_owned());
    }
    from_stored(stored).ok_or_else(|| "it names no place".to_owned())
}

fn from_stored(stored: Stored) -> Option<Record> {
    let (mut entries, mut digests) = (Vec::new(), Vec::new());
    for text in stored.texts {
        entries.push(Entry::Text {
            root: absolute(&text.root)?,
            rel: decode(&text.rel).ok()?,
            mode_before: text.mode_before,
            mode_after: text.mode_after,
            temporary: decode(&text.temporary).ok()?.to_str()?.to_owned(),
            pointers: text.pointers,
        });
        digests.push(text.digests);
    }
    for folder in stored.folders {
        let (root, parent) = (absolute(&folder.root)?, decode(&folder.rel).ok()?);
        for StoredObject(name, inode, birth, before, after, access, changed, with_text) in folder.objects {
            let name = decode(&name).ok()?;
            if name.as_os_str().is_empty() != folder.itself || name.components().count() > 1 {
                return None;
            }
            let access = match access {
                Some(list) => Some(HEXLOWER.decode(list.as_bytes()).ok()?),
                None => None,
            };
            let mark = Mark { device: folder.device, inode, birth };
            let (root, rel) = (root.clone(), if folder.itself { PathBuf::new() } else { parent.join(name) });
            entries.push(Entry::Mode { root, rel, mark, before, after, access, changed, with_text });
        }
    }
    let state_dir = absolute(&stored.state_dir)?;
    let old = stored.old;
    if old {
        digests.clear();
    }
    let (run, started, outcome) = (stored.run, stored.started, stored.outcome);
    Some(Record { run, started, state_dir, entries, outcome, old, digests })
}

/// An absolute path in the form in which it is stored.
fn absolute(text: &str) -> Option<PathBuf> {
    let rel = decode(text.strip_prefix('/')?).ok()?;
    Some(Path::new(OsStr::from_bytes(b"/")).join(rel))
}

fn read_first(bytes: &[u8]) -> Result<Record, String> {
    let first: First = serde_json::from_slice(bytes).map_err(|error| {
        let sealed = bytes.get(..START_BYTES).unwrap_or(bytes).windows(4).any(|word| word == b"seal");
        if sealed { "it is not as chitin wrote it".to_owned() } else { error.to_string() }
    })?;
    if first.version != 1 {
        return Err("another version of chitin wrote it".to_owned());
    }
    let entry = |entry| match entry {
        FirstEntry::Text { root, rel, mode_before, mode_after, temporary, keys } => Entry::Text {
            root: root.into(),
            rel: rel.into(),
            mode_before,
            mode_after,
            temporary,
            pointers: keys.iter().map(|key| format!("/{}", key.replace('.', "/"))).collect(),
        },
        FirstEntry::Mode { root, rel, device, inode, before, after } => Entry::Mode {
            root: root.into(),
            rel: rel.into(),
            mark: Mark { device, inode, birth: None },
            before,
            after,
            access: None,
            changed: None,
            with_text: false,
        },
    };
    let entries: Vec<Entry> = first.entries.into_iter().map(entry).collect();
    let plain = |path: &Path| path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if entries.iter().any(|entry| !entry.place().0.is_absolute() || !plain(entry.place().1)) {
        return Err("it names no place".to_owned());
    }
    let (run, started, outcome) = (first.run, first.started, first.outcome);
    Ok(Record {
        run,
        started,
        state_dir: first.state_dir.into(),
        entries,
        outcome,
        old: true,
        digests: Vec::new(),
    })
}

/// Whether the beginning of a record is that of a run that did not come to an end.
pub(super) fn is_open(start: &[u8]) -> bool {
    if start.starts_with(START.as_bytes()) {
        let behind = start.get(START.len() + NO_SEAL.len()..).unwrap_or_default();
        return behind.starts_with(OPEN.as_bytes());
    }
    // Earlier programs wrote the outcome last; their records are short.
    true
}

/// How much of a record [`is_open`] has to see.
pub(super) const START_BYTES: usize = START.len() + NO_SEAL.len() + OPEN.len();

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let text = Entry::Text {
            root: "/home/a n".into(),
            rel: "openclaw.json".into(),
            mode_before: 0o644,
            mode_after: 0o600,
            temporary: ".openclaw.json.chitin-1".to_owned(),
            pointers: vec!["/logging/redactSensitive".to_owned()],
        };
        let mode = |rel: &[u8], access: Option<&[u8]>| Entry::Mode {
            root: "/home/a n".into(),
            rel: Path::new(OsStr::from_bytes(rel)).to_owned(),
            mark: Mark { device: 3, inode: rel.len() as u64, birth: Some(-5) },
            before: 0o644,
            after: 0o600,
            access: access.map(<[u8]>::to_vec),
            changed: None,
            with_text: false,
        };
        Record {
            run: "20231114T221320000Z-00000000".to_owned(),
            started: "2023-11-14T22:13:20.000Z".to_owned(),
            state_dir: "/home/a n".into(),
            entries: vec![
                text,
                mode(b"", None),
                mode(b"a/\xff\n%", Some(b"\x02\0")),
                mode(b"a/b", None),
                mode(b"c", None),
            ],
            outcome: None,
            old: false,
            digests: vec![[digest(b"1"), digest(b"2")]],
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let mut record = record();
        for outcome in [None, Some(Outcome::Partial)] {
            record.outcome = outcome;
            let bytes = write(&record).unwrap();
            assert_eq!(read(&bytes), Ok(record.clone()));
            assert_eq!(is_open(&bytes[..START_BYTES]), outcome.is_none());
        }
    }

    #[test]
    fn no_byte_of_a_record_can_change_unseen() {
        let bytes = write(&record()).unwrap();
        for at in 0..bytes.len() {
            for with in [b'0', b'7', b'x'] {
                let mut other = bytes.clone();
                other[at] = with;
                assert!(other == bytes || read(&other).is_err(), "{at}");
            }
            assert!(read(&bytes[..at]).is_err(), "{at}");
        }
    }

    #[test]
    fn a_record_of_the_first_form_is_understood() {
        let text = r#"{"version": 1, "run": "r", "started": "2023-11-14T22:13:20.000Z", "stateDir": "/s", "entries": [
            {"kind": "text", "root": "/s", "rel": "c", "modeBefore": 420, "modeAfter": 384, "temporary": ".c", "keys": ["a.b"]},
            {"kind": "mode", "root": "/s", "rel": "", "device": 1, "inode": 2, "before": 493, "after": 448}], "outcome": "complete"}"#;
        let record = read(text.as_bytes()).unwrap();
        assert_eq!((record.entries.len(), record.old), (2, true));
        // It stays what it is when it is written anew.
        assert_eq!(read(&write(&record).unwrap()), Ok(record));
        for (from, to) in
            [("\"/s\", \"rel\": \"c\"", "\"/s\", \"rel\": \"../c\""), ("\"version\": 1", "\"version\": 3")]
        {
            assert!(read(text.replace(from, to).as_bytes()).is_err(), "{to}");
        }
    }
}
