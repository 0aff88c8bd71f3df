//! What a plugin's `package.json` names as the code that the gateway starts (reference: state-checks 7).

use std::collections::BTreeSet;

use chitin_policy_sdk::context::reason;
use chitin_policy_sdk::openclaw::scan::Why;
use chitin_policy_sdk::{Content, Context, Kind, Location, NotAssessed, Path, StateError, Target, View, js};
use serde_json::Value;

/// Longest `package.json` that is read: a thousand times an ordinary one.
const MAX_PACKAGE_BYTES: u32 = 4 << 20;

/// Most entry points that are judged; an ordinary plugin has one.
const MAX_ENTRIES: usize = 10_000;

/// One of `openclaw.extensions`.
pub struct Entry {
    /// As it stands there.
    pub text: String,
    /// Where it is in the plugin's folder; none where it leads out of it.
    pub path: Option<Path>,
}

impl Entry {
    /// It lies where scanners, and people, do not look.
    pub fn is_hidden(&self) -> bool {
        let mut names = self.text.split(['/', '\\']);
        names.any(|name| name == "node_modules" || (name.starts_with('.') && name != "." && name != ".."))
    }
}

/// What a plugin says of itself.
pub struct Package {
    /// Its `openclaw.extensions`.
    pub entries: Result<Vec<Entry>, NotAssessed>,
    /// All that it starts in, by path: those entries, `main` and `exports`, and what a named folder names in its own package.
    pub starts: BTreeSet<String>,
    /// What could not be looked at, and why.
    pub unread: Vec<(Path, Why)>,
}

/// Reads it.
pub fn read(cx: &Context<'_>, view: &View) -> Package {
    let path = Path::new(&view.name, "package.json");
    let json = match package_json(cx, &path) {
        Ok(json) => json,
        Err(why) => return Package::unread(path, why),
    };
    let texts = json.pointer("/openclaw/extensions").and_then(Value::as_array).into_iter().flatten();
    let texts = texts.filter_map(Value::as_str).map(js::trim).filter(|text| !text.is_empty());
    let texts: Vec<&str> = texts.take(MAX_ENTRIES + 1).collect();
    if texts.len() > MAX_ENTRIES {
        return Package::unread(path, Why::Limit(format!("it names more than {MAX_ENTRIES} entry points")));
    }
    let entries: Vec<Entry> =
        texts.iter().map(|text| Entry { text: (*text).to_owned(), path: resolve(view, "", text) }).collect();
    let named: Vec<String> =
        entries.iter().filter_map(|entry| Some(entry.path.as_ref()?.rel.clone())).collect();
    let mut package = Package { entries: Ok(entries), starts: BTreeSet::new(), unread: Vec::new() };
    package.add_mains(view, "", &path, &json);
    // A folder that is named has a package of its own, which says what the folder starts in.
    for rel in &named {
        let Some(folder) = folder(cx, &Path::new(&view.name, rel)).filter(|folder| !folder.rel.is_empty())
        else {
            continue;
        };
        let path = folder.join("package.json");
        match package_json(cx, &path) {
            Ok(json) => package.add_mains(view, &folder.rel, &path, &json),
            Err(why) => package.unread.push((path, why)),
        }
    }
    package.starts.extend(named);
    package
}

/// The folder of this name in the plugin, also behind a link. What cannot be looked at is told where the start itself is
/// looked for.
fn folder(cx: &Context<'_>, path: &Path) -> Option<Path> {
    match cx.host().stat(path) {
        Ok(found) if found.kind == Kind::Directory => Some(path.clone()),
        Ok(found) if found.kind != Kind::Symlink => None,
        Ok(_) | Err(StateError::ThroughLink) => {
            let link = cx.host().resolve(path).ok().filter(|link| link.target == Target::Inside)?;
            link.end.filter(|_| link.metadata.is_some_and(|end| end.kind == Kind::Directory))
        }
        Err(_) => None,
    }
}

impl Package {
    /// A package of which nothing is known.
    fn unread(path: Path, why: Why) -> Self {
        let open = match &why {
            Why::Unreadable(why) => NotAssessed::unreadable(why),
            Why::Limit(name) => NotAssessed::limit(name),
        };
        let entries = Err(open.at(Location::Object(path.clone())));
        Self { entries, starts: BTreeSet::new(), unread: vec![(path, why)] }
    }

    /// Adds what a package in this folder starts in where it is loaded by the folder's name. A JSON file is data, whoever
    /// loads it.
    fn add_mains(&mut self, view: &View, folder: &str, package: &Path, json: &Value) {
        let mut mains: Vec<&str> = json.get("main").and_then(Value::as_str).into_iter().collect();
        if let Some(exports) = json.get("exports") {
            targets(exports.get(".").unwrap_or(exports), &mut mains);
        }
        for text in mains.into_iter().map(js::trim).filter(|text| !text.is_empty() && !is_json(text)) {
            let Some(start) = resolve(view, folder, text) else {
                let why = Why::Unreadable("it starts in a file outside the folder".to_owned());
                self.unread.push((package.clone(), why));
                continue;
            };
            self.starts.insert(start.rel);
        }
    }
}

