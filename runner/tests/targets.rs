//! What an audit is about: a config alone, and several targets in one call.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test makes its target, and stops where it cannot"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

use serde_json::Value;

/// Stands in the state directory of the account that audits, and must be met nowhere.
const CANARY: &str = "canary-of-this-account";

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, rel: &str) -> PathBuf {
        self.0.path().join(rel)
    }

    fn file(&self, rel: &str, mode: u32, content: &str) {
        let path = self.path(rel);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let folder = path.parent().unwrap();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chitin"));
        command.args(arguments).current_dir(self.0.path()).env_clear();
        command.env("HOME", self.0.path()).env("SOURCE_DATE_EPOCH", "1771545600");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> (Value, i32) {
        let output = self.run(&[&["audit", "--json", "--openclaw-version", "2026.2.19"], arguments].concat());
        let report = serde_json::from_slice(&output.stdout);
        (report.unwrap_or_else(|_| panic!("{}", err(&output))), output.status.code().unwrap())
    }
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn ids(report: &Value) -> Vec<&str> {
    report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["checkId"].as_str().unwrap())
        .collect()
}

/// A repository with a config, below a folder.
fn repository(home: &Home, folder: &str) {
    fs::create_dir_all(home.path(folder).join(".git")).unwrap();
    home.file(
        &format!("{folder}/deploy/openclaw.json"),
        0o644,
        "{ gateway: { bind: 'lan', auth: { mode: 'token', token: '${GATEWAY_TOKEN}' } }, \
           channels: { telegram: { groupPolicy: 'open', botToken: '${GATEWAY_TOKEN}' } }, \
           hooks: { enabled: true, token: '${HOOKS_TOKEN}' }, logging: { redactSensitive: 'off' } }\n",
    );
}

#[test]
fn a_config_alone_is_judged_the_same_on_every_machine() {
    let (laptop, ci) = (Home::new(), Home::new());
    laptop.file(".openclaw/openclaw.json", 0o644, &format!("{{ env: {{ X: '{CANARY}' }} }}"));
    laptop.file(".openclaw/.env", 0o644, &format!("GATEWAY_TOKEN={CANARY}\nHOOKS_TOKEN={CANARY}\n"));
    fs::set_permissions(laptop.path(".openclaw"), fs::Permissions::from_mode(0o777)).unwrap();
    repository(&laptop, "work/repo");
    repository(&ci, "builds/4711/repo");
    let audit = |home: &Home, config: &str| {
        let mut command =
            home.command(&["audit", "--json", "--openclaw-version", "2026.2.19", "--config", config]);
        let output = command.env("GATEWAY_TOKEN", CANARY).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains(CANARY), "{text}");
        let mut report: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(report["target"]["scope"], "config");
        report["target"]["root"].take();
        (report, output.status.code())
    };
    let (one, other) = (
        audit(&laptop, "work/repo/deploy/openclaw.json"),
        audit(&ci, "builds/4711/repo/deploy/openclaw.json"),
    );
    assert_eq!(one, other);
    let (report, _) = one;
    assert_eq!(report["target"]["configPath"], "deploy/openclaw.json");
    assert!(report["target"]["stateDir"].is_null());
    let found = ids(&report);
    assert!(found.contains(&"logging.redact_off"), "{found:?}");
    assert!(!found.iter().any(|id| id.starts_with("fs.")), "modes of a checkout are no finding: {found:?}");
    let unset: Vec<&Value> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["checkId"] == "config.unset_variable")
        .collect();
    assert_eq!(unset.len(), 2, "one for each variable");
    assert!(unset.iter().all(|finding| finding["severity"] == "info"));
    assert!(
        unset.iter().any(|finding| finding["locations"].as_array().unwrap().len() == 2),
        "with all its places"
    );
    for check in report["assessment"].as_array().unwrap() {
        let id = check["checkId"].as_str().unwrap();
        let of_state =
            ["fs.state_dir.", "fs.credentials_dir.", "fs.auth_profiles.", "fs.sessions_store.", "fs.config."];
        if of_state.iter().any(|field| id.starts_with(field)) {
            assert_eq!(check["status"], "not-applicable", "{check}");
            assert!(check["reason"].as_str().unwrap().starts_with("scope config: "), "{check}");
        }
    }
    assert_eq!(report["counts"]["failed"], 0, "{report:#}");
}

#[test]
fn what_is_in_a_state_directory_is_that_installations_config_and_the_operator_can_say_otherwise() {
    let home = Home::new();
    home.file(".openclaw/openclaw.json", 0o644, "{}");
    home.file("srv/agents/main/sessions/a.jsonl", 0o600, "");
    home.file("srv/openclaw.json", 0o644, "{}");
    home.file("plain/openclaw.json", 0o644, "{}");
    for (arguments, scope) in [
        (&["--config", ".openclaw/openclaw.json"][..], "installation"),
        (&["--config", "srv/openclaw.json"], "installation"),
        (&["--config", "plain/openclaw.json"], "config"),
        (&["--config", "plain/openclaw.json", "--scope", "installation"], "installation"),
        (&["--config", "srv/openclaw.json", "--scope", "config"], "config"),
        (&["--config", "plain/openclaw.json", "--state-dir", "srv"], "installation"),
    ] {
        let (report, _) = home.json(arguments);
        assert_eq!(report["target"]["scope"], scope, "{arguments:?}");
    }
}

