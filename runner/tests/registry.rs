//! Policies from registries. The registry here is a stand-in that lies as it is told to; `make check-registry` does the same with a
//! real one. Whatever it does, there is a clear error, nothing of the set changes, and credentials stay with their host.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test makes its registry, and stops where it cannot"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chitin_test_support::sigstore::{BUNDLE, Said as SignedBy, Sigstore};
use chitin_test_support::with_manifest;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use support::{Answer, Home};

/// A request that came.
#[derive(Clone, Debug)]
struct Asked {
    method: String,
    /// With what stands behind it.
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// What is answered.
enum Said {
    /// A status, headers, and a body.
    Whole(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// A body without an end.
    Endless,
    /// Nothing, ever.
    Silence,
}

fn ok(body: impl Into<Vec<u8>>) -> Said {
    Said::Whole(200, Vec::new(), body.into())
}

fn status(status: u16) -> Said {
    Said::Whole(status, Vec::new(), b"{\"errors\": [{\"message\": \"no \\u001b[2J\"}]}".to_vec())
}

fn sent_to(location: impl Into<String>) -> Said {
    Said::Whole(307, vec![("location", location.into())], Vec::new())
}

/// A server on this machine that answers by a rule.
struct Server {
    host: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

type Rule = Arc<dyn Fn(&Asked) -> Said + Send + Sync>;

impl Server {
    fn new(rule: impl Fn(&Asked) -> Said + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = format!("localhost:{}", listener.local_addr().unwrap().port());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (rule, seen): (Rule, _) = (Arc::new(rule), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (rule, seen) = (Arc::clone(&rule), Arc::clone(&seen));
                std::thread::spawn(move || serve(&stream.unwrap(), &rule, &seen));
            }
        });
        Self { host, asked }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(stream: &TcpStream, rule: &Rule, seen: &Mutex<Vec<Asked>>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line).is_err() || line.is_empty() {
        return;
    }
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let asked = Asked { method, path, headers, body };
    seen.lock().unwrap().push(asked.clone());
    let mut stream = stream;
    // Who has heard enough may hang up.
    let _ = match rule(&asked) {
        Said::Whole(status, headers, body) => {
            let more: Vec<String> =
                headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let more = more.concat();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n{more}\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body))
        }
        Said::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n");
            while stream.write_all(&[b' '; 4096]).is_ok() {}
            Ok(())
        }
        Said::Silence => {
            std::thread::sleep(Duration::from_mins(10));
            Ok(())
        }
    };
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(bytes)))
}

/// A policy in a registry: its bytes, and its manifest.
#[derive(Clone)]
struct Stored {
    layer: Vec<u8>,
    manifest: Value,
}

/// The policy `mine` with a version and a summary.
fn with_version(version: &str, summary: &str) -> Vec<u8> {
    with_manifest(&format!(
        "[policy]\nid = \"mine\"\nversion = \"{version}\"\nsummary = \"{summary}\"\n[[check]]\nid = \"hostile.finding\"\n\
         severity = \"warn\"\nsummary = \"s\"\n"
    ))
}

