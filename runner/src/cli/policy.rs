//! `chitin policy`: which policies there are, and what each may look at.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use chitin::audit::{Planned, visible};
use chitin::budget::{Budget, GRACE};
use chitin::config::release::ReleaseRange;
use chitin::policy::catalog::{self, BUILTIN};
use chitin::policy::manifest::{About, Capabilities, Manifest};
use chitin::policy::names::{Name, shared_name};
use chitin::program;
use chitin::sandbox::limits::{MAX_COMPONENT_BYTES, bytes};
use chitin::sandbox::view::Grants;
use chitin::sandbox::{Code, check, compile};
use chitin::target::ReadError;
use chitin::wording::nearest;
use clap::Subcommand;
use serde_json::json;

use super::progress::Progress;
use super::{show, user_error};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the built-in policies
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a policy's checks and every capability that it holds
    Inspect {
        /// A built-in ID, or the path of a component
        #[arg(value_name = "ID|FILE")]
        policy: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &Command) -> anyhow::Result<u8> {
    match command {
        Command::List { json } => list(*json)?,
        Command::Inspect { policy, json } => inspect(policy, *json)?,
    }
    Ok(0)
}

fn list(as_json: bool) -> anyhow::Result<()> {
    let manifests = BUILTIN.iter().map(catalog::Builtin::manifest);
    let manifests = manifests.collect::<Result<Vec<Manifest>, _>>()?;
    show(|out| {
        if as_json {
            serde_json::to_writer_pretty(&mut *out, &manifests)?;
            return writeln!(out);
        }
        let width = manifests.iter().map(|manifest| manifest.policy.id.len()).max().unwrap_or(0);
        for Manifest { policy, checks, .. } in &manifests {
            let plural = if checks.len() == 1 { " " } else { "s" };
            let deep = if policy.deep { " (--deep)" } else { "" };
            writeln!(
                out,
                "{:width$}  {:>2} check{plural}  {}{deep}",
                policy.id,
                checks.len(),
                policy.summary
            )?;
        }
        Ok(())
    })
}

/// What there is to know of a policy before it runs.
struct Known {
    manifest: Manifest,
    origin: String,
    /// Size in bytes and names of imports of a component from a file.
    file: Option<(usize, Vec<String>)>,
}

fn inspect(name: &str, as_json: bool) -> anyhow::Result<()> {
    let known = if is_file(name) {
        let inspected = check::inspect(&read(name.as_ref())?).map_err(|refusal| refused(name, &refusal))?;
        let origin = format!("{name}, {}", bytes(inspected.size));
        Known { manifest: inspected.manifest, origin, file: Some((inspected.size, inspected.imports)) }
    } else {
        let found = BUILTIN.iter().find_map(|builtin| {
            let manifest = builtin.manifest().ok().filter(|manifest| manifest.policy.id == name)?;
            Some(Known { manifest, origin: "built in".to_owned(), file: None })
        });
        found.ok_or_else(|| unknown(name))?
    };
    show(|out| {
        let Manifest { policy, checks, capabilities } = &known.manifest;
        if as_json {
            let value = json!({
                "policy": policy, "check": checks, "capabilities": capabilities.names(),
                "componentBytes": known.file.as_ref().map(|(size, _)| size),
                "imports": known.file.as_ref().map(|(_, imports)| imports),
            });
            serde_json::to_writer_pretty(&mut *out, &value)?;
            return writeln!(out);
        }
        writeln!(out, "{} {} ({})", policy.id, policy.version, visible(&known.origin))?;
        writeln!(out, "{}", visible(&policy.summary))?;
        match (policy.deep, &policy.each) {
            (true, None) => writeln!(out, "runs in deep audits only")?,
            (true, Some(each)) => writeln!(out, "runs in deep audits only, once for each {each}")?,
            (false, Some(each)) => writeln!(out, "runs once for each {each}")?,
            (false, None) => {}
        }
        writeln!(out, "\nchecks")?;
        for check in checks {
            let ranges: Vec<&str> = check.releases.iter().map(ReleaseRange::as_str).collect();
            let releases =
                if ranges.is_empty() { String::new() } else { format!(" [{}]", visible(&ranges.join(", "))) };
            writeln!(out, "  {} ({}){releases}\n    {}", check.id, check.severity, visible(&check.summary))?;
        }
        writeln!(out, "\ncapabilities")?;
        let more: Vec<String> = capabilities
            .files
            .iter()
            .filter(|file| Grants::asks_for_more(file))
            .map(ToString::to_string)
            .collect();
        for capability in capabilities.names() {
            let note =
                if more.contains(&capability) { " (asks for more than any policy can read)" } else { "" };
            writeln!(out, "  {}{note}", visible(&capability))?;
        }
        if !more.is_empty() {
            writeln!(out, "  What can be read is a list by purpose, see docs/policies.md.")?;
        }
        if let Some((_, imports)) = &known.file {
            writeln!(out, "\nimports")?;
            for import in imports {
                writeln!(out, "  {}", visible(import))?;
            }
        }
        Ok(())
    })
}

