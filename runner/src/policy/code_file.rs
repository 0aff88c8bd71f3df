//! Native code of a policy, in a file that it is mapped executable from: an entry of the cache, or what
//! `chitin policy compile` wrote. Whoever can write to it runs code as whoever audits, so it is used only where nobody but
//! the caller and the system can, and it is held by its handle from the first look on.
//!
//! The file is: eight bytes that mark it, the length of its label in four bytes, the label as JSON, and the code, from a
//! multiple of 64 KiB on, the largest page that Linux has.

use std::fmt;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::HEXLOWER;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::manifest::{Manifest, ManifestError};
use crate::random;
use crate::target::private::{self, Unfit};
use crate::target::snapshot::Metadata;

/// What every such file begins with; the last byte is the version of its form.
pub const MARK: [u8; 8] = *b"chitin\0\x01";

/// The machine that this program's engine makes code for, and runs code of.
pub const MACHINE: &str = env!("CHITIN_MACHINE");

/// This program's engine: the code of another one is not run.
pub const ENGINE: &str = env!("CHITIN_ENGINE");

/// This program's version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where code may begin.
const ALIGNMENT: u64 = 64 << 10;

/// Longest label: a manifest, and the names of imports.
const MAX_LABEL: u32 = 4 << 20;

/// What is read at once.
const PIECE: usize = 64 << 10;

/// Group and others may write.
const WRITTEN: u32 = 0o022;

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or("no SHA-256")
    }
}

/// Why code in a file is not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// It is something else.
    #[error("it is no code file of this version of chitin; make one with `chitin policy compile`")]
    NotCode,
    /// It ends too early.
    #[error("its code file is truncated, {has} of {needs} bytes; make it again with `chitin policy compile`")]
    Truncated {
        /// Bytes in it.
        has: u64,
        /// Bytes that its label tells of.
        needs: u64,
    },
    /// Its code is not what its label tells of.
    #[error("its code was changed or is damaged; make it again with `chitin policy compile`")]
    Damaged,
    /// Another account can write to it, or to a folder that it lies in.
    #[error(
        "it is native code, and others can change {0}; take that from them with `chmod go-w`, or copy the code file to a folder \
         that you alone can write to"
    )]
    Open(String),
    /// It belongs to another account.
    #[error("it is native code, and belongs to neither you nor root; copy the code file to make it your own")]
    Foreign,
    /// It was made for another machine.
    #[error(
        "it is code for {0}, and this is {MACHINE}; compile it with `chitin policy compile --target` for this one"
    )]
    Machine(String),
    /// It was made by another engine.
    #[error(
        "chitin {0} compiled it for another engine than chitin {VERSION} has; make it again with `chitin policy compile`"
    )]
    Engine(String),
    /// The file system does not let code run.
    #[error(
        "its code file cannot be executed where it lies: its file system is mounted noexec, or this system's policy forbids it; \
         keep it on another file system"
    )]
    NoExec,
    /// What the policy says of itself cannot be understood.
    #[error("its manifest: {0}")]
    Manifest(String),
    /// The system says no.
    #[error("its code file cannot be used: {0}")]
    System(String),
}

impl From<Errno> for CodeError {
    fn from(errno: Errno) -> Self {
        Self::System(std::io::Error::from(errno).to_string())
    }
}

impl From<Unfit> for CodeError {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Open(path) => Self::Open(path.display().to_string()),
            Unfit::System(errno) => errno.into(),
            Unfit::Missing | Unfit::InTarget => Errno::NOENT.into(),
        }
    }
}

/// What stands before the code.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Label {
    /// The text of the component's `policy.toml`.
    pub manifest: String,
    /// The names of the component's imports.
    pub imports: Vec<String>,
    /// The component that it was made of.
    pub component: Digest,
    /// Its size in bytes.
    pub component_bytes: usize,
    /// The machine that it is for, as [`MACHINE`] names this one.
    pub machine: String,
    /// The engine that can run it, as [`ENGINE`] names this one.
    pub engine: String,
    /// The version of chitin that made it.
    pub chitin: String,
    /// The code.
    pub code: Digest,
    /// Its length in bytes.
    pub length: u64,
}

