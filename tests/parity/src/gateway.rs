//! `make parity ARGS=gateway`: the live probe of both programs against the real gateway, and what ours leaves behind in the
//! gateway's files.

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::install::Installed;

/// How long the gateway may take to start; on an idle machine it takes some seven seconds.
const START: Duration = Duration::from_mins(2);

/// Whoever knows it may use the gateway.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// What one program says of the gateway.
#[derive(Debug, PartialEq, Eq)]
struct Probe {
    ok: bool,
    code: Option<u64>,
    finding: bool,
    /// Its own words, which are not compared.
    error: String,
}

/// Both programs, and where they are.
struct Lab<'a> {
    root: &'a Path,
    installed: &'a Installed,
}

/// A gateway of the reference's, which ends with this.
struct Gateway(Child);

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs all scenarios and prints a table; fails where the two disagree or something was paired.
pub fn run(root: &Path, installed: &Installed) -> ExitCode {
    let lab = Lab { root, installed };
    let mut rows = Vec::new();
    let token = json!({"mode": "token", "token": SECRET});

    let (home, port) = lab.home("token", &token);
    let gateway = lab.gateway(&home, port);
    rows.push(lab.compare("token auth, right token", &home, &[]));
    // The reference's audit has paired a device by now. An installation with that device and no token is let in, too.
    let paired = lab.home_at("paired", &Value::Null, port);
    copy(&home.join(".openclaw/identity"), &paired.join(".openclaw/identity"));
    rows.push(lab.compare("token auth, paired device only", &paired, &[]));
    // With a wrong token the reference forgets its device's own, so this comes after.
    rows.push(lab.compare("token auth, wrong token", &home, &[("OPENCLAW_GATEWAY_TOKEN", "wrong")]));
    rows.push(lab.compare("nothing to show", &lab.home_at("stranger", &Value::Null, port), &[]));
    drop(gateway);
    rows.push(lab.compare("nothing listens", &home, &[]));

    let (home, port) = lab.home("password", &json!({"mode": "password", "password": SECRET}));
    let gateway = lab.gateway(&home, port);
    rows.push(lab.compare("password auth, right password", &home, &[]));
    drop(gateway);

    println!("{:<34} {:<38} {:<38} left behind by ours", "", "ours", "reference");
    let mut agrees = true;
    for Row { name, ours, reference, left, paired } in rows {
        let verdict = |probe: &Probe| {
            let code = probe.code.map_or("-".to_owned(), |code| code.to_string());
            format!("ok {}, close {code}, finding {}", probe.ok, probe.finding)
        };
        let same = (ours.ok, ours.code, ours.finding) == (reference.ok, reference.code, reference.finding);
        let mark = if same && !paired { "" } else { "  <- differs" };
        let left = if left.is_empty() { "nothing".to_owned() } else { left.join(" ") };
        println!("{name:<34} {:<38} {:<38} {left}{mark}", verdict(&ours), verdict(&reference));
        println!("    ours:      {}\n    reference: {}", ours.error, reference.error);
        agrees &= same && !paired;
    }
    if agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Row {
    name: &'static str,
    ours: Probe,
    reference: Probe,
    /// Files that changed while ours ran.
    left: Vec<String>,
    /// There are more or other devices than before, paired or asking for it.
    paired: bool,
}

impl Lab<'_> {
    /// A fresh home directory, and a free port for its gateway.
    fn home(&self, name: &str, auth: &Value) -> (PathBuf, u16) {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("a port").port();
        (self.home_at(name, auth, port), port)
    }

    fn home_at(&self, name: &str, auth: &Value, port: u16) -> PathBuf {
        let home = self.root.join("target/parity/gateway").join(name);
        let _ = fs::remove_dir_all(&home);
        let state = home.join(".openclaw");
        fs::create_dir_all(&state).expect("target/ can be written");
        fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).expect("target/ can be written");
        let mut gateway = json!({"mode": "local", "bind": "loopback", "port": port});
        if !auth.is_null() {
            gateway["auth"] = auth.clone();
        }
        let config = json!({"gateway": gateway}).to_string();
        fs::write(state.join("openclaw.json"), config).expect("target/ can be written");
        home
    }

    fn reference(&self, home: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.installed.node);
        command
            .arg(self.installed.folder.join("node_modules/openclaw/openclaw.mjs"))
            .args(arguments)
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8"), ("OPENCLAW_NO_RESPAWN", "1")])
            .env("HOME", home)
            .current_dir(home)
            .stdin(Stdio::null());
        command
    }

    fn gateway(&self, home: &Path, port: u16) -> Gateway {
        eprintln!("starting the gateway on port {port}");
        let log = fs::File::create(home.join("gateway.log")).expect("target/ can be written");
        let mut command = self.reference(home, &["gateway", "run"]);
        let both = log.try_clone().expect("a second handle");
        let child = command.stdout(both).stderr(log).spawn().expect("the reference's runtime starts");
        let mut gateway = Gateway(child);
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let gone = gateway.0.try_wait().is_ok_and(|ended| ended.is_some());
            assert!(
                !gone && began.elapsed() < START,
                "the gateway did not start, see {}/gateway.log",
                home.display()
            );
            sleep(Duration::from_millis(200));
        }
        // It writes its first files when it has begun to listen.
        sleep(Duration::from_secs(2));
        gateway
    }

    /// Ours goes first: what differs afterwards is its doing, or the gateway's own.
    fn compare(&self, name: &'static str, home: &Path, env: &[(&str, &str)]) -> Row {
        // The gateway's files, whichever home the audit is of.
        let gateways = self.root.join("target/parity/gateway");
        let before = files(&gateways);
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from);
        let mut ours = Command::new(self.root.join(target).join("debug/chitin"));
        ours.args(["audit", "--deep", "--json", "--openclaw-version", &self.installed.release.to_string()])
            .env_clear()
            .env("HOME", home)
            .current_dir(home);
        let ours = probe(ours.envs(env.iter().copied()));
        let after = files(&gateways);
        let changed = after.iter().filter(|(path, content)| before.get(*path) != Some(content));
        let left =
            changed.filter_map(|(path, _)| Some(path.split_once(".openclaw/")?.1.to_owned())).collect();
        let mut reference = self.reference(home, &["security", "audit", "--deep", "--json"]);
        let reference = probe(reference.envs(env.iter().copied()));
        Row { name, ours, reference, left, paired: devices(&before) != devices(&after) }
    }
}

