//! What a fix did, as JSON: a superset of the reference program's form (cli-contract 4.2).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::apply::{Applied, What};
use super::guard::{ALLOWLIST_KEY, Refusal};
use super::plan::{ModeChange, ValueChange};
use super::prove::Proven;
use super::visited::{Place, State};
use crate::audit::visible;
use crate::target::Installation;

/// What was done, or would be.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Nothing failed.
    pub ok: bool,
    /// The state directory.
    pub state_dir: String,
    /// The config file.
    pub config_path: String,
    /// A config file was written.
    pub config_written: bool,
    /// The config values that changed, or that would.
    pub changes: Vec<String>,
    /// The places whose mode was looked at.
    pub actions: Vec<Action>,
    /// What failed.
    pub errors: Vec<String>,
    /// Nothing was changed, on request.
    pub dry_run: bool,
    /// The run in the journal, for `chitin undo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// What was proposed and is not done, and why.
    pub refused: Vec<Refused>,
    /// The unified difference of each config file.
    pub differences: Vec<Difference>,
}

/// A plan, and what was known when it was made.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The plan.
    pub proven: &'a Proven,
    /// The difference of each config file, by its path.
    pub differences: &'a [(String, String)],
    /// The places that the reference's own fix visits.
    pub places: &'a [Place],
}

/// A mode that was set, or why not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Action {
    /// "chmod".
    pub kind: &'static str,
    /// The absolute path.
    pub path: String,
    /// The mode that it has now, or that it should have.
    pub mode: u32,
    /// It was set.
    pub ok: bool,
    /// Why it was not looked at, needed nothing, or was left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// Why it could not be set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A proposal that is not followed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    what: String,
    check_id: String,
    why: String,
}

/// The unified difference of a file.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    path: String,
    diff: String,
}

impl Summary {
    /// Puts it together; `applied` is none for a dry run.
    #[must_use]
    pub fn new(installation: &Installation, shown: Shown<'_>, applied: Option<&Applied>) -> Self {
        let Shown { proven, differences, places } = shown;
        let failures = applied.map_or(&[][..], |applied| applied.failed.as_slice());
        let failed: HashMap<&Path, &super::apply::Failed> =
            failures.iter().map(|failed| (failed.path.as_path(), failed)).collect();
        let is_written = |path: &Path| {
            failed.get(path).is_none_or(|failed| matches!(failed.what, What::Mode | What::Afterwards))
        };
        let file_written =
            |file: usize| proven.files.iter().all(|change| change.file != file || is_written(&change.path()));
        let mode_error = |path: &Path| {
            let failed = failed.get(path).filter(|failed| matches!(failed.what, What::Mode | What::Both));
            failed.map(|failed| failed.error.to_string())
        };
        let plan = &proven.plan;
        let changed = plan.values.iter().filter(|change| file_written(change.file)).map(sentence);
        let mut left: HashMap<&str, String> = HashMap::new();
        for refused in &plan.refused {
            left.entry(refused.what.as_str()).or_insert_with(|| refused.why.to_string());
        }
        // What was said of a pattern for names was said of each name.
        let patterns: Vec<(&str, &str, &Refusal)> = plan
            .refused
            .iter()
            .filter_map(|refused| refused.what.split_once('*').map(|(head, tail)| (head, tail, &refused.why)))
            .collect();
        let left = |path: &Path| {
            let path = visible::path(path);
            let of_pattern = |(head, tail, why): &(&str, &str, &Refusal)| {
                let name = path.strip_prefix(head)?.strip_suffix(tail)?;
                (!name.contains('/')).then(|| why.to_string())
            };
            left.get(path.as_str()).cloned().or_else(|| patterns.iter().find_map(of_pattern))
        };
        let mut actions: Vec<Action> = Vec::new();
        let mut rest: HashMap<PathBuf, &ModeChange> =
            plan.modes.iter().map(|change| (change.path(), change)).collect();
        for place in places {
            // A config that was written anew got its mode with its text.
            let is_config = place.path == installation.config_audit;
            let with_text = |change: &&ModeChange| {
                let file = proven.files.iter().find(|file| file.identity.is(change.identity));
                is_config && file.is_some_and(|file| is_written(&file.path()))
            };
            let change = rest.remove(&place.path).filter(|change| !with_text(change));
            let error = mode_error(&place.path);
            actions.push(action(place, change.map(|change| change.after), error, left(&place.path)));
        }
        for change in plan.modes.iter().filter(|change| rest.contains_key(&change.path())) {
            let place = Place { path: change.path(), directory: false };
            let error = mode_error(&place.path);
            actions.push(action(&place, Some(change.after), error, None));
        }
        let refused = plan.refused.iter().map(|refused| Refused {
            what: refused.what.clone(),
            check_id: refused.check.clone(),
            why: refused.why.to_string(),
        });
        let error =
            |failed: &super::apply::Failed| format!("{}: {}", visible::path(&failed.path), failed.error);
        Self {
            ok: failures.is_empty(),
            state_dir: visible::path(&installation.state_dir),
            config_path: visible::path(&installation.config_audit),
            config_written: applied.is_some() && proven.files.iter().any(|change| is_written(&change.path())),
            changes: changed.collect(),
            actions,
            errors: failures.iter().map(error).collect(),
            dry_run: applied.is_none(),
            run: applied.and_then(|applied| applied.run.clone()),
            refused: refused.collect(),
            differences: differences
                .iter()
                .map(|(path, diff)| Difference { path: path.clone(), diff: diff.clone() })
                .collect(),
        }
    }
}

fn action(place: &Place, changed: Option<u32>, error: Option<String>, refused: Option<String>) -> Action {
    let wanted = if place.directory { 0o700 } else { 0o600 };
    let mut action = Action {
        kind: "chmod",
        path: visible::path(&place.path),
        mode: changed.unwrap_or(wanted),
        ok: changed.is_some() && error.is_none(),
        skipped: None,
        error,
    };
    if changed.is_none() && action.error.is_none() {
        let skipped = match place.look() {
            State::Missing => "missing".to_owned(),
            State::Symlink => "symlink".to_owned(),
            State::OtherKind if place.directory => "not-a-directory".to_owned(),
            State::OtherKind => "not-a-file".to_owned(),
            State::Private => "already".to_owned(),
            State::Open => refused.unwrap_or_else(|| "no check proposes it".to_owned()),
            State::Unseen(errno) => {
                action.error = Some(std::io::Error::from(errno).to_string());
                return action;
            }
        };
        action.skipped = Some(skipped);
    }
    action
}

/// A change the way the reference program names it.
fn sentence(change: &ValueChange) -> String {
    let key = visible::key(&change.pointer);
    match (&change.before, &change.after) {
        // The reference's words for an allowlist that is filled from the stored pairings.
        (_, Value::Array(_)) if key.ends_with(ALLOWLIST_KEY) => format!("{key}=pairing-store"),
        (Some(Value::String(before)), Value::String(after)) => format!("{key}={before} -> {after}"),
        (before, after) => {
            let before = before.as_ref().map_or("nothing".to_owned(), Value::to_string);
            format!("{key}={before} -> {after}")
        }
    }
}
