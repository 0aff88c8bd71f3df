//! It answers anywhere: few threads, no `/proc`, small limits, closed streams, odd names. What is audited is the demo
//! installation; the control is the same audit in ordinary surroundings.

#![allow(clippy::print_stdout, reason = "the person who runs the tests is told what was left out")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use chitin_test_support::guest;
use serde_json::Value;

use crate::support::root;

/// Runs `$0 "$@"` under a limit on processes and threads, whatever the shell calls it.
const FEW_THREADS: &str =
    "if (ulimit -u 100) 2>/dev/null; then ulimit -u $LIMIT; else ulimit -p $LIMIT; fi; exec \"$0\" \"$@\"";

/// A user whom nobody else is, so that their processes are those of this test alone.
const NOBODY_ELSE: u32 = 61_571;

/// A home directory with an installation.
struct Home(tempfile::TempDir);

impl Home {
    fn empty() -> Self {
        let home = tempfile::Builder::new().prefix("chitin-around-").tempdir().unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(home.path().join(".openclaw")).unwrap();
        fs::set_permissions(home.path().join(".openclaw"), fs::Permissions::from_mode(0o700)).unwrap();
        Self(home)
    }

    /// The demo installation.
    fn demo() -> Self {
        let home = Self::empty();
        let made = Command::new(root().join("tests/corpus/demo/install")).arg(home.path()).status().unwrap();
        assert!(made.success());
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn state(&self) -> PathBuf {
        self.path().join(".openclaw")
    }

    fn file(&self, rel: &str, mode: u32, content: &str) {
        let path = self.path().join(rel);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A command in this home directory, with nothing of the caller's environment.
    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("HOME", self.path());
        command.env("SOURCE_DATE_EPOCH", "1700000000").current_dir(self.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(chitin()).args(arguments))
    }

    /// Runs the program from a shell that has prepared its surroundings: the script ends in `exec "$0" "$@"`.
    fn run_in(&self, script: &str, arguments: &[&str]) -> Run {
        Run::of(self.command("/bin/sh").args(["-c", script]).arg(chitin()).args(arguments))
    }
}

fn chitin() -> &'static str {
    env!("CARGO_BIN_EXE_chitin")
}

/// What the program did.
struct Run {
    /// 0 where a signal ended it, which no test here expects.
    code: i32,
    out: String,
    err: String,
}

impl Run {
    fn of(command: &mut Command) -> Self {
        Self::ended(command.output().unwrap())
    }

    fn ended(output: Output) -> Self {
        let err = String::from_utf8(output.stderr).unwrap();
        let code = output.status.code().unwrap_or_else(|| panic!("{}: {err}", output.status));
        assert!(!err.contains("panicked"), "{err}");
        Self { code, out: String::from_utf8(output.stdout).unwrap(), err }
    }

    fn report(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {} {}", self.out, self.err))
    }

    /// `check-id:severity` of the findings.
    fn findings(&self) -> Vec<String> {
        let report = self.report();
        let findings = report["findings"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        findings
            .iter()
            .map(|found| format!("{}:{}", text(&found["checkId"]), text(&found["severity"])))
            .collect()
    }
}

fn is_root(what: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("{what}: left out, because it needs root");
    }
    root
}

/// Where another user can run the program.
fn reachable(home: &Home) -> PathBuf {
    let copy = home.path().join("chitin");
    fs::copy(chitin(), &copy).unwrap();
    copy
}

fn give_away(path: &Path, owner: u32) {
    lchown(path, Some(owner), Some(owner)).unwrap();
    if path.symlink_metadata().unwrap().is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give_away(&entry.unwrap().path(), owner);
        }
    }
}

/// An output without what it says of the confinement: how much of that there is depends on the limits.
fn without_confinement(out: &str) -> String {
    let of_json = || {
        let mut report: Value = serde_json::from_str(out).ok()?;
        report.as_object_mut()?.remove("confinement");
        Some(report.to_string())
    };
    of_json().unwrap_or_else(|| {
        let lines = out.lines().filter(|line| !line.contains("not confined in full"));
        lines.collect::<Vec<_>>().join("\n")
    })
}

