//! The whole program over real targets: what it must never do, and what it must always do.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test makes its target, and stops where it cannot"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A secret that must never be shown.
const SECRET: &str = "correct-horse-battery-staple";

struct Home(tempfile::TempDir);

impl Home {
    fn new(config: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        fs::create_dir(home.path(".openclaw")).unwrap();
        home.chmod(".openclaw", 0o700);
        home.file(".openclaw/openclaw.json", 0o600, config.as_bytes());
        home
    }

    fn path(&self, rel: &str) -> PathBuf {
        self.0.path().join(rel)
    }

    fn file(&self, rel: &str, mode: u32, content: &[u8]) {
        fs::create_dir_all(self.path(rel).parent().unwrap()).unwrap();
        fs::write(self.path(rel), content).unwrap();
        self.chmod(rel, mode);
    }

    fn chmod(&self, rel: &str, mode: u32) {
        fs::set_permissions(self.path(rel), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chitin"));
        command.arg("audit").args(arguments).current_dir(self.0.path()).env_clear();
        command.env("HOME", self.0.path()).env("SOURCE_DATE_EPOCH", "1771545600");
        command
    }

    fn audit(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn report(&self, arguments: &[&str]) -> (Value, i32) {
        let output = self.audit(&[&["--json"], arguments].concat());
        let report = serde_json::from_slice(&output.stdout);
        (report.unwrap_or_else(|_| panic!("{}", text(&output.stderr))), output.status.code().unwrap())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn ids(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["checkId"].as_str().unwrap().to_owned()).collect()
}

/// What the `.env` of the current directory gives a gateway, by the release that reads it.
#[test]
fn a_token_in_the_current_directory_counts_where_the_release_takes_it_from_there() {
    const OPEN: &str = "gateway.loopback_no_auth";
    for (release, at_work, in_state, open, told) in [
        ("2026.3.28", true, false, false, true),
        ("2026.3.31", true, false, true, true),
        ("2026.9.6", true, false, true, true),
        ("2026.9.6", true, true, false, false),
        ("2026.9.6", false, true, false, false),
    ] {
        let home = Home::new("{gateway: {}}");
        let token = b"OPENCLAW_GATEWAY_TOKEN=0123456789abcdef0123456789ABCDEF\n";
        for (rel, is_there) in [("work/.env", at_work), (".openclaw/.env", in_state)] {
            home.file(rel, 0o600, if is_there { token } else { b"" });
        }
        let mut command = home.command(&["--json", "--openclaw-version", release]);
        let output = command.current_dir(home.path("work")).output().unwrap();
        let ids = ids(&serde_json::from_slice(&output.stdout).unwrap());
        let has = |id: &str| ids.iter().any(|found| found == id);
        let case = format!("{release} {at_work} {in_state}: {ids:?}");
        assert_eq!((has(OPEN), has("config.cwd_credentials")), (open, told), "{case}");
        assert!(!text(&output.stdout).contains("0123456789abcdef"), "{case}");
    }
}

/// What stands in the environment, and a config puts into places that findings tell of.
#[test]
fn what_a_variable_gives_is_not_told_where_it_may_be_a_secret() {
    const TOKEN: &str = "8f14e45fceea167a5a36dedd4bea2543";
    for (release, config) in [
        ("2026.9.6", r#"{gateway: {auth: {token: {source: "env", provider: "${FOO}", id: "X"}}}}"#),
        ("2026.9.6", r#"{gateway: {auth: {token: {source: "exec", provider: "a", id: "${FOO}"}}}}"#),
        (
            "2026.9.6",
            r#"{agents: {defaults: {sandbox: {mode: "all", docker: {binds: ["${FOO}:/x", "/etc:/${FOO}"]}}}}}"#,
        ),
        ("2026.7.35", r#"{plugins: {load: {paths: ["${FOO}"]}}}"#),
        ("2026.2.19", r#"{plugins: {load: {paths: ["~/${FOO}"]}}}"#),
    ] {
        let home = Home::new(config);
        for arguments in [["--json"].as_slice(), &[]] {
            let arguments = [arguments, &["--openclaw-version", release]].concat();
            let output = home.command(&arguments).env("FOO", TOKEN).output().unwrap();
            assert!(!text(&output.stdout).contains(TOKEN), "{config}: {}", text(&output.stdout));
            assert!(!output.stdout.is_empty(), "{}", text(&output.stderr));
        }
    }
}

/// More problems than are told: what a text names may be among the rest.
#[test]
fn variables_that_are_not_told_any_more_hide_no_missing_token() {
    let others: Vec<String> = (0..120).map(|number| format!("\"${{A{number:03}}}\"")).collect();
    let config = format!(
        r#"{{gateway: {{bind: "lan", auth: {{mode: "token", token: "${{ZZ}}"}}}},
        mcp: {{servers: {{s: {{command: "x", args: [{}]}}}}}}}}"#,
        others.join(", ")
    );
    let home = Home::new(&config);
    let (report, code) = home.report(&["--openclaw-version", "2026.9.6"]);
    let open = report["assessment"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["checkId"] == "gateway.bind_no_auth");
    assert_eq!((open.unwrap()["status"].as_str(), code), (Some("not-assessed"), 3), "{open:?}");
}

/// Each of the two releases that it may be of refuses another half of it.
#[test]
fn a_config_that_no_release_starts_with_says_so() {
    let home = Home::new(
        r#"{meta: {lastTouchedVersion: "2026.8.1"},
        agents: {list: [{id: "main"}, {id: "work"}], entries: {main: {}}}}"#,
    );
    let (report, _) = home.report(&[]);
    let ids = ids(&report);
    for id in ["release.unsure", "config.legacy_key", "config.unknown_key"] {
        assert!(ids.iter().any(|found| found == id), "{id}: {ids:?}");
    }
}

/// The older state directory has the config that the gateway reads.
#[test]
fn an_older_directory_with_the_config_in_use_is_not_to_be_deleted() {
    let home = Home::new("{}");
    fs::remove_file(home.path(".openclaw/openclaw.json")).unwrap();
    home.file(".clawdbot/clawdbot.json", 0o600, b"{}");
    let (report, _) = home.report(&[]);
    let findings = report["findings"].as_array().unwrap();
    let other = findings.iter().find(|finding| finding["checkId"] == "config.other_state_dir").unwrap();
    assert!(
        other["detail"].as_str().unwrap().contains(".clawdbot/clawdbot.json, which is in use"),
        "{other}"
    );
}

/// Nobody has looked at 2026.5.13.
#[test]
fn a_release_between_two_says_which_one_stands_in() {
    let home = Home::new("{}");
    for (release, stand_in) in [("2026.5.13", Some("2026.5.12")), ("2026.5.12", None)] {
        let arguments = ["--openclaw-version", release];
        let (report, _) = home.report(&arguments);
        assert_eq!(report["target"]["release"]["judgedAs"].as_str(), stand_in);
        let told = text(&home.audit(&arguments).stdout).contains(": judged as 2026.5.12\n");
        assert_eq!(told, stand_in.is_some(), "{release}");
    }
}

/// A variable can put a secret where a program's stamp is expected.
#[test]
fn a_stamp_that_is_a_secret_is_not_shown() {
    let home = Home::new(r#"{meta: {lastTouchedVersion: "${STAMP}"}}"#);
    for arguments in [["--json"].as_slice(), &[]] {
        let output = home.command(arguments).env("STAMP", SECRET).output().unwrap();
        assert!(text(&output.stdout).contains("release.unsure"), "{}", text(&output.stdout));
        assert!(!text(&output.stdout).contains(SECRET), "{}", text(&output.stdout));
    }
}

/// Every object below a folder, with all that an audit could have changed.
fn tree(folder: &Path) -> BTreeMap<PathBuf, (u64, u32, u64, i64, i64)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        let facts =
            (metadata.ino(), metadata.mode(), metadata.size(), metadata.mtime_nsec(), metadata.ctime_nsec());
        if metadata.is_dir() {
            found.extend(tree(&path));
        }
        found.insert(path, facts);
    }
    found
}

#[test]
fn two_runs_give_the_same_bytes_and_change_nothing() {
    let home = Home::new("{ gateway: { bind: 'lan' }, hooks: { enabled: true } }");
    home.file(".openclaw/agents/main/agent/auth-profiles.json", 0o666, b"{}");
    let before = tree(home.0.path());
    let (first, second) = (home.audit(&["--json"]), home.audit(&["--json"]));
    assert!(!first.stdout.is_empty());
    assert_eq!(text(&first.stdout), text(&second.stdout));
    assert_eq!(text(&first.stderr), "");
    assert_eq!(tree(home.0.path()), before);
}

#[test]
fn a_secret_is_nowhere_in_the_output() {
    let config = format!(
        "{{ gateway: {{ bind: 'lan', auth: {{ token: '{SECRET}' }} }}, hooks: {{ enabled: true, token: '{SECRET}' }},
           channels: {{ telegram: {{ botToken: '{SECRET}' }} }}, {SECRET}: 1, unknown: {{ apiKey: '{SECRET}' }} }}"
    );
    let home = Home::new(&config.replace(&format!("{SECRET}: 1"), "odd: 1"));
    for arguments in [&["--json", "-v"][..], &["-v"]] {
        let output = home.audit(arguments);
        assert!(!text(&output.stdout).contains(SECRET), "{}", text(&output.stdout));
        assert!(!text(&output.stderr).contains(SECRET));
    }
    let (report, _) = home.report(&[]);
    assert!(ids(&report).contains(&"hooks.token_reuse_gateway_token".to_owned()), "yet it is compared");
}

#[test]
fn a_secret_that_is_a_word_of_a_check_id_hides_no_finding() {
    let config = "{ gateway: { bind: 'lan', auth: { token: 'gateway' } }, hooks: { enabled: true, token: 'gateway' } }";
    let (report, code) = Home::new(config).report(&[]);
    assert_eq!(code, 1);
    assert!(ids(&report).contains(&"hooks.token_reuse_gateway_token".to_owned()), "{report:#}");
}

#[test]
fn the_exit_code_is_the_verdict() {
    let guarded = Home::new(
        "{ gateway: { auth: { token: '0123456789abcdef0123456789abcdef' }, trustedProxies: ['10.0.0.1'] } }",
    );
    assert_eq!(guarded.report(&[]).1, 0);
    assert_eq!(guarded.report(&["--fail-on", "info"]).1, 1);
    let open = Home::new("{ gateway: { bind: 'lan' } }");
    let (report, code) = open.report(&[]);
    assert_eq!((code, &report["exit"]["code"]), (1, &Value::from(1)));
    let lost = Home::new("{ $include: './nowhere.json' }");
    let (report, code) = lost.report(&[]);
    assert_eq!((code, &report["exit"]["code"]), (3, &Value::from(3)), "{report:#}");
    assert_eq!(open.audit(&["--fail-on", "fatal"]).status.code(), Some(2));
}

#[test]
fn where_there_is_no_state_directory_nothing_in_it_is_called_clean() {
    let home = Home::new("{ channels: { telegram: { botToken: 'x', allowFrom: ['1'] } } }");
    let config = home.0.path().join("openclaw.json");
    fs::rename(home.0.path().join(".openclaw/openclaw.json"), &config).unwrap();
    fs::remove_dir_all(home.0.path().join(".openclaw")).unwrap();
    let (report, code) = home.report(&["--deep", "--config", config.to_str().unwrap()]);
    assert_eq!(code, 1, "it is not incomplete: {report:#}");
    let checks = report["assessment"].as_array().unwrap();
    let with = |status: &str| -> Vec<&str> {
        let found = checks.iter().filter(|check| check["status"] == status);
        found.map(|check| check["checkId"].as_str().unwrap()).collect()
    };
    assert_eq!(with("not-assessed"), [""; 0]);
    let (clean, absent) = (with("clean"), with("not-applicable"));
    let is_of_config =
        |id: &str| ["fs.config", "fs.log", "fs.synced_dir"].iter().any(|start| id.starts_with(start));
    for id in clean.iter().filter(|id| id.starts_with("fs.")) {
        assert!(is_of_config(id), "{id}");
    }
    for id in [
        "fs.state_dir.symlink",
        "plugins.code_safety",
        "skills.code_safety",
        "plugins.extensions_no_allowlist",
    ] {
        assert!(absent.contains(&id), "{id}: {absent:?}");
    }
    assert!(
        absent.contains(&"channels.*.dm.scope_main_multiuser"),
        "who was paired is not known: {absent:?}"
    );
    assert!(clean.contains(&"channels.*.dm.open"), "the config says it all: {clean:?}");
}

#[test]
fn what_depends_on_a_lost_config_is_not_called_clean() {
    let home = Home::new("{ gateway: ");
    let (report, code) = home.report(&[]);
    assert_eq!(code, 3);
    let status = |id: &str| {
        let checks = report["assessment"].as_array().unwrap();
        checks.iter().find(|check| check["checkId"] == id).unwrap()["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(status("config.syntax"), "finding");
    assert_eq!(status("gateway.bind_no_auth"), "not-assessed");
    assert_eq!(status("fs.auth_profiles.perms_writable"), "not-assessed");
    assert_eq!(status("fs.state_dir.perms_readable"), "clean");
}

#[test]
fn an_unreadable_state_directory_is_incomplete_and_not_clean() {
    let home = Home::new("{}");
    home.file(".openclaw/agents/main/agent/auth-profiles.json", 0o666, b"{}");
    fs::set_permissions(home.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = home.command(&["--json", "--state-dir"]);
    command.arg(home.path(".openclaw"));
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if is_root {
        // The folder of the program need not be open to everyone; the program itself is started by us.
        let program = home.path("chitin");
        fs::copy(env!("CARGO_BIN_EXE_chitin"), &program).unwrap();
        command = Command::new(program);
        command.args(["audit", "--json", "--state-dir"]).arg(home.path(".openclaw")).env_clear();
        command.current_dir("/").uid(65_534).gid(65_534);
    } else {
        home.chmod(".openclaw", 0o000);
    }
    let output = loop {
        match command.output() {
            // Another test's child was started while the copy was written, and still holds it open.
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            other => break other.unwrap(),
        }
    };
    if !is_root {
        home.chmod(".openclaw", 0o700);
    }
    assert_eq!(output.status.code(), Some(3), "{}{}", text(&output.stdout), text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let reasons: Vec<&str> = report["incomplete"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["reason"].as_str().unwrap())
        .collect();
    assert!(reasons.iter().any(|reason| reason.contains("permission denied")), "{reasons:?}");
}

#[test]
fn odd_objects_do_not_stop_an_audit() {
    let home = Home::new("{ agents: { list: [{ id: 'a' }, { id: 'b' }, { id: 'c' }] } }");
    for agent in ["a", "b", "c"] {
        fs::create_dir_all(home.path(&format!(".openclaw/agents/{agent}/agent"))).unwrap();
    }
    let made = Command::new("mkfifo")
        .arg(home.path(".openclaw/agents/a/agent/auth-profiles.json"))
        .status()
        .unwrap();
    assert!(made.success());
    std::os::unix::fs::symlink(
        "auth-profiles.json",
        home.path(".openclaw/agents/b/agent/auth-profiles.json"),
    )
    .unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    fs::write(home.path(".openclaw").join(odd), "").unwrap();
    let (report, code) = home.report(&[]);
    assert_ne!(code, 3, "{report:#}");
}

#[test]
fn more_install_records_than_are_looked_at_are_not_called_clean() {
    let audit = |number: usize| {
        let record = |id| format!("p{id}: {{ source: 'npm', integrity: 'sha512-x', version: '1.0.0' }}");
        let records: Vec<String> = (0..number).map(record).collect();
        let home = Home::new(&format!("{{ plugins: {{ installs: {{ {} }} }} }}", records.join(", ")));
        home.report(&["--policy", "plugin-installs"])
    };
    assert_eq!(audit(500).1, 0);
    let (report, code) = audit(501);
    assert_eq!(code, 3);
    assert!(report["incomplete"][0]["reason"].as_str().unwrap().contains("plugin-package/500"), "{report:#}");
}

#[test]
fn more_workspaces_than_are_looked_at_are_not_called_clean() {
    let audit = |number: usize| {
        let agents: Vec<String> =
            (0..number).map(|id| format!("{{ id: 'a{id}', workspace: '~/work/{id}' }}")).collect();
        let home = Home::new(&format!("{{ agents: {{ list: [{}] }} }}", agents.join(", ")));
        home.report(&["--openclaw-version", "2026.7.35", "--policy", "workspace-skills"])
    };
    assert_eq!(audit(500).1, 0);
    let (report, code) = audit(501);
    assert_eq!(code, 3);
    let reason = "workspaces limit: 500 allowed, 501 are there; the others were not looked at";
    assert_eq!(report["incomplete"][0]["reason"], reason, "{report:#}");
    assert_eq!(report["assessment"][0]["status"], "not-assessed");
}

#[test]
fn colour_is_for_terminals_and_for_those_who_ask() {
    let home = Home::new("{}");
    assert!(!text(&home.audit(&[]).stdout).contains('\x1b'));
    assert!(text(&home.audit(&["--color", "always"]).stdout).contains('\x1b'));
    let forced = home.command(&[]).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(text(&forced.stdout).contains('\x1b'));
    let refused = home.command(&[]).env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1").output().unwrap();
    assert!(!text(&refused.stdout).contains('\x1b'));
}

#[test]
fn a_reader_that_went_away_changes_no_verdict() {
    let home = Home::new("{ gateway: { bind: 'lan' } }");
    let mut child = home.command(&["--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(1), ""));
}

#[test]
fn a_file_name_cannot_write_to_the_terminal() {
    let home = Home::new("{ $include: './evil\\u001b[31m\\u202e.json' }");
    home.file(".openclaw/evil\u{1b}[31m\u{202e}.json", 0o666, b"{}");
    let output = home.audit(&[]);
    let shown = text(&output.stdout);
    assert!(shown.contains("fs.config_include.perms_writable"), "{shown}");
    assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
}
