//! One line of JSON for each finding, for collectors of logs, in the terms of OCSF 1.5: Compliance Finding, class 2003. Behind the findings
//! of a target stands a line about the target itself, with counts and the verdict.

use std::borrow::Cow;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::place::{Identities, said_by, target};
use super::{Format, without_commands};
use crate::audit::finding::{BaselineState, Finding, Location};
use crate::audit::{Exit, Gone, Report, Suppressed, Suppression, visible};
use crate::policy::manifest::Severity;

/// The version of OCSF whose terms these are.
const OCSF: &str = "1.5.0";

/// The number of a Compliance Finding, and of its category.
const CLASS: u32 = 2003;
const CATEGORY: u32 = 2;

/// Whether a finding is there or no more.
#[derive(Clone, Copy)]
enum Activity {
    Create = 1,
    Close = 3,
}

/// What has become of a finding.
#[derive(Clone, Copy)]
enum Status {
    New = 1,
    Suppressed = 3,
    Resolved = 4,
}

/// Findings, then those that are suppressed or gone, then the target; target by target.
pub struct Ndjson;

impl Format for Ndjson {
    fn write(&self, reports: &[Report], out: &mut dyn Write) -> io::Result<()> {
        let host = host();
        for report in reports {
            let mut identities = Identities::default();
            let found = report.findings.iter().map(|finding| (finding, None));
            let suppressed = report
                .suppressed
                .iter()
                .map(|Suppressed { finding, suppression }| (finding, Some(suppression)));
            for (finding, suppression) in found.chain(suppressed) {
                let uid = identities.of(&finding.fingerprint);
                line(&event(report, &host, finding, suppression, &uid), out)?;
            }
            for gone in &report.gone {
                line(&closed(report, &host, gone), out)?;
            }
            line(&about(report), out)?;
        }
        Ok(())
    }

    fn without_commands<'t>(&self, written: &'t str) -> Cow<'t, str> {
        without_commands(written, true)
    }
}

fn line(value: &Value, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    writeln!(out)
}

/// The name of this machine.
fn host() -> String {
    let name = nix::sys::utsname::uname().map(|names| names.nodename().to_string_lossy().into_owned());
    visible(&name.unwrap_or_default())
}

/// What all events have in common; `more` adds to it.
fn base(report: &Report, host: &str, activity: Activity, status: Status, more: Value) -> Value {
    let activity = activity as u32;
    let status_name = match status {
        Status::New => "New",
        Status::Suppressed => "Suppressed",
        Status::Resolved => "Resolved",
    };
    let mut event = json!({
        "class_uid": CLASS,
        "class_name": "Compliance Finding",
        "category_uid": CATEGORY,
        "category_name": "Findings",
        "activity_id": activity,
        "type_uid": CLASS * 100 + activity,
        "time": report.ts,
        "status_id": status as u32,
        "status": status_name,
        "metadata": {
            "version": OCSF,
            "product": {"name": report.tool.name, "vendor_name": "Chitin", "version": report.tool.version},
        },
        "device": {"hostname": host, "type_id": 0, "type": "Unknown"},
    });
    if let (Value::Object(event), Value::Object(more)) = (&mut event, more) {
        event.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
    }
    event
}

fn event(
    report: &Report,
    host: &str,
    finding: &Finding,
    suppression: Option<&Suppression>,
    uid: &str,
) -> Value {
    let is_known = finding.baseline_state == Some(BaselineState::Unchanged);
    let detail = match suppression {
        Some(suppression) => Some(format!("suppressed by {}", suppression.by.told())),
        None => is_known.then(|| "it is in the baseline".to_owned()),
    };
    let status = if detail.is_some() { Status::Suppressed } else { Status::New };
    let (severity, name) = match finding.severity {
        Severity::Info => (1, "Informational"),
        Severity::Warn => (3, "Medium"),
        Severity::Critical => (5, "Critical"),
    };
    base(
        report,
        host,
        Activity::Create,
        status,
        json!({
            "severity_id": severity,
            "severity": name,
            "message": finding.title,
            "status_detail": detail,
            "finding_info": {
                "uid": uid, "title": finding.title, "desc": finding.detail, "types": [finding.check_id],
            },
            "compliance": {"control": finding.check_id, "status_id": 3, "status": "Fail"},
            "remediation": finding.remediation.as_ref().map(|text| json!({"desc": text})),
            "resources": finding.locations.iter().map(resource).collect::<Vec<_>>(),
            "unmapped": {
                "target": target(report),
                "key": report.target.key,
                "policy": finding.policy,
                "origin": finding.origin,
                "said_by": said_by(finding),
                "declared_severity": finding.declared_severity,
                "baseline_state": finding.baseline_state,
                "suppression": suppression,
            },
        }),
    )
}

