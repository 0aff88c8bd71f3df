//! All outcomes as one report: order, counts, what was assessed, and the verdict that becomes the exit code.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::audit::code::is_of;
use crate::audit::evaluate::{Evaluation, Outcome};
use crate::audit::finding::{Finding, Location};
use crate::audit::inline;
use crate::audit::open::{Class, Kind, Open};
use crate::audit::outlet;
use crate::audit::plan::{Origin, Planned};
use crate::audit::subject::{CONFIG, INCLUDE, Subject};
use crate::audit::suppress::{self, Suppressed};
use crate::audit::visible::{self, visible};
use crate::budget::{Cut, WALL};
use crate::config::release::{Evidence, Judged, Release, Source, Sure};
use crate::confine::Confinement;
use crate::policy::manifest::{Capabilities, Check, Severity};
use crate::probe::Gateway;
use crate::sandbox::Failure;
use crate::sandbox::limits::ADDRESS_SPACE;
use crate::settings::{Accepted, OWN, SECONDS_OF_A_DAY};
pub use crate::target::Scope;
use crate::target::{Installation, Located};

/// Version of the report's JSON form; it grows where a field changes its meaning or goes. CHANGELOG.md says what changed.
pub const SCHEMA_VERSION: u32 = 2;

/// Exit code where something was not assessed.
const INCOMPLETE: u8 = 3;
/// Its reason.
const NOT_EVERYTHING: &str = "incomplete: not everything could be assessed";

/// What an audit says. The fields up to `findings` have the reference's names and meanings.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Milliseconds since the epoch.
    pub ts: u64,
    /// Findings by severity.
    pub summary: Summary,
    /// The worst first, then by check id and place.
    pub findings: Vec<Finding>,
    /// Those that a suppression took out: of the site's settings, or of the config where the operator lets that count.
    #[serde(rename = "suppressedFindings", default, skip_serializing_if = "Vec::is_empty")]
    pub suppressed: Vec<Suppressed>,
    /// Findings that the baseline has and the target has no more.
    #[serde(rename = "goneFindings", default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<Gone>,
    /// What a deep audit saw besides; absent where it is not deep, where no policy asks for it, or where it was interrupted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deep: Option<Deep>,
    /// Slow and live checks were asked for, too.
    #[serde(skip)]
    pub is_deep: bool,
    /// A fix may cure some of it.
    #[serde(skip)]
    pub is_curable: bool,
    /// The checks that were to run, by the ids under which their manifests declare them.
    #[serde(skip)]
    pub rules: BTreeMap<String, Rule>,
    /// Version of this form.
    pub schema_version: u32,
    /// Who says so.
    #[serde(skip_deserializing)]
    pub tool: Tool,
    /// What was audited.
    pub target: Target,
    /// The verdict.
    pub exit: Exit,
    /// Checks by how they ended.
    pub counts: Counts,
    /// Every check that was to run, and how it ended.
    pub assessment: Vec<Assessment>,
    /// Why the audit is incomplete; empty where it is complete.
    pub incomplete: Vec<Incomplete>,
    /// The confinement of the process that read the target and ran the policies; absent where none was looked after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confinement: Option<Confinement>,
}

/// A check, as its manifest describes it.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The policy that it belongs to.
    pub policy: String,
    /// The origin of that policy.
    pub origin: Origin,
    /// The worst severity of its findings.
    pub severity: Severity,
    /// What it finds, in one line that is fit to be shown.
    pub summary: String,
}

/// A finding that a baseline has and the target has no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gone {
    /// The check.
    pub check_id: String,
    /// What told it from others.
    pub fingerprint: String,
    /// Where it stood, as the baseline has it.
    pub place: String,
    /// How many of them are gone.
    pub count: usize,
}

/// Checks by how they ended. Each counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Looked at, and nothing found.
    pub clean: usize,
    /// With a finding.
    pub finding: usize,
    /// Not looked at, or not in full, and without a finding.
    pub not_assessed: usize,
    /// There is nothing that they are about.
    pub not_applicable: usize,
    /// Of those that were not assessed, or not in full, the ones where something failed.
    pub failed: usize,
    /// Of them, the ones that are out of reach, by nature or by the operator's decision.
    pub out_of_reach: usize,
}

