//! A plan is tried in memory before anything is written: the edited config is read again, the policies run on the
//! target as it would be, and what does not cure its finding, or brings a new one, is dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::guard::{self, Refusal};
use super::object::Spot;
use super::plan::{ModeChange, Plan, Refused, ValueChange};
use crate::audit::finding::{Finding, Fix, Location};
use crate::audit::{Report, Subject, visible};
use crate::config::escape;
use crate::policy::manifest::Severity;
use crate::target::Preview;
use crate::target::snapshot::Identity;

/// Audits the target as it would be.
pub type Judge<'j> = &'j dyn Fn(&Preview) -> anyhow::Result<(Subject, Report)>;

/// A plan that does what it is for.
#[derive(Clone, Debug, Default)]
pub struct Proven {
    /// The plan, without what was dropped.
    pub plan: Plan,
    /// The files that the config changes come to.
    pub files: Vec<FileChange>,
}

/// A config file that gets another text.
#[derive(Clone, Debug, PartialEq)]
pub struct FileChange {
    /// Its index in the config's files.
    pub file: usize,
    /// The directory of the config.
    pub root: PathBuf,
    /// The file below it.
    pub rel: PathBuf,
    /// Which object it is.
    pub identity: Identity,
    /// Its content.
    pub before: Vec<u8>,
    /// The content that it gets.
    pub after: Vec<u8>,
    /// Its mode.
    pub mode_before: u32,
    /// The mode that it gets.
    pub mode_after: u32,
}

impl FileChange {
    /// The absolute path of the file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.root.join(&self.rel)
    }
}

/// Tries a plan, and keeps what is proven. `report` is the audit of the target as it is.
///
/// # Errors
/// Where the target as it would be cannot be audited at all.
pub fn prove(
    subject: &Subject,
    report: &Report,
    plan: Plan,
    wanted: &dyn Fn(&str) -> bool,
    judge: Judge<'_>,
) -> anyhow::Result<Proven> {
    let mut plan = without_closed_files(subject, plan);
    let trial = Trial { subject, report, wanted, judge };
    if plan.is_empty() {
        return Ok(Proven { plan, files: Vec::new() });
    }
    if trial.objection(&plan)?.is_none() {
        let files = files(subject, &plan);
        return Ok(Proven { plan, files });
    }
    // Something is wrong with it: what can be done is found out one by one.
    let (values, modes) = (std::mem::take(&mut plan.values), std::mem::take(&mut plan.modes));
    for unit in units(values, modes) {
        let mut with = plan.clone();
        with.values.extend(unit.values.iter().cloned());
        with.modes.extend(unit.modes.iter().cloned());
        match trial.objection(&with)? {
            None => plan = with,
            Some(reason) => plan.refused.extend(unit.refused(&reason)),
        }
    }
    let files = files(subject, &plan);
    Ok(Proven { plan, files })
}

/// Changes that belong together: an allowlist goes with the policy beside it.
#[derive(Default)]
struct Unit {
    values: Vec<ValueChange>,
    modes: Vec<ModeChange>,
}

impl Unit {
    fn refused(&self, reason: &str) -> Vec<Refused> {
        let refused = |what: String, checks: &[String]| Refused {
            what,
            check: checks.first().cloned().unwrap_or_default(),
            policy: String::new(),
            why: Refusal::Unproven(reason.to_owned()),
        };
        let values = self.values.iter().map(|change| refused(visible::key(&change.pointer), &change.checks));
        let modes = self.modes.iter().map(|change| refused(visible::path(&change.path()), &change.checks));
        values.chain(modes).collect()
    }
}

fn units(values: Vec<ValueChange>, modes: Vec<ModeChange>) -> Vec<Unit> {
    let mut sections: BTreeMap<String, Unit> = BTreeMap::new();
    for value in values {
        let section = value.pointer.rsplit_once('/').map_or("", |(section, _)| section).to_owned();
        sections.entry(section).or_default().values.push(value);
    }
    let modes = modes.into_iter().map(|mode| Unit { values: Vec::new(), modes: vec![mode] });
    sections.into_values().chain(modes).collect()
}

