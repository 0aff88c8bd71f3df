//! `chitin policy`: which policies there are, and what each may look at.

mod add;
mod bench;
mod build;
mod check;
mod compile;
mod inspect;
mod members;
mod new;
mod offer;
mod pack;
#[cfg(feature = "registry")]
mod registry;
mod signed;
mod stranger;
mod test;
mod update;
mod wit;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use chitin::audit::Planned;
use chitin::author::review::{self, FolderError};
use chitin::policy::catalog::{BUILTIN, Builtin};
use chitin::policy::manifest::About;
use chitin::policy::set::{Set, SetError};
use chitin::sandbox::check::Refusal;
use chitin::sandbox::limits::MAX_COMPONENT_BYTES;
use chitin::settings::Placed;
use chitin::target::ReadError;
use chitin::wording::{nearest, without_login};
use clap::Subcommand;

use super::user_error;
use inspect::unusable_code;
pub(super) use members::Which;
pub(super) use stranger::{Maker, Stranger, from_file, installed, told_apart};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the policies: those that are built in, and those that you have added
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        which: Which,
    },
    /// Show a policy's checks and every capability that it holds
    Inspect {
        /// An ID of `chitin policy list`, the path of a component, or `oci://HOST/NAME`
        #[arg(value_name = "ID|FILE|oci://...")]
        policy: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        which: Which,
    },
    /// Add a policy: see what it asks for, grant it as much as you want, and run it in each audit
    Add(add::Add),
    /// Take new versions of policies that you have added
    Update(update::Update),
    /// Remove a policy that you have added
    Remove {
        /// Its ID
        id: String,
        #[command(flatten)]
        which: Which,
    },
    /// Give a policy to a registry, with its signature where FILE.minisig lies beside it
    #[cfg(feature = "registry")]
    Push {
        /// The path of a component
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Where it goes; its tag is the policy's version
        #[arg(value_name = "oci://HOST/NAME")]
        destination: String,
        /// Put it in the place of another file that the registry has under this version
        #[arg(long)]
        move_tag: bool,
        #[command(flatten)]
        which: Which,
    },
    /// Look at the file and the signature of each policy that you have added
    Verify(Which),
    /// Say which policies are another version where they came from than here (exit code 1)
    Outdated(Which),
    /// Copy the policies that you have added, and the settings, to a folder for another machine
    Vendor {
        /// A folder that does not exist, or is empty
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        #[command(flatten)]
        which: Which,
    },
    /// Compile the policies that you have added, so that the next audit need not
    Refresh(Which),
    /// Remove the files of policies that are not used any more
    Prune(Which),
    /// Compile a component to native code, for audits on machines without a compiler
    #[command(after_help = "\
The result is native code: an audit runs it only where it and the folders that it lies in belong to you or root, and nobody else \
can write to them. It fits one version of chitin and one kind of machine. Components need no such step: an audit compiles \
them itself, and keeps the code in your cache.")]
    Compile {
        /// The path of a component
        #[arg(value_name = "FILE")]
        policy: PathBuf,
        /// The file to write, for example mine.cwasm
        #[arg(long, short, value_name = "OUT")]
        output: PathBuf,
        /// The target to compile for, such as aarch64-unknown-linux-gnu [default: this machine]
        #[arg(long, value_name = "TRIPLE")]
        target: Option<String>,
    },
    /// Write a folder to begin a policy of your own with
    New(new::Arguments),
    /// Build a policy's folder by the command of its build.toml, and pack what comes out
    Build(build::Arguments),
    /// Run a policy's cases in the sandbox, and again with less granted
    Test(test::Arguments),
    /// Measure what a policy costs, over its cases
    Bench(bench::Arguments),
    /// Look at a policy as an operator will, without running it
    Check(check::Arguments),
    /// Put the manifest and the README into a component, or into what is made of a core module
    Pack(pack::Arguments),
    /// Write the contract, the WIT package that policies are built for
    Wit(wit::Arguments),
}

pub(super) fn run(command: &Command) -> anyhow::Result<u8> {
    match command {
        Command::List { json, which } => inspect::list(*json, &which.set()?)?,
        Command::Inspect { policy, json, which } => inspect::inspect(policy, *json, which)?,
        Command::Add(arguments) => add::add(arguments)?,
        Command::Update(arguments) => update::update(arguments)?,
        Command::Remove { id, which } => members::remove(id, which)?,
        #[cfg(feature = "registry")]
        Command::Push { file, destination, move_tag, which } => {
            registry::push(file, destination, *move_tag, &which.set()?)?;
        }
        Command::Verify(which) => return members::verify(which),
        Command::Outdated(which) => return members::outdated(which),
        Command::Vendor { folder, which } => members::vendor(folder, which)?,
        Command::Refresh(which) => return members::refresh(which),
        Command::Prune(which) => members::prune(which)?,
        Command::Compile { policy, output, target } => {
            compile::compile_to(policy, output, target.as_deref())?;
        }
        Command::New(arguments) => new::run(arguments)?,
        Command::Build(arguments) => build::run(arguments)?,
        Command::Test(arguments) => return test::run(arguments),
        Command::Bench(arguments) => bench::run(arguments)?,
        Command::Check(arguments) => return check::run(arguments),
        Command::Pack(arguments) => pack::run(arguments)?,
        Command::Wit(arguments) => wit::run(arguments)?,
    }
    Ok(0)
}

