//! Deep audits of targets whose plugins and skills were made to be looked at in vain: whatever they hold, something is
//! found or something is said, and nothing of it is called clean.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test makes its target, and stops where it cannot"
)]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use chitin_test_support::guest;
use serde_json::Value;
use support::Home;

/// What a rule matches.
const EVIL: &str = "eval(x);\n";

/// A home directory with a plugin "foo".
struct Plugin(Home);

impl Plugin {
    fn new() -> Self {
        let mut home = Home::new();
        home.directory(".openclaw", 0o700);
        home.file(".openclaw/openclaw.json", 0o600, Some(b"{}"));
        home.directory(".openclaw/extensions/foo", 0o755);
        Self(home)
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join(".openclaw/extensions/foo")
    }

    fn with(mut self, name: &str, content: &[u8]) -> Self {
        self.0.file(&format!(".openclaw/extensions/foo/{name}"), 0o644, Some(content));
        self
    }

    fn audit(&self) -> Value {
        let answer = self
            .0
            .chitin(["audit", "--deep", "--json", "--policy", "plugin-code", "--policy", "skill-code"], []);
        assert_eq!(answer.stderr, "");
        serde_json::from_str(&answer.stdout).unwrap()
    }

    /// Check ids of all findings.
    fn ids(&self) -> Vec<String> {
        let report = self.audit();
        let findings = report["findings"].as_array().unwrap();
        findings.iter().map(|finding| finding["checkId"].as_str().unwrap().to_owned()).collect()
    }

    /// A part was not looked at: said so, not assessed, and incomplete.
    fn is_left_out(&self, why: &str) {
        let report = self.audit();
        let findings = report["findings"].as_array().unwrap();
        let said = findings.iter().find(|finding| finding["checkId"] == "plugins.code_safety.scan_failed");
        let detail = said.unwrap_or_else(|| panic!("{report}"))["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(why), "{detail}");
        assert_eq!(status(&report, "plugins.code_safety"), "not-assessed");
        assert_eq!(report["exit"]["code"], 3);
    }
}

fn status<'r>(report: &'r Value, id: &str) -> &'r str {
    let checks = report["assessment"].as_array().unwrap();
    checks.iter().find(|check| check["checkId"] == id).unwrap()["status"].as_str().unwrap()
}

#[test]
fn an_installation_without_plugins_is_clean() {
    let mut home = Home::new();
    home.directory(".openclaw", 0o700);
    let plugin = Plugin(home);
    let report = plugin.audit();
    assert_eq!((status(&report, "plugins.code_safety"), &report["exit"]["code"]), ("clean", &Value::from(0)));
}

#[test]
fn the_gateway_is_asked_where_a_policy_wants_to_know() {
    let mut plugin = Plugin::new();
    // Nobody listens on port 1.
    plugin.0.file(".openclaw/openclaw.json", 0o600, Some(b"{ gateway: { port: 1 } }"));
    assert_eq!(plugin.audit().get("deep"), None);
    let arguments = ["audit", "--deep", "--policy", "gateway-probe"];
    let text = plugin.0.chitin(arguments, []).stdout;
    assert!(text.contains("\ngateway ws://127.0.0.1:1 does not answer\n"), "{text}");
    let report = plugin.0.chitin(arguments.into_iter().chain(["--json"]), []).stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["deep"]["gateway"]["ok"], false);
}

#[test]
fn what_a_lost_config_would_name_is_not_clean() {
    let mut plugin = Plugin::new();
    plugin.0.file(".openclaw/openclaw.json", 0o600, Some(b"{ plugins: "));
    let report = plugin.audit();
    assert_eq!(status(&report, "plugins.code_safety"), "not-assessed");
    assert_eq!(status(&report, "skills.code_safety"), "not-assessed");
    assert_eq!(report["incomplete"].as_array().unwrap().len(), 1, "{report}");
}

#[test]
fn a_long_comment_hides_nothing() {
    let mut text = vec![b' '; 1 << 20];
    text.extend_from_slice(EVIL.as_bytes());
    assert_eq!(Plugin::new().with("a.js", &text).ids(), ["plugins.code_safety"]);
}

