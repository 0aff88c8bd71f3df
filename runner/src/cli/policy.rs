//! `chitin policy`: which policies there are, and what each may look at.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use chitin::audit::{Planned, visible};
use chitin::budget::{Budget, GRACE};
use chitin::config::release::ReleaseRange;
use chitin::policy::cache::{Cache, NoCache};
use chitin::policy::catalog::{self, BUILTIN};
use chitin::policy::code_file::{self, CodeError, CodeFile, Digest, Label, Named};
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
use super::{note, show, user_error};

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
}

pub(super) fn run(command: &Command) -> anyhow::Result<u8> {
    match command {
        Command::List { json } => list(*json)?,
        Command::Inspect { policy, json } => inspect(policy, *json)?,
        Command::Compile { policy, output, target } => compile_to(policy, output, target.as_deref())?,
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
    let known = if let Some(named) = is_file(name).then(|| code_file::open(name.as_ref())).flatten() {
        of_code_file(name, named)?
    } else if is_file(name) {
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

/// What a code file says of the component that it was made of, and whether it is run here.
fn of_code_file(name: &str, named: Named) -> anyhow::Result<Known> {
    let Some(label) = named.label else {
        return Err(unusable_code(name, &named.code.err().unwrap_or(CodeError::NotCode)));
    };
    let manifest = label.manifest().map_err(|error| unusable_code(name, &error))?;
    let length = bytes(usize::try_from(label.length).unwrap_or(usize::MAX));
    let origin = format!("{name}, native code for {}, {length}", label.machine);
    let origin = match named.code {
        Ok(_) => origin,
        Err(error) => format!("{origin}; not run here: {error}"),
    };
    Ok(Known { manifest, origin, file: Some((label.component_bytes, label.imports)) })
}

fn unusable_code(name: &str, error: &CodeError) -> anyhow::Error {
    user_error(format!("cannot use {name}: {error}"), "see docs/policies.md for what a code file is")
}

/// Compiles a component, and writes its code to a file.
fn compile_to(path: &Path, output: &Path, target: Option<&str>) -> anyhow::Result<()> {
    let name = path.display().to_string();
    let component = read(path)?;
    check::inspect(&component).map_err(|refusal| refused(&name, &refusal))?;
    let budget = Budget::default();
    super::listen(&budget)?;
    let failed = |reason: String| {
        user_error(format!("cannot compile {name}: {reason}"), "see `chitin policy compile --help`")
    };
    let program = program::own().ok_or_else(|| failed(NO_PROGRAM.to_owned()))?;
    let progress = Progress::compiling(&name);
    let compiled = match target {
        None => compile::in_child(&program, &component, &budget),
        Some(target) => compile::in_child_for(&program, &component, target, &budget),
    };
    drop(progress);
    let compiled = compiled.map_err(|error| match error {
        compile::CompileError::Cut(cut) => cut.into(),
        error => failed(error.to_string()),
    })?;
    let label = compiled.label(&component).map_err(|refusal| refused(&name, &refusal))?;
    code_file::write(output, &label, compiled.bytes()).map_err(|error| {
        user_error(
            format!("cannot write {}: {error}", output.display()),
            "name a file in a folder that you can write to",
        )
    })?;
    if let Err(error) = code_file::folder_is_safe(output) {
        note(&visible(&format!(
            "warning: an audit will not run {} where it lies: {error}",
            output.display()
        )));
    }
    let length = bytes(compiled.bytes().len());
    show(|out| {
        let output = output.display().to_string();
        writeln!(out, "{}: native code for {}, {length}", visible(&output), label.machine)
    })
}

/// Why a compiler cannot be started.
const NO_PROGRAM: &str = "its compiler cannot be started: nobody knows where this program lies";

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
    /// What it is made of; otherwise why it cannot be used.
    content: Result<Content, String>,
}

/// What a policy from a file is made of.
enum Content {
    /// A component, that is not compiled yet.
    Component(Vec<u8>),
    /// Native code.
    Code(CodeFile),
}

/// What lies where the operator says that a policy is.
enum Found {
    Component(Vec<u8>),
    Code(Box<Named>),
}

fn find(path: &Path) -> Result<Found, ReadError> {
    match code_file::open(path) {
        Some(named) => Ok(Found::Code(Box::new(named))),
        None => chitin::target::read_regular(path, MAX_COMPONENT_BYTES).map(Found::Component),
    }
}

/// A stranger's policy, with what its manifest declares and the operator grants. One that cannot be used is planned too,
/// and fails in the report: the others run in spite of it.
pub(super) fn from_file(path: &Path, grants: &[String], budget: &Budget) -> anyhow::Result<Stranger> {
    let name = path.display().to_string();
    let unusable = |manifest: Manifest, reason: String| {
        let (path, granted) = (path.to_owned(), Capabilities::default());
        Ok(Stranger { path, manifest, granted, content: Err(reason) })
    };
    let place = path.to_owned();
    // Its file system may hang, too.
    let (manifest, content) = match budget.aside_within(GRACE, move || find(&place)) {
        Ok(Ok(Found::Component(component))) => match check::inspect(&component) {
            Ok(inspected) => (inspected.manifest, Ok(Content::Component(component))),
            Err(refusal) => match check::claimed(&component) {
                Some(manifest) => (manifest, Err(refusal.to_string())),
                None => return unusable(unnamed(&name), refusal.to_string()),
            },
        },
        Ok(Ok(Found::Code(named))) => {
            let manifest = named.label.as_ref().map(Label::manifest);
            match (manifest, named.code) {
                (Some(Ok(manifest)), code) => {
                    (manifest, code.map(Content::Code).map_err(|error| error.to_string()))
                }
                (_, Err(error)) | (Some(Err(error)), _) => {
                    return unusable(unnamed(&name), error.to_string());
                }
                (None, Ok(_)) => return unusable(unnamed(&name), CodeError::NotCode.to_string()),
            }
        }
        Err(cut) => return unusable(unnamed(&name), cut.to_string()),
        Ok(Err(ReadError::TooLarge { size, .. })) => {
            return unusable(unnamed(&name), check::too_large(size).to_string());
        }
        Ok(Err(error)) => return Err(unreadable(path, &error)),
    };
    // What takes a built-in's name must not be reported by it.
    if let Some(owner) = catalog::owner(&manifest) {
        let reason = format!(
            "it takes a name of the built-in policy {owner}; a policy of your own needs names of its own"
        );
        return unusable(unnamed(&name), reason);
    }
    let content = match content {
        Ok(content) => content,
        Err(reason) => return unusable(manifest, reason),
    };
    let declared = manifest.capabilities.names();
    if let Some(stray) = grants.iter().find(|grant| *grant != "all" && !declared.contains(grant)) {
        let help = format!("`chitin policy inspect {name}` lists what its manifest declares");
        return Err(user_error(format!("{name} does not declare the capability \"{stray}\""), help));
    }
    let given = |name: &str| grants.iter().any(|grant| grant == "all" || grant == name);
    let granted = manifest.capabilities.granted(given);
    Ok(Stranger { path: path.to_owned(), manifest, granted, content: Ok(content) })
}

impl Stranger {
    /// What the component says of itself.
    pub(super) fn about(&self) -> &About {
        &self.manifest.policy
    }
}

/// Makes strangers' policies ready to run.
pub(super) struct Maker<'a> {
    cache: &'a Cache,
    budget: &'a Budget,
    /// It was said that there is no cache.
    warned: bool,
}

impl<'a> Maker<'a> {
    pub(super) fn new(cache: &'a Cache, budget: &'a Budget) -> Self {
        Self { cache, budget, warned: false }
    }

    /// A policy with its code: its own, that of the cache, or what a child process of this program makes of it.
    pub(super) fn plan(&mut self, stranger: Stranger) -> Planned {
        let Stranger { path, manifest, granted, content } = stranger;
        let code = content.and_then(|content| match content {
            Content::Code(file) => Ok(file),
            Content::Component(component) => self.code(&path, &component),
        });
        Planned { manifest, granted, code: code.map(Code::in_file) }
    }

    fn code(&mut self, path: &Path, component: &[u8]) -> Result<CodeFile, String> {
        if let Ok(Some(known)) = self.cache.find(&Digest::of(component)) {
            return Ok(known);
        }
        let program = program::own().ok_or(NO_PROGRAM)?;
        let progress = Progress::compiling(&path.display().to_string());
        let compiled =
            compile::in_child(&program, component, self.budget).map_err(|error| error.to_string())?;
        drop(progress);
        let label = compiled.label(component).map_err(|refusal| refusal.to_string())?;
        let (file, reason) = self.cache.keep(&label, compiled.bytes()).map_err(|error| error.to_string())?;
        // Once: it is the same for all of them. Who has no home has no cache to miss.
        let is_told = |reason: &NoCache| *reason != NoCache::Homeless;
        if let Some(reason) = reason.filter(is_told).filter(|_| !std::mem::replace(&mut self.warned, true)) {
            note(&visible(&format!(
                "warning: {reason}; policies from files are compiled anew for each audit"
            )));
        }
        Ok(file)
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
