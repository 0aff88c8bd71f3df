//! Several targets in one call: named on the command line, or in a list. Each is audited for itself, and one that cannot be used costs none
//! of the others.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;
use chitin::audit::visible;
use chitin::budget::Budget;
use clap::Args;
use data_encoding::HEXLOWER;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::target::TargetArguments;
use super::{note, user_error};

/// The longest line of a list, in bytes: some paths of the greatest length.
const MAX_LINE: usize = 16 << 10;

/// The longest line of results that is understood, in bytes: some times the one about a target with very many gaps.
const MAX_RESULT: usize = 16 << 20;

/// How many repetitions are told one by one.
const REPEATED: usize = 20;

/// How much is read at a time, in bytes.
const CHUNK: usize = 64 << 10;

/// How often whoever waits for a list asks whether it should.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Which targets.
#[derive(Args, Clone)]
pub(super) struct TargetsArguments {
    /// What to audit, where it is not this account's own installation: a folder is a state directory, a file is a config alone
    #[arg(value_name = "TARGET")]
    named: Vec<PathBuf>,
    /// A file of targets, or - for standard input: a path a line, or JSON with `stateDir`, `config`, `id`
    #[arg(long, value_name = "FILE")]
    targets: Option<PathBuf>,
    /// How many targets are audited at a time, each by a process of some 30 MB [default: one a processor]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Go on with a list: leave out the targets that are assessed (exit code 0 or 1) in this file, the results of an earlier run with
    /// --format ndjson
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
}

/// A target among several.
pub(super) struct Named {
    /// What the list calls it.
    pub id: Option<String>,
    /// The path that it was named by.
    pub path: PathBuf,
    /// What is audited; the reason where that cannot be.
    pub target: Result<TargetArguments, String>,
    /// Tells it, and its result, from all others, once [`Targets::next`] has looked where it lies.
    pub key: String,
}

/// A line of a list in JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    state_dir: Option<PathBuf>,
    config: Option<PathBuf>,
    id: Option<String>,
}

impl TargetsArguments {
    /// The one target that was named, and can be used; it is the same as by a flag.
    pub(super) fn one(&self, common: &TargetArguments) -> Option<TargetArguments> {
        let [path] = self.named.as_slice() else { return None };
        let is_alone = self.targets.is_none() && self.resume.is_none() && !common.is_named();
        by_path(path.clone(), common).target.ok().filter(|_| is_alone)
    }

    /// The files that are read of it.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.targets.as_deref().into_iter().chain(self.resume.as_deref())
    }

    /// The targets; none where none was named. `common` has what holds for all of them.
    pub(super) fn open(&self, common: &TargetArguments) -> anyhow::Result<Option<Targets>> {
        if self.named.is_empty() && self.targets.is_none() {
            if self.resume.is_some() {
                return Err(user_error(
                    "--resume is about several targets",
                    "name them as TARGET, or with --targets",
                ));
            }
            return Ok(None);
        }
        if common.is_named() {
            let what =
                "--state-dir, --config, --profile, --dev and --root name one target, and so does each TARGET";
            let help = if common.is_below_root() {
                "name the one below --root with --state-dir or --config, by its path there"
            } else {
                "name all of them as TARGET: a folder is a state directory, a file a config"
            };
            return Err(user_error(what, help));
        }
        let list = self.targets.as_deref().map(|list| {
            let help = "--targets names a file with a target a line, or - for standard input";
            let lines = Lines::open(list, MAX_LINE)
                .map_err(|error| user_error(format!("cannot read {}: {error}", list.display()), help))?;
            if rustix::fs::fstat(&lines.from).is_ok_and(|found| is_standard_output(&found)) {
                let what = format!("cannot read {}: the results are written to it", list.display());
                return Err(user_error(what, "write them to another file: they would be read as targets"));
            }
            anyhow::Ok(lines)
        });
        Ok(Some(Targets {
            common: common.clone(),
            named: self.named.clone().into_iter(),
            list: list.transpose()?,
            seen: HashSet::new(),
            repeated: 0,
            done: self.resume.as_deref().map(read_done).transpose()?.unwrap_or_default(),
            left_out: 0,
            is_empty: true,
        }))
    }

    /// How many are audited at a time.
    pub(super) fn jobs(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.jobs.map_or_else(processors, usize::from)
    }

    /// Results go on behind those that are there already, whose last line was cut off: it has no end.
    pub(super) fn is_resumed_amid_line(&self) -> bool {
        let is_there = |path: &Path| -> Result<bool, Errno> {
            let (found, mut last) = (rustix::fs::stat(path)?, [b'\n']);
            let end = u64::try_from(found.st_size).unwrap_or(0).checked_sub(1);
            if let Some(end) = end.filter(|_| is_standard_output(&found)) {
                let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
                rustix::io::pread(&file, &mut last, end)?;
            }
            Ok(last != *b"\n")
        };
        self.resume.as_deref().is_some_and(|path| is_there(path).unwrap_or(false))
    }

    /// What has its result already is left out.
    pub(super) fn is_resumed(&self) -> bool {
        self.resume.is_some()
    }
}

