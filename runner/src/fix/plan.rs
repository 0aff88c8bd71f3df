//! From proposals to a plan: every proposal is guarded, what is left is put together, and what is refused says why.

use std::path::PathBuf;

use serde_json::Value;

use super::guard::{self, Refusal};
use crate::audit::finding::{Finding, Fix};
use crate::audit::{Subject, visible};
use crate::config::Edit;
use crate::target::snapshot::{Identity, Kind, LookError};

/// What will be done, and what will not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Config values to set.
    pub values: Vec<ValueChange>,
    /// Modes to set.
    pub modes: Vec<ModeChange>,
    /// Proposals that are refused.
    pub refused: Vec<Refused>,
}

/// A config value that changes.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueChange {
    /// RFC 6901 pointer into the effective config.
    pub pointer: String,
    /// The value as it is; none where there is none.
    pub before: Option<Value>,
    /// The value as it will be.
    pub after: Value,
    /// The file that says it, by its index in the config's files.
    pub file: usize,
    /// The checks whose findings it cures.
    pub checks: Vec<String>,
}

/// An object whose mode changes.
#[derive(Clone, Debug, PartialEq)]
pub struct ModeChange {
    /// The path of the view that it lies in.
    pub root: PathBuf,
    /// The path below that; "" for the view itself.
    pub rel: PathBuf,
    /// Which object it is.
    pub identity: Identity,
    /// The mode as it is, 07777.
    pub before: u32,
    /// The mode as it will be, 07777.
    pub after: u32,
    /// The checks whose findings it cures.
    pub checks: Vec<String>,
}

impl ModeChange {
    /// The absolute path of the object.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        if self.rel.as_os_str().is_empty() { self.root.clone() } else { self.root.join(&self.rel) }
    }
}

/// A proposal that is not followed.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// The object or the config key that it is about.
    pub what: String,
    /// The check that proposes it.
    pub check: String,
    /// The policy that proposes it.
    pub policy: String,
    /// Why it is refused.
    pub why: Refusal,
}

impl Plan {
    /// Takes what the findings propose. `wanted` selects by check id.
    #[must_use]
    pub fn new(subject: &Subject, findings: &[Finding], wanted: impl Fn(&str) -> bool) -> Self {
        let mut plan = Self::default();
        let findings = || findings.iter().filter(|finding| wanted(&finding.check_id));
        let proposals = || findings().flat_map(|finding| finding.fixes.iter().map(move |fix| (finding, fix)));
        for (finding, fix) in proposals() {
            if let Fix::SetMode { view, rel, expected, mode } = fix {
                let path = subject.path(*view, rel);
                match mode_change(subject, *view, rel, *expected, *mode) {
                    Ok(change) => plan.add_mode(change, &finding.check_id),
                    Err(why) => plan.refuse(finding, visible::path(&path), why),
                }
            }
        }
        // An allowlist is filled only where the policy beside it closes, so those come second.
        for second in [false, true] {
            for (finding, fix) in proposals() {
                if let Fix::SetValue { pointer, expected, value } = fix
                    && second == value.is_array()
                {
                    plan.add_value(subject, finding, pointer, expected.as_ref(), value);
                }
            }
        }
        plan
    }

    /// Nothing would be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.modes.is_empty()
    }

    /// The values as edits of the config.
    #[must_use]
    pub fn edits(&self) -> Vec<Edit> {
        let edit =
            |change: &ValueChange| Edit { pointer: change.pointer.clone(), value: change.after.clone() };
        self.values.iter().map(edit).collect()
    }

    fn refuse(&mut self, finding: &Finding, what: String, why: Refusal) {
        let (check, policy) = (finding.check_id.clone(), finding.policy.clone());
        let refused = Refused { what, check, policy, why };
        if !self.refused.contains(&refused) {
            self.refused.push(refused);
        }
    }

    /// Two checks may want to take different bits from one object: both are taken.
    fn add_mode(&mut self, change: ModeChange, check: &str) {
        match self.modes.iter_mut().find(|known| known.identity == change.identity) {
            Some(known) => {
                known.after &= change.after;
                add(&mut known.checks, check);
            }
            None => self.modes.push(ModeChange { checks: vec![check.to_owned()], ..change }),
        }
    }

    fn add_value(
        &mut self,
        subject: &Subject,
        finding: &Finding,
        pointer: &str,
        expected: Option<&Value>,
        value: &Value,
    ) {
        let key = visible::key(pointer);
        if let Some(known) = self.values.iter_mut().find(|known| known.pointer == pointer) {
            if known.after == *value {
                add(&mut known.checks, &finding.check_id);
            } else {
                self.refuse(finding, key, Refusal::Conflict);
            }
            return;
        }
        let closes = |beside: &str| self.values.iter().any(|known| known.pointer == beside);
        match value_change(subject, pointer, expected, value, closes) {
            Ok(change) => {
                self.values.push(ValueChange { checks: vec![finding.check_id.clone()], ..change });
            }
            Err(why) => self.refuse(finding, key, why),
        }
    }
}

fn add(checks: &mut Vec<String>, check: &str) {
    if !checks.iter().any(|known| known == check) {
        checks.push(check.to_owned());
    }
}

fn mode_change(
    subject: &Subject,
    view: usize,
    rel: &std::path::Path,
    expected: u32,
    mode: u32,
) -> Result<ModeChange, Refusal> {
    let shared = subject.shared();
    let root = std::path::Path::new("");
    if rel != root && shared.snapshot.stat(view, root).is_ok_and(|root| root.kind == Kind::Symlink) {
        return Err(Refusal::ThroughLink);
    }
    let object = shared.snapshot.stat(view, rel).map_err(|error| match error {
        LookError::ThroughLink => Refusal::ThroughLink,
        other => Refusal::Unseen(other.to_string()),
    })?;
    guard::mode(&object, rustix::process::geteuid().as_raw(), expected, mode)?;
    Ok(ModeChange {
        root: subject.path(view, root),
        rel: rel.to_owned(),
        identity: object.identity,
        before: object.mode,
        after: mode,
        checks: Vec::new(),
    })
}

fn value_change(
    subject: &Subject,
    pointer: &str,
    expected: Option<&Value>,
    value: &Value,
    closes: impl Fn(&str) -> bool,
) -> Result<ValueChange, Refusal> {
    let before = subject.config.effective.pointer(pointer);
    if before != expected {
        return Err(Refusal::Changed("the value is another one".to_owned()));
    }
    guard::value(pointer, before, value, closes)?;
    let edit = Edit { pointer: pointer.to_owned(), value: value.clone() };
    let file = subject.config.edited_file(&edit).map_err(|error| Refusal::Text(error.to_string()))?;
    Ok(ValueChange {
        pointer: edit.pointer,
        before: before.cloned(),
        after: edit.value,
        file,
        checks: Vec::new(),
    })
}