impl Counts {
    pub(super) fn of(assessment: &[Assessment]) -> Self {
        let with = |status: Status| assessment.iter().filter(|check| check.status == status).count();
        let open = |class: Class| assessment.iter().filter(|check| check.class == Some(class)).count();
        Self {
            clean: with(Status::Clean),
            finding: with(Status::Finding),
            not_assessed: with(Status::NotAssessed),
            not_applicable: with(Status::NotApplicable),
            failed: open(Class::Failed),
            out_of_reach: open(Class::OutOfReach),
        }
    }
}

impl Rule {
    /// The checks of a policy.
    fn of(planned: &Planned) -> impl Iterator<Item = (String, Self)> {
        let rule = |check: &Check| Self::new(check, &planned.manifest.policy.id, planned.origin);
        planned.manifest.checks.iter().map(move |check| (check.id.clone(), rule(check)))
    }

    pub(super) fn new(check: &Check, policy: &str, origin: Origin) -> Self {
        let summary = visible(&check.summary);
        Self { policy: policy.to_owned(), origin, severity: check.severity, summary }
    }
}

/// What the verdict goes by.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is a decision of its own")]
pub struct Terms {
    /// The lowest severity that makes the verdict 1.
    pub fail_on: Severity,
    /// What is out of reach makes the audit incomplete, too.
    pub fail_on_unassessed: bool,
    /// The suppressions of the config that is audited count.
    pub honour_suppressions: bool,
    /// So do comments in it.
    pub inline_suppressions: bool,
    /// No suppression counts, whoever says it.
    pub no_suppressions: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            fail_on: Severity::Critical,
            fail_on_unassessed: false,
            honour_suppressions: false,
            inline_suppressions: false,
            no_suppressions: false,
        }
    }
}

/// What a deep audit saw, besides its findings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Deep {
    /// The live probe of the gateway.
    pub gateway: Gateway,
}

/// Findings by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Harmful as it stands.
    pub critical: usize,
    /// Harmful with another mistake.
    pub warn: usize,
    /// Worth knowing.
    pub info: usize,
}

impl Summary {
    pub(super) fn of(findings: &[Finding]) -> Self {
        let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
        Self { critical: count(Severity::Critical), warn: count(Severity::Warn), info: count(Severity::Info) }
    }
}

/// The program.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Tool {
    /// "chitin".
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

impl Default for Tool {
    fn default() -> Self {
        Self { name: "chitin", version: env!("CARGO_PKG_VERSION") }
    }
}

/// What was audited.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// The state directory; empty, and no field, where a config alone was looked at.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state_dir: String,
    /// What decided it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state_dir_from: String,
    /// The config file.
    pub config_path: String,
    /// What decided it.
    pub config_path_from: String,
    /// There is such a file.
    pub config_exists: bool,
    /// What the list of targets calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The target's name among several: its id, or the path as the list has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called: Option<String>,
    /// Tells it among several from all others, whose names may look like its own.
    #[serde(skip)]
    pub key: Option<String>,
    /// How much of an installation there is to be judged.
    #[serde(default)]
    pub scope: Scope,
    /// The folder that the places of a config in a repository are relative to; absent where places are absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// The folder that all paths are below, where it is not this machine's root: an unpacked image, a mounted disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sysroot: Option<String>,
    /// The release that it was judged by; absent where the config was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<JudgedBy>,
}

/// The release that a target was judged by, and how it is known.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JudgedBy {
    /// The release.
    pub version: String,
    /// The known release whose facts stand in, where nobody has looked at this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judged_as: Option<String>,
    /// What told it.
    pub source: Source,
    /// The same in words.
    pub from: String,
    /// How sure it is.
    pub sure: Sure,
    /// The release whose checks ran, too, because something speaks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub also: Option<String>,
    /// Everything in the target that only some releases have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

impl JudgedBy {
    fn new(judged: &Judged) -> Self {
        Self {
            version: judged.release.to_string(),
            judged_as: judged.judged_as().map(|release| release.to_string()),
            source: judged.source,
            from: visible(&judged.told_by),
            sure: judged.sure,
            also: judged.other.map(|release| release.to_string()),
            evidence: judged.evidence.iter().map(Evidence::visible).collect(),
        }
    }
}

/// The verdict, and what the process exits with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// 0 clean, 1 findings, 3 incomplete, 4 nothing to audit.
    pub code: u8,
    /// Why.
    pub reason: String,
}

impl Exit {
    /// The code where the target cannot be used.
    pub const UNUSABLE: u8 = 2;
    /// The code where there is nothing to audit.
    pub const NOTHING: u8 = 4;
}

