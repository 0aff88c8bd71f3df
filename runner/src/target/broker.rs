//! Opening what a confined process may not open itself. The worker names a place; the supervisor opens it where the territory
//! allows, and hands over the handle, for reading. What lies beneath the roots that the worker holds it opens by itself.
//!
//! The worker may be somebody else's by then, so the supervisor believes nothing: a place must be what a view can be for,
//! by the name that the object really has, and belong to whom the territory says. Once the worker is sealed, before the first
//! policy runs, it gets nothing more but beneath the views that it had by then.

use std::collections::BTreeSet;
use std::io::{self, IoSlice, IoSliceMut, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use super::real::{real_path, real_path_of};
use super::snapshot::{LookError, Metadata, open_beneath};
use super::{Territory, is_inside, sysroot};
use crate::wire;

/// Longest question, in bytes: the roots of some two thousand views.
const MAX_QUESTION: u32 = 16 << 20;

/// Places that are opened for one worker: a hundred times what an ordinary deep audit asks for.
const MAX_OPENED: usize = 2_000_000;

/// What should be opened, and how links count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Want {
    /// A directory below the base, or the base itself; no link below the base.
    Directory,
    /// A regular file below the base; no link below it.
    File,
    /// The base itself, a regular file; links are followed.
    Linked,
    /// The base itself, a regular file; no link on the whole way.
    Unlinked,
}

#[derive(Debug, Deserialize, Serialize)]
enum Question {
    Open {
        #[serde(with = "wire::path")]
        base: PathBuf,
        #[serde(with = "wire::path")]
        rel: PathBuf,
        want: Want,
    },
    Seal(Vec<Base>),
    Call(String),
}

/// The path of a view.
#[derive(Debug, Deserialize, Serialize)]
struct Base(#[serde(with = "wire::path")] PathBuf);

/// Whoever holds it asks the supervisor, on standard input; none in a process that has no supervisor.
static TURN: OnceLock<Mutex<()>> = OnceLock::new();

/// Makes this process a worker, whose supervisor is at the other end of standard input.
pub fn ask_supervisor() {
    TURN.get_or_init(Mutex::default);
}

/// Asks the supervisor, where there is one.
fn ask(question: &Question) -> Option<Result<Option<OwnedFd>, Errno>> {
    let _turn = TURN.get()?.lock().unwrap_or_else(PoisonError::into_inner);
    Some(ask_at(io::stdin().as_fd(), question))
}

/// This process is a worker.
#[must_use]
pub fn has_supervisor() -> bool {
    TURN.get().is_some()
}

/// Has the supervisor call somebody, and gives the handle on which the result comes.
///
/// # Errors
/// What the supervisor says.
pub fn call(text: String) -> Result<OwnedFd, Errno> {
    ask(&Question::Call(text)).ok_or(Errno::ACCESS)??.ok_or(Errno::ACCESS)
}

/// Opens a place for reading: `direct` does it, and where this process may not, its supervisor is asked.
pub fn open(
    base: &Path,
    rel: &Path,
    want: Want,
    direct: impl FnOnce() -> Result<OwnedFd, Errno>,
) -> Result<OwnedFd, Errno> {
    match direct() {
        Err(Errno::ACCESS) => request(base, rel, want),
        direct => direct,
    }
}

/// Has a place opened that this process may not open. Where it has no supervisor, it may not indeed.
pub(super) fn request(base: &Path, rel: &Path, want: Want) -> Result<OwnedFd, Errno> {
    let question = Question::Open { base: base.to_owned(), rel: rel.to_owned(), want };
    ask(&question).ok_or(Errno::ACCESS)??.ok_or(Errno::ACCESS)
}

/// From here on this process gets nothing but beneath these places.
pub fn seal(views: impl Iterator<Item = PathBuf>) {
    // Where nobody answers, nothing is opened either.
    let _ = ask(&Question::Seal(views.map(Base).collect()));
}

/// Asks at this channel. By two system calls that are for sockets alone, so that a filter can tell them from others.
fn ask_at(channel: BorrowedFd<'_>, question: &Question) -> Result<Option<OwnedFd>, Errno> {
    let text = serde_json::to_vec(question).map_err(|_| Errno::INVAL)?;
    let length = u32::try_from(text.len()).map_err(|_| Errno::TOOBIG)?;
    let whole = [&length.to_le_bytes()[..], &text].concat();
    let mut rest = &*whole;
    while !rest.is_empty() {
        let mut nothing = SendAncillaryBuffer::new(&mut []);
        let sent = sendmsg(channel, &[IoSlice::new(rest)], &mut nothing, SendFlags::NOSIGNAL)?;
        rest = rest.get(sent..).unwrap_or_default();
    }
    let (code, handle) = receive(channel)?;
    if code == 0 { Ok(handle) } else { Err(Errno::from_raw_os_error(code)) }
}

/// Takes an answer: a number, and a handle where the number is 0.
fn receive(channel: BorrowedFd<'_>) -> Result<(i32, Option<OwnedFd>), Errno> {
    let mut code = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut with = RecvAncillaryBuffer::new(&mut space);
    let taken = recvmsg(channel, &mut [IoSliceMut::new(&mut code)], &mut with, RecvFlags::CMSG_CLOEXEC)?;
    if taken.bytes != code.len() {
        return Err(Errno::PIPE);
    }
    let handle = with.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut handles) => handles.next(),
        _ => None,
    });
    Ok((i32::from_le_bytes(code), handle))
}

