//! The runner's side of the contract: what a running policy can call. Each call is counted, each place checked
//! against the grants, before the snapshot is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};
use wasmtime::{Error, ResourceLimiter, Result};

use super::answers::{self, Question, Transcript};
use super::bindings::builtin::Builtin;
use super::bindings::builtin::chitin::builtin::displays;
use super::bindings::policy::Policy;
use super::bindings::policy::chitin::policy::{gateway, input, records, secrets, state, types};
use super::limits::{LimitError, Limits};
use super::pattern::matches;
use super::run::Sandbox;
use super::view::{Grants, PathError, decode, encode, encode_to};
use crate::budget::Budget;
use crate::target::database::Pair;
use crate::target::listing::Listing;
use crate::target::records::{Cell, Origin, RecordsError, Request, Tables};
use crate::target::snapshot::{End, Kind, LookError, Metadata, Snapshot};

/// Refusals that are told to the operator: enough to see what a policy lacks.
const DENIED: usize = 16;

/// Characters of such a name that are kept; a policy may ask for a name of 4 MiB.
const DENIED_CHARACTERS: usize = 300;

/// Longest patterns of a walk, together. No path is longer, and every object of the walk is matched against them.
const MAX_GLOB_BYTES: usize = 4096;

/// Most names that a walk passes over; every object of the walk is matched against them.
const MAX_SKIPPED: usize = 16;

/// Most objects that a walk gives at once: enough that the call itself costs nothing, little to hold.
const MAX_BATCH: usize = 1024;

/// Most entries that a directory may have to be listed in one call, because all of them are held twice and the policy
/// has to hold them too; a walk gives those of larger ones in batches.
const MAX_LISTED: usize = 100_000;

/// What is known of a secret; the value stays with the runner.
pub use secrets::{Facts, Measures, Source};

/// What the live probe met.
pub use gateway::{Close, ProbeResult};

/// Gives the result of the live probe where it comes within a time, which in the end it does.
pub type AwaitProbe = Arc<dyn Fn(Duration) -> Option<ProbeResult> + Send + Sync>;
/// Whether a secret is spelled out in a file, found out when it is asked.
pub type Literals = LazyLock<Option<bool>, Box<dyn FnOnce() -> Option<bool> + Send + Sync>>;

/// How far a clock moves with each look at it, in nanoseconds. Runtimes refuse one that stands still; the limit of calls is
/// reached after a second of it.
pub(super) const TICK: u64 = 1_000;

/// How often whoever waits for the probe looks whether the audit is interrupted.
const PROBE_STEP: Duration = Duration::from_millis(50);

/// A hidden value.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// What may be told of it.
    pub facts: Facts,
    /// It is no secret by its place; it is hidden because a variable gives it.
    pub is_variable: bool,
}

/// What all runs by one release share. The runs by another release share the target, its tables and the progress with them.
pub struct Shared {
    /// The target.
    pub snapshot: Arc<Snapshot>,
    /// What is known of each hidden value: config pointers, and `env:NAME`.
    pub secrets: BTreeMap<String, Known>,
    /// Whether a secret is spelled out in the file of a view; none where it is no file of the config, or is not understood.
    pub literals: BTreeMap<String, Literals>,
    /// The numbers of the views in a state directory that does not exist.
    pub absent: BTreeSet<usize>,
    /// The views that an audit of a config alone does not look at; the state directory is one of them. None in any other audit.
    pub beyond: BTreeSet<usize>,
    /// The tables whose rows can be read.
    pub tables: Arc<Tables>,
    /// The user whose installation it is.
    pub owner: u32,
    /// Seconds since the epoch.
    pub now: u64,
    /// How far the audit has come.
    pub progress: Arc<Progress>,
    /// The live probe; none where the audit is not deep.
    pub probe: Option<AwaitProbe>,
}

impl Shared {
    /// A secret is spelled out in the file of a view.
    #[must_use]
    pub fn has_literals(&self, view: &str) -> Option<bool> {
        **self.literals.get(view)?
    }
}

/// How far an audit has come, for whoever waits.
#[derive(Debug, Default)]
pub struct Progress {
    /// Runs of policies that are to be.
    pub runs: AtomicUsize,
    /// Runs that have ended.
    pub done: AtomicUsize,
    /// Files that policies have read.
    pub files: AtomicUsize,
    /// What the run that began last looks at.
    pub current: Mutex<String>,
}