/// The verdict over several targets: the worst one, where 2 is worse than 3, that than 1, that than 4, and that than 0.
#[must_use]
pub fn worst(reports: &[Report]) -> Exit {
    let mut tally = Tally::default();
    for report in reports {
        tally.add(&report.exit);
    }
    tally.worst()
}

/// The verdicts of targets whose reports are not kept.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    all: usize,
    /// How many have each code, and the reason of the first.
    codes: BTreeMap<u8, (usize, String)>,
}

impl Tally {
    /// One more target.
    pub fn add(&mut self, exit: &Exit) {
        self.all += 1;
        self.codes.entry(exit.code).or_insert_with(|| (0, exit.reason.clone())).0 += 1;
    }

    /// How many targets there were.
    #[must_use]
    pub fn targets(&self) -> usize {
        self.all
    }

    /// How many targets ended how, the worst first.
    #[must_use]
    pub fn told(&self) -> String {
        let word = |code| match code {
            Exit::UNUSABLE => "unusable",
            INCOMPLETE => "incomplete",
            1 => "with findings",
            Exit::NOTHING => "with nothing to audit",
            _ => "passed",
        };
        let known = Self::ORDER.into_iter().filter_map(|code| Some((self.codes.get(&code)?.0, code)));
        let parts: Vec<String> = known.map(|(count, code)| format!("{count} {}", word(code))).collect();
        format!("{} target{}: {}", self.all, if self.all == 1 { "" } else { "s" }, parts.join(", "))
    }

    /// The codes from the worst on.
    const ORDER: [u8; 5] = [Exit::UNUSABLE, INCOMPLETE, 1, Exit::NOTHING, 0];

    /// See [`worst`].
    #[must_use]
    pub fn worst(&self) -> Exit {
        let worst = Self::ORDER.into_iter().find_map(|code| Some((code, self.codes.get(&code)?)));
        let Some((code, (count, reason))) = worst else { return Exit { code: 0, reason: String::new() } };
        let is_one = *count == 1 || code == 0;
        let others = if is_one { String::new() } else { format!(" ({count} of {} targets)", self.all) };
        Exit { code, reason: format!("{reason}{others}") }
    }
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Looked at, and nothing found.
    Clean,
    /// Something was found.
    Finding,
    /// Not looked at, or not in full.
    NotAssessed,
    /// There is nothing that it is about: it does not exist in this release, or there is no state directory.
    NotApplicable,
}

/// One check, and how it ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assessment {
    /// The check.
    pub check_id: String,
    /// The policy that it belongs to.
    pub policy: String,
    /// How it ended.
    pub status: Status,
    /// The worst class of why it was not assessed, or not in full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// The first reason in words, also of one that is not applicable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// All reasons, those that failed first. A check with findings may have some, too: it has not seen everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unassessed: Vec<Open>,
}

impl Assessment {
    pub(super) fn new(check: &Check, policy: &str, is_found: bool, mut unassessed: Vec<Open>) -> Self {
        unassessed.sort_by_key(|open| open.class);
        let status = match (is_found, unassessed.is_empty()) {
            (true, _) => Status::Finding,
            (false, false) => Status::NotAssessed,
            (false, true) => Status::Clean,
        };
        let first = unassessed.first();
        let (class, reason) = (first.map(|open| open.class), first.map(|open| open.text.clone()));
        Self { check_id: check.id.clone(), policy: policy.to_owned(), status, class, reason, unassessed }
    }

    fn not_applicable(check: &Check, policy: &str, reason: String) -> Self {
        Self {
            check_id: check.id.clone(),
            policy: policy.to_owned(),
            status: Status::NotApplicable,
            class: None,
            reason: Some(reason),
            unassessed: Vec::new(),
        }
    }
}

/// Why a part of the audit is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incomplete {
    /// The policy that has no verdict; absent where it concerns the whole audit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Why.
    pub reason: String,
    /// What stands in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// Capabilities that it asked for and does not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denied: Vec<String>,
}

