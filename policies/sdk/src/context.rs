//! What a policy sees: its input, read once, and the host behind it.

use serde_json::Value;

use crate::{
    Allowed, Content, Entry, Facts, Failure, Hidden, Input, Kind, Link, Location, Measures, Metadata, Node,
    NotAssessed, Page, Path, Platform, ProbeResult, Problem, Reason, RecordsError, Release, SecretSource,
    StateError, Subject, View,
};

/// The runner's side of the contract; [`crate::testing::MemoryHost`] stands in for it in tests.
/// The functions and their errors are those of `wit/state.wit`, `wit/records.wit`, `wit/secrets.wit` and `wit/gateway.wit`.
#[allow(missing_docs, reason = "documented in wit/")]
pub trait Host {
    fn stat(&self, object: &Path) -> Result<Metadata, StateError>;
    fn resolve(&self, object: &Path) -> Result<Link, StateError>;
    fn list(&self, directory: &Path) -> Result<Vec<Entry>, StateError>;
    fn read(&self, object: &Path, limit: u32) -> Result<Content, StateError>;
    fn rows(&self, table: &str, columns: &[&str], start: u32, max: u32) -> Result<Page, RecordsError>;
    /// `Err` where the subject is not granted.
    fn secret(&self, subject: &Subject) -> Result<Option<Facts>, NotAssessed>;
    /// `Err` where it is not granted.
    fn has_literals(&self, view: &str) -> Result<Option<bool>, NotAssessed>;
    /// `Err` where it is not granted.
    fn probe(&self) -> Result<Option<ProbeResult>, NotAssessed>;

    /// Gives the entries of a directory whose names have an ending, in byte order, however many there are: a listing is
    /// one answer, which a directory of a hundred thousand files makes too large. Needs `list`.
    fn each_entry(
        &self,
        directory: &Path,
        ending: &str,
        each: &mut dyn FnMut(&str, &Metadata),
    ) -> Result<(), StateError> {
        for entry in self.list(directory)? {
            if entry.name.ends_with(ending) {
                each(&entry.name, &entry.metadata);
            }
        }
        Ok(())
    }

    /// Gives all that lies below a directory, parents before children, in byte order, until `each` has enough. Names
    /// that fit a pattern of `skip` (a `*` stands at its end only) are passed over with all that is below them.
    fn walk(
        &self,
        root: &Path,
        skip: &[&str],
        each: &mut dyn FnMut(Walked) -> bool,
    ) -> Result<(), StateError> {
        let below = |directory: &Path| -> Result<Vec<(Path, Metadata)>, StateError> {
            let entries =
                self.list(directory)?.into_iter().rev().filter(|entry| !is_skipped(skip, &entry.name));
            Ok(entries.map(|entry| (directory.join(&entry.name), entry.metadata)).collect())
        };
        let mut pending = below(root)?;
        while let Some((object, metadata)) = pending.pop() {
            let mut refused = None;
            if metadata.kind == Kind::Directory {
                match below(&object) {
                    Ok(entries) => pending.extend(entries),
                    Err(error) => refused = Some(error),
                }
            }
            if !each(Walked { object, metadata, refused }) {
                break;
            }
        }
        Ok(())
    }
}

/// An object met by a walk.
#[derive(Clone, Debug)]
pub struct Walked {
    /// Where it is.
    pub object: Path,
    /// Facts about the object itself.
    pub metadata: Metadata,
    /// Why the walk did not enter the directory; none where it did, or where it was not to.
    pub refused: Option<StateError>,
}

/// Tells the absolute path of a view, for messages.
pub(crate) type Display = fn(&View) -> String;

/// Everything that a policy can know of the target.
pub struct Context<'h> {
    input: Input,
    config: Value,
    host: &'h dyn Host,
    display: Display,
}

/// The view of an object, whose absolute path is told where it is asked for: most objects are in order, and no message is
/// about them. None where this audit has no such view.
#[derive(Clone, Debug)]
pub(crate) struct Root(Option<View>, Display);

