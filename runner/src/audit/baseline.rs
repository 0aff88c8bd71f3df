//! A baseline: the findings that a site knows of, so that only new ones fail its gate. It is a file that people review: sorted, a line
//! for each thing, without values, times, or paths above the target.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::audit::finding::{BaselineState, Finding, Location};
use crate::audit::report::{Gone, Report, Status, Tool};
use crate::policy::manifest::Severity;
use crate::settings::{Day, OWN};
use crate::target::{ReadError, read_regular};
use crate::wording::visible;

/// Version of the form of the file.
pub const VERSION: u32 = 1;

/// The largest baseline that is read, in bytes: some hundred thousand findings.
const MAX_BYTES: u64 = 64 << 20;

/// What a site knows of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Baseline {
    /// Version of this form.
    pub baseline_version: u32,
    /// The program that wrote it.
    pub written_by: String,
    /// The checks that ran for it. A finding of another one is that of a new check.
    pub checks: BTreeSet<String>,
    /// The findings, by check, place and fingerprint.
    pub findings: Vec<Known>,
}

/// A finding that a site knows of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Known {
    /// The check.
    pub check_id: String,
    /// Where it stands, for people.
    pub place: String,
    /// What tells it from others.
    pub fingerprint: String,
    /// How bad it was.
    pub severity: Severity,
    /// How many of them there are.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: usize,
    /// Who looks after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The last day on which it is known; a finding like any other behind that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Day>,
    /// Anything that is to be remembered of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's convention")]
fn is_one(count: &usize) -> bool {
    *count == 1
}

