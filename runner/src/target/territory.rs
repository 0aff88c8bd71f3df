//! Territory: who named a place and whose it is decide whether its content may be read. Everything that opens what a target
//! names asks here; the table in `docs/sandbox.md` says it for each kind of place. What a fix may change is decided in
//! `fix/`, by the same owner.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::account;
use super::broker::{self, Want};
use super::read::{ReadError, check_regular, read_handle};
use super::snapshot::{Kind, LookError, Metadata, open_granted};
use super::sysroot;

/// Whose rights this process has, compared with the installation's owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Reader {
    /// The owner's own: what the kernel gives, the owner could read, too.
    Owner,
    /// Another account's. What it can read says nothing of what the owner could.
    Other,
}

/// Whose installation it is, and who looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Territory {
    owner: u32,
    reader: Reader,
    /// Another account looks at it, or did before it became the owner.
    anothers: bool,
}

/// A file's content, and which object it was read from.
#[derive(Debug)]
pub struct Content {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The object.
    pub object: Metadata,
}

impl Territory {
    /// The territory of an account as this process sees it.
    #[must_use]
    pub fn of(owner: u32) -> Self {
        let reader = if rustix::process::geteuid().as_raw() == owner { Reader::Owner } else { Reader::Other };
        Self { owner, reader, anothers: reader == Reader::Other }
    }

    /// The same, after this process gave up root's rights for those of the owner for good, where it had them.
    #[must_use]
    pub fn enter(owner: u32) -> Self {
        let anothers = Self::of(owner).anothers;
        // Where it stays what it is, content that is not the owner's is not read; see `may_read`.
        account::become_owner(owner);
        Self { anothers, ..Self::of(owner) }
    }

    /// The account that started this program is not the owner: what it gives of its own does not belong to the target.
    #[must_use]
    pub fn is_anothers(self) -> bool {
        self.anothers
    }

    /// The owner of the installation.
    #[must_use]
    pub fn owner(self) -> u32 {
        self.owner
    }

    /// Whose rights this process has.
    #[must_use]
    pub fn reader(self) -> Reader {
        self.reader
    }

    /// The content of an object that the target named may be read: its owner could read it himself. Another account knows
    /// that of the owner's own files only.
    #[must_use]
    pub fn may_read(self, object: &Metadata) -> bool {
        self.reader == Reader::Owner || object.uid == self.owner
    }

    /// The same as [`Self::read_beneath`] for a file whose words are followed, not only judged: it must belong to the owner,
    /// or to root.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read_own(self, folder: &Path, rel: &Path, cap: u64) -> Result<Content, ReadError> {
        let content = self.read_beneath(folder, rel, cap)?;
        let uid = content.object.uid;
        if uid == self.owner || uid == 0 {
            return Ok(content);
        }
        Err(ReadError::Foreign { path: folder.join(rel), uid, owner: self.owner })
    }

    /// Reads a regular file below a folder, through no link from there on. The folder itself may be one: it is the
    /// operator's choice, or was opened before.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read_beneath(self, folder: &Path, rel: &Path, cap: u64) -> Result<Content, ReadError> {
        let path = folder.join(rel);
        let handle = sysroot::open(folder, OFlags::DIRECTORY | OFlags::PATH)
            .map_err(|errno| ReadError::from_errno(&path, errno))?;
        self.read_unlinked((&handle, folder), rel, &path, cap)
    }

    /// Reads a regular file that is no link itself. The way to it may have links.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read_file(self, path: &Path, cap: u64) -> Result<Content, ReadError> {
        match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) => self.read_beneath(folder, Path::new(name), cap),
            _ => Err(ReadError::NotFound(path.to_owned())),
        }
    }

    /// Reads a regular file that may be a link, as the config may: it is opened once, and what was opened is what is
    /// judged.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read_linked(self, path: &Path, cap: u64) -> Result<Content, ReadError> {
        let handle = sysroot::open(path, OFlags::PATH).map_err(|errno| ReadError::from_errno(path, errno))?;
        let found = self.check(&handle, path, cap)?;
        let open = || sysroot::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY);
        let opened = broker::open(path, Path::new(""), Want::Linked, open)
            .map_err(|errno| ReadError::from_errno(path, errno))?;
        Self::content(opened, &found, path, cap)
    }

    fn read_unlinked(
        self,
        (folder, base): (&OwnedFd, &Path),
        rel: &Path,
        path: &Path,
        cap: u64,
    ) -> Result<Content, ReadError> {
        let open = |flags| {
            open_granted((folder, base), rel, Want::File, flags).map_err(|error| match error {
                LookError::ThroughLink => ReadError::Link(path.to_owned()),
                LookError::NotFound => ReadError::NotFound(path.to_owned()),
                LookError::Denied => ReadError::Denied(path.to_owned()),
                other => {
                    ReadError::Io { path: path.to_owned(), source: std::io::Error::other(other.to_string()) }
                }
            })
        };
        let handle = open(OFlags::PATH)?;
        if facts(&handle, path)?.kind == Kind::Symlink {
            return Err(ReadError::Link(path.to_owned()));
        }
        let found = self.check(&handle, path, cap)?;
        Self::content(open(OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?, &found, path, cap)
    }

    /// Looks at an object before it is opened for reading: to open a device can already do something to it.
    fn check(self, handle: &OwnedFd, path: &Path, cap: u64) -> Result<Metadata, ReadError> {
        let stat = rustix::fs::fstat(handle).map_err(|errno| ReadError::from_errno(path, errno))?;
        let found = Metadata::from(&stat);
        check_regular(path, &stat, cap)?;
        if self.may_read(&found) {
            return Ok(found);
        }
        Err(ReadError::Foreign { path: path.to_owned(), uid: found.uid, owner: self.owner })
    }

    /// Reads what was opened, where it is what was found.
    fn content(opened: OwnedFd, found: &Metadata, path: &Path, cap: u64) -> Result<Content, ReadError> {
        let object = facts(&opened, path)?;
        if !object.identity.is(found.identity) {
            return Err(ReadError::Changed(path.to_owned()));
        }
        Ok(Content { bytes: read_handle(opened, path, cap)?, object })
    }
}

fn facts(handle: &OwnedFd, path: &Path) -> Result<Metadata, ReadError> {
    let stat = rustix::fs::fstat(handle).map_err(|errno| ReadError::from_errno(path, errno))?;
    Ok(Metadata::from(&stat))
}

/// The owner of an installation: of the state directory, and where there is none of the config. A link on the way that
/// neither root nor the caller made belongs to the account whose installation is meant, wherever it leads.
#[must_use]
pub fn owner_of(state_dir: &Path, config: &Path, config_alone: bool) -> u32 {
    let caller = rustix::process::geteuid().as_raw();
    let of = |path: &Path| {
        let made = path.ancestors().filter_map(|path| sysroot::lstat(path).ok());
        let mut links = made.map(|stat| Metadata::from(&stat)).filter(|object| object.kind == Kind::Symlink);
        let foreign = links.find(|link| link.uid != 0 && link.uid != caller);
        foreign.map(|link| link.uid).or_else(|| sysroot::stat(path).ok().map(|stat| stat.st_uid))
    };
    let own = if config_alone { None } else { of(state_dir) };
    own.or_else(|| of(config)).unwrap_or(caller)
}
