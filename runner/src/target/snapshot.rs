//! One look at the target, shared by all policies: each object is stat-ed once, each directory listed once, each
//! file read once. Everything below a view's root is reached through a directory handle and without following
//! any symbolic link; only [`Snapshot::resolve`] follows, and it gives facts, never content.

use std::collections::{HashMap, HashSet};
use std::ffi::{CString, OsStr, OsString};
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::broker::{self, Want};
use super::listing::{Full, Listing};
use super::real::real_path_of;
use super::sysroot;
use super::{Preview, Territory, secrecy};

/// Longest content of one file that is read: a source file or a manifest is smaller, a database is not looked into.
pub const MAX_FILE_BYTES: u64 = 8 << 20;

/// What all policies together can make the runner keep of the target's files. Beyond it a file is read anew each time,
/// so that no policy can use up what another one needs. What is read more than once is a `package.json` or a list.
pub const MAX_SNAPSHOT_BYTES: u64 = 32 << 20;

/// What all policies together can make the runner keep of listings: those of some 250,000 entries. Beyond it a directory
/// is listed anew each time, unless somebody else holds its listing at that moment.
const MAX_KEPT_LISTINGS: usize = 32 << 20;

/// What all listings that anybody holds take together, the kept ones among them: those of some 1,400,000 entries. Beyond
/// it a directory is not listed.
const MAX_LISTINGS: usize = 160 << 20;

/// What all policies together can make the runner remember of objects that are there, and as much again of paths that
/// lead to nothing of their own: absent ones, and those through links, of which there are endlessly many. Beyond it the
/// runner looks, and does not remember.
const MAX_REMEMBERED_BYTES: usize = 16 << 20;

/// The coarsest steps that file systems' clocks have are of 10 ms.
const FRESH_NANOSECONDS: i64 = 20_000_000;

/// What a remembered path takes besides its text.
const REMEMBERED: usize = 192;

/// Entries that are looked at between two questions whether to go on. So many are looked at by two threads; for some hundreds
/// that takes longer than by one, because the other processor runs other policies meanwhile.
const STEP: usize = 1024;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A FIFO, a socket or a device.
    Other,
}

/// Facts about an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: Kind,
    /// Permission bits, 07777.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// How many names it has.
    pub links: u32,
    /// Size in bytes.
    pub size: u64,
    /// Which object it is, and when it was changed last.
    pub identity: Identity,
}

/// What stays the same as long as an object is not replaced or changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Identity {
    /// The file system.
    pub device: u64,
    /// The object in it.
    pub inode: u64,
    /// When mode, owner or content changed last, in seconds and nanoseconds since the epoch.
    changed: (i64, i64),
}

impl Identity {
    /// It is the same object, changed or not.
    #[must_use]
    pub fn is(self, other: Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// It changed so short a time ago that a clock with coarse steps may not tell a further change.
    pub(super) fn is_fresh(self) -> bool {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        let since = |then: (i64, i64)| {
            let seconds = now.tv_sec.saturating_sub(then.0);
            seconds.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec.saturating_sub(then.1))
        };
        since(self.changed) < FRESH_NANOSECONDS
    }

    /// Device and inode, to look it up by.
    #[must_use]
    pub fn key(self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// An object that was met earlier.
    #[must_use]
    pub fn of(device: u64, inode: u64) -> Self {
        Self { device, inode, changed: (0, 0) }
    }
}

impl From<&Stat> for Metadata {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        clippy::unnecessary_cast,
        clippy::useless_conversion,
        clippy::cast_lossless,
        reason = "the widths of stat's fields differ between platforms"
    )]
    fn from(stat: &Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink,
            _ => Kind::Other,
        };
        Self {
            kind,
            mode: stat.st_mode as u32 & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            links: u32::try_from(stat.st_nlink).unwrap_or(u32::MAX),
            size: stat.st_size as u64,
            identity: Identity {
                device: stat.st_dev as u64,
                inode: stat.st_ino as u64,
                changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
            },
        }
    }
}

/// Where a path ends when symbolic links are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In the same view.
    Inside,
    /// Somewhere else.
    Outside,
    /// Nowhere.
    Dangling,
    /// In itself.
    Loop,
}

/// What lies at the end of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The text of the link at the path itself; empty where it is no link.
    pub text: OsString,
    /// Where the end lies.
    pub end: End,
    /// The end's path below the same view; none where it lies elsewhere.
    pub inside: Option<PathBuf>,
    /// Facts about the end; none where there is no end, or it cannot be seen.
    pub metadata: Option<Metadata>,
}

impl Link {
    fn nowhere(text: OsString, end: End) -> Self {
        Self { text, end, inside: None, metadata: None }
    }
}

