//! Where a path leads when all links on it are followed. The kernel goes the way once; `realpath` of the C library asks
//! anew for each name on it, which a target with links through deep folders makes take many seconds.

use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, Stat, fstat};
use rustix::io::Errno;

use super::snapshot::Metadata;
use super::sysroot::{self, Sysroot};

/// What the kernel writes behind the path of what is gone.
const GONE: &[u8] = b" (deleted)";

/// The path of what `path` leads to, without any link on it.
///
/// # Errors
/// What the operating system says.
pub fn real_path(path: &Path) -> rustix::io::Result<PathBuf> {
    if let Some(found) = sysroot::real_path(path) {
        return Ok(found?.1);
    }
    let handle = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    real_path_of(&handle, path)
}

/// The same for what was opened already by this path.
pub(super) fn real_path_of(handle: impl AsFd, path: &Path) -> rustix::io::Result<PathBuf> {
    if let Some(found) = sysroot::real_path(path) {
        let (there, real) = found?;
        let identity = |stat: &Stat| Metadata::from(stat).identity;
        let is_same = identity(&fstat(&there)?) == identity(&fstat(handle)?);
        return if is_same { Ok(real) } else { Err(Errno::NOENT) };
    }
    let known = rustix::fs::readlink(format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd()), Vec::new());
    match known.map(std::ffi::CString::into_bytes) {
        Ok(text) if text.starts_with(b"/") && !text.ends_with(GONE) => Ok(OsString::from_vec(text).into()),
        // No /proc, or a name that cannot be told from one that is gone.
        _ => step_by_step(path),
    }
}

/// Goes the way name by name.
fn step_by_step(path: &Path) -> rustix::io::Result<PathBuf> {
    let here = || std::env::current_dir().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO));
    let path = if path.is_absolute() { path.to_owned() } else { here()?.join(path) };
    Ok(Sysroot::of_machine()?.walk(&path, OFlags::PATH)?.1)
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
