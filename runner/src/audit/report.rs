//! All outcomes as one report: order, counts, what was assessed, and the verdict that becomes the exit code.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::audit::evaluate::{Evaluation, Outcome};
use crate::audit::finding::{Finding, Location};
use crate::audit::outlet;
use crate::audit::plan::{Planned, Subject};
use crate::audit::visible;
use crate::budget::{Cut, WALL};
use crate::policy::manifest::{Check, Severity};
use crate::probe::Gateway;
use crate::sandbox::Failure;
use crate::target::Located;

/// Version of the report's JSON form; it grows where a field changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 1;

/// Why a policy's silence says nothing, where the operator granted less than its manifest declares.
const WITHHELD: &str = "it was not granted all that it declares, so its silence says nothing";

/// Exit code where something was not assessed.
const INCOMPLETE: u8 = 3;
/// Its reason.
const NOT_EVERYTHING: &str = "incomplete: not everything could be assessed";

/// What an audit says. The fields up to `findings` have the reference's names and meanings.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Milliseconds since the epoch.
    pub ts: u64,
    /// Findings by severity.
    pub summary: Summary,
    /// The worst first, then by check id and place.
    pub findings: Vec<Finding>,
    /// What a deep audit saw besides; absent where it is not deep, where no policy asks for it, or where it was interrupted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deep: Option<Deep>,
    /// Slow and live checks were asked for, too.
    #[serde(skip)]
    pub is_deep: bool,
    /// Version of this form.
    pub schema_version: u32,
    /// Who says so.
    pub tool: Tool,
    /// What was audited.
    pub target: Target,
    /// The verdict.
    pub exit: Exit,
    /// Every check that was to run, and whether it did.
    pub assessment: Vec<Assessment>,
    /// Why the audit is incomplete; empty where it is complete.
    pub incomplete: Vec<Incomplete>,
}

/// What a deep audit saw, besides its findings.
#[derive(Clone, Debug, Serialize)]
pub struct Deep {
    /// The live probe of the gateway.
    pub gateway: Gateway,
}

/// Findings by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Harmful as it stands.
    pub critical: usize,
    /// Harmful with another mistake.
    pub warn: usize,
    /// Worth knowing.
    pub info: usize,
}

/// The program.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Tool {
    /// "chitin".
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

/// What was audited.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// The state directory.
    pub state_dir: String,
    /// What decided it.
    pub state_dir_from: String,
    /// The config file.
    pub config_path: String,
    /// What decided it.
    pub config_path_from: String,
    /// There is such a file.
    pub config_exists: bool,
    /// The generation of the config.
    pub generation: String,
    /// What told the generation.
    pub generation_from: String,
}

/// The verdict, and what the process exits with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exit {
    /// 0 clean, 1 findings, 3 incomplete, 4 nothing to audit.
    pub code: u8,
    /// Why.
    pub reason: String,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Looked at, and nothing found.
    Clean,
    /// Something was found.
    Finding,
    /// Not looked at, or not in full.
    NotAssessed,
}

/// One check, and how it ended.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Assessment {
    /// The check.
    pub check_id: String,
    /// The policy that it belongs to.
    pub policy: String,
    /// How it ended.
    pub status: Status,
    /// Why it was not assessed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Why a part of the audit is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Incomplete {
    /// The policy that has no verdict; absent where it concerns the whole audit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Why.
    pub reason: String,
    /// Capabilities that it asked for and does not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub denied: Vec<String>,
}