/// Why an object could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookError {
    /// There is no such object.
    #[error("there is no such object")]
    NotFound,
    /// A symbolic link stands on the way.
    #[error("a symbolic link stands on the way")]
    ThroughLink,
    /// It is not of the kind that the call needs.
    #[error("it is of another kind")]
    WrongKind,
    /// The operating system refused.
    #[error("permission denied")]
    Denied,
    /// It changed while it was read.
    #[error("it changed while it was read")]
    Changed,
    /// It holds credentials, or nothing of it is for policies.
    #[error("it holds credentials, or is not for policies to read")]
    Secret,
    /// It belongs to another account than the installation, and this process has other rights than the installation's owner.
    #[error("it belongs to uid {0}, not to the owner of the installation")]
    Foreign(u32),
    /// It is longer than the runner reads.
    #[error("{0}")]
    TooMuch(String),
    /// The caller wanted no more of it.
    #[error("it was stopped")]
    Stopped,
    /// Anything else.
    #[error("{0}")]
    Io(String),
}

impl From<Errno> for LookError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::NOTDIR => Self::NotFound,
            Errno::LOOP | Errno::XDEV => Self::ThroughLink,
            Errno::ACCESS | Errno::PERM => Self::Denied,
            other => Self::Io(io::Error::from(other).to_string()),
        }
    }
}

/// What a look gives.
pub type Look<T> = Result<T, LookError>;

/// A view by its number, and a path below it ("" is the view itself).
type Key = (usize, PathBuf);

/// What of a place may be read, by what the place is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// A folder of the installation: files below it.
    Folder,
    /// The config and what it includes: policies get them as JSON, without the secrets in them.
    Facts,
    /// A log: one regular file, reached through no link.
    Log,
    /// A package: one regular file. The way to it may have links.
    Package,
    /// Code.
    Code,
    /// A folder that agents work in: what lies in it, and nothing of its content.
    Outline,
}

/// The root of a view.
pub struct Root {
    path: PathBuf,
    purpose: Purpose,
    /// The object that was found there; none where the place is the operator's own choice.
    found: Option<Identity>,
    /// Opened at the first look, following links.
    directory: OnceLock<Look<Dir>>,
    /// Its path without links; none where there is none.
    real: OnceLock<Option<PathBuf>>,
}

impl Root {
    fn new(path: PathBuf, purpose: Purpose, found: Option<Identity>) -> Self {
        Self { path, purpose, found, directory: OnceLock::new(), real: OnceLock::new() }
    }

    /// A place that is the operator's own choice: links on the way are followed, whatever lies there by then.
    #[must_use]
    pub fn chosen(path: PathBuf) -> Self {
        Self::new(path, Purpose::Folder, None)
    }

    /// A file of which policies get facts alone.
    #[must_use]
    pub fn facts(path: PathBuf) -> Self {
        Self::new(path, Purpose::Facts, None)
    }

    /// A log that the target names. Its content can be read where its name is a log's.
    #[must_use]
    pub fn log(path: PathBuf) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let is_log = [".log", ".jsonl"].iter().any(|end| name.ends_with(end));
        Self::new(path, if is_log { Purpose::Log } else { Purpose::Facts }, None)
    }

    /// A `package.json` that the target names.
    #[must_use]
    pub fn package(path: PathBuf) -> Self {
        Self::new(path, Purpose::Package, None)
    }

    /// Code that was found on the target. A link there leads to this object, and to no other. Its files are read anew
    /// each time: there is much of it, and hardly more than one policy reads it.
    #[must_use]
    pub fn found(path: PathBuf, object: Identity) -> Self {
        Self::new(path, Purpose::Code, Some(object))
    }

    /// A folder that the target names, of which policies see what lies in it, and no content.
    #[must_use]
    pub fn outline(path: PathBuf) -> Self {
        Self::new(path, Purpose::Outline, None)
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same place, looked at for the same purpose.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let is_found = match (self.found, other.found) {
            (Some(one), Some(other)) => one.is(other),
            (one, other) => one.is_none() && other.is_none(),
        };
        self.path == other.path && self.purpose == other.purpose && is_found
    }

    /// The view is one object, and nothing below it.
    fn is_single(&self) -> bool {
        matches!(self.purpose, Purpose::Facts | Purpose::Log | Purpose::Package)
    }

    fn check(&self, stat: &Stat) -> Look<()> {
        let here = Metadata::from(stat).identity;
        if self.found.is_none_or(|found| found.is(here)) { Ok(()) } else { Err(LookError::Changed) }
    }
}

/// What no policy reads, whatever name leads to it.
#[derive(Default)]
pub struct Guard {
    /// Whose installation it is; none for a look of the runner's own.
    pub territory: Option<Territory>,
    /// Objects that hold secrets: the config, its includes, the `.env` files.
    pub secret: HashSet<(u64, u64)>,
    /// Secret files of the state directory that have more than one name, once somebody asks; none where they are too many.
    twins: OnceLock<Option<HashSet<(u64, u64)>>>,
}

impl Guard {
    /// A guard of these objects.
    #[must_use]
    pub fn new(territory: Territory, secret: impl IntoIterator<Item = Identity>) -> Self {
        let secret = secret.into_iter().map(Identity::key).collect();
        Self { territory: Some(territory), secret, twins: OnceLock::new() }
    }
}

/// A part of the memory for what was seen.
struct Room {
    left: usize,
}