/// A place, with all that the report has of it.
fn resource(place: &Location) -> Value {
    let kind = match place {
        Location::Config { .. } => "config",
        Location::Object { .. } => "file",
        Location::Env { .. } => "environment variable",
        Location::Text { .. } => "code",
    };
    json!({"name": place.display(), "type": kind, "data": place})
}

/// A finding that the baseline has and the target has no more.
fn closed(report: &Report, host: &str, gone: &Gone) -> Value {
    let title = format!("{} is gone", gone.check_id);
    base(
        report,
        host,
        Activity::Close,
        Status::Resolved,
        json!({
            "severity_id": 1,
            "severity": "Informational",
            "message": title,
            "count": gone.count,
            "finding_info": {"uid": format!("{}/1", gone.fingerprint), "title": title, "types": [gone.check_id]},
            "compliance": {"control": gone.check_id, "status_id": 1, "status": "Pass"},
            "resources": [{"name": gone.place}],
            "unmapped": {"target": target(report), "key": report.target.key},
        }),
    )
}

/// The target itself. This line is no event of OCSF: it has a `kind`.
fn about(report: &Report) -> Value {
    let Exit { code, .. } = report.exit;
    json!({
        "kind": "target",
        "id": target(report),
        "called": report.target.called,
        "key": report.target.key,
        "time": report.ts,
        "stateDir": report.target.state_dir,
        "configPath": report.target.config_path,
        "summary": report.summary,
        "counts": report.counts,
        "assessed": matches!(code, 0 | 1),
        "incomplete": report.incomplete,
        "exit": report.exit,
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn lines(reports: &[Report]) -> Vec<Value> {
        let mut out = Vec::new();
        Ndjson.write(reports, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn findings_stand_before_their_target() {
        let lines = lines(&[sample::hostile(), sample::clean()]);
        let kinds: Vec<&str> = lines.iter().map(|line| line["status"].as_str().unwrap_or("target")).collect();
        let of_first =
            ["New", "Suppressed", "New", "New", "New", "Suppressed", "Suppressed", "Suppressed", "Resolved"];
        assert_eq!(kinds, [&of_first[..], &["target", "target"]].concat());
        assert_eq!((&lines[9]["assessed"], &lines[10]["assessed"]), (&json!(false), &json!(true)));
    }

    #[test]
    fn every_event_is_of_the_form_of_ocsf() {
        let schema = include_str!("../../../tests/schemas/ocsf-1.5.0-compliance-finding.json");
        let validator = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
        let lines = lines(&[sample::hostile()]);
        let events: Vec<&Value> = lines.iter().filter(|line| line["kind"].is_null()).collect();
        assert_eq!(events.len(), 9);
        for event in events {
            if let Some(error) = validator.iter_errors(event).next() {
                panic!("{error} at {}", error.instance_path());
            }
        }
    }

    #[test]
    fn the_numbers_of_an_event_fit_together() {
        for event in lines(&[sample::hostile()]).iter().filter(|line| line["kind"].is_null()) {
            let number = |name: &str| event[name].as_u64().unwrap();
            assert_eq!(number("type_uid"), number("class_uid") * 100 + number("activity_id"));
            assert!(event["unmapped"].is_object() && event["finding_info"]["uid"].is_string(), "{event}");
        }
    }
}
