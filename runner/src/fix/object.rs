//! The only code that changes a target: the mode of one object, the content of one file. Both hold the object by a
//! handle that no symbolic link led to, and look at it again before they change it.

use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, Stat, StatxFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::guard::{self, Refusal};
use crate::target::attributes::{self, Attributes};
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

fn changed(what: &str) -> ChangeError {
    Refusal::Changed(what.to_owned()).into()
}

/// Tells an object from every other one, also from one that got its number later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Its file system.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// When it was made, in nanoseconds since the epoch; none where the file system does not keep that.
    pub birth: Option<i64>,
}

impl Mark {
    /// The same object.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let born_apart = self.birth.is_some() && other.birth.is_some() && self.birth != other.birth;
        (self.device, self.inode) == (other.device, other.inode) && !born_apart
    }
}

/// What is known of an object that is about to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Which object it is.
    pub mark: Mark,
    /// Its access list; none where the mode says it all.
    pub access: Option<Vec<u8>>,
}

/// Nanoseconds since the epoch; what does not fit stands at the end of time.
pub fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

#[allow(clippy::unnecessary_cast, clippy::cast_possible_wrap, reason = "the widths differ between platforms")]
fn change_time(stat: &Stat) -> i64 {
    nanoseconds(stat.st_ctime as i64, stat.st_ctime_nsec as i64)
}

/// When an object was made; none where the file system, or the kernel, does not tell.
fn birth(directory: impl AsFd, name: &OsStr, flags: AtFlags) -> Option<i64> {
    let found = rustix::fs::statx(directory, name, flags, StatxFlags::BTIME).ok()?;
    let told = found.stx_mask & StatxFlags::BTIME.bits() != 0;
    told.then(|| nanoseconds(found.stx_btime.tv_sec, i64::from(found.stx_btime.tv_nsec)))
}

/// The mark and the facts of an object that is held by its handle.
fn held(handle: &OwnedFd) -> Result<(Mark, Metadata, i64), ChangeError> {
    let stat = rustix::fs::fstat(handle).map_err(system("look at it"))?;
    let object = Metadata::from(&stat);
    let birth = birth(handle, OsStr::new(""), AtFlags::EMPTY_PATH);
    let mark = Mark { device: object.identity.device, inode: object.identity.inode, birth };
    Ok((mark, object, change_time(&stat)))
}

/// Directories that are held open: objects that lie together are reached through one handle, whatever becomes of the
/// path meanwhile.
#[derive(Default)]
pub struct Folders {
    /// The last one: objects come folder by folder.
    last: Option<(PathBuf, PathBuf, Rc<OwnedFd>)>,
}

impl Folders {
    /// The object at `rel` below `root`, or `root` itself.
    pub fn find(&mut self, root: &Path, rel: &Path) -> Result<Spot, ChangeError> {
        let parent = rel.parent();
        if let (Some((known, below, directory)), Some(parent), Some(name)) =
            (&self.last, parent, rel.file_name())
            && known == root
            && below == parent
        {
            return Ok(Spot { directory: Rc::clone(directory), name: name.to_owned() });
        }
        let spot = Spot::find(root, rel)?;
        if let Some(parent) = parent {
            self.last = Some((root.to_owned(), parent.to_owned(), Rc::clone(&spot.directory)));
        }
        Ok(spot)
    }
}

/// Which way a mode is changed.
#[derive(Clone, Copy)]
enum Way {
    /// Permissions are taken.
    Forth,
    /// What was taken is given back.
    Back {
        /// The change time that the object must have; none where its birth time tells it.
        since: Option<i64>,
    },
}

/// A name in a directory that is held open.
pub struct Spot {
    directory: Rc<OwnedFd>,
    name: OsString,
}

impl Spot {
    /// The object at `rel` below `root`, or `root` itself. Nothing on the way from `root` on is a link; where `root`
    /// lies is the operator's own choice, and it may be a link. Which object is meant is known from before.
    pub fn find(root: &Path, rel: &Path) -> Result<Self, ChangeError> {
        Self::reach(root, rel, OFlags::RDONLY)
    }

    /// The same to look at it only, which is possible where nothing can be opened.
    pub fn find_to_look(root: &Path, rel: &Path) -> Result<Self, ChangeError> {
        Self::reach(root, rel, OFlags::PATH)
    }

