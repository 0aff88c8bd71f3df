//! The cache of code: what was compiled of a stranger's policy, so that the next audit need not compile it again. It lies
//! outside of the target, and is its owner's alone: whoever could write to it would choose what runs.
//!
//! Where there is no place for a cache, code is kept in a file without a name, for one audit.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, StatVfsMountFlags, Timespec, Timestamps};
use rustix::io::Errno;

use super::code_file::{
    CodeError, CodeFile, Digest, ENGINE, Label, PRIVATE, READ, UNFINISHED, make, temporary,
};
use crate::target::Environment;
use crate::target::private::{self, Unfit, is_ours};
use crate::target::snapshot::{Identity, Kind, Metadata};

/// Entries that are kept; those that were not used for the longest time go first.
const KEPT: usize = 32;

/// How long an entry is kept that nobody uses, in seconds.
const UNUSED: i64 = 90 * 24 * 60 * 60;

/// How old a file is, in seconds, that a process began to write and will not finish.
const ABANDONED: i64 = 24 * 60 * 60;

/// What the names of entries end with.
const ENDING: &str = ".cwasm";

/// Why there is no cache, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCache {
    /// Nobody knows where it should lie.
    #[error(
        "there is no cache of code, because neither XDG_CACHE_HOME nor HOME names a folder; set one of them"
    )]
    Homeless,
    /// Others could change what is in it, or what leads to it.
    #[error(
        "the cache of code is not used, because others can change {0}; take that from them with `chmod go-w`"
    )]
    Open(String),
    /// It lies in the target, where an audit writes nothing.
    #[error(
        "the cache of code is not used, because {0} lies in the target; set XDG_CACHE_HOME to another folder"
    )]
    InTarget(String),
    /// Code cannot be executed there.
    #[error(
        "the cache of code is not used, because {0} is on a file system that is mounted noexec; set XDG_CACHE_HOME to a folder of \
         yours on another one"
    )]
    NoExec(String),
    /// The system says no.
    #[error("the cache of code, {0}, cannot be used: {1}; set XDG_CACHE_HOME to a folder of yours")]
    System(String, String),
}

/// There is no place where code can be kept and executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{cache}, or make the policy's code elsewhere with `chitin policy compile`; no other place will do: {others}"
)]
pub struct Nowhere {
    cache: NoCache,
    others: String,
}

/// Where code is kept.
#[derive(Clone, Debug)]
pub struct Cache {
    /// What lies below it is the caller's alone; none where nobody knows where.
    base: Option<PathBuf>,
    own: PathBuf,
    /// Folders for files without names.
    others: Vec<PathBuf>,
    /// The target's state directory.
    target: Option<Identity>,
}

impl Cache {
    /// The cache of this user: `chitin/code` in `XDG_CACHE_HOME`, by default `~/.cache`. The environment is that of the
    /// process: no target says where it lies.
    #[must_use]
    pub fn of(environment: &Environment, target: Option<Identity>) -> Self {
        let set = |name: &str| {
            environment.get(name).filter(|value| Path::new(value).is_absolute()).map(PathBuf::from)
        };
        let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
        let others =
            [set("XDG_RUNTIME_DIR"), set("TMPDIR"), Some("/tmp".into())].into_iter().flatten().collect();
        Self { base, own: PathBuf::from("chitin/code"), others, target }
    }

    /// Where it lies.
    #[must_use]
    pub fn folder(&self) -> Option<PathBuf> {
        self.base.as_ref().map(|base| base.join(&self.own))
    }

    /// The code of a component, as this engine made it; none where it is not known, or is not as it was left.
    ///
    /// # Errors
    /// Where there is no cache that can be used.
    pub fn find(&self, component: &Digest) -> Result<Option<CodeFile>, NoCache> {
        let folder = match self.open(false) {
            Ok(folder) => folder,
            Err(Ok(())) => return Ok(None),
            Err(Err(error)) => return Err(error),
        };
        let Ok(handle) = rustix::fs::openat(&folder, name(component), READ, Mode::empty()) else {
            return Ok(None);
        };
        // Another account's file is none of ours, root's neither.
        let ours = rustix::fs::fstat(&handle).is_ok_and(|stat| is_ours(&Metadata::from(&stat), Kind::File));
        let Some((label, code)) = CodeFile::of(handle).ok().filter(|_| ours) else { return Ok(None) };
        if label.component != *component || label.fits().is_err() || !code.is_intact() {
            return Ok(None);
        }
        // When it was last used: the oldest go first. A disk that is read only keeps what it has.
        let omit = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
        let now = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
        let _ =
            rustix::fs::futimens(code.handle(), &Timestamps { last_access: now, last_modification: omit });
        Ok(Some(code))
    }

    /// Keeps code, and gives it back as a file that it can be mapped from. Where there is no cache, it is kept for this
    /// process alone, and told why.
    ///
    /// # Errors
    /// Where there is no place for it at all.
    pub fn keep(&self, label: &Label, code: &[u8]) -> Result<(CodeFile, Option<NoCache>), Nowhere> {
        match self.keep_entry(label, code) {
            Ok(kept) => Ok((kept, None)),
            Err(cache) => match self.keep_unnamed(label, code) {
                Ok(kept) => Ok((kept, Some(cache))),
                Err(others) => Err(Nowhere { cache, others }),
            },
        }
    }

