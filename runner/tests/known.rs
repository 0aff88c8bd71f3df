//! What is known already: suppressions, severities, baselines and comparisons, through the whole program.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test makes its target, and stops where it cannot"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

/// A secret that no file of this program may hold.
const SECRET: &str = "correct-horse-battery-staple";

struct Home(tempfile::TempDir);

impl Home {
    fn new(config: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        fs::create_dir(home.path(".openclaw")).unwrap();
        home.chmod(".openclaw", 0o700);
        home.config(config);
        home
    }

    fn path(&self, rel: &str) -> PathBuf {
        self.0.path().join(rel)
    }

    fn config(&self, text: &str) {
        fs::write(self.path(".openclaw/openclaw.json"), text).unwrap();
        self.chmod(".openclaw/openclaw.json", 0o600);
    }

    fn settings(&self, text: &str) {
        fs::create_dir_all(self.path(".config/chitin")).unwrap();
        fs::write(self.path(".config/chitin/chitin.toml"), text).unwrap();
    }

    fn chmod(&self, rel: &str, mode: u32) {
        fs::set_permissions(self.path(rel), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_at("1771545600", arguments)
    }

    fn run_at(&self, now: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chitin"));
        command.args(arguments).current_dir(self.0.path()).env_clear();
        command.env("HOME", self.0.path()).env("SOURCE_DATE_EPOCH", now).output().unwrap()
    }

    fn report(&self, arguments: &[&str]) -> (Value, i32) {
        let all = [&["audit", "--json", "--openclaw-version", "2026.2.19"], arguments].concat();
        let output = self.run(&all);
        let report = serde_json::from_slice(&output.stdout);
        let report = report.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        (report, output.status.code().unwrap())
    }
}

/// The ids of the findings in one of a report's lists.
fn ids<'r>(report: &'r Value, list: &str) -> Vec<&'r str> {
    let findings = report[list].as_array().map(Vec::as_slice).unwrap_or_default();
    findings.iter().map(|finding| finding["checkId"].as_str().unwrap()).collect()
}

fn state(report: &Value, id: &str) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap();
    let of = findings.iter().filter(|finding| finding["checkId"] == id);
    of.map(|finding| finding["baselineState"].as_str().unwrap_or("none").to_owned()).collect()
}

fn config(logging: &str) -> String {
    format!(
        "{{\n  gateway: {{ bind: 'loopback', auth: {{ mode: 'token', token: '{SECRET}' }} }},\n  {logging}\n}}\n"
    )
}

const OFF: &str = "logging: { redactSensitive: 'off' },";

#[test]
fn a_suppression_leaves_out_what_it_names_and_says_so() {
    let home = Home::new(&config(OFF));
    let (before, _) = home.report(&[]);
    assert!(ids(&before, "findings").contains(&"logging.redact_off"));
    for (place, is_left_out) in [
        ("", true),
        ("place = \"/logging\"\n", true),
        ("place = \"/*/redactSensitive\"\n", true),
        ("place = \"/gateway\"\n", false),
        ("place = \"openclaw.json\"\n", false),
    ] {
        home.settings(&format!(
            "[[suppression]]\ncheck = \"logging.redact_off\"\n{place}reason = \"ticket 4711\"\nexpires = \"2027-01-31\"\n"
        ));
        let (report, code) = home.report(&["--policy", "logging-redaction", "--fail-on", "warn"]);
        assert_eq!(ids(&report, "suppressedFindings") == ["logging.redact_off"], is_left_out, "{place}");
        assert_eq!(ids(&report, "findings").contains(&"suppression.unused"), !is_left_out, "{place}");
        let of = |report: &Value| {
            let all = report["assessment"].as_array().unwrap();
            all.iter().find(|check| check["checkId"] == "logging.redact_off").unwrap()["status"].clone()
        };
        assert_eq!(of(&report), "finding", "it is assessed all the same");
        if is_left_out {
            let taken = &report["suppressedFindings"][0]["suppression"];
            assert_eq!(taken["reason"], "ticket 4711");
            assert_eq!((&taken["by"], &taken["expires"]), (&"settings".into(), &"2027-01-31".into()));
            let (all, shown) =
                home.report(&["--policy", "logging-redaction", "--fail-on", "warn", "--no-suppressions"]);
            assert!(ids(&all, "findings").contains(&"logging.redact_off") && shown == 1 && code == 0);
            assert!(!ids(&all, "findings").iter().any(|id| id.starts_with("suppression.")));
        }
    }
}

