//! Two engines per process, one pre-linked policy per component, one fresh store per run.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use wasmtime::component::Component;
use wasmtime::{Engine, Error, Store, Trap, UpdateDeadline};

use super::answers::{self, Answers, Key, Transcript};
use super::bindings::builtin::BuiltinPre;
use super::bindings::policy::PolicyPre;
use super::bindings::policy::chitin::policy::input::{Input, View};
use super::database;
use super::engine::EPOCH_MILLISECONDS;
use super::host::{self, HostState, Shared};
use super::limits::{ADDRESS_SPACE, LimitError, Limits, bytes};
use super::load::{self, Mapped};
use super::types;
use super::view::Grants;
use super::{engine, wasi};
use crate::budget::{Budget, Cut, time};
use crate::policy::code_file::{CodeError, CodeFile};

/// The engines, and the clock behind the fuel budgets. Clones are the same sandbox.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

/// What a process has once, whoever needs it: embedded code lies at one place, and only one engine can have it.
struct Engines {
    /// Runs strangers' policies, and the reader of databases.
    engine: Engine,
    /// Runs the built-in policies.
    pool: Engine,
    /// The component of the built-in policies, once it is needed.
    builtin: Ready<BuiltinPre<HostState>>,
    /// The reader of databases, once it is needed.
    reader: OnceLock<wasmtime::Result<database::Ready>>,
}

impl Engines {
    /// Those of this process, started where nobody has done that.
    fn get() -> anyhow::Result<&'static Self> {
        static ENGINES: OnceLock<Engines> = OnceLock::new();
        if let Some(engines) = ENGINES.get() {
            return Ok(engines);
        }
        let (engine, pool) = (load::engine()?, load::pool()?);
        Ok(ENGINES.get_or_init(|| Self { engine, pool, builtin: Arc::default(), reader: OnceLock::new() }))
    }
}

struct Inner {
    engines: &'static Engines,
    /// Answers of built-in policies, kept where several targets are looked at.
    answers: OnceLock<Mutex<Answers>>,
    /// How many policies run at a time, where others have processors, too.
    threads: OnceLock<usize>,
    stop: Arc<AtomicBool>,
    /// None where no thread could be started: then fuel and the calls of a policy end it, a little later.
    clock: OnceLock<Option<std::thread::JoinHandle<()>>>,
}

/// A component that is mapped and linked, once it is needed, or why it is not. Code must not be mapped twice at one address, so
/// whoever needs what another thread maps at this moment waits for it.
type Ready<T> = Arc<OnceLock<Result<T, String>>>;

/// A policy that can be instantiated.
enum Linked {
    /// Among the built-in ones, by its number.
    Builtin(BuiltinPre<HostState>, u32),
    /// A component of its own.
    Alone(PolicyPre<HostState>),
}

/// A policy's code.
#[derive(Clone)]
pub enum Code {
    /// Built in: its number in the catalog.
    Builtin(usize),
    /// In a file, and what became of it.
    File(CodeFile, Loaded),
}

/// Code of a file: mapped once, and linked at the first run.
#[derive(Clone, Default)]
pub struct Loaded {
    mapped: Arc<OnceLock<Result<Mapped, CodeError>>>,
    ready: Ready<PolicyPre<HostState>>,
}

impl Code {
    /// Code in an open file.
    #[must_use]
    pub fn in_file(file: CodeFile) -> Self {
        Self::File(file, Loaded::default())
    }

    /// The file of one that is not built in.
    #[must_use]
    pub fn file(&self) -> Option<&CodeFile> {
        match self {
            Self::Builtin(_) => None,
            Self::File(file, _) => Some(file),
        }
    }

    /// Maps it now: a process that will not be allowed to make memory executable does so before.
    ///
    /// # Errors
    /// Why it cannot be run.
    pub fn map(&self) -> Result<(), CodeError> {
        match self {
            Self::Builtin(_) => Ok(()),
            Self::File(file, loaded) => loaded.map(file).map(drop),
        }
    }
}

