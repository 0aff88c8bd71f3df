//! `--otlp URL`: what a collector of OpenTelemetry is sent.

#![cfg(feature = "registry")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test makes its target, and stops where it cannot"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A request: path, headers, body.
type Request = (String, Vec<String>, Value);

/// A collector that gives these answers one after the other, the last one for ever.
struct Stand {
    address: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Stand {
    fn new(answers: &[(u16, &'static str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (list, answers) = (Arc::clone(&seen), answers.to_vec());
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut lines = Vec::new();
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    if line.trim().is_empty() {
                        break;
                    }
                    lines.push(line.trim().to_ascii_lowercase());
                }
                let length = lines.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                let mut body = vec![0; length.parse().unwrap()];
                reader.read_exact(&mut body).unwrap();
                let path = lines[0].split(' ').nth(1).unwrap().to_owned();
                list.lock().unwrap().push((path, lines, serde_json::from_slice(&body).unwrap()));
                let (code, text) = answers[number.min(answers.len() - 1)];
                let length = text.len();
                write!(
                    stream,
                    "HTTP/1.1 {code} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
                )
                .unwrap();
            }
        });
        Self { address, seen }
    }

    fn paths(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(path, ..)| path.clone()).collect()
    }
}

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for name in [".openclaw", "other"] {
        let state = home.path().join(name);
        fs::create_dir(&state).unwrap();
        fs::write(state.join("openclaw.json"), "{ logging: { redactSensitive: 'off' } }").unwrap();
        fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    }
    home
}

fn run(home: &tempfile::TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chitin"));
    command
        .args(["audit", "--policy", "logging-redaction"])
        .args(arguments)
        .current_dir(home.path())
        .env_clear();
    command.env("HOME", home.path()).env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hunter2");
    command.output().unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn findings_are_logs_and_counts_are_metrics() {
    let (home, stand) = (home(), Stand::new(&[(200, "{}")]));
    let output = run(&home, &["--otlp", &stand.address]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("logging.redact_off"),
        "the report is shown, too"
    );
    assert_eq!(stand.paths(), ["/v1/logs", "/v1/metrics"]);
    let seen = stand.seen.lock().unwrap();
    for (_, headers, _) in seen.iter() {
        assert!(headers.contains(&"content-type: application/json".to_owned()), "{headers:?}");
        assert!(headers.contains(&"authorization: bearer hunter2".to_owned()), "{headers:?}");
    }
    let records = seen[0].2.pointer("/resourceLogs/0/scopeLogs/0/logRecords").unwrap().as_array().unwrap();
    assert_eq!((records.len(), &records[0]["severityNumber"]), (2, &13.into()));
}

#[test]
fn several_targets_are_sent_as_they_end() {
    let (home, stand) = (home(), Stand::new(&[(200, "")]));
    for arguments in [&["--format", "ndjson"][..], &["--json"]] {
        stand.seen.lock().unwrap().clear();
        let output = run(&home, &[&[".openclaw", "other", "--otlp", &*stand.address], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        let seen = stand.seen.lock().unwrap();
        let targets: Vec<&Value> = seen
            .iter()
            .filter_map(|(_, _, body)| body.pointer("/resourceLogs/0/scopeLogs/0/logRecords"))
            .flat_map(|records| records.as_array().unwrap())
            .filter(|record| record["eventName"] == "chitin.target")
            .collect();
        assert_eq!(targets.len(), 2, "{arguments:?}");
    }
}

#[test]
fn what_a_collector_does_not_take_is_told_and_the_report_is_written() {
    let home = home();
    let busy = Stand::new(&[(503, ""), (200, "{}")]);
    assert_eq!(run(&home, &["--otlp", &busy.address]).status.code(), Some(0));
    assert_eq!(busy.paths(), ["/v1/logs", "/v1/logs", "/v1/metrics"]);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let part = r#"{"partialSuccess": {"rejectedLogRecords": "1"}}"#;
    for (address, told) in [
        (Stand::new(&[(401, "hunter2")]).address, "answers 401"),
        (Stand::new(&[(302, "")]).address, "answers 302"),
        (Stand::new(&[(200, part)]).address, "refused 1 of them"),
        (closed, "/v1/logs: "),
    ] {
        let output = run(&home, &["--otlp", &address]);
        assert_eq!(output.status.code(), Some(2), "{}", err(&output));
        assert!(err(&output).contains(told) && !err(&output).contains("hunter2"), "{}", err(&output));
        assert!(String::from_utf8_lossy(&output.stdout).contains("exit 0"), "it is there all the same");
    }
    for (bad, told) in [
        ("ftp://x", "no address of a collector"),
        ("collector:4318", "no address of a collector"),
        ("http://user:hunter2@c/", "has a login"),
        ("http://c/?key=hunter2", "has a query"),
        ("http://c/v1/logs", "ends in /v1/logs"),
    ] {
        let output = run(&home, &["--otlp", bad]);
        let said = err(&output);
        assert!(output.status.code() == Some(2) && said.contains(told), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
        assert!(output.stdout.is_empty(), "nothing is audited for nothing");
    }
}
