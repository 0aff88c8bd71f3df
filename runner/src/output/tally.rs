//! What formats for people count and put together in the same way.

use std::collections::BTreeMap;

use crate::audit::finding::{BaselineState, Finding};
use crate::audit::open::{Class, Open};
use crate::audit::{JudgedBy, Report, Status};
use crate::config::release::Source;
use crate::policy::manifest::Severity;

/// What a policy has to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub critical: usize,
    pub warn: usize,
    pub info: usize,
    /// Checks.
    pub not_assessed: usize,
}

/// The policies that have something to say, by their names.
pub(super) fn by_policy(report: &Report) -> BTreeMap<&str, Tally> {
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for finding in &report.findings {
        let tally = tallies.entry(&finding.policy).or_default();
        *match finding.severity {
            Severity::Critical => &mut tally.critical,
            Severity::Warn => &mut tally.warn,
            Severity::Info => &mut tally.info,
        } += 1;
    }
    for check in report.assessment.iter().filter(|check| check.status == Status::NotAssessed) {
        tallies.entry(&check.policy).or_default().not_assessed += 1;
    }
    tallies
}

/// How many findings changed since a baseline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub new: usize,
    /// Of checks that the baseline's program did not know.
    pub new_check: usize,
    pub known: usize,
    pub gone: usize,
}

/// What changed since the baseline; none where there is none.
pub(super) fn since_baseline(report: &Report) -> Option<Change> {
    let mut change = Change { gone: report.gone.iter().map(|gone| gone.count).sum(), ..Change::default() };
    for state in report.findings.iter().filter_map(|finding| finding.baseline_state) {
        *match state {
            BaselineState::New => &mut change.new,
            BaselineState::NewCheck => &mut change.new_check,
            BaselineState::Unchanged => &mut change.known,
        } += 1;
    }
    (change != Change::default()).then_some(change)
}

/// The baseline has it.
pub(super) fn is_known(finding: &Finding) -> bool {
    finding.baseline_state == Some(BaselineState::Unchanged)
}

/// The reasons why checks are out of reach, by nature or by the operator's decision, each with its checks.
pub(super) fn out_of_reach(report: &Report) -> Vec<(&Open, Vec<&str>)> {
    let mut reasons: Vec<(&Open, Vec<&str>)> = Vec::new();
    for check in &report.assessment {
        for open in check.unassessed.iter().filter(|open| open.class == Class::OutOfReach) {
            let same = |(known, _): &&mut (&Open, Vec<&str>)| {
                known.text == open.text && known.location == open.location
            };
            match reasons.iter_mut().find(same) {
                Some((_, ids)) => ids.push(&open.check_id),
                None => reasons.push((open, vec![&open.check_id])),
            }
        }
    }
    for (_, ids) in &mut reasons {
        ids.dedup();
    }
    reasons
}

/// How the release is known, and which release's facts stand in.
pub(super) fn told(release: &JudgedBy) -> String {
    let sure = release.sure.as_str();
    if release.source == Source::Newest {
        return format!(
            "release {sure}: it is the newest that is known, for nothing says which one runs; say it with --openclaw-version"
        );
    }
    let stand_in = release.judged_as.as_ref();
    let stand_in = stand_in.map(|known| format!("; nobody has looked at it: judged as {known}"));
    format!("release {sure}, told by {}{}", release.from, stand_in.unwrap_or_default())
}