#[test]
fn a_suppression_ends_on_its_day_and_is_never_wider_than_it_looks() {
    let home = Home::new(&config(OFF));
    home.settings(
        "# ours\n[[suppression]]\ncheck = \"logging.redact_off\"\nreason = \"x\"\nexpires = \"2026-02-19\"\n",
    );
    let (report, _) = home.report(&[]);
    let found = ids(&report, "findings");
    assert!(found.contains(&"logging.redact_off") && found.contains(&"suppression.expired"), "{found:?}");
    let expired = report["findings"].as_array().unwrap();
    let expired = expired.iter().find(|finding| finding["checkId"] == "suppression.expired").unwrap();
    assert_eq!(expired["locations"][0]["line"], 2);
    home.settings("[[suppression]]\ncheck = \"logging.*\"\nreason = \"x\"\nexpires = \"2026-02-20\"\n");
    let (report, _) = home.report(&[]);
    assert!(ids(&report, "suppressedFindings").contains(&"logging.redact_off"));
    assert!(ids(&report, "findings").contains(&"suppression.too_wide"));
    // What another policy would have to say is not known here.
    let (report, _) = home.report(&["--policy", "state-permissions"]);
    assert!(!ids(&report, "findings").contains(&"suppression.unused"));
}

#[test]
fn files_that_join_a_suppressed_one_are_not_suppressed() {
    let home = Home::new(&config(""));
    let logins = ["a", "b"].map(|agent| format!(".openclaw/agents/{agent}/agent/auth-profiles.json"));
    for login in &logins {
        fs::create_dir_all(home.path(login).parent().unwrap()).unwrap();
        fs::write(home.path(login), "{}").unwrap();
        home.chmod(login, 0o644);
    }
    home.settings(
        "[[suppression]]\ncheck = \"fs.auth_profiles.perms_readable\"\nplace = \"agents/a/**\"\nreason = \"x\"\nexpires = \"2027-01-01\"\n",
    );
    let (report, _) = home.report(&[]);
    assert!(ids(&report, "findings").contains(&"fs.auth_profiles.perms_readable"));
}

#[test]
fn a_fix_leaves_alone_what_is_suppressed() {
    let home = Home::new(&config(OFF));
    home.chmod(".openclaw", 0o755);
    home.settings("[[suppression]]\ncheck = \"fs.state_dir.perms_readable\"\nreason = \"x\"\nexpires = \"2027-01-01\"\n");
    let output = home.run(&["fix", "--dry-run", "--openclaw-version", "2026.2.19"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("redactSensitive") && !text.contains("chmod") && !text.contains("0755"), "{text}");
}

#[test]
fn half_a_rule_stops_the_audit_and_names_its_line() {
    let home = Home::new("{}");
    for (text, reason) in [
        ("\n[[suppression]]\ncheck = \"logging.redact_off\"\n", "missing field `reason`"),
        ("\n[[suppression]]\ncheck = \"*\"\nreason = \"x\"\n", "line 2: suppression.check"),
        ("[severity]\n\"logging.redact_off\" = \"high\"\n", "unknown variant `high`"),
    ] {
        home.settings(text);
        let output = home.run(&["audit"]);
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(2) && output.stdout.is_empty() && words.contains(reason),
            "{words}"
        );
    }
    home.settings("[[suppression]]\ncheck = \"logging.redact_of\"\nreason = \"x\"\n[severity]\n\"logging.redacts\" = \"info\"\n");
    let words = String::from_utf8(home.run(&["audit"]).stderr).unwrap();
    assert!(
        words.contains(
            "suppresses logging.redact_of, and there is no such check; did you mean logging.redact_off?"
        ),
        "{words}"
    );
    assert!(words.contains("weighs logging.redacts, and there is no such check"), "{words}");
}

#[test]
fn a_severity_of_the_site_decides_and_the_policys_own_is_shown() {
    let home = Home::new(&config(OFF));
    home.settings("[severity]\n\"logging.redact_off\" = \"critical\"\n");
    let (report, code) = home.report(&["--policy", "logging-redaction"]);
    let finding = &report["findings"][0];
    assert_eq!((&finding["severity"], &finding["declaredSeverity"]), (&"critical".into(), &"warn".into()));
    assert_eq!((code, &report["summary"]["critical"]), (1, &1.into()));
}

