//! `--root DIR`: a file system of its own. All that the target names is looked for below DIR, and nothing of this machine has a part in it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test makes its target, and stops where it cannot"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Stands wherever a path that leaves the image would lead. Nothing of it may be in a report.
const CANARY: &str = "canary-of-this-machine";

/// A folder of this machine, with an image in `image` and what lies beside it.
struct Machine(tempfile::TempDir);

impl Machine {
    /// An image with the account `node`, whose installation has this config.
    fn new(config: &str) -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        machine
            .write("image/etc/passwd", "root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n");
        machine.write("image/home/node/.openclaw/openclaw.json", config);
        for (rel, mode) in [("home/node/.openclaw", 0o700), ("home/node/.openclaw/openclaw.json", 0o600)] {
            fs::set_permissions(machine.image(rel), fs::Permissions::from_mode(mode)).unwrap();
        }
        machine
    }

    fn path(&self, rel: &str) -> PathBuf {
        self.0.path().join(rel)
    }

    fn image(&self, rel: &str) -> PathBuf {
        self.path("image").join(rel)
    }

    fn write(&self, rel: &str, text: &str) {
        let path = self.path(rel);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A link in the image.
    fn link(&self, text: impl AsRef<Path>, rel: &str) {
        fs::create_dir_all(self.image(rel).parent().unwrap()).unwrap();
        symlink(text, self.image(rel)).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chitin"));
        command.args(arguments).current_dir(self.0.path()).env_clear();
        // An installation of this machine's, and variables that would lead there.
        command.env("HOME", self.path("home")).env("OPENCLAW_STATE_DIR", self.path("home/.openclaw"));
        command.env("OPENCLAW_GATEWAY_TOKEN", CANARY).env("CANARY", CANARY);
        command.env("SOURCE_DATE_EPOCH", "1771545600").output().unwrap()
    }

    fn report(&self, more: &[&str]) -> (Value, i32) {
        let output = self.run(&[&["audit", "--root", "image", "--json"], more].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains(CANARY), "{text}");
        let report = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        (report, output.status.code().unwrap())
    }
}