impl Label {
    /// The label of code that this program has made.
    #[must_use]
    pub fn new(source: &Source<'_>, made_for: (&str, &str), code: &[u8]) -> Self {
        let (machine, engine) = made_for;
        Self {
            manifest: source.manifest.to_owned(),
            imports: source.imports.to_vec(),
            component: source.digest,
            component_bytes: source.bytes,
            machine: machine.to_owned(),
            engine: engine.to_owned(),
            chitin: VERSION.to_owned(),
            code: Digest::of(code),
            length: code.len() as u64,
        }
    }

    /// What the policy says of itself.
    ///
    /// # Errors
    /// Where that is wrong.
    pub fn manifest(&self) -> Result<Manifest, CodeError> {
        self.manifest.parse().map_err(|error: ManifestError| CodeError::Manifest(error.to_string()))
    }

    /// This program, on this machine, can run the code.
    ///
    /// # Errors
    /// Where it was made for another.
    pub fn fits(&self) -> Result<(), CodeError> {
        if self.machine != MACHINE {
            return Err(CodeError::Machine(self.machine.clone()));
        }
        if self.engine != ENGINE {
            return Err(CodeError::Engine(self.chitin.clone()));
        }
        Ok(())
    }

    /// All that stands before the code, and where the code begins.
    fn head(&self) -> Result<Vec<u8>, CodeError> {
        let text = serde_json::to_vec(self).map_err(|error| CodeError::System(error.to_string()))?;
        let length = u32::try_from(text.len()).ok().filter(|length| *length <= MAX_LABEL);
        let length = length.ok_or_else(|| CodeError::System("its label is too long".to_owned()))?;
        let mut head = [&MARK[..], &length.to_le_bytes(), &text].concat();
        head.resize(usize::try_from(offset(length)).unwrap_or(usize::MAX), 0);
        Ok(head)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, file: &OwnedFd, code: &[u8]) -> Result<(), CodeError> {
        for mut rest in [&*self.head()?, code] {
            while !rest.is_empty() {
                match rustix::io::write(file, rest) {
                    Ok(0) => return Err(Errno::IO.into()),
                    Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                    Err(Errno::INTR) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
        }
        Ok(())
    }
}

/// A component that code is made of.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The text of its manifest.
    pub manifest: &'a str,
    /// The names of its imports.
    pub imports: &'a [String],
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub bytes: usize,
}

/// Where code begins behind a label of this length.
fn offset(label: u32) -> u64 {
    (MARK.len() as u64 + 4 + u64::from(label)).next_multiple_of(ALIGNMENT)
}

/// Where code stands in its file, and what it must be. It crosses from the process that opened the file to the one that
/// maps it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Extent {
    /// Where it begins, a multiple of 64 KiB.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Its digest.
    pub digest: Digest,
    /// The account that the file belongs to.
    pub owner: u32,
}

/// Code in a file that is open for reading. Nobody but its owner, who is the caller or root, could write to it when it was
/// opened.
#[derive(Clone, Debug)]
pub struct CodeFile {
    handle: Arc<OwnedFd>,
    extent: Extent,
}

/// What must not change of a file while code is taken from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    object: (u64, u64),
    size: u64,
    written: (i64, i64),
}

impl CodeFile {
    /// Code in an open file that was looked at by the process that opened it.
    #[must_use]
    pub fn handed_over(handle: OwnedFd, extent: Extent) -> Self {
        Self { handle: Arc::new(handle), extent }
    }

    /// Takes a file that was opened for reading, and reads its label.
    ///
    /// # Errors
    /// Where it is no such file, is not whole, or somebody else could have written to it.
    pub fn of(handle: OwnedFd) -> Result<(Label, Self), CodeError> {
        let (label, offset) = label(&handle)?;
        let owner = rustix::fs::fstat(&handle)?.st_uid;
        let extent = Extent { offset, length: label.length, digest: label.code, owner };
        if owner != 0 && owner != rustix::process::geteuid().as_raw() {
            return Err(CodeError::Foreign);
        }
        let file = Self::handed_over(handle, extent);
        file.look()?;
        Ok((label, file))
    }

