//! Compiles a foreign component in a child process with resource limits: the compiler is the largest piece of
//! code that sees a stranger's bytes.

#![cfg_attr(
    not(feature = "compiler"),
    allow(dead_code, unused_imports, reason = "a build without the compiler has no child that compiles")
)]

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, setrlimit};

use super::check::{self, Refusal};
use super::engine;
use super::limits::{LimitError, MAX_COMPONENT_BYTES, bytes};
use crate::budget::{Budget, Cut};
use crate::confine::{self, Profile};
use crate::policy::code_file::{Digest, ENGINE, Label, MACHINE, Source};
use crate::program::{self, drain, is_for_later, keep_last, last_line};

/// The hidden subcommand that [`in_child`] calls.
pub const SUBCOMMAND: &str = "compile-component";

/// Processor time, twice what the dearest language needs: a policy in Go takes 53 s, one in JavaScript 43 s, one in Python
/// 32 s on the machine this was measured on. Time on the wall has no limit: a busy machine is no reason to refuse.
pub const MAX_SECONDS: u64 = 106;

/// What a compiler that does not heed the signal at its end may take on top.
const LAST_SECONDS: u64 = 4;

/// Address space, in bytes, twice what the dearest language needs, measured with two threads: a policy in Go 2.0 GB (1.2 GB
/// of it in use at once), one in JavaScript 0.8 GB, one in Python 0.5 GB.
const MAX_ADDRESS_SPACE: u64 = 4 << 30;

/// Code of one component, in bytes, over three times what the largest language makes: a policy in Python comes to 35 MB, one
/// in JavaScript to 34 MB.
const MAX_CODE_BYTES: usize = 128 << 20;

/// What a build without the compiler says.
const NO_COMPILER: &str = "this chitin was built without a compiler; compile the policy with another build of the same version, \
    `chitin policy compile`, and name the code file";

/// How long the parent rests where the child has nothing for it.
const REST: Duration = Duration::from_millis(2);

/// Code that a child process of this program compiled.
#[derive(Clone)]
pub struct Compiled {
    code: Vec<u8>,
    machine: String,
    engine: String,
}

impl Compiled {
    /// The code.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.code
    }

    /// What it is kept under, in a file.
    ///
    /// # Errors
    /// Where the component that it was made of is refused.
    pub fn label(&self, component: &[u8]) -> Result<Label, Refusal> {
        let imports = check::inspect(component)?.imports;
        let manifest = &check::manifest_text(component)?;
        let (digest, bytes) = (Digest::of(component), component.len());
        let source = Source { manifest, imports: &imports, digest, bytes };
        Ok(Label::new(&source, (&self.machine, &self.engine), &self.code))
    }
}

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// This program was built without the compiler.
    #[error("{NO_COMPILER}")]
    NoCompiler,
    /// The component was refused before it was compiled.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The compiler says no.
    #[error("it does not compile: {0}")]
    Failed(String),
    /// This program cannot compile for that target.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// It takes too much.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The operator wanted no more of it.
    #[error(transparent)]
    Cut(#[from] Cut),
    /// The child process could not be run.
    #[error("the compiler could not be started: {0}")]
    Child(#[from] io::Error),
}

/// Why code cannot be made for a target.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Nobody knows it.
    #[error("\"{0}\" is no target of code: {1}; x86_64-unknown-linux-gnu and aarch64-unknown-linux-gnu are")]
    Unknown(String, String),
    /// Its compiler is not in this program.
    #[error(
        "this chitin has no compiler for {0}; one that was built with `cargo build --features all-arch` has"
    )]
    NotBuiltIn(String),
}

/// What code for a target can be run by: the machine and the engine.
///
/// # Errors
/// Where this program cannot compile for it.
#[cfg(not(feature = "compiler"))]
fn made_for(target: &str) -> Result<(String, String), TargetError> {
    Err(TargetError::NotBuiltIn(engine::machine(target)))
}

/// What code for a target can be run by: the machine and the engine.
///
/// # Errors
/// Where this program cannot compile for it.
#[cfg(feature = "compiler")]
fn made_for(target: &str) -> Result<(String, String), TargetError> {
    let machine = engine::machine(target);
    let compiler = engine::compiler(target, false).map_err(|error| {
        let architecture = |machine: &str| machine.split('-').next().map(str::to_owned);
        let is_other = architecture(&machine) != architecture(MACHINE);
        // The engine has no types for it, and one line says what to do.
        if is_other && !cfg!(feature = "all-arch") && !format!("{error:#}").contains("Unrecognized") {
            TargetError::NotBuiltIn(machine.clone())
        } else {
            TargetError::Unknown(target.to_owned(), format!("{error:#}"))
        }
    })?;
    let engine = engine::fingerprint(&compiler, target);
    Ok((machine, engine))
}

/// Compiles a component with a child process of this program. It stands outside of the audit's budget: only an interrupt
/// ends it before its own limits do. One thread does it all, so that it works where no other can be started.
pub fn in_child(program: &Path, component: &[u8], budget: &Budget) -> Result<Compiled, CompileError> {
    compile(program, component, None, budget)
}

/// The same for a target that the operator names.
///
/// # Errors
/// See [`CompileError`].
pub fn in_child_for(
    program: &Path,
    component: &[u8],
    target: &str,
    budget: &Budget,
) -> Result<Compiled, CompileError> {
    compile(program, component, Some(target), budget)
}