impl Loaded {
    fn map(&self, file: &CodeFile) -> Result<Mapped, CodeError> {
        self.mapped.get_or_init(|| load::map(file)).clone()
    }
}

/// Why a policy has no verdict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It did not understand its input, or could not see it.
    #[error("inconclusive: {0}")]
    Inconclusive(String),
    /// It says that it is defective.
    #[error("internal error: {0}")]
    Internal(String),
    /// It was stopped by a limit.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// It was stopped because it did what no program may do.
    #[error("trapped: {0}")]
    Trapped(String),
    /// The operator wanted no more of the audit.
    #[error("interrupted before it ended")]
    Interrupted,
    /// It ended by a defect of this program.
    #[error("it broke off, which is a defect of chitin")]
    Broken,
    /// What it said is not what a policy may say.
    #[error("refused: {0}")]
    Refused(String),
}

impl From<Cut> for Failure {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Interrupted => Self::Interrupted,
            Cut::Limit { what, allowed, actual } => LimitError::new(what, time(allowed), actual).into(),
            Cut::Broken => Self::Broken,
        }
    }
}

/// How long the parts of a run took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stages {
    /// Mapping the code and linking its imports.
    pub map: Duration,
    /// Making the store and the instance.
    pub instantiate: Duration,
    /// The call of `audit`.
    pub call: Duration,
    /// Units of work that the call took.
    pub fuel: u64,
    /// Bytes of linear memory that it had.
    pub memory: usize,
    /// Calls of imports.
    pub calls: u64,
}

impl Stages {
    /// All of them in one line, for a policy.
    #[must_use]
    pub fn told(&self, id: &str) -> String {
        let [map, instantiate, call] =
            [self.map, self.instantiate, self.call].map(|time| time.as_secs_f64() * 1e3);
        format!(
            "{:>9.3} ms  {id} (map {map:.3}, instantiate {instantiate:.3}, call {call:.3}; fuel {}, memory {}, calls {})",
            map + instantiate + call,
            self.fuel,
            self.memory,
            self.calls
        )
    }
}

/// What a run gave.
pub struct Answer {
    /// What the policy said, unchecked.
    pub verdict: Result<types::Answer, Failure>,
    /// What it wrote to standard output and error.
    pub log: String,
    /// Places and secrets that it asked for without a grant.
    pub denied: Vec<String>,
    /// How long it took.
    pub stages: Stages,
}

impl Answer {
    fn without(failure: Failure) -> Self {
        Self { verdict: Err(failure), log: String::new(), denied: Vec::new(), stages: Stages::default() }
    }
}