/// Tells a target, and its result, from all others.
type Key = [u8; 16];

fn key(parts: &[&[u8]]) -> Key {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let (mut key, digest) = (Key::default(), hash.finalize());
    key.iter_mut().zip(digest).for_each(|(byte, of)| *byte = of);
    key
}

/// The targets, each taken when somebody is there to audit it: a list may be endless, and nobody reads ahead.
pub(super) struct Targets {
    common: TargetArguments,
    named: std::vec::IntoIter<PathBuf>,
    list: Option<Lines>,
    seen: HashSet<Key>,
    /// How many were named that had been before.
    repeated: usize,
    /// The results that are there, as they are written.
    done: HashSet<String>,
    left_out: usize,
    is_empty: bool,
}

impl Targets {
    /// The next one that was not met before. None at the end, and where an interrupt ends the wait for a list that goes on.
    pub(super) fn next(&mut self, budget: &Budget) -> anyhow::Result<Option<Named>> {
        while let Some(mut named) = self.any(budget)? {
            self.is_empty = false;
            let key = named.key();
            if !self.seen.insert(key) {
                self.repeated += 1;
                if self.repeated <= REPEATED {
                    let name = named.path.display();
                    note(&visible(&format!("warning: {name} is named twice, and audited once")));
                }
                continue;
            }
            named.key = HEXLOWER.encode(&key);
            if self.done.contains(&named.key) {
                self.left_out += 1;
            } else {
                return Ok(Some(named));
            }
        }
        if self.repeated > REPEATED {
            note(&format!("warning: {} more are named twice, too", self.repeated - REPEATED));
            self.repeated = 0;
        }
        if self.is_empty && budget.cut().is_none() {
            return Err(user_error(
                "the list names no target",
                "write a path a line, or JSON such as {\"stateDir\": \"/srv/a/.openclaw\"}",
            ));
        }
        Ok(None)
    }

    /// How many were left out because they have their result.
    pub(super) fn left_out(&self) -> usize {
        self.left_out
    }

    fn any(&mut self, budget: &Budget) -> anyhow::Result<Option<Named>> {
        if let Some(path) = self.named.next() {
            return Ok(Some(by_path(path, &self.common)));
        }
        let Some(list) = &mut self.list else { return Ok(None) };
        loop {
            let Some((number, line)) = list.next(budget).context("cannot read the list of targets")? else {
                return Ok(None);
            };
            let line = match line {
                // Some editors begin a file with a mark of its encoding.
                Ok(line) if number == 1 => {
                    line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line).trim_ascii().to_owned()
                }
                Ok(line) => line.trim_ascii().to_owned(),
                Err(length) => return Ok(Some(too_long(number, length))),
            };
            if !line.is_empty() && !line.starts_with(b"#") {
                return Ok(Some(by_line(number, &line, &self.common)));
            }
        }
    }
}