/// Why a compiler cannot be started.
const NO_PROGRAM: &str = "its compiler cannot be started: nobody knows where this program lies";

/// The set beside the settings; none where nobody says where settings lie.
pub(super) fn set(placed: &Placed) -> anyhow::Result<Option<Set>> {
    let Some(place) = &placed.place else { return Ok(None) };
    let set = Set::read(place, &placed.settings, placed.is_named);
    set.map(Some).map_err(|error| set_error(&error))
}

/// The set that commands about it are for.
fn changeable(settings: Option<&Path>) -> anyhow::Result<Set> {
    // One that is to be made with the first policy is not there yet.
    let placed = match settings.filter(|path| !path.exists()) {
        Some(path) => {
            // What is final is final for them, too.
            crate::cli::target::settings(None)?.allows(path).map_err(|error| {
                user_error(
                    error.to_string(),
                    "leave --settings out; whoever looks after this machine can change that",
                )
            })?
        }
        None => crate::cli::target::settings(settings)?,
    };
    set(&placed)?.ok_or_else(nowhere)
}

/// There is no place for settings.
fn nowhere() -> anyhow::Error {
    user_error(
        "nobody knows where the settings lie: neither XDG_CONFIG_HOME nor HOME is set",
        "name them with --settings FILE",
    )
}

/// Nobody has added such a policy.
fn not_added(id: &str, set: &Set) -> anyhow::Error {
    let ids: Vec<&str> = set.wanted.iter().map(|wanted| &*wanted.id).collect();
    let help = if ids.is_empty() {
        "no policy has been added; `chitin policy add FILE` adds one".to_owned()
    } else {
        format!("added are {}", ids.join(", "))
    };
    user_error(format!("the policy \"{id}\" has not been added"), help)
}

fn set_error(error: &SetError) -> anyhow::Error {
    user_error(error.to_string(), "docs/strangers.md says what chitin.toml and chitin.lock hold")
}

/// A name with a folder or the ending of a component is a file; ids have neither.
pub(super) fn is_file(name: &str) -> bool {
    name.contains(['/', '\\']) || Path::new(name).extension().is_some()
}

/// The built-in policies that are wanted, ready to run, with all that they declare.
pub(super) fn builtin(wanted: impl Fn(&About) -> bool) -> anyhow::Result<Vec<Planned>> {
    // A list asks for them at each of its targets.
    static ALL: OnceLock<Vec<Planned>> = OnceLock::new();
    let all = if let Some(all) = ALL.get() {
        all
    } else {
        let one = |(number, builtin): (usize, &Builtin)| Ok(Planned::builtin(number, builtin.manifest()?));
        let all = BUILTIN.iter().enumerate().map(one).collect::<anyhow::Result<_>>()?;
        ALL.get_or_init(|| all)
    };
    Ok(all.iter().filter(|planned| wanted(&planned.manifest.policy)).cloned().collect())
}

pub(super) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    chitin::target::read_regular(path, MAX_COMPONENT_BYTES).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &ReadError) -> anyhow::Error {
    let own = review::manifest(&path.join("policy.toml"))
        .ok()
        .map(|(_, manifest)| review::component_of(path, &manifest));
    let inside = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut components = inside.filter(|path| path.extension().is_some_and(|ending| ending == "wasm"));
    let help = match own.or_else(|| components.next()) {
        Some(component) => format!("did you mean {}?", component.display()),
        None => {
            "name a file that is there and can be read; `chitin policy list` names the policies that have an id"
                .to_owned()
        }
    };
    let [shown, error] = [path.display().to_string(), error.to_string()];
    user_error(format!("cannot read the policy {}: {}", without_login(&shown), without_login(&error)), help)
}

pub(super) fn refused(name: &str, refusal: &Refusal) -> anyhow::Error {
    user_error(
        format!("cannot use {name}: {refusal}"),
        match refusal {
            Refusal::NoManifest | Refusal::CoreModule => {
                "`chitin policy pack FILE --manifest policy.toml -o OUT.wasm` makes a policy of it; see docs/policies.md"
            }
            Refusal::Manifest(_) => "correct its policy.toml (docs/policies.md) and build it again",
            _ => "see docs/policies.md for what a policy is, and build it again",
        },
    )
}

/// A file of an author's folder cannot be used.
fn unusable(error: &FolderError) -> anyhow::Error {
    let help = match error {
        FolderError::Read(ReadError::NotFound(_)) => {
            "name a policy's folder, or its policy.toml; `chitin policy new NAME` makes one"
        }
        _ => "correct this file (docs/policies.md)",
    };
    user_error(error.to_string(), help)
}

/// There is no such policy.
pub(super) fn unknown(name: &str, set: Option<&Set>) -> anyhow::Error {
    let ids = BUILTIN.iter().filter_map(|builtin| builtin.manifest().ok()).map(|manifest| manifest.policy.id);
    let added = set.into_iter().flat_map(|set| &set.wanted).map(|wanted| wanted.id.clone());
    let help = nearest(name, added.chain(ids)).map_or_else(
        || {
            "`chitin policy list` names them all; a component file needs a path, for example ./mine.wasm"
                .to_owned()
        },
        |nearest| format!("did you mean {nearest}? `chitin policy list` names them all"),
    );
    user_error(format!("there is no policy \"{name}\""), help)
}