impl Sandbox {
    /// Starts the engines, unless this process has them.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self(Arc::new(Inner {
            engines: Engines::get()?,
            answers: OnceLock::new(),
            threads: OnceLock::new(),
            stop: Arc::default(),
            clock: OnceLock::new(),
        })))
    }

    /// How many policies run at a time: one on each processor, unless [`Self::limit_threads`] said otherwise.
    #[must_use]
    pub fn threads(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        *self.0.threads.get_or_init(processors)
    }

    /// Runs so many policies at a time. The first word counts.
    pub fn limit_threads(&self, most: usize) {
        self.0.threads.get_or_init(|| most.max(1));
    }

    /// Keeps from now on what built-in policies ask and answer, for targets of which they are told the same.
    pub fn keep_answers(&self) {
        self.0.answers.get_or_init(Mutex::default);
    }

    /// Starts the thread that counts time for policies, with the first of them: what confines a process confines the threads
    /// that it starts from then on.
    fn start_clock(&self) {
        let Inner { engines: Engines { engine, pool, .. }, stop, clock, .. } = &*self.0;
        clock.get_or_init(|| {
            let (engines, stop) = ([engine.clone(), pool.clone()], Arc::clone(stop));
            let work = move || {
                while !stop.load(Ordering::Relaxed) {
                    std::thread::park_timeout(Duration::from_millis(EPOCH_MILLISECONDS));
                    engines.iter().for_each(Engine::increment_epoch);
                }
            };
            std::thread::Builder::new().name("clock".to_owned()).spawn(work).ok()
        });
    }

    /// Maps a policy's code and links its imports, once.
    fn ready(&self, code: &Code) -> Result<Linked, String> {
        let Engines { engine, pool, builtin, .. } = self.0.engines;
        // A stranger's imports may have odd shapes; nobody else is linked with them.
        let linked = |engine: &Engine, component: &Component, link: host::Link| {
            let mut linked = wasi::Linked::new(engine, link)?;
            linked.link(component)?;
            linked.ready(component)
        };
        match code {
            Code::Builtin(number) => {
                let number = u32::try_from(*number).map_err(|error| error.to_string())?;
                let policies = || BuiltinPre::new(linked(pool, &load::policies(pool)?, host::link_builtin)?);
                Ok(Linked::Builtin(once(builtin, policies)?, number))
            }
            Code::File(file, loaded) => {
                let code = loaded.map(file).map_err(|error| error.to_string())?;
                let policy = || PolicyPre::new(linked(engine, &load::mapped(engine, code)?, host::link)?);
                Ok(Linked::Alone(once(&loaded.ready, policy)?))
            }
        }
    }

    /// Runs a policy once, in a store of its own. The budget is that of this run, and was made on this thread.
    #[must_use]
    pub fn run(
        &self,
        code: &Code,
        shared: &Arc<Shared>,
        grants: &Grants,
        limits: &Limits,
        mut input: Input,
        budget: &Budget,
    ) -> Answer {
        let mut stages = Stages::default();
        if let Some(cut) = budget.cut() {
            return Answer::without(cut.into());
        }
        let builtin = match code {
            Code::Builtin(number) => Some((*number, displays(&mut input))),
            Code::File(..) => None,
        };
        let state = || {
            let (shared, grants) = (Arc::clone(shared), grants.clone());
            let state = HostState::new(self.clone(), shared, grants, limits.clone(), budget.clone());
            match &builtin {
                Some((_, displays)) => state.of_builtin(Arc::clone(displays)),
                None => state,
            }
        };
        let known =
            builtin.as_ref().and_then(|(number, _)| Some((self.0.answers.get()?, Key::new(*number, &input))));
        if let Some((answers, key)) = known {
            let mut state = state();
            if let Some(answer) = answers::recall(answers, key, &mut state) {
                (stages.memory, stages.calls) = state.used();
                return Answer { verdict: Ok(answer), log: String::new(), denied: state.denied, stages };
            }
        }
        self.start_clock();
        let started = Instant::now();
        let policy = match self.ready(code) {
            Ok(policy) => policy,
            Err(reason) => return Answer::without(Failure::Refused(reason)),
        };
        stages.map = started.elapsed();
        let started = Instant::now();
        let mut state = state();
        state.transcript = known.map(|_| Transcript::default());
        let engine = match policy {
            Linked::Builtin(..) => &self.0.engines.pool,
            Linked::Alone(_) => &self.0.engines.engine,
        };
        let mut store = store(engine, state, limits);
        let verdict = store.set_fuel(limits.fuel).and_then(|()| match policy {
            Linked::Builtin(policies, number) => {
                let instance = policies.instantiate(&mut store)?;
                stages.instantiate = started.elapsed();
                instance.call_audit(&mut store, number, &input)
            }
            Linked::Alone(policy) => {
                let instance = policy.instantiate(&mut store)?;
                stages.instantiate = started.elapsed();
                instance.call_audit(&mut store, &input)
            }
        });
        stages.call = started.elapsed().saturating_sub(stages.instantiate);
        stages.fuel = limits.fuel - store.get_fuel().unwrap_or(0);
        let verdict = match verdict {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(types::Failure::Inconclusive(text))) => Err(Failure::Inconclusive(text)),
            Ok(Err(types::Failure::Internal(text))) => Err(Failure::Internal(text)),
            Err(error) => Err(explain(&error, limits)),
        };
        let mut state = store.into_data();
        (stages.memory, stages.calls) = state.used();
        if let (Ok(answer), Some((answers, key)), Some(transcript)) =
            (&verdict, known, state.transcript.take())
            && transcript.is_whole(stages.calls)
        {
            answers.lock().unwrap_or_else(PoisonError::into_inner).keep(key, transcript, answer);
        }
        let denied = std::mem::take(&mut state.denied);
        Answer { verdict, log: state.into_log(), denied, stages }
    }

    /// A store for the reader of databases.
    pub(super) fn reader_store(&self, state: HostState, limits: &Limits) -> Store<HostState> {
        store(&self.0.engines.engine, state, limits)
    }

    /// The reader of databases, mapped and linked at the first call.
    pub(super) fn reader(&self) -> wasmtime::Result<&database::Ready> {
        let Engines { engine, reader, .. } = self.0.engines;
        let reader = reader.get_or_init(|| {
            let component = load::reader(engine)?;
            let mut linked = wasi::Linked::new(engine, database::link)?;
            linked.link(&component)?;
            database::Ready::new(linked.ready(&component)?)
        });
        reader.as_ref().map_err(|error| Error::msg(format!("{error:#}")))
    }
}