#[test]
fn comments_count_only_where_the_operator_says_so() {
    let allowed = "logging: {\n    // chitin: allow logging.redact_off until 2027-01-31: a \u{202e} reason, not correct-horse-battery-staple\n    redactSensitive: 'off',\n  },";
    let home = Home::new(&config(allowed));
    let (report, code) =
        home.report(&["--policy", "logging-redaction", "--policy", "gateway-exposure", "--fail-on", "warn"]);
    assert_eq!((ids(&report, "suppressedFindings").len(), code), (0, 1));
    let (report, code) = home.report(&[
        "--policy",
        "logging-redaction",
        "--policy",
        "gateway-exposure",
        "--fail-on",
        "warn",
        "--inline-suppressions",
    ]);
    assert_eq!((ids(&report, "suppressedFindings"), code), (vec!["logging.redact_off"], 0));
    let reason = report["suppressedFindings"][0]["suppression"]["reason"].as_str().unwrap();
    assert!(reason.contains("\\u{202e}") && !reason.contains(SECRET), "{reason}");
    for (comment, found) in [
        ("chitin: allow logging.redact_off until 2020-01-01: x", "suppression.expired"),
        ("chitin: allow logging.redact_off", "suppression.malformed"),
        ("chitin: allow logging.*: x", "suppression.malformed"),
        ("chitin: allow suppression.unused: x", "suppression.malformed"),
        ("chitin: allow gateway.bind_no_auth until 2027-01-31: x", "suppression.unused"),
    ] {
        home.config(&config(&format!("logging: {{ redactSensitive: 'off' }}, // {comment}")));
        let (report, code) = home.report(&[
            "--policy",
            "logging-redaction",
            "--policy",
            "gateway-exposure",
            "--fail-on",
            "warn",
            "--inline-suppressions",
        ]);
        let ids = ids(&report, "findings");
        assert!(
            ids.contains(&found) && ids.contains(&"logging.redact_off") && code == 1,
            "{comment} {ids:?}"
        );
    }
    home.config(&config("logging: { redactSensitive: 'off' }, // chitin: allow logging.redact_off: x"));
    let (report, _) = home.report(&["--inline-suppressions"]);
    assert!(ids(&report, "findings").contains(&"suppression.no_expiry"));
}

#[test]
fn a_baseline_knows_a_finding_by_its_place_and_nothing_of_a_value() {
    let channels = "channels: { telegram: { groupPolicy: 'open', groups: { '*': {} } } },\n  ";
    let home = Home::new(&config(&format!("{channels}{OFF}")));
    home.chmod(".openclaw", 0o755);
    let written = home.run(&["baseline", "write", "known.json", "--openclaw-version", "2026.2.19"]);
    assert_eq!(written.status.code(), Some(0), "{}", String::from_utf8_lossy(&written.stderr));
    let text = fs::read_to_string(home.path("known.json")).unwrap();
    assert!(!text.contains(SECRET) && !text.contains(home.0.path().to_str().unwrap()), "{text}");
    let (report, code) = home.report(&["--baseline", "known.json", "--fail-on", "info"]);
    assert_eq!(code, 0, "{report}");
    assert!(
        report["findings"].as_array().unwrap().iter().all(|finding| finding["baselineState"] == "unchanged")
    );

    // Moved lines, keys in another order, another folder above.
    home.config(&format!("// a new line\n\n{{ {OFF}\n\n{channels} gateway: {{ auth: {{ token: '{SECRET}', mode: 'token' }}, bind: 'loopback' }} }}"));
    fs::create_dir(home.path("elsewhere")).unwrap();
    fs::rename(home.path(".openclaw"), home.path("elsewhere/state")).unwrap();
    let moved = ["--state-dir", "elsewhere/state", "--baseline", "known.json", "--fail-on", "info"];
    let (report, code) = home.report(&moved);
    assert_eq!(code, 0, "{report:#}");
    fs::rename(home.path("elsewhere/state"), home.path(".openclaw")).unwrap();

    // A new finding fails the gate, and one that went is told.
    home.config(&config("logging: { redactSensitive: 'tools' }, "));
    home.chmod(".openclaw/openclaw.json", 0o640);
    let (report, code) = home.report(&["--baseline", "known.json", "--fail-on", "warn"]);
    assert_eq!(code, 1);
    assert!(report["exit"]["reason"].as_str().unwrap().contains("new finding"));
    let new: Vec<&str> =
        ids(&report, "findings").into_iter().filter(|id| state(&report, id) == ["new"]).collect();
    // The summary has lost a place: all places of a finding count, so that one more is never known.
    assert_eq!(new, ["fs.config.perms_group_readable", "summary.attack_surface"]);
    assert_eq!(state(&report, "fs.state_dir.perms_readable"), ["unchanged"]);
    assert!(ids(&report, "goneFindings").contains(&"logging.redact_off"));
    let (_, code) = home.report(&["--baseline", "known.json", "--fail-on", "warn", "--exit-zero"]);
    assert_eq!(code, 0);
    let (_, code) = home.report(&["--baseline", "known.json", "--fail-on-new", "critical"]);
    assert_eq!(code, 0, "no new one is critical");
}