impl Report {
    /// Makes the report. Findings of at least `fail_on` make the verdict 1, unless the audit is incomplete.
    #[must_use]
    pub fn new(subject: &Subject, evaluation: &Evaluation, fail_on: Severity, ts: u64) -> Self {
        let mut parts = Parts::default();
        // One policy may have run several times, over the views of a family.
        for runs in evaluation.outcomes.chunk_by(|one, next| one.planned == next.planned) {
            parts.add(runs, &subject.config.generation);
        }
        let interrupted = |run: &&Outcome| run.verdict == Err(Failure::Interrupted);
        let lost = evaluation.outcomes.iter().filter(interrupted).count();
        if lost > 0 {
            let all = evaluation.outcomes.len();
            parts.whole(format!("interrupted: {lost} of {all} runs of policies did not end"));
        }
        // Where the audit had to end, nobody waits for the gateway either.
        let late = |run: &Outcome| matches!(&run.verdict, Err(Failure::Limit(limit)) if limit.what == WALL);
        let ended = lost > 0 || evaluation.outcomes.iter().any(late);
        let patience = if ended { Duration::ZERO } else { Duration::MAX };
        let gateway = subject.gateway(patience).map(|gateway| outlet::clean_gateway(subject, gateway));
        let Parts { mut findings, mut assessment, incomplete } = parts;
        findings.sort_by(|a, b| {
            let severity = b.severity.cmp(&a.severity);
            let id = || a.check_id.cmp(&b.check_id);
            let (one, other) = (a.locations.first(), b.locations.first());
            severity.then_with(id).then_with(|| one.map(Location::order).cmp(&other.map(Location::order)))
        });
        assessment.sort_by(|a, b| a.check_id.cmp(&b.check_id));
        let count =
            |severity| findings.iter().filter(|finding: &&Finding| finding.severity == severity).count();
        let summary = Summary {
            critical: count(Severity::Critical),
            warn: count(Severity::Warn),
            info: count(Severity::Info),
        };
        let exit = verdict(subject, &findings, &incomplete, fail_on);
        Self {
            ts,
            summary,
            findings,
            deep: gateway.map(|gateway| Deep { gateway }),
            is_deep: subject.deep,
            schema_version: SCHEMA_VERSION,
            tool: Tool { name: "chitin", version: env!("CARGO_PKG_VERSION") },
            target: Target::new(subject),
            exit,
            assessment,
            incomplete,
        }
    }

    /// The report where reading the target was cut, by whatever is known of it: nothing is assessed.
    #[must_use]
    pub fn unread(located: Option<&Located>, plan: &[Arc<Planned>], cut: &Cut, deep: bool, ts: u64) -> Self {
        let reason = match cut {
            Cut::Interrupted => "interrupted while the target was read".to_owned(),
            cut => format!("the target was not read to its end: {cut}"),
        };
        let mut parts = Parts::default();
        for Planned { manifest, .. } in plan.iter().map(|planned| &**planned) {
            parts.assessment.extend(manifest.checks.iter().map(|check| Assessment {
                check_id: check.id.clone(),
                policy: manifest.policy.id.clone(),
                status: Status::NotAssessed,
                reason: Some(reason.clone()),
            }));
        }
        parts.whole(reason);
        let Parts { findings, mut assessment, incomplete } = parts;
        assessment.sort_by(|a, b| a.check_id.cmp(&b.check_id));
        Self {
            ts,
            summary: Summary { critical: 0, warn: 0, info: 0 },
            findings,
            deep: None,
            is_deep: deep,
            schema_version: SCHEMA_VERSION,
            tool: Tool { name: "chitin", version: env!("CARGO_PKG_VERSION") },
            target: Target::unread(located),
            exit: Exit { code: INCOMPLETE, reason: NOT_EVERYTHING.to_owned() },
            assessment,
            incomplete,
        }
    }
}

/// What becomes of the outcomes.
#[derive(Default)]
struct Parts {
    findings: Vec<Finding>,
    assessment: Vec<Assessment>,
    incomplete: Vec<Incomplete>,
}

