//! Every format over targets of every kind, each held against a reader that is not ours.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test makes its target, and stops where it cannot"
)]

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use chitin::output::FormatName;
use serde_json::Value;

/// A secret that no format may show.
const SECRET: &str = "correct-horse-battery-staple";

/// Harms one format or another where it is not escaped.
const EVIL: &str = "]]> ::error::x ##[error]y <script>alert(1)<%2fscript> \"' \u{202e} [l](x) @root |";

struct Home(tempfile::TempDir);

impl Home {
    fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The demo installation.
    fn demo() -> Self {
        let home = Self::empty();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let made = Command::new(root.join("tests/corpus/demo/install")).arg(home.path("")).status().unwrap();
        assert!(made.success());
        home
    }

    /// One with names and values that are written to do harm.
    fn hostile() -> Self {
        let home = Self::empty();
        let agent = home.path(".openclaw/agents").join(format!("a{EVIL}\n::warning::z")).join("agent");
        fs::create_dir_all(&agent).unwrap();
        fs::set_permissions(home.path(".openclaw"), fs::Permissions::from_mode(0o777)).unwrap();
        let logins = agent.join("auth-profiles.json");
        fs::write(&logins, "{}").unwrap();
        fs::set_permissions(&logins, fs::Permissions::from_mode(0o666)).unwrap();
        let config = serde_json::json!({
            "gateway": {"bind": "lan", "auth": {"mode": "token", "token": SECRET}, "controlUi": {"allowInsecureAuth": true}},
            "channels": {"telegram": {"groupPolicy": "open", "botToken": SECRET, EVIL: 1}},
            "hooks": {"enabled": true, "token": SECRET, "path": EVIL},
        });
        fs::write(home.path(".openclaw/openclaw.json"), config.to_string()).unwrap();
        home
    }

    fn path(&self, rel: &str) -> PathBuf {
        self.0.path().join(rel)
    }

    fn audit(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chitin"));
        command.arg("audit").args(arguments).current_dir(self.0.path()).env_clear();
        command.env("HOME", self.0.path()).env("SOURCE_DATE_EPOCH", "1771545600").output().unwrap()
    }
}

/// The published schema of SARIF, as the crate `serde-sarif` has it.
fn sarif_schema() -> &'static jsonschema::Validator {
    static SCHEMA: OnceLock<jsonschema::Validator> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version=1", "--locked", "--filter-platform", &platform])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        let package = packages.iter().find(|package| package["name"] == "serde-sarif").unwrap();
        let folder = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap();
        let schema: Value =
            serde_json::from_slice(&fs::read(folder.join("src/schema.json")).unwrap()).unwrap();
        jsonschema::validator_for(&schema).unwrap()
    })
}

fn is_sarif(text: &str, code: i32) {
    let log: Value = serde_json::from_str(text).unwrap();
    let errors: Vec<String> = sarif_schema()
        .iter_errors(&log)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let read: serde_sarif::sarif::Sarif = serde_json::from_str(text).unwrap();
    assert!(!read.runs.is_empty());
    for run in log["runs"].as_array().unwrap() {
        let invocation = &run["invocations"][0];
        assert_eq!(
            (invocation["exitCode"].as_i64(), &invocation["executionSuccessful"]),
            (Some(code.into()), &(code != 3).into())
        );
        let mut prints = HashSet::new();
        for result in run["results"].as_array().unwrap() {
            let uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
            assert!(!uri.is_empty() && !uri.contains([' ', '<', '"', '\\']), "{uri}");
            assert!(prints.insert(result["partialFingerprints"].to_string()));
        }
    }
}

fn is_junit(text: &str, code: i32) {
    let document = roxmltree::Document::parse(text).unwrap();
    let count = |name: &str| document.descendants().filter(|node| node.has_tag_name(name)).count();
    assert_eq!(document.root_element().tag_name().name(), "testsuites");
    for suite in document.descendants().filter(|node| node.has_tag_name("testsuite")) {
        let cases = suite.children().filter(|node| node.has_tag_name("testcase")).count();
        assert_eq!(suite.attribute("tests"), Some(&*cases.to_string()));
    }
    assert_eq!(count("failure") > 0, code == 1, "{text}");
    assert_eq!(count("error") > 0, code == 3);
}

fn is_github(text: &str) {
    let lines: Vec<&str> = text.lines().collect();
    let (last, commands) = lines.split_last().unwrap();
    assert!(last.contains("exit ") && !last.starts_with("::"), "{last}");
    for line in commands.iter().filter(|line| line.contains("::")) {
        assert!(
            ["::error ", "::warning ", "::notice "].iter().any(|command| line.starts_with(command)),
            "{line}"
        );
        assert!(!line.contains("##[") && !line.contains(" ::"), "{line}");
    }
}

