//! Policies from files, on their way into an audit: read, checked, told apart, granted, compiled.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use chitin::audit::{Planned, visible};
use chitin::budget::{Budget, GRACE};
use chitin::policy::cache::{Cache, NoCache};
use chitin::policy::catalog;
use chitin::policy::code_file::{self, CodeError, CodeFile, Digest, Label, Named};
use chitin::policy::manifest::{About, Capabilities, Manifest};
use chitin::policy::names::{Name, shared_name};
use chitin::program;
use chitin::sandbox::limits::MAX_COMPONENT_BYTES;
use chitin::sandbox::{Code, check, compile};
use chitin::target::ReadError;

use super::{NO_PROGRAM, unreadable};
use crate::cli::progress::Progress;
use crate::cli::{note, user_error};

/// A component of the operator's, read and checked, and not compiled yet.
pub(in crate::cli) struct Stranger {
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
pub(in crate::cli) fn from_file(path: &Path, grants: &[String], budget: &Budget) -> anyhow::Result<Stranger> {
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
    pub(in crate::cli) fn about(&self) -> &About {
        &self.manifest.policy
    }
}

/// Makes strangers' policies ready to run.
pub(in crate::cli) struct Maker<'a> {
    cache: &'a Cache,
    budget: &'a Budget,
    /// It was said that there is no cache.
    warned: bool,
}

impl<'a> Maker<'a> {
    pub(in crate::cli) fn new(cache: &'a Cache, budget: &'a Budget) -> Self {
        Self { cache, budget, warned: false }
    }

    /// A policy with its code: its own, that of the cache, or what a child process of this program makes of it.
    pub(in crate::cli) fn plan(&mut self, stranger: Stranger) -> Planned {
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
pub(in crate::cli) fn told_apart(strangers: &[&Stranger]) -> anyhow::Result<()> {
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
