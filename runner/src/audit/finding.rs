//! A finding after the outlet: clean text, places resolved.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::audit::plan::Origin;
use crate::audit::snippet::Snippet;
use crate::config::segments;
use crate::policy::manifest::Severity;

/// One statement about the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The check that it belongs to.
    pub check_id: String,
    /// The id under which the manifest declares the check; another than `check_id` where it is a family's.
    #[serde(skip)]
    pub check: String,
    /// How bad it is.
    pub severity: Severity,
    /// How bad its policy calls it; absent where the site's settings do not say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared_severity: Option<Severity>,
    /// One line.
    pub title: String,
    /// What was seen where, and why it matters.
    pub detail: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediation: Option<String>,
    /// The policy that said so.
    pub policy: String,
    /// The origin of that policy; absent where it is built in.
    #[serde(default, skip_serializing_if = "Origin::is_built_in")]
    pub origin: Origin,
    /// Where the evidence stands, the primary place first; never empty.
    pub locations: Vec<Location>,
    /// What tells it from others, also in another run: hexadecimal digits. Two findings of one check at the same places have the same.
    pub fingerprint: String,
    /// How it stands to the baseline; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_state: Option<BaselineState>,
    /// The values that would cure it, as they may be shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proposals: Vec<Proposal>,
    /// What would cure it, as the policy proposes it. Nothing of it is checked but that the policy may propose it.
    #[serde(skip)]
    pub fixes: Vec<Fix>,
}

impl Finding {
    /// It stands at values in the config, and at nothing else.
    #[must_use]
    pub fn is_about_values_alone(&self) -> bool {
        self.locations
            .iter()
            .all(|place| matches!(place, Location::Config { pointer, .. } if !pointer.is_empty()))
    }
}

/// A value of the config that a policy proposes. `chitin fix` decides whether it is set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// RFC 6901 pointer into the effective config.
    pub pointer: String,
    /// The value to set.
    pub value: Value,
}

/// How a finding stands to a baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BaselineState {
    /// The baseline does not have it.
    New,
    /// The baseline has it.
    Unchanged,
    /// The baseline does not have it, and the program that wrote it did not know the check.
    NewCheck,
}

impl BaselineState {
    /// Its name in a report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Unchanged => "unchanged",
            Self::NewCheck => "new-check",
        }
    }
}

/// What a policy proposes.
#[derive(Clone, Debug, PartialEq)]
pub enum Fix {
    /// Give an object these permission bits.
    SetMode {
        /// The number of the view.
        view: usize,
        /// The path below it; "" for the view itself.
        rel: PathBuf,
        /// The mode that the policy saw.
        expected: u32,
        /// The mode to set.
        mode: u32,
    },
    /// Take permission bits from all regular files of a directory whose names fit a pattern.
    SetModes {
        /// The number of the view.
        view: usize,
        /// The directory below it; "" for the view itself.
        directory: PathBuf,
        /// A name, in which one `*` may stand for any characters.
        names: String,
        /// The bits that group and others may keep.
        mode: u32,
    },
    /// A proposal that the policy's manifest declares and the operator did not grant.
    NotGranted {
        /// What it would change, as it may be shown.
        what: String,
        /// The name of the capability: `fix:set-mode`.
        capability: String,
    },
    /// Set a config value.
    SetValue {
        /// RFC 6901 pointer into the effective config.
        pointer: String,
        /// The value that the policy saw; none where there is none.
        expected: Option<Value>,
        /// The value to set.
        value: Value,
    },
}

/// Where evidence stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum Location {
    /// A value of the config, or the place where it is missing.
    Config {
        /// RFC 6901 pointer into the effective config.
        pointer: String,
        /// The file that holds the value, or the nearest section around it.
        #[serde(skip_serializing_if = "Option::is_none")]
        file: Option<String>,
        /// Counts from 1; 0 where there is no file.
        line: u32,
        /// Counts characters from 1; 0 where there is no file.
        column: u32,
        /// The value itself stands there.
        exact: bool,
        /// The key and its value, or the nearest section's, fit to be shown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        snippet: Option<Snippet>,
    },
    /// An object of the target.
    Object {
        /// The view and the path below it.
        view: String,
        /// "" for the view itself.
        rel: String,
        /// Absolute path.
        path: String,
        /// Permission bits in octal; none where there is no object.
        #[serde(skip_serializing_if = "Option::is_none")]
        mode: Option<String>,
    },
    /// An environment variable.
    Env {
        /// Its name.
        name: String,
    },
    /// A place in a text file of the target.
    Text {
        /// Absolute path.
        path: String,
        /// Counts from 1.
        line: u32,
        /// Counts characters from 1.
        column: u32,
    },
}

impl Location {
    /// A text names the path of this place.
    #[must_use]
    pub fn is_named_in(&self, text: &str) -> bool {
        matches!(self, Self::Object { path, .. } | Self::Text { path, .. } if text.contains(path.as_str()))
    }

    /// The view that an object lies in.
    #[must_use]
    pub fn view(&self) -> Option<&str> {
        if let Self::Object { view, .. } = self { Some(view) } else { None }
    }

    /// Places in the order in which people look for them: by file, then by line and column.
    #[must_use]
    pub fn order(&self) -> (&str, u32, u32) {
        match self {
            Self::Config { pointer, file, line, column, .. } => {
                (file.as_ref().unwrap_or(pointer), *line, *column)
            }
            Self::Object { path, .. } => (path, 0, 0),
            Self::Env { name } => (name, 0, 0),
            Self::Text { path, line, column } => (path, *line, *column),
        }
    }

    /// The place as people write it: `file:line:column`, or path with mode.
    #[must_use]
    pub fn display(&self) -> String {
        match self {
            Self::Config { pointer, file: Some(file), line, column, exact, .. } => {
                let place = format!("{file}:{line}:{column}");
                match (pointer.as_str(), exact) {
                    ("", _) => place,
                    (pointer, true) => format!("{place} ({})", dotted(pointer)),
                    (pointer, false) => format!("{place} ({} is not set)", dotted(pointer)),
                }
            }
            Self::Config { pointer, .. } if pointer.is_empty() => "the config".to_owned(),
            Self::Config { pointer, .. } => format!("{} (not set)", dotted(pointer)),
            Self::Object { path, mode: Some(mode), .. } => format!("{path} (mode {mode})"),
            Self::Object { path, .. } => path.clone(),
            Self::Env { name } => format!("environment variable {name}"),
            Self::Text { path, line, column } => format!("{path}:{line}:{column}"),
        }
    }
}

/// A pointer as people write it: `gateway.auth.mode`.
fn dotted(pointer: &str) -> String {
    segments(pointer).unwrap_or_default().join(".")
}