impl Room {
    /// Takes so many bytes, where they are there.
    fn take(&mut self, bytes: usize) -> bool {
        let left = self.left.checked_sub(bytes);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    /// Takes what a path and what is kept with it need.
    fn take_path(&mut self, rel: &Path, more: usize) -> bool {
        self.take(rel.as_os_str().len() + REMEMBERED + more)
    }
}

struct Seen {
    stats: HashMap<Key, Look<Metadata>>,
    links: HashMap<Key, Look<Link>>,
    listings: HashMap<Key, Look<Arc<Listing>>>,
    /// Listings that are not kept, as long as somebody holds them.
    passing: HashMap<Key, Weak<Listing>>,
    contents: HashMap<Key, Look<Arc<Vec<u8>>>>,
    /// For kept listings.
    room_for_listings: Room,
    /// For contents.
    room_for_contents: Room,
    /// For objects that are there.
    room_for_objects: Room,
    /// For paths that an object of the target does not answer for.
    room_for_others: Room,
}

impl Default for Seen {
    fn default() -> Self {
        let room = |left| Room { left };
        Self {
            stats: HashMap::new(),
            links: HashMap::new(),
            listings: HashMap::new(),
            passing: HashMap::new(),
            contents: HashMap::new(),
            room_for_listings: room(MAX_KEPT_LISTINGS),
            room_for_contents: room(usize::try_from(MAX_SNAPSHOT_BYTES).unwrap_or(usize::MAX)),
            room_for_objects: room(MAX_REMEMBERED_BYTES),
            room_for_others: room(MAX_REMEMBERED_BYTES),
        }
    }
}

impl Seen {
    fn listing(&self, key: &Key) -> Option<Look<Arc<Listing>>> {
        let kept = self.listings.get(key).cloned();
        kept.or_else(|| Some(Ok(self.passing.get(key)?.upgrade()?)))
    }

    /// The facts that were told of objects before their directory was listed are told again.
    fn tell(&self, listing: &mut Listing, view: usize, rel: &Path) {
        if listing.len() < self.stats.len() {
            listing.tell_each(|name| self.stats.get(&(view, rel.join(name)))?.as_ref().ok().copied());
            return;
        }
        for ((other, path), facts) in &self.stats {
            if *other == view
                && path.parent() == Some(rel)
                && let (Ok(facts), Some(name)) = (facts, path.file_name())
            {
                listing.tell(name, *facts);
            }
        }
    }

    /// Remembers a listing: for good where there is room, else as long as somebody holds it.
    fn keep_listing(&mut self, key: Key, listing: &Look<Arc<Listing>>) {
        let keep = match listing {
            Ok(listing) => self.room_for_listings.take_path(&key.1, listing.bytes()),
            Err(_) => self.room_for_others.take_path(&key.1, 0),
        };
        if keep {
            self.listings.insert(key, listing.clone());
        } else if let Ok(listing) = listing {
            // Hardly more are held at a time than there are policies and levels of folders.
            if self.passing.len() >= 4096 {
                self.passing.retain(|_, listing| listing.strong_count() > 0);
            }
            if self.passing.len() < 4096 {
                self.passing.insert(key, Arc::downgrade(listing));
            }
        }
    }

    /// Facts that are known already.
    fn stat(&self, view: usize, rel: &Path) -> Option<Look<Metadata>> {
        if let Some(parent) = rel.parent()
            && let Some(Ok(listing)) = self.listing(&(view, parent.to_owned()))
            && let Some(name) = rel.file_name()
        {
            return Some(listing.find(name).map(|entry| *entry.metadata).ok_or(LookError::NotFound));
        }
        self.stats.get(&(view, rel.to_owned())).cloned()
    }
}

/// The snapshot. Views are numbered in the order in which they were given.
pub struct Snapshot {
    roots: Vec<Root>,
    /// Modes to tell instead of those that the objects have.
    modes: HashMap<(u64, u64), u32>,
    guard: Guard,
    seen: Mutex<Seen>,
    /// Bytes of all listings that anybody holds.
    listed: Arc<AtomicUsize>,
}

impl Snapshot {
    /// A snapshot of these places, with the modes of the preview; nothing is opened yet.
    #[must_use]
    pub fn new(roots: impl IntoIterator<Item = Root>, preview: &Preview) -> Self {
        let (roots, modes) = (roots.into_iter().collect(), preview.modes.clone());
        Self { roots, modes, guard: Guard::default(), seen: Mutex::default(), listed: Arc::default() }
    }

    /// The same, and what the guard names is read by no policy. The first view is the state directory.
    #[must_use]
    pub fn guarded(self, guard: Guard) -> Self {
        Self { guard, ..self }
    }

    /// Where the views lie.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.roots.iter().map(Root::path)
    }

    /// Facts as they are told.
    fn facts(&self, stat: &Stat) -> Metadata {
        let mut metadata = Metadata::from(stat);
        let key = (metadata.identity.device, metadata.identity.inode);
        if let Some(mode) = self.modes.get(&key) {
            metadata.mode = *mode;
        }
        metadata
    }

