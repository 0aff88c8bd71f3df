//! Where the absolute paths of a target begin: at this machine's root, or at the folder that `--root` names, such as an unpacked image
//! or a mounted disk. It is what `chroot` does, without asking for a right: each path that a target names, or that stands in
//! one of its links, is gone below the folder, and `..` stays in it. All that looks at a place of the target asks here; the
//! operator's own files (settings, baselines, policies, outputs) never do.

use std::collections::VecDeque;
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::snapshot::{LookError, open_beneath};

/// Links that are followed on one way, as in Linux.
const MAX_LINKS: usize = 40;

/// For looking at an object, and not through it.
const LOOK: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The folder that `--root` names. As with `chroot`, a process has one at most, and keeps it.
static SYSROOT: OnceLock<Sysroot> = OnceLock::new();

/// A folder at which absolute paths begin.
pub(super) struct Sysroot(OwnedFd);

/// From here on this process looks for all places of the target below this folder.
pub fn enter(folder: OwnedFd) {
    // Whoever comes second names the same folder.
    let _ = SYSROOT.set(Sysroot(folder));
}

/// The folder; none where the target's paths are this machine's.
#[must_use]
pub fn entered() -> Option<BorrowedFd<'static>> {
    SYSROOT.get().map(|root| root.0.as_fd())
}

/// Opens what the target calls by this absolute path.
///
/// # Errors
/// What the system says.
pub fn open(path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    match SYSROOT.get() {
        Some(root) => root.open(path, flags),
        None => rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty()),
    }
}

/// What lies there, links followed.
///
/// # Errors
/// What the system says.
pub fn stat(path: &Path) -> Result<Stat, Errno> {
    match SYSROOT.get() {
        Some(root) => rustix::fs::fstat(root.open(path, OFlags::PATH)?),
        None => rustix::fs::stat(path),
    }
}

/// What lies there; of a link, the link itself.
///
/// # Errors
/// What the system says.
pub fn lstat(path: &Path) -> Result<Stat, Errno> {
    match SYSROOT.get() {
        Some(root) => rustix::fs::fstat(root.open(path, LOOK)?),
        None => rustix::fs::lstat(path),
    }
}

/// The text of a link.
///
/// # Errors
/// What the system says: `INVAL` for what is no link.
pub(super) fn read_link(path: &Path) -> Result<CString, Errno> {
    match SYSROOT.get() {
        Some(root) => {
            let link = root.open(path, LOOK)?;
            // By a handle, the kernel says of what is no link that nothing is there.
            if is_link(&link)? { rustix::fs::readlinkat(link, "", Vec::new()) } else { Err(Errno::INVAL) }
        }
        None => rustix::fs::readlink(path, Vec::new()),
    }
}

/// Something lies there, links followed. What cannot be looked at does not exist.
#[must_use]
pub fn exists(path: &Path) -> bool {
    stat(path).is_ok()
}

/// A regular file lies there, links followed.
#[must_use]
pub fn is_file(path: &Path) -> bool {
    stat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

/// The same as [`super::real_path`] below the folder; none where there is no such folder.
pub(super) fn real_path(path: &Path) -> Option<Result<(OwnedFd, PathBuf), Errno>> {
    Some(SYSROOT.get()?.walk(path, OFlags::PATH))
}

impl Sysroot {
    /// This machine's root.
    pub(super) fn of_machine() -> Result<Self, Errno> {
        Ok(Self(rustix::fs::openat(CWD, "/", LOOK, Mode::empty())?))
    }

    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        Ok(self.walk(path, flags)?.0)
    }

    /// Goes the way name by name, and says by which path without links it came there. Each name costs one look, however long the way
    /// is. A link is text, also one of `/proc`, which the kernel would follow wherever it leads.
    pub(super) fn walk(&self, path: &Path, flags: OFlags) -> Result<(OwnedFd, PathBuf), Errno> {
        let flags = flags | OFlags::CLOEXEC;
        let mut real = PathBuf::from("/");
        let mut here = self.at(&real)?;
        let mut left: VecDeque<OsString> = names(path).collect();
        let mut links = 0;
        while let Some(name) = left.pop_front() {
            if name == ".." {
                if FileType::from_raw_mode(rustix::fs::fstat(&here)?.st_mode) != FileType::Directory {
                    return Err(Errno::NOTDIR);
                }
                // From the top, and not upwards: a folder that is moved away meanwhile leads nowhere else.
                real.pop();
                here = self.at(&real)?;
                continue;
            }
            let next = rustix::fs::openat(&here, &name, LOOK, Mode::empty())?;
            let is_last = left.is_empty();
            if is_link(&next)? && !(is_last && flags.contains(OFlags::NOFOLLOW)) {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::LOOP);
                }
                let text = rustix::fs::readlinkat(&next, "", Vec::new())?;
                let text = Path::new(OsStr::from_bytes(text.to_bytes()));
                if text.is_absolute() {
                    real = PathBuf::from("/");
                    here = self.at(&real)?;
                }
                for name in names(text).collect::<Vec<_>>().into_iter().rev() {
                    left.push_front(name);
                }
                continue;
            }
            if is_last {
                real.push(&name);
                return Ok((
                    rustix::fs::openat(&here, &name, flags | OFlags::NOFOLLOW, Mode::empty())?,
                    real,
                ));
            }
            real.push(name);
            here = next;
        }
        Ok((rustix::fs::openat(&here, ".", flags, Mode::empty())?, real))
    }

    /// A folder by its path without links.
    fn at(&self, real: &Path) -> Result<OwnedFd, Errno> {
        let below = real.strip_prefix("/").ok().filter(|below| !below.as_os_str().is_empty());
        open_beneath(&self.0, below.unwrap_or(Path::new(".")), OFlags::PATH).map_err(|error| match error {
            LookError::Denied => Errno::ACCESS,
            _ => Errno::NOENT,
        })
    }
}

