//! What is decided of a report once it is made: what the site's suppressions are worth, how its findings stand to a baseline, and the
//! verdict. Text, JSON and exit code show what is decided here.

use std::path::Path;

use crate::audit::baseline::{self, Baseline};
use crate::audit::finding::Location;
use crate::audit::own::{self, Matter};
use crate::audit::report::{self, Assessment, Counts, Exit, Report, Rule, Status, Summary};
use crate::audit::{Origin, site, visible};
use crate::policy::catalog;
use crate::policy::manifest::Severity;
use crate::settings::{SECONDS_OF_A_DAY, Settings, SiteSuppression};

/// What decides.
#[derive(Clone, Copy)]
pub struct Gate<'a> {
    /// The lowest severity that makes the verdict 1.
    pub fail_on: Severity,
    /// Of the baseline's new checks the findings count, too.
    pub fail_on_new_checks: bool,
    /// Findings do not make the exit code 1.
    pub exit_zero: bool,
    /// What is known.
    pub baseline: Option<&'a Baseline>,
    /// What the site has decided.
    pub settings: &'a Settings,
    /// The file that says so.
    pub settings_file: Option<&'a Path>,
    /// No suppression counts.
    pub no_suppressions: bool,
    /// Seconds since the epoch.
    pub now: u64,
    /// The folder that places are told relative to; none where they are told by their absolute paths.
    pub base: Option<&'a Path>,
}

impl Report {
    /// Decides. To be called once, behind [`Report::mark`].
    pub fn decide(&mut self, gate: &Gate<'_>) {
        let today = gate.now / SECONDS_OF_A_DAY;
        if !gate.settings.suppressions.is_empty() && !gate.no_suppressions && self.exit.code != Exit::NOTHING
        {
            self.look_at_suppressions(gate, today);
        }
        self.assess_own();
        if let Some(baseline) = gate.baseline {
            self.gone = baseline.compare(self, today);
        }
        report::sort(&mut self.findings);
        self.summary = Summary::of(&self.findings);
        self.counts = Counts::of(&self.assessment);
        if ![Exit::NOTHING, Exit::UNUSABLE].contains(&self.exit.code) {
            let failing =
                self.findings.iter().filter(|finding| baseline::counts(finding, gate.fail_on_new_checks));
            self.exit = report::verdict(failing, &self.incomplete, gate.fail_on, gate.baseline.is_some());
        }
        if gate.exit_zero && self.exit.code == 1 {
            self.exit = Exit { code: 0, reason: format!("{}; --exit-zero", self.exit.reason) };
        }
        if let Some(base) = gate.base {
            self.relative_to(visible::path(base));
        }
    }

    /// Says of the site's suppressions which have expired, fit nothing, take in too much, or have no end.
    fn look_at_suppressions(&mut self, gate: &Gate<'_>, today: u64) {
        let config = Path::new(&self.target.config_path).parent().map(|folder| folder.display().to_string());
        let base = gate.base.map(visible::path);
        let state = Some(self.target.state_dir.clone()).filter(|state| !state.is_empty());
        let bases: Vec<String> = [state, config, base].into_iter().flatten().collect();
        let file = gate.settings_file.map_or_else(|| "chitin.toml".to_owned(), visible::path);
        let mut found = Vec::new();
        for suppression in &gate.settings.suppressions {
            let line = u32::try_from(suppression.line).unwrap_or(u32::MAX).max(1);
            let place = || Location::Text { path: file.clone(), line, column: 1 };
            let told = visible(&format!("{}: {}", suppression.told(), suppression.reason));
            let mut say = |matter: Matter, detail: String| {
                found.push(own::finding(matter, &suppression.told(), detail, place()));
            };
            if !suppression.holds(today) {
                let day = suppression.expires.as_ref().map_or("", |day| day.text.as_str());
                say(Matter::Expired, format!("It held until {day}. {told}"));
                continue;
            }
            if suppression.is_too_wide() {
                say(Matter::TooWide, told.clone());
            }
            if self.is_unused(suppression, &bases) {
                say(Matter::Unused, told);
            } else if suppression.expires.is_none() {
                say(Matter::NoExpiry, told);
            }
        }
        self.findings.append(&mut found);
    }

    /// A check that it is about was assessed in full, and no finding of this audit fits it.
    fn is_unused(&self, suppression: &SiteSuppression, bases: &[String]) -> bool {
        let suppressed = self.suppressed.iter().map(|suppressed| &suppressed.finding);
        if suppressed.chain(&self.findings).any(|finding| site::fits(suppression, finding, bases)) {
            return false;
        }
        let beginning = suppression.check.strip_suffix('*').unwrap_or(&suppression.check);
        let is_about =
            |check: &str| suppression.is_about(check) || crate::policy::manifest::fits(check, beginning);
        let mut checks = self.assessment.iter().filter(|check| is_about(&check.check_id)).peekable();
        checks.peek().is_some() && checks.all(|check| matches!(check.status, Status::Clean | Status::Finding))
    }

    /// The checks on suppressions count among the others where they have found something.
    fn assess_own(&mut self) {
        let found: Vec<&str> = self
            .findings
            .iter()
            .filter(|finding| finding.policy == own::POLICY && finding.origin == Origin::BuiltIn)
            .map(|finding| finding.check_id.as_str())
            .collect();
        let Ok(manifest) = catalog::OWN.manifest() else { return };
        let found = manifest.checks.iter().filter(|check| found.contains(&check.id.as_str()));
        self.assessment.extend(found.map(|check| Assessment::new(check, own::POLICY, true, Vec::new())));
        self.assessment.sort_by(|a, b| a.check_id.cmp(&b.check_id));
        self.rules.extend(
            manifest
                .checks
                .iter()
                .map(|check| (check.id.clone(), Rule::new(check, own::POLICY, Origin::BuiltIn))),
        );
    }
}