    /// Facts about the object itself.
    pub fn stat(&self, view: usize, rel: &Path) -> Look<Metadata> {
        if !rel.as_os_str().is_empty() && self.root(view)?.is_single() {
            return Err(LookError::NotFound);
        }
        if let Some(known) = self.lock().stat(view, rel) {
            return known;
        }
        // Nobody holds the lock here: a file system may hang, and the others have theirs to ask.
        let found = self.look(view, rel);
        let mut seen = self.lock();
        if let Some(known) = seen.stat(view, rel) {
            return known;
        }
        let room = if found.is_ok() { &mut seen.room_for_objects } else { &mut seen.room_for_others };
        if room.take_path(rel, 0) {
            seen.stats.insert((view, rel.to_owned()), found.clone());
        }
        found
    }

    /// Where a path leads when links are followed. Gives facts, never content.
    pub fn resolve(&self, view: usize, rel: &Path) -> Look<Link> {
        let key = (view, rel.to_owned());
        if let Some(known) = self.lock().links.get(&key) {
            return known.clone();
        }
        let link = self.follow(view, rel);
        let mut seen = self.lock();
        if let Some(known) = seen.links.get(&key) {
            return known.clone();
        }
        let inside = link.as_ref().ok().and_then(|link| link.inside.as_ref());
        let text = link.as_ref().map_or(0, |link| link.text.len());
        let more = inside.map_or(0, |inside| inside.as_os_str().len()) + text;
        if seen.room_for_others.take_path(rel, more) {
            seen.links.insert(key, link.clone());
        }
        link
    }

    /// The entries of a directory, in byte order of their names.
    pub fn list(&self, view: usize, rel: &Path) -> Look<Arc<Listing>> {
        self.list_while(view, rel, &|| true)
    }

    /// The same, as long as `go_on` says so; it is asked from time to time. What was stopped is not remembered.
    ///
    /// # Errors
    /// [`LookError::Stopped`] where it was stopped.
    pub fn list_while(&self, view: usize, rel: &Path, go_on: &dyn Fn() -> bool) -> Look<Arc<Listing>> {
        if self.root(view)?.is_single() {
            return Err(LookError::WrongKind);
        }
        let key = (view, rel.to_owned());
        if let Some(known) = self.lock().listing(&key) {
            return known;
        }
        let expected = self.stat(view, rel);
        let listing = expected.and_then(|expected| self.read_directory(&expected, view, rel, go_on));
        if listing == Err(LookError::Stopped) {
            return Err(LookError::Stopped);
        }
        let mut seen = self.lock();
        if let Some(known) = seen.listing(&key) {
            return known;
        }
        let listing = listing.map(|mut listing| {
            seen.tell(&mut listing, view, rel);
            Arc::new(listing)
        });
        seen.keep_listing(key, &listing);
        listing
    }

    /// The whole content of a regular file.
    pub fn read(&self, view: usize, rel: &Path) -> Look<Arc<Vec<u8>>> {
        let root = self.root(view)?;
        if matches!(root.purpose, Purpose::Facts | Purpose::Outline) {
            return Err(LookError::Secret);
        }
        if root.found.is_some() {
            let expected = self.stat(view, rel)?;
            return self.read_file(&expected, view, rel);
        }
        let key = (view, rel.to_owned());
        if let Some(known) = self.lock().contents.get(&key) {
            return known.clone();
        }
        let expected = self.stat(view, rel);
        let content = expected.and_then(|expected| self.read_file(&expected, view, rel));
        let mut seen = self.lock();
        if let Some(known) = seen.contents.get(&key) {
            return known.clone();
        }
        // Where the store is full, the file is read again: if it changed since it was looked at first, that is told.
        let keep = match &content {
            Ok(bytes) => seen.room_for_contents.take_path(rel, bytes.len()),
            Err(_) => seen.room_for_others.take_path(rel, 0),
        };
        if keep {
            seen.contents.insert(key, content.clone());
        }
        content
    }