#[test]
fn one_target_that_cannot_be_used_costs_none_of_the_others() {
    let home = Home::new();
    home.file("a/openclaw.json", 0o600, "{ logging: { redactSensitive: 'off' } }");
    home.file("b/openclaw.json", 0o600, "{}");
    repository(&home, "repo");
    let targets = ["a", "nowhere", "repo/deploy/openclaw.json", "./a", "b"];
    let (all, code) = home.json(&targets);
    let reports = all["reports"].as_array().unwrap();
    let codes: Vec<i64> = reports.iter().map(|report| report["exit"]["code"].as_i64().unwrap()).collect();
    assert_eq!((reports.len(), codes[1], code, &all["exit"]["code"]), (4, 2, 2, &2.into()));
    assert!(reports[1]["exit"]["reason"].as_str().unwrap().contains("cannot use nowhere"));
    assert_eq!(reports[1]["counts"]["clean"], 0, "nothing is called clean that was not looked at");
    let scopes: Vec<&str> =
        reports.iter().map(|report| report["target"]["scope"].as_str().unwrap()).collect();
    assert_eq!(scopes, ["installation", "installation", "config", "installation"]);
    // Each says what it says alone.
    let (alone, _) = home.json(&["--state-dir", "a"]);
    assert_eq!(alone["findings"], reports[0]["findings"]);
    assert!(err(&home.run(&["audit", "a", "./a"])).contains("is named twice"));
    // The worst of the rest counts.
    let (_, code) = home.json(&["a", "b", "--fail-on", "warn", "--policy", "logging-redaction"]);
    assert_eq!(code, 1);
    let (_, code) = home.json(&["b", "--policy", "logging-redaction"]);
    assert_eq!(code, 0);
}

