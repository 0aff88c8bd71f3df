//! The set: the policies that the operator has added, which run in each audit beside those that are built in. Everything of it
//! lies in one folder, beside the settings: `chitin.toml` says what is wanted and granted, `chitin.lock` pins the files, and
//! `policies/` holds them. The folder can be copied to another machine, and be under version control.

use std::fs;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};
use serde::{Deserialize, Serialize};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::code_file::{self, Digest};
use super::lock::{self, Lock, LockError, Locked};
use super::manifest;
use super::signature::{self, SignatureError, Signer, TrustedKey};
use super::sigstore::{Identity as Signed, TrustedIdentity};
use crate::sandbox::limits::MAX_COMPONENT_BYTES;
use crate::settings::Settings;
use crate::target::private::{self, Unfit};
use crate::target::snapshot::Identity;
use crate::target::{ReadError, read_regular};
use crate::wording::shell_word;

/// The folder of the policies' files.
const FOLDER: &str = "policies";

/// The ending of their names.
const ENDING: &str = ".policy";

/// The file that is locked while a set is changed. It has no content, and belongs into no version control.
const HELD: &str = ".lock";

/// How the names of files begin that are not written to their end.
const UNFINISHED: &str = ".chitin-";

/// Group and others may write.
const WRITTEN: u32 = 0o022;

/// A policy that the operator wants: an entry `[[policy]]` of `chitin.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Its id.
    pub id: String,
    /// Where it came from, and where an update of it is looked for.
    pub source: String,
    /// The capabilities that it is granted, by their names; those that it does not declare grant nothing.
    #[serde(default)]
    pub grants: Vec<String>,
}

impl Wanted {
    /// It is understood.
    ///
    /// # Errors
    /// Where its id is none, or a grant has no name of its own: later it would stand for more.
    pub fn check(&self) -> Result<(), String> {
        if !manifest::is_policy_id(&self.id) {
            return Err(format!("\"{}\" is no id of a policy: lower-case words joined by dashes", self.id));
        }
        if self.grants.iter().any(|grant| grant == "all") {
            return Err(format!(
                "policy \"{}\" is granted \"all\", which an update could make more; name its capabilities one by one",
                self.id
            ));
        }
        Ok(())
    }
}

/// Why a set cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// Its lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Somebody else decides what is in it.
    #[error(
        "others can change {0}, which decides what an audit says; take that from them with `chmod go-w`, or name the settings with \
         --settings"
    )]
    Open(String),
    /// It belongs to another account.
    #[error(
        "{0} belongs to another account, and decides what an audit says; name it with --settings to use it"
    )]
    Foreign(String),
    /// The system says no.
    #[error("cannot {0}")]
    System(String),
    /// `chitin.toml` has another form than this program can edit.
    #[error("cannot edit {path}: {reason}")]
    Form {
        /// The file.
        path: String,
        /// What is in the way.
        reason: String,
    },
}

/// Why the file of a policy is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Nothing pins it.
    #[error("chitin.lock does not pin it; `chitin policy update {0}` does")]
    NotLocked(String),
    /// Its file is not there.
    #[error("its file {path} is missing; `chitin policy update {id}` takes it from its source again")]
    Missing {
        /// Where it should lie.
        path: String,
        /// The policy, and what the command about it needs besides.
        id: String,
    },
    /// Its file is another one.
    #[error(
        "its file {path} is not the one that chitin.lock pins: it was changed or is damaged; `chitin policy update {id}` takes it from \
         its source again"
    )]
    Changed {
        /// The file.
        path: String,
        /// The policy.
        id: String,
    },
    /// Its file cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// Its signature does not count, or is missing.
    #[error("{0}")]
    Signature(String),
    /// It is native code, and nobody has decided that it may be.
    #[error("its file is native code, which no sandbox holds, and chitin.lock pins a component")]
    Native,
}

/// The set of one settings file.
#[derive(Clone, Debug)]
pub struct Set {
    place: PathBuf,
    /// What is wanted, in the order of `chitin.toml`.
    pub wanted: Vec<Wanted>,
    /// The keys that are trusted.
    pub keys: Vec<TrustedKey>,
    /// The identities that are trusted.
    pub identities: Vec<TrustedIdentity>,
    /// The file with the root of another sigstore than the public one.
    pub sigstore_root: Option<PathBuf>,
    /// What nobody signed is not used.
    pub require_signatures: bool,
    /// What is pinned; none where there is no `chitin.lock`.
    lock: Option<Lock>,
    /// The command line names the settings.
    is_named: bool,
}