#[test]
fn an_audit_and_a_fix_go_on_with_few_threads() {
    if !is_root("few threads") {
        return;
    }
    let home = Home::demo();
    let program = reachable(&home);
    give_away(home.path(), NOBODY_ELSE);
    let run = |limit: &str, arguments: &[&str]| {
        let mut command = home.command("/bin/sh");
        command.env("LIMIT", limit).args(["-c", FEW_THREADS]).arg(&program).args(arguments);
        Run::of(command.uid(NOBODY_ELSE).gid(NOBODY_ELSE))
    };
    let deep = ["audit", "--json", "--deep", "--policy", "plugin-code", "--policy", "gateway-auth"];
    for arguments in
        [["audit", "--json"].as_slice(), &["audit"], &["fix", "--dry-run"], &deep, &["policy", "list"]]
    {
        let control = run("1000", arguments);
        for limit in ["1", "2", "3", "4"] {
            let few = run(limit, arguments);
            assert_eq!(
                (few.code, without_confinement(&few.out)),
                (control.code, without_confinement(&control.out)),
                "{limit} {arguments:?} {}",
                few.err
            );
        }
    }
    // A live probe and a component's compiler want a thread or a process each: without, they say so.
    let probed = run("1", &["audit", "--json", "--deep"]);
    assert!(probed.findings().iter().any(|finding| finding == "logging.redact_off:warn"), "{}", probed.out);
    assert_eq!(run("1", &["fix", "--yes"]).code, 0);
}

#[test]
fn without_proc_a_component_from_a_file_still_runs() {
    if !is_root("no /proc") {
        return;
    }
    let home = Home::demo();
    let component = guest("claims_a_check").component;
    let arguments = ["audit", "--json", "--policy", "gateway-auth", "--policy", component];
    let script = "exec unshare -m sh -c 'umount -l /proc && exec \"$0\" \"$@\"' \"$0\" \"$@\"";
    let bare = home.run_in(script, &arguments);
    if bare.err.contains("unshare") || bare.err.contains("umount") {
        println!("no /proc: left out, because it cannot be taken away here: {}", bare.err);
        return;
    }
    let control = home.run(&arguments);
    assert_eq!((bare.code, &bare.out), (control.code, &control.out), "{}", bare.err);
    for arguments in [["audit"].as_slice(), &["fix", "--dry-run"], &["explain", "gateway.bind_no_auth"]] {
        let (bare, control) = (home.run_in(script, arguments), home.run(arguments));
        assert_eq!((bare.code, &bare.out), (control.code, &control.out), "{arguments:?} {}", bare.err);
    }
}

#[test]
fn small_limits_change_no_verdict_or_are_told() {
    let home = Home::demo();
    for limit in ["-n 16", "-n 32", "-s 256", "-f 0", "-c 0"] {
        let script = format!("ulimit {limit}; exec \"$0\" \"$@\"");
        for arguments in [["audit", "--json"].as_slice(), &["audit"], &["fix", "--dry-run"]] {
            let (small, control) = (home.run_in(&script, arguments), home.run(arguments));
            assert_eq!((small.code, &small.out), (control.code, &control.out), "{limit} {}", small.err);
        }
    }
    // Of address space each policy reserves much at once. What cannot run for want of it is not assessed.
    for kilobytes in ["524288", "1048576", "8388608"] {
        let small = home.run_in(&format!("ulimit -v {kilobytes}; exec \"$0\" \"$@\""), &["audit", "--json"]);
        let report = small.report();
        let missing = !report["incomplete"].as_array().unwrap().is_empty();
        assert_eq!(small.code, if missing { 3 } else { 1 }, "{}", small.out);
    }
}

#[test]
fn a_fix_under_a_limit_on_files_changes_nothing_halfway() {
    let home = Home::demo();
    let config = fs::read(home.state().join("openclaw.json")).unwrap();
    let small = home.run_in("ulimit -f 0; exec \"$0\" \"$@\"", &["fix", "--yes"]);
    assert_ne!(small.code, 0, "{}", small.out);
    assert_eq!(fs::read(home.state().join("openclaw.json")).unwrap(), config);
    assert_eq!(home.run(&["fix", "--yes"]).code, 0);
    assert_ne!(fs::read(home.state().join("openclaw.json")).unwrap(), config);
}

