//! The command line: one file per subcommand.

mod audit;
mod baseline;
mod choice;
mod diff;
mod doctor;
mod explain;
mod fix;
mod fleet;
mod man;
mod outputs;
mod policy;
mod progress;
mod schema;
mod target;
mod targets;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

use anyhow::Context as _;
use chitin::audit::Report;
use chitin::audit::visible::visible;
use chitin::budget::{Budget, Cut, GRACE};
use chitin::output::{FormatName, fit, width_of, without_commands};
use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::streams::output_was_closed;

/// Exit code for a wrong call or a target that cannot be used.
const USAGE: u8 = 2;

/// What stands before the reason where nothing can be shown.
const NOT_WRITTEN: &str = "cannot write to standard output";

/// Exit code where something could not be looked at or changed.
const INCOMPLETE: u8 = 3;

/// The exit codes, for `--help`.
const EXIT_CODES: &str = "\
Exit codes:
  0  no finding at or above --fail-on
  1  findings at or above --fail-on (default: critical)
  2  wrong usage, or a target that cannot be used
  3  incomplete: a policy failed or something could not be read (wins over 1)
  4  nothing to audit";

/// Audits an OpenClaw installation with sandboxed checks that can only look.
#[derive(Parser)]
#[command(name = "chitin", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    color: colorchoice_clap::Color,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Audit an installation: its state directory and its config
    Audit(Box<audit::Arguments>),
    /// Keep a file of the findings that are known, so that only new ones fail an audit
    #[command(subcommand)]
    Baseline(baseline::Command),
    /// Compare two reports of `chitin audit --json`: what appeared, what went, what changed
    Diff(diff::Arguments),
    /// Cure what can be cured safely: show it, ask, change it, and keep a journal of it
    Fix(fix::Arguments),
    /// Take a fix back
    Undo(fix::UndoArguments),
    /// Explain a check: what it looks at, why it matters, what to do
    Explain(explain::Arguments),
    /// See which policies there are, and what each may look at
    #[command(subcommand)]
    Policy(policy::Command),
    /// See what this machine has of what an audit wants, and where this program looks for its own files
    Doctor,
    /// Print the JSON Schema of a file that this program reads or writes
    Schema(schema::Arguments),
    /// Print a shell's completion script
    Completions {
        /// The shell to print it for
        shell: Shell,
    },
    /// Write the manual pages (for packages)
    #[command(hide = true)]
    Man(man::Arguments),
    /// Compile a component from standard input to standard output (for chitin itself)
    #[command(name = chitin::sandbox::compile::SUBCOMMAND, hide = true)]
    Compile {
        /// The target that it is compiled for
        target: Option<String>,
    },
    /// Call a gateway, as standard input says (for chitin itself)
    #[command(name = chitin::probe::SUBCOMMAND, hide = true)]
    Call,
    /// Read a target and run policies, as standard input orders (for chitin itself)
    #[command(name = chitin::worker::SUBCOMMAND, hide = true)]
    Worker,
}

/// An error that is the user's to mend, with the next thing to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct UserError {
    message: String,
    help: String,
}

/// What was to be known is not, because it was cut.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unfinished(String);

/// An error with the next thing to do.
fn user_error(message: impl Into<String>, help: impl Into<String>) -> anyhow::Error {
    UserError { message: message.into(), help: help.into() }.into()
}

/// Parses the command line, runs the command, and gives the exit code.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return without_command(&error),
    };
    cli.color.write_global();
    let _ = ACCOUNT.set(rustix::process::geteuid().as_raw());
    // The children of this program may not ask a terminal for its width, and write to none.
    if !matches!(cli.command, Command::Compile { .. } | Command::Call | Command::Worker) {
        let _ = COLUMNS.set(width_of(io::stderr()));
    }
    // Where a limit on the size of files is reached, writing fails and is told: the process must not end in the middle of a
    // change. Without this, the signal that comes before would end it.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, std::sync::Arc::default());
    let result = match cli.command {
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Baseline(command) => baseline::run(&command),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Fix(arguments) => fix::run(&arguments),
        Command::Undo(arguments) => fix::run_undo(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Policy(command) => policy::run(&command),
        Command::Doctor => doctor::run(),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "chitin", &mut script);
            show(|out| out.write_all(&script)).map(|()| 0)
        }
        Command::Man(arguments) => man::run(&arguments, Cli::command()),
        Command::Compile { target } => chitin::sandbox::compile::child(target.as_deref()).map(|()| 0),
        Command::Call => chitin::probe::child().map(|()| 0),
        Command::Worker => chitin::worker::child().map(|()| 0),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(&error);
            let unfinished = error.is::<Cut>() || error.is::<Unfinished>();
            ExitCode::from(if unfinished { INCOMPLETE } else { USAGE })
        }
    }
}