impl Set {
    /// The set beside a settings file. Where nobody named that file on the command line, nobody but the caller and the system may
    /// be able to change it: it decides what strangers' code may look at.
    ///
    /// # Errors
    /// Where the lock cannot be read, or somebody else could change it.
    pub fn read(place: &Path, settings: &Settings, is_named: bool) -> Result<Self, SetError> {
        let place = std::path::absolute(place).unwrap_or_else(|_| place.to_owned());
        let set = Self {
            wanted: settings.policies.clone(),
            keys: settings.trusted_keys.clone(),
            identities: settings.trusted_identities.clone(),
            sigstore_root: settings.sigstore_root.as_ref().map(|file| folder_of(&place).join(file)),
            require_signatures: settings.require_signatures,
            lock: Lock::read(folder_of(&place))?,
            place,
            is_named,
        };
        if !is_named && set.place.exists() {
            set.is_private()?;
        }
        Ok(set)
    }

    /// The settings file that it belongs to.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// What commands about it need besides, with a blank before it; nothing where they find it by themselves.
    #[must_use]
    pub fn flag(&self) -> String {
        if self.is_named { format!(" --settings {}", shell_word(&self.place)) } else { String::new() }
    }

    /// The command line names the settings, and they are not those of the machine: whoever wrote them, nobody looked at that.
    #[must_use]
    pub fn may_be_anyones(&self) -> bool {
        self.is_named && self.place != Path::new(crate::settings::OF_MACHINE)
    }

