//! An in-memory host, so that a policy's logic is tested natively, without a sandbox.
#![cfg_attr(target_arch = "wasm32", allow(dead_code, reason = "only tests use it"))]
#![allow(clippy::expect_used, clippy::panic, reason = "a test that is set up wrongly must stop")]

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::Value;

use crate::guest::{literals_not_granted, not_granted};
use crate::{
    Allowed, Cell, Content, Context, Entry, Facts, Finding, Hidden, Host, Input, Kind, Link, Measures,
    Metadata, NotAssessed, Page, Path, Platform, ProbeResult, Problem, Reason, RecordsError, Release,
    SecretSource, StateError, Subject, Target, Unassessed, Variable, Verdict, View, js,
};

/// A host that lives in memory. Everything is granted, except what [`MemoryHost::withhold`] takes away.
/// In the config, secrets are the strings at keys named `token` or `password`; more is hidden by [`MemoryHost::hide`].
#[derive(Clone, Debug)]
pub struct MemoryHost {
    config: Value,
    /// The hidden texts by their pointers; none for what is kept elsewhere.
    secrets: BTreeMap<String, Option<(String, SecretSource)>>,
    literals: BTreeMap<String, bool>,
    without_state: bool,
    withheld: Vec<String>,
    tables: BTreeMap<String, Table>,
    objects: BTreeMap<(String, String), Object>,
    views: Vec<View>,
    environment: Vec<(String, String)>,
    problems: Vec<Problem>,
    release: Release,
    allowed: (u32, u32),
    probe: Option<ProbeResult>,
}

/// The columns of a table, and its rows.
type Table = (Vec<String>, Vec<Vec<Cell>>);

#[derive(Clone, Debug)]
struct Object {
    metadata: Metadata,
    content: Vec<u8>,
    /// Of a symbolic link: its text, and where it leads in the same view ("" leads nowhere).
    link: Option<(String, Option<(String, String)>)>,
    denied: bool,
}

impl Object {
    fn private_directory() -> Self {
        let metadata = metadata(Kind::Directory, 0o700, 0);
        Self { metadata, content: Vec::new(), link: None, denied: false }
    }
}

fn metadata(kind: Kind, mode: u32, size: usize) -> Metadata {
    Metadata { kind, mode, uid: 1000, gid: 1000, owned: true, links: 1, size: size as u64 }
}

impl MemoryHost {
    /// A target with this config (JSON, where keys may stand bare) and nothing else.
    ///
    /// # Panics
    /// Where the config is not JSON.
    #[must_use]
    pub fn new(config: &str) -> Self {
        let mut config: Value =
            serde_json::from_str(&quote_bare_keys(config)).expect("the test's config is JSON");
        let mut secrets = BTreeMap::new();
        hide("", &mut config, &mut secrets);
        Self {
            config,
            secrets,
            literals: BTreeMap::new(),
            without_state: false,
            withheld: Vec::new(),
            tables: BTreeMap::new(),
            objects: BTreeMap::new(),
            views: Vec::new(),
            environment: Vec::new(),
            problems: Vec::new(),
            release: Release { year: 2026, month: 2, patch: 19 },
            allowed: (0o700, 0o600),
            probe: None,
        }
    }

    /// Hides the text at a pointer: as a secret, as what a variable gave, or as a reference.
    ///
    /// # Panics
    /// Where no text stands there.
    #[must_use]
    pub fn hide(mut self, pointer: &str, hidden: Hidden) -> Self {
        let value = self.config.pointer_mut(pointer).expect("something stands there");
        let text = value.as_str().expect("a text stands there").to_owned();
        let (name, known) = match hidden {
            Hidden::Secret => ("secret", Some((text, SecretSource::Literal))),
            Hidden::Variable => ("variable", Some((text, SecretSource::Environment))),
            Hidden::Reference => ("reference", None),
        };
        *value = mark(name);
        self.secrets.insert(pointer.to_owned(), known);
        self
    }

    /// Takes the capability for a part of the config away.
    ///
    /// # Panics
    /// Where the part that it stands in is no object.
    #[must_use]
    pub fn withhold(mut self, pointer: &str) -> Self {
        let (parent, key) = pointer.rsplit_once('/').expect("a part of the config");
        let parent = self.config.pointer_mut(parent).and_then(Value::as_object_mut);
        parent.expect("it stands in an object").insert(key.to_owned(), mark("withheld"));
        self.withheld.push(format!("config:{pointer}"));
        self
    }