impl Report {
    /// Makes the report. `ts` is the time in milliseconds since the epoch.
    #[must_use]
    pub fn new(subject: &Subject, evaluation: &Evaluation, terms: Terms, ts: u64) -> Self {
        let mut parts = Parts {
            today: subject.now,
            terms,
            accepted: subject.accepted(),
            located: Some(&subject.located),
            ..Parts::default()
        };
        // One policy may have run several times, over the views of a family.
        let judged = &subject.config.judged;
        let releases: Vec<Release> = [judged.release].into_iter().chain(judged.other).collect();
        for runs in evaluation.outcomes.chunk_by(|one, next| one.planned == next.planned) {
            parts.add(runs, &releases);
        }
        let interrupted = |run: &&Outcome| run.verdict == Err(Failure::Interrupted);
        let lost = evaluation.outcomes.iter().filter(interrupted).count();
        if lost > 0 {
            let all = evaluation.outcomes.len();
            parts.whole(format!("interrupted: {lost} of {all} runs of policies did not end"));
        }
        let unplaced = |run: &&Outcome| Parts::is_without_memory(run);
        if let Some(Err(failure)) = evaluation.outcomes.iter().find(unplaced).map(|run| &run.verdict) {
            let (lost, all) =
                (evaluation.outcomes.iter().filter(unplaced).count(), evaluation.outcomes.len());
            parts.whole(format!("{failure}: {lost} of {all} runs of policies could not begin"));
        }
        // Where the audit had to end, nobody waits for the gateway either.
        let late = |run: &Outcome| matches!(&run.verdict, Err(Failure::Limit(limit)) if limit.what == WALL);
        let ended = lost > 0 || evaluation.outcomes.iter().any(late);
        let patience = if ended { Duration::ZERO } else { Duration::MAX };
        let gateway = subject.gateway(patience).map(|gateway| outlet::clean_gateway(subject, gateway));
        let Parts { mut findings, mut assessment, incomplete, .. } = parts;
        subject.site().weigh(&mut findings);
        let mut suppressed = Vec::new();
        let mut findings = suppress_all(subject, terms, &assessment, findings, &mut suppressed);
        sort(&mut findings);
        suppressed.sort_by(|a, b| in_order(&a.finding, &b.finding));
        assessment.sort_by(|a, b| a.check_id.cmp(&b.check_id));
        let summary = Summary::of(&findings);
        let is_curable = findings.iter().any(|finding| !finding.fixes.is_empty());
        let exit = if subject.is_absent() {
            let located = &subject.located;
            let (state_dir, config) =
                (visible::path(&located.state_dir), visible::path(&located.config_load));
            let reason = if located.is_config_alone() {
                format!("nothing to audit: {config} does not exist")
            } else {
                format!("nothing to audit: neither {state_dir} nor {config} exists")
            };
            Exit { code: Exit::NOTHING, reason }
        } else {
            verdict(findings.iter(), &incomplete, terms.fail_on, false)
        };
        Self {
            ts,
            summary,
            findings,
            suppressed,
            gone: Vec::new(),
            deep: gateway.map(|gateway| Deep { gateway }),
            is_deep: subject.deep,
            is_curable,
            rules: BTreeMap::new(),
            schema_version: SCHEMA_VERSION,
            tool: Tool::default(),
            target: Target::new(subject),
            exit,
            counts: Counts::of(&assessment),
            assessment,
            incomplete,
            confinement: None,
        }
    }

    /// It agrees with itself, and with what was asked: counts, verdict, and what they count; checks that were to run; findings
    /// that their checks tell of. `absent` is whether there may be nothing to audit.
    #[must_use]
    pub fn agrees(&self, plan: &[Arc<Planned>], fail_on: Severity, absent: bool) -> bool {
        let Self { summary, findings, exit, assessment, incomplete, .. } = self;
        let checks: HashMap<&str, &Check> = plan
            .iter()
            .flat_map(|planned| &planned.manifest.checks)
            .map(|check| (&*check.id, check))
            .collect();
        let found: HashSet<&str> = assessment
            .iter()
            .filter(|assessment| assessment.status == Status::Finding)
            .map(|assessment| &*assessment.check_id)
            .collect();
        let is_told = |finding: &Finding| {
            if finding.check.starts_with(OWN) {
                return finding.check == finding.check_id;
            }
            let declared = checks.get(&*finding.check);
            declared.is_some_and(|check| check.matches(&finding.check_id)) && found.contains(&*finding.check)
        };
        self.schema_version == SCHEMA_VERSION
            && *summary == Summary::of(findings)
            && self.counts == Counts::of(assessment)
            && assessment.iter().all(|assessment| checks.contains_key(&*assessment.check_id))
            && findings.iter().all(is_told)
            && if exit.code == Exit::NOTHING {
                absent && findings.is_empty()
            } else {
                *exit == verdict(findings.iter(), incomplete, fail_on, false)
            }
    }

