//! Runs every hostile guest in the real program, beside a built-in policy: the guest must be stopped with the exact
//! words that its file begins with, and nothing else may suffer from it. Damaged components are made here from bytes.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test makes its target, and stops where it cannot"
)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use chitin_test_support::{for_each_hostile_guest, guest, renamed};
use serde_json::Value;

/// Stands in the config and in the credential files; the guests `hunts_the_token` and `tells_the_token` know it.
const TOKEN: &str = "hostile-test-token-5f0c";

/// What stands outside of the state directory, where links lead.
const OUTSIDE: &str = "nobody may read this";

/// The audit's time.
const NOW: u64 = 1_700_000_000;

/// The time limit behind the fuel is 10 s of processor time, the compiler's 106 s; whoever needs more than both hangs.
const HANGS: Duration = Duration::from_mins(3);

/// A target with everything that a guest could want, and everything that a careless runner trips over.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        let state = home.state();
        for folder in ["credentials", "agents/main/agent", "identity", "empty", "hooks"] {
            std::fs::create_dir_all(state.join(folder)).unwrap();
        }
        let config = format!(
            "{{gateway: {{bind: \"loopback\", tailscale: {{mode: \"funnel\"}}, auth: {{mode: \"token\", token: \"{TOKEN}\"}}}}}}"
        );
        let secrets = [
            "openclaw.json.bak",
            "credentials/oauth.json",
            "agents/main/agent/auth-profiles.json",
            "identity/device.json",
            "plain.pem",
        ];
        std::fs::write(state.join("openclaw.json"), config).unwrap();
        for name in secrets {
            std::fs::write(state.join(name), TOKEN).unwrap();
        }
        std::fs::write(state.join("plain"), "text").unwrap();
        std::fs::write(state.join(OsStr::from_bytes(b"\xff\xfe")), "odd name").unwrap();
        std::fs::create_dir(home.0.path().join("outside")).unwrap();
        std::fs::write(home.0.path().join("outside/secret"), OUTSIDE).unwrap();
        std::fs::write(state.join("hooks/plain.js"), "text").unwrap();
        // Among other things, and with names that could be read, among code.
        for (folder, end) in [(state.clone(), ""), (state.join("hooks"), ".js")] {
            for (text, name) in [
                ("outside/secret", "out"),
                ("outside", "outside"),
                (".", "way"),
                ("/proc/self", "self"),
                ("circle", "circle"),
                ("nothing", "dangling"),
            ] {
                let text = match name {
                    "out" | "outside" => home.0.path().join(text),
                    "circle" => PathBuf::from(format!("{text}{end}")),
                    _ => PathBuf::from(text),
                };
                symlink(text, folder.join(format!("{name}{end}"))).unwrap();
            }
            fifo(&folder.join(format!("pipe{end}")));
            drop(UnixListener::bind(folder.join(format!("socket{end}"))).unwrap());
        }
        home
    }

    fn state(&self) -> PathBuf {
        self.0.path().join("state")
    }

    /// Puts bytes into a file beside the state directory.
    fn component(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// What a change would show in: everything there is, with its kind, mode, size, times and content.
    fn everything(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.0.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let facts = path.symlink_metadata().unwrap();
                // One of gigabytes has nothing in it.
                let is_read = facts.is_file() && facts.len() < 1 << 30;
                let content = if is_read { std::fs::read(&path).unwrap() } else { Vec::new() };
                let times = (facts.mtime(), facts.mtime_nsec(), facts.ctime(), facts.ctime_nsec());
                found.insert(path.clone(), format!("{:o} {times:?} {content:?}", facts.mode()));
                if facts.is_dir() {
                    folders.push(path);
                }
            }
        }
        found
    }

    /// Runs the program in an empty directory, without an environment, and stops it where it hangs.
    fn run(&self, arguments: &[&str]) -> Run {
        let before = self.everything();
        let mut command = Command::new(env!("CARGO_BIN_EXE_chitin"));
        command.env_clear().env("SOURCE_DATE_EPOCH", NOW.to_string()).current_dir(self.state().join("empty"));
        command.arg("audit").arg("--state-dir").arg(self.state()).args(arguments);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let collect = |pipe: &mut dyn std::io::Read| {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let stderr = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            err.read_to_end(&mut bytes).unwrap();
            String::from_utf8(bytes).unwrap()
        });
        let watch = std::thread::spawn(move || {
            let begin = Instant::now();
            loop {
                if let Some(status) = child.try_wait().unwrap() {
                    return status;
                }
                if begin.elapsed() > HANGS {
                    child.kill().unwrap();
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let stdout = collect(&mut out);
        let stderr = without_grant_warnings(&stderr.join().unwrap());
        let run = Run { stdout, stderr, status: watch.join().unwrap() };
        assert_eq!(before, self.everything(), "an audit changes nothing");
        for (name, text) in [("stdout", &run.stdout), ("stderr", &run.stderr)] {
            assert!(!text.contains(TOKEN) && !text.contains(OUTSIDE), "{name} tells a secret: {text}");
            assert!(!text.chars().any(|c| c != '\n' && is_invisible(c)), "{name} has raw controls: {text:?}");
        }
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        run
    }

    /// Audits with a built-in policy and a component that has every capability it declares; and the same where the operator has
    /// added that component: it is refused, or says the same.
    fn audit(&self, component: &str) -> Run {
        const CONTROL: [&str; 3] = ["--json", "--policy", "gateway-exposure"];
        let run = self.run(&[&CONTROL[..], &["--policy", component, "--grant", "all"]].concat());
        let folder = tempfile::tempdir().unwrap();
        let settings = folder.path().join("chitin.toml");
        let settings = settings.to_str().unwrap();
        let mut add = Command::new(env!("CARGO_BIN_EXE_chitin"));
        add.env_clear().env("HOME", folder.path());
        add.args(["policy", "add", component, "--yes", "--settings", settings]);
        let added = add.output().unwrap();
        let told = String::from_utf8(added.stderr).unwrap();
        assert!(!told.chars().any(|c| c != '\n' && is_invisible(c)), "{told:?}");
        if added.status.success() {
            let lock = std::fs::read_to_string(folder.path().join("chitin.lock")).unwrap();
            let id = lock.lines().find_map(|line| line.strip_prefix("id = \"")?.strip_suffix('"')).unwrap();
            let installed = self.run(&[&CONTROL[..], &["--settings", settings, "--policy", id]].concat());
            assert_eq!(installed.status.code(), run.status.code());
            assert_eq!(installed.said(), run.said());
        } else {
            assert_eq!((added.status.code(), told.starts_with("error: cannot ")), (Some(2), true), "{told}");
            assert!(!folder.path().join("chitin.lock").exists(), "nothing was added");
            assert!(matches!(run.status.code(), Some(2 | 3)), "what cannot be added does not run either");
        }
        run
    }
}

impl Run {
    /// All that the report says of the target, whatever the policy is called by.
    fn said(&self) -> Vec<String> {
        let mut report: Value = serde_json::from_str(&self.stdout).unwrap_or_default();
        for finding in report["findings"].as_array_mut().into_iter().flatten() {
            finding.as_object_mut().unwrap().remove("origin");
        }
        let reasons = report["incomplete"].as_array().into_iter().flatten();
        let reasons = reasons.map(|part| without_offset(part["reason"].as_str().unwrap_or_default()));
        [report["findings"].to_string(), report["counts"].to_string()].into_iter().chain(reasons).collect()
    }
}

/// Standard error but for the word on `--grant all`, which has a test of its own.
fn without_grant_warnings(stderr: &str) -> String {
    let is_that =
        |line: &&str| line.starts_with("warning: ") && line.contains(" is granted all that it asks for: it ");
    stderr.split_inclusive('\n').filter(|line| !is_that(line)).collect()
}

fn fifo(path: &Path) {
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

/// Must not reach a terminal or a reader as it is.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Where in a component something stands changes with the contract, and is no part of what is expected.
fn without_offset(reason: &str) -> String {
    let Some((head, tail)) = reason.split_once("offset ") else { return reason.to_owned() };
    format!("{head}offset N{}", tail.trim_start_matches(|c: char| c.is_ascii_hexdigit() || c == 'x'))
}

/// What the program did.
struct Run {
    stdout: String,
    stderr: String,
    status: ExitStatus,
}

impl Run {
    fn report(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.stdout, self.stderr))
    }

    /// The built-in policy found what is there, whatever the guest did.
    fn others_findings(&self) -> Value {
        let report = self.report();
        let findings = report["findings"].as_array().unwrap();
        assert!(
            findings.iter().any(|finding| finding["checkId"] == "gateway.tailscale_funnel"),
            "{}",
            self.stdout
        );
        report
    }

    /// The guest failed with exactly these words, and is named so.
    fn fails(&self, policy: &str, expect: &str) -> Value {
        let report = self.others_findings();
        let incomplete = report["incomplete"].as_array().unwrap();
        assert_eq!(incomplete.len(), 1, "{incomplete:?}");
        let reason = without_offset(incomplete[0]["reason"].as_str().unwrap());
        assert_eq!((reason.as_str(), incomplete[0]["policy"].as_str().unwrap()), (expect, policy));
        assert_eq!(
            (self.status.code(), &report["exit"]["code"]),
            (Some(3), &Value::from(3)),
            "{}",
            self.stderr
        );
        assert_eq!(self.stderr, "");
        report
    }

    /// The guest's verdict counts: this is its finding.
    fn says(&self) -> Value {
        let report = self.others_findings();
        assert_eq!(report["incomplete"], Value::Array(Vec::new()));
        assert_eq!(self.status.code(), Some(1), "the other policy's finding is critical");
        let findings = report["findings"].as_array().unwrap();
        findings.iter().find(|finding| finding["policy"] == "hostile").unwrap().clone()
    }
}

/// Runs a guest that must be stopped, with the words of its file.
fn stopped(name: &str) -> Value {
    let guest = guest(name);
    Home::new().audit(guest.component).fails("hostile", guest.expect)
}

/// Runs a guest that must not even be loaded, and whose manifest must not be believed.
fn refused(name: &str) {
    let guest = guest(name);
    Home::new().audit(guest.component).fails(guest.component, guest.expect);
}

/// Runs a guest that does nothing forbidden.
fn heard(name: &str) -> Value {
    let guest = guest(name);
    assert_eq!(guest.expect, "no failure");
    Home::new().audit(guest.component).says()
}

macro_rules! tests {
    ($how:ident: $($name:ident)*) => { $(#[test] fn $name() { $how(stringify!($name)); })* };
}

tests! { stopped:
    loops_forever calls_forever names_forever waits_forever watches_the_clock draws_forever fills_memory_forever starts_forever
    ends_after_its_answer allocates_forever allocates_more recurses_forever grows_a_table panics aborts exits
    floods_findings floods_text floods_fixes floods_places floods_open_checks leaves_open_another_check
    reads_rows_ungranted blames_the_operator leaves_open_with_the_token returns_too_much passes_too_much
    keeps_walks keeps_streams walks_with_a_huge_glob skips_slowly
    leaves_by_path leaves_by_link walks_out reads_credentials reads_everything hunts_the_token asks_about_other_files fails_with_the_token
    forges_a_check raises_a_severity
    points_outside points_at_no_view points_at_a_bad_path points_at_a_bad_pointer proposes_a_mode proposes_a_value
    proposes_too_much proposes_no_json proposes_outside
    opens_sockets uses_the_machine lies_about_wasi
    imports_http imports_the_unknown speaks_another_version exports_another_audit exports_no_audit
    returns_broken_text returns_a_wild_pointer hands_out_wild_memory calls_back_too_early keeps_two_memories
}

tests! { refused:
    takes_a_policy_id takes_a_check_id has_no_manifest has_a_broken_manifest has_a_hostile_manifest
    asks_for_everything proposes_both needs_more
}

/// Unpacks a database of the corpus, and its log where it has one, into the state directory.
fn database(home: &Home, name: &str) {
    std::fs::create_dir_all(home.state().join("state")).unwrap();
    for end in ["", "-wal"] {
        let packed = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("../tests/corpus/databases/{name}.sqlite{end}.gz"));
        let Ok(packed) = std::fs::read(packed) else { continue };
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut bytes).unwrap();
        std::fs::write(home.state().join(format!("state/openclaw.sqlite{end}")), bytes).unwrap();
    }
}

/// What the guest tells of the rows in a state directory.
fn rows(home: &Home) -> String {
    let run = home.audit(guest("tells_the_rows").component);
    let found = run.says();
    assert!(
        !run.stdout.contains("invented-socket-token") && !run.stdout.contains("PRIVATE"),
        "{}",
        run.stdout
    );
    found["detail"].as_str().unwrap().to_owned()
}

#[test]
fn tells_the_rows() {
    let home = Home::new();
    let none = "channel_pairing_allow_entries:  | exec_approvals_config: Error::NoTable | \
                config_machine_state: Error::NoTable | secret_store_entries: Error::NoTable | \
                secret_store_entries: Error::NoColumn(\"value\")";
    assert_eq!(rows(&home), none);
    let approvals =
        r#"{"version":1,"socket":{"path":"~/.openclaw/exec-approvals.sock","token":{"$hidden":"secret"}},"#;
    for (name, people, installs) in [
        ("2026.6.11", "", true),
        ("2026.8.2", "", false),
        ("2026.9.6", "telegram default 1001; telegram default 1002", true),
        ("2026.9.6-log", "telegram default 3001; telegram default 3002", true),
    ] {
        let home = Home::new();
        database(&home, name);
        let told = rows(&home);
        assert!(told.contains(&format!("channel_pairing_allow_entries: {people} | ")), "{name}: {told}");
        let is_old = name == "2026.6.11";
        assert_eq!(told.contains(&format!("current {approvals}")), !is_old, "{name}: {told}");
        let index = r#"plugins.installedIndex {"index":{"installRecords":{"#;
        assert!(told.contains(index), "{name}: {told}");
        let record = r#"{"installRecords":{"discord":{"source":"npm","spec":"@openclaw/discord"#;
        assert_eq!(told.contains(record), installs, "{name}: {told}");
        assert!(told.ends_with("secret_store_entries: Error::NoColumn(\"value\")"), "{name}: {told}");
    }
}

#[test]
fn rows_of_a_database_and_of_files_beside_it_are_both_told() {
    let home = Home::new();
    database(&home, "2026.9.6-log");
    std::fs::write(
        home.state().join("credentials/telegram-allowFrom.json"),
        r#"{"allowFrom": ["3002", "5"]}"#,
    )
    .unwrap();
    let file = format!(r#"{{"version": 1, "socket": {{"token": "{TOKEN}"}}}}"#);
    std::fs::write(home.state().join("exec-approvals.json"), file).unwrap();
    let told = rows(&home);
    assert!(told.contains("telegram default 3001; telegram default 3002; telegram default 5 | "), "{told}");
    assert!(told.contains(r#"; legacy {"version":1,"socket":{"token":{"$hidden":"secret"}}} | "#), "{told}");
}

#[test]
fn what_is_no_database_is_told_and_nothing_hangs() {
    let linked = "a link or another kind of object stands where the file should be";
    for (what, reason) in [
        ("fifo", linked),
        ("link", linked),
        ("folder", linked),
        ("garbage", "it is no SQLite database, or is encrypted"),
        ("sparse", "it is no SQLite database, or is encrypted"),
        ("journal", "it is being written: it has a rollback journal"),
        ("short", "the database is damaged: it ends before its last page"),
        ("circle", "the database is damaged: two places lead to the same page"),
    ] {
        let home = Home::new();
        database(&home, "2026.9.6");
        let path = home.state().join("state/openclaw.sqlite");
        let mut bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        match what {
            "fifo" => fifo(&path),
            "link" => symlink(home.0.path().join("outside/secret"), &path).unwrap(),
            "folder" => std::fs::create_dir(&path).unwrap(),
            "garbage" => std::fs::write(&path, TOKEN.repeat(1000)).unwrap(),
            "sparse" => {
                std::fs::write(&path, "").unwrap();
                std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(10 << 30).unwrap();
            }
            "journal" => {
                std::fs::write(&path, bytes).unwrap();
                std::fs::write(home.state().join("state/openclaw.sqlite-journal"), "begun").unwrap();
            }
            "short" => std::fs::write(&path, bytes.get(..8192).unwrap()).unwrap(),
            _ => {
                // The page behind the last of the first page's is the first page.
                bytes[108..112].copy_from_slice(&[0, 0, 0, 1]);
                std::fs::write(&path, bytes).unwrap();
            }
        }
        let told = rows(&home);
        let expected = format!("config_machine_state: Error::NotUnderstood(\"{reason}\")");
        assert!(told.contains(&expected), "{what}: {told}");
    }
}

#[test]
fn remembers() {
    // Over several targets: tests/targets.rs.
    let finding = heard("remembers");
    assert!(finding["detail"].as_str().unwrap().starts_with("It was told 1 times"), "{finding}");
}

#[test]
fn proposes_harm() {
    // An audit only carries proposals; tests/fix.rs has them refused.
    heard("proposes_harm");
}

// What they say of a preview weighs on their own proposals: tests/attacks/fixes.rs.
tests! { heard: vetoes_fixes fixes_slowly proposes_patterns }

#[test]
fn closes_one_file() {
    // Here is no such file; tests/attacks/fixes.rs has one.
    let guest = guest("closes_one_file");
    assert_eq!(guest.expect, "no failure");
    let report = Home::new().audit(guest.component).others_findings();
    assert_eq!(report["incomplete"], Value::Array(Vec::new()));
}

#[test]
fn claims_a_check() {
    // Alone it may: tests/attacks/surroundings.rs has it beside a guest that declares the same check.
    let guest = guest("claims_a_check");
    assert_eq!(guest.expect, "no failure");
    let run = Home::new().audit(guest.component);
    let report = run.others_findings();
    assert_eq!(report["incomplete"], Value::Array(Vec::new()));
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.iter().any(|finding| finding["policy"] == "hostile-too"), "{}", run.stdout);
}

#[test]
fn names_slow_links() {
    // Here is no such link; tests/attacks/budgets.rs has one.
    heard("names_slow_links");
}

#[test]
fn reads_ungranted() {
    let report = stopped("reads_ungranted");
    let denied = [
        "read:state/plain",
        "list:state",
        "stat:config",
        "secret:/gateway/auth/token",
        "secret:env:PATH",
        "gateway",
    ];
    assert_eq!(report["incomplete"][0]["denied"], Value::from(denied.as_slice()));
    let check =
        report["assessment"].as_array().unwrap().iter().find(|check| check["policy"] == "hostile").unwrap();
    assert_eq!(check["status"], "not-assessed");
}

/// A target with four plugins, and a guest that runs over each of them.
fn over_plugins(name: &str) -> (Value, &'static str) {
    let guest = guest(name);
    let home = Home::new();
    for plugin in ["bad", "one", "three", "two"] {
        let folder = home.state().join("extensions").join(plugin);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("index.js"), OUTSIDE).unwrap();
    }
    let arguments = ["--json", "--deep", "--policy", "gateway-exposure", "--policy", guest.component];
    let run = home.run(&[arguments.as_slice(), &["--grant", "all"]].concat());
    assert_eq!(run.status.code(), Some(3));
    (run.others_findings(), guest.expect)
}

#[test]
fn loops_in_one_plugin() {
    let (report, expect) = over_plugins("loops_in_one_plugin");
    let incomplete = report["incomplete"].as_array().unwrap();
    assert_eq!(incomplete.len(), 1, "{incomplete:?}");
    let reason = incomplete[0]["reason"].as_str().unwrap();
    assert!(reason.starts_with(&format!("{expect}, in ")) && reason.ends_with("/extensions/bad"), "{reason}");
    let findings = report["findings"].as_array().unwrap();
    let others = findings.iter().filter(|finding| finding["policy"] == "hostile").count();
    assert_eq!(others, 3, "the runs over the other plugins count");
}

#[test]
fn names_places_in_each_plugin() {
    let (report, expect) = over_plugins("names_places_in_each_plugin");
    let incomplete = report["incomplete"].as_array().unwrap();
    assert_eq!(incomplete.len(), 4, "one run for each plugin");
    assert!(
        incomplete.iter().all(|part| part["reason"].as_str().unwrap().starts_with(expect)),
        "{incomplete:?}"
    );
}

#[test]
fn nearly_tells_secrets() {
    let finding = heard("nearly_tells_secrets");
    assert!(finding["detail"].as_str().unwrap().starts_with("s3cr3t-valuX"), "nothing of it is a secret");
}

#[test]
fn looks_at_all_it_walked() {
    assert!(heard("looks_at_all_it_walked")["detail"].as_str().unwrap().ends_with(" objects"));
}

#[test]
fn looks_into_another_plugin() {
    let (report, expect) = over_plugins("looks_into_another_plugin");
    let incomplete = report["incomplete"].as_array().unwrap();
    assert_eq!(incomplete.len(), 4);
    for part in incomplete {
        let (said, _) = part["reason"].as_str().unwrap().rsplit_once(", in ").unwrap();
        assert_eq!(said, expect);
    }
}

#[test]
fn a_deep_policy_runs_in_deep_audits_only() {
    let run = Home::new().run(&["--policy", guest("loops_in_one_plugin").component]);
    assert_eq!((run.status.code(), run.stdout.as_str()), (Some(2), ""));
    assert!(
        run.stderr.contains("runs in deep audits only\nhelp: use `chitin audit --deep`"),
        "{}",
        run.stderr
    );
}

#[test]
fn what_is_declared_is_not_yet_granted() {
    let guest = guest("leaves_by_path");
    let home = Home::new();
    let run = home.run(&["--json", "--policy", "gateway-exposure", "--policy", guest.component]);
    let report = run.others_findings();
    assert_eq!(run.status.code(), Some(3));
    // Paths that break the grammar are refused as such, before grants are asked.
    assert_eq!(report["incomplete"][0]["reason"], guest.expect);
    let run = home.run(&["--json", "--policy", chitin_test_support::guest("keeps_walks").component]);
    assert_eq!(run.report()["incomplete"][0]["denied"], Value::from(["list:state"].as_slice()));
}

/// What is said of values of a config that nobody could read is said of an empty one. What is said of files is not.
#[test]
fn judges_what_is_empty() {
    assert_eq!(heard("judges_what_is_empty")["title"], "Guest says something harmless");
    let home = Home::new();
    let component = guest("judges_what_is_empty").component;
    std::fs::write(home.state().join("openclaw.json"), "{gateway: {").unwrap();
    let report = home.run(&["--json", "--policy", component, "--grant", "all"]).report();
    let places: Vec<&Value> =
        report["findings"].as_array().unwrap().iter().map(|found| &found["locations"][0]["kind"]).collect();
    assert_eq!(places, ["object"], "{report}");
    let report = home.run(&["--json", "--policy", component, "--grant", "config:/tools"]).report();
    assert_eq!(
        (&report["findings"], &report["assessment"][0]["status"]),
        (&Value::Array(Vec::new()), &"not-assessed".into())
    );
}

#[test]
fn commands_a_ci() {
    heard("commands_a_ci");
    let home = Home::new();
    let component = guest("commands_a_ci").component;
    for format in [&[][..], &["--json"]] {
        let said = home.run(&[format, &["--policy", component, "--grant", "all"]].concat()).stdout;
        assert!(said.contains("all is lost"), "{said}");
        for line in said.lines().map(str::trim_start) {
            assert!(!line.starts_with("::") && !line.contains("##[") && !line.contains("##vso["), "{line}");
        }
    }
}

#[test]
fn memory_is_granted_too() {
    let run = Home::new().run(&[
        "--json",
        "--policy",
        "gateway-exposure",
        "--policy",
        guest("allocates_more").component,
    ]);
    run.fails("hostile", guest("allocates_forever").expect);
}

#[test]
fn floods_denials() {
    let report = stopped("floods_denials");
    let denied = report["incomplete"][0]["denied"].as_array().unwrap();
    assert!(denied.len() <= 16 && denied.iter().all(|name| name.as_str().unwrap().len() < 1_000));
}

#[test]
fn asks_with_escapes() {
    let guest = guest("asks_with_escapes");
    let home = Home::new();
    let report = home.audit(guest.component).fails("hostile", guest.expect);
    let denied = report["incomplete"][0]["denied"].to_string();
    assert!(denied.contains(r"\\u{1b}[2J\\u{202e}x\\u{a}"), "{denied}");
    let text = home.run(&["--policy", guest.component]).stdout;
    assert!(!text.contains("'stat:state/x'"), "a name ends the quotes of the suggested command: {text}");
}

#[test]
fn floods_the_log() {
    let guest = guest("floods_the_log");
    let home = Home::new();
    home.audit(guest.component).says();
    let run = home.run(&["--json", "--verbose", "--policy", guest.component]);
    let log: usize = run.stderr.lines().map(|line| line.trim_start_matches("hostile: ").len() + 1).sum();
    assert!((60 << 10..=64 << 10).contains(&log), "{log} bytes");
}

#[test]
fn stays_silent() {
    let component = guest("stays_silent").component;
    let status = |run: Run| {
        let report: Value = serde_json::from_str(&run.stdout).unwrap();
        let check = &report["assessment"][0];
        (check["status"].clone(), check["unassessed"][0]["class"].clone(), run.status.code())
    };
    let granted = Home::new().run(&["--json", "--policy", component, "--grant", "all"]);
    assert_eq!(status(granted), ("clean".into(), Value::Null, Some(0)));
    // The operator decided so: it is told, and no failure unless he wants it to be one.
    let withheld = Home::new().run(&["--json", "--policy", component]);
    assert!(withheld.stdout.contains("it was not granted config:/gateway, so its silence says nothing"));
    assert_eq!(status(withheld), ("not-assessed".into(), "out-of-reach".into(), Some(0)));
    let strict = Home::new().run(&["--json", "--policy", component, "--fail-on-unassessed"]);
    assert_eq!(strict.report()["incomplete"][0]["denied"], Value::from(["config:/gateway"].as_slice()));
    assert_eq!(strict.status.code(), Some(3));
}

#[test]
fn tells_the_token() {
    let finding = heard("tells_the_token");
    assert_eq!((&finding["title"], &finding["detail"]), (&Value::from("Token ***"), &Value::from("******")));
    assert_eq!(finding["remediation"], "***");
    assert_eq!(finding["locations"][1]["name"], "***");
}

#[test]
fn writes_escapes() {
    let finding = heard("writes_escapes");
    let evil = r"\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\u{d}\u{8}\u{202e}\u{2066}\u{200b}\u{feff}\u{e0041}\u{7f}";
    assert_eq!(finding["checkId"], format!("hostile.{evil}.name"));
    assert_eq!(finding["title"], format!("T{evil}\\u{{a}}FAKE"));
    assert_eq!(finding["detail"], format!("D{evil}\nexit 0: FAKE"));
    assert_eq!(finding["locations"][0]["rel"], format!("a{evil}/%FF{evil}"));
    // Whether people are shown anything raw is looked at in each run.
    let text = Home::new().run(&["--policy", guest("writes_escapes").component, "--grant", "all"]).stdout;
    assert!(text.contains(evil) && !text.contains("\nexit 0: FAKE") && !text.contains("\nFAKE"), "{text}");
}

#[test]
fn tells_the_time() {
    let [one, other] = [(); 2].map(|()| heard("tells_the_time")["detail"].as_str().unwrap().to_owned());
    assert_eq!(one, other, "two runs give the same bytes");
    // A millionth of a second with each look, whatever is done between them.
    let ticks = format!("Some({NOW}000001000) Some({NOW}000002000) {NOW} ");
    assert!(one.starts_with(&ticks), "{one}");
}

/// A component that is damaged is refused with these words.
fn damaged(bytes: &[u8], expect: &str) {
    let home = Home::new();
    let component = home.component("damaged.wasm", bytes);
    home.audit(&component).fails(&component, expect);
}

fn bytes_of(name: &str) -> Vec<u8> {
    std::fs::read(guest(name).component).unwrap()
}

/// A custom section of a component.
fn section(name: &str, data: &[u8]) -> Vec<u8> {
    let mut body = vec![u8::try_from(name.len()).unwrap()];
    body.extend([name.as_bytes(), data].concat());
    let mut section = vec![0];
    let mut length = body.len();
    while length >= 0x80 {
        section.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    section.push(u8::try_from(length).unwrap());
    section.extend(body);
    section
}

const NO_WASM: &str =
    "refused: it is no WebAssembly component: it does not begin with the four bytes that mark WebAssembly";

#[test]
fn an_empty_file() {
    damaged(b"", NO_WASM);
}

#[test]
fn a_text_file() {
    damaged(b"#!/bin/sh\nexit 0\n", NO_WASM);
}

#[test]
fn a_core_module() {
    damaged(b"\0asm\x01\0\0\0", "refused: it is a core module, not a component; build it for wasm32-wasip2");
}

#[test]
fn a_component_cut_short() {
    let bytes = bytes_of("loops_forever");
    damaged(&bytes[..bytes.len() / 2], "refused: it is no WebAssembly component: unexpected end-of-file");
    damaged(&bytes[..8], "refused: it exports no audit function: it is no policy");
}

#[test]
fn a_component_whose_code_is_broken() {
    // Its outside is whole, so that only the compiler sees it.
    let mut bytes = bytes_of("starts_forever");
    let code = [0x03, 0x40, 0x0c, 0x00, 0x0b]; // loop, br 0, end
    let at = bytes.windows(code.len()).position(|window| window == code).unwrap();
    bytes[at + 3] = 0x07;
    let home = Home::new();
    let component = home.component("broken.wasm", &bytes);
    let expect = "refused: it does not compile: failed to compile: wasm[0]::function[1]::start: WebAssembly translation \
                  error: Invalid input WebAssembly code at offset N: unknown label: branch depth too large";
    home.audit(&component).fails("hostile", expect);
}

#[test]
fn a_component_that_adds_to_the_contract() {
    // Its import of a known interface has a function that does not exist.
    let mut bytes = bytes_of("calls_forever");
    for at in 0..bytes.len() - 5 {
        if &bytes[at..at + 5] == b"probe" {
            bytes[at..at + 5].copy_from_slice(b"erase");
        }
    }
    let home = Home::new();
    let component = home.component("adds.wasm", &bytes);
    let expect = "refused: it does not fit the contract, rebuild it with the one in wit/: component imports instance `chitin:policy/gateway@1.0.0`, but a \
                  matching implementation was not found in the linker: instance export `erase` has the wrong type: \
                  function implementation is missing";
    home.audit(&component).fails("hostile", expect);
}

#[test]
fn a_second_manifest() {
    let more = section("chitin-manifest", b"[policy]\nid = \"kind\"\n");
    damaged(&[bytes_of("loops_forever"), more].concat(), "refused: it has more than one manifest");
}

#[test]
fn a_manifest_that_is_no_text() {
    let bytes = [bytes_of("has_no_manifest"), section("chitin-manifest", b"\xff\xfe")].concat();
    damaged(&bytes, "refused: the manifest is not understood: it is not UTF-8");
}

#[test]
fn a_manifest_that_is_too_long() {
    let bytes =
        [bytes_of("has_no_manifest"), section("chitin-manifest", &b"#".repeat((64 << 10) + 1))].concat();
    damaged(&bytes, "refused: the manifest has 65537 bytes; 65536 are read at most");
}

#[test]
fn a_manifest_that_is_too_deep() {
    let text = format!("a = {}", "[".repeat(60 << 10));
    let bytes = [bytes_of("has_no_manifest"), section("chitin-manifest", text.as_bytes())].concat();
    damaged(
        &bytes,
        "refused: the manifest is not understood: line 1: cannot recurse further; max recursion depth met",
    );
}

#[test]
fn a_component_that_is_too_large() {
    let bytes = [bytes_of("loops_forever"), section("padding", &vec![0; 64 << 20])].concat();
    let given = bytes.len();
    damaged(&bytes, &format!("refused: component limit: 64 MiB allowed, {given} bytes given"));
}

#[test]
fn a_path_that_cannot_be_read() {
    let home = Home::new();
    let pipe = home.0.path().join("pipe.wasm");
    fifo(&pipe);
    for (path, why) in
        [(pipe, "a named pipe, not a regular file"), (home.0.path().join("none.wasm"), "does not exist")]
    {
        let run = home.audit(path.to_str().unwrap());
        assert_eq!((run.status.code(), run.stdout.as_str()), (Some(2), ""));
        let first = run.stderr.lines().next().unwrap();
        assert!(first.starts_with("error: cannot read the policy ") && first.ends_with(why), "{first}");
    }
}

#[test]
fn all_at_once() {
    let home = Home::new();
    let text = home.component("text.wasm", b"no component");
    let mut arguments =
        vec!["--json", "--policy", "gateway-exposure", "--policy", text.as_str(), "--grant", "all"];
    let quick = [
        "loops_forever",
        "allocates_forever",
        "recurses_forever",
        "panics",
        "floods_findings",
        "has_no_manifest",
    ];
    // All guests are called "hostile", and one command takes one policy of a name.
    let named = |(number, name): (usize, &&str)| {
        let id = format!("hosti-{}", char::from(b'a' + u8::try_from(number).unwrap()));
        home.component(&format!("{name}.wasm"), &renamed(guest(name), &id))
    };
    let components: Vec<String> = quick.iter().enumerate().map(named).collect();
    arguments
        .extend(components.iter().flat_map(|component| ["--policy", component.as_str(), "--grant", "all"]));
    let run = home.run(&arguments);
    let report = run.others_findings();
    let reasons: Vec<&str> = report["incomplete"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons[1..], quick.map(|name| guest(name).expect));
    assert_eq!(run.status.code(), Some(3));
}

/// A guest without a test does not compile.
mod every_guest_has_a_test {
    macro_rules! is_tested {
        ($name:ident) => {
            #[allow(unused_imports, reason = "it only has to exist")]
            use super::$name as _;
        };
    }
    super::for_each_hostile_guest!(is_tested);
}
