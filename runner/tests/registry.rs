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
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
