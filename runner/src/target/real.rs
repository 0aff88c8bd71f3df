//! Where a path leads when all links on it are followed. The kernel goes the way once; `realpath` of the C library asks
//! anew for each name on it, which a target with links through deep folders makes take many seconds.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

/// Links that are followed on one way, as in Linux.
const MAX_LINKS: usize = 40;

/// What the kernel writes behind the path of what is gone.
const GONE: &[u8] = b" (deleted)";

/// The path of what `path` leads to, without any link on it.
///
/// # Errors
/// What the operating system says.
pub fn real_path(path: &Path) -> rustix::io::Result<PathBuf> {
    let handle = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    real_path_of(&handle, path)
}

/// The same for what was opened already by this path.
pub(super) fn real_path_of(handle: impl AsFd, path: &Path) -> rustix::io::Result<PathBuf> {
    let known = rustix::fs::readlink(format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd()), Vec::new());
    match known.map(std::ffi::CString::into_bytes) {
        Ok(text) if text.starts_with(b"/") && !text.ends_with(GONE) => Ok(OsString::from_vec(text).into()),
        // No /proc, or a name that cannot be told from one that is gone.
        _ => step_by_step(path),
    }
}

/// Goes the way name by name. Each costs one look, however long the way is.
fn step_by_step(path: &Path) -> rustix::io::Result<PathBuf> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = |base: &OwnedFd, name: &OsStr| rustix::fs::openat(base, name, flags, Mode::empty());
    let root = || rustix::fs::openat(CWD, "/", flags, Mode::empty());
    let mut real = PathBuf::from("/");
    let mut here = root()?;
    let mut left: VecDeque<OsString> = names(path).collect();
    if path.is_relative() {
        let cwd =
            std::env::current_dir().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        left = names(&cwd).chain(left).collect();
    }
    let mut links = 0;
    while let Some(name) = left.pop_front() {
        let next = open(&here, &name)?;
        if FileType::from_raw_mode(rustix::fs::fstat(&next)?.st_mode) == FileType::Symlink {
            links += 1;
            if links > MAX_LINKS {
                return Err(Errno::LOOP);
            }
            let text = rustix::fs::readlinkat(&next, "", Vec::new())?;
            let text = Path::new(OsStr::from_bytes(text.to_bytes()));
            if text.is_absolute() {
                (here, real) = (root()?, PathBuf::from("/"));
            }
            for name in names(text).collect::<Vec<_>>().into_iter().rev() {
                left.push_front(name);
            }
            continue;
        }
        if name == ".." {
            real.pop();
        } else {
            real.push(name);
        }
        here = next;
    }
    Ok(real)
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

    #[test]
    fn both_ways_agree_with_the_c_library() {
        let keep = tempfile::tempdir().unwrap();
        let home = keep.path().canonicalize().unwrap();
        std::fs::create_dir_all(home.join("a/b")).unwrap();
        std::fs::write(home.join("a/b/file"), "").unwrap();
        std::fs::create_dir(home.join("x (deleted)")).unwrap();
        for (text, name) in [
            ("a", "way"),
            ("../..", "a/b/up"),
            ("b/up/way/b/file", "a/far"),
            ("circle", "circle"),
            ("nothing", "none"),
        ] {
            symlink(text, home.join(name)).unwrap();
        }
        symlink(home.join("way/b"), home.join("absolute")).unwrap();
        for rel in
            ["", "a/b/file", "way/b", "a/b/up/a", "a/far", "absolute/file", "x (deleted)", "way/../a/b"]
        {
            let path = home.join(rel);
            let expected = path.canonicalize().unwrap();
            assert_eq!(real_path(&path), Ok(expected.clone()), "{rel}");
            assert_eq!(step_by_step(&path), Ok(expected), "{rel}");
        }
        for (rel, errno) in [("circle", Errno::LOOP), ("none", Errno::NOENT), ("a/b/file/x", Errno::NOTDIR)] {
            assert_eq!(real_path(&home.join(rel)), Err(errno), "{rel}");
            assert_eq!(step_by_step(&home.join(rel)), Err(errno), "{rel}");
        }
    }
}
