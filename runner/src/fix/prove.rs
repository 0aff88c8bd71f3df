//! A plan is tried in memory before anything is written: the edited config is read again, the policies run on the
//! target as it would be, and what does not cure its finding, or brings a new one, is dropped.
//!
//! What the built-in policies propose is tried without any stranger's policy. What a stranger proposes is tried on top
//! of it, with that stranger alone: nobody can drop what another one proposes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::guard::{self, Refusal};
use super::object::Spot;
use super::plan::{ModeChange, Plan, Refused, ValueChange};
use super::territory::{Ground, Way};
use crate::audit::finding::{Finding, Location};
use crate::audit::{Assessment, Report, Subject, visible};
use crate::config::escape;
use crate::policy::catalog::BUILTIN;
use crate::policy::manifest::Severity;
use crate::target::Preview;
use crate::target::snapshot::Identity;
use crate::wire;

/// Audits the target as it would be, by the policies whose id is asked for.
pub type Judge<'j> = &'j dyn Fn(&Preview, &dyn Fn(&str) -> bool) -> anyhow::Result<(Arc<Subject>, Report)>;

/// Trials that are made whatever the number of changes.
const TRIALS: usize = 20;
/// Places that one finding can name: whether it names all of them cannot be told beyond.
const MAX_PLACES: usize = 100;

/// A plan that does what it is for.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Proven {
    /// The plan, without what was dropped.
    pub plan: Plan,
    /// The files that the config changes come to.
    pub files: Vec<FileChange>,
}

/// A config file that gets another text.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct FileChange {
    /// Its index in the config's files.
    pub file: usize,
    /// The directory that it is reached from.
    #[serde(with = "wire::path")]
    pub root: PathBuf,
    /// The file below it.
    #[serde(with = "wire::path")]
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

/// Plans what the findings of a report propose, tries it, and keeps what is proven. `report` is the audit of the target
/// as it is; `wanted` selects by check id.
///
/// # Errors
/// Where the target as it would be cannot be audited at all.
pub fn prove(
    subject: &Subject,
    report: &Report,
    wanted: &dyn Fn(&str) -> bool,
    judge: Judge<'_>,
) -> anyhow::Result<Proven> {
    let manifests = BUILTIN.iter().filter_map(|builtin| builtin.manifest().ok());
    let ours: HashSet<String> = manifests.map(|manifest| manifest.policy.id).collect();
    let proposing = report.findings.iter().filter(|finding| !finding.fixes.is_empty());
    let strangers: BTreeSet<&str> =
        proposing.map(|finding| finding.policy.as_str()).filter(|policy| !ours.contains(*policy)).collect();
    let plan_of = |is_proposer: &dyn Fn(&str) -> bool| {
        Plan::new(subject, &report.findings, |finding| {
            is_proposer(&finding.policy) && wanted(&finding.check_id)
        })
    };
    // All are planned first: how many trials there are depends on how much there is to try.
    let own = plan_of(&|policy| ours.contains(policy));
    let theirs: Vec<(&str, Plan)> =
        strangers.into_iter().map(|stranger| (stranger, plan_of(&|policy| policy == stranger))).collect();
    let all = [&own].into_iter().chain(theirs.iter().map(|(_, plan)| plan));
    let mut trials = most_trials(all.map(|plan| units(plan).len()).sum());
    let mut trial = Trial { subject, report, wanted, judge, ours: &ours, stranger: None, left: 0, made: 0 };
    let mut plan = Plan::default();
    let count = theirs.len();
    for (number, (stranger, candidate)) in
        [(None, own)].into_iter().chain(theirs.into_iter().map(|(id, plan)| (Some(id), plan))).enumerate()
    {
        // The built-ins come first, and leave each stranger one, but not more than half; the strangers share what is left.
        trial.left = match number {
            0 => trials - count.min(trials / 2),
            _ => trials.div_ceil(count + 1 - number),
        };
        let given = trial.left;
        trial.stranger = stranger;
        plan = trial.keep(plan, candidate)?;
        trials -= given - trial.left;
    }
    let files = files(subject, &plan);
    Ok(Proven { plan, files })
}

