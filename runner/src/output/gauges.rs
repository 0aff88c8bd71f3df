//! The numbers of a report that dashboards show, for every format that has some.

use std::collections::BTreeSet;

use super::place::is_known;
use crate::audit::Report;
use crate::audit::open::Class;
use crate::policy::manifest::Severity;

/// The labels of a sample beside the target, and its value.
pub(super) type Sample = (Vec<(&'static str, String)>, u64);

/// A gauge: its name, what it says, and its samples of a report.
pub(super) type Gauge = (&'static str, &'static str, fn(&Report) -> Vec<Sample>);

/// All of them.
pub(super) const GAUGES: [Gauge; 6] = [
    ("chitin_findings", "Findings that are neither suppressed nor in the baseline, by severity.", |report| {
        let count = |severity| {
            report
                .findings
                .iter()
                .filter(|finding| finding.severity == severity && !is_known(finding))
                .count()
        };
        [Severity::Critical, Severity::Warn, Severity::Info]
            .map(|severity| (vec![("severity", severity.to_string())], number(count(severity))))
            .to_vec()
    }),
    ("chitin_findings_set_aside", "Findings that are suppressed, or in the baseline.", |report| {
        let known = report.findings.iter().filter(|finding| is_known(finding)).count();
        let by = |by: &str, count| (vec![("by", by.to_owned())], number(count));
        vec![by("suppression", report.suppressed.len()), by("baseline", known)]
    }),
    ("chitin_checks", "Checks, by how they ended.", |report| {
        let counts = &report.counts;
        [
            ("clean", counts.clean),
            ("finding", counts.finding),
            ("not_assessed", counts.not_assessed),
            ("not_applicable", counts.not_applicable),
        ]
        .map(|(status, count)| (vec![("status", status.to_owned())], number(count)))
        .to_vec()
    }),
    ("chitin_policies_not_assessed", "Policies that could not look at all that they are about.", |report| {
        // A config that nobody can read is no policy's own gap, and leaves all that depend on it without a word.
        let failed = report.assessment.iter().filter(|check| check.class == Some(Class::Failed));
        let named = report.incomplete.iter().filter_map(|part| part.policy.as_deref());
        let policies: BTreeSet<&str> = failed.map(|check| &*check.policy).chain(named).collect();
        vec![(Vec::new(), number(policies.len()))]
    }),
    (
        "chitin_audit_exit_code",
        "The verdict: 0 passed, 1 findings, 2 unusable, 3 incomplete, 4 nothing to audit.",
        |report| vec![(Vec::new(), report.exit.code.into())],
    ),
    ("chitin_audit_timestamp_seconds", "When the audit was made, in seconds since 1970.", |report| {
        vec![(Vec::new(), report.ts / 1000)]
    }),
];

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