impl Progress {
    /// Runs that have ended, runs in all, files that were read, and what is looked at.
    #[must_use]
    pub fn now(&self) -> (usize, usize, usize, String) {
        let count = |number: &AtomicUsize| number.load(Ordering::Relaxed);
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (count(&self.done), count(&self.runs), count(&self.files), current)
    }

    /// The same, as somebody else tells it.
    pub fn tell(&self, (done, runs, files, current): (usize, usize, usize, String)) {
        for (number, told) in [(&self.done, done), (&self.runs, runs), (&self.files, files)] {
            number.store(told, Ordering::Relaxed);
        }
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = current;
    }
}

/// The state of one run.
pub struct HostState {
    sandbox: Sandbox,
    shared: Arc<Shared>,
    grants: Grants,
    limits: Limits,
    budget: Budget,
    table: ResourceTable,
    calls: u64,
    looks: u64,
    read_bytes: u64,
    entries: u64,
    memory: usize,
    random: u64,
    ticks: u64,
    log: Vec<u8>,
    /// The absolute paths of views by their names, where the input does not have them.
    displays: Arc<BTreeMap<String, String>>,
    /// The fingerprints that the run has met, and the numbers that it is told in place of them, in the order that it met them in: they
    /// compare as the fingerprints do, and do not depend on the key, which is another one for each target. None for strangers'
    /// policies, which are told the fingerprints.
    fingerprints: Option<BTreeMap<u64, u64>>,
    /// What was asked, and what was told; none where the run is not one to keep.
    pub(super) transcript: Option<Transcript>,
    /// The files that the reader of databases is given; none for a policy.
    pair: Option<Arc<Pair>>,
    /// Names of refused capabilities, for the operator.
    pub denied: Vec<String>,
}

/// A walk that is under way. It holds the listings of the folders that it is in, and no path for each object.
pub struct Walk {
    view: usize,
    name: String,
    max_depth: usize,
    glob: Option<String>,
    skip: Vec<String>,
    /// The folders that it is in, the innermost last.
    levels: Vec<Level>,
}

/// A folder that a walk is in.
struct Level {
    /// Its path below the view.
    directory: PathBuf,
    /// The same in the contract's form, with a "/" where a name follows.
    prefix: String,
    entries: Arc<Listing>,
    /// The entry to give next.
    next: usize,
}

impl HostState {
    /// Bytes of linear memory, and calls of imports, that the run took.
    pub(super) fn used(&self) -> (usize, u64) {
        (self.memory, self.calls)
    }

    /// The state of a run on this thread, with a budget for it.
    #[must_use]
    pub fn new(
        sandbox: Sandbox,
        shared: Arc<Shared>,
        grants: Grants,
        limits: Limits,
        budget: Budget,
    ) -> Self {
        Self {
            sandbox,
            shared,
            grants,
            limits,
            budget,
            table: ResourceTable::new(),
            calls: 0,
            looks: 0,
            read_bytes: 0,
            entries: 0,
            memory: 0,
            random: 0,
            ticks: 0,
            log: Vec::new(),
            displays: Arc::default(),
            fingerprints: None,
            transcript: None,
            pair: None,
            denied: Vec::new(),
        }
    }

    /// The same, with the files of a database.
    pub(super) fn with_pair(self, pair: Arc<Pair>) -> Self {
        Self { pair: Some(pair), ..self }
    }

    /// The same for a built-in policy, which asks for the paths of views.
    pub(super) fn of_builtin(self, displays: Arc<BTreeMap<String, String>>) -> Self {
        Self { displays, fingerprints: Some(BTreeMap::new()), ..self }
    }

    pub(super) fn pair(&self) -> Option<&Pair> {
        self.pair.as_deref()
    }

    /// What the policy wrote to standard output and error.
    #[must_use]
    pub fn into_log(self) -> String {
        String::from_utf8_lossy(&self.log).into_owned()
    }

    pub(super) fn now(&self) -> u64 {
        self.shared.now
    }

