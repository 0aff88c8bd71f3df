//! A value that is hidden is never taken for one that is there or absent, and what is withheld is never clean: over the
//! cases of every policy, each text of the config that the policy may see is hidden, alone and in pairs, and each capability is
//! withheld. Where the verdict of a check depends on what is not shown, the check must be not assessed; and never may there be a
//! finding that is not there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test makes its target, and stops where it cannot"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use chitin::audit::{Basis, Origin, Planned, Subject, evaluate};
use chitin::budget::Budget;
use chitin::config::{escape, segments};
use chitin::policy::catalog::BUILTIN;
use chitin::policy::manifest::{Capabilities, Manifest};
use chitin::sandbox::limits::Limits;
use chitin::sandbox::view::Grants;
use chitin::sandbox::{Code, Sandbox};
use chitin::target::{Environment, Request, locate};
use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;
use serde_json::{Value, json};

use support::{Home, root};

/// The variable that gives a hidden text: by its name it holds a secret, so that nothing of it is shown.
const VARIABLE: &str = "METAMORPHIC_TOKEN";

/// Texts that are put in the place of another: those that policies look for, and some that they do not.
const TEXTS: [&str; 12] = [
    "open",
    "allowlist",
    "*",
    "none",
    "lan",
    "loopback",
    "off",
    "all",
    "x",
    "777",
    "http://h.example:9/p",
    "exec",
];

/// Values that may stand in the place of what is withheld; none stands for no value at all.
fn others() -> Vec<Option<Value>> {
    vec![
        None,
        Some(Value::Null),
        Some(json!(true)),
        Some(json!(false)),
        Some(json!(5)),
        Some(json!("open")),
        Some(json!("x")),
        Some(json!({})),
        Some(json!(["*"])),
    ]
}

/// Policies that ask facts of a hidden text and may judge by them, with what they judge so.
const BY_FACTS: [(&str, &str); 6] = [
    ("direct-messages", "senders that are told apart by their fingerprints"),
    ("telegram", "senders that are numbers by their classes, and none that is \"*\" by its length"),
    ("discord", "lists that name somebody by the length of the entry"),
    ("slack", "the same"),
    ("elevated-tools", "senders that are not \"*\" by their length"),
    ("webhook-ingress", "a path and a session key that are not blank, and not \"/\", by their length"),
];

/// Most pairs of texts that are hidden together in one case.
const PAIRS: usize = 6;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct State {
    object: Vec<Object>,
    environment: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Object {
    path: String,
    kind: String,
    mode: Option<String>,
    content: Option<String>,
    target: Option<String>,
}

/// What a policy said: findings with their severities, and what it left open, by check as the manifest has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Said {
    found: BTreeMap<String, BTreeSet<String>>,
    open: BTreeSet<String>,
}

