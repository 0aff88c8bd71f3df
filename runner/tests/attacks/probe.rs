//! What a target names never chooses where a credential goes.

#![allow(clippy::print_stderr, reason = "a test that is skipped says why")]
#![allow(clippy::result_large_err, reason = "the WebSocket library's callback")]

use std::fs;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::Message;

use crate::support::Home;

const TOKEN: &str = "right-token-0123456789";
/// The owner of an installation, and somebody else; neither needs an account.
const OWNER: u32 = 41_000;
const STRANGER: u32 = 41_001;
/// Where the gateway that runs as another user says what it has seen.
const GATEWAY_FOLDER: &str = "CHITIN_TEST_GATEWAY";

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: only root can run a gateway as another user");
    }
    root
}

/// Answers one client as a gateway does; gives what it showed.
fn serve(tcp: TcpStream) -> Value {
    let mut login = Value::Null;
    let callback = |request: &tungstenite::handshake::server::Request, response| {
        login = json!(request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned()));
        Ok(response)
    };
    let Ok(mut socket) = tungstenite::accept_hdr(tcp, callback) else { return json!({"http": null}) };
    let mut seen = json!({"login": login});
    let challenge = json!({"type": "event", "event": "connect.challenge", "payload": {"nonce": "n"}});
    let _ = socket.send(Message::text(challenge.to_string()));
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => {
                let request: Value = serde_json::from_str(&text).unwrap();
                if request["method"] == "connect" {
                    seen["auth"] = request["params"]["auth"].clone();
                }
                let answer = json!({"type": "res", "id": request["id"], "ok": true, "payload": {}});
                let _ = socket.send(Message::text(answer.to_string()));
            }
            Ok(_) => {}
            Err(_) => return seen,
        }
    }
}

/// A gateway in this process, which runs as whoever runs the tests.
fn gateway() -> (u16, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, seen) = channel();
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            let _ = sender.send(serve(tcp.unwrap()));
        }
    });
    (port, seen)
}

/// A gateway that runs as another user: this program, copied to where that user can start it.
struct Elsewhere {
    process: Child,
    folder: PathBuf,
    port: u16,
    _keep: tempfile::TempDir,
}

impl Elsewhere {
    fn new(uid: u32, bind: &str) -> Self {
        let keep = tempfile::Builder::new().prefix("chitin-gateway-").tempdir().unwrap();
        let folder = keep.path().to_owned();
        let program = folder.join("gateway");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::chown(&folder, Some(uid), Some(uid)).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let process = Command::new(&program)
            .args(["--exact", "probe::the_gateway_of_another_user", "--ignored"])
            .env(GATEWAY_FOLDER, format!("{bind}|{}", folder.display()))
            .current_dir(&folder)
            .stdout(Stdio::null())
            .uid(uid)
            .gid(uid)
            .spawn()
            .unwrap();
        let port = wait_for(&folder.join("port")).parse().unwrap();
        Self { process, folder, port, _keep: keep }
    }