#[test]
fn what_has_become_worse_is_new() {
    let home = Home::new("{ gateway: { auth: { mode: 'none' }, controlUi: { enabled: false } } }");
    let written = home.run(&["baseline", "write", "known.json"]);
    assert_eq!(written.status.code(), Some(0), "{}", String::from_utf8_lossy(&written.stderr));
    let severity = |report: &Value| {
        let of = |finding: &&Value| finding["checkId"] == "gateway.http.no_auth";
        report["findings"].as_array().unwrap().iter().find(of).unwrap()["severity"].clone()
    };
    assert_eq!(severity(&home.report(&["--baseline", "known.json"]).0), "warn");
    home.config("{ gateway: { auth: { mode: 'none' }, controlUi: { enabled: false }, tailscale: { mode: 'serve' } } }");
    let (report, code) = home.report(&["--baseline", "known.json"]);
    assert_eq!((severity(&report), code), ("critical".into(), 1));
    assert_eq!(state(&report, "gateway.http.no_auth"), ["new"]);
    assert!(!ids(&report, "goneFindings").contains(&"gateway.http.no_auth"));
}

#[test]
fn the_baseline_of_another_target_is_told() {
    let home = Home::new(&config(OFF));
    home.run(&[
        "baseline",
        "write",
        "known.json",
        "--openclaw-version",
        "2026.2.19",
        "--policy",
        "logging-redaction",
    ]);
    let words = |more: &[&str]| {
        let output = home.run(&[&["audit", "--baseline", "known.json"], more].concat());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(!words(&[]).contains("another target"));
    home.config(&config(""));
    assert!(words(&[]).contains("it may be that of another target"));
}

#[test]
fn what_was_not_looked_at_is_not_gone() {
    let home = Home::new(&config(OFF));
    home.run(&["baseline", "write", "known.json", "--openclaw-version", "2026.2.19"]);
    home.config("{ broken");
    let (report, code) = home.report(&["--baseline", "known.json"]);
    assert!(code == 3 && !ids(&report, "goneFindings").contains(&"logging.redact_off"), "{code} {report:#}");
    let (report, _) = home.report(&["--baseline", "known.json", "--policy", "state-permissions"]);
    assert!(ids(&report, "goneFindings").is_empty());
}

#[test]
fn a_check_that_the_baseline_did_not_know_fails_only_where_it_is_asked_to() {
    let home = Home::new(&config(OFF));
    home.run(&["baseline", "write", "known.json", "--openclaw-version", "2026.2.19"]);
    let mut baseline: Value = serde_json::from_slice(&fs::read(home.path("known.json")).unwrap()).unwrap();
    let without =
        |list: &mut Value, is: &dyn Fn(&Value) -> bool| list.as_array_mut().unwrap().retain(|item| !is(item));
    without(&mut baseline["checks"], &|check| check == "logging.redact_off");
    without(&mut baseline["findings"], &|known| known["checkId"] == "logging.redact_off");
    fs::write(home.path("known.json"), baseline.to_string()).unwrap();
    let (report, code) = home.report(&["--baseline", "known.json", "--fail-on", "warn"]);
    assert_eq!((state(&report, "logging.redact_off"), code), (vec!["new-check".to_owned()], 0));
    let (_, code) = home.report(&["--baseline", "known.json", "--fail-on", "warn", "--fail-on-new-checks"]);
    assert_eq!(code, 1);
}

#[test]
fn a_baseline_is_never_overwritten_unasked_and_keeps_what_people_wrote() {
    let home = Home::new(&config(OFF));
    let write = |more: &[&str]| {
        home.run(&[&["baseline", "write", "known.json", "--openclaw-version", "2026.2.19"], more].concat())
    };
    assert_eq!(write(&[]).status.code(), Some(0));
    assert_eq!(write(&[]).status.code(), Some(2));
    let mut baseline: Value = serde_json::from_slice(&fs::read(home.path("known.json")).unwrap()).unwrap();
    let entry = baseline["findings"].as_array_mut().unwrap();
    let entry = entry.iter_mut().find(|known| known["checkId"] == "logging.redact_off").unwrap();
    entry["owner"] = "ann".into();
    entry["expires"] = "2026-02-25".into();
    fs::write(home.path("known.json"), baseline.to_string()).unwrap();
    assert_eq!(write(&["--update"]).status.code(), Some(0));
    let kept = fs::read_to_string(home.path("known.json")).unwrap();
    assert!(kept.contains("\"owner\": \"ann\"") && kept.contains("\"expires\": \"2026-02-25\""), "{kept}");
    let shown = String::from_utf8(home.run(&["baseline", "show", "known.json"]).stdout).unwrap();
    assert!(shown.contains("owner: ann") && shown.contains("until: 2026-02-25"), "{shown}");
    // Behind its day it is a finding like any other.
    let audit = ["audit", "--baseline", "known.json", "--fail-on", "warn", "--openclaw-version", "2026.2.19"];
    assert_eq!(home.run_at("1772000000", &audit).status.code(), Some(0));
    assert_eq!(home.run_at("1772100000", &audit).status.code(), Some(1));
}

#[test]
fn what_is_no_baseline_is_told_before_anything_is_looked_at() {
    let home = Home::new("{}");
    for (text, reason) in [
        ("", "EOF"),
        ("[]", "it has no baselineVersion"),
        ("{\"baselineVersion\": 9}", "version 9"),
        ("{\"schemaVersion\": 2}", "it is a report"),
        (
            "{\"baselineVersion\": 1, \"writtenBy\": \"x\", \"checks\": [], \"findings\": [], \"more\": 1}",
            "unknown field `more`",
        ),
        (
            "{\"baselineVersion\": 1, \"writtenBy\": \"x\", \"checks\": [], \"findings\": [{\"checkId\": \"a\", \"place\": \"\", \"fingerprint\": \"\", \"severity\": \"warn\"}]}",
            "no fingerprint",
        ),
    ] {
        fs::write(home.path("known.json"), text).unwrap();
        let output = home.run(&["audit", "--baseline", "known.json"]);
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(2) && output.stdout.is_empty() && words.contains(reason),
            "{reason}: {words}"
        );
    }
    let output = home.run(&["audit", "--baseline", "nowhere.json"]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("chitin baseline write nowhere.json"));
}

