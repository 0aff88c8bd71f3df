//! Files of the state directory that hold credentials and have more than one name, so that none of them is read by another
//! of its names. Names alone are judged in `sandbox/view.rs`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, Mode, OFlags};

use super::broker::{self, Want};
use super::snapshot::{Kind, Metadata, open_granted};

/// Where credentials lie below the state directory, from the reference's layout; "*" is each folder. The state directory's
/// own files are looked at, too.
const PLACES: [&str; 13] = [
    "",
    "agent",
    "agents/*/agent",
    "credentials",
    "cron",
    "delivery-queue",
    "devices",
    "gateway/tls",
    "identity",
    "matrix",
    "nodes",
    "nostr",
    "state",
];

/// Folders below such a place that are entered: WhatsApp's logins lie at the second level.
const DEPTH: usize = 4;

/// Objects that are looked at: a hundred times what an installation has.
const MOST: usize = 50_000;

/// The identities of all such files that have more than one name; none where there are more objects than are looked at, or
/// some could not be: then nothing with several names can be told from a credential.
pub(super) fn twins(state: &Dir, path: &Path) -> Option<HashSet<(u64, u64)>> {
    let mut walk = Walk { state, path, left: MOST, twins: HashSet::new() };
    for place in PLACES {
        match place.split_once("/*/") {
            Some((parent, child)) => {
                for folder in walk.entries(Path::new(parent))? {
                    walk.folder(&folder.join(child), DEPTH)?;
                }
            }
            None => walk.folder(Path::new(place), if place.is_empty() { 0 } else { DEPTH })?,
        }
    }
    Some(walk.twins)
}

struct Walk<'s> {
    state: &'s Dir,
    path: &'s Path,
    left: usize,
    twins: HashSet<(u64, u64)>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, depth: usize) -> Option<()> {
        for below in self.entries(folder)? {
            if depth > 0 {
                self.folder(&below, depth - 1)?;
            }
        }
        Some(())
    }

    /// The folders in a folder; its files are looked at. What is not there, or is no folder, has none.
    fn entries(&mut self, folder: &Path) -> Option<Vec<PathBuf>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = if folder.as_os_str().is_empty() {
            let open = || rustix::fs::openat(self.state, ".", flags, Mode::empty());
            broker::open(self.path, folder, Want::Directory, open).ok()
        } else {
            open_granted((self.state, self.path), folder, Want::Directory, flags).ok()
        };
        let Some(opened) = opened else { return Some(Vec::new()) };
        let mut folders = Vec::new();
        for entry in rustix::fs::Dir::read_from(&opened).ok()? {
            let entry = entry.ok()?;
            let name = entry.file_name();
            if name.to_bytes() == b"." || name.to_bytes() == b".." {
                continue;
            }
            self.left = self.left.checked_sub(1)?;
            let Ok(stat) = rustix::fs::statat(&opened, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let object = Metadata::from(&stat);
            match object.kind {
                Kind::Directory => {
                    use std::os::unix::ffi::OsStrExt as _;
                    folders.push(folder.join(std::ffi::OsStr::from_bytes(name.to_bytes())));
                }
                Kind::File if object.links > 1 => drop(self.twins.insert(object.identity.key())),
                _ => {}
            }
        }
        Some(folders)
    }
}