    /// The folder that it lies in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        folder_of(&self.place)
    }

    /// There is a lock.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// What the lock pins, in byte order of the ids.
    pub fn locked(&self) -> impl Iterator<Item = &Locked> {
        self.lock.iter().flat_map(Lock::entries)
    }

    /// Nobody named the settings, and they lie in the installation that is audited.
    #[must_use]
    pub fn lies_in(&self, target: Identity) -> bool {
        let found = private::open(self.folder(), Path::new(""), false, Some(target));
        !self.is_named && matches!(found, Err(Unfit::InTarget))
    }

    /// What the lock pins and the settings do not want, by their ids.
    #[must_use]
    pub fn unwanted(&self) -> Vec<&str> {
        self.locked().map(|locked| locked.id.as_str()).filter(|id| self.wanted(id).is_none()).collect()
    }

    /// The pin of a policy that is wanted, too.
    #[must_use]
    pub fn pin(&self, id: &str) -> Option<&Locked> {
        self.lock.as_ref()?.find(id)
    }

    /// What is wanted of a policy.
    #[must_use]
    pub fn wanted(&self, id: &str) -> Option<&Wanted> {
        self.wanted.iter().find(|wanted| wanted.id == id)
    }

    /// The grants of a policy that it does not ask for: they were misspelt, or an update asks for them no more.
    #[must_use]
    pub fn stray_grants(&self, wanted: &Wanted) -> Vec<String> {
        let asked = self.pin(&wanted.id).map(|locked| locked.capabilities.as_slice()).unwrap_or_default();
        wanted.grants.iter().filter(|grant| !asked.contains(grant)).cloned().collect()
    }

    /// Where the file with this digest lies.
    #[must_use]
    pub fn file(&self, digest: &Digest) -> PathBuf {
        self.folder().join(FOLDER).join(format!("sha256-{digest}{ENDING}"))
    }

    fn is_private(&self) -> Result<(), SetError> {
        let open = |path: &Path| SetError::Open(path.display().to_string());
        let mut parts =
            vec![self.place.clone(), self.folder().join(lock::FILE_NAME), self.folder().join(FOLDER)];
        parts.extend(self.sigstore_root.clone());
        // Where one of them is a link, the way to what it names counts, too.
        let real = parts.iter().filter_map(|path| Some(folder_of(&path.canonicalize().ok()?).to_owned()));
        for folder in std::iter::once(self.folder().to_owned()).chain(real) {
            match private::open(&folder, Path::new(""), false, None) {
                Ok(_) | Err(Unfit::Missing) => {}
                Err(Unfit::Open(path)) => return Err(open(&path)),
                Err(Unfit::InTarget) => return Err(open(&folder)),
                Err(Unfit::System(errno)) => {
                    let reason = io::Error::from(errno);
                    return Err(SetError::System(format!("look at {}: {reason}", folder.display())));
                }
            }
        }
        let caller = rustix::process::geteuid().as_raw();
        for path in parts {
            let Ok(found) = fs::metadata(&path) else { continue };
            if found.uid() != 0 && found.uid() != caller {
                return Err(SetError::Foreign(path.display().to_string()));
            }
            if found.mode() & WRITTEN != 0 && !private::is_private_group_at(&path) {
                return Err(open(&path));
            }
        }
        Ok(())
    }

    /// The bytes of a policy, which are those that are pinned, signed where that is asked for.
    ///
    /// # Errors
    /// Why they are not used.
    pub fn bytes(&self, wanted: &Wanted) -> Result<Vec<u8>, Unusable> {
        let locked =
            self.pin(&wanted.id).ok_or_else(|| Unusable::NotLocked(wanted.id.clone() + &self.flag()))?;
        let file = self.file(&locked.digest);
        let (path, id) = (file.display().to_string(), wanted.id.clone() + &self.flag());
        let bytes = match read_regular(&file, MAX_COMPONENT_BYTES) {
            Ok(bytes) => bytes,
            Err(ReadError::NotFound(_)) => return Err(Unusable::Missing { path, id }),
            Err(error) => return Err(Unusable::Unreadable(error.to_string())),
        };
        if Digest::of(&bytes) != locked.digest {
            return Err(Unusable::Changed { path, id });
        }
        if bytes.starts_with(&code_file::MARK) && locked.native.is_none() {
            return Err(Unusable::Native);
        }
        self.is_signed(locked, &bytes)?;
        Ok(bytes)
    }

    /// What was signed is still signed by a key that counts, and what must be signed is.
    fn is_signed(&self, locked: &Locked, bytes: &[u8]) -> Result<(), Unusable> {
        let Some(signer) = &locked.signer else {
            let text = read_regular(&signature_of(&self.file(&locked.digest)), signature::MAX_BYTES).ok();
            let text = text.map(|text| String::from_utf8_lossy(&text).into_owned());
            // Nobody counts on it, and it still tells against the file.
            if let Some(Err(error @ (SignatureError::Revoked { .. } | SignatureError::Wrong(_)))) =
                text.map(|text| signature::verify(bytes, &text, &self.keys).map(drop))
            {
                return Err(Unusable::Signature(error.to_string()));
            }
            return if self.require_signatures {
                Err(Unusable::Signature(NOT_SIGNED.to_owned()))
            } else {
                Ok(())
            };
        };
        // The bundle was checked when the policy was taken, and spoke of a manifest that is not here. What it came to is in the lock.
        if let Some(who) = Signed::of_lock(signer) {
            return match who.may_sign(&locked.id, &self.identities) {
                Ok(_) => Ok(()),
                Err(error) => Err(Unusable::Signature(error.to_string())),
            };
        }
        let path = signature_of(&self.file(&locked.digest));
        let text = read_regular(&path, signature::MAX_BYTES).map_err(|error| {
            Unusable::Signature(format!(
                "it was signed by the key {signer}, and its signature cannot be read: {error}; `chitin policy update {}{}` takes it from its \
                 source again",
                locked.id,
                self.flag()
            ))
        })?;
        let found = signature::verify(bytes, &String::from_utf8_lossy(&text), &self.keys)
            .and_then(|found| found.may_sign(&locked.id).map(|()| found));
        match found {
            Ok(found) if found.id() == *signer => Ok(()),
            Ok(found) => Err(Unusable::Signature(format!(
                "chitin.lock says that the key {signer} signed it, and it was {}",
                found.id()
            ))),
            Err(error) => Err(Unusable::Signature(error.to_string())),
        }
    }

    /// Checks the signature of bytes that were just taken from a source, before anything of them is understood; none where they are
    /// not signed, and need not be.
    ///
    /// # Errors
    /// Where the signature does not count, or is missing.
    pub fn signer(&self, bytes: &[u8], text: Option<&str>) -> Result<Option<Signer<'_>>, Unusable> {
        match text {
            Some(text) => signature::verify(bytes, text, &self.keys)
                .map(Some)
                .map_err(|error| Unusable::Signature(error.to_string())),
            None if self.require_signatures => Err(Unusable::Signature(NOT_SIGNED.to_owned())),
            None => Ok(None),
        }
    }

    /// Opens the set for a change, which one process at a time can make.
    ///
    /// # Errors
    /// Where another one is at it, or the folder cannot be made.
    pub fn change(self) -> Result<Change, SetError> {
        let folder = self.folder().to_owned();
        let system = |what: &str, error: &io::Error| SetError::System(format!("{what}: {error}"));
        make_folder(&folder).map_err(|error| system(&format!("make {}", folder.display()), &error))?;
        // A file that nobody else can open: who can open one can hold its lock for ever.
        let place = folder.join(HELD);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::open(&place, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|errno| system(&format!("open {}", place.display()), &errno.into()))?;
        if rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive).is_err() {
            let reason = format!("change {}: another chitin is changing it", folder.display());
            return Err(SetError::System(reason));
        }
        // What was read before may have been changed since.
        let lock = Lock::read(&folder)?;
        let text = match read_regular(&self.place, crate::settings::MAX_BYTES) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(ReadError::NotFound(_)) => String::new(),
            Err(error) => return Err(SetError::System(error.to_string())),
        };
        let form = |reason: String| SetError::Form { path: self.place.display().to_string(), reason };
        let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
            form(error.message().lines().collect::<Vec<_>>().join(" "))
        })?;
        for key in [POLICY, TRUSTED_KEY] {
            if document.get(key).is_some_and(|item| !item.is_array_of_tables()) {
                return Err(form(format!("its \"{key}\" is not written as [[{key}]] tables")));
            }
        }
        Ok(Change { set: Self { lock, ..self }, document, _held: handle })
    }
}

