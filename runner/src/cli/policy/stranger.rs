//! Policies from files, on their way into an audit: read, checked, told apart, granted, compiled.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use chitin::audit::{Origin, Planned, visible};
use chitin::budget::{Budget, GRACE};
use chitin::policy::cache::{Cache, NoCache};
use chitin::policy::catalog;
use chitin::policy::code_file::{self, CodeError, CodeFile, Digest, Label, Named};
use chitin::policy::lock::Locked;
use chitin::policy::manifest::{About, Capabilities, Manifest};
use chitin::policy::names::{Name, shared_name};
use chitin::policy::set::{Set, Wanted, signature_of};
use chitin::policy::signature::{self, SignatureError};
use chitin::program;
use chitin::sandbox::limits::MAX_COMPONENT_BYTES;
use chitin::sandbox::{Code, check, compile};
use chitin::target::ReadError;
use chitin::wording::{nearest, shell_word};

use super::{NO_PROGRAM, unreadable};
use crate::cli::progress::Progress;
use crate::cli::{note, user_error};

/// A policy that is not built in: read and checked, and not compiled yet.
#[derive(Clone)]
pub(in crate::cli) struct Stranger {
    /// How it is called where its manifest cannot be believed: its file, or its id in the set.
    name: String,
    /// Where it lies.
    path: PathBuf,
    origin: Origin,
    manifest: Manifest,
    granted: Capabilities,
    /// What it is made of; otherwise why it cannot be used.
    content: Result<Content, String>,
}

/// What a policy from a file is made of.
#[derive(Clone)]
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

impl Found {
    fn at(path: &Path) -> Result<Self, ReadError> {
        match code_file::open(path) {
            Some(named) => Ok(Self::Code(Box::new(named))),
            None => chitin::target::read_regular(path, MAX_COMPONENT_BYTES).map(Self::Component),
        }
    }

    /// It is signed where all must be, and a signature by a key that is known is right. The bytes of a component are those that are
    /// used; native code is a file that nobody but its owner can change.
    fn is_signed(&self, path: &Path, text: Option<&[u8]>, set: &Set) -> Result<(), String> {
        if text.is_none() && !set.require_signatures {
            return Ok(());
        }
        let read;
        let bytes = match self {
            Self::Component(bytes) => bytes,
            Self::Code(_) => {
                read = chitin::target::read_regular(path, MAX_COMPONENT_BYTES)
                    .map_err(|error| error.to_string())?;
                &read
            }
        };
        let text = text.map(String::from_utf8_lossy);
        let known = text.as_deref().map(|text| signature::verify(bytes, text, &set.keys));
        if matches!(known, Some(Err(SignatureError::Unknown(_)))) && !set.require_signatures {
            return Ok(());
        }
        let signer = set.signer(bytes, text.as_deref()).map_err(|unusable| unusable.to_string())?;
        match (signer, check::claimed(bytes)) {
            (Some(signer), Some(manifest)) => {
                signer.may_sign(&manifest.policy.id).map_err(|error| error.to_string())
            }
            _ => Ok(()),
        }
    }

    /// What it says of itself, and what it is made of; or why that cannot be used, with the manifest where it can be read.
    fn understood(self) -> (Option<Manifest>, Result<Content, String>) {
        match self {
            Self::Component(component) => match check::inspect(&component) {
                Ok(inspected) => (Some(inspected.manifest), Ok(Content::Component(component))),
                Err(refusal) => (check::claimed(&component), Err(refusal.to_string())),
            },
            Self::Code(named) => match (named.label.as_ref().map(Label::manifest), named.code) {
                (Some(Ok(manifest)), code) => {
                    (Some(manifest), code.map(Content::Code).map_err(|error| error.to_string()))
                }
                (_, Err(error)) | (Some(Err(error)), _) => (None, Err(error.to_string())),
                (None, Ok(_)) => (None, Err(CodeError::NotCode.to_string())),
            },
        }
    }
}

/// Why a policy that takes a built-in's name is not used.
fn takes_name(owner: &str) -> String {
    format!("it takes a name of the built-in policy {owner}; a policy of your own needs names of its own")
}

/// A stranger's policy, with what its manifest declares and the operator grants. One that cannot be used is planned too,
/// and fails in the report: the others run in spite of it.
pub(in crate::cli) fn from_file(
    path: &Path,
    grants: &[String],
    (set, native): (Option<&Set>, bool),
    budget: &Budget,
) -> anyhow::Result<Stranger> {
    let name = path.display().to_string();
    let stranger = |manifest: Option<Manifest>, content: Result<Content, String>| Stranger {
        manifest: manifest.unwrap_or_else(|| unnamed(&name)),
        name: name.clone(),
        path: path.to_owned(),
        origin: Origin::File,
        granted: Capabilities::default(),
        content,
    };
    let place = path.to_owned();
    let look = move || {
        let found = Found::at(&place)?;
        Ok((found, chitin::target::read_regular(&signature_of(&place), signature::MAX_BYTES).ok()))
    };
    // Its file system may hang, too.
    let (found, signature) = match budget.aside_within(GRACE, look) {
        Ok(Ok(found)) => found,
        Err(cut) => return Ok(stranger(None, Err(cut.to_string()))),
        Ok(Err(ReadError::TooLarge { size, .. })) => {
            return Ok(stranger(None, Err(check::too_large(size).to_string())));
        }
        Ok(Err(error)) => return Err(unreadable(path, &error)),
    };
    let signed = set.map_or(Ok(()), |set| found.is_signed(path, signature.as_deref(), set));
    let (manifest, content) = found.understood();
    if matches!(content, Ok(Content::Code(_))) && !native {
        return Err(is_native(&name));
    }
    if let Err(reason) = signed {
        return Ok(stranger(None, Err(reason)));
    }
    // What takes a built-in's name must not be reported by it.
    if let Some(owner) = manifest.as_ref().and_then(catalog::owner) {
        return Ok(stranger(None, Err(takes_name(&owner))));
    }
    let mut stranger = stranger(manifest, content);
    if stranger.content.is_ok() {
        let declared = stranger.manifest.capabilities.names();
        if let Some(stray) = grants.iter().find(|grant| *grant != "all" && !declared.contains(grant)) {
            let help = nearest(stray, &declared).map_or_else(
                || format!("`chitin policy inspect {}` lists what its manifest declares", shell_word(&name)),
                |near| format!("did you mean {near}?"),
            );
            return Err(user_error(format!("{name} does not declare the capability \"{stray}\""), help));
        }
        stranger.grant(grants);
    }
    Ok(stranger)
}