/// Why there is no baseline.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is none.
    #[error("{}: {reason}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Baseline {
    /// The baseline of a report: its findings, with owner, expiry and note of those that an earlier baseline has.
    #[must_use]
    pub fn of(report: &Report, earlier: Option<&Self>) -> Self {
        let mut known: BTreeMap<(&str, &str), Known> = BTreeMap::new();
        for finding in report.findings.iter().filter(|finding| !finding.check.starts_with(OWN)) {
            let key = (finding.check_id.as_str(), finding.fingerprint.as_str());
            known.entry(key).and_modify(|known| known.count += 1).or_insert_with(|| Known {
                check_id: finding.check_id.clone(),
                place: finding.locations.first().map_or_else(String::new, place),
                fingerprint: finding.fingerprint.clone(),
                severity: finding.severity,
                count: 1,
                owner: None,
                expires: None,
                note: None,
            });
        }
        for old in earlier.map(|earlier| earlier.findings.as_slice()).unwrap_or_default() {
            if let Some(known) = known.get_mut(&(old.check_id.as_str(), old.fingerprint.as_str())) {
                known.owner.clone_from(&old.owner);
                known.expires.clone_from(&old.expires);
                known.note.clone_from(&old.note);
            }
        }
        let mut findings: Vec<Known> = known.into_values().collect();
        findings.sort();
        Self {
            baseline_version: VERSION,
            written_by: format!("chitin {}", Tool::default().version),
            checks: report.rules.keys().filter(|check| !check.starts_with(OWN)).cloned().collect(),
            findings,
        }
    }

    /// The baseline in a file.
    ///
    /// # Errors
    /// Where it cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Self, BaselineError> {
        let malformed = |reason: String| BaselineError::Malformed { path: path.to_owned(), reason };
        let bytes = read_regular(path, MAX_BYTES)?;
        let value: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| malformed(visible(&error.to_string())))?;
        match value.get("baselineVersion").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => {}
            Some(version) => {
                let reason = format!(
                    "it is a baseline of version {version}, and this program knows version {VERSION}"
                );
                return Err(malformed(reason));
            }
            None if value.get("schemaVersion").is_some() => {
                return Err(malformed(
                    "it is a report, not a baseline; `chitin baseline write` makes one".to_owned(),
                ));
            }
            None => return Err(malformed("it is no baseline: it has no baselineVersion".to_owned())),
        }
        let baseline: Self =
            serde_json::from_slice(&bytes).map_err(|error| malformed(visible(&error.to_string())))?;
        match baseline.findings.iter().find(|known| known.count == 0 || known.fingerprint.is_empty()) {
            Some(known) => Err(malformed(format!(
                "its entry of {} has no count or no fingerprint",
                visible(&known.check_id)
            ))),
            None => Ok(baseline),
        }
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> String {
        // Nothing in it can fail to be written.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Nothing that it knows is found, though other things are: it may be that of another target. What is told of every target says
    /// nothing of that.
    #[must_use]
    pub fn is_anothers(&self, report: &Report) -> bool {
        let is_known = |finding: &Finding| {
            finding.baseline_state == Some(BaselineState::Unchanged) && finding.severity > Severity::Info
        };
        self.findings.iter().any(|known| known.severity > Severity::Info)
            && !report.findings.is_empty()
            && !report.all_findings().any(is_known)
    }

    /// Says of each finding how it stands to the baseline on this day, and gives those that are gone. What was not assessed in full is not
    /// gone. A finding that others are like is known as often as the baseline counts it, and one that is worse than it was is new.
    pub(super) fn compare(&self, report: &mut Report, today: u64) -> Vec<Gone> {
        // A fingerprint is one of the check, too.
        let mut left: HashMap<&str, usize> = HashMap::new();
        let mut severities: HashMap<&str, Severity> = HashMap::new();
        let holds = |known: &&Known| known.expires.as_ref().is_none_or(|day| today <= day.number);
        for known in self.findings.iter().filter(holds) {
            *left.entry(&known.fingerprint).or_default() += known.count;
            let severity = severities.entry(&known.fingerprint).or_insert(known.severity);
            *severity = known.severity.max(*severity);
        }
        for finding in report.all_findings_mut() {
            // One that has become worse is none that anybody has accepted.
            let severity = severities.get(finding.fingerprint.as_str());
            let is_worse = severity.is_some_and(|known| finding.severity > *known);
            let state = match left.get_mut(finding.fingerprint.as_str()) {
                Some(count) if is_worse => {
                    *count = count.saturating_sub(1);
                    BaselineState::New
                }
                Some(count) if *count > 0 => {
                    *count -= 1;
                    BaselineState::Unchanged
                }
                _ if self.checks.contains(&finding.check) || finding.check.starts_with(OWN) => {
                    BaselineState::New
                }
                _ => BaselineState::NewCheck,
            };
            finding.baseline_state = Some(state);
        }
        let open: BTreeSet<&str> = report
            .assessment
            .iter()
            .filter(|check| !check.unassessed.is_empty() || check.status == Status::NotAssessed)
            .map(|check| check.check_id.as_str())
            .collect();
        let declared = |known: &Known| {
            let of = |rule: &&String| crate::policy::manifest::fits(rule, &known.check_id);
            report.rules.keys().find(of)
        };
        let is_gone = |known: &&Known| {
            // Another policy's, which did not run this time, is not gone.
            declared(known).is_some_and(|check| !open.contains(check.as_str()))
        };
        let mut gone = Vec::new();
        for known in self.findings.iter().filter(holds).filter(is_gone) {
            let Some(count) = left.get_mut(known.fingerprint.as_str()) else {
                continue;
            };
            let count = std::mem::take(count).min(known.count);
            if count > 0 {
                gone.push(Gone {
                    check_id: visible(&known.check_id),
                    fingerprint: visible(&known.fingerprint),
                    place: visible(&known.place),
                    count,
                });
            }
        }
        gone
    }
}

/// A place for people, without line or column, and without what lies above the target.
fn place(location: &Location) -> String {
    match location {
        Location::Config { pointer, .. } if pointer.is_empty() => "the config".to_owned(),
        Location::Config { pointer, .. } => pointer.clone(),
        Location::Object { view, rel, .. } if rel.is_empty() => view.clone(),
        Location::Object { view, rel, .. } => format!("{view}/{rel}"),
        Location::Env { name } => format!("env:{name}"),
        Location::Text { path, .. } => path.rsplit('/').next().unwrap_or_default().to_owned(),
    }
}

/// The findings of a report that make the verdict 1: those that no baseline knows.
pub(super) fn counts(finding: &Finding, with_new_checks: bool) -> bool {
    match finding.baseline_state {
        None | Some(BaselineState::New) => true,
        Some(BaselineState::Unchanged) => false,
        Some(BaselineState::NewCheck) => with_new_checks,
    }
}