impl Named {
    fn new(id: Option<String>, path: PathBuf, target: Result<TargetArguments, String>) -> Self {
        Self { id, path, target, key: String::new() }
    }

    /// Tells it from all others: by its id, or else by the path as it was named, and by the places that lie there. Each id gets its result,
    /// and so does each name: whoever owns a place could make it a link to another's, and have none.
    fn key(&self) -> Key {
        let places = match &self.target {
            Ok(target) => target.places(),
            Err(_) => vec![std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone())],
        };
        let plain: PathBuf = self.path.components().filter(|part| *part != Component::CurDir).collect();
        let name: [&[u8]; 2] = match &self.id {
            Some(id) => [b"id", id.as_bytes()],
            None => [b"path", plain.as_os_str().as_bytes()],
        };
        let places = places.iter().map(|place| place.as_os_str().as_bytes());
        key(&name.into_iter().chain(places).collect::<Vec<_>>())
    }

    /// The target's name in the results: its id, or the path as the list has it.
    pub(super) fn called(&self) -> String {
        visible(self.id.as_deref().unwrap_or(&self.path.to_string_lossy()))
    }
}

/// The keys of the targets that an earlier run has assessed, by its lines that are whole.
fn read_done(path: &Path) -> anyhow::Result<HashSet<String>> {
    #[derive(Deserialize)]
    struct Line {
        kind: String,
        key: String,
        assessed: bool,
    }
    let wrong = |error: &dyn std::fmt::Display| {
        let help = "--resume names what an earlier run with --format ndjson has written";
        user_error(format!("cannot read {}: {error}", path.display()), help)
    };
    let mut lines = Lines::open(path, MAX_RESULT).map_err(|error| wrong(&error))?;
    let (mut done, mut lines_read, mut targets) = (HashSet::new(), 0, 0);
    while let Some((_, line)) = lines.next(&Budget::default()).map_err(|error| wrong(&error))? {
        lines_read += 1;
        // A line of a finding is of another form, and one that was cut off is of none.
        let Ok(Ok(Line { kind, key, assessed })) = line.map(|line| serde_json::from_slice(&line)) else {
            continue;
        };
        if kind != "target" {
            continue;
        }
        targets += 1;
        // What was not assessed may have been changed since, or was of another account than the one that was audited: it is looked at again.
        if assessed {
            done.insert(key);
        }
    }
    if lines_read > 0 && targets == 0 {
        let name = visible(&path.to_string_lossy());
        note(&format!(
            "warning: {name} has no result of a target, as --format ndjson writes them; all are audited"
        ));
    }
    Ok(done)
}

/// It is the regular file that standard output goes to.
fn is_standard_output(found: &Stat) -> bool {
    let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    let is_same = |to: Stat| (found.st_dev, found.st_ino) == (to.st_dev, to.st_ino);
    is_file && rustix::fs::fstat(std::io::stdout()).is_ok_and(is_same)
}

/// The lines of a file, a pipe or standard input, as they come.
struct Lines {
    from: OwnedFd,
    /// What was read of it, and how much of that was given.
    buffer: Vec<u8>,
    given: usize,
    number: usize,
    /// The longest line that is given, in bytes.
    most: usize,
    is_over: bool,
}

/// A line, or the length of one that is too long.
type Line = Result<Vec<u8>, usize>;

impl Lines {
    fn open(path: &Path, most: usize) -> Result<Self, Errno> {
        let from = if path == Path::new("-") {
            rustix::io::fcntl_dupfd_cloexec(std::io::stdin(), 0)?
        } else {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
            rustix::fs::open(path, flags, Mode::empty())?
        };
        if FileType::from_raw_mode(rustix::fs::fstat(&from)?.st_mode) == FileType::Directory {
            return Err(Errno::ISDIR);
        }
        Ok(Self { from, buffer: Vec::new(), given: 0, number: 0, most, is_over: false })
    }