    /// Nanoseconds since the run began, as the policy is told: one tick for each look at the clock, the same in every run.
    pub(super) fn tick(&mut self) -> u64 {
        self.ticks = self.ticks.saturating_add(TICK);
        self.ticks
    }

    /// The next of a fixed sequence (SplitMix64), the same in every run.
    pub(super) fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Keeps what fits of a policy's own words.
    pub(super) fn log(&mut self, text: &[u8]) {
        let room = self.limits.log_bytes.saturating_sub(self.log.len());
        self.log.extend(text.iter().take(room));
    }

    pub(super) fn count_call(&mut self) -> Result<()> {
        self.calls += 1;
        if self.calls > self.limits.host_calls {
            return Err(Error::new(LimitError::new("host calls", self.limits.host_calls, "more asked for")));
        }
        self.check_time()
    }

    /// Time in imports is not covered by fuel.
    pub(super) fn check_time(&self) -> Result<()> {
        self.budget.check().map_err(Error::new)
    }

    fn count_look(&mut self) -> Result<()> {
        self.count_call()?;
        self.looks += 1;
        // Each entry that was listed may be asked for once more: what is there has an end, and absent names have none.
        if self.looks > self.limits.looks.saturating_add(self.entries) {
            return Err(Error::new(LimitError::new("looks", self.limits.looks, "more asked for")));
        }
        Ok(())
    }

    pub(super) fn count_bytes(&mut self, count: u64) -> Result<()> {
        self.read_bytes = self.read_bytes.saturating_add(count);
        if self.read_bytes > self.limits.read_bytes {
            let actual = format!("{} asked for", self.read_bytes);
            return Err(Error::new(LimitError::new("read bytes", self.limits.read_bytes, actual)));
        }
        Ok(())
    }

    fn count_entries(&mut self, count: usize) -> Result<()> {
        self.entries += count as u64;
        if self.entries > self.limits.entries {
            return Err(Error::new(LimitError::new(
                "entries",
                self.limits.entries,
                format!("{} asked for", self.entries),
            )));
        }
        Ok(())
    }

    /// Checks a place and names it for the snapshot.
    fn place(&mut self, verb: &str, path: &types::Path) -> Result<(usize, PathBuf), state::Error> {
        let rel = decode(&path.rel).map_err(|PathError| state::Error::BadPath)?;
        if !self.grants.allows(verb, &path.view, &path.rel) {
            let place =
                if path.rel.is_empty() { path.view.clone() } else { format!("{}/{}", path.view, path.rel) };
            self.deny(format!("{verb}:{place}"));
            return Err(state::Error::NotGranted);
        }
        let view = self.grants.view(&path.view).ok_or(state::Error::NotFound)?;
        if self.shared.beyond.contains(&view) {
            return Err(state::Error::NoStateDir);
        }
        // A link in its place that leads nowhere is there itself.
        let is_there = || rel.as_os_str().is_empty() && self.shared.snapshot.stat(view, &rel).is_ok();
        if self.shared.absent.contains(&view) && !is_there() {
            return Err(state::Error::NoStateDir);
        }
        Ok((view, rel))
    }

    /// Writes down a question and what it was told.
    fn heard(&mut self, told: &impl Debug, question: impl FnOnce() -> Question) {
        if let Some(transcript) = &mut self.transcript {
            transcript.add(question, told);
        }
    }

    /// Asks what a policy asked, and gives what is told as [`Transcript::add`] writes it; none where that is not kept.
    pub(super) fn ask(&mut self, question: &Question) -> Result<Option<String>> {
        Ok(match question {
            Question::Stat(object) => answers::short(&self.look_at(object)?),
            Question::Resolve(object) => answers::short(&self.follow(object)?),
            Question::List(directory) => answers::short(&self.entries_of(directory)?),
            Question::Read(object, limit) => {
                self.content_of(object, *limit)?.err().and_then(|error| answers::short(&error))
            }
            Question::Walk(root, options) => {
                self.walk_from(root, options)?.err().and_then(|error| answers::short(&error))
            }
            Question::Secret(subject) => answers::short(&self.known(subject)?),
            Question::Literals(view) => answers::short(&self.literals_of(view)?),
            Question::Display(view) => answers::short(&self.display_of(view)?),
            Question::Rows { table, columns, start, max } => {
                self.rows_of(table, columns, *start, *max)?.err().and_then(|error| answers::short(&error))
            }
        })
    }