impl Root {
    /// The absolute path of an object, for messages.
    pub(crate) fn display_path(&self, path: &Path) -> String {
        let Self(view, display) = self;
        below(view.as_ref().map_or_else(|| path.view.clone(), display), &path.rel)
    }

    /// The absolute path of an object as it is; see [`Context::exact_path`].
    pub(crate) fn exact_path(&self, path: &Path) -> Option<String> {
        let Self(view, display) = self;
        Some(below(display(view.as_ref()?), &plain(&path.rel)?))
    }
}

fn below(root: String, rel: &str) -> String {
    if rel.is_empty() { root } else { format!("{}/{rel}", root.trim_end_matches('/')) }
}

impl<'h> Context<'h> {
    /// Reads the input.
    ///
    /// # Errors
    /// `inconclusive` where the config is not JSON, which the runner never gives.
    pub fn new(input: Input, host: &'h dyn Host) -> Result<Self, Failure> {
        Self::with_display(input, host, |view| view.display.clone())
    }

    /// The same, where the paths of views are told by something else than the input.
    pub(crate) fn with_display(input: Input, host: &'h dyn Host, display: Display) -> Result<Self, Failure> {
        let config = serde_json::from_str(&input.config).map_err(|error| {
            Failure::Inconclusive(format!("the config given to this policy is not JSON: {error}"))
        })?;
        Ok(Self { input, config, host, display })
    }