    /// Takes a capability away that is for no part of the config, by its name: `environment:NAME`,
    /// `secret:/gateway/auth/token`, `secret:env:NAME`, `problems` or `gateway`; or one for files, by its pattern:
    /// `stat:state/agents/*`.
    #[must_use]
    pub fn ungranted(mut self, capability: &str) -> Self {
        self.withheld.push(capability.to_owned());
        self
    }

    fn is_granted(&self, capability: &str) -> bool {
        !self.withheld.iter().any(|name| name == capability)
    }

    /// Adds a table with its columns.
    #[must_use]
    pub fn table(mut self, name: &str, columns: &[&str], rows: Vec<Vec<Cell>>) -> Self {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        self.tables.insert(name.to_owned(), (columns, rows));
        self
    }

    /// Adds a view with a path for messages.
    #[must_use]
    pub fn view(mut self, name: &str, display: &str) -> Self {
        self.views.push(View { name: name.to_owned(), display: display.to_owned() });
        self
    }

    /// Adds a regular file, and below the view's root the directories on the way to it.
    #[must_use]
    pub fn file(self, view: &str, rel: &str, mode: u32, content: &str) -> Self {
        let metadata = metadata(Kind::File, mode, content.len());
        self.object(view, rel, Object { metadata, content: content.into(), link: None, denied: false })
    }

    /// Adds a directory.
    #[must_use]
    pub fn directory(self, view: &str, rel: &str, mode: u32) -> Self {
        let metadata = metadata(Kind::Directory, mode, 0);
        self.object(view, rel, Object { metadata, content: Vec::new(), link: None, denied: false })
    }

    /// Adds a symbolic link that leads to another object of the same view, or nowhere.
    #[must_use]
    pub fn symlink(self, view: &str, rel: &str, leads_to: Option<&str>) -> Self {
        let metadata = metadata(Kind::Symlink, 0o777, 0);
        let end = leads_to.map(|end| (view.to_owned(), end.to_owned()));
        let link = Some((leads_to.unwrap_or("nowhere").to_owned(), end));
        self.object(view, rel, Object { metadata, content: Vec::new(), link, denied: false })
    }

    /// Adds a symbolic link that leads to an object of another view.
    #[must_use]
    pub fn symlink_out(self, view: &str, rel: &str, end_view: &str, end: &str) -> Self {
        let metadata = metadata(Kind::Symlink, 0o777, 0);
        let link = Some((format!("/{end_view}/{end}"), Some((end_view.to_owned(), end.to_owned()))));
        self.object(view, rel, Object { metadata, content: Vec::new(), link, denied: false })
    }

    /// Says that there is no state directory.
    #[must_use]
    pub fn without_state_dir(mut self) -> Self {
        self.without_state = true;
        self
    }

    /// Makes the host refuse to look at an object.
    #[must_use]
    pub fn deny(self, view: &str, rel: &str) -> Self {
        let metadata = metadata(Kind::Other, 0, 0);
        self.object(view, rel, Object { metadata, content: Vec::new(), link: None, denied: true })
    }

    fn object(mut self, view: &str, rel: &str, object: Object) -> Self {
        if !self.views.iter().any(|known| known.name == view) {
            self = self.view(view, &format!("/{view}"));
        }
        for (slash, _) in rel.match_indices('/') {
            let parent = (view.to_owned(), rel.split_at(slash).0.to_owned());
            self.objects.entry(parent).or_insert_with(Object::private_directory);
        }
        self.objects.insert((view.to_owned(), rel.to_owned()), object);
        self
    }

    /// Says whether a secret is spelled out in the file of a view; it is not understood where nothing is said.
    #[must_use]
    pub fn literals(mut self, view: &str, has_literals: bool) -> Self {
        self.literals.insert(view.to_owned(), has_literals);
        self
    }

    /// Sets an environment variable; those named like a secret are one.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the permission bits that the site allows a directory and a file.
    #[must_use]
    pub fn allowing(mut self, directory: u32, file: u32) -> Self {
        self.allowed = (directory, file);
        self
    }

    /// Makes the audit deep, with this result of the live probe: what went wrong, or nothing.
    #[must_use]
    pub fn probed(mut self, error: Option<&str>) -> Self {
        let (url, error) = ("ws://127.0.0.1:18789".to_owned(), error.map(str::to_owned));
        self.probe = Some(ProbeResult { url, ok: error.is_none(), error, close: None });
        self
    }