/// How often the target as it would be is audited at most, for so many changes.
#[must_use]
pub fn most_trials(changes: usize) -> usize {
    TRIALS + 2 * usize::try_from(changes.max(1).next_power_of_two().ilog2()).unwrap_or(0)
}

/// Changes that belong together: an allowlist goes with the policy beside it, the files of a folder with one another.
#[derive(Clone, Debug, Default)]
struct Unit {
    values: Vec<ValueChange>,
    modes: Vec<ModeChange>,
}

fn units(plan: &Plan) -> Vec<Unit> {
    let mut sections: BTreeMap<&str, Unit> = BTreeMap::new();
    for value in &plan.values {
        let section = value.pointer.rsplit_once('/').map_or("", |(section, _)| section);
        sections.entry(section).or_default().values.push(value.clone());
    }
    let mut proposals: BTreeMap<usize, Unit> = BTreeMap::new();
    for mode in &plan.modes {
        proposals.entry(mode.proposal).or_default().modes.push(mode.clone());
    }
    sections.into_values().chain(proposals.into_values()).collect()
}

/// The file of a value that changes, if a fix may write it.
pub(super) fn look_at_file(
    subject: &Subject,
    ground: &Ground,
    file: usize,
) -> Result<(Way, Identity, u32), Refusal> {
    let path = subject.config.files.get(file).map(|file| file.path.clone()).unwrap_or_default();
    let named = |why: &dyn std::fmt::Display| Refusal::Text(format!("{}: {why}", visible::path(&path)));
    let way = ground.way(&path).map_err(|why| named(&why))?;
    let object = Spot::find_to_look(&way.root, &way.rel)
        .and_then(|spot| spot.look())
        .map_err(|error| named(&error))?;
    guard::file(&object, ground.caller).map_err(|why| named(&why))?;
    Ok((way, object.identity, object.mode))
}

/// The files that the plan's values come to, with the modes that the plan gives them.
pub(crate) fn files(subject: &Subject, plan: &Plan) -> Vec<FileChange> {
    let ground = Ground::of(subject);
    let change = |(file, text): (usize, String)| {
        let source = subject.config.files.get(file)?;
        let (way, identity, mode_before) = look_at_file(subject, &ground, file).ok()?;
        let planned = plan.mode_of(identity);
        let bytes = |text: &str| {
            let mark = if source.bom { "\u{feff}" } else { "" };
            format!("{mark}{text}").into_bytes()
        };
        Some(FileChange {
            file,
            root: way.root,
            rel: way.rel,
            identity,
            before: bytes(&source.text),
            after: bytes(&text),
            mode_before,
            mode_after: planned.map_or(mode_before, |change| change.after),
        })
    };
    subject.config.edited(&plan.edits()).unwrap_or_default().into_iter().filter_map(change).collect()
}

/// Why a plan is not what it is for.
enum Objection {
    /// These of its units do not cure what they are for.
    Units(BTreeMap<usize, String>),
    /// Something is wrong with the whole, and it is not known whose fault it is.
    Whole(String),
}

/// None of the units could be tried.
fn untried(units: &[Unit], why: &str) -> Objection {
    Objection::Units((0..units.len()).map(|number| (number, why.to_owned())).collect())
}

struct Trial<'t> {
    subject: &'t Subject,
    report: &'t Report,
    wanted: &'t dyn Fn(&str) -> bool,
    judge: Judge<'t>,
    /// The ids of the built-in policies.
    ours: &'t HashSet<String>,
    /// Whose proposals are tried; none where it is the built-ins.
    stranger: Option<&'t str>,
    /// Audits that may still be made.
    left: usize,
    /// Audits that were made.
    made: usize,
}

