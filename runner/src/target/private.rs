//! Directories that nobody else can put anything into, on the whole way to them: who could, could swap the journal,
//! or the code of policies.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::attributes;
use super::snapshot::{Identity, Kind, Metadata};

/// Links that are followed on a way, as Linux does.
const MAX_LINKS: usize = 40;
/// Group and others may write.
const WRITTEN: u32 = 0o022;
/// In such a directory only the owner of an entry can rename it.
const STICKY: u32 = 0o1000;
const PATH: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const OPEN: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Why a directory is not used.
#[derive(Debug)]
pub enum Unfit {
    /// Others could change what is in it, or what leads to it.
    Open(PathBuf),
    /// It lies in the target.
    InTarget,
    /// There is none.
    Missing,
    /// The system says no.
    System(Errno),
}

impl From<Errno> for Unfit {
    fn from(errno: Errno) -> Self {
        if errno == Errno::NOENT { Self::Missing } else { Self::System(errno) }
    }
}

/// Opens `base`, and `own` below it, of which each is the caller's alone and no link. On the way to `base` links may
/// stand; nobody but the caller and the system can change one. `target` is not entered. Missing directories are made
/// where `make` is set, for the caller alone.
pub fn open(base: &Path, own: &Path, make: bool, target: Option<Identity>) -> Result<OwnedFd, Unfit> {
    let mut way = Way { here: PathBuf::from("/"), make, target, links: 0 };
    let mut directory = rustix::fs::open("/", PATH, Mode::empty())?;
    way.check(&directory)?;
    let mut names: VecDeque<OsString> = names(base);
    while let Some(name) = names.pop_front() {
        directory = way.step(directory, &name, &mut names)?;
    }
    for name in self::names(own) {
        way.here.push(&name);
        let next = match rustix::fs::openat(&directory, &name, OPEN, Mode::empty()) {
            Err(Errno::NOENT) if make => {
                make_directory(&directory, &name)?;
                rustix::fs::openat(&directory, &name, OPEN, Mode::empty())
            }
            Err(Errno::LOOP | Errno::NOTDIR) => return Err(Unfit::Open(way.here)),
            other => other,
        };
        directory = next?;
        let object = Metadata::from(&rustix::fs::fstat(&directory)?);
        if !is_ours(&object, Kind::Directory) {
            return Err(Unfit::Open(way.here));
        }
        way.avoid(&object)?;
    }
    Ok(directory)
}

/// The object is the caller's, of this kind, and nobody else can write to it.
#[must_use]
pub fn is_ours(object: &Metadata, kind: Kind) -> bool {
    let one_name = kind == Kind::Directory || object.links == 1;
    object.kind == kind && object.uid == caller() && object.mode & WRITTEN == 0 && one_name
}

fn caller() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn names(path: &Path) -> VecDeque<OsString> {
    let name = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    };
    path.components().filter_map(name).collect()
}

fn make_directory(directory: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    match rustix::fs::mkdirat(directory, name, Mode::RWXU) {
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

struct Way {
    /// How the present directory is called.
    here: PathBuf,
    make: bool,
    target: Option<Identity>,
    links: usize,
}

impl Way {
    fn step(
        &mut self,
        directory: OwnedFd,
        name: &OsStr,
        names: &mut VecDeque<OsString>,
    ) -> Result<OwnedFd, Unfit> {
        let found = match rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) if self.make => {
                make_directory(&directory, name)?;
                rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)
            }
            other => other,
        };
        let found = Metadata::from(&found?);
        if found.kind == Kind::Symlink {
            self.links += 1;
            if self.links > MAX_LINKS {
                return Err(Unfit::System(Errno::LOOP));
            }
            if !is_trusted(found.uid) {
                return Err(Unfit::Open(self.here.join(name)));
            }
            let text = rustix::fs::readlinkat(&directory, name, Vec::new())?;
            let text = Path::new(OsStr::from_bytes(text.to_bytes()));
            for name in self::names(text).into_iter().rev() {
                names.push_front(name);
            }
            if !text.is_absolute() {
                return Ok(directory);
            }
            self.here = PathBuf::from("/");
            return Ok(rustix::fs::open("/", PATH, Mode::empty())?);
        }
        if name == ".." {
            self.here.pop();
        } else {
            self.here.push(name);
        }
        let next = rustix::fs::openat(&directory, name, PATH | OFlags::NOFOLLOW, Mode::empty())?;
        self.check(&next)?;
        Ok(next)
    }

    /// Nobody but the caller and the system can rename what is in this directory.
    fn check(&self, directory: &OwnedFd) -> Result<(), Unfit> {
        let object = Metadata::from(&rustix::fs::fstat(directory)?);
        self.avoid(&object)?;
        // Who owns the top owns the machine, whatever number that is inside of a container.
        let owned = is_trusted(object.uid) || self.here == Path::new("/");
        let written = object.mode & WRITTEN != 0 && object.mode & STICKY == 0;
        if owned && (!written || is_private_group(directory, &object)) {
            Ok(())
        } else {
            Err(Unfit::Open(self.here.clone()))
        }
    }

    fn avoid(&self, object: &Metadata) -> Result<(), Unfit> {
        let inside = self.target.is_some_and(|target| target.is(object.identity));
        if inside { Err(Unfit::InTarget) } else { Ok(()) }
    }
}

fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == caller()
}

/// The group that may write is the caller's own, named like the account, as many systems make one for each: with their
/// file mode mask 002 every new directory is open to it.
fn is_private_group(directory: &OwnedFd, object: &Metadata) -> bool {
    is_own_groups(object)
        && rustix::fs::openat(directory, ".", OPEN, Mode::empty())
            .is_ok_and(|open| attributes::access(&open) == Ok(None))
}

/// The same of a file or directory by its path, with links followed.
#[must_use]
pub fn is_private_group_at(path: &Path) -> bool {
    let open = rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
    open.is_ok_and(|open| {
        let object = rustix::fs::fstat(&open).map(|stat| Metadata::from(&stat));
        object.is_ok_and(|object| is_own_groups(&object)) && attributes::access(&open) == Ok(None)
    })
}

fn is_own_groups(object: &Metadata) -> bool {
    object.mode & 0o002 == 0 && caller() != 0 && object.gid == caller() && object.uid == caller()
}