    fn deny(&mut self, mut name: String) {
        // One list entry per place is enough, and a policy must not fill memory with refusals.
        if self.denied.len() == DENIED {
            return;
        }
        if let Some((end, _)) = name.char_indices().nth(DENIED_CHARACTERS) {
            name.truncate(end);
            name.push('…');
        }
        if !self.denied.contains(&name) {
            self.denied.push(name);
        }
    }

    fn metadata(&self, metadata: &Metadata) -> state::Metadata {
        state::Metadata {
            kind: match metadata.kind {
                Kind::File => state::Kind::File,
                Kind::Directory => state::Kind::Directory,
                Kind::Symlink => state::Kind::Symlink,
                Kind::Other => state::Kind::Other,
            },
            mode: metadata.mode,
            uid: metadata.uid,
            gid: metadata.gid,
            owned: metadata.uid == self.shared.owner,
            links: metadata.links,
            size: metadata.size,
        }
    }
}

impl From<LookError> for state::Error {
    fn from(error: LookError) -> Self {
        match error {
            LookError::NotFound => Self::NotFound,
            LookError::ThroughLink => Self::ThroughLink,
            LookError::WrongKind => Self::WrongKind,
            LookError::Denied | LookError::Foreign(_) => Self::Denied,
            LookError::Secret => Self::Secret,
            LookError::Changed => Self::Changed,
            LookError::TooMuch(text) | LookError::Io(text) => Self::Io(text),
            LookError::Stopped => Self::Io(error.to_string()),
        }
    }
}

/// The calls themselves.
impl HostState {
    fn look_at(&mut self, object: &types::Path) -> Result<Result<state::Metadata, state::Error>> {
        self.count_look()?;
        Ok(self.place("stat", object).and_then(|(view, rel)| {
            let metadata = self.shared.snapshot.stat(view, &rel)?;
            Ok(self.metadata(&metadata))
        }))
    }

    fn follow(&mut self, object: &types::Path) -> Result<Result<state::Link, state::Error>> {
        self.count_look()?;
        Ok(self.place("stat", object).and_then(|(view, rel)| {
            let link = self.shared.snapshot.resolve(view, &rel)?;
            let target = match link.end {
                End::Inside => state::Target::Inside,
                End::Outside => state::Target::Outside,
                End::Dangling => state::Target::Dangling,
                End::Loop => state::Target::Loop,
            };
            let metadata = link.metadata.map(|metadata| self.metadata(&metadata));
            let end = link.inside.map(|end| types::Path { view: object.view.clone(), rel: encode(&end) });
            Ok(state::Link { text: link.text.to_string_lossy().into_owned(), target, end, metadata })
        }))
    }