#[test]
fn a_list_is_read_line_by_line_and_written_line_by_line() {
    let home = Home::new();
    home.file("a/openclaw.json", 0o600, "{ logging: { redactSensitive: 'off' } }");
    home.file("b/openclaw.json", 0o600, "{}");
    let long = "x".repeat(20_000);
    let list = format!(
        "# ours\n\na\n{{\"stateDir\": \"b\", \"id\": \"two\\u001b[31m\"}}\n{{\"stateDir\": 5}}\n{{\"id\": \"x\"}}\n{{\"more\": 1}}\n{long}\n\u{7f}\0\n"
    );
    let mut command = home.command(&[
        "audit",
        "--targets",
        "-",
        "--jobs",
        "1",
        "--format",
        "ndjson",
        "--policy",
        "logging-redaction",
    ]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(list.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let targets: Vec<&Value> = lines.iter().filter(|line| line["kind"] == "target").collect();
    let codes: Vec<i64> = targets.iter().map(|line| line["exit"]["code"].as_i64().unwrap()).collect();
    assert_eq!(codes, [0, 0, 2, 2, 2, 2, 2], "{}", err(&output));
    assert!(!text.contains('\u{1b}') && text.contains("two"), "{text}");
    assert!(
        text.contains("line 5 of the list")
            && text.contains("neither stateDir nor config")
            && text.contains("20000 bytes"),
        "{text}"
    );
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn no_target_brings_the_settings_that_it_is_judged_by() {
    let home = Home::new();
    home.file("a/openclaw.json", 0o600, "{ logging: { redactSensitive: 'off' } }");
    home.file("b/openclaw.json", 0o600, "{}");
    home.file("a/conf/chitin/chitin.toml", 0o600, "[severity]\n\"logging.redact_off\" = \"info\"\n");
    fs::set_permissions(home.path("a/conf"), fs::Permissions::from_mode(0o700)).unwrap();
    for targets in [&["a"][..], &["b", "a"]] {
        let mut command = home.command(&[&["audit"], targets].concat());
        let output = command.env("XDG_CONFIG_HOME", home.path("a/conf")).output().unwrap();
        assert!(output.status.code() == Some(2) && output.stdout.is_empty(), "{targets:?} {}", err(&output));
    }
}

#[test]
fn a_config_that_is_a_link_out_of_its_repository_is_not_read() {
    let home = Home::new();
    repository(&home, "repo");
    home.file("elsewhere/private.json", 0o600, &format!("{{ {}: 1 }}", CANARY.replace('-', "_")));
    std::os::unix::fs::symlink(home.path("elsewhere/private.json"), home.path("repo/openclaw.json")).unwrap();
    std::os::unix::fs::symlink(home.path("elsewhere"), home.path("repo/folder")).unwrap();
    for config in ["repo/openclaw.json", "repo/folder/private.json"] {
        let output = home.run(&["audit", "--config", config]);
        assert!(output.status.code() == Some(2), "{}", err(&output));
        assert!(err(&output).contains("leads out of the repository") && output.stdout.is_empty());
    }
    std::os::unix::fs::symlink("deploy/openclaw.json", home.path("repo/inside.json")).unwrap();
    assert_ne!(home.run(&["audit", "--config", "repo/inside.json"]).status.code(), Some(2));
}

#[test]
fn a_list_that_is_none_and_flags_that_do_not_fit_are_told() {
    let home = Home::new();
    home.file("a/openclaw.json", 0o600, "{}");
    fs::write(home.path("empty"), "# nothing\n").unwrap();
    for (arguments, reason) in [
        (&["a", "--state-dir", "a"][..], "name one target"),
        (&["a", "--profile", "x"], "name one target"),
        (&["a", "b", "--fix"], "are about one target"),
        (&["--targets", "nowhere"], "nowhere"),
        (&["--targets", "empty"], "names no target"),
    ] {
        let output = home.run(&[&["audit"], arguments].concat());
        assert!(
            output.status.code() == Some(2) && err(&output).contains(reason),
            "{arguments:?} {}",
            err(&output)
        );
    }
    assert!(Path::new(&home.path("a/openclaw.json")).exists());
}

/// Made installations, and the lines of a list that names them.
fn fleet(home: &Home, count: usize) -> String {
    let line = |number: usize| {
        let folder = format!("fleet/{number}/.openclaw");
        let level = if number.is_multiple_of(2) { "off" } else { "tools" };
        home.file(
            &format!("{folder}/openclaw.json"),
            0o600,
            &format!("{{ logging: {{ redactSensitive: '{level}' }} }}"),
        );
        format!("{{\"stateDir\": \"{}\", \"id\": \"t{number}\"}}\n", home.path(&folder).display())
    };
    (0..count).map(line).collect()
}

/// What NDJSON says of targets: what each is called, and its exit code; and how many findings stand before them.
fn results(text: &str) -> (Vec<(String, i64)>, usize) {
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let targets: Vec<(String, i64)> = lines
        .iter()
        .filter(|line| line["kind"] == "target")
        .map(|line| (line["called"].as_str().unwrap().to_owned(), line["exit"]["code"].as_i64().unwrap()))
        .collect();
    let findings = lines.len() - targets.len();
    (targets, findings)
}

fn fed(home: &Home, arguments: &[&str], list: impl AsRef<[u8]>) -> Output {
    let mut child = home
        .command(&[&["audit", "--targets", "-", "--policy", "logging-redaction"], arguments].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let list = list.as_ref().to_vec();
    let feeding = std::thread::spawn(move || input.write_all(&list));
    let output = child.wait_with_output().unwrap();
    let _ = feeding.join().unwrap();
    output
}

#[test]
fn each_of_many_targets_says_what_it_says_alone() {
    let home = Home::new();
    let list = fleet(&home, 12);
    let output = fed(&home, &["--format", "ndjson", "--jobs", "3", "--fail-on", "warn"], &list);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let (mut targets, findings) = results(&text);
    targets.sort();
    let mut expected: Vec<(String, i64)> =
        (0..12).map(|number| (format!("t{number}"), i64::from(number % 2 == 0))).collect();
    expected.sort();
    assert_eq!((targets, findings), (expected, 6));
    for number in [0, 1] {
        let state = home.path(&format!("fleet/{number}/.openclaw"));
        let alone = home.run(&[
            "audit",
            "--state-dir",
            state.to_str().unwrap(),
            "--policy",
            "logging-redaction",
            "--format",
            "ndjson",
            "--fail-on",
            "warn",
        ]);
        let alone: Vec<Value> = String::from_utf8(alone.stdout)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let among: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for finding in alone.iter().filter(|line| line["kind"].is_null()) {
            let same = |other: &&Value| {
                other["finding_info"]["desc"] == finding["finding_info"]["desc"]
                    && other["finding_info"]["uid"]
                        .as_str()
                        .unwrap()
                        .ends_with(finding["finding_info"]["uid"].as_str().unwrap())
            };
            assert_eq!(among.iter().filter(same).count(), 6, "it tells the same of each: {finding}");
        }
    }
    // The formats that are one document have the order of the list.
    let output = fed(&home, &["--json", "--jobs", "3"], &list);
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    let called: Vec<&str> = all["reports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|report| report["target"]["called"].as_str().unwrap())
        .collect();
    assert_eq!(called, (0..12).map(|number| format!("t{number}")).collect::<Vec<_>>());
}

/// Installations that make an audit open all kinds of places.
fn varied(home: &Home) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let demo = home.path("demo");
    assert!(Command::new(root.join("tests/corpus/demo/install")).arg(&demo).status().unwrap().success());
    let config = |name: &str, text: &str| home.file(&format!("{name}/.openclaw/openclaw.json"), 0o600, text);
    config("env", "{ gateway: { auth: { mode: 'token', token: '${TOKEN_OF_GATEWAY}' } } }");
    home.file("env/.openclaw/.env", 0o644, "TOKEN_OF_GATEWAY=a-token-of-no-account-at-all\n");
    config("include", "{ $include: './parts/more.json5', logging: { file: 'logs/gateway.log' } }");
    home.file("include/.openclaw/parts/more.json5", 0o644, "{ tools: { profile: 'full' } }");
    home.file("kept/openclaw.json", 0o644, "{ gateway: { bind: 'lan' } }");
    fs::create_dir_all(home.path("linked/.openclaw")).unwrap();
    let link = home.path("linked/.openclaw/openclaw.json");
    std::os::unix::fs::symlink(home.path("kept/openclaw.json"), link).unwrap();
    config("database", "{ }");
    let packed = fs::read(root.join("tests/corpus/databases/2026.9.6.sqlite.gz")).unwrap();
    let mut rows = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed.as_slice()), &mut rows).unwrap();
    home.file("database/.openclaw/state/openclaw.sqlite", 0o600, "");
    fs::write(home.path("database/.openclaw/state/openclaw.sqlite"), rows).unwrap();
    config("twin", "{ channels: { whatsapp: { dmPolicy: 'pairing' } } }");
    home.file("twin/.openclaw/credentials/whatsapp/default/creds.json", 0o600, "{\"name\": \"a-login\"}");
    home.file("twin/.openclaw/credentials/whatsapp-allowFrom.json", 0o600, "{\"allowFrom\": [\"*\"]}");
    home.file("twin/.openclaw/extensions/x/index.js", 0o600, "");
    fs::hard_link(
        home.path("twin/.openclaw/credentials/whatsapp/default/creds.json"),
        home.path("twin/.openclaw/extensions/x/package.json"),
    )
    .unwrap();
    config("closed", "{ }");
    home.file("closed/.openclaw/agents/main/sessions/1.jsonl", 0o644, "");
    fs::set_permissions(home.path("closed/.openclaw/agents"), fs::Permissions::from_mode(0o000)).unwrap();
    config("broken", "{ gateway: ");
    let names = ["env", "include", "linked", "database", "twin", "closed", "broken"];
    let all = names.iter().map(|name| home.path(&format!("{name}/.openclaw")));
    [demo.join(".openclaw")].into_iter().chain(all).collect()
}

/// The worker of a list opens nothing by itself, and knows some answers. It says of each target what one says that is for it alone.
#[test]
fn a_worker_of_several_targets_says_of_each_what_one_for_it_alone_says() {
    let home = Home::new();
    let targets = varied(&home);
    let stripped = |mut report: Value| {
        for name in ["called", "id"] {
            report["target"].as_object_mut().unwrap().remove(name);
        }
        report
    };
    let alone: Vec<Value> = targets
        .iter()
        .map(|target| stripped(home.json(&["--state-dir", target.to_str().unwrap()]).0))
        .collect();
    let times = |text: &str| text.matches("\"checkId\"").count();
    assert!(alone.iter().all(|report| times(&report.to_string()) > 20), "each was audited");
    // Each has each other one before it, and itself.
    for turn in 0..targets.len() {
        let order: Vec<usize> = (0..targets.len()).chain((0..targets.len()).rev()).collect();
        let order: Vec<usize> = order.iter().map(|number| (number + turn) % targets.len()).collect();
        let line = |(place, number): (usize, &usize)| {
            format!("{{\"stateDir\": \"{}\", \"id\": \"{place}\"}}\n", targets[*number].display())
        };
        let list: String = order.iter().enumerate().map(line).collect();
        home.file("list", 0o600, &list);
        let list = home.path("list");
        let arguments = ["--targets", list.to_str().unwrap(), "--jobs", "1"];
        let (all, _) = home.json(&arguments);
        let reports = all["reports"].as_array().unwrap();
        assert_eq!(reports.len(), order.len());
        for (report, number) in reports.iter().zip(&order) {
            let name = targets[*number].display();
            assert_eq!(stripped(report.clone()), alone[*number], "{name} in turn {turn}");
        }
    }
    fs::set_permissions(home.path("closed/.openclaw/agents"), fs::Permissions::from_mode(0o700)).unwrap();
}

/// A policy of somebody else's that keeps what it was told has nothing to tell about the target before.
#[test]
fn no_policy_takes_anything_from_one_target_to_the_next() {
    let home = Home::new();
    let list = fleet(&home, 4);
    home.file("fleet/0/.openclaw/openclaw.json", 0o600, "{ logging: { file: 'canary-of-the-first' } }");
    let guest = chitin_test_support::GUESTS.iter().find(|guest| guest.name == "remembers").unwrap();
    let arguments = ["--policy", guest.component, "--grant", "all", "--json", "--jobs", "1"];
    let output = fed(&home, &arguments, &list);
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (number, report) in all["reports"].as_array().unwrap().iter().enumerate() {
        let findings = report["findings"].as_array().unwrap();
        let told = findings.iter().find(|finding| finding["checkId"] == "hostile.finding").unwrap();
        let detail = told["detail"].as_str().unwrap();
        assert!(detail.starts_with("It was told 1 times"), "{number}: {detail}");
        assert_eq!(detail.contains("canary-of-the-first"), number == 0, "{number}: {detail}");
    }
}

/// An audit whose list is written while it goes on, one target at a time.
struct Live {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Live {
    fn start(home: &Home) -> Self {
        let flags = ["--jobs", "1", "--policy", "logging-redaction", "--format", "ndjson"];
        let mut command = home.command(&[&["audit", "--targets", "-"][..], &flags].concat());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, lines: BufReader::new(output).lines() }
    }

    /// Names a target, and waits for its result.
    fn result_of(&mut self, line: &str) -> Value {
        writeln!(self.input, "{line}").unwrap();
        let mut lines =
            self.lines.by_ref().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
        lines.find(|line| line["kind"] == "target").unwrap()
    }
}

/// The workers of a process, by their numbers.
fn workers(parent: u32) -> Vec<i32> {
    let is_worker = |folder: &Path| {
        let stat = fs::read_to_string(folder.join("stat")).ok()?;
        let behind = stat.rsplit_once(") ")?.1;
        (behind.split(' ').nth(1)? == parent.to_string()).then_some(())?;
        folder.file_name()?.to_str()?.parse().ok()
    };
    fs::read_dir("/proc").unwrap().filter_map(|entry| is_worker(&entry.ok()?.path())).collect()
}

/// A worker carries out one target after the other, and one that ends between two of them costs neither.
#[test]
fn a_worker_that_ends_between_two_targets_costs_none_of_them() {
    let home = Home::new();
    let list = fleet(&home, 4);
    let mut live = Live::start(&home);
    let mut met = Vec::new();
    for (number, line) in list.lines().enumerate() {
        let result = live.result_of(line);
        assert_eq!(result["exit"]["code"], 0, "{result}");
        let now = workers(live.child.id());
        if !now.is_empty() {
            assert_eq!(now.len(), 1);
            met.extend(now.iter().copied());
            if number == 1 {
                let pid = rustix::process::Pid::from_raw(now[0]).unwrap();
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            }
        }
    }
    drop(live.input);
    assert_eq!(live.child.wait().unwrap().code(), Some(0));
    // Where no worker can be confined, there is none.
    assert!(met.is_empty() || (met[0] == met[1] && met[1] != met[2] && met[2] == met[3]), "{met:?}");
}

/// The command of a list, called by a shell that does something before.
fn by_shell(home: &Home, script: &str) -> Output {
    home.file("list", 0o600, &fleet(home, 6));
    let program = env!("CARGO_BIN_EXE_chitin");
    let audit = format!("{program} audit --targets list --policy logging-redaction --format ndjson");
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &script.replace("AUDIT", &audit)]).current_dir(home.0.path()).env_clear();
    shell.env("HOME", home.0.path()).output().unwrap()
}