#[test]
fn a_working_directory_that_is_gone_is_told_and_nothing_else_changes() {
    let home = Home::demo();
    let script = "mkdir gone && cd gone && rmdir ../gone && exec \"$0\" \"$@\"";
    let (gone, control) = (home.run_in(script, &["audit", "--json"]), home.run(&["audit", "--json"]));
    let said = "config.no_working_directory:info";
    let mut findings = gone.findings();
    assert!(findings.iter().any(|finding| finding == said), "{findings:?}");
    findings.retain(|finding| finding != said);
    assert_eq!((gone.code, findings), (control.code, control.findings()));
    assert_eq!(home.run_in(script, &["fix", "--yes"]).code, 0);
    // A place that the command line names by a relative path cannot be found any more.
    assert_eq!(home.run_in(script, &["audit", "--state-dir", "../.openclaw"]).code, 2);
}

#[test]
fn closed_and_full_streams() {
    let home = Home::demo();
    let commands: [&[&str]; 7] = [
        &["audit"],
        &["audit", "--json"],
        &["fix", "--dry-run"],
        &["policy", "list"],
        &["explain", "gateway.bind_no_auth"],
        &["completions", "bash"],
        &["--help"],
    ];
    for arguments in commands {
        let control = home.run(arguments);
        for script in ["exec \"$0\" \"$@\" <&-", "exec \"$0\" \"$@\" 2>&-", "exec \"$0\" \"$@\" <&- 2>&-"] {
            let run = home.run_in(script, arguments);
            assert_eq!((run.code, &run.out), (control.code, &control.out), "{script} {arguments:?}");
        }
        for script in ["exec \"$0\" \"$@\" >&-", "exec \"$0\" \"$@\" >/dev/full"] {
            let run = home.run_in(script, arguments);
            assert_eq!(run.code, 2, "{script} {arguments:?}");
            assert!(
                run.err.contains("cannot write to standard output"),
                "{script} {arguments:?} {}",
                run.err
            );
        }
        let run = home.run_in("exec \"$0\" \"$@\" >&- 2>&- <&-", arguments);
        assert_eq!(run.code, 2, "{arguments:?}");
        // Nobody wants to see it: that is no mistake. Neither is a reader that went away.
        assert_eq!(
            home.run_in("exec \"$0\" \"$@\" >/dev/null", arguments).code,
            control.code,
            "{arguments:?}"
        );
        let mut child = home.command(chitin()).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(control.code), "{arguments:?}");
    }
}

#[test]
fn a_fix_that_cannot_be_told_is_told_by_the_exit_code() {
    // The plan cannot be shown, so nothing is changed.
    let home = Home::demo();
    let config = fs::read(home.state().join("openclaw.json")).unwrap();
    let run = home.run_in("exec \"$0\" \"$@\" >&-", &["fix", "--yes"]);
    assert_eq!((run.code, fs::read(home.state().join("openclaw.json")).unwrap() == config), (2, true));
    // With --json there is one text, behind the changes.
    let run = home.run_in("exec \"$0\" \"$@\" >/dev/full", &["fix", "--yes", "--json"]);
    assert_eq!((run.code, fs::read(home.state().join("openclaw.json")).unwrap() == config), (2, false));
    assert!(run.err.contains("carried out"), "{}", run.err);
    let run = home.run_in("exec \"$0\" \"$@\" >/dev/full", &["undo"]);
    assert_eq!((run.code, fs::read(home.state().join("openclaw.json")).unwrap() == config), (2, true));
    assert!(run.err.contains("carried out"), "{}", run.err);
    // The control: the same, and somebody listens.
    assert_eq!(home.run(&["fix", "--yes", "--json"]).code, 0);
    assert_eq!(home.run(&["undo"]).code, 0);
}

/// What a name must not write: a line that looks like the report's own, and what moves a cursor.
const LINE: &str = "exit 0: all is well";

/// A name with a line of its own.
fn evil(name: &str) -> String {
    format!("{name}\n{LINE}\n\u{1b}[2K\r{LINE}")
}