    fn entries_of(&mut self, directory: &types::Path) -> Result<Result<Vec<state::Entry>, state::Error>> {
        self.count_look()?;
        let (view, rel) = match self.place("list", directory) {
            Ok(place) => place,
            Err(error) => return Ok(Err(error)),
        };
        let entries = match self.list(view, &rel)? {
            Ok(entries) => entries,
            Err(error) => return Ok(Err(error.into())),
        };
        if entries.len() > MAX_LISTED {
            let words =
                format!("it has {} entries; beyond {MAX_LISTED} only a walk gives them", entries.len());
            return Ok(Err(state::Error::Io(words)));
        }
        self.count_entries(entries.len())?;
        let entry = |entry: crate::target::listing::Entry<'_>| state::Entry {
            name: encode(entry.as_ref()),
            metadata: self.metadata(entry.metadata),
        };
        Ok(Ok(entries.iter().map(entry).collect()))
    }

    fn content_of(
        &mut self,
        object: &types::Path,
        limit: u32,
    ) -> Result<Result<state::Content, state::Error>> {
        self.count_look()?;
        let (view, rel) = match self.place("read", object) {
            Ok(place) => place,
            Err(error) => return Ok(Err(error)),
        };
        if !Grants::is_readable(&object.view, &object.rel) {
            return Ok(Err(state::Error::Secret));
        }
        match self.shared.snapshot.read(view, &rel) {
            Err(error) => Ok(Err(error.into())),
            Ok(content) => {
                self.shared.progress.files.fetch_add(1, Ordering::Relaxed);
                let length = content.len();
                let bytes = match content.get(..limit as usize) {
                    Some(head) => head.to_vec(),
                    None => Arc::unwrap_or_clone(content),
                };
                self.count_bytes(bytes.len() as u64)?;
                Ok(Ok(state::Content { truncated: bytes.len() < length, bytes }))
            }
        }
    }

    fn walk_from(
        &mut self,
        root: &types::Path,
        options: &state::WalkOptions,
    ) -> Result<Result<Walk, state::Error>> {
        self.count_look()?;
        let (view, rel) = match self.place("list", root) {
            Ok(place) => place,
            Err(error) => return Ok(Err(error)),
        };
        let patterns = options.glob.iter().chain(&options.skip).map(String::len).sum::<usize>();
        if patterns > MAX_GLOB_BYTES || options.skip.len() > MAX_SKIPPED {
            return Ok(Err(state::Error::BadPath));
        }
        let mut walk = Walk {
            view,
            name: root.view.clone(),
            max_depth: options.max_depth as usize,
            glob: options.glob.clone(),
            skip: options.skip.clone(),
            levels: Vec::new(),
        };
        Ok(self.enter(&mut walk, rel)?.map(|()| walk).map_err(state::Error::from))
    }

    fn known(&mut self, subject: &secrets::Subject) -> Result<Result<Option<Facts>, secrets::Error>> {
        self.count_call()?;
        let name = match subject {
            secrets::Subject::Config(pointer) => pointer.clone(),
            secrets::Subject::Env(name) => format!("env:{name}"),
        };
        let known = self.shared.secrets.get(&name);
        let is_shown_in_part = known.is_some_and(|known| known.is_variable && self.grants.config(&name));
        if !is_shown_in_part && !self.grants.secret(&name) {
            self.deny(format!("secret:{name}"));
            return Ok(Err(secrets::Error::NotGranted));
        }
        let mut facts = known.map(|known| known.facts);
        let measures = facts.as_mut().and_then(|facts| facts.measures.as_mut());
        if let (Some(measures), Some(seen)) = (measures, &mut self.fingerprints) {
            let next = seen.len() as u64;
            measures.fingerprint = *seen.entry(measures.fingerprint).or_insert(next);
        }
        Ok(Ok(facts))
    }

    fn literals_of(&mut self, view: &str) -> Result<Result<Option<bool>, secrets::Error>> {
        self.count_call()?;
        let name = format!("file:{view}");
        if !self.grants.secret(&name) {
            self.deny(format!("secret:{name}"));
            return Ok(Err(secrets::Error::NotGranted));
        }
        Ok(Ok(self.shared.has_literals(view)))
    }

    fn rows_of(
        &mut self,
        table: &str,
        columns: &[String],
        start: u32,
        max: u32,
    ) -> Result<Result<records::Page, records::Error>> {
        self.count_look()?;
        if let Some(column) = columns.iter().find(|column| !self.grants.column(table, column)) {
            self.deny(format!("records:{table}.{column}"));
            return Ok(Err(records::Error::NotGranted));
        }
        // No other error says that nobody looks. The outlet knows it from the operator's decision.
        if !self.shared.beyond.is_empty() {
            return Ok(Err(records::Error::NotGranted));
        }
        let go_on = || self.check_time().is_ok();
        let read = |pair: &Arc<Pair>, requests: &[Request]| {
            self.sandbox.rows(&self.shared, pair, requests, &self.budget)
        };
        let from = Origin { snapshot: &self.shared.snapshot, read: &read, go_on: &go_on };
        let (rows, places) = match self.shared.tables.get(&from, table, columns) {
            Ok(found) => found,
            Err(error) => {
                self.check_time()?;
                return Ok(Err(error.into()));
            }
        };
        let (start, max) = (start as usize, MAX_BATCH.min(max as usize));
        let cell = |cell: &Cell| match cell {
            Cell::Null => records::Cell::Null,
            Cell::Integer(number) => records::Cell::Integer(*number),
            Cell::Real(number) => records::Cell::Real(*number),
            Cell::Text(text) => records::Cell::Text(text.clone()),
            Cell::Blob(bytes) => records::Cell::Blob(bytes.clone()),
        };
        let page: Vec<Vec<records::Cell>> = rows
            .iter()
            .skip(start)
            .take(max)
            .map(|row| places.iter().filter_map(|place| row.get(*place)).map(cell).collect())
            .collect();
        let more = rows.len() > start.saturating_add(page.len());
        self.count_entries(page.len())?;
        Ok(Ok(records::Page { rows: page, more }))
    }

    fn display_of(&mut self, view: &str) -> Result<String> {
        self.count_call()?;
        Ok(self.displays.get(view).cloned().unwrap_or_default())
    }
}

