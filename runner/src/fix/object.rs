//! The only code that changes a target: the mode of one object, the content of one file. Both hold the object by a
//! handle that no symbolic link led to, and look at it again before they change it.

use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::guard::{self, Refusal};
use crate::target::snapshot::{Identity, Kind, LookError, Metadata, open_beneath};

/// Called before each step that the system carries out, with its name. Tests let it fail or kill the process there.
pub type Checkpoint<'c> = &'c mut dyn FnMut(&'static str) -> std::io::Result<()>;

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The guard says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The system says no.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        error: std::io::Error,
    },
}

fn system(what: &'static str) -> impl FnOnce(Errno) -> ChangeError {
    move |errno| ChangeError::System { what, error: errno.into() }
}

/// A name in a directory that is held open.
pub struct Spot {
    directory: OwnedFd,
    name: OsString,
}

impl Spot {
    /// The object at `rel` below `root`, or `root` itself. Nothing on the way from `root` on is a link; where `root`
    /// lies is the operator's own choice.
    pub fn find(root: &Path, rel: &Path) -> Result<Self, ChangeError> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let path = if rel.as_os_str().is_empty() { root } else { rel };
        let name = path.file_name().ok_or_else(|| Refusal::Unseen("it has no name".to_owned()))?.to_owned();
        let directory = if rel.as_os_str().is_empty() {
            let parent = root.parent().unwrap_or(Path::new("/"));
            rustix::fs::open(parent, flags, Mode::empty()).map_err(system("open the directory around it"))?
        } else {
            let root = rustix::fs::open(root, flags | OFlags::NOFOLLOW, Mode::empty())
                .map_err(system("open the directory of the view"))?;
            match rel.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                None => root,
                Some(parent) => open_beneath(&root, parent, flags).map_err(|error| match error {
                    LookError::ThroughLink => Refusal::ThroughLink,
                    other => Refusal::Unseen(other.to_string()),
                })?,
            }
        };
        Ok(Self { directory, name })
    }

    /// Facts about the object, as they are now.
    pub fn look(&self) -> Result<Metadata, ChangeError> {
        self.look_at(&self.name)
    }

    fn look_at(&self, name: &OsStr) -> Result<Metadata, ChangeError> {
        let stat = rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW);
        Ok(Metadata::from(&stat.map_err(system("look at it"))?))
    }

    fn open(&self, name: &OsStr) -> Result<OwnedFd, ChangeError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        rustix::fs::openat(&self.directory, name, flags, Mode::empty()).map_err(system("open it"))
    }

    /// Gives the object a mode, where it is still the one that was planned for.
    pub fn set_mode(
        &self,
        identity: Identity,
        before: u32,
        after: u32,
        step: Checkpoint<'_>,
    ) -> Result<(), ChangeError> {
        self.change_mode(identity, before, after, step, true)
    }

    /// Gives the object back the mode that a fix took.
    pub fn restore_mode(
        &self,
        identity: Identity,
        before: u32,
        after: u32,
        step: Checkpoint<'_>,
    ) -> Result<(), ChangeError> {
        self.change_mode(identity, before, after, step, false)
    }

    fn change_mode(
        &self,
        identity: Identity,
        before: u32,
        after: u32,
        step: Checkpoint<'_>,
        guarded: bool,
    ) -> Result<(), ChangeError> {
        let check = |object: &Metadata| {
            if guarded {
                guard::mode(object, rustix::process::geteuid().as_raw(), before, after)?;
            } else if object.mode != before {
                return Err(Refusal::Changed(format!("its mode is {:04o}, not {before:04o}", object.mode)));
            }
            if object.identity.is(identity) {
                Ok(())
            } else {
                Err(Refusal::Changed("another object is there".to_owned()))
            }
        };
        check(&self.look()?)?;
        reached(step, "open the object")?;
        let handle = self.open(&self.name)?;
        let stat = rustix::fs::fstat(&handle).map_err(system("look at it"))?;
        check(&Metadata::from(&stat))?;
        reached(step, "set the mode")?;
        rustix::fs::fchmod(&handle, Mode::from_raw_mode(after)).map_err(system("set the mode"))
    }

    /// The content of the file, if it is a regular one, of the caller, with one name.
    pub fn content(&self) -> Result<(Metadata, Vec<u8>), ChangeError> {
        self.content_at(&self.name)
    }

    fn content_at(&self, name: &OsStr) -> Result<(Metadata, Vec<u8>), ChangeError> {
        let object = self.look_at(name)?;
        guard::file(&object, rustix::process::geteuid().as_raw())?;
        let handle = self.open(name)?;
        let opened = Metadata::from(&rustix::fs::fstat(&handle).map_err(system("look at it"))?);
        if !opened.identity.is(object.identity) || opened.kind != Kind::File {
            return Err(Refusal::Changed("another object is there".to_owned()).into());
        }
        let mut bytes = Vec::new();
        #[expect(clippy::disallowed_types, reason = "a file that is to be edited, held by its handle")]
        let file = std::fs::File::from(handle);
        let read = file.take(crate::config::MAX_CONFIG_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(|error| ChangeError::System { what: "read it", error })?;
        Ok((opened, bytes))
    }

    /// Replaces the file by one with other content, in one step: whoever reads it sees the old or the new content,
    /// whole. The old one must be `before` until the very end. `temporary` is the name of the new file meanwhile.
    pub fn replace(&self, change: &Replacement<'_>, step: Checkpoint<'_>) -> Result<(), ChangeError> {
        let (object, found) = self.content()?;
        if found != change.before {
            return Err(Refusal::Changed("the file was changed meanwhile".to_owned()).into());
        }
        let ready =
            self.prepare(change, &object, step).and_then(|()| self.put_in_place(change, &object, step));
        match ready {
            Err(error) => {
                // So far the new file is ours alone.
                let _ = self.remove(change.temporary);
                return Err(error);
            }
            Ok(Placed::Over) => {}
            Ok(Placed::Exchanged) => self.remove_old(change, &object, step)?,
        }
        reached(step, "flush the directory")?;
        rustix::fs::fsync(&self.directory).map_err(system("flush the directory to the disk"))
    }

    fn prepare(
        &self,
        change: &Replacement<'_>,
        object: &Metadata,
        step: Checkpoint<'_>,
    ) -> Result<(), ChangeError> {
        reached(step, "create the new file")?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let private = Mode::RUSR | Mode::WUSR;
        let handle = rustix::fs::openat(&self.directory, change.temporary, flags, private)
            .map_err(system("create the new file beside it"))?;
        reached(step, "write the new file")?;
        #[expect(clippy::disallowed_types, reason = "the new file, held by its handle")]
        let mut file = std::fs::File::from(handle);
        file.write_all(change.after)
            .map_err(|error| ChangeError::System { what: "write the new file", error })?;
        let new = Metadata::from(&rustix::fs::fstat(&file).map_err(system("look at the new file"))?);
        if new.gid != object.gid {
            reached(step, "set the group of the new file")?;
            let group = rustix::fs::Gid::from_raw(object.gid);
            rustix::fs::fchown(&file, None, Some(group))
                .map_err(system("give the new file the group of the old"))?;
        }
        reached(step, "set the mode of the new file")?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(change.mode))
            .map_err(system("set the mode of the new file"))?;
        reached(step, "flush the new file")?;
        rustix::fs::fsync(&file).map_err(system("flush the new file to the disk"))
    }

    fn put_in_place(
        &self,
        change: &Replacement<'_>,
        object: &Metadata,
        step: Checkpoint<'_>,
    ) -> Result<Placed, ChangeError> {
        reached(step, "put the new file in place")?;
        match self.rename(change.temporary, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(Placed::Exchanged),
            // A file system that cannot exchange names: the last look goes before the step, and is not part of it.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                if !self.is_still(&self.name, change, object) {
                    return Err(Refusal::Changed("the file was changed meanwhile".to_owned()).into());
                }
                self.rename(change.temporary, RenameFlags::empty())
                    .map_err(system("put the new file in place"))?;
                Ok(Placed::Over)
            }
            Err(errno) => Err(system("put the new file in place")(errno)),
        }
    }

    /// Removes the old file, or puts it back where it was not the expected one after all.
    fn remove_old(
        &self,
        change: &Replacement<'_>,
        object: &Metadata,
        step: Checkpoint<'_>,
    ) -> Result<(), ChangeError> {
        reached(step, "look at the old file")?;
        if self.is_still(change.temporary, change, object) {
            reached(step, "remove the old file")?;
            return self.remove(change.temporary).map_err(system("remove the old file"));
        }
        self.rename(change.temporary, RenameFlags::EXCHANGE).map_err(system("put the changed file back"))?;
        let _ = self.remove(change.temporary);
        Err(Refusal::Changed("the file was changed meanwhile".to_owned()).into())
    }

    fn is_still(&self, name: &OsStr, change: &Replacement<'_>, object: &Metadata) -> bool {
        let found = self.content_at(name);
        found.is_ok_and(|(now, found)| now.identity.is(object.identity) && found == change.before)
    }

    fn rename(&self, from: &OsStr, flags: RenameFlags) -> Result<(), Errno> {
        rustix::fs::renameat_with(&self.directory, from, &self.directory, &self.name, flags)
    }

    fn remove(&self, name: &OsStr) -> Result<(), Errno> {
        rustix::fs::unlinkat(&self.directory, name, AtFlags::empty())
    }

    /// Removes what a killed run left beside the file, where it is what the run wrote.
    pub fn clean(&self, temporary: &OsStr, is_ours: impl Fn(&[u8]) -> bool) {
        if self.content_at(temporary).is_ok_and(|(_, found)| is_ours(&found)) {
            let _ = self.remove(temporary);
        }
    }
}

/// How a new file came into place.
enum Placed {
    /// The old one has the temporary name now.
    Exchanged,
    /// The old one is gone.
    Over,
}

/// New content for a file.
pub struct Replacement<'a> {
    /// The content that it must have.
    pub before: &'a [u8],
    /// The content that it gets.
    pub after: &'a [u8],
    /// The mode that it gets, 07777.
    pub mode: u32,
    /// The name of the new file before it is put in place.
    pub temporary: &'a OsStr,
}

fn reached(step: Checkpoint<'_>, name: &'static str) -> Result<(), ChangeError> {
    step(name).map_err(|error| ChangeError::System { what: name, error })
}