/// The help, the version, or what is wrong with the command line.
fn without_command(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        // Where standard error is gone, nobody is left to be told.
        let _ = write!(anstream::stderr(), "{}", without_commands(&misused(error), false));
        return ExitCode::from(USAGE);
    }
    match show(|out| write!(out, "{}", error.render().ansi())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(USAGE)
        }
    }
}

/// What is wrong with the command line. It may have been put together from what strangers wrote.
fn misused(error: &clap::Error) -> String {
    let arguments: Vec<String> =
        std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let values = arguments.iter().filter_map(|argument| argument.split_once('=')).map(|(_, value)| value);
    let mut parts: Vec<&str> = arguments.iter().map(String::as_str).chain(values).collect();
    parts.retain(|part| visible(part) != *part);
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    parts.into_iter().fold(error.render().ansi().to_string(), |text, part| text.replace(part, &visible(part)))
}

/// One `error:` line, and `help:` lines that name the next thing to do.
fn complain(error: &anyhow::Error) {
    let mut err = anstream::stderr().lock();
    let bold = anstyle::AnsiColor::Red.on_default().bold();
    let help = error.downcast_ref::<UserError>();
    let help = help.map_or(String::new(), |error| format!("help: {}\n", visible(&error.help)));
    let text = format!("{bold}error:{bold:#} {}\n{help}", visible(&format!("{error:#}")));
    // Where standard error is gone, nobody is left to be told.
    let _ = write!(err, "{}", fit(&without_commands(&text, false), columns()));
}

/// The account that started this program.
static ACCOUNT: OnceLock<u32> = OnceLock::new();

/// Root has become the owner of what it audits.
fn has_become_another() -> bool {
    ACCOUNT.get().is_some_and(|account| *account != rustix::process::geteuid().as_raw())
}

/// The columns of the terminal that standard error is.
static COLUMNS: OnceLock<Option<usize>> = OnceLock::new();

fn columns() -> Option<usize> {
    COLUMNS.get().copied().flatten()
}

/// A line on standard error. Where that is gone, nobody is left to be told.
fn note(line: &str) {
    let _ = write!(anstream::stderr(), "{}", fit(&without_commands(&format!("{line}\n"), false), columns()));
}

/// Asks on the terminal, and gives the answer in small letters. Nobody who is asked is hurried; Ctrl-C is an answer, too.
fn ask(question: &str, budget: &Budget) -> anyhow::Result<String> {
    show(|out| write!(out, "{question}"))?;
    let answered = budget.patient().aside_within(GRACE, || {
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = answered.inspect_err(|_| {
        // What follows stands on a line of its own.
        let _ = show(|out| writeln!(out));
    })??;
    Ok(answer.trim().to_lowercase())
}

/// Makes the first Ctrl-C end the command with what it has; the second ends the process.
fn listen(budget: &Budget) -> anyhow::Result<()> {
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        let flag = || std::sync::Arc::clone(budget.interrupt());
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, flag())?;
        signal_hook::flag::register(signal, flag())?;
    }
    Ok(())
}

/// Writes to standard output what was done, and gives the exit code. It was done, whether it can be told or not: what keeps
/// it from being told goes to standard error, and only where the exit code would say that all went well, it says so, too.
fn show_done(code: u8, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> u8 {
    match show(write) {
        Ok(()) => code,
        Err(error) => {
            complain(&error.context("this was carried out, and its result cannot be shown"));
            if code == 0 { USAGE } else { code }
        }
    }
}

/// Writes to standard output, in one piece. A reader that went away has seen enough. A terminal would break a line that is too long for
/// it, and what others wrote would stand where this program's own lines begin; so it is broken here.
fn show(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    let mut plain = Vec::new();
    write(&mut plain)?;
    // A document for programs begins with a bracket, which no text of this program does.
    let is_document = plain.starts_with(b"{") || plain.starts_with(b"[");
    let plain = String::from_utf8_lossy(&plain);
    put(&without_commands(&plain, is_document), !is_document).map(|_| ())
}

/// Writes reports to standard output in a format, in one piece. False where nobody reads any more.
fn emit(format: FormatName, short: bool, reports: &[Report]) -> anyhow::Result<bool> {
    let shown = format.format(short);
    let mut plain = Vec::new();
    shown.write(reports, &mut plain)?;
    put(&shown.without_commands(&String::from_utf8_lossy(&plain)), format == FormatName::Text)
}

/// Writes to standard output. A text for people is broken to the width of a terminal. False where nobody reads any more.
fn put(plain: &str, is_text: bool) -> anyhow::Result<bool> {
    let width = if is_text { width_of(io::stdout()) } else { None };
    let mut text = anstream::AutoStream::new(Vec::new(), anstream::stdout().current_choice());
    text.write_all(fit(plain, width).as_bytes())?;
    if output_was_closed() {
        return Err(anyhow::anyhow!("standard output is closed").context(NOT_WRITTEN));
    }
    let mut out = io::stdout().lock();
    match out.write_all(&text.into_inner()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        other => other.map(|()| true).context(NOT_WRITTEN),
    }
}