/// The texts in a value of `exports`, under whatever conditions. Paths below the package (`./feature`) are for other code to
/// ask for, as any file is.
fn targets<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| targets(item, found)),
        Value::Object(conditions) => {
            let conditions = conditions.iter().filter(|(condition, _)| !condition.starts_with('.'));
            conditions.for_each(|(_, value)| targets(value, found));
        }
        _ => {}
    }
}

fn is_json(text: &str) -> bool {
    text.rsplit_once('.').is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("json"))
}

/// The content of a `package.json`; null where there is none. What is no JSON names nothing, for the gateway either.
fn package_json(cx: &Context<'_>, path: &Path) -> Result<Value, Why> {
    let content = match cx.host().read(path, MAX_PACKAGE_BYTES) {
        Err(StateError::WrongKind) => through_link(cx, path),
        other => other,
    };
    match content {
        Ok(content) if content.truncated => {
            Err(Why::Limit(format!("it has more than {} MiB", MAX_PACKAGE_BYTES >> 20)))
        }
        Ok(content) => match js::json(&content.bytes) {
            Ok(package) => Ok(package.unwrap_or_default()),
            Err(error) => {
                Err(Why::Unreadable(format!("it is JSON that this audit does not understand: {error}")))
            }
        },
        Err(StateError::NotFound) => Ok(Value::Null),
        Err(error) => Err(Why::Unreadable(reason(&error))),
    }
}

/// Longest `package.json` that the gateway takes, in bytes (reference: 2026.9-delta 3.9).
const MAX_TAKEN_BYTES: u64 = 1 << 20;

/// What keeps the gateway from understanding a plugin's `package.json`; none where it does, or there is none.
pub fn defect(cx: &Context<'_>, path: &Path) -> Result<Option<String>, NotAssessed> {
    let unseen =
        |error: &StateError| NotAssessed::unreadable(reason(error)).at(Location::Object(path.clone()));
    let is_link = match cx.host().stat(path) {
        Ok(found) if found.kind == Kind::Symlink => true,
        Ok(found) if found.kind != Kind::File => return Ok(Some("it is no file".to_owned())),
        Ok(found) if found.size > MAX_TAKEN_BYTES => return Ok(Some(too_long())),
        Ok(_) => false,
        Err(StateError::NotFound) => return Ok(None),
        Err(error) => return Err(unseen(&error)),
    };
    let content = if is_link { through_link(cx, path) } else { cx.host().read(path, MAX_PACKAGE_BYTES) };
    match content {
        Ok(content) if content.bytes.len() as u64 > MAX_TAKEN_BYTES => Ok(Some(too_long())),
        // JSON that this program cannot hold is JSON for the gateway.
        Ok(content) => {
            let is_json = !matches!(js::json(&content.bytes), Ok(None));
            Ok((!is_json).then(|| "it is no JSON".to_owned()))
        }
        Err(StateError::NotFound) => Ok(None),
        Err(error) => Err(unseen(&error)),
    }
}

fn too_long() -> String {
    format!("it has more than {} MiB", MAX_TAKEN_BYTES >> 20)
}

/// A package that is a link to another file of the plugin.
fn through_link(cx: &Context<'_>, package: &Path) -> Result<Content, StateError> {
    let link = cx.host().resolve(package)?;
    match link.metadata {
        None => Err(StateError::NotFound),
        Some(metadata) if metadata.kind != Kind::File => Err(StateError::NotFound),
        Some(_) => match link.end {
            Some(end) => cx.host().read(&end, MAX_PACKAGE_BYTES),
            None => Err(StateError::ThroughLink),
        },
    }
}

/// The place that a text in a folder's package names, by its text alone; an absolute one takes the folder's place.
fn resolve(view: &View, folder: &str, text: &str) -> Option<Path> {
    let base: Vec<&str> = names(&view.display).collect();
    // Names of the contract's form, in which a "%" is written as "%25", are written anew in the end.
    let folder = folder.replace("%25", "%");
    let mut path = if text.starts_with('/') { Vec::new() } else { base.clone() };
    if !text.starts_with('/') {
        path.extend(names(&folder));
    }
    for name in names(text) {
        if name == ".." {
            path.pop();
        } else {
            path.push(name);
        }
    }
    let below = path.strip_prefix(base.as_slice())?;
    // A name in the contract's form.
    Some(Path::new(&view.name, &below.join("/").replace('%', "%25")))
}

fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty() && *name != ".")
}
