//! Which release a target is judged by, how that is known, and how sure it is.
//!
//! What the operator says settles it. Else the greeting of the gateway that runs tells it, else the installed package, else the
//! stamp of the last program that wrote the config, else what keys and state directory have in common, else it is the newest
//! one. What does not fit is evidence of another release, and the checks of both run: a stamp that lies hides no check.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::pointer::readable;
use crate::config::release::installed::{self, Installed};
use crate::config::release::{NEWER_STRUCTURE, NEWEST, Release, evidence};
use crate::config::schema::{self, releases as known};
use crate::config::tree::{Node, Tree};
use crate::config::{Problem, ProblemKind, Problems};
use crate::target::{Environment, Located};

/// The weight of evidence that programs make, and people do not write.
const FIRM: usize = 2;
/// The pointer of the stamp.
const STAMP: &str = "/meta/lastTouchedVersion";

/// What told the release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The operator.
    Asked,
    /// The installed package.
    Package,
    /// The greeting of the gateway that runs.
    Gateway,
    /// The stamp in the config.
    Stamp,
    /// What keys and state directory have in common.
    Evidence,
    /// Nothing: it is the newest one.
    Newest,
}

/// How sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sure {
    /// The operator said it.
    Settled,
    /// The installed package says it, and nothing speaks against it.
    Known,
    /// The config or the state directory say it, and nothing speaks against it.
    Likely,
    /// Nothing says anything.
    Assumed,
    /// Something speaks for another release, and the checks of both run.
    Unsure,
}

impl Sure {
    /// Its name in output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Known => "known",
            Self::Likely => "likely",
            Self::Assumed => "assumed",
            Self::Unsure => "unsure",
        }
    }
}

/// Something that only some releases have or write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What it is: a key, a file of the state directory.
    pub what: String,
    /// The first release that has it, of those that are known.
    pub since: Option<String>,
    /// The last one.
    pub until: Option<String>,
    #[serde(skip)]
    from: Release,
    #[serde(skip)]
    to: Release,
    #[serde(skip)]
    weight: usize,
}

impl Evidence {
    /// Evidence of a run of releases.
    pub(in crate::config) fn new(
        what: impl Into<String>,
        since: Option<Release>,
        until: Option<Release>,
        weight: usize,
    ) -> Self {
        let text = |release: Option<Release>| release.map(|release| release.to_string());
        Self {
            what: what.into(),
            since: text(since),
            until: text(until),
            from: since.unwrap_or(Release::OLDEST),
            to: until.unwrap_or(Release::ENDLESS),
            weight,
        }
    }

    /// The same as it may be shown: a key of a config can be any text.
    pub(crate) fn visible(&self) -> Self {
        Self { what: crate::wording::visible(&self.what), ..self.clone() }
    }

    fn fits(&self, release: Release) -> bool {
        (self.from..=self.to).contains(&release)
    }

    /// It and its releases, for people.
    fn told(&self) -> String {
        match (&self.since, &self.until) {
            (Some(since), None) => format!("{} (from {since} on)", self.what),
            (None, Some(until)) => format!("{} (until {until})", self.what),
            (Some(since), Some(until)) => format!("{} ({since} to {until})", self.what),
            (None, None) => self.what.clone(),
        }
    }
}

/// The release that a target is judged by, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The release.
    pub release: Release,
    /// What told it.
    pub source: Source,
    /// The same in words: a flag, a path, a key.
    pub told_by: String,
    /// How sure it is.
    pub sure: Sure,
    /// Everything that only some releases have, whether it fits or not.
    pub evidence: Vec<Evidence>,
    /// The release whose checks run, too, because something speaks for it.
    pub other: Option<Release>,
}

impl Judged {
    /// Of a target that has nothing to tell a release by.
    pub(in crate::config) fn newest() -> Self {
        Self {
            release: NEWEST,
            source: Source::Newest,
            told_by: "nothing: it is the newest one that is known".to_owned(),
            sure: Sure::Assumed,
            evidence: Vec::new(),
            other: None,
        }
    }

    /// The known release whose facts stand in, where nobody has looked at this one.
    #[must_use]
    pub fn judged_as(&self) -> Option<Release> {
        schema::get(self.release).release().filter(|known| *known != self.release)
    }
}

/// What is known of the release besides the target itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Word {
    /// The operator says it.
    pub asked: Option<Release>,
    /// The greeting of the gateway says it.
    pub greeted: Option<Release>,
}

/// Everything on a target and beside it that tells a release.
#[derive(Debug, Clone)]
pub(in crate::config) struct Signs {
    evidence: Vec<Evidence>,
    stamp: Option<Release>,
    /// There is a stamp, and it names no release.
    odd_stamp: bool,
    /// The package of the caller's own program.
    callers: Option<Installed>,
    /// The package in the state directory.
    in_state: Option<Installed>,
}