    fn reach(root: &Path, rel: &Path, how: OFlags) -> Result<Self, ChangeError> {
        let flags = OFlags::DIRECTORY | how | OFlags::CLOEXEC;
        let path = if rel.as_os_str().is_empty() { root } else { rel };
        let name = path.file_name().ok_or_else(|| Refusal::Unseen("it has no name".to_owned()))?.to_owned();
        let directory = if rel.as_os_str().is_empty() {
            let parent = root.parent().unwrap_or(Path::new("/"));
            rustix::fs::open(parent, flags, Mode::empty()).map_err(system("open the directory around it"))?
        } else {
            let root = rustix::fs::open(root, flags, Mode::empty())
                .map_err(system("open the directory that it lies in"))?;
            match rel.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                None => root,
                Some(parent) => open_beneath(&root, parent, flags).map_err(|error| match error {
                    LookError::ThroughLink => Refusal::ThroughLink,
                    other => Refusal::Unseen(other.to_string()),
                })?,
            }
        };
        Ok(Self { directory: Rc::new(directory), name })
    }

    /// Facts about the object, as they are now.
    pub fn look(&self) -> Result<Metadata, ChangeError> {
        self.look_at(&self.name)
    }

    fn look_at(&self, name: &OsStr) -> Result<Metadata, ChangeError> {
        let stat = rustix::fs::statat(&*self.directory, name, AtFlags::SYMLINK_NOFOLLOW);
        Ok(Metadata::from(&stat.map_err(system("look at it"))?))
    }

    /// Which object is there now.
    pub fn mark(&self) -> Result<Mark, ChangeError> {
        let identity = self.look()?.identity;
        let birth = birth(&*self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        Ok(Mark { device: identity.device, inode: identity.inode, birth })
    }

    /// What is to be written down of the object before its mode changes.
    pub fn known(&self, identity: Identity) -> Result<Known, ChangeError> {
        let handle = self.open_object()?;
        let (mark, object, _) = held(&handle)?;
        if !object.identity.is(identity) {
            return Err(changed("another object is there"));
        }
        let access = attributes::access(&handle).map_err(system("read its access list"))?;
        Ok(Known { mark, access })
    }

    /// Opens what is there, where that is a file or a directory: opening a device can already do something.
    fn open_object(&self) -> Result<OwnedFd, ChangeError> {
        match self.look()?.kind {
            Kind::File | Kind::Directory => self.open(&self.name),
            Kind::Symlink => Err(Refusal::Symlink.into()),
            Kind::Other => Err(Refusal::Kind.into()),
        }
    }

    fn open(&self, name: &OsStr) -> Result<OwnedFd, ChangeError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        rustix::fs::openat(&*self.directory, name, flags, Mode::empty()).map_err(system("open it"))
    }

    /// Gives the object a mode, where it is still as it is known. Gives the time of the change.
    pub fn set_mode(
        &self,
        known: &Known,
        before: u32,
        after: u32,
        step: Checkpoint<'_>,
    ) -> Result<i64, ChangeError> {
        self.change_mode(known, before, after, Way::Forth, step)
    }

    /// Gives the object back the mode that a fix took, and with it the access list that it had. `since` is when the fix
    /// changed it, for a file system that does not keep when objects were made.
    pub fn restore_mode(
        &self,
        known: &Known,
        (before, after): (u32, u32),
        since: Option<i64>,
        step: Checkpoint<'_>,
    ) -> Result<(), ChangeError> {
        let narrowed = known.access.as_deref().map(|list| attributes::access_with_mode(list, after));
        let narrowed = Known { mark: known.mark, access: narrowed };
        let expected = since.filter(|_| known.mark.birth.is_none());
        self.change_mode(&narrowed, after, before, Way::Back { since: expected }, step)?;
        let now = attributes::access(&self.open_object()?).map_err(system("read its access list"))?;
        if now == known.access { Ok(()) } else { Err(changed("its access list is not what it was")) }
    }

    fn change_mode(
        &self,
        known: &Known,
        before: u32,
        after: u32,
        way: Way,
        step: Checkpoint<'_>,
    ) -> Result<i64, ChangeError> {
        let caller = rustix::process::geteuid().as_raw();
        let check = |object: &Metadata| {
            if (object.identity.device, object.identity.inode) != (known.mark.device, known.mark.inode) {
                return Err(Refusal::Changed("another object is there".to_owned()));
            }
            match way {
                Way::Forth => guard::mode(object, caller, before, after),
                Way::Back { .. } if object.mode != before => {
                    Err(Refusal::Changed(format!("its mode is {:04o}, not {before:04o}", object.mode)))
                }
                // What comes back is what the guard had allowed to take.
                Way::Back { .. } => guard::mode(&Metadata { mode: after, ..*object }, caller, after, before),
            }
        };
        check(&self.look()?)?;
        reached(step, "open the object")?;
        let handle = self.open(&self.name)?;
        let (mark, object, when) = held(&handle)?;
        check(&object)?;
        let is_later = matches!(way, Way::Back { since: Some(expected) } if expected != when);
        if !mark.is(&known.mark) || is_later {
            return Err(changed("another object is there"));
        }
        if attributes::access(&handle).map_err(system("read its access list"))? != known.access {
            return Err(changed("its access list is another one"));
        }
        reached(step, "set the mode")?;
        rustix::fs::fchmod(&handle, Mode::from_raw_mode(after)).map_err(system("set the mode"))?;
        let stat = rustix::fs::fstat(&handle).map_err(system("look at it"))?;
        Ok(change_time(&stat))
    }

    /// The content of the file, if it is a regular one, of the caller, with one name.
    pub fn content(&self) -> Result<(Metadata, Vec<u8>), ChangeError> {
        self.content_at(&self.name).map(|old| (old.object, old.content))
    }

    fn content_at(&self, name: &OsStr) -> Result<Old, ChangeError> {
        let object = self.look_at(name)?;
        guard::file(&object, rustix::process::geteuid().as_raw())?;
        let handle = self.open(name)?;
        let opened = Metadata::from(&rustix::fs::fstat(&handle).map_err(system("look at it"))?);
        if !opened.identity.is(object.identity) || opened.kind != Kind::File {
            return Err(changed("another object is there"));
        }
        let attributes = attributes::read(&handle).map_err(system("read its attributes"))?;
        let mut content = Vec::new();
        #[expect(clippy::disallowed_types, reason = "a file that is to be edited, held by its handle")]
        let file = std::fs::File::from(handle);
        let read = file.take(crate::config::MAX_CONFIG_BYTES + 1).read_to_end(&mut content);
        read.map_err(|error| ChangeError::System { what: "read it", error })?;
        Ok(Old { object: opened, attributes, content })
    }

    /// Replaces the file by one with other content, in one step: whoever reads it sees the old or the new content,
    /// whole. The old one must be `before` until the very end. `temporary` is the name of the new file meanwhile.
    pub fn replace(&self, change: &mut Replacement<'_>, step: Checkpoint<'_>) -> Result<(), ChangeError> {
        let old = self.content_at(&self.name)?;
        if (old.object.identity.device, old.object.identity.inode) != (change.old.device, change.old.inode)
            || old.content != change.before
        {
            return Err(changed("the file was changed meanwhile"));
        }
        let ready = self.prepare(change, &old, step).and_then(|()| self.put_in_place(change, &old, step));
        match ready {
            Err(error) => {
                // So far the new file is ours alone.
                let _ = self.remove(change.temporary);
                return Err(error);
            }
            Ok(Placed::Over) => {}
            Ok(Placed::Exchanged) => self.remove_old(change, &old, step)?,
        }
        reached(step, "flush the directory")?;
        rustix::fs::fsync(&*self.directory).map_err(system("flush the directory to the disk"))
    }

    fn prepare(
        &self,
        change: &mut Replacement<'_>,
        old: &Old,
        step: Checkpoint<'_>,
    ) -> Result<(), ChangeError> {
        reached(step, "create the new file")?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let private = Mode::RUSR | Mode::WUSR;
        let handle = rustix::fs::openat(&*self.directory, change.temporary, flags, private)
            .map_err(system("create the new file beside it"))?;
        // First of all, while it is empty: it may have got a default access list from its folder.
        reached(step, "take from the new file what its folder gave it")?;
        attributes::strip(&handle, &old.attributes)
            .map_err(system("take from the new file what its folder gave it"))?;
        reached(step, "write the new file")?;
        #[expect(clippy::disallowed_types, reason = "the new file, held by its handle")]
        let mut file = std::fs::File::from(handle);
        file.write_all(change.after)
            .map_err(|error| ChangeError::System { what: "write the new file", error })?;
        let handle = OwnedFd::from(file);
        let (mark, new, _) = held(&handle)?;
        if new.gid != old.object.gid {
            reached(step, "set the group of the new file")?;
            let group = rustix::fs::Gid::from_raw(old.object.gid);
            rustix::fs::fchown(&handle, None, Some(group))
                .map_err(system("give the new file the group of the old"))?;
        }
        reached(step, "set the attributes of the new file")?;
        attributes::carry_over(&handle, &old.attributes)
            .map_err(system("give the new file the attributes of the old"))?;
        reached(step, "set the mode of the new file")?;
        rustix::fs::fchmod(&handle, Mode::from_raw_mode(change.mode))
            .map_err(system("set the mode of the new file"))?;
        is_alike(&handle, old, change.mode)?;
        reached(step, "flush the new file")?;
        rustix::fs::fsync(&handle).map_err(system("flush the new file to the disk"))?;
        (change.note)(mark).map_err(|error| ChangeError::System { what: "write down the new file", error })
    }

    fn put_in_place(
        &self,
        change: &Replacement<'_>,
        old: &Old,
        step: Checkpoint<'_>,
    ) -> Result<Placed, ChangeError> {
        reached(step, "put the new file in place")?;
        match self.rename(change.temporary, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(Placed::Exchanged),
            // A file system that cannot exchange names: the last look goes before the step, and is not part of it.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                if !self.is_still(&self.name, change, old) {
                    return Err(changed("the file was changed meanwhile"));
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
        old: &Old,
        step: Checkpoint<'_>,
    ) -> Result<(), ChangeError> {
        reached(step, "look at the old file")?;
        if self.is_still(change.temporary, change, old) {
            reached(step, "remove the old file")?;
            return self.remove(change.temporary).map_err(system("remove the old file"));
        }
        self.rename(change.temporary, RenameFlags::EXCHANGE).map_err(system("put the changed file back"))?;
        let _ = self.remove(change.temporary);
        Err(changed("the file was changed meanwhile"))
    }

    fn is_still(&self, name: &OsStr, change: &Replacement<'_>, old: &Old) -> bool {
        let found = self.content_at(name);
        found.is_ok_and(|found| {
            let now = Metadata { identity: old.object.identity, ..found.object };
            // Also its mode, group and access list: the new file was made like the old one was then.
            found.object.identity.is(old.object.identity)
                && found.content == change.before
                && now == old.object
                && found.attributes == old.attributes
        })
    }

    fn rename(&self, from: &OsStr, flags: RenameFlags) -> Result<(), Errno> {
        rustix::fs::renameat_with(&*self.directory, from, &*self.directory, &self.name, flags)
    }

    fn remove(&self, name: &OsStr) -> Result<(), Errno> {
        rustix::fs::unlinkat(&*self.directory, name, AtFlags::empty())
    }

    /// Removes what a killed run left beside the file, where it is what the run wrote.
    pub fn clean(&self, temporary: &OsStr, is_ours: impl Fn(&[u8]) -> bool) {
        if self.content_at(temporary).is_ok_and(|found| is_ours(&found.content)) {
            let _ = self.remove(temporary);
        }
    }
}