    /// The effective config: the granted subtrees.
    #[must_use]
    pub fn config(&self) -> Node<'_> {
        Node::root(&self.config)
    }

    /// The release that the target is judged by.
    #[must_use]
    pub fn release(&self) -> Release {
        self.input.release
    }

    /// The declared capabilities that the operator did not grant, by their names.
    #[must_use]
    pub fn withheld(&self) -> &[String] {
        &self.input.withheld
    }

    /// Nothing, where a capability of the manifest was granted. Whether a view is here at all depends on it.
    ///
    /// # Errors
    /// Where it was not. It is named as in the manifest.
    pub fn granted(&self, capability: &str) -> Result<(), NotAssessed> {
        if self.input.withheld.iter().any(|name| name == capability) {
            return Err(NotAssessed::withheld(capability));
        }
        Ok(())
    }

    /// What the runner met while it read the config.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.input.problems
    }

    /// The names of the granted views.
    pub fn views(&self) -> impl Iterator<Item = &str> {
        self.input.views.iter().map(|view| view.name.as_str())
    }

    /// Those of a family, such as `workspace`: `workspace/main` and so on.
    pub fn views_of(&self, family: &str) -> impl Iterator<Item = &str> {
        self.views().filter(move |name| name.strip_prefix(family).is_some_and(|rest| rest.starts_with('/')))
    }

    fn view(&self, name: &str) -> Option<&View> {
        self.input.views.iter().find(|view| view.name == name)
    }

    /// The absolute path of a view, for messages; none where this audit has no such view.
    #[must_use]
    pub fn display(&self, view: &str) -> Option<String> {
        self.view(view).map(self.display)
    }

    /// The absolute path of an object, for messages.
    #[must_use]
    pub fn display_path(&self, path: &Path) -> String {
        self.root(path).display_path(path)
    }

    /// The view that an object lies in.
    pub(crate) fn root(&self, path: &Path) -> Root {
        Root(self.view(&path.view).cloned(), self.display)
    }

    /// The absolute path of an object as it is, for commands; none where its name is no text. (A view's own path that is
    /// no text has replacement characters.)
    #[must_use]
    pub fn exact_path(&self, path: &Path) -> Option<String> {
        self.root(path).exact_path(path)
    }

    /// The value of a granted environment variable; none where it is unset or secret, or not granted: a verdict needs
    /// [`Context::environment`].
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.input.environment.iter().find(|known| known.name == name)?.value.as_deref()
    }

    /// The value of an environment variable; none where it is unset or secret.
    ///
    /// # Errors
    /// Where it is not granted, and may be set to anything.
    pub fn environment(&self, name: &str) -> Result<Option<&str>, NotAssessed> {
        let capability = format!("environment:{name}");
        if self.input.withheld.contains(&capability) {
            return Err(NotAssessed::withheld(capability));
        }
        Ok(self.variable(name))
    }

    /// Facts of the machine.
    #[must_use]
    pub fn platform(&self) -> &Platform {
        &self.input.platform
    }

    /// The most permission bits that the site allows.
    #[must_use]
    pub fn allowed(&self) -> &Allowed {
        &self.input.permissions
    }

    /// The audit asked for slow and live checks too.
    #[must_use]
    pub fn deep(&self) -> bool {
        self.input.deep
    }

    /// Seconds since the epoch, the same for the whole audit.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.input.now
    }

    /// The state view and its like.
    #[must_use]
    pub fn host(&self) -> &'h dyn Host {
        self.host
    }

    /// Facts about a hidden text of the config.
    ///
    /// # Errors
    /// Where they are not granted.
    pub fn config_secret(&self, node: &Node<'_>) -> Result<Option<Facts>, NotAssessed> {
        self.host.secret(&Subject::Config(node.pointer().to_owned()))
    }

    /// What is known of a config text that is not shown, for this reason.
    ///
    /// # Errors
    /// The same reason, where nothing is known of the text.
    pub fn measures(&self, node: &Node<'_>, reason: NotAssessed) -> Result<Measures, NotAssessed> {
        if !matches!(reason.reason, Reason::Hidden(_)) {
            return Err(reason);
        }
        // A value can turn out to be secret where the manifest expected none. Its facts are refused then, and the operator decided nothing.
        let facts = self.config_secret(node).ok().flatten();
        facts.and_then(|facts| facts.measures).ok_or(reason)
    }

    /// A secret is spelled out in the file of a view, that of the config or of an include.
    ///
    /// # Errors
    /// `withheld` without the capability, `not-understood` for a file that is not read as a config.
    pub fn has_literals(&self, path: &Path) -> Result<bool, NotAssessed> {
        let unknown =
            || NotAssessed::not_understood(self.display_path(path)).at(Location::Object(path.clone()));
        self.host.has_literals(&path.view)?.ok_or_else(unknown)
    }

    /// Facts about a secret of the environment.
    ///
    /// # Errors
    /// Where they are not granted.
    pub fn env_secret(&self, name: &str) -> Result<Option<Facts>, NotAssessed> {
        self.host.secret(&Subject::Env(name.to_owned()))
    }

    /// Who or what a text names, so that it can be told from others also where it is not shown; none where this is no
    /// text, or a blank one. A number counts as the text that it would be.
    ///
    /// # Errors
    /// Where nothing can be known of it.
    pub fn identity(&self, node: &Node<'_>) -> Result<Option<Identity>, NotAssessed> {
        let reason = match node.id() {
            Ok(id) => return Ok(id.map(Identity::Shown)),
            Err(reason) => reason,
        };
        let measures = self.measures(node, reason)?;
        Ok((measures.units > 0).then_some(Identity::Hidden(measures.fingerprint, node.location())))
    }

    /// What the live probe of the gateway met.
    ///
    /// # Errors
    /// Where there was none, or it is not granted.
    pub fn probe(&self) -> Result<ProbeResult, NotAssessed> {
        self.host.probe()?.ok_or_else(|| NotAssessed::absent("an audit that is not deep asks no gateway"))
    }
}

/// Who or what a text names.
#[derive(Clone, Debug)]
pub enum Identity {
    /// The trimmed text.
    Shown(String),
    /// A text that is not shown: its fingerprint, and where it stands.
    Hidden(u64, Location),
}