/// Takes the paths of the views out of an input.
fn displays(input: &mut Input) -> Arc<BTreeMap<String, String>> {
    let one = |view: &mut View| (view.name.clone(), std::mem::take(&mut view.display));
    Arc::new(input.views.iter_mut().map(one).collect())
}

/// A store with its limits; only fuel is still to be given.
fn store(engine: &Engine, state: HostState, limits: &Limits) -> Store<HostState> {
    let mut store = Store::new(engine, state);
    store.limiter(|state| state);
    store.set_hostcall_fuel(limits.call_bytes);
    store.set_max_component_handles(limits.handles);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|store| {
        store.data().check_time()?;
        Ok(UpdateDeadline::Continue(1))
    });
    store
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(clock) = self.clock.take().flatten() {
            clock.thread().unpark();
            // A clock that panicked has nothing left to stop.
            let _ = clock.join();
        }
    }
}

fn once<T: Clone>(ready: &Ready<T>, make: impl FnOnce() -> wasmtime::Result<T>) -> Result<T, String> {
    let make = || {
        make().map_err(|error| {
            format!("it does not fit the contract, rebuild it with the one in wit/: {error:#}")
        })
    };
    ready.get_or_init(make).clone()
}

/// Which limit it was, or which trap.
pub(super) fn explain(error: &Error, limits: &Limits) -> Failure {
    if let Some(limit) = error.downcast_ref::<LimitError>() {
        return limit.clone().into();
    }
    if let Some(cut) = error.downcast_ref::<Cut>() {
        return cut.clone().into();
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => LimitError::new("fuel", limits.fuel, "all used").into(),
        Some(Trap::StackOverflow) => {
            LimitError::new("stack", bytes(engine::MAX_STACK_BYTES), "all used").into()
        }
        Some(trap) => Failure::Trapped(trap.to_string().trim_start_matches("wasm trap: ").to_owned()),
        None => {
            let text = error.root_cause().to_string();
            // The engine has no types for these.
            if text.contains("Cannot allocate memory") {
                let allowed = rustix::process::getrlimit(rustix::process::Resource::As).current;
                let allowed =
                    allowed.and_then(|most| usize::try_from(most).ok()).map_or("some".to_owned(), bytes);
                let actual = "each policy reserves 4 GiB of it, without using it; see ulimit -v";
                return LimitError::new(ADDRESS_SPACE, allowed, actual).into();
            }
            if text.contains("fuel allocated for hostcalls") {
                return LimitError::new("call", bytes(limits.call_bytes), "more passed in one call").into();
            }
            if text.contains("handle limit exceeded") {
                return LimitError::new("handles", limits.handles, "more asked for").into();
            }
            if text.contains("resource limit exceeded") {
                return LimitError::new("instances", limits.instances, text).into();
            }
            Failure::Trapped(text)
        }
    }
}
