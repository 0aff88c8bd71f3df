//! The report as GitLab's code quality: the form of merge requests there.

use std::borrow::Cow;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::place::{Identities, Spot, details, is_known, relative, spot, target};
use super::{Format, without_commands};
use crate::audit::Report;
use crate::policy::manifest::Severity;

/// One list for all targets. Findings that are suppressed or in the baseline are not in it.
pub struct GitLab;

impl Format for GitLab {
    fn write(&self, reports: &[Report], out: &mut dyn Write) -> io::Result<()> {
        let entries: Vec<Value> =
            reports.iter().flat_map(|report| entries(report, reports.len() == 1)).collect();
        serde_json::to_writer_pretty(&mut *out, &entries).map_err(io::Error::from)?;
        writeln!(out)
    }

    fn without_commands<'t>(&self, written: &'t str) -> Cow<'t, str> {
        without_commands(written, true)
    }
}

fn entries(report: &Report, is_one: bool) -> Vec<Value> {
    let mut identities = Identities::default();
    // Two targets may have the same finding.
    let of = if is_one { String::new() } else { format!("{}/", target(report)) };
    let new = report.findings.iter().filter(|finding| !is_known(finding));
    new.map(|finding| {
        let Spot { path, line, .. } = spot(report, finding.locations.first());
        let path = relative(report, path).map_or(path.trim_start_matches('/'), |(_, path)| path);
        let severity = match finding.severity {
            Severity::Info => "info",
            Severity::Warn => "major",
            Severity::Critical => "critical",
        };
        let details = details(finding);
        let details: Vec<&str> = details.split_whitespace().collect();
        json!({
            "description": format!("{}. {}", finding.title, details.join(" ")),
            "check_name": finding.check_id,
            "fingerprint": format!("{of}{}", identities.of(&finding.fingerprint)),
            "severity": severity,
            "location": {"path": path, "lines": {"begin": line}},
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::sample;
    use super::*;

    fn written(reports: &[Report]) -> Vec<Value> {
        let mut out = Vec::new();
        GitLab.write(reports, &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn each_entry_has_a_relative_path_and_a_fingerprint_of_its_own() {
        let (one, mut other) = (sample::hostile(), sample::hostile());
        other.target.state_dir = "/home/bob/.openclaw".to_owned();
        let entries = written(&[one, other]);
        // Of five findings the baseline has one.
        assert_eq!(entries.len(), 8);
        let prints: HashSet<&str> =
            entries.iter().map(|entry| entry["fingerprint"].as_str().unwrap()).collect();
        assert_eq!(prints.len(), 8);
        for entry in &entries {
            let path = entry["location"]["path"].as_str().unwrap();
            assert!(!path.starts_with(['/', '.']) || path.starts_with(".openclaw"), "{path}");
            assert!(entry["location"]["lines"]["begin"].as_u64().unwrap() > 0);
            assert!(!entry["description"].as_str().unwrap().contains('\n'));
        }
    }

    #[test]
    fn nothing_found_is_an_empty_list() {
        assert!(written(&[sample::clean()]).is_empty());
    }
}