impl Trial<'_> {
    /// Keeps of the candidate what is proven on top of what is kept already. In the ordinary case that is one trial;
    /// where something is wrong, each change at fault costs about the logarithm of their number.
    fn keep(&mut self, kept: Plan, mut candidate: Plan) -> anyhow::Result<Plan> {
        let mut rest = units(&candidate);
        // What the kept plan does anyway needs no trial.
        let news = |plan: &Plan, unit: &Unit| {
            let new_value = |value: &ValueChange| {
                !plan.values.iter().any(|known| known.pointer == value.pointer && known.after == value.after)
            };
            let new_mode = |mode: &ModeChange| {
                plan.mode_of(mode.identity).is_none_or(|known| known.after & !mode.after != 0)
            };
            unit.values.iter().any(new_value) || unit.modes.iter().any(new_mode)
        };
        let mut good: Vec<Unit> = Vec::new();
        let is_new = rest.iter().map(|unit| news(&kept, unit)).collect::<Vec<_>>();
        let mut flags = is_new.into_iter();
        rest.retain(|unit| {
            let new = flags.next().unwrap_or(true);
            if !new {
                good.push(unit.clone());
            }
            new
        });
        let mut refused = Vec::new();
        while !rest.is_empty() {
            match self.objection(&kept, &candidate, &good, &rest)? {
                None => good.append(&mut rest),
                Some(Objection::Units(wrong)) => {
                    let mut number = 0;
                    rest.retain(|unit| {
                        let why = wrong.get(&number);
                        number += 1;
                        refused.extend(why.into_iter().flat_map(|why| self.refused(&candidate, unit, why)));
                        why.is_none()
                    });
                }
                Some(Objection::Whole(why)) => {
                    let (count, why) = self.first_wrong(&kept, &candidate, &good, &rest, why)?;
                    let mut behind = rest.split_off(count.min(rest.len()));
                    good.append(&mut rest);
                    let wrong = if behind.is_empty() { None } else { Some(behind.remove(0)) };
                    refused.extend(wrong.iter().flat_map(|unit| self.refused(&candidate, unit, &why)));
                    rest = behind;
                }
            }
        }
        candidate.retain(&good);
        candidate.refused.extend(refused);
        let mut plan = kept;
        plan.merge(candidate);
        Ok(plan)
    }

    /// How many of the units from the first on can be kept, and what is wrong with the next one. All together are wrong.
    fn first_wrong(
        &mut self,
        kept: &Plan,
        candidate: &Plan,
        good: &[Unit],
        rest: &[Unit],
        mut why: String,
    ) -> anyhow::Result<(usize, String)> {
        let (mut fine, mut wrong) = (0, rest.len());
        while wrong - fine > 1 {
            let middle = fine + (wrong - fine) / 2;
            match self.objection(kept, candidate, good, rest.get(..middle).unwrap_or_default())? {
                None => fine = middle,
                Some(Objection::Whole(reason)) => (wrong, why) = (middle, reason),
                Some(Objection::Units(units)) => {
                    wrong = middle;
                    why = units.into_values().next().unwrap_or(why);
                }
            }
        }
        Ok((fine, why))
    }

    fn refused(&self, candidate: &Plan, unit: &Unit, why: &str) -> Vec<Refused> {
        /// Objects of a folder that are named.
        const NAMED: usize = 20;
        let refused = |what: String, checks: &[String]| Refused {
            what,
            check: checks.first().cloned().unwrap_or_default(),
            policy: self.stranger.unwrap_or_default().to_owned(),
            why: Refusal::Unproven(why.to_owned()),
        };
        let values = unit.values.iter().map(|change| refused(visible::key(&change.pointer), &change.checks));
        let modes = unit.modes.iter().take(NAMED);
        let modes = modes.map(|change| refused(visible::path(&change.path()), candidate.checks(change)));
        let more = unit.modes.get(NAMED).map(|change| {
            let folder = change.path().parent().map(visible::path).unwrap_or_default();
            let what = format!("{} more in {folder}", unit.modes.len() - NAMED);
            refused(what, candidate.checks(change))
        });
        values.chain(modes).chain(more).collect()
    }

    fn counts(&self, policy: &str) -> bool {
        self.ours.contains(policy) || self.stranger == Some(policy)
    }

    /// Tries what is kept, what is known to be good, and some units more. None where nothing is wrong.
    fn objection(
        &mut self,
        kept: &Plan,
        candidate: &Plan,
        good: &[Unit],
        units: &[Unit],
    ) -> anyhow::Result<Option<Objection>> {
        let mut tried = candidate.clone();
        tried.retain(good.iter().chain(units));
        let mut plan = kept.clone();
        plan.refused.clear();
        tried.refused.clear();
        plan.merge(tried);
        if let Some(refused) = plan.refused.first() {
            // Two want different values; the one that was there first stays.
            let conflict = |unit: &Unit| {
                unit.values.iter().any(|value| {
                    kept.values
                        .iter()
                        .any(|known| known.pointer == value.pointer && known.after != value.after)
                })
            };
            let wrong = units.iter().enumerate().filter(|(_, unit)| conflict(unit));
            let wrong: BTreeMap<_, _> = wrong.map(|(number, _)| (number, refused.why.to_string())).collect();
            let whole = wrong.is_empty().then(|| Objection::Whole(refused.why.to_string()));
            return Ok(Some(whole.unwrap_or(Objection::Units(wrong))));
        }
        if let Err(error) = self.subject.config.edited(&plan.edits()) {
            return Ok(Some(Objection::Whole(error.to_string())));
        }
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(Some(untried(units, "there are more objections than trials")));
        };
        self.left = left;
        let files = files(self.subject, &plan);
        let mut preview = Preview::default();
        preview.texts.extend(files.into_iter().map(|file| (file.path(), file.after)));
        let key = |identity: Identity| (identity.device, identity.inode);
        preview.modes.extend(plan.modes.iter().map(|change| (key(change.identity), change.after)));
        let judge = self.judge;
        let (subject, report) = match judge(&preview, &|policy| self.counts(policy)) {
            Ok(tried) => tried,
            // What is proven by then stays: nobody drops it by making the trials of his own proposals slow.
            Err(error) if self.made > 0 || self.stranger.is_some() => {
                self.left = 0;
                return Ok(Some(untried(units, &error.to_string())));
            }
            Err(error) => return Err(error),
        };
        self.made += 1;
        let whole = self.wrong_values(&subject, &plan).or_else(|| self.new_findings(&report));
        Ok(whole.map(Objection::Whole).or_else(|| self.uncured(candidate, units, &subject, &report)))
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

    /// A finding would come that was not there, or one would be worse, or a policy would have no verdict any more.
    fn new_findings(&self, report: &Report) -> Option<String> {
        let mut known: HashMap<(&str, &str), Known<'_>> = HashMap::new();
        for finding in &self.report.findings {
            let known = known.entry((&finding.policy, &finding.check_id)).or_default();
            known.worst = known.worst.max(Some(finding.severity));
            known.is_full |= finding.locations.len() >= MAX_PLACES;
            known.places.extend(finding.locations.iter().map(place));
        }
        let is_new = |finding: &&Finding| {
            let Some(known) = known.get(&(finding.policy.as_str(), finding.check_id.as_str())) else {
                return true;
            };
            let mut places = finding.locations.iter();
            // A finding about many values names others first where the first is cured; it is about no new ones.
            let overlaps = places.any(|found| known.places.contains(&place(found)));
            let new_value = finding.locations.iter().any(|found| {
                matches!(found, Location::Config { .. }) && !known.places.contains(&place(found))
            });
            !overlaps || Some(finding.severity) > known.worst || (new_value && !known.is_full)
        };
        let counted = report.findings.iter().filter(|finding| self.counts(&finding.policy));
        if let Some(finding) = counted.into_iter().find(is_new) {
            let (_, place) = finding.locations.first().map(place).unwrap_or_default();
            return Some(format!("it would bring {} at {place}", finding.check_id));
        }
        // A finding that only could not be looked for any more is not cured.
        let before = unassessed(self.report);
        let more = |(check, count): (&(&str, &str), &usize)| {
            self.counts(check.0) && before.get(check).is_none_or(|known| known < count)
        };
        if let Some(((_, check), _)) = unassessed(report).iter().find(|entry| more(*entry)) {
            return Some(format!("{check} could not be assessed any more"));
        }
        None
    }

    /// The units whose places would still be named by the check that they are for, or that would be proposed again.
    fn uncured(
        &self,
        candidate: &Plan,
        units: &[Unit],
        subject: &Subject,
        report: &Report,
    ) -> Option<Objection> {
        let is_proposer = |policy: &str| match self.stranger {
            Some(stranger) => policy == stranger,
            None => self.ours.contains(policy),
        };
        let findings = || report.findings.iter().filter(|finding| is_proposer(&finding.policy));
        let named: HashSet<(&str, (Sort, &str))> = findings()
            .flat_map(|finding| {
                finding.locations.iter().map(|found| (finding.check_id.as_str(), place(found)))
            })
            .collect();
        let again = Plan::new(subject, &report.findings, |finding| {
            is_proposer(&finding.policy) && (self.wanted)(&finding.check_id)
        });
        let values: HashSet<&str> = again.values.iter().map(|change| change.pointer.as_str()).collect();
        let stays = |unit: &Unit| {
            let stays = |checks: &[String], found: (Sort, &str)| {
                let check = checks.iter().find(|check| named.contains(&(check.as_str(), found)))?;
                Some(format!("{check} at {} would stay", found.1))
            };
            let value = unit.values.iter().find_map(|change| {
                stays(&change.checks, (Sort::Config, &change.pointer)).or_else(|| {
                    values
                        .contains(change.pointer.as_str())
                        .then(|| "a second fix would change it again".to_owned())
                })
            });
            value.or_else(|| {
                unit.modes.iter().find_map(|change| {
                    let path = visible::path(&change.path());
                    stays(candidate.checks(change), (Sort::Object, &path)).or_else(|| {
                        again
                            .mode_of(change.identity)
                            .map(|_| "a second fix would change it again".to_owned())
                    })
                })
            })
        };
        let wrong: BTreeMap<usize, String> =
            units.iter().enumerate().filter_map(|(number, unit)| Some((number, stays(unit)?))).collect();
        (!wrong.is_empty()).then_some(Objection::Units(wrong))
    }
}