impl Stored {
    fn new(version: &str) -> Self {
        let layer = with_version(version, "s");
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": { "mediaType": "application/vnd.wasm.config.v0+json", "digest": digest(b"{}"), "size": 2 },
            "layers": [{ "mediaType": "application/wasm", "digest": digest(&layer), "size": layer.len() }],
        });
        Self { layer, manifest }
    }

    fn bytes(&self) -> Vec<u8> {
        self.manifest.to_string().into_bytes()
    }

    /// The version that it says of itself.
    fn version(&self) -> String {
        let text = String::from_utf8_lossy(&self.layer);
        text.split("version = \"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    }

    /// What an honest registry answers that has this under the tag 1.0.0.
    fn answer(&self, asked: &Asked) -> Said {
        let path = asked.path.split('?').next().unwrap();
        if path == "/v2/ann/mine/tags/list" {
            return ok(r#"{"tags": ["0.9.0", "latest", "1.0.0", "sha256-abc"]}"#);
        }
        let manifest = self.bytes();
        if path == "/v2/ann/mine/manifests/1.0.0"
            || path == format!("/v2/ann/mine/manifests/{}", digest(&manifest))
        {
            return ok(manifest);
        }
        if path == format!("/v2/ann/mine/blobs/{}", digest(&self.layer)) {
            return ok(self.layer.clone());
        }
        status(404)
    }
}

fn home() -> Home {
    let mut home = Home::new();
    home.directory(".openclaw", 0o700);
    home.file(".openclaw/openclaw.json", 0o600, Some(b"{}"));
    home.settle();
    home
}

fn run(home: &Home, arguments: &[&str]) -> Answer {
    home.answer(home.command().args(arguments))
}

fn add(home: &Home, server: &Server, what: &str) -> Answer {
    run(home, &["policy", "add", &format!("oci://{}/ann/mine{what}", server.host), "--yes"])
}

/// The error names the cause, on one line without what moves a terminal, and nothing was changed.
fn refused(home: &Home, answer: &Answer, words: &str) {
    assert_eq!(answer.code, 2, "{answer:?}");
    assert!(answer.stderr.contains(words), "{words}: {}", answer.stderr);
    assert!(!answer.stderr.contains('\u{1b}') && answer.stderr.lines().count() <= 2, "{:?}", answer.stderr);
    assert_eq!(home.set(), Vec::new());
}

#[test]
fn a_policy_comes_from_a_registry() {
    let stored = Stored::new("1.0.0");
    let digest = digest(&stored.bytes());
    let server = Server::new(move |asked| stored.answer(asked));
    for what in ["", ":1.0.0", &format!("@{digest}"), &format!(":1.0.0@{digest}")] {
        let home = home();
        let answer = add(&home, &server, what);
        assert_eq!(answer.code, 0, "{what}: {answer:?}");
        let lock = fs::read_to_string(home.path().join(".config/chitin/chitin.lock")).unwrap();
        assert!(lock.contains(&format!("resolved = \"oci://{}/ann/mine@{digest}\"", server.host)), "{lock}");
        assert!(run(&home, &["audit"]).stdout.contains("said by the policy mine, which you have added"));
        assert!(run(&home, &["policy", "outdated"]).stdout.contains("mine 1.0.0: up to date"));
    }
}

#[test]
fn a_registry_that_lies_gives_nothing() {
    type Lie = fn(&Stored, &Asked) -> Option<Said>;
    /// Another manifest in the place of the right one.
    fn manifest(asked: &Asked, change: impl FnOnce(&mut Value), stored: &Stored) -> Option<Said> {
        let mut manifest = stored.manifest.clone();
        change(&mut manifest);
        asked.path.contains("/manifests/").then(|| ok(manifest.to_string()))
    }
    let lies: [(&str, &str, Lie); 17] = [
        (":1.0.0", "and announced", |stored, asked| {
            let mut layer = stored.layer.clone();
            *layer.last_mut().unwrap() ^= 1;
            asked.path.contains("/blobs/").then(|| ok(layer))
        }),
        (":1.0.0", "and announced", |stored, asked| {
            asked.path.contains("/blobs/").then(|| ok(&stored.layer[..stored.layer.len() - 1]))
        }),
        (":1.0.0", "it gives more than", |stored, asked| {
            asked.path.contains("/blobs/").then(|| ok([&stored.layer[..], b"\0"].concat()))
        }),
        (":1.0.0", "it gives more than", |_, asked| asked.path.contains("/blobs/").then_some(Said::Endless)),
        (":1.0.0", "it gives more than", |_, asked| {
            asked.path.contains("/manifests/").then_some(Said::Endless)
        }),
        ("", "it gives more than", |_, asked| asked.path.contains("/tags/").then_some(Said::Endless)),
        (":1.0.0", "is an index of several images", |_, asked| {
            asked.path.contains("/manifests/").then(|| ok(r#"{"schemaVersion": 2, "manifests": []}"#))
        }),
        (":1.0.0", "it announces 1099511627776 bytes", |stored, asked| {
            manifest(asked, |value| value["layers"][0]["size"] = (1_u64 << 40).into(), stored)
        }),
        (":1.0.0", "its manifest is not understood", |stored, asked| {
            manifest(asked, |value| value["layers"][0]["size"] = (-1).into(), stored)
        }),
        (":1.0.0", "it has 2 layers", |stored, asked| {
            manifest(asked, |value| value["layers"] = json!([value["layers"][0], value["layers"][0]]), stored)
        }),
        (":1.0.0", "it has 0 layers", |stored, asked| {
            manifest(asked, |value| value["layers"] = json!([]), stored)
        }),
        (":1.0.0", "its layer is \"application/vnd.oci.image.layer.v1.tar+gzip\"", |stored, asked| {
            let kind = "application/vnd.oci.image.layer.v1.tar+gzip";
            manifest(asked, |value| value["layers"][0]["mediaType"] = kind.into(), stored)
        }),
        (":1.0.0", "which is no SHA-256", |stored, asked| {
            manifest(asked, |value| value["layers"][0]["digest"] = "sha256:../../etc/passwd".into(), stored)
        }),
        (":1.0.0", "it answers with no JSON", |_, asked| {
            asked.path.contains("/manifests/").then(|| ok("\u{1b}[2J"))
        }),
        (":1.0.0", "status 500", |_, asked| asked.path.contains("/manifests/").then(|| status(500))),
        (":7.0.0", "is not there", |_, _| None),
        ("", "a version of", |_, asked| {
            asked.path.contains("/tags/").then(|| ok(r#"{"tags": ["latest", 1, null]}"#))
        }),
    ];
    for (what, words, lie) in lies {
        let stored = Stored::new("1.0.0");
        let server = Server::new(move |asked| lie(&stored, asked).unwrap_or_else(|| stored.answer(asked)));
        let home = home();
        refused(&home, &add(&home, &server, what), words);
    }
    let stored = Stored::new("1.0.0");
    let server = Server::new(move |asked| stored.answer(asked));
    let home = home();
    let other = digest(b"another");
    let answer = add(&home, &server, &format!("@{other}"));
    refused(&home, &answer, "is not there");
    let stored = Stored::new("1.0.0");
    let server = Server::new(move |asked| {
        if asked.path.contains("/manifests/") { ok(stored.bytes()) } else { stored.answer(asked) }
    });
    refused(&home, &add(&home, &server, &format!("@{other}")), "was asked for");
}

#[test]
fn no_redirect_leads_out_of_tls_or_to_a_file() {
    for (location, words) in [
        ("file:///etc/passwd", "only what is reached over https"),
        ("http://registry.example/blob", "only what is reached over https"),
        ("http://user:pw@localhost/blob", "only what is reached over https"),
        ("ftp://localhost/blob", "only what is reached over https"),
        ("//", "to a place that is none"),
        ("/v2/ann/mine/blobs/again", "more than 5 times"),
    ] {
        let stored = Stored::new("1.0.0");
        let server = Server::new(move |asked| {
            if asked.path.contains("/blobs/") { sent_to(location) } else { stored.answer(asked) }
        });
        let home = home();
        refused(&home, &add(&home, &server, ":1.0.0"), words);
    }
    let server = Server::new(|_| Said::Whole(307, Vec::new(), Vec::new()));
    let home = home();
    refused(&home, &add(&home, &server, ":1.0.0"), "it sends to no place");
}

/// Gives the operator credentials for a host.
fn log_in(home: &Home, host: &str) {
    let auth = data_encoding::BASE64.encode(b"ann:secret");
    fs::create_dir_all(home.path().join(".docker")).unwrap();
    let config = json!({ "auths": { host: { "auth": auth } } });
    fs::write(home.path().join(".docker/config.json"), config.to_string()).unwrap();
}

fn authorizations(server: &Server) -> Vec<String> {
    server.asked().iter().filter_map(|asked| asked.headers.get("authorization").cloned()).collect()
}

const BASIC: &str = "Basic YW5uOnNlY3JldA==";

#[test]
fn credentials_are_sent_to_their_host_only() {
    // The registry wants to know who asks, and keeps its blobs elsewhere.
    let stored = Stored::new("1.0.0");
    let layer = stored.layer.clone();
    let store = Server::new(move |_| ok(layer.clone()));
    let elsewhere = format!("http://{}/blob", store.host);
    let registry = Server::new(move |asked| match asked.headers.get("authorization").map(String::as_str) {
        Some(BASIC) if asked.path.contains("/blobs/") => sent_to(elsewhere.clone()),
        Some(BASIC) => stored.answer(asked),
        _ => Said::Whole(401, vec![("www-authenticate", "Basic realm=\"x\"".to_owned())], Vec::new()),
    });
    let home = home();
    refused(
        &home,
        &add(&home, &registry, ":1.0.0"),
        "it wants a user and a password, and you have none for it",
    );
    log_in(&home, &registry.host);
    let answer = add(&home, &registry, ":1.0.0");
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(!authorizations(&registry).is_empty());
    assert_eq!(authorizations(&store), Vec::<String>::new());
    assert_eq!(store.asked().len(), 1);
    let told = format!("{answer:?}");
    assert!(!told.contains("secret") && !told.contains("YW5u"), "{told}");
    // Those of another host, or of another port of it, are not for it.
    let home = self::home();
    log_in(&home, "localhost");
    refused(&home, &add(&home, &registry, ":1.0.0"), "you have none for it");
    // Wrong ones.
    let strict =
        Server::new(|_| Said::Whole(401, vec![("www-authenticate", "Basic".to_owned())], Vec::new()));
    log_in(&home, &strict.host);
    refused(&home, &add(&home, &strict, ":1.0.0"), "it does not take the credentials");
    // What is on this machine is asked through nobody.
    let proxy = Server::new(|_| status(200));
    let direct = self::home();
    log_in(&direct, &registry.host);
    let mut command = direct.command();
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"] {
        command.env(name, format!("http://{}", proxy.host));
    }
    command.args(["policy", "add", &format!("oci://{}/ann/mine:1.0.0", registry.host), "--yes"]);
    assert_eq!(direct.answer(&mut command).code, 0);
    assert!(proxy.asked().is_empty());
    // One that repeats what it was shown.
    let loud = Server::new(|asked| {
        let shown = asked.headers.get("authorization").cloned().unwrap_or_default();
        let text =
            json!({"errors": [{"message": format!("no {shown} nor ann:secret nor secret")}]}).to_string();
        Said::Whole(401, vec![("www-authenticate", "Basic".to_owned())], text.into_bytes())
    });
    log_in(&home, &loud.host);
    let answer = add(&home, &loud, ":1.0.0");
    refused(&home, &answer, "(no Basic *** nor *** nor ***)");
}

#[test]
fn a_token_is_asked_for_where_the_registry_is() {
    let stored = Stored::new("1.0.0");
    let host = Arc::new(Mutex::new(String::new()));
    let own = Arc::clone(&host);
    let registry = Server::new(move |asked| {
        if asked.path.starts_with("/token") {
            let is_right = asked.path.contains("scope=repository%3Aann%2Fmine%3Apull");
            let known = asked.headers.get("authorization").is_some_and(|text| text == BASIC);
            return if is_right && known { ok(r#"{"token": "t0k"}"#) } else { status(401) };
        }
        if asked.headers.get("authorization").is_some_and(|text| text == "Bearer t0k") {
            return stored.answer(asked);
        }
        let realm = format!("http://{}/token", own.lock().unwrap());
        // The scope that it names is not the one that is asked for.
        let challenge =
            format!("Bearer realm=\"{realm}\",service=\"s\",scope=\"repository:victim/secret:pull,push\"");
        Said::Whole(401, vec![("www-authenticate", challenge)], Vec::new())
    });
    host.lock().unwrap().clone_from(&registry.host);
    let home = home();
    refused(&home, &add(&home, &registry, ":1.0.0"), "it gives no token");
    log_in(&home, &registry.host);
    let answer = add(&home, &registry, ":1.0.0");
    assert_eq!(answer.code, 0, "{answer:?}");
    // Another host's token, and the credentials for it, are not for this registry.
    let issuer = Server::new(|_| ok(r#"{"token": "of another"}"#));
    let realm = format!("http://{}/token", issuer.host);
    let thief = Server::new(move |_| {
        Said::Whole(401, vec![("www-authenticate", format!("Bearer realm=\"{realm}\""))], Vec::new())
    });
    let home = self::home();
    log_in(&home, &issuer.host);
    refused(&home, &add(&home, &thief, ":1.0.0"), "it gives no token");
    log_in(&home, &thief.host);
    refused(&home, &add(&home, &thief, ":1.0.0"), "");
    assert_eq!(authorizations(&issuer), Vec::<String>::new(), "nobody logs in elsewhere");
    for challenge in [
        "Bearer",
        "Bearer realm=\"file:///etc/passwd\"",
        "Digest realm=\"x\"",
        "",
        "Bearer realm=\"http://other.example/\"",
    ] {
        let odd = Server::new(move |_| {
            Said::Whole(401, vec![("www-authenticate", challenge.to_owned())], Vec::new())
        });
        refused(&home, &add(&home, &odd, ":1.0.0"), "cannot use oci://");
    }
}

#[test]
fn a_tag_that_was_moved_is_told() {
    let now = Arc::new(Mutex::new(Stored::new("1.0.0")));
    let shared = Arc::clone(&now);
    let server = Server::new(move |asked| shared.lock().unwrap().answer(asked));
    let home = home();
    assert_eq!(add(&home, &server, ":1.0.0").code, 0);
    let before = home.set();
    let mut moved = Stored::new("1.0.0");
    moved.layer.extend([0, 2, 1, b'x']);
    moved.manifest["layers"][0]["digest"] = digest(&moved.layer).into();
    moved.manifest["layers"][0]["size"] = moved.layer.len().into();
    *now.lock().unwrap() = moved;
    let answer = run(&home, &["policy", "outdated"]);
    assert!(answer.code == 1 && answer.stdout.contains("mine 1.0.0: its tag was moved"), "{answer:?}");
    let answer = run(&home, &["policy", "update", "mine"]);
    assert!(answer.code == 2 && answer.stderr.contains("its tag was moved"), "{answer:?}");
    assert_eq!(home.set(), before);
    assert_eq!(run(&home, &["policy", "update", "mine", "--yes"]).code, 2);
    assert_eq!(run(&home, &["policy", "update", "mine", "--moved-tag"]).code, 0);
    // Nor is it another version because the file in it says so.
    let mut other = Stored::new("2.0.0");
    other.manifest["annotations"] = json!({ "org.opencontainers.image.version": "1.0.0" });
    *now.lock().unwrap() = other;
    let answer = run(&home, &["policy", "update", "mine", "--yes", "--moved-tag"]);
    assert!(answer.code == 2 && answer.stderr.contains("of another version by its own word"), "{answer:?}");
}

#[test]
fn an_interrupt_ends_the_wait() {
    let server = Server::new(|_| Said::Silence);
    let home = home();
    let mut command = home.command();
    command.args(["policy", "add", &format!("oci://{}/ann/mine:1.0.0", server.host), "--yes"]);
    let child =
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    while server.asked().is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let id = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(home.set(), Vec::new());
}

/// A registry that takes what it is given, with or without a list of what refers to what.
fn keeper(has_referrers: bool) -> Server {
    let kept: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::default();
    Server::new(move |asked| {
        let mut kept = kept.lock().unwrap();
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        match (asked.method.as_str(), path) {
            ("POST", _) => Said::Whole(202, vec![("location", format!("{path}session"))], Vec::new()),
            ("PUT", path) if path.ends_with("/session") => {
                let digest = query.trim_start_matches("digest=").replace("%3A", ":");
                kept.insert(path.replace("uploads/session", &digest), asked.body.clone());
                status(201)
            }
            ("PUT", path) => {
                kept.insert(path.to_owned(), asked.body.clone());
                let own = path.rsplit_once('/').unwrap().0;
                kept.insert(format!("{own}/{}", digest(&asked.body)), asked.body.clone());
                let document: Value = serde_json::from_slice(&asked.body).unwrap();
                let Some(subject) = document["subject"]["digest"].as_str().filter(|_| has_referrers) else {
                    return status(201);
                };
                let entry = json!({ "mediaType": document["mediaType"], "artifactType": document["artifactType"],
                    "digest": digest(&asked.body), "size": asked.body.len() });
                let index = json!({ "schemaVersion": 2, "manifests": [entry] });
                kept.insert(
                    path.replace("manifests", "referrers").rsplit_once('/').unwrap().0.to_owned()
                        + "/"
                        + subject,
                    index.to_string().into_bytes(),
                );
                Said::Whole(201, vec![("oci-subject", subject.to_owned())], Vec::new())
            }
            (_, path) => kept.get(path).map_or_else(|| status(404), |body| ok(body.clone())),
        }
    })
}

#[test]
fn a_signature_lies_beside_its_policy() {
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    for has_referrers in [true, false] {
        let registry = keeper(has_referrers);
        let home = home();
        let bytes = Stored::new("1.0.0").layer;
        fs::write(home.path().join("mine.wasm"), &bytes).unwrap();
        fs::write(home.path().join("mine.pub"), pair.pk.to_box().unwrap().to_string()).unwrap();
        let signature = minisign::sign(None, &pair.sk, &bytes[..], None, None).unwrap();
        fs::write(home.path().join("mine.wasm.minisig"), signature.to_string()).unwrap();
        let place = format!("oci://{}/ann/mine", registry.host);
        for _ in 0..2 {
            let answer = run(&home, &["policy", "push", "mine.wasm", &place]);
            assert!(
                answer.code == 0 && answer.stdout.contains("pushed mine 1.0.0, with its signature"),
                "{answer:?}"
            );
        }
        let answer = run(&home, &["policy", "add", &format!("{place}:1.0.0"), "--yes"]);
        refused(&home, &answer, "which is not among the trusted ones");
        let answer = run(&home, &["policy", "add", &format!("{place}:1.0.0"), "--yes", "--key", "mine.pub"]);
        assert_eq!(answer.code, 0, "{has_referrers}: {answer:?}");
        assert!(run(&home, &["policy", "verify"]).stdout.contains("signed by"));
        // Another file is no other version.
        let other = with_version("1.0.0", "another summary");
        fs::write(home.path().join("mine.wasm"), &other).unwrap();
        let before = registry.asked().len();
        let answer = run(&home, &["policy", "push", "mine.wasm", &place]);
        assert!(
            answer.code == 2 && answer.stderr.contains("mine.wasm.minisig is no signature of mine.wasm"),
            "{answer:?}"
        );
        assert_eq!(registry.asked().len(), before, "nothing was given");
        fs::remove_file(home.path().join("mine.wasm.minisig")).unwrap();
        let answer = run(&home, &["policy", "push", "mine.wasm", &place]);
        assert!(
            answer.code == 2 && answer.stderr.contains("another file under that version already"),
            "{answer:?}"
        );
        let answer = run(&home, &["policy", "update", "mine"]);
        assert!(answer.code == 0 && answer.stdout.contains("up to date"), "{answer:?}");
        let answer = run(&home, &["policy", "push", "mine.wasm", &place, "--move-tag"]);
        assert!(
            answer.code == 0 && answer.stdout.contains("pushed mine 1.0.0, signed by nobody"),
            "{answer:?}"
        );
        let answer = run(&home, &["policy", "inspect", &format!("{place}:1.0.0")]);
        assert!(
            answer.code == 0
                && answer.stdout.contains("another summary")
                && answer.stdout.contains("signed by nobody")
        );
        let answer = run(&home, &["policy", "push", "mine.wasm", &format!("{place}:2.0.0")]);
        assert!(answer.code == 2 && answer.stderr.contains("is not where version 1.0.0"), "{answer:?}");
    }
    // A list that names what refers to something else, or announces too much.
    let stored = Stored::new("1.0.0");
    let own = digest(&stored.bytes());
    for (subject, size, words) in [
        ("sha256:00".to_owned(), 10, "signed  by nobody"),
        (own.clone(), 1_u64 << 40, "announces a signature"),
    ] {
        let stored = stored.clone();
        let referrer = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2 },
            "layers": [{ "mediaType": "application/vnd.minisign.signature", "digest": digest(b"x"), "size": size }],
            "subject": { "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": subject, "size": 1 },
        })
        .to_string();
        let server = Server::new(move |asked| {
            let at = digest(referrer.as_bytes());
            if asked.path.contains("/referrers/") {
                let entry = json!({ "mediaType": "x", "artifactType": "application/vnd.minisign.signature", "digest": at, "size": 1 });
                return ok(json!({ "manifests": vec![entry; 100] }).to_string());
            }
            if asked.path.contains(&at) { ok(referrer.clone()) } else { stored.answer(asked) }
        });
        let home = home();
        let answer = add(&home, &server, ":1.0.0");
        assert!(format!("{}{}", answer.stdout, answer.stderr).contains(words), "{words}: {answer:?}");
        assert!(server.asked().len() < 30, "{}", server.asked().len());
    }
}

/// The kind of what stands beside a policy.
fn kind_of(bytes: &[u8]) -> &'static str {
    if bytes.starts_with(b"untrusted comment") { "application/vnd.minisign.signature" } else { BUNDLE }
}

/// A registry with a policy, and what stands beside it. It is changed while it is asked.
#[derive(Clone)]
struct Beside {
    stored: Stored,
    /// The bundles, in the order of the list.
    bundles: Vec<Vec<u8>>,
    /// The registry has a list of what refers to what; else a tag stands in for it, as cosign writes it.
    has_referrers: bool,
    /// The size that a bundle's manifest announces, where it is not its own.
    announced: Option<u64>,
    /// The digest that a bundle's manifest names as its subject, where it is not that of the policy's.
    subject: Option<String>,
}

impl Beside {
    fn new(version: &str, bundles: Vec<Vec<u8>>) -> Self {
        let stored = Stored::new(version);
        Self { stored, bundles, has_referrers: true, announced: None, subject: None }
    }

    /// The manifest that a bundle lies in.
    fn manifest(&self, bundle: &[u8]) -> Vec<u8> {
        let subject = self.subject.clone().unwrap_or_else(|| digest(&self.stored.bytes()));
        let size = self.announced.unwrap_or(bundle.len() as u64);
        json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": kind_of(bundle),
            "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2 },
            "layers": [{ "mediaType": kind_of(bundle), "digest": digest(bundle), "size": size }],
            "subject": { "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": subject, "size": 1 },
        })
        .to_string()
        .into_bytes()
    }

    fn answer(&self, asked: &Asked) -> Said {
        let own = digest(&self.stored.bytes());
        let (api, tag) = (
            format!("/v2/ann/mine/referrers/{own}"),
            format!("/v2/ann/mine/manifests/{}", own.replace(':', "-")),
        );
        if asked.path == if self.has_referrers { api } else { tag } {
            let entry = |bundle: &Vec<u8>| {
                let manifest = self.manifest(bundle);
                let kind =
                    if self.has_referrers { kind_of(bundle) } else { "application/vnd.oci.empty.v1+json" };
                json!({ "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": kind,
                    "digest": digest(&manifest), "size": manifest.len(),
                    "annotations": { "dev.sigstore.bundle.content": "dsse-envelope" } })
            };
            let listed: Vec<Value> = self.bundles.iter().map(entry).collect();
            return ok(json!({ "schemaVersion": 2, "manifests": listed }).to_string());
        }
        for bundle in &self.bundles {
            let manifest = self.manifest(bundle);
            if asked.path == format!("/v2/ann/mine/manifests/{}", digest(&manifest)) {
                return ok(manifest);
            }
            if asked.path == format!("/v2/ann/mine/blobs/{}", digest(bundle)) {
                return ok(bundle.clone());
            }
        }
        let version = self.stored.version();
        if asked.path.starts_with("/v2/ann/mine/tags/list") {
            return ok(json!({ "tags": [version] }).to_string());
        }
        self.stored.answer(&Asked { path: asked.path.replace(&version, "1.0.0"), ..asked.clone() })
    }
}

/// A registry whose content can be replaced.
fn changing(first: Beside) -> (Server, Arc<Mutex<Beside>>) {
    let now = Arc::new(Mutex::new(first));
    let shared = Arc::clone(&now);
    (Server::new(move |asked| shared.lock().unwrap().answer(asked)), now)
}

const GITHUB: &str = "https://token.actions.githubusercontent.com";

/// An entry of the settings for the author's workflows.
fn ann(more: &str) -> String {
    format!(
        "\n[[trusted-identity]]\nissuer = \"{GITHUB}\"\nidentity = \"https://github.com/ann/theirs/*\"\n{more}\n"
    )
}

/// A home whose settings know a sigstore of their own.
fn home_with(sigstore: &Sigstore, settings: &str) -> Home {
    let home = home();
    let folder = home.path().join(".config/chitin");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("root.json"), sigstore.root().to_string()).unwrap();
    set(&home, settings);
    home
}

/// Writes settings, and keeps the policies that were added.
fn set(home: &Home, settings: &str) {
    let file = home.path().join(".config/chitin/chitin.toml");
    let known = fs::read_to_string(&file).unwrap_or_default();
    let added = known.find("[[policy]]").map_or("", |at| &known[at..]);
    let added = added.split("\n[[trusted-identity]]").next().unwrap();
    fs::write(&file, format!("sigstore-root = \"root.json\"\n{settings}\n{added}")).unwrap();
}

fn about(stored: &Stored) -> SignedBy {
    SignedBy { subject: digest(&stored.bytes()).replace("sha256:", ""), ..SignedBy::default() }
}

fn lock(home: &Home) -> String {
    fs::read_to_string(home.path().join(".config/chitin/chitin.lock")).unwrap()
}

/// An error that names its cause on one line, and nothing was added.
fn stopped(home: &Home, answer: &Answer, words: &str) {
    assert_eq!(answer.code, 2, "{answer:?}");
    assert!(answer.stderr.contains(words), "{words}: {}", answer.stderr);
    assert!(!answer.stderr.contains('\u{1b}') && answer.stderr.lines().count() <= 2, "{:?}", answer.stderr);
    assert!(!home.path().join(".config/chitin/chitin.lock").exists());
}

#[test]
fn an_identity_signs_a_policy_by_sigstore() {
    const NAME: &str = "https://github.com/ann/theirs/.github/workflows/release.yml@refs/tags/v1";
    let sigstore = Sigstore::new();
    let bundle = |version: &str, by: &dyn Fn(SignedBy) -> SignedBy| {
        let by = by(about(&Stored::new(version)));
        sigstore.bundle(&by).to_string().into_bytes()
    };
    for has_referrers in [true, false] {
        let first = Beside { has_referrers, ..Beside::new("1.0.0", vec![bundle("1.0.0", &|by| by)]) };
        let (registry, now) = changing(first);
        let home = home_with(&sigstore, &format!("require-signatures = true\n{}", ann("name = \"Ann\"")));
        let place = format!("oci://{}/ann/mine", registry.host);
        let answer = run(&home, &["policy", "inspect", &place]);
        assert!(
            answer.code == 0
                && unwrapped(&answer.stdout)
                    .contains(&format!("signed by {NAME} (by {GITHUB}), who is Ann here, which you trust")),
            "{answer:?}"
        );
        let answer = run(&home, &["policy", "add", &place, "--yes"]);
        assert_eq!(answer.code, 0, "{has_referrers}: {answer:?}");
        assert!(
            unwrapped(&answer.stdout).contains(&format!("signed by {NAME} (by {GITHUB})")),
            "{}",
            answer.stdout
        );
        assert!(lock(&home).contains(&format!("signer = \"sigstore:{GITHUB} {NAME}\"")), "{}", lock(&home));
        for command in [&["policy", "verify"][..], &["policy", "list"], &["policy", "inspect", "mine"]] {
            let answer = run(&home, command);
            let shown = format!("signed by {NAME} (by {GITHUB})");
            assert!(
                answer.code == 0 && unwrapped(&answer.stdout).contains(&shown),
                "{command:?}: {answer:?}"
            );
        }
        let before = registry.asked().len();
        let audit = run(&home, &["audit", "--locked"]);
        assert!(audit.stdout.contains("said by the policy mine, which you have added"), "{audit:?}");
        assert_eq!(registry.asked().len(), before, "an audit asks nobody");
        // Each audit holds the lock against the settings.
        for (settings, words) in [
            (ann("revoked = \"it was taken over\""), "which is revoked: it was taken over"),
            (ann("policies = [\"ann-*\"]"), "which may sign ann-* only"),
            (String::new(), "which is not trusted here"),
            (ann("").replace("ann/theirs", "bob/theirs"), "which is not trusted here"),
            (ann("").replace(GITHUB, "https://gitlab.example"), "which is not trusted here"),
        ] {
            set(&home, &settings);
            let audit = run(&home, &["audit"]);
            assert!(audit.code == 3 && unwrapped(&audit.stdout).contains(words), "{words}: {audit:?}");
            let verify = run(&home, &["policy", "verify"]);
            assert!(verify.code == 3 && verify.stdout.contains(words), "{words}: {verify:?}");
        }
        // An update that nobody signed, or somebody else, stops; one by another trusted identity says so.
        set(&home, &ann(""));
        let kept = home.set();
        let update = |bundles: Vec<Vec<u8>>| {
            now.lock().unwrap().clone_from(&Beside { has_referrers, ..Beside::new("1.1.0", bundles) });
            run(&home, &["policy", "update", "mine"])
        };
        let other = |by: SignedBy| SignedBy { identity: "https://github.com/bob/theirs/x".to_owned(), ..by };
        let words =
            format!("{NAME} (by {GITHUB}) signed the version that you have, and nobody signed this one");
        for (bundles, more) in [
            (Vec::new(), ""),
            (vec![bundle("1.1.0", &other)], "it is signed by https://github.com/bob/theirs/x at"),
            (vec![bundle("1.0.0", &|by| by)], "a bundle beside it does not count"),
        ] {
            let answer = update(bundles);
            assert!(
                answer.code == 2 && answer.stderr.contains(&words) && answer.stderr.contains(more),
                "{answer:?}"
            );
            assert_eq!(home.set(), kept);
        }
        set(&home, &format!("require-signatures = true\n{}", ann("")));
        let answer = update(vec![bundle("1.1.0", &other)]);
        assert!(
            answer.code == 2 && answer.stderr.contains("it is not signed, and the settings say"),
            "{answer:?}"
        );
        set(&home, &(ann("") + &ann("").replace("ann/", "bob/")));
        let answer = update(vec![bundle("1.1.0", &other)]);
        let words =
            format!("signed by {NAME} (by {GITHUB}) -> https://github.com/bob/theirs/x (by {GITHUB})");
        assert!(answer.code == 0 && unwrapped(&answer.stdout).contains(&words), "{answer:?}");
        let answer = run(&home, &["policy", "remove", "mine"]);
        assert!(
            answer.code == 0 && answer.stdout.contains("still trusted: see [[trusted-identity]]"),
            "{answer:?}"
        );
    }
}

#[test]
fn a_bundle_that_does_not_count_is_told_and_stops_nothing() {
    let (sigstore, other) = (Sigstore::new(), Sigstore::new());
    let stored = Stored::new("1.0.0");
    let by = about(&stored);
    let good = sigstore.bundle(&by).to_string().into_bytes();
    let with = |sigstore: &Sigstore, by: SignedBy| sigstore.bundle(&by).to_string().into_bytes();
    let mut tampered = sigstore.bundle(&by);
    tampered["dsseEnvelope"]["payload"] =
        tampered["dsseEnvelope"]["payload"].as_str().unwrap().replace('e', "f").into();
    let hundred = (0..99).map(|at| format!("garbage {at}").into_bytes()).chain([good.clone()]).collect();
    let plain = |bundles: Vec<Vec<u8>>| Beside::new("1.0.0", bundles);
    let cases: [(&str, Beside); 13] = [
        (
            "which is not trusted here; trust it with [[trusted-identity]]",
            plain(vec![with(
                &sigstore,
                SignedBy { identity: "https://github.com/bob/x".to_owned(), ..by.clone() },
            )]),
        ),
        (
            "at https://gitlab.example, which is not trusted here",
            plain(vec![with(
                &sigstore,
                SignedBy { issuer: "https://gitlab.example".to_owned(), ..by.clone() },
            )]),
        ),
        (
            "does not match any subject",
            plain(vec![with(&sigstore, SignedBy { subject: "ab".repeat(32), ..by.clone() })]),
        ),
        (
            "it does not hold",
            plain(vec![with(&sigstore, SignedBy { at: by.at + 90 * 86_400, ..by.clone() })]),
        ),
        (
            "says nothing of who signed",
            plain(vec![with(
                &sigstore,
                SignedBy { predicate: "https://spdx.dev/Document".to_owned(), ..by.clone() },
            )]),
        ),
        (
            "names nobody",
            plain(vec![with(
                &sigstore,
                SignedBy { identity: "https://github.com/ann/theirs/\u{1b}[2J\nx".to_owned(), ..by.clone() },
            )]),
        ),
        ("it does not hold", plain(vec![with(&other, by.clone())])),
        ("does not count", plain(vec![tampered.to_string().into_bytes()])),
        (
            "says nothing of who signed",
            plain(vec![with(&sigstore, SignedBy { predicate: "x".repeat(100_000), ..by.clone() })]),
        ),
        ("it is no bundle of sigstore", plain(vec![b"garbage \x1b[2J".to_vec()])),
        ("that is no text", plain(vec![vec![0xff, 0xfe]])),
        ("one has 262144 at most", Beside { announced: Some(1 << 40), ..plain(vec![good.clone()]) }),
        ("100 bundles stand beside it, and the first 16 were looked at", plain(hundred)),
    ];
    for (words, beside) in cases {
        let (registry, _) = changing(beside);
        let home = home_with(&sigstore, &ann(""));
        let place = format!("oci://{}/ann/mine", registry.host);
        let inspect = run(&home, &["policy", "inspect", &place]);
        let shown = unwrapped(&inspect.stdout);
        assert!(
            inspect.code == 0 && shown.contains("signed by nobody") && shown.contains(words),
            "{words}: {inspect:?}"
        );
        assert!(registry.asked().len() < 60 && shown.len() < 10_000, "{} {shown}", registry.asked().len());
        set(&home, &format!("require-signatures = true\n{}", ann("")));
        let add = run(&home, &["policy", "add", &place, "--yes"]);
        stopped(&home, &add, "it is not signed, and the settings say require-signatures (");
        set(&home, &ann(""));
        let add = run(&home, &["policy", "add", &place, "--yes"]);
        assert!(add.code == 0 && add.stdout.contains("signed  by nobody"), "{words}: {add:?}");
        assert!(unwrapped(&add.stdout).contains(words) && !add.stdout.contains('\u{1b}'), "{words}: {add:?}");
        assert!(!lock(&home).contains("signer"), "{}", lock(&home));
    }
}

#[test]
fn one_bundle_that_counts_is_enough_and_the_operator_has_the_last_word() {
    let (sigstore, other) = (Sigstore::new(), Sigstore::new());
    let by = about(&Stored::new("1.0.0"));
    let good = sigstore.bundle(&by).to_string().into_bytes();
    // A signature by a key that nobody knows, a bundle of another sigstore, and no bundle at all.
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    let signature = minisign::sign(None, &pair.sk, &Stored::new("1.0.0").layer[..], None, None).unwrap();
    let bundles = vec![
        signature.to_string().into_bytes(),
        b"garbage".to_vec(),
        other.bundle(&by).to_string().into_bytes(),
        good,
    ];
    let (registry, now) = changing(Beside::new("1.0.0", bundles));
    let place = format!("oci://{}/ann/mine", registry.host);
    let required = format!("require-signatures = true\n{}", ann(""));
    let home = home_with(&sigstore, &required);
    // What lies beside it has to refer to it.
    now.lock().unwrap().subject = Some(digest(b"another"));
    stopped(&home, &run(&home, &["policy", "add", &place, "--yes"]), "it is not signed");
    now.lock().unwrap().subject = None;
    assert_eq!(run(&home, &["policy", "add", &place, "--yes"]).code, 0);
    // The operator's word against an identity is an error, whether signatures are required or not.
    for (settings, words) in [
        (ann("revoked = \"it was taken over\""), "which is revoked: it was taken over"),
        (ann("policies = [\"ann-*\"]"), "which may sign ann-* only"),
    ] {
        let home = home_with(&sigstore, &settings);
        stopped(&home, &run(&home, &["policy", "add", &place, "--yes"]), words);
        let inspect = run(&home, &["policy", "inspect", &place]);
        assert!(inspect.code == 0 && unwrapped(&inspect.stdout).contains(words), "{inspect:?}");
    }
    // The root is the operator's: without it, with a broken one, or with one that others can write, nothing of it counts.
    let home = home_with(&sigstore, &required);
    let root = home.path().join(".config/chitin/root.json");
    fs::write(&root, "no root").unwrap();
    stopped(&home, &run(&home, &["policy", "add", &place, "--yes"]), "is no trusted root of sigstore");
    fs::write(&root, sigstore.root().to_string()).unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o666)).unwrap();
    stopped(&home, &run(&home, &["policy", "add", &place, "--yes"]), "others can change");
    fs::remove_file(&root).unwrap();
    stopped(
        &home,
        &run(&home, &["policy", "add", &place, "--yes"]),
        "that sigstore-root names in chitin.toml cannot be read",
    );
    fs::write(home.path().join(".config/chitin/chitin.toml"), ann("")).unwrap();
    now.lock().unwrap().bundles.remove(0);
    let add = run(&home, &["policy", "add", &place, "--yes"]);
    assert!(add.code == 0 && add.stdout.contains("signed  by nobody"), "{add:?}");
}

/// A text as it was before it was broken into lines.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_no_reference_is_told() {
    let home = home();
    for text in [
        "oci://",
        "oci://localhost",
        "oci://localhost/A",
        "oci://user@localhost/a",
        "https://ghcr.io/a",
        "oci://localhost/a:",
    ] {
        let answer = run(&home, &["policy", "add", text, "--yes"]);
        refused(&home, &answer, "oci://HOST/NAME:VERSION");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let answer = run(&home, &["policy", "add", &format!("oci://localhost:{closed}/a:1.0.0"), "--yes"]);
    refused(&home, &answer, "cannot be asked");
    // Any other machine is asked over TLS only.
    let answer = run(&home, &["policy", "add", "oci://127.0.0.1.example/a:1.0.0", "--yes"]);
    refused(&home, &answer, "https://127.0.0.1.example cannot be asked");
}