    /// Opens a regular file as it is now, whatever was seen of it before. For what the runner gives to no policy as it is.
    pub(super) fn open(&self, view: usize, rel: &Path) -> Look<(OwnedFd, Metadata)> {
        // Looked at first, because opening a device can already do something to it.
        let found =
            Metadata::from(&rustix::fs::fstat(open_beneath(self.directory(view)?, rel, OFlags::PATH)?)?);
        match found.kind {
            Kind::File => {}
            Kind::Symlink => return Err(LookError::ThroughLink),
            Kind::Directory | Kind::Other => return Err(LookError::WrongKind),
        }
        if !self.guard.territory.is_none_or(|territory| territory.may_read(&found)) {
            return Err(LookError::Foreign(found.uid));
        }
        let (directory, root) = (self.directory(view)?, self.root(view)?);
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let handle = open_granted((directory, &root.path), rel, Want::File, flags)?;
        let opened = Metadata::from(&rustix::fs::fstat(&handle)?);
        if opened.identity.is(found.identity) { Ok((handle, opened)) } else { Err(LookError::Changed) }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn root(&self, view: usize) -> Look<&Root> {
        self.roots.get(view).ok_or(LookError::NotFound)
    }

    /// The directory handle of a view.
    fn directory(&self, view: usize) -> Look<&Dir> {
        let root = self.root(view)?;
        let open = || {
            let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::RDONLY;
            let open = || sysroot::open(&root.path, flags);
            let opened = broker::open(&root.path, Path::new(""), Want::Directory, open);
            let handle = opened.map_err(|errno| match errno {
                // A link that leads to itself leads to nothing, as one that dangles.
                Errno::LOOP => LookError::NotFound,
                other => other.into(),
            })?;
            root.check(&rustix::fs::fstat(&handle)?)?;
            Ok(Dir::from_std_file(handle.into()))
        };
        root.directory.get_or_init(open).as_ref().map_err(Clone::clone)
    }

    fn look(&self, view: usize, rel: &Path) -> Look<Metadata> {
        if rel.as_os_str().is_empty() {
            let root = self.root(view)?;
            let follow = root.found.is_some();
            let stat = if follow { sysroot::stat(&root.path) } else { sysroot::lstat(&root.path) }?;
            root.check(&stat)?;
            return Ok(self.facts(&stat));
        }
        let handle = open_beneath(self.directory(view)?, rel, OFlags::PATH)?;
        Ok(self.facts(&rustix::fs::fstat(handle)?))
    }

    fn read_directory(
        &self,
        expected: &Metadata,
        view: usize,
        rel: &Path,
        go_on: &dyn Fn() -> bool,
    ) -> Look<Listing> {
        let root_link = rel.as_os_str().is_empty() && expected.kind == Kind::Symlink;
        if expected.kind != Kind::Directory && !root_link {
            return Err(LookError::WrongKind);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK;
        let handle = if rel.as_os_str().is_empty() {
            // Opened anew, so that the listing begins at its beginning.
            let own = self.directory(view)?;
            let open = || rustix::fs::openat(own, ".", flags | OFlags::CLOEXEC, Mode::empty());
            broker::open(&self.root(view)?.path, Path::new(""), Want::Directory, open)?
        } else {
            open_granted((self.directory(view)?, &self.root(view)?.path), rel, Want::Directory, flags)?
        };
        if !root_link && Metadata::from(&rustix::fs::fstat(&handle)?).identity != expected.identity {
            return Err(LookError::Changed);
        }
        let mut listing = Listing::new(&self.listed);
        // A directory that was handed over can be read, and not opened anew.
        let own = handle.try_clone().map_err(|error| LookError::Io(error.to_string()))?;
        let mut items = rustix::fs::Dir::new(own)?;
        loop {
            let mut names = Vec::new();
            while names.len() < STEP
                && let Some(item) = items.read()
            {
                let item = item?;
                if !matches!(item.file_name().to_bytes(), b"." | b"..") {
                    names.push(item.file_name().to_owned());
                }
            }
            if names.is_empty() {
                break;
            }
            for (name, metadata) in names.iter().zip(self.facts_of_all(&handle, &names)?) {
                let Some(metadata) = metadata else { continue };
                listing.push(name.to_bytes(), metadata, MAX_LISTINGS).map_err(|Full| {
                    LookError::TooMuch(format!(
                        "it has too many entries: {} MiB are held of all listings",
                        MAX_LISTINGS >> 20
                    ))
                })?;
            }
            if !go_on() {
                return Err(LookError::Stopped);
            }
        }
        listing.sort();
        Ok(listing)
    }

    /// Facts about entries of a directory, in their order; none for one that has gone meanwhile. Another thread looks at half of
    /// a whole step.
    fn facts_of_all(&self, directory: &OwnedFd, names: &[CString]) -> Look<Vec<Option<Metadata>>> {
        let look = |names: &[CString]| {
            let one = |name: &CString| match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => Ok(Some(self.facts(&stat))),
                Err(Errno::NOENT) => Ok(None),
                Err(errno) => Err(LookError::from(errno)),
            };
            names.iter().map(one).collect::<Look<Vec<_>>>()
        };
        if names.len() < STEP {
            return look(names);
        }
        let (first, second) = names.split_at(names.len() / 2);
        std::thread::scope(|scope| {
            let helper = std::thread::Builder::new().name("look".to_owned());
            let helper = helper.spawn_scoped(scope, || look(second)).ok();
            let mut facts = look(first)?;
            // This thread does it all where no other one can be started, or that one broke off.
            let rest = helper.and_then(|helper| helper.join().ok()).unwrap_or_else(|| look(second));
            facts.append(&mut rest?);
            Ok(facts)
        })
    }

    fn read_file(&self, expected: &Metadata, view: usize, rel: &Path) -> Look<Arc<Vec<u8>>> {
        if expected.kind != Kind::File {
            return Err(LookError::WrongKind);
        }
        if expected.size > MAX_FILE_BYTES {
            return Err(LookError::TooMuch(format!(
                "it has {} bytes; {MAX_FILE_BYTES} are read at most",
                expected.size
            )));
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let root = self.root(view)?;
        let handle = if rel.as_os_str().is_empty() {
            match root.purpose {
                Purpose::Log => match open_unlinked(&root.path, flags) {
                    Err(LookError::Denied) => broker::request(&root.path, Path::new(""), Want::Unlinked)?,
                    opened => opened?,
                },
                // Where a link was found, the identity below tells that it still leads to the same object.
                purpose => {
                    let follow = if purpose == Purpose::Code { OFlags::empty() } else { OFlags::NOFOLLOW };
                    let open = || sysroot::open(&root.path, flags | follow);
                    broker::open(&root.path, Path::new(""), Want::Linked, open)?
                }
            }
        } else {
            open_granted((self.directory(view)?, &root.path), rel, Want::File, flags)?
        };
        let before = Metadata::from(&rustix::fs::fstat(&handle)?);
        if before.identity != expected.identity || before.size != expected.size {
            return Err(LookError::Changed);
        }
        self.may_read(view, &before)?;
        let mut content = vec![0; usize::try_from(expected.size).unwrap_or(0)];
        #[expect(clippy::disallowed_types, reason = "the one place where an object of a view is read")]
        let file = std::fs::File::from(handle);
        (&file).read_exact(&mut content).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => LookError::Changed,
            _ => LookError::Io(error.to_string()),
        })?;
        // A file that has grown meanwhile has another size.
        let after = Metadata::from(&rustix::fs::fstat(&file)?);
        if after == before { Ok(content.into()) } else { Err(LookError::Changed) }
    }

