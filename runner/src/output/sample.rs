//! Reports for the tests of the formats: with everything that a report can have, and texts that are hostile to each format.

use std::sync::Arc;

use crate::audit::finding::{BaselineState, Finding, Location};
use crate::audit::open::{Class, Kind, Open};
use crate::audit::{
    Assessment, Exit, Gone, Origin, Planned, Report, Rule, Snippet, Status, Summary, Suppressed,
    SuppressedBy, Suppression,
};
use crate::policy::catalog::BUILTIN;
use crate::policy::manifest::Severity;

/// Is harmful to one format or another where it is not escaped.
pub(super) const EVIL: &str = "a\"b'c<script>alert(1)</script>]]>&amp;|`x`**y**_z_[l](http://e.example)![i](http://e.example/i.png) @root #1 GH-2 ABC-123 deadbee1 \
     ~~s~~ $m$ :smile: www.e.example https://e.example a@e.example \\ %0A,: ::error file=a::b ##[error]c ##vso[task.complete]d";

/// A finding with texts that are hostile.
pub(super) fn finding(check: &str, severity: Severity, locations: Vec<Location>) -> Finding {
    Finding {
        check_id: check.to_owned(),
        check: check.to_owned(),
        severity,
        declared_severity: None,
        title: format!("Title {EVIL}"),
        detail: format!("Detail {EVIL}\n::error::line\n# heading\n- item\n::warning file=x::y"),
        remediation: Some(format!("chitin fix {EVIL}\n```\n</details>")),
        policy: "gateway-exposure".to_owned(),
        origin: Origin::BuiltIn,
        locations,
        fingerprint: "00ff".to_owned(),
        baseline_state: None,
        proposals: Vec::new(),
        fixes: Vec::new(),
    }
}

pub(super) fn in_config() -> Location {
    Location::Config {
        pointer: format!("/gateway/{EVIL}").replace('~', "~0"),
        file: Some(format!("/home/ann/.openclaw/{EVIL}.json")),
        line: 3,
        column: 5,
        exact: true,
        snippet: Some(Snippet { text: format!("bind: \"{EVIL}\","), from: 6, length: 5 }),
    }
}

/// A report with everything in it.
#[expect(clippy::too_many_lines, reason = "it lists one of everything")]
pub(super) fn hostile() -> Report {
    let builtin = BUILTIN.iter().find(|builtin| builtin.page.contains("gateway.bind_no_auth")).unwrap();
    let planned = Arc::new(Planned::builtin(0, builtin.manifest().unwrap()));
    let mut report = Report::unread(None, &[Arc::clone(&planned)], "a reason", false, 1_700_000_000_123);
    report.mark(&[planned]);
    let target = &mut report.target;
    target.state_dir = "/home/ann/.openclaw".to_owned();
    target.config_path = "/home/ann/.openclaw/openclaw.json".to_owned();
    let rule = Rule {
        policy: "hostile".to_owned(),
        origin: Origin::File,
        severity: Severity::Warn,
        summary: format!("Summary {EVIL}"),
    };
    report.rules.insert("hostile.*.name".to_owned(), rule);
    let object = Location::Object {
        view: "state".to_owned(),
        rel: format!("a {EVIL}"),
        path: format!("/home/ann/.openclaw/a {EVIL}"),
        mode: Some("0644".to_owned()),
    };
    let text = Location::Text { path: "/opt/plugin/ä%.js".to_owned(), line: 7, column: 1 };
    let env = Location::Env { name: "OPENCLAW_X".to_owned() };
    let missing = Location::Config {
        pointer: "/a".to_owned(),
        file: None,
        line: 0,
        column: 0,
        exact: false,
        snippet: None,
    };
    let known = "gateway.bind_no_auth";
    let strangers = Finding {
        check: "hostile.*.name".to_owned(),
        policy: "hostile".to_owned(),
        origin: Origin::File,
        ..finding(&format!("hostile.{EVIL}.name"), Severity::Warn, vec![text])
    };
    report.findings = vec![
        finding(known, Severity::Critical, vec![in_config(), object.clone(), env.clone()]),
        Finding {
            baseline_state: Some(BaselineState::Unchanged),
            fingerprint: "known".to_owned(),
            ..finding(known, Severity::Critical, vec![missing])
        },
        Finding { baseline_state: Some(BaselineState::New), ..strangers },
        finding("gateway.loopback_no_auth", Severity::Info, vec![object]),
        finding("gateway.loopback_no_auth", Severity::Info, vec![env]),
    ];
    report.summary = Summary { critical: 2, warn: 1, info: 2 };
    report.suppressed = [SuppressedBy::Config, SuppressedBy::Settings, SuppressedBy::Comment]
        .map(|by| Suppressed {
            finding: finding("gateway.tailscale_funnel", Severity::Critical, vec![in_config()]),
            suppression: Suppression {
                by,
                reason: Some(format!("Reason {EVIL}")),
                expires: Some("2027-01-31".to_owned()),
            },
        })
        .into();
    report.gone = vec![Gone {
        check_id: "gone.check".to_owned(),
        fingerprint: "gone".to_owned(),
        place: format!("place {EVIL}"),
        count: 2,
    }];
    for check in &mut report.assessment {
        (check.status, check.class, check.reason) = (Status::Clean, None, None);
        check.unassessed.clear();
        match check.check_id.as_str() {
            "gateway.bind_no_auth" | "gateway.loopback_no_auth" | "gateway.tailscale_funnel" => {
                check.status = Status::Finding;
            }
            _ => {}
        }
    }
    let open = |class: Class, kind: Kind| Open {
        check_id: "gateway.x".to_owned(),
        check: "gateway.x".to_owned(),
        kind,
        class,
        text: format!("Open {EVIL}"),
        location: None,
        is_common: false,
    };
    let assessed = |id: &str, status: Status, open: Vec<Open>| Assessment {
        check_id: id.to_owned(),
        policy: "other".to_owned(),
        status,
        class: open.first().map(|open| open.class),
        reason: Some(format!("Reason {EVIL}")),
        unassessed: open,
    };
    report.assessment.extend([
        assessed("hostile.*.name", Status::Finding, Vec::new()),
        assessed("other.failed", Status::NotAssessed, vec![open(Class::Failed, Kind::Limit)]),
        assessed("other.out", Status::NotAssessed, vec![open(Class::OutOfReach, Kind::Hidden)]),
        assessed("other.not", Status::NotApplicable, Vec::new()),
    ]);
    for part in &mut report.incomplete {
        part.reason = format!("Incomplete {EVIL}");
    }
    report
}

/// A report without a finding, in which everything was assessed.
pub(super) fn clean() -> Report {
    let mut report = hostile();
    report.findings.clear();
    report.suppressed.clear();
    report.gone.clear();
    report.incomplete.clear();
    report.assessment.retain(|check| check.status == Status::Clean);
    report.summary = Summary::default();
    report.exit = Exit { code: 0, reason: "no finding of severity critical or worse".to_owned() };
    report
}
