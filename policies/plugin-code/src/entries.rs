//! What a plugin's `package.json` names as the code that the gateway starts (reference: state-checks 7).

use chitin_policy_sdk::context::reason;
use chitin_policy_sdk::{Context, Kind, Path, StateError, View, js};
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

/// Reads them; otherwise says what could not be looked at, and why.
pub fn read(cx: &Context<'_>, view: &View) -> Result<Vec<Entry>, (Path, String)> {
    let package = Path::new(&view.name, "package.json");
    let content = match cx.host().read(&package, MAX_PACKAGE_BYTES) {
        Err(StateError::WrongKind) => through_link(cx, &package),
        other => other,
    };
    let content = match content {
        Ok(content) => content,
        Err(StateError::NotFound) => return Ok(Vec::new()),
        Err(error) => return Err((package, reason(&error))),
    };
    if content.truncated {
        return Err((package, format!("it has more than {} MiB", MAX_PACKAGE_BYTES >> 20)));
    }
    // What is no JSON names nothing, for the gateway either.
    let json: Value = serde_json::from_str(&String::from_utf8_lossy(&content.bytes)).unwrap_or_default();
    let entries = json.pointer("/openclaw/extensions").and_then(Value::as_array).into_iter().flatten();
    let entries = entries.filter_map(Value::as_str).map(js::trim).filter(|text| !text.is_empty());
    let entries: Vec<&str> = entries.take(MAX_ENTRIES + 1).collect();
    if entries.len() > MAX_ENTRIES {
        return Err((package, format!("it names more than {MAX_ENTRIES} entry points")));
    }
    let entry = |text: &str| Entry { text: text.to_owned(), path: resolve(view, text) };
    Ok(entries.into_iter().map(entry).collect())
}

/// A package that is a link to another file of the plugin.
fn through_link(cx: &Context<'_>, package: &Path) -> Result<chitin_policy_sdk::Content, StateError> {
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

/// The place that an entry names, by its text alone; an absolute one takes the folder's place.
fn resolve(view: &View, text: &str) -> Option<Path> {
    let base: Vec<&str> = names(&view.display).collect();
    let mut path = if text.starts_with('/') { Vec::new() } else { base.clone() };
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