fn ids(report: &Value) -> Vec<&str> {
    report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["checkId"].as_str().unwrap())
        .collect()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_installation_of_an_image_is_found_by_its_own_accounts() {
    let machine = Machine::new(
        r#"{ logging: { redactSensitive: "off", file: "~/gateway.log" }, $include: "/home/node/.openclaw/more.json5" }"#,
    );
    machine.write("home/.openclaw/openclaw.json", r#"{ gateway: { bind: "lan" } }"#);
    machine.write(
        "image/home/node/.openclaw/more.json5",
        r#"{ channels: { telegram: { groupPolicy: "open" } } }"#,
    );
    machine.write("image/home/node/gateway.log", "");
    fs::set_permissions(machine.image("home/node/gateway.log"), fs::Permissions::from_mode(0o644)).unwrap();
    machine.write(
        "image/usr/lib/node_modules/openclaw/package.json",
        r#"{ "name": "openclaw", "version": "2026.5.18" }"#,
    );
    machine.link("../lib/node_modules/openclaw/openclaw.mjs", "usr/bin/openclaw");
    machine.write("image/usr/lib/node_modules/openclaw/openclaw.mjs", "");
    let (report, code) = machine.report(&[]);
    assert_eq!(code, 1);
    let target = &report["target"];
    assert_eq!(target["stateDir"], "/home/node/.openclaw");
    assert_eq!(target["sysroot"], machine.path("image").canonicalize().unwrap().to_str().unwrap());
    assert_eq!(target["release"]["version"], "2026.5.18");
    let ids = ids(&report);
    for id in ["logging.redact_off", "channels.telegram.warning.1", "fs.log_file.perms_readable"] {
        assert!(ids.contains(&id), "{id}: {ids:?}");
    }
    // Nothing runs there that could be asked.
    let deep = machine.report(&["--deep"]).0;
    let probe = |check: &&Value| check["checkId"] == "gateway.probe_failed";
    let status = deep["assessment"].as_array().unwrap().iter().find(probe).map(|check| &check["status"]);
    assert_eq!(status, Some(&"not-applicable".into()));
    // With and without the wall, and however it is called, it is the same.
    let whole = machine.report(&["--confine", "off"]).0;
    assert_eq!(whole["findings"], report["findings"]);
    for more in
        [&["--state-dir", "/home/node/.openclaw"][..], &["--state-dir", "home/node/../node/.openclaw"]]
    {
        assert_eq!(machine.report(more).0["findings"], report["findings"]);
    }
    let alone = machine.report(&["--config", "/home/node/.openclaw/openclaw.json"]).0;
    assert_eq!(alone["findings"], report["findings"], "the config lies in a state directory");
}

#[test]
fn no_link_and_no_path_leads_out() {
    // What is looked at at each of these places of this machine would be seen: it has a finding of its own.
    let outside = |machine: &Machine| machine.path("outside").to_str().unwrap().to_owned();
    let bad = r#"{ logging: { redactSensitive: "off" } }"#;
    for way in ["absolute", "upwards", "proc"] {
        let machine = Machine::new("{}");
        let to = |rel: &str| match way {
            "absolute" => format!("{}/{rel}", outside(&machine)),
            "upwards" => format!("../../../../../../../../../..{}/{rel}", outside(&machine)),
            _ => format!("/proc/self/root{}/{rel}", outside(&machine)),
        };
        machine.write("outside/openclaw.json", bad);
        machine.write("outside/.env", &format!("CANARY={CANARY}\n"));
        machine.write(
            "outside/extensions/evil/package.json",
            &format!(r#"{{ "name": "{CANARY}", "openclaw": {{ "extensions": ["./index.js"] }} }}"#),
        );
        machine.write("outside/extensions/evil/index.js", &format!("eval(\"{CANARY}\")"));
        machine.write("outside/log", "");
        machine.write("outside/passwd", "node:x:1000:1000::/home/canary:/bin/sh\n");
        fs::create_dir_all(machine.path("image/home/canary/.openclaw")).unwrap();
        // The config itself.
        let config = "home/node/.openclaw/openclaw.json";
        fs::remove_file(machine.image(config)).unwrap();
        machine.link(to("openclaw.json"), config);
        let (report, _) = machine.report(&["--state-dir", "/home/node/.openclaw"]);
        assert!(!ids(&report).contains(&"logging.redact_off"), "{way}");
        // All that a config names, and what lies in the state directory.
        fs::remove_file(machine.image(config)).unwrap();
        let log = to("log");
        let text = format!(
            r#"{{ logging: {{ file: "{}" }}, $include: "{}", plugins: {{ load: {{ paths: ["{}"] }} }},
                gateway: {{ auth: {{ mode: "token", token: "${{CANARY}}" }} }},
                agents: {{ defaults: {{ workspace: "{}" }} }} }}"#,
            log,
            to("openclaw.json"),
            to("extensions/evil"),
            to("extensions")
        );
        machine.write(&format!("image/{config}"), &text);
        machine.link(to(".env"), "home/node/.openclaw/.env");
        machine.link(to("extensions"), "home/node/.openclaw/extensions");
        machine.link(to("extensions"), "home/node/.openclaw/agents");
        machine.link(to("extensions"), "home/node/.openclaw/credentials");
        for confine in ["off", "best-effort"] {
            let (report, _) =
                machine.report(&["--deep", "--confine", confine, "--state-dir", "/home/node/.openclaw"]);
            let ids = ids(&report);
            for id in ["logging.redact_off", "fs.log_file.perms_readable", "plugins.code_safety"] {
                assert!(!ids.contains(&id), "{way}: {id}");
            }
        }
        // The accounts, and with them which installation is meant.
        fs::remove_file(machine.image("etc/passwd")).unwrap();
        machine.link(to("passwd"), "etc/passwd");
        let output = machine.run(&["audit", "--root", "image"]);
        let told = said(&output);
        assert!(
            output.status.code() == Some(2) && told.contains("/etc/passwd does not exist"),
            "{way}: {told}"
        );
    }
}

