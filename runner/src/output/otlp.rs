//! Reports for collectors of OpenTelemetry: OTLP 1.x over HTTP in its JSON form. A log record for each finding, and gauges for each target.

use serde_json::{Value, json};

use super::gauges::{GAUGES, Gauge, Sample};
use super::place::{details, is_known, spot, target};
use crate::audit::Report;
use crate::audit::finding::Finding;
use crate::policy::manifest::Severity;

/// Numbers of OTLP: INFO, WARN, ERROR.
const SEVERITIES: [(Severity, u32, &str); 3] =
    [(Severity::Info, 9, "INFO"), (Severity::Warn, 13, "WARN"), (Severity::Critical, 17, "ERROR")];

/// The body for `/v1/logs`: findings that are neither suppressed nor known, then a record about each target.
#[must_use]
pub fn logs(reports: &[Report]) -> Value {
    let records = reports.iter().flat_map(|report| {
        let found = report.findings.iter().filter(|finding| !is_known(finding));
        found.map(|finding| record(report, finding)).chain([about(report)])
    });
    json!({"resourceLogs": [{
        "resource": resource(),
        "scopeLogs": [{"scope": scope(), "logRecords": records.collect::<Vec<_>>()}],
    }]})
}

/// The body for `/v1/metrics`: the numbers of each target.
#[must_use]
pub fn metrics(reports: &[Report]) -> Value {
    let gauge = |(name, help, samples): Gauge| {
        let points = reports
            .iter()
            .flat_map(|report| samples(report).into_iter().map(move |sample| point(report, sample)));
        json!({"name": name, "description": help, "gauge": {"dataPoints": points.collect::<Vec<_>>()}})
    };
    json!({"resourceMetrics": [{
        "resource": resource(),
        "scopeMetrics": [{"scope": scope(), "metrics": GAUGES.map(gauge)}],
    }]})
}

fn resource() -> Value {
    let host = nix::sys::utsname::uname().map(|names| names.nodename().to_string_lossy().into_owned());
    json!({"attributes": [
        text("service.name", env!("CARGO_PKG_NAME")),
        text("service.version", env!("CARGO_PKG_VERSION")),
        text("host.name", &crate::audit::visible(&host.unwrap_or_default())),
    ]})
}

fn scope() -> Value {
    json!({"name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")})
}

/// An attribute. OTLP's JSON writes whole numbers of 64 bits as texts.
fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn nanoseconds(report: &Report) -> String {
    format!("{}000000", report.ts)
}

fn point(report: &Report, (labels, value): Sample) -> Value {
    let labels = labels.iter().map(|(key, value)| text(key, value));
    let key = report.target.key.as_deref().map(|key| text("key", key));
    let attributes: Vec<Value> =
        [text("target", target(report))].into_iter().chain(key).chain(labels).collect();
    json!({"timeUnixNano": nanoseconds(report), "asInt": value.to_string(), "attributes": attributes})
}

fn record(report: &Report, finding: &Finding) -> Value {
    let place = spot(report, finding.locations.first());
    let known = SEVERITIES.iter().find(|(severity, ..)| *severity == finding.severity);
    let (_, number, name) = known.copied().unwrap_or(SEVERITIES[0]);
    json!({
        "timeUnixNano": nanoseconds(report),
        "observedTimeUnixNano": nanoseconds(report),
        "severityNumber": number,
        "severityText": name,
        "eventName": "chitin.finding",
        "body": {"stringValue": format!("{}\n\n{}", finding.title, details(finding))},
        "attributes": [
            text("chitin.target", target(report)),
            text("chitin.check.id", &finding.check_id),
            text("chitin.policy", &finding.policy),
            text("chitin.severity", &finding.severity.to_string()),
            text("chitin.fingerprint", &finding.fingerprint),
            text("code.file.path", place.path),
            json!({"key": "code.line.number", "value": {"intValue": place.line.to_string()}}),
        ],
    })
}

/// The record about a target.
fn about(report: &Report) -> Value {
    let (number, name) = match report.exit.code {
        0 | 4 => (9, "INFO"),
        1 => (13, "WARN"),
        _ => (17, "ERROR"),
    };
    json!({
        "timeUnixNano": nanoseconds(report),
        "observedTimeUnixNano": nanoseconds(report),
        "severityNumber": number,
        "severityText": name,
        "eventName": "chitin.target",
        "body": {"stringValue": report.exit.reason},
        "attributes": [
            text("chitin.target", target(report)),
            json!({"key": "chitin.exit_code", "value": {"intValue": report.exit.code.to_string()}}),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_record_for_each_open_finding_and_one_for_the_target() {
        let report = sample::hostile();
        let open = report.findings.iter().filter(|finding| !is_known(finding)).count();
        let logs = logs(&[report]);
        let records = logs.pointer("/resourceLogs/0/scopeLogs/0/logRecords").unwrap().as_array().unwrap();
        assert_eq!(records.len(), open + 1);
        for record in records {
            let time = record["timeUnixNano"].as_str().unwrap();
            assert!(time.len() > 9 && time.bytes().all(|byte| byte.is_ascii_digit()), "{time}");
            assert!([9, 13, 17].contains(&record["severityNumber"].as_u64().unwrap()));
        }
        assert_eq!(records.last().unwrap()["eventName"], "chitin.target");
    }

    #[test]
    fn each_number_is_a_point_of_its_target() {
        let metrics = metrics(&[sample::hostile(), sample::clean()]);
        let all = metrics.pointer("/resourceMetrics/0/scopeMetrics/0/metrics").unwrap().as_array().unwrap();
        let points = |metric: &Value| metric["gauge"]["dataPoints"].as_array().unwrap().len();
        assert_eq!(all.iter().map(points).collect::<Vec<_>>(), [6, 4, 8, 2, 2, 2]);
    }
}