impl Signs {
    /// Looks for them in a config and on its machine.
    pub(in crate::config) fn gather(config: &Tree, located: &Located, env: &Environment) -> Self {
        let mut evidence = evidence::of_keys(config);
        evidence.extend(evidence::of_state(&located.state_dir));
        let text = stamp(config);
        let stamp = text.and_then(Release::of_stamp);
        Self {
            evidence,
            stamp,
            odd_stamp: text.is_some() && stamp.is_none(),
            callers: installed::callers(located, env),
            in_state: installed::in_state(located),
        }
    }
}

/// Tells the release of a target.
pub(in crate::config) fn judge(signs: Signs, word: Word, problems: &mut Problems) -> Judged {
    let Signs { evidence, stamp, odd_stamp, callers, in_state } = signs;
    let mut judged = Judged { evidence, ..Judged::newest() };
    if let Some(release) = word.asked {
        (judged.release, judged.source, judged.sure) = (release, Source::Asked, Sure::Settled);
        judged.told_by = match stamp.filter(|stamp| *stamp > release) {
            Some(stamp) => format!("--openclaw-version; {stamp} wrote the config"),
            None => "--openclaw-version".to_owned(),
        };
    } else if let Some(release) = word.greeted {
        (judged.release, judged.source, judged.sure) = (release, Source::Gateway, Sure::Known);
        "the greeting of the gateway".clone_into(&mut judged.told_by);
    } else if let Some(Installed { release, folder }) = &callers {
        (judged.release, judged.source, judged.sure) = (*release, Source::Package, Sure::Known);
        judged.told_by = format!("the installed package {}", folder.display());
    } else if let Some(Installed { release, folder }) = &in_state {
        (judged.release, judged.source, judged.sure) = (*release, Source::Package, Sure::Likely);
        judged.told_by = format!("the package {}", folder.display());
    } else if let Some(release) = stamp {
        (judged.release, judged.source, judged.sure) = (release, Source::Stamp, Sure::Likely);
        judged.told_by = readable(STAMP);
    } else if let Some(release) = common(&judged.evidence) {
        (judged.release, judged.source, judged.sure) = (release, Source::Evidence, Sure::Likely);
        judged.told_by =
            format!("what the config and the state directory hold: {}", some(&judged.evidence, release));
    }
    if let Some(Installed { release, .. }) = callers.filter(|_| word.greeted.is_some()) {
        judged.evidence.push(Evidence::new("the installed package", Some(release), Some(release), FIRM));
    }
    if let Some(stamp) = stamp.filter(|_| judged.source != Source::Stamp) {
        // A program writes its own version: whatever runs now is rarely older than that.
        judged.evidence.push(Evidence::new(format!("a config that {stamp} wrote"), Some(stamp), None, 1));
    }
    if judged.sure != Sure::Settled {
        if let Some(other) = doubt(&judged) {
            (judged.other, judged.sure) = (Some(other), Sure::Unsure);
            problems.push(unsure(&judged, other));
        }
        if odd_stamp {
            problems.push(no_release(judged.release));
        }
    }
    if judged.sure == Sure::Settled && judged.release < oldest() {
        problems.push(older(judged.release));
    }
    if judged.release > NEWEST {
        problems.push(newer(&format!("The release is {}", judged.release)));
    } else if let Some(stamp) = stamp.filter(|stamp| *stamp > NEWEST) {
        problems.push(newer(&format!("A program of {stamp} wrote the config")));
    }
    judged
}

/// The oldest release that is known.
fn oldest() -> Release {
    known().first().copied().unwrap_or(Release::OLDEST)
}

/// What the last program that wrote the config says of itself.
pub(in crate::config) fn stamp(config: &Tree) -> Option<&str> {
    match &config.get("meta")?.get("lastTouchedVersion")?.node {
        Node::Leaf(Value::String(stamp)) => Some(stamp),
        _ => None,
    }
}

/// Some of what fits a release, for people.
fn some(evidence: &[Evidence], release: Release) -> String {
    let fitting: Vec<&str> =
        evidence.iter().filter(|one| one.fits(release)).map(|one| one.what.as_str()).collect();
    match fitting.get(..3) {
        Some(first) if fitting.len() > 3 => format!("{} and {} more", first.join(", "), fitting.len() - 3),
        _ => fitting.join(", "),
    }
}

fn score(evidence: &[Evidence], release: Release) -> usize {
    evidence.iter().filter(|one| one.fits(release)).map(|one| one.weight).sum()
}

/// The newest of the releases that most of the evidence fits, where it is more than one piece that the newest one lacks.
fn common(evidence: &[Evidence]) -> Option<Release> {
    let best = known().iter().copied().max_by_key(|release| (score(evidence, *release), *release))?;
    (score(evidence, best) > score(evidence, NEWEST) + 1).then_some(best)
}

/// The release that speaks against the one that was told: of those of the other structure, where evidence is of that, and
/// else of all, the newest one that most of the evidence fits. One that is older than all that are known may be a lie.
fn doubt(judged: &Judged) -> Option<Release> {
    let Judged { release, evidence, .. } = judged;
    let is_foreign = |one: &Evidence| {
        !one.fits(*release)
            && if release.is_newer_structure() {
                one.to < NEWER_STRUCTURE
            } else {
                one.from >= NEWER_STRUCTURE
            }
    };
    let other_structure = evidence.iter().any(is_foreign);
    let is_candidate =
        |other: &Release| other_structure == (other.is_newer_structure() != release.is_newer_structure());
    let best = |all: &dyn Fn(&Release) -> bool| {
        known()
            .iter()
            .copied()
            .filter(|other| all(other))
            .max_by_key(|other| (score(evidence, *other), *other))
    };
    if *release < oldest() {
        return best(&|_| true);
    }
    let other = best(&is_candidate)?;
    (other_structure || score(evidence, other) > score(evidence, *release)).then_some(other)
}