impl Identity {
    /// Both name the same.
    ///
    /// # Errors
    /// Where one is shown and the other is not: that they differ cannot be known.
    pub fn is_same(&self, other: &Self) -> Result<bool, NotAssessed> {
        match (self, other) {
            (Self::Shown(one), Self::Shown(other)) => Ok(one == other),
            (Self::Hidden(one, _), Self::Hidden(other, _)) => Ok(one == other),
            (Self::Hidden(_, place), Self::Shown(_)) | (Self::Shown(_), Self::Hidden(_, place)) => {
                Err(NotAssessed::hidden(Hidden::Variable, place.clone()))
            }
        }
    }
}

impl Release {
    /// It is this release or a later one.
    #[must_use]
    pub fn since(self, year: u16, month: u8, patch: u16) -> bool {
        (self.year, self.month, self.patch) >= (year, month, patch)
    }
}

impl Facts {
    /// What is known of the text.
    ///
    /// # Errors
    /// Where it is a reference, whose text nobody here knows. `location` is its place.
    pub fn measures(&self, location: &Location) -> Result<Measures, NotAssessed> {
        self.measures.ok_or_else(|| NotAssessed::hidden(Hidden::Reference, location.clone()))
    }

    /// A text with something left of it after trimming, or a reference to a place where one is kept.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.source == SecretSource::Reference || self.measures.is_some_and(|known| known.units > 0)
    }

    /// JavaScript's truth of the text: white space alone counts.
    #[must_use]
    pub fn is_truthy(&self) -> bool {
        self.is_set() || self.measures.is_some_and(|known| known.padded)
    }
}

impl Path {
    /// A place in a view; `rel` is "" for the view itself.
    #[must_use]
    pub fn new(view: &str, rel: &str) -> Self {
        Self { view: view.to_owned(), rel: rel.to_owned() }
    }

    /// An object of this directory.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        let rel = if self.rel.is_empty() { name.to_owned() } else { format!("{}/{name}", self.rel) };
        Self { view: self.view.clone(), rel }
    }
}

/// What a path of the contract stands for, in which bytes that are no text and "%" are written as "%XX"; none where it has
/// such bytes.
fn plain(rel: &str) -> Option<String> {
    let mut parts = rel.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// A walk with these patterns passes over the name.
#[must_use]
pub fn is_skipped(skip: &[&str], name: &str) -> bool {
    skip.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(head) => name.starts_with(head),
        None => name == *pattern,
    })
}

/// Why something could not be looked at, for a check that needs it. `verb` and `path` are what was asked for.
#[must_use]
pub fn unseen(cx: &Context<'_>, verb: &str, path: &Path, error: &StateError) -> NotAssessed {
    let object = || Location::Object(path.clone());
    match error {
        StateError::NotGranted if path.rel.is_empty() => {
            NotAssessed::withheld(format!("{verb}:{}", path.view))
        }
        StateError::NotGranted => NotAssessed::withheld(format!("{verb}:{}/{}", path.view, path.rel)),
        StateError::NoStateDir => {
            NotAssessed::absent("the state directory").at(Location::Object(Path::new(&path.view, "")))
        }
        StateError::BadPath | StateError::NotFound => NotAssessed::unreadable(because(cx, path, error)),
        _ => NotAssessed::unreadable(because(cx, path, error)).at(object()),
    }
}

fn because(cx: &Context<'_>, path: &Path, error: &StateError) -> String {
    format!("cannot look at {}: {}", cx.display_path(path), reason(error))
}

/// Why something could not be looked at, in words.
#[must_use]
pub fn reason(error: &StateError) -> String {
    match error {
        StateError::NotGranted => "the policy has no capability for it".to_owned(),
        StateError::NotFound => "it is gone".to_owned(),
        StateError::NoStateDir => "there is no state directory".to_owned(),
        StateError::BadPath => "the path is malformed".to_owned(),
        StateError::ThroughLink => "a symbolic link stands on the way".to_owned(),
        StateError::WrongKind => "it is of another kind".to_owned(),
        StateError::Denied => "permission denied".to_owned(),
        StateError::Secret => "it holds credentials".to_owned(),
        StateError::Changed => "it changed while it was read".to_owned(),
        StateError::Io(text) => text.clone(),
    }
}