    /// Says of each finding where its policy comes from, and describes the checks. No policy says where it comes from itself.
    pub fn mark(&mut self, plan: &[Arc<Planned>]) {
        self.rules = plan.iter().flat_map(|planned| Rule::of(planned)).collect();
        let strangers: HashMap<&str, Origin> = plan
            .iter()
            .filter(|planned| planned.is_strangers())
            .map(|planned| (&*planned.manifest.policy.id, planned.origin))
            .collect();
        for finding in self.all_findings_mut() {
            finding.origin = strangers.get(&*finding.policy).copied().unwrap_or_default();
        }
    }

    /// The findings, and then those that were suppressed.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().chain(self.suppressed.iter().map(|suppressed| &suppressed.finding))
    }

    /// The same, to be changed.
    pub fn all_findings_mut(&mut self) -> impl Iterator<Item = &mut Finding> {
        self.findings.iter_mut().chain(self.suppressed.iter_mut().map(|suppressed| &mut suppressed.finding))
    }

    /// Why a target was not read to its end.
    #[must_use]
    pub fn unread_because(cut: &Cut) -> String {
        match cut {
            Cut::Interrupted => "interrupted while the target was read".to_owned(),
            cut => format!("the target was not read to its end: {cut}"),
        }
    }

    /// The report where the target was not read to its end, by whatever is known of it: nothing is assessed.
    #[must_use]
    pub fn unread(
        installation: Option<&Installation>,
        plan: &[Arc<Planned>],
        reason: &str,
        deep: bool,
        ts: u64,
    ) -> Self {
        let mut parts = Parts::default();
        for Planned { manifest, .. } in plan.iter().map(|planned| &**planned) {
            let open = |check: &Check| Open::of(check, Kind::Limit, reason.to_owned());
            parts.assessment.extend(
                manifest
                    .checks
                    .iter()
                    .map(|check| Assessment::new(check, &manifest.policy.id, false, vec![open(check)])),
            );
        }
        parts.whole(reason.to_owned());
        let Parts { findings, mut assessment, incomplete, .. } = parts;
        assessment.sort_by(|a, b| a.check_id.cmp(&b.check_id));
        Self {
            ts,
            summary: Summary::default(),
            findings,
            suppressed: Vec::new(),
            gone: Vec::new(),
            deep: None,
            is_deep: deep,
            is_curable: false,
            rules: BTreeMap::new(),
            schema_version: SCHEMA_VERSION,
            tool: Tool::default(),
            target: Target::unread(installation),
            exit: Exit { code: INCOMPLETE, reason: NOT_EVERYTHING.to_owned() },
            counts: Counts::of(&assessment),
            assessment,
            incomplete,
            confinement: None,
        }
    }
}

impl Report {
    /// The report of a target that cannot be used, by the path that it was named by: nothing is assessed.
    #[must_use]
    pub fn unusable(named: &Path, plan: &[Arc<Planned>], reason: &str, deep: bool, ts: u64) -> Self {
        let reason = visible(reason);
        let mut report = Self::unread(None, plan, &reason, deep, ts);
        report.target.state_dir = visible::path(named);
        report.target.config_exists = false;
        report.exit = Exit { code: Exit::UNUSABLE, reason };
        report
    }
}

/// The findings that no suppression takes out: neither the site's, nor, where the operator lets them count, those of the config itself.
fn suppress_all(
    subject: &Subject,
    terms: Terms,
    assessment: &[Assessment],
    mut findings: Vec<Finding>,
    suppressed: &mut Vec<Suppressed>,
) -> Vec<Finding> {
    if terms.no_suppressions {
        return findings;
    }
    let Judged { release, other, .. } = &subject.config.judged;
    let has_list = [Some(*release), *other].into_iter().flatten().any(|release| release >= suppress::SINCE);
    if has_list && (terms.honour_suppressions || subject.honours_suppressions()) {
        let clean = |text: &str| outlet::clean_reason(subject, text);
        findings = suppress::apply(&subject.config.effective, &clean, findings, suppressed);
    }
    if terms.inline_suppressions {
        findings = inline::apply(subject, assessment, findings, suppressed);
    }
    subject.site().suppress(findings, &subject.bases(), subject.now / SECONDS_OF_A_DAY, suppressed)
}

/// The worst first, then by check id and place.
pub(super) fn sort(findings: &mut [Finding]) {
    findings.sort_by(in_order);
}