    /// The next line and its number. None at the end, and where the wait for it was interrupted.
    fn next(&mut self, budget: &Budget) -> Result<Option<(usize, Line)>, Errno> {
        let (mut looked, mut lost) = (self.given, 0);
        loop {
            let new = self.buffer.get(looked..).unwrap_or_default();
            let end = new.iter().position(|byte| *byte == b'\n').map(|at| looked + at);
            let (line, next) = match end {
                Some(end) => (self.buffer.get(self.given..end), end + 1),
                None if self.is_over => (self.buffer.get(self.given..), self.buffer.len()),
                None => {
                    // Of what is longer than any line, nothing is kept.
                    self.buffer.drain(..self.given);
                    if lost > 0 || self.buffer.len() > self.most {
                        lost += self.buffer.len();
                        self.buffer.clear();
                    }
                    (self.given, looked) = (0, self.buffer.len());
                    if !self.fill(budget)? {
                        return Ok(None);
                    }
                    continue;
                }
            };
            let line = line.unwrap_or_default();
            if end.is_none() && line.is_empty() && lost == 0 {
                return Ok(None);
            }
            let length = lost + line.len();
            let line = if length > self.most { Err(length) } else { Ok(line.to_owned()) };
            self.given = next;
            self.number += 1;
            return Ok(Some((self.number, line)));
        }
    }

    /// Reads on. False where an interrupt ended the wait.
    fn fill(&mut self, budget: &Budget) -> Result<bool, Errno> {
        loop {
            if budget.cut().is_some() {
                return Ok(false);
            }
            let mut waiting = [PollFd::new(&self.from, PollFlags::IN)];
            match poll(&mut waiting, Some(&TICK)) {
                Ok(0) | Err(Errno::INTR) => continue,
                other => other?,
            };
            let at = self.buffer.len();
            self.buffer.resize(at + CHUNK, 0);
            let read = rustix::io::read(&self.from, self.buffer.get_mut(at..).unwrap_or_default());
            self.buffer.truncate(at + read.unwrap_or(0));
            match read {
                Err(Errno::INTR | Errno::AGAIN) => {}
                other => {
                    self.is_over = other? == 0;
                    return Ok(true);
                }
            }
        }
    }
}

/// A folder is a state directory, a file is a config.
fn by_path(path: PathBuf, common: &TargetArguments) -> Named {
    let target = match path.metadata() {
        Ok(found) if found.is_dir() => Ok(common.with(Some(path.clone()), None)),
        Ok(_) => Ok(common.with(None, Some(path.clone()))),
        Err(error) => Err(cannot_use(&path, &error)),
    };
    Named::new(None, path, target)
}

fn cannot_use(path: &Path, error: &std::io::Error) -> String {
    format!("cannot use {}: {error}", path.display())
}

/// A line of the list that names nothing.
fn unusable(number: usize, why: &str) -> Named {
    let path = PathBuf::from(format!("line {number}"));
    Named::new(None, path, Err(format!("line {number} of the list: {why}")))
}

fn too_long(number: usize, length: usize) -> Named {
    unusable(number, &format!("it has {length} bytes, and {MAX_LINE} are the most"))
}

fn by_line(number: usize, line: &[u8], common: &TargetArguments) -> Named {
    if !line.starts_with(b"{") {
        return by_path(OsStr::from_bytes(line).into(), common);
    }
    let Entry { state_dir, config, id } = match serde_json::from_slice(line) {
        Ok(line) => line,
        Err(error) => {
            let told = error.to_string();
            // It counts lines, too, and this is one of many.
            let what = told.rsplit_once(" at line ").map_or(&*told, |(what, _)| what);
            return unusable(number, &format!("{what}, at column {}", error.column()));
        }
    };
    let Some(path) = state_dir.clone().or_else(|| config.clone()) else {
        return unusable(number, "it has neither stateDir nor config");
    };
    // What a link leads to may not be looked at from here; then the audit says so.
    let missing = [&state_dir, &config]
        .into_iter()
        .flatten()
        .find_map(|path| path.symlink_metadata().err().map(|error| cannot_use(path, &error)));
    let target = missing.map_or_else(|| Ok(common.with(state_dir, config)), Err);
    Named::new(id, path, target)
}
