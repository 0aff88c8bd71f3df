//! This program, started again for what should be in a process of its own: where it lies, how such a child begins, and how its
//! words are taken.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::confine;

/// What is kept of a child's words: the last ones say why it failed.
const MAX_WORDS_BYTES: usize = 64 << 10;

/// What is read of a pipe at once.
const PIPE_BYTES: usize = 16 << 10;

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

/// Begins a child: it has nothing but its standard streams, and ends with its parent.
pub(crate) fn begin_child() {
    confine::forget_inherited();
    end_with_parent();
}

/// The parent may be ended by a second signal, or by somebody's kill. The kernel forgets this where a process becomes another
/// account's.
pub(crate) fn end_with_parent() {
    // Where it cannot be had, the child's own limits end it.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
}

/// Takes what a child's pipe has, and closes it at its end. Says whether anything was moved.
pub(crate) fn drain(pipe: &mut Option<impl Read>, into: &mut Vec<u8>) -> io::Result<bool> {
    let Some(open) = pipe else { return Ok(false) };
    let mut piece = [0; PIPE_BYTES];
    match open.read(&mut piece) {
        Ok(0) => *pipe = None,
        Ok(length) => into.extend_from_slice(piece.get(..length).unwrap_or_default()),
        Err(error) if is_for_later(&error) => return Ok(false),
        Err(error) => return Err(error),
    }
    Ok(true)
}

/// A pipe has nothing now, and may have something later.
pub(crate) fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Keeps the last words: a child that panics over and over says more than anybody reads.
pub(crate) fn keep_last(words: &mut Vec<u8>) {
    let old = words.len().saturating_sub(MAX_WORDS_BYTES);
    words.drain(..old);
}

/// The last line that says why a child failed; none where it said nothing. A panic ends with an advice that is of no use.
pub(crate) fn last_line(words: &str) -> Option<&str> {
    let line = words.lines().rfind(|line| !line.starts_with("note: "))?;
    Some(line.trim_start_matches("error: "))
}