fn in_order(a: &Finding, b: &Finding) -> std::cmp::Ordering {
    let severity = b.severity.cmp(&a.severity);
    let id = || a.check_id.cmp(&b.check_id);
    let (one, other) = (a.locations.first(), b.locations.first());
    severity.then_with(id).then_with(|| one.map(Location::order).cmp(&other.map(Location::order)))
}

/// What becomes of the outcomes.
#[derive(Default)]
struct Parts<'a> {
    terms: Terms,
    /// Failures that the site accepts.
    accepted: &'a [Accepted],
    /// Seconds since the epoch.
    today: u64,
    /// Where the target lies.
    located: Option<&'a Located>,
    findings: Vec<Finding>,
    assessment: Vec<Assessment>,
    incomplete: Vec<Incomplete>,
}

/// Why modes and places of a config's files are not judged where it is not in use.
const OF_SERVER: &str =
    "scope config: modes, owners and places of the config's files here say nothing of those on the server";

/// Why no gateway was asked though the audit is deep.
const NO_GATEWAY: &str =
    "neither a config alone nor an unpacked file system has a gateway that could be asked";

impl Parts<'_> {
    /// The runs of one policy.
    fn add(&mut self, runs: &[Outcome], releases: &[Release]) {
        let Some(Outcome { manifest, ungranted, .. }) = runs.first() else { return };
        let policy = &manifest.policy.id;
        let elsewhere = self.why_elsewhere(&manifest.capabilities);
        let counted = runs.iter().filter(|_| elsewhere.is_none());
        let found: Vec<&Finding> =
            counted.flat_map(|run| run.verdict.as_deref().unwrap_or_default()).collect();
        let whole = Whole::of(runs);
        if let Some(gap) = &whole.gap
            && !self.incomplete.iter().any(|part| part.reason == *gap)
        {
            self.whole(gap.clone());
        }
        let has_no_member = manifest.policy.each.is_some() && runs.iter().all(|run| run.view.is_none());
        let mut failed = Vec::new();
        let applies_to = |check: &Check| releases.iter().any(|release| check.applies_to(*release));
        for check in &manifest.checks {
            if !applies_to(check) {
                // What does not exist in this release says nothing about it.
                let names: Vec<String> = releases.iter().map(Release::to_string).collect();
                let reason = format!("it does not exist in {}", names.join(" and "));
                self.assessment.push(Assessment::not_applicable(check, policy, reason));
                continue;
            }
            let fired = found.iter().any(|finding| finding.check == check.id);
            let said = runs.iter().flat_map(|run| &run.open).filter(|open| open.check == check.id);
            let mut open: Vec<Open> = said.cloned().collect();
            if !fired {
                open.extend(whole.open(check));
                let silent = open.is_empty() && !ungranted.is_empty();
                let common =
                    || Open { is_common: true, ..Open::of(check, Kind::Withheld, withheld(ungranted)) };
                open.extend(silent.then(common));
            }
            if let Some(reason) = &elsewhere {
                self.assessment.push(Assessment::not_applicable(check, policy, reason.clone()));
                continue;
            }
            // A family without a member, such as plugins, says nothing where the members would lie.
            let is_nowhere =
                if open.is_empty() { has_no_member } else { open.iter().all(Open::is_about_view) };
            if !fired
                && is_nowhere
                && let Some(reason) = self.why_nowhere(&open)
            {
                self.assessment.push(Assessment::not_applicable(check, policy, reason));
                continue;
            }
            let has_no_gateway =
                manifest.capabilities.gateway && self.located.is_some_and(|located| !located.may_run());
            if !fired
                && has_no_gateway
                && !open.is_empty()
                && open.iter().all(|open| open.kind == Kind::Absent)
            {
                self.assessment.push(Assessment::not_applicable(check, policy, NO_GATEWAY.to_owned()));
                continue;
            }
            // Besides its findings it would have looked where there is nothing to look at.
            if fired && self.located.is_some_and(Located::is_config_alone) {
                open.retain(|open| !open.is_about_view());
            }
            for open in &mut open {
                self.accept(open);
            }
            failed.extend(open.iter().filter(|open| self.counts(open)).cloned());
            self.assessment.push(Assessment::new(check, policy, fired, open));
        }
        let mut checks = manifest.checks.iter().filter(|check| applies_to(check)).peekable();
        let is_accepted = checks.peek().is_some() && checks.all(|check| self.accepted(&check.id).is_some());
        self.failures(policy, runs, (&failed, is_accepted), ungranted);
        let applies = |finding: &&Finding| {
            manifest.checks.iter().any(|check| check.id == finding.check && applies_to(check))
        };
        self.findings.extend(found.into_iter().filter(applies).cloned());
    }

    /// Why what a policy says of files and their places is of another machine, where it looks at nothing else.
    fn why_elsewhere(&self, capabilities: &Capabilities) -> Option<String> {
        let is_elsewhere = |located: &Located| located.is_config_alone() && !located.has_modes;
        let is_about_files = !capabilities.files.is_empty()
            && capabilities.names().iter().all(|name| {
                ["stat:", "list:", "read:", "fuel:", "memory:", "fix:"]
                    .iter()
                    .any(|kind| name.starts_with(kind))
            });
        (self.located.is_some_and(is_elsewhere) && is_about_files).then(|| OF_SERVER.to_owned())
    }

    /// Why nothing is there that a check is about, where all that it asked for are views as a whole; none where there is a state
    /// directory.
    fn why_nowhere(&self, open: &[Open]) -> Option<String> {
        let located = self.located.filter(|located| !located.state_exists)?;
        let is_of_config = |open: &Open| {
            let view = open.location.as_ref().and_then(Location::view);
            view.is_some_and(|view| view == CONFIG || is_of(view, INCLUDE))
        };
        let reason = if !located.is_config_alone() {
            "there is no state directory"
        } else if !open.is_empty() && open.iter().all(is_of_config) {
            OF_SERVER
        } else {
            "scope config: there is no state directory to look at"
        };
        Some(reason.to_owned())
    }

    /// What of a policy makes the audit incomplete: its runs that failed, and the checks that were left open.
    fn failures(
        &mut self,
        policy: &str,
        runs: &[Outcome],
        (failed, is_accepted): (&[Open], bool),
        ungranted: &[String],
    ) {
        let mut told: Vec<String> = Vec::new();
        for run in runs {
            let reason = run.verdict.as_ref().err().map(|error| Whole::told(run, error));
            // Where the site accepts it for all checks, it is told with them. One word on all that was interrupted, or had no
            // memory to begin in, is enough.
            let is_common = run.verdict == Err(Failure::Interrupted) || Self::is_without_memory(run);
            let is_told = !is_common && !is_accepted;
            if let Some(reason) = reason.clone().filter(|_| is_told) {
                self.policy(policy, reason, None, &run.denied);
            }
            told.extend(reason.into_iter().chain(run.gap.clone()));
        }
        for open in failed {
            let denied = if open.kind == Kind::Withheld { ungranted } else { &[] };
            let is_told =
                self.incomplete.iter().any(|part| part.policy.is_none() && part.reason == open.text);
            if !is_told && !told.contains(&open.text) {
                let reason = open.told();
                told.push(open.text.clone());
                self.policy(policy, reason, open.location.clone(), denied);
            }
        }
    }

    /// The process may not use the address space that a run reserves.
    fn is_without_memory(run: &Outcome) -> bool {
        matches!(&run.verdict, Err(Failure::Limit(limit)) if limit.what == ADDRESS_SPACE)
    }

    /// It makes the audit incomplete.
    fn counts(&self, open: &Open) -> bool {
        open.class == Class::Failed || self.terms.fail_on_unassessed
    }

    /// What the site says of failures of this check.
    fn accepted(&self, check: &str) -> Option<&Accepted> {
        self.accepted.iter().find(|accepted| accepted.is(check, self.today))
    }

    /// A failure that the site accepts is out of reach, by its decision.
    fn accept(&self, open: &mut Open) {
        if let Some(accepted) = self.accepted(&open.check_id).filter(|_| open.class == Class::Failed) {
            open.class = Class::OutOfReach;
            open.text = format!("{} (accepted until {}: {})", open.text, accepted.until(), accepted.reason());
        }
    }

    fn policy(&mut self, policy: &str, reason: String, location: Option<Location>, denied: &[String]) {
        self.incomplete.push(Incomplete {
            policy: Some(policy.to_owned()),
            reason,
            location,
            denied: denied.to_owned(),
        });
    }

    /// Something that concerns the whole audit.
    fn whole(&mut self, reason: String) {
        self.incomplete.push(Incomplete { policy: None, reason, location: None, denied: Vec::new() });
    }
}