fn answer(channel: &UnixStream, opened: &Result<Option<OwnedFd>, Errno>) -> Result<(), Errno> {
    let code = opened.as_ref().map_or_else(|errno| errno.raw_os_error(), |_| 0);
    send(channel, code, opened.as_ref().ok().and_then(Option::as_ref).map(|handle| handle.as_fd()))
}

fn send(channel: &UnixStream, code: i32, handle: Option<BorrowedFd<'_>>) -> Result<(), Errno> {
    let code = code.to_le_bytes();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut with = SendAncillaryBuffer::new(&mut space);
    let handles = handle.map(|handle| [handle]);
    if let Some(handles) = &handles {
        with.push(SendAncillaryMessage::ScmRights(handles));
    }
    sendmsg(channel, &[IoSlice::new(&code)], &mut with, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Hands over an open file.
///
/// # Errors
/// What the system says.
pub fn give_handle(channel: &UnixStream, handle: BorrowedFd<'_>) -> Result<(), Errno> {
    send(channel, 0, Some(handle))
}

/// Takes an open file that was handed over.
///
/// # Errors
/// Where none comes.
pub fn take_handle(channel: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    receive(channel)?.1.ok_or(Errno::BADF)
}

/// A file by this name is what some view can be for.
pub type IsReadable = fn(&str) -> bool;

/// Makes the one call that an audit makes.
pub type Caller = Box<dyn FnOnce(&str) -> Result<OwnedFd, Errno> + Send>;

/// What a worker may have opened now. Between two targets it is nothing.
pub type Current = Mutex<Option<Broker>>;

/// Answers until the worker has gone, or asks what no worker asks.
pub fn serve(current: &Current, mut channel: UnixStream) {
    while let Some(question) = next(&mut channel) {
        let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = current.as_mut().map_or(Err(Errno::ACCESS), |broker| broker.answer(question));
        drop(current);
        if answer(&channel, &opened).is_err() {
            break;
        }
    }
}

/// The supervisor's side: what one worker may have opened.
pub struct Broker {
    territory: Territory,
    /// What an audit reads for certain, whatever the names of its files.
    roots: Vec<Root>,
    /// Directories from which a config may include files, whatever their names.
    includes: Vec<PathBuf>,
    is_readable: IsReadable,
    /// The views, once the worker is sealed.
    views: Option<BTreeSet<PathBuf>>,
    left: usize,
    /// None where nobody is to be called, or has been already.
    caller: Option<Caller>,
}

/// A place that an audit reads for certain.
struct Root {
    path: PathBuf,
    /// The config, or a `.env` file: no policy reads it.
    is_file: bool,
}

impl Broker {
    /// Opens what an installation's audit may read: what lies beneath these roots, what a config may include from there, and what a view
    /// can be for.
    #[must_use]
    pub fn new(
        territory: Territory,
        roots: Vec<PathBuf>,
        includes: Vec<PathBuf>,
        is_readable: IsReadable,
        caller: Option<Caller>,
    ) -> Self {
        // A file is judged by the path that it really has, so they are, too.
        let real = |path: PathBuf| real_path(&path).unwrap_or(path);
        let roots = roots.into_iter().map(real);
        let roots = roots.map(|path| Root { is_file: sysroot::is_file(&path), path }).collect();
        let includes = includes.into_iter().map(real).collect();
        Self { territory, roots, includes, is_readable, views: None, left: MAX_OPENED, caller }
    }

    fn answer(&mut self, question: Question) -> Result<Option<OwnedFd>, Errno> {
        match question {
            Question::Open { base, rel, want } => self.open(&base, &rel, want).map(Some),
            Question::Seal(views) => {
                // The first word counts.
                self.views.get_or_insert_with(|| views.into_iter().map(|Base(path)| path).collect());
                Ok(None)
            }
            Question::Call(text) => {
                let caller = self.caller.take().filter(|_| self.views.is_none());
                caller.map_or(Err(Errno::ACCESS), |call| call(&text).map(Some))
            }
        }
    }

    fn open(&mut self, base: &Path, rel: &Path, want: Want) -> Result<OwnedFd, Errno> {
        self.left = self.left.checked_sub(1).ok_or(Errno::MFILE)?;
        let is_plain = |path: &Path| {
            path.components().all(|part| matches!(part, Component::Normal(_) | Component::RootDir))
        };
        if !base.is_absolute()
            || rel.is_absolute()
            || !is_plain(base)
            || !is_plain(rel)
            || self.views.as_ref().is_some_and(|views| !views.contains(base))
        {
            return Err(Errno::ACCESS);
        }
        let itself = rel.as_os_str().is_empty();
        let reading = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        // Looked at first, because opening a device can already do something to it.
        let (handle, opened) = match want {
            Want::Directory if itself => {
                (sysroot::open(base, OFlags::PATH)?, sysroot::open(base, reading | OFlags::DIRECTORY)?)
            }
            Want::Linked if itself => {
                let handle = sysroot::open(base, OFlags::PATH)?;
                self.check(&handle, base, FileType::RegularFile)?;
                (handle, sysroot::open(base, reading)?)
            }
            Want::Unlinked if itself => {
                let top = sysroot::open(Path::new("/"), OFlags::PATH)?;
                self.beneath(&top, base.strip_prefix("/").unwrap_or(base), base, want)?
            }
            Want::Directory | Want::File if !itself => {
                let top = sysroot::open(base, OFlags::PATH | OFlags::DIRECTORY)?;
                self.beneath(&top, rel, &base.join(rel), want)?
            }
            _ => return Err(Errno::INVAL),
        };
        let kind = if want == Want::Directory { FileType::Directory } else { FileType::RegularFile };
        let path = base.join(rel);
        let (found, opened_is) = (self.check(&handle, &path, kind)?, self.check(&opened, &path, kind)?);
        if found.identity.is(opened_is.identity) { Ok(opened) } else { Err(Errno::ACCESS) }
    }

    fn beneath(
        &self,
        top: &OwnedFd,
        rel: &Path,
        path: &Path,
        want: Want,
    ) -> Result<(OwnedFd, OwnedFd), Errno> {
        let open = |flags| {
            open_beneath(top, rel, flags).map_err(|error| match error {
                LookError::NotFound => Errno::NOENT,
                LookError::ThroughLink => Errno::LOOP,
                _ => Errno::ACCESS,
            })
        };
        let handle = open(OFlags::PATH)?;
        let reading = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = if want == Want::Directory {
            open(reading | OFlags::DIRECTORY)?
        } else {
            self.check(&handle, path, FileType::RegularFile)?;
            open(reading)?
        };
        Ok((handle, opened))
    }

    /// The object may be read: it is of this kind, the territory allows it, and its real name is one that a view is for.
    fn check(&self, handle: &OwnedFd, path: &Path, kind: FileType) -> Result<Metadata, Errno> {
        let stat = rustix::fs::fstat(handle)?;
        let object = Metadata::from(&stat);
        if FileType::from_raw_mode(stat.st_mode) != kind || !self.territory.may_read(&object) {
            return Err(Errno::ACCESS);
        }
        if kind == FileType::RegularFile {
            let real = real_path_of(handle, path)?;
            let name = real.file_name().unwrap_or_default().to_string_lossy();
            let is_sealed = self.views.is_some();
            let mut roots = self.roots.iter().filter(|root| !(is_sealed && root.is_file));
            let is_rooted = roots.any(|root| is_inside(&root.path, &real));
            let is_include = !is_sealed && self.includes.iter().any(|root| is_inside(root, &real));
            if !is_rooted && !is_include && !(self.is_readable)(&name) {
                return Err(Errno::ACCESS);
            }
        }
        Ok(object)
    }
}

/// The next question; none where the worker has gone, or says what no worker says.
fn next(channel: &mut UnixStream) -> Option<Question> {
    let mut length = [0; 4];
    channel.read_exact(&mut length).ok()?;
    let length = u32::from_le_bytes(length);
    if length > MAX_QUESTION {
        return None;
    }
    // Room for an ordinary question, which is read in one call; no more is taken on the word of a worker.
    let mut text = Vec::with_capacity((length as usize).min(1 << 10));
    (&mut *channel).take(length.into()).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn is_readable(name: &str) -> bool {
        Path::new(name).extension().is_some_and(|ending| ending == "js")
    }

    fn broker(includes: &Path) -> Broker {
        let territory = Territory::of(rustix::process::geteuid().as_raw());
        Broker::new(territory, Vec::new(), vec![includes.to_owned()], is_readable, None)
    }

    #[test]
    fn only_what_a_view_can_be_for_is_opened() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        for folder in ["code", "config", "secret"] {
            std::fs::create_dir(home.join(folder)).unwrap();
        }
        for file in ["code/plugin.js", "code/id_rsa", "config/part", "secret/key"] {
            std::fs::write(home.join(file), "text").unwrap();
        }
        symlink("../secret/key", home.join("code/link.js")).unwrap();
        symlink("../secret/key", home.join("config/link")).unwrap();
        // The folder of the config may be reached through a link.
        symlink("config", home.join("way")).unwrap();
        let mut broker = broker(&home.join("way"));
        let mut opens =
            |base: &str, rel: &str, want| broker.open(&home.join(base), Path::new(rel), want).is_ok();
        assert!(opens("code", "plugin.js", Want::File) && opens("config", "part", Want::File));
        assert!(opens("way", "part", Want::File));
        assert!(opens("code/plugin.js", "", Want::Linked) && opens("code/plugin.js", "", Want::Unlinked));
        assert!(opens("code", "", Want::Directory) && opens("", "code", Want::Directory));
        for (base, rel, want) in [
            ("code", "id_rsa", Want::File),
            ("code", "link.js", Want::File),
            ("code/link.js", "", Want::Linked),
            ("config/link", "", Want::Linked),
            ("secret/key", "", Want::Linked),
            ("code", "../secret/key", Want::File),
            ("code", "plugin.js", Want::Directory),
            ("code", "", Want::File),
            ("/dev/null", "", Want::Linked),
            ("/etc/passwd", "", Want::Linked),
        ] {
            assert!(!opens(base, rel, want), "{base} {rel} {want:?}");
        }
        assert_eq!(
            broker.open(Path::new("code"), Path::new(""), Want::Directory).unwrap_err(),
            Errno::ACCESS
        );
    }

    #[test]
    fn a_sealed_worker_gets_its_views_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        for file in ["one.js", "two.js", "part"] {
            std::fs::write(home.join(file), "text").unwrap();
        }
        let (ours, theirs) = UnixStream::pair().unwrap();
        let serving = std::thread::spawn({
            let current = Mutex::new(Some(broker(&home)));
            move || serve(&current, theirs)
        });
        let open = |name: &str| {
            let question = Question::Open { base: home.join(name), rel: PathBuf::new(), want: Want::Linked };
            ask_at(ours.as_fd(), &question).map(|handle| handle.is_some())
        };
        assert_eq!((open("one.js"), open("part")), (Ok(true), Ok(true)));
        assert_eq!(open("none.js"), Err(Errno::NOENT));
        let seal = |name: &str| ask_at(ours.as_fd(), &Question::Seal(vec![Base(home.join(name))])).map(drop);
        assert_eq!(seal("one.js"), Ok(()));
        assert_eq!((open("one.js"), open("two.js")), (Ok(true), Err(Errno::ACCESS)));
        assert_eq!(seal("two.js"), Ok(()), "it is heard, and changes nothing");
        assert_eq!((open("two.js"), open("part")), (Err(Errno::ACCESS), Err(Errno::ACCESS)));
        drop(ours);
        serving.join().unwrap();
    }

    #[test]
    fn what_an_audit_reads_for_certain_is_opened_by_any_name_and_the_config_until_it_is_sealed() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        for folder in ["state", "kept"] {
            std::fs::create_dir(home.join(folder)).unwrap();
        }
        for file in ["state/some.sqlite", "state/.env", "kept/config", "kept/other"] {
            std::fs::write(home.join(file), "text").unwrap();
        }
        symlink("../kept/config", home.join("state/openclaw.json")).unwrap();
        symlink("../kept/other", home.join("state/link")).unwrap();
        let roots = ["state", "state/openclaw.json"].map(|root| home.join(root)).to_vec();
        let territory = Territory::of(rustix::process::geteuid().as_raw());
        let mut broker = Broker::new(territory, roots, Vec::new(), is_readable, None);
        let all = ["some.sqlite", ".env", "openclaw.json", "link"];
        let opens = |broker: &mut Broker| {
            all.map(|name| broker.open(&home.join("state").join(name), Path::new(""), Want::Linked).is_ok())
        };
        assert_eq!(opens(&mut broker), [true, true, true, false]);
        broker.views = Some(all.iter().map(|name| home.join("state").join(name)).collect());
        assert_eq!(opens(&mut broker), [true, true, false, false], "a view of the config is not for reading");
        broker.views = Some(BTreeSet::new());
        assert_eq!(opens(&mut broker), [false; 4]);
    }

    #[test]
    fn between_two_targets_nothing_is_opened() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        for folder in ["first", "second"] {
            std::fs::create_dir(home.join(folder)).unwrap();
            std::fs::write(home.join(folder).join("part"), "text").unwrap();
        }
        let (ours, theirs) = UnixStream::pair().unwrap();
        let current = Current::new(None);
        std::thread::scope(|scope| {
            scope.spawn(|| serve(&current, theirs));
            let open = |folder: &str| {
                let (base, rel) = (home.join(folder).join("part"), PathBuf::new());
                let question = Question::Open { base, rel, want: Want::Linked };
                ask_at(ours.as_fd(), &question).map(|handle| handle.is_some())
            };
            assert_eq!(open("first"), Err(Errno::ACCESS));
            *current.lock().unwrap() = Some(broker(&home.join("first")));
            assert_eq!((open("first"), open("second")), (Ok(true), Err(Errno::ACCESS)));
            *current.lock().unwrap() = None;
            assert_eq!(open("first"), Err(Errno::ACCESS));
            *current.lock().unwrap() = Some(broker(&home.join("second")));
            assert_eq!((open("first"), open("second")), (Err(Errno::ACCESS), Ok(true)));
            ours.shutdown(std::net::Shutdown::Both).unwrap();
        });
    }
}