    /// The open file.
    #[must_use]
    pub fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// Where the code stands in it.
    #[must_use]
    pub fn extent(&self) -> &Extent {
        &self.extent
    }

    /// Looks at the file: a regular one, whole, which its owner alone can write to, under one name at most.
    ///
    /// # Errors
    /// Where it is anything else.
    pub fn look(&self) -> Result<Stamp, CodeError> {
        let stat = rustix::fs::fstat(&self.handle)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(CodeError::NotCode);
        }
        if stat.st_uid != self.extent.owner {
            return Err(CodeError::Foreign);
        }
        if stat.st_mode & WRITTEN != 0 {
            return Err(CodeError::Open("its code file".to_owned()));
        }
        if stat.st_nlink > 1 {
            return Err(CodeError::Open("its code file by a second name".to_owned()));
        }
        let Extent { offset, length, .. } = self.extent;
        let has = u64::try_from(stat.st_size).unwrap_or(0);
        let needs = offset.saturating_add(length);
        if has < needs {
            return Err(CodeError::Truncated { has, needs });
        }
        Ok(stamp(&stat))
    }

    /// Reads the code, and says whether it is what its label tells of.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        let Extent { mut offset, mut length, digest, .. } = self.extent;
        let mut hasher = Sha256::new();
        let mut piece = vec![0; PIECE];
        while length > 0 {
            let most = usize::try_from(length).unwrap_or(PIECE).min(PIECE);
            let Some(space) = piece.get_mut(..most) else { return false };
            match rustix::io::pread(&self.handle, &mut *space, offset) {
                Ok(0) => return false,
                Ok(read) => {
                    hasher.update(space.get(..read).unwrap_or_default());
                    offset = offset.saturating_add(read as u64);
                    length = length.saturating_sub(read as u64);
                }
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        Digest(hasher.finalize().into()) == digest
    }
}

