//! `chitin doctor`: what this machine has of what an audit wants, and where this program looks for its own files.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chitin::audit::visible;
use chitin::confine::{Means, means};
use chitin::fix::Journal;
use chitin::policy::catalog::BUILTIN;
use chitin::program;
use chitin::settings::Settings;
use chitin::target::Environment;

use super::show;

/// Prints it.
pub(super) fn run() -> anyhow::Result<u8> {
    let Means { kernel, landlock, seccomp, limits } = means();
    let child = child();
    let environment = Environment::from_process();
    show(|out| {
        writeln!(out, "chitin {} on {}", env!("CARGO_PKG_VERSION"), visible(&kernel))?;
        writeln!(out, "\nconfinement of the process that reads a target")?;
        let mut line = |name: &str, held: &Result<String, String>, without: &str| match held {
            Ok(text) => writeln!(out, "  {name:<14} {text}"),
            Err(reason) => writeln!(out, "  {name:<14} missing ({reason}): {without}"),
        };
        line(
            "process",
            &child.clone().map(|()| "yes: the target is read in a process of its own".to_owned()),
            "everything runs in one process, which is not confined at all",
        )?;
        line(
            "files",
            &landlock.map(|abi| format!("landlock {abi}: only the target is read")).map_err(str::to_owned),
            "a defect of this program could read whatever its user can",
        )?;
        let calls = if seccomp { Ok(()) } else { Err("seccomp is not in this kernel, or forbidden here") };
        line(
            "system-calls",
            &calls
                .map(|()| "seccomp: no network, no program, no process, no change".to_owned())
                .map_err(str::to_owned),
            "a defect of this program could change files, connect, and run programs",
        )?;
        writeln!(out, "\nexecutable memory")?;
        writeln!(out, "  built-in policies need none; policies from files are compiled in a child process")?;
        writeln!(out, "\nlimits")?;
        for (name, limit) in &limits {
            writeln!(out, "  {name:<14} {}", limit.map_or("none".to_owned(), |limit| limit.to_string()))?;
        }
        writeln!(out, "\nplaces")?;
        let mut place = |name: &str, path: Option<PathBuf>, none: &str| match path {
            Some(path) => {
                let there = if path.exists() { "" } else { " (not there)" };
                writeln!(out, "  {name:<14} {}{there}", visible::path(&path))
            }
            None => writeln!(out, "  {name:<14} {none}"),
        };
        let no_home = "nowhere: neither HOME nor the variable for it is set";
        place("settings", Settings::place(&environment), no_home)?;
        place("journal", Journal::of(&environment).ok().map(|journal| journal.folder()), no_home)?;
        writeln!(out, "  {:<14} {} built in", "policies", BUILTIN.len())
    })?;
    Ok(0)
}

/// Starts this program, as an audit does; otherwise why that is not possible.
fn child() -> Result<(), String> {
    let program = program::own().ok_or("nobody knows where this program lies")?;
    let quiet = |command: &mut Command| {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()
    };
    match quiet(Command::new(&program).arg("--version")) {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{} ends with {status}", visible::path(Path::new(&program)))),
        Err(error) => Err(error.to_string()),
    }
}
