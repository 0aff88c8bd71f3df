//! `chitin doctor`: what this machine has of what an audit wants, and where this program looks for its own files.

use std::path::PathBuf;
use std::time::Duration;

use chitin::audit::visible;
use chitin::budget::Budget;
use chitin::confine::{Asked, Layer, Means, means};
use chitin::fix::Journal;
use chitin::policy::cache::Cache;
use chitin::policy::catalog::BUILTIN;
use chitin::settings::{OF_MACHINE, Placed, Settings};
use chitin::target::Environment;
use chitin::worker::Supervisor;

use super::show;

/// How long a worker may take to say what holds: it takes some milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a layer is by, and what its absence means.
fn about(layer: Layer) -> [&'static str; 2] {
    match layer {
        Layer::Process => [
            "the target is read in a process of its own",
            "everything runs in one process, which is not confined at all",
        ],
        Layer::Privileges => {
            ["none can be gained, and root's are given up but for reading", "root's are kept"]
        }
        Layer::Files => [
            "landlock: only the target is read, and nothing is written",
            "a defect of this program could read and write what its user can",
        ],
        Layer::SystemCalls => [
            "seccomp: no network, no other program, no other process, no change",
            "a defect of this program could connect, run programs, and change modes",
        ],
    }
}

/// Prints it.
pub(super) fn run() -> anyhow::Result<u8> {
    let environment = Environment::from_process();
    let Means { kernel, landlock, limits } = means();
    // As an audit does it, so that nobody has to believe what the kernel says of itself.
    let confinement = Supervisor::start(Asked::BestEffort).look(&Budget::new(PATIENCE));
    let placed = Settings::find(None, &environment);
    show(|out| {
        writeln!(out, "chitin {} on {}", env!("CARGO_PKG_VERSION"), visible(&kernel))?;
        let landlock = landlock.map_or_else(str::to_owned, |version| format!("version {version}"));
        writeln!(out, "landlock: {landlock}")?;
        writeln!(out, "\nconfinement, as a worker that was started for this has entered it")?;
        for layer in Layer::ALL {
            let [held, without] = about(layer);
            match confinement.missing.iter().find(|missing| missing.layer == layer) {
                None => writeln!(out, "  {layer:<13} holds ({held})")?,
                Some(missing) => {
                    writeln!(out, "  {layer:<13} MISSING ({}): {without}", visible(&missing.reason))?;
                }
            }
        }
        writeln!(out, "\nlimits")?;
        for (name, limit, unit, wants) in &limits {
            let limit = limit.map_or("none".to_owned(), |limit| format!("{limit}{unit}"));
            writeln!(out, "  {name:<13} {limit}; an audit wants {wants}")?;
        }
        writeln!(out, "\nplaces")?;
        let mut place = |name: &str, path: Option<PathBuf>, variable: &str| match path {
            Some(path) => {
                let there = if path.exists() { "" } else { " (not there)" };
                writeln!(out, "  {name:<14} {}{there}", visible::path(&path))
            }
            None => writeln!(out, "  {name:<14} nowhere: neither {variable} nor HOME is set"),
        };
        let own = Settings::place(&environment);
        place("settings", own.clone(), "XDG_CONFIG_HOME")?;
        place("of the machine", Some(PathBuf::from(OF_MACHINE)), "")?;
        place("code", Cache::of(&environment, None).folder(), "XDG_CACHE_HOME")?;
        place("journal", Journal::of(&environment).ok().map(|journal| journal.folder()), "XDG_STATE_HOME")?;
        match &placed {
            Ok(Placed { settings, place, .. }) => {
                match place.as_ref().filter(|place| place.exists()) {
                    Some(place) => writeln!(out, "\nthe settings that count: {}", visible::path(place))?,
                    None => writeln!(out, "\nthere are no settings: the defaults count")?,
                }
                let asked = settings.confine.unwrap_or_default();
                writeln!(out, "an audit asks for confinement: {}", asked.as_str())?;
                let count = settings.policies.len();
                let plural = if count == 1 { "policy has" } else { "policies have" };
                writeln!(out, "{count} {plural} been added; `chitin policy verify` looks at each")?;
            }
            Err(error) => writeln!(out, "\nthe settings cannot be used: {}", visible(&error.to_string()))?,
        }
        writeln!(
            out,
            "{} policies are built in; they need no compiler and no memory that is made executable",
            BUILTIN.len()
        )
    })?;
    Ok(if placed.is_ok() { 0 } else { super::USAGE })
}