    /// Refuses an object that no policy may read, though its name could be read. It is the object that was opened.
    fn may_read(&self, view: usize, object: &Metadata) -> Look<()> {
        let Some(territory) = self.guard.territory else { return Ok(()) };
        if !territory.may_read(object) {
            return Err(LookError::Foreign(object.uid));
        }
        let key = object.identity.key();
        let many = object.links != 1;
        let secret = match self.root(view)?.purpose {
            _ if self.guard.secret.contains(&key) => true,
            Purpose::Facts | Purpose::Outline => true,
            // Package managers give files of code several names.
            Purpose::Folder | Purpose::Package | Purpose::Code => many && self.is_twin(key),
            Purpose::Log => many,
        };
        if secret { Err(LookError::Secret) } else { Ok(()) }
    }

    /// The object is also a file of the state directory that holds credentials.
    fn is_twin(&self, key: (u64, u64)) -> bool {
        let twins = self.guard.twins.get_or_init(|| {
            let (state, root) = (self.directory(0).ok()?, self.root(0).ok()?);
            secrecy::twins(state, &root.path)
        });
        twins.as_ref().is_none_or(|twins| twins.contains(&key))
    }

    fn follow(&self, view: usize, rel: &Path) -> Look<Link> {
        let root = self.root(view)?;
        let path = if rel.as_os_str().is_empty() { root.path.clone() } else { root.path.join(rel) };
        let text = match sysroot::read_link(&path) {
            Ok(text) => OsStr::from_bytes(text.to_bytes()).to_owned(),
            Err(Errno::INVAL) => OsString::new(), // no link itself
            Err(Errno::NOENT | Errno::NOTDIR) => return Err(LookError::NotFound),
            Err(Errno::LOOP) => return Ok(Link::nowhere(OsString::new(), End::Loop)),
            Err(errno) => return Err(errno.into()),
        };
        let handle = match sysroot::open(&path, OFlags::PATH) {
            Ok(handle) => handle,
            Err(Errno::LOOP) => return Ok(Link::nowhere(text, End::Loop)),
            Err(Errno::NOENT | Errno::NOTDIR) => {
                return Ok(Link::nowhere(text, End::Dangling));
            }
            Err(errno) => return Err(errno.into()),
        };
        let metadata = Some(self.facts(&rustix::fs::fstat(&handle)?));
        let inside = self.inside(view, &handle, &path, rel);
        let end = if inside.is_some() { End::Inside } else { End::Outside };
        Ok(Link { text, end, inside, metadata })
    }
}

/// Opens an object by its absolute path; no link is followed on the way or at the end.
fn open_unlinked(path: &Path, flags: OFlags) -> Look<OwnedFd> {
    let top = sysroot::open(Path::new("/"), OFlags::PATH | OFlags::DIRECTORY)?;
    open_beneath(&top, path.strip_prefix("/").map_err(|_| LookError::NotFound)?, flags)
}

impl Snapshot {
    /// The path below the view of what was opened by this path; none where it lies elsewhere.
    fn inside(&self, view: usize, end: &OwnedFd, path: &Path, rel: &Path) -> Option<PathBuf> {
        if rel.as_os_str().is_empty() {
            return Some(PathBuf::new());
        }
        let root = self.root(view).ok()?;
        let base = root.real.get_or_init(|| real_path_of(self.directory(view).ok()?, &root.path).ok());
        let end = real_path_of(end, path).ok()?;
        end.strip_prefix(base.as_ref()?).ok().map(Path::to_owned)
    }
}