/// Root becomes the owner of a target, and can no longer end what it started as root.
#[test]
fn a_list_of_two_accounts_ends() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let home = Home::new();
    fs::set_permissions(home.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // Root's settings are for root.
    home.file(".config/chitin/chitin.toml", 0o600, "");
    fs::set_permissions(home.path(".config"), fs::Permissions::from_mode(0o700)).unwrap();
    let list = fleet(&home, 6);
    fs::set_permissions(home.path("fleet"), fs::Permissions::from_mode(0o755)).unwrap();
    for number in 3..6 {
        for place in ["", ".openclaw", ".openclaw/openclaw.json"] {
            let place = home.path(&format!("fleet/{number}/{place}"));
            std::os::unix::fs::chown(place, Some(12_345), Some(12_345)).unwrap();
        }
    }
    for jobs in ["1", "2"] {
        let output = fed(&home, &["--format", "ndjson", "--jobs", jobs], &list);
        let (targets, _) = results(&String::from_utf8(output.stdout.clone()).unwrap());
        assert_eq!(targets.len(), 6, "{}", err(&output));
        assert!(targets.iter().all(|(_, code)| *code != 2), "{targets:?} {}", err(&output));
    }
}

/// By `~` a config means the home of the account that it belongs to, in the first target of a list as in those behind it.
#[test]
fn no_target_of_another_account_is_judged_by_a_file_of_root() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let home = Home::new();
    home.file("gateway.log", 0o666, "");
    fs::set_permissions(home.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut arguments = vec!["audit", "--policy", "session-permissions", "--format", "json", "--jobs", "1"];
    for name in ["hosts/one", "hosts/two"] {
        home.file(&format!("{name}/openclaw.json"), 0o600, "{ logging: { file: '~/gateway.log' } }");
        for place in [name.to_owned(), format!("{name}/openclaw.json")] {
            std::os::unix::fs::chown(home.path(&place), Some(12_345), Some(12_345)).unwrap();
        }
        arguments.push(name);
    }
    fs::set_permissions(home.path("hosts"), fs::Permissions::from_mode(0o755)).unwrap();
    let output = home.command(&arguments).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for report in report["reports"].as_array().unwrap() {
        let findings = report["findings"].as_array().unwrap();
        let of_log =
            findings.iter().filter(|finding| finding["checkId"].as_str().unwrap().contains("log_file"));
        assert_eq!(of_log.count(), 0, "{report}");
        assert_eq!(report["exit"]["code"], 0, "{report}");
    }
}

