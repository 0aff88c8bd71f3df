//! The site's word on findings: which it leaves out, and how bad it calls them. Nothing of it comes from the target.

use std::collections::BTreeMap;

use crate::audit::finding::{Finding, Location};
use crate::audit::suppress::{Suppressed, SuppressedBy, Suppression};
use crate::config::segments;
use crate::policy::manifest::Severity;
use crate::sandbox::pattern;
use crate::settings::SiteSuppression;

/// The finding is one of those that it takes out. `bases` are the folders that paths may be written relative to. Where a finding is
/// about objects, all of them have to be meant: another that joins them is none that anybody has looked at.
pub(super) fn fits(suppression: &SiteSuppression, finding: &Finding, bases: &[String]) -> bool {
    if !suppression.is_about(&finding.check_id) {
        return false;
    }
    let Some(place) = &suppression.place else { return true };
    let paths = || {
        finding.locations.iter().filter_map(|location| match location {
            Location::Object { path, .. } | Location::Text { path, .. } => Some(path.as_str()),
            Location::Config { .. } | Location::Env { .. } => None,
        })
    };
    if paths().next().is_some() {
        return paths().all(|path| is_path(place, path, bases));
    }
    match finding.locations.first() {
        Some(Location::Config { pointer, .. }) => is_at(place, pointer),
        Some(Location::Env { name }) => place.strip_prefix("env:") == Some(name),
        _ => false,
    }
}

/// The path is the one that is meant, as it is or below one of the bases.
fn is_path(place: &str, path: &str, bases: &[String]) -> bool {
    if place.starts_with('/') {
        return pattern::matches(place, path);
    }
    let below = |base: &String| path.strip_prefix(base.as_str())?.strip_prefix('/');
    bases.iter().filter_map(below).any(|path| pattern::matches(place, path))
}

/// The pointer is the one that is meant, or leads below it; `*` stands for any one key.
fn is_at(place: &str, pointer: &str) -> bool {
    let (Some(meant), Some(there)) = (segments(place), segments(pointer)) else { return false };
    meant.len() <= there.len()
        && meant.iter().zip(&there).all(|(meant, there)| meant == "*" || meant == there)
}

/// What the site says of findings.
#[derive(Clone, Debug, Default)]
pub(super) struct SiteRules {
    pub suppressions: Vec<SiteSuppression>,
    pub severities: BTreeMap<String, Severity>,
}

impl SiteRules {
    /// Calls each finding as bad as the site does.
    pub(super) fn weigh(&self, findings: &mut [Finding]) {
        if self.severities.is_empty() {
            return;
        }
        for finding in findings {
            let said = self.severities.get(&finding.check_id).or_else(|| self.severities.get(&finding.check));
            if let Some(severity) = said.filter(|severity| **severity != finding.severity) {
                finding.declared_severity = Some(finding.severity);
                finding.severity = *severity;
            }
        }
    }

    /// The findings that the site does not leave out on this day. The first suppression that fits gives the reason.
    pub(super) fn suppress(
        &self,
        findings: Vec<Finding>,
        bases: &[String],
        today: u64,
        suppressed: &mut Vec<Suppressed>,
    ) -> Vec<Finding> {
        let mut kept = Vec::new();
        let holding: Vec<_> =
            self.suppressions.iter().filter(|suppression| suppression.holds(today)).collect();
        for finding in findings {
            match holding.iter().find(|suppression| fits(suppression, &finding, bases)) {
                Some(suppression) => {
                    let suppression = Suppression {
                        by: SuppressedBy::Settings,
                        reason: Some(suppression.reason.clone()),
                        expires: suppression.expires.as_ref().map(|day| day.text.clone()),
                    };
                    suppressed.push(Suppressed { finding, suppression });
                }
                None => kept.push(finding),
            }
        }
        kept
    }
}