/// Opens an object below a directory; no link is followed, not even at the end.
pub(crate) fn open_beneath(directory: impl AsFd + Copy, rel: &Path, flags: OFlags) -> Look<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(directory, rel, flags, Mode::empty(), resolve) {
        // Old kernels do not know openat2, and strict kernel policies forbid it.
        Err(Errno::NOSYS | Errno::PERM) => walk_beneath(directory, rel, flags),
        other => Ok(other?),
    }
}

/// [`open_beneath`], for reading below a folder that lies at `base`: where a confined process may not, its supervisor may.
pub(super) fn open_granted(
    (directory, base): (impl AsFd + Copy, &Path),
    rel: &Path,
    want: Want,
    flags: OFlags,
) -> Look<OwnedFd> {
    match open_beneath(directory, rel, flags) {
        Err(LookError::Denied) if !flags.contains(OFlags::PATH) => Ok(broker::request(base, rel, want)?),
        opened => opened,
    }
}

/// What [`open_beneath`] does, step by step.
fn walk_beneath(directory: impl AsFd, rel: &Path, flags: OFlags) -> Look<OwnedFd> {
    let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut here =
        directory.as_fd().try_clone_to_owned().map_err(|error| LookError::Io(error.to_string()))?;
    let mut names = rel.components().peekable();
    while let Some(name) = names.next() {
        let Component::Normal(name) = name else { return Err(LookError::NotFound) };
        let last = names.peek().is_none();
        here = match rustix::fs::openat(&here, name, if last { flags } else { step }, Mode::empty()) {
            Ok(handle) => handle,
            Err(Errno::NOTDIR) if !last && is_link(&here, name) => return Err(LookError::ThroughLink),
            Err(errno) => return Err(errno.into()),
        };
    }
    Ok(here)
}

