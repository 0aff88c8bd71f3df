//! What a fix of ours did to a recorded case, against what the reference's fix did.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use chitin::target::{Environment, Request, locate};
use serde::Deserialize;
use serde_json::Value;

use super::Home;

/// What the reference's fix did.
#[derive(Debug, Deserialize)]
pub struct Expected {
    expect_ok: Option<bool>,
    expect_written: Option<bool>,
    #[serde(default)]
    expect_changes: Vec<String>,
    #[serde(default)]
    expect_actions: Vec<Action>,
    config_path: Option<String>,
    expect_config_after: Option<Value>,
    #[serde(default)]
    expect_modes_after: BTreeMap<String, String>,
}

/// What ours did.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fix {
    ok: bool,
    config_written: bool,
    changes: Vec<String>,
    actions: Vec<Action>,
}

#[derive(Debug, Deserialize)]
struct Action {
    path: String,
    mode: Value,
    ok: bool,
    skipped: Option<String>,
    error: Option<String>,
}

impl Action {
    fn sentence(&self) -> String {
        let outcome = match (&self.skipped, &self.error) {
            (Some(skipped), _) => skipped,
            (None, Some(_)) => "error",
            (None, None) => "done",
        };
        // The cases write the mode as octal text, the program writes a number.
        let mode = self
            .mode
            .as_u64()
            .map_or_else(|| self.mode.as_str().unwrap_or_default().to_owned(), |mode| format!("{mode:o}"));
        format!("{} {mode} {outcome}", self.path.trim_start_matches("~/"))
    }
}

impl Expected {
    /// The differences, as sentences that `known-differences.toml` can hold.
    pub fn differences(&self, home: &Home, fix: &Fix, environment: &BTreeMap<String, String>) -> Vec<String> {
        let mut all = Vec::new();
        for (what, expected, found) in
            [("ok", self.expect_ok, fix.ok), ("configWritten", self.expect_written, fix.config_written)]
        {
            if expected.is_some_and(|expected| expected != found) {
                all.push(format!("{what} {found}"));
            }
        }
        // One of the reference's sentences has quotes.
        let plain = |change: &String| format!("change {}", change.replace('"', ""));
        compare(&mut all, self.expect_changes.iter().map(plain), fix.changes.iter().map(plain));
        let ours = || fix.actions.iter().map(Action::sentence);
        let visited = |sentence: &String| {
            let path = sentence.split(' ').next();
            self.expect_actions.iter().any(|action| Some(action.path.as_str()) == path)
        };
        // The reference visits a folder twice where two spellings name one agent; the first time counts.
        let mut expected: Vec<&Action> = Vec::new();
        for action in &self.expect_actions {
            if !expected.iter().any(|known| known.path == action.path) {
                expected.push(action);
            }
        }
        compare(&mut all, expected.into_iter().map(Action::sentence), ours().filter(visited));
        let more = ours().filter(|sentence| !visited(sentence) && sentence.ends_with(" done"));
        all.extend(more.map(|sentence| format!("+{sentence}")));
        for (path, mode) in &self.expect_modes_after {
            let found = fs::symlink_metadata(home.path().join(path)).ok();
            let found = found.map(|found| {
                if found.is_symlink() {
                    "symlink".to_owned()
                } else {
                    format!("{:o}", found.permissions().mode() & 0o7777)
                }
            });
            // The reference leaves a copy of the old config behind.
            if found.as_ref() != Some(mode) && !path.contains(".bak") {
                all.push(format!("mode {path} {} for {mode}", found.unwrap_or_else(|| "none".to_owned())));
            }
        }
        if let (Some(path), Some(after)) = (&self.config_path, &self.expect_config_after) {
            let theirs = Home::new();
            fs::write(theirs.path().join("openclaw.json"), after.to_string()).unwrap();
            let (ours, theirs) = (
                effective(&home.path().join(path), environment),
                effective(&theirs.path().join("openclaw.json"), environment),
            );
            if ours != theirs {
                let path = first_difference(&ours, &theirs, String::new());
                all.push(format!("config {path}"));
            }
        }
        all.sort();
        all
    }
}

fn compare(
    all: &mut Vec<String>,
    expected: impl Iterator<Item = String>,
    found: impl Iterator<Item = String>,
) {
    let (expected, found): (Vec<_>, Vec<_>) = (expected.collect(), found.collect());
    all.extend(expected.iter().filter(|one| !found.contains(one)).map(|one| format!("-{one}")));
    all.extend(found.iter().filter(|one| !expected.contains(one)).map(|one| format!("+{one}")));
}

/// The config as the gateway would use it; the stamp of the last writer is no setting.
fn effective(path: &Path, environment: &BTreeMap<String, String>) -> Value {
    let request = Request {
        state_dir: path.parent().map(Path::to_owned),
        config: Some(path.to_owned()),
        ..Request::default()
    };
    let own = [("HOME".to_owned(), path.parent().unwrap().to_string_lossy().into_owned())];
    let pairs =
        environment.iter().filter(|(name, _)| !name.contains("OPENCLAW") && !name.contains("CLAWDBOT"));
    let mut environment: Environment =
        pairs.map(|(name, value)| (name.clone(), value.clone())).chain(own).collect();
    let (located, _) = locate(&request, &mut environment, path.parent().unwrap()).unwrap();
    let mut value = super::load(&located, &mut environment).effective;
    if let Some(map) = value.as_object_mut() {
        map.remove("meta");
    }
    value
}

fn first_difference(one: &Value, other: &Value, pointer: String) -> String {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => one
            .keys()
            .chain(other.keys())
            .find(|key| one.get(*key) != other.get(*key))
            .map_or(pointer.clone(), |key| {
                let null = Value::Null;
                let value = |map: &serde_json::Map<String, Value>| map.get(key).unwrap_or(&null).clone();
                first_difference(&value(one), &value(other), format!("{pointer}/{key}"))
            }),
        _ => pointer,
    }
}