#[test]
fn two_findings_of_one_line_are_two_and_an_element_is_known_by_its_id() {
    let agent = |id: &str| format!("{{ id: '{id}', sandbox: {{ docker: {{ network: 'host' }} }} }}");
    let both = |ids: [&str; 2]| config(&format!("agents: {{ list: [{}] }},", ids.map(agent).join(", ")));
    let home = Home::new(&both(["a", "b"]));
    let (report, _) = home.report(&[]);
    let prints: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["checkId"].as_str().unwrap().starts_with("sandbox."))
        .map(|finding| finding["fingerprint"].as_str().unwrap())
        .collect();
    let distinct: std::collections::BTreeSet<&str> = prints.iter().copied().collect();
    assert!(prints.len() > 1 && distinct.len() == prints.len(), "{prints:?} {report:#}");
    home.run(&["baseline", "write", "known.json", "--openclaw-version", "2026.2.19"]);
    home.config(&both(["b", "a"]));
    let (_, code) = home.report(&["--baseline", "known.json", "--fail-on", "info"]);
    assert_eq!(code, 0, "the same two, the other way round");
    home.config(&both(["a", "c"]));
    let (report, code) = home.report(&["--baseline", "known.json", "--fail-on", "info"]);
    assert!(code == 1 && !ids(&report, "goneFindings").is_empty(), "{report:#}");
}

#[test]
fn a_comparison_tells_what_appeared_and_what_nobody_looked_at() {
    let home = Home::new(&config(OFF));
    let save = |name: &str, more: &[&str]| {
        let output = home.run(&[&["audit", "--json", "--openclaw-version", "2026.2.19"], more].concat());
        fs::write(home.path(name), output.stdout).unwrap();
    };
    save("one.json", &[]);
    home.chmod(".openclaw", 0o755);
    save("two.json", &[]);
    save("part.json", &["--policy", "state-permissions"]);
    let diff = |old: &str, new: &str| {
        let output = home.run(&["diff", "--json", old, new]);
        let difference: Value = serde_json::from_slice(&output.stdout).unwrap();
        (difference, output.status.code().unwrap())
    };
    let (difference, code) = diff("one.json", "two.json");
    assert_eq!((ids(&difference, "appeared"), code), (vec!["fs.state_dir.perms_readable"], 1));
    let (difference, code) = diff("two.json", "one.json");
    assert_eq!((ids(&difference, "gone"), code), (vec!["fs.state_dir.perms_readable"], 0));
    let (difference, code) = diff("two.json", "part.json");
    assert!(ids(&difference, "notAssessed").contains(&"logging.redact_off") && code == 0, "{difference:#}");
    assert!(ids(&difference, "gone").is_empty());
    fs::write(home.path("none.json"), "{}").unwrap();
    assert_eq!(home.run(&["diff", "one.json", "none.json"]).status.code(), Some(2));
}