#[test]
fn a_collector_that_is_not_there_costs_no_target_its_result() {
    let home = Home::new();
    let output = fed(&home, &["--format", "ndjson", "--otlp", "http://127.0.0.1:1"], fleet(&home, 50));
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    let (targets, _) = results(&String::from_utf8(output.stdout.clone()).unwrap());
    assert_eq!(targets.len(), 50, "{}", err(&output));
    assert!(err(&output).contains("the report itself is not lost"), "{}", err(&output));
}

#[test]
fn a_collector_that_does_not_answer_holds_up_no_interrupt() {
    let home = Home::new();
    // It accepts, by its queue, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    home.file("list", 0o600, &fleet(&home, 30));
    let mut child = home
        .command(&["audit", "--targets", "list", "--format", "ndjson", "--jobs", "1", "--otlp", &address])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let targets = lines.by_ref().filter(|line| line.as_ref().unwrap().contains("\"kind\":\"target\""));
    assert_eq!(targets.take(20).count(), 20);
    // The first batch is on its way, and nothing comes back.
    let (_taken, _) = silent.accept().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    assert!(err(&output).contains("cannot send the report: interrupted"), "{}", err(&output));
}

#[test]
fn where_nothing_was_assessed_there_is_no_result_yet() {
    let home = Home::new();
    let list = fleet(&home, 3);
    let whole = fed(&home, &["--format", "ndjson", "--jobs", "1"], &list);
    let whole = String::from_utf8(whole.stdout).unwrap();
    let targets = whole.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut targets: Vec<Value> = targets.filter(|line| line["kind"] == "target").collect();
    for (line, (assessed, code)) in targets.iter_mut().zip([(false, 3), (true, 3), (false, 2)]) {
        (line["assessed"], line["exit"]["code"]) = (assessed.into(), code.into());
    }
    let lines: Vec<String> = targets.iter().map(Value::to_string).collect();
    home.file("done", 0o600, &lines.join("\n"));
    let done = home.path("done");
    let output = fed(&home, &["--format", "ndjson", "--resume", done.to_str().unwrap()], list);
    let (targets, _) = results(&String::from_utf8(output.stdout).unwrap());
    let mut again: Vec<&str> = targets.iter().map(|(name, _)| name.as_str()).collect();
    again.sort_unstable();
    assert_eq!(again, ["t0", "t2"]);
}