#[test]
fn links_within_the_image_are_followed_as_they_are_there() {
    let machine = Machine::new("{}");
    machine.write("image/etc/openclaw/main.json", r#"{ logging: { redactSensitive: "off" } }"#);
    fs::remove_file(machine.image("home/node/.openclaw/openclaw.json")).unwrap();
    machine.link("/etc/openclaw/main.json", "home/node/.openclaw/openclaw.json");
    assert!(ids(&machine.report(&[]).0).contains(&"logging.redact_off"));
    // So does a home directory that is one.
    fs::rename(machine.image("home"), machine.image("var")).unwrap();
    machine.link("/../var", "home");
    assert!(ids(&machine.report(&[]).0).contains(&"logging.redact_off"));
}

#[test]
fn several_accounts_and_none_are_told() {
    let machine = Machine::new("{}");
    fs::create_dir_all(machine.image("root/.openclaw")).unwrap();
    let output = machine.run(&["audit", "--root", "image"]);
    assert_eq!(output.status.code(), Some(2));
    let told = said(&output);
    assert!(
        told.contains("/home/node/.openclaw, /root/.openclaw; name one of them with --state-dir"),
        "{told}"
    );
    fs::remove_dir_all(machine.image("root")).unwrap();
    fs::remove_dir_all(machine.image("home/node")).unwrap();
    let (report, code) = machine.report(&[]);
    assert_eq!((code, report["exit"]["code"].as_i64()), (4, Some(4)));
}

#[test]
fn what_cannot_be_meant_is_refused_with_the_way_out() {
    let machine = Machine::new("{}");
    machine.write("file", "");
    let full = machine.image("home/node/.openclaw");
    let full = full.to_str().unwrap();
    for (arguments, told) in [
        (&["audit", "--root", "nowhere"][..], "name the folder that an image was unpacked to"),
        (&["audit", "--root", "file"], "name the folder that an image was unpacked to"),
        (&["audit", "--root", "image", "--state-dir", full], "write --state-dir /home/node/.openclaw"),
        (&["audit", "--root", "image", "--state-dir", "/nowhere"], "leave --state-dir out"),
        (&["audit", "--root", "image", "--fix"], "leave one of them out"),
        (&["audit", "--root", "image", "image"], "so does each TARGET"),
        (&["fix", "--root", "image"], "unexpected argument '--root'"),
    ] {
        let output = machine.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(said(&output).contains(told), "{arguments:?}: {}", said(&output));
    }
}

#[test]
fn a_hostile_list_of_accounts_names_nothing() {
    let machine = Machine::new("{}");
    let long = "a".repeat(100_000);
    let lines = [
        "x:x:0:0::../../outside:/bin/sh",
        "x:x:0:0::/:/bin/sh",
        "x:x:0:0",
        ":::::",
        "\u{1b}[2J:x:0:0::/home/\u{1b}[2J:",
        &*format!("x:x:0:0::/{long}:"),
        "x:x:0:0::/proc/self/cwd:",
        "node:x:1000:1000::/home/./node/../node:",
    ];
    machine.write("image/etc/passwd", &lines.join("\n"));
    machine.write("outside/.openclaw/openclaw.json", "{}");
    let (report, code) = machine.report(&[]);
    assert_eq!((code < 2, &report["target"]["stateDir"]), (true, &"/home/node/.openclaw".into()));
    // What is no file is not waited for.
    fs::remove_file(machine.image("etc/passwd")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        machine.image("etc/passwd"),
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    let output = machine.run(&["audit", "--root", "image"]);
    assert!(
        output.status.code() == Some(2) && said(&output).contains("is a named pipe"),
        "{}",
        said(&output)
    );
    // Nor is a part of it taken for all of it.
    fs::remove_file(machine.image("etc/passwd")).unwrap();
    machine.write("image/etc/passwd", &format!("root:x:0:0::/root:/bin/sh\n{}", "#".repeat(5 << 20)));
    fs::create_dir_all(machine.image("root/.openclaw")).unwrap();
    let output = machine.run(&["audit", "--root", "image"]);
    assert!(
        output.status.code() == Some(2) && said(&output).contains("at most 4194304 are read"),
        "{}",
        said(&output)
    );
    assert_eq!(machine.report(&["--state-dir", "/home/node/.openclaw"]).1, 1);
}

#[test]
fn a_report_of_an_image_names_its_files_on_this_machine_where_a_viewer_needs_them() {
    let machine = Machine::new(r#"{ logging: { redactSensitive: "off" } }"#);
    let output = machine.run(&["audit", "--root", "image", "--format", "sarif"]);
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    let base = &log["runs"][0]["originalUriBaseIds"]["STATEROOT"]["uri"];
    let image = machine.path("image").canonicalize().unwrap();
    assert_eq!(*base, format!("file://{}/home/node/", image.display()));
    let text = String::from_utf8(machine.run(&["audit", "--root", "image"]).stdout).unwrap();
    assert!(text.contains("in the file system below"), "{text}");
    // The next command looks there, too, and not at this machine.
    assert!(text.contains("chitin audit --deep --root "), "{text}");
    assert!(!text.contains("chitin fix --dry-run") && !text.contains("live gateway"), "{text}");
    // A baseline of it is one of any other unpacked copy.
    let output = machine.run(&["baseline", "write", "known.json", "--root", "image"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    fs::rename(machine.path("image"), machine.path("elsewhere")).unwrap();
    let output =
        machine.run(&["audit", "--root", "elsewhere", "--baseline", "known.json", "--fail-on", "info"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}