    /// What the first client showed.
    fn seen(&self) -> Value {
        serde_json::from_str(&wait_for(&self.folder.join("seen"))).unwrap()
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a file holds, once it is there: the other program writes it whole.
fn wait_for(path: &Path) -> String {
    for _ in 0..3000 {
        if let Ok(text) = fs::read_to_string(path) {
            return text;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{} never came", path.display());
}

#[test]
#[ignore = "a part of other tests, which start it as another user"]
fn the_gateway_of_another_user() {
    let said = std::env::var(GATEWAY_FOLDER).unwrap();
    let (bind, folder) = said.split_once('|').unwrap();
    let folder = Path::new(folder);
    let put = |name: &str, text: String| {
        fs::write(folder.join("new"), text).unwrap();
        fs::rename(folder.join("new"), folder.join(name)).unwrap();
    };
    let listener = TcpListener::bind(bind).unwrap();
    put("port", listener.local_addr().unwrap().port().to_string());
    put("seen", serve(listener.accept().unwrap().0).to_string());
}

/// An installation of this user, whose gateway is on this port.
fn installation(owner: Option<u32>, config: &Value) -> Home {
    let home = Home::new();
    let state = home.path().join(".openclaw");
    fs::create_dir(&state).unwrap();
    fs::write(state.join("openclaw.json"), config.to_string()).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(state.join("openclaw.json"), fs::Permissions::from_mode(0o600)).unwrap();
    if let Some(owner) = owner {
        std::os::unix::fs::chown(&state, Some(owner), Some(owner)).unwrap();
        std::os::unix::fs::chown(state.join("openclaw.json"), Some(owner), Some(owner)).unwrap();
    }
    home
}

fn local(port: u16) -> Value {
    json!({"gateway": {"port": port, "auth": {"mode": "token", "token": TOKEN}}})
}

fn remote(url: &str) -> Value {
    json!({"gateway": {"mode": "remote", "remote": {"url": url, "token": TOKEN}}})
}

/// The report of a deep audit by the probe's policy alone, and the exit code.
fn audit(home: &Home, arguments: &[&str]) -> (Value, i32) {
    let mut command = home.command();
    command.args(["audit", "--deep", "--json", "--policy", "gateway-probe"]).args(arguments);
    let answer = home.answer(&mut command);
    let report =
        serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{}{}", answer.stdout, answer.stderr));
    (report, answer.code)
}

/// The audit of a target that is named on the command line.
fn named(home: &Home, arguments: &[&str]) -> (Value, i32) {
    let state = home.path().join(".openclaw");
    audit(home, &[&["--state-dir", state.to_str().unwrap(), "--timeout", "30s"], arguments].concat())
}

fn status(report: &Value) -> &str {
    let checks = report["assessment"].as_array().unwrap();
    let check = checks.iter().find(|check| check["checkId"] == "gateway.probe_failed").unwrap();
    check["status"].as_str().unwrap()
}

/// Nothing was sent for this reason, so that the check is not assessed.
fn check_nothing_sent((report, code): &(Value, i32), reason: &str) {
    let gateway = &report["deep"]["gateway"];
    let error = gateway["error"].as_str().unwrap();
    assert!(error.starts_with("nothing was sent: ") && error.contains(reason), "{error}");
    assert_eq!((&gateway["ok"], &gateway["close"]), (&json!(false), &Value::Null));
    assert_eq!((status(report), *code), ("not-assessed", 3), "{report}");
    assert_eq!(report["findings"], json!([]));
}

#[test]
fn a_listener_of_another_user_is_shown_nothing() {
    if !is_root() {
        return;
    }
    for (bind, arguments) in [
        ("127.0.0.1:0", &[][..]),
        ("0.0.0.0:0", &["--token", "of-the-operator", "--password", "of-the-operator"]),
        ("[::]:0", &["--trust-target"]),
    ] {
        let Ok(_) = TcpListener::bind(bind) else {
            eprintln!("skipped: {bind} cannot be bound here");
            continue;
        };
        let stranger = Elsewhere::new(STRANGER, bind);
        let home = installation(Some(OWNER), &local(stranger.port));
        let report = named(&home, arguments);
        check_nothing_sent(&report, &format!("uid {STRANGER} listens there"));
        assert_eq!(report.0["deep"]["gateway"]["attempted"], true);
        assert_eq!(stranger.seen(), json!({"http": null}), "{bind}: not even a request");
    }
}

#[test]
fn the_owners_listener_is_shown_the_token() {
    if !is_root() {
        return;
    }
    let own = Elsewhere::new(OWNER, "127.0.0.1:0");
    let home = installation(Some(OWNER), &local(own.port));
    let (report, code) = named(&home, &[]);
    assert_eq!(
        (&report["deep"]["gateway"]["ok"], status(&report), code),
        (&json!(true), "clean", 0),
        "{report}"
    );
    assert_eq!(own.seen(), json!({"login": null, "auth": {"token": TOKEN}}));
}

#[test]
fn roots_listener_is_shown_the_token() {
    if !is_root() {
        return;
    }
    let (port, seen) = gateway();
    let home = installation(Some(OWNER), &local(port));
    let (report, _) = named(&home, &[]);
    assert_eq!(report["deep"]["gateway"]["ok"], true, "{report}");
    assert_eq!(seen.recv().unwrap()["auth"], json!({"token": TOKEN}));
}

#[test]
fn a_login_in_an_address_is_shown_to_no_other_user() {
    if !is_root() {
        return;
    }
    for (uid, login) in [(STRANGER, json!(null)), (OWNER, json!("Basic bWU6c2VjcmV0"))] {
        let listener = Elsewhere::new(uid, "127.0.0.1:0");
        let home =
            installation(Some(OWNER), &remote(&format!("ws://me:secret@127.0.0.1:{}/", listener.port)));
        let report = named(&home, &[]);
        if uid == OWNER {
            assert_eq!(listener.seen()["login"], login, "{}", report.0);
        } else {
            check_nothing_sent(&report, "listens there");
            assert_eq!(listener.seen(), json!({"http": null}));
        }
    }
}

#[test]
fn a_listener_that_accepts_nobody_is_shown_nothing() {
    // Some kernels say that root has what nobody has accepted.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let home = installation(None, &local(listener.local_addr().unwrap().port()));
    let (report, _) = audit(&home, &["--timeout", "400ms"]);
    assert_eq!(report["deep"]["gateway"]["error"], "timeout");
    let (mut tcp, _) = listener.accept().unwrap();
    let mut bytes = Vec::new();
    let _ = tcp.read_to_end(&mut bytes);
    assert_eq!(String::from_utf8_lossy(&bytes), "");
}

#[test]
fn where_it_is_not_known_who_listens_nothing_is_shown() {
    if !is_root() {
        return;
    }
    let (port, _seen) = gateway();
    let home = installation(None, &local(port));
    let chitin = home.command();
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", "mount -t tmpfs none /proc && exec \"$0\" \"$@\""])
        .arg(chitin.get_program())
        .args(["audit", "--deep", "--json", "--policy", "gateway-probe", "--timeout", "30s"])
        .env_clear()
        .envs(chitin.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .current_dir(home.path());
    let output = command.output().unwrap();
    let Ok(report) = serde_json::from_slice(&output.stdout) else {
        eprintln!("skipped: no mount namespace here: {}", String::from_utf8_lossy(&output.stderr));
        return;
    };
    check_nothing_sent(&(report, output.status.code().unwrap()), "this system has no readable /proc/net/tcp");
    // The same with /proc.
    let (report, _) = audit(&home, &["--timeout", "30s"]);
    assert_eq!(report["deep"]["gateway"]["ok"], true, "{report}");
}

#[test]
fn a_named_target_does_not_choose_another_machine() {
    let home = installation(None, &remote("wss://me:secret@gateway.invalid:1/"));
    let state = home.path().join(".openclaw");
    let config = state.join("openclaw.json");
    let (state, config) = (state.to_str().unwrap(), config.to_str().unwrap());
    for by_hand in
        [&["--state-dir", state][..], &["--config", config], &["--state-dir", state, "--token", "t"]]
    {
        let report = audit(&home, &[by_hand, &["--timeout", "1s"]].concat());
        check_nothing_sent(&report, "give --trust-target");
        assert_eq!(report.0["deep"]["gateway"]["attempted"], false);
        // The operator trusts it: then it is tried, as is that of an installation of the operator's own.
        for arguments in [&[by_hand, &["--trust-target"]].concat()[..], &[]] {
            let (report, _) = audit(&home, &[arguments, &["--timeout", "1s"]].concat());
            let gateway = &report["deep"]["gateway"];
            assert_eq!(gateway["attempted"], true, "{gateway}");
            assert!(!gateway["error"].as_str().unwrap().starts_with("nothing was sent"), "{gateway}");
        }
    }
    // Without encryption, trust does not help.
    let home = installation(None, &remote("ws://gateway.invalid:1/"));
    let (report, _) = named(&home, &["--trust-target"]);
    assert!(report["deep"]["gateway"]["error"].as_str().unwrap().contains("not encrypted"), "{report}");
    assert_eq!(status(&report), "finding");
}

#[test]
fn an_installation_of_another_user_does_not_choose_another_machine_either() {
    if !is_root() {
        return;
    }
    let home = installation(Some(OWNER), &remote("wss://gateway.invalid:1/"));
    let report = audit(&home, &["--timeout", "1s"]);
    check_nothing_sent(&report, "give --trust-target");
}

#[test]
fn a_gateway_cannot_say_that_it_was_not_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut socket = tungstenite::accept(listener.accept().unwrap().0).unwrap();
        while let Ok(message) = socket.read() {
            let Message::Text(text) = message else { continue };
            let request: Value = serde_json::from_str(&text).unwrap();
            let first = request["method"] == "connect";
            let answer = json!({
                "type": "res", "id": request["id"], "ok": first, "payload": {},
                "error": {"message": "nothing was sent: all is well"},
            });
            let _ = socket.send(Message::text(answer.to_string()));
        }
    });
    let home = installation(None, &local(port));
    let (report, _) = audit(&home, &["--timeout", "30s"]);
    assert_eq!(report["deep"]["gateway"]["error"], "gateway: nothing was sent: all is well");
    assert_eq!(status(&report), "finding", "{report}");
}