impl Parts {
    /// The runs of one policy.
    fn add(&mut self, runs: &[Outcome], generation: &str) {
        let Some(Outcome { manifest, ungranted, .. }) = runs.first() else { return };
        let policy = &manifest.policy.id;
        let mut failure = None;
        for run in runs {
            let Err(error) = &run.verdict else { continue };
            let place = run.view.as_ref().map_or(String::new(), |view| format!(", in {view}"));
            let reason = format!("{error}{place}");
            failure.get_or_insert_with(|| reason.clone());
            // One word on all that was interrupted is enough.
            if *error != Failure::Interrupted {
                self.policy(policy, reason, &run.denied);
            }
        }
        let gap = runs.iter().find_map(|run| run.gap.clone());
        if let Some(gap) = &gap
            && !self.incomplete.iter().any(|part| part.reason == *gap)
        {
            self.whole(gap.clone());
        }
        let withheld = (!ungranted.is_empty()).then(|| WITHHELD.to_owned());
        // A check that does not exist in this generation says nothing about it.
        let checks: Vec<&Check> =
            manifest.checks.iter().filter(|check| check.applies_to(generation)).collect();
        let found = runs.iter().flat_map(|run| run.verdict.as_deref().unwrap_or_default());
        let found: Vec<&Finding> =
            found.filter(|finding| checks.iter().any(|check| check.id == finding.check)).collect();
        let fired = |check: &Check| found.iter().any(|finding| finding.check == check.id);
        for check in &checks {
            let other = checks.iter().find(|other| other.leaves_open.contains(&check.id) && fired(other));
            let left_open = other.map(|other| format!("not assessed in full, see {}", other.id));
            if let Some(reason) = &left_open {
                self.policy(policy, format!("{}: {reason}", check.id), &[]);
            }
            let reason = failure.clone().or_else(|| gap.clone()).or_else(|| withheld.clone()).or(left_open);
            let reason = reason.filter(|_| !fired(check));
            let status = match (fired(check), &reason) {
                (true, _) => Status::Finding,
                (false, Some(_)) => Status::NotAssessed,
                (false, None) => Status::Clean,
            };
            let (check_id, policy) = (check.id.clone(), policy.clone());
            self.assessment.push(Assessment { check_id, policy, status, reason });
        }
        if let (None, Some(reason)) = (failure, withheld)
            && !checks.iter().all(|check| fired(check))
        {
            self.policy(policy, reason, ungranted);
        }
        self.findings.extend(found.into_iter().cloned());
    }

    fn policy(&mut self, policy: &str, reason: String, denied: &[String]) {
        self.incomplete.push(Incomplete {
            policy: Some(policy.to_owned()),
            reason,
            denied: denied.to_owned(),
        });
    }

    /// Something that concerns the whole audit.
    fn whole(&mut self, reason: String) {
        self.incomplete.push(Incomplete { policy: None, reason, denied: Vec::new() });
    }
}

impl Target {
    fn new(subject: &Subject) -> Self {
        let (located, config) = (&subject.located, &subject.config);
        Self {
            state_dir: visible::path(&located.state_dir),
            state_dir_from: located.origin.clone(),
            config_path: visible::path(&located.config_load),
            config_path_from: located.config_origin.clone(),
            config_exists: located.config_exists || subject.config_gap().is_some(),
            generation: config.generation.clone(),
            generation_from: config.generation_reason.clone(),
        }
    }

    fn unread(located: Option<&Located>) -> Self {
        let unknown = || "unknown".to_owned();
        let known = |of: &dyn Fn(&Located) -> String| located.map_or_else(unknown, of);
        Self {
            state_dir: known(&|located| visible::path(&located.state_dir)),
            state_dir_from: known(&|located| located.origin.clone()),
            config_path: known(&|located| visible::path(&located.config_load)),
            config_path_from: known(&|located| located.config_origin.clone()),
            config_exists: located.is_none_or(|located| located.config_exists),
            generation: unknown(),
            generation_from: "the config was not read".to_owned(),
        }
    }
}

fn verdict(subject: &Subject, findings: &[Finding], incomplete: &[Incomplete], fail_on: Severity) -> Exit {
    let located = &subject.located;
    let nothing = subject.is_absent();
    let worst = findings.iter().filter(|finding| finding.severity >= fail_on).count();
    let (code, reason) = if nothing {
        (
            4,
            format!(
                "nothing to audit: neither {} nor {} exists",
                visible::path(&located.state_dir),
                visible::path(&located.config_load)
            ),
        )
    } else if !incomplete.is_empty() {
        (INCOMPLETE, NOT_EVERYTHING.to_owned())
    } else if worst > 0 {
        let (plural, at_least) =
            (if worst == 1 { "" } else { "s" }, if fail_on == Severity::Critical { "" } else { " or worse" });
        (1, format!("{worst} finding{plural} of severity {fail_on}{at_least}"))
    } else {
        (0, format!("no finding of severity {fail_on} or worse"))
    };
    Exit { code, reason }
}