impl state::Host for HostState {
    fn stat(&mut self, object: types::Path) -> Result<Result<state::Metadata, state::Error>> {
        let told = self.look_at(&object)?;
        self.heard(&told, || Question::Stat(object));
        Ok(told)
    }

    fn resolve(&mut self, object: types::Path) -> Result<Result<state::Link, state::Error>> {
        let told = self.follow(&object)?;
        self.heard(&told, || Question::Resolve(object));
        Ok(told)
    }

    fn list_entries(&mut self, directory: types::Path) -> Result<Result<Vec<state::Entry>, state::Error>> {
        let told = self.entries_of(&directory)?;
        self.heard(&told, || Question::List(directory));
        Ok(told)
    }

    fn read(&mut self, object: types::Path, limit: u32) -> Result<Result<state::Content, state::Error>> {
        let told = self.content_of(&object, limit)?;
        if let Err(error) = &told {
            self.heard(error, || Question::Read(object, limit));
        }
        Ok(told)
    }
}

impl state::HostWalk for HostState {
    fn start(
        &mut self,
        root: types::Path,
        options: state::WalkOptions,
    ) -> Result<Result<Resource<Walk>, state::Error>> {
        Ok(match self.walk_from(&root, &options)? {
            Ok(walk) => Ok(self.table.push(walk)?),
            Err(error) => {
                self.heard(&error, || Question::Walk(root, options));
                Err(error)
            }
        })
    }

    fn next(&mut self, this: Resource<Walk>, max: u32) -> Result<Result<Vec<state::Walked>, state::Error>> {
        self.count_call()?;
        let mut batch = Vec::new();
        // The walk is taken out of the table while the directories are read.
        let mut walk = std::mem::replace(self.table.get_mut(&this)?, Walk::finished());
        while batch.len() < MAX_BATCH.min(max as usize) {
            // Patterns can be made to be slow.
            self.check_time()?;
            let depth = walk.levels.len();
            // The first level is the root's; its prefix stands before each path.
            let root = walk.levels.first().map_or(0, |level| level.prefix.len());
            let Some(level) = walk.levels.last_mut() else { break };
            let Some(entry) = level.entries.get(level.next) else {
                walk.levels.pop();
                continue;
            };
            level.next += 1;
            let mut rel = level.prefix.clone();
            encode_to(&mut rel, entry.as_ref());
            let name = rel.get(level.prefix.len()..).unwrap_or_default();
            if walk.skip.iter().any(|pattern| matches(pattern, name)) {
                continue;
            }
            let metadata = *entry.metadata;
            let enters = metadata.kind == Kind::Directory && depth <= walk.max_depth;
            let path = enters.then(|| level.directory.join(entry.name));
            let mut refused = None;
            if let Some(path) = path {
                if !self.grants.allows("list", &walk.name, &rel) {
                    refused = Some(state::Error::NotGranted);
                } else if let Err(error) = self.enter(&mut walk, path)? {
                    refused = Some(error.into());
                }
            }
            let below = rel.split_off(root);
            if walk.glob.as_ref().is_none_or(|glob| matches(glob, &below)) {
                batch.push(state::Walked { below, metadata: self.metadata(&metadata), refused });
            }
        }
        *self.table.get_mut(&this)? = walk;
        Ok(Ok(batch))
    }