/// What a program's report says of the gateway.
fn probe(command: &mut Command) -> Probe {
    let output = command.output().expect("an audit runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let start = if text.starts_with('{') { 0 } else { text.find("\n{").expect("a report") };
    let report: Value = serde_json::from_str(&text[start..]).expect("a report");
    let gateway = &report["deep"]["gateway"];
    let findings = report["findings"].as_array().expect("findings");
    Probe {
        ok: gateway["ok"].as_bool().expect("a verdict"),
        code: gateway["close"]["code"].as_u64(),
        finding: findings.iter().any(|finding| finding["checkId"] == "gateway.probe_failed"),
        error: gateway["error"].as_str().unwrap_or("none").to_owned(),
    }
}

/// All files below a folder with their contents.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                pending.push(path);
            } else if let Ok(content) = fs::read(&path) {
                found.insert(path.to_string_lossy().into_owned(), content);
            }
        }
    }
    found
}

/// The devices that gateways know, and that installations are.
fn devices(files: &BTreeMap<String, Vec<u8>>) -> Vec<(&str, Vec<String>)> {
    let names = |content: &[u8]| match serde_json::from_slice(content) {
        Ok(Value::Object(devices)) => devices.keys().cloned().collect(),
        _ => Vec::new(),
    };
    let lists = files.iter().filter(|(path, _)| path.contains("/devices/") || path.contains("/identity/"));
    lists.map(|(path, content)| (path.as_str(), names(content))).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("target/ can be written");
    for entry in fs::read_dir(from).expect("the reference made a device").flatten() {
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a file can be copied");
    }
}