/// Why what nobody signed is not used.
pub const NOT_SIGNED: &str = "it is not signed, and the settings say require-signatures";
const POLICY: &str = "policy";
const TRUSTED_KEY: &str = "trusted-key";

fn folder_of(place: &Path) -> &Path {
    place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Where the signature of a file lies.
#[must_use]
pub fn signature_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(signature::ENDING);
    PathBuf::from(name)
}

/// A change of a set. Nothing is written before [`Change::write`].
#[derive(Debug)]
pub struct Change {
    set: Set,
    document: DocumentMut,
    /// Keeps other changes away.
    _held: OwnedFd,
}

impl Change {
    /// Wants a policy and pins it, in place of what had its id.
    pub fn put(&mut self, wanted: &Wanted, locked: Locked) {
        let table = self.entry(&wanted.id);
        // What stays keeps its comments.
        for (key, text) in [("id", &wanted.id), ("source", &wanted.source)] {
            if table.get(key).and_then(Item::as_str) != Some(text) {
                table.insert(key, value(text));
            }
        }
        if table.get("grants").and_then(Item::as_array).is_none() {
            table.insert("grants", value(toml_edit::Array::new()));
        }
        if let Some(grants) = table.get_mut("grants").and_then(Item::as_array_mut) {
            grants.retain(|grant| {
                grant.as_str().is_some_and(|name| wanted.grants.iter().any(|wanted| wanted == name))
            });
            for grant in &wanted.grants {
                if !grants.iter().any(|known| known.as_str() == Some(grant)) {
                    grants.push_formatted(toml_edit::Value::from(grant).decorated("\n  ", ""));
                }
            }
            if !grants.is_empty() && grants.trailing().as_str().is_none_or(str::is_empty) {
                grants.set_trailing("\n");
                grants.set_trailing_comma(true);
            }
        }
        self.set.lock.get_or_insert_default().pin(locked);
    }

    /// The table of a policy, which is made where there is none.
    fn entry(&mut self, id: &str) -> &mut Table {
        let tables = tables(&mut self.document, POLICY);
        let is = |table: &Table| table.get("id").and_then(Item::as_str) == Some(id);
        let known = tables.iter().position(is);
        let at = known.unwrap_or(tables.len());
        if known.is_none() {
            tables.push(Table::new());
        }
        #[expect(clippy::expect_used, reason = "it was found there, or just put there")]
        tables.get_mut(at).expect("it is there")
    }

    /// Wants a policy no more.
    pub fn remove(&mut self, id: &str) {
        let tables = tables(&mut self.document, POLICY);
        tables.retain(|table| table.get("id").and_then(Item::as_str) != Some(id));
        if let Some(lock) = &mut self.set.lock {
            lock.unpin(id);
        }
    }