/// What is wrong with grants that a policy does not ask for.
pub(super) fn stray_words(stray: &[String]) -> String {
    format!(
        "chitin.toml grants it {}, which it does not ask for; `chitin policy inspect` says what it asks for",
        stray.join(", ")
    )
}

/// Native code is run where somebody has said so, and not because a file happens to be some.
pub(super) fn is_native(name: &str) -> anyhow::Error {
    user_error(
        format!("{name} is native code, and no sandbox holds that"),
        "add --native where you have compiled it yourself; take no such file from others",
    )
}

/// The policies of the set. Each runs as the lock pins it, or fails under the names that it had when it was added.
pub(in crate::cli) fn installed(set: &Set, native: bool, budget: &Budget) -> Vec<Stranger> {
    let mut wanted: Vec<&Wanted> = set.wanted.iter().collect();
    wanted.sort_by(|a, b| a.id.cmp(&b.id));
    let mut strangers: Vec<Stranger> = Vec::new();
    for wanted in wanted {
        let locked = set.pin(&wanted.id);
        let stray = set.stray_grants(wanted);
        if locked.is_some() && !stray.is_empty() {
            note(&visible(&format!("warning: {}: {}", wanted.id, stray_words(&stray))));
        }
        let path = locked.map_or_else(|| PathBuf::from(&wanted.source), |locked| set.file(&locked.digest));
        let (own, one, file) = (set.clone(), wanted.clone(), path.clone());
        let found = budget.aside_within(GRACE, move || {
            let bytes = own.bytes(&one).map_err(|error| error.to_string())?;
            if bytes.starts_with(&code_file::MARK) {
                return Found::at(&file).map_err(|error| error.to_string());
            }
            Ok(Found::Component(bytes))
        });
        let (manifest, content) = match found {
            Ok(Ok(found)) => found.understood(),
            Ok(Err(reason)) => (None, Err(reason)),
            Err(cut) => (None, Err(cut.to_string())),
        };
        let is_other = manifest.as_ref().is_some_and(|manifest| manifest.policy.id != wanted.id);
        let manifest = manifest.filter(|_| content.is_ok() && !is_other);
        let known = manifest.or_else(|| locked.map(Locked::manifest));
        let mut stranger = Stranger {
            manifest: known.unwrap_or_else(|| unnamed(&wanted.id)),
            name: wanted.id.clone(),
            path,
            origin: Origin::Installed,
            granted: Capabilities::default(),
            content,
        };
        if is_other {
            stranger.content = Err("its file is that of a policy with another id".to_owned());
        }
        // Whose word that is in settings that the command line names, nobody knows.
        if matches!(stranger.content, Ok(Content::Code(_))) && !native && set.may_be_anyones() {
            stranger.content = Err("it is native code, which no sandbox holds, by the word of the settings that --settings names; add \
                                    --native where you have compiled it yourself"
                .to_owned());
        }
        if stranger.content.is_ok() {
            stranger.grant(&wanted.grants);
        }
        if let Some(owner) = catalog::owner(&stranger.manifest) {
            stranger.refuse(takes_name(&owner));
        }
        let rival = strangers.iter().find(|known| shared_name(&known.manifest, &stranger.manifest).is_some());
        if let Some(rival) = rival {
            stranger.refuse(format!("it takes a name of {}, which you have added, too", rival.name));
        }
        strangers.push(stranger);
    }
    strangers
}

impl Stranger {
    /// Where it lies, in words.
    pub(in crate::cli) fn name(&self) -> &str {
        &self.name
    }

    /// What the component says of itself.
    pub(in crate::cli) fn about(&self) -> &About {
        &self.manifest.policy
    }

    pub(in crate::cli) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(in crate::cli) fn origin(&self) -> Origin {
        self.origin
    }

    /// It cannot be used, and its names are not its own.
    pub(in crate::cli) fn refuse(&mut self, reason: String) {
        self.manifest = unnamed(&self.name);
        self.granted = Capabilities::default();
        self.content = Err(reason);
    }

    /// Gives it what it declares and these grants name.
    fn grant(&mut self, grants: &[String]) {
        let given = |name: &str| grants.iter().any(|grant| grant == "all" || grant == name);
        self.granted = self.manifest.capabilities.granted(given);
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
        let Stranger { name, origin, manifest, granted, content, .. } = stranger;
        let code = content.and_then(|content| match content {
            Content::Code(file) => Ok(file),
            Content::Component(component) => self.code(&name, &component),
        });
        Planned::new(manifest, granted, code.map(Code::in_file), origin)
    }

    /// The code of a component: that of the cache, or what a child process of this program makes of it.
    pub(super) fn code(&mut self, name: &str, component: &[u8]) -> Result<CodeFile, String> {
        if let Ok(Some(known)) = self.cache.find(&Digest::of(component)) {
            return Ok(known);
        }
        let program = program::own().ok_or(NO_PROGRAM)?;
        let progress = Progress::compiling(name);
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