/// A name with a folder or the ending of a component is a file; ids have neither.
pub(super) fn is_file(name: &str) -> bool {
    name.contains(['/', '\\']) || Path::new(name).extension().is_some()
}

/// The built-in policies that are wanted, ready to run, with all that they declare.
pub(super) fn builtin(wanted: impl Fn(&About) -> bool) -> anyhow::Result<Vec<Planned>> {
    let mut plan = Vec::new();
    for (number, builtin) in BUILTIN.iter().enumerate() {
        let manifest = builtin.manifest()?;
        if wanted(&manifest.policy) {
            plan.push(Planned::builtin(number, manifest));
        }
    }
    Ok(plan)
}

/// A component of the operator's, read and checked, and not compiled yet.
pub(super) struct Stranger {
    path: PathBuf,
    manifest: Manifest,
    granted: Capabilities,
    /// The component; otherwise why it cannot be used.
    component: Result<Vec<u8>, String>,
}

/// A stranger's policy, with what its manifest declares and the operator grants. One that cannot be used is planned too,
/// and fails in the report: the others run in spite of it.
pub(super) fn from_file(path: &Path, grants: &[String], budget: &Budget) -> anyhow::Result<Stranger> {
    let name = path.display().to_string();
    let unusable = |manifest: Manifest, reason: String| {
        let (path, granted) = (path.to_owned(), Capabilities::default());
        Ok(Stranger { path, manifest, granted, component: Err(reason) })
    };
    let place = path.to_owned();
    // Its file system may hang, too.
    let read = budget.aside_within(GRACE, move || chitin::target::read_regular(&place, MAX_COMPONENT_BYTES));
    let component = match read {
        Ok(Ok(component)) => component,
        Err(cut) => return unusable(unnamed(&name), cut.to_string()),
        Ok(Err(ReadError::TooLarge { size, .. })) => {
            return unusable(unnamed(&name), check::too_large(size).to_string());
        }
        Ok(Err(error)) => return Err(unreadable(path, &error)),
    };
    let (manifest, refusal) = match check::inspect(&component) {
        Ok(inspected) => (inspected.manifest, None),
        Err(refusal) => match check::claimed(&component) {
            Some(manifest) => (manifest, Some(refusal)),
            None => return unusable(unnamed(&name), refusal.to_string()),
        },
    };
    // What takes a built-in's name must not be reported by it.
    if let Some(owner) = catalog::owner(&manifest) {
        let reason = format!(
            "it takes a name of the built-in policy {owner}; a policy of your own needs names of its own"
        );
        return unusable(unnamed(&name), reason);
    }
    if let Some(refusal) = refusal {
        return unusable(manifest, refusal.to_string());
    }
    let declared = manifest.capabilities.names();
    if let Some(stray) = grants.iter().find(|grant| *grant != "all" && !declared.contains(grant)) {
        let help = format!("`chitin policy inspect {name}` lists what its manifest declares");
        return Err(user_error(format!("{name} does not declare the capability \"{stray}\""), help));
    }
    let given = |name: &str| grants.iter().any(|grant| grant == "all" || grant == name);
    let granted = manifest.capabilities.granted(given);
    Ok(Stranger { path: path.to_owned(), manifest, granted, component: Ok(component) })
}