impl Said {
    fn of(&self, check: &str) -> BTreeSet<String> {
        self.found.get(check).cloned().unwrap_or_default()
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let sandbox = Sandbox::new().unwrap();
    let trials = BUILTIN.iter().enumerate().map(|(number, builtin)| {
        let manifest = builtin.manifest().unwrap();
        let sandbox = sandbox.clone();
        Trial::test(manifest.policy.id.clone(), move || policy(&sandbox, number, &manifest))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn policy(sandbox: &Sandbox, number: usize, manifest: &Manifest) -> Result<(), Failed> {
    let folder = root().join("policies").join(&manifest.policy.id).join("cases");
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)?.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json5"));
    paths.sort();
    let mut wrong = Vec::new();
    for path in paths {
        if let Some(case) = Case::read(sandbox, number, manifest, &path)? {
            case.hide(&mut wrong);
            case.withhold(&mut wrong);
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

/// One case of a policy, placed on disk.
struct Case<'a> {
    sandbox: &'a Sandbox,
    number: usize,
    manifest: &'a Manifest,
    name: String,
    home: Home,
    config: Value,
    variables: BTreeMap<String, String>,
}

impl<'a> Case<'a> {
    /// None of what is no JSON5, or what includes other files: their texts stand elsewhere.
    fn read(
        sandbox: &'a Sandbox,
        number: usize,
        manifest: &'a Manifest,
        path: &Path,
    ) -> Result<Option<Self>, Failed> {
        let text = String::from_utf8_lossy(&fs::read(path)?).into_owned();
        let Ok(config) = json5::from_str::<Value>(&text) else { return Ok(None) };
        if !config.is_object() || text.contains("$include") {
            return Ok(None);
        }
        let state: State = match fs::read_to_string(path.with_extension("state.toml")) {
            Ok(text) => toml::from_str(&text)?,
            Err(_) => State::default(),
        };
        let mut home = Home::new();
        home.directory(".openclaw", 0o700);
        home.file(".openclaw/openclaw.json", 0o600, Some(b"{}"));
        for Object { path, kind, mode, content, target } in &state.object {
            let mode = mode.as_deref().map_or(0o600, |mode| u32::from_str_radix(mode, 8).unwrap());
            match kind.as_str() {
                "directory" => home.directory(path, mode),
                "file" => home.file(path, mode, content.as_deref().map(str::as_bytes)),
                "symlink" => home.symlink(path, target.as_deref().unwrap_or_default()),
                _ => return Ok(None),
            }
        }
        home.settle();
        let shown = home.path().to_string_lossy().into_owned();
        let mut variables = state.environment;
        for value in variables.values_mut() {
            *value = value.replace("$HOME", &shown).replace('~', &shown);
        }
        variables.insert("HOME".to_owned(), shown);
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let file = home.path().join(".openclaw/openclaw.json");
        if !file.symlink_metadata().is_ok_and(|found| found.is_file()) {
            return Ok(None);
        }
        Ok(Some(Self { sandbox, number, manifest, name, home, config, variables }))
    }

    /// What the policy says of a config, with these capabilities and more variables.
    fn run(&self, config: &Value, granted: &Capabilities, more: &[(&str, &str)]) -> Result<Said, String> {
        fs::write(self.home.path().join(".openclaw/openclaw.json"), config.to_string()).unwrap();
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut environment: Environment = self.variables.clone().into_iter().chain(more).collect();
        let (located, problems) = locate(&Request::default(), &mut environment, self.home.path())
            .map_err(|error| error.to_string())?;
        let config = support::load(&located, &mut environment);
        let basis = Basis { deep: self.manifest.policy.deep, ..Basis::default() };
        let subject = Arc::new(Subject::new(located, environment, config, problems, &basis));
        let code = Ok(Code::Builtin(self.number));
        let planned = Planned::new(self.manifest.clone(), granted.clone(), code, Origin::BuiltIn);
        let plan = [Arc::new(planned)];
        let evaluation = evaluate(self.sandbox, &subject, &plan, &Limits::default(), &Budget::default());
        let mut said = Said::default();
        for outcome in evaluation.outcomes {
            let findings = outcome.verdict.map_err(|failure| failure.to_string())?;
            for finding in findings {
                let text = format!("{}:{}", finding.check_id, finding.severity);
                said.found.entry(finding.check).or_default().insert(text);
            }
            said.open.extend(outcome.open.into_iter().map(|open| open.check));
        }
        Ok(said)
    }

    fn all(&self, config: &Value) -> Option<Said> {
        self.run(config, &self.manifest.capabilities, &[]).ok()
    }

    fn tell(&self, wrong: &mut Vec<String>, what: &str) {
        wrong.push(format!("{} {}: {what}", self.manifest.policy.id, self.name));
    }

    /// The pointers of texts that the policy may see. Those of secrets are hidden already.
    fn texts(&self) -> Vec<String> {
        let grants = Grants::new(self.manifest.capabilities.clone(), BTreeMap::new());
        let mut pointers = Vec::new();
        texts(&self.config, String::new(), &mut pointers);
        let is_seen = |pointer: &str| grants.config(pointer) && !grants.secret(pointer);
        pointers.retain(|pointer| is_seen(pointer) && !pointer.starts_with("/env"));
        pointers
    }

    fn hide(&self, wrong: &mut Vec<String>) {
        let Some(original) = self.all(&self.config) else { return };
        let by_facts = BY_FACTS.iter().any(|(policy, _)| *policy == self.manifest.policy.id);
        let pointers = self.texts();
        for pointer in &pointers {
            let hidden = match self.hidden(&[pointer]) {
                Ok(hidden) => hidden,
                Err(error) => {
                    self.tell(wrong, &format!("with {pointer} hidden it has no answer: {error}"));
                    continue;
                }
            };
            self.is_true(&original, &hidden, &format!("with {pointer} hidden"), wrong);
            if by_facts {
                continue;
            }
            for check in self.checks() {
                // No gateway runs with an address that is none.
                let is_address = pointer.ends_with("Url");
                let texts = TEXTS.iter().filter(|text| !is_address || text.contains("://"));
                let differs =
                    texts.filter_map(|text| self.all(&with(&self.config, pointer, Some(json!(text)))));
                let is_open = hidden.open.contains(check);
                if !is_open && differs.into_iter().any(|said| said.of(check) != hidden.of(check)) {
                    let what = format!("{check} depends on {pointer}, and with that hidden it has a verdict");
                    self.tell(wrong, &what);
                }
            }
        }
        for (number, first) in pointers.iter().enumerate().take(PAIRS) {
            let Some(second) = pointers.get(pointers.len() - 1 - number).filter(|second| *second != first)
            else {
                continue;
            };
            match self.hidden(&[first, second]) {
                Ok(hidden) => {
                    self.is_true(&original, &hidden, &format!("with {first} and {second} hidden"), wrong);
                }
                Err(error) => self.tell(wrong, &format!("with {first} and {second} hidden: {error}")),
            }
        }
    }

    /// The same config with these texts hidden.
    fn hidden(&self, pointers: &[&String]) -> Result<Said, String> {
        let mut config = self.config.clone();
        let mut variables = Vec::new();
        for (number, pointer) in pointers.iter().enumerate() {
            let text = config.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            let name = format!("{}_{VARIABLE}", if number == 0 { "A" } else { "B" });
            config = with(&config, pointer, Some(json!(format!("${{{name}}}"))));
            variables.push((name, text));
        }
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        self.run(&config, &self.manifest.capabilities, &variables)
    }

    /// What is said is no more than what is so, and what is not said is open.
    fn is_true(&self, original: &Said, other: &Said, when: &str, wrong: &mut Vec<String>) {
        for check in self.checks() {
            let (whole, part) = (original.of(check), other.of(check));
            if let Some(extra) = part.difference(&whole).next() {
                self.tell(wrong, &format!("{when} it finds {extra}, which is not so"));
            }
            if !other.open.contains(check) && part != whole {
                self.tell(wrong, &format!("{when} {check} is neither {whole:?} nor open"));
            }
        }
    }

    fn checks(&self) -> impl Iterator<Item = &String> {
        self.manifest.checks.iter().map(|check| &check.id)
    }

    fn withhold(&self, wrong: &mut Vec<String>) {
        let Some(original) = self.all(&self.config) else { return };
        for name in self.manifest.capabilities.names() {
            if name.starts_with("fix:") || name.starts_with("fuel:") {
                continue;
            }
            let granted = self.manifest.capabilities.granted(|known| known != name);
            let when = format!("without {name}");
            let without = match self.run(&self.config, &granted, &[]) {
                Ok(without) => without,
                Err(error) => {
                    self.tell(wrong, &format!("{when} it has no answer: {error}"));
                    continue;
                }
            };
            self.is_true(&original, &without, &when, wrong);
            let Some(pointer) = name.strip_prefix("config:") else { continue };
            // Its facts are granted by another name, and are those of the value that is there.
            let has_facts = |secret: &String| {
                secret.starts_with('/') && (covers(pointer, secret) || covers(secret, pointer))
            };
            if granted.config.iter().any(|other| covers(other, pointer))
                || granted.secrets.iter().any(has_facts)
            {
                continue;
            }
            for place in places(&self.config, pointer) {
                // Nothing can stand in what is no object, and that it is none is granted.
                if has_no_room(&self.config, &place) {
                    continue;
                }
                for value in others() {
                    let Some(other) = self.all(&with(&self.config, &place, value.clone())) else { continue };
                    for check in self.checks().filter(|check| !without.open.contains(*check)) {
                        if other.of(check) != without.of(check) {
                            let value = value.as_ref().map_or("nothing".to_owned(), Value::to_string);
                            let what = format!("{when} {check} has a verdict, and {place} may be {value}");
                            self.tell(wrong, &what);
                        }
                    }
                }
            }
        }
    }
}

/// One granted part holds another.
fn covers(outer: &str, inner: &str) -> bool {
    let (outer, inner) = (segments(outer).unwrap(), segments(inner).unwrap());
    outer.len() <= inner.len() && outer.iter().zip(&inner).all(|(one, other)| one == "*" || one == other)
}

/// Something on the way to the place is neither an object nor a list.
fn has_no_room(config: &Value, place: &str) -> bool {
    let parents = place.match_indices('/').map(|(at, _)| &place[..at]);
    let mut parents = parents.filter_map(|parent| config.pointer(parent));
    parents.any(|parent| !parent.is_object() && !parent.is_array())
}

/// The places that a pattern names in a config, whether or not something stands there.
fn places(config: &Value, pattern: &str) -> Vec<String> {
    let mut places = vec![String::new()];
    for segment in segments(pattern).unwrap() {
        let below = |place: &String| -> Vec<String> {
            if segment != "*" {
                return vec![format!("{place}/{}", escape(&segment))];
            }
            match config.pointer(place) {
                Some(Value::Object(map)) => {
                    map.keys().map(|key| format!("{place}/{}", escape(key))).collect()
                }
                Some(Value::Array(items)) => {
                    (0..items.len()).map(|index| format!("{place}/{index}")).collect()
                }
                _ => Vec::new(),
            }
        };
        places = places.iter().flat_map(below).collect();
    }
    // Some are enough of many alike.
    places.truncate(3);
    places
}

fn texts(value: &Value, pointer: String, found: &mut Vec<String>) {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains("${") => found.push(pointer),
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| texts(value, format!("{pointer}/{}", escape(key)), found));
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, item)| texts(item, format!("{pointer}/{index}"), found));
        }
        _ => {}
    }
}

/// The config with another value at a place, and objects on the way to it; none takes it away.
fn with(config: &Value, pointer: &str, value: Option<Value>) -> Value {
    fn set(at: &mut Value, path: &[String], value: Option<Value>) {
        let Some((key, rest)) = path.split_first() else {
            if let Some(value) = value {
                *at = value;
            }
            return;
        };
        if let Value::Array(items) = at {
            if let Some(item) = key.parse().ok().and_then(|index: usize| items.get_mut(index)) {
                set(item, rest, value);
            }
            return;
        }
        if value.is_none() && (rest.is_empty() || at.get(key).is_none()) {
            if let Some(map) = at.as_object_mut() {
                map.remove(key);
            }
            return;
        }
        if !at.is_object() {
            *at = json!({});
        }
        let map = at.as_object_mut().unwrap();
        set(map.entry(key.clone()).or_insert(Value::Null), rest, value);
    }
    let mut config = config.clone();
    set(&mut config, &segments(pointer).unwrap(), value);
    config
}