    /// Sets the release that the target is judged by.
    #[must_use]
    pub fn release(mut self, year: u16, month: u8, patch: u16) -> Self {
        self.release = Release { year, month, patch };
        self
    }

    /// Adds something that the runner met while it read the config.
    #[must_use]
    pub fn problem(mut self, kind: &str, message: &str, pointer: Option<&str>) -> Self {
        self.problems.push(Problem {
            kind: kind.to_owned(),
            message: message.to_owned(),
            pointers: pointer.map(str::to_owned).into_iter().collect(),
            file: None,
            position: None,
        });
        self
    }

    /// Gives the last problem one more value that it is about.
    #[must_use]
    pub fn problem_at(mut self, pointer: &str) -> Self {
        if let Some(problem) = self.problems.last_mut() {
            problem.pointers.push(pointer.to_owned());
        }
        self
    }

    /// Gives the last problem its place in a file.
    pub fn place_problem(&mut self, file: &str, line: u32, column: u32) {
        if let Some(problem) = self.problems.last_mut() {
            problem.file = Some(file.to_owned());
            problem.position = Some((line, column));
        }
    }

    /// Runs a function over this host's context.
    ///
    /// # Panics
    /// Never: the input is JSON.
    pub fn with<R>(&self, function: impl FnOnce(&Context<'_>) -> R) -> R {
        let granted = |name: &str| is_secret(name) || self.is_granted(&format!("environment:{name}"));
        let environment = self.environment.iter().filter(|(name, _)| granted(name)).map(|(name, value)| {
            Variable { name: name.clone(), value: (!is_secret(name)).then(|| value.clone()) }
        });
        let problems = if self.is_granted("problems") { self.problems.clone() } else { Vec::new() };
        let input = Input {
            config: self.config.to_string(),
            release: self.release,
            withheld: self.withheld.clone(),
            problems,
            views: self.views.iter().filter(|view| self.may("stat", &view.name, "")).cloned().collect(),
            environment: environment.collect(),
            platform: Platform { os: "linux".to_owned(), arch: "x86_64".to_owned() },
            permissions: Allowed { directory: self.allowed.0, file: self.allowed.1 },
            deep: self.probe.is_some(),
            now: 1_700_000_000,
        };
        function(&Context::new(input, self).expect("the input is JSON"))
    }

    /// Runs a policy.
    ///
    /// # Errors
    /// What the policy answers.
    pub fn run(&self, audit: fn(&Context<'_>) -> Verdict) -> Verdict {
        self.with(audit)
    }

    /// Runs a policy and gives `check-id:severity` of each finding, and `check-id:not assessed` of what it left open.
    ///
    /// # Panics
    /// Where the policy fails.
    #[must_use]
    pub fn ids(&self, audit: fn(&Context<'_>) -> Verdict) -> Vec<String> {
        let answer = self.run(audit).expect("the policy has an answer");
        let name = |finding: &Finding| {
            let severity = format!("{:?}", finding.severity).to_lowercase();
            format!("{}:{}", finding.check_id, severity.replace("severity::", ""))
        };
        let open = answer.unassessed.iter().map(|open| format!("{}:not assessed", open.check_id));
        answer.findings.iter().map(name).chain(open).collect()
    }

    /// Runs a policy and gives its findings.
    ///
    /// # Panics
    /// Where the policy fails, or leaves a check open.
    #[must_use]
    pub fn findings(&self, audit: fn(&Context<'_>) -> Verdict) -> Vec<Finding> {
        let answer = self.run(audit).expect("the policy has an answer");
        assert!(answer.unassessed.is_empty(), "{:?}", answer.unassessed);
        answer.findings
    }

    /// Runs a policy and gives what it left open: `check-id: reason`.
    ///
    /// # Panics
    /// Where the policy fails.
    #[must_use]
    pub fn unassessed(&self, audit: fn(&Context<'_>) -> Verdict) -> Vec<String> {
        let answer = self.run(audit).expect("the policy has an answer");
        let name = |open: &Unassessed| format!("{}: {}", open.check_id, words(&open.reason));
        answer.unassessed.iter().map(name).collect()
    }

    /// No capability for files that was taken away stands for this place.
    fn may(&self, verb: &str, view: &str, rel: &str) -> bool {
        let place: Vec<&str> =
            view.split('/').chain(rel.split('/').filter(|name| !name.is_empty())).collect();
        let stands_for = |name: &String| {
            let pattern = name.strip_prefix(verb).and_then(|rest| rest.strip_prefix(':'));
            pattern.is_some_and(|pattern| fits(&pattern.split('/').collect::<Vec<_>>(), &place))
        };
        !self.withheld.iter().any(stands_for)
    }

    fn find(&self, verb: &str, path: &Path) -> Result<&Object, StateError> {
        if !self.may(verb, &path.view, &path.rel) {
            return Err(StateError::NotGranted);
        }
        if self.without_state && ["state", "credentials"].contains(&path.view.as_str()) {
            return Err(StateError::NoStateDir);
        }
        let key = (path.view.clone(), path.rel.clone());
        let object = self.objects.get(&key).ok_or(StateError::NotFound)?;
        if object.denied { Err(StateError::Denied) } else { Ok(object) }
    }
}

impl Host for MemoryHost {
    fn stat(&self, object: &Path) -> Result<Metadata, StateError> {
        self.find("stat", object).map(|object| object.metadata)
    }

    fn resolve(&self, object: &Path) -> Result<Link, StateError> {
        let found = self.find("stat", object)?;
        let Some((text, end)) = &found.link else {
            let (target, end, metadata) = (Target::Inside, Some(object.clone()), Some(found.metadata));
            return Ok(Link { text: String::new(), target, end, metadata });
        };
        let found = end.as_ref().and_then(|end| Some((end, self.objects.get(end)?)));
        let target = match found {
            Some(((view, _), _)) if *view == object.view => Target::Inside,
            Some(_) => Target::Outside,
            None => Target::Dangling,
        };
        let inside = found.filter(|_| target == Target::Inside).map(|((view, rel), _)| Path::new(view, rel));
        Ok(Link { text: text.clone(), target, end: inside, metadata: found.map(|(_, end)| end.metadata) })
    }

    fn list(&self, directory: &Path) -> Result<Vec<Entry>, StateError> {
        if self.find("list", directory)?.metadata.kind != Kind::Directory {
            return Err(StateError::WrongKind);
        }
        let prefix = if directory.rel.is_empty() { String::new() } else { format!("{}/", directory.rel) };
        let entry = |((view, rel), object): (&(String, String), &Object)| {
            let name = rel
                .strip_prefix(&prefix)
                .filter(|name| view == &directory.view && !name.is_empty() && !name.contains('/'))?;
            Some(Entry { name: name.to_owned(), metadata: object.metadata })
        };
        Ok(self.objects.iter().filter_map(entry).collect())
    }

    fn read(&self, object: &Path, limit: u32) -> Result<Content, StateError> {
        let found = self.find("read", object)?;
        if found.metadata.kind != Kind::File {
            return Err(StateError::WrongKind);
        }
        let bytes: Vec<u8> = found.content.iter().take(limit as usize).copied().collect();
        Ok(Content { truncated: bytes.len() < found.content.len(), bytes })
    }

    fn rows(&self, table: &str, columns: &[&str], start: u32, max: u32) -> Result<Page, RecordsError> {
        let (known, rows) = self.tables.get(table).ok_or(RecordsError::NoTable)?;
        let place = |column: &&str| {
            let place = known.iter().position(|known| known == column);
            place.ok_or_else(|| RecordsError::NoColumn((*column).to_owned()))
        };
        let places = columns.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        let (start, max) = (start as usize, max as usize);
        let cells = |row: &Vec<Cell>| {
            places.iter().map(|place| row.get(*place).cloned().unwrap_or(Cell::Null)).collect()
        };
        let page = rows.iter().skip(start).take(max).map(cells).collect();
        Ok(Page { rows: page, more: rows.len() > start.saturating_add(max) })
    }

    fn secret(&self, subject: &Subject) -> Result<Option<Facts>, NotAssessed> {
        let refusal = not_granted(subject);
        if matches!(&refusal.reason, Reason::Withheld(name) if !self.is_granted(name)) {
            return Err(refusal);
        }
        match subject {
            Subject::Config(pointer) => Ok(self.secrets.get(pointer).map(|known| match known {
                Some((text, source)) => facts(text, *source),
                None => Facts { source: SecretSource::Reference, measures: None },
            })),
            Subject::Env(name) if is_secret(name) => {
                let known = self.environment.iter().find(|(known, _)| known == name);
                Ok(known.map(|(_, text)| facts(text, SecretSource::Environment)))
            }
            Subject::Env(_) => Err(refusal),
        }
    }

    fn has_literals(&self, view: &str) -> Result<Option<bool>, NotAssessed> {
        let refusal = literals_not_granted(view);
        if matches!(&refusal.reason, Reason::Withheld(name) if !self.is_granted(name)) {
            return Err(refusal);
        }
        Ok(self.literals.get(view).copied())
    }

    fn probe(&self) -> Result<Option<ProbeResult>, NotAssessed> {
        if self.is_granted("gateway") {
            Ok(self.probe.clone())
        } else {
            Err(NotAssessed::withheld("gateway"))
        }
    }
}

/// The pattern of a capability stands for a place: `*` for one name or a part of one, `**` for all that is left.
fn fits(pattern: &[&str], place: &[&str]) -> bool {
    let (Some((first, pattern)), Some((name, place))) = (pattern.split_first(), place.split_first()) else {
        return pattern.is_empty() == place.is_empty() || pattern == ["**"];
    };
    let is_name = match first.split_once('*') {
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| rest.ends_with(tail)),
        None => first == name,
    };
    *first == "**" || (is_name && fits(pattern, place))
}

fn facts(value: &str, source: SecretSource) -> Facts {
    let trimmed = js::trim(value);
    let mut hasher = DefaultHasher::new();
    trimmed.hash(&mut hasher);
    let class = |c: char| match c {
        _ if c.is_lowercase() => 1,
        _ if c.is_uppercase() => 2,
        _ if c.is_numeric() => 4,
        _ => 8,
    };
    let measures = Measures {
        units: u32::try_from(js::units(trimmed)).unwrap_or(u32::MAX),
        bytes: u32::try_from(trimmed.len()).unwrap_or(u32::MAX),
        padded: trimmed.len() != value.len(),
        placeholder: trimmed.starts_with("${") && trimmed.ends_with('}'),
        well_known: ["undefined", "null", "change-me-now"].contains(&trimmed),
        classes: trimmed.chars().map(class).fold(0, |all, class| all | class),
        fingerprint: hasher.finish(),
    };
    Facts { source, measures: Some(measures) }
}

/// What stands in the config in place of what is not shown.
fn mark(name: &str) -> Value {
    serde_json::json!({"$hidden": name})
}

/// A reason in words.
fn words(reason: &Reason) -> String {
    match reason {
        Reason::Hidden(hidden) => format!("hidden {hidden:?}").replace("Hidden::", "").to_lowercase(),
        Reason::Withheld(name) => format!("withheld {name}"),
        Reason::Absent(what) => format!("absent: {what}"),
        Reason::Unreadable(why) => format!("unreadable: {why}"),
        Reason::Limit(name) => format!("limit: {name}"),
        Reason::NotUnderstood(why) => format!("not understood: {why}"),
    }
}

fn is_secret(name: &str) -> bool {
    let lower = name.to_lowercase();
    lower.ends_with("token") || lower.ends_with("password") || lower.ends_with("key")
}

fn hide(pointer: &str, value: &mut Value, secrets: &mut BTreeMap<String, Option<(String, SecretSource)>>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let pointer = format!("{pointer}/{key}");
                match value {
                    Value::String(text)
                        if is_secret(key) && !text.is_empty() && !key.to_lowercase().contains("session") =>
                    {
                        let known = (std::mem::take(text), SecretSource::Literal);
                        *value = mark("secret");
                        secrets.insert(pointer, Some(known));
                    }
                    _ if *value == mark("reference") => {
                        secrets.insert(pointer, None);
                    }
                    _ => hide(&pointer, value, secrets),
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                hide(&format!("{pointer}/{index}"), item, secrets);
            }
        }
        _ => {}
    }
}

/// Lets tests write `{gateway: {bind: "lan"}}`.
fn quote_bare_keys(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    let mut quoted = false;
    let mut escaped = false;
    for c in text.chars() {
        if quoted {
            out.push(c);
            quoted = c != '"' || escaped;
            escaped = c == '\\' && !escaped;
        } else if c.is_ascii_alphanumeric() || c == '_' {
            word.push(c);
        } else {
            let bare = c == ':' && word.starts_with(|c: char| c.is_ascii_alphabetic());
            let quote = if bare { "\"" } else { "" };
            out.extend([quote, word.as_str(), quote]);
            word.clear();
            out.push(c);
            quoted = c == '"';
        }
    }
    out + &word
}