fn is_gitlab(text: &str) {
    let all: Vec<Value> = serde_json::from_str(text).unwrap();
    let prints: HashSet<&str> = all.iter().map(|one| one["fingerprint"].as_str().unwrap()).collect();
    assert_eq!(prints.len(), all.len());
    for one in &all {
        assert!(one["description"].is_string() && one["check_name"].is_string());
        assert!(
            ["info", "minor", "major", "critical", "blocker"].contains(&one["severity"].as_str().unwrap())
        );
        assert!(!one["location"]["path"].as_str().unwrap().starts_with("./"));
        assert!(one["location"]["lines"]["begin"].as_u64().unwrap() > 0);
    }
}

fn is_ndjson(text: &str, code: i32) {
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (target, findings) = lines.split_last().unwrap();
    assert_eq!((&target["kind"], target["exit"]["code"].as_i64()), (&"target".into(), Some(code.into())));
    for finding in findings {
        assert_eq!((&finding["class_uid"], &finding["category_uid"]), (&2003.into(), &2.into()));
        let (class, activity) =
            (finding["class_uid"].as_u64().unwrap(), finding["activity_id"].as_u64().unwrap());
        assert_eq!(finding["type_uid"], class * 100 + activity);
        for required in ["time", "severity_id", "metadata", "finding_info", "compliance"] {
            assert!(!finding[required].is_null(), "{required}");
        }
    }
}

fn is_html(text: &str) {
    assert!(text.to_ascii_lowercase().starts_with("<!doctype html>"));
    let lower = text.to_ascii_lowercase();
    for bad in ["<script", "javascript:", " src=", "@import", "url("] {
        assert!(!lower.contains(bad), "{bad}");
    }
    assert!(lower.contains("content-security-policy"));
}

fn check(name: &str, home: &Home, more: &[&str], code: i32) {
    for format in FormatName::ALL {
        let output = home.audit(&[&["--format", format.as_str()], more].concat());
        let format = format.as_str();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{name} {format}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(!text.contains(SECRET), "{name} {format}");
        assert!(!text.contains('\u{202e}') && !text.contains('\u{1b}'), "{name} {format}");
        assert!(
            !text.lines().any(|line| line.starts_with("::warning::z") || line.starts_with("::error::x")),
            "{name} {format}"
        );
        match format {
            "sarif" | "code-scanning" => is_sarif(&text, code),
            "junit" => is_junit(&text, code),
            "github" => is_github(&text),
            "gitlab" => is_gitlab(&text),
            "ndjson" => is_ndjson(&text, code),
            "html" => is_html(&text),
            "prometheus" => assert!(text.contains(&format!("}} {code}\n")), "{text}"),
            "json" => assert!(serde_json::from_str::<Value>(&text).unwrap()["exit"]["code"] == code),
            "markdown" | "text" => assert!(text.contains(&format!("exit {code}")), "{text}"),
            other => panic!("no reader for {other}"),
        }
    }
}

#[test]
fn every_format_says_the_same_of_every_kind_of_target() {
    check("demo", &Home::demo(), &[], 1);
    check("hostile", &Home::hostile(), &[], 1);
    check("absent", &Home::empty(), &[], 4);
    let clean = Home::empty();
    fs::create_dir(clean.path(".openclaw")).unwrap();
    fs::write(clean.path(".openclaw/openclaw.json"), "{}").unwrap();
    for (rel, mode) in [(".openclaw", 0o700), (".openclaw/openclaw.json", 0o600)] {
        fs::set_permissions(clean.path(rel), fs::Permissions::from_mode(mode)).unwrap();
    }
    check("clean", &clean, &["--policy", "logging-redaction"], 0);
    fs::write(clean.path(".openclaw/openclaw.json"), "{ broken").unwrap();
    check("incomplete", &clean, &["--policy", "logging-redaction"], 3);
}

#[test]
fn one_run_gates_annotates_and_uploads() {
    let home = Home::demo();
    let outputs: Vec<String> =
        FormatName::ALL.iter().map(|format| format!("{0}=report.{0}", format.as_str())).collect();
    let arguments: Vec<&str> = outputs.iter().flat_map(|output| ["--output", output]).collect();
    let output = home.audit(&arguments);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    for format in FormatName::ALL.map(FormatName::as_str) {
        let written = fs::read_to_string(home.path(&format!("report.{format}"))).unwrap();
        let shown = String::from_utf8(home.audit(&["--format", format]).stdout).unwrap();
        assert_eq!(written, shown, "{format}");
    }
}

#[test]
fn a_step_of_github_actions_gets_its_summary() {
    let home = Home::demo();
    fs::write(home.path("summary.md"), "before\n").unwrap();
    let run = |summary: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chitin"));
        command.args(["audit", "--format", "github"]).current_dir(home.path("")).env_clear();
        command.env("HOME", home.path("")).env("GITHUB_STEP_SUMMARY", summary).output().unwrap()
    };
    let output = run(&home.path("summary.md"));
    let summary = fs::read_to_string(home.path("summary.md")).unwrap();
    assert!(summary.starts_with("before\n") && summary.contains("exit 1"), "{summary}");
    assert_eq!(output.status.code(), Some(1));
    // It is no part of what was asked for: where it cannot be written, that is a warning.
    let output = run(&home.path("nowhere/summary.md"));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("GITHUB_STEP_SUMMARY"));
}