fn compile(
    program: &Path,
    component: &[u8],
    target: Option<&str>,
    budget: &Budget,
) -> Result<Compiled, CompileError> {
    check::inspect(component)?;
    if cfg!(not(feature = "compiler")) {
        return Err(CompileError::NoCompiler);
    }
    let own = || (MACHINE.to_owned(), ENGINE.to_owned());
    let (machine, engine) = target.map_or_else(|| Ok(own()), made_for)?;
    let budget = budget.patient();
    budget.check()?;
    let mut child = Command::new(program)
        .arg(SUBCOMMAND)
        .args(target)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let talked = talk(&mut child, component, &budget);
    if talked.is_err() {
        // It may have ended by itself, which is as good.
        let _ = child.kill();
    }
    let status = child.wait()?;
    let Talk { code, words } = talked?;
    // Ctrl-C ends the child too, and that is not its failure.
    budget.check()?;
    if status.success() && !code.is_empty() {
        return Ok(Compiled { code, machine, engine });
    }
    Err(failure(status, &String::from_utf8_lossy(&words)))
}

/// What the child said.
struct Talk {
    code: Vec<u8>,
    words: Vec<u8>,
}

/// Gives the child its component and takes what it says, without waiting for any of its pipes.
fn talk(child: &mut Child, component: &[u8], budget: &Budget) -> Result<Talk, CompileError> {
    let (mut stdin, mut stdout, mut stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let pipes =
        [stdin.as_ref().map(AsFd::as_fd), stdout.as_ref().map(AsFd::as_fd), stderr.as_ref().map(AsFd::as_fd)];
    for pipe in pipes.into_iter().flatten() {
        rustix::io::ioctl_fionbio(pipe, true).map_err(io::Error::from)?;
    }
    let (mut rest, mut code, mut words) = (component, Vec::new(), Vec::new());
    while stdout.is_some() || stderr.is_some() {
        budget.check()?;
        let moved =
            [feed(&mut stdin, &mut rest)?, drain(&mut stdout, &mut code)?, drain(&mut stderr, &mut words)?];
        if code.len() > MAX_CODE_BYTES {
            return Err(LimitError::new("compiled code", bytes(MAX_CODE_BYTES), "more made of it").into());
        }
        keep_last(&mut words);
        if moved == [false; 3] {
            std::thread::sleep(REST);
        }
    }
    Ok(Talk { code, words })
}

/// Writes what a pipe takes of the rest, and closes it behind that. Says whether anything was moved.
fn feed(pipe: &mut Option<impl Write>, rest: &mut &[u8]) -> io::Result<bool> {
    let Some(open) = pipe else { return Ok(false) };
    match open.write(rest) {
        Ok(written) => *rest = rest.get(written..).unwrap_or_default(),
        Err(error) if is_for_later(&error) => return Ok(false),
        // A child that dies early says why itself.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => *rest = &[],
        Err(error) => return Err(error),
    }
    if rest.is_empty() {
        *pipe = None;
    }
    Ok(true)
}

/// Which limit it was, or what the compiler says.
fn failure(status: ExitStatus, words: &str) -> CompileError {
    if status.signal() == Some(Signal::XCPU.as_raw()) {
        let allowed = format!("{MAX_SECONDS} s of processor time");
        return LimitError::new("compile time", allowed, "still compiling").into();
    }
    // The words of Rust's allocator, of the operating system, and of the engine.
    let lacks_memory = ["memory allocation of ", "Cannot allocate memory", "out of memory"];
    if lacks_memory.iter().any(|lack| words.contains(lack)) {
        let allowed = bytes(usize::try_from(MAX_ADDRESS_SPACE).unwrap_or(usize::MAX));
        return LimitError::new("compile memory", allowed, "more asked for").into();
    }
    CompileError::Failed(last_line(words).map_or_else(|| status.to_string(), str::to_owned))
}

/// The child: a component on standard input, code for the target on standard output; for this program's own where none is named.
///
/// # Errors
/// Where the component does not compile; the last line says why.
#[cfg(not(feature = "compiler"))]
pub fn child(_target: Option<&str>) -> anyhow::Result<()> {
    anyhow::bail!(NO_COMPILER)
}

/// The child: a component on standard input, code for the target on standard output; for this program's own where none is named.
///
/// # Errors
/// Where the component does not compile; the last line says why.
#[cfg(feature = "compiler")]
pub fn child(target: Option<&str>) -> anyhow::Result<()> {
    program::begin_child();
    limit(Resource::As, MAX_ADDRESS_SPACE, 0)?;
    limit(Resource::Cpu, MAX_SECONDS, LAST_SECONDS)?;
    limit(Resource::Core, 0, 0)?;
    limit(Resource::Fsize, 0, 0)?;
    let engine = engine::compiler(target.unwrap_or(env!("CHITIN_TARGET")), false)?;
    // From here on it can do nothing but read its component, compile it in this thread, and say what came out. What of that
    // this kernel lacks, the report says of the worker.
    drop(confine::enter(&Profile::Compile));
    let mut component = Vec::new();
    io::stdin().take(MAX_COMPONENT_BYTES + 1).read_to_end(&mut component)?;
    check::inspect(&component)?;
    let code = engine.precompile_component(&component)?;
    io::stdout().write_all(&code)?;
    Ok(())
}

/// A limit, and what the hard limit leaves beyond it. Where the surroundings allow less, that is the limit.
fn limit(resource: Resource, most: u64, beyond: u64) -> rustix::io::Result<()> {
    let given = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let maximum = given.min(most.saturating_add(beyond));
    setrlimit(resource, Rlimit { current: Some(most.min(maximum)), maximum: Some(maximum) })
}