/// Refuses the values whose file must not be touched.
fn without_closed_files(subject: &Subject, mut plan: Plan) -> Plan {
    let mut kept = Vec::new();
    for change in std::mem::take(&mut plan.values) {
        match look_at_file(subject, change.file) {
            Ok(_) => kept.push(change),
            Err(why) => plan.refused.push(Refused {
                what: visible::key(&change.pointer),
                check: change.checks.first().cloned().unwrap_or_default(),
                policy: String::new(),
                why,
            }),
        }
    }
    plan.values = kept;
    plan
}

fn look_at_file(subject: &Subject, file: usize) -> Result<(PathBuf, PathBuf, Identity, u32), Refusal> {
    let path = subject.config.files.get(file).map(|file| file.path.clone()).unwrap_or_default();
    let root = subject.located.config_load.parent().unwrap_or(Path::new("/"));
    let named = |why: &dyn std::fmt::Display| Refusal::Text(format!("{}: {why}", visible::path(&path)));
    let rel = path.strip_prefix(root).map_err(|_| named(&"it lies outside the folder of the config"))?;
    let object = Spot::find(root, rel).and_then(|spot| spot.look()).map_err(|error| named(&error))?;
    guard::file(&object, rustix::process::geteuid().as_raw()).map_err(|why| named(&why))?;
    Ok((root.to_owned(), rel.to_owned(), object.identity, object.mode))
}

/// The files that the plan's values come to, with the modes that the plan gives them.
fn files(subject: &Subject, plan: &Plan) -> Vec<FileChange> {
    let change = |(file, text): (usize, String)| {
        let source = subject.config.files.get(file)?;
        let (root, rel, identity, mode_before) = look_at_file(subject, file).ok()?;
        let planned = plan.modes.iter().find(|change| change.identity.is(identity));
        let bytes = |text: &str| {
            let mark = if source.bom { "\u{feff}" } else { "" };
            format!("{mark}{text}").into_bytes()
        };
        Some(FileChange {
            file,
            root,
            rel,
            identity,
            before: bytes(&source.text),
            after: bytes(&text),
            mode_before,
            mode_after: planned.map_or(mode_before, |change| change.after),
        })
    };
    subject.config.edited(&plan.edits()).unwrap_or_default().into_iter().filter_map(change).collect()
}

struct Trial<'t> {
    subject: &'t Subject,
    report: &'t Report,
    wanted: &'t dyn Fn(&str) -> bool,
    judge: Judge<'t>,
}