/// Nothing in a text is raw, and no line of it is the name's.
fn assert_clean(what: &str, text: &str) {
    for c in text.chars() {
        assert!(c == '\n' || !c.is_control(), "{what} has a raw {c:?}: {text:?}");
    }
    for line in text.lines() {
        let line = line.trim_start_matches([' ', '-', '+', '*', '>', '|']);
        assert!(!line.starts_with(LINE), "{what} has a line of a name: {text}");
    }
}

fn assert_clean_values(value: &Value) {
    match value {
        Value::String(text) => assert_clean("a text of the report", text),
        Value::Array(items) => items.iter().for_each(assert_clean_values),
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            assert_clean("a name of the report", name);
            assert_clean_values(value);
        }),
        _ => {}
    }
}

/// An installation in which everything that can be called something is called something evil.
fn evil_home() -> Home {
    let home = Home::empty();
    let name = |text: &str| Value::from(evil(text));
    let key = |text: &str| evil(text);
    let mut config = serde_json::json!({
        "gateway": {"bind": name("lan"), "auth": {"mode": name("m"), "token": "short"}, "nodes": {"denyCommands": [name("c")]}},
        "logging": {"file": name("~/.openclaw/log"), "redactSensitive": "off"},
        "models": {"providers": {key("p"): {"baseUrl": name("http://x")}}},
        "agents": {
            "defaults": {"model": {"primary": name("ollama/llama3:8b"), "fallbacks": [name("gpt-3.5-turbo")]},
                "sandbox": {"mode": "off", "docker": {"network": "host", "binds": [name("/etc:/x"), name("rel:/x")]}}},
            "list": [{"id": name("a"), "workspace": name("~/work"), "model": name("mistral-7b"), "tools": {"profile": "full"}}],
        },
        "tools": {"profile": "minimal", "elevated": {"enabled": true, "allowFrom": {key("telegram"): ["*"]}}},
        "browser": {"profiles": {key("b"): {"cdpUrl": name("http://far.example")}, key("c"): {"cdpPort": 99999}}},
        "channels": {
            "telegram": {"enabled": true, "groupPolicy": "open", "accounts": {key("t"): {"dmPolicy": "open", "allowFrom": ["*", name("@me")]}}},
            "discord": {"enabled": true, "token": "x", "groupPolicy": "open", "guilds": {key("g"): {}}},
            key("channel"): {"dmPolicy": "open"},
        },
        "hooks": {"enabled": true, "token": "short", "path": name("/"), "defaultSessionKey": name("k")},
        "plugins": {"allow": [name("p")], "installs": {key("i"): {"source": "npm", "spec": name("i@latest"), "version": name("1")}}},
    });
    config[key("unknown")] = name("value");
    config["channels"]["irc"] = serde_json::json!({"$include": name("./include.json")});
    home.file(".openclaw/openclaw.json", 0o666, &config.to_string());
    home.file(&format!(".openclaw/{}", evil("include.json")), 0o666, "{}");
    home.file(&format!(".openclaw/{}", evil("log")), 0o666, "");
    home.file(&format!(".openclaw/agents/{}/agent/auth-profiles.json", evil("x")), 0o666, "{}");
    home.file(&format!(".openclaw/agents/{}/sessions/sessions.json", evil("x")), 0o666, "{}");
    home.file(&format!(".openclaw/agents/x/sessions/{}.jsonl", evil("s")), 0o666, "");
    home.file(&format!(".openclaw/credentials/{}.json", evil("c")), 0o666, "{}");
    let plugin = format!(".openclaw/extensions/{}", evil("p"));
    let package = serde_json::json!({
        "version": evil("2"), "main": evil("main.dat"),
        "openclaw": {"extensions": [evil("../out.js"), evil(".hidden/x.js"), evil("payload.dat")]},
    });
    home.file(&format!("{plugin}/package.json"), 0o644, &package.to_string());
    home.file(&format!("{plugin}/{}", evil("payload.dat")), 0o644, "eval(x)");
    home.file(&format!("{plugin}/{}.js", evil("x")), 0o644, &format!("eval('{}')", "\u{1b}[2K"));
    home.file(&format!("{plugin}/.hidden/{}", evil("x.js")), 0o644, "eval(x)");
    symlink("/etc", home.path().join(format!("{plugin}/{}", evil("link")))).unwrap();
    let skill = format!(".openclaw/skills/{}", evil("s"));
    home.file(&format!("{skill}/SKILL.md"), 0o644, "");
    home.file(&format!("{skill}/{}.js", evil("x")), 0o644, "eval(x)");
    home
}

