//! Where this program lies: it starts itself again for what should be in a process of its own.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// This program's file, for its children: the very file that runs, else the one that it was started by.
#[must_use]
pub fn own() -> Option<PathBuf> {
    let own = PathBuf::from("/proc/self/exe");
    if own.exists() {
        return Some(own);
    }
    let started = PathBuf::from(OsStr::from_bytes(rustix::param::linux_execfn().to_bytes()));
    started.exists().then_some(started)
}