fn is_link(directory: &OwnedFd, name: &OsStr) -> bool {
    let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
    stat.is_ok_and(|stat| Metadata::from(&stat).kind == Kind::Symlink)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn target() -> (tempfile::TempDir, Snapshot) {
        let home = tempfile::tempdir().unwrap();
        let state = home.path().join("state");
        std::fs::create_dir_all(state.join("a/b")).unwrap();
        std::fs::write(state.join("a/b/file"), "text").unwrap();
        std::fs::set_permissions(state.join("a/b/file"), std::fs::Permissions::from_mode(0o640)).unwrap();
        std::fs::write(home.path().join("outside"), "not yours").unwrap();
        symlink("../outside", state.join("out")).unwrap();
        symlink("a", state.join("way")).unwrap();
        symlink("circle", state.join("circle")).unwrap();
        symlink("nothing", state.join("dangling")).unwrap();
        let snapshot = Snapshot::new([Root::chosen(state)], &Preview::default());
        (home, snapshot)
    }

    #[test]
    fn stat_never_follows() {
        let (_home, snapshot) = target();
        assert_eq!(snapshot.stat(0, Path::new("a/b/file")).unwrap().mode, 0o640);
        assert_eq!(snapshot.stat(0, Path::new("out")).unwrap().kind, Kind::Symlink);
        assert_eq!(snapshot.stat(0, Path::new("way/b/file")), Err(LookError::ThroughLink));
        assert_eq!(snapshot.stat(0, Path::new("none")), Err(LookError::NotFound));
        assert_eq!(snapshot.stat(7, Path::new("")), Err(LookError::NotFound));
    }

    #[test]
    fn the_walk_step_by_step_agrees_with_openat2() {
        let (_home, snapshot) = target();
        let directory = snapshot.directory(0).unwrap();
        for (rel, expected) in [
            ("a/b/file", Ok(())),
            ("out", Ok(())),
            ("way/b", Err(LookError::ThroughLink)),
            ("a/none", Err(LookError::NotFound)),
            ("a/b/file/x", Err(LookError::NotFound)),
        ] {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            assert_eq!(walk_beneath(directory, Path::new(rel), flags).map(drop), expected, "{rel}");
            assert_eq!(open_beneath(directory, Path::new(rel), flags).map(drop), expected, "{rel}");
        }
        assert_eq!(
            walk_beneath(directory, Path::new("../outside"), OFlags::PATH).map(drop),
            Err(LookError::NotFound)
        );
    }

    #[test]
    fn resolve_tells_where_a_link_ends() {
        let (_home, snapshot) = target();
        let end =
            |rel: &str| snapshot.resolve(0, Path::new(rel)).map(|link| (link.end, link.metadata.is_some()));
        assert_eq!(end("out"), Ok((End::Outside, true)));
        assert_eq!(end("way/b/file"), Ok((End::Inside, true)));
        assert_eq!(end("dangling"), Ok((End::Dangling, false)));
        assert_eq!(end("circle"), Ok((End::Loop, false)));
        assert_eq!(end("none"), Err(LookError::NotFound));
    }

    #[test]
    fn a_link_or_a_fifo_is_not_read() {
        let (home, snapshot) = target();
        let fifo = home.path().join("state/fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert_eq!(snapshot.read(0, Path::new("out")), Err(LookError::WrongKind));
        assert_eq!(snapshot.read(0, Path::new("fifo")), Err(LookError::WrongKind));
        assert_eq!(snapshot.read(0, Path::new("a")), Err(LookError::WrongKind));
        assert_eq!(&*snapshot.read(0, Path::new("a/b/file")).unwrap(), b"text");
    }

    #[test]
    fn the_second_look_sees_what_the_first_saw() {
        let (home, snapshot) = target();
        let file = home.path().join("state/a/b/file");
        let first = snapshot.stat(0, Path::new("a/b/file")).unwrap();
        let list = snapshot.list(0, Path::new("a/b")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(snapshot.stat(0, Path::new("a/b/file")).unwrap(), first);
        assert_eq!(snapshot.list(0, Path::new("a/b")).unwrap(), list);
        assert_eq!(
            snapshot.read(0, Path::new("a/b/file")),
            Err(LookError::Changed),
            "the mode changed in between"
        );
    }

    #[test]
    fn a_file_that_is_too_long_is_not_read() {
        let (home, snapshot) = target();
        let file = std::fs::File::create(home.path().join("state/long")).unwrap();
        file.set_len(MAX_FILE_BYTES + 1).unwrap();
        assert!(matches!(snapshot.read(0, Path::new("long")), Err(LookError::TooMuch(_))));
    }

    #[test]
    fn one_policy_cannot_use_up_the_memory_for_contents() {
        let (home, snapshot) = target();
        for number in 0..10 {
            let file = std::fs::File::create(home.path().join(format!("state/long{number}"))).unwrap();
            file.set_len(MAX_FILE_BYTES).unwrap();
        }
        for number in 0..10 {
            let length = snapshot.read(0, Path::new(&format!("long{number}"))).unwrap().len();
            assert_eq!(length as u64, MAX_FILE_BYTES);
        }
        assert_eq!(snapshot.lock().contents.len(), 3, "what does not fit is read anew");
        assert_eq!(&*snapshot.read(0, Path::new("a/b/file")).unwrap(), b"text");
    }

    #[test]
    fn absent_names_do_not_fill_the_memory() {
        let (_home, snapshot) = target();
        let name = |number: usize| PathBuf::from(format!("{}{number}", "way/".repeat(1000)));
        for number in 0..20_000 {
            assert_eq!(snapshot.stat(0, &name(number)), Err(LookError::ThroughLink));
        }
        assert!(snapshot.lock().stats.len() * 4000 <= MAX_REMEMBERED_BYTES);
        assert!(snapshot.lock().stats.len() > 1000, "as much as fits is remembered");
        assert_eq!(snapshot.stat(0, &name(1)), Err(LookError::ThroughLink));
        assert_eq!(snapshot.stat(0, Path::new("a/b/file")).unwrap().mode, 0o640);
        assert!(
            snapshot.lock().stats.contains_key(&(0, PathBuf::from("a/b/file"))),
            "what is there is remembered"
        );
    }

    #[test]
    fn names_that_are_not_utf8_are_listed() {
        let (home, snapshot) = target();
        let odd = OsStr::from_bytes(b"\xff\xfe");
        std::fs::write(home.path().join("state/a").join(odd), "").unwrap();
        let names: Vec<OsString> =
            snapshot.list(0, Path::new("a")).unwrap().iter().map(|entry| entry.name.to_owned()).collect();
        assert_eq!(names, [OsString::from("b"), odd.to_owned()]);
    }

    #[test]
    fn a_root_that_leads_to_itself_has_nothing_in_it() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("circle");
        symlink("circle", &root).unwrap();
        let snapshot = Snapshot::new([Root::chosen(root)], &Preview::default());
        assert_eq!(snapshot.stat(0, Path::new("")).map(|root| root.kind), Ok(Kind::Symlink));
        assert_eq!(snapshot.read(0, Path::new("file")), Err(LookError::NotFound));
        assert_eq!(snapshot.list(0, Path::new("")), Err(LookError::NotFound));
    }

    #[test]
    fn what_was_found_must_still_be_there() {
        let home = tempfile::tempdir().unwrap();
        let [one, other, link] = ["one", "other", "link"].map(|name| home.path().join(name));
        for folder in [&one, &other] {
            std::fs::create_dir(folder).unwrap();
            std::fs::write(folder.join("file"), "text").unwrap();
        }
        symlink(&one, &link).unwrap();
        let object = Metadata::from(&rustix::fs::stat(&link).unwrap()).identity;
        let snapshot = || Snapshot::new([Root::found(link.clone(), object)], &Preview::default());
        assert_eq!(&**snapshot().read(0, Path::new("file")).unwrap(), b"text");
        std::fs::remove_file(&link).unwrap();
        symlink(&other, &link).unwrap();
        assert_eq!(snapshot().read(0, Path::new("file")), Err(LookError::Changed));
        assert_eq!(snapshot().list(0, Path::new("")), Err(LookError::Changed));
        assert_eq!(snapshot().stat(0, Path::new("")), Err(LookError::Changed));
    }
}