/// Why the silence of a policy says nothing, where the operator granted less than its manifest declares.
fn withheld(ungranted: &[String]) -> String {
    /// More names than this help nobody.
    const NAMES: usize = 3;
    let first: Vec<&str> = ungranted.iter().take(NAMES).map(String::as_str).collect();
    let more = match ungranted.len().saturating_sub(NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let names = first.join(", ");
    format!(
        "it was not granted {names}{more}, so its silence says nothing; --grant grants it, or `grants` in chitin.toml where it was added"
    )
}

/// Why none of the checks of a policy was assessed.
struct Whole {
    failure: Option<(Kind, String)>,
    gap: Option<String>,
}

impl Whole {
    fn of(runs: &[Outcome]) -> Self {
        let failure = runs.iter().find_map(|run| {
            let error = run.verdict.as_ref().err()?;
            let kind = match error {
                Failure::Limit(_) | Failure::Interrupted => Kind::Limit,
                Failure::Inconclusive(_) => Kind::NotUnderstood,
                _ => Kind::Broken,
            };
            Some((kind, Self::told(run, error)))
        });
        Self { failure, gap: runs.iter().find_map(|run| run.gap.clone()) }
    }

    fn told(run: &Outcome, error: &Failure) -> String {
        let place = run.view.as_ref().map_or(String::new(), |view| format!(", in {view}"));
        format!("{error}{place}")
    }

    fn open(&self, check: &Check) -> Option<Open> {
        if let Some((kind, text)) = self.failure.clone() {
            return Some(Open::of(check, kind, text));
        }
        let gap = self.gap.clone()?;
        Some(Open { is_common: true, ..Open::of(check, Kind::Unreadable, gap) })
    }
}

impl Target {
    fn new(subject: &Subject) -> Self {
        let (located, config) = (&subject.located, &subject.config);
        let mut target = Self {
            state_dir: visible::path(&located.state_dir),
            state_dir_from: located.origin.clone(),
            config_path: visible::path(&located.config_load),
            config_path_from: located.config_origin.clone(),
            config_exists: located.config_exists || subject.config_gap().is_some(),
            id: None,
            called: None,
            key: None,
            scope: located.scope,
            root: None,
            sysroot: located.sysroot.as_deref().map(visible::path),
            release: Some(JudgedBy::new(&config.judged)),
        };
        target.without_state();
        target
    }

    /// The places are those that the supervisor found, whatever was read there.
    pub(crate) fn placed(self, installation: &Installation) -> Self {
        let Self { config_exists, release, .. } = self;
        Self { config_exists, release, ..Self::unread(Some(installation)) }
    }

    fn unread(installation: Option<&Installation>) -> Self {
        let unknown = || "unknown".to_owned();
        let known = |of: &dyn Fn(&Installation) -> String| installation.map_or_else(unknown, of);
        let mut target = Self {
            state_dir: known(&|found| visible::path(&found.state_dir)),
            state_dir_from: known(&|found| found.origin.clone()),
            config_path: known(&|found| visible::path(&found.config_load)),
            config_path_from: known(&|found| found.config_origin.clone()),
            config_exists: installation.is_none_or(|found| found.config_exists),
            id: None,
            called: None,
            key: None,
            scope: installation.map_or_else(Scope::default, |found| found.scope),
            root: None,
            sysroot: installation.and_then(|found| found.sysroot.as_deref()).map(visible::path),
            release: None,
        };
        target.without_state();
        target
    }

    /// A config alone has no state directory, wherever the one of this account lies.
    fn without_state(&mut self) {
        if self.scope == Scope::Config {
            self.state_dir.clear();
            self.state_dir_from.clear();
        }
    }
}

/// The verdict over the findings that count; `is_new` is whether those are the ones that a baseline does not know.
pub(super) fn verdict<'f>(
    findings: impl Iterator<Item = &'f Finding>,
    incomplete: &[Incomplete],
    fail_on: Severity,
    is_new: bool,
) -> Exit {
    let worst = findings.filter(|finding| finding.severity >= fail_on).count();
    let new = if is_new { "new " } else { "" };
    let (code, reason) = if !incomplete.is_empty() {
        (INCOMPLETE, NOT_EVERYTHING.to_owned())
    } else if worst > 0 {
        let (plural, at_least) =
            (if worst == 1 { "" } else { "s" }, if fail_on == Severity::Critical { "" } else { " or worse" });
        (1, format!("{worst} {new}finding{plural} of severity {fail_on}{at_least}"))
    } else {
        (0, format!("no {new}finding of severity {fail_on} or worse"))
    };
    Exit { code, reason }
}