#[test]
fn no_name_writes_a_line_of_its_own() {
    let home = evil_home();
    let deep: Vec<&str> = ["--policy", "plugin-code", "--policy", "skill-code"].into();
    let deep = [["audit", "--deep"].as_slice(), &deep].concat();
    for arguments in [
        ["audit"].as_slice(),
        &deep,
        &["fix", "--dry-run"],
        &["fix", "--yes"],
        &["fix", "history"],
        &["undo"],
    ] {
        let run = home.run(arguments);
        assert_clean("standard output", &run.out);
        assert_clean("standard error", &run.err);
        assert!(run.out.len() + run.err.len() > 20, "{arguments:?} says something: {}", run.out);
    }
    for arguments in [
        ["audit", "--json"].as_slice(),
        &[deep.as_slice(), &["--json"]].concat(),
        &["fix", "--yes", "--json"],
    ] {
        let run = home.run(arguments);
        assert_clean("standard error", &run.err);
        assert_clean_values(&run.report());
    }
    // Names that are no name of a file stand in errors, too.
    let state = home.path().join(evil("state"));
    for arguments in [
        ["audit", "--profile"],
        ["audit", "--policy"],
        ["undo", "--state-dir"],
        ["explain", "--"],
        ["undo", "--"],
    ] {
        let run = home.run(&[arguments.as_slice(), &[evil("no such/thing.wasm").as_str()]].concat());
        assert_eq!(run.code, 2, "{arguments:?}");
        assert!(
            !run.err.contains('\u{1b}') && !run.err.lines().any(|line| line.starts_with(LINE)),
            "{}",
            run.err
        );
    }
    fs::rename(home.state(), &state).unwrap();
    for arguments in [["audit", "--state-dir"], ["fix", "--state-dir"]] {
        let run = home.run(&[arguments.as_slice(), &[state.to_str().unwrap()]].concat());
        assert_clean("standard output", &run.out);
        assert_clean("standard error", &run.err);
    }
}

#[test]
fn a_suggested_command_does_what_it_says_or_is_not_suggested() {
    let home = Home::empty();
    let pwned = home.path().join("pwned");
    let name = "a'; touch pwned; '$(touch pwned)`touch pwned` &.json";
    home.file(
        ".openclaw/openclaw.json",
        0o600,
        &serde_json::json!({"channels": {"$include": format!("./{name}")}}).to_string(),
    );
    home.file(&format!(".openclaw/{name}"), 0o666, "{}");
    let report = home.run(&["audit", "--json", "--policy", "include-permissions"]).report();
    let command =
        report["findings"][0]["remediation"].as_str().unwrap().strip_prefix("Run: ").unwrap().to_owned();
    assert!(home.command("/bin/sh").args(["-c", &command]).status().unwrap().success(), "{command}");
    let mode = fs::metadata(home.state().join(name)).unwrap().permissions().mode();
    assert_eq!((mode & 0o777, pwned.exists()), (0o600, false), "{command}");
    // A line end cannot be copied from a report; a byte that is no text cannot even be shown.
    let name = "b\nc.json";
    home.file(
        ".openclaw/openclaw.json",
        0o600,
        &serde_json::json!({"channels": {"$include": format!("./{name}")}}).to_string(),
    );
    home.file(&format!(".openclaw/{name}"), 0o666, "{}");
    let report = home.run(&["audit", "--json", "--policy", "include-permissions"]).report();
    let said = report["findings"][0]["remediation"].as_str().unwrap();
    assert!(!said.contains("Run:") && !said.contains("chmod 600 /"), "{said}");
}