#[test]
fn what_is_too_large_is_not_clean() {
    Plugin::new().with("a.js", &vec![b' '; (8 << 20) + 1]).is_left_out("a.js: it has 8388609 bytes");
    let mut many = Plugin::new();
    for number in 0..7 {
        many = many.with(&format!("{number}.js"), &vec![b' '; 7 << 20]);
    }
    many.is_left_out("6.js: 48 MiB were read before it");
}

#[test]
fn text_that_is_slow_to_read_hides_nothing() {
    let mut plugin = Plugin::new();
    let unit = "new WebSocket('ws://";
    for number in 0..6 {
        plugin = plugin.with(&format!("{number}.js"), unit.repeat((7 << 20) / unit.len()).as_bytes());
    }
    assert_eq!(plugin.with("z.js", EVIL.as_bytes()).ids(), ["plugins.code_safety"]);
}

#[test]
fn many_files_hide_nothing() {
    let plugin = Plugin::new();
    for number in 0..600 {
        fs::write(plugin.folder().join(format!("{number:04}.js")), "1").unwrap();
    }
    assert_eq!(plugin.with("z.js", EVIL.as_bytes()).ids(), ["plugins.code_safety"]);
}

#[test]
fn more_files_than_are_read_are_not_clean() {
    let plugin = Plugin::new();
    for number in 0..20_001 {
        fs::write(plugin.folder().join(format!("{number}.js")), "").unwrap();
    }
    plugin.is_left_out("9999.js: 20000 scripts were read before it");
}

#[test]
fn odd_names_hide_nothing() {
    for name in [b"100%.js".as_slice(), "é.js".as_bytes(), b"\xff\xfe.js", b"a\nb.js", b"A.TS", b" .js"] {
        let plugin = Plugin::new();
        fs::write(plugin.folder().join(OsStr::from_bytes(name)), EVIL).unwrap();
        assert_eq!(plugin.ids(), ["plugins.code_safety"], "{name:?}");
    }
}

#[test]
fn what_lies_too_deep_is_not_clean() {
    let plugin = Plugin::new();
    // Longer than a path may be, so each step begins where the last one ended.
    let (name, all) = ("d".repeat(100), rustix::fs::Mode::RWXU);
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
    let mut here = rustix::fs::open(plugin.folder(), flags, all).unwrap();
    for _ in 0..60 {
        rustix::fs::mkdirat(&here, &name, all).unwrap();
        here = rustix::fs::openat(&here, &name, flags, all).unwrap();
    }
    plugin.is_left_out("ddd");
}

#[test]
fn links_and_pipes_are_named() {
    let mut plugin = Plugin::new();
    plugin.0.symlink(".openclaw/extensions/foo/loop.js", "loop.js");
    plugin.is_left_out("loop.js: the link leads to itself");
    let mut plugin = Plugin::new();
    plugin.0.symlink(".openclaw/extensions/foo/passwd.js", "/etc/passwd");
    plugin.is_left_out("passwd.js: the link leads out of the folder");
    let mut plugin = Plugin::new();
    plugin.0.symlink(".openclaw/extensions/foo/all", "/");
    plugin.is_left_out("all: the link leads out of the folder");
    let mut plugin = Plugin::new();
    plugin.0.fifo(".openclaw/extensions/foo/pipe.js", 0o644);
    plugin.is_left_out("pipe.js: it is no regular file");
    let mut plugin = Plugin::new().with("package.json", &vec![b' '; 5 << 20]);
    plugin.is_left_out("package.json: it has more than 4 MiB");
    plugin.0.symlink(".openclaw/extensions/foo/package.json", "/etc/passwd");
    plugin.is_left_out("package.json: a symbolic link stands on the way");
}

#[test]
fn a_link_to_what_is_passed_over_hides_nothing() {
    let mut plugin = Plugin::new().with(".hidden/code.bin.js", EVIL.as_bytes());
    plugin.0.symlink(".openclaw/extensions/foo/a.js", ".hidden/code.bin.js");
    assert_eq!(plugin.ids(), ["plugins.code_safety"]);
    // What has another ending cannot be read.
    let mut plugin = Plugin::new().with("code.bin", EVIL.as_bytes());
    plugin.0.symlink(".openclaw/extensions/foo/a.js", "code.bin");
    plugin.is_left_out("code.bin: only scripts can be read");
}