    fn keep_entry(&self, label: &Label, code: &[u8]) -> Result<CodeFile, NoCache> {
        let folder = match self.open(true) {
            Ok(folder) => folder,
            Err(Ok(())) => return Err(self.system(&Errno::NOENT.into())),
            Err(Err(error)) => return Err(error),
        };
        clean(&folder);
        let temporary = temporary().map_err(|errno| self.system(&errno.into()))?;
        let made = make(&folder, &temporary, PRIVATE, label, code).and_then(|file| {
            rustix::fs::renameat(&folder, &temporary, &folder, name(&label.component))?;
            Ok(file)
        });
        made.map_err(|error| {
            let _ = rustix::fs::unlinkat(&folder, &temporary, AtFlags::empty());
            self.system(&error)
        })
    }

    /// Keeps code in a file that has no name any more.
    fn keep_unnamed(&self, label: &Label, code: &[u8]) -> Result<CodeFile, String> {
        let mut reasons = Vec::new();
        for place in &self.others {
            let one = || {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let folder = rustix::fs::open(place, flags, Mode::empty())?;
                self.avoid(&folder)?;
                if forbids_execution(&folder) {
                    return Err(CodeError::System("its file system is mounted noexec".to_owned()));
                }
                let temporary = temporary()?;
                let made = make(&folder, &temporary, PRIVATE, label, code);
                // Nobody else knows the name; what was opened is what was made.
                let _ = rustix::fs::unlinkat(&folder, &temporary, AtFlags::empty());
                made
            };
            match one() {
                Ok(file) => return Ok(file),
                Err(error) => reasons.push(format!("{}: {}", place.display(), plain(&error))),
            }
        }
        Err(reasons.join("; "))
    }

    /// Opens the folder. Where it does not exist, that is no error.
    fn open(&self, make: bool) -> Result<OwnedFd, Result<(), NoCache>> {
        let base = self.base.as_ref().ok_or(Err(NoCache::Homeless))?;
        let folder = private::open(base, &self.own, make, self.target).map_err(|unfit| match unfit {
            Unfit::Open(path) => Err(NoCache::Open(path.display().to_string())),
            Unfit::InTarget => Err(NoCache::InTarget(self.told())),
            Unfit::Missing => Ok(()),
            Unfit::System(errno) => Err(self.system(&errno.into())),
        })?;
        if forbids_execution(&folder) {
            return Err(Err(NoCache::NoExec(self.told())));
        }
        Ok(folder)
    }

    fn avoid(&self, folder: &OwnedFd) -> Result<(), CodeError> {
        let identity = Metadata::from(&rustix::fs::fstat(folder)?).identity;
        let inside = self.target.is_some_and(|target| target.is(identity));
        if inside { Err(CodeError::System("it is the target".to_owned())) } else { Ok(()) }
    }

    fn told(&self) -> String {
        self.folder().unwrap_or_default().display().to_string()
    }

    fn system(&self, error: &CodeError) -> NoCache {
        NoCache::System(self.told(), plain(error))
    }
}

/// The system's own words.
fn plain(error: &CodeError) -> String {
    match error {
        CodeError::System(reason) => reason.clone(),
        other => other.to_string(),
    }
}

/// An entry's name: the same component has code for each engine.
fn name(component: &Digest) -> String {
    format!("{component}-{}{ENDING}", ENGINE.get(..16).unwrap_or(ENGINE))
}

/// Files of this file system cannot be executed, nor mapped to be.
fn forbids_execution(folder: &OwnedFd) -> bool {
    rustix::fs::fstatvfs(folder).is_ok_and(|system| system.f_flag.contains(StatVfsMountFlags::NOEXEC))
}

