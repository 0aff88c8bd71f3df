//! Where it is not sure which release a target is of, the checks of two run, and of each check the worse verdict counts.

use crate::audit::evaluate::{Evaluation, Outcome};
use crate::audit::finding::{Finding, Location};
use crate::audit::open::{Kind, Open};
use crate::config::release::Release;
use crate::policy::manifest::{Check, Severity};

/// The worse of what the same plan gave by two releases. A check that a release does not have says nothing by it.
pub(super) fn of_both(one: (Release, Evaluation), other: (Release, Evaluation)) -> Evaluation {
    let [mut ours, mut theirs] = [one, other].map(|(release, evaluation)| {
        evaluation.outcomes.into_iter().map(|run| within(run, release)).collect::<Vec<_>>()
    });
    for run in &mut ours {
        let same = |other: &Outcome| other.planned == run.planned && other.view == run.view;
        if let Some(at) = theirs.iter().position(same) {
            let other = theirs.remove(at);
            add(run, other);
        }
    }
    // Views that only the other release has. A run without a view says that there is none.
    ours.extend(theirs.into_iter().filter(|run| run.view.is_some()));
    ours.sort_by_key(|run| run.planned);
    Evaluation { outcomes: ours }
}

/// What a run says of the checks of a release.
fn within(mut run: Outcome, release: Release) -> Outcome {
    let has = |id: &str| run.manifest.checks.iter().any(|check| check.id == id && check.applies_to(release));
    if let Ok(findings) = &mut run.verdict {
        findings.retain(|finding| has(&finding.check));
    }
    run.open.retain(|open| has(&open.check));
    run
}

/// The checks whose findings come from the schema of one release. Where two releases are judged, such a finding counts only if
/// both refuse the config.
const OF_SCHEMA: [&str; 3] = ["config.unknown_key", "config.invalid_value", "config.legacy_key"];

fn add(run: &mut Outcome, mut other: Outcome) {
    if let (Ok(ours), Ok(theirs)) = (&mut run.verdict, &mut other.verdict) {
        agreed(ours, theirs);
    }
    let checks = &run.manifest.checks;
    match (&mut run.verdict, other.verdict) {
        (Ok(ours), Ok(theirs)) => *ours = worse(checks, std::mem::take(ours), theirs),
        (Ok(_), Err(failure)) => {
            let text = failure.to_string();
            run.open.extend(checks.iter().map(|check| Open::of(check, Kind::Broken, text.clone())));
        }
        (Err(_), _) => {}
    }
    for open in other.open {
        if !run.open.iter().any(|known| known.check_id == open.check_id && known.text == open.text) {
            run.open.push(open);
        }
    }
    run.gap = run.gap.take().or(other.gap);
    for name in other.denied {
        if !run.denied.contains(&name) {
            run.denied.push(name);
        }
    }
}

/// Drops what the schema of only one of the releases says of a place. Where each refuses the config for another place, no
/// gateway of either starts, and all of it stays.
fn agreed(ours: &mut Vec<Finding>, theirs: &mut Vec<Finding>) {
    let is_of_schema = |finding: &Finding| OF_SCHEMA.contains(&finding.check.as_str());
    let places = |findings: &[Finding]| -> Vec<Option<Location>> {
        findings
            .iter()
            .filter(|finding| is_of_schema(finding))
            .map(|finding| finding.locations.first().cloned())
            .collect()
    };
    let (here, there) = (places(ours), places(theirs));
    if !here.is_empty() && !there.is_empty() && !here.iter().any(|place| there.contains(place)) {
        return;
    }
    ours.retain(|finding| !is_of_schema(finding) || there.contains(&finding.locations.first().cloned()));
    theirs.retain(|finding| !is_of_schema(finding) || here.contains(&finding.locations.first().cloned()));
}

/// Of each check the findings of the side that has the worst one, or else more of them; where they are alike, ours with the
/// places of both. Of several findings with one title each keeps its own places.
fn worse(checks: &[Check], ours: Vec<Finding>, theirs: Vec<Finding>) -> Vec<Finding> {
    let weight = |findings: &[Finding], id: &str| -> (Option<Severity>, usize) {
        let of_check = || findings.iter().filter(|finding| finding.check == id);
        (of_check().map(|finding| finding.severity).max(), of_check().count())
    };
    let is_worse = |id: &str| weight(&theirs, id) > weight(&ours, id);
    let taken: Vec<&str> = checks.iter().map(|check| check.id.as_str()).filter(|id| is_worse(id)).collect();
    let is_taken = |finding: &Finding| taken.contains(&finding.check.as_str());
    let mut all: Vec<Finding> = ours.into_iter().filter(|finding| !is_taken(finding)).collect();
    for other in theirs {
        if is_taken(&other) {
            all.push(other);
            continue;
        }
        let is_alike = |ours: &&mut Finding| (&ours.check_id, &ours.title) == (&other.check_id, &other.title);
        let mut alike: Vec<&mut Finding> = all.iter_mut().filter(is_alike).collect();
        let at = alike.iter().position(|ours| ours.locations.first() == other.locations.first());
        let at = at.or_else(|| (alike.len() == 1).then_some(0));
        if let Some(same) = at.and_then(|at| alike.get_mut(at)) {
            let known = |place: &Location| same.locations.contains(place);
            let more: Vec<Location> = other.locations.into_iter().filter(|place| !known(place)).collect();
            same.locations.extend(more);
        } else if !alike.is_empty() {
            all.push(other);
        }
    }
    all
}