fn unsure(judged: &Judged, other: Release) -> Problem {
    /// More pieces than this help nobody.
    const PIECES: usize = 6;
    let against: Vec<String> =
        judged.evidence.iter().filter(|one| !one.fits(judged.release)).map(Evidence::told).collect();
    let more = match against.len().saturating_sub(PIECES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named: Vec<&str> = against.iter().take(PIECES).map(String::as_str).collect();
    let Judged { release, told_by, .. } = judged;
    let oldest = oldest();
    let why = if *release < oldest {
        format!("this audit knows no release before {oldest}")
    } else {
        format!("this does not fit it: {}{more}", named.join(", "))
    };
    let said = match judged.source {
        Source::Newest => format!("{release} is assumed, the newest release that is known"),
        _ => format!("{told_by} says {release}"),
    };
    let first = oldest.max(*release);
    let message = format!(
        "{said}, but {why}. The checks of {first} and of {other}, the newest of those that it fits best, were run, and the \
         worse verdict counts."
    );
    Problem::new(ProblemKind::ReleaseUnsure, message).at(STAMP)
}

/// A stamp that is no release number. Its text is not shown, because a variable can have put a secret there.
fn no_release(release: Release) -> Problem {
    let message = format!(
        "The text in {} is no release of OpenClaw, and tells nothing. The checks of {release} were run.",
        readable(STAMP)
    );
    Problem::new(ProblemKind::ReleaseUnsure, message).at(STAMP)
}

fn older(release: Release) -> Problem {
    let message = format!(
        "{release} is older than any release that this audit knows: the checks of {} were run. What came later is not assessed.",
        oldest()
    );
    Problem::new(ProblemKind::ReleaseUnsure, message).at(STAMP)
}

fn newer(what: &str) -> Problem {
    let message = format!(
        "{what}; the newest release that this audit knows is {NEWEST}. Settings and checks that came later are not known here."
    );
    Problem::new(ProblemKind::NewerVersion, message).at(STAMP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(text: &str) -> Release {
        text.parse().unwrap()
    }

    /// What a stamp and pieces of evidence, each with the first and the last release that have it, make of a target.
    fn judged(stamp: &str, evidence: &[(&str, &str)]) -> (String, Option<String>, Vec<String>) {
        let end = |text: &str| (!text.is_empty()).then(|| release(text));
        let evidence = evidence.iter().map(|(since, until)| Evidence::new("x", end(since), end(until), 1));
        let signs = Signs {
            evidence: evidence.collect(),
            stamp: Release::of_stamp(stamp),
            odd_stamp: !stamp.is_empty() && Release::of_stamp(stamp).is_none(),
            callers: None,
            in_state: None,
        };
        let mut problems = Problems::default();
        let judged = judge(signs, Word::default(), &mut problems);
        let told = problems.finish().into_iter().map(|problem| problem.message).collect();
        (judged.release.to_string(), judged.other.map(|other| other.to_string()), told)
    }

    #[test]
    fn a_stamp_that_does_not_fit_hides_no_check() {
        for (stamp, evidence, release, other) in [
            ("2026.2.19", vec![], "2026.2.19", None),
            ("2026.2.19", vec![("", "2026.7.35")], "2026.2.19", None),
            // Of the releases that fit the newest one has most checks.
            ("2026.2.19", vec![("2026.8.1", "")], "2026.2.19", Some("2026.9.6")),
            ("2026.2.19", vec![("2026.5.28", "")], "2026.2.19", Some("2026.7.35")),
            ("2026.9.6", vec![("", "2026.7.35")], "2026.9.6", Some("2026.7.35")),
            ("2026.9.6", vec![("", "2026.4.5"), ("2026.3.2", "2026.6.1")], "2026.9.6", Some("2026.4.5")),
            ("", vec![("", "2026.7.35")], "2026.9.6", Some("2026.7.35")),
            ("2026.8", vec![], "2026.8.2", None),
            ("2023.1.1", vec![], "2023.1.1", Some("2026.9.6")),
        ] {
            let (judged, found, told) = judged(stamp, &evidence);
            assert_eq!((judged.as_str(), found.as_deref()), (release, other), "{stamp} {evidence:?}");
            assert_eq!(told.len(), usize::from(other.is_some()), "{told:?}");
        }
    }

    #[test]
    fn a_stamp_that_is_no_release_is_told() {
        let (release, other, told) = judged("banana\u{1b}[31m", &[]);
        assert_eq!((release.as_str(), other), ("2026.9.6", None));
        assert!(told[0].contains("no release of OpenClaw") && !told[0].contains("banana"), "{told:?}");
    }
}