/// How often each check of each policy could not be assessed, or not in full.
fn unassessed(report: &Report) -> BTreeMap<(&str, &str), usize> {
    // What makes a silent check say nothing was so before, too, where it had a finding.
    let own = |check: &Assessment| check.unassessed.iter().filter(|open| !open.is_common).count();
    let checks = report.assessment.iter().map(|check| (check, own(check))).filter(|(_, own)| *own > 0);
    checks.map(|(check, own)| ((check.policy.as_str(), check.check_id.as_str()), own)).collect()
}

impl Plan {
    /// Keeps these changes only.
    fn retain<'u>(&mut self, units: impl IntoIterator<Item = &'u Unit>) {
        let mut kept = self.emptied();
        for unit in units {
            kept.values.extend(unit.values.iter().cloned());
            kept.take_modes(&unit.modes);
        }
        *self = kept;
    }
}

/// What is known of the findings of one check.
#[derive(Default)]
struct Known<'f> {
    worst: Option<Severity>,
    places: HashSet<(Sort, &'f str)>,
    /// One of them names as many places as it can.
    is_full: bool,
}

/// What a place is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Sort {
    Config,
    #[default]
    Object,
    Env,
}

/// A place without line and mode, which a fix may change.
fn place(location: &Location) -> (Sort, &str) {
    match location {
        Location::Config { pointer, .. } => (Sort::Config, pointer),
        Location::Object { path, .. } | Location::Text { path, .. } => (Sort::Object, path),
        Location::Env { name } => (Sort::Env, name),
    }
}

/// The pointers at which two values differ, as deep as both are objects.
pub(super) fn differences(one: &Value, other: &Value, pointer: String, out: &mut BTreeSet<String>) {
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