#[test]
fn a_full_disk_under_the_results_is_told_and_ends_it() {
    let output = by_shell(&Home::new(), "AUDIT >/dev/full");
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("No space left on device"), "{}", err(&output));
}

#[test]
fn workers_without_memory_leave_a_result_for_each_target() {
    let output = by_shell(&Home::new(), "ulimit -v 3000000; AUDIT");
    assert_eq!(output.status.code(), Some(3), "{}", err(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let (targets, findings) = results(&text);
    assert_eq!((targets.len(), findings), (6, 0));
    assert!(targets.iter().all(|(_, code)| *code == 3), "{targets:?}");
    assert_eq!(text.matches("see ulimit -v").count(), 6, "{text}");
}

#[test]
fn what_is_no_target_costs_none_of_the_others() {
    let home = Home::new();
    let mut list = fleet(&home, 2).into_bytes();
    list.extend_from_slice(b"\xff\xfe\x00binary\n");
    list.extend(std::iter::repeat_n(b'x', 10 << 20));
    list.extend_from_slice(b"\n{\"stateDir\": 1}\n{\"id\": \"x\"}\n/nowhere\n\n# a comment\n");
    let mut twice = fleet(&home, 1).into_bytes();
    list.append(&mut twice);
    // The last line has no end.
    list.extend_from_slice(home.path("fleet/1").to_str().unwrap().as_bytes());
    let output = fed(&home, &["--format", "ndjson"], list);
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    assert!(err(&output).contains("is named twice, and audited once"), "{}", err(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let (targets, _) = results(&text);
    let code = |called: &str| targets.iter().find(|(name, _)| name == called).map(|(_, code)| *code);
    assert_eq!((code("t0"), code("t1"), code("/nowhere")), (Some(0), Some(0), Some(2)), "{targets:?}");
    assert_eq!((code("line 4"), code("line 5"), code("line 6")), (Some(2), Some(2), Some(2)), "{targets:?}");
    assert_eq!(targets.len(), 8, "{targets:?}");
    assert!(text.contains("it has 10485760 bytes"), "{text}");
}

#[test]
fn whoever_goes_on_leaves_out_what_has_its_result() {
    let home = Home::new();
    let list = fleet(&home, 8);
    let whole = fed(&home, &["--format", "ndjson", "--jobs", "1"], &list);
    let text = String::from_utf8(whole.stdout).unwrap();
    // It was ended in the middle of a line.
    let lines: Vec<&str> = text.lines().collect();
    let is_target = |line: &&&str| line.contains("\"kind\":\"target\"");
    let third = lines.iter().position(|line| line.contains("\"called\":\"t3\"")).unwrap();
    let kept = lines[..third].join("\n") + "\n" + &lines[third][..lines[third].len() - 1];
    assert_eq!(lines[..third].iter().filter(is_target).count(), 3);
    fs::write(home.path("results.ndjson"), &kept).unwrap();
    let output = fed(&home, &["--format", "ndjson", "--resume", "results.ndjson"], &list);
    let mut again: Vec<String> = results(&String::from_utf8(output.stdout.clone()).unwrap())
        .0
        .into_iter()
        .map(|(called, _)| called)
        .collect();
    again.sort();
    assert_eq!(again, ["t3", "t4", "t5", "t6", "t7"]);
    assert!(err(&output).contains("3 of 8 targets had their result"), "{}", err(&output));
    // All of them: nothing is left to be done.
    fs::write(home.path("results.ndjson"), &text).unwrap();
    let output = fed(&home, &["--format", "ndjson", "--resume", "results.ndjson"], &list);
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b""[..]), "{}", err(&output));
    for (arguments, told) in [
        (&["--resume", "results.ndjson"][..], "add --format ndjson"),
        (&["--resume", "nowhere", "--format", "ndjson"], "cannot read nowhere"),
        (&["--resume", ".", "--format", "ndjson"], "cannot read ."),
    ] {
        let output = fed(&home, arguments, &list);
        assert!(output.status.code() == Some(2) && err(&output).contains(told), "{}", err(&output));
    }
}

#[test]
fn names_that_look_alike_are_not_taken_for_one_another() {
    use std::os::unix::ffi::OsStrExt as _;
    let home = Home::new();
    let names =
        [&b"a\xff"[..], b"a\xfe", b"b"].map(|name| home.path("").join(std::ffi::OsStr::from_bytes(name)));
    for name in &names {
        fs::create_dir(name).unwrap();
        fs::write(name.join("openclaw.json"), "{}").unwrap();
    }
    let line = |name: &PathBuf| [name.as_os_str().as_bytes(), b"\n"].concat();
    let first = fed(&home, &["--format", "ndjson"], [line(&names[0]), line(&names[2])].concat());
    fs::write(home.path("results.ndjson"), first.stdout).unwrap();
    let place = names[2].display();
    let id = format!("{{\"stateDir\": \"{place}\", \"id\": \"{place}\"}}\n").into_bytes();
    let all = [line(&names[0]), line(&names[1]), id, line(&names[2])].concat();
    let output = fed(&home, &["--format", "ndjson", "--resume", "results.ndjson"], all);
    let (targets, _) = results(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(targets.len(), 2, "{targets:?}");
    assert!(targets.iter().any(|(called, _)| called.contains('\u{fffd}')), "{targets:?}");
}

#[test]
fn a_file_without_results_leaves_nothing_out_and_is_told() {
    let home = Home::new();
    home.file("report.json", 0o600, "{\n  \"reports\": []\n}\n");
    for (file, is_told) in [("report.json", true), ("/dev/null", false)] {
        let output = fed(&home, &["--format", "ndjson", "--resume", file], fleet(&home, 2));
        assert_eq!(results(&String::from_utf8(output.stdout.clone()).unwrap()).0.len(), 2);
        assert_eq!(err(&output).contains("has no result of a target"), is_told, "{}", err(&output));
    }
}

#[test]
fn results_behind_a_line_that_was_cut_off_begin_on_their_own() {
    let home = Home::new();
    let file = home.path("results.ndjson");
    let whole = by_shell(&home, "AUDIT").stdout;
    fs::write(&file, &whole[..whole.len() - 9]).unwrap();
    for wanted in ["5 of 6", "6 of 6"] {
        let output = by_shell(&home, "AUDIT --resume results.ndjson >>results.ndjson");
        assert!(err(&output).contains(wanted), "{}", err(&output));
    }
    let text = fs::read_to_string(&file).unwrap();
    let broken = text.lines().filter(|line| serde_json::from_str::<Value>(line).is_err()).count();
    assert_eq!(broken, 1, "{text}");
}

#[test]
fn the_results_are_not_read_as_targets() {
    let home = Home::new();
    for script in ["AUDIT >>list", "AUDIT --resume list >>list"] {
        let output = by_shell(&home, script);
        let said = err(&output);
        assert!(output.status.code() == Some(2) && said.contains("the results are written to it"), "{said}");
    }
}

#[test]
fn no_series_is_there_twice() {
    let home = Home::new();
    let mut list = fleet(&home, 2);
    let state = home.path("fleet/0/.openclaw");
    let again = format!("{{\"stateDir\": \"{}\", \"id\": \"t1\"}}\n", state.display());
    list += &again;
    let output = fed(&home, &["--format", "prometheus"], list);
    let text = String::from_utf8(output.stdout).unwrap();
    let series =
        text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap().0);
    let (all, each): (Vec<&str>, std::collections::HashSet<&str>) =
        (series.clone().collect(), series.collect());
    assert_eq!(all.len(), each.len(), "{text}");
    assert_eq!(text.matches("chitin_audit_exit_code{target=\"t1\"").count(), 2, "{text}");
}

#[test]
fn a_list_is_left_where_nobody_reads_the_results_any_more() {
    let home = Home::new();
    let mut child = home
        .command(&["audit", "--targets", "-", "--format", "ndjson", "--jobs", "1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    // It goes on as long as results are taken: the list has no end.
    let mut stdin = child.stdin.take().unwrap();
    let one = fleet(&home, 20);
    stdin.write_all(one.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", err(&output));
    assert!(err(&output).contains("nobody reads standard output any more"), "{}", err(&output));
    drop(stdin);
}

#[test]
fn repetitions_are_counted_where_there_are_many() {
    let home = Home::new();
    let output = fed(&home, &["--format", "ndjson"], fleet(&home, 1).repeat(500));
    let said = err(&output);
    assert!(said.contains("479 more are named twice, too") && said.lines().count() < 30, "{said}");
    assert!(said.ends_with("\n1 target: 1 passed\n"), "{said}");
}

#[test]
fn a_result_comes_before_the_next_target_is_named() {
    let home = Home::new();
    let list = fleet(&home, 3);
    let mut live = Live::start(&home);
    let seen: Vec<Value> = list.lines().map(|line| live.result_of(line)["called"].clone()).collect();
    assert_eq!(seen, ["t0", "t1", "t2"]);
    // A list that goes on is no reason to wait: one signal ends it.
    let pid = rustix::process::Pid::from_raw(i32::try_from(live.child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(live.child.wait().unwrap().code(), Some(3));
    drop(live.input);
}

#[test]
fn nothing_in_a_repository_chooses_that_its_surroundings_count() {
    let (home, outside) = (Home::new(), Home::new());
    fs::create_dir(home.path(".git")).unwrap();
    let config = "{ gateway: { bind: 'lan', controlUi: { enabled: false } } }";
    home.file("openclaw.json", 0o600, config);
    let (before, code) = home.json(&["--config", "openclaw.json"]);
    assert!(ids(&before).contains(&"gateway.bind_no_auth") && code == 1, "{:?}", ids(&before));
    // What makes a folder look like a state directory, and the login that it would bring.
    for made in
        ["credentials", "identity/device.json", "state/openclaw.sqlite", "agents/main/sessions/a.jsonl"]
    {
        home.file(&format!("{made}/x"), 0o600, "");
    }
    home.file(".env", 0o600, "OPENCLAW_GATEWAY_TOKEN=c1f4b8e07a925d3610be47fa98d2c563c1f4b8e0\n");
    home.file(".openclaw/openclaw.json", 0o600, config);
    home.file(".openclaw/.env", 0o600, "OPENCLAW_GATEWAY_TOKEN=c1f4b8e07a925d3610be47fa98d2c563c1f4b8e0\n");
    let elsewhere = outside.path("");
    for config in ["openclaw.json", ".openclaw/openclaw.json"] {
        let mut command =
            home.command(&["audit", "--json", "--openclaw-version", "2026.2.19", "--config", config]);
        let output = command.env("HOME", &elsewhere).env("OPENCLAW_GATEWAY_TOKEN", CANARY).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (report["target"]["scope"].as_str(), output.status.code()),
            (Some("config"), Some(1)),
            "{config}"
        );
        assert_eq!(ids(&report), ids(&before), "{config}");
        let open = report["assessment"]
            .as_array()
            .unwrap()
            .iter()
            .any(|check| check["unassessed"].as_array().is_some_and(|open| !open.is_empty()));
        assert!(!open, "what a config alone does not have is not applicable");
    }
    // Nor is a link followed out of it.
    outside.file("x.json", 0o600, &format!("{{ {CANARY}: 1 }}"));
    fs::remove_file(home.path(".openclaw/openclaw.json")).unwrap();
    std::os::unix::fs::symlink(outside.path("x.json"), home.path(".openclaw/openclaw.json")).unwrap();
    let output = home
        .command(&["audit", "--config", ".openclaw/openclaw.json"])
        .env("HOME", &elsewhere)
        .output()
        .unwrap();
    assert!(
        output.status.code() == Some(2) && err(&output).contains("leads out of the repository"),
        "{}",
        err(&output)
    );
    assert!(!String::from_utf8_lossy(&output.stdout).contains(CANARY));
}

#[test]
fn an_include_that_is_not_understood_is_not_assessed() {
    let home = Home::new();
    home.file("openclaw.json", 0o600, "{ gateway: { auth: { token: 'c1f4b8e07a925d3610be47fa98d2c563' } }, channels: { $include: './more.json5' } }");
    home.file("more.json5", 0o600, "{ telegram: { groupPolicy: 'open' } }}");
    let (report, code) = home.json(&["--config", "openclaw.json"]);
    assert_eq!(code, 3, "{:?}", ids(&report));
    assert!(ids(&report).contains(&"config.syntax"));
    assert_eq!(home.json(&["--config", "openclaw.json", "--exit-zero"]).1, 3);
}

#[test]
fn no_output_replaces_what_the_audit_reads() {
    let home = Home::new();
    home.file("openclaw.json", 0o600, "{}");
    home.file("chitin.toml", 0o600, "");
    let output = home.run(&["baseline", "write", "known.json", "--config", "openclaw.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    fs::write(home.path("list"), "openclaw.json\n").unwrap();
    std::os::unix::fs::symlink("openclaw.json", home.path("link")).unwrap();
    for (arguments, output) in [
        (&["--config", "openclaw.json"][..], "openclaw.json"),
        (&["--config", "openclaw.json"], "./link"),
        (&["--config", "openclaw.json", "--baseline", "known.json"], "known.json"),
        (&["--config", "openclaw.json", "--settings", "chitin.toml"], "chitin.toml"),
        (&["--targets", "list"], "list"),
    ] {
        let file = format!("json={output}");
        let before = fs::read(home.path(output)).unwrap();
        let done = home.run(&[&["audit", "--output", &file], arguments].concat());
        assert!(
            done.status.code() == Some(2) && err(&done).contains("this audit reads it"),
            "{}",
            err(&done)
        );
        assert_eq!(fs::read(home.path(output)).unwrap(), before);
    }
    // The one target that was named is one, however.
    let done = home.run(&["audit", "openclaw.json", "--baseline", "known.json", "--fail-on", "warn"]);
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
}

#[test]
fn each_id_has_its_result_though_a_place_is_a_link_to_anothers() {
    let home = Home::new();
    let mut list = fleet(&home, 1);
    std::os::unix::fs::symlink(home.path("fleet/0/.openclaw"), home.path("theirs")).unwrap();
    list +=
        &format!("{{\"stateDir\": \"{}\", \"id\": \"theirs\"}}\n", home.path("theirs").display()).repeat(2);
    let output = fed(&home, &["--format", "ndjson", "--jobs", "1"], &list);
    assert!(err(&output).contains("is named twice"), "{}", err(&output));
    let (targets, _) = results(&String::from_utf8(output.stdout).unwrap());
    let called: Vec<&str> = targets.iter().map(|(called, _)| called.as_str()).collect();
    assert_eq!(called, ["t0", "theirs"]);
}