/// Removes what nobody has used for long, or never finished. What cannot be removed stays.
#[allow(clippy::useless_conversion, reason = "the types of the fields differ between architectures")]
fn clean(folder: &OwnedFd) {
    let Ok(entries) = rustix::fs::Dir::read_from(folder) else { return };
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec;
    let mut known = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let text = name.to_string_lossy();
        let unfinished = text.starts_with(UNFINISHED);
        let Ok(stat) = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        if !unfinished && !text.ends_with(ENDING) {
            continue;
        }
        let used = i64::from(stat.st_atime).max(i64::from(stat.st_mtime));
        let most = if unfinished { ABANDONED } else { UNUSED };
        if now.saturating_sub(used) > most {
            let _ = rustix::fs::unlinkat(folder, name, AtFlags::empty());
        } else if !unfinished {
            known.push((used, name.to_owned()));
        }
    }
    known.sort();
    // One more is about to be made.
    for (_, name) in known.iter().take((known.len() + 1).saturating_sub(KEPT)) {
        let _ = rustix::fs::unlinkat(folder, &**name, AtFlags::empty());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::policy::code_file::{MACHINE, Source};

    /// A home directory, its cache, and the label of some code.
    fn home() -> (tempfile::TempDir, Cache) {
        let home = tempfile::tempdir().unwrap();
        let environment: Environment = [("HOME", home.path().to_str().unwrap())].into_iter().collect();
        let cache = Cache::of(&environment, None);
        (home, cache)
    }

    fn label(component: &[u8], engine: &str, code: &[u8]) -> Label {
        let (digest, bytes) = (Digest::of(component), component.len());
        Label::new(&Source { manifest: "", imports: &[], digest, bytes }, (MACHINE, engine), code)
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_is_kept_is_found_and_nothing_else() {
        let (_home, cache) = home();
        let component = Digest::of(b"one");
        assert!(cache.find(&component).unwrap().is_none(), "there is no cache yet");
        let (_, reason) = cache.keep(&label(b"one", ENGINE, b"code"), b"code").unwrap();
        assert_eq!(reason, None);
        let found = cache.find(&component).unwrap().unwrap();
        assert_eq!(found.extent().digest, Digest::of(b"code"));
        assert!(cache.find(&Digest::of(b"two")).unwrap().is_none());
        let folder = cache.folder().unwrap();
        let own = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(own(&folder), 0o700);
        let entries: Vec<PathBuf> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(entries.iter().map(|path| own(path)).collect::<Vec<_>>(), [0o600]);
    }

    #[test]
    fn an_entry_that_is_not_as_it_was_left_is_made_again() {
        let (_home, cache) = home();
        let component = Digest::of(b"one");
        let keep = || cache.keep(&label(b"one", ENGINE, b"code"), b"code").unwrap();
        let path = cache.folder().unwrap().join(name(&component));
        keep();
        let whole = fs::read(&path).unwrap();
        let mut changed = whole.clone();
        *changed.last_mut().unwrap() ^= 1;
        for bytes in [&whole[..whole.len() - 1], &changed, b""] {
            fs::write(&path, bytes).unwrap();
            assert!(cache.find(&component).unwrap().is_none());
        }
        for bad in [0o666, 0o620] {
            fs::write(&path, &whole).unwrap();
            mode(&path, bad);
            assert!(cache.find(&component).unwrap().is_none(), "{bad:o}");
        }
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(cache.find(&component).unwrap().is_none());
        keep();
        assert!(cache.find(&component).unwrap().is_some());
        // Another engine's code under this one's name.
        let other = label(b"one", "another engine", b"code");
        cache.keep(&other, b"code").unwrap();
        assert!(cache.find(&component).unwrap().is_none());
    }

    #[test]
    fn a_cache_that_others_can_write_to_is_not_used_and_told() {
        let (_home, cache) = home();
        let component = Digest::of(b"one");
        let label = label(b"one", ENGINE, b"code");
        cache.keep(&label, b"code").unwrap();
        let folder = cache.folder().unwrap();
        for open in [folder.clone(), folder.parent().unwrap().to_owned()] {
            mode(&open, 0o777);
            let error = cache.find(&component).unwrap_err();
            assert_eq!(error, NoCache::Open(open.display().to_string()));
            let (code, reason) = cache.keep(&label, b"code").unwrap();
            assert_eq!(reason, Some(error), "it is kept for this process alone");
            assert!(code.is_intact());
            mode(&open, 0o700);
        }
        assert!(cache.find(&component).unwrap().is_some(), "the control");
    }

    #[test]
    fn where_nothing_can_be_written_each_place_is_named() {
        let (home, cache) = home();
        let none = home.path().join("none");
        let lost = Cache { base: None, others: vec![none.clone()], ..cache };
        let error = lost.keep(&label(b"one", ENGINE, b"code"), b"code").unwrap_err().to_string();
        assert!(error.starts_with("there is no cache of code, because neither XDG_CACHE_HOME"), "{error}");
        assert!(error.contains(&format!("{}: No such file", none.display())), "{error}");
    }

    #[test]
    fn the_target_is_not_written_to() {
        let (home, cache) = home();
        let target = Metadata::from(&rustix::fs::stat(home.path()).unwrap()).identity;
        let inside = Cache { target: Some(target), others: vec![home.path().to_owned()], ..cache };
        let error = inside.keep(&label(b"one", ENGINE, b"code"), b"code").unwrap_err().to_string();
        assert!(error.contains("lies in the target") && error.contains("it is the target"), "{error}");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn old_entries_go() {
        let (_home, cache) = home();
        for number in 0..KEPT + 3 {
            cache.keep(&label(&number.to_le_bytes(), ENGINE, b"code"), b"code").unwrap();
        }
        let folder = cache.folder().unwrap();
        let count = || fs::read_dir(&folder).unwrap().count();
        assert_eq!(count(), KEPT);
        let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
        let times = fs::FileTimes::new().set_accessed(long_ago).set_modified(long_ago);
        for entry in fs::read_dir(&folder).unwrap() {
            fs::File::options().write(true).open(entry.unwrap().path()).unwrap().set_times(times).unwrap();
        }
        cache.keep(&label(b"last", ENGINE, b"code"), b"code").unwrap();
        assert_eq!(count(), 1);
    }
}