impl Stranger {
    /// What the component says of itself.
    pub(super) fn about(&self) -> &About {
        &self.manifest.policy
    }

    /// Compiles it, which takes a child process of this program.
    pub(super) fn compile(self, budget: &Budget) -> Planned {
        let Self { path, manifest, granted, component } = self;
        let code = component.and_then(|component| {
            let program = program::own()
                .ok_or("its compiler cannot be started: nobody knows where this program lies")?;
            let _progress = Progress::compiling(&path.display().to_string());
            let code = compile::in_child(&program, &component, budget);
            code.map(Code::compiled).map_err(|error| error.to_string())
        });
        Planned { manifest, granted, code }
    }
}

/// Of two components that claim one name, nobody could tell whose verdict is whose: one file under two names, one id, one
/// check.
pub(super) fn told_apart(strangers: &[&Stranger]) -> anyhow::Result<()> {
    for (number, one) in strangers.iter().enumerate() {
        for other in strangers.iter().skip(number + 1) {
            let files = format!("{} and {}", one.path.display(), other.path.display());
            let taken = |what: &str, name: &str| {
                let help = "name one of the two; each policy needs an id and check ids of its own";
                Err(user_error(format!("{files} both claim the {what} \"{name}\""), help))
            };
            if is_same_file(&one.path, &other.path) {
                return Err(user_error(
                    format!("{files} are one and the same file"),
                    "name each policy once",
                ));
            }
            match shared_name(&one.manifest, &other.manifest) {
                Some(Name::Policy(id)) => return taken("policy id", id),
                Some(Name::Check(id)) => return taken("check", id),
                None => {}
            }
        }
    }
    Ok(())
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| path.metadata().ok().map(|found| (found.dev(), found.ino()));
    identity(one).is_some_and(|found| identity(other) == Some(found))
}

/// Stands for a manifest that is not there, or not to be believed: the file's name, and no checks.
fn unnamed(name: &str) -> Manifest {
    let policy = About { id: visible(name), ..About::default() };
    Manifest { policy, checks: Vec::new(), capabilities: Capabilities::default() }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    chitin::target::read_regular(path, MAX_COMPONENT_BYTES).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &ReadError) -> anyhow::Error {
    user_error(
        format!("cannot read the policy {}: {error}", path.display()),
        "name a component file, or a built-in ID of `chitin policy list`",
    )
}

fn refused(name: &str, refusal: &check::Refusal) -> anyhow::Error {
    user_error(
        format!("cannot use {name}: {refusal}"),
        match refusal {
            check::Refusal::NoManifest => {
                "add the text of its policy.toml as this custom section; see docs/policies.md, and add-manifest.py beside the \
                 examples"
            }
            check::Refusal::Manifest(_) => "correct its policy.toml (docs/policies.md) and build it again",
            _ => "see docs/policies.md for what a policy is, and build it again",
        },
    )
}

/// There is no such policy.
pub(super) fn unknown(name: &str) -> anyhow::Error {
    let ids = BUILTIN.iter().filter_map(|builtin| builtin.manifest().ok()).map(|manifest| manifest.policy.id);
    let help = nearest(name, ids).map_or_else(
        || {
            "`chitin policy list` names them all; a component file needs a path, for example ./mine.wasm"
                .to_owned()
        },
        |nearest| format!("did you mean {nearest}? `chitin policy list` names them all"),
    );
    user_error(format!("there is no policy \"{name}\""), help)
}