fn is_link(handle: &OwnedFd) -> Result<bool, Errno> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(handle)?.st_mode) == FileType::Symlink)
}

/// The names of a path, `..` among them.
fn names(path: &Path) -> impl Iterator<Item = OsString> + use<'_> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn of(folder: &Path) -> Sysroot {
        Sysroot(rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap())
    }

    #[test]
    fn every_way_stays_below_the_folder() {
        let keep = tempfile::tempdir().unwrap();
        let top = keep.path().canonicalize().unwrap();
        std::fs::write(top.join("canary"), "").unwrap();
        std::fs::create_dir_all(top.join("image/a/b")).unwrap();
        std::fs::write(top.join("image/a/file"), "").unwrap();
        std::fs::write(top.join("image/canary"), "").unwrap();
        let outside = top.join("canary");
        for (text, name) in [
            (Path::new("/a/file"), "absolute"),
            (Path::new("../../../../canary"), "a/b/up"),
            (&*outside, "out"),
            (Path::new("/proc/self/root"), "magic"),
            (Path::new("/a/b/circle"), "a/b/circle"),
            (Path::new("/a"), "folder"),
        ] {
            symlink(text, top.join("image").join(name)).unwrap();
        }
        let root = of(&top.join("image"));
        let end = |path: &str| root.walk(Path::new(path), OFlags::PATH).map(|(_, real)| real);
        for (path, real) in [
            ("/", "/"),
            ("/..", "/"),
            ("/../../a/./file", "/a/file"),
            ("/absolute", "/a/file"),
            ("/a/b/up", "/canary"),
            ("/a/b/up/", "/canary"),
            ("/folder/b/..", "/a"),
            ("/folder/b/../../absolute", "/a/file"),
        ] {
            assert_eq!(end(path), Ok(PathBuf::from(real)), "{path}");
        }
        for (path, errno) in [
            ("/out", Errno::NOENT),
            ("/magic", Errno::NOENT),
            ("/a/b/circle", Errno::LOOP),
            ("/a/file/..", Errno::NOTDIR),
            ("/a/file/x", Errno::NOTDIR),
        ] {
            assert_eq!(end(path), Err(errno), "{path}");
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW;
        assert_eq!(root.open(Path::new("/absolute"), flags).unwrap_err(), Errno::LOOP);
        assert!(root.open(Path::new("/folder/file"), flags).is_ok());
        let same = |handle: &OwnedFd, path: &Path| {
            use std::os::unix::fs::MetadataExt as _;
            rustix::fs::fstat(handle).unwrap().st_ino == path.metadata().unwrap().ino()
        };
        // The one in the image, and not the one beside it.
        assert!(same(&root.open(Path::new("/a/b/up"), OFlags::RDONLY).unwrap(), &top.join("image/canary")));
    }

    #[test]
    fn links_of_proc_are_text() {
        let root = of(Path::new("/proc/self"));
        let open = |path: &str| root.open(Path::new(path), OFlags::PATH);
        assert_eq!(
            open("/root/etc").unwrap_err(),
            Errno::NOENT,
            "the kernel would go to this machine's root"
        );
        assert_eq!(open("/cwd").unwrap_err(), Errno::NOENT);
    }
}