#[test]
fn two_components_that_claim_one_name_are_a_mistake_of_the_caller() {
    let home = Home::demo();
    let (one, other) = (guest("stays_silent").component, guest("panics").component);
    let audit = |policies: &[&str]| {
        let mut arguments = vec!["audit", "--json", "--policy", "gateway-auth"];
        arguments.extend(policies.iter().flat_map(|policy| ["--policy", policy]));
        home.run(&arguments)
    };
    let clash = audit(&[one, other]);
    assert_eq!((clash.code, clash.out.as_str()), (2, ""));
    for part in [one, other, "\"hostile\""] {
        assert!(clash.err.contains(part), "{}", clash.err);
    }
    let shared = guest("claims_a_check").component;
    let clash = audit(&[one, shared]);
    assert_eq!((clash.code, clash.out.as_str()), (2, ""));
    for part in [one, shared, "hostile."] {
        assert!(clash.err.contains(part), "{}", clash.err);
    }
    // One file under two spellings, a link among them; one that is no component, too.
    let link = home.path().join("link.wasm");
    symlink(one, &link).unwrap();
    home.file("broken.wasm", 0o644, "no component");
    for [a, b] in
        [[one, link.to_str().unwrap()], ["./broken.wasm", "broken.wasm"], ["./broken.wasm", ".//broken.wasm"]]
    {
        let clash = audit(&[a, b]);
        assert_eq!((clash.code, clash.err.contains("one and the same file")), (2, true), "{}", clash.err);
    }
    // The control: one of them, and what takes a built-in's name is refused by name in the report.
    assert_eq!(audit(&[shared]).report()["incomplete"], Value::Array(Vec::new()));
    let taken = audit(&[guest("takes_a_policy_id").component, guest("takes_a_check_id").component]).report();
    assert_eq!(taken["incomplete"].as_array().unwrap().len(), 2, "{taken}");
}