#[allow(clippy::unnecessary_cast, reason = "the types of the fields differ between architectures")]
fn stamp(stat: &Stat) -> Stamp {
    Stamp {
        object: (stat.st_dev as u64, stat.st_ino as u64),
        size: u64::try_from(stat.st_size).unwrap_or(0),
        written: (stat.st_mtime as i64, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
    }
}

/// Reads what stands before the code, and tells where the code begins.
fn label(handle: &OwnedFd) -> Result<(Label, u64), CodeError> {
    let mut start = [0; MARK.len() + 4];
    if !read_at(handle, &mut start, 0)? || !start.starts_with(&MARK) {
        return Err(CodeError::NotCode);
    }
    let mut length = [0; 4];
    length.copy_from_slice(start.get(MARK.len()..).unwrap_or_default());
    let length = u32::from_le_bytes(length);
    if length > MAX_LABEL {
        return Err(CodeError::NotCode);
    }
    let mut text = vec![0; length as usize];
    if !read_at(handle, &mut text, start.len() as u64)? {
        let has = u64::try_from(rustix::fs::fstat(handle)?.st_size).unwrap_or(0);
        return Err(CodeError::Truncated { has, needs: offset(length) });
    }
    let label = serde_json::from_slice(&text).map_err(|_| CodeError::NotCode)?;
    Ok((label, offset(length)))
}

/// Fills the bytes from a place in the file; says whether it has as many.
fn read_at(handle: &OwnedFd, mut bytes: &mut [u8], mut offset: u64) -> Result<bool, Errno> {
    while !bytes.is_empty() {
        match rustix::io::pread(handle, &mut *bytes, offset) {
            Ok(0) => return Ok(false),
            Ok(read) => {
                bytes = bytes.get_mut(read..).unwrap_or_default();
                offset = offset.saturating_add(read as u64);
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(true)
}

/// A code file that the operator names.
#[derive(Debug)]
pub struct Named {
    /// What it says of itself; not to be believed where it cannot be used.
    pub label: Option<Label>,
    /// The code; otherwise why it is not run.
    pub code: Result<CodeFile, CodeError>,
}

/// Opens what the operator names, where it is a code file; none where it is something else, or cannot be read.
#[must_use]
pub fn open(path: &Path) -> Option<Named> {
    // Looked at first, because opening a device can already do something to it.
    let found = rustix::fs::stat(path).ok()?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return None;
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let handle = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    let mut start = [0; MARK.len()];
    if !read_at(&handle, &mut start, 0).ok()? || start != MARK {
        return None;
    }
    let label = label(&handle).ok().map(|(label, _)| label);
    Some(Named { label, code: usable(path, handle) })
}

fn usable(path: &Path, handle: OwnedFd) -> Result<CodeFile, CodeError> {
    let (label, file) = CodeFile::of(handle)?;
    folder_is_safe(path)?;
    label.fits()?;
    Ok(file)
}

/// Nobody but the caller and the system can put another file in the place of this one. Who could would choose what runs in
/// the next audit.
///
/// # Errors
/// The folder that somebody can write to.
pub fn folder_is_safe(path: &Path) -> Result<(), CodeError> {
    let absolute = std::path::absolute(path).map_err(|error| CodeError::System(error.to_string()))?;
    let folder: PathBuf = absolute.parent().unwrap_or(Path::new("/")).to_owned();
    private::open(&folder, Path::new(""), false, None)?;
    Ok(())
}

/// What the names of files begin with that are not finished.
pub(super) const UNFINISHED: &str = ".new-";

/// The owner may read and write.
pub(super) const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

/// The owner may write, and everybody may read.
const SHARED: Mode = PRIVATE.union(Mode::RGRP).union(Mode::ROTH);

const NEW: OFlags =
    OFlags::RDWR.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// How code is opened to be used.
pub(super) const READ: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// A name that nobody else uses.
pub(super) fn temporary() -> Result<String, Errno> {
    let mut bytes = [0; 8];
    random::fill(&mut bytes)?;
    Ok(format!("{UNFINISHED}{:016x}", u64::from_le_bytes(bytes)))
}

/// Makes a file with this code, and opens it for reading alone.
pub(super) fn make(
    folder: &OwnedFd,
    name: &str,
    mode: Mode,
    label: &Label,
    code: &[u8],
) -> Result<CodeFile, CodeError> {
    let written = rustix::fs::openat(folder, name, NEW, mode)?;
    label.write(&written, code)?;
    let handle = rustix::fs::openat(folder, name, READ, Mode::empty())?;
    let identity = |file: &OwnedFd| rustix::fs::fstat(file).map(|stat| Metadata::from(&stat).identity);
    if !identity(&written)?.is(identity(&handle)?) {
        return Err(CodeError::Open(format!("the temporary file {name}")));
    }
    Ok(CodeFile::of(handle)?.1)
}

/// Writes a code file where the operator says, in the place of what is there.
///
/// # Errors
/// What the system says.
pub fn write(path: &Path, label: &Label, code: &[u8]) -> Result<(), CodeError> {
    let name = path.file_name().ok_or(Errno::ISDIR)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder =
        rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let temporary = temporary()?;
    let made = make(&folder, &temporary, SHARED, label, code)
        .and_then(|_| Ok(rustix::fs::renameat(&folder, &temporary, &folder, name)?));
    if made.is_err() {
        let _ = rustix::fs::unlinkat(&folder, &temporary, AtFlags::empty());
    }
    made
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const MANIFEST: &str = "[policy]\nid = \"mine\"\nversion = \"1.0.0\"\nsummary = \"Mine\"\n[[check]]\nid = \"mine.one\"\n\
                            severity = \"warn\"\nsummary = \"One\"\n";

    fn label_of(code: &[u8], machine: &str, engine: &str) -> Label {
        let source = Source { manifest: MANIFEST, imports: &[], digest: Digest::of(b"component"), bytes: 9 };
        Label::new(&source, (machine, engine), code)
    }

    fn file(folder: &Path, label: &Label, code: &[u8]) -> PathBuf {
        let path = folder.join("mine.cwasm");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
        let handle = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR).unwrap();
        label.write(&handle, code).unwrap();
        path
    }

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn refused(path: &Path) -> String {
        open(path).unwrap().code.unwrap_err().to_string()
    }

    #[test]
    fn what_was_written_is_read() {
        let (folder, code) = (folder(), vec![7; 100_000]);
        let path = file(folder.path(), &label_of(&code, MACHINE, ENGINE), &code);
        let named = open(&path).unwrap();
        let file = named.code.unwrap();
        assert_eq!((file.extent().offset % ALIGNMENT, file.extent().length), (0, 100_000));
        assert!(file.is_intact());
        assert_eq!(named.label.unwrap().manifest().unwrap().policy.id, "mine");
    }

    #[test]
    fn a_file_that_is_not_whole_or_not_the_same_is_told() {
        let (folder, code) = (folder(), vec![7; 100_000]);
        let path = file(folder.path(), &label_of(&code, MACHINE, ENGINE), &code);
        let whole = fs::read(&path).unwrap();
        for length in [whole.len() - 1, 65_536, 100, 13] {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(
                refused(&path).starts_with("its code file is truncated, "),
                "{length}: {}",
                refused(&path)
            );
        }
        fs::write(&path, &whole[..7]).unwrap();
        assert!(open(&path).is_none(), "it is no code file any more");
        let mut other = whole.clone();
        other[70_000] ^= 1;
        fs::write(&path, &other).unwrap();
        assert!(!open(&path).unwrap().code.unwrap().is_intact());
    }

    #[test]
    fn code_of_another_machine_or_engine_is_told() {
        let folder = folder();
        let path = file(folder.path(), &label_of(b"code", "sparc-linux", ENGINE), b"code");
        assert!(refused(&path).starts_with(&format!("it is code for sparc-linux, and this is {MACHINE}; ")));
        let path = file(folder.path(), &label_of(b"code", MACHINE, "other"), b"code");
        assert!(refused(&path).contains(" for another engine than chitin "), "{}", refused(&path));
    }

    #[test]
    fn what_others_can_write_is_not_used() {
        let (folder, code) = (folder(), b"code");
        let path = file(folder.path(), &label_of(code, MACHINE, ENGINE), code);
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        mode(&path, 0o602);
        assert!(refused(&path).contains("others can change its code file; "), "{}", refused(&path));
        mode(&path, 0o600);
        mode(folder.path(), 0o777);
        let named = folder.path().display().to_string();
        assert!(refused(&path).contains(&format!("others can change {named}; ")), "{}", refused(&path));
        mode(folder.path(), 0o700);
        assert!(open(&path).unwrap().code.is_ok(), "the control");
        fs::hard_link(&path, folder.path().join("second")).unwrap();
        assert!(refused(&path).contains("by a second name"), "{}", refused(&path));
    }

    #[test]
    fn a_file_that_changes_after_it_was_opened_is_noticed() {
        let (folder, code) = (folder(), vec![7; 1000]);
        let path = file(folder.path(), &label_of(&code, MACHINE, ENGINE), &code);
        let opened = open(&path).unwrap().code.unwrap();
        // Another file in its place changes nothing: the handle is that of the one that was looked at.
        let before = opened.look().unwrap();
        fs::rename(&path, folder.path().join("old")).unwrap();
        fs::write(&path, "another").unwrap();
        assert_eq!(opened.look().unwrap(), before);
        assert!(opened.is_intact());
        // A change of the very file does.
        let old = folder.path().join("old");
        let whole = fs::read(&old).unwrap();
        fs::write(&old, &whole[..whole.len() - 1]).unwrap();
        assert!(matches!(opened.look(), Err(CodeError::Truncated { .. })));
        let mut other = whole;
        *other.last_mut().unwrap() ^= 1;
        fs::write(&old, other).unwrap();
        assert_ne!(opened.look().unwrap(), before);
        assert!(!opened.is_intact());
    }
}