/// A file that is to be replaced.
struct Old {
    object: Metadata,
    attributes: Attributes,
    content: Vec<u8>,
}

/// Whether the new file lets in whom the old one would with this mode, and nobody else. What a file system ignores
/// silently is seen here.
fn is_alike(new: &OwnedFd, old: &Old, mode: u32) -> Result<(), ChangeError> {
    let (_, found, _) = held(new)?;
    let attributes = attributes::read(new).map_err(system("look at the new file"))?;
    let what = if found.uid != old.object.uid {
        "its owner"
    } else if found.gid != old.object.gid {
        "its group"
    } else if found.mode != mode {
        "its mode"
    } else if attributes != attributes::with_mode(&old.attributes, mode) {
        "its access list or an attribute"
    } else {
        return Ok(());
    };
    Err(Refusal::Attributes(what.to_owned()).into())
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
    /// The file that is to be replaced.
    pub old: Mark,
    /// The content that it must have.
    pub before: &'a [u8],
    /// The content that it gets.
    pub after: &'a [u8],
    /// The mode that it gets, 07777.
    pub mode: u32,
    /// The name of the new file before it is put in place.
    pub temporary: &'a OsStr,
    /// Writes down which file is about to be put in place.
    pub note: &'a mut dyn FnMut(Mark) -> std::io::Result<()>,
}

fn reached(step: Checkpoint<'_>, name: &'static str) -> Result<(), ChangeError> {
    step(name).map_err(|error| ChangeError::System { what: name, error })
}