#[test]
fn any_number_of_entry_points_is_told() {
    let entries: Vec<String> =
        (0..5000).map(|number| format!("\".h/{number}.js\", \"../{number}.js\"")).collect();
    let package = format!("{{\"openclaw\": {{\"extensions\": [{}]}}}}", entries.join(","));
    let ids = Plugin::new().with("package.json", package.as_bytes()).ids();
    let count = |id: &str| ids.iter().filter(|known| *known == id).count();
    assert_eq!(count("plugins.code_safety.entry_path"), 21);
    assert_eq!(count("plugins.code_safety.entry_escape"), 1);
}

#[test]
fn more_entry_points_than_are_judged_are_not_clean() {
    let entries = vec!["\"a.js\""; 300_000].join(",");
    let package = format!("{{\"openclaw\": {{\"extensions\": [{entries}]}}}}");
    Plugin::new()
        .with("package.json", package.as_bytes())
        .is_left_out("it names more than 10000 entry points");
}

#[test]
fn an_entry_point_that_is_named_twice_is_scanned_once() {
    let package = b"{\"openclaw\": {\"extensions\": [\"a.js\", \"./a.js\", \"a.js\"]}}";
    let report = Plugin::new().with("package.json", package).with("a.js", EVIL.as_bytes()).audit();
    let detail = report["findings"][0]["detail"].as_str().unwrap();
    assert!(detail.starts_with("1 place in 1 script;"), "{detail}");
}

#[test]
fn harmless_hits_crowd_out_no_other() {
    let mut plugin = Plugin::new();
    for number in 0..600 {
        let name = format!(".openclaw/extensions/foo/{number:04}.js");
        plugin.0.file(&name, 0o644, Some(b"readFile(a); fetch(b)"));
    }
    let report = plugin.with("z.js", EVIL.as_bytes()).audit();
    let finding = &report["findings"][0];
    assert_eq!(finding["severity"], "critical");
    assert!(finding["detail"].as_str().unwrap().starts_with("601 places in 601 scripts;"), "{finding}");
    assert!(finding["locations"][0]["path"].as_str().unwrap().ends_with("/z.js"), "{finding}");
}

#[test]
fn a_folder_of_thousands_of_plugins_is_cut_and_said_so() {
    let plugin = Plugin::new();
    for number in 0..1000 {
        fs::create_dir(plugin.folder().parent().unwrap().join(format!("{number:04}"))).unwrap();
    }
    let report = plugin.audit();
    let reason = report["incomplete"][0]["reason"].as_str().unwrap();
    assert_eq!(reason, "there are more than 1000 plugins; the others were not looked at");
    assert_eq!(
        (status(&report, "plugins.code_safety"), &report["exit"]["code"]),
        ("not-assessed", &Value::from(3))
    );
}

#[test]
fn evidence_shows_no_secret() {
    let text = "const token = 'sk-abcdefghijklmnopqrstuvwxyz012345'; eval(token);\n";
    let report = Plugin::new().with("a.js", text.as_bytes()).audit();
    let finding = &report["findings"][0];
    assert!(!report.to_string().contains("abcdefghijkl"), "{finding}");
    assert_eq!(finding["locations"][0]["line"], 1);
    assert_eq!(finding["locations"][0]["column"], 54);
}

/// Which signals a process catches, as Linux tells it.
fn catches(pid: u32, signal: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0");
    u64::from_str_radix(mask.trim(), 16).unwrap() >> (signal - 1) & 1 == 1
}

#[test]
fn an_interrupted_audit_prints_what_it_has() {
    let plugin = Plugin::new();
    let forever = guest("draws_forever").component;
    let mut child = Command::new(env!("CARGO_BIN_EXE_chitin"))
        .args(["audit", "--json", "--policy", "config-problems", "--policy", forever])
        .env_clear()
        .env("HOME", plugin.0.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The guest needs ten seconds of processor time once the program listens.
    while !catches(child.id(), 2) {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it listened");
        std::thread::sleep(Duration::from_millis(1));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let reason = report["incomplete"][0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("interrupted: ") && reason.ends_with("did not end"), "{report}");
    assert_eq!(status(&report, "hostile.finding"), "not-assessed");
}
