//! Reads one regular file without ever blocking: not on a FIFO, a device or a directory, and never more
//! than a given number of bytes.

use std::ffi::OsStr;
use std::fmt;
#[expect(
    clippy::disallowed_types,
    reason = "this is how config files are opened: without blocking, with a limit"
)]
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::broker::{self, Want};
use super::sysroot;

/// What stands where a regular file should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character or block device.
    Device,
    /// Something else.
    Other,
}

impl FileKind {
    fn of(file_type: FileType) -> Self {
        match file_type {
            FileType::Directory => Self::Directory,
            FileType::Fifo => Self::Fifo,
            FileType::Socket => Self::Socket,
            FileType::CharacterDevice | FileType::BlockDevice => Self::Device,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Directory => "a directory",
            Self::Fifo => "a named pipe",
            Self::Socket => "a socket",
            Self::Device => "a device",
            Self::Other => "no regular file",
        })
    }
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Nothing is there. A dangling symbolic link counts as nothing.
    #[error("{} does not exist", .0.display())]
    NotFound(PathBuf),
    /// Something other than a regular file is there.
    #[error("{} is {kind}, not a regular file", .path.display())]
    NotRegular {
        /// The path as it was given.
        path: PathBuf,
        /// What is there.
        kind: FileKind,
    },
    /// The file is larger than the caller accepts.
    #[error("{} has {size} bytes; at most {cap} are read", .path.display())]
    TooLarge {
        /// The path as it was given.
        path: PathBuf,
        /// Its size in bytes; for a file that grows, the bytes seen.
        size: u64,
        /// The limit in bytes.
        cap: u64,
    },
    /// The caller may not read it.
    #[error("no permission to read {}", .0.display())]
    Denied(PathBuf),
    /// Its symbolic links lead in a circle or are too many.
    #[error("the symbolic links of {} lead in a circle", .0.display())]
    Loop(PathBuf),
    /// It is a symbolic link, or lies behind one, where none may be.
    #[error("{} is a symbolic link or lies behind one; it was not followed", .0.display())]
    Link(PathBuf),
    /// It belongs to another account than the installation, and this process cannot know what the owner could read.
    #[error("{} belongs to uid {uid}, not to uid {owner} as the installation does", .path.display())]
    Foreign {
        /// The path as it was given.
        path: PathBuf,
        /// The account that it belongs to.
        uid: u32,
        /// The installation's owner.
        owner: u32,
    },
    /// Another object was there when it was opened.
    #[error("{} changed while it was read", .0.display())]
    Changed(PathBuf),
    /// Anything else.
    #[error("cannot read {}", .path.display())]
    Io {
        /// The path as it was given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl ReadError {
    pub(super) fn from_errno(path: &Path, errno: Errno) -> Self {
        match errno {
            // ENOTDIR: a file stands where a parent directory should be, so nothing is there.
            Errno::NOENT | Errno::NOTDIR => Self::NotFound(path.to_owned()),
            Errno::ACCESS | Errno::PERM => Self::Denied(path.to_owned()),
            Errno::LOOP => Self::Loop(path.to_owned()),
            other => Self::Io { path: path.to_owned(), source: other.into() },
        }
    }
}

/// Reads the regular file at `path`, at most `cap` bytes. Symbolic links are followed: this is for what the operator names.
/// What the target names is read by [`super::Territory`].
///
/// # Errors
/// See [`ReadError`]; each names the path, and the limit where there is one.
pub fn read_regular(path: &Path, cap: u64) -> Result<Vec<u8>, ReadError> {
    read_by(path, cap, |flags| rustix::fs::open(path, flags, Mode::empty()))
}

/// The same for a path of the target's file system.
///
/// # Errors
/// See [`ReadError`].
pub fn read_in_target(path: &Path, cap: u64) -> Result<Vec<u8>, ReadError> {
    read_by(path, cap, |flags| sysroot::open(path, flags))
}

fn read_by(
    path: &Path,
    cap: u64,
    open: impl Fn(OFlags) -> Result<OwnedFd, Errno>,
) -> Result<Vec<u8>, ReadError> {
    let failed = |errno| ReadError::from_errno(path, errno);
    // Looked at first, because opening a device can already do something to it.
    let before = open(OFlags::PATH | OFlags::CLOEXEC).and_then(rustix::fs::fstat).map_err(failed)?;
    check_regular(path, &before, cap)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = broker::open(path, Path::new(""), Want::Linked, || open(flags)).map_err(failed)?;
    read_handle(opened, path, cap)
}

/// The first entries of a directory of the target that is reached through links, and what each is; at most so many, in no order.
///
/// # Errors
/// What the operating system says.
pub fn read_entries(directory: &Path, most: usize) -> Result<Vec<(PathBuf, FileType)>, Errno> {
    let open = || sysroot::open(directory, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK);
    let handle = broker::open(directory, Path::new(""), Want::Directory, open)?;
    let own = handle.try_clone().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    let mut found = Vec::new();
    for entry in rustix::fs::Dir::new(own)?.flatten() {
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if found.len() == most {
            break;
        }
        // Some file systems do not say it at once.
        let kind = match entry.file_type() {
            FileType::Unknown => {
                let stat = rustix::fs::statat(&handle, name, AtFlags::SYMLINK_NOFOLLOW);
                stat.map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
            }
            known => known,
        };
        found.push((directory.join(OsStr::from_bytes(name.to_bytes())), kind));
    }
    Ok(found)
}

/// Reads an open file, at most `cap` bytes, where it is a regular one.
pub(super) fn read_handle(opened: OwnedFd, path: &Path, cap: u64) -> Result<Vec<u8>, ReadError> {
    let stat = rustix::fs::fstat(&opened).map_err(|errno| ReadError::from_errno(path, errno))?;
    check_regular(path, &stat, cap)?;
    // One byte more than the file has, so that one call reads all of it.
    let mut bytes = Vec::with_capacity(usize::try_from(stat.st_size).unwrap_or(0).saturating_add(1));
    #[expect(clippy::disallowed_types, reason = "the one place where a config file is read")]
    File::from(opened)
        .take(cap.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
    let size = bytes.len() as u64;
    if size > cap {
        return Err(ReadError::TooLarge { path: path.to_owned(), size, cap });
    }
    Ok(bytes)
}

/// Refuses what is no regular file, or too large.
pub(super) fn check_regular(path: &Path, stat: &rustix::fs::Stat, cap: u64) -> Result<(), ReadError> {
    let file_type = FileType::from_raw_mode(stat.st_mode);
    if file_type != FileType::RegularFile {
        return Err(ReadError::NotRegular { path: path.to_owned(), kind: FileKind::of(file_type) });
    }
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    if size > cap {
        return Err(ReadError::TooLarge { path: path.to_owned(), size, cap });
    }
    Ok(())
}