    fn drop(&mut self, this: Resource<Walk>) -> Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl Walk {
    fn finished() -> Self {
        Self { view: 0, name: String::new(), max_depth: 0, glob: None, skip: Vec::new(), levels: Vec::new() }
    }
}

impl HostState {
    /// Lists a directory for this run, as long as it has time.
    fn list(&self, view: usize, rel: &Path) -> Result<Result<Arc<Listing>, LookError>> {
        let listing = self.shared.snapshot.list_while(view, rel, &|| self.check_time().is_ok());
        if listing == Err(LookError::Stopped) {
            self.check_time()?;
        }
        Ok(listing)
    }

    /// Leads a walk into a directory.
    fn enter(&mut self, walk: &mut Walk, directory: PathBuf) -> Result<Result<(), LookError>> {
        let entries = match self.list(walk.view, &directory)? {
            Ok(entries) => entries,
            Err(error) => return Ok(Err(error)),
        };
        self.count_entries(entries.len())?;
        let mut prefix = encode(&directory);
        if !prefix.is_empty() {
            prefix.push('/');
        }
        walk.levels.push(Level { directory, prefix, entries, next: 0 });
        Ok(Ok(()))
    }
}

impl secrets::Host for HostState {
    fn inspect(&mut self, subject: secrets::Subject) -> Result<Result<Option<Facts>, secrets::Error>> {
        let told = self.known(&subject)?;
        self.heard(&told, || Question::Secret(subject));
        Ok(told)
    }

    fn has_literals(&mut self, view: String) -> Result<Result<Option<bool>, secrets::Error>> {
        let told = self.literals_of(&view)?;
        self.heard(&told, || Question::Literals(view));
        Ok(told)
    }
}

impl displays::Host for HostState {
    fn display(&mut self, view: String) -> Result<String> {
        let told = self.display_of(&view)?;
        self.heard(&told, || Question::Display(view));
        Ok(told)
    }
}

impl records::Host for HostState {
    fn read(
        &mut self,
        table: String,
        columns: Vec<String>,
        start: u32,
        max: u32,
    ) -> Result<Result<records::Page, records::Error>> {
        let told = self.rows_of(&table, &columns, start, max)?;
        if let Err(error) = &told {
            self.heard(error, || Question::Rows { table, columns, start, max });
        }
        Ok(told)
    }
}

impl From<RecordsError> for records::Error {
    fn from(error: RecordsError) -> Self {
        match error {
            RecordsError::NoTable => Self::NoTable,
            RecordsError::NoColumn(name) => Self::NoColumn(name),
            RecordsError::Denied => Self::Denied,
            RecordsError::Changed => Self::Changed,
            RecordsError::Limit(name) => Self::Limit(name),
            RecordsError::NotUnderstood(text) => Self::NotUnderstood(text),
        }
    }
}

impl gateway::Host for HostState {
    fn probe(&mut self) -> Result<Result<Option<ProbeResult>, gateway::Error>> {
        self.count_call()?;
        if !self.grants.gateway() {
            self.deny("gateway".to_owned());
            return Ok(Err(gateway::Error::NotGranted));
        }
        let Some(probe) = &self.shared.probe else { return Ok(Ok(None)) };
        loop {
            // To wait costs no processor time, so that no limit of the policy's is touched.
            self.check_time()?;
            if let Some(result) = probe(PROBE_STEP) {
                return Ok(Ok(Some(result)));
            }
        }
    }
}

impl types::Host for HostState {}

impl input::Host for HostState {}

impl ResourceLimiter for HostState {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let total = self.memory + (desired - current);
        if total > self.limits.memory {
            return Err(Error::new(LimitError::bytes("memory", self.limits.memory, total)));
        }
        self.memory = total;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        if desired > self.limits.table_elements {
            let actual = format!("{desired} asked for");
            return Err(Error::new(LimitError::new("table elements", self.limits.table_elements, actual)));
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.instances
    }

    fn tables(&self) -> usize {
        self.limits.instances
    }

    fn memories(&self) -> usize {
        self.limits.instances
    }
}

/// Links imports.
pub type Link = fn(&mut Linker<HostState>) -> Result<()>;

/// Links the contract's own imports.
pub fn link(linker: &mut Linker<HostState>) -> Result<()> {
    Policy::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

/// Links those of the built-in policies.
pub fn link_builtin(linker: &mut Linker<HostState>) -> Result<()> {
    Builtin::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}