#[test]
fn a_start_that_is_no_script_by_name_is_not_called_clean() {
    let scan = |package: &str, files: &[(&str, &str)]| {
        let home = Home::empty();
        home.file(".openclaw/openclaw.json", 0o600, "{}");
        let plugin = ".openclaw/extensions/dat";
        home.file(&format!("{plugin}/package.json"), 0o644, package);
        for (name, content) in files {
            home.file(&format!("{plugin}/{name}"), 0o644, content);
        }
        let run = home.run(&["audit", "--json", "--deep", "--policy", "plugin-code"]);
        let report = run.report();
        let checks = report["assessment"].as_array().unwrap();
        let status = checks.iter().find(|check| check["checkId"] == "plugins.code_safety").unwrap();
        (run.code, status["status"].as_str().unwrap().to_owned(), run.out)
    };
    let harm = "const cp = require('child_process'); cp.exec('id')";
    let files = [
        ("index.js", "require('./payload.dat')"),
        ("payload.dat", harm),
        ("lib/package.json", r#"{"main": "a.bin"}"#),
        ("lib/a.bin", harm),
    ];
    for package in [
        r#"{"name": "dat", "main": "./payload.dat", "openclaw": {"extensions": ["./payload.dat"]}}"#,
        r#"{"openclaw": {"extensions": ["payload.dat"]}}"#,
        r#"{"main": "payload.dat", "openclaw": {"extensions": ["./index.js"]}}"#,
        r#"{"exports": {".": {"default": "./payload.dat"}}}"#,
        r#"{"openclaw": {"extensions": ["./lib"]}}"#,
    ] {
        let (code, status, out) = scan(package, &files);
        assert_eq!((code, status.as_str()), (3, "not-assessed"), "{package}");
        assert!(out.contains("by its name it is no script"), "{out}");
    }
    // What lies where no scan goes is read where it is a start.
    for (start, file) in [("node_modules/x", "node_modules/x/deep/run.js"), (".h/run", ".h/run.mjs")] {
        let (code, status, out) =
            scan(&format!(r#"{{"openclaw": {{"extensions": ["{start}"]}}}}"#), &[(file, harm)]);
        assert_eq!((code, status.as_str()), (1, "finding"), "{out}");
    }
    // The control: an ordinary plugin, and one whose data is not what it starts in.
    let ordinary = r#"{"main": "./dist/index.js", "exports": {".": "./dist/index.js", "./package.json": "./package.json"},
        "openclaw": {"extensions": ["./dist/index.js"]}}"#;
    let files = [("dist/index.js", "export default 1"), ("logo.png", "PNG"), ("payload.dat", "data")];
    let (code, status, out) = scan(ordinary, &files);
    assert_eq!((code, status.as_str()), (0, "clean"), "{out}");
    let (code, status, out) = scan(ordinary, &[("dist/index.js", harm)]);
    assert_eq!((code, status.as_str()), (1, "finding"), "{out}");
}

#[test]
fn an_output_is_written_whole_and_follows_no_link() {
    let home = Home::empty();
    home.file(".openclaw/openclaw.json", 0o600, "{}");
    home.file("precious", 0o600, "mine");
    let at = |name: &str| home.path().join(name);
    symlink(at("precious"), at("report.json")).unwrap();
    let run = home.run(&[
        "audit",
        "--policy",
        "logging-redaction",
        "--output",
        "json=report.json",
        "--output",
        "text=report.txt",
    ]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert_eq!(fs::read(at("precious")).unwrap(), b"mine");
    assert!(at("report.json").symlink_metadata().unwrap().is_file());
    let report: Value = serde_json::from_slice(&fs::read(at("report.json")).unwrap()).unwrap();
    assert_eq!(report["exit"]["code"], 0);
    assert!(fs::read_to_string(at("report.txt")).unwrap().contains("exit 0"));
    // What is wrong with them is told before anything is looked at.
    for (outputs, reason) in [
        (&["json=a.json", "text=./a.json"][..], "two outputs go to it"),
        (&["json=nowhere/a.json"], "name a file in a folder that exists"),
        (&["json=.openclaw"], "it is a folder"),
        (&["pdf=a.pdf"], "there is no format"),
        (&["a.json"], "write FORMAT=FILE"),
    ] {
        let outputs = outputs.iter().flat_map(|output| ["--output", output]);
        let run = home.run(&["audit"].into_iter().chain(outputs).collect::<Vec<_>>());
        assert!(run.code == 2 && run.out.is_empty() && run.err.contains(reason), "{reason}: {}", run.err);
    }
    // One that cannot be written costs none of the others, and is told by the exit code.
    let run = home.run(&[
        "audit",
        "--policy",
        "logging-redaction",
        "--output",
        "json=/dev/full",
        "--output",
        "text=other.txt",
    ]);
    assert_eq!(run.code, 2);
    assert!(run.out.contains("exit 0") && run.err.contains("cannot write /dev/full"), "{}", run.err);
    assert!(fs::read_to_string(at("other.txt")).unwrap().contains("exit 0"));
    let left = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(
        left.into_iter().all(|name| !name.to_string_lossy().starts_with(".chitin-")),
        "nothing half written is left"
    );
}

#[test]
fn settings_that_a_group_can_write_are_those_of_the_accounts_own_group_alone() {
    if !is_root("the settings of another account") {
        return;
    }
    let home = Home::demo();
    let program = reachable(&home);
    let settings = ".config/chitin/chitin.toml";
    home.file(settings, 0o664, "permissions.file = \"600\"\n");
    give_away(home.path(), NOBODY_ELSE);
    let run = || Run::of(home.command(&program).args(["audit"]).uid(NOBODY_ELSE).gid(NOBODY_ELSE));
    let own = run();
    assert_ne!(own.code, 2, "{}", own.err);
    lchown(home.path().join(settings), Some(NOBODY_ELSE), Some(1)).unwrap();
    let foreign = run();
    assert!(foreign.code == 2 && foreign.err.contains("chitin.toml"), "{} {}", foreign.code, foreign.err);
}

#[test]
fn a_wrong_command_line_writes_no_line_of_its_own() {
    let home = Home::demo();
    for arguments in [
        &["audit", "--fail-on", "x\n::error::forged"][..],
        &["audit", "--format=x\n::error::forged"],
        &["audit", "--x\n::error::forged"],
        &["x\n::error::forged\u{1b}[2J"],
        &["audit", "--time-limit", "\r::error::forged"],
    ] {
        let output = home.command(env!("CARGO_BIN_EXE_chitin")).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!told.lines().any(|line| line.starts_with("::")), "{told}");
        assert!(!told.contains(['\r', '\u{1b}']) && told.contains("forged"), "{told}");
    }
}
