//! Files that an author has written: whole or not at all.

use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::random;

const NEW: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The owner may write, and everybody may read, as far as the umask lets them.
const SHARED: Mode = Mode::RUSR.union(Mode::WUSR).union(Mode::RGRP).union(Mode::ROTH);

/// Puts a file where the author says, in the place of what is there: it is written beside it first, so that there is never a
/// part of it. A link is replaced; the file that it names stays as it is.
///
/// # Errors
/// What the system says, and where the place is a folder.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or(Errno::ISDIR)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder =
        rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut bytes = [0; 8];
    random::fill(&mut bytes)?;
    let temporary = format!(".new-{:016x}", u64::from_le_bytes(bytes));
    let written = || -> Result<(), Errno> {
        let file = rustix::fs::openat(&folder, &temporary, NEW, SHARED)?;
        let mut rest = content;
        while !rest.is_empty() {
            match rustix::io::write(&file, rest) {
                Ok(0) => return Err(Errno::IO),
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        rustix::fs::renameat(&folder, &temporary, &folder, name)
    };
    written().map_err(|errno| {
        let _ = rustix::fs::unlinkat(&folder, &temporary, AtFlags::empty());
        errno.into()
    })
}

/// Puts a file below a folder, and makes the folders on the way to it.
///
/// # Errors
/// What the system says.
pub fn below(folder: &Path, path: &str, content: &[u8]) -> io::Result<()> {
    let path = folder.join(path);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    replace(&path, content)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_stays_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wasm");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_replaced_and_what_it_names_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a.wasm"), folder.path().join("other"));
        fs::write(&other, "mine").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        replace(&path, b"new").unwrap();
        assert!(path.symlink_metadata().unwrap().is_file());
        assert_eq!(
            (fs::read(&path).unwrap(), fs::read(&other).unwrap()),
            (b"new".to_vec(), b"mine".to_vec())
        );
    }

    #[test]
    fn a_folder_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a.wasm")).unwrap();
        assert!(replace(&folder.path().join("a.wasm"), b"new").is_err());
        assert!(replace(&folder.path().join("missing/a.wasm"), b"new").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
