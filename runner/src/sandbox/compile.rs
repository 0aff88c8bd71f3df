//! Compiles a foreign component in a child process with resource limits: the compiler is the largest piece of
//! code that sees a stranger's bytes.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setrlimit};

use super::check::{self, Refusal};
use super::engine;
use super::limits::{LimitError, MAX_COMPONENT_BYTES};

/// The hidden subcommand that [`in_child`] calls.
pub const SUBCOMMAND: &str = "compile-component";

/// A JavaScript policy of 12 MB takes 6 s to compile.
const MAX_SECONDS: u64 = 60;

/// The same policy needs about 1 GB for it.
const MAX_ADDRESS_SPACE: u64 = 8 << 30;

/// Code that a child process of this program compiled.
#[derive(Clone)]
pub struct Compiled(Arc<Vec<u8>>);

impl Compiled {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The component was refused before it was compiled.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The compiler says no.
    #[error("it does not compile: {0}")]
    Failed(String),
    /// It takes too long.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The child process could not be run.
    #[error("the compiler could not be started: {0}")]
    Child(#[from] std::io::Error),
}

/// Compiles a component with a child process of this program.
pub fn in_child(program: &Path, component: &[u8]) -> Result<Compiled, CompileError> {
    check::inspect(component)?;
    let mut child = Command::new(program)
        .arg(SUBCOMMAND)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let deadline = Instant::now() + Duration::from_secs(MAX_SECONDS);
    std::thread::scope(|scope| {
        // The child reads all before it writes; a child that dies early makes a broken pipe, and says why itself.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(component)));
        let code = scope.spawn(move || read_all(stdout));
        let words = scope.spawn(move || read_all(stderr));
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                child.kill()?;
                child.wait()?;
                return Err(
                    LimitError::new("compile time", format!("{MAX_SECONDS} s"), "still compiling").into()
                );
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let join = |thread: std::thread::ScopedJoinHandle<'_, Vec<u8>>| thread.join().unwrap_or_default();
        let (code, words) = (join(code), join(words));
        if status.success() && !code.is_empty() {
            return Ok(Compiled(Arc::new(code)));
        }
        let words = String::from_utf8_lossy(&words);
        let last = words.lines().last().map_or_else(|| status.to_string(), str::to_owned);
        Err(CompileError::Failed(last.trim_start_matches("error: ").to_owned()))
    })
}

fn read_all(pipe: Option<impl std::io::Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        // What was read before an error is what the child managed to say.
        let _ = pipe.read_to_end(&mut bytes);
    }
    bytes
}

/// The child: a component on standard input, code on standard output.
///
/// # Errors
/// Where the component does not compile; the last line says why.
pub fn child() -> anyhow::Result<()> {
    limit(Resource::As, MAX_ADDRESS_SPACE)?;
    limit(Resource::Cpu, MAX_SECONDS)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    let mut component = Vec::new();
    std::io::stdin().take(MAX_COMPONENT_BYTES + 1).read_to_end(&mut component)?;
    check::inspect(&component)?;
    let engine = engine::compiler(env!("CHITIN_TARGET"))?;
    let code = engine.precompile_component(&component)?;
    std::io::stdout().write_all(&code)?;
    Ok(())
}

fn limit(resource: Resource, most: u64) -> rustix::io::Result<()> {
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
}