    /// Trusts a key.
    pub fn trust(&mut self, key: &TrustedKey) {
        let mut table = Table::new();
        table.insert("key", value(&key.key));
        if let Some(name) = &key.name {
            table.insert("name", value(name));
        }
        if let Some(policies) = &key.policies {
            table.insert("policies", value(policies.iter().collect::<toml_edit::Array>()));
        }
        tables(&mut self.document, TRUSTED_KEY).push(table);
    }

    /// Keeps the bytes of a policy, and their signature. Nothing uses them before they are pinned.
    ///
    /// # Errors
    /// What the system says.
    pub fn keep(&self, bytes: &[u8], signature: Option<&str>) -> Result<(), SetError> {
        let file = self.set.file(&Digest::of(bytes));
        if let Some(folder) = file.parent() {
            make_folder(folder)
                .map_err(|error| SetError::System(format!("make {}: {error}", folder.display())))?;
        }
        replace(&file, bytes)?;
        match signature {
            Some(text) => replace(&signature_of(&file), text.as_bytes()),
            None => Ok(()),
        }
    }

    /// Writes the lock, and then the settings: a policy that is pinned and not wanted is nothing, and one that is wanted and not
    /// pinned would fail.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(self) -> Result<(), SetError> {
        let lock = self.set.lock.clone().unwrap_or_default();
        let text = lock.text().map_err(|error| SetError::System(format!("write the lock: {error}")))?;
        let write = |path: &Path, text: &str| {
            // A link to it stays one: some people keep such files elsewhere.
            let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
            replace(&path, text.as_bytes())
        };
        write(&self.set.folder().join(lock::FILE_NAME), &text)?;
        write(&self.set.place, &self.document.to_string())
    }

    /// Removes the files that nothing pins, and gives how many there were, and their bytes together.
    ///
    /// # Errors
    /// What the system says.
    pub fn prune(&self) -> Result<(usize, u64), SetError> {
        let folder = self.set.folder().join(FOLDER);
        for entry in fs::read_dir(self.set.folder()).into_iter().flatten().flatten() {
            // A process that was ended left it: nobody else is at work here.
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                let _ = rustix::fs::unlink(entry.path());
            }
        }
        let system = |what: &Path, error: &io::Error| {
            SetError::System(format!("remove what is not used of {}: {error}", what.display()))
        };
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, 0)),
            other => other.map_err(|error| system(&folder, &error))?,
        };
        let (mut count, mut bytes) = (0, 0);
        for entry in entries {
            let path = entry.map_err(|error| system(&folder, &error))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(UNFINISHED) {
                rustix::fs::unlink(&path).map_err(|errno| system(&path, &errno.into()))?;
                continue;
            }
            let own = name.strip_suffix(signature::ENDING).unwrap_or(&name);
            let Some(hex) = own.strip_prefix("sha256-").and_then(|own| own.strip_suffix(ENDING)) else {
                continue;
            };
            if self.set.locked().any(|locked| locked.digest.to_string() == hex) {
                continue;
            }
            let Some(found) = path.symlink_metadata().ok().filter(|found| !found.is_dir()) else { continue };
            bytes += found.len();
            rustix::fs::unlink(&path).map_err(|errno| system(&path, &errno.into()))?;
            count += usize::from(own == name);
        }
        Ok((count, bytes))
    }
}

/// The tables of a name, `[[policy]]`; their form was looked at when the document was read.
fn tables<'d>(document: &'d mut DocumentMut, name: &str) -> &'d mut ArrayOfTables {
    let item = document.entry(name).or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    if !item.is_array_of_tables() {
        *item = Item::ArrayOfTables(ArrayOfTables::new());
    }
    #[expect(clippy::expect_used, reason = "it was just made one where it was none")]
    item.as_array_of_tables_mut().expect("tables")
}

/// Makes a folder, and those that it lies in, which nobody else can write to, whatever the mask says.
fn make_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)
}

/// Puts bytes in the place of a file, whole or not at all. It keeps the mode that it had; a new one can be read by all, because
/// nothing of a set is secret.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), SetError> {
    let one = || -> io::Result<()> {
        let mode = fs::metadata(path).map_or(0o644, |found| found.mode() & 0o777);
        let folder = folder_of(path);
        let mut file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .permissions(fs::Permissions::from_mode(mode))
            .tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(rustix::fs::fsync(rustix::fs::open(folder, flags, Mode::empty())?)?)
    };
    // Of the error its kind: its text names the file that was to take this one's place.
    one().map_err(|error| SetError::System(format!("write {}: {}", path.display(), error.kind())))
}
