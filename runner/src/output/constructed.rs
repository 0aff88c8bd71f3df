//! Reports that tests of formats construct.

use crate::audit::finding::{Finding, Location};
use crate::audit::{Exit, Origin, Report, Snippet};
use crate::policy::manifest::Severity;

/// A finding of the policy `gateway-auth` at a value of the config.
pub(super) fn finding(check_id: &str, severity: Severity, line: u32) -> Finding {
    Finding {
        check_id: check_id.to_owned(),
        check: check_id.to_owned(),
        severity,
        declared_severity: None,
        title: "Gateway token is short".to_owned(),
        detail: "It has 3 characters.".to_owned(),
        remediation: Some("Take a longer one".to_owned()),
        policy: "gateway-auth".to_owned(),
        origin: Origin::BuiltIn,
        locations: vec![value("/gateway/auth/token", line, "token: \"***\",", (7, 5))],
        fingerprint: "0123456789abcdef".to_owned(),
        baseline_state: None,
        proposals: Vec::new(),
        fixes: Vec::new(),
    }
}

/// The place of a value in the config.
pub(super) fn value(pointer: &str, line: u32, text: &str, (from, length): (usize, usize)) -> Location {
    Location::Config {
        pointer: pointer.to_owned(),
        file: Some("/home/ann/.openclaw/openclaw.json".to_owned()),
        line,
        column: 9,
        exact: true,
        snippet: Some(Snippet { text: text.to_owned(), from, length }),
    }
}

/// A report with these findings, and nothing else.
pub(super) fn report(findings: Vec<Finding>) -> Report {
    let mut report = Report::unread(None, &[], "", false, 1_771_545_600_000);
    report.incomplete.clear();
    for finding in &findings {
        *match finding.severity {
            Severity::Critical => &mut report.summary.critical,
            Severity::Warn => &mut report.summary.warn,
            Severity::Info => &mut report.summary.info,
        } += 1;
    }
    report.exit = Exit { code: 1, reason: "findings".to_owned() };
    report.target.state_dir = "/home/ann/.openclaw".to_owned();
    report.target.config_path = "/home/ann/.openclaw/openclaw.json".to_owned();
    report.findings = findings;
    report
}