impl Trial<'_> {
    /// Why the plan is not what it is for; none where it is.
    fn objection(&self, plan: &Plan) -> anyhow::Result<Option<String>> {
        if let Err(error) = self.subject.config.edited(&plan.edits()) {
            return Ok(Some(error.to_string()));
        }
        let files = files(self.subject, plan);
        let mut preview = Preview::default();
        preview.texts.extend(files.into_iter().map(|file| (file.path(), file.after)));
        let key = |identity: Identity| (identity.device, identity.inode);
        preview.modes.extend(plan.modes.iter().map(|change| (key(change.identity), change.after)));
        let (subject, report) = (self.judge)(&preview)?;
        Ok(self.wrong_values(&subject, plan).or_else(|| self.wrong_findings(&subject, &report, plan)))
    }

    /// The config would differ elsewhere, or be understood less.
    fn wrong_values(&self, after: &Subject, plan: &Plan) -> Option<String> {
        let mut different = BTreeSet::new();
        differences(&self.subject.config.effective, &after.config.effective, String::new(), &mut different);
        let intended: BTreeSet<String> = plan.values.iter().map(|change| change.pointer.clone()).collect();
        if let Some(pointer) = different.symmetric_difference(&intended).next() {
            return Some(format!("{} would not be as intended", visible::key(pointer)));
        }
        let wrong = plan
            .values
            .iter()
            .find(|change| after.config.effective.pointer(&change.pointer) != Some(&change.after));
        if let Some(change) = wrong {
            return Some(format!("{} would not be as intended", visible::key(&change.pointer)));
        }
        (after.config.problems.len() > self.subject.config.problems.len())
            .then(|| "the config would have a new problem".to_owned())
    }

    /// A finding would stay, or a new one come.
    fn wrong_findings(&self, subject: &Subject, report: &Report, plan: &Plan) -> Option<String> {
        let known: BTreeMap<Key<'_>, Severity> =
            self.report.findings.iter().map(|finding| (Key::of(finding), finding.severity)).collect();
        let fresh =
            |finding: &&Finding| known.get(&Key::of(finding)).is_none_or(|known| finding.severity > *known);
        if let Some(finding) = report.findings.iter().find(fresh) {
            return Some(format!("it would bring {} at {}", finding.check_id, place(finding)));
        }
        if report.incomplete.len() > self.report.incomplete.len() {
            return Some("a policy would have no verdict any more".to_owned());
        }
        let left: BTreeSet<Key<'_>> = report.findings.iter().map(Key::of).collect();
        let cured = self.report.findings.iter().filter(|finding| self.is_followed(finding, plan));
        if let Some(finding) = cured.into_iter().find(|finding| left.contains(&Key::of(finding))) {
            return Some(format!("{} at {} would stay", finding.check_id, place(finding)));
        }
        let again =
            Plan::new(subject, &report.findings, |check| (self.wanted)(check) && plan_has(plan, check));
        let repeated = |change: &ValueChange| plan.values.iter().any(|done| done.pointer == change.pointer);
        let once_more = |change: &ModeChange| plan.modes.iter().any(|done| done.identity.is(change.identity));
        (again.values.iter().any(repeated) || again.modes.iter().any(once_more))
            .then(|| "a second fix would change it again".to_owned())
    }

    /// All that the finding proposes is in the plan.
    fn is_followed(&self, finding: &Finding, plan: &Plan) -> bool {
        let is_planned = |fix: &Fix| match fix {
            Fix::SetMode { view, rel, .. } => {
                let path = self.subject.path(*view, rel);
                plan.modes.iter().any(|change| change.path() == path)
            }
            Fix::SetValue { pointer, .. } => plan.values.iter().any(|change| change.pointer == *pointer),
        };
        (self.wanted)(&finding.check_id) && !finding.fixes.is_empty() && finding.fixes.iter().all(is_planned)
    }
}

fn plan_has(plan: &Plan, check: &str) -> bool {
    let mut all =
        plan.values.iter().map(|change| &change.checks).chain(plan.modes.iter().map(|change| &change.checks));
    all.any(|checks| checks.iter().any(|known| known == check))
}

/// What makes two findings of two audits the same.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'f> {
    check: &'f str,
    policy: &'f str,
    place: &'f str,
}

impl<'f> Key<'f> {
    fn of(finding: &'f Finding) -> Self {
        Self { check: &finding.check_id, policy: &finding.policy, place: place(finding) }
    }
}

/// The first place of a finding, without line and mode, which a fix may change.
fn place(finding: &Finding) -> &str {
    match finding.locations.first() {
        Some(Location::Config { pointer, .. }) => pointer,
        Some(Location::Object { path, .. } | Location::Text { path, .. }) => path,
        Some(Location::Env { name }) => name,
        None => "",
    }
}

/// The pointers at which two values differ, as deep as both are objects.
fn differences(one: &Value, other: &Value, pointer: String, out: &mut BTreeSet<String>) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            for key in one.keys().chain(other.keys()).collect::<BTreeSet<_>>() {
                let below = format!("{pointer}/{}", escape(key));
                let value = |map: &serde_json::Map<String, Value>| map.get(key).cloned();
                match (value(one), value(other)) {
                    (Some(one), Some(other)) => differences(&one, &other, below, out),
                    _ => drop(out.insert(below)),
                }
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                differences(one, other, format!("{pointer}/{index}"), out);
            }
        }
        (one, other) if one == other => {}
        _ => drop(out.insert(pointer)),
    }
}
